/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lodge memory: objects, whose pages the hypervisor owns.
 */
#ifndef LODGE_OBJECT_H
#define LODGE_OBJECT_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/xarray.h>

#include "npt/npt.h"
#include "uapi/lodge.h"

struct lodge_domain;
struct lodge_pool;
struct mem_cgroup;

/* Offsets in pages have 32 bits. */
#define LODGE_OBJECT_MAX	(1ll << 44)

/*
 * An entry of an object's index. Nothing: absent. An address: a private page,
 * to which the entry holds a reference. An address with tag 3: a struct
 * lodge_sharer, of a shared page. A value: no page, and why; what is
 * compressed or swapped, with where it is.
 */
#define ENTRY_HOLE	xa_mk_value(LODGE_PAGE_ABSENT << 1)	/* was read */
#define ENTRY_ZERO	xa_mk_value(LODGE_PAGE_ZERO << 1)
#define ENTRY_ZERO_SEEN	xa_mk_value(LODGE_PAGE_ZERO << 1 | BIT(8))
/* Nothing, which nobody has seen, whatever there is in the layers below. */
#define ENTRY_CUT	xa_mk_value(LODGE_PAGE_ABSENT << 1 | BIT(8))
/* The host has it back; nobody has seen it since. */
#define ENTRY_DISCARDED	xa_mk_value(LODGE_PAGE_DISCARDED << 1)
#define ENTRY_TAG	3
/* Words of 54 bits, signed. */
#define ENTRY_MAKE(state, word)	\
	xa_mk_value(((unsigned long)(word) << 9 & LONG_MAX) | (state) << 1)
#define ENTRY_WORD(entry)	((unsigned long)((long)(entry) >> 10))
/* It was compressed, and the pool has something else now. */
#define ENTRY_LOST	ENTRY_MAKE(LODGE_PAGE_COMPRESSED, 0)

/* Written since it was last hashed, or never hashed. */
#define LODGE_WRITTEN	XA_MARK_0
/* Compressed, most likely. */
#define LODGE_PACKED	XA_MARK_1
/* Of the first page of a block: it may be mapped as a whole. */
#define LODGE_BLOCK	XA_MARK_2
#define LODGE_BLOCK_ORDER	9
#define LODGE_BLOCK_PAGES	(1ul << LODGE_BLOCK_ORDER)
#define LODGE_NO_BLOCK		ULONG_MAX

/**
 * struct lodge_layer - pages, and perhaps others below them
 * @entries: its pages, by their offset
 * @zero: what is seen where there is no page; its lock is that of all entries
 *	without one that may have been seen
 * @parent: what shows where this one has no entry; NULL if that is nothing
 * @tree: of the root, its tree's lock; see lodge_layer_tree()
 * @children: layers whose parent this is; they, @sibling and @object are under
 *	the lock of the tree
 * @sibling: in @parent's children
 * @object: which has it on top, and writes to it; NULL: nobody writes to it any more
 * @users: this object; the children; who uses it at the moment
 * @id: never used again
 * @memcg: the creator's, which is charged for what merging and the pool need
 * @pages: by state
 * @merged: pages ever merged
 * @broken: of these, written later
 * @domain: within which its pages may be merged; never changes
 * @domain_list: in @domain
 * @cursor: where the domain's scan is; under the domain's mutex
 * @mergeable: LODGE_MEMORY_MERGEABLE; under the domain's mutex
 * @pool: where its pages are compressed to; never changes
 * @pool_list: in @pool
 * @goal: pages that it shall hold, compressed ones included; 0: nobody has said
 * @hand: where reclaim is; under the pool's mutex
 * @hand_block: of which block it knows in this turn whether it was used, or LODGE_NO_BLOCK
 * @hand_used: whether it was
 * @spill_hand: where it is that writes to the swap file what is compressed
 * @compressed: pages ever compressed
 * @decompressed: of these, came back
 * @incompressible: how often a page didn't shrink to half
 * @packed: bytes of its compressed pages
 * @swapped_out: pages ever swapped
 * @swapped_in: pages that came back from there
 * @rcu: to free it
 */
struct lodge_layer {
	struct xarray entries;
	struct page *zero;
	struct lodge_layer *parent;
	struct rw_semaphore tree;
	struct list_head children, sibling;
	struct lodge_object *object;
	refcount_t users;
	u64 id;
	struct mem_cgroup *memcg;
	atomic_long_t pages[LODGE_PAGE_STATES];
	atomic_long_t merged, broken;
	struct lodge_domain *domain;
	struct list_head domain_list;
	pgoff_t cursor;
	bool mergeable;
	struct lodge_pool *pool;
	struct list_head pool_list;
	u64 goal;
	pgoff_t hand, hand_block, spill_hand;
	struct lodge_npt_dirty hand_used;
	atomic_long_t compressed, decompressed, incompressible, packed;
	atomic_long_t swapped_out, swapped_in;
	struct rcu_head rcu;
};

