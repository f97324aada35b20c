// SPDX-License-Identifier: GPL-2.0-only
/*
 * fw_cfg: what a firmware reads, and what a driver that breaks every rule gets.
 */
#include <endian.h>
#include <string.h>

#include "fw_cfg.h"
#include "lodge.h"
#include "tap.h"

#define RAM_SIZE	(2 * MIB)
#define ORDER_AT	0x1000u
#define DATA_AT		0x2000u
#define FILLED		0xaa
#define HIGH_SIZE	4096u

static uint8_t *ram, *high;
static struct vm vm;

static uint64_t in(uint16_t port, unsigned int size)
{
	uint64_t v = 0;

	bus_access(&vm.pio, port, &v, size, false);
	return v;
}

static void out(uint16_t port, uint64_t v, unsigned int size)
{
	bus_access(&vm.pio, port, &v, size, true);
}

/* An order at @at; what its place says afterwards, or all ones if it can't be read. */
static uint32_t order_at(uint64_t at, uint32_t control, uint32_t len, uint64_t addr)
{
	struct {
		uint32_t control, len;
		uint64_t addr;
	} order = { htobe32(control), htobe32(len), htobe64(addr) };

	mem_write(&vm.mem, at, &order, sizeof(order));
	if (at >> 32)
		out(0x514, htobe32(at >> 32), 4);
	out(0x518, htobe32(at), 4);
	if (!mem_ptr(&vm.mem, at, 4))
		return ~0u;
	memcpy(&control, mem_ptr(&vm.mem, at, 4), 4);
	return be32toh(control);
}

static uint32_t order(uint32_t control, uint32_t len, uint64_t addr)
{
	return order_at(ORDER_AT, control, len, addr);
}

static bool all(const uint8_t *p, uint8_t v, size_t len)
{
	while (len--)
		if (*p++ != v)
			return false;
	return true;
}

static void fill(void)
{
	memset(ram, FILLED, RAM_SIZE);
	memset(high, FILLED, HIGH_SIZE);
}

/* Nothing but the order's own 16 bytes. */
static bool untouched(void)
{
	return all(ram, FILLED, ORDER_AT) &&
		all(ram + ORDER_AT + 16, FILLED, RAM_SIZE - ORDER_AT - 16) &&
		all(high, FILLED, HIGH_SIZE);
}

static void test_ports(void)
{
	char said[5] = "";
	unsigned int i;

	out(0x510, FW_CFG_SIGNATURE, 2);
	for (i = 0; i < 4; i++)
		said[i] = in(0x511, 1);
	check(!strcmp(said, "QEMU") && !in(0x511, 1), "the signature, and zeros behind it");
	out(0x510, FW_CFG_ID, 2);
	check(in(0x511, 1) == 3, "both interfaces are there");
	check(be32toh(in(0x514, 4)) == 0x51454d55 && be32toh(in(0x518, 4)) == 0x20434647,
	      "the one for DMA says so, too");
	out(0x510, FW_CFG_CPUS, 2);
	check(in(0x511, 1) == 2 && in(0x511, 1) == 1, "an item, low byte first");
	out(0x510, 0x7777, 2);
	check(!in(0x511, 1), "what there isn't reads as zeros");
	out(0x510, FW_CFG_SIGNATURE, 1);
	out(0x511, FW_CFG_SIGNATURE, 2);
	out(0x510, FW_CFG_SIGNATURE, 4);
	check(!in(0x511, 1), "a selector of another width selects nothing");
	out(0x510, FW_CFG_SIGNATURE, 2);
	check(in(0x510, 2) == 0xffff && in(0x510, 1) == 0xff && in(0x511, 1) == 'Q',
	      "reads at the selector get nothing, and take nothing");
	out(0x511, 'x', 1);
	out(0x510, FW_CFG_SIGNATURE, 2);
	check(in(0x511, 1) == 'Q', "nothing can be written");
}

static void test_files(void)
{
	const struct {
		uint32_t len;
		uint16_t key, reserved;
		char name[FW_CFG_NAME_MAX];
	} *file = (void *)(ram + DATA_AT + 4);

	fill();
	check(!order(FW_CFG_DIRECTORY << 16 | 8 | 2, 4 + 2 * 64, DATA_AT) &&
	      ram[DATA_AT + 3] == 2 && !strcmp(file[0].name, "etc/a") &&
	      !strcmp(file[1].name, "etc/b") && file[1].len == htobe32(5),
	      "a directory that names two files");
	check(ram[DATA_AT + 4 + 2 * 64] == FILLED, "and no byte more than was asked for");
	check(!order((uint32_t)be16toh(file[1].key) << 16 | 8 | 2, 5, 0x3000) &&
	      !memcmp(ram + 0x3000, "bytes", 5), "one of them is read");
	check(!order((uint32_t)be16toh(file[1].key) << 16 | 8, 0, 0) && !order(4, 2, 0) &&
	      !order(2, 1, 0x3000) && ram[0x3000] == 't' && in(0x511, 1) == 'e',
	      "selected, skipped, read by DMA, and then by bytes");
	check(!order_at(HIGH_RAM_BASE, FW_CFG_SIGNATURE << 16 | 8 | 2, 4, HIGH_RAM_BASE + 64) &&
	      !memcmp(high + 64, "QEMU", 4), "above 4 GiB");
	check(!order(FW_CFG_SIGNATURE << 16 | 8 | 2, 4, DATA_AT) &&
	      !memcmp(ram + DATA_AT, "QEMU", 4), "whose half of the address is used once");
}

