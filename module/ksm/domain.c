// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains: which objects may share pages with which.
 */
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "ksm/ksm.h"

/* In the order of their ids. */
static LIST_HEAD(domains);
static u64 last_id;
static DEFINE_MUTEX(domains_lock);

/* How long a domain that had nothing to do waits when there is something. */
#define FIRST_MS	1000

static struct lodge_domain *domain_new(kuid_t uid, const char *name)
{
	struct lodge_domain *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);

	if (!d)
		return NULL;
	if (lodge_index_init(&d->index)) {
		kfree(d);
		return NULL;
	}
	d->uid = uid;
	strscpy(d->name, name, sizeof(d->name));
	mutex_init(&d->mutex);
	INIT_LIST_HEAD(&d->layers);
	INIT_LIST_HEAD(&d->done);
	INIT_DELAYED_WORK(&d->work, lodge_ksm_work);
	d->id = ++last_id;
	d->budget = LODGE_DOMAIN_BY_POLICY;
	d->pass_ms = LODGE_DOMAIN_BY_POLICY;
	/* Nobody can make pages that hash alike. */
	d->seed = get_random_u64();
	list_add_tail(&d->list, &domains);
	return d;
}

/**
 * lodge_domain_get - the domain of that name of a user's
 * @uid: the user
 * @name: "" for the default one
 *
 * Return: the domain, new if need be; NULL without memory.
 */
struct lodge_domain *lodge_domain_get(kuid_t uid, const char *name)
{
	struct lodge_domain *d;

	mutex_lock(&domains_lock);
	list_for_each_entry(d, &domains, list)
		if (uid_eq(d->uid, uid) && !strcmp(d->name, name))
			goto found;
	d = domain_new(uid, name);
	if (!d)
		goto out;
found:
	d->users++;
out:
	mutex_unlock(&domains_lock);
	return d;
}

/** lodge_domain_put - an object of the domain, which has no pages, is gone */
void lodge_domain_put(struct lodge_domain *d)
{
	mutex_lock(&domains_lock);
	if (--d->users) {
		mutex_unlock(&domains_lock);
		return;
	}
	list_del(&d->list);
	mutex_unlock(&domains_lock);
	cancel_delayed_work_sync(&d->work);
	lodge_ksm_spare_free(d);
	lodge_index_destroy(&d->index);
	kfree(d);
}

/** lodge_domain_hold - one more user; of one that lodge_domain_each() shows */
void lodge_domain_hold(struct lodge_domain *d)
{
	lockdep_assert_held(&domains_lock);
	d->users++;
}

/**
 * lodge_domain_each - show domains, in the order of their ids
 * @from: the least id
 * @fn: called with each, until it gives something else than 0
 * @arg: handed to it
 *
 * Context: may sleep; @fn waits for nobody.
 * Return: what @fn gave.
 */
int lodge_domain_each(u64 from, int (*fn)(struct lodge_domain *d, void *arg), void *arg)
{
	struct lodge_domain *d;
	int ret = 0;

	mutex_lock(&domains_lock);
	list_for_each_entry(d, &domains, list) {
		if (d->id < from)
			continue;
		ret = fn(d, arg);
		if (ret)
			break;
	}
	mutex_unlock(&domains_lock);
	return ret;
}

/** lodge_domain_peers - how many domains of its owner there is something to be merged in */
unsigned int lodge_domain_peers(const struct lodge_domain *d)
{
	const struct lodge_domain *other;
	unsigned int n = 0;

	mutex_lock(&domains_lock);
	list_for_each_entry(other, &domains, list)
		n += uid_eq(other->uid, d->uid) &&
		     !(list_empty(&other->layers) && list_empty(&other->done));
	mutex_unlock(&domains_lock);
	return max(n, 1u);
}

/** lodge_domain_name - its name among its owner's domains */
const char *lodge_domain_name(const struct lodge_domain *d)
{
	return d->name;
}

/** lodge_domain_add - an object's pages may be merged from here on */
void lodge_domain_add(struct lodge_layer *l)
{
	struct lodge_domain *d = l->domain;

	mutex_lock(&d->mutex);
	if (!l->mergeable) {
		WRITE_ONCE(l->mergeable, true);
		l->cursor = 0;
		list_add_tail(&l->domain_list, &d->layers);
	}
	mutex_unlock(&d->mutex);
	/* Who fills an object has other things to do first. */
	queue_delayed_work(system_unbound_wq, &d->work, msecs_to_jiffies(FIRST_MS));
}

/** lodge_domain_remove - nothing more of an object is merged */
void lodge_domain_remove(struct lodge_layer *l)
{
	mutex_lock(&l->domain->mutex);
	WRITE_ONCE(l->mergeable, false);
	list_del_init(&l->domain_list);
	mutex_unlock(&l->domain->mutex);
}

/**
 * lodge_domain_info - what is known of a domain
 * @d: the domain
 * @info: filled, but for its size
 */
void lodge_domain_info(struct lodge_domain *d, struct lodge_domain_info *info)
{
	u64 *count = &info->cpu_ns;
	int i;

	info->shared = atomic_long_read(&d->stables);
	info->sharing = atomic_long_read(&d->sharers);
	info->zero = atomic_long_read(&d->zeroes);
	/* What is charged to a control group takes a pointer more. */
	info->metadata = sizeof(*d) + READ_ONCE(d->index.buckets) * sizeof(void *) +
			 info->shared * (sizeof(struct lodge_stable) + sizeof(void *)) +
			 info->sharing * (sizeof(struct lodge_sharer) + sizeof(void *));
	info->saved = (info->sharing - info->shared + info->zero) * PAGE_SIZE -
		      info->metadata;
	BUILD_BUG_ON(offsetof(struct lodge_domain_info, skip_written) !=
		     offsetof(struct lodge_domain_info, cpu_ns) +
		     (LODGE_KSM_COUNTS - 1) * sizeof(u64));
	for (i = 0; i < LODGE_KSM_COUNTS; i++)
		count[i] = atomic64_read(&d->counts[i]);
}

/** lodge_ksm_init - what domains allocate; -ENOMEM, or 0 */
int lodge_ksm_init(void)
{
	lodge_stables = KMEM_CACHE(lodge_stable, 0);
	lodge_sharers = KMEM_CACHE(lodge_sharer, 0);
	if (lodge_stables && lodge_sharers)
		return 0;
	lodge_ksm_exit();
	return -ENOMEM;
}

/** lodge_ksm_exit - no domain is left */
void lodge_ksm_exit(void)
{
	kmem_cache_destroy(lodge_stables);
	kmem_cache_destroy(lodge_sharers);
}
