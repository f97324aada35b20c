// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM's memory is made of, for people: an ioctl, and netlink.c, show it.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "lodge.h"
#include "mem/object.h"

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
 * @states: set to a byte for each page, as struct lodge_vm_map has them
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

/**
 * lodge_survey_ioctl - LODGE_VM_MAP
 * @vm: the VM
 * @arg: struct lodge_vm_map in user space
 *
 * Return: 0; -EINVAL, -E2BIG, -EFAULT, -ENOMEM.
 */
int lodge_survey_ioctl(struct lodge_vm *vm, void __user *arg)
{
	struct lodge_vm_map map;
	u32 size, nr;
	u8 *states;
	int ret = lodge_args_get(&map, sizeof(map), sizeof(map), arg, &size);

	if (ret)
		return ret;
	if (map.flags & ~LODGE_MAP_CLEAR)
		return -EINVAL;
	states = kmalloc(LODGE_MAP_PAGES, GFP_KERNEL_ACCOUNT);
	if (!states)
		return -ENOMEM;
	nr = lodge_survey(vm, &map.first, states, min_t(u64, map.count, LODGE_MAP_PAGES),
			  map.flags & LODGE_MAP_CLEAR);
	map.count = nr;
	if (copy_to_user(u64_to_user_ptr(map.states), states, nr) ||
	    copy_to_user(arg, &map, sizeof(map)))
		ret = -EFAULT;
	kfree(states);
	return ret;
}
