// SPDX-License-Identifier: GPL-2.0-only
/*
 * gdb's remote protocol (gdb's manual, appendix E), for one debugger at a time: packets
 * come in from the control socket (control.c), and what they ask for is done by debug.c.
 * vCPUs are threads, numbered from 1 on. A debugger may send what it likes; whoever may
 * talk to the socket may have the guest anyhow, but not the launcher.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "debug.h"
#include "lodge.h"
#include "util.h"

#define PACKET_MAX	4096
#define INTERRUPT	3
#define SIGNAL_INT	2
#define SIGNAL_TRAP	5

/* One debugger; there is none where it is NULL. */
static struct gdb {
	struct vm *vm;
	void (*send)(const void *data, size_t len);
	bool no_ack, stopped, over;
	unsigned int cpu;	/* whose registers and memory are asked for */
	struct debug_stop stop;
	int signal;		/* why it stopped */
	unsigned int listed;	/* threads told of */
	enum { OUTSIDE, INSIDE, SUM1, SUM2 } state;
	char in[PACKET_MAX];
	size_t n;
	uint8_t sum;
	int high;		/* half of what it should be */
	char out[PACKET_MAX + 8];
	char text[PACKET_MAX];
} *gdb;

static const char hexdigits[] = "0123456789abcdef";

static int digit(char c)
{
	const char *p = c ? strchr(hexdigits, c | (c >= 'A' && c <= 'F' ? 0x20 : 0)) : NULL;

	return p ? p - hexdigits : -1;
}

/* A number in hexadecimal at *@p, which is moved on; at least one digit. */
static bool number(const char **p, uint64_t *value)
{
	const char *begin = *p;
	int d;

	for (*value = 0; (d = digit(**p)) >= 0; ++*p)
		*value = *value << 4 | d;
	return *p > begin && *p - begin <= 16;
}

static bool skip(const char **p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*p, word, n))
		return false;
	*p += n;
	return true;
}

static size_t to_hex(char *text, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t i;

	for (i = 0; i < len; i++) {
		text[2 * i] = hexdigits[p[i] >> 4];
		text[2 * i + 1] = hexdigits[p[i] & 15];
	}
	text[2 * len] = 0;
	return 2 * len;
}

/* Exactly @len bytes, and nothing behind them. */
static bool from_hex(const char *text, void *data, size_t len)
{
	uint8_t *p = data;
	size_t i;

	if (strlen(text) != 2 * len)
		return false;
	for (i = 0; i < len; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		p[i] = high << 4 | low;
	}
	return true;
}

static void reply(const char *text)
{
	size_t n = strlen(text), i;
	uint8_t sum = 0;

	for (i = 0; i < n; i++)
		sum += text[i];
	n = snprintf(gdb->out, sizeof(gdb->out), "$%s#%02x", text, sum);
	gdb->send(gdb->out, n);
}

static void reply_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void reply_fmt(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(gdb->text, sizeof(gdb->text), fmt, ap);
	va_end(ap);
	reply(gdb->text);
}

static void ok_if(bool ok)
{
	reply(ok ? "OK" : "E01");
}

static void say_stop(void)
{
	const struct debug_stop *s = &gdb->stop;
	char why[48] = "";

	switch (s->point) {
	case DEBUG_SOFTWARE:
		strcpy(why, "swbreak:;");
		break;
	case DEBUG_EXECUTE:
		strcpy(why, "hwbreak:;");
		break;
	case DEBUG_WRITE:
	case DEBUG_ACCESS:
		snprintf(why, sizeof(why), "%s:%llx;", s->point == DEBUG_WRITE ? "watch" : "awatch",
			 (unsigned long long)s->addr);
		break;
	}
	reply_fmt("T%02xthread:%x;%s", gdb->signal, s->cpu + 1, why);
}

static void on_stop(const struct debug_stop *stop)
{
	/* It has been told of another one. */
	if (!gdb || gdb->stopped)
		return;
	gdb->stopped = true;
	gdb->stop = *stop;
	gdb->signal = SIGNAL_TRAP;
	gdb->cpu = stop->cpu;
	say_stop();
}

/* "-1" is all, "0" any of them; false: there is no such thread. */
static bool thread(const char **p, int *cpu)
{
	uint64_t id;

	*cpu = -1;
	if (skip(p, "-1"))
		return true;
	if (!number(p, &id) || id > gdb->vm->cfg->cpus)
		return false;
	*cpu = id ? (int)id - 1 : 0;
	return true;
}

static void resume(const uint8_t *action)
{
	gdb->stopped = false;
	debug_resume(gdb->vm, action);
}

