/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_RELAY_H
#define LODGE_RELAY_H

#include "virtqueue.h"

#define RELAY_ENTRIES	128
#define RELAY_BYTES	4096	/* of shared memory for each queue */

/**
 * struct relay - a queue that another process serves, and what it has of it
 * @vq: the driver's
 * @avail: what the other process is offered, in memory that it shares,
 * @used: and gives back
 * @avail_idx: the next to offer
 * @used_idx: the next to be given back
 * @inflight: what it has, or shall have
 * @turn: of the next request
 * @entry: of each head: whether it is there, the bytes that may be written to it, its turn
 */
struct relay {
	struct virtqueue *vq;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t avail_idx, used_idx;
	unsigned int inflight;
	uint64_t turn;
	struct {
		bool busy;
		uint32_t room;
		uint64_t turn;
	} entry[RELAY_ENTRIES];
};

void relay_init(struct relay *relay, struct virtqueue *vq, void *shared);
void relay_clear(struct relay *relay);
void relay_begin(struct relay *relay);
int relay_offer(struct relay *relay, const struct vq_chain *chain);
bool relay_wants_kick(const struct relay *relay);
int relay_collect(struct relay *relay);
int relay_oldest(const struct relay *relay);
void relay_answer(struct relay *relay, uint16_t head, uint32_t written);

#endif
