// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a GSI to the pins and messages that it means, and back.
 *
 * A table is immutable and replaced as a whole under RCU; whoever sends an
 * interrupt looks it up each time, so that nothing has to be told of a change.
 */
#include <linux/slab.h>
#include <linux/sort.h>

#include "chips.h"

#define NO_GSI		0xffff
#define ROUTE_MSI	KVM_NR_IRQCHIPS

struct lodge_route {
	u16 gsi;
	u8 kind;		/* KVM_IRQCHIP_*, or ROUTE_MSI */
	u8 pin;
	struct kvm_msi msi;
};

/**
 * struct lodge_routing - all routes of a VM
 * @rcu: readers may still have it
 * @gsi: the GSI that leads to a pin, for acknowledgments; NO_GSI if none
 * @first: routes of GSI n are those from first[n] up to first[n + 1]
 * @route: the routes, sorted by GSI
 */
struct lodge_routing {
	struct rcu_head rcu;
	u16 gsi[KVM_NR_IRQCHIPS][LODGE_IOAPIC_PINS];
	u16 first[LODGE_MAX_GSI + 1];
	struct lodge_route route[];
};

/**
 * lodge_irq_msi - send a message-signalled interrupt
 * @vm: the VM
 * @msi: address and data
 *
 * Context: any but NMI.
 * Return: as lodge_ipi_deliver(); -EINVAL for an address that can't be.
 */
int lodge_irq_msi(struct lodge_vm *vm, const struct kvm_msi *msi)
{
	struct lodge_ipi ipi = {
		.dest = (msi->address_lo >> 12) & 0xff,
		.vector = msi->data,
		.mode = (msi->data >> 8) & 7,
		.logical = msi->address_lo & BIT(2),
		.lowest = msi->address_lo & BIT(3),
		.level = true,
		.trig_level = msi->data & BIT(15),
	};

	if (vm->irq.x2apic_format) {
		if (msi->address_hi & 0xff)
			return -EINVAL;
		ipi.dest |= msi->address_hi;
	}
	return lodge_ipi_deliver(vm, NULL, &ipi);
}

static int send(struct lodge_vm *vm, const struct lodge_route *r, int source,
		bool level, bool line_status)
{
	switch (r->kind) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		return lodge_pic_set(vm, r->kind, r->pin, source, level);
	case KVM_IRQCHIP_IOAPIC:
		return lodge_ioapic_set(vm, r->pin, source, level, line_status);
	default:
		return level ? lodge_irq_msi(vm, &r->msi) : -1;
	}
}

/* As lodge_irq_set(); @line_status: the caller retries coalesced clock ticks. */
int lodge_irq_line(struct lodge_vm *vm, int source, u32 gsi, bool level,
		   bool line_status)
{
	const struct lodge_routing *table;
	int i, n, ret = -1;

	if (gsi >= LODGE_MAX_GSI)
		return ret;
	rcu_read_lock();
	table = rcu_dereference(vm->irq.routing);
	if (table) {
		for (i = table->first[gsi]; i < table->first[gsi + 1]; i++) {
			n = send(vm, &table->route[i], source, level, line_status);
			if (n >= 0)
				ret = n + max(ret, 0);
		}
	}
	rcu_read_unlock();
	return ret;
}

/**
 * lodge_irq_set - a source moves a line
 * @vm: the VM
 * @source: enum lodge_irq_source
 * @gsi: the line
 * @level: its new level; of a message, 1 sends and 0 is ignored
 *
 * Context: any but NMI.
 * Return: <0 masked or not connected, 0 coalesced with one that is pending, else
 * the number of vCPUs reached.
 */
int lodge_irq_set(struct lodge_vm *vm, int source, u32 gsi, int level)
{
	return lodge_irq_line(vm, source, gsi, level, false);
}

