// SPDX-License-Identifier: GPL-2.0-only
/* KVM's paravirtual interface: clock, wall clock, steal time, hypercalls. */
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <asm/kvm_para.h>

#include "ltest.h"
#include "paravirt.guest.gen.h"

struct pvclock {
	uint32_t version, pad;
	uint64_t tsc, system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad2[2];
};

static struct vcpu *start(uint64_t entry)
{
	return vcpu_new(vm_new_irqchip(&payload), 0, LONG64, entry);
}

static uint64_t pv_time(const volatile struct pvclock *c, uint64_t tsc)
{
	uint64_t d = tsc - c->tsc;

	d = c->shift < 0 ? d >> -c->shift : d << c->shift;
	return c->system_time + (uint64_t)((unsigned __int128)d * c->mul >> 32);
}

static void clock_by(uint32_t msr)
{
	struct vcpu *v = start(G_clock);
	struct pvclock *c = (void *)(v->vm->mem + G_FREE + 0x40);
	uint64_t tsc, a, b, h0, h1;

	vcpu_args(v, msr, (G_FREE + 0x40) | 1);
	h0 = now_ns(CLOCK_MONOTONIC_RAW);
	tsc = want_value(v);
	CHECK(!(c->version & 1) && c->version, "version %u", c->version);
	CHECK(c->mul, "no multiplier");
	a = pv_time(c, tsc);
	usleep(200000);
	tsc = want_value(v);
	h1 = now_ns(CLOCK_MONOTONIC_RAW);
	b = pv_time(c, tsc);
	CHECK(b > a, "stands");
	CHECK(b - a >= 190000000, "%lu ns of 200 ms", b - a);
	CHECK(b - a <= (h1 - h0) * 21 / 20 + 1000000, "%lu ns of %lu", b - a,
	      h1 - h0);
	CHECK_EQ(msr_get(v, msr), (G_FREE + 0x40) | 1);
	/* Off again: the page is left alone. */
	vcpu_args(v, msr, 0);
	want_mark(v, 1);
	memset(c, 0x5a, sizeof(*c));
	want_value(v);
	CHECK_EQ(c->version, 0x5a5a5a5a);
}

TEST(clock_new) { clock_by(0x4b564d01); }
TEST(clock_old) { clock_by(0x12); }

/* KVM_SET_CLOCK is seen by the guest. */
TEST(set_clock)
{
	struct vcpu *v = start(G_clock);
	struct pvclock *c = (void *)(v->vm->mem + G_FREE + 0x40);
	struct kvm_clock_data d = { .clock = 123456000000000 };
	uint64_t t;

	vcpu_args(v, 0x4b564d01, (G_FREE + 0x40) | 1);
	want_value(v);
	OK(ioctl(v->vm->fd, KVM_SET_CLOCK, &d));
	t = pv_time(c, want_value(v));
	CHECK(t >= d.clock && t < d.clock + 5000000000, "%lu", t);
}

TEST(paused)
{
	struct vcpu *v = start(G_clock);
	struct pvclock *c = (void *)(v->vm->mem + G_FREE + 0x40);

	/* Without a clock there is nobody to tell. */
	FAILS(EINVAL, ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0));
	vcpu_args(v, 0x4b564d01, (G_FREE + 0x40) | 1);
	want_value(v);
	CHECK(!(c->flags & 2));
	OK(ioctl(v->fd, KVM_KVMCLOCK_CTRL, 0));
	want_value(v);
	CHECK(c->flags & 2, "PVCLOCK_GUEST_STOPPED");
}

TEST(wall_clock)
{
	struct vcpu *v = start(G_wall_clock);
	struct { uint32_t version, sec, nsec; } *w = (void *)(v->vm->mem + G_FREE);
	uint64_t boot;

	vcpu_args(v, 0x4b564d00, G_FREE);
	want_mark(v, 1);
	CHECK(w->version && !(w->version & 1), "version %u", w->version);
	boot = now_ns(CLOCK_REALTIME) / 1000000000;
	CHECK(w->sec <= boot && w->sec + 60 >= boot, "%u, now %lu", w->sec, boot);
	CHECK(w->nsec < 1000000000);
}

