// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Intel VT-x
 *
 * This room turns the neutral words of backend.h into VMCSs and back (SDM vol.
 * 3C, chapters 23 to 31). Its objects: per CPU (struct vmx_cpu) the VMXON
 * region and the list of VMCSs that the CPU may hold in its caches; per vCPU
 * (struct lodge_context) the VMCS, the MSR bitmap and a copy in memory of all
 * fields that are asked for or changed more than once (vmcs.c).
 *
 * A VMCS is active on one CPU at a time and current there while its vCPU is
 * loaded. A vCPU that comes to another CPU has the first one VMCLEAR it; a CPU
 * that goes off line, is suspended or crashes clears all it has.
 *
 * What the CPU does not exchange by itself is exchanged as seldom as can be:
 * IA32_KERNEL_GS_BASE once per stay of the thread on the CPU, the MSRs of
 * SYSCALL and TSC_AUX when the thread goes to user mode, where alone the host
 * needs them.
 *
 * Locks: none; a context belongs to its vCPU's thread, a CPU's data to who runs
 * there with preemption off, its list to who has interrupts off there too. The
 * room may not touch kvm_run.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": vmx: " fmt

#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/perf_event.h>
#include <asm/cpu_entry_area.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/io.h>
#include <asm/mce.h>
#include <asm/mmu_context.h>
#include <asm/nospec-branch.h>
#include <asm/spec-ctrl.h>
#include <asm/tlbflush.h>

#include "check.h"
#include "event.h"
#include "hw.h"
#include "regs.h"
#include "vmx.h"

DEFINE_PER_CPU(struct vmx_cpu, vmx_cpu);
struct vmx_caps vmx_caps __ro_after_init;

static int nx_huge_pages = -1;
module_param(nx_huge_pages, int, 0444);
MODULE_PARM_DESC(nx_huge_pages, "VMX: guests execute from 4K pages only; 1, 0, or where the CPU has erratum iTLB multihit (-1)");

static const u32 user_msrs[VMX_NR_USER_MSRS] = {
	[VMX_STAR] = MSR_STAR,
	[VMX_LSTAR] = MSR_LSTAR,
	[VMX_CSTAR] = MSR_CSTAR,
	[VMX_SFMASK] = MSR_SYSCALL_MASK,
	[VMX_TSC_AUX] = MSR_TSC_AUX,
};

#define L1D_ORDER	4
static bool l1d_leaks __ro_after_init;
bool vmx_l1d_always __ro_after_init;
static u8 *l1d_filler __ro_after_init;

/* VPIDs in use; 0 is the host's. */
static DECLARE_BITMAP(vpids, VMX_NR_VPIDS);
static DEFINE_SPINLOCK(vpid_lock);

/** vmx_vpid_alloc - give a context a VPID of its own, while there are any */
void vmx_vpid_alloc(struct lodge_context *ctx)
{
	unsigned long vpid;

	if (!vmx_caps.has.vpid)
		return;
	spin_lock(&vpid_lock);
	vpid = find_next_zero_bit(vpids, VMX_NR_VPIDS, 1);
	if (vpid < VMX_NR_VPIDS) {
		__set_bit(vpid, vpids);
		ctx->vpid = vpid;
	}
	spin_unlock(&vpid_lock);
}

/** vmx_vpid_free - undo vmx_vpid_alloc(); who gets it next flushes first */
void vmx_vpid_free(struct lodge_context *ctx)
{
	if (!ctx->vpid)
		return;
	spin_lock(&vpid_lock);
	__clear_bit(ctx->vpid, vpids);
	spin_unlock(&vpid_lock);
}

void vmx_write_failed(unsigned long encoding, u64 val)
{
	WARN_ONCE(1, "VMWRITE of 0x%llx to field 0x%lx: error %llu\n", val,
		  encoding, vmx_read(VM_INSTRUCTION_ERROR));
}

