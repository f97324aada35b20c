// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of sampling: a VM without hardware, whose frames are numbers. */
#include "mem/fake.h"

#define BASE_GFN	0x1000ull
#define BASE_HVA	0x700000000000ul
#define NPAGES		0x2000ull

static u8 level;

static int number_get(struct lodge_slot *slot, unsigned long hva, bool write,
		      bool atomic, struct lodge_page *page)
{
	*page = (struct lodge_page) {
		.pfn = (hva - BASE_HVA + (8ul << 30)) >> PAGE_SHIFT,
		.level = level,
		.writable = true,
	};
	return 0;
}

static void number_touched(kvm_pfn_t pfn, bool accessed, bool dirty)
{
}

static const struct lodge_provider number_provider = {
	.name = "number",
	.get = number_get,
	.touched = number_touched,
};

static int init(struct kunit *test, enum lodge_npt_kind kind)
{
	struct world *w = world_new(test, NULL, kind);

	w->vm.mem.provider = &number_provider;
	level = 1;
	/* Two slots, with a hole between them. */
	KUNIT_ASSERT_EQ(test, world_slot(w, 0, 0, BASE_GFN << PAGE_SHIFT,
					 NPAGES << PAGE_SHIFT, BASE_HVA), 0);
	KUNIT_ASSERT_EQ(test, world_slot(w, 1, 0, BASE_GFN << (PAGE_SHIFT + 4),
					 NPAGES << PAGE_SHIFT,
					 BASE_HVA + (1ul << 30)), 0);
	return 0;
}

static int init_npt(struct kunit *test)
{
	return init(test, LODGE_NPT_AMD);
}

static int init_ept(struct kunit *test)
{
	return init(test, LODGE_NPT_EPT);
}

static int init_ept_no_ad(struct kunit *test)
{
	return init(test, LODGE_NPT_EPT_NO_AD);
}

/* As a vCPU would: a fault, or the CPU sets the bit. */
static void touch(struct kunit *test, gfn_t gfn)
{
	struct world *w = test->priv;
	const struct lodge_npt_format *fmt =
		&lodge_npt_formats[w->vm.npt.root->role.format];
	int l;
	u64 *ptep = world_entry(w, gfn, &l);

	if (*ptep & ENTRY_PRESENT)
		*ptep |= fmt->accessed;
	else
		KUNIT_EXPECT_EQ(test, lodge_npt_fault(&w->vcpu[0],
				gfn << PAGE_SHIFT, LODGE_NPF_WRITE, false),
				LODGE_NPF_FIXED);
}

static void touch_all(struct kunit *test, gfn_t base, u64 step)
{
	u64 i;

	for (i = 0; i < NPAGES; i += step)
		touch(test, base + i);
}

static void counts(struct kunit *test)
{
	struct lodge_sample *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct world *w = test->priv;
	u32 n, i;

	KUNIT_ASSERT_NOT_NULL(test, s);
	KUNIT_EXPECT_EQ(test, lodge_sample_end(&w->vm, s), 0u);
	lodge_sample_begin(&w->vm, s);
	KUNIT_EXPECT_EQ(test, s->nr, (u32)LODGE_SAMPLES);
	KUNIT_EXPECT_EQ(test, s->pages, 2 * NPAGES);
	for (i = 0; i < s->nr; i++)
		KUNIT_EXPECT_NOT_NULL(test, lodge_slot_find(&w->vm, s->gfn[i]));
	KUNIT_EXPECT_EQ(test, lodge_sample_end(&w->vm, s), 0u);
	/* One of the slots, the first time by faults. */
	touch_all(test, BASE_GFN, 1);
	KUNIT_EXPECT_EQ(test, lodge_sample_end(&w->vm, s), s->nr / 2);
	lodge_sample_begin(&w->vm, s);
	KUNIT_EXPECT_EQ(test, lodge_sample_end(&w->vm, s), 0u);
	touch_all(test, BASE_GFN, 1);
	KUNIT_EXPECT_EQ(test, lodge_sample_end(&w->vm, s), s->nr / 2);
	/* Every second page of it. */
	lodge_sample_begin(&w->vm, s);
	touch_all(test, BASE_GFN, 2);
	n = lodge_sample_end(&w->vm, s);
	KUNIT_EXPECT_GT(test, n, 8u);
	KUNIT_EXPECT_LT(test, n, 56u);
	/* Both. */
	lodge_sample_begin(&w->vm, s);
	touch_all(test, BASE_GFN, 1);
	touch_all(test, BASE_GFN << 4, 1);
	KUNIT_EXPECT_EQ(test, lodge_sample_end(&w->vm, s), s->nr);
}

static void huge(struct kunit *test)
{
	struct lodge_sample *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct world *w = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, s);
	level = 2;
	touch_all(test, BASE_GFN, 512);
	lodge_sample_begin(&w->vm, s);
	KUNIT_EXPECT_EQ(test, lodge_sample_end(&w->vm, s), 0u);
	touch_all(test, BASE_GFN, 512);
	KUNIT_EXPECT_EQ(test, lodge_sample_end(&w->vm, s), s->nr / 2);
}

static void no_memory(struct kunit *test)
{
	struct lodge_sample *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	struct world *w = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, s);
	lodge_sample_begin(&w->vm, s);
	KUNIT_EXPECT_EQ(test, world_slot(w, 0, 0, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, world_slot(w, 1, 0, 0, 0, 0), 0);
	/* Frames without a slot: not touched. */
	KUNIT_EXPECT_EQ(test, lodge_sample_end(&w->vm, s), 0u);
	lodge_sample_begin(&w->vm, s);
	KUNIT_EXPECT_EQ(test, s->nr, 0u);
	/* Too little to choose from. */
	KUNIT_EXPECT_EQ(test, world_slot(w, 0, 0, 0, 16 << PAGE_SHIFT, BASE_HVA), 0);
	lodge_sample_begin(&w->vm, s);
	KUNIT_EXPECT_EQ(test, s->nr, 0u);
}

/* KUnit writes the results into the cases: each suite has its own. */
#define CASES \
	KUNIT_CASE(counts), \
	KUNIT_CASE(huge), \
	KUNIT_CASE(no_memory), \
	{}

static struct kunit_case npt_cases[] = { CASES };
static struct kunit_case ept_cases[] = { CASES };
static struct kunit_case ept_no_ad_cases[] = { CASES };

static struct kunit_suite npt_suite = {
	.name = "lodge-balloon-npt",
	.init = init_npt,
	.exit = world_free,
	.test_cases = npt_cases,
};

static struct kunit_suite ept_suite = {
	.name = "lodge-balloon-ept",
	.init = init_ept,
	.exit = world_free,
	.test_cases = ept_cases,
};

static struct kunit_suite ept_no_ad_suite = {
	.name = "lodge-balloon-ept-no-ad",
	.init = init_ept_no_ad,
	.exit = world_free,
	.test_cases = ept_no_ad_cases,
};

kunit_test_suites(&npt_suite, &ept_suite, &ept_no_ad_suite);
