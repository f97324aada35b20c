// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

#define STOP	0x200000UL

/* Touches a page every 4K of [a, a + b), and says so, again and again. */
GUEST(touch)
{
	u64 i, round;

	for (round = 1;; round++) {
		for (i = 0; i < b; i += 4096)
			wr64(a + i, rd64(a + i) + 1);
		mark(round);
	}
}

/* The same without an exit; what is written stays written. */
GUEST(churn)
{
	u64 i, round;

	for (round = 0; !rd64(STOP); round++)
		for (i = 0; i < b; i += 4096) {
			EQ(rd64(a + i), round);
			wr64(a + i, round + 1);
		}
	mark(1);
}