static int vmx_probe(struct lodge_hw_caps *caps)
{
	struct vmx_cap_msrs msrs;
	const char *missing;
	int ret;

	if (!boot_cpu_has(X86_FEATURE_VMX))
		return -ENODEV;
	if (!LODGE_POSTED_VECTOR)
		vmx_allowed.posted_intr = false;
	vmx_caps_read(&msrs);
	ret = vmx_caps_compute(&msrs, &vmx_allowed, &vmx_caps, &missing);
	if (ret) {
		pr_err("this CPU has no %s, which lodge requires\n", missing);
		return ret;
	}
	*caps = (struct lodge_hw_caps){
		.npt_levels = 4,
		.npt_ept = true,
		.npt_1g = vmx_caps.has.ept_1g,
		.npt_ad = vmx_caps.has.ept_ad,
		.npt_split_code = nx_huge_pages < 0 ?
				  boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) :
				  nx_huge_pages,
		.npt_log = vmx_caps.has.pml,
		.tsc_scaling = vmx_caps.has.tsc_scaling,
		.tsc_frac_bits = 48,
		.tsc_max_ratio = ~0ull,
		.xsaves = boot_cpu_has(X86_FEATURE_XSAVES) && vmx_caps.has.xsaves,
		/* CPUs speculate past CR0.TS: CVE-2018-3665. */
		.fpu_trap = false,
		.deadline_timer = vmx_caps.has.preemption_timer,
		.apic_access = vmx_caps.has.apic_access,
		.apic_tpr = vmx_caps.has.tpr_shadow,
		.apic_vid = vmx_caps.has.vid,
		.apic_posted = vmx_caps.has.posted_intr,
		.maxphyaddr = min_t(u8, boot_cpu_data.x86_phys_bits, 48),
	};
	return 0;
}

static void vmx_free(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		free_page((unsigned long)per_cpu(vmx_cpu, cpu).vmxon);
	free_pages((unsigned long)l1d_filler, L1D_ORDER);
}

static int vmx_init(void)
{
	int cpu;

	l1d_leaks = boot_cpu_has_bug(X86_BUG_L1TF) &&
		    l1tf_mitigation != L1TF_MITIGATION_OFF &&
		    l1tf_vmx_mitigation != VMENTER_L1D_FLUSH_NEVER &&
		    l1tf_vmx_mitigation != VMENTER_L1D_FLUSH_NOT_REQUIRED;
	vmx_l1d_always = l1d_leaks && l1tf_mitigation == L1TF_MITIGATION_FULL_FORCE;
	if (l1d_leaks && !boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		l1d_filler = (u8 *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, L1D_ORDER);
		if (!l1d_filler)
			return -ENOMEM;
	}
	for_each_possible_cpu(cpu) {
		struct vmx_cpu *vc = &per_cpu(vmx_cpu, cpu);
		struct page *page;

		INIT_LIST_HEAD(&vc->loaded);
		page = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
		if (!page) {
			vmx_free();
			return -ENOMEM;
		}
		vc->vmxon = page_address(page);
		vc->vmxon->revision = vmx_caps.revision;
	}
	return 0;
}

static int enter_root(u64 pa)
{
	bool failed;

	/* It faults where the firmware left IA32_FEATURE_CONTROL open. */
	asm volatile("stc\n" VMX_INSN("vmxon %1") CC_SET(na)
		     : CC_OUT(na) (failed) : "m" (pa) : "memory");
	return failed ? -EIO : 0;
}

static void drop_vmcs(u64 pa)
{
	asm volatile(VMX_INSN("vmclear %0") :: "m" (pa) : "cc", "memory");
}

static void pick_vmcs(u64 pa)
{
	asm volatile(VMX_INSN("vmptrld %0") :: "m" (pa) : "cc", "memory");
}

/* SDM vol. 3C 30.3: INVVPID, INVEPT. */
static void drop_vpid(unsigned long type, u64 vpid, u64 gva)
{
	struct { u64 vpid, gva; } desc = { vpid, gva };

	asm volatile("invvpid %0, %1" :: "m" (desc), "r" (type) : "cc", "memory");
}

static void drop_ept(unsigned long type, u64 eptp)
{
	struct { u64 eptp, zero; } desc = { eptp, 0 };

	asm volatile("invept %0, %1" :: "m" (desc), "r" (type) : "cc", "memory");
}

