// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of objects: the states of a page and the ways between them.
 */
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/shmem_fs.h>

#include "mem/fake.h"
#include "mem/swap.h"

#define PAGES	32

struct pair {
	struct file *file[2];
	struct lodge_object *o[2];
};

static int object_test_init(struct kunit *test)
{
	struct pair *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, p);
	test->priv = p;
	for (i = 0; i < 2; i++) {
		p->file[i] = lodge_object_file(PAGES * PAGE_SIZE, 0, "kunit");
		KUNIT_ASSERT_FALSE(test, IS_ERR(p->file[i]));
		p->o[i] = lodge_object(file_inode(p->file[i]));
		/* Not the scan's, which would come by itself. */
		WRITE_ONCE(p->o[i]->top->mergeable, true);
	}
	KUNIT_ASSERT_PTR_EQ(test, p->o[0]->top->domain, p->o[1]->top->domain);
	return 0;
}

static void object_test_exit(struct kunit *test)
{
	struct pair *p = test->priv;
	int i;

	for (i = 0; i < 2; i++)
		__fput_sync(p->file[i]);
}

static unsigned int state(struct lodge_object *o, pgoff_t index)
{
	return lodge_entry_state(xa_load(&o->top->entries, index));
}

static void fill(struct kunit *test, struct lodge_object *o, pgoff_t index, u8 byte)
{
	struct page *page;

	KUNIT_ASSERT_EQ(test, lodge_object_get(o, index, true, &page), 0);
	memset(page_address(page), byte, PAGE_SIZE);
	lodge_object_put(page);
}

/* All of the page is that byte. */
static bool is(struct lodge_object *o, pgoff_t index, u8 byte)
{
	struct page *page;
	bool ret;

	if (lodge_object_get(o, index, false, &page))
		return false;
	ret = !memchr_inv(page_address(page), byte, PAGE_SIZE);
	lodge_object_put(page);
	return ret;
}

static u64 merge(struct kunit *test, struct lodge_object *o)
{
	u64 merged = 0, skipped = 0;

	KUNIT_EXPECT_EQ(test, lodge_ksm_now(o->top, 0, PAGES, &merged, &skipped), 0);
	return merged;
}

static long nr(struct lodge_object *o, unsigned int state)
{
	return atomic_long_read(&o->top->pages[state]);
}

static void absent(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	struct page *page;

	KUNIT_EXPECT_NULL(test, lodge_object_peek(o, 3));
	KUNIT_EXPECT_NULL(test, xa_load(&o->top->entries, 3));
	/* Seen for reading: there still is nothing. */
	KUNIT_EXPECT_TRUE(test, is(o, 3, 0));
	KUNIT_EXPECT_EQ(test, state(o, 3), LODGE_PAGE_ABSENT);
	KUNIT_EXPECT_PTR_EQ(test, xa_load(&o->top->entries, 3), ENTRY_HOLE);
	KUNIT_EXPECT_NULL(test, lodge_object_peek(o, 3));
	fill(test, o, 3, 5);
	KUNIT_EXPECT_EQ(test, state(o, 3), LODGE_PAGE_PRIVATE);
	KUNIT_EXPECT_TRUE(test, xa_get_mark(&o->top->entries, 3, LODGE_WRITTEN));
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_PRIVATE), 1);
	KUNIT_EXPECT_EQ(test, lodge_object_get(o, PAGES, true, &page), -EFAULT);
	KUNIT_EXPECT_EQ(test, lodge_object_get(o, PAGES, false, &page), -EFAULT);
	lodge_object_drop(o, 0, PAGES);
	KUNIT_EXPECT_NULL(test, xa_load(&o->top->entries, 3));
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_PRIVATE), 0);
	KUNIT_EXPECT_TRUE(test, is(o, 3, 0));
}

static void zero_page(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];

	fill(test, o, 0, 0);
	fill(test, o, 1, 1);
	KUNIT_EXPECT_EQ(test, merge(test, o), 1);
	KUNIT_EXPECT_EQ(test, state(o, 0), LODGE_PAGE_ZERO);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_ZERO), 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&o->top->domain->zeroes), 1);
	KUNIT_EXPECT_TRUE(test, is(o, 0, 0));
	fill(test, o, 0, 7);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_ZERO), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&o->top->broken), 1);
	KUNIT_EXPECT_TRUE(test, is(o, 0, 7));
	KUNIT_EXPECT_FALSE(test, PageDirty(o->top->zero));
	KUNIT_EXPECT_EQ(test, page_count(o->top->zero), 1);
}

static void sharing(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *a = p->o[0], *b = p->o[1];
	struct lodge_sharer *sharer;
	int i;

	for (i = 0; i < 4; i++) {
		fill(test, a, i, 9);
		fill(test, b, i, 9);
	}
	KUNIT_EXPECT_EQ(test, merge(test, a), 3);
	KUNIT_EXPECT_EQ(test, merge(test, b), 4);
	KUNIT_EXPECT_EQ(test, nr(a, LODGE_PAGE_SHARED), 4);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a->top->domain->stables), 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a->top->domain->sharers), 8);
	/* The reverse map leads to each of them. */
	sharer = lodge_sharer(xa_load(&a->top->entries, 0));
	KUNIT_EXPECT_EQ(test, page_count(sharer->stable->page), 1);
	i = 0;
	hlist_for_each_entry(sharer, &sharer->stable->sharers, node) {
		KUNIT_EXPECT_PTR_EQ(test, xa_load(&sharer->layer->entries,
						  sharer->index),
				    lodge_sharer_entry(sharer));
		i++;
	}
	KUNIT_EXPECT_EQ(test, i, 8);
	/* Nothing is marked: there is nothing to look at. */
	KUNIT_EXPECT_FALSE(test, xa_marked(&a->top->entries, LODGE_WRITTEN));

	for (i = 0; i < 4; i++)
		fill(test, a, i, i);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_TRUE(test, is(a, i, i));
		KUNIT_EXPECT_TRUE(test, is(b, i, 9));
	}
	lodge_object_drop(b, 0, 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a->top->domain->sharers), 1);
	/* The last one needs no copy. */
	sharer = lodge_sharer(xa_load(&b->top->entries, 3));
	i = page_to_pfn(sharer->stable->page);
	fill(test, b, 3, 8);
	KUNIT_EXPECT_EQ(test, page_to_pfn((struct page *)xa_load(&b->top->entries, 3)),
			(unsigned long)i);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&a->top->domain->stables), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&b->top->broken), 1);
	/* And can be shared again. */
	fill(test, a, 9, 8);
	KUNIT_EXPECT_EQ(test, merge(test, a) + merge(test, b), 2);
}

