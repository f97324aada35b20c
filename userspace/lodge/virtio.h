/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VIRTIO_H
#define VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "lodge.h"
#include "pci.h"
#include "virtqueue.h"

#define VIRTIO_QUEUES		17	/* eight pairs of a network, and its control */
#define VIRTIO_QUEUE_SIZE	256

struct virtio_dev;

/**
 * struct virtio_ops - what makes a device of the transport
 * @id: virtio device ID
 * @class: PCI class code
 * @queues: how many
 * @queue_size: entries that each has at most; 0: VIRTIO_QUEUE_SIZE
 * @features: offered beside those of the rings
 * @config_size: bytes of configuration
 * @config_write: the driver writes @size bytes of it; dev->lock held. NULL: it
 *	can't
 * @kick: there may be requests in queue @q; I/O thread, dev->lock held
 * @start: the driver is ready, and its queues are; dev->lock held. May be NULL
 * @stop: let go of the rings, that a reset or a broken rule takes away; dev->lock
 *	held, may come twice. NULL: nobody but the I/O thread looks at them
 * @reset: drop what is in flight; dev->lock held, rings still there
 * @destroy: give back all that it has, after virtio_destroy(). NULL: it stays
 */
struct virtio_ops {
	uint16_t id;
	uint32_t class;
	unsigned int queues;
	uint16_t queue_size;
	uint64_t features;
	unsigned int config_size;
	void (*config_write)(struct virtio_dev *dev, unsigned int off,
			     uint32_t val, unsigned int size);
	void (*kick)(struct virtio_dev *dev, unsigned int q);
	void (*start)(struct virtio_dev *dev);
	void (*stop)(struct virtio_dev *dev);
	void (*reset)(struct virtio_dev *dev);
	void (*destroy)(struct virtio_dev *dev);
};

/**
 * struct virtio_queue - a ring, and how both sides call each other
 * @vq: the ring
 * @dev: its device
 * @index: its number there
 * @vector: of its interrupts
 * @notify: what the driver rings
 * @elsewhere: who serves the ring, and rings back, in the I/O thread's place; or NULL
 */
struct virtio_queue {
	struct virtqueue vq;
	struct virtio_dev *dev;
	unsigned int index;
	uint16_t vector;
	struct watch notify;
	struct msix_sink *elsewhere;
};

struct virtio_dev {
	struct pci_dev pci;
	struct vm *vm;
	const struct virtio_ops *ops;
	const void *config;
	pthread_mutex_t lock;
	uint64_t offered, acked;
	uint32_t offered_sel, acked_sel;
	uint16_t config_vector, queue_sel;
	uint8_t status, isr, generation;
	unsigned int complaints;
	struct virtio_queue queue[VIRTIO_QUEUES];
};

void virtio_create(struct vm *vm, struct virtio_dev *dev,
		   const struct virtio_ops *ops, uint64_t features,
		   const void *config);
void virtio_destroy(struct virtio_dev *dev);
void virtio_signal(struct virtio_dev *dev, unsigned int q);
void virtio_raise(struct virtio_dev *dev, unsigned int q);
void virtio_hand_over(struct virtio_dev *dev, unsigned int q, struct msix_sink *to);
void virtio_take_back(struct virtio_dev *dev, unsigned int q);
void virtio_config_changed(struct virtio_dev *dev);
void virtio_broken(struct virtio_dev *dev, const char *why);
bool virtio_has(const struct virtio_dev *dev, unsigned int feature);

#endif
