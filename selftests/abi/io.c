// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lodge memory in the hands of devices, and a swap file on one. The suite memory-io
 * runs these in a host with two disks, a device mapper and ext4.
 */
#include <arpa/inet.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "cgroup.h"
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

/* ---- vhost ---- */

#define TAP		"lodge0"
#define RING		16
#define RX		0
#define TX		1
/* Pages of the object: each ring, the headers of packets, and packets of a page. */
#define RING_PAGE(q)	(q)
#define HEAD_PAGE	2
#define FIRST_PAGE	8	/* those before are swapped in together */
#define NET_PAGES	48

/* A queue of a virtio-net of ours, whose other half is vhost-net; in lodge memory. */
struct queue {
	struct vring ring;
	int kick, call;
	uint16_t seen;
};

struct net {
	struct guest g;
	struct queue q[2];
	int vhost, tap, wire;
	/* What each page has by now: the seed of fill(), 0 for zeroes. */
	uint64_t seed[FIRST_PAGE + NET_PAGES];
};

/* What the kernel's side of the tap sends and gets. */
static int wire_new(void)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
	};
	struct ifreq ifr = { .ifr_name = TAP };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0)
		test_skip("no packet sockets in this kernel");
	ifr.ifr_mtu = PAGE;
	OK(ioctl(fd, SIOCSIFMTU, &ifr));
	OK(ioctl(fd, SIOCGIFFLAGS, &ifr));
	ifr.ifr_flags |= IFF_UP;
	OK(ioctl(fd, SIOCSIFFLAGS, &ifr));
	OK(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &(int){ 1 }, sizeof(int)));
	at.sll_ifindex = OK(if_nametoindex(TAP) ?: -1);
	OK(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

static int tap_new(void)
{
	struct ifreq ifr = { .ifr_name = TAP, .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), quiet;

	if (fd < 0)
		test_skip("no tun in this kernel");
	OK(ioctl(fd, TUNSETIFF, &ifr));
	/* Nobody else says anything there. */
	quiet = open("/proc/sys/net/ipv6/conf/" TAP "/disable_ipv6", O_WRONLY);
	if (quiet >= 0)
		OK(write(quiet, "1", 1));
	close(quiet);
	return fd;
}

static void queue_new(struct net *n, int nr)
{
	struct queue *q = &n->q[nr];
	uint8_t *at = n->g.m + RING_PAGE(nr) * PAGE;
	struct vhost_vring_addr addr = { .index = nr };
	struct vhost_vring_state num = { .index = nr, .num = RING };
	struct vhost_vring_state base = { .index = nr };
	struct vhost_vring_file file = { .index = nr };

	vring_init(&q->ring, RING, at, 64);
	addr.desc_user_addr = (uintptr_t)q->ring.desc;
	addr.avail_user_addr = (uintptr_t)q->ring.avail;
	addr.used_user_addr = (uintptr_t)q->ring.used;
	OK(ioctl(n->vhost, VHOST_SET_VRING_NUM, &num));
	OK(ioctl(n->vhost, VHOST_SET_VRING_BASE, &base));
	OK(ioctl(n->vhost, VHOST_SET_VRING_ADDR, &addr));
	file.fd = q->kick = OK(eventfd(0, 0));
	OK(ioctl(n->vhost, VHOST_SET_VRING_KICK, &file));
	file.fd = q->call = OK(eventfd(0, 0));
	OK(ioctl(n->vhost, VHOST_SET_VRING_CALL, &file));
	file.fd = n->tap;
	OK(ioctl(n->vhost, VHOST_NET_SET_BACKEND, &file));
}

static void net_new(struct net *n)
{
	uint64_t features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VHOST_NET_F_VIRTIO_NET_HDR;
	const size_t size = (FIRST_PAGE + NET_PAGES) * PAGE;
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} mem = { .head.nregions = 1 };

	if (node_is_kvm())
		test_skip("KVM owns no memory");
	memset(n, 0, sizeof(*n));
	n->vhost = open("/dev/vhost-net", O_RDWR);
	if (n->vhost < 0)
		test_skip("no vhost-net in this kernel");
	need_lodge();
	/* It goes with the process. */
	OK(unshare(CLONE_NEWNET));
	n->g = guest_new(size, "vhost");
	n->tap = tap_new();
	n->wire = wire_new();
	mem.region.guest_phys_addr = AT;
	mem.region.memory_size = size;
	mem.region.userspace_addr = (uintptr_t)n->g.m;
	OK(ioctl(n->vhost, VHOST_SET_OWNER, 0));
	OK(ioctl(n->vhost, VHOST_SET_FEATURES, &features));
	OK(ioctl(n->vhost, VHOST_SET_MEM_TABLE, &mem));
	queue_new(n, RX);
	queue_new(n, TX);
}

