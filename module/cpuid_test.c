// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of CPUID: lookup, what mirrors state, what is decided by it. */
#include <asm/fpu/xstate.h>
#include <linux/kvm_para.h>

#include "fake_vcpu.h"

#define INDEXED	KVM_CPUID_FLAG_SIGNIFCANT_INDEX
#define AMD	.ebx = 0x68747541, .edx = 0x69746e65, .ecx = 0x444d4163
#define INTEL	.ebx = 0x756e6547, .edx = 0x49656e69, .ecx = 0x6c65746e

struct regs {
	u32 a, b, c, d;
};

static struct regs ask(struct lodge_vcpu *v, u32 leaf, u32 index)
{
	struct regs r = { .a = leaf, .c = index };

	lodge_cpuid(v, &r.a, &r.b, &r.c, &r.d);
	return r;
}

static const struct kvm_cpuid_entry2 amd[] = {
	{ .function = 0, .eax = 0xd, AMD },
	{ .function = 1, .eax = 0x60fb1, .edx = ~0u, .ecx = ~0u },
	{ .function = 4, .index = 0, .flags = INDEXED, .eax = 0x11 },
	{ .function = 4, .index = 1, .flags = INDEXED, .eax = 0x22 },
	{ .function = 7, .index = 0, .flags = INDEXED, .ebx = ~0u, .ecx = ~0u },
	/* Not beside its fellows: the launcher's order is its own. */
	{ .function = 4, .index = 2, .flags = INDEXED, .eax = 0x33 },
	{ .function = 0xb, .index = 0, .flags = INDEXED, .ebx = 1, .edx = 7 },
	{ .function = 0xb, .index = 1, .flags = INDEXED, .ebx = 2, .edx = 7 },
	{ .function = 0xd, .index = 0, .flags = INDEXED, .eax = 3, .ebx = 99 },
	{ .function = 0x40000100, .eax = 0x40000101,
	  .ebx = 0x4b4d564b, .ecx = 0x564b4d56, .edx = 0x4d },
	{ .function = 0x40000101, .eax = BIT(KVM_FEATURE_STEAL_TIME) },
	{ .function = 0x80000000, .eax = 0x80000008, AMD },
	{ .function = 0x80000001, .edx = ~0u },
	{ .function = 0x80000008, .eax = 0x3028 },
};

static void lookup(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];

	KUNIT_EXPECT_EQ(test, ask(v, 0, 0).a, 0u);	/* none given yet */
	KUNIT_ASSERT_EQ(test, fake_arch_cpuid(v, amd, ARRAY_SIZE(amd)), 0);
	KUNIT_EXPECT_EQ(test, ask(v, 0, 0).a, 0xdu);
	KUNIT_EXPECT_EQ(test, ask(v, 0, 55).a, 0xdu);	/* no index there */
	KUNIT_EXPECT_EQ(test, ask(v, 4, 1).a, 0x22u);
	KUNIT_EXPECT_EQ(test, ask(v, 4, 2).a, 0x33u);
	KUNIT_EXPECT_EQ(test, ask(v, 4, 3).a, 0u);
	KUNIT_EXPECT_EQ(test, ask(v, 0x40000101, 0).a,
			(u32)BIT(KVM_FEATURE_STEAL_TIME));
	KUNIT_EXPECT_EQ(test, ask(v, 0x80000008, 0).a, 0x3028u);
	KUNIT_EXPECT_EQ(test, lodge_cpuid_signature(v), 0x60fb1u);
	/* Topology beyond the last level: CL and the id. */
	KUNIT_EXPECT_EQ(test, ask(v, 0xb, 0x105).c, 5u);
	KUNIT_EXPECT_EQ(test, ask(v, 0xb, 0x105).d, 7u);
	KUNIT_EXPECT_EQ(test, ask(v, 0x1f, 5).c, 0u);
}

