// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Merging
 *
 * Pages of equal contents become one, within a domain: a name among one user's
 * objects, so that nobody can tell by the time that a write takes what is in
 * another user's memory. Only what is asked for is merged: LODGE_MEMORY_MERGEABLE,
 * or lodgefs mounted with the option merge.
 *
 * What the index of a domain (index.c) knows are pages that are not written since
 * they were hashed: private ones (hints), and shared ones. A page that was
 * written is taken out of all views, so that neither guest nor launcher nor
 * device writes to it now. If it is zero it is given back. Else it is hashed and looked up.
 * With an equal page, compared in full, it is replaced by that one (merge.c); else it
 * is a hint itself, as long as its dirty bit stays clear (mem/object.c).
 *
 * A pass goes over the entries that are marked as written, so what it costs
 * follows what was written, not what there is. To take a page out of all views costs
 * its users a fault. So what guests have written since the last pass, as dirty bits of
 * nested tables tell (mem/view.c), is left as it is until it has held still for
 * one pass. That is a hint and no more: what the bits don't show (a write by the
 * launcher, a leaf of 2M) is found when the page is taken out of views, as ever. TLBs
 * are flushed once for all bits that a pass took from an object.
 *
 * A page that is found written again after it was hashed rests for one pass, then for
 * three, seven ... 63; one whose sharing was broken rests for seven, and if that was soon, and
 * not the first time, for fifteen ... 63. A page that somebody else holds is left marked.
 *
 * A block that guests map by an entry of 2M (mem/block.c) isn't taken apart to find out
 * whether anything in it could be merged. Its pages are hashed in the views, where guests
 * may be writing to them; so what the index has of them is what they were once, and they stay
 * marked. When one is zero, or equal to what the index knows, the block goes out of the views,
 * and its pages are like all others. Who finds one of them in the index compares before he
 * takes anything apart, and once more after. One dirty bit tells of all 512: as long as it
 * stays clear none is hashed again but what the launcher maps, and these by one pass in eight.
 * A block that is written rests as a page that is does: for one pass, for three, ... 63.
 *
 * A shared page has a reverse map to all its entries, and 256 of them at most. The
 * next one doesn't find it any more, becomes a hint, and then another shared page.
 *
 * Pace. The scan works a millisecond at a time, and then sleeps for as long as
 * the parameter ksm_budget wants, which is less than the timer can tell where there is much
 * to be had: then it goes on; after each pass it waits for ksm_pass_ms.
 *
 * Locks. The domain's mutex is held by who scans, around all else. Of several
 * page locks all but the first are only tried. The index's lock is a leaf.
 * Whoever breaks a sharing (a fault) or drops a page needs neither the mutex nor
 * memory of this room.
 */
#include <linux/moduleparam.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "ksm/ksm.h"
#include "mem/layer.h"

static unsigned int ksm_budget = 10;
module_param(ksm_budget, uint, 0644);
MODULE_PARM_DESC(ksm_budget, "how much of a CPU merging may take per owner, in percent; 0: none");

static unsigned int ksm_pass_ms = 1000;
module_param(ksm_pass_ms, uint, 0644);
MODULE_PARM_DESC(ksm_pass_ms, "pause between two passes of merging over a domain, in ms");

/* Pages that are locked, and taken out of views, at a time. */
#define WINDOW		32
#define SLICE_NS	NSEC_PER_MSEC
/* Two jiffies, with HZ 100. */
#define LATE_NS		(20 * NSEC_PER_MSEC)

struct window {
	struct lodge_layer *l;
	struct page *page[WINDOW];
	pgoff_t index[WINDOW];
	int nr;
	bool now;		/* no rest for those that are tired */
	bool seen;
	u64 merged, skipped;
};

static bool take(struct window *w, pgoff_t index, struct page *page)
{
	if (PageHWPoison(page))
		return false;
	if (lodge_page_rest(page) && !w->now) {
		lodge_page_rested(page);
		lodge_ksm_count(w->l->domain, LODGE_KSM_COOLING, 1);
		return false;
	}
	get_page(page);
	w->page[w->nr] = page;
	w->index[w->nr++] = index;
	w->seen |= lodge_page_seen(page);
	return true;
}

