/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the control plane know of each other. */
#ifndef LODGE_NETLINK_MEM_H
#define LODGE_NETLINK_MEM_H

#include <linux/uidgid.h>
#include <net/genetlink.h>

#include "lodge.h"
#include "netlink.h"
#include "../uapi/lodge.h"

#define SAME(a, b)	static_assert((int)(a) == (int)(b))

/* Who asks, and what its own uid is called where it lives. */
struct viewer {
	kuid_t uid;
	uid_t shown;
	bool all;
};

static inline bool viewer_sees(const struct viewer *viewer, kuid_t uid)
{
	return viewer->all || uid_eq(viewer->uid, uid);
}

static inline uid_t viewer_uid(const struct viewer *viewer, kuid_t uid)
{
	return uid_eq(viewer->uid, uid) ? viewer->shown :
					  from_kuid_munged(&init_user_ns, uid);
}

static inline int put_u64(struct sk_buff *skb, int type, u64 value)
{
	return nla_put_u64_64bit(skb, type, value, LODGE_A_VM_PAD);
}

/* netlink.c */
typedef int (*lodge_netlink_fn)(struct sk_buff *msg, struct genl_info *info,
				const struct viewer *viewer, struct lodge_vm *vm);

struct viewer lodge_netlink_viewer(struct sk_buff *skb);
int lodge_netlink_counter(struct sk_buff *skb, int type, const struct lodge_stat *stat);
int lodge_netlink_answer(struct sk_buff *skb, struct genl_info *info, size_t size,
			 int (*put)(struct sk_buff *msg, struct genl_info *info,
				    const struct viewer *viewer, void *arg), void *arg);
int lodge_netlink_one(struct sk_buff *skb, struct genl_info *info, size_t size,
		      lodge_netlink_fn fn);

/* netlink_mem.c */
extern const struct nla_policy lodge_balloon_nla[], lodge_policy_nla[], lodge_domain_nla[],
	lodge_merge_nla[], lodge_map_nla[];
int lodge_netlink_memory(struct sk_buff *skb, struct lodge_vm *vm);
int put_balloon(struct sk_buff *skb, const struct viewer *viewer, struct lodge_vm *vm,
		unsigned int item);
int lodge_netlink_get_balloon(struct sk_buff *skb, struct genl_info *info);
int lodge_netlink_set_balloon(struct sk_buff *skb, struct genl_info *info);
int lodge_netlink_get_policy(struct sk_buff *skb, struct genl_info *info);
int lodge_netlink_set_policy(struct sk_buff *skb, struct genl_info *info);
int lodge_netlink_domains(struct sk_buff *skb, struct netlink_callback *cb,
			  const struct genl_family *family,
			  const struct viewer *viewer, unsigned long *from);
int lodge_netlink_set_domain(struct sk_buff *skb, struct genl_info *info);
int lodge_netlink_merge(struct sk_buff *skb, struct genl_info *info);
int lodge_netlink_get_map(struct sk_buff *skb, struct genl_info *info);
int lodge_netlink_get_swap(struct sk_buff *skb, struct genl_info *info);

#endif /* LODGE_NETLINK_MEM_H */
