// SPDX-License-Identifier: GPL-2.0-only
/*
 * Layers: what pages are, and how they become something else. An object (object.c)
 * has one on top, to which it writes, and sees those below it where that one has no entry.
 * These are seen by other objects as well, and are never written to. Merging, compression
 * and the swap file change the state of a layer's pages without asking who sees them.
 *
 * From a layer to the objects that see it leads the tree of layers: these are the tops
 * that are above it.
 */
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "ksm/ksm.h"
#include "mem/layer.h"
#include "mem/pool.h"
#include "mem/swap.h"

/**
 * lodge_layer_tree - the lock of the tree that a layer is in: that of the root
 * @l: the layer
 *
 * It changes once, when lodge_object_fork() puts a new object's only layer onto others.
 */
struct rw_semaphore *lodge_layer_tree(struct lodge_layer *l)
{
	struct lodge_layer *parent;

	while ((parent = READ_ONCE(l->parent)))
		l = parent;
	return &l->tree;
}

static struct rw_semaphore *tree_read(struct lodge_layer *l)
{
	struct rw_semaphore *tree;

	for (;;) {
		tree = lodge_layer_tree(l);
		down_read(tree);
		if (tree == lodge_layer_tree(l))
			return tree;
		up_read(tree);
	}
}

/* The next one of the layers above @root, itself first: those below come before. */
static struct lodge_layer *next_above(struct lodge_layer *root, struct lodge_layer *l)
{
	if (!list_empty(&l->children))
		return list_first_entry(&l->children, struct lodge_layer, sibling);
	for (; l != root; l = l->parent)
		if (!list_is_last(&l->sibling, &l->parent->children))
			return list_next_entry(l, sibling);
	return NULL;
}

/**
 * lodge_layer_unview - take pages out of all views
 * @l: the layer
 * @first: the first page; its entry is locked, so that it won't come back
 * @nr: how many
 *
 * Context: may sleep.
 */
void lodge_layer_unview(struct lodge_layer *l, pgoff_t first, pgoff_t nr)
{
	struct rw_semaphore *tree;
	struct lodge_layer *top;

	lodge_block_unview(l, first, nr);
	tree = tree_read(l);
	for (top = l; top; top = next_above(l, top))
		/* The tree of mappings is empty while one of them grows: it is for who locks it. */
		if (top->object)
			unmap_mapping_pages(top->object->inode.i_mapping, first, nr,
					    false);
	up_read(tree);
}

/**
 * lodge_layer_written - which pages guests have written, and begin anew
 * @l: the layer; nobody writes to one that isn't on top
 * @first: the first page
 * @nr: how many; of more than 64, bit 0 says it of all together
 *
 * A hint: it takes lodge_layer_flush() for them to be told reliably the next time.
 *
 * Context: may sleep.
 */
struct lodge_npt_dirty lodge_layer_written(struct lodge_layer *l, pgoff_t first,
					   unsigned int nr)
{
	struct rw_semaphore *tree = tree_read(l);
	struct lodge_npt_dirty dirty = { };

	if (l->object)
		dirty = lodge_views_written(l->object->inode.i_mapping, first, nr);
	up_read(tree);
	return dirty;
}

/**
 * lodge_layer_used - which pages guests have used, in any of the views, and begin anew
 * @l: the layer
 * @first: the first page
 * @nr: how many; of more than 64, bit 0 says it of all together
 *
 * A hint, as lodge_layer_written() gives.
 *
 * Context: may sleep.
 */
struct lodge_npt_dirty lodge_layer_used(struct lodge_layer *l, pgoff_t first, unsigned int nr)
{
	struct rw_semaphore *tree = tree_read(l);
	struct lodge_npt_dirty used = { };
	struct lodge_layer *top;

	for (top = l; top; top = next_above(l, top))
		if (top->object)
			lodge_views_used(top->object->inode.i_mapping, first, nr, &used);
	up_read(tree);
	used.still &= ~used.young;
	return used;
}

/** lodge_layer_flush - TLBs forget what lodge_layer_written() or _used() has taken away */
void lodge_layer_flush(struct lodge_layer *l)
{
	struct rw_semaphore *tree = tree_read(l);
	struct lodge_layer *top;

	for (top = l; top; top = next_above(l, top))
		if (top->object)
			lodge_views_flush(top->object->inode.i_mapping);
	up_read(tree);
}

