/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: one for each entry, exit, injection and nested fault, and for
 * what a guest asks of the devices in the kernel. A disabled one costs a NOP.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM lodge

#if !defined(LODGE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define LODGE_TRACE_H

#include <linux/tracepoint.h>
#include <asm/svm.h>
#include <asm/vmx.h>

#include "backend.h"

#ifndef LODGE_TRACE_WORDS
#define LODGE_TRACE_WORDS
/* What lodge_inject says was injected. */
enum lodge_trace_event {
	LODGE_TRACE_EXCEPTION,
	LODGE_TRACE_IRQ,
	LODGE_TRACE_SOFT_IRQ,
	LODGE_TRACE_NMI,
};
#endif

#define LODGE_TRACE_EVENTS				\
	{ LODGE_TRACE_EXCEPTION, "exception" },		\
	{ LODGE_TRACE_IRQ, "irq" },			\
	{ LODGE_TRACE_SOFT_IRQ, "soft" },		\
	{ LODGE_TRACE_NMI, "nmi" }

/* Fields that most events begin with: who, and where it stood. */
#define LODGE_TRACE_WHO		__field(u32, vcpu) __field(u64, rip)
#define LODGE_TRACE_IS(v)	do {			\
		__entry->vcpu = (v)->id;		\
		__entry->rip = (v)->rip;		\
	} while (0)

