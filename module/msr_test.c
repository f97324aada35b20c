// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of MSRs, machine checks, the TSC, the clock's arithmetic. */
#include <asm/mce.h>
#include <asm/mtrr.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>
#include <linux/kvm_para.h>

#include "fake_vcpu.h"

static int set(struct lodge_vcpu *v, u32 index, u64 data)
{
	return lodge_msr_set(v, index, data, false, true);
}

static int set_host(struct lodge_vcpu *v, u32 index, u64 data)
{
	return lodge_msr_set(v, index, data, true, true);
}

static u64 get(struct kunit *test, struct lodge_vcpu *v, u32 index)
{
	u64 data = 0;

	KUNIT_EXPECT_EQ_MSG(test, lodge_msr_get(v, index, &data, false), 0,
			    "MSR %x", index);
	return data;
}

static void table(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	u64 data;
	u32 i;

	/* Nothing that a guest may ask breaks, known or not. */
	for (i = 0; i < 0x2000; i++) {
		lodge_msr_get(v, i, &data, false);
		lodge_msr_get(v, 0xc0000000 + i, &data, false);
		lodge_msr_get(v, 0xc0010000 + i, &data, false);
	}
	KUNIT_EXPECT_EQ(test, lodge_msr_get(v, 0x12345678, &data, false), 1);
	KUNIT_EXPECT_EQ(test, lodge_msr_get(v, ~0u, &data, false), 1);
	KUNIT_EXPECT_EQ(test, set(v, ~0u, 0), 1);
	/* Read-only, write-only, ignored, a plain word. */
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_MTRRcap), 0x508ull);
	KUNIT_EXPECT_EQ(test, set(v, MSR_MTRRcap, 0x508), 1);
	KUNIT_EXPECT_EQ(test, lodge_msr_get(v, MSR_IA32_PRED_CMD, &data, false), 1);
	KUNIT_EXPECT_EQ(test, set(v, MSR_K7_EVNTSEL0, 1), 0);
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_K7_EVNTSEL0), 0ull);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_POWER_CTL, 5), 0);
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_IA32_POWER_CTL), 5ull);
	/* The launcher's alone. */
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_UCODE_REV, 7), 0);
	KUNIT_EXPECT_NE(test, get(test, v, MSR_IA32_UCODE_REV), 7ull);
	KUNIT_EXPECT_EQ(test, set_host(v, MSR_IA32_UCODE_REV, 7), 0);
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_IA32_UCODE_REV), 7ull);
	KUNIT_EXPECT_EQ(test, set(v, MSR_PLATFORM_INFO, 0), 1);
	/* A feature the guest was not given; the launcher sees it. */
	KUNIT_EXPECT_EQ(test, lodge_msr_get(v, MSR_IA32_ARCH_CAPABILITIES, &data,
					    false), 1);
	KUNIT_EXPECT_EQ(test, lodge_msr_get(v, MSR_IA32_ARCH_CAPABILITIES, &data,
					    true), 0);
	/* What sleeps says so, and does nothing. */
	KUNIT_EXPECT_EQ(test, lodge_msr_set(v, MSR_KVM_WALL_CLOCK_NEW, 0x1000,
					    false, false), (int)LODGE_SLOW);
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_KVM_WALL_CLOCK_NEW), 0ull);
}

