// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that another process serves: through the whole virtio transport, with a
 * back end of the test's own, which may be as wrong as it likes, and drivers that are.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <linux/vhost.h>
#include <linux/virtio_blk.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rings.h"
#include "scribble.h"
#include "tap.h"
#include "util.h"
#include "vhost_user.h"
#include "virtio.h"

#define SIZE	16
#define RAM	(4 * MIB)
#define DATA	0x200000
#define LAST	(RAM - 0x1000)
#define CHAINS	8
#define ROUNDS	200
#define SECTORS	2048
#define MODERN	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_INDIRECT_DESC)
#define CONFIG_BYTES	60

/* How a back end is wrong. */
enum wrong {
	RIGHT, SILENT, CUT, OTHER, HUGE_ANSWER, NO_REPLY_FLAG, OLD, NO_EXTRAS, REFUSES,
	SMALL_DISK, NO_DISK, TALKS
};

struct backend {
	char path[64];
	int listener, fd;
	enum wrong wrong;
	pthread_mutex_t lock;	/* between its thread and who answers */
	pthread_t thread;
	volatile unsigned int connections;
	volatile bool gone;	/* the launcher has hung up */
	volatile unsigned int ready;	/* rings that are enabled */
	uint64_t rings_host;
	uint8_t *rings;
	uint64_t ram_host;
	const uint8_t *ram;
	struct {
		struct vring_avail *avail;
		struct vring_used *used;
		const struct vring_desc *desc;
		int kick, call;
		uint16_t taken;
		unsigned int size;
	} ring[2];
};

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct {
			uint32_t count, padding;
			struct {
				uint64_t gpa, size, host, off;
			} region[8];
		} mem;
		uint8_t bytes[512];
	} body;
} __attribute__((packed));

