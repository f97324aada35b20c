// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: AMD-V
 *
 * This room turns the neutral words of backend.h into VMCBs and back (APM
 * vol. 2 chapter 15). Its objects: per CPU (struct svm_cpu) the area where VMRUN
 * keeps the host, a VMCB for the host's VMLOAD state and the ASIDs; per vCPU
 * (struct lodge_context) the VMCB and the MSR permission map; one I/O
 * permission map for all, in which every port exits.
 *
 * The inner loop runs with the global interrupt flag clear, from svm_enter()
 * to svm_leave(). That is what makes it cheap: nothing can come between that
 * would need the host's TR, GS or SYSCALL MSRs, so they are exchanged once per
 * stay and not once per exit (entry.S). NMIs and machine checks wait until
 * STGI, some hundred instructions at most after they have made the guest exit.
 *
 * Locks: none; a context belongs to its vCPU's thread, a CPU's data to who
 * runs there with preemption off. The room may not touch kvm_run.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": svm: " fmt

#include <linux/mm.h>
#include <asm/debugreg.h>
#include <asm/io.h>
#include <asm/mem_encrypt.h>
#include <asm/mce.h>
#include <asm/nospec-branch.h>
#include <asm/reboot.h>
#include <asm/spec-ctrl.h>

#include "event.h"
#include "regs.h"
#include "svm.h"

DEFINE_PER_CPU(struct svm_cpu, svm_cpu);
struct svm_features svm_features __ro_after_init;
u64 svm_iopm_pa __ro_after_init;

/* 64 Ki ports and three more bits, for an access at the last one. */
#define IOPM_ORDER	2
static unsigned long iopm __ro_after_init;

static int svm_probe(struct lodge_hw_caps *caps)
{
	const char *why;
	u64 vm_cr;
	int ret;

	/* A CPU without AMD-V need not have it. */
	if (rdmsrl_safe(MSR_VM_CR, &vm_cr))
		vm_cr = SVM_VM_CR_SVM_DIS_MASK;
	ret = svm_caps_compute(&boot_cpu_data, vm_cr, pgtable_l5_enabled(),
			       &svm_features, caps, &why);
	if (why)
		pr_err("%s\n", why);
	return ret;
}

static int svm_alloc_cpu(int cpu)
{
	struct svm_cpu *sd = &per_cpu(svm_cpu, cpu);
	int node = cpu_to_node(cpu);

	sd->save_area = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO, 0);
	sd->host_vmcb = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO, 0);
	if (!sd->save_area || !sd->host_vmcb)
		return -ENOMEM;
	sd->host_vmcb_pa = __sme_set(page_to_phys(sd->host_vmcb));
	return 0;
}

static void svm_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct svm_cpu *sd = &per_cpu(svm_cpu, cpu);

		if (sd->save_area)
			__free_page(sd->save_area);
		if (sd->host_vmcb)
			__free_page(sd->host_vmcb);
	}
	free_pages(iopm, IOPM_ORDER);
}

static int svm_init(void)
{
	int cpu, ret = 0;

	iopm = __get_free_pages(GFP_KERNEL, IOPM_ORDER);
	if (!iopm)
		return -ENOMEM;
	/* No port is the guest's own. */
	memset((void *)iopm, 0xff, PAGE_SIZE << IOPM_ORDER);
	svm_iopm_pa = __sme_set(virt_to_phys((void *)iopm));
	for_each_possible_cpu(cpu)
		ret = ret ?: svm_alloc_cpu(cpu);
	if (ret)
		svm_exit();
	return ret;
}

static int svm_enable(void)
{
	struct svm_cpu *sd = this_cpu_ptr(&svm_cpu);
	u64 efer;

	rdmsrl(MSR_EFER, efer);
	if (efer & EFER_SVME)
		return -EBUSY;
	sd->asid_generation++;
	sd->max_asid = cpuid_ebx(SVM_CPUID_FUNC) - 1;
	sd->next_asid = sd->max_asid + 1;
	sd->tsc_ratio = SVM_TSC_RATIO_DEFAULT;
	if (svm_msr_exists(MSR_TSC_AUX))
		rdmsrl(MSR_TSC_AUX, sd->tsc_aux);
	wrmsrl(MSR_EFER, efer | EFER_SVME);
	wrmsrl(MSR_VM_HSAVE_PA, __sme_set(page_to_phys(sd->save_area)));
	if (svm_features.tsc_ratio)
		wrmsrl(MSR_AMD64_TSC_RATIO, SVM_TSC_RATIO_DEFAULT);
	lodge_spec_reduce(true);
	return 0;
}

static void svm_disable(void)
{
	u64 efer;

	lodge_spec_reduce(false);
	if (svm_features.tsc_ratio)
		wrmsrl(MSR_AMD64_TSC_RATIO, SVM_TSC_RATIO_DEFAULT);
	wrmsrl(MSR_VM_HSAVE_PA, 0);
	rdmsrl(MSR_EFER, efer);
	/* INIT and NMI would stay blocked with GIF clear. */
	stgi();
	wrmsrl(MSR_EFER, efer & ~EFER_SVME);
}

