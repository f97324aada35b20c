// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

static volatile u64 hits[256];

static void hit(struct frame *f)
{
	hits[f->vector]++;
	eoi();
}

static void hit_nmi(struct frame *f)
{
	hits[2]++;
}

/* Open for an instant; how often that vector came. */
static u64 came(u8 vector)
{
	u64 n;

	sti();
	asm volatile("nop; nop");
	cli();
	n = hits[vector];
	hits[vector] = 0;
	return n;
}

static void set_up(void)
{
	int i;

	for (i = 32; i < 256; i++)
		handler[i] = hit;
	handler[2] = hit_nmi;
	/* The PICs are open at first, and LINT0 lets them through. */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	lapic_on();
}

GUEST(ioapic_registers)
{
	u32 i;

	EQ(ioapic(1) & 0xff, 0x11);
	EQ(ioapic(1) >> 16, 23);
	for (i = 0; i < 24; i++)
		EQ(ioapic(0x10 + i * 2) & 0x10000, 0x10000);
	ioapic_write(0, 0x0f000000);
	EQ(ioapic(0) & 0x0f000000, 0x0f000000);
	/* Delivery status and remote IRR are not the guest's to write. */
	ioapic_write(0x13, 0xff000000);
	ioapic_write(0x12, 0xffffffff);
	EQ(ioapic(0x12) & 0x1ffff, 0x0001afff);
	EQ(ioapic(0x13), 0xff000000);
	ioapic_write(0x12, 0x10000);
	/* No such register. */
	ioapic_write(0x50, 0x12345678);
	ioapic(0x50);
	ioapic(0xff);
}

GUEST(ioapic_edge)
{
	u64 i;

	set_up();
	ioapic_pin(5, 0x45);
	for (i = 1;; i++) {
		mark(i);
		EQ(came(0x45), 1);
	}
}

GUEST(ioapic_polarity)
{
	set_up();
	ioapic_pin(5, 0x2045);
	ioapic_pin(10, 0xa046);
	EQ(came(0x45), 0);
	EQ(came(0x46), 0);
	mark(1);
	EQ(came(0x45), 1);
	TRUE(came(0x46) + hits[0x46] > 0);
	hits[0x46] = 0;
	mark(2);
	came(0x46);				/* what came with the last EOI */
	EQ(came(0x45), 0);
	EQ(came(0x46), 0);
}

static volatile u64 levels;

static void on_level(struct frame *f)
{
	EQ(ioapic(0x10 + 10 * 2) & 1 << 14, 1 << 14);	/* remote IRR */
	EQ(lapic(0x180 + (0x45 >> 5) * 0x10) & 1 << (0x45 & 31),
	   1 << (0x45 & 31));				/* TMR */
	if (++levels % 3 == 0)
		mark(levels == 3 ? 2 : 4);
	eoi();
}

GUEST(ioapic_level)
{
	set_up();
	handler[0x45] = on_level;
	ioapic_pin(10, 0x8000 | 0x45);
	mark(1);
	sti();
	asm volatile("nop; nop; nop");
	cli();
	EQ(levels, 3);
	EQ(ioapic(0x10 + 10 * 2) & 1 << 14, 0);
	ioapic_pin(10, 0x18000 | 0x45);
	mark(3);
	sti();
	asm volatile("nop; nop; nop");
	EQ(levels, 3);
	ioapic_pin(10, 0x8000 | 0x45);
	asm volatile("nop; nop; nop");
	cli();
	EQ(levels, 6);
}

GUEST(ioapic_destinations)
{
	set_up();
	ioapic_pin(5, 0x46 | 7UL << 56);	/* nobody */
	mark(1);
	EQ(came(0x46), 0);
	ioapic_pin(5, 0x46 | 0xffUL << 56);	/* everybody */
	mark(2);
	EQ(came(0x46), 1);
	lapic_write(0xd0, 4 << 24);
	lapic_write(0xe0, ~0);
	ioapic_pin(5, 0x846 | 4UL << 56);	/* logical, flat */
	mark(3);
	EQ(came(0x46), 1);
	ioapic_pin(5, 0x846 | 3UL << 56);
	mark(4);
	EQ(came(0x46), 0);
	ioapic_pin(5, 0x946 | 4UL << 56);	/* lowest priority */
	mark(5);
	EQ(came(0x46), 1);
}