static bool send_all(int fd, const void *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static void reply(struct backend *b, struct message *m, uint32_t size)
{
	uint32_t len = 12 + size;

	m->flags = 5;
	m->size = size;
	switch (b->wrong) {
	case SILENT:
		return;
	case CUT:
		len -= 3;
		break;
	case OTHER:
		m->request++;
		break;
	case HUGE_ANSWER:
		m->size = 0xffffffff;
		break;
	case NO_REPLY_FLAG:
		m->flags = 1;
		break;
	default:
		break;
	}
	send_all(b->fd, m, len);
	if (b->wrong == CUT)
		shutdown(b->fd, SHUT_RDWR);
}

static void map_memory(struct backend *b, const struct message *m, const int *fds)
{
	unsigned int i;

	for (i = 0; i < m->body.mem.count; i++) {
		void *p = mmap(NULL, m->body.mem.region[i].size, PROT_READ | PROT_WRITE,
			       MAP_SHARED, fds[i], m->body.mem.region[i].off);

		if (p == MAP_FAILED)
			abort();
		close(fds[i]);
		if (m->body.mem.region[i].gpa) {
			b->rings = p;
			b->rings_host = m->body.mem.region[i].host;
		} else {
			b->ram = p;
			b->ram_host = m->body.mem.region[i].host;
		}
	}
}

static void handle(struct backend *b, struct message *m, const int *fds)
{
	bool ack = m->flags & 8;
	uint8_t config[CONFIG_BYTES] = { 0 };
	unsigned int i = m->body.state.index & 1;

	switch (m->request) {
	case 1:
		m->body.u64 = MODERN | 1ULL << 30 | 1ULL << VIRTIO_BLK_F_FLUSH |
			1ULL << VIRTIO_BLK_F_MQ;
		if (b->wrong == OLD)
			m->body.u64 &= ~(1ULL << VIRTIO_F_VERSION_1);
		if (b->wrong == NO_EXTRAS)
			m->body.u64 &= ~(1ULL << 30);
		reply(b, m, 8);
		return;
	case 15:
		m->body.u64 = 1 << 3 | 1 << 9 | 1 << 5;
		reply(b, m, 8);
		return;
	case 5:
		map_memory(b, m, fds);
		break;
	case 8:
		b->ring[i].size = m->body.state.num;
		break;
	case 9:
		b->ring[i].avail = (void *)(b->rings + (m->body.addr.avail_user_addr -
							b->rings_host));
		b->ring[i].used = (void *)(b->rings + (m->body.addr.used_user_addr -
						       b->rings_host));
		b->ring[i].desc = (const void *)(b->ram + (m->body.addr.desc_user_addr -
							   b->ram_host));
		b->ring[i].taken = 0;
		break;
	case 12:
		b->ring[i].kick = fds[0];
		break;
	case 13:
		b->ring[i].call = fds[0];
		break;
	case 18:
		b->ready |= 1 << i;
		break;
	case 11:
		b->ready &= ~(1 << i);
		m->body.state.num = b->ring[i].taken;
		reply(b, m, 8);
		return;
	case 24:
		*(uint64_t *)config = b->wrong == NO_DISK ? 0 :
			b->wrong == SMALL_DISK ? SECTORS / 2 : SECTORS;
		memcpy(m->body.bytes + 12, config, sizeof(config));
		reply(b, m, 12 + sizeof(config));
		return;
	}
	if (ack) {
		m->body.u64 = b->wrong == REFUSES && m->request == 5;
		reply(b, m, 8);
	}
}

static void *backend_thread(void *arg)
{
	struct backend *b = arg;
	struct message m;
	char control[CMSG_SPACE(8 * sizeof(int))];
	int fds[8];

	for (;;) {
		int fd = accept(b->listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		b->ready = 0;
		b->gone = false;
		b->fd = fd;
		b->connections++;
		for (;;) {
			struct iovec iov = { &m, 12 };
			struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
				.msg_control = control, .msg_controllen = sizeof(control) };
			struct cmsghdr *c;

			if (recvmsg(fd, &msg, MSG_WAITALL) != 12 ||
			    m.size > sizeof(m.body) ||
			    (m.size && recv(fd, &m.body, m.size, MSG_WAITALL) !=
			     (ssize_t)m.size))
				break;
			c = CMSG_FIRSTHDR(&msg);
			if (c)
				memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
			pthread_mutex_lock(&b->lock);
			handle(b, &m, fds);
			pthread_mutex_unlock(&b->lock);
		}
		b->ready = 0;
		b->gone = true;
		close(fd);
	}
}

static struct backend *backend(const char *name)
{
	struct backend *b = calloc(1, sizeof(*b));
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	pthread_mutex_init(&b->lock, NULL);
	snprintf(b->path, sizeof(b->path), "/tmp/lodge-test-%d-%s", getpid(), name);
	strcpy(addr.sun_path, b->path);
	unlink(b->path);
	b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(b->listener, (void *)&addr, sizeof(addr)) || listen(b->listener, 4))
		abort();
	pthread_create(&b->thread, NULL, backend_thread, b);
	return b;
}

#define WITHIN(cond) ({ \
	unsigned int ms_; \
	for (ms_ = 0; ms_ < 10000 && !(cond); ms_++) \
		usleep(1000); \
	(cond); \
})

/* Its process dies; another one is there at once. */
static bool dies(struct backend *b)
{
	unsigned int n = b->connections;

	b->ready = 0;
	shutdown(b->fd, SHUT_RDWR);
	return WITHIN(b->connections > n && b->ready);
}

/* The heads it was offered since it last looked, as text. */
static const char *offered(struct backend *b, unsigned int q)
{
	static char text[256];
	size_t n = 0;

	__sync_synchronize();
	text[0] = 0;
	while (b->ring[q].taken != *(volatile uint16_t *)&b->ring[q].avail->idx) {
		uint16_t head = b->ring[q].avail->ring[b->ring[q].taken++ %
						       b->ring[q].size];

		n += snprintf(text + n, sizeof(text) - n, "%s%u", n ? " " : "", head);
	}
	return text;
}

static void put_used(struct backend *b, unsigned int q, uint32_t head, uint32_t len)
{
	struct vring_used *used = b->ring[q].used;

	used->ring[used->idx % b->ring[q].size] = (struct vring_used_elem){ head, len };
	__sync_synchronize();
	used->idx++;
	event_signal(b->ring[q].call);
}

/*
 * It has its rings, and the launcher hasn't hung up since: what the back end's thread
 * knows of that may be old, so the connection is looked at first.
 */
