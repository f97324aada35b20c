// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include "machine.h"

static struct machine *of(struct lodge_emul *c)
{
	return c->priv;
}

static bool in_page(u64 gpa, u64 page)
{
	return gpa >= page && gpa < page + 0x1000;
}

static bool is_ram(u64 gpa, u32 len)
{
	return gpa < RAM_SIZE && len <= RAM_SIZE - gpa &&
	       !in_page(gpa, MMIO_USER) && !in_page(gpa, MMIO_KERNEL);
}

static int m_walk_read(const struct lodge_walk *w, u64 gpa, void *val, u32 len)
{
	struct machine *m = w->priv;

	if (!is_ram(gpa, len))
		return -1;
	memcpy(val, m->ram + gpa, len);
	return 0;
}

static int m_walk_cmpxchg(const struct lodge_walk *w, u64 gpa, u64 old,
			  u64 new, u32 len)
{
	struct machine *m = w->priv;

	if (memcmp(m->ram + gpa, &old, len))
		return 1;
	memcpy(m->ram + gpa, &new, len);
	return 0;
}

static const struct lodge_walk_ops walk_ops = {
	.read = m_walk_read, .cmpxchg = m_walk_cmpxchg,
};

static int m_translate(struct lodge_emul *c, u64 la, u32 access, u64 *gpa)
{
	struct machine *m = of(c);
	struct lodge_walk_result res;
	struct lodge_walk w = {
		.ops = &walk_ops, .priv = m, .cr0 = m->cr[0], .cr3 = m->cr[3],
		.cr4 = m->cr[4], .efer = m->efer, .rflags = c->rflags,
		.maxphyaddr = 40, .gbpages = true,
	};

	if (!m->paging) {
		*gpa = la;
		return LODGE_EMUL_OK;
	}
	if (!lodge_walk(&w, la, access, &res)) {
		*gpa = res.gpa;
		return LODGE_EMUL_OK;
	}
	lodge_emul_raise(c, 14, true, res.error);
	c->fault.address = la;
	return LODGE_EMUL_FAULT;
}

static int m_read(struct lodge_emul *c, u64 gpa, void *buf, u32 len)
{
	if (!is_ram(gpa, len))
		return LODGE_EMUL_MMIO;
	memcpy(buf, of(c)->ram + gpa, len);
	return LODGE_EMUL_OK;
}

static int m_write(struct lodge_emul *c, u64 gpa, const void *buf, u32 len)
{
	if (!is_ram(gpa, len) || in_page(gpa, ROM))
		return LODGE_EMUL_MMIO;
	memcpy(of(c)->ram + gpa, buf, len);
	return LODGE_EMUL_OK;
}

static int m_cmpxchg(struct lodge_emul *c, u64 gpa, const void *old,
		     const void *new, u32 len)
{
	struct machine *m = of(c);

	if (!is_ram(gpa, len) || in_page(gpa, ROM))
		return LODGE_EMUL_MMIO;
	if (m->race)
		m->ram[gpa]++;
	m->race = false;
	if (memcmp(m->ram + gpa, old, len))
		return LODGE_EMUL_AGAIN;
	memcpy(m->ram + gpa, new, len);
	return LODGE_EMUL_OK;
}

static void trace(struct machine *m, struct dev_access a)
{
	if (m->n_dev < 64)
		m->dev[m->n_dev] = a;
	m->n_dev++;
}

static void device(struct machine *m, bool write, u64 gpa, void *data, u32 len,
		   bool user)
{
	trace(m, (struct dev_access) {
		.user = user, .write = write, .addr = gpa, .len = len });
	if (gpa >= RAM_SIZE || len > RAM_SIZE - gpa)
		memset(data, 0xff, write ? 0 : len);
	else if (!write)
		memcpy(data, m->ram + gpa, len);
	else if (!in_page(gpa, ROM))
		memcpy(m->ram + gpa, data, len);
}

static int m_mmio(struct lodge_emul *c, bool write, u64 gpa, void *data,
		  u32 len)
{
	if (!in_page(gpa, MMIO_KERNEL))
		return LODGE_EMUL_USER;
	device(of(c), write, gpa, data, len, false);
	return LODGE_EMUL_OK;
}

