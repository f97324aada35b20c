// SPDX-License-Identifier: GPL-2.0-only
/*
 * The io_urings of disks. What is done through one no filter of system calls sees
 * (sandbox.c): so each can do no more than a disk has to, by restrictions that the kernel holds it
 * to. In the sandbox no more of them can be made: some are kept for disks that are added, and one
 * that is given back is for the next disk. A spare one isn't mapped until it is used.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lodge.h"
#include "ring.h"
#include "util.h"
#include "virtio.h"

static struct ring *spare;
static bool closed;	/* there will be no more than these */
static unsigned int spares;

static const uint8_t allowed[] = {
	IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE,
};

/* It is made disabled, and never does anything else than this. */
static int restrict_to_disk(int fd)
{
	struct io_uring_restriction rule[ARRAY_SIZE(allowed)] = { 0 };
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(allowed); i++) {
		rule[i].opcode = IORING_RESTRICTION_SQE_OP;
		rule[i].sqe_op = allowed[i];
	}
	ret = io_uring_register(fd, IORING_REGISTER_RESTRICTIONS, rule, ARRAY_SIZE(rule));
	return ret < 0 ? ret : io_uring_register(fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* A new one, or NULL with errno. */
static struct ring *make(void)
{
	struct ring *ring = xalloc(1, sizeof(*ring));
	int ret;

	ring->params.flags = IORING_SETUP_R_DISABLED;
	ring->fd = io_uring_setup(VIRTIO_QUEUE_SIZE, &ring->params);
	if (ring->fd < 0) {
		ret = ring->fd;
		goto free;
	}
	ring->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = ring->event < 0 ? -errno :
	      io_uring_register(ring->fd, IORING_REGISTER_EVENTFD, &ring->event, 1);
	if (ret >= 0)
		ret = restrict_to_disk(ring->fd);
	if (ret >= 0)
		return ring;
	if (ring->event >= 0)
		close(ring->event);
	close(ring->fd);
free:
	free(ring);
	errno = -ret;
	return NULL;
}

static int map(struct ring *ring)
{
	unsigned int i;
	int ret;

	if (ring->mapped)
		return 0;
	ret = io_uring_queue_mmap(ring->fd, &ring->params, &ring->uring);
	if (ret) {
		errno = -ret;
		return -1;
	}
	ring->uring.features = ring->params.features;
	/* Later versions of the library do so once, when they set one up. */
	for (i = 0; i < ring->params.sq_entries; i++)
		ring->uring.sq.array[i] = i;
	ring->mapped = true;
	return 0;
}

/**
 * ring_get() - a ring for a disk
 * @why: why there is none
 *
 * Return: the ring, which has nothing in flight, or NULL.
 */
struct ring *ring_get(char *why)
{
	struct ring *ring = spare;

	if (!ring && closed) {
		refuse(why, "no ring is left for another disk: %u can be added, more if others go",
		       spares);
		return NULL;
	}
	if (ring)
		spare = ring->next;
	else
		ring = make();
	if (ring && !map(ring))
		return ring;
	refuse(why, "cannot set up io_uring: %s; disks need it (sysctl kernel.io_uring_disabled=0)",
	       strerror(errno));
	if (ring)
		ring_put(ring);
	return NULL;
}

static void keep(struct ring *ring)
{
	ring->next = spare;
	spare = ring;
}

/** ring_put() - nothing is in flight, and nobody hears its eventfd. */
void ring_put(struct ring *ring)
{
	if (closed) {
		keep(ring);
		return;
	}
	if (ring->mapped)
		io_uring_queue_exit(&ring->uring);
	else
		close(ring->fd);
	close(ring->event);
	free(ring);
}

/** ring_reserve() - have RING_SPARES for disks to come; no others can be made any more. */
void ring_reserve(void)
{
	struct ring *ring;

	for (; spares < RING_SPARES && (ring = make()); spares++)
		keep(ring);
	if (spares < RING_SPARES)
		warn("no more than %u disks can be added: %s", spares, strerror(errno));
	closed = true;
}