static int vmx_enable(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct vmx_cap_msrs msrs;
	struct vmx_caps caps;
	const char *missing;
	int i;

	if (cr4_read_shadow() & X86_CR4_VMXE)
		return -EBUSY;
	/* All CPUs are to be alike. */
	vmx_caps_read(&msrs);
	if (vmx_caps_compute(&msrs, &vmx_allowed, &caps, &missing) ||
	    memcmp(&caps, &vmx_caps, sizeof(caps)))
		return -EIO;
	for (i = 0; i < VMX_NR_USER_MSRS; i++) {
		vc->host_msr[i] = 0;
		rdmsrl_safe(user_msrs[i], &vc->host_msr[i]);
		vc->now_msr[i] = vc->host_msr[i];
	}
	intel_pt_handle_vmx(1);
	cr4_set_bits(X86_CR4_VMXE);
	if (enter_root(__pa(vc->vmxon))) {
		cr4_clear_bits(X86_CR4_VMXE);
		intel_pt_handle_vmx(0);
		return -EBUSY;
	}
	vc->current_ctx = NULL;
	/* What an earlier user of these VPIDs and EPTPs left behind. */
	drop_ept(VMX_EPT_EXTENT_GLOBAL, 0);
	if (vmx_caps.has.vpid)
		drop_vpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0);
	return 0;
}

/* In user mode the host's own are needed again. */
static void user_msrs_restore(struct vmx_cpu *vc)
{
	int i;

	for (i = 0; i < VMX_NR_USER_MSRS; i++) {
		if (vc->now_msr[i] == vc->host_msr[i])
			continue;
		wrmsrl(user_msrs[i], vc->host_msr[i]);
		vc->now_msr[i] = vc->host_msr[i];
	}
	if (vc->registered) {
		vc->registered = false;
		user_return_notifier_unregister(&vc->notifier);
	}
}

static void on_user_return(struct user_return_notifier *notifier)
{
	unsigned long flags;

	local_irq_save(flags);
	user_msrs_restore(this_cpu_ptr(&vmx_cpu));
	local_irq_restore(flags);
}

/**
 * vmx_user_msrs_load - put the guest's user-mode MSRs into the CPU
 * @ctx: the context
 *
 * Context: interrupts off.
 */
void vmx_user_msrs_load(struct lodge_context *ctx)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	bool syscall = ctx->val[VF_EFER] & EFER_SCE;
	int i;

	for (i = 0; i < VMX_NR_USER_MSRS; i++) {
		/* Those of SYSCALL matter to who can execute it. */
		if (ctx->user_msr[i] == vc->now_msr[i] ||
		    (i != VMX_TSC_AUX && !syscall) ||
		    (i == VMX_TSC_AUX && !vmx_msr_exists(MSR_TSC_AUX)))
			continue;
		/* Bits that this CPU doesn't take: it keeps what it has. */
		if (wrmsrl_safe(user_msrs[i], ctx->user_msr[i]))
			continue;
		vc->now_msr[i] = ctx->user_msr[i];
		if (!vc->registered) {
			vc->registered = true;
			vc->notifier.on_user_return = on_user_return;
			user_return_notifier_register(&vc->notifier);
		}
	}
}

/*
 * Where the VMCS cannot be loaded (a CPU goes off line, and threads still run
 * there) everything has to be in memory.
 */
static void read_all(struct lodge_context *ctx)
{
	int f;

	pick_vmcs(ctx->vmcs_pa);
	for (f = 0; f < VF_NR_VOLATILE; f++)
		if (f != VF_INTR_STATUS || vmx_caps.has.vid)
			vmx_get(ctx, f);
	ctx->fresh = ~0ull;
}

/* On the CPU where the VMCS is active: its caches go to memory. */
static void clear_here(void *arg)
{
	struct lodge_context *ctx = arg;
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);

	/* It may have been cleared meanwhile: the CPU went off line. */
	if (ctx->loaded_cpu != smp_processor_id())
		return;
	if (ctx->park)
		read_all(ctx);
	drop_vmcs(ctx->vmcs_pa);
	if (vc->current_ctx == ctx)
		vc->current_ctx = NULL;
	else if (ctx->park && vc->current_ctx)	/* whose thread was interrupted */
		pick_vmcs(vc->current_ctx->vmcs_pa);
	list_del(&ctx->loaded);
	ctx->sw.launched = 0;
	ctx->sw.host_rsp = 0;
	smp_wmb();	/* all of it before another CPU may load it */
	WRITE_ONCE(ctx->loaded_cpu, -1);
}

/**
 * vmx_clear - make a context's VMCS active nowhere
 * @ctx: the context
 *
 * Context: interrupts on.
 */
