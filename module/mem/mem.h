/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest memory: slots, the providers behind them, and access to it.
 */
#ifndef LODGE_MEM_H
#define LODGE_MEM_H

#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "npt/npt.h"

struct lodge_vm;
struct lodge_vcpu;
struct lodge_slot;
struct page;

/* KVM_MEM_SLOTS_NUM of user slots; ids are 0 .. LODGE_MAX_SLOTS - 1. */
#define LODGE_MAX_SLOTS		32764

/**
 * struct lodge_page - what a provider says about one guest frame
 * @pfn: host frame of the first 4K page that was asked for
 * @level: largest level it may be mapped at: 1 is 4K, 2 is 2M, 3 is 1G;
 *	the host's own mapping, and its alignment to hva, allow no larger one
 * @writable: a write is allowed now (else: map it read-only, a write faults again)
 * @whole: what lies beside it in a leaf of @level is locked, too; by widen()
 * @page: reference that release() drops, NULL if the frame has none
 */
struct lodge_page {
	kvm_pfn_t pfn;
	u8 level;
	bool writable;
	bool whole;
	struct page *page;
};

/**
 * struct lodge_provider - what serves a slot's memory
 * @name: for people
 * @get: resolve @hva. With @atomic: no sleeping, interrupts may be off; -EAGAIN
 *	if that can't be done so. -EFAULT: nothing there, or not to be written;
 *	-EHWPOISON: poisoned; -EINTR: a fatal signal.
 * @widen: a frame with a @page shall be put in by a leaf of its level, not by
 *	one of 4K: whether it may. Doesn't sleep
 * @release: the frame has been put into (or kept out of) the nested tables;
 *	@dirty says that it was mapped writable
 * @touched: accessed, dirtied: told from the nested tables when an entry goes
 */
struct lodge_provider {
	const char *name;
	int (*get)(struct lodge_slot *slot, unsigned long hva, bool write,
		   bool atomic, struct lodge_page *page);
	bool (*widen)(struct lodge_page *page);
	void (*release)(struct lodge_page *page, bool dirty);
	void (*touched)(kvm_pfn_t pfn, bool accessed, bool dirty);
};

extern const struct lodge_provider lodge_user_provider;

/**
 * struct lodge_slot - a range of guest frames and the addresses behind it
 * @base: first gfn
 * @npages: number of 4K pages, never 0
 * @hva: page-aligned address in the VM's mm
 * @flags: KVM_MEM_*
 * @id: the slot's number
 * @as_id: its address space (0)
 * @invalid: being deleted or moved: nothing is mapped through it any more;
 *	set under npt.lock (write), read under it
 * @dirty: dirty bitmap while KVM_MEM_LOG_DIRTY_PAGES is set, else NULL
 * @provider: what serves the memory behind it
 * @view: the object that was found behind it last, or NULL: mem/view.c
 */
struct lodge_slot {
	gfn_t base;
	u64 npages;
	unsigned long hva;
	u32 flags;
	u16 id;
	u16 as_id;
	bool invalid;
	unsigned long *dirty;
	const struct lodge_provider *provider;
	struct lodge_view __rcu *view;
};

/**
 * struct lodge_slots - a set of slots, sorted by base
 * @generation: never the same for two sets of a VM
 * @nr: slots in it, read with acquire
 * @max: room for slots
 * @hva_lo: no slot's memory begins below
 * @hva_hi: or ends above
 * @slot: the slots
 *
 * Replaced as a whole under SRCU, but for one thing: a slot above all others
 * is appended in place, so that many slots can be made in linear time.
 */
struct lodge_slots {
	u64 generation;
	unsigned int nr, max;
	unsigned long hva_lo, hva_hi;
	struct lodge_slot *slot[];
};

struct lodge_mem {
	struct mutex lock;		/* changes of slots, the dirty log */
	struct lodge_slots __rcu *slots;	/* vm->srcu */
	struct xarray ids;		/* slot id to slot, under lock */
	u64 generation;
	const struct lodge_provider *provider;	/* of new slots */
	struct mmu_notifier notifier;
	struct hlist_node node;		/* among all VMs, by their mm: view.c */
	/* Invalidations under way: written under inv_lock, see mem/user.c. */
	spinlock_t inv_lock;
	unsigned long inv_seq;
	long inv_count;
	unsigned long inv_start, inv_end;
	u64 manual_protect;		/* KVM_DIRTY_LOG_* of MANUAL_DIRTY_LOG_PROTECT2 */
	unsigned int logged;		/* slots with a dirty log; written under lock */
	u32 ring;			/* entries of each vCPU's dirty ring, 0: bitmaps; under lock */
};

int lodge_mem_init(struct lodge_vm *vm);
void lodge_mem_destroy(struct lodge_vm *vm);

void lodge_mem_notifier_init(struct lodge_vm *vm);
/* How lodge_mem_range() may go on, and why. */
#define LODGE_RANGE_SLEEP	BIT(0)
#define LODGE_RANGE_REMAPPED	BIT(1)	/* other memory may be there then */
bool lodge_mem_range(struct lodge_vm *vm, enum lodge_npt_op op, unsigned long start,
		     unsigned long end, unsigned int how, struct lodge_npt_dirty *dirty);

