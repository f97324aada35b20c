// SPDX-License-Identifier: GPL-2.0-only
/* String instructions and ports. */
#include "internal.h"
#include "handlers.h"

#define PAGE_BYTES	4096u

static u64 pointer(const struct lodge_emul *c, int reg)
{
	return reg_get(c, reg) & size_mask(c->ad_bytes);
}

/* Move a pointer over @n items, up or down as DF says. */
static void advance(struct lodge_emul *c, int reg, u32 size, u32 n)
{
	s64 by = (s64)size * n;

	reg_add(c, reg, c->rflags & X86_EFLAGS_DF ? -by : by, c->ad_bytes);
}

static void count_down(struct lodge_emul *c, u32 n)
{
	if (c->rep)
		reg_add(c, RCX, -(s64)n, c->ad_bytes);
}

static int source(const struct lodge_emul *c)
{
	return c->seg_override >= 0 ? c->seg_override : LODGE_SEG_DS;
}

/* Asked after an iteration was committed. */
bool lodge_emul_rep_done(struct lodge_emul *c)
{
	bool zf = c->rflags & X86_EFLAGS_ZF;

	if (!(c->gpr[RCX] & size_mask(c->ad_bytes)))
		return true;
	/* CMPS and SCAS: F3 goes on while equal, F2 while not. */
	if ((c->opcode & 0xf6) == 0xa6)
		return zf != (c->rep == 0xf3);
	return false;
}

/* The second source of CMPS and SCAS is at RDI, and what they are is a CMP. */
static int compare(struct lodge_emul *c, u64 val)
{
	c->dst.val = val & size_mask(c->op_bytes);
	c->src.val = 0;
	return lodge_emul_seg_read(c, LODGE_SEG_ES, pointer(c, RDI),
				   &c->src.val, c->op_bytes);
}

/* MOVS, CMPS, STOS, LODS, SCAS: one item from somewhere to somewhere. */
int lodge_op_string(struct lodge_emul *c)
{
	u8 how = c->op->aux;
	u64 val = 0, to = pointer(c, RDI);
	u32 size = c->op_bytes;
	int st = LODGE_EMUL_OK;

	if (how & STR_SI)
		st = lodge_emul_seg_read(c, source(c), pointer(c, RSI), &val,
					 size);
	else
		val = reg_get(c, RAX);
	if (!st && (how & STR_CMP))
		st = compare(c, val);
	if (st)
		return st;
	if (how & STR_SI)
		advance(c, RSI, size, 1);
	if (how & STR_DI)
		advance(c, RDI, size, 1);
	count_down(c, 1);
	if (how & STR_CMP)
		return lodge_op_cmp(c);
	if (!(how & STR_DI)) {
		reg_put(c, RAX, val, size);
		return LODGE_EMUL_OK;
	}
	c->tail = true;
	return lodge_emul_seg_write(c, LODGE_SEG_ES, to, &val, size);
}

/*
 * May this port be used?  Below IOPL the TSS's bitmap decides, in VM86 mode
 * always: SDM vol. 1 19.5.2.
 */
static int io_allowed(struct lodge_emul *c, u16 port, u32 size)
{
	struct kvm_segment tr;
	u16 map, bits;
	u32 at;
	int st;

	if (c->mode == LODGE_EMUL_REAL ||
	    (c->mode != LODGE_EMUL_VM86 &&
	     c->cpl <= (c->rflags >> X86_EFLAGS_IOPL_BIT & 3)))
		return LODGE_EMUL_OK;

	c->ops->get_seg(c, LODGE_SEG_TR, &tr);
	if (tr.unusable || (tr.type & 13) != 9 || tr.limit < 103)
		return raise_gp(c, 0);
	st = lodge_emul_read(c, tr.base + 102, &map, 2, LODGE_ACC_IMPLICIT);
	if (st)
		return st;
	/* Two bytes are read always, so that a wide port can't run over. */
	at = map + port / 8;
	if (at + 1 > tr.limit)
		return raise_gp(c, 0);
	st = lodge_emul_read(c, tr.base + at, &bits, 2, LODGE_ACC_IMPLICIT);
	if (!st && (bits >> (port & 7) & ((1 << size) - 1)))
		st = raise_gp(c, 0);
	return st;
}

static u32 port_size(const struct lodge_emul *c)
{
	return min_t(u8, c->op_bytes, 4);
}

/* aux: IN. */
int lodge_op_in_out(struct lodge_emul *c)
{
	u32 size = port_size(c);
	u16 port = c->src.val;
	bool in = c->op->aux;
	u64 val = in ? 0 : reg_get(c, RAX);
	int st = io_allowed(c, port, size);

	if (st)
		return st;
	if (!in)
		memcpy(c->pio, &val, size);
	st = lodge_emul_port(c, in, port, size, 1);
	if (st || !in)
		return st;
	memcpy(&val, c->pio, size);
	reg_put(c, RAX, val, size);
	return LODGE_EMUL_OK;
}

/*
 * How many items INS or OUTS may do at once: to the end of the page, upwards
 * only, inside the segment, and one by one where the memory is a device.
 */
static int batch(struct lodge_emul *c, int seg, int reg, u32 size, u32 access,
		 u64 *la, u32 *n)
{
	u64 ea = pointer(c, reg), gpa, room;
	u8 probe;
	int st;

	st = lodge_emul_linear(c, seg, ea, size, access, la);
	if (st)
		return st;
	*n = 1;
	if (!c->rep || (c->rflags & X86_EFLAGS_DF))
		return lodge_emul_probe(c, *la, size, access, &gpa);

	room = PAGE_BYTES - (*la & (PAGE_BYTES - 1));
	room = min_t(u64, room, c->pio_size);
	room = min(room, size_mask(c->ad_bytes) - ea + 1 ?: room);
	room = min(room / size, pointer(c, RCX));
	if (room > 1 && !lodge_emul_linear(c, seg, ea, room * size, access, la))
		*n = room;
	st = lodge_emul_probe(c, *la, *n * size, access, &gpa);
	if (!st && *n > 1 && c->ops->read(c, gpa, &probe, 1))
		*n = 1;
	return st;
}

/* aux: INS. */
int lodge_op_ins_outs(struct lodge_emul *c)
{
	u16 port = reg_get(c, RDX);
	u32 size = port_size(c), n;
	bool in = c->op->aux;
	int reg = in ? RDI : RSI;
	u64 la;
	int st;

	st = io_allowed(c, port, size);
	/* A page that can't be written must fault before the port is read. */
	if (!st)
		st = batch(c, in ? LODGE_SEG_ES : source(c), reg, size,
			   in ? LODGE_ACC_WRITE : 0, &la, &n);
	if (!st && !in)
		st = lodge_emul_read(c, la, c->pio, n * size, 0);
	if (st)
		return st;
	advance(c, reg, size, n);
	count_down(c, n);
	st = lodge_emul_port(c, in, port, size, n);
	if (st || !in)
		return st;
	c->tail = true;
	return lodge_emul_write(c, la, c->pio, n * size, 0);
}
