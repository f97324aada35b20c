// SPDX-License-Identifier: GPL-2.0-only
/*
 * How an instruction reaches memory and ports: segments, pages, fragments, and
 * the log from which an instruction that was stopped is replayed.
 */
#include "internal.h"

#define PAGE_BYTES	4096u

/* What a log entry was. */
enum { LOG_READ, LOG_WRITE, LOG_RAM, LOG_PIO };

/* One side of a page boundary. */
struct piece {
	u64 gpa;
	u32 len;
};

/* In 48 bits at once, in the 57 of five-level paging where CR4 says so. */
bool lodge_emul_canonical(struct lodge_emul *c, u64 la)
{
	if ((s64)(la << 16) >> 16 == (s64)la)
		return true;
	return (c->ops->get_cr(c, 4) & X86_CR4_LA57) &&
	       (s64)(la << 7) >> 7 == (s64)la;
}

/* Type, presence and limit of a segment outside 64-bit mode. */
static bool seg_allows(const struct lodge_emul *c, const struct kvm_segment *s,
		       u64 ea, u32 size, u32 access)
{
	if (is_protected(c)) {
		if (s->unusable || !s->present)
			return false;
		/* Code is never written, and read only where it says so. */
		if (s->type & 8) {
			if (access & LODGE_ACC_WRITE)
				return false;
			if (!(access & LODGE_ACC_FETCH) && !(s->type & 2))
				return false;
		} else if ((access & LODGE_ACC_WRITE) && !(s->type & 2)) {
			return false;
		}
		if ((s->type & 12) == 4) {	/* expand-down */
			u64 top = s->db ? 0xffffffff : 0xffff;

			return ea > s->limit && ea <= top &&
			       size - 1 <= top - ea;
		}
	}
	return ea <= s->limit && size - 1 <= s->limit - ea;
}

/* SDM vol. 3A 6.15, "Interrupt 17". */
static bool misaligned(struct lodge_emul *c, u64 la, u32 len)
{
	return (c->rflags & X86_EFLAGS_AC) && c->cpl == 3 && len <= 8 &&
	       !(len & (len - 1)) && (la & (len - 1)) &&
	       (c->ops->get_cr(c, 0) & X86_CR0_AM);
}

/*
 * The linear address of an offset, after all that segmentation checks: SDM
 * vol. 3A 5.3, 5.5, APM vol. 2 4.
 */
int lodge_emul_linear(struct lodge_emul *c, int seg, u64 ea, u32 size,
		      u32 access, u64 *la)
{
	struct kvm_segment s;
	bool ok;

	if (is_long(c)) {
		if (seg == LODGE_SEG_FS || seg == LODGE_SEG_GS) {
			c->ops->get_seg(c, seg, &s);
			ea += s.base;
		}
		*la = ea;
		ok = lodge_emul_canonical(c, ea) &&
		     lodge_emul_canonical(c, ea + size - 1);
	} else {
		c->ops->get_seg(c, seg, &s);
		*la = (u32)(s.base + ea);
		ok = seg_allows(c, &s, ea, size, access);
	}
	if (!ok)
		return lodge_emul_raise(c, seg == LODGE_SEG_SS ? VEC_SS :
					VEC_GP, true, 0);
	if (misaligned(c, *la, size))
		return lodge_emul_raise(c, VEC_AC, true, 0);
	return LODGE_EMUL_OK;
}

/*
 * The CPU has told the address of the page where it stopped, all checks made.
 * An instruction with one operand in memory and nothing else there can only
 * have stopped for that one.
 */
static bool is_known(const struct lodge_emul *c, u64 la, u32 access)
{
	return c->fault_gpa != LODGE_EMUL_NO_GPA &&
	       !((c->fault_gpa ^ la) & (PAGE_BYTES - 1)) &&
	       !(access & LODGE_ACC_IMPLICIT) &&
	       (c->src.kind == OPND_MEM || c->dst.kind == OPND_MEM) &&
	       !(c->flags & (F_STACK | F_NEAR | F_STRING));
}

/*
 * Both pages are translated before either is touched, so that a fault on the
 * second leaves the first as it was.
 */