/* Locks what was written of [first, last], holds still, and is free at the moment. */
static void collect(struct window *w, pgoff_t first, pgoff_t last)
{
	XA_STATE(xas, &w->l->entries, first);
	struct lodge_domain *d = w->l->domain;
	struct lodge_npt_dirty dirty = { };
	void *entry;

	if (!w->now)
		dirty = lodge_layer_written(w->l, first, last - first + 1);
	w->nr = 0;
	w->seen = false;
	xas_lock(&xas);
	xas_for_each_marked(&xas, entry, last, LODGE_WRITTEN) {
		if (lodge_entry_state(entry) != LODGE_PAGE_PRIVATE)
			continue;
		lodge_ksm_count(d, LODGE_KSM_VISITED, 1);
		if (dirty.still >> (xas.xa_index - first) & 1)
			lodge_ksm_count(d, LODGE_KSM_STILL, 1);
		if (dirty.written >> (xas.xa_index - first) & 1) {
			lodge_ksm_count(d, LODGE_KSM_WRITTEN, 1);
		} else if (!trylock_page(entry)) {
			lodge_ksm_count(d, LODGE_KSM_BUSY, 1);
			w->skipped++;
		} else if (!take(w, xas.xa_index, entry)) {
			unlock_page(entry);
		}
	}
	xas_unlock(&xas);
}

static void scan_window(struct window *w, pgoff_t first, pgoff_t last)
{
	int i;

	collect(w, first, last);
	if (w->seen)
		lodge_layer_unview(w->l, w->index[0],
				   w->index[w->nr - 1] - w->index[0] + 1);
	for (i = 0; i < w->nr; i++) {
		struct page *page = w->page[i];

		if (page_count(page) != 2) {
			lodge_ksm_count(w->l->domain, LODGE_KSM_HELD, 1);
			w->skipped++;
		} else if (lodge_ksm_merge(w->l, w->index[i], page)) {
			w->merged++;
		}
		lodge_object_put(page);
	}
}

/*
 * Whether a block is left alone by this pass. Its first page says for how many more, and
 * for how many the next time; 0 if it was not written since it was last looked at.
 */
static bool block_rests(struct window *w, struct page *page, bool written)
{
	u8 rest = lodge_page_rest(page), backoff = lodge_page_backoff(page);

	if (w->now)
		return false;
	if (written && !backoff)
		rest = backoff = 1;
	lodge_ksm_count(w->l->domain, backoff ? LODGE_KSM_COOLING : LODGE_KSM_STILL,
			rest ? LODGE_BLOCK_PAGES : 0);
	lodge_page_set_rest(page, rest ? rest - 1 : 0, backoff);
	return rest;
}

/* Looks at pages of a block in the views; whether nothing of them can be merged; @all: of all. */
static bool peek_block(struct window *w, pgoff_t first, pgoff_t last, bool still, bool *all)
{
	struct lodge_layer *l = w->l;
	bool found = false;
	struct page *page;
	void *entry;

	for (; first <= last && !found; first++) {
		page = lodge_layer_lock(l, first, false, &entry);
		if (!page) {
			lodge_ksm_count(l->domain, LODGE_KSM_BUSY, 1);
			w->skipped++;
			*all = false;
			continue;
		}
		/* Nobody but guests could have written it, and none has. */
		if (!(still && lodge_page_peeked(page) && lodge_index_has(page) &&
		      page_count(page) == 2))
			found = lodge_entry_state(entry) != LODGE_PAGE_PRIVATE ||
				lodge_ksm_peek(l, page);
		lodge_object_put(page);
		if (!(first % WINDOW))
			cond_resched();
	}
	return !found;
}

/* The first page of a block, which says how it fares; NULL if it isn't one any more. */
static struct page *block_lock(struct lodge_layer *l, pgoff_t base)
{
	void *entry;
	struct page *page = lodge_layer_lock(l, base, true, &entry);

	if (!page || lodge_entry_state(entry) == LODGE_PAGE_PRIVATE)
		return page;
	lodge_object_put(page);
	return NULL;
}