/** lodge_layer_unlocked - nobody sees what an entry is, so that no lock is needed */
bool lodge_layer_unlocked(const void *entry)
{
	return !entry || entry == ENTRY_DISCARDED || entry == ENTRY_CUT ||
	       lodge_entry_away(entry);
}

/* The page that stands for an entry; NULL if nothing does. */
static struct page *entry_page(struct lodge_layer *l, void *entry)
{
	if (!entry)
		return NULL;
	switch (xa_pointer_tag(entry)) {
	case 0:
		return entry;
	case ENTRY_TAG:
		return lodge_sharer(entry)->stable->page;
	default:
		return lodge_layer_unlocked(entry) ? NULL : l->zero;
	}
}

/**
 * lodge_layer_hold - the page that stands for an entry, with a reference
 * @l: the layer
 * @index: which entry
 * @entry: set to the entry
 * @locked: whether the page could be locked at once; if not it has to be, and asked
 *	whether it lodge_layer_is_still(), before it is trusted
 *
 * Context: any but interrupts.
 * Return: the page; NULL if the entry is one that is lodge_layer_unlocked().
 */
struct page *lodge_layer_hold(struct lodge_layer *l, pgoff_t index, void **entry,
			      bool *locked)
{
	struct page *page;

	/* Who changes an entry lets its page go after that. */
	xa_lock(&l->entries);
	*entry = xa_load(&l->entries, index);
	page = entry_page(l, *entry);
	*locked = page && trylock_page(page);
	if (page)
		get_page(page);
	xa_unlock(&l->entries);
	return page;
}

/** lodge_layer_is_still - whether @page, locked now, is what lodge_layer_hold() said */
bool lodge_layer_is_still(struct lodge_layer *l, pgoff_t index, void *entry,
			  struct page *page)
{
	bool ret;

	/* A struct lodge_sharer can be another one, in the same place. */
	xa_lock(&l->entries);
	ret = xa_load(&l->entries, index) == entry && entry_page(l, entry) == page;
	xa_unlock(&l->entries);
	return ret;
}

/**
 * lodge_layer_lock - lock an entry's page
 * @l: the layer
 * @index: which entry
 * @wait: as long as it takes
 * @entry: set to the entry
 *
 * Return: the page, with a reference; NULL if that can't be had, or the entry has none.
 */
struct page *lodge_layer_lock(struct lodge_layer *l, pgoff_t index, bool wait,
			      void **entry)
{
	struct page *page;
	bool locked;

	while ((page = lodge_layer_hold(l, index, entry, &locked))) {
		if (locked)
			return page;
		if (!wait) {
			put_page(page);
			return NULL;
		}
		lock_page(page);
		if (lodge_layer_is_still(l, index, *entry, page))
			return page;
		lodge_object_put(page);
	}
	return NULL;
}

/** lodge_layer_count - there are @n more entries of @entry's state */
void lodge_layer_count(struct lodge_layer *l, void *entry, long n)
{
	unsigned int state = lodge_entry_state(entry);

	atomic_long_add(n, &l->pages[state]);
	if (state == LODGE_PAGE_ZERO)
		atomic_long_add(n, &l->domain->zeroes);
}

/**
 * lodge_layer_replace - put another state in an entry's place
 * @l: the layer
 * @index: which entry; locked
 * @old: what it is
 * @new: what it becomes; not NULL
 */
void lodge_layer_replace(struct lodge_layer *l, pgoff_t index, void *old, void *new)
{
	/* The place is there: nothing is allocated. */
	void *was = xa_store(&l->entries, index, new, 0);

	WARN_ON_ONCE(was != old);
	lodge_layer_count(l, old, -1);
	lodge_layer_count(l, new, 1);
}

/**
 * lodge_layer_clean - merging has nothing to do with a page until it is written
 * @l: the layer
 * @index: which entry
 * @page: its page; locked, in no view
 */
void lodge_layer_clean(struct lodge_layer *l, pgoff_t index, struct page *page)
{
	ClearPageDirty(page);
	xa_clear_mark(&l->entries, index, LODGE_WRITTEN);
}

/**
 * lodge_layer_leave - a private page becomes something else
 * @l: the layer
 * @index: which entry
 * @page: what it is: locked, in no view, held by the entry and the caller only
 * @entry: what it becomes: a value
 */
