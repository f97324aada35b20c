// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the local APIC: priorities, messages, modes, timer, state.
 */
#include <linux/delay.h>

#include "fake.h"

static u32 rd(struct lodge_vcpu *vcpu, u32 offset)
{
	u32 val;

	lodge_lapic_read(vcpu, offset, &val);
	return val;
}

static void post(struct lodge_vcpu *vcpu, u8 vector)
{
	const struct lodge_ipi ipi = { .vector = vector, .level = true };

	lodge_lapic_accept(vcpu->apic, &ipi, true);
}

static void priorities(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];

	/* Disabled by software: nothing is taken. */
	post(v, 0x40);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	fake_enable(f, 1);
	post(v, 0x41);
	post(v, 0xff);
	post(v, 0x7f);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0xff);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_PROCPRI), 0xf0);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	lodge_lapic_write(v, APIC_EOI, 0);
	/* Within a class the later one waits. */
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x7f);
	post(v, 0x7e);
	post(v, 0x70);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	post(v, 0x80);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x80);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_ISR + 0x30), 0x80000000u);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_ISR + 0x40), 1u);
	lodge_lapic_write(v, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	v->requests = 0;
	lodge_lapic_write(v, APIC_EOI, 0);
	KUNIT_EXPECT_TRUE(test, lodge_request_test(v, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x7e);
	lodge_lapic_write(v, APIC_EOI, 0);
	/* TPR holds its own class back, and what is below. */
	lodge_lapic_set_cr8(v, 7);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_TASKPRI), 0x70u);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	v->requests = 0;
	lodge_lapic_write(v, APIC_TASKPRI, 0x6f);
	KUNIT_EXPECT_TRUE(test, lodge_request_test(v, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, lodge_cr8_get(v), 6);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x70);
	lodge_lapic_write(v, APIC_EOI, 0);
	lodge_lapic_set_cr8(v, 0);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x41);
	lodge_lapic_write(v, APIC_EOI, 0);
	lodge_lapic_write(v, APIC_EOI, 0);	/* nothing in service */
	KUNIT_EXPECT_EQ(test, rd(v, APIC_PROCPRI), 0u);
}

static void registers(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[3];
	u32 val;

	KUNIT_EXPECT_EQ(test, rd(v, APIC_ID), 3u << 24);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_LVR), 0x50014u);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_SPIV), 0xffu);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_DFR), 0xffffffffu);
	/* Masked while disabled by software, whatever is written. */
	lodge_lapic_write(v, APIC_LVTT, 0x31);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_LVTT), 0x10031u);
	fake_enable(f, 4);
	lodge_lapic_write(v, APIC_LVTT, 0xffffffff);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_LVTT), 0x710ffu);
	lodge_lapic_write(v, APIC_LVT0, 0xffffffff);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_LVT0), 0x1f7ffu);
	lodge_lapic_write(v, APIC_LVTERR, 0x22);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_LVTERR), 0x22u);
	lodge_lapic_write(v, APIC_LDR, 0xffffffff);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_LDR), 0xff000000u);
	lodge_lapic_write(v, APIC_DFR, 0);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_DFR), 0x0fffffffu);
	/* A vector below 16 is an error, told once and read after a write. */
	lodge_lapic_write(v, APIC_ICR, APIC_DEST_SELF | 5);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_ESR), 0u);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x22);
	lodge_lapic_write(v, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_ESR), (u32)APIC_ESR_SENDILL);
	lodge_lapic_write(v, APIC_ESR, 0);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_ESR), 0u);
	/* No register, or none that can be written: ignored. */
	for (val = 0; val < 0x1000; val += 4)
		if (val < 0x80 || val > 0x3ff)
			lodge_lapic_write(v, val, val == 0x20 ? 3 << 24 : ~0u);
	KUNIT_EXPECT_EQ(test, rd(v, 0xffc), 0u);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_ID), 3u << 24);
	lodge_lapic_write(v, APIC_SPIV, 0xff);
	KUNIT_EXPECT_TRUE(test, rd(v, APIC_LVTERR) & APIC_LVT_MASKED);
}

