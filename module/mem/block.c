// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Blocks
 *
 * Where there is nothing yet in 2M of an object, aligned, the first write gets all of
 * it: a block of 512 pages next to each other, which a nested table maps with one entry. From
 * then on these are pages like all others, each with its own reference, lock
 * and state (split_page()): one can be merged, cut off or reclaimed by itself.
 * Whoever does that takes it out of the views, and the entry of 2M goes; what
 * is left is mapped by 4K pages. Merging looks before it does (ksm/scan.c).
 *
 * Before a nested fault puts in an entry of 2M it locks all 512 pages, sees that they are what
 * they were, and that each is marked as written: who writes through
 * this entry doesn't ask. Without a lock that it would have to wait for it maps 4K.
 *
 * LODGE_BLOCK marks the first entry of a block that can still be mapped so: nothing of it
 * was taken out of views since it was made.
 *
 * A block is had only where it costs no search: at a cgroup's limit, or when
 * memory is in pieces, pages come one by one. What nobody has written in one is
 * charged and held as well; merging gives it back, being zero.
 */
#include <linux/moduleparam.h>

#include "ksm/ksm.h"

static bool huge = true;
module_param(huge, bool, 0644);
MODULE_PARM_DESC(huge, "lodge memory comes by 2M where that can be had (default: Y)");

#define GFP_BLOCK	((GFP_HIGHUSER | __GFP_ACCOUNT | __GFP_ZERO | __GFP_NORETRY | \
			  __GFP_NOWARN) & ~__GFP_RECLAIM)

/*
 * Nothing there, or read: @seen. What a guest has given up stays so if it uses what is
 * beside it. Under the entries' lock.
 */
static bool is_empty(struct lodge_layer *l, pgoff_t base, bool *seen)
{
	XA_STATE(xas, &l->entries, base);
	void *entry;

	*seen = false;
	xas_for_each(&xas, entry, base + LODGE_BLOCK_PAGES - 1) {
		if (entry != ENTRY_HOLE && entry != ENTRY_CUT)
			return false;
		*seen |= entry == ENTRY_HOLE;
	}
	return true;
}

/* Nothing shows from below; nothing comes there, either. */
static bool is_alone(struct lodge_layer *l, pgoff_t base)
{
	unsigned long index;

	while ((l = l->parent)) {
		index = base;
		if (xa_find(&l->entries, &index, base + LODGE_BLOCK_PAGES - 1, XA_PRESENT))
			return false;
	}
	return true;
}

static void put_block(struct page *page)
{
	int i;

	for (i = 0; i < LODGE_BLOCK_PAGES; i++) {
		lodge_page_set_owner(page + i, NULL);
		put_page(page + i);
	}
}

static struct page *new_block(struct lodge_layer *l, pgoff_t base)
{
	struct page *page = alloc_pages(GFP_BLOCK, LODGE_BLOCK_ORDER);
	int i;

	if (!page)
		return NULL;
	split_page(page, LODGE_BLOCK_ORDER);
	for (i = 0; i < LODGE_BLOCK_PAGES; i++) {
		lodge_index_new(page + i);
		SetPageUptodate(page + i);
		lodge_page_set_owner(page + i, l);
		lodge_page_set_offset(page + i, base + i, 0, 0);
		set_page_private(page + i, 0);
		SetPageDirty(page + i);
	}
	/* Whoever asked for it will fill it. */
	lodge_page_set_rest(page, 1, 1);
	return page;
}

/* Under the entries' lock; all that it takes is there. */
static void store_block(struct xa_state *xas, pgoff_t base, struct page *page)
{
	int i;

	xas_set(xas, base);
	for (i = 0; i < LODGE_BLOCK_PAGES; i++) {
		xas_next(xas);
		xas_store(xas, page + i);
		xas_set_mark(xas, LODGE_WRITTEN);
	}
	xas_set(xas, base);
	xas_load(xas);
	xas_set_mark(xas, LODGE_BLOCK);
}

/* The pages of a block become the object's where there is nothing. */
static bool put_in(struct lodge_layer *l, pgoff_t base, struct page *page)
{
	XA_STATE_ORDER(xas, &l->entries, base, LODGE_BLOCK_ORDER);
	bool ok, seen;

	do {
		xas_lock(&xas);
		ok = is_empty(l, base, &seen);
		if (ok)
			xas_create_range(&xas);
		if (ok && !xas_error(&xas)) {
			store_block(&xas, base, page);
			atomic_long_add(LODGE_BLOCK_PAGES,
					&l->pages[LODGE_PAGE_PRIVATE]);
		}
		xas_unlock(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL_ACCOUNT));
	return ok && !xas_error(&xas);
}

