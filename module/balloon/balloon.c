// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Balloon
 *
 * A balloon is a device of the launcher's: a driver in the guest gives pages up or
 * takes them back until it has what the device says, the target. This room
 * says what the target is, and knows nothing of the device. The launcher
 * makes a VM's balloon (LODGE_BALLOON_SET), hears of a new target by an eventfd,
 * asks for it (LODGE_BALLOON_GET), and tells what has become of it
 * (LODGE_BALLOON_REPORT).
 *
 * Objects. A balloon (struct lodge_balloon) is its VM's, charged to who made it, and
 * goes with the VM. The VMs of one user are a domain, or several with a name each, that
 * have equal parts of what the user has. In a domain memory is divided
 * by shares, with a tax on what is idle: policy.c, which is arithmetic and
 * nothing else. A VM whose target was set by hand takes part with what it was given.
 * How much there is to be divided is a parameter, or follows from what the host
 * has left. What a VM uses is estimated from samples: sample.c.
 *
 * All of that is done by one delayed work, once a period, while any VM wants its
 * target computed, and without sampling when something was set.
 *
 * What is divided is what guests should have. A guest that has no driver, or an evil
 * one, has some time to comply (balloon_patience_ms), and from each answer anew. Then what
 * it owes is taken, from its lodge memory, as far as it doesn't use that: press.c.
 *
 * Locks. balloon_lock is held for all of it. It is taken with no other lock held but
 * lodge_vms_lock, and npt.lock is taken under it, and vm->srcu for reading. Nobody waits for a
 * vCPU, or for SRCU, under it, and nothing is reclaimed.
 */
#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "lodge.h"
#include "../uapi/lodge.h"

#define MIN_PERIOD_MS	100
#define MAX_PERIOD_MS	(3600 * MSEC_PER_SEC)

struct lodge_balloon {
	struct list_head list;	/* all, those of a domain beside each other */
	struct lodge_vm *vm;
	struct eventfd_ctx *event;
	bool automatic;
	u64 shares;
	u64 memory, reservation, target;	/* pages */
	u64 actual, valid;			/* as reported */
	u64 stat[LODGE_BALLOON_NR_STATS];
	char domain[LODGE_DOMAIN_NAME_MAX];
	u64 has, from;		/* pages that it has, and had when it was last expected to give */
	bool behind;		/* it has more than it shall have, */
	unsigned long due;	/* but not for longer than that: jiffies */
	u64 reclaimed;		/* pages taken therefore */
	u64 hints, hinted;	/* asked for, and bytes that came of it */
	struct lodge_claim claim;
	struct lodge_estimate estimate;
	struct lodge_sample sample;
};

static DEFINE_MUTEX(balloon_lock);
static LIST_HEAD(balloons);
static unsigned int nr_automatic;

static unsigned int balloon_tax = 75;
static unsigned int balloon_budget;
static unsigned int balloon_reserve;
static unsigned int balloon_period_ms = 5000;
static unsigned int balloon_patience_ms = 30000;

static void work_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(balloon_work, work_fn);
static void press_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(press_work, press_fn);

/* Guests are to be waited for longer, or less long. */
static void patience_changed(void)
{
	/* Not at load. */
	if (!list_empty_careful(&balloons))
		mod_delayed_work(system_unbound_wq, &press_work, 0);
}

/**
 * lodge_balloon_rates - the parameters of this room
 * @r: filled in as far as it is about balloons
 */
void lodge_balloon_rates(struct lodge_policy *r)
{
	r->tax = READ_ONCE(balloon_tax);
	r->period_ms = READ_ONCE(balloon_period_ms);
	r->budget = READ_ONCE(balloon_budget);
	r->reserve = READ_ONCE(balloon_reserve);
	r->patience_ms = READ_ONCE(balloon_patience_ms);
}

/**
 * lodge_balloon_set_rates - set all of them, and compute anew
 * @r: what they become; the rest of it is left alone
 *
 * Return: 0, or -EINVAL.
 */