/* Which page of two stays is chance: that of 64 all are the first or the second, 2^-63. */
static void either_stays(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *a = p->o[0], *b = p->o[1];
	struct page *first[PAGES], *second[PAGES];
	int i, round, firsts = 0;

	for (round = 0; round < 64 / PAGES; round++) {
		for (i = 0; i < PAGES; i++) {
			fill(test, a, i, i + 1);
			fill(test, b, i, i + 1);
			first[i] = xa_load(&a->top->entries, i);
			second[i] = xa_load(&b->top->entries, i);
		}
		KUNIT_EXPECT_EQ(test, merge(test, a), 0);
		KUNIT_EXPECT_EQ(test, merge(test, b), PAGES);
		for (i = 0; i < PAGES; i++) {
			struct page *stays;

			KUNIT_ASSERT_EQ(test, state(b, i), LODGE_PAGE_SHARED);
			stays = lodge_sharer(xa_load(&b->top->entries, i))->stable->page;
			KUNIT_ASSERT_TRUE(test, stays == first[i] || stays == second[i]);
			firsts += stays == first[i];
			KUNIT_EXPECT_TRUE(test, is(a, i, i + 1) && is(b, i, i + 1));
		}
		lodge_object_drop(a, 0, PAGES);
		lodge_object_drop(b, 0, PAGES);
	}
	KUNIT_EXPECT_GT(test, firsts, 0);
	KUNIT_EXPECT_LT(test, firsts, 64);
}

/* A hint is true as long as nobody writes to the page. */
static void stale_hint(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *a = p->o[0], *b = p->o[1];

	fill(test, a, 0, 1);
	KUNIT_EXPECT_EQ(test, merge(test, a), 0);
	fill(test, a, 0, 2);
	fill(test, b, 0, 1);
	KUNIT_EXPECT_EQ(test, merge(test, b), 0);
	fill(test, b, 1, 1);
	KUNIT_EXPECT_EQ(test, merge(test, b), 1);
	KUNIT_EXPECT_TRUE(test, is(a, 0, 2));
	/* Nor is it, of an object that may no longer be merged. */
	KUNIT_EXPECT_EQ(test, merge(test, a), 0);
	WRITE_ONCE(a->top->mergeable, false);
	fill(test, b, 2, 2);
	KUNIT_EXPECT_EQ(test, merge(test, b), 0);
	KUNIT_EXPECT_EQ(test, state(a, 0), LODGE_PAGE_PRIVATE);
}

static void held(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	struct page *page;

	fill(test, o, 0, 1);
	fill(test, o, 1, 1);
	KUNIT_ASSERT_EQ(test, lodge_object_get(o, 1, true, &page), 0);
	unlock_page(page);
	KUNIT_EXPECT_EQ(test, merge(test, o), 0);
	KUNIT_EXPECT_TRUE(test, xa_get_mark(&o->top->entries, 1, LODGE_WRITTEN));
	/* It goes, and its holder still has it. */
	lodge_object_drop(o, 1, 1);
	KUNIT_EXPECT_EQ(test, page_count(page), 1);
	KUNIT_EXPECT_EQ(test, *(u8 *)page_address(page), 1);
	put_page(page);
}

/* The scan rests with what is written again and again. */
static void backoff(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	struct page *page;
	int i;

	for (i = 0; i < 4; i++) {
		fill(test, o, 0, i + 1);
		merge(test, o);
	}
	page = xa_load(&o->top->entries, 0);
	KUNIT_EXPECT_EQ(test, lodge_page_backoff(page), 7);
	KUNIT_EXPECT_EQ(test, lodge_page_offset(page), 0ul);
	for (i = 0; i < 9; i++) {
		fill(test, o, 0, i + 1);
		merge(test, o);
	}
	KUNIT_EXPECT_EQ(test, lodge_page_backoff(page), LODGE_REST_MAX);
}

/* What is broken soon, again and again, is left alone for longer and longer. */
static void broken_soon(struct kunit *test)
{
	static const u8 rests[] = { 7, 15, 31, 63, 63 };
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	struct lodge_domain *d = o->top->domain;
	int i;

	fill(test, o, 1, 1);
	fill(test, o, 2, 1);
	for (i = 0; i < ARRAY_SIZE(rests); i++) {
		fill(test, o, 0, 1);
		merge(test, o);
		KUNIT_ASSERT_EQ(test, state(o, 0), LODGE_PAGE_SHARED);
		fill(test, o, 0, 2);
		KUNIT_EXPECT_EQ(test, lodge_page_rest(xa_load(&o->top->entries, 0)), rests[i]);
	}
	/* Not if it has lasted. */
	fill(test, o, 0, 1);
	merge(test, o);
	lodge_ksm_count(d, LODGE_KSM_PASSES, LODGE_SOON);
	fill(test, o, 0, 2);
	KUNIT_EXPECT_EQ(test, lodge_page_rest(xa_load(&o->top->entries, 0)),
			LODGE_REST_BROKEN);
}

