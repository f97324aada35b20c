// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Model-specific registers
 *
 * One table says what there is: a range of indexes, who reads and writes it,
 * whether it belongs to the state that a launcher saves, and the CPUID feature
 * that it hangs on. It is sorted, and searched by halving. What is not in it
 * raises #GP in the guest and ends the list in KVM_GET_MSRS and KVM_SET_MSRS
 * (unless ignore_msrs is set).
 *
 * Values live where they are used: in the hardware's structures behind the
 * backend (SYSCALL, segment bases, speculation control), in the local APIC, in
 * tsc.c, pv.c, xstate.c, mce.c; the rest in struct lodge_msrs.
 *
 * The guest needs the feature that an MSR hangs on; a launcher may read and
 * write it as soon as the host has it, since it restores state in whatever
 * order it likes.
 *
 * There is no PMU. The counters of the K7 and P6, which have no CPUID bit, read
 * as zero and take writes without effect, as in KVM.
 */
#include <linux/kvm_para.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/fpu/xstate.h>
#include <asm/mtrr.h>
#include <asm/vmx.h>

#include "backend.h"
#include "msr.h"
#include "regs.h"
#include "trace.h"

static bool ignore_msrs;
module_param(ignore_msrs, bool, 0644);
MODULE_PARM_DESC(ignore_msrs, "unknown MSRs read as zero and take writes");

enum {
	LIST = BIT(0),		/* in KVM_GET_MSR_INDEX_LIST */
	FEATURE = BIT(1),	/* tells about the host: KVM_GET_MSR_FEATURE_INDEX_LIST */
	HOST_SET = BIT(2),	/* the guest's writes raise #GP */
	SLEEPS = BIT(3),	/* set() may sleep */
	IGNORED = BIT(4),	/* without set(): writes have no effect, else #GP ... */
	ZERO_ONLY = BIT(5),	/* ... or have none if they write zero */
	FIELD = BIT(6),		/* words in lodge_msrs ... */
	OWN = BIT(7),		/* ... or in lodge_vcpu */
	BACKEND = BIT(8),	/* there only if the backend has it */
	WRITE_ONLY = BIT(9),
};

struct msr_row {
	u32 first, last;
	u16 flags;
	u16 feature;		/* X86_FEATURE_*, 0 for none: FPU is always there */
	u16 field;		/* offset of the first one's word */
	u64 value;		/* what is read without get() and word */
	union {
		int (*get)(struct lodge_vcpu *vcpu, u32 index, u64 *data,
			   bool host);
		/* Of a word without set(): may it become this? */
		bool (*valid)(struct lodge_vcpu *vcpu, u32 index, u64 data,
			      bool host);
	};
	int (*set)(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host);
};

/* The word that an MSR of a row is. */
static inline u64 *field_of(struct lodge_vcpu *vcpu, const struct msr_row *m,
			    u32 index)
{
	void *base = m->flags & FIELD ? (void *)vcpu->msrs : vcpu;
	u64 *field = base + m->field;

	if (m->first == m->last)
		return field;
	return field + array_index_nospec(index - m->first,
					  m->last - m->first + 1);
}

/*
 * Those that the backend's structures hold.
 */

static int get_backend(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	return lodge_backend->msr_get(vcpu, index, data) ? 1 : 0;
}

static int set_backend(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	return lodge_backend->msr_set(vcpu, index, data, host) ? 1 : 0;
}

static u64 make_canonical(struct lodge_vcpu *vcpu, u64 addr)
{
	return sign_extend64(addr, lodge_backend->cr_get(vcpu, 4) &
			     X86_CR4_LA57 ? 56 : 47);
}

/* #GP for an address that is not canonical (SDM vol. 2B, WRMSR). */
static int set_address(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	if (make_canonical(vcpu, data) != data)
		return 1;
	return set_backend(vcpu, index, data, host);
}

/*
 * SYSENTER's: AMD CPUs keep 32 bits of them (APM vol. 2 6.1.2), Intel's fault.
 * KVM makes any value canonical instead, so that a guest that was moved does
 * not see the difference.
 */
static int set_sysenter(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	return set_backend(vcpu, index, make_canonical(vcpu, data), host);
}

/* The vCPU has the feature; for its launcher: the host has it. */
static bool has(struct lodge_vcpu *vcpu, bool host, unsigned int f)
{
	return host ? lodge_cpuid_supported(f) : lodge_cpuid_has(&vcpu->cpuid, f);
}

static int get_tsc_aux(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	if (!has(vcpu, host, X86_FEATURE_RDTSCP) &&
	    !has(vcpu, host, X86_FEATURE_RDPID))
		return 1;
	return get_backend(vcpu, index, data, host);
}