static void modes(struct kunit *test)
{
	const u64 on = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[17];
	u64 val;

	KUNIT_EXPECT_EQ(test, f->vcpu[0].apic_base, on | MSR_IA32_APICBASE_BSP);
	KUNIT_EXPECT_EQ(test, v->apic_base, on);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_read(v, 0x802, &val), 1);
	/* Reserved bits, x2APIC without enable, from disabled to x2APIC. */
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_base(v, on | 1, false), 1);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_base(v, on | BIT_ULL(40), true), 1);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_base(v, X2APIC_ENABLE, true), 1);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_base(v, APIC_DEFAULT_PHYS_BASE, false), 0);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_base(v, on | X2APIC_ENABLE, false), 1);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_LVR), ~0u);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_base(v, on, false), 0);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_base(v, on | X2APIC_ENABLE, false), 0);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_LVR), ~0u);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_base(v, on, false), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_read(v, 0x802, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 17ull);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_read(v, 0x80d, &val), 0);
	KUNIT_EXPECT_EQ(test, val, 0x10002ull);
	/* What is not there is #GP, and so is what can't be written. */
	KUNIT_EXPECT_EQ(test, lodge_x2apic_read(v, 0x80e, &val), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_read(v, 0x831, &val), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_read(v, 0x83f, &val), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x802, 0), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x80b, 1), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x80d, 0), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x828, 1), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x808, 1ull << 32), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x808, 0x20), 0);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x80f, 0x1ff), 0);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x830, 0x2055), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x830, 0x10055), 1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x830, 0x100055), 1);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x83f, 0x55), 0);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x55);
	KUNIT_EXPECT_EQ(test, lodge_x2apic_write(v, 0x80b, 0), 0);
	/* Where the page is. */
	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_hit(v, 0xfee00ff0));
	KUNIT_EXPECT_FALSE(test, lodge_lapic_mmio_hit(v, 0xfee01000));
	f->vm.disabled_quirks = KVM_X86_QUIRK_LAPIC_MMIO_HOLE;
	KUNIT_EXPECT_FALSE(test, lodge_lapic_mmio_hit(v, 0xfee00ff0));
	KUNIT_EXPECT_TRUE(test, lodge_lapic_mmio_hit(&f->vcpu[0], 0xfee00ff0));
}

static void icr(struct fake *f, int from, u32 low, u32 dest)
{
	lodge_lapic_write(&f->vcpu[from], APIC_ICR2, dest << 24);
	lodge_lapic_write(&f->vcpu[from], APIC_ICR, low);
}

static void xapic_messages(struct kunit *test)
{
	const u32 all = BIT(FAKE_VCPUS) - 1;
	struct fake *f = test->priv;
	int i;

	fake_enable(f, FAKE_VCPUS);
	icr(f, 2, 0x40, 7);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x40), BIT(7));
	icr(f, 2, 0x40, 2);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x40), BIT(2));
	icr(f, 2, 0x40, 200);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x40), 0u);
	icr(f, 2, 0x40, 0xff);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x40), all);
	icr(f, 2, 0x41 | APIC_DEST_ALLINC, 0);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x41), all);
	icr(f, 2, 0x41 | APIC_DEST_ALLBUT, 0);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x41), all & ~BIT(2));
	icr(f, 2, 0x41 | APIC_DEST_SELF, 0);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x41), BIT(2));
	/* Flat: a bit each. */
	for (i = 0; i < 8; i++)
		lodge_lapic_write(&f->vcpu[i], APIC_LDR, 1u << (24 + i));
	icr(f, 0, 0x42 | APIC_DEST_LOGICAL, 0x26);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x42), 0x26u);
	icr(f, 0, 0x42 | APIC_DEST_LOGICAL, 0xff);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x42), all);
	/* Lowest priority: one of them. */
	icr(f, 0, 0x42 | APIC_DM_LOWEST | APIC_DEST_LOGICAL, 0x26);
	KUNIT_EXPECT_EQ(test, hweight32(fake_got(f, 0x42) & 0x26), 1u);
	/* Cluster: upper half names it, lower half its members. */
	for (i = 0; i < FAKE_VCPUS; i++) {
		lodge_lapic_write(&f->vcpu[i], APIC_DFR, 0);
		lodge_lapic_write(&f->vcpu[i], APIC_LDR,
				  (i / 4) << 28 | 1u << (24 + i % 4));
	}
	icr(f, 0, 0x43 | APIC_DEST_LOGICAL, 0x2a);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x43), BIT(9) | BIT(11));
	/* A guest renumbers its APICs. */
	lodge_lapic_write(&f->vcpu[5], APIC_ID, 77 << 24);
	icr(f, 0, 0x44, 5);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x44), 0u);
	icr(f, 0, 0x44, 77);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x44), BIT(5));
	/* Disabled: not there at all, or there and deaf. */
	lodge_lapic_set_base(&f->vcpu[6], APIC_DEFAULT_PHYS_BASE, false);
	lodge_lapic_write(&f->vcpu[7], APIC_SPIV, 0xff);
	icr(f, 0, 0x45, 0xff);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x45), all & ~(BIT(6) | BIT(7)));
}

