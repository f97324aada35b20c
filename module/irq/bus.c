// SPDX-License-Identifier: GPL-2.0-only
/*
 * The buses: which of the kernel's devices has a port or an address, the vCPU's
 * own local APIC among them.
 *
 * A bus is an array sorted by start, immutable, replaced as a whole under RCU.
 * Ranges may overlap (several ioeventfds on one register). So each entry also
 * knows the highest end of all up to itself: a look-up finds the last entry that
 * starts at or before the address, and goes back while that end lies behind it.
 */
#include <linux/slab.h>

#include "chips.h"

struct bus_range {
	gpa_t start;
	gpa_t last;		/* inclusive: a range may end with the address space */
	gpa_t reach;		/* highest last of this entry and those before */
	bool any;		/* length 0: an access of any width at start */
	struct lodge_iodev *dev;	/* NULL: taken off, till the next is added */
};

struct lodge_bus {
	struct rcu_head rcu;
	unsigned int nr;
	struct bus_range range[];
};

/* Behind all of them lie most ports that are user space's. */
static bool beyond(const struct lodge_bus *bus, gpa_t addr)
{
	return !bus || !bus->nr || bus->range[bus->nr - 1].reach < addr;
}

/* Number of ranges that start at or before @addr. */
static unsigned int upper(const struct lodge_bus *bus, gpa_t addr)
{
	unsigned int lo = 0, hi = bus->nr;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (bus->range[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool covers(const struct bus_range *r, gpa_t addr, int len)
{
	if (r->any)
		return r->start == addr;
	return len && addr + len - 1 <= r->last;
}

/* The local APIC's registers are 4 bytes wide, and can be read in parts (SDM vol. 3A 10.4.1). */
static int lapic_read(struct lodge_vcpu *vcpu, gpa_t addr, int len, void *val)
{
	unsigned int part = addr & 3;
	u32 reg = 0;

	memset(val, 0, len);
	if (part + len <= 4) {
		lodge_lapic_read(vcpu, addr & 0xffc, &reg);
		reg >>= part * 8;
		memcpy(val, &reg, len);
	}
	return 0;
}

static int lapic_write(struct lodge_vcpu *vcpu, gpa_t addr, int len,
		       const void *val)
{
	u32 reg;

	if (!len)
		return -EOPNOTSUPP;
	if (len == 4 && !(addr & 3)) {
		memcpy(&reg, val, sizeof(reg));
		lodge_lapic_write(vcpu, addr & 0xffc, reg);
	}
	return 0;
}

/*
 * The walk of both directions, of which each has its own copy: this is the way
 * of every access to a device.
 */
static __always_inline int bus_access(struct lodge_vcpu *vcpu,
				      enum lodge_bus_kind kind, gpa_t addr,
				      int len, void *val, bool write)
{
	const struct lodge_bus *bus;
	int ret = -EOPNOTSUPP;
	unsigned int i;

	if (addr + len < addr)
		return ret;
	/* The local APIC's page lies before all else; only its own vCPU sees it. */
	if (kind == LODGE_BUS_MMIO && lodge_lapic_mmio_hit(vcpu, addr))
		return write ? lapic_write(vcpu, addr, len, val) :
			       lapic_read(vcpu, addr, len, val);
	rcu_read_lock();
	bus = rcu_dereference(vcpu->vm->irq.bus[kind]);
	for (i = beyond(bus, addr) ? 0 : upper(bus, addr); i--;) {
		const struct bus_range *r = &bus->range[i];
		struct lodge_iodev *dev = READ_ONCE(r->dev);

		if (r->reach < addr)
			break;
		if (!covers(r, addr, len) || !dev || !(write || dev->ops->read))
			continue;
		ret = write ? dev->ops->write(vcpu, dev, addr, len, val) :
			      dev->ops->read(vcpu, dev, addr, len, val);
		if (!ret)
			break;
	}
	rcu_read_unlock();
	return ret;
}

/**
 * lodge_bus_read - read from a device in the kernel
 * @vcpu: whose access this is
 * @kind: LODGE_BUS_PIO or LODGE_BUS_MMIO
 * @addr: port or guest-physical address
 * @len: 1 to 8 bytes
 * @val: where they go
 *
 * Context: the vCPU's thread; interrupts may be off.
 * Return: 0, or -EOPNOTSUPP: user space's.
 */
int lodge_bus_read(struct lodge_vcpu *vcpu, enum lodge_bus_kind kind,
		   gpa_t addr, int len, void *val)
{
	return bus_access(vcpu, kind, addr, len, val, false);
}

/**
 * lodge_bus_write - write to a device in the kernel
 * @vcpu: as for lodge_bus_read()
 * @kind: LODGE_BUS_PIO or LODGE_BUS_MMIO
 * @addr: port or guest-physical address
 * @len: 1 to 8 bytes, or 0: neither width nor data are known (@val is not looked
 *	at), which is good enough for an ioeventfd that asks for neither
 * @val: the bytes
 *
 * Return: 0, or -EOPNOTSUPP: user space's.
 */
int lodge_bus_write(struct lodge_vcpu *vcpu, enum lodge_bus_kind kind,
		    gpa_t addr, int len, const void *val)
{
	return bus_access(vcpu, kind, addr, len, (void *)val, true);
}

static struct lodge_bus *bus_of(struct lodge_vm *vm, enum lodge_bus_kind kind)
{
	return rcu_dereference_protected(vm->irq.bus[kind],
					 lockdep_is_held(&vm->irq.lock));
}

static void append(struct lodge_bus *bus, const struct bus_range *r)
{
	gpa_t reach = bus->nr ? bus->range[bus->nr - 1].reach : 0;

	if (!r->dev)
		return;
	bus->range[bus->nr] = *r;
	bus->range[bus->nr++].reach = max(reach, r->last);
}

/**
 * lodge_bus_add - put a device on a bus
 * @vm: the VM
 * @kind: which bus
 * @addr: start of the range
 * @len: its length; 0: writes of any width that start there
 * @dev: the device; it can stand at several ranges
 *
 * Context: wants irq.lock.
 * Return: 0 or -ENOMEM.
 */
int lodge_bus_add(struct lodge_vm *vm, enum lodge_bus_kind kind, gpa_t addr,
		  u64 len, struct lodge_iodev *dev)
{
	struct lodge_bus *old = bus_of(vm, kind), *bus;
	unsigned int i, at = old ? upper(old, addr) : 0;
	struct bus_range new = {
		.start = addr,
		.last = addr + max(len, 1ULL) - 1,
		.any = !len,
		.dev = dev,
	};

	bus = kvmalloc(struct_size(bus, range, old ? old->nr + 1 : 1),
		       GFP_KERNEL_ACCOUNT);
	if (!bus)
		return -ENOMEM;
	bus->nr = 0;
	for (i = 0; old && i < at; i++)
		append(bus, &old->range[i]);
	append(bus, &new);
	for (; old && i < old->nr; i++)
		append(bus, &old->range[i]);
	rcu_assign_pointer(vm->irq.bus[kind], bus);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

/**
 * lodge_bus_del - take a device off a bus, all its ranges
 * @vm: the VM
 * @kind: which bus
 * @dev: the device; nobody uses it any more when this returns, and it was
 *	released, if it has a function for that
 *
 * Context: wants irq.lock; sleeps.
 */
void lodge_bus_del(struct lodge_vm *vm, enum lodge_bus_kind kind,
		   struct lodge_iodev *dev)
{
	struct lodge_bus *bus = bus_of(vm, kind);
	bool found = false;
	unsigned int i;

	/* Where it stands, not in a copy: this must not fail. */
	for (i = 0; bus && i < bus->nr; i++) {
		if (bus->range[i].dev == dev) {
			WRITE_ONCE(bus->range[i].dev, NULL);
			found = true;
		}
	}
	if (!found)
		return;
	synchronize_rcu_expedited();
	if (dev->ops->release)
		dev->ops->release(dev);
}

/* With the VM: nobody looks any more. */
void lodge_bus_destroy(struct lodge_vm *vm)
{
	struct lodge_bus *bus;
	unsigned int i, n;

	for (i = 0; i < LODGE_NR_BUSES; i++) {
		bus = rcu_dereference_protected(vm->irq.bus[i], true);
		for (n = 0; bus && n < bus->nr; n++) {
			struct lodge_iodev *dev = bus->range[n].dev;

			if (dev && dev->ops->release)
				dev->ops->release(dev);
		}
		kvfree(bus);
		RCU_INIT_POINTER(vm->irq.bus[i], NULL);
	}
}
