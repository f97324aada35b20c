/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the emulator share with each other and with nobody else. */
#ifndef LODGE_EMULATE_INTERNAL_H
#define LODGE_EMULATE_INTERNAL_H

#include <linux/errno.h>
#include <linux/string.h>
#include <linux/kernel.h>
#include <asm/processor-flags.h>
#include "emulate.h"

/* Register numbers as instructions encode them. */
enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

/* Vectors; SDM vol. 3A 6.3.1. */
enum {
	VEC_DE = 0, VEC_DB = 1, VEC_BP = 3, VEC_OF = 4, VEC_BR = 5, VEC_UD = 6,
	VEC_NM = 7, VEC_TS = 10, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13,
	VEC_PF = 14, VEC_AC = 17,
};

#define FLAGS_ARITH	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | \
			 X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF)

/* Where an operand comes from. */
enum kind {
	K_NONE,
	K_RM,		/* ModRM.rm, register or memory */
	K_RM8,		/* of a fixed size, whatever the operand size is */
	K_RM16,
	K_RM32,
	K_REG,		/* ModRM.reg */
	K_OPREG,	/* the low three bits of the opcode */
	K_ACC,
	K_ADDR,		/* ModRM.rm in memory: only the address is wanted */
	K_SREG,		/* ModRM.reg, a segment register */
	K_ONE,
	K_CL,
	K_DX,
	/* From here on there are bytes of them in the instruction. */
	K_IMM,		/* 2 or 4 bytes, sign-extended */
	K_IMM8,		/* 1 byte, sign-extended */
	K_IMM8U,
	K_IMM16,
	K_IMMV,		/* 2, 4 or 8 bytes */
	K_FAR,		/* offset, then selector */
	K_MOFFS,	/* an address in place of ModRM */
	K_ENTER,	/* imm16, then imm8 */
};

#define D(k)		((u32)K_##k)
#define S(k)		((u32)K_##k << 5)
#define S2(k)		((u32)K_##k << 10)
#define FLAG_DST(f)	((f) & 31)
#define FLAG_SRC(f)	((f) >> 5 & 31)
#define FLAG_SRC2(f)	((f) >> 10 & 31)

#define F_MODRM		(1U << 15)
#define F_BYTE		(1U << 16)	/* operands of one byte */
#define F_STACK		(1U << 17)	/* 64-bit mode: 8 bytes, or 2 by 66 */
#define F_NEAR		(1U << 18)	/* 64-bit mode: 8 bytes, always */
#define F_LOCK		(1U << 19)	/* LOCK is legal with memory */
#define F_NO64		(1U << 20)	/* #UD in 64-bit mode */
#define F_PRIV		(1U << 21)	/* #GP(0) outside CPL 0 */
#define F_PROT		(1U << 22)	/* #UD in real and VM86 mode */
#define F_MOV		(1U << 23)	/* the destination is not read */
#define F_TEST		(1U << 24)	/* the destination is not written */
#define F_GROUP		(1U << 25)	/* ModRM.reg chooses from ->group */
#define F_STRING	(1U << 26)	/* REP repeats it */
#define F_VEX		(1U << 27)	/* has a VEX form */
#define F_BITOFF	(1U << 28)	/* a bit offset moves the address */
#define F_MOD3		(1U << 29)	/* ModRM.mod is taken for 3 */
#define F_POPSP		(1U << 30)	/* the address follows the pop */
#define F_PREFIX	(1U << 31)	/* no opcode but a prefix */

/**
 * struct lodge_emul_opcode - a row of the decode tables
 * @flags: operands (D, S, S2) and F_*
 * @aux: the handler's own
 * @exec: the handler; NULL where only the length is known
 * @group: eight rows, with F_GROUP; their flags are added to this row's
 */
struct lodge_emul_opcode {
	u32 flags;
	u8 aux;
	union {
		int (*exec)(struct lodge_emul *c);
		const struct lodge_emul_opcode *group;
	};
};

extern const struct lodge_emul_opcode lodge_emul_map0[256];
extern const struct lodge_emul_opcode lodge_emul_map1[256];
extern const struct lodge_emul_opcode lodge_emul_movbe[2];
extern const struct lodge_emul_opcode lodge_emul_movntdqa;
extern const struct lodge_emul_opcode lodge_emul_map2_other;
extern const struct lodge_emul_opcode lodge_emul_map3_other;

/* A copy whose size is one of few: memcpy() would be a call. */
static inline void copy(void *to, const void *from, u32 n)
{
	switch (n) {
	case 8:
		memcpy(to, from, 8);
		break;
	case 4:
		memcpy(to, from, 4);
		break;
	case 2:
		memcpy(to, from, 2);
		break;
	case 1:
		memcpy(to, from, 1);
		break;
	default:
		memcpy(to, from, n);
	}
}

static inline u64 size_mask(u32 size)
{
	return size >= 8 ? ~0ULL : (1ULL << size * 8) - 1;
}

