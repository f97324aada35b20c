// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network, through the whole virtio transport: an honest driver, and some
 * that break the rules. At the other end is a socket, and, where the host has
 * them, a tap and vhost-net.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "rings.h"
#include "scribble.h"
#include "tap.h"
#include "util.h"

#define SIZE	16
#define RAM	(4 * MIB)
#define DATA	0x200000
#define RX	0
#define TX	1
#define CONFIG	0x2000	/* in BAR 0 */
#define MODERN	(1ULL << VIRTIO_F_VERSION_1)
#define MERGE	(1ULL << VIRTIO_NET_F_MRG_RXBUF)
#define FRAME	1000
#define ROUNDS	20

static int wire;	/* the other end */
static uint8_t frame[70000];

static uint8_t *data(unsigned int off)
{
	return mem_ptr(&vm.mem, DATA + off, 1);
}

/* Reset the device in @slot and bring it up, with @queues of them, as a driver does. */
static uint64_t start(unsigned int slot, uint64_t features, unsigned int queues)
{
	uint64_t offered = negotiate(slot, features);
	unsigned int q;

	for (q = 0; q < queues; q++)
		enable_queue(q, SIZE, DESC(q), AVAIL(q), USED(q));
	driver_ok();
	return offered;
}

static void put_desc(unsigned int q, unsigned int i, uint64_t addr, uint32_t len,
		     uint16_t flags)
{
	desc(q)[i] = (struct vring_desc){ addr, len, flags, i + 1 };
}

static void offer(unsigned int q, uint16_t head)
{
	avail(q)->ring[avail(q)->idx % SIZE] = head;
	__sync_synchronize();
	avail(q)->idx++;
	kick(q);
}

/* Within three seconds, unless the device is broken by then. */
static bool wait_used(unsigned int q, uint16_t idx)
{
	unsigned int i;

	for (i = 0; i < 3000 && used(q)->idx != idx && !broken(); i++)
		usleep(1000);
	return used(q)->idx == idx;
}

static bool wait_broken(void)
{
	unsigned int i;

	for (i = 0; i < 3000 && !broken(); i++)
		usleep(1000);
	return broken();
}

/* What comes out at the other end: a frame's length, or -1 after a while. */
static int received(void)
{
	struct timeval soon = { .tv_sec = 3 };
	uint32_t len;

	setsockopt(wire, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	if (recv(wire, &len, sizeof(len), MSG_WAITALL) != sizeof(len))
		return -1;
	len = ntohl(len);
	if (len > sizeof(frame) || recv(wire, frame, len, MSG_WAITALL) != (ssize_t)len)
		return -1;
	return len;
}

static void arrive(uint32_t len)
{
	uint32_t prefix = htonl(len), i;

	for (i = 0; i < len && i < sizeof(frame); i++)
		frame[i] = i * 7;
	if (write(wire, &prefix, sizeof(prefix)) != sizeof(prefix) ||
	    (len < sizeof(frame) && write(wire, frame, len) != (ssize_t)len))
		abort();
}

/* Send what lies at DATA, header and all. */
static void transmit(uint32_t len)
{
	put_desc(TX, 0, DATA, len, 0);
	offer(TX, 0);
}

static void *io_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void test_offer(void)
{
	uint64_t offered = start(1, MODERN, 2);
	const uint64_t want = 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS |
		1ULL << VIRTIO_NET_F_MTU | MERGE;

	check((offered & want) == want, "address, status, MTU, merged buffers");
	check(!(offered & (1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |
			   1ULL << VIRTIO_NET_F_MQ)), "nothing that a socket can't do");
	check(get(CONFIG, 4) == 0x00000002 && get(CONFIG + 4, 2) == 0x0100,
	      "the MAC address");
	check(get(CONFIG + 6, 2) == VIRTIO_NET_S_LINK_UP, "the link is up");
	check(get(CONFIG + 10, 2) == 65520, "the MTU");
	check(get(VIRTIO_PCI_COMMON_NUMQ, 2) == 2, "two queues");
}

static void test_transmit(void)
{
	static const uint32_t sizes[] = { 14, 60, 1514, 65535 };
	unsigned int i;

	start(1, MODERN, 2);
	memset(data(0), 0, NET_HEADER);
	memset(data(NET_HEADER), 0x5a, 65535);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		transmit(NET_HEADER + sizes[i]);
		check(wait_used(TX, i + 1) && received() == (int)sizes[i] &&
		      frame[0] == 0x5a && frame[sizes[i] - 1] == 0x5a,
		      "a frame of %u bytes goes out", sizes[i]);
	}
	/* Header and frame as the driver cuts them. */
	put_desc(TX, 0, DATA, 5, VRING_DESC_F_NEXT);
	put_desc(TX, 1, DATA + 5, 20, VRING_DESC_F_NEXT);
	put_desc(TX, 2, DATA + 25, 100, 0);
	offer(TX, 0);
	check(wait_used(TX, i + 1) && received() == 125 - (int)NET_HEADER,
	      "one in three pieces");

	/* These are no frames; what comes next is the proof that they went nowhere. */
	start(1, MODERN, 2);
	transmit(NET_HEADER);
	check(wait_used(TX, 1), "a header without a frame is taken");
	transmit(NET_HEADER + 13);
	check(wait_used(TX, 2), "so is less than an Ethernet header");
	transmit(NET_HEADER + 65536);
	check(wait_used(TX, 3), "and more than a frame can have");
	transmit(2 * MIB);
	check(wait_used(TX, 4), "and all that there is");
	((struct virtio_net_hdr *)data(0))->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	transmit(NET_HEADER + 60);
	check(wait_used(TX, 5), "and one to be cut into segments");
	memset(data(0), 0, NET_HEADER);
	((struct virtio_net_hdr *)data(0))->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	transmit(NET_HEADER + 60);
	check(wait_used(TX, 6), "and one without a checksum");
	memset(data(0), 0, NET_HEADER);
	transmit(NET_HEADER + 77);
	check(wait_used(TX, 7) && received() == 77 && !broken(), "none of them goes out");
}