void lodge_layer_leave(struct lodge_layer *l, pgoff_t index, struct page *page,
			void *entry)
{
	lodge_ksm_forget(l, page);
	/* First: another page may be there, and written, as soon as the entry is seen. */
	lodge_layer_clean(l, index, page);
	lodge_layer_replace(l, index, page, entry);
	if (lodge_entry_state(entry) == LODGE_PAGE_COMPRESSED)
		xa_set_mark(&l->entries, index, LODGE_PACKED);
	lodge_page_set_owner(page, NULL);
	put_page(page);
}

/** lodge_layer_write - a page, locked, is written from here on */
void lodge_layer_write(struct lodge_layer *l, pgoff_t index, struct page *page)
{
	lodge_page_set_peeked(page, false);
	if (PageDirty(page))
		return;
	SetPageDirty(page);
	xa_set_mark(&l->entries, index, LODGE_WRITTEN);
	lodge_page_set_still(page, false);
}

/* A page that nobody sees yet becomes the object's; locked from here on. */
static void adopt(struct lodge_layer *l, pgoff_t index, struct page *page, u8 rest)
{
	lodge_index_new(page);
	/* Or a pipe that has it, from splice(), finds it has no data. */
	SetPageUptodate(page);
	lodge_page_set_owner(page, l);
	lodge_page_set_offset(page, index, rest, rest);
	lock_page(page);
	get_page(page);
}

/** lodge_layer_seen - whether an entry's page was given to anybody since it was in no view */
bool lodge_layer_seen(void *entry, struct page *page)
{
	switch (lodge_entry_state(entry)) {
	case LODGE_PAGE_PRIVATE:
		return lodge_page_seen(page);
	case LODGE_PAGE_SHARED:
		return lodge_sharer(entry)->seen;
	default:
		return entry != ENTRY_ZERO;
	}
}

/** lodge_layer_see - an entry's page, locked, is given to somebody now */
void lodge_layer_see(struct lodge_layer *l, pgoff_t index, void *entry,
		     struct page *page)
{
	switch (lodge_entry_state(entry)) {
	case LODGE_PAGE_PRIVATE:
		lodge_page_set_seen(page);
		break;
	case LODGE_PAGE_SHARED:
		lodge_sharer(entry)->seen = true;
		break;
	default:
		if (entry == ENTRY_ZERO)
			xa_store(&l->entries, index, ENTRY_ZERO_SEEN, 0);
	}
}

static void disown(struct page *page)
{
	lodge_page_set_owner(page, NULL);
	unlock_page(page);
	put_page(page);
}

/**
 * lodge_layer_take - a page of nobody's takes an entry's place
 * @l: the layer
 * @index: which entry
 * @entry: what it is; locked, or lodge_layer_unlocked()
 * @page: the page; with success it has a reference for the caller, and is locked
 * @rest: how many passes merging leaves it alone
 *
 * Return: 0; -EAGAIN if the entry has become another; -ENOMEM.
 */
int lodge_layer_take(struct lodge_layer *l, pgoff_t index, void *entry,
		     struct page *page, u8 rest)
{
	void *was;

	adopt(l, index, page, rest);
	was = xa_cmpxchg(&l->entries, index, entry, page, GFP_KERNEL_ACCOUNT);
	if (was != entry) {
		disown(page);
		return xa_is_err(was) ? xa_err(was) : -EAGAIN;
	}
	if (lodge_entry_away(entry))
		xa_clear_mark(&l->entries, index, LODGE_PACKED);
	lodge_layer_count(l, entry, -1);
	lodge_layer_count(l, page, 1);
	set_page_private(page, 0);
	lodge_layer_write(l, index, page);
	return 0;
}

/* A swapped page beside one that is read: a page that has taken its place, or NULL. */
static struct page *neighbour(struct lodge_layer *l, pgoff_t index, unsigned long slot)
{
	void *entry = lodge_entry_swapped(slot);
	struct page *page;

	if (xa_load(&l->entries, index) != entry)
		return NULL;
	/* It isn't worth waiting for. */
	page = alloc_page((LODGE_GFP_PAGE & ~__GFP_RECLAIM) | __GFP_NOWARN);
	if (!page || !lodge_layer_take(l, index, entry, page, 0))
		return page;
	put_page(page);
	return NULL;
}

/*
 * @page, which is the entry now, and those beside it that were written next to it:
 * of the same LODGE_SWAP_AROUND pages of the object.
 */
