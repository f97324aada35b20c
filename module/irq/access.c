// SPDX-License-Identifier: GPL-2.0-only
/*
 * The APIC-access page: where the xAPIC's registers are, in guest-physical
 * terms, for hardware that tells accesses to them from all others by the host
 * frame that the nested tables name (SDM vol. 3C 30.4).
 *
 * It is one frame for the VM, which nobody reads: a slot of its own, which is in
 * no set of slots, with a provider of its own. The nested tables are the VM's,
 * and the page's place each vCPU's. So it is there only as long as all vCPUs
 * have their APIC at the usual place, and as xAPICs. While it isn't, accesses
 * are nested faults as without it.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/io.h>

#include "backend.h"
#include "chips.h"

struct lodge_apic_access {
	struct lodge_slot slot;
	struct page *page;
	unsigned int away;	/* vCPUs whose APIC is elsewhere: irq.lock */
};

static int access_get(struct lodge_slot *slot, unsigned long hva, bool write,
		      bool atomic, struct lodge_page *page)
{
	struct lodge_apic_access *a =
		container_of(slot, struct lodge_apic_access, slot);

	*page = (struct lodge_page){
		.pfn = page_to_pfn(a->page), .level = 1, .writable = true,
	};
	return 0;
}

static const struct lodge_provider access_provider = {
	.name = "APIC access",
	.get = access_get,
};

/* With the irqchip; 0 or -ENOMEM. */
int lodge_access_create(struct lodge_vm *vm)
{
	struct lodge_apic_access *a;

	if (!lodge_caps.apic_access || vm->irq.access)
		return 0;
	a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);
	if (!a)
		return -ENOMEM;
	a->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!a->page) {
		kfree(a);
		return -ENOMEM;
	}
	a->slot.base = APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT;
	a->slot.npages = 1;
	a->slot.provider = &access_provider;
	vm->irq.access = a;
	return 0;
}

void lodge_access_destroy(struct lodge_vm *vm)
{
	struct lodge_apic_access *a = vm->irq.access;

	if (!a)
		return;
	/* The nested tables outlive the irqchip. */
	lodge_slot_invalidate(vm, &a->slot);
	__free_page(a->page);
	kfree(a);
	vm->irq.access = NULL;
}

static bool is_away(u64 base)
{
	return (base & ~(u64)MSR_IA32_APICBASE_BSP) !=
	       (APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE);
}

/* A vCPU's APIC has moved, or changed its mode. May sleep. */
void lodge_access_moved(struct lodge_vm *vm, u64 old, u64 base)
{
	struct lodge_apic_access *a = vm->irq.access;

	if (!a || is_away(old) == is_away(base))
		return;
	mutex_lock(&vm->irq.lock);
	if (!is_away(base)) {
		if (!--a->away)
			WRITE_ONCE(a->slot.invalid, false);
	} else if (!a->away++) {
		lodge_slot_invalidate(vm, &a->slot);
	}
	mutex_unlock(&vm->irq.lock);
}

/**
 * lodge_access_slot - the APIC-access page as a slot
 * @vm: the VM
 * @gfn: a frame that no slot has
 *
 * Context: any; under vm->srcu.
 * Return: the slot, or NULL if this isn't it, or if it isn't used now.
 */
struct lodge_slot *lodge_access_slot(struct lodge_vm *vm, gfn_t gfn)
{
	struct lodge_apic_access *a = vm->irq.access;

	return gfn == APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT && a &&
	       !READ_ONCE(a->slot.invalid) ? &a->slot : NULL;
}

/** lodge_access_hpa - where it lies for the hardware; 0: the VM has none */
u64 lodge_access_hpa(struct lodge_vm *vm)
{
	return vm->irq.access ? page_to_phys(vm->irq.access->page) : 0;
}