static bool is_frame(unsigned int off, uint32_t from, uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		if (*data(off + i) != (uint8_t)((from + i) * 7))
			return false;
	return true;
}

static void post(unsigned int i, uint32_t off, uint32_t len)
{
	put_desc(RX, i, DATA + off, len, VRING_DESC_F_WRITE);
	offer(RX, i);
}

static uint16_t buffers(unsigned int off)
{
	return ((struct virtio_net_hdr_mrg_rxbuf *)data(off))->num_buffers;
}

static void test_receive(void)
{
	start(1, MODERN, 2);
	post(0, 0, 2048);
	arrive(FRAME);
	check(wait_used(RX, 1) && used(RX)->ring[0].len == NET_HEADER + FRAME &&
	      is_frame(NET_HEADER, 0, FRAME) && buffers(0) == 1, "a frame comes in");
	arrive(FRAME);
	usleep(100000);
	check(used(RX)->idx == 1, "another waits for a buffer");
	post(1, 4096, 2048);
	check(wait_used(RX, 2) && is_frame(4096 + NET_HEADER, 0, FRAME), "and gets it");
	post(2, 0, 512);
	arrive(FRAME);
	arrive(100);
	check(wait_used(RX, 3) && used(RX)->ring[2].len == NET_HEADER + 100,
	      "one that is too long is dropped, and the next takes its buffer");

	start(1, MODERN | MERGE, 2);
	post(0, 0, 400);
	post(1, 4096, 400);
	arrive(FRAME);
	usleep(100000);
	check(used(RX)->idx == 0, "one for three buffers waits for the third");
	post(2, 8192, 400);
	check(wait_used(RX, 3) && buffers(0) == 3 && used(RX)->ring[0].len == 400 &&
	      used(RX)->ring[2].len == FRAME + NET_HEADER - 800 &&
	      is_frame(NET_HEADER, 0, 400 - NET_HEADER) &&
	      is_frame(8192, 800 - NET_HEADER, FRAME + NET_HEADER - 800),
	      "and is spread over them");
	start(1, MODERN | MERGE, 2);
	for (unsigned int i = 0; i < SIZE; i++)
		post(i, 0x1000 * i, 20);
	arrive(FRAME);
	arrive(20);
	check(wait_used(RX, 2) && buffers(0) == 2,
	      "one that all buffers together can't hold is dropped");
	/* Before there is a driver, nobody hears it. */
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	arrive(FRAME);
	usleep(100000);
	start(1, MODERN, 2);
	post(0, 0, 2048);
	arrive(50);
	check(wait_used(RX, 1) && used(RX)->ring[0].len == NET_HEADER + 50,
	      "what came before the driver is lost");
}

