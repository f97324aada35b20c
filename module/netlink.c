// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The control plane
 *
 * A thin second door for people and tools: generic netlink's family "lodge"
 * tells which VMs there are, how they are, and what happens to them. Commands
 * and attributes are in uapi/lodge.h, what they mean in
 * Documentation/netlink/specs/lodge.yaml. This file has who sees what, VMs, vCPUs,
 * counters and events; netlink_mem.c what is told of memory and can be set.
 *
 * Who asks sees the VMs of its own uid, or with CAP_NET_ADMIN (in the initial
 * user namespace, of the process and of who opened its socket) all of them.
 * The others do not exist for it: ENOENT, never EPERM. It is decided once for
 * each request (struct viewer). The family is in the initial network namespace
 * only.
 *
 * Everything is told under lodge_vms_lock, which whoever destroys a VM takes
 * first to hide it: a VM that is found is whole, and no reference is taken,
 * so that none is ever dropped here. Nothing waits for a VM under that lock:
 * counters are read as they stand, slots under SRCU. A dump goes on behind the
 * last id that it told. It shows each VM that is there all the time once, and
 * whoever comes or goes meanwhile once or not at all.
 *
 * Events go to sockets that have asked for them (SUBSCRIBE), seen through their
 * owner's eyes. A socket is held, not its port number, which somebody else could
 * have by then. The multicast group "events" asks for CAP_NET_ADMIN, but a
 * kernel lets anybody join the number of a group that isn't there yet; its
 * messages have the VM's id and no more.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/list.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "lodge.h"
#include "netlink_mem.h"

/* Sockets of one user that events go to: each costs whoever makes a VM time. */
#define MAX_SUBSCRIPTIONS	64
/* Of a message about one VM: twice what the longest takes. */
#define VM_MESSAGE_SIZE		768

/* The padding and the VM's id have the same number in each set of attributes. */
SAME(LODGE_A_VCPU_PAD, LODGE_A_VM_PAD);
SAME(LODGE_A_STATS_PAD, LODGE_A_VM_PAD);
SAME(LODGE_A_COUNTER_PAD, LODGE_A_VM_PAD);
SAME(LODGE_A_VCPU_VM_ID, LODGE_A_VM_ID);
SAME(LODGE_A_STATS_VM_ID, LODGE_A_VM_ID);

struct subscription {
	struct list_head list;
	struct sock *sk;
	struct viewer viewer;
};

/* Protected by lodge_vms_lock. */
static LIST_HEAD(subscriptions);

static struct genl_family family;

/**
 * lodge_netlink_viewer - who has sent a message
 * @skb: the message
 *
 * Context: before sendmsg() returns: the message's sender is at hand.
 */
struct viewer lodge_netlink_viewer(struct sk_buff *skb)
{
	kuid_t uid = NETLINK_CREDS(skb)->uid;

	return (struct viewer) {
		.uid = uid,
		.shown = from_kuid_munged(sk_user_ns(NETLINK_CB(skb).sk), uid),
		.all = netlink_capable(skb, CAP_NET_ADMIN),
	};
}

static bool sees(const struct viewer *viewer, const struct lodge_vm *vm)
{
	return viewer_sees(viewer, vm->uid);
}

static int put_pages(struct sk_buff *skb, const struct lodge_npt *npt)
{
	return put_u64(skb, LODGE_A_VM_PAGES_4K, atomic64_read(&npt->pages[1])) ?:
	       put_u64(skb, LODGE_A_VM_PAGES_2M, atomic64_read(&npt->pages[2])) ?:
	       put_u64(skb, LODGE_A_VM_PAGES_1G, atomic64_read(&npt->pages[3])) ?:
	       put_u64(skb, LODGE_A_VM_NESTED_TABLES, atomic64_read(&npt->tables));
}

/* A put_*() gives 0, -EMSGSIZE when the message is full, -ENOENT past the end. */
static int put_vm(struct sk_buff *skb, const struct viewer *viewer,
		  struct lodge_vm *vm, unsigned int item)
{
	const char *reason = READ_ONCE(vm->reason);

