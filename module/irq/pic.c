// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two 8259A interrupt controllers of a PC, the second on pin 2 of the first.
 *
 * Each chip's registers are struct kvm_pic_state, which is what a launcher gets
 * and sets. What the data sheet (Intel 231468) calls a command word is one byte
 * here. Who wants to hear of an end of interrupt is told after the lock is dropped.
 */
#include <linux/slab.h>

#include "chips.h"

enum { MASTER = KVM_IRQCHIP_PIC_MASTER, SLAVE = KVM_IRQCHIP_PIC_SLAVE };
enum { READY, ICW2, ICW3, ICW4 };	/* kvm_pic_state.init_state */

#define CASCADE_PIN	2
#define ICW1		0x10
#define ICW1_ICW4	0x01
#define OCW3		0x08

/* Pins are ranked from the one after which the priority was rotated; 8: none. */
static int rank(const struct kvm_pic_state *s, u8 mask)
{
	int i;

	for (i = 0; i < 8; i++)
		if (mask & BIT((i + s->priority_add) & 7))
			break;
	return i;
}

/* The pin that the chip wants to signal, or -1. */
static int highest(const struct lodge_pic *pic, int n)
{
	const struct kvm_pic_state *s = &pic->chip[n];
	int want = rank(s, s->irr & ~s->imr);
	u8 busy = s->isr;

	if (want == 8)
		return -1;
	/* In special mask mode what is masked doesn't hold back what is below. */
	if (s->special_mask)
		busy &= ~s->imr;
	/* Fully nested: the slave may interrupt its own handlers. */
	if (s->special_fully_nested_mode && n == MASTER)
		busy &= ~BIT(CASCADE_PIN);
	return want < rank(s, busy) ? (want + s->priority_add) & 7 : -1;
}

/* 1: requested, 0: it was already, -1: masked */
static int set_pin(struct kvm_pic_state *s, unsigned int pin, bool level)
{
	u8 bit = BIT(pin);
	int ret = 1;

	if (!level) {
		s->last_irr &= ~bit;
		if (s->elcr & bit)
			s->irr &= ~bit;
	} else {
		if (s->elcr & bit || !(s->last_irr & bit)) {
			ret = !(s->irr & bit);
			s->irr |= bit;
		}
		s->last_irr |= bit;
	}
	return s->imr & bit ? -1 : ret;
}

static void update(struct lodge_pic *pic)
{
	bool output;

	if (highest(pic, SLAVE) >= 0) {
		set_pin(&pic->chip[MASTER], CASCADE_PIN, true);
		set_pin(&pic->chip[MASTER], CASCADE_PIN, false);
	}
	output = highest(pic, MASTER) >= 0;
	if (output && !pic->output)
		pic->wake = true;
	WRITE_ONCE(pic->output, output);
}

static void wake(struct lodge_vm *vm)
{
	struct lodge_lapic *apic;
	unsigned int i;

	rcu_read_lock();
	lodge_for_each_lapic(i, apic, &vm->irq) {
		if (!lodge_lapic_takes_pic(apic))
			continue;
		lodge_vcpu_request(apic->vcpu, LODGE_REQ_EVENT);
		lodge_vcpu_kick(apic->vcpu);
		break;
	}
	rcu_read_unlock();
}

/* Drop the lock, then tell the others what happened under it. */
static void unlock(struct lodge_pic *pic, unsigned long flags)
	__releases(&pic->lock)
{
	unsigned long acked = pic->acked;
	bool woken = pic->wake;
	unsigned int pin;

	pic->acked = 0;
	pic->wake = false;
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	if (woken)
		wake(pic->vm);
	for_each_set_bit(pin, &acked, 16)
		lodge_irq_acked(pic->vm, pin >> 3, pin & 7, true);
}

/**
 * lodge_pic_set - a source moves a line
 * @vm: the VM
 * @chip: KVM_IRQCHIP_PIC_MASTER or KVM_IRQCHIP_PIC_SLAVE
 * @pin: 0 to 7
 * @source: enum lodge_irq_source
 * @level: its new level; the line is high while any source holds it high
 *
 * Return: <0 masked, 0 requested already, 1 otherwise.
 */
