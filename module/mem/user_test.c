// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the user provider and of guest memory access: a VM without
 * hardware over real memory, in the process that loads the module.
 */
#include <linux/mman.h>

#include "mem/fake.h"

#define SIZE		(8ul << 20)
#define NPAGES		(SIZE >> PAGE_SHIFT)
#define BASE_GFN	0x400ull
#define BASE_GPA	(BASE_GFN << PAGE_SHIFT)

static struct mm_struct *test_mm;

static unsigned long map_memory(unsigned long hva, unsigned long prot)
{
	unsigned long ret = vm_mmap(NULL, hva, SIZE, prot, MAP_PRIVATE |
				    MAP_ANONYMOUS | MAP_FIXED, 0);
	struct vm_area_struct *vma;

	/* As madvise(MADV_HUGEPAGE). */
	mmap_write_lock(current->mm);
	vma = find_vma(current->mm, hva);
	if (vma && vma->vm_start <= hva)
		vma->vm_flags |= VM_HUGEPAGE;
	mmap_write_unlock(current->mm);
	return ret;
}

/* Cases run in threads of their own, but the suite begins in the process. */
static int user_suite_init(struct kunit_suite *suite)
{
	test_mm = current->mm;
	if (!test_mm)
		return -EINVAL;
	mmgrab(test_mm);
	return 0;
}

static void user_suite_exit(struct kunit_suite *suite)
{
	if (test_mm)
		mmdrop(test_mm);
}

static int user_test_init(struct kunit *test)
{
	struct world *w;

	kthread_use_mm(test_mm);
	w = world_new(test, test_mm, LODGE_NPT_AMD);
	lodge_caps.npt_1g = false;
	/* Aligned as the frames are, so that huge pages have a chance. */
	w->raw = vm_mmap(NULL, 0, SIZE + PMD_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(w->raw));
	w->hva = ALIGN(w->raw, PMD_SIZE);
	return world_slot(w, 0, 0, BASE_GPA, SIZE, w->hva);
}

static void user_test_exit(struct kunit *test)
{
	struct world *w = test->priv;
	int i;

	vm_munmap(w->raw, SIZE + PMD_SIZE);
	/* Nothing is left of memory that is gone. */
	for (i = 1; i <= 3; i++)
		KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[i]), 0);
	world_free(test);
	kthread_unuse_mm(test_mm);
}

static int fault(struct world *w, gpa_t gpa, u32 flags, bool atomic)
{
	return lodge_npt_fault(&w->vcpu[0], gpa, flags, atomic);
}

/* The leaf is the frame that the process itself sees there. */
static void expect_same(struct kunit *test, gpa_t gpa, bool writable)
{
	struct world *w = test->priv;
	gfn_t gfn = gpa >> PAGE_SHIFT;
	struct page *page;
	int level;
	u64 entry = world_leaf(w, gfn, &level);

	KUNIT_ASSERT_TRUE(test, entry & ENTRY_PRESENT);
	KUNIT_EXPECT_EQ(test, !!(entry & ENTRY_WRITE), writable);
	KUNIT_ASSERT_EQ(test, get_user_pages_fast(w->hva + gpa - BASE_GPA, 1, 0,
						  &page), 1);
	KUNIT_EXPECT_EQ(test, entry_pfn(entry) +
			(gfn & (level_pages(level) - 1)), page_to_pfn(page));
	put_page(page);
}

static void faults(struct kunit *test)
{
	struct world *w = test->priv;
	gpa_t gpa = BASE_GPA + 5 * PAGE_SIZE;

	/* Not there yet: the atomic form says so, the other brings it in. */
	KUNIT_EXPECT_EQ(test, fault(w, gpa, 0, true), LODGE_NPF_RETRY_SLOW);
	KUNIT_EXPECT_EQ(test, fault(w, gpa, 0, false), LODGE_NPF_FIXED);
	/* The zero page, for reading only; then a page of its own. */
	expect_same(test, gpa, false);
	KUNIT_EXPECT_EQ(test, fault(w, gpa, LODGE_NPF_WRITE | LODGE_NPF_PRESENT,
				    false), LODGE_NPF_FIXED);
	expect_same(test, gpa, true);

	/* What is there is found with interrupts off. */
	gpa += PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, put_user(1, (int __user *)(w->hva + gpa - BASE_GPA)),
			0);
	local_irq_disable();
	KUNIT_EXPECT_EQ(test, fault(w, gpa, 0, true), LODGE_NPF_FIXED);
	local_irq_enable();
	expect_same(test, gpa, true);
}

static void large_page(struct kunit *test)
{
	struct world *w = test->priv;
	gpa_t gpa = BASE_GPA + (2ul << 20) + 5 * PAGE_SIZE;
	int level;

	KUNIT_EXPECT_EQ(test, map_memory(w->hva, PROT_READ | PROT_WRITE), w->hva);
	KUNIT_EXPECT_EQ(test, fault(w, gpa, LODGE_NPF_WRITE, false),
			LODGE_NPF_FIXED);
	expect_same(test, gpa, true);
	world_leaf(w, gpa >> PAGE_SHIFT, &level);
	if (level != 2) {
		kunit_mark_skipped(test, "the host had none to give");
		return;
	}
	/* A hole in it: the host splits it, and so does the guest's view. */
	vm_munmap(w->hva + (2ul << 20), PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, fault(w, gpa, LODGE_NPF_WRITE, false),
			LODGE_NPF_FIXED);
	expect_same(test, gpa, true);
	world_leaf(w, gpa >> PAGE_SHIFT, &level);
	KUNIT_EXPECT_EQ(test, level, 1);
	KUNIT_EXPECT_EQ(test, fault(w, gpa - 5 * PAGE_SIZE, 0, false), -EFAULT);
}

