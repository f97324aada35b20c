// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Extended processor state
 *
 * The guest's x87, SSE, AVX ... registers live in a buffer of the kernel's own
 * FPU code, which swaps them with the thread's during KVM_RUN: the scheduler
 * then saves and restores the guest's like anybody's. That is two XSAVEs and two
 * XRSTORs for a call, and a guest whose kernel talks to a device of the
 * launcher's needs none of them. So the swap waits for the guest's first use of
 * the registers: until then CR0.TS is set behind its back and #NM exits
 * (LODGE_WANT_FPU). A guest that did use them gets them at once in its next
 * calls, since it most likely will again. XGETBV with ECX=1, which CR0.TS does not
 * stop, tells the thread's components then instead of the guest's; only AMX
 * code asks, and hosts with AMX swap always. So do CPUs that speculate past
 * CR0.TS (CVE-2018-3665); and all outside long mode, where a CPU may switch tasks,
 * which sets CR0.TS, without an exit though asked for one (QEMU's emulation).
 *
 * XCR0, IA32_XSS and PKRU govern what XSAVE does and what user pages can be
 * reached: the kernel's values must be there whenever interrupts are on. They
 * are exchanged around the inner loop, interrupts off, only written where
 * guest and host differ, and left alone while the guest can't tell: without
 * CR4.OSXSAVE it has no XSAVE, without CR4.PKE and with XCR0.PKRU out of its
 * reach no PKRU.
 *
 * IA32_XFD_ERR is set by the CPU when a disabled feature is used; with XFD set
 * the inner loop's end takes it away before the host can see it.
 *
 * XCR0 is read back: a CPU may not exit on XSETBV though asked to (QEMU's
 * emulation of SVM). Its guests write the real register, with the CPU's own
 * checks, and what they wrote must last. Hiding XSAVE there would be the other
 * way out, but it costs the guest AVX, and finding out costs more than one
 * XGETBV when the inner loop ends. What remains wrong on such a CPU: a guest
 * can set a bit that the host has and the vCPU was not given; it is dropped
 * again at that point.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/fpu/xstate.h>
#include <asm/pkru.h>

#include "backend.h"

/* What lodge can save for a guest: as KVM does. */
#define XCR0_MASK	(XFEATURE_MASK_FP | XFEATURE_MASK_SSE | XFEATURE_MASK_YMM | \
			 XFEATURE_MASK_AVX512 | XFEATURE_MASK_PKRU | XFEATURE_MASK_XTILE)

/* lodge_xstate.reach: what the guest's CR4 lets it read or write. */
#define REACH_XCR	LODGE_REACH_XCR	/* XCR0 and IA32_XSS */
#define REACH_PKRU	BIT(1)

/* Calls that get the registers at once after one in which they were used. */
#define EAGER_RUNS	255

static u64 host_xcr0 __read_mostly;
static u64 host_xss __read_mostly;
static bool have_pku __read_mostly;

/* CPUID 0xd.i: size, offset in the standard format, alignment in the compact one. */
static struct { u32 size, offset, flags; } component[64] __read_mostly;

/**
 * lodge_xstate_init - learn the host's XSAVE area
 *
 * Return: 0.
 */
int lodge_xstate_init(void)
{
	u32 edx;
	int i;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return 0;
	host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrl(MSR_IA32_XSS, host_xss);
	have_pku = boot_cpu_has(X86_FEATURE_OSPKE);
	for (i = 2; i < ARRAY_SIZE(component); i++)
		cpuid_count(0xd, i, &component[i].size, &component[i].offset,
			    &component[i].flags, &edx);
	return 0;
}

/**
 * lodge_xstate_supported_xcr0 - bits of XCR0 that can be offered
 *
 * Those that need a larger buffer only if the calling process may have one
 * (arch_prctl(ARCH_REQ_XCOMP_GUEST_PERM)).
 */
u64 lodge_xstate_supported_xcr0(void)
{
	u64 xcr0 = host_xcr0 & XCR0_MASK;

	if (!lodge_cpuid_supported(X86_FEATURE_XFD))
		xcr0 &= ~(u64)XFEATURE_MASK_XTILE;
	if (!lodge_cpuid_supported(X86_FEATURE_PKU))
		xcr0 &= ~(u64)XFEATURE_MASK_PKRU;
	return xcr0 & xstate_get_guest_group_perm();
}

