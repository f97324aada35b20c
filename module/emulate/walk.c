// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Walking a guest's page tables
 *
 * The emulator, KVM_TRANSLATE and whoever else starts from a guest-virtual
 * address come through here.  One loop serves two-level, PAE, four-level and
 * five-level tables: what differs between them is a number of levels, a width
 * of index and entry, and which bits are reserved.
 *
 * Every entry is read once, in one access, and judged from that copy: another
 * vCPU may rewrite it at any moment.  Accessed and dirty bits are set when the
 * access is known to be allowed, by compare-and-exchange against the copy; when
 * that fails somebody changed the tables, and the walk begins again.
 *
 * Nothing here takes a lock or knows a vCPU; the caller's operations decide
 * whether the walk may sleep.
 */
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/kernel.h>
#include <asm/processor-flags.h>
#include "walk.h"

#define PTE_P		(1ULL << 0)
#define PTE_W		(1ULL << 1)
#define PTE_U		(1ULL << 2)
#define PTE_A		(1ULL << 5)
#define PTE_D		(1ULL << 6)
#define PTE_PS		(1ULL << 7)
#define PTE_NX		(1ULL << 63)
#define PTE_PKEY(e)	((e) >> 59 & 15)

/*
 * PAE has nothing to ignore above the address; a PDPTE has no permissions.
 * Bit 5 is reserved there, too, but QEMU's own walk sets it as A.
 */
#define PAE_RESERVED	0x7ff0000000000000ULL
#define PDPTE_RESERVED	(PTE_NX | 0x1c6)

#define EFER_NXE_BIT	(1ULL << 11)
#define EFER_LMA_BIT	(1ULL << 10)

/* Beside the bits of an error code: there is a fault, even if they are none. */
#define FAULT		0x80000000u
#define RESERVED	(FAULT | LODGE_PF_PRESENT | LODGE_PF_RSVD)

#define MAX_LEVELS	5
/* How often a walk is begun again before the access is given up. */
#define MAX_RACES	8

#define ADDR		0x000ffffffffff000ULL
#define ADDR32		0xfffff000u

/* What the mode of paging fixes for all levels. */
struct shape {
	u8 levels;
	u8 entry;		/* bytes */
	u8 index;		/* bits */
	u8 leaves;		/* bit n: level n may have pages, by PS */
	u8 no_ps;		/* bit n: PS is reserved at level n */
	bool nx;
	u64 root;
	u64 addr;
	u64 reserved;		/* at all levels */
};

/* One walk under way. */
struct path {
	u64 gpa[MAX_LEVELS];
	u64 pte[MAX_LEVELS];
	u64 all;		/* bits that all entries have */
	u64 any;		/* bits that one has */
	u8 level;		/* of the leaf, 1 the lowest */
};

/* SDM vol. 3A 4.3-4.5, APM vol. 2 5.2 and 5.3. */
static void shape_of(const struct lodge_walk *w, struct shape *s)
{
	u64 wide = ADDR & (~0ULL << w->maxphyaddr);

	if (!(w->efer & EFER_LMA_BIT) && !(w->cr4 & X86_CR4_PAE)) {
		*s = (struct shape) {
			.levels = 2, .entry = 4, .index = 10, .addr = ADDR32,
			.root = w->cr3 & ADDR32,
			.leaves = w->cr4 & X86_CR4_PSE ? 1 << 2 : 0,
		};
		return;
	}
	s->entry = 8;
	s->index = 9;
	s->nx = w->efer & EFER_NXE_BIT;
	s->addr = ADDR;
	s->reserved = s->nx ? wide : wide | PTE_NX;
	s->leaves = 1 << 2;
	s->no_ps = 0;
	if (!(w->efer & EFER_LMA_BIT)) {
		s->levels = 2;	/* below the PDPTE, which is the root */
		s->root = 0;
		s->reserved |= PAE_RESERVED;
		return;
	}
	s->levels = w->cr4 & X86_CR4_LA57 ? 5 : 4;
	s->root = w->cr3 & ADDR;
	if (w->gbpages)
		s->leaves |= 1 << 3;
	s->no_ps = (1 << 3 | 1 << 4 | 1 << 5) & ~s->leaves;
}

/*
 * PAE's highest table has four entries without permissions, and the CPU may
 * hold them.  0, or FAULT with the error code's own bits.
 */
static u32 pdpte(const struct lodge_walk *w, u64 la, struct shape *s)
{
	u32 index = la >> 30 & 3;
	u64 e;

	if (w->pdptrs)
		e = w->pdptrs[index];
	else if (w->ops->read(w, (w->cr3 & 0xffffffe0) + index * 8, &e, 8))
		return FAULT;
	if (!(e & PTE_P))
		return FAULT;
	if (e & (s->reserved | PDPTE_RESERVED))
		return RESERVED;
	s->root = e & ADDR;
	return 0;
}

/* Of a page above the lowest level: the bits between PAT and the address. */
static u64 page_reserved(const struct lodge_walk *w, const struct shape *s,
			 u32 shift)
{
	if (s->entry == 8)
		return (1ULL << shift) - (1ULL << 13);
	/*
	 * A 4-MiB page has address bits 39:32 in 20:13; bit 21 and those
	 * above the physical width must be clear.
	 */
	return (1ULL << 22) - (1ULL << (min_t(u8, w->maxphyaddr, 40) - 19));
}

/* Down to the leaf; 0, or FAULT with the error code's own bits. */
static u32 descend(const struct lodge_walk *w, const struct shape *s, u64 la,
		   struct path *p, struct lodge_walk_result *res)
{
	u32 level = s->levels, shift = 12 + (level - 1) * s->index;
	u32 mask = (1 << s->index) - 1;
	u64 table = s->root, pte, bad, gpa;