/* 32 bits: Intel faults on more, AMD drops them. */
static int set_tsc_aux(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	if (!has(vcpu, host, X86_FEATURE_RDTSCP) &&
	    !has(vcpu, host, X86_FEATURE_RDPID))
		return 1;
	if (!vcpu->cpuid.amd && data >> 32)
		return 1;
	return set_backend(vcpu, index, (u32)data, host);
}

/* Bits of IA32_SPEC_CTRL that the vCPU (the host) has, Intel's or AMD's way. */
static u64 spec_ctrl_bits(struct lodge_vcpu *vcpu, bool host)
{
	u64 bits = 0;

	if (has(vcpu, host, X86_FEATURE_SPEC_CTRL) ||
	    has(vcpu, host, X86_FEATURE_AMD_IBRS))
		bits |= SPEC_CTRL_IBRS;
	if (has(vcpu, host, X86_FEATURE_INTEL_STIBP) ||
	    has(vcpu, host, X86_FEATURE_AMD_STIBP))
		bits |= SPEC_CTRL_STIBP;
	if (has(vcpu, host, X86_FEATURE_SPEC_CTRL_SSBD) ||
	    has(vcpu, host, X86_FEATURE_AMD_SSBD))
		bits |= SPEC_CTRL_SSBD;
	return bits;
}

/**
 * lodge_spec_ctrl_valid - would a write of it to IA32_SPEC_CTRL fault?
 * @data: the value
 *
 * A backend writes it where a fault is fatal, and what CPUID says of the bits is
 * the launcher's word: the CPU is asked.
 *
 * Return: false if it would.
 */
bool lodge_spec_ctrl_valid(u64 data)
{
	unsigned long flags;
	bool valid;
	u64 own;

	if (data & ~(u64)(SPEC_CTRL_IBRS | SPEC_CTRL_STIBP | SPEC_CTRL_SSBD))
		return false;
	local_irq_save(flags);
	valid = !rdmsrl_safe(MSR_IA32_SPEC_CTRL, &own) &&
		!wrmsrl_safe(MSR_IA32_SPEC_CTRL, data);
	if (valid)
		wrmsrl(MSR_IA32_SPEC_CTRL, own);
	local_irq_restore(flags);
	return valid;
}

static int get_spec_ctrl(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	if (!spec_ctrl_bits(vcpu, host))
		return 1;
	return get_backend(vcpu, index, data, host);
}

static int set_spec_ctrl(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	u64 bits = spec_ctrl_bits(vcpu, host);

	/* IBRS without STIBP in CPUID: STIBP is ignored, not reserved. */
	if (bits & SPEC_CTRL_IBRS)
		bits |= SPEC_CTRL_STIBP;
	if (!bits || data & ~bits)
		return 1;
	return set_backend(vcpu, index, data, host);
}

