// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: CPUID
 *
 * What a guest may be told is decided once, at load: for each word of feature
 * bits the table below names the bits that lodge virtualizes, and what of
 * them the host's CPU has and its kernel uses is offered. A few are offered
 * whatever the host has, because lodge does them itself: x2APIC, TSC_ADJUST,
 * ARCH_CAPABILITIES.
 *
 * Not offered, since nothing stands behind them: VMX and SVM, MONITOR, the
 * PMU, SGX, PT, RTM and HLE, SMM control, memory encryption. TSC_DEADLINE is
 * not in the list, as in KVM, since it hangs on KVM_CREATE_IRQCHIP: it is
 * KVM_CAP_TSC_DEADLINE_TIMER that says so, and a vCPU that is given the bit
 * has it.
 *
 * A launcher gives each vCPU its own table. It is kept as it was given;
 * OSXSAVE, OSPKE, APIC, MWAIT and the sizes in leaf 0xd mirror state that
 * changes, and are put in when they are read, so that nobody has to keep
 * them up to date. After the first KVM_RUN the table is frozen.
 */
#include <linux/kvm_para.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/fpu/xstate.h>
#include <asm/processor.h>

#include "backend.h"
#include "trace.h"

enum reg { EAX, EBX, ECX, EDX };

/*
 * A word of feature bits: where CPUID has it, and the bits that lodge
 * virtualizes. @emulated ones are offered even if the host lacks them, @accepted
 * ones are not offered, but work if a launcher gives them. @raw: judged by CPUID
 * alone, since the kernel does not keep the word or clears bits of it.
 */
struct word {
	u8 nr;
	u8 index;
	u8 reg;
	bool raw;
	u32 leaf;
	u32 mask;
	u32 emulated;
	u32 accepted;
};

#define F(name)	BIT(X86_FEATURE_##name & 31)

static const struct word words[] = {
	{
		.nr = CPUID_1_EDX, .leaf = 1, .reg = EDX,
		.mask = F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) |
			F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(SEP) | F(MTRR) |
			F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) |
			F(CLFLUSH) | F(MMX) | F(FXSR) | F(XMM) | F(XMM2) |
			F(SELFSNOOP),
		.accepted = F(HT),
	}, {
		.nr = CPUID_1_ECX, .leaf = 1, .reg = ECX,
		.mask = F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) |
			F(PCID) | F(XMM4_1) | F(XMM4_2) | F(MOVBE) |
			F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) |
			F(RDRAND),
		.emulated = F(X2APIC),
		/* MOVBE is emulated where the CPU has none. */
		.accepted = F(TSC_DEADLINE_TIMER) | F(HYPERVISOR) | F(MWAIT) |
			    F(MOVBE),
	}, {
		.nr = CPUID_7_0_EBX, .leaf = 7, .reg = EBX,
		.mask = F(FSGSBASE) | F(BMI1) | F(AVX2) | F(FDP_EXCPTN_ONLY) |
			F(SMEP) | F(BMI2) | F(ERMS) | F(INVPCID) |
			F(ZERO_FCS_FDS) | F(AVX512F) | F(AVX512DQ) | F(RDSEED) |
			F(ADX) | F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) |
			F(CLWB) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) |
			F(SHA_NI) | F(AVX512BW) | F(AVX512VL),
		.emulated = F(TSC_ADJUST),
	}, {
		.nr = CPUID_7_ECX, .leaf = 7, .reg = ECX,
		.mask = F(AVX512VBMI) | F(PKU) | F(RDPID) | F(UMIP) |
			F(AVX512_VPOPCNTDQ) | F(AVX512_VBMI2) | F(GFNI) |
			F(VAES) | F(VPCLMULQDQ) | F(AVX512_VNNI) |
			F(AVX512_BITALG) | F(CLDEMOTE) | F(MOVDIRI) |
			F(MOVDIR64B),
	}, {
		.nr = CPUID_7_EDX, .leaf = 7, .reg = EDX,
		.mask = F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(SPEC_CTRL) |
			F(SPEC_CTRL_SSBD) | F(INTEL_STIBP) | F(MD_CLEAR) |
			F(AVX512_VP2INTERSECT) | F(FSRM) | F(SERIALIZE) |
			F(AVX512_FP16) | F(AMX_TILE) | F(AMX_INT8) |
			F(AMX_BF16),
		.emulated = F(ARCH_CAPABILITIES),
	}, {
		.nr = CPUID_7_1_EAX, .leaf = 7, .index = 1, .reg = EAX,
		.mask = F(AVX_VNNI) | F(AVX512_BF16),
	}, {
		/* Bits 0 to 5: PSFD, IPRED, RRSBA, DDPD_U, BHI, MCDT_NO. */
		.nr = LODGE_CPUID_7_2_EDX, .leaf = 7, .index = 2, .reg = EDX,
		.raw = true, .mask = BIT(5),
	}, {
		.nr = CPUID_D_1_EAX, .leaf = 0xd, .index = 1, .reg = EAX,
		.mask = F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES) |
			F(XFD),
	}, {
		.nr = CPUID_8000_0001_ECX, .leaf = 0x80000001, .reg = ECX,
		.mask = F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) | F(ABM) |
			F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(OSVW) |
			F(XOP) | F(FMA4) | F(TBM) | F(TOPOEXT),
	}, {
		.nr = CPUID_8000_0001_EDX, .leaf = 0x80000001, .reg = EDX,
		.mask = F(SYSCALL) | F(NX) | F(MMXEXT) | F(FXSR_OPT) |
			F(GBPAGES) | F(RDTSCP) | F(LM) | F(3DNOWEXT) | F(3DNOW),
	}, {
		/* Bit 28 is PSFD, which the kernel does not name. */
		.nr = CPUID_8000_0008_EBX, .leaf = 0x80000008, .reg = EBX,
		.mask = F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_IBPB) |
			F(AMD_IBRS) | F(AMD_SSBD) | F(VIRT_SSBD) |
			F(AMD_SSB_NO) | F(AMD_STIBP) | F(AMD_STIBP_ALWAYS_ON),
	}, {
		/* NO_NESTED_DATA_BP, LFENCE serializes, VERW, NULL_SEL_CLR_BASE */
		.nr = CPUID_8000_0021_EAX, .leaf = 0x80000021, .reg = EAX,
		.raw = true, .mask = BIT(0) | BIT(2) | BIT(5) | BIT(6),
		.emulated = BIT(9),	/* no SMM control MSR */
	}, {
		/* TSA_SQ_NO, TSA_L1_NO */
		.nr = LODGE_CPUID_8000_0021_ECX, .leaf = 0x80000021, .reg = ECX,
		.raw = true, .mask = BIT(1) | BIT(2),
	},
};

