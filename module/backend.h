/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The wall between vendor-neutral code and a vendor. Common code decides,
 * vendor code decodes. Everything is called with the vCPU loaded on this CPU
 * (preemption may be on: a preempt notifier moves it) unless said otherwise.
 */
#ifndef LODGE_BACKEND_H
#define LODGE_BACKEND_H

#include <linux/static_call.h>

#include "lodge.h"

/* Why an intercept is wanted: the union of all requesters' wishes is armed. */
enum lodge_want {
	LODGE_WANT_IRQ_WINDOW,	/* exit when the guest can take an interrupt */
	LODGE_WANT_NMI_WINDOW,	/* exit when the guest can take an NMI */
	LODGE_WANT_BP,		/* #BP exits: guest debugging */
	LODGE_WANT_FPU,		/* x87, SSE ... exit with #NM: lodge_xstate_need() */
};

/* What the hardware can do, for common code to choose by. */
struct lodge_hw_caps {
	u8 npt_levels;		/* 4 or 5 */
	bool npt_1g;
	bool npt_ept;		/* entries are EPT's, not NPT's */
	bool npt_ad;		/* hardware sets accessed and dirty bits */
	bool npt_split_code;	/* only 4K leaves are executed: X86_BUG_ITLB_MULTIHIT */
	bool npt_log;		/* and logs where: lodge_npt_logged() */
	bool tsc_scaling;
	u8 tsc_frac_bits;
	u64 tsc_max_ratio;
	bool xsaves;
	bool fpu_trap;		/* CR0.TS hides the registers, from speculation, too */
	u8 maxphyaddr;		/* bits of a guest-physical address */
	bool deadline_timer;	/* deadline() */
	bool apic_access;	/* an APIC-access page makes sense */
	bool apic_tpr;		/* TPR is the hardware's: apic_threshold() */
	bool apic_vid;		/* interrupts are delivered by it: apic_status() */
	bool apic_posted;	/* also while the guest runs: apic_post() */
};

struct lodge_backend {
	const char *name;

	/*
	 * The hardware. probe() may sleep and changes nothing: ENODEV if
	 * there is none of it, EOPNOTSUPP with a line in words. enable() and disable() run on each CPU with
	 * interrupts off; enable() gives EBUSY if somebody else holds the CPU.
	 */
	int (*probe)(struct lodge_hw_caps *caps);
	int (*init)(void);		/* once, at load, after probe() */
	void (*exit)(void);
	int (*enable)(void);
	void (*disable)(void);

	/* A vCPU's life; may sleep. */
	int (*vcpu_init)(struct lodge_vcpu *vcpu);
	void (*vcpu_free)(struct lodge_vcpu *vcpu);
	void (*vcpu_reset)(struct lodge_vcpu *vcpu, bool init);
	void (*load)(struct lodge_vcpu *vcpu, int cpu);	/* preemption off */
	void (*put)(struct lodge_vcpu *vcpu);		/* preemption off */

	/*
	 * The inner loop, interrupts off. enter() loads what stays loaded
	 * between exits, run() enters the guest once and finishes the exit if
	 * that needs nothing slow (enum lodge_next), leave() undoes enter(), and
	 * may call the host's handlers last: FPU and PKRU are the host's again.
	 * slow() finishes what run() could not, interrupts on, may sleep.
	 * regs[LODGE_RSP] is the guest's outside of enter() and leave() only.
	 */
	void (*enter)(struct lodge_vcpu *vcpu);
	int (*run)(struct lodge_vcpu *vcpu);
	void (*leave)(struct lodge_vcpu *vcpu);
	int (*slow)(struct lodge_vcpu *vcpu);

	/* Events. Any injection holds for the next entry only. */
	void (*inject_exception)(struct lodge_vcpu *vcpu,
				 const struct lodge_exception *e);
	void (*inject_irq)(struct lodge_vcpu *vcpu, u8 vector, bool soft);
	void (*inject_nmi)(struct lodge_vcpu *vcpu);
	bool (*nmi_masked)(struct lodge_vcpu *vcpu);
	void (*set_nmi_masked)(struct lodge_vcpu *vcpu, bool masked);
	/* What the instruction before holds off: bits of KVM_X86_SHADOW_INT_*. */
	u8 (*int_shadow)(struct lodge_vcpu *vcpu);
	void (*set_int_shadow)(struct lodge_vcpu *vcpu, u8 shadow);
	void (*want)(struct lodge_vcpu *vcpu, enum lodge_want what, bool on);

