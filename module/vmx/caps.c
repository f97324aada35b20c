// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: VMX capabilities
 *
 * Which controls lodge uses, from what the capability MSRs allow (SDM vol. 3D
 * appendix A). One table says of each control whether lodge requires it, and
 * in which words it is missed, or which feature it makes. Features can be
 * switched off by module parameters of the same name; a feature that rests on
 * another goes with it (SDM vol. 3C 27.2.1.1).
 *
 * All of it works on values: the CPU is read in one place, and tests make up
 * CPUs that nobody built.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <asm/cpuid.h>
#include <asm/msr.h>

#include "caps.h"

/* SDM vol. 3D A.1; 6.1's headers have no names for them. */
#define BASIC_TRUE_CONTROLS	BIT_ULL(55)
#define BASIC_MEMORY_TYPE(b)	((b) >> 50 & 0xf)
/* 6.1 and 6.12 call it by different names. */
#define CPU2_XSAVES		VMCS_CONTROL_BIT(XSAVES)
/* IA32_VMX_EPT_VPID_CAP, whose upper half the header counts from 0. */
#define VPID_CAP(bit)		((u64)VMX_VPID_##bit##_BIT << 32)

struct vmx_features vmx_allowed = {
	.ept_ad = true,
	.ept_1g = true,
	.vpid = true,
	.preemption_timer = true,
	.vnmi = true,
	.mtf = true,
	.tpr_shadow = true,
	.apic_access = true,
	.apic_regs = true,
	.vid = true,
	/* Bochs 2.7 delivers interrupts to guests that have them closed. */
	.vid_alone = false,
	.x2apic_virt = true,
	/* No host of the tests has them: not before they were seen at work. */
	.posted_intr = false,
	.pml = true,
	.tsc_scaling = true,
	.ple = true,
	.xsaves = true,
	.rdtscp = true,
	.invpcid = true,
	.encls = true,
};

#define SWITCH(name, field, what)					\
	module_param_named(name, vmx_allowed.field, bool, 0444);	\
	MODULE_PARM_DESC(name, "VMX: use " what)

SWITCH(vpid, vpid, "VPIDs, so that TLB entries survive exits");
SWITCH(eptad, ept_ad, "accessed and dirty flags in EPT entries");
SWITCH(preemption_timer, preemption_timer, "the preemption timer");
SWITCH(vnmi, vnmi, "virtual NMIs");
SWITCH(tpr_shadow, tpr_shadow, "the TPR shadow, so that CR8 doesn't exit");
SWITCH(apic_access, apic_access, "APIC-access virtualization");
SWITCH(apic_regs, apic_regs, "APIC-register virtualization");
SWITCH(vid, vid, "virtual-interrupt delivery");
SWITCH(vid_alone, vid_alone, "it on CPUs without posted interrupts, too");
SWITCH(x2apic_virt, x2apic_virt, "x2APIC virtualization");
SWITCH(posted_intr, posted_intr, "posted interrupts");
SWITCH(pml, pml, "page-modification logging");
SWITCH(tsc_scaling, tsc_scaling, "TSC scaling");
SWITCH(ple, ple, "PAUSE-loop exiting");

enum word { PIN, CPU, CPU2, EXIT, ENTRY, NR_WORDS };

enum rule {
	ON,		/* required, and always on */
	CAN,		/* required, on and off as needed */
	WISH,		/* a feature: on wherever it is there */
	OFFER,		/* a feature: on and off as needed */
};

struct control {
	enum word word;
	enum rule rule;
	u32 bit;
	size_t feature;		/* of a feature: where in struct vmx_features */
	const char *name;	/* of what is required */
};

#define FEATURE(x)	.feature = offsetof(struct vmx_features, x)

/*
 * What isn't here is off: nothing exits for CR3, INVLPG, RDTSC, RDRAND, the
 * descriptor tables. All ports, HLT, MWAIT, MONITOR, RDPMC and WBINVD exit,
 * because what they would do is the host's.
 */
