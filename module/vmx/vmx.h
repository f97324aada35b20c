/* SPDX-License-Identifier: GPL-2.0-only */
/* Intel VT-x: what the files of this room share. */
#ifndef LODGE_VMX_H
#define LODGE_VMX_H

#include <linux/user-return-notifier.h>
#include <asm/asm.h>
#include <asm/vmx.h>

#include "backend.h"
#include "caps.h"

/*
 * Fields of the VMCS that are kept in memory, too. First those that the guest
 * changes without our doing: after an exit they are read again when they are
 * asked for. Then those that only we change.
 */
#define VMX_GUEST_FIELDS(F)						\
	F(ES_SEL, GUEST_ES_SELECTOR) F(CS_SEL, GUEST_CS_SELECTOR)	\
	F(SS_SEL, GUEST_SS_SELECTOR) F(DS_SEL, GUEST_DS_SELECTOR)	\
	F(FS_SEL, GUEST_FS_SELECTOR) F(GS_SEL, GUEST_GS_SELECTOR)	\
	F(TR_SEL, GUEST_TR_SELECTOR) F(LDTR_SEL, GUEST_LDTR_SELECTOR)	\
	F(ES_BASE, GUEST_ES_BASE) F(CS_BASE, GUEST_CS_BASE)		\
	F(SS_BASE, GUEST_SS_BASE) F(DS_BASE, GUEST_DS_BASE)		\
	F(FS_BASE, GUEST_FS_BASE) F(GS_BASE, GUEST_GS_BASE)		\
	F(TR_BASE, GUEST_TR_BASE) F(LDTR_BASE, GUEST_LDTR_BASE)		\
	F(ES_LIMIT, GUEST_ES_LIMIT) F(CS_LIMIT, GUEST_CS_LIMIT)		\
	F(SS_LIMIT, GUEST_SS_LIMIT) F(DS_LIMIT, GUEST_DS_LIMIT)		\
	F(FS_LIMIT, GUEST_FS_LIMIT) F(GS_LIMIT, GUEST_GS_LIMIT)		\
	F(TR_LIMIT, GUEST_TR_LIMIT) F(LDTR_LIMIT, GUEST_LDTR_LIMIT)	\
	F(ES_AR, GUEST_ES_AR_BYTES) F(CS_AR, GUEST_CS_AR_BYTES)		\
	F(SS_AR, GUEST_SS_AR_BYTES) F(DS_AR, GUEST_DS_AR_BYTES)		\
	F(FS_AR, GUEST_FS_AR_BYTES) F(GS_AR, GUEST_GS_AR_BYTES)		\
	F(TR_AR, GUEST_TR_AR_BYTES) F(LDTR_AR, GUEST_LDTR_AR_BYTES)	\
	F(GDTR_BASE, GUEST_GDTR_BASE) F(IDTR_BASE, GUEST_IDTR_BASE)	\
	F(GDTR_LIMIT, GUEST_GDTR_LIMIT) F(IDTR_LIMIT, GUEST_IDTR_LIMIT)	\
	F(CR0, GUEST_CR0) F(CR3, GUEST_CR3) F(CR4, GUEST_CR4)		\
	F(DR7, GUEST_DR7) F(DEBUGCTL, GUEST_IA32_DEBUGCTL)		\
	F(SYSENTER_CS, GUEST_SYSENTER_CS)				\
	F(SYSENTER_ESP, GUEST_SYSENTER_ESP)				\
	F(SYSENTER_EIP, GUEST_SYSENTER_EIP)				\
	F(INTR_STATE, GUEST_INTERRUPTIBILITY_INFO)			\
	F(PENDING_DB, GUEST_PENDING_DBG_EXCEPTIONS)			\
	F(PDPTR0, GUEST_PDPTR0) F(PDPTR1, GUEST_PDPTR1)			\
	F(PDPTR2, GUEST_PDPTR2) F(PDPTR3, GUEST_PDPTR3)			\
	F(INTR_STATUS, GUEST_INTR_STATUS) F(RSP, GUEST_RSP)

