/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"

	.code64
ENTRY(exits)
	MARK	1
	jmp	exits
