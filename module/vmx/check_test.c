// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of vmx_check(): VMCSs that are right, and then broken in one place. */
#include <kunit/test.h>
#include <asm/processor.h>

#include "check.h"

struct field {
	u32 field;
	u64 val;
};

/* What is not in here reads as 0. */
static struct {
	struct field field[160];
	int nr;
} vmcs;

static void set(u32 field, u64 val)
{
	int i;

	for (i = 0; i < vmcs.nr && vmcs.field[i].field != field; i++)
		;
	if (WARN_ON(i == ARRAY_SIZE(vmcs.field)))
		return;
	vmcs.field[i] = (struct field){ field, val };
	vmcs.nr = max(vmcs.nr, i + 1);
}

static u64 get(u32 field)
{
	int i;

	for (i = 0; i < vmcs.nr; i++)
		if (vmcs.field[i].field == field)
			return vmcs.field[i].val;
	return 0;
}

static const struct vmx_caps caps = {
	.msrs = {
		.pin = 0x7f00000016,
		.cpu = 0xfff9fffe04006172,
		.cpu2 = 0x0217ffff00000000,
		.exit = 0x01ffffff00036dfb,
		.entry = 0x0003ffff000011fb,
		.cr0_fixed0 = 0x80000021,
		.cr0_fixed1 = 0xffffffff,
		.cr4_fixed0 = 0x2000,
		.cr4_fixed1 = 0x3767ff,
	},
};

/* Selector, base, limit, access rights, by number in the VMCS. */
static void segment(int i, u16 sel, u64 base, u32 limit, u32 ar)
{
	set(GUEST_ES_SELECTOR + 2 * i, sel);
	set(GUEST_ES_BASE + 2 * i, base);
	set(GUEST_ES_LIMIT + 2 * i, limit);
	set(GUEST_ES_AR_BYTES + 2 * i, ar);
}

enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

static void common(void)
{
	static const struct field fields[] = {
		{ PIN_BASED_VM_EXEC_CONTROL, 0x3f },
		{ CPU_BASED_VM_EXEC_CONTROL, 0xb5206dfa },
		{ SECONDARY_VM_EXEC_CONTROL, 0x1014ea },
		{ VM_EXIT_CONTROLS, 0x3fefff },
		{ VM_ENTRY_CONTROLS, 0xd1ff },
		{ VIRTUAL_PROCESSOR_ID, 1 },
		{ EPT_POINTER, 0x123405e },
		{ MSR_BITMAP, 0x5000 },
		{ VIRTUAL_APIC_PAGE_ADDR, 0x6000 },
		{ HOST_CR0, 0x80050033 },
		{ HOST_CR3, 0x1000 },
		{ HOST_CR4, 0x3726e0 },
		{ HOST_IA32_PAT, 0x0407050600070106 },
		{ HOST_IA32_EFER, 0xd01 },
		{ HOST_CS_SELECTOR, 0x10 },
		{ HOST_SS_SELECTOR, 0x18 },
		{ HOST_TR_SELECTOR, 0x40 },
		{ HOST_RIP, 0xffffffff81000000 },
		{ GUEST_IA32_PAT, 0x0007040600070406 },
		{ GUEST_DR7, 0x400 },
		{ GUEST_RFLAGS, 2 },
		{ GUEST_CR4, 0x2000 },
		{ VMCS_LINK_POINTER, ~0ull },
	};
	int i;

	vmcs.nr = 0;
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		set(fields[i].field, fields[i].val);
	segment(LDTR, 0, 0, 0xffff, 0x10000);
	segment(TR, 0, 0, 0xffff, 0x8b);
	set(GUEST_GDTR_LIMIT, 0xffff);
	set(GUEST_IDTR_LIMIT, 0xffff);
}

static void real_mode(void)
{
	int i;

	common();
	for (i = ES; i <= GS; i++)
		segment(i, 0, 0, 0xffff, i == CS ? 0x9b : 0x93);
	segment(CS, 0xf000, 0xffff0000, 0xffff, 0x9b);
	set(GUEST_CR0, 0x60000030);
	set(GUEST_RIP, 0xfff0);
}

static void protected_mode(void)
{
	int i;

	common();
	for (i = ES; i <= GS; i++)
		segment(i, 0x18, 0, ~0u, 0xc093);
	segment(CS, 0x10, 0, ~0u, 0xc09b);
	segment(FS, 0, 0, 0, 0x10000);
	set(GUEST_CR0, 0x80000031);
	set(GUEST_CR4, 0x2030);
	set(GUEST_PDPTR0, 0x1001);
	set(GUEST_PDPTR1, 0x1e6);	/* not present */
	set(GUEST_RIP, 0xc0100000);
}

