// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Lodge memory
 *
 * An object is guest memory that the hypervisor owns: the pages of a regular
 * file of a file system of its own (lodgefs.c), which programs map, read, write,
 * cut and punch as they would a file in tmpfs (file.c). Each page has an entry
 * in the index of a layer (layer.c), of which an object has one for itself and perhaps
 * others below, which it shares with those that it was forked from (fork.c). The entry says
 * the page's state: absent, private, shared with others of equal contents (ksm/), zero,
 * compressed (pool.c), swapped (swap.c), discarded: given up by the guest, and nothing
 * since. Other rooms change states; this file has the one move by which they do.
 *
 * The move. Lock the entry; take the page out of all views; see that nobody
 * else holds it; change the entry; unlock. The next access of anybody finds the
 * new state. So nobody ever looks for the page-table entries of a page.
 *
 * Lock. An entry with a page is locked by that page's lock, one without by
 * the lock of the layer's zero page, which is seen in its place; then the
 * entry is looked at again. Only nothing at all, and what is cut off, discarded, compressed or
 * swapped, needs no lock: nobody sees it, and it is left by compare-and-exchange. A page
 * that has just become the entry's is locked until its contents are there. A fault gives
 * the page to the kernel locked, and the kernel unlocks it when it is mapped: so who has the lock
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
 * Chain. The layers of an object change while nobody goes by them (@chain). An entry of
 * the top hides what is below. What is found below is locked as all else, and then it is
 * looked whether the top has no entry still. It is never written: a write gets a copy
 * on top, and takes the page out of that object's views, not of others'.
 *
 * Pages are the kernel's ordinary ones, but on no list of its reclaim and in
 * no page cache, so that a page can stand in several objects. They can be
 * pinned, and are freed when the last reference goes. They are charged to the
 * control group of the task that touched them first.
 */
#include <linux/highmem.h>
#include <linux/memcontrol.h>
#include <linux/pagemap.h>

#include "ksm/ksm.h"
#include "mem/layer.h"
#include "mem/pool.h"
#include "mem/swap.h"

/* A page is mapped no more often than this; what maps the zero page counts. */
#define MAPPED_MAX	(INT_MAX / 2)

/**
 * lodge_object_unview - take pages out of all views of an object
 * @o: the object, whose chain doesn't change
 * @first: the first page; its entry is locked, so that it won't come back
 * @nr: how many
 *
 * Context: may sleep.
 */
void lodge_object_unview(struct lodge_object *o, pgoff_t first, pgoff_t nr)
{
	lodge_block_unview(o->top, first, nr);
	unmap_mapping_pages(o->inode.i_mapping, first, nr, false);
}

/* Where an object has a page: in which layer, and what it is there. */
struct place {
	pgoff_t index;
	struct lodge_layer *layer;
	void *entry;
};

/* Whether the top, or what is between, has still no entry. */
static bool is_shown(const struct lodge_object *o, const struct place *p)
{
	struct lodge_layer *l;

	for (l = o->top; l != p->layer; l = l->parent)
		if (xa_load(&l->entries, p->index))
			return false;
	return true;
}

/* As lodge_layer_is_still(), and it is what the object has there. */
static bool is_still(struct lodge_object *o, const struct place *p, struct page *page)
{
	return lodge_layer_is_still(p->layer, p->index, p->entry, page) && is_shown(o, p);
}

/*
 * As lodge_layer_hold(), of the first layer that has an entry; of the top if none has.
 * What is @locked is that still.
 */
static struct page *hold(struct lodge_object *o, struct place *p, bool *locked)
{
	struct page *page;

	do {
		p->layer = o->top;
		page = lodge_layer_hold(o->top, p->index, &p->entry, locked);
		if (likely(p->entry))
			return page;
		while (!p->entry && p->layer->parent) {
			p->layer = p->layer->parent;
			page = lodge_layer_hold(p->layer, p->index, &p->entry, locked);
		}
		if (!p->entry)
			p->layer = o->top;
		if (!*locked || is_shown(o, p))
			return page;
		lodge_object_put(page);
	} while (1);
}

