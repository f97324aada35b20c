/* SPDX-License-Identifier: GPL-2.0-only */
/* AMD-V: what the files of this room share. */
#ifndef LODGE_SVM_H
#define LODGE_SVM_H

#include <asm/svm.h>

#include "backend.h"

/**
 * struct svm_switch - what entry.S swaps beside the general registers
 * @guest_gs: the guest's GS base while its VMLOAD state is in the CPU
 * @host_gs: the host's
 * @spec_ctrl: the guest's IA32_SPEC_CTRL
 * @spec_free: the guest writes IA32_SPEC_CTRL without an exit
 * @shadow: the guest is in an interrupt shadow
 */
struct svm_switch {
	u64 guest_gs;
	u64 host_gs;
	u32 spec_ctrl;
	u8 spec_free;
	u8 shadow;
};

struct lodge_context {
	struct svm_switch sw;		/* first: entry.S */
	struct vmcb *vmcb;
	u64 vmcb_pa;
	u64 asid_generation;		/* of the ASID in the VMCB */
	int last_cpu;			/* whose TLB and VMCB cache know this VMCB */
	u64 cr0;			/* the guest's view: CD and NW are not the hardware's */
	unsigned long *msrpm;		/* two pages */
	u64 cr4;			/* the guest's view: MCE may differ */
	u64 virt_spec_ctrl;
	u64 tsc_aux;
	u64 next_rip;			/* 0, or what an exit without NextRIP told */
	u64 nmi_iret_rip;
	u64 last_exit;			/* code, for describe() */
	u8 tpr;				/* V_TPR that was last given or taken */
	bool aux_loaded;		/* TSC_AUX is the guest's, in the CPU */
	bool host_saved;		/* VMSAVE of the host was done since load() */
	bool state_loaded;		/* VMLOAD state is the guest's, in the CPU */
	bool nmi_masked;
	bool nmi_iret;			/* masked, IRET seen, not yet executed */
	bool nmi_step;			/* single-stepping over the IRET */
	bool step_tf;			/* TF was the guest's own before nmi_step */
	bool step_rf;
};

/* What this CPU has of the hardware. */
struct svm_cpu {
	u64 asid_generation;
	u32 max_asid;
	u32 next_asid;
	struct page *save_area;		/* VM_HSAVE_PA: VMRUN's own */
	struct page *host_vmcb;		/* VMSAVE of the host */
	u64 host_vmcb_pa;
	u64 tsc_ratio;			/* in the CPU: only guests see it */
	u64 tsc_aux;			/* the host's: which CPU this is */
};

DECLARE_PER_CPU(struct svm_cpu, svm_cpu);

/* Found out at load. */
struct svm_features {
	bool nrips;
	bool decode_assists;
	bool flush_by_asid;
	bool pause_filter;
	bool pause_threshold;
	bool tsc_ratio;
	bool v_spec_ctrl;
};

extern struct svm_features svm_features;
extern u64 svm_iopm_pa;

enum svm_clean_bit {
	SVM_CLEAN_INTERCEPTS,	/* intercepts, TSC offset, pause filter */
	SVM_CLEAN_PERM_MAP,	/* IOPM and MSRPM bases */
	SVM_CLEAN_ASID,
	SVM_CLEAN_INTR,		/* int_ctl, int_vector */
	SVM_CLEAN_NPT,		/* nested CR3, guest PAT */
	SVM_CLEAN_CR,		/* CR0, CR3, CR4, EFER */
	SVM_CLEAN_DR,		/* DR6, DR7 */
	SVM_CLEAN_DT,		/* GDT, IDT */
	SVM_CLEAN_SEG,		/* CS, DS, SS, ES, CPL */
	SVM_CLEAN_CR2,
	SVM_CLEAN_LBR,
	SVM_CLEAN_AVIC,
	SVM_CLEAN_ALL = (1 << 10) - 1,
};

static inline void svm_dirty(struct lodge_context *ctx, enum svm_clean_bit bit)
{
	ctx->vmcb->control.clean &= ~(1u << bit);
}

static inline bool svm_intercepted(const struct lodge_context *ctx, unsigned int bit)
{
	return ctx->vmcb->control.intercepts[bit / 32] & 1u << (bit % 32);
}