/* As much waits as the device ever takes, and the driver goes away. */
static void test_backlog(struct net *net)
{
	unsigned int i;

	start(1, MODERN, 2);
	/* It sees all of them at once. */
	pthread_mutex_lock(&net->dev.lock);
	for (i = 0; i < 2; i++)
		arrive(65535);
	pthread_mutex_unlock(&net->dev.lock);
	usleep(100000);
	check(used(RX)->idx == 0 && get(CONFIG + 6, 2), "many frames wait for a buffer");
	start(1, MODERN | MERGE, 2);
	usleep(100000);
	post(0, 0, 2048);
	arrive(50);
	check(wait_used(RX, 1) && used(RX)->ring[0].len == NET_HEADER + 50,
	      "the next driver gets none of them, but what comes then");
}

static void test_hostile(void)
{
	unsigned int i;

	start(1, MODERN, 2);
	put_desc(TX, 0, DATA, 100, VRING_DESC_F_NEXT);
	desc(TX)[0].next = 0;
	offer(TX, 0);
	check(wait_broken(), "a loop in the transmit queue");
	start(1, MODERN, 2);
	transmit(RAM);
	check(wait_broken(), "a frame past the end of memory");
	start(1, MODERN, 2);
	put_desc(TX, 0, ~0ULL - 50, 100, 0);
	offer(TX, 0);
	check(wait_broken(), "one that wraps");
	start(1, MODERN, 2);
	transmit(NET_HEADER - 1);
	check(wait_broken(), "one without a header");
	start(1, MODERN, 2);
	put_desc(TX, 0, DATA, 100, VRING_DESC_F_WRITE);
	offer(TX, 0);
	check(wait_broken(), "one to be written to");
	start(1, MODERN, 2);
	avail(TX)->idx = SIZE + 1;
	offer(TX, 0);
	check(wait_broken(), "more than the ring holds");
	start(1, MODERN, 2);
	put_desc(RX, 0, DATA, 2000, 0);
	offer(RX, 0);
	arrive(FRAME);
	check(wait_broken(), "a receive buffer to be read");
	start(1, MODERN, 2);
	post(0, 0, NET_HEADER - 1);
	arrive(FRAME);
	check(wait_broken(), "one that has no room for the header");
	start(1, MODERN | MERGE, 2);
	post(0, RAM - DATA - 100, 200);
	arrive(FRAME);
	check(wait_broken(), "one past the end of memory");

	/* Lengths and flags that change while they are looked at. */
	srand(1);
	for (i = 0; i < 200; i++) {
		unsigned int n = 0;

		start(1, MODERN | (i & 1 ? MERGE : 0), 2);
		offer(TX, 0);
		offer(RX, 0);
		arrive(60 + i);
		while (n++ < 200 && !broken()) {
			unsigned int q = rand() % 2;
			uint8_t *p = rand() % 4 ? (uint8_t *)desc(q) : (uint8_t *)avail(q);

			p[rand() % (16 * SIZE)] = rand();
			if (!(n % 16))
				offer(q, rand() % SIZE);
		}
		while (recv(wire, frame, sizeof(frame), MSG_DONTWAIT) > 0)
			;
	}
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	usleep(100000);
	while (recv(wire, frame, sizeof(frame), MSG_DONTWAIT) > 0)
		;
	check(!broken(), "200 times a queue of noise");
}

static bool leaked;

/* What goes out is not from behind memory; and there is always something to come in. */
static void traffic(void)
{
	static uint8_t out[70000], foreign[16];
	int waiting = 1;
	ssize_t n;

	memset(foreign, NOT_THE_GUESTS, sizeof(foreign));
	while ((n = recv(wire, out, sizeof(out), MSG_DONTWAIT)) > 0)
		leaked |= memmem(out, n, foreign, sizeof(foreign)) != NULL;
	if (!ioctl(wire, SIOCOUTQ, &waiting) && !waiting)
		arrive(300);
}

