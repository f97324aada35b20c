// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bytes to an opcode and its operands: SDM vol. 2A chapter 2, APM vol. 3
 * chapter 1.
 */
#include "internal.h"
#include "handlers.h"

#define REX_W	8
#define REX_R	4
#define REX_X	2
#define REX_B	1

/* The bytes not yet taken; @short_ is set when they run out. */
struct cursor {
	const u8 *at;
	const u8 *end;
	bool short_;
};

static u64 take(struct cursor *b, u32 size)
{
	const u8 *at = b->at;
	u64 val;

	if (b->end - at < size) {
		b->short_ = true;
		return 0;
	}
	b->at += size;
	/* Spelled out: a copy of a size that varies would be a call. */
	switch (size) {
	case 1:
		return *at;
	case 2:
		return at[0] | at[1] << 8;
	case 4:
		return at[0] | at[1] << 8 | at[2] << 16 | (u32)at[3] << 24;
	default:
		memcpy(&val, at, 8);
		return val;
	}
}

static s64 take_signed(struct cursor *b, u32 size)
{
	return sign_extend(take(b, size), size);
}

static void parse_prefix(u8 byte, u32 bits, struct lodge_emul_parsed *p)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e:
		/* Without meaning in 64-bit mode: APM vol. 1 2.1.3. */
		if (bits != 64)
			p->seg_override = byte >> 3 & 3;
		break;
	case 0x64: case 0x65:
		p->seg_override = byte & 7;
		break;
	case 0x66:
		p->opsize66 = true;
		break;
	case 0x67:
		p->ad_bytes = bits == 32 ? 2 : 4;
		break;
	case 0xf0:
		p->lock = true;
		break;
	default:
		p->rep = byte;
		break;
	}
}

/* Returns the first byte that is not a prefix. */
static u8 parse_prefixes(struct cursor *b, u32 bits,
			 struct lodge_emul_parsed *p)
{
	u8 byte;

	p->ad_bytes = bits / 8;
	while (b->at < b->end) {
		byte = *b->at++;
		if (bits == 64 && (byte & 0xf0) == 0x40) {
			p->rex = byte;
			continue;
		}
		if (!(lodge_emul_map0[byte].flags & F_PREFIX))
			return byte;
		p->rex = 0;	/* counts only right before the opcode */
		parse_prefix(byte, bits, p);
	}
	b->short_ = true;
	return 0;
}

/* Behind C4, C5 or 62; false where the bytes are no such prefix. */
static bool parse_vex(struct cursor *b, u8 first,
		      struct lodge_emul_parsed *p)
{
	static const u8 rep[4] = { 0, 0, 0xf3, 0xf2 };
	u8 p0 = take(b, 1), p1 = p0;

	if (p->rep || p->lock || p->opsize66 || p->rex)
		return false;
	p->vex = true;
	p->map = 1;
	p->rex = 0x40 | (~p0 >> 5 & REX_R);
	if (first != 0xc5) {
		p->map = p0 & (first == 0x62 ? 7 : 31);
		p1 = take(b, 1);
		p->rex = 0x40 | (~p0 >> 5 & 7) | (p1 >> 4 & REX_W);
	}
	p->opsize66 = (p1 & 3) == 1;
	p->rep = rep[p1 & 3];
	p->vex_l = p1 >> 2 & 1;
	p->vex_v = ~p1 >> 3 & 15;
	p->evex = first == 0x62;
	if (p->evex)
		take(b, 1);
	p->opcode = take(b, 1);
	return p->map >= 1 && p->map <= 3;
}

static const struct lodge_emul_opcode *
lookup(const struct lodge_emul_parsed *p)
{
	switch (p->map) {
	case 0:
		return &lodge_emul_map0[p->opcode];
	case 1:
		return &lodge_emul_map1[p->opcode];
	case 2:
		if (p->opcode == 0x2a && p->opsize66)
			return &lodge_emul_movntdqa;
		if ((p->opcode & 0xfe) == 0xf0 && !p->rep && !p->vex)
			return &lodge_emul_movbe[p->opcode & 1];
		return &lodge_emul_map2_other;
	default:
		return &lodge_emul_map3_other;
	}
}

