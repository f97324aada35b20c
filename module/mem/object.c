// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Lodge memory
 *
 * An object is guest memory that the hypervisor owns: the pages of a regular
 * file of a file system of its own (lodgefs.c), which programs map, read, write,
 * cut and punch as they would a file in tmpfs (file.c). Each page has an entry
 * in the object's index. The entry says the page's state: absent, private,
 * shared with others of equal contents (ksm/), zero, compressed (pool.c), swapped (swap.c),
 * discarded: given up by the guest, and nothing since. Other
 * rooms change states; this file has the one move by which they do.
 *
 * The move. Lock the entry; take the page out of all views; see that nobody
 * else holds it; change the entry; unlock. The next access of anybody finds the
 * new state. So nobody ever looks for the page-table entries of a page.
 *
 * Lock. An entry with a page is locked by that page's lock, one without by
 * the lock of the object's zero page, which is seen in its place; then the
 * entry is looked at again. Only nothing at all, and what is discarded, compressed or swapped,
 * needs no lock: nobody sees it, and it is left by compare-and-exchange. A page that has just
 * become the entry's is locked until its contents are there. A fault gives the page to the kernel
 * locked, and the kernel unlocks it when it is mapped: so who has the lock
 * knows that nobody is about to map it.
 *
 * Views. The launcher's page tables and those of whoever else maps the file
 * are views, and nested tables are, which by the MMU notifier hear of what is
 * taken out of a mapping, even if it isn't there (view.c). So
 * unmap_mapping_pages() takes a page out of all. What guests, launchers and
 * devices wrote is in the page's dirty bit then.
 *
 * That is dear, so each entry remembers whether its page was given to anybody since it
 * was taken out: the private page, the struct lodge_sharer, ENTRY_ZERO_SEEN, ENTRY_HOLE.
 *
 * Writing. The kernel maps a page of a shared mapping for reading until it is
 * written, and asks then (page_mkwrite). What is shared, or zero, has become a
 * private page when it answers. At that time the page's dirty bit is set and its
 * entry is marked as written. Merging takes both away when the page is in
 * no view and nobody else holds a reference: as long as the dirty bit is
 * clear nobody can write to the page without asking.
 *
 * Pages are the kernel's ordinary ones, but on no list of its reclaim and in
 * no page cache, so that a page can stand in several objects. They can be
 * pinned, and are freed when the last reference goes. They are charged to the
 * control group of the task that touched them first.
 */
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>

#include "ksm/ksm.h"
#include "mem/pool.h"
#include "mem/swap.h"

#define GFP_OBJECT	(GFP_HIGHUSER | __GFP_ACCOUNT)
/* In page_private() of a page that is nobody's yet: what is in it. */
#define SPARE_DIRTY	0
#define SPARE_ZERO	1
/* A page is mapped no more often than this; what maps the zero page counts. */
#define MAPPED_MAX	(INT_MAX / 2)

/**
 * lodge_object_unview - take pages out of all views
 * @o: the object
 * @first: the first page; its entry is locked, so that it won't come back
 * @nr: how many
 *
 * Context: may sleep.
 */
void lodge_object_unview(struct lodge_object *o, pgoff_t first, pgoff_t nr)
{
	lodge_block_unview(o, first, nr);
	/* A mapping that comes now has to ask for the pages. */
	if (mapping_mapped(o->inode.i_mapping))
		unmap_mapping_pages(o->inode.i_mapping, first, nr, false);
}

/* Nobody sees it, so no lock is needed. */
static bool unlocked(const void *entry)
{
	return !entry || entry == ENTRY_DISCARDED || lodge_entry_away(entry);
}

/* The page that stands for an entry; NULL if nothing does. */
static struct page *entry_page(struct lodge_object *o, void *entry)
{
	if (!entry)
		return NULL;
	switch (xa_pointer_tag(entry)) {
	case 0:
		return entry;
	case ENTRY_TAG:
		return lodge_sharer(entry)->stable->page;
	default:
		return unlocked(entry) ? NULL : o->zero;
	}
}

