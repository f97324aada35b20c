// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lodge memory in the hands of devices, and a swap file on one. The suite memory-io
 * runs these in a host with two disks, a device mapper and ext4.
 */
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "object.h"
#include "io.guest.gen.h"
#include "peek.h"

#define RAW	"/dev/vda"
#define FS	"/dev/vdb"	/* an ext4 is on it */
#define DIR	"/tmp/lodge-ext4"

/* ---- a disk behind the device mapper, which stops or fails when it is told ---- */

struct disk {
	const char *name, *dev;
	char path[32];
	uint64_t sectors;
};

static uint64_t dm(unsigned long cmd, const char *name, uint32_t flags,
		   const char *target, const char *params, uint64_t sectors)
{
	struct {
		struct dm_ioctl d;
		struct dm_target_spec t;
		char params[64];
	} x = { };
	int fd = OK(open("/dev/mapper/control", O_RDWR));

	x.d.version[0] = 4;
	x.d.data_size = sizeof(x);
	x.d.data_start = offsetof(typeof(x), t);
	x.d.flags = flags;
	strcpy(x.d.name, name);
	if (target) {
		x.d.target_count = 1;
		x.t.length = sectors;
		strcpy(x.t.target_type, target);
		strcpy(x.params, params);
	}
	OK(ioctl(fd, cmd, &x));
	close(fd);
	return x.d.dev;
}

static void disk_stop(struct disk *d)
{
	dm(DM_DEV_SUSPEND, d->name, DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG |
	   DM_NOFLUSH_FLAG, NULL, NULL, 0);
}

static void disk_go(struct disk *d)
{
	dm(DM_DEV_SUSPEND, d->name, 0, NULL, NULL, 0);
}

static void disk_table(struct disk *d, bool works)
{
	char params[64];

	snprintf(params, sizeof(params), "%s 0", d->dev);
	dm(DM_TABLE_LOAD, d->name, 0, works ? "linear" : "error", works ? params : "",
	   d->sectors);
}

static void disk_works(struct disk *d, bool works)
{
	disk_table(d, works);
	disk_stop(d);
	disk_go(d);
}

static struct disk disk_new(const char *name, const char *dev)
{
	struct disk d = { .name = name, .dev = dev };
	int fd = open(dev, O_RDONLY);

	if (node_is_kvm())
		test_skip("KVM owns no memory");
	if (fd < 0 || access("/dev/mapper/control", F_OK))
		test_skip("no disk, or no device mapper, in this host");
	d.sectors = OK(lseek(fd, 0, SEEK_END)) / 512;
	close(fd);
	snprintf(d.path, sizeof(d.path), "/dev/dm-%u",
		 minor(dm(DM_DEV_CREATE, name, 0, NULL, NULL, 0)));
	disk_table(&d, true);
	disk_go(&d);
	need_lodge();
	return d;
}

static void disk_free(struct disk *d)
{
	dm(DM_DEV_REMOVE, d->name, 0, NULL, NULL, 0);
}

/* ---- a guest ---- */

static uint64_t first(uint64_t seed)
{
	uint8_t buf[PAGE];

	fill(buf, seed);
	return *(uint64_t *)buf;
}

/* What merging and reclaim leave alone: they had the others. */
static void is_left_alone(struct guest *g, int page, int nr)
{
	struct lodge_memory_reclaim r = { .size = sizeof(r), .bytes = nr * PAGE };
	struct lodge_memory_merge m;
	int i;

	m = merge_at(g->fd, 0, 0);
	CHECK(m.skipped > 0);
	CHECK_EQ(state(g->fd, page), LODGE_PAGE_PRIVATE);
	OK(ioctl(g->fd, LODGE_MEMORY_RECLAIM, &r));
	CHECK(r.skipped > 0);
	for (i = 0; i < nr; i++)
		CHECK(state(g->fd, i) == LODGE_PAGE_PRIVATE ? i == page : i != page,
		      "page %d: state %d", i, state(g->fd, i));
}

/* ---- O_DIRECT, io_uring ---- */

struct transfer {
	int fd;
	bool write;
	void *buf;
	ssize_t ret;
	pthread_t thread;
};

static void *transfer_fn(void *arg)
{
	struct transfer *t = arg;

	t->ret = t->write ? pwrite(t->fd, t->buf, PAGE, 0) : pread(t->fd, t->buf, PAGE, 0);
	return NULL;
}

static void transfer_begin(struct transfer *t)
{
	OK(-pthread_create(&t->thread, NULL, transfer_fn, t));
}