/* These bits of 0x80000001 EDX repeat those of leaf 1 (APM vol. 3 E.4.2). */
#define EDX_TWINS (F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | \
		   F(MCE) | F(CX8) | F(APIC) | F(MTRR) | F(PGE) | F(MCA) |	\
		   F(CMOV) | F(PAT) | F(PSE36) | F(MMX) | F(FXSR))

#define TOP_BASIC	0x1f
#define TOP_EXTENDED	0x80000021

static u32 offered[LODGE_CPUID_WORDS] __read_mostly;

static void host_cpuid(u32 leaf, u32 index, u32 *regs)
{
	cpuid_count(leaf, index, &regs[EAX], &regs[EBX], &regs[ECX], &regs[EDX]);
}

/* Leaves above the highest one give another leaf's data: they count as empty. */
static u32 host_word(const struct word *w)
{
	u32 regs[4];

	if (w->leaf > cpuid_eax(w->leaf & 0x80000000))
		return 0;
	if (w->leaf == 7 && w->index > cpuid_eax(7))
		return 0;
	host_cpuid(w->leaf, w->index, regs);
	return regs[w->reg];
}

static void offer(unsigned int f, bool yes)
{
	u32 bit = 1u << (f % 32);

	offered[f / 32] = yes ? offered[f / 32] | bit : offered[f / 32] & ~bit;
}

/* Speculation: the kernel's own view covers both vendors' bits. */
static void offer_speculation(void)
{
	bool spec_ctrl = lodge_backend->msr_exists(MSR_IA32_SPEC_CTRL);
	bool ibpb = boot_cpu_has(X86_FEATURE_IBPB);
	bool ibrs = spec_ctrl && boot_cpu_has(X86_FEATURE_IBRS);
	bool stibp = spec_ctrl && boot_cpu_has(X86_FEATURE_STIBP);
	bool ssbd = spec_ctrl && (boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD) ||
				  boot_cpu_has(X86_FEATURE_AMD_SSBD));

	offer(X86_FEATURE_SPEC_CTRL, ibpb && ibrs);
	offer(X86_FEATURE_INTEL_STIBP, stibp);
	offer(X86_FEATURE_SPEC_CTRL_SSBD, ssbd);
	offer(X86_FEATURE_AMD_IBPB, ibpb);
	offer(X86_FEATURE_AMD_IBRS, ibrs);
	offer(X86_FEATURE_AMD_STIBP, stibp);
	offer(X86_FEATURE_AMD_SSBD, ssbd);
	offer(X86_FEATURE_AMD_SSB_NO,
	      !boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS));
	offer(X86_FEATURE_VIRT_SSBD,
	      lodge_backend->msr_exists(MSR_AMD64_VIRT_SPEC_CTRL));
	if (!spec_ctrl)
		offer(X86_FEATURE_AMD_STIBP_ALWAYS_ON, false);
	if (boot_cpu_has(X86_FEATURE_LFENCE_RDTSC))
		offered[CPUID_8000_0021_EAX] |= BIT(2);
	if (!boot_cpu_has_bug(X86_BUG_NULL_SEG))
		offered[CPUID_8000_0021_EAX] |= BIT(6);
}

