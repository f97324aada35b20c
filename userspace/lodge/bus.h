/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_BUS_H
#define LODGE_BUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct bus_region - a range of addresses that one device answers
 * @base: first address
 * @len: number of addresses
 * @read: value of @size bytes (1, 2, 4 or 8) at @off from @base
 * @write: takes @val of @size bytes at @off
 * @dev: passed to both
 *
 * Either function may be NULL: reads give all ones, writes go nowhere.
 */
struct bus_region {
	uint64_t base, len;
	uint64_t (*read)(void *dev, uint64_t off, unsigned int size);
	void (*write)(void *dev, uint64_t off, uint64_t val,
		      unsigned int size);
	void *dev;
};

struct bus {
	pthread_rwlock_t lock;
	struct bus_region *region;	/* sorted by base */
	unsigned int count;
};

void bus_init(struct bus *bus);
int bus_add(struct bus *bus, const struct bus_region *region);
void bus_remove(struct bus *bus, uint64_t base);
void bus_access(struct bus *bus, uint64_t addr, void *data, unsigned int size,
		bool write);

#endif
