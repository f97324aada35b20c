// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator against the CPU: random instructions of the unprivileged set,
 * on random registers, flags and memory, executed by both in 64-bit mode, and
 * all of the outcome compared but for what the manuals leave undefined.
 *
 *	native [CASES [SEED]]
 *
 * A generated routine loads every register from a state at a fixed address,
 * runs the one instruction, and stores them again.  Operands lie in a buffer
 * that 32-bit addresses reach, so every form of addressing is used.  Behind the
 * buffer is a page that can only be read, and nothing behind that or before the
 * buffer; some operands lie there.  Of a fault, vector, error code, address and
 * all that was done before it are compared.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include "../../module/emulate/emulate.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

#define CF	0x001
#define PF	0x004
#define AF	0x010
#define ZF	0x040
#define SF	0x080
#define TF	0x100
#define DF	0x400
#define OF	0x800
#define NT	0x4000
#define AC	0x40000
#define ID	0x200000
#define ARITH	(CF | PF | AF | ZF | SF | OF)
#define FLAGS	0x3e7ed5	/* all but TF, which traps, and RF, which a fault sets */

#define BUF	0x10000000u
#define BUF_SIZE 0x4000u
#define ALL_SIZE (BUF_SIZE + 0x1000u)	/* the last page: not to be written */
#define CODE	0x10100000u
#define STUB	(CODE + 0x700)	/* where branches go */
#define INSN	(CODE + 0x740)
#define STATE	0x10200000u

/* Before and after, for the routine at fixed places. */
struct state {
	u64 gpr[16];
	u64 flags;
	u64 host_rsp;
	u64 mark;		/* 1: arrived at STUB */
	u64 mmx[8];
	u8 ymm[16][32];
};

static struct state *const st = (void *)(uintptr_t)STATE;
static u8 *const code = (void *)(uintptr_t)CODE;
static u8 *const buf = (void *)(uintptr_t)BUF;
static u8 shadow[ALL_SIZE];
static struct state emu;
static u64 seed = 1;
static bool have_avx;
static long faults;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dULL;
}

static u64 upto(u64 n)
{
	return (rnd() >> 11) % n;
}

/* Values on which carries and overflows hang come up often. */
static u64 value(void)
{
	static const u64 edge[] = {
		0, 1, 2, -1ULL, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff,
		0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff,
		0x8000000000000000,
	};

	return upto(3) ? rnd() : edge[upto(15)];
}

/* ---- the routine ---- */

static u8 *out;

static void emit(const char *bytes, int n)
{
	memcpy(out, bytes, n);
	out += n;
}

static void emit32(u32 v)
{
	memcpy(out, &v, 4);
	out += 4;
}

/* op reg, [state + off]: REX.W op /reg with a plain 32-bit address. */
static void emit_mem(u8 op, int reg, u32 off)
{
	*out++ = 0x48 | (reg >= 8 ? 4 : 0);
	*out++ = op;
	*out++ = (reg & 7) << 3 | 4;
	*out++ = 0x25;
	emit32(STATE + off);
}

#define OFF(f)	((u32)offsetof(struct state, f))

/* Vector registers, load or store. */
static void emit_simd(bool store)
{
	int i;

	for (i = 0; i < 8; i++) {	/* movq mm, [] */
		emit("\x0f", 1);
		*out++ = store ? 0x7f : 0x6f;
		*out++ = i << 3 | 4;
		*out++ = 0x25;
		emit32(STATE + OFF(mmx) + i * 8);
	}
	for (i = 0; i < 16; i++) {	/* vmovdqu ymm, [], or movdqu */
		if (have_avx) {
			*out++ = 0xc5;
			*out++ = i < 8 ? 0xfe : 0x7e;
		} else {
			emit("\xf3", 1);
			*out++ = i < 8 ? 0x40 : 0x44;
			emit("\x0f", 1);
		}
		*out++ = store ? 0x7f : 0x6f;
		*out++ = (i & 7) << 3 | 4;
		*out++ = 0x25;
		emit32(STATE + OFF(ymm) + i * 32);
	}
	if (store)
		emit("\x0f\x77", 2);	/* emms */
}

static void emit_end(bool simd, bool mark)
{
	int i;

	for (i = 0; i < 16; i++)
		emit_mem(0x89, i, OFF(gpr) + i * 8);
	emit_mem(0x8b, RSP, OFF(host_rsp));
	emit("\x9c\x58", 2);			/* pushf; pop rax */
	emit_mem(0x89, RAX, OFF(flags));
	emit("\x6a\x02\x9d", 3);		/* push 2; popf: AC, DF and NT are gone */
	if (mark) {
		emit("\xb8\x01\0\0\0", 5);	/* mov eax, 1 */
		emit_mem(0x89, RAX, OFF(mark));
	}
	if (simd)
		emit_simd(true);
	emit("\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5b\x5d\xc3", 11);
}

