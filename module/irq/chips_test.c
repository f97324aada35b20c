// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of what a VM has once: I/O APIC, PICs, PIT, routing, buses.
 */
#include <linux/delay.h>

#include "fake.h"

static void out(struct fake *f, u16 port, u8 val)
{
	lodge_bus_write(&f->vcpu[0], LODGE_BUS_PIO, port, 1, &val);
}

static u8 in(struct fake *f, u16 port)
{
	u8 val = 0xee;

	lodge_bus_read(&f->vcpu[0], LODGE_BUS_PIO, port, 1, &val);
	return val;
}

static void line(struct fake *f, u32 gsi, int level)
{
	lodge_irq_set(&f->vm, LODGE_SOURCE_USER, gsi, level);
}

/* ---- I/O APIC ---- */

static void io_wr(struct fake *f, u32 reg, u32 val)
{
	gpa_t base = LODGE_IOAPIC_BASE;

	lodge_bus_write(&f->vcpu[0], LODGE_BUS_MMIO, base, 4, &reg);
	lodge_bus_write(&f->vcpu[0], LODGE_BUS_MMIO, base + 0x10, 4, &val);
}

static u32 io_rd(struct fake *f, u32 reg)
{
	gpa_t base = LODGE_IOAPIC_BASE;
	u32 val = 0;

	lodge_bus_write(&f->vcpu[0], LODGE_BUS_MMIO, base, 4, &reg);
	lodge_bus_read(&f->vcpu[0], LODGE_BUS_MMIO, base + 0x10, 4, &val);
	return val;
}

static void pin_set(struct fake *f, int pin, u32 low, u32 dest)
{
	io_wr(f, 0x11 + 2 * pin, dest << 24);
	io_wr(f, 0x10 + 2 * pin, low);
}

static void ioapic_edge(struct kunit *test)
{
	struct fake *f = test->priv;

	fake_enable(f, 4);
	KUNIT_EXPECT_EQ(test, io_rd(f, 1), 0x170011u);
	KUNIT_EXPECT_EQ(test, io_rd(f, 0x10), 0x10000u);
	KUNIT_EXPECT_EQ(test, io_rd(f, 0x40), ~0u);
	io_wr(f, 0, 0xffffffff);
	KUNIT_EXPECT_EQ(test, io_rd(f, 0), 0xf000000u);
	/* Masked: an edge is lost. */
	line(f, 20, 1);
	line(f, 20, 0);
	pin_set(f, 20, 0x44, 3);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x44), 0u);
	line(f, 20, 1);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x44), BIT(3));
	line(f, 20, 1);		/* no edge */
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x44), 0u);
	line(f, 20, 0);
	line(f, 20, 1);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x44), BIT(3));
	/* High while anybody holds it. */
	lodge_irq_set(&f->vm, LODGE_SOURCE_RESAMPLE, 20, 1);
	line(f, 20, 0);
	line(f, 20, 1);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x44), 0u);
	/* Not routed, not there. */
	KUNIT_EXPECT_EQ(test, lodge_irq_set(&f->vm, 0, 24, 1), -1);
	KUNIT_EXPECT_EQ(test, lodge_irq_set(&f->vm, 0, ~0u, 1), -1);
}

static void ioapic_level(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[1];

	fake_enable(f, 4);
	pin_set(f, 17, 0x8055, 1);
	line(f, 17, 1);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x55);
	KUNIT_EXPECT_TRUE(test, lodge_lapic_test(v->apic, APIC_TMR, 0x55));
	KUNIT_EXPECT_EQ(test, io_rd(f, 0x10 + 34), 0xc055u);
	/* Still in service: not sent again. */
	line(f, 17, 0);
	line(f, 17, 1);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	/* EOI, and the line is high: it comes again. */
	lodge_lapic_write(v, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x55);
	line(f, 17, 0);
	lodge_lapic_write(v, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	KUNIT_EXPECT_EQ(test, io_rd(f, 0x10 + 34), 0x8055u);
	/* Raised while masked: comes with the unmasking. */
	pin_set(f, 17, 0x18055, 1);
	line(f, 17, 1);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	pin_set(f, 17, 0x8055, 1);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x55);
	/* Remote IRR can't be written, but edge mode clears it. */
	pin_set(f, 17, 0x8055, 1);
	KUNIT_EXPECT_EQ(test, io_rd(f, 0x10 + 34), 0xc055u);
	pin_set(f, 17, 0x14055, 1);
	KUNIT_EXPECT_EQ(test, io_rd(f, 0x10 + 34), 0x10055u);
}