int lodge_balloon_set_rates(const struct lodge_policy *r)
{
	if (r->tax > LODGE_MAX_TAX || r->period_ms < MIN_PERIOD_MS ||
	    r->period_ms > MAX_PERIOD_MS || r->patience_ms > MAX_PERIOD_MS)
		return -EINVAL;
	WRITE_ONCE(balloon_tax, r->tax);
	WRITE_ONCE(balloon_period_ms, r->period_ms);
	WRITE_ONCE(balloon_budget, r->budget);
	WRITE_ONCE(balloon_reserve, r->reserve);
	WRITE_ONCE(balloon_patience_ms, r->patience_ms);
	patience_changed();
	if (delayed_work_pending(&balloon_work))
		mod_delayed_work(system_unbound_wq, &balloon_work, 0);
	return 0;
}

static int set_tax(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, LODGE_MAX_TAX);
}

static int set_period(const char *val, const struct kernel_param *kp)
{
	int ret = param_set_uint_minmax(val, kp, MIN_PERIOD_MS, MAX_PERIOD_MS);

	/* Not at load, when there is nothing to be waited for. */
	if (!ret && delayed_work_pending(&balloon_work))
		mod_delayed_work(system_unbound_wq, &balloon_work, 0);
	return ret;
}

static int set_patience(const char *val, const struct kernel_param *kp)
{
	int ret = param_set_uint_minmax(val, kp, 0, MAX_PERIOD_MS);

	if (!ret)
		patience_changed();
	return ret;
}

static const struct kernel_param_ops patience_ops = {
	.set = set_patience, .get = param_get_uint,
};

static const struct kernel_param_ops tax_ops = {
	.set = set_tax, .get = param_get_uint,
};

static const struct kernel_param_ops period_ops = {
	.set = set_period, .get = param_get_uint,
};

module_param_cb(balloon_tax, &tax_ops, &balloon_tax, 0644);
MODULE_PARM_DESC(balloon_tax, "tax on guests' idle memory in percent, 0 to 99");
module_param_cb(balloon_period_ms, &period_ops, &balloon_period_ms, 0644);
MODULE_PARM_DESC(balloon_period_ms, "milliseconds between two computations of targets");
module_param(balloon_budget, uint, 0644);
MODULE_PARM_DESC(balloon_budget, "MiB for the guests of one user; 0: as the host has it");
module_param(balloon_reserve, uint, 0644);
MODULE_PARM_DESC(balloon_reserve, "MiB that the host shall keep available; 0: an eighth of its memory");

module_param_cb(balloon_patience_ms, &patience_ops, &balloon_patience_ms, 0644);
MODULE_PARM_DESC(balloon_patience_ms, "milliseconds after which what a guest doesn't give is compressed or swapped; 0: never");

static u64 mib_to_pages(unsigned int mib)
{
	return (u64)mib << (20 - PAGE_SHIFT);
}

/* Pages that the nested tables map. */
static u64 resident(struct lodge_vm *vm)
{
	u64 pages = 0;
	int level;

	for (level = 1; level <= 3; level++)
		pages += (u64)atomic64_read(&vm->npt.pages[level]) <<
			 9 * (level - 1);
	return pages;
}

static void sample(struct lodge_balloon *b)
{
	struct lodge_vm *vm = b->vm;
	int idx = srcu_read_lock(&vm->srcu);

	lodge_estimate_add(&b->estimate, lodge_sample_end(vm, &b->sample),
			   b->sample.nr);
	lodge_sample_begin(vm, &b->sample);
	srcu_read_unlock(&vm->srcu, idx);
}

static u64 active(const struct lodge_balloon *b)
{
	return lodge_estimate_active(&b->estimate,
				     b->estimate.periods ? b->sample.pages :
				     b->memory);
}

/* Look at who is behind after @delay, if not before. */
static void press_in(unsigned long delay)
{
	/* It may be set for later: there may have been more patience. */
	if (!delayed_work_pending(&press_work) ||
	    time_after(press_work.timer.expires, jiffies + delay))
		mod_delayed_work(system_unbound_wq, &press_work, delay);
}

/*
 * Has it too much, and how long is it waited for? From each answer anew; a sixteenth of what
 * it owes is one. What it holds is known here: what is said of that may be a lie.
 */
static void expect(struct lodge_balloon *b)
{
	unsigned long patience = msecs_to_jiffies(READ_ONCE(balloon_patience_ms));
	u64 has = max(b->actual, lodge_press_held(b->vm, b->memory));
	bool waiting = b->behind && (b->from <= has ||
				     (b->from - has) * 16 < b->from - b->target);

	b->has = has;
	b->behind = patience && has > b->target;
	/* Patience may have become less. */
	if (!b->behind || (waiting && time_before_eq(b->due, jiffies + patience)))
		return;
	b->from = has;
	b->due = jiffies + patience;
	press_in(patience);
}