/* As lodge_layer_lock(), and waits. */
static struct page *lock(struct lodge_object *o, struct place *p)
{
	struct page *page;
	bool locked;

	while ((page = hold(o, p, &locked)) && !locked) {
		lock_page(page);
		if (is_still(o, p, page))
			break;
		lodge_object_put(page);
	}
	return page;
}

/**
 * lodge_object_entry - what an object has somewhere
 * @o: the object, or one that is being freed, under RCU
 * @index: where
 *
 * Return: the entry of the first layer that has one.
 */
void *lodge_object_entry(struct lodge_object *o, pgoff_t index)
{
	struct lodge_layer *l;
	void *entry = NULL;

	rcu_read_lock();
	for (l = READ_ONCE(o->top); l && !entry; l = READ_ONCE(l->parent))
		entry = xa_load(&l->entries, index);
	rcu_read_unlock();
	return entry;
}

/**
 * lodge_object_find - the next place where an object has anything
 * @o: the object
 * @index: from where on; set to where
 * @last: the last one that is looked at
 * @entry: set to what there is
 *
 * Context: may sleep; layers aren't taken together meanwhile.
 * Return: whether there is such.
 */
bool lodge_object_find(struct lodge_object *o, unsigned long *index, pgoff_t last,
		       void **entry)
{
	struct lodge_layer *l;
	bool found = false;

	down_read(&o->chain);
	for (l = o->top; l; l = l->parent) {
		unsigned long at = *index;

		if (xa_find(&l->entries, &at, last, XA_PRESENT)) {
			found = true;
			last = at;
		}
	}
	if (found)
		*index = last;
	*entry = found ? lodge_object_entry(o, last) : NULL;
	up_read(&o->chain);
	return found;
}

/** lodge_object_slow - whether to get a page takes long; as lodge_object_entry() */
bool lodge_object_slow(struct lodge_object *o, pgoff_t index)
{
	struct lodge_layer *l;
	bool swapped = false;

	rcu_read_lock();
	for (l = READ_ONCE(o->top); l && !swapped; l = READ_ONCE(l->parent))
		swapped = atomic_long_read(&l->pages[LODGE_PAGE_SWAPPED]);
	rcu_read_unlock();
	return swapped &&
	       lodge_entry_state(lodge_object_entry(o, index)) == LODGE_PAGE_SWAPPED;
}

/**
 * lodge_object_layer - one of the layers of an object
 * @o: the object
 * @depth: which; 0: its own
 *
 * Return: the layer, for lodge_layer_put(); NULL if there are not as many.
 */
struct lodge_layer *lodge_object_layer(struct lodge_object *o, unsigned int depth)
{
	struct lodge_layer *l;

	down_read(&o->chain);
	for (l = o->top; l && depth; l = l->parent)
		depth--;
	if (l)
		refcount_inc(&l->users);
	up_read(&o->chain);
	return l;
}

/* With no reference but its owner's and ours it is in no page table of a process. */
static void unview_one(struct lodge_object *o, pgoff_t index, struct page *page)
{
	if (page_count(page) == 2)
		lodge_views_zap(o->inode.i_mapping, index);
	else
		lodge_object_unview(o, index, 1);
}

/* Whether what is there will have to be copied. */
static bool is_copied(const struct place *p)
{
	unsigned int state = lodge_entry_state(p->entry);

	return state == LODGE_PAGE_SHARED || state == LODGE_PAGE_PRIVATE;
}

/*
 * What is away comes back where it is, to @spare. -EAGAIN: others see it there, too, or
 * the entry has become another.
 */
static int bring_back(struct lodge_object *o, const struct place *p, struct page **spare,
		      struct page **pagep)
{
	int ret = lodge_layer_take(p->layer, p->index, p->entry, *spare, 0);
	struct page *page = *spare;

	if (ret)
		return ret;
	/* It is the entry's, whatever comes. */
	*spare = NULL;
	ret = lodge_layer_come_back(p->layer, p->index, p->entry, page);
	if (ret) {
		put_page(page);
		return ret;
	}
	if (p->layer != o->top) {
		lodge_object_put(page);
		return -EAGAIN;
	}
	lodge_page_set_seen(page);
	*pagep = page;
	return 0;
}

