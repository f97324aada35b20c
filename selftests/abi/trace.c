// SPDX-License-Identifier: GPL-2.0-only
/*
 * lodge's tracepoints, in an instance of tracefs of this test's own: each one
 * comes where Documentation/tracing.rst says, with fields that tell the truth.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <regex.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ltest.h"
#include "trace.guest.gen.h"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/lodge-abi"
#define ID		3	/* a vCPU's id that no field has by chance */

static const char *const events[] = {
	"lodge_cpuid", "lodge_entry", "lodge_eoi", "lodge_exit",
	"lodge_hypercall", "lodge_inject", "lodge_irq_ack", "lodge_mmio",
	"lodge_msr", "lodge_npf", "lodge_pio", "lodge_timer", "lodge_user_exit",
};

static char *trace;	/* what the instance's buffer had, as text */

static void put(const char *file, const char *text)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), INSTANCE "/%s", file);
	fd = OK(open(path, O_WRONLY | O_TRUNC));
	OK(write(fd, text, strlen(text)));
	close(fd);
}

static void need_tracefs(void)
{
	if (node_is_kvm())
		test_skip("KVM has tracepoints of its own");
	if (access(TRACEFS "/instances", W_OK))
		test_skip("no tracefs in this kernel");
}

static void trace_begin(void)
{
	char pid[16];

	need_tracefs();
	/* One that was killed may have left it. */
	rmdir(INSTANCE);
	OK(mkdir(INSTANCE, 0700));
	snprintf(pid, sizeof(pid), "%d", getpid());
	put("set_event_pid", pid);
	put("events/lodge/enable", "1");
}

static void trace_end(void)
{
	size_t size = 0, room = 1 << 20;
	ssize_t n;
	int fd;

	put("events/lodge/enable", "0");
	trace = malloc(room);
	fd = OK(open(INSTANCE "/trace", O_RDONLY));
	while ((n = OK(read(fd, trace + size, room - size - 1))) > 0) {
		size += n;
		if (room - size < 65536)
			trace = realloc(trace, room *= 2);
	}
	trace[size] = 0;
	close(fd);
	OK(rmdir(INSTANCE));
}

/* How many lines there are that have a match. */
static int __attribute__((format(printf, 1, 2))) lines(const char *fmt, ...)
{
	char pattern[256];
	regex_t regex;
	regmatch_t m;
	va_list ap;
	const char *at;
	int n = 0;

	va_start(ap, fmt);
	vsnprintf(pattern, sizeof(pattern), fmt, ap);
	va_end(ap);
	MUST(!regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE));
	for (at = trace; !regexec(&regex, at, 1, &m, 0); at += m.rm_eo)
		n++;
	regfree(&regex);
	return n;
}

#define SEEN(fmt, ...) CHECK(lines(fmt "$", ##__VA_ARGS__), \
			     "no line has " fmt, ##__VA_ARGS__)

/* The names are an interface, and complete in this list. */
TEST(names)
{
	struct dirent *d;
	size_t i, n = 0;
	DIR *dir;

	need_tracefs();
	dir = opendir(TRACEFS "/events/lodge");
	MUST(dir, "no events");
	while ((d = readdir(dir))) {
		if (strncmp(d->d_name, "lodge_", 6))
			continue;
		n++;
		for (i = 0; i < ARRAY_SIZE(events); i++)
			if (!strcmp(d->d_name, events[i]))
				break;
		CHECK(i < ARRAY_SIZE(events), "%s is new", d->d_name);
	}
	CHECK_EQ(n, ARRAY_SIZE(events));
	closedir(dir);
}

/* After an entry comes an exit, and nothing of a guest comes outside of both. */
static void entries_and_exits(void)
{
	bool inside = false;
	const char *at, *next;
	int entries = 0;

	for (at = trace; *at; at = next) {
		const char *entry, *left;

		next = strchrnul(at, '\n');
		entry = memmem(at, next - at, "lodge_entry: ", 13);
		left = memmem(at, next - at, "lodge_exit: ", 12);
		if (entry || left) {
			CHECK(inside == !entry, "%.*s", (int)(next - at), at);
			inside = entry;
			entries += !!entry;
		}
		next += *next == '\n';
	}
	CHECK(!inside, "the last entry has no exit");
	CHECK(entries > 5, "%d entries", entries);
}