/* What is hardly a change isn't told: guests would never come to rest. */
static void aim(struct lodge_balloon *b, u64 target)
{
	u64 diff = max(target, b->target) - min(target, b->target);
	bool told = diff && (diff >= b->memory / 128 || target == b->claim.min ||
			     target == b->claim.max);

	if (told)
		b->target = target;
	expect(b);
	if (told && b->event)
		lodge_eventfd_signal(b->event);
}

static bool same_user(const struct lodge_balloon *a, const struct lodge_balloon *b)
{
	return uid_eq(a->vm->uid, b->vm->uid);
}

static bool same_domain(const struct lodge_balloon *a,
			const struct lodge_balloon *b)
{
	return same_user(a, b) && !strcmp(a->domain, b->domain);
}

static bool ends_domain(struct lodge_balloon *b)
{
	return list_is_last(&b->list, &balloons) ||
	       !same_domain(b, list_next_entry(b, list));
}

static bool ends_user(struct lodge_balloon *b)
{
	return list_is_last(&b->list, &balloons) ||
	       !same_user(b, list_next_entry(b, list));
}

/* How many domains a user has, of whom @b is the first balloon. */
static u64 user_domains(struct lodge_balloon *b)
{
	u64 nr = 0;

	list_for_each_entry_from(b, &balloons, list) {
		nr += ends_domain(b);
		if (ends_user(b))
			break;
	}
	return nr;
}

static void share_domain(struct list_head *claims, u64 budget)
{
	struct lodge_claim *c, *n;

	lodge_policy_share(claims, budget, READ_ONCE(balloon_tax));
	list_for_each_entry_safe(c, n, claims, list) {
		struct lodge_balloon *b = container_of(c, struct lodge_balloon, claim);

		list_del(&c->list);
		aim(b, c->target);
		lodge_press_goal(b->vm, b->target);
	}
}

static s64 host_spare(void)
{
	u64 reserve = mib_to_pages(READ_ONCE(balloon_reserve));

	return si_mem_available() - (reserve ?: totalram_pages() / 8);
}

static void share_all(void)
{
	u64 budget = mib_to_pages(READ_ONCE(balloon_budget));
	u64 held = 0, all_held = 0, users = 0, domains = 0;
	s64 spare = host_spare();
	struct lodge_balloon *b;
	LIST_HEAD(claims);

	list_for_each_entry(b, &balloons, list) {
		all_held += resident(b->vm);
		users += ends_user(b);
	}
	list_for_each_entry(b, &balloons, list) {
		u64 has = resident(b->vm);

		domains = domains ?: user_domains(b);
		b->claim.shares = b->shares;
		b->claim.min = b->automatic ? b->reservation : b->target;
		b->claim.max = b->automatic ? b->memory : b->target;
		b->claim.active = active(b);
		list_add_tail(&b->claim.list, &claims);
		held += has;
		if (!ends_domain(b))
			continue;
		/* Nobody has more by having more domains. */
		share_domain(&claims, budget ? div64_u64(budget, domains) :
			     lodge_policy_budget(min(held, all_held), all_held,
						 users * domains, spare));
		held = 0;
		if (ends_user(b))
			domains = 0;
	}
}

static void run_again(void)
{
	if (nr_automatic)
		queue_delayed_work(system_unbound_wq, &balloon_work,
				   msecs_to_jiffies(READ_ONCE(balloon_period_ms)));
}

static void work_fn(struct work_struct *work)
{
	struct lodge_balloon *b;

	mutex_lock(&balloon_lock);
	/* A target set by hand doesn't depend on what is used. */
	list_for_each_entry(b, &balloons, list) {
		if (b->automatic)
			sample(b);
		cond_resched();
	}
	share_all();
	run_again();
	mutex_unlock(&balloon_lock);
}

/* One that nobody finds any more, or NULL. */
static void free_balloon(struct lodge_balloon *b)
{
	if (b && b->event)
		eventfd_ctx_put(b->event);
	kfree(b);
}