/*
 * The page that stands for an entry, with a reference; NULL if the entry is nothing,
 * discarded, compressed or swapped. If it couldn't be @locked at once, it has to be, and asked
 * whether it is_still(), before it is trusted.
 */
static struct page *hold(struct lodge_object *o, pgoff_t index, void **entry,
			 bool *locked)
{
	struct page *page;

	/* Who changes an entry lets its page go after that. */
	xa_lock(&o->entries);
	*entry = xa_load(&o->entries, index);
	page = entry_page(o, *entry);
	*locked = page && trylock_page(page);
	if (page)
		get_page(page);
	xa_unlock(&o->entries);
	return page;
}

/* Whether @page, locked now, still is what hold() said. */
static bool is_still(struct lodge_object *o, pgoff_t index, void *entry,
		     struct page *page)
{
	bool ret;

	/* A struct lodge_sharer can be another one, in the same place. */
	xa_lock(&o->entries);
	ret = xa_load(&o->entries, index) == entry && entry_page(o, entry) == page;
	xa_unlock(&o->entries);
	return ret;
}

static void count(struct lodge_object *o, void *entry, long n)
{
	unsigned int state = lodge_entry_state(entry);

	atomic_long_add(n, &o->pages[state]);
	if (state == LODGE_PAGE_ZERO)
		atomic_long_add(n, &o->domain->zeroes);
}

/**
 * lodge_object_replace - put another state in an entry's place
 * @o: the object
 * @index: which entry; locked
 * @old: what it is
 * @new: what it becomes; not NULL
 */
void lodge_object_replace(struct lodge_object *o, pgoff_t index, void *old, void *new)
{
	/* The place is there: nothing is allocated. */
	void *was = xa_store(&o->entries, index, new, 0);

	WARN_ON_ONCE(was != old);
	count(o, old, -1);
	count(o, new, 1);
}

/**
 * lodge_object_clean - merging has nothing to do with a page until it is written
 * @o: the object
 * @index: which entry
 * @page: its page; locked, in no view
 */
void lodge_object_clean(struct lodge_object *o, pgoff_t index, struct page *page)
{
	ClearPageDirty(page);
	xa_clear_mark(&o->entries, index, LODGE_WRITTEN);
}

/**
 * lodge_object_leave - a private page becomes something else
 * @o: the object
 * @index: which entry
 * @page: what it is: locked, in no view, held by the entry and the caller only
 * @entry: what it becomes: a value
 */
void lodge_object_leave(struct lodge_object *o, pgoff_t index, struct page *page,
			void *entry)
{
	lodge_ksm_forget(o, page);
	lodge_object_replace(o, index, page, entry);
	lodge_object_clean(o, index, page);
	if (lodge_entry_state(entry) == LODGE_PAGE_COMPRESSED)
		xa_set_mark(&o->entries, index, LODGE_PACKED);
	lodge_page_set_owner(page, NULL);
	put_page(page);
}

/* Page @page, locked, is written from here on. */
static void written(struct lodge_object *o, pgoff_t index, struct page *page)
{
	if (PageDirty(page))
		return;
	SetPageDirty(page);
	xa_set_mark(&o->entries, index, LODGE_WRITTEN);
	lodge_page_set_still(page, false);
}

/* A page that nobody sees yet becomes the object's; locked from here on. */
static void adopt(struct lodge_object *o, pgoff_t index, struct page *page,
		  bool broken)
{
	/* What was just shared would only be shared again, and broken again. */
	u8 rest = broken ? LODGE_REST_BROKEN : 0;

	lodge_index_new(page);
	lodge_page_set_owner(page, o);
	lodge_page_set_offset(page, index, rest, rest);
	lock_page(page);
	get_page(page);
}

/* Whether the entry's page was given to anybody since it was in no view. */
static bool entry_seen(void *entry, struct page *page)
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

/* It is given to somebody now; it is locked. */
static void see(struct lodge_object *o, pgoff_t index, void *entry, struct page *page)
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
			xa_store(&o->entries, index, ENTRY_ZERO_SEEN, 0);
	}
}

static void disown(struct page *page)
{
	lodge_page_set_owner(page, NULL);
	unlock_page(page);
	put_page(page);
}

