// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why a VM entry failed. The CPU says no more than that the controls, the
 * host's or the guest's state were not right; here they are gone through once
 * more, by the checks of SDM vol. 3C 27.2 and 27.3, and what breaks one is
 * said in words. Not all of them: what depends on controls that lodge leaves
 * off, or on memory, isn't looked at, and an unrestricted guest is taken for
 * granted.
 *
 * A check says of one field what it has to be if some conditions hold. A
 * condition is of one field, too, so that both are tables.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/pgtable_types.h>
#include <asm/processor.h>
#include <asm/trapnr.h>

#include "check.h"

/* Conditions. */
#define LONG		BIT(0)		/* IA-32e mode guest */
#define SHORT		BIT(1)		/* not that */
#define PAGING		BIT(2)
#define REAL		BIT(3)		/* CR0.PE is 0 */
#define PAE		BIT(4)		/* PAE paging, with its PDPTEs */
#define V86		BIT(5)
#define NOT_V86		BIT(6)
#define CODE64		BIT(7)		/* CS.L in IA-32e mode */
#define CODE32		BIT(8)
#define IF0		BIT(9)
#define HLT		BIT(10)
#define BY_STI		BIT(11)
#define BY_MOV_SS	BIT(12)
#define INJECT		BIT(13)		/* an event, of these types: */
#define INTR		BIT(14)
#define NMI		BIT(15)
#define EXCEPTION	BIT(16)
#define NO_TPR		BIT(17)
#define TPR		BIT(18)
#define APIC_PAGE	BIT(19)
#define X2APIC		BIT(20)
#define VID		BIT(21)
#define POSTED		BIT(22)
#define VPID		BIT(23)
#define PML		BIT(24)
#define NO_VNMI		BIT(25)
#define VNMI		BIT(26)
#define NO_TIMER	BIT(27)
#define USABLE		BIT(28)		/* the segment */
#define IN_PAGE		BIT(29)		/* its limit isn't at the end of a 4K page */
#define BIG		BIT(30)		/* its limit has more than 20 bits */
#define STEP		BIT(31)		/* RFLAGS.TF */
#define NO_STEP		BIT(32)
#define NO_BTF		BIT(33)		/* steps are instructions, not branches */
#define PROTECTED	BIT(34)		/* CR0.PE is 1 */
#define HELD		BIT(35)		/* blocked by STI or MOV SS, or halted */

#define AR_DPL		(3u << VMX_AR_DPL_SHIFT)
#define TYPE_OF_EVENT	(INTR_INFO_VALID_MASK | INTR_INFO_INTR_TYPE_MASK)

