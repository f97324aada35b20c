// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the nested page tables: a VM without hardware, whose memory a
 * faked provider serves. Its frames are numbers that nobody dereferences.
 */
#include "mem/fake.h"

#include <asm/vmx.h>

#define BASE_GFN	0x40000ull		/* 1G */
#define BASE_HVA	0x700040000000ul
#define NPAGES		(3ull << 18)		/* 3G */

/* What the provider says, and what it is told. */
static struct {
	u8 level;
	bool writable;
	int ret;
	bool invalidate;	/* an invalidation comes and goes in get() */
	struct lodge_vm *vm;
	struct page *ram;	/* the frame, whatever the address */
	atomic_t gets, touched, accessed, dirty;
} fake;

static kvm_pfn_t frame(unsigned long hva)
{
	return (hva - BASE_HVA + (8ul << 30)) >> PAGE_SHIFT;
}

static int fake_get(struct lodge_slot *slot, unsigned long hva, bool write,
		    bool atomic, struct lodge_page *page)
{
	atomic_inc(&fake.gets);
	if (fake.ret)
		return fake.ret;
	if (write && !fake.writable)
		return -EFAULT;
	if (fake.invalidate) {
		fake.vm->mem.inv_seq++;
		fake.invalidate = false;
	}
	page->pfn = fake.ram ? page_to_pfn(fake.ram) : frame(hva);
	page->level = fake.level;
	page->writable = fake.writable;
	page->page = NULL;
	return 0;
}

static void fake_touched(kvm_pfn_t pfn, bool accessed, bool dirty)
{
	atomic_inc(&fake.touched);
	if (accessed)
		atomic_inc(&fake.accessed);
	if (dirty)
		atomic_inc(&fake.dirty);
}

static const struct lodge_provider fake_provider = {
	.name = "fake",
	.get = fake_get,
	.touched = fake_touched,
};

static int set_slot(struct world *w, u32 slot, u32 flags, gfn_t gfn, u64 npages,
		    unsigned long hva)
{
	return world_slot(w, slot, flags, gfn << PAGE_SHIFT,
			  npages << PAGE_SHIFT, hva);
}

/* A slot is made, changed or (npages 0) deleted. */
static void remake(struct kunit *test, u32 id, u32 flags, gfn_t gfn, u64 npages,
		   unsigned long hva)
{
	KUNIT_ASSERT_EQ(test, set_slot(test->priv, id, flags, gfn, npages, hva),
			0);
}

static int fault(struct world *w, gfn_t gfn, u32 flags)
{
	return lodge_npt_fault(&w->vcpu[0], gfn << PAGE_SHIFT, flags, false);
}

/* The same, and it is expected to be served. */
static void fix(struct kunit *test, gfn_t gfn, u32 flags)
{
	KUNIT_EXPECT_EQ(test, fault(test->priv, gfn, flags), LODGE_NPF_FIXED);
}

static void expect_leaf(struct kunit *test, gfn_t gfn, int level, bool writable)
{
	struct world *w = test->priv;
	int at;
	u64 entry = world_leaf(w, gfn, &at);
	kvm_pfn_t pfn = frame(BASE_HVA + ((gfn - BASE_GFN) << PAGE_SHIFT));

	KUNIT_ASSERT_TRUE(test, entry & ENTRY_PRESENT);
	KUNIT_EXPECT_EQ(test, at, level);
	KUNIT_EXPECT_EQ(test, !!(entry & ENTRY_WRITE), writable);
	KUNIT_EXPECT_EQ(test, entry_pfn(entry),
			pfn & ~(kvm_pfn_t)(level_pages(level) - 1));
}

static int init_kind(struct kunit *test, enum lodge_npt_kind kind)
{
	struct world *w = world_new(test, NULL, kind);

	memset(&fake, 0, sizeof(fake));
	fake.level = 3;
	fake.writable = true;
	fake.vm = &w->vm;
	w->vm.mem.provider = &fake_provider;
	return set_slot(w, 0, 0, BASE_GFN, NPAGES, BASE_HVA);
}

static int init_npt(struct kunit *test)
{
	return init_kind(test, LODGE_NPT_AMD);
}

static int init_ept(struct kunit *test)
{
	return init_kind(test, LODGE_NPT_EPT);
}

static int init_ept_no_ad(struct kunit *test)
{
	return init_kind(test, LODGE_NPT_EPT_NO_AD);
}

static void levels(struct kunit *test)
{
	struct world *w = test->priv;

	fix(test, BASE_GFN + 5, 0);
	expect_leaf(test, BASE_GFN + 5, 3, true);

	/* Never more than the host maps with one entry. */
	fake.level = 2;
	fix(test, BASE_GFN + (1 << 18) + 7, 0);
	expect_leaf(test, BASE_GFN + (1 << 18) + 7, 2, true);
	fake.level = 1;
	fix(test, BASE_GFN + (2 << 18) + 7, 0);
	expect_leaf(test, BASE_GFN + (2 << 18) + 7, 1, true);
	/* Where a table is already, a small leaf goes into it. */
	fake.level = 3;
	fix(test, BASE_GFN + (2 << 18) + 8, 0);
	expect_leaf(test, BASE_GFN + (2 << 18) + 8, 1, true);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[3]), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[2]), 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[1]), 2);

	/* The hardware must know 1G. */
	lodge_caps.npt_1g = false;
	lodge_npt_zap_all(&w->vm);
	fix(test, BASE_GFN + 5, 0);
	expect_leaf(test, BASE_GFN + 5, 2, true);
}