int lodge_pic_set(struct lodge_vm *vm, int chip, unsigned int pin, int source,
		  bool level)
{
	struct lodge_pic *pic = vm->irq.pic;
	unsigned long flags;
	int ret;

	raw_spin_lock_irqsave(&pic->lock, flags);
	__assign_bit(source, &pic->sources[chip][pin], level);
	ret = set_pin(&pic->chip[chip], pin, pic->sources[chip][pin]);
	update(pic);
	unlock(pic, flags);
	return ret;
}

static void clear_isr(struct lodge_pic *pic, int n, unsigned int pin)
{
	pic->chip[n].isr &= ~BIT(pin);
	pic->acked |= BIT(pin + n * 8);
}

/* The processor acknowledges: request becomes service. */
static void intack(struct lodge_pic *pic, int n, unsigned int pin)
{
	struct kvm_pic_state *s = &pic->chip[n];

	s->isr |= BIT(pin);
	if (!(s->elcr & BIT(pin)))
		s->irr &= ~BIT(pin);
	if (s->auto_eoi) {
		if (s->rotate_on_auto_eoi)
			s->priority_add = (pin + 1) & 7;
		clear_isr(pic, n, pin);
	}
}

/**
 * lodge_pic_ack - the INTA cycle
 * @pic: the pair, of whose output the caller has seen that it was high
 *
 * Return: the vector; of pin 7 if the request has gone since (it is spurious).
 */
int lodge_pic_ack(struct lodge_pic *pic)
{
	unsigned long flags;
	int pin, vector;

	raw_spin_lock_irqsave(&pic->lock, flags);
	pin = highest(pic, MASTER);
	if (pin < 0) {
		vector = pic->chip[MASTER].irq_base + 7;
	} else {
		intack(pic, MASTER, pin);
		vector = pic->chip[MASTER].irq_base + pin;
	}
	if (pin == CASCADE_PIN) {
		pin = highest(pic, SLAVE);
		if (pin < 0)
			pin = 7;
		else
			intack(pic, SLAVE, pin);
		vector = pic->chip[SLAVE].irq_base + pin;
	}
	update(pic);
	unlock(pic, flags);
	return vector & 0xff;	/* a launcher can set any base */
}

/* Initialization starts: requests that came by edges are forgotten. */
static void icw1(struct lodge_pic *pic, int n, u8 val)
{
	struct kvm_pic_state *s = &pic->chip[n];
	u8 gone = (s->irr & ~s->elcr) | s->isr;
	unsigned int pin;

	s->init4 = val & ICW1_ICW4;
	s->last_irr = 0;
	s->irr &= s->elcr;
	s->imr = 0;
	s->isr = 0;
	s->priority_add = 0;
	s->special_mask = 0;
	s->read_reg_select = 0;
	if (!s->init4) {
		s->special_fully_nested_mode = 0;
		s->auto_eoi = 0;
	}
	s->init_state = ICW2;
	for (pin = 0; pin < 8; pin++)
		if (gone & BIT(pin))
			clear_isr(pic, n, pin);
}

/* OCW2: ends of interrupt, and rotation of priorities. */
static void ocw2(struct lodge_pic *pic, int n, u8 val)
{
	struct kvm_pic_state *s = &pic->chip[n];
	unsigned int cmd = val >> 5, pin = val & 7;
	int first;

	switch (cmd) {
	case 0:
	case 4:
		s->rotate_on_auto_eoi = cmd >> 2;
		return;
	case 1:
	case 5:		/* not specific: of the highest in service */
		first = rank(s, s->isr);
		if (first == 8)
			return;
		pin = (first + s->priority_add) & 7;
		break;
	case 6:
		s->priority_add = (pin + 1) & 7;
		return;
	case 2:
		return;
	}
	if (cmd & 4)
		s->priority_add = (pin + 1) & 7;
	clear_isr(pic, n, pin);
}

static void command(struct lodge_pic *pic, int n, u8 val)
{
	struct kvm_pic_state *s = &pic->chip[n];

	if (val & ICW1) {
		icw1(pic, n, val);
	} else if (val & OCW3) {
		if (val & 0x04)
			s->poll = 1;
		if (val & 0x02)
			s->read_reg_select = val & 1;
		if (val & 0x40)
			s->special_mask = (val >> 5) & 1;
	} else {
		ocw2(pic, n, val);
	}
}

