// SPDX-License-Identifier: GPL-2.0-only
/*
 * Capabilities. What is not in this table is not offered, and what is offered
 * is tested: Documentation/abi has a row for each.
 */
#include <linux/cpumask.h>
#include <linux/sched/stat.h>
#include <linux/uaccess.h>

#include "backend.h"
#include "caps.h"
#include "msr.h"
#include "regs.h"

/* Those that are simply there. */
static const u16 present[] = {
	KVM_CAP_IRQCHIP, KVM_CAP_HLT, KVM_CAP_USER_MEMORY, KVM_CAP_SET_TSS_ADDR,
	KVM_CAP_EXT_CPUID, KVM_CAP_CLOCKSOURCE, KVM_CAP_PIT,
	KVM_CAP_NOP_IO_DELAY, KVM_CAP_MP_STATE, KVM_CAP_SYNC_MMU,
	KVM_CAP_DESTROY_MEMORY_REGION_WORKS, KVM_CAP_USER_NMI,
	KVM_CAP_SET_GUEST_DEBUG, KVM_CAP_REINJECT_CONTROL,
	KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, KVM_CAP_IRQ_INJECT_STATUS,
	KVM_CAP_IRQFD, KVM_CAP_IRQFD_RESAMPLE, KVM_CAP_PIT2, KVM_CAP_PIT_STATE2,
	KVM_CAP_SET_BOOT_CPU_ID, KVM_CAP_IOEVENTFD, KVM_CAP_IOEVENTFD_NO_LENGTH,
	KVM_CAP_IOEVENTFD_ANY_LENGTH, KVM_CAP_SET_IDENTITY_MAP_ADDR,
	KVM_CAP_INTERNAL_ERROR_DATA, KVM_CAP_VCPU_EVENTS, KVM_CAP_DEBUGREGS,
	KVM_CAP_X86_ROBUST_SINGLESTEP, KVM_CAP_ENABLE_CAP, KVM_CAP_XSAVE,
	KVM_CAP_GET_TSC_KHZ, KVM_CAP_TSC_DEADLINE_TIMER, KVM_CAP_KVMCLOCK_CTRL,
	KVM_CAP_SIGNAL_MSI, KVM_CAP_READONLY_MEM,
	KVM_CAP_IOAPIC_POLARITY_IGNORED, KVM_CAP_ENABLE_CAP_VM,
	KVM_CAP_CHECK_EXTENSION_VM, KVM_CAP_IMMEDIATE_EXIT,
	KVM_CAP_GET_MSR_FEATURES, KVM_CAP_COALESCED_PIO,
	KVM_CAP_EXCEPTION_PAYLOAD, KVM_CAP_X86_TRIPLE_FAULT_EVENT,
	KVM_CAP_BINARY_STATS_FD, KVM_CAP_SREGS2, KVM_CAP_VCPU_ATTRIBUTES,
	KVM_CAP_ENFORCE_PV_FEATURE_CPUID,
	KVM_CAP_MMU_SHADOW_CACHE_CONTROL, KVM_CAP_SPLIT_IRQCHIP,
	KVM_CAP_X86_USER_SPACE_MSR, KVM_CAP_X86_MSR_FILTER,
};

#define MSR_REASONS	(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)
#define X2APIC_FLAGS	(KVM_X2APIC_API_USE_32BIT_IDS | \
			 KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
/* The quirks that there are, each of which can be had without. */
#define QUIRKS		(KVM_X86_QUIRK_LINT0_REENABLED | \
			 KVM_X86_QUIRK_LAPIC_MMIO_HOLE | \
			 KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT | \
			 KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)

/* A guest in MWAIT wakes from the host's timer only if that goes on in deep sleep. */
static u32 exits_to_disable(void)
{
	u32 exits = KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE;

	if (boot_cpu_has(X86_FEATURE_MWAIT) && boot_cpu_has(X86_FEATURE_ARAT) &&
	    !boot_cpu_has_bug(X86_BUG_MONITOR))
		exits |= KVM_X86_DISABLE_EXITS_MWAIT;
	return exits;
}

/* Before the first vCPU, and for good. */
static long disable_exits(struct lodge_vm *vm, u64 exits)
{
	long ret = -EINVAL;

	if (exits & ~(u64)exits_to_disable())
		return ret;
	mutex_lock(&vm->lock);
	if (!lodge_vm_vcpus(vm)) {
		vm->disabled_exits |= exits;
		ret = 0;
	}
	mutex_unlock(&vm->lock);
	return ret;
}

/**
 * lodge_cap_check - KVM_CHECK_EXTENSION
 * @vm: the VM, NULL on the system descriptor
 * @cap: KVM_CAP_*; any value
 *
 * Return: 0 if @cap is not offered, else what api.rst gives it.
 */
