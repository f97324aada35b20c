// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest's code relies on across exits: debug registers, protection
 * keys, extended state, PAT, TLB maintenance; and KVM_SET_GUEST_DEBUG.
 */
#include "ltest.h"
#include "features.guest.gen.h"

#define DEV	0xd0000000UL

static struct vcpu *start(uint64_t entry)
{
	return vcpu_new(vm_new_irqchip(&payload), 0, LONG64, entry);
}

TEST(debug_registers)
{
	want_done(start(G_debug_registers));
}

TEST(breakpoints)
{
	want_done(start(G_breakpoints));
}

/* The guest's own breakpoints survive exits to the launcher. */
TEST(debug_across_exits)
{
	struct vcpu *v = start(G_debug_across);
	struct kvm_debugregs d;

	want_mark(v, 1);
	OK(ioctl(v->fd, KVM_GET_DEBUGREGS, &d));
	CHECK_EQ(d.db[0], G_debug_target);
	CHECK_EQ(d.db[1], 0x12345);
	CHECK_EQ(d.dr7 & 0xff, 2);
	want_done(v);
}

/* The launcher sets the debug registers, and the guest has them. */
TEST(debug_set)
{
	struct vcpu *v = start(G_debug_set);
	struct kvm_debugregs d;

	want_mark(v, 1);
	OK(ioctl(v->fd, KVM_GET_DEBUGREGS, &d));
	d.db[2] = G_debug_target;
	d.dr7 = 0x400 | 2 << 4;
	OK(ioctl(v->fd, KVM_SET_DEBUGREGS, &d));
	want_done(v);
}

TEST(protection_keys)
{
	struct kvm_cpuid2 *c = cpuid_supported();
	struct vcpu *v = start(G_protection_keys);
	uint64_t *pd = (uint64_t *)(v->vm->mem + G_PD);

	if (!(cpuid_find(c, 7, 0)->ecx & 8))
		test_skip("PKU is not offered");
	pd[3] |= 5ULL << 59 | 4;		/* 6M: key 5 */
	want_done(v);
}

TEST(smep_smap)
{
	struct vcpu *v = start(G_smep_smap);

	/* 6M: of the supervisor, not of the user. */
	((uint64_t *)(v->vm->mem + G_PD))[3] &= ~4ULL;
	want_done(v);
}

TEST(extended_state)
{
	struct vcpu *v = start(G_extended_state);
	struct kvm_xsave x;
	struct kvm_xcrs xc;
	int i;

	want_mark(v, 1);
	for (i = 2; i < 20; i++) {
		/* The launcher's own use of the registers in between. */
		asm volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7;"
			     "pcmpeqd %%xmm15, %%xmm15"
			     : : : "xmm0", "xmm7", "xmm15");
		OK(ioctl(v->fd, KVM_GET_XSAVE, &x));
		CHECK_EQ(*(uint64_t *)((uint8_t *)&x + 160), 0x100 + i - 1);
		want_mark(v, i);
	}
	OK(ioctl(v->fd, KVM_GET_XCRS, &xc));
	want_done(v);
}

/* The host's registers must not be the guest's, nor the other way round. */
TEST(host_state)
{
	struct vcpu *v = start(G_extended_state);
	uint64_t in = 0x1122334455667788, out = 0;
	uint16_t cw = 0x27f, got = 0;

	asm volatile("fldcw %0" : : "m"(cw));
	asm volatile("movq %0, %%xmm9" : : "r"(in) : "xmm9");
	ioctl(v->fd, KVM_RUN, 0);
	asm volatile("movq %%xmm9, %0" : "=r"(out));
	asm volatile("fnstcw %0" : "=m"(got));
	CHECK_EQ(out, in);
	CHECK_EQ(got, 0x27f);
}

TEST(registers_at_rest)
{
	struct vcpu *v = start(G_registers_at_rest);
	struct kvm_xsave x;
	uint64_t i;

	for (i = 1; i <= 1200; i++) {
		asm volatile("movq %0, %%xmm3" : : "r"(~i) : "xmm3");
		want_mark(v, i);
		if (i == 299) {
			OK(ioctl(v->fd, KVM_GET_XSAVE, &x));
			CHECK_EQ(x.region[52], 0x3333);
		}
	}
	want_done(v);
}

TEST(pat)
{
	struct vcpu *v = start(G_pat);

	want_mark(v, 1);
	CHECK_EQ(msr_get(v, 0x277), 0x0007040600070406);
	msr_set(v, 0x277, 0x0606060606060606);
	want_done(v);
}