static const struct control controls[] = {
	{ PIN, ON, PIN_BASED_EXT_INTR_MASK, .name = "external-interrupt exiting" },
	{ PIN, ON, PIN_BASED_NMI_EXITING, .name = "NMI exiting" },
	{ PIN, OFFER, PIN_BASED_VMX_PREEMPTION_TIMER, FEATURE(preemption_timer) },
	{ PIN, WISH, PIN_BASED_VIRTUAL_NMIS, FEATURE(vnmi) },
	{ PIN, OFFER, PIN_BASED_POSTED_INTR, FEATURE(posted_intr) },
	{ CPU, CAN, CPU_BASED_INTR_WINDOW_EXITING,
	  .name = "interrupt-window exiting" },
	{ CPU, ON, CPU_BASED_USE_TSC_OFFSETTING, .name = "TSC offsetting" },
	{ CPU, ON, CPU_BASED_HLT_EXITING, .name = "HLT exiting" },
	{ CPU, ON, CPU_BASED_MWAIT_EXITING, .name = "MWAIT exiting" },
	{ CPU, ON, CPU_BASED_RDPMC_EXITING, .name = "RDPMC exiting" },
	{ CPU, WISH, CPU_BASED_TPR_SHADOW, FEATURE(tpr_shadow) },
	{ CPU, CAN, CPU_BASED_MOV_DR_EXITING, .name = "MOV-DR exiting" },
	{ CPU, ON, CPU_BASED_UNCOND_IO_EXITING,
	  .name = "unconditional I/O exiting" },
	{ CPU, OFFER, CPU_BASED_MONITOR_TRAP_FLAG, FEATURE(mtf) },
	{ CPU, ON, CPU_BASED_USE_MSR_BITMAPS, .name = "MSR bitmaps" },
	{ CPU, ON, CPU_BASED_MONITOR_EXITING, .name = "MONITOR exiting" },
	{ CPU, ON, CPU_BASED_ACTIVATE_SECONDARY_CONTROLS,
	  .name = "secondary processor-based controls" },
	{ CPU2, ON, SECONDARY_EXEC_ENABLE_EPT, .name = "EPT" },
	{ CPU2, ON, SECONDARY_EXEC_UNRESTRICTED_GUEST,
	  .name = "unrestricted guest" },
	{ CPU2, ON, SECONDARY_EXEC_WBINVD_EXITING, .name = "WBINVD exiting" },
	{ CPU2, OFFER, SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES,
	  FEATURE(apic_access) },
	{ CPU2, WISH, SECONDARY_EXEC_ENABLE_RDTSCP, FEATURE(rdtscp) },
	{ CPU2, OFFER, SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE,
	  FEATURE(x2apic_virt) },
	{ CPU2, WISH, SECONDARY_EXEC_ENABLE_VPID, FEATURE(vpid) },
	{ CPU2, OFFER, SECONDARY_EXEC_APIC_REGISTER_VIRT, FEATURE(apic_regs) },
	{ CPU2, OFFER, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY, FEATURE(vid) },
	{ CPU2, WISH, SECONDARY_EXEC_PAUSE_LOOP_EXITING, FEATURE(ple) },
	{ CPU2, WISH, SECONDARY_EXEC_ENABLE_INVPCID, FEATURE(invpcid) },
	{ CPU2, WISH, SECONDARY_EXEC_ENCLS_EXITING, FEATURE(encls) },
	{ CPU2, OFFER, SECONDARY_EXEC_ENABLE_PML, FEATURE(pml) },
	{ CPU2, WISH, CPU2_XSAVES, FEATURE(xsaves) },
	{ CPU2, WISH, SECONDARY_EXEC_TSC_SCALING, FEATURE(tsc_scaling) },
	{ EXIT, ON, VM_EXIT_SAVE_DEBUG_CONTROLS,
	  .name = "saving of debug controls at VM exit" },
	{ EXIT, ON, VM_EXIT_HOST_ADDR_SPACE_SIZE, .name = "a 64-bit host" },
	/* Else they stay pending, and are taken when the host opens interrupts. */
	{ EXIT, OFFER, VM_EXIT_ACK_INTR_ON_EXIT, FEATURE(posted_intr) },
	{ EXIT, ON, VM_EXIT_SAVE_IA32_PAT, .name = "saving of PAT at VM exit" },
	{ EXIT, ON, VM_EXIT_LOAD_IA32_PAT, .name = "loading of PAT at VM exit" },
	{ EXIT, ON, VM_EXIT_SAVE_IA32_EFER, .name = "saving of EFER at VM exit" },
	{ EXIT, ON, VM_EXIT_LOAD_IA32_EFER, .name = "loading of EFER at VM exit" },
	{ ENTRY, ON, VM_ENTRY_LOAD_DEBUG_CONTROLS,
	  .name = "loading of debug controls at VM entry" },
	{ ENTRY, CAN, VM_ENTRY_IA32E_MODE, .name = "64-bit guests" },
	{ ENTRY, ON, VM_ENTRY_LOAD_IA32_PAT, .name = "loading of PAT at VM entry" },
	{ ENTRY, ON, VM_ENTRY_LOAD_IA32_EFER,
	  .name = "loading of EFER at VM entry" },
};

