// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VM uses is charged to the process that asked, and bounded: a child in
 * a memory cgroup makes VMs, and its account is looked at from outside.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "klog.h"
#include "object.h"
#include "charge.guest.gen.h"

#define VCPUS		64
#define FIRST_GIB	4	/* those below are the payload's own */
#define LAST_GIB	512
#define GIBS		(LAST_GIB - FIRST_GIB)
#define TABLES		0x400000UL
#define LOG_SIZE	(64UL << 30)
#define LOG_BYTES	(LOG_SIZE / 4096 / 8)

/* Bytes that the kernel has allocated for the group. */
static long kernel_bytes(void)
{
	return group_get("memory.stat", "\nkernel ");
}

/* ---- the child ---- */

static int line;	/* to the other side */

/* Tells what has been done, or -errno, and waits to be told to go on. */
static void step(int done)
{
	char c;

	if (write(line, &done, sizeof(done)) != sizeof(done) ||
	    read(line, &c, 1) != 1)
		_exit(1);
}

/* What may fail for want of memory. */
#define TRY(expr) ({							\
	long r_ = (long)(expr);						\
	if (r_ == -1) {							\
		step(-errno);						\
		_exit(0);						\
	}								\
	r_; })

static void make_vcpus(int fd, int n)
{
	int i;

	for (i = 1; i <= n; i++)
		TRY(ioctl(fd, KVM_CREATE_VCPU, i));
}

/* One page of the process, in each gigabyte. */
static void make_slots(struct vm *vm)
{
	void *page = mem_new(4096);
	int i;

	memset(page, 1, 4096);
	for (i = 0; i < GIBS; i++)
		TRY(vm_slot_try(vm, 1 + i, 0, (uint64_t)(FIRST_GIB + i) << 30,
				4096, page));
}

static void make_tables(struct vm *vm, struct vcpu *v)
{
	uint64_t *pdpt = (uint64_t *)(vm->mem + G_PDPT);
	int i;

	for (i = FIRST_GIB; i < LAST_GIB; i++) {
		uint64_t pd = TABLES + (i - FIRST_GIB) * 4096;

		*(uint64_t *)(vm->mem + pd) = (uint64_t)i << 30 | 0x83;
		pdpt[i] = pd | 3;
	}
	vcpu_args(v, FIRST_GIB, LAST_GIB);
	TRY(ioctl(v->fd, KVM_RUN, 0));
}

/* Dirty bitmaps, of memory that nobody touches, behind all gigabytes. */
static void make_logs(struct vm *vm, int n)
{
	void *space = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			   MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int i;

	MUST(space != MAP_FAILED);
	for (i = 0; i < n; i++)
		TRY(vm_slot_try(vm, LAST_GIB + i, KVM_MEM_LOG_DIRTY_PAGES,
				((uint64_t)LAST_GIB << 30) + i * LOG_SIZE,
				LOG_SIZE, space));
}

#define OBJECT_PAGES	(64 * MiB / PAGE)

/* Whether each word is another one, or one of eight. */
static bool shrinks;

static uint64_t word(uint64_t page, int i)
{
	uint64_t w = (page << 9 | i) * 0x9e3779b97f4a7c15ull;

	return shrinks && i % 8 ? page : w ^ w >> 29;
}