static void transfer_end(struct transfer *t)
{
	pthread_join(t->thread, NULL);
	CHECK_EQ(t->ret, PAGE);
}

/* Without registered buffers, by hand: one request, and one that is over. */
struct ring {
	struct io_uring_params p;
	uint8_t *sq, *cq;
	struct io_uring_sqe *sqe;
	int fd;
};

static uint32_t *word(uint8_t *ring, uint32_t offset)
{
	return (uint32_t *)(ring + offset);
}

static void ring_begin(struct transfer *t, struct ring *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = syscall(SYS_io_uring_setup, 1, &r->p);
	if (r->fd < 0)
		test_skip("no io_uring in this kernel");
	r->sq = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		     IORING_OFF_SQ_RING);
	r->cq = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		     IORING_OFF_CQ_RING);
	r->sqe = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		      IORING_OFF_SQES);
	*r->sqe = (struct io_uring_sqe) {
		.opcode = t->write ? IORING_OP_WRITE : IORING_OP_READ, .fd = t->fd,
		.addr = (uintptr_t)t->buf, .len = PAGE,
	};
	*word(r->sq, r->p.sq_off.array) = 0;
	__atomic_store_n(word(r->sq, r->p.sq_off.tail), 1, __ATOMIC_RELEASE);
	CHECK_EQ(OK(syscall(SYS_io_uring_enter, r->fd, 1, 0, 0, NULL, 0)), 1);
}

static void ring_end(struct transfer *t, struct ring *r)
{
	OK(syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0));
	CHECK_EQ(__atomic_load_n(word(r->cq, r->p.cq_off.tail), __ATOMIC_ACQUIRE), 1);
	CHECK_EQ(((struct io_uring_cqe *)(r->cq + r->p.cq_off.cqes))->res, PAGE);
	close(r->fd);
}

/* Page 1 of 4 equal ones that shrink is in flight while its disk stands still. */
static void in_flight(bool uring)
{
	struct disk d = disk_new("lodge-raw", RAW);
	struct transfer t = { };
	struct ring r;
	struct guest g;
	uint8_t buf[PAGE] __attribute__((aligned(PAGE)));
	int i;

	g = guest_new(4 * PAGE, "io");
	if (try_reclaim(g.fd, 0, 0))
		test_skip("no zsmalloc, or no lz4, in this kernel");
	t.fd = OK(open(d.path, O_RDWR | O_DIRECT));
	t.buf = g.m + PAGE;
	fill(buf, 77);
	CHECK_EQ(OK(pwrite(t.fd, buf, PAGE, 0)), PAGE);
	for (i = 0; i < 2; i++) {
		int page;

		t.write = i;
		for (page = 0; page < 4; page++)
			memset(g.m + page * PAGE, 5, PAGE);
		disk_stop(&d);
		uring ? ring_begin(&t, &r) : transfer_begin(&t);
		usleep(100000);
		is_left_alone(&g, 1, 4);
		/* It is the guest's as ever. */
		CHECK_EQ(peek(&g, PAGE), 0x0505050505050505);
		CHECK_EQ(peek(&g, 2 * PAGE), 0x0505050505050505);
		poke(&g, PAGE, 4711);
		disk_go(&d);
		uring ? ring_end(&t, &r) : transfer_end(&t);
		if (!i) {
			CHECK(filled(g.m + PAGE, 77));
			CHECK_EQ(peek(&g, PAGE), first(77));
		} else {
			CHECK_EQ(OK(pread(t.fd, buf, PAGE, 0)), PAGE);
			CHECK_EQ(*(uint64_t *)buf, 4711);
			CHECK_EQ(buf[8], 5);
		}
		/* Let go, it is as the others are. */
		memset(g.m + PAGE, 5, PAGE);
		g.m[0] = 5;
		CHECK(merge(g.fd) > 0);
		CHECK_EQ(state(g.fd, 1), LODGE_PAGE_SHARED);
	}
	/* What is cut off in flight is the device's until it is over. */
	disk_stop(&d);
	uring ? ring_begin(&t, &r) : transfer_begin(&t);
	usleep(100000);
	OK(ftruncate(g.fd, 0));
	OK(ftruncate(g.fd, 4 * PAGE));
	CHECK_EQ(peek(&g, PAGE), 0);
	disk_go(&d);
	uring ? ring_end(&t, &r) : transfer_end(&t);
	CHECK_EQ(OK(pread(t.fd, buf, PAGE, 0)), PAGE);
	CHECK_EQ(buf[9], 5);
	close(t.fd);
	disk_free(&d);
}

