/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_NETLINK_H
#define LODGECTL_NETLINK_H

#include <stddef.h>
#include <stdint.h>

#include "../../uapi/lodge.h"

struct nlattr;

/* A message that has arrived. */
struct message {
	int cmd;
	struct nlattr **attrs;	/* by type, up to the largest that was asked for */
	struct nlattr *first;	/* all of them, in their order */
	int length;
};

/* A value of a request. */
struct field {
	int type;
	int size;		/* 8, 4, 0 for a flag, or FIELD_STRING */
	uint64_t value;		/* or where the string is */
};

#define FIELD_STRING	(-1)

typedef void (*netlink_fn)(const struct message *msg, void *arg);

void netlink_open(void);
void netlink_close(void);
int netlink_dump(int cmd, uint64_t id, int max, netlink_fn fn, void *arg);
int netlink_ask(int cmd, const struct field *fields, size_t nr, int max, netlink_fn fn,
		void *arg);
void netlink_subscribe(void);
int netlink_wait(netlink_fn fn, void *arg);

/* What an attribute has; 0 or nothing without it, or if it has another size. */
uint64_t attr_u64(const struct nlattr *attr);
uint32_t attr_u32(const struct nlattr *attr);
void attr_string(const struct nlattr *attr, char *buf, size_t size);

#endif
