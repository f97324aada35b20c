// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMCS of a vCPU: its life, its controls, and the guest state in it.
 *
 * VMREAD and VMWRITE are dear, above all for who is a guest himself: a field is
 * read when it is asked for and the guest may have changed it since, and
 * written at the next entry if it changed (vmx_get(), vmx_set()).
 */
#include <linux/slab.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/io.h>
#include <asm/tlbflush.h>

#include "event.h"
#include "regs.h"
#include "vmx.h"

/* In the order of enum vmx_field. */
#define VMX_ENCODING(name, encoding) encoding,
const u16 vmx_encodings[VF_NR] = {
	VMX_GUEST_FIELDS(VMX_ENCODING)
	VMX_EXIT_FIELDS(VMX_ENCODING)
	VMX_OWN_FIELDS(VMX_ENCODING)
};

/* Bits of CR0 and CR4 that the guest has for itself: they change nothing here. */
#define CR0_OWNED	(X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_WP | \
			 X86_CR0_AM)
#define CR4_OWNED	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | \
			 X86_CR4_PSE | X86_CR4_PGE | X86_CR4_PCE |		\
			 X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT |			\
			 X86_CR4_UMIP | X86_CR4_FSGSBASE | X86_CR4_SMEP |	\
			 X86_CR4_SMAP)

/*
 * Exceptions that exit. Machine checks are the host's. A guest whose handler of
 * #DB or #AC raises the same again would keep the CPU with no interrupt ever
 * taken (CVE-2015-8104, CVE-2015-5307). The other vendor's hypercall is #UD: it
 * is done all the same.
 */
#define EXCEPTIONS	(BIT(X86_TRAP_MC) | BIT(X86_TRAP_DB) | \
			 BIT(X86_TRAP_AC) | BIT(X86_TRAP_UD))

