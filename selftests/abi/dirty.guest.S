/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"

	.code64
ENTRY(write)
	incq	(%rdi)
	mov	%rsi, 8(%rdi)
	MARK	1

ENTRY(read)
	mov	(%rdi), %rax
	add	$4096, %rdi
	dec	%rsi
	jnz	read
	MARK	1

ENTRY(fill)
	incq	(%rdi)
	add	$4096, %rdi
	dec	%rsi
	jnz	fill
	MARK	1

ENTRY(ins)
	cld
	mov	$0x99, %edx
	mov	$100, %ecx
	rep insb
	MARK	1