TEST(direct) { in_flight(false); }

TEST(uring) { in_flight(true); }

/* Into pages that are shared, zero, compressed and swapped when it begins. */
TEST(direct_any_state)
{
	struct disk d = disk_new("lodge-raw", RAW);
	uint8_t buf[PAGE] __attribute__((aligned(PAGE)));
	const int n = 32;
	struct guest g;
	int fd, i, swap;

	g = guest_new(n * PAGE, "io");
	fd = OK(open(d.path, O_RDWR | O_DIRECT));
	swap = OK(open("/tmp/lodge-swap", O_RDWR | O_CREAT | O_TRUNC, 0600));
	OK(ftruncate(swap, 64 * PAGE));
	OK(swap_set(swap));
	for (i = 0; i < n; i++) {
		fill(buf, i);
		OK(pwrite(fd, buf, PAGE, i * PAGE));
		memset(g.m + i * PAGE, i % 4, PAGE);
		*(uint64_t *)(g.m + i * PAGE) = i % 4 < 2 ? i % 4 : i;
	}
	merge(g.fd);
	OK(try_reclaim(g.fd, n / 4, 0));
	OK(try_reclaim(g.fd, n, LODGE_RECLAIM_SWAP));
	CHECK_EQ(state(g.fd, 0), LODGE_PAGE_ZERO);
	CHECK_EQ(state(g.fd, 1), LODGE_PAGE_SHARED);
	/* Out of them first: what is there. */
	for (i = 0; i < n; i++) {
		OK(pwrite(fd, g.m + i * PAGE, PAGE, (n + i) * PAGE));
		OK(pread(fd, buf, PAGE, (n + i) * PAGE));
		CHECK_EQ(*(uint64_t *)buf, i % 4 < 2 ? i % 4 : i);
		CHECK_EQ(buf[9], i % 4);
	}
	OK(try_reclaim(g.fd, n, LODGE_RECLAIM_SWAP));
	for (i = 0; i < n; i++) {
		OK(pread(fd, g.m + i * PAGE, PAGE, i * PAGE));
		CHECK(filled(g.m + i * PAGE, i), "page %d", i);
		CHECK_EQ(peek(&g, i * PAGE), first(i));
	}
	OK(ftruncate(g.fd, 0));
	OK(swap_set(-1));
	close(fd);
	disk_free(&d);
}

/* ---- a swap file on a disk's file system ---- */

static int swap_on_disk(struct disk *d, const char *options, int pages)
{
	uint8_t buf[PAGE] = { };
	int fd, i;

	mkdir(DIR, 0700);
	OK(mount(d->path, DIR, "ext4", MS_NOATIME, options));
	fd = OK(open(DIR "/swap", O_RDWR | O_CREAT | O_TRUNC, 0600));
	/* Written once: then writing is nothing but writing. */
	for (i = 0; i < pages; i++)
		OK(pwrite(fd, buf, PAGE, i * PAGE));
	OK(syncfs(fd));
	return fd;
}

static struct lodge_swap_info swap_info(void)
{
	struct lodge_swap_info info = { .size = sizeof(info) };
	int sys = node_open();

	OK(ioctl(sys, LODGE_SWAP_INFO, &info));
	close(sys);
	return info;
}

static void swap_end(struct disk *d, int fd)
{
	OK(swap_set(-1));
	close(fd);
	OK(umount(DIR));
	disk_free(d);
}

static void filled_guest(struct guest *g, int n)
{
	int i;

	*g = guest_new(n * PAGE, "io");
	for (i = 0; i < n; i++)
		fill(g->m + i * PAGE, i);
}

TEST_TIMEOUT(swap_disk, 60)
{
	struct disk d = disk_new("lodge-fs", FS);
	struct lodge_swap_info before, after;
	const int n = 256;
	struct guest g;
	uint8_t buf[PAGE];
	int fd, i;

	fd = swap_on_disk(&d, "", n);
	OK(swap_set(fd));
	before = swap_info();
	filled_guest(&g, n);
	CHECK_EQ(OK(try_reclaim(g.fd, n, LODGE_RECLAIM_SWAP)), n);
	after = swap_info();
	CHECK_EQ(after.written - before.written, n);
	CHECK_EQ(after.used, n * PAGE);
	CHECK_EQ(after.errors, before.errors);
	/* Past the page cache: it is on the disk. */
	OK(pread(fd, buf, PAGE, 0));
	for (i = 0; i < n && !filled(buf, i); i++)
		;
	CHECK(i < n, "the file has nothing of it");
	/* Here and there, and then all. */
	for (i = 0; i < n; i += 37)
		CHECK_EQ(peek(&g, i * PAGE), first(i));
	for (i = 0; i < n; i++)
		CHECK(filled(g.m + i * PAGE, i), "page %d", i);
	CHECK_EQ(swap_info().used, 0);
	swap_end(&d, fd);
}