/* Gate addresses and selectors of the host, and all that stays as it is. */
void vmx_write_constants(struct lodge_context *ctx)
{
	struct desc_ptr idt;
	u64 val;

	vmx_write(VMCS_LINK_POINTER, ~0ull);
	vmx_write(MSR_BITMAP, __pa(ctx->msr_bitmap));
	vmx_write(CR3_TARGET_COUNT, 0);
	vmx_write(PAGE_FAULT_ERROR_CODE_MASK, 0);
	vmx_write(PAGE_FAULT_ERROR_CODE_MATCH, 0);
	vmx_write(VM_EXIT_MSR_STORE_COUNT, 0);
	vmx_write(VM_EXIT_MSR_LOAD_ADDR, __pa(ctx->perf.host));
	vmx_write(VM_ENTRY_MSR_LOAD_ADDR, __pa(ctx->perf.guest));
	vmx_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	vmx_write(GUEST_RIP, ctx->rip);
	vmx_write(GUEST_RFLAGS, ctx->rflags);
	if (vmx_caps.has.xsaves)
		vmx_write(XSS_EXIT_BITMAP, 0);
	if (vmx_caps.has.encls)
		vmx_write(ENCLS_EXITING_BITMAP, ~0ull);
	if (vmx_caps.has.ple) {
		vmx_write(PLE_GAP, 128);
		vmx_write(PLE_WINDOW, 4096);
	}

	vmx_write(HOST_CS_SELECTOR, __KERNEL_CS);
	vmx_write(HOST_SS_SELECTOR, __KERNEL_DS);
	vmx_write(HOST_DS_SELECTOR, 0);
	vmx_write(HOST_ES_SELECTOR, 0);
	vmx_write(HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	store_idt(&idt);
	vmx_write(HOST_IDTR_BASE, idt.address);
	vmx_write(HOST_RIP, (unsigned long)vmx_exited);
	vmx_write(HOST_IA32_SYSENTER_CS, __KERNEL_CS);
	rdmsrl(MSR_IA32_SYSENTER_EIP, val);
	vmx_write(HOST_IA32_SYSENTER_EIP, val);
	rdmsrl(MSR_EFER, val);
	vmx_write(HOST_IA32_EFER, val);
	rdmsrl(MSR_IA32_CR_PAT, val);
	vmx_write(HOST_IA32_PAT, val);
}

/* SDM vol. 3A table 9-1. */
static void seg_reset(struct lodge_context *ctx, enum lodge_seg seg, u16 selector,
		      u32 base, u32 ar)
{
	vmx_set(ctx, VF_ES_SEL + seg, selector);
	vmx_set(ctx, VF_ES_BASE + seg, base);
	vmx_set(ctx, VF_ES_LIMIT + seg, 0xffff);
	vmx_set(ctx, VF_ES_AR + seg, ar);
}

/**
 * vmx_vcpu_reset - guest state after RESET or INIT: SDM vol. 3A 9.1.1
 * @vcpu: the vCPU
 * @init: INIT leaves CR0.CD and CR0.NW alone
 */
void vmx_vcpu_reset(struct lodge_vcpu *vcpu, bool init)
{
	struct lodge_context *ctx = vcpu->ctx;
	u64 cr0 = X86_CR0_ET | X86_CR0_CD | X86_CR0_NW;
	enum lodge_seg seg;

	if (init)
		cr0 = X86_CR0_ET |
		      (vmx_cr_get(vcpu, 0) & (X86_CR0_CD | X86_CR0_NW));
	for (seg = LODGE_ES; seg <= LODGE_GS; seg++)
		seg_reset(ctx, seg, 0, 0, 0x93);
	seg_reset(ctx, LODGE_CS, 0xf000, 0xffff0000, 0x9b);
	seg_reset(ctx, LODGE_TR, 0, 0, 0x8b);
	seg_reset(ctx, LODGE_LDTR, 0, 0, 0x82);
	vmx_set(ctx, VF_GDTR_BASE, 0);
	vmx_set(ctx, VF_GDTR_LIMIT, 0xffff);
	vmx_set(ctx, VF_IDTR_BASE, 0);
	vmx_set(ctx, VF_IDTR_LIMIT, 0xffff);
	vmx_efer_set(vcpu, 0);
	vmx_cr_set(vcpu, 0, cr0);
	vmx_cr_set(vcpu, 3, 0);
	vmx_cr_set(vcpu, 4, 0);
	if (!init) {
		vmx_set(ctx, VF_SYSENTER_CS, 0);
		vmx_set(ctx, VF_SYSENTER_ESP, 0);
		vmx_set(ctx, VF_SYSENTER_EIP, 0);
		vmx_set(ctx, VF_DEBUGCTL, 0);
		memset(ctx->user_msr, 0, sizeof(ctx->user_msr));
		ctx->kernel_gs_base = 0;
		vcpu->pat = 0x0007040600070406ull;
		vmx_set(ctx, VF_PAT, vcpu->pat);
		ctx->sw.spec_ctrl = 0;
	}
	vmx_unhalt(vcpu);
	vmx_set(ctx, VF_INTR_STATE, 0);
	vmx_set(ctx, VF_PENDING_DB, 0);
	vmx_set(ctx, VF_ENTRY_INFO, 0);
	ctx->nmi_masked = false;
	ctx->nmi_waits = false;
	ctx->irq_waits = false;
	vmx_control(ctx, VF_CPU, CPU_BASED_INTR_WINDOW_EXITING |
		    CPU_BASED_NMI_WINDOW_EXITING, false);
	ctx->flush_vpid = true;
	vmx_apic_reset(vcpu);
}

static void init_controls(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	ctx->val[VF_PIN] = vmx_caps.pin;
	if (vmx_caps.has.preemption_timer)
		ctx->val[VF_PIN] |= PIN_BASED_VMX_PREEMPTION_TIMER;
	ctx->val[VF_TIMER] = vmx_longest_stay();
	ctx->val[VF_CPU] = (vmx_caps.cpu & ~CPU_BASED_TPR_SHADOW) |
			   CPU_BASED_MOV_DR_EXITING | CPU_BASED_CR8_LOAD_EXITING |
			   CPU_BASED_CR8_STORE_EXITING;
	ctx->val[VF_CPU2] = vmx_caps.cpu2;
	if (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT)
		ctx->val[VF_CPU] &= ~CPU_BASED_HLT_EXITING;
	if (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_MWAIT)
		ctx->val[VF_CPU] &= ~(CPU_BASED_MWAIT_EXITING | CPU_BASED_MONITOR_EXITING);
	if (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_PAUSE)
		ctx->val[VF_CPU2] &= ~SECONDARY_EXEC_PAUSE_LOOP_EXITING;
	ctx->val[VF_ENTRY] = vmx_caps.entry;
	ctx->val[VF_EXIT] = vmx_caps.exit;
	ctx->val[VF_EXCEPTIONS] = EXCEPTIONS;
	ctx->val[VF_CR0_MASK] = ~(u64)CR0_OWNED;
	ctx->val[VF_CR4_MASK] = ~0ull;
	ctx->val[VF_HOST_CR0] = read_cr0() & ~X86_CR0_TS;
	ctx->val[VF_EPTP] = vmx_eptp(&vmx_caps, lodge_npt_root_hpa(vcpu->vm));
	ctx->val[VF_VPID] = ctx->vpid;
	if (!ctx->vpid)
		ctx->val[VF_CPU2] &= ~SECONDARY_EXEC_ENABLE_VPID;
	ctx->val[VF_TSC_RATIO] = 1ull << 48;
	/* All is known, and nothing is in the VMCS. */
	ctx->fresh = ~0ull;
	bitmap_set(ctx->dirty, 0, VF_NR);
	bitmap_clear(ctx->dirty, VF_QUALIFICATION,
		     VF_NR_VOLATILE - VF_QUALIFICATION);
	if (!vmx_caps.has.vid) {
		__clear_bit(VF_INTR_STATUS, ctx->dirty);
		bitmap_clear(ctx->dirty, VF_EOI_EXIT0, 4);
	}
	if (!vmx_caps.has.tsc_scaling)
		__clear_bit(VF_TSC_RATIO, ctx->dirty);
	if (!vmx_caps.has.preemption_timer)
		__clear_bit(VF_TIMER, ctx->dirty);
	if (!ctx->vpid)
		__clear_bit(VF_VPID, ctx->dirty);
	if (!vmx_caps.has.posted_intr) {
		__clear_bit(VF_POSTED_NV, ctx->dirty);
		__clear_bit(VF_POSTED_DESC, ctx->dirty);
	}
	if (!vmx_caps.has.tpr_shadow) {
		__clear_bit(VF_TPR_THRESHOLD, ctx->dirty);
		__clear_bit(VF_VIRTUAL_APIC, ctx->dirty);
	}
	if (!vmx_caps.has.apic_access)
		__clear_bit(VF_APIC_ACCESS, ctx->dirty);
}

int vmx_vcpu_init(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);

	if (!ctx)
		return -ENOMEM;
	vcpu->ctx = ctx;
	ctx->loaded_cpu = -1;
	ctx->host_cpu = -1;
	INIT_LIST_HEAD(&ctx->loaded);
	ctx->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!ctx->vmcs)
		goto err_free;
	ctx->vmcs->revision = vmx_caps.revision;
	ctx->vmcs_pa = __pa(ctx->vmcs);
	if (vmx_msr_init(vcpu) || vmx_pml_init(ctx))
		goto err_vmcs;
	vmx_vpid_alloc(ctx);
	init_controls(vcpu);
	return 0;

