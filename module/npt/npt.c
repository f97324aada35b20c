// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Nested page tables
 *
 * The tables that translate guest-physical into host-physical addresses. They
 * are a cache of what the slots and their providers say: an entry is put in by
 * a fault (fault.c) and may be taken out at any time, when the next access
 * faults again. This room knows slots and providers (mem/mem.h) and nothing of
 * where memory comes from.
 *
 * Objects. A root (struct lodge_npt_root) is the top of one set of tables with
 * a role: levels, format. All vCPUs share the root of their address space.
 * Tables below it are single pages, charged to the process, made ahead where
 * sleeping is allowed (struct lodge_mmu_cache). A table is never half there:
 * it is filled, and then put in by one compare-and-exchange.
 *
 * Entries. Two formats, one walker: entry.h. Leaves map 4K, 2M or 1G, never
 * more than the host itself maps with one entry. A leaf that isn't writable
 * says why, each reason in a bit of its own: the host's mapping is read-only,
 * or the dirty log waits for the next write. Where the hardware logs the pages
 * that it marks dirty (SDM vol. 3C 29.3.6) leaves of 4K stay writable, and the log
 * waits for their dirty bit.
 *
 * Where no slot is, an EPT entry can say so: it is misconfigured, which makes
 * another exit than memory that isn't mapped yet, and slots needn't be searched.
 * Such an entry covers as much as is free of slots, so that no more tables are
 * made for it than slots have edges; it isn't present, counts as nothing, is
 * cached by no TLB (29.4.3), and is zapped when a slot is put there.
 *
 * Locks. npt.lock is taken for reading by faults, which run side by side and
 * change entries by compare-and-exchange, and by the operations that only
 * change bits of leaves. Zapping takes it for writing: when it has the lock no
 * fault is under way. It is a leaf lock but for the host's own locks of page
 * accounting; nothing sleeps or waits for another CPU under it, since vCPUs
 * with interrupts off wait for it. Long ranges let it go between tables.
 *
 * TLBs. Who takes something away flushes, without the lock, before what lay
 * there may be used otherwise. npt.gen counts what was taken away,
 * npt.flushed how much of it all TLBs know: the one who finds nothing to zap
 * because another has just zapped it, but not yet flushed, must flush too.
 * Tables that were taken out wait in npt.dead for the flush, as the hardware
 * may still be walking them.
 *
 * Accessed and dirty bits are the hardware's, if it has any (entry.h); they go
 * to the provider when an entry goes. Merging asks for dirty bits before that, and
 * takes them away (lodge_npt_written()).
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <asm/vmx.h>

#include "backend.h"
#include "npt/entry.h"

/* Entries looked at before npt.lock is let go. */
#define WALK_BUDGET	2048

#define EPT_TABLE	(VMX_EPT_RWX_MASK | VMX_EPT_ACCESS_BIT)
#define EPT_LEAF	(VMX_EPT_READABLE_MASK | VMX_EPT_EXECUTABLE_MASK | \
			 VMX_EPT_IPAT_BIT)
#define EPT_WB		((u64)VMX_EPTP_MT_WB << VMX_EPT_MT_EPTE_SHIFT)

const struct lodge_npt_format lodge_npt_formats[LODGE_NPT_KINDS] = {
	[LODGE_NPT_AMD] = {
		.table = _PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED,
		.leaf = _PAGE_PRESENT | _PAGE_USER,
		.accessed = _PAGE_ACCESSED,
		.dirty = _PAGE_DIRTY,
		.writable = ENTRY_WRITE,
		.ad = true,
	},
	[LODGE_NPT_EPT] = {
		.table = EPT_TABLE,
		.leaf = EPT_LEAF,
		.ram = EPT_WB,
		.execute = VMX_EPT_EXECUTABLE_MASK,
		.accessed = VMX_EPT_ACCESS_BIT,
		.dirty = VMX_EPT_DIRTY_BIT,
		.writable = ENTRY_WRITE,
		.mmio = VMX_EPT_MISCONFIG_WX_VALUE,
		.ad = true,
	},
	/* The CPU doesn't look at the two bits, which are software's then. */
	[LODGE_NPT_EPT_NO_AD] = {
		.table = EPT_TABLE,
		.leaf = EPT_LEAF,
		.ram = EPT_WB,
		.execute = VMX_EPT_EXECUTABLE_MASK,
		.accessed = VMX_EPT_ACCESS_BIT,
		.dirty = VMX_EPT_DIRTY_BIT,
		.writable = ENTRY_WRITE | VMX_EPT_DIRTY_BIT,
		.mmio = VMX_EPT_MISCONFIG_WX_VALUE,
	},
};

