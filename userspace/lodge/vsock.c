// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio socket (virtio 1.1, 5.10): the host's programs reach the guest's by
 * AF_VSOCK. The kernel's vhost-vsock moves the bytes; the queue for events is
 * ours, and nothing comes of it.
 */
#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_vsock.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util.h"
#include "vhost.h"

#define CLASS_OTHER	0x078000
#define EVENTS		2
#define QUEUES		3

struct vsock {
	struct virtio_dev dev;
	struct virtio_vsock_config config;
	struct vhost vhost;
	bool running;
};

static int set_running(struct vsock *vsock, int on)
{
	return ioctl(vsock->vhost.fd, VHOST_VSOCK_SET_RUNNING, &on);
}

static void vsock_stop(struct virtio_dev *dev)
{
	struct vsock *vsock = container_of(dev, struct vsock, dev);
	unsigned int i;

	if (!vsock->running)
		return;
	vsock->running = false;
	set_running(vsock, 0);
	for (i = 0; i < VHOST_QUEUES; i++)
		vhost_stop_queue(&vsock->vhost.queue[i]);
}

/* The kernel starts both queues or none. */
static void vsock_start(struct virtio_dev *dev)
{
	struct vsock *vsock = container_of(dev, struct vsock, dev);
	struct vhost_queue *q = vsock->vhost.queue;

	if (vsock->running || !dev->queue[0].vq.enabled || !dev->queue[1].vq.enabled)
		return;
	vsock->running = true;
	if (vhost_set_features(&vsock->vhost) || vhost_start_queue(&q[0]) ||
	    vhost_start_queue(&q[1]) || set_running(vsock, 1))
		virtio_broken(dev, "vhost-vsock refuses a queue");
}

/* Buffers for events stay where they are. */
static void vsock_kick(struct virtio_dev *dev, unsigned int q)
{
	if (q == EVENTS)
		vq_sleep(&dev->queue[q].vq);
}

static const struct virtio_ops vsock_ops = {
	.id = VIRTIO_ID_VSOCK,
	.class = CLASS_OTHER,
	.queues = QUEUES,
	.config_size = sizeof(struct virtio_vsock_config),
	.kick = vsock_kick,
	.start = vsock_start,
	.stop = vsock_stop,
};

/** vsock_create() - a socket device for the guest with address @cid, or die. */
void vsock_create(struct vm *vm, uint32_t cid)
{
	struct vsock *vsock = xalloc(1, sizeof(*vsock));
	uint64_t guest_cid = cid;
	char why[WHY_SIZE];

	if (vhost_adopt(&vsock->vhost, vhost_open("/dev/vhost-vsock", "vhost_vsock"), &vm->mem,
			why))
		die("--vsock %u: %s", cid, why);
	if (ioctl(vsock->vhost.fd, VHOST_VSOCK_SET_GUEST_CID, &guest_cid))
		die("--vsock %u: %s", cid, errno == EADDRINUSE ?
		    "another machine has this number" : strerror(errno));
	vsock->config.guest_cid = guest_cid;
	virtio_create(vm, &vsock->dev, &vsock_ops,
		      vsock->vhost.features & 1ULL << VIRTIO_VSOCK_F_SEQPACKET,
		      &vsock->config);
	vhost_bind(&vsock->vhost, &vsock->dev, 0);
}
