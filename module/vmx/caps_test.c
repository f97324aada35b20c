// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of the VMX capabilities: CPUs made up from their MSRs. */
#include <kunit/test.h>

#include "caps.h"

#define MUST(low)	((u64)(low))
#define MAY(high)	((u64)(high) << 32)

/*
 * CPUs in the manner of three generations. The first is what most tests
 * change: every feature but page-modification logging, TSC scaling and posted
 * interrupts.
 */
static const struct vmx_cap_msrs broadwell = {
	.feature_control = 5,
	.basic = 0x00da040000000012,
	.pin = MAY(0x7f) | MUST(0x16),
	.cpu = MAY(0xfff9fffe) | MUST(0x04006172),
	.cpu2 = MAY(0x00117fff),
	.exit = MAY(0x007fffff) | MUST(0x00036dfb),
	.entry = MAY(0x0000ffff) | MUST(0x000011fb),
	.misc = 0x300481e5,
	.cr0_fixed0 = 0x80000021,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = 0x2000,
	.cr4_fixed1 = 0x3767ff,
	.ept_vpid = 0x00000f0106334141,
	.signature = 0x306d4,
};

static const struct vmx_cap_msrs skylake = {
	.feature_control = 5,
	.basic = 0x00da040000000004,
	.pin = MAY(0x7f) | MUST(0x16),
	.cpu = MAY(0xfff9fffe) | MUST(0x04006172),
	.cpu2 = MAY(0x0217ffff),
	.exit = MAY(0x01ffffff) | MUST(0x00036dfb),
	.entry = MAY(0x0003ffff) | MUST(0x000011fb),
	.misc = 0x7004c1e7,
	.cr0_fixed0 = 0x80000021,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = 0x2000,
	.cr4_fixed1 = 0x3767ff,
	.ept_vpid = 0x00000f0106334141,
	.signature = 0x506e3,
};

static const struct vmx_cap_msrs icelake = {
	.feature_control = 5,
	.basic = 0x00da050000000013,
	.pin = MAY(0xff) | MUST(0x16),
	.cpu = MAY(0xfff9fffe) | MUST(0x04006172),
	.cpu2 = MAY(0x0357ffff),
	.exit = MAY(0x03ffffff) | MUST(0x00036dfb),
	.entry = MAY(0x0007ffff) | MUST(0x000011fb),
	.misc = 0x7004c1e7,
	.cr0_fixed0 = 0x80000021,
	.cr0_fixed1 = 0xffffffff,
	.cr4_fixed0 = 0x2000,
	.cr4_fixed1 = 0x3767ff,
	.ept_vpid = 0x00000f0106734141,
	.signature = 0x606a6,
};

/* As the module is loaded without parameters. */
static struct vmx_features all(void)
{
	struct vmx_features f;

	memset(&f, true, sizeof(f));
	return f;
}

static struct vmx_caps compute(struct kunit *test, const struct vmx_cap_msrs *m,
			       struct vmx_features allowed)
{
	struct vmx_caps c;
	const char *missing;

	KUNIT_EXPECT_EQ(test, vmx_caps_compute(m, &allowed, &c, &missing), 0);
	KUNIT_EXPECT_NULL(test, missing);
	return c;
}

static void refuse(struct kunit *test, const struct vmx_cap_msrs *m,
		   const char *words)
{
	struct vmx_features allowed = all();
	struct vmx_caps c;
	const char *missing;

	KUNIT_EXPECT_EQ(test, vmx_caps_compute(m, &allowed, &c, &missing),
			-EOPNOTSUPP);
	KUNIT_ASSERT_NOT_NULL(test, missing);
	KUNIT_EXPECT_STREQ(test, missing, words);
}

