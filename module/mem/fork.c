// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Forks
 *
 * An object that is forked keeps what it has, and so does its child: the layer that was on
 * top is below both from then on, and each gets an empty one to write to. No page is copied,
 * and none is gone through but to see whether somebody has it:
 *
 * - who has got a page to write to it has its lock until it is mapped, and is waited for;
 *   then all goes out of views, so that the next write asks;
 * - who still holds a page then (a device, O_DIRECT) may write to it. It stays the
 *   object's: it goes on top, and the child gets a copy of what is in it now.
 *
 * Nobody goes by the chain meanwhile, so nobody gets anything to write.
 *
 * Where only one object is left above a layer, the next fork begins with taking them
 * together: each entry of the top replaces the one below that it hides. So forks
 * whose children come and go don't make a chain grow. One that grows all the same
 * ends at LAYERS_MAX.
 *
 * Locks: the object's inode > its chain > a page > the tree of layers.
 */
#include <linux/highmem.h>
#include <linux/pagemap.h>

#include "ksm/ksm.h"
#include "mem/layer.h"
#include "mem/pool.h"

/* Layers of an object. */
#define LAYERS_MAX	32

/* Nobody is about to map a page for writing, and nobody has. */
static void settle(struct lodge_object *o)
{
	struct page *page;
	unsigned long index;
	void *entry;

	xa_for_each(&o->top->entries, index, entry) {
		cond_resched();
		if (lodge_entry_state(entry) != LODGE_PAGE_PRIVATE || !PageLocked(entry))
			continue;
		page = lodge_layer_lock(o->top, index, true, &entry);
		if (page)
			lodge_object_put(page);
	}
	lodge_object_unview(o, 0, ULONG_MAX);
}

/* What the child gets in place of a page that stays the object's. */
static int copy_for(struct lodge_layer *to, pgoff_t index, struct page *page)
{
	struct page *copy;
	int ret;

	if (PageHWPoison(page))
		return -EHWPOISON;
	copy = alloc_page(LODGE_GFP_PAGE);
	if (!copy)
		return -ENOMEM;
	copy_highpage(copy, page);
	ret = lodge_layer_take(to, index, NULL, copy, 0);
	if (ret)
		put_page(copy);
	else
		lodge_object_put(copy);
	return ret;
}

/*
 * Pages of @from that somebody holds are to be @top's, and are noted there, with a
 * reference, so that nothing becomes of them until then. The child, @to, has copies.
 */
static int note_held(struct lodge_layer *from, struct lodge_layer *top,
		     struct lodge_layer *to)
{
	unsigned long index;
	struct page *page;
	int ret = 0;
	void *entry;

	xa_for_each(&from->entries, index, entry) {
		cond_resched();
		if (lodge_entry_state(entry) != LODGE_PAGE_PRIVATE || page_count(entry) == 1)
			continue;
		page = lodge_layer_lock(from, index, true, &entry);
		if (!page)
			continue;
		/* The entry's reference, and ours. */
		if (page == entry && page_count(page) > 2) {
			ret = xa_err(xa_store(&top->entries, index, page,
					      GFP_KERNEL_ACCOUNT));
			if (!ret) {
				get_page(page);
				ret = copy_for(to, index, page);
			}
		}
		lodge_object_put(page);
		if (ret)
			break;
	}
	return ret;
}

static void forget_held(struct lodge_layer *top)
{
	unsigned long index;
	struct page *page;

	xa_for_each(&top->entries, index, page) {
		/* Reclaim may have found it: then the reference is one that it counts. */
		lock_page(page);
		xa_erase(&top->entries, index);
		lodge_object_put(page);
	}
}

/* An entry of @from, private and locked, or shared, is that of @to, where its place is. */
static void hand_over(struct lodge_layer *from, struct lodge_layer *to, pgoff_t index,
		      void *entry, struct page *page)
{
	bool written = xa_get_mark(&from->entries, index, LODGE_WRITTEN);

	if (lodge_entry_state(entry) == LODGE_PAGE_SHARED)
		lodge_sharer(entry)->layer = to;
	else
		/* Who finds it in the index looks at its owner. */
		lodge_index_own(&from->domain->index, page, to, false);
	xa_store(&to->entries, index, entry, 0);
	if (written)
		xa_set_mark(&to->entries, index, LODGE_WRITTEN);
	xa_erase(&from->entries, index);
	lodge_layer_count(from, entry, -1);
	lodge_layer_count(to, entry, 1);
}

static void move_held(struct lodge_layer *from, struct lodge_layer *top)
{
	unsigned long index;
	struct page *page;

	xa_for_each(&top->entries, index, page) {
		lock_page(page);
		hand_over(from, top, index, page, page);
		lodge_object_put(page);
	}
}

/* The tree as it is from here on. */
static void branch(struct lodge_object *o, struct lodge_layer *top, struct lodge_layer *other)
{
	struct lodge_layer *below = o->top;
	struct rw_semaphore *tree = lodge_layer_tree(below);

	/* What was the object's reference is @top's. */
	refcount_inc(&below->users);
	down_write(tree);
	/* Who has locked the trees that these were has done with them. */
	down_write_nested(&other->tree, SINGLE_DEPTH_NESTING);
	down_write_nested(&top->tree, SINGLE_DEPTH_NESTING + 1);
	WRITE_ONCE(top->parent, below);
	WRITE_ONCE(other->parent, below);
	list_add(&top->sibling, &below->children);
	list_add(&other->sibling, &below->children);
	below->object = NULL;
	top->object = o;
	/* Readers under RCU find all of it. */
	smp_store_release(&o->top, top);
	up_write(&top->tree);
	up_write(&other->tree);
	up_write(tree);
}

