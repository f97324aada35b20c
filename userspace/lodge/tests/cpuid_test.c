// SPDX-License-Identifier: GPL-2.0-only
/*
 * The topology that CPUID tells, from one vCPU to 255.
 */
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "lodge.h"
#include "tap.h"

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[10];
} cpuid;

static struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	uint32_t i;

	for (i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entry[i].function == function &&
		    cpuid.entry[i].index == index)
			return &cpuid.entry[i];
	abort();
}

static void set(unsigned int id, unsigned int cpus)
{
	static const struct kvm_cpuid_entry2 base[] = {
		{ .function = 1, .ebx = 0xffff0800, .edx = 1u << 28 },
		{ .function = 4, .index = 0, .eax = 0xffffc121 },
		{ .function = 4, .index = 3, .eax = 0xffffc163 },
		{ .function = 4, .index = 4 },
		{ .function = 0xb, .index = 0 },
		{ .function = 0xb, .index = 1 },
		{ .function = 0x80000001, .ecx = 2 },
		{ .function = 0x80000008, .ecx = 0xf0ff },
		{ .function = 0x8000001d, .index = 3, .eax = 0x3ffc163 },
		{ .function = 0x8000001e, .eax = 77, .ebx = 0x177 },
	};

	cpuid.head.nent = ARRAY_SIZE(base);
	memcpy(cpuid.entry, base, sizeof(base));
	cpuid_set_topology(&cpuid.head, id, cpus);
}

static void test(unsigned int id, unsigned int cpus, unsigned int logical,
		 unsigned int bits)
{
	set(id, cpus);
	check(leaf(1, 0)->ebx == (id << 24 | logical << 16 | 0x800),
	      "leaf 1 of vCPU %u of %u", id, cpus);
	check(!(leaf(1, 0)->edx >> 28 & 1) == (cpus == 1),
	      "HTT says that there are more");
	check((leaf(4, 0)->eax >> 14 & 0xfff) == 0 &&
	      (leaf(4, 3)->eax >> 14 & 0xfff) == cpus - 1 &&
	      !leaf(4, 4)->eax, "the last cache is shared, the first is not");
	check((leaf(4, 3)->eax >> 26) == (cpus > 64 ? 63 : (1u << bits) - 1),
	      "leaf 4's cores");
	check(leaf(0xb, 0)->edx == id && leaf(0xb, 1)->edx == id,
	      "leaf 0xb has the x2APIC ID");
	check((leaf(0x80000008, 0)->ecx & 0xff) == cpus - 1 &&
	      (leaf(0x80000008, 0)->ecx >> 12 & 0xf) == bits,
	      "leaf 0x80000008 has the cores and the ID's width");
	check((leaf(0x80000001, 0)->ecx >> 1 & 1) == (cpus > 1),
	      "CmpLegacy");
	check((leaf(0x8000001d, 3)->eax >> 14 & 0xfff) == cpus - 1 &&
	      leaf(0x8000001e, 0)->eax == id &&
	      leaf(0x8000001e, 0)->ebx == id, "AMD's own leaves");
}

int main(void)
{
	test(0, 1, 0, 0);
	test(1, 2, 2, 1);
	test(2, 3, 4, 2);
	test(3, 4, 4, 2);
	test(64, 65, 128, 7);
	test(254, 255, 255, 8);
	return done();
}
