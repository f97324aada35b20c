/* SPDX-License-Identifier: GPL-2.0-only */
/* What the case oom and its payload both know. */
#ifndef OOM_H
#define OOM_H

/* Where the guest's lodge memory is, and tells how many pages it is done with. */
#define OOM_AT		0x10000000UL
#define OOM_STEP	64

/*
 * Word @i of a page: each is another one, or, where it shrinks, one in eight.
 * Bit 31 of @seed says so.
 */
static inline unsigned long oom_word(unsigned int seed, unsigned int page, unsigned int i)
{
	unsigned long w = ((unsigned long)seed << 40 | (unsigned long)page << 9 | i) *
			  0x9e3779b97f4a7c15ul;

	return (seed >> 31) && i % 8 ? page : w ^ w >> 29;
}

#endif
