// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The time-stamp counter
 *
 * A guest's counter is the host's, scaled where the hardware can and a launcher
 * wants it, plus an offset. A write sets the offset.
 *
 * A launcher that starts or restores several vCPUs writes each one's counter, one
 * after the other, and means them to agree. So a write by user space of zero, or
 * of about what the counter would be by now since the last write to any vCPU of
 * the VM (within a second), does not take its own offset but that of the vCPUs
 * before it. vCPUs that agree in this way are of one generation; if all of
 * a VM's are, one time base can serve them all (pv.c).
 *
 * The host's counter may jump back, over a suspend or between CPUs that don't
 * agree: the guest's never does, at the price of that agreement.
 *
 * Without hardware scaling a frequency other than the host's, by more than
 * 250 ppm, is refused: a counter that software keeps pulling along is no clock.
 */
#include <linux/math64.h>
#include <linux/uaccess.h>
#include <asm/tsc.h>

#include "backend.h"

#define TOLERANCE_PPM	250

static u64 one(void)
{
	return 1ull << lodge_caps.tsc_frac_bits;
}

static u64 scale(const struct lodge_tsc *t, u64 host_tsc)
{
	if (!lodge_caps.tsc_scaling || t->ratio == one())
		return host_tsc;
	return mul_u64_u64_shr(host_tsc, t->ratio, lodge_caps.tsc_frac_bits);
}

/**
 * lodge_tsc_read - the guest's counter
 * @vcpu: the vCPU
 * @host_tsc: when the host's is this
 *
 * Context: any.
 */
u64 lodge_tsc_read(struct lodge_vcpu *vcpu, u64 host_tsc)
{
	return scale(&vcpu->tsc, host_tsc) + vcpu->tsc.offset;
}

/**
 * lodge_tsc_to_host - the host's counter
 * @vcpu: the vCPU
 * @guest_tsc: when the guest's is this
 *
 * Context: any.
 * Return: a value; the largest one if it is farther away than that.
 */
u64 lodge_tsc_to_host(struct lodge_vcpu *vcpu, u64 guest_tsc)
{
	u64 delta = guest_tsc - vcpu->tsc.offset, ratio = vcpu->tsc.ratio;
	u8 frac = lodge_caps.tsc_frac_bits;

	if (!lodge_caps.tsc_scaling || ratio == one())
		return delta;
	/* A guest chooses these: a quotient above 64 bits would trap. */
	if (delta >> (64 - frac) >= ratio)
		return U64_MAX;
	return mul_u64_u64_div_u64(delta, one(), ratio);
}

static u64 ns_to_cycles(const struct lodge_tsc *t, u64 ns)
{
	return mul_u64_u32_div(ns, t->khz, USEC_PER_SEC);
}

static void set_offset(struct lodge_vcpu *vcpu, u64 offset)
{
	vcpu->tsc.offset = offset;
	lodge_backend->tsc_set(vcpu);
	lodge_lapic_tsc_changed(vcpu);
	lodge_vcpu_request(vcpu, LODGE_REQ_CLOCK);
}

/* vm->tsc.lock is held: the vCPU's counter is now @tsc, by an offset of @offset. */
static void record_write(struct lodge_vcpu *vcpu, u64 offset, u64 tsc, u64 ns,
			 bool matched)
{
	struct lodge_vm_tsc *v = &vcpu->vm->tsc;

	lockdep_assert_held(&v->lock);
	v->last_nsec = ns;
	v->last_write = tsc;
	v->last_khz = vcpu->tsc.khz;
	v->last_offset = offset;
	if (!matched) {
		v->generation++;
		v->offset = offset;
		v->matched = 0;
	}
	if (vcpu->tsc.generation != v->generation) {
		vcpu->tsc.generation = v->generation;
		v->matched++;
	}
	set_offset(vcpu, offset);
}