/* The entry becomes @page, which is the caller's and locked then. */
static int take_place(struct lodge_object *o, pgoff_t index, void *entry,
		      struct page *page, bool broken)
{
	void *was;

	adopt(o, index, page, broken);
	was = xa_cmpxchg(&o->entries, index, entry, page, GFP_KERNEL_ACCOUNT);
	if (was != entry) {
		disown(page);
		return xa_is_err(was) ? xa_err(was) : -EAGAIN;
	}
	if (lodge_entry_away(entry))
		xa_clear_mark(&o->entries, index, LODGE_PACKED);
	count(o, entry, -1);
	count(o, page, 1);
	set_page_private(page, 0);
	written(o, index, page);
	return 0;
}

/* A swapped page beside one that is read: a page that has taken its place, or NULL. */
static struct page *neighbour(struct lodge_object *o, pgoff_t index, unsigned long slot)
{
	void *entry = lodge_entry_swapped(slot);
	struct page *page;

	if (xa_load(&o->entries, index) != entry)
		return NULL;
	/* It isn't worth waiting for. */
	page = alloc_page((GFP_OBJECT & ~__GFP_RECLAIM) | __GFP_NOWARN);
	if (!page || !take_place(o, index, entry, page, false))
		return page;
	put_page(page);
	return NULL;
}

/*
 * @page, which is the entry now, and those beside it that were written next to it:
 * of the same LODGE_SWAP_AROUND pages of the object.
 */
static int swap_in(struct lodge_object *o, pgoff_t index, unsigned long slot,
		   struct page *page)
{
	struct page *pages[LODGE_SWAP_AROUND], *beside;
	unsigned int at = index % LODGE_SWAP_AROUND, first = at, end = at + 1, i;
	pgoff_t base = index - at;
	int ret;

	pages[at] = page;
	while (first && slot >= at - first + 1 &&
	       (beside = neighbour(o, base + first - 1, slot - (at - first + 1))))
		pages[--first] = beside;
	while (end < LODGE_SWAP_AROUND &&
	       (beside = neighbour(o, base + end, slot + (end - at))))
		pages[end++] = beside;
	slot -= at - first;
	ret = lodge_swap_read(&pages[first], end - first, slot);
	for (i = first; i < end; i++, slot++) {
		if (ret)
			lodge_object_leave(o, base + i, pages[i],
					   lodge_entry_swapped(slot));
		else
			lodge_swap_free(slot);
		if (i != at)
			lodge_object_put(pages[i]);
	}
	if (!ret)
		atomic_long_add(end - first, &o->swapped_in);
	return ret;
}

/* What was @entry is in @page, which is the entry now, locked; if not it is unlocked. */
static int come_back(struct lodge_object *o, pgoff_t index, void *entry,
		     struct page *page)
{
	int ret;

	if (lodge_entry_state(entry) == LODGE_PAGE_SWAPPED) {
		ret = swap_in(o, index, ENTRY_WORD(entry), page);
	} else {
		ret = lodge_pool_unpack(o, entry, page);
		if (ret)
			lodge_object_leave(o, index, page, ENTRY_LOST);
		else
			atomic_long_inc(&o->decompressed);
	}
	if (ret)
		unlock_page(page);
	return ret;
}

/* With no reference but its owner's and ours it is in no page table of a process. */
static void unview_one(struct lodge_object *o, pgoff_t index, struct page *page)
{
	if (page_count(page) == 2)
		lodge_views_zap(o->inode.i_mapping, index);
	else
		lodge_object_unview(o, index, 1);
}

/*
 * The entry, locked by @page unless that is NULL, gets @spare as a page of its
 * own. -EAGAIN: the entry has become another.
 */
static int own(struct lodge_object *o, pgoff_t index, void *entry,
	       struct page *page, struct page *spare)
{
	unsigned int state = lodge_entry_state(entry);
	bool shared = state == LODGE_PAGE_SHARED;
	int ret;