static void build(const u8 *insn, int len, bool simd)
{
	u8 *to_end;
	u32 dist;
	int i;

	out = code;
	emit("\x55\x53\x41\x54\x41\x55\x41\x56\x41\x57", 10);
	if (simd)
		emit_simd(false);
	emit_mem(0x89, RSP, OFF(host_rsp));
	emit_mem(0xff, 6, OFF(flags));		/* push */
	emit("\x9d", 1);			/* popf */
	for (i = 0; i < 16; i++)
		if (i != RSP)
			emit_mem(0x8b, i, OFF(gpr) + i * 8);
	emit_mem(0x8b, RSP, OFF(gpr) + RSP * 8);
	emit("\xe9", 1);			/* jmp INSN */
	emit32(INSN - (CODE + (out - code) + 4));

	out = code + INSN - CODE;
	emit((const char *)insn, len);
	emit_end(simd, false);
	to_end = out;
	emit_end(simd, true);
	out = code + STUB - CODE;
	*out++ = 0xe9;
	dist = to_end - (out + 4);
	emit32(dist);
}

/* ---- running ---- */

static sigjmp_buf caught;
/* Where it faulted: the vector, the error code, the address of a #PF. */
static struct {
	int vector;
	u64 error, address, rip;
} trap;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	/* As the instruction encodes them. */
	static const int order[16] = {
		REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI,
		REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13,
		REG_R14, REG_R15,
	};
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	int i;

	for (i = 0; i < 16; i++)
		st->gpr[i] = regs[order[i]];
	st->flags = regs[REG_EFL];
	trap.vector = regs[REG_TRAPNO];
	trap.error = regs[REG_ERR];
	trap.address = trap.vector == 14 ? regs[REG_CR2] : 0;
	trap.rip = regs[REG_RIP];
	siglongjmp(caught, 1);
}

/* The vector that it faulted with, or -1. */
static int run_native(void)
{
	trap.vector = -1;
	if (!sigsetjmp(caught, 1))
		((void (*)(void))(uintptr_t)CODE)();
	return trap.vector;
}

static int n_translate(struct lodge_emul *c, u64 la, u32 access, u64 *gpa)
{
	bool there = la >= BUF && la < BUF + ALL_SIZE;
	bool write = access & LODGE_ACC_WRITE;

	*gpa = la;
	if (there && !(write && la >= BUF + BUF_SIZE))
		return LODGE_EMUL_OK;
	lodge_emul_raise(c, 14, true, 4 | write << 1 | there);
	c->fault.address = la;
	return LODGE_EMUL_FAULT;
}

static int n_read(struct lodge_emul *c, u64 gpa, void *to, u32 len)
{
	memcpy(to, shadow + gpa - BUF, len);
	return LODGE_EMUL_OK;
}

static int n_write(struct lodge_emul *c, u64 gpa, const void *from, u32 len)
{
	memcpy(shadow + gpa - BUF, from, len);
	return LODGE_EMUL_OK;
}

static int n_cmpxchg(struct lodge_emul *c, u64 gpa, const void *old,
		     const void *new, u32 len)
{
	return n_write(c, gpa, new, len);
}

static void n_get_seg(struct lodge_emul *c, int seg, struct kvm_segment *s)
{
	memset(s, 0, sizeof(*s));
}

static u64 n_get_cr(struct lodge_emul *c, int cr)
{
	return cr == 4 ? 0x40600 : 0x33;
}

static int n_get_simd(struct lodge_emul *c, int reg, void *to, u32 len)
{
	memcpy(to, len == 8 ? (void *)&emu.mmx[reg] : emu.ymm[reg], len);
	return LODGE_EMUL_OK;
}

static int n_set_simd(struct lodge_emul *c, int reg, const void *from, u32 len)
{
	memcpy(len == 8 ? (void *)&emu.mmx[reg] : emu.ymm[reg], from, len);
	return LODGE_EMUL_OK;
}

static const struct lodge_emul_ops ops = {
	.translate = n_translate, .read = n_read, .write = n_write,
	.cmpxchg = n_cmpxchg, .get_seg = n_get_seg, .get_cr = n_get_cr,
	.get_simd = n_get_simd, .set_simd = n_set_simd,
};

/* ---- generating ---- */

/* What is undefined afterwards; of the flags, or all of the destination. */
enum undef {
	U_NONE, U_LOGIC, U_SHIFT, U_ROTATE, U_SHD, U_MUL, U_DIV, U_BT, U_SCAN,
};

#define MEM	0x01	/* memory operands only */
#define NOMODRM	0x02
#define BYTE	0x04	/* the lowest opcode bit is the size */
#define LOCK	0x08
#define BITOFF	0x10
#define STRING	0x20
#define STACK	0x40
#define BRANCH	0x80	/* an immediate that is a displacement */
#define TARGET	0x100	/* memory or register holds an address to jump to */
#define SIMD	0x200
#define AVX	0x400
#define LOW3	0x800	/* eight registers in the opcode */
#define CC	0x1000	/* sixteen conditions in the opcode */
#define NO66	0x2000
#define NOT_RSP	0x4000

struct row {
	const char *name;
	u8 map, op;		/* map: 0, 1 (0F), 2 (0F 38) */
	s8 reg;			/* /digit, or -1 */
	char imm;		/* 0, '1', 'z', 'v', 'w' (2), 'e' (ENTER), 'a' (address) */
	u16 flags;
	u8 undef;
	u8 prefix;		/* mandatory */
};

#define ALU(n, b, lock, u)						\
	{ n, 0, b, -1, 0, BYTE | (lock), u },				\
	{ n, 0, (b) + 2, -1, 0, BYTE, u },				\
	{ n, 0, (b) + 4, -1, 'z', BYTE | NOMODRM, u },			\
	{ n, 0, 0x80, (b) >> 3, 'z', BYTE | (lock), u },		\
	{ n, 0, 0x83, (b) >> 3, '1', lock, u }
