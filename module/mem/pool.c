// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compressed pages: a pool for each memory cgroup, of the kernel's zsmalloc, with LZ4.
 *
 * The entry of a compressed page is the pool's handle, and nothing else is remembered of
 * it. In the pool its length comes first. Nobody sees such a page, so its entry
 * needs no lock: whoever replaces it, by compare-and-exchange, has the handle for
 * himself, takes the page out and frees it.
 *
 * zsmalloc may be a module that isn't there, LZ4 too. They are looked for when the
 * first object of a cgroup is made; without them nothing is compressed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/crypto.h>
#include <linux/highmem.h>
#include <linux/kmemleak.h>
#include <linux/kmod.h>
#include <linux/list_lru.h>
#include <linux/lz4.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/page_counter.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <linux/zsmalloc.h>

#include "compat.h"
#include "mem/pool.h"
#include "mem/swap.h"

/* What doesn't shrink to this stays as it is. */
#define PACKED_MAX	(PAGE_SIZE / 2)
#define GFP_PACKED	(__GFP_KSWAPD_RECLAIM | __GFP_NOWARN | __GFP_HIGHMEM | \
			 __GFP_MOVABLE | __GFP_ACCOUNT)

/* A cgroup with room for so many pages is left alone: twice what the kernel charges at once. */
#define ROOM		128ul

static LIST_HEAD(pools);
static DEFINE_MUTEX(pools_lock);

static struct kmem_cache *cache;
/* Nothing is looked up here: who is on such a list has its shrinker called. */
static struct list_lru lru;

/* zsmalloc's functions, each with a reference to the module; under pools_lock. */
static struct {
	bool got;
	typeof(zs_create_pool) *create_pool;
	typeof(zs_destroy_pool) *destroy_pool;
	typeof(zs_malloc) *malloc;
	typeof(zs_free) *free;
	typeof(zs_map_object) *map_object;
	typeof(zs_unmap_object) *unmap_object;
	typeof(zs_get_total_pages) *get_total_pages;
} zs;

static void zs_put(void)
{
#define PUT(name) do { if (zs.name) symbol_put(zs_##name); } while (0)
	PUT(create_pool);
	PUT(destroy_pool);
	PUT(malloc);
	PUT(free);
	PUT(map_object);
	PUT(unmap_object);
	PUT(get_total_pages);
#undef PUT
	memset(&zs, 0, sizeof(zs));
}

static bool zs_get(void)
{
	if (zs.got)
		return true;
	request_module("zsmalloc");
#define GET(name) (zs.name = symbol_get(zs_##name))
	zs.got = GET(create_pool) && GET(destroy_pool) && GET(malloc) && GET(free) &&
		 GET(map_object) && GET(unmap_object) && GET(get_total_pages);
#undef GET
	if (!zs.got)
		zs_put();
	return zs.got;
}

static void pool_free(struct lodge_pool *p)
{
	if (p->zs)
		zs.destroy_pool(p->zs);
	if (!IS_ERR_OR_NULL(p->tfm))
		crypto_free_comp(p->tfm);
	kfree(p->buffer);
	mem_cgroup_put(p->memcg);
	kmem_cache_free(cache, p);
}

/* What it takes to compress, if this kernel has that. */
static int pool_equip(struct lodge_pool *p)
{
	p->tfm = crypto_alloc_comp("lz4", 0, 0);
	if (p->tfm == ERR_PTR(-ENOMEM))
		return -ENOMEM;
	if (IS_ERR(p->tfm) || !zs_get()) {
		pr_info_once("guests' memory is not compressed: no zsmalloc, or no lz4 (modprobe zsmalloc lz4)\n");
		return 0;
	}
	p->buffer = kmalloc(PACKED_MAX, GFP_KERNEL_ACCOUNT);
	if (p->buffer)
		p->zs = zs.create_pool("lodge");
	return p->zs ? 0 : -ENOMEM;
}

static struct lodge_pool *pool_new(struct mem_cgroup *memcg)
{
	struct mem_cgroup *old = set_active_memcg(memcg);
	struct lodge_pool *p = kmem_cache_alloc_lru(cache, &lru, GFP_KERNEL_ACCOUNT);

