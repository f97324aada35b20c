/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where pages of objects go that are not used: compressed.
 */
#ifndef LODGE_POOL_H
#define LODGE_POOL_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "mem/object.h"

struct crypto_comp;
struct shrinker;
struct zs_pool;

/**
 * struct lodge_pool - the objects of one memory cgroup, and their compressed pages
 * @list: all pools, under the list's lock
 * @lru: by which the kernel knows that the cgroup has a pool
 * @users: layers, and who uses it at the moment; under the list's lock
 * @memcg: which is charged for the pages of the pool
 * @work: reclaims what is wanted
 * @wanted: pages that shrinkers want
 * @gone: pages that went since they were told
 * @tight: jiffies; some time after a limit of the cgroup was last in the way; under the
 *	list's lock
 * @barren: jiffies when the work last found nothing
 * @ended: jiffies when a process with some of its objects last ended
 * @mutex: one reclaims at a time; protects the rest
 * @layers: in the order in which they are looked through
 * @nr: how many
 * @pages: how many private ones they had when that was last counted; read without it
 * @bytes: memory that it took when that last changed; also read under RCU, of a pool
 *	that may be another one by then
 * @zs: compressed pages; NULL if there is no way to compress
 * @tfm: what compresses
 * @buffer: to which
 */
struct lodge_pool {
	struct list_head list, lru;
	unsigned int users;
	struct mem_cgroup *memcg;
	struct work_struct work;
	atomic_long_t wanted, gone;
	unsigned long tight, barren, ended;
	struct mutex mutex;
	struct list_head layers;
	unsigned int nr;
	unsigned long pages;
	u64 bytes;
	struct zs_pool *zs;
	struct crypto_comp *tfm;
	void *buffer;
};

/* pool.c */
int lodge_pool_join(struct lodge_layer *l);
void lodge_pool_hide(struct lodge_layer *l);
void lodge_pool_leave(struct lodge_layer *l);
void *lodge_pool_pack(struct lodge_layer *l, struct page *page);
int lodge_pool_read(struct lodge_layer *l, void *entry, struct page *page);
int lodge_pool_unpack(struct lodge_layer *l, void *entry, struct page *page);
void lodge_pool_free(struct lodge_layer *l, void *entry);
void lodge_pool_moved(struct lodge_layer *from, struct lodge_layer *to, void *entry);
void lodge_pool_count(struct lodge_pool *p);
unsigned long lodge_pool_pages(struct mem_cgroup *memcg);
long lodge_pool_wake(struct mem_cgroup *memcg, unsigned long want,
		     struct workqueue_struct *queue);
u64 lodge_pool_bytes(const struct lodge_pool *p);
bool lodge_pool_next(struct lodge_pool **at);
bool lodge_pool_hold(struct lodge_pool *p);
void lodge_pool_put(struct lodge_pool *p);
int lodge_pool_init(struct shrinker *shrinker);
void lodge_pool_exit(void);

static inline bool lodge_pool_works(const struct lodge_pool *p)
{
	return p->zs;
}

/* reclaim.c */
struct lodge_reclaim {
	struct lodge_pool *pool;
	struct lodge_layer *only;	/* this layer's pages; may be gone, if */
	u64 id;				/* this isn't 0: its number */
	bool cold;			/* and none that was used lately */
	bool swap;			/* to the swap file, compressed ones as well */
	u64 want;			/* how many pages */
	u64 pages;			/* said in return: given back */
	u64 skipped;			/* held by others, or busy */
};

int lodge_reclaim(struct lodge_reclaim *r);
bool lodge_reclaim_for(struct lodge_pool *pool);
void lodge_reclaim_rates(u32 *percent, u32 *cold);
void lodge_reclaim_set_rates(u32 percent, u32 cold);
void lodge_reclaim_work(struct work_struct *work);
int lodge_reclaim_init(void);
void lodge_reclaim_exit(void);

#endif /* LODGE_POOL_H */