	if (shared)
		copy_highpage(spare, page);
	else if (!lodge_entry_away(entry) && page_private(spare) != SPARE_ZERO)
		clear_highpage(spare);
	/* As it is if it isn't taken. */
	set_page_private(spare, shared || lodge_entry_away(entry) ? SPARE_DIRTY :
								    SPARE_ZERO);
	ret = take_place(o, index, entry, spare, shared || state == LODGE_PAGE_ZERO);
	if (ret)
		return ret;
	if (lodge_entry_away(entry))
		ret = come_back(o, index, entry, spare);
	/* What others saw until now; the new page is locked. */
	else if (page && entry_seen(entry, page))
		unview_one(o, index, page);
	if (shared || state == LODGE_PAGE_ZERO)
		lodge_ksm_broken(o);
	if (shared)
		lodge_ksm_unshare(lodge_sharer(entry));
	return ret;
}

/* The entry becomes @to, nothing or discarded; it is locked by @page, which is in no view. */
static void drop_locked(struct lodge_object *o, pgoff_t index, void *entry,
			struct page *page, void *to)
{
	unsigned int state = lodge_entry_state(entry);
	XA_STATE(xas, &o->entries, index);

	/* The place is there: nothing is allocated. */
	xas_lock(&xas);
	xas_load(&xas);
	xas_init_marks(&xas);
	xas_store(&xas, to);
	xas_unlock(&xas);
	count(o, entry, -1);
	count(o, to, 1);
	if (state == LODGE_PAGE_SHARED) {
		lodge_ksm_unshare(lodge_sharer(entry));
	} else if (state == LODGE_PAGE_PRIVATE) {
		lodge_ksm_forget(o, page);
		lodge_page_set_owner(page, NULL);
		put_page(page);
	}
}

static bool beyond(struct lodge_object *o, pgoff_t index)
{
	return index >= DIV_ROUND_UP((u64)i_size_read(&o->inode), PAGE_SIZE);
}

/* Whether the entry, locked by @page, will do as it is. */
static bool will_do(struct lodge_object *o, pgoff_t index, void *entry,
		    struct page *page, bool write)
{
	unsigned int state = lodge_entry_state(entry);

	if (!write && page == o->zero && page_ref_count(page) > MAPPED_MAX)
		return false;
	if (!write) {
		see(o, index, entry, page);
		return true;
	}
	/* The last one that shares a page may keep it. */
	if (state != LODGE_PAGE_PRIVATE &&
	    !(state == LODGE_PAGE_SHARED &&
	      lodge_ksm_take_over(lodge_sharer(entry))))
		return false;
	lodge_page_set_seen(page);
	written(o, index, page);
	return true;
}

/* How often an allocation that fails has others' pages reclaimed for it. */
#define RECLAIM_TRIES	8

/* A page to be given to an entry; what will be copied over needn't be cleared. */
static struct page *spare_alloc(void *entry, gfp_t gfp)
{
	bool copied = lodge_entry_state(entry) == LODGE_PAGE_SHARED ||
		      lodge_entry_away(entry);
	struct page *spare = alloc_page(gfp | (copied ? 0 : __GFP_ZERO));

	if (spare)
		set_page_private(spare, copied ? SPARE_DIRTY : SPARE_ZERO);
	return spare;
}

static struct page *spare_new(struct lodge_object *o, void *entry)
{
	struct page *spare;
	int tries = 0;

	/* At a limit pages that aren't used go before anything fails. */
	do
		spare = spare_alloc(entry, GFP_OBJECT | __GFP_NORETRY | __GFP_NOWARN);
	while (!spare && ++tries < RECLAIM_TRIES && lodge_reclaim_for(o));
	return spare ?: spare_alloc(entry, GFP_OBJECT);
}

/* Nobody has seen that there is nothing. From here on somebody may have. */
static int see_hole(struct lodge_object *o, pgoff_t index, void *entry)
{
	void *was = xa_cmpxchg(&o->entries, index, entry, ENTRY_HOLE, GFP_KERNEL_ACCOUNT);

	if (was == entry)
		count(o, entry, -1);
	return xa_is_err(was) ? xa_err(was) : -EAGAIN;
}

/* One try: -EAGAIN if the entry has changed, -ENODATA without a @spare. */
static int try_get(struct lodge_object *o, pgoff_t index, bool write,
		   struct page **spare, struct page **pagep)
{
	struct page *page;
	bool locked;
	void *entry;
	int ret = 0;

