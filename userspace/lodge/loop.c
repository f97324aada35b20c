// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O loop: the main thread waits here for notifications of virtqueues,
 * completions of the disks, and keys. vCPU threads only ever wake it.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "loop.h"
#include "util.h"

#define LOOP_BATCH	16

/** event_create() - an eventfd that never blocks. */
int event_create(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		die("cannot create an eventfd: %s; raise the limit on open files (ulimit -n)",
		    strerror(errno));
	return fd;
}

/** event_signal() - make @fd readable. A full counter already is. */
void event_signal(int fd)
{
	uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof(one));

	(void)n;
}

/** event_clear() - take what was signalled. */
void event_clear(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n;
}

/**
 * event_take() - the same for one that others have, too, who may make a read of it wait,
 * or have taken it already.
 */
void event_take(int fd)
{
	uint64_t count;
	struct iovec iov = { &count, sizeof(count) };
	ssize_t n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);

	(void)n;
}

static void loop_ctl(struct loop *loop, int op, struct watch *watch,
		     uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = watch };

	/* EPERM: a plain file, always ready, that epoll has no use for. */
	if (epoll_ctl(loop->epfd, op, watch->fd, &ev) && errno != EPERM)
		die("cannot watch descriptor %d: %s", watch->fd,
		    strerror(errno));
}

/** loop_init() - an I/O loop that watches nothing yet. */
void loop_init(struct loop *loop)
{
	struct epoll_event ev = { .events = EPOLLIN };

	loop->stopped = 0;
	loop->wake = event_create();
	loop->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epfd < 0 ||
	    epoll_ctl(loop->epfd, EPOLL_CTL_ADD, loop->wake, &ev))
		die("cannot set up the I/O loop: %s", strerror(errno));
}

/** loop_add() - call watch->ready whenever watch->fd is readable. */
void loop_add(struct loop *loop, struct watch *watch)
{
	loop_ctl(loop, EPOLL_CTL_ADD, watch, EPOLLIN);
}

/** loop_add_output() - call watch->ready whenever there is room in watch->fd. */
void loop_add_output(struct loop *loop, struct watch *watch)
{
	loop_ctl(loop, EPOLL_CTL_ADD, watch, EPOLLOUT);
}

/** loop_remove() - leave @watch alone until it is added again. */
void loop_remove(struct loop *loop, struct watch *watch)
{
	epoll_ctl(loop->epfd, EPOLL_CTL_DEL, watch->fd, NULL);
}

/**
 * loop_forget() - @watch may be freed, and its descriptor closed
 *
 * The loop's thread only, which may have it in hand: what comes next there is not told
 * any more.
 */
void loop_forget(struct loop *loop, struct watch *watch)
{
	int i;

	loop_remove(loop, watch);
	for (i = 0; i < loop->nbatch; i++)
		if (loop->batch[i].data.ptr == watch)
			loop->batch[i].data.ptr = NULL;
}

/** loop_stop() - let loop_run() return. Any thread, any time. */
void loop_stop(struct loop *loop)
{
	loop->stopped = 1;
	event_signal(loop->wake);
}

/** loop_run() - serve events until loop_stop(). */
void loop_run(struct loop *loop)
{
	struct epoll_event ev[LOOP_BATCH];
	int i, n;

	while (!loop->stopped) {
		n = epoll_wait(loop->epfd, ev, LOOP_BATCH, -1);
		if (n < 0 && errno != EINTR)
			die("the I/O loop cannot wait: %s", strerror(errno));
		loop->batch = ev;
		loop->nbatch = n;
		for (i = 0; i < n && !loop->stopped; i++) {
			struct watch *w = ev[i].data.ptr;

			if (w)
				w->ready(w->arg);
		}
		loop->nbatch = 0;
	}
}
