/* SPDX-License-Identifier: GPL-2.0-only */
/* For KUnit: a VM with interrupt controllers and vCPUs that never run. */
#ifndef LODGE_IRQ_FAKE_H
#define LODGE_IRQ_FAKE_H

#include <kunit/test.h>
#include <linux/slab.h>
#include <asm/tsc.h>

#include "backend.h"
#include "chips.h"

#define FAKE_VCPUS	20

/* And what its backend was told last. */
struct fake {
	struct lodge_vm vm;
	struct lodge_vcpu vcpu[FAKE_VCPUS];
	u64 deadline;
	int requested, in_service, threshold;
	const struct lodge_backend *saved;
	struct lodge_hw_caps saved_caps;
};

static inline void fake_deadline(struct lodge_vcpu *vcpu, u64 host_tsc)
{
	container_of(vcpu->vm, struct fake, vm)->deadline = host_tsc;
}

static inline void fake_status(struct lodge_vcpu *vcpu, u8 requested,
			       u8 in_service, const unsigned long *eoi_exits)
{
	struct fake *f = container_of(vcpu->vm, struct fake, vm);

	f->requested = requested;
	f->in_service = in_service;
}

static inline void fake_threshold(struct lodge_vcpu *vcpu, u8 class)
{
	container_of(vcpu->vm, struct fake, vm)->threshold = class;
}

static const struct lodge_backend fake_backend = {
	.deadline = fake_deadline,
	.apic_status = fake_status,
	.apic_threshold = fake_threshold,
};

static inline void fake_vcpu(struct kunit *test, struct fake *f, int i)
{
	struct lodge_vcpu *vcpu = &f->vcpu[i];

	vcpu->vm = &f->vm;
	vcpu->id = i;
	vcpu->index = i;
	vcpu->cpu = -1;
	vcpu->mode = LODGE_OUTSIDE;
	rcuwait_init(&vcpu->wait);
	memset(vcpu->cpuid.caps, 0xff, sizeof(vcpu->cpuid.caps));
	vcpu->cpuid.maxphyaddr = 40;
	vcpu->tsc.khz = tsc_khz;
	vcpu->tsc.ratio = 1ull << lodge_caps.tsc_frac_bits;
	KUNIT_ASSERT_EQ(test, lodge_lapic_create(vcpu), 0);
}

static inline int fake_init(struct kunit *test)
{
	struct fake *f = kvzalloc(sizeof(*f), GFP_KERNEL);
	struct lodge_irq *irq;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	test->priv = f;
	f->saved = lodge_backend;
	f->saved_caps = lodge_caps;
	lodge_backend = &fake_backend;
	/* Each test says what its hardware can. */
	lodge_caps.deadline_timer = false;
	lodge_caps.apic_access = false;
	lodge_caps.apic_tpr = false;
	lodge_caps.apic_vid = false;
	lodge_caps.apic_posted = false;
	irq = &f->vm.irq;
	KUNIT_ASSERT_EQ(test, lodge_irq_init(&f->vm), 0);
	mutex_lock(&irq->lock);
	KUNIT_EXPECT_EQ(test, lodge_pic_create(&f->vm), 0);
	KUNIT_EXPECT_EQ(test, lodge_ioapic_create(&f->vm), 0);
	KUNIT_EXPECT_EQ(test, lodge_routing_defaults(&f->vm), 0);
	mutex_unlock(&irq->lock);
	irq->in_kernel = true;
	for (i = 0; i < FAKE_VCPUS; i++)
		fake_vcpu(test, f, i);
	return 0;
}

static inline void fake_exit(struct kunit *test)
{
	struct fake *f = test->priv;
	int i;

	if (!f)
		return;
	lodge_irq_destroy(&f->vm);
	for (i = 0; i < FAKE_VCPUS; i++)
		lodge_lapic_free(&f->vcpu[i]);
	lodge_backend = f->saved;
	lodge_caps = f->saved_caps;
	kvfree(f);
}

/* Linux's first steps: enable by software. */
static inline void fake_enable(struct fake *f, int n)
{
	int i;

	for (i = 0; i < n; i++)
		lodge_lapic_write(&f->vcpu[i], APIC_SPIV, 0x1ff);
}

static inline void fake_x2apic(struct fake *f, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		lodge_lapic_set_base(&f->vcpu[i],
				     f->vcpu[i].apic_base | X2APIC_ENABLE, false);
		lodge_x2apic_write(&f->vcpu[i], 0x80f, 0x1ff);
	}
}

static inline bool fake_take(struct lodge_vcpu *vcpu, u8 vector)
{
	return test_and_clear_bit(vector & 31,
				  lodge_lapic_word(vcpu->apic, APIC_IRR, vector));
}

/* The vector that would be injected now, taken; or -1. */
static inline int fake_ack(struct lodge_vcpu *vcpu)
{
	int vector = lodge_irq_pending(vcpu);

	return vector < 0 ? vector : lodge_irq_ack(vcpu, vector);
}

/* Which of the vCPUs have this vector requested? */
static inline u32 fake_got(struct fake *f, u8 vector)
{
	u32 got = 0;
	int i;

	for (i = 0; i < FAKE_VCPUS; i++)
		if (fake_take(&f->vcpu[i], vector))
			got |= BIT(i);
	return got;
}

#endif /* LODGE_IRQ_FAKE_H */