#define SHIFT(n, r, u)							\
	{ n, 0, 0xc0, r, '1', BYTE, u }, { n, 0, 0xd0, r, 0, BYTE, u },	\
	{ n, 0, 0xd2, r, 0, BYTE, u }

static const struct row rows[] = {
	ALU("add", 0x00, LOCK, U_NONE), ALU("or", 0x08, LOCK, U_LOGIC),
	ALU("adc", 0x10, LOCK, U_NONE), ALU("sbb", 0x18, LOCK, U_NONE),
	ALU("and", 0x20, LOCK, U_LOGIC), ALU("sub", 0x28, LOCK, U_NONE),
	ALU("xor", 0x30, LOCK, U_LOGIC), ALU("cmp", 0x38, 0, U_NONE),
	SHIFT("rol", 0, U_ROTATE), SHIFT("ror", 1, U_ROTATE),
	SHIFT("rcl", 2, U_ROTATE), SHIFT("rcr", 3, U_ROTATE),
	SHIFT("shl", 4, U_SHIFT), SHIFT("shr", 5, U_SHIFT),
	SHIFT("sal", 6, U_SHIFT), SHIFT("sar", 7, U_SHIFT),
	{ "shld", 1, 0xa4, -1, '1', 0, U_SHD },
	{ "shld", 1, 0xa5, -1, 0, 0, U_SHD },
	{ "shrd", 1, 0xac, -1, '1', 0, U_SHD },
	{ "shrd", 1, 0xad, -1, 0, 0, U_SHD },
	{ "test", 0, 0x84, -1, 0, BYTE, U_LOGIC },
	{ "test", 0, 0xf6, 0, 'z', BYTE, U_LOGIC },
	{ "test", 0, 0xa8, -1, 'z', BYTE | NOMODRM, U_LOGIC },
	{ "not", 0, 0xf6, 2, 0, BYTE | LOCK },
	{ "neg", 0, 0xf6, 3, 0, BYTE | LOCK },
	{ "mul", 0, 0xf6, 4, 0, BYTE, U_MUL },
	{ "imul", 0, 0xf6, 5, 0, BYTE, U_MUL },
	{ "div", 0, 0xf6, 6, 0, BYTE, U_DIV },
	{ "idiv", 0, 0xf6, 7, 0, BYTE, U_DIV },
	{ "imul", 1, 0xaf, -1, 0, 0, U_MUL },
	{ "imul", 0, 0x69, -1, 'z', 0, U_MUL },
	{ "imul", 0, 0x6b, -1, '1', 0, U_MUL },
	{ "inc", 0, 0xfe, 0, 0, BYTE | LOCK },
	{ "dec", 0, 0xfe, 1, 0, BYTE | LOCK },
	{ "bt", 1, 0xa3, -1, 0, BITOFF, U_BT },
	{ "bts", 1, 0xab, -1, 0, BITOFF | LOCK, U_BT },
	{ "btr", 1, 0xb3, -1, 0, BITOFF | LOCK, U_BT },
	{ "btc", 1, 0xbb, -1, 0, BITOFF | LOCK, U_BT },
	{ "bt", 1, 0xba, 4, '1', 0, U_BT }, { "bts", 1, 0xba, 5, '1', LOCK, U_BT },
	{ "btr", 1, 0xba, 6, '1', LOCK, U_BT },
	{ "btc", 1, 0xba, 7, '1', LOCK, U_BT },
	{ "bsf", 1, 0xbc, -1, 0, 0, U_SCAN }, { "bsr", 1, 0xbd, -1, 0, 0, U_SCAN },
	{ "xchg", 0, 0x86, -1, 0, BYTE | LOCK },
	{ "xchg", 0, 0x90, -1, 0, NOMODRM | LOW3 | NOT_RSP },
	{ "xadd", 1, 0xc0, -1, 0, BYTE | LOCK },
	{ "cmpxchg", 1, 0xb0, -1, 0, BYTE | LOCK },
	{ "cmpxchg8b", 1, 0xc7, 1, 0, MEM | LOCK },
	{ "mov", 0, 0x88, -1, 0, BYTE }, { "mov", 0, 0x8a, -1, 0, BYTE },
	{ "mov", 0, 0xc6, 0, 'z', BYTE },
	{ "mov", 0, 0xb8, -1, 'v', NOMODRM | LOW3 | NOT_RSP },
	{ "mov", 0, 0xb0, -1, '1', NOMODRM | LOW3 },
	{ "movzx", 1, 0xb6, -1 }, { "movzx", 1, 0xb7, -1 },
	{ "movsx", 1, 0xbe, -1 }, { "movsx", 1, 0xbf, -1 },
	{ "movsxd", 0, 0x63, -1, 0, NO66 },
	{ "movbe", 2, 0xf0, -1, 0, MEM }, { "movbe", 2, 0xf1, -1, 0, MEM },
	{ "movnti", 1, 0xc3, -1, 0, MEM | NO66 },
	{ "mov", 0, 0xa0, -1, 'a', NOMODRM | BYTE },
	{ "mov", 0, 0xa2, -1, 'a', NOMODRM | BYTE },
	{ "xlat", 0, 0xd7, -1, 0, NOMODRM },
	{ "bswap", 1, 0xc8, -1, 0, NOMODRM | LOW3 | NO66 | NOT_RSP },
	{ "lea", 0, 0x8d, -1, 0, MEM },
	{ "cmov", 1, 0x40, -1, 0, CC }, { "set", 1, 0x90, -1, 0, CC },
	{ "cbw", 0, 0x98, -1, 0, NOMODRM }, { "cwd", 0, 0x99, -1, 0, NOMODRM },
	{ "lahf", 0, 0x9f, -1, 0, NOMODRM }, { "sahf", 0, 0x9e, -1, 0, NOMODRM },
	{ "clc", 0, 0xf8, -1, 0, NOMODRM }, { "stc", 0, 0xf9, -1, 0, NOMODRM },
	{ "cmc", 0, 0xf5, -1, 0, NOMODRM }, { "nop", 1, 0x1f, 0 },
	{ "push", 0, 0xff, 6, 0, STACK }, { "pop", 0, 0x8f, 0, 0, STACK },
	{ "push", 0, 0x50, -1, 0, NOMODRM | LOW3 | STACK },
	{ "pop", 0, 0x58, -1, 0, NOMODRM | LOW3 | STACK },
	{ "push", 0, 0x68, -1, 'z', NOMODRM | STACK },
	{ "push", 0, 0x6a, -1, '1', NOMODRM | STACK },
	{ "pushf", 0, 0x9c, -1, 0, NOMODRM | STACK },
	{ "popf", 0, 0x9d, -1, 0, NOMODRM | STACK },
	{ "leave", 0, 0xc9, -1, 0, NOMODRM | STACK },
	{ "enter", 0, 0xc8, -1, 'e', NOMODRM | STACK },
	{ "movs", 0, 0xa4, -1, 0, NOMODRM | BYTE | STRING },
	{ "cmps", 0, 0xa6, -1, 0, NOMODRM | BYTE | STRING },
	{ "stos", 0, 0xaa, -1, 0, NOMODRM | BYTE | STRING },
	{ "lods", 0, 0xac, -1, 0, NOMODRM | BYTE | STRING },
	{ "scas", 0, 0xae, -1, 0, NOMODRM | BYTE | STRING },
	{ "jcc", 0, 0x70, -1, 'b', NOMODRM | CC | BRANCH | NO66 },
	{ "jcc", 1, 0x80, -1, 'B', NOMODRM | CC | BRANCH | NO66 },
	{ "jmp", 0, 0xeb, -1, 'b', NOMODRM | BRANCH | NO66 },
	{ "jmp", 0, 0xe9, -1, 'B', NOMODRM | BRANCH | NO66 },
	{ "call", 0, 0xe8, -1, 'B', NOMODRM | BRANCH | STACK | NO66 },
	{ "loopne", 0, 0xe0, -1, 'b', NOMODRM | BRANCH | NO66 },
	{ "loope", 0, 0xe1, -1, 'b', NOMODRM | BRANCH | NO66 },
	{ "loop", 0, 0xe2, -1, 'b', NOMODRM | BRANCH | NO66 },
	{ "jrcxz", 0, 0xe3, -1, 'b', NOMODRM | BRANCH | NO66 },
	{ "jmp", 0, 0xff, 4, 0, TARGET | NO66 },
	{ "call", 0, 0xff, 2, 0, TARGET | STACK | NO66 },
	{ "ret", 0, 0xc3, -1, 0, NOMODRM | TARGET | STACK | NO66 },
	{ "ret", 0, 0xc2, -1, 'w', NOMODRM | TARGET | STACK | NO66 },
	{ "movups", 1, 0x10, -1, 0, SIMD | MEM | NO66 },
	{ "movups", 1, 0x11, -1, 0, SIMD | MEM | NO66 },
	{ "movupd", 1, 0x11, -1, 0, SIMD | MEM, 0, 0x66 },
	{ "movss", 1, 0x10, -1, 0, SIMD | MEM | NO66, 0, 0xf3 },
	{ "movsd", 1, 0x11, -1, 0, SIMD | MEM | NO66, 0, 0xf2 },
	{ "movsd", 1, 0x10, -1, 0, SIMD | MEM | NO66, 0, 0xf2 },
	{ "movlps", 1, 0x12, -1, 0, SIMD | MEM | NO66 },
	{ "movlps", 1, 0x13, -1, 0, SIMD | MEM | NO66 },
	{ "movhps", 1, 0x16, -1, 0, SIMD | MEM | NO66 },
	{ "movhpd", 1, 0x17, -1, 0, SIMD | MEM, 0, 0x66 },
	{ "movaps", 1, 0x28, -1, 0, SIMD | MEM | NO66 },
	{ "movapd", 1, 0x29, -1, 0, SIMD | MEM, 0, 0x66 },
	{ "movntps", 1, 0x2b, -1, 0, SIMD | MEM | NO66 },
	{ "movd", 1, 0x6e, -1, 0, SIMD | MEM, 0, 0x66 },
	{ "movd", 1, 0x7e, -1, 0, SIMD | MEM, 0, 0x66 },
	{ "movd mm", 1, 0x6e, -1, 0, SIMD | MEM | NO66 },
	{ "movd mm", 1, 0x7e, -1, 0, SIMD | MEM | NO66 },
	{ "movq", 1, 0x7e, -1, 0, SIMD | MEM | NO66, 0, 0xf3 },
	{ "movq", 1, 0xd6, -1, 0, SIMD | MEM, 0, 0x66 },
	{ "movq mm", 1, 0x6f, -1, 0, SIMD | MEM | NO66 },
	{ "movq mm", 1, 0x7f, -1, 0, SIMD | MEM | NO66 },
	{ "movdqa", 1, 0x6f, -1, 0, SIMD | MEM, 0, 0x66 },
	{ "movdqa", 1, 0x7f, -1, 0, SIMD | MEM, 0, 0x66 },
	{ "movdqu", 1, 0x6f, -1, 0, SIMD | MEM | NO66, 0, 0xf3 },
	{ "movdqu", 1, 0x7f, -1, 0, SIMD | MEM | NO66, 0, 0xf3 },
	{ "movntq", 1, 0xe7, -1, 0, SIMD | MEM | NO66 },
	{ "movntdq", 1, 0xe7, -1, 0, SIMD | MEM, 0, 0x66 },
	{ "movntdqa", 2, 0x2a, -1, 0, SIMD | MEM, 0, 0x66 },
	{ "lddqu", 1, 0xf0, -1, 0, SIMD | MEM | NO66, 0, 0xf2 },
	{ "vmovups", 1, 0x10, -1, 0, SIMD | MEM | AVX, 0, 0 },
	{ "vmovupd", 1, 0x11, -1, 0, SIMD | MEM | AVX, 0, 1 },
	{ "vmovaps", 1, 0x28, -1, 0, SIMD | MEM | AVX, 0, 0 },
	{ "vmovdqa", 1, 0x6f, -1, 0, SIMD | MEM | AVX, 0, 1 },
	{ "vmovdqu", 1, 0x6f, -1, 0, SIMD | MEM | AVX, 0, 2 },
	{ "vmovdqu", 1, 0x7f, -1, 0, SIMD | MEM | AVX, 0, 2 },
	{ "vmovntdq", 1, 0xe7, -1, 0, SIMD | MEM | AVX, 0, 1 },
	{ "vlddqu", 1, 0xf0, -1, 0, SIMD | MEM | AVX, 0, 3 },
};