/* A file with holes, in a file system without room for them: pages stay. */
TEST_TIMEOUT(swap_no_space, 60)
{
	struct disk d = disk_new("lodge-fs", FS);
	struct lodge_swap_info before;
	const int n = 256;
	struct guest g;
	int fd, rest, i;
	int64_t out;

	fd = swap_on_disk(&d, "", 64);
	rest = OK(open(DIR "/rest", O_RDWR | O_CREAT | O_TRUNC, 0600));
	for (i = 1 << 20; i >= 1 << 12; i /= 2)
		while (!fallocate(rest, FALLOC_FL_KEEP_SIZE,
				  lseek(rest, i, SEEK_CUR) - i, i))
			;
	OK(ftruncate(fd, n * PAGE));
	OK(syncfs(fd));
	OK(swap_set(fd));
	before = swap_info();
	filled_guest(&g, n);
	out = OK(try_reclaim(g.fd, n, LODGE_RECLAIM_SWAP));
	/* Some find a place, others don't. */
	CHECK(out >= 64 && out < n, "%ld", out);
	CHECK(swap_info().errors > before.errors);
	CHECK_EQ(swap_info().used, out * PAGE);
	for (i = 0; i < n; i++) {
		CHECK_EQ(peek(&g, i * PAGE), first(i));
		CHECK(filled(g.m + i * PAGE, i), "page %d", i);
	}
	CHECK_EQ(swap_info().used, 0);
	unlink(DIR "/rest");
	close(rest);
	swap_end(&d, fd);
}

/* A disk that fails: what isn't written stays, what isn't read is there later. */
TEST_TIMEOUT(swap_errors, 60)
{
	struct disk d = disk_new("lodge-fs", FS);
	struct lodge_swap_info before;
	const int n = 64;
	struct guest g;
	uint8_t buf[PAGE];
	int fd, i;

	fd = swap_on_disk(&d, "commit=600,errors=continue", n);
	OK(swap_set(fd));
	before = swap_info();
	filled_guest(&g, n);
	disk_works(&d, false);
	CHECK_EQ(OK(try_reclaim(g.fd, n, LODGE_RECLAIM_SWAP)), 0);
	CHECK_EQ(swap_info().used, 0);
	CHECK(swap_info().errors > before.errors);
	for (i = 0; i < n; i++)
		CHECK(filled(g.m + i * PAGE, i), "page %d", i);
	disk_works(&d, true);
	CHECK_EQ(OK(try_reclaim(g.fd, n, LODGE_RECLAIM_SWAP)), n);

	disk_works(&d, false);
	FAILS(EIO, pread(g.fd, buf, PAGE, 0));
	vcpu_jump(g.v, G_peek);
	vcpu_args(g.v, AT, 0);
	FAILS(EFAULT, ioctl(g.v->fd, KVM_RUN, 0));
	signal(SIGBUS, on_bus);
	if (!sigsetjmp(bus, 1))
		CHECK(false, "no SIGBUS, but %d", *(volatile uint8_t *)g.m);
	CHECK_EQ(state(g.fd, 0), LODGE_PAGE_SWAPPED);
	CHECK_EQ(swap_info().used, n * PAGE);
	disk_works(&d, true);
	for (i = 0; i < n; i++) {
		CHECK_EQ(peek(&g, i * PAGE), first(i));
		CHECK(filled(g.m + i * PAGE, i), "page %d", i);
	}
	/* Frozen, it is waited for by nobody. */
	OK(ioctl(fd, FIFREEZE, 0));
	CHECK_EQ(OK(try_reclaim(g.fd, n, LODGE_RECLAIM_SWAP)), 0);
	OK(ioctl(fd, FITHAW, 0));
	CHECK_EQ(OK(try_reclaim(g.fd, n, LODGE_RECLAIM_SWAP)), n);
	for (i = 0; i < n; i++)
		CHECK(filled(g.m + i * PAGE, i), "page %d", i);
	swap_end(&d, fd);
}