static void remove_balloon(struct lodge_balloon *b)
{
	list_del(&b->list);
	lodge_press_goal(b->vm, 0);
	nr_automatic -= b->automatic;
	b->vm->balloon = NULL;
}

/* Beside those of its domain, else beside those of its user. */
static void put_in_domain(struct lodge_balloon *b, const char *domain)
{
	struct list_head *user = &balloons, *after = NULL;
	struct lodge_balloon *other;

	list_del_init(&b->list);
	strscpy(b->domain, domain, sizeof(b->domain));
	list_for_each_entry(other, &balloons, list) {
		if (same_domain(other, b))
			after = &other->list;
		if (same_user(other, b))
			user = &other->list;
	}
	list_add(&b->list, after ?: user);
}

/* Those that are behind their target for too long, by their VMs' ids, one after another. */
static bool next_overdue(u64 *id, struct lodge_press *press)
{
	struct lodge_balloon *b, *next = NULL;

	mutex_lock(&balloon_lock);
	list_for_each_entry(b, &balloons, list) {
		expect(b);
		if (b->behind && time_after_eq(jiffies, b->due) && b->vm->id > *id &&
		    (!next || b->vm->id < next->vm->id))
			next = b;
	}
	if (next) {
		*id = next->vm->id;
		press->target = next->target;
		press->has = next->has;
		press->floor = next->reservation;
		lodge_press_goal(next->vm, next->target);
		lodge_press_plan(next->vm, press);
	}
	mutex_unlock(&balloon_lock);
	return next;
}

/* So much was taken from a VM. When to look again; 0: nothing is left to be done. */
static unsigned long pressed(u64 id, u64 pages)
{
	unsigned long period = msecs_to_jiffies(READ_ONCE(balloon_period_ms));
	unsigned long now = jiffies, next = ULONG_MAX;
	struct lodge_balloon *b;

	mutex_lock(&balloon_lock);
	list_for_each_entry(b, &balloons, list) {
		if (b->vm->id == id)
			b->reclaimed += pages;
		if (b->behind)
			next = min(next, time_after(b->due, now) ? b->due - now : period);
	}
	mutex_unlock(&balloon_lock);
	return next == ULONG_MAX ? 0 : max(next, 1ul);
}

static void press_fn(struct work_struct *work)
{
	struct lodge_press press;
	unsigned long next;
	u64 id = 0, pages;
	bool more = false;

	while (next_overdue(&id, &press)) {
		pages = press.want ? lodge_press(&press) : 0;
		more |= pages == LODGE_PRESS_MAX;
		pressed(id, pages);
	}
	next = pressed(0, 0);
	mutex_lock(&balloon_lock);
	if (next)
		press_in(more ? HZ / 10 : next);
	mutex_unlock(&balloon_lock);
}

/* By hand or not, and the others get what that leaves them. */
static void set_aim(struct lodge_balloon *b, bool automatic, u64 target)
{
	nr_automatic += automatic - b->automatic;
	b->automatic = automatic;
	if (automatic && !b->target)
		b->target = b->memory;
	else
		b->target = clamp(automatic ? b->target : target,
				  b->reservation, b->memory);
	expect(b);
	share_all();
	run_again();
}

/* Takes @fresh, and the event that is in it, if the VM has no balloon yet. */
static struct lodge_balloon *set_locked(struct lodge_vm *vm,
					const struct lodge_balloon_config *c,
					struct lodge_balloon *fresh)
{
	struct lodge_balloon *b = vm->balloon;

	if (b) {
		swap(b->event, fresh->event);
	} else {
		b = fresh;
		fresh = NULL;
		b->vm = vm;
		vm->balloon = b;
		INIT_LIST_HEAD(&b->list);
		b->actual = c->memory >> PAGE_SHIFT;
	}
	put_in_domain(b, c->domain);
	b->shares = c->shares;
	b->memory = c->memory >> PAGE_SHIFT;
	b->reservation = c->reservation >> PAGE_SHIFT;
	b->actual = min(b->actual, b->memory);
	set_aim(b, c->flags & LODGE_BALLOON_AUTO, c->target >> PAGE_SHIFT);
	return fresh;
}

static int take_away(struct lodge_vm *vm)
{
	struct lodge_balloon *b;

	mutex_lock(&balloon_lock);
	b = vm->balloon;
	if (b) {
		remove_balloon(b);
		share_all();
	}
	mutex_unlock(&balloon_lock);
	free_balloon(b);
	return b ? 0 : -ENOENT;
}

