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

#define HOST_RSP	0x6c14

/* enum lodge_gpr; RSP travels in the VMCS. */
#define R_RAX	0
#define R_RCX	8
#define R_RDX	16
#define R_RBX	24
#define R_RBP	40
#define R_RSI	48
#define R_RDI	56
#define R_R(n)	(8 * (n))

/* struct vmx_switch */
#define SW_HOST_RSP	0
#define SW_SPEC_CTRL	8
#define SW_LAUNCHED	12
#define SW_SPEC_FREE	13

.text

/* bool vmx_enter_guest(u64 *regs, struct vmx_switch *sw) */
SYM_FUNC_START(vmx_enter_guest)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
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
	movl	SW_SPEC_CTRL(%rsi), %eax
	cmp	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	je	.Lspec_guest_done
	movl	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
.Lspec_guest_done:

	btw	$0, SW_LAUNCHED(%rsi)	/* CF, which VERW leaves alone */
	mov	R_RAX(%rdi), %rax
	mov	R_RCX(%rdi), %rcx
	mov	R_RDX(%rdi), %rdx
	mov	R_RBX(%rdi), %rbx
	mov	R_RBP(%rdi), %rbp
	mov	R_RSI(%rdi), %rsi
	mov	R_R(8)(%rdi), %r8
	mov	R_R(9)(%rdi), %r9
	mov	R_R(10)(%rdi), %r10
	mov	R_R(11)(%rdi), %r11
	mov	R_R(12)(%rdi), %r12
	mov	R_R(13)(%rdi), %r13
	mov	R_R(14)(%rdi), %r14
	mov	R_R(15)(%rdi), %r15
	mov	R_RDI(%rdi), %rdi

	VM_CLEAR_CPU_BUFFERS

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
	mov	%rcx, R_RCX(%rax)
	pop	R_RAX(%rax)
	mov	%rdx, R_RDX(%rax)
	mov	%rbx, R_RBX(%rax)
	mov	%rbp, R_RBP(%rax)
	mov	%rsi, R_RSI(%rax)
	mov	%rdi, R_RDI(%rax)
	mov	%r8, R_R(8)(%rax)
	mov	%r9, R_R(9)(%rax)
	mov	%r10, R_R(10)(%rax)
	mov	%r11, R_R(11)(%rax)
	mov	%r12, R_R(12)(%rax)
	mov	%r13, R_R(13)(%rax)
	mov	%r14, R_R(14)(%rax)
	mov	%r15, R_R(15)(%rax)
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
	movl	$MSR_IA32_SPEC_CTRL, %ecx
	/* A guest that may write it without an exit is asked what it wrote. */
	cmpb	$0, SW_SPEC_FREE(%rsi)
	je	.Lspec_known
	rdmsr
	movl	%eax, SW_SPEC_CTRL(%rsi)
.Lspec_known:
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

	/* Nor may the guest's values be used by speculation on. */
	movzbl	%bl, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d

	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
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