#define VMX_OWN_FIELDS(F)						\
	F(ENTRY_INFO, VM_ENTRY_INTR_INFO_FIELD)				\
	F(ENTRY_ERROR, VM_ENTRY_EXCEPTION_ERROR_CODE)			\
	F(PIN, PIN_BASED_VM_EXEC_CONTROL)				\
	F(CPU, CPU_BASED_VM_EXEC_CONTROL)				\
	F(CPU2, SECONDARY_VM_EXEC_CONTROL)				\
	F(ENTRY, VM_ENTRY_CONTROLS) F(EXIT, VM_EXIT_CONTROLS)		\
	F(EXCEPTIONS, EXCEPTION_BITMAP)					\
	F(CR0_MASK, CR0_GUEST_HOST_MASK) F(CR4_MASK, CR4_GUEST_HOST_MASK) \
	F(CR0_SHADOW, CR0_READ_SHADOW) F(CR4_SHADOW, CR4_READ_SHADOW)	\
	F(EFER, GUEST_IA32_EFER) F(PAT, GUEST_IA32_PAT)			\
	F(TSC_OFFSET, TSC_OFFSET) F(TSC_RATIO, TSC_MULTIPLIER)		\
	F(TIMER, VMX_PREEMPTION_TIMER_VALUE)				\
	F(TPR_THRESHOLD, TPR_THRESHOLD)					\
	F(APIC_ACCESS, APIC_ACCESS_ADDR)				\
	F(VIRTUAL_APIC, VIRTUAL_APIC_PAGE_ADDR)				\
	F(POSTED_NV, POSTED_INTR_NV) F(POSTED_DESC, POSTED_INTR_DESC_ADDR) \
	F(EOI_EXIT0, EOI_EXIT_BITMAP0) F(EOI_EXIT1, EOI_EXIT_BITMAP1)	\
	F(EOI_EXIT2, EOI_EXIT_BITMAP2) F(EOI_EXIT3, EOI_EXIT_BITMAP3)	\
	F(EPTP, EPT_POINTER) F(VPID, VIRTUAL_PROCESSOR_ID)		\
	F(HOST_CR0, HOST_CR0) F(HOST_CR3, HOST_CR3) F(HOST_CR4, HOST_CR4) \
	F(HOST_FS_SEL, HOST_FS_SELECTOR) F(HOST_FS_BASE, HOST_FS_BASE)	\
	F(HOST_GS_SEL, HOST_GS_SELECTOR) F(HOST_GS_BASE, HOST_GS_BASE)	\
	F(HOST_TR_BASE, HOST_TR_BASE) F(HOST_GDTR_BASE, HOST_GDTR_BASE)	\
	F(HOST_SYSENTER_ESP, HOST_IA32_SYSENTER_ESP)			\
	F(ENTRY_MSRS, VM_ENTRY_MSR_LOAD_COUNT)				\
	F(EXIT_MSRS, VM_EXIT_MSR_LOAD_COUNT)

/* What an exit says of itself: read when asked for, and once. */
#define VMX_EXIT_FIELDS(F)						\
	F(QUALIFICATION, EXIT_QUALIFICATION)				\
	F(EXIT_INFO, VM_EXIT_INTR_INFO)					\
	F(INSN_LEN, VM_EXIT_INSTRUCTION_LEN)				\
	F(GPA, GUEST_PHYSICAL_ADDRESS)

#define VMX_FIELD_ENUM(name, encoding) VF_##name,
enum vmx_field {
	VMX_GUEST_FIELDS(VMX_FIELD_ENUM)
	VMX_EXIT_FIELDS(VMX_FIELD_ENUM)
	VF_NR_VOLATILE,
	VF_LAST_VOLATILE = VF_NR_VOLATILE - 1,
	VMX_OWN_FIELDS(VMX_FIELD_ENUM)
	VF_NR,
};
#undef VMX_FIELD_ENUM

static_assert(VF_NR_VOLATILE <= 64 && VF_NR <= 128);