/* A condition holds if of @field the bits @mask are @value. */
static const struct {
	u64 condition;
	u32 field;
	u64 mask, value;
} conditions[] = {
#define ON(condition, field, bits)	{ condition, field, bits, bits }
#define OFF(condition, field, bits)	{ condition, field, bits, 0 }
	ON(LONG, VM_ENTRY_CONTROLS, VM_ENTRY_IA32E_MODE),
	OFF(SHORT, VM_ENTRY_CONTROLS, VM_ENTRY_IA32E_MODE),
	ON(PAGING, GUEST_CR0, X86_CR0_PG),
	ON(PROTECTED, GUEST_CR0, X86_CR0_PE),
	OFF(REAL, GUEST_CR0, X86_CR0_PE),
	ON(PAE, GUEST_CR4, X86_CR4_PAE),
	ON(V86, GUEST_RFLAGS, X86_EFLAGS_VM),
	OFF(NOT_V86, GUEST_RFLAGS, X86_EFLAGS_VM),
	ON(CODE64, GUEST_CS_AR_BYTES, VMX_AR_L_MASK),
	OFF(IF0, GUEST_RFLAGS, X86_EFLAGS_IF),
	ON(STEP, GUEST_RFLAGS, X86_EFLAGS_TF),
	OFF(NO_STEP, GUEST_RFLAGS, X86_EFLAGS_TF),
	OFF(NO_BTF, GUEST_IA32_DEBUGCTL, DEBUGCTLMSR_BTF),
	{ HLT, GUEST_ACTIVITY_STATE, ~0ull, GUEST_ACTIVITY_HLT },
	ON(BY_STI, GUEST_INTERRUPTIBILITY_INFO, GUEST_INTR_STATE_STI),
	ON(BY_MOV_SS, GUEST_INTERRUPTIBILITY_INFO, GUEST_INTR_STATE_MOV_SS),
	ON(INJECT, VM_ENTRY_INTR_INFO_FIELD, INTR_INFO_VALID_MASK),
	{ INTR, VM_ENTRY_INTR_INFO_FIELD, TYPE_OF_EVENT,
	  INTR_INFO_VALID_MASK | INTR_TYPE_EXT_INTR },
	{ NMI, VM_ENTRY_INTR_INFO_FIELD, TYPE_OF_EVENT,
	  INTR_INFO_VALID_MASK | INTR_TYPE_NMI_INTR },
	{ EXCEPTION, VM_ENTRY_INTR_INFO_FIELD, TYPE_OF_EVENT,
	  INTR_INFO_VALID_MASK | INTR_TYPE_HARD_EXCEPTION },
	ON(TPR, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_TPR_SHADOW),
	OFF(NO_TPR, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_TPR_SHADOW),
	ON(APIC_PAGE, SECONDARY_VM_EXEC_CONTROL,
	   SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES),
	ON(X2APIC, SECONDARY_VM_EXEC_CONTROL,
	   SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE),
	ON(VID, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY),
	ON(POSTED, PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_POSTED_INTR),
	ON(VPID, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_VPID),
	ON(PML, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_PML),
	ON(VNMI, PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_VIRTUAL_NMIS),
	OFF(NO_VNMI, PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_VIRTUAL_NMIS),
	OFF(NO_TIMER, PIN_BASED_VM_EXEC_CONTROL, PIN_BASED_VMX_PREEMPTION_TIMER),
};

enum kind {
	CLEAR,		/* bits @arg are 0 */
	SET,		/* bits @arg are 1 */
	CANONICAL,
	PHYSICAL,	/* an address in the CPU's width, aligned: @arg are 0 */
	EXACT,		/* @arg */
	MAX,		/* no more than @arg */
	NONZERO,
	MEMORY_TYPES,	/* a PAT */
	ONE_OF,		/* bit n of @arg is set, n being the lower 4 bits */
	CONTROLS,	/* as the MSR at @arg of struct vmx_cap_msrs allows */
	FIXED,		/* likewise, as the two MSRs there say */
	GUEST_CR0_FIXED,
	LINEAR,		/* a base in virtual-8086 mode: selector times 16 */
	PDPTE,		/* not present, or as PHYSICAL */
	ERROR_CODE,	/* of an exception, if bit n of @arg is set for vector n */
	EQUAL,		/* bits @arg are SS's */
	ABOVE,		/* bits @arg are no more than SS's */
};

/* Of which segments, in the order of the VMCS: the field is then ES's. */
#define ES		BIT(0)
#define CS		BIT(1)
#define SS		BIT(2)
#define DS		BIT(3)
#define FS		BIT(4)
#define GS		BIT(5)
#define LDTR		BIT(6)
#define TR		BIT(7)
#define DATA		(ES | DS | FS | GS)
#define USER		(DATA | CS | SS)
#define NR_SEGMENTS	8

struct check {
	u8 who;
	u64 when;		/* all of these hold */
	u32 field;
	enum kind kind;
	u64 arg;
	const char *words;
};

#define MSRS(x)	offsetof(struct vmx_cap_msrs, x)

