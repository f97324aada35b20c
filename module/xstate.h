/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's x87, SSE, AVX ... state, XCR0, IA32_XSS, PKRU and XFD. */
#ifndef LODGE_XSTATE_H
#define LODGE_XSTATE_H

#include <asm/fpu/api.h>
#include <linux/bits.h>
#include <linux/kvm.h>
#include <linux/types.h>

struct lodge_vcpu;

struct lodge_xstate {
	struct fpu_guest fpu;
	u64 xcr0;		/* IA32_XSS is 0: no component of it is offered */
	u32 pkru;
	u32 host_pkru;
	u8 eager;		/* calls of KVM_RUN that load the registers at once */
	bool in_run;		/* in KVM_RUN; then, at once or when needed: */
	bool live;		/* the guest's registers are the thread's */
	bool trapped;		/* LODGE_WANT_FPU */
	bool entered;		/* in the inner loop: and what it can reach is its */
	u8 reach;		/* what CR4 lets the guest read or write */
};

#define LODGE_REACH_XCR	BIT(0)

/* CR4.OSXSAVE, without a look at CR4. */
static inline bool lodge_xstate_osxsave(const struct lodge_xstate *x)
{
	return x->reach & LODGE_REACH_XCR;
}

int lodge_xstate_init(void);
int lodge_xstate_alloc(struct lodge_vcpu *vcpu);
void lodge_xstate_free(struct lodge_vcpu *vcpu);
void lodge_xstate_reset(struct lodge_vcpu *vcpu, bool init);
/* KVM_RUN's frame: the guest's FPU state in the thread's place, from need() on. */
void lodge_xstate_load(struct lodge_vcpu *vcpu);
void lodge_xstate_need(struct lodge_vcpu *vcpu);
void lodge_xstate_put(struct lodge_vcpu *vcpu);
/* The inner loop's frame, interrupts off: XCR0, XSS, PKRU, where they differ. */
void lodge_xstate_enter(struct lodge_vcpu *vcpu);
void lodge_xstate_leave(struct lodge_vcpu *vcpu);
void lodge_xstate_cr4(struct lodge_vcpu *vcpu);
/* XSETBV: 0, or 1 for #GP. */
int lodge_xstate_set_xcr(struct lodge_vcpu *vcpu, u32 index, u64 val);
u64 lodge_xstate_supported_xcr0(void);
u64 lodge_xstate_xcr0(struct lodge_vcpu *vcpu);
u32 lodge_xstate_area_size(u64 xstate_bv, bool compacted);

long lodge_xstate_get_fpu(struct lodge_vcpu *vcpu, struct kvm_fpu __user *arg);
long lodge_xstate_set_fpu(struct lodge_vcpu *vcpu, struct kvm_fpu __user *arg);
long lodge_xstate_get_xsave(struct lodge_vcpu *vcpu, struct kvm_xsave __user *arg);
long lodge_xstate_get_xsave2(struct lodge_vcpu *vcpu, struct kvm_xsave __user *arg);
long lodge_xstate_set_xsave(struct lodge_vcpu *vcpu, struct kvm_xsave __user *arg);
long lodge_xstate_get_xcrs(struct lodge_vcpu *vcpu, struct kvm_xcrs __user *arg);
long lodge_xstate_set_xcrs(struct lodge_vcpu *vcpu, struct kvm_xcrs __user *arg);
int lodge_xstate_size(void);	/* KVM_CAP_XSAVE2 */

#endif /* LODGE_XSTATE_H */
