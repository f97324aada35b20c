// SPDX-License-Identifier: GPL-2.0-only
/* The node: its version, its capabilities, and what it refuses. */
#include <fcntl.h>

#include "ltest.h"

#define BAD	((void *)8)

TEST(version)
{
	int fd = node_open();

	CHECK_EQ(OK(ioctl(fd, KVM_GET_API_VERSION, 0)), 12);
	FAILS(EINVAL, ioctl(fd, KVM_GET_API_VERSION, 1));
}

TEST(mmap_size)
{
	int fd = node_open();
	long size = OK(ioctl(fd, KVM_GET_VCPU_MMAP_SIZE, 0));

	/* kvm_run, the PIO page, and the coalesced MMIO ring. */
	CHECK(size >= 2 * PAGE && size % PAGE == 0, "%ld", size);
	if (node_cap(KVM_CAP_COALESCED_MMIO))
		CHECK(size > node_cap(KVM_CAP_COALESCED_MMIO) * PAGE);
	FAILS(EINVAL, ioctl(fd, KVM_GET_VCPU_MMAP_SIZE, 1));
}

/*
 * An unknown number is EINVAL in KVM on the system and vCPU descriptors and
 * ENOTTY on a VM's; nothing relies on which.
 */
static void unknown(int fd, unsigned long req)
{
	int r = ioctl(fd, req, 0);

	CHECK(r == -1 && (errno == ENOTTY || errno == EINVAL),
	      "%#lx gave %d, errno %d", req, r, errno);
}

TEST(unknown_ioctl)
{
	struct vm *vm = vm_bare();
	struct vcpu *v = vcpu_bare(vm, 0);
	unsigned int i;
	int fd[] = { vm->sys, vm->fd, v->fd };

	for (i = 0; i < 3; i++) {
		unknown(fd[i], _IO(KVMIO, 0x3f));
		unknown(fd[i], _IO('V', 0));
		unknown(fd[i], 0);
		unknown(fd[i], ~0UL);
		/* A right number with a wrong size is unknown, too. */
		unknown(fd[i], _IOW(KVMIO, 0x46, char));
		unknown(fd[i], _IOR(KVMIO, 0x81, char));
	}
	/* Numbers of another level. */
	unknown(vm->sys, KVM_CREATE_VCPU);
	unknown(vm->sys, KVM_RUN);
	unknown(vm->fd, KVM_RUN);
	unknown(vm->fd, KVM_GET_API_VERSION);
	unknown(v->fd, KVM_CREATE_VCPU);
	unknown(v->fd, KVM_CREATE_VM);
}

TEST(create_vm_type)
{
	int fd = node_open();

	FAILS(EINVAL, ioctl(fd, KVM_CREATE_VM, 0x1234));
	FAILS(EINVAL, ioctl(fd, KVM_CREATE_VM, -1L));
}

TEST(unknown_capability)
{
	static const unsigned long cap[] = { 5000, 0x7fffffff, -1UL, 1UL << 40 };
	struct vm *vm = vm_bare();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cap); i++) {
		CHECK_EQ(ioctl(vm->sys, KVM_CHECK_EXTENSION, cap[i]), 0);
		CHECK_EQ(ioctl(vm->fd, KVM_CHECK_EXTENSION, cap[i]), 0);
	}
}