/* One generated case. */
struct insn {
	const struct row *row;
	u8 bytes[16];
	int len;
	u8 op, modrm, rex, opsize;	/* bytes */
	bool p66, p67, lock, mem;
	u8 rep;
	int rip_disp;		/* where a RIP-relative displacement is, or 0 */
	u32 target;		/* of the memory operand */
	u8 imm8;
};

static void byte(struct insn *i, u8 b)
{
	i->bytes[i->len++] = b;
}

static void imm(struct insn *i, u64 v, int n)
{
	memcpy(i->bytes + i->len, &v, n);
	i->len += n;
}

/* Where an operand may be; at times at an edge, of what can be written or read. */
static u32 place(u32 at, u32 n)
{
	static const u32 edge[] = { BUF, BUF + BUF_SIZE, BUF + ALL_SIZE };

	return upto(8) ? at + upto(n) : edge[upto(3)] - 32 + upto(64);
}

static bool writable(u32 at)
{
	return at - BUF <= BUF_SIZE - 8;
}

static u64 pointer(const struct insn *i, u32 at)
{
	return i->p67 ? at | rnd() << 32 : at;
}

/*
 * A memory operand at i->target: choose a form, then set the base register, or
 * the displacement, so that it comes out there.
 */
static void gen_memory(struct insn *i, int reg)
{
	int rm = upto(8), mod = upto(3), base = rm | (i->rex & 1) << 3;
	int index = -1, scale = 0;
	s32 disp = mod == 1 ? (s8)rnd() : mod == 2 ? (s32)upto(0x10000) - 0x8000 : 0;
	u8 sib = 0;
	u64 off;

	if (rm == 4) {
		sib = rnd();
		base = (sib & 7) | (i->rex & 1) << 3;
		index = (sib >> 3 & 7) | (i->rex & 2) << 2;
		scale = sib >> 6;
		if (index == RSP)
			index = -1;
	}
	if (index == base)
		index = -1, sib = (sib & ~0x38) | 0x20, i->rex &= ~2;
	/* Below, a base that isn't one. */
	if (mod == 0 && (base & 7) == 5) {
		if (rm == 5) {
			i->rip_disp = i->len + 1;
			disp = 0;
		} else {
			if (index >= 0)
				st->gpr[index] = pointer(i, upto(0x1000));
			off = index >= 0 ? (u32)st->gpr[index] << scale : 0;
			disp = i->target - (u32)off;
		}
		base = -1;
	}
	byte(i, mod << 6 | reg << 3 | rm);
	if (rm == 4)
		byte(i, sib);
	if (mod == 1)
		imm(i, disp, 1);
	else if (mod == 2 || base < 0)
		imm(i, disp, 4);
	if (base >= 0) {
		off = index >= 0 ? st->gpr[index] << scale : 0;
		st->gpr[base] = i->target - disp - off;
		if (i->p67)
			st->gpr[base] = pointer(i, st->gpr[base]);
	}
}

