// SPDX-License-Identifier: GPL-2.0-only
/*
 * The runner: every test in a process of its own, bounded in time, TAP out.
 *
 *	abi [-l] [-t FACTOR] [-x GROUP]... [GROUP | GROUP.TEST]...
 */
#include <cpuid.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "ltest.h"

extern struct test __start_ltests[], __stop_ltests[];

#define EXIT_SKIP 77

static struct { char skip[256]; } *shared;
static bool failed;

static void say(const char *fmt, va_list ap)
{
	char line[1024], *s = line, *nl;

	vsnprintf(line, sizeof(line), fmt, ap);
	while (s && *s) {
		nl = strchr(s, '\n');
		if (nl)
			*nl++ = 0;
		printf("# %s\n", s);
		s = nl;
	}
	fflush(stdout);
}

void test_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	char text[900];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	test_note("%s:%d: %s", base ? base + 1 : file, line, text);
	failed = true;
}

void test_cond(const char *file, int line, const char *cond,
	       const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	test_fail(file, line, "%s%s%s", cond, *text ? ": " : "", text);
}

void test_die(void)
{
	_exit(1);
}

void test_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shared->skip, sizeof(shared->skip), fmt, ap);
	va_end(ap);
	_exit(failed ? 1 : EXIT_SKIP);
}

/* Seconds; how long a test took is said only if it took longer. */
#define LONG	10

/*
 * The child leads a process group, so that what it started goes with it.
 */
static int run_one(const struct test *t, unsigned int seconds)
{
	struct timespec tick = { .tv_nsec = 5000000 }, start, now;
	int status;
	pid_t pid;

	shared->skip[0] = 0;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid) {
		setpgid(0, 0);
		t->fn();
		fflush(stdout);
		_exit(failed);
	}
	setpgid(pid, pid);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		pid_t r = waitpid(pid, &status, WNOHANG);

		if (r == pid)
			break;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > seconds) {
			test_note("no end after %u s", seconds);
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		nanosleep(&tick, NULL);
	}
	kill(-pid, SIGKILL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - start.tv_sec > LONG)
		test_note("%lu s", now.tv_sec - start.tv_sec);
	if (WIFSIGNALED(status)) {
		test_note("killed by signal %d", WTERMSIG(status));
		return -1;
	}
	return WEXITSTATUS(status);
}

/* What -x leaves out. */
static const char *left_out[16];

static bool chosen(const struct test *t, int argc, char **argv)
{
	char full[128];
	int i;

	for (i = 0; i < ARRAY_SIZE(left_out) && left_out[i]; i++)
		if (!strcmp(left_out[i], t->group))
			return false;
	if (!argc)
		return true;
	snprintf(full, sizeof(full), "%s.%s", t->group, t->name);
	for (i = 0; i < argc; i++)
		if (!strcmp(argv[i], t->group) || !strcmp(argv[i], full))
			return true;
	return false;
}

unsigned int test_factor = 1;

/* The order of the sources, which a section does not keep. */
static int by_place(const void *a, const void *b)
{
	const struct test *s = a, *t = b;

	return strcmp(s->group, t->group) ?: (int)s->line - (int)t->line;
}

int main(int argc, char **argv)
{
	unsigned int n = 0, bad = 0, factor = 1, out = 0;
	const struct test *t;
	bool list = false;
	int c;

	while ((c = getopt(argc, argv, "lt:x:")) != -1) {
		switch (c) {
		case 'l':
			list = true;
			break;
		case 't':
			factor = test_factor = atoi(optarg);
			break;
		case 'x':
			if (out < ARRAY_SIZE(left_out))
				left_out[out++] = optarg;
			break;
		default:
			fprintf(stderr, "usage: %s [-l] [-t factor] [-x group]... [group[.test]]...\n",
				argv[0]);
			return 2;
		}
	}
	argc -= optind;
	argv += optind;
	qsort(__start_ltests, __stop_ltests - __start_ltests,
	      sizeof(struct test), by_place);
	for (t = __start_ltests; t < __stop_ltests; t++)
		n += chosen(t, argc, argv);
	if (!n) {
		fprintf(stderr, "abi: no such test\n");
		return 2;
	}
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!list)
		printf("TAP version 13\n1..%u\n# node %s\n", n, node_path());
	n = 0;
	for (t = __start_ltests; t < __stop_ltests; t++) {
		int r;

		if (!chosen(t, argc, argv))
			continue;
		if (list) {
			printf("%s.%s\n", t->group, t->name);
			continue;
		}
		r = run_one(t, t->timeout * factor);
		n++;
		if (r == EXIT_SKIP)
			printf("ok %u - %s.%s # SKIP %s\n", n, t->group,
			       t->name, shared->skip);
		else
			printf("%s %u - %s.%s\n", r ? "not ok" : "ok", n,
			       t->group, t->name);
		bad += r && r != EXIT_SKIP;
		fflush(stdout);
	}
	return bad != 0;
}

/* ---- the node ---- */

const char *node_path(void)
{
	const char *node = getenv("LODGE_NODE");

	if (node && *node)
		return node;
	return "/dev/lodge";
}

bool node_is_kvm(void)
{
	return !strcmp(node_path(), "/dev/kvm") &&
		access("/sys/module/lodge", F_OK);
}

uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

int node_open(void)
{
	int fd = open(node_path(), O_RDWR | O_CLOEXEC);

	MUST(fd >= 0, "%s: %s", node_path(), strerror(errno));
	return fd;
}

int node_cap(int cap)
{
	int fd = node_open(), r;

	r = OK(ioctl(fd, KVM_CHECK_EXTENSION, cap));
	close(fd);
	return r;
}

/*
 * A capability that is not claimed is no promise broken. Which capabilities
 * must be there at all is what abi/system.c says.
 */
void need_cap(int cap, const char *name)
{
	if (node_cap(cap) <= 0)
		test_skip("no %s", name);
}

int host_release(void)
{
	struct utsname u;
	int major, minor;

	uname(&u);
	MUST(sscanf(u.release, "%d.%d", &major, &minor) == 2, "%s", u.release);
	return major * 100 + minor;
}

bool host_is_intel(void)
{
	unsigned int eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	return ebx == signature_INTEL_ebx;
}