GUEST(ioapic_nmi)
{
	set_up();
	ioapic_pin(5, 0x400);
	mark(1);
	asm volatile("nop");
	EQ(hits[2], 1);
}

GUEST(msi)
{
	set_up();
	lapic_write(0xd0, 1 << 24);
	lapic_write(0xe0, ~0);
	mark(1);
	EQ(came(0x51), 1);
	EQ(hits[0x52], 1);
	mark(2);
	EQ(came(0x51), 0);
	EQ(hits[0x53], 1);
	EQ(hits[0x54], 1);
	EQ(hits[2], 1);
}

/* ---- the PICs ---- */

static volatile u64 order[8], n_order;

static void pic_hit(struct frame *f)
{
	order[n_order++ & 7] = f->vector;
	hits[f->vector]++;
	if (f->vector >= 0x28)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

static void pic_up(void)
{
	int i;

	for (i = 0x20; i < 0x30; i++)
		handler[i] = pic_hit;
	/* The local APIC lets it through: LINT0 as ExtINT. */
	lapic_on();
	lapic_write(0x350, 0x700);
	outb(0x20, 0x11);
	outb(0x21, 0x20);
	outb(0x21, 4);
	outb(0x21, 1);
	outb(0xa0, 0x11);
	outb(0xa1, 0x28);
	outb(0xa1, 2);
	outb(0xa1, 1);
	outb(0x21, 0);
	outb(0xa1, 0);
}

GUEST(pic)
{
	pic_up();
	EQ(inb(0x21), 0);
	outb(0xa1, 0x55);
	EQ(inb(0xa1), 0x55);
	outb(0xa1, 0);
	mark(1);
	outb(0x20, 0x0a);
	EQ(inb(0x20), 1 << 3);			/* IRR */
	EQ(came(0x23), 1);
	EQ(inb(0x20), 0);
	mark(2);
	EQ(came(0x2a), 1);
	mark(3);
	n_order = 0;
	sti();
	asm volatile("nop; nop; nop; nop");
	cli();
	EQ(n_order, 3);
	EQ(order[0], 0x21);
	EQ(order[1], 0x2a);
	EQ(order[2], 0x25);
	mark(4);
	outb(0x21, 0x10);
	mark(5);
	EQ(came(0x24), 0);
	outb(0x21, 0);
	EQ(came(0x24), 1);
	mark(6);
}

static void pic_on_level(struct frame *f)
{
	if (++levels == 3)
		mark(2);
	outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

GUEST(pic_level)
{
	pic_up();
	handler[0x2a] = pic_on_level;
	outb(0x4d1, 4);
	EQ(inb(0x4d1), 4);
	outb(0x4d0, 0xff);
	EQ(inb(0x4d0) & 7, 0);			/* 0, 1, 2 are edges always */
	outb(0x4d0, 0);
	mark(1);
	sti();
	asm volatile("nop; nop; nop; nop");
	cli();
	EQ(levels, 3);
}

GUEST(pic_spurious)
{
	pic_up();
	mark(1);
	sti();
	asm volatile("nop; nop");
	cli();
	/* Edge-triggered, a pulse is kept; level it would be 0x27. */
	TRUE(hits[0x24] + hits[0x27] <= 1);
}

GUEST(halt)
{
	set_up();
	ioapic_pin(5, 0x45);
	mark(1);
	wait_irq();
	EQ(hits[0x45], 1);
	mark(2);
	wait_irq();
	EQ(hits[0x51], 1);
	mark(3);
	asm volatile("hlt");
	EQ(hits[2], 1);
}

static void hit_extint(struct frame *f)
{
	hits[f->vector]++;		/* who says EOI to the launcher's PIC? */
}

GUEST(split_extint)
{
	handler[0x31] = hit_extint;
	lapic_on();
	lapic_write(0x350, 0x10700);	/* LINT0: ExtINT, masked */
	mark(1);
	sti();
	mark(2);
	lapic_write(0x350, 0x700);
	mark(3);
	EQ(hits[0x31], 1);
	cli();
	mark(4);
	sti();
	cli();
	mark(5);
	EQ(hits[0x31], 2);
	wait_irq();
	EQ(hits[0x31], 3);
}

GUEST(split_eoi)
{
	handler[0x55] = hit;
	handler[0x56] = hit;
	handler[0x57] = hit;
	lapic_on();
	mark(1);
	EQ(came(0x55), 1);
	mark(2);
	EQ(came(0x56), 1);
	EQ(came(0x57), 1);
}
