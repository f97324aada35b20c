/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LODGE_H
#define _UAPI_LODGE_H

/*
 * What lodge adds to the KVM API: memory that the hypervisor owns, names and
 * balloons of VMs, and a control plane over netlink. One ioctl type for all: 0x00 on
 * the node, 0x10 on an object, 0x20 and 0x40 on a VM.
 *
 * Each argument of an ioctl begins with its own size, so that it can grow: a caller that
 * knows less gets the defaults, one that knows more than the module gets E2BIG,
 * unless what it knows more is zero. Flags and fields that mean nothing must be
 * zero (EINVAL).
 */
#include <linux/ioctl.h>
#include <linux/kvm.h>
#include <linux/types.h>

#define LODGE_ABI_VERSION	1
#define LODGE_IO		0xbc

/* On /dev/lodge: LODGE_ABI_VERSION of the module. */
#define LODGE_GET_VERSION	_IO(LODGE_IO, 0x00)
/* On /dev/lodge: an object; the descriptor of a file. */
#define LODGE_CREATE_MEMORY	_IO(LODGE_IO, 0x01)
/* On /dev/lodge, with CAP_SYS_ADMIN: where pages go that are not used. */
#define LODGE_SWAP_SET		_IO(LODGE_IO, 0x02)
#define LODGE_SWAP_INFO		_IO(LODGE_IO, 0x03)
/* On /dev/lodge: what holds for the memory of all VMs; to set it, with CAP_NET_ADMIN. */
#define LODGE_POLICY_GET	_IO(LODGE_IO, 0x04)
#define LODGE_POLICY_SET	_IO(LODGE_IO, 0x05)
/* On the descriptor of an object, or of any file in a lodgefs. */
#define LODGE_MEMORY_INFO	_IO(LODGE_IO, 0x10)
#define LODGE_MEMORY_MAP	_IO(LODGE_IO, 0x11)
#define LODGE_MEMORY_SET	_IO(LODGE_IO, 0x12)
#define LODGE_MEMORY_MERGE	_IO(LODGE_IO, 0x13)
#define LODGE_DOMAIN_INFO	_IO(LODGE_IO, 0x14)
#define LODGE_MEMORY_RECLAIM	_IO(LODGE_IO, 0x15)
#define LODGE_MEMORY_DISCARD	_IO(LODGE_IO, 0x16)
#define LODGE_DOMAIN_SET	_IO(LODGE_IO, 0x17)
#define LODGE_DOMAIN_MERGE	_IO(LODGE_IO, 0x18)

/* The file system's number for statfs(), and its type for mount(). */
#define LODGEFS_MAGIC		0x4c6f6467
#define LODGEFS_NAME		"lodgefs"

/* Pages with equal contents may become one, within the domain. */
#define LODGE_MEMORY_MERGEABLE	(1u << 0)

#define LODGE_DOMAIN_NAME_MAX	32

/**
 * struct lodge_create_memory - LODGE_CREATE_MEMORY
 * @size: of this structure
 * @flags: LODGE_MEMORY_*
 * @bytes: the object's size, which ftruncate() can change
 * @domain: within which domain of the caller's user pages are merged: a name
 *	that ends with a zero byte, or nothing for the user's default domain
 */
struct lodge_create_memory {
	__u32 size;
	__u32 flags;
	__u64 bytes;
	char domain[LODGE_DOMAIN_NAME_MAX];
};

/* What a page of an object is: one byte a page in LODGE_MEMORY_MAP. */
#define LODGE_PAGE_ABSENT	0	/* never written: reads as zero */
#define LODGE_PAGE_PRIVATE	1
#define LODGE_PAGE_SHARED	2	/* merged with others */
#define LODGE_PAGE_ZERO		3	/* found to be zero, and given back */
#define LODGE_PAGE_COMPRESSED	4	/* not used, and kept in less memory */
#define LODGE_PAGE_SWAPPED	5	/* not used, and in the swap file */
#define LODGE_PAGE_DISCARDED	6	/* given up by the guest: reads as zero */
#define LODGE_PAGE_STATES	7

/**
 * struct lodge_memory_info - LODGE_MEMORY_INFO
 * @size: of this structure
 * @flags: LODGE_MEMORY_* that are set
 * @bytes: the object's size
 * @pages: pages in each state, but for LODGE_PAGE_ABSENT: 0
 * @merged: pages of it that were merged so far, those found zero included
 * @broken: of those, how many were written again
 * @domain: the name of its domain
 * @compressed: pages of it that were compressed so far
 * @decompressed: of those, how many were used again
 * @incompressible: how often a page was left as it was, because it didn't
 *	shrink to half
 * @packed: bytes that its compressed pages have become
 * @pool: bytes of the pool that they are in, those of the cgroup's other
 *	objects included
 * @swapped_out: pages of it that were written to the swap file so far
 * @swapped_in: how many were read from there, neighbours included
 */