/**
 * lodge_block_fill - have a block where there is nothing
 * @o: the object
 * @index: a page in it, which will be written
 *
 * Context: may sleep; the caller has no page of the object locked; under @o's chain.
 * Return: whether there is one now.
 */
bool lodge_block_fill(struct lodge_object *o, pgoff_t index)
{
	pgoff_t base = lodge_block_base(index), end = base + LODGE_BLOCK_PAGES;
	struct lodge_layer *l = o->top;
	bool ok, seen;
	struct page *page;

	if (!READ_ONCE(huge) || end > i_size_read(&o->inode) >> PAGE_SHIFT)
		return false;
	xa_lock(&l->entries);
	ok = is_empty(l, base, &seen);
	xa_unlock(&l->entries);
	page = ok && is_alone(l, base) ? new_block(l, base) : NULL;
	if (!page)
		return false;
	/* From here on nobody is shown a hole. */
	lock_page(l->zero);
	xa_lock(&l->entries);
	ok = is_empty(l, base, &seen);
	xa_unlock(&l->entries);
	if (ok && seen)
		lodge_object_unview(o, base, LODGE_BLOCK_PAGES);
	ok = put_in(l, base, page);
	unlock_page(l->zero);
	if (!ok) {
		put_block(page);
		return false;
	}
	/* Cut off meanwhile; who cut may not have seen it. */
	end = DIV_ROUND_UP((u64)i_size_read(&o->inode), PAGE_SIZE);
	if (base + LODGE_BLOCK_PAGES > end)
		lodge_object_drop(o, max(base, end), base + LODGE_BLOCK_PAGES - 1);
	return true;
}

/**
 * lodge_block_may - whether a page may be mapped with the block that it is in
 * @o: the object
 * @index: which page
 * @page: the page, private and locked
 */
bool lodge_block_may(struct lodge_object *o, pgoff_t index, const struct page *page)
{
	return !((index ^ page_to_pfn(page)) & (LODGE_BLOCK_PAGES - 1)) &&
	       lodge_block_at(o->top, index);
}

static void unlock_some(struct page *page, int nr, const struct page *but)
{
	int i;

	for (i = 0; i < nr; i++)
		if (page + i != but)
			unlock_page(page + i);
}

/* Locks the pages of a block, of which @page is the first, but for @but; or none. */
static bool lock_block(struct lodge_layer *l, pgoff_t base, struct page *page,
		       const struct page *but)
{
	XA_STATE(xas, &l->entries, base);
	bool whole = true, busy = false;
	struct page *p;
	int nr = 0;

	xas_lock(&xas);
	xas_for_each(&xas, p, base + LODGE_BLOCK_PAGES - 1) {
		whole = p == page + nr && PageDirty(p) && !PageHWPoison(p);
		busy = whole && p != but && !trylock_page(p);
		if (!whole || busy)
			break;
		nr++;
	}
	if (nr < LODGE_BLOCK_PAGES && !busy)
		__xa_clear_mark(&l->entries, base, LODGE_BLOCK);
	xas_unlock(&xas);
	if (nr == LODGE_BLOCK_PAGES)
		return true;
	unlock_some(page, nr, but);
	return false;
}

/**
 * lodge_block_lock - lock the rest of a block
 * @page: a page for which lodge_block_may() was true
 *
 * Context: any but interrupts.
 * Return: whether it is one still; lodge_block_unlock() then.
 */
bool lodge_block_lock(struct page *page)
{
	struct lodge_layer *l = lodge_page_layer(page);
	pgoff_t index = lodge_page_offset(page), base = lodge_block_base(index);
	struct page *first = page - (index - base);
	int i;

	if (!lock_block(l, base, first, page))
		return false;
	for (i = 0; i < LODGE_BLOCK_PAGES; i++)
		lodge_page_set_seen(first + i);
	return true;
}

/** lodge_block_unlock - unlock what lodge_block_lock() locked */
void lodge_block_unlock(struct page *page)
{
	pgoff_t index = lodge_page_offset(page);

	unlock_some(page - (index - lodge_block_base(index)), LODGE_BLOCK_PAGES, page);
}

/** lodge_block_unview - pages that go out of all views aren't mapped by a block again */
void lodge_block_unview(struct lodge_layer *l, pgoff_t first, pgoff_t nr)
{
	XA_STATE(xas, &l->entries, lodge_block_base(first));
	void *entry;

	if (!xa_marked(&l->entries, LODGE_BLOCK))
		return;
	xas_lock(&xas);
	xas_for_each_marked(&xas, entry, first + nr - 1, LODGE_BLOCK)
		xas_clear_mark(&xas, LODGE_BLOCK);
	xas_unlock(&xas);
}