static void memory_types(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	const u64 wb = 0x0606060606060606ull;
	int i;

	v->cpuid.maxphyaddr = 40;
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_CR_PAT, 0x0007040600070406), 0);
	for (i = 0; i < 256; i++) {
		bool ok = i < 8 && i != 2 && i != 3;

		KUNIT_EXPECT_EQ_MSG(test, set(v, MSR_IA32_CR_PAT, (u64)i << 40),
				    ok ? 0 : 1, "PAT %d", i);
		ok = ok && i != 7;
		KUNIT_EXPECT_EQ_MSG(test, set(v, MSR_MTRRfix4K_F8000, (u64)i << 56),
				    ok ? 0 : 1, "type %d", i);
		KUNIT_EXPECT_EQ(test, set(v, MSR_MTRRdefType, i), ok ? 0 : 1);
		KUNIT_EXPECT_EQ(test, set(v, MTRRphysBase_MSR(7), i), ok ? 0 : 1);
	}
	/* Each fixed range is a word of its own. */
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, set(v, MSR_MTRRfix4K_C0000 + i,
					  wb - 0x0101010101010101ull * (i & 1)), 0);
	KUNIT_EXPECT_EQ(test, set(v, MSR_MTRRfix64K_00000, wb), 0);
	KUNIT_EXPECT_EQ(test, set(v, MSR_MTRRfix16K_A0000, 0), 0);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, get(test, v, MSR_MTRRfix4K_C0000 + i),
				wb - 0x0101010101010101ull * (i & 1));
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_MTRRfix64K_00000), wb);
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_MTRRfix16K_80000), 0ull);
	/* Reserved bits: above the guest's physical addresses, below a page. */
	KUNIT_EXPECT_EQ(test, set(v, MTRRphysBase_MSR(0), BIT_ULL(39) | 6), 0);
	KUNIT_EXPECT_EQ(test, set(v, MTRRphysBase_MSR(0), BIT_ULL(40) | 6), 1);
	KUNIT_EXPECT_EQ(test, set(v, MTRRphysBase_MSR(0), 0x106), 1);
	KUNIT_EXPECT_EQ(test, set(v, MTRRphysMask_MSR(0), 0xff00000800ull), 0);
	KUNIT_EXPECT_EQ(test, set(v, MTRRphysMask_MSR(0), 0xff00000400ull), 1);
	KUNIT_EXPECT_EQ(test, get(test, v, MTRRphysMask_MSR(0)), 0xff00000800ull);
	KUNIT_EXPECT_EQ(test, set(v, MSR_MTRRdefType, 0xc06), 0);
	KUNIT_EXPECT_EQ(test, set(v, MSR_MTRRdefType, 0x106), 1);
	/* The widest there is. */
	v->cpuid.maxphyaddr = 52;
	KUNIT_EXPECT_EQ(test, set(v, MTRRphysBase_MSR(0), BIT_ULL(51) | 6), 0);
	KUNIT_EXPECT_EQ(test, set(v, MTRRphysBase_MSR(0), BIT_ULL(52) | 6), 1);
}

static void guests_own(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];

	KUNIT_EXPECT_EQ(test, set(v, MSR_LSTAR, 0xffff800000000000ull), 0);
	KUNIT_EXPECT_EQ(test, set(v, MSR_LSTAR, 0x0000800000000000ull), 1);
	KUNIT_EXPECT_EQ(test, f->lstar, 0xffff800000000000ull);
	f->cr4 = X86_CR4_LA57;
	KUNIT_EXPECT_EQ(test, set(v, MSR_LSTAR, 0x0000800000000000ull), 0);
	KUNIT_EXPECT_EQ(test, set(v, MSR_LSTAR, 0x0100000000000000ull), 1);
	/* SPEC_CTRL: only bits of features that were given. */
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_SPEC_CTRL, 0), 1);
	v->cpuid.caps[CPUID_8000_0008_EBX] = BIT(X86_FEATURE_AMD_SSBD & 31);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_SPEC_CTRL, SPEC_CTRL_SSBD), 0);
	KUNIT_EXPECT_EQ(test, f->spec_ctrl, (u64)SPEC_CTRL_SSBD);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_SPEC_CTRL, SPEC_CTRL_IBRS), 1);
	/* AMD's. */
	KUNIT_EXPECT_EQ(test, set(v, MSR_K7_HWCR, BIT(18) | BIT(6)), 0);
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_K7_HWCR), BIT_ULL(18));
	KUNIT_EXPECT_EQ(test, set(v, MSR_K7_HWCR, BIT(24)), 1);
	KUNIT_EXPECT_EQ(test, set(v, MSR_VM_CR, BIT(4)), 0);
	KUNIT_EXPECT_EQ(test, set(v, MSR_VM_CR, 0), 0);
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_VM_CR), BIT_ULL(4));
	KUNIT_EXPECT_EQ(test, set(v, MSR_VM_HSAVE_PA, 0x1001), 1);
	/* CPUID faulting goes with PLATFORM_INFO. */
	KUNIT_EXPECT_EQ(test, set(v, MSR_MISC_FEATURES_ENABLES, 2), 1);
	KUNIT_EXPECT_EQ(test, set(v, MSR_MISC_FEATURES_ENABLES, 1), 0);
	KUNIT_EXPECT_TRUE(test, v->cpuid.fault);
	KUNIT_EXPECT_EQ(test, set_host(v, MSR_PLATFORM_INFO, 0), 1);
}