void vmx_clear(struct lodge_context *ctx)
{
	int cpu = READ_ONCE(ctx->loaded_cpu);

	if (cpu >= 0)
		smp_call_function_single(cpu, clear_here, ctx, 1);
}

static void vmx_disable(void)
{
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	struct lodge_context *ctx, *n;

	list_for_each_entry_safe(ctx, n, &vc->loaded, loaded) {
		ctx->park = true;
		clear_here(ctx);
	}
	user_msrs_restore(vc);
	asm volatile(VMX_INSN("vmxoff") ::: "cc", "memory");
	cr4_clear_bits(X86_CR4_VMXE);
	intel_pt_handle_vmx(0);
}

/* The host's fields that are a CPU's. */
static void load_host_cpu(struct lodge_context *ctx, int cpu)
{
	u64 val;

	vmx_set(ctx, VF_HOST_TR_BASE,
		(unsigned long)&get_cpu_entry_area(cpu)->tss.x86_tss);
	vmx_set(ctx, VF_HOST_GDTR_BASE, (unsigned long)get_cpu_gdt_ro(cpu));
	rdmsrl(MSR_IA32_SYSENTER_ESP, val);
	vmx_set(ctx, VF_HOST_SYSENTER_ESP, val);
	rdmsrl(MSR_GS_BASE, val);
	vmx_set(ctx, VF_HOST_GS_BASE, val);
	ctx->host_cpu = cpu;
}

/*
 * The host's segments are the thread's. The CPU takes selectors of the kernel
 * only, without LDT and RPL, so that others are put back by hand.
 */
static void load_host_thread(struct lodge_context *ctx)
{
	u64 fs_base;

	savesegment(fs, ctx->fs_sel);
	savesegment(gs, ctx->gs_sel);
	savesegment(ds, ctx->ds_sel);
	savesegment(es, ctx->es_sel);
	vmx_set(ctx, VF_HOST_FS_SEL, ctx->fs_sel & 7 ? 0 : ctx->fs_sel);
	vmx_set(ctx, VF_HOST_GS_SEL, ctx->gs_sel & 7 ? 0 : ctx->gs_sel);
	if (unlikely(ctx->fs_sel | ctx->gs_sel)) {
		/* Not what the selectors say, after WRFSBASE. Seldom: MSRs will do. */
		rdmsrl(MSR_FS_BASE, fs_base);
		rdmsrl(MSR_KERNEL_GS_BASE, ctx->host_kernel_gs_base);
	} else {
		current_save_fsgs();
		fs_base = current->thread.fsbase;
		ctx->host_kernel_gs_base = current->thread.gsbase;
	}
	vmx_set(ctx, VF_HOST_FS_BASE, fs_base);
}

static void vmx_load(struct lodge_vcpu *vcpu, int cpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	struct vmx_cpu *vc = this_cpu_ptr(&vmx_cpu);
	unsigned long flags;

	if (unlikely(ctx->loaded_cpu != cpu)) {
		ctx->park = !this_cpu_read(lodge_hw_enabled);
		vmx_clear(ctx);
		if (ctx->park)
			return;
		/* What it has cached of the tables may be of long ago. */
		ctx->flush_ept = true;
		ctx->flush_vpid = true;
		local_irq_save(flags);
		smp_rmb();	/* the other CPU's clear_here() */
		drop_vmcs(ctx->vmcs_pa);
		list_add(&ctx->loaded, &vc->loaded);
		WRITE_ONCE(ctx->loaded_cpu, cpu);
		local_irq_restore(flags);
	}
	if (vc->current_ctx != ctx) {
		pick_vmcs(ctx->vmcs_pa);
		vc->current_ctx = ctx;
	}
	if (unlikely(!ctx->written)) {
		vmx_write_constants(ctx);
		ctx->written = true;
	}
	if (ctx->host_cpu != cpu)
		load_host_cpu(ctx, cpu);
}

