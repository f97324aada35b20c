// SPDX-License-Identifier: GPL-2.0-only
/* Moves, the stack, and segment registers as operands. */
#include "internal.h"
#include "handlers.h"

int lodge_op_mov(struct lodge_emul *c)
{
	c->dst.val = c->src.val;
	return LODGE_EMUL_OK;
}

int lodge_op_movsx(struct lodge_emul *c)
{
	c->dst.val = sign_extend(c->src.val, c->src.size);
	return LODGE_EMUL_OK;
}

int lodge_op_movsxd(struct lodge_emul *c)
{
	/* ARPL elsewhere. */
	return is_long(c) ? lodge_op_movsx(c) : LODGE_EMUL_FAIL;
}

static u64 swap_bytes(u64 val, u32 size)
{
	return __builtin_bswap64(val) >> (64 - size * 8);
}

int lodge_op_movbe(struct lodge_emul *c)
{
	if (c->modrm >= 0xc0)
		return raise_ud(c);
	c->dst.val = swap_bytes(c->src.val, c->op_bytes);
	return LODGE_EMUL_OK;
}

int lodge_op_bswap(struct lodge_emul *c)
{
	/* Of 16 bits it is undefined; CPUs give zero. */
	c->dst.val = c->op_bytes == 2 ? 0 :
		     swap_bytes(c->dst.val, c->op_bytes);
	return LODGE_EMUL_OK;
}

int lodge_op_movnti(struct lodge_emul *c)
{
	if (c->modrm >= 0xc0 || c->opsize66 || c->rep)
		return raise_ud(c);
	return lodge_op_mov(c);
}

int lodge_op_xchg(struct lodge_emul *c)
{
	/* With memory it locks, prefix or not. */
	c->lock = c->dst.kind == OPND_MEM;
	operand_put(c, &c->src, c->dst.val);
	c->dst.val = c->src.val;
	return LODGE_EMUL_OK;
}

int lodge_op_lea(struct lodge_emul *c)
{
	c->dst.val = c->mem_ea;
	return LODGE_EMUL_OK;
}

/* SDM vol. 2D appendix B.1.4.7: the condition in the low four bits. */
static bool condition(u64 flags, u8 cc)
{
	bool cf = flags & X86_EFLAGS_CF, zf = flags & X86_EFLAGS_ZF;
	bool sf = flags & X86_EFLAGS_SF, of = flags & X86_EFLAGS_OF;
	const bool met[8] = {
		of, cf, zf, cf || zf, sf, flags & X86_EFLAGS_PF, sf != of,
		zf || sf != of,
	};

	return met[cc >> 1 & 7] ^ (cc & 1);
}

int lodge_op_cmov(struct lodge_emul *c)
{
	if (condition(c->wrflags, c->opcode))
		c->dst.val = c->src.val;
	return LODGE_EMUL_OK;
}

int lodge_op_setcc(struct lodge_emul *c)
{
	c->dst.val = condition(c->wrflags, c->opcode);
	return LODGE_EMUL_OK;
}

int lodge_op_jcc(struct lodge_emul *c)
{
	return condition(c->wrflags, c->opcode) ? lodge_op_jmp(c) :
						  LODGE_EMUL_OK;
}

int lodge_op_xlat(struct lodge_emul *c)
{
	int seg = c->seg_override >= 0 ? c->seg_override : LODGE_SEG_DS;
	u64 ea = reg_get(c, RBX) + (u8)reg_get(c, RAX);
	u8 val;
	int st;

	st = lodge_emul_seg_read(c, seg, ea & size_mask(c->ad_bytes), &val, 1);
	if (!st)
		reg_put(c, RAX, val, 1);
	return st;
}

int lodge_op_push(struct lodge_emul *c)
{
	return lodge_emul_push(c, c->src.val, c->op_bytes);
}

int lodge_op_pop(struct lodge_emul *c)
{
	return lodge_emul_pop(c, &c->dst.val, c->op_bytes);
}

int lodge_op_pusha(struct lodge_emul *c)
{
	u64 sp = reg_get(c, RSP);
	int reg, st = LODGE_EMUL_OK;

	for (reg = RAX; !st && reg <= RDI; reg++)
		st = lodge_emul_push(c, reg == RSP ? sp : reg_get(c, reg),
				     c->op_bytes);
	return st;
}

int lodge_op_popa(struct lodge_emul *c)
{
	int reg, st = LODGE_EMUL_OK;
	u64 val;

	for (reg = RDI; !st && reg >= RAX; reg--) {
		st = lodge_emul_pop(c, &val, c->op_bytes);
		if (!st && reg != RSP)
			reg_put(c, reg, val, c->op_bytes);
	}
	return st;
}

