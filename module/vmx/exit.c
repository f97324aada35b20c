// SPDX-License-Identifier: GPL-2.0-only
/*
 * One entry and one exit. The table says, for each exit reason, which neutral
 * function has it; a vendor's words end here. A row's function is called in the
 * inner loop with fast set, and again without if it answers LODGE_SLOW.
 */
#include <asm/nospec-branch.h>

#include "emulate/glue.h"
#include "event.h"
#include "exit.h"
#include "insn.h"
#include "regs.h"
#include "trace.h"
#include "vmx.h"

#define PENDING_DB_BS	BIT(14)
/* B0 to B3, BD, BS: the qualification of #DB has them as DR6. Table 27-1. */
#define DR6_CAUSES	(DR_TRAP_BITS | BIT(13) | DR_STEP)
/* Not a reason of the CPU's: the entry waits for what lies in guest memory. */
#define REASON_PDPTES	0xfffeu

static u64 qualification(struct lodge_vcpu *vcpu)
{
	return vmx_get(vcpu->ctx, VF_QUALIFICATION);
}

/* An IRET that opened NMIs and faulted: they are masked still. SDM vol. 3C 27.2.3. */
static void iret_faulted(struct lodge_vcpu *vcpu, u64 info)
{
	if (unlikely(info & INTR_INFO_UNBLOCK_NMI) && vmx_caps.has.vnmi &&
	    !(vcpu->ctx->idt_info & VECTORING_INFO_VALID_MASK))
		vmx_set_nmi_masked(vcpu, true);
}

static int on_mc(struct lodge_vcpu *vcpu)
{
	vcpu->ctx->machine_check = true;
	return LODGE_LEAVE;
}

/* NMIs were taken care of by vmx_run(): they cannot wait. */
static int on_exception(struct lodge_vcpu *vcpu, bool fast)
{
	u32 info = vmx_get(vcpu->ctx, VF_EXIT_INFO);
	u8 vector = info & INTR_INFO_VECTOR_MASK;

	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR) {
		vcpu->stats.irq_exits++;
		return LODGE_AGAIN;
	}
	if (fast && vector != X86_TRAP_DF)
		iret_faulted(vcpu, info);
	switch (vector) {
	case X86_TRAP_DB:
		/* INT1 raises a trap, but the exit comes before it is over: 27.3.3. */
		if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION) {
			vcpu->rip = static_call(lodge_next_rip)(vcpu);
			vmx_set_int_shadow(vcpu, 0);
		}
		return lodge_exit_db(vcpu, qualification(vcpu) & DR6_CAUSES);
	case X86_TRAP_BP:
		return lodge_exit_bp(vcpu, fast);
	case X86_TRAP_UD:
		return lodge_exit_ud(vcpu, fast);
	case X86_TRAP_AC:
		return lodge_exit_ac(vcpu, fast);
	case X86_TRAP_MC:
		return on_mc(vcpu);
	default:
		return lodge_exit_unknown(vcpu, EXIT_REASON_EXCEPTION_NMI);
	}
}

/* The host's own: taken as soon as IF allows. */
static int on_host_event(struct lodge_vcpu *vcpu, bool fast)
{
	vcpu->stats.irq_exits++;
	return LODGE_LEAVE;
}

static int on_interrupt(struct lodge_vcpu *vcpu, bool fast)
{
	struct lodge_context *ctx = vcpu->ctx;
	u32 info;

	if (unlikely(ctx->val[VF_EXIT] & VM_EXIT_ACK_INTR_ON_EXIT)) {
		info = vmx_get(ctx, VF_EXIT_INFO);
		ctx->acked = info & INTR_INFO_VALID_MASK ? info : 0;
	}
	return on_host_event(vcpu, fast);
}

