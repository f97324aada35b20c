/* SPDX-License-Identifier: GPL-2.0-only */
/* The control plane: generic netlink. */
#ifndef LODGE_NETLINK_H
#define LODGE_NETLINK_H

#include <linux/init.h>
#include <linux/types.h>

struct lodge_vm;

int __init lodge_netlink_init(void);
void lodge_netlink_exit(void);
void lodge_netlink_event(struct lodge_vm *vm, u8 cmd);
void lodge_netlink_dead(void);

#endif /* LODGE_NETLINK_H */
