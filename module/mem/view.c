// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a guest comes by the pages of an object: a slot's address is resolved, under
 * mmap_lock, to an object and an offset, and what lies there goes into the
 * nested tables without the launcher's page tables being asked, or filled.
 *
 * The MMU notifier is what makes that safe, as it does for the user provider (user.c):
 * whoever takes a page of an object out of all views goes through the mappings
 * of its file, and for each of them the notifier zaps the range, whether the
 * launcher has mapped the page or not. A page is locked from when it is looked
 * up until it is mapped, so that its entry doesn't change in between.
 *
 * What was resolved is remembered in the slot, so that the next fault can be
 * served with interrupts off. It is forgotten as soon as the notifier tells of
 * anything but pages that are taken out of a mapping (MMU_NOTIFY_CLEAR): the mapping
 * may be another then. Who has read it before meets the invalidation when the page is
 * to be put in. The object, whose mapping may be gone, is freed by RCU, and has
 * no entries then.
 *
 * From an object to the nested tables that map its pages leads the kernel's tree of the
 * mappings of its file, and a table of VMs by their mm. A page that is in no page table of
 * the kernel's can be taken out of views by that way alone, if its lock is held and nobody
 * else has a reference: whoever has just taken it out of a page table has one until
 * TLBs are flushed.
 */
#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/interval_tree_generic.h>
#include <linux/mm.h>
#include <linux/pkeys.h>
#include <linux/slab.h>
#include <linux/userfaultfd_k.h>

#include "lodge.h"
#include "mem/pool.h"

/**
 * struct lodge_view - what a part of a slot's addresses was resolved to
 * @object: whose pages are there; not held
 * @start: the first address
 * @end: the one after the last
 * @offset: of the page at @start
 * @writable: the mapping may be written
 * @rcu: to free it
 */
struct lodge_view {
	struct lodge_object *object;
	unsigned long start, end;
	pgoff_t offset;
	bool writable;
	struct rcu_head rcu;
};

/**
 * lodge_view_drop - forget what a slot was resolved to
 * @slot: the slot, under vm->srcu; or one that nobody uses any more
 */
void lodge_view_drop(struct lodge_slot *slot)
{
	struct lodge_view *view = unrcu_pointer(xchg(&slot->view, NULL));

	if (view)
		kfree_rcu(view, rcu);
}

static void view_store(struct lodge_slot *slot, struct lodge_object *o,
		       const struct vm_area_struct *vma)
{
	struct lodge_view *view = kmalloc(sizeof(*view), GFP_KERNEL_ACCOUNT);

	/* Without it each fault is a slow one. */
	if (!view)
		return;
	view->object = o;
	view->start = vma->vm_start;
	view->end = vma->vm_end;
	view->offset = vma->vm_pgoff;
	view->writable = vma->vm_flags & VM_WRITE;
	view = unrcu_pointer(xchg(&slot->view, RCU_INITIALIZER(view)));
	if (view)
		kfree_rcu(view, rcu);
}

/** lodge_view_known - whether a slot is known to have an object there */
bool lodge_view_known(struct lodge_slot *slot, unsigned long hva)
{
	const struct lodge_view *view;
	bool known;

	rcu_read_lock();
	view = rcu_dereference(slot->view);
	known = view && hva >= view->start && hva < view->end;
	rcu_read_unlock();
	return known;
}

/* Whether the mapping, from @start to @end, has all of the block in one place. */
static bool fits_block(unsigned long hva, pgoff_t index, unsigned long start,
		       unsigned long end)
{
	unsigned long base = hva & PMD_MASK;

	return !(((hva >> PAGE_SHIFT) ^ index) & (LODGE_BLOCK_PAGES - 1)) &&
	       base >= start && base + PMD_SIZE <= end;
}

/* The page is locked, and stays so until it is put in. */
static void found(struct lodge_page *page, const struct lodge_object *o, struct page *p,
		  bool writable)
{
	page->page = p;
	page->pfn = page_to_pfn(p);
	page->level = 1;
	page->whole = false;
	/* One that isn't marked as written asks first; what is below is never written. */
	page->writable = writable && lodge_page_layer(p) == READ_ONCE(o->top) &&
			 PageDirty(p);
}

/**
 * lodge_view_get_atomic - a page of an object, where a slot is known to have one
 * @slot: the slot
 * @hva: where
 * @write: it will be written
 * @page: set to the page; lodge_view_put() lets it go
 *
 * Context: interrupts may be off.
 * Return: 0, -EAGAIN if it takes lodge_view_get(), -ENOENT if nothing is known.
 */