static void vmx_put(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (!ctx->state_loaded)
		return;
	ctx->state_loaded = false;
	rdmsrl(MSR_KERNEL_GS_BASE, ctx->kernel_gs_base);
	/* VM exits leave an LDTR without table, and limits that are no one's. */
	if (lodge_has_ldt(current->mm))
		asm volatile("lldt %w0" :: "r" (GDT_ENTRY_LDT * 8));
	invalidate_tss_limit();
	load_fixmap_gdt(raw_smp_processor_id());
	if (unlikely(ctx->fs_sel & 7)) {
		loadsegment(fs, ctx->fs_sel);
		wrmsrl(MSR_FS_BASE, ctx->val[VF_HOST_FS_BASE]);
	}
	if (unlikely(ctx->gs_sel & 7))
		load_gs_index(ctx->gs_sel);
	if (unlikely(ctx->ds_sel | ctx->es_sel)) {
		loadsegment(ds, ctx->ds_sel);
		loadsegment(es, ctx->es_sel);
	}
	/* Loading GS has changed it. */
	wrmsrl(MSR_KERNEL_GS_BASE, ctx->host_kernel_gs_base);
}

/**
 * vmx_flush - drop translations as was asked for
 * @ctx: the context, about to be entered
 *
 * SDM vol. 3C 28.4: INVEPT drops what the nested tables gave, combined with the
 * guest's or not; INVVPID what the guest's tables gave. Without VPID each entry
 * drops the latter.
 */
void vmx_flush(struct lodge_context *ctx)
{
	if (ctx->flush_ept) {
		if (vmx_caps.invept_single)
			drop_ept(VMX_EPT_EXTENT_CONTEXT, ctx->val[VF_EPTP]);
		else
			drop_ept(VMX_EPT_EXTENT_GLOBAL, 0);
	}
	if (ctx->flush_vpid && ctx->vpid) {
		if (vmx_caps.invvpid_single)
			drop_vpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, ctx->vpid, 0);
		else
			drop_vpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0, 0);
	} else if (ctx->flush_page && ctx->vpid) {
		drop_vpid(VMX_VPID_EXTENT_INDIVIDUAL_ADDR, ctx->vpid,
			  ctx->flush_gva);
	}
	ctx->flush_ept = false;
	ctx->flush_vpid = false;
	ctx->flush_page = false;
}

/* On a CPU without the VMCS, too: it is done where the vCPU is next entered. */
static void vmx_tlb_flush(struct lodge_vcpu *vcpu, bool nested)
{
	if (nested)
		vcpu->ctx->flush_ept = true;
	else
		vcpu->ctx->flush_vpid = true;
}

/*
 * L1TF: what is in the first-level cache can be read by the guest through
 * entries of its own tables. Once per stay, as KVM's "cond": in between runs
 * only code that handles the guest's own data. With l1tf=full,force at each entry.
 */
void vmx_l1d_flush(void)
{
	int i;

	if (!l1d_leaks)
		return;
	if (boot_cpu_has(X86_FEATURE_FLUSH_L1D)) {
		wrmsrl(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
		return;
	}
	/* Filled with what is nobody's: twice as large as the cache. */
	for (i = 0; i < PAGE_SIZE << L1D_ORDER; i += 64)
		READ_ONCE(l1d_filler[i]);
	rmb();	/* all of it read before the guest is entered */
}

/* The inner loop begins. Interrupts are off. */
static void vmx_enter(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (unlikely(ctx->val[VF_DR7] & 0xff))
		lodge_breakpoints_load(vcpu);
	if (!ctx->state_loaded) {
		load_host_thread(ctx);
		wrmsrl(MSR_KERNEL_GS_BASE, ctx->kernel_gs_base);
		ctx->state_loaded = true;
	}
	if (unlikely(ctx->unhalt)) {
		vmx_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
		ctx->unhalt = false;
	}
	vmx_set(ctx, VF_RSP, vcpu->regs[LODGE_RSP]);
	vmx_user_msrs_load(ctx);
	vmx_set(ctx, VF_HOST_CR3, __get_current_cr3_fast());
	vmx_set(ctx, VF_HOST_CR4, cr4_read_shadow());
	if (unlikely(lodge_mem_logged(&vcpu->vm->mem) != ctx->logging) && ctx->log)
		vmx_pml_switch(ctx, !ctx->logging);
	ctx->host_debugctl = get_debugctlmsr();
	/* The host's counters don't count in SMM, whoever is interrupted by it. */
	if (unlikely(ctx->host_debugctl & DEBUGCTLMSR_FREEZE_IN_SMM))
		vmx_control(ctx, VF_DEBUGCTL, DEBUGCTLMSR_FREEZE_IN_SMM, true);
	vmx_perf_load(ctx);
	vmx_l1d_flush();
	ctx->entered = true;
}

static void vmx_leave(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	ctx->entered = false;
	if (unlikely(ctx->logging))
		vmx_pml_empty(vcpu);
	vcpu->regs[LODGE_RSP] = vmx_get(ctx, VF_RSP);
	if (unlikely(vcpu->dr_lent))
		lodge_dr_take(vcpu);
	/* VM exits clear DR7 and DEBUGCTL: SDM vol. 3C 27.5.1. */
	if (unlikely(ctx->host_debugctl))
		update_debugctlmsr(ctx->host_debugctl);
	if (unlikely(hw_breakpoint_active()))
		hw_breakpoint_restore();
	if (unlikely(ctx->machine_check)) {
		struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };

		ctx->machine_check = false;
		do_machine_check(&regs);
	}
	if (unlikely(ctx->acked))
		vmx_acked_irq(ctx);
}

