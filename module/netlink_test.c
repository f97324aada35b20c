// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of what the control plane hears of a VM that dies. */
#include <linux/delay.h>

#include "mem/fake.h"
#include "netlink.h"

#define ID	(ULONG_MAX - 1)		/* no VM of this module comes so far */

static int netlink_test_init(struct kunit *test)
{
	struct world *w = world_new(test, NULL, LODGE_NPT_AMD);

	w->vm.id = ID;
	w->vm.uid = KUIDT_INIT(12345);
	refcount_set(&w->vm.users, 1);
	mutex_lock(&lodge_vms_lock);
	KUNIT_EXPECT_EQ(test, xa_insert(&lodge_vms, ID, &w->vm, GFP_KERNEL), 0);
	mutex_unlock(&lodge_vms_lock);
	return 0;
}

static void netlink_test_exit(struct kunit *test)
{
	mutex_lock(&lodge_vms_lock);
	xa_erase(&lodge_vms, ID);
	mutex_unlock(&lodge_vms_lock);
	world_free(test);
}

static bool told(struct lodge_vm *vm)
{
	bool ret;

	mutex_lock(&lodge_vms_lock);
	ret = vm->dead_told;
	mutex_unlock(&lodge_vms_lock);
	return ret;
}

/* From where sleeping is forbidden; and only of those that are dead. */
static void death(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned long flags;
	int i;

	lodge_netlink_dead();
	msleep(50);
	KUNIT_EXPECT_FALSE(test, told(&w->vm));
	local_irq_save(flags);
	lodge_vm_kill(&w->vm, "a test");
	local_irq_restore(flags);
	for (i = 0; i < 500 && !told(&w->vm); i++)
		msleep(20);
	KUNIT_EXPECT_TRUE(test, told(&w->vm));
	KUNIT_EXPECT_STREQ(test, w->vm.reason, "a test");
}

/* Slots are added up under their own lock's readers only. */
static void memory(struct kunit *test)
{
	struct world *w = test->priv;

	KUNIT_EXPECT_EQ(test, lodge_mem_size(&w->vm), 0);
	KUNIT_EXPECT_EQ(test, world_slot(w, 0, 0, 0, 0x10000, 0x10000), 0);
	KUNIT_EXPECT_EQ(test, world_slot(w, 1, 0, 1ull << 32, 0x3000, 0x40000), 0);
	KUNIT_EXPECT_EQ(test, lodge_mem_size(&w->vm), 0x13000);
	KUNIT_EXPECT_EQ(test, world_slot(w, 0, 0, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, lodge_mem_size(&w->vm), 0x3000);
}

/* Each counter once, and the file's last one is the last. */
static void counters(struct kunit *test)
{
	struct world *w = test->priv;
	struct lodge_stat stat;
	unsigned int i;

	w->vcpu[0].stats.exits = 7;
	w->vcpu[0].stats.preemptions = 8;
	for (i = 0; lodge_stats_at(&w->vm, &w->vcpu[0], i, &stat); i++)
		if (!i)
			KUNIT_EXPECT_EQ(test, stat.value, 7);
	KUNIT_EXPECT_EQ(test, i, sizeof(struct lodge_vcpu_stats) / sizeof(u64));
	KUNIT_EXPECT_STREQ(test, stat.name, "preemptions");
	KUNIT_EXPECT_EQ(test, stat.value, 8);
	KUNIT_EXPECT_FALSE(test, stat.instant);
	for (i = 0; lodge_stats_at(&w->vm, NULL, i, &stat); i++)
		KUNIT_EXPECT_TRUE(test, stat.instant);
	KUNIT_EXPECT_EQ(test, i, sizeof(struct lodge_vm_stats) / sizeof(u64));
}

static struct kunit_case netlink_cases[] = {
	KUNIT_CASE(death),
	KUNIT_CASE(memory),
	KUNIT_CASE(counters),
	{}
};

static struct kunit_suite netlink_suite = {
	.name = "lodge-netlink",
	.init = netlink_test_init,
	.exit = netlink_test_exit,
	.test_cases = netlink_cases,
};

kunit_test_suite(netlink_suite);
