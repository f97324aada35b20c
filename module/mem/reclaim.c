// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Reclaim
 *
 * Pages of objects that are not used are compressed (pool.c). Which those are is told
 * by a clock: its hand goes round the private pages of all objects of a memory cgroup.
 * A page that is in a view is taken out of all of them, which costs who uses it one
 * fault; what is in none when the hand comes again was not used meanwhile, and goes. A page
 * that somebody else holds is left alone, and one that doesn't shrink to half, until
 * it is used again. One of zeroes is given back.
 *
 * Who reclaims:
 *
 * - whoever asks for it: LODGE_MEMORY_RECLAIM;
 * - an access that needs a page and gets none, at the limit of its cgroup or because the
 *   host has none: before it fails, or anything is killed for it, pages of the
 *   object's cgroup go. It holds no page's lock then;
 * - a worker, which the shrinker wakes that the kernel calls for the cgroup, or for all
 *   of the host: never within the shrinker, whose caller may hold any lock. The
 *   shrinker gives it a moment, and tells what it did before;
 * - a worker every cold_ms, one round at a time, if that is set.
 *
 * All of them allocate as the kernel's own reclaim does (PF_MEMALLOC): without
 * reclaiming in turn, beyond the cgroup's limit, and from the host's reserve. A page
 * that goes gives back more than its compressed form takes.
 *
 * Locks. A pool's mutex, around all else; page locks are only tried. Views are taken
 * away for 32 pages at a time.
 */
#include <linux/moduleparam.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "ksm/ksm.h"
#include "mem/pool.h"

/* Pages that are locked, and taken out of views, at a time. */
#define WINDOW		32
/* Pages that an access has reclaimed for it. */
#define DIRECT		64
/* Pages that the worker goes for at a time; who wants more asks again. */
#define WORK_MAX	4096l

static struct workqueue_struct *queue;
static struct shrinker *shrinker;

struct window {
	struct page *page[WINDOW];
	pgoff_t index[WINDOW];
	bool used[WINDOW];
	int nr;
	bool seen;
};

/* Locks what is private in [first, last], and is free at the moment. */
static void collect(struct lodge_reclaim *r, struct lodge_object *o, pgoff_t first,
		    pgoff_t last, struct window *w)
{
	XA_STATE(xas, &o->entries, first);
	struct page *page;

	w->nr = 0;
	w->seen = false;
	xas_lock(&xas);
	xas_for_each(&xas, page, last) {
		if (lodge_entry_state(page) != LODGE_PAGE_PRIVATE)
			continue;
		if (!trylock_page(page)) {
			r->skipped++;
			continue;
		}
		if (lodge_page_stiff(page) && !lodge_page_seen(page)) {
			unlock_page(page);
			continue;
		}
		get_page(page);
		w->used[w->nr] = lodge_page_seen(page) || !lodge_page_aged(page);
		w->seen |= lodge_page_seen(page);
		w->page[w->nr] = page;
		w->index[w->nr++] = xas.xa_index;
	}
	xas_unlock(&xas);
}

/* A page that is locked, in no view, held by its entry and us. Whether it went. */
static bool evict(struct lodge_object *o, pgoff_t index, struct page *page)
{
	void *entry;

	if (lodge_ksm_zero(o, index, page))
		return true;
	entry = lodge_pool_pack(o, page);
	if (IS_ERR(entry)) {
		atomic_long_inc(&o->incompressible);
		lodge_page_set_aged(page, true);
	}
	if (IS_ERR_OR_NULL(entry))
		return false;
	lodge_object_leave(o, index, page, entry);
	atomic_long_inc(&o->compressed);
	return true;
}

static void sweep(struct lodge_reclaim *r, struct lodge_object *o, pgoff_t first,
		  pgoff_t last)
{
	unsigned int flags = memalloc_noreclaim_save();
	struct window w;
	int i;

	collect(r, o, first, last, &w);
	if (w.seen)
		lodge_object_unview(o, w.index[0], w.index[w.nr - 1] - w.index[0] + 1);
	for (i = 0; i < w.nr; i++) {
		if (w.used[i])
			lodge_page_set_aged(w.page[i], false);
		else if (page_count(w.page[i]) != 2)
			r->skipped++;
		else if (r->pages < r->want)
			r->pages += evict(o, w.index[i], w.page[i]);
		lodge_object_put(w.page[i]);
	}
	memalloc_noreclaim_restore(flags);
}

/* The hand goes on; whether it has come to the end of an object. */
static bool step(struct lodge_reclaim *r)
{
	struct lodge_pool *p = r->pool;
	struct lodge_object *o = r->only;
	unsigned long index;

	if (!o)
		o = list_first_entry_or_null(&p->objects, struct lodge_object, pool_list);
	if (!o)
		return true;
	index = o->hand;
	if (xa_find(&o->entries, &index, ULONG_MAX, XA_PRESENT)) {
		sweep(r, o, index, index + WINDOW - 1);
		o->hand = index + WINDOW;
		return false;
	}
	o->hand = 0;
	list_move_tail(&o->pool_list, &p->objects);
	return true;
}