static void gen_prefixes(struct insn *i)
{
	static const u8 null_seg[] = { 0x26, 0x2e, 0x36, 0x3e };
	const struct row *r = i->row;

	if (!(r->flags & AVX) && r->prefix)
		byte(i, r->prefix);
	if (!(r->flags & (NO66 | SIMD)) && !upto(4)) {
		i->p66 = true;
		byte(i, 0x66);
	}
	if (!upto(8)) {
		i->p67 = true;
		byte(i, 0x67);
	}
	if (!upto(16) && !(r->flags & BRANCH))
		byte(i, null_seg[upto(4)]);
	if (r->flags & STRING && upto(2)) {
		i->rep = 0xf2 + upto(2);
		byte(i, i->rep);
	}
	if (r->flags & LOCK && i->mem && !upto(3)) {
		i->lock = true;
		byte(i, 0xf0);
	}
}

static void gen_opcode(struct insn *i)
{
	const struct row *r = i->row;

	i->op = r->op;
	if (r->flags & BYTE)
		i->op |= rnd() & 1;
	if (r->flags & LOW3)
		i->op |= rnd() & 7;
	if (r->flags & CC)
		i->op |= rnd() & 15;
	if (r->flags & AVX) {
		i->rex = 0x40 | (rnd() & 7);
		byte(i, 0xc4);
		byte(i, (~i->rex & 7) << 5 | r->map);
		byte(i, 0x78 | (rnd() & 4) | r->prefix);
		byte(i, i->op);
		return;
	}
	if (upto(2)) {
		i->rex = 0x40 | (rnd() & 15);
		byte(i, i->rex);
	}
	if (r->map)
		byte(i, 0x0f);
	if (r->map == 2)
		byte(i, 0x38);
	byte(i, i->op);
}