int lodge_op_enter(struct lodge_emul *c)
{
	u32 width = lodge_emul_stack_size(c);
	u32 level = c->imm2 & 31, size = c->op_bytes;
	u64 frame, val, bp = reg_get(c, RBP);
	int st;

	st = lodge_emul_push(c, bp, size);
	frame = reg_get(c, RSP);
	for (; !st && level > 1; level--) {
		bp -= size;
		val = 0;
		st = lodge_emul_seg_read(c, LODGE_SEG_SS,
					 bp & size_mask(width), &val, size);
		if (!st)
			st = lodge_emul_push(c, val, size);
	}
	if (!st && level)
		st = lodge_emul_push(c, frame, size);
	if (st)
		return st;
	reg_put(c, RBP, frame, min(size, width));
	reg_put(c, RSP, reg_get(c, RSP) - c->imm, width);
	/* It faults if the new top could not be written: SDM vol. 2A, ENTER. */
	return lodge_emul_seg_probe(c, LODGE_SEG_SS,
				    reg_get(c, RSP) & size_mask(width),
				    LODGE_ACC_WRITE);
}

int lodge_op_leave(struct lodge_emul *c)
{
	u64 val;
	int st;

	reg_put(c, RSP, reg_get(c, RBP), lodge_emul_stack_size(c));
	st = lodge_emul_pop(c, &val, c->op_bytes);
	if (!st)
		reg_put(c, RBP, val, c->op_bytes);
	return st;
}

int lodge_op_nop(struct lodge_emul *c)
{
	/* 90 with REX.B is XCHG R8, RAX; with F3 it is PAUSE. */
	if (c->map == 0 && (c->rex & 1)) {
		u64 r8 = reg_get(c, 8);

		reg_put(c, 8, reg_get(c, RAX), c->op_bytes);
		reg_put(c, RAX, r8, c->op_bytes);
	} else if (c->map == 0 && c->rep == 0xf3) {
		return c->ops->misc(c, LODGE_MISC_PAUSE, 0);
	}
	return LODGE_EMUL_OK;
}

int lodge_op_ud(struct lodge_emul *c)
{
	return raise_ud(c);
}

/* 0F AE: fences order nothing here; CLFLUSH only needs its address. */
int lodge_op_fence(struct lodge_emul *c)
{
	u8 reg = c->modrm >> 3 & 7;

	if (c->rep || reg < 5)
		return LODGE_EMUL_FAIL;
	if (c->modrm >= 0xc0)
		return LODGE_EMUL_OK;
	if (reg != 7)
		return LODGE_EMUL_FAIL;
	return lodge_emul_seg_probe(c, c->mem_seg, c->mem_ea, 0);
}

int lodge_op_push_seg(struct lodge_emul *c)
{
	struct kvm_segment s;

	c->ops->get_seg(c, c->op->aux, &s);
	return lodge_emul_push(c, s.selector, c->op_bytes);
}

int lodge_op_pop_seg(struct lodge_emul *c)
{
	u64 val;
	int st = lodge_emul_pop(c, &val, c->op_bytes);

	if (st)
		return st;
	if (c->op->aux == LODGE_SEG_SS)
		c->shadow = KVM_X86_SHADOW_INT_MOV_SS;
	return lodge_emul_load_seg(c, c->op->aux, val);
}

int lodge_op_mov_from_seg(struct lodge_emul *c)
{
	u8 seg = c->modrm >> 3 & 7;
	struct kvm_segment s;

	if (seg > LODGE_SEG_GS)
		return raise_ud(c);
	c->ops->get_seg(c, seg, &s);
	c->dst.val = s.selector;
	if (c->dst.kind == OPND_MEM)
		c->dst.size = 2;
	return LODGE_EMUL_OK;
}

int lodge_op_mov_to_seg(struct lodge_emul *c)
{
	u8 seg = c->modrm >> 3 & 7;

	if (seg == LODGE_SEG_CS || seg > LODGE_SEG_GS)
		return raise_ud(c);
	if (seg == LODGE_SEG_SS)
		c->shadow = KVM_X86_SHADOW_INT_MOV_SS;
	return lodge_emul_load_seg(c, seg, c->src.val);
}

int lodge_op_load_far(struct lodge_emul *c)
{
	u16 sel;
	int st = lodge_emul_read_far(c, &c->dst.val, &sel);

	return st ? st : lodge_emul_load_seg(c, c->op->aux, sel);
}