static bool parse_opcode(struct cursor *b, u32 bits, u8 byte,
			 struct lodge_emul_parsed *p)
{
	if ((byte == 0xc4 || byte == 0xc5 || byte == 0x62) &&
	    (bits == 64 || (b->at < b->end && *b->at >= 0xc0)))
		return parse_vex(b, byte, p);

	if (byte == 0x0f) {
		p->map = 1;
		byte = take(b, 1);
		if (byte == 0x38 || byte == 0x3a) {
			p->map = byte == 0x38 ? 2 : 3;
			byte = take(b, 1);
		}
	}
	p->opcode = byte;
	return true;
}

static void parse_modrm(struct cursor *b, struct lodge_emul_parsed *p)
{
	u8 mod, rm;
	u32 disp;

	mod = p->modrm >> 6;
	rm = p->modrm & 7;
	if (mod == 3 || (p->flags & F_MOD3))
		return;
	disp = mod == 1 ? 1 : mod == 2 ? min_t(u8, p->ad_bytes, 4) : 0;
	if (p->ad_bytes == 2) {
		if (mod == 0 && rm == 6)
			disp = 2;
	} else {
		if (rm == 4) {
			p->sib = take(b, 1);
			rm = p->sib & 7;
		}
		if (mod == 0 && rm == 5)
			disp = 4;
	}
	if (disp)
		p->disp = take_signed(b, disp);
}

static void parse_imm(struct cursor *b, u32 kind, struct lodge_emul_parsed *p)
{
	u32 size = p->op_bytes;

	if (kind < K_IMM)
		return;
	if (kind == K_IMM)
		size = p->flags & F_BYTE ? 1 : min_t(u8, size, 4);
	else if (kind == K_IMM8 || kind == K_IMM8U)
		size = 1;
	else if (kind == K_IMM16 || kind == K_ENTER)
		size = 2;
	else if (kind == K_MOFFS)
		size = p->ad_bytes;
	p->imm = kind <= K_IMM8 ? take_signed(b, size) : take(b, size);
	if (kind == K_FAR || kind == K_ENTER)
		p->imm2 = take(b, kind == K_FAR ? 2 : 1);
}

/*
 * The length; 0 when @n bytes are not all of it, negative when the bytes are
 * no instruction in this mode.
 */
static int parse(const u8 *insn, u32 n, u32 bits,
		 struct lodge_emul_parsed *p)
{
	struct cursor b = { .at = insn, .end = insn + n };
	const struct lodge_emul_opcode *op;
	u8 byte;

	memset(p, 0, sizeof(*p));
	p->seg_override = -1;
	byte = parse_prefixes(&b, bits, p);
	if (b.short_)
		return 0;
	if (!parse_opcode(&b, bits, byte, p))
		return b.short_ ? 0 : -EINVAL;
	/* VEX has bits that are ignored there: SDM vol. 2A 2.3.5. */
	if (bits != 64) {
		p->rex = 0;
		p->vex_v &= 7;
	}

	op = lookup(p);
	p->flags = op->flags;
	if (p->flags & F_MODRM)
		p->modrm = take(&b, 1);
	if (p->flags & F_GROUP) {
		op = &op->group[p->modrm >> 3 & 7];
		p->flags |= op->flags;
	}
	p->op = op;

	p->op_bytes = (bits == 16) ^ p->opsize66 ? 2 : 4;
	if (bits == 64) {
		if (p->flags & F_NO64)
			return b.short_ ? 0 : -EINVAL;
		if ((p->rex & REX_W) || (p->flags & F_NEAR) ||
		    ((p->flags & F_STACK) && !p->opsize66))
			p->op_bytes = 8;
	}
	if (p->flags & F_MODRM)
		parse_modrm(&b, p);
	parse_imm(&b, FLAG_SRC(p->flags), p);
	parse_imm(&b, FLAG_SRC2(p->flags), p);
	parse_imm(&b, FLAG_DST(p->flags), p);
	return b.short_ ? 0 : b.at - insn;
}

