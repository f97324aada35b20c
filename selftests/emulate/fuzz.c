// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer's way in.  The input is a hostile guest: mode, registers, segments,
 * tables, the bytes of the instruction and what devices answer.  Beyond what
 * the sanitizers see it must hold that
 *
 * - registers change with an answer of OK only, or by whole iterations of REP;
 * - a fault has a vector that exists;
 * - the length from lodge_emul_length() is that of the decoder;
 * - every instruction ends after a bounded number of exits.
 */
#include <stdlib.h>
#include <string.h>
#include "machine.h"

static struct machine m;

struct input {
	const u8 *at;
	size_t left;
};

static void take(struct input *in, void *to, size_t n)
{
	size_t k = n < in->left ? n : in->left;

	memset(to, 0, n);
	memcpy(to, in->at, k);
	in->at += k;
	in->left -= k;
}

static u8 byte(struct input *in)
{
	u8 b;

	take(in, &b, 1);
	return b;
}

static void must(bool cond)
{
	if (!cond)
		abort();
}

/* Small ones point at memory and devices, others are as they come. */
static u64 address(struct input *in)
{
	static const u64 places[] = {
		DATA, STACK, CODE, MMIO_USER, MMIO_KERNEL, ROM, 0x50000,
		RAM_SIZE, 0xfffffff0, 0x7fffffffffff, 0xffff800000000000,
		~0ULL - 7, 0xfff0,
	};
	u8 how = byte(in);
	u64 val;

	if (how < 0xc0)
		return places[how % 13] + (s8)byte(in);
	take(in, &val, 8);
	return val;
}

static void segments(struct input *in)
{
	struct kvm_segment *s;
	u16 bits;
	int i;

	for (i = byte(in) & 7; i < 8; i++) {
		s = &m.seg[i];
		take(in, &bits, 2);
		s->type = bits & 15;
		s->present = bits >> 4 & 1;
		s->db = bits >> 5 & 1;
		s->dpl = bits >> 6 & 3;
		s->unusable = (bits >> 8 & 7) == 7;
		s->base = address(in);
		if (bits & 0x800)
			s->limit = address(in);
	}
	for (i = 0; i < 2; i++) {
		m.dt[i].base = 0x50000;
		m.dt[i].limit = byte(in);
	}
	take(in, m.ram + 0x50000, 256);
}

static void one(struct input *in)
{
	u64 gpr[16], rip = m.c.rip, before_log;
	u8 insn[LODGE_INSN_MAX] = {};
	u8 n = byte(in) & 15;
	int st, len, exits = 0;

	take(in, insn, n);
	memcpy(gpr, m.gpr, sizeof(gpr));
	st = lodge_emul_decode(&m.c, insn, sizeof(insn));
	must(!memcmp(gpr, m.gpr, sizeof(gpr)) && rip == m.c.rip);
	if (m.c.len) {
		len = lodge_emul_length(insn, sizeof(insn),
					m.c.mode == LODGE_EMUL_PROT64 ? 64 :
					m.c.mode == LODGE_EMUL_PROT32 ? 32 : 16);
		must(len == m.c.len);
	}
	if (st)
		goto out;

	st = lodge_emul_execute(&m.c);
	while (st == LODGE_EMUL_USER && exits++ < 3000) {
		must(m.c.user.kind != LODGE_USER_NONE);
		must(m.c.user.kind != LODGE_USER_MMIO || m.c.user.len <= 8);
		must(m.c.user.kind != LODGE_USER_PIO ||
		     m.c.user.len * m.c.user.count <= m.c.pio_size);
		before_log = m.c.log_len;
		must(before_log <= LODGE_EMUL_LOG);
		machine_serve(&m);
		m.exits = 0;
		m.n_dev = 0;
		if (byte(in) == 0xff)
			take(in, m.ram + DATA, 8);
		st = lodge_emul_resume(&m.c);
	}
	must(exits < 3000 || (m.c.rep && m.c.flags & 1 << 26));
out:
	must(st >= LODGE_EMUL_OK && st <= LODGE_EMUL_FAIL &&
	     st != LODGE_EMUL_MMIO && st != LODGE_EMUL_AGAIN);
	must(st != LODGE_EMUL_FAULT || m.c.fault.vector < 32);
	if (st != LODGE_EMUL_OK && !(m.c.rep && m.c.flags & 1 << 26))
		must(!memcmp(gpr, m.gpr, sizeof(gpr)) && rip == m.c.rip);
	must(m.c.rflags & 2);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct input in = { data, size };
	u8 what = byte(&in);
	u32 flags;
	int i;

	/* The memory is too large to be cleared each time, and needn't be. */
	machine_init(&m, what % 5);
	for (i = 0; i < 16; i++)
		m.gpr[i] = address(&in);
	take(&in, &flags, 4);
	m.c.rflags |= flags & 0x247ed5;
	if (m.c.mode >= LODGE_EMUL_PROT16)
		m.c.cpl = what >> 6;
	m.paging = what & 0x20 && m.c.mode >= LODGE_EMUL_PROT16;
	if (m.paging) {
		m.cr[0] |= 0x80000000;
		m.cr[3] = 0x60000;
		m.cr[4] |= 0x20;
		take(&in, m.ram + 0x60000, 64);
	}
	if (what & 0x10)
		segments(&in);
	if (what & 0x08 && m.c.mode >= LODGE_EMUL_PROT16 &&
	    m.c.mode != LODGE_EMUL_PROT64) {
		u8 how = byte(&in);

		lodge_emul_task_switch(&m.c, byte(&in), how & 3, how & 4, how);
		return 0;
	}
	for (i = 0; i < 4 && in.left; i++)
		one(&in);
	return 0;
}
