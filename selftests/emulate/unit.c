// SPDX-License-Identifier: GPL-2.0-only
/* Runs the cases of test-*.c and prints TAP. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "unit.h"

#define ARITH	(CF | PF | AF | ZF | SF | OF)

static struct machine machine;
static int count, failed;

void report(bool ok, const char *fmt, ...)
{
	va_list args;

	printf("%sok %d - ", ok ? "" : "not ", ++count);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	failed += !ok;
}

void put(struct machine *m, u64 at, u64 val, u32 size)
{
	memcpy(m->ram + at, &val, size);
}

u64 get(struct machine *m, u64 at, u32 size)
{
	u64 val = 0;

	memcpy(&val, m->ram + at, size);
	return val;
}

/* What a case expects, collected from its items. */
struct expected {
	u64 gpr[16], flags, rip, cr2;
	int status, exits, devs, vector;
	bool has_error, any_flags, not_retired;
	u32 error;
};

static void prepare(struct machine *m, const struct item *i)
{
	switch (i->what) {
	case IN_:
		m->gpr[i->a] = i->b;
		break;
	case MEM_:
		put(m, i->a, i->b, i->c);
		break;
	case FLAGS_IN_:
		m->c.rflags |= i->a;
		break;
	case CPL_:
		m->c.cpl = i->a;
		m->seg[LODGE_SEG_SS].dpl = i->a;
		break;
	case CR_:
		m->cr[i->a] = i->b;
		m->paging = m->cr[0] >> 31 & 1;
		break;
	case SEG_SEL_:
		m->seg[i->a].selector = i->b;
		break;
	case SEG_BASE_:
		m->seg[i->a].base = i->b;
		break;
	case SEG_LIMIT_:
		m->seg[i->a].limit = i->b;
		break;
	case SEG_TYPE_:
		m->seg[i->a].type = i->b;
		break;
	case CALL_:
		i->call(m);
		break;
	}
}

static void expect(struct expected *e, const struct item *i)
{
	switch (i->what) {
	case OUT_:
		e->gpr[i->a] = i->b;
		break;
	case FLAGS_:
		e->flags = (e->flags & ~(u64)ARITH) | i->a;
		break;
	case FAULT_:
		e->status = LODGE_EMUL_FAULT;
		e->vector = i->a;
		e->error = i->b;
		e->has_error = i->c;
		break;
	case CR2_:
		e->cr2 = i->a;
		break;
	case EXITS_:
		e->exits = e->devs = i->a;
		break;
	case DEVS_:
		e->devs = i->a;
		break;
	case RIP_:
		e->rip = i->a;
		break;
	case STATUS_:
		e->status = i->a;
		break;
	case ANYFLAGS_:
		e->any_flags = true;
		break;
	case NOT_RETIRED_:
		e->not_retired = true;
		break;
	}
}

#define WRONG(cond, ...) do {						\
	if (cond) {							\
		printf("# " __VA_ARGS__);				\
		putchar('\n');						\
		bad = true;						\
	}								\
} while (0)

static bool item_wrong(struct machine *m, const struct item *i)
{
	bool bad = false;

	switch (i->what) {
	case OUTMEM_:
		WRONG(get(m, i->a, i->c) != i->b, "[%llx] is %llx, not %llx",
		      i->a, get(m, i->a, i->c), i->b);
		break;
	case OUTCR_:
		WRONG(m->cr[i->a] != i->b, "CR%llu is %llx", i->a,
		      m->cr[i->a]);
		break;
	case OUTSEL_:
		WRONG(m->seg[i->a].selector != i->b, "selector %llu is %x",
		      i->a, m->seg[i->a].selector);
		break;
	case OUTBASE_:
		WRONG(m->seg[i->a].base != i->b, "base %llu is %llx", i->a,
		      m->seg[i->a].base);
		break;
	case MISC_:
		WRONG(m->last_misc != (int)i->a || m->last_arg != i->b,
		      "misc %d(%llx)", m->last_misc, m->last_arg);
		break;
	case CHECK_:
		WRONG(!i->check(m), "its own check");
		break;
	}
	return bad;
}

void run_case(enum lodge_emul_mode mode, const char *name, const u8 *insn,
	      u32 len, const struct item *items)
{
	struct machine *m = &machine;
	const struct item *i;
	struct expected e = {};
	bool bad = false;
	int r;

	memset(m, 0, sizeof(*m));
	machine_init(m, mode);
	for (r = 0; r < 16; r++)
		m->gpr[r] = 0x1111111111111111ULL * r;
	m->gpr[RSP] = mode == MODE16 || mode == MODEV86 ? 0x8000 : STACK;
	m->last_misc = -1;
	for (i = items; i->what; i++)
		prepare(m, i);
	memcpy(e.gpr, m->gpr, sizeof(e.gpr));
	e.flags = m->c.rflags;
	for (i = items; i->what; i++)
		expect(&e, i);
	if (e.status == LODGE_EMUL_OK && !e.rip && !e.not_retired)
		e.rip = m->c.rip + len;
	else if (!e.rip)
		e.rip = m->c.rip;
	if (e.not_retired)
		e.flags |= 1 << 16;

	machine_run(m, insn, len);
	WRONG(m->status != e.status, "status %d, not %d (vector %u)",
	      m->status, e.status, m->c.fault.vector);
	for (r = 0; r < 16; r++)
		WRONG(m->gpr[r] != e.gpr[r], "register %d is %llx, not %llx", r,
		      m->gpr[r], e.gpr[r]);
	WRONG(!e.any_flags && m->c.rflags != e.flags, "flags %llx, not %llx",
	      m->c.rflags, e.flags);
	WRONG(m->c.rip != e.rip, "rip %llx, not %llx", m->c.rip, e.rip);
	WRONG(m->exits != e.exits, "%d exits, not %d", m->exits, e.exits);
	WRONG(m->n_dev != e.devs, "%d accesses, not %d", m->n_dev, e.devs);
	WRONG(m->moved_early, "registers changed at an exit");
	if (e.status == LODGE_EMUL_FAULT) {
		WRONG(m->c.fault.vector != e.vector ||
		      m->c.fault.has_error != e.has_error ||
		      m->c.fault.error != e.error,
		      "vector %u, error %x, not %d, %x", m->c.fault.vector,
		      m->c.fault.error, e.vector, e.error);
		WRONG(m->c.fault.address != e.cr2, "cr2 %llx",
		      m->c.fault.address);
	}
	for (i = items; i->what; i++)
		bad |= item_wrong(m, i);
	report(!bad, "%s", name);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_lengths();
	test_integer();
	test_memory();
	test_system();
	test_segments();
	test_simd();
	test_tasks();
	test_walk();
	printf("1..%d\n", count);
	return failed ? 1 : 0;
}