/* Without these small VMMs and QEMU refuse to start. */
TEST(capabilities)
{
#define CAP(x) { KVM_CAP_##x, #x }
	static const struct { int cap; const char *name; } must[] = {
		CAP(IRQCHIP), CAP(HLT), CAP(USER_MEMORY), CAP(SET_TSS_ADDR),
		CAP(EXT_CPUID), CAP(NR_VCPUS), CAP(NR_MEMSLOTS), CAP(PIT2),
		CAP(MP_STATE), CAP(COALESCED_MMIO), CAP(SYNC_MMU),
		CAP(DESTROY_MEMORY_REGION_WORKS), CAP(USER_NMI),
		CAP(SET_GUEST_DEBUG), CAP(IRQ_ROUTING), CAP(IRQ_INJECT_STATUS),
		CAP(JOIN_MEMORY_REGIONS_WORKS), CAP(MCE), CAP(IRQFD),
		CAP(SET_BOOT_CPU_ID), CAP(IOEVENTFD),
		CAP(SET_IDENTITY_MAP_ADDR), CAP(ADJUST_CLOCK),
		CAP(VCPU_EVENTS), CAP(DEBUGREGS), CAP(XSAVE), CAP(XCRS),
		CAP(TSC_CONTROL), CAP(GET_TSC_KHZ), CAP(MAX_VCPUS),
		CAP(KVMCLOCK_CTRL), CAP(READONLY_MEM), CAP(SIGNAL_MSI),
		CAP(TSC_DEADLINE_TIMER), CAP(IRQFD_RESAMPLE), CAP(ENABLE_CAP_VM),
		CAP(IOEVENTFD_NO_LENGTH), CAP(CHECK_EXTENSION_VM),
		CAP(IMMEDIATE_EXIT), CAP(MAX_VCPU_ID), CAP(PIT_STATE2),
		CAP(REINJECT_CONTROL), CAP(CLOCKSOURCE), CAP(MP_STATE),
		CAP(IMMEDIATE_EXIT), CAP(SREGS2), CAP(BINARY_STATS_FD),
		CAP(IOEVENTFD_ANY_LENGTH), CAP(COALESCED_PIO), CAP(SYNC_REGS),
		CAP(X86_USER_SPACE_MSR), CAP(X86_MSR_FILTER), CAP(X86_DISABLE_EXITS),
		CAP(DIRTY_LOG_RING),
	};
	static const int optional[] = {
		/* A small VMM gets on without. */
		KVM_CAP_SET_BOOT_CPU_ID, KVM_CAP_TSC_CONTROL,
		KVM_CAP_COALESCED_PIO, KVM_CAP_GET_TSC_KHZ, KVM_CAP_MCE,
		KVM_CAP_TSC_DEADLINE_TIMER,
	};
	struct vm *vm = vm_bare();
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(must); i++) {
		int sys = ioctl(vm->sys, KVM_CHECK_EXTENSION, must[i].cap);
		int of_vm = ioctl(vm->fd, KVM_CHECK_EXTENSION, must[i].cap);

		for (j = 0; j < ARRAY_SIZE(optional); j++)
			if (optional[j] == must[i].cap)
				break;
		if (j < ARRAY_SIZE(optional))
			continue;
		CHECK(sys > 0, "KVM_CAP_%s is %d", must[i].name, sys);
		CHECK(of_vm == sys, "KVM_CAP_%s: %d on the VM, %d on the node",
		      must[i].name, of_vm, sys);
	}
	CHECK(node_cap(KVM_CAP_MAX_VCPUS) >= 255);
	CHECK_EQ(node_cap(KVM_CAP_NR_VCPUS), sysconf(_SC_NPROCESSORS_ONLN));
	CHECK(node_cap(KVM_CAP_MAX_VCPU_ID) >= node_cap(KVM_CAP_MAX_VCPUS));
	CHECK(node_cap(KVM_CAP_NR_MEMSLOTS) >= 509);
}

TEST(msr_index_list)
{
	struct kvm_msr_list *l = calloc(1, sizeof(*l) + 4 * 4096);
	int fd = node_open();
	uint32_t n, i, j;

	FAILS(EFAULT, ioctl(fd, KVM_GET_MSR_INDEX_LIST, BAD));
	l->nmsrs = 0;
	FAILS(E2BIG, ioctl(fd, KVM_GET_MSR_INDEX_LIST, l));
	n = l->nmsrs;
	MUST(n > 30 && n < 4096, "%u", n);
	l->nmsrs = n - 1;
	FAILS(E2BIG, ioctl(fd, KVM_GET_MSR_INDEX_LIST, l));
	CHECK_EQ(l->nmsrs, n);
	l->nmsrs = 4096;
	OK(ioctl(fd, KVM_GET_MSR_INDEX_LIST, l));
	CHECK_EQ(l->nmsrs, n);
	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			CHECK(l->indices[i] != l->indices[j], "%#x twice",
			      l->indices[i]);
}