	page = hold(o, index, &entry, &locked);
	if (entry == ENTRY_LOST)
		return -EIO;
	if ((!entry || entry == ENTRY_DISCARDED) && !write)
		return see_hole(o, index, entry);
	if (page) {
		if (!locked)
			lock_page(page);
		if (!locked && !is_still(o, index, entry, page)) {
			ret = -EAGAIN;
		} else if (will_do(o, index, entry, page, write)) {
			*pagep = page;
			return 0;
		}
	}
	/* Most often there is memory at once; where nothing is it may be had by blocks. */
	if (!ret && !*spare && (lodge_entry_state(entry) == LODGE_PAGE_SHARED ||
				lodge_entry_away(entry)))
		*spare = spare_alloc(entry, (GFP_OBJECT & ~__GFP_DIRECT_RECLAIM) |
					    __GFP_NOWARN);
	if (!ret && !*spare)
		ret = -ENODATA;
	if (!ret)
		ret = own(o, index, entry, page, *spare);
	if (!ret) {
		lodge_page_set_seen(*spare);
		*pagep = *spare;
		*spare = NULL;
	}
	if (page)
		lodge_object_put(page);
	return ret;
}

/**
 * lodge_object_get - the page of an object, for an access
 * @o: the object
 * @index: which page
 * @write: it will be written: a private page is wanted
 * @pagep: set to the page, which is locked, so that it stays what it is, and
 *	has a reference; lodge_object_put() lets it go
 *
 * Without @write it may be shared or zero, and only be read.
 *
 * Context: may sleep; the caller has no page of the object locked.
 * Return: 0; -EFAULT beyond the object's end, -ENOMEM, -EIO: its contents are lost.
 */
int lodge_object_get(struct lodge_object *o, pgoff_t index, bool write,
		     struct page **pagep)
{
	struct page *spare = NULL;
	void *entry;
	int ret;

	do {
		if (beyond(o, index)) {
			ret = -EFAULT;
			break;
		}
		ret = try_get(o, index, write, &spare, pagep);
		if (ret != -ENODATA)
			continue;
		/* Charging can take long: nothing is locked. */
		entry = xa_load(&o->entries, index);
		ret = -EAGAIN;
		if ((lodge_entry_state(entry) == LODGE_PAGE_ABSENT ||
		     entry == ENTRY_DISCARDED) && lodge_block_fill(o, index))
			continue;
		spare = spare_new(o, entry);
		if (!spare)
			ret = -ENOMEM;
	} while (ret == -EAGAIN);
	if (spare) {
		set_page_private(spare, 0);
		put_page(spare);
	}
	if (ret || !beyond(o, index))
		return ret;
	/* Cut off meanwhile; who cut may not have seen it. */
	lodge_object_unview(o, index, 1);
	drop_locked(o, index, xa_load(&o->entries, index), *pagep, NULL);
	lodge_object_put(*pagep);
	return -EFAULT;
}

/**
 * lodge_object_fetch - have a page there for an access that follows
 * @o: the object
 * @index: which page
 *
 * Context: as for lodge_object_get(); may take as long as it takes to read it.
 * Return: as lodge_object_get().
 */
int lodge_object_fetch(struct lodge_object *o, pgoff_t index)
{
	struct page *page;
	int ret = lodge_object_get(o, index, false, &page);

	if (!ret)
		lodge_object_put(page);
	return ret;
}

/**
 * lodge_object_try - the same as lodge_object_get(), where it takes no memory and no waiting
 * @o: the object, or one that is being freed, under RCU
 * @index: which page
 * @write: it will be written
 *
 * Context: any but interrupts.
 * Return: as lodge_object_get() has it, or NULL.
 */
struct page *lodge_object_try(struct lodge_object *o, pgoff_t index, bool write)
{
	struct page *page;
	bool locked;
	void *entry;

	page = hold(o, index, &entry, &locked);
	if (!page)
		return NULL;
	if (locked && !beyond(o, index) && will_do(o, index, entry, page, write))
		return page;
	if (locked)
		unlock_page(page);
	put_page(page);
	return NULL;
}

