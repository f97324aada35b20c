/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

/* What a thread, or a process, does; bits. */
enum sandbox_role {
	SANDBOX_LOOP	= 1,	/* the main thread, after the machine is built */
	SANDBOX_VCPU	= 2,	/* a vCPU's */
	SANDBOX_CLEANER	= 4,	/* cleaner.c */
};

/* In a filter: the process itself, whose number isn't known when it is made. No process has this. */
#define SANDBOX_MYSELF	0x70696421

bool sandbox_check(void);
void sandbox_prepare(void);
int sandbox_enter(enum sandbox_role role);

#endif
