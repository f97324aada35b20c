// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who gets how much: C. Waldspurger, "Memory Resource Management in VMware ESX
 * Server" (OSDI 2002), 5.1 to 5.3.
 *
 * There memory is taken from who pays least for it, shares by pages, where an
 * idle page counts k = 1 / (1 - tax) times. It ends when all pay the same, say
 * 1 / r shares for a page:
 *
 *	active + k * (pages - active) = r * shares
 *
 * so that pages = active + (1 - tax) * (r * shares - active), and just r * shares
 * for who can't pay for all that it uses. That grows with r, floors and ceilings
 * included, so r is found by halving, and nothing moves step by step.
 */
#include <linux/kernel.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "balloon/policy.h"

/* r in 1/65536 pages: even with one share and the highest tax all is paid by 2^59. */
#define RATE_SHIFT	16
#define RATE_MAX	BIT_ULL(59)

#define FRACTION_SHIFT	16

static u64 want(const struct lodge_claim *c, u64 rate, unsigned int tax)
{
	u64 pages = mul_u64_u64_shr(rate, c->shares, RATE_SHIFT);

	if (pages > c->active)
		pages = c->active + mul_u64_u32_div(pages - c->active,
						    100 - tax, 100);
	return clamp(pages, c->min, c->max);
}

static u64 want_all(struct list_head *claims, u64 rate, unsigned int tax)
{
	struct lodge_claim *c;
	u64 sum = 0;

	list_for_each_entry(c, claims, list)
		sum += want(c, rate, tax);
	return sum;
}

/**
 * lodge_policy_share - divide a domain's memory among its VMs
 * @claims: of struct lodge_claim; their targets are set
 * @budget: pages to be divided
 * @tax: on idle memory, in hundredths, 0 to LODGE_MAX_TAX
 *
 * The targets' sum is @budget, unless the floors together are above it or the
 * ceilings below.
 *
 * Context: any.
 */
void lodge_policy_share(struct list_head *claims, u64 budget, unsigned int tax)
{
	u64 lo = 0, hi = RATE_MAX, left, more;
	struct lodge_claim *c;

	while (hi - lo > 1) {
		u64 mid = (lo + hi) / 2;

		if (want_all(claims, mid, tax) <= budget)
			lo = mid;
		else
			hi = mid;
	}
	left = want_all(claims, lo, tax);
	left = budget > left ? budget - left : 0;
	/* Less than what the next rate would give to all of them. */
	list_for_each_entry(c, claims, list) {
		c->target = want(c, lo, tax);
		more = min(want(c, hi, tax) - c->target, left);
		c->target += more;
		left -= more;
	}
}

/**
 * lodge_policy_budget - a domain's memory, by the host's need
 * @held: pages that the domain has
 * @all_held: pages that all domains have
 * @domains: how many there are, not 0
 * @spare: pages that the host can spare, or, negative, that it lacks
 *
 * What is spare is for all domains alike; what is lacking is asked of each by
 * what it holds. As guests give, @spare grows by what @held falls, so that the
 * result stays as it is until all is given.
 *
 * Return: pages.
 */
u64 lodge_policy_budget(u64 held, u64 all_held, u64 domains, s64 spare)
{
	u64 lack;

	if (spare >= 0)
		return held + div64_u64(spare, domains);
	lack = min(0 - (u64)spare, all_held);
	return all_held ? held - mul_u64_u64_div_u64(lack, held, all_held) : 0;
}

/**
 * lodge_policy_press - how much to take from a guest that doesn't give it
 * @pages: of its lodge memory that can be taken
 * @packed: pages that what was taken before needs still
 * @p: what it has, and shall have
 *
 * No more than it owes, than what it really has beyond its target, and than leaves its floor.
 *
 * Return: pages, LODGE_PRESS_MAX at most.
 */
u64 lodge_policy_press(u64 pages, u64 packed, const struct lodge_press *p)
{
	u64 owed = p->has > p->target ? p->has - p->target : 0;
	u64 beyond = pages + packed > p->target ? pages + packed - p->target : 0;
	u64 above = pages > p->floor ? pages - p->floor : 0;

	return min3(min(owed, beyond), above, (u64)LODGE_PRESS_MAX);
}

/**
 * lodge_estimate_add - what a sampling period has found
 * @e: the estimate; all 0 before the first one
 * @touched: pages that were touched,
 * @sampled: of these
 */
void lodge_estimate_add(struct lodge_estimate *e, u32 touched, u32 sampled)
{
	if (!sampled)
		return;
	e->last = div_u64((u64)min(touched, sampled) << FRACTION_SHIFT, sampled);
	if (!e->periods) {
		e->periods = 1;
		e->fast = e->last;
		e->slow = e->last;
	}
	e->fast = (e->fast + e->last) / 2;
	e->slow = (7 * e->slow + e->last) / 8;
}

/**
 * lodge_estimate_active - the working set
 * @e: the estimate
 * @pages: what the samples were taken from
 *
 * A VM that begins to use more is believed at once, one that uses less by and
 * by: the largest of the three counts. All is active until a period has ended.
 *
 * Return: pages.
 */
u64 lodge_estimate_active(const struct lodge_estimate *e, u64 pages)
{
	if (!e->periods)
		return pages;
	return mul_u64_u64_shr(pages, max3(e->last, e->fast, e->slow),
			       FRACTION_SHIFT);
}