/* After it was looked at: all of it, if @full. */
static void block_rest(struct window *w, struct page *page, bool written, bool full)
{
	u8 backoff = lodge_ksm_longer(lodge_page_backoff(page));

	if (full && (w->now || !written))
		lodge_page_set_rest(page, LODGE_REST_STILL, 0);
	else if (written)
		lodge_page_set_rest(page, backoff, backoff);
}

/* Whether a block, from @first to @last, stays as it is, mapped by an entry of 2M. */
static bool leave_block(struct window *w, pgoff_t first, pgoff_t last)
{
	pgoff_t base = lodge_block_base(first), nr = last - first + 1;
	bool all = nr == LODGE_BLOCK_PAGES;
	struct lodge_layer *l = w->l;
	struct lodge_npt_dirty dirty = lodge_layer_written(l, base, LODGE_BLOCK_PAGES);
	struct page *page = dirty.huge ? block_lock(l, base) : NULL;
	bool still, rests, whole;

	if (!page)
		return false;
	lodge_ksm_count(l->domain, LODGE_KSM_VISITED, nr);
	rests = block_rests(w, page, dirty.written);
	still = !dirty.written && !lodge_page_backoff(page);
	lodge_object_put(page);
	if (rests)
		return true;
	/* What is written after it is hashed shall show the next time. */
	if (dirty.written || w->now)
		lodge_layer_flush(l);
	whole = peek_block(w, first, last, still, &all);
	page = block_lock(l, base);
	if (page && whole)
		block_rest(w, page, dirty.written, all);
	else if (page)
		lodge_page_set_rest(page, 0, 0);
	if (page)
		lodge_object_put(page);
	if (!whole)
		lodge_layer_unview(l, base, LODGE_BLOCK_PAGES);
	return whole;
}

/* The next pages that were written, of @last at most; the page after them. */
static bool scan_next(struct window *w, pgoff_t *next, pgoff_t last)
{
	unsigned long index = *next, end;

	if (index > last || !xa_find(&w->l->entries, &index, last, LODGE_WRITTEN))
		return false;
	end = min(lodge_block_base(index) + LODGE_BLOCK_PAGES - 1, last);
	if (lodge_block_at(w->l, index) && leave_block(w, index, end)) {
		*next = end + 1;
		return true;
	}
	/* What follows may be a block. */
	end = min(end, index + WINDOW - 1);
	*next = end + 1;
	scan_window(w, index, end);
	return true;
}

/* A clock that doesn't go while somebody else has this CPU. */
static u64 cpu_clock(void)
{
	u64 now;

	preempt_disable();
	now = ktime_get_ns() - lodge_run_delay(current);
	preempt_enable();
	return now;
}

/* Since then; two clocks that differ a little may make it less than nothing. */
static u64 cpu_since(u64 start)
{
	return max_t(s64, cpu_clock() - start, 0);
}

/* Whoever comes to the end of the pass begins another one. */
static void scan_slice(struct lodge_domain *d, u64 start, bool now, bool *over)
{
	struct lodge_layer *l;

	do {
		struct window w = { .now = now };

		l = list_first_entry_or_null(&d->layers, struct lodge_layer,
					     domain_list);
		if (!l) {
			list_splice_init(&d->done, &d->layers);
			lodge_ksm_count(d, LODGE_KSM_PASSES, 1);
			*over = true;
			return;
		}
		w.l = l;
		if (!scan_next(&w, &l->cursor, ULONG_MAX)) {
			lodge_layer_flush(l);
			l->cursor = 0;
			list_move_tail(&l->domain_list, &d->done);
		}
		cond_resched();
	} while (cpu_since(start) < SLICE_NS);
}

static u32 pass_ms(const struct lodge_domain *d)
{
	u32 own = READ_ONCE(d->pass_ms), all = READ_ONCE(ksm_pass_ms);

	return own == LODGE_DOMAIN_BY_POLICY ? all : max(own, all);
}

/** lodge_ksm_rates - the parameters of this room */
void lodge_ksm_rates(u32 *budget, u32 *pass)
{
	*budget = READ_ONCE(ksm_budget);
	*pass = READ_ONCE(ksm_pass_ms);
}