err_vmcs:
	free_page((unsigned long)ctx->msr_bitmap);
	free_page((unsigned long)ctx->vmcs);
err_free:
	kfree(ctx);
	vcpu->ctx = NULL;
	return -ENOMEM;
}

void vmx_vcpu_free(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	vmx_clear(ctx);
	vmx_vpid_free(ctx);
	free_page((unsigned long)ctx->log);
	free_page((unsigned long)ctx->msr_bitmap);
	free_page((unsigned long)ctx->vmcs);
	kfree(ctx);
}

/** vmx_pae_paging - is PAE paging on, which keeps PDPTEs in registers? */
bool vmx_pae_paging(struct lodge_context *ctx)
{
	return (ctx->val[VF_CR0_SHADOW] & X86_CR0_PG) &&
	       (ctx->val[VF_CR4_SHADOW] & X86_CR4_PAE) &&
	       !(ctx->val[VF_EFER] & EFER_LMA);
}

/**
 * vmx_pdptes_load - give the CPU the four entries that CR3 points to
 * @vcpu: the vCPU
 * @fast: memory that would have to be faulted in is not read
 *
 * With PAE paging they are registers (SDM vol. 3A 4.4.1), which under EPT an entry
 * loads from the VMCS.
 *
 * Return: false if they could not be read.
 */
