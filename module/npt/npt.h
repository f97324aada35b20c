/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nested page tables: one walker, two entry formats.
 */
#ifndef LODGE_NPT_H
#define LODGE_NPT_H

#include <linux/kvm_types.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct lodge_vm;
struct lodge_vcpu;
struct lodge_slot;

/* A nested fault, in neutral words. */
#define LODGE_NPF_WRITE		BIT(0)
#define LODGE_NPF_FETCH		BIT(1)
#define LODGE_NPF_PRESENT	BIT(2)	/* a permission, not an absence */
#define LODGE_NPF_TABLE		BIT(3)	/* by the guest's page-table walk */
#define LODGE_NPF_RSVD		BIT(4)	/* no slot is there; read or write isn't said */

/* What lodge_npt_fault() found; negative values are errnos for KVM_RUN. */
enum lodge_npf {
	LODGE_NPF_FIXED,	/* enter again */
	LODGE_NPF_MMIO,		/* no memory there, or a write to read-only memory */
	LODGE_NPF_RETRY_SLOW,	/* atomic was asked, sleeping is needed */
};

/* The role of a root: roots with the same role are shared by vCPUs. */
union lodge_npt_role {
	u32 word;
	struct {
		u32 levels:3;
		u32 format:2;	/* enum lodge_npt_kind */
		u32 as_id:1;
	};
};

struct lodge_npt_root {
	u64 hpa;		/* for the hardware */
	u64 *table;
	union lodge_npt_role role;
	refcount_t users;
	struct list_head list;
	struct rcu_head rcu;
};

struct lodge_npt {
	rwlock_t lock;		/* read: faults; write: zapping. See the DOC section */
	struct list_head roots;
	struct lodge_npt_root *root;	/* of address space 0 */
	struct list_head dead;	/* tables taken out, not yet flushed: lock */
	/* Entries were taken away up to gen; TLBs know of all up to flushed. */
	atomic64_t gen, flushed;
	atomic64_t pages[4];	/* mapped, by level, for statistics */
	atomic64_t tables;
};

/* Table pages prepared where sleeping is allowed, used where it is not. */
struct lodge_mmu_cache {
	int nr;
	void *page[5];
};

int lodge_npt_init(struct lodge_vm *vm);
void lodge_npt_destroy(struct lodge_vm *vm);
u64 lodge_npt_root_hpa(struct lodge_vm *vm);
void lodge_mmu_cache_free(struct lodge_mmu_cache *cache);

int lodge_npt_fault(struct lodge_vcpu *vcpu, gpa_t gpa, u32 flags, bool atomic);
void lodge_npt_logged(struct lodge_vcpu *vcpu, gpa_t gpa);

enum lodge_npt_op {
	LODGE_NPT_ZAP,
	LODGE_NPT_PROTECT,
	LODGE_NPT_TEST_YOUNG,
	LODGE_NPT_CLEAR_YOUNG,
	LODGE_NPT_SURVEY,
	LODGE_NPT_CLEAN,
};

/**
 * struct lodge_npt_dirty - what dirty bits say of up to 64 pages, a bit for each
 * @written: those that were written since it was asked last
 * @still: those that weren't
 * @whole: asked for: bit 0 is for all of them together, which may be more
 * @huge: with @whole: a leaf larger than a page maps some of them
 * @age: asked for: accessed bits in the place of dirty ones; @still: what is mapped and
 *	wasn't used
 * @young: with @age: those that were used since it was asked last
 * @blind: with @age: some are mapped by leaves that have no such bit, and stay so
 */
struct lodge_npt_dirty {
	u64 written, still, young;
	bool whole, huge, age, blind;
};

/*
 * Called by mem/ with the range in gfns. The caller flushes: zapping and
 * protecting return whether a TLB may hold something that is gone now.
 */
bool lodge_npt_range(struct lodge_vm *vm, enum lodge_npt_op op, gfn_t start,
		     gfn_t end, bool may_sleep);
void lodge_npt_zap_all(struct lodge_vm *vm);
/* Protect, of the pages from gfn on, those in mask (the dirty log). */
bool lodge_npt_protect_mask(struct lodge_vm *vm, gfn_t gfn, unsigned long mask);

void lodge_npt_survey(struct lodge_vm *vm, gfn_t start, gfn_t end, u8 *pages);
void lodge_npt_written(struct lodge_vm *vm, gfn_t start, gfn_t end, gfn_t base,
		       struct lodge_npt_dirty *dirty);

/* May sleep. */
static inline bool lodge_npt_zap(struct lodge_vm *vm, gfn_t start, gfn_t end)
{
	return lodge_npt_range(vm, LODGE_NPT_ZAP, start, end, true);
}

/* Catch writes for the dirty log; huge entries are split by them. May sleep. */
static inline bool lodge_npt_protect(struct lodge_vm *vm, gfn_t start, gfn_t end)
{
	return lodge_npt_range(vm, LODGE_NPT_PROTECT, start, end, true);
}

/* All vCPUs drop what they have cached of the nested tables. */
void lodge_npt_flush(struct lodge_vm *vm);
void lodge_npt_flush_rest(struct lodge_vm *vm);

#endif /* LODGE_NPT_H */
