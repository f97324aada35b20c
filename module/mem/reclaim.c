// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Reclaim
 *
 * Pages of objects that are not used are compressed (pool.c), and go to the swap file
 * (swap.c) if they don't shrink or the pool takes too much. Which those are is told
 * by a clock: its hand goes round the private pages of all objects of a memory cgroup.
 * A page that is in a view is taken out of all of them, which costs who uses it one
 * fault; what is in none when the hand comes again was not used meanwhile, and goes. A page
 * that somebody else holds is left alone, and, without a swap file, one that doesn't
 * shrink to half, until it is used again. One of zeroes is given back.
 *
 * Who reclaims:
 *
 * - whoever asks for it: LODGE_MEMORY_RECLAIM; the balloon's policy, of a guest that doesn't answer;
 * - an access that needs a page and gets none, at the limit of its cgroup or because the
 *   host has none: before it fails, or anything is killed for it, pages of the
 *   object's cgroup go. It holds no page's lock then;
 * - a worker, which the shrinker wakes that the kernel calls for the cgroup, or for all
 *   of the host: never within the shrinker, whose caller may hold any lock. The
 *   shrinker gives it a moment, and tells what it did before;
 * - a worker every cold_ms, one round at a time, if that is set.
 *
 * Of a cgroup with several objects the one is looked at first that holds most of what the balloon's
 * policy gives its VM (press.c), if that is more, so that shares are kept where memory is short.
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
#include "mem/swap.h"

/* Pages that are locked, and taken out of views, at a time. */
#define WINDOW		LODGE_SWAP_BATCH
/* Pages that an access has reclaimed for it. */
#define DIRECT		64l
/* Pages that the worker goes for at a time; who wants more asks again. */
#define WORK_MAX	4096l
/* How long a shrinker waits for the worker's first page: jiffies. */
#define PATIENCE	(HZ / 5)

static unsigned int pool_percent = 25;
module_param(pool_percent, uint, 0644);
MODULE_PARM_DESC(pool_percent, "how much of the memory of a cgroup's objects may be compressed pages before they go to the swap file");

static struct workqueue_struct *queue;
static struct shrinker *shrinker;

struct window {
	struct page *page[WINDOW];
	pgoff_t index[WINDOW];
	bool used[WINDOW];
	unsigned int nr;
	bool seen;
};

