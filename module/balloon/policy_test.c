// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of the balloon's arithmetic, on VMs that are nothing but claims. */
#include <kunit/test.h>
#include <linux/minmax.h>
#include <linux/random.h>

#include "balloon/policy.h"

#define MAX_VMS		16
#define MAX_PAGES	BIT_ULL(36)
#define MAX_SHARES	BIT_ULL(20)

static struct lodge_claim vm[MAX_VMS];

static void claim(unsigned int i, u64 shares, u64 min, u64 max, u64 active)
{
	vm[i] = (struct lodge_claim) {
		.shares = shares, .min = min, .max = max, .active = active,
	};
}

/* Divides among the first n, and says that what always holds does. */
static void share(struct kunit *test, unsigned int n, u64 budget, unsigned int tax)
{
	u64 sum = 0, floors = 0, ceilings = 0;
	LIST_HEAD(claims);
	unsigned int i;

	for (i = 0; i < n; i++)
		list_add_tail(&vm[i].list, &claims);
	lodge_policy_share(&claims, budget, tax);
	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_GE(test, vm[i].target, vm[i].min);
		KUNIT_EXPECT_LE(test, vm[i].target, vm[i].max);
		sum += vm[i].target;
		floors += vm[i].min;
		ceilings += vm[i].max;
	}
	KUNIT_EXPECT_EQ(test, sum, clamp(budget, floors, ceilings));
}

static void by_shares(struct kunit *test)
{
	claim(0, 1000, 0, 100000, 100000);
	claim(1, 1000, 0, 100000, 100000);
	claim(2, 2000, 0, 100000, 100000);
	share(test, 3, 100000, 75);
	KUNIT_EXPECT_EQ(test, vm[0].target, 25000ull);
	KUNIT_EXPECT_EQ(test, vm[1].target, 25000ull);
	KUNIT_EXPECT_EQ(test, vm[2].target, 50000ull);
	/* Enough for all, and nothing at all. */
	share(test, 3, 300000, 75);
	share(test, 3, 1ull << 50, 75);
	share(test, 3, 0, 75);
	KUNIT_EXPECT_EQ(test, vm[2].target, 0ull);
	/* What one can't use goes to the others, by their shares. */
	claim(2, 2000, 0, 10000, 10000);
	share(test, 3, 100000, 75);
	KUNIT_EXPECT_EQ(test, vm[0].target, 45000ull);
}

static void floors(struct kunit *test)
{
	claim(0, 1, 40000, 100000, 0);
	claim(1, 1000, 0, 100000, 100000);
	share(test, 2, 100000, 99);
	KUNIT_EXPECT_EQ(test, vm[0].target, 40000ull);
	KUNIT_EXPECT_EQ(test, vm[1].target, 60000ull);
	/* Floors stay even where there isn't enough for them. */
	claim(1, 1000, 90000, 100000, 100000);
	share(test, 2, 100000, 99);
	KUNIT_EXPECT_EQ(test, vm[0].target, 40000ull);
	KUNIT_EXPECT_EQ(test, vm[1].target, 90000ull);
	/* Set by hand: floor and ceiling in one. */
	claim(0, 1, 12345, 12345, 0);
	claim(1, 1000, 0, 100000, 100000);
	share(test, 2, 50000, 0);
	KUNIT_EXPECT_EQ(test, vm[0].target, 12345ull);
}

static void tax(struct kunit *test)
{
	u64 before = 0;
	unsigned int rate;

	/* The same shares: without tax what is used doesn't matter. */
	claim(0, 1000, 0, 100000, 90000);
	claim(1, 1000, 0, 100000, 10000);
	share(test, 2, 120000, 0);
	KUNIT_EXPECT_EQ(test, vm[0].target, 60000ull);
	/* The higher it is, the more goes to who uses it. */
	for (rate = 0; rate <= LODGE_MAX_TAX; rate++) {
		share(test, 2, 120000, rate);
		KUNIT_EXPECT_GE(test, vm[0].target, before);
		before = vm[0].target;
	}
	KUNIT_EXPECT_GT(test, vm[0].target, 89000ull);
	/* 75 %: both pay the same, where an idle page counts four times. */
	share(test, 2, 120000, 75);
	KUNIT_EXPECT_LE(test, vm[0].target, 90000ull);
	KUNIT_EXPECT_LE(test, abs((s64)(vm[0].target -
		(vm[1].active + 4 * (vm[1].target - vm[1].active)))), 8ll);
	/* It takes from nobody what he uses, shares allowing. */
	KUNIT_EXPECT_GE(test, vm[1].target, vm[1].active);
}

/* Targets that are followed, and measured anew, don't wander. */
static void converges(struct kunit *test)
{
	u64 uses[2] = { 80000, 20000 }, last = 0;
	struct lodge_estimate e[2] = { };
	int i, round;

	for (round = 0; round < 100; round++) {
		if (round == 50)
			swap(uses[0], uses[1]);
		for (i = 0; i < 2; i++) {
			u64 has = round ? vm[i].target : 100000;

			lodge_estimate_add(&e[i], min(uses[i], has) * 128 / 100000,
					   128);
			claim(i, 1000, 1000, 100000,
			      lodge_estimate_active(&e[i], 100000));
		}
		share(test, 2, 110000, 75);
		if (round % 50 > 40)
			KUNIT_EXPECT_LE(test, abs((s64)(vm[0].target - last)),
					200ll);
		last = vm[0].target;
		if (round == 49)
			KUNIT_EXPECT_GT(test, vm[0].target, 70000ull);
	}
	KUNIT_EXPECT_GT(test, vm[1].target, 70000ull);
}