/* Also required, of IA32_VMX_EPT_VPID_CAP. */
static const struct {
	u64 bit;
	const char *name;
} ept_needs[] = {
	{ VMX_EPT_PAGE_WALK_4_BIT, "EPT of 4 levels" },
	{ VMX_EPTP_WB_BIT, "write-back memory type for EPT tables" },
	{ VMX_EPT_2MB_PAGE_BIT, "EPT leaves of 2M" },
	{ VMX_EPT_INVEPT_BIT, "INVEPT" },
	{ VMX_EPT_EXTENT_GLOBAL_BIT, "INVEPT of all contexts" },
};

/*
 * The default1 class: bits that are 1 where nothing else is known. Those that
 * mean something (exits for CR3) are not among them here: lodge wants them off.
 */
static const u32 default1[NR_WORDS] = {
	[PIN] = PIN_BASED_ALWAYSON_WITHOUT_TRUE_MSR,
	[CPU] = CPU_BASED_ALWAYSON_WITHOUT_TRUE_MSR &
		~(CPU_BASED_CR3_LOAD_EXITING | CPU_BASED_CR3_STORE_EXITING),
	[EXIT] = VM_EXIT_ALWAYSON_WITHOUT_TRUE_MSR,
	[ENTRY] = VM_ENTRY_ALWAYSON_WITHOUT_TRUE_MSR,
};

/**
 * vmx_caps_read - this CPU's capability MSRs
 * @m: where to
 *
 * The CPU has VMX. Any context.
 */
void vmx_caps_read(struct vmx_cap_msrs *m)
{
	bool true_ones;

	*m = (struct vmx_cap_msrs){ .signature = cpuid_eax(1) };
	rdmsrl(MSR_IA32_FEAT_CTL, m->feature_control);
	rdmsrl(MSR_IA32_VMX_BASIC, m->basic);
	true_ones = m->basic & BASIC_TRUE_CONTROLS;
	rdmsrl(true_ones ? MSR_IA32_VMX_TRUE_PINBASED_CTLS :
			   MSR_IA32_VMX_PINBASED_CTLS, m->pin);
	rdmsrl(true_ones ? MSR_IA32_VMX_TRUE_PROCBASED_CTLS :
			   MSR_IA32_VMX_PROCBASED_CTLS, m->cpu);
	rdmsrl(true_ones ? MSR_IA32_VMX_TRUE_EXIT_CTLS :
			   MSR_IA32_VMX_EXIT_CTLS, m->exit);
	rdmsrl(true_ones ? MSR_IA32_VMX_TRUE_ENTRY_CTLS :
			   MSR_IA32_VMX_ENTRY_CTLS, m->entry);
	rdmsrl(MSR_IA32_VMX_MISC, m->misc);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED0, m->cr0_fixed0);
	rdmsrl(MSR_IA32_VMX_CR0_FIXED1, m->cr0_fixed1);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED0, m->cr4_fixed0);
	rdmsrl(MSR_IA32_VMX_CR4_FIXED1, m->cr4_fixed1);
	if (m->cpu >> 32 & CPU_BASED_ACTIVATE_SECONDARY_CONTROLS)
		rdmsrl(MSR_IA32_VMX_PROCBASED_CTLS2, m->cpu2);
	if (m->cpu2 >> 32 & (SECONDARY_EXEC_ENABLE_EPT |
			     SECONDARY_EXEC_ENABLE_VPID))
		rdmsrl(MSR_IA32_VMX_EPT_VPID_CAP, m->ept_vpid);
}

