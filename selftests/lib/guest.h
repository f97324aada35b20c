/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For payloads in C: 64-bit, freestanding, identity-mapped. Every GUEST()
 * function is an entry that the host file can start; it ends by returning.
 */
#ifndef GUEST_H
#define GUEST_H

#include "protocol.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef _Bool bool;
#define true 1
#define false 0

#define GUEST(name)							\
	static void name##_body(u64 a, u64 b);				\
	void name(u64 a, u64 b);					\
	void name(u64 a, u64 b)						\
	{								\
		name##_body(a, b);					\
		done();							\
	}								\
	static void name##_body(u64 a __attribute__((unused)),		\
				u64 b __attribute__((unused)))

static inline void done(void)
{
	for (;;)
		asm volatile("outb %%al, %%dx"
			     : : "a"(CMD_DONE), "d"(PORT_CMD) : "memory");
}

static inline void value(u64 v)
{
	asm volatile("outb %%al, %%dx"
		     : : "a"(CMD_VALUE), "d"(PORT_CMD), "b"(v) : "memory");
}

static inline void mark(u64 v)
{
	asm volatile("outb %%al, %%dx"
		     : : "a"(CMD_MARK), "d"(PORT_CMD), "b"(v) : "memory");
}

static inline void fail(u64 got, u64 wanted, u64 line, const char *text)
{
	for (;;)
		asm volatile("outb %%al, %%dx"
			     : : "a"(CMD_FAIL), "d"(PORT_CMD), "b"(got),
				 "c"(wanted), "S"(line), "D"(text) : "memory");
}

#define EQ(a, b) do {							\
	u64 a_ = (u64)(a), b_ = (u64)(b);				\
	if (a_ != b_)							\
		fail(a_, b_, __LINE__, #a);				\
} while (0)
#define TRUE(c) do {							\
	if (!(c))							\
		fail(0, 1, __LINE__, #c);				\
} while (0)

/* What the stubs of guest64.S push, from the lowest address up. */
struct frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/*
 * An exception is expected if resume is set: it is recorded, and execution
 * goes on there. Any other vector needs a handler. Not for several vCPUs
 * at once.
 */
struct trap {
	u64 resume;
	u64 vector, error, rip, cr2, rflags;
	u64 count;
};

extern volatile struct trap trap;
extern void (*volatile handler[256])(struct frame *f);

#define NO_TRAP 0x100

/* Runs one instruction; the vector that it raised, or NO_TRAP. */
#define TRAPS(insn, ...) ({						\
	trap.vector = NO_TRAP;						\
	asm volatile("movq $1f, trap(%%rip)\n\t" insn "\n"		\
		     "1:\tmovq $0, trap(%%rip)"				\
		     __VA_ARGS__);					\
	trap.vector; })

static inline u8 inb(u16 port)
{
	u8 v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline u32 inl(u16 port)
{
	u32 v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outb(u16 port, u8 v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(u16 port, u32 v)
{
	asm volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return lo | (u64)hi << 32;
}

static inline void wrmsr(u32 msr, u64 v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32))
		     : "memory");
}

static inline u64 wrmsr_traps(u32 msr, u64 v)
{
	return TRAPS("wrmsr", : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32))
		     : "memory");
}

static inline u64 rdmsr_traps(u32 msr, u64 *v)
{
	u32 lo = 0, hi = 0;
	u64 r = TRAPS("rdmsr", : "+a"(lo), "+d"(hi) : "c"(msr) : "memory");

	*v = lo | (u64)hi << 32;
	return r;
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return lo | (u64)hi << 32;
}

static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
		     : "a"(leaf), "c"(sub) : "memory");
}

static inline void sti(void)
{
	asm volatile("sti; nop" : : : "memory");
}

static inline void cli(void)
{
	asm volatile("cli" : : : "memory");
}

/* Sleeps until an interrupt, without a race against it; IF clear after. */
static inline void wait_irq(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

static inline u32 rd32(u64 a)
{
	u32 v;

	asm volatile("movl (%1), %0" : "=r"(v) : "r"(a) : "memory");
	return v;
}

static inline void wr32(u64 a, u32 v)
{
	asm volatile("movl %0, (%1)" : : "r"(v), "r"(a) : "memory");
}

static inline u64 rd64(u64 a)
{
	return *(volatile u64 *)a;
}

static inline void wr64(u64 a, u64 v)
{
	*(volatile u64 *)a = v;
}

#define RDREG(name)							\
static inline u64 read_##name(void)					\
{									\
	u64 v;								\
	asm volatile("mov %%" #name ", %0" : "=r"(v) : : "memory");	\
	return v;							\
}									\
static inline void write_##name(u64 v)					\
{									\
	asm volatile("mov %0, %%" #name : : "r"(v) : "memory");		\
}
RDREG(cr0)
RDREG(cr2)
RDREG(cr3)
RDREG(cr4)
RDREG(cr8)
RDREG(dr0)
RDREG(dr6)
RDREG(dr7)

/* The local APIC, memory-mapped. */
#define LAPIC	0xfee00000UL

static inline u32 lapic(u32 reg)
{
	return rd32(LAPIC + reg);
}

static inline void lapic_write(u32 reg, u32 v)
{
	wr32(LAPIC + reg, v);
}

static inline void eoi(void)
{
	lapic_write(0xb0, 0);
}

static inline void lapic_on(void)
{
	lapic_write(0xf0, 0x1ff);
}

#define IOAPIC	0xfec00000UL

static inline u32 ioapic(u32 reg)
{
	wr32(IOAPIC, reg);
	return rd32(IOAPIC + 0x10);
}

static inline void ioapic_write(u32 reg, u32 v)
{
	wr32(IOAPIC, reg);
	wr32(IOAPIC + 0x10, v);
}

static inline void ioapic_pin(u32 pin, u64 entry)
{
	ioapic_write(0x11 + pin * 2, entry >> 32);
	ioapic_write(0x10 + pin * 2, (u32)entry);
}

#endif
