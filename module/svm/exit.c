// SPDX-License-Identifier: GPL-2.0-only
/*
 * One entry and one exit. The table says, for each exit code, which neutral
 * function has it; a vendor's words end here. A row's function is called in the
 * inner loop with fast set, and again without if it answers LODGE_SLOW.
 */
#include <asm/trap_pf.h>

#include "emulate/glue.h"
#include "event.h"
#include "exit.h"
#include "insn.h"
#include "regs.h"
#include "svm.h"
#include "trace.h"

static int on_write_cr(struct lodge_vcpu *vcpu, bool fast)
{
	return fast ? lodge_insn_write_cr(vcpu) : lodge_glue_emulate(vcpu);
}

static int on_write_cr8(struct lodge_vcpu *vcpu, bool fast)
{
	u64 before = lodge_cr8_get(vcpu);

	return lodge_exit_cr8(vcpu, before, on_write_cr(vcpu, fast));
}

static int on_npf(struct lodge_vcpu *vcpu, bool fast)
{
	const struct vmcb_control_area *c = &vcpu->ctx->vmcb->control;
	u64 info = c->exit_info_1;
	u32 flags = 0;

	vcpu->stats.npf_exits++;
	/* APM vol. 2 15.25.6: a #PF error code, and who walked in bits 32, 33. */
	if (info & X86_PF_PROT)
		flags |= LODGE_NPF_PRESENT;
	if (info & X86_PF_WRITE)
		flags |= LODGE_NPF_WRITE;
	if (info & X86_PF_INSTR)
		flags |= LODGE_NPF_FETCH;
	if (info & X86_PF_RSVD)
		flags |= LODGE_NPF_RSVD;
	if (info & BIT_ULL(33))
		flags |= LODGE_NPF_TABLE;
	return lodge_exit_npf(vcpu, c->exit_info_2, flags, fast);
}

