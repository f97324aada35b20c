/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_VHOST_H
#define LODGE_VHOST_H

#include "virtio.h"

#define VHOST_QUEUES	2

/* A queue that the kernel serves. */
struct vhost_queue {
	struct vhost *vhost;
	unsigned int index;	/* in the kernel's device */
	unsigned int q;		/* in ours */
	bool running;
	struct msix_sink sink;
	struct watch call;	/* rung for an interrupt that cannot be raised directly */
	struct watch error;	/* rung for a driver that broke the rules */
};

/**
 * struct vhost - a device of the kernel's, which serves two queues of ours
 * @fd: the kernel's device
 * @dev: ours
 * @features: what the kernel offers
 * @queue: receive and transmit
 */
struct vhost {
	int fd;
	struct virtio_dev *dev;
	uint64_t features;
	struct vhost_queue queue[VHOST_QUEUES];
};

int vhost_open(const char *node, const char *module);
int vhost_adopt(struct vhost *vh, int fd, const struct mem *mem, char *why);
void vhost_close(struct vhost *vh);
void vhost_bind(struct vhost *vh, struct virtio_dev *dev, unsigned int first);
int vhost_set_features(struct vhost *vh);
int vhost_start_queue(struct vhost_queue *q);
void vhost_stop_queue(struct vhost_queue *q);

#endif
