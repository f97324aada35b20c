// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts whose controller is the launcher's: KVM_INTERRUPT, the window,
 * NMIs, and the shadows of STI and IRET.
 */
#include <signal.h>
#include <sys/time.h>

#include "ltest.h"
#include "interrupts.guest.gen.h"

static struct vcpu *start(uint64_t entry)
{
	return vcpu_new(vm_new(&payload), 0, LONG64, entry);
}

static int interrupt(struct vcpu *v, uint32_t vector)
{
	struct kvm_interrupt i = { .irq = vector };

	return ioctl(v->fd, KVM_INTERRUPT, &i);
}

TEST(arguments)
{
	struct vcpu *v = start(G_open);
	struct vcpu *w = vcpu_new(vm_new_irqchip(&payload), 0, LONG64, G_open);

	FAILS(EINVAL, interrupt(v, 256));
	FAILS(EINVAL, interrupt(v, 0xffffffff));
	FAILS(EFAULT, ioctl(v->fd, KVM_INTERRUPT, 8));
	/* With a controller in the kernel it is not the launcher's to do. */
	FAILS(ENXIO, interrupt(w, 0x30));
}

TEST(injected)
{
	struct vcpu *v = start(G_open);
	int i;

	want_mark(v, 1);
	for (i = 0; i < 10; i++) {
		CHECK_EQ(v->run->ready_for_interrupt_injection, 1);
		CHECK_EQ(v->run->if_flag, 1);
		OK(interrupt(v, 0x30 + i));
		CHECK_EQ(want_value(v), 0x30 + i);
		/* In the handler, IF is clear. */
		CHECK_EQ(v->run->if_flag, 0);
		CHECK_EQ(v->run->ready_for_interrupt_injection, 0);
		want_mark(v, 1);
	}
}

/* Asked for, a window ends the run as soon as it opens. */
TEST(window)
{
	struct vcpu *v = start(G_closed);

	want_mark(v, 1);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 0);
	v->run->request_interrupt_window = 1;
	/* Still closed: other exits come first. */
	want_mark(v, 2);
	want_exit(v, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 1);
	/* Not within the shadow of STI: the instruction after it has run. */
	CHECK(vcpu_regs(v).rip >= G_after_sti, "rip %#llx", vcpu_regs(v).rip);
	v->run->request_interrupt_window = 0;
	OK(interrupt(v, 0x41));
	CHECK_EQ(want_value(v), 0x41);
	/* Before the HLT or after it, the window may have been. */
	if (vcpu_run(v) == KVM_EXIT_HLT)
		want_done(v);
	report_guest_failure(v);
}

/* Queued while it cannot be taken, it is taken when it can. */
TEST(queued)
{
	struct vcpu *v = start(G_closed);
	struct kvm_vcpu_events e;

	want_mark(v, 1);
	want_mark(v, 2);
	want_exit(v, KVM_EXIT_HLT);
	CHECK_EQ(v->run->if_flag, 1);
	OK(interrupt(v, 0x42));
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.interrupt.injected, 1);
	CHECK_EQ(e.interrupt.nr, 0x42);
	CHECK_EQ(want_value(v), 0x42);
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.interrupt.injected, 0);
	want_done(v);
}

TEST(nmi)
{
	struct vcpu *v = start(G_nmi);
	struct kvm_vcpu_events e;

	want_mark(v, 1);
	OK(ioctl(v->fd, KVM_NMI, 0));
	CHECK_EQ(want_value(v), 2);
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.nmi.masked, 1);
	/* A second one waits for the IRET; a third is lost. */
	OK(ioctl(v->fd, KVM_NMI, 0));
	OK(ioctl(v->fd, KVM_NMI, 0));
	want_mark(v, 3);			/* still within the first */
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK(e.nmi.pending, "lost");
	CHECK_EQ(want_value(v), 2);
	CHECK_EQ(vcpu_regs(v).rcx, 2);		/* the second */
	want_mark(v, 3);
	vcpu_run(v);
	report_guest_failure(v);
	if (*(uint8_t *)io_data(v) == 2) {	/* KVM keeps two waiting */
		want_mark(v, 3);
		vcpu_run(v);
	}
	CHECK_EQ(*(uint8_t *)io_data(v), 3);
	CHECK_EQ(vcpu_regs(v).rbx, 4);
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.nmi.masked, 0);
	CHECK_EQ(e.nmi.pending, 0);
	want_done(v);
}

