// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

static volatile u64 ticks;

static void tick(struct frame *f)
{
	ticks++;
	eoi();
}

static void set_up(void)
{
	handler[0x40] = tick;
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	lapic_on();
	/* GSI 0 is pin 0, unless the launcher routes it to pin 2 as a PC has it. */
	ioapic_pin(0, 0x40);
}

static void channel(u8 n, u8 mode, u16 count)
{
	outb(0x43, n << 6 | 0x30 | mode << 1);
	outb(0x40 + n, count & 0xff);
	outb(0x40 + n, count >> 8);
}

static u16 latched(u8 n)
{
	u16 v;

	outb(0x43, n << 6);
	v = inb(0x40 + n);
	return v | inb(0x40 + n) << 8;
}

GUEST(rate)
{
	set_up();
	channel(0, 2, 5966);			/* 200 Hz */
	while (ticks < 20)
		wait_irq();
	/* Stopped by another mode. */
	channel(0, 0, 0xffff);
}

GUEST(one_shot)
{
	u64 n;

	set_up();
	channel(0, 0, 3000);
	while (!ticks)
		wait_irq();
	EQ(ticks, 1);
	sti();
	for (n = 0; n < 2000; n++)
		inb(0x40);
	cli();
	EQ(ticks, 1);
}

GUEST(latch)
{
	u16 x, y, n;

	channel(2, 2, 0xf000);
	outb(0x61, 1);
	x = latched(2);
	for (n = 0; n < 100; n++)
		inb(0x61);
	y = latched(2);
	TRUE(x <= 0xf000 && y <= 0xf000);
	TRUE(x != y);
	/* A latched value stays until it is read. */
	outb(0x43, 0x80);
	outb(0x43, 0x80);
	x = inb(0x42);
	x |= inb(0x42) << 8;
	TRUE(x <= 0xf000);
	/* Low byte only, high byte only. */
	outb(0x43, 0x94);
	outb(0x42, 50);
	TRUE(inb(0x42) <= 50);
	/* Read-back: the status of channel 2. */
	channel(2, 3, 1000);
	outb(0x43, 0xe8);
	EQ(inb(0x42) & 0x3f, 0x36);
}

GUEST(speaker)
{
	u64 n;

	/* Gate off: it stands. */
	outb(0x61, 0);
	EQ(inb(0x61) & 3, 0);
	channel(2, 0, 2000);
	outb(0x61, 1);
	EQ(inb(0x61) & 1, 1);
	/* OUT rises at the end of the count. */
	for (n = 0; !(inb(0x61) & 0x20); n++)
		TRUE(n < 10000000);
	/* The refresh bit toggles. */
	for (n = 0; !(inb(0x61) & 0x10); n++)
		TRUE(n < 10000000);
	for (n = 0; inb(0x61) & 0x10; n++)
		TRUE(n < 10000000);
	outb(0x61, 2);
	EQ(inb(0x61) & 3, 2);
}

GUEST(port61)
{
	inb(0x61);
}

GUEST(program)
{
	channel(0, 2, 11932);
	channel(2, 0, 0x4321);
	mark(1);
}