static int on_irq_window(struct lodge_vcpu *vcpu, bool fast)
{
	vcpu->stats.irq_window++;
	vcpu->ctx->nmi_waits = false;
	vmx_want(vcpu, LODGE_WANT_IRQ_WINDOW, false);
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	/* User space may be the one who waits. */
	return lodge_irq_user_owns(vcpu) ? LODGE_LEAVE : LODGE_AGAIN;
}

static int on_nmi_window(struct lodge_vcpu *vcpu, bool fast)
{
	vcpu->stats.nmi_window++;
	vmx_control(vcpu->ctx, VF_CPU, CPU_BASED_NMI_WINDOW_EXITING, false);
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	return LODGE_AGAIN;
}

/* A 64-bit register outside of 64-bit code has 32 bits. */
static u64 operand(struct lodge_vcpu *vcpu, int reg)
{
	u64 val = reg == LODGE_RSP ? vmx_get(vcpu->ctx, VF_RSP) : vcpu->regs[reg];

	if (vmx_code_bits(vcpu) != 64)
		val = (u32)val;
	return val;
}

/* A write to CR0 or CR4 behind which PAE paging reads its PDPTEs again. */
static bool loads_pdptes(struct lodge_vcpu *vcpu, int n, u64 val)
{
	u64 cr0 = vmx_cr_get(vcpu, 0), cr4 = vmx_cr_get(vcpu, 4);
	u64 changed;

	if (n == 0) {
		changed = (cr0 ^ val) & VMX_PDPTES_CR0;
		cr0 = val;
	} else if (n == 4) {
		changed = (cr4 ^ val) & VMX_PDPTES_CR4;
		cr4 = val;
	} else {
		return false;
	}
	return changed && (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) &&
	       !(vmx_efer_get(vcpu) & (EFER_LMA | EFER_LME));
}

/* It faults if reserved bits are set in one of those that CR3 points to. */
static bool pdptes_bad(struct lodge_vcpu *vcpu)
{
	const u64 reserved = ~(BIT_ULL(vcpu->cpuid.maxphyaddr) - 1) |
			     GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1);
	u64 pdpte[4], gpa = vmx_cr_get(vcpu, 3) & 0xffffffe0;
	int i;

	if (lodge_guest_read(vcpu, gpa, pdpte, sizeof(pdpte)))
		return false;
	for (i = 0; i < 4; i++)
		if ((pdpte[i] & _PAGE_PRESENT) && (pdpte[i] & reserved))
			return true;
	return false;
}

/* Table 27-3. */
static int on_cr(struct lodge_vcpu *vcpu, bool fast)
{
	u64 q = qualification(vcpu);
	int n = q & 15, reg = (q >> 8) & 15;
	u64 before = 0;
	int ret;

	switch ((q >> 4) & 3) {
	case 0:
		if (n == 8)
			before = lodge_cr8_get(vcpu);
		if (loads_pdptes(vcpu, n, operand(vcpu, reg))) {
			if (fast)
				return LODGE_SLOW;
			if (pdptes_bad(vcpu))
				return lodge_exit_gp(vcpu);
		}
		if (!fast)
			return lodge_glue_emulate(vcpu);
		ret = lodge_exit_write_cr(vcpu, n, operand(vcpu, reg),
					  static_call(lodge_next_rip)(vcpu));
		return n == 8 ? lodge_exit_cr8(vcpu, before, ret) : ret;
	case 1:
		ret = reg == LODGE_RSP ? lodge_exit_emulate(vcpu, fast) :
					 lodge_insn_skip(vcpu, fast);
		if (ret == LODGE_AGAIN && n == 8 && reg != LODGE_RSP)
			vcpu->regs[reg] = lodge_cr8_get(vcpu);
		return ret;
	default:
		return lodge_exit_emulate(vcpu, fast);	/* CLTS, LMSW */
	}
}

/* Table 27-5. */
static int on_io(struct lodge_vcpu *vcpu, bool fast)
{
	u64 q = qualification(vcpu);

	if (q & BIT(4))
		return lodge_exit_emulate(vcpu, fast);
	return lodge_exit_io(vcpu, q >> 16, (q & 7) + 1, q & BIT(3), fast);
}

