// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control plane's part of memory: balloons, who gets how much, domains of
 * merging, and what a VM's pages are. netlink.c has who sees what.
 *
 * Who sees a VM, or a domain, may set what is here of it: it could send its
 * launcher a signal as well. What holds for all wants CAP_NET_ADMIN.
 */
#include <linux/capability.h>
#include <linux/netlink.h>

#include "ksm/ksm.h"
#include "mem/pool.h"
#include "mem/swap.h"
#include "netlink_mem.h"
#include "tune.h"

/* Twice what the longest answers take; of a map all but the pages. */
#define BALLOON_MESSAGE_SIZE	1536
#define POLICY_MESSAGE_SIZE	128
#define DOMAIN_MESSAGE_SIZE	2048
#define MAP_MESSAGE_SIZE	128
#define SWAP_MESSAGE_SIZE	192

SAME(LODGE_A_BALLOON_PAD, LODGE_A_VM_PAD);
SAME(LODGE_A_BALLOON_VM_ID, LODGE_A_VM_ID);
SAME(LODGE_A_GUEST_PAD, LODGE_A_VM_PAD);
SAME(LODGE_A_DOMAIN_PAD, LODGE_A_VM_PAD);
SAME(LODGE_A_MAP_PAD, LODGE_A_VM_PAD);
SAME(LODGE_A_SWAP_PAD, LODGE_A_VM_PAD);
SAME(LODGE_A_MAP_VM_ID, LODGE_A_VM_ID);

/* --- balloons --- */

const struct nla_policy lodge_balloon_nla[] = {
	[LODGE_A_BALLOON_VM_ID] = { .type = NLA_U64 },
	[LODGE_A_BALLOON_AUTO] = { .type = NLA_FLAG },
	[LODGE_A_BALLOON_SHARES] = { .type = NLA_U32 },
	[LODGE_A_BALLOON_RESERVATION] = { .type = NLA_U64 },
	[LODGE_A_BALLOON_TARGET] = { .type = NLA_U64 },
	[LODGE_A_BALLOON_DOMAIN] = { .type = NLA_NUL_STRING,
				     .len = LODGE_DOMAIN_NAME_MAX - 1 },
	[LODGE_A_BALLOON_HINT] = { .type = NLA_FLAG },
};

static int put_guest_stats(struct sk_buff *skb, const struct lodge_balloon_state *s)
{
	struct nlattr *nest;
	u32 tag;

	for (tag = 0; tag < LODGE_BALLOON_NR_STATS; tag++) {
		if (!(s->valid >> tag & 1))
			continue;
		nest = nla_nest_start(skb, LODGE_A_BALLOON_STAT);
		if (!nest || nla_put_u32(skb, LODGE_A_GUEST_TAG, tag) ||
		    put_u64(skb, LODGE_A_GUEST_VALUE, s->stat[tag]))
			return -EMSGSIZE;
		nla_nest_end(skb, nest);
	}
	return 0;
}

/* As the other put_*() of a dump. */
int put_balloon(struct sk_buff *skb, const struct viewer *viewer, struct lodge_vm *vm,
		unsigned int item)
{
	struct lodge_balloon_state s;

	if (item || lodge_balloon_peek(vm, false, &s))
		return -ENOENT;
	return put_u64(skb, LODGE_A_BALLOON_VM_ID, vm->id) ?:
	       (s.flags & LODGE_BALLOON_AUTO ?
		nla_put_flag(skb, LODGE_A_BALLOON_AUTO) : 0) ?:
	       nla_put_u32(skb, LODGE_A_BALLOON_SHARES, s.shares) ?:
	       put_u64(skb, LODGE_A_BALLOON_MEMORY, s.memory) ?:
	       put_u64(skb, LODGE_A_BALLOON_RESERVATION, s.reservation) ?:
	       put_u64(skb, LODGE_A_BALLOON_TARGET, s.target) ?:
	       put_u64(skb, LODGE_A_BALLOON_ACTUAL, s.actual) ?:
	       put_u64(skb, LODGE_A_BALLOON_RESIDENT, s.resident) ?:
	       put_u64(skb, LODGE_A_BALLOON_ACTIVE, s.active) ?:
	       put_u64(skb, LODGE_A_BALLOON_RECLAIMED, s.reclaimed) ?:
	       nla_put_string(skb, LODGE_A_BALLOON_DOMAIN, s.domain) ?:
	       put_u64(skb, LODGE_A_BALLOON_HINTED, s.hinted) ?:
	       put_guest_stats(skb, &s);
}