/**
 * lodge_xstate_area_size - bytes of an XSAVE area
 * @xstate_bv: its components
 * @compacted: as XSAVEC and XSAVES lay it out (SDM vol. 1 13.4.3)
 */
u32 lodge_xstate_area_size(u64 xstate_bv, bool compacted)
{
	unsigned long extended = xstate_bv & ~(u64)XFEATURE_MASK_FPSSE;
	u32 end = FXSAVE_SIZE + XSAVE_HDR_SIZE, offset;
	int i;

	for_each_set_bit(i, &extended, 63) {
		offset = component[i].offset;
		if (compacted)
			offset = component[i].flags & BIT(1) ? ALIGN(end, 64) : end;
		end = max(end, offset + component[i].size);
	}
	return end;
}

/** lodge_xstate_size - KVM_CAP_XSAVE2: bytes that KVM_GET_XSAVE2 may fill */
int lodge_xstate_size(void)
{
	u32 size = lodge_xstate_area_size(lodge_xstate_supported_xcr0(), false);

	return max_t(int, size, sizeof(struct kvm_xsave));
}

/* May the registers be the thread's until the guest uses them? */
static bool can_wait(void)
{
	return lodge_caps.fpu_trap && !boot_cpu_has(X86_FEATURE_XFD);
}

/**
 * lodge_xstate_alloc - a vCPU's registers, in their initial state
 * @vcpu: the vCPU
 *
 * Return: 0 or -ENOMEM.
 */
int lodge_xstate_alloc(struct lodge_vcpu *vcpu)
{
	vcpu->xstate.eager = can_wait() ? 0 : EAGER_RUNS;
	return fpu_alloc_guest_fpstate(&vcpu->xstate.fpu) ? 0 : -ENOMEM;
}

/** lodge_xstate_free - with the vCPU */
void lodge_xstate_free(struct lodge_vcpu *vcpu)
{
	if (vcpu->xstate.fpu.fpstate)
		fpu_free_guest_fpstate(&vcpu->xstate.fpu);
}

/**
 * lodge_xstate_reset - after RESET
 * @vcpu: the vCPU
 * @init: INIT leaves all of this alone (SDM vol. 3A table 9-1)
 */
void lodge_xstate_reset(struct lodge_vcpu *vcpu, bool init)
{
	lodge_xstate_cr4(vcpu);
	if (init)
		return;
	vcpu->xstate.xcr0 = XFEATURE_MASK_FP;
}

static void set_trap(struct lodge_vcpu *vcpu, bool on)
{
	if (vcpu->xstate.trapped == on)
		return;
	vcpu->xstate.trapped = on;
	lodge_backend->want(vcpu, LODGE_WANT_FPU, on);
}

/* The guest's registers come in, the thread's go out. */
static void swap_in(struct lodge_vcpu *vcpu)
{
	fpu_swap_kvm_fpstate(&vcpu->xstate.fpu, true);
	vcpu->xstate.live = true;
	set_trap(vcpu, false);
}

/** lodge_xstate_load - KVM_RUN begins: the registers come in, or will when used */
void lodge_xstate_load(struct lodge_vcpu *vcpu)
{
	struct lodge_xstate *x = &vcpu->xstate;

	x->in_run = true;
	if (!x->eager && (lodge_backend->efer_get(vcpu) & EFER_LMA)) {
		set_trap(vcpu, true);
		return;
	}
	if (x->eager)
		x->eager--;
	swap_in(vcpu);
}

/**
 * lodge_xstate_need - the guest's registers are to be in the CPU now
 * @vcpu: the vCPU, in KVM_RUN
 *
 * Context: interrupts on.
 */
void lodge_xstate_need(struct lodge_vcpu *vcpu)
{
	struct lodge_xstate *x = &vcpu->xstate;

	if (x->live)
		return;
	x->eager = EAGER_RUNS;
	swap_in(vcpu);
}

/** lodge_xstate_put - KVM_RUN ends: the thread has its own registers again */
void lodge_xstate_put(struct lodge_vcpu *vcpu)
{
	struct lodge_xstate *x = &vcpu->xstate;

	x->in_run = false;
	if (!x->live)
		return;
	fpu_swap_kvm_fpstate(&x->fpu, false);
	x->live = false;
	if (!can_wait())
		x->eager = EAGER_RUNS;
}