/* 27.2.1, in its order. */
static const struct check controls[] = {
	{ 0, 0, PIN_BASED_VM_EXEC_CONTROL, CONTROLS, MSRS(pin),
	  "pin-based controls that the CPU hasn't got" },
	{ 0, 0, CPU_BASED_VM_EXEC_CONTROL, CONTROLS, MSRS(cpu),
	  "primary controls that the CPU hasn't got" },
	{ 0, 0, SECONDARY_VM_EXEC_CONTROL, CONTROLS, MSRS(cpu2),
	  "secondary controls that the CPU hasn't got" },
	{ 0, 0, CR3_TARGET_COUNT, MAX, 4, "more than 4 CR3 targets" },
	{ 0, 0, MSR_BITMAP, PHYSICAL, 0xfff, "MSR bitmap: address" },
	{ 0, TPR, VIRTUAL_APIC_PAGE_ADDR, PHYSICAL, 0xfff,
	  "virtual-APIC page: address" },
	{ 0, TPR, TPR_THRESHOLD, MAX, 0xf, "TPR threshold above 15" },
	{ 0, NO_TPR, SECONDARY_VM_EXEC_CONTROL, CLEAR,
	  SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |
	  SECONDARY_EXEC_APIC_REGISTER_VIRT |
	  SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY,
	  "APIC virtualization without TPR shadow" },
	{ 0, NO_VNMI, CPU_BASED_VM_EXEC_CONTROL, CLEAR,
	  CPU_BASED_NMI_WINDOW_EXITING, "NMI window without virtual NMIs" },
	{ 0, VNMI, PIN_BASED_VM_EXEC_CONTROL, SET, PIN_BASED_NMI_EXITING,
	  "virtual NMIs without NMI exiting" },
	{ 0, APIC_PAGE, APIC_ACCESS_ADDR, PHYSICAL, 0xfff,
	  "APIC-access page: address" },
	{ 0, X2APIC, SECONDARY_VM_EXEC_CONTROL, CLEAR,
	  SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES,
	  "both xAPIC and x2APIC are virtualized" },
	{ 0, VID, PIN_BASED_VM_EXEC_CONTROL, SET, PIN_BASED_EXT_INTR_MASK,
	  "virtual-interrupt delivery without external-interrupt exiting" },
	{ 0, POSTED, SECONDARY_VM_EXEC_CONTROL, SET,
	  SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY,
	  "posted interrupts without virtual-interrupt delivery" },
	{ 0, POSTED, VM_EXIT_CONTROLS, SET, VM_EXIT_ACK_INTR_ON_EXIT,
	  "posted interrupts without acknowledging at exits" },
	{ 0, POSTED, POSTED_INTR_NV, MAX, 255, "posted interrupts: vector" },
	{ 0, POSTED, POSTED_INTR_DESC_ADDR, PHYSICAL, 0x3f,
	  "posted-interrupt descriptor: address" },
	{ 0, VPID, VIRTUAL_PROCESSOR_ID, NONZERO, 0, "VPID 0 is the host's" },
	{ 0, 0, EPT_POINTER, PHYSICAL, 0xf80, "EPT pointer: address" },
	{ 0, 0, EPT_POINTER, SET, VMX_EPTP_PWL_4 | VMX_EPTP_MT_WB,
	  "EPT pointer: levels or memory type" },
	{ 0, PML, EPT_POINTER, SET, VMX_EPTP_AD_ENABLE_BIT,
	  "page-modification logging without dirty flags" },
	{ 0, PML, PML_ADDRESS, PHYSICAL, 0xfff,
	  "page-modification log: address" },
	{ 0, 0, VM_EXIT_CONTROLS, CONTROLS, MSRS(exit),
	  "exit controls that the CPU hasn't got" },
	{ 0, NO_TIMER, VM_EXIT_CONTROLS, CLEAR, VM_EXIT_SAVE_VMX_PREEMPTION_TIMER,
	  "preemption timer is off and saved" },
	{ 0, 0, VM_ENTRY_CONTROLS, CONTROLS, MSRS(entry),
	  "entry controls that the CPU hasn't got" },
	{ 0, INJECT, VM_ENTRY_INTR_INFO_FIELD, CLEAR, GENMASK(30, 12),
	  "injected event: reserved bits" },
	{ 0, INJECT | REAL, VM_ENTRY_INTR_INFO_FIELD, CLEAR,
	  INTR_INFO_DELIVER_CODE_MASK, "injected event: error code in real mode" },
	{ 0, INTR, VM_ENTRY_INTR_INFO_FIELD, CLEAR, INTR_INFO_DELIVER_CODE_MASK,
	  "injected interrupt: error code" },
	{ 0, NMI, VM_ENTRY_INTR_INFO_FIELD, CLEAR,
	  INTR_INFO_DELIVER_CODE_MASK | 0xfd, "injected NMI: vector, error code" },
	{ 0, NMI, VM_ENTRY_INTR_INFO_FIELD, SET, 2, "injected NMI: vector" },
	{ 0, EXCEPTION, VM_ENTRY_INTR_INFO_FIELD, CLEAR, 0xe0,
	  "injected exception: vector above 31" },
	{ 0, EXCEPTION | PROTECTED, VM_ENTRY_INTR_INFO_FIELD, ERROR_CODE,
	  BIT(X86_TRAP_DF) | BIT(X86_TRAP_TS) | BIT(X86_TRAP_NP) |
	  BIT(X86_TRAP_SS) | BIT(X86_TRAP_GP) | BIT(X86_TRAP_PF) |
	  BIT(X86_TRAP_AC), "injected exception: error code or none" },
	{ 0, INJECT, VM_ENTRY_EXCEPTION_ERROR_CODE, CLEAR, GENMASK(31, 16),
	  "injected event: error code of more than 16 bits" },
	{ 0, INJECT, VM_ENTRY_INSTRUCTION_LEN, MAX, 15,
	  "injected event: instruction of more than 15 bytes" },
	{}
};