static void ports(struct machine *m, bool in, u16 port, u32 size, u32 count,
		  bool user)
{
	u32 i;

	trace(m, (struct dev_access) {
		.user = user, .write = !in, .pio = true, .addr = port,
		.len = size, .count = count });
	for (i = 0; i < size * count; i++) {
		if (in)
			m->pio[i] = m->ports[i & 15] + (i >> 4);
		else
			m->ports[i & 15] = m->pio[i];
	}
}

static int m_io(struct lodge_emul *c, bool in, u16 port, u32 size, u32 count)
{
	if (port >= PORT_USER && port < PORT_USER + 0x100)
		return LODGE_EMUL_USER;
	ports(of(c), in, port, size, count, false);
	return LODGE_EMUL_OK;
}

static void m_get_seg(struct lodge_emul *c, int seg, struct kvm_segment *s)
{
	*s = of(c)->seg[seg];
}

static int m_set_seg(struct lodge_emul *c, int seg, const struct kvm_segment *s)
{
	of(c)->seg[seg] = *s;
	return LODGE_EMUL_OK;
}

static void m_get_dt(struct lodge_emul *c, int dt, struct kvm_dtable *d)
{
	*d = of(c)->dt[dt];
}

static int m_set_dt(struct lodge_emul *c, int dt, const struct kvm_dtable *d)
{
	of(c)->dt[dt] = *d;
	return LODGE_EMUL_OK;
}

static u64 m_get_cr(struct lodge_emul *c, int cr)
{
	return of(c)->cr[cr];
}

static int m_set_cr(struct lodge_emul *c, int cr, u64 val)
{
	if (cr == 8 && val > 15)
		return lodge_emul_raise(c, 13, true, 0);
	of(c)->cr[cr] = val;
	return LODGE_EMUL_OK;
}

static u64 m_get_dr(struct lodge_emul *c, int dr)
{
	return of(c)->dr[dr];
}

static int m_set_dr(struct lodge_emul *c, int dr, u64 val)
{
	of(c)->dr[dr] = val;
	return LODGE_EMUL_OK;
}

static u64 *msr(struct machine *m, u32 nr)
{
	switch (nr) {
	case 0x10:
		return &m->tsc;
	case 0xc0000080:
		return &m->efer;
	case 0xc0000103:
		return &m->tsc_aux;
	case 0x1234:
		return &m->last_msr;
	}
	return NULL;
}

static int m_get_msr(struct lodge_emul *c, u32 nr, u64 *val)
{
	u64 *p = msr(of(c), nr);

	if (!p)
		return lodge_emul_raise(c, 13, true, 0);
	*val = *p;
	return LODGE_EMUL_OK;
}

static bool m_msr_allowed(struct lodge_emul *c, u32 nr, bool write)
{
	return true;
}

static int m_set_msr(struct lodge_emul *c, u32 nr, u64 val)
{
	u64 *p = msr(of(c), nr);

	if (!p)
		return lodge_emul_raise(c, 13, true, 0);
	*p = val;
	return LODGE_EMUL_OK;
}

static int m_set_xcr(struct lodge_emul *c, u32 xcr, u64 val)
{
	if (xcr || !(val & 1))
		return lodge_emul_raise(c, 13, true, 0);
	of(c)->xcr0 = val;
	return LODGE_EMUL_OK;
}

static int m_cpuid(struct lodge_emul *c, u32 *a, u32 *b, u32 *cx, u32 *d)
{
	*b = *a + 1;
	*d = *cx + 2;
	*a = 0xaaaa;
	*cx = 0xcccc;
	return LODGE_EMUL_OK;
}

static int m_misc(struct lodge_emul *c, enum lodge_emul_misc what, u64 arg)
{
	of(c)->last_misc = what;
	of(c)->last_arg = arg;
	return LODGE_EMUL_OK;
}

static int m_get_simd(struct lodge_emul *c, int reg, void *buf, u32 len)
{
	if (len == 8 && of(c)->x87_pending)
		return lodge_emul_raise(c, 16, false, 0);
	memcpy(buf, len == 8 ? of(c)->mmx[reg] : of(c)->simd[reg], len);
	return LODGE_EMUL_OK;
}

