// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entropy and the console, through the whole virtio transport: an honest driver, careless
 * ones, and one that changes its requests while they are read.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rings.h"
#include "scribble.h"
#include "tap.h"
#include "util.h"

#define SIZE	16
#define RAM	(4 * MIB)
#define DATA	0x200000
#define TABLE	0x300000
#define MODERN	(1ULL << VIRTIO_F_VERSION_1)
#define RX	0
#define TX	1
#define RNG	1	/* slots */
#define CONSOLE	2
#define KEPT	64	/* bytes of what the console has said */
#define ALL	100	/* times the memory, in one request */
#define ROUNDS	300
#define CHAIN	4
#define LAST	(RAM - 0x1000)

static struct console *console;
static int output;	/* the reading end */

/* What came out of the console: the last of it, how much, and if it wasn't the guest's. */
static struct {
	pthread_mutex_t lock;
	uint8_t last[KEPT];
	uint64_t n;
	unsigned int run;
	bool leaked;
} said = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *listen_thread(void *arg)
{
	static uint8_t buf[65536];
	ssize_t i, n;

	while ((n = read(output, buf, sizeof(buf))) > 0) {
		pthread_mutex_lock(&said.lock);
		for (i = 0; i < n; i++) {
			said.last[said.n++ % KEPT] = buf[i];
			said.run = buf[i] == NOT_THE_GUESTS ? said.run + 1 : 0;
			said.leaked |= said.run == 8;
		}
		pthread_mutex_unlock(&said.lock);
	}
	return arg;
}

static uint64_t said_bytes(void)
{
	uint64_t n;

	pthread_mutex_lock(&said.lock);
	n = said.n;
	pthread_mutex_unlock(&said.lock);
	return n;
}

/* Within three seconds @text comes out, and nothing else since there were @before bytes. */
static bool says(uint64_t before, const char *text)
{
	size_t len = strlen(text);
	unsigned int i;

	for (i = 0; i < 3000 && said_bytes() < before + len; i++)
		usleep(1000);
	if (said_bytes() != before + len)
		return false;
	while (len--)
		if (said.last[(before + len) % KEPT] != (uint8_t)text[len])
			return false;
	return true;
}

static uint8_t *data(unsigned int off)
{
	return mem_ptr(&vm.mem, DATA + off, 1);
}

