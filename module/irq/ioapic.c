// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O APIC: 24 pins, as the 82093AA's data sheet has it.
 *
 * Reached from devices' threads, host interrupts and vCPUs with interrupts off,
 * so its lock is a raw one and is dropped before anybody is told of an EOI, since
 * who is told may come back to lower a line.
 */
#include <linux/nospec.h>
#include <linux/slab.h>

#include "chips.h"

#define REG_SELECT	0x00
#define REG_WINDOW	0x10

#define REDIR_VECTOR	GENMASK_ULL(7, 0)
#define REDIR_MODE	GENMASK_ULL(10, 8)
#define REDIR_LOGICAL	BIT_ULL(11)
#define REDIR_STATUS	BIT_ULL(12)
#define REDIR_REMOTE	BIT_ULL(14)
#define REDIR_LEVEL	BIT_ULL(15)
#define REDIR_MASKED	BIT_ULL(16)

#define RTC_PIN		8
/*
 * A guest without a handler for a level interrupt that stays high would get
 * it again with every EOI and never come to run anything else: after so many in
 * a row it is given some time (as KVM).
 */
#define STORM_EOIS	10000
#define STORM_DELAY	(HZ / 100)

/* Vectors whose EOI matters although they are edge-triggered: eoi() asks. */
static void update_eoi(struct lodge_ioapic *ioapic)
{
	struct lodge_irq *irq = &ioapic->vm->irq;
	unsigned long eoi[4] = { 0 };
	bool changed = false;
	int i;

	for (i = 0; i < LODGE_IOAPIC_PINS; i++) {
		u64 e = ioapic->redir[i];

		/* Masked ones too: what was sent before is yet to be finished. */
		if (e & REDIR_LEVEL || i == RTC_PIN ||
		    lodge_irq_acked(ioapic->vm, KVM_IRQCHIP_IOAPIC, i, false))
			__set_bit(e & REDIR_VECTOR, eoi);
	}
	for (i = 0; i < 4; i++) {
		changed |= irq->eoi[i] != eoi[i];
		WRITE_ONCE(irq->eoi[i], eoi[i]);
	}
	if (changed)
		lodge_lapic_eoi_changed(ioapic->vm);
}

