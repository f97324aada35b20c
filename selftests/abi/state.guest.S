/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"

	.code32
ENTRY(idle32)
	MARK	1
	jmp	idle32

	.code64
ENTRY(idle)
	MARK	1
	jmp	idle

ENTRY(use_fpu)
	fld1
	fldpi
	pcmpeqd	%xmm0, %xmm0
	MARK	1

ENTRY(xmm)
	movq	%xmm5, %rbx
	mov	%rbx, %rax
	not	%rax
	movq	%rax, %xmm9
	VALUE
	DONE

	/*
	 * A sum whose parts are in a register, an XMM register, memory, the
	 * x87 stack and FS.base.
	 */
ENTRY(sum)
	fninit
	fldz
	xor	%r12d, %r12d
	pxor	%xmm7, %xmm7
	mov	$0xc0000100, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	mov	$0x300000, %edi
	movq	$0, (%rdi)
1:	inc	%r12
	movq	%xmm7, %rax
	add	%r12, %rax
	movq	%rax, %xmm7
	add	%r12, (%rdi)
	cmp	%rax, (%rdi)
	jne	2f
	mov	%r12, 8(%rdi)
	fildll	8(%rdi)
	faddp
	fld	%st(0)
	fistpll	16(%rdi)
	cmp	16(%rdi), %rax
	jne	2f
	mov	$0xc0000100, %ecx
	rdmsr
	add	%r12d, %eax
	wrmsr
	movq	%xmm7, %rbx
	cmp	%eax, %ebx
	jne	2f
	VALUE
	jmp	1b
2:	mov	%r12, %rcx
	mov	$CMD_FAIL, %al
	mov	$PORT_CMD, %dx
	out	%al, %dx