static int resolve(struct lodge_emul *c, u64 la, u32 len, u32 access,
		   struct piece p[2], int *n)
{
	int st;

	if (c->cpl == 3 && !(access & LODGE_ACC_IMPLICIT))
		access |= LODGE_ACC_USER;
	p[0].len = min(len, PAGE_BYTES - (u32)(la & (PAGE_BYTES - 1)));
	*n = p[0].len == len ? 1 : 2;

	if (*n == 1 && is_known(c, la, access)) {
		p[0].gpa = c->fault_gpa;
		return LODGE_EMUL_OK;
	}
	st = c->ops->translate(c, la, access, &p[0].gpa);
	if (st || *n == 1)
		return st;
	p[1].len = len - p[0].len;
	la += p[0].len;
	if (!is_long(c))
		la = (u32)la;
	return c->ops->translate(c, la, access, &p[1].gpa);
}

/* The answer that an earlier run got, if this access is the next in the log. */
static struct lodge_emul_access *replay(struct lodge_emul *c, u8 kind, u64 gpa,
					u32 len)
{
	struct lodge_emul_access *e = &c->log[c->log_used];

	if (c->log_used >= c->log_len || e->kind != kind || e->gpa != gpa ||
	    e->len != len)
		return NULL;
	c->log_used++;
	return e;
}

static void record(struct lodge_emul *c, u8 kind, u64 gpa, u32 len, u64 data)
{
	struct lodge_emul_access *e = &c->log[c->log_len++];

	e->kind = kind;
	e->gpa = gpa;
	e->len = len;
	e->data = data;
	c->log_used = c->log_len;
}

/*
 * Make room for an access that can't be done twice.  What is still in the log
 * belongs to a run that went another way (the guest changed its page tables
 * meanwhile): it is forgotten.
 */
static bool log_ready(struct lodge_emul *c)
{
	c->log_len = c->log_used;
	return c->log_len < LODGE_EMUL_LOG;
}

static int mmio(struct lodge_emul *c, bool write, u64 gpa, void *buf, u32 len,
		bool final)
{
	u8 kind = write ? LOG_WRITE : LOG_READ;
	struct lodge_emul_access *e;
	u64 data;
	u32 n;
	int st;

	for (; len; len -= n, gpa += n, buf += n) {
		n = min(len, 8u);
		e = replay(c, kind, gpa, n);
		if (e) {
			if (!write)
				copy(buf, &e->data, n);
			continue;
		}
		if (!log_ready(c))
			return LODGE_EMUL_FAIL;

		data = 0;
		if (write)
			copy(&data, buf, n);
		st = c->ops->mmio(c, write, gpa, &data, n);
		if (st == LODGE_EMUL_USER) {
			c->user = (struct lodge_emul_user) {
				.kind = LODGE_USER_MMIO, .write = write,
				.len = n, .gpa = gpa, .data = data,
			};
			c->last = write && final && c->tail && n == len;
		}
		if (st)
			return st;
		record(c, kind, gpa, n, data);
		if (!write)
			copy(buf, &data, n);
	}
	return LODGE_EMUL_OK;
}

/*
 * Of an access over two pages the memory half is logged as well: the other may
 * be MMIO, and a replay must not read again what it has already written.
 */
static int read_piece(struct lodge_emul *c, u64 gpa, void *buf, u32 len,
		      bool split)
{
	struct lodge_emul_access *e;
	u64 data;
	u32 n;
	int st;

	for (; len; len -= n, gpa += n, buf += n) {
		n = split ? min(len, 8u) : len;
		e = split ? replay(c, LOG_RAM, gpa, n) : NULL;
		if (e) {
			copy(buf, &e->data, n);
			continue;
		}
		st = c->ops->read(c, gpa, buf, n);
		if (st == LODGE_EMUL_MMIO)
			return mmio(c, false, gpa, buf, len, false);
		if (st)
			return st;
		if (split && log_ready(c)) {
			data = 0;
			copy(&data, buf, n);
			record(c, LOG_RAM, gpa, n, data);
		}
	}
	return LODGE_EMUL_OK;
}