/* Is it a write of "the same as the others have by now"? */
static bool synchronizing(struct lodge_vcpu *vcpu, u64 val, u64 elapsed)
{
	struct lodge_vm_tsc *v = &vcpu->vm->tsc;
	u64 second = vcpu->tsc.khz * 1000ull, expected;

	if (!vcpu->tsc.khz || vcpu->tsc.khz != v->last_khz)
		return false;
	if (!val)
		return true;
	expected = v->last_write + ns_to_cycles(&vcpu->tsc, elapsed);
	return val < expected + second && val + second > expected;
}

static void write_host(struct lodge_vcpu *vcpu, u64 val)
{
	struct lodge_vm_tsc *v = &vcpu->vm->tsc;
	unsigned long flags;
	u64 offset, ns, elapsed;
	bool matched;

	raw_spin_lock_irqsave(&v->lock, flags);
	offset = val - scale(&vcpu->tsc, rdtsc());
	ns = lodge_pv_base_ns();
	elapsed = ns - v->last_nsec;
	matched = synchronizing(vcpu, val, elapsed);
	if (matched && !check_tsc_unstable()) {
		offset = v->offset;
	} else if (matched) {
		/* The host's can't be trusted: go by the time that has passed. */
		val += ns_to_cycles(&vcpu->tsc, elapsed);
		offset = val - scale(&vcpu->tsc, rdtsc());
	}
	record_write(vcpu, offset, val, ns, matched);
	raw_spin_unlock_irqrestore(&v->lock, flags);
	lodge_pv_tsc_changed(vcpu);
}

/**
 * lodge_tsc_write - a write to IA32_TSC
 * @vcpu: the vCPU
 * @val: the new value
 * @host: user space writes, not the guest
 *
 * Context: any but NMI.
 */
void lodge_tsc_write(struct lodge_vcpu *vcpu, u64 val, bool host)
{
	u64 offset;

	if (host) {
		write_host(vcpu, val);
		return;
	}
	/* IA32_TSC_ADJUST follows (SDM vol. 3B 18.17.3). */
	offset = val - scale(&vcpu->tsc, rdtsc());
	vcpu->tsc.adjust += offset - vcpu->tsc.offset;
	set_offset(vcpu, offset);
}

/**
 * lodge_tsc_adjust - a write to IA32_TSC_ADJUST
 * @vcpu: the vCPU
 * @adjust: the new value
 * @host: user space restores the register, and the counter by itself
 *
 * Context: any but NMI.
 */
void lodge_tsc_adjust(struct lodge_vcpu *vcpu, u64 adjust, bool host)
{
	if (!host)
		set_offset(vcpu, vcpu->tsc.offset + adjust - vcpu->tsc.adjust);
	vcpu->tsc.adjust = adjust;
}

/* The host's counter is below what it was: the guest's goes on as if it weren't. */
static noinline void host_went_back(struct lodge_vcpu *vcpu, u64 now)
{
	struct lodge_vm_tsc *v = &vcpu->vm->tsc;
	struct lodge_tsc *t = &vcpu->tsc;
	unsigned long flags;

	raw_spin_lock_irqsave(&v->lock, flags);
	if (t->generation == v->generation)
		v->matched--;
	t->generation = 0;
	raw_spin_unlock_irqrestore(&v->lock, flags);
	set_offset(vcpu, t->offset + scale(t, t->last_host) - scale(t, now));
	lodge_pv_tsc_changed(vcpu);
}

/**
 * lodge_tsc_sched_in - the vCPU is on a CPU again
 * @vcpu: the vCPU
 *
 * Context: preemption off.
 */
void lodge_tsc_sched_in(struct lodge_vcpu *vcpu)
{
	u64 now = rdtsc();

	if (unlikely(now < vcpu->tsc.last_host))
		host_went_back(vcpu, now);
}

/** lodge_vm_tsc_init - with the VM */
void lodge_vm_tsc_init(struct lodge_vm *vm)
{
	raw_spin_lock_init(&vm->tsc.lock);
	vm->tsc.default_khz = tsc_khz;
}