/* 27.2.2 and 27.2.3. */
static const struct check host[] = {
	{ 0, 0, HOST_CR0, FIXED, MSRS(cr0_fixed0), "host's CR0: fixed bits" },
	{ 0, 0, HOST_CR4, FIXED, MSRS(cr4_fixed0), "host's CR4: fixed bits" },
	{ 0, 0, HOST_CR4, SET, X86_CR4_PAE, "host's CR4 without PAE" },
	{ 0, 0, HOST_CR3, PHYSICAL, 0, "host's CR3: too wide" },
	{ 0, 0, HOST_IA32_SYSENTER_ESP, CANONICAL, 0, "host's SYSENTER_ESP" },
	{ 0, 0, HOST_IA32_SYSENTER_EIP, CANONICAL, 0, "host's SYSENTER_EIP" },
	{ 0, 0, HOST_IA32_PAT, MEMORY_TYPES, 0, "host's PAT" },
	{ 0, 0, HOST_IA32_EFER, SET, EFER_LMA | EFER_LME,
	  "host's EFER without LMA or LME" },
	{ USER, 0, HOST_ES_SELECTOR, CLEAR, 7, "host's RPL, TI" },
	{ 0, 0, HOST_CS_SELECTOR, NONZERO, 0, "host's CS is null" },
	{ 0, 0, HOST_TR_SELECTOR, CLEAR, 7, "host's TR: RPL, TI" },
	{ 0, 0, HOST_TR_SELECTOR, NONZERO, 0, "host's TR is null" },
	{ 0, 0, HOST_FS_BASE, CANONICAL, 0, "host's FS base" },
	{ 0, 0, HOST_GS_BASE, CANONICAL, 0, "host's GS base" },
	{ 0, 0, HOST_TR_BASE, CANONICAL, 0, "host's TR base" },
	{ 0, 0, HOST_GDTR_BASE, CANONICAL, 0, "host's GDTR base" },
	{ 0, 0, HOST_IDTR_BASE, CANONICAL, 0, "host's IDTR base" },
	{ 0, 0, HOST_RIP, CANONICAL, 0, "host's RIP" },
	{}
};

