// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"
#include "mce.h"

static volatile u64 checks, bank, keep;

/* What is logged, and that it was taken; unless KEEP, both are cleared. */
static void machine_check(struct frame *f)
{
	checks++;
	value(rdmsr(MCG_STATUS));
	value(rdmsr(MC_STATUS(bank)));
	value(rdmsr(MC_ADDR(bank)));
	value(rdmsr(MC_MISC(bank)));
	if (keep)
		return;
	wrmsr(MC_STATUS(bank), 0);
	wrmsr(MCG_STATUS, 0);
}

static void take_them(void)
{
	handler[18] = machine_check;
	write_cr4(read_cr4() | CR4_MCE);
}

/* Gets A machine checks, each at a mark, into bank B. */
GUEST(takes)
{
	u64 i;

	bank = b;
	take_them();
	for (i = 1; i <= a; i++) {
		mark(i);
		EQ(checks, i);
		EQ(rdmsr(MC_STATUS(b)), 0);
		EQ(rdmsr(MCG_STATUS), 0);
		EQ(rdmsr(MC_CTL(b)), ~0UL);
	}
}

/* One is in progress for good, after the first. */
GUEST(keeps)
{
	bank = b;
	keep = 1;
	take_them();
	mark(1);
	EQ(checks, 1);
	mark(2);
}

/* Looks at bank B at each mark; is ready for A of them. */
GUEST(looks)
{
	u64 i;

	bank = b;
	keep = 1;
	if (a)
		take_them();
	for (i = 1;; i++) {
		mark(i);
		value(checks);
		value(rdmsr(MC_STATUS(b)));
		value(rdmsr(MC_ADDR(b)));
		value(rdmsr(MC_MISC(b)));
	}
}

/* Reporting is off for all of them, for bank B, and for one kind of bank B's. */
GUEST(switches)
{
	bank = b;
	take_them();
	EQ(rdmsr(MCG_CTL), ~0UL);
	wrmsr(MCG_CTL, 0);
	mark(1);
	EQ(checks, 0);
	EQ(rdmsr(MC_STATUS(b)), 0);
	EQ(rdmsr(MCG_STATUS), 0);
	wrmsr(MCG_CTL, ~0UL);
	wrmsr(MC_CTL(b), 0);
	mark(2);
	EQ(checks, 0);
	EQ(rdmsr(MC_STATUS(b)), 0);
	wrmsr(MC_CTL(b), ~0UL & ~(1UL << 10));
	mark(3);
	EQ(checks, 0);
	EQ(rdmsr(MC_STATUS(b)), 0);
	/* Another bank's is not. */
	bank = b - 1;
	mark(4);
	EQ(checks, 1);
	bank = b;
	wrmsr(MC_CTL(b), ~0UL);
	mark(5);
	EQ(checks, 2);
}

/*
 * Nothing but zeroes and ones, and nothing beyond the A banks; B: MCG_CAP. Where a bank 32
 * would be are VMX's MSRs.
 */
GUEST(registers)
{
	u64 i, v;

	EQ(rdmsr(MCG_CAP), b);
	EQ(wrmsr_traps(MCG_CAP, b), 13);
	EQ(rdmsr_traps(MCG_CTL, &v), b & CAP_CTL ? NO_TRAP : 13);
	EQ(wrmsr_traps(MCG_CTL, ~0UL), b & CAP_CTL ? NO_TRAP : 13);
	EQ(wrmsr_traps(MCG_CTL, 1), 13);
	for (i = 0; i < a; i++) {
		EQ(rdmsr(MC_CTL(i)), ~0UL);
		EQ(rdmsr(MC_STATUS(i)), 0);
		EQ(wrmsr_traps(MC_STATUS(i), 1), 13);
		EQ(wrmsr_traps(MC_STATUS(i), 0), NO_TRAP);
		EQ(wrmsr_traps(MC_ADDR(i), i << 40 | 1), NO_TRAP);
		EQ(wrmsr_traps(MC_MISC(i), i << 40 | 2), NO_TRAP);
		EQ(wrmsr_traps(MC_CTL(i), 2), 13);
		EQ(wrmsr_traps(MC_CTL(i), 0), NO_TRAP);
	}
	for (i = 0; i < a; i++) {
		EQ(rdmsr(MC_CTL(i)), 0);
		EQ(rdmsr(MC_ADDR(i)), i << 40 | 1);
		EQ(rdmsr(MC_MISC(i)), i << 40 | 2);
	}
	for (i = a; i < 32; i++) {
		EQ(rdmsr_traps(MC_CTL(i), &v), 13);
		EQ(rdmsr_traps(MC_MISC(i), &v), 13);
		EQ(wrmsr_traps(MC_STATUS(i), 0), 13);
	}
}

/* A machine check is taken with interrupts disabled, and ends HLT. */
GUEST(halts)
{
	bank = b;
	take_them();
	mark(1);
	asm volatile("cli; hlt");
	EQ(checks, 1);
}