/* EXITINFO1 says all about the access, EXITINFO2 where the next one is. */
static int on_io(struct lodge_vcpu *vcpu, bool fast)
{
	const struct vmcb_control_area *c = &vcpu->ctx->vmcb->control;
	u32 info = c->exit_info_1;

	if (info & SVM_IOIO_STR_MASK)
		return lodge_exit_emulate(vcpu, fast);
	vcpu->ctx->next_rip = c->exit_info_2;
	return lodge_exit_io(vcpu, info >> 16,
			     (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT,
			     info & SVM_IOIO_TYPE_MASK, fast);
}

static int on_msr(struct lodge_vcpu *vcpu, bool fast)
{
	return lodge_exit_msr(vcpu, vcpu->ctx->vmcb->control.exit_info_1 & 1, fast);
}

/* The host's own: taken as soon as GIF and IF allow. */
static int on_host_event(struct lodge_vcpu *vcpu, bool fast)
{
	vcpu->stats.irq_exits++;
	return LODGE_LEAVE;
}

static int on_irq_window(struct lodge_vcpu *vcpu, bool fast)
{
	vcpu->stats.irq_window++;
	svm_want(vcpu, LODGE_WANT_IRQ_WINDOW, false);
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	/* User space may be the one who waits. */
	return lodge_irq_user_owns(vcpu) ? LODGE_LEAVE : LODGE_AGAIN;
}

/* The IRET that ends an NMI is about to be executed. */
static int on_iret(struct lodge_vcpu *vcpu, bool fast)
{
	struct lodge_context *ctx = vcpu->ctx;

	vcpu->stats.nmi_window++;
	svm_intercept(ctx, INTERCEPT_IRET, false);
	ctx->nmi_iret = true;
	ctx->nmi_iret_rip = vcpu->rip;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	return LODGE_AGAIN;
}

/*
 * Whatever the exit: neither emulation nor user space are to see the TF that
 * made the step. Who still waits asks for another one at the next entry.
 */
static void end_nmi_step(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	ctx->nmi_step = false;
	if (!ctx->step_tf)
		vcpu->rflags &= ~X86_EFLAGS_TF;
	if (!ctx->step_rf)
		vcpu->rflags &= ~X86_EFLAGS_RF;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
}

static int on_db(struct lodge_vcpu *vcpu, bool fast)
{
	struct lodge_context *ctx = vcpu->ctx;
	u64 dr6 = ctx->vmcb->save.dr6 ^ LODGE_DR6_FIXED;

	if (ctx->nmi_step) {
		end_nmi_step(vcpu);
		/* Our own step is not the guest's to see, nor the debugger's. */
		if (!ctx->step_tf)
			dr6 &= ~(u64)DR_STEP;
		ctx->vmcb->save.dr6 = dr6 ^ LODGE_DR6_FIXED;
		lodge_dr_take(vcpu);
		if (!dr6)
			return LODGE_AGAIN;
	}
	return lodge_exit_db(vcpu, dr6);
}

/* The guest's own, if it is one, comes by itself when the instruction is run again. */
static int on_nm(struct lodge_vcpu *vcpu, bool fast)
{
	if (fast)
		return LODGE_SLOW;
	lodge_xstate_need(vcpu);
	return LODGE_AGAIN;
}

/* svm_leave() has the host's handler look at it. */
static int on_mc(struct lodge_vcpu *vcpu, bool fast)
{
	return LODGE_LEAVE;
}

/* The VMCB's state is undefined after a shutdown: APM vol. 2 15.14.3. */
static int on_shutdown(struct lodge_vcpu *vcpu, bool fast)
{
	if (fast)
		return LODGE_SLOW;
	svm_vcpu_reset(vcpu, false);
	return lodge_exit_shutdown(vcpu);
}

/* EXITINFO1 is the new TSS, EXITINFO2 why: APM vol. 2 15.14.1. */
static int on_task_switch(struct lodge_vcpu *vcpu, bool fast)
{
	const struct vmcb_control_area *c = &vcpu->ctx->vmcb->control;
	struct lodge_events *ev = &vcpu->events;
	int reason = LODGE_TASK_CALL;

	if (fast)
		return LODGE_SLOW;
	if (c->exit_info_2 & BIT_ULL(36))
		reason = LODGE_TASK_IRET;
	else if (c->exit_info_2 & BIT_ULL(38))
		reason = LODGE_TASK_JMP;
	else if (ev->exception.injected || ev->irq.injected || ev->nmi.injected ||
		 (c->exit_int_info & SVM_EXITINTINFO_VALID))
		reason = LODGE_TASK_GATE;
	if (reason == LODGE_TASK_GATE) {
		/* The gate is the event's delivery: it is not delivered again. */
		ev->exception.injected = false;
		ev->irq.injected = false;
		ev->nmi.injected = false;
	}
	return lodge_glue_task_switch(vcpu, c->exit_info_1, reason,
				      c->exit_info_2 & BIT_ULL(44),
				      c->exit_info_2);
}

#define EXCP(n)	(SVM_EXIT_EXCP_BASE + (n))

static const struct lodge_exit exits[] = {
	[SVM_EXIT_READ_CR0 ... SVM_EXIT_READ_CR0 + 15] = { lodge_exit_emulate, "read CR" },
	[SVM_EXIT_WRITE_CR0 ... SVM_EXIT_WRITE_CR0 + 7] = { on_write_cr, "write CR" },
	[SVM_EXIT_WRITE_CR8] =		{ on_write_cr8, "write CR8" },
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR0 + 15] = { lodge_exit_dr, "read DR" },
	[SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR0 + 15] = { lodge_exit_dr, "write DR" },
	[EXCP(X86_TRAP_DB)] =		{ on_db, "#DB" },
	[EXCP(X86_TRAP_BP)] =		{ lodge_exit_bp, "#BP" },
	[EXCP(X86_TRAP_UD)] =		{ lodge_exit_ud, "#UD" },
	[EXCP(X86_TRAP_NM)] =		{ on_nm, "#NM" },
	[EXCP(X86_TRAP_AC)] =		{ lodge_exit_ac, "#AC" },
	[EXCP(X86_TRAP_MC)] =		{ on_mc, "#MC" },
	[SVM_EXIT_INTR] =		{ on_host_event, "INTR" },
	[SVM_EXIT_NMI] =		{ on_host_event, "NMI" },
	[SVM_EXIT_SMI] =		{ on_host_event, "SMI" },
	[SVM_EXIT_INIT] =		{ on_host_event, "INIT" },
	[SVM_EXIT_VINTR] =		{ on_irq_window, "interrupt window" },
	[SVM_EXIT_CR0_SEL_WRITE] =	{ on_write_cr, "write CR0" },
	[SVM_EXIT_RDPMC] =		{ lodge_exit_refused, "RDPMC" },
	[SVM_EXIT_CPUID] =		{ lodge_exit_cpuid, "CPUID" },
	[SVM_EXIT_RSM] =		{ lodge_exit_undefined, "RSM" },
	[SVM_EXIT_IRET] =		{ on_iret, "IRET" },
	[SVM_EXIT_INVD] =		{ lodge_exit_nop, "INVD" },
	[SVM_EXIT_PAUSE] =		{ lodge_exit_pause, "PAUSE" },
	[SVM_EXIT_HLT] =		{ lodge_exit_hlt, "HLT" },
	[SVM_EXIT_INVLPGA] =		{ lodge_exit_undefined, "INVLPGA" },
	[SVM_EXIT_IOIO] =		{ on_io, "port" },
	[SVM_EXIT_MSR] =		{ on_msr, "MSR" },
	[SVM_EXIT_TASK_SWITCH] =	{ on_task_switch, "task switch" },
	[SVM_EXIT_FERR_FREEZE] =	{ on_host_event, "FERR" },
	[SVM_EXIT_SHUTDOWN] =		{ on_shutdown, "shutdown" },
	[SVM_EXIT_VMRUN] =		{ lodge_exit_undefined, "VMRUN" },
	[SVM_EXIT_VMMCALL] =		{ lodge_exit_hypercall, "VMMCALL" },
	[SVM_EXIT_VMLOAD] =		{ lodge_exit_undefined, "VMLOAD" },
	[SVM_EXIT_VMSAVE] =		{ lodge_exit_undefined, "VMSAVE" },
	[SVM_EXIT_STGI] =		{ lodge_exit_undefined, "STGI" },
	[SVM_EXIT_CLGI] =		{ lodge_exit_undefined, "CLGI" },
	[SVM_EXIT_SKINIT] =		{ lodge_exit_undefined, "SKINIT" },
	[SVM_EXIT_RDTSCP] =		{ lodge_exit_undefined, "RDTSCP" },
	[SVM_EXIT_WBINVD] =		{ lodge_exit_nop, "WBINVD" },
	[SVM_EXIT_MONITOR] =		{ lodge_exit_monitor, "MONITOR" },
	[SVM_EXIT_MWAIT] =		{ lodge_exit_monitor, "MWAIT" },
	[SVM_EXIT_XSETBV] =		{ lodge_exit_xsetbv, "XSETBV" },
	[SVM_EXIT_RDPRU] =		{ lodge_exit_undefined, "RDPRU" },
	[SVM_EXIT_INVPCID] =		{ lodge_exit_undefined, "INVPCID" },
};

