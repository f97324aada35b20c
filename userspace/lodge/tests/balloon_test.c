// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon, through the whole virtio transport: an honest driver, a
 * careless one, one that writes random bytes into its queues, and one that does so while
 * they are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_balloon.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../uapi/lodge.h"
#include "rings.h"
#include "scribble.h"
#include "tap.h"

#define SIZE	64
#define PFNS	0x200000
#define STATS_AT 0x210000
#define FREE	0x400000	/* a part that is given up and comes back */
#define PAGES	1024
#define PAGE	4096ULL
#define MEMORY	(64 * MIB)
#define CONFIG	0x2000	/* in BAR 0 */
#define NQUEUES	5
#define SLOT	1
#define LAST	(MEMORY - 4 * PAGE)
#define NUMBERS	(MEMORY - 512)
#define ROUNDS	300

enum { INFLATE, DEFLATE, STATS, HINTS, REPORTING };

static int control[2];
static struct ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	volatile struct vring_used *used;
	uint16_t done;
} ring[NQUEUES];

/* Lodge memory, which is a file of the host's here; and which pages the guest wrote. */
static bool written[(MEMORY + BEYOND) / PAGE];
static int watched;

int ioctl(int fd, unsigned long cmd, ...)
{
	const struct lodge_memory_discard *d;
	va_list ap;
	uint64_t i;

	va_start(ap, cmd);
	d = va_arg(ap, const void *);
	va_end(ap);
	if (fd != vm.mem.fd || cmd != LODGE_MEMORY_DISCARD) {
		errno = ENOTTY;
		return -1;
	}
	if (d->flags == LODGE_DISCARD_WATCH) {
		watched++;
		memset(written, 0, sizeof(written));
	}
	for (i = d->first; d->flags != LODGE_DISCARD_WATCH && i < d->first + d->count; i++)
		if (!(d->flags && written[i]) &&
		    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, i * PAGE, PAGE))
			abort();
	return 0;
}

/* Reset the balloon and bring it up, as a driver does. */
static uint64_t start(uint64_t features, uint32_t poison)
{
	uint64_t offered = negotiate(SLOT, features | 1ULL << VIRTIO_F_VERSION_1);
	unsigned int q;

	set(CONFIG + 12, poison, 4);
	for (q = 0; q < NQUEUES; q++) {
		enable_queue(q, SIZE, DESC(q), AVAIL(q), USED(q));
		ring[q].done = 0;
	}
	driver_ok();
	return offered;
}

/* Wait until the request is done, for @ms at most. */
static bool wait_done(unsigned int q, unsigned int ms)
{
	unsigned int i;

	ring[q].done++;
	for (i = 0; i < ms; i++) {
		if (ring[q].used->idx == ring[q].done)
			return true;
		if (broken())
			return false;
		usleep(1000);
	}
	ring[q].done--;
	return false;
}

static void offer(unsigned int q, uint64_t addr, uint32_t len, uint16_t flags)
{
	struct ring *r = &ring[q];

	r->desc[0] = (struct vring_desc){ addr, len, flags, 0 };
	r->avail->ring[r->avail->idx % SIZE] = 0;
	__sync_synchronize();
	r->avail->idx++;
	kick(q);
}

static bool request(unsigned int q, uint64_t addr, uint32_t len, uint16_t flags)
{
	offer(q, addr, len, flags);
	return wait_done(q, 3000);
}

static void fill(void)
{
	memset(mem_ptr(&vm.mem, FREE, PAGES * PAGE), 0xaa, PAGES * PAGE);
}

/* How many pages of what fill() has filled the host still has. */
static unsigned int there(void)
{
	static unsigned char vec[PAGES];
	uint8_t *p = mem_ptr(&vm.mem, FREE, PAGES * PAGE);
	unsigned int i, n = 0;

	if (mincore(p, PAGES * PAGE, vec))
		abort();
	for (i = 0; i < PAGES; i++)
		n += vec[i] & 1;
	return n;
}

static uint32_t *pfns(void)
{
	return mem_ptr(&vm.mem, PFNS, PAGES * 4);
}

