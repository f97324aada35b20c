// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCB of a vCPU: its life, its intercepts, and the guest state in it.
 *
 * Whoever changes a field clears the clean bit of its group, so that the CPU
 * reads it again (APM vol. 2 15.15). The segments FS, GS, TR and LDTR and the
 * SYSCALL and SYSENTER MSRs are in the CPU, not in the VMCB, while the vCPU is
 * in its inner loop: nothing that runs there may ask for them.
 */
#include <linux/slab.h>
#include <trace/events/ipi.h>
#include <asm/io.h>
#include <asm/mem_encrypt.h>
#include <asm/tlbflush.h>

#include "event.h"
#include "regs.h"
#include "svm.h"

/*
 * What exits, and why. Exceptions are few: the guest's are its own.
 */
static const u8 always[] = {
	/* The host's own events; with them the CPU is shared at all. */
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_SMI, INTERCEPT_INIT,
	/* Bits beside TS and MP: caching, and entry into long mode. */
	INTERCEPT_SELECTIVE_CR0,
	/* Features that the guest was not given must not be switched on. */
	INTERCEPT_CR4_WRITE,
	/* No counters are given to guests. */
	INTERCEPT_RDPMC,
	INTERCEPT_CPUID,
	/* INVD would throw the host's dirty lines away. */
	INTERCEPT_INVD, INTERCEPT_WBINVD,
	INTERCEPT_HLT,
	INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT,
	/* The CPU doesn't switch tasks in a guest: APM vol. 2 15.14.1. */
	INTERCEPT_TASK_SWITCH,
	INTERCEPT_SHUTDOWN,
	/* AMD-V is not given to guests: these are #UD there. */
	INTERCEPT_VMRUN, INTERCEPT_VMLOAD, INTERCEPT_VMSAVE, INTERCEPT_STGI,
	INTERCEPT_CLGI, INTERCEPT_SKINIT, INTERCEPT_INVLPGA,
	INTERCEPT_VMMCALL,
	/* A guest that sleeps in MWAIT keeps the CPU: it is a NOP, as in KVM. */
	INTERCEPT_MONITOR, INTERCEPT_MWAIT,
	INTERCEPT_XSETBV,
	/* Reads host MSRs by number: not offered. */
	INTERCEPT_RDPRU,
	/* The page fault or #DB that it raises would not come back to the host. */
	INTERCEPT_FERR_FREEZE,
	INTERCEPT_RSM,
};

static void set_seg(struct vmcb_seg *seg, u16 selector, u64 base, u16 attrib)
{
	*seg = (struct vmcb_seg){
		.selector = selector, .attrib = attrib, .limit = 0xffff,
		.base = base,
	};
}

/**
 * svm_vcpu_reset - guest state after RESET or INIT: APM vol. 2 14.1.3
 * @vcpu: the vCPU
 * @init: INIT leaves CR0.CD and CR0.NW alone
 */
void svm_vcpu_reset(struct lodge_vcpu *vcpu, bool init)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct vmcb_save_area *save = &ctx->vmcb->save;
	u64 cr0 = X86_CR0_ET | X86_CR0_CD | X86_CR0_NW;
	const u16 data = 0x93, code = 0x9b;	/* present, accessed */

	if (init)
		cr0 = X86_CR0_ET |
		      (svm_cr_get(vcpu, 0) & (X86_CR0_CD | X86_CR0_NW));
	set_seg(&save->es, 0, 0, data);
	set_seg(&save->ss, 0, 0, data);
	set_seg(&save->ds, 0, 0, data);
	set_seg(&save->fs, 0, 0, data);
	set_seg(&save->gs, 0, 0, data);
	set_seg(&save->cs, 0xf000, 0xffff0000, code);
	set_seg(&save->gdtr, 0, 0, 0);
	set_seg(&save->idtr, 0, 0, 0);
	set_seg(&save->ldtr, 0, 0, 0x82);
	set_seg(&save->tr, 0, 0, 0x8b);
	save->cpl = 0;
	svm_efer_set(vcpu, 0);
	svm_cr_set(vcpu, 0, cr0);
	svm_cr_set(vcpu, 3, 0);
	svm_cr_set(vcpu, 4, 0);
	if (!init) {
		save->star = 0;
		save->lstar = 0;
		save->cstar = 0;
		save->sfmask = 0;
		save->kernel_gs_base = 0;
		save->sysenter_cs = 0;
		save->sysenter_esp = 0;
		save->sysenter_eip = 0;
		save->dbgctl = 0;
		vcpu->pat = 0x0007040600070406ull;
		save->g_pat = vcpu->pat;
		ctx->tsc_aux = 0;
		ctx->sw.spec_ctrl = 0;
		ctx->virt_spec_ctrl = 0;
	}
	ctx->vmcb->control.int_ctl = V_INTR_MASKING_MASK;
	ctx->tpr = 0;
	ctx->vmcb->control.int_state = 0;
	ctx->vmcb->control.event_inj = 0;
	ctx->nmi_masked = false;
	ctx->nmi_iret = false;
	ctx->nmi_step = false;
	ctx->vmcb->control.clean = 0;
	svm_intercept(ctx, INTERCEPT_VINTR, false);
	svm_intercept(ctx, INTERCEPT_IRET, false);
	svm_vcpu_flush(vcpu);
}

