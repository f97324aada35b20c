// SPDX-License-Identifier: GPL-2.0-only
/*
 * clockpage: in a guest, for whoever has the guest's memory before him: a page, of which the
 * physical address is said, with the guest's clock in it, always as it is just now. The
 * host writes its own there, over and over, and at last that it is over.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct page {
	uint64_t over;
	int64_t host;
	int64_t guest;
	int64_t least;		/* the guest's clock, less the host's that was there before */
};

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
	volatile struct page *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE |
					  MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
	int map = open("/proc/self/pagemap", O_RDONLY);
	int64_t host, apart;
	uint64_t entry;

	if (page == MAP_FAILED || pread(map, &entry, 8, (uintptr_t)page / 4096 * 8) != 8) {
		perror("clockpage");
		return 1;
	}
	page->least = INT64_MAX;
	printf("guest: clock at %llx\n", (entry & ((1ULL << 55) - 1)) * 4096);
	fflush(stdout);
	while (!page->over) {
		host = page->host;
		page->guest = now();
		apart = page->guest - host;
		if (host && apart < page->least)
			page->least = apart;
	}
	return 0;
}
