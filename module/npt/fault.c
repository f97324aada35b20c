// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nested faults: from a guest frame through its slot and its provider to an
 * entry. Most are served in the inner loop, interrupts off: the slot is the
 * one that was hit last, the provider knows the frame without sleeping, and
 * one compare-and-exchange puts it in.
 */
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <asm/memtype.h>

#include "backend.h"
#include "npt/entry.h"

/* A fault on its way; what enum lodge_npf can't say comes above it. */
struct fault {
	struct lodge_vcpu *vcpu;
	struct lodge_slot *slot;
	struct lodge_page page;
	gfn_t gfn;
	u64 seq;		/* of invalidations, before page was looked up */
	bool write;
	bool fetch;		/* of what is executed from 4K leaves only */
};

#define NPF_RETRY	100	/* overtaken by an invalidation */
#define NPF_LOOKUP	101	/* the provider must be asked */

/* Tables for the worst case: a way down from a root with nothing below it. */
static int cache_fill(struct lodge_mmu_cache *cache, int levels)
{
	while (cache->nr < levels - 1) {
		void *page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);

		if (!page)
			return -ENOMEM;
		cache->page[cache->nr++] = page;
	}
	return 0;
}

/*
 * Whether the page of fault @f, with what lies beside it in a leaf of @level,
 * may have become stale since it was looked up: see mem/user.c.
 */
static bool overtaken(const struct fault *f, int level)
{
	const struct lodge_mem *mem = &f->vcpu->vm->mem;
	unsigned long size = level_pages(level) << PAGE_SHIFT;
	unsigned long hva = lodge_slot_hva(f->slot, f->gfn) & ~(size - 1);

	/* Pairs with notifier_start() and notifier_end(). */
	if (unlikely(smp_load_acquire(&mem->inv_count)) &&
	    hva < READ_ONCE(mem->inv_end) &&
	    hva + size > READ_ONCE(mem->inv_start))
		return true;
	/* After the range: a range that is gone has changed the sequence. */
	smp_rmb();
	return unlikely(READ_ONCE(mem->inv_seq) != f->seq);
}

/* The largest leaf that the slot's place and size allow. */
static int fit(const struct fault *f, int level)
{
	const struct lodge_slot *slot = f->slot;

	/* The log counts in 4K pages. */
	if (slot->dirty || f->fetch)
		return 1;
	if (level == 3 && !lodge_caps.npt_1g)
		level = 2;
	for (; level > 1; level--) {
		u64 pages = level_pages(level);
		gfn_t base = f->gfn & ~(pages - 1);

		if (!((slot->base ^ (slot->hva >> PAGE_SHIFT)) & (pages - 1)) &&
		    base >= slot->base &&
		    base + pages <= slot->base + slot->npages)
			break;
	}
	return level;
}

/* Not a device's, which a driver has put into the process. */
static bool is_ram(kvm_pfn_t pfn)
{
	return pfn_valid(pfn) && (!PageReserved(pfn_to_page(pfn)) ||
				  is_zero_pfn(pfn) ||
				  !pat_pfn_immune_to_uc_mtrr(pfn));
}

static u64 leaf(const struct fault *f, const struct lodge_npt_format *fmt,
		int level)
{
	kvm_pfn_t pfn = f->page.pfn & ~(kvm_pfn_t)(level_pages(level) - 1);
	u64 entry = fmt->leaf | fmt->accessed | ((u64)pfn << PAGE_SHIFT);
	u64 ram = fmt->ram;

	/* Memory is encrypted as the host's own mapping of RAM is. */
	if ((ram | sme_me_mask) && is_ram(pfn))
		entry |= ram | sme_me_mask;
	if (level > 1) {
		entry |= ENTRY_HUGE;
		if (lodge_caps.npt_split_code)
			entry &= ~fmt->execute;
	}
	if (!f->page.writable || (f->slot->flags & KVM_MEM_READONLY))
		return entry | ENTRY_WP_HOST;
	if (f->write)
		return entry | ENTRY_WRITE | fmt->dirty;
	if (!f->slot->dirty || lodge_caps.npt_log)
		return entry | fmt->writable;
	return entry | ENTRY_WP_LOG;
}