struct walk {
	struct lodge_vm *vm;
	const struct lodge_npt_format *fmt;
	enum lodge_npt_op op;
	gfn_t start, end;
	gfn_t next;		/* where to go on */
	gfn_t mask_base;	/* of mask and dirty, ~0 without */
	unsigned long mask;
	u8 *pages;		/* of a survey: a byte for each page from start on */
	struct lodge_npt_dirty *dirty;	/* of LODGE_NPT_CLEAN, and who ages pages */
	int budget;
	bool found;		/* changed, or young */
};

/* Whether the walk takes entries out, and npt.lock is wanted for writing. */
static bool zaps(const struct walk *w)
{
	return w->op == LODGE_NPT_ZAP ||
	       (w->op == LODGE_NPT_CLEAR_YOUNG && !w->fmt->ad && !w->dirty);
}

static bool zap_leaf(struct walk *w, u64 *ptep, int level)
{
	u64 old = xchg(ptep, 0);

	atomic64_dec(&w->vm->npt.pages[level]);
	/* Who asks whether the page is young isn't told a second time. */
	w->vm->mem.provider->touched(entry_pfn(old),
				     w->op == LODGE_NPT_ZAP &&
				     (old & w->fmt->accessed),
				     old & (w->fmt->dirty | ENTRY_WAS_DIRTY));
	return true;
}

static bool protect_leaf(struct walk *w, u64 *ptep, int level)
{
	u64 old = READ_ONCE(*ptep), take = ENTRY_WRITE, why = ENTRY_WP_LOG;

	if (level == 1 && w->mask_base != ~0ull &&
	    !(w->mask >> (w->next - w->mask_base) & 1))
		return false;
	if (level == 1 && lodge_caps.npt_log) {
		take = w->fmt->dirty;
		why = ENTRY_WAS_DIRTY;
	}
	do {
		/* A fault may have put a table here: it will see the log. */
		if ((old & (ENTRY_PRESENT | take)) != (ENTRY_PRESENT | take) ||
		    entry_is_table(old, level))
			/* Merging may just have taken it, and TLBs have it still. */
			return (old & ENTRY_PRESENT) && why == ENTRY_WAS_DIRTY &&
			       old & ENTRY_WAS_DIRTY;
	} while (!try_cmpxchg64(ptep, &old, (old & ~take) | why));
	return true;
}

/* A leaf that isn't one page's doesn't say which page was written. */
static bool clean_leaf(struct walk *w, u64 *ptep, int level)
{
	struct lodge_npt_dirty *d = w->dirty;
	u64 old = READ_ONCE(*ptep), bit;

	if (!d->whole && (level > 1 || !w->fmt->ad))
		return false;
	bit = d->whole ? 1 : BIT_ULL(w->next - w->mask_base);
	d->huge |= level > 1;
	/* What is a page's own is left for who asks for pages. */
	if (!w->fmt->ad || (d->whole && level == 1)) {
		d->written |= !w->fmt->ad || old & w->fmt->dirty ? bit : 0;
		return false;
	}
	do {
		if (!(old & w->fmt->dirty)) {
			d->still |= bit;
			return false;
		}
	} while (!try_cmpxchg64(ptep, &old, (old & ~w->fmt->dirty) | ENTRY_WAS_DIRTY));
	d->written |= bit;
	return true;
}

/* A large leaf says it of all pages at once, or, asked for some of them, of each of those. */
static bool age_leaf(struct walk *w, u64 *ptep, int level)
{
	struct lodge_npt_dirty *d = w->dirty;
	bool all = d->whole || level == 1, young;
	gfn_t last = level == 1 ? w->next : min(w->end - 1, w->next | (level_pages(level) - 1));
	u64 bits = d->whole ? 1 : GENMASK_ULL(last - w->mask_base, w->next - w->mask_base);

	d->huge |= level > 1;
	d->blind |= !w->fmt->ad;
	if (!w->fmt->ad)
		return false;
	young = READ_ONCE(*ptep) & w->fmt->accessed;
	if (young && all)
		clear_bit(__ffs64(w->fmt->accessed), (unsigned long *)ptep);
	if (young)
		d->young |= bits;
	else
		d->still |= bits;
	return young && all;
}

