/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver's other CPU: a thread that offers requests, and writes over their descriptors, the
 * rings and what is in the buffers while the device reads them. What is wrong is soon put
 * right again, so that most requests are begun, and some of them change in the midst. Behind guest
 * memory is some that isn't the guest's: whoever believes what has changed since it
 * was judged reads or writes there.
 */
#ifndef SCRIBBLE_H
#define SCRIBBLE_H

#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"

#define BEYOND		(1 * MIB)
#define NOT_THE_GUESTS	0xb7
#define SCRIBBLED_QUEUES 5
#define SCRIBBLED_SIZE	64	/* entries at most */

/**
 * struct scribbled - a queue, as it is right when the thread begins
 * @desc: its descriptors,
 * @avail: the ring of what is offered: all its heads are there already,
 * @used: and what the device gives back
 * @right: those descriptors and heads
 * @idx: what was offered so far
 */
struct scribbled {
	volatile struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
	struct vring_desc right[SCRIBBLED_SIZE];
	uint16_t head[SCRIBBLED_SIZE];
	uint16_t idx;
};

static struct {
	struct scribbled queue[SCRIBBLED_QUEUES];
	unsigned int queues, size, descs;
	unsigned int most;	/* requests at a time; 0: what the ring has */
	volatile uint8_t *data;
	size_t len;
	uint32_t random;
	atomic_bool done;
	pthread_t thread;
} scribbler = { .random = 1 };

/* The first region of RAM, which was made larger by BEYOND, ends earlier. */
static inline void beyond_create(void)
{
	struct mem_region *r = &vm.mem.region[0];

	r->size -= BEYOND;
	memset(r->host + r->size, NOT_THE_GUESTS, BEYOND);
}

static inline bool beyond_untouched(void)
{
	const struct mem_region *r = &vm.mem.region[0];
	const uint8_t *p = r->host + r->size;

	return *p == NOT_THE_GUESTS && !memcmp(p, p + 1, BEYOND - 1);
}

/* What scribble() shall have to do with: queue @q, which was enabled. */
static inline void scribbled(unsigned int q, void *desc, void *avail, volatile void *used)
{
	scribbler.queue[q].desc = desc;
	scribbler.queue[q].avail = avail;
	scribbler.queue[q].used = used;
}

static inline uint32_t scribble_random(void)
{
	scribbler.random ^= scribbler.random << 13;
	scribbler.random ^= scribbler.random >> 17;
	scribbler.random ^= scribbler.random << 5;
	return scribbler.random;
}

/* A moment, or none: it is seen by chance. */
static inline void scribble_pause(unsigned int n)
{
	n = scribble_random() % n;

	while (n--)
		__builtin_ia32_pause();
}

static inline void scribble_desc(struct scribbled *s, unsigned int i)
{
	const uint64_t end = vm.mem.region[0].size;
	const uint64_t addr[] = { end - 8, end, end + BEYOND / 2, ~0ULL - 50, 0,
				  s->right[i].addr + 1 };
	const uint32_t len[] = { end, BEYOND / 2, ~0u, 0, s->right[i].len * 2 };

	switch (scribble_random() % 4) {
	case 0:
		s->desc[i].addr = addr[scribble_random() % 6];
		scribble_pause(16);
		s->desc[i].addr = s->right[i].addr;
		break;
	case 1:
		s->desc[i].len = len[scribble_random() % 5];
		scribble_pause(16);
		s->desc[i].len = s->right[i].len;
		break;
	case 2:
		s->desc[i].flags = scribble_random();
		scribble_pause(16);
		s->desc[i].flags = s->right[i].flags;
		break;
	case 3:
		s->desc[i].next = scribble_random() % (2 * scribbler.size);
		scribble_pause(16);
		s->desc[i].next = s->right[i].next;
		break;
	}
}

static inline void scribble_ring(struct scribbled *s, unsigned int i)
{
	switch (scribble_random() % 4) {
	case 0:
		s->avail->ring[i] = scribble_random();
		scribble_pause(16);
		s->avail->ring[i] = s->head[i];
		break;
	case 1:
		s->avail->idx = s->idx + scribbler.size + 1;
		scribble_pause(16);
		s->avail->idx = s->idx;
		break;
	case 2:
		s->avail->flags = scribble_random();
		s->used->flags = scribble_random();
		break;
	case 3:
		s->used->ring[i].id = scribble_random();
		s->used->ring[i].len = scribble_random();
		break;
	}
}

static inline void *scribble_thread(void *arg)
{
	while (!atomic_load(&scribbler.done)) {
		struct scribbled *s = &scribbler.queue[scribble_random() % scribbler.queues];
		unsigned int i = scribble_random() % scribbler.size;
		uint8_t byte;

		switch (scribble_random() % 16) {
		case 0: case 1: case 2: case 3:
			scribble_desc(s, i % scribbler.descs);
			break;
		case 4:
			scribble_ring(s, i);
			break;
		case 5: case 6: case 7:
			i = scribble_random() % scribbler.len;
			byte = scribbler.data[i];
			scribbler.data[i] = scribble_random();
			scribble_pause(16);
			scribbler.data[i] = byte;
			break;
		default:
			/* As many as there are, and no more. */
			if ((uint16_t)(s->idx - s->used->idx) <
			    (scribbler.most ? scribbler.most : scribbler.size))
				s->avail->idx = ++s->idx;
		}
		scribble_pause(64);
	}
	return arg;
}

/* How many requests the device has given back, of all queues. */
static inline unsigned int scribble_done(void)
{
	unsigned int q, n = 0;

	for (q = 0; q < scribbler.queues; q++)
		n += scribbler.queue[q].used->idx;
	return n;
}

/**
 * scribble() - a round of it
 * @queues: that many of those that scribbled() was told of, from the first on; their
 *	descriptors and heads are as they should be
 * @size: entries of each
 * @descs: so many of them, from the first on, are descriptors in use: the fewer, the
 *	more often each of them changes
 * @data: what is in the buffers; these should be at the end of the first region
 * @len: bytes of that
 * @enough: so many requests end the round, as does a device that finds something wrong
 * @also: what has the device look, beside notifications; or NULL
 *
 * Return: how many requests were done.
 */
static inline unsigned int scribble(unsigned int queues, unsigned int size,
				    unsigned int descs, void *data, size_t len,
				    unsigned int enough, void (*also)(void))
{
	unsigned int q, i;

	if (queues > SCRIBBLED_QUEUES || size > SCRIBBLED_SIZE)
		abort();
	for (q = 0; q < queues; q++) {
		struct scribbled *s = &scribbler.queue[q];

		for (i = 0; i < size; i++) {
			s->right[i] = s->desc[i];
			s->head[i] = s->avail->ring[i];
		}
		s->idx = s->avail->idx;
	}
	scribbler.queues = queues;
	scribbler.size = size;
	scribbler.descs = descs;
	scribbler.data = data;
	scribbler.len = len;
	atomic_store(&scribbler.done, false);
	if (pthread_create(&scribbler.thread, NULL, scribble_thread, NULL))
		abort();
	for (i = 0; i < 5000 && !broken() && scribble_done() < enough; i++) {
		kick(i % queues);
		if (also)
			also();
		usleep(20);
	}
	atomic_store(&scribbler.done, true);
	pthread_join(scribbler.thread, NULL);
	return scribble_done();
}

#endif
