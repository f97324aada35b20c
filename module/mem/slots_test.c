// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of memory slots: a VM without hardware, process or vCPUs. */
#include "mem/fake.h"

#define MAX_HVA		TASK_SIZE_MAX

static int slots_test_init(struct kunit *test)
{
	world_new(test, NULL, LODGE_NPT_AMD);
	return 0;
}

static int set(struct kunit *test, u32 slot, u32 flags, u64 gpa, u64 size,
	       u64 hva)
{
	return world_slot(test->priv, slot, flags, gpa, size, hva);
}

/* The slot of gpa, -1 without one; by both ways to look it up. */
static int find(struct kunit *test, u64 gpa)
{
	struct world *w = test->priv;
	struct lodge_slot *slot = lodge_slot_find(&w->vm, gpa >> PAGE_SHIFT);

	KUNIT_EXPECT_PTR_EQ(test, slot,
			    lodge_slot_find_vcpu(&w->vcpu[0], gpa >> PAGE_SHIFT));
	return slot ? slot->id : -1;
}

static void refusals(struct kunit *test)
{
	/* Flags, numbers, address spaces. */
	KUNIT_EXPECT_EQ(test, set(test, 0, 4, 0, 4096, 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, LODGE_MAX_SLOTS, 0, 0, 4096, 4096),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 1 << 16, 0, 0, 4096, 4096), -EINVAL);
	/* Alignment. */
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 1, 4096, 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0, 4095, 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0, 4096, 4095), -EINVAL);
	/* Wraps, and addresses that no process has. */
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, -4096ull, 8192, 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0, 8192, -4096ull), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0, 8192, MAX_HVA - 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0, 4096, MAX_HVA + 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0, 4096, 1ull << 60), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0, 1ull << 43, 4096), -EINVAL);
	/* Beyond the CPU's physical addresses. */
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 1ull << 40, 4096, 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, (1ull << 40) - 4096, 8192, 4096),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, (1ull << 40) - 4096, 4096, 4096), 0);
	/* Nothing to delete. */
	KUNIT_EXPECT_EQ(test, set(test, 1, 0, 0, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0, 0, 0), -EINVAL);
}

static void overlap(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, set(test, 3, 0, 0x10000, 0x10000, 0x100000), 0);
	KUNIT_EXPECT_EQ(test, set(test, 4, 0, 0x30000, 0x10000, 0x100000), 0);
	KUNIT_EXPECT_EQ(test, set(test, 5, 0, 0x1f000, 0x1000, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set(test, 5, 0, 0xf000, 0x2000, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set(test, 5, 0, 0, 0x100000, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set(test, 5, 0, 0x1f000, 0x12000, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set(test, 5, 0, 0x20000, 0x11000, 0), -EEXIST);
	KUNIT_EXPECT_EQ(test, set(test, 5, 0, 0x20000, 0x10000, 0), 0);
	KUNIT_EXPECT_EQ(test, set(test, 6, 0, 0, 0x10000, 0), 0);
	KUNIT_EXPECT_EQ(test, find(test, 0xffff), 6);
	KUNIT_EXPECT_EQ(test, find(test, 0x10000), 3);
	KUNIT_EXPECT_EQ(test, find(test, 0x1ffff), 3);
	KUNIT_EXPECT_EQ(test, find(test, 0x20000), 5);
	KUNIT_EXPECT_EQ(test, find(test, 0x3ffff), 4);
	KUNIT_EXPECT_EQ(test, find(test, 0x40000), -1);
	KUNIT_EXPECT_EQ(test, find(test, ~0ull), -1);
}

static void change(struct kunit *test)
{
	const u32 log = KVM_MEM_LOG_DIRTY_PAGES;

	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0x10000, 0x10000, 0x100000), 0);
	KUNIT_EXPECT_EQ(test, set(test, 1, 0, 0x40000, 0x10000, 0x100000), 0);
	/* Not its size, its memory, or whether it can be written. */
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0x10000, 0x11000, 0x100000),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0x10000, 0x10000, 0x101000),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, set(test, 0, KVM_MEM_READONLY, 0x10000, 0x10000,
				  0x100000), -EINVAL);
	/* Nothing changes. */
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0x10000, 0x10000, 0x100000), 0);
	/* Its place, over its old one, but not over another. */
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0x18000, 0x10000, 0x100000), 0);
	KUNIT_EXPECT_EQ(test, find(test, 0x17000), -1);
	KUNIT_EXPECT_EQ(test, find(test, 0x27000), 0);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0x38000, 0x10000, 0x100000),
			-EEXIST);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0x80000, 0x10000, 0x100000), 0);
	KUNIT_EXPECT_EQ(test, find(test, 0x18000), -1);
	KUNIT_EXPECT_EQ(test, find(test, 0x80000), 0);
	/* The log, on, moved along, and off. */
	KUNIT_EXPECT_EQ(test, set(test, 0, log, 0x80000, 0x10000, 0x100000), 0);
	KUNIT_EXPECT_EQ(test, set(test, 0, log, 0x10000, 0x10000, 0x100000), 0);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0x10000, 0x10000, 0x100000), 0);
	KUNIT_EXPECT_EQ(test, set(test, 0, 0, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, find(test, 0x10000), -1);
	KUNIT_EXPECT_EQ(test, find(test, 0x40000), 1);
}

