// SPDX-License-Identifier: GPL-2.0-only
/* The local APIC of one vCPU: registers, priorities, timers, x2APIC. */
#include "ltest.h"
#include "lapic.guest.gen.h"

#define BAD	((void *)8)

static struct vcpu *start(uint64_t entry)
{
	return vcpu_new(vm_new_irqchip(&payload), 0, LONG64, entry);
}

#define IN_GUEST(name) TEST(name) { want_done(start(G_##name)); }

IN_GUEST(registers)
IN_GUEST(disabled)
IN_GUEST(self_ipi)
IN_GUEST(priorities)
IN_GUEST(task_priority)
IN_GUEST(cr8)
IN_GUEST(one_shot)
IN_GUEST(periodic)
IN_GUEST(timer_masked)
IN_GUEST(timer_halt)
IN_GUEST(x2apic)
IN_GUEST(x2apic_ipi)
IN_GUEST(apic_base)

/* Entered with interrupts open, as Bochs wants it for the host's to arrive. */
TEST(closed)
{
	struct vcpu *v = start(G_closed);

	vcpu_interruptible(v);
	want_done(v);
}

static void deadline(struct vcpu *v)
{
	struct kvm_cpuid2 *c = cpuid_supported();

	NEED_CAP(KVM_CAP_TSC_DEADLINE_TIMER);
	/* The launcher's to switch on, since it needs the kernel's APIC. */
	cpuid_find(c, 1, 0)->ecx |= 1 << 24;
	vcpu_set_cpuid(v, c);
	want_done(v);
}

TEST(deadline)
{
	deadline(start(G_deadline));
}

TEST(deadline_never)
{
	deadline(start(G_deadline_never));
}

/* The guest's counter is not the host's: the deadline is the guest's. */
static void deadline_scaled(int num, int den)
{
	struct vcpu *v = start(G_deadline);
	long khz = OK(ioctl(v->fd, KVM_GET_TSC_KHZ, 0));

	NEED_CAP(KVM_CAP_TSC_CONTROL);
	OK(ioctl(v->fd, KVM_SET_TSC_KHZ, khz / den * num));
	deadline(v);
}

TEST(deadline_slow_tsc) { deadline_scaled(1, 2); }
TEST(deadline_fast_tsc) { deadline_scaled(5, 2); }

/* CR8 in kvm_run: where the launcher has the APIC, it has the priority. */
TEST(cr8_exit)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_cr8_plain);
	struct kvm_sregs s;

	v->run->cr8 = 0;
	/* Lowered, the launcher may have something to deliver. */
	vcpu_run(v);
	if (v->run->exit_reason == KVM_EXIT_SET_TPR) {
		CHECK_EQ(v->run->cr8, 9);
		vcpu_run(v);
	}
	report_guest_failure(v);
	s = vcpu_sregs(v);
	CHECK_EQ(s.cr8, 9);
	v->run->cr8 = 9;
	vcpu_run(v);
	if (v->run->exit_reason == KVM_EXIT_SET_TPR) {
		CHECK_EQ(v->run->cr8, 2);
		vcpu_run(v);
	}
	report_guest_failure(v);
	CHECK_EQ(vcpu_regs(v).rbx, 2);
}

/* What the timer was doing goes along with KVM_GET_LAPIC. */
static void timer_moved(uint32_t left)
{
	struct vcpu *v = start(G_timer_moves);
	struct kvm_lapic_state l;

	want_mark(v, 1);
	OK(ioctl(v->fd, KVM_GET_LAPIC, &l));
	CHECK(*(uint32_t *)(l.regs + 0x390) > 0);
	CHECK_EQ(*(uint32_t *)(l.regs + 0x380), 50000000);
	*(uint32_t *)(l.regs + 0x390) = left;
	OK(ioctl(v->fd, KVM_SET_LAPIC, &l));
	want_done(v);
}

/* Nearly over: set anew, it comes soon. */
TEST(timer_moves) { timer_moved(1000); }
/* QEMU sets no current count: it comes at once, rather than never. */
TEST(timer_moves_unknown) { timer_moved(0); }

/* That a guest's task priority is in none of its pages can always be said. */
TEST(vapic_none)
{
	struct kvm_vapic_addr vapic = {};
	struct vcpu *v = start(G_registers);

	OK(ioctl(v->fd, KVM_SET_VAPIC_ADDR, &vapic));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_VAPIC_ADDR, BAD));
	want_done(v);
	vapic.vapic_addr = 1ull << 40;		/* no memory there */
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_VAPIC_ADDR, &vapic));
	vapic.vapic_addr = 0x3000;
	if (!node_cap(KVM_CAP_VAPIC))
		FAILS(EINVAL, ioctl(v->fd, KVM_SET_VAPIC_ADDR, &vapic));

	v = vcpu_new(vm_new(&payload), 0, LONG64, G_registers);
	vapic.vapic_addr = 0;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_VAPIC_ADDR, &vapic));
}

