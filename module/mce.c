// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine checks: the banks that a guest sees, and errors that its launcher
 * puts into them. SDM vol. 3B 16.3, APM vol. 2 9.3.
 */
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <asm/mce.h>
#include <asm/traps.h>

#include "backend.h"
#include "event.h"
#include "msr.h"

/* No CMCI: nothing raises the local APIC's LVT entry for it. */
#define MCG_CAP_OFFERED	(MCG_CTL_P | MCG_SER_P)
#define MCG_CAP_COUNT	0xffull
#define MCG_CAP_EXT	0xff0000ull	/* number of extended registers: not judged */

#define HWCR_MC_STATUS_WR_EN	BIT_ULL(18)

static unsigned int banks(const struct lodge_msrs *m)
{
	return m->mcg_cap & MCG_CAP_COUNT;
}

/* A bank's register in m->mc[], or NULL if there is no such bank. */
static u64 *bank_reg(struct lodge_msrs *m, u32 index)
{
	u32 n = index - MSR_IA32_MC0_CTL, nr = 4 * banks(m);

	return n < nr ? &m->mc[array_index_nospec(n, nr)] : NULL;
}

/**
 * lodge_mce_msr_get - read an MSR of the machine-check architecture
 * @vcpu: the vCPU
 * @index: MCG_* or one of the banks'
 * @data: the value
 * @host: user space asks
 *
 * Return: 0, or 1 for #GP.
 */
int lodge_mce_msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	struct lodge_msrs *m = vcpu->msrs;
	u64 *reg;

	switch (index) {
	case MSR_IA32_MCG_CAP:
		*data = m->mcg_cap;
		return 0;
	case MSR_IA32_MCG_STATUS:
		*data = m->mcg_status;
		return 0;
	case MSR_IA32_MCG_CTL:
		*data = m->mcg_ctl;
		return !(m->mcg_cap & MCG_CTL_P) && !host;
	default:
		reg = bank_reg(m, index);
		if (!reg)
			return 1;
		*data = *reg;
		return 0;
	}
}

static bool bank_value_valid(const struct lodge_msrs *m, u32 index, u64 data,
			     bool host, bool amd)
{
	switch ((index - MSR_IA32_MC0_CTL) % 4) {
	case 0:
		/*
		 * CTL: nothing or everything. Linux clears bit 10 of bank 4 on
		 * the first Opterons, others bit 0 of bank 1.
		 */
		return !data || (data | BIT(10) | BIT(0)) == ~0ull;
	case 1:
		/* STATUS can be cleared only, but for AMD's McStatusWrEn. */
		return !data || host || (amd && m->hwcr & HWCR_MC_STATUS_WR_EN);
	default:
		return true;
	}
}

/**
 * lodge_mce_msr_set - write an MSR of the machine-check architecture
 * @vcpu: the vCPU
 * @index: MCG_* or one of the banks'
 * @data: the value
 * @host: user space asks
 *
 * Return: 0, or 1 for #GP.
 */
int lodge_mce_msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	struct lodge_msrs *m = vcpu->msrs;
	u64 *reg;

	switch (index) {
	case MSR_IA32_MCG_CAP:
		return 1;
	case MSR_IA32_MCG_STATUS:
		m->mcg_status = data;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(m->mcg_cap & MCG_CTL_P) && (data || !host))
			return 1;
		if (data && data != ~0ull)
			return 1;
		m->mcg_ctl = data;
		return 0;
	default:
		reg = bank_reg(m, index);
		if (!reg || !bank_value_valid(m, index, data, host, vcpu->cpuid.amd))
			return 1;
		*reg = data;
		return 0;
	}
}

/** lodge_mce_get_supported - KVM_X86_GET_MCE_CAP_SUPPORTED; 0 or -EFAULT */
long lodge_mce_get_supported(void __user *arg)
{
	u64 cap = MCG_CAP_OFFERED;

	return copy_to_user(arg, &cap, sizeof(cap)) ? -EFAULT : 0;
}

