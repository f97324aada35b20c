// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the hypervisor owns: files, merging, and what guests see of it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "object.h"
#include "memory.guest.gen.h"
#include "peek.h"

TEST(arguments)
{
	struct {
		struct lodge_create_memory c;
		uint64_t more;
	} x = { .c = { .size = sizeof(x), .bytes = PAGE } };
	struct lodge_memory_map m = { .size = sizeof(m), .count = 1, .states = 8 };
	struct lodge_memory_info info = { .size = sizeof(info) };
	struct lodge_memory_set set = { .size = sizeof(set), .mask = 2 };
	int sys, fd;

	need_lodge();
	sys = node_open();
	CHECK_EQ(OK(ioctl(sys, LODGE_GET_VERSION, 0)), LODGE_ABI_VERSION);
	/* Longer than the module knows: zero is all right. */
	close(OK(ioctl(sys, LODGE_CREATE_MEMORY, &x)));
	x.more = 1;
	FAILS(E2BIG, ioctl(sys, LODGE_CREATE_MEMORY, &x));
	x.c.size = 8;
	FAILS(EINVAL, ioctl(sys, LODGE_CREATE_MEMORY, &x));
	x.c.size = 16;
	fd = OK(ioctl(sys, LODGE_CREATE_MEMORY, &x));
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	x.c.flags = 1u << 31;
	FAILS(EINVAL, ioctl(sys, LODGE_CREATE_MEMORY, &x));
	x.c.flags = 0;
	x.c.bytes = 1ull << 50;
	FAILS(EFBIG, ioctl(sys, LODGE_CREATE_MEMORY, &x));
	FAILS(EFAULT, ioctl(sys, LODGE_CREATE_MEMORY, 8));
	x.c.size = sizeof(x.c);
	x.c.bytes = 0;
	memset(x.c.domain, 'x', sizeof(x.c.domain));
	FAILS(EINVAL, ioctl(sys, LODGE_CREATE_MEMORY, &x));

	OK(ioctl(fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.bytes, PAGE);
	CHECK_EQ(info.flags, 0);
	FAILS(EFAULT, ioctl(fd, LODGE_MEMORY_MAP, &m));
	FAILS(EINVAL, ioctl(fd, LODGE_MEMORY_SET, &set));
	FAILS(ENOTTY, ioctl(fd, LODGE_CREATE_MEMORY, &x));
	FAILS(EINVAL, ioctl(fd, LODGE_MEMORY_MERGE,
			    &(struct lodge_memory_merge){ .size = sizeof(struct
			    lodge_memory_merge) }));	/* isn't mergeable */
	fd = open("/proc/self/mem", O_RDONLY);	/* a file of another kind */
	FAILS(ENOTTY, ioctl(fd, LODGE_MEMORY_INFO, &info));
}

static void as_a_file(int fd)
{
	uint8_t buf[3 * PAGE], *m;
	struct stat st;

	CHECK_EQ(blocks(fd), 0);
	OK(ftruncate(fd, 16 * PAGE));
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 16 * PAGE);
	m = mapped(fd, 16 * PAGE);
	/* Reading makes no page. */
	CHECK_EQ(m[5 * PAGE], 0);
	CHECK_EQ(blocks(fd), 0);
	CHECK_EQ(state(fd, 5), LODGE_PAGE_ABSENT);
	/* What was read, and is written then, is seen by all. */
	m[5 * PAGE] = 1;
	CHECK_EQ(OK(pread(fd, buf, 1, 5 * PAGE)), 1);
	CHECK_EQ(buf[0], 1);
	CHECK_EQ(state(fd, 5), LODGE_PAGE_PRIVATE);
	memset(buf, 7, sizeof(buf));
	CHECK_EQ(OK(pwrite(fd, buf, 2 * PAGE, 8 * PAGE + 100)), 2 * PAGE);
	CHECK_EQ(m[8 * PAGE + 99], 0);
	CHECK_EQ(m[8 * PAGE + 100], 7);
	CHECK_EQ(m[10 * PAGE + 99], 7);
	CHECK_EQ(blocks(fd), 4);
	/* Out of the file's own mapping, which isn't there yet. */
	CHECK_EQ(OK(pwrite(fd, m + 8 * PAGE, PAGE, 8 * PAGE)), PAGE);

	CHECK_EQ(lseek(fd, 0, SEEK_DATA), 5 * PAGE);
	CHECK_EQ(lseek(fd, 5 * PAGE + 7, SEEK_HOLE), 6 * PAGE);
	CHECK_EQ(lseek(fd, 6 * PAGE, SEEK_DATA), 8 * PAGE);
	CHECK_EQ(lseek(fd, 8 * PAGE + 1, SEEK_DATA), 8 * PAGE + 1);
	CHECK_EQ(lseek(fd, 8 * PAGE, SEEK_HOLE), 11 * PAGE);
	FAILS(ENXIO, lseek(fd, 11 * PAGE, SEEK_DATA));
	FAILS(ENXIO, lseek(fd, 16 * PAGE, SEEK_HOLE));

	/* A hole with parts of pages at both ends. */
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8 * PAGE + 200,
		     2 * PAGE - 150));
	CHECK_EQ(m[8 * PAGE + 199], 7);
	CHECK_EQ(m[8 * PAGE + 200], 0);
	CHECK_EQ(m[9 * PAGE], 0);
	CHECK_EQ(m[10 * PAGE + 49], 0);
	CHECK_EQ(m[10 * PAGE + 50], 7);
	CHECK_EQ(state(fd, 9), LODGE_PAGE_ABSENT);
	OK(madvise(m + 10 * PAGE, PAGE, MADV_REMOVE));
	CHECK_EQ(m[10 * PAGE + 50], 0);
	CHECK_EQ(blocks(fd), 2);
	/* It was seen again as zero, twice; and is written again. */
	m[9 * PAGE] = 9;
	CHECK_EQ(m[9 * PAGE], 9);
	OK(fallocate(fd, 0, 11 * PAGE, 6 * PAGE));
	CHECK_EQ(blocks(fd), 9);
	OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 17 * PAGE);
	FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE));

	/* What is cut off is zero when it comes back. */
	OK(ftruncate(fd, 8 * PAGE + 150));
	OK(ftruncate(fd, 16 * PAGE));
	CHECK_EQ(m[8 * PAGE + 149], 7);
	CHECK_EQ(m[8 * PAGE + 150], 0);
	CHECK_EQ(m[9 * PAGE], 0);
	CHECK_EQ(OK(pread(fd, buf, sizeof(buf), 15 * PAGE + 10)), PAGE - 10);
	OK(msync(m, 16 * PAGE, MS_SYNC));
	OK(fsync(fd));

	/* A private mapping keeps to itself what it writes. */
	OK(pwrite(fd, "shared", 6, 0));
	munmap(m, 16 * PAGE);
	m = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	MUST(m != MAP_FAILED);
	CHECK(!memcmp(m, "shared", 6));
	OK(pwrite(fd, "SHARED", 6, 0));
	CHECK(!memcmp(m, "SHARED", 6));
	memcpy(m, "mine..", 6);
	OK(pread(fd, buf, 6, 0));
	CHECK(!memcmp(buf, "SHARED", 6));
	m[PAGE] = 3;
	CHECK_EQ(state(fd, 1), LODGE_PAGE_ABSENT);
	munmap(m, 2 * PAGE);
}

TEST(file)
{
	need_lodge();
	as_a_file(object(0, 0, ""));
}