static int check_config(const struct lodge_balloon_config *c)
{
	if (c->flags & ~LODGE_BALLOON_AUTO ||
	    !memchr(c->domain, 0, sizeof(c->domain)))
		return -EINVAL;
	if (!c->memory)
		return 0;
	if (c->memory < PAGE_SIZE || c->memory > LODGE_BALLOON_MAX_MEMORY ||
	    c->reservation > c->memory ||
	    !c->shares || c->shares > LODGE_BALLOON_MAX_SHARES)
		return -EINVAL;
	if (!(c->flags & LODGE_BALLOON_AUTO) &&
	    (c->target < c->reservation || c->target > c->memory))
		return -EINVAL;
	return 0;
}

/* The structures of uapi/lodge.h begin with their size, and have flags. */
static int copy_in(void *to, size_t size, void __user *from)
{
	u32 given;

	if (get_user(given, (u32 __user *)from))
		return -EFAULT;
	if (given < 2 * sizeof(u32) || given > PAGE_SIZE)
		return -EINVAL;
	return copy_struct_from_user(to, size, from, given);
}

/**
 * lodge_balloon_set - LODGE_BALLOON_SET
 * @vm: the VM
 * @arg: struct lodge_balloon_config in user space
 *
 * Return: 0; -EINVAL for what can't be, -E2BIG, -EBADF or -EINVAL for what is no
 * eventfd, -ENOENT if there is no balloon to be taken away, -ENOMEM, -EFAULT.
 */
int lodge_balloon_set(struct lodge_vm *vm, void __user *arg)
{
	struct lodge_balloon_config c;
	struct lodge_balloon *b;
	int ret;

	ret = copy_in(&c, sizeof(c), arg);
	if (!ret)
		ret = check_config(&c);
	if (ret)
		return ret;
	if (!c.memory)
		return take_away(vm);
	b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return -ENOMEM;
	if (c.eventfd != -1) {
		b->event = eventfd_ctx_fdget(c.eventfd);
		if (IS_ERR(b->event)) {
			ret = PTR_ERR(b->event);
			kfree(b);
			return ret;
		}
	}
	mutex_lock(&balloon_lock);
	b = set_locked(vm, &c, b);
	mutex_unlock(&balloon_lock);
	free_balloon(b);
	return 0;
}

/* What others than its launcher want of a balloon; the launcher hears of it. */
static int change_locked(struct lodge_balloon *b, const struct lodge_balloon_change *c)
{
	u64 reservation = c->what & LODGE_CHANGE_RESERVATION ?
		c->reservation >> PAGE_SHIFT : b->reservation;
	u64 old = b->target, target = b->target;
	bool automatic = b->automatic;

	if (reservation > b->memory)
		return -ERANGE;
	if (c->what & LODGE_CHANGE_AIM) {
		automatic = c->automatic;
		target = automatic ? b->target : c->target >> PAGE_SHIFT;
		if (target > b->memory || (!automatic && target < reservation))
			return -ERANGE;
	}
	b->reservation = reservation;
	if (c->what & LODGE_CHANGE_SHARES)
		b->shares = c->shares;
	if (c->what & LODGE_CHANGE_DOMAIN)
		put_in_domain(b, c->domain);
	set_aim(b, automatic, target);
	b->hints += !!(c->what & LODGE_CHANGE_HINT);
	if ((b->target != old || c->what & LODGE_CHANGE_HINT) && b->event)
		lodge_eventfd_signal(b->event);
	return 0;
}

/**
 * lodge_balloon_change - set a VM's target, by hand or to be computed, or its
 * claim
 * @vm: the VM
 * @c: what
 *
 * Context: may sleep; lodge_vms_lock may be held, and no other lock.
 * Return: 0; -ENXIO if it has no balloon; -EINVAL; -ERANGE for what doesn't fit
 * into the VM's memory, or a target below its reservation.
 */
int lodge_balloon_change(struct lodge_vm *vm, const struct lodge_balloon_change *c)
{
	int ret = -ENXIO;

	if (c->what & LODGE_CHANGE_SHARES &&
	    (!c->shares || c->shares > LODGE_BALLOON_MAX_SHARES))
		return -EINVAL;
	mutex_lock(&balloon_lock);
	if (vm->balloon)
		ret = change_locked(vm->balloon, c);
	mutex_unlock(&balloon_lock);
	return ret;
}