static void start(unsigned int slot, uint64_t features)
{
	unsigned int q;

	negotiate(slot, features | MODERN);
	for (q = 0; q < (slot == CONSOLE ? 2 : 1); q++) {
		enable_queue(q, SIZE, DESC(q), AVAIL(q), USED(q));
		scribbled(q, desc(q), avail(q), used(q));
	}
	driver_ok();
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

/* A request of one buffer. */
static void request(unsigned int q, uint64_t addr, uint32_t len, uint16_t flags)
{
	put_desc(q, 0, addr, len, flags);
	offer(q, 0);
}

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

/* Bytes that aren't those that were there: one in 256 may be the same. */
static bool is_random(unsigned int off, unsigned int len)
{
	unsigned int i, same = 0;

	for (i = 0; i < len; i++)
		same += *data(off + i) == 0x5a;
	return same <= len / 16;
}

static bool is_left(unsigned int off, unsigned int len)
{
	while (len--)
		if (*data(off + len) != 0x5a)
			return false;
	return true;
}

static void test_rng(void)
{
	start(RNG, 0);
	memset(data(0), 0x5a, 0x10000);
	request(0, DATA, 4096, VRING_DESC_F_WRITE);
	check(wait_used(0, 1) && used(0)->ring[0].len == 4096 && is_random(0, 4096) &&
	      is_left(4096, 4096), "random bytes fill a buffer");
	memset(data(0), 0x5a, 0x10000);
	request(0, DATA, 0x10000, VRING_DESC_F_WRITE);
	check(wait_used(0, 2) && used(0)->ring[1].len == 4096 && is_random(0, 4096) &&
	      is_left(4096, 0xf000), "of a long one as much as was told");
	memset(data(0), 0x5a, 0x10000);
	put_desc(0, 0, DATA, 256, VRING_DESC_F_NEXT);
	put_desc(0, 1, DATA + 512, 300, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE);
	put_desc(0, 2, DATA + 1024, 64, VRING_DESC_F_WRITE);
	offer(0, 0);
	check(wait_used(0, 3) && used(0)->ring[2].len == 364 && is_random(512, 300) &&
	      is_random(1024, 64) && is_left(0, 512) && is_left(812, 212) &&
	      is_left(1088, 4096), "several, and none that the device may not write to");
	request(0, DATA + 0x2000, 256, 0);
	check(wait_used(0, 4) && !used(0)->ring[3].len && is_left(0x2000, 256),
	      "there is nothing to be had without one");
}

static void test_console(void)
{
	uint64_t before = said_bytes();

	start(CONSOLE, 0);
	memcpy(data(0), "hello, world", 12);
	request(TX, DATA, 12, 0);
	check(wait_used(TX, 1) && !used(TX)->ring[0].len && says(before, "hello, world"),
	      "what the guest says comes out");
	before += 12;
	put_desc(TX, 0, DATA + 7, 5, VRING_DESC_F_NEXT);
	put_desc(TX, 1, DATA, 5, VRING_DESC_F_NEXT);
	put_desc(TX, 2, DATA + 64, 64, VRING_DESC_F_WRITE);
	offer(TX, 0);
	check(wait_used(TX, 2) && says(before, "worldhello"),
	      "in several buffers, and of those only that are to be read");
	before += 10;
	request(TX, DATA, 12, VRING_DESC_F_WRITE);
	check(wait_used(TX, 3) && says(before, "") && !broken(), "or nothing");
	check(console_input(console, (const uint8_t *)"keys", 4) == 0, "keys wait for a buffer");
	memset(data(0), 0x5a, 64);
	put_desc(RX, 0, DATA, 3, VRING_DESC_F_WRITE);
	put_desc(RX, 1, DATA + 8, 8, VRING_DESC_F_WRITE);
	put_desc(RX, 2, DATA + 16, 8, 0);
	offer(RX, 2);
	offer(RX, 0);
	offer(RX, 1);
	check(console_input(console, (const uint8_t *)"keys", 4) == 4 && used(RX)->idx == 3 &&
	      !memcmp(data(0), "keyZZZZZsZZZZZZZZZZ", 19),
	      "and fill those that may be written to");
	check(!used(RX)->ring[0].len && used(RX)->ring[1].len == 3 &&
	      used(RX)->ring[2].len == 1, "as they are told");
	start(CONSOLE, 0);
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	check(console_input(console, (const uint8_t *)"keys", 4) == 0, "nobody hears them without a driver");
}

/* A driver names all of its memory many times, and the rest is not to wait for that. */
static void test_long(void)
{
	struct vring_desc *table = mem_ptr(&vm.mem, TABLE, ALL * sizeof(*table));
	uint64_t before = said_bytes(), at_rng, i;

	start(CONSOLE, 0);
	for (i = 0; i < ALL; i++)
		table[i] = (struct vring_desc){ 0, RAM, VRING_DESC_F_NEXT, i + 1 };
	table[ALL - 1].flags = 0;
	request(TX, TABLE, ALL * sizeof(*table), VRING_DESC_F_INDIRECT);
	for (i = 0; i < 3000 && said_bytes() == before; i++)
		usleep(1000);
	start(RNG, 0);
	request(0, DATA, 64, VRING_DESC_F_WRITE);
	check(wait_used(0, 1), "entropy beside a very long request of the console");
	at_rng = said_bytes() - before;
	check(at_rng && at_rng < ALL * RAM / 2, "which is not waited for: %llu bytes",
	      (unsigned long long)at_rng);
	/* The rings of both are in the same place. */
	start(CONSOLE, 0);
	usleep(100000);
	i = said_bytes();
	usleep(100000);
	check(said_bytes() == i, "a reset ends it");
	before = i;
	memcpy(data(0), "again", 5);
	request(TX, DATA, 5, 0);
	check(wait_used(TX, 1) && says(before, "again"), "and what comes next is said");
	for (i = 0; i < 100; i++)
		table[i] = (struct vring_desc){ DATA, 4000, VRING_DESC_F_NEXT, i + 1 };
	table[99].flags = 0;
	before = said_bytes();
	request(TX, TABLE, 100 * sizeof(*table), VRING_DESC_F_INDIRECT);
	check(wait_used(TX, 2), "400000 bytes in one request");
	for (i = 0; i < 3000 && said_bytes() < before + 400000; i++)
		usleep(1000);
	check(said_bytes() == before + 400000, "come out, no more and no less");
}

/* What no queue of either may hold. @touch has the device look at it. */
static void hostile(unsigned int slot, unsigned int q, const char *what, void (*touch)(void))
{
	const uint16_t way = q == TX && slot == CONSOLE ? 0 : VRING_DESC_F_WRITE;
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
		const char *text;
	} t[] = {
		{ RAM - 8, 16, 0, "a buffer past the end of memory" },
		{ RAM, 16, 0, "one behind it" },
		{ ~0ULL - 50, 100, 0, "one that wraps" },
		{ DATA, ~0u, 0, "one of 4 GiB" },
		{ DATA, 0, 0, "an empty one" },
		{ RAM - 16, 32, VRING_DESC_F_INDIRECT, "a table past the end of memory" },
		{ TABLE, 24, VRING_DESC_F_INDIRECT, "one and a half descriptors" },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		start(slot, 0);
		request(q, t[i].addr, t[i].len, t[i].flags | way);
		touch();
		check(wait_broken() && !used(q)->idx, "%s: %s", what, t[i].text);
	}
	start(slot, 0);
	put_desc(q, 0, DATA, 64, VRING_DESC_F_NEXT | way);
	put_desc(q, 1, DATA, 64, VRING_DESC_F_NEXT | way);
	desc(q)[1].next = 0;
	offer(q, 0);
	touch();
	check(wait_broken() && !used(q)->idx, "%s: a loop", what);
	start(slot, 0);
	put_desc(q, 0, DATA, 64, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE);
	put_desc(q, 1, DATA, 64, 0);
	offer(q, 0);
	touch();
	check(wait_broken() && !used(q)->idx, "%s: to be read after what is to be written", what);
	start(slot, 0);
	put_desc(q, 0, DATA, 64, way);
	avail(q)->idx = SIZE;
	offer(q, 0);
	touch();
	check(wait_broken() && !used(q)->idx, "%s: more than the ring holds", what);
	start(slot, 0);
	offer(q, SIZE);
	touch();
	check(wait_broken() && !used(q)->idx, "%s: a head that is none", what);
}