/* Entries that are dropped at a time. */
#define RUN	32

/* Locks the entry's page; NULL if that can't be had, or the entry has none. */
static struct page *lock_entry(struct lodge_object *o, pgoff_t index, bool wait,
			       void **entry)
{
	struct page *page;
	bool locked;

	while ((page = hold(o, index, entry, &locked))) {
		if (locked)
			return page;
		if (!wait) {
			put_page(page);
			return NULL;
		}
		lock_page(page);
		if (is_still(o, index, *entry, page))
			return page;
		lodge_object_put(page);
	}
	return NULL;
}

/**
 * lodge_object_peek - the page of an object, if it has one
 * @o: the object
 * @index: which page
 *
 * Context: may sleep.
 * Return: a page with a reference, not locked, to be read; NULL: it is zero;
 * or an error, -ENOMEM or -EIO.
 */
struct page *lodge_object_peek(struct lodge_object *o, pgoff_t index)
{
	struct page *page;
	void *entry;
	int ret;

	entry = xa_load(&o->entries, index);
	if (lodge_entry_empty(entry))
		return NULL;
	/* Locked once, its contents are there. */
	page = lock_entry(o, index, true, &entry);
	if (!page && lodge_entry_away(entry)) {
		ret = lodge_object_get(o, index, false, &page);
		if (ret)
			return ret == -EFAULT ? NULL : ERR_PTR(ret);
	}
	if (!page)
		return NULL;
	unlock_page(page);
	if (page != o->zero)
		return page;
	put_page(page);
	return NULL;
}

/* What is compressed or swapped goes, unless it has come back meanwhile. */
static void drop_away(struct lodge_object *o, pgoff_t index, void *entry, void *to)
{
	if (xa_cmpxchg(&o->entries, index, entry, to, 0) != entry)
		return;
	xa_clear_mark(&o->entries, index, LODGE_PACKED);
	count(o, entry, -1);
	count(o, to, 1);
	if (lodge_entry_state(entry) == LODGE_PAGE_SWAPPED)
		lodge_swap_free(ENTRY_WORD(entry));
	else
		lodge_pool_free(o, entry);
}

/**
 * lodge_object_spilled - what was compressed is swapped now
 * @o: the object
 * @index: which entry
 * @entry: what it was, if nobody has had it back
 * @slot: where it is; freed if not
 *
 * Context: under the pool's mutex, so that it isn't compressed once more.
 * Return: whether it was.
 */
bool lodge_object_spilled(struct lodge_object *o, pgoff_t index, void *entry,
			  unsigned long slot)
{
	void *new = lodge_entry_swapped(slot);

	if (xa_cmpxchg(&o->entries, index, entry, new, 0) != entry) {
		lodge_swap_free(slot);
		return false;
	}
	xa_clear_mark(&o->entries, index, LODGE_PACKED);
	count(o, entry, -1);
	count(o, new, 1);
	lodge_pool_free(o, entry);
	return true;
}

/*
 * Drops what is at @first, and what follows it as far as it is private and
 * can be locked without waiting: one lock is enough to wait for. With @still only
 * private pages that are. Where to go on.
 */
static pgoff_t drop_run(struct lodge_object *o, pgoff_t first, pgoff_t last, void *to,
			bool still)
{
	struct page *page[RUN];
	void *entry[RUN];
	bool seen = false;
	int nr = 0, i;

	last = min(last, first + RUN - 1);
	while (first + nr <= last) {
		page[nr] = lock_entry(o, first + nr, !nr, &entry[nr]);
		if (!page[nr])
			break;
		/* It is written under this lock. */
		if (still && (lodge_entry_state(entry[nr]) != LODGE_PAGE_PRIVATE ||
			      !lodge_page_still(page[nr]))) {
			lodge_object_put(page[nr]);
			break;
		}
		if (lodge_entry_state(entry[nr++]) == LODGE_PAGE_PRIVATE)
			continue;
		/* Others may have the same lock. */
		if (nr > 1)
			lodge_object_put(page[--nr]);
		break;
	}
	if (!nr) {
		if (still || !lodge_entry_away(entry[0]))
			return first + 1;
		drop_away(o, first, entry[0], to);
		/* It is there still if it wasn't that any more. */
		return first;
	}
	for (i = 0; i < nr; i++)
		seen |= entry_seen(entry[i], page[i]);
	if (seen)
		lodge_object_unview(o, first, nr);
	for (i = 0; i < nr; i++) {
		drop_locked(o, first + i, entry[i], page[i], to);
		lodge_object_put(page[i]);
	}
	return first + nr;
}

