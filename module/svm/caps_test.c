// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of AMD-V's capabilities: CPUs, and exits, that are made up. */
#include <kunit/test.h>
#include <asm/cpufeature.h>

#include "svm.h"

/* The feature bits that count here, with what each one alone turns on. */
static const struct feature {
	const char *name;
	int bit;
	size_t at;		/* in struct svm_features, or ... */
	size_t cap;		/* ... in struct lodge_hw_caps; NONE: not there */
} features[] = {
#define NONE			(~(size_t)0)
#define F(bit, field)		{ #bit, X86_FEATURE_##bit, \
				  offsetof(struct svm_features, field), NONE }
#define C(bit, field)		{ #bit, X86_FEATURE_##bit, NONE, \
				  offsetof(struct lodge_hw_caps, field) }
	F(NRIPS, nrips),
	F(DECODEASSISTS, decode_assists),
	F(FLUSHBYASID, flush_by_asid),
	F(PAUSEFILTER, pause_filter),
	F(PFTHRESHOLD, pause_threshold),
	F(V_SPEC_CTRL, v_spec_ctrl),
	{ "TSCRATEMSR", X86_FEATURE_TSCRATEMSR,
	  offsetof(struct svm_features, tsc_ratio),
	  offsetof(struct lodge_hw_caps, tsc_scaling) },
	C(GBPAGES, npt_1g),
	C(XSAVES, xsaves),
};

/* All that lodge requires, and the features of @mask's bits in the table. */
static void make_cpu(struct cpuinfo_x86 *cpu, u32 mask)
{
	int i;

	memset(cpu, 0, sizeof(*cpu));
	cpu->x86_phys_bits = 43;
	set_cpu_cap(cpu, X86_FEATURE_SVM);
	set_cpu_cap(cpu, X86_FEATURE_NPT);
	for (i = 0; i < ARRAY_SIZE(features); i++)
		if (mask & BIT(i))
			set_cpu_cap(cpu, features[i].bit);
}

/* A refusal says why, and leaves what it was given alone. */
static void refuse(struct kunit *test, const struct cpuinfo_x86 *cpu, u64 vm_cr,
		   int ret, const char *words)
{
	struct svm_features f, untouched_f;
	struct lodge_hw_caps caps, untouched_caps;
	const char *why = "nothing";

	memset(&f, 0x5a, sizeof(f));
	memset(&caps, 0x5a, sizeof(caps));
	untouched_f = f;
	untouched_caps = caps;
	KUNIT_EXPECT_EQ(test, svm_caps_compute(cpu, vm_cr, false, &f, &caps,
					       &why), ret);
	KUNIT_EXPECT_EQ(test, memcmp(&f, &untouched_f, sizeof(f)), 0);
	KUNIT_EXPECT_EQ(test, memcmp(&caps, &untouched_caps, sizeof(caps)), 0);
	KUNIT_EXPECT_EQ(test, !why, !words);
	if (why && words)
		KUNIT_EXPECT_STREQ(test, why, words);
}

static struct cpuinfo_x86 cpu;

static void refused(struct kunit *test)
{
	make_cpu(&cpu, ~0u);
	clear_bit(X86_FEATURE_SVM, (unsigned long *)cpu.x86_capability);
	refuse(test, &cpu, 0, -ENODEV, NULL);
	/* Another vendor's CPU: what its VM_CR may be is not asked. */
	refuse(test, &cpu, SVM_VM_CR_SVM_DIS_MASK, -ENODEV, NULL);

	make_cpu(&cpu, ~0u);
	refuse(test, &cpu, SVM_VM_CR_SVM_DIS_MASK, -EOPNOTSUPP,
	       "AMD-V is disabled by the firmware (VM_CR.SVMDIS)");
	clear_bit(X86_FEATURE_NPT, (unsigned long *)cpu.x86_capability);
	refuse(test, &cpu, 0, -EOPNOTSUPP,
	       "this CPU has no nested paging, which lodge requires");
	refuse(test, &cpu, SVM_VM_CR_SVM_DIS_MASK, -EOPNOTSUPP,
	       "AMD-V is disabled by the firmware (VM_CR.SVMDIS)");
}

static void compute(struct kunit *test, u32 mask, u64 vm_cr, bool la57,
		    struct svm_features *f, struct lodge_hw_caps *caps)
{
	const char *why = "nothing";

	make_cpu(&cpu, mask);
	KUNIT_EXPECT_EQ(test, svm_caps_compute(&cpu, vm_cr, la57, f, caps,
					       &why), 0);
	KUNIT_EXPECT_NULL(test, why);
}

static void bare(struct kunit *test)
{
	static const struct svm_features none;
	struct lodge_hw_caps caps;
	struct svm_features f;

	/* Locked, but not disabled: VM_CR's other bits don't matter. */
	compute(test, 0, ~(u64)SVM_VM_CR_SVM_DIS_MASK, false, &f, &caps);
	KUNIT_EXPECT_EQ(test, memcmp(&f, &none, sizeof(f)), 0);
	KUNIT_EXPECT_EQ(test, caps.npt_levels, 4);
	KUNIT_EXPECT_EQ(test, caps.maxphyaddr, 43);
	KUNIT_EXPECT_TRUE(test, caps.npt_ad && caps.fpu_trap);
	KUNIT_EXPECT_FALSE(test, caps.npt_ept || caps.npt_1g ||
				 caps.tsc_scaling || caps.xsaves);
	compute(test, 0, 0, true, &f, &caps);
	KUNIT_EXPECT_EQ(test, caps.npt_levels, 5);
}