static void data(struct lodge_pic *pic, int n, u8 val)
{
	struct kvm_pic_state *s = &pic->chip[n];
	unsigned long unmasked;
	unsigned int pin;

	switch (s->init_state) {
	case READY:
		unmasked = s->imr & ~val;
		s->imr = val;
		for_each_set_bit(pin, &unmasked, 8)
			lodge_irq_unmasked(pic->vm, n, pin);
		break;
	case ICW2:
		s->irq_base = val & 0xf8;
		s->init_state = ICW3;
		break;
	case ICW3:
		s->init_state = s->init4 ? ICW4 : READY;
		break;
	default:
		s->special_fully_nested_mode = (val >> 4) & 1;
		s->auto_eoi = (val >> 1) & 1;
		s->init_state = READY;
		break;
	}
}

/* A poll is an INTA cycle whose answer is read; bit 7: there was a request. */
static u8 poll(struct lodge_pic *pic, int n)
{
	int pin = highest(pic, n);

	pic->chip[n].poll = 0;
	if (pin < 0)
		return 7;
	intack(pic, n, pin);
	return 0x80 | pin;
}

static int pic_write(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
		     gpa_t port, int len, const void *val)
{
	struct lodge_pic *pic = container_of(dev, struct lodge_pic, dev);
	u8 byte = *(const u8 *)val;
	unsigned long flags;
	int n;

	/* Wider accesses are no PC's: nothing happens. */
	if (len != 1)
		return 0;
	raw_spin_lock_irqsave(&pic->lock, flags);
	if (port >= 0x4d0) {
		n = port & 1;
		pic->chip[n].elcr = byte & pic->chip[n].elcr_mask;
	} else {
		n = port & 0x80 ? SLAVE : MASTER;
		if (port & 1)
			data(pic, n, byte);
		else
			command(pic, n, byte);
	}
	update(pic);
	unlock(pic, flags);
	return 0;
}

static int pic_read(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
		    gpa_t port, int len, void *val)
{
	struct lodge_pic *pic = container_of(dev, struct lodge_pic, dev);
	struct kvm_pic_state *s = &pic->chip[port & 0x80 ? SLAVE : MASTER];
	unsigned long flags;
	u8 byte;

	if (len != 1) {
		memset(val, 0, len);
		return 0;
	}
	if (port >= 0x4d0) {
		byte = READ_ONCE(pic->chip[port & 1].elcr);
	} else if (READ_ONCE(s->poll)) {
		raw_spin_lock_irqsave(&pic->lock, flags);
		byte = poll(pic, s - pic->chip);
		update(pic);
		unlock(pic, flags);
	} else if (port & 1) {
		byte = READ_ONCE(s->imr);
	} else {
		byte = s->read_reg_select ? READ_ONCE(s->isr) : READ_ONCE(s->irr);
	}
	*(u8 *)val = byte;
	return 0;
}

static const struct lodge_iodev_ops pic_ops = {
	.read = pic_read,
	.write = pic_write,
};

void lodge_pic_get_state(struct lodge_vm *vm, int chip, struct kvm_pic_state *s)
{
	struct lodge_pic *pic = vm->irq.pic;
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	*s = pic->chip[chip];
	unlock(pic, flags);
}

void lodge_pic_set_state(struct lodge_vm *vm, int chip,
			 const struct kvm_pic_state *s)
{
	struct lodge_pic *pic = vm->irq.pic;
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	pic->chip[chip] = *s;
	update(pic);
	unlock(pic, flags);
}

int lodge_pic_create(struct lodge_vm *vm)
{
	static const u16 ports[] = { 0x20, 0xa0, 0x4d0 };
	struct lodge_pic *pic;
	int i, ret;

	pic = kzalloc(sizeof(*pic), GFP_KERNEL_ACCOUNT);
	if (!pic)
		return -ENOMEM;
	pic->vm = vm;
	pic->dev.ops = &pic_ops;
	raw_spin_lock_init(&pic->lock);
	/* Timer, keyboard, cascade, clock and FPU are edges for ever. */
	pic->chip[MASTER].elcr_mask = 0xf8;
	pic->chip[SLAVE].elcr_mask = 0xde;
	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		ret = lodge_bus_add(vm, LODGE_BUS_PIO, ports[i], 2, &pic->dev);
		if (ret) {
			lodge_bus_del(vm, LODGE_BUS_PIO, &pic->dev);
			kfree(pic);
			return ret;
		}
	}
	vm->irq.pic = pic;
	return 0;
}