TEST(mounted)
{
	struct lodge_memory_info info = { .size = sizeof(info) };
	char dir[] = "/tmp/lodgefs-XXXXXX", name[64], other[64];
	struct statfs fs;
	int fd, i;

	need_lodge();
	mkdir("/tmp", 0777);
	MUST(mkdtemp(dir));
	OK(mount("none", dir, LODGEFS_NAME, 0, "merge"));
	OK(statfs(dir, &fs));
	CHECK_EQ(fs.f_type, LODGEFS_MAGIC);
	snprintf(name, sizeof(name), "%s/vm1", dir);
	snprintf(other, sizeof(other), "%s/vm2", dir);
	fd = OK(open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
	as_a_file(fd);
	OK(ioctl(fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.flags, LODGE_MEMORY_MERGEABLE);
	/* It is merged with its owner's. */
	FAILS(EPERM, fchown(fd, 12345, -1));
	OK(fchown(fd, geteuid(), 12345));
	close(fd);
	/* It keeps what is in it until it is removed. */
	OK(rename(name, other));
	fd = OK(open(other, O_RDONLY));
	CHECK_EQ(OK(pread(fd, name, 6, 0)), 6);
	CHECK(!memcmp(name, "SHARED", 6));
	FAILS(EBADF, ioctl(fd, LODGE_MEMORY_MERGE,
			   &(struct lodge_memory_merge){ .size = 40 }));
	OK(unlink(other));
	OK(pread(fd, name, 6, 0));
	close(fd);
	for (i = 0; umount(dir) && i < 100; i++)
		usleep(10000);
	CHECK(i < 100);
	rmdir(dir);
}

TEST(beyond_the_end)
{
	volatile uint8_t *m;
	int fd;

	need_lodge();
	fd = object(2 * PAGE, 0, "");
	m = mapped(fd, 4 * PAGE);
	m[PAGE] = 1;
	signal(SIGBUS, on_bus);
	if (!sigsetjmp(bus, 1)) {
		m[2 * PAGE] = 1;
		CHECK(false, "no SIGBUS");
	}
	OK(ftruncate(fd, PAGE));
	if (!sigsetjmp(bus, 1))
		CHECK(false, "no SIGBUS, but %d", m[PAGE]);
	OK(ftruncate(fd, 4 * PAGE));
	CHECK_EQ(m[PAGE], 0);
	CHECK_EQ(blocks(fd), 0);
}

TEST(two_guests_merge)
{
	struct lodge_domain_info d = { .size = sizeof(d) };
	struct guest a, b;
	uint64_t word;
	int i;

	need_lodge();
	a = guest_new(8 * PAGE, "merge");
	b = guest_new(8 * PAGE, "merge");
	for (i = 0; i < 8; i++) {
		fill(a.m + i * PAGE, i);
		fill(b.m + i * PAGE, i < 4 ? i : i + 100);
		peek(&a, i * PAGE);
		peek(&b, i * PAGE);
	}
	merge(a.fd);
	CHECK_EQ(merge(b.fd), 4);
	for (i = 0; i < 8; i++) {
		CHECK_EQ(state(a.fd, i), i < 4 ? LODGE_PAGE_SHARED : LODGE_PAGE_PRIVATE);
		CHECK_EQ(state(b.fd, i), i < 4 ? LODGE_PAGE_SHARED : LODGE_PAGE_PRIVATE);
		CHECK_EQ(peek(&a, i * PAGE), *(uint64_t *)(a.m + i * PAGE));
		CHECK_EQ(peek(&b, i * PAGE), *(uint64_t *)(b.m + i * PAGE));
		CHECK(filled(a.m + i * PAGE, i));
		CHECK(filled(b.m + i * PAGE, i < 4 ? i : i + 100));
	}
	OK(ioctl(a.fd, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.shared, 4);
	CHECK_EQ(d.sharing, 8);
	/* Looked at again there is nothing to be done. */
	word = d.hashed;
	CHECK_EQ(merge(a.fd) + merge(b.fd), 0);
	OK(ioctl(a.fd, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.hashed, word);

	/* A guest's write is its own. */
	word = peek(&b, 0);
	poke(&a, 0, 4711);
	CHECK_EQ(peek(&b, 0), word);
	CHECK_EQ(peek(&a, 0), 4711);
	CHECK_EQ(*(uint64_t *)a.m, 4711);
	CHECK_EQ(peek(&a, 8), *(uint64_t *)(b.m + 8));
	CHECK_EQ(state(a.fd, 0), LODGE_PAGE_PRIVATE);
	/* So is a launcher's, and what it writes to the file. */
	a.m[PAGE + 1] ^= 1;
	CHECK(filled(b.m + PAGE, 1));
	OK(pwrite(b.fd, "x", 1, 2 * PAGE));
	CHECK(filled(a.m + 2 * PAGE, 2));
	CHECK_EQ(peek(&b, 2 * PAGE) & 0xff, 'x');
	/* The last one that shares has it for itself. */
	poke(&b, 0, 4712);
	CHECK_EQ(peek(&b, 0), 4712);
	CHECK_EQ(peek(&a, 0), 4711);
	/* One goes, the other stays. */
	OK(ftruncate(a.fd, 3 * PAGE));
	CHECK(filled(b.m + 3 * PAGE, 3));
	CHECK_EQ(state(b.fd, 3), LODGE_PAGE_SHARED);
	poke(&b, 3 * PAGE, 1);
	CHECK_EQ(state(b.fd, 3), LODGE_PAGE_PRIVATE);
	OK(ioctl(b.fd, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.sharing, 2);		/* pages 1 and 2, one each */
	CHECK_EQ(d.broken, 5);
}

TEST(zero)
{
	struct lodge_memory_info info = { .size = sizeof(info) };
	struct guest g;
	int i;

	need_lodge();
	g = guest_new(64 * PAGE, "zero");
	for (i = 0; i < 64; i++)
		poke(&g, i * PAGE, 1);
	CHECK_EQ(blocks(g.fd), 64);
	CHECK_EQ(merge(g.fd), 63);
	for (i = 0; i < 64; i++)
		poke(&g, i * PAGE, 0);
	CHECK_EQ(merge(g.fd), 64);
	CHECK_EQ(blocks(g.fd), 0);
	CHECK_EQ(state(g.fd, 9), LODGE_PAGE_ZERO);
	CHECK_EQ(peek(&g, 9 * PAGE), 0);
	poke(&g, 9 * PAGE, 5);
	CHECK_EQ(g.m[9 * PAGE], 5);
	CHECK_EQ(g.m[8 * PAGE], 0);
	OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.pages[LODGE_PAGE_ZERO], 63);
	CHECK_EQ(info.pages[LODGE_PAGE_PRIVATE], 1);
}

static void logged(struct guest *g, size_t size, bool on)
{
	vm_slot(g->vm, 1, on ? KVM_MEM_LOG_DIRTY_PAGES : 0, AT, size, g->m);
}

/* What is dense is mapped by 2M, until a part of it is something else. */
TEST(huge)
{
	const size_t size = 6 * MiB + PAGE;
	uint64_t bitmap[size / PAGE / 64 + 1];
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bitmap };
	struct guest g;
	uint64_t others;
	int fd, i;

	need_lodge();
	g = guest_new(size, "huge");
	fd = OK(ioctl(g.vm->fd, KVM_GET_STATS_FD, 0));
	CHECK_EQ((uintptr_t)g.m % (2 * MiB), 0);
	/* A read alone brings nothing; what the payload is in may be 2M. */
	CHECK_EQ(peek(&g, 9 * PAGE), 0);
	others = stats_value(fd, "pages_2m");
	CHECK_EQ(blocks(g.fd), 0);
	poke(&g, 5 * PAGE, 5);
	CHECK_EQ(blocks(g.fd), 512);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 1);
	poke(&g, 511 * PAGE, 511);
	CHECK_EQ(g.m[5 * PAGE], 5);
	CHECK_EQ(peek(&g, 9 * PAGE), 0);
	/* The launcher was here first. */
	g.m[2 * MiB + PAGE] = 7;
	CHECK_EQ(peek(&g, 2 * MiB + PAGE), 7);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 2);
	/* Where it can't be: the end. */
	poke(&g, 6 * MiB, 6);
	CHECK_EQ(blocks(g.fd), 1025);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 2);

	/* A part goes. */
	OK(madvise(g.m + 2 * MiB + 3 * PAGE, PAGE, MADV_REMOVE));
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 1);
	CHECK_EQ(peek(&g, 2 * MiB + PAGE), 7);
	poke(&g, 2 * MiB + 3 * PAGE, 3);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 1);
	/* The log counts pages of 4K. */
	logged(&g, size, true);
	poke(&g, 5 * PAGE, 55);
	poke(&g, 77 * PAGE, 77);
	memset(bitmap, 0, sizeof(bitmap));
	OK(ioctl(g.vm->fd, KVM_GET_DIRTY_LOG, &log));
	CHECK_EQ(bitmap[0], 1 << 5);
	CHECK_EQ(bitmap[1], 1 << 13);
	logged(&g, size, false);
	poke(&g, 5 * PAGE, 5);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 1);
	/* Parts are given back. */
	CHECK_EQ(merge_at(g.fd, 0, 512).merged, 509);
	CHECK_EQ(blocks(g.fd), 3 + 513);
	CHECK_EQ(stats_value(fd, "pages_2m"), others);
	CHECK_EQ(peek(&g, 5 * PAGE), 5);
	CHECK_EQ(peek(&g, 77 * PAGE), 77);
	CHECK_EQ(peek(&g, 511 * PAGE), 511);
	for (i = 0; i < 5; i++)
		poke(&g, i * PAGE, i);
	CHECK_EQ(blocks(g.fd), 8 + 513);
	CHECK_EQ(stats_value(fd, "pages_2m"), others);
	/* What is empty again begins anew. */
	OK(madvise(g.m, 2 * MiB, MADV_REMOVE));
	poke(&g, PAGE, 1);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 1);
	close(fd);
}

/* What the guest gives up goes, whatever it is, and comes back empty. */
TEST(discarded)
{
	struct lodge_memory_info info = { .size = sizeof(info) };
	struct lodge_memory_discard d = { .size = sizeof(d) };
	struct guest g;
	int i, fd;

	need_lodge();
	g = guest_new(64 * PAGE, "discarded");
	for (i = 0; i < 40; i++)
		fill(g.m + i * PAGE, i / 2);
	merge(g.fd);
	for (i = 0; i < 40; i++)
		peek(&g, i * PAGE);
	poke(&g, 3 * PAGE, 1);
	d.first = 1;
	d.count = 49;
	OK(ioctl(g.fd, LODGE_MEMORY_DISCARD, &d));
	CHECK_EQ(blocks(g.fd), 1);
	CHECK(filled(g.m, 0));
	for (i = 1; i < 50; i++)
		CHECK_EQ(state(g.fd, i), LODGE_PAGE_DISCARDED);
	CHECK_EQ(state(g.fd, 50), LODGE_PAGE_ABSENT);
	OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.pages[LODGE_PAGE_DISCARDED], 49);
	FAILS(ENXIO, lseek(g.fd, PAGE, SEEK_DATA));
	/* The guest, the launcher, and system calls find nothing, and have it again. */
	CHECK_EQ(peek(&g, PAGE), 0);
	CHECK_EQ(state(g.fd, 1), LODGE_PAGE_ABSENT);
	CHECK_EQ(g.m[3 * PAGE], 0);
	CHECK_EQ(state(g.fd, 3), LODGE_PAGE_ABSENT);
	poke(&g, 2 * PAGE, 5);
	g.m[4 * PAGE] = 6;
	OK(pwrite(g.fd, "x", 1, 5 * PAGE));
	for (i = 2; i < 6; i++)
		CHECK_EQ(state(g.fd, i), i == 3 ? LODGE_PAGE_ABSENT : LODGE_PAGE_PRIVATE);
	CHECK_EQ(peek(&g, 2 * PAGE), 5);
	CHECK_EQ(peek(&g, 4 * PAGE), 6);
	CHECK_EQ(peek(&g, 5 * PAGE), 'x');
	info.flags = 0;
	OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.pages[LODGE_PAGE_DISCARDED], 44);
	/* A hole is no page that was given up. */
	OK(fallocate(g.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 20 * PAGE));
	CHECK_EQ(state(g.fd, 10), LODGE_PAGE_ABSENT);
	/* Beyond the end there is nothing to be given up. */
	d.first = 60;
	d.count = UINT32_MAX;
	OK(ioctl(g.fd, LODGE_MEMORY_DISCARD, &d));
	OK(ftruncate(g.fd, 80 * PAGE));
	CHECK_EQ(state(g.fd, 63), LODGE_PAGE_DISCARDED);
	CHECK_EQ(state(g.fd, 64), LODGE_PAGE_ABSENT);
	d.first = 1000;
	OK(ioctl(g.fd, LODGE_MEMORY_DISCARD, &d));
	d.count = 1ull << 32;
	FAILS(EINVAL, ioctl(g.fd, LODGE_MEMORY_DISCARD, &d));
	d.count = 1;
	d.flags = 4;
	FAILS(EINVAL, ioctl(g.fd, LODGE_MEMORY_DISCARD, &d));
	fd = open("/proc/self/fd/0", O_RDONLY);
	FAILS(ENOTTY, ioctl(fd, LODGE_MEMORY_DISCARD, &d));
}

