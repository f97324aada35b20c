// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory suite: a guest writes pages, and they are merged: lodge's by
 * LODGE_MEMORY_MERGE, KVM's by the host's ksmd. What is done at once is counted
 * between marks; of ksmd the scheduler says how long it ran, and a nanosecond
 * is an instruction on this host. "figure NAME VALUE" and "pages NAME NUMBER"
 * are for bench.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../uapi/lodge.h"
#include "ltest.h"
#include "memory.h"
#include "rows.h"
#include "memory.guest.gen.h"

#define KSM		"/sys/kernel/mm/ksm/"
#define PARAMETERS	"/sys/module/lodge/parameters/"
#define BYTES		(PAGES * PAGE)
#define GROUPS		"/tmp/bench-cgroup"
#define GROUP		GROUPS "/held"

static uint64_t number_in(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned long n;

	MUST(f && fscanf(f, "%lu", &n) == 1, "%s", path);
	fclose(f);
	return n;
}

static void write_number(const char *path, uint64_t n)
{
	FILE *f = fopen(path, "w");

	MUST(f && fprintf(f, "%lu\n", (unsigned long)n) > 0 && !fclose(f), "%s", path);
}

static void nap(unsigned int ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000ul };

	nanosleep(&ts, NULL);
}

/* ---- the guest and its memory ---- */

struct guest {
	struct vcpu *v;
	uint8_t *mem;
	int fd;			/* of lodge memory, or -1 */
};

static void go(struct guest *g, uint64_t entry, uint64_t a, uint64_t b)
{
	vcpu_mode(g->v, LONG64, entry);
	vcpu_args(g->v, a, b);
	OK(ioctl(g->v->fd, KVM_RUN, 0));
	report_guest_failure(g->v);
}

/* One that has filled its memory with @fill, which has @how as its second argument. */
static struct guest guest_filled(uint64_t pages, uint64_t fill, uint64_t how)
{
	struct lodge_create_memory c = {
		.size = sizeof(c), .flags = LODGE_MEMORY_MERGEABLE, .bytes = pages * PAGE,
	};
	struct vm *vm = vm_new_irqchip(&payload);
	struct guest g = { .v = vcpu_bare(vm, 0), .fd = -1 };

	if (!node_is_kvm()) {
		/* When we say so, and not by itself. */
		write_number(PARAMETERS "ksm_budget", 0);
		g.fd = OK(ioctl(node_open(), LODGE_CREATE_MEMORY, &c));
	}
	g.mem = mmap(NULL, c.bytes, PROT_READ | PROT_WRITE,
		     g.fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, g.fd, 0);
	MUST(g.mem != MAP_FAILED, "%s", strerror(errno));
	if (g.fd < 0) {
		OK(madvise(g.mem, c.bytes, MADV_NOHUGEPAGE));
		OK(madvise(g.mem, c.bytes, MADV_MERGEABLE));
	}
	vm_slot(vm, 1, 0, G_TEST, c.bytes, g.mem);
	vcpu_set_cpuid(g.v, cpuid_supported());
	go(&g, fill, pages, how);
	return g;
}

/* So that of each page there are so many. */
static struct guest guest_new(unsigned int alike)
{
	return guest_filled(PAGES, G_fill, alike);
}

/* ---- lodge ---- */

static uint64_t merge(int fd)
{
	struct lodge_memory_merge m = { .size = sizeof(m) };

	OK(ioctl(fd, LODGE_MEMORY_MERGE, &m));
	CHECK_EQ(m.skipped, 0);
	return m.merged;
}

static uint64_t saved(int fd)
{
	struct lodge_domain_info info = { .size = sizeof(info) };

	OK(ioctl(fd, LODGE_DOMAIN_INFO, &info));
	return info.sharing - info.shared;
}

/* ---- ksmd ---- */

/* How long it ran, in ns. */
static uint64_t ksmd_ran(void)
{
	static char path[300];
	struct dirent *entry;
	char comm[16];
	DIR *proc;

	if (path[0])
		return number_in(path);
	proc = opendir("/proc");
	while (proc && (entry = readdir(proc))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		comm[0] = 0;
		if (fscanf(f, "%15s", comm) == 1 && !strcmp(comm, "ksmd")) {
			fclose(f);
			closedir(proc);
			snprintf(path, sizeof(path), "/proc/%s/schedstat", entry->d_name);
			return number_in(path);
		}
		fclose(f);
	}
	MUST(false, "no ksmd");
	return 0;
}

