// SPDX-License-Identifier: GPL-2.0-only
/* The payload of memory.c: a guest that writes and reads its memory. */
#include "guest.h"
#include "memory.h"
#include "rows.h"

#define PAGE_WORDS	512

static volatile u64 *page_at(u64 n)
{
	return (volatile u64 *)(G_TEST + n * PAGE_WORDS * 8);
}

/* All of a pages, of which b each are alike, far from each other. */
GUEST(fill)
{
	u64 i, w;

	for (i = 0; i < a; i++) {
		u64 x = i % (a / b) + 1;

		for (w = 0; w < PAGE_WORDS; w++) {
			x = x * 6364136223846793005UL + 1442695040888963407UL;
			page_at(i)[w] = x;
		}
	}
}

/* So that they are mapped. */
GUEST(look)
{
	u64 i;

	for (i = 0; i < a; i++)
		(void)*page_at(i);
}

/* A word of each page. */
GUEST(rewrite)
{
	u64 i;

	for (i = 0; i < a; i++)
		page_at(i)[1] = b + i;
}

#define WRITE(row) do {							\
	u64 i_;								\
	for (i_ = 0; i_ < a; i_++) {					\
		BEGIN(row);						\
		*page_at(i_) = i_;					\
		END(row);						\
	}								\
} while (0)

GUEST(write)
{
	WRITE(ROW_BREAK);
}

GUEST(write_again)
{
	WRITE(ROW_BREAK_GUEST);
}
