/* SPDX-License-Identifier: GPL-2.0-only */
/* Model-specific registers: one table of what is offered, read and written. */
#ifndef LODGE_MSR_H
#define LODGE_MSR_H

#include <linux/kvm.h>
#include <linux/types.h>

struct lodge_vcpu;

#define LODGE_MCE_BANKS		32
#define LODGE_VAR_MTRRS		8
#define LODGE_FIXED_MTRRS	11

/* MSRs that have no other home. What the hardware holds is the backend's. */
struct lodge_msrs {
	u64 mtrr_def;
	u64 mtrr_fixed[LODGE_FIXED_MTRRS];
	u64 mtrr_var[2 * LODGE_VAR_MTRRS];	/* base, mask, base, mask ... */
	u64 mcg_cap;
	u64 mcg_status;
	u64 mcg_ctl;
	u64 mc[4 * LODGE_MCE_BANKS];		/* CTL, STATUS, ADDR, MISC ... */
	u64 ucode_rev;
	u64 arch_caps;
	u64 power_ctl;
	u64 platform_info;
	u64 misc_features;
	u64 hwcr;
	u64 osvw_length;
	u64 osvw_status;
	u64 de_cfg;
	u64 vm_cr;
	u64 hsave_pa;
};

/* @host: user space asks: it may write what guests only read. */
int lodge_msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host);
int lodge_msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host, bool can_sleep);

int lodge_msr_init(void);
int lodge_msr_alloc(struct lodge_vcpu *vcpu);
void lodge_msr_free(struct lodge_vcpu *vcpu);
void lodge_msr_reset(struct lodge_vcpu *vcpu);
long lodge_msr_get_list(struct kvm_msr_list __user *arg, bool feature);
long lodge_msr_get_feature_msrs(struct kvm_msrs __user *arg);
long lodge_msr_get_many(struct lodge_vcpu *vcpu, struct kvm_msrs __user *arg);
long lodge_msr_set_many(struct lodge_vcpu *vcpu, struct kvm_msrs __user *arg);

bool lodge_spec_ctrl_valid(u64 data);
bool lodge_msr_known(struct lodge_vcpu *vcpu, u32 index);

/* msr_filter.c */
struct lodge_vm;
bool lodge_msr_allowed(struct lodge_vcpu *vcpu, u32 index, bool write);
int lodge_msr_filter_set(struct lodge_vm *vm, void __user *arg);
void lodge_msr_filter_free(struct lodge_vm *vm);

int lodge_mce_msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host);
int lodge_mce_msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host);
long lodge_mce_get_supported(void __user *arg);
long lodge_mce_setup(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_mce_set(struct lodge_vcpu *vcpu, void __user *arg);

#endif /* LODGE_MSR_H */
