/* SPDX-License-Identifier: GPL-2.0-only */
/* Trap stubs of payloads in C: 256 of them, 16 bytes each, and their tail. */
#include "protocol.h"

	.code64
	.text
	.balign	16
	.globl	trap_stubs
trap_stubs:
	.set	i, 0
	.rept	256
	.balign	16
	.if	!(i == 8 || (i >= 10 && i <= 14) || i == 17 || i == 21 || i == 30)
	pushq	$0
	.endif
	pushq	$i
	.byte	0xe9			/* jmp, with a displacement of 32 bits */
	.long	trap_tail - . - 4
	.set	i, i + 1
	.endr
	.balign	16

trap_tail:
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	cld
	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	trap_c
	mov	%rbp, %rsp
	.globl	trap_return
trap_return:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	add	$16, %rsp
	iretq