/* What is written since it is watched stays, whoever writes it. */
TEST(unwritten)
{
	struct lodge_memory_discard d = {
		.size = sizeof(d), .count = 16, .flags = LODGE_DISCARD_WATCH,
	};
	struct guest g;
	int i, p[2];

	need_lodge();
	g = guest_new(16 * PAGE, "unwritten");
	for (i = 0; i < 16; i++) {
		g.m[i * PAGE] = i + 1;
		poke(&g, i * PAGE + 8, i);
	}
	OK(pipe(p));
	OK(write(p[1], "device", 6));
	merge(g.fd);
	OK(ioctl(g.fd, LODGE_MEMORY_DISCARD, &d));
	poke(&g, PAGE, 99);
	g.m[2 * PAGE] = 98;
	OK(pwrite(g.fd, "file", 4, 3 * PAGE));
	OK(read(p[0], g.m + 4 * PAGE, 6));
	CHECK_EQ(peek(&g, 5 * PAGE + 8), 5);
	CHECK_EQ(g.m[6 * PAGE], 7);
	d.flags = LODGE_DISCARD_UNWRITTEN;
	OK(ioctl(g.fd, LODGE_MEMORY_DISCARD, &d));
	for (i = 0; i < 16; i++)
		CHECK_EQ(state(g.fd, i), i >= 1 && i <= 4 ? LODGE_PAGE_PRIVATE :
			 LODGE_PAGE_DISCARDED);
	CHECK_EQ(peek(&g, PAGE), 99);
	CHECK_EQ(g.m[2 * PAGE], 98);
	CHECK(!memcmp(g.m + 3 * PAGE, "file", 4) && !memcmp(g.m + 4 * PAGE, "device", 6));
	CHECK_EQ(peek(&g, 5 * PAGE + 8), 0);
	/* It is watched still, but for what was touched. */
	poke(&g, 6 * PAGE, 1);
	OK(ioctl(g.fd, LODGE_MEMORY_DISCARD, &d));
	CHECK_EQ(peek(&g, 6 * PAGE), 1);
	CHECK_EQ(peek(&g, PAGE), 99);
	d.flags = LODGE_DISCARD_WATCH | LODGE_DISCARD_UNWRITTEN;
	FAILS(EINVAL, ioctl(g.fd, LODGE_MEMORY_DISCARD, &d));
}

/* One page is in a pipe, as those of O_DIRECT and vhost are in flight. */
TEST(held)
{
	struct lodge_memory_merge m;
	uint8_t buf[PAGE];
	struct iovec iov;
	struct guest g;
	int p[2], i;

	need_lodge();
	g = guest_new(4 * PAGE, "held");
	for (i = 0; i < 4; i++)
		fill(g.m + i * PAGE, 1);
	OK(pipe(p));
	iov.iov_base = g.m + PAGE;
	iov.iov_len = PAGE;
	CHECK_EQ(OK(vmsplice(p[1], &iov, 1, 0)), PAGE);
	m = merge_at(g.fd, 0, 0);
	CHECK_EQ(m.merged, 2);
	CHECK_EQ(m.skipped, 1);
	CHECK_EQ(state(g.fd, 1), LODGE_PAGE_PRIVATE);
	poke(&g, PAGE, 99);
	CHECK_EQ(OK(read(p[0], buf, PAGE)), PAGE);
	CHECK_EQ(*(uint64_t *)buf, 99);
	fill(g.m + PAGE, 1);
	CHECK_EQ(merge(g.fd), 1);
	CHECK_EQ(state(g.fd, 1), LODGE_PAGE_SHARED);
	/* A page can be cut off while it is held. */
	CHECK_EQ(OK(vmsplice(p[1], &iov, 1, 0)), PAGE);
	OK(ftruncate(g.fd, 0));
	CHECK_EQ(OK(read(p[0], buf, PAGE)), PAGE);
	CHECK(filled(buf, 1));
}

/* What one who shared a page has in flight is not what the last one then writes. */
TEST(held_is_kept)
{
	uint8_t buf[2 * PAGE];
	struct guest a, b;
	struct iovec iov;
	int p[2];

	need_lodge();
	a = guest_new(2 * PAGE, "kept");
	b = guest_new(2 * PAGE, "kept");
	fill(a.m, 1);
	fill(b.m, 1);
	CHECK_EQ(merge(a.fd) + merge(b.fd), 1);
	OK(pipe(p));
	iov.iov_base = a.m;
	iov.iov_len = PAGE;
	CHECK_EQ(OK(vmsplice(p[1], &iov, 1, 0)), PAGE);
	/* One goes away from it, the other one has it alone. */
	poke(&a, 0, 1);
	poke(&b, 0, 4711);
	CHECK_EQ(peek(&b, 0), 4711);
	CHECK_EQ(OK(read(p[0], buf, PAGE)), PAGE);
	CHECK(filled(buf, 1), "%#lx", *(uint64_t *)buf);
	/* With nobody in between it stays without a copy. */
	fill(a.m + PAGE, 2);
	fill(b.m + PAGE, 2);
	CHECK_EQ(merge(a.fd) + merge(b.fd), 1);
	poke(&a, PAGE, 1);
	poke(&b, PAGE, 2);
	CHECK_EQ(peek(&b, PAGE), 2);
}

TEST(domains)
{
	struct lodge_create_memory create = {
		.size = sizeof(create), .flags = LODGE_MEMORY_MERGEABLE,
		.bytes = PAGE, .domain = "here",
	};
	int sys, a, b, c, status;
	uint8_t *m;

	need_lodge();
	a = object(PAGE, LODGE_MEMORY_MERGEABLE, "here");
	b = object(PAGE, LODGE_MEMORY_MERGEABLE, "there");
	fill(mapped(a, PAGE), 1);
	fill(mapped(b, PAGE), 1);
	CHECK_EQ(merge(a) + merge(b), 0);
	/* A domain of the same name is another user's. */
	sys = node_open();
	if (!fork()) {
		OK(setuid(12345));
		c = OK(ioctl(sys, LODGE_CREATE_MEMORY, &create));
		fill(mapped(c, PAGE), 1);
		MUST_EQ(merge(c), 0);
		MUST_EQ(state(c, 0), LODGE_PAGE_PRIVATE);
		_exit(0);
	}
	OK(wait(&status));
	CHECK_EQ(status, 0);
	c = object(PAGE, LODGE_MEMORY_MERGEABLE, "here");
	m = mapped(c, PAGE);
	fill(m, 1);
	CHECK_EQ(merge(c), 1);
	CHECK_EQ(state(a, 0), LODGE_PAGE_SHARED);
}

TEST(opt_out)
{
	struct lodge_memory_set set = {
		.size = sizeof(set), .mask = LODGE_MEMORY_MERGEABLE,
	};
	int a;
	uint8_t *m;

	need_lodge();
	a = object(2 * PAGE, LODGE_MEMORY_MERGEABLE, "opt");
	m = mapped(a, 2 * PAGE);
	fill(m, 1);
	fill(m + PAGE, 1);
	CHECK_EQ(merge(a), 1);
	OK(ioctl(a, LODGE_MEMORY_SET, &set));
	CHECK_EQ(state(a, 0), LODGE_PAGE_PRIVATE);
	CHECK_EQ(state(a, 1), LODGE_PAGE_PRIVATE);
	CHECK(filled(m, 1) && filled(m + PAGE, 1));
	FAILS(EINVAL, ioctl(a, LODGE_MEMORY_MERGE,
			    &(struct lodge_memory_merge){ .size = 40 }));
	set.flags = LODGE_MEMORY_MERGEABLE;
	OK(ioctl(a, LODGE_MEMORY_SET, &set));
	CHECK_EQ(merge(a), 1);
}

/* The scan comes by itself, and leaves what isn't written alone. */
TEST_TIMEOUT(by_itself, 60)
{
	struct lodge_domain_info d = { .size = sizeof(d) }, e = d;
	struct lodge_memory_set set = {
		.size = sizeof(set), .mask = LODGE_MEMORY_MERGEABLE,
		.flags = LODGE_MEMORY_MERGEABLE,
	};
	int a, i;
	uint8_t *m;

	need_lodge();
	budget("10");
	a = object(512 * PAGE, 0, "scan");
	m = mapped(a, 512 * PAGE);
	for (i = 0; i < 512; i++)
		fill(m + i * PAGE, i / 2);
	/* Not before: two that are half filled are alike, too. */
	OK(ioctl(a, LODGE_MEMORY_SET, &set));
	for (i = 0; i < 400 && d.merged < 256; i++) {
		usleep(100000);
		OK(ioctl(a, LODGE_DOMAIN_INFO, &d));
	}
	CHECK_EQ(d.merged, 256);
	CHECK_EQ(d.sharing, 512);
	CHECK_EQ(d.shared, 256);
	CHECK(d.saved > 200 * (int)PAGE && d.saved < 256 * (int)PAGE, "%lld", d.saved);
	for (e = d, i = 0; i < 400 && e.passes < d.passes + 2; i++) {
		usleep(100000);
		OK(ioctl(a, LODGE_DOMAIN_INFO, &e));
	}
	CHECK_EQ(e.visited, d.visited);
	for (i = 0; i < 512; i++)
		MUST(filled(m + i * PAGE, i / 2));
}