int lodge_view_get_atomic(struct lodge_slot *slot, unsigned long hva, bool write,
			  struct lodge_page *page)
{
	const struct lodge_view *view;
	int ret = -ENOENT;
	struct page *p;
	pgoff_t index;

	rcu_read_lock();
	view = rcu_dereference(slot->view);
	if (!view || hva < view->start || hva >= view->end)
		goto out;
	ret = -EAGAIN;
	if (write && !view->writable)
		goto out;
	index = view->offset + ((hva - view->start) >> PAGE_SHIFT);
	p = lodge_object_try(view->object, index, write);
	if (!p)
		goto out;
	found(page, view->object, p, view->writable);
	if (page->writable && lodge_block_may(view->object, index, p) &&
	    fits_block(hva, index, view->start, view->end))
		page->level = 2;
	ret = 0;
out:
	rcu_read_unlock();
	return ret;
}

/* Other mappings have their own ideas of who may touch a page, and when. */
static bool is_view(const struct vm_area_struct *vma, bool write)
{
	return lodge_object_mapped(vma) && !userfaultfd_armed((void *)vma) &&
	       !vma_pkey((void *)vma) && (vma->vm_flags & VM_READ) &&
	       (!write || (vma->vm_flags & VM_WRITE));
}

/* What takes the swap file first; the next fault finds it. Lets mmap_lock go. */
static int fetch_unlocked(struct file *file, pgoff_t index, bool write)
{
	int ret;

	get_file(file);
	mmap_read_unlock(current->mm);
	ret = lodge_object_fetch(lodge_object(file_inode(file)), index, write);
	fput(file);
	if (ret == -ENOMEM)
		return ret;
	/* A page that can't be had is as good as none. */
	return ret == -EIO ? -EFAULT : -EAGAIN;
}

/**
 * lodge_view_get - the page of an object that a mapping of the process has
 * @slot: the slot
 * @hva: where
 * @write: it will be written
 * @page: set to the page; lodge_view_put() lets it go
 *
 * Context: may sleep; of the slot's process.
 * Return: 0; -ENOENT if no object is mapped there; -EFAULT beyond its end, or where
 * it can't be read; -EAGAIN: to be asked again; -ENOMEM.
 */
int lodge_view_get(struct lodge_slot *slot, unsigned long hva, bool write,
		   struct lodge_page *page)
{
	struct vm_area_struct *vma;
	struct lodge_object *o;
	struct page *p;
	pgoff_t index;
	int ret;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, hva);
	ret = vma && is_view(vma, write) ? 0 : -ENOENT;
	if (ret)
		goto out;
	/* The mapping holds the object; then its locked page does. */
	o = lodge_object(file_inode(vma->vm_file));
	index = vma->vm_pgoff + ((hva - vma->vm_start) >> PAGE_SHIFT);
	ret = lodge_object_slow(o, index) ? -EBUSY : lodge_object_get_now(o, index, write, &p);
	if (ret == -EBUSY)
		return fetch_unlocked(vma->vm_file, index, write);
	if (ret)
		goto out;
	found(page, o, p, vma->vm_flags & VM_WRITE);
	if (page->writable && lodge_block_may(o, index, p) &&
	    fits_block(hva, index, vma->vm_start, vma->vm_end))
		page->level = 2;
	if (!lodge_view_known(slot, hva))
		view_store(slot, o, vma);
out:
	mmap_read_unlock(current->mm);
	return ret == -EIO ? -EFAULT : ret;
}

/** lodge_view_widen - a page shall be put in with the block that it is in */
bool lodge_view_widen(struct lodge_page *page)
{
	page->whole = lodge_block_lock(page->page);
	return page->whole;
}

/** lodge_view_put - a page has been put into the nested tables, or not */
void lodge_view_put(struct lodge_page *page, bool dirty)
{
	if (!page->page)
		return;
	if (page->whole)
		lodge_block_unlock(page->page);
	lodge_object_put(page->page);
}

/**
 * lodge_view_objects - the objects behind a VM's slots, as far as they are known
 * @vm: the VM
 * @objects: filled in with each of them once
 *
 * A VM with more than there is room for is not known better than that.
 *
 * Context: under vm->srcu and RCU; an object found so may be about to be freed.
 * Return: how many, LODGE_VIEW_OBJECTS at most.
 */
unsigned int lodge_view_objects(struct lodge_vm *vm,
				struct lodge_object *objects[LODGE_VIEW_OBJECTS])
{
	struct lodge_slots *slots = lodge_slots(vm);
	/* Pairs with slots_put(). */
	unsigned int i, k, found = 0, nr = smp_load_acquire(&slots->nr);