	set_active_memcg(old);
	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	mutex_init(&p->mutex);
	INIT_LIST_HEAD(&p->layers);
	INIT_LIST_HEAD(&p->lru);
	INIT_WORK(&p->work, lodge_reclaim_work);
	p->memcg = memcg;
	p->tight = jiffies;
	p->barren = jiffies - HZ;
	p->ended = jiffies - HZ;
	if (memcg)
		css_get(&memcg->css);
	/* One that doesn't compress would never do so. */
	if (pool_equip(p)) {
		pool_free(p);
		return NULL;
	}
	list_add(&p->list, &pools);
	lodge_lru_add(&lru, &p->lru);
	return p;
}

static struct lodge_pool *pool_get(struct mem_cgroup *memcg)
{
	struct lodge_pool *p;

	mutex_lock(&pools_lock);
	list_for_each_entry(p, &pools, list)
		if (p->memcg == memcg)
			goto found;
	p = pool_new(memcg);
	if (!p)
		goto out;
found:
	p->users++;
out:
	mutex_unlock(&pools_lock);
	return p;
}

/**
 * lodge_pool_hold - keep a pool
 * @p: which, if it is there still
 *
 * Return: whether it is; lodge_pool_put() lets it go.
 */
bool lodge_pool_hold(struct lodge_pool *p)
{
	struct lodge_pool *pool;
	bool found = false;

	mutex_lock(&pools_lock);
	list_for_each_entry(pool, &pools, list)
		found |= pool == p;
	p->users += found;
	mutex_unlock(&pools_lock);
	return found;
}

/** lodge_pool_put - what lodge_pool_next() gave, or was held, is needed no longer */
void lodge_pool_put(struct lodge_pool *p)
{
	mutex_lock(&pools_lock);
	if (!--p->users) {
		list_del(&p->list);
		lodge_lru_del(&lru, &p->lru);
		pool_free(p);
	}
	mutex_unlock(&pools_lock);
}

/**
 * lodge_pool_next - go through all pools
 * @at: NULL at first; the next one, held, in place of the one that was there
 *
 * Return: whether there is one.
 */
bool lodge_pool_next(struct lodge_pool **at)
{
	struct lodge_pool *next;

	mutex_lock(&pools_lock);
	next = list_prepare_entry(*at, &pools, list);
	next = list_next_entry(next, list);
	if (list_entry_is_head(next, &pools, list))
		next = NULL;
	else
		next->users++;
	mutex_unlock(&pools_lock);
	if (*at)
		lodge_pool_put(*at);
	*at = next;
	return next;
}

/**
 * lodge_pool_join - an object's pages may be reclaimed from here on
 * @l: the object, with its cgroup
 *
 * Return: 0, or -ENOMEM.
 */
int lodge_pool_join(struct lodge_layer *l)
{
	struct lodge_pool *p = pool_get(l->memcg);

	if (!p)
		return -ENOMEM;
	l->pool = p;
	mutex_lock(&p->mutex);
	list_add_tail(&l->pool_list, &p->layers);
	p->nr++;
	mutex_unlock(&p->mutex);
	return 0;
}

/** lodge_pool_hide - none of an object's is reclaimed any more, and nobody is at it */
void lodge_pool_hide(struct lodge_layer *l)
{
	struct lodge_pool *p = l->pool;

	mutex_lock(&p->mutex);
	list_del(&l->pool_list);
	p->nr--;
	mutex_unlock(&p->mutex);
}

/** lodge_pool_leave - a layer that is hidden has no pages in it any more */
void lodge_pool_leave(struct lodge_layer *l)
{
	lodge_pool_put(l->pool);
}

static unsigned long handle_of(const void *entry)
{
	return ENTRY_WORD(entry) << 3;
}

/** lodge_pool_bytes - memory that a pool takes */
u64 lodge_pool_bytes(const struct lodge_pool *p)
{
	return p->zs ? (u64)zs.get_total_pages(p->zs) << PAGE_SHIFT : 0;
}

/* For who only knows that there was a pool. */
static void note_bytes(struct lodge_pool *p)
{
	WRITE_ONCE(p->bytes, lodge_pool_bytes(p));
}

/**
 * lodge_pool_pack - compress a page
 * @l: whose page it is
 * @page: the page, which nobody writes to
 *
 * Context: under the pool's mutex; may sleep.
 * Return: what the entry shall be; NULL without memory; ERR_PTR(-E2BIG) if the page
 * doesn't shrink to half.
 */
