// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

static volatile u64 hits, order[16];

static void hit(struct frame *f)
{
	order[hits++ & 15] = f->vector;
	eoi();
}

static void set_up(void)
{
	int i;

	for (i = 32; i < 256; i++)
		handler[i] = hit;
	lapic_on();
}

static void open(void)
{
	sti();
	asm volatile("nop; nop; nop; nop");
	cli();
}

static void self(u32 icr)
{
	lapic_write(0x310, 0);
	lapic_write(0x300, icr);
}

static u32 bit(u32 reg, u8 vector)
{
	return lapic(reg + (vector >> 5) * 0x10) >> (vector & 31) & 1;
}

GUEST(registers)
{
	u32 i;

	EQ(lapic(0x20) >> 24, 0);
	EQ(lapic(0x30) & 0xff, 0x14);
	TRUE((lapic(0x30) >> 16 & 0xff) >= 4);
	EQ(lapic(0xf0), 0xff);
	lapic_on();
	EQ(lapic(0xf0), 0x1ff);
	/* The lower four bits are lost where CR8 keeps it. */
	lapic_write(0x80, 0x30);
	EQ(lapic(0x80), 0x30);
	EQ(lapic(0xa0), 0x30);			/* PPR */
	lapic_write(0x80, 0);
	lapic_write(0xd0, 0x12345678);
	EQ(lapic(0xd0), 0x12000000);
	lapic_write(0xe0, 0x0fffffff);
	EQ(lapic(0xe0), 0x0fffffff);
	lapic_write(0xe0, ~0);
	for (i = 0x320; i <= 0x370; i += 0x10) {
		lapic_write(i, 0x10000 | (0x30 + i / 16 % 16));
		EQ(lapic(i), 0x10000 | (0x30 + i / 16 % 16));
	}
	lapic_write(0x3e0, 0xffffffff);
	EQ(lapic(0x3e0) & 0xb, 0xb);
	/* Read-only ones. */
	lapic_write(0x30, 0);
	EQ(lapic(0x30) & 0xff, 0x14);
	lapic_write(0x390, 55);
	EQ(lapic(0x390), 0);
	lapic_write(0x280, 0);
	EQ(lapic(0x280), 0);
	/* Bytes within a register are there to be read. */
	EQ(*(volatile u8 *)(LAPIC + 0x30), 0x14);
}

/* Software-disabled, every LVT is masked and no fixed interrupt comes. */
GUEST(disabled)
{
	set_up();
	lapic_write(0x320, 0x40);
	EQ(lapic(0x320), 0x40);
	lapic_write(0xf0, 0xff);
	EQ(lapic(0x320), 0x10040);
	lapic_write(0x320, 0x40);
	EQ(lapic(0x320), 0x10040);
	self(0x41);
	open();
	EQ(hits, 0);
}

GUEST(self_ipi)
{
	set_up();
	self(0x41);
	EQ(bit(0x200, 0x41), 1);
	EQ(lapic(0x300) & 1 << 12, 0);
	open();
	EQ(hits, 1);
	EQ(order[0], 0x41);
	EQ(bit(0x200, 0x41), 0);
	EQ(bit(0x100, 0x41), 0);
	/* By shorthand: self, all including self; all but self is nobody. */
	lapic_write(0x300, 0x40042);
	open();
	EQ(hits, 2);
	lapic_write(0x300, 0x80043);
	open();
	EQ(hits, 3);
	lapic_write(0x300, 0xc0044);
	open();
	EQ(hits, 3);
	/* Logical destinations. */
	lapic_write(0xd0, 0x10000000);
	lapic_write(0xe0, ~0);
	lapic_write(0x310, 0x30000000);
	lapic_write(0x300, 0x845);
	open();
	EQ(hits, 4);
	lapic_write(0x310, 0x20000000);
	lapic_write(0x300, 0x845);
	open();
	EQ(hits, 4);
	/* Two of one vector are one. */
	self(0x46);
	self(0x46);
	open();
	EQ(hits, 5);
}

static void outer(struct frame *f)
{
	order[hits++ & 15] = f->vector;
	self(0x42);		/* the same class: waits */
	self(0x85);		/* higher: at once */
	EQ(bit(0x100, 0x45), 1);
	EQ(lapic(0xa0), 0x40);
	open();
	EQ(hits, 2);
	EQ(order[1], 0x85);
	eoi();
	EQ(bit(0x100, 0x45), 0);
}

GUEST(priorities)
{
	set_up();
	self(0x31);
	self(0xe1);
	self(0x51);
	open();
	EQ(hits, 3);
	EQ(order[0], 0xe1);
	EQ(order[1], 0x51);
	EQ(order[2], 0x31);
	hits = 0;
	handler[0x45] = outer;
	self(0x45);
	open();
	EQ(hits, 3);
	EQ(order[2], 0x42);
}

GUEST(task_priority)
{
	set_up();
	lapic_write(0x80, 0x50);
	self(0x5f);
	self(0x61);
	open();
	EQ(hits, 1);
	EQ(order[0], 0x61);
	lapic_write(0x80, 0x4f);
	open();
	EQ(hits, 2);
	EQ(order[1], 0x5f);
}