static int m_set_simd(struct lodge_emul *c, int reg, const void *buf, u32 len)
{
	if (len == 8 && of(c)->x87_pending)
		return lodge_emul_raise(c, 16, false, 0);
	memcpy(len == 8 ? of(c)->mmx[reg] : of(c)->simd[reg], buf, len);
	return LODGE_EMUL_OK;
}

const struct lodge_emul_ops machine_ops = {
	.translate = m_translate, .read = m_read, .write = m_write,
	.cmpxchg = m_cmpxchg, .mmio = m_mmio, .io = m_io,
	.get_seg = m_get_seg, .set_seg = m_set_seg,
	.get_dt = m_get_dt, .set_dt = m_set_dt,
	.get_cr = m_get_cr, .set_cr = m_set_cr,
	.get_dr = m_get_dr, .set_dr = m_set_dr,
	.get_msr = m_get_msr, .set_msr = m_set_msr, .msr_allowed = m_msr_allowed,
	.set_xcr = m_set_xcr, .cpuid = m_cpuid, .misc = m_misc,
	.get_simd = m_get_simd, .set_simd = m_set_simd,
};

/* Flat segments for the mode, as the BIOS or Linux would have them. */
void machine_init(struct machine *m, enum lodge_emul_mode mode)
{
	bool prot = mode >= LODGE_EMUL_PROT16;
	u8 cpl = mode == LODGE_EMUL_VM86 ? 3 : 0;
	int i;

	memset(m, 0, offsetof(struct machine, ram));
	lodge_emul_init(&m->c, &machine_ops, m);
	m->c.gpr = m->gpr;
	m->c.pio = m->pio;
	m->c.pio_size = sizeof(m->pio);
	m->c.mode = mode;
	m->c.cpl = cpl;
	m->c.rflags = 2 | (mode == LODGE_EMUL_VM86 ? 1 << 17 : 0);
	for (i = 0; i < 6; i++)
		m->seg[i] = (struct kvm_segment) {
			.selector = prot ? i == LODGE_SEG_CS ? 8 : 16 : 0,
			.limit = prot ? 0xffffffff : 0xffff,
			.type = i == LODGE_SEG_CS ? 11 : 3, .s = 1,
			.present = 1, .dpl = cpl, .g = prot,
			.db = mode == LODGE_EMUL_PROT32 ||
			      (mode == LODGE_EMUL_PROT64 && i != LODGE_SEG_CS),
			.l = mode == LODGE_EMUL_PROT64 && i == LODGE_SEG_CS,
		};
	m->seg[LODGE_SEG_TR] = (struct kvm_segment) {
		.type = 11, .present = 1, .limit = 0x67 };
	m->seg[LODGE_SEG_LDTR].unusable = 1;
	m->dt[0].limit = 0xffff;
	m->dt[1].limit = 0x3ff;
	m->cr[0] = 0x10 | prot;
	m->cr[4] = 0x600 | 1 << 18;
	m->xcr0 = 7;
	m->efer = mode == LODGE_EMUL_PROT64 ? 0x500 : 0;
	m->c.rip = prot ? CODE : 0x1000;
}

/* Do what user space is asked for. */
void machine_serve(struct machine *m)
{
	struct lodge_emul_user *u = &m->c.user;

	if (u->kind == LODGE_USER_MMIO)
		device(m, u->write, u->gpa, &u->data, u->len, true);
	else if (u->kind == LODGE_USER_PIO)
		ports(m, !u->write, u->port, u->len, u->count, true);
	m->exits++;
}

/* Execute what was decoded, to its end or 1,000 exits. */
int machine_step(struct machine *m)
{
	u64 before[16], rip;
	int st;

	st = lodge_emul_execute(&m->c);
	while (st == LODGE_EMUL_USER && m->exits < 1000) {
		memcpy(before, m->gpr, sizeof(before));
		rip = m->c.rip;
		machine_serve(m);
		if (memcmp(before, m->gpr, sizeof(before)) || rip != m->c.rip)
			m->moved_early = true;
		st = lodge_emul_resume(&m->c);
	}
	return st;
}

int machine_run(struct machine *m, const u8 *insn, u32 n)
{
	int st = lodge_emul_decode(&m->c, insn, n);

	m->status = st ? st : machine_step(m);
	return m->status;
}
