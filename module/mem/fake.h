/* SPDX-License-Identifier: GPL-2.0-only */
/* For KUnit: a VM with slots and nested tables, but without hardware. */
#ifndef LODGE_MEM_FAKE_H
#define LODGE_MEM_FAKE_H

#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "backend.h"
#include "ksm/ksm.h"
#include "mem/pool.h"
#include "npt/entry.h"

#define NR_VCPUS	2

/* Suites run before the module's own init: those with objects bring these up. */
static inline int objects_up(void)
{
	int ret = lodge_ksm_init();

	if (ret)
		return ret;
	ret = lodge_reclaim_init();
	if (ret)
		goto err_ksm;
	ret = lodgefs_init();
	if (!ret)
		return 0;
	lodge_reclaim_exit();
err_ksm:
	lodge_ksm_exit();
	return ret;
}

/* The last file's mount goes a little later than the file; @held: modules' users before. */
static inline void objects_down(int held)
{
	int i;

	for (i = 0; i < 500 && module_refcount(THIS_MODULE) > held; i++)
		msleep(20);
	lodgefs_exit();
	lodge_reclaim_exit();
	lodge_ksm_exit();
}

struct world {
	struct lodge_vm vm;
	struct lodge_vcpu vcpu[NR_VCPUS];
	struct lodge_hw_caps caps;	/* the module's own, for afterwards */
	int srcu_idx;			/* let go while slots change */
	unsigned long hva, raw;		/* user_test.c */
};

/* With @mm it hears of what happens to that process's memory. */
static inline struct world *world_new(struct kunit *test, struct mm_struct *mm,
				      enum lodge_npt_kind kind)
{
	struct world *w = kvzalloc(sizeof(*w), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, w);
	w->caps = lodge_caps;
	lodge_caps = (struct lodge_hw_caps) {
		.npt_levels = 4, .npt_1g = true, .maxphyaddr = 40,
		.npt_ept = kind != LODGE_NPT_AMD,
		.npt_ad = kind != LODGE_NPT_EPT_NO_AD,
	};
	xa_init(&w->vm.vcpus);
	w->vm.mm = mm;
	KUNIT_ASSERT_EQ(test, init_srcu_struct(&w->vm.srcu), 0);
	KUNIT_ASSERT_EQ(test, lodge_npt_init(&w->vm), 0);
	KUNIT_ASSERT_EQ(test, lodge_mem_init(&w->vm), 0);
	for (i = 0; i < NR_VCPUS; i++) {
		w->vcpu[i].vm = &w->vm;
		w->vcpu[i].cpu = -1;
	}
	w->srcu_idx = srcu_read_lock(&w->vm.srcu);
	test->priv = w;
	return w;
}

static inline void world_free(struct kunit *test)
{
	struct world *w = test->priv;
	int i;

	srcu_read_unlock(&w->vm.srcu, w->srcu_idx);
	for (i = 0; i < NR_VCPUS; i++)
		lodge_mmu_cache_free(&w->vcpu[i].mmu_cache);
	lodge_npt_zap_all(&w->vm);
	for (i = 1; i <= 3; i++)
		KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[i]), 0);
	/* All tables but the root's have gone with what they mapped. */
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.tables), 1);
	lodge_mem_destroy(&w->vm);
	lodge_npt_destroy(&w->vm);
	cleanup_srcu_struct(&w->vm.srcu);
	xa_destroy(&w->vm.vcpus);
	lodge_caps = w->caps;
	kvfree(w);
}

static inline int world_set(struct world *w, u32 slot, u32 flags, u64 gpa,
			    u64 size, u64 hva)
{
	struct kvm_userspace_memory_region m = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = hva,
	};

	return lodge_mem_set(&w->vm, &m);
}

/* The same by the test's own thread. */
static inline int world_slot(struct world *w, u32 slot, u32 flags, u64 gpa,
			     u64 size, u64 hva)
{
	int ret;

	srcu_read_unlock(&w->vm.srcu, w->srcu_idx);
	ret = world_set(w, slot, flags, gpa, size, hva);
	w->srcu_idx = srcu_read_lock(&w->vm.srcu);
	return ret;
}

/* Where the leaf that maps gfn is, or would be. */
static inline u64 *world_entry(struct world *w, gfn_t gfn, int *level)
{
	u64 *ptep, entry, *table = w->vm.npt.root->table;

	for (*level = w->vm.npt.root->role.levels; ; --*level) {
		ptep = &table[level_index(gfn, *level)];
		entry = READ_ONCE(*ptep);
		if (!entry_is_table(entry, *level))
			return ptep;
		table = entry_table(entry);
	}
}

/* What is there, 0 if nothing is. */
static inline u64 world_leaf(struct world *w, gfn_t gfn, int *level)
{
	return READ_ONCE(*world_entry(w, gfn, level));
}

static inline bool world_mapped(struct world *w, gfn_t gfn)
{
	int level;

	return world_leaf(w, gfn, &level) & ENTRY_PRESENT;
}

/* A thread that faults, as the run loop does, somewhere in @size from @gpa on. */
struct racer {
	struct world *w;
	struct lodge_vcpu *vcpu;
	struct task_struct *task;
	gpa_t gpa;
	u32 size;		/* a power of two, no more than 16M */
	int other;		/* what else than LODGE_NPF_FIXED may come */
	unsigned long fixed, odd;
};

static inline int racer_fn(void *data)
{
	struct racer *r = data;
	struct mm_struct *mm = r->w->vm.mm;

	if (mm)
		kthread_use_mm(mm);
	while (!kthread_should_stop()) {
		u32 rnd = get_random_u32();
		gpa_t gpa = r->gpa + (rnd & (r->size - 1));
		u32 flags = (rnd & BIT(24) ? LODGE_NPF_WRITE : 0) |
			    (rnd & BIT(25) ? LODGE_NPF_PRESENT : 0);
		int idx = srcu_read_lock(&r->w->vm.srcu), ret;

		ret = lodge_npt_fault(r->vcpu, gpa, flags, true);
		if (ret == LODGE_NPF_RETRY_SLOW)
			ret = lodge_npt_fault(r->vcpu, gpa, flags, false);
		r->fixed += ret == LODGE_NPF_FIXED;
		r->odd += ret != LODGE_NPF_FIXED && ret != r->other;
		srcu_read_unlock(&r->w->vm.srcu, idx);
		cond_resched();
	}
	if (mm)
		kthread_unuse_mm(mm);
	return 0;
}

/* Meanwhile @disturb is called, again and again. */
static inline void world_race(struct kunit *test, gpa_t gpa, u32 size, int other,
			      void (*disturb)(struct world *w, u32 rnd))
{
	struct racer racer[NR_VCPUS] = { };
	struct world *w = test->priv;
	unsigned long end;
	int i;

	for (i = 0; i < NR_VCPUS; i++) {
		racer[i] = (struct racer) {
			.w = w, .vcpu = &w->vcpu[i], .gpa = gpa, .size = size,
			.other = other,
		};
		racer[i].task = kthread_run(racer_fn, &racer[i], "racer/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(racer[i].task));
	}
	end = jiffies + 3 * HZ;
	while (time_before(jiffies, end)) {
		disturb(w, get_random_u32());
		cond_resched();
	}
	for (i = 0; i < NR_VCPUS; i++) {
		kthread_stop(racer[i].task);
		KUNIT_EXPECT_GT(test, racer[i].fixed, 100ul);
		KUNIT_EXPECT_EQ(test, racer[i].odd, 0ul);
	}
}

#endif /* LODGE_MEM_FAKE_H */
