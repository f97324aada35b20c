// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices whose rings the kernel serves (vhost): it reads and writes guest
 * memory where the launcher has it mapped, hears the driver by the eventfd that
 * a notification signals (ioeventfd), and raises an interrupt by that of its
 * MSI-X vector (irqfd). No thread of the launcher is on that way. Where there is
 * no such vector, or it is masked, the kernel rings here instead.
 *
 * A device has two queues there, receive and transmit, and a thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util.h"
#include "vhost.h"

#define NEEDED	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_INDIRECT_DESC | \
		 1ULL << VIRTIO_RING_F_EVENT_IDX)

static int set_memory(struct vhost *vh, const struct mem *mem)
{
	struct vhost_memory *table = xalloc(1, sizeof(*table) + mem->count *
					    sizeof(table->regions[0]));
	unsigned int i;
	int ret;

	table->nregions = mem->count;
	for (i = 0; i < mem->count; i++) {
		table->regions[i].guest_phys_addr = mem->region[i].gpa;
		table->regions[i].memory_size = mem->region[i].size;
		table->regions[i].userspace_addr = (uintptr_t)mem->region[i].host;
	}
	ret = ioctl(vh->fd, VHOST_SET_MEM_TABLE, table);
	free(table);
	return ret;
}

/** vhost_open() - the kernel's @node, or die; @module has to be loaded for it. */
int vhost_open(const char *node, const char *module)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == EACCES)
		die("cannot open %s: %s; join the group that owns it (see ls -l)",
		    node, strerror(errno));
	if (fd < 0)
		die("cannot open %s: %s; modprobe %s helps if the module is missing",
		    node, strerror(errno), module);
	return fd;
}

/**
 * vhost_adopt() - have a device of the kernel's
 * @vh: filled in
 * @fd: from vhost_open(), or a stranger's
 * @mem: guest memory
 * @why: why not
 *
 * Return: 0, or -1.
 */
int vhost_adopt(struct vhost *vh, int fd, const struct mem *mem, char *why)
{
	vh->fd = fd;
	if (ioctl(fd, VHOST_SET_OWNER, NULL) || ioctl(fd, VHOST_GET_FEATURES, &vh->features))
		return refuse(why, "the kernel's vhost device can't be had: %s", strerror(errno));
	if ((vh->features & NEEDED) != NEEDED)
		return refuse(why, "vhost does not know virtio 1.0: the host's kernel is too old");
	return set_memory(vh, mem) ? refuse(why, "vhost takes no memory: %s", strerror(errno)) : 0;
}

/* The vector can be raised directly, or not any more. No lock is taken here. */
static void route(struct msix_sink *sink, int fd)
{
	struct vhost_queue *q = container_of(sink, struct vhost_queue, sink);
	struct vhost_vring_file file = { q->index, fd < 0 ? q->call.fd : fd };

	xioctl(q->vhost->fd, VHOST_SET_VRING_CALL, &file, "VHOST_SET_VRING_CALL");
}

static void on_call(void *arg)
{
	struct vhost_queue *q = arg;
	struct virtio_dev *dev = q->vhost->dev;

	pthread_mutex_lock(&dev->lock);
	event_clear(q->call.fd);
	if (q->running)
		virtio_raise(dev, q->q);
	pthread_mutex_unlock(&dev->lock);
}

static void on_error(void *arg)
{
	struct vhost_queue *q = arg;
	struct virtio_dev *dev = q->vhost->dev;

	pthread_mutex_lock(&dev->lock);
	event_clear(q->error.fd);
	if (q->running)
		virtio_broken(dev, "the kernel found a malformed queue");
	pthread_mutex_unlock(&dev->lock);
}

/**
 * vhost_bind() - its queues are those of a device of ours
 * @vh: from vhost_adopt()
 * @dev: the device, created
 * @first: the first of the queues
 */
