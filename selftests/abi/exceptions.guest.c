// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

#define DEV	0xd0000000UL

static void want(u64 vector, u64 error, u64 line)
{
	if (trap.vector != vector)
		fail(trap.vector, vector, line, "vector");
	if (trap.error != error)
		fail(trap.error, error, line, "error code");
}

#define WANT(vector, error, insn, ...) do {				\
	TRAPS(insn, __VA_ARGS__);					\
	want(vector, error, __LINE__);					\
} while (0)

GUEST(raised)
{
	u32 lo, hi;

	WANT(0, 0, "xor %%ecx, %%ecx; div %%ecx", : : "a"(1), "d"(0) : "rcx", "cc");
	WANT(6, 0, "ud2", :);
	WANT(6, 0, ".byte 0x0f, 0xff, 0xc0", :);			/* UD0 */
	WANT(13, 0, "mov %0, %%cr0", : : "r"(1UL << 40));
	WANT(13, 0, "mov %0, %%cr4", : : "r"(1UL << 40));
	WANT(13, 0, "mov %0, %%cr4", : : "r"(read_cr4() & ~0x20UL));
	WANT(13, 0, "mov %0, %%cr0", : : "r"(0x20UL));		/* PG off */
	WANT(13, 0, "mov %0, %%cr8", : : "r"(16UL));
	WANT(13, 0, "mov %0, %%dr7", : : "r"(1UL << 33));
	WANT(13, 0, "wrmsr", : : "c"(0xdeadbeef), "a"(0), "d"(0));
	WANT(13, 0, "rdmsr", : "=a"(lo), "=d"(hi) : "c"(0xdeadbeef));
	WANT(13, 0, "wrmsr", : : "c"(0xc0000080), "a"(1 << 20), "d"(0));
	WANT(13, 0x58, "mov %0, %%ds", : : "r"(0x58));		/* beyond it */
	WANT(13, 0x7f8, "lldt %w0", : : "r"(0x7f8));
	WANT(13, 0x40, "ltr %w0", : : "r"(0x40));		/* busy */
	/* Not canonical. (Through SS it were #SS, which QEMU does not know.) */
	WANT(13, 0, "mov (%0), %%al", : : "r"(1UL << 60) : "rax");
}

GUEST(page_faults)
{
	asm volatile("mov %%cr0, %%rax; or $0x10000, %%rax; mov %%rax, %%cr0"
		     : : : "rax");			/* CR0.WP */
	trap.error = 0;
	WANT(14, 0, "mov (%0), %%al", : : "r"(8UL << 20) : "rax");
	EQ(trap.cr2, 8UL << 20);
	WANT(14, 2, "movb $1, 0x123(%0)", : : "r"(8UL << 20));
	EQ(trap.cr2, (8UL << 20) + 0x123);
	WANT(14, 3, "movb $1, 7(%0)", : : "r"(10UL << 20));
	EQ(trap.cr2, (10UL << 20) + 7);
	/* Across the border: CR2 is the first byte that faults. */
	WANT(14, 0, "mov %0, %%rax", : : "m"(*(u64 *)((8UL << 20) - 3)) : "rax");
	EQ(trap.cr2, 8UL << 20);
	/* A fetch: bit 4, with NX. */
	asm volatile("mov $0xc0000080, %%ecx; rdmsr; bts $11, %%eax; wrmsr"
		     : : : "rax", "rcx", "rdx");
	WANT(14, 0x11, "jmp *%0", : : "r"(12UL << 20));
	EQ(trap.cr2, 12UL << 20);
	EQ(trap.rip, 12UL << 20);
	WANT(14, 0x10, "jmp *%0", : : "r"(8UL << 20));
	/* A reserved bit: 9, of which QEMU leaves the 1 out. */
	EQ(TRAPS("mov (%0), %%al", : : "r"(14UL << 20) : "rax"), 14);
	EQ(trap.error | 1, 9);
	/* Without WP the supervisor writes where it may not. */
	asm volatile("mov %%cr0, %%rax; btr $16, %%rax; mov %%rax, %%cr0"
		     : : : "rax");
	trap.error = 0;
	WANT(NO_TRAP, 0, "movb $1, (%0)", : : "r"(10UL << 20));
}

