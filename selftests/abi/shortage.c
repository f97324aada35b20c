// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is wanting, one allocation at a time: what a VM and its memory live through is
 * done again and again, and each time the next allocation, or copy from or to user
 * space, fails. Whatever failed says so, nothing else does, it succeeds when it is
 * tried once more, and all contents are right.
 */
#include <sys/eventfd.h>

#include "inject.h"
#include "object.h"
#include "protocol.h"
#include "shortage.guest.gen.h"
#include "peek.h"

static int nth = -1;

static void nth_set(const char *n)
{
	/* The copy of what is written may be what fails, and then all is as it shall be. */
	if (pwrite(nth, n, strlen(n), 0) < 0)
		MUST(errno == EFAULT, "%s", strerror(errno));
}

/* Whether what was to fail has failed. */
static bool nth_came(void)
{
	char text[16] = "";

	return pread(nth, text, sizeof(text) - 1, 0) > 0 && atol(text) == 0;
}

static void each(void (*body)(void), unsigned int least)
{
	const char *more = getenv("LODGE_STRIDE");
	unsigned int n = 0, stride = more ? strtoul(more, NULL, 10) : 1, times = 0;
	char text[16];
	bool came;

	nth = OK(open("/proc/thread-self/fail-nth", O_RDWR));
	body();
	do {
		n += stride;
		snprintf(text, sizeof(text), "%u", n);
		nth_set(text);
		body();
		came = nth_came();
		times += came;
		nth_set("0");
	} while (came);
	inject_end();
	test_note("%u times something failed, of some %u", times, n);
	/* It has been tested that something fails. */
	CHECK(n > least && times, "%u", n);
}

static bool wanting(int err)
{
	return err == ENOMEM || err == EFAULT;
}

/* Tried once more if it fails, and that is right. */
#define TWICE(expr) ({							\
	long t_ = (long)(expr);						\
	if (t_ == -1) {							\
		int e_ = errno;						\
									\
		nth_set("0");						\
		MUST(wanting(e_), "%s: %s", #expr, strerror(e_));	\
		t_ = (long)OK(expr);					\
	}								\
	t_; })

/* ---- a VM ---- */

static void a_vm(void)
{
	struct kvm_irqfd irqfd = { .gsi = 5 };
	struct kvm_ioeventfd ioeventfd = { .addr = 0x600, .len = 4, .flags = 2 };
	struct kvm_pit_config pit = { };
	struct lodge_balloon_config b = {
		.size = sizeof(b), .eventfd = -1, .shares = 1000, .memory = 8 * MiB,
		.target = 8 * MiB,
	};
	static uint8_t page[2 * PAGE] __attribute__((aligned(PAGE)));
	struct kvm_userspace_memory_region slot = {
		.slot = 1, .memory_size = PAGE, .userspace_addr = (uintptr_t)page,
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
	};
	int sys, fd, cpu, event, stats;

	sys = TWICE(open(node_path(), O_RDWR | O_CLOEXEC));
	fd = TWICE(ioctl(sys, KVM_CREATE_VM, 0));
	TWICE(ioctl(fd, KVM_CREATE_IRQCHIP, 0));
	TWICE(ioctl(fd, KVM_CREATE_PIT2, &pit));
	cpu = TWICE(ioctl(fd, KVM_CREATE_VCPU, 0));
	TWICE(ioctl(fd, KVM_SET_USER_MEMORY_REGION, &slot));
	event = TWICE(eventfd(0, 0));
	irqfd.fd = ioeventfd.fd = event;
	TWICE(ioctl(fd, KVM_IRQFD, &irqfd));
	TWICE(ioctl(fd, KVM_IOEVENTFD, &ioeventfd));
	TWICE(ioctl(fd, LODGE_BALLOON_SET, &b));
	stats = TWICE(ioctl(cpu, KVM_GET_STATS_FD, 0));
	close(stats);
	close(event);
	close(cpu);
	close(fd);
	close(sys);
}

TEST_TIMEOUT(vm, 120)
{
	need_lodge();
	inject_begin("0");
	each(a_vm, 30);
	CHECK_EQ(module_value("vms"), 0);
	CHECK_EQ(module_value("vcpus"), 0);
}

/* ---- an object, in a guest ---- */

#define N	12

static struct vm *vm;
static struct vcpu *cpu;