/*
 * Puts a table in at @ptep, of @level, where @old is: nothing, or a leaf. The
 * table then says the same in smaller leaves, so that nothing is flushed.
 */
static int put_table(const struct fault *f, const struct lodge_npt_format *fmt,
		     u64 *ptep, u64 old, int level)
{
	struct lodge_mmu_cache *cache = &f->vcpu->mmu_cache;
	struct lodge_npt *npt = &f->vcpu->vm->npt;
	u64 *table, part;
	int i;

	if (!cache->nr)
		return LODGE_NPF_RETRY_SLOW;
	table = cache->page[cache->nr - 1];
	if (old & ENTRY_PRESENT) {
		part = level == 2 ? (old & ~ENTRY_HUGE) | fmt->execute : old;
		for (i = 0; i < 512; i++)
			table[i] = part + ((u64)i * level_pages(level - 1) <<
					   PAGE_SHIFT);
	}
	if (!try_cmpxchg64(ptep, &old, fmt->table | __sme_set(__pa(table)))) {
		/* Another was faster. Caches hold empty tables. */
		clear_page(table);
		return NPF_RETRY;
	}
	cache->nr--;
	atomic64_inc(&npt->tables);
	if (old & ENTRY_PRESENT) {
		atomic64_dec(&npt->pages[level]);
		atomic64_add(512, &npt->pages[level - 1]);
	}
	return LODGE_NPF_FIXED;
}

/*
 * The leaf that @old shall become: what the provider found or, if it wasn't
 * asked, the same leaf but for the log's write protection. 0: ask it.
 */
static u64 next_leaf(const struct fault *f, const struct lodge_npt_format *fmt,
		     u64 old, int level, bool asked)
{
	u64 new;

	if (asked) {
		new = leaf(f, fmt, level);
		/* Zapping comes before a change of frames. */
		if (WARN_ON_ONCE((old & ENTRY_PRESENT) &&
				 entry_pfn(old) != entry_pfn(new)))
			return 0;
		return new | (old & (fmt->accessed | fmt->dirty |
				     ENTRY_WAS_DIRTY));
	}
	if ((old & (ENTRY_PRESENT | ENTRY_WP_LOG | ENTRY_WP_HOST)) !=
	    (ENTRY_PRESENT | ENTRY_WP_LOG))
		return 0;
	return (old & ~ENTRY_WP_LOG) | ENTRY_WRITE | fmt->accessed | fmt->dirty;
}

/* What lies beside the page can be put in with it. */
static bool whole(struct fault *f)
{
	return !f->page.page || f->page.whole ||
	       f->slot->provider->widen(&f->page);
}

/* Under npt.lock (read). Walks down to @level, and puts the leaf in. */
static int map(struct fault *f, int level, bool asked)
{
	struct lodge_npt *npt = &f->vcpu->vm->npt;
	const struct lodge_npt_root *root = npt->root;
	const struct lodge_npt_format *fmt = &lodge_npt_formats[root->role.format];
	u64 *ptep, old, new, *table = root->table;
	int ret, l = root->role.levels;

	for (;;) {
		ptep = table + level_index(f->gfn, l);
		old = READ_ONCE(*ptep);
		if (entry_is_table(old, l)) {
			table = entry_table(old);
			l--;
			continue;
		}
		/* Another vCPU was here before, or the TLB was stale. */
		if ((old & ENTRY_PRESENT) && (!f->write || (old & ENTRY_WRITE)) &&
		    !(f->fetch && l > 1))
			return LODGE_NPF_FIXED;
		if (!asked && !(old & ENTRY_PRESENT))
			return NPF_LOOKUP;
		if (l == level && l > 1 && !whole(f))
			level = 1;
		if (l > level) {
			ret = put_table(f, fmt, ptep, old, l);
			if (ret == LODGE_NPF_RETRY_SLOW)
				return ret;
			continue;
		}
		new = next_leaf(f, fmt, old, l, asked);
		if (!new)
			return asked ? -EIO : NPF_LOOKUP;
		if (try_cmpxchg64(ptep, &old, new))
			break;
	}
	if (!(old & ENTRY_PRESENT))
		atomic64_inc(&npt->pages[l]);
	if (f->write)
		lodge_slot_mark_dirty(f->vcpu, f->slot, f->gfn);
	return LODGE_NPF_FIXED;
}