bool vmx_pdptes_load(struct lodge_vcpu *vcpu, bool fast)
{
	struct lodge_context *ctx = vcpu->ctx;
	u64 pdpte[4], gpa = vmx_get(ctx, VF_CR3) & 0xffffffe0;
	int i, ret;

	if (vmx_pae_paging(ctx)) {
		ret = fast ? lodge_guest_read_atomic(vcpu, gpa, pdpte, sizeof(pdpte)) :
			     lodge_guest_read(vcpu, gpa, pdpte, sizeof(pdpte));
		if (ret && fast)
			return false;
		/* No memory there: nothing is mapped. */
		for (i = 0; i < 4; i++)
			vmx_set(ctx, VF_PDPTR0 + i, ret ? 0 : pdpte[i]);
	}
	ctx->pdptes_stale = false;
	return true;
}

u64 vmx_cr_get(struct lodge_vcpu *vcpu, int n)
{
	struct lodge_context *ctx = vcpu->ctx;
	u64 mask;

	switch (n) {
	case 0:
		mask = ctx->val[VF_CR0_MASK];
		return (vmx_get(ctx, VF_CR0) & ~mask) |
		       (ctx->val[VF_CR0_SHADOW] & mask);
	case 3:
		return vmx_get(ctx, VF_CR3);
	default:
		mask = ctx->val[VF_CR4_MASK];
		return (vmx_get(ctx, VF_CR4) & ~mask) |
		       (ctx->val[VF_CR4_SHADOW] & mask);
	}
}

void vmx_cr_set(struct lodge_vcpu *vcpu, int n, u64 val)
{
	struct lodge_context *ctx = vcpu->ctx;

	switch (n) {
	case 0:
		if ((vmx_cr_get(vcpu, 0) ^ val) & VMX_PDPTES_CR0)
			ctx->pdptes_stale = true;
		/* A guest that switches caches off slows its neighbours down. */
		vmx_set(ctx, VF_CR0_SHADOW, val);
		vmx_set(ctx, VF_CR0, (val & ~(X86_CR0_CD | X86_CR0_NW)) |
			vmx_cr0_on(&vmx_caps));
		break;
	case 3:
		vmx_set(ctx, VF_CR3, val);
		ctx->pdptes_stale = true;
		break;
	default:
		if ((vmx_cr_get(vcpu, 4) ^ val) & VMX_PDPTES_CR4)
			ctx->pdptes_stale = true;
		/* With MCE clear a machine check would shut the host down. */
		vmx_set(ctx, VF_CR4_SHADOW, val);
		vmx_set(ctx, VF_CR4, val | vmx_cr4_on(&vmx_caps) |
			(cr4_read_shadow() & X86_CR4_MCE));
		break;
	}
}

u64 vmx_efer_get(struct lodge_vcpu *vcpu)
{
	return vcpu->ctx->val[VF_EFER];
}

void vmx_efer_set(struct lodge_vcpu *vcpu, u64 efer)
{
	struct lodge_context *ctx = vcpu->ctx;
	bool lma = efer & EFER_LMA;
	u32 tr;

	if ((ctx->val[VF_EFER] ^ efer) & EFER_LMA)
		ctx->pdptes_stale = true;
	vmx_set(ctx, VF_EFER, efer);
	vmx_control(ctx, VF_ENTRY, VM_ENTRY_IA32E_MODE, lma);
	if (lma) {
		/* Long mode has one kind of TSS only: SDM vol. 3C 26.3.1.2. */
		tr = vmx_get(ctx, VF_TR_AR);
		vmx_set(ctx, VF_TR_AR, (tr & ~VMX_AR_TYPE_MASK) |
			VMX_AR_TYPE_BUSY_64_TSS);
	}
	if (ctx->entered)
		vmx_user_msrs_load(ctx);
}

