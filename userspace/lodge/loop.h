/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_LOOP_H
#define LODGE_LOOP_H

#include <stdatomic.h>
#include <stdint.h>

/**
 * struct watch - a descriptor that the I/O loop looks after
 * @fd: readable when there is something to do (or writable: loop_add_output())
 * @ready: called in the loop's thread
 * @arg: passed to @ready
 *
 * It belongs to who adds it and must outlive the loop, or loop_forget().
 */
struct watch {
	int fd;
	void (*ready)(void *arg);
	void *arg;
};

struct epoll_event;

struct loop {
	int epfd;
	int wake;
	atomic_int stopped;
	struct epoll_event *batch;	/* what is being served, */
	int nbatch;			/* and how much of it */
};

void loop_init(struct loop *loop);
void loop_add(struct loop *loop, struct watch *watch);
void loop_add_output(struct loop *loop, struct watch *watch);
void loop_remove(struct loop *loop, struct watch *watch);
void loop_forget(struct loop *loop, struct watch *watch);
void loop_stop(struct loop *loop);
void loop_run(struct loop *loop);
int event_create(void);
void event_signal(int fd);
void event_clear(int fd);
void event_take(int fd);

#endif
