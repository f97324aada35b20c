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

/*
 * Records as a kernel's memory is full of: an address, a length, flags, a name, and room
 * for more. No two pages are alike; each shrinks to less than half.
 */
GUEST(fill_records)
{
	u64 i, w, x = 1;

	for (i = 0; i < a; i++) {
		for (w = 0; w < PAGE_WORDS; w += 8) {
			x = x * 6364136223846793005UL + 1442695040888963407UL;
			page_at(i)[w] = 0xffff888000000000UL | (x >> 40) << 6;
			page_at(i)[w + 1] = x >> 52;
			page_at(i)[w + 2] = x & 0x0101010101010101UL;
			page_at(i)[w + 3] = 0x2d746e6567612d6eUL + (w << 48);
			page_at(i)[w + 4] = page_at(i)[w];
			page_at(i)[w + 5] = 0;
			page_at(i)[w + 6] = 0;
			page_at(i)[w + 7] = 0;
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

/* What was there comes back. */
GUEST(look_again)
{
	u64 i;

	for (i = 0; i < a; i++) {
		BEGIN(ROW_UNPACK);
		(void)*page_at(i);
		END(ROW_UNPACK);
	}
}

/* A word of each cache line is read and written. */
static void work(u64 pages)
{
	u64 i, w;

	for (i = 0; i < pages; i++)
		for (w = 0; w < PAGE_WORDS; w += 8)
			page_at(i)[w]++;
}

/* So often before it is counted, if that has a row, and after. */
#define WORK(row) do {							\
	u64 i_;								\
	for (i_ = 0; i_ < b; i_++)					\
		work(a);						\
	BEGIN(row);							\
	for (i_ = 0; i_ < ROUNDS; i_++)					\
		work(a);						\
	END(row);							\
} while (0)

GUEST(work_held)
{
	WORK(ROW_WORK);
}

GUEST(work_free)
{
	WORK(ROW_WORK_FREE);
}
