/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTQUEUE_H
#define VIRTQUEUE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "mem.h"

#define VQ_MAX_IOV	128

/**
 * struct virtqueue - a split ring, device side
 * @mem: guest memory
 * @size: entries, a power of two
 * @desc_gpa: where the driver put the descriptors,
 * @avail_gpa: the ring of what it offers,
 * @used_gpa: and that of what it gets back
 * @enabled: the three pointers are good
 * @event_idx: VIRTIO_RING_F_EVENT_IDX was negotiated
 * @last_avail: the next entry to take
 * @used_idx: the next entry to give back
 * @signalled: @used_idx when the driver was last interrupted
 * @budget: requests that may still be taken before others have their turn
 * @desc: the three, once they are checked
 * @avail: see @desc
 * @used: see @desc
 */
struct virtqueue {
	const struct mem *mem;
	uint16_t size;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	bool enabled;
	bool event_idx;
	uint16_t last_avail, used_idx, signalled;
	uint16_t budget;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
};

/**
 * struct vq_chain - one request of the driver
 * @head: names it when it is given back
 * @out: how many buffers to read from
 * @in: how many buffers to write to
 * @iov: first those, then these
 */
struct vq_chain {
	uint16_t head;
	unsigned int out, in;
	struct iovec iov[VQ_MAX_IOV];
};

int vq_enable(struct virtqueue *vq);
int vq_pop(struct virtqueue *vq, struct vq_chain *chain);
int vq_look(struct virtqueue *vq, uint16_t head, struct vq_chain *chain);
void vq_unpop(struct virtqueue *vq, uint16_t n);
void vq_fill(struct virtqueue *vq, uint16_t n, uint16_t head, uint32_t written);
void vq_publish(struct virtqueue *vq, uint16_t n);
void vq_push(struct virtqueue *vq, uint16_t head, uint32_t written);
bool vq_should_signal(struct virtqueue *vq);
bool vq_sleep(struct virtqueue *vq);
size_t iov_size(const struct iovec *iov, unsigned int n);
size_t iov_copy_from(struct iovec **iov, unsigned int *n, void *data,
		     size_t len);
size_t iov_copy_to(struct iovec **iov, unsigned int *n, const void *data,
		   size_t len);

#endif
