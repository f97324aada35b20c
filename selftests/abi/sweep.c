// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every ioctl of the API on every level with bad pointers, with garbage, with
 * the right number and other sizes: an error or a success, never harm.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

#include "ltest.h"
#include "sweep.guest.gen.h"

static const struct { unsigned long nr; const char *name; } all[] = {
#define N(x) { KVM_##x, #x }
	N(GET_API_VERSION), N(CREATE_VM), N(GET_MSR_INDEX_LIST),
	N(CHECK_EXTENSION), N(GET_VCPU_MMAP_SIZE), N(GET_SUPPORTED_CPUID),
	N(GET_EMULATED_CPUID), N(GET_MSR_FEATURE_INDEX_LIST), N(CREATE_VCPU),
	N(GET_DIRTY_LOG), N(SET_NR_MMU_PAGES), N(GET_NR_MMU_PAGES),
	N(SET_USER_MEMORY_REGION), N(SET_TSS_ADDR), N(SET_IDENTITY_MAP_ADDR),
	N(CREATE_IRQCHIP), N(IRQ_LINE), N(GET_IRQCHIP), N(SET_IRQCHIP),
	N(CREATE_PIT), N(CREATE_PIT2), N(GET_PIT), N(SET_PIT),
	N(IRQ_LINE_STATUS), N(REGISTER_COALESCED_MMIO),
	N(UNREGISTER_COALESCED_MMIO), N(SET_GSI_ROUTING),
	N(REINJECT_CONTROL), N(IRQFD), N(SET_BOOT_CPU_ID), N(IOEVENTFD),
	N(XEN_HVM_CONFIG), N(SET_CLOCK), N(GET_CLOCK), N(GET_PIT2),
	N(SET_PIT2), N(SET_TSC_KHZ), N(GET_TSC_KHZ), N(SIGNAL_MSI),
	N(SET_PMU_EVENT_FILTER), N(RUN), N(GET_REGS), N(SET_REGS),
	N(GET_SREGS), N(SET_SREGS), N(TRANSLATE), N(INTERRUPT), N(GET_MSRS),
	N(SET_MSRS), N(SET_CPUID), N(SET_SIGNAL_MASK), N(GET_FPU),
	N(SET_FPU), N(GET_LAPIC), N(SET_LAPIC), N(SET_CPUID2), N(GET_CPUID2),
	N(TPR_ACCESS_REPORTING), N(SET_VAPIC_ADDR), N(GET_MP_STATE),
	N(SET_MP_STATE), N(NMI), N(SMI), N(SET_GUEST_DEBUG),
	N(X86_SETUP_MCE), N(X86_GET_MCE_CAP_SUPPORTED), N(X86_SET_MCE),
	N(GET_VCPU_EVENTS), N(SET_VCPU_EVENTS), N(GET_DEBUGREGS),
	N(SET_DEBUGREGS), N(ENABLE_CAP), N(GET_XSAVE), N(SET_XSAVE),
	N(GET_XSAVE2), N(GET_XCRS), N(SET_XCRS), N(KVMCLOCK_CTRL),
	N(SET_DEVICE_ATTR), N(GET_DEVICE_ATTR), N(HAS_DEVICE_ATTR),
	N(CREATE_DEVICE), N(GET_NESTED_STATE), N(SET_NESTED_STATE),
	N(HYPERV_EVENTFD), N(CLEAR_DIRTY_LOG), N(GET_SUPPORTED_HV_CPUID),
	N(GET_SREGS2), N(SET_SREGS2), N(GET_STATS_FD), N(X86_SET_MSR_FILTER),
	N(RESET_DIRTY_RINGS), N(MEMORY_ENCRYPT_OP),
	N(MEMORY_ENCRYPT_REG_REGION), N(GET_ONE_REG), N(SET_ONE_REG),

	N(XEN_HVM_GET_ATTR), N(XEN_HVM_SET_ATTR),
	N(XEN_VCPU_GET_ATTR), N(XEN_VCPU_SET_ATTR),
};

static uint64_t seed = 0x2545f4914f6cdd1dULL;

static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x9e3779b97f4a7c15ULL;
}

static void nothing(int sig)
{
}

