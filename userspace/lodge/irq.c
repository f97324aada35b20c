// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts. The chips are in the kernel; this file owns the routing table:
 * GSI 0 to 15 reach both the PICs and the I/O APIC, 16 to 23 the I/O APIC,
 * and those from 24 on are message-signalled, each with an eventfd of its
 * own, so that a device, or the kernel in its place (vhost.c), raises one by it.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lodge.h"
#include "util.h"

#define IRQ_PINS	24
#define IRQ_CASCADE	2
#define IRQ_MAX		1024	/* all vectors of 31 devices, and more */

struct irq_chip {
	pthread_mutex_t lock;
	struct kvm_irq_routing *table;
	unsigned int max;	/* table has room for so many entries */
	bool used[IRQ_MAX];
};

static void add_pin(struct irq_chip *irq, unsigned int gsi,
		    unsigned int chip, unsigned int pin)
{
	irq->table->entries[irq->table->nr++] = (struct kvm_irq_routing_entry) {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { chip, pin },
	};
}

static void commit(struct vm *vm)
{
	xioctl(vm->fd, KVM_SET_GSI_ROUTING, vm->irq->table,
	       "KVM_SET_GSI_ROUTING");
}

/** irq_init() - the PC's fixed routes. The chips exist already. */
void irq_init(struct vm *vm)
{
	struct irq_chip *irq = xalloc(1, sizeof(*irq));
	unsigned int i;

	pthread_mutex_init(&irq->lock, NULL);
	irq->max = 64;
	irq->table = xalloc(1, sizeof(*irq->table) +
			    irq->max * sizeof(irq->table->entries[0]));
	vm->irq = irq;
	for (i = 0; i < IRQ_PINS; i++) {
		if (i == IRQ_CASCADE)
			continue;
		if (i < 8)
			add_pin(irq, i, KVM_IRQCHIP_PIC_MASTER, i);
		else if (i < 16)
			add_pin(irq, i, KVM_IRQCHIP_PIC_SLAVE, i - 8);
		/* The PIT's line is wired to pin 2, as the MADT says. */
		add_pin(irq, i, KVM_IRQCHIP_IOAPIC, i ? i : IRQ_CASCADE);
	}
	commit(vm);
}

/** irq_line() - set the level of a GSI below 24. */
void irq_line(struct vm *vm, unsigned int gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	xioctl(vm->fd, KVM_IRQ_LINE, &line, "KVM_IRQ_LINE");
}

/** irq_pulse() - an edge on a GSI below 24. */
void irq_pulse(struct vm *vm, unsigned int gsi)
{
	irq_line(vm, gsi, true);
	irq_line(vm, gsi, false);
}

/**
 * irq_msi_add() - a message-signalled interrupt that @efd raises
 * @vm: the machine
 * @efd: an eventfd of the caller's
 *
 * Return: its GSI, for irq_msi_route(). Until then, it goes nowhere.
 */
int irq_msi_add(struct vm *vm, int efd)
{
	struct irq_chip *irq = vm->irq;
	struct kvm_irqfd irqfd = { .fd = efd };

	pthread_mutex_lock(&irq->lock);
	irqfd.gsi = IRQ_PINS;
	while (irqfd.gsi < IRQ_MAX && irq->used[irqfd.gsi])
		irqfd.gsi++;
	if (irqfd.gsi == IRQ_MAX)
		die("there are more than %d interrupts", IRQ_MAX);
	irq->used[irqfd.gsi] = true;
	pthread_mutex_unlock(&irq->lock);
	xioctl(vm->fd, KVM_IRQFD, &irqfd, "KVM_IRQFD");
	return irqfd.gsi;
}

/**
 * irq_msi_remove() - it is raised no more, and its GSI may be another's
 * @vm: the machine
 * @efd: the eventfd, still open
 * @gsi: from irq_msi_add()
 */
void irq_msi_remove(struct vm *vm, int efd, unsigned int gsi)
{
	struct kvm_irqfd irqfd = { .fd = efd, .gsi = gsi, .flags = KVM_IRQFD_FLAG_DEASSIGN };
	struct kvm_irq_routing *table;
	struct irq_chip *irq = vm->irq;
	unsigned int i;

	xioctl(vm->fd, KVM_IRQFD, &irqfd, "KVM_IRQFD");
	pthread_mutex_lock(&irq->lock);
	table = irq->table;
	for (i = 0; i < table->nr; i++) {
		if (table->entries[i].type != KVM_IRQ_ROUTING_MSI || table->entries[i].gsi != gsi)
			continue;
		table->entries[i] = table->entries[--table->nr];
		commit(vm);
		break;
	}
	irq->used[gsi] = false;
	pthread_mutex_unlock(&irq->lock);
}

static struct kvm_irq_routing_entry *find_msi(struct irq_chip *irq,
					      unsigned int gsi)
{
	struct kvm_irq_routing *table = irq->table;
	struct kvm_irq_routing_entry *e;
	unsigned int i;

	for (i = 0; i < table->nr; i++)
		if (table->entries[i].type == KVM_IRQ_ROUTING_MSI &&
		    table->entries[i].gsi == gsi)
			return &table->entries[i];
	if (table->nr == irq->max) {
		irq->max *= 2;
		irq->table = xalloc(1, sizeof(*table) +
				    irq->max * sizeof(table->entries[0]));
		memcpy(irq->table, table, sizeof(*table) +
		       table->nr * sizeof(table->entries[0]));
		free(table);
	}
	e = &irq->table->entries[irq->table->nr++];
	/* One that was removed may have been there, and look like the one that comes. */
	memset(e, 0, sizeof(*e));
	return e;
}

/** irq_msi_route() - what the guest wrote to the vector behind @gsi. */
void irq_msi_route(struct vm *vm, unsigned int gsi, uint64_t addr,
		   uint32_t data)
{
	struct irq_chip *irq = vm->irq;
	struct kvm_irq_routing_entry *e, before;
	struct kvm_irq_routing_entry route = {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = {
			.address_lo = addr,
			.address_hi = addr >> 32,
			.data = data,
		},
	};
	int err;

	pthread_mutex_lock(&irq->lock);
	e = find_msi(irq, gsi);
	before = *e;
	if (memcmp(e, &route, sizeof(route))) {
		*e = route;
		/*
		 * A guest may write any message; one that the kernel will
		 * not route is lost, as on a machine where nobody claims it.
		 */
		err = ioctl(vm->fd, KVM_SET_GSI_ROUTING, irq->table) ? errno : 0;
		if (err == EINVAL) {
			e->u.msi.address_lo = LAPIC_BASE;
			e->u.msi.address_hi = 0;
			e->u.msi.data = 0;
			commit(vm);
		} else if (err) {
			/* The next write of the vector is another chance. */
			warn("cannot route an interrupt: %s", strerror(err));
			*e = before;
			irq->table->nr -= !before.type;
		}
	}
	pthread_mutex_unlock(&irq->lock);
}