/* How many entries that are nothing, or discarded, become @to under one lock. */
#define EMPTY_RUN	512

/* From @first on, as far as there are no others; where to go on. */
static pgoff_t drop_empty(struct lodge_object *o, pgoff_t first, pgoff_t last, void *to)
{
	XA_STATE(xas, &o->entries, first);
	void *entry;
	long nr;

	last = min(last, first + EMPTY_RUN - 1);
	do {
		nr = 0;
		xas_lock(&xas);
		for (; first <= last; xas_set(&xas, ++first)) {
			entry = xas_load(&xas);
			if (entry == to)
				continue;
			if (entry && entry != ENTRY_DISCARDED)
				break;
			xas_store(&xas, to);
			if (xas_error(&xas))
				break;
			nr++;
		}
		/* Before anybody leaves that state. */
		atomic_long_add(to ? nr : -nr, &o->pages[LODGE_PAGE_DISCARDED]);
		xas_unlock(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL_ACCOUNT));
	/* Without memory for saying so it stays nothing. */
	return xas_error(&xas) ? first + 1 : first;
}

/**
 * lodge_object_discard - the guest has given pages up: they go, and are discarded
 * @o: the object
 * @first: the first one
 * @last: the last one, not beyond the object's end
 *
 * Context: as lodge_object_drop(); under the inode's lock.
 */
void lodge_object_discard(struct lodge_object *o, pgoff_t first, pgoff_t last)
{
	while (first <= last && !fatal_signal_pending(current)) {
		pgoff_t next = drop_empty(o, first, last, ENTRY_DISCARDED);

		if (next == first)
			next = drop_run(o, first, last, ENTRY_DISCARDED, false);
		first = next;
		cond_resched();
	}
}

/* Locks what is private, and free at the moment. */
static pgoff_t watch_collect(struct lodge_object *o, pgoff_t first, pgoff_t last,
			     struct page **pages, int *nr)
{
	XA_STATE(xas, &o->entries, first);
	struct page *page;

	*nr = 0;
	xas_lock(&xas);
	xas_for_each(&xas, page, last) {
		if (lodge_entry_state(page) != LODGE_PAGE_PRIVATE || !trylock_page(page))
			continue;
		get_page(page);
		pages[(*nr)++] = page;
		if (*nr == RUN)
			break;
	}
	first = page ? xas.xa_index + 1 : last + 1;
	xas_unlock(&xas);
	return first;
}

/* A page that is locked, and in no view, is written no more without being noted. */
static void watch_page(struct lodge_object *o, struct page *page)
{
	pgoff_t index = lodge_page_offset(page);

	lodge_page_set_offset(page, index, lodge_page_rest(page), lodge_page_backoff(page));
	/* Who holds it may be about to write. */
	if (page_count(page) == 2) {
		/* It isn't what it was when it was hashed. */
		if (PageDirty(page))
			lodge_ksm_forget(o, page);
		ClearPageDirty(page);
		lodge_page_set_still(page, true);
	}
	lodge_object_put(page);
}

/**
 * lodge_object_watch - from here on it is noted which pages are written
 * @o: the object
 * @first: the first page
 * @last: the last one
 *
 * Of those that are held, busy, shared, compressed or swapped it isn't known, nor
 * of those that merging or reclaim looks at later.
 *
 * Context: may sleep; the caller has no page of the object locked.
 */
void lodge_object_watch(struct lodge_object *o, pgoff_t first, pgoff_t last)
{
	struct page *pages[RUN];
	int nr, i;

	while (first <= last && !fatal_signal_pending(current)) {
		pgoff_t next = watch_collect(o, first, last, pages, &nr);

		if (nr)
			lodge_object_unview(o, lodge_page_offset(pages[0]), next -
					    lodge_page_offset(pages[0]));
		for (i = 0; i < nr; i++)
			watch_page(o, pages[i]);
		first = next;
		cond_resched();
	}
}

