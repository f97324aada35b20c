// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bus: a sorted table of address ranges, one for ports and one for memory.
 *
 * Handlers run outside the lock, since a write to a BAR moves regions of the
 * very bus it came over; who frees a device therefore waits for the vCPUs to be outside
 * of all of them (vcpus_outside()) after it was taken off.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"

/** bus_init() - an empty bus. */
void bus_init(struct bus *bus)
{
	*bus = (struct bus){ .lock = PTHREAD_RWLOCK_INITIALIZER };
}

/* The index of the first region that ends after @addr. */
static unsigned int bus_search(const struct bus *bus, uint64_t addr)
{
	unsigned int lo = 0, hi = bus->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		const struct bus_region *r = &bus->region[mid];

		if (addr >= r->base && addr - r->base >= r->len)
			lo = mid + 1;
		else if (addr < r->base)
			hi = mid;
		else
			return mid;
	}
	return lo;
}

/**
 * bus_add() - let a device answer a range.
 * @bus: ports or memory
 * @region: copied
 *
 * Return: 0, -EINVAL if the range is empty or wraps, -EEXIST if it overlaps,
 * -ENOMEM.
 */
int bus_add(struct bus *bus, const struct bus_region *region)
{
	uint64_t last = region->base + region->len - 1;
	struct bus_region *table;
	unsigned int i;
	int ret = 0;

	if (!region->len || last < region->base)
		return -EINVAL;
	pthread_rwlock_wrlock(&bus->lock);
	i = bus_search(bus, region->base);
	if (i < bus->count && bus->region[i].base <= last) {
		ret = -EEXIST;
		goto out;
	}
	table = reallocarray(bus->region, bus->count + 1, sizeof(*table));
	if (!table) {
		ret = -ENOMEM;
		goto out;
	}
	memmove(&table[i + 1], &table[i], (bus->count - i) * sizeof(*table));
	table[i] = *region;
	bus->region = table;
	bus->count++;
out:
	pthread_rwlock_unlock(&bus->lock);
	return ret;
}

/** bus_remove() - forget the region that starts at @base, if there is one. */
void bus_remove(struct bus *bus, uint64_t base)
{
	unsigned int i;

	pthread_rwlock_wrlock(&bus->lock);
	i = bus_search(bus, base);
	if (i < bus->count && bus->region[i].base == base) {
		bus->count--;
		memmove(&bus->region[i], &bus->region[i + 1],
			(bus->count - i) * sizeof(*bus->region));
	}
	pthread_rwlock_unlock(&bus->lock);
}

/**
 * bus_access() - carry out a guest's access of @size bytes (1 to 8).
 * @bus: ports or memory
 * @addr: first byte
 * @data: read from or written to
 * @size: from 1 to 8
 * @write: which of the two
 *
 * Where no device answers, or the access runs past the device's end, a read
 * gives all ones and a write is dropped, as on a real bus.
 */
void bus_access(struct bus *bus, uint64_t addr, void *data, unsigned int size,
		bool write)
{
	struct bus_region r = { 0 };
	uint64_t val = ~0ULL;
	unsigned int i;

	pthread_rwlock_rdlock(&bus->lock);
	i = bus_search(bus, addr);
	if (i < bus->count && addr >= bus->region[i].base)
		r = bus->region[i];
	pthread_rwlock_unlock(&bus->lock);

	if (r.len && size > r.len - (addr - r.base))
		r = (struct bus_region){ 0 };
	if (write) {
		val = 0;
		memcpy(&val, data, size);
		if (r.write)
			r.write(r.dev, addr - r.base, val, size);
		return;
	}
	if (r.read)
		val = r.read(r.dev, addr - r.base, size);
	memcpy(data, &val, size);
}