static const struct need {
	size_t msr;
	u64 clear;
	const char *words;
} needs[] = {
#define NEED(msr, bits, words) { offsetof(struct vmx_cap_msrs, msr), bits, words }
	NEED(feature_control, 4,
	     "VMX enabled by the firmware (IA32_FEATURE_CONTROL)"),
	NEED(basic, BIT_ULL(51), "write-back memory type for the VMCS"),
	NEED(pin, MAY(1), "external-interrupt exiting"),
	NEED(pin, MAY(8), "NMI exiting"),
	NEED(cpu, MAY(BIT(2)), "interrupt-window exiting"),
	NEED(cpu, MAY(BIT(3)), "TSC offsetting"),
	NEED(cpu, MAY(BIT(7)), "HLT exiting"),
	NEED(cpu, MAY(BIT(10)), "MWAIT exiting"),
	NEED(cpu, MAY(BIT(11)), "RDPMC exiting"),
	NEED(cpu, MAY(BIT(23)), "MOV-DR exiting"),
	NEED(cpu, MAY(BIT(24)), "unconditional I/O exiting"),
	NEED(cpu, MAY(BIT(28)), "MSR bitmaps"),
	NEED(cpu, MAY(BIT(29)), "MONITOR exiting"),
	NEED(cpu, MAY(BIT(31)), "secondary processor-based controls"),
	NEED(cpu2, MAY(BIT(1)), "EPT"),
	NEED(cpu2, MAY(BIT(6)), "WBINVD exiting"),
	NEED(cpu2, MAY(BIT(7)), "unrestricted guest"),
	NEED(exit, MAY(BIT(2)), "saving of debug controls at VM exit"),
	NEED(exit, MAY(BIT(9)), "a 64-bit host"),
	NEED(exit, MAY(BIT(18)), "saving of PAT at VM exit"),
	NEED(exit, MAY(BIT(19)), "loading of PAT at VM exit"),
	NEED(exit, MAY(BIT(20)), "saving of EFER at VM exit"),
	NEED(exit, MAY(BIT(21)), "loading of EFER at VM exit"),
	NEED(entry, MAY(BIT(2)), "loading of debug controls at VM entry"),
	NEED(entry, MAY(BIT(9)), "64-bit guests"),
	NEED(entry, MAY(BIT(14)), "loading of PAT at VM entry"),
	NEED(entry, MAY(BIT(15)), "loading of EFER at VM entry"),
	NEED(ept_vpid, BIT(6), "EPT of 4 levels"),
	NEED(ept_vpid, BIT(14), "write-back memory type for EPT tables"),
	NEED(ept_vpid, BIT(16), "EPT leaves of 2M"),
	NEED(ept_vpid, BIT(20), "INVEPT"),
	NEED(ept_vpid, BIT(26), "INVEPT of all contexts"),
};

static void need_desc(const struct need *n, char *desc)
{
	strscpy(desc, n->words, KUNIT_PARAM_DESC_SIZE);
}
KUNIT_ARRAY_PARAM(need, needs, need_desc);

static void required(struct kunit *test)
{
	const struct need *n = test->param_value;
	struct vmx_cap_msrs m = broadwell;

	*(u64 *)((void *)&m + n->msr) &= ~n->clear;
	refuse(test, &m, n->words);
}

/* What is in the way by being there. */
static void unwanted(struct kunit *test)
{
	static const char words[] =
		"freedom from exits that lodge has no use for";
	struct vmx_cap_msrs m = broadwell;

	m.cpu |= MUST(CPU_BASED_CR3_LOAD_EXITING);	/* no TRUE MSRs */
	refuse(test, &m, words);
	m = broadwell;
	m.cpu |= MUST(CPU_BASED_INVLPG_EXITING);
	refuse(test, &m, words);
	m = broadwell;
	m.cpu2 |= MUST(SECONDARY_EXEC_DESC);
	refuse(test, &m, words);
	m = broadwell;
	m.entry |= MUST(VM_ENTRY_IA32E_MODE);
	refuse(test, &m, words);
	m = broadwell;
	m.basic = 0x00da100100000012;
	refuse(test, &m, "a VMCS of no more than 4K");
	/* All bits of the default1 class may be stuck. */
	m = broadwell;
	m.exit |= MUST(0x36dff);
	m.entry |= MUST(0x11ff);
	compute(test, &m, all());
}

static void feature_control(struct kunit *test)
{
	struct vmx_cap_msrs m = broadwell;

	m.feature_control = 0;		/* unlocked: ours to set */
	compute(test, &m, all());
	m.feature_control = 3;		/* inside SMX, where the kernel may be */
	compute(test, &m, all());
	m.feature_control = 0x100001;
	refuse(test, &m, "VMX enabled by the firmware (IA32_FEATURE_CONTROL)");
}