/* @len bytes at a linear address; a page at most. */
int lodge_emul_read(struct lodge_emul *c, u64 la, void *buf, u32 len,
		    u32 access)
{
	struct piece p[2];
	int st, i, n;

	st = resolve(c, la, len, access, p, &n);
	for (i = 0; !st && i < n; i++) {
		st = read_piece(c, p[i].gpa, buf, p[i].len, n > 1);
		buf += p[i].len;
	}
	return st;
}

int lodge_emul_write(struct lodge_emul *c, u64 la, const void *buf, u32 len,
		     u32 access)
{
	struct piece p[2];
	int st, i, n;

	st = resolve(c, la, len, access | LODGE_ACC_WRITE, p, &n);
	for (i = 0; !st && i < n; i++) {
		st = c->ops->write(c, p[i].gpa, buf, p[i].len);
		if (st == LODGE_EMUL_MMIO)
			st = mmio(c, true, p[i].gpa, (void *)buf, p[i].len,
				  i == n - 1);
		buf += p[i].len;
	}
	return st;
}

/*
 * The write of a LOCKed instruction.  AGAIN when memory changed since it was
 * read: the guest runs the instruction again.  Split locks, 16 bytes (as on
 * KVM) and device memory get a plain write: no bus here could be locked.
 */
int lodge_emul_cmpxchg(struct lodge_emul *c, u64 la, const void *old,
		       const void *new, u32 len, u32 access)
{
	struct piece p[2];
	int st, n;

	st = resolve(c, la, len, access | LODGE_ACC_WRITE, p, &n);
	if (st)
		return st;
	if (n > 1 || len > 8 || (p[0].gpa & (len - 1)))
		return lodge_emul_write(c, la, new, len, access);
	st = (c->ops->cmpxchg)(c, p[0].gpa, old, new, len);
	if (st == LODGE_EMUL_MMIO)
		st = mmio(c, true, p[0].gpa, (void *)new, len, true);
	return st;
}

/* Would an access to one page go through?  Its address is in @gpa then. */
int lodge_emul_probe(struct lodge_emul *c, u64 la, u32 len, u32 access,
		     u64 *gpa)
{
	struct piece p[2];
	int n, st = resolve(c, la, len, access, p, &n);

	*gpa = p[0].gpa;
	return st;
}

/* Would an access to the byte at an offset go through?  Nothing is accessed. */
int lodge_emul_seg_probe(struct lodge_emul *c, int seg, u64 ea, u32 access)
{
	u64 la, gpa;
	int st = lodge_emul_linear(c, seg, ea, 1, access, &la);

	return st ? st : lodge_emul_probe(c, la, 1, access, &gpa);
}

/* @access: LODGE_ACC_WRITE for what is going to be written later. */
int lodge_emul_seg_load(struct lodge_emul *c, int seg, u64 ea, void *buf,
			u32 len, u32 access)
{
	u64 la;
	int st = lodge_emul_linear(c, seg, ea, len, access, &la);

	return st ? st : lodge_emul_read(c, la, buf, len, access);
}

int lodge_emul_seg_read(struct lodge_emul *c, int seg, u64 ea, void *buf,
			u32 len)
{
	return lodge_emul_seg_load(c, seg, ea, buf, len, 0);
}

/* The operand of LDS, and of JMP and CALL FAR: offset, then selector. */
int lodge_emul_read_far(struct lodge_emul *c, u64 *rip, u16 *sel)
{
	int st;

	*rip = 0;
	st = lodge_emul_seg_read(c, c->mem_seg, c->mem_ea, rip, c->op_bytes);
	return st ? st :
	       lodge_emul_seg_read(c, c->mem_seg, (c->mem_ea + c->op_bytes) &
				   size_mask(c->ad_bytes), sel, 2);
}

int lodge_emul_seg_write(struct lodge_emul *c, int seg, u64 ea,
			 const void *buf, u32 len)
{
	u64 la;
	int st = lodge_emul_linear(c, seg, ea, len, LODGE_ACC_WRITE, &la);

	return st ? st : lodge_emul_write(c, la, buf, len, 0);
}

/*
 * Have at least @want bytes of the instruction.  What was fetched once is
 * never fetched again, however the guest rewrites its code.
 */