/* Writes a word of each page again and again, so that the scan is never done. */
struct rewriting {
	uint8_t *m;
	uint64_t pages;
	bool over;
	pthread_t thread;
};

static void *rewrite(void *arg)
{
	struct rewriting *w = arg;
	uint64_t n;

	for (n = 0; !__atomic_load_n(&w->over, __ATOMIC_RELAXED); n++)
		*(volatile uint64_t *)(w->m + n % w->pages * PAGE) = n + 1;
	return NULL;
}

static double seconds(void)
{
	return now_ns(CLOCK_MONOTONIC) / 1e9;
}

/* The first word of a file of a process's, if it is still there. */
static bool proc_word(const char *pid, const char *file, char *word, size_t size)
{
	char path[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	n = read(fd, word, size - 1);
	close(fd);
	if (n <= 0)
		return false;
	word[n] = 0;
	word[strcspn(word, "\n ")] = 0;
	return true;
}

/* Seconds that the kernel's threads for work like the scan have run; 0 if it doesn't say. */
static double workers_ran(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	double sum = 0;
	char word[64];

	MUST(dir);
	while ((e = readdir(dir)))
		if (proc_word(e->d_name, "comm", word, sizeof(word)) &&
		    !strncmp(word, "kworker/u", 9) &&
		    proc_word(e->d_name, "schedstat", word, sizeof(word)))
			sum += atoll(word) / 1e9;
	closedir(dir);
	return sum;
}

/*
 * Of a CPU, in percent, from the end of one slice to another one's: without what was done
 * last, whose pause is yet to come, and with it; as lodge and as the scheduler count.
 */
struct share {
	double least, most, workers;
};

static struct share share_of_cpu(int fd, double least)
{
	struct lodge_domain_info d = { .size = sizeof(d) }, first, last;
	double begin = seconds(), ran = workers_ran(), time;
	struct share s;

	OK(ioctl(fd, LODGE_DOMAIN_INFO, &d));
	first = d;
	while (d.cpu_ns == first.cpu_ns) {
		usleep(5000);
		OK(ioctl(fd, LODGE_DOMAIN_INFO, &d));
	}
	first = d;
	time = seconds();
	do {
		last = d;
		usleep(5000);
		OK(ioctl(fd, LODGE_DOMAIN_INFO, &d));
	} while (seconds() < time + least || d.cpu_ns == last.cpu_ns);
	time = seconds() - time;
	s.least = (last.cpu_ns - first.cpu_ns) / 1e7 / time;
	s.most = (d.cpu_ns - first.cpu_ns) / 1e7 / time;
	ran = workers_ran() - ran;
	s.workers = 100 * ran / (seconds() - begin);
	test_note("%.1f to %.1f %% of %.3f s, workers %.1f %%; %llu pages, %llu passes", s.least,
		  s.most, time, s.workers, d.visited - first.visited, d.passes - first.passes);
	return s;
}

/* The scan has no more of a CPU than it may have, however much there is to be done. */
TEST_TIMEOUT(budget, 60)
{
	struct rewriting w = { .pages = 16384 };
	struct share all, tenth;
	uint64_t i;
	int fd;

	need_lodge();
	parameter("ksm_pass_ms", "0");
	fd = object(w.pages * PAGE, LODGE_MEMORY_MERGEABLE, "budget");
	w.m = mapped(fd, w.pages * PAGE);
	for (i = 0; i < w.pages; i++)
		*(uint64_t *)(w.m + i * PAGE) = i + 1;
	OK(-pthread_create(&w.thread, NULL, rewrite, &w));
	budget("100");
	all = share_of_cpu(fd, 1);
	budget("10");
	tenth = share_of_cpu(fd, 3);
	budget("0");
	parameter("ksm_pass_ms", "1000");
	__atomic_store_n(&w.over, true, __ATOMIC_RELAXED);
	pthread_join(w.thread, NULL);
	/* It has to share a CPU with who writes. */
	CHECK(all.most > 20, "%.1f %%", all.most);
	CHECK(tenth.least < 12, "%.1f %%", tenth.least);
	CHECK(tenth.workers < 18, "%.1f %%", tenth.workers);
}

/* A domain's own pace. */
TEST_TIMEOUT(domain_set, 60)
{
	struct lodge_domain_set set = {
		.size = sizeof(set), .pass_ms = LODGE_DOMAIN_BY_POLICY,
	};
	struct lodge_domain_info d = { .size = sizeof(d) };
	char path[64];
	int a, i;
	uint8_t *m;

	need_lodge();
	budget("10");
	a = object(2 * PAGE, 0, "pace");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", a);
	FAILS(EBADF, ioctl(OK(open(path, O_RDONLY)), LODGE_DOMAIN_SET, &set));
	set.budget = 101;
	FAILS(EINVAL, ioctl(a, LODGE_DOMAIN_SET, &set));
	set.budget = 0;
	OK(ioctl(a, LODGE_DOMAIN_SET, &set));
	m = mapped(a, 2 * PAGE);
	fill(m, 1);
	fill(m + PAGE, 1);
	OK(ioctl(a, LODGE_MEMORY_SET, &(struct lodge_memory_set){
		.size = sizeof(struct lodge_memory_set),
		.mask = LODGE_MEMORY_MERGEABLE, .flags = LODGE_MEMORY_MERGEABLE }));
	usleep(1500000);
	OK(ioctl(a, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.visited, 0);
	set.budget = LODGE_DOMAIN_BY_POLICY;
	OK(ioctl(a, LODGE_DOMAIN_SET, &set));
	for (i = 0; i < 300 && !d.merged; i++) {
		usleep(100000);
		OK(ioctl(a, LODGE_DOMAIN_INFO, &d));
	}
	CHECK_EQ(d.merged, 1);
}

/* A pass over all objects of a domain, and no other. */
TEST(domain_merge)
{
	struct lodge_domain_merge m = { .size = sizeof(m) };
	char path[64];
	uint8_t page[PAGE];
	int fd[3], i;

	need_lodge();
	fill(page, 1);
	for (i = 0; i < 3; i++) {
		fd[i] = object(2 * PAGE, LODGE_MEMORY_MERGEABLE, i < 2 ? "one" : "other");
		OK(pwrite(fd[i], page, PAGE, 0));
		OK(pwrite(fd[i], page, PAGE, PAGE));
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[0]);
	FAILS(EBADF, ioctl(OK(open(path, O_RDONLY)), LODGE_DOMAIN_MERGE, &m));
	m.flags = 1;
	FAILS(EINVAL, ioctl(fd[0], LODGE_DOMAIN_MERGE, &m));
	FAILS(EFAULT, ioctl(fd[0], LODGE_DOMAIN_MERGE, NULL));
	m.flags = 0;
	OK(ioctl(fd[1], LODGE_DOMAIN_MERGE, &m));
	for (i = 0; i < 3; i++)
		CHECK_EQ(state(fd[i], 1), i < 2 ? LODGE_PAGE_SHARED : LODGE_PAGE_PRIVATE);
	/* What is taken out isn't looked at; nor is it an error that nothing is left. */
	OK(ioctl(fd[2], LODGE_MEMORY_SET, &(struct lodge_memory_set){
		.size = sizeof(struct lodge_memory_set), .mask = LODGE_MEMORY_MERGEABLE }));
	OK(ioctl(fd[2], LODGE_DOMAIN_MERGE, &m));
	CHECK_EQ(state(fd[2], 1), LODGE_PAGE_PRIVATE);
}

/* What a VM's pages are, by slots. */
TEST(vm_map)
{
	uint8_t states[8];
	struct lodge_vm_map m = {
		.size = sizeof(m), .first = AT / PAGE - 1, .count = 8,
		.states = (uintptr_t)states,
	};
	struct guest g;
	int i;

	need_lodge();
	g = guest_new(8 * PAGE, "map");
	poke(&g, 0, 1);
	poke(&g, PAGE, 1);
	peek(&g, 2 * PAGE);
	OK(pwrite(g.fd, "x", 1, 3 * PAGE));
	m.flags = LODGE_MAP_CLEAR;
	OK(ioctl(g.vm->fd, LODGE_VM_MAP, &m));
	CHECK_EQ(m.first, AT / PAGE);
	CHECK_EQ(m.count, 8);
	for (i = 0; i < 2; i++)
		CHECK_EQ(states[i], LODGE_PAGE_PRIVATE | LODGE_MAP_MAPPED | LODGE_MAP_YOUNG);
	CHECK_EQ(states[2], LODGE_PAGE_ABSENT | LODGE_MAP_MAPPED | LODGE_MAP_YOUNG);
	CHECK_EQ(states[3], LODGE_PAGE_PRIVATE);
	CHECK_EQ(states[4], LODGE_PAGE_ABSENT);
	peek(&g, PAGE);
	m.flags = 0;
	m.count = 3;
	OK(ioctl(g.vm->fd, LODGE_VM_MAP, &m));
	CHECK_EQ(m.count, 3);
	CHECK(!(states[0] & LODGE_MAP_YOUNG) && states[1] & LODGE_MAP_YOUNG, "%x %x",
	      states[0], states[1]);
	/* Beyond all slots, or what can't be. */
	m.first = ~0ULL;
	OK(ioctl(g.vm->fd, LODGE_VM_MAP, &m));
	CHECK_EQ(m.count, 0);
	m.first = 0;
	m.count = ~0ULL;
	m.states = 8;
	FAILS(EFAULT, ioctl(g.vm->fd, LODGE_VM_MAP, &m));
	m.flags = 2;
	FAILS(EINVAL, ioctl(g.vm->fd, LODGE_VM_MAP, &m));
	FAILS(EFAULT, ioctl(g.vm->fd, LODGE_VM_MAP, NULL));
}

/* A page that its guest keeps writing stays where it is; the others hold still. */
TEST_TIMEOUT(dirty_bits, 60)
{
	struct lodge_domain_info d = { .size = sizeof(d) };
	const unsigned int n = 64;
	struct guest g;
	uint64_t word = 0, from;
	unsigned int i;

	need_lodge();
	parameter("ksm_pass_ms", "100");
	g = guest_new(n * PAGE, "dirty");
	for (i = 0; i < n; i++)
		poke(&g, i * PAGE, i + 1);
	budget("100");
	/* The first pass may have begun; whoever writes is faster than 100 ms. */
	while (OK(ioctl(g.fd, LODGE_DOMAIN_INFO, &d)), d.passes < 6)
		poke(&g, 0, ++word);
	CHECK_EQ(d.hashed, n - 1);
	CHECK_EQ(d.still, n - 1);
	CHECK(d.skip_written >= n + 2, "%llu", d.skip_written);
	CHECK_EQ(peek(&g, 0), word);
	/* One that the guest reads only is as good as one that it leaves alone. */
	for (from = d.passes; d.passes < from + 3;) {
		CHECK_EQ(peek(&g, 0), word);
		OK(ioctl(g.fd, LODGE_DOMAIN_INFO, &d));
	}
	CHECK_EQ(d.hashed, n);
	/* Two are alike, once the second holds still. */
	poke(&g, PAGE, word);
	for (from = d.passes; d.merged < 1 && d.passes < from + 8;) {
		usleep(10000);
		OK(ioctl(g.fd, LODGE_DOMAIN_INFO, &d));
	}
	parameter("ksm_pass_ms", "1000");
	CHECK_EQ(d.merged, 1);
	CHECK_EQ(state(g.fd, 0), LODGE_PAGE_SHARED);
	poke(&g, 0, 1);
	CHECK_EQ(peek(&g, PAGE), word);
}

/* In two guests what is dense stays 2M, until a part of it is merged. */
TEST(dense)
{
	const unsigned int n = 1024;
	struct lodge_domain_info d = { .size = sizeof(d) };
	uint8_t page[PAGE];
	struct guest g[2];
	uint64_t others[2], hashed;
	unsigned int i, k;
	int fd[2];

	need_lodge();
	for (k = 0; k < 2; k++) {
		g[k] = guest_new(n * PAGE, "dense");
		fd[k] = OK(ioctl(g[k].vm->fd, KVM_GET_STATS_FD, 0));
		peek(&g[k], 0);
		others[k] = stats_value(fd[k], "pages_2m");
		poke(&g[k], 0, 1);
		poke(&g[k], 512 * PAGE, 1);
		/* Page 700 is the same in both. */
		for (i = 0; i < n; i++) {
			fill(page, i == 700 ? i : n * (k + 1) + i);
			OK(pwrite(g[k].fd, page, PAGE, i * PAGE));
		}
	}
	CHECK_EQ(stats_value(fd[0], "pages_2m"), others[0] + 2);
	CHECK_EQ(merge(g[0].fd), 0);
	OK(ioctl(g[0].fd, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.hashed, n);
	CHECK_EQ(stats_value(fd[0], "pages_2m"), others[0] + 2);
	/* What nobody has written isn't hashed again. */
	CHECK_EQ(merge(g[0].fd), 0);
	OK(ioctl(g[0].fd, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.hashed, n);
	/* Of what wasn't the guest it is known which page. */
	fill(page, 4711);
	OK(pwrite(g[0].fd, page, PAGE, 3 * PAGE));
	CHECK_EQ(merge(g[0].fd), 0);
	OK(ioctl(g[0].fd, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.hashed, n + 1);
	poke(&g[0], 5 * PAGE, 5);
	CHECK_EQ(merge_at(g[0].fd, 0, 100).merged, 0);
	CHECK_EQ(merge(g[0].fd), 0);
	OK(ioctl(g[0].fd, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.hashed, n + 1 + 100 + 512);
	CHECK_EQ(stats_value(fd[0], "pages_2m"), others[0] + 2);

	/* Like one of which it isn't known that it was written since: nothing comes apart. */
	fill(page, n + 77);
	poke(&g[0], 77 * PAGE, 77);
	OK(pwrite(g[1].fd, page, PAGE, 78 * PAGE));
	CHECK_EQ(merge_at(g[1].fd, 0, 512).merged, 0);
	CHECK_EQ(stats_value(fd[0], "pages_2m"), others[0] + 2);
	CHECK_EQ(stats_value(fd[1], "pages_2m"), others[1] + 2);
	CHECK_EQ(merge(g[0].fd), 0);

	CHECK_EQ(merge(g[1].fd), 1);
	for (k = 0; k < 2; k++) {
		CHECK_EQ(state(g[k].fd, 700), LODGE_PAGE_SHARED);
		CHECK_EQ(stats_value(fd[k], "pages_2m"), others[k] + 1);
	}
	poke(&g[0], 700 * PAGE + 8, 1);
	fill(page, 700);
	CHECK_EQ(peek(&g[1], 700 * PAGE + 8), ((uint64_t *)page)[1]);
	CHECK_EQ(merge(g[0].fd) + merge(g[1].fd), 0);
	OK(ioctl(g[0].fd, LODGE_DOMAIN_INFO, &d));
	hashed = d.hashed;
	CHECK_EQ(merge(g[0].fd) + merge(g[1].fd), 0);
	OK(ioctl(g[0].fd, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.hashed, hashed);
	for (k = 0; k < 2; k++) {
		CHECK_EQ(stats_value(fd[k], "pages_2m"), others[k] + 1);
		for (i = 0; i < n; i++) {
			if (k == 0 && (i == 3 || i == 5 || i == 77 || i == 700))
				continue;
			if (k == 1 && i == 78)
				continue;
			OK(pread(g[k].fd, page, PAGE, i * PAGE));
			CHECK(filled(page, i == 700 ? i : n * (k + 1) + i), "%u.%u", k, i);
		}
		close(fd[k]);
	}
}

/* Beside it there are pages of 4K: they are looked at up to where it begins. */
TEST(dense_beside)
{
	const unsigned int n = 1536;
	uint8_t page[PAGE];
	struct guest g;
	uint64_t others;
	unsigned int i;
	int fd;

	need_lodge();
	g = guest_new(n * PAGE, "beside");
	fd = OK(ioctl(g.vm->fd, KVM_GET_STATS_FD, 0));
	peek(&g, 0);
	others = stats_value(fd, "pages_2m");
	for (i = 0; i < n; i += 512)
		poke(&g, i * PAGE, 1);
	for (i = 0; i < n; i++) {
		fill(page, i);
		OK(pwrite(g.fd, page, PAGE, i * PAGE));
	}
	OK(madvise(g.m + 3 * PAGE, PAGE, MADV_REMOVE));
	CHECK_EQ(merge(g.fd), 0);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 2);
	poke(&g, 500 * PAGE, 500);
	CHECK_EQ(merge(g.fd), 0);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 2);
	CHECK_EQ(peek(&g, 500 * PAGE), 500);
	close(fd);
}

/* The scan leaves it, too, written or not, and looks at it less and less often. */
TEST_TIMEOUT(dense_by_itself, 60)
{
	const unsigned int n = 512, passes = 24;
	struct lodge_domain_info d = { .size = sizeof(d) };
	uint8_t page[PAGE];
	struct guest g;
	uint64_t word = 0, others;
	unsigned int i;
	int fd;

	need_lodge();
	parameter("ksm_pass_ms", "50");
	g = guest_new(n * PAGE, "scan");
	fd = OK(ioctl(g.vm->fd, KVM_GET_STATS_FD, 0));
	peek(&g, 0);
	others = stats_value(fd, "pages_2m");
	poke(&g, 0, 1);
	for (i = 0; i < n; i++) {
		fill(page, i);
		OK(pwrite(g.fd, page, PAGE, i * PAGE));
	}
	budget("100");
	/* Each page has a word of its own, and the last round's. */
	while (OK(ioctl(g.fd, LODGE_DOMAIN_INFO, &d)), d.passes < passes) {
		poke(&g, word % n * PAGE, word + 1);
		word++;
	}
	parameter("ksm_pass_ms", "1000");
	budget("0");
	/* By the passes 2, 6 and 14. */
	CHECK(d.hashed >= n && d.hashed <= 3 * n, "%llu", d.hashed);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 1);
	for (i = 0; i < n && i < word; i++) {
		CHECK_EQ(peek(&g, i * PAGE), i + 1 + (word - 1 - i) / n * n);
		fill(page, i);
		CHECK_EQ(peek(&g, i * PAGE + 8), ((uint64_t *)page)[1]);
	}
	/* Two are alike, as soon as it is looked for them. */
	poke(&g, 9 * PAGE, 0);
	OK(pread(g.fd, page, PAGE, 9 * PAGE));
	OK(pwrite(g.fd, page, PAGE, 10 * PAGE));
	CHECK_EQ(merge(g.fd), 1);
	CHECK_EQ(stats_value(fd, "pages_2m"), others);
	close(fd);
}

/* More sharers than one page may have. */
TEST(many_sharers)
{
	struct lodge_domain_info d = { .size = sizeof(d) };
	int a, i;
	uint8_t *m;

	need_lodge();
	a = object(600 * PAGE, LODGE_MEMORY_MERGEABLE, "many");
	m = mapped(a, 600 * PAGE);
	for (i = 0; i < 600; i++)
		fill(m + i * PAGE, 1);
	merge(a);
	OK(ioctl(a, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.sharing, 600);
	CHECK_EQ(d.shared, 3);
	/* One that was full takes in nobody any more. */
	for (i = 0; i < 600; i += 2)
		fill(m + i * PAGE, 2);
	for (i = 0; i < 600; i += 2)
		fill(m + i * PAGE, 1);
	merge(a);
	OK(ioctl(a, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.sharing, 600);
	CHECK(d.shared > 3 && d.shared <= 5, "%lld", d.shared);
	for (i = 0; i < 600; i++) {
		MUST(filled(m + i * PAGE, 1));
		m[i * PAGE] ^= i;
	}
	OK(ioctl(a, LODGE_DOMAIN_INFO, &d));
	CHECK_EQ(d.sharing, 0);
	CHECK_EQ(d.shared, 0);
}

TEST(forked)
{
	struct guest g;
	int status;
	pid_t pid;

	need_lodge();
	g = guest_new(2 * PAGE, "fork");
	fill(g.m, 1);
	fill(g.m + PAGE, 1);
	pid = OK(fork());
	if (!pid) {
		MUST_EQ(merge(g.fd), 1);
		g.m[1] ^= 0xff;
		MUST(filled(g.m + PAGE, 1));
		g.m[1] ^= 0xff;
		g.m[PAGE] = 'c';
		_exit(0);
	}
	OK(waitpid(pid, &status, 0));
	CHECK_EQ(status, 0);
	CHECK_EQ(g.m[PAGE], 'c');
	CHECK_EQ(peek(&g, PAGE) & 0xff, 'c');
	CHECK(filled(g.m, 1));
}

static int swap_begin(int pages)
{
	int file = OK(open("/tmp/lodge-swap", O_RDWR | O_CREAT | O_TRUNC, 0600));

	OK(ftruncate(file, pages * PAGE));
	OK(swap_set(file));
	unlink("/tmp/lodge-swap");
	return file;
}

static void *run_churn(void *p)
{
	want_mark(p, 1);
	return NULL;
}

/* What a guest writes is there while it is merged, and broken, again and again. */
TEST_TIMEOUT(churn, 120)
{
	struct lodge_domain_info d = { .size = sizeof(d) };
	struct lodge_memory_info info = { .size = sizeof(info) };
	const int n = 64;
	struct guest g;
	pthread_t t;
	int i, swap;
	bool packs;

	need_lodge();
	g = guest_new((n + 16) * PAGE, "churn");
	packs = !try_reclaim(g.fd, 0, 0);
	swap = swap_begin(n);
	/* What is compressed stays so. */
	parameter("pool_percent", "100");
	vcpu_jump(g.v, G_churn);
	vcpu_args(g.v, AT, n);
	vcpu_interruptible(g.v);
	OK(-pthread_create(&t, NULL, run_churn, g.v));
	/* On a busy host the guest comes to write less often. */
	for (i = 0; i < 200 || d.merged <= 100 || d.broken <= 50 || !info.swapped_in ||
	     (packs && !info.decompressed); i++) {
		merge(g.fd);
		if (i % 3)
			try_reclaim(g.fd, n / 2, i % 4 ? 0 : LODGE_RECLAIM_SWAP);
		switch (i % 5) {
		case 0:	/* beside it */
			OK(fallocate(g.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     n * PAGE, 16 * PAGE));
			break;
		case 1:
			fill(g.m + (n + i % 16) * PAGE, 1);
			break;
		case 2:
			OK(ftruncate(g.fd, (n + i % 16) * PAGE));
			OK(ftruncate(g.fd, (n + 16) * PAGE));
			break;
		case 3:
			OK(madvise(g.m, n * PAGE, MADV_DONTNEED));
			break;
		case 4:
			MUST(mmap(g.m, n * PAGE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED, g.fd, 0) == g.m);
			break;
		}
		usleep(1000);
		OK(ioctl(g.fd, LODGE_DOMAIN_INFO, &d));
		info = (struct lodge_memory_info) { .size = sizeof(info) };
		OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
		MUST(i < 20000);
	}
	*(volatile uint64_t *)(g.vm->mem + 0x200000) = 1;
	pthread_join(t, NULL);
	parameter("pool_percent", "25");
	OK(ftruncate(g.fd, 0));
	OK(swap_set(-1));
	close(swap);
}

/* Nearly all of a page is alike, and the rest says which one it is. */
static void compressible(uint8_t *page, uint64_t seed)
{
	memset(page, seed, PAGE);
	*(uint64_t *)page = seed;
}

static bool was_compressible(const uint8_t *page, uint64_t seed)
{
	uint8_t want[PAGE];

	compressible(want, seed);
	return !memcmp(page, want, PAGE);
}

TEST(compressed)
{
	struct lodge_memory_info info = { .size = sizeof(info) };
	struct lodge_memory_reclaim r = { .size = sizeof(r), .bytes = PAGE };
	const int n = 64;
	uint8_t buf[PAGE];
	struct guest g;
	int p[2], i;

	need_lodge();
	g = guest_new((n + 2) * PAGE, "compressed");
	for (i = 1; i < n; i++)
		compressible(g.m + i * PAGE, i);
	memset(g.m, 0, PAGE);
	fill(g.m + n * PAGE, 4711);
	peek(&g, n * PAGE);
	CHECK_EQ(reclaim(g.fd, 10), 10);
	/* One of zeroes is nothing at all. */
	CHECK_EQ(state(g.fd, 0), LODGE_PAGE_ZERO);
	CHECK_EQ(state(g.fd, 9), LODGE_PAGE_COMPRESSED);
	CHECK_EQ(reclaim(g.fd, -1ull / PAGE), n - 10);
	OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.pages[LODGE_PAGE_COMPRESSED], n - 1);
	/* The one that doesn't shrink. */
	CHECK_EQ(info.pages[LODGE_PAGE_PRIVATE], 1);
	CHECK_EQ(info.incompressible, 1);
	CHECK(info.packed > 0 && info.packed < n * 128, "%llu", info.packed);
	CHECK(info.pool >= info.packed && info.pool < n * PAGE / 2, "%llu", info.pool);
	CHECK_EQ(blocks(g.fd), n);

	/* By a guest, a launcher, and a system call; for reading, and writing. */
	for (i = 1; i < n; i++) {
		switch (i % 5) {
		case 0:
			CHECK_EQ(peek(&g, i * PAGE), i);
			break;
		case 1:
			poke(&g, i * PAGE, i);
			break;
		case 2:
			CHECK_EQ(*(uint64_t *)(g.m + i * PAGE), i);
			break;
		case 3:
			*(uint64_t *)(g.m + i * PAGE) = i;
			break;
		case 4:
			CHECK_EQ(OK(pread(g.fd, buf, PAGE, i * PAGE)), PAGE);
			CHECK(was_compressible(buf, i));
			break;
		}
		CHECK(was_compressible(g.m + i * PAGE, i), "page %d", i);
		CHECK_EQ(state(g.fd, i), LODGE_PAGE_PRIVATE);
	}
	info.flags = 0;
	OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.decompressed, n - 1);
	CHECK_EQ(info.packed, 0);

	/* What is used between two looks stays. */
	CHECK_EQ(try_reclaim(g.fd, n, LODGE_RECLAIM_COLD), 0);
	peek(&g, 8 * PAGE);
	g.m[9 * PAGE + 8] = 9;
	CHECK_EQ(try_reclaim(g.fd, n, LODGE_RECLAIM_COLD), n - 3);
	CHECK_EQ(state(g.fd, 8), LODGE_PAGE_PRIVATE);
	CHECK_EQ(state(g.fd, 9), LODGE_PAGE_PRIVATE);

	/* Written, cut and punched. */
	OK(pwrite(g.fd, "x", 1, 10 * PAGE + 9));
	CHECK_EQ(peek(&g, 10 * PAGE), 10);
	CHECK_EQ(g.m[10 * PAGE + 9], 'x');
	OK(fallocate(g.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 11 * PAGE,
		     PAGE + 8));
	CHECK_EQ(peek(&g, 11 * PAGE), 0);
	CHECK_EQ(peek(&g, 12 * PAGE), 0);
	CHECK_EQ(g.m[12 * PAGE + 8], 12);
	OK(ftruncate(g.fd, 13 * PAGE));
	OK(ftruncate(g.fd, n * PAGE));
	CHECK_EQ(peek(&g, 13 * PAGE), 0);
	info.flags = 0;
	OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.pages[LODGE_PAGE_COMPRESSED], 7);

	/* A page in flight is left alone. */
	r.reclaimed = r.skipped = 0;
	OK(pipe(p));
	OK(ftruncate(g.fd, PAGE));
	compressible(g.m, 1);
	OK(vmsplice(p[1], &(struct iovec){ g.m, PAGE }, 1, 0));
	OK(ioctl(g.fd, LODGE_MEMORY_RECLAIM, &r));
	CHECK_EQ(r.reclaimed, 0);
	CHECK(r.skipped > 0);
	OK(read(p[0], buf, PAGE));
	CHECK_EQ(reclaim(g.fd, 1), 1);
	FAILS(EINVAL, ioctl(g.fd, LODGE_MEMORY_RECLAIM, &r));	/* not 0 */
	FAILS(EINVAL, try_reclaim(g.fd, 1, 1u << 31));
}

TEST(swapped)
{
	struct lodge_memory_info info = { .size = sizeof(info) };
	struct lodge_swap_info swap = { .size = sizeof(swap) }, before = swap;
	const int n = 64;
	struct guest g;
	uint8_t buf[PAGE];
	int sys, file, i, status;

	need_lodge();
	sys = node_open();
	g = guest_new(n * PAGE, "swapped");
	FAILS(EOPNOTSUPP, try_reclaim(g.fd, 1, LODGE_RECLAIM_SWAP));
	FAILS(ENOENT, swap_set(-1));
	FAILS(EBADF, swap_set(1000));
	FAILS(EINVAL, swap_set(g.fd));
	if (!fork()) {
		OK(setuid(12345));
		FAILS(EPERM, ioctl(sys, LODGE_SWAP_SET, &swap));
		FAILS(EPERM, ioctl(sys, LODGE_SWAP_INFO, &swap));
		_exit(0);
	}
	OK(wait(&status));
	CHECK_EQ(status, 0);
	OK(ioctl(sys, LODGE_SWAP_INFO, &before));
	file = swap_begin(n);
	FAILS(EBUSY, swap_set(file));
	for (i = 0; i < n; i++) {
		fill(g.m + i * PAGE, i);
		if (i % 2)
			peek(&g, i * PAGE);
	}
	CHECK_EQ(OK(try_reclaim(g.fd, n, LODGE_RECLAIM_SWAP)), n);
	OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.pages[LODGE_PAGE_SWAPPED], n);
	CHECK_EQ(info.swapped_out, n);
	CHECK_EQ(blocks(g.fd), n);
	OK(ioctl(sys, LODGE_SWAP_INFO, &swap));
	CHECK_EQ(swap.bytes, n * PAGE);
	CHECK_EQ(swap.used, n * PAGE);
	CHECK_EQ(swap.written, before.written + n);
	FAILS(EBUSY, swap_set(-1));
	/* One, and its neighbours. */
	fill(buf, 9);
	CHECK_EQ(peek(&g, 9 * PAGE), *(uint64_t *)buf);
	CHECK_EQ(state(g.fd, 7), LODGE_PAGE_SWAPPED);
	CHECK_EQ(state(g.fd, 8), LODGE_PAGE_PRIVATE);
	CHECK_EQ(state(g.fd, 15), LODGE_PAGE_PRIVATE);
	CHECK_EQ(state(g.fd, 16), LODGE_PAGE_SWAPPED);
	for (i = 8; i < 16; i++)
		CHECK(filled(g.m + i * PAGE, i));
	/* By the launcher, and by system calls. */
	CHECK(filled(g.m, 0));
	g.m[PAGE] ^= 1;
	g.m[PAGE] ^= 1;
	CHECK_EQ(OK(pread(g.fd, buf, PAGE, 20 * PAGE)), PAGE);
	CHECK(filled(buf, 20));
	OK(pwrite(g.fd, buf, PAGE, 40 * PAGE));
	for (i = 0; i < 48; i++)
		CHECK(filled(g.m + i * PAGE, i == 40 ? 20 : i), "page %d", i);
	OK(ftruncate(g.fd, 48 * PAGE));
	OK(ioctl(sys, LODGE_SWAP_INFO, &swap));
	CHECK_EQ(swap.used, 0);
	CHECK_EQ(swap.read, before.read + 48);

	/* What can't be read is an error, and isn't lost. */
	compressible(g.m, 1);
	CHECK(OK(try_reclaim(g.fd, n, LODGE_RECLAIM_SWAP)) > 0);
	CHECK_EQ(state(g.fd, 0), LODGE_PAGE_SWAPPED);
	OK(ftruncate(file, 0));
	FAILS(EIO, pread(g.fd, buf, 1, 0));
	vcpu_jump(g.v, G_peek);
	vcpu_args(g.v, AT, 0);
	FAILS(EFAULT, ioctl(g.v->fd, KVM_RUN, 0));
	signal(SIGBUS, on_bus);
	if (!sigsetjmp(bus, 1))
		CHECK(false, "no SIGBUS, but %d", *(volatile uint8_t *)g.m);
	CHECK_EQ(state(g.fd, 0), LODGE_PAGE_SWAPPED);
	OK(ftruncate(g.fd, 0));
	OK(swap_set(-1));
	OK(ioctl(sys, LODGE_SWAP_INFO, &swap));
	CHECK_EQ(swap.bytes, 0);
	CHECK(swap.errors > before.errors);
}

/* No two slots beside each other are free. */
TEST(swapped_in_pieces)
{
	struct lodge_memory_discard d = { .size = sizeof(d), .count = 1 };
	struct lodge_memory_info info = { .size = sizeof(info) };
	const int n = 64;
	uint8_t *m;
	int fd, i;

	need_lodge();
	fd = object(2 * n * PAGE, 0, "");
	m = mapped(fd, 2 * n * PAGE);
	swap_begin(n);
	for (i = 0; i < n; i++)
		fill(m + i * PAGE, i);
	CHECK_EQ(OK(try_reclaim(fd, n, LODGE_RECLAIM_SWAP)), n);
	for (d.first = 0; d.first < n; d.first += 2)
		OK(ioctl(fd, LODGE_MEMORY_DISCARD, &d));
	for (i = n; i < n + n / 2; i++)
		fill(m + i * PAGE, i);
	/* A piece each time. */
	for (i = 0; i < n && info.pages[LODGE_PAGE_SWAPPED] < (unsigned int)n; i++) {
		OK(try_reclaim(fd, n, LODGE_RECLAIM_SWAP));
		OK(ioctl(fd, LODGE_MEMORY_INFO, &info));
	}
	CHECK_EQ(info.pages[LODGE_PAGE_SWAPPED], n);
	for (i = n; i < n + n / 2; i++)
		MUST(filled(m + i * PAGE, i));
	for (i = 1; i < n; i += 2)
		MUST(filled(m + i * PAGE, i));
	munmap(m, 2 * n * PAGE);
	close(fd);
	OK(swap_set(-1));
}

/* What isn't used goes by itself, if that is wanted. */
TEST_TIMEOUT(cold, 60)
{
	const int n = 256;
	struct guest g;
	int i;

	need_lodge();
	g = guest_new(n * PAGE, "cold");
	for (i = 0; i < n; i++)
		compressible(g.m + i * PAGE, i + 1);
	if (try_reclaim(g.fd, 0, 0))
		test_skip("no zsmalloc, or no lz4, in this kernel");
	parameter("cold_ms", "100");
	for (i = 0; i < 400 && state(g.fd, n - 1) != LODGE_PAGE_COMPRESSED; i++)
		usleep(50000);
	parameter("cold_ms", "0");
	CHECK(i < 400);
	for (i = 0; i < n; i++)
		CHECK_EQ(peek(&g, i * PAGE), i + 1);
}

/* What a guest uses stays where it is, 2M of it too: it doesn't even fault. */
TEST(aged)
{
	const unsigned int n = 1024;
	struct guest g;
	uint64_t others, faults;
	int fd, cpu;

	need_lodge();
	g = guest_new((n + 8) * PAGE, "aged");
	if (try_reclaim(g.fd, 0, 0))
		test_skip("no zsmalloc, or no lz4, in this kernel");
	fd = OK(ioctl(g.vm->fd, KVM_GET_STATS_FD, 0));
	cpu = OK(ioctl(g.v->fd, KVM_GET_STATS_FD, 0));
	peek(&g, 0);
	others = stats_value(fd, "pages_2m");
	poke(&g, 0, 1);
	poke(&g, 512 * PAGE, 2);
	/* The end of it comes by 4K. */
	poke(&g, n * PAGE, 3);
	poke(&g, (n + 1) * PAGE, 4);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 2);
	CHECK_EQ(try_reclaim(g.fd, 2 * n, LODGE_RECLAIM_COLD), 0);
	peek(&g, 5 * PAGE);
	peek(&g, n * PAGE);
	/* The other block is of zeroes, but for one page. */
	CHECK_EQ(try_reclaim(g.fd, 2 * n, LODGE_RECLAIM_COLD), 513);
	CHECK_EQ(stats_value(fd, "pages_2m"), others + 1);
	CHECK_EQ(state(g.fd, 512), LODGE_PAGE_COMPRESSED);
	CHECK_EQ(state(g.fd, n + 1), LODGE_PAGE_COMPRESSED);
	CHECK_EQ(state(g.fd, n), LODGE_PAGE_PRIVATE);
	faults = stats_value(cpu, "npf_exits");
	CHECK_EQ(peek(&g, 5 * PAGE), 0);
	CHECK_EQ(peek(&g, n * PAGE), 3);
	CHECK_EQ(stats_value(cpu, "npf_exits"), faults);
	CHECK_EQ(peek(&g, 512 * PAGE), 2);
	CHECK_EQ(peek(&g, (n + 1) * PAGE), 4);

	/* Where memory is wanted now, it is the page that counts, not the block. */
	CHECK_EQ(try_reclaim(g.fd, 500, 0), 500);
	CHECK_EQ(stats_value(fd, "pages_2m"), others);
	CHECK_EQ(peek(&g, 0), 1);
}

/* What didn't shrink is left alone until the guest uses it: then it may be something else. */
TEST(shrinks_later)
{
	struct lodge_memory_info info = { .size = sizeof(info) };
	uint8_t buf[PAGE];
	struct guest g;
	int i;

	need_lodge();
	g = guest_new(8 * PAGE, "later");
	if (try_reclaim(g.fd, 0, 0))
		test_skip("no zsmalloc, or no lz4, in this kernel");
	MUST_EQ(getrandom(buf, PAGE, 0), PAGE);
	OK(pwrite(g.fd, buf, PAGE, 0));
	peek(&g, 0);
	for (i = 0; i < 4; i++)
		CHECK_EQ(try_reclaim(g.fd, 8, LODGE_RECLAIM_COLD), 0);
	OK(ioctl(g.fd, LODGE_MEMORY_INFO, &info));
	CHECK_EQ(info.incompressible, 1);
	CHECK_EQ(state(g.fd, 0), LODGE_PAGE_PRIVATE);

	memset(buf, 7, PAGE);
	OK(pwrite(g.fd, buf, PAGE, 0));
	peek(&g, 0);
	CHECK_EQ(try_reclaim(g.fd, 8, LODGE_RECLAIM_COLD), 0);
	CHECK_EQ(try_reclaim(g.fd, 8, LODGE_RECLAIM_COLD), 1);
	CHECK_EQ(state(g.fd, 0), LODGE_PAGE_COMPRESSED);
	CHECK_EQ(peek(&g, 0), 0x0707070707070707);
}

/* The guest's pages come from the object: the launcher's page tables stay empty. */
TEST(not_mapped)
{
	struct guest g;
	uint64_t entry;
	int fd, i;

	need_lodge();
	g = guest_new(8 * PAGE, "tables");
	fd = OK(open("/proc/self/pagemap", O_RDONLY));
	for (i = 0; i < 8; i++) {
		poke(&g, i * PAGE, i);
		CHECK_EQ(peek(&g, i * PAGE), i);
		CHECK_EQ(OK(pread(fd, &entry, 8, ((uintptr_t)g.m / PAGE + i) * 8)), 8);
		CHECK_EQ(entry >> 63, 0);
	}
	/* Read-only for the launcher is read-only for the guest. */
	OK(mprotect(g.m, 8 * PAGE, PROT_READ));
	CHECK_EQ(peek(&g, PAGE), 1);
	vcpu_jump(g.v, G_poke);
	vcpu_args(g.v, AT + PAGE, 9);
	FAILS(EFAULT, ioctl(g.v->fd, KVM_RUN, 0));
	OK(mprotect(g.m, 8 * PAGE, PROT_READ | PROT_WRITE));
	want_mark(g.v, 1);
	/* Other memory in its place is what the guest sees. */
	MUST(mmap(g.m, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		  object(8 * PAGE, 0, ""), 0) == g.m);
	CHECK_EQ(peek(&g, PAGE), 0);
	MUST(mmap(g.m, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		  g.fd, 0) == g.m);
	CHECK_EQ(peek(&g, PAGE), 9);
	MUST(mremap(g.m + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, g.m) == g.m);
	CHECK_EQ(peek(&g, 0), 9);
	vcpu_jump(g.v, G_peek);
	vcpu_args(g.v, AT + PAGE, 0);
	FAILS(EFAULT, ioctl(g.v->fd, KVM_RUN, 0));
}

/* What the launcher may not do with memory that it has never touched the guest may not, either. */
TEST(rights)
{
	const size_t size = 4 * MiB, at = 2 * MiB;
	struct guest g;

	need_lodge();
	g = guest_new(size, "rights");
	CHECK_EQ((uintptr_t)g.m % (2 * MiB), 0);
	poke(&g, at, 1);
	OK(mprotect(g.m, size, PROT_READ));
	CHECK_EQ(peek(&g, at), 1);
	vcpu_jump(g.v, G_poke);
	vcpu_args(g.v, AT + at, 2);
	FAILS(EFAULT, ioctl(g.v->fd, KVM_RUN, 0));
	OK(mprotect(g.m, size, PROT_READ | PROT_WRITE));
	want_mark(g.v, 1);
	OK(mprotect(g.m, size, PROT_NONE));
	vcpu_jump(g.v, G_peek);
	vcpu_args(g.v, AT + at, 0);
	FAILS(EFAULT, ioctl(g.v->fd, KVM_RUN, 0));
	OK(mprotect(g.m, size, PROT_READ | PROT_WRITE));
	CHECK_EQ(peek(&g, at), 2);
}

/* Pipes have what is in it, and what isn't. */
TEST(spliced)
{
	uint8_t *m, *copy;
	loff_t from = 0;
	int fd, to, i;

	need_lodge();
	fd = object(8 * PAGE, 0, "");
	m = mapped(fd, 8 * PAGE);
	/* A hole between, and one behind. */
	fill(m, 1);
	fill(m + 3 * PAGE, 3);
	to = OK(memfd_create("to", 0));
	for (i = 0; i < 100 && from < (loff_t)(8 * PAGE); i++)
		CHECK(OK(sendfile(to, fd, &from, 8 * PAGE - from)) > 0, "at %ld", (long)from);
	copy = mapped(to, 8 * PAGE);
	CHECK(!memcmp(copy, m, 8 * PAGE));
	munmap(copy, 8 * PAGE);
	close(to);
}

/* All that can be taken away from under a guest is, and it is told. */
TEST(taken_away)
{
	struct guest g;

	need_lodge();
	g = guest_new(4 * PAGE, "away");
	poke(&g, 0, 1);
	poke(&g, PAGE, 2);
	OK(fallocate(g.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	CHECK_EQ(peek(&g, 0), 0);
	CHECK_EQ(peek(&g, PAGE), 2);
	OK(ftruncate(g.fd, PAGE));
	vcpu_jump(g.v, G_peek);
	vcpu_args(g.v, AT + PAGE, 0);
	FAILS(EFAULT, ioctl(g.v->fd, KVM_RUN, 0));
	OK(ftruncate(g.fd, 4 * PAGE));
	CHECK_EQ(peek(&g, PAGE), 0);
	poke(&g, PAGE, 3);
	OK(munmap(g.m, 4 * PAGE));
	FAILS(EFAULT, ioctl(g.v->fd, KVM_RUN, 0));
	/* The object outlives its descriptor as long as it is mapped, and its VM. */
	MUST(mmap(g.m, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, g.fd,
		  0) == g.m);
	close(g.fd);
	CHECK_EQ(peek(&g, PAGE), 3);
}

/*
 * Memory that is broken, as the host has found out, is neither compared nor compressed nor
 * copied, and who wants what was in it is told. Nobody else is.
 */
TEST(broken)
{
	uint8_t byte;
	struct guest a, b;

	need_lodge();
	a = guest_new(4 * PAGE, "broken");
	b = guest_new(4 * PAGE, "broken");
	fill(a.m, 1);
	fill(b.m, 1);
	memset(a.m + PAGE, 2, PAGE);
	fill(a.m + 2 * PAGE, 3);
	fill(b.m + 2 * PAGE, 3);
	CHECK_EQ(merge_at(a.fd, 2, 1).merged + merge_at(b.fd, 2, 1).merged, 1);
	CHECK_EQ(state(a.fd, 2), LODGE_PAGE_SHARED);
	/* The kernel says EBUSY: it is on none of its lists. */
	if (madvise(a.m, PAGE, MADV_HWPOISON) && errno == EINVAL)
		test_skip("no CONFIG_MEMORY_FAILURE");
	madvise(a.m + 2 * PAGE, PAGE, MADV_HWPOISON);
	fill(b.m + 3 * PAGE, 3);
	CHECK_EQ(merge(a.fd) + merge(b.fd), 0);
	CHECK_EQ(state(b.fd, 0), LODGE_PAGE_PRIVATE);
	CHECK_EQ(state(b.fd, 3), LODGE_PAGE_PRIVATE);
	reclaim(a.fd, 4);
	reclaim(a.fd, 4);
	CHECK_EQ(state(a.fd, 0), LODGE_PAGE_PRIVATE);
	CHECK_EQ(state(a.fd, 1), LODGE_PAGE_COMPRESSED);
	/* A guest is told, and a launcher, who reads, and who would break a sharing. */
	vm_slot(a.vm, 1, 0, AT, 0, NULL);
	OK(munmap(a.m, 4 * PAGE));
	a.m = mapped(a.fd, 4 * PAGE);
	vm_slot(a.vm, 1, 0, AT, 4 * PAGE, a.m);
	CHECK(pread(a.fd, &byte, 1, 0) < 0);
	CHECK(pwrite(b.fd, &byte, 1, 2 * PAGE) < 0);
	signal(SIGBUS, on_bus);
	if (!sigsetjmp(bus, 1)) {
		vcpu_jump(a.v, G_peek);
		vcpu_args(a.v, AT, 0);
		ioctl(a.v->fd, KVM_RUN, 0);
		CHECK(false, "a guest reads broken memory");
	}
	if (!sigsetjmp(bus, 1)) {
		a.m[0] = 1;
		CHECK(false, "broken memory is written");
	}
	signal(SIGBUS, SIG_DFL);
	CHECK(a.m[PAGE] == 2 && a.m[2 * PAGE - 1] == 2);
	CHECK(filled(b.m, 1));
	CHECK(filled(b.m + 3 * PAGE, 3));
}

struct growing {
	uint8_t *m;
	size_t size;
	volatile bool over;
};

static void *grow(void *arg)
{
	struct growing *w = arg;

	while (!w->over) {
		OK(mremap(w->m, w->size, w->size + PAGE, 0) == w->m ? 0 : -1);
		OK(mremap(w->m, w->size + PAGE, w->size, 0) == w->m ? 0 : -1);
	}
	return NULL;
}

/* The only mapping of an object is in no tree while it grows: what guests have is taken out. */
TEST(grows)
{
	const size_t size = 16 * PAGE;
	struct guest g;
	struct growing w = { .size = size };
	pthread_t thread;
	uint64_t i, got;

	need_lodge();
	g = guest_new(size, "");
	w.m = mmap(NULL, size + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(w.m != MAP_FAILED);
	OK(munmap(w.m, size + PAGE));
	w.m = mmap(w.m, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, g.fd, 0);
	MUST(w.m != MAP_FAILED);
	vm_slot(g.vm, 1, 0, AT, 0, NULL);
	vm_slot(g.vm, 1, 0, AT, size, w.m);
	OK(munmap(g.m, size));
	MUST(!pthread_create(&thread, NULL, grow, &w));
	for (i = 1; i < 300; i++) {
		poke(&g, i % 16 * PAGE, i);
		/* The first time what is looked at has been seen; then it goes. */
		reclaim(g.fd, 16);
		reclaim(g.fd, 16);
		poke(&g, i % 16 * PAGE, i + 1);
		got = 0;
		OK(pread(g.fd, &got, 1, i % 16 * PAGE));
		CHECK_EQ(got, (uint8_t)(i + 1));
	}
	w.over = true;
	pthread_join(thread, NULL);
}

/* A VM whose process has gone, with the object: another one has the VM, and its balloon. */
TEST(outlived)
{
	struct lodge_balloon_config c = {
		.size = sizeof(c), .flags = LODGE_BALLOON_AUTO, .eventfd = -1,
		.shares = 1000, .memory = 4 * PAGE,
	};
	int status, done[2];
	char byte;

	need_lodge();
	OK(pipe(done));
	if (!OK(fork())) {
		struct guest g = guest_new(4 * PAGE, "");

		poke(&g, PAGE, 1);
		OK(ioctl(g.vm->fd, LODGE_BALLOON_SET, &c));
		if (OK(fork()))
			_exit(0);
		close(g.fd);
		OK(munmap(g.m, 4 * PAGE));
		/* What the other one had is freed, by RCU. */
		usleep(500000);
		FAILS(EIO, ioctl(g.vm->fd, LODGE_BALLOON_SET, &c));
		close(g.vm->fd);
		MUST(write(done[1], "", 1) == 1);
		_exit(0);
	}
	OK(wait(&status));
	CHECK_EQ(status, 0);
	close(done[1]);
	CHECK(read(done[0], &byte, 1) == 1);
}