TEST_TIMEOUT(plain, 60)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, ID, LONG64, G_plain);
	struct kvm_interrupt irq = { 0x51 };

	trace_begin();
	want_io(v, true, 0x1234, 4, 1);
	want_mmio(v, true, 0xd0000000, 4);
	want_mark(v, 1);
	OK(ioctl(v->fd, KVM_INTERRUPT, &irq));
	want_mark(v, 2);
	OK(ioctl(v->fd, KVM_NMI, 0));
	want_done(v);
	trace_end();

	entries_and_exits();
	SEEN("lodge_entry: vcpu %d rip 0x%lx", ID, (long)G_plain);
	if (host_is_intel())
		SEEN("lodge_exit: vcpu %d reason 0xa CPUID rip 0x%lx info 0x[0-9a-f]+ 0x[0-9a-f]+",
		     ID, (long)G_at_cpuid);
	else
		SEEN("lodge_exit: vcpu %d reason 0x72 cpuid rip 0x%lx info 0x[0-9a-f]+ 0x[0-9a-f]+",
		     ID, (long)G_at_cpuid);
	SEEN("lodge_cpuid: vcpu %d rip 0x1[0-9a-f]{4} leaf 0x80000000\\.0 = 800000[0-9a-f]{2}( [0-9a-f]{8}){3}",
	     ID);
	SEEN("lodge_msr: vcpu %d rip 0x1[0-9a-f]{4} rdmsr 0xbadc0de = 0x0 #GP", ID);
	SEEN("lodge_inject: vcpu %d rip 0x1[0-9a-f]{4} exception vector 13 error 0x0", ID);
	SEEN("lodge_pio: vcpu %d rip 0x1[0-9a-f]{4} write 0x1234 len 4 val 0xabcd5678", ID);
	SEEN("lodge_user_exit: vcpu %d rip 0x1[0-9a-f]{4} reason 2 ret 0", ID);
	SEEN("lodge_npf: vcpu %d rip 0x%lx gpa 0x500000 [a-z|]*write[a-z|]* result -?[0-9]+",
	     ID, (long)G_at_far);
	SEEN("lodge_npf: vcpu %d rip 0x1[0-9a-f]{4} gpa 0xd0000000 [a-z|]*write[a-z|]* result -?[0-9]+",
	     ID);
	SEEN("lodge_user_exit: vcpu %d rip 0x1[0-9a-f]{4} reason 6 ret 0", ID);
	SEEN("lodge_inject: vcpu %d rip 0x1[0-9a-f]{4} irq vector 81 error 0x0", ID);
	SEEN("lodge_inject: vcpu %d rip 0x1[0-9a-f]{4} nmi vector 2 error 0x0", ID);
	SEEN("lodge_hypercall: vcpu %d rip 0x1[0-9a-f]{4} nr 32767 a0 0x1234 a1 0x[0-9a-f]+ ret 0x[0-9a-f]+",
	     ID);
	CHECK_EQ(lines("lodge_inject: .* irq "), 1);
	CHECK_EQ(lines("lodge_inject: .* nmi "), 1);
}

TEST_TIMEOUT(apic, 60)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_apic);

	trace_begin();
	want_done(v);
	trace_end();

	entries_and_exits();
	SEEN("lodge_mmio: vcpu 0 rip 0x1[0-9a-f]{4} write 0xfec00010 len 4 val 0x10063");
	SEEN("lodge_timer: vcpu 0 vector 98");
	/* Virtual-interrupt delivery does the rest without an exit. */
	if (host_is_intel())
		return;
	SEEN("lodge_irq_ack: vcpu 0 vector 97");
	SEEN("lodge_inject: vcpu 0 rip 0x1[0-9a-f]{4} irq vector 97 error 0x0");
	SEEN("lodge_eoi: vcpu 0 vector 97");
	SEEN("lodge_irq_ack: vcpu 0 vector 98");
	SEEN("lodge_inject: vcpu 0 rip 0x1[0-9a-f]{4} irq vector 98 error 0x0");
	SEEN("lodge_eoi: vcpu 0 vector 98");
}

/* Events that are off cost nothing and say nothing. */
TEST(off)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, ID, LONG64, G_plain);

	trace_begin();
	put("events/lodge/enable", "0");
	want_io(v, true, 0x1234, 4, 1);
	trace_end();
	CHECK_EQ(lines("lodge_"), 0);
}
