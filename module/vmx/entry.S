/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into the guest and out again. The CPU exchanges segments, control registers,
 * RSP, RIP and RFLAGS with the VMCS; the general registers are ours to move.
 *
 * The host's RIP in the VMCS is vmx_exited, which is also where an entry goes on
 * that the CPU refuses: it fails with CF or ZF, and a VM exit clears both
 * (SDM vol. 3C 27.5.3), so that one way out serves both.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>
#include <asm/segment.h>

#include "../compat.h"
#include "../world.S"

#define HOST_RSP	0x6c14

/* struct vmx_switch */
#define SW_HOST_RSP	0
#define SW_SPEC_CTRL	8
#define SW_LAUNCHED	12
#define SW_SPEC_FREE	13

.text

/* bool vmx_enter_guest(u64 *regs, struct vmx_switch *sw) */
SYM_FUNC_START(vmx_enter_guest)
	HOST_REGS_PUSH
	push	%rsi
	push	%rdi

	/* A thread comes here by the same way nearly always. */
	cmp	SW_HOST_RSP(%rsi), %rsp
	je	.Lrsp_known
	mov	%rsp, SW_HOST_RSP(%rsi)
	mov	$HOST_RSP, %eax
	vmwrite	%rsp, %rax
.Lrsp_known:

	/* No return or indirect branch may stand between this and the entry. */
	ALTERNATIVE "jmp .Lspec_guest_done", "", X86_FEATURE_MSR_SPEC_CTRL
	GUEST_SPEC_CTRL_LOAD SW_SPEC_CTRL(%rsi)
.Lspec_guest_done:

	btw	$0, SW_LAUNCHED(%rsi)	/* CF, which VERW leaves alone */
	mov	R_RAX(%rdi), %rax
	GUEST_REGS_LOAD
	mov	R_RDI(%rdi), %rdi

	/* Not VM_CLEAR_CPU_BUFFERS, which is AMD's: for TSA. ZF goes. */
	CLEAR_CPU_BUFFERS

	jnc	.Llaunch
	vmresume
	jmp	vmx_exited
.Llaunch:
	vmlaunch

SYM_INNER_LABEL(vmx_exited, SYM_L_GLOBAL)
	ENDBR
	/* None of what follows changes the flags, down to SETBE. */
	push	%rax
	mov	8(%rsp), %rax
	GUEST_REGS_SAVE
	pop	R_RAX(%rax)
	setbe	%bl
	pop	%rdi
	pop	%rsi

	/*
	 * No return may be predicted by what the guest left behind: before the
	 * host's IA32_SPEC_CTRL, as CPUs with enhanced IBRS demand.
	 */
	FILL_RETURN_BUFFER %rcx, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, \
		X86_FEATURE_RSB_VMEXIT_LITE

	ALTERNATIVE "jmp .Lspec_host_done", "", X86_FEATURE_MSR_SPEC_CTRL
	GUEST_SPEC_CTRL_SAVE SW_SPEC_CTRL(%rsi), SW_SPEC_FREE(%rsi)
	movl	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	/* Legacy IBRS works from the write on, also of the same value. */
	ALTERNATIVE "", "jmp .Lspec_write", X86_FEATURE_KERNEL_IBRS
	cmp	SW_SPEC_CTRL(%rsi), %eax
	je	.Lspec_written
.Lspec_write:
	xor	%edx, %edx
	wrmsr
.Lspec_written:
	/* Not even speculation gets past here with the guest's setting. */
	lfence
.Lspec_host_done:

	CLEAR_BRANCH_HISTORY_VMEXIT

	movzbl	%bl, %eax
	GUEST_REGS_CLEAR

	HOST_REGS_POP
	RET
SYM_FUNC_END(vmx_enter_guest)

/*
 * void vmx_call_nmi(void)
 *
 * An NMI that made the guest exit is the host's: its handler is called as the
 * CPU would have, and the IRET that ends it opens NMIs again.
 */
SYM_FUNC_START(vmx_call_nmi)
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	push	$__KERNEL_DS
	push	%rbp
	pushf
	push	$__KERNEL_CS
	call	LODGE_NMI_ENTRY
	/* IRET took the frame with it, and RSP is what was pushed. */
	mov	%rbp, %rsp
	pop	%rbp
	RET
SYM_FUNC_END(vmx_call_nmi)

/*
 * void vmx_call_irq(unsigned long handler)
 *
 * The same for an interrupt that the exit has acknowledged.
 */
SYM_FUNC_START(vmx_call_irq)
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	push	$__KERNEL_DS
	push	%rbp
	pushf
	push	$__KERNEL_CS
	CALL_NOSPEC rdi
	mov	%rbp, %rsp
	pop	%rbp
	RET
SYM_FUNC_END(vmx_call_irq)