void vhost_bind(struct vhost *vh, struct virtio_dev *dev, unsigned int first)
{
	unsigned int i;

	vh->dev = dev;
	for (i = 0; i < VHOST_QUEUES; i++) {
		struct vhost_queue *q = &vh->queue[i];

		q->vhost = vh;
		q->index = i;
		q->q = first + i;
		q->sink.route = route;
		q->call = (struct watch){ event_create(), on_call, q };
		q->error = (struct watch){ event_create(), on_error, q };
		loop_add(&dev->vm->loop, &q->call);
		loop_add(&dev->vm->loop, &q->error);
	}
}

/** vhost_close() - after vhost_bind(), and when its queues are stopped. */
void vhost_close(struct vhost *vh)
{
	struct loop *loop = &vh->dev->vm->loop;
	unsigned int i;

	for (i = 0; i < VHOST_QUEUES; i++) {
		struct vhost_queue *q = &vh->queue[i];

		loop_forget(loop, &q->call);
		loop_forget(loop, &q->error);
		close(q->call.fd);
		close(q->error.fd);
	}
	close(vh->fd);
}

/** vhost_set_features() - what was negotiated holds for the kernel, too; 0 or -1. */
int vhost_set_features(struct vhost *vh)
{
	/* Also of a driver that negotiates nothing: there is no other layout. */
	uint64_t features = (vh->dev->acked & vh->dev->offered & vh->features) |
		1ULL << VIRTIO_F_VERSION_1;

	return ioctl(vh->fd, VHOST_SET_FEATURES, &features) ? -1 : 0;
}

static int set_file(struct vhost_queue *q, unsigned long nr, int fd)
{
	struct vhost_vring_file file = { q->index, fd };

	return ioctl(q->vhost->fd, nr, &file);
}

/**
 * vhost_start_queue() - the kernel serves it, as soon as its device runs
 * @q: enabled by the driver; dev->lock held
 *
 * Return: 0, or -1 with errno if the kernel wants nothing of it.
 */
int vhost_start_queue(struct vhost_queue *q)
{
	struct virtio_queue *queue = &q->vhost->dev->queue[q->q];
	struct virtqueue *vq = &queue->vq;
	struct vhost_vring_state num = { q->index, vq->size };
	struct vhost_vring_state base = { q->index, vq->last_avail };
	struct vhost_vring_addr addr = {
		.index = q->index,
		.desc_user_addr = (uintptr_t)vq->desc,
		.avail_user_addr = (uintptr_t)vq->avail,
		.used_user_addr = (uintptr_t)vq->used,
	};
	int fd = q->vhost->fd;

	event_clear(q->error.fd);
	if (ioctl(fd, VHOST_SET_VRING_NUM, &num) ||
	    ioctl(fd, VHOST_SET_VRING_BASE, &base) ||
	    ioctl(fd, VHOST_SET_VRING_ADDR, &addr) ||
	    set_file(q, VHOST_SET_VRING_CALL, q->call.fd) ||
	    set_file(q, VHOST_SET_VRING_ERR, q->error.fd))
		return -1;
	virtio_hand_over(q->vhost->dev, q->q, &q->sink);
	q->running = true;
	return set_file(q, VHOST_SET_VRING_KICK, queue->notify.fd);
}

/**
 * vhost_stop_queue() - the kernel forgets a queue
 * @q: dev->lock held; its device has been told to let go of it
 */
void vhost_stop_queue(struct vhost_queue *q)
{
	struct vhost_vring_state base = { .index = q->index };

	if (!q->running)
		return;
	set_file(q, VHOST_SET_VRING_KICK, VHOST_FILE_UNBIND);
	if (!ioctl(q->vhost->fd, VHOST_GET_VRING_BASE, &base))
		q->vhost->dev->queue[q->q].vq.last_avail = base.num;
	virtio_take_back(q->vhost->dev, q->q);
	set_file(q, VHOST_SET_VRING_CALL, VHOST_FILE_UNBIND);
	set_file(q, VHOST_SET_VRING_ERR, VHOST_FILE_UNBIND);
	q->running = false;
}
