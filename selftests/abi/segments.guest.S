/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"

	.code32
ENTRY(load32)
	mov	%es:(%ebp), %eax
	DONE
ENTRY(store32)
	mov	%eax, %es:(%ebp)
	DONE
ENTRY(fault32)
	pop	%ebx
	VALUE
	hlt

	.code16
ENTRY(real16)
	mov	$0xa000, %ax
	mov	%ax, %es
	mov	%es:0xfffe, %ax
	mov	%es:0xffff, %ax
	hlt
ENTRY(fault16)
	mov	$0x6666, %bx
	VALUE
	hlt

	.code64
ENTRY(long64)
	mov	%fs:0x10, %eax
	mov	%rax, %gs:0x18
	mov	$0xd0000020, %edi
	mov	%es:(%rdi), %al
	mov	$0xabcdef0000000000, %rsi
	add	$0x30, %rsi
	.byte	0x65, 0x67, 0x8b, 0x06		/* mov %gs:(%esi), %eax */
	.byte	0xc7, 0x05			/* movl $1, rel(%rip) */
	.long	0x70000040 - 1f, 1
1:	DONE
