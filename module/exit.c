// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Exits
 *
 * What a vendor's exit means is said in neutral words by calling one of the
 * functions here; npt/, irq/ and emulate/ have the rest. Each is tried in the
 * inner loop first (fast) and does there all that needs no sleep; an answer
 * of LODGE_SLOW brings it back from the slow handler.
 *
 * An exit that goes to user space leaves vcpu->completion behind: what the
 * next KVM_RUN does with the answer. Until then the guest's state is that
 * of before the instruction, as api.rst says.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/sched.h>
#include <asm/cpu.h>

#include "backend.h"
#include "emulate/glue.h"
#include "event.h"
#include "exit.h"
#include "insn.h"
#include "msr.h"
#include "regs.h"
#include "trace.h"

/** lodge_cpuid_faults - does CPUID raise #GP? As MISC_FEATURES_ENABLES asks */
bool lodge_cpuid_faults(struct lodge_vcpu *vcpu)
{
	return unlikely(vcpu->msrs->misc_features) && lodge_backend->cpl(vcpu);
}

/* CPUID: SDM vol. 2A. */
int lodge_exit_cpuid(struct lodge_vcpu *vcpu, bool fast)
{
	u32 eax = vcpu->regs[LODGE_RAX], ecx = vcpu->regs[LODGE_RCX];
	u32 ebx, edx;
	int ret;

	if (unlikely(lodge_cpuid_faults(vcpu)))
		return lodge_exit_gp(vcpu);
	ret = lodge_insn_skip(vcpu, fast);
	if (ret != LODGE_AGAIN)
		return ret;
	vcpu->stats.cpuid_exits++;
	lodge_cpuid(vcpu, &eax, &ebx, &ecx, &edx);
	vcpu->regs[LODGE_RAX] = eax;
	vcpu->regs[LODGE_RBX] = ebx;
	vcpu->regs[LODGE_RCX] = ecx;
	vcpu->regs[LODGE_RDX] = edx;
	return LODGE_AGAIN;
}

/* An instruction that is allowed and does nothing here: WBINVD, PAUSE ... */
int lodge_exit_nop(struct lodge_vcpu *vcpu, bool fast)
{
	return lodge_insn_skip(vcpu, fast);
}

/* MONITOR and MWAIT: nothing, too, but with the quirk disabled undefined if not given. */
int lodge_exit_monitor(struct lodge_vcpu *vcpu, bool fast)
{
	u32 eax = 1, ebx, ecx = 0, edx;

	if (READ_ONCE(vcpu->vm->disabled_quirks) &
	    KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS) {
		lodge_cpuid(vcpu, &eax, &ebx, &ecx, &edx);
		if (!(ecx & BIT(X86_FEATURE_MWAIT % 32)))
			return lodge_exit_undefined(vcpu, fast);
	}
	return lodge_exit_nop(vcpu, fast);
}

/* HLT: sleep in the kernel, or in user space if that has the interrupts. */
int lodge_exit_hlt(struct lodge_vcpu *vcpu, bool fast)
{
	int ret = lodge_insn_skip(vcpu, fast);

	if (ret != LODGE_AGAIN)
		return ret;
	vcpu->stats.halt_exits++;
	if (!vcpu->vm->irq.in_kernel) {
		vcpu->run->exit_reason = KVM_EXIT_HLT;
		return LODGE_USER;
	}
	vcpu->mp_state = KVM_MP_STATE_HALTED;
	return LODGE_LEAVE;
}

static void msr_read_done(struct lodge_vcpu *vcpu, u64 data)
{
	vcpu->regs[LODGE_RAX] = (u32)data;
	vcpu->regs[LODGE_RDX] = data >> 32;
}

/* What user space has asked for is its own; all else is #GP. */
static int msr_failed(struct lodge_vcpu *vcpu, u32 index, u64 data, bool write, u32 why,
		      u64 next_rip)
{
	struct kvm_run *run = vcpu->run;

	if (!(READ_ONCE(vcpu->vm->user_msrs) & why)) {
		lodge_exception_queue_error(vcpu, X86_TRAP_GP, 0);
		return LODGE_AGAIN;
	}
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = why;
	run->msr.index = index;
	run->msr.data = write ? data : 0;
	vcpu->msr_write = write;
	vcpu->pio_rip = next_rip;
	vcpu->completion = LODGE_COMPLETE_MSR;
	return LODGE_USER;
}

