/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"

	.code64
ENTRY(nop)
	nop
	hlt
ENTRY(touch)
	mov	(%rdi), %rax
	mov	%rax, (%rdi)
	DONE
ENTRY(ud)
	ud2

	/* A device as operand of what no driver would use. */
ENTRY(odd)
	fldl	(%rdi)
	fbld	(%rdi)
	aesenc	(%rdi), %xmm0
	DONE

ENTRY(loop)
	jmp	loop
ENTRY(loop_mmio)
	mov	$0xd0000000, %edi
1:	mov	%eax, (%rdi)
	jmp	1b

	/* #UD for ever. */
ENTRY(loop_faults)
	lea	1f(%rip), %rax
	mov	$0x2000 + 6 * 16, %edi
	mov	%ax, (%rdi)
	movw	$8, 2(%rdi)
	movw	$0x8e00, 4(%rdi)
	shr	$16, %rax
	mov	%ax, 6(%rdi)
	movq	$0, 8(%rdi)
	ud2
1:	iretq

ENTRY(loop_cpuid)
	xor	%eax, %eax
	cpuid
	jmp	loop_cpuid

	.code16
ENTRY(loop16)
	jmp	loop16