/**
 * struct lodge_object - guest memory that the hypervisor owns
 * @inode: its regular file
 * @chain: what changes @top takes it for writing, what goes by it for reading; or RCU
 * @top: the layer that it writes to; those below are shared with others
 */
struct lodge_object {
	struct inode inode;
	struct rw_semaphore chain;
	struct lodge_layer *top;
};

/* For what can be done without: nobody is killed for it. */
#define LODGE_GFP_NOTE	(GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN)

/* Pages that a layer takes: what is compressed counts as what that takes. */
static inline u64 lodge_layer_held(const struct lodge_layer *l)
{
	return atomic_long_read(&l->pages[LODGE_PAGE_PRIVATE]) +
	       (atomic_long_read(&l->packed) >> PAGE_SHIFT);
}

static inline struct lodge_object *lodge_object(const struct inode *inode)
{
	return container_of(inode, struct lodge_object, inode);
}

static inline unsigned int lodge_entry_state(const void *entry)
{
	if (!entry)
		return LODGE_PAGE_ABSENT;
	switch (xa_pointer_tag((void *)entry)) {
	case 0:
		return LODGE_PAGE_PRIVATE;
	case ENTRY_TAG:
		return LODGE_PAGE_SHARED;
	default:
		return xa_to_value(entry) >> 1 & 0x7f;
	}
}

/*
 * What a private page says about itself, in words of struct page that are the
 * owner's: whose it is, where there, how merging has fared with it. Under the
 * page's lock. ksm/index.c has the rest.
 */
static inline struct lodge_layer *lodge_page_layer(const struct page *page)
{
	return (struct lodge_layer *)page->lru.prev;
}

static inline void lodge_page_set_owner(struct page *page, void *owner)
{
	page->lru.prev = owner;
}

static inline pgoff_t lodge_page_offset(const struct page *page)
{
	return page->index & U32_MAX;
}

/* How many passes of merging leave it alone, and how many the next time. */
static inline u8 lodge_page_rest(const struct page *page)
{
	return page->index >> 32;
}

static inline u8 lodge_page_backoff(const struct page *page)
{
	return page->index >> 40;
}

/* One pass less. */
static inline void lodge_page_rested(struct page *page)
{
	page->index -= BIT_ULL(32);
}

static inline void lodge_page_set_rest(struct page *page, u8 rest, u8 backoff)
{
	page->index = (page->index & ~(0xffffull << 32)) | (u64)rest << 32 |
		      (u64)backoff << 40;
}

/* Whether it may be in a view; what isn't, needn't be taken out. */
static inline bool lodge_page_seen(const struct page *page)
{
	return page->index & BIT_ULL(48);
}

static inline void lodge_page_set_seen(struct page *page)
{
	page->index |= BIT_ULL(48);
}

/* Reclaim has looked at it, and it was in no view then; it didn't shrink. */
static inline bool lodge_page_aged(const struct page *page)
{
	return page->index & BIT_ULL(49);
}

static inline bool lodge_page_stiff(const struct page *page)
{
	return page->index & BIT_ULL(50);
}

/* Not written since lodge_object_watch(). */
static inline bool lodge_page_still(const struct page *page)
{
	return page->index & BIT_ULL(51);
}

static inline void lodge_page_set_still(struct page *page, bool still)
{
	page->index = (page->index & ~BIT_ULL(51)) | (u64)still << 51;
}

/* Hashed where it is, in views: what the index has may be what it was once. */
static inline bool lodge_page_peeked(const struct page *page)
{
	return page->index & BIT_ULL(52);
}

static inline void lodge_page_set_peeked(struct page *page, bool peeked)
{
	page->index = (page->index & ~BIT_ULL(52)) | (u64)peeked << 52;
}

static inline void lodge_page_set_aged(struct page *page, bool stiff)
{
	page->index = (page->index & (BIT_ULL(48) - 1 + BIT_ULL(52))) | BIT_ULL(49) |
		      (u64)stiff << 50;
}

/* And it is in no view; whether it is still isn't known any more. */
static inline void lodge_page_set_offset(struct page *page, pgoff_t offset,
					 u8 rest, u8 backoff)
{
	page->index = (u32)offset | (u64)rest << 32 | (u64)backoff << 40;
}

/* layer.c */
struct lodge_layer *lodge_layer_new(kuid_t uid, const char *domain);
void lodge_layer_put(struct lodge_layer *l);
void lodge_layer_unview(struct lodge_layer *l, pgoff_t first, pgoff_t nr);
struct lodge_npt_dirty lodge_layer_written(struct lodge_layer *l, pgoff_t first,
					   unsigned int nr);
struct lodge_npt_dirty lodge_layer_used(struct lodge_layer *l, pgoff_t first,
					unsigned int nr);