/* A header and a page, for one packet. */
static void queue_add(struct net *n, int nr, int page)
{
	struct queue *q = &n->q[nr];
	uint16_t flags = nr == RX ? VRING_DESC_F_WRITE : 0;

	q->ring.desc[0] = (struct vring_desc) {
		.addr = AT + HEAD_PAGE * PAGE + nr * 64, .flags = flags | VRING_DESC_F_NEXT,
		.len = sizeof(struct virtio_net_hdr_mrg_rxbuf), .next = 1,
	};
	q->ring.desc[1] = (struct vring_desc) {
		.addr = AT + page * PAGE, .len = PAGE, .flags = flags,
	};
	q->ring.avail->ring[q->ring.avail->idx % RING] = 0;
	__atomic_store_n(&q->ring.avail->idx, q->ring.avail->idx + 1, __ATOMIC_RELEASE);
	OK(write(q->kick, &(uint64_t){ 1 }, 8));
}

static void queue_wait(struct net *n, int nr, uint32_t len)
{
	struct queue *q = &n->q[nr];
	struct pollfd p = { .fd = q->call, .events = POLLIN };
	uint64_t calls;

	while (__atomic_load_n(&q->ring.used->idx, __ATOMIC_ACQUIRE) == q->seen) {
		MUST(OK(poll(&p, 1, 10000)) == 1, "vhost doesn't answer");
		OK(read(q->call, &calls, 8));
	}
	MUST_EQ(q->ring.used->ring[q->seen++ % RING].len, len);
}

static void right(struct net *n, int page, const uint8_t *got, const char *where)
{
	static const uint8_t zeroes[PAGE];

	MUST(n->seed[page] ? filled(got, n->seed[page]) : !memcmp(got, zeroes, PAGE),
	     "page %d, seed %lu, %s: %#lx", page, n->seed[page], where, *(uint64_t *)got);
}

/* vhost reads a page: what comes out is what is in it. */
static void net_send(struct net *n, int page)
{
	uint8_t got[PAGE];

	queue_add(n, TX, page);
	MUST_EQ(OK(recv(n->wire, got, PAGE, 0)), PAGE);
	right(n, page, got, "sent");
	queue_wait(n, TX, 0);
}

/* vhost writes one: the guest, and whoever else looks, finds that. */
static void net_receive(struct net *n, int page, uint64_t seed)
{
	uint8_t packet[PAGE];

	fill(packet, seed);
	queue_add(n, RX, page);
	MUST_EQ(OK(send(n->wire, packet, PAGE, 0)), PAGE);
	queue_wait(n, RX, PAGE + sizeof(struct virtio_net_hdr_mrg_rxbuf));
	n->seed[page] = seed;
	MUST_EQ(peek(&n->g, page * PAGE), *(uint64_t *)packet);
	right(n, page, n->g.m + page * PAGE, "received");
}

static void net_fill(struct net *n, int page, uint64_t seed)
{
	n->seed[page] = seed;
	fill(n->g.m + page * PAGE, seed);
}