/* Under RCU. */
static u32 gsi_of(struct lodge_vm *vm, unsigned int chip, unsigned int pin)
{
	const struct lodge_routing *table = rcu_dereference(vm->irq.routing);

	return table ? table->gsi[chip][pin] : NO_GSI;
}

/*
 * Does anybody wait for the end of this pin's interrupts? With @over, one has
 * been finished, and they are told.
 */
bool lodge_irq_acked(struct lodge_vm *vm, unsigned int chip, unsigned int pin,
		     bool over)
{
	struct lodge_ack *ack;
	bool wanted;
	u32 gsi;

	rcu_read_lock();
	gsi = gsi_of(vm, chip, pin);
	wanted = gsi != NO_GSI && test_bit(gsi, vm->irq.acked);
	if (wanted && over)
		list_for_each_entry_rcu(ack, &vm->irq.acks, link)
			if (ack->gsi == gsi)
				ack->fn(ack, vm);
	rcu_read_unlock();
	return wanted;
}

/* The guest has unmasked a pin. Under the chip's lock. */
void lodge_irq_unmasked(struct lodge_vm *vm, unsigned int chip, unsigned int pin)
{
	struct lodge_pit *pit = READ_ONCE(vm->irq.pit);

	rcu_read_lock();
	if (pit && gsi_of(vm, chip, pin) == LODGE_PIT_GSI)
		lodge_pit_unmasked(pit);
	rcu_read_unlock();
}

void lodge_irq_ack_add(struct lodge_vm *vm, struct lodge_ack *ack)
{
	lockdep_assert_held(&vm->irq.lock);
	list_add_tail_rcu(&ack->link, &vm->irq.acks);
	set_bit(ack->gsi, vm->irq.acked);
	lodge_ioapic_scan(vm);
}

/* May sleep. Afterwards its function neither runs nor will. */
void lodge_irq_ack_del(struct lodge_vm *vm, struct lodge_ack *ack)
{
	struct lodge_ack *other;
	bool last = true;

	lockdep_assert_held(&vm->irq.lock);
	list_del_rcu(&ack->link);
	list_for_each_entry(other, &vm->irq.acks, link)
		last = last && other->gsi != ack->gsi;
	if (last)
		clear_bit(ack->gsi, vm->irq.acked);
	synchronize_rcu_expedited();
	lodge_ioapic_scan(vm);
}

static int parse(struct lodge_vm *vm, struct lodge_route *r,
		 const struct kvm_irq_routing_entry *e)
{
	if (e->gsi >= LODGE_MAX_GSI)
		return -EINVAL;
	r->gsi = e->gsi;
	switch (e->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		r->kind = e->u.irqchip.irqchip;
		r->pin = e->u.irqchip.pin;
		return e->flags || vm->irq.split ||
			e->u.irqchip.irqchip >= KVM_NR_IRQCHIPS ||
			e->u.irqchip.pin >= (r->kind == KVM_IRQCHIP_IOAPIC ?
					     LODGE_IOAPIC_PINS : 8) ? -EINVAL : 0;
	case KVM_IRQ_ROUTING_MSI:
		if (e->flags & ~KVM_MSI_VALID_DEVID ||
		    (vm->irq.x2apic_format && e->u.msi.address_hi & 0xff))
			return -EINVAL;
		r->kind = ROUTE_MSI;
		r->msi.address_lo = e->u.msi.address_lo;
		r->msi.address_hi = e->u.msi.address_hi;
		r->msi.data = e->u.msi.data;
		return 0;
	default:
		return -EINVAL;
	}
}

/* A GSI is one message, or at most one pin of each chip: master, slave, I/O APIC. */
static bool clash(const struct lodge_routing *table, const struct lodge_route *r)
{
	int i;

	for (i = table->first[r->gsi]; &table->route[i] < r; i++) {
		const struct lodge_route *o = &table->route[i];

		if (o->kind == ROUTE_MSI || r->kind == ROUTE_MSI ||
		    o->kind == r->kind)
			return true;
	}
	return false;
}

