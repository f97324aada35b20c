// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the process is to the rest of the system: its user, its capabilities, its place in the
 * file system.
 *
 * Started by root it is somebody else when the guest runs: who --user says, or without it the user
 * "lodge", where there is one (make install and systemd-sysusers make one). All that is
 * opened by its name before is opened by root; but the VM and its memory are the user's from the beginning, by the real user id,
 * so that memory is merged and divided among that user's machines; sockets of back ends
 * are the user's to reach, since they have to be reached again later.
 *
 * Landlock takes the file system away: no file can be opened, made, changed in name or removed any more,
 * but for the control socket, by who started the machine and still is the same. A kernel without it is
 * one bar less: the filters (filters.c) let nothing be opened, either.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleaner.h"
#include "confine.h"
#include "control.h"
#include "limits.h"
#include "sandbox.h"
#include "util.h"

#define ID_MAX	0xfffffffe

/* Who a machine of root's is if nothing is said. */
#define OWN_USER "lodge"
/* Numbers of users that aren't people, from login.defs. */
#define SYSTEM_MAX 999

static struct {
	bool other;	/* it becomes somebody else */
	uid_t uid;
	gid_t gid;
} user;

/*
 * The system's user NAME, by the file: other sources, which getpwnam() asks, cost the C library
 * more than all else that a start does. Somebody who logs in, and happens to be called so, isn't meant.
 */
static void find_own_user(const char *name)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw = NULL;

	while (f && (pw = fgetpwent(f)) && strcmp(pw->pw_name, name))
		;
	if (pw && pw->pw_uid && pw->pw_gid && pw->pw_uid <= SYSTEM_MAX && pw->pw_gid <= SYSTEM_MAX) {
		user.other = true;
		user.uid = pw->pw_uid;
		user.gid = pw->pw_gid;
	}
	if (f)
		fclose(f);
}

/* "USER[:GROUP]", each a name or a number, or die. */
static void find_user(const char *spec)
{
	char *name = strdup(spec), *group;
	const struct passwd *pw;
	const struct group *gr;
	unsigned long n;

	if (!name)
		die("out of memory");
	group = strchr(name, ':');
	if (group)
		*group++ = 0;
	user.other = true;
	if (!parse_uint(name, ID_MAX, &n)) {
		user.uid = n;
		pw = group ? NULL : getpwuid(n);
	} else {
		pw = getpwnam(name);
		if (!pw)
			die("--user %s: there is no user %s", spec, name);
		user.uid = pw->pw_uid;
	}
	if (!group && !pw)
		die("--user %s: nobody has this number, so that a group is wanted, as in %s:%s", spec,
		    name, name);
	if (!group) {
		user.gid = pw->pw_gid;
	} else if (!parse_uint(group, ID_MAX, &n)) {
		user.gid = n;
	} else {
		gr = getgrnam(group);
		if (!gr)
			die("--user %s: there is no group %s", spec, group);
		user.gid = gr->gr_gid;
	}
	free(name);
	if (!user.uid || !user.gid || user.uid > ID_MAX || user.gid > ID_MAX)
		die("--user %s: somebody else than root is wanted, or just root", spec);
}

/* Who the process becomes, if anybody: sets @user, or die. */
static void choose_user(const struct config *cfg)
{
	if (cfg->user && geteuid())
		die("--user %s: only root can become somebody else", cfg->user);
	if (cfg->user && strcmp(cfg->user, "root"))
		find_user(cfg->user);
	else if (!cfg->user && !geteuid())
		find_own_user(OWN_USER);
}

/* By the real ids, which say whose the VM is; the effective ones are root's still. */
static void become(const struct config *cfg)
{
	if (!setgroups(0, NULL) && !setresgid(user.gid, -1, -1) && !setresuid(user.uid, -1, -1))
		return;
	if (cfg->user)
		die("cannot become user %s: %s", cfg->user, strerror(errno));
	/* Root in a container, which may have no other users. */
	warn("cannot become user " OWN_USER ", and stays root: %s", strerror(errno));
	if (setresgid(getegid(), -1, -1))
		die("cannot stay root: %s", strerror(errno));
	user.other = false;
}

/**
 * confine_begin() - what has to be so before there is anything of the machine, or die
 * @cfg: what is wanted
 *
 * Before there is a second thread.
 */
void confine_begin(const struct config *cfg)
{
	struct remains what = { .groups = -1 };
	char name[32], socket[128];

	if (cfg->seccomp && !sandbox_check())
		die("the kernel can't filter system calls as it should (CONFIG_SECCOMP_FILTER): %s; "
		    "--no-seccomp does without", strerror(errno));
	choose_user(cfg);
	if (user.other && control_path(socket, sizeof(socket)))
		what.socket = socket;
	if (limits_wanted(cfg)) {
		what.groups = limits_find(name, sizeof(name));
		what.group = name;
	}
	if (what.socket || what.group)
		cleaner_start(&what, cfg->seccomp);
	if (what.group)
		limits_enter(cfg, what.groups, name);
	if (user.other)
		become(cfg);
}