/**
 * lodge_cpuid_init - find out what can be offered on this host
 *
 * Once, at load, after the backend was chosen.
 *
 * Return: 0 or an errno.
 */
int lodge_cpuid_init(void)
{
	bool tsc_aux = lodge_backend->msr_exists(MSR_TSC_AUX);
	int i;

	BUILD_BUG_ON(NCAPINTS > LODGE_CPUID_7_2_EDX);
	memset(offered, 0, sizeof(offered));
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		const struct word *w = &words[i];
		u32 have = host_word(w);

		if (!w->raw)
			have &= boot_cpu_data.x86_capability[w->nr];
		offered[w->nr] = (have & w->mask) | w->emulated;
	}
	offered[CPUID_8000_0001_EDX] |= offered[CPUID_1_EDX] & EDX_TWINS;

	/* The kernel clears LA57 when it runs on four levels; a guest need not. */
	if (cpuid_ecx(7) & F(LA57))
		offer(X86_FEATURE_LA57, true);
	/* PKRU is switched only if the host has made it work (CR4.PKE). */
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		offer(X86_FEATURE_PKU, false);
	if (!tsc_aux) {
		offer(X86_FEATURE_RDTSCP, false);
		offer(X86_FEATURE_RDPID, false);
	}
	if (!lodge_caps.xsaves)
		offer(X86_FEATURE_XSAVES, false);
	offer_speculation();
	return 0;
}

/** lodge_cpuid_supported - is X86_FEATURE_x offered on this host? */
bool lodge_cpuid_supported(unsigned int x86_feature)
{
	return offered[x86_feature / 32] & (1u << (x86_feature % 32));
}

/*
 * What is offered, as a table.
 */

struct table {
	struct kvm_cpuid_entry2 *entries;
	unsigned int nr, max;
};

/* Leaves whose subleaves differ. */
static bool indexed(u32 leaf)
{
	const u32 basic = BIT(4) | BIT(7) | BIT(0xb) | BIT(0xd) | BIT(0xf) |
			  BIT(0x10) | BIT(0x12) | BIT(0x14) | BIT(0x17) |
			  BIT(0x18) | BIT(0x1d) | BIT(0x1e) | BIT(0x1f);

	return leaf == 0x8000001d || (leaf < 32 && basic & BIT(leaf));
}

static struct kvm_cpuid_entry2 *add(struct table *t, u32 leaf, u32 index)
{
	struct kvm_cpuid_entry2 *e;

	if (t->nr == t->max)
		return NULL;
	e = &t->entries[t->nr++];
	*e = (struct kvm_cpuid_entry2) { .function = leaf, .index = index };
	if (indexed(leaf))
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	return e;
}

/*
 * What of the host's data goes to guests as it is, with all subleaves but
 * those of leaf 7; of other leaves nothing does.
 */
static const struct {
	u32 first, last;
	u32 keep[4];
} kept[] = {
	{ 0, 0, { ~0, ~0, ~0, ~0 } },
	/* The APIC id and the number of threads are the launcher's. */
	{ 1, 1, { ~0, 0xff00 } },
	{ 2, 2, { ~0, ~0, ~0, ~0 } },
	{ 4, 4, { ~0, ~0, ~0, ~0 } },
	{ 7, 7, { ~0 } },
	{ 0xd, 0xd, { ~0, ~0, ~0, ~0 } },
	{ 0x1d, 0x1e, { ~0, ~0, ~0, ~0 } },
	{ 0x80000000, 0x80000000, { ~0, ~0, ~0, ~0 } },
	{ 0x80000001, 0x80000001, { ~0, (u32)~GENMASK(27, 16) } },
	/* The brand string, caches; APM vol. 3 E.4. */
	{ 0x80000002, 0x80000005, { ~0, ~0, ~0, ~0 } },
	{ 0x80000006, 0x80000006, { ~0, ~0, ~0, (u32)~GENMASK(17, 16) } },
	{ 0x80000007, 0x80000007, { 0, 0, 0, BIT(8) } },
	{ 0x80000008, 0x80000008, { ~0, 0, GENMASK(15, 12) | 0xff } },
	{ 0x80000019, 0x80000019, { ~0, ~0 } },
	{ 0x8000001a, 0x8000001a, { GENMASK(2, 0) } },
	{ 0x8000001d, 0x8000001d, { ~0, ~0, ~0, ~0 } },
};

/* The host's data, with feature words replaced by what is offered of them. */
static struct kvm_cpuid_entry2 *add_host(struct table *t, u32 leaf, u32 index)
{
	struct kvm_cpuid_entry2 *e = add(t, leaf, index);
	u32 host[4], regs[4] = { };
	int i, r;

