/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM's paravirtual interface: clock, wall clock, steal time, hypercalls. */
#ifndef LODGE_PV_H
#define LODGE_PV_H

#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <asm/pvclock-abi.h>

struct lodge_vm;
struct lodge_vcpu;

struct lodge_pv {
	u64 clock_msr;		/* MSR_KVM_SYSTEM_TIME(_NEW) */
	u64 steal_msr;
	u64 poll_msr;
	u8 clock_flags;		/* PVCLOCK_GUEST_STOPPED, to be told once */
	s8 tsc_shift;		/* of hw_tsc_khz */
	u32 tsc_mul;
	u32 hw_tsc_khz;
	u64 steal_last;		/* run_delay at the last update */
	const void *steal_task;	/* whose run_delay that was; not followed */
	int last_cpu;
	unsigned long renewed;	/* the clock page: jiffies */
	bool told;		/* the steal-time page says "preempted" */
	bool preempted;		/* its thread could run, but has no CPU */
	bool enforce;		/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID */
	bool unhalted;		/* KVM_HC_KICK_CPU came: the next HLT goes on */
};

struct lodge_vm_pv {
	/*
	 * Read: writing a vCPU's page from what is below. Write: changing it,
	 * with every vCPU out of the guest. See "one time base" in pv.c.
	 */
	struct rw_semaphore sem;
	s64 clock_offset;	/* KVM_SET_CLOCK: guest clock = boot time + this */
	u64 wall_clock_msr;
	bool old_msr;		/* vCPU 0 uses the old MSR: the guest is of before the flag */
	bool stale;		/* the time base must be taken anew */
	bool master;		/* one time base for all vCPUs: TSC_STABLE_BIT */
	u64 master_nsec, master_tsc;
};

int lodge_pv_init(void);
void lodge_pv_exit(void);
void lodge_vm_pv_init(struct lodge_vm *vm);
void lodge_pv_reset(struct lodge_vcpu *vcpu);
u32 lodge_pv_features(void);
int lodge_pv_msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host);
int lodge_pv_msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host);
long lodge_pv_enable_cap(struct lodge_vcpu *vcpu, void __user *arg);
u64 lodge_pv_base_ns(void);
void lodge_pv_time_scale(u32 khz, s8 *shift, u32 *mul);
void lodge_pv_tsc_changed(struct lodge_vcpu *vcpu);
int lodge_pv_clock_update(struct lodge_vcpu *vcpu);
void lodge_pv_steal_update(struct lodge_vcpu *vcpu);
void lodge_pv_sched_in(struct lodge_vcpu *vcpu);
void lodge_pv_sched_out(struct lodge_vcpu *vcpu);
long lodge_pv_get_clock(struct lodge_vm *vm, void __user *arg);
long lodge_pv_set_clock(struct lodge_vm *vm, void __user *arg);
long lodge_pv_kvmclock_ctrl(struct lodge_vcpu *vcpu);
int lodge_pv_hypercall(struct lodge_vcpu *vcpu);

#endif /* LODGE_PV_H */