static void out_of_range(struct kunit *test)
{
	static const struct kvm_cpuid_entry2 intel[] = {
		{ .function = 0, .eax = 4, INTEL },
		{ .function = 4, .index = 0, .flags = INDEXED, .eax = 0x11 },
		{ .function = 4, .index = 1, .flags = INDEXED, .eax = 0x22 },
		{ .function = 0x40000000, .eax = 0x40000001 },
		{ .function = 0x80000000, .eax = 0x80000001 },
	};
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0], *w = &f->vcpu[1];

	KUNIT_ASSERT_EQ(test, fake_arch_cpuid(v, amd, ARRAY_SIZE(amd)), 0);
	KUNIT_ASSERT_EQ(test, fake_arch_cpuid(w, intel, ARRAY_SIZE(intel)), 0);
	KUNIT_EXPECT_TRUE(test, v->cpuid.amd);
	KUNIT_EXPECT_FALSE(test, w->cpuid.amd);
	KUNIT_EXPECT_EQ(test, ask(v, 0x20, 1).a, 0u);
	/* Intel: the highest basic leaf, with the index that was asked for. */
	KUNIT_EXPECT_EQ(test, ask(w, 0x20, 1).a, 0x22u);
	KUNIT_EXPECT_EQ(test, ask(w, 0x7fffffff, 0).a, 0x11u);
	KUNIT_EXPECT_EQ(test, ask(w, 0x80000002, 1).a, 0x22u);
	KUNIT_EXPECT_EQ(test, ask(w, 0x40000002, 1).a, 0x22u);
	KUNIT_EXPECT_EQ(test, ask(w, 0x40000101, 1).a, 0x22u);
	KUNIT_EXPECT_EQ(test, ask(w, 0xc0000000, 1).a, 0x22u);
	KUNIT_EXPECT_EQ(test, ask(w, 0xffffffff, 1).a, 0x22u);
	/* In range but without an entry: zero. */
	KUNIT_EXPECT_EQ(test, ask(w, 3, 1).a, 0u);
	KUNIT_EXPECT_EQ(test, ask(w, 0x40000001, 1).a, 0u);
	KUNIT_EXPECT_EQ(test, ask(w, 0x80000001, 1).a, 0u);
}

static void mirrored(struct kunit *test)
{
	const u32 osxsave = BIT(X86_FEATURE_OSXSAVE & 31);
	const u32 apic = BIT(X86_FEATURE_APIC & 31);
	const u32 mwait = BIT(X86_FEATURE_MWAIT & 31);
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		kunit_skip(test, "no XSAVE");
	KUNIT_ASSERT_EQ(test, fake_arch_cpuid(v, amd, ARRAY_SIZE(amd)), 0);
	KUNIT_EXPECT_FALSE(test, ask(v, 1, 0).c & osxsave);
	f->cr4 = X86_CR4_OSXSAVE;
	lodge_xstate_cr4(v);
	KUNIT_EXPECT_TRUE(test, ask(v, 1, 0).c & osxsave);
	KUNIT_EXPECT_TRUE(test, ask(v, 1, 0).d & apic);
	v->apic_base = 0xfee00000;
	KUNIT_EXPECT_FALSE(test, ask(v, 1, 0).d & apic);
	/* MWAIT follows MISC_ENABLE once the quirk is off. */
	KUNIT_EXPECT_TRUE(test, ask(v, 1, 0).c & mwait);
	f->vm.disabled_quirks = KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT;
	KUNIT_EXPECT_FALSE(test, ask(v, 1, 0).c & mwait);
	/* The size of what XCR0 enables, whatever the launcher wrote. */
	KUNIT_EXPECT_EQ(test, ask(v, 0xd, 0).b, 576u);
	if (v->cpuid.xcr0_allowed & XFEATURE_MASK_SSE) {
		KUNIT_EXPECT_EQ(test, lodge_xstate_set_xcr(v, 0, 3), 0);
		KUNIT_EXPECT_EQ(test, ask(v, 0xd, 0).b, 576u);
	}
}

static void derived(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	struct lodge_cpuid *c = &v->cpuid;

	/* Before: no feature, but registers may be set to what the host has. */
	KUNIT_EXPECT_FALSE(test, lodge_cpuid_has(c, X86_FEATURE_FPU));
	KUNIT_EXPECT_TRUE(test, c->efer_allowed & EFER_LME);
	KUNIT_EXPECT_EQ(test, (int)c->maxphyaddr, 36);
	KUNIT_ASSERT_EQ(test, fake_arch_cpuid(v, amd, ARRAY_SIZE(amd)), 0);
	KUNIT_EXPECT_EQ(test, (int)c->maxphyaddr, 40);
	KUNIT_EXPECT_EQ(test, c->pv_features, (u32)BIT(KVM_FEATURE_STEAL_TIME));
	/* All bits were given: what lodge does not do it does not believe. */
	KUNIT_EXPECT_FALSE(test, lodge_cpuid_has(c, X86_FEATURE_VMX));
	KUNIT_EXPECT_FALSE(test, lodge_cpuid_has(c, X86_FEATURE_RTM));
	KUNIT_EXPECT_TRUE(test, lodge_cpuid_has(c, X86_FEATURE_X2APIC));
	KUNIT_EXPECT_TRUE(test, lodge_cpuid_has(c, X86_FEATURE_TSC_DEADLINE_TIMER));
	KUNIT_EXPECT_TRUE(test, lodge_cpuid_has(c, X86_FEATURE_TSC_ADJUST));
	KUNIT_EXPECT_TRUE(test, c->cr4_reserved & X86_CR4_VMXE);
	KUNIT_EXPECT_TRUE(test, c->cr4_reserved >> 32 == 0xffffffff);
	KUNIT_EXPECT_FALSE(test, c->cr4_reserved & X86_CR4_PAE);
	KUNIT_EXPECT_EQ(test, !(c->cr4_reserved & X86_CR4_SMEP),
			lodge_cpuid_supported(X86_FEATURE_SMEP));
	KUNIT_EXPECT_FALSE(test, c->efer_allowed & EFER_SVME);
	KUNIT_EXPECT_EQ(test, c->xcr0_allowed & ~3ull, 0ull);
}

