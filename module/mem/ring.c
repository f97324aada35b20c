// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Dirty rings
 *
 * KVM_CAP_DIRTY_LOG_RING: instead of bitmaps that are asked for, each vCPU has a ring in
 * its descriptor's mapping into which it writes the pages that it dirties. User space marks the
 * entries that it has taken, and KVM_RESET_DIRTY_RINGS takes them out and has their pages'
 * next writes caught. A vCPU whose ring is nearly full goes back to user space until then.
 *
 * A slot's bitmap is there all the same: a page whose bit is set is in a ring, and isn't put
 * in again. So no more is written into rings than there are pages, whoever writes how often.
 *
 * The entries are user space's to write: where the ring begins and ends is not said there,
 * and what an entry names is looked up as anything from user space is.
 *
 * Locks: a ring's is a leaf, under npt.lock and with interrupts off. Resetting is under
 * mem.lock, with which slots change.
 *
 * How it can fail: no memory for the ring of a new vCPU (ENOMEM). What is kept free for when
 * a vCPU can't leave at once is more than it can write until it does; should it not be, the VM
 * ends, since its log would be wrong.
 */
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "backend.h"

/* Kept free for what one exit can write, and for the hardware's log. */
#define RESERVED	64
#define MAX_ENTRIES	65536

static u32 reserved(void)
{
	return RESERVED + (lodge_caps.npt_log ? PAGE_SIZE / sizeof(u64) : 0);
}

/** lodge_ring_max - the largest size, in bytes */
u32 lodge_ring_max(void)
{
	return MAX_ENTRIES * sizeof(struct kvm_dirty_gfn);
}

/**
 * lodge_ring_enable - KVM_CAP_DIRTY_LOG_RING, KVM_CAP_DIRTY_LOG_RING_ACQ_REL
 * @vm: the VM, without vCPUs
 * @bytes: the size of each ring: a power of two
 *
 * Return: 0; -EINVAL if it is too small, there are vCPUs, or it is set already; -E2BIG.
 */
int lodge_ring_enable(struct lodge_vm *vm, u64 bytes)
{
	int ret = -EINVAL;

	if (!bytes || bytes & (bytes - 1) || bytes < PAGE_SIZE ||
	    bytes / sizeof(struct kvm_dirty_gfn) <= reserved())
		return -EINVAL;
	if (bytes > lodge_ring_max())
		return -E2BIG;
	mutex_lock(&vm->lock);
	mutex_lock(&vm->mem.lock);
	/* What is logged already is in bitmaps. */
	if (!vm->mem.ring && !vm->mem.logged && !lodge_vm_vcpus(vm)) {
		vm->mem.ring = bytes / sizeof(struct kvm_dirty_gfn);
		ret = 0;
	}
	mutex_unlock(&vm->mem.lock);
	mutex_unlock(&vm->lock);
	return ret;
}