/** lodge_exit_msr_complete - the answer to a RDMSR or WRMSR that user space served */
int lodge_exit_msr_complete(struct lodge_vcpu *vcpu)
{
	if (READ_ONCE(vcpu->run->msr.error)) {
		lodge_exception_queue_error(vcpu, X86_TRAP_GP, 0);
		return LODGE_AGAIN;
	}
	if (!vcpu->msr_write)
		msr_read_done(vcpu, READ_ONCE(vcpu->run->msr.data));
	vcpu->rip = vcpu->pio_rip;
	return LODGE_AGAIN;
}

/* RDMSR and WRMSR. */
int lodge_exit_msr(struct lodge_vcpu *vcpu, bool write, bool fast)
{
	u32 index = vcpu->regs[LODGE_RCX], why = KVM_MSR_EXIT_REASON_INVAL;
	u64 data = (u32)vcpu->regs[LODGE_RAX] | vcpu->regs[LODGE_RDX] << 32;
	u64 rip = vcpu->rip, next_rip;
	int ret;

	/* First over it: where that can't be done nothing has happened yet. */
	ret = lodge_insn_skip(vcpu, fast);
	if (ret != LODGE_AGAIN)
		return ret;
	if (unlikely(!lodge_msr_allowed(vcpu, index, write))) {
		why = KVM_MSR_EXIT_REASON_FILTER;
		ret = 1;
	} else if (write) {
		ret = lodge_msr_set(vcpu, index, data, false, !fast);
	} else {
		ret = lodge_msr_get(vcpu, index, &data, false);
	}
	if (unlikely(ret)) {
		next_rip = vcpu->rip;
		vcpu->rip = rip;
		if (ret == LODGE_SLOW)
			return ret;
		if (why == KVM_MSR_EXIT_REASON_INVAL && !lodge_msr_known(vcpu, index))
			why = KVM_MSR_EXIT_REASON_UNKNOWN;
		return msr_failed(vcpu, index, data, write, why, next_rip);
	}
	vcpu->stats.msr_exits++;
	if (!write)
		msr_read_done(vcpu, data);
	return LODGE_AGAIN;
}

/* The lowest bytes of @val, 1, 2 or 4 of them. */
static void set_rax(struct lodge_vcpu *vcpu, u32 val, u8 size)
{
	u64 *rax = &vcpu->regs[LODGE_RAX], mask = BIT_ULL(size * 8) - 1;

	/* A 32-bit result clears the upper half, others leave it alone. */
	if (size == 4)
		*rax = val;
	else
		*rax = (*rax & ~mask) | (val & mask);
}

static u32 *pio_data(struct lodge_vcpu *vcpu)
{
	return (void *)vcpu->run + LODGE_PIO_PAGE * PAGE_SIZE;
}

/**
 * lodge_exit_io - IN or OUT, the register forms
 * @vcpu: the vCPU
 * @port: the port
 * @size: 1, 2 or 4
 * @in: IN
 * @fast: in the inner loop
 */
int lodge_exit_io(struct lodge_vcpu *vcpu, u16 port, u8 size, bool in, bool fast)
{
	u32 val = vcpu->regs[LODGE_RAX];
	struct kvm_run *run = vcpu->run;
	u64 rip = vcpu->rip;
	int ret;

	vcpu->stats.io_exits++;
	ret = lodge_insn_skip(vcpu, fast);
	if (ret != LODGE_AGAIN)
		return ret;
	if (in) {
		val = 0;
		ret = lodge_bus_read(vcpu, LODGE_BUS_PIO, port, size, &val);
	} else {
		ret = lodge_bus_write(vcpu, LODGE_BUS_PIO, port, size, &val);
	}
	trace_lodge_pio(vcpu, !in, port, size, val);
	if (!ret) {
		if (in)
			set_rax(vcpu, val, size);
		return LODGE_AGAIN;
	}
	if (ret == LODGE_SLOW) {
		vcpu->rip = rip;
		return ret;
	}
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = size;
	run->io.port = port;
	run->io.count = 1;
	run->io.data_offset = LODGE_PIO_PAGE * PAGE_SIZE;
	WRITE_ONCE(*pio_data(vcpu), val);
	vcpu->pio_size = size;
	vcpu->completion = in ? LODGE_COMPLETE_PIO : LODGE_DONE;
	/* An OUT is done; an IN is over when its answer is in RAX. */
	if (in) {
		vcpu->pio_rip = vcpu->rip;
		vcpu->rip = rip;
	}
	return LODGE_USER;
}