/* Runs code at ring 3; it comes back by a trap, which is recorded. */
static u64 user(void *code)
{
	trap.vector = NO_TRAP;
	asm volatile("mov %%rsp, %%r15\n\t"
		     "movq $1f, trap(%%rip)\n\t"
		     "pushq $0x33\n\tpushq $0x1fe000\n\tpushq $2\n\t"
		     "pushq $0x3b\n\tpush %0\n\tiretq\n"
		     "1:\tmovq $0, trap(%%rip)\n\tmov %%r15, %%rsp"
		     : : "r"(code) : "r15", "rax", "rbx", "rcx", "rdx",
		     "memory", "cc");
	return trap.vector;
}

/* The trap's frame would return to ring 3: back to the supervisor. */
extern void (*volatile handler[256])(struct frame *f);

static void to_ring0(struct frame *f)
{
	trap.vector = f->vector;
	trap.error = f->error;
	trap.rip = f->rip;
	trap.cr2 = read_cr2();
	f->rip = trap.resume;
	f->cs = 8;
	f->ss = 0x10;
	f->rflags = 2;
}

asm("u_read: mov 0x800000, %al\n"
	"u_write: movb $1, 0x800000\n"
	"u_cli: cli\n"
	"u_hlt: hlt\n"
	"u_in: in $0x80, %al\n"
	"u_cr: mov %cr0, %rax\n"
	"u_int: int $0x80\n"
	"u_int13: int $13\n"
	"u_int3: int3\n"
	"u_cpuid: cpuid\n ud2\n"
	"u_vmmcall: vmmcall\n ud2\n");
extern char u_read[], u_write[], u_cli[], u_hlt[], u_in[], u_cr[], u_int[],
	u_int13[], u_int3[], u_cpuid[];

/* Vector * 8 + 2; QEMU says * 16. */
static void idt_code(u64 vector)
{
	if (trap.error != vector * 16 + 2)
		EQ(trap.error, vector * 8 + 2);
}

/* The same of a vector that was an exception: EXT is set, but by QEMU. */
static void idt_code_ext(u64 vector)
{
	trap.error &= ~1UL;
	idt_code(vector);
}

GUEST(user_mode)
{
	int i;

	for (i = 0; i < 32; i++)
		handler[i] = to_ring0;
	handler[0x80] = to_ring0;
	trap.error = 0;
	EQ(user(u_read), 14);
	EQ(trap.error, 5);
	EQ(user(u_write), 14);
	EQ(trap.error, 7);
	EQ(user(u_cli), 13);
	EQ(trap.error, 0);
	EQ(user(u_hlt), 13);
	EQ(user(u_in), 13);
	EQ(user(u_cr), 13);
	/* Gates of ring 0 are not for INT of ring 3: the code names them. */
	EQ(user(u_int), 13);
	idt_code(0x80);
	EQ(user(u_int13), 13);
	idt_code(13);
	EQ(trap.rip, (u64)u_int13);
	/* With DPL 3 they are; RIP is after the instruction. */
	*(volatile u8 *)(0x2000 + 0x80 * 16 + 5) = 0xee;
	EQ(user(u_int), 0x80);
	EQ(trap.rip, (u64)u_int + 2);
	done();
}

static volatile u64 seen, seen_rip;

static void count(struct frame *f)
{
	seen++;
	seen_rip = f->rip;
}