static int dispatch(struct lodge_vcpu *vcpu, bool fast)
{
	u64 code = vcpu->ctx->last_exit;
	const struct lodge_exit *e;

	if (code == SVM_EXIT_NPF)
		return on_npf(vcpu, fast);
	if (unlikely(code >= ARRAY_SIZE(exits) || !exits[code].fn)) {
		if (code == (u32)SVM_EXIT_ERR || code == (u64)-1)
			return lodge_exit_entry_failed(vcpu, code);
		return lodge_exit_unknown(vcpu, code);
	}
	e = &exits[code];
	return e->fn(vcpu, fast);
}

/*
 * The exit came while an event was being delivered (APM vol. 2 15.7.2): it is
 * delivered again, but for what an instruction at RIP will raise again. That
 * is a #BP or #OF of the guest's own, not one that was @injected.
 */
static void requeue(struct lodge_vcpu *vcpu, u32 injected)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct vmcb_control_area *c = &ctx->vmcb->control;
	u8 vector = c->exit_int_info & SVM_EXITINTINFO_VEC_MASK;

	switch (c->exit_int_info & SVM_EXITINTINFO_TYPE_MASK) {
	case SVM_EXITINTINFO_TYPE_NMI:
		lodge_events_requeue_nmi(vcpu);
		break;
	case SVM_EXITINTINFO_TYPE_EXEPT:
		if ((vector == X86_TRAP_BP || vector == X86_TRAP_OF) &&
		    !(injected & SVM_EVTINJ_VALID))
			return;
		lodge_events_requeue_exception(vcpu, vector,
			c->exit_int_info & SVM_EXITINTINFO_VALID_ERR,
			c->exit_int_info_err);
		break;
	case SVM_EXITINTINFO_TYPE_INTR:
		lodge_events_requeue_irq(vcpu, vector);
		break;
	}
}

