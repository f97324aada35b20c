/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"

	.code64
ENTRY(work)
	MARK	1
	jmp	work
