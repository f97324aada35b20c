/* SPDX-License-Identifier: GPL-2.0-only */
/* Capabilities: what KVM_CHECK_EXTENSION says, and KVM_ENABLE_CAP. */
#ifndef LODGE_CAPS_H
#define LODGE_CAPS_H

struct lodge_vm;
struct lodge_vcpu;

long lodge_cap_check(struct lodge_vm *vm, unsigned long cap);
long lodge_cap_enable_vm(struct lodge_vm *vm, void __user *arg);

#endif /* LODGE_CAPS_H */