static int on_rdmsr(struct lodge_vcpu *vcpu, bool fast)
{
	return lodge_exit_msr(vcpu, false, fast);
}

static int on_wrmsr(struct lodge_vcpu *vcpu, bool fast)
{
	return lodge_exit_msr(vcpu, true, fast);
}

/* Table 27-7. */
static int on_ept_violation(struct lodge_vcpu *vcpu, bool fast)
{
	u64 q = qualification(vcpu);
	u32 flags = 0;

	if (fast) {
		vcpu->stats.npf_exits++;
		iret_faulted(vcpu, q);
	}
	if (q & EPT_VIOLATION_RWX_MASK)
		flags |= LODGE_NPF_PRESENT;
	if (q & EPT_VIOLATION_ACC_WRITE)
		flags |= LODGE_NPF_WRITE;
	if (q & EPT_VIOLATION_ACC_INSTR)
		flags |= LODGE_NPF_FETCH;
	if ((q & EPT_VIOLATION_GVA_IS_VALID) &&
	    !(q & EPT_VIOLATION_GVA_TRANSLATED))
		flags |= LODGE_NPF_TABLE;
	return lodge_exit_npf(vcpu, vmx_get(vcpu->ctx, VF_GPA), flags, fast);
}

/* Where our tables say that there is no memory; there is no qualification. */
static int on_ept_misconfig(struct lodge_vcpu *vcpu, bool fast)
{
	if (fast)
		vcpu->stats.npf_exits++;
	return lodge_exit_mmio(vcpu, vmx_get(vcpu->ctx, VF_GPA), LODGE_NPF_RSVD,
			       fast);
}

/* lodge_backend.leave() empties it. */
static int on_log_full(struct lodge_vcpu *vcpu, bool fast)
{
	iret_faulted(vcpu, qualification(vcpu));
	return LODGE_LEAVE;
}

static int on_triple_fault(struct lodge_vcpu *vcpu, bool fast)
{
	return lodge_exit_shutdown(vcpu);
}

/* Table 27-2. Through a gate it is an event's delivery, and not delivered again. */
static int on_task_switch(struct lodge_vcpu *vcpu, bool fast)
{
	static const int reasons[] = {
		LODGE_TASK_CALL, LODGE_TASK_IRET, LODGE_TASK_JMP, LODGE_TASK_GATE,
	};
	struct lodge_context *ctx = vcpu->ctx;
	struct lodge_events *ev = &vcpu->events;
	u64 q = qualification(vcpu);
	int reason = reasons[(q >> 30) & 3];
	u32 info = ctx->idt_info, error = 0;
	bool has_error = false;
	int ret;

	if (fast)
		return LODGE_SLOW;
	if (reason == LODGE_TASK_GATE) {
		has_error = (info & VECTORING_INFO_VALID_MASK) &&
			    (info & VECTORING_INFO_DELIVER_CODE_MASK);
		if (has_error)
			error = ev->exception.error;
		ev->exception.injected = false;
		ev->irq.injected = false;
		ev->nmi.injected = false;
	}
	ret = lodge_glue_task_switch(vcpu, q, reason, has_error, error);
	/*
	 * A task's CR3 is held to what MOV to CR3 is held to. The fault is the
	 * new task's already (SDM vol. 3A 7.3), and finds the old PDPTEs.
	 */
	if (ret == LODGE_AGAIN && unlikely(ctx->pdptes_stale) &&
	    vmx_pae_paging(ctx) && !ev->exception.pending && pdptes_bad(vcpu)) {
		ctx->pdptes_stale = false;
		return lodge_exit_gp(vcpu);
	}
	return ret;
}