static void svm_load(struct lodge_vcpu *vcpu, int cpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct svm_cpu *sd = this_cpu_ptr(&svm_cpu);

	ctx->host_saved = false;
	if (unlikely(ctx->last_cpu != cpu)) {
		/* This CPU's cached VMCB and TLB may be of long ago. */
		ctx->asid_generation = 0;
		ctx->vmcb->control.clean = 0;
		ctx->last_cpu = cpu;
	}
	if (svm_features.tsc_ratio && vcpu->tsc.ratio != sd->tsc_ratio) {
		sd->tsc_ratio = vcpu->tsc.ratio;
		wrmsrl(MSR_AMD64_TSC_RATIO, sd->tsc_ratio);
	}
}

static void svm_put(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (ctx->aux_loaded) {
		wrmsrl(MSR_TSC_AUX, this_cpu_read(svm_cpu.tsc_aux));
		ctx->aux_loaded = false;
	}
}

/* The guest's TSC_AUX into the CPU, if it is not there; svm_put() has the host's. */
void svm_tsc_aux_load(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (ctx->aux_loaded || ctx->tsc_aux == this_cpu_read(svm_cpu.tsc_aux) ||
	    !svm_msr_exists(MSR_TSC_AUX))
		return;
	wrmsrl(MSR_TSC_AUX, ctx->tsc_aux);
	ctx->aux_loaded = true;
}

static bool breakpoints(struct lodge_vcpu *vcpu)
{
	return vcpu->ctx->vmcb->save.dr7 & 0xff;
}