/**
 * lodge_object_discard_still - discard what was not written since it is watched
 * @o: the object
 * @first: the first page
 * @last: the last one
 *
 * Context: as lodge_object_discard().
 */
void lodge_object_discard_still(struct lodge_object *o, pgoff_t first, pgoff_t last)
{
	unsigned long index = first;

	while (index <= last && !fatal_signal_pending(current) &&
	       xa_find(&o->entries, &index, last, XA_PRESENT)) {
		index = drop_run(o, index, last, ENTRY_DISCARDED, true);
		cond_resched();
	}
}

/**
 * lodge_object_drop - pages go, and are absent
 * @o: the object
 * @first: the first one
 * @last: the last one
 *
 * Context: may sleep; the caller has no page of the object locked.
 */
void lodge_object_drop(struct lodge_object *o, pgoff_t first, pgoff_t last)
{
	unsigned long index = first, next;

	while (index <= last && xa_find(&o->entries, &index, last, XA_PRESENT)) {
		next = drop_empty(o, index, last, NULL);
		if (next == index)
			next = drop_run(o, index, last, NULL, false);
		cond_resched();
		if (next < index)
			break;
		index = next;
	}
}

/**
 * lodge_object_zero - clear a part of one page, if there is anything in it
 * @o: the object
 * @from: the first byte
 * @to: the one after the last, in the same page
 *
 * Return: 0, -ENOMEM, or -EIO.
 */
int lodge_object_zero(struct lodge_object *o, loff_t from, loff_t to)
{
	struct page *page = lodge_object_peek(o, from >> PAGE_SHIFT);
	int ret;

	if (IS_ERR_OR_NULL(page))
		return PTR_ERR_OR_ZERO(page);
	put_page(page);
	ret = lodge_object_get(o, from >> PAGE_SHIFT, true, &page);
	if (ret)
		return ret == -EFAULT ? 0 : ret;
	memset(page_address(page) + offset_in_page(from), 0, to - from);
	lodge_object_put(page);
	return 0;
}

/**
 * lodge_object_init - an object without pages
 * @o: all zero but for its inode
 * @domain: the name of its domain among its owner's
 *
 * Return: 0, or -ENOMEM.
 */
int lodge_object_init(struct lodge_object *o, const char *domain)
{
	int ret;

	xa_init_flags(&o->entries, XA_FLAGS_ACCOUNT);
	INIT_LIST_HEAD(&o->domain_list);
	o->zero = alloc_page(GFP_OBJECT | __GFP_ZERO);
	if (!o->zero)
		return -ENOMEM;
	lodge_index_new(o->zero);
	lodge_page_set_owner(o->zero, NULL);
	o->domain = lodge_domain_get(o->inode.i_uid, domain);
	ret = -ENOMEM;
	if (!o->domain)
		goto err_zero;
	o->memcg = get_mem_cgroup_from_mm(current->mm);
	ret = lodge_pool_join(o);
	if (!ret)
		return 0;
	lodge_domain_put(o->domain);
	mem_cgroup_put(o->memcg);
	o->domain = NULL;
err_zero:
	put_page(o->zero);
	o->zero = NULL;
	return ret;
}

/**
 * lodge_object_destroy - the end of an object, which nobody maps or reads
 * @o: the object; lodge_object_init() may have failed, or not been called
 */
void lodge_object_destroy(struct lodge_object *o)
{
	int i;

	if (!o->domain)
		return;
	lodge_domain_remove(o);
	lodge_object_drop(o, 0, ULONG_MAX);
	xa_destroy(&o->entries);
	for (i = LODGE_PAGE_PRIVATE; i < LODGE_PAGE_STATES; i++)
		WARN_ON_ONCE(atomic_long_read(&o->pages[i]));
	WARN_ON_ONCE(atomic_long_read(&o->packed));
	lodge_pool_leave(o);
	put_page(o->zero);
	lodge_domain_put(o->domain);
	mem_cgroup_put(o->memcg);
}