/* The words as they go into a VMCS. */
static void words(struct kunit *test)
{
	struct vmx_caps c = compute(test, &broadwell, all());

	KUNIT_EXPECT_EQ(test, c.pin, 0x16u | 1 | BIT(3) | BIT(5));
	KUNIT_EXPECT_EQ(test, c.cpu, 0x04006172u | BIT(3) | BIT(7) | BIT(10) |
				     BIT(11) | BIT(21) | BIT(24) | BIT(28) |
				     BIT(29) | BIT(31));
	KUNIT_EXPECT_EQ(test, c.cpu2, BIT(1) | BIT(3) | BIT(5) | BIT(6) |
				      BIT(7) | BIT(10) | BIT(12) | BIT(20));
	KUNIT_EXPECT_EQ(test, c.exit, 0x36dffu | BIT(9) | 0x3c0000);
	KUNIT_EXPECT_EQ(test, c.entry, 0x11ffu | BIT(14) | BIT(15));
	KUNIT_EXPECT_EQ(test, c.revision, 0x12u);
	KUNIT_EXPECT_EQ(test, c.vmcs_size, 0x400u);
	KUNIT_EXPECT_EQ(test, c.timer_shift, 5);
	KUNIT_EXPECT_EQ(test, vmx_cr0_on(&c), (u64)X86_CR0_NE);
	KUNIT_EXPECT_EQ(test, vmx_cr0_off(&c), ~0xffffffffull);
	KUNIT_EXPECT_EQ(test, vmx_cr4_on(&c), (u64)X86_CR4_VMXE);
	KUNIT_EXPECT_EQ(test, vmx_cr4_off(&c), ~0x3767ffull);
	KUNIT_EXPECT_EQ(test, vmx_eptp(&c, 0x5000), 0x505eull);
}

static void generations(struct kunit *test)
{
	struct vmx_features want = all();
	struct vmx_caps c;

	want.vid_alone = false;
	c = compute(test, &icelake, all());
	KUNIT_EXPECT_EQ(test, memcmp(&c.has, &want, sizeof(want)), 0);
	KUNIT_EXPECT_TRUE(test, c.invept_single && c.invvpid_addr &&
				c.invvpid_single && c.invvpid_all);
	/* On with the vCPU's APIC, or with the log: not from the beginning. */
	KUNIT_EXPECT_EQ(test, c.pin & PIN_BASED_POSTED_INTR, 0u);
	KUNIT_EXPECT_EQ(test, c.cpu2 & SECONDARY_EXEC_ENABLE_PML, 0u);
	KUNIT_EXPECT_TRUE(test, c.cpu2 & SECONDARY_EXEC_TSC_SCALING);
	KUNIT_EXPECT_TRUE(test, c.cpu2 & SECONDARY_EXEC_ENCLS_EXITING);

	want.posted_intr = false;
	c = compute(test, &skylake, all());
	KUNIT_EXPECT_EQ(test, memcmp(&c.has, &want, sizeof(want)), 0);
	KUNIT_EXPECT_EQ(test, c.timer_shift, 7);

	want.pml = want.tsc_scaling = want.encls = false;
	c = compute(test, &broadwell, all());
	KUNIT_EXPECT_EQ(test, memcmp(&c.has, &want, sizeof(want)), 0);
}