	p->all = ~0ULL;
	p->any = 0;
	for (;; level--, shift -= s->index) {
		gpa = table + (la >> shift & mask) * s->entry;
		pte = 0;
		if (w->ops->read(w, gpa, &pte, s->entry))
			return FAULT;
		p->gpa[level - 1] = gpa;
		p->pte[level - 1] = pte;
		if (!(pte & PTE_P))
			return FAULT;
		p->all &= pte;
		p->any |= pte;
		bad = s->reserved;
		if (pte & PTE_PS && level > 1) {
			if (s->no_ps >> level & 1)
				bad |= PTE_PS;
			else if (s->leaves >> level & 1)
				bad |= page_reserved(w, s, shift);
		}
		if (pte & bad)
			return RESERVED;
		table = pte & s->addr;
		if (level == 1 || (pte & PTE_PS && s->leaves >> level & 1))
			break;
	}

	p->level = level;
	res->page_shift = shift;
	res->writable = p->all & PTE_W;
	res->user = p->all & PTE_U;
	res->gpa = (table & (~0ULL << shift)) | (la & ~(~0ULL << shift));
	if (s->entry == 4 && level == 2)
		res->gpa |= (pte >> 13 & 0xff) << 32;
	return 0;
}

/* Protection keys guard data in user pages: SDM vol. 3A 4.6.2. */
static bool key_forbids(const struct lodge_walk *w, u32 access, u64 leaf,
			bool wp)
{
	u32 pkru = w->pkru >> 2 * PTE_PKEY(leaf);

	if (!(w->efer & EFER_LMA_BIT) || (access & LODGE_ACC_FETCH))
		return false;
	return (pkru & 1) || ((pkru & 2) && (access & LODGE_ACC_WRITE) && wp);
}

/* 0, or FAULT with the error code's bits but those of the access. */
static u32 permission(const struct lodge_walk *w, const struct shape *s,
		      u32 access, const struct path *p)
{
	bool wp = (access & LODGE_ACC_USER) || (w->cr0 & X86_CR0_WP);
	bool user = p->all & PTE_U, bad = false;
	u32 error = FAULT | LODGE_PF_PRESENT;

	if ((access & LODGE_ACC_WRITE) && !(p->all & PTE_W) && wp)
		bad = true;
	if ((access & LODGE_ACC_FETCH) && s->nx && (p->any & PTE_NX))
		bad = true;
	if (!user)
		bad |= !!(access & LODGE_ACC_USER);
	else if (access & LODGE_ACC_USER)
		;
	else if (access & LODGE_ACC_FETCH)
		bad |= !!(w->cr4 & X86_CR4_SMEP);
	else if ((access & LODGE_ACC_IMPLICIT) || !(w->rflags & X86_EFLAGS_AC))
		bad |= !!(w->cr4 & X86_CR4_SMAP);
	if (user && (w->cr4 & X86_CR4_PKE) &&
	    key_forbids(w, access, p->pte[p->level - 1], wp)) {
		error |= LODGE_PF_PK;
		bad = true;
	}
	return bad ? error : 0;
}

/* 0, or 1 when the tables changed under us. */
static int set_accessed(const struct lodge_walk *w, const struct shape *s,
			bool write, const struct path *p)
{
	int level;

	if ((p->all & PTE_A) && (!write || p->pte[p->level - 1] & PTE_D))
		return 0;
	for (level = s->levels; level >= p->level; level--) {
		u64 old = p->pte[level - 1];
		u64 new = old | PTE_A;

		if (write && level == p->level)
			new |= PTE_D;
		/* Tables in read-only memory keep their bits, as on KVM. */
		if (new != old &&
		    w->ops->cmpxchg(w, p->gpa[level - 1], old, new,
				    s->entry) > 0)
			return 1;
	}
	return 0;
}

/**
 * lodge_walk() - translate a linear address through a guest's page tables
 * @w: the registers of the guest
 * @la: linear address, canonical where that applies
 * @access: LODGE_ACC_*
 * @res: filled; with -EFAULT only @error is of use
 *
 * May sleep if the operations of @w do.
 *
 * Return: 0, or -EFAULT when the guest is to have a #PF with @res->error.
 */
int lodge_walk(const struct lodge_walk *w, u64 la, u32 access,
	       struct lodge_walk_result *res)
{
	struct shape s;
	struct path p;
	u32 error;
	int tries;

	res->error = 0;
	if (!(w->cr0 & X86_CR0_PG)) {
		res->gpa = (u32)la;
		res->page_shift = 63;
		res->writable = true;
		res->user = true;
		return 0;
	}

	shape_of(w, &s);
	if (!(w->efer & EFER_LMA_BIT))
		la = (u32)la;
	for (tries = 0; tries < MAX_RACES; tries++) {
		error = s.entry == 8 && s.levels == 2 ? pdpte(w, la, &s) : 0;
		if (!error)
			error = descend(w, &s, la, &p, res);
		if (!error)
			error = permission(w, &s, access, &p);
		if (error)
			break;
		if ((access & LODGE_ACC_PEEK) ||
		    !set_accessed(w, &s, access & LODGE_ACC_WRITE, &p))
			return 0;
	}

	/*
	 * Out of tries: a #PF with the bits of a page not present is what the
	 * guest could see when it rewrites its own tables as it goes.
	 */
	error &= ~FAULT;
	error |= access & (LODGE_ACC_WRITE | LODGE_ACC_USER);
	/* The bit for fetches exists with NX or SMEP only: SDM vol. 3A 4.7. */
	if ((access & LODGE_ACC_FETCH) &&
	    (s.nx || (w->cr4 & X86_CR4_SMEP)))
		error |= LODGE_ACC_FETCH;
	res->error = error;
	return -EFAULT;
}
