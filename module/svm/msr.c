// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that the VMCB holds, or that the guest has for itself. The permission
 * map has two bits per MSR, read and write, in three ranges: APM vol. 2
 * 15.11. All exit but those whose value VMRUN, VMLOAD or the run loop exchange.
 */
#include <asm/spec-ctrl.h>

#include "msr.h"
#include "svm.h"

/* The guest's own: no exit. */
static const u32 direct[] = {
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

static u32 *word_of(struct lodge_context *ctx, u32 msr, u32 *shift)
{
	static const u32 base[] = { 0, 0xc0000000, 0xc0010000 };
	int i;

	for (i = 0; i < ARRAY_SIZE(base); i++) {
		u32 n = msr - base[i];

		if (n < 0x2000) {
			*shift = n % 16 * 2;
			return (u32 *)((u8 *)ctx->msrpm + i * 0x800) + n / 16;
		}
	}
	return NULL;
}

/* Which accesses to an MSR exit; those that its guests are denied do in any case. */
static void msr_intercept(struct lodge_vcpu *vcpu, u32 msr, bool read, bool write)
{
	struct lodge_context *ctx = vcpu->ctx;
	u32 shift, *word = word_of(ctx, msr, &shift);

	if (WARN_ON_ONCE(!word))
		return;
	read |= !lodge_msr_allowed(vcpu, msr, false);
	write |= !lodge_msr_allowed(vcpu, msr, true);
	*word &= ~(3u << shift);
	*word |= (read | write << 1) << shift;
	svm_dirty(ctx, SVM_CLEAN_PERM_MAP);
}

/** svm_msr_filter - which MSRs the guest has without an exit, as the filter is now */
void svm_msr_filter(struct lodge_vcpu *vcpu)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(direct); i++)
		msr_intercept(vcpu, direct[i], false, false);
	if (vcpu->ctx->sw.spec_free)
		msr_intercept(vcpu, MSR_IA32_SPEC_CTRL, false, false);
}

int svm_msr_init(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	ctx->msrpm = (void *)__get_free_pages(GFP_KERNEL_ACCOUNT, 1);
	if (!ctx->msrpm)
		return -ENOMEM;
	memset(ctx->msrpm, 0xff, 2 * PAGE_SIZE);
	svm_msr_filter(vcpu);
	return 0;
}

static u64 *field_of(struct vmcb_save_area *save, u32 index)
{
	switch (index) {
	case MSR_STAR: return &save->star;
	case MSR_LSTAR: return &save->lstar;
	case MSR_CSTAR: return &save->cstar;
	case MSR_SYSCALL_MASK: return &save->sfmask;
	case MSR_FS_BASE: return &save->fs.base;
	case MSR_GS_BASE: return &save->gs.base;
	case MSR_KERNEL_GS_BASE: return &save->kernel_gs_base;
	case MSR_IA32_SYSENTER_CS: return &save->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP: return &save->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP: return &save->sysenter_eip;
	default: return NULL;
	}
}

int svm_msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct vmcb_save_area *save = &ctx->vmcb->save;
	const u64 *field = field_of(save, index);

	if (field) {
		*data = *field;
		return 0;
	}
	switch (index) {
	case MSR_TSC_AUX:
		*data = ctx->tsc_aux;
		return 0;
	case MSR_IA32_SPEC_CTRL:
		*data = svm_features.v_spec_ctrl ? save->spec_ctrl :
						   ctx->sw.spec_ctrl;
		return 0;
	case MSR_AMD64_VIRT_SPEC_CTRL:
		*data = ctx->virt_spec_ctrl;
		return 0;
	case MSR_IA32_DEBUGCTLMSR:
		*data = save->dbgctl;
		return 0;
	default:
		return -ENOENT;
	}
}

/* Whoever writes SPEC_CTRL once will do it often: from then on directly. */
static int set_spec_ctrl(struct lodge_vcpu *vcpu, u64 data)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (!lodge_spec_ctrl_valid(data))
		return 1;
	if (svm_features.v_spec_ctrl)
		ctx->vmcb->save.spec_ctrl = data;
	else
		ctx->sw.spec_ctrl = data;
	if (data) {
		msr_intercept(vcpu, MSR_IA32_SPEC_CTRL, false, false);
		ctx->sw.spec_free = 1;
	}
	return 0;
}

int svm_msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct vmcb_save_area *save = &ctx->vmcb->save;
	u64 *field = field_of(save, index);

	if (field) {
		*field = data;
		return 0;
	}
	switch (index) {
	case MSR_TSC_AUX:
		if (data >> 32)
			return 1;
		ctx->tsc_aux = data;
		/* svm_put() may give the CPU back its own at any time otherwise. */
		preempt_disable();
		if (ctx->aux_loaded)
			wrmsrl(MSR_TSC_AUX, data);
		else if (ctx->state_loaded)
			svm_tsc_aux_load(vcpu);
		preempt_enable();
		return 0;
	case MSR_IA32_SPEC_CTRL:
		return set_spec_ctrl(vcpu, data);
	case MSR_AMD64_VIRT_SPEC_CTRL:
		if (data & ~SPEC_CTRL_SSBD)
			return 1;
		ctx->virt_spec_ctrl = data;
		return 0;
	case MSR_IA32_DEBUGCTLMSR:
		/* Branch records are not offered; single-stepping on branches is. */
		if (data & ~(u64)DEBUGCTLMSR_BTF)
			return 1;
		save->dbgctl = data;
		/* VMRUN loads it with the branch records only: APM vol. 2 15.23. */
		ctx->vmcb->control.virt_ext &= ~(u64)LBR_CTL_ENABLE_MASK;
		if (data && boot_cpu_has(X86_FEATURE_LBRV))
			ctx->vmcb->control.virt_ext |= LBR_CTL_ENABLE_MASK;
		svm_dirty(ctx, SVM_CLEAN_LBR);
		return 0;
	case MSR_IA32_CR_PAT:
		save->g_pat = data;
		svm_dirty(ctx, SVM_CLEAN_NPT);
		return 0;
	default:
		return -ENOENT;
	}
}

bool svm_msr_exists(u32 index)
{
	switch (index) {
	case MSR_TSC_AUX:
		return boot_cpu_has(X86_FEATURE_RDTSCP) ||
		       boot_cpu_has(X86_FEATURE_RDPID);
	case MSR_IA32_SPEC_CTRL:
		return boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL);
	case MSR_AMD64_VIRT_SPEC_CTRL:
		return boot_cpu_has(X86_FEATURE_VIRT_SSBD);
	default:
		return true;
	}
}