/* What is executed is taken out of huge leaves, and only that. */
static void code_is_split(struct kunit *test)
{
	struct world *w = test->priv;
	int at;

	lodge_caps.npt_split_code = true;
	fake.level = 2;
	fix(test, BASE_GFN, 0);
	KUNIT_EXPECT_FALSE(test, world_leaf(w, BASE_GFN, &at) &
			   VMX_EPT_EXECUTABLE_MASK);
	expect_leaf(test, BASE_GFN, 2, true);
	fix(test, BASE_GFN + 3, LODGE_NPF_FETCH | LODGE_NPF_PRESENT);
	expect_leaf(test, BASE_GFN + 3, 1, true);
	KUNIT_EXPECT_TRUE(test, world_leaf(w, BASE_GFN + 3, &at) &
			  VMX_EPT_EXECUTABLE_MASK);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[1]), 512);
	/* Fetched from at first sight. */
	fix(test, BASE_GFN + 512, LODGE_NPF_FETCH);
	expect_leaf(test, BASE_GFN + 512, 1, true);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[1]), 513);
	lodge_caps.npt_split_code = false;
}

static void slot_limits_level(struct kunit *test)
{
	struct world *w = test->priv;

	/* Begins 2M into a gigabyte, and ends 4K into another 2M. */
	remake(test, 0, 0, 0, 0, 0);
	remake(test, 0, 0, BASE_GFN + 512, 1025, BASE_HVA + (2 << 20));
	fix(test, BASE_GFN + 600, 0);
	expect_leaf(test, BASE_GFN + 600, 2, true);
	fix(test, BASE_GFN + 1536, 0);
	expect_leaf(test, BASE_GFN + 1536, 1, true);

	/* The address is not aligned as the frame is. */
	remake(test, 0, 0, 0, 0, 0);
	KUNIT_EXPECT_FALSE(test, world_mapped(w, BASE_GFN + 600));
	remake(test, 0, 0, BASE_GFN + 1, NPAGES - 1, BASE_HVA);
	fix(test, BASE_GFN + 600, 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[1]), 1);
}

static void no_memory(struct kunit *test)
{
	struct world *w = test->priv;

	KUNIT_EXPECT_EQ(test, fault(w, BASE_GFN - 1, 0), LODGE_NPF_MMIO);
	KUNIT_EXPECT_EQ(test, fault(w, BASE_GFN + NPAGES, 0), LODGE_NPF_MMIO);
	KUNIT_EXPECT_EQ(test, fault(w, ~0ull >> PAGE_SHIFT, 0), LODGE_NPF_MMIO);
	fake.ret = -EFAULT;
	KUNIT_EXPECT_EQ(test, fault(w, BASE_GFN, 0), -EFAULT);
	fake.ret = -EAGAIN;
	fix(test, BASE_GFN, 0);
	fake.ret = 0;
	KUNIT_EXPECT_FALSE(test, world_mapped(w, BASE_GFN));

	remake(test, 1, KVM_MEM_READONLY, 16, 16, BASE_HVA + (1ul << 38));
	KUNIT_EXPECT_EQ(test, fault(w, 17, LODGE_NPF_WRITE), LODGE_NPF_MMIO);
	fix(test, 17, 0);
	KUNIT_EXPECT_EQ(test, fault(w, 17, LODGE_NPF_WRITE | LODGE_NPF_PRESENT),
			LODGE_NPF_MMIO);
}

static void host_protects(struct kunit *test)
{
	struct world *w = test->priv;
	int level;

	fake.level = 1;
	fake.writable = false;
	fix(test, BASE_GFN, 0);
	expect_leaf(test, BASE_GFN, 1, false);
	KUNIT_EXPECT_TRUE(test, world_leaf(w, BASE_GFN, &level) & ENTRY_WP_HOST);
	KUNIT_EXPECT_EQ(test, fault(w, BASE_GFN, LODGE_NPF_WRITE), -EFAULT);
	expect_leaf(test, BASE_GFN, 1, false);
	fake.writable = true;
	fix(test, BASE_GFN, LODGE_NPF_WRITE | LODGE_NPF_PRESENT);
	expect_leaf(test, BASE_GFN, 1, true);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[1]), 1);
	/* Nothing was forgotten: one page was used, and written. */
	lodge_npt_zap_all(&w->vm);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.touched), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.accessed), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.dirty), 1);
}

