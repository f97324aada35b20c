/* SPDX-License-Identifier: GPL-2.0-only */
/* The walker of a guest's own page tables: linear to guest-physical. */
#ifndef LODGE_EMULATE_WALK_H
#define LODGE_EMULATE_WALK_H

#include <linux/types.h>

/*
 * What an access wants.  The low bits are those of a #PF error code, so that
 * the walker hands them back unchanged; the high ones never reach a guest.
 */
#define LODGE_ACC_WRITE		0x00002
#define LODGE_ACC_USER		0x00004
#define LODGE_ACC_FETCH		0x00010
/* A descriptor table or a TSS: SMAP applies whatever EFLAGS.AC says. */
#define LODGE_ACC_IMPLICIT	0x10000
/* Look, and leave accessed and dirty bits as they are. */
#define LODGE_ACC_PEEK		0x20000

/* Bits of a #PF error code that the walker adds. */
#define LODGE_PF_PRESENT	0x00001
#define LODGE_PF_RSVD		0x00008
#define LODGE_PF_PK		0x00020

struct lodge_walk;

/**
 * struct lodge_walk_ops - guest-physical memory, as the walker sees it
 * @read: copy @len (4 or 8, aligned) bytes at @gpa to @val, in one access;
 *	0, or a negative errno where there is no memory
 * @cmpxchg: exchange @len bytes at @gpa if they still are @old; 0 when done,
 *	1 when another was faster, a negative errno where it can't be written
 */
struct lodge_walk_ops {
	int (*read)(const struct lodge_walk *w, u64 gpa, void *val, u32 len);
	int (*cmpxchg)(const struct lodge_walk *w, u64 gpa, u64 old, u64 new,
		       u32 len);
};

/**
 * struct lodge_walk - the registers that a walk depends on
 * @ops: access to guest-physical memory
 * @priv: the caller's
 * @cr0: CR0
 * @cr3: CR3
 * @cr4: CR4
 * @efer: EFER
 * @rflags: RFLAGS, for AC
 * @pkru: PKRU; read only where CR4.PKE is set
 * @maxphyaddr: physical-address width of the guest, 36..52
 * @gbpages: 1-GiB pages are offered
 * @pdptrs: the four PDPTEs that the CPU holds, or NULL to read them from
 *	memory as AMD does under nested paging (APM vol. 2 15.25.10)
 */
struct lodge_walk {
	const struct lodge_walk_ops *ops;
	void *priv;
	u64 cr0;
	u64 cr3;
	u64 cr4;
	u64 efer;
	u64 rflags;
	u32 pkru;
	u8 maxphyaddr;
	bool gbpages;
	const u64 *pdptrs;
};

/**
 * struct lodge_walk_result - what a walk found
 * @gpa: guest-physical address of the byte asked for
 * @page_shift: 12, 21, 22 or 30: the page that maps it; 63 without paging
 * @error: #PF error code, where the walk failed
 * @writable: all levels allow writes
 * @user: all levels allow user access
 */
struct lodge_walk_result {
	u64 gpa;
	u8 page_shift;
	u32 error;
	bool writable;
	bool user;
};

int lodge_walk(const struct lodge_walk *w, u64 la, u32 access,
	       struct lodge_walk_result *res);

#endif