/* The MSRs that the host needs only in user mode: exchanged there, see vmx.c. */
enum vmx_user_msr {
	VMX_STAR, VMX_LSTAR, VMX_CSTAR, VMX_SFMASK, VMX_TSC_AUX,
	VMX_NR_USER_MSRS,
};

/**
 * struct vmx_switch - what entry.S knows beside the general registers
 * @host_rsp: what the VMCS has as the host's stack pointer
 * @spec_ctrl: the guest's IA32_SPEC_CTRL
 * @launched: VMRESUME, not VMLAUNCH
 * @spec_free: the guest writes IA32_SPEC_CTRL without an exit
 */
struct vmx_switch {
	u64 host_rsp;
	u32 spec_ctrl;
	u8 launched;
	u8 spec_free;
};

/* The host's performance counters: perf.c. As many as perf can want to exchange. */
struct vmx_perf {
	struct vmx_msr_entry guest[8], host[8];
};

struct perf_guest_switch_msr;

struct vmx_region {
	u32 revision;
	u32 abort;
	u8 data[PAGE_SIZE - 8];
};

struct lodge_context {
	struct vmx_switch sw;		/* first: entry.S */
	u64 fresh;			/* volatile fields that val has, a bit each */
	unsigned long dirty[2];		/* fields that val has and the VMCS has not */
	u64 val[VF_NR];
	u64 rip, rflags;		/* what the VMCS has: these are asked for always */
	u32 reason;			/* of the last exit, or VMX_FAILED */
	u32 idt_info;			/* what was being delivered, if valid */
	u32 acked;			/* the host's interrupt, and */
	bool machine_check;		/* its machine check: handled by leave() */

	struct vmx_region *vmcs;
	u64 vmcs_pa;
	int loaded_cpu;			/* where the VMCS is active, or -1 */
	struct list_head loaded;	/* on that CPU's list */
	int host_cpu;			/* whose tables are in the host's fields */
	bool park;			/* all of it is to be in memory when it is cleared */
	bool entered;			/* in the inner loop */
	bool written;			/* fields that never change are in the VMCS */

	struct vmx_perf perf;
	unsigned long *msr_bitmap;
	bool unhalt;		/* vmx_unhalt() */
	u64 *log;			/* of modified pages, NULL without hardware's */
	bool logging;
	u16 vpid;			/* 0 without */
	bool flush_ept, flush_vpid, flush_page;	/* before the next entry */
	u64 flush_gva;
	u64 user_msr[VMX_NR_USER_MSRS];
	u64 kernel_gs_base;		/* the guest's, while it is not in the CPU */
	u64 host_kernel_gs_base;
	u64 host_debugctl;
	bool state_loaded;		/* KERNEL_GS_BASE is the guest's */
	u16 fs_sel, gs_sel, ds_sel, es_sel;	/* the thread's own */
	bool nmi_masked;		/* without virtual NMIs: ours to know */
	unsigned long nmi_masked_since;	/* jiffies */
	bool nmi_waits;			/* for a window: an interrupt's will do */
	bool irq_waits;
	bool pdptes_stale;		/* PAE paging: to be read before the next entry */
	u64 deadline;			/* host TSC at which the timer exit comes, or 0 */
};

/*
 * PAE paging has its four top entries in registers, which are read again when one
 * of these bits changes, or CR3 is written: SDM vol. 3A 4.4.1.
 */
#define VMX_PDPTES_CR0	(X86_CR0_CD | X86_CR0_NW | X86_CR0_PG)
#define VMX_PDPTES_CR4	(X86_CR4_PAE | X86_CR4_PGE | X86_CR4_PSE | X86_CR4_SMEP)

#define VMX_FAILED	0xffffffffu	/* VMLAUNCH or VMRESUME itself failed */

/* What this CPU has of the hardware. */
struct vmx_cpu {
	struct vmx_region *vmxon;
	struct list_head loaded;	/* contexts whose VMCS is active here */
	struct lodge_context *current_ctx;
	struct user_return_notifier notifier;
	bool registered;
	u64 host_msr[VMX_NR_USER_MSRS];
	u64 now_msr[VMX_NR_USER_MSRS];
};