static bool serves(struct backend *b)
{
	struct pollfd hangup = { b->fd, POLLRDHUP, 0 };

	return !poll(&hangup, 1, 0) && b->ready;
}

static volatile unsigned int answers;

/* Answer whatever it has in a queue. */
static void answer_queue(struct backend *b, unsigned int q)
{
	uint16_t n;

	__sync_synchronize();
	while (b->ready >> q & 1 && (n = b->ring[q].taken) !=
	       *(volatile uint16_t *)&b->ring[q].avail->idx) {
		b->ring[q].taken++;
		answers++;
		put_used(b, q, b->ring[q].avail->ring[n % b->ring[q].size], 0);
	}
}

/*
 * The same, of its first queue. A reset waits for that, in the test's own thread, so that
 * it is too late then.
 */
static void answer_all(struct backend *b)
{
	answer_queue(b, 0);
}

/* One that answers, in a thread of its own, and so also while a reset waits. */
static volatile bool answering;

static void *answer_thread(void *arg)
{
	struct backend *b = arg;

	while (answering) {
		pthread_mutex_lock(&b->lock);
		answer_queue(b, 0);
		answer_queue(b, 1);
		pthread_mutex_unlock(&b->lock);
		usleep(20);
	}
	return NULL;
}

/* Reset the device in @slot and bring it up, with @queues of them, as a driver does. */
static uint64_t start(unsigned int slot, unsigned int queues)
{
	uint64_t features = negotiate(slot, MODERN);
	unsigned int q;

	for (q = 0; q < queues; q++)
		enable_queue(q, SIZE, DESC(q), AVAIL(q), USED(q));
	driver_ok();
	return features;
}

static void offer(unsigned int q, uint16_t head)
{
	avail(q)->ring[avail(q)->idx % SIZE] = head;
	__sync_synchronize();
	avail(q)->idx++;
	kick(q);
}

/* A request of one buffer each way, both of 512 bytes. */
static void request(unsigned int q, uint16_t head)
{
	uint64_t at = DATA + 1024 * head;

	desc(q)[head] = (struct vring_desc){ at, 512, VRING_DESC_F_NEXT, head + 8 };
	desc(q)[head + 8] = (struct vring_desc){ at + 512, 512, VRING_DESC_F_WRITE, 0 };
	offer(q, head);
}

static bool is_offered(struct backend *b, unsigned int q, uint16_t n)
{
	return WITHIN((uint16_t)(*(volatile uint16_t *)&b->ring[q].avail->idx) == n);
}

static void *io_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void test_greeting(void)
{
	static const struct {
		enum wrong wrong;
		const char *why;
	} t[] = {
		{ SILENT, "doesn't answer" }, { CUT, "hung up" }, { OTHER, "answered message" },
		{ HUGE_ANSWER, "answered message" }, { NO_REPLY_FLAG, "answered message" },
		{ OLD, "no virtio 1.0" }, { NO_EXTRAS, "no virtio 1.0" },
	};
	struct backend *b = backend("greeting");
	struct vhost_user vu;
	char path[200];
	unsigned int i;
	uint8_t buf[512];

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		b->wrong = t[i].wrong;
		check(vhost_user_connect(&vu, b->path) && vu.fd < 0 &&
		      strstr(vu.why, t[i].why), "a back end that is wrong: %s", vu.why);
		WITHIN(b->gone);
	}
	b->wrong = RIGHT;
	check(!vhost_user_connect(&vu, b->path) &&
	      !vhost_user_get_config(&vu, buf, CONFIG_BYTES), "one that is right");
	check(vhost_user_get_config(&vu, buf, 512), "more than there can be isn't asked for");
	vhost_user_close(&vu);
	snprintf(path, sizeof(path), "%s-none", b->path);
	check(vhost_user_connect(&vu, path), "one that isn't there: %s", vu.why);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	check(vhost_user_connect(&vu, path), "a name that is too long: %s", vu.why);
	unlink(b->path);
}

