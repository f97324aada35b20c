/* SPDX-License-Identifier: GPL-2.0-only */
/* Control and debug registers with their rules, and the register ioctls. */
#ifndef LODGE_REGS_H
#define LODGE_REGS_H

#include <linux/types.h>

struct lodge_vcpu;

/* Writes by the guest: 0, or 1 for #GP. */
int lodge_cr0_set(struct lodge_vcpu *vcpu, u64 cr0);
int lodge_cr3_set(struct lodge_vcpu *vcpu, u64 cr3);
int lodge_cr4_set(struct lodge_vcpu *vcpu, u64 cr4);
int lodge_cr8_set(struct lodge_vcpu *vcpu, u64 cr8);
int lodge_efer_set(struct lodge_vcpu *vcpu, u64 efer, bool host);
u64 lodge_dr_get(struct lodge_vcpu *vcpu, int n);
int lodge_dr_set(struct lodge_vcpu *vcpu, int n, u64 val);

void lodge_breakpoints_load(struct lodge_vcpu *vcpu);
void lodge_dr_lend(struct lodge_vcpu *vcpu);
void lodge_dr_take(struct lodge_vcpu *vcpu);

void lodge_rflags_set(struct lodge_vcpu *vcpu, u64 rflags);
long lodge_regs_get(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_regs_set(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_sregs_get(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_sregs_set(struct lodge_vcpu *vcpu, void __user *arg);
int lodge_sync_in(struct lodge_vcpu *vcpu);
void lodge_sync_out(struct lodge_vcpu *vcpu);
long lodge_sregs2_get(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_sregs2_set(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_debugregs_get(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_debugregs_set(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_mp_state_get(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_mp_state_set(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_sigmask_set(struct lodge_vcpu *vcpu, void __user *arg);
/* What of KVM_SET_GUEST_DEBUG's control there is. */
u32 lodge_guest_debug_flags(void);
long lodge_guest_debug_set(struct lodge_vcpu *vcpu, void __user *arg);

#endif /* LODGE_REGS_H */
