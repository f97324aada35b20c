// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of vmx_perf_lists(): no host of the tests has counters. */
#include <kunit/test.h>
#include <linux/perf_event.h>

#include "vmx.h"

static void nothing(struct kunit *test)
{
	static const struct perf_guest_switch_msr same = {
		MSR_CORE_PERF_GLOBAL_CTRL, 0xf, 0xf
	};
	struct vmx_perf p;

	KUNIT_EXPECT_EQ(test, vmx_perf_lists(&p, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, vmx_perf_lists(&p, &same, 0), 0);
	KUNIT_EXPECT_EQ(test, vmx_perf_lists(&p, &same, 1), 0);
}

/* A counter with exclude_guest, and PEBS, with one between that is the same. */
static void exchanged(struct kunit *test)
{
	static const struct perf_guest_switch_msr msrs[] = {
		{ MSR_CORE_PERF_GLOBAL_CTRL, 0x70000000f, 0x700000007 },
		{ MSR_IA32_DS_AREA, 5, 5 },
		{ MSR_IA32_PEBS_ENABLE, 8, 0 },
	};
	struct vmx_perf p;

	KUNIT_ASSERT_EQ(test, vmx_perf_lists(&p, msrs, 3), 2);
	KUNIT_EXPECT_EQ(test, p.guest[0].index, MSR_CORE_PERF_GLOBAL_CTRL);
	KUNIT_EXPECT_EQ(test, p.guest[0].value, 0x700000007);
	KUNIT_EXPECT_EQ(test, p.host[0].index, MSR_CORE_PERF_GLOBAL_CTRL);
	KUNIT_EXPECT_EQ(test, p.host[0].value, 0x70000000f);
	KUNIT_EXPECT_EQ(test, p.guest[1].index, MSR_IA32_PEBS_ENABLE);
	KUNIT_EXPECT_EQ(test, p.guest[1].value, 0);
	KUNIT_EXPECT_EQ(test, p.host[1].value, 8);
	KUNIT_EXPECT_EQ(test, p.guest[0].reserved, 0);
	KUNIT_EXPECT_EQ(test, p.host[1].reserved, 0);
}

/* The CPU demands it of the lists' addresses: SDM vol. 3C 26.2.1.3. */
static void aligned(struct kunit *test)
{
	static_assert(!(offsetof(struct lodge_context, perf.guest) % 16));
	static_assert(!(offsetof(struct lodge_context, perf.host) % 16));
	struct lodge_context *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	KUNIT_EXPECT_EQ(test, (unsigned long)ctx % 16, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(nothing),
	KUNIT_CASE(exchanged),
	KUNIT_CASE(aligned),
	{ }
};

static struct kunit_suite suite = {
	.name = "lodge_vmx_perf",
	.test_cases = cases,
};
kunit_test_suite(suite);