static void tell(const struct lodge_balloon *b, struct lodge_balloon_state *s)
{
	s->size = sizeof(*s);
	s->flags = b->automatic ? LODGE_BALLOON_AUTO : 0;
	s->shares = b->shares;
	s->sampled = b->sample.nr;
	s->memory = b->memory << PAGE_SHIFT;
	s->reservation = b->reservation << PAGE_SHIFT;
	s->target = b->target << PAGE_SHIFT;
	s->actual = b->actual << PAGE_SHIFT;
	s->resident = resident(b->vm) << PAGE_SHIFT;
	s->active = min(active(b), b->memory) << PAGE_SHIFT;
	s->valid = b->valid;
	memcpy(s->stat, b->stat, sizeof(s->stat));
	s->reclaimed = b->reclaimed << PAGE_SHIFT;
	s->hints = b->hints;
	s->hinted = b->hinted;
	memcpy(s->domain, b->domain, sizeof(s->domain));
}

/**
 * lodge_balloon_peek - what is known of a VM's balloon
 * @vm: the VM
 * @end_period: end its sampling period, and begin another
 * @s: filled in
 *
 * Context: may sleep; lodge_vms_lock may be held, and no other lock.
 * Return: 0, or -ENOENT if it has no balloon.
 */
int lodge_balloon_peek(struct lodge_vm *vm, bool end_period,
		       struct lodge_balloon_state *s)
{
	struct lodge_balloon *b;

	mutex_lock(&balloon_lock);
	b = vm->balloon;
	if (b && end_period)
		sample(b);
	if (b)
		tell(b, s);
	mutex_unlock(&balloon_lock);
	return b ? 0 : -ENOENT;
}

/**
 * lodge_balloon_get - LODGE_BALLOON_GET
 * @vm: the VM
 * @arg: struct lodge_balloon_state in user space
 *
 * Return: 0; -EINVAL, -E2BIG, -ENOENT if it has no balloon, -EFAULT.
 */
int lodge_balloon_get(struct lodge_vm *vm, void __user *arg)
{
	struct lodge_balloon_state s;
	size_t size;
	int ret;

	ret = copy_in(&s, sizeof(s), arg);
	if (ret)
		return ret;
	if (s.flags & ~LODGE_BALLOON_SAMPLE)
		return -EINVAL;
	size = min_t(size_t, s.size, sizeof(s));
	ret = lodge_balloon_peek(vm, s.flags, &s);
	if (!ret && copy_to_user(arg, &s, size))
		ret = -EFAULT;
	return ret;
}

/**
 * lodge_balloon_report - LODGE_BALLOON_REPORT
 * @vm: the VM
 * @arg: struct lodge_balloon_report in user space
 *
 * Return: 0; -EINVAL, -E2BIG, -ENOENT if it has no balloon, -EFAULT.
 */
int lodge_balloon_report(struct lodge_vm *vm, void __user *arg)
{
	struct lodge_balloon_report r;
	struct lodge_balloon *b;
	int ret;

	ret = copy_in(&r, sizeof(r), arg);
	if (ret)
		return ret;
	if (r.flags || r.valid >> LODGE_BALLOON_NR_STATS)
		return -EINVAL;
	mutex_lock(&balloon_lock);
	b = vm->balloon;
	if (b) {
		b->actual = min(r.actual >> PAGE_SHIFT, b->memory);
		expect(b);
		b->valid = r.valid;
		b->hinted = r.hinted;
		memcpy(b->stat, r.stat, sizeof(b->stat));
	}
	mutex_unlock(&balloon_lock);
	return b ? 0 : -ENOENT;
}

/**
 * lodge_balloon_destroy - the end of a VM's balloon, if it has one
 * @vm: the VM, still whole
 */
void lodge_balloon_destroy(struct lodge_vm *vm)
{
	/* Nobody makes one any more, and most have none. */
	if (vm->balloon)
		take_away(vm);
}

/** lodge_balloon_exit - at unload, when no VM is left */
void lodge_balloon_exit(void)
{
	cancel_delayed_work_sync(&balloon_work);
	cancel_delayed_work_sync(&press_work);
}
