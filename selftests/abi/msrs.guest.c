// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

GUEST(nothing)
{
}

GUEST(peek_msr)
{
	value(rdmsr(a));
}

GUEST(poke_msr)
{
	wrmsr(a, b);
	mark(1);
}

GUEST(faults)
{
	static const u32 none[] = { 0xdeadbeef, 0x3fff, 0xc0003000, 0xc0012000,
				    0xffffffff, 0x12345678 };
	u64 v;
	u32 i;

	for (i = 0; i < sizeof(none) / 4; i++) {
		EQ(rdmsr_traps(none[i], &v), 13);
		EQ(trap.error, 0);
		EQ(wrmsr_traps(none[i], 0), 13);
	}
	/* Values that may not be. */
	EQ(wrmsr_traps(0xc0000080, rdmsr(0xc0000080) | 1 << 20), 13);
	EQ(wrmsr_traps(0xc0000080, rdmsr(0xc0000080) & ~0x100UL), 13);
	EQ(wrmsr_traps(0x277, 0x0002010600070106), 13);
	/* Of those that are not intercepted, QEMU lets bad addresses pass. */
	EQ(wrmsr_traps(0x2ff, 2), 13);
	EQ(wrmsr_traps(0xfe, 1), 13);			/* MTRRcap */
	EQ(wrmsr_traps(0x4b564d00, 1), NO_TRAP);
	EQ(wrmsr_traps(0x8b, 1), NO_TRAP);		/* microcode: ignored */
	EQ(wrmsr_traps(0x9b, 1), 13);
}

asm("syscall_entry:\n"
	"	mov	$0x5a, %r14d\n"
	"	sysretq\n");
extern char syscall_entry[];

static void back(struct frame *f)
{
	f->cs = 8;
	f->ss = 0x10;
	f->rsp = f->r15;
	f->rip = trap.resume;
}

GUEST(syscalls)
{
	u64 r14 = 0, gs;

	handler[0x80] = back;
	*(volatile u8 *)(0x2000 + 0x80 * 16 + 5) = 0xee;
	/* SYSRET: SS is 2B + 8 = 33h, CS 2B + 16 = 3Bh. */
	wrmsr(0xc0000081, 0x002b000800000000);
	wrmsr(0xc0000082, (u64)syscall_entry);
	wrmsr(0xc0000084, 0x200);
	wrmsr(0xc0000080, rdmsr(0xc0000080) | 1);
	asm volatile("mov %%rsp, %%r15\n\t"
		     "movq $2f, trap(%%rip)\n\t"
		     "pushq $0x33\n\tpushq $0x1fe000\n\tpushq $2\n\t"
		     "pushq $0x3b\n\tpushq $1f\n\tiretq\n"
		     "1:\tsyscall\n\t"
		     "int $0x80\n"
		     "2:\tmovq $0, trap(%%rip)\n\tmov %%r14, %0"
		     : "=r"(r14) : : "r11", "r14", "r15", "rax", "rbx", "rcx",
		     "rdx", "memory", "cc");
	EQ(r14, 0x5a);
	wrmsr(0xc0000101, 0x1000);
	wrmsr(0xc0000102, 0x2000);
	asm volatile("swapgs");
	EQ(rdmsr(0xc0000101), 0x2000);
	EQ(rdmsr(0xc0000102), 0x1000);
	asm volatile("mov %%gs:0, %0" : "=r"(gs));
	EQ(gs, rd64(0x2000));
}

GUEST(tsc)
{
	u64 last, now, i;

	value(rdtsc());
	value(rdtsc());
	last = rdtsc();
	for (i = 0; i < 1000; i++) {
		now = rdtsc();
		TRUE(now >= last);
		last = now;
	}
	/* A guest's own write moves it. */
	wrmsr(0x10, 5000000);
	now = rdtsc();
	TRUE(now >= 5000000 && now < 5000000 + 60000000000);
}

GUEST(tsc_adjust)
{
	u64 before = rdmsr(0x3b), t = rdtsc();

	wrmsr(0x3b, before + 1000000000000UL);
	TRUE(rdtsc() >= t + 1000000000000UL);
	EQ(rdmsr(0x3b), before + 1000000000000UL);
	wrmsr(0x3b, before);
	TRUE(rdtsc() < t + 1000000000000UL);
}

GUEST(tsc_aux)
{
	u32 aux;

	wrmsr(0xc0000103, a);
	mark(1);
	asm volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
	EQ(aux, a);
	wrmsr(0xc0000103, 0);
	asm volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
	EQ(aux, 0);
	mark(2);
}

GUEST(user_msr)
{
	value(rdmsr(0xdeadbeef));
	value(wrmsr_traps(0xdeadbeef, 0x77));
}

/* What it is, or the exception. */
GUEST(try_read)
{
	u64 v = 0;
	u32 vector = rdmsr_traps(a, &v);

	value(vector == NO_TRAP ? v : vector);
}

GUEST(try_write)
{
	value(wrmsr_traps(a, b));
}

/* Until it may not be read any more. */
GUEST(read_on)
{
	u64 v;

	mark(1);
	while (rdmsr_traps(a, &v) == NO_TRAP)
		;
	value(trap.vector);
}
