// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user provider: any memory of the launcher's process, never pinned.
 *
 * A frame is read out of the process's own page tables, interrupts off, and
 * no reference to it is taken: what makes the frame safe to map is not a
 * reference but the MMU notifier. The kernel announces each change of a host
 * entry (invalidate_range_start), makes it, frees the page, and says so
 * (invalidate_range_end). Between the two nothing may be mapped of the range,
 * and what is mapped goes at the start. So a frame that was read may be put
 * into the nested tables if, under npt.lock,
 *
 * - no invalidation of its range is under way (inv_count, inv_start,
 *   inv_end): else the host entry that was read may be about to go, and
 * - none has ended since before it was read (inv_seq).
 *
 * One that begins later waits for npt.lock and then finds the new entry.
 *
 * Where an object that the hypervisor owns is mapped its pages are taken from it
 * without asking these tables (view.c), under the same conditions.
 *
 * Other pages that aren't there are brought in as the process's own access would
 * bring them in, by fixup_user_fault(), and then looked up again.
 */
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/swap.h>

#include "lodge.h"

/* Interrupts off. Finds the entry that maps @hva, and its level. */
static int host_entry(unsigned long hva, unsigned long *flags, u8 *level,
		      kvm_pfn_t *pfn)
{
	pgd_t pgd;
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;
	pte_t pte;

	/*
	 * Each entry is read once: a table can turn into a huge page, or the
	 * other way round, meanwhile. Tables aren't freed under us: that waits
	 * for all CPUs to have had interrupts on.
	 */
	pgd = READ_ONCE(*pgd_offset(current->mm, hva));
	if (!pgd_present(pgd))
		return -EAGAIN;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (!p4d_present(p4d))
		return -EAGAIN;
	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (!(pud_flags(pud) & _PAGE_PRESENT))
		return -EAGAIN;
	if (pud_leaf(pud)) {
		*flags = pud_flags(pud);
		*level = 3;
		*pfn = pud_pfn(pud) + ((hva & ~PUD_MASK) >> PAGE_SHIFT);
		return 0;
	}
	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!(pmd_flags(pmd) & _PAGE_PRESENT))
		return -EAGAIN;
	if (pmd_leaf(pmd)) {
		*flags = pmd_flags(pmd);
		*level = 2;
		*pfn = pmd_pfn(pmd) + ((hva & ~PMD_MASK) >> PAGE_SHIFT);
		return 0;
	}
	pte = READ_ONCE(*pte_offset_kernel(&pmd, hva));
	*flags = pte_flags(pte);
	*level = 1;
	*pfn = pte_pfn(pte);
	return 0;
}

/*
 * A page with a protection key is left to the slow way, which looks at the
 * thread's own PKRU: the guest's may be loaded now.
 */
static int lookup(unsigned long hva, bool write, bool keys_checked,
		  struct lodge_page *page)
{
	unsigned long need = _PAGE_PRESENT | _PAGE_USER;
	unsigned long irq, flags;
	int ret;

	if (write)
		need |= _PAGE_RW;
	local_irq_save(irq);
	ret = host_entry(hva, &flags, &page->level, &page->pfn);
	local_irq_restore(irq);
	if (ret)
		return ret;
	if ((flags & need) != need)
		return -EAGAIN;
	if ((flags & _PAGE_PKEY_MASK) && !keys_checked)
		return -EAGAIN;
	page->writable = flags & _PAGE_RW;
	page->page = NULL;
	return 0;
}

static int fault_in(unsigned long hva, bool write)
{
	unsigned int flags = write ? FAULT_FLAG_WRITE : 0;
	struct mm_struct *mm = current->mm;
	bool unlocked = false;
	int ret;

	mmap_read_lock(mm);
	ret = fixup_user_fault(mm, hva, flags, &unlocked);
	mmap_read_unlock(mm);
	/* It doesn't tell a poisoned page from a missing one. */
	if (ret == -EFAULT &&
	    get_user_pages_unlocked(hva, 1, NULL, FOLL_HWPOISON |
				    (write ? FOLL_WRITE : 0)) == -EHWPOISON)
		ret = -EHWPOISON;
	return ret;
}

