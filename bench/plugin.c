// SPDX-License-Identifier: GPL-2.0-only
/*
 * A QEMU TCG plugin that says what an exit costs the emulated host:
 * instructions, and the costly ones among them, between the marks of rows.h.
 *
 *	-plugin cost.so,out=FILE[,profile=on]
 *
 * What the guest itself executes, from VMRUN to the instruction after it, is
 * kept apart: a row's figure is the host's alone. The instructions of an exit
 * do not repeat exactly, since the host's clock ticks meanwhile: of a row's
 * iterations the dearest hundredth is left out, and the mean taken of the
 * rest.
 *
 * With profile=on also the count of each address that the host executed in
 * each row, as lines "@ row address count".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"

/* QEMU's plugin API, version 1: Debian has no header for it. */
#define EXPORT __attribute__((visibility("default")))
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
typedef void (*tb_cb)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*insn_cb)(unsigned int cpu, void *data);
typedef void (*exit_cb)(qemu_plugin_id_t, void *);
enum { INLINE_ADD_U64 };
enum { CB_NO_REGS };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, tb_cb);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, exit_cb, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int,
						void *, uint64_t);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, insn_cb,
					    int flags, void *);
EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
			       const struct qemu_info_t *info, int argc,
			       char **argv);

#define CLASSES(c)							\
	c(ALL, "host") c(VMRUN, "vmrun") c(VMLOAD, "vmload")		\
	c(VMSAVE, "vmsave") c(GIF, "gif") c(RDMSR, "rdmsr")		\
	c(WRMSR, "wrmsr") c(MOVCR, "movcr") c(MOVDR, "movdr")		\
	c(INVL, "invl") c(XSAVE, "xsave") c(LOCK, "lock")		\
	c(DESC, "desc") c(SWAPGS, "swapgs") c(IF, "if") c(PORT, "port")	\
	c(STRING, "string")
#define CLASS_ID(id, name)	id,
#define CLASS_NAME(id, name)	name,
enum { CLASSES(CLASS_ID) NR_CLASSES };
static const char *const class_name[] = { CLASSES(CLASS_NAME) };
#define ROW_NAME(id, name)	name,
static const char *const row_name[] = { ROWS(ROW_NAME) };

struct counts {
	uint64_t n[NR_CLASSES];
};

static struct counts all;		/* everything, host and guest */
static struct counts guests;		/* of finished stays in the guest */
static struct counts entered;		/* all, at the last VMRUN */
static bool in_guest;
static uint64_t resume[16];		/* addresses after a VMRUN */
static unsigned int nr_resume;

struct sample {
	struct counts host;
	uint64_t guest;
};

static struct row {
	bool open;
	struct sample begin, *samples;
	size_t nr, room;
} rows[NR_ROWS];

static const char *out;
static int current = -1;		/* the row that we are in */

/* ---- which instruction costs what ---- */

static int class_0f(const uint8_t *d, size_t len)
{
	uint8_t op = len > 0 ? d[0] : 0, modrm = len > 1 ? d[1] : 0;
	unsigned int reg = modrm >> 3 & 7;
	bool mem = modrm < 0xc0;

	switch (op) {
	case 0x00:				/* LLDT, LTR */
		return reg == 2 || reg == 3 ? DESC : -1;
	case 0x01:
		switch (modrm) {
		case 0xd8: return VMRUN;
		case 0xda: return VMLOAD;
		case 0xdb: return VMSAVE;
		case 0xdc: case 0xdd: return GIF;
		case 0xdf: return INVL;		/* INVLPGA */
		case 0xd0: case 0xd1: return XSAVE;	/* XGETBV, XSETBV */
		case 0xf8: return SWAPGS;
		}
		if (mem && (reg == 2 || reg == 3))	/* LGDT, LIDT */
			return DESC;
		return mem && reg == 7 ? INVL : -1;	/* INVLPG */
	case 0x22: return MOVCR;
	case 0x23: return MOVDR;
	case 0x30: return WRMSR;
	case 0x32: return RDMSR;
	case 0x38:				/* INVPCID */
		return modrm == 0x82 ? INVL : -1;
	case 0xae:	/* FXSAVE, FXRSTOR, XSAVE, XRSTOR, XSAVEOPT; not CLWB */
		return mem && reg != 2 && reg != 3 && reg != 7 ? XSAVE : -1;
	case 0xc7:				/* XRSTORS, XSAVEC, XSAVES */
		return mem && reg >= 3 && reg <= 5 ? XSAVE : -1;
	}
	return -1;
}