static void parts(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	int i;

	for (i = 0; i < 4; i++)
		fill(test, o, i, 3);
	merge(test, o);
	/* Shared pages are broken where a part is cleared, absent ones left. */
	KUNIT_EXPECT_EQ(test, vfs_fallocate(p->file[0], FALLOC_FL_PUNCH_HOLE |
					    FALLOC_FL_KEEP_SIZE, 100, PAGE_SIZE * 2), 0);
	KUNIT_EXPECT_EQ(test, state(o, 0), LODGE_PAGE_PRIVATE);
	KUNIT_EXPECT_EQ(test, state(o, 1), LODGE_PAGE_ABSENT);
	KUNIT_EXPECT_EQ(test, state(o, 2), LODGE_PAGE_PRIVATE);
	KUNIT_EXPECT_EQ(test, state(o, 3), LODGE_PAGE_SHARED);
	KUNIT_EXPECT_EQ(test, lodge_object_zero(o, 8 * PAGE_SIZE + 5,
						8 * PAGE_SIZE + 9), 0);
	KUNIT_EXPECT_NULL(test, xa_load(&o->top->entries, 8));
	KUNIT_EXPECT_EQ(test, vfs_truncate(&p->file[0]->f_path, PAGE_SIZE + 1), 0);
	KUNIT_EXPECT_NULL(test, xa_load(&o->top->entries, 3));
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_PRIVATE), 1);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_SHARED), 0);
}

static u64 reclaim(struct kunit *test, struct lodge_object *o, u64 want, bool cold)
{
	struct lodge_reclaim r = {
		.pool = o->top->pool, .only = o->top, .cold = cold, .want = want,
	};
	int ret = lodge_reclaim(&r);

	if (ret == -EOPNOTSUPP)
		kunit_skip(test, "nothing can be compressed");
	KUNIT_EXPECT_EQ(test, ret, 0);
	return r.pages;
}

/* Half of the page, or all, is what can't be made smaller. */
static void fill_random(struct kunit *test, struct lodge_object *o, pgoff_t index,
			size_t n)
{
	struct page *page;

	fill(test, o, index, 0);
	KUNIT_ASSERT_EQ(test, lodge_object_get(o, index, true, &page), 0);
	get_random_bytes(page_address(page), n);
	lodge_object_put(page);
}

static void compressed(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	u8 buf[3] = { };
	loff_t pos = 0;
	int i;

	for (i = 0; i < 8; i++)
		fill(test, o, i, i);
	fill_random(test, o, 8, PAGE_SIZE);
	fill_random(test, o, 9, PAGE_SIZE / 4);
	/* The first look only finds out what is used. */
	KUNIT_EXPECT_EQ(test, reclaim(test, o, PAGES, true), 0);
	KUNIT_EXPECT_TRUE(test, is(o, 7, 7));
	KUNIT_EXPECT_EQ(test, reclaim(test, o, PAGES, true), 8);
	KUNIT_EXPECT_EQ(test, state(o, 0), LODGE_PAGE_ZERO);
	KUNIT_EXPECT_EQ(test, state(o, 1), LODGE_PAGE_COMPRESSED);
	KUNIT_EXPECT_EQ(test, state(o, 7), LODGE_PAGE_PRIVATE);
	KUNIT_EXPECT_EQ(test, state(o, 8), LODGE_PAGE_PRIVATE);
	KUNIT_EXPECT_EQ(test, state(o, 9), LODGE_PAGE_COMPRESSED);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_COMPRESSED), 7);
	KUNIT_EXPECT_GT(test, lodge_pool_bytes(o->top->pool), 0ull);
	/* What doesn't shrink isn't tried again before it is used. */
	KUNIT_EXPECT_EQ(test, reclaim(test, o, PAGES, false), 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&o->top->incompressible), 1);
	/* Nothing for merging to look at. */
	KUNIT_EXPECT_FALSE(test, xa_get_mark(&o->top->entries, 1, LODGE_WRITTEN));
	/* For reading it comes back as for writing, and is looked at again. */
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_TRUE(test, is(o, i, i));
	KUNIT_EXPECT_EQ(test, state(o, 1), LODGE_PAGE_PRIVATE);
	KUNIT_EXPECT_TRUE(test, xa_get_mark(&o->top->entries, 1, LODGE_WRITTEN));
	KUNIT_EXPECT_EQ(test, reclaim(test, o, 2, false), 2);
	KUNIT_EXPECT_EQ(test, kernel_read(p->file[0], buf, 3, &pos), 3);
	pos = PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, kernel_read(p->file[0], buf, 3, &pos), 3);
	KUNIT_EXPECT_EQ(test, buf[2], 1);
	KUNIT_EXPECT_EQ(test, vfs_llseek(p->file[0], 3 * PAGE_SIZE, SEEK_DATA),
			3 * PAGE_SIZE);
	reclaim(test, o, PAGES, false);
	KUNIT_EXPECT_EQ(test, vfs_llseek(p->file[0], 3 * PAGE_SIZE, SEEK_DATA),
			3 * PAGE_SIZE);
	fill(test, o, 2, 9);
	KUNIT_EXPECT_TRUE(test, is(o, 2, 9));
	/* And goes, whole or in part. */
	KUNIT_EXPECT_EQ(test, vfs_fallocate(p->file[0], FALLOC_FL_PUNCH_HOLE |
					    FALLOC_FL_KEEP_SIZE, 0, 4 * PAGE_SIZE + 9), 0);
	KUNIT_EXPECT_EQ(test, state(o, 3), LODGE_PAGE_ABSENT);
	KUNIT_EXPECT_EQ(test, state(o, 4), LODGE_PAGE_PRIVATE);
	KUNIT_EXPECT_EQ(test, ((u8 *)page_address(xa_load(&o->top->entries, 4)))[9], 4);
	lodge_object_drop(o, 0, PAGES);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&o->top->packed), 0);
}