static int map_locked(struct fault *f, int level, bool asked, bool atomic)
{
	struct lodge_npt *npt = &f->vcpu->vm->npt;
	int ret;

	/* With interrupts off nobody waits for who zaps: it may take a while. */
	if (!atomic)
		read_lock(&npt->lock);
	else if (!read_trylock(&npt->lock))
		return LODGE_NPF_RETRY_SLOW;
	if (asked && (f->slot->invalid || overtaken(f, level)))
		ret = NPF_RETRY;
	else
		ret = map(f, level, asked);
	read_unlock(&npt->lock);
	return ret;
}

static int resolve(struct fault *f, bool atomic)
{
	const struct lodge_provider *provider = f->slot->provider;
	int ret;

	f->seq = READ_ONCE(f->vcpu->vm->mem.inv_seq);
	/* Pairs with notifier_end(): the host's entries come after this. */
	smp_rmb();
	ret = provider->get(f->slot, lodge_slot_hva(f->slot, f->gfn), f->write,
			    atomic, &f->page);
	if (ret)
		return ret;
	ret = map_locked(f, fit(f, f->page.level), true, atomic);
	if (provider->release)
		provider->release(&f->page, f->write);
	return ret;
}

/* As the process's own access to a poisoned page would end. */
static int poisoned(const struct fault *f)
{
	send_sig_mceerr(BUS_MCEERR_AR,
			(void __user *)lodge_slot_hva(f->slot, f->gfn),
			PAGE_SHIFT, current);
	return LODGE_NPF_FIXED;
}

static int fault_slow(struct fault *f)
{
	int levels = f->vcpu->vm->npt.root->role.levels;
	int tries, ret;

	/*
	 * While an invalidation is under way there is no end of retries: the
	 * guest is entered again, where signals and interrupts are noticed.
	 */
	for (tries = 0; tries < 4; tries++) {
		ret = cache_fill(&f->vcpu->mmu_cache, levels);
		if (ret)
			return ret;
		ret = resolve(f, false);
		if (ret == -EHWPOISON)
			return poisoned(f);
		if (ret == -EAGAIN)
			return LODGE_NPF_FIXED;
		if (ret == -EIO)
			lodge_vm_kill(f->vcpu->vm,
				      "its nested tables name a frame that has gone");
		if (ret != NPF_RETRY && ret != LODGE_NPF_RETRY_SLOW)
			return ret;
		cond_resched();
	}
	return LODGE_NPF_FIXED;
}

/*
 * Whether there is memory in a leaf of @level at @base, or the APIC-access page,
 * which comes and goes without being published.
 */
static bool has_memory(struct lodge_vm *vm, gfn_t base, int level)
{
	u64 pages = level_pages(level);

	return lodge_slots_overlap(lodge_slots(vm), NULL, base, base + pages) ||
	       (vm->irq.access &&
		(APIC_DEFAULT_PHYS_BASE >> PAGE_SHIFT) - base < pages);
}

/*
 * Under npt.lock (read). No slot was found for the frame: says so in the
 * tables, unless one has come since. One that comes now will zap the entry.
 */
static int put_mmio(const struct fault *f)
{
	const struct lodge_npt_root *root = f->vcpu->vm->npt.root;
	const struct lodge_npt_format *fmt = &lodge_npt_formats[root->role.format];
	u64 *ptep, old, *table = root->table;
	int l = root->role.levels;

	if (f->gfn >= level_pages(l + 1))
		return LODGE_NPF_MMIO;
	for (;;) {
		ptep = table + level_index(f->gfn, l);
		old = READ_ONCE(*ptep);
		if (entry_is_table(old, l)) {
			table = entry_table(old);
			l--;
			continue;
		}
		if (old)
			return LODGE_NPF_MMIO;
		if (!has_memory(f->vcpu->vm,
				f->gfn & ~(gfn_t)(level_pages(l) - 1), l))
			break;
		if (l == 1)
			return LODGE_NPF_MMIO;
		if (put_table(f, fmt, ptep, old, l) == LODGE_NPF_RETRY_SLOW)
			return LODGE_NPF_RETRY_SLOW;
	}
	cmpxchg64(ptep, old, fmt->mmio);
	return LODGE_NPF_MMIO;
}

