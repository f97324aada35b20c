/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The central types: a VM, a vCPU, and the words that every room shares.
 *
 * Each room (mem/, npt/, irq/, ...) has a header of its own with the types that
 * are embedded here and the functions it offers.
 */
#ifndef LODGE_H
#define LODGE_H

#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/refcount.h>
#include <linux/srcu.h>
#include <linux/xarray.h>
#include <asm/debugreg.h>
#include <asm/trapnr.h>

#include "balloon/balloon.h"
#include "compat.h"
#include "cpuid.h"
#include "emulate/emulate.h"
#include "insn.h"
#include "irq/irq.h"
#include "mem/mem.h"
#include "npt/npt.h"
#include "pv.h"
#include "stats.h"
#include "tsc.h"
#include "xstate.h"
#include "../uapi/lodge.h"

#define LODGE_MAX_VCPUS		255
/* CPUID, and with it the APIC id, is an 8-bit world without x2APIC. */
#define LODGE_MAX_VCPU_ID	255
#define LODGE_VMM_ABI		KVM_API_VERSION
/* Pages of a vCPU's mmap: kvm_run, the data page of port I/O, the coalesced ring. */
#define LODGE_PIO_PAGE		1
#define LODGE_COALESCED_PAGE	2
#define LODGE_VCPU_PAGES	3

/* Bits of DR6 and DR7 that always read as one: SDM vol. 3B 17.2. */
#define LODGE_DR6_FIXED		0xffff0ff0ull
#define LODGE_DR7_FIXED		0x400ull
#define LODGE_DR7_GD		BIT(13)
#define LODGE_DR7_KNOWN		0xffff2bffull

/*
 * What a handler tells the run loop. A negative value is an errno for
 * KVM_RUN's caller.
 */
enum lodge_next {
	LODGE_USER = 0,		/* kvm_run is filled: back to the launcher */
	LODGE_AGAIN = 1,	/* done, enter the guest again */
	LODGE_SLOW = 2,		/* needs to sleep: the slow handler shall have it */
	LODGE_LEAVE = 3,	/* done, but leave the inner loop first */
};

/* General-purpose registers, numbered as instructions encode them. */
enum lodge_gpr {
	LODGE_RAX, LODGE_RCX, LODGE_RDX, LODGE_RBX,
	LODGE_RSP, LODGE_RBP, LODGE_RSI, LODGE_RDI,
	LODGE_R8, LODGE_R9, LODGE_R10, LODGE_R11,
	LODGE_R12, LODGE_R13, LODGE_R14, LODGE_R15,
	LODGE_NR_GPRS,
};

/* Segment registers, numbered as instructions encode them. */
enum lodge_seg {
	LODGE_ES, LODGE_CS, LODGE_SS, LODGE_DS, LODGE_FS, LODGE_GS,
	LODGE_TR, LODGE_LDTR,
};

/* Work for a vCPU that others ask for; bits of lodge_vcpu.requests. */
enum lodge_request {
	LODGE_REQ_EVENT,	/* interrupts or NMIs may have become deliverable */
	LODGE_REQ_TLB_FLUSH,	/* drop all of this VM's nested translations */
	LODGE_REQ_CLOCK,	/* the paravirtual clock page is stale */
	LODGE_REQ_STEAL,	/* account stolen time */
	LODGE_REQ_TRIPLE_FAULT,
	LODGE_REQ_RING_FULL,	/* the dirty ring was nearly full */
	LODGE_REQ_MSR_FILTER,	/* which MSRs exit may have changed */
	LODGE_REQ_IOAPIC_EOI,	/* eoi_vector is for user space's I/O APIC */
	LODGE_REQ_DEAD,		/* the VM is unusable: KVM_RUN gives EIO */
};

/*
 * An exception on its way into the guest. "pending" waits to be raised (it can
 * still become #DF, and its side effects have not happened), "injected" was
 * being delivered when the last exit came, and is delivered again as it was.
 */
struct lodge_exception {
	bool pending;
	bool injected;
	bool has_error;
	bool has_payload;
	u8 vector;
	u32 error;
	u64 payload;		/* CR2 of #PF, DR6 bits of #DB */
};

