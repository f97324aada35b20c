// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions: raised by the guest, injected by the launcher, delivered over
 * faults of the nested tables, doubled, tripled.
 */
#include "ltest.h"
#include "exceptions.guest.gen.h"

#define DEV	0xd0000000UL

static struct vcpu *start(uint64_t entry)
{
	return vcpu_new(vm_new(&payload), 0, LONG64, entry);
}

TEST(raised)
{
	want_done(start(G_raised));
}

TEST(page_faults)
{
	struct vcpu *v = start(G_page_faults);
	uint64_t *pd = (uint64_t *)(v->vm->mem + G_PD);

	pd[4] = 0;				/*  8M: not present */
	pd[5] = 2 * MiB | 0x85;			/* 10M: read-only */
	pd[6] |= 1ULL << 63;			/* 12M: no execution */
	pd[7] |= 1ULL << 50;			/* 14M: a reserved bit */
	want_done(v);
}

TEST(user_mode)
{
	struct vcpu *v = start(G_user_mode);

	/* 8M: of the supervisor. */
	((uint64_t *)(v->vm->mem + G_PD))[4] &= ~4ULL;
	want_done(v);
}

/* INT n of every kind. */
TEST(software)
{
	want_done(start(G_software));
}

TEST(single_step)
{
	want_done(start(G_single_step));
}

/* What KVM_GET_EMULATED_CPUID lists works, if the vCPU is given it. */
TEST(movbe)
{
	struct vcpu *v = start(G_movbe);
	struct kvm_cpuid2 *cpuid = cpuid_supported();

	cpuid_find(cpuid, 1, 0)->ecx |= 1u << 22;
	vcpu_set_cpuid(v, cpuid);
	want_done(v);
}

TEST(step_behind_popf)
{
	struct vcpu *v = start(G_step_behind_popf);
	uint64_t flags = 0x102;

	want_mmio(v, false, DEV, 8);
	memcpy(v->run->mmio.data, &flags, 8);
	want_done(v);
}

static void inject(struct vcpu *v, int nr, int has_code, uint32_t code)
{
	struct kvm_vcpu_events e;

	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	e.exception.injected = 1;
	e.exception.nr = nr;
	e.exception.has_error_code = has_code;
	e.exception.error_code = code;
	e.flags = 0;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
}

TEST(injected)
{
	static const struct { int nr, has; uint32_t code; } x[] = {
		{ 0, 0, 0 }, { 6, 0, 0 }, { 7, 0, 0 }, { 10, 1, 0x50 },
		{ 11, 1, 0x58 }, { 12, 1, 0 }, { 13, 1, 0x1234 },
		{ 14, 1, 7 }, { 16, 0, 0 }, { 19, 0, 0 },
	};
	struct vcpu *v = start(G_injected);
	unsigned int i;

	want_mark(v, 1);
	for (i = 0; i < ARRAY_SIZE(x); i++) {
		struct kvm_sregs s = vcpu_sregs(v);

		v->run->immediate_exit = 1;
		FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
		v->run->immediate_exit = 0;
		s.cr2 = 0x5000 + i;
		vcpu_set_sregs(v, &s);
		inject(v, x[i].nr, x[i].has, x[i].code);
		CHECK_EQ(want_value(v), x[i].nr);
		CHECK_EQ(want_value(v), x[i].has ? x[i].code : 0);
		CHECK_EQ(want_value(v), 0x5000 + i);
		want_mark(v, 1);
	}
}

/* So that what the last exit left to be finished is. */
static void finish_exit(struct vcpu *v)
{
	v->run->immediate_exit = 1;
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	v->run->immediate_exit = 0;
}

TEST(nmi_behind)
{
	struct vcpu *v = start(G_nmi_behind);
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING,
		.exception.injected = 1, .exception.nr = 6, .nmi.pending = 1,
	};

	want_mark(v, 1);
	finish_exit(v);
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	want_done(v);
}

TEST(nmi_shadow)
{
	struct vcpu *v = start(G_nmi_shadow);
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
			 KVM_VCPUEVENT_VALID_SHADOW,
		.nmi.pending = 1, .interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS,
	};

	want_mark(v, 1);
	finish_exit(v);
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	want_mark(v, 1);
	finish_exit(v);
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	want_mark(v, 1);
	/* How the hypervisor waits for its moment is not the launcher's to see. */
	CHECK_EQ(vcpu_regs(v).rflags & 0x10100, 0);
	want_done(v);
}

/* Once; the second time with an IDT that is not in the nested tables. */
TEST(int3_injected)
{
	struct vcpu *v = start(G_int3_injected);
	struct kvm_guest_debug d = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP,
	};
	uint8_t *p = v->vm->mem + G_IDT, keep[PAGE];

	if (node_is_kvm() && !host_is_intel())
		test_skip("without NextRIP KVM pushes the address of the INT3");
	madvise(v->vm->mem, VM_MEM, MADV_NOHUGEPAGE);
	want_mark(v, 1);
	finish_exit(v);
	CHECK_EQ(vcpu_regs(v).rip, G_int3_here);
	OK(ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d));
	want_mark(v, 1);
	finish_exit(v);
	OK(ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d));
	memcpy(keep, p, PAGE);
	OK(madvise(p, PAGE, MADV_DONTNEED));
	memcpy(p, keep, PAGE);
	want_done(v);
}