static void dirty_log(struct kunit *test)
{
	struct world *w = test->priv;
	u32 write = LODGE_NPF_WRITE | LODGE_NPF_PRESENT;
	struct lodge_slot *slot;
	int level, gets;

	fake.level = 2;
	fix(test, BASE_GFN, LODGE_NPF_WRITE);
	expect_leaf(test, BASE_GFN, 2, true);
	remake(test, 0, KVM_MEM_LOG_DIRTY_PAGES, BASE_GFN, NPAGES, BASE_HVA);
	slot = lodge_slot_find(&w->vm, BASE_GFN);
	expect_leaf(test, BASE_GFN, 2, false);

	/* A write splits the huge leaf, and asks nobody for the page. */
	gets = atomic_read(&fake.gets);
	fix(test, BASE_GFN + 3, write);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.gets), gets);
	expect_leaf(test, BASE_GFN + 3, 1, true);
	expect_leaf(test, BASE_GFN + 2, 1, false);
	expect_leaf(test, BASE_GFN + 511, 1, false);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[1]), 512);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[2]), 0);
	KUNIT_EXPECT_TRUE(test, test_bit(3, slot->dirty));
	KUNIT_EXPECT_FALSE(test, test_bit(2, slot->dirty));

	/* A read maps for reading only. */
	fix(test, BASE_GFN + 600, 0);
	expect_leaf(test, BASE_GFN + 600, 1, false);
	KUNIT_EXPECT_TRUE(test, world_leaf(w, BASE_GFN + 600, &level) &
				ENTRY_WP_LOG);
	KUNIT_EXPECT_FALSE(test, test_bit(600, slot->dirty));

	/* Only what the mask says is protected again. */
	fix(test, BASE_GFN + 4, write);
	KUNIT_EXPECT_TRUE(test, lodge_npt_protect_mask(&w->vm, BASE_GFN, 1 << 3));
	lodge_npt_flush(&w->vm);
	expect_leaf(test, BASE_GFN + 3, 1, false);
	expect_leaf(test, BASE_GFN + 4, 1, true);
	KUNIT_EXPECT_FALSE(test, lodge_npt_protect_mask(&w->vm, BASE_GFN, 1 << 3));

	/* Huge pages come back when the log ends. */
	remake(test, 0, 0, BASE_GFN, NPAGES, BASE_HVA);
	KUNIT_EXPECT_FALSE(test, world_mapped(w, BASE_GFN));
	fix(test, BASE_GFN + 3, LODGE_NPF_WRITE);
	expect_leaf(test, BASE_GFN + 3, 2, true);
}

static struct lodge_npt_dirty dirty_of(struct world *w, gfn_t gfn)
{
	struct lodge_npt_dirty d = { };

	lodge_npt_written(&w->vm, gfn, gfn + 64, gfn, &d);
	return d;
}

static struct lodge_npt_dirty whole_dirty(struct world *w, gfn_t gfn)
{
	struct lodge_npt_dirty d = { .whole = true };

	lodge_npt_written(&w->vm, gfn, gfn + 512, gfn, &d);
	return d;
}

/* What merging learns from dirty bits, and takes away. */
static void written(struct kunit *test)
{
	struct world *w = test->priv;
	struct lodge_npt_dirty d;
	const struct lodge_npt_format *fmt =
		&lodge_npt_formats[w->vm.npt.root->role.format];
	bool ad = fmt->ad;
	u64 *entry;
	int level;

	fake.level = 1;
	fix(test, BASE_GFN + 5, LODGE_NPF_WRITE);
	fix(test, BASE_GFN + 6, 0);
	fix(test, BASE_GFN + 64, LODGE_NPF_WRITE);
	lodge_npt_flush(&w->vm);
	KUNIT_EXPECT_EQ(test, dirty_of(w, BASE_GFN).written, ad ? BIT_ULL(5) : 0);
	/* One more look: nothing was written. The TLBs don't know yet, whoever asks. */
	KUNIT_EXPECT_EQ(test, dirty_of(w, BASE_GFN).written, 0);
	KUNIT_EXPECT_EQ(test, dirty_of(w, BASE_GFN).still,
			ad ? BIT_ULL(5) | BIT_ULL(6) : 0);
	KUNIT_EXPECT_EQ(test, lodge_npt_protect_mask(&w->vm, BASE_GFN + 512, 1), ad);
	lodge_npt_flush_rest(&w->vm);
	KUNIT_EXPECT_FALSE(test, lodge_npt_protect_mask(&w->vm, BASE_GFN + 512, 1));
	expect_leaf(test, BASE_GFN + 5, 1, true);
	KUNIT_EXPECT_EQ(test, dirty_of(w, BASE_GFN + 1).written, ad ? BIT_ULL(63) : 0);
	/* The CPU writes. */
	entry = world_entry(w, BASE_GFN + 5, &level);
	set_bit(__ffs64(fmt->dirty), (unsigned long *)entry);
	KUNIT_EXPECT_EQ(test, dirty_of(w, BASE_GFN).written, ad ? BIT_ULL(5) : 0);
	/* A leaf of many pages says nothing, and keeps its bit. */
	fake.level = 2;
	fix(test, BASE_GFN + 512, LODGE_NPF_WRITE);
	KUNIT_EXPECT_EQ(test, dirty_of(w, BASE_GFN + 512).written, 0);
	KUNIT_EXPECT_EQ(test, dirty_of(w, BASE_GFN + 512).still, 0);
	KUNIT_EXPECT_TRUE(test, world_leaf(w, BASE_GFN + 512, &level) & fmt->dirty);
	KUNIT_EXPECT_EQ(test, dirty_of(w, ~0ull >> PAGE_SHIFT).written, 0);
	/* Unless it is asked for all of them. Where nothing can be said they were written. */
	d = whole_dirty(w, BASE_GFN + 512);
	KUNIT_EXPECT_TRUE(test, d.huge && d.written == 1 && !d.still);
	d = whole_dirty(w, BASE_GFN + 512);
	KUNIT_EXPECT_TRUE(test, d.huge && d.written == !ad && d.still == ad);
	d = whole_dirty(w, BASE_GFN);
	KUNIT_EXPECT_FALSE(test, d.huge);
	KUNIT_EXPECT_EQ(test, d.written, ad ? 0 : 1);
	/* The provider hears of all that was written, however often that was taken away. */
	atomic_set(&fake.dirty, 0);
	lodge_npt_zap_all(&w->vm);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.dirty), ad ? 3 : 4);
}

