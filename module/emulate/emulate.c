// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The instruction emulator
 *
 * A guest's access to what is not memory stops the CPU in the middle of an
 * instruction, and some CPUs say no more about it than the address.  This room
 * finishes the instruction in software.  It knows nothing of vCPUs, VMCBs and
 * slots: all of the machine is behind struct lodge_emul_ops, so the same files
 * are compiled in user space, tested against the CPU itself, and fuzzed.
 *
 * One instruction goes through four steps.  *Decode* (decode.c) takes bytes
 * apart by the tables in opcodes.c: a row says where the operands are and which
 * handler works on them.  *Load* fetches the operands through segments and
 * pages (memory.c).  *Execute* is the handler.  *Write back* stores the
 * destination and then *commits*: only here do general registers, RIP and
 * RFLAGS become the guest's; up to then they are a working copy.  A fault, at
 * whatever step, therefore leaves the registers as they were, as the
 * architecture demands (SDM vol. 3A 6.5).
 *
 * Restart.  An access that only user space can serve (MMIO or a port that no
 * device in the kernel claims) ends the run with LODGE_EMUL_USER.  Nothing has
 * been committed.  When user space has acted, lodge_emul_resume() writes the
 * answer into a log and runs the instruction from the start; each access to a
 * device takes its answer from the log as long as there is one, in the order
 * in which they were made.  So no handler has to be able to stop half way,
 * device accesses happen once, and the log is as long as one instruction may
 * have fragments (16 of at most 8 bytes; more is LODGE_EMUL_FAIL).  Where the
 * last thing an instruction does is a write that user space takes, the rest is
 * already computed and resume only commits it.  Hence what KVM promises of
 * KVM_EXIT_MMIO and KVM_EXIT_IO holds: the state that user space can see is that
 * before the instruction, until KVM_RUN is entered again.
 *
 * Memory of the guest may change at any time.  The instruction is fetched once
 * and judged from the copy; each operand is read once.  Writes to memory before
 * the last one are repeated by a replay with the same values.
 *
 * REP.  Each iteration is an instruction of its own, committed with the count
 * and the pointers moved and RIP still on the instruction; the log starts
 * empty.  After a bounded number of iterations the answer is OK with @retired
 * clear: the guest is entered, pending interrupts get in, and the CPU comes
 * back to the same instruction.  INS and OUTS hand out as many items at once as
 * fit in the page of port data and in the page of guest memory.
 *
 * Locks: none.  A context belongs to its vCPU.  Whether a call sleeps depends
 * on the operations.
 */
#include "internal.h"

/* How many iterations of a REP are done before interrupts get a chance. */
#define REP_BUDGET	1024

/**
 * lodge_emul_init() - make a context ready
 * @c: the context; zeroed here
 * @ops: the machine around it
 * @priv: the machine's own
 *
 * @c->gpr, @c->pio and @c->pio_size are to be set afterwards.
 */
void lodge_emul_init(struct lodge_emul *c, const struct lodge_emul_ops *ops,
		     void *priv)
{
	memset(c, 0, sizeof(*c));
	c->ops = ops;
	c->priv = priv;
}

/* Faults that follow from the opcode and the mode alone. */
static int check(struct lodge_emul *c)
{
	if (c->lock && !((c->flags & F_LOCK) &&
			 (c->flags & F_MODRM) && c->modrm < 0xc0))
		return raise_ud(c);
	if ((c->flags & F_PROT) && !is_protected(c))
		return raise_ud(c);
	if ((c->flags & F_PRIV) && c->cpl)
		return raise_gp(c, 0);
	return LODGE_EMUL_OK;
}

static int load(struct lodge_emul *c, struct lodge_emul_operand *o, u32 access)
{
	int st;

	switch (o->kind) {
	case OPND_REG:
		o->val = reg_get(c, o->reg) >> (o->high ? 8 : 0);
		o->val &= size_mask(o->size);
		break;
	case OPND_MEM:
		o->val = 0;
		st = lodge_emul_seg_load(c, o->seg, o->ea, &o->val, o->size,
					 access);
		o->old = o->val;
		return st;
	}
	return LODGE_EMUL_OK;
}