/** lodge_ring_alloc - a new vCPU's ring, if there are such; -ENOMEM, or 0 */
int lodge_ring_alloc(struct lodge_vcpu *vcpu)
{
	struct lodge_ring *ring = &vcpu->ring;

	spin_lock_init(&ring->lock);
	ring->size = vcpu->vm->mem.ring;
	if (!ring->size)
		return 0;
	ring->gfns = __vmalloc(ring->size * sizeof(*ring->gfns),
			       GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	return ring->gfns ? 0 : -ENOMEM;
}

/** lodge_ring_free - with the vCPU */
void lodge_ring_free(struct lodge_vcpu *vcpu)
{
	vfree(vcpu->ring.gfns);
}

/** lodge_ring_page - a page of a vCPU's ring, for its mapping; NULL if it has no such */
struct page *lodge_ring_page(struct lodge_vcpu *vcpu, pgoff_t n)
{
	const struct lodge_ring *ring = &vcpu->ring;

	if (n >= ring->size * sizeof(*ring->gfns) >> PAGE_SHIFT)
		return NULL;
	return vmalloc_to_page((void *)ring->gfns + (n << PAGE_SHIFT));
}

static bool nearly_full(const struct lodge_ring *ring)
{
	return READ_ONCE(ring->end) - READ_ONCE(ring->start) >= ring->size - reserved();
}

/**
 * lodge_ring_exit - whether the vCPU has to wait for its ring to be reset
 * @vcpu: the vCPU, its own thread
 *
 * Return: LODGE_AGAIN if not; LODGE_USER, kvm_run being filled; -EIO if the log is wrong.
 */
int lodge_ring_exit(struct lodge_vcpu *vcpu)
{
	if (READ_ONCE(vcpu->ring.lost)) {
		lodge_vm_kill(vcpu->vm, "a dirty ring has no room for what was written");
		return -EIO;
	}
	if (!nearly_full(&vcpu->ring))
		return LODGE_AGAIN;
	vcpu->run->exit_reason = KVM_EXIT_DIRTY_RING_FULL;
	return LODGE_USER;
}

/**
 * lodge_slot_dirtied - a page of a logged slot is written
 * @vcpu: by which vCPU, or for it
 * @slot: the slot; slot->dirty is not NULL
 * @gfn: the page
 *
 * Context: any but NMI.
 */
void lodge_slot_dirtied(struct lodge_vcpu *vcpu, struct lodge_slot *slot, gfn_t gfn)
{
	struct lodge_ring *ring = &vcpu->ring;
	struct kvm_dirty_gfn *entry;
	unsigned long flags;
	u64 offset = gfn - slot->base;

	if (test_and_set_bit(offset, slot->dirty) || !ring->gfns)
		return;
	spin_lock_irqsave(&ring->lock, flags);
	if (ring->end - ring->start < ring->size) {
		entry = &ring->gfns[ring->end & (ring->size - 1)];
		entry->slot = (u32)slot->as_id << 16 | slot->id;
		entry->offset = offset;
		/* Who sees the flag sees the entry. */
		smp_store_release(&entry->flags, KVM_DIRTY_GFN_F_DIRTY);
		WRITE_ONCE(ring->end, ring->end + 1);
	} else {
		ring->lost = true;
	}
	spin_unlock_irqrestore(&ring->lock, flags);
	if (nearly_full(ring))
		lodge_vcpu_request(vcpu, LODGE_REQ_RING_FULL);
}

/* Pages of a slot that are to be caught again: bit n is for first + n. */
struct batch {
	struct lodge_slot *slot;
	u64 first;
	unsigned long mask;
	bool flush;
};

static void batch_end(struct lodge_vm *vm, struct batch *b)
{
	if (b->mask)
		b->flush |= lodge_npt_protect_mask(vm, b->slot->base + b->first, b->mask);
	b->mask = 0;
}

static void batch_add(struct lodge_vm *vm, struct batch *b, u32 id, u64 offset)
{
	struct lodge_slot *slot = xa_load(&vm->mem.ids, (u16)id);

	if (id >> 16 || !slot || !slot->dirty || offset >= slot->npages)
		return;
	if (b->slot != slot || offset - b->first >= BITS_PER_LONG) {
		batch_end(vm, b);
		b->slot = slot;
		b->first = round_down(offset, BITS_PER_LONG);
	}
	/* First the bit: who writes after it has been caught goes into a ring. */
	clear_bit(offset, slot->dirty);
	smp_mb__after_atomic();	/* the bit before the protection: lodge_slot_dirtied() */
	b->mask |= BIT(offset - b->first);
}

static int reset_ring(struct lodge_vm *vm, struct lodge_ring *ring, struct batch *b)
{
	/* What comes meanwhile is for the next time: it has an end. */
	u32 end = READ_ONCE(ring->end);
	int n = 0;

	while (ring->start != end) {
		struct kvm_dirty_gfn *entry = &ring->gfns[ring->start & (ring->size - 1)];

		/* Pairs with user space's release, if it has taken it. */
		if (!(smp_load_acquire(&entry->flags) & KVM_DIRTY_GFN_F_RESET))
			break;
		batch_add(vm, b, READ_ONCE(entry->slot), READ_ONCE(entry->offset));
		WRITE_ONCE(entry->flags, 0);
		/* It may be written again from here on. */
		smp_store_release(&ring->start, ring->start + 1);
		n++;
		cond_resched();
	}
	return n;
}

/**
 * lodge_ring_reset - KVM_RESET_DIRTY_RINGS
 * @vm: the VM
 *
 * Return: how many entries were taken out, of all rings; -EINVAL without rings.
 */
int lodge_ring_reset(struct lodge_vm *vm)
{
	struct batch b = { };
	struct lodge_vcpu *vcpu;
	unsigned long i;
	int n = 0;

	if (!vm->mem.ring)
		return -EINVAL;
	mutex_lock(&vm->mem.lock);
	lodge_for_each_vcpu(i, vcpu, vm)
		n += reset_ring(vm, &vcpu->ring, &b);
	batch_end(vm, &b);
	if (b.flush)
		lodge_npt_flush(vm);
	mutex_unlock(&vm->mem.lock);
	return n;
}
