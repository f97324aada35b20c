// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: MSRs that user space has for itself
 *
 * A filter (KVM_X86_SET_MSR_FILTER) says which MSRs a VM's guests may read and write by
 * instructions; what it denies is #GP. What would be #GP, because it is denied, not
 * known, or not valid, can be an exit to user space instead (KVM_CAP_X86_USER_SPACE_MSR),
 * by which it serves the access, or has #GP raised after all.
 *
 * The local APIC's registers are never denied. What the guest has without an exit is looked
 * up in the filter when the vendor's bitmap is made, and anew by LODGE_REQ_MSR_FILTER
 * when there is another filter.
 *
 * An instruction that the emulator executes gets #GP where it is denied, and no exit.
 *
 * How it can fail: a range that is too large, or has unknown flags (EINVAL); no memory for
 * the copy of the bitmaps (ENOMEM). The filter stays as it was.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>

#include "lodge.h"
#include "msr.h"

struct msr_range {
	u32 flags, base, nmsrs;
	unsigned long *bitmap;
};

/**
 * struct lodge_msr_filter - what a VM's guests may do
 * @deny: what is in no range
 * @nr: of ranges
 * @range: the first one that has the MSR says
 */
struct lodge_msr_filter {
	bool deny;
	unsigned int nr;
	struct msr_range range[KVM_MSR_FILTER_MAX_RANGES];
};

static bool allows(const struct lodge_msr_filter *f, u32 index, bool write)
{
	u32 what = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;
	unsigned int i;

	for (i = 0; i < f->nr; i++) {
		const struct msr_range *r = &f->range[i];

		if (index - r->base < r->nmsrs && r->flags & what)
			return test_bit(index - r->base, r->bitmap);
	}
	return !f->deny;
}

/**
 * lodge_msr_allowed - whether the filter lets a guest have an MSR
 * @vcpu: the vCPU
 * @index: any
 * @write: it writes
 *
 * Context: any but NMI.
 */
bool lodge_msr_allowed(struct lodge_vcpu *vcpu, u32 index, bool write)
{
	struct lodge_vm *vm = vcpu->vm;
	const struct lodge_msr_filter *f;
	bool ret;
	int idx;

	if (likely(!rcu_access_pointer(vm->msr_filter)) || index - APIC_BASE_MSR <= 0xff)
		return true;
	idx = srcu_read_lock(&vm->srcu);
	f = srcu_dereference(vm->msr_filter, &vm->srcu);
	ret = !f || allows(f, index, write);
	srcu_read_unlock(&vm->srcu, idx);
	return ret;
}

static void filter_free(struct lodge_msr_filter *f)
{
	unsigned int i;

	for (i = 0; f && i < f->nr; i++)
		kfree(f->range[i].bitmap);
	kfree(f);
}

static int filter_add(struct lodge_msr_filter *f, const struct kvm_msr_filter_range *r)
{
	size_t size = BITS_TO_LONGS((u64)r->nmsrs) * sizeof(long);
	unsigned long *bitmap;

	if (!r->nmsrs)
		return 0;
	if (!r->flags || r->flags & ~(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE) ||
	    size > KVM_MSR_FILTER_MAX_BITMAP_SIZE)
		return -EINVAL;
	bitmap = kmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!bitmap)
		return -ENOMEM;
	if (copy_from_user(bitmap, (void __user *)r->bitmap, size)) {
		kfree(bitmap);
		return -EFAULT;
	}
	f->range[f->nr++] = (struct msr_range){ r->flags, r->base, r->nmsrs, bitmap };
	return 0;
}

static struct lodge_msr_filter *filter_new(const struct kvm_msr_filter *in)
{
	struct lodge_msr_filter *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	int i, ret = 0;

	if (!f)
		return ERR_PTR(-ENOMEM);
	f->deny = in->flags & KVM_MSR_FILTER_DEFAULT_DENY;
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES && !ret; i++)
		ret = filter_add(f, &in->ranges[i]);
	/* To deny all is nothing that anybody means. */
	if (!ret && f->deny && !f->nr)
		ret = -EINVAL;
	if (!ret)
		return f;
	filter_free(f);
	return ERR_PTR(ret);
}

/**
 * lodge_msr_filter_set - KVM_X86_SET_MSR_FILTER
 * @vm: the VM
 * @arg: struct kvm_msr_filter in user space; one without ranges takes the filter away
 *
 * When it returns no vCPU goes by the old one.
 *
 * Return: 0; -EINVAL, -EFAULT, -ENOMEM.
 */
int lodge_msr_filter_set(struct lodge_vm *vm, void __user *arg)
{
	struct kvm_msr_filter *in = memdup_user(arg, sizeof(*in));
	struct lodge_msr_filter *f;

	if (IS_ERR(in))
		return PTR_ERR(in);
	f = in->flags & ~KVM_MSR_FILTER_DEFAULT_DENY ? ERR_PTR(-EINVAL) : filter_new(in);
	kfree(in);
	if (IS_ERR(f))
		return PTR_ERR(f);
	if (!f->nr) {
		filter_free(f);
		f = NULL;
	}
	mutex_lock(&vm->lock);
	f = rcu_replace_pointer(vm->msr_filter, f, lockdep_is_held(&vm->lock));
	mutex_unlock(&vm->lock);
	lodge_grace(vm, LODGE_REQ_MSR_FILTER);
	filter_free(f);
	return 0;
}

/** lodge_msr_filter_free - with the VM */
void lodge_msr_filter_free(struct lodge_vm *vm)
{
	filter_free(rcu_dereference_protected(vm->msr_filter, 1));
}
