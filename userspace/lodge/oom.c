// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host's kernel thinks of us when it has no memory left: it kills who holds most
 * by the count of pages that processes have mapped, and memory that the hypervisor
 * owns is in nobody's. So we say ourselves how much it is.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "oom.h"

#define OOM_MAX	1000

/**
 * oom_adjusted() - what oom_score_adj becomes, so that guest memory counts
 * @adj: what it is; -1000, never to be killed, stays
 * @bytes: of guest memory
 * @ram: bytes that the host has
 *
 * Return: thousandths of the host's memory, OOM_MAX at most.
 */
int oom_adjusted(int adj, uint64_t bytes, uint64_t ram)
{
	uint64_t share = bytes < ram ? bytes / 1024 * OOM_MAX / (ram / 1024) : OOM_MAX;

	if (adj <= -OOM_MAX)
		return adj;
	return adj + (int)share < OOM_MAX ? adj + (int)share : OOM_MAX;
}

/** oom_expect() - be as likely to be killed as if guest memory were ours. */
void oom_expect(uint64_t bytes)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC), len;
	struct sysinfo info;
	char text[16] = "";

	/* Without it we are as others are. */
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0 && !sysinfo(&info)) {
		len = snprintf(text, sizeof(text), "%d",
			       oom_adjusted(atoi(text), bytes,
					    (uint64_t)info.totalram * info.mem_unit));
		(void)!pwrite(fd, text, len, 0);
	}
	close(fd);
}