static void pv(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	u64 data;

	KUNIT_EXPECT_EQ(test, set(v, MSR_KVM_STEAL_TIME, 0x1041), 0);
	KUNIT_EXPECT_EQ(test, set(v, MSR_KVM_STEAL_TIME, 0x1003), 1);
	KUNIT_EXPECT_TRUE(test, lodge_request_test(v, LODGE_REQ_STEAL));
	KUNIT_EXPECT_EQ(test, set(v, MSR_KVM_POLL_CONTROL, 2), 1);
	KUNIT_EXPECT_EQ(test, set(v, MSR_KVM_SYSTEM_TIME_NEW, 0x2001), 0);
	KUNIT_EXPECT_TRUE(test, lodge_request_test(v, LODGE_REQ_CLOCK));
	/* Enforced: what CPUID does not have is not there. */
	v->pv.enforce = true;
	KUNIT_EXPECT_EQ(test, lodge_msr_get(v, MSR_KVM_STEAL_TIME, &data, false), 1);
	v->cpuid.pv_features = BIT(KVM_FEATURE_STEAL_TIME);
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_KVM_STEAL_TIME), 0x1041ull);
	KUNIT_EXPECT_EQ(test, lodge_msr_get(v, MSR_KVM_SYSTEM_TIME, &data, false), 1);
}

static u64 call(struct lodge_vcpu *v, u64 nr, u64 a0, u64 a1)
{
	v->regs[LODGE_RAX] = nr;
	v->regs[LODGE_RBX] = a0;
	v->regs[LODGE_RCX] = a1;
	lodge_pv_hypercall(v);
	return v->regs[LODGE_RAX];
}

static void hypercalls(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];

	f->efer = EFER_LMA;
	f->long_mode = true;
	KUNIT_EXPECT_EQ(test, call(v, KVM_HC_VAPIC_POLL_IRQ, 0, 0), 0ull);
	KUNIT_EXPECT_EQ(test, (s64)call(v, 999, 0, 0), -(s64)KVM_ENOSYS);
	/* 32 bits are looked at, and given back, outside of long mode. */
	KUNIT_EXPECT_EQ(test, (s64)call(v, BIT_ULL(32) | 1, 0, 0), -(s64)KVM_ENOSYS);
	f->long_mode = false;
	KUNIT_EXPECT_EQ(test, call(v, BIT_ULL(32) | 1, 0, 0), 0ull);
	KUNIT_EXPECT_EQ(test, call(v, 999, 0, 0), (u64)(u32)-KVM_ENOSYS);
	f->cpl = 3;
	KUNIT_EXPECT_EQ(test, call(v, 1, 0, 0), (u64)(u32)-KVM_EPERM);
	f->cpl = 0;
	v->pv.enforce = true;
	KUNIT_EXPECT_EQ(test, call(v, KVM_HC_KICK_CPU, 0, 1), (u64)(u32)-KVM_ENOSYS);
	KUNIT_EXPECT_EQ(test, call(v, KVM_HC_SEND_IPI, 1, 0), (u64)(u32)-KVM_ENOSYS);
}

static void machine_checks(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	u64 data;

	v->msrs->mcg_cap = 10 | MCG_CTL_P;
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_IA32_MCG_CAP), 10ull | MCG_CTL_P);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_MCG_CAP, 1), 1);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_MCG_CTL, 1), 1);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_MCG_CTL, ~0ull), 0);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_MCx_CTL(9), ~0ull & ~BIT_ULL(10)), 0);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_MCx_CTL(9), 2), 1);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_MCx_CTL(10), 0), 1);
	KUNIT_EXPECT_EQ(test, lodge_msr_get(v, MSR_IA32_MCx_CTL(10), &data, false), 1);
	/* STATUS: cleared by anybody, set by the launcher or with McStatusWrEn. */
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_MCx_STATUS(3), 1), 1);
	KUNIT_EXPECT_EQ(test, set_host(v, MSR_IA32_MCx_STATUS(3), 1), 0);
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_IA32_MCx_STATUS(3)), 1ull);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_MCx_STATUS(3), 0), 0);
	v->cpuid.amd = true;
	v->msrs->hwcr = BIT(18);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_MCx_STATUS(3), 1), 0);
}

