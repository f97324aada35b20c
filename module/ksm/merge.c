// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two pages become one, and become two again.
 */
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/pagemap.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/xxhash.h>

#include "ksm/ksm.h"

struct kmem_cache *lodge_stables, *lodge_sharers;

/* What is broken is equal to nothing: to read it may be the end of the host. */
static bool equal(struct page *a, struct page *b)
{
	return !PageHWPoison(a) && !PageHWPoison(b) &&
	       !memcmp(page_address(a), page_address(b), PAGE_SIZE);
}

/* What a merge can need, charged to the object's control group. */
static bool spare_fill(struct lodge_domain *d, struct lodge_layer *l)
{
	struct mem_cgroup *old = set_active_memcg(l->memcg);
	bool ok = !lodge_index_grow(&d->index);
	int i;

	if (!d->spare.stable)
		d->spare.stable = kmem_cache_zalloc(lodge_stables, LODGE_GFP_NOTE);
	ok = ok && d->spare.stable;
	for (i = 0; i < 2; i++) {
		if (!d->spare.sharer[i])
			d->spare.sharer[i] = kmem_cache_alloc(lodge_sharers, LODGE_GFP_NOTE);
		ok = ok && d->spare.sharer[i];
	}
	set_active_memcg(old);
	return ok;
}

/** lodge_ksm_spare_free - free what a domain has in hand */
void lodge_ksm_spare_free(struct lodge_domain *d)
{
	int i;

	if (d->spare.stable)
		kmem_cache_free(lodge_stables, d->spare.stable);
	for (i = 0; i < 2; i++)
		if (d->spare.sharer[i])
			kmem_cache_free(lodge_sharers, d->spare.sharer[i]);
}

static void merged(struct lodge_layer *l)
{
	atomic_long_inc(&l->merged);
	lodge_ksm_count(l->domain, LODGE_KSM_MERGED, 1);
}

static u16 passes(struct lodge_domain *d)
{
	return atomic64_read(&d->counts[LODGE_KSM_PASSES]);
}

/* Entry @index of @l, locked, whose page is @old, shares another page. */
static void share(struct lodge_stable *stable, struct lodge_layer *l, pgoff_t index,
		  struct page *old)
{
	struct lodge_domain *d = l->domain;
	int i = d->spare.sharer[0] ? 0 : 1;
	struct lodge_sharer *sharer = d->spare.sharer[i];

	d->spare.sharer[i] = NULL;
	sharer->stable = stable;
	sharer->layer = l;
	sharer->index = index;
	sharer->seen = false;
	sharer->backoff = lodge_page_backoff(old);
	sharer->pass = passes(d);
	hlist_add_head(&sharer->node, &stable->sharers);
	WRITE_ONCE(stable->nr, stable->nr + 1);
	/* Nobody finds a full one any more, or has to pass it: of each kind one has room. */
	if (stable->nr == LODGE_SHARERS_MAX)
		lodge_index_remove(&d->index, stable->page);
	atomic_long_inc(&d->sharers);
	lodge_layer_clean(l, index, old);
	lodge_layer_replace(l, index, old, lodge_sharer_entry(sharer));
	if (old == stable->page)
		return;		/* the entry's reference is @stable's now */
	lodge_page_set_owner(old, NULL);
	put_page(old);
}

/**
 * lodge_ksm_zero - a page of zeroes is given back
 * @l: whose page it is
 * @index: where it is
 * @page: as for lodge_layer_leave()
 *
 * Return: whether it is one.
 */
bool lodge_ksm_zero(struct lodge_layer *l, pgoff_t index, struct page *page)
{
	if (memchr_inv(page_address(page), 0, PAGE_SIZE))
		return false;
	lodge_layer_leave(l, index, page, ENTRY_ZERO);
	merged(l);
	return true;
}

/* Another page, @other, locked, was hashed alike, and is in no view now. */
static bool join(struct lodge_layer *l, pgoff_t index, struct page *page,
		 struct lodge_layer *l2, struct page *other)
{
	struct lodge_domain *d = l->domain;
	struct lodge_stable *stable = d->spare.stable;
	pgoff_t index2 = lodge_page_offset(other);

	d->spare.stable = NULL;
	/* Whoever can tell which one stays could choose where others' data lies. */
	if (get_random_u8() & 1) {
		stable->page = other;
	} else {
		lodge_index_insert(&d->index, page, page_private(other));
		lodge_index_remove(&d->index, other);
		stable->page = page;
	}
	lodge_index_own(&d->index, stable->page, stable, true);
	atomic_long_inc(&d->stables);
	share(stable, l2, index2, other);
	share(stable, l, index, page);
	/* The first one gave no page back. */
	merged(l);
	return true;
}