void lodge_layer_flush(struct lodge_layer *l);
void lodge_layer_replace(struct lodge_layer *l, pgoff_t index, void *old, void *new);
void lodge_layer_clean(struct lodge_layer *l, pgoff_t index, struct page *page);
void lodge_layer_leave(struct lodge_layer *l, pgoff_t index, struct page *page,
		       void *entry);
bool lodge_layer_spilled(struct lodge_layer *l, pgoff_t index, void *entry,
			 unsigned long slot);

/* object.c */
int lodge_object_init(struct lodge_object *o, const char *domain);
void lodge_object_destroy(struct lodge_object *o);
struct lodge_layer *lodge_object_layer(struct lodge_object *o, unsigned int depth);
int lodge_object_get(struct lodge_object *o, pgoff_t index, bool write,
		     struct page **pagep);
int lodge_object_get_now(struct lodge_object *o, pgoff_t index, bool write,
			 struct page **pagep);
int lodge_object_fetch(struct lodge_object *o, pgoff_t index, bool write);
struct page *lodge_object_try(struct lodge_object *o, pgoff_t index, bool write);
struct page *lodge_object_peek(struct lodge_object *o, pgoff_t index);
void *lodge_object_entry(struct lodge_object *o, pgoff_t index);
bool lodge_object_find(struct lodge_object *o, unsigned long *index, pgoff_t last,
		       void **entry);
bool lodge_object_slow(struct lodge_object *o, pgoff_t index);
void lodge_object_drop(struct lodge_object *o, pgoff_t first, pgoff_t last);
void lodge_object_discard(struct lodge_object *o, pgoff_t first, pgoff_t last);
void lodge_object_watch(struct lodge_object *o, pgoff_t first, pgoff_t last);
void lodge_object_discard_still(struct lodge_object *o, pgoff_t first, pgoff_t last);
int lodge_object_zero(struct lodge_object *o, loff_t from, loff_t to);
void lodge_object_unview(struct lodge_object *o, pgoff_t first, pgoff_t nr);
int lodge_object_unmerge(struct lodge_object *o);

/* fork.c */
int lodge_object_fork(struct lodge_object *o, struct lodge_object *child);

/* block.c */
static inline pgoff_t lodge_block_base(pgoff_t index)
{
	return index & ~(LODGE_BLOCK_PAGES - 1);
}

/* Whether there is a block there, as yet whole. */
static inline bool lodge_block_at(struct lodge_layer *l, pgoff_t index)
{
	return xa_get_mark(&l->entries, lodge_block_base(index), LODGE_BLOCK);
}

bool lodge_block_fill(struct lodge_object *o, pgoff_t index);
bool lodge_block_may(struct lodge_object *o, pgoff_t index, const struct page *page);
bool lodge_block_lock(struct page *page);
void lodge_block_unlock(struct page *page);
void lodge_block_unview(struct lodge_layer *l, pgoff_t first, pgoff_t nr);

/* There is no page, but contents; in no view. */
static inline bool lodge_entry_away(const void *entry)
{
	return lodge_entry_state(entry) == LODGE_PAGE_COMPRESSED ||
	       lodge_entry_state(entry) == LODGE_PAGE_SWAPPED;
}

/* There is nothing but zeroes. */
static inline bool lodge_entry_empty(const void *entry)
{
	unsigned int state = lodge_entry_state(entry);

	return state == LODGE_PAGE_ABSENT || state == LODGE_PAGE_ZERO ||
	       state == LODGE_PAGE_DISCARDED;
}

static inline void *lodge_entry_swapped(unsigned long slot)
{
	return ENTRY_MAKE(LODGE_PAGE_SWAPPED, slot);
}

/* What lodge_object_get() gave. */
static inline void lodge_object_put(struct page *page)
{
	unlock_page(page);
	put_page(page);
}

/* view.c */
void lodge_views_used(struct address_space *mapping, pgoff_t first, unsigned int nr,
		      struct lodge_npt_dirty *used);
struct lodge_npt_dirty lodge_views_written(struct address_space *mapping, pgoff_t first,
					   unsigned int nr);
void lodge_views_flush(struct address_space *mapping);
void lodge_views_zap(struct address_space *mapping, pgoff_t index);
void lodge_views_remapped(struct mm_struct *mm, unsigned long start, unsigned long end);

/* file.c, lodgefs.c */
int lodge_args_get(void *args, size_t max, size_t least, void __user *from, u32 *size);
bool lodge_object_mapped(const struct vm_area_struct *vma);
extern const struct file_operations lodge_object_fops;
extern const struct inode_operations lodge_object_iops;
struct file *lodge_object_file(u64 bytes, u32 flags, const char *domain);
void lodge_object_info(const struct lodge_object *o, struct lodge_memory_info *info);
long lodge_object_create(void __user *arg);
int lodgefs_init(void);
void lodgefs_exit(void);

#endif /* LODGE_OBJECT_H */