/* A page that was hashed is compressed, and the hint is gone; a shared one stays. */
static void compressed_and_merged(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *a = p->o[0], *b = p->o[1];
	struct page *page;

	fill(test, a, 0, 1);
	fill(test, a, 1, 2);
	fill(test, b, 1, 2);
	fill(test, a, 2, 3);
	KUNIT_EXPECT_EQ(test, merge(test, a) + merge(test, b), 1);
	KUNIT_ASSERT_EQ(test, lodge_object_get(a, 2, true, &page), 0);
	unlock_page(page);
	KUNIT_EXPECT_EQ(test, reclaim(test, a, PAGES, false), 1);
	KUNIT_EXPECT_EQ(test, state(a, 0), LODGE_PAGE_COMPRESSED);
	KUNIT_EXPECT_EQ(test, state(a, 1), LODGE_PAGE_SHARED);
	KUNIT_EXPECT_EQ(test, state(a, 2), LODGE_PAGE_PRIVATE);
	put_page(page);
	/* The shared one, and the one that was written since. */
	KUNIT_EXPECT_EQ(test, a->top->domain->index.nr, 2ul);
	fill(test, b, 0, 1);
	KUNIT_EXPECT_EQ(test, merge(test, b), 0);
	KUNIT_EXPECT_TRUE(test, is(a, 0, 1));
	KUNIT_EXPECT_EQ(test, merge(test, a), 1);
	KUNIT_EXPECT_EQ(test, state(a, 0), LODGE_PAGE_SHARED);
}

/* Whatever a page is, it can be given up; and touched again, as if it never was. */
static void discarded(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	int i;

	for (i = 0; i < 5; i++)
		fill(test, o, i, i);
	fill(test, p->o[1], 1, 1);
	KUNIT_EXPECT_EQ(test, merge(test, o) + merge(test, p->o[1]), 2);
	for (i = 0; i < 5; i++)
		reclaim(test, o, PAGES, true);
	fill(test, o, 5, 5);
	fill(test, o, 6, 6);
	KUNIT_EXPECT_TRUE(test, is(o, 7, 0));
	KUNIT_EXPECT_EQ(test, state(o, 0), LODGE_PAGE_ZERO);
	KUNIT_EXPECT_EQ(test, state(o, 1), LODGE_PAGE_SHARED);
	KUNIT_EXPECT_EQ(test, state(o, 2), lodge_pool_works(o->top->pool) ?
			LODGE_PAGE_COMPRESSED : LODGE_PAGE_PRIVATE);
	lodge_object_discard(o, 0, PAGES - 2);
	for (i = 0; i < PAGES - 1; i++) {
		KUNIT_EXPECT_PTR_EQ(test, xa_load(&o->top->entries, i), ENTRY_DISCARDED);
		KUNIT_EXPECT_FALSE(test, xa_get_mark(&o->top->entries, i, LODGE_WRITTEN));
		KUNIT_EXPECT_FALSE(test, xa_get_mark(&o->top->entries, i, LODGE_PACKED));
	}
	KUNIT_EXPECT_NULL(test, xa_load(&o->top->entries, PAGES - 1));
	for (i = LODGE_PAGE_PRIVATE; i < LODGE_PAGE_DISCARDED; i++)
		KUNIT_EXPECT_EQ(test, nr(o, i), 0);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_DISCARDED), PAGES - 1);
	KUNIT_EXPECT_EQ(test, state(p->o[1], 1), LODGE_PAGE_SHARED);
	KUNIT_EXPECT_EQ(test, vfs_llseek(p->file[0], 0, SEEK_DATA), -ENXIO);
	KUNIT_EXPECT_NULL(test, lodge_object_peek(o, 1));
	KUNIT_EXPECT_NULL(test, lodge_object_try(o, 1, false));
	/* Read, written, given up twice. */
	KUNIT_EXPECT_TRUE(test, is(o, 1, 0));
	KUNIT_EXPECT_PTR_EQ(test, xa_load(&o->top->entries, 1), ENTRY_HOLE);
	fill(test, o, 2, 9);
	KUNIT_EXPECT_TRUE(test, is(o, 2, 9));
	KUNIT_EXPECT_TRUE(test, xa_get_mark(&o->top->entries, 2, LODGE_WRITTEN));
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_DISCARDED), PAGES - 3);
	lodge_object_discard(o, 0, PAGES - 2);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_DISCARDED), PAGES - 1);
	KUNIT_EXPECT_TRUE(test, is(o, 2, 0));
	lodge_object_drop(o, 0, PAGES);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_DISCARDED), 0);
	KUNIT_EXPECT_TRUE(test, xa_empty(&o->top->entries));
}