long lodge_cap_check(struct lodge_vm *vm, unsigned long cap)
{
	int i;

	switch (cap) {
	case KVM_CAP_NR_VCPUS:
		return min_t(long, num_online_cpus(), LODGE_MAX_VCPUS);
	case KVM_CAP_MAX_VCPUS:
		return LODGE_MAX_VCPUS;
	case KVM_CAP_MAX_VCPU_ID:
		return LODGE_MAX_VCPU_ID;
	case KVM_CAP_NR_MEMSLOTS:
		return LODGE_MAX_SLOTS;
	case KVM_CAP_COALESCED_MMIO:
		return LODGE_COALESCED_PAGE;
	case KVM_CAP_IRQ_ROUTING:
		return LODGE_MAX_GSI;
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
		       KVM_DIRTY_LOG_INITIALLY_SET;
	case KVM_CAP_ADJUST_CLOCK:
		return KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME |
		       KVM_CLOCK_HOST_TSC;
	case KVM_CAP_MCE:
		return LODGE_MCE_BANKS;
	case KVM_CAP_XCRS:
		return boot_cpu_has(X86_FEATURE_XSAVE);
	case KVM_CAP_XSAVE2:
		return lodge_xstate_size();
	case KVM_CAP_TSC_CONTROL:
		return lodge_caps.tsc_scaling;
	case KVM_CAP_STEAL_TIME:
		return sched_info_on();
	case KVM_CAP_SET_GUEST_DEBUG2:
		return lodge_guest_debug_flags();
	case KVM_CAP_X2APIC_API:
		return X2APIC_FLAGS;
	case KVM_CAP_DISABLE_QUIRKS2:
		return QUIRKS;
	case KVM_CAP_X86_DISABLE_EXITS:
		return exits_to_disable();
	case KVM_CAP_DIRTY_LOG_RING:
	case KVM_CAP_DIRTY_LOG_RING_ACQ_REL:
		return lodge_ring_max();
	case KVM_CAP_SYNC_REGS:
		return KVM_SYNC_X86_VALID_FIELDS;
	}
	for (i = 0; i < ARRAY_SIZE(present); i++)
		if (present[i] == cap)
			return 1;
	return 0;
}

/* Once, and before the first vCPU: ids are below @max from then on. */
static long limit_vcpu_ids(struct lodge_vm *vm, u64 max)
{
	long ret = -EINVAL;

	if (!max || max > LODGE_MAX_VCPU_ID)
		return -EINVAL;
	mutex_lock(&vm->lock);
	if (vm->max_vcpu_id == max) {
		ret = 0;
	} else if (!vm->max_vcpu_id) {
		vm->max_vcpu_id = max;
		ret = 0;
	}
	mutex_unlock(&vm->lock);
	return ret;
}

/**
 * lodge_cap_enable_vm - KVM_ENABLE_CAP on a VM's descriptor
 * @vm: the VM
 * @arg: struct kvm_enable_cap
 *
 * Return: 0, -EINVAL for a capability that can't be enabled, or arguments or
 * flags it doesn't have; -EFAULT.
 */
long lodge_cap_enable_vm(struct lodge_vm *vm, void __user *arg)
{
	struct kvm_enable_cap cap;
	u64 allowed = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	if (cap.flags)
		return -EINVAL;

	switch (cap.cap) {
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		if (cap.args[0] & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
			allowed |= KVM_DIRTY_LOG_INITIALLY_SET;
		if (cap.args[0] & ~allowed)
			return -EINVAL;
		mutex_lock(&vm->mem.lock);
		vm->mem.manual_protect = cap.args[0];
		mutex_unlock(&vm->mem.lock);
		return 0;
	case KVM_CAP_SPLIT_IRQCHIP:
		return lodge_irq_split(vm, cap.args[0]);
	case KVM_CAP_MAX_VCPU_ID:
		return limit_vcpu_ids(vm, cap.args[0]);
	case KVM_CAP_EXCEPTION_PAYLOAD:
		vm->exception_payload = cap.args[0];
		return 0;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		vm->triple_fault_event = cap.args[0];
		return 0;
	case KVM_CAP_X2APIC_API:
		if (cap.args[0] & ~(u64)X2APIC_FLAGS)
			return -EINVAL;
		/* Once asked for it stays. */
		if (cap.args[0] & KVM_X2APIC_API_USE_32BIT_IDS)
			vm->irq.x2apic_format = true;
		if (cap.args[0] & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK)
			vm->irq.x2apic_broadcast = true;
		return 0;
	case KVM_CAP_DISABLE_QUIRKS2:
		if (cap.args[0] & ~(u64)QUIRKS)
			return -EINVAL;
		WRITE_ONCE(vm->disabled_quirks, cap.args[0]);
		return 0;
	case KVM_CAP_X86_USER_SPACE_MSR:
		if (cap.args[0] & ~(u64)MSR_REASONS)
			return -EINVAL;
		WRITE_ONCE(vm->user_msrs, cap.args[0]);
		return 0;
	case KVM_CAP_X86_DISABLE_EXITS:
		return disable_exits(vm, cap.args[0]);
	case KVM_CAP_DIRTY_LOG_RING:
	case KVM_CAP_DIRTY_LOG_RING_ACQ_REL:
		return lodge_ring_enable(vm, cap.args[0]);
	default:
		return -EINVAL;
	}
}