/* A command: the barrier is done here and now, on the CPU the guest runs on. */
static int set_pred_cmd(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	if (!has(vcpu, host, X86_FEATURE_SPEC_CTRL) &&
	    !has(vcpu, host, X86_FEATURE_AMD_IBPB))
		return 1;
	if (data & ~(u64)PRED_CMD_IBPB || !boot_cpu_has(X86_FEATURE_IBPB))
		return 1;
	if (data)
		wrmsrl(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
	return 0;
}

/* Debug control and last branches: nothing there without LBR virtualization. */
static int get_debug(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	if (lodge_backend->msr_get(vcpu, index, data))
		*data = 0;
	return 0;
}

static int set_debugctl(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	int ret = lodge_backend->msr_set(vcpu, index, data, host);

	return ret == -ENOENT ? 0 : !!ret;
}

static int get_efer(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	*data = lodge_backend->efer_get(vcpu);
	return 0;
}

static int set_efer(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	return lodge_efer_set(vcpu, data, host) ? 1 : 0;
}

/*
 * Memory types. Nested paging uses the host's; the guest's are kept for it to
 * read back, and judged as a CPU would.
 */

/* Uncached, write-combining, write-through, write-protected, write-back. */
static bool memory_type_valid(u8 type)
{
	return type < 8 && BIT(type) & 0x73;
}

static bool mtrr_fixed_valid(struct lodge_vcpu *vcpu, u32 index, u64 data,
			     bool host)
{
	int i;

	for (i = 0; i < 8; i++, data >>= 8)
		if (!memory_type_valid(data))
			return false;
	return true;
}

/* SDM vol. 3A 11.12.4: 0, 1, 4, 5, 6, 7 in each byte. */
static bool pat_valid(u64 data)
{
	/* Bits 3-7 clear; then of 2 and 3 (bit 1 without bit 2) none. */
	if (data & 0xf8f8f8f8f8f8f8f8ull)
		return false;
	return ((data & 0x0202020202020202ull) << 1 & ~data) == 0;
}

static int set_pat(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	if (!pat_valid(data))
		return 1;
	vcpu->pat = data;
	return lodge_backend->msr_set(vcpu, index, data, host) == -EINVAL;
}

/* SDM vol. 3A 11.11.2.3: bases have a type, masks a valid bit. */
static bool mtrr_var_valid(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	u64 reserved = ~0ull << vcpu->cpuid.maxphyaddr;
	bool mask = (index - MTRRphysBase_MSR(0)) & 1;

	reserved |= mask ? 0x7ff : 0xf00;
	return !(data & reserved) && (mask || memory_type_valid(data));
}

static bool mtrr_def_valid(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	return !(data & ~0xcffull) && memory_type_valid(data);
}

/*
 * Time and interrupts.
 */

static int get_tsc(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	*data = lodge_tsc_read(vcpu, rdtsc());
	return 0;
}

static int set_tsc(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	lodge_tsc_write(vcpu, data, host);
	return 0;
}

static int set_tsc_adjust(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	/* A guest without it writes into the void, in KVM as here. */
	if (lodge_cpuid_has(&vcpu->cpuid, X86_FEATURE_TSC_ADJUST))
		lodge_tsc_adjust(vcpu, data, host);
	return 0;
}

static int get_deadline(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	*data = vcpu->apic ? lodge_lapic_tsc_deadline(vcpu) : 0;
	return 0;
}

static int set_deadline(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	if (vcpu->apic)
		lodge_lapic_set_tsc_deadline(vcpu, data);
	return 0;
}

static int set_apic_base(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	return lodge_lapic_set_base(vcpu, data, host) ? 1 : 0;
}

static int get_x2apic(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	return vcpu->apic ? lodge_x2apic_read(vcpu, index, data) : 1;
}

static int set_x2apic(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	return vcpu->apic ? lodge_x2apic_write(vcpu, index, data) : 1;
}

/*
 * Features and quirks.
 */

/* APM vol. 2 appendix A; asm/msr-index.h has no name for them. */
#define MSR_K8_IORR_FIRST	0xc0010016


/* What IA32_ARCH_CAPABILITIES may promise: no bit that announces an MSR. */
#define ARCH_CAPS (ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA |	\
		   ARCH_CAP_SKIP_VMENTRY_L1DFLUSH | ARCH_CAP_SSB_NO |		\
		   ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | \
		   ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | \
		   ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA | ARCH_CAP_PBRSB_NO |	\
		   ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | ARCH_CAP_RFDS_CLEAR |	\
		   ARCH_CAP_BHI_NO | ARCH_CAP_ITS_NO)

static u64 host_arch_caps(void)
{
	u64 data = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES)) {
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, data);
		data &= ARCH_CAPS;
	}
	/* Nested tables never map executable memory with 2M and 4K entries at once. */
	data |= ARCH_CAP_PSCHANGE_MC_NO;
	/* The host flushes the first-level cache; a nested hypervisor need not. */
	if (l1tf_vmx_mitigation != VMENTER_L1D_FLUSH_NEVER)
		data |= ARCH_CAP_SKIP_VMENTRY_L1DFLUSH;
	if (!boot_cpu_has_bug(X86_BUG_CPU_MELTDOWN))
		data |= ARCH_CAP_RDCL_NO;
	if (!boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS))
		data |= ARCH_CAP_SSB_NO;
	if (!boot_cpu_has_bug(X86_BUG_MDS))
		data |= ARCH_CAP_MDS_NO;
	if (!boot_cpu_has_bug(X86_BUG_RFDS))
		data |= ARCH_CAP_RFDS_NO;
	if (!boot_cpu_has_bug(X86_BUG_ITS))
		data |= ARCH_CAP_ITS_NO;
	/* A guest never has RTM, and needs no mitigation for what it lacks. */
	data &= ~ARCH_CAP_TAA_NO;
	if (!boot_cpu_has_bug(X86_BUG_GDS) || gds_ucode_mitigated())
		data |= ARCH_CAP_GDS_NO;
	return data;
}

/* The host's own value of a feature MSR: 0, or 1. */
static int host_feature(u32 index, u64 *data)
{
	*data = 0;
	switch (index) {
	case MSR_IA32_ARCH_CAPABILITIES:
		*data = host_arch_caps();
		return 0;
	case MSR_IA32_UCODE_REV:
		if (rdmsrl_safe(index, data))
			*data = 0;
		return 0;
	case MSR_AMD64_DE_CFG:
		if (boot_cpu_has(X86_FEATURE_LFENCE_RDTSC))
			*data = MSR_AMD64_DE_CFG_LFENCE_SERIALIZE;
		return 0;
	case MSR_IA32_PERF_CAPABILITIES:
		return 0;
	default:
		return 1;
	}
}