/* Of what is mapped of the range by an entry, from w->next on. */
static bool survey_leaf(struct walk *w, u64 entry, int level)
{
	gfn_t gfn, end = (w->next | (level_pages(level) - 1)) + 1;
	u8 bits = LODGE_MAP_MAPPED | (entry & w->fmt->accessed ? LODGE_MAP_YOUNG : 0);

	for (gfn = w->next; gfn < min(end, w->end); gfn++)
		w->pages[gfn - w->start] |= bits;
	return false;
}

static bool do_leaf(struct walk *w, u64 *ptep, int level)
{
	u64 accessed = w->fmt->accessed;

	switch (w->op) {
	case LODGE_NPT_ZAP:
		return zap_leaf(w, ptep, level);
	case LODGE_NPT_PROTECT:
		return protect_leaf(w, ptep, level);
	case LODGE_NPT_TEST_YOUNG:
		return READ_ONCE(*ptep) & accessed;
	case LODGE_NPT_CLEAR_YOUNG:
		if (w->dirty)
			return age_leaf(w, ptep, level);
		if (!w->fmt->ad)
			return zap_leaf(w, ptep, level);
		return test_and_clear_bit(__ffs64(accessed),
					  (unsigned long *)ptep);
	case LODGE_NPT_CLEAN:
		return clean_leaf(w, ptep, level);
	case LODGE_NPT_SURVEY:
		return survey_leaf(w, READ_ONCE(*ptep), level);
	}
	return false;
}

/* Takes out a table that all of the range covers, if it is empty. */
static void zap_table(struct walk *w, u64 *ptep, u64 *table, int level)
{
	struct lodge_npt *npt = &w->vm->npt;

	/* The last level was walked in one go; above, faults came between. */
	if (level > 1 && memchr_inv(table, 0, PAGE_SIZE))
		return;
	WRITE_ONCE(*ptep, 0);
	list_add(&virt_to_page(table)->lru, &npt->dead);
	atomic64_dec(&npt->tables);
	w->found = true;
}

/* Goes on at w->next, until the end of the table, the range or the budget. */
static bool walk_table(struct walk *w, u64 *table, int level)
{
	unsigned long span = level_pages(level);

	do {
		gfn_t base = w->next & ~(gfn_t)(span - 1);
		u64 *ptep = table + level_index(base, level);
		u64 entry = READ_ONCE(*ptep);

		if (level > 1 && w->budget <= 0)
			return false;
		w->budget--;
		if (entry_is_table(entry, level)) {
			if (!walk_table(w, entry_table(entry), level - 1))
				return false;
			if (w->op == LODGE_NPT_ZAP && w->start <= base &&
			    base + span <= w->end)
				zap_table(w, ptep, entry_table(entry), level - 1);
		} else {
			if (entry & ENTRY_PRESENT)
				w->found |= do_leaf(w, ptep, level);
			else if (entry && w->op == LODGE_NPT_ZAP)
				WRITE_ONCE(*ptep, 0);
			w->next = base + span;
		}
	} while (w->next < w->end && level_index(w->next, level));
	return true;
}

/* As far as the budget goes. */
static void walk_some(struct walk *w, struct lodge_npt_root *root)
{
	struct lodge_npt *npt = &w->vm->npt;

	if (zaps(w)) {
		write_lock(&npt->lock);
		walk_table(w, root->table, root->role.levels);
		/* Under the lock: who finds an entry gone finds gen changed. */
		if (w->found)
			atomic64_inc(&npt->gen);
		write_unlock(&npt->lock);
	} else {
		read_lock(&npt->lock);
		walk_table(w, root->table, root->role.levels);
		/* TLBs have what was taken away. */
		if (w->found && (w->op == LODGE_NPT_PROTECT || w->dirty))
			atomic64_inc(&npt->gen);
		read_unlock(&npt->lock);
	}
}