static u64 vmx_next_rip(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	u64 next = vcpu->rip + vmx_get(ctx, VF_INSN_LEN);

	/* Only 64-bit code goes on above 4G. */
	if (unlikely((next ^ vcpu->rip) >> 32) &&
	    !(vmx_get(ctx, VF_CS_AR) & VMX_AR_L_MASK))
		next = (u32)next;
	return next;
}

/* VT-x doesn't say what it fetched. */
static int vmx_insn_bytes(struct lodge_vcpu *vcpu, u8 *buf)
{
	return 0;
}

static void vmx_tlb_flush_page(struct lodge_vcpu *vcpu, u64 gva)
{
	struct lodge_context *ctx = vcpu->ctx;

	/* One can wait at a time; more are rare enough. */
	if (!vmx_caps.invvpid_addr || ctx->flush_page)
		ctx->flush_vpid = true;
	ctx->flush_page = true;
	ctx->flush_gva = gva;
}

static u64 read_field(u32 field)
{
	return vmx_read(field);
}

static void vmx_describe(struct lodge_vcpu *vcpu, char *buf, size_t len)
{
	vmx_check(read_field, &vmx_caps, buf, len);
}

const struct lodge_backend vmx_backend = {
	.name = "VT-x",
	.probe = vmx_probe,
	.init = vmx_init,
	.exit = vmx_free,
	.enable = vmx_enable,
	.disable = vmx_disable,
	.vcpu_init = vmx_vcpu_init,
	.vcpu_free = vmx_vcpu_free,
	.vcpu_reset = vmx_vcpu_reset,
	.load = vmx_load,
	.put = vmx_put,
	.enter = vmx_enter,
	.run = vmx_run,
	.leave = vmx_leave,
	.slow = vmx_slow,
	.inject_exception = vmx_inject_exception,
	.inject_irq = vmx_inject_irq,
	.inject_nmi = vmx_inject_nmi,
	.nmi_masked = vmx_nmi_masked,
	.set_nmi_masked = vmx_set_nmi_masked,
	.int_shadow = vmx_int_shadow,
	.set_int_shadow = vmx_set_int_shadow,
	.want = vmx_want,
	.apic_mode = vmx_apic_mode,
	.apic_threshold = vmx_apic_threshold,
	.apic_status = vmx_apic_status,
	.apic_post = vmx_apic_post,
	.deadline = vmx_deadline,
	.cr_get = vmx_cr_get,
	.cr_set = vmx_cr_set,
	.efer_get = vmx_efer_get,
	.efer_set = vmx_efer_set,
	.seg_get = vmx_seg_get,
	.seg_set = vmx_seg_set,
	.dt_get = vmx_dt_get,
	.dt_set = vmx_dt_set,
	.cpl = vmx_cpl,
	.code_bits = vmx_code_bits,
	.dr_set = vmx_dr_set,
	.dr_lend = vmx_dr_lend,
	.tsc_set = vmx_tsc_set,
	.cpuid_changed = vmx_cpuid_changed,
	.msr_get = vmx_msr_get,
	.msr_set = vmx_msr_set,
	.msr_exists = vmx_msr_exists,
	.msr_filter = vmx_msr_filter,
	.next_rip = vmx_next_rip,
	.insn_bytes = vmx_insn_bytes,
	.tlb_flush = vmx_tlb_flush,
	.tlb_flush_page = vmx_tlb_flush_page,
	.describe = vmx_describe,
};
