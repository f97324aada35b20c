// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets between host and guest, through the whole virtio transport, where the host has
 * vhost-vsock: an honest driver, some that break the rules, and one that does so while the
 * kernel reads. The suite net runs it in a host that has.
 */
#include <linux/vhost.h>
#include <linux/virtio_vsock.h>
#include <linux/vm_sockets.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rings.h"
#include "scribble.h"
#include "tap.h"

#define SIZE	16
#define RAM	(4 * MIB)
#define DATA	0x200000
#define RX_DATA	0x280000
#define LAST	(RAM - 0x1000)
#define RX	0
#define TX	1
#define EVENTS	2
#define CID	4711
#define PORT	1234
#define NOBODYS	1235
#define BUFFER	4096
#define CONFIG	0x2000	/* in BAR 0 */
#define MODERN	(1ULL << VIRTIO_F_VERSION_1)
#define ROUNDS	100

static uint16_t heard;	/* of the receive queue */

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

/* Bring it up, as a driver does, with @buffers to receive. */
static void start(uint64_t features, unsigned int buffers)
{
	unsigned int i;

	negotiate(1, features | MODERN);
	for (i = 0; i <= EVENTS; i++) {
		enable_queue(i, SIZE, DESC(i), AVAIL(i), USED(i));
		scribbled(i, desc(i), avail(i), used(i));
	}
	driver_ok();
	heard = 0;
	for (i = 0; i < buffers; i++) {
		put_desc(RX, i, RX_DATA + BUFFER * i, BUFFER, VRING_DESC_F_WRITE);
		offer(RX, i);
	}
}

static struct virtio_vsock_hdr packet(uint16_t op, uint32_t to, uint32_t len)
{
	return (struct virtio_vsock_hdr){
		.src_cid = CID, .dst_cid = VMADDR_CID_HOST, .src_port = 99, .dst_port = to,
		.len = len, .type = VIRTIO_VSOCK_TYPE_STREAM, .op = op, .buf_alloc = 65536 };
}

/* A packet to the host, its data of @len bytes behind it. */
static void tell(uint16_t op, uint32_t to, const void *bytes, uint32_t len)
{
	struct virtio_vsock_hdr hdr = packet(op, to, len);

	mem_write(&vm.mem, DATA, &hdr, sizeof(hdr));
	if (len)
		mem_write(&vm.mem, DATA + 64, bytes, len);
	put_desc(TX, 0, DATA, sizeof(hdr), len ? VRING_DESC_F_NEXT : 0);
	put_desc(TX, 1, DATA + 64, len, 0);
	offer(TX, 0);
}

/* What the host says next, within three seconds: its operation, or -1. */
static int hear(void)
{
	const struct virtio_vsock_hdr *hdr;
	unsigned int i;

	for (i = 0; i < 3000 && used(RX)->idx == heard && !broken(); i++)
		usleep(1000);
	if (used(RX)->idx == heard)
		return -1;
	hdr = mem_ptr(&vm.mem, RX_DATA + BUFFER * used(RX)->ring[heard++ % SIZE].id, BUFFER);
	return hdr->src_cid == VMADDR_CID_HOST && hdr->dst_cid == CID && hdr->dst_port == 99 ?
		hdr->op : -1;
}

static bool wait_broken(void)
{
	unsigned int i;

	for (i = 0; i < 3000 && !broken(); i++)
		usleep(1000);
	return broken();
}

/* Who asks for a port that is nobody's is told so: all works. */
static bool works(void)
{
	start(0, 4);
	tell(VIRTIO_VSOCK_OP_REQUEST, NOBODYS, NULL, 0);
	return hear() == VIRTIO_VSOCK_OP_RST;
}

static void test_honest(void)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY,
				    .svm_port = PORT };
	struct timeval soon = { .tv_sec = 3 };
	int listener = socket(AF_VSOCK, SOCK_STREAM, 0), fd;
	char text[16] = "";

	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	check(!bind(listener, (void *)&addr, sizeof(addr)) && !listen(listener, 1),
	      "the host has a socket");
	check(works(), "a port that is nobody's");
	check(get(CONFIG, 8) == CID, "the guest's number is told");
	tell(VIRTIO_VSOCK_OP_REQUEST, PORT, NULL, 0);
	check(hear() == VIRTIO_VSOCK_OP_RESPONSE, "one that somebody has");
	fd = accept(listener, NULL, NULL);
	tell(VIRTIO_VSOCK_OP_RW, PORT, "hello", 5);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	check(fd >= 0 && recv(fd, text, sizeof(text), 0) == 5 && !strcmp(text, "hello"),
	      "hears what the guest says");
	close(fd);
	close(listener);
}

