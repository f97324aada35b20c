// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Guest memory
 *
 * A slot says that a range of guest frames lies behind a range of addresses of
 * the launcher's process (KVM_SET_USER_MEMORY_REGION). This room keeps the
 * slots (slots.c), reads and writes guest memory for the rest of the
 * hypervisor (access.c), and tells the nested tables which host frame lies
 * behind a guest frame: that is a provider's work (struct lodge_provider).
 * The user provider (user.c) serves any memory of the process, with the help
 * of view.c where that is an object that the hypervisor owns (object.c).
 *
 * Slots are looked up at each nested fault, so they are an array, sorted by
 * guest frame, that doesn't change: a new one takes its place under vm->srcu,
 * and each vCPU remembers the slot that it hit last, for as long as the
 * array's generation is the same. mem.lock serializes who changes them.
 *
 * A slot that goes, or moves, must stay visible until nothing is mapped
 * through it, since the MMU notifier finds what to unmap by the slots. So it
 * is made invalid first, under npt.lock; nothing more is mapped through it;
 * what is mapped is unmapped and flushed; then the array without it is
 * published, and when SRCU says that nobody has the old one any more, both
 * are freed. vCPUs hold SRCU for as long as they are in KVM_RUN and awake, and
 * let it go when they are asked to (LODGE_REQ_TLB_FLUSH).
 *
 * The dirty log is a bitmap per slot. A page of a logged slot is mapped
 * writable only when it is written, and its bit is set after that: whoever
 * takes the bit (GET, CLEAR) write-protects the page after it and flushes, so
 * that each write is seen in this log or in the next one. Hardware that logs
 * by itself has it off while no slot is logged (mem.logged), and a log of its
 * own per vCPU, which is emptied into the bitmap whenever the vCPU leaves the
 * inner loop: all are made to leave before a bit is taken.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "backend.h"

/* KVM_MEM_MAX_NR_PAGES: a page's number in its slot is a positive int. */
#define MAX_PAGES	((1ul << 31) - 1)
/* Words of a dirty bitmap that are worked on at a time. */
#define DIRTY_CHUNK	64

/**
 * lodge_slots - the VM's slots
 * @vm: the VM
 *
 * Context: under vm->srcu or mem.lock.
 */
struct lodge_slots *lodge_slots(struct lodge_vm *vm)
{
	return srcu_dereference_check(vm->mem.slots, &vm->srcu,
				      lockdep_is_held(&vm->mem.lock));
}