/* Page tables changed and flushed by every means there is. */
TEST(tlb)
{
	struct vcpu *v = start(G_tlb);
	uint64_t *a = (uint64_t *)(v->vm->mem + 4 * MiB);
	uint64_t *b = (uint64_t *)(v->vm->mem + 6 * MiB);

	a[0] = 0xaaaa;
	b[0] = 0xbbbb;
	want_done(v);
}

/* 5-level tables, where CPUID offers them. */
TEST(toggles)
{
	want_done(start(G_toggles));
}

TEST(wbinvd_and_such)
{
	struct vcpu *v = start(G_harmless);

	vcpu_args(v, node_is_kvm(), 0);
	want_done(v);
}

TEST(descriptor_tables)
{
	want_done(start(G_descriptor_tables));
}

/* A 32-bit task switch, by CALL through a TSS: a job for the emulator. */
TEST(task_switch)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, PROT32, G_task32);

	want_done(v);
}

/* ---- KVM_SET_GUEST_DEBUG ---- */

static int guest_debug(struct vcpu *v, uint32_t control, uint64_t addr)
{
	struct kvm_guest_debug d = { .control = control };

	d.arch.debugreg[0] = addr;
	d.arch.debugreg[7] = addr ? 0x402 : 0x400;
	return ioctl(v->fd, KVM_SET_GUEST_DEBUG, &d);
}

TEST(guest_debug_step)
{
	struct vcpu *v = start(G_steps);
	int i;

	FAILS(EFAULT, ioctl(v->fd, KVM_SET_GUEST_DEBUG, 8));
	if (host_is_intel())
		test_skip("in Bochs RFLAGS.TF traps before the first instruction");
	OK(guest_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0));
	for (i = 1; i <= 4; i++) {
		want_exit(v, KVM_EXIT_DEBUG);
		CHECK_EQ(v->run->debug.arch.pc, G_steps + i);
		CHECK_EQ(v->run->debug.arch.exception, 1);
		CHECK_EQ(v->run->debug.arch.dr6 & 0x4000, 0x4000);
		/* The guest does not see its TF. */
		CHECK_EQ(vcpu_regs(v).rflags & 0x100, 0);
	}
	OK(guest_debug(v, 0, 0));
	want_done(v);
}

/* A debugger's steps, through what would else interrupt them. */
TEST(guest_debug_blockirq)
{
	const uint32_t step = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40 };
	struct vm *vm = vm_new_irqchip(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_blocked);
	int i, flags = node_cap(KVM_CAP_SET_GUEST_DEBUG2);

	if (host_is_intel())
		test_skip("in Bochs RFLAGS.TF traps before the first instruction");
	CHECK_EQ(flags, step | KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_USE_SW_BP |
		 KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP |
		 KVM_GUESTDBG_BLOCKIRQ);
	want_mark(v, 1);
	OK(guest_debug(v, step, 0));
	for (i = 0; i < 20 && vcpu_regs(v).rip != G_blocked_at; i++)
		want_exit(v, KVM_EXIT_DEBUG);
	OK(guest_debug(v, step | KVM_GUESTDBG_BLOCKIRQ, 0));
	OK(ioctl(v->fd, KVM_NMI, 0));
	OK(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi));
	for (i = 1; i <= 3; i++) {
		want_exit(v, KVM_EXIT_DEBUG);
		CHECK_EQ(v->run->debug.arch.pc, G_blocked_at + i);
	}
	/* What was held back comes when it is over. */
	OK(guest_debug(v, 0, 0));
	want_done(v);
}

/* Through what the hypervisor steps over itself, and accesses to the launcher. */
TEST(guest_debug_through)
{
	static const uint64_t at[] = {
		G_through_1, G_through_2, G_through_3, G_through_4,
		G_through_5, G_through_6, G_through_7, G_through_8, G_through_9,
	};
	struct vcpu *v = start(G_through_0);
	struct kvm_regs r;
	int i, reason;

	if (host_is_intel())
		test_skip("in Bochs RFLAGS.TF traps before the first instruction");
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		/* KVM does not stop behind what its emulator has finished. */
		if (node_is_kvm() && at[i] == G_through_7)
			return;
		OK(guest_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0));
		/* As debuggers do: the registers are written after that. */
		r = vcpu_regs(v);
		CHECK_EQ(r.rflags & 0x100, 0);
		vcpu_set_regs(v, &r);
		do
			reason = vcpu_run(v);
		while (reason == KVM_EXIT_IO || reason == KVM_EXIT_MMIO);
		MUST_EQ(reason, KVM_EXIT_DEBUG);
		CHECK_EQ(v->run->debug.arch.pc, at[i]);
		CHECK_EQ(v->run->debug.arch.dr6 & 0x4000, 0x4000);
	}
	OK(guest_debug(v, 0, 0));
	want_done(v);
}

