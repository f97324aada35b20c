// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access to guest memory by the hypervisor itself.
 *
 * It goes through the slot's address in the launcher's process, as the
 * launcher's own accesses do: whatever happens to the page is noticed, and no
 * reference is held. So these work in a thread of the VM's own process only.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "lodge.h"

/* The part of an access that lies in one page: its address, or NULL. */
static void __user *piece(struct lodge_vcpu *vcpu, gpa_t gpa, size_t len,
			  bool write, size_t *n, struct lodge_slot **slot)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;

	*n = min_t(size_t, len, PAGE_SIZE - offset_in_page(gpa));
	*slot = lodge_slot_find_vcpu(vcpu, gfn);
	if (!*slot || (write && ((*slot)->flags & KVM_MEM_READONLY)))
		return NULL;
	return (void __user *)(lodge_slot_hva(*slot, gfn) + offset_in_page(gpa));
}

/* Both directions; each caller below has a copy without the other one. */
static __always_inline int guest_access(struct lodge_vcpu *vcpu, gpa_t gpa,
					void *buf, size_t len, bool write,
					bool atomic)
{
	struct lodge_slot *slot;
	unsigned long left;
	void __user *p;
	size_t n;

	for (; len; len -= n, gpa += n, buf += n) {
		p = piece(vcpu, gpa, len, write, &n, &slot);
		if (!p)
			return -EFAULT;
		if (atomic) {
			pagefault_disable();
			left = write ? __copy_to_user_inatomic(p, buf, n) :
				       __copy_from_user_inatomic(buf, p, n);
			pagefault_enable();
		} else {
			left = write ? __copy_to_user(p, buf, n) :
				       __copy_from_user(buf, p, n);
		}
		if (left)
			return atomic ? -EAGAIN : -EFAULT;
		if (write)
			lodge_slot_mark_dirty(vcpu, slot, gpa >> PAGE_SHIFT);
	}
	return 0;
}

/**
 * lodge_guest_read - read guest-physical memory
 * @vcpu: a vCPU of the VM; the caller runs in its process, under vm->srcu
 * @gpa: where; may cross pages and slots
 * @buf: where to
 * @len: bytes
 *
 * Context: may sleep.
 * Return: 0, or -EFAULT where no slot is, or nothing is behind it.
 */
int lodge_guest_read(struct lodge_vcpu *vcpu, gpa_t gpa, void *buf, size_t len)
{
	return guest_access(vcpu, gpa, buf, len, false, false);
}

/**
 * lodge_guest_read_atomic - read guest-physical memory that is there
 * @vcpu: as for lodge_guest_read()
 * @gpa: where
 * @buf: where to
 * @len: bytes
 *
 * Context: any, interrupts may be off.
 * Return: 0; -EFAULT where no slot is; -EAGAIN if it takes lodge_guest_read().
 */
int lodge_guest_read_atomic(struct lodge_vcpu *vcpu, gpa_t gpa, void *buf,
			    size_t len)
{
	return guest_access(vcpu, gpa, buf, len, false, true);
}

/**
 * lodge_guest_write - write guest-physical memory, and mark it dirty
 * @vcpu: as for lodge_guest_read()
 * @gpa: where; may cross pages and slots
 * @buf: what
 * @len: bytes
 *
 * Context: may sleep.
 * Return: 0, or -EFAULT where no slot is, or it can't be written.
 */
int lodge_guest_write(struct lodge_vcpu *vcpu, gpa_t gpa, const void *buf,
		      size_t len)
{
	return guest_access(vcpu, gpa, (void *)buf, len, true, false);
}

/**
 * lodge_guest_write_atomic - write guest-physical memory that is there
 * @vcpu: as for lodge_guest_read()
 * @gpa: where
 * @buf: what
 * @len: bytes
 *
 * Context: any, interrupts may be off.
 * Return: 0; -EFAULT where no slot is or it can't be written; -EAGAIN if it
 * takes lodge_guest_write().
 */
int lodge_guest_write_atomic(struct lodge_vcpu *vcpu, gpa_t gpa,
			     const void *buf, size_t len)
{
	return guest_access(vcpu, gpa, (void *)buf, len, true, true);
}

#define CMPXCHG(type) \
	__try_cmpxchg_user((type __user *)p, (type *)old, *(const type *)new, \
			   fault_##type)

static int user_cmpxchg(void __user *p, void *old, const void *new, size_t len)
{
	switch (len) {
	case 1:
		return CMPXCHG(u8);
	case 2:
		return CMPXCHG(u16);
	case 4:
		return CMPXCHG(u32);
	case 8:
		return CMPXCHG(u64);
	default:
		return -EINVAL;
	}
}

/**
 * lodge_guest_cmpxchg - compare and exchange in guest-physical memory
 * @vcpu: as for lodge_guest_read()
 * @gpa: where, aligned to @len
 * @old: what shall be there; what was there if it wasn't
 * @new: what shall be there then
 * @len: 1, 2, 4 or 8
 *
 * Context: may sleep.
 * Return: 0 if exchanged, 1 if @old was not there, -EFAULT if there is no
 * memory that can be written, -EINVAL for any other size or alignment.
 */
int lodge_guest_cmpxchg(struct lodge_vcpu *vcpu, gpa_t gpa, void *old,
			const void *new, size_t len)
{
	struct lodge_slot *slot;
	void __user *p;
	size_t n;
	int ret;

	if (!len || (gpa & (len - 1)))
		return -EINVAL;
	p = piece(vcpu, gpa, len, true, &n, &slot);
	if (!p)
		return -EFAULT;
	ret = user_cmpxchg(p, old, new, len);
	if (!ret)
		lodge_slot_mark_dirty(vcpu, slot, gpa >> PAGE_SHIFT);
	return ret;
}