static void test_hostile(void)
{
	static const struct {
		unsigned int q;
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
		const char *text;
	} t[] = {
		{ TX, DATA, 64, VRING_DESC_F_NEXT, "a loop" },
		{ TX, RAM - 8, 64, 0, "a packet past the end of memory" },
		{ TX, RAM, 64, 0, "one behind it" },
		{ TX, ~0ULL - 50, 100, 0, "one that wraps" },
		{ TX, DATA, 64, VRING_DESC_F_WRITE, "one to be written to" },
		{ TX, DATA, sizeof(struct virtio_vsock_hdr) - 1, 0, "one that is too short" },
		{ TX, RAM - 16, 32, VRING_DESC_F_INDIRECT, "a table past the end of memory" },
		{ RX, DATA, BUFFER, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
		  "a loop in the receive queue" },
		{ RX, RAM - 8, BUFFER, VRING_DESC_F_WRITE, "a buffer past the end of memory" },
		{ RX, ~0ULL - 50, BUFFER, VRING_DESC_F_WRITE, "one that wraps" },
		{ RX, DATA, BUFFER, 0, "one to be read" },
		{ RX, DATA, 8, VRING_DESC_F_WRITE, "one without room for a header" },
	};
	struct virtio_vsock_hdr hdr = packet(VIRTIO_VSOCK_OP_RW, PORT, 65536);
	unsigned int i, q;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		q = t[i].q;
		start(0, 0);
		desc(q)[0] = (struct vring_desc){ t[i].addr, t[i].len, t[i].flags, 0 };
		offer(q, 0);
		/* An answer is to be received. */
		if (q == RX)
			tell(VIRTIO_VSOCK_OP_REQUEST, NOBODYS, NULL, 0);
		check(wait_broken(), "the kernel finds %s", t[i].text);
	}
	for (q = RX; q <= TX; q++) {
		start(0, 0);
		avail(q)->idx = SIZE;
		offer(q, 0);
		if (q == RX)
			tell(VIRTIO_VSOCK_OP_REQUEST, NOBODYS, NULL, 0);
		check(wait_broken(), "and more than queue %u holds", q);
	}
	start(0, 0);
	mem_write(&vm.mem, DATA, &hdr, sizeof(hdr));
	put_desc(TX, 0, DATA, sizeof(hdr), VRING_DESC_F_NEXT);
	put_desc(TX, 1, DATA + 64, 8, 0);
	offer(TX, 0);
	check(wait_broken(), "and a packet that has less than it says");
	check(works(), "after a reset it works");
	/* Nothing comes of these, whatever they are. */
	desc(EVENTS)[0] = (struct vring_desc){ ~0ULL - 50, ~0u, VRING_DESC_F_NEXT, 0 };
	avail(EVENTS)->idx = SIZE;
	offer(EVENTS, 0);
	tell(VIRTIO_VSOCK_OP_REQUEST, NOBODYS, NULL, 0);
	check(hear() == VIRTIO_VSOCK_OP_RST && !broken(), "the queue for events is left alone");
}

/* Packets and buffers, at the end of memory, while all of that changes. */
static void test_scribble(void)
{
	struct virtio_vsock_hdr *hdr = mem_ptr(&vm.mem, LAST, sizeof(*hdr));
	unsigned int i, n, done_in = 0, found = 0;

	for (i = 0; i < ROUNDS; i++) {
		start((i & 1) << VIRTIO_RING_F_EVENT_IDX, 0);
		*hdr = packet(VIRTIO_VSOCK_OP_REQUEST, NOBODYS, 0);
		put_desc(TX, 0, LAST, 20, VRING_DESC_F_NEXT);
		put_desc(TX, 1, LAST + 20, sizeof(*hdr) - 20, VRING_DESC_F_NEXT);
		put_desc(TX, 2, LAST + 64, 64, 0);
		put_desc(RX, 0, RAM - 1024, 20, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT);
		put_desc(RX, 1, RAM - 512, 256, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT);
		put_desc(RX, 2, RAM - 256, 256, VRING_DESC_F_WRITE);
		for (n = 0; n < SIZE; n++)
			avail(TX)->ring[n] = avail(RX)->ring[n] = 0;
		done_in += scribble(2, SIZE, 3, hdr, sizeof(*hdr), 100, NULL);
		found += broken();
	}
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	check(done_in > ROUNDS, "packets that change while they are read: %u are done", done_in);
	check(found, "%u times the kernel finds it", found);
	check(beyond_untouched(), "nothing is written behind memory");
	check(works(), "after that it works");
}

static void *io_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

int main(void)
{
	pthread_t thread;

	if (access("/dev/vhost-vsock", R_OK | W_OK)) {
		check(true, "sockets, and the kernel at their rings # SKIP no vhost-vsock");
		return done();
	}
	vm.fd = -1;
	bus_init(&vm.pio);
	bus_init(&vm.mmio);
	loop_init(&vm.loop);
	mem_create(&vm.mem, RAM + BEYOND, -1);
	beyond_create();
	pci_create(&vm);
	vsock_create(&vm, CID);
	pthread_create(&thread, NULL, io_thread, &vm.loop);
	test_honest();
	test_hostile();
	test_scribble();
	loop_stop(&vm.loop);
	pthread_join(thread, NULL);
	return done();
}