static inline u64 sign_extend(u64 val, u32 size)
{
	return (s64)(val << (64 - size * 8)) >> (64 - size * 8);
}

static inline bool is_long(const struct lodge_emul *c)
{
	return c->mode == LODGE_EMUL_PROT64;
}

static inline bool is_protected(const struct lodge_emul *c)
{
	return c->mode >= LODGE_EMUL_PROT16;
}

static inline u64 reg_get(const struct lodge_emul *c, int reg)
{
	return c->wdirty & 1 << reg ? c->wgpr[reg] : c->gpr[reg];
}

static inline void reg_set(struct lodge_emul *c, int reg, u64 val)
{
	c->wgpr[reg] = val;
	c->wdirty |= 1 << reg;
}

/* Writes of 4 bytes clear the upper half, shorter ones leave the rest. */
static inline void reg_put(struct lodge_emul *c, int reg, u64 val, u32 size)
{
	if (size < 4) {
		u64 mask = size_mask(size);

		val = (reg_get(c, reg) & ~mask) | (val & mask);
	} else if (size == 4) {
		val = (u32)val;
	}
	reg_set(c, reg, val);
}

/*
 * An address register moves within its address size.  Outside 64-bit mode
 * nothing says that the upper half of a 32-bit one survives.
 */
static inline void reg_add(struct lodge_emul *c, int reg, s64 n, u32 size)
{
	reg_put(c, reg, reg_get(c, reg) + n, size);
}

/* To a register operand, the second byte of a register among them. */
static inline void operand_put(struct lodge_emul *c,
			       const struct lodge_emul_operand *o, u64 val)
{
	if (o->high)
		reg_set(c, o->reg, (reg_get(c, o->reg) & ~0xff00ULL) |
			(val & 0xff) << 8);
	else
		reg_put(c, o->reg, val, o->size);
}

static inline int raise_ud(struct lodge_emul *c)
{
	return lodge_emul_raise(c, VEC_UD, false, 0);
}

static inline int raise_gp(struct lodge_emul *c, u32 error)
{
	return lodge_emul_raise(c, VEC_GP, true, error);
}

/* memory.c */
int lodge_emul_linear(struct lodge_emul *c, int seg, u64 ea, u32 size,
		      u32 access, u64 *la);
int lodge_emul_read(struct lodge_emul *c, u64 la, void *buf, u32 len,
		    u32 access);
int lodge_emul_write(struct lodge_emul *c, u64 la, const void *buf, u32 len,
		     u32 access);
int lodge_emul_cmpxchg(struct lodge_emul *c, u64 la, const void *old,
		       const void *new, u32 len, u32 access);
int lodge_emul_probe(struct lodge_emul *c, u64 la, u32 len, u32 access,
		     u64 *gpa);
int lodge_emul_seg_probe(struct lodge_emul *c, int seg, u64 ea, u32 access);
int lodge_emul_seg_load(struct lodge_emul *c, int seg, u64 ea, void *buf,
			u32 len, u32 access);
int lodge_emul_seg_read(struct lodge_emul *c, int seg, u64 ea, void *buf,
			u32 len);
int lodge_emul_read_far(struct lodge_emul *c, u64 *rip, u16 *sel);
int lodge_emul_seg_write(struct lodge_emul *c, int seg, u64 ea,
			 const void *buf, u32 len);
int lodge_emul_fetch(struct lodge_emul *c, u32 want);
int lodge_emul_port(struct lodge_emul *c, bool in, u16 port, u32 size,
		    u32 count);
bool lodge_emul_canonical(struct lodge_emul *c, u64 la);
int lodge_emul_push(struct lodge_emul *c, u64 val, u32 size);
int lodge_emul_pop(struct lodge_emul *c, u64 *val, u32 size);
u32 lodge_emul_stack_size(struct lodge_emul *c);

/* control.c */
int lodge_emul_jump(struct lodge_emul *c, u64 rip);
u64 lodge_emul_flags_for_pop(struct lodge_emul *c, u64 val, u32 size);

/* segment.c */
bool lodge_emul_lma(struct lodge_emul *c);
int lodge_emul_raise_sel(struct lodge_emul *c, u8 vector, u16 sel);
int lodge_emul_read_desc(struct lodge_emul *c, u16 sel, u64 *desc, u64 *la,
			 u8 vec);
void lodge_emul_unpack_desc(u16 sel, u64 desc, struct kvm_segment *s);
int lodge_emul_check_seg(struct lodge_emul *c, int seg, u16 sel, u8 cpl,
			 bool task, struct kvm_segment *s);
int lodge_emul_load_seg(struct lodge_emul *c, int seg, u16 sel);
int lodge_emul_check_code(struct lodge_emul *c, u16 sel, u64 rip, bool ret,
			  struct kvm_segment *s);

/* string.c */
bool lodge_emul_rep_done(struct lodge_emul *c);

#endif
