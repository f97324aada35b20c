// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested faults: memory comes when it is touched, and what the process does
 * to its own memory while a guest runs is what the guest sees.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ltest.h"
#include "faults.guest.gen.h"

#define AT	(16 * MiB)

static struct vcpu *start(struct vm *vm, uint64_t entry, uint64_t a, uint64_t b)
{
	struct vcpu *v = vcpu_new(vm, 0, LONG64, entry);

	vcpu_args(v, a, b);
	return v;
}

/* At a 2M border, with room behind. */
static uint8_t *aligned(size_t size)
{
	uint8_t *p = mem_new(size + 2 * MiB);

	return p + (-(uintptr_t)p & (2 * MiB - 1));
}

static size_t resident(void *p, size_t size)
{
	size_t n = size / PAGE, i, sum = 0;
	unsigned char *vec = malloc(n);

	OK(mincore(p, size, vec));
	for (i = 0; i < n; i++)
		sum += vec[i] & 1;
	free(vec);
	return sum;
}

TEST(sparse)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(GiB);
	struct vcpu *v;
	int i;

	madvise(m, GiB, MADV_NOHUGEPAGE);
	vm_slot(vm, 1, 0, AT, GiB, m);
	v = start(vm, G_stride, AT, 64 << 20 | 16);	/* 16 writes, 64M apart */
	want_done(v);
	for (i = 0; i < 16; i++)
		CHECK_EQ(*(uint64_t *)(m + i * 64 * MiB), i + 1);
	i = resident(m, GiB);
	CHECK(i >= 16 && i < 64, "%d pages", i);
}

/* A read of memory never touched must not cost a page of its own. */
TEST(read_then_write)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(2 * MiB);
	struct vcpu *v;

	madvise(m, 2 * MiB, MADV_NOHUGEPAGE);
	vm_slot(vm, 1, 0, AT, 2 * MiB, m);
	v = start(vm, G_peek, AT, 0);
	CHECK_EQ(want_value(v), 0);
	/* The launcher's write breaks the zero page; the guest sees it. */
	*(uint64_t *)m = 77;
	CHECK_EQ(want_value(v), 77);
	vcpu_jump(v, G_poke);
	vcpu_args(v, AT, 99);
	want_mark(v, 1);
	CHECK_EQ(*(uint64_t *)m, 99);
}

TEST(unmapped_and_back)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(2 * MiB), *p;
	struct vcpu *v;

	vm_slot(vm, 1, 0, AT, 2 * MiB, m);
	*(uint64_t *)m = 1;
	v = start(vm, G_peek, AT, 0);
	CHECK_EQ(want_value(v), 1);
	/* Nothing there: the run fails, and says EFAULT. */
	OK(munmap(m, 2 * MiB));
	FAILS(EFAULT, ioctl(v->fd, KVM_RUN, 0));
	FAILS(EFAULT, ioctl(v->fd, KVM_RUN, 0));
	/* Something there again: the same access goes through. */
	p = mmap(m, 2 * MiB, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	MUST(p == m);
	*(uint64_t *)m = 2;
	CHECK_EQ(want_value(v), 2);
	/* Mapped over without an unmapping seen. */
	p = mmap(m, 2 * MiB, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK_EQ(want_value(v), 0);
}

TEST(mapped_over_with_file)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(2 * MiB);
	int fd = OK(syscall(SYS_memfd_create, "t", 0));
	uint64_t x = 0x1234;
	struct vcpu *v;

	OK(ftruncate(fd, 2 * MiB));
	OK(pwrite(fd, &x, 8, PAGE));
	vm_slot(vm, 1, 0, AT, 2 * MiB, m);
	*(uint64_t *)(m + PAGE) = 9;
	v = start(vm, G_peek, AT + PAGE, 0);
	CHECK_EQ(want_value(v), 9);
	mmap(m, 2 * MiB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	CHECK_EQ(want_value(v), 0x1234);
	x = 0x5678;
	OK(pwrite(fd, &x, 8, PAGE));
	CHECK_EQ(want_value(v), 0x5678);
	/* A hole punched under the guest. */
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * MiB));
	CHECK_EQ(want_value(v), 0);
	/* Cut off: no page, no run. */
	OK(ftruncate(fd, 0));
	FAILS(EFAULT, ioctl(v->fd, KVM_RUN, 0));
	OK(ftruncate(fd, 2 * MiB));
	CHECK_EQ(want_value(v), 0);
	vcpu_jump(v, G_poke);
	vcpu_args(v, AT + PAGE, 0x99);
	want_mark(v, 1);
	OK(pread(fd, &x, 8, PAGE));
	CHECK_EQ(x, 0x99);
}