/* SDM vol. 3C 24.7, 3D A.1. */
static const char *missing_basics(const struct vmx_cap_msrs *m)
{
	/*
	 * Unlocked it is still ours to set. In or out of SMX: the kernel knows
	 * where it is, and takes X86_FEATURE_VMX away if the other one is on.
	 */
	if ((m->feature_control & FEAT_CTL_LOCKED) &&
	    !(m->feature_control & (FEAT_CTL_VMX_ENABLED_INSIDE_SMX |
				    FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX)))
		return "VMX enabled by the firmware (IA32_FEATURE_CONTROL)";
	if (vmx_basic_vmcs_size(m->basic) > PAGE_SIZE)
		return "a VMCS of no more than 4K";
	if (BASIC_MEMORY_TYPE(m->basic) != VMX_EPTP_MT_WB)
		return "write-back memory type for the VMCS";
	return NULL;
}

static const char *missing_control(const u64 *msr)
{
	u32 known[NR_WORDS];
	int i;

	memcpy(known, default1, sizeof(known));
	for (i = 0; i < ARRAY_SIZE(controls); i++) {
		const struct control *c = &controls[i];

		if (c->rule <= CAN && !(msr[c->word] >> 32 & c->bit))
			return c->name;
		if (c->rule == ON)
			known[c->word] |= c->bit;
	}
	for (i = 0; i < NR_WORDS; i++)
		if ((u32)msr[i] & ~known[i])
			return "freedom from exits that lodge has no use for";
	return NULL;
}

static const char *missing_ept(u64 ept_vpid)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ept_needs); i++)
		if (!(ept_vpid & ept_needs[i].bit))
			return ept_needs[i].name;
	return NULL;
}

static bool *feature(struct vmx_features *has, const struct control *c)
{
	return (bool *)((void *)has + c->feature);
}

/*
 * The preemption timer doesn't count right: Intel's specification updates,
 * errata AAT59 and AAU65 of Westmere, and Xeon E3-1220 v2. What is older and
 * has it, too, has no unrestricted guest.
 */
static bool timer_erratum(u32 signature)
{
	return signature == 0x20652 || signature == 0x20655 ||
	       signature == 0x306a8;
}

/* Leaves of @c->has, which has all that may be used, what can be. */
static void find_features(struct vmx_caps *c, const u64 *msr)
{
	struct vmx_features *has = &c->has;
	u64 ept_vpid = c->msrs.ept_vpid;
	int i;

	for (i = 0; i < ARRAY_SIZE(controls); i++)
		if (controls[i].rule > CAN &&
		    !(msr[controls[i].word] >> 32 & controls[i].bit))
			*feature(has, &controls[i]) = false;
	if (!(ept_vpid & VMX_EPT_AD_BIT))
		has->ept_ad = false;
	if (!(ept_vpid & VMX_EPT_1GB_PAGE_BIT))
		has->ept_1g = false;
	/* Tags are of use only if one's own entries can be dropped. */
	if (!(ept_vpid & VPID_CAP(INVVPID)) ||
	    !(ept_vpid & (VPID_CAP(EXTENT_SINGLE_CONTEXT) |
			  VPID_CAP(EXTENT_GLOBAL_CONTEXT))))
		has->vpid = false;
	/* Virtual NMIs without their window would have to be polled for. */
	if (!(msr[CPU] >> 32 & CPU_BASED_NMI_WINDOW_EXITING))
		has->vnmi = false;
	if (timer_erratum(c->msrs.signature))
		has->preemption_timer = false;
	if (!has->tpr_shadow)
		has->apic_regs = has->vid = has->x2apic_virt = false;
	if (!has->vid_alone && !(msr[PIN] >> 32 & PIN_BASED_POSTED_INTR))
		has->vid = false;
	has->vid_alone = false;
	if (!has->vid)
		has->posted_intr = false;
	if (!has->ept_ad)
		has->pml = false;

	c->invept_single = ept_vpid & VMX_EPT_EXTENT_CONTEXT_BIT;
	c->invvpid_addr = has->vpid &&
			  ept_vpid & VPID_CAP(EXTENT_INDIVIDUAL_ADDR);
	c->invvpid_single = has->vpid &&
			    ept_vpid & VPID_CAP(EXTENT_SINGLE_CONTEXT);
	c->invvpid_all = has->vpid &&
			 ept_vpid & VPID_CAP(EXTENT_GLOBAL_CONTEXT);
}