	if (item)
		return -ENOENT;
	return put_u64(skb, LODGE_A_VM_ID, vm->id) ?:
	       nla_put_u32(skb, LODGE_A_VM_PID, vm->owner) ?:
	       nla_put_u32(skb, LODGE_A_VM_UID, viewer_uid(viewer, vm->uid)) ?:
	       nla_put_string(skb, LODGE_A_VM_NAME, vm->name) ?:
	       nla_put_u32(skb, LODGE_A_VM_VCPUS, READ_ONCE(vm->nr_vcpus)) ?:
	       put_u64(skb, LODGE_A_VM_MEMORY, lodge_mem_size(vm)) ?:
	       put_pages(skb, &vm->npt) ?:
	       (READ_ONCE(vm->dead) ? nla_put_flag(skb, LODGE_A_VM_DEAD) : 0) ?:
	       (reason ? nla_put_string(skb, LODGE_A_VM_REASON, reason) : 0);
}

static int put_vcpu(struct sk_buff *skb, const struct viewer *viewer,
		    struct lodge_vm *vm, unsigned int item)
{
	struct lodge_vcpu *vcpu = xa_load(&vm->vcpus, item);
	int cpu, tid;

	if (!vcpu)
		return -ENOENT;
	cpu = READ_ONCE(vcpu->cpu);
	rcu_read_lock();
	tid = pid_nr(rcu_dereference(vcpu->pid));
	rcu_read_unlock();
	return put_u64(skb, LODGE_A_VCPU_VM_ID, vm->id) ?:
	       nla_put_u32(skb, LODGE_A_VCPU_ID, vcpu->id) ?:
	       nla_put_u32(skb, LODGE_A_VCPU_INDEX, item) ?:
	       nla_put_u32(skb, LODGE_A_VCPU_MP_STATE, READ_ONCE(vcpu->mp_state)) ?:
	       (cpu >= 0 ? nla_put_u32(skb, LODGE_A_VCPU_CPU, cpu) : 0) ?:
	       (tid ? nla_put_u32(skb, LODGE_A_VCPU_TID, tid) : 0);
}