static int set_ucode_rev(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	/* The guest writes zero before it asks CPUID for it (SDM vol. 3A 9.11.7). */
	if (host)
		vcpu->msrs->ucode_rev = data;
	return 0;
}

/* The one bit that there can be is the host's. */
static bool de_cfg_valid(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	u64 have;

	host_feature(index, &have);
	return !(data & ~have) && (host || data == have);
}

static int set_misc_enable(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	u64 old = vcpu->msr_misc_enable;

	if (!host) {
		if ((old ^ data) & (MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
				    MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL))
			return 1;
		data &= ~MSR_IA32_MISC_ENABLE_EMON;
		data |= old & MSR_IA32_MISC_ENABLE_EMON;
	}
	/* SDM vol. 4: the MWAIT switch goes with SSE3. */
	if (vcpu->vm->disabled_quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT &&
	    (old ^ data) & MSR_IA32_MISC_ENABLE_MWAIT &&
	    !lodge_cpuid_has(&vcpu->cpuid, X86_FEATURE_XMM3))
		return 1;
	vcpu->msr_misc_enable = data;
	return 0;
}

static bool platform_info_valid(struct lodge_vcpu *vcpu, u32 index, u64 data,
				bool host)
{
	return (data & MSR_PLATFORM_INFO_CPUID_FAULT) || !vcpu->cpuid.fault;
}

static int set_misc_features(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	if (data & ~(u64)MSR_MISC_FEATURES_ENABLES_CPUID_FAULT)
		return 1;
	if (data && !(vcpu->msrs->platform_info & MSR_PLATFORM_INFO_CPUID_FAULT))
		return 1;
	vcpu->msrs->misc_features = data;
	vcpu->cpuid.fault = data;
	return 0;
}

/* Bits that firmware and old kernels set are dropped; McStatusWrEn is real. */
static int set_hwcr(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	data &= ~(BIT_ULL(6) | BIT_ULL(8) | BIT_ULL(3));
	if (data & ~BIT_ULL(18))
		return 1;
	vcpu->msrs->hwcr = data;
	return 0;
}

/* APM vol. 2 15.30.1: SVMDIS and LOCK stay once SVMDIS is set. */
static int set_vm_cr(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	u64 keep = vcpu->msrs->vm_cr & BIT(4) ? BIT(3) | BIT(4) : 0;

	if (data & ~0x1full)
		return 1;
	vcpu->msrs->vm_cr = (vcpu->msrs->vm_cr & keep) | (data & ~keep);
	return 0;
}

static int set_hsave(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	u64 reserved = ~0ull << vcpu->cpuid.maxphyaddr;

	if (!host && (data & reserved || !PAGE_ALIGNED(data)))
		return 1;
	vcpu->msrs->hsave_pa = data & PAGE_MASK;
	return 0;
}

static int get_xfd(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	struct fpu_guest *fpu = &vcpu->xstate.fpu;

	if (index == MSR_IA32_XFD)
		*data = fpu->fpstate->xfd;
	else if (vcpu->xstate.entered)
		rdmsrl(MSR_IA32_XFD_ERR, *data);
	else
		*data = fpu->xfd_err;
	return 0;
}

/* The kernel's FPU code takes the new value over, and the CPU's if it is loaded. */
static int set_xfd(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	if (data & ~(vcpu->cpuid.xcr0_allowed & (u64)XFEATURE_MASK_USER_DYNAMIC))
		return 1;
	if (index == MSR_IA32_XFD)
		fpu_update_guest_xfd(&vcpu->xstate.fpu, data);
	else
		vcpu->xstate.fpu.xfd_err = data;
	return 0;
}

/* AMD's performance interface has no such register; launchers read zero. */
static int get_perf_caps(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	*data = 0;
	return !host;
}

#define ONE(i)		.first = (i), .last = (i)
#define RANGE(a, b)	.first = (a), .last = (b)
#define AT(f)		.field = offsetof(struct lodge_msrs, f)
#define AT_OWN(f)	.field = offsetof(struct lodge_vcpu, f)
#define PV		.get = lodge_pv_msr_get, .set = lodge_pv_msr_set
#define ZERO(i)		{ ONE(i) }