/* What was written since it is watched stays. */
static void watched(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	struct page *page, *held;
	int i;

	for (i = 0; i < 12; i++)
		fill(test, o, i, i + 1);
	fill(test, p->o[1], 0, 1);
	fill(test, p->o[1], 1, 2);
	KUNIT_EXPECT_EQ(test, merge(test, o) + merge(test, p->o[1]), 2);
	KUNIT_EXPECT_EQ(test, state(o, 1), LODGE_PAGE_SHARED);
	KUNIT_ASSERT_EQ(test, lodge_object_get(o, 5, true, &held), 0);
	unlock_page(held);
	/* Nothing is known before that. */
	lodge_object_discard_still(o, 0, PAGES - 1);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_DISCARDED), 0);
	lodge_object_watch(o, 0, 10);
	lodge_object_watch(o, 0, 10);
	put_page(held);
	fill(test, o, 1, 99);
	fill(test, o, 2, 99);
	/* Hashed and clean again, but written. */
	merge(test, o);
	/* Read, which changes nothing. */
	KUNIT_EXPECT_TRUE(test, is(o, 3, 4));
	KUNIT_ASSERT_EQ(test, lodge_object_get(o, 4, false, &page), 0);
	lodge_object_put(page);
	fill(test, o, 20, 21);
	/* Gone and back again. */
	lodge_object_drop(o, 6, 6);
	fill(test, o, 6, 99);
	lodge_object_discard_still(o, 0, PAGES - 1);
	for (i = 0; i < 12; i++) {
		/* Shared, written, held, new, not watched. */
		bool stays = i <= 2 || i == 5 || i == 6 || i == 11;

		KUNIT_EXPECT_EQ_MSG(test, state(o, i) == LODGE_PAGE_DISCARDED, !stays,
				    "page %d", i);
	}
	KUNIT_EXPECT_TRUE(test, is(o, 1, 99) && is(o, 2, 99) && is(o, 6, 99));
	KUNIT_EXPECT_TRUE(test, is(o, 5, 6) && is(o, 7, 0));
	KUNIT_EXPECT_TRUE(test, is(o, 11, 12) && is(o, 20, 21));
	KUNIT_EXPECT_TRUE(test, is(p->o[1], 0, 1));
	lodge_object_discard_still(o, 0, PAGES - 1);
	KUNIT_EXPECT_TRUE(test, is(o, 2, 99));
}

/* To a file that is memory; @pages in it at most. */
static struct file *swap_begin(struct kunit *test, unsigned int pages)
{
	struct file *file = shmem_file_setup("lodge-swap", pages * PAGE_SIZE, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	KUNIT_ASSERT_EQ(test, lodge_swap_start(file), 0);
	KUNIT_EXPECT_EQ(test, lodge_swap_start(file), -EBUSY);
	return file;
}

static void swapped(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	struct lodge_reclaim r = {
		.pool = o->top->pool, .only = o->top, .swap = true, .want = U64_MAX,
	};
	struct file *file;
	struct page *page;
	int i;

	KUNIT_EXPECT_EQ(test, lodge_reclaim(&r), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, lodge_swap_stop(), -ENOENT);
	file = swap_begin(test, PAGES);
	for (i = 0; i < PAGES; i++)
		fill(test, o, i, i + 1);
	KUNIT_EXPECT_EQ(test, lodge_reclaim(&r), 0);
	KUNIT_EXPECT_EQ(test, r.pages, (u64)PAGES);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_SWAPPED), PAGES);
	KUNIT_EXPECT_EQ(test, lodge_swap_stop(), -EBUSY);
	/* It comes back with those beside it. */
	KUNIT_EXPECT_TRUE(test, is(o, 10, 11));
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_PRIVATE), LODGE_SWAP_AROUND);
	KUNIT_EXPECT_EQ(test, state(o, 7), LODGE_PAGE_SWAPPED);
	KUNIT_EXPECT_EQ(test, state(o, 8), LODGE_PAGE_PRIVATE);
	for (i = 8; i < 16; i++)
		KUNIT_EXPECT_TRUE(test, is(o, i, i + 1));
	lodge_object_drop(o, 0, 7);
	fill(test, o, 16, 99);
	KUNIT_EXPECT_TRUE(test, is(o, 16, 99));
	KUNIT_EXPECT_TRUE(test, is(o, 23, 24));
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_SWAPPED), 8);
	/* What can't be read stays where it is. */
	KUNIT_EXPECT_EQ(test, vfs_truncate(&file->f_path, 0), 0);
	KUNIT_EXPECT_EQ(test, lodge_object_get(o, 24, false, &page), -EIO);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_SWAPPED), 8);
	lodge_object_drop(o, 0, PAGES);
	KUNIT_EXPECT_EQ(test, lodge_swap_stop(), 0);
	fput(file);
}

/* A pool that takes too much goes on to the file, as does what doesn't shrink. */
static void spilled(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	struct file *file;
	int i;

	if (!lodge_pool_works(o->top->pool))
		kunit_skip(test, "nothing can be compressed");
	file = swap_begin(test, PAGES);
	for (i = 0; i < PAGES / 2; i++)
		fill(test, o, i, i + 1);
	fill_random(test, o, PAGES / 2, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, reclaim(test, o, PAGES / 2 + 1, false), PAGES / 2 + 1);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_COMPRESSED), PAGES / 2);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_SWAPPED), 1);
	/* Everything is in the pool: more than a quarter. */
	reclaim(test, o, PAGES, false);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_COMPRESSED), 0);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_SWAPPED), PAGES / 2 + 1);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&o->top->packed), 0);
	for (i = 0; i < PAGES / 2; i++)
		KUNIT_EXPECT_TRUE(test, is(o, i, i + 1));
	lodge_object_drop(o, 0, PAGES);
	KUNIT_EXPECT_EQ(test, lodge_swap_stop(), 0);
	fput(file);
}

/* The pool has lost it: an error, and never other contents. */
static void lost(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0];
	struct page *page;
	loff_t pos = 0;
	u8 byte;

	KUNIT_EXPECT_NULL(test, xa_store(&o->top->entries, 0, ENTRY_LOST, GFP_KERNEL));
	atomic_long_inc(&o->top->pages[LODGE_PAGE_COMPRESSED]);
	KUNIT_EXPECT_EQ(test, lodge_object_get(o, 0, true, &page), -EIO);
	KUNIT_EXPECT_EQ(test, lodge_object_get(o, 0, false, &page), -EIO);
	KUNIT_EXPECT_EQ(test, kernel_read(p->file[0], &byte, 1, &pos), -EIO);
	KUNIT_EXPECT_EQ(test, kernel_write(p->file[0], &byte, 1, &pos), -EIO);
	KUNIT_EXPECT_EQ(test, vfs_fallocate(p->file[0], FALLOC_FL_PUNCH_HOLE |
					    FALLOC_FL_KEEP_SIZE, 0, 100), -EIO);
	lodge_object_drop(o, 0, 0);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_COMPRESSED), 0);
	KUNIT_EXPECT_TRUE(test, is(o, 0, 0));
}