TEST(moved_away)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(4 * MiB), *q;
	struct vcpu *v;

	madvise(m, 4 * MiB, MADV_NOHUGEPAGE);
	vm_slot(vm, 1, 0, AT, 2 * MiB, m);
	*(uint64_t *)m = 5;
	*(uint64_t *)(m + 2 * MiB) = 6;
	v = start(vm, G_peek, AT, 0);
	CHECK_EQ(want_value(v), 5);
	q = mremap(m, 2 * MiB, 2 * MiB, MREMAP_MAYMOVE | MREMAP_FIXED,
		   mem_new(2 * MiB));
	MUST(q != MAP_FAILED);
	FAILS(EFAULT, ioctl(v->fd, KVM_RUN, 0));
	/* Other memory moved in. */
	MUST(mremap(m + 2 * MiB, 2 * MiB, 2 * MiB, MREMAP_MAYMOVE | MREMAP_FIXED,
		    m) == m);
	CHECK_EQ(want_value(v), 6);
	CHECK_EQ(*(uint64_t *)q, 5);
}

TEST(protected)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(2 * MiB);
	struct vcpu *v;

	vm_slot(vm, 1, 0, AT, 2 * MiB, m);
	v = start(vm, G_poke, AT, 1);
	want_mark(v, 1);
	OK(mprotect(m, 2 * MiB, PROT_READ));
	FAILS(EFAULT, ioctl(v->fd, KVM_RUN, 0));
	OK(mprotect(m, 2 * MiB, PROT_NONE));
	FAILS(EFAULT, ioctl(v->fd, KVM_RUN, 0));
	OK(mprotect(m, 2 * MiB, PROT_READ | PROT_WRITE));
	want_mark(v, 1);
	CHECK_EQ(*(uint64_t *)m, 1);
}

TEST(dontneed)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(2 * MiB);
	struct vcpu *v;
	int i;

	vm_slot(vm, 1, 0, AT, 2 * MiB, m);
	v = start(vm, G_peek, AT, 0);
	for (i = 1; i < 20; i++) {
		*(uint64_t *)m = i;
		CHECK_EQ(want_value(v), i);
		OK(madvise(m, 2 * MiB, MADV_DONTNEED));
		CHECK_EQ(want_value(v), 0);
	}
}

/* fork() write-protects: a write of the guest must not reach the child. */
TEST(fork_copies)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(2 * MiB);
	int go[2], back[2];
	struct vcpu *v;
	uint64_t x = 0;
	pid_t pid;

	vm_slot(vm, 1, 0, AT, 2 * MiB, m);
	v = start(vm, G_poke, AT, 1);
	want_mark(v, 1);
	OK(pipe(go));
	OK(pipe(back));
	pid = fork();
	if (!pid) {
		OK(read(go[0], &x, 1));
		OK(write(back[1], m, 8));
		_exit(0);
	}
	vcpu_args(v, AT, 2);
	want_mark(v, 1);
	OK(write(go[1], "x", 1));
	OK(read(back[0], &x, 8));
	CHECK_EQ(x, 1);
	CHECK_EQ(*(uint64_t *)m, 2);
}

/* ---- sizes ---- */

