// SPDX-License-Identifier: GPL-2.0-only
#include "peek.guest.h"

#define STOP	0x200000UL
#define SHADOW	0x210000UL

/*
 * Writes values of which there are few into b pages from a on, whose contents so
 * become equal all the time, and remembers in memory of another kind what it wrote.
 */
GUEST(churn)
{
	u64 i, n = 1;

	while (!rd64(STOP)) {
		for (i = 0; i < b; i++, n = n * 5 + 3) {
			u64 at = a + i * 4096, want = rd64(SHADOW + i * 8);

			if (rd64(at) != want || rd64(at + 4088) != want)
				fail(rd64(at), want, __LINE__, "contents");
			if (n >> 3 & 1)
				continue;
			want = n >> 5 & 1;
			wr64(at, want);
			wr64(at + 4088, want);
			wr64(SHADOW + i * 8, want);
		}
	}
	mark(1);
}