/* 27.3.1.1 to 27.3.1.6. */
static const struct check guest[] = {
	{ 0, 0, GUEST_CR0, GUEST_CR0_FIXED, MSRS(cr0_fixed0), "CR0: fixed bits" },
	{ 0, REAL, GUEST_CR0, CLEAR, X86_CR0_PG, "CR0: PG without PE" },
	{ 0, 0, GUEST_CR4, FIXED, MSRS(cr4_fixed0), "CR4: fixed bits" },
	{ 0, LONG, GUEST_CR0, SET, X86_CR0_PG, "long mode without CR0.PG" },
	{ 0, LONG, GUEST_CR4, SET, X86_CR4_PAE, "long mode without CR4.PAE" },
	{ 0, SHORT, GUEST_CR4, CLEAR, X86_CR4_PCIDE,
	  "CR4.PCIDE outside long mode" },
	{ 0, 0, GUEST_CR3, PHYSICAL, 0, "CR3: too wide" },
	{ 0, 0, GUEST_IA32_DEBUGCTL, CLEAR, ~0xffc7ull, "DEBUGCTL: reserved bits" },
	{ 0, 0, GUEST_DR7, CLEAR, GENMASK_ULL(63, 32), "DR7: upper half" },
	{ 0, 0, GUEST_SYSENTER_ESP, CANONICAL, 0, "SYSENTER_ESP not canonical" },
	{ 0, 0, GUEST_SYSENTER_EIP, CANONICAL, 0, "SYSENTER_EIP not canonical" },
	{ 0, 0, GUEST_IA32_PAT, MEMORY_TYPES, 0, "PAT: memory types" },
	{ 0, 0, GUEST_IA32_EFER, CLEAR, ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NX),
	  "EFER: reserved bits" },
	{ 0, LONG, GUEST_IA32_EFER, SET, EFER_LMA | EFER_LME,
	  "long mode without EFER.LMA or LME" },
	{ 0, SHORT, GUEST_IA32_EFER, CLEAR, EFER_LMA, "EFER.LMA outside long mode" },
	{ 0, SHORT | PAGING, GUEST_IA32_EFER, CLEAR, EFER_LME,
	  "EFER.LME and CR0.PG outside long mode" },

	{ TR, 0, GUEST_ES_SELECTOR, CLEAR, 4, "is in the LDT" },
	{ LDTR, USABLE, GUEST_ES_SELECTOR, CLEAR, 4, "is in the LDT" },
	{ USER, V86, GUEST_ES_BASE, LINEAR, 0, "base in virtual-8086 mode" },
	{ USER, V86, GUEST_ES_LIMIT, EXACT, 0xffff, "limit in virtual-8086 mode" },
	{ USER, V86, GUEST_ES_AR_BYTES, EXACT, 0xf3,
	  "access rights in virtual-8086 mode" },
	{ FS | GS | TR, 0, GUEST_ES_BASE, CANONICAL, 0, "base not canonical" },
	{ LDTR, USABLE, GUEST_ES_BASE, CANONICAL, 0, "base not canonical" },
	{ CS, 0, GUEST_ES_BASE, CLEAR, GENMASK_ULL(63, 32), "base: upper half" },
	{ ES | SS | DS, USABLE, GUEST_ES_BASE, CLEAR, GENMASK_ULL(63, 32),
	  "base: upper half" },
	/* Of CS the type of data is real mode's: 3. */
	{ CS, NOT_V86, GUEST_ES_AR_BYTES, ONE_OF,
	  BIT(3) | BIT(9) | BIT(11) | BIT(13) | BIT(15), "type" },
	{ SS, NOT_V86 | USABLE, GUEST_ES_AR_BYTES, ONE_OF, BIT(3) | BIT(7), "type" },
	{ DATA, NOT_V86 | USABLE, GUEST_ES_AR_BYTES, ONE_OF,
	  BIT(1) | BIT(3) | BIT(5) | BIT(7) | BIT(11) | BIT(15), "type" },
	{ TR, LONG, GUEST_ES_AR_BYTES, ONE_OF, BIT(11), "type" },
	{ TR, SHORT, GUEST_ES_AR_BYTES, ONE_OF, BIT(3) | BIT(11), "type" },
	{ LDTR, USABLE, GUEST_ES_AR_BYTES, ONE_OF, BIT(2), "type" },
	{ CS, NOT_V86, GUEST_ES_AR_BYTES, SET, VMX_AR_S_MASK | VMX_AR_P_MASK,
	  "not present, or a system segment" },
	{ DATA | SS, NOT_V86 | USABLE, GUEST_ES_AR_BYTES, SET,
	  VMX_AR_S_MASK | VMX_AR_P_MASK, "not present, or a system segment" },
	{ TR, 0, GUEST_ES_AR_BYTES, SET, VMX_AR_P_MASK, "not present" },
	{ TR, 0, GUEST_ES_AR_BYTES, CLEAR, VMX_AR_S_MASK | VMX_AR_UNUSABLE_MASK,
	  "unusable, or not a system segment" },
	{ LDTR, USABLE, GUEST_ES_AR_BYTES, SET, VMX_AR_P_MASK, "not present" },
	{ LDTR, USABLE, GUEST_ES_AR_BYTES, CLEAR, VMX_AR_S_MASK,
	  "not a system segment" },
	{ CS, NOT_V86, GUEST_ES_AR_BYTES, EQUAL, AR_DPL, "DPL is not SS's" },
	{ CS, NOT_V86, GUEST_ES_AR_BYTES, ABOVE, AR_DPL, "DPL above SS's" },
	{ SS, NOT_V86 | REAL, GUEST_ES_AR_BYTES, CLEAR, AR_DPL,
	  "DPL in real mode" },
	{ CS | TR, NOT_V86, GUEST_ES_AR_BYTES, CLEAR, 0xfffe0f00, "reserved bits" },
	{ DATA | SS | LDTR, NOT_V86 | USABLE, GUEST_ES_AR_BYTES, CLEAR,
	  0xfffe0f00, "reserved bits" },
	{ CS, NOT_V86 | CODE64, GUEST_ES_AR_BYTES, CLEAR, VMX_AR_DB_MASK,
	  "both D and L" },
	{ CS | TR, NOT_V86 | IN_PAGE, GUEST_ES_AR_BYTES, CLEAR, VMX_AR_G_MASK,
	  "G, but the limit ends in a page" },
	{ CS | TR, NOT_V86 | BIG, GUEST_ES_AR_BYTES, SET, VMX_AR_G_MASK,
	  "no G, but a limit of 1M or more" },
	{ DATA | SS | LDTR, NOT_V86 | USABLE | IN_PAGE, GUEST_ES_AR_BYTES, CLEAR,
	  VMX_AR_G_MASK, "G, but the limit ends in a page" },
	{ DATA | SS | LDTR, NOT_V86 | USABLE | BIG, GUEST_ES_AR_BYTES, SET,
	  VMX_AR_G_MASK, "no G, but a limit of 1M or more" },

	{ 0, 0, GUEST_GDTR_BASE, CANONICAL, 0, "GDTR: base not canonical" },
	{ 0, 0, GUEST_IDTR_BASE, CANONICAL, 0, "IDTR: base not canonical" },
	{ 0, 0, GUEST_GDTR_LIMIT, MAX, 0xffff, "GDTR: limit above 64K" },
	{ 0, 0, GUEST_IDTR_LIMIT, MAX, 0xffff, "IDTR: limit above 64K" },
	{ 0, CODE32, GUEST_RIP, CLEAR, GENMASK_ULL(63, 32),
	  "RIP above 4G outside 64-bit code" },
	{ 0, CODE64, GUEST_RIP, CANONICAL, 0, "RIP not canonical" },
	{ 0, 0, GUEST_RFLAGS, CLEAR, GENMASK_ULL(63, 22) | 0x8028,
	  "RFLAGS: reserved bits" },
	{ 0, 0, GUEST_RFLAGS, SET, X86_EFLAGS_FIXED, "RFLAGS: bit 1 is clear" },
	{ 0, LONG, GUEST_RFLAGS, CLEAR, X86_EFLAGS_VM, "RFLAGS.VM in long mode" },
	{ 0, REAL, GUEST_RFLAGS, CLEAR, X86_EFLAGS_VM, "RFLAGS.VM in real mode" },
	{ 0, INTR, GUEST_RFLAGS, SET, X86_EFLAGS_IF,
	  "an interrupt injected with RFLAGS.IF clear" },

	{ 0, 0, GUEST_ACTIVITY_STATE, MAX, GUEST_ACTIVITY_WAIT_SIPI,
	  "activity state" },
	{ 0, HLT, GUEST_SS_AR_BYTES, CLEAR, AR_DPL, "halted, and not at CPL 0" },
	{ 0, BY_STI, GUEST_ACTIVITY_STATE, MAX, 0, "not active, blocked by STI" },
	{ 0, BY_MOV_SS, GUEST_ACTIVITY_STATE, MAX, 0,
	  "not active, blocked by MOV SS" },
	{ 0, INTR, GUEST_ACTIVITY_STATE, MAX, GUEST_ACTIVITY_HLT,
	  "an interrupt injected in an activity state that takes none" },
	{ 0, 0, GUEST_INTERRUPTIBILITY_INFO, CLEAR, GENMASK(31, 5) |
	  GUEST_INTR_STATE_SMI, "interruptibility: reserved bits or SMI" },
	{ 0, BY_STI, GUEST_INTERRUPTIBILITY_INFO, CLEAR, GUEST_INTR_STATE_MOV_SS,
	  "blocked by both STI and MOV SS" },
	{ 0, IF0, GUEST_INTERRUPTIBILITY_INFO, CLEAR, GUEST_INTR_STATE_STI,
	  "blocked by STI with RFLAGS.IF clear" },
	{ 0, INTR, GUEST_INTERRUPTIBILITY_INFO, CLEAR,
	  GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS,
	  "an interrupt injected while blocked by STI or MOV SS" },
	{ 0, NMI, GUEST_INTERRUPTIBILITY_INFO, CLEAR,
	  GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS,
	  "an NMI injected while blocked by STI or MOV SS" },
	{ 0, NMI | VNMI, GUEST_INTERRUPTIBILITY_INFO, CLEAR, GUEST_INTR_STATE_NMI,
	  "an NMI injected while blocked by NMI" },
	{ 0, 0, GUEST_PENDING_DBG_EXCEPTIONS, CLEAR, ~0x1580full,
	  "pending debug exceptions: reserved bits" },
	{ 0, HELD | STEP | NO_BTF, GUEST_PENDING_DBG_EXCEPTIONS, SET, DR_STEP,
	  "RFLAGS.TF, blocked or halted, and no single step pending" },
	{ 0, HELD | NO_STEP, GUEST_PENDING_DBG_EXCEPTIONS, CLEAR, DR_STEP,
	  "a single step pending, blocked or halted, without RFLAGS.TF" },
	{ 0, 0, VMCS_LINK_POINTER, EXACT, ~0ull, "VMCS link pointer" },
	{ 0, SHORT | PAGING | PAE, GUEST_PDPTR0, PDPTE, 0x1e6, "PDPTE 0" },
	{ 0, SHORT | PAGING | PAE, GUEST_PDPTR1, PDPTE, 0x1e6, "PDPTE 1" },
	{ 0, SHORT | PAGING | PAE, GUEST_PDPTR2, PDPTE, 0x1e6, "PDPTE 2" },
	{ 0, SHORT | PAGING | PAE, GUEST_PDPTR3, PDPTE, 0x1e6, "PDPTE 3" },
	{}
};