/* A line that nobody lowers: after many EOIs in a row it comes later. */
static void ioapic_storm(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[1];
	int n, i;

	fake_enable(f, 2);
	pin_set(f, 17, 0x8055, 1);
	line(f, 17, 1);
	for (n = 0; n < 10000; n++) {
		KUNIT_ASSERT_EQ(test, fake_ack(v), 0x55);
		KUNIT_ASSERT_EQ(test, f->vm.irq.ioapic->storm[17], (u32)n);
		lodge_lapic_write(v, APIC_EOI, 0);
	}
	/* The pause is over soon, perhaps already. */
	KUNIT_EXPECT_EQ(test, f->vm.irq.ioapic->storm[17], 0u);
	for (i = 0; i < 1000 && lodge_irq_pending(v) < 0; i++)
		usleep_range(1000, 2000);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x55);
}

static void ioapic_clock(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[1];

	fake_enable(f, 2);
	pin_set(f, 8, 0x38, 1);
	out(f, 0xa1, 0xff);		/* the slave's pin 0 is masked */
	out(f, 0x21, 0xff);
	KUNIT_EXPECT_EQ(test, lodge_irq_line(&f->vm, 0, 8, 1, true), 1);
	lodge_irq_line(&f->vm, 0, 8, 0, true);
	/* Neither while it is requested, nor in service: the tick is coalesced. */
	KUNIT_EXPECT_EQ(test, lodge_irq_line(&f->vm, 0, 8, 1, true), 0);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x38);
	KUNIT_EXPECT_EQ(test, lodge_irq_line(&f->vm, 0, 8, 1, true), 0);
	lodge_lapic_write(v, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, lodge_irq_line(&f->vm, 0, 8, 1, true), 1);
}

static void ioapic_state(struct kunit *test)
{
	struct fake *f = test->priv;
	struct kvm_ioapic_state s, t;

	fake_enable(f, 4);
	pin_set(f, 20, 0x44, 3);
	pin_set(f, 21, 0x18046, 2);
	line(f, 20, 1);
	line(f, 21, 1);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x44), BIT(3));
	lodge_ioapic_get_state(&f->vm, &s);
	KUNIT_EXPECT_EQ(test, s.irr, BIT(21));	/* 20's edge was sent */
	KUNIT_EXPECT_EQ(test, s.base_address, 0xfec00000ull);
	lodge_ioapic_set_state(&f->vm, &s);
	lodge_ioapic_get_state(&f->vm, &t);
	KUNIT_EXPECT_EQ(test, memcmp(&s, &t, sizeof(s)), 0);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x44), 0u);
	pin_set(f, 21, 0x8046, 2);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x46), BIT(2));
	memset(&s, 0xff, sizeof(s));
	lodge_ioapic_set_state(&f->vm, &s);
	line(f, 3, 1);
}

/* ---- PIC ---- */

