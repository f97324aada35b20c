/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entries of nested tables: what differs between the formats, and the bits
 * that are software's. Levels count from the page up: 1 is 4K, 2 2M, 3 1G.
 *
 * NPT entries are x86 page-table entries, all accesses of the guest count as
 * user accesses (APM vol. 2 15.25.5). EPT's (SDM vol. 3C 29.3.2) have the
 * write permission, the mark of a huge leaf and the frame at the same place,
 * and the read permission where those say that they are present. A leaf has
 * its memory type in it: write-back for RAM, whatever the guest's PAT says, and
 * uncached for the rest, since the host's MTRRs don't count there.
 */
#ifndef LODGE_NPT_ENTRY_H
#define LODGE_NPT_ENTRY_H

#include <linux/bits.h>
#include <linux/kvm_types.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>

#define ENTRY_PRESENT	BIT_ULL(0)
#define ENTRY_WRITE	BIT_ULL(1)
#define ENTRY_HUGE	BIT_ULL(7)
#define ENTRY_FRAME	GENMASK_ULL(51, 12)
/* Why an entry is not writable. Each reason has its own bit. */
#define ENTRY_WP_LOG	BIT_ULL(52)	/* not written since the log was taken */
#define ENTRY_WP_HOST	BIT_ULL(53)	/* the host's mapping is read-only */
/* The dirty bit was taken away for the log: the provider hasn't heard of it. */
#define ENTRY_WAS_DIRTY	BIT_ULL(54)

enum lodge_npt_kind {
	LODGE_NPT_AMD,
	LODGE_NPT_EPT,
	LODGE_NPT_EPT_NO_AD,
	LODGE_NPT_KINDS
};

/**
 * struct lodge_npt_format - what a format's entries look like
 * @table: bits of an entry that leads to a table
 * @leaf: bits of an entry that maps memory, but for ENTRY_*
 * @ram: more bits of one that maps RAM
 * @execute: one of those of @leaf: may be executed. 0 if there is no such bit
 * @accessed: the entry was used
 * @dirty: the page was written
 * @writable: bits of a leaf that may be written, but wasn't yet
 * @mmio: an entry, not present, where no slot is: the CPU tells an access there
 *	from one to memory that isn't mapped yet. 0 if it can't
 * @ad: the hardware sets @accessed and @dirty. Else they are set with the
 *	entry: a page that may be written counts as dirty, and one stops being
 *	young by being taken out
 */
struct lodge_npt_format {
	u64 table;
	u64 leaf;
	u64 ram;
	u64 execute;
	u64 accessed;
	u64 dirty;
	u64 writable;
	u64 mmio;
	bool ad;
};

extern const struct lodge_npt_format lodge_npt_formats[LODGE_NPT_KINDS];

static inline unsigned long level_pages(int level)
{
	return 1ul << (9 * (level - 1));
}

static inline unsigned int level_index(gfn_t gfn, int level)
{
	return (gfn >> (9 * (level - 1))) & 511;
}

static inline bool entry_is_table(u64 entry, int level)
{
	return level > 1 && (entry & (ENTRY_PRESENT | ENTRY_HUGE)) ==
			    ENTRY_PRESENT;
}

static inline kvm_pfn_t entry_pfn(u64 entry)
{
	return (entry & ENTRY_FRAME & ~sme_me_mask) >> PAGE_SHIFT;
}

static inline u64 *entry_table(u64 entry)
{
	return __va(entry_pfn(entry) << PAGE_SHIFT);
}

#endif /* LODGE_NPT_ENTRY_H */