/* Until the payload has done it. */
static uint64_t guest(uint64_t entry, uint64_t at, uint64_t value)
{
	struct kvm_regs r;

	TWICE(ioctl(cpu->fd, KVM_GET_REGS, &r));
	r.rip = entry;
	r.rdi = AT + at;
	r.rsi = value;
	TWICE(ioctl(cpu->fd, KVM_SET_REGS, &r));
	TWICE(ioctl(cpu->fd, KVM_RUN, 0));
	MUST(cpu->run->exit_reason == KVM_EXIT_IO && cpu->run->io.port == PORT_CMD,
	     "exit %u", cpu->run->exit_reason);
	TWICE(ioctl(cpu->fd, KVM_GET_REGS, &r));
	return r.rbx;
}

static uint64_t word(int i)
{
	return i < 4 ? 0x0707070707070707 : i < 6 ? 0 : i * 0x9e3779b97f4a7c15;
}

static void check(int fd, uint8_t *m, const char *when)
{
	uint8_t buf[PAGE];
	int i;

	for (i = 0; i < N; i++) {
		uint64_t got = guest(G_peek, i * PAGE + 8, 0);

		MUST(got == word(i), "%s, page %d: the guest has %#lx", when, i, got);
		memset(buf, 0xee, sizeof(buf));
		/* It may end early instead of saying why. */
		if (TWICE(pread(fd, buf, PAGE, i * PAGE)) != (long)PAGE)
			MUST_EQ(OK(pread(fd, buf, PAGE, i * PAGE)), PAGE);
		MUST(((uint64_t *)buf)[1] == word(i) && !buf[0] && !buf[PAGE - 1],
		     "%s, page %d: the file has %#lx", when, i, ((uint64_t *)buf)[1]);
		MUST(((uint64_t *)(m + i * PAGE))[1] == word(i), "%s, page %d", when, i);
	}
}

static void memory(int fd, unsigned int what, uint32_t flags)
{
	struct lodge_memory_merge m = { .size = sizeof(m) };
	struct lodge_memory_reclaim r = {
		.size = sizeof(r), .flags = flags, .bytes = N * PAGE,
	};
	struct lodge_memory_set set = {
		.size = sizeof(set), .mask = LODGE_MEMORY_MERGEABLE, .flags = flags,
	};
	struct lodge_memory_discard d = {
		.size = sizeof(d), .first = N - 2, .count = 2,
	};

	if (what == LODGE_MEMORY_MERGE)
		TWICE(ioctl(fd, what, &m));
	else if (what == LODGE_MEMORY_RECLAIM)
		TWICE(ioctl(fd, what, &r));
	else if (what == LODGE_MEMORY_SET)
		TWICE(ioctl(fd, what, &set));
	else
		TWICE(ioctl(fd, what, &d));
}

static void an_object(void)
{
	struct lodge_create_memory c = {
		.size = sizeof(c), .bytes = N * PAGE, .flags = LODGE_MEMORY_MERGEABLE,
		.domain = "shortage",
	};
	struct kvm_userspace_memory_region slot = {
		.slot = 1, .guest_phys_addr = AT, .memory_size = N * PAGE,
	};
	uint8_t *m;
	int fd, i;

	fd = TWICE(ioctl(vm->sys, LODGE_CREATE_MEMORY, &c));
	m = (void *)TWICE(mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	slot.userspace_addr = (uintptr_t)m;
	TWICE(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot));
	for (i = 0; i < N; i++)
		guest(G_poke, i * PAGE + 8, word(i));
	memory(fd, LODGE_MEMORY_MERGE, 0);
	check(fd, m, "merged");
	/* What shares is written. */
	for (i = 0; i < N; i++)
		i & 1 ? guest(G_poke, i * PAGE + 8, word(i)) :
			(uint64_t)TWICE(pwrite(fd, &(uint64_t){ word(i) }, 8, i * PAGE + 8));
	memory(fd, LODGE_MEMORY_RECLAIM, 0);
	check(fd, m, "compressed");
	memory(fd, LODGE_MEMORY_RECLAIM, LODGE_RECLAIM_SWAP);
	check(fd, m, "swapped");
	memory(fd, LODGE_MEMORY_MERGE, 0);
	memory(fd, LODGE_MEMORY_SET, 0);
	check(fd, m, "unmerged");
	memory(fd, LODGE_MEMORY_RECLAIM, 0);
	TWICE(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 7 * PAGE + 16,
			PAGE));
	guest(G_poke, 8 * PAGE + 8, word(8));
	memory(fd, LODGE_MEMORY_DISCARD, 0);
	guest(G_poke, (N - 2) * PAGE + 8, word(N - 2));
	m[(N - 1) * PAGE + 9] = 1;
	*(uint64_t *)(m + (N - 1) * PAGE + 8) = word(N - 1);
	memory(fd, LODGE_MEMORY_RECLAIM, 0);
	TWICE(ftruncate(fd, (N - 1) * PAGE + 16));
	TWICE(ftruncate(fd, N * PAGE));
	TWICE(fallocate(fd, 0, 0, N * PAGE));
	check(fd, m, "cut");
	slot.memory_size = 0;
	TWICE(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot));
	MUST(!munmap(m, N * PAGE) || !munmap(m, N * PAGE));
	close(fd);
}

