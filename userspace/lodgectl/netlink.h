/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_NETLINK_H
#define LODGECTL_NETLINK_H

#include <netlink/attr.h>
#include <stdint.h>

#include "../../uapi/lodge.h"

/* A message that has arrived. */
struct message {
	int cmd;
	struct nlattr **attrs;	/* by type, up to the largest that was asked for */
	struct nlattr *first;	/* all of them, in their order */
	int length;
};

typedef void (*netlink_fn)(const struct message *msg, void *arg);

void netlink_open(void);
void netlink_close(void);
int netlink_dump(int cmd, uint64_t id, int max, netlink_fn fn, void *arg);
void netlink_subscribe(void);
int netlink_wait(netlink_fn fn, void *arg);

static inline uint64_t attr_u64(const struct nlattr *attr)
{
	return attr && nla_len(attr) == 8 ? nla_get_u64(attr) : 0;
}

static inline uint32_t attr_u32(const struct nlattr *attr)
{
	return attr && nla_len(attr) == 4 ? nla_get_u32(attr) : 0;
}

void attr_string(const struct nlattr *attr, char *buf, size_t size);

#endif