void *lodge_pool_pack(struct lodge_layer *l, struct page *page)
{
	struct lodge_pool *p = l->pool;
	unsigned int len = PACKED_MAX - sizeof(u16);
	struct mem_cgroup *old;
	unsigned long handle;
	void *to;

	lockdep_assert_held(&p->mutex);
	if (crypto_comp_compress(p->tfm, page_address(page), PAGE_SIZE,
				 p->buffer, &len))
		return ERR_PTR(-E2BIG);
	old = set_active_memcg(p->memcg);
	handle = zs.malloc(p->zs, len + sizeof(u16), GFP_PACKED);
	set_active_memcg(old);
	note_bytes(p);
	if (IS_ERR_VALUE(handle))
		return NULL;
	/* Entries don't look like pointers to it. */
	kmemleak_not_leak((void *)handle);
	to = zs.map_object(p->zs, handle, ZS_MM_WO);
	*(u16 *)to = len;
	memcpy(to + sizeof(u16), p->buffer, len);
	zs.unmap_object(p->zs, handle);
	atomic_long_add(len, &l->packed);
	return ENTRY_MAKE(LODGE_PAGE_COMPRESSED, handle >> 3);
}

static u16 packed_bytes(struct lodge_pool *p, unsigned long handle)
{
	u16 len = *(u16 *)zs.map_object(p->zs, handle, ZS_MM_RO);

	zs.unmap_object(p->zs, handle);
	return len;
}

/**
 * lodge_pool_moved - a compressed page belongs to another layer, of the same pool
 * @from: whose it was
 * @to: whose it is
 * @entry: its entry, which can't go meanwhile
 */
void lodge_pool_moved(struct lodge_layer *from, struct lodge_layer *to, void *entry)
{
	u16 len = entry == ENTRY_LOST ? 0 : packed_bytes(from->pool, handle_of(entry));

	atomic_long_sub(len, &from->packed);
	atomic_long_add(len, &to->packed);
}

/**
 * lodge_pool_free - a compressed page goes
 * @l: whose it was
 * @entry: what its entry was
 */
void lodge_pool_free(struct lodge_layer *l, void *entry)
{
	struct lodge_pool *p = l->pool;
	unsigned long handle = handle_of(entry);

	if (entry == ENTRY_LOST)
		return;
	atomic_long_sub(packed_bytes(p, handle), &l->packed);
	zs.free(p->zs, handle);
	note_bytes(p);
}

/**
 * lodge_pool_read - what is in a compressed page
 * @l: whose it is
 * @entry: its entry, which can't go meanwhile
 * @page: where to
 *
 * Context: may be atomic.
 * Return: 0; -EIO if it isn't what was put there.
 */
int lodge_pool_read(struct lodge_layer *l, void *entry, struct page *page)
{
	unsigned long handle = handle_of(entry);
	const void *from;
	int len;

	from = zs.map_object(l->pool->zs, handle, ZS_MM_RO);
	len = LZ4_decompress_safe(from + sizeof(u16), page_address(page), *(u16 *)from,
				  PAGE_SIZE);
	zs.unmap_object(l->pool->zs, handle);
	return WARN_ON_ONCE(len != PAGE_SIZE) ? -EIO : 0;
}

/**
 * lodge_pool_unpack - get a compressed page back
 * @l: whose it is
 * @entry: what its entry was; nothing is left in the pool
 * @page: where to
 *
 * Return: as lodge_pool_read().
 */
int lodge_pool_unpack(struct lodge_layer *l, void *entry, struct page *page)
{
	int ret = lodge_pool_read(l, entry, page);

	lodge_pool_free(l, entry);
	return ret;
}

/*
 * Whether it is a cgroup's, or one's below it that is no more: of that nothing is
 * reclaimed. Under the list's lock.
 */
static bool counts_for(const struct lodge_pool *p, struct mem_cgroup *memcg)
{
	struct mem_cgroup *m = p->memcg;

	while (m && m != memcg && !mem_cgroup_online(m))
		m = parent_mem_cgroup(m);
	return m == memcg && (p->zs || lodge_swap_on());
}

/**
 * lodge_pool_count - count what could be compressed
 * @p: of this pool; its mutex is held
 */
void lodge_pool_count(struct lodge_pool *p)
{
	unsigned long sum = 0;
	struct lodge_layer *l;

	list_for_each_entry(l, &p->layers, pool_list)
		sum += atomic_long_read(&l->pages[LODGE_PAGE_PRIVATE]);
	WRITE_ONCE(p->pages, sum);
}

/**
 * lodge_pool_pages - pages that could be compressed
 * @memcg: of this cgroup
 *
 * Context: any in which memory is reclaimed.
 * Return: how many. Who finds none kills somebody: where that can't be found out at the
 * moment there are some.
 */
