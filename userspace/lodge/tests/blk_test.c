// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk, through the whole virtio transport: an honest driver, a careless
 * one, one that writes random bytes into its queue, and one that does so while it is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "driver.h"
#include "scribble.h"
#include "tap.h"
#include "util.h"

#define SIZE	64
#define RAM	(64 * MIB)
#define LAST	(RAM - 0x1000)
#define ROUNDS	300
#define DESC	0x100000
#define AVAIL	0x110000
#define USED	0x120000
#define HDR	0x130000
#define STATUS	0x131000
#define DATA	0x140000
#define SECTORS	2048
#define CONFIG	0x2000	/* in BAR 0 */
#define TMPFS_SIZE	(20 * MIB + 1024)

static uint16_t done_idx;
static struct vring_desc *desc;
static struct vring_avail *avail;
static volatile struct vring_used *used;

/* Reset the disk in @slot and bring it up, as a driver does. */
static uint64_t start(unsigned int slot, uint64_t features)
{
	uint64_t offered = negotiate(slot, features);

	enable_queue(0, SIZE, DESC, AVAIL, USED);
	done_idx = 0;
	driver_ok();
	return offered;
}

/* Wait, for three seconds at most, until @n requests are done. */
static bool wait_done(unsigned int n)
{
	unsigned int i;

	done_idx += n;
	for (i = 0; i < 3000; i++) {
		if (used->idx == done_idx)
			return true;
		if (broken())
			return false;
		usleep(1000);
	}
	return false;
}

static void put_desc(unsigned int i, uint64_t addr, uint32_t len,
		     uint16_t flags)
{
	desc[i] = (struct vring_desc){ addr, len, flags, i + 1 };
}

static void header(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr hdr = { .type = type, .sector = sector };

	mem_write(&vm.mem, HDR, &hdr, sizeof(hdr));
}

static void offer(uint16_t head)
{
	avail->ring[avail->idx % SIZE] = head;
	__sync_synchronize();
	avail->idx++;
}

/* A request with header, data and status apart. Return: status, or -1. */
static int request(uint32_t type, uint64_t sector, uint32_t len)
{
	uint8_t *status = mem_ptr(&vm.mem, STATUS, 1);
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;

	header(type, sector);
	*status = 0xee;
	put_desc(0, HDR, 16, VRING_DESC_F_NEXT);
	if (len)
		put_desc(1, DATA, len, VRING_DESC_F_NEXT |
			 (in ? VRING_DESC_F_WRITE : 0));
	put_desc(len ? 2 : 1, STATUS, 1, VRING_DESC_F_WRITE);
	offer(0);
	kick(0);
	return wait_done(1) ? *(volatile uint8_t *)status : -1;
}

static int range(uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes r = { sector, n, flags };

	mem_write(&vm.mem, DATA, &r, sizeof(r));
	return request(type, 0, sizeof(r));
}

