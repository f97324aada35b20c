/* SPDX-License-Identifier: GPL-2.0-only */
/* The emulator's machine is a vCPU: what the run loop asks of the emulator. */
#ifndef LODGE_EMULATE_GLUE_H
#define LODGE_EMULATE_GLUE_H

#include <linux/types.h>

struct lodge_emul;
struct lodge_vcpu;

void lodge_glue_init(struct lodge_vcpu *vcpu);
int lodge_glue_mmio(struct lodge_vcpu *vcpu, u64 gpa);
int lodge_glue_resume(struct lodge_vcpu *vcpu);
int lodge_glue_task_switch(struct lodge_vcpu *vcpu, u16 selector, int reason,
			   bool has_error, u32 error);
int lodge_glue_ud(struct lodge_vcpu *vcpu);
int lodge_simd_get(struct lodge_emul *c, int reg, void *buf, u32 len);
int lodge_simd_set(struct lodge_emul *c, int reg, const void *buf, u32 len);
long lodge_translate(struct lodge_vcpu *vcpu, void __user *arg);

/* The same, where the CPU did not stop for an operand. */
static inline int lodge_glue_emulate(struct lodge_vcpu *vcpu)
{
	return lodge_glue_mmio(vcpu, ~0ull);
}

#endif /* LODGE_EMULATE_GLUE_H */
