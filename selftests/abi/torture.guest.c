// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"
#include "torture.h"

static u64 page_at(u64 o, u64 page)
{
	return OBJECT_AT + o * OBJECT_STEP + page * 4096;
}

static void check(u64 at, volatile struct cell *c, u32 first, u32 nr)
{
	u32 was = c->old, is = c->new, i;

	for (i = first; i < first + nr; i++) {
		u64 got = rd64(at + i * 8);

		if (got != torture_word(was, i) && got != torture_word(is, i))
			fail(got, torture_word(is, i), __LINE__, "contents");
	}
}

static void write(u64 at, volatile struct cell *c, u32 first, u32 nr, u32 seed)
{
	u32 i;

	c->new = seed;
	for (i = first; i < first + nr; i++)
		wr64(at + i * 8, torture_word(seed, i));
	c->old = seed;
}

/* Reads, writes and gives up pages until it is told to stop. */
GUEST(torture)
{
	struct actor *me = (struct actor *)ACTOR_AT;
	volatile struct cell *c;
	u32 page, first, nr;
	u64 r, o, at;

	while (!*(volatile u32 *)&me->stop) {
		r = torture_random(&me->random);
		o = r % OBJECTS;
		page = torture_page(me, &first, &nr);
		at = page_at(o, page);
		c = &me->cell[o][page];
		check(at, c, first, nr);
		if (c->old != c->new) {
			/* It was killed here. */
			write(at, c, first, nr, c->new);
		} else if ((r >> 8) % 16 == 0 && nr == 512) {
			c->new = 0;
			mark(o << 16 | page);
			c->old = 0;
		} else if ((r >> 8) % 16 < 10) {
			write(at, c, first, nr, r >> 32);
		}
		me->ops++;
	}
}