/* The hardware logs the pages that it marks dirty: SDM vol. 3C 29.3.6. */
static void hardware_log(struct kunit *test)
{
	u32 write = LODGE_NPF_WRITE | LODGE_NPF_PRESENT;
	struct world *w = test->priv;
	struct lodge_slot *slot;
	u64 *entry;
	int level;

	lodge_caps.npt_log = true;
	fake.level = 2;
	fix(test, BASE_GFN, LODGE_NPF_WRITE);
	KUNIT_EXPECT_FALSE(test, lodge_mem_logged(&w->vm.mem));
	remake(test, 0, KVM_MEM_LOG_DIRTY_PAGES, BASE_GFN, NPAGES, BASE_HVA);
	KUNIT_EXPECT_TRUE(test, lodge_mem_logged(&w->vm.mem));
	slot = lodge_slot_find(&w->vm, BASE_GFN);

	/* Huge leaves are protected as ever, and split by a write. */
	expect_leaf(test, BASE_GFN, 2, false);
	fix(test, BASE_GFN + 3, write);
	expect_leaf(test, BASE_GFN + 3, 1, true);
	expect_leaf(test, BASE_GFN + 2, 1, false);
	KUNIT_EXPECT_TRUE(test, test_bit(3, slot->dirty));

	/* From then on it is the dirty bit that goes. */
	KUNIT_EXPECT_TRUE(test, lodge_npt_protect_mask(&w->vm, BASE_GFN, 1 << 3));
	lodge_npt_flush(&w->vm);
	expect_leaf(test, BASE_GFN + 3, 1, true);
	KUNIT_EXPECT_FALSE(test, world_leaf(w, BASE_GFN + 3, &level) &
				 VMX_EPT_DIRTY_BIT);
	/* Whoever took it may not have flushed yet. */
	KUNIT_EXPECT_TRUE(test, lodge_npt_protect_mask(&w->vm, BASE_GFN, 1 << 3));

	/* A read leaves the page writable and clean, a write is the CPU's. */
	fix(test, BASE_GFN + 600, 0);
	entry = world_entry(w, BASE_GFN + 600, &level);
	KUNIT_EXPECT_EQ(test, level, 1);
	KUNIT_EXPECT_EQ(test, *entry & (ENTRY_WRITE | VMX_EPT_DIRTY_BIT),
			ENTRY_WRITE);
	KUNIT_EXPECT_FALSE(test, test_bit(600, slot->dirty));
	*entry |= VMX_EPT_DIRTY_BIT;
	lodge_npt_logged(&w->vcpu[0], ((BASE_GFN + 600) << PAGE_SHIFT) + 8);
	KUNIT_EXPECT_TRUE(test, test_bit(600, slot->dirty));
	KUNIT_EXPECT_TRUE(test, lodge_npt_protect(&w->vm, BASE_GFN + 600,
						  BASE_GFN + 601));
	lodge_npt_flush(&w->vm);
	KUNIT_EXPECT_EQ(test, *entry & (ENTRY_WRITE | VMX_EPT_DIRTY_BIT),
			ENTRY_WRITE);

	/* What isn't logged, or isn't memory, may be in the log. */
	lodge_npt_logged(&w->vcpu[0], 0);
	remake(test, 0, 0, BASE_GFN, NPAGES, BASE_HVA);
	KUNIT_EXPECT_FALSE(test, lodge_mem_logged(&w->vm.mem));
	lodge_npt_logged(&w->vcpu[0], BASE_GFN << PAGE_SHIFT);
	/* The provider has heard of all: the huge leaf was written, and 600. */
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.dirty), 512 + 1);
}

/* A slot that is logged from the beginning, above all others or between. */
static void logged_at_once(struct kunit *test)
{
	struct world *w = test->priv;
	u32 log = KVM_MEM_LOG_DIRTY_PAGES;

	remake(test, 1, log, BASE_GFN * 8, 1, BASE_HVA);
	remake(test, 2, log, 1, 1, BASE_HVA);
	KUNIT_EXPECT_EQ(test, w->vm.mem.logged, 2u);
	remake(test, 1, log, BASE_GFN * 8 + 1, 1, BASE_HVA);
	KUNIT_EXPECT_EQ(test, w->vm.mem.logged, 2u);
	remake(test, 1, 0, 0, 0, 0);
	remake(test, 2, 0, 1, 1, BASE_HVA);
	KUNIT_EXPECT_EQ(test, w->vm.mem.logged, 0u);
}

