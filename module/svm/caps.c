// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a CPU's AMD-V can do. It works on what it is given, so that tests make
 * up CPUs that nobody built.
 */
#include <asm/cpufeature.h>

#include "svm.h"

/**
 * svm_caps_compute - what lodge makes of a CPU
 * @cpu: its features, as the kernel sees them
 * @vm_cr: its MSR VM_CR
 * @la57: the host's tables, and so the nested ones, have five levels
 * @f: features of AMD-V that are there
 * @caps: what follows for the rest of the module
 * @why: set to why the CPU is refused, in words, or to NULL
 *
 * A pure function. @f and @caps are left alone if the CPU is refused.
 *
 * Return: 0; -ENODEV, without a word, if it is another vendor's CPU;
 * -EOPNOTSUPP with @why.
 */
int svm_caps_compute(const struct cpuinfo_x86 *cpu, u64 vm_cr, bool la57,
		     struct svm_features *f, struct lodge_hw_caps *caps,
		     const char **why)
{
	*why = NULL;
	if (!cpu_has(cpu, X86_FEATURE_SVM))
		return -ENODEV;
	if (vm_cr & SVM_VM_CR_SVM_DIS_MASK)
		*why = "AMD-V is disabled by the firmware (VM_CR.SVMDIS)";
	else if (!cpu_has(cpu, X86_FEATURE_NPT))
		*why = "this CPU has no nested paging, which lodge requires";
	if (*why)
		return -EOPNOTSUPP;
	*f = (struct svm_features){
		.nrips = cpu_has(cpu, X86_FEATURE_NRIPS),
		.decode_assists = cpu_has(cpu, X86_FEATURE_DECODEASSISTS),
		.flush_by_asid = cpu_has(cpu, X86_FEATURE_FLUSHBYASID),
		.pause_filter = cpu_has(cpu, X86_FEATURE_PAUSEFILTER),
		.pause_threshold = cpu_has(cpu, X86_FEATURE_PFTHRESHOLD),
		.tsc_ratio = cpu_has(cpu, X86_FEATURE_TSCRATEMSR),
		.v_spec_ctrl = cpu_has(cpu, X86_FEATURE_V_SPEC_CTRL),
	};
	*caps = (struct lodge_hw_caps){
		.npt_levels = la57 ? 5 : 4,
		.npt_1g = cpu_has(cpu, X86_FEATURE_GBPAGES),
		.npt_ad = true,
		.tsc_scaling = f->tsc_ratio,
		.tsc_frac_bits = 32,
		.tsc_max_ratio = SVM_TSC_RATIO_MAX,
		/* Tried out when the hardware is first taken. */
		.xsaves = cpu_has(cpu, X86_FEATURE_XSAVES),
		.fpu_trap = true,
		.maxphyaddr = cpu->x86_phys_bits,
	};
	return 0;
}