/* Whether all of it can be mapped at once. */
static bool whole(struct lodge_object *o, pgoff_t index)
{
	struct page *page;
	bool ret;

	if (lodge_object_get(o, index, true, &page))
		return false;
	ret = lodge_block_may(o, index, page) && lodge_block_lock(page);
	if (ret)
		lodge_block_unlock(page);
	lodge_object_put(page);
	return ret;
}

static void block(struct kunit *test)
{
	struct file *file = lodge_object_file(2 * PMD_SIZE + PAGE_SIZE, 0, "kunit");
	struct lodge_object *o = lodge_object(file_inode(file));
	pgoff_t base = LODGE_BLOCK_PAGES;
	struct page *page, *other;
	u64 merged = 0, skipped = 0;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	WRITE_ONCE(o->top->mergeable, true);
	/* What was read only is nothing, too. */
	KUNIT_EXPECT_TRUE(test, is(o, base + 3, 0));
	fill(test, o, base + 5, 5);
	if (nr(o, LODGE_PAGE_PRIVATE) == 1) {
		fput(file);
		kunit_skip(test, "no 2M in one piece");
	}
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_PRIVATE), 512);
	KUNIT_EXPECT_EQ(test, state(o, base - 1), LODGE_PAGE_ABSENT);
	KUNIT_EXPECT_TRUE(test, is(o, base + 5, 5) && is(o, base + 3, 0));
	KUNIT_EXPECT_TRUE(test, whole(o, base + 5) && whole(o, base) && whole(o, base + 511));
	/* Where one page is busy, not now, but later. */
	KUNIT_ASSERT_EQ(test, lodge_object_get(o, base + 7, true, &page), 0);
	KUNIT_ASSERT_EQ(test, lodge_object_get(o, base + 9, true, &other), 0);
	KUNIT_EXPECT_FALSE(test, lodge_block_lock(page));
	lodge_object_put(other);
	KUNIT_EXPECT_TRUE(test, lodge_block_lock(page));
	KUNIT_EXPECT_FALSE(test, trylock_page(other));
	lodge_block_unlock(page);
	lodge_object_put(page);
	/* Each page is one like others. */
	KUNIT_EXPECT_EQ(test, lodge_ksm_now(o->top, base + 8, 2, &merged, &skipped), 0);
	KUNIT_EXPECT_EQ(test, merged, 2);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_ZERO), 2);
	KUNIT_EXPECT_FALSE(test, whole(o, base + 5));
	fill(test, o, base + 8, 8);
	KUNIT_EXPECT_FALSE(test, whole(o, base + 8));
	KUNIT_EXPECT_TRUE(test, is(o, base + 5, 5) && is(o, base + 8, 8) && is(o, base + 9, 0));
	lodge_object_drop(o, base, base + 255);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_PRIVATE), 256);
	/* What isn't empty gets no block, nor does what ends too early. */
	fill(test, o, base + 1, 1);
	fill(test, o, 2 * base, 1);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_PRIVATE), 258);
	lodge_object_drop(o, base, 2 * base);
	/* What is given up stays so. */
	lodge_object_discard(o, base, base + 511);
	fill(test, o, base + 1, 1);
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_DISCARDED), 511);
	lodge_object_drop(o, base, 2 * base);
	fill(test, o, base + 1, 1);
	KUNIT_EXPECT_TRUE(test, whole(o, base));
	__fput_sync(file);
}

/* A file that is what @o is now. */
static struct file *fork_of(struct kunit *test, struct lodge_object *o)
{
	struct file *file = lodge_object_file(0, 0, "kunit");
	struct lodge_object *child;
	struct lodge_layer *l;

	KUNIT_ASSERT_FALSE(test, IS_ERR(file));
	child = lodge_object(file_inode(file));
	/* As in object_test_init(). */
	for (l = o->top; l; l = l->parent)
		WRITE_ONCE(l->mergeable, false);
	inode_lock(&o->inode);
	KUNIT_EXPECT_EQ(test, lodge_object_fork(o, child), 0);
	inode_unlock(&o->inode);
	WRITE_ONCE(child->top->mergeable, true);
	for (l = o->top; l; l = l->parent)
		WRITE_ONCE(l->mergeable, true);
	return file;
}

static int depth(struct lodge_object *o)
{
	struct lodge_layer *l;
	int n = 0;

	for (l = o->top; l; l = l->parent)
		n++;
	return n;
}

static unsigned int state_of(struct lodge_object *o, pgoff_t index)
{
	return lodge_entry_state(lodge_object_entry(o, index));
}

/* What each writes after it is its own; what it doesn't stays the same page. */
static void forked(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0], *c;
	struct page *page, *same;
	struct file *file;
	int i;

	for (i = 0; i < 8; i++)
		fill(test, o, i, i + 1);
	KUNIT_EXPECT_TRUE(test, is(o, 9, 0));
	file = fork_of(test, o);
	c = lodge_object(file_inode(file));
	KUNIT_EXPECT_EQ(test, i_size_read(&c->inode), PAGES * PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, xa_empty(&o->top->entries) && xa_empty(&c->top->entries));
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_TRUE(test, is(o, i, i + 1) && is(c, i, i + 1));
	KUNIT_ASSERT_EQ(test, lodge_object_get(o, 3, false, &page), 0);
	lodge_object_put(page);
	KUNIT_ASSERT_EQ(test, lodge_object_get(c, 3, false, &same), 0);
	lodge_object_put(same);
	KUNIT_EXPECT_PTR_EQ(test, page, same);
	/* Over a page, a hole that was seen, nothing. */
	fill(test, o, 1, 101);
	fill(test, c, 2, 102);
	fill(test, o, 9, 109);
	fill(test, c, 10, 110);
	KUNIT_EXPECT_TRUE(test, is(o, 1, 101) && is(c, 1, 2));
	KUNIT_EXPECT_TRUE(test, is(o, 2, 3) && is(c, 2, 102));
	KUNIT_EXPECT_TRUE(test, is(o, 9, 109) && is(c, 9, 0));
	KUNIT_EXPECT_TRUE(test, is(o, 10, 0) && is(c, 10, 110));
	KUNIT_EXPECT_EQ(test, nr(o, LODGE_PAGE_PRIVATE), 2);
	KUNIT_EXPECT_EQ(test, nr(c, LODGE_PAGE_PRIVATE), 2);
	/* No block where anything shows from below. */
	KUNIT_EXPECT_FALSE(test, lodge_block_may(o, 1, page));
	__fput_sync(file);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_TRUE(test, is(o, i, i == 1 ? 101 : i + 1));
}