static void test_honest(void)
{
	uint8_t *data = mem_ptr(&vm.mem, DATA, 8192);
	uint64_t offered = start(1, 1ULL << VIRTIO_F_VERSION_1 |
				 1ULL << VIRTIO_BLK_F_FLUSH);

	check(offered >> VIRTIO_BLK_F_FLUSH & 1 &&
	      !(offered >> VIRTIO_BLK_F_RO & 1), "features are offered");
	check(get(VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK,
	      "and taken");
	check(get(CONFIG, 8) == SECTORS, "the capacity is told");
	memset(data, 'x', 4096);
	check(request(VIRTIO_BLK_T_OUT, 8, 4096) == 0, "a write");
	memset(data, 0, 4096);
	check(request(VIRTIO_BLK_T_IN, 8, 4096) == 0 && data[0] == 'x' &&
	      data[4095] == 'x', "is read back");
	check(used->ring[(done_idx - 1) % SIZE].len == 4097,
	      "with its length");
	check(request(VIRTIO_BLK_T_FLUSH, 0, 0) == 0, "a flush");
	check(request(VIRTIO_BLK_T_GET_ID, 0, 20) == 0 &&
	      !strcmp((char *)data, "lodge-disk0"), "its name");
	check(range(VIRTIO_BLK_T_WRITE_ZEROES, 8, 4, 0) == 0 &&
	      range(VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 1) == 0, "zeroes");
	check(request(VIRTIO_BLK_T_IN, 8, 4096) == 0 && !data[0] &&
	      !data[4095], "are read");
	check(range(VIRTIO_BLK_T_DISCARD, 0, SECTORS, 0) == 0, "a discard");
}

static void test_framing(void)
{
	uint8_t *data = mem_ptr(&vm.mem, DATA, 8192);

	/* Header and data in one buffer, cut at odd places. */
	start(1, 1ULL << VIRTIO_F_VERSION_1);
	header(VIRTIO_BLK_T_OUT, 1);
	memcpy(data, mem_ptr(&vm.mem, HDR, 16), 16);
	memset(data + 16, 'y', 1024);
	put_desc(0, DATA, 7, VRING_DESC_F_NEXT);
	put_desc(1, DATA + 7, 500, VRING_DESC_F_NEXT);
	put_desc(2, DATA + 507, 533, VRING_DESC_F_NEXT);
	put_desc(3, STATUS, 1, VRING_DESC_F_WRITE);
	offer(0);
	kick(0);
	check(wait_done(1), "a write in buffers cut anywhere");
	header(VIRTIO_BLK_T_IN, 1);
	put_desc(0, HDR, 16, VRING_DESC_F_NEXT);
	put_desc(1, DATA, 1025, VRING_DESC_F_WRITE);
	memset(data, 0xee, 1025);
	offer(0);
	kick(0);
	check(wait_done(1) && data[0] == 'y' && data[1023] == 'y' &&
	      data[1024] == 0, "data and status in one buffer");
}

static void test_careless(void)
{
	start(1, 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_BLK_F_FLUSH);
	check(request(VIRTIO_BLK_T_IN, SECTORS - 7, 4096) ==
	      VIRTIO_BLK_S_IOERR, "a read over the end");
	check(request(VIRTIO_BLK_T_OUT, ~0ULL, 512) == VIRTIO_BLK_S_IOERR,
	      "a write past all ends");
	check(request(VIRTIO_BLK_T_IN, 1ULL << 55, 512) ==
	      VIRTIO_BLK_S_IOERR, "a sector whose offset wraps");
	check(request(VIRTIO_BLK_T_IN, 0, 511) == VIRTIO_BLK_S_IOERR,
	      "no whole sector");
	check(request(VIRTIO_BLK_T_FLUSH, 0, 0) == 0,
	      "a flush knows nothing of the request before it");
	check(request(VIRTIO_BLK_T_IN, 0, 0) == 0, "nothing is well read");
	check(request(1234, 0, 512) == VIRTIO_BLK_S_UNSUPP, "no such request");
	check(range(VIRTIO_BLK_T_DISCARD, SECTORS, 1, 0) ==
	      VIRTIO_BLK_S_IOERR, "a discard past the end");
	check(range(VIRTIO_BLK_T_DISCARD, 0, 8, 1) == VIRTIO_BLK_S_UNSUPP,
	      "a discard with a flag");
	check(request(VIRTIO_BLK_T_DISCARD, 0, 8) == VIRTIO_BLK_S_IOERR,
	      "a discard of half a range");
	put_desc(0, HDR, 8, 0);
	offer(0);
	kick(0);
	check(!wait_done(1) && broken(), "no status, and the device is broken");
	set(VIRTIO_PCI_COMMON_Q_USEDHI, 0xffffffff, 4);
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	check(!get(VIRTIO_PCI_COMMON_Q_ENABLE, 2) &&
	      !get(VIRTIO_PCI_COMMON_Q_USEDHI, 4),
	      "its queue stays where it is");
	start(1, 1ULL << VIRTIO_F_VERSION_1);
	check(!broken() && request(VIRTIO_BLK_T_IN, 0, 512) == 0,
	      "a reset revives it");
	start(1, 0);
	check(!(get(VIRTIO_PCI_COMMON_STATUS, 1) &
		VIRTIO_CONFIG_S_FEATURES_OK), "an old driver is told no");
	start(1, 1ULL << VIRTIO_F_VERSION_1 | 1ULL << 63);
	check(!(get(VIRTIO_PCI_COMMON_STATUS, 1) &
		VIRTIO_CONFIG_S_FEATURES_OK), "so is one that wants too much");
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 7, 2);
	check(get(VIRTIO_PCI_COMMON_Q_SIZE, 2) == 0, "a queue that is none");
	set(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	set(VIRTIO_PCI_COMMON_Q_DESCHI, 0xffffffff, 4);
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	check(broken(), "a queue out of RAM breaks the device");
}

static void test_readonly(void)
{
	uint64_t offered = start(2, 1ULL << VIRTIO_F_VERSION_1);

	check(offered >> VIRTIO_BLK_F_RO & 1, "a read-only disk says so");
	check(request(VIRTIO_BLK_T_OUT, 0, 512) == VIRTIO_BLK_S_IOERR,
	      "and is not written");
	check(request(VIRTIO_BLK_T_IN, 0, 512) == 0, "but read");
	check(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0) == VIRTIO_BLK_S_IOERR,
	      "nor zeroed");
}