static int class_of(const uint8_t *d, size_t len, bool *lock)
{
	size_t i;

	*lock = false;
	for (i = 0; i < len; i++) {
		uint8_t b = d[i];

		if (b == 0xf0)
			*lock = true;
		else if (b != 0x66 && b != 0x67 && b != 0xf2 && b != 0xf3 &&
			 b != 0x2e && b != 0x36 && b != 0x3e && b != 0x26 &&
			 b != 0x64 && b != 0x65 && (b & 0xf0) != 0x40)
			break;
	}
	if (i + 1 < len && (d[i] == 0x86 || d[i] == 0x87) && d[i + 1] < 0xc0)
		*lock = true;			/* XCHG with memory always is */
	if (i == len)
		return -1;
	switch (d[i]) {
	case 0x0f:
		return class_0f(d + i + 1, len - i - 1);
	case 0x9d: case 0xfa: case 0xfb:	/* POPF, CLI, STI */
		return IF;
	case 0xe4 ... 0xe7: case 0xec ... 0xef:
	case 0x6c ... 0x6f:
		return PORT;
	case 0xa4 ... 0xa7: case 0xaa ... 0xaf:/* each round of a REP */
		return STRING;
	}
	return -1;
}

/* ---- while it runs ---- */

static void end(struct row *row, unsigned int marks);

static void enter(unsigned int cpu, void *data)
{
	if (in_guest)
		return;
	if (rows[ROW_START].open)
		end(&rows[ROW_START], 0);
	in_guest = true;
	entered = all;
	/* The VMRUN itself is the host's; it is counted after this call. */
	entered.n[ALL]++;
	entered.n[VMRUN]++;
}

static void leave(unsigned int cpu, void *data)
{
	int i;

	if (!in_guest)
		return;
	in_guest = false;
	for (i = 0; i < NR_CLASSES; i++)
		guests.n[i] += all.n[i] - entered.n[i];
}

static struct sample now(void)
{
	struct sample s;
	int i;

	for (i = 0; i < NR_CLASSES; i++) {
		uint64_t guest = guests.n[i] +
			(in_guest ? all.n[i] - entered.n[i] : 0);

		s.host.n[i] = all.n[i] - guest;
		if (i == ALL)
			s.guest = guest;
	}
	return s;
}

static void mark(unsigned int cpu, void *data)
{
	unsigned int code = (uintptr_t)data;
	struct row *row = &rows[code & 0xff];

	if (!(code & MARK_END)) {
		row->open = true;
		current = row - rows;
		row->begin = now();
		return;
	}
	current = -1;
	if (row->open)
		end(row, 1);
}

/* MARKS of the guest's instructions are the row's marks. */
static void end(struct row *row, unsigned int marks)
{
	struct sample s = now();
	int i;

	row->open = false;
	for (i = 0; i < NR_CLASSES; i++)
		s.host.n[i] -= row->begin.host.n[i];
	s.guest -= row->begin.guest;
	s.guest -= s.guest ? marks : 0;
	if (row->nr == row->room) {
		row->room = row->room * 2 + 64;
		row->samples = realloc(row->samples,
				       row->room * sizeof(*row->samples));
		if (!row->samples)
			abort();
	}
	row->samples[row->nr++] = s;
}

/* ---- where it goes: a counter for each address ---- */

#define SPOT_BITS	20
#define SPOTS		(1 << SPOT_BITS)
static struct spot {
	uint64_t address, count[NR_ROWS];
} *spots;				/* NULL: not asked for */

static struct spot *spot_of(uint64_t address)
{
	uint64_t i = address * 0x9e3779b97f4a7c15ULL >> (64 - SPOT_BITS);

	for (;; i = (i + 1) & (SPOTS - 1)) {
		if (!spots[i].address)
			spots[i].address = address;
		if (spots[i].address == address)
			return &spots[i];
	}
}

static void hit(unsigned int cpu, void *data)
{
	struct spot *spot = data;

	if (current < 0 || in_guest)
		return;
	spot->count[current]++;
	/* The one row that is a part of others. */
	if (rows[ROW_START].open && current != ROW_START)
		spot->count[ROW_START]++;
}