static void counters(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0], *w = &f->vcpu[1];
	u64 before, now;

	/* Created one after the other: in step. */
	if (!check_tsc_unstable())
		KUNIT_EXPECT_EQ(test, v->tsc.offset, w->tsc.offset);
	KUNIT_EXPECT_EQ(test, f->vm.tsc.matched, 2u);
	/* A restore: both written to about the same, some time apart. */
	KUNIT_EXPECT_EQ(test, set_host(v, MSR_IA32_TSC, 1ull << 50), 0);
	KUNIT_EXPECT_EQ(test, f->vm.tsc.matched, 1u);
	KUNIT_EXPECT_EQ(test, set_host(w, MSR_IA32_TSC, (1ull << 50) + 1000), 0);
	KUNIT_EXPECT_EQ(test, f->vm.tsc.matched, 2u);
	if (!check_tsc_unstable())
		KUNIT_EXPECT_EQ(test, v->tsc.offset, w->tsc.offset);
	now = get(test, v, MSR_IA32_TSC);
	KUNIT_EXPECT_GE(test, now, 1ull << 50);
	/* Far off: on its own. */
	KUNIT_EXPECT_EQ(test, set_host(w, MSR_IA32_TSC, 1ull << 40), 0);
	KUNIT_EXPECT_NE(test, v->tsc.offset, w->tsc.offset);
	KUNIT_EXPECT_EQ(test, f->vm.tsc.matched, 1u);

	/* The guest's write and TSC_ADJUST move together. */
	v->cpuid.caps[CPUID_7_0_EBX] = BIT(X86_FEATURE_TSC_ADJUST & 31);
	before = v->tsc.offset;
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_TSC, 0), 0);
	KUNIT_EXPECT_EQ(test, get(test, v, MSR_IA32_TSC_ADJUST),
			v->tsc.offset - before);
	KUNIT_EXPECT_EQ(test, set(v, MSR_IA32_TSC_ADJUST, 0), 0);
	KUNIT_EXPECT_EQ(test, v->tsc.offset, before);
	KUNIT_EXPECT_EQ(test, set_host(v, MSR_IA32_TSC_ADJUST, 77), 0);
	KUNIT_EXPECT_EQ(test, v->tsc.offset, before);

	/* The host's jumps back: the guest's does not. */
	before = get(test, v, MSR_IA32_TSC);
	v->tsc.last_host = rdtsc() + (1ull << 40);
	lodge_tsc_sched_in(v);
	KUNIT_EXPECT_GE(test, get(test, v, MSR_IA32_TSC), before + (1ull << 40));
}

static void scaling(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	u64 host = 1ull << 45;

	if (!tsc_khz)
		kunit_skip(test, "no TSC");
	lodge_caps.tsc_scaling = false;
	lodge_caps.tsc_frac_bits = 32;
	KUNIT_EXPECT_EQ(test, lodge_tsc_set_khz(v, 0), 0l);
	KUNIT_EXPECT_EQ(test, lodge_tsc_set_khz(v, tsc_khz + tsc_khz / 10000), 0l);
	KUNIT_EXPECT_EQ(test, lodge_tsc_set_khz(v, tsc_khz * 2), -(long)EINVAL);
	lodge_caps.tsc_scaling = true;
	lodge_caps.tsc_max_ratio = 256ull << 32;
	KUNIT_EXPECT_EQ(test, lodge_tsc_set_khz(v, tsc_khz * 2), 0l);
	KUNIT_EXPECT_EQ(test, v->tsc.ratio, 2ull << 32);
	v->tsc.offset = 12345;
	KUNIT_EXPECT_EQ(test, lodge_tsc_read(v, host), 2 * host + 12345);
	KUNIT_EXPECT_EQ(test, lodge_tsc_to_host(v, 2 * host + 12345), host);
	/* Whatever a guest makes of it, the division does not trap. */
	v->tsc.ratio = 1;
	KUNIT_EXPECT_EQ(test, lodge_tsc_to_host(v, ~0ull), ~0ull);
	v->tsc.offset = 0;
	KUNIT_EXPECT_EQ(test, lodge_tsc_to_host(v, 0), 0ull);
}

static void clock(struct kunit *test)
{
	static const u32 khz[] = { 1, 999, 1000, 499999, 500000, 1000000, 1000001,
				   1999999, 2000000, 2600000, 4294967, ~0u };
	int i;

	for (i = 0; i < ARRAY_SIZE(khz); i++) {
		u64 second = khz[i] * 1000ull, ns;
		s8 shift;
		u32 mul;

		lodge_pv_time_scale(khz[i], &shift, &mul);
		KUNIT_EXPECT_GE_MSG(test, mul, 1u << 31, "%u kHz", khz[i]);
		ns = pvclock_scale_delta(second, mul, shift);
		/* Four parts in a billion, and what a slow counter rounds. */
		KUNIT_EXPECT_LE_MSG(test, abs((s64)ns - (s64)NSEC_PER_SEC),
				    4ll + 2 * NSEC_PER_SEC / second,
				    "%u kHz: %llu ns", khz[i], ns);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(table),
	KUNIT_CASE(memory_types),
	KUNIT_CASE(guests_own),
	KUNIT_CASE(pv),
	KUNIT_CASE(hypercalls),
	KUNIT_CASE(machine_checks),
	KUNIT_CASE(counters),
	KUNIT_CASE(scaling),
	KUNIT_CASE(clock),
	{ }
};

static int msr_init(struct kunit *test)
{
	fake_arch_init(test);
	return 0;
}

static struct kunit_suite msr_suite = {
	.name = "lodge-msr",
	.init = msr_init,
	.exit = fake_arch_exit,
	.test_cases = cases,
};
kunit_test_suite(msr_suite);
