/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a CPU's VMX can do, and the controls that follow from it. The MSRs'
 * values go in as data, so that tests can make up any CPU.
 */
#ifndef LODGE_VMX_CAPS_H
#define LODGE_VMX_CAPS_H

#include <linux/types.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/vmx.h>

/**
 * struct vmx_cap_msrs - the capability MSRs, SDM vol. 3D appendix A
 * @feature_control: IA32_FEATURE_CONTROL
 * @basic: IA32_VMX_BASIC
 * @pin: allowed settings: low half those that must be 1, high half those that
 *	may be; as for @cpu, @exit and @entry of the TRUE MSR where there is one
 * @cpu: primary processor-based controls
 * @cpu2: secondary ones, 0 without
 * @exit: VM-exit controls
 * @entry: VM-entry controls
 * @misc: IA32_VMX_MISC
 * @cr0_fixed0: bits of CR0 that must be 1
 * @cr0_fixed1: bits of CR0 that may be 1
 * @cr4_fixed0: bits of CR4 that must be 1
 * @cr4_fixed1: bits of CR4 that may be 1
 * @ept_vpid: IA32_VMX_EPT_VPID_CAP, 0 without either
 * @signature: CPUID 1 EAX, for errata
 */
struct vmx_cap_msrs {
	u64 feature_control;
	u64 basic;
	u64 pin, cpu, cpu2, exit, entry;
	u64 misc;
	u64 cr0_fixed0, cr0_fixed1;
	u64 cr4_fixed0, cr4_fixed1;
	u64 ept_vpid;
	u64 signature;
};

/**
 * struct vmx_features - what lodge uses where it is there, and does without
 * @ept_ad: accessed and dirty flags in EPT entries
 * @ept_1g: EPT leaves of 1G
 * @vpid: TLB entries tagged by vCPU; INVVPID for one or all contexts with it
 * @preemption_timer: a timer that makes the guest exit
 * @vnmi: NMI blocking kept by the CPU, and NMI-window exiting
 * @mtf: monitor trap flag: an exit after each instruction
 * @tpr_shadow: CR8 on a virtual-APIC page
 * @apic_access: accesses to the xAPIC's page are told from others
 * @apic_regs: APIC reads, and writes without effect, don't exit
 * @vid: virtual-interrupt delivery: EOI, self-IPI and delivery don't exit
 * @vid_alone: the same on a CPU without posted interrupts. No real one is known; of
 *	what is, it is always false
 * @x2apic_virt: the same for the x2APIC's MSRs
 * @posted_intr: interrupts for a running vCPU without an exit
 * @pml: page-modification logging
 * @tsc_scaling: TSC multiplier
 * @ple: PAUSE-loop exiting
 * @xsaves: XSAVES and XRSTORS enabled
 * @rdtscp: RDTSCP and RDPID enabled
 * @invpcid: INVPCID enabled
 * @encls: ENCLS exits: a guest has no enclaves
 *
 * Serves twice: as what may be used (the module parameters), and as what is.
 */
struct vmx_features {
	bool ept_ad, ept_1g, vpid;
	bool preemption_timer, vnmi, mtf;
	bool tpr_shadow, apic_access, apic_regs, vid, vid_alone;
	bool x2apic_virt, posted_intr;
	bool pml, tsc_scaling, ple;
	bool xsaves, rdtscp, invpcid, encls;
};

/**
 * struct vmx_caps - what lodge makes of a CPU
 * @msrs: what it was computed from
 * @has: the features that are there, and may be used
 * @pin: the controls that every vCPU begins with. What changes while it runs
 *	is clear in them: windows, preemption timer, IA-32e mode, page-modification
 *	logging, posted interrupts, and what vmx_caps_apic() says
 * @cpu: primary processor-based; without a TPR shadow CR8 exits
 * @cpu2: secondary
 * @exit: VM exit
 * @entry: VM entry
 * @invept_single: INVEPT knows single contexts; all contexts it always knows
 * @invvpid_addr: INVVPID knows single addresses; this and the next two are
 *	false without VPID, and with it one of the next two is true
 * @invvpid_single: single contexts
 * @invvpid_all: all contexts
 * @timer_shift: the preemption timer counts TSC ticks >> this
 * @vmcs_size: bytes of a VMCS or VMXON region
 * @revision: goes to its beginning
 */
struct vmx_caps {
	struct vmx_cap_msrs msrs;
	struct vmx_features has;
	u32 pin, cpu, cpu2, exit, entry;
	bool invept_single;
	bool invvpid_addr, invvpid_single, invvpid_all;
	u8 timer_shift;
	u32 vmcs_size;
	u32 revision;
};

extern struct vmx_features vmx_allowed;		/* the module parameters */

void vmx_caps_read(struct vmx_cap_msrs *m);
int vmx_caps_compute(const struct vmx_cap_msrs *m,
		     const struct vmx_features *allowed, struct vmx_caps *c,
		     const char **missing);
u32 vmx_caps_apic(const struct vmx_caps *c, bool x2apic);

/*
 * Bits that a guest's CR0 has to have set, and clear, as the CPU sees it: SDM
 * vol. 3D A.7, 3C 27.3.1.1. An unrestricted guest has PE and PG as it likes.
 */
static inline u64 vmx_cr0_on(const struct vmx_caps *c)
{
	return c->msrs.cr0_fixed0 & ~(X86_CR0_PE | X86_CR0_PG);
}

static inline u64 vmx_cr0_off(const struct vmx_caps *c)
{
	return ~c->msrs.cr0_fixed1;
}

/* The same of CR4: A.8. */
static inline u64 vmx_cr4_on(const struct vmx_caps *c)
{
	return c->msrs.cr4_fixed0;
}

static inline u64 vmx_cr4_off(const struct vmx_caps *c)
{
	return ~c->msrs.cr4_fixed1;
}

/* The EPT pointer for tables whose root lies at @root. */
static inline u64 vmx_eptp(const struct vmx_caps *c, u64 root)
{
	return root | VMX_EPTP_PWL_4 | VMX_EPTP_MT_WB |
	       (c->has.ept_ad ? VMX_EPTP_AD_ENABLE_BIT : 0);
}

#endif /* LODGE_VMX_CAPS_H */