static void test_inflate(void)
{
	uint8_t *data = mem_ptr(&vm.mem, FREE, PAGES * PAGE);
	uint64_t offered = start(0, 0);
	unsigned int i;

	check(offered >> VIRTIO_BALLOON_F_STATS_VQ & 1 &&
	      offered >> VIRTIO_BALLOON_F_REPORTING & 1 &&
	      offered >> VIRTIO_BALLOON_F_PAGE_POISON & 1 &&
	      offered >> VIRTIO_BALLOON_F_DEFLATE_ON_OOM & 1,
	      "features are offered");
	check(get(CONFIG, 4) == 0, "nothing is wanted yet");
	fill();
	check(there() == PAGES, "all pages are there");
	/* Backwards, and the second half only. */
	for (i = 0; i < PAGES / 2; i++)
		pfns()[i] = FREE / PAGE + PAGES - 1 - i;
	check(request(INFLATE, PFNS, PAGES / 2 * 4, 0) && there() == PAGES / 2,
	      "half of them are given up");
	check(data[0] == 0xaa && data[PAGES / 2 * PAGE - 1] == 0xaa &&
	      !data[PAGES / 2 * PAGE] && !data[PAGES * PAGE - 1],
	      "and no others");
	set(CONFIG + 4, PAGES / 2, 4);
	check(get(CONFIG + 4, 4) == PAGES / 2, "the driver tells what it gave");
	check(request(DEFLATE, PFNS, PAGES / 2 * 4, 0), "they are taken back");
	memset(data + PAGES / 2 * PAGE, 1, PAGE);
	check(data[PAGES / 2 * PAGE] == 1, "and can be used");
	fill();
	for (i = 0; i < PAGES; i++)
		pfns()[i] = FREE / PAGE + i * 7 % PAGES;
	check(request(INFLATE, PFNS, PAGES * 4, 0) && there() == 0,
	      "all, in any order");
}

static void order(const char *text)
{
	check(write(control[1], text, strlen(text)) == (ssize_t)strlen(text),
	      "an order: %.*s", (int)strlen(text) - 1, text);
}

static bool wants(uint32_t pages)
{
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		if (get(CONFIG, 4) == pages)
			return true;
		usleep(1000);
	}
	return false;
}

