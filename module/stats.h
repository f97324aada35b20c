/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters per vCPU and per VM, and KVM's binary statistics file. */
#ifndef LODGE_STATS_H
#define LODGE_STATS_H

#include <linux/atomic.h>
#include <linux/types.h>

struct lodge_vm;
struct lodge_vcpu;

/* Every member is a u64 and has a line in stats.c's table. */
struct lodge_vcpu_stats {
	u64 exits;
	u64 slow_exits;		/* left the inner loop */
	u64 user_exits;		/* went to user space */
	u64 io_exits;
	u64 mmio_exits;
	u64 npf_exits;
	u64 npf_fixed;
	u64 irq_exits;		/* host interrupts */
	u64 irq_window;
	u64 nmi_window;
	u64 halt_exits;
	u64 halt_wakeup;
	u64 request_irq_exits;
	u64 signal_exits;
	u64 irq_injections;
	u64 nmi_injections;
	u64 exception_injections;
	u64 cpuid_exits;
	u64 msr_exits;
	u64 cr_exits;
	u64 dr_exits;
	u64 hypercalls;
	u64 emulations;
	u64 emulation_failures;
	u64 tlb_flush;
	u64 pause_exits;
	u64 preemptions;
};

/* Not kept, but read from where they are counted. */
struct lodge_vm_stats {
	u64 nested_tables;
	u64 pages_4k;
	u64 pages_2m;
	u64 pages_1g;
};

/* One counter, as tools are shown it; instant: it may fall again. */
struct lodge_stat {
	const char *name;
	u64 value;
	bool instant;
};

/* How many there are: parameters vms and vcpus of the module. */
extern atomic_t lodge_nr_vms;
extern atomic_t lodge_nr_vcpus;

bool lodge_stats_at(const struct lodge_vm *vm, const struct lodge_vcpu *vcpu,
		    unsigned int i, struct lodge_stat *stat);
long lodge_stats_vm_fd(struct lodge_vm *vm);
long lodge_stats_vcpu_fd(struct lodge_vcpu *vcpu);

#endif /* LODGE_STATS_H */
