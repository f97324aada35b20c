// SPDX-License-Identifier: GPL-2.0-only
#include "peek.guest.h"

#define STOP	0x200000UL

/* b: stride << 0 with the count in the low bits */
GUEST(stride)
{
	u64 n = b & 0xff, step = b & ~0xffUL, i;

	for (i = 0; i < n; i++)
		wr64(a + i * step, i + 1);
}

GUEST(fill)
{
	u64 i;

	for (i = 0; i < b; i += 8)
		wr64(a + i, a + i);
}

GUEST(churn)
{
	u64 i, old, now;

	while (!rd64(STOP)) {
		for (i = 0; i < b; i++) {
			u64 at = a + i * 4096;

			old = rd64(at);
			wr64(at, old + 1);
			now = rd64(at);
			if (now != old + 1 && now != 0)
				fail(now, old + 1, __LINE__, "count");
		}
	}
	mark(1);
}

GUEST(count)
{
	u64 i;

	for (i = 1;; i++) {
		asm volatile("incq (%0)" : : "r"(a) : "memory");
		mark(i);
	}
}