/* ---- translation and the end ---- */

static void trans_insn(struct qemu_plugin_insn *insn)
{
	const uint8_t *d = qemu_plugin_insn_data(insn);
	size_t len = qemu_plugin_insn_size(insn);
	uint64_t at = qemu_plugin_insn_vaddr(insn);
	bool lock;
	int class = class_of(d, len, &lock);
	unsigned int i;
	uint32_t code;

	for (i = 0; i < nr_resume; i++)
		if (at == resume[i])
			qemu_plugin_register_vcpu_insn_exec_cb(insn, leave,
							       CB_NO_REGS, NULL);
	if (len == 8 && !memcmp(d, MARK_OPCODE, 4)) {
		memcpy(&code, d + 4, 4);
		if ((code & MARK_MASK) == MARK_MAGIC && (code & 0xff) < NR_ROWS)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark,
				CB_NO_REGS, (void *)(uintptr_t)(code & 0xffff));
	}
	if (spots)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, hit, CB_NO_REGS,
						       spot_of(at));
	if (class == VMRUN) {
		for (i = 0; i < nr_resume && resume[i] != at + len; i++)
			;
		if (i == nr_resume && i < sizeof(resume) / sizeof(*resume))
			resume[nr_resume++] = at + len;
		qemu_plugin_register_vcpu_insn_exec_cb(insn, enter, CB_NO_REGS,
						       NULL);
	}
	qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64,
						   &all.n[ALL], 1);
	if (class >= 0)
		qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64,
							   &all.n[class], 1);
	if (lock)
		qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64,
							   &all.n[LOCK], 1);
}

static void trans(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i;

	for (i = 0; i < qemu_plugin_tb_n_insns(tb); i++)
		trans_insn(qemu_plugin_tb_get_insn(tb, i));
}

static int by_cost(const void *a, const void *b)
{
	uint64_t x = ((const struct sample *)a)->host.n[ALL];
	uint64_t y = ((const struct sample *)b)->host.n[ALL];

	return x < y ? -1 : x > y;
}

static void report(FILE *f, const char *name, struct row *row)
{
	size_t kept = row->nr - (row->nr + 99) / 100, i;
	struct sample sum = { 0 };
	int c;

	if (!kept)
		kept = row->nr;
	qsort(row->samples, row->nr, sizeof(*row->samples), by_cost);
	for (i = 0; i < kept; i++) {
		for (c = 0; c < NR_CLASSES; c++)
			sum.host.n[c] += row->samples[i].host.n[c];
		sum.guest += row->samples[i].guest;
	}
	fprintf(f, "%s\t%zu\t%.2f", name, row->nr, (double)sum.guest / kept);
	for (c = 0; c < NR_CLASSES; c++)
		fprintf(f, "\t%.2f", (double)sum.host.n[c] / kept);
	fprintf(f, "\t%lu\t%lu\t%lu\n", row->samples[0].host.n[ALL],
		row->samples[row->nr / 2].host.n[ALL],
		row->samples[row->nr - 1].host.n[ALL]);
}

static void done(qemu_plugin_id_t id, void *data)
{
	FILE *f = fopen(out, "w");
	size_t i, r;

	if (!f) {
		perror(out);
		return;
	}
	fprintf(f, "row\tn\tguest");
	for (i = 0; i < NR_CLASSES; i++)
		fprintf(f, "\t%s", class_name[i]);
	fprintf(f, "\tmin\tmedian\tmax\n");
	for (i = 0; i < NR_ROWS; i++)
		if (rows[i].nr)
			report(f, row_name[i], &rows[i]);
	for (i = 0; spots && i < SPOTS; i++)
		for (r = 0; r < NR_ROWS; r++)
			if (spots[i].count[r])
				fprintf(f, "@ %s %lx %lu\n", row_name[r],
					spots[i].address, spots[i].count[r]);
	fclose(f);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info,
			int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = strdup(argv[i] + 4);
		if (!strcmp(argv[i], "profile=on"))
			spots = calloc(SPOTS, sizeof(*spots));
	}
	if (!out) {
		fprintf(stderr, "cost: out=FILE is missing\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, trans);
	qemu_plugin_register_atexit_cb(id, done, NULL);
	return 0;
}