/* Whatever the guest loads into its flags, each step is one. */
TEST(guest_debug_popf)
{
	static const uint64_t at[] = {
		G_popf_1, G_popf_2, G_popf_3, G_popf_4, G_popf_5, G_popf_6, G_popf_7,
	};
	struct vcpu *v = start(G_popf_0);
	unsigned int i;

	NEED_CAP(KVM_CAP_X86_ROBUST_SINGLESTEP);
	if (host_is_intel())
		test_skip("in Bochs RFLAGS.TF traps before the first instruction");
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		OK(guest_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP, 0));
		want_exit(v, KVM_EXIT_DEBUG);
		CHECK_EQ(v->run->debug.arch.pc, at[i]);
		CHECK_EQ(v->run->debug.arch.dr6 & 0x4000, 0x4000);
		CHECK_EQ(vcpu_regs(v).rflags & 0x100, 0);
	}
	OK(guest_debug(v, 0, 0));
	want_done(v);
}

/*
 * A trap flag, held off for the instruction behind a MOV SS, that the launcher takes
 * away before that instruction was run: the guest goes on without a step.
 */
TEST(step_withdrawn)
{
	const uint64_t at = 16 * MiB;
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, at);
	struct kvm_vcpu_events e;
	uint8_t *m = mem_new(PAGE);
	struct kvm_regs r;

	vm_slot(vm, 1, 0, at, PAGE, m);
	r = vcpu_regs(v);
	r.rflags |= 0x100;
	vcpu_set_regs(v, &r);
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	e.flags = KVM_VCPUEVENT_VALID_SHADOW;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	/* No memory where the instruction is: entered, and left again. */
	OK(munmap(m, PAGE));
	FAILS(EFAULT, ioctl(v->fd, KVM_RUN, 0));
	MUST(mmap(m, PAGE, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == m);
	memcpy(m, "\x90\xf4", 2);	/* NOP, HLT */
	r = vcpu_regs(v);
	CHECK_EQ(r.rip, at);
	r.rflags &= ~0x100ULL;
	vcpu_set_regs(v, &r);
	want_exit(v, KVM_EXIT_HLT);
	CHECK_EQ(vcpu_regs(v).rip, at + 2);
}

TEST(debug_lent)
{
	want_done(start(G_debug_lent));
}

/* A lower task priority may let an interrupt of the launcher's through. */
TEST(task_priority)
{
	struct vcpu *v = vcpu_new(vm_new(&payload), 0, LONG64, G_task_priority);

	want_mark(v, 1);
	CHECK_EQ(v->run->cr8, 5);
	want_exit(v, KVM_EXIT_SET_TPR);
	CHECK_EQ(v->run->cr8, 2);
	want_mark(v, 2);
	want_done(v);
}

/*
 * Breakpoints of the launcher, in the debug registers or as INT3, cannot be
 * tried here: QEMU arms none at VMRUN, and calls INT3 another exit.
 */
TEST(guest_debug_bits)
{
	struct vcpu *v = start(G_steps);

	OK(guest_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		       0x12345678));
	OK(guest_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP, 0));
	OK(guest_debug(v, 0, 0));
	want_done(v);
}

/*
 * An unmasked x87 exception that user space leaves pending while it serves an
 * access of MMX's is the guest's, and nobody else's.
 */
TEST(x87_pending)
{
	struct vcpu *v = start(G_x87_pending);
	struct kvm_xsave x;

	want_mark(v, 1);
	want_mmio(v, false, DEV, 8);
	OK(ioctl(v->fd, KVM_GET_XSAVE, &x));
	/* FCW: nothing masked; FSW: an invalid operation, summary and busy. */
	x.region[0] = 0x80810000;
	x.region[128] |= 1;	/* XSTATE_BV: x87's is not the initial one */
	OK(ioctl(v->fd, KVM_SET_XSAVE, &x));
	/* The second one is not even begun. */
	want_done(v);
}
