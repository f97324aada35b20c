// SPDX-License-Identifier: GPL-2.0-only
/* Control, debug and model-specific registers, descriptor tables. */
#include "internal.h"
#include "handlers.h"

#define MSR_TSC		0x10
#define MSR_TSC_AUX_	0xc0000103

#define DR6_BD		(1 << 13)
#define DR7_GD		(1 << 13)

static u64 edx_eax(const struct lodge_emul *c)
{
	return (u64)(u32)reg_get(c, RDX) << 32 | (u32)reg_get(c, RAX);
}

static int put_edx_eax(struct lodge_emul *c, u64 val)
{
	reg_put(c, RAX, val, 4);
	reg_put(c, RDX, val >> 32, 4);
	return LODGE_EMUL_OK;
}

static int umip_check(struct lodge_emul *c)
{
	if (c->cpl && (c->ops->get_cr(c, 4) & X86_CR4_UMIP))
		return raise_gp(c, 0);
	return LODGE_EMUL_OK;
}

/* SLDT and STR; in memory they take 2 bytes whatever the operand size. */
int lodge_op_store_sys_seg(struct lodge_emul *c)
{
	struct kvm_segment s;

	c->ops->get_seg(c, c->modrm & 8 ? LODGE_SEG_TR : LODGE_SEG_LDTR, &s);
	c->dst.val = s.selector;
	if (c->dst.kind == OPND_MEM)
		c->dst.size = 2;
	return umip_check(c);
}

int lodge_op_load_sys_seg(struct lodge_emul *c)
{
	return lodge_emul_load_seg(c, c->modrm & 8 ? LODGE_SEG_TR :
				   LODGE_SEG_LDTR, c->src.val);
}

static int store_table(struct lodge_emul *c, int which)
{
	u32 len = is_long(c) ? 10 : 6;
	struct kvm_dtable dt;
	u8 buf[10];
	int st;

	st = umip_check(c);
	if (st)
		return st;
	c->ops->get_dt(c, which, &dt);
	memcpy(buf, &dt.limit, 2);
	memcpy(buf + 2, &dt.base, 8);
	return lodge_emul_seg_write(c, c->mem_seg, c->mem_ea, buf, len);
}

static int load_table(struct lodge_emul *c, int which)
{
	u32 len = is_long(c) ? 10 : 6;
	struct kvm_dtable dt = {};
	u8 buf[10] = {};
	int st;

	if (c->cpl)
		return raise_gp(c, 0);
	st = lodge_emul_seg_read(c, c->mem_seg, c->mem_ea, buf, len);
	if (st)
		return st;
	memcpy(&dt.limit, buf, 2);
	memcpy(&dt.base, buf + 2, 8);
	if (is_long(c)) {
		if (!lodge_emul_canonical(c, dt.base))
			return raise_gp(c, 0);
	} else if (c->op_bytes == 2) {
		dt.base &= 0xffffff;
	}
	return c->ops->set_dt(c, which, &dt);
}

static int invlpg(struct lodge_emul *c)
{
	struct kvm_segment s = {};

	if (c->cpl)
		return raise_gp(c, 0);
	/* Its address is not an access: limits and types don't matter. */
	if (!is_long(c) || c->mem_seg >= LODGE_SEG_FS)
		c->ops->get_seg(c, c->mem_seg, &s);
	return c->ops->misc(c, LODGE_MISC_INVLPG, s.base + c->mem_ea);
}

int lodge_op_rdtsc(struct lodge_emul *c)
{
	u64 tsc;
	int st;

	if (c->cpl && (c->ops->get_cr(c, 4) & X86_CR4_TSD))
		return raise_gp(c, 0);
	st = c->ops->get_msr(c, MSR_TSC, &tsc);
	return st ? st : put_edx_eax(c, tsc);
}

/* 0F 01 with a register form: an instruction to each byte. */
static int group7_reg(struct lodge_emul *c)
{
	u64 val;
	int st;

	switch (c->modrm) {
	case 0xc1: case 0xd9:
		return c->ops->misc(c, LODGE_MISC_HYPERCALL, 0);
	case 0xca: case 0xcb:	/* CLAC, STAC */
		if (c->cpl)
			return raise_ud(c);
		c->wrflags &= ~(u64)X86_EFLAGS_AC;
		if (c->modrm & 1)
			c->wrflags |= X86_EFLAGS_AC;
		return LODGE_EMUL_OK;
	case 0xd1:		/* XSETBV */
		if (!(c->ops->get_cr(c, 4) & X86_CR4_OSXSAVE))
			return raise_ud(c);
		if (c->cpl)
			return raise_gp(c, 0);
		return c->ops->set_xcr(c, reg_get(c, RCX), edx_eax(c));
	case 0xf9:		/* RDTSCP */
		st = lodge_op_rdtsc(c);
		if (!st)
			st = c->ops->get_msr(c, MSR_TSC_AUX_, &val);
		if (!st)
			reg_put(c, RCX, val, 4);
		return st;
	}
	return LODGE_EMUL_FAIL;
}

