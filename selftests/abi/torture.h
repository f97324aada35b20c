/* SPDX-License-Identifier: GPL-2.0-only */
/* What the case torture and its payload both know. */
#ifndef TORTURE_H
#define TORTURE_H

/*
 * VMs, each a process, share the objects. Each has two actors that write: its guest,
 * and its launcher. Of a page before COMMON each actor has a slice; from there on a page
 * is one actor's, so that it can be wiped. What comes after TAIL is cut off now and
 * then, and belongs to the launcher of the VM with the object's number.
 */
#define VMS		3
#define ACTORS		(2 * VMS)
#define OBJECTS		2
#define COMMON		96
#define TAIL		(COMMON + 80 * ACTORS)
#define PAGES		(TAIL + 16)
#define SLICE		64	/* words */

/*
 * What a page, or slice, is: each of its words is what one of these says. They
 * differ while it is being written, and stay so if that is killed.
 */
struct cell {
	unsigned int old, new;
};

struct actor {
	unsigned int nr, stop;
	unsigned long random, ops;
	struct cell cell[OBJECTS][PAGES];
} __attribute__((aligned(4096)));

/* Where the guest finds them. */
#define OBJECT_AT	0x1000000UL
#define OBJECT_STEP	0x1000000UL
#define ACTOR_AT	0x4000000UL

static inline unsigned long torture_mix(unsigned long a, unsigned long i)
{
	unsigned long w = (a << 9 | i) * 0x9e3779b97f4a7c15ul;

	return w ^ w >> 29;
}

/* Word @i of a page with seed @s: of few kinds, shrinking or not, and 0: nothing. */
static inline unsigned long torture_word(unsigned int s, unsigned int i)
{
	switch (s & 3) {
	case 0:
		return (s >> 2 & 3) * 0x0101010101010101ul;
	case 1:
		return torture_mix(s & 0x1d, i);
	case 2:
		return i % 16 ? s : torture_mix(s, i);
	default:
		return torture_mix(s, i);
	}
}

static inline unsigned long torture_random(unsigned long *state)
{
	unsigned long x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

/* A page that the actor may write, and the words of it that are his. */
static inline unsigned int torture_page(struct actor *a, unsigned int *first,
					unsigned int *nr)
{
	unsigned long r = torture_random(&a->random);
	unsigned int page;

	*first = 0;
	*nr = 512;
	if (r & 3)
		return COMMON + (r >> 8) % (TAIL - COMMON) / ACTORS * ACTORS + a->nr;
	page = (r >> 8) % COMMON;
	*first = a->nr * SLICE;
	*nr = SLICE;
	return page;
}

#endif