enum match {
	MATCHED,
	NOTHING,	/* there is none to match */
	STALE,		/* what was found isn't what it was: look again */
	BUSY,		/* the page is left as it is */
	DIFFERENT,
};

/* @other is locked. */
static enum match match_stable(struct lodge_layer *l, pgoff_t index, struct page *page,
			       struct lodge_stable *stable)
{
	if (stable->nr >= LODGE_SHARERS_MAX)
		return STALE;
	if (!equal(page, stable->page))
		return DIFFERENT;
	share(stable, l, index, page);
	merged(l);
	return MATCHED;
}

static enum match match_hint(struct lodge_layer *l, pgoff_t index, struct page *page,
			     struct lodge_layer *l2, struct page *other)
{
	bool peeked = lodge_page_peeked(other);
	pgoff_t index2 = lodge_page_offset(other);

	/* What was hashed in a view is compared there, before its block is taken apart. */
	if ((peeked ? !equal(page, other) : PageDirty(other)) || !READ_ONCE(l2->mergeable)) {
		lodge_index_remove(&l->domain->index, other);
		/* It is looked at anew when it may be merged again. */
		xa_set_mark(&l2->entries, index2, LODGE_WRITTEN);
		return STALE;
	}
	if (lodge_page_seen(other)) {
		lodge_layer_unview(l2, index2, 1);
		lodge_page_set_offset(other, index2, lodge_page_rest(other),
				      lodge_page_backoff(other));
	}
	/* The entry's reference, and ours. */
	if (page_count(other) != 2 || (PageDirty(other) && !peeked)) {
		lodge_ksm_count(l->domain, LODGE_KSM_HELD, 1);
		return BUSY;
	}
	if (!equal(page, other)) {
		if (!peeked)
			return DIFFERENT;
		lodge_index_remove(&l->domain->index, other);
		return STALE;
	}
	join(l, index, page, l2, other);
	return MATCHED;
}

static enum match match(struct lodge_layer *l, pgoff_t index, struct page *page, u64 hash)
{
	enum match ret = STALE;
	struct page *other;
	void *owner;
	bool stable;

	other = lodge_index_find(&l->domain->index, hash, &owner, &stable);
	if (!other)
		return NOTHING;
	if (!trylock_page(other)) {
		put_page(other);
		return BUSY;
	}
	/* While it is locked, and is in the index, it stays its owner's. */
	if (lodge_index_has(other) &&
	    lodge_page_layer(other) == owner + stable)
		ret = stable ? match_stable(l, index, page, owner) :
			       match_hint(l, index, page, owner, other);
	lodge_object_put(other);
	return ret;
}

/* Was it written since it was hashed last? Then it is left alone for longer. */
static void judge(struct page *page, pgoff_t index)
{
	u8 backoff = lodge_page_backoff(page);

	backoff = lodge_index_has(page) && !lodge_page_peeked(page) ?
		  lodge_ksm_longer(backoff) : backoff / 2;
	lodge_page_set_offset(page, index, backoff, backoff);
}

/**
 * lodge_ksm_merge - look for an equal page, and share it
 * @l: whose page it is
 * @index: where it is
 * @page: locked, private, in no view, and held by its entry and the caller only
 *
 * Context: under the domain's mutex; may sleep.
 * Return: whether the page isn't the object's any more.
 */
bool lodge_ksm_merge(struct lodge_layer *l, pgoff_t index, struct page *page)
{
	struct lodge_domain *d = l->domain;
	enum match found;
	u64 hash;

	judge(page, index);
	lodge_index_remove(&d->index, page);
	lodge_ksm_count(d, LODGE_KSM_HASHED, 1);
	if (lodge_ksm_zero(l, index, page))
		return true;
	if (!spare_fill(d, l)) {
		lodge_ksm_count(d, LODGE_KSM_FULL, 1);
		return false;
	}
	hash = xxh64(page_address(page), PAGE_SIZE, d->seed);
	do
		found = match(l, index, page, hash);
	while (found == STALE);
	if (found == DIFFERENT)
		lodge_ksm_count(d, LODGE_KSM_DIFFER, 1);
	if (found == BUSY)
		lodge_ksm_count(d, LODGE_KSM_BUSY, 1);
	if (found == NOTHING)
		lodge_index_insert(&d->index, page, hash);
	/* What is busy is looked at again. */
	if (found == NOTHING || found == DIFFERENT)
		lodge_layer_clean(l, index, page);
	return found == MATCHED;
}