static const struct msr_row msrs[] = {
	{ RANGE(MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE) },
	{ ONE(MSR_IA32_TSC), LIST, .get = get_tsc, .set = set_tsc },
	{ ONE(MSR_KVM_WALL_CLOCK), LIST | SLEEPS, PV },
	{ ONE(MSR_KVM_SYSTEM_TIME), LIST, PV },
	ZERO(MSR_IA32_PLATFORM_ID),
	{ ONE(MSR_IA32_APICBASE), SLEEPS | OWN, AT_OWN(apic_base),
	  .set = set_apic_base },
	ZERO(MSR_IA32_EBL_CR_POWERON),
	{ ONE(MSR_EBC_FREQUENCY_ID), .value = 1 << 24 },
	ZERO(MSR_SMI_COUNT),
	{ ONE(MSR_IA32_TSC_ADJUST), LIST | OWN, AT_OWN(tsc.adjust),
	  .set = set_tsc_adjust },
	{ ONE(MSR_IA32_SPEC_CTRL), LIST | BACKEND, .get = get_spec_ctrl,
	  .set = set_spec_ctrl },
	{ ONE(MSR_IA32_PRED_CMD), WRITE_ONLY, .set = set_pred_cmd },
	{ ONE(MSR_IA32_UCODE_WRITE), IGNORED | WRITE_ONLY },
	{ ONE(MSR_IA32_UCODE_REV), LIST | FEATURE | FIELD, AT(ucode_rev),
	  .set = set_ucode_rev },
	{ RANGE(MSR_P6_PERFCTR0, MSR_P6_PERFCTR1), IGNORED },
	{ ONE(MSR_FSB_FREQ), .value = 3 },
	{ ONE(MSR_PLATFORM_INFO), LIST | HOST_SET | FIELD, AT(platform_info),
	  .valid = platform_info_valid },
	{ ONE(MSR_MTRRcap), .value = 0x500 | LODGE_VAR_MTRRS },
	{ ONE(MSR_IA32_ARCH_CAPABILITIES), LIST | FEATURE | HOST_SET | FIELD,
	  X86_FEATURE_ARCH_CAPABILITIES, AT(arch_caps) },
	{ ONE(MSR_IA32_BBL_CR_CTL3), IGNORED, .value = 0xbe702111 },
	{ ONE(MSR_MISC_FEATURES_ENABLES), LIST | FIELD, AT(misc_features),
	  .set = set_misc_features },
	{ ONE(MSR_IA32_SYSENTER_CS), LIST, .get = get_backend,
	  .set = set_backend },
	{ RANGE(MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP), LIST,
	  .get = get_backend, .set = set_sysenter },
	{ ONE(MSR_IA32_MCG_CAP), .get = lodge_mce_msr_get },
	{ RANGE(MSR_IA32_MCG_STATUS, MSR_IA32_MCG_CTL), LIST,
	  .get = lodge_mce_msr_get, .set = lodge_mce_msr_set },
	{ RANGE(MSR_P6_EVNTSEL0, MSR_P6_EVNTSEL1), IGNORED },
	{ ONE(MSR_IA32_PERF_STATUS), .value = 1000 | 4ull << 40 },
	ZERO(MSR_IA32_PERF_CTL),
	{ ONE(MSR_IA32_MISC_ENABLE), LIST | OWN, AT_OWN(msr_misc_enable),
	  .set = set_misc_enable },
	{ RANGE(MSR_IA32_XFD, MSR_IA32_XFD_ERR), LIST | SLEEPS, X86_FEATURE_XFD,
	  .get = get_xfd, .set = set_xfd },
	{ ONE(MSR_IA32_DEBUGCTLMSR), .get = get_debug, .set = set_debugctl },
	{ RANGE(MSR_IA32_LASTBRANCHFROMIP, MSR_IA32_LASTINTTOIP),
	  .get = get_debug },
	{ ONE(MSR_IA32_POWER_CTL), LIST | FIELD, AT(power_ctl) },
	{ RANGE(MTRRphysBase_MSR(0), MTRRphysMask_MSR(LODGE_VAR_MTRRS - 1)),
	  LIST | FIELD, AT(mtrr_var), .valid = mtrr_var_valid },
	{ ONE(MSR_MTRRfix64K_00000), LIST | FIELD, AT(mtrr_fixed[0]),
	  .valid = mtrr_fixed_valid },
	{ RANGE(MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000), LIST | FIELD,
	  AT(mtrr_fixed[1]), .valid = mtrr_fixed_valid },
	{ RANGE(MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_F8000), LIST | FIELD,
	  AT(mtrr_fixed[3]), .valid = mtrr_fixed_valid },
	{ ONE(MSR_IA32_CR_PAT), LIST | OWN, AT_OWN(pat), .set = set_pat },
	{ ONE(MSR_MTRRdefType), LIST | FIELD, AT(mtrr_def),
	  .valid = mtrr_def_valid },
	{ ONE(MSR_IA32_PERF_CAPABILITIES), LIST | FEATURE | HOST_SET | ZERO_ONLY,
	  .get = get_perf_caps },
	{ RANGE(MSR_IA32_MC0_CTL, MSR_IA32_MCx_CTL(LODGE_MCE_BANKS) - 1),
	  .get = lodge_mce_msr_get, .set = lodge_mce_msr_set },
	ZERO(MSR_RAPL_POWER_UNIT),
	ZERO(MSR_PKG_ENERGY_STATUS),
	ZERO(MSR_DRAM_ENERGY_STATUS),
	ZERO(MSR_PP0_ENERGY_STATUS),
	ZERO(MSR_PP1_ENERGY_STATUS),
	{ ONE(MSR_IA32_TSC_DEADLINE), LIST, .get = get_deadline,
	  .set = set_deadline },
	{ RANGE(APIC_BASE_MSR, APIC_BASE_MSR + 0xff), .get = get_x2apic,
	  .set = set_x2apic },
	/* No component of it is offered. */
	{ ONE(MSR_IA32_XSS), LIST | ZERO_ONLY, X86_FEATURE_XSAVES },
	{ ONE(MSR_KVM_WALL_CLOCK_NEW), LIST | SLEEPS, PV },
	{ ONE(MSR_KVM_SYSTEM_TIME_NEW), LIST, PV },
	{ ONE(MSR_KVM_STEAL_TIME), LIST, PV },
	{ ONE(MSR_KVM_POLL_CONTROL), LIST, PV },
	{ ONE(MSR_EFER), .get = get_efer, .set = set_efer },
	{ ONE(MSR_STAR), LIST, .get = get_backend, .set = set_backend },
	{ RANGE(MSR_LSTAR, MSR_CSTAR), LIST, .get = get_backend,
	  .set = set_address },
	{ ONE(MSR_SYSCALL_MASK), LIST, .get = get_backend, .set = set_backend },
	{ RANGE(MSR_FS_BASE, MSR_GS_BASE), .get = get_backend,
	  .set = set_address },
	{ ONE(MSR_KERNEL_GS_BASE), LIST, .get = get_backend,
	  .set = set_address },
	{ ONE(MSR_TSC_AUX), LIST | BACKEND, .get = get_tsc_aux,
	  .set = set_tsc_aux },
	{ RANGE(MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3), IGNORED },
	ZERO(MSR_AMD64_SYSCFG),
	{ ONE(MSR_K7_HWCR), LIST | FIELD, AT(hwcr), .set = set_hwcr },
	/* IORRs and TOP_MEM: no I/O in ranges of memory, none above. */
	{ RANGE(MSR_K8_IORR_FIRST, MSR_K8_TOP_MEM1) },
	{ ONE(MSR_K7_CLK_CTL), IGNORED, .value = 0x20000000 },
	ZERO(MSR_K8_TOP_MEM2),
	{ ONE(MSR_AMD64_NB_CFG), IGNORED },
	{ ONE(MSR_AMD64_PATCH_LOADER), IGNORED | WRITE_ONLY },
	ZERO(MSR_K8_INT_PENDING_MSG),
	{ ONE(MSR_FAM10H_MMIO_CONF_BASE), ZERO_ONLY },
	ZERO(MSR_K8_TSEG_ADDR),
	ZERO(MSR_K8_TSEG_MASK),
	{ ONE(MSR_VM_CR), FIELD, AT(vm_cr), .set = set_vm_cr },
	{ ONE(MSR_VM_IGNNE), IGNORED | WRITE_ONLY },
	{ ONE(MSR_VM_HSAVE_PA), LIST | FIELD, AT(hsave_pa), .set = set_hsave },
	{ ONE(MSR_AMD64_VIRT_SPEC_CTRL), LIST | BACKEND, X86_FEATURE_VIRT_SSBD,
	  .get = get_backend, .set = set_backend },
	{ RANGE(MSR_AMD64_OSVW_ID_LENGTH, MSR_AMD64_OSVW_STATUS), FIELD,
	  X86_FEATURE_OSVW, AT(osvw_length) },
	ZERO(MSR_F15H_IC_CFG),
	{ ONE(MSR_AMD64_DC_CFG), IGNORED },
	{ ONE(MSR_AMD64_TW_CFG), IGNORED },
	{ ONE(MSR_AMD64_DE_CFG), FEATURE | FIELD, AT(de_cfg), .valid = de_cfg_valid },
	{ ONE(MSR_AMD64_BU_CFG2), IGNORED },
	{ ONE(MSR_F15H_EX_CFG), IGNORED },
};

