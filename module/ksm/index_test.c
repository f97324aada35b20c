// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the index of pages by their hash.
 */
#include <kunit/test.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "ksm/ksm.h"

#define NR	2500

static struct lodge_index x;
static struct page **pages;

static u64 hash_of(int i)
{
	/* Some are alike, and many are in their lower bits. */
	return i % 5 ? (u64)(i / 2 + 1) << (i % 3 * 8) : i / 20 + 1;
}

static int index_test_init(struct kunit *test)
{
	int i;

	pages = kcalloc(NR, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	for (i = 0; i < NR; i++) {
		pages[i] = alloc_page(GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, pages[i]);
		lodge_index_new(pages[i]);
		lodge_page_set_owner(pages[i], pages + i);
	}
	return lodge_index_init(&x);
}

static void index_test_exit(struct kunit *test)
{
	int i;

	for (i = 0; i < NR; i++) {
		lodge_index_remove(&x, pages[i]);
		KUNIT_EXPECT_EQ(test, page_count(pages[i]), 1);
		lodge_page_set_owner(pages[i], NULL);
		put_page(pages[i]);
	}
	KUNIT_EXPECT_EQ(test, x.nr, 0ul);
	lodge_index_destroy(&x);
	kfree(pages);
}

static struct page *find(u64 hash, bool *stable)
{
	void *owner;
	struct page *page = lodge_index_find(&x, hash, &owner, stable);

	if (page)
		put_page(page);
	return page;
}

static void add(struct kunit *test, int i)
{
	KUNIT_ASSERT_EQ(test, lodge_index_grow(&x), 0);
	lodge_index_insert(&x, pages[i], hash_of(i));
}

/* Whatever goes in is found until it goes out, however the table grows. */
static void in_and_out(struct kunit *test)
{
	bool stable;
	int i, n;

	KUNIT_EXPECT_NULL(test, find(1, &stable));
	for (i = 0; i < NR; i++)
		add(test, i);
	KUNIT_EXPECT_EQ(test, x.nr, (unsigned long)NR);
	KUNIT_EXPECT_GE(test, x.buckets, (unsigned long)NR - 1);
	for (n = 0; n < 4 * NR; n++) {
		i = get_random_u32() % NR;
		if (lodge_index_has(pages[i])) {
			struct page *page = find(hash_of(i), &stable);

			KUNIT_ASSERT_NOT_NULL(test, page);
			KUNIT_ASSERT_EQ(test, (u64)page_private(page), hash_of(i));
			lodge_index_remove(&x, pages[i]);
			KUNIT_ASSERT_PTR_NE(test, find(hash_of(i), &stable), pages[i]);
		} else {
			add(test, i);
		}
	}
	for (i = 0; i < NR; i++)
		if (lodge_index_has(pages[i]))
			KUNIT_ASSERT_NOT_NULL(test, find(hash_of(i), &stable));
}

/* A shared page is preferred, as long as it has room. */
static void stable_first(struct kunit *test)
{
	struct lodge_stable s = { .page = pages[1], .nr = 1 };
	bool stable;
	int i;

	for (i = 0; i < 3; i++)
		lodge_index_insert(&x, pages[i], 42);
	lodge_index_own(&x, pages[1], &s, true);
	KUNIT_EXPECT_PTR_EQ(test, find(42, &stable), pages[1]);
	KUNIT_EXPECT_TRUE(test, stable);
	s.nr = LODGE_SHARERS_MAX;
	KUNIT_EXPECT_PTR_NE(test, find(42, &stable), pages[1]);
	KUNIT_EXPECT_FALSE(test, stable);
	lodge_index_own(&x, pages[1], NULL, false);
}

static struct kunit_case index_cases[] = {
	KUNIT_CASE(in_and_out),
	KUNIT_CASE(stable_first),
	{}
};

static struct kunit_suite index_suite = {
	.name = "lodge-ksm-index",
	.init = index_test_init,
	.exit = index_test_exit,
	.test_cases = index_cases,
};

kunit_test_suite(index_suite);