int lodge_emul_fetch(struct lodge_emul *c, u32 want)
{
	struct kvm_segment cs;
	u64 off, la, gpa;
	u32 n, access = LODGE_ACC_FETCH;
	int st;

	while (c->fetched < want) {
		if (want > LODGE_INSN_MAX)
			return raise_gp(c, 0);
		off = c->rip + c->fetched;
		n = LODGE_INSN_MAX - c->fetched;
		if (is_long(c)) {
			la = off;
			if (!lodge_emul_canonical(c, la))
				return raise_gp(c, 0);
		} else {
			c->ops->get_seg(c, LODGE_SEG_CS, &cs);
			if (off > cs.limit)
				return raise_gp(c, 0);
			la = (u32)(cs.base + off);
			n = min((u64)n, cs.limit - off + 1);
		}
		n = min(n, PAGE_BYTES - (u32)(la & (PAGE_BYTES - 1)));
		if (c->cpl == 3)
			access |= LODGE_ACC_USER;
		st = c->ops->translate(c, la, access, &gpa);
		if (!st)
			st = c->ops->read(c, gpa, c->insn + c->fetched, n);
		if (st)
			return st == LODGE_EMUL_MMIO ? LODGE_EMUL_FAIL : st;
		c->fetched += n;
	}
	return LODGE_EMUL_OK;
}

static u64 port_key(u16 port, u32 count)
{
	return port | (u64)count << 16;
}

/* A port access; the items lie in c->pio, before or after. */
int lodge_emul_port(struct lodge_emul *c, bool in, u16 port, u32 size,
		    u32 count)
{
	int st;

	if (replay(c, LOG_PIO, port_key(port, count), size))
		return LODGE_EMUL_OK;
	if (!log_ready(c))
		return LODGE_EMUL_FAIL;
	st = c->ops->io(c, in, port, size, count);
	if (st == LODGE_EMUL_USER) {
		c->user = (struct lodge_emul_user) {
			.kind = LODGE_USER_PIO, .write = !in, .len = size,
			.port = port, .count = count,
		};
		c->last = !in;
	}
	if (!st)
		record(c, LOG_PIO, port_key(port, count), size, 0);
	return st;
}

/**
 * lodge_emul_resume() - go on after user space did what it was asked for
 * @c: the context, its last answer LODGE_EMUL_USER
 *
 * For a read, the caller has put the answer into @c->user.data or @c->pio.
 * Context: as lodge_emul_execute().
 *
 * Return: as lodge_emul_execute().
 */
int lodge_emul_resume(struct lodge_emul *c)
{
	struct lodge_emul_user *u = &c->user;

	if (c->last)
		return lodge_emul_execute(c);
	if (u->kind == LODGE_USER_MMIO)
		record(c, u->write ? LOG_WRITE : LOG_READ, u->gpa, u->len,
		       u->data);
	else if (u->kind == LODGE_USER_PIO)
		record(c, LOG_PIO, port_key(u->port, u->count), u->len, 0);
	return lodge_emul_execute(c);
}

u32 lodge_emul_stack_size(struct lodge_emul *c)
{
	struct kvm_segment ss;

	if (is_long(c))
		return 8;
	c->ops->get_seg(c, LODGE_SEG_SS, &ss);
	return ss.db ? 4 : 2;
}

int lodge_emul_push(struct lodge_emul *c, u64 val, u32 size)
{
	u32 width = lodge_emul_stack_size(c);
	u64 sp = (reg_get(c, RSP) - size) & size_mask(width);

	reg_put(c, RSP, sp, width);
	return lodge_emul_seg_write(c, LODGE_SEG_SS, sp, &val, size);
}

int lodge_emul_pop(struct lodge_emul *c, u64 *val, u32 size)
{
	u32 width = lodge_emul_stack_size(c);
	u64 sp = reg_get(c, RSP) & size_mask(width);
	int st;

	*val = 0;
	st = lodge_emul_seg_read(c, LODGE_SEG_SS, sp, val, size);
	if (!st)
		reg_put(c, RSP, sp + size, width);
	return st;
}