static bool walk(struct walk *w, bool may_sleep)
{
	struct lodge_npt *npt = &w->vm->npt;
	struct lodge_npt_root *root;

	/* Roots come and go with the VM only. */
	list_for_each_entry(root, &npt->roots, list) {
		w->fmt = &lodge_npt_formats[root->role.format];
		w->next = w->start;
		w->end = min_t(gfn_t, w->end,
			       level_pages(root->role.levels + 1));
		while (w->next < w->end) {
			w->budget = may_sleep ? WALK_BUDGET : INT_MAX;
			walk_some(w, root);
			if (may_sleep)
				cond_resched();
		}
	}
	if (w->op != LODGE_NPT_ZAP && w->op != LODGE_NPT_PROTECT)
		return w->found;
	return w->found || atomic64_read(&npt->gen) !=
			   atomic64_read(&npt->flushed);
}

/**
 * lodge_npt_range - do something to all that is mapped of a range
 * @vm: the VM
 * @op: zap, write-protect for the dirty log, test or clear accessed bits
 * @start: the first guest frame
 * @end: the one after the last; any number
 * @may_sleep: the lock may be let go in between, and others may run
 *
 * Context: interrupts on; sleeps only with @may_sleep.
 * Return: for zapping and protecting, whether lodge_npt_flush() must follow;
 * for the others, whether any page was young.
 */
bool lodge_npt_range(struct lodge_vm *vm, enum lodge_npt_op op, gfn_t start,
		     gfn_t end, bool may_sleep)
{
	struct walk w = { .vm = vm, .op = op, .start = start, .end = end,
			  .mask_base = ~0ull };

	return walk(&w, may_sleep);
}

/**
 * lodge_npt_survey - say of pages whether they are mapped, and were used
 * @vm: the VM
 * @start: the first guest frame
 * @end: the one after the last
 * @pages: a byte for each; LODGE_MAP_MAPPED and LODGE_MAP_YOUNG are added
 *
 * Context: doesn't sleep.
 */
void lodge_npt_survey(struct lodge_vm *vm, gfn_t start, gfn_t end, u8 *pages)
{
	struct walk w = { .vm = vm, .op = LODGE_NPT_SURVEY, .start = start, .end = end,
			  .mask_base = ~0ull, .pages = pages };

	walk(&w, false);
}

/**
 * lodge_npt_written - which pages were written, or with @dirty->age used, and begin anew
 * @vm: the VM
 * @start: the first guest frame
 * @end: the one after the last
 * @base: the one that bit 0 stands for, if it were one of them; 64 bits are enough
 * @dirty: bits are added; none for what isn't mapped by a 4K leaf that has a dirty bit.
 *	With @dirty->whole the range is of any size, leaves of any size count, those
 *	that have no dirty bit as written; only of large ones it is taken away
 *
 * A CPU that has the page in its TLB sets no bit again: lodge_npt_flush_rest() sees to
 * it, for many at once.
 *
 * Context: doesn't sleep.
 */
void lodge_npt_written(struct lodge_vm *vm, gfn_t start, gfn_t end, gfn_t base,
		       struct lodge_npt_dirty *dirty)
{
	struct walk w = { .vm = vm, .start = start, .end = end, .mask_base = base,
			  .op = dirty->age ? LODGE_NPT_CLEAR_YOUNG : LODGE_NPT_CLEAN,
			  .dirty = dirty };

	walk(&w, false);
}

/**
 * lodge_npt_protect_mask - write-protect some of 64 pages for the dirty log
 * @vm: the VM
 * @gfn: the first one
 * @mask: bit n is for gfn + n; not 0
 *
 * Return: whether lodge_npt_flush() must follow.
 */
bool lodge_npt_protect_mask(struct lodge_vm *vm, gfn_t gfn, unsigned long mask)
{
	struct walk w = { .vm = vm, .op = LODGE_NPT_PROTECT, .mask_base = gfn,
			  .mask = mask, .start = gfn + __ffs(mask),
			  .end = gfn + __fls(mask) + 1 };

	return walk(&w, true);
}