	if (!e)
		return NULL;
	/* Above the host's highest leaf it would give another leaf's data. */
	if (leaf <= cpuid_eax(leaf & 0x80000000)) {
		host_cpuid(leaf, index, host);
		for (i = 0; i < ARRAY_SIZE(kept); i++)
			for (r = 0; r < 4 && leaf >= kept[i].first &&
			     leaf <= kept[i].last && !(leaf == 7 && index); r++)
				regs[r] = host[r] & kept[i].keep[r];
	}
	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i].leaf == leaf && words[i].index == index)
			regs[words[i].reg] = offered[words[i].nr];
	e->eax = regs[EAX];
	e->ebx = regs[EBX];
	e->ecx = regs[ECX];
	e->edx = regs[EDX];
	return e;
}

/* Subleaves follow as long as the last one's cache type is not zero. */
static int add_caches(struct table *t, u32 leaf, struct kvm_cpuid_entry2 *e)
{
	u32 i;

	for (i = 1; e->eax & 0x1f; i++) {
		e = add_host(t, leaf, i);
		if (!e)
			return -E2BIG;
	}
	return 0;
}

static int add_subleaves(struct table *t, u32 leaf, u32 last)
{
	u32 i;

	for (i = 1; i <= last; i++)
		if (!add_host(t, leaf, i))
			return -E2BIG;
	return 0;
}

/* SDM vol. 1 13.2: the XSAVE area. @e is subleaf 0. */
static int add_xstate(struct table *t, struct kvm_cpuid_entry2 *e)
{
	u64 xcr0 = lodge_xstate_supported_xcr0();
	int i;

	e->eax &= xcr0;
	e->edx &= xcr0 >> 32;
	e->ebx = lodge_xstate_area_size(xcr0, false);
	e->ecx = e->ebx;
	if (!xcr0) {
		e->ebx = e->ecx = 0;
		return 0;
	}
	e = add_host(t, 0xd, 1);
	if (!e)
		return -E2BIG;
	/* No bit of IA32_XSS is offered. */
	e->ebx = e->eax & (F(XSAVES) | F(XSAVEC)) ?
		lodge_xstate_area_size(xcr0, true) : 0;
	e->ecx = e->edx = 0;
	for (i = 2; i < 64; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		e = add_host(t, 0xd, i);
		if (!e)
			return -E2BIG;
		if (!lodge_cpuid_supported(X86_FEATURE_XFD))
			e->ecx &= ~BIT(2);
		e->edx = 0;
	}
	return 0;
}

static void clear(struct kvm_cpuid_entry2 *e)
{
	e->eax = e->ebx = e->ecx = e->edx = 0;
}

/* What is not the host's data, and the subleaves. */
static int add_leaf(struct table *t, u32 leaf)
{
	struct kvm_cpuid_entry2 *e = add_host(t, leaf, 0);

	if (!e)
		return -E2BIG;
	switch (leaf) {
	case 0:
		e->eax = min_t(u32, e->eax, TOP_BASIC);
		break;
	case 6:
		e->eax = BIT(2);	/* ARAT: the APIC timer never stops */
		break;
	case 7:
		e->eax = min_t(u32, e->eax, 2);
		return add_subleaves(t, leaf, e->eax);
	case 0xd:
		return add_xstate(t, e);
	case 0x1d:
	case 0x1e:
		if (!lodge_cpuid_supported(X86_FEATURE_AMX_TILE))
			clear(e);
		else if (leaf == 0x1d)
			return add_subleaves(t, leaf, e->eax);
		break;
	case 0x80000000:
		/*
		 * 0x80000021 says that LFENCE serializes, also where the host's
		 * CPUID has no such leaf. Not on CPUs below 0x8000001d though: a
		 * launcher would ask them for it and walk another leaf's data.
		 */
		if (e->eax >= 0x8000001d)
			e->eax = TOP_EXTENDED;
		break;
	case 0x80000007:
		/* The TSC's rate does not change, as far as the host believes it. */
		e->edx &= boot_cpu_data.x86_power;
		break;
	case 0x80000008:
		e->eax = lodge_caps.maxphyaddr |
			 max_t(u32, (e->eax >> 8) & 0xff, 48) << 8;
		break;
	case 0x8000001d:
		if (!lodge_cpuid_supported(X86_FEATURE_TOPOEXT))
			clear(e);
		fallthrough;
	case 4:
		return add_caches(t, leaf, e);
	}
	return 0;
}

static int add_hypervisor(struct table *t)
{
	struct kvm_cpuid_entry2 *e = add(t, KVM_CPUID_SIGNATURE, 0);

	if (!e)
		return -E2BIG;
	e->eax = KVM_CPUID_FEATURES;
	memcpy(&e->ebx, KVM_SIGNATURE, 4);
	memcpy(&e->ecx, KVM_SIGNATURE + 4, 4);
	memcpy(&e->edx, KVM_SIGNATURE + 8, 4);
	e = add(t, KVM_CPUID_FEATURES, 0);
	if (!e)
		return -E2BIG;
	e->eax = lodge_pv_features();
	return 0;
}