/* SIB and REX can be changed while the address is made. */
static void patch_rex(struct insn *i)
{
	int k;

	for (k = 0; i->rex && k < i->len; k++) {
		if (i->row->flags & AVX && i->bytes[k] == 0xc4) {
			i->bytes[k + 1] = (i->bytes[k + 1] & 0x1f) |
					  (~i->rex & 7) << 5;
			return;
		}
		if (!(i->row->flags & AVX) && (i->bytes[k] & 0xf0) == 0x40) {
			i->bytes[k] = i->rex;
			return;
		}
	}
}

static void gen_imm(struct insn *i)
{
	u64 v = value();
	int n = 0;

	switch (i->row->imm) {
	case '1':
		n = 1;
		break;
	case 'w':
		n = 2;
		v = upto(64) * 8;
		break;
	case 'z':
		n = i->opsize == 8 ? 4 : i->opsize;
		break;
	case 'v':
		n = i->opsize;
		break;
	case 'b':
		n = 1;
		v = STUB - (INSN + i->len + 1);
		break;
	case 'B':
		n = 4;
		v = STUB - (INSN + i->len + 4);
		break;
	case 'a':
		/* At times one that no address can be. */
		n = i->p67 ? 4 : 8;
		v = i->target | (u64)!upto(16) << 63;
		break;
	case 'e':
		n = 3;
		v = upto(256) | upto(5) << 16;
		break;
	}
	i->imm8 = v;
	imm(i, v, n);
}

static void poke(u32 at, u64 v)
{
	memcpy(buf + at - BUF, &v, 8);
	memcpy(shadow + at - BUF, &v, 8);
}

/* Registers that have a meaning for this one. */
static void gen_roles(struct insn *i)
{
	const struct row *r = i->row;
	u32 at = BUF + 0x1000 + upto(0x2000);

	if (r->flags & STRING) {
		st->gpr[RSI] = pointer(i, place(BUF + 0x1800, 0x1000));
		st->gpr[RDI] = pointer(i, place(BUF + 0x1800, 0x1000));
		st->gpr[RCX] = pointer(i, upto(20));
		/* Equal runs, so that the repetition of CMPS goes on. */
		if (!upto(2)) {
			memset(buf + 0x1000, 0x55, 0x2000);
			memset(shadow + 0x1000, 0x55, 0x2000);
			st->gpr[RAX] = upto(2) ? 0x5555555555555555 : 0;
		}
		if (!upto(2))
			st->flags |= DF;
	}
	if (r->flags & STACK) {
		st->gpr[RSP] = at;
		st->gpr[RBP] = BUF + 0x1000 + upto(0x2000);
	}
	if (!strcmp(r->name, "pushf"))
		st->flags |= rnd() & (DF | NT | ID);
	if (!strcmp(r->name, "popf")) {
		/* TF would trap, one instruction later. */
		st->flags |= rnd() & (DF | NT | ID);
		poke(at, rnd() & ~(u64)TF);
	}
	if (!strcmp(r->name, "xlat"))
		st->gpr[RBX] = pointer(i, i->target - (u8)st->gpr[RAX]);
	if ((i->op & 0xfc) == 0xe0 && r->flags & BRANCH)
		st->gpr[RCX] = pointer(i, upto(3));
	if (r->undef == U_DIV && upto(4)) {
		/* Mostly small dividends: others do nothing but fault. */
		st->gpr[RDX] = upto(2) ? 0 : -(u64)upto(2);
		if (upto(2))
			st->gpr[RAX] &= 0xff;
	}
	if (!upto(2) && !strncmp(r->name, "cmpxchg", 7) && writable(i->target))
		memcpy(&st->gpr[RAX], buf + i->target - BUF, 8);
}