/* How many broken checks are told. */
#define TOLD	4

struct report {
	u64 (*read)(u32 field);
	const struct vmx_caps *caps;
	char *buf;
	size_t len, used;
	int found;
};

static bool canonical(u64 addr)
{
	int unused = 64 - boot_cpu_data.x86_virt_bits;

	return (u64)((s64)(addr << unused) >> unused) == addr;
}

/* Each byte of a PAT is UC, WC, WT, WP, WB or UC-. */
static bool memory_types(u64 pat)
{
	for (; pat; pat >>= 8)
		if ((pat & 0xff) > 7 || (pat & 0xff) == 2 || (pat & 0xff) == 3)
			return false;
	return true;
}

static bool fixed(u64 val, u64 on, u64 off)
{
	return (val & on) == on && !(val & off);
}

/* Of CS and SS: 27.3.1.2 on DPL, by the type of CS. */
static bool dpl(const struct report *r, const struct check *c, u64 cs)
{
	u64 mine = cs & c->arg, ss = r->read(GUEST_SS_AR_BYTES) & c->arg;

	switch (cs & VMX_AR_TYPE_MASK) {
	case 3:			/* real mode's */
		return c->kind != EQUAL || (!mine && !ss);
	case 9:
	case 11:
		return c->kind != EQUAL || mine == ss;
	default:		/* conforming */
		return c->kind != ABOVE || mine <= ss;
	}
}