/* Many of them, and a reset at once: are steps that were to come left undone? */
static bool left_at_reset(uint8_t *p, unsigned int last)
{
	struct virtio_blk_discard_write_zeroes r = { 1, last, 0 };
	unsigned int i;

	memset(p, 'z', TMPFS_SIZE);
	start(3, 1ULL << VIRTIO_F_VERSION_1);
	header(VIRTIO_BLK_T_WRITE_ZEROES, 0);
	mem_write(&vm.mem, DATA, &r, sizeof(r));
	for (i = 0; i < SIZE - 2; i += 3) {
		put_desc(i, HDR, 16, VRING_DESC_F_NEXT);
		put_desc(i + 1, DATA, sizeof(r), VRING_DESC_F_NEXT);
		put_desc(i + 2, STATUS, 1, VRING_DESC_F_WRITE);
		offer(i);
	}
	kick(0);
	for (i = 0; i < 1000000000 && *(volatile uint8_t *)(p + 512); i++)
		;
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	return p[last * 512] == 'z';
}

/* On a file system that has holes, but zeroes nothing. */
static void test_zeroes(int fd)
{
	const unsigned int last = TMPFS_SIZE / 512 - 2;
	uint8_t *p = mmap(NULL, TMPFS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned int i, wrong = 0;

	if (p == MAP_FAILED)
		abort();
	memset(p, 'z', TMPFS_SIZE);
	check(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 512) == 0 ||
	      errno == EOPNOTSUPP, "tmpfs may zero ranges, or not");
	memset(p, 'z', 512);
	start(3, 1ULL << VIRTIO_F_VERSION_1);
	check(range(VIRTIO_BLK_T_WRITE_ZEROES, 1, last, 0) == 0, "zeroes are written there");
	for (i = 0; i < TMPFS_SIZE; i++)
		wrong += p[i] != (i >= 512 && i < (last + 1) * 512 ? 0 : 'z');
	check(!wrong, "all, and nothing else");
	check(used->ring[(done_idx - 1) % SIZE].len == 1, "the guest is given a status");
	check(request(VIRTIO_BLK_T_IN, 0, 4096) == 0 &&
	      *(char *)mem_ptr(&vm.mem, DATA, 1) == 'z', "and reads as before");
	check(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 1) == 0 && !p[0], "a hole is made");
	/* Where this thread was too slow they may be all there. */
	for (i = 0; i < 20 && !left_at_reset(p, last); i++)
		;
	check(i < 20, "a reset waits for no zeroes to come");
	munmap(p, TMPFS_SIZE);
}

