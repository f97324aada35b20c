// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linear addresses, for debuggers: what the guest's page tables make of them. KVM_TRANSLATE
 * looks with the eyes of the guest's kernel, which has no view of a program's pages while
 * SMAP forbids it; a debugger may see all that is mapped, whoever it is for.
 *
 * The tables are a guest's: they may be anywhere, say anything, and change meanwhile. Each
 * entry is read once, and no more of them than there are levels.
 */
#include <asm/processor-flags.h>
#include <linux/kvm.h>
#include <string.h>

#include "mem.h"
#include "walk.h"

#define ENTRY_P		(1u << 0)
#define ENTRY_PS	(1u << 7)
#define ADDRESS		0x000ffffffffff000ull

/**
 * walk() - the guest-physical address of a linear one
 * @mem: guest memory
 * @sregs: of the vCPU whose address space it is
 * @addr: the address
 * @gpa: the answer, which need not be RAM
 *
 * Permissions, reserved bits and the accessed bit are left alone; PAE's uppermost entries are
 * those in memory, whatever the vCPU has loaded. SDM vol. 3 4.3 to 4.5. Return: whether the
 * tables, all in RAM, map it.
 */
bool walk(const struct mem *mem, const struct kvm_sregs *sregs, uint64_t addr, uint64_t *gpa)
{
	bool lma = sregs->efer & EFER_LMA, pae = lma || sregs->cr4 & X86_CR4_PAE;
	unsigned int levels = lma ? (sregs->cr4 & X86_CR4_LA57 ? 5 : 4) : (pae ? 3 : 2);
	unsigned int bits = pae ? 9 : 10, size = pae ? 8 : 4, level, shift;
	uint64_t table = lma ? sregs->cr3 & ADDRESS : pae ? sregs->cr3 & 0xffffffe0 :
			 sregs->cr3 & 0xfffff000;
	uint64_t entry, in;
	const void *p;

	if (!lma && addr >> 32)
		return false;
	*gpa = addr;
	if (!(sregs->cr0 & X86_CR0_PG))
		return true;
	shift = 12 + bits * levels;
	if (lma && (int64_t)(addr << (64 - shift)) >> (64 - shift) != (int64_t)addr)
		return false;	/* not canonical */
	for (level = levels; level; level--) {
		shift -= bits;
		p = mem_ptr(mem, table + (addr >> shift & ((1u << bits) - 1)) * size, size);
		if (!p)
			return false;
		entry = 0;
		memcpy(&entry, p, size);
		if (!(entry & ENTRY_P))
			return false;
		in = addr & ((1ull << shift) - 1);
		/* A page of 4K; of 2M or 1G; of 4M, which has more of its address further down. */
		if (level == 1 || (entry & ENTRY_PS && pae && level <= (lma ? 3 : 2))) {
			*gpa = (entry & ADDRESS & ~((1ull << shift) - 1)) | in;
			return true;
		}
		if (entry & ENTRY_PS && !pae && sregs->cr4 & X86_CR4_PSE) {
			*gpa = (entry & 0xffc00000) | (entry & 0x1fe000) << 19 | in;
			return true;
		}
		table = entry & ADDRESS;
	}
	return false;
}
