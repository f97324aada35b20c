// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages by the hash of their contents: private ones that were seen once and
 * are not written since (hints), and shared ones.
 *
 * Nothing is allocated for a page: a chain of struct page hangs from each bucket,
 * by words of struct page that are its owner's: lru.next, the chain; private, the
 * hash; lru.prev, the owner, an object or, with bit 0 set, a struct lodge_stable. The
 * word of lru.next is also that in which bit 0 marks a tail of a compound page, so
 * that it holds even numbers only. The table grows by one bucket a page, splitting the
 * next one in turn (linear hashing), so that nobody waits for a big rehash.
 */
#include <linux/gfp.h>
#include <linux/log2.h>

#include "ksm/ksm.h"

#define PER_SEGMENT	(PAGE_SIZE / sizeof(struct page *))

static struct page **chain(struct page *page)
{
	return (struct page **)&page->lru.next;
}

static struct page **bucket(struct lodge_index *x, unsigned long n)
{
	struct page **segment = xa_load(&x->segments, n / PER_SEGMENT);

	return segment + n % PER_SEGMENT;
}

static struct page **bucket_of(struct lodge_index *x, u64 hash)
{
	unsigned long low = rounddown_pow_of_two(x->buckets);
	unsigned long n = hash & (2 * low - 1);

	/* Those beyond the end haven't been split off yet. */
	return bucket(x, n < x->buckets ? n : n & (low - 1));
}

static int segment_new(struct lodge_index *x)
{
	unsigned long n = x->buckets / PER_SEGMENT;
	struct page **segment = (void *)__get_free_page(LODGE_GFP_NOTE);
	int i, ret;

	if (!segment)
		return -ENOMEM;
	for (i = 0; i < PER_SEGMENT; i++)
		segment[i] = LODGE_INDEX_END;
	ret = xa_err(xa_store(&x->segments, n, segment, LODGE_GFP_NOTE));
	if (ret)
		free_page((unsigned long)segment);
	return ret;
}

/** lodge_index_init - an empty index; -ENOMEM, or 0 */
int lodge_index_init(struct lodge_index *x)
{
	int ret;

	spin_lock_init(&x->lock);
	xa_init_flags(&x->segments, XA_FLAGS_ACCOUNT);
	x->buckets = x->nr = 0;
	ret = segment_new(x);
	if (!ret)
		x->buckets = PER_SEGMENT;
	return ret;
}

/** lodge_index_destroy - the end of an index, in which no page is left */
void lodge_index_destroy(struct lodge_index *x)
{
	unsigned long i;
	void *segment;

	WARN_ON_ONCE(x->nr);
	xa_for_each(&x->segments, i, segment)
		free_page((unsigned long)segment);
	xa_destroy(&x->segments);
}

/* Bucket number x->buckets gets what is its own of the one it splits off from. */
static void split(struct lodge_index *x)
{
	unsigned long n = x->buckets, low = rounddown_pow_of_two(n);
	struct page **from = bucket(x, n - low), **to = bucket(x, n), *page;

	while ((page = *from) != LODGE_INDEX_END) {
		if ((page_private(page) & (2 * low - 1)) != n) {
			from = chain(page);
			continue;
		}
		*from = *chain(page);
		*chain(page) = *to;
		*to = page;
	}
	x->buckets++;
}

/**
 * lodge_index_grow - make room for one more page
 * @x: the index, to which nobody else adds
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM.
 */
int lodge_index_grow(struct lodge_index *x)
{
	int ret = 0;

	if (READ_ONCE(x->nr) < x->buckets)
		return 0;
	if (!(x->buckets % PER_SEGMENT) &&
	    !xa_load(&x->segments, x->buckets / PER_SEGMENT))
		ret = segment_new(x);
	if (ret)
		return ret;
	spin_lock(&x->lock);
	split(x);
	spin_unlock(&x->lock);
	return 0;
}

/**
 * lodge_index_insert - add a page
 * @x: the index
 * @page: locked; in no index
 * @hash: of its contents
 */
void lodge_index_insert(struct lodge_index *x, struct page *page, u64 hash)
{
	struct page **at;

	set_page_private(page, hash);
	spin_lock(&x->lock);
	at = bucket_of(x, hash);
	*chain(page) = *at;
	*at = page;
	x->nr++;
	spin_unlock(&x->lock);
}

/**
 * lodge_index_remove - take a page out, if it is in
 * @x: the index
 * @page: locked
 */
void lodge_index_remove(struct lodge_index *x, struct page *page)
{
	struct page **at;

	if (!lodge_index_has(page))
		return;
	spin_lock(&x->lock);
	for (at = bucket_of(x, page_private(page)); *at != page; at = chain(*at))
		;
	*at = *chain(page);
	*chain(page) = NULL;
	x->nr--;
	spin_unlock(&x->lock);
	set_page_private(page, 0);
}

/**
 * lodge_index_own - a page gets another owner
 * @x: the index that it is in
 * @page: locked
 * @owner: an object, or a struct lodge_stable
 * @stable: which of them
 */
void lodge_index_own(struct lodge_index *x, struct page *page, void *owner, bool stable)
{
	spin_lock(&x->lock);
	lodge_page_set_owner(page, owner + stable);
	spin_unlock(&x->lock);
}

/**
 * lodge_index_find - a page with a hash: a shared one with room, or a hint
 * @x: the index
 * @hash: of its contents when it was put in
 * @owner: set to its owner
 * @stable: set if that is a struct lodge_stable
 *
 * Context: under RCU, for as long as @owner is looked at without the page's lock.
 * Return: the page, with a reference; or NULL. All is to be looked at again
 * with the page locked.
 */
struct page *lodge_index_find(struct lodge_index *x, u64 hash, void **owner,
			      bool *stable)
{
	struct page *page, *found = NULL;

	spin_lock(&x->lock);
	for (page = *bucket_of(x, hash); page != LODGE_INDEX_END; page = *chain(page)) {
		unsigned long word = (unsigned long)lodge_page_layer(page);
		struct lodge_stable *s = (void *)(word & ~1ul);

		if (page_private(page) != hash)
			continue;
		if ((word & 1) && READ_ONCE(s->nr) >= LODGE_SHARERS_MAX)
			continue;
		found = page;
		*stable = word & 1;
		*owner = s;
		if (*stable)
			break;
	}
	if (found)
		get_page(found);
	spin_unlock(&x->lock);
	return found;
}