static int user_get(struct lodge_slot *slot, unsigned long hva, bool write,
		    bool atomic, struct lodge_page *page)
{
	int tries, ret;

	/* Where that was tried before, it isn't once more. */
	if (atomic)
		ret = lodge_view_get_atomic(slot, hva, write, page);
	else
		ret = lodge_view_known(slot, hva) ? -EAGAIN : -ENOENT;

	if (ret == -ENOENT)
		ret = lookup(hva, write, false, page);
	if (ret != -EAGAIN || atomic)
		return ret;
	/* An object's page, or one that isn't there yet. */
	ret = lodge_view_get(slot, hva, write, page);
	if (ret != -ENOENT)
		return ret;
	ret = -EAGAIN;
	/* What was brought in can be gone again: not for ever, though. */
	for (tries = 0; ret == -EAGAIN && !atomic && tries < 3; tries++) {
		ret = fault_in(hva, write);
		if (!ret)
			ret = lookup(hva, write, true, page);
	}
	return ret;
}

static void user_touched(kvm_pfn_t pfn, bool accessed, bool dirty)
{
	struct page *page;

	if (!pfn_valid(pfn))
		return;
	page = pfn_to_page(pfn);
	if (PageReserved(page))
		return;
	/* As for a host entry that is taken down: the file is told later. */
	if (dirty)
		SetPageDirty(page);
	if (accessed)
		mark_page_accessed(page);
}

const struct lodge_provider lodge_user_provider = {
	.name = "user",
	.get = user_get,
	.widen = lodge_view_widen,
	.release = lodge_view_put,
	.touched = user_touched,
};

static struct lodge_vm *notifier_vm(struct mmu_notifier *mn)
{
	return container_of(mn, struct lodge_vm, mem.notifier);
}

/**
 * lodge_mem_range - do something to all that a VM maps of its process's memory
 * @vm: the VM
 * @op: what
 * @start: the first address
 * @end: the one after the last
 * @how: LODGE_RANGE_*
 * @dirty: for LODGE_NPT_CLEAN: bit 0 is for the page at @start; else NULL
 *
 * Through every slot that overlaps the range. They are looked at one by one:
 * invalidations outside all of them, the frequent case, are sorted out before.
 *
 * Return: as lodge_npt_range().
 */
bool lodge_mem_range(struct lodge_vm *vm, enum lodge_npt_op op, unsigned long start,
		     unsigned long end, unsigned int how, struct lodge_npt_dirty *dirty)
{
	struct lodge_slots *slots;
	unsigned int i, nr;
	bool ret = false;
	int idx;

	idx = srcu_read_lock(&vm->srcu);
	slots = lodge_slots(vm);
	/* Pairs with slots_put(), for the array and its hvas. */
	nr = smp_load_acquire(&slots->nr);
	if (start >= READ_ONCE(slots->hva_hi) || end <= READ_ONCE(slots->hva_lo))
		nr = 0;
	for (i = 0; i < nr; i++) {
		struct lodge_slot *slot = slots->slot[i];
		unsigned long s = max(start, slot->hva);
		unsigned long e = min(end, lodge_slot_hva(slot, slot->base +
							  slot->npages));
		gfn_t first = slot->base + ((s - slot->hva) >> PAGE_SHIFT);
		gfn_t after = slot->base + (PAGE_ALIGN(e - slot->hva) >> PAGE_SHIFT);

		if (s >= e)
			continue;
		if (how & LODGE_RANGE_REMAPPED)
			lodge_view_drop(slot);
		if (dirty)
			lodge_npt_written(vm, first, after,
					  first - ((s - start) >> PAGE_SHIFT), dirty);
		else
			ret |= lodge_npt_range(vm, op, first, after,
					       how & LODGE_RANGE_SLEEP);
	}
	srcu_read_unlock(&vm->srcu, idx);
	return ret;
}