/* Each feature without its parameter, and without its bit, is the same. */
static const struct feature {
	const char *name;
	size_t at;		/* in struct vmx_features */
	size_t msr;		/* in struct vmx_cap_msrs */
	u64 bit;
	enum { NOT_A_WORD, PIN, CPU, CPU2 } word;	/* where it is on */
	u32 control;
} features[] = {
#define FEATURE(f, msr, bit, word, control)				\
	{ #f, offsetof(struct vmx_features, f),				\
	  offsetof(struct vmx_cap_msrs, msr), bit, word, control }
	FEATURE(ept_ad, ept_vpid, BIT(21), NOT_A_WORD, 0),
	FEATURE(ept_1g, ept_vpid, BIT(17), NOT_A_WORD, 0),
	FEATURE(vpid, cpu2, MAY(BIT(5)), CPU2, BIT(5)),
	FEATURE(vpid, ept_vpid, BIT_ULL(32), CPU2, BIT(5)),
	FEATURE(vpid, ept_vpid, BIT_ULL(41) | BIT_ULL(42), CPU2, BIT(5)),
	FEATURE(preemption_timer, pin, MAY(BIT(6)), NOT_A_WORD, 0),
	FEATURE(vnmi, pin, MAY(BIT(5)), PIN, BIT(5)),
	FEATURE(vnmi, cpu, MAY(BIT(22)), PIN, BIT(5)),
	FEATURE(mtf, cpu, MAY(BIT(27)), NOT_A_WORD, 0),
	FEATURE(tpr_shadow, cpu, MAY(BIT(21)), CPU, BIT(21)),
	FEATURE(apic_access, cpu2, MAY(BIT(0)), NOT_A_WORD, 0),
	FEATURE(apic_regs, cpu2, MAY(BIT(8)), NOT_A_WORD, 0),
	FEATURE(vid, cpu2, MAY(BIT(9)), NOT_A_WORD, 0),
	FEATURE(x2apic_virt, cpu2, MAY(BIT(4)), NOT_A_WORD, 0),
	FEATURE(posted_intr, pin, MAY(BIT(7)), NOT_A_WORD, 0),
	FEATURE(posted_intr, exit, MAY(BIT(15)), NOT_A_WORD, 0),
	FEATURE(pml, cpu2, MAY(BIT(17)), NOT_A_WORD, 0),
	FEATURE(tsc_scaling, cpu2, MAY(BIT(25)), CPU2, BIT(25)),
	FEATURE(ple, cpu2, MAY(BIT(10)), CPU2, BIT(10)),
	FEATURE(xsaves, cpu2, MAY(BIT(20)), CPU2, BIT(20)),
	FEATURE(rdtscp, cpu2, MAY(BIT(3)), CPU2, BIT(3)),
	FEATURE(invpcid, cpu2, MAY(BIT(12)), CPU2, BIT(12)),
	FEATURE(encls, cpu2, MAY(BIT(15)), CPU2, BIT(15)),
};

static void feature_desc(const struct feature *f, char *desc)
{
	strscpy(desc, f->name, KUNIT_PARAM_DESC_SIZE);
}
KUNIT_ARRAY_PARAM(feature, features, feature_desc);

static void optional(struct kunit *test)
{
	const struct feature *f = test->param_value;
	struct vmx_caps on = compute(test, &icelake, all()), off, lacks;
	struct vmx_features allowed = all();
	struct vmx_cap_msrs m = icelake;
	const u32 *word[] = { NULL, &off.pin, &off.cpu, &off.cpu2 };

	*(bool *)((void *)&allowed + f->at) = false;
	off = compute(test, &icelake, allowed);
	*(u64 *)((void *)&m + f->msr) &= ~f->bit;
	lacks = compute(test, &m, all());

	KUNIT_EXPECT_TRUE(test, *(bool *)((void *)&on.has + f->at));
	KUNIT_EXPECT_FALSE(test, *(bool *)((void *)&off.has + f->at));
	KUNIT_EXPECT_EQ(test, memcmp(&off.has, &lacks.has, sizeof(off.has)), 0);
	KUNIT_EXPECT_EQ(test, off.pin, lacks.pin);
	KUNIT_EXPECT_EQ(test, off.cpu, lacks.cpu);
	KUNIT_EXPECT_EQ(test, off.cpu2, lacks.cpu2);
	/* In the words, it is the only thing that changes. */
	if (f->word)
		KUNIT_EXPECT_EQ(test, *word[f->word] & f->control, 0u);
	KUNIT_EXPECT_EQ(test, off.pin ^ on.pin, f->word == PIN ? f->control : 0);
	KUNIT_EXPECT_EQ(test, off.cpu2 ^ on.cpu2,
			f->word == CPU2 ? f->control : 0);
}

