// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM's memory is made of, for people: netlink.c shows it.
 */
#include "lodge.h"

/* The first slot that ends above @gfn, or NULL. */
static struct lodge_slot *slot_from(struct lodge_slots *slots, gfn_t gfn)
{
	/* Pairs with slots_put(). */
	unsigned int i, nr = smp_load_acquire(&slots->nr);

	for (i = 0; i < nr; i++)
		if (gfn < slots->slot[i]->base + slots->slot[i]->npages)
			return slots->slot[i];
	return NULL;
}

/**
 * lodge_survey - what some of a VM's pages are
 * @vm: the VM
 * @first: the guest frame from which on; set to the next one that is in a slot
 * @states: set to a byte for each page, as LODGE_A_MAP_STATES has them
 * @max: how many there is room for
 * @clear: their accessed bits are taken away
 *
 * All of them are of one slot. An object is known where a fault has found it
 * (view.c).
 *
 * Context: doesn't sleep.
 * Return: pages; 0 if there is no slot from @first on.
 */
u32 lodge_survey(struct lodge_vm *vm, u64 *first, u8 *states, u32 max, bool clear)
{
	int idx = srcu_read_lock(&vm->srcu);
	struct lodge_slot *slot;
	u32 nr = 0;

	/* From here on: a slot that is taken away meanwhile doesn't hear that its object goes. */
	rcu_read_lock();
	slot = slot_from(lodge_slots(vm), *first);
	if (slot) {
		*first = max_t(u64, *first, slot->base);
		nr = min_t(u64, max, slot->base + slot->npages - *first);
		lodge_view_states(slot, lodge_slot_hva(slot, *first), states, nr);
	}
	rcu_read_unlock();
	if (!slot)
		goto out;
	lodge_npt_survey(vm, *first, *first + nr, states);
	/* A TLB that has a page sets no bit. */
	if (clear && lodge_npt_range(vm, LODGE_NPT_CLEAR_YOUNG, *first, *first + nr, false))
		lodge_npt_flush(vm);
out:
	srcu_read_unlock(&vm->srcu, idx);
	return nr;
}