/* What was just merged would only be merged again, and broken again. */
static u8 rest_of(const void *entry)
{
	switch (lodge_entry_state(entry)) {
	case LODGE_PAGE_SHARED:
		return lodge_ksm_rest(lodge_sharer(entry));
	case LODGE_PAGE_ZERO:
		return LODGE_REST_BROKEN;
	default:
		return 0;
	}
}

/*
 * The object gets @spare as a page of its own, where @page is or, if that is NULL, nothing.
 * -EAGAIN: there is something else now.
 */
static int own(struct lodge_object *o, const struct place *p, struct page *page,
	       struct page **spare, struct page **pagep)
{
	bool below = p->layer != o->top, copied = is_copied(p);
	unsigned int state = lodge_entry_state(p->entry);
	int ret;

	if (copied && PageHWPoison(page))
		return -EHWPOISON;
	if (copied)
		copy_highpage(*spare, page);
	else if (page_private(*spare) != SPARE_ZERO)
		clear_highpage(*spare);
	/* As it is if it isn't taken. */
	set_page_private(*spare, copied ? SPARE_DIRTY : SPARE_ZERO);
	ret = lodge_layer_take(o->top, p->index, below ? NULL : p->entry, *spare,
			       below ? 0 : rest_of(p->entry));
	if (ret)
		return ret;
	/* What others saw until now; the new page is locked. */
	if (page && lodge_layer_seen(p->entry, page))
		unview_one(o, p->index, page);
	if (!below && (copied || state == LODGE_PAGE_ZERO))
		lodge_ksm_broken(o->top);
	if (!below && state == LODGE_PAGE_SHARED)
		lodge_ksm_unshare(lodge_sharer(p->entry));
	lodge_page_set_seen(*spare);
	*pagep = *spare;
	*spare = NULL;
	return 0;
}

static bool beyond(struct lodge_object *o, pgoff_t index)
{
	return index >= DIV_ROUND_UP((u64)i_size_read(&o->inode), PAGE_SIZE);
}

/* Whether what is there, locked by @page, will do as it is. */
static bool will_do(struct lodge_object *o, const struct place *p, struct page *page,
		    bool write)
{
	unsigned int state = lodge_entry_state(p->entry);
	struct lodge_layer *l = p->layer;

	/* Pins for DMA count a thousand each, and may come after: below 0 is beyond, too. */
	if (!write && page == l->zero && (unsigned int)page_ref_count(page) > MAPPED_MAX)
		return false;
	if (!write) {
		lodge_layer_see(l, p->index, p->entry, page);
		return true;
	}
	/* The last one that shares a page may keep it. */
	if (l != o->top ||
	    (state != LODGE_PAGE_PRIVATE &&
	     !(state == LODGE_PAGE_SHARED && lodge_ksm_take_over(lodge_sharer(p->entry)))))
		return false;
	lodge_page_set_seen(page);
	lodge_layer_write(l, p->index, page);
	return true;
}

/* How often an allocation that fails has others' pages reclaimed for it. */
#define RECLAIM_TRIES	8

/* A page to be given to the object; what will be copied over needn't be cleared. */
static struct page *spare_alloc(const struct place *p, gfp_t gfp)
{
	bool copied = is_copied(p) || lodge_entry_away(p->entry);
	struct page *spare = alloc_page(gfp | (copied ? 0 : __GFP_ZERO));

	if (spare)
		set_page_private(spare, copied ? SPARE_DIRTY : SPARE_ZERO);
	return spare;
}

/* With @now nobody waits for who writes to a swap file. */
static struct page *spare_new(const struct lodge_object *o, const struct place *p, bool now)
{
	struct page *spare;
	int tries = 0;