/**
 * vmx_caps_compute - the controls that lodge uses on a CPU
 * @m: the CPU's capability MSRs
 * @allowed: features that may be used
 * @c: what comes of it
 * @missing: set to what lodge requires and the CPU lacks, in words, or to NULL
 *
 * A pure function: the same for the same @m, and equal @c compare equal.
 *
 * Return: 0, or -EOPNOTSUPP with @missing set.
 */
int vmx_caps_compute(const struct vmx_cap_msrs *m,
		     const struct vmx_features *allowed, struct vmx_caps *c,
		     const char **missing)
{
	const u64 msr[NR_WORDS] = { m->pin, m->cpu, m->cpu2, m->exit, m->entry };
	const u32 cr8 = CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING;
	u32 word[NR_WORDS];
	int i;

	memset(c, 0, sizeof(*c));
	*missing = missing_basics(m);
	if (!*missing)
		*missing = missing_control(msr);
	if (!*missing)
		*missing = missing_ept(m->ept_vpid);
	if (*missing)
		return -EOPNOTSUPP;

	c->msrs = *m;
	c->has = *allowed;
	find_features(c, msr);
	for (i = 0; i < NR_WORDS; i++)
		word[i] = msr[i];
	for (i = 0; i < ARRAY_SIZE(controls); i++) {
		const struct control *ctl = &controls[i];

		if (ctl->rule == ON ||
		    (ctl->rule == WISH && *feature(&c->has, ctl)))
			word[ctl->word] |= ctl->bit;
	}
	if (!c->has.tpr_shadow) {
		word[CPU] |= cr8;
		if (~(msr[CPU] >> 32) & cr8) {
			*missing = "a TPR shadow, or CR8 exiting";
			return -EOPNOTSUPP;
		}
	}
	c->pin = word[PIN];
	c->cpu = word[CPU];
	c->cpu2 = word[CPU2];
	c->exit = word[EXIT];
	c->entry = word[ENTRY];
	c->timer_shift = vmx_misc_preemption_timer_rate(m->misc);
	c->vmcs_size = vmx_basic_vmcs_size(m->basic);
	c->revision = vmx_basic_vmcs_revision_id(m->basic);
	return 0;
}

/**
 * vmx_caps_apic - secondary controls of a vCPU whose local APIC is in the kernel
 * @c: what the CPU has
 * @x2apic: the APIC is in x2APIC mode; otherwise it is enabled, in xAPIC mode
 *
 * The two modes exclude each other (SDM vol. 3C 27.2.1.1). Registers are the
 * CPU's own only where it virtualizes the way to them, too.
 *
 * Return: bits to be set beside those of @c->cpu2.
 */
u32 vmx_caps_apic(const struct vmx_caps *c, bool x2apic)
{
	u32 bits = c->has.vid ? SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY : 0;

	if (!(x2apic ? c->has.x2apic_virt : c->has.apic_access))
		return bits;
	bits |= x2apic ? SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE :
			 SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES;
	if (c->has.apic_regs)
		bits |= SECONDARY_EXEC_APIC_REGISTER_VIRT;
	return bits;
}