/* Masks are made of it: what no CPU has is taken for the nearest that one has. */
static void widths(struct kunit *test)
{
	static const struct {
		u32 eax;
		int bits;
	} given[] = { { 0, 32 }, { 1, 32 }, { 52, 52 }, { 64, 52 }, { 255, 52 } };
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	struct kvm_cpuid_entry2 other[ARRAY_SIZE(amd)];
	int i;

	memcpy(other, amd, sizeof(amd));
	for (i = 0; i < ARRAY_SIZE(given); i++) {
		other[ARRAY_SIZE(amd) - 1].eax = given[i].eax;
		KUNIT_ASSERT_EQ(test, fake_arch_cpuid(v, other, ARRAY_SIZE(amd)), 0);
		KUNIT_EXPECT_EQ(test, (int)v->cpuid.maxphyaddr, given[i].bits);
	}
}

static void frozen(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	struct kvm_cpuid_entry2 other[ARRAY_SIZE(amd)];

	KUNIT_ASSERT_EQ(test, fake_arch_cpuid(v, amd, ARRAY_SIZE(amd)), 0);
	v->cpuid.ran = true;
	KUNIT_EXPECT_EQ(test, fake_arch_cpuid(v, amd, ARRAY_SIZE(amd)), 0);
	KUNIT_EXPECT_EQ(test, fake_arch_cpuid(v, amd, ARRAY_SIZE(amd) - 1), -EINVAL);
	memcpy(other, amd, sizeof(amd));
	/* What mirrors state may differ: GET_CPUID2 gave it like that. */
	other[1].edx &= ~BIT(X86_FEATURE_APIC & 31);
	KUNIT_EXPECT_EQ(test, fake_arch_cpuid(v, other, ARRAY_SIZE(amd)), 0);
	other[0].eax = 5;
	KUNIT_EXPECT_EQ(test, fake_arch_cpuid(v, other, ARRAY_SIZE(amd)), -EINVAL);
	KUNIT_EXPECT_EQ(test, ask(v, 0, 0).a, 0xdu);
	/* A width of linear addresses that there is not. */
	v->cpuid.ran = false;
	other[ARRAY_SIZE(amd) - 1].eax = 0x2028;
	KUNIT_EXPECT_EQ(test, fake_arch_cpuid(v, other, ARRAY_SIZE(amd)), -EINVAL);
}

static void xcr0(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	struct lodge_vcpu *v = &f->vcpu[0];
	static const struct {
		u64 val;
		int ret;
	} values[] = {
		{ 0, 1 }, { 1, 0 }, { 2, 1 }, { 3, 0 }, { 5, 1 }, { 7, 0 },
		{ 0x27, 1 }, { 0xe7, 0 }, { 0xe3, 1 }, { 0x207, 0 },
		{ 0x20007, 1 }, { 0x60007, 0 }, { 9, 1 }, { BIT_ULL(63) | 1, 1 },
	};
	int i;

	v->cpuid.xcr0_allowed = XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM |
		XFEATURE_MASK_AVX512 | XFEATURE_MASK_PKRU | XFEATURE_MASK_XTILE;
	KUNIT_EXPECT_EQ(test, lodge_xstate_set_xcr(v, 1, 1), 1);
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		v->xstate.xcr0 = 1;
		KUNIT_EXPECT_EQ_MSG(test,
				    lodge_xstate_set_xcr(v, 0, values[i].val),
				    values[i].ret, "XCR0 %llx", values[i].val);
		KUNIT_EXPECT_EQ(test, v->xstate.xcr0,
				values[i].ret ? 1 : values[i].val);
	}
	v->cpuid.xcr0_allowed = XFEATURE_MASK_FPSSE;
	KUNIT_EXPECT_EQ(test, lodge_xstate_set_xcr(v, 0, 7), 1);
	KUNIT_EXPECT_EQ(test, lodge_xstate_area_size(3, false), 576u);
	KUNIT_EXPECT_EQ(test, lodge_xstate_area_size(3, true), 576u);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(lookup),
	KUNIT_CASE(out_of_range),
	KUNIT_CASE(mirrored),
	KUNIT_CASE(derived),
	KUNIT_CASE(widths),
	KUNIT_CASE(frozen),
	KUNIT_CASE(xcr0),
	{ }
};

static int cpuid_init(struct kunit *test)
{
	fake_arch_init(test);
	return 0;
}

static struct kunit_suite cpuid_suite = {
	.name = "lodge-cpuid",
	.init = cpuid_init,
	.exit = fake_arch_exit,
	.test_cases = cases,
};
kunit_test_suite(cpuid_suite);
