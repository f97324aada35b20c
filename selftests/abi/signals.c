// SPDX-License-Identifier: GPL-2.0-only
/* Leaving the guest: signals, immediate_exit, the signal mask. */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "ltest.h"
#include "signals.guest.gen.h"

static volatile int caught;

static void on_signal(int sig)
{
	caught++;
}

static void handle(int sig)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(sig, &sa, NULL);
}

TEST(immediate_exit)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_count);
	int i;

	for (i = 0; i < 3; i++) {
		v->run->immediate_exit = 1;
		FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
		CHECK_EQ(vcpu_regs(v).rip, i ? vcpu_regs(v).rip : G_count);
		v->run->immediate_exit = 0;
		want_io(v, true, 0x10, 1, 1);
		CHECK_EQ(*(uint8_t *)io_data(v), i + 1);
	}
}

/* Which finishes the exit before it: the value read is not lost. */
TEST(immediate_exit_completes)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_read_mmio);

	want_mmio(v, false, 0xd0000000, 8);
	*(uint64_t *)v->run->mmio.data = 0x1234567;
	v->run->immediate_exit = 1;
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	CHECK_EQ(vcpu_regs(v).rbx, 0x1234567);
	v->run->immediate_exit = 0;
	CHECK_EQ(want_value(v), 0x1234567);
}

TEST(pending_signal)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_spin);
	struct itimerval it = { .it_value.tv_usec = 100000 };

	handle(SIGALRM);
	setitimer(ITIMER_REAL, &it, NULL);
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_INTR);
	CHECK_EQ(caught, 1);
	/* And it goes on where it was. */
	setitimer(ITIMER_REAL, &it, NULL);
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	CHECK_EQ(vcpu_regs(v).rip & ~0x1f, G_spin & ~0x1f);
}

/* KVM_SET_SIGNAL_MASK: blocked outside, let in while the guest runs. */
TEST(signal_mask)
{
	struct { struct kvm_signal_mask h; uint8_t set[8]; } m = { .h.len = 8 };
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_spin);
	sigset_t block, now;

	handle(SIGUSR1);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	OK(ioctl(v->fd, KVM_SET_SIGNAL_MASK, &m));
	raise(SIGUSR1);
	CHECK_EQ(caught, 0);
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_INTR);
	/* The mask of the process is its own again; the signal is pending. */
	sigprocmask(SIG_BLOCK, NULL, &now);
	CHECK(sigismember(&now, SIGUSR1));
	sigpending(&now);
	CHECK(sigismember(&now, SIGUSR1));
	CHECK_EQ(caught, 0);
	/* Bad lengths. */
	m.h.len = 4;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_SIGNAL_MASK, &m));
	m.h.len = 0xffffffff;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_SIGNAL_MASK, &m));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_SIGNAL_MASK, 8));
	/* None at all takes it away. */
	OK(ioctl(v->fd, KVM_SET_SIGNAL_MASK, NULL));
}

/* A vCPU in HLT with its interrupt controller in the kernel sleeps there. */
TEST(signal_wakes_halt)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_halt);
	struct itimerval it = { .it_value.tv_usec = 100000 };

	handle(SIGALRM);
	setitimer(ITIMER_REAL, &it, NULL);
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_INTR);
	/* Still asleep. */
	setitimer(ITIMER_REAL, &it, NULL);
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	CHECK_EQ(vcpu_regs(v).rip, G_after_halt);
}

/* The other signals' way: one thread kicks another out of the guest. */
static void *kicked(void *arg)
{
	struct vcpu *v = arg;
	int i;

	for (i = 0; i < 50; i++) {
		if (ioctl(v->fd, KVM_RUN, 0) != -1 || errno != EINTR)
			return (void *)1L;
	}
	return NULL;
}

TEST(kicks)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_spin);
	void *ret = NULL;
	pthread_t t;

	handle(SIGUSR1);
	vcpu_interruptible(v);
	pthread_create(&t, NULL, kicked, v);
	do {
		usleep(2000);
		pthread_kill(t, SIGUSR1);
	} while (pthread_tryjoin_np(t, &ret) == EBUSY);
	CHECK_EQ(ret, 0);
}

/* A vCPU is one thread's at a time; the other one waits, and gets in after. */
static void *getter(void *arg)
{
	struct vcpu *v = arg;
	struct kvm_regs r;

	return (void *)(long)ioctl(v->fd, KVM_GET_REGS, &r);
}

TEST(vcpu_mutex)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_spin);
	void *ret = NULL, *got = NULL;
	pthread_t t, g;

	handle(SIGUSR1);
	vcpu_interruptible(v);
	pthread_create(&t, NULL, kicked, v);
	usleep(20000);
	pthread_create(&g, NULL, getter, v);
	do {
		usleep(2000);
		pthread_kill(t, SIGUSR1);
	} while (pthread_tryjoin_np(t, &ret) == EBUSY);
	CHECK_EQ(ret, 0);
	pthread_join(g, &got);
	CHECK_EQ(got, 0);
}
