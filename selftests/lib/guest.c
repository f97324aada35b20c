// SPDX-License-Identifier: GPL-2.0-only
/* Linked into every payload in C. */
#include "guest.h"

volatile struct trap trap;
void (*volatile handler[256])(struct frame *f);

void trap_c(struct frame *f);
void trap_c(struct frame *f)
{
	if (handler[f->vector]) {
		handler[f->vector](f);
		return;
	}
	if (trap.resume) {
		trap.vector = f->vector;
		trap.error = f->error;
		trap.rip = f->rip;
		trap.rflags = f->rflags;
		trap.cr2 = read_cr2();
		trap.count++;
		f->rip = trap.resume;
		return;
	}
	for (;;)
		asm volatile("outb %%al, %%dx"
			     : : "a"(CMD_TRAP), "d"(PORT_CMD), "b"(f->vector),
				 "c"(f->error), "S"(f->rip), "D"(read_cr2()));
}

/* What the compiler may call. */
void *memset(void *p, int c, u64 n);
void *memset(void *p, int c, u64 n)
{
	void *to = p;

	asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return p;
}

void *memcpy(void *d, const void *s, u64 n);
void *memcpy(void *d, const void *s, u64 n)
{
	void *to = d;

	asm volatile("rep movsb" : "+D"(to), "+S"(s), "+c"(n) : : "memory");
	return d;
}