static int swap_in(struct lodge_layer *l, pgoff_t index, unsigned long slot,
		   struct page *page)
{
	struct page *pages[LODGE_SWAP_AROUND], *beside;
	unsigned int at = index % LODGE_SWAP_AROUND, first = at, end = at + 1, i;
	pgoff_t base = index - at;
	int ret;

	pages[at] = page;
	while (first && slot >= at - first + 1 &&
	       (beside = neighbour(l, base + first - 1, slot - (at - first + 1))))
		pages[--first] = beside;
	while (end < LODGE_SWAP_AROUND &&
	       (beside = neighbour(l, base + end, slot + (end - at))))
		pages[end++] = beside;
	slot -= at - first;
	ret = lodge_swap_read(&pages[first], end - first, slot);
	for (i = first; i < end; i++, slot++) {
		if (ret)
			lodge_layer_leave(l, base + i, pages[i],
					  lodge_entry_swapped(slot));
		else
			lodge_swap_free(slot);
		if (i != at)
			lodge_object_put(pages[i]);
	}
	if (!ret)
		atomic_long_add(end - first, &l->swapped_in);
	return ret;
}

/**
 * lodge_layer_come_back - get what is compressed or swapped
 * @l: the layer
 * @index: which entry
 * @entry: what it was
 * @page: what has taken its place; with an error it is unlocked, and has left it
 *
 * Return: 0, -ENOMEM, or -EIO.
 */
int lodge_layer_come_back(struct lodge_layer *l, pgoff_t index, void *entry,
			  struct page *page)
{
	int ret;

	if (lodge_entry_state(entry) == LODGE_PAGE_SWAPPED) {
		ret = swap_in(l, index, ENTRY_WORD(entry), page);
	} else {
		ret = lodge_pool_unpack(l, entry, page);
		if (ret)
			lodge_layer_leave(l, index, page, ENTRY_LOST);
		else
			atomic_long_inc(&l->decompressed);
	}
	if (ret)
		unlock_page(page);
	return ret;
}

/* What is in some pages goes; if they are more than one, they are all private. */
static void drop_locked(struct lodge_layer *l, pgoff_t first, unsigned int nr, void **entry,
			struct page **page, void *to)
{
	unsigned int state = lodge_entry_state(entry[0]), i;
	XA_STATE(xas, &l->entries, first);

	/* The places are there: nothing is allocated. */
	xas_lock(&xas);
	for (i = 0; i < nr; i++) {
		/* A node goes with its last entry. */
		if (!i || !to) {
			xas_set(&xas, first + i);
			xas_load(&xas);
		} else {
			xas_next(&xas);
		}
		xas_init_marks(&xas);
		xas_store(&xas, to);
	}
	xas_unlock(&xas);
	lodge_layer_count(l, entry[0], -(long)nr);
	lodge_layer_count(l, to, nr);
	if (state == LODGE_PAGE_SHARED)
		lodge_ksm_unshare(lodge_sharer(entry[0]));
	if (state != LODGE_PAGE_PRIVATE)
		return;
	for (i = 0; i < nr; i++) {
		lodge_ksm_forget(l, page[i]);
		lodge_page_set_owner(page[i], NULL);
		put_page(page[i]);
	}
}

/**
 * lodge_layer_drop_locked - what is in a page goes
 * @l: the layer
 * @index: which entry
 * @entry: what it is
 * @page: by which it is locked, and which is in no view
 * @to: what it becomes: nothing, ENTRY_CUT or ENTRY_DISCARDED
 */
void lodge_layer_drop_locked(struct lodge_layer *l, pgoff_t index, void *entry,
			     struct page *page, void *to)
{
	drop_locked(l, index, 1, &entry, &page, to);
}

/* What is compressed or swapped goes, unless it has come back meanwhile. */
static void drop_away(struct lodge_layer *l, pgoff_t index, void *entry, void *to)
{
	if (xa_cmpxchg(&l->entries, index, entry, to, 0) != entry)
		return;
	xa_clear_mark(&l->entries, index, LODGE_PACKED);
	lodge_layer_count(l, entry, -1);
	lodge_layer_count(l, to, 1);
	if (lodge_entry_state(entry) == LODGE_PAGE_SWAPPED)
		lodge_swap_free(ENTRY_WORD(entry));
	else
		lodge_pool_free(l, entry);
}