/**
 * lodge_reclaim - give back memory of objects
 * @r: whose, which, and how many pages; unless only cold ones are wanted the hand
 *	goes round twice for them
 *
 * Context: may sleep; no page's lock is held.
 * Return: 0; -EOPNOTSUPP if nothing can be compressed; -EINTR.
 */
int lodge_reclaim(struct lodge_reclaim *r)
{
	struct lodge_pool *p = r->pool;
	unsigned int ends = 0, rounds = r->cold ? 1 : 2;
	bool more = true;

	if (!lodge_pool_works(p))
		return -EOPNOTSUPP;
	while (more && r->pages < r->want) {
		if (mutex_lock_killable(&p->mutex))
			return -EINTR;
		ends += step(r);
		/* The first end is that of a round that began somewhere. */
		more = ends < rounds * (r->only ? 1 : p->nr) + !r->cold;
		mutex_unlock(&p->mutex);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/**
 * lodge_reclaim_for - reclaim for an access that found no memory
 * @o: to a page of which
 *
 * Return: whether there may be memory now.
 */
bool lodge_reclaim_for(struct lodge_object *o)
{
	struct lodge_reclaim r = { .pool = o->pool, .want = DIRECT };

	return !lodge_reclaim(&r) && r.pages;
}

/** lodge_reclaim_work - reclaim what shrinkers want of a pool */
void lodge_reclaim_work(struct work_struct *work)
{
	struct lodge_pool *p = container_of(work, struct lodge_pool, work);
	struct lodge_reclaim r = { .pool = p };

	r.want = min(atomic_long_xchg(&p->wanted, 0), WORK_MAX);
	lodge_reclaim(&r);
	atomic_long_add(r.pages, &p->gone);
	lodge_pool_put(p);
}

static void cold_work_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(cold_work, cold_work_fn);

static unsigned int cold_ms;

static void cold_again(void)
{
	if (queue && cold_ms)
		mod_delayed_work(queue, &cold_work, msecs_to_jiffies(max(cold_ms, 100u)));
}

static void cold_work_fn(struct work_struct *work)
{
	struct lodge_pool *p = NULL;

	while (lodge_pool_next(&p)) {
		struct lodge_reclaim r = { .pool = p, .cold = true, .want = U64_MAX };

		lodge_reclaim(&r);
	}
	cold_again();
}

static int cold_set(const char *value, const struct kernel_param *kp)
{
	int ret = param_set_uint(value, kp);

	if (!ret)
		cold_again();
	return ret;
}

static const struct kernel_param_ops cold_ops = {
	.set = cold_set,
	.get = param_get_uint,
};
module_param_cb(cold_ms, &cold_ops, &cold_ms, 0644);
MODULE_PARM_DESC(cold_ms, "what isn't used for so long is compressed, in ms; 0: only when memory is wanted");

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	return lodge_pool_pages(sc->memcg);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	long n = lodge_pool_wake(sc->memcg, sc->nr_to_scan, queue);

	/* Who gives up too early kills somebody: the worker is given a moment. */
	if (!n && !current_is_kswapd()) {
		schedule_timeout_killable(1);
		n = lodge_pool_wake(sc->memcg, 0, queue);
	}
	/* What went the last time is what the caller may count on. */
	return n ?: SHRINK_STOP;
}

/** lodge_reclaim_init - the worker, and what wakes it; 0, or -ENOMEM */
int lodge_reclaim_init(void)
{
	int ret = -ENOMEM;

	queue = alloc_workqueue("lodge_reclaim", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!queue)
		return ret;
	shrinker = lodge_shrinker_new("lodge", SHRINKER_MEMCG_AWARE);
	if (!shrinker)
		goto err_queue;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
	ret = lodge_shrinker_start(shrinker, "lodge");
	if (ret)
		goto err_queue;
	ret = lodge_pool_init(shrinker);
	if (ret)
		goto err_shrinker;
	cold_again();
	return 0;
err_shrinker:
	lodge_shrinker_end(shrinker);
err_queue:
	destroy_workqueue(queue);
	queue = NULL;
	return ret;
}

/** lodge_reclaim_exit - no object is left */
void lodge_reclaim_exit(void)
{
	struct workqueue_struct *q = queue;

	lodge_shrinker_end(shrinker);
	kernel_param_lock(THIS_MODULE);
	queue = NULL;
	kernel_param_unlock(THIS_MODULE);
	cancel_delayed_work_sync(&cold_work);
	destroy_workqueue(q);
	lodge_pool_exit();
}