static uint64_t anon_huge(void *p)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from, to, kb = 0, sum = 0;
	bool in = false;
	char line[300];

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = from <= (uintptr_t)p && (uintptr_t)p < to;
		if (in && sscanf(line, "AnonHugePages: %lu kB", &kb) == 1)
			sum += kb;
	}
	fclose(f);
	return sum;
}

/* Every word of 8M, through whatever page sizes there are. */
static void all_words(uint8_t *m, uint64_t gpa, uint64_t size)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v;
	uint64_t i, sum = 0;

	vm_slot(vm, 1, 0, gpa, size, m);
	v = start(vm, G_fill, gpa, size);
	want_done(v);
	for (i = 0; i < size / 8; i += 64)
		if (((uint64_t *)m)[i] != i * 8 + gpa)
			sum++;
	CHECK(!sum, "%lu words wrong", sum);
	vcpu_free(v);
	vm_free(vm);
}

TEST(huge_transparent)
{
	uint8_t *m = aligned(8 * MiB);

	if (madvise(m, 8 * MiB, MADV_HUGEPAGE))
		test_skip("the host has no transparent huge pages");
	all_words(m, AT, 8 * MiB);
	CHECK(anon_huge(m) >= 4096, "%lu kB huge", anon_huge(m));
}

/* Guest and host address differ below 2M: only small pages can be right. */
TEST(huge_misaligned)
{
	uint8_t *m = aligned(8 * MiB);

	madvise(m, 8 * MiB, MADV_HUGEPAGE);
	memset(m, 1, 8 * MiB);
	all_words(m, AT + 0x10000, 4 * MiB);
	all_words(m + 0x3000, AT, 4 * MiB);
	/* Slots that begin or end within a huge page of the host. */
	all_words(m + 0x3000, AT + 0x3000, 4 * MiB);
	all_words(m, AT, 2 * MiB + PAGE);
	CHECK_EQ(*(uint64_t *)(m + 2 * MiB + PAGE), 2 * MiB + PAGE + AT);
}

static uint8_t *hugetlb(size_t size, int shift)
{
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			  MAP_ANONYMOUS | MAP_HUGETLB | shift << 26, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void reserve(const char *size, const char *n)
{
	char name[100];
	int fd;

	snprintf(name, sizeof(name),
		 "/sys/kernel/mm/hugepages/hugepages-%skB/nr_hugepages", size);
	fd = open(name, O_WRONLY);
	if (fd < 0)
		return;
	if (write(fd, n, strlen(n)) < 0)
		test_note("%s: %s", name, strerror(errno));
	close(fd);
}

TEST(hugetlb_2m)
{
	uint8_t *m;

	reserve("2048", "8");
	m = hugetlb(8 * MiB, 21);
	if (!m)
		test_skip("the host has no 2M pages to give");
	all_words(m, AT, 8 * MiB);
	all_words(m, AT + PAGE, 4 * MiB);
	munmap(m, 8 * MiB);
	reserve("2048", "0");
}

TEST_TIMEOUT(hugetlb_1g, 60)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v;
	uint8_t *m;

	reserve("1048576", "1");
	m = hugetlb(GiB, 30);
	if (!m)
		test_skip("the host has no 1G page to give");
	vm_slot(vm, 1, 0, GiB, GiB, m);
	v = start(vm, G_stride, GiB, 64 << 20 | 16);
	want_done(v);
	CHECK_EQ(*(uint64_t *)(m + 15 * 64 * MiB), 16);
	/* The whole page away and back. */
	OK(madvise(m, GiB, MADV_DONTNEED));
	vcpu_jump(v, G_peek);
	vcpu_args(v, GiB, 0);
	CHECK_EQ(want_value(v), 0);
	munmap(m, GiB);
	reserve("1048576", "0");
}

