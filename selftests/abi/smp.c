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

TEST_TIMEOUT(pv_ipi, 30) { with_aps(G_pv_ipi, 3, 0); }

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

/* Of each vCPU's APIC the interrupts that wait for it; or it is switched off. */
static bool requested(struct vcpu *v, int vector)
{
	struct kvm_lapic_state l;
	uint32_t irr;

	OK(ioctl(v->fd, KVM_GET_LAPIC, &l));
	memcpy(&irr, l.regs + 0x200 + vector / 32 * 16, 4);
	return irr >> vector % 32 & 1;
}

static void apic_on(struct vcpu *v, bool on)
{
	struct kvm_lapic_state l;
	uint32_t svr = on ? 0x1ff : 0xff;

	OK(ioctl(v->fd, KVM_GET_LAPIC, &l));
	memcpy(l.regs + 0xf0, &svr, 4);
	OK(ioctl(v->fd, KVM_SET_LAPIC, &l));
}

struct pv_ipi {
	uint64_t low, high, min;
	const char *who;		/* '1' for each vCPU that it is for */
};

#define SEND_IPI	10

/*
 * KVM_HC_SEND_IPI of the first one of these vCPUs, none of which runs: where interrupts
 * wait afterwards, and the number that it answers with.
 */
static void send_ipis(enum mode mode, uint64_t entry, const struct pv_ipi *rows, int n)
{
	static const int ids[] = { 0, 1, 32, 64, 130 };
	struct vm *vm = vm_new_irqchip(&payload);
	uint64_t *call = (uint64_t *)(vm->mem + G_FREE), want;
	struct vcpu *v[ARRAY_SIZE(ids)];
	int i, k, vector;

	for (k = 0; k < ARRAY_SIZE(ids); k++) {
		v[k] = vcpu_new(vm, ids[k], mode, entry);
		apic_on(v[k], true);
	}
	vcpu_args(v[0], G_FREE, 0);
	want_mark(v[0], 1);
	for (i = 0; i < n; i++) {
		vector = 0x40 + i;
		call[0] = SEND_IPI;
		call[1] = rows[i].low;
		call[2] = rows[i].high;
		call[3] = rows[i].min;
		call[4] = vector;
		want = 0;
		for (k = 0; k < ARRAY_SIZE(ids); k++)
			want += rows[i].who[k] == '1';
		if (!CHECK_EQ(want_value(v[0]), want))
			test_note("row %d", i);
		for (k = 0; k < ARRAY_SIZE(ids); k++)
			CHECK(requested(v[k], vector) == (rows[i].who[k] == '1'),
			      "row %d, vCPU %d", i, ids[k]);
	}
	/* Only an APIC that is on takes any, and the ICR names a single one. */
	apic_on(v[1], false);
	call[1] = 3;
	call[2] = call[3] = 0;
	call[4] = 0xf0;
	CHECK_EQ(want_value(v[0]), 1);
	CHECK(requested(v[0], 0xf0) && !requested(v[1], 0xf0));
	for (i = 0; i < 4; i++) {
		call[4] = 0xf1 | (i ? i << 18 : 0x800);
		CHECK_EQ((int)want_value(v[0]), -22);
	}
	CHECK(!requested(v[0], 0xf1));
}

TEST(pv_ipi_bitmap)
{
	static const struct pv_ipi rows[] = {
		{ 3, 0, 0, "11000" },
		{ 2, 0, 0, "01000" },
		{ 1, 0, 1, "01000" },
		{ ~0ULL, ~0ULL, 0, "11110" },
		{ ~0ULL, ~0ULL, 2, "00110" },
		{ ~0ULL, ~0ULL, 3, "00111" },
		{ 0, 1, 0, "00010" },
		{ 1ULL << 32, 1, 0, "00110" },
		{ 1ULL << 63, 0, 1, "00010" },
		{ 1, 4, 64, "00011" },
		{ ~3ULL & ~(1ULL << 32), ~1ULL, 0, "00000" },
		{ 2, 0, 130, "00000" },
		{ ~0ULL, ~0ULL, 131, "00000" },
		{ ~0ULL, ~0ULL, 255, "00000" },
		{ ~0ULL, ~0ULL, 0xffffff00, "00000" },
		/* Of RDX there are 32 bits. */
		{ 1, 0, 1ULL << 32 | 1, "01000" },
		{ 0, 0, 0, "00000" },
	};

	send_ipis(LONG64, G_calls, rows, ARRAY_SIZE(rows));
}

/* Of 32-bit code the bitmap has two words of 32 bits. */
TEST(pv_ipi_bitmap_32)
{
	static const struct pv_ipi rows[] = {
		{ 3, 0, 0, "11000" },
		{ 0, 1, 0, "00100" },
		{ ~0ULL, ~0ULL, 0, "11100" },
		{ ~0ULL, ~0ULL, 1, "01110" },
		{ 1, 0, 64, "00010" },
		{ 0, 4, 96, "00001" },
		{ 0xfffffffc, 0xfffffffe, 0, "00000" },
	};

	send_ipis(PROT32, G_calls32, rows, ARRAY_SIZE(rows));
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
