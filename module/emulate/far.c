// SPDX-License-Identifier: GPL-2.0-only
/*
 * Far transfers: JMP, CALL, RET, IRET, and INT in real mode.  Through gates
 * they are not emulated; a switch of tasks is in task.c.
 *
 * Segment registers are set at the very end, when nothing can fault any more.
 */
#include "internal.h"
#include "handlers.h"

static int far_jump(struct lodge_emul *c, u16 sel, u64 rip, bool call)
{
	struct kvm_segment cs, old;
	u64 ret = c->wrip;
	int st;

	c->ops->get_seg(c, LODGE_SEG_CS, &old);
	st = lodge_emul_check_code(c, sel, rip & size_mask(c->op_bytes), false,
				   &cs);
	if (!st && call)
		st = lodge_emul_push(c, old.selector, c->op_bytes);
	if (!st && call)
		st = lodge_emul_push(c, ret, c->op_bytes);
	return st ? st : c->ops->set_seg(c, LODGE_SEG_CS, &cs);
}

/* JMP and CALL (aux 1) with the target in the instruction, ... */
int lodge_op_far(struct lodge_emul *c)
{
	return far_jump(c, c->imm2, c->imm, c->op->aux);
}

/* ... FF /3 and /5: offset and selector lie in memory. */
int lodge_op_far_mem(struct lodge_emul *c)
{
	u64 rip;
	u16 sel;
	int st = lodge_emul_read_far(c, &rip, &sel);

	return st ? st : far_jump(c, sel, rip, c->op->aux);
}

/*
 * Data segments that the outer level may not use are taken away: SDM vol. 3A
 * 5.8.6.
 */
static int drop_segments(struct lodge_emul *c, u8 cpl)
{
	static const u8 data[] = {
		LODGE_SEG_ES, LODGE_SEG_DS, LODGE_SEG_FS, LODGE_SEG_GS
	};
	struct kvm_segment s;
	int i, st = LODGE_EMUL_OK;

	for (i = 0; !st && i < 4; i++) {
		c->ops->get_seg(c, data[i], &s);
		if (s.unusable || s.dpl >= cpl || (s.type & 12) == 12)
			continue;
		memset(&s, 0, sizeof(s));
		s.unusable = 1;
		st = c->ops->set_seg(c, data[i], &s);
	}
	return st;
}

/*
 * RET and IRET from where the stack pointer is behind what they share; @stack:
 * SS and the stack pointer are popped as well, @skip bytes are dropped from both
 * stacks.
 */
static int go_outward(struct lodge_emul *c, u16 sel, u64 rip, bool stack,
		      u64 skip)
{
	u8 cpl = is_protected(c) ? sel & 3 : c->cpl;
	u32 width = lodge_emul_stack_size(c);
	struct kvm_segment cs, ss;
	u64 sp, ss_sel;
	int st;

	st = lodge_emul_check_code(c, sel, rip, true, &cs);
	if (st)
		return st;
	reg_add(c, RSP, skip, width);
	if (!stack)
		return c->ops->set_seg(c, LODGE_SEG_CS, &cs);

	st = lodge_emul_pop(c, &sp, c->op_bytes);
	if (!st)
		st = lodge_emul_pop(c, &ss_sel, c->op_bytes);
	if (!st)
		st = lodge_emul_check_seg(c, LODGE_SEG_SS, ss_sel, cpl, false,
					  &ss);
	if (st)
		return st;
	width = cs.l && is_long(c) ? 8 : ss.db ? 4 : 2;
	reg_put(c, RSP, sp + skip, width);
	st = c->ops->set_seg(c, LODGE_SEG_CS, &cs);
	if (!st)
		st = c->ops->set_seg(c, LODGE_SEG_SS, &ss);
	if (!st && cpl > c->cpl)
		st = drop_segments(c, cpl);
	return st;
}

int lodge_op_ret_far(struct lodge_emul *c)
{
	u64 rip, sel;
	int st;

	st = lodge_emul_pop(c, &rip, c->op_bytes);
	if (!st)
		st = lodge_emul_pop(c, &sel, c->op_bytes);
	if (st)
		return st;
	return go_outward(c, sel, rip, is_protected(c) && (sel & 3) > c->cpl,
			  c->imm);
}

int lodge_op_iret(struct lodge_emul *c)
{
	u64 rip, sel, flags;
	bool stack;
	int st;

	if (c->mode == LODGE_EMUL_VM86 &&
	    (c->rflags & X86_EFLAGS_IOPL) != X86_EFLAGS_IOPL)
		return raise_gp(c, 0);
	if (is_protected(c) && (c->rflags & X86_EFLAGS_NT))
		return is_long(c) ? raise_gp(c, 0) : LODGE_EMUL_FAIL;

	st = lodge_emul_pop(c, &rip, c->op_bytes);
	if (!st)
		st = lodge_emul_pop(c, &sel, c->op_bytes);
	if (!st)
		st = lodge_emul_pop(c, &flags, c->op_bytes);
	if (st)
		return st;
	/* Into VM86 mode: only a task switch gets there here. */
	if (is_protected(c) && !is_long(c) && !c->cpl &&
	    (flags & X86_EFLAGS_VM))
		return LODGE_EMUL_FAIL;

	stack = is_long(c) || (is_protected(c) && (sel & 3) > c->cpl);
	st = go_outward(c, sel, rip, stack, 0);
	if (st)
		return st;
	c->wrflags = lodge_emul_flags_for_pop(c, flags, c->op_bytes);
	if (c->op_bytes > 2)
		c->wrflags |= flags & X86_EFLAGS_RF;
	return c->ops->misc(c, LODGE_MISC_IRET, 0);
}

/* Real mode alone: SDM vol. 3B 20.1.4. */
static int interrupt(struct lodge_emul *c, u8 vector)
{
	struct kvm_segment cs;
	struct kvm_dtable idt;
	u16 entry[2], old;
	u64 ret = c->wrip;
	int st;

	if (c->mode != LODGE_EMUL_REAL)
		return LODGE_EMUL_FAIL;
	c->ops->get_seg(c, LODGE_SEG_CS, &cs);
	old = cs.selector;
	c->ops->get_dt(c, LODGE_DT_IDT, &idt);
	if (vector * 4 + 3 > idt.limit)
		return raise_gp(c, vector * 8 + 2);
	st = lodge_emul_read(c, (u32)idt.base + vector * 4, entry, 4,
			     LODGE_ACC_IMPLICIT);
	if (!st)
		st = lodge_emul_check_code(c, entry[1], entry[0], false, &cs);
	if (!st)
		st = lodge_emul_push(c, c->rflags, 2);
	if (!st)
		st = lodge_emul_push(c, old, 2);
	if (!st)
		st = lodge_emul_push(c, ret, 2);
	if (st)
		return st;
	c->wrflags &= ~(u64)(X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_AC |
			     X86_EFLAGS_RF);
	return c->ops->set_seg(c, LODGE_SEG_CS, &cs);
}

/* INT3 and INTO have their vector in the table, INT n behind the opcode. */
int lodge_op_int(struct lodge_emul *c)
{
	if (c->opcode == 0xce && !(c->rflags & X86_EFLAGS_OF))
		return LODGE_EMUL_OK;
	return interrupt(c, c->op->aux ?: c->imm);
}