void vmx_seg_get(struct lodge_vcpu *vcpu, enum lodge_seg seg, struct kvm_segment *var)
{
	struct lodge_context *ctx = vcpu->ctx;
	u32 ar = vmx_get(ctx, VF_ES_AR + seg);

	*var = (struct kvm_segment){
		.base = vmx_get(ctx, VF_ES_BASE + seg),
		.limit = vmx_get(ctx, VF_ES_LIMIT + seg),
		.selector = vmx_get(ctx, VF_ES_SEL + seg),
		.type = ar & VMX_AR_TYPE_MASK,
		.s = !!(ar & VMX_AR_S_MASK),
		.dpl = VMX_AR_DPL(ar),
		.present = !(ar & VMX_AR_UNUSABLE_MASK),
		.avl = (ar >> 12) & 1,
		.l = !!(ar & VMX_AR_L_MASK),
		.db = !!(ar & VMX_AR_DB_MASK),
		.g = !!(ar & VMX_AR_G_MASK),
		.unusable = !!(ar & VMX_AR_UNUSABLE_MASK),
	};
}

void vmx_seg_set(struct lodge_vcpu *vcpu, enum lodge_seg seg, const struct kvm_segment *var)
{
	struct lodge_context *ctx = vcpu->ctx;
	u32 ar = VMX_AR_UNUSABLE_MASK;

	if (seg == LODGE_SS)
		vmx_unhalt(vcpu);
	if (var->present && !var->unusable) {
		ar = (var->type & VMX_AR_TYPE_MASK) | (var->s & 1) << 4 |
		     (var->dpl & 3) << VMX_AR_DPL_SHIFT | VMX_AR_P_MASK |
		     (var->avl & 1) << 12 | (var->l & 1) << 13 |
		     (var->db & 1) << 14 | (var->g & 1) << 15;
		/* What is loaded has been accessed: 26.3.1.2 demands the bit. */
		if (seg < LODGE_TR && (var->s & 1))
			ar |= VMX_AR_TYPE_ACCESSES_MASK;
	} else if (seg == LODGE_SS) {
		/* Its DPL is the CPL, usable or not. */
		ar |= (var->dpl & 3) << VMX_AR_DPL_SHIFT;
	}
	vmx_set(ctx, VF_ES_SEL + seg, var->selector);
	vmx_set(ctx, VF_ES_BASE + seg, var->base);
	vmx_set(ctx, VF_ES_LIMIT + seg, var->limit);
	vmx_set(ctx, VF_ES_AR + seg, ar);
}

void vmx_dt_get(struct lodge_vcpu *vcpu, bool idt, struct kvm_dtable *dt)
{
	struct lodge_context *ctx = vcpu->ctx;

	dt->base = vmx_get(ctx, idt ? VF_IDTR_BASE : VF_GDTR_BASE);
	dt->limit = vmx_get(ctx, idt ? VF_IDTR_LIMIT : VF_GDTR_LIMIT);
}

void vmx_dt_set(struct lodge_vcpu *vcpu, bool idt, const struct kvm_dtable *dt)
{
	struct lodge_context *ctx = vcpu->ctx;

	vmx_set(ctx, idt ? VF_IDTR_BASE : VF_GDTR_BASE, dt->base);
	vmx_set(ctx, idt ? VF_IDTR_LIMIT : VF_GDTR_LIMIT, dt->limit);
}

int vmx_cpl(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (!(ctx->val[VF_CR0_SHADOW] & X86_CR0_PE))
		return 0;
	return VMX_AR_DPL(vmx_get(ctx, VF_SS_AR));
}