/* Pages become what @want is, each two of them alike. */
static void net_become(struct net *n, unsigned int want, uint64_t seed)
{
	struct lodge_memory_discard d = {
		.size = sizeof(d), .first = FIRST_PAGE, .count = NET_PAGES,
	};
	uint8_t *m;
	int i;

	for (i = FIRST_PAGE; i < FIRST_PAGE + NET_PAGES; i++) {
		net_fill(n, i, want == LODGE_PAGE_SHARED ? seed + i / 2 : seed + i);
		m = n->g.m + i * PAGE;
		if (want == LODGE_PAGE_ZERO)
			memset(m, 0, PAGE);
		if (want == LODGE_PAGE_ZERO || want == LODGE_PAGE_DISCARDED)
			n->seed[i] = 0;
	}
	if (want == LODGE_PAGE_SHARED || want == LODGE_PAGE_ZERO)
		merge_at(n->g.fd, FIRST_PAGE, NET_PAGES);
	if (want == LODGE_PAGE_SWAPPED)
		OK(try_reclaim(n->g.fd, FIRST_PAGE + NET_PAGES, LODGE_RECLAIM_SWAP));
	if (want == LODGE_PAGE_DISCARDED)
		OK(ioctl(n->g.fd, LODGE_MEMORY_DISCARD, &d));
	for (i = FIRST_PAGE; i < FIRST_PAGE + NET_PAGES; i++)
		MUST(state(n->g.fd, i) == (int)want, "page %d: %d, not %u", i,
		     state(n->g.fd, i), want);
}

/* vhost finds pages in each state, and its rings with them, and writes to some. */
TEST_TIMEOUT(vhost, 60)
{
	static const uint8_t states[] = {
		LODGE_PAGE_PRIVATE, LODGE_PAGE_SHARED, LODGE_PAGE_ZERO,
		LODGE_PAGE_SWAPPED, LODGE_PAGE_DISCARDED,
	};
	unsigned int i, page, swap;
	struct net n;

	net_new(&n);
	swap = OK(open("/tmp/lodge-swap", O_RDWR | O_CREAT | O_TRUNC, 0600));
	OK(ftruncate(swap, 256 * PAGE));
	OK(swap_set(swap));
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		net_become(&n, states[i], 1000 * i + 1000);
		for (page = FIRST_PAGE; page < FIRST_PAGE + NET_PAGES; page += 3)
			net_send(&n, page);
		net_become(&n, states[i], 1000 * i + 1500);
		for (page = FIRST_PAGE; page < FIRST_PAGE + NET_PAGES; page += 3)
			net_receive(&n, page, page + 100000);
		/* Those beside them are what they were. */
		for (page = FIRST_PAGE; page < FIRST_PAGE + NET_PAGES; page++)
			right(&n, page, n.g.m + page * PAGE, "after all");
	}
	OK(ftruncate(n.g.fd, 0));
	OK(swap_set(-1));
}

static void *net_disturb(void *arg)
{
	struct net *n = arg;
	unsigned int i;

	for (i = 0; __atomic_load_n(&n->vhost, __ATOMIC_RELAXED) >= 0; i++) {
		merge(n->g.fd);
		OK(try_reclaim(n->g.fd, i % 64, i % 3 ? 0 : LODGE_RECLAIM_SWAP));
	}
	return NULL;
}