struct lodge_events {
	struct lodge_exception exception;
	struct {
		bool injected;
		bool soft;
		u8 vector;
	} irq;
	struct {
		u8 pending;	/* 0 to 2: SDM vol. 3A 6.7.1 keeps one latched */
		bool injected;
		bool masked;
	} nmi;
	atomic_t nmi_queued;	/* raised by others, moved to nmi.pending by the owner */
	bool injecting;		/* the entry to come, or just done, injects */
};

/*
 * Where a vCPU's thread is, for who wants to interrupt it. Written by the
 * thread; a kick sends an IPI only in IN_GUEST.
 */
enum lodge_vcpu_mode {
	LODGE_OUTSIDE,
	LODGE_IN_GUEST,
	LODGE_EXITING,
};

/* How the access that went to user space is completed at the next KVM_RUN. */
enum lodge_completion {
	LODGE_DONE,
	LODGE_COMPLETE_PIO,	/* a register-form IN: the value is in the PIO page */
	LODGE_COMPLETE_LOAD,	/* a plain load: the value is in kvm_run's mmio */
	LODGE_COMPLETE_MSR,	/* RDMSR or WRMSR: the answer is in kvm_run's msr */
	LODGE_COMPLETE_EMUL,	/* run the emulator again, it has its answer */
};

struct lodge_context;		/* the vendor's: VMCB or VMCS, ASID or VPID, intercepts */
struct lodge_lapic;
struct lodge_msrs;

struct lodge_vcpu {
	/* --- the inner loop's, first and together --- */
	u64 regs[LODGE_NR_GPRS];
	u64 rip;
	u64 rflags;
	u64 cr2;
	/* Bits of enum lodge_request. */
	unsigned long requests;
	struct lodge_context *ctx;
	struct lodge_vm *vm;
	struct kvm_run *run;
	struct lodge_lapic *apic;	/* NULL without an in-kernel irqchip */
	int cpu;			/* where it is loaded, -1 if nowhere */
	int last_cpu;			/* where it was last, -1 before the first time */
	int mode;			/* enum lodge_vcpu_mode */
	struct lodge_events events;
	struct lodge_cpuid cpuid;
	struct lodge_vcpu_stats stats;
	struct lodge_slot *slot;	/* the slot that was hit last */
	u64 slot_generation;
	u8 eoi_vector;			/* of LODGE_REQ_IOAPIC_EOI */
	u64 apic_base;			/* MSR_IA32_APICBASE */
	u64 cr8;			/* TPR without an in-kernel local APIC */

	/* --- the rest --- */
	int index;			/* 0, 1, 2 ... in order of creation */
	u32 id;				/* the caller's, and the initial APIC id */
	struct mutex lock;		/* one ioctl at a time */
	struct preempt_notifier notifier;
	struct pid __rcu *pid;		/* who ran it last, for directed yield */
	struct rcuwait wait;		/* a halted vCPU's thread sleeps here */
	int srcu_idx;
	u32 mp_state;			/* KVM_MP_STATE_*; changed by its own thread */
	unsigned long apic_events;	/* INIT and SIPI that others sent: irq/lapic.c */
	enum lodge_completion completion;
	u64 completion_rip;		/* of the instruction that waits for it */
	u8 pio_size;			/* of the IN that waits for its answer */
	u64 pio_rip;			/* the instruction after it, or after RDMSR, WRMSR */
	bool msr_write;			/* which of these waits */
	struct lodge_insn_load load;
	struct lodge_insn_cache insns;
	bool spinning;			/* left by a PAUSE exit: a candidate to yield from */
	u64 msr_misc_enable;
	u64 dr[4];			/* DR0 to DR3 */
	u64 dr6;
	u64 dr7;
	bool dr_lent;			/* the guest uses the CPU's DR0-3, 6 and 7 */
	u32 guest_debug;		/* KVM_GUESTDBG_* */
	u64 guest_debug_dr[8];
	u64 pat;
	sigset_t sigset;
	bool sigset_active;
	struct lodge_xstate xstate;
	struct lodge_tsc tsc;
	struct lodge_pv pv;
	struct lodge_emul emul;
	struct lodge_mmu_cache mmu_cache;
	struct lodge_ring ring;
	struct lodge_msrs *msrs;		/* msr.h */
};

struct lodge_vm {
	struct mm_struct *mm;		/* whose memory the slots name */
	refcount_t users;
	struct mutex lock;		/* creation of vCPUs and devices, capabilities */
	u64 id;
	pid_t owner;			/* for people and tools: netlink.c */
	kuid_t uid;
	char name[LODGE_NAME_SIZE];	/* lodge_vms_lock */
	bool dead;			/* KVM_BUG: nothing runs any more */
	bool dead_told;			/* lodge_vms_lock */
	const char *reason;		/* why it is */