/* What the tables say of a frame without memory: at the level of all that is. */
static void expect_mmio(struct kunit *test, gfn_t gfn, int level)
{
	struct world *w = test->priv;
	const struct lodge_npt_format *fmt =
		&lodge_npt_formats[w->vm.npt.root->role.format];
	int at;

	KUNIT_EXPECT_EQ(test, fault(w, gfn, 0), LODGE_NPF_MMIO);
	KUNIT_EXPECT_EQ(test, world_leaf(w, gfn, &at), fmt->mmio);
	if (fmt->mmio)
		KUNIT_EXPECT_EQ(test, at, level);
}

static void mmio(struct kunit *test)
{
	struct world *w = test->priv;
	struct lodge_npt *npt = &w->vm.npt;
	gpa_t gpa = (BASE_GFN - 1) << PAGE_SHIFT;
	bool marks = lodge_npt_formats[npt->root->role.format].mmio;
	gfn_t end = BASE_GFN + NPAGES;
	int level;

	/* No table in hand: it is made where sleeping is allowed. */
	KUNIT_EXPECT_EQ(test, lodge_npt_fault(&w->vcpu[0], gpa, 0, true),
			marks ? LODGE_NPF_RETRY_SLOW : LODGE_NPF_MMIO);
	expect_mmio(test, BASE_GFN - 1, 3);
	expect_mmio(test, 1ull << 27, 4);
	expect_mmio(test, end, 3);
	KUNIT_EXPECT_EQ(test, fault(w, 1ull << 36, 0), LODGE_NPF_MMIO);
	KUNIT_EXPECT_EQ(test, atomic64_read(&npt->tables), marks ? 2 : 1);
	KUNIT_EXPECT_EQ(test, atomic64_read(&npt->pages[3]), 0);
	KUNIT_EXPECT_FALSE(test, lodge_npt_range(&w->vm, LODGE_NPT_TEST_YOUNG, 0,
						 ~0ull, false));
	KUNIT_EXPECT_FALSE(test, lodge_npt_range(&w->vm, LODGE_NPT_CLEAR_YOUNG, 0,
						 ~0ull, false));
	KUNIT_EXPECT_FALSE(test, lodge_npt_protect(&w->vm, 0, ~0ull));

	/* A slot in it, and all that is still free beside it. */
	remake(test, 1, 0, end + 512, 3, BASE_HVA);
	KUNIT_EXPECT_EQ(test, world_leaf(w, end + 512, &level), 0ull);
	fix(test, end + 513, LODGE_NPF_WRITE);
	KUNIT_EXPECT_TRUE(test, world_mapped(w, end + 513));
	expect_mmio(test, end, 2);
	expect_mmio(test, end + 515, 1);
	expect_mmio(test, end + 1023, 1);
	expect_mmio(test, end + 1024, 2);
	KUNIT_EXPECT_EQ(test, fault(w, BASE_GFN - 1, LODGE_NPF_WRITE),
			LODGE_NPF_MMIO);
	/* It moves, over what was free. */
	remake(test, 1, 0, end + 514, 3, BASE_HVA);
	KUNIT_EXPECT_EQ(test, world_leaf(w, end + 515, &level), 0ull);
	expect_mmio(test, end + 513, 1);
	expect_mmio(test, end + 517, 1);

	/* Reads of it are mapped, writes are nobody's: that isn't noted. */
	remake(test, 2, KVM_MEM_READONLY, 16, 16, BASE_HVA + (1ul << 38));
	KUNIT_EXPECT_EQ(test, fault(w, 17, LODGE_NPF_WRITE), LODGE_NPF_MMIO);
	KUNIT_EXPECT_EQ(test, world_leaf(w, 17, &level), 0ull);
	fix(test, 17, 0);
}

static void move_and_delete(struct kunit *test)
{
	struct world *w = test->priv;

	fix(test, BASE_GFN, 0);
	remake(test, 0, 0, BASE_GFN * 8, NPAGES, BASE_HVA);
	KUNIT_EXPECT_FALSE(test, world_mapped(w, BASE_GFN));
	KUNIT_EXPECT_EQ(test, fault(w, BASE_GFN, 0), LODGE_NPF_MMIO);
	fix(test, BASE_GFN * 8, 0);
	KUNIT_EXPECT_TRUE(test, world_mapped(w, BASE_GFN * 8));
	remake(test, 0, 0, 0, 0, 0);
	KUNIT_EXPECT_FALSE(test, world_mapped(w, BASE_GFN * 8));
	KUNIT_EXPECT_EQ(test, fault(w, BASE_GFN * 8, 0), LODGE_NPF_MMIO);
}

