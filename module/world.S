/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * World switches: what both vendors' entry.S do alike, and include. Of the general
 * registers RAX and RSP are not here, which travel by ways of the vendor's.
 */
#include <asm/msr-index.h>
#include <asm/percpu.h>

/* enum lodge_gpr */
#define R_RAX	0
#define R_RCX	8
#define R_RDX	16
#define R_RBX	24
#define R_RBP	40
#define R_RSI	48
#define R_RDI	56
#define R_R(n)	(8 * (n))

/* What a function has to give back as it was. */
.macro HOST_REGS_PUSH
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
.endm

.macro HOST_REGS_POP
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
.endm

/* The guest's from where RDI points to, but for RDI. No flag is changed. */
.macro GUEST_REGS_LOAD
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
.endm

/* All of them to where RAX points to. No flag is changed. */
.macro GUEST_REGS_SAVE
	mov	%rcx, R_RCX(%rax)
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
.endm

/* Nor may the guest's values be used by speculation on. */
.macro GUEST_REGS_CLEAR
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
.endm

/*
 * The guest's IA32_SPEC_CTRL from \val, if the host's is another. No return or
 * indirect branch may stand between this and the entry.
 */
.macro GUEST_SPEC_CTRL_LOAD val:req
	movl	\val, %eax
	cmp	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	je	.Lloaded\@
	movl	$MSR_IA32_SPEC_CTRL, %ecx
	xor	%edx, %edx
	wrmsr
.Lloaded\@:
.endm

/*
 * A guest that may write it without an exit, as \free says, is asked what it wrote.
 * RCX names the MSR then, for who writes the host's.
 */
.macro GUEST_SPEC_CTRL_SAVE val:req, free:req
	movl	$MSR_IA32_SPEC_CTRL, %ecx
	cmpb	$0, \free
	je	.Lknown\@
	rdmsr
	movl	%eax, \val
.Lknown\@:
.endm