/* SDM vol. 1 13.3: which bits stand and fall together. */
static bool xcr0_valid(const struct lodge_vcpu *vcpu, u64 val)
{
	u64 avx512 = val & XFEATURE_MASK_AVX512, tile = val & XFEATURE_MASK_XTILE;

	if (!(val & XFEATURE_MASK_FP))
		return false;
	if (val & ~(vcpu->cpuid.xcr0_allowed | XFEATURE_MASK_FP))
		return false;
	if ((val & XFEATURE_MASK_YMM) && !(val & XFEATURE_MASK_SSE))
		return false;
	if (avx512 && (avx512 != XFEATURE_MASK_AVX512 || !(val & XFEATURE_MASK_YMM)))
		return false;
	return !tile || tile == XFEATURE_MASK_XTILE;
}

/* The guest may have written the real one: take it over, if it was allowed to. */
static u64 read_back(struct lodge_vcpu *vcpu)
{
	u64 real = xgetbv(XCR_XFEATURE_ENABLED_MASK), val;

	if (unlikely(real != vcpu->xstate.xcr0)) {
		val = real & (vcpu->cpuid.xcr0_allowed | XFEATURE_MASK_FP);
		if (xcr0_valid(vcpu, val))
			vcpu->xstate.xcr0 = val;
	}
	return real;
}

static bool xcr_loaded(const struct lodge_xstate *x)
{
	return x->entered && (x->reach & REACH_XCR);
}

/**
 * lodge_xstate_xcr0 - the guest's XCR0 as it is now
 * @vcpu: the vCPU
 *
 * Context: the vCPU's thread; interrupts may be off.
 */
u64 lodge_xstate_xcr0(struct lodge_vcpu *vcpu)
{
	if (xcr_loaded(&vcpu->xstate))
		read_back(vcpu);
	return vcpu->xstate.xcr0;
}

/**
 * lodge_xstate_set_xcr - XSETBV, and the emulator's
 * @vcpu: the vCPU
 * @index: 0
 * @val: the new value
 *
 * Context: the vCPU's thread; interrupts may be off.
 * Return: 0, or 1 for #GP.
 */
int lodge_xstate_set_xcr(struct lodge_vcpu *vcpu, u32 index, u64 val)
{
	if (index != XCR_XFEATURE_ENABLED_MASK || !xcr0_valid(vcpu, val))
		return 1;
	vcpu->xstate.xcr0 = val;
	if (xcr_loaded(&vcpu->xstate))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, val);
	return 0;
}

/* What the guest can reach comes into the CPU. */
static void controls_load(struct lodge_xstate *x)
{
	if (x->reach & REACH_XCR) {
		if (x->xcr0 != host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, x->xcr0);
		if (host_xss)
			wrmsrl(MSR_IA32_XSS, 0);
	}
	if (x->reach & REACH_PKRU) {
		x->host_pkru = rdpkru();
		if (x->pkru != x->host_pkru)
			wrpkru(x->pkru);
	}
}

/* Mirrored. */
static void controls_put(struct lodge_vcpu *vcpu)
{
	struct lodge_xstate *x = &vcpu->xstate;

	if (x->reach & REACH_PKRU) {
		x->pkru = rdpkru();
		if (x->pkru != x->host_pkru)
			wrpkru(x->host_pkru);
	}
	if (x->reach & REACH_XCR) {
		if (host_xss)
			wrmsrl(MSR_IA32_XSS, host_xss);
		if (read_back(vcpu) != host_xcr0)
			xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	}
}

/**
 * lodge_xstate_cr4 - CR4 was written
 * @vcpu: the vCPU
 *
 * Context: the vCPU's thread; interrupts may be off.
 */
void lodge_xstate_cr4(struct lodge_vcpu *vcpu)
{
	u64 cr4 = lodge_backend->cr_get(vcpu, 4);
	struct lodge_xstate *x = &vcpu->xstate;
	u8 reach = 0;

	if (host_xcr0 && (cr4 & X86_CR4_OSXSAVE))
		reach |= REACH_XCR;
	if (have_pku && (cr4 & (X86_CR4_PKE | X86_CR4_OSXSAVE)))
		reach |= REACH_PKRU;
	if (reach == x->reach)
		return;
	if (x->entered)
		controls_put(vcpu);
	x->reach = reach;
	if (x->entered)
		controls_load(x);
}

/**
 * lodge_xstate_enter - into the inner loop: what must not be there outside
 * @vcpu: the vCPU
 *
 * Context: interrupts off, after lodge_xstate_load().
 */
