// SPDX-License-Identifier: GPL-2.0-only
/*
 * The exits suite: a small VMM around exits.guest.c. It measures nothing
 * itself; the plugin does, between the payload's marks.
 */
#include <sys/eventfd.h>
#include <time.h>

#include "ltest.h"
#include "protocol.h"
#include "exits.h"
#include "rows.h"
#include "exits.guest.gen.h"

/* A vCPU at an entry of the payload, with the timer that KVM leaves out. */
static struct vcpu *start(uint64_t entry)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct vcpu *v = vcpu_bare(vm, 0);
	struct kvm_cpuid2 *c = cpuid_supported();

	cpuid_find(c, 1, 0)->ecx |= 1 << 24;
	vcpu_set_cpuid(v, c);
	free(c);
	vcpu_mode(v, LONG64, entry);
	return v;
}

/* As short as a launcher's loop can be: what it costs is in the row. */
static void serve(struct vcpu *v)
{
	struct kvm_run *run = v->run;

	DEBUGGER();
	for (;;) {
		OK(ioctl(v->fd, KVM_RUN, 0));
		if (run->exit_reason == KVM_EXIT_IO &&
		    run->io.port == PORT_USER) {
			*(uint8_t *)io_data(v) = 0x55;
		} else if (run->exit_reason == KVM_EXIT_MMIO &&
			   run->mmio.phys_addr == MMIO_USER) {
			if (!run->mmio.is_write)
				memset(run->mmio.data, 0x55, 4);
		} else {
			break;
		}
	}
	DEBUGGER();
	report_guest_failure(v);
	MUST(run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_CMD,
	     "exit %u (%s) at rip %#llx", run->exit_reason,
	     exit_name(run->exit_reason), vcpu_regs(v).rip);
}

#define ROW(name, entry)						\
	TEST_TIMEOUT(name, 60)						\
	{								\
		serve(start(entry));					\
	}

ROW(empty, G_empty)
ROW(cpuid, G_cpuid_exit)
ROW(vmmcall, G_vmmcall)
ROW(pio_kernel, G_pio_kernel)
ROW(pio_user, G_pio_user)
ROW(mmio_kernel_read, G_mmio_kernel_read)
ROW(mmio_kernel_write, G_mmio_kernel_write)
ROW(mmio_user_read, G_mmio_user_read)
ROW(mmio_user_write, G_mmio_user_write)
ROW(eoi, G_eoi_exit)
ROW(eoi_x2apic, G_eoi_x2apic)
ROW(self_ipi, G_self_ipi)
ROW(self_ipi_x2apic, G_self_ipi_x2apic)
ROW(tsc_deadline, G_tsc_deadline)
ROW(cr0_wp, G_cr0_wp)
ROW(cr4_pge, G_cr4_pge)
ROW(rdmsr, G_rdmsr_exit)

static void with_eventfd(uint64_t entry, uint64_t addr, uint32_t len,
			 uint32_t flags)
{
	struct vcpu *v = start(entry);
	struct kvm_ioeventfd e = {
		.addr = addr, .len = len, .flags = flags,
		.fd = OK(eventfd(0, EFD_NONBLOCK)),
	};
	uint64_t count = 0;

	OK(ioctl(v->vm->fd, KVM_IOEVENTFD, &e));
	serve(v);
	OK(read(e.fd, &count, 8));
	CHECK_EQ(count, N);
}

TEST_TIMEOUT(pio_eventfd, 60)
{
	with_eventfd(G_pio_eventfd, PORT_EVENTFD, 1, KVM_IOEVENTFD_FLAG_PIO);
}

TEST_TIMEOUT(mmio_eventfd, 60)
{
	with_eventfd(G_mmio_eventfd, MMIO_EVENTFD, 4, 0);
}

/*
 * The nested entries go with their slot, which is deleted and made anew; the
 * process's own mapping of the pages stays as it is. The first rounds do not
 * count: in them the host's LRU lists learn that the pages are in use.
 */
static void refault(uint64_t entry, size_t size, size_t step, int advice)
{
	struct timespec while_zapping = { .tv_nsec = 20000000 };
	struct vcpu *v = start(entry);
	uint8_t *mem = mem_new(size + 2 * MiB);
	int round;

	mem += -(uintptr_t)mem & (2 * MiB - 1);
	OK(madvise(mem, size, advice));
	OK(madvise(mem, size, MADV_POPULATE_WRITE));
	for (round = 0; round < 8; round++) {
		vm_slot(v->vm, 1, 0, G_TEST, size, mem);
		vcpu_mode(v, LONG64, round < 4 ? G_touch : entry);
		vcpu_args(v, size, step);
		serve(v);
		vm_slot(v->vm, 1, 0, G_TEST, 0, mem);
		/* KVM drops the old tables in a worker. */
		nanosleep(&while_zapping, NULL);
	}
}

TEST_TIMEOUT(refault_4k, 60)
{
	refault(G_refault_4k, SIZE_4K, PAGE, MADV_NOHUGEPAGE);
}

TEST_TIMEOUT(refault_2m, 60)
{
	refault(G_refault_2m, SIZE_2M, 2 * MiB, MADV_HUGEPAGE);
}