static void hostile(struct kunit *test)
{
	unsigned int i, n, round;

	for (i = 0; i < MAX_VMS; i++)
		claim(i, i & 1 ? 1 : MAX_SHARES, 0, MAX_PAGES,
		      i & 2 ? U64_MAX : 0);
	for (i = 0; i <= LODGE_MAX_TAX; i += 33) {
		share(test, MAX_VMS, U64_MAX, i);
		share(test, MAX_VMS, MAX_VMS * MAX_PAGES - 1, i);
		share(test, MAX_VMS, MAX_PAGES / 2, i);
		share(test, MAX_VMS, 1, i);
		share(test, 0, 1, i);
	}
	for (round = 0; round < 500; round++) {
		n = 1 + get_random_u32() % MAX_VMS;
		for (i = 0; i < n; i++) {
			u64 max = get_random_u64() >> (28 + get_random_u32() % 30);

			claim(i, 1 + get_random_u32() % MAX_SHARES,
			      max ? get_random_u64() % max : 0, max,
			      get_random_u64() >> get_random_u32() % 64);
		}
		share(test, n, get_random_u64() >> (20 + get_random_u32() % 44),
		      get_random_u32() % (LODGE_MAX_TAX + 1));
	}
}

static void budgets(struct kunit *test)
{
	u64 a, b;

	/* What is spare is for both alike. */
	KUNIT_EXPECT_EQ(test, lodge_policy_budget(1000, 4000, 2, 500), 1250ull);
	/* What is lacking comes from who has it, and stays asked for. */
	a = lodge_policy_budget(1000, 4000, 2, -400);
	b = lodge_policy_budget(3000, 4000, 2, -400);
	KUNIT_EXPECT_EQ(test, a, 900ull);
	KUNIT_EXPECT_EQ(test, b, 2700ull);
	KUNIT_EXPECT_EQ(test, lodge_policy_budget(4000, 4000, 1, -400),
			lodge_policy_budget(3800, 3800, 1, -200));
	KUNIT_EXPECT_EQ(test, lodge_policy_budget(0, 0, 1, -400), 0ull);
	KUNIT_EXPECT_EQ(test, lodge_policy_budget(1000, 4000, 2, S64_MIN), 0ull);
	KUNIT_EXPECT_EQ(test, lodge_policy_budget(MAX_PAGES, MAX_PAGES, 1, S64_MIN),
			0ull);
	KUNIT_EXPECT_EQ(test, lodge_policy_budget(U64_MAX >> 8, U64_MAX >> 8, 1,
						  -1), (U64_MAX >> 8) - 1);
	KUNIT_EXPECT_GE(test, lodge_policy_budget(MAX_PAGES, MAX_PAGES, 1, S64_MAX),
			(u64)S64_MAX);
}

static void pressing(struct kunit *test)
{
	struct lodge_press p = { .target = 1000, .has = 3000, .floor = 500 };

	KUNIT_EXPECT_EQ(test, lodge_policy_press(2000, 0, &p), 1000ull);
	KUNIT_EXPECT_EQ(test, lodge_policy_press(2000, 100, &p), 1100ull);
	/* It hasn't touched more than it shall have; it owes less. */
	KUNIT_EXPECT_EQ(test, lodge_policy_press(1000, 0, &p), 0ull);
	KUNIT_EXPECT_EQ(test, lodge_policy_press(9000, 0, &p), 2000ull);
	/* The floor stays, whatever what was taken needs. */
	KUNIT_EXPECT_EQ(test, lodge_policy_press(600, 900, &p), 100ull);
	KUNIT_EXPECT_EQ(test, lodge_policy_press(500, 900, &p), 0ull);
	p.has = 1000;
	KUNIT_EXPECT_EQ(test, lodge_policy_press(9000, 0, &p), 0ull);
	p.has = MAX_PAGES;
	KUNIT_EXPECT_EQ(test, lodge_policy_press(MAX_PAGES, MAX_PAGES, &p),
			(u64)LODGE_PRESS_MAX);
}

static void estimates(struct kunit *test)
{
	struct lodge_estimate e = { };
	int i;

	KUNIT_EXPECT_EQ(test, lodge_estimate_active(&e, 1000), 1000ull);
	lodge_estimate_add(&e, 0, 0);
	KUNIT_EXPECT_EQ(test, lodge_estimate_active(&e, 1000), 1000ull);
	lodge_estimate_add(&e, 32, 128);
	KUNIT_EXPECT_EQ(test, lodge_estimate_active(&e, 1000), 250ull);
	/* More is believed at once, less slowly, but in the end. */
	lodge_estimate_add(&e, 64, 128);
	KUNIT_EXPECT_EQ(test, lodge_estimate_active(&e, 1000), 500ull);
	lodge_estimate_add(&e, 0, 128);
	KUNIT_EXPECT_GT(test, lodge_estimate_active(&e, 1000), 200ull);
	for (i = 0; i < 60; i++)
		lodge_estimate_add(&e, 0, 128);
	KUNIT_EXPECT_LT(test, lodge_estimate_active(&e, 1000), 5ull);
	lodge_estimate_add(&e, U32_MAX, 1);
	KUNIT_EXPECT_EQ(test, lodge_estimate_active(&e, U64_MAX >> 1),
			U64_MAX >> 1);
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(by_shares),
	KUNIT_CASE(floors),
	KUNIT_CASE(tax),
	KUNIT_CASE(converges),
	KUNIT_CASE(hostile),
	KUNIT_CASE(budgets),
	KUNIT_CASE(pressing),
	KUNIT_CASE(estimates),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "lodge-balloon-policy",
	.test_cases = policy_cases,
};

kunit_test_suite(policy_suite);
