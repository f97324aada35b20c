/* SPDX-License-Identifier: GPL-2.0-only */
/* CPUID: what the host and lodge can offer, and what a vCPU was given. */
#ifndef LODGE_CPUID_H
#define LODGE_CPUID_H

#include <asm/cpufeatures.h>
#include <linux/kvm.h>
#include <linux/types.h>

struct lodge_vcpu;

#define LODGE_MAX_CPUID_ENTRIES	256

/* Feature words that the kernel does not number, behind those that it does. */
#define LODGE_CPUID_7_2_EDX		22
#define LODGE_CPUID_8000_0021_ECX	23
#define LODGE_CPUID_WORDS		24

/* Leaves 0 and 0x80000000, and so many after each, are found by an index. */
#define LODGE_CPUID_INDEXED		64

/* Feature words that decisions are taken from, kept beside the raw table. */
struct lodge_cpuid {
	struct kvm_cpuid_entry2 *entries;	/* kvmalloc'ed, NULL before SET_CPUID2 */
	unsigned int nr;
	/* The first entry of each leaf, basic ones then extended ones, or nr. */
	u16 first[2 * LODGE_CPUID_INDEXED];
	/*
	 * The vCPU's words, as arch/x86 numbers them (X86_FEATURE_* / 32): what it
	 * was given and lodge supports.
	 */
	u32 caps[LODGE_CPUID_WORDS];
	u64 cr4_reserved;	/* CR4 bits that this vCPU must not set */
	u64 xcr0_allowed;	/* bits XSETBV may set */
	u64 efer_allowed;
	u8 maxphyaddr;
	bool amd;		/* the vendor string is AMD's or Hygon's */
	bool fault;		/* CPUID above CPL 0 is a #GP: exit.c asks */
	bool ran;		/* KVM_RUN was called: CPUID is frozen, as in KVM */
	u32 pv_features;	/* KVM_CPUID_FEATURES EAX that was given */
};

int lodge_cpuid_init(void);
int lodge_cpuid_default(struct lodge_vcpu *vcpu);
int lodge_cpuid_take(struct lodge_vcpu *vcpu, struct kvm_cpuid_entry2 *entries,
		     unsigned int nr);
void lodge_cpuid_free(struct lodge_vcpu *vcpu);
long lodge_cpuid_get_supported(struct kvm_cpuid2 __user *arg, bool emulated);
long lodge_cpuid_set(struct lodge_vcpu *vcpu, struct kvm_cpuid __user *arg);
long lodge_cpuid_set2(struct lodge_vcpu *vcpu, struct kvm_cpuid2 __user *arg);
long lodge_cpuid_get2(struct lodge_vcpu *vcpu, struct kvm_cpuid2 __user *arg);
bool lodge_cpuid_supported(unsigned int x86_feature);
u32 lodge_cpuid_signature(struct lodge_vcpu *vcpu);
void lodge_cpuid(struct lodge_vcpu *vcpu, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx);

/* Was the vCPU given X86_FEATURE_x, and can lodge keep the promise? */
static inline bool lodge_cpuid_has(const struct lodge_cpuid *cpuid, unsigned int f)
{
	return cpuid->caps[f / 32] & (1u << (f % 32));
}

#endif /* LODGE_CPUID_H */