/* As a PC's firmware: vectors from 8 and 0x70. */
static void pic_start(struct fake *f)
{
	static const u8 words[][2] = {
		{ 0x20, 0x11 }, { 0x21, 0x08 }, { 0x21, 0x04 }, { 0x21, 0x01 },
		{ 0xa0, 0x11 }, { 0xa1, 0x70 }, { 0xa1, 0x02 }, { 0xa1, 0x01 },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		out(f, words[i][0], words[i][1]);
}

static void pulse(struct fake *f, u32 gsi)
{
	line(f, gsi, 1);
	line(f, gsi, 0);
}

static void pic_order(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];

	pic_start(f);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	pulse(f, 5);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), LODGE_IRQ_EXTINT);
	/* Only the boot CPU's LINT0 is open. */
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(&f->vcpu[1]), -1);
	pulse(f, 1);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 9);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);	/* 5 is below */
	pulse(f, 0);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 8);
	out(f, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, in(f, 0x20), 3);
	out(f, 0x20, 0x0a);
	KUNIT_EXPECT_EQ(test, in(f, 0x20), 0x20);
	out(f, 0x20, 0x20);
	out(f, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 13);
	out(f, 0x20, 0x65);					/* specific */
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	/* The slave's, through pin 2. */
	pulse(f, 12);
	pulse(f, 8);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x70);
	out(f, 0xa0, 0x20);
	out(f, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x74);
	out(f, 0xa0, 0x20);
	out(f, 0x20, 0x20);
	/* Gone before it was acknowledged: pin 7, which is not in service. */
	out(f, 0x4d0, 0x20);
	KUNIT_EXPECT_EQ(test, in(f, 0x4d0), 0x20);
	line(f, 5, 1);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), LODGE_IRQ_EXTINT);
	line(f, 5, 0);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	KUNIT_EXPECT_EQ(test, lodge_pic_ack(f->vm.irq.pic), 15);
	out(f, 0x20, 0x0b);
	KUNIT_EXPECT_EQ(test, in(f, 0x20), 0);
}

static void pic_modes(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];

	pic_start(f);
	/* Masked. */
	out(f, 0x21, 0x22);
	KUNIT_EXPECT_EQ(test, in(f, 0x21), 0x22);
	pulse(f, 1);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	out(f, 0x21, 0);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 9);
	/* EOI with rotation: 1 becomes the lowest. */
	out(f, 0x20, 0xa0);
	pulse(f, 1);
	pulse(f, 0);
	pulse(f, 2 + 1);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 11);
	out(f, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 8);
	out(f, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 9);
	out(f, 0x20, 0xc7);		/* 7 is the lowest again */
	out(f, 0x20, 0x20);
	/* Special mask mode: what is masked doesn't hold back others. */
	pulse(f, 1);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 9);
	pulse(f, 6);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	out(f, 0x21, 0x02);
	out(f, 0x20, 0x68);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 14);
	out(f, 0x20, 0x48);
	out(f, 0x20, 0x20);
	out(f, 0x20, 0x20);
	out(f, 0x21, 0);
	/* Poll: an acknowledgment that is read. */
	pulse(f, 4);
	out(f, 0x20, 0x0c);
	KUNIT_EXPECT_EQ(test, in(f, 0x20), 0x84);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	out(f, 0x20, 0x20);
	/* Level: comes as long as it is high. */
	out(f, 0x4d0, 0xff);
	KUNIT_EXPECT_EQ(test, in(f, 0x4d0), 0xf8);
	line(f, 5, 1);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 13);
	out(f, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 13);
	line(f, 5, 0);
	out(f, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	/* Automatic EOI. */
	out(f, 0x20, 0x11);
	out(f, 0x21, 0x20);
	out(f, 0x21, 0x04);
	out(f, 0x21, 0x03);
	pulse(f, 1);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x21);
	pulse(f, 1);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x21);
}

/* ---- PIT ---- */

static void make_pit(struct kunit *test, struct fake *f)
{
	mutex_lock(&f->vm.irq.lock);
	KUNIT_EXPECT_EQ(test, lodge_pit_create(&f->vm, KVM_PIT_SPEAKER_DUMMY), 0);
	mutex_unlock(&f->vm.irq.lock);
}

/* As if the counter had been loaded so many ns ago. */
static void age(struct fake *f, int n, u64 ns)
{
	f->vm.irq.pit->s.channels[n].count_load_time = ktime_get_ns() - ns;
}

static u16 latched(struct fake *f, int n)
{
	u8 low;

	out(f, 0x43, n << 6);
	low = in(f, 0x40 + n);
	return low | in(f, 0x40 + n) << 8;
}