GUEST(software)
{
	int i;

	for (i = 0; i < 256; i++)
		handler[i] = count;
	asm volatile("int $0x21\n1:\tlea 1b(%%rip), %%rax\n\tmov %%rax, %0"
		     : "=m"(trap.rip) : : "rax");
	EQ(seen, 1);
	EQ(seen_rip, trap.rip);
	asm volatile("int $0xff");
	EQ(seen, 2);
	/* No error code comes with INT, even of vectors that have one. */
	asm volatile("int3\n1:\tlea 1b(%%rip), %%rax\n\tmov %%rax, %0"
		     : "=m"(trap.rip) : : "rax");
	EQ(seen, 3);
	EQ(seen_rip, trap.rip);
}

static void step(struct frame *f)
{
	seen++;
	if (seen == 6)
		f->rflags &= ~0x100UL;
}

GUEST(single_step)
{
	handler[1] = step;
	/* Through CPUID and a port, which the hypervisor steps over itself. */
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
		     "nop\n\t"
		     "xor %%eax, %%eax\n\t"
		     "cpuid\n\t"
		     "nop\n\t"
		     "mov %%cr0, %%rax\n\t"
		     "nop\n\tnop\n\tnop\n\tnop"
		     : : : "rax", "rbx", "rcx", "rdx");
	EQ(seen, 6);
	EQ(read_dr6() & 0x4000, 0x4000);
}

/* MOVBE, by the CPU or for it; the second one is told not to have it. */
GUEST(movbe)
{
	u64 mem = 0x1122334455667788, out = 0;

	asm volatile("movbe %1, %0" : "=r"(out) : "m"(mem));
	EQ(out, 0x8877665544332211);
	asm volatile("movbe %k1, %0" : "=m"(mem) : "r"(out));
	EQ(mem, 0x1122334411223344);
}

static void step_once(struct frame *f)
{
	seen++;
	seen_rip = f->rip;
	f->rflags &= ~0x100UL;
}

/* POPF from a device, done in software: its own TF traps one later. */
GUEST(step_behind_popf)
{
	u64 after;

	handler[1] = step_once;
	asm volatile("mov %%rsp, %%r15\n\t"
		     "mov %1, %%rsp\n\t"
		     "popfq\n\t"
		     "mov %%r15, %%rsp\n"
		     "1:\tlea 1b(%%rip), %0"
		     : "=r"(after) : "r"(DEV) : "r15", "memory", "cc");
	EQ(seen, 1);
	EQ(seen_rip, after);
}

static volatile u64 nmis, nmi_rip, flags;
extern char trap_stubs[], shadow_next[];

static void on_nmi(struct frame *f)
{
	nmis++;
	nmi_rip = f->rip;
	flags |= f->rflags;
}

static void on_ud(struct frame *f)
{
	flags |= f->rflags;
}

static void nmi_handlers(void)
{
	handler[1] = count;
	handler[2] = on_nmi;
	handler[6] = on_ud;
}

/* An NMI and an exception at once: before the latter's first instruction. */
GUEST(nmi_behind)
{
	nmi_handlers();
	mark(1);
	EQ(nmis, 1);
	EQ(nmi_rip, (u64)trap_stubs + 6 * 16);
	EQ(flags & 0x100, 0);
	EQ(seen, 0);
}

#define OUT_THEN(cmd, insn) do {					\
	u64 a_ = (cmd), b_ = 1, d_ = PORT_CMD, c_ = 0;			\
	asm volatile("outb %%al, %%dx\n\t" insn			\
		     : "+a"(a_), "+b"(b_), "+d"(d_), "+c"(c_)		\
		     : : "memory");					\
} while (0)

/* An NMI that the instruction before holds off, by one that exits. */
GUEST(nmi_shadow)
{
	nmi_handlers();
	OUT_THEN(CMD_MARK, "cpuid\n\t.balign 2\n\t.globl shadow_next\n"
		 "shadow_next:\tnop");
	EQ(nmis, 1);
	/* KVM's is an instruction late. */
	EQ(nmi_rip & ~1UL, (u64)shadow_next);
	OUT_THEN(CMD_MARK, "outb %%al, %%dx\n\tnop");
	EQ(nmis, 2);
	EQ(flags & 0x100, 0);
	EQ(seen, 0);
}