static void zap_range(struct kunit *test)
{
	struct world *w = test->priv;
	gfn_t gfn;

	fake.level = 1;
	for (gfn = BASE_GFN; gfn < BASE_GFN + 2048; gfn++)
		fix(test, gfn, 0);
	/* A root, one table of each level above the last, four below. */
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.tables), 3 + 4);
	KUNIT_EXPECT_TRUE(test, lodge_npt_zap(&w->vm, BASE_GFN + 10,
					      BASE_GFN + 1500));
	/* Nothing is there now, but TLBs don't know it yet. */
	KUNIT_EXPECT_TRUE(test, lodge_npt_zap(&w->vm, BASE_GFN + 10,
					      BASE_GFN + 11));
	lodge_npt_flush(&w->vm);
	KUNIT_EXPECT_FALSE(test, lodge_npt_zap(&w->vm, BASE_GFN + 10,
					       BASE_GFN + 11));
	KUNIT_EXPECT_TRUE(test, world_mapped(w, BASE_GFN + 9));
	KUNIT_EXPECT_FALSE(test, world_mapped(w, BASE_GFN + 10));
	KUNIT_EXPECT_FALSE(test, world_mapped(w, BASE_GFN + 1499));
	KUNIT_EXPECT_TRUE(test, world_mapped(w, BASE_GFN + 1500));
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.pages[1]), 10 + 548);
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.tables), 3 + 3);
}

static void young(struct kunit *test)
{
	struct world *w = test->priv;
	struct lodge_vm *vm = &w->vm;

	fake.level = 2;
	fix(test, BASE_GFN + 512, 0);
	KUNIT_EXPECT_TRUE(test, lodge_npt_range(vm, LODGE_NPT_TEST_YOUNG,
						BASE_GFN, BASE_GFN + 513, false));
	KUNIT_EXPECT_FALSE(test, lodge_npt_range(vm, LODGE_NPT_TEST_YOUNG,
						 BASE_GFN, BASE_GFN + 512, false));
	KUNIT_EXPECT_TRUE(test, lodge_npt_range(vm, LODGE_NPT_CLEAR_YOUNG,
						BASE_GFN + 600, BASE_GFN + 601,
						false));
	KUNIT_EXPECT_FALSE(test, lodge_npt_range(vm, LODGE_NPT_TEST_YOUNG,
						 BASE_GFN, ~0ull, false));
	/* Without accessed flags the next use has to be a fault. */
	KUNIT_EXPECT_EQ(test, world_mapped(w, BASE_GFN + 512), lodge_caps.npt_ad);
	if (!lodge_caps.npt_ad) {
		KUNIT_EXPECT_EQ(test, atomic_read(&fake.touched), 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&fake.accessed), 0);
		KUNIT_EXPECT_TRUE(test, lodge_npt_zap(vm, BASE_GFN, BASE_GFN + 1));
	}
	fix(test, BASE_GFN + 512, 0);
	lodge_npt_zap_all(vm);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.accessed),
			lodge_caps.npt_ad ? 0 : 1);
}

static struct lodge_npt_dirty age_of(struct world *w, gfn_t gfn, bool whole)
{
	struct lodge_npt_dirty d = { .age = true, .whole = whole };

	lodge_npt_written(&w->vm, gfn, gfn + (whole ? 512 : 64), gfn, &d);
	return d;
}

/* What reclaim learns from accessed bits, and takes away; nothing is taken out. */
static void aged(struct kunit *test)
{
	struct world *w = test->priv;
	bool ad = lodge_npt_formats[w->vm.npt.root->role.format].ad;

	fake.level = 1;
	fix(test, BASE_GFN + 5, LODGE_NPF_WRITE);
	fix(test, BASE_GFN + 6, 0);
	fake.level = 2;
	fix(test, BASE_GFN + 512, 0);
	lodge_npt_flush(&w->vm);
	KUNIT_EXPECT_EQ(test, age_of(w, BASE_GFN, false).young, ad ? BIT_ULL(5) | BIT_ULL(6) : 0);
	KUNIT_EXPECT_EQ(test, age_of(w, BASE_GFN, false).young, 0);
	KUNIT_EXPECT_EQ(test, age_of(w, BASE_GFN, false).still, ad ? BIT_ULL(5) | BIT_ULL(6) : 0);
	KUNIT_EXPECT_EQ(test, age_of(w, BASE_GFN, false).blind, !ad);
	KUNIT_EXPECT_FALSE(test, age_of(w, BASE_GFN + 64, false).blind);
	/* TLBs are told when somebody asks for it. */
	KUNIT_EXPECT_EQ(test, atomic64_read(&w->vm.npt.gen) !=
			      atomic64_read(&w->vm.npt.flushed), ad);
	/* A part of 2M leaves it to who asks for all. */
	KUNIT_EXPECT_EQ(test, age_of(w, BASE_GFN + 600, false).young, ad ? U64_MAX : 0);
	KUNIT_EXPECT_EQ(test, age_of(w, BASE_GFN + 512, true).young, ad);
	KUNIT_EXPECT_EQ(test, age_of(w, BASE_GFN + 512, true).young, 0);
	KUNIT_EXPECT_EQ(test, age_of(w, BASE_GFN + 600, false).still, ad ? U64_MAX : 0);
	KUNIT_EXPECT_TRUE(test, age_of(w, BASE_GFN + 512, true).huge);
	KUNIT_EXPECT_TRUE(test, world_mapped(w, BASE_GFN + 5));
	KUNIT_EXPECT_TRUE(test, world_mapped(w, BASE_GFN + 512));
}