/* From @base to the last leaf that it names. */
static int add_leaves(struct table *t, u32 base)
{
	u32 leaf, last;
	int ret = add_leaf(t, base);

	if (ret)
		return ret;
	last = t->entries[t->nr - 1].eax;
	for (leaf = base + 1; !ret && leaf <= last; leaf++)
		ret = add_leaf(t, leaf);
	return ret;
}

static int add_offered(struct table *t)
{
	int ret = add_leaves(t, 0);

	if (!ret)
		ret = add_leaves(t, 0x80000000);
	return ret ?: add_hypervisor(t);
}

/* What the emulator does for a guest on a host whose CPU can't. */
static int add_emulated(struct table *t)
{
	static const struct kvm_cpuid_entry2 emulated[] = {
		{ .function = 0, .eax = 1 },
		{ .function = 1, .ecx = F(MOVBE) },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(emulated); i++) {
		if (t->nr == t->max)
			return -E2BIG;
		t->entries[t->nr++] = emulated[i];
	}
	return 0;
}

/* KVM asks for clean padding in GET_EMULATED_CPUID, and only there. */
static int check_padding(struct kvm_cpuid2 __user *arg, u32 nr)
{
	u32 i, pad[3];

	for (i = 0; i < nr; i++) {
		if (copy_from_user(pad, arg->entries[i].padding, sizeof(pad)) ||
		    pad[0] || pad[1] || pad[2])
			return -EINVAL;
	}
	return 0;
}

/**
 * lodge_cpuid_get_supported - KVM_GET_SUPPORTED_CPUID, KVM_GET_EMULATED_CPUID
 * @arg: room for arg->nent entries
 * @emulated: the latter
 *
 * Context: may sleep.
 * Return: 0; -E2BIG if there are more entries than room, -EINVAL for padding
 * that is not zero (@emulated), -EFAULT, -ENOMEM.
 */
long lodge_cpuid_get_supported(struct kvm_cpuid2 __user *arg, bool emulated)
{
	struct table t = { };
	u32 nent;
	int ret;

	if (get_user(nent, &arg->nent))
		return -EFAULT;
	if (!nent)
		return -E2BIG;
	t.max = min_t(u32, nent, LODGE_MAX_CPUID_ENTRIES);
	if (emulated && check_padding(arg, t.max))
		return -EINVAL;
	t.entries = kvcalloc(t.max, sizeof(*t.entries), GFP_KERNEL_ACCOUNT);
	if (!t.entries)
		return -ENOMEM;

	/* The host's leaves are read on one CPU. */
	migrate_disable();
	ret = emulated ? add_emulated(&t) : add_offered(&t);
	migrate_enable();
	if (!ret && (put_user(t.nr, &arg->nent) ||
		     copy_to_user(arg->entries, t.entries,
				  t.nr * sizeof(*t.entries))))
		ret = -EFAULT;
	kvfree(t.entries);
	return ret;
}

/*
 * A vCPU's table.
 */

/* Where a leaf is in first[], or -1. */
static int slot_of(u32 leaf)
{
	if (leaf < LODGE_CPUID_INDEXED)
		return leaf;
	if (leaf - 0x80000000 < LODGE_CPUID_INDEXED)
		return leaf - 0x80000000 + LODGE_CPUID_INDEXED;
	return -1;
}

/* The first entry of @leaf whose index matches or does not matter, as in KVM. */
static struct kvm_cpuid_entry2 *find(const struct lodge_cpuid *c, u32 leaf,
				     u32 index)
{
	int slot = slot_of(leaf);
	u32 i = slot < 0 ? 0 : c->first[slot];

	for (; i < c->nr; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function == leaf &&
		    (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
		     e->index == index))
			return e;
	}
	return NULL;
}

static void make_index(struct lodge_cpuid *c)
{
	int i, slot;

	memset16(c->first, c->nr, ARRAY_SIZE(c->first));
	for (i = c->nr - 1; i >= 0; i--) {
		slot = slot_of(c->entries[i].function);
		if (slot >= 0)
			c->first[slot] = i;
	}
}

static void mirror(u32 *word, u32 bit, bool on)
{
	*word = on ? *word | bit : *word & ~bit;
}

