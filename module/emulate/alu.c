// SPDX-License-Identifier: GPL-2.0-only
/*
 * Integer arithmetic and its flags: SDM vol. 1 3.4.3.1 and the page of each
 * instruction.
 */
#include "internal.h"
#include "handlers.h"

static void set_flag(struct lodge_emul *c, u64 flag, bool on)
{
	if (on)
		c->wrflags |= flag;
	else
		c->wrflags &= ~flag;
}

/*
 * The CPU's own instruction on the guest's values.  It is told CF and says all
 * flags; those in @mask are the guest's, so that what the manual leaves
 * undefined or alone can be left as it was.
 */
#define RUN(insn)							\
	asm("bt $0, %[f]\n\t" insn "\n\tpushf\n\tpop %[f]"		\
	    : [f] "+r" (flags), [a] "+q" (a) : [b] "c" (b),		\
	      [s] "r" (c->src.val) : "cc")

/* The rest of a case of native(). */
#define WIDER(insn, w, l, q)						\
	case 2:								\
		RUN(insn "w " w "%w[a]");				\
		break;							\
	case 4:								\
		RUN(insn "l " l "%k[a]");				\
		break;							\
	default:							\
		RUN(insn "q " q "%q[a]");				\
	}								\
	break

#define SIZES(what, insn, b, w, l, q)					\
	case what:							\
	switch (c->op_bytes) {						\
	case 1:								\
		RUN(insn "b " b "%b[a]");				\
		break;							\
	WIDER(insn, w, l, q)

#define UNARY(what, insn)	SIZES(what, insn, "", "", "", "")
#define BINARY(what, insn)						\
	SIZES(what, insn, "%b[b],", "%w[b],", "%k[b],", "%q[b],")
#define SHIFT(what, insn)						\
	SIZES(what, insn, "%%cl,", "%%cl,", "%%cl,", "%%cl,")
/* These have no form for bytes. */
#define BINARY_NO_BYTE(what, insn)					\
	case what:							\
	switch (c->op_bytes) {						\
	WIDER(insn, "%w[b],", "%k[b],", "%q[b],")
#define DOUBLE(what, insn)						\
	case what:							\
	switch (c->op_bytes) {						\
	WIDER(insn, "%%cl, %w[s],", "%%cl, %k[s],", "%%cl, %q[s],")

static u64 native(struct lodge_emul *c, enum alu what, u64 a, u64 b, u64 mask)
{
	u64 flags = c->wrflags;

	switch (what) {
	BINARY(ALU_ADD, "add");
	BINARY(ALU_OR, "or");
	BINARY(ALU_ADC, "adc");
	BINARY(ALU_SBB, "sbb");
	BINARY(ALU_AND, "and");
	BINARY(ALU_SUB, "sub");
	BINARY(ALU_XOR, "xor");
	BINARY(ALU_CMP, "cmp");
	SHIFT(ALU_ROL, "rol");
	SHIFT(ALU_ROR, "ror");
	SHIFT(ALU_RCL, "rcl");
	SHIFT(ALU_RCR, "rcr");
	SHIFT(ALU_SHL, "shl");
	SHIFT(ALU_SHR, "shr");
	SHIFT(ALU_SAL, "shl");
	SHIFT(ALU_SAR, "sar");
	UNARY(ALU_INC, "inc");
	UNARY(ALU_DEC, "dec");
	UNARY(ALU_NEG, "neg");
	BINARY_NO_BYTE(ALU_IMUL, "imul");
	DOUBLE(ALU_SHLD, "shld");
	DOUBLE(ALU_SHRD, "shrd");
	}
	c->wrflags = (c->wrflags & ~mask) | (flags & mask);
	return a & size_mask(c->op_bytes);
}

/* ADD to CMP, TEST as an AND; INC, DEC and NEG, of which some leave CF. */
int lodge_op_alu(struct lodge_emul *c)
{
	u64 keep = c->op->aux == ALU_INC || c->op->aux == ALU_DEC ?
		   X86_EFLAGS_CF : 0;

	c->dst.val = native(c, c->op->aux, c->dst.val, c->src.val,
			    FLAGS_ARITH & ~keep);
	return LODGE_EMUL_OK;
}

/* CMPS and SCAS, whose aux is something else. */
int lodge_op_cmp(struct lodge_emul *c)
{
	native(c, ALU_CMP, c->dst.val, c->src.val, FLAGS_ARITH);
	return LODGE_EMUL_OK;
}

int lodge_op_not(struct lodge_emul *c)
{
	c->dst.val = ~c->dst.val;
	return LODGE_EMUL_OK;
}

/* Shifts, rotates, and SHLD and SHRD, where the bits come from the source. */
int lodge_op_shift(struct lodge_emul *c)
{
	const struct lodge_emul_operand *count =
		c->src2.kind == OPND_NONE ? &c->src : &c->src2;
	u32 n = count->val & (c->op_bytes == 8 ? 63 : 31);
	u64 mask = X86_EFLAGS_CF | X86_EFLAGS_OF;

	/* AF is undefined; a count of zero leaves all, but still writes. */
	if (c->op->aux >= ALU_SHL)
		mask = FLAGS_ARITH & ~(u64)X86_EFLAGS_AF;
	if (n)
		c->dst.val = native(c, c->op->aux, c->dst.val, n, mask);
	return LODGE_EMUL_OK;
}

/* The double-width result of MUL, the dividend of DIV: AX, or (R/E)DX:AX. */
static void put_pair(struct lodge_emul *c, u64 low, u64 high, u32 size)
{
	if (size == 1) {
		reg_put(c, RAX, (low & 0xff) | (high & 0xff) << 8, 2);
	} else {
		reg_put(c, RAX, low, size);
		reg_put(c, RDX, high, size);
	}
}

/* The lower half of a product, and the upper one. */
static u64 multiply(u64 a, u64 b, u32 size, bool is_signed, u64 *high)
{
	unsigned __int128 r;

	if (is_signed)
		r = (__int128)(s64)sign_extend(a, size) *
		    (s64)sign_extend(b, size);
	else
		r = (unsigned __int128)a * b;
	*high = (u64)(r >> size * 8) & size_mask(size);
	return r;
}

/* MUL and IMUL (aux 1): CF and OF when the result doesn't fit the lower half. */
int lodge_op_mul(struct lodge_emul *c)
{
	u32 size = c->op_bytes;
	u64 a = reg_get(c, RAX) & size_mask(size), high;
	u64 low = multiply(a, c->src.val, size, c->op->aux, &high);
	u64 fits = c->op->aux && (low >> (size * 8 - 1) & 1) ?
		   size_mask(size) : 0;

	put_pair(c, low, high, size);
	set_flag(c, X86_EFLAGS_CF | X86_EFLAGS_OF, high != fits);
	return LODGE_EMUL_OK;
}

int lodge_op_imul(struct lodge_emul *c)
{
	c->dst.val = native(c, ALU_IMUL, c->src.val,
			    c->src2.kind == OPND_IMM ? c->imm : c->dst.val,
			    X86_EFLAGS_CF | X86_EFLAGS_OF);
	return LODGE_EMUL_OK;
}

/*
 * Divide the pair by @d; false where the quotient doesn't fit.  Long division
 * of 128 bits is the CPU's own: the kernel has no helper for it.
 */
static bool divide(u64 *low, u64 *high, u64 d, u32 size)
{
	u64 n;

	if (*high >= d)
		return false;
	if (size == 8) {
		asm("divq %2" : "+a" (*low), "+d" (*high) : "rm" (d) : "cc");
		return true;
	}
	n = *high << size * 8 | *low;
	*low = n / d;
	*high = n % d;
	return true;
}

/* Signed: on magnitudes, the remainder takes the sign of the dividend. */
static bool divide_signed(u64 *low, u64 *high, u64 d, u32 size)
{
	u32 top = size * 8 - 1;
	u64 mask = size_mask(size);
	bool neg_n = *high >> top & 1, neg_d = d >> top & 1;

	if (neg_n) {
		*low = -*low & mask;
		*high = (~*high + !*low) & mask;
	}
	if (!divide(low, high, neg_d ? -d & mask : d, size))
		return false;
	if (*low > (1ULL << top) - !(neg_n ^ neg_d))
		return false;
	if (neg_n ^ neg_d)
		*low = -*low;
	if (neg_n)
		*high = -*high;
	return true;
}

int lodge_op_div(struct lodge_emul *c)
{
	u32 size = c->op_bytes;
	u64 mask = size_mask(size);
	u64 low = reg_get(c, RAX) & mask, high;
	bool ok;

	high = size == 1 ? reg_get(c, RAX) >> 8 & 0xff :
	       reg_get(c, RDX) & mask;
	ok = c->op->aux ? divide_signed(&low, &high, c->src.val, size) :
	     divide(&low, &high, c->src.val, size);
	if (!ok)
		return lodge_emul_raise(c, VEC_DE, false, 0);
	put_pair(c, low, high, size);
	return LODGE_EMUL_OK;
}

/* BT, BTS, BTR, BTC; where the offset points in memory is already settled. */
int lodge_op_bt(struct lodge_emul *c)
{
	u64 bit = 1ULL << (c->src.val & (c->op_bytes * 8 - 1));
	u64 old = c->dst.val;
	const u64 made[4] = { old, old | bit, old & ~bit, old ^ bit };

	set_flag(c, X86_EFLAGS_CF, old & bit);
	c->dst.val = made[c->op->aux];
	return LODGE_EMUL_OK;
}

int lodge_op_bitscan(struct lodge_emul *c)
{
	/* With F3 they are TZCNT and LZCNT, where the CPU has them. */
	if (c->rep == 0xf3)
		return LODGE_EMUL_FAIL;
	set_flag(c, X86_EFLAGS_ZF, !c->src.val);
	if (!c->src.val)
		c->no_write = true;
	else if (c->op->aux)
		c->dst.val = 63 - __builtin_clzll(c->src.val);
	else
		c->dst.val = __builtin_ctzll(c->src.val);
	return LODGE_EMUL_OK;
}

int lodge_op_cmpxchg(struct lodge_emul *c)
{
	u32 size = c->op_bytes;
	u64 acc = reg_get(c, RAX) & size_mask(size);

	native(c, ALU_CMP, acc, c->dst.val, FLAGS_ARITH);
	if (acc == c->dst.val) {
		c->dst.val = c->src.val;
	} else {
		/* Memory is written all the same, with what it held. */
		reg_put(c, RAX, c->dst.val, size);
		c->no_write = c->dst.kind == OPND_REG;
	}
	return LODGE_EMUL_OK;
}

/* CMPXCHG8B, with REX.W CMPXCHG16B: both are LOCKed here, prefix or not. */
int lodge_op_cmpxchg8b(struct lodge_emul *c)
{
	u32 half = c->op_bytes == 8 ? 8 : 4, size = half * 2;
	u64 old[2] = {}, cmp[2], new[2], la;
	int st;

	st = lodge_emul_linear(c, c->mem_seg, c->mem_ea, size,
			       LODGE_ACC_WRITE, &la);
	if (st)
		return st;
	if (half == 8 && (la & 15))
		return raise_gp(c, 0);
	st = lodge_emul_read(c, la, old, size, LODGE_ACC_WRITE);
	if (st)
		return st;
	if (half == 4) {
		old[1] = old[0] >> 32;
		old[0] = (u32)old[0];
	}
	cmp[0] = reg_get(c, RAX) & size_mask(half);
	cmp[1] = reg_get(c, RDX) & size_mask(half);
	new[0] = old[0];
	new[1] = old[1];
	if (cmp[0] == old[0] && cmp[1] == old[1]) {
		new[0] = reg_get(c, RBX) & size_mask(half);
		new[1] = reg_get(c, RCX) & size_mask(half);
		set_flag(c, X86_EFLAGS_ZF, true);
	} else {
		reg_put(c, RAX, old[0], half);
		reg_put(c, RDX, old[1], half);
		set_flag(c, X86_EFLAGS_ZF, false);
	}
	if (half == 4) {
		old[0] |= old[1] << 32;
		new[0] |= new[1] << 32;
	}
	c->tail = true;
	return lodge_emul_cmpxchg(c, la, old, new, size, 0);
}

int lodge_op_xadd(struct lodge_emul *c)
{
	u64 sum = native(c, ALU_ADD, c->dst.val, c->src.val, FLAGS_ARITH);

	/* The old value goes to the source register. */
	operand_put(c, &c->src, c->dst.val);
	c->dst.val = sum;
	return LODGE_EMUL_OK;
}

int lodge_op_cbw(struct lodge_emul *c)
{
	u32 half = c->op_bytes / 2;

	reg_put(c, RAX, sign_extend(reg_get(c, RAX), half), c->op_bytes);
	return LODGE_EMUL_OK;
}

int lodge_op_cwd(struct lodge_emul *c)
{
	u64 sign = reg_get(c, RAX) >> (c->op_bytes * 8 - 1) & 1;

	reg_put(c, RDX, -sign, c->op_bytes);
	return LODGE_EMUL_OK;
}
