/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"

	.text

	.code16
ENTRY(hello16)
	mov	$0x1234, %bx
	mov	$0x3f8, %dx
	mov	$'l', %al
	out	%al, %dx
	mov	$0x3fd, %dx
	in	%dx, %al
	hlt
LABEL(after16)
	DONE

	.code32
ENTRY(hello32)
	mov	$0x1234, %ebx
	mov	$0x3f8, %edx
	mov	$'l', %al
	out	%al, %dx
	mov	$0x3fd, %edx
	in	%dx, %al
	hlt
LABEL(after32)
	DONE

	.code64
ENTRY(hello64)
	mov	$0x1234, %ebx
	mov	$0x3f8, %edx
	mov	$'l', %al
	out	%al, %dx
	mov	$0x3fd, %edx
	in	%dx, %al
	hlt
LABEL(after64)
	DONE

	/* Real -> protected -> PAE -> compatibility -> 64-bit, and back. */
	.code16
ENTRY(climb)
	MARK	16
	cli
	lgdtl	(gdtr - 0x10000)
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$0x18, $1f
	.code32
1:	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %ss
	mov	$0x9000, %esp
	MARK	32
	mov	%cr4, %eax
	or	$0x20, %eax
	mov	%eax, %cr4
	mov	$0x87000, %eax			/* G_PDPT_PAE */
	mov	%eax, %cr3
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	MARK	36
	mov	%cr0, %eax
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	mov	$0x80000, %eax			/* G_PML4 */
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	ljmp	$8, $2f
	.code64
2:	MARK	64
	pushq	$0x18
	pushq	$3f
	lretq
	.code32
3:	mov	%cr0, %eax
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	mov	$0xc0000080, %ecx
	rdmsr
	and	$~0x100, %eax
	wrmsr
	MARK	33
	mov	$0x28, %eax
	mov	%eax, %ds
	mov	%eax, %ss
	ljmp	$0x20, $(4f - 0x10000)
	.code16
4:	mov	%cr0, %eax
	and	$0xfe, %al
	mov	%eax, %cr0
	ljmp	$0x1000, $(5f - 0x10000)
5:	MARK	17
	DONE

	/* Big real mode: a segment of 4 GiB, kept from protected mode. */
	.code16
ENTRY(big_real)
	cli
	lgdtl	(gdtr - 0x10000)
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	mov	$0x10, %ax
	mov	%ax, %fs
	mov	%cr0, %eax
	and	$0xfe, %al
	mov	%eax, %cr0
	mov	$0x300000, %edi
	movl	$0x11223344, %fs:(%edi)
	addl	$1, %fs:(%edi)
	mov	%fs:(%edi), %ebx
	VALUE
	mov	$0xd0000000, %edi
	mov	%fs:(%edi), %ebx
	VALUE
	movl	$0x55667788, %fs:4(%edi)
	DONE

	.code64
ENTRY(swap64)
	not	%rax
	not	%rbx
	not	%rcx
	not	%rdx
	not	%rsi
	not	%rdi
	not	%rbp
	not	%r8
	not	%r9
	not	%r10
	not	%r11
	not	%r12
	not	%r13
	not	%r14
	not	%r15
	hlt

	.globl	gdtr
gdtr:	.word	0x4f
	.long	0x1000
