/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"

	.code64
ENTRY(count)
	xor	%eax, %eax
1:	inc	%eax
	out	%al, $0x10
	jmp	1b

ENTRY(read_mmio)
	mov	$0xd0000000, %ebx
	mov	(%rbx), %rbx
	VALUE
	DONE

	.balign	32
ENTRY(spin)
	pause
	jmp	spin

ENTRY(halt)
	sti
	hlt
LABEL(after_halt)
	DONE
