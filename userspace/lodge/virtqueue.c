// SPDX-License-Identifier: GPL-2.0-only
/*
 * Split virtqueues (virtio 1.1, 2.6), from the device's side.
 *
 * The driver is hostile: descriptors, indexes and flags may change while they
 * are looked at. Each is read exactly once, into a local; each length is
 * judged against guest memory; each walk is bounded by the ring's size. What
 * breaks a rule gives -1, and the caller declares the device broken.
 */
#include <stdatomic.h>
#include <string.h>

#include "virtqueue.h"

#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

/* The word after a ring that EVENT_IDX uses; part of what was checked. */
static uint16_t *used_event(struct virtqueue *vq)
{
	return &vq->avail->ring[vq->size];
}

static uint16_t *avail_event(struct virtqueue *vq)
{
	return (uint16_t *)&vq->used->ring[vq->size];
}

/**
 * vq_enable() - check the rings' places and begin at their start
 * @vq: with size and places set
 *
 * Return: 0, or -1 if a part is not in RAM or not aligned (2.6, table).
 */
int vq_enable(struct virtqueue *vq)
{
	uint64_t n = vq->size;

	if (!n || n & (n - 1) || vq->desc_gpa % 16 || vq->avail_gpa % 2 ||
	    vq->used_gpa % 4)
		return -1;
	vq->desc = mem_ptr(vq->mem, vq->desc_gpa, 16 * n);
	vq->avail = mem_ptr(vq->mem, vq->avail_gpa, 6 + 2 * n);
	vq->used = mem_ptr(vq->mem, vq->used_gpa, 6 + 8 * n);
	vq->enabled = vq->desc && vq->avail && vq->used;
	vq->last_avail = 0;
	vq->used_idx = 0;
	vq->signalled = 0;
	return vq->enabled ? 0 : -1;
}

static int add_buffer(struct virtqueue *vq, struct vq_chain *chain,
		      const struct vring_desc *d)
{
	unsigned int n = chain->out + chain->in;
	bool in = d->flags & VRING_DESC_F_WRITE;

	/* All that is read comes before all that is written (2.6.4.2). */
	if (n == VQ_MAX_IOV || (!in && chain->in))
		return -1;
	chain->iov[n].iov_base = mem_ptr(vq->mem, d->addr, d->len);
	chain->iov[n].iov_len = d->len;
	if (!chain->iov[n].iov_base || !d->len)
		return -1;
	if (in)
		chain->in++;
	else
		chain->out++;
	return 0;
}

/* An indirect table may lie at any address. */
struct any_desc {
	struct vring_desc d;
} __attribute__((packed));

/* The one read of a descriptor: volatile, so that it stays the only one. */
static struct vring_desc read_desc(const void *table, uint16_t i)
{
	return ((const volatile struct any_desc *)table)[i].d;
}

static int walk(struct virtqueue *vq, struct vq_chain *chain,
		const void *table, uint32_t count, uint16_t i, bool nested)
{
	uint32_t left = count;

	for (;;) {
		struct vring_desc d;

		if (i >= count || !left--)
			return -1;
		d = read_desc(table, i);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			const void *t = NULL;

			/* One level, and the last of its chain (2.6.5.3). */
			if (!nested && !(d.flags & VRING_DESC_F_NEXT) &&
			    d.len && d.len % sizeof(d) == 0)
				t = mem_ptr(vq->mem, d.addr, d.len);
			if (!t)
				return -1;
			return walk(vq, chain, t, d.len / sizeof(d), 0, true);
		}
		if (add_buffer(vq, chain, &d))
			return -1;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		i = d.next;
	}
}

/**
 * vq_look() - the buffers of a request
 * @vq: the queue
 * @head: names it; any number
 * @chain: filled in
 *
 * Return: 0, or -1 if the driver broke a rule.
 */
int vq_look(struct virtqueue *vq, uint16_t head, struct vq_chain *chain)
{
	chain->head = head;
	chain->out = 0;
	chain->in = 0;
	return walk(vq, chain, vq->desc, vq->size, head, false);
}

/**
 * vq_pop() - take the next request
 * @vq: the queue
 * @chain: filled in
 *
 * Return: 1 if there was one, 0 if not or the budget is spent, -1 if the
 * driver broke a rule.
 */