/**
 * lodge_mce_setup - KVM_X86_SETUP_MCE: number of banks, and IA32_MCG_CAP
 * @vcpu: the vCPU; its lock is held
 * @arg: u64: the MSR's value; AMD's has the number of banks and MCG_CTL_P only, and
 *       what else there is, is dropped on its processors (APM vol. 2 9.3)
 *
 * Return: 0; -EINVAL for no bank, too many, or a feature that is not
 * offered; -EFAULT.
 */
long lodge_mce_setup(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct lodge_msrs *m = vcpu->msrs;
	unsigned int i, nr;
	u64 cap;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	nr = cap & MCG_CAP_COUNT;
	if (!nr || nr > LODGE_MCE_BANKS)
		return -EINVAL;
	if (cap & ~(MCG_CAP_OFFERED | MCG_CAP_COUNT | MCG_CAP_EXT))
		return -EINVAL;
	if (boot_cpu_data.x86_vendor != X86_VENDOR_INTEL)
		cap &= MCG_CAP_COUNT | MCG_CTL_P;
	m->mcg_cap = cap;
	if (cap & MCG_CTL_P)
		m->mcg_ctl = ~0ull;
	for (i = 0; i < nr; i++)
		m->mc[4 * i] = ~0ull;
	return 0;
}

static void fill(u64 *bank, const struct kvm_x86_mce *mce)
{
	bank[1] = mce->status;
	bank[2] = mce->addr;
	bank[3] = mce->misc;
}

/* Uncorrected, no action required: what is broken isn't in use. SDM vol. 3B 16.6.3 */
static bool is_ucna(const struct kvm_x86_mce *mce)
{
	return (mce->status & MCI_STATUS_UC) && !mce->mcg_status &&
	       !(mce->status & (MCI_STATUS_PCC | MCI_STATUS_S | MCI_STATUS_AR));
}

/**
 * lodge_mce_set - KVM_X86_SET_MCE: an error befalls the guest
 * @vcpu: the vCPU; its lock is held
 * @arg: struct kvm_x86_mce
 *
 * An uncorrected one raises #MC, or ends the VM if the guest is not ready for
 * it (SDM vol. 3B 16.3.1.2); a corrected one is only logged, if the bank does
 * not hold something worse, and so is in any case one on which nobody has to act.
 *
 * Return: 0; -EINVAL for a bank that is not there or a status that is not
 * valid; -EFAULT.
 */
long lodge_mce_set(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct lodge_msrs *m = vcpu->msrs;
	struct kvm_x86_mce mce;
	u64 *bank;

	if (copy_from_user(&mce, arg, sizeof(mce)))
		return -EFAULT;
	if (mce.bank >= banks(m) || !(mce.status & MCI_STATUS_VAL))
		return -EINVAL;
	bank = &m->mc[4 * array_index_nospec(mce.bank, banks(m))];

	if (is_ucna(&mce)) {
		/* CMCI would tell of it. */
		fill(bank, &mce);
		return 0;
	}
	if (mce.status & MCI_STATUS_UC) {
		/* Reporting may be off, for all banks or for this one. */
		if ((m->mcg_cap & MCG_CTL_P && m->mcg_ctl != ~0ull) ||
		    bank[0] != ~0ull)
			return 0;
		if (m->mcg_status & MCG_STATUS_MCIP ||
		    !(lodge_backend->cr_get(vcpu, 4) & X86_CR4_MCE)) {
			lodge_triple_fault(vcpu);
			return 0;
		}
		m->mcg_status = mce.mcg_status;
	} else if (bank[1] & MCI_STATUS_VAL && bank[1] & MCI_STATUS_UC) {
		bank[1] |= MCI_STATUS_OVER;
		return 0;
	}
	if (bank[1] & MCI_STATUS_VAL)
		mce.status |= MCI_STATUS_OVER;
	fill(bank, &mce);
	if (mce.status & MCI_STATUS_UC)
		lodge_exception_queue(vcpu, X86_TRAP_MC);
	return 0;
}