int lodge_op_group7(struct lodge_emul *c)
{
	u8 reg = c->modrm >> 3 & 7;

	if (c->modrm >= 0xc0)
		return group7_reg(c);
	switch (reg) {
	case 0: case 1:
		return store_table(c, reg);
	case 2: case 3:
		return load_table(c, reg - 2);
	default:
		return invlpg(c);
	}
}

int lodge_op_smsw(struct lodge_emul *c)
{
	c->dst.val = c->ops->get_cr(c, 0);
	if (c->dst.kind == OPND_MEM)
		c->dst.size = 2;
	return umip_check(c);
}

/* It can set PE but not clear it: SDM vol. 2A, LMSW. */
int lodge_op_lmsw(struct lodge_emul *c)
{
	u64 cr0 = c->ops->get_cr(c, 0);

	return c->ops->set_cr(c, 0, (cr0 & ~14ULL) | (c->src.val & 15));
}

int lodge_op_clts(struct lodge_emul *c)
{
	u64 cr0 = c->ops->get_cr(c, 0);

	return c->ops->set_cr(c, 0, cr0 & ~(u64)X86_CR0_TS);
}

int lodge_op_misc(struct lodge_emul *c)
{
	return c->ops->misc(c, c->op->aux, 0);
}

/* DR4 and DR5 are DR6 and DR7, unless CR4.DE is set: SDM vol. 3B 17.2.2. */
static int check_dr(struct lodge_emul *c, u8 *dr)
{
	u64 dr7;
	int st;

	if (*dr > 7)
		return raise_ud(c);
	if (*dr == 4 || *dr == 5) {
		if (c->ops->get_cr(c, 4) & X86_CR4_DE)
			return raise_ud(c);
		*dr += 2;
	}
	dr7 = c->ops->get_dr(c, 7);
	if (!(dr7 & DR7_GD))
		return LODGE_EMUL_OK;
	st = c->ops->set_dr(c, 7, dr7 & ~(u64)DR7_GD);
	if (!st)
		st = c->ops->set_dr(c, 6, c->ops->get_dr(c, 6) | DR6_BD);
	return st ? st : lodge_emul_raise(c, VEC_DB, false, 0);
}

/* MOV from and to (aux 2) CRn and DRn (aux 1). */
int lodge_op_mov_special(struct lodge_emul *c)
{
	bool dr = c->op->aux & 1;
	u32 size = is_long(c) ? 8 : 4;
	u8 gpr = (c->modrm & 7) | (c->rex & 1) << 3;
	u8 nr = (c->modrm >> 3 & 7) | (c->rex & 4) << 1;
	u64 val = reg_get(c, gpr) & size_mask(size);
	int st = LODGE_EMUL_OK;

	if (dr)
		st = check_dr(c, &nr);
	else if (nr == 1 || (nr > 4 && nr != 8))
		st = raise_ud(c);
	if (st)
		return st;
	if (!(c->op->aux & 2)) {
		reg_put(c, gpr, dr ? c->ops->get_dr(c, nr) :
				     c->ops->get_cr(c, nr), size);
		return LODGE_EMUL_OK;
	}
	if (!dr)
		return c->ops->set_cr(c, nr, val);
	return nr >= 6 && val >> 32 ? raise_gp(c, 0) : c->ops->set_dr(c, nr, val);
}

int lodge_op_wrmsr(struct lodge_emul *c)
{
	if (!c->ops->msr_allowed(c, reg_get(c, RCX), true))
		return raise_gp(c, 0);
	return c->ops->set_msr(c, reg_get(c, RCX), edx_eax(c));
}

int lodge_op_rdmsr(struct lodge_emul *c)
{
	u64 val;
	int st;

	if (!c->ops->msr_allowed(c, reg_get(c, RCX), false))
		return raise_gp(c, 0);
	st = c->ops->get_msr(c, reg_get(c, RCX), &val);
	return st ? st : put_edx_eax(c, val);
}

int lodge_op_cpuid(struct lodge_emul *c)
{
	u32 a = reg_get(c, RAX), b = 0, cx = reg_get(c, RCX), d = 0;
	int st = c->ops->cpuid(c, &a, &b, &cx, &d);

	if (st)
		return st;
	reg_put(c, RAX, a, 4);
	reg_put(c, RBX, b, 4);
	reg_put(c, RCX, cx, 4);
	reg_put(c, RDX, d, 4);
	return LODGE_EMUL_OK;
}
