// SPDX-License-Identifier: GPL-2.0-only
/* Touches one page in each gigabyte, which wants nested tables for each. */
#include "guest.h"

GUEST(touch)
{
	u64 i;

	for (i = a; i < b; i++)
		rd64(i << 30);
}

#define STOP	0x200000UL
#define ROUND	0x200008UL	/* said to the host: finished rounds */

/* Each second page has words that don't shrink. */
static u64 word_of(u64 page, u64 round, u64 i)
{
	u64 x = (page << 32 | round << 9 | i) * 0x9e3779b97f4a7c15UL;

	x ^= x >> 29;
	return page % 2 && i % 8 ? page + round : x;
}

static void put(u64 base, u64 page, u64 round)
{
	u64 i;

	for (i = 0; i < 512; i++)
		wr64(base + page * 4096 + i * 8, word_of(page, round, i));
}

/*
 * b pages, a power of two, from a on: all are written; then, until it is told to stop, in
 * rounds and out of order: what was written is there, and another pattern is written.
 */
GUEST(load)
{
	u64 i, w, page, round;

	for (i = 0; i < b; i++)
		put(a, i, 0);
	for (round = 1;; round++) {
		wr64(ROUND, round);
		for (i = 0; i < b; i++) {
			if (rd64(STOP))
				return;
			page = (i * 40503 + round) & (b - 1);
			for (w = 0; w < 512; w++)
				EQ(rd64(a + page * 4096 + w * 8),
				   word_of(page, round - 1, w));
			put(a, page, round);
		}
	}
}