static void x2apic_messages(struct kunit *test)
{
	const u32 all = BIT(FAKE_VCPUS) - 1;
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[1];
	struct kvm_msi msi = { .data = 0x51 };

	fake_x2apic(f, FAKE_VCPUS);
	lodge_x2apic_write(v, 0x830, 18ull << 32 | 0x50);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x50), BIT(18));
	/* 255 is an id like any other. */
	lodge_x2apic_write(v, 0x830, 0xffull << 32 | 0x50);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x50), 0u);
	lodge_x2apic_write(v, 0x830, ~0ull << 32 | 0x50);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x50), all);
	lodge_x2apic_write(v, 0x830, 0x10008ull << 32 | APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x50), BIT(19));
	lodge_x2apic_write(v, 0x830, 0x8001ull << 32 | APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x50), BIT(0) | BIT(15));
	lodge_x2apic_write(v, 0x830, 0x20001ull << 32 | APIC_DEST_LOGICAL | 0x50);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x50), 0u);
	/* A device's 255 is everybody, unless it has 32 bits to say so. */
	msi.address_lo = 0xfee00000 | 0xff << 12;
	KUNIT_EXPECT_EQ(test, lodge_irq_msi(&f->vm, &msi), FAKE_VCPUS);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x51), all);
	f->vm.irq.x2apic_broadcast = true;
	KUNIT_EXPECT_EQ(test, lodge_irq_msi(&f->vm, &msi), 0);
	f->vm.irq.x2apic_format = true;
	msi.address_hi = 0xffffff00;
	KUNIT_EXPECT_EQ(test, lodge_irq_msi(&f->vm, &msi), FAKE_VCPUS);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x51), all);
	msi.address_hi = 1;
	KUNIT_EXPECT_EQ(test, lodge_irq_msi(&f->vm, &msi), -EINVAL);
}

static void startup(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[4];

	icr(f, 0, APIC_DM_INIT | APIC_INT_LEVELTRIG, 4);	/* de-assert */
	KUNIT_EXPECT_FALSE(test, lodge_lapic_has_events(v));
	icr(f, 0, APIC_DM_STARTUP | 0x12, 4);
	KUNIT_EXPECT_EQ(test, v->apic_events, BIT(LODGE_APIC_SIPI));
	icr(f, 0, APIC_DM_INIT | APIC_INT_ASSERT, 4);
	KUNIT_EXPECT_EQ(test, v->apic_events, BIT(LODGE_APIC_INIT));
	icr(f, 0, APIC_DM_STARTUP | 0x9a, 4);
	KUNIT_EXPECT_EQ(test, v->apic_events,
			BIT(LODGE_APIC_INIT) | BIT(LODGE_APIC_SIPI));
	KUNIT_EXPECT_EQ(test, v->apic->sipi_vector, 0x9a);
	KUNIT_EXPECT_TRUE(test, lodge_request_test(v, LODGE_REQ_EVENT));
	KUNIT_EXPECT_FALSE(test, lodge_lapic_has_events(&f->vcpu[5]));
	/* A SIPI that nobody waits for is lost. */
	v->apic_events = BIT(LODGE_APIC_SIPI);
	v->mp_state = KVM_MP_STATE_RUNNABLE;
	v->rip = 0x1234;
	KUNIT_EXPECT_EQ(test, lodge_lapic_accept_events(v), 0);
	KUNIT_EXPECT_EQ(test, v->rip, 0x1234ull);
	KUNIT_EXPECT_FALSE(test, lodge_lapic_has_events(v));
}

/* The callback requests within ms; a loaded machine may take longer. */
static bool comes(struct lodge_vcpu *v, u8 vector)
{
	int i;

	for (i = 0; i < 2000; i++) {
		if (fake_take(v, vector))
			return true;
		usleep_range(500, 1000);
	}
	return false;
}