static void ksmd_run(bool on)
{
	write_number(KSM "sleep_millisecs", 1);
	write_number(KSM "pages_to_scan", 512);
	write_number(KSM "run", on);
}

/* When it has just ended a pass, the nth from now: what it had run. */
static uint64_t ksmd_passes(unsigned int n)
{
	uint64_t to = number_in(KSM "full_scans") + n;

	while (number_in(KSM "full_scans") < to)
		nap(2);
	return ksmd_ran();
}

/* ---- the rows ---- */

/* All is known, nothing is written: what a pass over it costs. */
TEST_TIMEOUT(pass_unwritten, 200)
{
	struct guest g = guest_new(1);
	uint64_t ran;
	int i;

	if (g.fd < 0) {
		ksmd_run(true);
		/* Checksums first; in the next one pages are in the unstable tree. */
		ran = ksmd_passes(3);
		printf("figure pass-unwritten %.3f\n",
		       (double)(ksmd_passes(4) - ran) / (4 * PAGES));
		ksmd_run(false);
		return;
	}
	printf("pages pass-unwritten %lu\n", PAGES);
	merge(g.fd);
	for (i = 0; i < 5; i++) {
		BEGIN(ROW_PASS);
		merge(g.fd);
		END(ROW_PASS);
	}
}

/* One pass by itself; how long it ran. */
static uint64_t scan(int fd)
{
	struct lodge_domain_info from = { .size = sizeof(from) }, to = from;

	OK(ioctl(fd, LODGE_DOMAIN_INFO, &from));
	write_number(PARAMETERS "ksm_budget", 100);
	do {
		nap(2);
		OK(ioctl(fd, LODGE_DOMAIN_INFO, &to));
	} while (to.passes == from.passes);
	write_number(PARAMETERS "ksm_budget", 0);
	return to.cpu_ns - from.cpu_ns;
}

/* Pages that are written again and again: the writes, and a pass after each of them. */
TEST_TIMEOUT(pass_rewritten, 200)
{
	struct guest g = guest_new(1);
	struct timespec from, to;
	uint64_t ns = 0, ran;
	int i;

	if (g.fd >= 0)
		write_number(PARAMETERS "ksm_pass_ms", 50);
	for (i = 0; i < REWRITES; i++) {
		clock_gettime(CLOCK_MONOTONIC, &from);
		go(&g, G_rewrite, PAGES, i);
		clock_gettime(CLOCK_MONOTONIC, &to);
		ns += (to.tv_sec - from.tv_sec) * 1000000000l + to.tv_nsec - from.tv_nsec;
		if (g.fd >= 0) {
			ns += scan(g.fd);
			continue;
		}
		ran = ksmd_ran();
		ksmd_run(true);
		ns += ksmd_passes(1) - ran;
		ksmd_run(false);
	}
	printf("figure pass-rewritten %.0f\n", (double)ns / (REWRITES * PAGES));
}

/* What the merging of half of the pages costs, for each that is not held any more. */
TEST_TIMEOUT(merge_half, 200)
{
	struct guest g = guest_new(TWINS);
	uint64_t ran, want = PAGES - PAGES / TWINS;

	if (g.fd < 0) {
		ran = ksmd_ran();
		ksmd_run(true);
		while (number_in(KSM "pages_sharing") < want)
			nap(2);
		printf("figure merge-half %.0f\n", (double)(ksmd_ran() - ran) / want);
		ksmd_run(false);
		return;
	}
	printf("pages merge-half %lu\n", want);
	BEGIN(ROW_MERGE);
	merge(g.fd);
	END(ROW_MERGE);
	CHECK_EQ(saved(g.fd), want);
}