static void protection(struct kunit *test)
{
	struct world *w = test->priv;

	vm_munmap(w->hva, SIZE);
	KUNIT_EXPECT_EQ(test, fault(w, BASE_GPA, 0, false), -EFAULT);
	KUNIT_ASSERT_EQ(test, map_memory(w->hva, PROT_READ), w->hva);
	KUNIT_EXPECT_EQ(test, fault(w, BASE_GPA, LODGE_NPF_WRITE, false), -EFAULT);
	KUNIT_EXPECT_EQ(test, fault(w, BASE_GPA, 0, false), LODGE_NPF_FIXED);
	expect_same(test, BASE_GPA, false);
	KUNIT_ASSERT_EQ(test, map_memory(w->hva, PROT_NONE), w->hva);
	KUNIT_EXPECT_EQ(test, fault(w, BASE_GPA, 0, false), -EFAULT);
}

static void access(struct kunit *test)
{
	struct world *w = test->priv;
	struct lodge_vcpu *vcpu = &w->vcpu[0];
	struct lodge_slot *slot = lodge_slot_find(&w->vm, BASE_GFN);
	gpa_t gpa = BASE_GPA + PAGE_SIZE - 3, end = BASE_GPA + SIZE;
	char buf[8] = "abcdefg", back[8] = {};
	u32 old, new;

	slot->dirty = kvcalloc(BITS_TO_LONGS(NPAGES), sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, slot->dirty);
	KUNIT_EXPECT_EQ(test, lodge_guest_read_atomic(vcpu, gpa, back, 8), -EAGAIN);
	KUNIT_EXPECT_EQ(test, lodge_guest_write_atomic(vcpu, gpa, buf, 8), -EAGAIN);
	KUNIT_EXPECT_EQ(test, slot->dirty[0], 0ul);
	KUNIT_EXPECT_EQ(test, lodge_guest_write(vcpu, gpa, buf, 8), 0);
	KUNIT_EXPECT_EQ(test, slot->dirty[0], 3ul);
	local_irq_disable();
	KUNIT_EXPECT_EQ(test, lodge_guest_read_atomic(vcpu, gpa, back, 8), 0);
	local_irq_enable();
	KUNIT_EXPECT_STREQ(test, buf, back);

	/* Over the end of the slot, and where none is. */
	KUNIT_EXPECT_EQ(test, lodge_guest_write(vcpu, end - 4, buf, 8), -EFAULT);
	KUNIT_EXPECT_EQ(test, lodge_guest_read(vcpu, end, back, 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, lodge_guest_read(vcpu, ~0ull, back, 8), -EFAULT);

	gpa = BASE_GPA + 2 * PAGE_SIZE;
	old = 0;
	new = 7;
	KUNIT_EXPECT_EQ(test, lodge_guest_cmpxchg(vcpu, gpa, &old, &new, 4), 0);
	KUNIT_EXPECT_EQ(test, slot->dirty[0], 7ul);
	new = 9;
	KUNIT_EXPECT_EQ(test, lodge_guest_cmpxchg(vcpu, gpa, &old, &new, 4), 1);
	KUNIT_EXPECT_EQ(test, old, 7u);
	KUNIT_EXPECT_EQ(test, lodge_guest_cmpxchg(vcpu, gpa + 1, &old, &new, 4),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, lodge_guest_cmpxchg(vcpu, gpa, &old, &new, 3),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, lodge_guest_cmpxchg(vcpu, end, &old, &new, 4),
			-EFAULT);

	slot->flags |= KVM_MEM_READONLY;
	KUNIT_EXPECT_EQ(test, lodge_guest_read(vcpu, gpa, &old, 4), 0);
	KUNIT_EXPECT_EQ(test, old, 7u);
	KUNIT_EXPECT_EQ(test, lodge_guest_write(vcpu, gpa, &old, 4), -EFAULT);
	KUNIT_EXPECT_EQ(test, lodge_guest_cmpxchg(vcpu, gpa, &old, &new, 4),
			-EFAULT);
}

static unsigned long left;

/* When memory has gone, nothing of it is mapped. */
static void unmap_something(struct world *w, u32 rnd)
{
	gfn_t gfn, start = rnd % NPAGES;
	u64 n = min_t(u64, 1ull << (rnd >> 16 & 7), NPAGES - start);
	unsigned long hva = w->hva + (start << PAGE_SHIFT);

	vm_munmap(hva, n << PAGE_SHIFT);
	for (gfn = start; gfn < start + n; gfn++)
		left += world_mapped(w, BASE_GFN + gfn);
	left += IS_ERR_VALUE(vm_mmap(NULL, hva, n << PAGE_SHIFT,
				     rnd & BIT(30) ? PROT_READ :
				     PROT_READ | PROT_WRITE, MAP_PRIVATE |
				     MAP_ANONYMOUS | MAP_FIXED, 0));
	if (!(rnd >> 24))
		map_memory(w->hva, PROT_READ | PROT_WRITE);
}

static void races(struct kunit *test)
{
	left = 0;
	world_race(test, BASE_GPA, SIZE, -EFAULT, unmap_something);
	KUNIT_EXPECT_EQ(test, left, 0ul);
}

static struct kunit_case user_cases[] = {
	KUNIT_CASE(faults),
	KUNIT_CASE(large_page),
	KUNIT_CASE(protection),
	KUNIT_CASE(access),
	KUNIT_CASE(races),
	{}
};

static struct kunit_suite user_suite = {
	.name = "lodge-user",
	.suite_init = user_suite_init,
	.suite_exit = user_suite_exit,
	.init = user_test_init,
	.exit = user_test_exit,
	.test_cases = user_cases,
};

kunit_test_suite(user_suite);