static bool holds(const struct report *r, const struct check *c, u64 val,
		  int segment)
{
	const u64 *msr = (const void *)&r->caps->msrs + c->arg;

	switch (c->kind) {
	case CLEAR:
		return !(val & c->arg);
	case SET:
		return (val & c->arg) == c->arg;
	case CANONICAL:
		return canonical(val);
	case PDPTE:
		if (!(val & _PAGE_PRESENT))
			return true;
		fallthrough;
	case PHYSICAL:
		return !(val & c->arg) && !(val >> boot_cpu_data.x86_phys_bits);
	case ERROR_CODE:
		return !(val & INTR_INFO_DELIVER_CODE_MASK) ==
		       !(c->arg >> (val & 31) & 1);
	case EXACT:
		return val == c->arg;
	case MAX:
		return val <= c->arg;
	case NONZERO:
		return val;
	case MEMORY_TYPES:
		return memory_types(val);
	case ONE_OF:
		return c->arg >> (val & VMX_AR_TYPE_MASK) & 1;
	case CONTROLS:
		return fixed(val, (u32)*msr, (u32)~(*msr >> 32));
	case FIXED:
		return fixed(val, msr[0], ~msr[1]);
	case GUEST_CR0_FIXED:
		return fixed(val, vmx_cr0_on(r->caps), vmx_cr0_off(r->caps));
	case LINEAR:
		return val == r->read(GUEST_ES_SELECTOR + 2 * segment) << 4;
	case EQUAL:
	case ABOVE:
		return dpl(r, c, val);
	}
	return true;
}

