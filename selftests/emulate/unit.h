/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A case is one instruction, in the assembler's words, and a list of what is
 * put into the machine before and what is expected of it afterwards.  What the
 * list doesn't name must not have changed: registers, flags, RIP but for the
 * length, exits, devices.
 */
#ifndef UNIT_H
#define UNIT_H

#include "machine.h"

enum what {
	END_, IN_, OUT_, MEM_, OUTMEM_, FLAGS_IN_, FLAGS_, FAULT_, EXITS_, RIP_,
	CPL_, CR_, OUTCR_, SEG_SEL_, SEG_BASE_, SEG_LIMIT_, SEG_TYPE_, OUTSEL_,
	OUTBASE_, STATUS_, CALL_, CHECK_, DEVS_, MISC_, NOT_RETIRED_, CR2_,
	ANYFLAGS_,
};

struct item {
	int what;
	u64 a, b, c;
	void (*call)(struct machine *m);
	bool (*check)(struct machine *m);
};

#define IN(reg, val)		{ IN_, reg, (u64)(val) }
#define OUT(reg, val)		{ OUT_, reg, (u64)(val) }
#define MEM(...)		MEM_ITEM(__VA_ARGS__)
#define MEM_ITEM(at, size, val)	{ MEM_, at, (u64)(val), size }
#define OUTMEM(...)		OUTMEM_ITEM(__VA_ARGS__)
#define OUTMEM_ITEM(at, size, val) { OUTMEM_, at, (u64)(val), size }
#define FLAGS_IN(f)		{ FLAGS_IN_, f }
#define FLAGS(f)		{ FLAGS_, f }	/* arithmetic ones, exactly */
#define ANYFLAGS		{ ANYFLAGS_ }
#define FAULT(vec, err)		{ FAULT_, vec, err, 1 }
#define FAULT_PLAIN(vec)	{ FAULT_, vec }
#define CR2(la)			{ CR2_, la }
#define EXITS(n)		{ EXITS_, n }
#define DEVS(n)			{ DEVS_, n }
#define RIP(at)			{ RIP_, at }
#define CPL(n)			{ CPL_, n }
#define CR(n, val)		{ CR_, n, val }
#define OUTCR(n, val)		{ OUTCR_, n, val }
#define SEG_SEL(s, v)		{ SEG_SEL_, LODGE_SEG_##s, v }
#define SEG_BASE(s, v)		{ SEG_BASE_, LODGE_SEG_##s, v }
#define SEG_LIMIT(s, v)		{ SEG_LIMIT_, LODGE_SEG_##s, v }
#define SEG_TYPE(s, v)		{ SEG_TYPE_, LODGE_SEG_##s, v }
#define OUTSEL(s, v)		{ OUTSEL_, LODGE_SEG_##s, v }
#define OUTBASE(s, v)		{ OUTBASE_, LODGE_SEG_##s, v }
#define STATUS(st)		{ STATUS_, LODGE_EMUL_##st }
#define CALL(fn)		{ CALL_, .call = fn }
#define CHECK(fn)		{ CHECK_, .check = fn }
#define MISC(what, arg)		{ MISC_, LODGE_MISC_##what, arg }
#define NOT_RETIRED		{ NOT_RETIRED_ }

#define CF	0x001
#define PF	0x004
#define AF	0x010
#define ZF	0x040
#define SF	0x080
#define TF	0x100
#define IF	0x200
#define DF	0x400
#define OF	0x800

enum {
	MODE16 = LODGE_EMUL_REAL, MODEV86 = LODGE_EMUL_VM86,
	MODE16P = LODGE_EMUL_PROT16, MODE32 = LODGE_EMUL_PROT32,
	MODE64 = LODGE_EMUL_PROT64,
};

#define BITS_MODE16	"16"
#define BITS_MODEV86	"16"
#define BITS_MODE16P	"16"
#define BITS_MODE32	"32"
#define BITS_MODE64	"64"

/* The bytes of one instruction, assembled in place for the mode. */
#define ASSEMBLE(mode, text, start, end)				\
	asm(".pushsection .rodata.insn, \"a\"\n"			\
	    ".intel_syntax noprefix\n.code" BITS_##mode "\n"		\
	    "771: " text "\n772:\n"					\
	    ".code64\n.att_syntax\n.popsection\n"			\
	    "lea 771b(%%rip), %0\nlea 772b(%%rip), %1\n"		\
	    : "=r" (start), "=r" (end))

#define T(mode, text, ...) do {						\
	const u8 *start_, *end_;					\
	static const struct item items_[] = { __VA_ARGS__, { END_ } };	\
	ASSEMBLE(mode, text, start_, end_);				\
	run_case(mode, #mode ": " text, start_, end_ - start_, items_);	\
} while (0)

void run_case(enum lodge_emul_mode mode, const char *name, const u8 *insn,
	      u32 len, const struct item *items);
void report(bool ok, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void put(struct machine *m, u64 at, u64 val, u32 size);
u64 get(struct machine *m, u64 at, u32 size);

void test_integer(void);
void test_memory(void);
void test_system(void);
void test_segments(void);
void test_simd(void);
void test_walk(void);
void test_tasks(void);
void test_lengths(void);

#endif