static void test_disk(struct backend *b)
{
	uint64_t features = start(1, 1);
	unsigned int i;

	check(features >> VIRTIO_BLK_F_FLUSH & 1, "what the back end offers is offered");
	check(!(features >> VIRTIO_BLK_F_MQ & 1), "and not what isn't done");
	check(get(0x2000, 4) == SECTORS, "the configuration is the back end's");
	check(WITHIN(b->ready == 1) && b->ring[0].size == SIZE, "the ring is started");
	for (i = 0; i < 3; i++)
		request(0, i);
	check(is_offered(b, 0, 3) && !strcmp(offered(b, 0), "0 1 2"), "requests arrive");
	check(b->ring[0].desc[1].addr == DATA + 1024, "with their descriptors");
	put_used(b, 0, 2, 512);
	put_used(b, 0, 0, 1);
	check(WITHIN(used(0)->idx == 2) && used(0)->ring[0].id == 2 &&
	      used(0)->ring[0].len == 512 && used(0)->ring[1].id == 0 &&
	      used(0)->ring[1].len == 1, "and come back in any order");
	put_used(b, 0, 1, 0);
	check(WITHIN(used(0)->idx == 3) && used(0)->ring[2].id == 1, "all of them");
}

static void test_restart(struct backend *b)
{
	unsigned int i;

	start(1, 1);
	WITHIN(b->ready);
	for (i = 0; i < 6; i++)
		request(0, i);
	is_offered(b, 0, 6);
	offered(b, 0);
	put_used(b, 0, 3, 1);
	put_used(b, 0, 1, 1);
	WITHIN(used(0)->idx == 2);
	/* Heads are used again, later than those that wait. */
	request(0, 1);
	is_offered(b, 0, 7);
	check(dies(b) && !strcmp(offered(b, 0), "0 2 4 5 1"),
	      "another back end gets what wasn't done, in its turn");
	put_used(b, 0, 5, 1);
	WITHIN(used(0)->idx == 3);
	/* Done, and not told of. */
	b->ring[0].used->ring[1].id = 4;
	check(dies(b) && !strcmp(offered(b, 0), "0 2 4 1"), "and so does a third");
	for (i = 0; i < 8; i++)
		if (i != 3 && i < 5)
			put_used(b, 0, i, 1);
	check(WITHIN(used(0)->idx == 7), "every request is done once");
	for (i = 0; i < 6; i++)
		check(dies(b), "one that has nothing to do may end as often as it likes");
	for (i = 0; i < 1000; i++) {
		request(0, i % 8);
		if (!WITHIN(b->ring[0].taken != *(volatile uint16_t *)&b->ring[0].avail->idx))
			break;
		offered(b, 0);
		put_used(b, 0, i % 8, 1);
		if (!WITHIN(used(0)->idx == (uint16_t)(7 + i + 1)))
			break;
	}
	check(i == 1000, "the rings go round");
}

/* After something wrong its connection is closed, and the next one gets the request. */
static void test_wrong(struct backend *b)
{
	static const char *const texts[] = {
		"gives back more than it has", "gives back what is no head",
		"gives back a head that it doesn't have", "gives back a head twice",
		"writes more than there is room for", "talks without being asked",
	};
	unsigned int i, n;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		start(1, 1);
		if (!WITHIN(b->ready))
			break;
		request(0, 0);
		request(0, 1);
		is_offered(b, 0, 2);
		offered(b, 0);
		n = b->connections;
		b->ready = 0;
		switch (i) {
		case 0:
			b->ring[0].used->idx = 100;
			event_signal(b->ring[0].call);
			break;
		case 1:
			put_used(b, 0, 0xffffffff, 0);
			break;
		case 2:
			put_used(b, 0, 7, 0);
			break;
		case 3:
			b->ring[0].used->ring[0].id = 1;
			b->ring[0].used->ring[1].id = 1;
			b->ring[0].used->idx = 2;
			event_signal(b->ring[0].call);
			break;
		case 4:
			put_used(b, 0, 0, 513);
			break;
		case 5:
			send_all(b->fd, "hello", 5);
			break;
		}
		check(WITHIN(b->connections > n && b->ready) && !broken(),
		      "one that %s is given up", texts[i]);
		check(!strcmp(offered(b, 0), i == 3 ? "0" : "0 1"),
		      "and the next one has the requests");
		put_used(b, 0, 0, 1);
		if (i != 3)
			put_used(b, 0, 1, 1);
		check(WITHIN(used(0)->idx == 2), "and does them");
	}
	start(1, 1);
	WITHIN(b->ready);
	n = b->connections;
	b->wrong = SMALL_DISK;
	shutdown(b->fd, SHUT_RDWR);
	check(WITHIN(b->connections > n && b->gone), "a disk of another size isn't taken");
	b->wrong = RIGHT;
	check(WITHIN(b->connections > n + 1 && b->ready), "the right one is");
	n = b->connections;
	b->wrong = REFUSES;
	shutdown(b->fd, SHUT_RDWR);
	check(WITHIN(b->connections >= n + 4 && b->gone), "one that refuses memory");
	usleep(3000 * vhost_user_patience_ms);
	n = b->connections - n;
	check(n <= 5, "isn't asked for ever: %u times", n);
	b->wrong = RIGHT;
	start(1, 1);
	check(WITHIN(b->ready), "after a reset it is");
}