/** lodge_exit_io_complete - the answer to an IN that user space served */
int lodge_exit_io_complete(struct lodge_vcpu *vcpu)
{
	set_rax(vcpu, READ_ONCE(*pio_data(vcpu)), vcpu->pio_size);
	vcpu->rip = vcpu->pio_rip;
	return LODGE_AGAIN;
}

/*
 * An event cannot be delivered: its gate, stack or task lies where there is no
 * memory, and the instruction at RIP is not what made the access.
 */
static int delivery_failed(struct lodge_vcpu *vcpu, gpa_t gpa, u32 flags)
{
	const struct lodge_events *ev = &vcpu->events;
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 3;
	run->internal.data[0] = ev->exception.injected ? ev->exception.vector :
				ev->nmi.injected ? X86_TRAP_NMI : ev->irq.vector;
	run->internal.data[1] = flags;
	run->internal.data[2] = gpa;
	return LODGE_USER;
}

static bool delivering(const struct lodge_vcpu *vcpu)
{
	const struct lodge_events *ev = &vcpu->events;

	return ev->exception.injected || ev->nmi.injected ||
	       (ev->irq.injected && !ev->irq.soft);
}

/**
 * lodge_exit_mmio - an access where there is no memory
 * @vcpu: the vCPU
 * @gpa: guest-physical address
 * @flags: LODGE_NPF_*; LODGE_NPF_RSVD alone if that is said by the tables
 * @fast: in the inner loop
 */
int lodge_exit_mmio(struct lodge_vcpu *vcpu, gpa_t gpa, u32 flags, bool fast)
{
	/* A fetch, or the guest's own tables there: not an operand. */
	if (fast)
		return delivering(vcpu) ||
		       (flags & (LODGE_NPF_FETCH | LODGE_NPF_TABLE)) ?
		       LODGE_SLOW :
		       lodge_insn_mmio(vcpu, gpa, flags);
	if (delivering(vcpu))
		return delivery_failed(vcpu, gpa, flags);
	vcpu->stats.mmio_exits++;
	/* Of tables and code the address is not the operand's. */
	if (flags & (LODGE_NPF_TABLE | LODGE_NPF_FETCH))
		return lodge_glue_emulate(vcpu);
	return lodge_glue_mmio(vcpu, gpa);
}

/**
 * lodge_exit_npf - a nested page fault
 * @vcpu: the vCPU
 * @gpa: guest-physical address
 * @flags: LODGE_NPF_*
 * @fast: in the inner loop
 */
int lodge_exit_npf(struct lodge_vcpu *vcpu, gpa_t gpa, u32 flags, bool fast)
{
	int ret = lodge_npt_fault(vcpu, gpa, flags, fast);

	trace_lodge_npf(vcpu, gpa, flags, ret);
	switch (ret) {
	case LODGE_NPF_FIXED:
		vcpu->stats.npf_fixed++;
		return LODGE_AGAIN;
	case LODGE_NPF_RETRY_SLOW:
		return LODGE_SLOW;
	case LODGE_NPF_MMIO:
		return lodge_exit_mmio(vcpu, gpa, flags, fast);
	default:
		vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
		return ret;
	}
}

/* VMCALL, VMMCALL. */
int lodge_exit_hypercall(struct lodge_vcpu *vcpu, bool fast)
{
	u64 rip = vcpu->rip;
	int ret = lodge_insn_skip(vcpu, fast);

	if (ret != LODGE_AGAIN)
		return ret;
	ret = lodge_pv_hypercall(vcpu);
	/* Nothing was done: the slow handler begins anew. */
	if (ret == LODGE_SLOW)
		vcpu->rip = rip;
	else
		vcpu->stats.hypercalls++;
	return ret;
}

