// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

#define DEV	0xd0000000UL

static volatile u64 hits;

static void tell(struct frame *f)
{
	hits++;
	value(f->vector);
	eoi();
}

static void hit(struct frame *f)
{
	hits++;
	eoi();
}

static void set_up(void (*fn)(struct frame *f))
{
	int i;

	for (i = 32; i < 256; i++)
		handler[i] = fn;
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	lapic_on();
	ioapic_pin(5, 0x45);
	ioapic_pin(10, 0x804a);
}

GUEST(irqs)
{
	set_up(tell);
	sti();
	for (;;)
		mark(1);
}

GUEST(sleep)
{
	set_up(hit);
	mark(1);
	while (!hits)
		wait_irq();
	mark(2);
}

#define STORE(insn, at, val) \
	asm volatile(insn : : "a"((u64)(val)), "D"((u64)(at)) : "memory")

GUEST(doorbells)
{
	STORE("mov %%eax, (%%rdi)", DEV, 5);
	STORE("movl $0, (%%rdi)", DEV, 0);
	STORE("mov %%ax, (%%rdi)", DEV + 0x10, 1);
	STORE("mov %%ax, (%%rdi)", DEV + 0x10, 2);
	STORE("mov %%ax, (%%rdi)", DEV + 0x10, 3);
	STORE("mov %%ax, (%%rdi)", DEV, 3);
	STORE("mov %%al, (%%rdi)", DEV + 0x20, 3);
	STORE("mov %%ax, (%%rdi)", DEV + 0x20, 3);
	STORE("mov %%eax, (%%rdi)", DEV + 0x20, 3);
	STORE("mov %%rax, (%%rdi)", DEV + 0x20, 3);
	mark(1);
	rd32(DEV);
	mark(2);
	wr32(DEV, 1);
}

GUEST(ports)
{
	asm volatile("out %%ax, %%dx" : : "a"(7), "d"(0x510));
	outl(0x514, 0x12345678);
	outl(0x514, 0x12345679);
	outb(0x510, 1);
	asm volatile("in %%dx, %%ax" : : "d"(0x510) : "rax");
	outb(0x518, 1);
	asm volatile("out %%ax, %%dx" : : "a"(7), "d"(0x518));
	outl(0x518, 1);
	mark(1);
}