GUEST(cr8)
{
	set_up();
	write_cr8(7);
	EQ(lapic(0x80), 0x70);
	EQ(read_cr8(), 7);
	self(0x71);
	open();
	EQ(hits, 0);
	lapic_write(0x80, 0x3a);
	EQ(read_cr8(), 3);
	open();
	EQ(hits, 1);
	write_cr8(15);
	self(0xff);
	open();
	EQ(hits, 1);
	write_cr8(0);
	open();
	EQ(hits, 2);
}

GUEST(cr8_plain)
{
	write_cr8(9);
	EQ(read_cr8(), 9);
	mark(1);
	write_cr8(2);
	value(read_cr8());
}

/* ---- timers ---- */

static void start_timer(u32 lvt, u32 count)
{
	lapic_write(0x3e0, 0xb);		/* divided by one */
	lapic_write(0x320, lvt);
	lapic_write(0x380, count);
}

GUEST(one_shot)
{
	u32 now, last;

	set_up();
	start_timer(0xe0, 2000000);		/* 2 ms */
	last = lapic(0x390);
	TRUE(last <= 2000000);
	now = lapic(0x390);
	TRUE(now <= last);
	while (!hits)
		open();
	EQ(hits, 1);
	EQ(order[0], 0xe0);
	EQ(lapic(0x390), 0);
	/* It does not come again. */
	for (now = 0; now < 1000; now++)
		open();
	EQ(hits, 1);
	/* Zero stops it. */
	lapic_write(0x380, 3000000);
	lapic_write(0x380, 0);
	EQ(lapic(0x390), 0);
	for (now = 0; now < 1000; now++)
		open();
	EQ(hits, 1);
	/* The divider: 128 times as long. */
	lapic_write(0x3e0, 0xa);
	lapic_write(0x380, 0x10000000);
	last = lapic(0x390);
	for (now = 0; now < 100; now++)
		lapic(0x30);
	TRUE(lapic(0x390) <= last);
	TRUE(lapic(0x390) > 0x10000000 - 0x4000000);
}

GUEST(periodic)
{
	set_up();
	start_timer(0x200e0, 1000000);
	while (hits < 10)
		open();
	TRUE(lapic(0x390) > 0);
	lapic_write(0x380, 0);
	open();
	hits = 0;
	open();
	EQ(hits, 0);
}

GUEST(timer_masked)
{
	set_up();
	start_timer(0x100e0, 100000);
	while (lapic(0x390))
		;
	open();
	EQ(hits, 0);
	EQ(bit(0x200, 0xe0), 0);
}

GUEST(timer_halt)
{
	int i;

	set_up();
	for (i = 1; i <= 20; i++) {
		start_timer(0xe0, 300000);
		wait_irq();
		EQ(hits, i);
	}
}

/* Those that mean never: whatever the host's counter makes of them, the guest goes on. */
GUEST(deadline_never)
{
	static const u64 never[] = { ~0UL, ~0UL - 1, 1UL << 63, ~0UL >> 1 };
	u64 now, i;

	set_up();
	lapic_write(0x320, 0x400e0);
	for (i = 0; i < 4; i++) {
		wrmsr(0x6e0, never[i]);
		for (now = rdtsc(); rdtsc() < now + 1000000;)
			open();
		EQ(rdmsr(0x6e0), never[i]);
	}
	EQ(hits, 0);
}

GUEST(deadline)
{
	u64 now, i;

	set_up();
	lapic_write(0x320, 0x400e0);
	EQ(lapic(0x320), 0x400e0);
	now = rdtsc();
	wrmsr(0x6e0, now + 50000000);
	EQ(rdmsr(0x6e0), now + 50000000);
	/* The count register is out of use. */
	lapic_write(0x380, 5);
	EQ(lapic(0x390), 0);
	while (!hits)
		open();
	TRUE(rdtsc() >= now + 50000000);
	EQ(rdmsr(0x6e0), 0);
	/* In the past: at once. */
	wrmsr(0x6e0, 1);
	open();
	EQ(hits, 2);
	/* Zero disarms; far enough for a host that is kept waiting in between. */
	wrmsr(0x6e0, rdtsc() + 50000000);
	wrmsr(0x6e0, 0);
	for (now = rdtsc(); rdtsc() < now + 60000000;)
		open();
	EQ(hits, 2);
	for (i = 0; i < 10; i++) {
		wrmsr(0x6e0, rdtsc() + 500000);
		wait_irq();
	}
	EQ(hits, 12);
	/* Of another mode it is zero. */
	lapic_write(0x320, 0xe0);
	EQ(rdmsr(0x6e0), 0);
}

GUEST(timer_moves)
{
	set_up();
	lapic_write(0x3e0, 0xa);		/* by 128: 6.4 s */
	lapic_write(0x320, 0xe0);
	lapic_write(0x380, 50000000);
	mark(1);
	while (!hits)
		open();
	EQ(order[0], 0xe0);
}

