// SPDX-License-Identifier: GPL-2.0-only
/*
 * A queue that another process serves (vhost-user), with rings of the launcher's own
 * between that one and the driver's: who has which request is known here at any time,
 * so that it can be offered again, once and in its turn, to a process that comes in a
 * dead one's place. The protocol has a feature for that, by which the other process
 * keeps such a list itself (INFLIGHT_SHMFD); none of those that Debian has knows it, and
 * without a list requests that were answered out of their turn would be lost, or done
 * twice. Only heads go through here: descriptors and data stay where they are.
 *
 * The other process is hostile: it can write to its rings whatever it likes. All that is
 * read of them is an index, and a head with a length, once, and compared with what is
 * known.
 */
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "relay.h"

#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define USED_OFF	1024

_Static_assert(USED_OFF >= 6 + 2 * RELAY_ENTRIES, "the ring of what is offered");
_Static_assert(RELAY_BYTES - USED_OFF >= 6 + 8 * RELAY_ENTRIES, "and of what was used");

/**
 * relay_init() - a queue that another process shall serve
 * @relay: zeroed
 * @vq: the driver's
 * @shared: RELAY_BYTES that both processes have
 */
void relay_init(struct relay *relay, struct virtqueue *vq, void *shared)
{
	relay->vq = vq;
	relay->avail = shared;
	relay->used = (void *)((uint8_t *)shared + USED_OFF);
}

/** relay_clear() - the driver has begun anew: nothing is in flight. */
void relay_clear(struct relay *relay)
{
	memset(relay->entry, 0, sizeof(relay->entry));
	relay->inflight = 0;
}

static void put(struct relay *relay, uint16_t head)
{
	/* There is room: no head is in flight twice. */
	WRITE_ONCE(relay->avail->ring[relay->avail_idx++ & (relay->vq->size - 1)], head);
	atomic_thread_fence(memory_order_release);
	WRITE_ONCE(relay->avail->idx, relay->avail_idx);
}

/* The one in flight that came first of those at @turn or later, or -1. */
static int next_from(const struct relay *relay, uint64_t turn)
{
	int i, found = -1;

	for (i = 0; i < RELAY_ENTRIES; i++)
		if (relay->entry[i].busy && relay->entry[i].turn >= turn &&
		    (found < 0 || relay->entry[i].turn < relay->entry[found].turn))
			found = i;
	return found;
}

/** relay_begin() - another process serves it: all in flight is offered again, in turn. */
void relay_begin(struct relay *relay)
{
	uint64_t turn = 0;
	int head;

	memset(relay->avail, 0, RELAY_BYTES);
	relay->avail_idx = 0;
	relay->used_idx = 0;
	while ((head = next_from(relay, turn)) >= 0) {
		turn = relay->entry[head].turn + 1;
		put(relay, head);
	}
}

/**
 * relay_offer() - a request is the other process's, now or when there is one
 * @relay: the queue
 * @chain: from vq_pop()
 *
 * Return: 0, or -1 if the driver broke a rule: it is in flight already.
 */
int relay_offer(struct relay *relay, const struct vq_chain *chain)
{
	uint64_t room = iov_size(chain->iov + chain->out, chain->in);
	uint16_t head = chain->head;

	if (head >= RELAY_ENTRIES || relay->entry[head].busy)
		return -1;
	relay->entry[head].busy = true;
	relay->entry[head].room = room < UINT32_MAX ? room : UINT32_MAX;
	relay->entry[head].turn = relay->turn++;
	relay->inflight++;
	put(relay, head);
	return 0;
}

/** relay_wants_kick() - is the other process to be woken for what it was offered? */
bool relay_wants_kick(const struct relay *relay)
{
	/* The index must be seen before the wish is read. */
	atomic_thread_fence(memory_order_seq_cst);
	return !(READ_ONCE(relay->used->flags) & VRING_USED_F_NO_NOTIFY);
}

/**
 * relay_answer() - a request in flight is the driver's again
 * @relay: the queue
 * @head: it is in flight
 * @written: to it, in bytes
 */
void relay_answer(struct relay *relay, uint16_t head, uint32_t written)
{
	relay->entry[head].busy = false;
	relay->inflight--;
	vq_push(relay->vq, head, written);
}

/**
 * relay_collect() - give the driver what the other process has done
 * @relay: the queue
 *
 * Return: how many requests, or -1 if the other process broke a rule.
 */
int relay_collect(struct relay *relay)
{
	uint16_t ready = READ_ONCE(relay->used->idx) - relay->used_idx, i;

	if (ready > relay->inflight)
		return -1;
	atomic_thread_fence(memory_order_acquire);
	for (i = 0; i < ready; i++) {
		const struct vring_used_elem *e =
			&relay->used->ring[relay->used_idx & (relay->vq->size - 1)];
		uint32_t head = READ_ONCE(e->id), written = READ_ONCE(e->len);

		if (head >= RELAY_ENTRIES || !relay->entry[head].busy ||
		    written > relay->entry[head].room)
			return -1;
		relay->used_idx++;
		relay_answer(relay, head, written);
	}
	return ready;
}

/** relay_oldest() - the head in flight that has waited longest, or -1. */
int relay_oldest(const struct relay *relay)
{
	return next_from(relay, 0);
}