static void bitmap_follows(struct kunit *test)
{
	const u32 log = KVM_MEM_LOG_DIRTY_PAGES;
	struct world *w = test->priv;

	KUNIT_EXPECT_EQ(test, set(test, 0, log, 0x10000, 0x10000, 0x100000), 0);
	lodge_slot_mark_dirty(&w->vcpu[0], lodge_slot_find(&w->vm, 0x13), 0x13);
	KUNIT_EXPECT_EQ(test, set(test, 0, log, 0x40000, 0x10000, 0x100000), 0);
	KUNIT_EXPECT_EQ(test, lodge_slot_find(&w->vm, 0x43)->dirty[0], 8ul);

	/* Manual protection: all pages are dirty at first, and no others. */
	w->vm.mem.manual_protect = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				   KVM_DIRTY_LOG_INITIALLY_SET;
	KUNIT_EXPECT_EQ(test, set(test, 1, log, 0x80000, 0x5000, 0x100000), 0);
	KUNIT_EXPECT_EQ(test, lodge_slot_find(&w->vm, 0x80)->dirty[0], 0x1ful);
}

/*
 * A vCPU that never comes out but when it is asked to, and goes in again at
 * once, holding SRCU: nobody waits for it for long.
 */
static int spinner(void *data)
{
	struct world *w = data;
	int idx = srcu_read_lock(&w->vm.srcu);

	while (!kthread_should_stop()) {
		if (test_and_clear_bit(LODGE_REQ_TLB_FLUSH, &w->vcpu[0].requests)) {
			srcu_read_unlock(&w->vm.srcu, idx);
			idx = srcu_read_lock(&w->vm.srcu);
		}
		schedule_timeout_idle(1);
	}
	srcu_read_unlock(&w->vm.srcu, idx);
	return 0;
}

static int changer(void *data)
{
	struct kunit *test = data;
	struct world *w = test->priv;
	int i;

	for (i = 0; i < 10; i++) {
		KUNIT_EXPECT_EQ(test, world_set(w, 0, 0, 0, 4096, 4096), 0);
		KUNIT_EXPECT_EQ(test, world_set(w, 0, 0, 0, 0, 0), 0);
	}
	return 0;
}

static void under_spin(struct kunit *test)
{
	struct world *w = test->priv;
	struct task_struct *task[2];
	bool over = false;
	int i;

	KUNIT_ASSERT_EQ(test, xa_err(xa_store(&w->vm.vcpus, 0, &w->vcpu[0],
					      GFP_KERNEL)), 0);
	task[0] = kthread_run(spinner, w, "spinner");
	task[1] = kthread_create(changer, test, "changer");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task[0]) || IS_ERR(task[1]));
	get_task_struct(task[1]);
	srcu_read_unlock(&w->vm.srcu, w->srcu_idx);
	wake_up_process(task[1]);
	/* Else it is never over: there is time for a host that is slow. */
	for (i = 0; i < 600 && !over; i++) {
		schedule_timeout_idle(HZ / 20);
		over = READ_ONCE(task[1]->exit_state);
	}
	KUNIT_EXPECT_TRUE(test, over);
	kthread_stop(task[0]);
	kthread_stop(task[1]);
	put_task_struct(task[1]);
	w->srcu_idx = srcu_read_lock(&w->vm.srcu);
}

static void many(struct kunit *test)
{
	int i;

	for (i = 0; i < LODGE_MAX_SLOTS; i++)
		KUNIT_ASSERT_EQ(test, set(test, i, 0, (u64)i << 13, 4096, 4096), 0);
	for (i = 0; i < LODGE_MAX_SLOTS; i += 97) {
		KUNIT_EXPECT_EQ(test, find(test, (u64)i << 13), i);
		KUNIT_EXPECT_EQ(test, find(test, ((u64)i << 13) + 4096), -1);
	}
	/* From the middle, and back again, in any order. */
	for (i = 0; i < 100; i++)
		KUNIT_EXPECT_EQ(test, set(test, i * 31, 0, 0, 0, 0), 0);
	for (i = 99; i >= 0; i--)
		KUNIT_EXPECT_EQ(test, set(test, i * 31, 0, (u64)(i * 31) << 13,
					  4096, 4096), 0);
	for (i = 0; i < 3200; i++)
		KUNIT_EXPECT_EQ(test, find(test, (u64)i << 13), i);
}

static struct kunit_case slots_cases[] = {
	KUNIT_CASE(refusals),
	KUNIT_CASE(overlap),
	KUNIT_CASE(change),
	KUNIT_CASE(bitmap_follows),
	KUNIT_CASE(under_spin),
	KUNIT_CASE(many),
	{}
};

static struct kunit_suite slots_suite = {
	.name = "lodge-slots",
	.init = slots_test_init,
	.exit = world_free,
	.test_cases = slots_cases,
};

kunit_test_suite(slots_suite);