/** lodge_ksm_set_rates - set both; the budget is LODGE_KSM_MAX_BUDGET at most */
void lodge_ksm_set_rates(u32 budget, u32 pass)
{
	WRITE_ONCE(ksm_budget, budget);
	WRITE_ONCE(ksm_pass_ms, pass);
}

/**
 * lodge_ksm_step - go on with a pass now, for about a millisecond
 * @d: the domain, held
 * @begin: begin it anew
 * @more: set to whether it isn't over
 *
 * As with LODGE_MEMORY_MERGE no page rests. The caller pays.
 *
 * Context: may sleep.
 * Return: 0, or -EINTR.
 */
int lodge_ksm_step(struct lodge_domain *d, bool begin, bool *more)
{
	struct lodge_layer *l;
	bool over = false;
	u64 start;

	if (mutex_lock_interruptible(&d->mutex))
		return -EINTR;
	start = cpu_clock();
	if (begin) {
		list_splice_init(&d->done, &d->layers);
		list_for_each_entry(l, &d->layers, domain_list)
			l->cursor = 0;
	}
	scan_slice(d, start, true, &over);
	mutex_unlock(&d->mutex);
	lodge_ksm_count(d, LODGE_KSM_CPU_NS, cpu_since(start));
	*more = !over;
	return 0;
}

/*
 * What a slice took is paid for by a pause; for how much of one, in jiffies, it is now.
 * What timers are late by is made good, as far as they usually are.
 */
static unsigned long pause_after(struct lodge_domain *d, u64 begin, u64 took, u64 price)
{
	u64 now = ktime_get_ns();

	d->paid = max(d->paid, begin - LATE_NS) + took * price / 100;
	return d->paid > now ? nsecs_to_jiffies(d->paid - now) : 0;
}

/** lodge_ksm_work - scan a domain for a while */
void lodge_ksm_work(struct work_struct *work)
{
	struct lodge_domain *d = container_of(to_delayed_work(work),
					      struct lodge_domain, work);
	u32 budget = min3(READ_ONCE(ksm_budget), READ_ONCE(d->budget), (u32)LODGE_KSM_MAX_BUDGET);
	/* All domains of an owner have one budget: they cost nothing to make. */
	u64 begin, start, peers = lodge_domain_peers(d);
	unsigned long delay = 0;
	bool over = !budget, more;

	mutex_lock(&d->mutex);
	begin = ktime_get_ns();
	start = cpu_clock();
	if (!over)
		scan_slice(d, start, false, &over);
	more = !list_empty(&d->layers) || !list_empty(&d->done);
	start = cpu_since(start);
	lodge_ksm_count(d, LODGE_KSM_CPU_NS, start);
	if (budget)
		delay = pause_after(d, begin, start, 10000 * peers / budget);
	mutex_unlock(&d->mutex);
	/* The pause after a pass doesn't make its last slice, or all of it, free. */
	if (over)
		delay = max3(delay, msecs_to_jiffies(pass_ms(d)), 1ul);
	if (more)
		queue_delayed_work(system_unbound_wq, &d->work, delay);
}

/**
 * lodge_ksm_now - merge what can be merged of a range, now
 * @l: the layer
 * @first: the first page
 * @count: how many
 * @merged: increased by how many were merged
 * @skipped: increased by how many were held by others, or busy
 *
 * Context: may sleep.
 * Return: 0; -EINVAL if the layer isn't mergeable; -EINTR.
 */
int lodge_ksm_now(struct lodge_layer *l, pgoff_t first, pgoff_t count,
		  u64 *merged, u64 *skipped)
{
	struct lodge_domain *d = l->domain;
	struct window w = { .l = l, .now = true };
	pgoff_t last = first + count - 1;
	bool more = true;
	int ret = 0;
	u64 start;

	while (more && !ret) {
		if (signal_pending(current) || mutex_lock_interruptible(&d->mutex)) {
			ret = -EINTR;
			break;
		}
		start = cpu_clock();
		if (l->mergeable)
			more = scan_next(&w, &first, last);
		else
			ret = -EINVAL;
		lodge_ksm_count(d, LODGE_KSM_CPU_NS, cpu_since(start));
		mutex_unlock(&d->mutex);
		cond_resched();
	}
	*merged += w.merged;
	*skipped += w.skipped;
	return ret;
}