/**
 * lodge_emul_length() - how long an instruction is
 * @insn: its bytes
 * @n: how many there are, at most LODGE_INSN_MAX of use
 * @bits: 16, 32 or 64: the code segment's
 *
 * For a CPU that doesn't save the address of the next instruction.  Needs no
 * context, touches nothing, may be called with interrupts off.
 *
 * Return: the length with all prefixes, or 0 where the bytes are too few or
 * are no instruction.
 */
int lodge_emul_length(const u8 *insn, u32 n, u32 bits)
{
	const struct lodge_emul_opcode *op;
	struct lodge_emul_parsed p;
	int len = 1;

	/* What is stepped over most is one opcode and no more. */
	if (n >= 3) {
		op = &lodge_emul_map0[insn[0]];
		if (insn[0] == 0x0f) {
			op = &lodge_emul_map1[insn[1]];
			len = 2;
			if (insn[1] == 0x01 && insn[2] >= 0xc0)
				return 3;
		}
		if (op->exec && !(op->flags & ~F_PRIV))
			return len;
	}
	return max(parse(insn, min_t(u32, n, LODGE_INSN_MAX), bits, &p), 0);
}

static void address16(struct lodge_emul *c)
{
	static const u8 base[8] = {
		RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX
	};
	static const u8 index[4] = { RSI, RDI, RSI, RDI };
	u8 rm = c->modrm & 7;
	u64 ea = c->disp;

	if (rm != 6 || c->modrm >= 0x40) {
		ea += c->gpr[base[rm]];
		if (base[rm] == RBP)
			c->mem_seg = LODGE_SEG_SS;
	}
	if (rm < 4)
		ea += c->gpr[index[rm]];
	c->mem_ea = (u16)ea;
}

static void address32(struct lodge_emul *c)
{
	u8 mod = c->modrm >> 6;
	u8 base = c->modrm & 7;
	u64 ea = c->disp;

	if (base == 4) {
		u8 index = (c->sib >> 3 & 7) | (c->rex & REX_X) << 2;

		base = c->sib & 7;
		if (index != RSP)
			ea += c->gpr[index] << (c->sib >> 6);
	} else if (mod == 0 && base == 5 && is_long(c)) {
		ea += c->rip + c->len;
	}
	if (mod != 0 || base != 5) {
		/* RSP and RBP, but not R12 and R13, mean the stack. */
		if ((base == RSP || base == RBP) && !(c->rex & REX_B))
			c->mem_seg = LODGE_SEG_SS;
		if (base == RSP && !(c->rex & REX_B) && (c->flags & F_POPSP))
			ea += c->op_bytes;
		ea += c->gpr[base | (c->rex & REX_B) << 3];
	}
	c->mem_ea = ea & size_mask(c->ad_bytes);
}

static void set_reg(const struct lodge_emul *c, struct lodge_emul_operand *o,
		    u8 reg)
{
	o->kind = OPND_REG;
	o->reg = reg;
	/* Without REX 4..7 are the second bytes of the first four registers. */
	if (o->size == 1 && !c->rex && reg >= 4 && reg < 8) {
		o->reg = reg - 4;
		o->high = true;
	}
}

static void set_rm(const struct lodge_emul *c, struct lodge_emul_operand *o)
{
	if (c->modrm >= 0xc0) {
		set_reg(c, o, (c->modrm & 7) | (c->rex & REX_B) << 3);
		return;
	}
	o->kind = OPND_MEM;
	o->seg = c->mem_seg;
	o->ea = c->mem_ea;
}

static void set_operand(const struct lodge_emul *c, u32 kind,
			struct lodge_emul_operand *o)
{
	static const u8 rm_size[] = {
		[K_RM8] = 1, [K_RM16] = 2, [K_RM32] = 4
	};