/* Who listens to EOIs has changed. */
void lodge_ioapic_scan(struct lodge_vm *vm)
{
	struct lodge_ioapic *ioapic = vm->irq.ioapic;
	unsigned long flags;

	if (!ioapic)
		return;
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	update_eoi(ioapic);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/* Send what the pin's entry says; <0 if it can't be sent now. */
static int service(struct lodge_ioapic *ioapic, unsigned int pin, bool clock)
{
	u64 e = ioapic->redir[pin];
	struct lodge_ipi ipi = {
		.dest = e >> 56,
		.vector = e & REDIR_VECTOR,
		.mode = (e & REDIR_MODE) >> 8,
		.logical = e & REDIR_LOGICAL,
		.level = true,
		.trig_level = e & REDIR_LEVEL,
	};
	int n;

	if (e & REDIR_MASKED || (e & REDIR_LEVEL && e & REDIR_REMOTE))
		return -1;
	if (!(e & REDIR_LEVEL))
		ioapic->delivered |= BIT(pin);
	if (clock) {
		bitmap_zero(ioapic->rtc_pending, LODGE_MAX_APIC_ID + 1);
		ioapic->rtc_vector = ipi.vector;
		ipi.reached = ioapic->rtc_pending;
	}
	n = lodge_ipi_deliver(ioapic->vm, NULL, &ipi);
	if (n > 0 && e & REDIR_LEVEL)
		ioapic->redir[pin] |= REDIR_REMOTE;
	return n;
}

static int set_pin(struct lodge_ioapic *ioapic, unsigned int pin, bool level,
		   bool line_status)
{
	bool edge = !(ioapic->redir[pin] & REDIR_LEVEL);
	bool clock = pin == RTC_PIN && line_status;
	u32 old = ioapic->irr;

	if (!level) {
		ioapic->irr &= ~BIT(pin);
		return 1;
	}
	/* The guest hasn't come to the clock's last tick: say so, for a retry. */
	if (clock && !bitmap_empty(ioapic->rtc_pending, LODGE_MAX_APIC_ID + 1))
		return 0;
	ioapic->irr |= BIT(pin);
	if (edge) {
		ioapic->delivered &= ~BIT(pin);
		if (old & BIT(pin))
			return 0;
	}
	return service(ioapic, pin, clock);
}

/**
 * lodge_ioapic_set - a source moves a line
 * @vm: the VM
 * @pin: 0 to 23
 * @source: enum lodge_irq_source
 * @level: its new level; the line is high while any source holds it high
 * @line_status: the caller wants to know of coalesced clock ticks
 *
 * Return: <0 masked, 0 coalesced, else the number of vCPUs reached.
 */
int lodge_ioapic_set(struct lodge_vm *vm, unsigned int pin, int source,
		     bool level, bool line_status)
{
	struct lodge_ioapic *ioapic = vm->irq.ioapic;
	unsigned long flags;
	int n;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	__assign_bit(source, &ioapic->sources[pin], level);
	n = set_pin(ioapic, pin, ioapic->sources[pin], line_status);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return n;
}

static void eoi_pin(struct lodge_ioapic *ioapic, unsigned int pin)
{
	ioapic->redir[pin] &= ~REDIR_REMOTE;
	if (ioapic->redir[pin] & REDIR_MASKED || !(ioapic->irr & BIT(pin))) {
		ioapic->storm[pin] = 0;
	} else if (++ioapic->storm[pin] == STORM_EOIS) {
		ioapic->storm[pin] = 0;
		schedule_delayed_work(&ioapic->storm_work, STORM_DELAY);
	} else {
		service(ioapic, pin, false);
	}
}

/**
 * lodge_ioapic_eoi - a local APIC has finished a vector
 * @vcpu: whose
 * @vector: the vector
 * @level: it was requested as level-triggered
 *
 * Context: the vCPU's thread; interrupts may be off.
 */
void lodge_ioapic_eoi(struct lodge_vcpu *vcpu, u8 vector, bool level)
{
	struct lodge_ioapic *ioapic = vcpu->vm->irq.ioapic;
	unsigned long flags;
	u32 pins = 0;
	int i;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	if (vector == ioapic->rtc_vector)
		__clear_bit(vcpu->id, ioapic->rtc_pending);
	for (i = 0; i < LODGE_IOAPIC_PINS; i++)
		if ((ioapic->redir[i] & REDIR_VECTOR) == vector)
			pins |= BIT(i);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);

	/* First who drives the line, so that it is low if it is to be. */
	for (i = 0; i < LODGE_IOAPIC_PINS; i++)
		if (pins & BIT(i))
			lodge_irq_acked(vcpu->vm, KVM_IRQCHIP_IOAPIC, i, true);
	if (!level)
		return;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	for (i = 0; i < LODGE_IOAPIC_PINS; i++)
		if (pins & BIT(i) && ioapic->redir[i] & REDIR_LEVEL)
			eoi_pin(ioapic, i);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

static void storm_fn(struct work_struct *work)
{
	struct lodge_ioapic *ioapic = container_of(to_delayed_work(work),
						   struct lodge_ioapic, storm_work);
	unsigned long flags;
	int i;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	for (i = 0; i < LODGE_IOAPIC_PINS; i++)
		if (ioapic->redir[i] & REDIR_LEVEL && ioapic->irr & BIT(i))
			service(ioapic, i, false);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

static u32 reg_read(struct lodge_ioapic *ioapic)
{
	unsigned int pin = (ioapic->select - 0x10) >> 1;

	switch (ioapic->select) {
	case 0:
	case 2:
		return ioapic->id << 24;
	case 1:
		return (LODGE_IOAPIC_PINS - 1) << 16 | 0x11;
	default:
		if (ioapic->select < 0x10 || pin >= LODGE_IOAPIC_PINS)
			return ~0u;
		pin = array_index_nospec(pin, LODGE_IOAPIC_PINS);
		return ioapic->redir[pin] >> (ioapic->select & 1 ? 32 : 0);
	}
}

static void redir_write(struct lodge_ioapic *ioapic, unsigned int pin, u64 e)
{
	const u64 status = REDIR_STATUS | REDIR_REMOTE;
	bool unmasked = ioapic->redir[pin] & ~e & REDIR_MASKED;

	e = (e & ~status) | (ioapic->redir[pin] & status);
	/* Guests clear a stuck remote IRR by going to edge mode and back. */
	if (!(e & REDIR_LEVEL))
		e &= ~REDIR_REMOTE;
	ioapic->redir[pin] = e;
	update_eoi(ioapic);
	/* Whoever was to say EOI to the old entry may never do so. */
	if (pin == RTC_PIN)
		bitmap_zero(ioapic->rtc_pending, LODGE_MAX_APIC_ID + 1);
	if (unmasked)
		lodge_irq_unmasked(ioapic->vm, KVM_IRQCHIP_IOAPIC, pin);
	if (e & REDIR_LEVEL && ioapic->irr & BIT(pin))
		service(ioapic, pin, false);
}

static void reg_write(struct lodge_ioapic *ioapic, u32 val)
{
	unsigned int pin = (ioapic->select - 0x10) >> 1;
	u64 e;

	if (ioapic->select == 0)
		ioapic->id = (val >> 24) & 0xf;
	if (ioapic->select < 0x10 || pin >= LODGE_IOAPIC_PINS)
		return;
	pin = array_index_nospec(pin, LODGE_IOAPIC_PINS);
	e = ioapic->redir[pin];
	if (ioapic->select & 1)
		e = (u32)e | (u64)val << 32;
	else
		e = (e & ~(u64)~0u) | val;
	redir_write(ioapic, pin, e);
}

static int ioapic_read(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
		       gpa_t addr, int len, void *val)
{
	struct lodge_ioapic *ioapic = container_of(dev, struct lodge_ioapic, dev);
	unsigned long flags;
	u64 data = 0;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	if ((addr & 0xff) == REG_SELECT)
		data = ioapic->select;
	else if ((addr & 0xff) == REG_WINDOW)
		data = reg_read(ioapic);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	memcpy(val, &data, min_t(int, len, sizeof(data)));
	return 0;
}

static int ioapic_write(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
			gpa_t addr, int len, const void *val)
{
	struct lodge_ioapic *ioapic = container_of(dev, struct lodge_ioapic, dev);
	unsigned long flags;
	u32 data = 0;

	memcpy(&data, val, min_t(int, len, sizeof(data)));
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	if ((addr & 0xff) == REG_SELECT)
		ioapic->select = data & 0xff;
	else if ((addr & 0xff) == REG_WINDOW)
		reg_write(ioapic, data);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return 0;
}

static const struct lodge_iodev_ops ioapic_ops = {
	.read = ioapic_read,
	.write = ioapic_write,
};

void lodge_ioapic_get_state(struct lodge_vm *vm, struct kvm_ioapic_state *s)
{
	struct lodge_ioapic *ioapic = vm->irq.ioapic;
	unsigned long flags;
	int i;

	memset(s, 0, sizeof(*s));
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	s->base_address = LODGE_IOAPIC_BASE;
	s->ioregsel = ioapic->select;
	s->id = ioapic->id;
	/* An edge that was sent already must not be sent again by SET. */
	s->irr = ioapic->irr & ~ioapic->delivered;
	for (i = 0; i < LODGE_IOAPIC_PINS; i++)
		s->redirtbl[i].bits = ioapic->redir[i];
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

void lodge_ioapic_set_state(struct lodge_vm *vm,
			    const struct kvm_ioapic_state *s)
{
	struct lodge_ioapic *ioapic = vm->irq.ioapic;
	unsigned long flags;
	int i;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ioapic->select = s->ioregsel & 0xff;
	ioapic->id = s->id & 0xf;
	ioapic->irr = 0;
	ioapic->delivered = 0;
	for (i = 0; i < LODGE_IOAPIC_PINS; i++)
		ioapic->redir[i] = s->redirtbl[i].bits;
	bitmap_zero(ioapic->rtc_pending, LODGE_MAX_APIC_ID + 1);
	update_eoi(ioapic);
	for (i = 0; i < LODGE_IOAPIC_PINS; i++)
		if (s->irr & BIT(i))
			set_pin(ioapic, i, true, true);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

int lodge_ioapic_create(struct lodge_vm *vm)
{
	struct lodge_ioapic *ioapic;
	int i, ret;

	ioapic = kzalloc(sizeof(*ioapic), GFP_KERNEL_ACCOUNT);
	if (!ioapic)
		return -ENOMEM;
	ioapic->vm = vm;
	ioapic->dev.ops = &ioapic_ops;
	raw_spin_lock_init(&ioapic->lock);
	INIT_DELAYED_WORK(&ioapic->storm_work, storm_fn);
	for (i = 0; i < LODGE_IOAPIC_PINS; i++)
		ioapic->redir[i] = REDIR_MASKED;
	ret = lodge_bus_add(vm, LODGE_BUS_MMIO, LODGE_IOAPIC_BASE, 0x100,
			    &ioapic->dev);
	if (ret)
		kfree(ioapic);
	else
		vm->irq.ioapic = ioapic;
	return ret;
}
