/* SPDX-License-Identifier: GPL-2.0-only */
/* For payloads: read, or write, a word where RDI says, again and again. */
#include "guest.h"

/* RDI anew each time, so that the host may change it. */
asm(".globl peek\npeek:\n\t"
	"mov (%rdi), %rbx\n\t"
	"mov $2, %al\n\tmov $0x7e0, %dx\n\tout %al, %dx\n\tjmp peek\n"
	".globl poke\npoke:\n\t"
	"mov %rsi, (%rdi)\n\t"
	"mov $1, %ebx\n\tmov $3, %al\n\tmov $0x7e0, %dx\n\tout %al, %dx\n\t"
	"jmp poke");