static int by_gsi(const void *a, const void *b)
{
	return ((const struct lodge_route *)a)->gsi -
	       ((const struct lodge_route *)b)->gsi;
}

static int fill(struct lodge_vm *vm, struct lodge_routing *table,
		const struct kvm_irq_routing_entry *e, unsigned int nr)
{
	unsigned int i, gsi;

	for (i = 0; i < nr; i++)
		if (parse(vm, &table->route[i], &e[i]))
			return -EINVAL;
	sort(table->route, nr, sizeof(*table->route), by_gsi, NULL);
	for (i = 0, gsi = 0; gsi <= LODGE_MAX_GSI; gsi++) {
		table->first[gsi] = i;
		while (i < nr && table->route[i].gsi == gsi)
			i++;
	}
	memset(table->gsi, 0xff, sizeof(table->gsi));
	for (i = 0; i < nr; i++) {
		const struct lodge_route *p = &table->route[i];

		if (clash(table, p))
			return -EINVAL;
		if (p->kind != ROUTE_MSI)
			table->gsi[p->kind][p->pin] = p->gsi;
	}
	return 0;
}

/*
 * Level-triggered pins of user space's I/O APICs: it wants to hear of their
 * EOIs. What was sent by an older route may be yet to be finished, so that
 * vectors are only ever added.
 */
static void add_user_eois(struct lodge_vm *vm, const struct lodge_routing *table)
{
	int i;

	for (i = 0; i < table->first[vm->irq.user_pins]; i++) {
		const struct kvm_msi *msi = &table->route[i].msi;

		if (msi->data & BIT(15))
			set_bit(msi->data & 0xff, vm->irq.eoi);
	}
	lodge_lapic_eoi_changed(vm);
}

/**
 * lodge_routing_set - replace all routes
 * @vm: the VM
 * @e: the new routes, in memory that nobody else writes
 * @nr: how many; at most LODGE_MAX_GSI
 *
 * Context: wants irq.lock.
 * Return: 0; -EINVAL: a route is wrong, and all stay as they were; -ENOMEM.
 */
int lodge_routing_set(struct lodge_vm *vm, const struct kvm_irq_routing_entry *e,
		      unsigned int nr)
{
	struct lodge_routing *table, *old;
	int ret;

	lockdep_assert_held(&vm->irq.lock);
	table = kvzalloc(struct_size(table, route, nr), GFP_KERNEL_ACCOUNT);
	if (!table)
		return -ENOMEM;
	ret = fill(vm, table, e, nr);
	if (ret) {
		kvfree(table);
		return ret;
	}
	old = rcu_replace_pointer(vm->irq.routing, table,
				  lockdep_is_held(&vm->irq.lock));
	if (old)
		kvfree_rcu(old, rcu);
	if (vm->irq.split)
		add_user_eois(vm, table);
	else
		lodge_ioapic_scan(vm);
	return 0;
}

/* As a PC has them: 0 to 15 to both kinds of chip, the rest to the I/O APIC. */
int lodge_routing_defaults(struct lodge_vm *vm)
{
	const unsigned int nr = LODGE_IOAPIC_PINS + 16;
	struct kvm_irq_routing_entry *e;
	unsigned int i;
	int ret;

	e = kcalloc(nr, sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		e[i].gsi = i < 16 ? i : i - 16;
		e[i].type = KVM_IRQ_ROUTING_IRQCHIP;
		e[i].u.irqchip.irqchip = i < 8 ? KVM_IRQCHIP_PIC_MASTER :
			i < 16 ? KVM_IRQCHIP_PIC_SLAVE : KVM_IRQCHIP_IOAPIC;
		e[i].u.irqchip.pin = i < 16 ? i & 7 : i - 16;
	}
	ret = lodge_routing_set(vm, e, nr);
	kfree(e);
	return ret;
}