unsigned long lodge_pool_pages(struct mem_cgroup *memcg)
{
	unsigned long sum = 0;
	struct lodge_pool *p;

	/* Shrinkers wait for nobody. */
	if (!mutex_trylock(&pools_lock))
		return ROOM;
	list_for_each_entry(p, &pools, list) {
		if (!counts_for(p, memcg))
			continue;
		/* Who reclaims counts. */
		if (mutex_trylock(&p->mutex)) {
			lodge_pool_count(p);
			mutex_unlock(&p->mutex);
		}
		sum += READ_ONCE(p->pages);
	}
	mutex_unlock(&pools_lock);
	return sum;
}

/* Pages that may be charged to a cgroup before a limit is in the way: its own, or one above. */
static unsigned long room(struct mem_cgroup *memcg)
{
	unsigned long least = ULONG_MAX, has, limit;
	struct page_counter *c;

	for (c = memcg ? &memcg->memory : NULL; c; c = c->parent) {
		has = page_counter_read(c);
		limit = min(READ_ONCE(c->max), READ_ONCE(c->high));
		least = min(least, limit - min(has, limit));
	}
	return least;
}

/* Where so little is free, the host itself reclaims. */
static bool host_is_short(void)
{
	return global_zone_page_state(NR_FREE_PAGES) < totalram_pages() / 128;
}

/*
 * From 6.4 on the reclaim of a cgroup doesn't count what a shrinker gave back, and
 * goes on until nothing is left: it ends here, once the limit that it began for is out
 * of the way. That of the host is no such.
 */
static bool has_enough(struct lodge_pool *p, bool tight)
{
	if (tight) {
		p->tight = jiffies + HZ / 10;
		return false;
	}
	return time_before(jiffies, p->tight) && !current_is_kswapd() && !host_is_short();
}

/*
 * Whether it is worth waiting: not for the host, all of whose tasks would wait, where nothing
 * was found a moment ago. At a limit somebody is killed next, which must not be while the
 * last one who was gives back what he had.
 */
static bool is_at_it(struct lodge_pool *p, bool tight)
{
	if (!tight)
		return work_busy(&p->work) &&
		       time_after(jiffies, READ_ONCE(p->barren) + HZ / 5);
	return work_busy(&p->work) || time_before(jiffies, READ_ONCE(p->ended) + HZ / 2);
}

/**
 * lodge_pool_wake - have pages of a cgroup reclaimed
 * @memcg: the cgroup
 * @want: how many, if any
 * @queue: by whom
 *
 * Context: any in which memory is reclaimed.
 * Return: how many went since this was asked the last time; 0: none, but somebody is at
 * it; -ENODATA: none, and nobody is, or no more are needed; -EAGAIN if that can't be found
 * out at the moment.
 */
long lodge_pool_wake(struct mem_cgroup *memcg, unsigned long want,
		     struct workqueue_struct *queue)
{
	struct lodge_pool *p;
	bool tight = room(memcg) < ROOM, busy = false;
	long n = 0;

	if (!mutex_trylock(&pools_lock))
		return -EAGAIN;
	list_for_each_entry(p, &pools, list) {
		if (!counts_for(p, memcg))
			continue;
		n += atomic_long_xchg(&p->gone, 0);
		if (want && has_enough(p, tight))
			continue;
		if (want) {
			/* It is for all who wait: each needs less, and asks again. */
			if (atomic_long_read(&p->wanted) < want)
				atomic_long_set(&p->wanted, want);
			/* The work holds it. */
			p->users += queue_work(queue, &p->work);
		}
		busy |= is_at_it(p, tight);
	}
	mutex_unlock(&pools_lock);
	return n || busy ? n : -ENODATA;
}

/**
 * lodge_pool_init - there may be pools from here on
 * @shrinker: which wants to be called for cgroups that have one
 *
 * Return: 0, or -ENOMEM.
 */
int lodge_pool_init(struct shrinker *shrinker)
{
	int ret;

	/* Under RCU what was a pool stays one, of whomever. */
	cache = KMEM_CACHE(lodge_pool, SLAB_ACCOUNT | SLAB_TYPESAFE_BY_RCU);
	if (!cache)
		return -ENOMEM;
	ret = list_lru_init_memcg(&lru, shrinker);
	if (ret)
		kmem_cache_destroy(cache);
	return ret;
}

/** lodge_pool_exit - no pool is left */
void lodge_pool_exit(void)
{
	list_lru_destroy(&lru);
	kmem_cache_destroy(cache);
	zs_put();
}