/* Whether there is a page like it, as far as can be told while both may be written. */
static bool has_equal(struct lodge_domain *d, struct page *page, u64 hash)
{
	struct page *other;
	void *owner;
	bool stable, ret;

	other = lodge_index_find(&d->index, hash, &owner, &stable);
	if (!other)
		return false;
	ret = equal(page, other);
	put_page(other);
	return ret;
}

/**
 * lodge_ksm_peek - hash a page as it is, in views
 * @l: whose page it is
 * @page: locked, private; guests may be writing to it
 *
 * It goes into the index, where it is known by lodge_page_peeked().
 *
 * Context: under the domain's mutex; may sleep.
 * Return: whether it could be merged, or is zero; it takes lodge_ksm_merge() to do it.
 */
bool lodge_ksm_peek(struct lodge_layer *l, struct page *page)
{
	struct lodge_domain *d = l->domain;
	u64 hash;

	if (PageHWPoison(page))
		return false;
	lodge_ksm_count(d, LODGE_KSM_HASHED, 1);
	if (!memchr_inv(page_address(page), 0, PAGE_SIZE))
		return true;
	if (!spare_fill(d, l)) {
		lodge_ksm_count(d, LODGE_KSM_FULL, 1);
		return false;
	}
	hash = xxh64(page_address(page), PAGE_SIZE, d->seed);
	if (!lodge_index_has(page) || page_private(page) != hash) {
		lodge_index_remove(&d->index, page);
		if (has_equal(d, page, hash))
			return true;
		lodge_index_insert(&d->index, page, hash);
	}
	lodge_page_set_peeked(page, true);
	return false;
}

static void sharer_free(struct lodge_sharer *sharer)
{
	struct lodge_stable *stable = sharer->stable;
	struct lodge_domain *d = sharer->layer->domain;

	hlist_del(&sharer->node);
	WRITE_ONCE(stable->nr, stable->nr - 1);
	atomic_long_dec(&d->sharers);
	kmem_cache_free(lodge_sharers, sharer);
	if (stable->nr)
		return;
	atomic_long_dec(&d->stables);
	kmem_cache_free(lodge_stables, stable);
}

/**
 * lodge_ksm_unshare - an entry shares its page no longer
 * @sharer: what it was; the shared page is locked, and held by the caller
 */
void lodge_ksm_unshare(struct lodge_sharer *sharer)
{
	struct page *page = sharer->stable->page;

	if (sharer->stable->nr == 1) {
		lodge_index_remove(&sharer->layer->domain->index, page);
		lodge_page_set_owner(page, NULL);
		put_page(page);
	}
	sharer_free(sharer);
}

/**
 * lodge_ksm_rest - for how many passes an entry is left alone when its sharing is broken
 * @sharer: what it is; the shared page is locked
 */
u8 lodge_ksm_rest(const struct lodge_sharer *sharer)
{
	u16 age = passes(sharer->layer->domain) - sharer->pass;
	/* The look at which it was merged has halved it. */
	u8 last = lodge_ksm_longer(sharer->backoff);

	if (age >= LODGE_SOON)
		return LODGE_REST_BROKEN;
	return max_t(u8, lodge_ksm_longer(last), LODGE_REST_BROKEN);
}

/**
 * lodge_ksm_take_over - the last entry that shares a page has it for its own
 * @sharer: what the entry is; the page is locked, and held by the caller
 *
 * Not if somebody else holds it: that may be one who shared it, whose O_DIRECT or
 * pipe would find what is written from here on.
 *
 * Return: whether it has; the entry is a private page then.
 */
bool lodge_ksm_take_over(struct lodge_sharer *sharer)
{
	struct page *page = sharer->stable->page;
	struct lodge_layer *l = sharer->layer;
	u8 rest = lodge_ksm_rest(sharer);

	if (sharer->stable->nr != 1 || page_count(page) != 2)
		return false;
	lodge_index_remove(&l->domain->index, page);
	lodge_page_set_owner(page, l);
	lodge_page_set_offset(page, sharer->index, rest, rest);
	if (sharer->seen)
		lodge_page_set_seen(page);
	lodge_layer_replace(l, sharer->index, lodge_sharer_entry(sharer), page);
	sharer_free(sharer);
	lodge_ksm_broken(l);
	return true;
}

/** lodge_ksm_forget - a private page, locked, goes */
void lodge_ksm_forget(struct lodge_layer *l, struct page *page)
{
	lodge_index_remove(&l->domain->index, page);
}

/** lodge_ksm_broken - what was merged is written */
void lodge_ksm_broken(struct lodge_layer *l)
{
	atomic_long_inc(&l->broken);
	lodge_ksm_count(l->domain, LODGE_KSM_BROKEN, 1);
}
