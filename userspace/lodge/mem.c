// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory. Every guest-physical address that the launcher follows goes
 * through mem_ptr(), which is the only place where bounds are judged. Memory
 * is never unmapped while the machine lives, so that a pointer, once checked,
 * stays good; what it points to may change at any time.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../uapi/lodge.h"
#include "lodge.h"
#include "mem.h"
#include "util.h"

static uint8_t *mem_map(uint64_t size, int fd)
{
	const uint64_t huge = 2 * MIB;
	uint8_t *p;

	/* Aligned to 2M, so that huge pages can back it from the first. */
	p = mmap(NULL, size + huge, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p != MAP_FAILED) {
		p += -(uintptr_t)p & (huge - 1);
		if (fd >= 0)
			p = mmap(p, size, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_FIXED, fd, 0);
	}
	if (p == MAP_FAILED)
		die("cannot map %llu MiB of guest memory: %s; try a smaller --memory",
		    (unsigned long long)(size / MIB), strerror(errno));
	if (fd < 0)
		madvise(p, size, MADV_HUGEPAGE);
	/* A dump of the launcher should hold the launcher, not the guest. */
	madvise(p, size, MADV_DONTDUMP);
	return p;
}

/**
 * mem_create() - map RAM around the PCI hole, or die
 * @mem: filled in
 * @size: bytes of RAM
 * @fd: a file of that size to be mapped, or -1 for memory of the process's own
 */
void mem_create(struct mem *mem, uint64_t size, int fd)
{
	uint64_t low = size < LOW_RAM_END ? size : LOW_RAM_END;
	uint8_t *host = mem_map(size, fd);

	mem->fd = fd;
	mem->share = fd;
	mem->region[0] = (struct mem_region){ 0, low, host };
	mem->count = 1;
	if (size > low) {
		mem->region[1] = (struct mem_region){ HIGH_RAM_BASE,
						      size - low, host + low };
		mem->count = 2;
	}
}

/**
 * mem_create_shared() - as mem_create(), of the process's own that others can map, too
 * @mem: filled in
 * @size: bytes of RAM
 */
void mem_create_shared(struct mem *mem, uint64_t size)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int fd = memfd_create("lodge-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, size) || fcntl(fd, F_ADD_SEALS, seals))
		die("cannot have %llu MiB of memory to share: %s",
		    (unsigned long long)(size / MIB), strerror(errno));
	mem_create(mem, size, fd);
	mem->fd = -1;
}

/** mem_mergeable() - the process's own memory is for the host to merge, or die. */
void mem_mergeable(const struct mem *mem)
{
	unsigned int i;

	for (i = 0; i < mem->count; i++)
		if (madvise(mem->region[i].host, mem->region[i].size,
			    MADV_MERGEABLE))
			die("the host's kernel does not merge pages (MADV_MERGEABLE: %s): leave out --merge on",
			    strerror(errno));
}

/**
 * mem_ptr() - where guest memory is mapped here.
 * @mem: guest memory
 * @gpa: any number that a guest may have given
 * @len: likewise
 *
 * Return: a pointer to @len bytes at @gpa, or NULL unless all of them lie in
 * one region of RAM.
 */
void *mem_ptr(const struct mem *mem, uint64_t gpa, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < mem->count; i++) {
		const struct mem_region *r = &mem->region[i];
		uint64_t off = gpa - r->gpa;

		if (gpa >= r->gpa && off < r->size && len <= r->size - off)
			return r->host + off;
	}
	return NULL;
}

/** mem_write() - copy into guest memory; 0, or -1 if it does not fit. */
int mem_write(const struct mem *mem, uint64_t gpa, const void *data,
	      uint64_t len)
{
	void *p = mem_ptr(mem, gpa, len);

	if (!p)
		return -1;
	memcpy(p, data, len);
	return 0;
}

/**
 * mem_read_file() - read part of a file straight into guest memory.
 * @mem: guest memory
 * @gpa: where to
 * @fd: a regular file
 * @off: where the part begins
 * @len: its bytes
 *
 * Return: 0, or -1 with errno: EFAULT if it does not fit, EIO if the file
 * ends early, or what read() says.
 */
int mem_read_file(const struct mem *mem, uint64_t gpa, int fd, uint64_t off,
		  uint64_t len)
{
	void *p = mem_ptr(mem, gpa, len);
	ssize_t n;

	if (!p) {
		errno = EFAULT;
		return -1;
	}
	n = pread_all(fd, p, len, off);
	if (n >= 0 && (uint64_t)n != len)
		errno = EIO;
	return n == (ssize_t)len ? 0 : -1;
}

/* Whole pages of lodge memory; 0, or -1. */
static int discard(const struct mem *mem, uintptr_t start, uintptr_t end, uint32_t flags)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	struct lodge_memory_discard d = {
		.size = sizeof(d),
		.flags = flags,
		.first = (start - (uintptr_t)mem->region[0].host) / page,
		.count = (end - start) / page,
	};

	return ioctl(mem->fd, LODGE_MEMORY_DISCARD, &d);
}

static uint64_t release(const struct mem *mem, void *p, uint64_t len, uint32_t flags)
{
	const uintptr_t mask = sysconf(_SC_PAGESIZE) - 1;
	uintptr_t start = ((uintptr_t)p + mask) & ~mask;
	uintptr_t end = ((uintptr_t)p + len) & ~mask;

	if (start >= end)
		return 0;
	if (mem->fd < 0 ? madvise((void *)start, end - start, mem->share < 0 ?
				  MADV_DONTNEED : MADV_REMOVE) :
			  discard(mem, start, end, flags))
		return 0;
	return end - start;
}

/**
 * mem_release() - give the host what lies in guest memory
 * @mem: guest memory
 * @p: from mem_ptr()
 * @len: bytes there; whole pages of them go
 *
 * The guest's next access finds zeros.
 * Return: bytes that went.
 */
uint64_t mem_release(const struct mem *mem, void *p, uint64_t len)
{
	return release(mem, p, len, 0);
}

/** mem_watch() - note what is written from here on; 0, or -1 if that can't be. */
int mem_watch(const struct mem *mem)
{
	uintptr_t start = (uintptr_t)mem->region[0].host, end = start;
	unsigned int i;

	for (i = 0; i < mem->count; i++)
		end += mem->region[i].size;
	return mem->fd < 0 ? -1 : discard(mem, start, end, LODGE_DISCARD_WATCH);
}

/** mem_release_unwritten() - as mem_release(), of what wasn't written since mem_watch() */
uint64_t mem_release_unwritten(const struct mem *mem, void *p, uint64_t len)
{
	return mem->fd < 0 ? 0 : release(mem, p, len, LODGE_DISCARD_UNWRITTEN);
}