TRACE_EVENT(lodge_entry,
	TP_PROTO(struct lodge_vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(LODGE_TRACE_WHO),
	TP_fast_assign(LODGE_TRACE_IS(vcpu);),
	TP_printk("vcpu %u rip 0x%llx", __entry->vcpu, __entry->rip)
);

/* reason is the vendor's number; info1 and info2 its qualification words. */
TRACE_EVENT(lodge_exit,
	TP_PROTO(struct lodge_vcpu *vcpu, u64 reason, u64 info1, u64 info2),
	TP_ARGS(vcpu, reason, info1, info2),
	TP_STRUCT__entry(
		LODGE_TRACE_WHO
		__field(bool, vmx)
		__field(u64, reason)
		__field(u64, info1)
		__field(u64, info2)
	),
	TP_fast_assign(
		LODGE_TRACE_IS(vcpu);
		__entry->vmx = lodge_backend == &vmx_backend;
		__entry->reason = reason;
		__entry->info1 = info1;
		__entry->info2 = info2;
	),
	TP_printk("vcpu %u reason 0x%llx %s rip 0x%llx info 0x%llx 0x%llx",
		  __entry->vcpu, __entry->reason,
		  __entry->vmx ?
			__print_symbolic(__entry->reason, VMX_EXIT_REASONS) :
			__print_symbolic(__entry->reason, SVM_EXIT_REASONS),
		  __entry->rip, __entry->info1, __entry->info2)
);

/* KVM_RUN returns: with a KVM_EXIT_* reason, or with an errno. */
TRACE_EVENT(lodge_user_exit,
	TP_PROTO(struct lodge_vcpu *vcpu, u32 reason, int ret),
	TP_ARGS(vcpu, reason, ret),
	TP_STRUCT__entry(LODGE_TRACE_WHO __field(u32, reason) __field(int, ret)),
	TP_fast_assign(
		LODGE_TRACE_IS(vcpu);
		__entry->reason = reason;
		__entry->ret = ret;
	),
	TP_printk("vcpu %u rip 0x%llx reason %u ret %d", __entry->vcpu,
		  __entry->rip, __entry->reason, __entry->ret)
);

TRACE_EVENT(lodge_inject,
	TP_PROTO(struct lodge_vcpu *vcpu, u8 type, u8 vector, u32 error),
	TP_ARGS(vcpu, type, vector, error),
	TP_STRUCT__entry(
		LODGE_TRACE_WHO
		__field(u8, type)
		__field(u8, vector)
		__field(u32, error)
	),
	TP_fast_assign(
		LODGE_TRACE_IS(vcpu);
		__entry->type = type;
		__entry->vector = vector;
		__entry->error = error;
	),
	TP_printk("vcpu %u rip 0x%llx %s vector %u error 0x%x", __entry->vcpu,
		  __entry->rip,
		  __print_symbolic(__entry->type, LODGE_TRACE_EVENTS),
		  __entry->vector, __entry->error)
);

/* flags are LODGE_NPF_*, result is an enum lodge_npf or an errno. */
TRACE_EVENT(lodge_npf,
	TP_PROTO(struct lodge_vcpu *vcpu, u64 gpa, u32 flags, int result),
	TP_ARGS(vcpu, gpa, flags, result),
	TP_STRUCT__entry(
		LODGE_TRACE_WHO
		__field(u64, gpa)
		__field(u32, flags)
		__field(int, result)
	),
	TP_fast_assign(
		LODGE_TRACE_IS(vcpu);
		__entry->gpa = gpa;
		__entry->flags = flags;
		__entry->result = result;
	),
	TP_printk("vcpu %u rip 0x%llx gpa 0x%llx %s result %d", __entry->vcpu,
		  __entry->rip, __entry->gpa,
		  __print_flags(__entry->flags, "|",
				{ LODGE_NPF_WRITE, "write" },
				{ LODGE_NPF_FETCH, "fetch" },
				{ LODGE_NPF_PRESENT, "present" },
				{ LODGE_NPF_TABLE, "table" },
				{ LODGE_NPF_RSVD, "reserved" }),
		  __entry->result)
);

DECLARE_EVENT_CLASS(lodge_access,
	TP_PROTO(struct lodge_vcpu *vcpu, bool write, u64 addr, u32 len, u64 val),
	TP_ARGS(vcpu, write, addr, len, val),
	TP_STRUCT__entry(
		LODGE_TRACE_WHO
		__field(bool, write)
		__field(u64, addr)
		__field(u32, len)
		__field(u64, val)
	),
	TP_fast_assign(
		LODGE_TRACE_IS(vcpu);
		__entry->write = write;
		__entry->addr = addr;
		__entry->len = len;
		__entry->val = val;
	),
	TP_printk("vcpu %u rip 0x%llx %s 0x%llx len %u val 0x%llx",
		  __entry->vcpu, __entry->rip,
		  __entry->write ? "write" : "read", __entry->addr,
		  __entry->len, __entry->val)
);

DEFINE_EVENT(lodge_access, lodge_pio,
	TP_PROTO(struct lodge_vcpu *vcpu, bool write, u64 addr, u32 len, u64 val),
	TP_ARGS(vcpu, write, addr, len, val));

DEFINE_EVENT(lodge_access, lodge_mmio,
	TP_PROTO(struct lodge_vcpu *vcpu, bool write, u64 addr, u32 len, u64 val),
	TP_ARGS(vcpu, write, addr, len, val));

TRACE_EVENT(lodge_msr,
	TP_PROTO(struct lodge_vcpu *vcpu, bool write, u32 index, u64 data, bool fault),
	TP_ARGS(vcpu, write, index, data, fault),
	TP_STRUCT__entry(
		LODGE_TRACE_WHO
		__field(bool, write)
		__field(bool, fault)
		__field(u32, index)
		__field(u64, data)
	),
	TP_fast_assign(
		LODGE_TRACE_IS(vcpu);
		__entry->write = write;
		__entry->fault = fault;
		__entry->index = index;
		__entry->data = data;
	),
	TP_printk("vcpu %u rip 0x%llx %s 0x%x = 0x%llx%s", __entry->vcpu,
		  __entry->rip, __entry->write ? "wrmsr" : "rdmsr",
		  __entry->index, __entry->data, __entry->fault ? " #GP" : "")
);

TRACE_EVENT(lodge_cpuid,
	TP_PROTO(struct lodge_vcpu *vcpu, u32 leaf, u32 index,
		 u32 eax, u32 ebx, u32 ecx, u32 edx),
	TP_ARGS(vcpu, leaf, index, eax, ebx, ecx, edx),
	TP_STRUCT__entry(
		LODGE_TRACE_WHO
		__field(u32, leaf)
		__field(u32, index)
		__field(u32, eax)
		__field(u32, ebx)
		__field(u32, ecx)
		__field(u32, edx)
	),
	TP_fast_assign(
		LODGE_TRACE_IS(vcpu);
		__entry->leaf = leaf;
		__entry->index = index;
		__entry->eax = eax;
		__entry->ebx = ebx;
		__entry->ecx = ecx;
		__entry->edx = edx;
	),
	TP_printk("vcpu %u rip 0x%llx leaf 0x%x.%x = %08x %08x %08x %08x",
		  __entry->vcpu, __entry->rip, __entry->leaf, __entry->index,
		  __entry->eax, __entry->ebx, __entry->ecx, __entry->edx)
);

TRACE_EVENT(lodge_hypercall,
	TP_PROTO(struct lodge_vcpu *vcpu, u64 nr, u64 a0, u64 a1, u64 ret),
	TP_ARGS(vcpu, nr, a0, a1, ret),
	TP_STRUCT__entry(
		LODGE_TRACE_WHO
		__field(u64, nr)
		__field(u64, a0)
		__field(u64, a1)
		__field(u64, ret)
	),
	TP_fast_assign(
		LODGE_TRACE_IS(vcpu);
		__entry->nr = nr;
		__entry->a0 = a0;
		__entry->a1 = a1;
		__entry->ret = ret;
	),
	TP_printk("vcpu %u rip 0x%llx nr %llu a0 0x%llx a1 0x%llx ret 0x%llx",
		  __entry->vcpu, __entry->rip, __entry->nr, __entry->a0,
		  __entry->a1, __entry->ret)
);

DECLARE_EVENT_CLASS(lodge_vector,
	TP_PROTO(struct lodge_vcpu *vcpu, int vector),
	TP_ARGS(vcpu, vector),
	TP_STRUCT__entry(__field(u32, vcpu) __field(int, vector)),
	TP_fast_assign(
		__entry->vcpu = vcpu->id;
		__entry->vector = vector;
	),
	TP_printk("vcpu %u vector %d", __entry->vcpu, __entry->vector)
);

/* The CPU takes the vector: IRR to ISR, or the PIC's acknowledge cycle. */
DEFINE_EVENT(lodge_vector, lodge_irq_ack,
	TP_PROTO(struct lodge_vcpu *vcpu, int vector), TP_ARGS(vcpu, vector));

DEFINE_EVENT(lodge_vector, lodge_eoi,
	TP_PROTO(struct lodge_vcpu *vcpu, int vector), TP_ARGS(vcpu, vector));

/* The local APIC's timer fired. */
DEFINE_EVENT(lodge_vector, lodge_timer,
	TP_PROTO(struct lodge_vcpu *vcpu, int vector), TP_ARGS(vcpu, vector));

#endif /* LODGE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

#include <trace/define_trace.h>