int vmx_code_bits(struct lodge_vcpu *vcpu)
{
	u32 ar = vmx_get(vcpu->ctx, VF_CS_AR);

	if ((ar & VMX_AR_L_MASK) && (vmx_efer_get(vcpu) & EFER_LMA))
		return 64;
	return ar & VMX_AR_DB_MASK ? 32 : 16;
}

/* DR7 is in the VMCS; DR0-3 are loaded by vmx_enter() if used. */
void vmx_dr_set(struct lodge_vcpu *vcpu)
{
	vmx_set(vcpu->ctx, VF_DR7, vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP ?
		vcpu->guest_debug_dr[7] | LODGE_DR7_FIXED : vcpu->dr7);
}

/* DR7 is exchanged with the VMCS, DR6 is not. */
void vmx_dr_lend(struct lodge_vcpu *vcpu, bool on)
{
	struct lodge_context *ctx = vcpu->ctx;

	vmx_control(ctx, VF_CPU, CPU_BASED_MOV_DR_EXITING, !on);
	if (on) {
		set_debugreg(vcpu->dr6, 6);
	} else {
		get_debugreg(vcpu->dr6, 6);
		set_debugreg(DR6_RESERVED, 6);
		vcpu->dr7 = vmx_get(ctx, VF_DR7);
	}
}

static void window(struct lodge_context *ctx)
{
	vmx_control(ctx, VF_CPU, CPU_BASED_INTR_WINDOW_EXITING,
		    ctx->irq_waits || ctx->nmi_waits);
}

void vmx_want(struct lodge_vcpu *vcpu, enum lodge_want what, bool on)
{
	struct lodge_context *ctx = vcpu->ctx;

	switch (what) {
	case LODGE_WANT_FPU:
		break;		/* not with lodge_caps.fpu_trap clear */
	case LODGE_WANT_IRQ_WINDOW:
		ctx->irq_waits = on;
		window(ctx);
		break;
	case LODGE_WANT_NMI_WINDOW:
		/* What STI holds off ends together for both: SDM vol. 3C 25.7.2. */
		ctx->nmi_waits = on && (!vmx_caps.has.vnmi ||
					(vmx_get(ctx, VF_INTR_STATE) & GUEST_INTR_STATE_STI));
		window(ctx);
		vmx_control(ctx, VF_CPU, CPU_BASED_NMI_WINDOW_EXITING,
			    on && !ctx->nmi_waits);
		break;
	case LODGE_WANT_BP:
		vmx_control(ctx, VF_EXCEPTIONS, BIT(X86_TRAP_BP), on);
		break;
	}
}

void vmx_tsc_set(struct lodge_vcpu *vcpu)
{
	vmx_set(vcpu->ctx, VF_TSC_OFFSET, vcpu->tsc.offset);
	if (vmx_caps.has.tsc_scaling)
		vmx_set(vcpu->ctx, VF_TSC_RATIO, vcpu->tsc.ratio);
}

/* Instructions and bits of features that the vCPU was not given shall fault. */
void vmx_cpuid_changed(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	const struct lodge_cpuid *cpuid = &vcpu->cpuid;
	u64 cr4 = vmx_cr_get(vcpu, 4);

	if (vmx_caps.has.rdtscp)
		vmx_control(ctx, VF_CPU2, SECONDARY_EXEC_ENABLE_RDTSCP,
			    lodge_cpuid_has(cpuid, X86_FEATURE_RDTSCP) ||
			    lodge_cpuid_has(cpuid, X86_FEATURE_RDPID));
	if (vmx_caps.has.invpcid)
		vmx_control(ctx, VF_CPU2, SECONDARY_EXEC_ENABLE_INVPCID,
			    lodge_cpuid_has(cpuid, X86_FEATURE_INVPCID));
	if (vmx_caps.has.xsaves)
		vmx_control(ctx, VF_CPU2, VMCS_CONTROL_BIT(XSAVES),
			    lodge_cpuid_has(cpuid, X86_FEATURE_XSAVES));
	vmx_set(ctx, VF_CR4_MASK, ~(CR4_OWNED & ~cpuid->cr4_reserved));
	vmx_cr_set(vcpu, 4, cr4);
}