/* Locks what is private in [first, last], and is free at the moment. */
static void collect(struct lodge_reclaim *r, struct lodge_layer *l, pgoff_t first,
		    pgoff_t last, struct window *w)
{
	XA_STATE(xas, &l->entries, first);
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
		if (PageHWPoison(page) ||
		    (lodge_page_stiff(page) && !lodge_page_seen(page) && !lodge_swap_on())) {
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

/*
 * A page that is locked, in no view, held by its entry and us, is given back or
 * compressed; -E2BIG if it doesn't shrink.
 */
static int evict(struct lodge_layer *l, pgoff_t index, struct page *page)
{
	void *entry = ERR_PTR(-E2BIG);

	if (lodge_ksm_zero(l, index, page))
		return 0;
	if (lodge_pool_works(l->pool))
		entry = lodge_pool_pack(l, page);
	if (IS_ERR(entry)) {
		atomic_long_inc(&l->incompressible);
		return PTR_ERR(entry);
	}
	if (!entry)
		return -ENOMEM;
	lodge_layer_leave(l, index, page, entry);
	atomic_long_inc(&l->compressed);
	return 0;
}

/* Some pages as before, which are next to each other in the file then. */
static void swap_out(struct lodge_reclaim *r, struct lodge_layer *l, struct window *w)
{
	unsigned int i, nr = w->nr;
	long slot = nr && lodge_swap_on() ? lodge_swap_write(w->page, &nr) : -ENOSPC;

	for (i = 0; i < w->nr; i++) {
		if (slot < 0 || i >= nr) {
			lodge_page_set_aged(w->page[i], !r->swap);
		} else {
			lodge_layer_leave(l, w->index[i], w->page[i],
					  lodge_entry_swapped(slot + i));
			atomic_long_inc(&l->swapped_out);
			r->pages++;
		}
		lodge_object_put(w->page[i]);
	}
}

static void sweep(struct lodge_reclaim *r, struct lodge_layer *l, pgoff_t first,
		  pgoff_t last)
{
	struct window w;
	int i, nr, ret;

	collect(r, l, first, last, &w);
	if (w.seen)
		lodge_layer_unview(l, w.index[0], w.index[w.nr - 1] - w.index[0] + 1);
	nr = w.nr;
	for (i = w.nr = 0; i < nr; i++) {
		struct page *page = w.page[i];

		ret = -EBUSY;
		if (w.used[i])
			lodge_page_set_aged(page, false);
		else if (page_count(page) != 2)
			r->skipped++;
		else if (r->pages + w.nr < r->want)
			ret = r->swap || lodge_page_stiff(page) ? -E2BIG :
			      evict(l, w.index[i], page);
		r->pages += !ret;
		if (ret != -E2BIG) {
			lodge_object_put(page);
			continue;
		}
		w.page[w.nr] = page;
		w.index[w.nr++] = w.index[i];
	}
	swap_out(r, l, &w);
}

/* The next compressed page of an object, unpacked, so that its entry doesn't change. */
static void *unpack_next(struct lodge_layer *l, struct page *page)
{
	XA_STATE(xas, &l->entries, l->spill_hand);
	void *entry;

	xas_lock(&xas);
	xas_for_each_marked(&xas, entry, ULONG_MAX, LODGE_PACKED)
		if (lodge_entry_state(entry) == LODGE_PAGE_COMPRESSED &&
		    entry != ENTRY_LOST && !lodge_pool_read(l, entry, page))
			break;
	l->spill_hand = entry ? xas.xa_index : 0;
	xas_unlock(&xas);
	return entry;
}

/* Some compressed pages go on to the swap file. */
static void spill(struct lodge_reclaim *r, struct lodge_layer *l)
{
	struct page **page = lodge_swap_scratch();
	void *entry[LODGE_SWAP_BATCH];
	pgoff_t index[LODGE_SWAP_BATCH];
	unsigned int nr, i;
	long slot;

	if (!page)
		return;
	for (nr = 0; nr < LODGE_SWAP_BATCH; nr++) {
		entry[nr] = unpack_next(l, page[nr]);
		if (!entry[nr])
			break;
		index[nr] = l->spill_hand++;
	}
	slot = nr ? lodge_swap_write(page, &nr) : -ENOENT;
	for (i = 0; slot >= 0 && i < nr; i++)
		if (lodge_layer_spilled(l, index[i], entry[i], slot + i)) {
			atomic_long_inc(&l->swapped_out);
			/* Two of them are no more than one page. */
			r->pages += i & 1;
		}
	lodge_swap_scratch_done();
}

/* Whether the pool takes more of what its objects hold, as just counted, than it may. */
static bool overflows(const struct lodge_pool *p)
{
	u64 pool = lodge_pool_bytes(p), sum = pool + ((u64)p->pages << PAGE_SHIFT);

	return pool * 100 > sum * READ_ONCE(pool_percent);
}

/* Whether the object is still there, for who holds only its pool. */
static bool is_there(const struct lodge_reclaim *r)
{
	const struct lodge_layer *l;

	if (!r->id)
		return true;
	list_for_each_entry(l, &r->pool->layers, pool_list)
		if (l == r->only)
			return l->id == r->id;
	return false;
}

/* What it holds, in thousandths of what the balloon's policy gives it; 0 if that doesn't say. */
static u64 of_goal(struct lodge_layer *l)
{
	u64 goal = READ_ONCE(l->goal);

	return goal ? div64_u64(lodge_layer_held(l) * 1000, goal) : 0;
}

/*
 * Whose pages are looked at: one after another, but as long as some have more than they are
 * given the one that has most, so that what is left over is divided as the rest is.
 */
static struct lodge_layer *pick(struct lodge_pool *p, bool fair)
{
	struct lodge_layer *l, *most = NULL;
	u64 part, highest = 1000;

	list_for_each_entry(l, &p->layers, pool_list) {
		part = fair ? of_goal(l) : 0;
		if (part > highest) {
			highest = part;
			most = l;
		}
	}
	return most ?: list_first_entry_or_null(&p->layers, struct lodge_layer, pool_list);
}

/* The hand goes on; whether it has come to the end of a layer. */
static bool step(struct lodge_reclaim *r, bool fair)
{
	struct lodge_pool *p = r->pool;
	struct lodge_layer *l = r->only ?: pick(p, fair);
	unsigned long index;
	unsigned int flags;
	bool end;

	if (!l || !is_there(r))
		return true;
	flags = memalloc_noreclaim_save();
	if (lodge_swap_on() && lodge_pool_works(p) && (r->swap || overflows(p)))
		spill(r, l);
	index = l->hand;
	end = !xa_find(&l->entries, &index, ULONG_MAX, XA_PRESENT);
	if (!end) {
		sweep(r, l, index, index + WINDOW - 1);
		l->hand = index + WINDOW;
	}
	memalloc_noreclaim_restore(flags);
	if (!end)
		return false;
	l->hand = 0;
	list_move_tail(&l->pool_list, &p->layers);
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

	if (!lodge_swap_on() && (r->swap || !lodge_pool_works(p)))
		return -EOPNOTSUPP;
	while (more && r->pages < r->want) {
		if (mutex_lock_killable(&p->mutex))
			return -EINTR;
		lodge_pool_count(p);
		/* Where there is nothing to be had of those, all others follow. */
		ends += step(r, !r->cold && ends < 2);
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
 * @pool: of the object
 *
 * Return: whether there may be memory now.
 */
bool lodge_reclaim_for(struct lodge_pool *pool)
{
	struct lodge_reclaim r = { .pool = pool, .want = DIRECT };

	return !lodge_reclaim(&r) && r.pages;
}

/** lodge_reclaim_work - reclaim what shrinkers want of a pool */
void lodge_reclaim_work(struct work_struct *work)
{
	struct lodge_pool *p = container_of(work, struct lodge_pool, work);
	long want = min(atomic_long_xchg(&p->wanted, 0), WORK_MAX);

	while (want > 0) {
		struct lodge_reclaim r = { .pool = p, .want = min(want, DIRECT) };

		lodge_reclaim(&r);
		/* Who waits hears of it at once. */
		atomic_long_add(r.pages, &p->gone);
		if (!r.pages)
			WRITE_ONCE(p->barren, jiffies);
		want = r.pages ? want - (long)r.pages : 0;
	}
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

/**
 * lodge_reclaim_rates - the parameters of this room
 * @percent: set to pool_percent
 * @cold: set to cold_ms
 */
void lodge_reclaim_rates(u32 *percent, u32 *cold)
{
	*percent = READ_ONCE(pool_percent);
	*cold = READ_ONCE(cold_ms);
}

/** lodge_reclaim_set_rates - set them */
void lodge_reclaim_set_rates(u32 percent, u32 cold)
{
	kernel_param_lock(THIS_MODULE);
	pool_percent = percent;
	cold_ms = cold;
	cold_again();
	kernel_param_unlock(THIS_MODULE);
}

static unsigned long count(struct shrinker *s, struct shrink_control *sc)
{
	return lodge_pool_pages(sc->memcg);
}

static unsigned long scan(struct shrinker *s, struct shrink_control *sc)
{
	unsigned long want = sc->nr_to_scan, end = jiffies + PATIENCE;
	long n;

	/*
	 * Who gives up too early kills somebody: who is at it is waited for. He waits for
	 * nothing that the caller may hold.
	 */
	do {
		n = lodge_pool_wake(sc->memcg, want, queue);
		if (n != -EAGAIN)
			want = 0;
		if (n > 0 || n == -ENODATA || current_is_kswapd())
			break;
		schedule_timeout_killable(1);
	} while (time_before(jiffies, end) && !fatal_signal_pending(current));
	if (n <= 0)
		return SHRINK_STOP;
	/* It is enough, or the caller goes on until nothing is left. */
	lodge_account_reclaimed(n);
	return n;
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
	lodge_swap_exit();
	lodge_pool_exit();
}
