// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced writes: to a registered zone, they are put into a ring that the
 * launcher reads when it comes by, instead of an exit for each.
 *
 * The ring is one page of the VM, which each vCPU's mmap shows. The launcher
 * writes to it as it likes: its indexes are read once and checked.
 */
#include <linux/slab.h>

#include "chips.h"

#define MAX_ZONES	1000
#define RING_ENTRIES	((PAGE_SIZE - sizeof(struct kvm_coalesced_mmio_ring)) / \
			 sizeof(struct kvm_coalesced_mmio))

struct coalesced_zone {
	struct lodge_iodev dev;
	struct list_head link;
	struct kvm_coalesced_mmio_zone z;
};

static int ring_write(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
		      gpa_t addr, int len, const void *val)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);
	struct lodge_irq *irq = &vcpu->vm->irq;
	struct kvm_coalesced_mmio_ring *ring = irq->ring;
	struct kvm_coalesced_mmio *e;
	int ret = -EOPNOTSUPP;
	unsigned long flags;
	u32 last, next;

	raw_spin_lock_irqsave(&irq->ring_lock, flags);
	last = READ_ONCE(ring->last);
	next = (last + 1) % RING_ENTRIES;
	/* Full: this one goes to user space, which empties the ring first. */
	if (last < RING_ENTRIES && next != READ_ONCE(ring->first)) {
		e = &ring->coalesced_mmio[last];
		e->phys_addr = addr;
		e->len = len;
		e->pio = zone->z.pio;
		memcpy(e->data, val, min_t(int, len, sizeof(e->data)));
		smp_store_release(&ring->last, next);	/* after the entry */
		ret = 0;
	}
	raw_spin_unlock_irqrestore(&irq->ring_lock, flags);
	return ret;
}

static void zone_release(struct lodge_iodev *dev)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);

	list_del(&zone->link);
	kfree(zone);
}

static const struct lodge_iodev_ops zone_ops = {
	.write = ring_write,
	.release = zone_release,
};

static enum lodge_bus_kind bus_of(const struct kvm_coalesced_mmio_zone *z)
{
	return z->pio ? LODGE_BUS_PIO : LODGE_BUS_MMIO;
}

static int zone_add(struct lodge_vm *vm, const struct kvm_coalesced_mmio_zone *z)
{
	struct coalesced_zone *zone;
	int ret;

	lockdep_assert_held(&vm->irq.lock);
	if (vm->irq.nr_coalesced == MAX_ZONES)
		return -ENOSPC;
	zone = kzalloc(sizeof(*zone), GFP_KERNEL_ACCOUNT);
	if (!zone)
		return -ENOMEM;
	zone->dev.ops = &zone_ops;
	zone->z = *z;
	list_add(&zone->link, &vm->irq.coalesced);
	ret = lodge_bus_add(vm, bus_of(z), z->addr, z->size, &zone->dev);
	if (ret)
		zone_release(&zone->dev);
	else
		vm->irq.nr_coalesced++;
	return ret;
}

/* KVM_REGISTER_COALESCED_MMIO */
int lodge_coalesced_add(struct lodge_vm *vm, void *arg)
{
	const struct kvm_coalesced_mmio_zone *z = arg;
	int ret;

	if (z->pio > 1)
		return -EINVAL;
	/* KVM takes a zone of no length, or one that wraps: no access is in it. */
	if (!z->size || z->addr + z->size < z->addr)
		return 0;
	mutex_lock(&vm->irq.lock);
	ret = zone_add(vm, z);
	mutex_unlock(&vm->irq.lock);
	return ret;
}

/*
 * KVM_UNREGISTER_COALESCED_MMIO: all zones around the given one go; that there
 * is none is no error.
 */
int lodge_coalesced_del(struct lodge_vm *vm, void *arg)
{
	const struct kvm_coalesced_mmio_zone *z = arg;
	struct coalesced_zone *zone, *next;

	if (z->pio > 1)
		return -EINVAL;
	mutex_lock(&vm->irq.lock);
	list_for_each_entry_safe(zone, next, &vm->irq.coalesced, link) {
		u64 start = zone->z.addr, end = start + zone->z.size;

		if (zone->z.pio != z->pio || z->addr < start ||
		    z->addr + z->size > end || z->addr + z->size < z->addr)
			continue;
		lodge_bus_del(vm, bus_of(z), &zone->dev);
		vm->irq.nr_coalesced--;
	}
	mutex_unlock(&vm->irq.lock);
	return 0;
}