static void test_reset(struct backend *b)
{
	unsigned int n;

	start(1, 1);
	WITHIN(b->ready);
	request(0, 0);
	is_offered(b, 0, 1);
	offered(b, 0);
	/* Done when nobody looks: the reset waits for it. */
	b->ring[0].used->ring[0] = (struct vring_used_elem){ 0, 1 };
	__sync_synchronize();
	b->ring[0].used->idx = 1;
	start(1, 1);
	check(WITHIN(b->ready) && is_offered(b, 0, 0), "a reset leaves nothing behind");
	request(0, 3);
	check(is_offered(b, 0, 1) && !strcmp(offered(b, 0), "3"), "and it works again");
	n = b->connections;
	start(1, 1);
	check(WITHIN(b->connections > n && b->ready && b->ring[0].taken == 0),
	      "one that keeps a request over a reset is given up");
}

static void test_hostile_driver(struct backend *b)
{
	unsigned int i, n;
	bool arrived;

	start(1, 1);
	WITHIN(b->ready);
	request(0, 0);
	is_offered(b, 0, 1);
	offer(0, 0);
	put_used(b, 0, 0, 1);
	check(WITHIN(broken()), "a request that is there already breaks the device");
	start(1, 1);
	WITHIN(b->ready);
	desc(0)[0] = (struct vring_desc){ DATA, 512, VRING_DESC_F_NEXT, 0 };
	offer(0, 0);
	check(WITHIN(broken()), "so does a loop");
	start(1, 1);
	desc(0)[0] = (struct vring_desc){ RAM - 8, 16, 0, 0 };
	offer(0, 0);
	check(WITHIN(broken()), "and a buffer past the end of memory");
	start(1, 1);
	desc(0)[0] = (struct vring_desc){ 1ULL << 41, 16, VRING_DESC_F_WRITE, 0 };
	offer(0, 0);
	check(WITHIN(broken()), "and one in the rings of the back end");
	start(1, 1);
	avail(0)->idx = SIZE + 1;
	offer(0, 0);
	check(WITHIN(broken()), "and more than the ring holds");
	start(1, 1);
	offer(0, SIZE);
	check(WITHIN(broken()), "and a head that is none");
	srand(2);
	for (i = 0; i < 50; i++) {
		answer_all(b);
		start(1, 1);
		WITHIN(serves(b));
		for (n = 0; n < 64 && !broken(); n++) {
			((uint8_t *)desc(0))[rand() % (16 * SIZE)] = rand();
			if (!(n % 8))
				offer(0, rand() % SIZE);
			answer_all(b);
		}
	}
	answer_all(b);
	start(1, 1);
	WITHIN(serves(b));
	request(0, 2);
	arrived = is_offered(b, 0, 1) && !strcmp(offered(b, 0), "2");
	put_used(b, 0, 2, 1);
	check(arrived && WITHIN(used(0)->idx == 1) && used(0)->ring[0].id == 2,
	      "after 50 times a queue of noise it works");
}

static int fuse_error(uint16_t head)
{
	struct fuse_out_header *h = mem_ptr(&vm.mem, DATA + 1024 * head + 512, sizeof(*h));

	return h->unique == 77u + head && h->len == sizeof(*h) ? h->error : 0;
}