TEST(cpuid_fault)
{
	want_done(start(G_cpuid_fault));
}

/*
 * Delivery itself touches memory that the nested tables do not have yet: the
 * IDT, the GDT, the TSS, the stack, the handler. The event must not be lost
 * on the way (EXITINTINFO, APM vol. 2 15.7.2), nor come twice.
 */
TEST(delivery_faults)
{
	struct vcpu *v = start(G_delivery);
	struct vm *vm = v->vm;
	static const uint64_t page[] = { G_GDT, G_IDT, G_STACKS - PAGE,
					 G_CODE, G_PML4, G_PDPT, G_PD };
	unsigned int i, round;

	madvise(vm->mem, VM_MEM, MADV_NOHUGEPAGE);
	want_mark(v, 1);
	for (round = 0; round < 4; round++) {
		for (i = 0; i < ARRAY_SIZE(page); i++) {
			uint8_t *p = vm->mem + page[i];
			uint8_t keep[PAGE];

			/* Out of the nested tables, and the same again. */
			memcpy(keep, p, PAGE);
			OK(madvise(p, PAGE, MADV_DONTNEED));
			memcpy(p, keep, PAGE);
			if (round == 0) {
				want_value(v);
				continue;
			}
			if (round == 1)
				inject(v, 13, 1, 0x77);
			want_value(v);
		}
	}
	vcpu_jump(v, G_delivery_end);
	want_done(v);
}

/* Two faults make #DF, a fault in that a shutdown. */
TEST(double_fault)
{
	want_done(start(G_double_fault));
}

static void triple(enum mode mode, uint64_t entry)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, mode, entry);
	struct kvm_sregs s = vcpu_sregs(v);

	s.idt.limit = 0;
	vcpu_set_sregs(v, &s);
	want_exit(v, KVM_EXIT_SHUTDOWN);
	/* It can be asked again, read, and be brought back to life. */
	vcpu_regs(v);
	vcpu_free(v);
	vm_free(vm);
}

TEST(triple_fault_real) { triple(REAL, G_ud16); }
TEST(triple_fault_prot32) { triple(PROT32, G_ud16); }
TEST(triple_fault_long64) { triple(LONG64, G_ud16); }

TEST(shutdown_then_reset)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_ud16);
	struct kvm_sregs s = vcpu_sregs(v);

	s.idt.limit = 0;
	vcpu_set_sregs(v, &s);
	want_exit(v, KVM_EXIT_SHUTDOWN);
	vcpu_mode(v, LONG64, G_raised);
	want_done(v);
}

/* Exceptions met by the emulator: the same ones, with the same codes. */
TEST(emulated)
{
	struct vcpu *v = start(G_emulated);
	uint64_t *pd = (uint64_t *)(v->vm->mem + G_PD);

	pd[4] = 0;
	pd[5] &= ~2ULL;
	/* Each of them reads a device first. */
	want_mmio(v, false, 0xd0000000, 8);
	want_mmio(v, false, 0xd0000000, 8);
	want_done(v);
}

/* What the launcher sees of an exception that is still on its way. */
TEST(payload_capability)
{
	struct vcpu *v = start(G_injected);
	struct kvm_vcpu_events e;

	NEED_CAP(KVM_CAP_EXCEPTION_PAYLOAD);
	OK(vm_enable(v->vm, KVM_CAP_EXCEPTION_PAYLOAD, 1));
	want_mark(v, 1);
	v->run->immediate_exit = 1;
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	v->run->immediate_exit = 0;
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	e.flags = KVM_VCPUEVENT_VALID_PAYLOAD;
	e.exception.pending = 1;
	e.exception.nr = 14;
	e.exception.has_error_code = 1;
	e.exception.error_code = 2;
	e.exception_has_payload = 1;
	e.exception_payload = 0xabc000;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.exception.pending, 1);
	CHECK_EQ(e.exception_payload, 0xabc000);
	CHECK_EQ(want_value(v), 14);
	CHECK_EQ(want_value(v), 2);
	CHECK_EQ(want_value(v), 0xabc000);	/* only now in CR2 */
}

/* A triple fault that waits is the launcher's to see, to set and to take away. */
TEST(triple_fault_event)
{
	struct vcpu *v = start(G_injected);
	struct kvm_vcpu_events e;

	NEED_CAP(KVM_CAP_X86_TRIPLE_FAULT_EVENT);
	want_mark(v, 1);
	finish_exit(v);
	/* Who doesn't ask for it neither sees nor sets one. */
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT, 0);
	e.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	e.triple_fault.pending = 1;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	OK(vm_enable(v->vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1));
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK(e.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT, "%#x", e.flags);
	CHECK_EQ(e.triple_fault.pending, 0);
	/* Set, and taken away: the guest goes on. */
	e.triple_fault.pending = 1;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	memset(&e, 0, sizeof(e));
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.triple_fault.pending, 1);
	e.triple_fault.pending = 0;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	want_mark(v, 1);
	finish_exit(v);
	/* Without the flag what is said of it doesn't count. */
	e.triple_fault.pending = 1;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	e.flags &= ~KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	e.triple_fault.pending = 0;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	want_exit(v, KVM_EXIT_SHUTDOWN);
	/* It has come, and no instruction was run. */
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.triple_fault.pending, 0);
	want_mark(v, 1);
}