/* Merged, mapped again, and written: all but one of each page's sharers copy it. */
static void in_guest(uint64_t entry)
{
	struct guest g = guest_new(SHARERS);

	if (g.fd < 0) {
		ksmd_run(true);
		while (number_in(KSM "pages_sharing") < PAGES - PAGES / SHARERS)
			nap(2);
		ksmd_run(false);
	} else {
		merge(g.fd);
		CHECK_EQ(saved(g.fd), PAGES - PAGES / SHARERS);
	}
	go(&g, G_look, PAGES, 0);
	go(&g, entry, PAGES / SHARERS, 0);
}

/* The reference is what a process pays that writes to what it shares since fork(). */
static void in_process(void (*write)(volatile uint8_t *p))
{
	uint8_t *mem = mem_new(BYTES);
	size_t i;
	pid_t child;

	OK(madvise(mem, BYTES, MADV_NOHUGEPAGE));
	memset(mem, 1, BYTES);
	child = OK(fork());
	if (!child) {
		for (i = 0; i < PAGES / SHARERS; i++)
			write(mem + i * PAGE);
		_exit(0);
	}
	OK(waitpid(child, NULL, 0));
}

static void write_shared(volatile uint8_t *p)
{
	BEGIN(ROW_BREAK);
	*p = 2;
	END(ROW_BREAK);
}

TEST_TIMEOUT(break_sharing, 200)
{
	if (node_is_kvm())
		in_process(write_shared);
	else
		in_guest(G_write);
}

TEST_TIMEOUT(break_in_guest, 200)
{
	in_guest(G_write_again);
}

static void write_beside(volatile uint8_t *p)
{
	BEGIN(ROW_UNPACK);
	*p = 2;
	END(ROW_UNPACK);
}

/* Compressed, and read: beside the copy-on-write of a process. */
TEST_TIMEOUT(unpack, 200)
{
	struct lodge_memory_reclaim r = { .size = sizeof(r), .bytes = BYTES };
	struct lodge_memory_info info = { .size = sizeof(info) };
	struct guest g;

	if (node_is_kvm()) {
		in_process(write_beside);
		return;
	}
	g = guest_filled(PAGES, G_fill_records, 0);
	OK(ioctl(g.fd, LODGE_MEMORY_RECLAIM, &r));
	OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.pages[LODGE_PAGE_COMPRESSED], PAGES);
	test_note("%llu bytes a page", info.packed / PAGES);
	go(&g, G_look_again, PAGES, 0);
}

/* ---- a guest that is held to less than it has ---- */

static void put(const char *path, const char *text)
{
	int fd = OK(open(path, O_WRONLY));

	OK(write(fd, text, strlen(text)));
	close(fd);
}

/* This process may have so much, and what goes beyond that is compressed or swapped. */
static void hold_to(uint64_t bytes)
{
	struct lodge_swap_set set = { .size = sizeof(set) };

	set.fd = OK(open("/tmp/bench-swap", O_RDWR | O_CREAT | O_TRUNC, 0600));
	/* A tmpfs: who writes there first is charged, and that isn't to be the guest. */
	OK(fallocate(set.fd, 0, 0, bytes));
	OK(ioctl(node_open(), LODGE_SWAP_SET, &set));
	mkdir(GROUPS, 0700);
	OK(mount("none", GROUPS, "cgroup2", 0, NULL));
	put(GROUPS "/cgroup.subtree_control", "+memory");
	OK(mkdir(GROUP, 0700));
	write_number(GROUP "/memory.max", bytes);
	put(GROUP "/cgroup.procs", "0");
}

static void work(uint64_t entry, const char *row)
{
	struct guest g = guest_filled(WHOLE, G_fill_records, 0);
	struct lodge_memory_info info = { .size = sizeof(info) };

	printf("pages %s %lu\n", row, WORKING * ROUNDS);
	go(&g, entry, WORKING, WARM);
	OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
	printf("# %llu MiB private, %llu compressed in %llu, %llu swapped\n",
	       info.pages[LODGE_PAGE_PRIVATE] / 256,
	       info.pages[LODGE_PAGE_COMPRESSED] / 256, info.pool >> 20,
	       info.pages[LODGE_PAGE_SWAPPED] / 256);
}

TEST_TIMEOUT(working_set_free, 600)
{
	work(G_work_free, "working-set-free");
}

TEST_TIMEOUT(working_set, 600)
{
	hold_to(WHOLE / 2 * PAGE);
	work(G_work_held, "working-set");
}