static void long_mode(void)
{
	common();
	/* In user space: CPL 3, data segments null but for SS. */
	segment(ES, 0, 0, 0, 0x10000);
	segment(CS, 0x33, 0, ~0u, 0xa0fb);
	segment(SS, 0x2b, 0, ~0u, 0xc0f3);
	segment(DS, 0, 0, 0, 0x10000);
	segment(FS, 0, 0x7f0000001000, ~0u, 0x10000);
	segment(GS, 0, 0xffff888000000000, ~0u, 0x10000);
	segment(TR, 0x40, 0xfffffe0000003000, 0x206f, 0x8b);
	set(VM_ENTRY_CONTROLS, 0xd3ff);
	set(GUEST_CR0, 0x80050033);
	set(GUEST_CR4, 0x3726e0);
	set(GUEST_IA32_EFER, 0xd01);
	set(GUEST_GDTR_BASE, 0xfffffe0000001000);
	set(GUEST_IDTR_BASE, 0xfffffe0000000000);
	set(GUEST_RIP, 0x7f1234567890);
	set(GUEST_RFLAGS, 0x202);
}

static void vm86(void)
{
	int i;

	protected_mode();
	for (i = ES; i <= GS; i++)
		segment(i, 0x1234, 0x12340, 0xffff, 0xf3);
	set(GUEST_RFLAGS, 0x20202);
	set(GUEST_RIP, 0x100);
}

static void clean(struct kunit *test)
{
	void (*const guest[])(void) = {
		real_mode, protected_mode, long_mode, vm86,
	};
	char buf[200];
	int i;

	for (i = 0; i < ARRAY_SIZE(guest); i++) {
		guest[i]();
		KUNIT_EXPECT_EQ(test, vmx_check(get, &caps, buf, sizeof(buf)), 0);
		KUNIT_EXPECT_STREQ(test, buf, "");
	}
	/* Halted, single-stepped, a TSS of 16 bits, real mode's CS of data. */
	real_mode();
	set(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_HLT);
	set(GUEST_RFLAGS, 0x302);
	set(GUEST_PENDING_DBG_EXCEPTIONS, BIT(14));
	set(GUEST_TR_AR_BYTES, 0x83);
	set(GUEST_CS_AR_BYTES, 0x93);
	KUNIT_EXPECT_EQ(test, vmx_check(get, &caps, buf, sizeof(buf)), 0);
	KUNIT_EXPECT_STREQ(test, buf, "");
}