/* "c" and "s": where they are told an address, they go on there. */
static void go_on(const char *p, enum debug_action what)
{
	uint8_t action[MAX_CPUS];
	struct debug_regs regs;
	uint64_t addr;

	if (*p) {
		if (!number(&p, &addr) || !debug_get_regs(gdb->vm, gdb->cpu, &regs)) {
			reply("E01");
			return;
		}
		regs.rip = addr;
		if (!debug_set_regs(gdb->vm, gdb->cpu, &regs)) {
			reply("E01");
			return;
		}
	}
	memset(action, what == DEBUG_STEP ? DEBUG_HOLD : DEBUG_RUN, sizeof(action));
	action[gdb->cpu] = what;
	resume(action);
}

/* "vCont;s:1;c": the first that is for a thread is what it does. */
static void go_on_each(const char *p)
{
	uint8_t action[MAX_CPUS] = { 0 };
	bool given[MAX_CPUS] = { 0 }, any = false;
	unsigned int i;
	uint64_t sig;
	int cpu;

	while (skip(&p, ";")) {
		enum debug_action what;
		char c = *p++;

		if (c != 'c' && c != 'C' && c != 's' && c != 'S')
			goto wrong;
		what = (c | 0x20) == 's' ? DEBUG_STEP : DEBUG_RUN;
		/* A signal is nothing to a guest. */
		if ((c == 'C' || c == 'S') && !number(&p, &sig))
			goto wrong;
		cpu = -1;
		if (skip(&p, ":") && !thread(&p, &cpu))
			goto wrong;
		for (i = 0; i < gdb->vm->cfg->cpus; i++) {
			if (given[i] || (cpu >= 0 && i != (unsigned int)cpu))
				continue;
			given[i] = true;
			any = true;
			action[i] = what;
		}
	}
	if (*p || !any)
		goto wrong;
	resume(action);
	return;
wrong:
	reply("E01");
}

static void memory(const char *p, bool write)
{
	uint8_t data[PACKET_MAX / 2];
	uint64_t addr, len;

	if (!number(&p, &addr) || !skip(&p, ",") || !number(&p, &len) ||
	    len > sizeof(data) - 1 ||
	    (write ? !skip(&p, ":") || !from_hex(p, data, len) : *p)) {
		reply("E01");
		return;
	}
	if (!debug_access(gdb->vm, gdb->cpu, addr, data, len, write)) {
		reply("E14");
	} else if (write) {
		reply("OK");
	} else {
		to_hex(gdb->text, data, len);
		reply(gdb->text);
	}
}

static void breakpoint(const char *p, bool insert)
{
	uint64_t type, addr, len;

	if (!number(&p, &type) || !skip(&p, ",") || !number(&p, &addr) || !skip(&p, ",") ||
	    !number(&p, &len) || type > DEBUG_ACCESS || len > 8)
		reply("E01");
	else if (type == DEBUG_READ)
		reply("");
	else if (insert)
		ok_if(debug_insert(gdb->vm, gdb->cpu, type, addr, len));
	else
		ok_if(debug_remove(gdb->vm, gdb->cpu, type, addr, len));
}

static const struct {
	const char *name, *type;
	unsigned int first, count, bytes;
} groups[] = {
	{ "cs\0ss\0ds\0es\0fs\0gs\0", "int32", 18, 6, 4 },
	{ NULL, "i387_ext", 24, 8, 10 },
	{ "fctrl\0fstat\0ftag\0fiseg\0fioff\0foseg\0fooff\0fop\0", "int", 32, 8, 4 },
	{ NULL, "uint128", 40, 16, 16 },
	{ "mxcsr\0", "int", 56, 1, 4 },
	{ "fs_base\0gs_base\0", "int", 57, 2, 8 },
	{ "cr0\0cr2\0cr3\0cr4\0efer\0", "int", 59, 5, 8 },
};

/* Where register @n is in struct debug_regs; its bytes, or 0 if there is none. */
static size_t place(uint64_t n, size_t *off)
{
	unsigned int i;

	if (n <= 16) {
		*off = 8 * n;
		return 8;
	}
	*off = offsetof(struct debug_regs, eflags);
	if (n == 17)
		return 4;
	for (*off += 4, i = 0; i < ARRAY_SIZE(groups); i++) {
		if (n < groups[i].first + groups[i].count) {
			*off += (n - groups[i].first) * groups[i].bytes;
			return groups[i].bytes;
		}
		*off += groups[i].count * groups[i].bytes;
	}
	return 0;
}

_Static_assert(sizeof(struct debug_regs) == 592, "as the groups say");

static void one_register(const char *p, bool write)
{
	struct debug_regs regs;
	size_t off, len = 0;
	uint64_t n;

	if (number(&p, &n))
		len = place(n, &off);
	if (!len || !debug_get_regs(gdb->vm, gdb->cpu, &regs)) {
		reply("E01");
	} else if (!write) {
		to_hex(gdb->text, (uint8_t *)&regs + off, len);
		reply(gdb->text);
	} else {
		ok_if(skip(&p, "=") && from_hex(p, (uint8_t *)&regs + off, len) &&
		      debug_set_regs(gdb->vm, gdb->cpu, &regs));
	}
}

