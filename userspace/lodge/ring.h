/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_RING_H
#define LODGE_RING_H

#include <liburing.h>
#include <stdbool.h>

#define RING_SPARES	8

/**
 * struct ring - an io_uring that a disk has for itself
 * @uring: what requests go through
 * @event: the eventfd that completions signal
 * @params: as the kernel made it, for when it is mapped
 * @fd: its descriptor
 * @mapped: it has been in use
 * @next: of those that nobody has
 */
struct ring {
	struct io_uring uring;
	int event;
	struct io_uring_params params;
	int fd;
	bool mapped;
	struct ring *next;
};

struct ring *ring_get(char *why);
void ring_put(struct ring *ring);
void ring_reserve(void);

#endif