/* What people are shown: slots without their holes, what is mapped, what is used. */
static void survey(struct kunit *test)
{
	const u8 used = LODGE_MAP_OTHER | LODGE_MAP_MAPPED | LODGE_MAP_YOUNG;
	struct world *w = test->priv;
	struct lodge_vm *vm = &w->vm;
	u64 first = 0;
	u8 page[1024];

	fake.level = 2;
	fix(test, BASE_GFN + 512, 0);
	fake.level = 1;
	fix(test, BASE_GFN + 3, 0);
	KUNIT_EXPECT_EQ(test, lodge_survey(vm, &first, page, 600, false), 600);
	KUNIT_EXPECT_EQ(test, first, BASE_GFN);
	KUNIT_EXPECT_EQ(test, page[2], LODGE_MAP_OTHER);
	KUNIT_EXPECT_EQ(test, page[3], used);
	KUNIT_EXPECT_EQ(test, page[4], LODGE_MAP_OTHER);
	KUNIT_EXPECT_EQ(test, page[511], LODGE_MAP_OTHER);
	KUNIT_EXPECT_PTR_EQ(test, memchr_inv(page + 512, used, 88), NULL);
	/* From within the 2M page on; its bit is taken away for all of it. */
	first = BASE_GFN + 1000;
	KUNIT_EXPECT_EQ(test, lodge_survey(vm, &first, page, 30, true), 30);
	KUNIT_EXPECT_EQ(test, first, BASE_GFN + 1000);
	KUNIT_EXPECT_EQ(test, page[23], used);
	KUNIT_EXPECT_EQ(test, page[24], LODGE_MAP_OTHER);
	first = BASE_GFN + 512;
	KUNIT_EXPECT_EQ(test, lodge_survey(vm, &first, page, 1, false), 1);
	KUNIT_EXPECT_EQ(test, page[0], lodge_caps.npt_ad ?
			LODGE_MAP_OTHER | LODGE_MAP_MAPPED : LODGE_MAP_OTHER);
	/* The end of the last slot, and beyond. */
	first = BASE_GFN + NPAGES - 5;
	KUNIT_EXPECT_EQ(test, lodge_survey(vm, &first, page, 1024, false), 5);
	first = BASE_GFN + NPAGES;
	KUNIT_EXPECT_EQ(test, lodge_survey(vm, &first, page, 1024, true), 0);
	first = ~0ull;
	KUNIT_EXPECT_EQ(test, lodge_survey(vm, &first, page, 1024, true), 0);
	lodge_npt_zap_all(vm);
}

/* What a read leaves in the tables, bit by bit. */
static void bits(struct kunit *test)
{
	static const u64 small[] = {
		[LODGE_NPT_AMD] = 0x27,
		[LODGE_NPT_EPT] = 0x147,
		[LODGE_NPT_EPT_NO_AD] = 0x347,
	};
	static const u64 table[] = {
		[LODGE_NPT_AMD] = 0x27,
		[LODGE_NPT_EPT] = 0x107,
		[LODGE_NPT_EPT_NO_AD] = 0x107,
	};
	struct world *w = test->priv;
	int format = w->vm.npt.root->role.format, level;
	u64 flags = ~(ENTRY_FRAME | sme_me_mask);

	fake.level = 1;
	fix(test, BASE_GFN, 0);
	KUNIT_EXPECT_EQ(test, world_leaf(w, BASE_GFN, &level) & flags,
			small[format]);
	KUNIT_EXPECT_EQ(test, w->vm.npt.root->table[0] & flags, table[format]);
	/* Written, or perhaps so. */
	lodge_npt_zap_all(&w->vm);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.dirty),
			format == LODGE_NPT_EPT_NO_AD ? 1 : 0);
	fake.level = 2;
	fix(test, BASE_GFN, LODGE_NPF_WRITE);
	KUNIT_EXPECT_EQ(test, world_leaf(w, BASE_GFN, &level) & flags,
			format == LODGE_NPT_AMD ? 0xe7ull : 0x3c7ull);
	/* RAM, what came so far is not. */
	lodge_npt_zap_all(&w->vm);
	fake.level = 1;
	fake.ram = alloc_page(GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake.ram);
	fix(test, BASE_GFN, LODGE_NPF_WRITE);
	KUNIT_EXPECT_EQ(test, world_leaf(w, BASE_GFN, &level) & flags,
			format == LODGE_NPT_AMD ? 0x67ull : 0x377ull);
	lodge_npt_zap_all(&w->vm);
	__free_page(fake.ram);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.dirty),
			format == LODGE_NPT_EPT_NO_AD ? 3 : 2);
}

static void invalidation(struct kunit *test)
{
	struct world *w = test->priv;
	struct lodge_mem *mem = &w->vm.mem;

	/* Under way: nothing of the range is mapped. */
	fake.level = 2;
	mem->inv_count = 1;
	mem->inv_start = BASE_HVA + (4 << 20) + PAGE_SIZE;
	mem->inv_end = mem->inv_start + PAGE_SIZE;
	fix(test, BASE_GFN + 1024, 0);
	KUNIT_EXPECT_FALSE(test, world_mapped(w, BASE_GFN + 1024));
	fix(test, BASE_GFN + 512, 0);
	KUNIT_EXPECT_TRUE(test, world_mapped(w, BASE_GFN + 512));
	fix(test, BASE_GFN + 1536, 0);
	KUNIT_EXPECT_TRUE(test, world_mapped(w, BASE_GFN + 1536));
	mem->inv_count = 0;
	mem->inv_seq++;
	fix(test, BASE_GFN + 1024, 0);
	KUNIT_EXPECT_TRUE(test, world_mapped(w, BASE_GFN + 1024));

	/* It came and went since the page was looked up: looked up again. */
	fake.invalidate = true;
	atomic_set(&fake.gets, 0);
	fix(test, BASE_GFN + 2048, 0);
	KUNIT_EXPECT_TRUE(test, world_mapped(w, BASE_GFN + 2048));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake.gets), 2);
}

