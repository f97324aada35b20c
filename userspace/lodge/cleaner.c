// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process beside the machine's that waits for its end, whatever that is, and removes what
 * the machine itself can't: its control group, which has to be empty first; its socket, if
 * it has become another user than the directory's. It is there only if one of these is,
 * keeps of the rights that it was started with what removing takes, and hears nothing but the
 * end of a pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "cleaner.h"
#include "confine.h"
#include "sandbox.h"
#include "util.h"

#define PIPE		3
#define GROUPS		4
#define SAFE_FD		10	/* above what is replaced */

static void remove_group(const char *group)
{
	struct timespec nap = { .tv_nsec = 10000000 };

	/* The machine is given back, or passt is there still. */
	while (unlinkat(GROUPS, group, AT_REMOVEDIR) && errno == EBUSY) {
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < 640000000)
			nap.tv_nsec *= 2;
	}
}

/* Nothing of the machine's is kept but the pipe. */
static void keep(int end, int groups)
{
	int null = open("/dev/null", O_RDWR), i;

	end = fcntl(end, F_DUPFD, SAFE_FD);
	groups = groups < 0 ? groups : fcntl(groups, F_DUPFD, SAFE_FD);
	for (i = 0; i < PIPE; i++)
		if (null < 0 || dup2(null, i) < 0)
			close(i);
	if (dup2(end, PIPE) < 0)
		_exit(1);
	if (groups >= 0)
		dup2(groups, GROUPS);
	close_range(groups >= 0 ? GROUPS + 1 : GROUPS, ~0U, 0);
}

static void clean(int end, const struct remains *what, bool filter)
{
	char byte;

	/* It ends when the machine has, and not with it. */
	setsid();
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	prctl(PR_SET_NAME, "lodge-cleaner");
	keep(end, what->groups);
	/* Both may be in a directory of somebody else's. */
	if (!confine_keep(1u << CAP_DAC_OVERRIDE))
		_exit(1);
	/* No file system is busy because of it. */
	if ((!what->socket || *what->socket == '/') && chdir("/"))
		_exit(1);
	if (filter && sandbox_enter(SANDBOX_CLEANER))
		_exit(1);
	while (read(PIPE, &byte, 1) < 0 && errno == EINTR)
		;
	if (what->socket)
		unlink(what->socket);
	if (what->groups >= 0)
		remove_group(what->group);
	_exit(0);
}

/**
 * cleaner_start() - have that process, or die
 * @what: it is to remove
 * @filter: its system calls
 *
 * Before there is a second thread, and before the machine is in its control group.
 */
void cleaner_start(const struct remains *what, bool filter)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		die("cannot make a pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("cannot fork: %s", strerror(errno));
	if (!pid) {
		close(fds[1]);
		clean(fds[0], what, filter);
	}
	/* The other end stays open as long as the process is there. */
	close(fds[0]);
}