static void fuse_request(uint16_t head)
{
	struct fuse_in_header *h = mem_ptr(&vm.mem, DATA + 1024 * head, sizeof(*h));

	h->unique = 77 + head;
	request(1, head);
}

static void test_folder(struct backend *b)
{
	char tag[37] = "";
	unsigned int i;

	start(2, 2);
	for (i = 0; i < 36; i++)
		tag[i] = get(0x2000 + i, 1);
	check(!strcmp(tag, "stuff") && get(0x2000 + 36, 4) == 1, "the folder's tag, one queue");
	check(WITHIN(b->ready == 3), "both rings are started");
	fuse_request(0);
	fuse_request(1);
	is_offered(b, 1, 2);
	put_used(b, 1, 1, 100);
	check(WITHIN(used(1)->idx == 1), "a request is answered");
	check(dies(b) && WITHIN(used(1)->idx == 2) && used(1)->ring[1].id == 0 &&
	      used(1)->ring[1].len == 16 && fuse_error(0) == -ENOTCONN,
	      "what its back end had when it ended fails");
	check(WITHIN(b->ready == 3) && !strcmp(offered(b, 1), ""), "and is nobody's");
	close(b->listener);
	unlink(b->path);
	shutdown(b->fd, SHUT_RDWR);
	WITHIN(b->gone);
	usleep(100000);
	fuse_request(2);
	check(WITHIN(used(1)->idx == 3) && fuse_error(2) == -ENOTCONN,
	      "without one all fail at once");
	/* To be forgotten: no answer is wanted. */
	desc(0)[0] = (struct vring_desc){ DATA, 64, 0, 0 };
	offer(0, 0);
	check(WITHIN(used(0)->idx == 1) && !used(0)->ring[0].len && !broken(),
	      "or go nowhere");
	/* One whose answer has no room, and one that is no request. */
	desc(1)[3] = (struct vring_desc){ DATA, 64, VRING_DESC_F_NEXT, 4 };
	desc(1)[4] = (struct vring_desc){ DATA + 64, 4, VRING_DESC_F_WRITE, 0 };
	offer(1, 3);
	check(WITHIN(used(1)->idx == 4) && used(1)->ring[3].len == 4, "with room or without");
	desc(1)[5] = (struct vring_desc){ DATA + 64, 400, VRING_DESC_F_WRITE, 0 };
	offer(1, 5);
	check(WITHIN(used(1)->idx == 5) && !used(1)->ring[4].len, "and if it is none");
}

/* Neither queue may hold these, whoever serves it. */
static void test_hostile_folder(struct backend *b)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
		const char *text;
	} t[] = {
		{ DATA, 512, VRING_DESC_F_NEXT, "a loop" },
		{ RAM - 8, 16, 0, "a buffer past the end of memory" },
		{ ~0ULL - 50, 100, 0, "one that wraps" },
		{ 1ULL << 41, 16, VRING_DESC_F_WRITE, "one in the rings of the back end" },
		{ DATA, 0, 0, "an empty one" },
		{ RAM - 16, 32, VRING_DESC_F_INDIRECT, "a table past the end of memory" },
	};
	unsigned int i, q;

	for (q = 0; q < 2; q++) {
		for (i = 0; i < ARRAY_SIZE(t); i++) {
			start(2, 2);
			desc(q)[0] = (struct vring_desc){ t[i].addr, t[i].len, t[i].flags, 0 };
			offer(q, 0);
			check(WITHIN(broken()), "a folder's queue %u: %s", q, t[i].text);
		}
		start(2, 2);
		avail(q)->idx = SIZE;
		offer(q, 0);
		check(WITHIN(broken()), "a folder's queue %u: more than the ring holds", q);
		start(2, 2);
		offer(q, SIZE);
		check(WITHIN(broken()), "a folder's queue %u: a head that is none", q);
	}
	start(2, 2);
	WITHIN(b->ready == 3);
	request(1, 0);
	is_offered(b, 1, 1);
	offer(1, 0);
	put_used(b, 1, 0, 16);
	check(WITHIN(broken()), "a folder's request that is there already");
}