static u64 common_conditions(const struct report *r)
{
	u64 now = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(conditions); i++)
		if ((r->read(conditions[i].field) & conditions[i].mask) ==
		    conditions[i].value)
			now |= conditions[i].condition;
	if (now & (BY_STI | BY_MOV_SS | HLT))
		now |= HELD;
	if (!(now & LONG))
		now &= ~CODE64;
	return now | (now & CODE64 ? 0 : CODE32);
}

static u64 segment_conditions(const struct report *r, int segment)
{
	u64 limit = r->read(GUEST_ES_LIMIT + 2 * segment);
	u64 now = 0;

	if (!(r->read(GUEST_ES_AR_BYTES + 2 * segment) & VMX_AR_UNUSABLE_MASK))
		now |= USABLE;
	if (~limit & 0xfff)
		now |= IN_PAGE;
	if (limit >> 20)
		now |= BIG;
	return now;
}

static void check_one(struct report *r, const struct check *c, int segment)
{
	static const char * const name[NR_SEGMENTS] = {
		"ES: ", "CS: ", "SS: ", "DS: ", "FS: ", "GS: ", "LDTR: ", "TR: ",
	};
	u64 val = r->read(c->field + (c->who ? 2 * segment : 0));

	if (holds(r, c, val, segment) || r->found++ >= TOLD)
		return;
	r->used += scnprintf(r->buf + r->used, r->len - r->used, "%s%s%s (%#llx)",
			     r->used ? "; " : "", c->who ? name[segment] : "",
			     c->words, val);
}

static void check_all(struct report *r, const struct check *c, u64 now)
{
	int i;

	for (; c->words; c++) {
		if (!c->who) {
			if ((now & c->when) == c->when)
				check_one(r, c, 0);
			continue;
		}
		for (i = 0; i < NR_SEGMENTS; i++)
			if ((c->who & BIT(i)) &&
			    ((now | segment_conditions(r, i)) & c->when) == c->when)
				check_one(r, c, i);
	}
}

/**
 * vmx_check - say why a VM entry failed, or would fail
 * @read: reads a field of the VMCS; those of features that are off aren't read
 * @caps: what the CPU has
 * @buf: gets the words of the first few checks that are broken, with the value
 *	of the field: "" if none is
 * @len: of @buf, not 0
 *
 * Return: how many checks are broken.
 */
int vmx_check(u64 (*read)(u32 field), const struct vmx_caps *caps, char *buf,
	      size_t len)
{
	struct report r = { .read = read, .caps = caps, .buf = buf, .len = len };
	u64 now = common_conditions(&r);

	buf[0] = '\0';
	check_all(&r, controls, now);
	check_all(&r, host, now);
	check_all(&r, guest, now);
	return r.found;
}
