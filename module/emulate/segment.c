// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors, and the checks before a segment register takes one: SDM vol. 3A
 * 3.4.5, 5.5 to 5.7 and the MOV, LLDT and LTR pages of vol. 2.
 */
#include "internal.h"

#define MSR_EFER_	0xc0000080
#define EFER_LMA_BIT	(1ULL << 10)

#define DESC_ACCESSED	(1ULL << 40)
#define DESC_BUSY	(1ULL << 41)

/* Is the CPU in long mode, 64-bit or compatibility? */
bool lodge_emul_lma(struct lodge_emul *c)
{
	u64 efer;

	if (is_long(c))
		return true;
	return is_protected(c) && !c->ops->get_msr(c, MSR_EFER_, &efer) &&
	       (efer & EFER_LMA_BIT);
}

int lodge_emul_raise_sel(struct lodge_emul *c, u8 vector, u16 sel)
{
	return lodge_emul_raise(c, vector, true, sel & 0xfffc);
}

/* The descriptor that @sel names, and where it is; @vec where there is none. */
int lodge_emul_read_desc(struct lodge_emul *c, u16 sel, u64 *desc, u64 *la,
			 u8 vec)
{
	struct kvm_segment ldt;
	struct kvm_dtable dt;
	u32 at = sel & 0xfff8;

	if (sel & 4) {
		c->ops->get_seg(c, LODGE_SEG_LDTR, &ldt);
		if (ldt.unusable || at + 7 > ldt.limit)
			return lodge_emul_raise_sel(c, vec, sel);
		*la = ldt.base + at;
	} else {
		c->ops->get_dt(c, LODGE_DT_GDT, &dt);
		if (at + 7 > dt.limit)
			return lodge_emul_raise_sel(c, vec, sel);
		*la = dt.base + at;
	}
	if (!is_long(c))
		*la = (u32)*la;
	return lodge_emul_read(c, *la, desc, 8, LODGE_ACC_IMPLICIT);
}

void lodge_emul_unpack_desc(u16 sel, u64 desc, struct kvm_segment *s)
{
	memset(s, 0, sizeof(*s));
	s->selector = sel;
	s->base = (desc >> 16 & 0xffffff) | (desc >> 56) << 24;
	s->limit = (desc & 0xffff) | (desc >> 32 & 0xf0000);
	s->type = desc >> 40 & 15;
	s->s = desc >> 44 & 1;
	s->dpl = desc >> 45 & 3;
	s->present = desc >> 47 & 1;
	s->avl = desc >> 52 & 1;
	s->l = desc >> 53 & 1;
	s->db = desc >> 54 & 1;
	s->g = desc >> 55 & 1;
	if (s->g)
		s->limit = s->limit << 12 | 0xfff;
}

/* Set a bit that the CPU sets in a descriptor it loads. */
static int mark(struct lodge_emul *c, u64 la, u64 desc, u64 bit)
{
	u64 new = desc | bit;

	if (desc & bit)
		return LODGE_EMUL_OK;
	return lodge_emul_cmpxchg(c, la, &desc, &new, 8, LODGE_ACC_IMPLICIT);
}

/* In real and VM86 mode a selector is a paragraph. */
static void paragraph(struct lodge_emul *c, int seg, u16 sel,
		      struct kvm_segment *s)
{
	c->ops->get_seg(c, seg, s);
	s->selector = sel;
	s->base = sel << 4;
	/* Real mode keeps limit and type; VM86 fixes them. */
	if (c->mode == LODGE_EMUL_VM86) {
		s->limit = 0xffff;
		s->type = 3;
		s->s = 1;
		s->dpl = 3;
		s->present = 1;
		s->db = 0;
		s->l = 0;
		s->g = 0;
		s->unusable = 0;
	}
}

static int null_selector(struct lodge_emul *c, int seg, u16 sel, u8 cpl,
			 u8 vec, struct kvm_segment *s)
{
	memset(s, 0, sizeof(*s));
	s->selector = sel;
	s->unusable = 1;
	if (seg == LODGE_SEG_CS || seg == LODGE_SEG_TR)
		return lodge_emul_raise(c, vec, true, 0);
	if (seg != LODGE_SEG_SS)
		return LODGE_EMUL_OK;
	/* In 64-bit code the stack may be null, but for user code. */
	if (!is_long(c) || cpl == 3 || (sel & 3) != cpl)
		return lodge_emul_raise(c, vec, true, 0);
	s->dpl = cpl;
	return LODGE_EMUL_OK;
}

/* LDT or TSS; its base has 64 bits in long mode. */
static int check_system(struct lodge_emul *c, int seg, u16 sel, u8 vec,
			struct kvm_segment *s)
{
	u64 desc, la, high;
	u8 type;
	int st;