static void dr_intercepts(struct lodge_context *ctx, bool on)
{
	int i;

	for (i = 0; i < 8; i++) {
		svm_intercept(ctx, INTERCEPT_DR0_READ + i, on);
		svm_intercept(ctx, INTERCEPT_DR0_WRITE + i, on);
	}
}

static void init_control(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct vmcb_control_area *c = &ctx->vmcb->control;
	int i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		svm_intercept(ctx, always[i], true);
	if (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT)
		svm_intercept(ctx, INTERCEPT_HLT, false);
	if (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_MWAIT) {
		svm_intercept(ctx, INTERCEPT_MONITOR, false);
		svm_intercept(ctx, INTERCEPT_MWAIT, false);
	}
	/* Debug registers are the host's until the guest asks for them. */
	dr_intercepts(ctx, true);
	svm_intercept(ctx, INTERCEPT_CR8_WRITE, true);
	/* Machine checks are the host's. */
	svm_intercept(ctx, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_MC, true);
	/*
	 * A guest whose handler of #DB or #AC raises the same again would keep
	 * the CPU with no interrupt ever taken (CVE-2015-8104, CVE-2015-5307).
	 */
	svm_intercept(ctx, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_DB, true);
	svm_intercept(ctx, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_AC, true);
	/* The other vendor's hypercall is #UD: it is done all the same. */
	svm_intercept(ctx, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_UD, true);
	if (svm_features.pause_filter &&
	    !(vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_PAUSE)) {
		svm_intercept(ctx, INTERCEPT_PAUSE, true);
		c->pause_filter_count = 3000;
		if (svm_features.pause_threshold)
			c->pause_filter_thresh = 128;
	}
	c->iopm_base_pa = svm_iopm_pa;
	c->msrpm_base_pa = __sme_set(virt_to_phys(ctx->msrpm));
	c->nested_ctl = SVM_NESTED_CTL_NP_ENABLE;
	c->nested_cr3 = __sme_set(lodge_npt_root_hpa(vcpu->vm));
}

int svm_vcpu_init(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!ctx)
		return -ENOMEM;
	vcpu->ctx = ctx;
	ctx->last_cpu = -1;
	ctx->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!ctx->vmcb)
		goto err_free;
	ctx->vmcb_pa = __sme_set(virt_to_phys(ctx->vmcb));
	ret = svm_msr_init(vcpu);
	if (ret)
		goto err_vmcb;
	init_control(vcpu);
	return 0;

err_vmcb:
	free_page((unsigned long)ctx->vmcb);
err_free:
	kfree(ctx);
	vcpu->ctx = NULL;
	return -ENOMEM;
}

void svm_vcpu_free(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	free_pages((unsigned long)ctx->msrpm, 1);
	free_page((unsigned long)ctx->vmcb);
	kfree(ctx);
}

/* LODGE_WANT_FPU: a reset does not end it, the registers are not the guest's yet. */
static bool fpu_trapped(const struct lodge_context *ctx)
{
	return svm_intercepted(ctx, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_NM);
}

/* Bits of CR0 that the guest has in ctx->cr0, whatever the hardware has. */
static u64 hidden_cr0(const struct lodge_context *ctx)
{
	u64 bits = X86_CR0_CD | X86_CR0_NW;

	/* MP with TS: FWAIT is a use of the registers, too. */
	if (fpu_trapped(ctx))
		bits |= X86_CR0_TS | X86_CR0_MP;
	return bits;
}

