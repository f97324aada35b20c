/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For cases in which the kernel has a reason to complain, with a call trace that has
 * nothing to do with us: the console hears less meanwhile, and what was said is looked through.
 */
#ifndef KLOG_H
#define KLOG_H

#include <fcntl.h>
#include <sys/klog.h>

#include "ltest.h"

/* Of bad pages, oopses, warnings and lockups: the kernel is tainted since. */
#define TAINTS	(1ul << 5 | 1ul << 7 | 1ul << 9 | 1ul << 14)

static inline unsigned long taints(void)
{
	int fd = OK(open("/proc/sys/kernel/tainted", O_RDONLY));
	char text[32] = "";

	OK(read(fd, text, sizeof(text) - 1));
	close(fd);
	return strtoul(text, NULL, 0) & TAINTS;
}

static inline int klog_begin(void)
{
	int fd = OK(open("/dev/kmsg", O_RDONLY | O_NONBLOCK));

	OK(lseek(fd, 0, SEEK_END));
	klogctl(8, NULL, 4);
	return fd;
}

/* Lines of the kernel's log since then that say that it is not well. */
static inline void klog_end(int fd)
{
	static const char *const bad[] = {
		"WARNING:", "BUG:", "Oops", "KASAN:", "UBSAN:", "cut here", "refcount_t:",
		"suspicious RCU", "circular locking", "recursive locking",
		"sleeping function", "corruption", "blocked for more than",
		"page allocation failure",
	};
	char text[8192];
	ssize_t n;
	size_t i;

	CHECK_EQ(taints(), 0);
	klogctl(8, NULL, 7);
	/* EPIPE: lines are lost, and the next ones come. */
	while ((n = read(fd, text, sizeof(text) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		text[n > 0 ? n : 0] = 0;
		for (i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK(!strstr(text, bad[i]), "%s", text);
	}
	close(fd);
}

#endif
