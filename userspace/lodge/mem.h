/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_MEM_H
#define LODGE_MEM_H

#include <stdint.h>
#include <stddef.h>

/**
 * struct mem - guest memory: RAM below the PCI hole, and above 4 GiB
 * @region: guest-physical base, bytes, and where they are mapped here, one
 *	behind the other
 * @count: how many of them are in use
 * @fd: the file of lodge memory that is mapped there from its beginning on, or -1
 * @share: that file, or another one that is, for other processes to map; or -1
 */
struct mem {
	struct mem_region {
		uint64_t gpa;
		uint64_t size;
		uint8_t *host;
	} region[2];
	unsigned int count;
	int fd;
	int share;
};

void mem_create(struct mem *mem, uint64_t size, int fd);
void mem_create_shared(struct mem *mem, uint64_t size);
void mem_mergeable(const struct mem *mem);
void *mem_ptr(const struct mem *mem, uint64_t gpa, uint64_t len);
int mem_write(const struct mem *mem, uint64_t gpa, const void *data,
	      uint64_t len);
int mem_read_file(const struct mem *mem, uint64_t gpa, int fd, uint64_t off,
		  uint64_t len);
int mem_watch(const struct mem *mem);
uint64_t mem_release_unwritten(const struct mem *mem, void *p, uint64_t len);
uint64_t mem_release(const struct mem *mem, void *p, uint64_t len);

#endif