static int answer_balloon(struct sk_buff *msg, struct genl_info *info,
			  const struct viewer *viewer, struct lodge_vm *vm)
{
	int ret = put_balloon(msg, viewer, vm, 0);

	return ret == -ENOENT ? -ENXIO : ret;
}

int lodge_netlink_get_balloon(struct sk_buff *skb, struct genl_info *info)
{
	return lodge_netlink_one(skb, info, BALLOON_MESSAGE_SIZE, answer_balloon);
}

static int change_balloon(struct sk_buff *msg, struct genl_info *info,
			  const struct viewer *viewer, struct lodge_vm *vm)
{
	struct nlattr **attrs = info->attrs;
	struct lodge_balloon_change c = {
		.automatic = attrs[LODGE_A_BALLOON_AUTO],
	};
	int ret;

	if (attrs[LODGE_A_BALLOON_TARGET]) {
		if (c.automatic)
			return -EINVAL;
		c.target = nla_get_u64(attrs[LODGE_A_BALLOON_TARGET]);
	}
	if (c.automatic || attrs[LODGE_A_BALLOON_TARGET])
		c.what |= LODGE_CHANGE_AIM;
	if (attrs[LODGE_A_BALLOON_SHARES]) {
		c.what |= LODGE_CHANGE_SHARES;
		c.shares = nla_get_u32(attrs[LODGE_A_BALLOON_SHARES]);
	}
	if (attrs[LODGE_A_BALLOON_RESERVATION]) {
		c.what |= LODGE_CHANGE_RESERVATION;
		c.reservation = nla_get_u64(attrs[LODGE_A_BALLOON_RESERVATION]);
	}
	if (attrs[LODGE_A_BALLOON_HINT])
		c.what |= LODGE_CHANGE_HINT;
	if (attrs[LODGE_A_BALLOON_DOMAIN]) {
		c.what |= LODGE_CHANGE_DOMAIN;
		c.domain = nla_data(attrs[LODGE_A_BALLOON_DOMAIN]);
	}
	ret = lodge_balloon_change(vm, &c);
	return ret ?: answer_balloon(msg, info, viewer, vm);
}

int lodge_netlink_set_balloon(struct sk_buff *skb, struct genl_info *info)
{
	return lodge_netlink_one(skb, info, BALLOON_MESSAGE_SIZE, change_balloon);
}

/* --- what holds for all --- */

const struct nla_policy lodge_policy_nla[] = {
	[LODGE_A_POLICY_TAX] = { .type = NLA_U32 },
	[LODGE_A_POLICY_PERIOD_MS] = { .type = NLA_U32 },
	[LODGE_A_POLICY_BUDGET] = { .type = NLA_U32 },
	[LODGE_A_POLICY_RESERVE] = { .type = NLA_U32 },
	[LODGE_A_POLICY_KSM_BUDGET] = { .type = NLA_U32 },
	[LODGE_A_POLICY_KSM_PASS_MS] = { .type = NLA_U32 },
	[LODGE_A_POLICY_PATIENCE_MS] = { .type = NLA_U32 },
	[LODGE_A_POLICY_POOL_PERCENT] = { .type = NLA_U32 },
	[LODGE_A_POLICY_COLD_MS] = { .type = NLA_U32 },
};

static int put_policy(struct sk_buff *msg, struct genl_info *info,
		      const struct viewer *viewer, void *arg)
{
	struct lodge_policy p;

	lodge_policy_get(&p);
	return nla_put_u32(msg, LODGE_A_POLICY_TAX, p.tax) ?:
	       nla_put_u32(msg, LODGE_A_POLICY_PERIOD_MS, p.period_ms) ?:
	       nla_put_u32(msg, LODGE_A_POLICY_BUDGET, p.budget) ?:
	       nla_put_u32(msg, LODGE_A_POLICY_RESERVE, p.reserve) ?:
	       nla_put_u32(msg, LODGE_A_POLICY_KSM_BUDGET, p.ksm_budget) ?:
	       nla_put_u32(msg, LODGE_A_POLICY_KSM_PASS_MS, p.ksm_pass_ms) ?:
	       nla_put_u32(msg, LODGE_A_POLICY_PATIENCE_MS, p.patience_ms) ?:
	       nla_put_u32(msg, LODGE_A_POLICY_POOL_PERCENT, p.pool_percent) ?:
	       nla_put_u32(msg, LODGE_A_POLICY_COLD_MS, p.cold_ms);
}

int lodge_netlink_get_policy(struct sk_buff *skb, struct genl_info *info)
{
	return lodge_netlink_answer(skb, info, POLICY_MESSAGE_SIZE, put_policy, NULL);
}