/* Both queues change while they are read, by the launcher, and by a back end if it is @alive. */
static void test_scribble(struct backend *b, bool alive)
{
	const char *who = alive ? "a folder" : "a folder without a back end";
	void *last = mem_ptr(&vm.mem, LAST, RAM - LAST);
	unsigned int i, n, q, served = 0, found = 0;
	pthread_t thread;

	answers = 0;
	answering = true;
	pthread_create(&thread, NULL, answer_thread, b);
	scribbler.most = CHAINS;
	for (i = 0; i < ROUNDS; i++) {
		start(2, 2);
		if (alive)
			WITHIN(serves(b) && b->ready == 3);
		for (q = 0; q < 2; q++) {
			scribbled(q, desc(q), avail(q), used(q));
			for (n = 0; n < CHAINS; n++) {
				desc(q)[2 * n] = (struct vring_desc){
					LAST + 64 * n, 64, VRING_DESC_F_NEXT, 2 * n + 1 };
				desc(q)[2 * n + 1] = (struct vring_desc){
					RAM - 32 * (n + 1), 32, VRING_DESC_F_WRITE, 0 };
			}
			for (n = 0; n < SIZE; n++)
				avail(q)->ring[n] = n % CHAINS * 2;
		}
		served += scribble(2, SIZE, SIZE, last, 64 * CHAINS, 200, NULL);
		found += broken();
		/* It ends in the midst of that. */
		if (alive && i % 16 == 0)
			shutdown(b->fd, SHUT_RDWR);
	}
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	scribbler.most = 0;
	answering = false;
	pthread_join(thread, NULL);
	check(served > ROUNDS && (alive ? answers > ROUNDS : !answers),
	      "%s: requests that change while they are read: %u are done, %u by a back end", who,
	      served, answers);
	check(found, "%s: %u times it is found", who, found);
	check(beyond_untouched(), "%s: nothing is written behind memory", who);
}

/* A device is removed: its back end sees that. */
static void removed(struct virtio_dev *dev, struct backend *b)
{
	check(WITHIN(!b->gone), "the back end is there");
	pci_unmap(&dev->pci);
	virtio_destroy(dev);
	check(WITHIN(b->gone), "and sees it when the device is removed");
}

int main(void)
{
	static struct backend *disk, *folder;	/* reachable to the end */
	struct fs_config fs = { .tag = "stuff" };
	struct virtio_dev *dev[2];
	int before;
	char why[WHY_SIZE];
	pthread_t thread;

	vhost_user_patience_ms = 300;
	test_greeting();
	vm.fd = -1;
	bus_init(&vm.pio);
	bus_init(&vm.mmio);
	loop_init(&vm.loop);
	mem_create_shared(&vm.mem, RAM + BEYOND);
	beyond_create();
	pci_create(&vm);
	disk = backend("disk");
	folder = backend("folder");
	fs.socket = folder->path;
	/* A daemon goes elsewhere, and has to find its back end again. */
	if (chdir("/tmp"))
		return 1;
	dev[0] = blk_remote_create(&vm, strrchr(disk->path, '/') + 1, why);
	if (chdir("/"))
		return 1;
	dev[1] = fs_create(&vm, &fs, why);
	check(dev[0] && dev[1], "a disk and a folder");
	pthread_create(&thread, NULL, io_thread, &vm.loop);
	test_disk(disk);
	test_restart(disk);
	test_wrong(disk);
	test_reset(disk);
	test_hostile_driver(disk);
	test_hostile_folder(folder);
	test_scribble(folder, true);
	test_folder(folder);
	test_scribble(folder, false);
	start(2, 2);
	fuse_request(0);
	check(WITHIN(used(1)->idx == 1) && fuse_error(0) == -ENOTCONN, "requests fail as before");
	loop_stop(&vm.loop);
	pthread_join(thread, NULL);
	/* That one's back end has ended. */
	pci_unmap(&dev[1]->pci);
	virtio_destroy(dev[1]);
	removed(dev[0], disk);
	before = open_files();
	dev[0] = blk_remote_create(&vm, disk->path, why);
	check(dev[0] && dev[0]->pci.slot == 1, "another one comes in its place");
	removed(dev[0], disk);
	check(WITHIN(open_files() == before), "nothing of it is left open");
	unlink(disk->path);
	return done();
}