struct lodge_memory_info {
	__u32 size;
	__u32 flags;
	__u64 bytes;
	__u64 pages[LODGE_PAGE_STATES];
	__u64 merged;
	__u64 broken;
	char domain[LODGE_DOMAIN_NAME_MAX];
	__u64 compressed;
	__u64 decompressed;
	__u64 incompressible;
	__u64 packed;
	__u64 pool;
	__u64 swapped_out;
	__u64 swapped_in;
};

/**
 * struct lodge_memory_map - LODGE_MEMORY_MAP: the states of a range of pages
 * @size: of this structure
 * @flags: 0
 * @first: the first page
 * @count: how many; those beyond the object's end are absent
 * @states: address of as many bytes
 */
struct lodge_memory_map {
	__u32 size;
	__u32 flags;
	__u64 first;
	__u64 count;
	__u64 states;
};

/**
 * struct lodge_memory_set - LODGE_MEMORY_SET
 * @size: of this structure
 * @mask: which of LODGE_MEMORY_* are to be changed
 * @flags: what they become. Taking LODGE_MEMORY_MERGEABLE away gives each
 *	shared page a copy of its own, for which memory may be wanting; the flag
 *	stays then
 * @reserved: 0
 */
struct lodge_memory_set {
	__u32 size;
	__u32 mask;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct lodge_memory_merge - LODGE_MEMORY_MERGE: look for equal pages now
 * @size: of this structure
 * @flags: 0
 * @first: the first page
 * @count: how many; 0: all from there on
 * @merged: said in return: how many were merged
 * @skipped: said in return: how many were left alone, held by somebody or busy
 *
 * Every page of the range that was written since it was looked at is compared
 * with what is known of the domain, however recently it was written.
 */
struct lodge_memory_merge {
	__u32 size;
	__u32 flags;
	__u64 first;
	__u64 count;
	__u64 merged;
	__u64 skipped;
};

/* Only what was not used since it was looked at the last time. */
#define LODGE_RECLAIM_COLD	(1u << 0)
/* To the swap file, what is compressed as well. */
#define LODGE_RECLAIM_SWAP	(1u << 1)

/**
 * struct lodge_memory_reclaim - LODGE_MEMORY_RECLAIM: give memory back now
 * @size: of this structure
 * @flags: LODGE_RECLAIM_*
 * @bytes: how much, rounded down to pages; there may be less
 * @reclaimed: said in return: bytes of the pages that went. What they are compressed
 *	to takes memory, too: less than half of it
 * @skipped: said in return: pages left alone, held by somebody or busy
 *
 * The object is gone through, from where it was left the last time, once with
 * LODGE_RECLAIM_COLD. Without it, once or twice more: what isn't used between
 * two looks goes.
 */
struct lodge_memory_reclaim {
	__u32 size;
	__u32 flags;
	__u64 bytes;
	__u64 reclaimed;
	__u64 skipped;
};

/* Nothing goes; from here on it is noted which pages are written. */
#define LODGE_DISCARD_WATCH	(1u << 0)
/* Only those go of which it is sure that they were not written since. */
#define LODGE_DISCARD_UNWRITTEN	(1u << 1)

/**
 * struct lodge_memory_discard - LODGE_MEMORY_DISCARD: the guest has given pages up
 * @size: of this structure
 * @flags: 0, or one of LODGE_DISCARD_*
 * @first: the first page
 * @count: how many; those beyond the object's end are left out
 *
 * As FALLOC_FL_PUNCH_HOLE, but the pages are LODGE_PAGE_DISCARDED until they are
 * touched: absent when they are read, private when they are written. The flags are for
 * a guest that may use pages again before it is known that it had given them up.
 */
struct lodge_memory_discard {
	__u32 size;
	__u32 flags;
	__u64 first;
	__u64 count;
};

/**
 * struct lodge_swap_set - LODGE_SWAP_SET: begin or end to use a swap file
 * @size: of this structure
 * @flags: 0
 * @fd: a regular file, open for writing, that nobody else writes to; -1: none
 *	any more, for which it must be empty
 * @reserved: 0
 */
struct lodge_swap_set {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct lodge_swap_info - LODGE_SWAP_INFO
 * @size: of this structure
 * @flags: 0
 * @bytes: the size of the swap file, 0 if there is none
 * @used: how much of it is in use
 * @written: pages written so far
 * @read: pages read so far
 * @errors: how often that failed
 */
struct lodge_swap_info {
	__u32 size;
	__u32 flags;
	__u64 bytes;
	__u64 used;
	__u64 written;
	__u64 read;
	__u64 errors;
};

/**
 * struct lodge_policy - LODGE_POLICY_GET, LODGE_POLICY_SET: what holds for all VMs' memory
 * @size: of this structure
 * @flags: 0
 * @tax: on idle memory, in hundredths, 99 at most
 * @period_ms: between two computations of targets, 100 to 3,600,000
 * @budget: MiB for the guests of one user, divided among his domains of balloons; 0: as the
 *	host has memory left
 * @reserve: MiB that the host keeps then; 0: an eighth of what it has
 * @patience_ms: how long a guest has to answer, 3,600,000 at most; 0: as long as it likes
 * @ksm_budget: percent of a CPU for merging an owner's pages, in all of his domains; 100 at
 *	most
 * @ksm_pass_ms: pause between two passes over a domain
 * @pool_percent: of the memory of a cgroup's objects that may be compressed pages
 *	before they go to the swap file, 100 at most
 * @cold_ms: what isn't used for so long is compressed; 0: only when memory is wanted
 * @reserved: 0
 *
 * All of it is set, or nothing: who changes a part gets it first.
 */
struct lodge_policy {
	__u32 size;
	__u32 flags;
	__u32 tax;
	__u32 period_ms;
	__u32 budget;
	__u32 reserve;
	__u32 patience_ms;
	__u32 ksm_budget;
	__u32 ksm_pass_ms;
	__u32 pool_percent;
	__u32 cold_ms;
	__u32 reserved;
};

/**
 * struct lodge_domain_set - LODGE_DOMAIN_SET: how fast the pages of a domain are merged
 * @size: of this structure
 * @flags: 0
 * @budget: percent of a CPU, or LODGE_DOMAIN_BY_POLICY; 0: none, but when asked for
 * @pass_ms: pause between two passes, or LODGE_DOMAIN_BY_POLICY
 *
 * On an object of the domain, open for writing.
 */
struct lodge_domain_set {
	__u32 size;
	__u32 flags;
	__u32 budget;
	__u32 pass_ms;
};

/**
 * struct lodge_domain_merge - LODGE_DOMAIN_MERGE: a pass over all objects of a domain now
 * @size: of this structure
 * @flags: 0
 *
 * As LODGE_MEMORY_MERGE over each of its mergeable objects; LODGE_DOMAIN_INFO tells what
 * came of it. On an object of the domain, open for writing; the caller pays. A signal
 * ends it (EINTR).
 */
struct lodge_domain_merge {
	__u32 size;
	__u32 flags;
};

/**
 * struct lodge_domain_info - LODGE_DOMAIN_INFO: the domain of an object
 * @size: of this structure
 * @flags: 0
 * @shared: pages that stand for several
 * @sharing: for how many they do
 * @zero: pages given back because they were zero
 * @metadata: bytes that it takes to know all this
 * @saved: bytes: pages not held less @metadata; may be negative
 * @cpu_ns: time spent
 * @passes: over all objects of the domain
 * @visited: pages looked at: those that were written since the last time
 * @hashed: of these, how many were hashed
 * @merged: of these, how many were merged, zero ones included
 * @broken: how many were written again after that
 * @skip_cooling: left alone: written again and again
 * @skip_held: somebody holds a reference (O_DIRECT, vhost)
 * @skip_busy: locked at that moment
 * @skip_differ: same hash, other contents
 * @skip_full: no memory for what must be remembered
 * @still: of the pages looked at, mapped by a guest and not written since the last
 *	pass, as dirty bits say
 * @skip_written: left alone: these say that a guest has written it
 */
struct lodge_domain_info {
	__u32 size;
	__u32 flags;
	__u64 shared;
	__u64 sharing;
	__u64 zero;
	__u64 metadata;
	__s64 saved;
	__u64 cpu_ns;
	__u64 passes;
	__u64 visited;
	__u64 hashed;
	__u64 merged;
	__u64 broken;
	__u64 skip_cooling;
	__u64 skip_held;
	__u64 skip_busy;
	__u64 skip_differ;
	__u64 skip_full;
	__u64 still;
	__u64 skip_written;
};

/* --- a VM: ioctls of its descriptor --- */

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

#define LODGE_VM_SET_NAME	_IOW(LODGE_IO, 0x40, struct lodge_vm_name)

/* A page of a map: LODGE_PAGE_*, and what the nested tables say. */
#define LODGE_MAP_STATE		0x0f
#define LODGE_MAP_MAPPED	0x10
#define LODGE_MAP_YOUNG		0x20	/* accessed */
#define LODGE_MAP_OTHER		0x40	/* not known to be lodge memory */
/* Pages in one answer. */
#define LODGE_MAP_PAGES		4096

/* Accessed bits are taken away, so that the next map says what was used since. */
#define LODGE_MAP_CLEAR		(1u << 0)

/**
 * struct lodge_vm_map - LODGE_VM_MAP: what some of a VM's pages are
 * @size: of this structure
 * @flags: LODGE_MAP_CLEAR or 0
 * @first: the guest frame from which on; said in return: the first one of @states,
 *	which is the next that is in a slot
 * @count: how many there is room for; said in return: how many are told: of one slot,
 *	LODGE_MAP_PAGES at most; 0: there is no slot from @first on
 * @states: address of a byte for each
 */
struct lodge_vm_map {
	__u32 size;
	__u32 flags;
	__u64 first;
	__u64 count;
	__u64 states;
};

#define LODGE_VM_MAP		_IO(LODGE_IO, 0x41)

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
	LODGE_CMD_BALLOON_GET,
	LODGE_CMD_BALLOON_SET,
	LODGE_CMD_POLICY_GET,
	LODGE_CMD_POLICY_SET,
	LODGE_CMD_DOMAIN_GET,
	LODGE_CMD_DOMAIN_SET,
	LODGE_CMD_DOMAIN_MERGE,
	LODGE_CMD_MAP_GET,
	LODGE_CMD_SWAP_GET,

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

enum {
	LODGE_A_BALLOON_PAD = 1,
	LODGE_A_BALLOON_VM_ID,
	LODGE_A_BALLOON_AUTO,
	LODGE_A_BALLOON_SHARES,
	LODGE_A_BALLOON_MEMORY,
	LODGE_A_BALLOON_RESERVATION,
	LODGE_A_BALLOON_TARGET,
	LODGE_A_BALLOON_ACTUAL,
	LODGE_A_BALLOON_RESIDENT,
	LODGE_A_BALLOON_ACTIVE,
	LODGE_A_BALLOON_STAT,
	LODGE_A_BALLOON_RECLAIMED,
	LODGE_A_BALLOON_DOMAIN,
	LODGE_A_BALLOON_HINT,
	LODGE_A_BALLOON_HINTED,