int lodge_netlink_set_policy(struct sk_buff *skb, struct genl_info *info)
{
	struct lodge_policy p;
	const struct {
		int type;
		u32 *value;
	} fields[] = {
		{ LODGE_A_POLICY_TAX, &p.tax },
		{ LODGE_A_POLICY_PERIOD_MS, &p.period_ms },
		{ LODGE_A_POLICY_BUDGET, &p.budget },
		{ LODGE_A_POLICY_RESERVE, &p.reserve },
		{ LODGE_A_POLICY_KSM_BUDGET, &p.ksm_budget },
		{ LODGE_A_POLICY_KSM_PASS_MS, &p.ksm_pass_ms },
		{ LODGE_A_POLICY_PATIENCE_MS, &p.patience_ms },
		{ LODGE_A_POLICY_POOL_PERCENT, &p.pool_percent },
		{ LODGE_A_POLICY_COLD_MS, &p.cold_ms },
	};
	int i, ret;

	if (!netlink_capable(skb, CAP_NET_ADMIN))
		return -EPERM;
	lodge_policy_get(&p);
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		if (info->attrs[fields[i].type])
			*fields[i].value = nla_get_u32(info->attrs[fields[i].type]);
	ret = lodge_policy_set(&p);
	return ret ?: lodge_netlink_get_policy(skb, info);
}

/* --- domains --- */

const struct nla_policy lodge_domain_nla[] = {
	[LODGE_A_DOMAIN_ID] = { .type = NLA_U64 },
	[LODGE_A_DOMAIN_BUDGET] = { .type = NLA_U32 },
	[LODGE_A_DOMAIN_PASS_MS] = { .type = NLA_U32 },
};

const struct nla_policy lodge_merge_nla[] = {
	[LODGE_A_DOMAIN_ID] = { .type = NLA_U64 },
	[LODGE_A_DOMAIN_BEGIN] = { .type = NLA_FLAG },
};

static int put_counters(struct sk_buff *skb, int type, const struct lodge_stat *stats,
			size_t nr)
{
	int ret = 0;
	size_t i;

	for (i = 0; !ret && i < nr; i++)
		ret = lodge_netlink_counter(skb, type, &stats[i]);
	return ret;
}

/* Of struct lodge_domain_info, but for saved. */
static int put_domain_counters(struct sk_buff *skb, const struct lodge_domain_info *info)
{
	const struct lodge_stat stats[] = {
		{ "shared", info->shared, true },
		{ "sharing", info->sharing, true },
		{ "zero", info->zero, true },
		{ "metadata", info->metadata, true },
		{ "cpu_ns", info->cpu_ns },
		{ "passes", info->passes },
		{ "visited", info->visited },
		{ "hashed", info->hashed },
		{ "merged", info->merged },
		{ "broken", info->broken },
		{ "skip_cooling", info->skip_cooling },
		{ "skip_held", info->skip_held },
		{ "skip_busy", info->skip_busy },
		{ "skip_differ", info->skip_differ },
		{ "skip_full", info->skip_full },
		{ "still", info->still },
		{ "skip_written", info->skip_written },
	};

	return put_counters(skb, LODGE_A_DOMAIN_COUNTER, stats, ARRAY_SIZE(stats));
}

static int put_domain(struct sk_buff *skb, const struct viewer *viewer,
		      struct lodge_domain *d)
{
	struct lodge_domain_info info;

	lodge_domain_info(d, &info);
	return put_u64(skb, LODGE_A_DOMAIN_ID, d->id) ?:
	       nla_put_u32(skb, LODGE_A_DOMAIN_UID, viewer_uid(viewer, d->uid)) ?:
	       nla_put_string(skb, LODGE_A_DOMAIN_NAME, d->name) ?:
	       nla_put_u32(skb, LODGE_A_DOMAIN_OBJECTS, d->users) ?:
	       nla_put_u32(skb, LODGE_A_DOMAIN_BUDGET, READ_ONCE(d->budget)) ?:
	       nla_put_u32(skb, LODGE_A_DOMAIN_PASS_MS, READ_ONCE(d->pass_ms)) ?:
	       put_u64(skb, LODGE_A_DOMAIN_SAVED, info.saved) ?:
	       put_domain_counters(skb, &info);
}

struct domain_dump {
	struct sk_buff *skb;
	struct netlink_callback *cb;
	const struct genl_family *family;
	const struct viewer *viewer;
	unsigned long *from;
};