/* One field is changed; all that is said must be this. */
static const struct broken {
	void (*guest)(void);
	u32 field;
	u64 val;
	const char *words;
} broken[] = {
	{ real_mode, PIN_BASED_VM_EXEC_CONTROL, 0xbf,
	  "pin-based controls that the CPU hasn't got (0xbf); posted" },
	{ real_mode, CPU_BASED_VM_EXEC_CONTROL, 0xb5206df8, "primary controls" },
	{ real_mode, SECONDARY_VM_EXEC_CONTROL, 0x1014fb,
	  "both xAPIC and x2APIC" },
	{ real_mode, CPU_BASED_VM_EXEC_CONTROL, 0xb5606dfa & ~BIT_ULL(21), "" },
	{ real_mode, PIN_BASED_VM_EXEC_CONTROL, 0x37,
	  "virtual NMIs without NMI exiting" },
	{ real_mode, MSR_BITMAP, 0x5800, "MSR bitmap: address (0x5800)" },
	{ real_mode, VIRTUAL_APIC_PAGE_ADDR, BIT_ULL(60), "virtual-APIC page" },
	{ real_mode, VIRTUAL_PROCESSOR_ID, 0, "VPID 0 is the host's (0x0)" },
	{ real_mode, EPT_POINTER, 0x1234046, "EPT pointer: levels" },
	{ real_mode, VM_EXIT_CONTROLS, 0x7fefff, "preemption timer is off" },
	{ real_mode, VM_ENTRY_INTR_INFO_FIELD, 0x80000b0d,
	  "injected event: error code in real mode" },
	{ long_mode, VM_ENTRY_INTR_INFO_FIELD, 0x8000030d,
	  "injected exception: error code or none" },
	{ long_mode, VM_ENTRY_INTR_INFO_FIELD, 0x80000b06,
	  "injected exception: error code or none" },
	{ long_mode, VM_ENTRY_INTR_INFO_FIELD, 0x80000203, "injected NMI: vector" },
	{ long_mode, VM_ENTRY_INTR_INFO_FIELD, 0x80002020,
	  "injected event: reserved bits" },
	{ real_mode, VM_ENTRY_INTR_INFO_FIELD, 0x80000020,
	  "an interrupt injected with RFLAGS.IF clear" },
	{ long_mode, HOST_CR4, 0x3706e0, "host's CR4: fixed bits" },
	{ long_mode, HOST_GS_SELECTOR, 3, "GS: host's RPL, TI (0x3)" },
	{ long_mode, HOST_CS_SELECTOR, 0, "host's CS is null" },
	{ long_mode, HOST_GS_BASE, BIT_ULL(63), "host's GS base" },
	{ long_mode, GUEST_CR0, 0x80050013, "CR0: fixed bits" },
	{ real_mode, GUEST_CR0, 0xe0000030, "CR0: PG without PE" },
	{ long_mode, GUEST_CR0, 0x50033, "long mode without CR0.PG" },
	{ long_mode, GUEST_CR4, 0x3706e0, "CR4: fixed bits" },
	{ long_mode, GUEST_CR4, 0x3726c0, "long mode without CR4.PAE" },
	{ protected_mode, GUEST_CR4, 0x22030, "CR4.PCIDE outside long mode" },
	{ long_mode, GUEST_CR3, BIT_ULL(62), "CR3: too wide" },
	{ long_mode, GUEST_DR7, BIT_ULL(32) | 0x400, "DR7: upper half" },
	{ long_mode, GUEST_IA32_PAT, 2, "PAT: memory types" },
	{ long_mode, GUEST_IA32_PAT, 0x0800000000000000, "PAT: memory types" },
	{ long_mode, GUEST_IA32_EFER, 0x1d01, "EFER: reserved bits" },
	{ long_mode, GUEST_IA32_EFER, 0x901, "long mode without EFER.LMA" },
	{ real_mode, GUEST_IA32_EFER, 0x500, "EFER.LMA outside long mode" },
	{ protected_mode, GUEST_IA32_EFER, 0x100, "EFER.LME and CR0.PG" },
	{ long_mode, GUEST_SYSENTER_EIP, BIT_ULL(62), "SYSENTER_EIP" },
	{ long_mode, GUEST_TR_SELECTOR, 0x44, "TR: is in the LDT" },
	{ long_mode, GUEST_TR_AR_BYTES, 0x83, "TR: type" },
	{ long_mode, GUEST_TR_AR_BYTES, 0x1008b, "TR: unusable" },
	{ long_mode, GUEST_TR_AR_BYTES, 0x0b, "TR: not present" },
	{ protected_mode, GUEST_LDTR_AR_BYTES, 0x83, "LDTR: type" },
	{ long_mode, GUEST_FS_BASE, BIT_ULL(62), "FS: base not canonical" },
	{ long_mode, GUEST_CS_BASE, BIT_ULL(32), "CS: base: upper half" },
	{ protected_mode, GUEST_DS_BASE, BIT_ULL(32), "DS: base: upper half" },
	{ long_mode, GUEST_CS_AR_BYTES, 0xe0fb, "CS: both D and L" },
	{ long_mode, GUEST_CS_AR_BYTES, 0xa09b, "CS: DPL is not SS's" },
	{ protected_mode, GUEST_CS_AR_BYTES, 0xc0fd, "CS: DPL above SS's" },
	{ long_mode, GUEST_CS_AR_BYTES, 0xa0fa, "CS: type" },
	{ long_mode, GUEST_CS_AR_BYTES, 0xa07b, "CS: not present" },
	{ long_mode, GUEST_CS_AR_BYTES, 0xa1fb, "CS: reserved bits" },
	{ long_mode, GUEST_SS_AR_BYTES, 0xc0fb, "SS: type" },
	{ protected_mode, GUEST_DS_AR_BYTES, 0xc092, "DS: type" },
	{ protected_mode, GUEST_GS_AR_BYTES, 0xc099, "GS: type" },
	{ protected_mode, GUEST_DS_LIMIT, 0xfffff, "" },
	{ protected_mode, GUEST_DS_LIMIT, 0xffffe, "DS: G, but the limit" },
	{ protected_mode, GUEST_DS_AR_BYTES, 0x4093, "DS: no G, but a limit" },
	{ vm86, GUEST_GS_BASE, 0, "GS: base in virtual-8086 mode" },
	{ vm86, GUEST_ES_LIMIT, 0xfffe, "ES: limit in virtual-8086 mode" },
	{ vm86, GUEST_CS_AR_BYTES, 0x9b, "CS: access rights in virtual-8086" },
	{ long_mode, GUEST_GDTR_BASE, BIT_ULL(63), "GDTR: base" },
	{ long_mode, GUEST_IDTR_LIMIT, 0x10000, "IDTR: limit" },
	{ long_mode, GUEST_RIP, BIT_ULL(62), "RIP not canonical" },
	{ real_mode, GUEST_RIP, BIT_ULL(32), "RIP above 4G" },
	{ long_mode, GUEST_RFLAGS, 0x20a, "RFLAGS: reserved bits" },
	{ long_mode, GUEST_RFLAGS, 0x200, "RFLAGS: bit 1 is clear" },
	{ long_mode, GUEST_ACTIVITY_STATE, 4, "activity state" },
	{ long_mode, GUEST_ACTIVITY_STATE, 1, "halted, and not at CPL 0" },
	{ long_mode, GUEST_INTERRUPTIBILITY_INFO, 3, "blocked by both" },
	{ long_mode, GUEST_INTERRUPTIBILITY_INFO, 4, "interruptibility" },
	{ real_mode, GUEST_INTERRUPTIBILITY_INFO, 1, "blocked by STI with" },
	{ long_mode, GUEST_PENDING_DBG_EXCEPTIONS, BIT(13), "pending debug" },
	{ long_mode, VMCS_LINK_POINTER, 0, "VMCS link pointer" },
	{ protected_mode, GUEST_PDPTR0, 0x1003, "PDPTE 0 (0x1003)" },
	{ protected_mode, GUEST_PDPTR3, BIT_ULL(60) | 1, "PDPTE 3" },
};