static void swap_begin(void)
{
	int fd = OK(open("/tmp/lodge-swap", O_RDWR | O_CREAT | O_TRUNC, 0600));

	OK(fallocate(fd, 0, 0, 64 * PAGE));
	OK(swap_set(fd));
	unlink("/tmp/lodge-swap");
}

TEST_TIMEOUT(memory, 240)
{
	need_lodge();
	inject_begin("0");
	if (try_reclaim(object(PAGE, 0, ""), 0, 0))
		test_skip("no zsmalloc, or no lz4, in this kernel");
	swap_begin();
	vm = vm_new(&payload);
	cpu = vcpu_new(vm, 0, LONG64, G_peek);
	each(an_object, 60);
	/* All of it is given back. */
	CHECK_EQ(swap_set(-1), 0);
}

/* ---- what is made for the first object only, and what fails to be unmade ---- */

static void first_object(void)
{
	struct lodge_create_memory c = { .size = sizeof(c), .bytes = 4 * PAGE };
	struct lodge_memory_reclaim r = { .size = sizeof(r), .bytes = 4 * PAGE };
	int sys = TWICE(open(node_path(), O_RDWR)), fd, i;
	uint8_t *m;

	fd = TWICE(ioctl(sys, LODGE_CREATE_MEMORY, &c));
	m = (void *)TWICE(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	m[0] = 1;
	/* EOPNOTSUPP, if it has come to be without a pool. */
	for (i = 0; i < 2; i++) {
		r.reclaimed = r.skipped = 0;
		TWICE(ioctl(fd, LODGE_MEMORY_RECLAIM, &r));
	}
	MUST_EQ(m[0], 1);
	munmap(m, PAGE);
	close(fd);
	close(sys);
}

TEST_TIMEOUT(pool, 120)
{
	int fd;

	need_lodge();
	inject_begin("0");
	fd = object(PAGE, 0, "");
	if (try_reclaim(fd, 0, 0))
		test_skip("no zsmalloc, or no lz4, in this kernel");
	close(fd);
	each(first_object, 60);
}

/* Without memory for copies the pages, and the flag, stay as they are. */
TEST(unmerge)
{
	struct lodge_memory_set set = {
		.size = sizeof(set), .mask = LODGE_MEMORY_MERGEABLE,
	};
	struct lodge_memory_info info = { .size = sizeof(info) };
	uint8_t *m;
	int fd;

	need_lodge();
	fd = object(2 * PAGE, LODGE_MEMORY_MERGEABLE, "unmerge");
	m = mapped(fd, 2 * PAGE);
	fill(m, 1);
	fill(m + PAGE, 1);
	CHECK_EQ(merge(fd), 1);
	inject_begin("0");
	MUST(inject_set("fail_page_alloc", "probability", "100"));
	inject_me(true);
	FAILS(ENOMEM, ioctl(fd, LODGE_MEMORY_SET, &set));
	inject_me(false);
	inject_end();
	OK(ioctl(fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.flags, LODGE_MEMORY_MERGEABLE);
	CHECK_EQ(state(fd, 0), LODGE_PAGE_SHARED);
	OK(ioctl(fd, LODGE_MEMORY_SET, &set));
	CHECK_EQ(state(fd, 0), LODGE_PAGE_PRIVATE);
	CHECK_EQ(state(fd, 1), LODGE_PAGE_PRIVATE);
	CHECK(filled(m, 1) && filled(m + PAGE, 1));
}