	for (i = 0; i < nr && found < LODGE_VIEW_OBJECTS; i++) {
		const struct lodge_view *view = rcu_dereference(slots->slot[i]->view);

		for (k = 0; view && k < found && objects[k] != view->object; k++)
			;
		if (view && k == found)
			objects[found++] = view->object;
	}
	return found;
}

/**
 * lodge_views_ended - the process of a VM goes, and what it holds of objects after it
 * @vm: the VM
 *
 * What its slots were resolved to is forgotten, and what the objects shall hold for it. To the
 * kernel a process that was killed for memory has given all back when its own has gone: who
 * wants some then would have the next one killed.
 */
void lodge_views_ended(struct lodge_vm *vm)
{
	struct lodge_object *o[LODGE_VIEW_OBJECTS];
	int idx = srcu_read_lock(&vm->srcu);
	struct lodge_slots *slots = lodge_slots(vm);
	unsigned int i, nr;

	rcu_read_lock();
	nr = lodge_view_objects(vm, o);
	for (i = 0; i < nr; i++) {
		struct lodge_layer *l = READ_ONCE(o[i]->top);

		WRITE_ONCE(l->goal, 0);
		WRITE_ONCE(l->pool->ended, jiffies);
	}
	rcu_read_unlock();
	/* Pairs with slots_put(). */
	nr = smp_load_acquire(&slots->nr);
	for (i = 0; i < nr; i++)
		lodge_view_drop(slots->slot[i]);
	srcu_read_unlock(&vm->srcu, idx);
}

/**
 * lodge_view_info - what a VM's lodge memory is, all of its objects together
 * @vm: the VM
 * @info: filled in, but for size, flags, domain
 *
 * Context: doesn't sleep.
 */
void lodge_view_info(struct lodge_vm *vm, struct lodge_memory_info *info)
{
	struct lodge_object *o[LODGE_VIEW_OBJECTS];
	int idx = srcu_read_lock(&vm->srcu);
	unsigned int i, nr;

	memset(info, 0, sizeof(*info));
	rcu_read_lock();
	nr = lodge_view_objects(vm, o);
	for (i = 0; i < nr; i++) {
		lodge_object_info(o[i], info);
		info->pool = READ_ONCE(READ_ONCE(o[i]->top)->pool->bytes);
	}
	rcu_read_unlock();
	srcu_read_unlock(&vm->srcu, idx);
}

/**
 * lodge_view_states - what pages of a slot are, as far as that is known
 * @slot: the slot, under vm->srcu
 * @hva: where the first one is
 * @states: set to a byte for each: LODGE_PAGE_* or LODGE_MAP_OTHER
 * @nr: how many
 *
 * Context: doesn't sleep.
 */
void lodge_view_states(struct lodge_slot *slot, unsigned long hva, u8 *states, u32 nr)
{
	const struct lodge_view *view;
	u32 i;

	rcu_read_lock();
	view = rcu_dereference(slot->view);
	for (i = 0; i < nr; i++, hva += PAGE_SIZE)
		states[i] = !view || hva < view->start || hva >= view->end ?
			LODGE_MAP_OTHER :
			lodge_entry_state(lodge_object_entry(view->object, view->offset +
						((hva - view->start) >> PAGE_SHIFT)));
	rcu_read_unlock();
}

static DEFINE_HASHTABLE(vms, 6);
/* A VM that is found there stays under it. */
static DECLARE_RWSEM(vms_lock);

/** lodge_views_join - a VM's nested tables may map objects from here on */
void lodge_views_join(struct lodge_vm *vm)
{
	down_write(&vms_lock);
	hash_add(vms, &vm->mem.node, (unsigned long)vm->mm);
	up_write(&vms_lock);
}

/** lodge_views_leave - a VM that will not run again */
void lodge_views_leave(struct lodge_vm *vm)
{
	down_write(&vms_lock);
	hash_del(&vm->mem.node);
	up_write(&vms_lock);
}

/**
 * lodge_views_remapped - rights to addresses of a process change
 * @mm: of which one
 * @start: the first address
 * @end: the one after the last
 *
 * mprotect() tells the notifier only of what is in page tables, which lodge memory needs not be.
 *
 * Context: mmap_lock is held for writing; may sleep.
 */
void lodge_views_remapped(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct lodge_vm *vm;

	down_read(&vms_lock);
	hash_for_each_possible(vms, vm, mem.node, (unsigned long)mm)
		if (vm->mm == mm)
			lodge_mem_remapped(vm, start, end);
	up_read(&vms_lock);
}

