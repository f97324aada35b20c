/* SPDX-License-Identifier: GPL-2.0-only */
/* Running a vCPU: KVM_RUN, blocking, kicking. */
#ifndef LODGE_RUN_H
#define LODGE_RUN_H

struct lodge_vcpu;

long lodge_vcpu_run(struct lodge_vcpu *vcpu);
void lodge_vcpu_load(struct lodge_vcpu *vcpu);
void lodge_vcpu_put(struct lodge_vcpu *vcpu);

#endif /* LODGE_RUN_H */
