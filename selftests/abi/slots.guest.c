// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

GUEST(peek_forever)
{
	for (;;)
		value(rd64(a));
}

GUEST(rom)
{
	value(rd64(a));
	wr64(a, 0x5555);
	value(rd64(a));
	asm volatile("addq $1, (%0)" : : "r"(a) : "memory");
}

GUEST(alias)
{
	wr64(a, 0x1234);
	EQ(rd64(b), 0x1234);
	wr64(b, 0xabcd);
	EQ(rd64(a), 0xabcd);
}