/* Frames of two parts go out and others come in, at the end of memory, while all of that changes. */
static void test_scribble(void)
{
	unsigned int i, n, served = 0, found = 0;

	for (i = 0; i < ROUNDS; i++) {
		start(1, MODERN | (i & 1 ? MERGE : 0), 2);
		memset(mem_ptr(&vm.mem, RAM - 4096, 4096), 0, 4096);
		for (n = 0; n < 2; n++) {
			scribbled(n, desc(n), avail(n), used(n));
			put_desc(TX, 2 * n, RAM - 600 * (n + 1), 100, VRING_DESC_F_NEXT);
			put_desc(TX, 2 * n + 1, RAM - 600 * (n + 1) + 100, 500, 0);
		}
		for (n = 0; n < 4; n++)
			put_desc(RX, n, RAM - 256 * (n + 1), 256, VRING_DESC_F_WRITE);
		for (n = 0; n < SIZE; n++) {
			avail(TX)->ring[n] = n % 2 * 2;
			avail(RX)->ring[n] = n % 4;
		}
		served += scribble(2, SIZE, 4, mem_ptr(&vm.mem, RAM - 1200, 1200), 1200, 200,
				   traffic);
		found += broken();
	}
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	usleep(100000);
	traffic();
	check(served > ROUNDS, "frames that change while they are read: %u are done", served);
	check(found, "%u times the device finds it", found);
	check(beyond_untouched(), "nothing is written behind memory");
	check(!leaked, "and nothing of there is sent");
	start(1, MODERN, 2);
	memset(data(0), 0, NET_HEADER);
	transmit(NET_HEADER + 60);
	check(wait_used(TX, 1) && received() == 60, "after that it works");
}

static void test_control(struct net *net)
{
	static const struct {
		uint8_t class, cmd;
		uint16_t pairs;
		uint8_t ack;
		const char *text;
	} t[] = {
		{ 4, 0, 4, 0, "four pairs are used" }, { 4, 0, 1, 0, "one is" },
		{ 4, 0, 0, 1, "none can't be" }, { 4, 0, 5, 1, "five can't be" },
		{ 4, 9, 1, 1, "an unknown command" }, { 9, 0, 1, 1, "an unknown class" },
	};
	const uint64_t mq = 1ULL << VIRTIO_NET_F_MQ | 1ULL << VIRTIO_NET_F_CTRL_VQ;
	unsigned int i;

	check((start(2, MODERN | mq, 9) & mq) == mq && get(CONFIG + 8, 2) == 4,
	      "several pairs, and a control queue");
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		memcpy(data(0), &t[i], 2);
		memcpy(data(2), &t[i].pairs, 2);
		*data(8) = 77;
		put_desc(8, 0, DATA, 4, VRING_DESC_F_NEXT);
		put_desc(8, 1, DATA + 8, 1, VRING_DESC_F_WRITE);
		offer(8, 0);
		check(wait_used(8, i + 1) && *data(8) == t[i].ack, "%s", t[i].text);
	}
	put_desc(8, 0, DATA, 3, VRING_DESC_F_NEXT);
	offer(8, 0);
	check(wait_used(8, i + 1) && *data(8) == 1, "a command that is cut off");
	put_desc(8, 0, DATA, 4, 0);
	offer(8, 0);
	check(wait_broken(), "one that can't be answered");
	/* Without multiqueue the control queue is the third (5.1.2). */
	start(2, MODERN | 1ULL << VIRTIO_NET_F_CTRL_VQ, 3);
	memcpy(data(0), &t[1], 2);
	*data(8) = 77;
	put_desc(2, 0, DATA, 4, VRING_DESC_F_NEXT);
	put_desc(2, 1, DATA + 8, 1, VRING_DESC_F_WRITE);
	offer(2, 0);
	check(wait_used(2, 1) && *data(8) == 1, "without several pairs it is another queue");
	check(!net->dev.queue[0].elsewhere, "nobody was given a queue");
}

