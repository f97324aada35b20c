/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For cases in which allocations fail: the kernel's fault injection, of failslab and
 * fail_page_alloc, which only meets threads that have asked for it.
 */
#ifndef INJECT_H
#define INJECT_H

#include <fcntl.h>

#include "klog.h"
#include "ltest.h"

#define INJECT	"/sys/kernel/debug/"

static inline bool inject_set(const char *what, const char *name, const char *value)
{
	char path[96];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), INJECT "%s/%s", what, name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return false;
	ok = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return ok;
}

static int inject_log = -1;

/*
 * @percent of what threads that ask for it allocate fails; quietly. But the kernel has
 * places that say where they failed: vmalloc(), kmem_cache_create().
 */
static inline void inject_begin(const char *percent)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };
	int i;

	for (i = 0; i < 2; i++) {
		const char *kind = kinds[i];

		if (!inject_set(kind, "probability", "0"))
			test_skip("no fault injection in this kernel");
		MUST(inject_set(kind, "verbose", "0") &&
		     inject_set(kind, "interval", "1") &&
		     inject_set(kind, "times", "2000000000") &&
		     inject_set(kind, "task-filter", "Y") &&
		     inject_set(kind, "ignore-gfp-wait", "N"));
	}
	MUST(inject_set("fail_page_alloc", "ignore-gfp-highmem", "N") &&
	     inject_set("fail_page_alloc", "min-order", "0"));
	inject_set("fail_usercopy", "verbose", "0");
	inject_log = klog_begin();
	for (i = 0; i < 2; i++)
		MUST(inject_set(kinds[i], "probability", percent));
}

static inline void inject_end(void)
{
	inject_set("failslab", "probability", "0");
	inject_set("fail_page_alloc", "probability", "0");
	klog_end(inject_log);
}

/* The calling thread asks for it, or not; what that takes it has from the first time. */
static inline void inject_me(bool on)
{
	static __thread int fd;

	if (!fd)
		fd = OK(open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC));
	OK(write(fd, on ? "1" : "0", 1));
}

#endif
