/* SPDX-License-Identifier: GPL-2.0-only */
/* Where tests with several queues have them: 64K each. */
#ifndef RINGS_H
#define RINGS_H

#include <linux/virtio_ring.h>

#include "driver.h"

#define RINGS		0x100000
#define DESC(q)		(RINGS + 0x10000 * (q))
#define AVAIL(q)	(DESC(q) + 0x4000)
#define USED(q)		(DESC(q) + 0x8000)

static inline struct vring_desc *desc(unsigned int q)
{
	return mem_ptr(&vm.mem, DESC(q), sizeof(struct vring_desc));
}

static inline struct vring_avail *avail(unsigned int q)
{
	return mem_ptr(&vm.mem, AVAIL(q), sizeof(struct vring_avail));
}

static inline volatile struct vring_used *used(unsigned int q)
{
	return mem_ptr(&vm.mem, USED(q), sizeof(struct vring_used));
}

#endif