/* A new ASID where the one in the VMCB is not of this CPU, or worn out. */
static void check_asid(struct lodge_context *ctx)
{
	struct svm_cpu *sd = this_cpu_ptr(&svm_cpu);
	struct vmcb_control_area *c = &ctx->vmcb->control;

	if (likely(ctx->asid_generation == sd->asid_generation))
		return;
	if (sd->next_asid > sd->max_asid) {
		sd->asid_generation++;
		sd->next_asid = 1;	/* 0 is the host */
		c->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	ctx->asid_generation = sd->asid_generation;
	c->asid = sd->next_asid++;
	svm_dirty(ctx, SVM_CLEAN_ASID);
}

/* Where SSBD is not in SPEC_CTRL; elsewhere the kernel's function does nothing. */
static __always_inline bool virt_ssbd(void)
{
	return static_cpu_has(X86_FEATURE_LS_CFG_SSBD) ||
	       static_cpu_has(X86_FEATURE_VIRT_SSBD);
}

/* The inner loop begins. Interrupts are off; nothing is taken until leave(). */
static void svm_enter(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct svm_cpu *sd = this_cpu_ptr(&svm_cpu);

	if (unlikely(breakpoints(vcpu)))
		lodge_breakpoints_load(vcpu);
	svm_tsc_aux_load(vcpu);
	clgi();
	/* Another thread's modify_ldt() gives this CPU a new LDTR at any time. */
	if (!ctx->host_saved || unlikely(lodge_has_ldt(current->mm))) {
		asm volatile("vmsave %0" :: "a"(sd->host_vmcb_pa) : "memory");
		ctx->host_saved = true;
	}
	if (virt_ssbd())
		x86_virt_spec_ctrl(ctx->virt_spec_ctrl, true);
	svm_vmload_guest(ctx->vmcb_pa, &ctx->sw);
	ctx->state_loaded = true;
	check_asid(ctx);
}

static void svm_leave(struct lodge_vcpu *vcpu)
{
	struct svm_cpu *sd = this_cpu_ptr(&svm_cpu);
	struct lodge_context *ctx = vcpu->ctx;
	struct vmcb *vmcb = ctx->vmcb;

	if (unlikely(vcpu->dr_lent))
		lodge_dr_take(vcpu);
	/* The flush that the new generation rests on has not been done. */
	if (unlikely(vmcb->control.tlb_ctl == TLB_CONTROL_FLUSH_ALL_ASID)) {
		sd->next_asid = sd->max_asid + 1;
		ctx->asid_generation = 0;
	}
	ctx->state_loaded = false;
	svm_vmload_host(ctx->vmcb_pa, sd->host_vmcb_pa, &ctx->sw);
	if (virt_ssbd())
		x86_virt_spec_ctrl(ctx->virt_spec_ctrl, false);
	stgi();
	/* #VMEXIT leaves the guest's DR6 in the CPU, and DR7 clear. */
	if (unlikely(vmcb->save.dr6 != LODGE_DR6_FIXED))
		set_debugreg(DR6_RESERVED, 6);
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
	if (unlikely(ctx->last_exit == SVM_EXIT_EXCP_BASE + X86_TRAP_MC)) {
		struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

		ctx->last_exit = 0;	/* once, if a stay ends without an entry */
		do_machine_check(&regs);
	}
}

/* Events: APM vol. 2 15.20. */
static void svm_inject_exception(struct lodge_vcpu *vcpu,
				 const struct lodge_exception *e)
{
	struct vmcb_control_area *c = &vcpu->ctx->vmcb->control;

	c->event_inj = e->vector | SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_EXEPT |
		       (e->has_error ? SVM_EVTINJ_VALID_ERR : 0);
	c->event_inj_err = e->error;
	/* Of #BP and #OF a CPU with NextRIP pushes that: APM vol. 2 15.20. */
	c->next_rip = vcpu->rip;
}

static void svm_inject_irq(struct lodge_vcpu *vcpu, u8 vector, bool soft)
{
	/* An interrupted INT n is executed again: RIP still points to it. */
	if (soft)
		return;
	vcpu->ctx->vmcb->control.event_inj =
		vector | SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_INTR;
}

static void svm_inject_nmi(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	ctx->vmcb->control.event_inj = SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_NMI;
	ctx->nmi_masked = true;
	ctx->nmi_iret = false;
	/* Also with no other one waiting: its end is what unmasks. */
	svm_intercept(ctx, INTERCEPT_IRET, true);
}

static bool svm_nmi_masked(struct lodge_vcpu *vcpu)
{
	return vcpu->ctx->nmi_masked;
}

static void svm_set_nmi_masked(struct lodge_vcpu *vcpu, bool masked)
{
	struct lodge_context *ctx = vcpu->ctx;

	ctx->nmi_masked = masked;
	ctx->nmi_iret = false;
	svm_intercept(ctx, INTERCEPT_IRET, masked);
}

static u8 svm_int_shadow(struct lodge_vcpu *vcpu)
{
	/* The VMCB doesn't tell STI's from MOV SS's. */
	return vcpu->ctx->vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK ?
	       KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS : 0;
}

static void svm_set_int_shadow(struct lodge_vcpu *vcpu, u8 shadow)
{
	struct vmcb_control_area *c = &vcpu->ctx->vmcb->control;

	c->int_state &= ~(u32)SVM_INTERRUPT_SHADOW_MASK;
	if (shadow)
		c->int_state |= SVM_INTERRUPT_SHADOW_MASK;
}

static u64 svm_next_rip(struct lodge_vcpu *vcpu)
{
	return svm_ctx_next_rip(vcpu->ctx, &svm_features);
}

static int svm_insn_bytes(struct lodge_vcpu *vcpu, u8 *buf)
{
	return svm_ctx_insn_bytes(vcpu->ctx, &svm_features, buf);
}

void svm_vcpu_flush(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct vmcb_control_area *c = &ctx->vmcb->control;

	if (!svm_features.flush_by_asid)
		ctx->asid_generation = 0;
	else if (c->tlb_ctl == TLB_CONTROL_DO_NOTHING)
		c->tlb_ctl = TLB_CONTROL_FLUSH_ASID;
	if (ctx->state_loaded)
		check_asid(ctx);
}

/* An ASID tags both kinds. */
static void svm_tlb_flush(struct lodge_vcpu *vcpu, bool nested)
{
	svm_vcpu_flush(vcpu);
}

/* INVLPGA would want the ASID to be this CPU's: all of it, then. */
static void svm_tlb_flush_page(struct lodge_vcpu *vcpu, u64 gva)
{
	svm_vcpu_flush(vcpu);
}

const struct lodge_backend svm_backend = {
	.name = "AMD-V",
	.probe = svm_probe,
	.init = svm_init,
	.exit = svm_exit,
	.enable = svm_enable,
	.disable = svm_disable,
	.vcpu_init = svm_vcpu_init,
	.vcpu_free = svm_vcpu_free,
	.vcpu_reset = svm_vcpu_reset,
	.load = svm_load,
	.put = svm_put,
	.enter = svm_enter,
	.run = svm_run,
	.leave = svm_leave,
	.slow = svm_slow,
	.inject_exception = svm_inject_exception,
	.inject_irq = svm_inject_irq,
	.inject_nmi = svm_inject_nmi,
	.nmi_masked = svm_nmi_masked,
	.set_nmi_masked = svm_set_nmi_masked,
	.int_shadow = svm_int_shadow,
	.set_int_shadow = svm_set_int_shadow,
	.want = svm_want,
	.cr_get = svm_cr_get,
	.cr_set = svm_cr_set,
	.efer_get = svm_efer_get,
	.efer_set = svm_efer_set,
	.seg_get = svm_seg_get,
	.seg_set = svm_seg_set,
	.dt_get = svm_dt_get,
	.dt_set = svm_dt_set,
	.cpl = svm_cpl,
	.code_bits = svm_code_bits,
	.dr_set = svm_dr_set,
	.dr_lend = svm_dr_lend,
	.tsc_set = svm_tsc_set,
	.cpuid_changed = svm_cpuid_changed,
	.msr_get = svm_msr_get,
	.msr_set = svm_msr_set,
	.msr_exists = svm_msr_exists,
	.msr_filter = svm_msr_filter,
	.next_rip = svm_next_rip,
	.insn_bytes = svm_insn_bytes,
	.tlb_flush = svm_tlb_flush,
	.tlb_flush_page = svm_tlb_flush_page,
	.describe = svm_describe,
};
