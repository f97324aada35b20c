/* SPDX-License-Identifier: GPL-2.0-only */
/* For cases that run something in a memory cgroup and look at its account. */
#ifndef CGROUP_H
#define CGROUP_H

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "ltest.h"

#define ROOT		"/tmp/lodge-cgroup"
#define GROUP		ROOT "/lodge-abi"

/* A file of a cgroup: what it says behind @key, or all of it; text to write. */
static inline long group_get(const char *file, const char *key)
{
	char path[128], text[8192], *at = text;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), GROUP "/%s", file);
	fd = OK(open(path, O_RDONLY));
	n = OK(read(fd, text, sizeof(text) - 1));
	text[n] = 0;
	close(fd);
	if (key) {
		at = strstr(text, key);
		MUST(at, "%s has no %s", file, key);
		at += strlen(key);
	}
	return atol(at);
}

static inline int group_put(const char *path, const char *fmt, long val)
{
	char text[64];
	int fd = open(path, O_WRONLY), n, ret;

	if (fd < 0)
		return -1;
	n = snprintf(text, sizeof(text), fmt, val);
	ret = write(fd, text, n) == n ? 0 : -1;
	close(fd);
	return ret;
}

static inline void group_begin(void)
{
	mkdir(ROOT, 0700);
	if (mount("none", ROOT, "cgroup2", 0, NULL))
		test_skip("no cgroups in this kernel");
	if (group_put(ROOT "/cgroup.subtree_control", "+memory", 0)) {
		umount(ROOT);
		test_skip("no memory controller in this kernel");
	}
	rmdir(GROUP);
	OK(mkdir(GROUP, 0700));
}

/*
 * Nothing of the group is left, up to @most bytes, within ten seconds: what RCU holds comes
 * later than the last close. What the CPUs have charged in advance (256 KiB on each) and
 * pages of files go first, since the group may have none.
 */
static inline void group_empty(long most)
{
	long left = 0;
	int i;

	for (i = 0; i < 100; i++) {
		OK(group_put(GROUP "/memory.high", "%ld", 0));
		left = group_get("memory.current", NULL);
		if (left < most)
			break;
		usleep(100000);
	}
	CHECK(left < most, "%ld bytes are charged still: kernel %ld, slab %ld, percpu %ld, anon %ld, file %ld",
	      left, group_get("memory.stat", "\nkernel "), group_get("memory.stat", "\nslab "),
	      group_get("memory.stat", "\npercpu "), group_get("memory.stat", "anon "),
	      group_get("memory.stat", "\nfile "));
	test_note("%ld kB are charged at the end", left / 1024);
}

static inline void group_end(void)
{
	int i;

	/* The last task's way out of it takes a moment. */
	for (i = 0; i < 100 && rmdir(GROUP); i++)
		usleep(50000);
	OK(umount(ROOT));
}

#endif