/* What of an entry mirrors the vCPU's state. */
static void mirror_state(struct lodge_vcpu *vcpu, struct kvm_cpuid_entry2 *e)
{
	u64 cr4;

	switch (e->function) {
	case 1:
		if (boot_cpu_has(X86_FEATURE_XSAVE))
			mirror(&e->ecx, F(OSXSAVE),
			       lodge_xstate_osxsave(&vcpu->xstate));
		mirror(&e->edx, F(APIC),
		       vcpu->apic_base & MSR_IA32_APICBASE_ENABLE);
		if (vcpu->vm->disabled_quirks &
		    KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)
			mirror(&e->ecx, F(MWAIT), vcpu->msr_misc_enable &
			       MSR_IA32_MISC_ENABLE_MWAIT);
		break;
	case 7:
		if (e->index || !boot_cpu_has(X86_FEATURE_PKU))
			break;
		cr4 = lodge_backend->cr_get(vcpu, 4);
		mirror(&e->ecx, F(OSPKE), cr4 & X86_CR4_PKE);
		break;
	case 0xd:
		if (e->index == 0)
			e->ebx = lodge_xstate_area_size(lodge_xstate_xcr0(vcpu),
							false);
		else if (e->index == 1 && e->eax & (F(XSAVES) | F(XSAVEC)))
			e->ebx = lodge_xstate_area_size(lodge_xstate_xcr0(vcpu),
							true);
		break;
	}
}

/*
 * A leaf out of range. AMD: zeroes. Intel: the highest basic leaf, with the
 * index that was asked for (SDM vol. 2A, CPUID). Each range of 0x100
 * hypervisor leaves has a highest leaf of its own.
 */
static struct kvm_cpuid_entry2 *find_out_of_range(const struct lodge_cpuid *c,
						  u32 *leaf, u32 index)
{
	struct kvm_cpuid_entry2 *basic = find(c, 0, 0), *class;

	if (!basic || c->amd)
		return NULL;
	if (*leaf >= 0x40000000 && *leaf <= 0x4fffffff)
		class = find(c, *leaf & 0xffffff00, 0);
	else if (*leaf >= 0xc0000000)
		class = find(c, 0xc0000000, 0);
	else
		class = find(c, *leaf & 0x80000000, 0);
	if (class && *leaf <= class->eax)
		return NULL;
	*leaf = basic->eax;
	return find(c, *leaf, index);
}

/**
 * lodge_cpuid - the CPUID instruction
 * @vcpu: the vCPU
 * @eax: leaf, and result
 * @ebx: result
 * @ecx: index, and result
 * @edx: result
 *
 * Context: any; interrupts may be off.
 */
void lodge_cpuid(struct lodge_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	const struct lodge_cpuid *c = &vcpu->cpuid;
	u32 leaf = *eax, index = *ecx, asked = leaf;
	struct kvm_cpuid_entry2 *e, copy;

	e = find(c, leaf, index);
	if (unlikely(!e))
		e = find_out_of_range(c, &leaf, index);
	if (likely(e)) {
		if (leaf == 1 || leaf == 7 || leaf == 0xd) {
			copy = *e;
			mirror_state(vcpu, &copy);
			e = &copy;
		}
		*eax = e->eax;
		*ebx = e->ebx;
		*ecx = e->ecx;
		*edx = e->edx;
	} else {
		*eax = *ebx = *ecx = *edx = 0;
		/*
		 * Subleaves of topology that don't exist still give the index
		 * in CL and the x2APIC id (SDM vol. 2A, CPUID leaf 0BH).
		 */
		if (leaf == 0xb || leaf == 0x1f) {
			e = find(c, leaf, 1);
			if (e) {
				*ecx = index & 0xff;
				*edx = e->edx;
			}
		}
	}
	trace_lodge_cpuid(vcpu, asked, index, *eax, *ebx, *ecx, *edx);
}

/** lodge_cpuid_signature - family, model and stepping: EDX after RESET */
u32 lodge_cpuid_signature(struct lodge_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = find(&vcpu->cpuid, 1, 0);

	return e ? e->eax : 0x600;
}

static u64 cr4_reserved(const u32 *caps)
{
	static const struct { u16 feature; u32 bit; } optional[] = {
		{ X86_FEATURE_XSAVE, X86_CR4_OSXSAVE },
		{ X86_FEATURE_SMEP, X86_CR4_SMEP },
		{ X86_FEATURE_SMAP, X86_CR4_SMAP },
		{ X86_FEATURE_FSGSBASE, X86_CR4_FSGSBASE },
		{ X86_FEATURE_PCID, X86_CR4_PCIDE },
		{ X86_FEATURE_PKU, X86_CR4_PKE },
		{ X86_FEATURE_LA57, X86_CR4_LA57 },
		{ X86_FEATURE_UMIP, X86_CR4_UMIP },
	};
	u64 allowed = X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE |
		      X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE |
		      X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	int i;

	for (i = 0; i < ARRAY_SIZE(optional); i++)
		if (caps[optional[i].feature / 32] &
		    (1u << (optional[i].feature % 32)))
			allowed |= optional[i].bit;
	return ~allowed;
}

static u64 efer_allowed(const u32 *caps)
{
	u32 edx = caps[CPUID_8000_0001_EDX];
	u64 efer = EFER_SCE;

	if (edx & F(LM))
		efer |= EFER_LME | EFER_LMA;
	if (edx & F(NX))
		efer |= EFER_NX;
	if (edx & F(FXSR_OPT))
		efer |= EFER_FFXSR;
	return efer;
}