static void feature_desc(const struct feature *f, char *desc)
{
	strscpy(desc, f->name, KUNIT_PARAM_DESC_SIZE);
}
KUNIT_ARRAY_PARAM(feature, features, feature_desc);

static bool at(const void *base, size_t offset)
{
	return offset == NONE || *(const bool *)(base + offset);
}

/* Alone it is the only thing that a bare CPU has not; taken away, all else is. */
static void optional(struct kunit *test)
{
	const struct feature *x = test->param_value;
	u32 bit = BIT(x - features);
	struct lodge_hw_caps caps, others;
	struct svm_features f, g;
	int i;

	compute(test, bit, 0, false, &f, &caps);
	compute(test, ~bit, 0, false, &g, &others);
	KUNIT_EXPECT_TRUE(test, at(&f, x->at) && at(&caps, x->cap));
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *y = &features[i];

		if (x == y)
			continue;
		KUNIT_EXPECT_FALSE_MSG(test, at(&f, y->at) &&
				       at(&caps, y->cap), "%s", y->name);
		KUNIT_EXPECT_TRUE_MSG(test, at(&g, y->at) &&
				      at(&others, y->cap), "%s", y->name);
	}
	KUNIT_EXPECT_FALSE(test, at(&g, x->at) && at(&others, x->cap));
}

static struct lodge_context *fake_exit(struct kunit *test, u32 code)
{
	struct lodge_context *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->vmcb = kunit_kzalloc(test, sizeof(*ctx->vmcb), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->vmcb);
	ctx->vmcb->control.exit_code = code;
	return ctx;
}

/* With NextRIP the VMCB's word; without, what the exit's decoder found, or 0. */
static void next_rip(struct kunit *test)
{
	struct lodge_context *ctx = fake_exit(test, SVM_EXIT_CPUID);
	const struct svm_features with = { .nrips = true }, without = {};

	ctx->vmcb->control.next_rip = 0x1002;
	KUNIT_EXPECT_EQ(test, svm_ctx_next_rip(ctx, &with), 0x1002ull);
	KUNIT_EXPECT_EQ(test, svm_ctx_next_rip(ctx, &without), 0ull);
	ctx->next_rip = 0x2003;
	KUNIT_EXPECT_EQ(test, svm_ctx_next_rip(ctx, &with), 0x1002ull);
	KUNIT_EXPECT_EQ(test, svm_ctx_next_rip(ctx, &without), 0x2003ull);
}

static void insn_bytes(struct kunit *test)
{
	struct lodge_context *ctx = fake_exit(test, SVM_EXIT_NPF);
	struct vmcb_control_area *c = &ctx->vmcb->control;
	const struct svm_features with = { .decode_assists = true }, without = {};
	u8 buf[16];
	int i;

	for (i = 0; i < sizeof(c->insn_bytes); i++)
		c->insn_bytes[i] = 0x10 + i;
	memset(buf, 0xee, sizeof(buf));
	/* The page that the instruction lies in wasn't there: none fetched. */
	KUNIT_EXPECT_EQ(test, svm_ctx_insn_bytes(ctx, &with, buf), 0);
	c->insn_len = 3;
	KUNIT_EXPECT_EQ(test, svm_ctx_insn_bytes(ctx, &without, buf), 0);
	KUNIT_EXPECT_EQ(test, buf[0], 0xee);
	KUNIT_EXPECT_EQ(test, svm_ctx_insn_bytes(ctx, &with, buf), 3);
	KUNIT_EXPECT_EQ(test, memcmp(buf, c->insn_bytes, 3), 0);
	KUNIT_EXPECT_EQ(test, buf[3], 0xee);
	c->insn_len = 15;
	KUNIT_EXPECT_EQ(test, svm_ctx_insn_bytes(ctx, &with, buf), 15);
	KUNIT_EXPECT_EQ(test, memcmp(buf, c->insn_bytes, 15), 0);
	/* No instruction is longer, whatever the field says. */
	c->insn_len = 0xff;
	KUNIT_EXPECT_EQ(test, svm_ctx_insn_bytes(ctx, &with, buf), 15);
	KUNIT_EXPECT_EQ(test, buf[15], 0xee);
	/* The bytes are those of an older fault. */
	c->exit_code = SVM_EXIT_MSR;
	KUNIT_EXPECT_EQ(test, svm_ctx_insn_bytes(ctx, &with, buf), 0);
}

static struct kunit_case caps_cases[] = {
	KUNIT_CASE(refused),
	KUNIT_CASE(bare),
	KUNIT_CASE_PARAM(optional, feature_gen_params),
	KUNIT_CASE(next_rip),
	KUNIT_CASE(insn_bytes),
	{}
};

static struct kunit_suite caps_suite = {
	.name = "lodge-svm-caps",
	.test_cases = caps_cases,
};

kunit_test_suite(caps_suite);