TEST(feature_msrs)
{
	struct kvm_msr_list *l = calloc(1, sizeof(*l) + 4 * 4096);
	struct { struct kvm_msrs h; struct kvm_msr_entry e[300]; } m;
	int fd = node_open();
	uint32_t i, n;

	NEED_CAP(KVM_CAP_GET_MSR_FEATURES);
	FAILS(EFAULT, ioctl(fd, KVM_GET_MSR_FEATURE_INDEX_LIST, BAD));
	l->nmsrs = 0;
	if (ioctl(fd, KVM_GET_MSR_FEATURE_INDEX_LIST, l))
		CHECK_EQ(errno, E2BIG);
	n = l->nmsrs;
	l->nmsrs = 4096;
	OK(ioctl(fd, KVM_GET_MSR_FEATURE_INDEX_LIST, l));
	CHECK_EQ(l->nmsrs, n);
	for (i = 0; i < n; i++) {
		m.h.nmsrs = 1;
		m.e[0].index = l->indices[i];
		CHECK_EQ(ioctl(fd, KVM_GET_MSRS, &m), 1);
	}
	FAILS(EFAULT, ioctl(fd, KVM_GET_MSRS, BAD));
	m.h.nmsrs = 5000;
	FAILS(E2BIG, ioctl(fd, KVM_GET_MSRS, &m));
	m.h.nmsrs = 0;
	CHECK_EQ(ioctl(fd, KVM_GET_MSRS, &m), 0);
	/* Not a feature MSR: none is read. */
	m.h.nmsrs = 1;
	m.e[0].index = 0xdeadbeef;
	CHECK_EQ(ioctl(fd, KVM_GET_MSRS, &m), 0);
}

TEST(supported_cpuid)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 300 * sizeof(c->entries[0]));
	int fd = node_open();
	uint32_t n;

	FAILS(EFAULT, ioctl(fd, KVM_GET_SUPPORTED_CPUID, BAD));
	c->nent = 0;
	FAILS(E2BIG, ioctl(fd, KVM_GET_SUPPORTED_CPUID, c));
	c->nent = 1;
	FAILS(E2BIG, ioctl(fd, KVM_GET_SUPPORTED_CPUID, c));
	c->nent = 256;
	OK(ioctl(fd, KVM_GET_SUPPORTED_CPUID, c));
	n = c->nent;
	MUST(n > 10 && n < 256, "%u", n);
	c->nent = n - 1;
	FAILS(E2BIG, ioctl(fd, KVM_GET_SUPPORTED_CPUID, c));
	c->nent = n;
	OK(ioctl(fd, KVM_GET_SUPPORTED_CPUID, c));
	CHECK_EQ(c->nent, n);
	/* An absurd count is cut down, not allocated. */
	c->nent = 0xffffffff;
	OK(ioctl(fd, KVM_GET_SUPPORTED_CPUID, c));
	CHECK_EQ(c->nent, n);
}

TEST(mce_cap)
{
	int fd = node_open();
	uint64_t cap = 0;

	NEED_CAP(KVM_CAP_MCE);
	CHECK((node_cap(KVM_CAP_MCE) & 0xff) >= 10);
	FAILS(EFAULT, ioctl(fd, KVM_X86_GET_MCE_CAP_SUPPORTED, BAD));
	OK(ioctl(fd, KVM_X86_GET_MCE_CAP_SUPPORTED, &cap));
	CHECK(cap & 1 << 8, "MCG_CTL_P: %#lx", cap);
}

/* The descriptors themselves: no read, write or mmap where there is none. */
TEST(descriptors)
{
	struct vm *vm = vm_bare();
	struct vcpu *v = vcpu_bare(vm, 0);
	char c;

	FAILS(EINVAL, read(vm->sys, &c, 1));
	FAILS(EINVAL, read(vm->fd, &c, 1));
	FAILS(EINVAL, read(v->fd, &c, 1));
	FAILS(EINVAL, write(v->fd, &c, 1));
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, vm->sys, 0) == MAP_FAILED);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, vm->fd, 0) == MAP_FAILED);
	CHECK(fcntl(vm->fd, F_GETFD) & FD_CLOEXEC);
	CHECK(fcntl(v->fd, F_GETFD) & FD_CLOEXEC);
}

/* What can be switched off or on is what the capability says, and no more. */
TEST(switches)
{
	static const int caps[] = { KVM_CAP_X2APIC_API, KVM_CAP_DISABLE_QUIRKS2 };
	struct vm *vm = vm_bare();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		uint64_t offered = node_cap(caps[i]);

		CHECK(offered != 0);
		FAILS(EINVAL, vm_enable(vm, caps[i], 1ull << 40));
		FAILS(EINVAL, vm_enable(vm, caps[i], offered | 1ull << 40));
		OK(vm_enable(vm, caps[i], 0));
		OK(vm_enable(vm, caps[i], offered));
	}
}