static void all_registers(const char *p, bool write)
{
	struct debug_regs regs;

	if (write) {
		ok_if(from_hex(p, &regs, sizeof(regs)) &&
		      debug_set_regs(gdb->vm, gdb->cpu, &regs));
	} else if (debug_get_regs(gdb->vm, gdb->cpu, &regs)) {
		to_hex(gdb->text, &regs, sizeof(regs));
		reply(gdb->text);
	} else {
		reply("E01");
	}
}

static size_t add_group(char *buf, size_t size, unsigned int g, const char *stem)
{
	const char *name = groups[g].name;
	unsigned int i;
	size_t n = 0;
	char made[16];

	for (i = 0; i < groups[g].count; i++) {
		if (!groups[g].name) {
			snprintf(made, sizeof(made), "%s%u", stem, i);
			name = made;
		}
		n += snprintf(buf + n, size - n, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>",
			      name, groups[g].bytes * 8, groups[g].type);
		if (groups[g].name)
			name += strlen(name) + 1;
	}
	return n;
}

/* What registers there are, in the order of struct debug_regs. */
static size_t describe_target(char *buf, size_t size)
{
	static const char *const gprs[] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp",
		"rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
	unsigned int i;
	size_t n;

	n = snprintf(buf, size, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target><architecture>i386:x86-64</architecture><feature name=\"org.gnu.gdb.i386.core\">");
	for (i = 0; i < ARRAY_SIZE(gprs); i++)
		n += snprintf(buf + n, size - n, "<reg name=\"%s\" bitsize=\"64\" type=\"%s\"/>",
			      gprs[i], i == 6 || i == 7 ? "data_ptr" : "int64");
	n += snprintf(buf + n, size - n, "<reg name=\"rip\" bitsize=\"64\" type=\"code_ptr\"/><reg name=\"eflags\" bitsize=\"32\" type=\"int\"/>");
	for (i = 0; i < 3; i++)
		n += add_group(buf + n, size - n, i, "st");
	n += snprintf(buf + n, size - n, "</feature><feature name=\"org.gnu.gdb.i386.sse\">");
	n += add_group(buf + n, size - n, 3, "xmm");
	n += add_group(buf + n, size - n, 4, "");
	n += snprintf(buf + n, size - n, "</feature><feature name=\"org.gnu.gdb.i386.segments\">");
	n += add_group(buf + n, size - n, 5, "");
	n += snprintf(buf + n, size - n, "</feature><feature name=\"lodge.system\">");
	n += add_group(buf + n, size - n, 6, "");
	return n + snprintf(buf + n, size - n, "</feature></target>");
}

/* "OFFSET,LENGTH" of the description. */
static void send_target(const char *p)
{
	char xml[2 * PACKET_MAX];
	size_t size = describe_target(xml, sizeof(xml));
	uint64_t off, len;

	if (!number(&p, &off) || !skip(&p, ",") || !number(&p, &len) || off > size) {
		reply("E01");
		return;
	}
	if (len > PACKET_MAX - 2)
		len = PACKET_MAX - 2;
	if (len > size - off)
		len = size - off;
	/* Nothing in it has to be escaped. */
	reply_fmt("%c%.*s", off + len < size ? 'm' : 'l', (int)len, xml + off);
}

static void list_threads(void)
{
	unsigned int cpus = gdb->vm->cfg->cpus;
	size_t n = 0;

	if (gdb->listed == cpus) {
		reply("l");
		return;
	}
	while (gdb->listed < cpus && n < sizeof(gdb->text) - 16)
		n += snprintf(gdb->text + n, sizeof(gdb->text) - n, "%c%x", n ? ',' : 'm',
			      ++gdb->listed);
	reply(gdb->text);
}

static void query(const char *p)
{
	char words[32];
	int cpu;

	if (skip(&p, "Supported")) {
		reply_fmt("PacketSize=%x;qXfer:features:read+;swbreak+;hwbreak+;vContSupported+;QStartNoAckMode+",
			  PACKET_MAX - 1);
	} else if (skip(&p, "Xfer:features:read:target.xml:")) {
		send_target(p);
	} else if (!strcmp(p, "fThreadInfo")) {
		gdb->listed = 0;
		list_threads();
	} else if (!strcmp(p, "sThreadInfo")) {
		list_threads();
	} else if (skip(&p, "ThreadExtraInfo,") && thread(&p, &cpu) && cpu >= 0) {
		to_hex(gdb->text, words, snprintf(words, sizeof(words), "vCPU %d", cpu));
		reply(gdb->text);
	} else if (!strcmp(p, "C")) {
		reply_fmt("QC%x", gdb->cpu + 1);
	} else if (!strncmp(p, "Attached", 8)) {
		reply("1");
	} else {
		reply("");
	}
}