/* NMI and interrupt at once: the NMI first, the other one after it. */
TEST(nmi_and_interrupt)
{
	struct vcpu *v = start(G_both);

	want_mark(v, 1);
	OK(interrupt(v, 0x50));
	OK(ioctl(v->fd, KVM_NMI, 0));
	want_mark(v, 2);
	CHECK_EQ(vcpu_regs(v).r14, 1);
	CHECK_EQ(vcpu_regs(v).r15, 1);
	want_done(v);
}

/* An NMI is taken with IF clear, and it ends HLT. */
TEST(nmi_ends_halt)
{
	struct vcpu *v = start(G_halt_closed);

	want_exit(v, KVM_EXIT_HLT);
	OK(ioctl(v->fd, KVM_NMI, 0));
	want_mark(v, 5);
	CHECK_EQ(vcpu_regs(v).r15, 1);
	want_done(v);
}

static void nothing(int sig)
{
}

/*
 * Delivery over nested faults, from a running guest: the stack, the IDT and
 * the handler come from memory that has just been thrown away.
 */
TEST_TIMEOUT(delivery_faults, 40)
{
	struct vcpu *v = start(G_open);
	static const uint64_t page[] = { G_IDT, G_GDT, G_STACKS - PAGE, G_CODE };
	uint8_t keep[PAGE];
	unsigned int i;

	madvise(v->vm->mem, VM_MEM, MADV_NOHUGEPAGE);
	want_mark(v, 1);
	for (i = 0; i < 200; i++) {
		uint8_t *p = v->vm->mem + page[i % ARRAY_SIZE(page)];

		memcpy(keep, p, PAGE);
		OK(madvise(p, PAGE, MADV_DONTNEED));
		memcpy(p, keep, PAGE);
		OK(interrupt(v, 0x30 + i % 64));
		if (i % 3 == 0) {
			/* Taken out and put back before it is delivered. */
			struct kvm_vcpu_events e;

			v->run->immediate_exit = 1;
			FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
			v->run->immediate_exit = 0;
			OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
			CHECK_EQ(e.interrupt.injected, 1);
			OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
		}
		CHECK_EQ(want_value(v), 0x30 + i % 64);
		want_mark(v, 1);
	}
}

/* Real mode: through the table of vectors. */
TEST(real_mode)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, REAL, G_open16);
	uint16_t *ivt = (uint16_t *)vm->mem;
	struct kvm_regs r;
	int i;

	ivt[0x21 * 2] = G_handler16 - G_CODE;
	ivt[0x21 * 2 + 1] = G_CODE >> 4;
	want_mark(v, 1);
	for (i = 0; i < 5; i++) {
		OK(interrupt(v, 0x21));
		want_mark(v, 2);
		r = vcpu_regs(v);
		CHECK_EQ(r.rsp & 0xffff, G_STACK16 - 6);
		CHECK_EQ(r.rflags & 0x200, 0);
		want_mark(v, 1);
	}
}

/* A guest that spins with interrupts open can always be left and entered. */
TEST(timer_into_spin)
{
	struct vcpu *v = start(G_spin);
	struct itimerval it = { .it_value.tv_usec = 1000,
				.it_interval.tv_usec = 1000 };
	struct sigaction sa = { .sa_handler = nothing };
	int i;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	for (i = 0; i < 200;) {
		int r = ioctl(v->fd, KVM_RUN, 0);

		if (r && errno == EINTR) {
			if (v->run->ready_for_interrupt_injection) {
				OK(interrupt(v, 0x60));
				i++;
			}
			continue;
		}
		report_guest_failure(v);
		test_note("exit %s", exit_name(v->run->exit_reason));
		test_die();
	}
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
	*(uint64_t *)(v->vm->mem + G_FREE) = 1;
	want_mark(v, 7);
	CHECK_EQ(vcpu_regs(v).r12, 200);
}
