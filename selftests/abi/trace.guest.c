// SPDX-License-Identifier: GPL-2.0-only
/* One of each thing that has a tracepoint, at addresses that the host knows. */
#include "guest.h"

#define FAR	0x500000UL		/* memory that nothing else touches */
#define NOWHERE	0xd0000000UL		/* no memory, no device */

static volatile int taken;

static void on_interrupt(struct frame *f)
{
	taken = f->vector;
}

static void on_apic(struct frame *f)
{
	taken = f->vector;
	eoi();
}

/* Without controllers: what user space injects, and faults. */
GUEST(plain)
{
	u64 data;

	handler[0x51] = on_interrupt;
	handler[2] = on_interrupt;
	asm volatile(".globl at_cpuid; at_cpuid: cpuid"
		     : : "a"(0x80000000), "c"(0) : "ebx", "edx", "memory");
	EQ(rdmsr_traps(0xbadc0de, &data), 13);
	outl(0x1234, 0xabcd5678);
	asm volatile(".globl at_far; at_far: movl %0, (%1)"
		     : : "r"(1), "r"(FAR) : "memory");
	wr32(NOWHERE, 0x11223344);
	sti();
	mark(1);		/* the host injects an interrupt, then an NMI */
	cli();
	EQ(taken, 0x51);
	mark(2);
	EQ(taken, 2);
	asm volatile("vmmcall" : : "a"(0x7fff), "b"(0x1234) : "memory");
}

/* With controllers in the kernel: an interrupt to itself, and a timer. */
GUEST(apic)
{
	handler[0x61] = on_apic;
	handler[0x62] = on_apic;
	ioapic_write(0x12, 0x10063);
	lapic_on();
	lapic_write(0x310, 0);
	lapic_write(0x300, 0x40061);
	sti();
	while (taken != 0x61)
		asm volatile("pause");
	lapic_write(0x3e0, 0xb);
	lapic_write(0x320, 0x62);
	lapic_write(0x380, 1000);
	while (taken != 0x62)
		asm volatile("pause");
	cli();
}
