// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches: SDM vol. 3A 7.3.  The CPU stops before one instead of doing
 * it under nested virtualization, and 32-bit guests have a task for #DF.
 */
#include "internal.h"

#define DESC_BUSY_BYTE	2	/* in byte 5 of a TSS descriptor */

/* Of both formats: where the saved registers begin, and how they go on. */
struct layout {
	u8 word;		/* bytes of a slot */
	u8 start;		/* EIP */
	u8 segs;
	u8 size;		/* the smallest limit + 1 */
};

enum { SLOT_IP, SLOT_FLAGS, SLOT_GPR, SLOT_SEG = SLOT_GPR + 8 };

#define TSS_CR3		0x1c
#define TSS_MAX		104

static const struct layout layout16 = { 2, 0x0e, 4, 44 };
static const struct layout layout32 = { 4, 0x20, 6, TSS_MAX };

static u32 slot_get(const struct layout *l, const u8 *tss, int slot)
{
	u32 val = 0;

	memcpy(&val, tss + l->start + slot * l->word, l->word);
	return val;
}

static void slot_set(const struct layout *l, u8 *tss, int slot, u32 val)
{
	memcpy(tss + l->start + slot * l->word, &val, l->word);
}

static int save(struct lodge_emul *c, const struct kvm_segment *tr,
		enum lodge_emul_task reason)
{
	const struct layout *l = tr->type & 8 ? &layout32 : &layout16;
	u8 tss[TSS_MAX] = {};
	struct kvm_segment s;
	u64 flags = c->rflags;
	int i;

	if (tr->limit + 1ULL < l->size)
		return lodge_emul_raise_sel(c, VEC_TS, tr->selector);
	if (reason == LODGE_TASK_IRET)
		flags &= ~(u64)X86_EFLAGS_NT;
	slot_set(l, tss, SLOT_IP, c->wrip);
	slot_set(l, tss, SLOT_FLAGS, flags);
	for (i = 0; i < 8; i++)
		slot_set(l, tss, SLOT_GPR + i, c->gpr[i]);
	for (i = 0; i < l->segs; i++) {
		c->ops->get_seg(c, i, &s);
		slot_set(l, tss, SLOT_SEG + i, s.selector);
	}
	return lodge_emul_write(c, (u32)(tr->base + l->start), tss + l->start,
				(SLOT_SEG + l->segs) * l->word,
				LODGE_ACC_IMPLICIT);
}

/* Set or clear the busy bit of a TSS descriptor at @la. */
static int set_busy(struct lodge_emul *c, u64 la, u64 desc, bool busy)
{
	u8 byte = desc >> 40;

	byte = busy ? byte | DESC_BUSY_BYTE : byte & ~DESC_BUSY_BYTE;
	return lodge_emul_write(c, (u32)(la + 5), &byte, 1,
				LODGE_ACC_IMPLICIT);
}

/* The new task's registers.  From here on its faults are its own. */
static int load_registers(struct lodge_emul *c, const struct layout *l,
			  const u8 *tss, u64 set_flags)
{
	struct kvm_segment s;
	u32 cr3;
	u16 cs;
	int i, st;

	if (l == &layout32 && (c->ops->get_cr(c, 0) & X86_CR0_PG)) {
		memcpy(&cr3, tss + TSS_CR3, 4);
		/* PAE paging reads its PDPTEs again only if it changes: 4.4.1. */
		st = cr3 == c->ops->get_cr(c, 3) ? LODGE_EMUL_OK :
		     c->ops->set_cr(c, 3, cr3);
		if (st)
			return st;
	}
	c->rip = slot_get(l, tss, SLOT_IP);
	c->rflags = slot_get(l, tss, SLOT_FLAGS) | set_flags | X86_EFLAGS_FIXED;
	for (i = 0; i < 8; i++)
		c->gpr[i] = slot_get(l, tss, SLOT_GPR + i);

	/* Selectors first: a fault on a descriptor finds all of them loaded. */
	for (i = 0; i < l->segs; i++) {
		c->ops->get_seg(c, i, &s);
		s.selector = slot_get(l, tss, SLOT_SEG + i);
		st = c->ops->set_seg(c, i, &s);
		if (st)
			return st;
	}
	cs = slot_get(l, tss, SLOT_SEG + LODGE_SEG_CS);
	if (c->rflags & X86_EFLAGS_VM) {
		c->mode = LODGE_EMUL_VM86;
		c->cpl = 3;
	} else {
		c->mode = LODGE_EMUL_PROT32;
		c->cpl = cs & 3;
	}
	return LODGE_EMUL_OK;
}

static int load_segments(struct lodge_emul *c, const struct layout *l,
			 const u8 *tss)
{
	static const u8 order[] = {
		LODGE_SEG_CS, LODGE_SEG_SS, LODGE_SEG_ES, LODGE_SEG_DS,
		LODGE_SEG_FS, LODGE_SEG_GS
	};
	u8 mode = c->mode;
	struct kvm_segment s;
	int i, st;

	c->mode = LODGE_EMUL_PROT32;
	st = lodge_emul_check_seg(c, LODGE_SEG_LDTR,
				  slot_get(l, tss, SLOT_SEG + l->segs), c->cpl,
				  true, &s);
	c->mode = mode;
	if (!st)
		st = c->ops->set_seg(c, LODGE_SEG_LDTR, &s);
	for (i = 0; !st && i < l->segs; i++) {
		u16 sel = slot_get(l, tss, SLOT_SEG + order[i]);

		st = lodge_emul_check_seg(c, order[i], sel, c->cpl, true, &s);
		if (!st)
			st = c->ops->set_seg(c, order[i], &s);
	}
	if (st)
		return st;
	if (l->segs == 4) {
		/* A 16-bit task has no FS and GS: they become null. */
		memset(&s, 0, sizeof(s));
		s.unusable = 1;
		st = c->ops->set_seg(c, LODGE_SEG_FS, &s);
		if (!st)
			st = c->ops->set_seg(c, LODGE_SEG_GS, &s);
	}
	if (!st) {
		c->ops->get_seg(c, LODGE_SEG_CS, &s);
		if (c->rip > s.limit)
			st = lodge_emul_raise(c, VEC_TS, true, s.selector & ~3);
		if (c->mode == LODGE_EMUL_PROT32 && !s.db)
			c->mode = LODGE_EMUL_PROT16;
	}
	return st;
}