	struct xarray vcpus;		/* by index; never shrinks before the VM goes */
	unsigned int nr_vcpus;
	unsigned int last_boosted;	/* index of the vCPU last yielded to */
	unsigned int nr_creating;	/* being created, counted in, not yet visible */
	unsigned long vcpu_ids[BITS_TO_LONGS(LODGE_MAX_VCPU_ID + 1)];
	u32 bsp_id;

	struct srcu_struct srcu;	/* slots, bus, routing */
	struct lodge_mem mem;
	struct lodge_npt npt;
	struct lodge_irq irq;
	struct lodge_vm_tsc tsc;
	struct lodge_vm_pv pv;
	struct lodge_balloon *balloon;	/* balloon/balloon.c, under its lock */

	u64 tss_addr;
	u64 identity_map_addr;
	u32 max_vcpu_id;		/* KVM_CAP_MAX_VCPU_ID; 0 until it is fixed */
	u32 nr_mmu_pages;		/* KVM_SET_NR_MMU_PAGES, which limits nothing here */
	bool exception_payload;		/* KVM_CAP_EXCEPTION_PAYLOAD */
	bool triple_fault_event;	/* KVM_CAP_X86_TRIPLE_FAULT_EVENT */
	u64 disabled_quirks;
	u32 disabled_exits;		/* KVM_X86_DISABLE_EXITS_*; fixed with the first vCPU */
	u32 user_msrs;			/* KVM_MSR_EXIT_REASON_* that go to user space */
	struct lodge_msr_filter __rcu *msr_filter;	/* srcu; written under lock */
};

/* No further than there are any: the rest of the table's node is 63 slots. */
#define lodge_for_each_vcpu(i, vcpu, vm) \
	xa_for_each_range(&(vm)->vcpus, i, vcpu, 0, READ_ONCE((vm)->nr_vcpus) - 1)

/**
 * lodge_vcpu_by_id - find a vCPU by the id its creator gave it
 * @vm: the VM
 * @id: the id, which is also the initial APIC id
 *
 * Context: any; vCPUs live as long as their VM.
 * Return: the vCPU, or NULL.
 */
struct lodge_vcpu *lodge_vcpu_by_id(struct lodge_vm *vm, u32 id);

/* vcpu.c: the run loop's doors */
void lodge_vcpu_kick(struct lodge_vcpu *vcpu);
void lodge_vcpu_post(struct lodge_vcpu *vcpu);
void lodge_vcpu_wake(struct lodge_vcpu *vcpu);
void lodge_vcpu_request(struct lodge_vcpu *vcpu, enum lodge_request req);
void lodge_vm_request_all(struct lodge_vm *vm, enum lodge_request req);
void lodge_grace(struct lodge_vm *vm, enum lodge_request req);
int lodge_vcpu_create(struct lodge_vm *vm, unsigned long id);
void lodge_vcpu_free(struct lodge_vcpu *vcpu);
void lodge_vcpu_reset(struct lodge_vcpu *vcpu, bool init);
void lodge_vcpu_yield(struct lodge_vcpu *vcpu);
bool lodge_vcpu_yield_to(struct lodge_vcpu *vcpu);
struct lodge_vcpu *lodge_vcpu_running(void);

/* vm.c */
/* All VMs, by id: for statistics and tools. */
extern struct xarray lodge_vms;
extern struct mutex lodge_vms_lock;
int lodge_vm_create(unsigned long type);
void lodge_vm_each(void (*fn)(struct lodge_vm *vm));
void lodge_vm_get(struct lodge_vm *vm);
void lodge_vm_put(struct lodge_vm *vm);
void lodge_vm_kill(struct lodge_vm *vm, const char *why);

/* vCPUs that there are or will be, with vm->lock held: what is fixed with the first is. */
static inline unsigned int lodge_vm_vcpus(const struct lodge_vm *vm)
{
	return vm->nr_vcpus + vm->nr_creating;
}

static inline bool lodge_request_test(const struct lodge_vcpu *vcpu,
				      enum lodge_request req)
{
	return test_bit(req, &vcpu->requests);
}

#endif /* LODGE_H */
