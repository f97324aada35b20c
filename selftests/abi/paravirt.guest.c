// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

/* RDI the MSR, RSI its value, at first and after each mark. */
asm(".globl clock\nclock:\n"
	"	mov	%edi, %ecx\n"
	"	mov	%esi, %eax\n"
	"	mov	%rsi, %rdx\n"
	"	shr	$32, %rdx\n"
	"	wrmsr\n"
	"	test	%rsi, %rsi\n"
	"	jz	2f\n"
	"1:	rdtsc\n"
	"	shl	$32, %rdx\n"
	"	lea	(%rax,%rdx), %rbx\n"
	"	mov	$2, %al\n	mov $0x7e0, %dx\n	out %al, %dx\n"
	"	test	%rsi, %rsi\n"
	"	jnz	1b\n"
	"	jmp	clock\n"
	"2:	mov	$1, %ebx\n"
	"	mov	$3, %al\n	mov $0x7e0, %dx\n	out %al, %dx\n"
	"	rdtsc\n"
	"	mov	$2, %al\n	mov $0x7e0, %dx\n	out %al, %dx\n"
	"	jmp	2b\n");

GUEST(wall_clock)
{
	wrmsr(a, b);
	mark(1);
}

#define READY	0x200000
#define GO	0x200008

/* Steal time at A; the word at B as it is now, until another page is there. */
GUEST(tlb_flush)
{
	u64 was = rd64(b);

	wrmsr(0x4b564d03, a);
	wr64(READY, was);
	while (!rd64(GO))
		EQ(rd64(b) - was < 2, 1);
	EQ(rd64(b), was + 1);
}

static u64 call(u64 nr, u64 p1, u64 p2)
{
	u64 ret;

	asm volatile("vmmcall" : "=a"(ret) : "a"(nr), "b"(p1), "c"(p2), "d"(0),
		     "S"(0) : "memory");
	return ret;
}

/* linux/kvm_para.h: errors are 1000 and below zero. */
#define ENOSYS	(-1000UL)
#define EPERM	(-1UL)

GUEST(hypercalls)
{
	EQ(call(1, 0, 0), 0);			/* VAPIC_POLL_IRQ */
	EQ(call(0xffff, 0, 0), ENOSYS);
	EQ(call(~0UL, 0, 0), ENOSYS);
	EQ(call(5, 77, 0), 0);			/* kick of nobody */
}

/* CLOCK_PAIRING of type B to A, and the counter before and after. */
GUEST(clock_pairing)
{
	for (;;) {
		value(rdtsc());
		value(call(9, a, b));
		value(rdtsc());
	}
}

static void to_ring0(struct frame *f)
{
	trap.vector = f->vector;
	trap.error = f->rax;
	f->rip = trap.resume;
	f->rsp = f->r15;
	f->cs = 8;
	f->ss = 0x10;
}

asm("user_call: mov $1, %eax\n vmmcall\n int $0x80\n");
extern char user_call[];

/* Of ring 3: refused. */
GUEST(hypercall_user)
{
	handler[0x80] = to_ring0;
	*(volatile u8 *)(0x2000 + 0x80 * 16 + 5) = 0xee;
	asm volatile("mov %%rsp, %%r15\n\t"
		     "movq $1f, trap(%%rip)\n\t"
		     "pushq $0x33\n\tpushq $0x1fe000\n\tpushq $2\n\t"
		     "pushq $0x3b\n\tpush %0\n\tiretq\n"
		     "1:\tmovq $0, trap(%%rip)"
		     : : "r"(user_call) : "r15", "rax", "rbx", "rcx", "rdx",
		     "memory", "cc");
	EQ(trap.vector, 0x80);
	EQ(trap.error, EPERM);
}

/* What a guest is told of port 80h, and a write there. */
GUEST(io_delay)
{
	u32 r[4];

	cpuid(0x40000001, 0, r);
	value(r[0]);
	outb(0x80, 0x5a);
}
