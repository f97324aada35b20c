/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For payloads in assembly: entries, and the protocol's commands in whatever
 * mode .code16, .code32 or .code64 says. A command changes AL, DX and rBX.
 */
#ifndef GUEST_ASM_H
#define GUEST_ASM_H

#include "protocol.h"

#define LABEL(name)	.globl name; name:
#define ENTRY(name)	.balign 4; LABEL(name)

	.macro	DONE
9:	mov	$CMD_DONE, %al
	mov	$PORT_CMD, %dx
	out	%al, %dx
	jmp	9b
	.endm

	.macro	MARK n
	mov	$\n, %ebx
	mov	$CMD_MARK, %al
	mov	$PORT_CMD, %dx
	out	%al, %dx
	.endm

	/* rBX: the value */
	.macro	VALUE
	mov	$CMD_VALUE, %al
	mov	$PORT_CMD, %dx
	out	%al, %dx
	.endm

#endif
