// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every file of the launcher needs: ways to fail in words, and reads and
 * writes that finish.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lodge.h"
#include "progress.h"
#include "term.h"
#include "util.h"

static void vsay(const char *fmt, va_list ap)
{
	char line[1024];
	int n = vsnprintf(line, sizeof(line), fmt, ap);

	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	progress_hide();
	/* A raw terminal wants its carriage return; a file does not. */
	dprintf(STDERR_FILENO, "lodge: %.*s%s\n", n, line,
		term_is_raw() ? "\r" : "");
}

/** warn() - say something on stderr and go on. */
void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
}

/** die() - say what failed and end with STATUS_FAILED, terminal restored. */
void die(const char *fmt, ...)
{
	va_list ap;

	term_restore();
	progress_end();
	va_start(ap, fmt);
	vsay(fmt, ap);
	va_end(ap);
	/* Other threads may hold locks that atexit() handlers want. */
	_exit(STATUS_FAILED);
}

/** refuse() - say why something can't be, in WHY_SIZE bytes at @why; -1. */
int refuse(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, WHY_SIZE, fmt, ap);
	va_end(ap);
	return -1;
}

/** xalloc() - zeroed memory for @n objects of @size bytes, or die. */
void *xalloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		die("out of memory for %zu x %zu bytes", n, size);
	return p;
}

/** xioctl() - an ioctl that must not fail; @what names it for a person. */
int xioctl(int fd, unsigned long nr, void *arg, const char *what)
{
	int ret;

	do {
		ret = ioctl(fd, nr, arg);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		die("%s failed: %s", what, strerror(errno));
	return ret;
}

/** write_all() - write all of @data, whatever the chunks; @len or -1. */
ssize_t write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	size_t left = len;

	while (left) {
		ssize_t n = write(fd, p, left);

		if (n < 0 && errno == EAGAIN) {
			/* Somebody else made our terminal non-blocking. */
			struct pollfd wait = { fd, POLLOUT, 0 };

			poll(&wait, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		left -= n;
	}
	return len;
}

/** pread_all() - read @len bytes or up to the file's end; bytes or -1. */
ssize_t pread_all(int fd, void *data, size_t len, off_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)data + done, len - done,
				  off + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		done += n;
	}
	return done;
}

/** open_output() - a descriptor to write to, from "FILE" or "fd:N". */
int open_output(const char *spec)
{
	unsigned long n;
	int fd;

	if (!strncmp(spec, "fd:", 3)) {
		if (parse_uint(spec + 3, 1 << 20, &n) ||
		    fcntl(n, F_GETFD) < 0)
			die("%s is not an open file descriptor", spec);
		return n;
	}
	/* A FIFO that nobody reads has who writes wait. */
	progress_begin(0, "waiting for who reads %s", spec);
	fd = open(spec, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	progress_end();
	if (fd < 0)
		die("cannot write to %s: %s", spec, strerror(errno));
	return fd;
}

/**
 * put_fds() - send descriptors with a message
 * @msg: its msg_control has room for them, aligned as a cmsghdr
 * @fds: the descriptors
 * @nfds: how many; 0: the message has none
 */
void put_fds(struct msghdr *msg, const int *fds, unsigned int nfds)
{
	struct cmsghdr *h;

	msg->msg_controllen = nfds ? CMSG_SPACE(sizeof(int) * nfds) : 0;
	h = CMSG_FIRSTHDR(msg);
	if (!h)
		return;
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
	memcpy(CMSG_DATA(h), fds, sizeof(int) * nfds);
}