/* What is cut off or given up shows nothing from below, then or later. */
static void fork_cut(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0], *c;
	struct file *file;
	int i;

	for (i = 0; i < 8; i++)
		fill(test, o, i, i + 1);
	file = fork_of(test, o);
	c = lodge_object(file_inode(file));
	KUNIT_EXPECT_TRUE(test, is(c, 0, 1));
	fill(test, c, 1, 101);
	lodge_object_drop(c, 0, 1);
	inode_lock(&c->inode);
	lodge_object_discard(c, 2, 20);
	inode_unlock(&c->inode);
	for (i = 0; i < 8; i++) {
		KUNIT_EXPECT_TRUE(test, is(o, i, i + 1));
		KUNIT_EXPECT_EQ(test, state_of(c, i), i < 2 ? LODGE_PAGE_ABSENT :
							      LODGE_PAGE_DISCARDED);
		KUNIT_EXPECT_NULL(test, lodge_object_peek(c, i));
	}
	KUNIT_EXPECT_EQ(test, nr(c, LODGE_PAGE_DISCARDED), 19);
	KUNIT_EXPECT_EQ(test, vfs_llseek(file, 0, SEEK_DATA), -ENXIO);
	fill(test, c, 3, 103);
	KUNIT_EXPECT_EQ(test, vfs_llseek(file, 0, SEEK_DATA), 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, vfs_llseek(file, 3 * PAGE_SIZE, SEEK_HOLE), 4 * PAGE_SIZE);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_TRUE(test, is(c, i, i == 3 ? 103 : 0));
	/* Shorter, and as long as before. */
	KUNIT_EXPECT_EQ(test, vfs_truncate(&p->file[0]->f_path, PAGE_SIZE + 9), 0);
	KUNIT_EXPECT_EQ(test, vfs_truncate(&p->file[0]->f_path, PAGES * PAGE_SIZE), 0);
	KUNIT_EXPECT_TRUE(test, is(o, 0, 1) && is(o, 3, 0) && is(o, 7, 0));
	KUNIT_EXPECT_FALSE(test, is(o, 1, 0));
	KUNIT_EXPECT_EQ(test, vfs_llseek(p->file[0], 2 * PAGE_SIZE, SEEK_DATA), -ENXIO);
	__fput_sync(file);
	/* As it is when both are one again. */
	file = fork_of(test, o);
	c = lodge_object(file_inode(file));
	KUNIT_EXPECT_EQ(test, depth(o), 2);
	KUNIT_EXPECT_TRUE(test, is(c, 0, 1) && is(c, 3, 0) && is(o, 7, 0));
	__fput_sync(file);
}

/* Below, pages are merged, compressed and swapped as elsewhere, and come back for all. */
static void fork_states(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0], *c;
	struct lodge_layer *below;
	struct lodge_reclaim r = { .swap = true, .want = U64_MAX };
	u64 merged = 0, skipped = 0;
	struct file *file, *swap;
	int i;

	for (i = 0; i < 16; i++)
		fill(test, o, i, i / 2);
	file = fork_of(test, o);
	c = lodge_object(file_inode(file));
	for (i = 0; i < 16; i++)
		KUNIT_EXPECT_TRUE(test, is(o, i, i / 2) && is(c, i, i / 2));
	below = o->top->parent;
	KUNIT_EXPECT_EQ(test, lodge_ksm_now(below, 0, 8, &merged, &skipped), 0);
	KUNIT_EXPECT_EQ(test, merged, 5);
	KUNIT_EXPECT_EQ(test, state_of(c, 0), LODGE_PAGE_ZERO);
	KUNIT_EXPECT_EQ(test, state_of(c, 2), LODGE_PAGE_SHARED);
	fill(test, c, 0, 100);
	fill(test, c, 2, 102);
	KUNIT_EXPECT_TRUE(test, is(o, 0, 0) && is(o, 2, 1) && is(c, 0, 100) && is(c, 2, 102));
	/* With a page that somebody else has, too, and the one that may be kept. */
	fill(test, p->o[1], 0, 1);
	KUNIT_EXPECT_EQ(test, merge(test, p->o[1]), 1);
	fill(test, o, 3, 103);
	KUNIT_EXPECT_TRUE(test, is(c, 3, 1) && is(p->o[1], 0, 1));
	swap = swap_begin(test, PAGES);
	r.pool = below->pool;
	r.only = below;
	KUNIT_EXPECT_EQ(test, lodge_reclaim(&r), 0);
	KUNIT_EXPECT_GE(test, r.pages, 8ull);
	KUNIT_EXPECT_EQ(test, state_of(o, 9), LODGE_PAGE_SWAPPED);
	KUNIT_EXPECT_TRUE(test, lodge_object_slow(c, 9));
	fill(test, o, 9, 109);
	KUNIT_EXPECT_TRUE(test, is(c, 9, 4) && is(o, 9, 109) && is(o, 10, 5));
	KUNIT_EXPECT_EQ(test, lodge_reclaim(&r), 0);
	/* What is away goes with what it is in; the rest is one object's. */
	__fput_sync(file);
	file = fork_of(test, o);
	c = lodge_object(file_inode(file));
	KUNIT_EXPECT_EQ(test, depth(o), 2);
	for (i = 0; i < 16; i++)
		KUNIT_EXPECT_TRUE(test, is(c, i, i == 3 ? 103 : i == 9 ? 109 : i / 2));
	KUNIT_EXPECT_EQ(test, vfs_truncate(&file->f_path, 0), 0);
	__fput_sync(file);
	for (i = 0; i < 16; i++)
		KUNIT_EXPECT_TRUE(test, is(o, i, i == 3 ? 103 : i == 9 ? 109 : i / 2));
	lodge_object_drop(o, 0, PAGES);
	r.only = o->top->parent;
	/* Hidden, but there: it goes with the next fork. */
	__fput_sync(fork_of(test, o));
	KUNIT_EXPECT_EQ(test, lodge_swap_stop(), 0);
	fput(swap);
}