/*
 * Returns LODGE_NPF_MMIO, or LODGE_NPF_RETRY_SLOW if a table is needed for it.
 * Apart, so that the way to memory saves no registers for it.
 */
static noinline int no_slot(const struct fault *f, bool atomic)
{
	struct lodge_npt *npt = &f->vcpu->vm->npt;
	int ret = LODGE_NPF_MMIO;

	/* Without a table to be had it is as it is without all this. */
	if (!atomic && cache_fill(&f->vcpu->mmu_cache, npt->root->role.levels))
		return ret;
	if (!atomic)
		read_lock(&npt->lock);
	else if (!read_trylock(&npt->lock))
		return ret;
	ret = put_mmio(f);
	read_unlock(&npt->lock);
	return ret;
}

/**
 * lodge_npt_fault - serve a nested fault
 * @vcpu: the calling thread's vCPU, under vm->srcu, in its VM's process
 * @gpa: where
 * @flags: LODGE_NPF_*
 * @atomic: interrupts are off; nothing sleeps
 *
 * Return: enum lodge_npf, or an errno for KVM_RUN: -EFAULT if nothing is
 * behind the slot, -ENOMEM, -EINTR.
 */
int lodge_npt_fault(struct lodge_vcpu *vcpu, gpa_t gpa, u32 flags, bool atomic)
{
	struct fault f = {
		.vcpu = vcpu,
		.gfn = gpa >> PAGE_SHIFT,
		.write = flags & LODGE_NPF_WRITE,
		.fetch = (flags & LODGE_NPF_FETCH) && lodge_caps.npt_split_code,
	};
	int ret;

	f.slot = lodge_slot_find_vcpu(vcpu, f.gfn);
	if (!f.slot && unlikely(vcpu->vm->irq.access))
		f.slot = lodge_access_slot(vcpu->vm, f.gfn);
	if (!f.slot)
		return lodge_caps.npt_ept ? no_slot(&f, atomic) : LODGE_NPF_MMIO;
	if (f.write && (f.slot->flags & KVM_MEM_READONLY))
		return LODGE_NPF_MMIO;
	/* Soon gone: the guest comes back until it is. */
	if (unlikely(READ_ONCE(f.slot->invalid)))
		return LODGE_NPF_FIXED;
	if (f.write && f.slot->dirty && (flags & LODGE_NPF_PRESENT)) {
		/* The page is there, and only the dirty log protects it. */
		ret = map_locked(&f, 1, false, atomic);
		if (ret == LODGE_NPF_FIXED)
			return ret;
	}
	if (!atomic)
		return fault_slow(&f);
	ret = resolve(&f, true);
	if (ret == NPF_RETRY)
		return LODGE_NPF_FIXED;
	return ret < 0 ? LODGE_NPF_RETRY_SLOW : ret;
}

/**
 * lodge_npt_logged - the hardware has marked a page dirty, and logged it
 * @vcpu: whose log it is; its own thread, under vm->srcu
 * @gpa: what the log says
 *
 * For a vendor with lodge_caps.npt_log, which turns logging on at the entry to the
 * inner loop if lodge_mem_logged(), and empties the log before it leaves it: who
 * reads the dirty bitmap makes all vCPUs leave first.
 *
 * Context: any; interrupts may be off.
 */
void lodge_npt_logged(struct lodge_vcpu *vcpu, gpa_t gpa)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;
	struct lodge_slot *slot = lodge_slot_find_vcpu(vcpu, gfn);

	if (slot)
		lodge_slot_mark_dirty(vcpu, slot, gfn);
}