static inline void svm_intercept(struct lodge_context *ctx, unsigned int bit, bool on)
{
	u32 *word = &ctx->vmcb->control.intercepts[bit / 32];
	u32 mask = 1u << (bit % 32), old = *word;

	*word = on ? old | mask : old & ~mask;
	if (*word != old)
		svm_dirty(ctx, SVM_CLEAN_INTERCEPTS);
}

static inline void clgi(void)
{
	asm volatile("clgi" ::: "memory");
}

static inline void stgi(void)
{
	asm volatile("stgi" ::: "memory");
}

/* Where the instruction that exited ends, 0 if nothing says so. */
static inline u64 svm_ctx_next_rip(const struct lodge_context *ctx,
				   const struct svm_features *f)
{
	return f->nrips ? ctx->vmcb->control.next_rip : ctx->next_rip;
}

/* What the CPU had fetched of it, of a nested fault: APM vol. 2 15.8.4. */
static inline int svm_ctx_insn_bytes(const struct lodge_context *ctx,
				     const struct svm_features *f, u8 *buf)
{
	const struct vmcb_control_area *c = &ctx->vmcb->control;
	int n;

	if (!f->decode_assists || c->exit_code != SVM_EXIT_NPF)
		return 0;
	n = min_t(int, c->insn_len, sizeof(c->insn_bytes));
	memcpy(buf, c->insn_bytes, n);
	return n;
}

/* entry.S */
void svm_vmload_guest(u64 vmcb_pa, struct svm_switch *sw);
void svm_vmload_host(u64 vmcb_pa, u64 host_pa, struct svm_switch *sw);
void svm_vmrun(u64 *regs, u64 vmcb_pa, struct svm_switch *sw);

/* caps.c */
int svm_caps_compute(const struct cpuinfo_x86 *cpu, u64 vm_cr, bool la57,
		     struct svm_features *f, struct lodge_hw_caps *caps,
		     const char **why);

/* vmcb.c */
int svm_vcpu_init(struct lodge_vcpu *vcpu);
void svm_vcpu_free(struct lodge_vcpu *vcpu);
void svm_vcpu_reset(struct lodge_vcpu *vcpu, bool init);
u64 svm_cr_get(struct lodge_vcpu *vcpu, int n);
void svm_cr_set(struct lodge_vcpu *vcpu, int n, u64 val);
u64 svm_efer_get(struct lodge_vcpu *vcpu);
void svm_efer_set(struct lodge_vcpu *vcpu, u64 efer);
void svm_seg_get(struct lodge_vcpu *vcpu, enum lodge_seg seg, struct kvm_segment *var);
void svm_seg_set(struct lodge_vcpu *vcpu, enum lodge_seg seg, const struct kvm_segment *var);
void svm_dt_get(struct lodge_vcpu *vcpu, bool idt, struct kvm_dtable *dt);
void svm_dt_set(struct lodge_vcpu *vcpu, bool idt, const struct kvm_dtable *dt);
int svm_cpl(struct lodge_vcpu *vcpu);
int svm_code_bits(struct lodge_vcpu *vcpu);
void svm_dr_set(struct lodge_vcpu *vcpu);
void svm_dr_lend(struct lodge_vcpu *vcpu, bool on);
void svm_want(struct lodge_vcpu *vcpu, enum lodge_want what, bool on);
void svm_tsc_set(struct lodge_vcpu *vcpu);
void svm_cpuid_changed(struct lodge_vcpu *vcpu);
void svm_describe(struct lodge_vcpu *vcpu, char *buf, size_t len);

/* msr.c */
int svm_msr_init(struct lodge_vcpu *vcpu);
void svm_msr_filter(struct lodge_vcpu *vcpu);
int svm_msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data);
int svm_msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host);
bool svm_msr_exists(u32 index);

/* svm.c */
void svm_vcpu_flush(struct lodge_vcpu *vcpu);
void svm_tsc_aux_load(struct lodge_vcpu *vcpu);

/* exit.c */
int svm_run(struct lodge_vcpu *vcpu);
int svm_slow(struct lodge_vcpu *vcpu);

#endif /* LODGE_SVM_H */