void lodge_xstate_enter(struct lodge_vcpu *vcpu)
{
	struct lodge_xstate *x = &vcpu->xstate;

	lockdep_assert_irqs_disabled();
	x->entered = true;
	/* The kernel may have used the registers meanwhile. */
	if (x->live && test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	if (unlikely(x->fpu.xfd_err))
		wrmsrl(MSR_IA32_XFD_ERR, x->fpu.xfd_err);
	if (x->reach)
		controls_load(x);
}

/**
 * lodge_xstate_leave - out of the inner loop, mirrored
 * @vcpu: the vCPU
 *
 * Context: interrupts off.
 */
void lodge_xstate_leave(struct lodge_vcpu *vcpu)
{
	struct lodge_xstate *x = &vcpu->xstate;

	x->entered = false;
	if (unlikely(x->fpu.fpstate->xfd | x->fpu.xfd_err)) {
		rdmsrl(MSR_IA32_XFD_ERR, x->fpu.xfd_err);
		if (x->fpu.xfd_err)
			wrmsrl(MSR_IA32_XFD_ERR, 0);
	}
	if (x->reach)
		controls_put(vcpu);
}

/*
 * The ioctls. None of them runs while the registers are in the CPU.
 */

/*
 * The CPU does not write components that are in their initial state (SDM
 * vol. 1 13.6), so that the buffer may hold old data: make it the whole truth.
 */
static struct fxregs_state *settled_fxregs(struct lodge_vcpu *vcpu)
{
	struct fpstate *fps = vcpu->xstate.fpu.fpstate;
	struct xstate_header *hdr = &fps->regs.xsave.header;
	struct fxregs_state *fx = &fps->regs.fxsave;

	if (!host_xcr0)
		return fx;
	if (!(hdr->xfeatures & XFEATURE_MASK_FP)) {
		fx->cwd = 0x37f;
		fx->swd = fx->twd = fx->fop = 0;
		fx->rip = fx->rdp = 0;
		memset(fx->st_space, 0, sizeof(fx->st_space));
	}
	if (!(hdr->xfeatures & XFEATURE_MASK_SSE)) {
		fx->mxcsr = MXCSR_DEFAULT;
		memset(fx->xmm_space, 0, sizeof(fx->xmm_space));
	}
	hdr->xfeatures |= XFEATURE_MASK_FPSSE;
	return fx;
}

/** lodge_xstate_get_fpu - KVM_GET_FPU; 0 or -EFAULT */
long lodge_xstate_get_fpu(struct lodge_vcpu *vcpu, struct kvm_fpu __user *arg)
{
	const struct fxregs_state *fx = settled_fxregs(vcpu);
	struct kvm_fpu fpu = {
		.fcw = fx->cwd,
		.fsw = fx->swd,
		.ftwx = fx->twd,
		.last_opcode = fx->fop,
		.last_ip = fx->rip,
		.last_dp = fx->rdp,
		.mxcsr = fx->mxcsr,
	};

	BUILD_BUG_ON(sizeof(fpu.fpr) != sizeof(fx->st_space));
	BUILD_BUG_ON(sizeof(fpu.xmm) != sizeof(fx->xmm_space));
	memcpy(fpu.fpr, fx->st_space, sizeof(fpu.fpr));
	memcpy(fpu.xmm, fx->xmm_space, sizeof(fpu.xmm));
	return copy_to_user(arg, &fpu, sizeof(fpu)) ? -EFAULT : 0;
}

/**
 * lodge_xstate_set_fpu - KVM_SET_FPU
 * @vcpu: the vCPU
 * @arg: struct kvm_fpu
 *
 * As in KVM, MXCSR is not taken from here: KVM_SET_XSAVE has it.
 *
 * Return: 0 or -EFAULT.
 */
long lodge_xstate_set_fpu(struct lodge_vcpu *vcpu, struct kvm_fpu __user *arg)
{
	struct fxregs_state *fx;
	struct kvm_fpu fpu;

	if (copy_from_user(&fpu, arg, sizeof(fpu)))
		return -EFAULT;
	fx = settled_fxregs(vcpu);
	fx->cwd = fpu.fcw;
	fx->swd = fpu.fsw;
	fx->twd = fpu.ftwx;
	fx->fop = fpu.last_opcode;
	fx->rip = fpu.last_ip;
	fx->rdp = fpu.last_dp;
	memcpy(fx->st_space, fpu.fpr, sizeof(fpu.fpr));
	memcpy(fx->xmm_space, fpu.xmm, sizeof(fpu.xmm));
	return 0;
}

static long get_xsave(struct lodge_vcpu *vcpu, void __user *arg, size_t size)
{
	u64 features = vcpu->cpuid.xcr0_allowed | XFEATURE_MASK_FPSSE;
	void *buf = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	long ret;

	if (!buf)
		return -ENOMEM;
	fpu_copy_guest_fpstate_to_uabi(&vcpu->xstate.fpu, buf, size, features,
				       vcpu->xstate.pkru);
	ret = copy_to_user(arg, buf, size) ? -EFAULT : 0;
	kvfree(buf);
	return ret;
}

/**
 * lodge_xstate_get_xsave - KVM_GET_XSAVE: the first 4096 bytes
 * @vcpu: the vCPU
 * @arg: struct kvm_xsave
 *
 * Return: 0; -EINVAL if the vCPU's area is larger (KVM_GET_XSAVE2 has it);
 * -EFAULT, -ENOMEM.
 */
long lodge_xstate_get_xsave(struct lodge_vcpu *vcpu, struct kvm_xsave __user *arg)
{
	if (vcpu->xstate.fpu.uabi_size > sizeof(*arg))
		return -EINVAL;
	return get_xsave(vcpu, arg, sizeof(*arg));
}

/** lodge_xstate_get_xsave2 - KVM_GET_XSAVE2; 0, -EFAULT or -ENOMEM */
long lodge_xstate_get_xsave2(struct lodge_vcpu *vcpu, struct kvm_xsave __user *arg)
{
	return get_xsave(vcpu, arg, vcpu->xstate.fpu.uabi_size);
}

/**
 * lodge_xstate_set_xsave - KVM_SET_XSAVE
 * @vcpu: the vCPU
 * @arg: as long as KVM_GET_XSAVE2's
 *
 * Return: 0; -EINVAL for components or MXCSR bits that the host does not
 * have; -EFAULT, -ENOMEM.
 */
long lodge_xstate_set_xsave(struct lodge_vcpu *vcpu, struct kvm_xsave __user *arg)
{
	struct fpu_guest *fpu = &vcpu->xstate.fpu;
	struct xregs_state *buf;
	u32 size = max_t(u32, fpu->uabi_size, sizeof(*arg));
	int ret;

	buf = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return -ENOMEM;
	ret = -EFAULT;
	if (copy_from_user(buf, arg, size))
		goto out;
	/* A component that XFD disables must be in its initial state: XRSTOR. */
	buf->header.xfeatures &= ~fpu->fpstate->xfd;
	ret = fpu_copy_uabi_to_guest_fpstate(fpu, buf,
					     lodge_xstate_supported_xcr0(),
					     &vcpu->xstate.pkru);
out:
	kvfree(buf);
	return ret;
}

/** lodge_xstate_get_xcrs - KVM_GET_XCRS; 0 or -EFAULT */
long lodge_xstate_get_xcrs(struct lodge_vcpu *vcpu, struct kvm_xcrs __user *arg)
{
	struct kvm_xcrs xcrs = { };

	if (host_xcr0) {
		xcrs.nr_xcrs = 1;
		xcrs.xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
		xcrs.xcrs[0].value = vcpu->xstate.xcr0;
	}
	return copy_to_user(arg, &xcrs, sizeof(xcrs)) ? -EFAULT : 0;
}

/**
 * lodge_xstate_set_xcrs - KVM_SET_XCRS
 * @vcpu: the vCPU
 * @arg: struct kvm_xcrs
 *
 * Return: 0; -EINVAL for a value that XSETBV would refuse, for flags, or on a
 * host without XSAVE; -EFAULT.
 */
long lodge_xstate_set_xcrs(struct lodge_vcpu *vcpu, struct kvm_xcrs __user *arg)
{
	struct kvm_xcrs xcrs;
	u32 i;

	if (copy_from_user(&xcrs, arg, sizeof(xcrs)))
		return -EFAULT;
	if (!host_xcr0 || xcrs.nr_xcrs > KVM_MAX_XCRS || xcrs.flags)
		return -EINVAL;
	for (i = 0; i < xcrs.nr_xcrs; i++)
		if (xcrs.xcrs[i].xcr == XCR_XFEATURE_ENABLED_MASK)
			return lodge_xstate_set_xcr(vcpu, 0, xcrs.xcrs[i].value) ?
				-EINVAL : 0;
	return 0;
}