u64 svm_cr_get(struct lodge_vcpu *vcpu, int n)
{
	const struct lodge_context *ctx = vcpu->ctx;
	const struct vmcb_save_area *save = &ctx->vmcb->save;
	u64 hidden;

	switch (n) {
	case 0:
		hidden = hidden_cr0(ctx);
		return (save->cr0 & ~hidden) | (ctx->cr0 & hidden);
	case 3:
		return save->cr3;
	default:
		return (save->cr4 & ~X86_CR4_MCE) | (ctx->cr4 & X86_CR4_MCE);
	}
}

void svm_cr_set(struct lodge_vcpu *vcpu, int n, u64 val)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct vmcb_save_area *save = &ctx->vmcb->save;
	bool hidden;

	switch (n) {
	case 0:
		/* A guest that switches caches off slows its neighbours down. */
		ctx->cr0 = val;
		save->cr0 = val & ~(X86_CR0_CD | X86_CR0_NW);
		hidden = save->cr0 != val;
		if (fpu_trapped(ctx)) {
			save->cr0 |= X86_CR0_TS | X86_CR0_MP;
			hidden = true;
		}
		svm_intercept(ctx, INTERCEPT_CR0_READ, hidden);
		svm_intercept(ctx, INTERCEPT_CR0_WRITE, hidden);
		break;
	case 3:
		save->cr3 = val;
		break;
	default:
		/* With MCE clear a machine check would shut the host down. */
		ctx->cr4 = val;
		save->cr4 = val | (cr4_read_shadow() & X86_CR4_MCE);
		svm_intercept(ctx, INTERCEPT_CR4_READ, save->cr4 != val);
		break;
	}
	svm_dirty(ctx, SVM_CLEAN_CR);
}

u64 svm_efer_get(struct lodge_vcpu *vcpu)
{
	return vcpu->ctx->vmcb->save.efer & ~EFER_SVME;
}

void svm_efer_set(struct lodge_vcpu *vcpu, u64 efer)
{
	/* VMRUN demands SVME in the guest's EFER: APM vol. 2 15.5.1. */
	vcpu->ctx->vmcb->save.efer = efer | EFER_SVME;
	svm_dirty(vcpu->ctx, SVM_CLEAN_CR);
}

static struct vmcb_seg *seg_of(struct lodge_context *ctx, enum lodge_seg seg)
{
	struct vmcb_save_area *save = &ctx->vmcb->save;

	switch (seg) {
	case LODGE_ES: return &save->es;
	case LODGE_CS: return &save->cs;
	case LODGE_SS: return &save->ss;
	case LODGE_DS: return &save->ds;
	case LODGE_FS: return &save->fs;
	case LODGE_GS: return &save->gs;
	case LODGE_TR: return &save->tr;
	default: return &save->ldtr;
	}
}

void svm_seg_get(struct lodge_vcpu *vcpu, enum lodge_seg seg, struct kvm_segment *var)
{
	const struct vmcb_seg *s = seg_of(vcpu->ctx, seg);
	u16 a = s->attrib;

	*var = (struct kvm_segment){
		.base = s->base, .limit = s->limit, .selector = s->selector,
		.type = a & SVM_SELECTOR_TYPE_MASK,
		.s = (a >> SVM_SELECTOR_S_SHIFT) & 1,
		.dpl = (a >> SVM_SELECTOR_DPL_SHIFT) & 3,
		.present = (a >> SVM_SELECTOR_P_SHIFT) & 1,
		.avl = (a >> SVM_SELECTOR_AVL_SHIFT) & 1,
		.l = (a >> SVM_SELECTOR_L_SHIFT) & 1,
		.db = (a >> SVM_SELECTOR_DB_SHIFT) & 1,
		/* Some CPUs lose G; the limit, which is in bytes, says it. */
		.g = s->limit > 0xfffff,
		.unusable = !((a >> SVM_SELECTOR_P_SHIFT) & 1),
	};
	switch (seg) {
	case LODGE_TR:
		var->type |= 2;		/* a loaded TSS is busy */
		break;
	case LODGE_SS:
		if (var->unusable)
			var->db = 0;
		/* SYSRET leaves a DPL that isn't the CPL. */
		var->dpl = vcpu->ctx->vmcb->save.cpl;
		break;
	case LODGE_CS:
	case LODGE_LDTR:
		break;
	default:
		/* What is loaded has been accessed, whatever the CPU keeps. */
		if (!var->unusable)
			var->type |= 1;
	}
}