static void dependencies(struct kunit *test)
{
	const u32 cr8 = CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING;
	struct vmx_features f = all();
	struct vmx_cap_msrs m = icelake;
	struct vmx_caps c;

	/* All of the virtual-APIC page goes with the TPR shadow ... */
	f.tpr_shadow = false;
	c = compute(test, &icelake, f);
	KUNIT_EXPECT_EQ(test, c.cpu & (cr8 | CPU_BASED_TPR_SHADOW), cr8);
	KUNIT_EXPECT_FALSE(test, c.has.apic_regs || c.has.vid ||
				 c.has.x2apic_virt || c.has.posted_intr);
	KUNIT_EXPECT_TRUE(test, c.has.apic_access);
	m.cpu &= ~MAY(CPU_BASED_TPR_SHADOW | CPU_BASED_CR8_LOAD_EXITING);
	refuse(test, &m, "a TPR shadow, or CR8 exiting");

	/* ... and posted interrupts with their delivery, but not the reverse. */
	f = all();
	f.vid = false;
	KUNIT_EXPECT_FALSE(test, compute(test, &icelake, f).has.posted_intr);
	f = all();
	f.posted_intr = f.vid_alone = false;
	KUNIT_EXPECT_TRUE(test, compute(test, &icelake, f).has.vid);
	KUNIT_EXPECT_FALSE(test, compute(test, &broadwell, f).has.vid);
	f.vid_alone = true;
	KUNIT_EXPECT_TRUE(test, compute(test, &broadwell, f).has.vid);

	f = all();
	f.ept_ad = false;
	c = compute(test, &icelake, f);
	KUNIT_EXPECT_FALSE(test, c.has.pml);
	KUNIT_EXPECT_EQ(test, vmx_eptp(&c, 0), 0x1eull);

	f = all();
	f.vpid = false;
	c = compute(test, &icelake, f);
	KUNIT_EXPECT_FALSE(test, c.invvpid_addr || c.invvpid_single ||
				 c.invvpid_all);
	m = icelake;
	m.ept_vpid &= ~(BIT_ULL(40) | BIT_ULL(41) | BIT_ULL(25));
	c = compute(test, &m, all());
	KUNIT_EXPECT_TRUE(test, c.has.vpid && c.invvpid_all);
	KUNIT_EXPECT_FALSE(test, c.invvpid_addr || c.invvpid_single ||
				 c.invept_single);

	m = icelake;
	m.signature = 0x20652;
	KUNIT_EXPECT_FALSE(test, compute(test, &m, all()).has.preemption_timer);
}

static void apic(struct kunit *test)
{
	const u32 regs = SECONDARY_EXEC_APIC_REGISTER_VIRT;
	const u32 vid = SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
	const u32 xapic = SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES;
	const u32 x2apic = SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE;
	struct vmx_caps c = compute(test, &broadwell, all());
	struct vmx_features f;

	KUNIT_EXPECT_EQ(test, vmx_caps_apic(&c, false), xapic | regs | vid);
	KUNIT_EXPECT_EQ(test, vmx_caps_apic(&c, true), x2apic | regs | vid);
	f = all();
	f.apic_access = false;
	c = compute(test, &broadwell, f);
	KUNIT_EXPECT_EQ(test, vmx_caps_apic(&c, false), vid);
	KUNIT_EXPECT_EQ(test, vmx_caps_apic(&c, true), x2apic | regs | vid);
	f = all();
	f.x2apic_virt = f.vid = false;
	c = compute(test, &broadwell, f);
	KUNIT_EXPECT_EQ(test, vmx_caps_apic(&c, false), xapic | regs);
	KUNIT_EXPECT_EQ(test, vmx_caps_apic(&c, true), 0u);
	f = all();
	f.tpr_shadow = false;
	c = compute(test, &broadwell, f);
	KUNIT_EXPECT_EQ(test, vmx_caps_apic(&c, false), xapic);
}

static struct kunit_case caps_cases[] = {
	KUNIT_CASE_PARAM(required, need_gen_params),
	KUNIT_CASE(unwanted),
	KUNIT_CASE(feature_control),
	KUNIT_CASE(words),
	KUNIT_CASE(generations),
	KUNIT_CASE_PARAM(optional, feature_gen_params),
	KUNIT_CASE(dependencies),
	KUNIT_CASE(apic),
	{}
};

static struct kunit_suite caps_suite = {
	.name = "lodge-vmx-caps",
	.test_cases = caps_cases,
};

kunit_test_suite(caps_suite);