DECLARE_PER_CPU(struct vmx_cpu, vmx_cpu);
extern struct vmx_caps vmx_caps;
extern const u16 vmx_encodings[VF_NR];

/*
 * VMX goes at a reboot, and by an IPI: what comes after that faults, and is
 * passed over.
 */
#define VMX_INSN(insn)	"1: " insn "\n2:" _ASM_EXTABLE(1b, 2b)

static inline u64 vmx_read(unsigned long encoding)
{
	u64 val = 0;

	asm volatile(VMX_INSN("vmread %1, %0")
		     : "+r" (val) : "r" (encoding) : "cc");
	return val;
}

void vmx_write_failed(unsigned long encoding, u64 val);

static inline void vmx_write(unsigned long encoding, u64 val)
{
	bool failed;

	asm volatile(VMX_INSN("vmwrite %2, %1") CC_SET(na)
		     : CC_OUT(na) (failed) : "r" (encoding), "rm" (val));
	if (unlikely(failed))
		vmx_write_failed(encoding, val);
}

/* A field, from memory if that knows it. The VMCS is current on this CPU. */
static inline u64 vmx_get(struct lodge_context *ctx, enum vmx_field f)
{
	u64 val;

	if (f < VF_NR_VOLATILE && !(ctx->fresh & BIT_ULL(f))) {
		val = vmx_read(vmx_encodings[f]);
		/* The CPU may have gone off line, and all was read before. */
		barrier();
		if (ctx->fresh & BIT_ULL(f))
			return ctx->val[f];
		ctx->val[f] = val;
		ctx->fresh |= BIT_ULL(f);
	}
	return ctx->val[f];
}

/* Written at the next entry, if it is something new. */
static inline void vmx_set(struct lodge_context *ctx, enum vmx_field f, u64 val)
{
	if (f < VF_NR_VOLATILE) {
		if ((ctx->fresh & BIT_ULL(f)) && ctx->val[f] == val)
			return;
		ctx->fresh |= BIT_ULL(f);
	} else if (ctx->val[f] == val) {
		return;
	}
	ctx->val[f] = val;
	__set_bit(f, ctx->dirty);
}

static inline void vmx_control(struct lodge_context *ctx, enum vmx_field f,
			       u32 bits, bool on)
{
	u32 old = vmx_get(ctx, f);

	vmx_set(ctx, f, on ? old | bits : old & ~bits);
}

/* entry.S: true if the CPU refused to enter with an error of the instruction */
bool vmx_enter_guest(u64 *regs, struct vmx_switch *sw);
void vmx_exited(void);
void vmx_call_nmi(void);
void vmx_call_irq(unsigned long handler);

/* vmx.c */
void vmx_user_msrs_load(struct lodge_context *ctx);
void vmx_flush(struct lodge_context *ctx);
extern bool vmx_l1d_always;
void vmx_l1d_flush(void);
void vmx_vpid_alloc(struct lodge_context *ctx);
void vmx_vpid_free(struct lodge_context *ctx);

/* vmcs.c */
int vmx_vcpu_init(struct lodge_vcpu *vcpu);
void vmx_vcpu_free(struct lodge_vcpu *vcpu);
void vmx_vcpu_reset(struct lodge_vcpu *vcpu, bool init);
void vmx_clear(struct lodge_context *ctx);
void vmx_write_constants(struct lodge_context *ctx);
u64 vmx_cr_get(struct lodge_vcpu *vcpu, int n);
void vmx_cr_set(struct lodge_vcpu *vcpu, int n, u64 val);
u64 vmx_efer_get(struct lodge_vcpu *vcpu);
void vmx_efer_set(struct lodge_vcpu *vcpu, u64 efer);
void vmx_seg_get(struct lodge_vcpu *vcpu, enum lodge_seg seg, struct kvm_segment *var);
void vmx_seg_set(struct lodge_vcpu *vcpu, enum lodge_seg seg, const struct kvm_segment *var);
void vmx_dt_get(struct lodge_vcpu *vcpu, bool idt, struct kvm_dtable *dt);
void vmx_dt_set(struct lodge_vcpu *vcpu, bool idt, const struct kvm_dtable *dt);
int vmx_cpl(struct lodge_vcpu *vcpu);
int vmx_code_bits(struct lodge_vcpu *vcpu);
void vmx_dr_set(struct lodge_vcpu *vcpu);
void vmx_dr_lend(struct lodge_vcpu *vcpu, bool on);
void vmx_want(struct lodge_vcpu *vcpu, enum lodge_want what, bool on);
void vmx_tsc_set(struct lodge_vcpu *vcpu);
void vmx_cpuid_changed(struct lodge_vcpu *vcpu);
bool vmx_pae_paging(struct lodge_context *ctx);
bool vmx_pdptes_load(struct lodge_vcpu *vcpu, bool fast);