/* And while they are merged, compressed and swapped all the time. */
TEST_TIMEOUT(vhost_disturbed, 60)
{
	struct lodge_memory_info info = { .size = sizeof(info) };
	struct lodge_memory_discard d = { .size = sizeof(d), .count = 1 };
	unsigned int i, page, swap;
	pthread_t thread;
	struct net n;

	net_new(&n);
	swap = OK(open("/tmp/lodge-swap", O_RDWR | O_CREAT | O_TRUNC, 0600));
	OK(ftruncate(swap, 256 * PAGE));
	OK(swap_set(swap));
	OK(-pthread_create(&thread, NULL, net_disturb, &n));
	srandom(1);
	for (i = 0; i < 1000; i++) {
		page = FIRST_PAGE + random() % NET_PAGES;
		/* Few seeds: there are equal ones. */
		switch (random() % 8) {
		case 0:
			net_fill(&n, page, 1 + random() % 4);
			break;
		case 1:
			d.first = page;
			OK(ioctl(n.g.fd, LODGE_MEMORY_DISCARD, &d));
			n.seed[page] = 0;
			break;
		case 2 ... 4:
			net_receive(&n, page, 1 + random() % 4);
			break;
		default:
			net_send(&n, page);
		}
	}
	__atomic_store_n(&n.vhost, -1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	for (page = FIRST_PAGE; page < FIRST_PAGE + NET_PAGES; page++)
		right(&n, page, n.g.m + page * PAGE, "at last");
	OK(ioctl(n.g.fd, LODGE_MEMORY_INFO, &info));
	CHECK(info.broken > 0 && info.swapped_in > 0, "%llu, %llu", info.broken,
	      info.swapped_in);
	OK(ftruncate(n.g.fd, 0));
	OK(swap_set(-1));
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

/* A VM of which some wait for the disk: a vCPU, and the launcher. The other vCPU goes on. */
struct stall {
	struct guest g;
	struct vcpu *other;
	int swapped, packed, fresh;	/* pages of each kind, in this order */
	bool begin, over;
};

struct waiter {
	struct stall *s;
	int page;
	bool guest;
	uint64_t got;
	pid_t tid;
	bool begin, came;
	pthread_t thread;
};

static void said(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static bool is_said(bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void *stall_wait(void *arg)
{
	struct waiter *w = arg;

	__atomic_store_n(&w->tid, gettid(), __ATOMIC_RELEASE);
	while (!is_said(&w->begin))
		usleep(1000);
	w->got = w->guest ? peek(&w->s->g, w->page * PAGE) :
			    *(volatile uint64_t *)(w->s->g.m + w->page * PAGE);
	said(&w->came);
	return NULL;
}

static void *stall_others(void *arg)
{
	struct stall *s = arg;
	struct guest g = s->g;
	int i, page = s->swapped;
	uint8_t buf[PAGE], *m;

	g.v = s->other;
	while (!is_said(&s->begin))
		usleep(1000);
	for (i = 0; i < s->packed; i++, page++)
		CHECK_EQ(peek(&g, page * PAGE), i + 1);
	for (i = 0; i < s->fresh; i++, page++) {
		CHECK_EQ(peek(&g, page * PAGE), 0);
		poke(&g, page * PAGE, i + 1);
		CHECK_EQ(peek(&g, page * PAGE), i + 1);
		/* Whoever had mmap_lock for reading would be waited for. */
		m = mapped(g.fd, (page + 1) * PAGE);
		CHECK_EQ(*(uint64_t *)(m + page * PAGE), i + 1);
		OK(munmap(m, (page + 1) * PAGE));
		OK(pread(g.fd, buf, PAGE, page * PAGE));
		CHECK_EQ(*(uint64_t *)buf, i + 1);
	}
	said(&s->over);
	return NULL;
}

/* Whether a thread comes to wait in the kernel, for what no signal ends, and stays there. */
static bool waits(pid_t tid)
{
	char path[64], text[512], *at;
	int i, n = 0, fd;

	for (i = 0; i < 1000 && n < 10; i++) {
		usleep(10000);
		snprintf(path, sizeof(path), "/proc/%d/stat", tid);
		fd = OK(open(path, O_RDONLY));
		text[OK(read(fd, text, sizeof(text) - 1))] = 0;
		close(fd);
		at = strrchr(text, ')');
		n = at && at[2] == 'D' ? n + 1 : 0;
	}
	return n == 10;
}

/* Each page is swapped, or in the pool, or there is none. */
static void stall_new(struct stall *s)
{
	int i;

	s->g = guest_new((s->swapped + s->packed + s->fresh) * PAGE, "io");
	s->other = vcpu_new(s->g.vm, 1, LONG64, G_peek);
	for (i = 0; i < s->swapped; i++)
		fill(s->g.m + i * PAGE, i);
	CHECK_EQ(OK(try_reclaim(s->g.fd, s->swapped, LODGE_RECLAIM_SWAP)), s->swapped);
	for (i = 0; i < s->packed; i++) {
		memset(s->g.m + (s->swapped + i) * PAGE, 7, PAGE);
		*(uint64_t *)(s->g.m + (s->swapped + i) * PAGE) = i + 1;
	}
	CHECK_EQ(reclaim(s->g.fd, s->packed), s->packed);
	for (i = 0; i < s->swapped + s->packed; i++)
		MUST_EQ(state(s->g.fd, i), i < s->swapped ? LODGE_PAGE_SWAPPED :
			LODGE_PAGE_COMPRESSED);
}

/* While a swap file's disk stands still those wait who want a page of it, and nobody else. */
TEST_TIMEOUT(swap_stalls_nobody, 60)
{
	struct disk d = disk_new("lodge-fs", FS);
	struct stall s = { .swapped = 64, .packed = 64, .fresh = 64 };
	struct waiter w[2] = {
		{ .s = &s, .page = 9, .guest = true }, { .s = &s, .page = 33 },
	};
	bool stalled = true, over;
	pthread_t others;
	int fd, i;

	fd = swap_on_disk(&d, "", s.swapped);
	OK(swap_set(fd));
	stall_new(&s);
	OK(-pthread_create(&others, NULL, stall_others, &s));
	for (i = 0; i < 2; i++) {
		OK(-pthread_create(&w[i].thread, NULL, stall_wait, &w[i]));
		while (!__atomic_load_n(&w[i].tid, __ATOMIC_ACQUIRE))
			usleep(1000);
	}
	/* Until the disk goes on nothing here may want mmap_lock: what waits may have it. */
	disk_stop(&d);
	for (i = 0; i < 2; i++) {
		said(&w[i].begin);
		stalled = waits(w[i].tid) && stalled;
	}
	said(&s.begin);
	for (i = 0; i < 2000 && !is_said(&s.over); i++)
		usleep(10000);
	over = is_said(&s.over);
	for (i = 0; i < 2; i++)
		stalled = stalled && !is_said(&w[i].came);
	disk_go(&d);
	CHECK(stalled, "nobody waits");
	CHECK(over, "the others wait, too");
	pthread_join(others, NULL);
	for (i = 0; i < 2; i++) {
		pthread_join(w[i].thread, NULL);
		CHECK_EQ(w[i].got, first(w[i].page));
	}
	for (i = 0; i < s.swapped; i++) {
		CHECK_EQ(peek(&s.g, i * PAGE), first(i));
		CHECK(filled(s.g.m + i * PAGE, i), "page %d", i);
	}
	swap_end(&d, fd);
}

/* A process at its group's limit, whose pages have to be written before there are others. */
struct full {
	bool guest;		/* or the launcher fills it */
	bool ready, go;
	pid_t tid;
	uint32_t turns;		/* how often mmap_lock was had for writing */
};

#define FULL_PAGES	1024

struct filling {
	struct full *full;
	struct guest g;
	bool over;
};

static void *full_fill(void *arg)
{
	struct filling *f = arg;
	int i;

	f->full->tid = gettid();
	said(&f->full->ready);
	while (!is_said(&f->full->go))
		usleep(1000);
	for (i = 0; i < FULL_PAGES; i++)
		if (f->full->guest)
			poke(&f->g, i * PAGE, i + 1);
		else
			*(volatile uint64_t *)(f->g.m + i * PAGE) = i + 1;
	said(&f->over);
	return NULL;
}

static void full_body(struct full *full)
{
	uint8_t *m = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct filling f = { .full = full, .g = guest_new(FULL_PAGES * PAGE, "io") };
	pthread_t thread;
	int i;

	MUST(m != MAP_FAILED);
	/* From here on that changes rights, and allocates nothing. */
	OK(mprotect(m + PAGE, PAGE, PROT_READ | PROT_WRITE));
	m[PAGE] = 1;
	poke(&f.g, 0, 1);
	/* What is mapped for reading is written by another way than what isn't mapped. */
	for (i = 1; !full->guest && i < FULL_PAGES; i += 2)
		MUST_EQ(*(volatile uint64_t *)(f.g.m + i * PAGE), 0);
	OK(-pthread_create(&thread, NULL, full_fill, &f));
	while (!is_said(&f.over)) {
		OK(mprotect(m + PAGE, PAGE, PROT_READ));
		OK(mprotect(m + PAGE, PAGE, PROT_READ | PROT_WRITE));
		__atomic_fetch_add(&full->turns, 1, __ATOMIC_RELAXED);
		usleep(1000);
	}
	pthread_join(thread, NULL);
	for (i = 0; i < FULL_PAGES; i++)
		MUST_EQ(peek(&f.g, i * PAGE), i + 1);
}

static void write_stalls_nobody(bool guest)
{
	struct full *full = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct disk d = disk_new("lodge-fs", FS);
	int fd = swap_on_disk(&d, "", 2 * FULL_PAGES), status, i;
	bool stalled, goes_on = false;
	uint32_t turns;
	pid_t pid;

	MUST(full != MAP_FAILED);
	full->guest = guest;
	OK(swap_set(fd));
	/* What is compressed goes on to the file. */
	parameter("pool_percent", "0");
	group_begin();
	pid = OK(fork());
	if (!pid) {
		OK(group_put(GROUP "/cgroup.procs", "0", 0));
		full_body(full);
		_exit(0);
	}
	while (!is_said(&full->ready))
		usleep(1000);
	OK(group_put(GROUP "/memory.max", "%ld",
		     group_get("memory.current", NULL) + FULL_PAGES / 4 * PAGE));
	disk_stop(&d);
	said(&full->go);
	stalled = waits(full->tid);
	turns = __atomic_load_n(&full->turns, __ATOMIC_RELAXED);
	for (i = 0; i < 200 && !goes_on; i++) {
		usleep(10000);
		goes_on = __atomic_load_n(&full->turns, __ATOMIC_RELAXED) > turns + 20;
	}
	disk_go(&d);
	CHECK(stalled, "nobody waits");
	CHECK(goes_on, "who wants mmap_lock waits, too");
	MUST_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(group_get("memory.events", "oom_kill "), 0);
	CHECK(swap_info().written, "nothing was written");
	parameter("pool_percent", "25");
	group_end();
	swap_end(&d, fd);
}

/* As little as reading does writing hold up others, which makes room at a cgroup's limit. */
TEST_TIMEOUT(swap_write_stalls_nobody, 60) { write_stalls_nobody(false); }

TEST_TIMEOUT(swap_write_stalls_no_vcpu, 60) { write_stalls_nobody(true); }

/* A file that the kernel swaps to isn't lodge's as well. */
TEST_TIMEOUT(swap_kernels, 60)
{
	struct disk d = disk_new("lodge-fs", FS);
	int fd = swap_on_disk(&d, "", 256), err;
	struct {
		uint8_t boot[1024];
		uint32_t version, last, bad;
		uint8_t rest[PAGE - 1024 - 12 - 10];
		char magic[10];
	} __attribute__((packed)) head = { .version = 1, .last = 255, .magic = "SWAPSPACE2" };

	_Static_assert(sizeof(head) == PAGE, "a page");
	OK(pwrite(fd, &head, sizeof(head), 0));
	OK(syncfs(fd));
	err = swapon(DIR "/swap", 0) ? errno : 0;
	if (!err) {
		FAILS(EBUSY, swap_set(fd));
		OK(swapoff(DIR "/swap"));
	}
	OK(swap_set(fd));
	swap_end(&d, fd);
	if (err)
		test_skip("the kernel swaps to no file: %s", strerror(err));
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