/* Many in flight, and a reset in their midst: no memory is touched after. */
static void test_reset_in_flight(void)
{
	uint8_t *data = mem_ptr(&vm.mem, DATA, 65536);
	unsigned int i, round, late = 0;

	for (round = 0; round < 50; round++) {
		start(1, 1ULL << VIRTIO_F_VERSION_1);
		header(VIRTIO_BLK_T_IN, 0);
		for (i = 0; i < SIZE - 2; i += 3) {
			put_desc(i, HDR, 16, VRING_DESC_F_NEXT);
			put_desc(i + 1, DATA, 65536, VRING_DESC_F_NEXT |
				 VRING_DESC_F_WRITE);
			put_desc(i + 2, STATUS, 1, VRING_DESC_F_WRITE);
			offer(i);
		}
		kick(0);
		if (round & 1)
			usleep(100);
		set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
		memset(data, 0xaa, 65536);
		usleep(200);
		for (i = 0; i < 65536; i += 512)
			late += data[i] != 0xaa;
	}
	check(!late, "after a reset no request writes any more");
}

static void test_random(void)
{
	static const uint64_t places[] = { HDR, DATA, DESC, USED, AVAIL, 0,
					   RAM - 64, ~0ULL - 100 };
	unsigned int i, round;

	srandom(1);
	for (round = 0; round < 3000; round++) {
		start(1 + round % 2, 1ULL << VIRTIO_F_VERSION_1 |
		      (random() & 1) << VIRTIO_RING_F_INDIRECT_DESC |
		      (random() & 1) << VIRTIO_RING_F_EVENT_IDX);
		header(random() % 16, random() % 4096);
		for (i = 0; i < SIZE; i++)
			desc[i] = (struct vring_desc) {
				places[random() % 8] + random() % 64,
				random() % 4 ? random() % 2048 : random(),
				random() % 8, random() % (SIZE + 2) };
		avail->idx = random() % 4 ? random() % SIZE : random();
		for (i = 0; i < SIZE; i++)
			avail->ring[i] = random() % (SIZE + 1);
		kick(0);
		if (round % 16 == 0)
			usleep(500);
	}
	start(1, 1ULL << VIRTIO_F_VERSION_1);
	check(request(VIRTIO_BLK_T_IN, 0, 512) == 0,
	      "after 3000 random queues the disk works");
}

static bool holds_foreign(const uint8_t *p, size_t len)
{
	unsigned int run = 0;

	while (len-- && run < 8)
		run = *p++ == NOT_THE_GUESTS ? run + 1 : 0;
	return run == 8;
}

