// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bus: who answers where, and what happens where nobody does.
 */
#include <errno.h>
#include <string.h>

#include "bus.h"
#include "tap.h"

static uint64_t last_off, last_val;
static unsigned int last_size;

static uint64_t echo(void *dev, uint64_t off, unsigned int size)
{
	last_off = off;
	last_size = size;
	return *(uint64_t *)dev;
}

static void take(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	(void)dev;
	last_off = off;
	last_val = val;
	last_size = size;
}

static int add(struct bus *bus, uint64_t base, uint64_t len, uint64_t *dev)
{
	struct bus_region r = { base, len, echo, take, dev };

	return bus_add(bus, &r);
}

static uint64_t get(struct bus *bus, uint64_t addr, unsigned int size)
{
	uint64_t v = 0;

	bus_access(bus, addr, &v, size, false);
	return v;
}

int main(void)
{
	uint64_t a = 0x1122334455667788, b = 2, val;
	static struct bus bus;

	bus_init(&bus);
	check(get(&bus, 0, 4) == 0xffffffff, "an empty bus reads all ones");
	check(!add(&bus, 0x100, 0x10, &a), "a region is added");
	check(!add(&bus, 0x110, 0x10, &b), "a neighbour is added");
	check(!add(&bus, 0xf0, 0x10, &b), "a neighbour below is added");
	check(add(&bus, 0x10f, 1, &b) == -EEXIST, "the last byte is taken");
	check(add(&bus, 0xff, 2, &b) == -EEXIST, "so is the first");
	check(add(&bus, 0, 0x1000, &b) == -EEXIST, "nothing covers another");
	check(add(&bus, 0x500, 0, &b) == -EINVAL, "no empty region");
	check(add(&bus, ~0ULL, 2, &b) == -EINVAL, "no region wraps");
	check(!add(&bus, ~0ULL, 1, &b), "the very last byte can be one");

	check(get(&bus, 0x104, 2) == 0x7788, "a read takes its low bytes");
	check(last_off == 4 && last_size == 2, "offset and size arrive");
	check(get(&bus, 0x10f, 1) == 0x88, "the last byte answers");
	check(get(&bus, 0x10f, 2) == 0xffff,
	      "an access over the end is nobody's");
	check(get(&bus, 0x120, 8) == ~0ULL, "past the end is nobody's");
	check(get(&bus, ~0ULL, 8) == ~0ULL, "an access does not wrap");

	val = 0xaabbccdd;
	bus_access(&bus, 0x110, &val, 4, true);
	check(last_val == 0xaabbccdd && !last_off, "a write arrives");
	bus_access(&bus, 0x111, &val, 1, true);
	check(last_val == 0xdd, "a byte write is one byte");

	bus_remove(&bus, 0x101);
	check(get(&bus, 0x100, 1) == 0x88, "only a base removes a region");
	bus_remove(&bus, 0x100);
	check(get(&bus, 0x100, 1) == 0xff, "a removed region is gone");
	check(!add(&bus, 0x100, 0x10, &a), "and can come back");
	return done();
}