static void timer(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	u32 before;

	KUNIT_EXPECT_EQ(test, lodge_timer_divisor(0), 2u);
	KUNIT_EXPECT_EQ(test, lodge_timer_divisor(3), 16u);
	KUNIT_EXPECT_EQ(test, lodge_timer_divisor(8), 32u);
	KUNIT_EXPECT_EQ(test, lodge_timer_divisor(0xa), 128u);
	KUNIT_EXPECT_EQ(test, lodge_timer_divisor(0xb), 1u);

	fake_enable(f, 1);
	lodge_lapic_write(v, APIC_TDCR, 0xb);
	lodge_lapic_write(v, APIC_LVTT, 0x60);
	lodge_lapic_write(v, APIC_TMICT, 2000000);
	KUNIT_EXPECT_TRUE(test, comes(v, 0x60));
	KUNIT_EXPECT_EQ(test, rd(v, APIC_TMCCT), 0u);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&v->apic->timer));
	/* Counts down; another divisor stretches what is left. */
	lodge_lapic_write(v, APIC_TMICT, 0xf0000000);
	before = rd(v, APIC_TMCCT);
	KUNIT_EXPECT_TRUE(test, before > 0x80000000 && before <= 0xf0000000);
	lodge_lapic_write(v, APIC_TDCR, 0xa);
	KUNIT_EXPECT_LE(test, rd(v, APIC_TMCCT), before);
	KUNIT_EXPECT_GT(test, ktime_to_ns(v->apic->target) - (s64)ktime_get_ns(),
			100ll * NSEC_PER_SEC);
	lodge_lapic_write(v, APIC_TMICT, 0);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_TMCCT), 0u);
	/* Periodic, not faster than is allowed. */
	lodge_lapic_write(v, APIC_TDCR, 0xb);
	lodge_lapic_write(v, APIC_LVTT, APIC_LVT_TIMER_PERIODIC | 0x61);
	lodge_lapic_write(v, APIC_TMICT, 1);
	KUNIT_EXPECT_EQ(test, v->apic->period, 200000ull);
	KUNIT_EXPECT_TRUE(test, comes(v, 0x61));
	KUNIT_EXPECT_TRUE(test, comes(v, 0x61));
	/* Masked it goes on, in silence. */
	lodge_lapic_write(v, APIC_LVTT, APIC_LVT_MASKED |
			  APIC_LVT_TIMER_PERIODIC | 0x61);
	fake_take(v, 0x61);
	usleep_range(2000, 3000);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&v->apic->timer));
	lodge_lapic_write(v, APIC_TMICT, 0);
}

static void deadline(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	u64 ms = tsc_khz, far;

	fake_enable(f, 1);
	/* Ignored in other modes. */
	lodge_lapic_set_tsc_deadline(v, 1);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	lodge_lapic_write(v, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | 0x62);
	/* Over already: at once, and without the host's timer. */
	lodge_lapic_set_tsc_deadline(v, 1);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x62), 1u);
	KUNIT_EXPECT_EQ(test, lodge_lapic_tsc_deadline(v), 0ull);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&v->apic->timer));
	lodge_lapic_set_tsc_deadline(v, lodge_tsc_read(v, rdtsc()) + 5 * ms);
	KUNIT_EXPECT_TRUE(test, comes(v, 0x62));
	KUNIT_EXPECT_EQ(test, lodge_lapic_tsc_deadline(v), 0ull);
	/* Moved to later: the timer stays, wakes, and sleeps again. */
	far = lodge_tsc_read(v, rdtsc()) + 3600ull * 1000 * ms;
	lodge_lapic_set_tsc_deadline(v, lodge_tsc_read(v, rdtsc()) + 5 * ms);
	lodge_lapic_set_tsc_deadline(v, far);
	KUNIT_EXPECT_EQ(test, lodge_lapic_tsc_deadline(v), far);
	usleep_range(10000, 12000);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&v->apic->timer));
	/* And to earlier. */
	lodge_lapic_set_tsc_deadline(v, lodge_tsc_read(v, rdtsc()) + 2 * ms);
	KUNIT_EXPECT_TRUE(test, comes(v, 0x62));
	/* Any value is a deadline, also those that no clock reaches. */
	lodge_lapic_set_tsc_deadline(v, ~0ull);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&v->apic->timer));
	lodge_lapic_set_tsc_deadline(v, 0);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&v->apic->timer));
	lodge_lapic_set_tsc_deadline(v, ~0ull);
	lodge_lapic_write(v, APIC_LVTT, 0x62);
	KUNIT_EXPECT_EQ(test, lodge_lapic_tsc_deadline(v), 0ull);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&v->apic->timer));
}

