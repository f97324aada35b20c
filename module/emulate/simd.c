// SPDX-License-Identifier: GPL-2.0-only
/*
 * The SSE and AVX moves between registers and memory, for drivers and
 * compilers that use them on devices.  Between registers nothing traps, so
 * those forms are not here.
 */
#include "internal.h"
#include "handlers.h"

/* Sizes that depend on VEX.L and on REX.W. */
enum { FULL = 0x40, WIDE };

enum {
	ALIGNED	= 1 << 0,
	MERGE	= 1 << 1,	/* a load leaves the rest of the register */
	HIGH	= 1 << 2,	/* it is the upper half of the low 16 bytes */
	MMX	= 1 << 3,
	NO_L	= 1 << 4,	/* no form of 32 bytes */
	LOAD	= 1 << 5,	/* whatever the opcode's others are */
};

/* What a move does, by prefix; size 0: it is none of these. */
struct move {
	u8 size;		/* bytes in memory */
	u8 flags;
};

static const struct move moves[][4] = {
	/*		 none		66		F3		F2 */
	[SIMD_MOVU] =	{ { FULL }, { FULL }, { 4 }, { 8 } },
	[SIMD_MOVA] =	{ { FULL, ALIGNED }, { FULL, ALIGNED } },
	[SIMD_LOW] =	{ { 8, MERGE | NO_L }, { 8, MERGE | NO_L } },
	[SIMD_HIGH] =	{ { 8, MERGE | NO_L | HIGH }, { 8, MERGE | NO_L | HIGH } },
	[SIMD_MOVD] =	{ { WIDE, MMX | NO_L }, { WIDE, NO_L } },
	[SIMD_MOVD_7E] = { { WIDE, MMX | NO_L }, { WIDE, NO_L },
			   { 8, NO_L | LOAD } },
	[SIMD_MOVDQ] =	{ { 8, MMX }, { FULL, ALIGNED }, { FULL } },
	[SIMD_MOVQ] =	{ { }, { 8, NO_L } },
	[SIMD_MOVNT] =	{ { 8, MMX }, { FULL, ALIGNED } },
	[SIMD_LDDQU] =	{ { }, { }, { }, { FULL } },
};

static struct move classify(const struct lodge_emul *c)
{
	u32 prefix = c->rep ? 2 + (c->rep == 0xf2) : c->opsize66;
	struct move m = moves[c->op->aux & ~SIMD_STORE][prefix];

	if (m.size == FULL)
		m.size = c->vex_l ? 32 : 16;
	else if (m.size == WIDE)
		m.size = c->rex & 8 ? 8 : 4;
	if ((m.flags & MMX && c->vex) || (m.flags & NO_L && c->vex_l))
		m.size = 0;
	return m;
}

/* SDM vol. 2A 2.4: what the unit's state makes of the instruction. */
static int unit_check(struct lodge_emul *c, const struct move *m)
{
	u64 cr0 = c->ops->get_cr(c, 0), cr4 = c->ops->get_cr(c, 4);

	if (c->vex) {
		if (!(cr4 & X86_CR4_OSXSAVE))
			return raise_ud(c);
	} else if ((cr0 & X86_CR0_EM) ||
		   (!(m->flags & MMX) && !(cr4 & X86_CR4_OSFXSR))) {
		return raise_ud(c);
	}
	if (cr0 & X86_CR0_TS)
		return lodge_emul_raise(c, VEC_NM, false, 0);
	return LODGE_EMUL_OK;
}

int lodge_op_simd(struct lodge_emul *c)
{
	const struct move m = classify(c);
	bool store = c->op->aux & SIMD_STORE && !(m.flags & LOAD);
	u32 at = m.flags & HIGH ? 8 : 0;
	u8 reg = (c->modrm >> 3 & 7) | (c->rex & 4) << 1;
	u8 buf[32] = {};
	u32 width;
	u64 la;
	int st;

	if (c->modrm >= 0xc0 || !m.size)
		return LODGE_EMUL_FAIL;
	/* Three operands only where a load merges with a second register. */
	if (c->vex && c->vex_v && (store || !(m.flags & MERGE)))
		return raise_ud(c);
	st = unit_check(c, &m);
	if (!st)
		st = lodge_emul_linear(c, c->mem_seg, c->mem_ea, m.size,
				       store ? LODGE_ACC_WRITE : 0, &la);
	if (st)
		return st;
	if (m.flags & ALIGNED && (la & (m.size - 1)))
		return raise_gp(c, 0);

	width = m.flags & MMX ? 8 : m.size == 32 ? 32 : 16;
	if (m.flags & MMX)
		reg &= 7;
	if (store) {
		st = c->ops->get_simd(c, reg, buf, width);
		c->tail = true;
		return st ? st : lodge_emul_write(c, la, buf + at, m.size, 0);
	}
	if (m.flags & (MERGE | MMX))
		st = c->ops->get_simd(c, c->vex ? c->vex_v : reg, buf, width);
	/* Of MMX only for its #MF, which comes before the access. */
	if (m.flags & MMX)
		memset(buf, 0, sizeof(buf));
	if (!st)
		st = lodge_emul_read(c, la, buf + at, m.size, 0);
	/* A VEX load clears what it doesn't write, to the register's end. */
	if (!st)
		st = c->ops->set_simd(c, reg, buf, c->vex ? 32 : width);
	return st;
}