/* Who holds a page when it is forked writes to that of the one it got it from. */
static void fork_held(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0], *c;
	struct page *page;
	struct file *file;

	fill(test, o, 0, 1);
	fill(test, o, 1, 1);
	KUNIT_ASSERT_EQ(test, lodge_object_get(o, 0, true, &page), 0);
	unlock_page(page);
	file = fork_of(test, o);
	c = lodge_object(file_inode(file));
	memset(page_address(page), 2, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, is(o, 0, 2) && is(c, 0, 1));
	KUNIT_EXPECT_PTR_EQ(test, xa_load(&o->top->entries, 0), (void *)page);
	fill(test, o, 0, 3);
	KUNIT_EXPECT_EQ(test, *(u8 *)page_address(page), 3);
	KUNIT_EXPECT_TRUE(test, is(c, 0, 1) && is(o, 1, 1) && is(c, 1, 1));
	put_page(page);
	/* Those that are left are like others. */
	fill(test, o, 2, 1);
	KUNIT_EXPECT_EQ(test, merge(test, c) + merge(test, o), 1);
	__fput_sync(file);
}

/* Children that come and go leave no layers; forks of forks do, and end somewhere. */
static void fork_depth(struct kunit *test)
{
	struct pair *p = test->priv;
	struct lodge_object *o = p->o[0], *last = o;
	struct file *file[40], *one;
	int i, n = 0, ret = 0;

	for (i = 0; i < 100; i++) {
		fill(test, o, i % 8, i);
		reclaim(test, o, i % 3, false);
		if (i % 5 == 0)
			merge(test, o);
		__fput_sync(fork_of(test, o));
		KUNIT_EXPECT_EQ(test, depth(o), 2);
	}
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_TRUE(test, is(o, i, i < 4 ? 96 + i : 88 + i));
	while (n < ARRAY_SIZE(file)) {
		file[n] = lodge_object_file(0, 0, "kunit");
		KUNIT_ASSERT_FALSE(test, IS_ERR(file[n]));
		inode_lock(&last->inode);
		ret = lodge_object_fork(last, lodge_object(file_inode(file[n])));
		inode_unlock(&last->inode);
		if (ret)
			break;
		last = lodge_object(file_inode(file[n++]));
		fill(test, last, n % PAGES, n);
	}
	KUNIT_EXPECT_EQ(test, ret, -EMLINK);
	fput(file[n]);
	KUNIT_EXPECT_EQ(test, depth(last), n + 1);
	for (i = 8; i < n && i < PAGES; i++)
		KUNIT_EXPECT_TRUE(test, is(last, i, i));
	/* From the middle on they are one object's, in any order. */
	one = file[n / 2];
	for (i = 0; i < n; i++)
		if (file[i] != one)
			__fput_sync(file[i]);
	last = lodge_object(file_inode(one));
	__fput_sync(fork_of(test, last));
	KUNIT_EXPECT_EQ(test, depth(last), 3);
	for (i = 8; i < n / 2 && i < PAGES; i++)
		KUNIT_EXPECT_TRUE(test, is(last, i, i));
	__fput_sync(one);
	KUNIT_EXPECT_TRUE(test, is(o, 0, 96));
}

static struct kunit_case object_cases[] = {
	KUNIT_CASE(absent),
	KUNIT_CASE(zero_page),
	KUNIT_CASE(sharing),
	KUNIT_CASE(either_stays),
	KUNIT_CASE(stale_hint),
	KUNIT_CASE(held),
	KUNIT_CASE(backoff),
	KUNIT_CASE(broken_soon),
	KUNIT_CASE(parts),
	KUNIT_CASE(compressed),
	KUNIT_CASE(compressed_and_merged),
	KUNIT_CASE(discarded),
	KUNIT_CASE(watched),
	KUNIT_CASE(swapped),
	KUNIT_CASE(spilled),
	KUNIT_CASE(lost),
	KUNIT_CASE(block),
	KUNIT_CASE(forked),
	KUNIT_CASE(fork_cut),
	KUNIT_CASE(fork_states),
	KUNIT_CASE(fork_held),
	KUNIT_CASE(fork_depth),
	{}
};

static int users_before;

static int object_suite_init(struct kunit_suite *suite)
{
	users_before = module_refcount(THIS_MODULE);
	return objects_up();
}

static void object_suite_exit(struct kunit_suite *suite)
{
	objects_down(users_before);
}

static struct kunit_suite object_suite = {
	.name = "lodge-object",
	.suite_init = object_suite_init,
	.suite_exit = object_suite_exit,
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = object_cases,
};

kunit_test_suite(object_suite);