	__LODGE_A_BALLOON_MAX,
	LODGE_A_BALLOON_MAX = (__LODGE_A_BALLOON_MAX - 1)
};

enum {
	LODGE_A_GUEST_PAD = 1,
	LODGE_A_GUEST_TAG,
	LODGE_A_GUEST_VALUE,

	__LODGE_A_GUEST_MAX,
	LODGE_A_GUEST_MAX = (__LODGE_A_GUEST_MAX - 1)
};

enum {
	LODGE_A_POLICY_TAX = 1,
	LODGE_A_POLICY_PERIOD_MS,
	LODGE_A_POLICY_BUDGET,
	LODGE_A_POLICY_RESERVE,
	LODGE_A_POLICY_KSM_BUDGET,
	LODGE_A_POLICY_KSM_PASS_MS,
	LODGE_A_POLICY_PATIENCE_MS,
	LODGE_A_POLICY_POOL_PERCENT,
	LODGE_A_POLICY_COLD_MS,

	__LODGE_A_POLICY_MAX,
	LODGE_A_POLICY_MAX = (__LODGE_A_POLICY_MAX - 1)
};

/* Of a domain: as the policy has it. */
#define LODGE_DOMAIN_BY_POLICY	4294967295

enum {
	LODGE_A_DOMAIN_PAD = 1,
	LODGE_A_DOMAIN_ID,
	LODGE_A_DOMAIN_UID,
	LODGE_A_DOMAIN_NAME,
	LODGE_A_DOMAIN_OBJECTS,
	LODGE_A_DOMAIN_BUDGET,
	LODGE_A_DOMAIN_PASS_MS,
	LODGE_A_DOMAIN_SAVED,
	LODGE_A_DOMAIN_COUNTER,
	LODGE_A_DOMAIN_BEGIN,
	LODGE_A_DOMAIN_MORE,