TEST(steal_time)
{
	struct vcpu *v = start(G_clock);
	struct { uint64_t steal; uint32_t version, flags; uint8_t preempted; } *s =
		(void *)(v->vm->mem + G_FREE + 0x40);
	struct kvm_cpuid2 *c = cpuid_supported();
	int i;

	if (!(cpuid_find(c, 0x40000001, 0)->eax & 1 << 5))
		test_skip("steal time is not offered");
	vcpu_args(v, 0x4b564d03, (G_FREE + 0x40) | 1);
	want_value(v);
	CHECK(s->version && !(s->version & 1), "version %u", s->version);
	/* A host that is busy may take the CPU away after the last exit. */
	for (i = 0; s->preempted & 1 && i < 100; i++)
		want_value(v);
	CHECK_EQ(s->preempted & 1, 0);
	/* Reserved bits: #GP. */
	CHECK_EQ(msr_set_try(v, 0x4b564d03, (G_FREE + 0x48) | 1), 0);
}

static void *until_done(void *v)
{
	want_done(v);
	return NULL;
}

/*
 * Who has no CPU is not waited for: it forgets what it knows of its page tables before
 * it runs again. With one CPU, it has none whenever this thread does.
 */
TEST(tlb_flush)
{
	struct vcpu *v = vcpu_new(vm_new_irqchip(&payload), 0, LONG64, G_tlb_flush);
	uint64_t *entry = (uint64_t *)(v->vm->mem + G_PD) + 512;
	volatile uint64_t *words = (uint64_t *)(v->vm->mem + G_FREE);
	uint8_t *preempted = v->vm->mem + G_FREE + 0x40 + 16, was;
	struct kvm_cpuid2 *c = cpuid_supported();
	cpu_set_t one;
	uint64_t flushes;
	pthread_t thread;
	int i, fd;

	if (!(cpuid_find(c, 0x40000001, 0)->eax & 1 << 9))
		test_skip("flushes of those preempted are not offered");
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	OK(sched_setaffinity(0, sizeof(one), &one));
	*(uint64_t *)(v->vm->mem + 4 * MiB) = 1;
	*(uint64_t *)(v->vm->mem + 6 * MiB) = 2;
	*entry = 4 * MiB | 0x87;
	vcpu_args(v, (G_FREE + 0x40) | 1, GiB);
	/* It never leaves by itself, and Bochs lets no interrupt in where IF is clear. */
	vcpu_interruptible(v);
	fd = OK(ioctl(v->fd, KVM_GET_STATS_FD, 0));
	MUST(!pthread_create(&thread, NULL, until_done, v), "a thread");
	for (i = 0; !words[0] && i < 5000; i++)
		usleep(1000);
	MUST(words[0], "it has not begun");
	/* An emulator's TLB may forget at every entry: so that it's done is seen here. */
	flushes = stats_value(fd, "tlb_flush");
	__atomic_store_n(entry, 6 * MiB | 0x87, __ATOMIC_SEQ_CST);
	for (i = 0; i < 5000; i++) {
		was = 1;
		if (__atomic_compare_exchange_n(preempted, &was, 3, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			break;
		usleep(1000);
	}
	MUST(i < 5000, "it always has a CPU: %u", was);
	words[1] = 1;
	pthread_join(thread, NULL);
	CHECK(!(*preempted & 2), "the flag stays");
	CHECK(stats_value(fd, "tlb_flush") > flushes);
}

/* Addresses that are no memory: nothing breaks. */
TEST(bad_addresses)
{
	struct vcpu *v = start(G_clock);
	int i;

	vcpu_args(v, 0x4b564d01, 0xfffffffffffffff1);
	for (i = 0; i < 2; i++) {
		vcpu_run(v);
		if (v->run->exit_reason != KVM_EXIT_IO)
			break;
	}
	v = start(G_clock);
	vcpu_args(v, 0x4b564d01, 0xd0000001);
	want_value(v);
	/* A page of it read-only for the launcher, then gone. */
	vcpu_args(v, 0x4b564d01, (G_FREE + 0x40) | 1);
	vcpu_jump(v, G_clock);
	want_value(v);
	madvise(v->vm->mem + G_FREE, PAGE, MADV_DONTNEED);
	want_value(v);
}

static bool host_clock_is_tsc(void)
{
	FILE *f = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource",
			"r");
	char name[32] = "";

	MUST(f && fgets(name, sizeof(name), f), "the host's clock");
	fclose(f);
	return !strcmp(name, "tsc\n");
}

#define KVM_EFAULT	14
#define KVM_EOPNOTSUPP	95

/* KVM_HC_CLOCK_PAIRING: the counter is its host's clock, or there is no pair. */
TEST(clock_pairing)
{
	struct vcpu *v = start(G_clock_pairing);
	struct {
		int64_t sec, nsec;
		uint64_t tsc;
		uint32_t flags, pad[9];
	} *pair = (void *)(v->vm->mem + G_FREE);
	const bool tsc = host_clock_is_tsc();
	uint64_t c0, c1, t0, t1;
	int i;

	test_note("the host's clock is %sthe TSC", tsc ? "" : "not ");
	memset(pair, 0x5a, sizeof(*pair) + 8);
	vcpu_args(v, G_FREE, 0);
	t0 = now_ns(CLOCK_REALTIME);
	c0 = want_value(v);
	CHECK_EQ(want_value(v), tsc ? 0 : -KVM_EOPNOTSUPP);
	c1 = want_value(v);
	t1 = now_ns(CLOCK_REALTIME);
	if (tsc) {
		CHECK(pair->tsc >= c0 && pair->tsc <= c1, "%lx is not in %lx to %lx",
		      pair->tsc, c0, c1);
		CHECK(pair->nsec >= 0 && pair->nsec < 1000000000);
		t0 -= pair->sec * 1000000000 + pair->nsec;
		t1 -= pair->sec * 1000000000 + pair->nsec;
		CHECK((int64_t)t0 <= 0 && (int64_t)t1 >= 0, "%ld to %ld ns away", t0, t1);
		CHECK_EQ(pair->flags, 0);
		for (i = 0; i < ARRAY_SIZE(pair->pad); i++)
			CHECK_EQ(pair->pad[i], 0);
		CHECK_EQ(*(uint8_t *)(pair + 1), 0x5a);
	} else {
		CHECK_EQ(*(uint8_t *)pair, 0x5a);
	}
	/* Where no memory is; another clock. */
	vcpu_jump(v, G_clock_pairing);
	vcpu_args(v, 0xd0000000, 0);
	want_value(v);
	CHECK_EQ(want_value(v), tsc ? -KVM_EFAULT : -KVM_EOPNOTSUPP);
	vcpu_jump(v, G_clock_pairing);
	vcpu_args(v, G_FREE, 1);
	want_value(v);
	CHECK_EQ(want_value(v), -KVM_EOPNOTSUPP);
}

TEST(hypercalls)
{
	want_done(start(G_hypercalls));
}

TEST(hypercall_user)
{
	want_done(start(G_hypercall_user));
}

/* Writes to port 80h needn't wait: the guest is told so, and they are the launcher's. */
TEST(nop_io_delay)
{
	struct vcpu *v = start(G_io_delay);

	NEED_CAP(KVM_CAP_NOP_IO_DELAY);
	CHECK(want_value(v) & 1 << KVM_FEATURE_NOP_IO_DELAY);
	want_io(v, true, 0x80, 1, 1);
	CHECK_EQ(*(uint8_t *)io_data(v), 0x5a);
	want_done(v);
}