static int dump_one_domain(struct lodge_domain *d, void *arg)
{
	struct domain_dump *to = arg;
	void *head;
	int ret;

	if (!viewer_sees(to->viewer, d->uid))
		return 0;
	head = genlmsg_put(to->skb, NETLINK_CB(to->cb->skb).portid,
			   to->cb->nlh->nlmsg_seq, to->family, NLM_F_MULTI,
			   LODGE_CMD_DOMAIN_GET);
	ret = head ? put_domain(to->skb, to->viewer, d) : -EMSGSIZE;
	if (ret) {
		genlmsg_cancel(to->skb, head);
		return ret;
	}
	genlmsg_end(to->skb, head);
	*to->from = d->id + 1;
	return 0;
}

/**
 * lodge_netlink_domains - a part of a dump of domains
 * @skb: where to
 * @cb: the dump
 * @family: ours
 * @viewer: who asks
 * @from: the next id; goes on
 */
int lodge_netlink_domains(struct sk_buff *skb, struct netlink_callback *cb,
			  const struct genl_family *family,
			  const struct viewer *viewer, unsigned long *from)
{
	struct domain_dump to = { skb, cb, family, viewer, from };
	int ret = lodge_domain_each(*from, dump_one_domain, &to);

	return ret ? skb->len ?: ret : skb->len;
}

/* A domain that is looked for by id, and what is to be done to it. */
struct domain_want {
	u64 id;
	const struct viewer *viewer;
	struct genl_info *info;
	struct sk_buff *msg;
	struct lodge_domain *held;
};

static int is_wanted(struct lodge_domain *d, const struct domain_want *want)
{
	return d->id == want->id && viewer_sees(want->viewer, d->uid);
}

static int set_domain(struct lodge_domain *d, void *arg)
{
	struct domain_want *want = arg;
	struct nlattr *budget = want->info->attrs[LODGE_A_DOMAIN_BUDGET];
	struct nlattr *pass = want->info->attrs[LODGE_A_DOMAIN_PASS_MS];

	if (!is_wanted(d, want))
		return -ENOENT;
	if (budget)
		WRITE_ONCE(d->budget, nla_get_u32(budget));
	if (pass)
		WRITE_ONCE(d->pass_ms, nla_get_u32(pass));
	return put_domain(want->msg, want->viewer, d) ?: 1;
}

static int hold_domain(struct lodge_domain *d, void *arg)
{
	struct domain_want *want = arg;

	if (!is_wanted(d, want))
		return -ENOENT;
	lodge_domain_hold(d);
	want->held = d;
	return 1;
}

static int with_domain(struct domain_want *want,
		       int (*fn)(struct lodge_domain *d, void *arg))
{
	int ret = lodge_domain_each(want->id, fn, want);

	/* 0: there is none with that id or above. */
	return ret > 0 ? 0 : ret ?: -ENOENT;
}

static int answer_set_domain(struct sk_buff *msg, struct genl_info *info,
			     const struct viewer *viewer, void *arg)
{
	struct nlattr *budget = info->attrs[LODGE_A_DOMAIN_BUDGET];
	struct domain_want want = {
		.id = nla_get_u64(info->attrs[LODGE_A_DOMAIN_ID]),
		.viewer = viewer, .info = info, .msg = msg,
	};

	if (budget && !lodge_domain_budget_ok(nla_get_u32(budget)))
		return -EINVAL;
	return with_domain(&want, set_domain);
}

int lodge_netlink_set_domain(struct sk_buff *skb, struct genl_info *info)
{
	if (GENL_REQ_ATTR_CHECK(info, LODGE_A_DOMAIN_ID))
		return -EINVAL;
	return lodge_netlink_answer(skb, info, DOMAIN_MESSAGE_SIZE, answer_set_domain, NULL);
}

static int answer_merge(struct sk_buff *msg, struct genl_info *info,
			const struct viewer *viewer, void *arg)
{
	struct domain_want want = {
		.id = nla_get_u64(info->attrs[LODGE_A_DOMAIN_ID]), .viewer = viewer,
	};
	bool more = false;
	int ret = with_domain(&want, hold_domain);

	if (ret)
		return ret;
	ret = lodge_ksm_step(want.held, info->attrs[LODGE_A_DOMAIN_BEGIN], &more);
	if (!ret)
		ret = put_u64(msg, LODGE_A_DOMAIN_ID, want.id) ?:
		      (more ? nla_put_flag(msg, LODGE_A_DOMAIN_MORE) : 0);
	lodge_domain_put(want.held);
	return ret;
}

