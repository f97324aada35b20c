// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio entropy (virtio 1.1, 5.4): the host's random bytes.
 */
#include <sys/random.h>

#include "util.h"
#include "virtio.h"

#define CLASS_OTHER	0xff0000
#define RNG_MAX		4096	/* bytes for one request: more is slow */

static void rng_kick(struct virtio_dev *dev, unsigned int q)
{
	struct virtqueue *vq = &dev->queue[q].vq;
	struct vq_chain chain;
	uint8_t bytes[RNG_MAX];
	int ret;

	do {
		while ((ret = vq_pop(vq, &chain)) > 0) {
			struct iovec *in = chain.iov + chain.out;
			size_t want = iov_size(in, chain.in);
			ssize_t n = getrandom(bytes, want < RNG_MAX ? want :
					      RNG_MAX, 0);

			if (n > 0)
				n = iov_copy_to(&in, &chain.in, bytes, n);
			vq_push(vq, chain.head, n > 0 ? n : 0);
		}
	} while (!ret && vq_sleep(vq));
	virtio_signal(dev, q);
	if (ret < 0)
		virtio_broken(dev, "the entropy queue is malformed");
}

static const struct virtio_ops rng_ops = {
	.id = VIRTIO_ID_RNG,
	.class = CLASS_OTHER,
	.queues = 1,
	.kick = rng_kick,
};

/** rng_create() - an entropy device. */
void rng_create(struct vm *vm)
{
	virtio_create(vm, xalloc(1, sizeof(struct virtio_dev)), &rng_ops, 0,
		      NULL);
}