static void invalidate(struct lodge_vm *vm, unsigned long start, unsigned long end,
		       unsigned int how)
{
	struct lodge_mem *mem = &vm->mem;

	spin_lock(&mem->inv_lock);
	if (!mem->inv_count) {
		WRITE_ONCE(mem->inv_start, start);
		WRITE_ONCE(mem->inv_end, end);
	} else {
		WRITE_ONCE(mem->inv_start, min(mem->inv_start, start));
		WRITE_ONCE(mem->inv_end, max(mem->inv_end, end));
	}
	/* The range first: who sees the count looks at the range. */
	smp_store_release(&mem->inv_count, mem->inv_count + 1);
	spin_unlock(&mem->inv_lock);
	/*
	 * A slot that we don't see below was made after the count: faults in
	 * it see the count.
	 */
	smp_mb();
	if (lodge_mem_range(vm, LODGE_NPT_ZAP, start, end, how, NULL))
		lodge_npt_flush(vm);
}

static void invalidated(struct lodge_mem *mem)
{
	spin_lock(&mem->inv_lock);
	WRITE_ONCE(mem->inv_seq, mem->inv_seq + 1);
	/* Who sees the count gone sees the sequence changed. */
	smp_store_release(&mem->inv_count, mem->inv_count - 1);
	spin_unlock(&mem->inv_lock);
}

/**
 * lodge_mem_remapped - other memory is behind addresses, or other rights, and no notifier said so
 * @vm: the VM
 * @start: the first address
 * @end: the one after the last
 *
 * Context: mmap_lock is held for writing; may sleep.
 */
void lodge_mem_remapped(struct lodge_vm *vm, unsigned long start, unsigned long end)
{
	invalidate(vm, start, end, LODGE_RANGE_REMAPPED | LODGE_RANGE_SLEEP);
	invalidated(&vm->mem);
}

static int notifier_start(struct mmu_notifier *mn,
			  const struct mmu_notifier_range *range)
{
	unsigned int how = 0;

	if (mmu_notifier_range_blockable(range))
		how |= LODGE_RANGE_SLEEP;
	if (range->event != MMU_NOTIFY_CLEAR)
		how |= LODGE_RANGE_REMAPPED;
	invalidate(notifier_vm(mn), range->start, range->end, how);
	return 0;
}

static void notifier_end(struct mmu_notifier *mn,
			 const struct mmu_notifier_range *range)
{
	invalidated(&notifier_vm(mn)->mem);
}

/* These three come with the host's page-table lock held. */
static int notifier_clear_flush_young(struct mmu_notifier *mn,
				      struct mm_struct *mm,
				      unsigned long start, unsigned long end)
{
	struct lodge_vm *vm = notifier_vm(mn);
	bool young = lodge_mem_range(vm, LODGE_NPT_CLEAR_YOUNG, start, end, 0, NULL);

	if (young)
		lodge_npt_flush(vm);
	return young;
}

static int notifier_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
				unsigned long start, unsigned long end)
{
	return lodge_mem_range(notifier_vm(mn), LODGE_NPT_CLEAR_YOUNG, start, end, 0,
			       NULL);
}

static int notifier_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
			       unsigned long address)
{
	return lodge_mem_range(notifier_vm(mn), LODGE_NPT_TEST_YOUNG, address,
			       address + PAGE_SIZE, 0, NULL);
}

/*
 * The process is going, its memory still there: no vCPU will run again. Nobody tells of
 * what is unmapped after this, objects among it.
 */
static void notifier_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct lodge_vm *vm = notifier_vm(mn);

	lodge_npt_zap_all(vm);
	lodge_views_ended(vm);
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = notifier_start,
	.invalidate_range_end = notifier_end,
	.clear_flush_young = notifier_clear_flush_young,
	.clear_young = notifier_clear_young,
	.test_young = notifier_test_young,
	.release = notifier_release,
};

void lodge_mem_notifier_init(struct lodge_vm *vm)
{
	vm->mem.notifier.ops = &notifier_ops;
}