int vq_pop(struct virtqueue *vq, struct vq_chain *chain)
{
	uint16_t ready, head;

	if (!vq->enabled || !vq->budget)
		return 0;
	ready = READ_ONCE(vq->avail->idx) - vq->last_avail;
	if (!ready)
		return 0;
	if (ready > vq->size)
		return -1;
	atomic_thread_fence(memory_order_acquire);
	head = READ_ONCE(vq->avail->ring[vq->last_avail & (vq->size - 1)]);
	vq->last_avail++;
	vq->budget--;
	if (vq_look(vq, head, chain))
		return -1;
	return 1;
}

/**
 * vq_unpop() - the last requests that were taken wait again
 * @vq: the queue
 * @n: how many; none of them was given back
 */
void vq_unpop(struct virtqueue *vq, uint16_t n)
{
	vq->last_avail -= n;
	vq->budget += n;
}

/**
 * vq_fill() - prepare to give a request back: vq_publish() does
 * @vq: the queue
 * @n: its number among those that go back together
 * @head: the request
 * @written: bytes written to it
 */
void vq_fill(struct virtqueue *vq, uint16_t n, uint16_t head, uint32_t written)
{
	struct vring_used_elem *e =
		&vq->used->ring[(uint16_t)(vq->used_idx + n) & (vq->size - 1)];

	WRITE_ONCE(e->id, head);
	WRITE_ONCE(e->len, written);
}

/** vq_publish() - @n requests that vq_fill() prepared are the driver's again. */
void vq_publish(struct virtqueue *vq, uint16_t n)
{
	atomic_thread_fence(memory_order_release);
	vq->used_idx += n;
	WRITE_ONCE(vq->used->idx, vq->used_idx);
}

/** vq_push() - give request @head back, @written bytes written to it. */
void vq_push(struct virtqueue *vq, uint16_t head, uint32_t written)
{
	vq_fill(vq, 0, head, written);
	vq_publish(vq, 1);
}

/** vq_should_signal() - does the driver want to hear of what was pushed? */
bool vq_should_signal(struct virtqueue *vq)
{
	uint16_t old = vq->signalled, new = vq->used_idx;

	if (old == new)
		return false;
	/* The index must be seen before the wish is read (2.6.7.2). */
	atomic_thread_fence(memory_order_seq_cst);
	vq->signalled = new;
	if (vq->event_idx)
		return vring_need_event(READ_ONCE(*used_event(vq)), new, old);
	return !(READ_ONCE(vq->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

/**
 * vq_sleep() - ask for a notification of the next request
 * @vq: the queue
 *
 * Return: true if one came in meanwhile, and the queue is to be read again.
 */
bool vq_sleep(struct virtqueue *vq)
{
	if (!vq->enabled || !vq->budget)
		return false;
	if (vq->event_idx) {
		WRITE_ONCE(*avail_event(vq), vq->last_avail);
		atomic_thread_fence(memory_order_seq_cst);
	}
	return READ_ONCE(vq->avail->idx) != vq->last_avail;
}

/** iov_size() - bytes in all buffers together. */
size_t iov_size(const struct iovec *iov, unsigned int n)
{
	size_t size = 0;

	while (n--)
		size += iov++->iov_len;
	return size;
}

static size_t iov_move(struct iovec **iov, unsigned int *n, void *data,
		       size_t len, bool to)
{
	uint8_t *p = data;
	size_t left = len;

	while (left && *n) {
		struct iovec *v = *iov;
		size_t part = left < v->iov_len ? left : v->iov_len;

		if (to)
			memcpy(v->iov_base, p, part);
		else
			memcpy(p, v->iov_base, part);
		p += part;
		left -= part;
		v->iov_base = (uint8_t *)v->iov_base + part;
		v->iov_len -= part;
		if (v->iov_len)
			break;
		++*iov;
		--*n;
	}
	return len - left;
}

/** iov_copy_from() - take @len bytes off the front; bytes copied. */
size_t iov_copy_from(struct iovec **iov, unsigned int *n, void *data,
		     size_t len)
{
	return iov_move(iov, n, data, len, false);
}

/** iov_copy_to() - fill the front with @len bytes; bytes copied. */
size_t iov_copy_to(struct iovec **iov, unsigned int *n, const void *data,
		   size_t len)
{
	return iov_move(iov, n, (void *)data, len, true);
}
