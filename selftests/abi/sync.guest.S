/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"

	.code64
ENTRY(count)
1:	inc	%rbx
	mov	%ebx, %eax
	out	%al, $0x10
	jmp	1b

/* An exit to the host wakes a CPU of AMD's: it halts again. */
ENTRY(halt)
	sti
	hlt
	jmp	halt

/* Says what woke it. */
ENTRY(woken)
	out	%al, $0x11
	iretq

ENTRY(spin)
1:	pause
	mov	$100, %ecx
2:	pause
	loop	2b
	out	%al, $0x10
	jmp	1b

/* Nobody writes to where it waits. */
ENTRY(mwait)
	out	%al, $0x10
	sti
1:	lea	mwaits(%rip), %rax
	add	$64, %rax
	xor	%ecx, %ecx
	xor	%edx, %edx
	monitor
	xor	%eax, %eax
	mwait
	incq	mwaits(%rip)
	jmp	1b

	.balign	64
LABEL(mwaits)
	.fill	16, 8, 0