/**
 * lodge_layer_spilled - what was compressed is swapped now
 * @l: the layer
 * @index: which entry
 * @entry: what it was, if nobody has had it back
 * @slot: where it is; freed if not
 *
 * Context: under the pool's mutex, so that it isn't compressed once more.
 * Return: whether it was.
 */
bool lodge_layer_spilled(struct lodge_layer *l, pgoff_t index, void *entry,
			 unsigned long slot)
{
	void *new = lodge_entry_swapped(slot);

	if (xa_cmpxchg(&l->entries, index, entry, new, 0) != entry) {
		lodge_swap_free(slot);
		return false;
	}
	xa_clear_mark(&l->entries, index, LODGE_PACKED);
	lodge_layer_count(l, entry, -1);
	lodge_layer_count(l, new, 1);
	lodge_pool_free(l, entry);
	return true;
}

/* Entries that are dropped at a time. */
#define RUN	32

/*
 * As lodge_layer_lock(), without waiting, of entries from @first on, as far as they are private
 * (others may have one page, and so one lock) and, if @still, that. How many.
 */
static int lock_private(struct lodge_layer *l, pgoff_t first, pgoff_t last, bool still,
			struct page **page, void **entry)
{
	XA_STATE(xas, &l->entries, first);
	int nr = 0;

	xas_lock(&xas);
	for (entry[0] = xas_load(&xas);
	     lodge_entry_state(entry[nr]) == LODGE_PAGE_PRIVATE;
	     entry[nr] = xas_next(&xas)) {
		page[nr] = entry[nr];
		if (!trylock_page(page[nr]))
			break;
		/* It is written under this lock. */
		if (still && !lodge_page_still(page[nr])) {
			unlock_page(page[nr]);
			break;
		}
		get_page(page[nr]);
		if (first + nr++ == last)
			break;
	}
	xas_unlock(&xas);
	return nr;
}

/**
 * lodge_layer_drop_run - drop some entries
 * @l: the layer
 * @first: the first; what follows goes as well as far as it is private and can be locked
 *	without waiting: one lock is enough to wait for
 * @last: the last
 * @to: what they become
 * @still: only private pages that are
 *
 * Context: may sleep; the caller has no page of the layer locked.
 * Return: where to go on.
 */
pgoff_t lodge_layer_drop_run(struct lodge_layer *l, pgoff_t first, pgoff_t last,
			     void *to, bool still)
{
	struct page *page[RUN];
	void *entry[RUN];
	bool seen = false;
	int nr, i;

	last = min(last, first + RUN - 1);
	nr = lock_private(l, first, last, still, page, entry);
	if (!nr) {
		page[0] = lodge_layer_lock(l, first, true, &entry[0]);
		nr = !!page[0];
		if (nr && still && (lodge_entry_state(entry[0]) != LODGE_PAGE_PRIVATE ||
				    !lodge_page_still(page[0]))) {
			lodge_object_put(page[0]);
			return first + 1;
		}
	}
	if (!nr) {
		if (still || !lodge_entry_away(entry[0]))
			return first + 1;
		drop_away(l, first, entry[0], to);
		/* It is there still if it wasn't that any more. */
		return first;
	}
	for (i = 0; i < nr; i++)
		seen |= lodge_layer_seen(entry[i], page[i]);
	if (seen)
		lodge_layer_unview(l, first, nr);
	drop_locked(l, first, nr, entry, page, to);
	for (i = 0; i < nr; i++)
		unlock_page(page[i]);
	/* Freed together, and uncharged by one call. */
	release_pages(page, nr);
	return first + nr;
}

/* How many entries that are nothing, or discarded, become @to under one lock. */
#define EMPTY_RUN	512

/**
 * lodge_layer_drop_empty - entries that nobody sees become something else like it
 * @l: the layer
 * @first: the first; those that follow as well, as far as there are no others
 * @last: the last
 * @to: what they become. Where there is no entry, nothing shows from below
 *
 * Context: may sleep.
 * Return: where to go on. Without memory for saying so it stays nothing.
 */