/* More of a lodge memory than the group may have. */
static void big_object(struct vm *vm, struct vcpu *v)
{
	struct lodge_create_memory c = { .size = sizeof(c), .bytes = OBJECT_PAGES * PAGE };
	int sys = node_open(), fd = TRY(ioctl(sys, LODGE_CREATE_MEMORY, &c)), i, j;
	struct lodge_memory_reclaim r = { .size = sizeof(r) };
	uint64_t *m = mmap(NULL, c.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (m == MAP_FAILED || ioctl(fd, LODGE_MEMORY_RECLAIM, &r)) {
		step(-EOPNOTSUPP);
		_exit(0);
	}
	step(1);
	for (i = 0; i < OBJECT_PAGES; i++)
		for (j = 0; j < PAGE / 8; j++)
			m[i * PAGE / 8 + j] = word(i, j);
	step(2);
	for (i = 0; i < OBJECT_PAGES; i++)
		for (j = 0; j < PAGE / 8; j++)
			if (m[i * PAGE / 8 + j] != word(i, j))
				step(-EILSEQ);
	step(3);
}

/* ---- the parent ---- */

static int go_on(void)
{
	int done = -EPIPE;

	if (write(line, "", 1) != 1 ||
	    read(line, &done, sizeof(done)) != sizeof(done))
		return -EPIPE;
	return done;
}

/* A child that is in the group, has a VM and waits in step(). */
static pid_t child_begin(void (*body)(struct vm *vm, struct vcpu *v))
{
	int pair[2], done;
	pid_t pid;

	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = OK(fork());
	if (!pid) {
		struct vm *vm;

		close(pair[0]);
		line = pair[1];
		if (group_put(GROUP "/cgroup.procs", "0", 0))
			_exit(1);
		vm = vm_new(&payload);
		/* Its user pages are charged now. */
		memset(vm->mem + TABLES, 0, GIBS * 4096UL);
		step(0);
		body(vm, vcpu_new(vm, 0, LONG64, G_touch));
		_exit(0);
	}
	close(pair[1]);
	line = pair[0];
	MUST(read(line, &done, sizeof(done)) == sizeof(done), "no child");
	return pid;
}

static int child_end(pid_t pid)
{
	int status;

	close(line);
	OK(waitpid(pid, &status, 0));
	return status;
}

static void all(struct vm *vm, struct vcpu *v)
{
	make_vcpus(vm->fd, VCPUS);
	step(1);
	make_slots(vm);
	make_logs(vm, 2);
	step(2);
	make_tables(vm, v);
	step(3);
}

TEST_TIMEOUT(charged, 60)
{
	long first, vcpus, slots, tables, last;
	pid_t pid;
	int i;

	group_begin();
	pid = child_begin(all);
	first = kernel_bytes();
	CHECK_EQ(go_on(), 1);
	vcpus = kernel_bytes();
	CHECK_EQ(go_on(), 2);
	slots = kernel_bytes();
	CHECK_EQ(go_on(), 3);
	tables = kernel_bytes();
	/* A vCPU has more than three pages, a gigabyte two tables. */
	CHECK(vcpus - first > VCPUS * 12288L, "vCPUs: %ld", vcpus - first);
	CHECK(slots - vcpus > 2 * LOG_BYTES, "slots: %ld", slots - vcpus);
	CHECK(tables - slots > GIBS * 8192L * 3 / 4, "tables: %ld", tables - slots);
	test_note("%d vCPUs %ld kB, %d slots and 2 logs %ld kB, tables %ld kB", VCPUS,
		  (vcpus - first) / 1024, GIBS, (slots - vcpus) / 1024,
		  (tables - slots) / 1024);
	child_end(pid);
	/* What RCU and the CPUs' caches hold comes later. */
	for (i = 0; i < 100; i++) {
		last = kernel_bytes();
		if (last < first)
			break;
		usleep(100000);
	}
	CHECK(last < first, "%ld of %ld are left", last, tables);
	group_end();
}

/*
 * A limit that what @body makes goes beyond: an ioctl says ENOMEM, or the
 * kernel ends the process, as it does with any other one. What it says of that
 * on the console has a call trace, so for that time the console hears less.
 */
static void runs_out(void (*body)(struct vm *vm, struct vcpu *v))
{
	int log, done, status;
	pid_t pid;

	group_begin();
	pid = child_begin(body);
	OK(group_put(GROUP "/memory.max", "%ld", group_get("memory.current", NULL) + (2L << 20)));
	log = klog_begin();
	done = go_on();
	status = child_end(pid);
	if (WIFSIGNALED(status)) {
		CHECK_EQ(WTERMSIG(status), SIGKILL);
		CHECK(group_get("memory.events", "oom_kill ") > 0);
	} else {
		CHECK(done == -ENOMEM, "%d, not ENOMEM", done);
	}
	test_note("%s", WIFSIGNALED(status) ? "killed" : "ENOMEM");
	klog_end(log);
	group_end();
	/* Everybody else goes on. */
	vm_free(vm_new(&payload));
}

static void too_many_vcpus(struct vm *vm, struct vcpu *v)
{
	make_vcpus(vm->fd, 250);
	step(1);
}

static void too_many_tables(struct vm *vm, struct vcpu *v)
{
	make_slots(vm);
	make_tables(vm, v);
	step(1);
}

static void too_many_logs(struct vm *vm, struct vcpu *v)
{
	make_logs(vm, 6);
	step(1);
}

TEST_TIMEOUT(vcpus_bounded, 60) { runs_out(too_many_vcpus); }

TEST_TIMEOUT(tables_bounded, 60) { runs_out(too_many_tables); }

TEST_TIMEOUT(logs_bounded, 60) { runs_out(too_many_logs); }

/* What the child has come to at last: 3, and nobody was killed for it. */
static int fits(void)
{
	const long limit = 40 * MiB;
	pid_t pid;
	int done;

	group_begin();
	pid = child_begin(big_object);
	done = go_on();
	if (done == 1) {
		OK(group_put(GROUP "/memory.max", "%ld", group_get("memory.current", NULL) + limit));
		done = go_on();
		if (done == 2)
			done = go_on();
		test_note("%ld kB of the kernel's for %ld kB", kernel_bytes() / 1024,
			  OBJECT_PAGES * PAGE / 1024);
		CHECK_EQ(group_get("memory.events", "oom_kill "), 0);
		/* The pool is charged, too. */
		CHECK(!shrinks || kernel_bytes() > OBJECT_PAGES * PAGE / 4);
	}
	child_end(pid);
	group_end();
	return done;
}

/* At the limit pages of lodge memory are compressed before anything fails. */
TEST_TIMEOUT(compressed, 120)
{
	int done;

	if (node_is_kvm())
		test_skip("KVM owns no memory");
	shrinks = true;
	done = fits();
	if (done == -EOPNOTSUPP)
		test_skip("no zsmalloc, or no lz4, in this kernel");
	CHECK_EQ(done, 3);
}

/* And those that don't shrink are swapped. */
TEST_TIMEOUT(swapped, 120)
{
	struct lodge_swap_set set = { .size = sizeof(set) };
	int sys;

	if (node_is_kvm())
		test_skip("KVM owns no memory");
	sys = node_open();
	set.fd = OK(open("/tmp/lodge-swap", O_RDWR | O_CREAT | O_TRUNC, 0600));
	/* It is a tmpfs: whoever writes there first is charged. */
	OK(fallocate(set.fd, 0, 0, OBJECT_PAGES * PAGE));
	OK(ioctl(sys, LODGE_SWAP_SET, &set));
	unlink("/tmp/lodge-swap");
	CHECK_EQ(fits(), 3);
	set.fd = -1;
	OK(ioctl(sys, LODGE_SWAP_SET, &set));
}

/* ---- more guests than there is memory for ---- */

#define GUESTS		8
#define AT		(1UL << 30)
#define STOP		G_FREE
#define ROUND		(G_FREE + 8)

/* It may take so many looks of two seconds until each has what is due; so many count then. */
#define SETTLES		16
#define COUNTS		8
/*
 * The kernel lets who reclaims go beyond a limit: what is compressed takes pages before
 * any are free.
 */
#define RECLAIMING	MiB

/* What there is for a guest; for all of them it is three times that. */
static uint64_t share_bytes;
/* All that they may have, with what they had before they began. */
static long most_bytes;

struct loaded {
	struct vm *vm;
	struct vcpu *v;
	int fd;
	uint8_t *m;
	pthread_t thread;
	uint64_t held, samples;		/* pages, in all looks at it */
	double worst;			/* how far it was off its target, at most */
};

static void *load_run(void *arg)
{
	struct loaded *g = arg;

	want_done(g->v);
	return NULL;
}

static void load_new(struct loaded *g, unsigned int shares)
{
	struct lodge_balloon_config c = {
		.size = sizeof(c), .flags = LODGE_BALLOON_AUTO, .eventfd = -1,
		.shares = shares, .memory = share_bytes,
	};

	g->vm = vm_new(&payload);
	g->fd = object(share_bytes, 0, "");
	g->m = mapped(g->fd, share_bytes);
	vm_slot(g->vm, 1, 0, AT, share_bytes, g->m);
	g->v = vcpu_new(g->vm, 0, LONG64, G_load);
	vcpu_args(g->v, AT, share_bytes / PAGE);
	vcpu_interruptible(g->v);
	OK(ioctl(g->vm->fd, LODGE_BALLOON_SET, &c));
}

static uint64_t rounds(const struct loaded *g)
{
	return *(volatile uint64_t *)(g->vm->mem + ROUND);
}

/* Pages of its memory that it holds, compressed ones included. */
static uint64_t held(const struct loaded *g)
{
	struct lodge_memory_info info = { .size = sizeof(info) };

	OK(ioctl(g->fd, LODGE_MEMORY_INFO, &info));
	return info.pages[LODGE_PAGE_PRIVATE] + info.packed / PAGE;
}

static void look_at(struct loaded *g)
{
	struct lodge_balloon_state s = { .size = sizeof(s) };
	uint64_t has = held(g);
	double off;

	OK(ioctl(g->vm->fd, LODGE_BALLOON_GET, &s));
	off = (double)has * PAGE / s.target - 1;
	g->held += has;
	g->samples++;
	if (off * off > g->worst * g->worst)
		g->worst = off;
}

static bool all_at(const struct loaded *g, uint64_t round)
{
	int i;

	for (i = 0; i < GUESTS; i++)
		if (rounds(&g[i]) < round)
			return false;
	return true;
}

/* All guests in a group, for which there is a little more than what is divided among them. */
static void load_begin(struct loaded *g)
{
	const uint64_t limit = 3 * share_bytes, budget = limit / 9 * 8;
	char text[16];
	int fd, i;

	fd = OK(open("/tmp/lodge-swap", O_RDWR | O_CREAT | O_TRUNC, 0600));
	unlink("/tmp/lodge-swap");
	/* A tmpfs, and not on the group's account. */
	OK(fallocate(fd, 0, 0, GUESTS * share_bytes / 4 * 3));
	OK(swap_set(fd));
	group_begin();
	OK(group_put(GROUP "/cgroup.procs", "0", 0));
	/* Or the process itself takes what was left over, in huge pages. */
	OK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	/* Shares alone count, and nobody is waited for. */
	parameter("balloon_tax", "0");
	parameter("balloon_period_ms", "500");
	parameter("balloon_patience_ms", "500");
	snprintf(text, sizeof(text), "%lu", budget / MiB);
	parameter("balloon_budget", text);
	for (i = 0; i < GUESTS; i++)
		load_new(&g[i], i % 2 ? 2000 : 1000);
	most_bytes = group_get("memory.current", NULL) + limit;
	OK(group_put(GROUP "/memory.max", "%ld", most_bytes));
	for (i = 0; i < GUESTS; i++)
		MUST(!pthread_create(&g[i].thread, NULL, load_run, &g[i]));
}

static void load_end(struct loaded *g)
{
	long peak;
	int i;

	for (i = 0; i < GUESTS; i++)
		*(volatile uint64_t *)(g[i].vm->mem + STOP) = 1;
	for (i = 0; i < GUESTS; i++)
		pthread_join(g[i].thread, NULL);
	CHECK_EQ(group_get("memory.events", "oom_kill "), 0);
	peak = group_get("memory.peak", NULL);
	test_note("%ld kB beyond the limit at most, which was met %ld times",
		  (peak - most_bytes) / 1024, group_get("memory.events", "max "));
	CHECK(peak <= most_bytes + RECLAIMING, "%ld of %ld", peak, most_bytes);
	for (i = 0; i < GUESTS; i++) {
		munmap(g[i].m, share_bytes);
		close(g[i].fd);
		vm_free(g[i].vm);
	}
	parameter("balloon_tax", "75");
	parameter("balloon_period_ms", "5000");
	parameter("balloon_patience_ms", "30000");
	parameter("balloon_budget", "0");
	OK(group_put(ROOT "/cgroup.procs", "0", 0));
	group_end();
	OK(swap_set(-1));
}

/*
 * Guests that have eight times, together, what each has, and three times that in memory:
 * none dies, no byte is wrong, and each holds what its shares say, but for a tenth.
 */
static double of_due(const struct loaded *g, int i)
{
	uint64_t sum = 0;
	int k;

	for (k = 0; k < GUESTS; k++)
		sum += g[k].held;
	return (double)g[i].held * (GUESTS / 2 * 3) / ((double)sum * (i % 2 ? 2 : 1));
}

/* For so many times two seconds; whether each guest has had what is due, but for a tenth. */
static bool settled(struct loaded *g, int times)
{
	int i, looks;
	bool ok = true;

	for (i = 0; i < GUESTS; i++)
		g[i].held = g[i].samples = g[i].worst = 0;
	for (looks = 0; looks < 8 * times; looks++) {
		usleep(250000);
		for (i = 0; i < GUESTS; i++)
			look_at(&g[i]);
	}
	for (i = 0; i < GUESTS; i++)
		ok = ok && of_due(g, i) > 0.9 && of_due(g, i) < 1.1;
	return ok;
}

TEST_TIMEOUT(overcommit, 300)
{
	const char *mib = getenv("LODGE_OVERCOMMIT");
	struct loaded g[GUESTS] = { 0 };
	int i, tries = 0;
	/* Where all takes much longer but the policy's period, more happens in one of them. */
	bool ok, exact = test_factor == 1 || mib;

	need_lodge();
	reclaim(object(PAGE, 0, ""), 0);
	/* More of it by hand: 512 wants a host of 8 GiB, and patience. */
	share_bytes = (mib ? strtoul(mib, NULL, 10) : exact ? 16 : 8) * MiB;
	load_begin(g);
	/* From some periods after each has written all that it has. */
	while (!all_at(g, 1))
		usleep(100000);
	do
		ok = settled(g, 1);
	while (!ok && exact && ++tries < SETTLES);
	/* Then it stays so. To tell that takes rounds: the suite overcommit has them. */
	if (mib)
		ok = settled(g, COUNTS);
	while (!all_at(g, 2))
		usleep(100000);
	for (i = 0; i < GUESTS; i++)
		test_note("%d shares: %lu MiB, %.3f of what is due, worst %+.3f",
			  i % 2 ? 2000 : 1000, g[i].held / g[i].samples / 256,
			  of_due(g, i), g[i].worst);
	if (exact)
		CHECK(ok, "after %d times", tries);
	load_end(g);
}