/* How many slots begin at or below gfn. */
static unsigned int slots_below(const struct lodge_slots *slots, gfn_t gfn)
{
	/* Pairs with slots_put(). */
	unsigned int lo = 0, hi = smp_load_acquire(&slots->nr);

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (slots->slot[mid]->base <= gfn)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/**
 * lodge_slot_lookup - find the slot of a guest frame
 * @slots: the set to look in
 * @gfn: any number
 *
 * Return: the slot, or NULL.
 */
struct lodge_slot *lodge_slot_lookup(struct lodge_slots *slots, gfn_t gfn)
{
	unsigned int i = slots_below(slots, gfn);
	struct lodge_slot *slot;

	if (!i)
		return NULL;
	slot = slots->slot[i - 1];
	return gfn - slot->base < slot->npages ? slot : NULL;
}

/**
 * lodge_slot_find - find the slot of a guest frame of a VM
 * @vm: the VM
 * @gfn: any number
 *
 * Context: under vm->srcu, for as long as the slot is used.
 * Return: the slot, or NULL.
 */
struct lodge_slot *lodge_slot_find(struct lodge_vm *vm, gfn_t gfn)
{
	return lodge_slot_lookup(lodge_slots(vm), gfn);
}

/**
 * lodge_slot_find_vcpu - the same for a vCPU, which remembers the last hit
 * @vcpu: the calling thread's vCPU
 * @gfn: any number
 *
 * Context: under vm->srcu; interrupts may be off.
 * Return: the slot, or NULL.
 */
struct lodge_slot *lodge_slot_find_vcpu(struct lodge_vcpu *vcpu, gfn_t gfn)
{
	struct lodge_slots *slots = lodge_slots(vcpu->vm);
	struct lodge_slot *slot = vcpu->slot;

	if (likely(vcpu->slot_generation == slots->generation) && slot &&
	    gfn - slot->base < slot->npages)
		return slot;
	slot = lodge_slot_lookup(slots, gfn);
	if (slot) {
		vcpu->slot = slot;
		vcpu->slot_generation = slots->generation;
	}
	return slot;
}

/**
 * lodge_mem_size - bytes of guest memory in slots
 * @vm: the VM
 *
 * Context: any but NMI; waits for nobody.
 */
u64 lodge_mem_size(struct lodge_vm *vm)
{
	int idx = srcu_read_lock(&vm->srcu);
	struct lodge_slots *slots = lodge_slots(vm);
	/* Pairs with slots_put(). */
	unsigned int i, nr = smp_load_acquire(&slots->nr);
	u64 npages = 0;

	for (i = 0; i < nr; i++)
		npages += slots->slot[i]->npages;
	srcu_read_unlock(&vm->srcu, idx);
	return npages << PAGE_SHIFT;
}

static struct lodge_slots *slots_alloc(struct lodge_mem *mem, unsigned int nr)
{
	struct lodge_slots *slots;
	unsigned int max = max(16u, roundup_pow_of_two(nr + 1));

	slots = kvmalloc(struct_size(slots, slot, max), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return NULL;
	slots->generation = ++mem->generation;
	slots->nr = 0;
	slots->max = max;
	slots->hva_lo = ULONG_MAX;
	slots->hva_hi = 0;
	return slots;
}

/* Into the array, at a place that is free. */
static void slots_put(struct lodge_slots *slots, struct lodge_slot **at,
		      struct lodge_slot *slot)
{
	unsigned long end = lodge_slot_hva(slot, slot->base + slot->npages);

	*at = slot;
	WRITE_ONCE(slots->hva_lo, min(slots->hva_lo, slot->hva));
	WRITE_ONCE(slots->hva_hi, max(slots->hva_hi, end));
	/* A reader that counts it finds it. */
	smp_store_release(&slots->nr, slots->nr + 1);
}

/* The set without old and with new, either of which may be NULL. */
static struct lodge_slots *slots_copy(struct lodge_mem *mem,
				      const struct lodge_slots *from,
				      const struct lodge_slot *old,
				      struct lodge_slot *new)
{
	struct lodge_slots *slots = slots_alloc(mem, from->nr);
	struct lodge_slot **at;

	if (!slots)
		return NULL;
	/* The bounds of what has gone do no harm. */
	slots->hva_lo = from->hva_lo;
	slots->hva_hi = from->hva_hi;
	slots->nr = from->nr;
	memcpy(slots->slot, from->slot, from->nr * sizeof(*at));
	if (old) {
		at = &slots->slot[slots_below(slots, old->base) - 1];
		slots->nr--;
		memmove(at, at + 1, (&slots->slot[slots->nr] - at) * sizeof(*at));
	}
	if (new) {
		at = &slots->slot[slots_below(slots, new->base)];
		memmove(at + 1, at, (&slots->slot[slots->nr] - at) * sizeof(*at));
		slots_put(slots, at, new);
	}
	return slots;
}

struct grace {
	struct work_struct work;
	struct srcu_struct *srcu;
	struct completion over;
};

static void grace_fn(struct work_struct *work)
{
	struct grace *g = container_of(work, struct grace, work);

	synchronize_srcu_expedited(g->srcu);
	complete(&g->over);
}

/**
 * lodge_grace - wait until nobody uses what was under a VM's SRCU
 * @vm: the VM
 * @req: a request at which vCPUs let SRCU go
 *
 * Context: sleeps; not under vm->srcu.
 */
void lodge_grace(struct lodge_vm *vm, enum lodge_request req)
{
	struct grace g = { .srcu = &vm->srcu };

	init_completion(&g.over);
	INIT_WORK_ONSTACK(&g.work, grace_fn);
	queue_work(system_unbound_wq, &g.work);
	/*
	 * Each vCPU in the guest comes out, lets SRCU go and takes it again.
	 * If it does so before SRCU tells new readers from old ones it is an
	 * old one still, and would be waited for till it leaves of itself.
	 */
	do
		lodge_vm_request_all(vm, req);
	while (!wait_for_completion_timeout(&g.over, 1));
	destroy_work_on_stack(&g.work);
}

/* Publishes a set. When it returns nobody uses the one before. */
static void slots_publish(struct lodge_vm *vm, struct lodge_slots *slots)
{
	struct lodge_slots *old = lodge_slots(vm);

	rcu_assign_pointer(vm->mem.slots, slots);
	lodge_grace(vm, LODGE_REQ_TLB_FLUSH);
	kvfree(old);
}

static void slot_free(struct lodge_slot *slot)
{
	if (!slot)
		return;
	lodge_view_drop(slot);
	kvfree(slot->dirty);
	kfree(slot);
}

/**
 * lodge_slot_invalidate - nothing is mapped through a slot from here on
 * @vm: the VM
 * @slot: the slot; nothing of it is mapped any more
 *
 * Context: sleeps.
 */
void lodge_slot_invalidate(struct lodge_vm *vm, struct lodge_slot *slot)
{
	write_lock(&vm->npt.lock);
	slot->invalid = true;
	write_unlock(&vm->npt.lock);
	if (lodge_npt_zap(vm, slot->base, slot->base + slot->npages))
		lodge_npt_flush(vm);
}

/**
 * lodge_slots_overlap - whether a range has memory in it
 * @slots: the set to look in
 * @old: a slot that doesn't count, or NULL
 * @start: the first guest frame
 * @end: the one after the last
 */
bool lodge_slots_overlap(struct lodge_slots *slots, const struct lodge_slot *old,
			 gfn_t start, gfn_t end)
{
	unsigned int i;

	/* From the last one that begins below the end down. */
	for (i = slots_below(slots, end - 1); i; i--) {
		struct lodge_slot *slot = slots->slot[i - 1];

		if (slot->base + slot->npages <= start)
			return false;
		if (slot != old)
			return true;
	}
	return false;
}

static size_t dirty_words(const struct lodge_slot *slot)
{
	return BITS_TO_LONGS(slot->npages);
}

/* In a ring there would be no room for that. */
static bool initially_set(const struct lodge_vm *vm)
{
	return vm->mem.manual_protect & KVM_DIRTY_LOG_INITIALLY_SET && !vm->mem.ring;
}

static struct lodge_slot *slot_new(struct lodge_vm *vm,
				   const struct kvm_userspace_memory_region *m,
				   struct lodge_slot *old)
{
	struct lodge_slot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);

	if (!slot)
		return NULL;
	slot->base = m->guest_phys_addr >> PAGE_SHIFT;
	slot->npages = m->memory_size >> PAGE_SHIFT;
	slot->hva = m->userspace_addr;
	slot->flags = m->flags;
	slot->id = (u16)m->slot;
	slot->as_id = m->slot >> 16;
	slot->provider = old ? old->provider : vm->mem.provider;
	if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return slot;
	if (old && old->dirty) {
		slot->dirty = old->dirty;
		return slot;
	}
	slot->dirty = kvcalloc(dirty_words(slot), sizeof(long),
			       GFP_KERNEL_ACCOUNT);
	if (!slot->dirty) {
		kfree(slot);
		return NULL;
	}
	if (initially_set(vm))
		bitmap_set(slot->dirty, 0, slot->npages);
	return slot;
}

/*
 * One more slot that is logged, before anybody sees it: hardware that logs is
 * on when the first dirty bit is taken away.
 */
static void logged_more(struct lodge_vm *vm)
{
	WRITE_ONCE(vm->mem.logged, vm->mem.logged + 1);
	if (lodge_caps.npt_log && vm->mem.logged == 1)
		lodge_vm_request_all(vm, LODGE_REQ_EVENT);
}

static void logged_less(struct lodge_vm *vm)
{
	WRITE_ONCE(vm->mem.logged, vm->mem.logged - 1);
}

/* A slot is seen by all. What the nested tables know of its place is old. */
static void slot_appeared(struct lodge_vm *vm, const struct lodge_slot *slot)
{
	if (lodge_npt_zap(vm, slot->base, slot->base + slot->npages))
		lodge_npt_flush(vm);
}

/* Puts new in the place of old, either of which may be NULL. */
static int slot_replace(struct lodge_vm *vm, struct lodge_slot *old,
			struct lodge_slot *new)
{
	struct lodge_mem *mem = &vm->mem;
	struct lodge_slots *cur = lodge_slots(vm), *slots;
	bool flush = false;
	int ret;

	if (new) {
		ret = xa_err(xa_store(&mem->ids, new->id, new,
				      GFP_KERNEL_ACCOUNT));
		if (ret)
			return ret;
	}
	if (!old && cur->nr < cur->max &&
	    (!cur->nr || cur->slot[cur->nr - 1]->base < new->base)) {
		if (new->dirty)
			logged_more(vm);
		slots_put(cur, &cur->slot[cur->nr], new);
		slot_appeared(vm, new);
		return 0;
	}
	slots = slots_copy(mem, cur, old, new);
	if (!slots) {
		if (old)
			xa_store(&mem->ids, old->id, old, GFP_KERNEL_ACCOUNT);
		else
			xa_erase(&mem->ids, new->id);
		return -ENOMEM;
	}
	if (!new)
		xa_erase(&mem->ids, old->id);
	if (new && new->dirty)
		logged_more(vm);
	if (old && (!new || new->base != old->base))
		lodge_slot_invalidate(vm, old);
	slots_publish(vm, slots);
	if (new && (!old || new->base != old->base))
		slot_appeared(vm, new);
	if (!old)
		return 0;
	if (old->dirty)
		logged_less(vm);

	if (new && new->dirty && !old->dirty) {
		/* With all bits set nothing need be caught until CLEAR. */
		if (!initially_set(vm))
			flush = lodge_npt_protect(vm, new->base,
						  new->base + new->npages);
	} else if (new && old->dirty && !new->dirty) {
		/* Huge pages come back by the faults that follow. */
		flush = lodge_npt_zap(vm, new->base, new->base + new->npages);
	}
	if (flush)
		lodge_npt_flush(vm);
	if (new && new->dirty == old->dirty)
		old->dirty = NULL;
	slot_free(old);
	return 0;
}

static int check_region(const struct kvm_userspace_memory_region *m)
{
	u64 limit = TASK_SIZE_MAX;

	if (m->flags & ~(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY))
		return -EINVAL;
	if ((u16)m->slot >= LODGE_MAX_SLOTS || m->slot >> 16)
		return -EINVAL;
	if (!PAGE_ALIGNED(m->memory_size) || !PAGE_ALIGNED(m->guest_phys_addr) ||
	    !PAGE_ALIGNED(m->userspace_addr))
		return -EINVAL;
	/*
	 * access_ok() of newer kernels is content with addresses that no
	 * mapping can have; a walk of the host's tables would wrap them.
	 */
	if (m->userspace_addr > limit ||
	    m->memory_size > limit - m->userspace_addr)
		return -EINVAL;
	if (m->guest_phys_addr + m->memory_size < m->guest_phys_addr)
		return -EINVAL;
	if (m->memory_size >> PAGE_SHIFT > MAX_PAGES)
		return -EINVAL;
	return 0;
}

static int set_locked(struct lodge_vm *vm,
		      const struct kvm_userspace_memory_region *m)
{
	gfn_t base = m->guest_phys_addr >> PAGE_SHIFT;
	u64 npages = m->memory_size >> PAGE_SHIFT;
	unsigned int bits;
	struct lodge_slot *old, *new;
	int ret;

	old = xa_load(&vm->mem.ids, (u16)m->slot);
	if (!npages)
		return old ? slot_replace(vm, old, NULL) : -EINVAL;
	if (old) {
		if (m->userspace_addr != old->hva || npages != old->npages ||
		    ((m->flags ^ old->flags) & KVM_MEM_READONLY))
			return -EINVAL;
		if (base == old->base && m->flags == old->flags)
			return 0;
	}
	if (!old || base != old->base) {
		if (lodge_slots_overlap(lodge_slots(vm), old, base,
					base + npages))
			return -EEXIST;
		/* What the nested tables reach, and what the CPU has. */
		bits = min_t(unsigned int, lodge_caps.maxphyaddr,
			     PAGE_SHIFT + 9 * lodge_caps.npt_levels);
		if ((base + npages - 1) >> (bits - PAGE_SHIFT))
			return -EINVAL;
	}
	new = slot_new(vm, m, old);
	if (!new)
		return -ENOMEM;
	ret = slot_replace(vm, old, new);
	if (ret) {
		if (old && new->dirty == old->dirty)
			new->dirty = NULL;
		slot_free(new);
	}
	return ret;
}

/**
 * lodge_mem_set - create, change, move or delete a slot
 * @vm: the VM
 * @mem: as for KVM_SET_USER_MEMORY_REGION; a size of 0 deletes
 *
 * Context: may sleep; not under vm->srcu.
 * Return: 0; -EINVAL for what can't be, -EEXIST if it overlaps another slot,
 * -ENOMEM.
 */
int lodge_mem_set(struct lodge_vm *vm,
		  const struct kvm_userspace_memory_region *mem)
{
	int ret = check_region(mem);

	if (ret)
		return ret;
	mutex_lock(&vm->mem.lock);
	ret = set_locked(vm, mem);
	mutex_unlock(&vm->mem.lock);
	return ret;
}

/**
 * lodge_mem_set_region - KVM_SET_USER_MEMORY_REGION
 * @vm: the VM
 * @arg: struct kvm_userspace_memory_region in user space
 *
 * Return: as lodge_mem_set(), and -EFAULT.
 */
int lodge_mem_set_region(struct lodge_vm *vm, void __user *arg)
{
	struct kvm_userspace_memory_region mem;

	if (copy_from_user(&mem, arg, sizeof(mem)))
		return -EFAULT;
	return lodge_mem_set(vm, &mem);
}

/* The slot that a dirty-log ioctl names: a logged one. */
static struct lodge_slot *logged_slot(struct lodge_vm *vm, u32 id)
{
	struct lodge_slot *slot;

	if (id >= LODGE_MAX_SLOTS)
		return ERR_PTR(-EINVAL);
	slot = xa_load(&vm->mem.ids, id);
	return slot && slot->dirty ? slot : ERR_PTR(-ENOENT);
}

/*
 * Takes bits out of @words words of the bitmap, from word @first on, and
 * protects their pages. CLEAR says in @user which ones, else it is all, and
 * @user is told of them.
 */
static int take_dirty(struct lodge_vm *vm, struct lodge_slot *slot, size_t first,
		      size_t words, unsigned long __user *user, bool clear)
{
	unsigned long buf[DIRTY_CHUNK];
	bool flush = false;
	size_t i, j, n;
	int ret = 0;

	for (i = 0; i < words && !ret; i += n) {
		n = min_t(size_t, words - i, DIRTY_CHUNK);
		memset(buf, 0xff, n * sizeof(long));
		if (clear && copy_from_user(buf, user + i, n * sizeof(long))) {
			ret = -EFAULT;
			break;
		}
		for (j = 0; j < n; j++) {
			size_t at = first + i + j;
			atomic_long_t *word = (atomic_long_t *)&slot->dirty[at];

			if (buf[j] && atomic_long_read(word))
				buf[j] &= atomic_long_fetch_andnot(buf[j], word);
			else
				buf[j] = 0;
			if (buf[j])
				flush |= lodge_npt_protect_mask(vm, slot->base +
						at * BITS_PER_LONG, buf[j]);
		}
		if (!clear && copy_to_user(user + i, buf, n * sizeof(long)))
			ret = -EFAULT;
		cond_resched();
	}
	if (flush)
		lodge_npt_flush(vm);
	return ret;
}

static int get_dirty(struct lodge_vm *vm, struct lodge_slot *slot,
		     unsigned long __user *to)
{
	size_t words = dirty_words(slot);

	if (!vm->mem.manual_protect)
		return take_dirty(vm, slot, 0, words, to, false);
	return copy_to_user(to, slot->dirty, words * sizeof(long)) ? -EFAULT : 0;
}

/**
 * lodge_mem_get_dirty - KVM_GET_DIRTY_LOG
 * @vm: the VM
 * @arg: struct kvm_dirty_log in user space
 *
 * Hands out a slot's dirty bitmap and, without manual protection, begins a new
 * one.
 *
 * Return: 0; -EINVAL for a number that no slot can have, -ENOENT if the slot
 * isn't there or isn't logged, -EFAULT.
 */
int lodge_mem_get_dirty(struct lodge_vm *vm, void __user *arg)
{
	struct kvm_dirty_log log;
	struct lodge_slot *slot;
	int ret;

	if (READ_ONCE(vm->mem.ring))
		return -ENXIO;
	if (copy_from_user(&log, arg, sizeof(log)))
		return -EFAULT;
	/* What is in the vCPUs' own logs goes into the bitmap: see DOC. */
	if (lodge_caps.npt_log)
		lodge_vm_request_all(vm, LODGE_REQ_EVENT);
	mutex_lock(&vm->mem.lock);
	slot = logged_slot(vm, log.slot);
	ret = IS_ERR(slot) ? PTR_ERR(slot) :
	      get_dirty(vm, slot, log.dirty_bitmap);
	mutex_unlock(&vm->mem.lock);
	return ret;
}

static int clear_dirty(struct lodge_vm *vm, struct lodge_slot *slot,
		       const struct kvm_clear_dirty_log *log)
{
	u64 left;

	if (log->first_page > slot->npages)
		return -EINVAL;
	left = slot->npages - log->first_page;
	/* Whole words, but for the slot's last one. */
	if (log->num_pages > left || (log->num_pages < left &&
				      log->num_pages % BITS_PER_LONG))
		return -EINVAL;
	return take_dirty(vm, slot, log->first_page / BITS_PER_LONG,
			  BITS_TO_LONGS(log->num_pages), log->dirty_bitmap, true);
}

/**
 * lodge_mem_clear_dirty - KVM_CLEAR_DIRTY_LOG
 * @vm: the VM
 * @arg: struct kvm_clear_dirty_log in user space
 *
 * Return: as lodge_mem_get_dirty(), and -EINVAL for a range that isn't the
 * slot's, or isn't aligned to 64 pages.
 */
int lodge_mem_clear_dirty(struct lodge_vm *vm, void __user *arg)
{
	struct kvm_clear_dirty_log log;
	struct lodge_slot *slot;
	int ret;

	if (READ_ONCE(vm->mem.ring))
		return -ENXIO;
	if (copy_from_user(&log, arg, sizeof(log)))
		return -EFAULT;
	if (log.slot < LODGE_MAX_SLOTS && log.first_page % BITS_PER_LONG)
		return -EINVAL;
	mutex_lock(&vm->mem.lock);
	slot = logged_slot(vm, log.slot);
	ret = IS_ERR(slot) ? PTR_ERR(slot) : clear_dirty(vm, slot, &log);
	mutex_unlock(&vm->mem.lock);
	return ret;
}

/**
 * lodge_mem_init - a VM without slots
 * @vm: the VM; vm->srcu and the nested tables are there. Without vm->mm (a
 *	test's VM) nothing is heard of the host's mappings.
 *
 * The last thing of a VM to be made: the notifier calls from here on.
 *
 * Return: 0, or -ENOMEM.
 */
int lodge_mem_init(struct lodge_vm *vm)
{
	struct lodge_mem *mem = &vm->mem;
	struct lodge_slots *slots = slots_alloc(mem, 0);
	int ret;

	if (!slots)
		return -ENOMEM;
	mutex_init(&mem->lock);
	spin_lock_init(&mem->inv_lock);
	xa_init(&mem->ids);
	mem->provider = &lodge_user_provider;
	RCU_INIT_POINTER(mem->slots, slots);
	if (!vm->mm)
		return 0;
	lodge_mem_notifier_init(vm);
	ret = mmu_notifier_register(&mem->notifier, vm->mm);
	if (ret)
		kvfree(slots);
	else
		lodge_views_join(vm);
	return ret;
}

/**
 * lodge_mem_destroy - the end of a VM's slots
 * @vm: the VM, whose vCPUs are still there but will not run again: the
 *	notifier, which flushes their TLBs, can call until this is done
 */
void lodge_mem_destroy(struct lodge_vm *vm)
{
	struct lodge_slot *slot;
	unsigned long id;

	if (vm->mm) {
		/* That zaps; who takes pages out of views finds the VM until it is done. */
		mmu_notifier_unregister(&vm->mem.notifier, vm->mm);
		lodge_views_leave(vm);
	}
	xa_for_each(&vm->mem.ids, id, slot)
		slot_free(slot);
	xa_destroy(&vm->mem.ids);
	kvfree(rcu_dereference_protected(vm->mem.slots, true));
}
