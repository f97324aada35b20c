/* SPDX-License-Identifier: GPL-2.0-only */
/* Exits that mean the same on every vendor, in neutral words. */
#ifndef LODGE_EXIT_H
#define LODGE_EXIT_H

#include <linux/kvm_types.h>
#include <linux/types.h>

struct lodge_vcpu;

/**
 * struct lodge_exit - a row of a vendor's table of exits
 * @fn: its handler
 * @name: for people
 * @delivery: it may come while an event is being delivered
 */
struct lodge_exit {
	int (*fn)(struct lodge_vcpu *vcpu, bool fast);
	const char *name;
	bool delivery;
};

/*
 * All return enum lodge_next or a negative errno. Those that say fast may be
 * called in the inner loop, and answer LODGE_SLOW where they would have to
 * sleep; the same call from the slow handler then finishes the work.
 */
bool lodge_cpuid_faults(struct lodge_vcpu *vcpu);
int lodge_exit_cpuid(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_hlt(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_msr(struct lodge_vcpu *vcpu, bool write, bool fast);
int lodge_exit_msr_complete(struct lodge_vcpu *vcpu);
int lodge_exit_io(struct lodge_vcpu *vcpu, u16 port, u8 size, bool in, bool fast);
int lodge_exit_io_complete(struct lodge_vcpu *vcpu);
int lodge_exit_mmio(struct lodge_vcpu *vcpu, gpa_t gpa, u32 flags, bool fast);
int lodge_exit_npf(struct lodge_vcpu *vcpu, gpa_t gpa, u32 flags, bool fast);
int lodge_exit_hypercall(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_write_cr(struct lodge_vcpu *vcpu, int n, u64 val, u64 next_rip);
int lodge_exit_cr8(struct lodge_vcpu *vcpu, u64 before, int ret);
int lodge_exit_xsetbv(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_pause(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_emulate(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_dr(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_bp(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_ud(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_ac(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_undefined(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_refused(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_db(struct lodge_vcpu *vcpu, u64 dr6);
int lodge_exit_nop(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_monitor(struct lodge_vcpu *vcpu, bool fast);
int lodge_exit_exception(struct lodge_vcpu *vcpu, u8 vector);
int lodge_exit_gp(struct lodge_vcpu *vcpu);
int lodge_exit_debug(struct lodge_vcpu *vcpu, u8 vector, u64 dr6);
int lodge_exit_shutdown(struct lodge_vcpu *vcpu);
int lodge_exit_unknown(struct lodge_vcpu *vcpu, u64 reason);
int lodge_exit_entry_failed(struct lodge_vcpu *vcpu, u64 reason);

#endif /* LODGE_EXIT_H */
