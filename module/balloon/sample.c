// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM uses, by sampling: the accessed bits of some pages, chosen at random, are
 * taken away, and a period later those are counted that have it again. A page
 * that isn't mapped counts as one without; if it is brought in meanwhile, it has
 * been touched. Without such bits in the hardware the entry itself is taken
 * away (LODGE_NPT_CLEAR_YOUNG), and comes back by a fault.
 *
 * A leaf has one bit: where the nested tables map 2M or 1G at once, a touch anywhere
 * in it counts for the page that was chosen.
 */
#include <linux/random.h>

#include "lodge.h"

/**
 * lodge_sample_end - count what was touched
 * @vm: the VM
 * @s: the sample
 *
 * Return: pages, of s->nr.
 */
u32 lodge_sample_end(struct lodge_vm *vm, const struct lodge_sample *s)
{
	u32 i, touched = 0;

	for (i = 0; i < s->nr; i++)
		touched += lodge_npt_range(vm, LODGE_NPT_TEST_YOUNG, s->gfn[i],
					   s->gfn[i] + 1, false);
	return touched;
}

static u64 slot_pages(const struct lodge_slots *slots, unsigned int nr)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < nr; i++)
		sum += slots->slot[i]->npages;
	return sum;
}

/**
 * lodge_sample_begin - choose pages and take their accessed bits away
 * @vm: the VM
 * @s: filled in
 *
 * One page is chosen from each of as many equal parts of the memory as there are
 * samples, so that one pass over the slots finds them all.
 *
 * Context: under vm->srcu; doesn't sleep.
 */
void lodge_sample_begin(struct lodge_vm *vm, struct lodge_sample *s)
{
	struct lodge_slots *slots = lodge_slots(vm);
	/* Pairs with slots_put(). */
	unsigned int nr = smp_load_acquire(&slots->nr), at = 0;
	u64 part, below = 0;

	s->pages = slot_pages(slots, nr);
	part = s->pages / LODGE_SAMPLES;
	/* Less than that is no memory for a guest. */
	for (s->nr = 0; part && s->nr < LODGE_SAMPLES; s->nr++) {
		u64 page = s->nr * part + get_random_u64() % part;
		const struct lodge_slot *slot = slots->slot[at];

		while (page - below >= slot->npages) {
			below += slot->npages;
			slot = slots->slot[++at];
		}
		s->gfn[s->nr] = slot->base + (page - below);
		lodge_npt_range(vm, LODGE_NPT_CLEAR_YOUNG, s->gfn[s->nr],
				s->gfn[s->nr] + 1, false);
	}
	/* A TLB that has a page sets no bit. */
	if (s->nr)
		lodge_npt_flush(vm);
}