static void test_end(void)
{
	unsigned int i;

	start(1, MODERN, 2);
	arrive(100000);
	for (i = 0; i < 3000 && get(CONFIG + 6, 2); i++)
		usleep(1000);
	check(!get(CONFIG + 6, 2), "who sends nonsense has no link any more");
	memset(data(0), 0, NET_HEADER);
	transmit(NET_HEADER + 60);
	check(wait_used(TX, 1), "and the guest's frames go nowhere");
}

/* The same against the kernel's rings, where there are any. */
static void test_vhost(void)
{
	const struct net_config cfg = { .tap = "lodgetest0", .queues = 1 };
	struct device_files files;
	char why[WHY_SIZE];
	unsigned int i;

	if (access("/dev/vhost-net", R_OK | W_OK)) {
		check(true, "the kernel's rings # SKIP no vhost-net");
		return;
	}
	net_open(&cfg, STDERR_FILENO, &files);
	if (!net_create(&vm, &cfg, &files, why))
		die("%s", why);
	start(3, MODERN | MERGE, 2);
	for (i = 0; i < 4; i++) {
		memset(data(0), 0, NET_HEADER);
		transmit(NET_HEADER + 60);
		check(wait_used(TX, i + 1), "frame %u goes out through the kernel", i);
	}
	start(3, MODERN | MERGE, 2);
	transmit(NET_HEADER + 60);
	check(wait_used(TX, 1), "also after a reset");
	put_desc(TX, 0, DATA, 100, VRING_DESC_F_NEXT);
	desc(TX)[0].next = 0;
	offer(TX, 0);
	check(wait_broken(), "the kernel finds a loop");
	start(3, MODERN | MERGE, 2);
	transmit(RAM);
	check(wait_broken(), "and a frame past the end of memory");
	start(3, MODERN | MERGE, 2);
	avail(TX)->idx = SIZE + 1;
	offer(TX, 0);
	check(wait_broken(), "and more than the ring holds");
	srand(2);
	for (i = 0; i < 100; i++) {
		unsigned int n = 0;

		start(3, MODERN | (i & 1 ? MERGE : 0), 2);
		offer(TX, 0);
		offer(RX, 0);
		while (n++ < 100 && !broken()) {
			unsigned int q = rand() % 2;

			((uint8_t *)desc(q))[rand() % (16 * SIZE)] = rand();
			if (!(n % 16))
				offer(q, rand() % SIZE);
		}
	}
	start(3, MODERN, 2);
	memset(data(0), 0, NET_HEADER);
	transmit(NET_HEADER + 60);
	check(wait_used(TX, 1), "after 100 times a queue of noise it works");
}

static int take_pairs(struct net *net, unsigned int n)
{
	(void)net;
	return n ? 0 : -1;
}

static void nothing(struct net *net)
{
	(void)net;
}

int main(void)
{
	static const struct net_backend four = { .start = nothing, .stop = nothing,
						 .use_pairs = take_pairs };
	static struct net several = { .backend = &four, .pairs = 4 };
	const struct net_config cfg = { .has_mac = true, .mac = { 2, 0, 0, 0, 0, 1 },
					.queues = 1 };
	struct device_files files = { .count = 1, .child = -1, .words = -1 };
	char why[WHY_SIZE];
	struct net *net;
	int fds[2];
	pthread_t thread;

	vm.fd = -1;
	bus_init(&vm.pio);
	bus_init(&vm.mmio);
	loop_init(&vm.loop);
	mem_create(&vm.mem, RAM + BEYOND, -1);
	beyond_create();
	pci_create(&vm);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		return 1;
	wire = fds[1];
	files.fd[0] = fds[0];
	net = net_stream_create(&vm, &cfg, &files, why);
	check(net, "a network");
	net_add(&vm, &several, &cfg, 0);
	pthread_create(&thread, NULL, io_thread, &vm.loop);
	test_offer();
	test_transmit();
	test_receive();
	test_backlog(net);
	test_hostile();
	test_scribble();
	test_control(&several);
	test_end();
	test_vhost();
	loop_stop(&vm.loop);
	pthread_join(thread, NULL);
	return done();
}