/* A little at a time: nobody's request waits for all of a pass. */
int lodge_netlink_merge(struct sk_buff *skb, struct genl_info *info)
{
	if (GENL_REQ_ATTR_CHECK(info, LODGE_A_DOMAIN_ID))
		return -EINVAL;
	return lodge_netlink_answer(skb, info, DOMAIN_MESSAGE_SIZE, answer_merge, NULL);
}

/* --- lodge memory --- */

static int put_memory_counters(struct sk_buff *skb, const struct lodge_memory_info *m)
{
	const struct lodge_stat stats[] = {
		{ "private", m->pages[LODGE_PAGE_PRIVATE], true },
		{ "shared", m->pages[LODGE_PAGE_SHARED], true },
		{ "zero", m->pages[LODGE_PAGE_ZERO], true },
		{ "compressed", m->pages[LODGE_PAGE_COMPRESSED], true },
		{ "swapped", m->pages[LODGE_PAGE_SWAPPED], true },
		{ "discarded", m->pages[LODGE_PAGE_DISCARDED], true },
		{ "packed_bytes", m->packed, true },
		{ "pool_bytes", m->pool, true },
		{ "merges", m->merged },
		{ "merges_broken", m->broken },
		{ "compressions", m->compressed },
		{ "decompressions", m->decompressed },
		{ "incompressible", m->incompressible },
		{ "swapped_out", m->swapped_out },
		{ "swapped_in", m->swapped_in },
	};

	return put_counters(skb, LODGE_A_STATS_COUNTER, stats, ARRAY_SIZE(stats));
}

/**
 * lodge_netlink_memory - counters of a VM's lodge memory
 * @skb: where to
 * @vm: the VM
 *
 * Return: 0, or -EMSGSIZE.
 */
int lodge_netlink_memory(struct sk_buff *skb, struct lodge_vm *vm)
{
	struct lodge_memory_info info;

	lodge_view_info(vm, &info);
	return put_memory_counters(skb, &info);
}

static int put_swap(struct sk_buff *msg, struct genl_info *info,
		    const struct viewer *viewer, void *arg)
{
	struct lodge_swap_info s;
	struct lodge_pool *p = NULL;
	u64 pool = 0;

	lodge_swap_tell(&s);
	while (lodge_pool_next(&p))
		pool += lodge_pool_bytes(p);
	return put_u64(msg, LODGE_A_SWAP_BYTES, s.bytes) ?:
	       put_u64(msg, LODGE_A_SWAP_USED, s.used) ?:
	       put_u64(msg, LODGE_A_SWAP_WRITTEN, s.written) ?:
	       put_u64(msg, LODGE_A_SWAP_READ, s.read) ?:
	       put_u64(msg, LODGE_A_SWAP_ERRORS, s.errors) ?:
	       put_u64(msg, LODGE_A_SWAP_POOL, pool);
}

/* What all have together tells of others. */
int lodge_netlink_get_swap(struct sk_buff *skb, struct genl_info *info)
{
	if (!netlink_capable(skb, CAP_NET_ADMIN))
		return -EPERM;
	return lodge_netlink_answer(skb, info, SWAP_MESSAGE_SIZE, put_swap, NULL);
}

/* --- maps --- */

const struct nla_policy lodge_map_nla[] = {
	[LODGE_A_MAP_VM_ID] = { .type = NLA_U64 },
	[LODGE_A_MAP_FIRST] = { .type = NLA_U64 },
	[LODGE_A_MAP_CLEAR] = { .type = NLA_FLAG },
};

static int answer_map(struct sk_buff *msg, struct genl_info *info,
		      const struct viewer *viewer, struct lodge_vm *vm)
{
	struct nlattr *from = info->attrs[LODGE_A_MAP_FIRST], *states;
	u64 first = from ? nla_get_u64(from) : 0;
	u32 nr;

	if (put_u64(msg, LODGE_A_MAP_VM_ID, vm->id))
		return -EMSGSIZE;
	states = nla_reserve(msg, LODGE_A_MAP_STATES, LODGE_MAP_PAGES);
	if (!states)
		return -EMSGSIZE;
	nr = lodge_survey(vm, &first, nla_data(states), LODGE_MAP_PAGES,
			  info->attrs[LODGE_A_MAP_CLEAR]);
	/* As if no more had been asked for than there is. */
	nlmsg_trim(msg, states);
	if (!nr)
		return 0;
	nla_reserve(msg, LODGE_A_MAP_STATES, nr);
	return put_u64(msg, LODGE_A_MAP_FIRST, first);
}

int lodge_netlink_get_map(struct sk_buff *skb, struct genl_info *info)
{
	return lodge_netlink_one(skb, info, MAP_MESSAGE_SIZE + LODGE_MAP_PAGES, answer_map);
}