static void free_dead(struct list_head *dead)
{
	struct page *page, *n;

	list_for_each_entry_safe(page, n, dead, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

/**
 * lodge_npt_flush - make all vCPUs forget what was taken out of the tables
 * @vm: the VM
 *
 * Context: interrupts on, npt.lock not held; does not sleep.
 */
void lodge_npt_flush(struct lodge_vm *vm)
{
	struct lodge_npt *npt = &vm->npt;
	s64 gen, flushed;
	LIST_HEAD(dead);

	/* What was taken out before this is known after the request. */
	gen = atomic64_read(&npt->gen);
	if (!list_empty_careful(&npt->dead)) {
		write_lock(&npt->lock);
		list_splice_init(&npt->dead, &dead);
		gen = atomic64_read(&npt->gen);
		write_unlock(&npt->lock);
	}
	lodge_vm_request_all(vm, LODGE_REQ_TLB_FLUSH);
	flushed = atomic64_read(&npt->flushed);
	while (flushed < gen &&
	       !atomic64_try_cmpxchg(&npt->flushed, &flushed, gen))
		;
	free_dead(&dead);
}

/** lodge_npt_flush_rest - lodge_npt_flush(), if anything was taken away since the last one */
void lodge_npt_flush_rest(struct lodge_vm *vm)
{
	if (atomic64_read(&vm->npt.gen) != atomic64_read(&vm->npt.flushed))
		lodge_npt_flush(vm);
}

/**
 * lodge_npt_zap_all - take out everything, and flush
 * @vm: the VM
 *
 * Context: may sleep.
 */
void lodge_npt_zap_all(struct lodge_vm *vm)
{
	if (lodge_npt_zap(vm, 0, ~0ull))
		lodge_npt_flush(vm);
}

/**
 * lodge_npt_root_hpa - what the hardware is given as nested CR3
 * @vm: the VM
 */
u64 lodge_npt_root_hpa(struct lodge_vm *vm)
{
	return vm->npt.root->hpa;
}

/** lodge_mmu_cache_free - free the tables that a vCPU has in hand */
void lodge_mmu_cache_free(struct lodge_mmu_cache *cache)
{
	while (cache->nr)
		free_page((unsigned long)cache->page[--cache->nr]);
}

static struct lodge_npt_root *root_new(struct lodge_npt *npt,
				       union lodge_npt_role role)
{
	struct lodge_npt_root *root = kzalloc(sizeof(*root), GFP_KERNEL_ACCOUNT);

	if (!root)
		return NULL;
	root->table = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!root->table) {
		kfree(root);
		return NULL;
	}
	root->hpa = __sme_set(__pa(root->table));
	root->role = role;
	refcount_set(&root->users, 1);
	list_add(&root->list, &npt->roots);
	atomic64_inc(&npt->tables);
	return root;
}

/* Nobody walks the tables of a root without users, nor does the hardware. */
static void root_put(struct lodge_npt *npt, struct lodge_npt_root *root)
{
	if (!refcount_dec_and_test(&root->users))
		return;
	list_del(&root->list);
	free_page((unsigned long)root->table);
	atomic64_dec(&npt->tables);
	kfree_rcu(root, rcu);
}

/**
 * lodge_npt_init - a VM's nested tables, empty
 * @vm: the VM
 *
 * Return: 0, or -ENOMEM.
 */
int lodge_npt_init(struct lodge_vm *vm)
{
	struct lodge_npt *npt = &vm->npt;
	union lodge_npt_role role = {
		.levels = lodge_caps.npt_levels,
		.format = !lodge_caps.npt_ept ? LODGE_NPT_AMD :
			  lodge_caps.npt_ad ? LODGE_NPT_EPT :
			  LODGE_NPT_EPT_NO_AD,
	};

	rwlock_init(&npt->lock);
	INIT_LIST_HEAD(&npt->roots);
	INIT_LIST_HEAD(&npt->dead);
	npt->root = root_new(npt, role);
	return npt->root ? 0 : -ENOMEM;
}

/**
 * lodge_npt_destroy - the end of a VM's nested tables
 * @vm: the VM: no vCPU is left, no notifier calls any more
 */
void lodge_npt_destroy(struct lodge_vm *vm)
{
	struct lodge_npt *npt = &vm->npt;

	lodge_npt_zap(vm, 0, ~0ull);
	free_dead(&npt->dead);
	root_put(npt, npt->root);
	WARN_ON_ONCE(atomic64_read(&npt->tables));
}