static void test_target(void)
{
	uint8_t generation;

	start(0, 0);
	generation = get(VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	order("48M\n");
	check(wants(16 * MIB / PAGE), "the driver is told");
	check(get(VIRTIO_PCI_COMMON_CFGGENERATION, 1) != generation,
	      "and that it is new");
	check(get(0x1000, 1) & 2, "by an interrupt");
	order("lots\n");
	order("65M\n");
	order("15M\n");
	order("auto\n");
	order("16M\n");
	check(wants(48 * MIB / PAGE), "what makes no sense is left out");
	start(0, 0);
	check(get(CONFIG, 4) == 48 * MIB / PAGE, "a reset doesn't change it");
	check(get(CONFIG + 4, 4) == 0, "but the driver has nothing then");
	order("64M\n");
	check(wants(0), "all of it is the guest's again");
}

static void test_report(void)
{
	start(1ULL << VIRTIO_BALLOON_F_REPORTING, 0);
	fill();
	check(request(REPORTING, FREE, 512 * PAGE, VRING_DESC_F_WRITE) &&
	      there() == PAGES - 512, "free pages are given back");
	check(request(HINTS, FREE + 512 * PAGE, 512 * PAGE,
		      VRING_DESC_F_WRITE) && there() == 0,
	      "by the queue that Linux takes, too");
	fill();
	check(request(REPORTING, FREE + 1, PAGE, VRING_DESC_F_WRITE) &&
	      there() == PAGES, "a part of a page isn't");
	check(request(REPORTING, FREE, PAGE, 0) && there() == PAGES,
	      "nor what the device may not write to");
	start(1ULL << VIRTIO_BALLOON_F_REPORTING |
	      1ULL << VIRTIO_BALLOON_F_PAGE_POISON, 0xaaaaaaaa);
	check(request(REPORTING, FREE, PAGES * PAGE, VRING_DESC_F_WRITE) &&
	      there() == PAGES, "nor what is poisoned");
	start(1ULL << VIRTIO_BALLOON_F_REPORTING |
	      1ULL << VIRTIO_BALLOON_F_PAGE_POISON, 0);
	check(request(REPORTING, FREE, PAGES * PAGE, VRING_DESC_F_WRITE) &&
	      there() == 0, "zeros are as good as poison of zero");
}

static void test_stats(void)
{
	struct virtio_balloon_stat *stat = mem_ptr(&vm.mem, STATS_AT, PAGE);
	unsigned int i;

	start(1ULL << VIRTIO_BALLOON_F_STATS_VQ, 0);
	offer(STATS, STATS_AT, sizeof(*stat), 0);
	usleep(100000);
	/* With a reset what was kept is forgotten: it doesn't come back below. */
	start(1ULL << VIRTIO_BALLOON_F_STATS_VQ, 0);
	for (i = 0; i < 100; i++) {
		stat[i].tag = i * 1000;
		stat[i].val = ~0ULL;
	}
	offer(STATS, STATS_AT, 100 * sizeof(*stat), 0);
	check(!wait_done(STATS, 100), "statistics are kept, and those from before a reset forgotten");
	check(wait_done(STATS, 9000), "and asked for after a while");
	offer(STATS, STATS_AT, 3, 0);
	offer(STATS, STATS_AT, sizeof(*stat), 0);
	check(wait_done(STATS, 1000), "only one request is kept");
}

static void test_hostile(void)
{
	unsigned int i;

	start(0, 0);
	fill();
	for (i = 0; i < PAGES; i++)
		pfns()[i] = i & 1 ? MEMORY / PAGE + i : ~0u - i;
	check(request(INFLATE, PFNS, PAGES * 4, 0) && there() == PAGES,
	      "pages that aren't there");
	for (i = 0; i < PAGES; i++)
		pfns()[i] = FREE / PAGE + 5;
	check(request(INFLATE, PFNS, PAGES * 4, 0) && there() == PAGES - 1,
	      "one page a thousand times");
	for (i = 0; i < 4; i++)
		pfns()[i] = MEMORY / PAGE - 2 + i;
	check(request(INFLATE, PFNS, 4 * 4, 0) && beyond_untouched(), "some over the end");
	check(request(INFLATE, PFNS, 7, 0), "half a number");
	check(request(INFLATE, PFNS, 4, VRING_DESC_F_WRITE), "none");
	offer(INFLATE, 0, 32 * MIB, 0);
	check(!wait_done(INFLATE, 3000) && broken(), "more than there is");
	/* The rings themselves. */
	start(0, 0);
	for (i = 0; i < 32; i++)
		pfns()[i] = RINGS / PAGE + i;
	offer(INFLATE, PFNS, 32 * 4, 0);
	usleep(100000);
	start(0, 0);
	check(request(INFLATE, PFNS, 4, 0), "its own queues, and a reset");
	set(CONFIG, 1234, 4);
	check(get(CONFIG, 4) == 0, "the target is not the driver's to say");
	set(CONFIG + 4, ~0u, 4);
	set(CONFIG + 14, ~0u, 4);
	set(CONFIG + 0xffc, ~0u, 4);
	set(CONFIG + 5, 0, 1);
	check(get(CONFIG + 4, 4) == ~0u, "it may tell lies");
}

static uint32_t cmd_id(void)
{
	return get(CONFIG + 8, 4);
}

/* The number of the hints that are asked for; @last if none are, for a while. */
static uint32_t ask(uint32_t last)
{
	unsigned int i;

	if (write(control[1], "hint\n", 5) != 5)
		abort();
	for (i = 0; i < 100 && cmd_id() == last; i++)
		usleep(2000);
	return cmd_id();
}

static bool tell(uint32_t id)
{
	pfns()[0] = id;
	return request(HINTS, PFNS, 4, 0);
}

static bool hint(uint64_t at, unsigned int pages)
{
	return request(HINTS, at, pages * PAGE, VRING_DESC_F_WRITE);
}

static void test_hints(void)
{
	int before = watched;
	uint32_t id, next;

	check(start(1ULL << VIRTIO_BALLOON_F_FREE_PAGE_HINT, 0) &
	      1ULL << VIRTIO_BALLOON_F_FREE_PAGE_HINT, "hints are wanted where writes can be seen");
	check(cmd_id() == VIRTIO_BALLOON_CMD_ID_STOP, "but not at once");
	fill();
	check(hint(FREE, 512) && there() == PAGES, "what wasn't asked for is ignored");
	id = ask(VIRTIO_BALLOON_CMD_ID_STOP);
	check(id > VIRTIO_BALLOON_CMD_ID_DONE && watched == before + 1,
	      "hints are asked for, and writes watched");
	check(hint(FREE, 512) && tell(id + 1) && hint(FREE, 512) && there() == PAGES,
	      "those without the right number are ignored");
	written[FREE / PAGE + 5] = true;
	check(tell(id) && hint(FREE, 512) && there() == PAGES - 511,
	      "what is hinted goes, but for what was written since");
	check(cmd_id() == id, "until all is told");
	check(tell(VIRTIO_BALLOON_CMD_ID_STOP) && cmd_id() == VIRTIO_BALLOON_CMD_ID_DONE,
	      "then the driver has it back");
	check(hint(FREE + 512 * PAGE, 512) && there() == PAGES - 511, "and nothing more goes");
	check(tell(VIRTIO_BALLOON_CMD_ID_STOP) && cmd_id() == VIRTIO_BALLOON_CMD_ID_DONE &&
	      tell(id) && hint(FREE + 512 * PAGE, 512) && there() == PAGES - 511,
	      "nor with a number from before");
	next = ask(VIRTIO_BALLOON_CMD_ID_DONE);
	check(next > id && tell(next) && ask(next) > next && hint(FREE + 512 * PAGE, 512) &&
	      there() == PAGES - 511, "who is asked anew begins anew");
	check(!request(HINTS, PFNS, 3, 0) && broken(), "half a number breaks it");
	start(1ULL << VIRTIO_BALLOON_F_FREE_PAGE_HINT, 0);
	check(cmd_id() == VIRTIO_BALLOON_CMD_ID_STOP, "a reset ends it");
	start(1ULL << VIRTIO_BALLOON_F_FREE_PAGE_HINT |
	      1ULL << VIRTIO_BALLOON_F_PAGE_POISON, 0xaaaaaaaa);
	check(ask(0) == VIRTIO_BALLOON_CMD_ID_STOP, "who poisons pages isn't asked");
	start(0, 0);
	check(ask(0) == VIRTIO_BALLOON_CMD_ID_STOP, "nor who has no hints");
}

static void test_random(void)
{
	static const uint64_t places[] = { PFNS, FREE, RINGS, RINGS + 0x14000,
					   0, 48 * MIB, MEMORY - 64,
					   ~0ULL - 100 };
	unsigned int i, q, round;

	srandom(1);
	for (round = 0; round < 1000; round++) {
		start((uint64_t)random() & 0x2e, random() % 2);
		for (i = 0; i < PAGES; i++)
			pfns()[i] = (uint64_t)random() %
				(random() % 4 ? MEMORY / PAGE : ~0u);
		for (q = 0; q < NQUEUES; q++) {
			struct ring *r = &ring[q];

			for (i = 0; i < SIZE; i++)
				r->desc[i] = (struct vring_desc) {
					places[random() % 8] + random() % 64,
					random() % 4 ? random() % 2048 : random(),
					random() % 8, random() % (SIZE + 2) };
			r->avail->idx = random() % 4 ? random() % SIZE : random();
			for (i = 0; i < SIZE; i++)
				r->avail->ring[i] = random() % (SIZE + 1);
			kick(q);
		}
		if (round % 16 == 0)
			usleep(500);
	}
	start(0, 0);
	fill();
	for (i = 0; i < PAGES; i++)
		pfns()[i] = FREE / PAGE + i;
	check(request(INFLATE, PFNS, PAGES * 4, 0) && there() == 0,
	      "after 1000 random queues the balloon works");
}

/* Numbers, commands and free pages, at the end of memory, while all of that changes. */
static void test_scribble(void)
{
	uint32_t *number = mem_ptr(&vm.mem, NUMBERS, MEMORY - NUMBERS);
	unsigned int i, n, q, served = 0, found = 0;
	uint32_t id = 0;

	for (i = 0; i < ROUNDS; i++) {
		start(i & 1 ? 1ULL << VIRTIO_BALLOON_F_FREE_PAGE_HINT :
		      1ULL << VIRTIO_BALLOON_F_REPORTING, 0);
		if (i & 1)
			id = ask(VIRTIO_BALLOON_CMD_ID_STOP);
		for (n = 0; n < 64; n++)
			number[n] = number[64 + n] = i & 1 ? id : FREE / PAGE + n;
		for (q = 0; q < NQUEUES; q++) {
			bool in = q == REPORTING || q == HINTS;

			scribbled(q, ring[q].desc, ring[q].avail, ring[q].used);
			for (n = 0; n < 2; n++)
				ring[q].desc[n] = in && !(q == HINTS && i & 1 && !n) ?
					(struct vring_desc){ LAST + PAGE * n, PAGE,
							     VRING_DESC_F_WRITE, 0 } :
					(struct vring_desc){ NUMBERS + 256 * n, 256, 0, 0 };
			for (n = 0; n < SIZE; n++)
				ring[q].avail->ring[n] = n % 2;
		}
		served += scribble(NQUEUES, SIZE, 2, number, MEMORY - NUMBERS, 200, NULL);
		found += broken();
	}
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	check(served > ROUNDS, "requests that change while they are read: %u are done", served);
	check(found, "%u times the balloon finds it", found);
	check(beyond_untouched(), "nothing goes that isn't the guest's");
	start(0, 0);
	fill();
	for (i = 0; i < PAGES; i++)
		pfns()[i] = FREE / PAGE + i;
	check(request(INFLATE, PFNS, PAGES * 4, 0) && there() == 0, "after that it works");
}

static void *io_thread(void *arg)
{
	loop_run(&vm.loop);
	return arg;
}

int main(void)
{
	static struct config cfg = { .node = "nowhere" };
	struct balloon_config balloon = {
		.target = MEMORY, .floor = 16 * MIB, .shares = 1,
	};
	pthread_t thread;
	char spec[16];
	unsigned int q;
	int fd;

	if (pipe(control))
		abort();
	snprintf(spec, sizeof(spec), "fd:%d", control[0]);
	balloon.control = spec;
	vm.cfg = &cfg;
	vm.fd = -1;
	bus_init(&vm.pio);
	bus_init(&vm.mmio);
	loop_init(&vm.loop);
	fd = memfd_create("lodge-memory", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, MEMORY + BEYOND))
		abort();
	mem_create(&vm.mem, MEMORY + BEYOND, fd);
	/* What is counted are pages of 4K. */
	madvise(vm.mem.region[0].host, MEMORY + BEYOND, MADV_NOHUGEPAGE);
	beyond_create();
	for (q = 0; q < NQUEUES; q++) {
		ring[q].desc = mem_ptr(&vm.mem, DESC(q), 16 * SIZE);
		ring[q].avail = mem_ptr(&vm.mem, AVAIL(q), 6 + 2 * SIZE);
		ring[q].used = mem_ptr(&vm.mem, USED(q), 6 + 8 * SIZE);
	}
	pci_create(&vm);
	balloon_create(&vm, &balloon);
	pthread_create(&thread, NULL, io_thread, NULL);

	test_inflate();
	test_target();
	test_report();
	test_stats();
	test_hostile();
	test_hints();
	test_scribble();
	close(control[1]);
	test_random();
	loop_stop(&vm.loop);
	pthread_join(thread, NULL);
	return done();
}