/**
 * confine_files() - whose rights count for files, and whose what is made is
 * @users: the user's; else those of who started the machine
 */
void confine_files(bool users)
{
	if (!user.other)
		return;
	setfsgid(users ? user.gid : getegid());
	setfsuid(users ? user.uid : geteuid());
}

/**
 * confine_keep() - give up capabilities
 * @caps: all but these, of the first 32, if they are there
 *
 * Return: false, and errno, if that can't be done.
 */
bool confine_keep(uint32_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, has))
		return false;
	has[0].permitted &= caps;
	has[0].effective &= caps;
	has[0].inheritable = 0;
	has[1] = (struct __user_cap_data_struct){ 0 };
	return !syscall(SYS_capset, &head, has);
}

static void drop_capabilities(void)
{
	int cap;

	/* EPERM: it hasn't got them, either. EINVAL: the kernel has no more. */
	for (cap = 0; !prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
		;
	if (user.other && (setresgid(user.gid, user.gid, user.gid) ||
			   setresuid(user.uid, user.uid, user.uid)))
		die("cannot become user %u, group %u: %s", user.uid, user.gid, strerror(errno));
	if (!confine_keep(0))
		die("cannot give up capabilities: %s", strerror(errno));
	if (user.other && !setresuid(-1, 0, -1))
		die("root was not given up");
}

/* As in the kernel; headers may be older than it. */
struct ruleset {
	uint64_t fs, net, scoped;
};

/* By the version of the interface: what it knows of, all of which is forbidden. */
static const struct {
	uint64_t fs, net, scoped;
	size_t size;
} known[] = {
	{ 0x1fff, 0, 0, 8 },		/* 1: opening, reading, writing, making, removing */
	{ 0x3fff, 0, 0, 8 },		/* 2: moving */
	{ 0x7fff, 0, 0, 8 },		/* 3: making shorter */
	{ 0x7fff, 0x3, 0, 16 },		/* 4: TCP */
	{ 0xffff, 0x3, 0, 16 },		/* 5: requests to devices */
	{ 0xffff, 0x3, 0x1, 24 },	/* 6: abstract sockets */
};

/* No file is to be reached, but those in @dir, if it isn't NULL, to be removed. */
static void leave_files(const char *dir)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_path_beneath_attr sockets = {
		.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE };
	struct ruleset rules;
	int fd;

	if (version < 1)
		return;
	if (version > (long)ARRAY_SIZE(known))
		version = ARRAY_SIZE(known);
	rules = (struct ruleset){ known[version - 1].fs, known[version - 1].net,
				  known[version - 1].scoped };
	fd = syscall(SYS_landlock_create_ruleset, &rules, known[version - 1].size, 0);
	if (fd < 0)
		die("cannot make rules for Landlock: %s", strerror(errno));
	sockets.parent_fd = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (sockets.parent_fd >= 0) {
		syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &sockets, 0);
		close(sockets.parent_fd);
	}
	if (syscall(SYS_landlock_restrict_self, fd, 0))
		die("cannot restrict itself by Landlock: %s", strerror(errno));
	close(fd);
}

/* Does an option name this descriptor? */
static bool is_named(const struct config *cfg, int fd)
{
	const char *const words[] = { cfg->console, cfg->output, cfg->log, cfg->balloon.control };
	unsigned long n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i] && !strncmp(words[i], "fd:", 3) &&
		    !parse_uint(words[i] + 3, INT32_MAX, &n) && n == (unsigned long)fd)
			return true;
	return false;
}

/*
 * What whoever started it has left open, and nobody asked for. Those are without
 * FD_CLOEXEC, or they would not have come; all of the process's own have it.
 */
static void close_inherited(const struct config *cfg)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	if (!dir) {
		warn("what was left open stays open: cannot read /proc/self/fd: %s",
		     strerror(errno));
		return;
	}
	while ((e = readdir(dir))) {
		int fd = atoi(e->d_name), flags = fd > STDERR_FILENO ? fcntl(fd, F_GETFD) : -1;

		if (flags >= 0 && !(flags & FD_CLOEXEC) && !is_named(cfg, fd))
			close(fd);
	}
	closedir(dir);
}

/**
 * confine_end() - all that is needed is there, and nothing more can be had, or die
 * @cfg: what is wanted
 *
 * Before there is a second thread.
 */
void confine_end(const struct config *cfg)
{
	char dir[128];

	close_inherited(cfg);
	drop_capabilities();
	leave_files(!user.other && control_dir(dir, sizeof(dir), false) ? dir : NULL);
}