static const struct msr_row *find(u32 index)
{
	unsigned int lo = 0, hi = ARRAY_SIZE(msrs);

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (index > msrs[mid].last)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < ARRAY_SIZE(msrs) && index >= msrs[lo].first ? &msrs[lo] : NULL;
}

/* Unknown, or not for whoever asks. */
static bool refused(struct lodge_vcpu *vcpu, const struct msr_row *m, bool host)
{
	return !m || (m->feature && !has(vcpu, host, m->feature));
}

/** lodge_msr_known - whether there is an MSR of this number for the guest */
bool lodge_msr_known(struct lodge_vcpu *vcpu, u32 index)
{
	return !refused(vcpu, find(index), false);
}

static int get(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	const struct msr_row *m = find(index);

	if (refused(vcpu, m, host)) {
		*data = 0;
		return !READ_ONCE(ignore_msrs);
	}
	if (m->flags & (FIELD | OWN)) {
		*data = *field_of(vcpu, m, index);
		return 0;
	}
	if (m->get)
		return m->get(vcpu, index, data, host);
	*data = m->value;
	return !!(m->flags & WRITE_ONLY);
}

static int set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host,
	       bool can_sleep)
{
	const struct msr_row *m = find(index);

	if (refused(vcpu, m, host))
		return !READ_ONCE(ignore_msrs);
	if (m->flags & HOST_SET && !host)
		return 1;
	if (m->flags & SLEEPS && !can_sleep)
		return LODGE_SLOW;
	if (m->set)
		return m->set(vcpu, index, data, host);
	if (!(m->flags & (FIELD | OWN)))
		return !(m->flags & IGNORED || (m->flags & ZERO_ONLY && !data));
	if (m->valid && !m->valid(vcpu, index, data, host))
		return 1;
	*field_of(vcpu, m, index) = data;
	return 0;
}