static inline pgoff_t vma_first(struct vm_area_struct *vma)
{
	return vma->vm_pgoff;
}

static inline pgoff_t vma_last(struct vm_area_struct *vma)
{
	return vma->vm_pgoff + vma_pages(vma) - 1;
}

/* The tree as the kernel has it, whose own functions aren't exported. */
INTERVAL_TREE_DEFINE(struct vm_area_struct, shared.rb, pgoff_t, shared.rb_subtree_last,
		     vma_first, vma_last, static inline, mapped)

/* A VM that maps [start, end); the dirty bits of its pages, from bit @bit on. */
static void vm_range(struct lodge_vm *vm, unsigned long start, unsigned long end,
		     bool zap, unsigned int bit, struct lodge_npt_dirty *dirty)
{
	if (dirty) {
		struct lodge_npt_dirty d = { .whole = dirty->whole, .age = dirty->age };

		if (d.whole)
			bit = 0;
		lodge_mem_range(vm, LODGE_NPT_CLEAN, start, end, 0, &d);
		dirty->written |= d.written << bit;
		dirty->still |= d.still << bit;
		dirty->young |= d.young << bit;
		dirty->huge |= d.huge;
		dirty->blind |= d.blind;
		return;
	}
	if (zap)
		lodge_mem_range(vm, LODGE_NPT_ZAP, start, end, LODGE_RANGE_SLEEP, NULL);
	lodge_npt_flush_rest(vm);
}

/* What VMs map of pages @first to @last: asked for dirty bits, or zapped, or only flushed. */
static void views_range(struct address_space *mapping, pgoff_t first, pgoff_t last,
			bool zap, struct lodge_npt_dirty *dirty)
{
	struct vm_area_struct *vma;
	struct lodge_vm *vm;

	i_mmap_lock_read(mapping);
	for (vma = mapped_iter_first(&mapping->i_mmap, first, last); vma;
	     vma = mapped_iter_next(vma, first, last)) {
		pgoff_t from = max(first, vma_first(vma));
		pgoff_t nr = min(last, vma_last(vma)) - from + 1;
		unsigned long start = vma->vm_start +
				      ((from - vma_first(vma)) << PAGE_SHIFT);

		/* A private mapping may have other pages there. */
		if (dirty && !lodge_object_mapped(vma))
			continue;
		down_read(&vms_lock);
		hash_for_each_possible(vms, vm, mem.node, (unsigned long)vma->vm_mm) {
			if (vm->mm == vma->vm_mm)
				vm_range(vm, start, start + (nr << PAGE_SHIFT), zap,
					 from - first, dirty);
			cond_resched();
		}
		up_read(&vms_lock);
	}
	i_mmap_unlock_read(mapping);
}

/**
 * lodge_views_written - which pages of an object guests have written, and begin anew
 * @mapping: the object's
 * @first: the first page
 * @nr: how many; of more than 64, bit 0 says it of all together
 *
 * A hint: it takes lodge_views_flush() for them to be told reliably the next time.
 *
 * Context: may sleep.
 */
struct lodge_npt_dirty lodge_views_written(struct address_space *mapping, pgoff_t first,
					   unsigned int nr)
{
	struct lodge_npt_dirty sum = { .whole = nr > 64 };

	views_range(mapping, first, first + nr - 1, false, &sum);
	sum.still &= ~sum.written;
	return sum;
}

/**
 * lodge_views_used - which pages of an object guests have used, and begin anew
 * @mapping: the object's
 * @first: the first page
 * @nr: how many; of more than 64, bit 0 says it of all together
 * @used: what is found is added: @young, @still, @blind
 *
 * As lodge_views_written(). Page tables of the kernel's aren't asked.
 *
 * Context: may sleep.
 */
void lodge_views_used(struct address_space *mapping, pgoff_t first, unsigned int nr,
		      struct lodge_npt_dirty *used)
{
	used->age = true;
	used->whole = nr > 64;
	views_range(mapping, first, first + nr - 1, false, used);
}

/** lodge_views_flush - TLBs forget what lodge_views_written() or _used() has taken away */
void lodge_views_flush(struct address_space *mapping)
{
	views_range(mapping, 0, ULONG_MAX, false, NULL);
}

/**
 * lodge_views_zap - take a page that is in nested tables only out of them
 * @mapping: the object's
 * @index: which page; its lock is held, and nobody else has a reference
 *
 * Context: may sleep.
 */
void lodge_views_zap(struct address_space *mapping, pgoff_t index)
{
	views_range(mapping, index, index, true, NULL);
}