static void broken_desc(const struct broken *b, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%x: %s", b->field, b->words);
}
KUNIT_ARRAY_PARAM(broken, broken, broken_desc);

static void one(struct kunit *test)
{
	const struct broken *b = test->param_value;
	char buf[200];
	int found;

	b->guest();
	set(b->field, b->val);
	found = vmx_check(get, &caps, buf, sizeof(buf));
	KUNIT_EXPECT_EQ(test, !found, !*b->words);
	if (strncmp(buf, b->words, strlen(b->words)))
		KUNIT_FAIL(test, "'%s', not '%s'", buf, b->words);
}

/* Two fields at odds with each other, and a buffer that is too small. */
static void several(struct kunit *test)
{
	char buf[200], small[8];

	long_mode();
	set(GUEST_RFLAGS, 0x302);
	set(GUEST_INTERRUPTIBILITY_INFO, GUEST_INTR_STATE_STI);
	KUNIT_EXPECT_EQ(test, vmx_check(get, &caps, buf, sizeof(buf)), 1);
	KUNIT_EXPECT_STREQ(test, buf,
			   "RFLAGS.TF, blocked or halted, and no single step pending (0x0)");
	set(GUEST_PENDING_DBG_EXCEPTIONS, BIT(14));
	KUNIT_EXPECT_EQ(test, vmx_check(get, &caps, buf, sizeof(buf)), 0);
	set(GUEST_RFLAGS, 2);
	KUNIT_EXPECT_EQ(test, vmx_check(get, &caps, buf, sizeof(buf)), 2);
	KUNIT_EXPECT_STREQ(test, buf,
			   "blocked by STI with RFLAGS.IF clear (0x1); a single step pending, blocked or halted, without RFLAGS.TF (0x4000)");

	vmcs.nr = 0;
	KUNIT_EXPECT_GT(test, vmx_check(get, &caps, buf, sizeof(buf)), 10);
	KUNIT_EXPECT_LT(test, strlen(buf), sizeof(buf));
	vmx_check(get, &caps, small, sizeof(small));
	KUNIT_EXPECT_STREQ(test, small, "pin-bas");
}

static struct kunit_case check_cases[] = {
	KUNIT_CASE(clean),
	KUNIT_CASE_PARAM(one, broken_gen_params),
	KUNIT_CASE(several),
	{}
};

static struct kunit_suite check_suite = {
	.name = "lodge-vmx-check",
	.test_cases = check_cases,
};

kunit_test_suite(check_suite);