/* False where the choice of registers contradicts itself. */
static bool generate(struct insn *i)
{
	const struct row *r = &rows[upto(sizeof(rows) / sizeof(*rows))];
	int k, reg;

	memset(i, 0, sizeof(*i));
	i->row = r;
	if (r->flags & AVX && !have_avx)
		return false;
	i->mem = !(r->flags & NOMODRM) && (r->flags & MEM || upto(4));
	for (k = 0; k < 16; k++)
		st->gpr[k] = value();
	st->flags = 0x202 | (rnd() & ARITH);
	st->mark = 0;
	i->target = place(BUF + 0x1000, 0x2000);
	if (!writable(i->target) && r->flags & TARGET)
		return false;
	if (r->flags & SIMD && upto(2))
		i->target &= ~31u;

	gen_prefixes(i);
	gen_opcode(i);
	i->opsize = r->flags & BYTE && !(i->op & 1) ? 1 :
		    i->rex & 8 || r->flags & STACK ? 8 : i->p66 ? 2 : 4;
	if (r->flags & STACK && i->p66 && !(i->rex & 8))
		i->opsize = 2;
	if (r->imm == '1' && r->flags & LOW3)
		i->opsize = 1;
	if (r->imm == 'e' && i->p66)
		return false;
	gen_roles(i);

	if (!(r->flags & NOMODRM)) {
		reg = r->reg >= 0 ? r->reg : upto(8);
		i->modrm = reg << 3;
		if (r->flags & BITOFF)
			st->gpr[reg | (i->rex & 4) << 1] = upto(0x4000) - 0x2000;
		if (i->mem) {
			gen_memory(i, reg);
			patch_rex(i);
		} else {
			i->modrm |= 0xc0 | upto(8);
			byte(i, i->modrm);
		}
		/* A bit offset that became an address. */
		if (r->flags & BITOFF &&
		    (u64)(st->gpr[reg | (i->rex & 4) << 1] + 0x2000) > 0x4000)
			return false;
	}
	gen_imm(i);
	if (i->rip_disp) {
		u32 d = i->target - (INSN + i->len);

		memcpy(i->bytes + i->rip_disp, &d, 4);
	}
	if (r->flags & TARGET) {
		if (i->mem)
			poke(i->target, STUB);
		else if (r->flags & NOMODRM)
			poke(st->gpr[RSP], STUB);
		else
			st->gpr[(i->modrm & 7) | (i->rex & 1) << 3] = STUB;
	}
	/* The stack must still be in the buffer, after addresses were made. */
	if (r->flags & STACK && (st->gpr[RSP] - BUF - 0x800 > 0x3000 ||
				 st->gpr[RBP] - BUF - 0x800 > 0x3000))
		return false;
	if (i->p67 && r->flags & TARGET)
		return false;
	return i->len <= 15;
}

/* ---- judging ---- */

static u64 undefined(const struct insn *i, const struct state *before,
		     bool *dest)
{
	u32 bits = i->opsize * 8;
	u32 n = (i->row->imm == '1' ? i->imm8 :
		 (i->op & 0xfe) == 0xd0 ? 1 : before->gpr[RCX]) &
		(i->opsize == 8 ? 63 : 31);
	u64 f = 0;

	*dest = false;
	switch (i->row->undef) {
	case U_LOGIC:
		return AF;
	case U_SHIFT:
		if (!n)
			return 0;
		f = AF | (n != 1 ? OF : 0);
		return n >= bits ? f | CF : f;
	case U_ROTATE:
		return n > 1 ? OF : 0;
	case U_SHD:
		if (!n)
			return 0;
		*dest = n > bits;
		return n > bits ? ARITH : AF | (n != 1 ? OF : 0);
	case U_MUL:
		return SF | ZF | AF | PF;
	case U_DIV:
		return ARITH;
	case U_BT:
		return OF | SF | AF | PF;
	case U_SCAN:
		return CF | OF | SF | AF | PF;
	}
	return 0;
}

static int show(const struct insn *i, const struct state *before, int vec,
		int status, const struct lodge_emul *c)
{
	int k;

	printf("# %s:", i->row->name);
	for (k = 0; k < i->len; k++)
		printf(" %02x", i->bytes[k]);
	printf("\n# vector %d, status %d vector %u; flags %llx -> %llx, %llx\n",
	       vec, status, c->fault.vector, before->flags, st->flags,
	       c->rflags);
	if (vec >= 0)
		printf("# error %llx, emulated %x; address %llx, emulated %llx\n",
		       trap.error, c->fault.error, trap.address, c->fault.address);
	printf("# rip %llx, mark %llu\n", c->rip, st->mark);
	for (k = 0; k < 16; k++)
		if (st->gpr[k] != emu.gpr[k] || st->gpr[k] != before->gpr[k])
			printf("# r%d %llx -> %llx, emulated %llx\n", k,
			       before->gpr[k], st->gpr[k], emu.gpr[k]);
	for (k = 0; k < ALL_SIZE; k++)
		if (buf[k] != shadow[k])
			printf("# [%x] %02x, emulated %02x\n", BUF + k, buf[k],
			       shadow[k]);
	return 1;
}

/*
 * A repeated string instruction with 32-bit addresses of which no round was done, as
 * there are none to do or the first one faults: some CPUs clear the upper halves of
 * RCX, RSI and RDI, others leave them alone. Both will do.
 */
static void no_rounds(const struct insn *i, const struct state *before)
{
	static const u8 counters[] = { RCX, RSI, RDI };
	u32 k;

	if (!(i->row->flags & STRING) || !i->rep || !i->p67 ||
	    (u32)emu.gpr[RCX] != (u32)before->gpr[RCX])
		return;
	for (k = 0; k < sizeof(counters); k++)
		if ((u32)emu.gpr[counters[k]] == st->gpr[counters[k]])
			emu.gpr[counters[k]] = st->gpr[counters[k]];
}

