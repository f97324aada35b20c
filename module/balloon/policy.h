/* SPDX-License-Identifier: GPL-2.0-only */
/* The balloon's arithmetic: no VM, no lock, no memory is needed for it. */
#ifndef LODGE_BALLOON_POLICY_H
#define LODGE_BALLOON_POLICY_H

#include <linux/list.h>
#include <linux/types.h>

struct lodge_layer;
struct lodge_pool;

/* Hundredths of an idle page's price that are tax: 0 to this. */
#define LODGE_MAX_TAX	99
/* Objects of a VM that are looked at. */
#define LODGE_PRESS_OBJECTS	16
/* Pages that are taken at a time. */
#define LODGE_PRESS_MAX		4096

/**
 * struct lodge_claim - what one VM of a domain may have
 * @list: the domain's claims
 * @shares: 1 to LODGE_BALLOON_MAX_SHARES
 * @min: pages below which it never goes
 * @max: pages that it can use: @min to LODGE_BALLOON_MAX_MEMORY >> PAGE_SHIFT
 * @active: pages that it is thought to use; any number
 * @target: what it is given
 */
struct lodge_claim {
	struct list_head list;
	u64 shares;
	u64 min, max;
	u64 active;
	u64 target;
};

/**
 * struct lodge_estimate - how much of its memory a VM uses
 * @periods: sampling periods that were seen; stops at 1
 * @last: the last period's fraction, in 1/65536
 * @fast: a moving average that follows it quickly,
 * @slow: and one that forgets slowly
 */
struct lodge_estimate {
	u32 periods;
	u32 last, fast, slow;
};

/**
 * struct lodge_press - what is taken from a VM whose guest doesn't give it
 * @target: pages that it shall have
 * @has: and has: by its own account, or by what it holds if that is more
 * @floor: pages of it that stay in memory
 * @want: pages to be taken
 * @nr: objects that it has
 * @part: these, which may be gone: each's layer on top with its pool and its number
 */
struct lodge_press {
	u64 target, has, floor;
	u64 want;
	unsigned int nr;
	struct {
		struct lodge_layer *layer;
		struct lodge_pool *pool;
		u64 id;
	} part[LODGE_PRESS_OBJECTS];
};

u64 lodge_policy_press(u64 pages, u64 packed, const struct lodge_press *p);
void lodge_policy_share(struct list_head *claims, u64 budget, unsigned int tax);
u64 lodge_policy_budget(u64 held, u64 all_held, u64 domains, s64 spare);
void lodge_estimate_add(struct lodge_estimate *e, u32 touched, u32 sampled);
u64 lodge_estimate_active(const struct lodge_estimate *e, u64 pages);

#endif /* LODGE_BALLOON_POLICY_H */
