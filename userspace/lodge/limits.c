// SPDX-License-Identifier: GPL-2.0-only
/*
 * --cpu-weight and --memory-max: a control group (version 2) of the machine's own, beside the
 * one that it is started in: that one has processes, and so can have none below it. It is
 * entered before there is anything of the machine, so that all of it counts there: guest memory, also
 * the hypervisor's, the kernel's vhost, passt. cleaner.c removes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "limits.h"
#include "util.h"

#define TREE	"/sys/fs/cgroup"

static char place[4096];	/* where it is, for messages */

/** limits_wanted() - whether there shall be such a group. */
bool limits_wanted(const struct config *cfg)
{
	return cfg->cpu_weight || cfg->memory_max;
}

/* The group that the process is in, as "/..."; or die. */
static void find_own(char *path, size_t size)
{
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	char text[4096], *line, *rest = text;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, "0::/", 4))
			continue;
		snprintf(path, size, "%s", line + 3);
		return;
	}
	die("cannot tell the control group that this is in (/proc/self/cgroup)");
}

/**
 * limits_find() - where control groups of machines are, or die
 * @name: filled in: what this one's is called
 * @size: room there
 *
 * Return: a descriptor of the directory.
 */
int limits_find(char *name, size_t size)
{
	char own[2048];
	struct statfs fs;
	unsigned int i;
	int fd;

	if (statfs(TREE, &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
		die("--cpu-weight and --memory-max want control groups of version 2, mounted at " TREE);
	find_own(own, sizeof(own));
	/* Of "/NAME" "/" is left, which has no other beside it. */
	*strrchr(own, '/') = 0;
	snprintf(place, sizeof(place), TREE "%s", own);
	fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die("cannot open %s: %s", place, strerror(errno));
	/* Of a process that had this number, here or where numbers are others, one may be left. */
	snprintf(name, size, "lodge-%d", getpid());
	for (i = 1; i < 100 && !faccessat(fd, name, F_OK, 0); i++)
		snprintf(name, size, "lodge-%d-%u", getpid(), i);
	return fd;
}

static int put(int dir, const char *file, const char *text)
{
	int fd = openat(dir, file, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return ret;
}

/* One limit; its controller is switched on for groups here if it isn't yet. */
static void set(int groups, int group, const char *controller, const char *file,
		unsigned long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "+%s", controller);
	if (faccessat(group, file, F_OK, 0) && put(groups, "cgroup.subtree_control", text))
		die("%s has no controller \"%s\" for the groups in it, and none can be switched on: %s",
		    place, controller, strerror(errno));
	snprintf(text, sizeof(text), "%llu", value);
	if (put(group, file, text))
		die("cannot write %s to %s of a control group in %s: %s", text, file, place,
		    strerror(errno));
}

/**
 * limits_enter() - the process is in a group of its own from here on, or die
 * @cfg: the limits
 * @groups: of limits_find()
 * @name: likewise
 */
void limits_enter(const struct config *cfg, int groups, const char *name)
{
	int group;

	if (mkdirat(groups, name, 0755))
		die("cannot make the control group %s/%s: %s%s", place, name, strerror(errno),
		    errno != EACCES && errno != EROFS ? "" :
		    "; as a user: systemd-run --user --scope -p Delegate=yes lodge run ...");
	group = openat(groups, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group < 0)
		die("cannot open %s/%s: %s", place, name, strerror(errno));
	if (cfg->cpu_weight)
		set(groups, group, "cpu", "cpu.weight", cfg->cpu_weight);
	if (cfg->memory_max) {
		set(groups, group, "memory", "memory.max", cfg->memory_max);
		/* All of it ends or nothing: not passt alone. */
		if (put(group, "memory.oom.group", "1"))
			die("cannot write to memory.oom.group of a control group in %s: %s", place,
			    strerror(errno));
	}
	if (put(group, "cgroup.procs", "0"))
		die("cannot move into %s/%s: %s", place, name, strerror(errno));
	close(group);
	close(groups);
}