/*
 * CMPS and SCAS that fault in a later round: the flags are those of before, says
 * Intel's manual; AMD's doesn't, and a CPU may have those of the last round.
 */
static u64 of_rounds(const struct insn *i, const struct state *before)
{
	return i->rep && i->row->flags & STRING && (i->op & 0xf6) == 0xa6 &&
	       (st->flags ^ before->flags) & ARITH ? ARITH : 0;
}

/* Two operands of CMPS that both fault: no manual says which one does first. */
static bool either(const struct insn *i)
{
	return !strcmp(i->row->name, "cmps") && trap.error == 4;
}

/* 1 where they differ, 0 where they agree, -1 where it could not be tried. */
static int one(void)
{
	static struct lodge_emul c;
	struct state before;
	struct insn i;
	bool dest, wrong;
	u64 undef, flags;
	int vec, status;

	if (!generate(&i))
		return -1;
	before = *st;
	emu = *st;
	lodge_emul_init(&c, &ops, NULL);
	c.gpr = emu.gpr;
	c.mode = LODGE_EMUL_PROT64;
	c.cpl = 3;
	c.rip = INSN;
	c.rflags = st->flags;
	status = lodge_emul_decode(&c, i.bytes, i.len);
	if (!status)
		status = lodge_emul_execute(&c);

	build(i.bytes, i.len, i.row->flags & SIMD);
	vec = run_native();
	no_rounds(&i, &before);
	if (vec >= 0) {
		flags = FLAGS & ~of_rounds(&i, &before);
		wrong = status != LODGE_EMUL_FAULT || c.fault.vector != vec ||
			(c.fault.has_error && c.fault.error != trap.error) ||
			(vec == 14 && c.fault.address != trap.address &&
			 !either(&i)) ||
			trap.rip != INSN || c.rip != INSN ||
			((c.rflags ^ st->flags) & flags) ||
			memcmp(emu.gpr, st->gpr, sizeof(emu.gpr)) ||
			memcmp(buf, shadow, ALL_SIZE);
		if (wrong)
			show(&i, &before, vec, status, &c);
		memcpy(shadow, buf, ALL_SIZE);
		faults++;
		return wrong;
	}

	undef = undefined(&i, &before, &dest);
	flags = ~undef & FLAGS;
	wrong = status != LODGE_EMUL_OK || !c.retired ||
		c.rip != (st->mark ? STUB : INSN + i.len) ||
		((c.rflags ^ st->flags) & flags);
	if (!dest) {
		wrong |= memcmp(emu.gpr, st->gpr, sizeof(emu.gpr)) ||
			 memcmp(buf, shadow, ALL_SIZE);
		if (i.row->flags & SIMD)
			wrong |= memcmp(emu.ymm, st->ymm, sizeof(emu.ymm)) ||
				 memcmp(emu.mmx, st->mmx, sizeof(emu.mmx));
	}
	if (wrong)
		show(&i, &before, vec, status, &c);
	memcpy(shadow, buf, ALL_SIZE);
	return wrong;
}

static void *map(u32 at, size_t size, int prot)
{
	void *p = mmap((void *)(uintptr_t)at, size, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED) {
		perror("native: mmap");
		exit(1);
	}
	return p;
}

static void set_up(void)
{
	static u8 stack[65536];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_sigaction = on_signal,
				.sa_flags = SA_ONSTACK | SA_SIGINFO };
	const int sigs[] = { SIGSEGV, SIGFPE, SIGILL, SIGBUS };
	u32 k;

	map(BUF, ALL_SIZE, PROT_READ | PROT_WRITE);
	map(CODE, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC);
	map(STATE, sizeof(struct state), PROT_READ | PROT_WRITE);
	sigaltstack(&alt, NULL);
	for (k = 0; k < 4; k++)
		sigaction(sigs[k], &sa, NULL);
	have_avx = __builtin_cpu_supports("avx");
	for (k = 0; k < ALL_SIZE; k += 8) {
		u64 v = value();

		memcpy(buf + k, &v, 8);
	}
	memcpy(shadow, buf, ALL_SIZE);
	if (mprotect(buf + BUF_SIZE, ALL_SIZE - BUF_SIZE, PROT_READ)) {
		perror("native: mprotect");
		exit(1);
	}
	for (k = 0; k < sizeof(st->ymm); k++)
		((u8 *)st->ymm)[k] = rnd();
}

int main(int argc, char **argv)
{
	long cases = 100000, n = 0, bad = 0;
	int r;

	if (argc > 1)
		cases = atol(argv[1]);
	seed = argc > 2 ? atol(argv[2]) : 1;
	seed = seed * 0x9e3779b97f4a7c15ULL | 1;
	set_up();
	while (n < cases && bad < 20) {
		r = one();
		n += r >= 0;
		bad += r > 0;
	}
	printf("%s 1 - %ld instructions as the CPU executes them, of %zu kinds\n",
	       bad ? "not ok" : "ok", n, sizeof(rows) / sizeof(*rows));
	printf("%s 2 - %ld of them fault\n", faults * 50 < n ? "not ok" : "ok", faults);
	puts("1..2");
	return bad || faults * 50 < n;
}
