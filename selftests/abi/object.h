/* SPDX-License-Identifier: GPL-2.0-only */
/* For cases about lodge memory: its ioctls, and patterns for pages. */
#ifndef OBJECT_H
#define OBJECT_H

#include <fcntl.h>
#include <setjmp.h>
#include <sys/stat.h>

#include "../../uapi/lodge.h"
#include "ltest.h"

static inline void parameter(const char *name, const char *value)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/lodge/parameters/%s", name);
	fd = OK(open(path, O_WRONLY));
	OK(write(fd, value, strlen(value)));
	close(fd);
}

static inline long module_value(const char *name)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/module/lodge/parameters/%s", name);
	fd = OK(open(path, O_RDONLY));
	OK(read(fd, text, sizeof(text) - 1));
	close(fd);
	return atol(text);
}

/* How much of a CPU the scan may have. */
static inline void budget(const char *percent)
{
	parameter("ksm_budget", percent);
}

/* Merging is done when it is asked for, and not by itself. */
static inline void need_lodge(void)
{
	if (node_is_kvm())
		test_skip("KVM owns no memory");
	budget("0");
}

static inline int object(uint64_t bytes, uint32_t flags, const char *domain)
{
	struct lodge_create_memory c = {
		.size = sizeof(c), .flags = flags, .bytes = bytes,
	};
	int sys = node_open(), fd;

	strncpy(c.domain, domain, sizeof(c.domain) - 1);
	fd = OK(ioctl(sys, LODGE_CREATE_MEMORY, &c));
	close(sys);
	return fd;
}

static inline uint8_t *mapped(int fd, size_t size)
{
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	MUST(p != MAP_FAILED, "%s", strerror(errno));
	return p;
}

static inline int state(int fd, uint64_t page)
{
	uint8_t s = 0xff;
	struct lodge_memory_map m = {
		.size = sizeof(m), .first = page, .count = 1,
		.states = (uintptr_t)&s,
	};

	OK(ioctl(fd, LODGE_MEMORY_MAP, &m));
	return s;
}

static inline struct lodge_memory_merge merge_at(int fd, uint64_t first, uint64_t count)
{
	struct lodge_memory_merge m = {
		.size = sizeof(m), .first = first, .count = count,
	};

	OK(ioctl(fd, LODGE_MEMORY_MERGE, &m));
	return m;
}

static inline uint64_t merge(int fd)
{
	return merge_at(fd, 0, 0).merged;
}

/* -1 and why not, or pages. */
static inline int64_t try_reclaim(int fd, uint64_t pages, uint32_t flags)
{
	struct lodge_memory_reclaim r = {
		.size = sizeof(r), .flags = flags, .bytes = pages * PAGE,
	};

	if (ioctl(fd, LODGE_MEMORY_RECLAIM, &r))
		return -1;
	return r.reclaimed / PAGE;
}

static inline uint64_t reclaim(int fd, uint64_t pages)
{
	int64_t n = try_reclaim(fd, pages, 0);

	if (n < 0 && errno == EOPNOTSUPP)
		test_skip("no zsmalloc, or no lz4, in this kernel");
	return OK(n);
}

static inline uint64_t blocks(int fd)
{
	struct stat st;

	OK(fstat(fd, &st));
	return st.st_blocks / 8;
}

/* No two of them alike, unless their seed is. */
static inline void fill(uint8_t *page, uint64_t seed)
{
	uint64_t *w = (uint64_t *)page;
	int i;

	for (i = 0; i < 512; i++)
		w[i] = seed = seed * 6364136223846793005ull + 1442695040888963407ull;
}

static inline bool filled(const uint8_t *page, uint64_t seed)
{
	uint8_t want[PAGE];

	fill(want, seed);
	return !memcmp(page, want, PAGE);
}

static inline int swap_set(int file)
{
	struct lodge_swap_set set = { .size = sizeof(set), .fd = file };
	int sys = node_open(), ret = ioctl(sys, LODGE_SWAP_SET, &set), err = errno;

	close(sys);
	errno = err;
	return ret;
}

/* Where SIGBUS goes on, if on_bus() is its handler. */
static sigjmp_buf bus;

static inline void on_bus(int sig)
{
	siglongjmp(bus, 1);
}

#endif