void svm_seg_set(struct lodge_vcpu *vcpu, enum lodge_seg seg, const struct kvm_segment *var)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct vmcb_seg *s = seg_of(ctx, seg);

	s->base = var->base;
	s->limit = var->limit;
	s->selector = var->selector;
	s->attrib = (var->type & SVM_SELECTOR_TYPE_MASK) |
		    (var->s & 1) << SVM_SELECTOR_S_SHIFT |
		    (var->dpl & 3) << SVM_SELECTOR_DPL_SHIFT |
		    (var->present && !var->unusable) << SVM_SELECTOR_P_SHIFT |
		    (var->avl & 1) << SVM_SELECTOR_AVL_SHIFT |
		    (var->l & 1) << SVM_SELECTOR_L_SHIFT |
		    (var->db & 1) << SVM_SELECTOR_DB_SHIFT |
		    (var->g & 1) << SVM_SELECTOR_G_SHIFT;
	if (seg == LODGE_SS)
		ctx->vmcb->save.cpl = var->dpl & 3;
	svm_dirty(ctx, SVM_CLEAN_SEG);
}

void svm_dt_get(struct lodge_vcpu *vcpu, bool idt, struct kvm_dtable *dt)
{
	const struct vmcb_save_area *save = &vcpu->ctx->vmcb->save;
	const struct vmcb_seg *s = idt ? &save->idtr : &save->gdtr;

	dt->base = s->base;
	dt->limit = s->limit;
}

void svm_dt_set(struct lodge_vcpu *vcpu, bool idt, const struct kvm_dtable *dt)
{
	struct vmcb_save_area *save = &vcpu->ctx->vmcb->save;
	struct vmcb_seg *s = idt ? &save->idtr : &save->gdtr;

	s->base = dt->base;
	s->limit = dt->limit;
	svm_dirty(vcpu->ctx, SVM_CLEAN_DT);
}

int svm_cpl(struct lodge_vcpu *vcpu)
{
	return vcpu->ctx->vmcb->save.cpl;
}

int svm_code_bits(struct lodge_vcpu *vcpu)
{
	const struct vmcb_save_area *save = &vcpu->ctx->vmcb->save;

	if ((save->cs.attrib & SVM_SELECTOR_L_MASK) && (save->efer & EFER_LMA))
		return 64;
	return save->cs.attrib & SVM_SELECTOR_DB_MASK ? 32 : 16;
}

/* DR6 and DR7 are in the VMCB; DR0-3 are loaded by svm_enter() if used. */
void svm_dr_set(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	/* Clear, so that a #DB tells its own cause alone; DR6 exits when read. */
	ctx->vmcb->save.dr6 = LODGE_DR6_FIXED;
	ctx->vmcb->save.dr7 = vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP ?
			      vcpu->guest_debug_dr[7] | LODGE_DR7_FIXED : vcpu->dr7;
	svm_dirty(ctx, SVM_CLEAN_DR);
}

/* DR6 and DR7 are exchanged with the VMCB. */
void svm_dr_lend(struct lodge_vcpu *vcpu, bool on)
{
	struct lodge_context *ctx = vcpu->ctx;

	dr_intercepts(ctx, !on);
	if (on) {
		ctx->vmcb->save.dr6 = vcpu->dr6;
		svm_dirty(ctx, SVM_CLEAN_DR);
	} else {
		vcpu->dr6 = ctx->vmcb->save.dr6;
		vcpu->dr7 = ctx->vmcb->save.dr7;
	}
}

/* An interrupt that the guest can't take yet: a virtual one tells when. */
static void irq_window(struct lodge_context *ctx, bool on)
{
	struct vmcb_control_area *c = &ctx->vmcb->control;

	svm_intercept(ctx, INTERCEPT_VINTR, on);
	c->int_ctl &= ~V_IRQ_INJECTION_BITS_MASK;
	if (on)
		c->int_ctl |= V_IRQ_MASK | (0xf << V_INTR_PRIO_SHIFT) | V_IGN_TPR_MASK;
	c->int_vector = 0;
	svm_dirty(ctx, SVM_CLEAN_INTR);
}

/*
 * An NMI that the guest can't take yet. GIF is not among the reasons: CLGI is
 * not the guest's, and with virtual GIF left off its GIF is 1. Masked: the guest's IRET tells; it
 * exits before it is executed, and is then stepped over. Held off by STI or
 * MOV SS: one step. APM vol. 2 15.20 has no NMI window of its own. Behind an
 * event that this entry injects: TF would get on the guest's stack with it, so
 * an interrupt of our own makes the guest exit when that is delivered.
 */