/* What the entry's checks found: nothing of the guest has run. */
static int on_entry_failed(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	/* Nothing of the guest's, but of the host's: table C-1. */
	if (ctx->reason == (VMX_EXIT_REASONS_FAILED_VMENTRY |
			    EXIT_REASON_MCE_DURING_VMENTRY))
		return on_mc(vcpu);
	return lodge_exit_entry_failed(vcpu, ctx->reason == VMX_FAILED ?
				       vmx_read(VM_INSTRUCTION_ERROR) : ctx->reason);
}

static int on_pdptes(struct lodge_vcpu *vcpu, bool fast)
{
	if (fast)
		return LODGE_SLOW;
	vmx_pdptes_load(vcpu, false);
	return LODGE_AGAIN;
}

static const struct lodge_exit exits[] = {
	[EXIT_REASON_EXCEPTION_NMI] =	{ on_exception, "exception", true },
	[EXIT_REASON_EXTERNAL_INTERRUPT] = { on_interrupt, "interrupt" },
	[EXIT_REASON_TRIPLE_FAULT] =	{ on_triple_fault, "triple fault" },
	[EXIT_REASON_INIT_SIGNAL] =	{ on_host_event, "INIT" },
	[EXIT_REASON_INTERRUPT_WINDOW] = { on_irq_window, "interrupt window" },
	[EXIT_REASON_NMI_WINDOW] =	{ on_nmi_window, "NMI window" },
	[EXIT_REASON_TASK_SWITCH] =	{ on_task_switch, "task switch", true },
	[EXIT_REASON_CPUID] =		{ lodge_exit_cpuid, "CPUID" },
	[EXIT_REASON_HLT] =		{ lodge_exit_hlt, "HLT" },
	[EXIT_REASON_INVD] =		{ lodge_exit_nop, "INVD" },
	[EXIT_REASON_RDPMC] =		{ lodge_exit_refused, "RDPMC" },
	[EXIT_REASON_VMCALL] =		{ lodge_exit_hypercall, "VMCALL" },
	[EXIT_REASON_VMCLEAR] =		{ lodge_exit_undefined, "VMCLEAR" },
	[EXIT_REASON_VMLAUNCH] =	{ lodge_exit_undefined, "VMLAUNCH" },
	[EXIT_REASON_VMPTRLD] =		{ lodge_exit_undefined, "VMPTRLD" },
	[EXIT_REASON_VMPTRST] =		{ lodge_exit_undefined, "VMPTRST" },
	[EXIT_REASON_VMREAD] =		{ lodge_exit_undefined, "VMREAD" },
	[EXIT_REASON_VMRESUME] =	{ lodge_exit_undefined, "VMRESUME" },
	[EXIT_REASON_VMWRITE] =		{ lodge_exit_undefined, "VMWRITE" },
	[EXIT_REASON_VMOFF] =		{ lodge_exit_undefined, "VMXOFF" },
	[EXIT_REASON_VMON] =		{ lodge_exit_undefined, "VMXON" },
	[EXIT_REASON_CR_ACCESS] =	{ on_cr, "CR access" },
	[EXIT_REASON_DR_ACCESS] =	{ lodge_exit_dr, "DR access" },
	[EXIT_REASON_IO_INSTRUCTION] =	{ on_io, "port" },
	[EXIT_REASON_MSR_READ] =	{ on_rdmsr, "RDMSR" },
	[EXIT_REASON_MSR_WRITE] =	{ on_wrmsr, "WRMSR" },
	[EXIT_REASON_MWAIT_INSTRUCTION] = { lodge_exit_monitor, "MWAIT" },
	[EXIT_REASON_MONITOR_INSTRUCTION] = { lodge_exit_monitor, "MONITOR" },
	[EXIT_REASON_PAUSE_INSTRUCTION] = { lodge_exit_pause, "PAUSE" },
	[EXIT_REASON_TPR_BELOW_THRESHOLD] = { vmx_on_threshold, "TPR" },
	[EXIT_REASON_APIC_ACCESS] =	{ vmx_on_apic_access, "APIC access", true },
	[EXIT_REASON_EOI_INDUCED] =	{ vmx_on_eoi, "EOI" },
	[EXIT_REASON_PREEMPTION_TIMER] = { vmx_on_timer, "timer" },
	[EXIT_REASON_APIC_WRITE] =	{ vmx_on_apic_write, "APIC write" },
	[EXIT_REASON_EPT_VIOLATION] =	{ on_ept_violation, "EPT violation", true },
	[EXIT_REASON_EPT_MISCONFIG] =	{ on_ept_misconfig, "EPT misconfiguration",
					  true },
	[EXIT_REASON_INVEPT] =		{ lodge_exit_undefined, "INVEPT" },
	[EXIT_REASON_INVVPID] =		{ lodge_exit_undefined, "INVVPID" },
	[EXIT_REASON_WBINVD] =		{ lodge_exit_nop, "WBINVD" },
	[EXIT_REASON_XSETBV] =		{ lodge_exit_xsetbv, "XSETBV" },
	[EXIT_REASON_INVPCID] =		{ lodge_exit_emulate, "INVPCID" },
	[EXIT_REASON_VMFUNC] =		{ lodge_exit_undefined, "VMFUNC" },
	[EXIT_REASON_ENCLS] =		{ lodge_exit_undefined, "ENCLS" },
	[EXIT_REASON_PML_FULL] =	{ on_log_full, "log full", true },
};