static void hw_deadline(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	u64 ms = tsc_khz, when;

	lodge_caps.deadline_timer = true;
	fake_enable(f, 1);
	lodge_lapic_write(v, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | 0x62);
	v->tsc.offset = 1000;
	when = rdtsc() + 1000 * ms;
	lodge_lapic_set_tsc_deadline(v, when + 1000);
	KUNIT_EXPECT_EQ(test, f->deadline, when);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&v->apic->timer));
	/* An exit too early changes nothing; a new offset moves it. */
	f->deadline = 0;
	lodge_lapic_deadline_exit(v);
	KUNIT_EXPECT_EQ(test, f->deadline, when);
	v->tsc.offset = 0;
	lodge_lapic_tsc_changed(v);
	KUNIT_EXPECT_EQ(test, f->deadline, when + 1000);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x62), 0u);
	/* Due: once. */
	v->tsc.offset = 2000 * ms;
	lodge_lapic_deadline_exit(v);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x62), 1u);
	KUNIT_EXPECT_EQ(test, f->deadline, 0ull);
	KUNIT_EXPECT_EQ(test, lodge_lapic_tsc_deadline(v), 0ull);
	lodge_lapic_deadline_exit(v);
	KUNIT_EXPECT_EQ(test, fake_got(f, 0x62), 0u);
	/* Who sleeps needs the host's timer, and keeps it till the next one. */
	v->tsc.offset = 0;
	lodge_lapic_set_tsc_deadline(v, rdtsc() + 5 * ms);
	lodge_lapic_sleep(v);
	KUNIT_EXPECT_EQ(test, f->deadline, 0ull);
	KUNIT_EXPECT_TRUE(test, comes(v, 0x62));
	lodge_lapic_set_tsc_deadline(v, ~0ull);
	lodge_lapic_sleep(v);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&v->apic->timer));
	lodge_lapic_set_tsc_deadline(v, ~0ull - 1);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&v->apic->timer));
	/* Never comes in steps, wherever the guest's counter began. */
	KUNIT_EXPECT_LE(test, f->deadline - rdtsc(), 1ull << 40);
	v->tsc.offset = -rdtsc();
	lodge_lapic_set_tsc_deadline(v, ~0ull);
	KUNIT_EXPECT_LE(test, f->deadline - rdtsc(), 1ull << 40);
	/* Out of the mode, it is disarmed. */
	lodge_lapic_write(v, APIC_LVTT, 0x62);
	KUNIT_EXPECT_EQ(test, f->deadline, 0ull);
	lodge_lapic_sleep(v);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&v->apic->timer));
}

/* As hardware does it: from the top of IRR to ISR. */
static int deliver(struct lodge_vcpu *v)
{
	int vector = lodge_lapic_top(v->apic, APIC_IRR);

	if (vector >= 0) {
		fake_take(v, vector);
		__set_bit(vector & 31, lodge_lapic_word(v->apic, APIC_ISR, vector));
	}
	return vector;
}

