// SPDX-License-Identifier: GPL-2.0-only
/*
 * --daemon: the machine runs on without the terminal that it was started from. What goes
 * wrong before it runs is said there, and is the status of the command.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "lodge.h"
#include "util.h"

static int ready = -1;

/* Until the machine runs; else its status is ours. */
static void wait_for(pid_t pid, int fd)
{
	int status;
	char c;

	if (read(fd, &c, 1) == 1)
		_exit(0);
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	_exit(STATUS_FAILED);
}

static void to_null(int fd, int flags)
{
	int null = open("/dev/null", flags | O_CLOEXEC);

	if (null < 0 || dup2(null, fd) < 0)
		die("cannot open /dev/null: %s", strerror(errno));
	close(null);
}

/**
 * daemon_begin() - leave the terminal, but for what goes wrong
 * @log: where the console and messages go to, or NULL
 *
 * Before there is a second thread. Returns in the process that goes on.
 */
void daemon_begin(const char *log)
{
	int fds[2], out = log ? open_output(log) : -1;
	pid_t pid;

	/* It may be one of those that are replaced. */
	if (out >= 0 && out <= STDERR_FILENO) {
		out = fcntl(out, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (out < 0)
			die("cannot write to %s: %s", log, strerror(errno));
	}
	if (pipe2(fds, O_CLOEXEC))
		die("cannot make a pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("cannot fork: %s", strerror(errno));
	if (pid) {
		close(fds[1]);
		wait_for(pid, fds[0]);
	}
	close(fds[0]);
	ready = fds[1];
	setsid();
	to_null(STDIN_FILENO, O_RDONLY);
	if (out < 0)
		to_null(STDOUT_FILENO, O_WRONLY);
	else if (dup2(out, STDOUT_FILENO) < 0)
		die("cannot write to %s: %s", log, strerror(errno));
	if (out >= 0)
		close(out);
}

/** daemon_ready() - nothing more can go wrong that a person has to see at once. */
void daemon_ready(void)
{
	dup2(STDOUT_FILENO, STDERR_FILENO);
	/* Its directory may go. */
	if (chdir("/") || write(ready, "", 1) != 1)
		warn("whoever started this is gone");
	close(ready);
}