/**
 * lodge_cpuid_default - a vCPU that was given no table yet
 * @vcpu: the vCPU
 *
 * It has no feature, but as in KVM its registers may be set to whatever the
 * host can do.
 *
 * Return: 0.
 */
int lodge_cpuid_default(struct lodge_vcpu *vcpu)
{
	struct lodge_cpuid *c = &vcpu->cpuid;

	make_index(c);
	c->cr4_reserved = cr4_reserved(offered);
	c->efer_allowed = efer_allowed(offered);
	c->xcr0_allowed = 0;
	c->maxphyaddr = 36;
	return 0;
}

/* AuthenticAMD or HygonGenuine. */
static bool vendor_is_amd(const struct kvm_cpuid_entry2 *e)
{
	return e && ((e->ebx == 0x68747541 && e->edx == 0x69746e65 &&
		      e->ecx == 0x444d4163) ||
		     (e->ebx == 0x6f677948 && e->edx == 0x6e65476e &&
		      e->ecx == 0x656e6975));
}

/* The features word of whoever of the hypervisor's ranges says KVMKVMKVM. */
static struct kvm_cpuid_entry2 *find_pv_features(const struct lodge_cpuid *c)
{
	const struct kvm_cpuid_entry2 *e;
	u32 base;

	for (base = 0x40000000; base < 0x40010000; base += 0x100) {
		e = find(c, base, 0);
		if (!e || memcmp(&e->ebx, KVM_SIGNATURE, 4) ||
		    memcmp(&e->ecx, KVM_SIGNATURE + 4, 4) ||
		    memcmp(&e->edx, KVM_SIGNATURE + 8, 4))
			continue;
		return (struct kvm_cpuid_entry2 *)find(c, base | KVM_CPUID_FEATURES, 0);
	}
	return NULL;
}

/* Nobody wakes a guest that halts without an exit but by an interrupt. */
static void hide_unhalt(struct lodge_vcpu *vcpu, const struct lodge_cpuid *c)
{
	struct kvm_cpuid_entry2 *e = find_pv_features(c);

	if (e && vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT)
		e->eax &= ~BIT(KVM_FEATURE_PV_UNHALT);
}

/* Everything that is decided by the table, decided once. */
static void derive(struct lodge_cpuid *c)
{
	const struct kvm_cpuid_entry2 *e, *pv = find_pv_features(c);
	int i;

	memset(c->caps, 0, sizeof(c->caps));
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		const struct word *w = &words[i];

		e = find(c, w->leaf, w->index);
		if (e)
			/* EAX to EDX lie side by side. */
			c->caps[w->nr] = (&e->eax)[w->reg] &
					 (offered[w->nr] | w->accepted);
	}
	c->cr4_reserved = cr4_reserved(c->caps);
	c->efer_allowed = efer_allowed(c->caps);
	c->amd = vendor_is_amd(find(c, 0, 0));
	c->pv_features = pv ? pv->eax : 0;

	e = find(c, 0xd, 0);
	c->xcr0_allowed = e ? (e->eax | (u64)e->edx << 32) &
			      lodge_xstate_supported_xcr0() : 0;
	c->maxphyaddr = 36;
	e = find(c, 0x80000000, 0);
	if (e && e->eax >= 0x80000008) {
		e = find(c, 0x80000008, 0);
		if (e)
			c->maxphyaddr = clamp_t(u32, e->eax & 0xff, 32, 52);
	}
}

/* Frozen: only what is there already may be set again. */
static int check_equal(struct lodge_vcpu *vcpu, const struct lodge_cpuid *new)
{
	const struct lodge_cpuid *old = &vcpu->cpuid;
	struct kvm_cpuid_entry2 a, b;
	unsigned int i;

	if (new->nr != old->nr)
		return -EINVAL;
	for (i = 0; i < new->nr; i++) {
		a = old->entries[i];
		b = new->entries[i];
		mirror_state(vcpu, &a);
		mirror_state(vcpu, &b);
		if (memcmp(&a, &b, offsetof(struct kvm_cpuid_entry2, padding)))
			return -EINVAL;
	}
	return 0;
}

static int check_new(struct lodge_vcpu *vcpu, const struct lodge_cpuid *new)
{
	const struct kvm_cpuid_entry2 *e;
	u64 dynamic;
	u32 bits;

	/* Canonical means 48 or 57 bits everywhere here. */
	e = find(new, 0x80000008, 0);
	bits = e ? (e->eax >> 8) & 0xff : 0;
	if (bits && bits != 48 && bits != 57)
		return -EINVAL;

	/* State that the guest's FPU buffer must grow for. */
	e = find(new, 0xd, 0);
	dynamic = e ? (e->eax | (u64)e->edx << 32) & XFEATURE_MASK_USER_DYNAMIC : 0;
	return dynamic ? fpu_enable_guest_xfd_features(&vcpu->xstate.fpu, dynamic) : 0;
}