static void virtual_delivery(struct kunit *test)
{
	struct fake *f = test->priv;
	const struct lodge_ipi ipi = { .vector = 0x60, .level = true };
	struct lodge_vcpu *v = &f->vcpu[1];
	struct lodge_pir *pir = lodge_lapic_pir(v->apic);
	struct kvm_lapic_state *s;

	s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, s);
	fake_enable(f, 2);
	v->apic->vid = true;
	v->requests = 0;
	/* IRR may be the CPU's just now: it stays as it is. */
	post(v, 0x41);
	post(v, 0xd3);
	KUNIT_EXPECT_TRUE(test, lodge_request_test(v, LODGE_REQ_EVENT));
	KUNIT_EXPECT_EQ(test, lodge_lapic_top(v->apic, APIC_IRR), -1);
	/* The owner merges; nothing is to be injected. */
	KUNIT_EXPECT_EQ(test, lodge_irq_inject(v), -1);
	KUNIT_EXPECT_EQ(test, f->requested, 0xd3);
	KUNIT_EXPECT_EQ(test, f->in_service, 0);
	KUNIT_EXPECT_TRUE(test, lodge_lapic_test(v->apic, APIC_IRR, 0x41));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(pir->vectors, 256));
	KUNIT_EXPECT_EQ(test, deliver(v), 0xd3);
	/* A halted vCPU is woken by what priority lets through. */
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	post(v, 0xe0);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), 0xe0);
	KUNIT_EXPECT_EQ(test, deliver(v), 0xe0);
	KUNIT_EXPECT_EQ(test, rd(v, APIC_PROCPRI), 0xe0u);
	/* An EOI that came as an exit: hardware is told of the new top. */
	v->requests = 0;
	lodge_lapic_write(v, APIC_EOI, 0);
	KUNIT_EXPECT_TRUE(test, lodge_request_test(v, LODGE_REQ_EVENT));
	lodge_irq_inject(v);
	KUNIT_EXPECT_EQ(test, f->in_service, 0xd3);
	KUNIT_EXPECT_EQ(test, f->requested, 0x41);
	/* What others noted is part of the state, and gone after INIT. */
	post(v, 0x50);
	lodge_lapic_get_state(v, s);
	KUNIT_EXPECT_EQ(test, *(u32 *)(s->regs + APIC_IRR + 0x20), 0x10002u);
	post(v, 0x51);
	lodge_lapic_reset(v, true);
	KUNIT_EXPECT_EQ(test, lodge_irq_pending(v), -1);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_state(v, s), 0);
	lodge_irq_inject(v);
	KUNIT_EXPECT_EQ(test, f->in_service, 0xd3);
	KUNIT_EXPECT_EQ(test, f->requested, 0x50);
	/* Posted by another: one notification until the owner has looked. */
	lodge_caps.apic_posted = true;
	lodge_lapic_accept(v->apic, &ipi, false);
	KUNIT_EXPECT_TRUE(test, test_bit(LODGE_PIR_ON, &pir->control));
	lodge_irq_inject(v);
	KUNIT_EXPECT_EQ(test, f->requested, 0x60);
	KUNIT_EXPECT_FALSE(test, test_bit(LODGE_PIR_ON, &pir->control));
	/* Disabled, it asks for nothing. */
	lodge_lapic_set_base(v, APIC_DEFAULT_PHYS_BASE, true);
	lodge_irq_inject(v);
	KUNIT_EXPECT_EQ(test, f->requested, 0);
}

/* TPR is the hardware's, but for it interrupts are injected. */
static void threshold(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];

	lodge_caps.apic_tpr = true;
	fake_enable(f, 1);
	lodge_lapic_set_cr8(v, 6);
	KUNIT_EXPECT_EQ(test, lodge_irq_inject(v), -1);
	KUNIT_EXPECT_EQ(test, f->threshold, 0);
	post(v, 0x55);
	KUNIT_EXPECT_EQ(test, lodge_irq_inject(v), -1);
	KUNIT_EXPECT_EQ(test, f->threshold, 5);
	/* The guest writes the page, not us. */
	lodge_lapic_put(v->apic, APIC_TASKPRI, 0x40);
	KUNIT_EXPECT_EQ(test, lodge_irq_inject(v), 0x55);
	KUNIT_EXPECT_EQ(test, f->threshold, 0);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x55);
	/* Behind what is in service: its EOI exits anyway. */
	lodge_lapic_set_cr8(v, 5);
	post(v, 0x5a);
	KUNIT_EXPECT_EQ(test, lodge_irq_inject(v), -1);
	KUNIT_EXPECT_EQ(test, f->threshold, 0);
	v->requests = 0;
	lodge_lapic_write(v, APIC_EOI, 0);
	KUNIT_EXPECT_TRUE(test, lodge_request_test(v, LODGE_REQ_EVENT));
	lodge_irq_inject(v);
	KUNIT_EXPECT_EQ(test, f->threshold, 5);
}

