// SPDX-License-Identifier: GPL-2.0-only
/* Near transfers and the flags register. */
#include "internal.h"
#include "handlers.h"

/* Go to @rip in the same code segment. */
int lodge_emul_jump(struct lodge_emul *c, u64 rip)
{
	struct kvm_segment cs;

	if (is_long(c)) {
		if (!lodge_emul_canonical(c, rip))
			return raise_gp(c, 0);
	} else {
		rip &= size_mask(min_t(u8, c->op_bytes, 4));
		c->ops->get_seg(c, LODGE_SEG_CS, &cs);
		if (rip > cs.limit)
			return raise_gp(c, 0);
	}
	c->wrip = rip;
	return LODGE_EMUL_OK;
}

/* JMP and CALL (aux 1), relative or to where an operand says. */
int lodge_op_jmp(struct lodge_emul *c)
{
	u64 next = c->wrip;
	int st = lodge_emul_jump(c, c->src.kind == OPND_IMM ? next + c->imm :
				 c->src.val);

	return st || !c->op->aux ? st : lodge_emul_push(c, next, c->op_bytes);
}

int lodge_op_ret(struct lodge_emul *c)
{
	u64 rip;
	int st = lodge_emul_pop(c, &rip, c->op_bytes);

	if (!st)
		st = lodge_emul_jump(c, rip);
	if (!st)
		reg_add(c, RSP, c->imm, lodge_emul_stack_size(c));
	return st;
}

/* E0 LOOPNE, E1 LOOPE, E2 LOOP, E3 JCXZ; the count has the address size. */
int lodge_op_loop(struct lodge_emul *c)
{
	bool zf = c->wrflags & X86_EFLAGS_ZF;
	bool taken;

	if (c->opcode != 0xe3)
		reg_add(c, RCX, -1, c->ad_bytes);
	taken = reg_get(c, RCX) & size_mask(c->ad_bytes);
	switch (c->opcode) {
	case 0xe0:
		taken &= !zf;
		break;
	case 0xe1:
		taken &= zf;
		break;
	case 0xe3:
		taken = !taken;
		break;
	}
	return taken ? lodge_op_jmp(c) : LODGE_EMUL_OK;
}

/* In VM86 mode IOPL below 3 makes these fault; VME is not emulated. */
static bool vm86_denied(const struct lodge_emul *c)
{
	return c->mode == LODGE_EMUL_VM86 &&
	       (c->rflags & X86_EFLAGS_IOPL) != X86_EFLAGS_IOPL;
}

int lodge_op_pushf(struct lodge_emul *c)
{
	u64 mask = X86_EFLAGS_RF | X86_EFLAGS_VM;

	if (vm86_denied(c))
		return raise_gp(c, 0);
	return lodge_emul_push(c, c->rflags & ~mask, c->op_bytes);
}

/*
 * What POPF and IRET make of a value: IOPL changes at CPL 0 only, IF where CPL
 * is not above IOPL; VM, VIF and VIP never: SDM vol. 2B, POPF.
 */
u64 lodge_emul_flags_for_pop(struct lodge_emul *c, u64 val, u32 size)
{
	u64 mask = FLAGS_ARITH | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_NT;
	u32 iopl = c->rflags >> X86_EFLAGS_IOPL_BIT & 3;

	if (size > 2)
		mask |= X86_EFLAGS_AC | X86_EFLAGS_ID;
	if (!c->cpl)
		mask |= X86_EFLAGS_IOPL;
	if (c->cpl <= iopl)
		mask |= X86_EFLAGS_IF;
	return (c->rflags & ~(mask | X86_EFLAGS_RF)) | (val & mask);
}

int lodge_op_popf(struct lodge_emul *c)
{
	u64 val;
	int st;

	if (vm86_denied(c))
		return raise_gp(c, 0);
	st = lodge_emul_pop(c, &val, c->op_bytes);
	if (!st)
		c->wrflags = lodge_emul_flags_for_pop(c, val, c->op_bytes);
	return st;
}

#define FLAGS_LOW	(FLAGS_ARITH & 0xff)

int lodge_op_lahf(struct lodge_emul *c)
{
	u64 ax = reg_get(c, RAX) & 0xff;

	reg_put(c, RAX, ax | (c->wrflags & 0xff) << 8, 2);
	return LODGE_EMUL_OK;
}

int lodge_op_sahf(struct lodge_emul *c)
{
	c->wrflags = (c->wrflags & ~(u64)FLAGS_LOW) |
		     (reg_get(c, RAX) >> 8 & FLAGS_LOW);
	return LODGE_EMUL_OK;
}

/* CMC; CLC, STC, CLD and STD, the lowest bit of which is the flag's. */
int lodge_op_flag(struct lodge_emul *c)
{
	u64 flag = c->opcode >= 0xfc ? X86_EFLAGS_DF : X86_EFLAGS_CF;

	if (c->opcode == 0xf5)
		c->wrflags ^= flag;
	else if (c->opcode & 1)
		c->wrflags |= flag;
	else
		c->wrflags &= ~flag;
	return LODGE_EMUL_OK;
}

int lodge_op_cli_sti(struct lodge_emul *c)
{
	u32 iopl = c->rflags >> X86_EFLAGS_IOPL_BIT & 3;

	if (c->mode != LODGE_EMUL_REAL && c->cpl > iopl)
		return raise_gp(c, 0);
	if (c->opcode == 0xfa) {
		c->wrflags &= ~(u64)X86_EFLAGS_IF;
	} else {
		if (!(c->wrflags & X86_EFLAGS_IF))
			c->shadow = KVM_X86_SHADOW_INT_STI;
		c->wrflags |= X86_EFLAGS_IF;
	}
	return LODGE_EMUL_OK;
}