static void nmi_window(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (ctx->nmi_masked && !ctx->nmi_iret) {
		svm_intercept(ctx, INTERCEPT_IRET, true);
		return;
	}
	if (ctx->vmcb->control.event_inj & SVM_EVTINJ_VALID) {
		smp_send_reschedule(smp_processor_id());
		lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
		return;
	}
	ctx->nmi_step = true;
	ctx->step_tf = vcpu->rflags & X86_EFLAGS_TF;
	ctx->step_rf = vcpu->rflags & X86_EFLAGS_RF;
	vcpu->rflags |= X86_EFLAGS_TF | X86_EFLAGS_RF;
}

static void trap_fpu(struct lodge_vcpu *vcpu, bool on)
{
	u64 cr0 = svm_cr_get(vcpu, 0);

	svm_intercept(vcpu->ctx, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_NM, on);
	svm_cr_set(vcpu, 0, cr0);
}

void svm_want(struct lodge_vcpu *vcpu, enum lodge_want what, bool on)
{
	struct lodge_context *ctx = vcpu->ctx;

	switch (what) {
	case LODGE_WANT_FPU:
		if (fpu_trapped(ctx) != on)
			trap_fpu(vcpu, on);
		break;
	case LODGE_WANT_IRQ_WINDOW:
		if (svm_intercepted(ctx, INTERCEPT_VINTR) != on)
			irq_window(ctx, on);
		break;
	case LODGE_WANT_NMI_WINDOW:
		nmi_window(vcpu);
		break;
	case LODGE_WANT_BP:
		svm_intercept(ctx, INTERCEPT_EXCEPTION_OFFSET + X86_TRAP_BP, on);
		break;
	}
}

void svm_tsc_set(struct lodge_vcpu *vcpu)
{
	vcpu->ctx->vmcb->control.tsc_offset = vcpu->tsc.offset;
	svm_dirty(vcpu->ctx, SVM_CLEAN_INTERCEPTS);
}

/* Instructions of features that the vCPU was not given shall fault. */
void svm_cpuid_changed(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	const struct lodge_cpuid *cpuid = &vcpu->cpuid;

	svm_intercept(ctx, INTERCEPT_RDTSCP,
		      !lodge_cpuid_has(cpuid, X86_FEATURE_RDTSCP) &&
		      !lodge_cpuid_has(cpuid, X86_FEATURE_RDPID));
	if (boot_cpu_has(X86_FEATURE_INVPCID))
		svm_intercept(ctx, INTERCEPT_INVPCID,
			      !lodge_cpuid_has(cpuid, X86_FEATURE_INVPCID));
}

/* The rules of VMRUN that the guest's state breaks: APM vol. 2 15.5.1. */
void svm_describe(struct lodge_vcpu *vcpu, char *buf, size_t len)
{
	const struct vmcb *vmcb = vcpu->ctx->vmcb;
	const struct vmcb_save_area *s = &vmcb->save;
	const struct {
		bool broken;
		const char *words;
	} rules[] = {
		{ !(s->efer & EFER_SVME), "EFER.SVME is clear" },
		{ !(s->cr0 & X86_CR0_CD) && (s->cr0 & X86_CR0_NW), "CR0.NW without CD" },
		{ s->cr0 >> 32, "CR0[63:32]" },
		{ (s->efer & EFER_LMA) && (s->cr3 & ~(BIT_ULL(52) - 1)), "CR3 reserved bits" },
		{ s->dr6 >> 32, "DR6[63:32]" },
		{ s->dr7 >> 32, "DR7[63:32]" },
		{ (s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG) &&
		  !(s->cr4 & X86_CR4_PAE), "long mode without CR4.PAE" },
		{ (s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG) &&
		  !(s->cr0 & X86_CR0_PE), "paging without CR0.PE" },
		{ (s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG) &&
		  (s->cs.attrib & SVM_SELECTOR_L_MASK) &&
		  (s->cs.attrib & SVM_SELECTOR_DB_MASK), "CS.L and CS.D" },
		{ !vmcb->control.asid, "ASID 0" },
	};
	size_t n = 0;
	int i;

	buf[0] = 0;
	for (i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].broken)
			n += scnprintf(buf + n, len - n, "%s%s", n ? ", " : "",
				       rules[i].words);
	if (!n)
		scnprintf(buf, len, "a reserved bit in CR4, EFER or an event (exit 0x%llx)",
			  vcpu->ctx->last_exit);
}