	if (sel & 4)
		return lodge_emul_raise_sel(c, vec, sel);
	st = lodge_emul_read_desc(c, sel, &desc, &la, vec);
	if (st)
		return st;
	lodge_emul_unpack_desc(sel, desc, s);
	type = s->type;
	if (s->s || (seg == LODGE_SEG_LDTR ? type != 2 :
		     type != 9 && (type != 1 || lodge_emul_lma(c))))
		return lodge_emul_raise_sel(c, vec, sel);
	if (!s->present)
		return lodge_emul_raise_sel(c, vec == VEC_TS ? vec : VEC_NP,
					    sel);
	if (lodge_emul_lma(c)) {
		st = lodge_emul_read(c, la + 8, &high, 8, LODGE_ACC_IMPLICIT);
		if (st)
			return st;
		s->base |= high << 32;
		if (!lodge_emul_canonical(c, s->base))
			return lodge_emul_raise_sel(c, vec, sel);
	}
	if (seg != LODGE_SEG_TR)
		return LODGE_EMUL_OK;
	s->type |= 2;
	return mark(c, la, desc, DESC_BUSY);
}

/* May @seg hold what was unpacked?  A code or data descriptor. */
static bool type_fits(const struct kvm_segment *s, int seg, u16 sel, u8 cpl)
{
	u8 rpl = sel & 3;
	bool code = s->type & 8, conforming = code && (s->type & 4);

	if (!s->s)
		return false;
	switch (seg) {
	case LODGE_SEG_CS:	/* a task switch's; cpl is its RPL */
		return code && (conforming ? s->dpl <= cpl : s->dpl == cpl);
	case LODGE_SEG_SS:
		return !code && (s->type & 2) && rpl == cpl && s->dpl == cpl;
	default:
		if (code && !(s->type & 2))
			return false;
		return conforming || (rpl <= s->dpl && cpl <= s->dpl);
	}
}

/*
 * Everything that loading @sel into @seg checks, at privilege level @cpl; the
 * descriptor is marked accessed and handed back.  A task switch reports #TS
 * for what otherwise is #GP.
 */
int lodge_emul_check_seg(struct lodge_emul *c, int seg, u16 sel, u8 cpl,
			 bool task, struct kvm_segment *s)
{
	u8 vec = task ? VEC_TS : VEC_GP;
	u64 desc, la;
	int st;

	if (!is_protected(c)) {
		paragraph(c, seg, sel, s);
		return LODGE_EMUL_OK;
	}
	if (!(sel & 0xfffc))
		return null_selector(c, seg, sel, cpl, vec, s);
	if (seg == LODGE_SEG_LDTR || seg == LODGE_SEG_TR)
		return check_system(c, seg, sel, vec, s);

	st = lodge_emul_read_desc(c, sel, &desc, &la, vec);
	if (st)
		return st;
	lodge_emul_unpack_desc(sel, desc | DESC_ACCESSED, s);
	if (!type_fits(s, seg, sel, cpl))
		return lodge_emul_raise_sel(c, vec, sel);
	if (!s->present)
		return lodge_emul_raise_sel(c, seg == LODGE_SEG_SS ? VEC_SS :
					    VEC_NP, sel);
	return mark(c, la, desc, DESC_ACCESSED);
}

int lodge_emul_load_seg(struct lodge_emul *c, int seg, u16 sel)
{
	struct kvm_segment s;
	int st = lodge_emul_check_seg(c, seg, sel, c->cpl, false, &s);

	return st ? st : c->ops->set_seg(c, seg, &s);
}

/*
 * The target of a far transfer to a code segment.  @ret: RETF or IRET, which
 * goes to the level of the selector; the others stay at the present one.
 */
int lodge_emul_check_code(struct lodge_emul *c, u16 sel, u64 rip, bool ret,
			  struct kvm_segment *s)
{
	u8 rpl = sel & 3, cpl = ret ? rpl : c->cpl;
	bool long_code = false;
	u64 desc, la;
	int st;

	if (!is_protected(c)) {
		paragraph(c, LODGE_SEG_CS, sel, s);
		goto target;
	}
	if (!(sel & 0xfffc))
		return raise_gp(c, 0);
	st = lodge_emul_read_desc(c, sel, &desc, &la, VEC_GP);
	if (st)
		return st;
	lodge_emul_unpack_desc((sel & 0xfffc) | cpl, desc | DESC_ACCESSED, s);
	/* Gates and tasks are not for this way. */
	if (!s->s && !ret && s->type)
		return LODGE_EMUL_FAIL;
	if (!type_fits(s, LODGE_SEG_CS, sel, cpl) ||
	    (ret ? rpl < c->cpl : rpl > cpl && !(s->type & 4)))
		return lodge_emul_raise_sel(c, VEC_GP, sel);
	long_code = s->l && lodge_emul_lma(c);
	if (long_code && s->db)
		return lodge_emul_raise_sel(c, VEC_GP, sel);
	if (!s->present)
		return lodge_emul_raise_sel(c, VEC_NP, sel);
	st = mark(c, la, desc, DESC_ACCESSED);
	if (st)
		return st;
target:
	if (long_code ? !lodge_emul_canonical(c, rip) : rip > s->limit)
		return raise_gp(c, 0);
	c->wrip = rip;
	return LODGE_EMUL_OK;
}