static int check_tss(struct lodge_emul *c, u16 sel, enum lodge_emul_task why,
		     u64 *desc, u64 *la, struct kvm_segment *s)
{
	u8 vec = why == LODGE_TASK_IRET ? VEC_TS : VEC_GP;
	bool busy;
	int st;

	if ((sel & 4) || !(sel & 0xfffc))
		return lodge_emul_raise_sel(c, vec, sel);
	st = lodge_emul_read_desc(c, sel, desc, la, vec);
	if (st)
		return st;
	lodge_emul_unpack_desc(sel, *desc, s);
	busy = s->type & 2;
	if (s->s || (s->type & 5) != 1 || busy != (why == LODGE_TASK_IRET))
		return lodge_emul_raise_sel(c, vec, sel);
	if (!s->present)
		return lodge_emul_raise_sel(c, VEC_NP, sel);
	if (s->limit + 1ULL < (s->type & 8 ? layout32.size : layout16.size))
		return lodge_emul_raise_sel(c, VEC_TS, sel);
	return LODGE_EMUL_OK;
}

/* What changes outside the registers: both TSSs, both descriptors, TR. */
static int leave_task(struct lodge_emul *c, enum lodge_emul_task reason,
		      u64 desc, u64 la, struct kvm_segment *next, u8 *tss,
		      const struct layout *l)
{
	u64 old_desc, old_la;
	struct kvm_segment tr;
	int st;

	c->ops->get_seg(c, LODGE_SEG_TR, &tr);
	st = lodge_emul_read(c, (u32)next->base, tss, l->size,
			     LODGE_ACC_IMPLICIT);
	if (!st)
		st = save(c, &tr, reason);
	if (!st && (reason == LODGE_TASK_IRET || reason == LODGE_TASK_JMP)) {
		st = lodge_emul_read_desc(c, tr.selector, &old_desc, &old_la,
					  VEC_TS);
		if (!st)
			st = set_busy(c, old_la, old_desc, false);
	} else if (!st) {
		st = lodge_emul_write(c, (u32)next->base, &tr.selector, 2,
				      LODGE_ACC_IMPLICIT);
	}
	if (!st && reason != LODGE_TASK_IRET)
		st = set_busy(c, la, desc, true);
	if (st)
		return st;
	next->type |= 2;
	return c->ops->set_seg(c, LODGE_SEG_TR, next);
}

/**
 * lodge_emul_task_switch() - leave one task and enter another
 * @c: the context, in protected mode or VM86; RIP is on the instruction that
 *	switches, or, for a gate, where the old task goes on
 * @selector: of the new task's TSS
 * @reason: what caused it
 * @has_error: an exception's error code is to be pushed in the new task
 * @error: that code
 *
 * Checks that the CPU makes before the intercept (the privilege of a gate) are
 * not repeated.  May sleep if the operations do.
 *
 * Return: OK: everything is the new task's, @c->gpr, @c->rip, @c->rflags and
 * what went through the operations; FAULT: to be delivered in the task that is
 * then current: by the order of the manual the new one as soon as TR is loaded;
 * FAIL: a TSS that is not in memory.
 */
int lodge_emul_task_switch(struct lodge_emul *c, u16 selector,
			   enum lodge_emul_task reason, bool has_error,
			   u32 error)
{
	const struct layout *l;
	struct kvm_segment next;
	u8 tss[TSS_MAX];
	u64 desc, la, nt = 0;
	int st;

	/* Nothing of it is replayed; a TSS in a device's memory is refused. */
	c->wdirty = 0;
	c->log_len = 0;
	c->log_used = 0;
	c->tail = false;
	c->shadow = 0;
	c->last = false;
	c->retired = false;

	/* What it was that switched is not done again when it comes back. */
	c->wrip = c->rip;
	if (reason != LODGE_TASK_GATE) {
		st = lodge_emul_decode(c, NULL, 0);
		if (!c->len)
			return st;
		c->wrip += c->len;
	}
	st = check_tss(c, selector, reason, &desc, &la, &next);
	if (st)
		return st;
	l = next.type & 8 ? &layout32 : &layout16;
	st = leave_task(c, reason, desc, la, &next, tss, l);
	if (!st)
		st = c->ops->set_cr(c, 0, c->ops->get_cr(c, 0) | X86_CR0_TS);
	if (!st) {
		if (reason == LODGE_TASK_CALL || reason == LODGE_TASK_GATE)
			nt = X86_EFLAGS_NT;
		st = load_registers(c, l, tss, nt);
	}
	if (!st)
		st = load_segments(c, l, tss);
	if (!st && has_error) {
		st = lodge_emul_push(c, error, l->word);
		if (!st)
			c->gpr[RSP] = c->wgpr[RSP];
	}
	return st == LODGE_EMUL_USER || st == LODGE_EMUL_AGAIN ?
	       LODGE_EMUL_FAIL : st;
}