	__LODGE_A_DOMAIN_MAX,
	LODGE_A_DOMAIN_MAX = (__LODGE_A_DOMAIN_MAX - 1)
};

enum {
	LODGE_A_MAP_PAD = 1,
	LODGE_A_MAP_VM_ID,
	LODGE_A_MAP_FIRST,
	LODGE_A_MAP_STATES,
	LODGE_A_MAP_CLEAR,

	__LODGE_A_MAP_MAX,
	LODGE_A_MAP_MAX = (__LODGE_A_MAP_MAX - 1)
};

enum {
	LODGE_A_SWAP_PAD = 1,
	LODGE_A_SWAP_BYTES,
	LODGE_A_SWAP_USED,
	LODGE_A_SWAP_WRITTEN,
	LODGE_A_SWAP_READ,
	LODGE_A_SWAP_ERRORS,
	LODGE_A_SWAP_POOL,

	__LODGE_A_SWAP_MAX,
	LODGE_A_SWAP_MAX = (__LODGE_A_SWAP_MAX - 1)
};

/*
 * The balloon of a VM: Documentation/balloon.rst. Amounts are in bytes, rounded down
 * to whole pages; target and actual are what the guest has, not what it gave.
 */
#define LODGE_BALLOON_AUTO		(1u << 0)	/* the target is computed */
#define LODGE_BALLOON_SAMPLE		(1u << 1)	/* get: end a sampling period now */

#define LODGE_BALLOON_MAX_MEMORY	(1ull << 48)
#define LODGE_BALLOON_MAX_SHARES	(1u << 20)
#define LODGE_BALLOON_NR_STATS		16

/**
 * struct lodge_balloon_config - LODGE_BALLOON_SET
 * @size: of this structure
 * @flags: LODGE_BALLOON_AUTO or 0
 * @eventfd: signalled when the target changes; -1 for none
 * @shares: the VM's weight in its domain, 1 to LODGE_BALLOON_MAX_SHARES
 * @memory: what the guest has with an empty balloon; 0 takes the balloon away
 * @reservation: no target is below
 * @target: without LODGE_BALLOON_AUTO: from @reservation to @memory
 * @domain: with which of its user's VMs it shares memory: a name that ends with a
 *	zero byte, or nothing for the user's default domain
 */
struct lodge_balloon_config {
	__u32 size;
	__u32 flags;
	__s32 eventfd;
	__u32 shares;
	__u64 memory;
	__u64 reservation;
	__u64 target;
	char domain[LODGE_DOMAIN_NAME_MAX];
};

/**
 * struct lodge_balloon_report - LODGE_BALLOON_REPORT
 * @size: of this structure
 * @flags: 0
 * @actual: what the guest has now
 * @valid: bit n says that stat[n] is known
 * @stat: by VIRTIO_BALLOON_S_*, as the guest tells them
 * @hinted: bytes that the guest has told to be free, when it was last asked
 */
struct lodge_balloon_report {
	__u32 size;
	__u32 flags;
	__u64 actual;
	__u64 valid;
	__u64 stat[LODGE_BALLOON_NR_STATS];
	__u64 hinted;
};

/**
 * struct lodge_balloon_state - LODGE_BALLOON_GET
 * @size: of this structure; the kernel's comes back
 * @flags: LODGE_BALLOON_SAMPLE or 0; LODGE_BALLOON_AUTO or 0 comes back
 * @shares: as set
 * @sampled: pages looked at in the last sampling period
 * @memory: as set
 * @reservation: as set
 * @target: what the guest shall have
 * @actual: as reported; before that, @memory
 * @resident: what the nested tables map now
 * @active: what the guest is estimated to use
 * @valid: as reported
 * @stat: as reported
 * @reclaimed: bytes taken so far because the guest didn't give them
 * @domain: as set
 * @hints: how often the guest was to be asked which pages are free
 * @hinted: as reported
 */
struct lodge_balloon_state {
	__u32 size;
	__u32 flags;
	__u32 shares;
	__u32 sampled;
	__u64 memory;
	__u64 reservation;
	__u64 target;
	__u64 actual;
	__u64 resident;
	__u64 active;
	__u64 valid;
	__u64 stat[LODGE_BALLOON_NR_STATS];
	__u64 reclaimed;
	char domain[LODGE_DOMAIN_NAME_MAX];
	__u64 hints;
	__u64 hinted;
};

/* On a VM. The size is in the structure and not in the number. */
#define LODGE_BALLOON_SET	_IO(LODGE_IO, 0x20)	/* lodge_balloon_config */
#define LODGE_BALLOON_GET	_IO(LODGE_IO, 0x21)	/* lodge_balloon_state */
#define LODGE_BALLOON_REPORT	_IO(LODGE_IO, 0x22)	/* lodge_balloon_report */
/* The launcher shall ask its guest which pages are free; no argument. */
#define LODGE_BALLOON_HINT	_IO(LODGE_IO, 0x23)

#endif