static void test_hostile(void)
{
	static const struct {
		uint32_t len;
		uint64_t addr;
		const char *what;
	} bad[] = {
		{ 4, RAM_SIZE - 3, "across the end of RAM" },
		{ 4, RAM_SIZE, "behind it" },
		{ 1, 0xffffffff, "in the hole" },
		{ ~0u, 0, "of 4 GiB" },
		{ ~0u, DATA_AT, "of 4 GiB from within" },
		{ 4, ~0ULL, "at the last address" },
		{ ~0u, ~0ULL - 1, "that wraps" },
		{ 16, ~0ULL - 15, "that ends at 2^64" },
		{ 2, HIGH_RAM_BASE + HIGH_SIZE - 1, "across the end of high RAM" },
		{ HIGH_SIZE + 1, HIGH_RAM_BASE, "longer than high RAM" },
	};
	uint64_t addr;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		fill();
		check(order(FW_CFG_SIGNATURE << 16 | 8 | 2, bad[i].len, bad[i].addr) == 1 &&
		      untouched(), "an order %s fails, and writes nothing", bad[i].what);
	}
	check(in(0x511, 1) == 'Q', "and takes nothing from the item");
	fill();
	check(order(FW_CFG_SIGNATURE << 16 | 8 | 0x10, 4, DATA_AT) == 1 && untouched() &&
	      in(0x511, 1) == 'Q', "a write fails");
	fill();
	check(order(0x10 | 4, 4, DATA_AT) == 1 && untouched(), "be it a skip, too");
	fill();
	check(!order(~0u, 64, DATA_AT) && all(ram + DATA_AT, 0, 64) && ram[DATA_AT + 64] == FILLED,
	      "all bits: a read of an item that isn't there");
	fill();
	check(!order(FW_CFG_SIGNATURE << 16 | 8 | 2, RAM_SIZE - DATA_AT, DATA_AT) &&
	      !memcmp(ram + DATA_AT, "QEMU", 4) &&
	      all(ram + DATA_AT + 4, 0, RAM_SIZE - DATA_AT - 4) &&
	      all(high, FILLED, HIGH_SIZE), "all of RAM: the item, and zeros");
	fill();
	check(!order(FW_CFG_CPUS << 16 | 8 | 4, ~0u, ~0ULL) && untouched() && !in(0x511, 1),
	      "a skip of 4 GiB ends at the item's end");
	check(!order(4, ~0u, 0) && !order(4, ~0u, 0) && !in(0x511, 1), "and doesn't wrap");
	fill();
	check(!order(0xffe0, ~0u, ~0ULL) && untouched(), "bits that mean nothing do nothing");
	/* In its own place: what says that it is done is written last. */
	check(!order(FW_CFG_SIGNATURE << 16 | 8 | 2, 16, ORDER_AT),
	      "an order that overwrites itself");
	for (addr = RAM_SIZE - 16; addr <= RAM_SIZE + 16; addr++) {
		fill();
		order_at(addr, FW_CFG_SIGNATURE << 16 | 8 | 2, 4, DATA_AT);
		if ((addr == RAM_SIZE - 16) != !memcmp(ram + DATA_AT, "QEMU", 4))
			break;
	}
	check(addr == RAM_SIZE + 17, "an order that isn't all in RAM is none");
	fill();
	order_at(~0ULL - 7, FW_CFG_SIGNATURE << 16 | 8 | 2, 4, DATA_AT);
	out(0x514, 0, 1);
	out(0x516, 0, 2);
	out(0x518, ORDER_AT, 1);
	out(0x519, 0, 4);
	out(0x51a, htobe16(ORDER_AT), 2);
	check(all(ram, FILLED, RAM_SIZE), "nor is one at the end of all, or in pieces");
}

/* Selected by one CPU while another one reads: any number, at any place. */
static void test_changes(void)
{
	unsigned int key, i, wrong = 0;

	for (key = 0; key < 0x10000; key++) {
		out(0x510, key, 2);
		for (i = 0; i < key % 7; i++)
			in(0x511, 1);
		order((key * 40503u & 0xffff) << 16 | (key & 8) | 4, key, 0);
		out(0x510, FW_CFG_SIGNATURE, 2);
		wrong += in(0x511, 1) != 'Q';
	}
	check(!wrong, "selectors that change at any place");
}

int main(void)
{
	const uint16_t cpus = 0x102;
	struct fw_cfg *fw;

	/* Of its exact size, so that a sanitizer sees a byte too many. */
	ram = malloc(RAM_SIZE);
	high = malloc(HIGH_SIZE);
	vm.mem = (struct mem){ { { 0, RAM_SIZE, ram }, { HIGH_RAM_BASE, HIGH_SIZE, high } },
			       2, -1, -1 };
	bus_init(&vm.pio);
	fw = fw_cfg_create(&vm);
	fw_cfg_add(fw, FW_CFG_CPUS, &cpus, sizeof(cpus));
	fw_cfg_add_file(fw, "etc/a", "", 1);
	fw_cfg_add_file(fw, "etc/b", "bytes", 5);
	test_ports();
	test_files();
	test_hostile();
	test_changes();
	return done();
}