/* Entry @index of @top, which nobody goes by, takes the place of the one below. */
static void sink(struct lodge_object *o, struct lodge_layer *top, struct lodge_layer *below,
		 pgoff_t index)
{
	void *empty = below->parent ? ENTRY_CUT : NULL, *entry;
	struct page *page;

	/* Nobody has seen what it hid, since it did. */
	lodge_layer_drop(below, index, index, empty);
	xa_cmpxchg(&below->entries, index, NULL, ENTRY_CUT,
		   GFP_KERNEL_ACCOUNT | __GFP_NOFAIL);
	page = lodge_layer_lock(top, index, true, &entry);
	if (page && page != top->zero) {
		hand_over(top, below, index, entry, page);
	} else if (page) {
		/* It is another page of zeroes that is seen there now. */
		lodge_object_unview(o, index, 1);
		lodge_layer_drop_locked(top, index, entry, page, NULL);
		if (lodge_entry_state(entry) == LODGE_PAGE_ZERO) {
			xa_store(&below->entries, index, ENTRY_ZERO, 0);
			lodge_layer_count(below, ENTRY_ZERO, 1);
		}
	} else if (entry) {
		/* Until it is out of the one it isn't known to be in the other. */
		xa_store(&below->entries, index, entry, 0);
		if (xa_cmpxchg(&top->entries, index, entry, NULL, 0) != entry) {
			xa_store(&below->entries, index, ENTRY_CUT, 0);
			sink(o, top, below, index);
			return;
		}
		lodge_layer_count(top, entry, -1);
		lodge_layer_count(below, entry, 1);
		if (lodge_entry_state(entry) != LODGE_PAGE_COMPRESSED)
			return;
		lodge_pool_moved(top, below, entry);
		xa_set_mark(&below->entries, index, LODGE_PACKED);
		return;
	}
	if (page)
		lodge_object_put(page);
}

/* Whether the top and what is below it are one object's only. */
static bool is_alone(const struct lodge_layer *top)
{
	const struct lodge_layer *below = top->parent;

	return below && refcount_read(&below->users) == 1 &&
	       refcount_read(&top->users) == 1 && below->pool == top->pool;
}

/* What became of a layer's pages is that of what it becomes part of. */
static void add_counts(struct lodge_layer *to, struct lodge_layer *from)
{
#define ADD(what) atomic_long_add(atomic_long_read(&from->what), &to->what)
	ADD(merged);
	ADD(broken);
	ADD(compressed);
	ADD(decompressed);
	ADD(incompressible);
	ADD(swapped_out);
	ADD(swapped_in);
#undef ADD
}

/* The top becomes part of what is below it, which is on top then. */
static void collapse(struct lodge_object *o)
{
	struct lodge_layer *top = o->top, *below = top->parent;
	struct rw_semaphore *tree = lodge_layer_tree(below);
	unsigned long index;
	void *entry;

	if (READ_ONCE(top->mergeable))
		lodge_domain_add(below);
	else
		lodge_domain_remove(below);

	xa_for_each(&top->entries, index, entry) {
		sink(o, top, below, index);
		cond_resched();
	}
	down_write(tree);
	list_del_init(&top->sibling);
	/* Who is on the way down by RCU goes on; the object has a reference of its own. */
	refcount_inc(&below->users);
	top->object = NULL;
	below->object = o;
	/* As in branch(). */
	smp_store_release(&o->top, below);
	up_write(tree);
	add_counts(below, top);
	lodge_layer_put(top);
}

static bool is_full(const struct lodge_layer *l)
{
	int n = 0;

	for (; l; l = l->parent)
		n++;
	return n >= LAYERS_MAX;
}

/**
 * lodge_object_fork - an object has, for its own, what another one has now
 * @o: the other one; under its inode's lock
 * @child: the object: new, of the same domain, and nobody else's yet
 *
 * Context: may sleep, and waits for whoever is getting a page of @o.
 * Return: 0; -ENOMEM or -EHWPOISON, and @child is of no use; -EMLINK if @o is a fork of a fork of ...
 */
int lodge_object_fork(struct lodge_object *o, struct lodge_object *child)
{
	struct lodge_domain *d = o->top->domain;
	struct lodge_layer *top;
	bool mergeable;
	int ret = 0;

	if (WARN_ON_ONCE(child->top->domain != d))
		return -EINVAL;
	top = lodge_layer_new(d->uid, d->name);
	if (!top)
		return -ENOMEM;
	down_write(&o->chain);
	while (is_alone(o->top))
		collapse(o);
	if (is_full(o->top))
		ret = -EMLINK;
	if (!ret) {
		settle(o);
		ret = note_held(o->top, top, child->top);
	}
	if (!ret) {
		struct lodge_layer *below = o->top;

		i_size_write(&child->inode, i_size_read(&o->inode));
		mergeable = READ_ONCE(below->mergeable);
		branch(o, top, child->top);
		move_held(below, top);
	} else {
		forget_held(top);
	}
	up_write(&o->chain);
	if (ret) {
		lodge_layer_put(top);
		return ret;
	}
	if (mergeable) {
		lodge_domain_add(top);
		lodge_domain_add(child->top);
	}
	return 0;
}