/* ioctls; copying from and to user space included */
int lodge_mem_set_region(struct lodge_vm *vm, void __user *arg);
int lodge_mem_set(struct lodge_vm *vm,
		  const struct kvm_userspace_memory_region *mem);
int lodge_mem_get_dirty(struct lodge_vm *vm, void __user *arg);
int lodge_mem_clear_dirty(struct lodge_vm *vm, void __user *arg);

struct lodge_slot *lodge_slot_lookup(struct lodge_slots *slots, gfn_t gfn);
bool lodge_slots_overlap(struct lodge_slots *slots, const struct lodge_slot *old,
			 gfn_t start, gfn_t end);
struct lodge_slots *lodge_slots(struct lodge_vm *vm);
/* Under vm->srcu. The vCPU's form remembers the last hit. */
struct lodge_slot *lodge_slot_find(struct lodge_vm *vm, gfn_t gfn);
struct lodge_slot *lodge_slot_find_vcpu(struct lodge_vcpu *vcpu, gfn_t gfn);

u64 lodge_mem_size(struct lodge_vm *vm);
/* view.c */
struct lodge_view;
void lodge_views_join(struct lodge_vm *vm);
void lodge_views_leave(struct lodge_vm *vm);
void lodge_view_drop(struct lodge_slot *slot);
void lodge_views_ended(struct lodge_vm *vm);
void lodge_mem_remapped(struct lodge_vm *vm, unsigned long start, unsigned long end);
bool lodge_view_known(struct lodge_slot *slot, unsigned long hva);
int lodge_view_get_atomic(struct lodge_slot *slot, unsigned long hva, bool write,
			  struct lodge_page *page);
int lodge_view_get(struct lodge_slot *slot, unsigned long hva, bool write,
		   struct lodge_page *page);
bool lodge_view_widen(struct lodge_page *page);
void lodge_view_put(struct lodge_page *page, bool dirty);

/* Objects of a VM that are looked for. */
#define LODGE_VIEW_OBJECTS	16
struct lodge_memory_info;
struct lodge_object;
unsigned int lodge_view_objects(struct lodge_vm *vm,
				struct lodge_object *objects[LODGE_VIEW_OBJECTS]);
void lodge_view_info(struct lodge_vm *vm, struct lodge_memory_info *info);
void lodge_view_states(struct lodge_slot *slot, unsigned long hva, u8 *states, u32 nr);

/* survey.c */
u32 lodge_survey(struct lodge_vm *vm, u64 *first, u8 *states, u32 max, bool clear);
int lodge_survey_ioctl(struct lodge_vm *vm, void __user *arg);

void lodge_slot_invalidate(struct lodge_vm *vm, struct lodge_slot *slot);

/**
 * struct lodge_ring - a vCPU's dirty ring
 * @lock: of who writes into it
 * @size: entries, a power of two; 0 without one
 * @end: where the next entry goes
 * @start: the oldest one, under mem.lock
 * @lost: something was written for which it had no room
 * @gfns: the entries, which user space writes, too
 */
struct lodge_ring {
	spinlock_t lock;
	bool lost;
	u32 size, end, start;
	struct kvm_dirty_gfn *gfns;
};

/* ring.c */
u32 lodge_ring_max(void);
int lodge_ring_enable(struct lodge_vm *vm, u64 bytes);
int lodge_ring_alloc(struct lodge_vcpu *vcpu);
void lodge_ring_free(struct lodge_vcpu *vcpu);
struct page *lodge_ring_page(struct lodge_vcpu *vcpu, pgoff_t n);
int lodge_ring_exit(struct lodge_vcpu *vcpu);
int lodge_ring_reset(struct lodge_vm *vm);
void lodge_slot_dirtied(struct lodge_vcpu *vcpu, struct lodge_slot *slot, gfn_t gfn);

/* After what is marked has been made writable, or written. */
static inline void lodge_slot_mark_dirty(struct lodge_vcpu *vcpu, struct lodge_slot *slot,
					 gfn_t gfn)
{
	if (slot->dirty)
		lodge_slot_dirtied(vcpu, slot, gfn);
}

static inline unsigned long lodge_slot_hva(const struct lodge_slot *slot, gfn_t gfn)
{
	return slot->hva + ((gfn - slot->base) << PAGE_SHIFT);
}

/* Whether writes are to be logged: to be asked in the inner loop's enter(). */
static inline bool lodge_mem_logged(const struct lodge_mem *mem)
{
	return READ_ONCE(mem->logged);
}

/*
 * Access to guest-physical memory by a thread of the VM's own mm, under
 * vm->srcu; may cross pages and slots. The _atomic forms never sleep and never
 * fault a page in (-EAGAIN): interrupts may be off. 0, or -EFAULT where no slot
 * is or the slot can't be read or written; nothing is left half done within a page.
 */
int lodge_guest_read(struct lodge_vcpu *vcpu, gpa_t gpa, void *buf, size_t len);
int lodge_guest_read_atomic(struct lodge_vcpu *vcpu, gpa_t gpa, void *buf, size_t len);
int lodge_guest_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf, size_t len);
int lodge_guest_write_atomic(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf, size_t len);
/* Atomically replaces *old by new (1, 2, 4 or 8 bytes, aligned); 1 if *old was not there. */
int lodge_guest_cmpxchg(struct lodge_vcpu *vcpu, gpa_t gpa, void *old, const void *new,
			size_t len);

#endif /* LODGE_MEM_H */