	/*
	 * A local APIC on whose page hardware works; NULL where it doesn't.
	 * apic_mode(): vcpu->apic_base has changed. apic_threshold(): exit when
	 * TPR's class is below. apic_status(): highest vectors requested and in
	 * service, 0 for none; EOIs that are to exit.
	 */
	void (*apic_mode)(struct lodge_vcpu *vcpu);
	void (*apic_threshold)(struct lodge_vcpu *vcpu, u8 class);
	void (*apic_status)(struct lodge_vcpu *vcpu, u8 requested, u8 in_service,
			    const unsigned long *eoi_exits);
	/* Any context but NMI; what the vCPU that is there is to look at is posted. */
	void (*apic_post)(int cpu);
	/* Exit when the host's TSC is there, 0: never. NULL where it can't. */
	void (*deadline)(struct lodge_vcpu *vcpu, u64 host_tsc);

	/* State. Getters see what the guest last left, setters hold at entry. */
	u64 (*cr_get)(struct lodge_vcpu *vcpu, int n);		/* 0, 3, 4 */
	void (*cr_set)(struct lodge_vcpu *vcpu, int n, u64 val);
	u64 (*efer_get)(struct lodge_vcpu *vcpu);
	void (*efer_set)(struct lodge_vcpu *vcpu, u64 efer);
	void (*seg_get)(struct lodge_vcpu *vcpu, enum lodge_seg seg,
			struct kvm_segment *var);
	void (*seg_set)(struct lodge_vcpu *vcpu, enum lodge_seg seg,
			const struct kvm_segment *var);
	void (*dt_get)(struct lodge_vcpu *vcpu, bool idt, struct kvm_dtable *dt);
	void (*dt_set)(struct lodge_vcpu *vcpu, bool idt,
		       const struct kvm_dtable *dt);
	int (*cpl)(struct lodge_vcpu *vcpu);
	int (*code_bits)(struct lodge_vcpu *vcpu);	/* CS: 64, or 32 or 16 by its D */
	void (*dr_set)(struct lodge_vcpu *vcpu);	/* from vcpu->dr, dr6, dr7 */
	void (*dr_lend)(struct lodge_vcpu *vcpu, bool on);	/* DR6 and 7, and no exits */
	void (*tsc_set)(struct lodge_vcpu *vcpu);	/* from vcpu->tsc */
	void (*cpuid_changed)(struct lodge_vcpu *vcpu);
	/* MSRs that the vendor's structures hold: 0, or -ENOENT if not its own. */
	int (*msr_get)(struct lodge_vcpu *vcpu, u32 index, u64 *data);
	int (*msr_set)(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host);
	bool (*msr_exists)(u32 index);		/* offered on this host */
	void (*msr_filter)(struct lodge_vcpu *vcpu);	/* what lodge_msr_allowed() says has changed */

	/* The instruction that exited. next_rip() is 0 if the CPU doesn't say. */
	u64 (*next_rip)(struct lodge_vcpu *vcpu);
	int (*insn_bytes)(struct lodge_vcpu *vcpu, u8 *buf);	/* how many, 0-15 */
	/* At the next entry: what came of the nested tables, or of the guest's. */
	void (*tlb_flush)(struct lodge_vcpu *vcpu, bool nested);
	void (*tlb_flush_page)(struct lodge_vcpu *vcpu, u64 gva);
	void (*describe)(struct lodge_vcpu *vcpu, char *buf, size_t len);
};

extern const struct lodge_backend svm_backend, vmx_backend;
extern const struct lodge_backend *lodge_backend;	/* chosen once at load */
extern struct lodge_hw_caps lodge_caps;

/* The hot ones are static calls; the rest go through the pointer. */
DECLARE_STATIC_CALL(lodge_run, *((struct lodge_backend *)0)->run);
DECLARE_STATIC_CALL(lodge_next_rip, *((struct lodge_backend *)0)->next_rip);

#endif /* LODGE_BACKEND_H */