/**
 * lodge_cpuid_take - give a vCPU its table
 * @vcpu: the vCPU; its lock is held
 * @entries: kvmalloc'ed; taken over, or freed
 * @nr: their number, at most LODGE_MAX_CPUID_ENTRIES
 *
 * Context: may sleep.
 * Return: as lodge_cpuid_set2().
 */
int lodge_cpuid_take(struct lodge_vcpu *vcpu, struct kvm_cpuid_entry2 *entries,
		     unsigned int nr)
{
	struct lodge_cpuid *c = &vcpu->cpuid;
	struct lodge_cpuid *new;
	int ret;

	/* Too big for the stack. */
	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new) {
		kvfree(entries);
		return -ENOMEM;
	}
	new->entries = entries;
	new->nr = nr;
	make_index(new);
	hide_unhalt(vcpu, new);
	ret = c->ran ? check_equal(vcpu, new) : check_new(vcpu, new);
	if (ret || c->ran) {
		kvfree(entries);
	} else {
		derive(new);
		new->fault = c->fault;
		swap(*c, *new);
		kvfree(new->entries);
		lodge_backend->cpuid_changed(vcpu);
	}
	kfree(new);
	return ret;
}

/**
 * lodge_cpuid_set2 - KVM_SET_CPUID2
 * @vcpu: the vCPU; its lock is held
 * @arg: at most LODGE_MAX_CPUID_ENTRIES entries
 *
 * Context: may sleep.
 * Return: 0; -E2BIG for too many, -EINVAL for a width of linear addresses
 * that no CPU has, or for a change after KVM_RUN; -EFAULT, -ENOMEM.
 */
long lodge_cpuid_set2(struct lodge_vcpu *vcpu, struct kvm_cpuid2 __user *arg)
{
	struct kvm_cpuid_entry2 *entries;
	u32 nent;

	if (get_user(nent, &arg->nent))
		return -EFAULT;
	if (nent > LODGE_MAX_CPUID_ENTRIES)
		return -E2BIG;
	entries = vmemdup_user(arg->entries, array_size(sizeof(*entries), nent));
	return IS_ERR(entries) ? PTR_ERR(entries) :
				 lodge_cpuid_take(vcpu, entries, nent);
}

/**
 * lodge_cpuid_set - KVM_SET_CPUID: entries without an index
 * @vcpu: the vCPU; its lock is held
 * @arg: at most LODGE_MAX_CPUID_ENTRIES entries
 *
 * Context: may sleep.
 * Return: as lodge_cpuid_set2().
 */
long lodge_cpuid_set(struct lodge_vcpu *vcpu, struct kvm_cpuid __user *arg)
{
	struct kvm_cpuid_entry2 *entries;
	struct kvm_cpuid_entry old;
	u32 nent, i;

	if (get_user(nent, &arg->nent))
		return -EFAULT;
	if (nent > LODGE_MAX_CPUID_ENTRIES)
		return -E2BIG;
	entries = kvcalloc(nent, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	for (i = 0; i < nent; i++) {
		if (copy_from_user(&old, &arg->entries[i], sizeof(old))) {
			kvfree(entries);
			return -EFAULT;
		}
		entries[i] = (struct kvm_cpuid_entry2) {
			.function = old.function,
			.eax = old.eax, .ebx = old.ebx,
			.ecx = old.ecx, .edx = old.edx,
		};
	}
	return lodge_cpuid_take(vcpu, entries, nent);
}

/**
 * lodge_cpuid_get2 - KVM_GET_CPUID2: the table as the guest sees it now
 * @vcpu: the vCPU; its lock is held
 * @arg: room for arg->nent entries
 *
 * Context: may sleep.
 * Return: 0; -E2BIG if there is too little room; -EFAULT.
 */
long lodge_cpuid_get2(struct lodge_vcpu *vcpu, struct kvm_cpuid2 __user *arg)
{
	const struct lodge_cpuid *c = &vcpu->cpuid;
	struct kvm_cpuid_entry2 e;
	unsigned int i;
	u32 nent;

	if (get_user(nent, &arg->nent))
		return -EFAULT;
	if (nent < c->nr)
		return -E2BIG;
	for (i = 0; i < c->nr; i++) {
		e = c->entries[i];
		mirror_state(vcpu, &e);
		if (copy_to_user(&arg->entries[i], &e, sizeof(e)))
			return -EFAULT;
	}
	return put_user(c->nr, &arg->nent) ? -EFAULT : 0;
}

/** lodge_cpuid_free - with the vCPU */
void lodge_cpuid_free(struct lodge_vcpu *vcpu)
{
	kvfree(vcpu->cpuid.entries);
	vcpu->cpuid.entries = NULL;
}