static void type(void)
{
	console_input(console, (const uint8_t *)"a few keys", 10);
}

static void leave(void)
{
}

/* All of it changes while it is read. */
static void test_scribble(unsigned int slot, const char *what)
{
	const unsigned int queues = slot == CONSOLE ? 2 : 1;
	void *last = mem_ptr(&vm.mem, LAST, RAM - LAST);
	unsigned int i, n, q, done = 0, found = 0;

	for (i = 0; i < ROUNDS; i++) {
		start(slot, (i & 1) << VIRTIO_RING_F_EVENT_IDX);
		for (q = 0; q < queues; q++)
			for (n = 0; n < SIZE; n++) {
				if (n < CHAIN)
					put_desc(q, n, LAST + 0x800 * q + 512 * n, 512,
						 (n < CHAIN - 1 ? VRING_DESC_F_NEXT : 0) |
						 (q == TX ? 0 : VRING_DESC_F_WRITE));
				avail(q)->ring[n] = 0;
			}
		done += scribble(queues, SIZE, CHAIN, last, RAM - LAST, 200,
				 slot == CONSOLE ? type : NULL);
		found += broken();
	}
	check(done > ROUNDS, "%s: requests that change while they are read: %u are done", what, done);
	check(found, "%s: %u times the device finds it", what, found);
	check(beyond_untouched() && !said.leaked, "%s: never does it go beyond memory", what);
}

static void *io_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

int main(void)
{
	pthread_t thread, listener;
	int fds[2];

	if (pipe(fds))
		abort();
	output = fds[0];
	vm.fd = -1;
	bus_init(&vm.pio);
	bus_init(&vm.mmio);
	loop_init(&vm.loop);
	mem_create(&vm.mem, RAM + BEYOND, -1);
	beyond_create();
	pci_create(&vm);
	rng_create(&vm);
	console = console_create(&vm, fds[1]);
	pthread_create(&listener, NULL, listen_thread, NULL);
	pthread_create(&thread, NULL, io_thread, &vm.loop);
	test_rng();
	test_console();
	test_long();
	hostile(RNG, 0, "entropy", leave);
	hostile(CONSOLE, TX, "output", leave);
	hostile(CONSOLE, RX, "keys", type);
	test_scribble(RNG, "entropy");
	test_scribble(CONSOLE, "the console");
	test_rng();
	test_console();
	loop_stop(&vm.loop);
	pthread_join(thread, NULL);
	close(fds[1]);
	pthread_join(listener, NULL);
	return done();
}
