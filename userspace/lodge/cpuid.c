// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what the hypervisor supports, with the machine's topology written
 * in. The machine is one package of single-threaded cores, APIC ID = vCPU ID.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lodge.h"
#include "util.h"

#define CPUID_MAX	256

#define F1_ECX_TSC_DEADLINE	(1u << 24)
#define F1_ECX_HYPERVISOR	(1u << 31)
#define F1_EDX_HTT		(1u << 28)
#define X1_ECX_CMP_LEGACY	(1u << 1)

static struct kvm_cpuid_entry2 *find(struct kvm_cpuid2 *cpuid,
				     uint32_t function, uint32_t index)
{
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function &&
		    cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

/* Bits that an APIC ID below @cpus takes. */
static unsigned int id_bits(unsigned int cpus)
{
	return cpus > 1 ? 32 - __builtin_clz(cpus - 1) : 0;
}

/* A field that is too narrow for the number says its largest one. */
static uint32_t at_most(uint32_t n, uint32_t max)
{
	return n < max ? n : max;
}

/* Leaf 0xb, SDM vol. 2A CPUID: a thread level, then a core level. */
static void set_leaf_b(struct kvm_cpuid2 *cpuid, unsigned int cpus)
{
	const struct kvm_cpuid_entry2 level[] = {
		{ .ebx = 1, .ecx = 0x100 },
		{ .index = 1, .eax = id_bits(cpus), .ebx = cpus,
		  .ecx = 0x201 },
		{ .index = 2, .ecx = 2 },
	};
	struct kvm_cpuid_entry2 *e;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(level); i++) {
		e = find(cpuid, 0xb, i);
		if (!e) {
			if (cpuid->nent == CPUID_MAX)
				return;
			e = &cpuid->entries[cpuid->nent++];
		}
		*e = level[i];
		e->function = 0xb;
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
}

/** cpuid_get() - what every vCPU's CPUID has in common; free() it. */
struct kvm_cpuid2 *cpuid_get(struct vm *vm)
{
	struct kvm_cpuid2 *cpuid = xalloc(1, sizeof(*cpuid) +
					  CPUID_MAX *
					  sizeof(cpuid->entries[0]));
	struct kvm_cpuid_entry2 *e;

	cpuid->nent = CPUID_MAX;
	xioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid,
	       "KVM_GET_SUPPORTED_CPUID");
	e = find(cpuid, 0, 0);
	/* Where there is an x2APIC ID to tell, there is a leaf to tell it. */
	if (e && e->eax >= 0xb)
		set_leaf_b(cpuid, vm->cfg->cpus);
	e = find(cpuid, 1, 0);
	if (!e)
		return cpuid;
	e->ecx |= F1_ECX_HYPERVISOR;
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION,
		  KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		e->ecx |= F1_ECX_TSC_DEADLINE;
	return cpuid;
}

/**
 * cpuid_set_topology() - write one vCPU's place into the leaves that tell it
 * @cpuid: from cpuid_get(); changed in place, for one vCPU after another
 * @id: the vCPU, from 0
 * @cpus: how many there are
 *
 * SDM vol. 2A CPUID for leaves 1, 4 and 0xb; APM vol. 3 E.4 for the rest.
 */
void cpuid_set_topology(struct kvm_cpuid2 *cpuid, unsigned int id,
			unsigned int cpus)
{
	unsigned int bits = id_bits(cpus);
	uint32_t i;

	for (i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entries[i];

		switch (e->function) {
		case 1:
			e->ebx = (e->ebx & 0xffff) | id << 24 |
				at_most(cpus > 1 ? 1u << bits : 0, 255) << 16;
			e->edx &= ~F1_EDX_HTT;
			if (cpus > 1)
				e->edx |= F1_EDX_HTT;
			break;
		case 4:
		case 0x8000001d:
			/* Levels 1 and 2 are a core's own, the rest shared. */
			if (!(e->eax & 0x1f))
				break;
			e->eax &= 0x3fff;
			if (e->function == 4)
				e->eax |= at_most((1u << bits) - 1, 63) << 26;
			if ((e->eax >> 5 & 7) >= 3)
				e->eax |= (cpus - 1) << 14;
			break;
		case 0xb:
			e->edx = id;
			break;
		case 0x80000001:
			e->ecx &= ~X1_ECX_CMP_LEGACY;
			if (cpus > 1)
				e->ecx |= X1_ECX_CMP_LEGACY;
			break;
		case 0x80000008:
			e->ecx = (e->ecx & ~0xf0ffu) | bits << 12 | (cpus - 1);
			break;
		case 0x8000001e:
			e->eax = id;
			e->ebx = id & 0xff;
			e->ecx = 0;
			break;
		}
	}
}