/* KVM_RUN among them must come back. */
static void tick(unsigned int usec)
{
	struct itimerval it = { .it_value.tv_usec = usec,
				.it_interval.tv_usec = usec };
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/* The end of a page with nothing behind it, and what is in it. */
static uint8_t *guarded(void)
{
	uint8_t *p = mem_new(4 * PAGE);

	OK(mprotect(p + 2 * PAGE, 2 * PAGE, PROT_NONE));
	return p;
}

static void close_new(int first)
{
	int fd;

	for (fd = first; fd < first + 64; fd++)
		close(fd);
}

/*
 * A level's ioctl with a pointer to nowhere gives an error and changes
 * nothing. It takes no pointer if it is _IO, so those are left out.
 */
static void bad_pointers(int fd, const char *level)
{
	static void *const bad[] = {
		NULL, (void *)8, (void *)-8, (void *)(1UL << 47),
		(void *)0xffff888000000000,
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		if (_IOC_DIR(all[i].nr) == _IOC_NONE)
			continue;
		for (j = 0; j < ARRAY_SIZE(bad); j++) {
			/* No mask at all is a mask. */
			if (!bad[j] && all[i].nr == KVM_SET_SIGNAL_MASK)
				continue;
			CHECK(ioctl(fd, all[i].nr, bad[j]) == -1,
			      "%s of the %s took %p", all[i].name, level,
			      bad[j]);
		}
	}
}

static struct vcpu *fresh(bool irqchip)
{
	struct vm *vm = irqchip ? vm_new_irqchip(&payload) : vm_new(&payload);
	struct kvm_pit_config pit = { 0 };

	if (irqchip)
		OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	return vcpu_new(vm, 0, LONG64, G_work);
}

TEST(pointers)
{
	struct vcpu *v = fresh(true);
	struct kvm_regs before, after;

	want_mark(v, 1);
	before = vcpu_regs(v);
	bad_pointers(v->vm->sys, "node");
	bad_pointers(v->vm->fd, "VM");
	bad_pointers(v->fd, "vCPU");
	after = vcpu_regs(v);
	CHECK(!memcmp(&before, &after, sizeof(before)));
	want_mark(v, 1);
}

/* Structures that end where the memory ends: not a byte beyond is touched. */
TEST_TIMEOUT(edges, 60)
{
	uint8_t *page = guarded();
	unsigned int i, level;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		size_t size = _IOC_SIZE(all[i].nr);
		struct vcpu *v;
		int fd[3], first;

		if (_IOC_DIR(all[i].nr) == _IOC_NONE || size > 2 * PAGE)
			continue;
		v = fresh(i & 1);
		fd[0] = v->vm->sys;
		fd[1] = v->vm->fd;
		fd[2] = v->fd;
		first = v->fd + 1;
		tick(3000);
		for (level = 0; level < 3; level++) {
			memset(page, 0, 2 * PAGE);
			ioctl(fd[level], all[i].nr, page + 2 * PAGE - size);
			/*
			 * One byte short: an error in every case, but for
			 * heads of lists, whose padding need not be read.
			 */
			if (size > 8)
				CHECK(ioctl(fd[level], all[i].nr,
					    page + 2 * PAGE - size + 1) == -1,
				      "%s, %zu bytes", all[i].name, size);
		}
		tick(0);
		vcpu_end(v);
		close_new(first);
	}
}

/* Garbage of several kinds into everything, and run what comes of it. */
static void garbage(bool irqchip, int rounds)
{
	uint8_t *page = mem_new(16 * PAGE);
	int round;

	for (round = 0; round < rounds; round++) {
		struct vcpu *v = fresh(irqchip);
		int fd[3] = { v->vm->sys, v->vm->fd, v->fd };
		int first = v->fd + 1, i, j;

		tick(3000);
		for (i = 0; i < 60; i++) {
			unsigned int n = random64() % ARRAY_SIZE(all);
			unsigned int level = random64() % 3;
			uint64_t *w = (uint64_t *)page;

			for (j = 0; j < 1024; j++)
				switch (random64() % 4) {
				case 0:
					w[j] = random64();
					break;
				case 1:
					w[j] = random64() % 64;
					break;
				case 2:
					w[j] = 1ULL << random64() % 64;
					break;
				default:
					w[j] = 0;
				}
			/* Not this process's descriptors, nor its memory. */
			if (all[n].nr == KVM_SET_USER_MEMORY_REGION)
				w[3] = (uintptr_t)page;
			/* A signal mask may shut the bounding tick out. */
			if (all[n].nr == KVM_SET_SIGNAL_MASK)
				continue;
			ioctl(fd[level], all[n].nr, _IOC_DIR(all[n].nr) ?
			      (uintptr_t)page : random64() % 70000);
		}
		v->run->request_interrupt_window = random64();
		v->run->cr8 = random64();
		ioctl(v->fd, KVM_RUN, 0);
		tick(0);
		vcpu_end(v);
		close_new(first);
	}
}

TEST_TIMEOUT(garbage, 120) { garbage(false, 60); }
TEST_TIMEOUT(garbage_irqchip, 120) { garbage(true, 60); }

/* Numbers that are nobody's, with every direction and many sizes. */
TEST_TIMEOUT(numbers, 60)
{
	uint8_t *page = mem_new(16 * PAGE);
	struct vcpu *v = fresh(true);
	int fd[3] = { v->vm->sys, v->vm->fd, v->fd };
	int first = v->fd + 1, nr, level, dir;

	tick(3000);
	for (nr = 0; nr < 256; nr++)
		for (level = 0; level < 3; level++)
			for (dir = 0; dir < 4; dir++)
				ioctl(fd[level], _IOC(dir, KVMIO, nr,
				      random64() % 5 ? random64() % 64 :
				      random64() % 16384), page);
	vcpu_end(v);
	close_new(first);
}

/* After all of it the node still works. */
TEST(still_alive)
{
	want_mark(fresh(true), 1);
}
