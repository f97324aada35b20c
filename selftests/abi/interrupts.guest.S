/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"

	.code64
	/* Gates of all vectors, to stubs that push their number. */
	.macro	SETUP
	lea	stubs(%rip), %rax
	mov	$0x2000, %edi
	mov	$256, %ecx
9:	mov	%ax, (%rdi)
	movw	$8, 2(%rdi)
	movw	$0x8e00, 4(%rdi)
	mov	%rax, %rdx
	shr	$16, %rdx
	mov	%dx, 6(%rdi)
	movq	$0, 8(%rdi)
	add	$16, %rdi
	add	$8, %rax
	dec	%ecx
	jnz	9b
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d
	xor	%ebp, %ebp
	.endm

	.balign	8
stubs:
	.set	i, 0
	.rept	256
	.balign	8
	push	$i
	.byte	0xe9
	.long	common - . - 4
	.set	i, i + 1
	.endr
	.balign	8

	/* %ebp: 0 tells the vector, 1 counts only. R12 all, R14 others, R15 NMIs. */
common:
	pop	%rbx
	push	%rax
	push	%rdx
	inc	%r12
	cmp	$2, %ebx
	je	1f
	inc	%r14
	jmp	2f
1:	inc	%r15
2:	mov	%r15, %rcx
	test	%ebp, %ebp
	jnz	3f
	VALUE
	cmp	$2, %ebx
	jne	3f
	MARK	3
3:	pop	%rdx
	pop	%rax
	iretq

ENTRY(open)
	SETUP
	sti
1:	MARK	1
	jmp	1b

ENTRY(closed)
	SETUP
	MARK	1
	MARK	2
	sti
	nop
LABEL(after_sti)
	hlt
	DONE

ENTRY(nmi)
	SETUP
	MARK	1
	nop
	MARK	4
	DONE

ENTRY(both)
	SETUP
	inc	%ebp
	sti
	nop
	MARK	1
	nop
	nop
	MARK	2
	DONE

ENTRY(halt_closed)
	SETUP
	inc	%ebp
	hlt
	MARK	5
	DONE

ENTRY(spin)
	SETUP
	inc	%ebp
	sti
1:	cmpq	$0, 0x200000
	je	1b
	MARK	7

	.code16
ENTRY(open16)
	sti
1:	MARK	1
	jmp	1b
ENTRY(handler16)
	MARK	2
	iret