/* A register bit offset reaches beyond the operand: SDM vol. 2A, BT. */
static void move_by_bit_offset(struct lodge_emul *c)
{
	u32 size = c->op_bytes;
	s64 off = sign_extend(c->src.val, size);
	u64 ea;

	if (c->dst.kind != OPND_MEM)
		return;
	ea = c->mem_ea + ((off >> 3) & ~(s64)(size - 1));
	c->dst.ea = ea & size_mask(c->ad_bytes);
}

static int load_operands(struct lodge_emul *c)
{
	u32 access = c->flags & F_TEST ? 0 : LODGE_ACC_WRITE;
	int st;

	st = load(c, &c->src, 0);
	if (!st && c->src2.kind == OPND_REG)
		st = load(c, &c->src2, 0);
	if (st)
		return st;
	if (c->flags & F_BITOFF)
		move_by_bit_offset(c);
	if (c->flags & F_MOV)
		return LODGE_EMUL_OK;
	return load(c, &c->dst, access);
}

static int write_back(struct lodge_emul *c)
{
	struct lodge_emul_operand *o = &c->dst;
	u64 la;
	int st;

	if (o->kind == OPND_REG) {
		operand_put(c, o, o->val);
	} else if (o->kind == OPND_MEM) {
		c->tail = true;
		if (!c->lock)
			return lodge_emul_seg_write(c, o->seg, o->ea, &o->val,
						    o->size);
		st = lodge_emul_linear(c, o->seg, o->ea, o->size,
				       LODGE_ACC_WRITE, &la);
		if (!st)
			st = lodge_emul_cmpxchg(c, la, &o->old, &o->val,
						o->size, 0);
		return st;
	}
	return LODGE_EMUL_OK;
}

static void commit(struct lodge_emul *c)
{
	u32 dirty = c->wdirty;
	int reg;

	for (reg = 0; dirty; reg++, dirty >>= 1)
		if (dirty & 1)
			c->gpr[reg] = c->wgpr[reg];
	c->rflags = c->wrflags;
	c->retired = !(c->flags & F_STRING) || !c->rep ||
		     lodge_emul_rep_done(c);
	if (c->retired)
		c->rip = c->wrip;
	else
		c->rflags |= X86_EFLAGS_RF;
	c->log_len = 0;
	c->last = false;
	c->fault_gpa = LODGE_EMUL_NO_GPA;
}

static int run_once(struct lodge_emul *c)
{
	int st;

	c->wdirty = 0;
	c->wrip = c->rip + c->len;
	if (!is_long(c))
		c->wrip = (u32)c->wrip;
	c->wrflags = c->rflags & ~(u64)X86_EFLAGS_RF;
	c->log_used = 0;
	c->no_write = c->flags & F_TEST;
	c->tail = false;
	c->user.kind = LODGE_USER_NONE;

	if (c->flags & F_STRING && c->rep &&
	    !(reg_get(c, RCX) & size_mask(c->ad_bytes)))
		return LODGE_EMUL_OK;
	st = load_operands(c);
	if (!st)
		st = c->op->exec(c);
	if (!st && !c->no_write)
		st = write_back(c);
	return st;
}

/**
 * lodge_emul_execute() - execute the instruction that was decoded
 * @c: the context
 *
 * Return: OK: RIP, RFLAGS and registers are those after the instruction, or
 * with @c->retired clear at a point where it goes on when entered again; FAULT:
 * @c->fault is to be delivered, RIP is still on the instruction; USER: @c->user
 * is to be handed out, then lodge_emul_resume(); FAIL: beyond what is emulated.
 */
int lodge_emul_execute(struct lodge_emul *c)
{
	int st = LODGE_EMUL_OK, budget = REP_BUDGET;
	u64 rflags = c->rflags;

	c->shadow = c->last ? c->shadow : 0;
	c->retired = false;
	if (c->last) {
		commit(c);
	} else {
		st = check(c);
		if (st)
			return st;
	}

	while (!st && !c->retired && budget--) {
		st = run_once(c);
		if (!st)
			commit(c);
	}
	/* Rounds of CMPS and SCAS before the one that faults: SDM vol. 2B, REP. */
	if (st == LODGE_EMUL_FAULT)
		c->rflags = (c->rflags & ~(u64)FLAGS_ARITH) | (rflags & FLAGS_ARITH);
	/* Nothing was done: memory under a LOCK was changed by another. */
	return st == LODGE_EMUL_AGAIN ? LODGE_EMUL_OK : st;
}