static void select_thread(const char *p)
{
	bool registers = *p == 'g';
	int cpu;

	if (!*p++ || !thread(&p, &cpu)) {
		reply("E01");
		return;
	}
	if (registers && cpu >= 0)
		gdb->cpu = cpu;
	reply("OK");
}

static void packet(const char *p)
{
	char c = *p++;
	int cpu;

	switch (c) {
	case '?':
		say_stop();
		break;
	case 'g':
	case 'G':
		all_registers(p, c == 'G');
		break;
	case 'p':
	case 'P':
		one_register(p, c == 'P');
		break;
	case 'm':
	case 'M':
		memory(p, c == 'M');
		break;
	case 'c':
		go_on(p, DEBUG_RUN);
		break;
	case 's':
		go_on(p, DEBUG_STEP);
		break;
	case 'Z':
	case 'z':
		breakpoint(p, c == 'Z');
		break;
	case 'H':
		select_thread(p);
		break;
	case 'T':
		ok_if(thread(&p, &cpu) && cpu >= 0);
		break;
	case 'q':
		query(p);
		break;
	case 'v':
		if (!strcmp(p, "Cont?"))
			reply("vCont;c;C;s;S");
		else if (skip(&p, "Cont"))
			go_on_each(p);
		else
			reply("");
		break;
	case 'Q':
		gdb->no_ack |= !strcmp(p, "StartNoAckMode");
		reply(gdb->no_ack ? "OK" : "");
		break;
	case 'D':
		reply("OK");
		gdb->over = true;
		break;
	case 'k':
		vm_stop(gdb->vm, STATUS_QUIT, "ended by the debugger");
		gdb->over = true;
		break;
	default:
		reply("");
	}
}

static void complete(int high, int low)
{
	bool right = high >= 0 && low >= 0 && (high << 4 | low) == gdb->sum && gdb->n < sizeof(gdb->in);

	if (!gdb->no_ack)
		gdb->send(right ? "+" : "-", 1);
	if (!right)
		return;
	gdb->in[gdb->n] = 0;
	/* One that runs is only to be interrupted. */
	if (gdb->stopped)
		packet(gdb->in);
}

static void interrupt(void)
{
	if (gdb->stopped)
		return;
	gdb->stopped = true;
	gdb->signal = debug_interrupt(gdb->vm) ? SIGNAL_INT : 0;
	gdb->stop = (struct debug_stop){ .cpu = gdb->cpu, .point = -1 };
	say_stop();
}

static void take(char c)
{
	switch (gdb->state) {
	case OUTSIDE:
		if (c == INTERRUPT)
			interrupt();
		if (c != '$')
			break;
		gdb->state = INSIDE;
		gdb->n = 0;
		gdb->sum = 0;
		break;
	case INSIDE:
		if (c == '#') {
			gdb->state = SUM1;
			break;
		}
		gdb->sum += c;
		/* What is too long is counted, and thrown away at its end. */
		if (gdb->n < sizeof(gdb->in))
			gdb->in[gdb->n++] = c;
		break;
	case SUM1:
		gdb->high = digit(c);
		gdb->state = SUM2;
		break;
	case SUM2:
		gdb->state = OUTSIDE;
		complete(gdb->high, digit(c));
	}
}

/**
 * gdb_begin() - a debugger has the machine, which stops
 * @vm: the machine
 * @send: takes what it is told; it may not wait
 *
 * Return: false if a device keeps a vCPU, or there is no memory.
 */
bool gdb_begin(struct vm *vm, void (*send)(const void *data, size_t len))
{
	struct gdb *new = calloc(1, sizeof(*new));

	if (!new || !debug_attach(vm, on_stop)) {
		free(new);
		return false;
	}
	new->vm = vm;
	new->send = send;
	new->stopped = true;
	new->signal = SIGNAL_INT;
	new->stop.point = -1;
	gdb = new;
	return true;
}

/** gdb_input() - what the debugger says; false: it has nothing more to say. */
bool gdb_input(const void *data, size_t len)
{
	const char *p = data;

	while (len-- && !gdb->over)
		take(*p++);
	return !gdb->over;
}

/** gdb_end() - the debugger is gone; the machine goes on. */
void gdb_end(void)
{
	struct vm *vm = gdb->vm;

	free(gdb);
	gdb = NULL;
	debug_detach(vm);
}

/** gdb_holds() - is the machine stopped by a debugger? */
bool gdb_holds(void)
{
	return gdb && gdb->stopped;
}