/**
 * lodge_msr_get - read an MSR
 * @vcpu: the vCPU, loaded
 * @index: any
 * @data: the value
 * @host: user space asks, not the guest
 *
 * Context: does not sleep; interrupts may be off.
 * Return: 0, or 1 for #GP.
 */
int lodge_msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	int ret;

	/* What guests read all the time goes before the table. */
	if (index - APIC_BASE_MSR <= 0xff)
		ret = get_x2apic(vcpu, index, data, host);
	else
		ret = get(vcpu, index, data, host);
	if (!host)
		trace_lodge_msr(vcpu, false, index, ret ? 0 : *data, ret);
	return ret;
}

/**
 * lodge_msr_set - write an MSR
 * @vcpu: the vCPU, loaded
 * @index: any
 * @data: the value
 * @host: user space asks, not the guest
 * @can_sleep: the caller may sleep; else interrupts may be off
 *
 * Return: 0, 1 for #GP, or LODGE_SLOW if it can't be done without sleeping.
 */
int lodge_msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host,
		  bool can_sleep)
{
	int ret;

	if (index - APIC_BASE_MSR <= 0xff)
		ret = set_x2apic(vcpu, index, data, host);
	else if (index == MSR_IA32_TSC_DEADLINE)
		ret = set_deadline(vcpu, index, data, host);
	else
		ret = set(vcpu, index, data, host, can_sleep);
	if (!host && ret != LODGE_SLOW)
		trace_lodge_msr(vcpu, true, index, data, ret);
	return ret;
}

/**
 * lodge_msr_init - at load
 *
 * Return: 0; -EINVAL for a table that is out of order.
 */
int __init lodge_msr_init(void)
{
	int i;

	for (i = 1; i < ARRAY_SIZE(msrs); i++)
		if (WARN_ON(msrs[i].first <= msrs[i - 1].last))
			return -EINVAL;
	return 0;
}

/**
 * lodge_msr_alloc - a vCPU's MSRs
 * @vcpu: the vCPU
 *
 * Return: 0 or -ENOMEM.
 */
int lodge_msr_alloc(struct lodge_vcpu *vcpu)
{
	struct lodge_msrs *m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);

	if (!m)
		return -ENOMEM;
	vcpu->msrs = m;
	vcpu->pat = 0x0007040600070406ull;	/* SDM vol. 3A 11.12.4 */
	m->mcg_cap = LODGE_MCE_BANKS;
	m->arch_caps = host_arch_caps();
	m->platform_info = MSR_PLATFORM_INFO_CPUID_FAULT;
	host_feature(MSR_AMD64_DE_CFG, &m->de_cfg);
	/* Some revision that no kernel takes for a broken one. */
	m->ucode_rev = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL ?
		       0x100000000ull : 0x01000065;
	/* Three errata are known to be absent (APM vol. 2 appendix A, OSVW). */
	m->osvw_length = 3;
	return 0;
}

/** lodge_msr_free - with the vCPU */
void lodge_msr_free(struct lodge_vcpu *vcpu)
{
	kfree(vcpu->msrs);
	vcpu->msrs = NULL;
}

