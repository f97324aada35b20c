// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the VMCS holds, or that the guest has for itself. The bitmap has a
 * bit per MSR for reads and one for writes, in two ranges: SDM vol. 3C 24.6.9.
 */
#include <asm/spec-ctrl.h>

#include "msr.h"
#include "vmx.h"

/* The guest's own: no exit. */
static const u32 direct[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

/**
 * vmx_msr_intercept - which accesses to an MSR exit; those that its guests are denied do
 *	in any case
 * @vcpu: the vCPU
 * @msr: the MSR
 * @read: reads do
 * @write: writes do
 */
void vmx_msr_intercept(struct lodge_vcpu *vcpu, u32 msr, bool read, bool write)
{
	struct lodge_context *ctx = vcpu->ctx;
	unsigned int bit = msr & 0x1fff;

	if (WARN_ON_ONCE(msr >= 0x2000 && msr - 0xc0000000 >= 0x2000))
		return;
	if (msr >= 0x2000)
		bit += 0x2000;
	__assign_bit(bit, ctx->msr_bitmap, read || !lodge_msr_allowed(vcpu, msr, false));
	__assign_bit(bit + 0x4000, ctx->msr_bitmap,
		     write || !lodge_msr_allowed(vcpu, msr, true));
}

/** vmx_msr_filter - which MSRs the guest has without an exit, as the filter is now */
void vmx_msr_filter(struct lodge_vcpu *vcpu)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(direct); i++)
		vmx_msr_intercept(vcpu, direct[i], false, false);
	/* What it reads is offset and scaled by the CPU. */
	vmx_msr_intercept(vcpu, MSR_IA32_TSC, false, true);
	if (vcpu->ctx->sw.spec_free)
		vmx_msr_intercept(vcpu, MSR_IA32_SPEC_CTRL, false, false);
}

int vmx_msr_init(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	ctx->msr_bitmap = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!ctx->msr_bitmap)
		return -ENOMEM;
	memset(ctx->msr_bitmap, 0xff, PAGE_SIZE);
	vmx_msr_filter(vcpu);
	return 0;
}

/* The field that is the MSR, or -1. */
static int field_of(u32 index)
{
	switch (index) {
	case MSR_FS_BASE: return VF_FS_BASE;
	case MSR_GS_BASE: return VF_GS_BASE;
	case MSR_IA32_SYSENTER_CS: return VF_SYSENTER_CS;
	case MSR_IA32_SYSENTER_ESP: return VF_SYSENTER_ESP;
	case MSR_IA32_SYSENTER_EIP: return VF_SYSENTER_EIP;
	case MSR_IA32_DEBUGCTLMSR: return VF_DEBUGCTL;
	default: return -1;
	}
}

static int user_msr_of(u32 index)
{
	switch (index) {
	case MSR_STAR: return VMX_STAR;
	case MSR_LSTAR: return VMX_LSTAR;
	case MSR_CSTAR: return VMX_CSTAR;
	case MSR_SYSCALL_MASK: return VMX_SFMASK;
	case MSR_TSC_AUX: return VMX_TSC_AUX;
	default: return -1;
	}
}

static u64 kernel_gs_base_get(struct lodge_context *ctx)
{
	u64 val;

	preempt_disable();
	if (ctx->state_loaded)
		rdmsrl(MSR_KERNEL_GS_BASE, ctx->kernel_gs_base);
	val = ctx->kernel_gs_base;
	preempt_enable();
	return val;
}

static void kernel_gs_base_set(struct lodge_context *ctx, u64 val)
{
	preempt_disable();
	ctx->kernel_gs_base = val;
	if (ctx->state_loaded)
		wrmsrl(MSR_KERNEL_GS_BASE, val);
	preempt_enable();
}

int vmx_msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data)
{
	struct lodge_context *ctx = vcpu->ctx;
	int n = field_of(index);

	if (n >= 0) {
		*data = vmx_get(ctx, n);
		if (n == VF_DEBUGCTL)
			*data &= ~(u64)DEBUGCTLMSR_FREEZE_IN_SMM;	/* the host's */
		return 0;
	}
	n = user_msr_of(index);
	if (n >= 0) {
		*data = ctx->user_msr[n];
		return 0;
	}
	switch (index) {
	case MSR_KERNEL_GS_BASE:
		*data = kernel_gs_base_get(ctx);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		*data = ctx->sw.spec_ctrl;
		return 0;
	default:
		return -ENOENT;
	}
}

int vmx_msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	struct lodge_context *ctx = vcpu->ctx;
	int n;

	/* Branch records are not offered; single-stepping on branches is. */
	if (index == MSR_IA32_DEBUGCTLMSR && data & ~(u64)DEBUGCTLMSR_BTF)
		return 1;
	n = field_of(index);
	if (n == VF_DEBUGCTL)
		data |= ctx->host_debugctl & DEBUGCTLMSR_FREEZE_IN_SMM;
	if (n >= 0) {
		vmx_set(ctx, n, data);
		return 0;
	}
	n = user_msr_of(index);
	if (n >= 0) {
		if ((n == VMX_TSC_AUX || n == VMX_SFMASK) && data >> 32)
			return 1;
		ctx->user_msr[n] = data;
		if (ctx->entered)
			vmx_user_msrs_load(ctx);
		return 0;
	}
	switch (index) {
	case MSR_KERNEL_GS_BASE:
		kernel_gs_base_set(ctx, data);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		if (!lodge_spec_ctrl_valid(data))
			return 1;
		ctx->sw.spec_ctrl = data;
		/* Whoever writes it once will do it often: from then on directly. */
		if (data) {
			vmx_msr_intercept(vcpu, MSR_IA32_SPEC_CTRL, false, false);
			ctx->sw.spec_free = 1;
		}
		return 0;
	case MSR_IA32_CR_PAT:
		vmx_set(ctx, VF_PAT, data);
		return 0;
	default:
		return -ENOENT;
	}
}

bool vmx_msr_exists(u32 index)
{
	switch (index) {
	case MSR_TSC_AUX:
		return vmx_caps.has.rdtscp;
	case MSR_IA32_SPEC_CTRL:
		return boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	case MSR_AMD64_VIRT_SPEC_CTRL:
		return false;
	default:
		return true;
	}
}