static void pit_counts(struct kunit *test)
{
	struct fake *f = test->priv;
	u16 n;

	make_pit(test, f);
	/* Channel 2, mode 0: runs through 0; output rises there. */
	out(f, 0x61, 1);
	out(f, 0x43, 0xb0);
	out(f, 0x42, 0x34);
	out(f, 0x42, 0xf2);		/* 52 ms */
	n = latched(f, 2);
	KUNIT_EXPECT_TRUE(test, n <= 0xf234);
	KUNIT_EXPECT_EQ(test, in(f, 0x61) & 0x20, 0);
	age(f, 2, 1000 * NSEC_PER_MSEC);
	KUNIT_EXPECT_EQ(test, in(f, 0x61) & 0x21, 0x21);
	/* What is latched stays till it is read. */
	age(f, 2, NSEC_PER_MSEC);
	out(f, 0x43, 0x80);
	n = f->vm.irq.pit->s.channels[2].latched_count;
	age(f, 2, 2 * NSEC_PER_MSEC);
	out(f, 0x43, 0x80);
	KUNIT_EXPECT_EQ(test, in(f, 0x42) | in(f, 0x42) << 8, n);
	/* Read-back of the status alone. */
	out(f, 0x43, 0xe8);
	KUNIT_EXPECT_EQ(test, in(f, 0x42) & 0x7f, 0x30);
	/* Mode 3 stays within its count and is high for half of it. */
	out(f, 0x43, 0xb6);
	out(f, 0x42, 0xe8);
	out(f, 0x42, 0x03);
	age(f, 2, 100 * NSEC_PER_MSEC);
	KUNIT_EXPECT_LE(test, latched(f, 2), 1000);
	/* Low byte only; and a count of 0 is the largest. */
	out(f, 0x43, 0x90);
	out(f, 0x42, 0);
	KUNIT_EXPECT_EQ(test, f->vm.irq.pit->s.channels[2].count, 0x10000u);
	/* The gate's rising edge starts again. */
	out(f, 0x43, 0xb2);
	out(f, 0x42, 0xff);
	out(f, 0x42, 0xff);
	age(f, 2, 40 * NSEC_PER_MSEC);
	out(f, 0x61, 0);
	out(f, 0x61, 1);
	KUNIT_EXPECT_GT(test, latched(f, 2), 0x6000);
	/* The speaker's bit. */
	out(f, 0x61, 3);
	KUNIT_EXPECT_EQ(test, in(f, 0x61) & 3, 3);
	KUNIT_EXPECT_EQ(test, f->vm.irq.pit->s.flags,
			(u32)KVM_PIT_FLAGS_SPEAKER_DATA_ON);
}

static bool ticks(struct fake *f)
{
	int i;

	for (i = 0; i < 2000; i++) {
		if (lodge_irq_pending(&f->vcpu[0]) == LODGE_IRQ_EXTINT)
			return fake_ack(&f->vcpu[0]) == 8;
		usleep_range(500, 1000);
	}
	return false;
}

static void pit_ticks(struct kunit *test)
{
	struct fake *f = test->priv;
	struct kvm_pit_state2 s;

	pic_start(f);
	make_pit(test, f);
	out(f, 0x43, 0x34);
	out(f, 0x40, 0xa9);		/* 1 ms */
	out(f, 0x40, 0x04);
	KUNIT_EXPECT_TRUE(test, ticks(f));
	usleep_range(20000, 25000);
	/* Not acknowledged: the others wait, and then come one by one. */
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(&f->vcpu[0]), -1);
	KUNIT_EXPECT_GE(test, f->vm.irq.pit->pending, 10u);
	out(f, 0x20, 0x20);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(&f->vcpu[0]), LODGE_IRQ_EXTINT);
	KUNIT_EXPECT_TRUE(test, ticks(f));
	/* Without reinjection they are dropped. */
	lodge_pit_reinject(f->vm.irq.pit, false);
	out(f, 0x20, 0x20);
	KUNIT_EXPECT_TRUE(test, ticks(f));
	KUNIT_EXPECT_EQ(test, f->vm.irq.pit->pending, 0u);
	out(f, 0x20, 0x20);
	/* One shot. */
	out(f, 0x43, 0x30);
	out(f, 0x40, 0xa9);
	out(f, 0x40, 0x04);
	out(f, 0x20, 0x20);
	while (lodge_irq_pending(&f->vcpu[0]) == LODGE_IRQ_EXTINT) {
		fake_ack(&f->vcpu[0]);
		out(f, 0x20, 0x20);
	}
	usleep_range(5000, 6000);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&f->vm.irq.pit->timer));
	/* A launcher may set anything. */
	lodge_pit_get_state(f->vm.irq.pit, &s);
	lodge_pit_set_state(f->vm.irq.pit, &s);
	memset(&s, 0xff, sizeof(s));
	lodge_pit_set_state(f->vm.irq.pit, &s);
	latched(f, 0);
	memset(&s, 0, sizeof(s));
	s.channels[0].mode = 2;
	s.channels[0].count = 1;
	lodge_pit_set_state(f->vm.irq.pit, &s);
	KUNIT_EXPECT_GE(test, f->vm.irq.pit->period, 200000ull);
	latched(f, 0);
}