/* One writes, one reads, both at the end of memory, while all of that changes. */
static void test_scribble(int fd)
{
	struct virtio_blk_outhdr *hdr = mem_ptr(&vm.mem, LAST, 2 * sizeof(*hdr));
	uint8_t *p = mmap(NULL, TMPFS_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	unsigned int i, n, served = 0, found = 0;

	if (p == MAP_FAILED)
		abort();
	for (i = 0; i < ROUNDS; i++) {
		start(3, 1ULL << VIRTIO_F_VERSION_1 | (i & 1) << VIRTIO_RING_F_EVENT_IDX);
		scribbled(0, desc, avail, used);
		for (n = 0; n < 2; n++) {
			hdr[n] = (struct virtio_blk_outhdr){
				.type = n ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, .sector = i };
			put_desc(3 * n, LAST + 16 * n, 16, VRING_DESC_F_NEXT);
			put_desc(3 * n + 1, RAM - 512 * (n + 1), 512, VRING_DESC_F_NEXT |
				 (n ? VRING_DESC_F_WRITE : 0));
			put_desc(3 * n + 2, LAST + 64 + n, 1, VRING_DESC_F_WRITE);
		}
		for (n = 0; n < SIZE; n++)
			avail->ring[n] = n % 2 * 3;
		served += scribble(1, SIZE, 6, hdr, 2 * sizeof(*hdr), 200, NULL);
		found += broken();
	}
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	check(served > ROUNDS, "requests that change while they are read: %u are done", served);
	check(found, "%u times the disk finds it", found);
	check(beyond_untouched(), "nothing is read to behind memory");
	check(!holds_foreign(p, TMPFS_SIZE), "and nothing of there written to the disk");
	check(lseek(fd, 0, SEEK_END) == TMPFS_SIZE, "nor anything behind its end");
	munmap(p, TMPFS_SIZE);
	start(3, 1ULL << VIRTIO_F_VERSION_1);
	check(request(VIRTIO_BLK_T_IN, 0, 512) == 0, "after that it works");
}

/* Find the capability of @type; its offset in configuration space. */
static unsigned int find_cap(unsigned int slot, uint8_t type)
{
	unsigned int at = config(slot, PCI_CAPABILITY_LIST) & 0xff;

	while (at && ((config(slot, at) & 0xff) != PCI_CAP_ID_VNDR ||
		      config(slot, at) >> 24 != type))
		at = config(slot, at) >> 8 & 0xff;
	return at;
}

static void set_config(unsigned int slot, unsigned int reg, uint32_t v)
{
	bus_access(&vm.mmio, PCI_ECAM_BASE + (slot << 15) + reg, &v, 4, true);
}

static void test_window(void)
{
	unsigned int at = find_cap(1, VIRTIO_PCI_CAP_PCI_CFG);
	unsigned int i, wrong = 0;

	start(1, 1ULL << VIRTIO_F_VERSION_1);
	check(at, "BARs can be reached through configuration space");
	set_config(1, at + VIRTIO_PCI_CAP_BAR, 0);
	set_config(1, at + VIRTIO_PCI_CAP_OFFSET, CONFIG);
	set_config(1, at + VIRTIO_PCI_CAP_LENGTH, 4);
	check(config(1, at + 16) == SECTORS, "to read");
	set_config(1, at + VIRTIO_PCI_CAP_OFFSET, VIRTIO_PCI_COMMON_Q_SELECT);
	set_config(1, at + VIRTIO_PCI_CAP_LENGTH, 2);
	set_config(1, at + 16, 0x1234);
	check(get(VIRTIO_PCI_COMMON_Q_SELECT, 2) == 0x1234, "and to write");
	for (i = 0; i < 64; i++) {
		set_config(1, at + VIRTIO_PCI_CAP_BAR, i & 7);
		set_config(1, at + VIRTIO_PCI_CAP_OFFSET, ~0u << (i & 31));
		set_config(1, at + VIRTIO_PCI_CAP_LENGTH, i);
		set_config(1, at + 16, ~0u);
		wrong += config(1, 0) != config(2, 0);
	}
	check(!wrong, "a wild window reaches nothing");
}

static void *io_thread(void *arg)
{
	loop_run(&vm.loop);
	return arg;
}

int main(void)
{
	char path[] = "/tmp/lodge-blk.XXXXXX";
	struct disk_config rw = { .path = path }, ro = { .path = path, .readonly = true };
	char why[WHY_SIZE], on_tmpfs[40];
	pthread_t thread;
	struct disk_config tmpfs = { .path = on_tmpfs };
	int fd = mkstemp(path), memory = memfd_create("disk", 0);

	if (fd < 0 || ftruncate(fd, SECTORS * 512) || ftruncate(memory, TMPFS_SIZE))
		abort();
	snprintf(on_tmpfs, sizeof(on_tmpfs), "/proc/self/fd/%d", memory);
	vm.fd = -1;
	bus_init(&vm.pio);
	bus_init(&vm.mmio);
	loop_init(&vm.loop);
	mem_create(&vm.mem, RAM + BEYOND, -1);
	beyond_create();
	desc = mem_ptr(&vm.mem, DESC, 16 * SIZE);
	avail = mem_ptr(&vm.mem, AVAIL, 6 + 2 * SIZE);
	used = mem_ptr(&vm.mem, USED, 6 + 8 * SIZE);
	pci_create(&vm);
	check(blk_create(&vm, &rw, blk_open(&rw), "lodge-disk0", why), "a disk");
	/* Another copy, since a machine has its disks to itself. */
	unlink(path);
	close(fd);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || ftruncate(fd, SECTORS * 512))
		abort();
	check(blk_create(&vm, &ro, blk_open(&ro), "lodge-disk1", why), "another one");
	unlink(path);
	check(blk_create(&vm, &tmpfs, blk_open(&tmpfs), "lodge-disk2", why), "one in memory");
	pthread_create(&thread, NULL, io_thread, NULL);

	test_honest();
	test_framing();
	test_careless();
	test_readonly();
	test_zeroes(memory);
	test_window();
	test_reset_in_flight();
	test_random();
	test_scribble(memory);
	loop_stop(&vm.loop);
	pthread_join(thread, NULL);
	return done();
}