/** lodge_msr_reset - after RESET; INIT leaves MSRs alone */
void lodge_msr_reset(struct lodge_vcpu *vcpu)
{
	vcpu->msr_misc_enable = MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL |
				MSR_IA32_MISC_ENABLE_BTS_UNAVAIL;
	vcpu->msrs->misc_features = 0;
	vcpu->cpuid.fault = false;
}

/*
 * The ioctls.
 */

static bool listed(const struct msr_row *m, bool feature)
{
	if (feature)
		return m->flags & FEATURE;
	if (!(m->flags & LIST))
		return false;
	if (m->feature && !lodge_cpuid_supported(m->feature))
		return false;
	return !(m->flags & BACKEND) || lodge_backend->msr_exists(m->first);
}

/**
 * lodge_msr_get_list - KVM_GET_MSR_INDEX_LIST, KVM_GET_MSR_FEATURE_INDEX_LIST
 * @arg: room for arg->nmsrs indexes; the number that there are comes back
 * @feature: the latter
 *
 * Return: 0; -E2BIG if there is too little room; -EFAULT.
 */
long lodge_msr_get_list(struct kvm_msr_list __user *arg, bool feature)
{
	u32 room, index, n = 0;
	int i;

	if (get_user(room, &arg->nmsrs))
		return -EFAULT;
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		if (listed(&msrs[i], feature))
			n += msrs[i].last - msrs[i].first + 1;
	if (put_user(n, &arg->nmsrs))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	for (i = 0, n = 0; i < ARRAY_SIZE(msrs); i++) {
		if (!listed(&msrs[i], feature))
			continue;
		for (index = msrs[i].first; index <= msrs[i].last; index++)
			if (put_user(index, &arg->indices[n++]))
				return -EFAULT;
	}
	return 0;
}

/* As many as KVM takes at once. */
#define MAX_MSRS	256

/* Reads the list, has each done until one fails, and writes it back. */
static long do_many(struct lodge_vcpu *vcpu, struct kvm_msrs __user *arg,
		    bool write,
		    int (*fn)(struct lodge_vcpu *vcpu, struct kvm_msr_entry *e))
{
	struct kvm_msr_entry *entries;
	u32 i, nmsrs;
	long ret;

	if (get_user(nmsrs, &arg->nmsrs))
		return -EFAULT;
	if (nmsrs >= MAX_MSRS)
		return -E2BIG;
	entries = memdup_user(arg->entries, nmsrs * sizeof(*entries));
	if (IS_ERR(entries))
		return PTR_ERR(entries);
	for (i = 0; i < nmsrs; i++)
		if (fn(vcpu, &entries[i]))
			break;
	ret = i;
	if (!write && copy_to_user(arg->entries, entries, nmsrs * sizeof(*entries)))
		ret = -EFAULT;
	kfree(entries);
	return ret;
}

static int get_entry(struct lodge_vcpu *vcpu, struct kvm_msr_entry *e)
{
	return lodge_msr_get(vcpu, e->index, &e->data, true);
}

static int set_entry(struct lodge_vcpu *vcpu, struct kvm_msr_entry *e)
{
	return lodge_msr_set(vcpu, e->index, e->data, true, true);
}

static int get_feature(struct lodge_vcpu *unused, struct kvm_msr_entry *e)
{
	return host_feature(e->index, &e->data);
}

/**
 * lodge_msr_get_feature_msrs - KVM_GET_MSRS on the system's descriptor
 * @arg: the list
 *
 * Return: how many were read before the first that could not be; -E2BIG for
 * a list of 256 or more; -EFAULT, -ENOMEM.
 */
long lodge_msr_get_feature_msrs(struct kvm_msrs __user *arg)
{
	return do_many(NULL, arg, false, get_feature);
}

/**
 * lodge_msr_get_many - KVM_GET_MSRS on a vCPU
 * @vcpu: the vCPU, loaded, its lock held
 * @arg: the list
 *
 * Return: as lodge_msr_get_feature_msrs().
 */
long lodge_msr_get_many(struct lodge_vcpu *vcpu, struct kvm_msrs __user *arg)
{
	return do_many(vcpu, arg, false, get_entry);
}

/**
 * lodge_msr_set_many - KVM_SET_MSRS
 * @vcpu: the vCPU, loaded, its lock held
 * @arg: the list
 *
 * Return: how many were written before the first that could not be; errors
 * as lodge_msr_get_feature_msrs().
 */
long lodge_msr_set_many(struct lodge_vcpu *vcpu, struct kvm_msrs __user *arg)
{
	return do_many(vcpu, arg, true, set_entry);
}