/* A huge page that is split while the guest uses it. */
TEST(huge_split)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(2 * MiB);
	struct vcpu *v;
	int i;

	if (madvise(m, 2 * MiB, MADV_HUGEPAGE))
		test_skip("the host has no transparent huge pages");
	vm_slot(vm, 1, 0, AT, 2 * MiB, m);
	v = start(vm, G_fill, AT, 2 * MiB);
	want_done(v);
	OK(madvise(m + 16 * PAGE, PAGE, MADV_DONTNEED));
	OK(mprotect(m + 32 * PAGE, PAGE, PROT_READ));
	vcpu_jump(v, G_peek);
	vcpu_args(v, AT + 16 * PAGE, 0);
	CHECK_EQ(want_value(v), 0);
	vcpu_args(v, AT + 17 * PAGE, 0);
	CHECK_EQ(want_value(v), AT + 17 * PAGE);
	for (i = 0; i < 3; i++) {
		vcpu_jump(v, G_poke);
		vcpu_args(v, AT + 33 * PAGE, i);
		want_mark(v, 1);
		vcpu_args(v, AT + 32 * PAGE, i);
		FAILS(EFAULT, ioctl(v->fd, KVM_RUN, 0));
	}
}

/* ---- under a running guest ---- */

static void *runner(void *arg)
{
	struct vcpu *v = arg;

	for (;;) {
		long r = ioctl(v->fd, KVM_RUN, 0);

		if (r)
			return (void *)(long)errno;
		if (v->run->exit_reason != KVM_EXIT_IO)
			return (void *)-1L;
		/* Any mark: a check of the guest's own failed. */
		if (v->run->io.port == 0x7e0 && *(uint8_t *)io_data(v) != 3)
			return (void *)-2L;
		return NULL;
	}
}

/*
 * The guest adds one to each of 64 pages, for ever, and each page's word may
 * only grow or be zero again; the launcher throws pages away meanwhile.
 */
TEST_TIMEOUT(thrown_away_under_guest, 60)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(2 * MiB);
	volatile uint64_t *stop;
	pthread_t t;
	struct vcpu *v;
	void *ret;
	int i;

	vm_slot(vm, 1, 0, AT, 2 * MiB, m);
	v = start(vm, G_churn, AT, 64);
	vcpu_interruptible(v);
	stop = (uint64_t *)(vm->mem + G_FREE);
	pthread_create(&t, NULL, runner, v);
	for (i = 0; i < 300; i++) {
		switch (i % 4) {
		case 0:
			madvise(m + i % 64 * PAGE, PAGE, MADV_DONTNEED);
			break;
		case 1:
			mprotect(m + i % 64 * PAGE, PAGE, PROT_READ);
			mprotect(m + i % 64 * PAGE, PAGE, PROT_READ | PROT_WRITE);
			break;
		case 2:
			madvise(m, 2 * MiB, i & 8 ? MADV_HUGEPAGE :
				MADV_NOHUGEPAGE);
			madvise(m, 2 * MiB, MADV_DONTNEED);
			break;
		default:
			madvise(m + i % 64 * PAGE, 4 * PAGE, 21 /* PAGEOUT */);
		}
		usleep(500);
	}
	*stop = 1;
	pthread_join(t, &ret);
	/* EFAULT may hit the moment in which a page was read-only. */
	CHECK(!ret || ret == (void *)EFAULT, "%ld", (long)ret);
}

/*
 * A write that is acknowledged to the launcher is in memory: the guest counts
 * in a page that is moved about all the time, and no count is lost.
 */
TEST_TIMEOUT(counts_survive, 60)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = aligned(2 * MiB);
	struct vcpu *v;
	int i, status;

	vm_slot(vm, 1, 0, AT, 2 * MiB, m);
	v = start(vm, G_count, AT, 0);
	for (i = 1; i <= 200; i++) {
		want_mark(v, i);
		MUST_EQ(*(uint64_t *)m, i);
		/* A child makes the page copy-on-write, or it is split. */
		if (i % 2) {
			pid_t pid = fork();

			if (!pid)
				_exit(0);
			waitpid(pid, &status, 0);
		} else {
			madvise(m, 2 * MiB, i % 4 ? MADV_HUGEPAGE : 21);
		}
	}
}
