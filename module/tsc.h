/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's time-stamp counter: offset, scaling, and writes to it. */
#ifndef LODGE_TSC_H
#define LODGE_TSC_H

#include <linux/kvm.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct lodge_vm;
struct lodge_vcpu;

struct lodge_tsc {
	u64 offset;		/* guest = scaled host + offset */
	u64 ratio;		/* fixed point, lodge_caps.tsc_frac_bits; 1.0 if not scaled */
	u64 adjust;		/* IA32_TSC_ADJUST */
	u32 khz;
	u64 generation;		/* of the VM's matched writes that this vCPU is of */
	u64 last_host;		/* the host's counter when it was last put */
};

/* vCPUs whose writes matched share an offset: they are of one generation. */
struct lodge_vm_tsc {
	raw_spinlock_t lock;	/* matching of writes by several vCPUs */
	u64 last_write, last_nsec, last_offset;
	u32 last_khz;
	u64 generation;
	u64 offset;		/* of this generation */
	unsigned int matched;	/* how many vCPUs are of this generation */
	u32 default_khz;
};

void lodge_vm_tsc_init(struct lodge_vm *vm);
void lodge_tsc_init(struct lodge_vcpu *vcpu);
u64 lodge_tsc_read(struct lodge_vcpu *vcpu, u64 host_tsc);
u64 lodge_tsc_to_host(struct lodge_vcpu *vcpu, u64 guest_tsc);
void lodge_tsc_write(struct lodge_vcpu *vcpu, u64 val, bool host);
void lodge_tsc_adjust(struct lodge_vcpu *vcpu, u64 adjust, bool host);
void lodge_tsc_sched_in(struct lodge_vcpu *vcpu);
long lodge_tsc_set_khz(struct lodge_vcpu *vcpu, unsigned long khz);
long lodge_tsc_get_khz(struct lodge_vcpu *vcpu);
long lodge_tsc_has_attr(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_tsc_get_attr(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_tsc_set_attr(struct lodge_vcpu *vcpu, void __user *arg);

#endif /* LODGE_TSC_H */
