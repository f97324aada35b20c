/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Merging of pages with equal contents.
 */
#ifndef LODGE_KSM_H
#define LODGE_KSM_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "mem/object.h"

/* More sharers than this, and the next one gets another page. */
#define LODGE_SHARERS_MAX	256
/* Percent of a CPU. */
#define LODGE_KSM_MAX_BUDGET	100
/* Passes that leave alone a page whose sharing was broken: longer if it was so before that. */
#define LODGE_REST_BROKEN	7
/* It was broken soon, if that was in so many passes. */
#define LODGE_SOON		64
#define LODGE_REST_MAX		63
/* Passes that leave alone a block in which nothing is written. */
#define LODGE_REST_STILL	7

/**
 * struct lodge_stable - a page that several entries share; read-only in all views
 * @page: the page, to which this holds one reference; its lock protects the rest
 * @nr: sharers
 * @sharers: the reverse map: struct lodge_sharer
 */
struct lodge_stable {
	struct page *page;
	unsigned int nr;
	struct hlist_head sharers;
};

/**
 * struct lodge_sharer - what an entry is whose page is shared
 * @node: in the reverse map
 * @stable: the shared page
 * @layer: whose entry it is
 * @index: which one
 * @seen: the page may be in a view of the layer
 * @backoff: passes that left its own page alone before
 * @pass: the last bits of the number of passes when it became this
 */
struct lodge_sharer {
	struct hlist_node node;
	struct lodge_stable *stable;
	struct lodge_layer *layer;
	u32 index;
	bool seen;
	u8 backoff;
	u16 pass;
};

static inline struct lodge_sharer *lodge_sharer(const void *entry)
{
	return xa_untag_pointer((void *)entry);
}

static inline void *lodge_sharer_entry(struct lodge_sharer *sharer)
{
	return xa_tag_pointer(sharer, ENTRY_TAG);
}

/**
 * struct lodge_index - pages by the hash of their contents
 * @lock: protects the rest
 * @segments: the buckets, a page of them each
 * @buckets: how many there are
 * @nr: pages in it
 */
struct lodge_index {
	spinlock_t lock;
	struct xarray segments;
	unsigned long buckets, nr;
};

/* Counters, in the order of struct lodge_domain_info from cpu_ns on. */
enum lodge_ksm_count {
	LODGE_KSM_CPU_NS,
	LODGE_KSM_PASSES,
	LODGE_KSM_VISITED,
	LODGE_KSM_HASHED,
	LODGE_KSM_MERGED,
	LODGE_KSM_BROKEN,
	LODGE_KSM_COOLING,
	LODGE_KSM_HELD,
	LODGE_KSM_BUSY,
	LODGE_KSM_DIFFER,
	LODGE_KSM_FULL,
	LODGE_KSM_STILL,
	LODGE_KSM_WRITTEN,
	LODGE_KSM_COUNTS
};

/**
 * struct lodge_domain - within which pages may be merged
 * @uid: whose it is
 * @name: which one of the owner's
 * @id: never used again
 * @budget: percent of a CPU for the scan; ksm_budget if that is less
 * @pass_ms: pause between two passes; ksm_pass_ms if that is more, or this is
 *	LODGE_DOMAIN_BY_POLICY
 * @users: layers, under the list's lock
 * @list: all domains
 * @mutex: one scans at a time; the lists and @spare
 * @layers: the mergeable ones that this pass has before it
 * @done: and those behind it
 * @index: pages that were hashed
 * @seed: of the hash
 * @spare: what the next merge needs
 * @stables: shared pages
 * @sharers: entries that share them
 * @zeroes: entries found zero
 * @counts: enum lodge_ksm_count
 * @work: the scan
 * @paid: when what it has taken of its budget is paid for; under @mutex
 */
