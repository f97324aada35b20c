// SPDX-License-Identifier: GPL-2.0-only
/* Several vCPUs: start-up, IPIs, faults side by side, a crowd. */
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "ltest.h"
#include "smp.guest.gen.h"

struct thread {
	pthread_t t;
	struct vcpu *v;
	bool failed;
};

/* Runs until the payload is done. */
static void *until_done(void *arg)
{
	struct thread *t = arg;

	want_done(t->v);
	return NULL;
}

static void go(struct thread *t, struct vcpu *v)
{
	t->v = v;
	OK(pthread_create(&t->t, NULL, until_done, t));
}

static void put_trampoline(struct vm *vm)
{
	memcpy(vm->mem + 0x8000, vm->mem + G_ap_trampoline,
	       G_ap_trampoline_end - G_ap_trampoline);
}

/*
 * vCPU 0 runs the entry, the others are started by it with INIT and SIPI.
 */
static void with_aps(uint64_t entry, int n, uint64_t arg)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct thread t[8] = { 0 };
	struct vcpu *v[8];
	int i;

	put_trampoline(vm);
	for (i = 0; i < n; i++)
		v[i] = vcpu_reset(vm, i);
	vcpu_mode(v[0], LONG64, entry);
	vcpu_args(v[0], n, arg);
	for (i = 0; i < n; i++)
		go(&t[i], v[i]);
	for (i = 0; i < n; i++)
		pthread_join(t[i].t, NULL);
}

TEST_TIMEOUT(startup, 30) { with_aps(G_startup, 4, 0); }
TEST_TIMEOUT(ipis, 30) { with_aps(G_ipis, 4, 0); }
TEST_TIMEOUT(ipis_x2apic, 30) { with_aps(G_ipis, 4, 1); }
TEST_TIMEOUT(nmi_ipi, 30) { with_aps(G_nmi_ipi, 3, 0); }
TEST_TIMEOUT(init_again, 30) { with_aps(G_init_again, 2, 0); }
TEST_TIMEOUT(kick, 30)
{
	if (node_is_kvm())
		test_skip("a second SIPI that comes late wakes KVM's vCPU");
	with_aps(G_kick, 2, 0);
}

TEST_TIMEOUT(lowest_priority, 30) { with_aps(G_lowest, 4, 0); }
TEST_TIMEOUT(cluster, 30) { with_aps(G_cluster, 4, 0); }
/* LOCKed counts and a queue from one to the next. */
TEST_TIMEOUT(atomics, 60) { with_aps(G_atomics, 4, 0); }
TEST_TIMEOUT(ping_pong, 60) { with_aps(G_ping_pong, 2, 0); }

/* Without INIT and SIPI a processor stays where it is. */
TEST(wait_for_sipi)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct vcpu *v = vcpu_reset(vm, 0), *w = vcpu_reset(vm, 1);
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_INIT_RECEIVED };

	vcpu_mode(v, LONG64, G_sipi_to_1);
	OK(ioctl(w->fd, KVM_SET_MP_STATE, &mp));
	put_trampoline(vm);
	want_mark(v, 1);
	/* It has not run yet; now its first steps, at the SIPI's page. */
	w->run->immediate_exit = 1;
	FAILS(EINTR, ioctl(w->fd, KVM_RUN, 0));
	OK(ioctl(w->fd, KVM_GET_MP_STATE, &mp));
	w->run->immediate_exit = 0;
	want_mark(w, 0x99);
	CHECK_EQ(vcpu_sregs(w).cs.selector, 8);
}

/* Faults of four vCPUs at once, on the same pages and on others. */
TEST_TIMEOUT(faults, 60)
{
	struct vm *vm = vm_new_irqchip(&payload);
	uint8_t *m = mem_new(64 * MiB);
	struct thread t[4] = { 0 };
	int i, j, round;

	vm_slot(vm, 1, 0, 16 * MiB, 64 * MiB, m);
	for (i = 0; i < 4; i++) {
		struct vcpu *v = vcpu_new(vm, i, LONG64, G_touch_all);
		struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };

		OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
		t[i].v = v;
	}
	for (round = 0; round < 3; round++) {
		if (round < 2)
			madvise(m, 64 * MiB, round ? MADV_HUGEPAGE :
				MADV_NOHUGEPAGE);
		madvise(m, 64 * MiB, MADV_DONTNEED);
		for (i = 0; i < 4; i++) {
			vcpu_jump(t[i].v, G_touch_all);
			vcpu_args(t[i].v, 16 * MiB, i);
			go(&t[i], t[i].v);
		}
		for (i = 0; i < 4; i++)
			pthread_join(t[i].t, NULL);
		for (i = 0; i < 2048; i++)
			for (j = 0; j < 4; j++)
				if (((uint64_t *)(m + i * PAGE))[j] != i + j)
					break;
		CHECK(i == 2048, "page %d", i);
	}
}

/* Memory thrown away under four vCPUs. */
TEST_TIMEOUT(faults_and_zaps, 60)
{
	struct vm *vm = vm_new_irqchip(&payload);
	uint8_t *m = mem_new(16 * MiB);
	struct thread t[4] = { 0 };
	int i;

	vm_slot(vm, 1, 0, 16 * MiB, 16 * MiB, m);
	for (i = 0; i < 4; i++) {
		struct vcpu *v = vcpu_new(vm, i, LONG64, G_touch_some);
		struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };

		OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
		vcpu_args(v, 16 * MiB, i);
		vcpu_interruptible(v);
		go(&t[i], v);
	}
	for (i = 0; i < 100; i++) {
		madvise(m + i % 16 * MiB, MiB, i & 1 ? MADV_DONTNEED : 21);
		usleep(2000);
	}
	*(volatile uint64_t *)(vm->mem + G_FREE) = 1;
	for (i = 0; i < 4; i++)
		pthread_join(t[i].t, NULL);
}

/* A crowd: every one of 255 has run. */
TEST_TIMEOUT(crowd, 60)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct rlimit rl = { 2048, 2048 };
	int i;

	setrlimit(RLIMIT_NOFILE, &rl);
	for (i = 0; i < 255; i++) {
		struct vcpu *v = vcpu_new(vm, i, LONG64, G_who);
		struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_RUNNABLE };

		OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
		MUST_EQ(want_value(v), i);
		MUST_EQ(want_value(v), i);
	}
}

/* A thread that moves between the host's CPUs keeps its guest's state. */
TEST_TIMEOUT(moves_between_cpus, 60)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_keeps_state);
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), i;

	if (cpus < 2)
		test_skip("the host has one CPU");
	for (i = 1; i <= 200; i++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(i % cpus, &set);
		OK(sched_setaffinity(0, sizeof(set), &set));
		want_mark(v, i);
	}
}