/** lodge_netlink_counter - put a counter, as @type, into a message */
int lodge_netlink_counter(struct sk_buff *skb, int type, const struct lodge_stat *stat)
{
	struct nlattr *nest = nla_nest_start(skb, type);

	if (!nest || nla_put_string(skb, LODGE_A_COUNTER_NAME, stat->name) ||
	    put_u64(skb, LODGE_A_COUNTER_VALUE, stat->value) ||
	    (stat->instant && nla_put_flag(skb, LODGE_A_COUNTER_INSTANT)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* All counters of one go into a dump's smallest buffer; few names are longer. */
static_assert(sizeof(struct lodge_vcpu_stats) / sizeof(u64) * 56 < 3500);
static_assert((sizeof(struct lodge_vm_stats) + sizeof(struct lodge_memory_info)) /
	      sizeof(u64) * 56 < 3500);

/* Item 0 is the VM itself, the others are its vCPUs. */
static int put_stats(struct sk_buff *skb, const struct viewer *viewer,
		     struct lodge_vm *vm, unsigned int item)
{
	struct lodge_vcpu *vcpu = item ? xa_load(&vm->vcpus, item - 1) : NULL;
	struct lodge_stat stat;
	unsigned int i;
	int ret;

	if (item && !vcpu)
		return -ENOENT;
	ret = put_u64(skb, LODGE_A_STATS_VM_ID, vm->id) ?:
	      (vcpu ? nla_put_u32(skb, LODGE_A_STATS_VCPU_ID, vcpu->id) : 0);
	for (i = 0; !ret && lodge_stats_at(vm, vcpu, i, &stat); i++)
		ret = lodge_netlink_counter(skb, LODGE_A_STATS_COUNTER, &stat);
	return ret ?: vcpu ? ret : lodge_netlink_memory(skb, vm);
}

/* Where a dump is; in netlink_callback's ctx. */
struct dump {
	struct viewer viewer;
	unsigned int item;	/* the next one of that VM */
	unsigned long vm;	/* the VM to go on with, or the first one above */
	unsigned long last;	/* and the last one that is asked for */
};

static int dump_all_start(struct netlink_callback *cb)
{
	struct dump *dump = (struct dump *)cb->ctx;

	BUILD_BUG_ON(sizeof(*dump) > sizeof(cb->ctx));
	*dump = (struct dump){ .viewer = lodge_netlink_viewer(cb->skb), .last = ULONG_MAX };
	return 0;
}

/* With a policy, and thus with attributes to look at. */
static int dump_start(struct netlink_callback *cb)
{
	const struct nlattr *id = lodge_genl_dump_attrs(cb)[LODGE_A_VM_ID];
	struct dump *dump = (struct dump *)cb->ctx;
	struct lodge_vm *vm;
	int ret = 0;

	dump_all_start(cb);
	if (!id)
		return 0;
	dump->vm = dump->last = nla_get_u64(id);
	mutex_lock(&lodge_vms_lock);
	vm = xa_load(&lodge_vms, dump->vm);
	if (!vm || !sees(&dump->viewer, vm))
		ret = -ENOENT;
	mutex_unlock(&lodge_vms_lock);
	return ret;
}

static int dump(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd,
		int (*put)(struct sk_buff *skb, const struct viewer *viewer,
			   struct lodge_vm *vm, unsigned int item))
{
	struct dump *dump = (struct dump *)cb->ctx;
	unsigned long from = dump->vm;
	struct lodge_vm *vm;
	int ret = 0;

	mutex_lock(&lodge_vms_lock);
	xa_for_each_range(&lodge_vms, dump->vm, vm, from, dump->last) {
		/* The one that the dump had come to is gone. */
		if (dump->vm != from)
			dump->item = 0;
		from = dump->vm;
		if (!sees(&dump->viewer, vm))
			continue;
		for (;; dump->item++) {
			void *head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
						 cb->nlh->nlmsg_seq, &family,
						 NLM_F_MULTI, cmd);

			ret = head ? put(skb, &dump->viewer, vm, dump->item) : -EMSGSIZE;
			if (ret) {
				genlmsg_cancel(skb, head);
				break;
			}
			genlmsg_end(skb, head);
		}
		if (ret == -EMSGSIZE)
			break;
		dump->item = 0;
	}
	mutex_unlock(&lodge_vms_lock);
	return ret == -EMSGSIZE ? skb->len ?: ret : 0;
}

#define DUMP(name, cmd)							\
static int dump_##name(struct sk_buff *skb, struct netlink_callback *cb) \
{									\
	return dump(skb, cb, cmd, put_##name);				\
}

DUMP(vm, LODGE_CMD_VM_GET)
DUMP(vcpu, LODGE_CMD_VCPU_GET)
DUMP(stats, LODGE_CMD_STATS_GET)
DUMP(balloon, LODGE_CMD_BALLOON_GET)

static int dump_domain(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dump *dump = (struct dump *)cb->ctx;

	return lodge_netlink_domains(skb, cb, &family, &dump->viewer, &dump->vm);
}

/**
 * lodge_netlink_answer - answer with one message
 * @skb: the request
 * @info: of it
 * @size: of the answer's attributes
 * @put: puts them there, or gives an error
 * @arg: handed to it
 */
int lodge_netlink_answer(struct sk_buff *skb, struct genl_info *info, size_t size,
			 int (*put)(struct sk_buff *msg, struct genl_info *info,
				    const struct viewer *viewer, void *arg), void *arg)
{
	const struct viewer viewer = lodge_netlink_viewer(skb);
	struct sk_buff *msg = genlmsg_new(size, GFP_KERNEL);
	void *head;
	int ret;

	if (!msg)
		return -ENOMEM;
	head = genlmsg_put_reply(msg, info, &family, 0, info->genlhdr->cmd);
	ret = head ? put(msg, info, &viewer, arg) : -EMSGSIZE;
	if (ret) {
		nlmsg_free(msg);
		return ret;
	}
	genlmsg_end(msg, head);
	return genlmsg_reply(msg, info);
}

static int put_one(struct sk_buff *msg, struct genl_info *info,
		   const struct viewer *viewer, void *arg)
{
	lodge_netlink_fn fn = arg;
	struct lodge_vm *vm;
	int ret = -ENOENT;

	mutex_lock(&lodge_vms_lock);
	vm = xa_load(&lodge_vms, nla_get_u64(info->attrs[LODGE_A_VM_ID]));
	if (vm && sees(viewer, vm))
		ret = fn(msg, info, viewer, vm);
	mutex_unlock(&lodge_vms_lock);
	return ret;
}

/**
 * lodge_netlink_one - a command about one VM
 * @skb: the request
 * @info: of it; the VM's id has the same number in all sets of attributes
 * @size: of the answer's attributes
 * @fn: called under lodge_vms_lock; does what is wanted and puts the answer
 *
 * Return: 0; -EINVAL without an id, -ENOENT without such a VM, or what @fn gave.
 */
int lodge_netlink_one(struct sk_buff *skb, struct genl_info *info, size_t size,
		      lodge_netlink_fn fn)
{
	if (GENL_REQ_ATTR_CHECK(info, LODGE_A_VM_ID))
		return -EINVAL;
	return lodge_netlink_answer(skb, info, size, put_one, fn);
}

static int answer_vm(struct sk_buff *msg, struct genl_info *info,
		     const struct viewer *viewer, struct lodge_vm *vm)
{
	return put_vm(msg, viewer, vm, 0);
}

static int get_vm(struct sk_buff *skb, struct genl_info *info)
{
	return lodge_netlink_one(skb, info, VM_MESSAGE_SIZE, answer_vm);
}

static int subscribe(struct sk_buff *skb, struct genl_info *info)
{
	struct subscription *sub, *new;
	int ret = 0, nr = 0;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	new->sk = NETLINK_CB(skb).sk;
	new->viewer = lodge_netlink_viewer(skb);
	mutex_lock(&lodge_vms_lock);
	list_for_each_entry(sub, &subscriptions, list) {
		if (sub->sk == new->sk)
			ret = -EEXIST;
		nr += uid_eq(sub->viewer.uid, new->viewer.uid);
	}
	if (!ret && nr >= MAX_SUBSCRIPTIONS)
		ret = -EUSERS;
	if (!ret) {
		sock_hold(new->sk);
		list_add_tail(&new->list, &subscriptions);
	}
	mutex_unlock(&lodge_vms_lock);
	if (ret)
		kfree(new);
	return ret;
}

/* Those whose socket is closed, or all. */
static void drop_subscriptions(bool all)
{
	struct subscription *sub, *next;
	LIST_HEAD(gone);

	mutex_lock(&lodge_vms_lock);
	list_for_each_entry_safe(sub, next, &subscriptions, list)
		if (all || sock_flag(sub->sk, SOCK_DEAD))
			list_move(&sub->list, &gone);
	mutex_unlock(&lodge_vms_lock);
	list_for_each_entry_safe(sub, next, &gone, list) {
		sock_put(sub->sk);
		kfree(sub);
	}
}

static int socket_closed(struct notifier_block *nb, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;

	if (event == NETLINK_URELEASE && notify->protocol == NETLINK_GENERIC)
		drop_subscriptions(false);
	return NOTIFY_DONE;
}

static struct notifier_block socket_nb = { .notifier_call = socket_closed };

/* Without a viewer there is no more than the id. */
static struct sk_buff *event_message(struct lodge_vm *vm, u8 cmd,
				     const struct viewer *viewer)
{
	struct sk_buff *msg = genlmsg_new(VM_MESSAGE_SIZE, GFP_KERNEL);
	void *head;

	if (!msg)
		return NULL;
	head = genlmsg_put(msg, 0, 0, &family, 0, cmd);
	if (viewer ? put_vm(msg, viewer, vm, 0) :
		     put_u64(msg, LODGE_A_VM_ID, vm->id)) {
		nlmsg_free(msg);
		return NULL;
	}
	genlmsg_end(msg, head);
	return msg;
}

/**
 * lodge_netlink_event - tell that something happened to a VM
 * @vm: the VM
 * @cmd: what, one of LODGE_CMD_*_NTF
 *
 * A socket without room for it gets ENOBUFS, as with all of netlink.
 *
 * Context: under lodge_vms_lock, so that events come in order. May sleep.
 */
void lodge_netlink_event(struct lodge_vm *vm, u8 cmd)
{
	struct subscription *sub;
	struct sk_buff *msg;
	int ret;

	lockdep_assert_held(&lodge_vms_lock);
	list_for_each_entry(sub, &subscriptions, list) {
		if (!sees(&sub->viewer, vm) || sock_flag(sub->sk, SOCK_DEAD))
			continue;
		msg = event_message(vm, cmd, &sub->viewer);
		ret = msg ? sock_queue_rcv_skb(sub->sk, msg) : -ENOMEM;
		if (!ret)
			continue;
		nlmsg_free(msg);
		/* A filter of its owner's is no loss. */
		if (ret == -EPERM)
			continue;
		WRITE_ONCE(sub->sk->sk_err, ENOBUFS);
		sk_error_report(sub->sk);
	}
	msg = event_message(vm, cmd, NULL);
	if (msg)
		genlmsg_multicast(&family, msg, 0, 0, GFP_KERNEL);
}

static void tell_dead(struct work_struct *work)
{
	struct lodge_vm *vm;
	unsigned long id;

	mutex_lock(&lodge_vms_lock);
	xa_for_each(&lodge_vms, id, vm) {
		if (!READ_ONCE(vm->dead) || vm->dead_told)
			continue;
		vm->dead_told = true;
		lodge_netlink_event(vm, LODGE_CMD_VM_DEAD_NTF);
	}
	mutex_unlock(&lodge_vms_lock);
}

static DECLARE_WORK(dead_work, tell_dead);

/**
 * lodge_netlink_dead - some VM has died: tell it soon
 *
 * One that is destroyed before has LODGE_A_VM_DEAD in that event.
 *
 * Context: any but NMI.
 */
void lodge_netlink_dead(void)
{
	schedule_work(&dead_work);
}

/* What a request may have; everything else is refused. */
static const struct nla_policy policy[] = {
	[LODGE_A_VM_ID] = { .type = NLA_U64 },
};

#define WITH_ID	.policy = policy, .maxattr = ARRAY_SIZE(policy) - 1

static const struct genl_ops ops[] = {
	{ .cmd = LODGE_CMD_VM_GET, WITH_ID, .doit = get_vm,
	  .start = dump_start, .dumpit = dump_vm },
	{ .cmd = LODGE_CMD_VCPU_GET, WITH_ID,
	  .start = dump_start, .dumpit = dump_vcpu },
	{ .cmd = LODGE_CMD_STATS_GET, WITH_ID,
	  .start = dump_start, .dumpit = dump_stats },
	{ .cmd = LODGE_CMD_SUBSCRIBE, .doit = subscribe },
	{ .cmd = LODGE_CMD_BALLOON_GET, WITH_ID, .doit = lodge_netlink_get_balloon,
	  .start = dump_start, .dumpit = dump_balloon },
	{ .cmd = LODGE_CMD_BALLOON_SET, .policy = lodge_balloon_nla,
	  .maxattr = LODGE_A_BALLOON_HINT, .doit = lodge_netlink_set_balloon },
	{ .cmd = LODGE_CMD_POLICY_GET, .doit = lodge_netlink_get_policy },
	{ .cmd = LODGE_CMD_POLICY_SET, .policy = lodge_policy_nla,
	  .maxattr = LODGE_A_POLICY_MAX, .doit = lodge_netlink_set_policy },
	{ .cmd = LODGE_CMD_DOMAIN_GET, .start = dump_all_start, .dumpit = dump_domain },
	{ .cmd = LODGE_CMD_DOMAIN_SET, .policy = lodge_domain_nla,
	  .maxattr = LODGE_A_DOMAIN_PASS_MS, .doit = lodge_netlink_set_domain },
	{ .cmd = LODGE_CMD_DOMAIN_MERGE, .policy = lodge_merge_nla,
	  .maxattr = LODGE_A_DOMAIN_BEGIN, .doit = lodge_netlink_merge },
	{ .cmd = LODGE_CMD_MAP_GET, .policy = lodge_map_nla,
	  .maxattr = LODGE_A_MAP_CLEAR, .doit = lodge_netlink_get_map },
	{ .cmd = LODGE_CMD_SWAP_GET, .doit = lodge_netlink_get_swap },
};

static const struct genl_multicast_group groups[] = {
	{ .name = LODGE_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

static struct genl_family family __ro_after_init = {
	.name = LODGE_FAMILY_NAME,
	.version = LODGE_FAMILY_VERSION,
	.module = THIS_MODULE,
	/* Our own locks do: no request waits for another family's. */
	.parallel_ops = true,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

/** lodge_netlink_init - register the family; before there is any VM */
int __init lodge_netlink_init(void)
{
	int ret = netlink_register_notifier(&socket_nb);

	if (ret)
		return ret;
	ret = genl_register_family(&family);
	if (ret)
		netlink_unregister_notifier(&socket_nb);
	return ret;
}

/** lodge_netlink_exit - take it away; after the last VM, whoever listens */
void lodge_netlink_exit(void)
{
	genl_unregister_family(&family);
	netlink_unregister_notifier(&socket_nb);
	drop_subscriptions(true);
	cancel_work_sync(&dead_work);
}