struct lodge_domain {
	kuid_t uid;
	char name[LODGE_DOMAIN_NAME_MAX];
	u64 id;
	u32 budget, pass_ms;
	unsigned int users;
	struct list_head list;
	struct mutex mutex;
	struct list_head layers, done;
	struct lodge_index index;
	u64 seed;
	struct {
		struct lodge_stable *stable;
		struct lodge_sharer *sharer[2];
	} spare;
	atomic_long_t stables, sharers, zeroes;
	atomic64_t counts[LODGE_KSM_COUNTS];
	struct delayed_work work;
	u64 paid;
};

/* How many passes what was written again is left alone, after that many the last time. */
static inline u8 lodge_ksm_longer(u8 backoff)
{
	return min(2 * backoff + 1, LODGE_REST_MAX);
}

static inline bool lodge_domain_budget_ok(u32 budget)
{
	return budget <= LODGE_KSM_MAX_BUDGET || budget == LODGE_DOMAIN_BY_POLICY;
}

/* domain.c */
struct lodge_domain *lodge_domain_get(kuid_t uid, const char *name);
void lodge_domain_put(struct lodge_domain *d);
unsigned int lodge_domain_peers(const struct lodge_domain *d);
const char *lodge_domain_name(const struct lodge_domain *d);
void lodge_domain_add(struct lodge_layer *l);
void lodge_domain_remove(struct lodge_layer *l);
int lodge_domain_each(u64 from, int (*fn)(struct lodge_domain *d, void *arg), void *arg);
void lodge_domain_hold(struct lodge_domain *d);
void lodge_domain_info(struct lodge_domain *d, struct lodge_domain_info *info);
int lodge_ksm_init(void);
void lodge_ksm_exit(void);

/* scan.c */
void lodge_ksm_rates(u32 *budget, u32 *pass_ms);
void lodge_ksm_set_rates(u32 budget, u32 pass_ms);
int lodge_ksm_step(struct lodge_domain *d, bool begin, bool *more);
void lodge_ksm_work(struct work_struct *work);
int lodge_ksm_now(struct lodge_layer *l, pgoff_t first, pgoff_t count,
		  u64 *merged, u64 *skipped);

/* merge.c */
extern struct kmem_cache *lodge_stables, *lodge_sharers;
bool lodge_ksm_zero(struct lodge_layer *l, pgoff_t index, struct page *page);
bool lodge_ksm_merge(struct lodge_layer *l, pgoff_t index, struct page *page);
bool lodge_ksm_peek(struct lodge_layer *l, struct page *page);
void lodge_ksm_unshare(struct lodge_sharer *sharer);
bool lodge_ksm_take_over(struct lodge_sharer *sharer);
u8 lodge_ksm_rest(const struct lodge_sharer *sharer);
void lodge_ksm_forget(struct lodge_layer *l, struct page *page);
void lodge_ksm_broken(struct lodge_layer *l);
void lodge_ksm_spare_free(struct lodge_domain *d);

static inline void lodge_ksm_count(struct lodge_domain *d, enum lodge_ksm_count what,
				   u64 n)
{
	atomic64_add(n, &d->counts[what]);
}

/* index.c */
int lodge_index_init(struct lodge_index *x);
void lodge_index_destroy(struct lodge_index *x);
int lodge_index_grow(struct lodge_index *x);
void lodge_index_insert(struct lodge_index *x, struct page *page, u64 hash);
void lodge_index_remove(struct lodge_index *x, struct page *page);
void lodge_index_own(struct lodge_index *x, struct page *page, void *owner, bool stable);
struct page *lodge_index_find(struct lodge_index *x, u64 hash, void **owner,
			      bool *stable);

/* The chain of a bucket ends with this; NULL is in a page that isn't in any. */
#define LODGE_INDEX_END		((struct page *)16ul)

static inline void lodge_index_new(struct page *page)
{
	page->lru.next = NULL;
}

static inline bool lodge_index_has(const struct page *page)
{
	return READ_ONCE(page->lru.next);
}

#endif /* LODGE_KSM_H */