/* event.c */
void vmx_inject_exception(struct lodge_vcpu *vcpu, const struct lodge_exception *e);
void vmx_inject_irq(struct lodge_vcpu *vcpu, u8 vector, bool soft);
void vmx_inject_nmi(struct lodge_vcpu *vcpu);
bool vmx_nmi_masked(struct lodge_vcpu *vcpu);
void vmx_set_nmi_masked(struct lodge_vcpu *vcpu, bool masked);
u8 vmx_int_shadow(struct lodge_vcpu *vcpu);
void vmx_set_int_shadow(struct lodge_vcpu *vcpu, u8 shadow);
void vmx_requeue(struct lodge_vcpu *vcpu);

/* msr.c */
int vmx_msr_init(struct lodge_vcpu *vcpu);
void vmx_msr_intercept(struct lodge_vcpu *vcpu, u32 msr, bool read, bool write);
void vmx_msr_filter(struct lodge_vcpu *vcpu);

/*
 * A guest that halted without an exit (KVM_X86_DISABLE_EXITS_HLT) is still halted at the
 * next entry. With other registers it isn't, and some it may not have: SDM vol. 3C 26.3.1.5.
 */
static inline void vmx_unhalt(struct lodge_vcpu *vcpu)
{
	if (unlikely(vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT))
		vcpu->ctx->unhalt = true;
}

int vmx_msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data);
int vmx_msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host);
bool vmx_msr_exists(u32 index);

/* apicv.c */
void vmx_apic_reset(struct lodge_vcpu *vcpu);
void vmx_apic_mode(struct lodge_vcpu *vcpu);
void vmx_apic_threshold(struct lodge_vcpu *vcpu, u8 class);
void vmx_apic_status(struct lodge_vcpu *vcpu, u8 requested, u8 in_service,
		     const unsigned long *eoi_exits);
void vmx_apic_post(int cpu);
void vmx_acked_irq(struct lodge_context *ctx);
u32 vmx_apic_vectoring(struct lodge_vcpu *vcpu, u32 injected, u64 entered);
void vmx_deadline(struct lodge_vcpu *vcpu, u64 host_tsc);
u32 vmx_longest_stay(void);
void vmx_timer_load(struct lodge_context *ctx);
int vmx_on_threshold(struct lodge_vcpu *vcpu, bool fast);
int vmx_on_apic_access(struct lodge_vcpu *vcpu, bool fast);
int vmx_on_apic_write(struct lodge_vcpu *vcpu, bool fast);
int vmx_on_eoi(struct lodge_vcpu *vcpu, bool fast);
int vmx_on_timer(struct lodge_vcpu *vcpu, bool fast);

/* pml.c */
int vmx_pml_init(struct lodge_context *ctx);
void vmx_pml_switch(struct lodge_context *ctx, bool on);
void vmx_pml_empty(struct lodge_vcpu *vcpu);

/* perf.c */
int vmx_perf_lists(struct vmx_perf *p, const struct perf_guest_switch_msr *msrs,
		   int nr);
void vmx_perf_load(struct lodge_context *ctx);
void vmx_perf_undo(struct lodge_context *ctx);

/* exit.c */
int vmx_run(struct lodge_vcpu *vcpu);
int vmx_slow(struct lodge_vcpu *vcpu);

#endif /* LODGE_VMX_H */
