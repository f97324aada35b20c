/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For KUnit: a VM and two vCPUs without hardware. The backend is faked: it
 * holds CR4, EFER, the code segment and a few MSRs in words.
 */
#ifndef LODGE_FAKE_VCPU_H
#define LODGE_FAKE_VCPU_H

#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "backend.h"
#include "msr.h"

#define FAKE_VCPUS	2

struct fake_arch {
	struct lodge_vm vm;
	struct lodge_vcpu vcpu[FAKE_VCPUS];
	u64 cr4, efer, lstar, spec_ctrl;
	int cpl, tsc_sets;
	bool long_mode;
	const struct lodge_backend *saved;
	struct lodge_hw_caps saved_caps;
};

struct fake_arch *fake_arch_init(struct kunit *test);
void fake_arch_exit(struct kunit *test);
int fake_arch_cpuid(struct lodge_vcpu *vcpu, const struct kvm_cpuid_entry2 *e,
		    unsigned int nr);

#endif /* LODGE_FAKE_VCPU_H */