/* ---- routing ---- */

static int route(struct fake *f, const struct kvm_irq_routing_entry *e, int nr)
{
	int ret;

	mutex_lock(&f->vm.irq.lock);
	ret = lodge_routing_set(&f->vm, e, nr);
	mutex_unlock(&f->vm.irq.lock);
	return ret;
}

static void routes(struct kunit *test)
{
	struct fake *f = test->priv;
	struct kvm_irq_routing_entry e[4] = {
		{ .gsi = 4095, .type = KVM_IRQ_ROUTING_MSI,
		  .u.msi = { .address_lo = 0xfee02000, .data = 0x71 } },
		{ .gsi = 7, .type = KVM_IRQ_ROUTING_IRQCHIP,
		  .u.irqchip = { KVM_IRQCHIP_IOAPIC, 23 } },
		{ .gsi = 7, .type = KVM_IRQ_ROUTING_IRQCHIP,
		  .u.irqchip = { KVM_IRQCHIP_PIC_SLAVE, 3 } },
	};

	fake_enable(f, 4);
	pic_start(f);
	KUNIT_EXPECT_EQ(test, route(f, e, 3), 0);
	KUNIT_EXPECT_EQ(test, lodge_irq_set(&f->vm, 0, 4095, 1), 1);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x71), BIT(2));
	KUNIT_EXPECT_EQ(test, lodge_irq_set(&f->vm, 0, 4095, 0), -1);
	KUNIT_EXPECT_EQ(test, lodge_irq_set(&f->vm, 0, 0, 1), -1);
	pin_set(f, 23, 0x72, 1);
	line(f, 7, 1);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x72), BIT(1));
	KUNIT_EXPECT_EQ(test, fake_ack(&f->vcpu[0]), 0x73);
	/* What is wrong changes nothing. */
	e[3] = e[1];
	KUNIT_EXPECT_EQ(test, route(f, e, 4), -EINVAL);
	e[3] = e[0];
	KUNIT_EXPECT_EQ(test, route(f, e, 4), -EINVAL);
	e[3].gsi = 4096;
	KUNIT_EXPECT_EQ(test, route(f, e, 4), -EINVAL);
	e[3] = (struct kvm_irq_routing_entry){ .gsi = 1 };
	KUNIT_EXPECT_EQ(test, route(f, e, 4), -EINVAL);
	e[3].type = KVM_IRQ_ROUTING_IRQCHIP;
	e[3].u.irqchip.pin = 8;
	KUNIT_EXPECT_EQ(test, route(f, e, 4), -EINVAL);
	e[3].u.irqchip.pin = 1;
	e[3].flags = 1;
	KUNIT_EXPECT_EQ(test, route(f, e, 4), -EINVAL);
	KUNIT_EXPECT_EQ(test, lodge_irq_set(&f->vm, 0, 4095, 1), 1);
	KUNIT_EXPECT_EQ(test, route(f, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, lodge_irq_set(&f->vm, 0, 4095, 1), -1);
}

/* ---- buses ---- */

struct probe {
	struct lodge_iodev dev;
	int hits, ret;
};

static int probe_write(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
		       gpa_t addr, int len, const void *val)
{
	struct probe *p = container_of(dev, struct probe, dev);

	p->hits++;
	return p->ret;
}

static const struct lodge_iodev_ops probe_ops = { .write = probe_write };