static const struct lodge_exit *exit_of(u32 reason)
{
	return reason < ARRAY_SIZE(exits) && exits[reason].fn ? &exits[reason] : NULL;
}

static int dispatch(struct lodge_vcpu *vcpu, bool fast)
{
	u32 reason = vcpu->ctx->reason;
	const struct lodge_exit *e = exit_of(reason);

	if (likely(e))
		return e->fn(vcpu, fast);
	if (reason == REASON_PDPTES)
		return on_pdptes(vcpu, fast);
	if (reason & VMX_EXIT_REASONS_FAILED_VMENTRY)
		return on_entry_failed(vcpu);
	return lodge_exit_unknown(vcpu, reason);
}

/* Single-stepping with events held off: 26.3.1.5 wants the step to be pending. */
static void pend_step(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	bool held = vmx_get(ctx, VF_INTR_STATE) &
		    (GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS);

	if (held)
		vmx_control(ctx, VF_PENDING_DB, PENDING_DB_BS,
			    (vcpu->rflags & X86_EFLAGS_TF) &&
			    !(vmx_get(ctx, VF_DEBUGCTL) & DEBUGCTLMSR_BTF));
}

static void write_dirty(struct lodge_context *ctx)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ctx->dirty); i++) {
		unsigned long bits = ctx->dirty[i];

		ctx->dirty[i] = 0;
		while (bits) {
			unsigned int f = i * BITS_PER_LONG + __ffs(bits);

			vmx_write(vmx_encodings[f], ctx->val[f]);
			bits &= bits - 1;
		}
	}
}

/* What was to be injected wasn't: it is looked at again, as it is by then. */
static void no_entry(struct lodge_vcpu *vcpu)
{
	vmx_set(vcpu->ctx, VF_ENTRY_INFO, 0);
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
}

/* Without virtual NMIs nobody says when the handler ended: event.c. */
static void guess_nmi_end(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	bool open = (vcpu->rflags & X86_EFLAGS_IF) && !vmx_int_shadow(vcpu);

	if (!open && time_before(jiffies, ctx->nmi_masked_since + HZ))
		return;
	ctx->nmi_masked = false;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
}

/**
 * vmx_run - enter the guest once, and finish the exit if that is quick
 * @vcpu: the vCPU, in its inner loop
 *
 * Return: enum lodge_next.
 */