extern char int3_here[], int3_there[];

/* The launcher saw the INT3 and gives it back: RIP is behind it. */
GUEST(int3_injected)
{
	handler[3] = count;
	asm volatile("int3");
	OUT_THEN(CMD_MARK, ".globl int3_here\nint3_here:\tint3");
	EQ(seen, 2);
	EQ(seen_rip, (u64)int3_here + 1);
	OUT_THEN(CMD_MARK, ".globl int3_there\nint3_there:\tint3");
	EQ(seen, 3);
	EQ(seen_rip, (u64)int3_there + 1);
}

GUEST(cpuid_fault)
{
	u32 r[4];
	int i;

	for (i = 0; i < 32; i++)
		handler[i] = to_ring0;
	EQ(user(u_cpuid), 6);
	wrmsr(0x140, 1);
	EQ(user(u_cpuid), 13);
	EQ(trap.error, 0);
	EQ(trap.rip, (u64)u_cpuid);
	cpuid(0, 0, r);
	wrmsr(0x140, 0);
	EQ(user(u_cpuid), 6);
	done();
}

static void tell(struct frame *f)
{
	value(f->vector);
	value(f->error);
	value(read_cr2());
}

GUEST(injected)
{
	int i;

	for (i = 0; i < 32; i++)
		handler[i] = tell;
	for (;;)
		mark(1);
}

static volatile u64 hits, expected;

static void hit(struct frame *f)
{
	hits++;
}

void delivery_end(void);
void delivery_end(void)
{
	EQ(hits, expected);
	done();
}

/*
 * A value, and in between one delivery by INT; a further one may have been
 * injected by the host at any value.
 */
GUEST(delivery)
{
	handler[13] = hit;
	handler[0x30] = hit;
	mark(1);
	for (;;) {
		u64 before = hits;

		asm volatile("int $0x30");
		expected += hits - before;
		TRUE(hits == before + 1);
		before = hits;
		value(hits);
		/* Injected at the value: counted by the handler alone. */
		TRUE(hits - before <= 1);
		expected += hits - before;
	}
}

/* A #NP in the delivery of #GP. */
GUEST(double_fault)
{
	/*
	 * One of the processor's own, not injected again over a nested fault
	 * of the IDT: QEMU doubles none that is injected.
	 */
	TRAPS("ud2", :);
	*(volatile u8 *)(0x2000 + 13 * 16 + 5) = 0x0e;
	WANT(8, 0, "mov %0, %%ds", : : "r"(0x58));
	/* #UD is benign: then #NP comes alone, with the IDT's error code. */
	*(volatile u8 *)(0x2000 + 6 * 16 + 5) = 0x0e;
	EQ(TRAPS("ud2", :), 11);
	idt_code_ext(6);
}

asm(".globl ud16\nud16: ud2");

GUEST(emulated)
{
	asm volatile("mov %%cr0, %%rax; or $0x10000, %%rax; mov %%rax, %%cr0"
		     : : : "rax");
	/* MOVS from a device into a page that is not there, or read-only. */
	WANT(14, 2, "movsq", : : "S"(DEV), "D"(8UL << 20));
	EQ(trap.cr2, 8UL << 20);
	WANT(14, 3, "movsq", : : "S"(DEV), "D"(10UL << 20));
	EQ(trap.cr2, 10UL << 20);
	/* And from there to the device. */
	WANT(14, 0, "movsq", : : "S"(8UL << 20), "D"(DEV));
	/* An address that is not canonical, met by the emulator. */
	WANT(13, 0, "movsq", : : "S"(1UL << 60), "D"(DEV));
	/* LOCK where there is none. */
	WANT(6, 0, ".byte 0xf0, 0x8b, 0x07", : : "D"(DEV) : "rax");
}
