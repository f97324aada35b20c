/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LODGE_H
#define _UAPI_LODGE_H

/* What lodge adds to the KVM API. */
#include <linux/ioctl.h>
#include <linux/kvm.h>

/* ioctls of a VM's descriptor */
#define LODGEIO			0xBB

#define LODGE_NAME_SIZE		64

/**
 * struct lodge_vm_name - what people call a VM
 * @name: ends in a 0; must not be empty. Names need not be unique
 *
 * Until it is set, a VM is named as the process that made it.
 */
struct lodge_vm_name {
	char name[LODGE_NAME_SIZE];
};

#define LODGE_VM_SET_NAME	_IOW(LODGEIO, 0x00, struct lodge_vm_name)

/*
 * The generic netlink family. Documentation/netlink/specs/lodge.yaml says what
 * each of these is; a test holds the two together. New ones go to the end.
 */
#define LODGE_FAMILY_NAME	"lodge"
#define LODGE_FAMILY_VERSION	1

#define LODGE_MCGRP_EVENTS	"events"

enum {
	LODGE_CMD_VM_GET = 1,
	LODGE_CMD_VCPU_GET,
	LODGE_CMD_STATS_GET,
	LODGE_CMD_SUBSCRIBE,
	LODGE_CMD_VM_CREATED_NTF,
	LODGE_CMD_VM_DESTROYED_NTF,
	LODGE_CMD_VM_DEAD_NTF,
	LODGE_CMD_VM_NAMED_NTF,

	__LODGE_CMD_MAX,
	LODGE_CMD_MAX = (__LODGE_CMD_MAX - 1)
};

enum {
	LODGE_A_VM_PAD = 1,
	LODGE_A_VM_ID,
	LODGE_A_VM_PID,
	LODGE_A_VM_UID,
	LODGE_A_VM_NAME,
	LODGE_A_VM_VCPUS,
	LODGE_A_VM_MEMORY,
	LODGE_A_VM_PAGES_4K,
	LODGE_A_VM_PAGES_2M,
	LODGE_A_VM_PAGES_1G,
	LODGE_A_VM_NESTED_TABLES,
	LODGE_A_VM_DEAD,
	LODGE_A_VM_REASON,

	__LODGE_A_VM_MAX,
	LODGE_A_VM_MAX = (__LODGE_A_VM_MAX - 1)
};

enum {
	LODGE_A_VCPU_PAD = 1,
	LODGE_A_VCPU_VM_ID,
	LODGE_A_VCPU_ID,
	LODGE_A_VCPU_INDEX,
	LODGE_A_VCPU_MP_STATE,
	LODGE_A_VCPU_CPU,
	LODGE_A_VCPU_TID,

	__LODGE_A_VCPU_MAX,
	LODGE_A_VCPU_MAX = (__LODGE_A_VCPU_MAX - 1)
};

enum {
	LODGE_A_STATS_PAD = 1,
	LODGE_A_STATS_VM_ID,
	LODGE_A_STATS_VCPU_ID,
	LODGE_A_STATS_COUNTER,

	__LODGE_A_STATS_MAX,
	LODGE_A_STATS_MAX = (__LODGE_A_STATS_MAX - 1)
};

enum {
	LODGE_A_COUNTER_PAD = 1,
	LODGE_A_COUNTER_NAME,
	LODGE_A_COUNTER_VALUE,
	LODGE_A_COUNTER_INSTANT,

	__LODGE_A_COUNTER_MAX,
	LODGE_A_COUNTER_MAX = (__LODGE_A_COUNTER_MAX - 1)
};

#endif