int vmx_run(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	const struct lodge_exit *e;
	u64 steps = vcpu->rflags, entered = vcpu->rip;
	u32 injected;
	bool failed;

	if (unlikely(ctx->pdptes_stale) && !vmx_pdptes_load(vcpu, true)) {
		ctx->reason = REASON_PDPTES;
		no_entry(vcpu);
		return LODGE_SLOW;
	}
	if (vcpu->rip != ctx->rip) {
		ctx->rip = vcpu->rip;
		vmx_write(GUEST_RIP, ctx->rip);
	}
	if (vcpu->rflags != ctx->rflags) {
		/* A step that is no longer wanted is not to be pending, either. */
		steps |= ctx->rflags;
		ctx->rflags = vcpu->rflags;
		vmx_write(GUEST_RFLAGS, ctx->rflags);
	}
	if (unlikely(steps & X86_EFLAGS_TF))
		pend_step(vcpu);
	if (ctx->deadline)
		vmx_timer_load(ctx);
	if (unlikely(ctx->val[VF_ENTRY_MSRS]))
		vmx_perf_load(ctx);
	if (ctx->dirty[0] | ctx->dirty[1])
		write_dirty(ctx);
	if (unlikely(ctx->flush_ept | ctx->flush_vpid | ctx->flush_page))
		vmx_flush(ctx);
	if (vcpu->cr2 != native_read_cr2())
		native_write_cr2(vcpu->cr2);
	trace_lodge_entry(vcpu);
	if (unlikely(vmx_l1d_always))
		vmx_l1d_flush();
	/* Where the kernel's own exits need no VERW, guests may: they see device memory. */
	if (static_branch_unlikely(&mmio_stale_data_clear))
		x86_clear_cpu_buffers();

	failed = vmx_enter_guest(vcpu->regs, &ctx->sw);

	vcpu->cr2 = native_read_cr2();
	if (unlikely(failed)) {
		vmx_perf_undo(ctx);
		ctx->reason = VMX_FAILED;
		no_entry(vcpu);
		return dispatch(vcpu, true);
	}
	ctx->fresh = 0;
	ctx->reason = vmx_read(VM_EXIT_REASON);
	if (unlikely(ctx->reason & VMX_EXIT_REASONS_FAILED_VMENTRY)) {
		no_entry(vcpu);
		return dispatch(vcpu, true);
	}
	ctx->sw.launched = 1;
	injected = ctx->val[VF_ENTRY_INFO];
	ctx->val[VF_ENTRY_INFO] = 0;
	vcpu->rip = ctx->rip = vmx_read(GUEST_RIP);
	vcpu->rflags = ctx->rflags = vmx_read(GUEST_RFLAGS);
	if (trace_lodge_exit_enabled())
		trace_lodge_exit(vcpu, ctx->reason, vmx_get(ctx, VF_QUALIFICATION),
				 vmx_get(ctx, VF_EXIT_INFO));

	lodge_events_delivered(vcpu);
	ctx->idt_info = 0;
	e = exit_of(ctx->reason);
	if (!e || e->delivery) {
		ctx->idt_info = vmx_read(IDT_VECTORING_INFO_FIELD);
		if (unlikely(ctx->idt_info & VECTORING_INFO_VALID_MASK)) {
			if (vmx_caps.has.vid)
				ctx->idt_info = vmx_apic_vectoring(vcpu, injected,
								   entered);
			vmx_requeue(vcpu);
		}
		/* NMIs are blocked until its handler returns: at once, then. */
		if (ctx->reason == EXIT_REASON_EXCEPTION_NMI &&
		    (vmx_get(ctx, VF_EXIT_INFO) & INTR_INFO_INTR_TYPE_MASK) ==
		    INTR_TYPE_NMI_INTR)
			vmx_call_nmi();
	}
	if (unlikely(ctx->nmi_masked))
		guess_nmi_end(vcpu);
	return dispatch(vcpu, true);
}

/** vmx_slow - what vmx_run() could not finish, where sleeping is allowed */
int vmx_slow(struct lodge_vcpu *vcpu)
{
	return dispatch(vcpu, false);
}