/**
 * lodge_exit_write_cr - MOV to CR0, CR4 or CR8
 * @vcpu: the vCPU
 * @n: which one
 * @val: the value, 32 bits of it outside of 64-bit code
 * @next_rip: where the next instruction is
 *
 * Return: enum lodge_next; LODGE_SLOW for the emulator.
 */
int lodge_exit_write_cr(struct lodge_vcpu *vcpu, int n, u64 val, u64 next_rip)
{
	int ret;

	switch (n) {
	case 0:
		ret = lodge_cr0_set(vcpu, val);
		break;
	case 4:
		ret = lodge_cr4_set(vcpu, val);
		break;
	case 8:
		ret = lodge_cr8_set(vcpu, val);
		break;
	default:
		return LODGE_SLOW;
	}
	vcpu->stats.cr_exits++;
	if (ret)
		return lodge_exit_gp(vcpu);
	lodge_insn_retire(vcpu, next_rip);
	return LODGE_AGAIN;
}

/**
 * lodge_exit_cr8 - a write to CR8 was finished
 * @vcpu: the vCPU
 * @before: what CR8 was
 * @ret: what is to come next
 *
 * User space that has the local APIC is told when the task priority falls: an
 * interrupt that it holds may be due now.
 */
int lodge_exit_cr8(struct lodge_vcpu *vcpu, u64 before, int ret)
{
	if (ret != LODGE_AGAIN || vcpu->apic || vcpu->cr8 >= before)
		return ret;
	vcpu->run->exit_reason = KVM_EXIT_SET_TPR;
	return LODGE_USER;
}

int lodge_exit_xsetbv(struct lodge_vcpu *vcpu, bool fast)
{
	u64 val = (u32)vcpu->regs[LODGE_RAX] | vcpu->regs[LODGE_RDX] << 32;
	u64 rip = vcpu->rip;
	int ret = lodge_insn_skip(vcpu, fast);

	if (ret != LODGE_AGAIN)
		return ret;
	if (lodge_backend->cpl(vcpu) ||
	    lodge_xstate_set_xcr(vcpu, vcpu->regs[LODGE_RCX], val)) {
		vcpu->rip = rip;
		lodge_exception_queue_error(vcpu, X86_TRAP_GP, 0);
	}
	return LODGE_AGAIN;
}

/*
 * PAUSE in a loop: the guest waits for a lock whose holder may not be
 * running. Any of the other vCPUs that was preempted gets this one's time.
 */
int lodge_exit_pause(struct lodge_vcpu *vcpu, bool fast)
{
	if (fast)
		return LODGE_SLOW;
	vcpu->stats.pause_exits++;
	vcpu->spinning = true;
	lodge_vcpu_yield(vcpu);
	vcpu->spinning = false;
	return lodge_insn_skip(vcpu, false);
}

/* What only the emulator can do. */
int lodge_exit_emulate(struct lodge_vcpu *vcpu, bool fast)
{
	return fast ? LODGE_SLOW : lodge_glue_emulate(vcpu);
}

/* MOV to or from a debug register. */
int lodge_exit_dr(struct lodge_vcpu *vcpu, bool fast)
{
	/* A debugger's breakpoints stay out of the guest's sight. */
	if (!fast || vcpu->guest_debug)
		return lodge_exit_emulate(vcpu, fast);
	vcpu->stats.dr_exits++;
	lodge_dr_lend(vcpu);
	return LODGE_AGAIN;
}