static int wr(struct fake *f, gpa_t addr, int len)
{
	u64 val = 0;

	return lodge_bus_write(&f->vcpu[0], LODGE_BUS_MMIO, addr, len, &val);
}

static void buses(struct kunit *test)
{
	struct probe p[4] = { };
	struct fake *f = test->priv;
	int i;

	for (i = 0; i < 4; i++)
		p[i].dev.ops = &probe_ops;
	mutex_lock(&f->vm.irq.lock);
	lodge_bus_add(&f->vm, LODGE_BUS_MMIO, 0x1000, 0x1000, &p[0].dev);
	lodge_bus_add(&f->vm, LODGE_BUS_MMIO, 0x1100, 4, &p[1].dev);
	lodge_bus_add(&f->vm, LODGE_BUS_MMIO, 0x1100, 0, &p[2].dev);
	lodge_bus_add(&f->vm, LODGE_BUS_MMIO, ~0ull - 7, 8, &p[3].dev);
	KUNIT_EXPECT_EQ(test, wr(f, 0xfff, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, wr(f, 0x1000, 8), 0);
	KUNIT_EXPECT_EQ(test, wr(f, 0x1fff, 1), 0);
	KUNIT_EXPECT_EQ(test, p[0].hits, 2);
	KUNIT_EXPECT_EQ(test, wr(f, 0x1ffd, 4), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, wr(f, 0x2000, 1), -EOPNOTSUPP);
	/* The inner one may decline; then the others are asked. */
	p[1].ret = p[2].ret = -EOPNOTSUPP;
	KUNIT_EXPECT_EQ(test, wr(f, 0x1100, 4), 0);
	KUNIT_EXPECT_EQ(test, p[0].hits, 3);
	KUNIT_EXPECT_EQ(test, p[1].hits, 1);
	KUNIT_EXPECT_EQ(test, p[2].hits, 1);
	/* Width unknown: only who doesn't care. */
	p[2].ret = 0;
	KUNIT_EXPECT_EQ(test, wr(f, 0x1100, 0), 0);
	KUNIT_EXPECT_EQ(test, wr(f, 0x1104, 0), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, p[0].hits, 3);
	/* The end of the world. */
	KUNIT_EXPECT_EQ(test, wr(f, ~0ull - 7, 4), 0);
	KUNIT_EXPECT_EQ(test, wr(f, ~0ull - 3, 8), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, p[3].hits, 1);
	/* Nobody reads here. */
	KUNIT_EXPECT_EQ(test, lodge_bus_read(&f->vcpu[0], LODGE_BUS_MMIO, 0x1000,
					     1, &i), -EOPNOTSUPP);
	lodge_bus_del(&f->vm, LODGE_BUS_MMIO, &p[0].dev);
	lodge_bus_del(&f->vm, LODGE_BUS_MMIO, &p[0].dev);
	KUNIT_EXPECT_EQ(test, wr(f, 0x1000, 8), -EOPNOTSUPP);
	lodge_bus_add(&f->vm, LODGE_BUS_MMIO, 0x1000, 0x1000, &p[0].dev);
	KUNIT_EXPECT_EQ(test, wr(f, 0x1000, 8), 0);
	for (i = 0; i < 4; i++)
		lodge_bus_del(&f->vm, LODGE_BUS_MMIO, &p[i].dev);
	KUNIT_EXPECT_EQ(test, wr(f, 0x1100, 4), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, wr(f, LODGE_IOAPIC_BASE, 4), 0);
	mutex_unlock(&f->vm.irq.lock);
}

static struct kunit_case chips_cases[] = {
	KUNIT_CASE(ioapic_edge),
	KUNIT_CASE(ioapic_level),
	KUNIT_CASE(ioapic_storm),
	KUNIT_CASE(ioapic_clock),
	KUNIT_CASE(ioapic_state),
	KUNIT_CASE(pic_order),
	KUNIT_CASE(pic_modes),
	KUNIT_CASE(pit_counts),
	KUNIT_CASE(pit_ticks),
	KUNIT_CASE(routes),
	KUNIT_CASE(buses),
	{}
};

static struct kunit_suite chips_suite = {
	.name = "lodge-chips",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = chips_cases,
};

kunit_test_suite(chips_suite);
