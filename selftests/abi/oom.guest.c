// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"
#include "oom.h"

/* Fills @a pages, then looks whether they are what they were; tells how far it is. */
GUEST(fill)
{
	u32 page, i, seed = b;

	for (page = 0; page < a; page++) {
		for (i = 0; i < 512; i++)
			wr64(OOM_AT + page * 4096UL + i * 8, oom_word(seed, page, i));
		if (page % OOM_STEP == 0)
			mark(page);
	}
	for (page = 0; page < a; page++) {
		for (i = 0; i < 512; i++)
			EQ(rd64(OOM_AT + page * 4096UL + i * 8), oom_word(seed, page, i));
		if (page % OOM_STEP == 0)
			mark(a + page);
	}
}