/** lodge_exit_db - #DB: the debugger's, or the guest's own; @dr6 says why */
int lodge_exit_db(struct lodge_vcpu *vcpu, u64 dr6)
{
	lodge_dr_take(vcpu);
	if (vcpu->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		return lodge_exit_debug(vcpu, X86_TRAP_DB, dr6);
	lodge_db_queue(vcpu, dr6);
	return LODGE_AGAIN;
}

int lodge_exit_bp(struct lodge_vcpu *vcpu, bool fast)
{
	return lodge_exit_debug(vcpu, X86_TRAP_BP, 0);
}

/* #UD: a hypercall of the other vendor, or really undefined. */
int lodge_exit_ud(struct lodge_vcpu *vcpu, bool fast)
{
	return fast ? LODGE_SLOW : lodge_glue_ud(vcpu);
}

/* Does the guest itself ask for #AC? SDM vol. 3A 6.15, "Interrupt 17". */
static bool wants_ac(struct lodge_vcpu *vcpu)
{
	return (vcpu->rflags & X86_EFLAGS_AC) && lodge_backend->cpl(vcpu) == 3 &&
	       (lodge_backend->cr_get(vcpu, 0) & X86_CR0_AM);
}

/*
 * #AC. A host that detects split locks has the CPU raise it in guests, too, who know
 * nothing of it: what the kernel does about one of a process's own is done, a
 * warning with a delay, or SIGBUS.
 */
int lodge_exit_ac(struct lodge_vcpu *vcpu, bool fast)
{
	struct kvm_run *run = vcpu->run;

	if (!boot_cpu_has(X86_FEATURE_SPLIT_LOCK_DETECT) || wants_ac(vcpu)) {
		lodge_exception_queue_error(vcpu, X86_TRAP_AC, 0);
		return LODGE_AGAIN;
	}
	if (fast)
		return LODGE_SLOW;
	if (handle_guest_split_lock(vcpu->rip))
		return LODGE_AGAIN;
	run->exit_reason = KVM_EXIT_EXCEPTION;
	run->ex.exception = X86_TRAP_AC;
	run->ex.error_code = 0;
	return LODGE_USER;
}

/* An instruction of what guests are not given. */
int lodge_exit_undefined(struct lodge_vcpu *vcpu, bool fast)
{
	return lodge_exit_exception(vcpu, X86_TRAP_UD);
}

int lodge_exit_refused(struct lodge_vcpu *vcpu, bool fast)
{
	return lodge_exit_gp(vcpu);
}

/** lodge_exit_exception - an intercepted exception that is the guest's own */
int lodge_exit_exception(struct lodge_vcpu *vcpu, u8 vector)
{
	lodge_exception_queue(vcpu, vector);
	return LODGE_AGAIN;
}

/** lodge_exit_gp - an instruction that is refused with #GP(0) */
int lodge_exit_gp(struct lodge_vcpu *vcpu)
{
	lodge_exception_queue_error(vcpu, X86_TRAP_GP, 0);
	return LODGE_AGAIN;
}

/**
 * lodge_exit_debug - #DB or #BP that user space asked to see
 * @vcpu: the vCPU
 * @vector: X86_TRAP_DB or X86_TRAP_BP
 * @dr6: what DR6 would say
 */
int lodge_exit_debug(struct lodge_vcpu *vcpu, u8 vector, u64 dr6)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_segment cs;

	lodge_backend->seg_get(vcpu, LODGE_CS, &cs);
	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.exception = vector;
	run->debug.arch.pc = cs.base + vcpu->rip;
	run->debug.arch.dr6 = dr6 | LODGE_DR6_FIXED;
	run->debug.arch.dr7 = vcpu->dr7;
	return LODGE_USER;
}

/** lodge_exit_shutdown - a triple fault: user space decides what becomes of it */
int lodge_exit_shutdown(struct lodge_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return LODGE_USER;
}

/** lodge_exit_unknown - an exit that nobody here knows, with all that it says */
int lodge_exit_unknown(struct lodge_vcpu *vcpu, u64 reason)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON;
	run->internal.ndata = 2;
	run->internal.data[0] = reason;
	run->internal.data[1] = vcpu->cpu;
	return LODGE_USER;
}

/** lodge_exit_entry_failed - the hardware refused the guest's state */
int lodge_exit_entry_failed(struct lodge_vcpu *vcpu, u64 reason)
{
	struct kvm_run *run = vcpu->run;
	char words[160] = "";

	lodge_backend->describe(vcpu, words, sizeof(words));
	pr_warn_ratelimited("vCPU %u: entry refused: %s\n", vcpu->id, words);
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = reason;
	run->fail_entry.cpu = raw_smp_processor_id();
	return LODGE_USER;
}