static void state(struct kunit *test)
{
	struct fake *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[2];
	struct kvm_lapic_state *s, *t;

	s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_TRUE(test, s && t);
	fake_enable(f, 3);
	post(v, 0x91);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x91);
	post(v, 0x33);
	lodge_lapic_write(v, APIC_LDR, 4 << 24);
	lodge_lapic_write(v, APIC_TASKPRI, 0x25);
	lodge_lapic_write(v, APIC_LVT1, APIC_DM_NMI);
	icr(f, 2, 0x40, 9);
	lodge_lapic_get_state(v, s);
	KUNIT_EXPECT_EQ(test, *(u32 *)(s->regs + APIC_ID), 2u << 24);
	KUNIT_EXPECT_EQ(test, *(u32 *)(s->regs + APIC_ICR2), 9u << 24);
	lodge_lapic_reset(v, false);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_state(v, s), 0);
	lodge_lapic_get_state(v, t);
	KUNIT_EXPECT_EQ(test, memcmp(s, t, sizeof(*s)), 0);
	lodge_lapic_write(v, APIC_EOI, 0);
	KUNIT_EXPECT_EQ(test, fake_ack(v), 0x33);
	/* A timer goes on where it was. */
	lodge_lapic_write(v, APIC_TDCR, 0xb);
	lodge_lapic_write(v, APIC_LVTT, 0x60);
	lodge_lapic_write(v, APIC_TMICT, 0xfffffff0);
	lodge_lapic_get_state(v, s);
	*(u32 *)(s->regs + APIC_TMCCT) = 3000000;
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_state(v, s), 0);
	KUNIT_EXPECT_TRUE(test, comes(v, 0x60));
	/* Who doesn't know the count gets one tick, or a period from now on. */
	*(u32 *)(s->regs + APIC_TMCCT) = 0;
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_state(v, s), 0);
	KUNIT_EXPECT_TRUE(test, fake_take(v, 0x60));
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&v->apic->timer));
	*(u32 *)(s->regs + APIC_LVTT) = APIC_LVT_TIMER_PERIODIC | 0x60;
	*(u32 *)(s->regs + APIC_TMICT) = 1000000;
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_state(v, s), 0);
	KUNIT_EXPECT_TRUE(test, comes(v, 0x60));
	KUNIT_EXPECT_TRUE(test, comes(v, 0x60));
	/* A deadline is no part of this state, and stays. */
	lodge_lapic_write(v, APIC_LVTT, APIC_LVT_TIMER_TSCDEADLINE | 0x60);
	lodge_lapic_set_tsc_deadline(v, ~0ull);
	lodge_lapic_get_state(v, s);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_state(v, s), 0);
	KUNIT_EXPECT_EQ(test, lodge_lapic_tsc_deadline(v), ~0ull);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&v->apic->timer));
	lodge_lapic_set_tsc_deadline(v, 0);
	/* Ids of an x2APIC. */
	fake_x2apic(f, 3);
	lodge_lapic_get_state(v, s);
	KUNIT_EXPECT_EQ(test, *(u32 *)(s->regs + APIC_ID), 2u << 24);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_state(v, s), 0);
	f->vm.irq.x2apic_format = true;
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_state(v, s), -EINVAL);
	lodge_lapic_get_state(v, s);
	KUNIT_EXPECT_EQ(test, *(u32 *)(s->regs + APIC_ID), 2u);
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_state(v, s), 0);
	/* Any bytes at all are harmless. */
	memset(s, 0xff, sizeof(*s));
	f->vm.irq.x2apic_format = false;
	KUNIT_EXPECT_EQ(test, lodge_lapic_set_state(v, s), 0);
	KUNIT_EXPECT_EQ(test, lodge_lapic_id(v->apic), 2u);
	lodge_lapic_reset(v, false);
}

static struct kunit_case lapic_cases[] = {
	KUNIT_CASE(priorities),
	KUNIT_CASE(registers),
	KUNIT_CASE(modes),
	KUNIT_CASE(xapic_messages),
	KUNIT_CASE(x2apic_messages),
	KUNIT_CASE(startup),
	KUNIT_CASE(timer),
	KUNIT_CASE(deadline),
	KUNIT_CASE(hw_deadline),
	KUNIT_CASE(virtual_delivery),
	KUNIT_CASE(threshold),
	KUNIT_CASE(state),
	{}
};

static struct kunit_suite lapic_suite = {
	.name = "lodge-lapic",
	.init = fake_init,
	.exit = fake_exit,
	.test_cases = lapic_cases,
};

kunit_test_suite(lapic_suite);
