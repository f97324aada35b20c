// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Reclaim
 *
 * Pages of objects that are not used are compressed (pool.c), and go to the swap file
 * (swap.c) if they don't shrink or the pool takes too much. Which those are is told
 * by a clock: its hand goes round the private pages of all objects of a memory cgroup, and
 * asks for the accessed bits of the nested tables. A page that was used since it came
 * last is left where it is; another one goes. The bits are cleared, and TLBs forget them
 * at the end of each turn; if that has given nothing the next one begins a tick later, so that
 * what is in use all the time isn't what goes.
 *
 * Where there is no such bit, the page is taken out of all views, which costs who uses it one
 * fault; what is in none when the hand comes again was not used meanwhile, and goes. That is for
 * pages that the launcher has in its page tables, too, for what system calls have used, and on
 * processors without accessed bits (``memory.aged``). A block (block.c) that was used is left whole where only cold pages are wanted; where
 * memory is, it is taken out of the views, and its pages are told apart from then on.
 *
 * A page that somebody else holds is left alone, and, without a swap file, one that doesn't
 * shrink to half, until it is used again: when it has grown old once more it is tried once more,
 * as it may be something else by then (``memory.shrinks_later``). One of zeroes is given back.
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
	bool used[WINDOW], seen[WINDOW];
	unsigned int nr;
};

/*
 * Which pages of [first, last], in one block's range, guests have used since the hand was here:
 * @young; @huge: all of a block. What @blind says nothing of goes out of views, to be told
 * the next time.
 */
static struct lodge_npt_dirty look(struct lodge_reclaim *r, struct lodge_layer *l,
				   pgoff_t first, pgoff_t last)
{
	pgoff_t base = lodge_block_base(first);
	struct lodge_npt_dirty used = { };

	if (l->hand_block != base && !lodge_block_at(l, first))
		return lodge_layer_used(l, first, last - first + 1);
	/* It is asked once, and may not be a block any more. */
	if (l->hand_block != base)
		l->hand_used = lodge_layer_used(l, base, LODGE_BLOCK_PAGES);
	l->hand_block = base;
	used.blind = l->hand_used.blind || (l->hand_used.young && !r->cold);
	used.young = l->hand_used.young ? U64_MAX : 0;
	used.still = l->hand_used.still ? U64_MAX : 0;
	used.huge = true;
	return used;
}

/* Whether a page that is in views was used by guests, and by nobody else. */
static bool is_young(const struct lodge_npt_dirty *used, unsigned int nr, struct page *page)
{
	return !used->blind && used->young >> nr & 1 && (used->huge || !page_mapped(page));
}

/* Whether it is only in views of guests, who haven't used it. */
static bool is_old(const struct lodge_npt_dirty *used, unsigned int nr, struct page *page)
{
	return !used->blind && used->still >> nr & 1 && !page_mapped(page);
}

/*
 * Locks what is private in [first, last], and is free at the moment. Of what hasn't been used no
 * more than is wanted: the rest stays in its views, and is as old when the hand comes again.
 */
static void collect(struct lodge_reclaim *r, struct lodge_layer *l, pgoff_t first,
		    pgoff_t last, struct window *w)
{
	struct lodge_npt_dirty hint = look(r, l, first, last);
	XA_STATE(xas, &l->entries, first);
	u64 room = r->want - min(r->pages, r->want);
	bool seen, used;
	struct page *page;

	w->nr = 0;
	xas_lock(&xas);
	xas_for_each(&xas, page, last) {
		if (lodge_entry_state(page) != LODGE_PAGE_PRIVATE)
			continue;
		if (!trylock_page(page)) {
			r->skipped++;
			continue;
		}
		seen = lodge_page_seen(page);
		used = seen ? !is_old(&hint, xas.xa_index - first, page) : !lodge_page_aged(page);
		if (PageHWPoison(page) || !(used || room) ||
		    (lodge_page_stiff(page) && !seen && !lodge_swap_on()) ||
		    (seen && is_young(&hint, xas.xa_index - first, page))) {
			unlock_page(page);
			continue;
		}
		get_page(page);
		room -= !used;
		w->seen[w->nr] = seen;
		w->used[w->nr] = used;
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

/* What stays in between isn't disturbed. */
static void take_out(struct lodge_layer *l, const struct window *w)
{
	unsigned int i, end;

	for (i = 0; i < w->nr; i = end) {
		end = i + 1;
		if (!w->seen[i])
			continue;
		while (end < w->nr && w->seen[end] && w->index[end] == w->index[end - 1] + 1)
			end++;
		lodge_layer_unview(l, w->index[i], end - i);
	}
}

static void sweep(struct lodge_reclaim *r, struct lodge_layer *l, pgoff_t first,
		  pgoff_t last)
{
	struct window w;
	int i, nr, ret;
	bool stiff;

	collect(r, l, first, last, &w);
	take_out(l, &w);
	nr = w.nr;
	for (i = w.nr = 0; i < nr; i++) {
		struct page *page = w.page[i];

		ret = -EBUSY;
		stiff = lodge_page_stiff(page) && !w.seen[i];
		if (!w.used[i] && page_count(page) != 2)
			r->skipped++;
		else if (!w.used[i])
			ret = r->swap || stiff ? -E2BIG : evict(l, w.index[i], page);
		r->pages += !ret;
		/* It is in no view now. What was in one may be something else, and shrink. */
		if (ret && ret != -E2BIG)
			lodge_page_set_aged(page, stiff);
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
	unsigned long index, last;
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
		last = min(index + WINDOW, lodge_block_base(index) + LODGE_BLOCK_PAGES) - 1;
		sweep(r, l, index, last);
		l->hand = last + 1;
	}
	memalloc_noreclaim_restore(flags);
	if (!end)
		return false;
	lodge_layer_flush(l);
	l->hand = 0;
	l->hand_block = LODGE_NO_BLOCK;
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
	bool more = true, end;

	if (!lodge_swap_on() && (r->swap || !lodge_pool_works(p)))
		return -EOPNOTSUPP;
	while (more && r->pages < r->want) {
		if (mutex_lock_killable(&p->mutex))
			return -EINTR;
		lodge_pool_count(p);
		/* Where there is nothing to be had of those, all others follow. */
		end = step(r, !r->cold && ends < 2);
		ends += end;
		/* The first end is that of a round that began somewhere. */
		more = ends < rounds * (r->only ? 1 : p->nr) + !r->cold;
		mutex_unlock(&p->mutex);
		if (fatal_signal_pending(current))
			return -EINTR;
		/* Before the next turn what is used has a moment to show it. */
		if (end && more && !r->cold && !r->pages)
			schedule_timeout_killable(1);
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