static void nmi_iret_done(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (vcpu->rip == ctx->nmi_iret_rip)
		return;
	ctx->nmi_masked = false;
	ctx->nmi_iret = false;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
}

/* V_TPR is the guest's CR8; the local APIC has the other copy. */
static void give_tpr(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	u8 tpr = lodge_cr8_get(vcpu);

	if (tpr == ctx->tpr)
		return;
	ctx->tpr = tpr;
	ctx->vmcb->control.int_ctl =
		(ctx->vmcb->control.int_ctl & ~V_TPR_MASK) | tpr;
	svm_dirty(ctx, SVM_CLEAN_INTR);
}

/**
 * svm_run - enter the guest once, and finish the exit if that is quick
 * @vcpu: the vCPU, in its inner loop: GIF is clear
 *
 * Return: enum lodge_next.
 */
int svm_run(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct vmcb_save_area *save = &ctx->vmcb->save;
	struct vmcb_control_area *c = &ctx->vmcb->control;
	u32 injected;

	save->rax = vcpu->regs[LODGE_RAX];
	save->rsp = vcpu->regs[LODGE_RSP];
	save->rip = vcpu->rip;
	save->rflags = vcpu->rflags;
	if (unlikely(save->cr2 != vcpu->cr2)) {
		save->cr2 = vcpu->cr2;
		svm_dirty(ctx, SVM_CLEAN_CR2);
	}
	ctx->sw.shadow = c->int_state & SVM_INTERRUPT_SHADOW_MASK;
	give_tpr(vcpu);
	trace_lodge_entry(vcpu);

	injected = c->event_inj;
	svm_vmrun(vcpu->regs, ctx->vmcb_pa, &ctx->sw);

	vcpu->regs[LODGE_RAX] = save->rax;
	vcpu->regs[LODGE_RSP] = save->rsp;
	vcpu->rip = save->rip;
	vcpu->rflags = save->rflags;
	vcpu->cr2 = save->cr2;
	c->tlb_ctl = TLB_CONTROL_DO_NOTHING;
	c->clean = SVM_CLEAN_ALL;
	c->event_inj = 0;
	ctx->next_rip = 0;
	ctx->last_exit = c->exit_code | (u64)c->exit_code_hi << 32;
	trace_lodge_exit(vcpu, ctx->last_exit, c->exit_info_1, c->exit_info_2);

	lodge_events_delivered(vcpu);
	if (unlikely(c->exit_int_info & SVM_EXITINTINFO_VALID))
		requeue(vcpu, injected);
	if (unlikely(ctx->nmi_step) && ctx->last_exit != EXCP(X86_TRAP_DB))
		end_nmi_step(vcpu);
	if (unlikely(ctx->nmi_iret))
		nmi_iret_done(vcpu);
	if (unlikely((c->int_ctl & V_TPR_MASK) != ctx->tpr)) {
		ctx->tpr = c->int_ctl & V_TPR_MASK;
		lodge_cr8_set(vcpu, ctx->tpr);
	}
	return dispatch(vcpu, true);
}

/** svm_slow - what svm_run() could not finish, where sleeping is allowed */
int svm_slow(struct lodge_vcpu *vcpu)
{
	return dispatch(vcpu, false);
}
