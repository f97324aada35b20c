/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_MEM_H
#define LODGE_MEM_H

#include <stdint.h>
#include <stddef.h>

/**
 * struct mem - guest memory: RAM below the PCI hole, and above 4 GiB
 * @region: guest-physical base, bytes, and where they are mapped here
 * @count: how many of them are in use
 */
struct mem {
	struct mem_region {
		uint64_t gpa;
		uint64_t size;
		uint8_t *host;
	} region[2];
	unsigned int count;
};

void mem_create(struct mem *mem, uint64_t size);
void *mem_ptr(const struct mem *mem, uint64_t gpa, uint64_t len);
int mem_write(const struct mem *mem, uint64_t gpa, const void *data,
	      uint64_t len);
int mem_read_file(const struct mem *mem, uint64_t gpa, int fd, uint64_t off,
		  uint64_t len);
uint64_t mem_release(void *p, uint64_t len);

#endif