static void atomic(struct kunit *test)
{
	struct world *w = test->priv;
	gpa_t gpa = BASE_GFN << PAGE_SHIFT;

	/* No table in hand, none can be had. */
	fake.level = 1;
	KUNIT_EXPECT_EQ(test, lodge_npt_fault(&w->vcpu[0], gpa, 0, true),
			LODGE_NPF_RETRY_SLOW);
	KUNIT_EXPECT_EQ(test, lodge_npt_fault(&w->vcpu[0], gpa, 0, false),
			LODGE_NPF_FIXED);
	local_irq_disable();
	KUNIT_EXPECT_EQ(test, lodge_npt_fault(&w->vcpu[0], gpa + PAGE_SIZE, 0,
					      true), LODGE_NPF_FIXED);
	local_irq_enable();
	expect_leaf(test, BASE_GFN + 1, 1, true);
	fake.ret = -EAGAIN;
	KUNIT_EXPECT_EQ(test, lodge_npt_fault(&w->vcpu[0], gpa + 2 * PAGE_SIZE,
					      0, true), LODGE_NPF_RETRY_SLOW);
}

static void zap_something(struct world *w, u32 rnd)
{
	gfn_t gfn = BASE_GFN + (rnd & 0xfff);
	u64 n = 1ull << (rnd >> 12 & 0xf);

	switch (rnd >> 16 & 7) {
	case 0:
		lodge_npt_range(&w->vm, LODGE_NPT_CLEAR_YOUNG, gfn, gfn + n, false);
		break;
	case 1:
		if (lodge_npt_protect(&w->vm, gfn, gfn + n))
			lodge_npt_flush(&w->vm);
		break;
	case 2:
		set_slot(w, 0, rnd & BIT(20) ? KVM_MEM_LOG_DIRTY_PAGES : 0,
			 BASE_GFN, NPAGES, BASE_HVA);
		break;
	case 3:
		if (rnd & BIT(20)) {
			set_slot(w, 0, 0, 0, 0, 0);
			set_slot(w, 0, 0, BASE_GFN, NPAGES, BASE_HVA);
		}
		break;
	default:
		if (lodge_npt_zap(&w->vm, gfn, gfn + n))
			lodge_npt_flush(&w->vm);
	}
	fake.level = 1 + rnd % 3;
}

static void races(struct kunit *test)
{
	struct world *w = test->priv;
	gfn_t gfn;
	int level;

	world_race(test, BASE_GFN << PAGE_SHIFT, 0x1000 << PAGE_SHIFT,
		   LODGE_NPF_MMIO, zap_something);
	/* The slot is there: nothing says that it isn't. */
	for (gfn = BASE_GFN; gfn < BASE_GFN + 0x1000; gfn++) {
		u64 entry = world_leaf(w, gfn, &level);

		if (entry && !(entry & ENTRY_PRESENT)) {
			KUNIT_FAIL(test, "%llx: %llx", gfn, entry);
			break;
		}
	}
}

/* KUnit writes the results into the cases: each suite has its own. */
#define CASES \
	KUNIT_CASE(levels), \
	KUNIT_CASE(slot_limits_level), \
	KUNIT_CASE(no_memory), \
	KUNIT_CASE(host_protects), \
	KUNIT_CASE(dirty_log), \
	KUNIT_CASE(written), \
	KUNIT_CASE(logged_at_once), \
	KUNIT_CASE(mmio), \
	KUNIT_CASE(move_and_delete), \
	KUNIT_CASE(zap_range), \
	KUNIT_CASE(young), \
	KUNIT_CASE(aged), \
	KUNIT_CASE(survey), \
	KUNIT_CASE(bits), \
	KUNIT_CASE(invalidation), \
	KUNIT_CASE(atomic), \
	KUNIT_CASE(races)

static struct kunit_case npt_cases[] = { CASES, {} };
static struct kunit_case ept_cases[] = { CASES, KUNIT_CASE(hardware_log),
	KUNIT_CASE(code_is_split), {} };
static struct kunit_case ept_no_ad_cases[] = { CASES, {} };

static struct kunit_suite npt_suite = {
	.name = "lodge-npt",
	.init = init_npt,
	.exit = world_free,
	.test_cases = npt_cases,
};

static struct kunit_suite ept_suite = {
	.name = "lodge-ept",
	.init = init_ept,
	.exit = world_free,
	.test_cases = ept_cases,
};

static struct kunit_suite ept_no_ad_suite = {
	.name = "lodge-ept-no-ad",
	.init = init_ept_no_ad,
	.exit = world_free,
	.test_cases = ept_no_ad_cases,
};

kunit_test_suites(&npt_suite, &ept_suite, &ept_no_ad_suite);