/** lodge_tsc_init - with the vCPU: the VM's frequency, and in step with the others */
void lodge_tsc_init(struct lodge_vcpu *vcpu)
{
	vcpu->tsc.ratio = one();
	vcpu->tsc.khz = vcpu->vm->tsc.default_khz;
	write_host(vcpu, 0);
}

/**
 * lodge_tsc_set_khz - KVM_SET_TSC_KHZ
 * @vcpu: the vCPU; its lock is held
 * @khz: frequency, 0 for the host's
 *
 * Return: 0, or -EINVAL for what the hardware can't do.
 */
long lodge_tsc_set_khz(struct lodge_vcpu *vcpu, unsigned long khz)
{
	u32 wanted = (u32)khz ?: tsc_khz, tolerance;
	u64 ratio = one();

	if (!tsc_khz)
		return -EINVAL;
	tolerance = mul_u64_u32_div(tsc_khz, TOLERANCE_PPM, 1000000);
	if (abs((s64)wanted - (s64)tsc_khz) > tolerance) {
		if (!lodge_caps.tsc_scaling)
			return -EINVAL;
		ratio = mul_u64_u32_div(one(), wanted, tsc_khz);
		if (!ratio || ratio >= lodge_caps.tsc_max_ratio)
			return -EINVAL;
	}
	vcpu->tsc.khz = wanted;
	vcpu->tsc.ratio = ratio;
	set_offset(vcpu, vcpu->tsc.offset);
	return 0;
}

/** lodge_tsc_get_khz - KVM_GET_TSC_KHZ */
long lodge_tsc_get_khz(struct lodge_vcpu *vcpu)
{
	return vcpu->tsc.khz;
}

/*
 * The one vCPU attribute: KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET, a u64.
 */
static long get_attr(void __user *arg, struct kvm_device_attr *attr)
{
	if (copy_from_user(attr, arg, sizeof(*attr)))
		return -EFAULT;
	if (attr->group != KVM_VCPU_TSC_CTRL || attr->attr != KVM_VCPU_TSC_OFFSET)
		return -ENXIO;
	return 0;
}

/** lodge_tsc_has_attr - KVM_HAS_DEVICE_ATTR on a vCPU: 0, -ENXIO or -EFAULT */
long lodge_tsc_has_attr(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_device_attr attr;

	return get_attr(arg, &attr);
}

/** lodge_tsc_get_attr - KVM_GET_DEVICE_ATTR on a vCPU: 0, -ENXIO or -EFAULT */
long lodge_tsc_get_attr(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_device_attr attr;
	long ret = get_attr(arg, &attr);

	if (ret)
		return ret;
	return put_user(vcpu->tsc.offset, (u64 __user *)u64_to_user_ptr(attr.addr));
}

/** lodge_tsc_set_attr - KVM_SET_DEVICE_ATTR on a vCPU: 0, -ENXIO or -EFAULT */
long lodge_tsc_set_attr(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct lodge_vm_tsc *v = &vcpu->vm->tsc;
	struct kvm_device_attr attr;
	unsigned long flags;
	u64 offset;
	bool matched;
	long ret = get_attr(arg, &attr);

	if (ret)
		return ret;
	if (get_user(offset, (u64 __user *)u64_to_user_ptr(attr.addr)))
		return -EFAULT;
	raw_spin_lock_irqsave(&v->lock, flags);
	matched = vcpu->tsc.khz && vcpu->tsc.khz == v->last_khz &&
		  v->last_offset == offset;
	record_write(vcpu, offset, scale(&vcpu->tsc, rdtsc()) + offset,
		     lodge_pv_base_ns(), matched);
	raw_spin_unlock_irqrestore(&v->lock, flags);
	lodge_pv_tsc_changed(vcpu);
	return 0;
}