/* In x2APIC mode the layout of the id register changes. */
TEST(x2apic_state)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct vcpu *v = vcpu_new(vm, 3, LONG64, G_x2apic);
	struct kvm_lapic_state l;
	struct kvm_sregs s = vcpu_sregs(v);

	OK(ioctl(v->fd, KVM_GET_LAPIC, &l));
	CHECK_EQ(*(uint32_t *)(l.regs + 0x20), 3 << 24);
	s.apic_base |= 0xc00;
	vcpu_set_sregs(v, &s);
	OK(ioctl(v->fd, KVM_GET_LAPIC, &l));
	OK(ioctl(v->fd, KVM_SET_LAPIC, &l));
	CHECK(*(uint32_t *)(l.regs + 0x20) == 3 << 24 ||
	      *(uint32_t *)(l.regs + 0x20) == 3, "%#x",
	      *(uint32_t *)(l.regs + 0x20));
	CHECK_EQ(vcpu_sregs(v).apic_base & 0xc00, 0xc00);
}

/* One with the id ID, in x2APIC mode, of a VM that has FLAGS of the capability. */
static struct vcpu *x2apic_new(int id, uint64_t flags)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct kvm_sregs s;
	struct vcpu *v;

	NEED_CAP(KVM_CAP_X2APIC_API);
	OK(vm_enable(vm, KVM_CAP_X2APIC_API, flags));
	v = vcpu_new(vm, id, LONG64, G_x2apic);
	s = vcpu_sregs(v);
	s.apic_base |= 0xc00;
	vcpu_set_sregs(v, &s);
	return v;
}

/* Whether it reaches anybody; KVM says either 0 or EPERM if not. */
static bool arrives(struct vcpu *v, struct kvm_msi *msi)
{
	int r = ioctl(v->vm->fd, KVM_SIGNAL_MSI, msi);

	CHECK(r >= 0 || errno == EPERM, "%s", strerror(errno));
	return r > 0;
}

/* Ids of 32 bits: in the APIC's state, and in messages. */
TEST(x2apic_ids_32)
{
	struct vcpu *v = x2apic_new(3, 0), *w;
	struct kvm_msi msi = { .address_lo = 0xfee03000, .data = 0x400 };
	struct kvm_lapic_state l;
	uint32_t *id = (uint32_t *)(l.regs + 0x20);

	OK(ioctl(v->fd, KVM_GET_LAPIC, &l));
	CHECK_EQ(*id, 3 << 24);
	/* What is above is nothing, */
	msi.address_hi = 0x1ff;
	CHECK(arrives(v, &msi));

	w = x2apic_new(3, KVM_X2APIC_API_USE_32BIT_IDS);
	OK(ioctl(w->fd, KVM_GET_LAPIC, &l));
	CHECK_EQ(*id, 3);
	OK(ioctl(w->fd, KVM_SET_LAPIC, &l));
	*id = 3 << 24;
	FAILS(EINVAL, ioctl(w->fd, KVM_SET_LAPIC, &l));
	/* but with such ids the rest of them. */
	FAILS(EINVAL, ioctl(w->vm->fd, KVM_SIGNAL_MSI, &msi));
	msi.address_hi = 0x100;
	CHECK(!arrives(w, &msi));
	msi.address_hi = 0;
	CHECK(arrives(w, &msi));
}

/* 0xff is everybody, unless that is given up: to an x2APIC it is a number. */
TEST(x2apic_broadcast)
{
	struct kvm_msi msi = { .address_lo = 0xfeeff000, .data = 0x400 };
	struct vcpu *v = x2apic_new(3, 0);

	CHECK(arrives(v, &msi));
	v = x2apic_new(3, KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
	CHECK(!arrives(v, &msi));
}

/* The boot CPU's LINT0 lets the PICs through at reset: a quirk that can be had without. */
TEST(lint0)
{
	struct vm *vm = vm_new_irqchip(&payload), *without = vm_new_irqchip(&payload);
	struct vcpu *v[] = { vcpu_bare(vm, 0), vcpu_bare(vm, 1), NULL };
	static const uint32_t want[] = { 0x700, 0x10000, 0x10000 };
	struct kvm_lapic_state l;
	unsigned int i;

	NEED_CAP(KVM_CAP_DISABLE_QUIRKS2);
	OK(vm_enable(without, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_LINT0_REENABLED));
	v[2] = vcpu_bare(without, 0);
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		OK(ioctl(v[i]->fd, KVM_GET_LAPIC, &l));
		CHECK_EQ(*(uint32_t *)(l.regs + 0x350), want[i]);
	}
}

/*
 * An interrupt that waits behind a shadow, at the entry that begins with it:
 * a guest's STI and HLT may be interrupted by the host's events, not by its own.
 */
TEST(shadow_kept)
{
	struct vcpu *v = start(G_shadow_kept);
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_SHADOW,
		.interrupt.shadow = KVM_X86_SHADOW_INT_STI,
	};
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x41 };

	if (node_is_kvm())
		test_skip("KVM's entries lose the VMCB's shadow in QEMU");
	want_mark(v, 1);
	/* The OUT is finished, and nothing after it. */
	v->run->immediate_exit = 1;
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	v->run->immediate_exit = 0;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	OK(ioctl(v->vm->fd, KVM_SIGNAL_MSI, &msi) != 1);
	want_done(v);
}
