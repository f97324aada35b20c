/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test points in TAP, for user space: check() states one, done() closes.
 */
#ifndef TAP_H
#define TAP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static int tap_count, tap_failed;

#define check(cond, ...) do { \
	int tap_ok = !!(cond); \
	printf("%sok %d - ", tap_ok ? "" : "not ", ++tap_count); \
	printf(__VA_ARGS__); \
	printf("\n"); \
	if (!tap_ok) \
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
	tap_failed += !tap_ok; \
} while (0)

static inline int done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

/* How many descriptors the process has. */
static inline int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#endif