pgoff_t lodge_layer_drop_empty(struct lodge_layer *l, pgoff_t first, pgoff_t last,
			       void *to)
{
	const gfp_t gfp = to == ENTRY_CUT ? GFP_KERNEL_ACCOUNT : LODGE_GFP_NOTE;
	XA_STATE(xas, &l->entries, first);
	void *entry;
	long nr;

	last = min(last, first + EMPTY_RUN - 1);
	do {
		nr = 0;
		xas_lock(&xas);
		for (; first <= last; xas_set(&xas, ++first)) {
			entry = xas_load(&xas);
			if (entry == to || (!entry && to == ENTRY_CUT))
				continue;
			if (entry && (!lodge_layer_unlocked(entry) ||
				      lodge_entry_away(entry)))
				break;
			xas_store(&xas, to);
			if (xas_error(&xas))
				break;
			nr += (to == ENTRY_DISCARDED) - (entry == ENTRY_DISCARDED);
		}
		/* Before anybody leaves that state. */
		atomic_long_add(nr, &l->pages[LODGE_PAGE_DISCARDED]);
		xas_unlock(&xas);
	} while (xas_nomem(&xas, gfp));
	return xas_error(&xas) ? first + 1 : first;
}

/**
 * lodge_layer_drop - pages go
 * @l: the layer
 * @first: the first one
 * @last: the last one
 * @to: what they become; ENTRY_CUT if what is below shall not be seen instead
 *
 * Context: may sleep; the caller has no page of the layer locked.
 */
void lodge_layer_drop(struct lodge_layer *l, pgoff_t first, pgoff_t last, void *to)
{
	unsigned long index = first, next;

	while (index <= last && xa_find(&l->entries, &index, last, XA_PRESENT)) {
		next = lodge_layer_drop_empty(l, index, last, to);
		if (next == index)
			next = lodge_layer_drop_run(l, index, last, to, false);
		cond_resched();
		if (next < index)
			break;
		index = next;
	}
}

/**
 * lodge_layer_new - a layer without pages, of the current task's memory cgroup
 * @uid: whose
 * @domain: the name of its domain among that user's
 *
 * Return: the layer; NULL without memory.
 */
struct lodge_layer *lodge_layer_new(kuid_t uid, const char *domain)
{
	struct lodge_layer *l = kzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
	static atomic64_t last_id;

	if (!l)
		return NULL;
	xa_init_flags(&l->entries, XA_FLAGS_ACCOUNT);
	l->hand_block = LODGE_NO_BLOCK;
	INIT_LIST_HEAD(&l->domain_list);
	INIT_LIST_HEAD(&l->children);
	INIT_LIST_HEAD(&l->sibling);
	init_rwsem(&l->tree);
	refcount_set(&l->users, 1);
	l->id = atomic64_inc_return(&last_id);
	l->zero = alloc_page(LODGE_GFP_PAGE | __GFP_ZERO);
	if (!l->zero)
		goto err_layer;
	lodge_index_new(l->zero);
	SetPageUptodate(l->zero);
	lodge_page_set_owner(l->zero, NULL);
	l->domain = lodge_domain_get(uid, domain);
	if (!l->domain)
		goto err_zero;
	l->memcg = get_mem_cgroup_from_mm(current->mm);
	if (!lodge_pool_join(l))
		return l;
	mem_cgroup_put(l->memcg);
	lodge_domain_put(l->domain);
err_zero:
	put_page(l->zero);
err_layer:
	kfree(l);
	return NULL;
}

static void layer_free(struct lodge_layer *l)
{
	int i;

	lodge_domain_remove(l);
	lodge_pool_hide(l);
	lodge_layer_drop(l, 0, ULONG_MAX, NULL);
	xa_destroy(&l->entries);
	for (i = LODGE_PAGE_PRIVATE; i < LODGE_PAGE_STATES; i++)
		WARN_ON_ONCE(atomic_long_read(&l->pages[i]));
	WARN_ON_ONCE(atomic_long_read(&l->packed));
	lodge_pool_leave(l);
	put_page(l->zero);
	lodge_domain_put(l->domain);
	mem_cgroup_put(l->memcg);
	kfree_rcu(l, rcu);
}

/**
 * lodge_layer_put - one user less; with the last one it goes, and with it what is only below it
 * @l: the layer
 *
 * Context: may sleep.
 */
void lodge_layer_put(struct lodge_layer *l)
{
	struct rw_semaphore *tree;
	struct lodge_layer *parent;

	for (; l && refcount_dec_and_test(&l->users); l = parent) {
		tree = lodge_layer_tree(l);
		down_write(tree);
		parent = l->parent;
		list_del_init(&l->sibling);
		up_write(tree);
		layer_free(l);
	}
}