/* ---- x2APIC ---- */

#define X2(reg) (0x800 + (reg) / 16)

static void x2_eoi(struct frame *f)
{
	order[hits++ & 15] = f->vector;
	wrmsr(X2(0xb0), 0);
}

static void x2_on(void)
{
	int i;

	set_up();
	for (i = 32; i < 256; i++)
		handler[i] = x2_eoi;
	wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
}

GUEST(x2apic)
{
	u64 v;

	x2_on();
	EQ(rdmsr(0x1b) & 0xc00, 0xc00);
	EQ(rdmsr(X2(0x20)), 0);
	EQ(rdmsr(X2(0x30)) & 0xff, 0x14);
	EQ(rdmsr(X2(0xf0)), 0x1ff);
	EQ(rdmsr(X2(0xd0)), 1);			/* LDR follows the id */
	EQ(wrmsr_traps(X2(0xd0), 1), 13);
	EQ(wrmsr_traps(X2(0x20), 1), 13);
	EQ(rdmsr_traps(X2(0xe0), &v), 13);	/* no DFR here */
	EQ(rdmsr_traps(X2(0x310), &v), 13);	/* nor ICR2 */
	EQ(rdmsr_traps(X2(0xb0), &v), 13);	/* EOI is written */
	EQ(wrmsr_traps(X2(0x280), 1), 13);
	wrmsr(X2(0x80), 0x20);
	EQ(read_cr8(), 2);
	wrmsr(X2(0x80), 0);
	EQ(rdmsr_traps(0x8ff, &v), 13);
	/* Back to xAPIC only by way of off. */
	EQ(wrmsr_traps(0x1b, (rdmsr(0x1b) & ~0xc00UL) | 0x800), 13);
	EQ(wrmsr_traps(0x1b, (rdmsr(0x1b) & ~0xc00UL) | 0x400), 13);
	wrmsr(0x1b, rdmsr(0x1b) & ~0xc00UL);
	EQ(rdmsr_traps(X2(0x20), &v), 13);
	wrmsr(0x1b, rdmsr(0x1b) | 0x800);
	EQ(lapic(0x30) & 0xff, 0x14);
}

GUEST(x2apic_ipi)
{
	x2_on();
	wrmsr(X2(0x300), 0x41);
	open();
	EQ(hits, 1);
	wrmsr(0x83f, 0x42);			/* SELF_IPI */
	open();
	EQ(hits, 2);
	EQ(order[1], 0x42);
	wrmsr(X2(0x300), 0x843 | 1UL << 32);	/* logical: cluster 0, bit 0 */
	open();
	EQ(hits, 3);
	wrmsr(X2(0x300), 0x844 | 2UL << 32);
	open();
	EQ(hits, 3);
	wrmsr(X2(0x300), 0x45 | 0xffffffffUL << 32);	/* broadcast */
	open();
	EQ(hits, 4);
	wrmsr(X2(0x3e0), 0xb);
	wrmsr(X2(0x320), 0xe0);
	wrmsr(X2(0x380), 100000);
	while (hits < 5)
		open();
	EQ(order[4], 0xe0);
}

/* It waits for as long as interrupts are closed, through many of the host's. */
GUEST(closed)
{
	int i;

	x2_on();
	sti();
	asm volatile("nop; nop");
	cli();
	wrmsr(0x83f, 0x41);
	for (i = 0; i < 2000000; i++)
		asm volatile("");
	EQ(hits, 0);
	open();
	EQ(hits, 1);
}

GUEST(apic_base)
{
	u64 base = rdmsr(0x1b);

	EQ(base & ~0xfffUL, LAPIC);
	EQ(base & 0x900, 0x900);		/* on, bootstrap */
	EQ(wrmsr_traps(0x1b, base | 1), 13);
	EQ(wrmsr_traps(0x1b, base | 1UL << 60), 13);
	/* Off, the page is memory or nothing; CPUID says so. */
	wrmsr(0x1b, base & ~0x800UL);
	{
		u32 r[4];

		cpuid(1, 0, r);
		EQ(r[3] >> 9 & 1, 0);
		wrmsr(0x1b, base);
		cpuid(1, 0, r);
		EQ(r[3] >> 9 & 1, 1);
	}
	EQ(lapic(0x30) & 0xff, 0x14);
}

static volatile u64 irq_rip;
extern char shadow_end[];

static void where(struct frame *f)
{
	irq_rip = f->rip;
	eoi();
}

/* The instruction after STI, if that is what goes before, comes first. */
GUEST(shadow_kept)
{
	u64 cmd = CMD_MARK, point = 1, port = PORT_CMD;

	set_up();
	handler[0x41] = where;
	sti();
	asm volatile("outb %%al, %%dx\n\tnop\n\t.globl shadow_end\n"
		     "shadow_end:\tnop\n\tnop"
		     : "+a"(cmd), "+b"(point), "+d"(port) : : "memory");
	cli();
	EQ(irq_rip, (u64)shadow_end);
}
