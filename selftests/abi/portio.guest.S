/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"
#define PORT	0x510

	.macro	WIDTHS
	mov	$PORT, %dx
	out	%al, %dx
	out	%ax, %dx
	out	%eax, %dx
	in	%dx, %al
	in	%dx, %ax
	in	%dx, %eax
	hlt
	out	%al, $0x80
	out	%eax, $0xff
	in	$0x80, %ax
	mov	$0xffff, %dx
	out	%al, %dx
	DONE
	.endm

	/* si, di, cx: the registers of this mode */
	.macro	STRINGS si, di, cx
	cld
	mov	$PORT, %dx
	mov	$0x6000, %\si
	mov	$20, %\cx
	rep outsb
	mov	$0x6000, %\si
	mov	$20, %\cx
	rep outsw
	mov	$0x6000, %\si
	mov	$20, %\cx
	rep outsl
	mov	$0x6000, %\di
	mov	$20, %\cx
	rep insb
	MARK	0
	mov	$PORT, %dx
	mov	$0x6000, %\di
	mov	$20, %\cx
	rep insw
	MARK	1
	mov	$PORT, %dx
	mov	$0x6000, %\di
	mov	$20, %\cx
	rep insl
	MARK	2
	mov	$PORT, %dx
	std
	mov	$0x6008, %\si
	mov	$4, %\cx
	rep outsw
	cld
	mov	$0x6000, %\si
	xor	%\cx, %\cx
	rep outsw
	rep insb
	mov	$0x6003, %\si
	outsb
	DONE
	.endm

	.code16
ENTRY(widths16)
	WIDTHS
ENTRY(strings16)
	xor	%ax, %ax
	mov	%ax, %ds
	STRINGS	si, di, cx

	.code32
ENTRY(widths32)
	WIDTHS
ENTRY(strings32)
	STRINGS	esi, edi, ecx

	.code64
ENTRY(widths64)
	WIDTHS
ENTRY(strings64)
	STRINGS	rsi, rdi, rcx

ENTRY(long_rep)
	cld
	mov	$PORT, %dx
	mov	$0x200123, %rsi
	mov	$10000, %ecx
	rep outsl
	mov	$0x200123, %rdi
	mov	$10000, %ecx
	rep insl
	MARK	1
	DONE

	/* The IDT is built here: #PF alone. */
	.macro	GATE vector, handler
	lea	\handler(%rip), %rax
	mov	$0x2000 + \vector * 16, %edi
	mov	%ax, (%rdi)
	movw	$8, 2(%rdi)
	movw	$0x8e00, 4(%rdi)
	shr	$16, %rax
	mov	%ax, 6(%rdi)
	movq	$0, 8(%rdi)
	.endm

ENTRY(ins_fault)
	GATE	14, 1f
	mov	$PORT, %dx
	mov	$0x800000, %edi
	insb
	ud2
1:	mov	(%rsp), %rbx
	cmp	$2, %rbx
	jne	2f
	mov	%cr2, %rbx
	cmp	$0x800000, %rbx
	jne	2f
	DONE
2:	mov	$2, %ecx
	mov	$CMD_FAIL, %al
	mov	$PORT_CMD, %dx
	out	%al, %dx

	/* Ring 3 with IOPL 3 may, with IOPL 0 it is #GP. */
ENTRY(iopl)
	GATE	13, 3f
	pushq	$0x33
	pushq	$0x9000
	pushq	$0x3002
	pushq	$0x3b
	lea	1f(%rip), %rax
	push	%rax
	iretq
1:	mov	$PORT, %dx
	out	%al, %dx
	mov	$0, %ebp
	/* Drops its own IOPL through the #GP handler. */
	hlt
2:	out	%al, %dx
	ud2
3:	cmp	$0, %ebp
	jne	4f
	inc	%ebp
	lea	2b(%rip), %rax
	mov	%rax, 8(%rsp)
	andq	$~0x3000, 24(%rsp)
	add	$8, %rsp
	mov	$PORT, %dx
	iretq
4:	DONE