	if (now)
		return spare_alloc(p, (LODGE_GFP_PAGE & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN);
	/* At a limit pages that aren't used go before anything fails. */
	do
		spare = spare_alloc(p, LODGE_GFP_PAGE | __GFP_NORETRY | __GFP_NOWARN);
	while (!spare && ++tries < RECLAIM_TRIES && lodge_reclaim_for(o->top->pool));
	/* It fails for who is killed for want of memory, which has been said by then. */
	return spare ?: spare_alloc(p, LODGE_GFP_PAGE | __GFP_NOWARN);
}

/* Nobody has seen that there is nothing. From here on somebody may have. */
static int see_hole(const struct place *p)
{
	void *was = xa_cmpxchg(&p->layer->entries, p->index, p->entry, ENTRY_HOLE,
			       GFP_KERNEL_ACCOUNT);

	if (was == p->entry)
		lodge_layer_count(p->layer, p->entry, -1);
	return xa_is_err(was) ? xa_err(was) : -EAGAIN;
}

/* One try: -EAGAIN if the entry has changed, -ENODATA without a @spare. */
static int try_get(struct lodge_object *o, struct place *p, bool write,
		   struct page **spare, struct page **pagep)
{
	struct page *page;
	bool locked;
	int ret = 0;

	page = hold(o, p, &locked);
	if (p->entry == ENTRY_LOST)
		return -EIO;
	/* Below, who reads makes that of it, and is to be noticed by who writes. */
	if (!page && !lodge_entry_away(p->entry) && (!write || p->layer != o->top))
		return see_hole(p);
	if (page) {
		if (!locked)
			lock_page(page);
		if (!locked && !is_still(o, p, page)) {
			ret = -EAGAIN;
		} else if (will_do(o, p, page, write)) {
			*pagep = page;
			return 0;
		}
	}
	/* Most often there is memory at once; where nothing is it may be had by blocks. */
	if (!ret && !*spare && (is_copied(p) || lodge_entry_away(p->entry)))
		*spare = spare_alloc(p, (LODGE_GFP_PAGE & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN);
	if (!ret && !*spare)
		ret = -ENODATA;
	if (!ret)
		ret = lodge_entry_away(p->entry) ? bring_back(o, p, spare, pagep) :
						   own(o, p, page, spare, pagep);
	if (page)
		lodge_object_put(page);
	return ret;
}

/* The object ends before a page that was got: it is as if it had never been. */
static void give_up(struct lodge_object *o, pgoff_t index, struct page *page)
{
	struct lodge_layer *top = o->top;
	void *entry = xa_load(&top->entries, index);

	/* Who hides what is below waits for nobody before. */
	if (entry && lodge_layer_is_still(top, index, entry, page))
		lodge_layer_drop_locked(top, index, entry, page, top->parent ? ENTRY_CUT : NULL);
	else if (!entry)
		xa_cmpxchg(&top->entries, index, NULL, ENTRY_CUT,
			   GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	lodge_object_put(page);
}

static int get(struct lodge_object *o, pgoff_t index, bool write, bool now,
	       struct page **spare, struct page **pagep)
{
	struct place p = { .index = index };
	int ret;

	do {
		if (beyond(o, index))
			return -EFAULT;
		ret = try_get(o, &p, write, spare, pagep);
		if (ret != -ENODATA)
			continue;
		/* Charging can take long: nothing is locked. */
		ret = -EAGAIN;
		if ((p.entry == ENTRY_HOLE || lodge_layer_unlocked(p.entry)) &&
		    !lodge_entry_away(p.entry) && lodge_block_fill(o, index))
			continue;
		*spare = spare_new(o, &p, now);
		if (!*spare)
			ret = now ? -EBUSY : -ENOMEM;
	} while (ret == -EAGAIN);
	if (ret || !beyond(o, index))
		return ret;
	/* Cut off meanwhile; who cut may not have seen it. */
	lodge_object_unview(o, index, 1);
	give_up(o, index, *pagep);
	return -EFAULT;
}

/* A kernel's thread with a process's memory, as vhost's until 6.4, is of no group. */
static int get_charged(struct lodge_object *o, pgoff_t index, bool write, bool now,
		       struct page **pagep)
{
	struct mem_cgroup *old = NULL;
	struct page *spare = NULL;
	int ret;

	if (current->flags & PF_KTHREAD)
		old = set_active_memcg(o->top->memcg);
	down_read(&o->chain);
	ret = get(o, index, write, now, &spare, pagep);
	up_read(&o->chain);
	if (current->flags & PF_KTHREAD)
		set_active_memcg(old);
	/* It is on no list of the kernel's that would have taken it away. */
	if (!ret && PageHWPoison(*pagep)) {
		lodge_object_put(*pagep);
		ret = -EHWPOISON;
	}
	if (spare) {
		set_page_private(spare, 0);
		put_page(spare);
	}
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
 * Return: 0; -EFAULT beyond the object's end, -ENOMEM, -EIO: its contents are lost,
 * -EHWPOISON: its memory is broken.
 */
int lodge_object_get(struct lodge_object *o, pgoff_t index, bool write,
		     struct page **pagep)
{
	return get_charged(o, index, write, false, pagep);
}

/**
 * lodge_object_get_now - the same as lodge_object_get(), with locks that others want
 * @o: the object
 * @index: which page; not one that is lodge_object_slow()
 * @write: it will be written
 * @pagep: set to the page
 *
 * Return: as lodge_object_get(); -EBUSY: it may take a write to the swap file before there is
 * memory for it, for which lodge_object_fetch() waits.
 */
int lodge_object_get_now(struct lodge_object *o, pgoff_t index, bool write,
			 struct page **pagep)
{
	return get_charged(o, index, write, lodge_swap_on(), pagep);
}

/**
 * lodge_object_fetch - have a page there for an access that follows
 * @o: the object
 * @index: which page
 * @write: it will be written
 *
 * Context: as for lodge_object_get(); may take as long as it takes to read it, or to write others.
 * Return: as lodge_object_get().
 */
int lodge_object_fetch(struct lodge_object *o, pgoff_t index, bool write)
{
	struct page *page;
	int ret = lodge_object_get(o, index, write, &page);

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
	struct place p = { .index = index };
	struct page *page = NULL;
	bool locked;

	if (!down_read_trylock(&o->chain))
		return NULL;
	if (!beyond(o, index))
		page = hold(o, &p, &locked);
	if (page && !(locked && !PageHWPoison(page) && will_do(o, &p, page, write))) {
		if (locked)
			unlock_page(page);
		put_page(page);
		page = NULL;
	}
	up_read(&o->chain);
	return page;
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
	struct place p = { .index = index };
	struct page *page;
	int ret;

	down_read(&o->chain);
	p.entry = lodge_object_entry(o, index);
	/* Locked once, its contents are there. */
	page = lodge_entry_empty(p.entry) ? NULL : lock(o, &p);
	if (page && page == p.layer->zero) {
		lodge_object_put(page);
		page = NULL;
	}
	up_read(&o->chain);
	if (!page && lodge_entry_away(p.entry)) {
		ret = lodge_object_get(o, index, false, &page);
		if (ret)
			return ret == -EFAULT ? NULL : ERR_PTR(ret);
	}
	if (!page)
		return NULL;
	unlock_page(page);
	if (PageHWPoison(page)) {
		put_page(page);
		return ERR_PTR(-EIO);
	}
	return page;
}

/* What shows through from below shows no more: it is @to. */
static void hide(struct lodge_object *o, pgoff_t index, void *to)
{
	struct lodge_layer *top = o->top, *l;
	struct page *page;
	void *entry;

	if (xa_cmpxchg(&top->entries, index, NULL, to, GFP_KERNEL_ACCOUNT | __GFP_NOFAIL))
		return;
	lodge_layer_count(top, to, 1);
	/* Who has got it before that has mapped it when its lock is free. */
	for (l = top->parent; l; l = l->parent) {
		page = lodge_layer_lock(l, index, true, &entry);
		if (!page)
			continue;
		lodge_object_unview(o, index, 1);
		lodge_object_put(page);
	}
}

static void hide_range(struct lodge_object *o, pgoff_t first, pgoff_t last, void *to)
{
	struct lodge_layer *l;
	unsigned long index;
	void *entry;

	for (l = o->top->parent; l; l = l->parent)
		xa_for_each_range(&l->entries, index, entry, first, last) {
			if (!xa_load(&o->top->entries, index))
				hide(o, index, to);
			cond_resched();
		}
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
	struct lodge_layer *top = o->top;

	hide_range(o, first, last, ENTRY_DISCARDED);
	while (first <= last && !fatal_signal_pending(current)) {
		pgoff_t next = lodge_layer_drop_empty(top, first, last, ENTRY_DISCARDED);

		if (next == first)
			next = lodge_layer_drop_run(top, first, last, ENTRY_DISCARDED,
						    false);
		first = next;
		cond_resched();
	}
}

/* Pages that are watched at a time. */
#define RUN	32

/* Locks what is private, and free at the moment. */
static pgoff_t watch_collect(struct lodge_layer *l, pgoff_t first, pgoff_t last,
			     struct page **pages, int *nr)
{
	XA_STATE(xas, &l->entries, first);
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
static void watch_page(struct lodge_layer *l, struct page *page)
{
	pgoff_t index = lodge_page_offset(page);

	lodge_page_set_offset(page, index, lodge_page_rest(page), lodge_page_backoff(page));
	/* Who holds it may be about to write. */
	if (page_count(page) == 2) {
		/* It isn't what it was when it was hashed. */
		if (PageDirty(page))
			lodge_ksm_forget(l, page);
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
 * Of those that are held, busy, shared, compressed, swapped or below it isn't known, nor
 * of those that merging or reclaim looks at later.
 *
 * Context: may sleep; under the inode's lock.
 */
void lodge_object_watch(struct lodge_object *o, pgoff_t first, pgoff_t last)
{
	struct page *pages[RUN];
	int nr, i;

	while (first <= last && !fatal_signal_pending(current)) {
		pgoff_t next = watch_collect(o->top, first, last, pages, &nr);

		if (nr)
			lodge_object_unview(o, lodge_page_offset(pages[0]), next -
					    lodge_page_offset(pages[0]));
		for (i = 0; i < nr; i++)
			watch_page(o->top, pages[i]);
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
	       xa_find(&o->top->entries, &index, last, XA_PRESENT)) {
		index = lodge_layer_drop_run(o->top, index, last, ENTRY_DISCARDED, true);
		cond_resched();
	}
}

/**
 * lodge_object_drop - pages go, and are absent
 * @o: the object
 * @first: the first one
 * @last: the last one
 *
 * Context: may sleep; the caller has no page of the object locked, and the chain
 * doesn't change: under the inode's lock, or that of the chain.
 */
void lodge_object_drop(struct lodge_object *o, pgoff_t first, pgoff_t last)
{
	hide_range(o, first, last, ENTRY_CUT);
	lodge_layer_drop(o->top, first, last, o->top->parent ? ENTRY_CUT : NULL);
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
 * lodge_object_unmerge - an object's shared pages become its own
 * @o: the object, not mergeable any more
 *
 * Return: 0, -ENOMEM, or -EINTR.
 */
int lodge_object_unmerge(struct lodge_object *o)
{
	unsigned long index = 0;
	struct page *page;
	void *entry;
	int ret;

	for (; lodge_object_find(o, &index, ULONG_MAX, &entry); index++) {
		cond_resched();
		if (lodge_entry_state(entry) != LODGE_PAGE_SHARED)
			continue;
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = lodge_object_get(o, index, true, &page);
		if (ret == -ENOMEM)
			return ret;
		if (!ret)
			lodge_object_put(page);
	}
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
	init_rwsem(&o->chain);
	o->top = lodge_layer_new(o->inode.i_uid, domain);
	if (!o->top)
		return -ENOMEM;
	o->top->object = o;
	return 0;
}

/**
 * lodge_object_destroy - the end of an object, which nobody maps or reads
 * @o: the object; lodge_object_init() may have failed, or not been called
 */
void lodge_object_destroy(struct lodge_object *o)
{
	struct rw_semaphore *tree;

	if (!o->top)
		return;
	/* Nobody looks for its views. What was found by RCU may still look at the layer. */
	tree = lodge_layer_tree(o->top);
	down_write(tree);
	o->top->object = NULL;
	up_write(tree);
	lodge_layer_put(o->top);
}