	o->kind = OPND_NONE;
	if (kind == K_NONE)
		return;
	o->high = false;
	o->size = c->op_bytes;
	if (kind == K_RM) {
		set_rm(c, o);
	} else if (kind == K_REG) {
		set_reg(c, o, (c->modrm >> 3 & 7) | (c->rex & REX_R) << 1);
	} else if (kind >= K_IMM && kind != K_MOFFS) {
		o->kind = OPND_IMM;
		o->val = c->imm;
	} else if (kind <= K_RM32) {
		o->size = rm_size[kind];
		set_rm(c, o);
	} else if (kind == K_OPREG) {
		set_reg(c, o, (c->opcode & 7) | (c->rex & REX_B) << 3);
	} else if (kind == K_ONE) {
		o->kind = OPND_IMM;
		o->val = 1;
	} else if (kind == K_MOFFS) {
		o->kind = OPND_MEM;
		o->seg = c->seg_override >= 0 ? c->seg_override : LODGE_SEG_DS;
		o->ea = c->imm;
	} else if (kind != K_ADDR && kind != K_SREG) {
		o->kind = OPND_REG;
		o->reg = kind == K_ACC ? RAX : kind == K_CL ? RCX : RDX;
		o->size = kind == K_CL ? 1 : kind == K_DX ? 2 : o->size;
	}
}

/* Where the operands are, now that the registers are looked at. */
static void set_operands(struct lodge_emul *c)
{
	u32 flags = c->flags;

	if ((flags & F_MODRM) && c->modrm < 0xc0) {
		c->mem_seg = LODGE_SEG_DS;
		if (c->ad_bytes == 2)
			address16(c);
		else
			address32(c);
		if (c->seg_override >= 0)
			c->mem_seg = c->seg_override;
	}
	if (flags & F_BYTE)
		c->op_bytes = 1;
	set_operand(c, FLAG_DST(flags), &c->dst);
	set_operand(c, FLAG_SRC(flags), &c->src);
	set_operand(c, FLAG_SRC2(flags), &c->src2);
}

/**
 * lodge_emul_decode() - fetch and decode the instruction at RIP
 * @c: the context; @mode, @cpl, @rip, @rflags and the registers are set
 * @insn: its first bytes where the CPU has saved them, or NULL
 * @n: how many
 *
 * Forgets whatever was under way.  May sleep if @c->ops->read does.
 *
 * Return: OK; FAULT (#PF or #GP of the fetch, #UD); FAIL for an instruction
 * that isn't emulated, with @c->len its length where that is known.
 */
int lodge_emul_decode(struct lodge_emul *c, const u8 *insn, u32 n)
{
	u32 bits = is_long(c) ? 64 : c->mode == LODGE_EMUL_PROT32 ? 32 : 16;
	int st, len;

	c->log_len = 0;
	c->last = false;
	c->fault_gpa = LODGE_EMUL_NO_GPA;
	c->len = 0;
	c->fetched = 0;
	if (insn) {
		c->fetched = min_t(u32, n, LODGE_INSN_MAX);
		memcpy(c->insn, insn, c->fetched);
	} else {
		st = lodge_emul_fetch(c, 1);
		if (st)
			return st;
	}
	while (!(len = parse(c->insn, c->fetched, bits, &c->parsed))) {
		st = lodge_emul_fetch(c, c->fetched + 1);
		if (st)
			return st;
	}

	/* Outside protected mode C4 and C5 are LES and LDS: no registers. */
	if (len < 0 || (c->vex && !is_protected(c)))
		return raise_ud(c);
	c->len = len;
	if (!c->op->exec || c->evex || (c->vex && !(c->flags & F_VEX)))
		return LODGE_EMUL_FAIL;
	if (c->modrm >= 0xc0 && (FLAG_SRC(c->flags) == K_ADDR ||
				 FLAG_DST(c->flags) == K_ADDR))
		return raise_ud(c);
	set_operands(c);
	return LODGE_EMUL_OK;
}

int lodge_emul_raise(struct lodge_emul *c, u8 vector, bool has_error,
		     u32 error)
{
	c->fault = (struct lodge_emul_fault) {
		.vector = vector, .has_error = has_error, .error = error,
	};
	return LODGE_EMUL_FAULT;
}
