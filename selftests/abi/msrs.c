// SPDX-License-Identifier: GPL-2.0-only
/* MSRs: the list is true, values are checked, the guest sees the same. */
#include <pthread.h>
#include <sched.h>

#include "ltest.h"
#include "msrs.guest.gen.h"

static struct vcpu *fresh(uint64_t entry)
{
	return vcpu_new(vm_new_irqchip(&payload), 0, LONG64, entry);
}

static struct kvm_msr_list *list(void)
{
	struct kvm_msr_list *l = calloc(1, sizeof(*l) + 4 * 4096);
	int fd = node_open();

	l->nmsrs = 4096;
	OK(ioctl(fd, KVM_GET_MSR_INDEX_LIST, l));
	close(fd);
	return l;
}

/* Time goes on between a get and a set. */
static bool is_clock(uint32_t msr)
{
	return msr == 0x10 || msr == 0x40000020 || msr == 0x6e0;
}

/* Every MSR of the list can be got, set to what it was, and got again. */
TEST(index_list)
{
	struct vcpu *v = fresh(G_nothing);
	struct kvm_msr_list *l = list();
	unsigned int i, none = 0;

	for (i = 0; i < l->nmsrs; i++) {
		uint32_t msr = l->indices[i];
		uint64_t was, is;

		if (msr_get_try(v, msr, &was) != 1) {
			/* KVM lists Hyper-V's and the PMU's unasked. */
			test_note("%#x is listed but cannot be got", msr);
			none++;
			continue;
		}
		if (!CHECK(msr_set_try(v, msr, was) == 1,
			   "%#x cannot be set to the value got, %#lx", msr, was))
			continue;
		CHECK(msr_get_try(v, msr, &is) == 1 &&
		      (is == was || is_clock(msr)), "%#x was %#lx, is %#lx",
		      msr, was, is);
	}
	CHECK(!none || node_is_kvm(), "%u MSRs that cannot be got", none);
}

/* What QEMU sets at a reset, and every Linux guest reads or writes. */
TEST(wanted)
{
	static const uint32_t msr[] = {
		0x10, 0x174, 0x175, 0x176, 0xc0000080, 0xc0000081, 0xc0000082,
		0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102,
		0xc0000103, 0x277, 0x4b564d00, 0x4b564d01, 0x4b564d03,
		0xc0010015, 0x8b, 0x1b, 0x2ff, 0x200, 0x250, 0x17a, 0x17b,
	};
	struct vcpu *v = fresh(G_nothing);
	unsigned int i;
	uint64_t val;

	for (i = 0; i < ARRAY_SIZE(msr); i++)
		CHECK(msr_get_try(v, msr[i], &val) == 1, "%#x", msr[i]);
}

static void set_get(struct vcpu *v, uint32_t msr, uint64_t val)
{
	CHECK(msr_set_try(v, msr, val) == 1, "%#x = %#lx", msr, val);
	CHECK_EQ(msr_get(v, msr), val);
}

static void refused(struct vcpu *v, uint32_t msr, uint64_t val)
{
	CHECK(msr_set_try(v, msr, val) == 0, "%#x = %#lx was taken", msr, val);
}

TEST(values)
{
	struct vcpu *v = fresh(G_nothing);

	set_get(v, 0xc0000081, 0x0023001000000000);
	set_get(v, 0xc0000082, 0xffffffff81000000);
	set_get(v, 0xc0000083, 0xffffffff82000000);
	set_get(v, 0xc0000084, 0x47700);
	set_get(v, 0xc0000100, 0x00007fffdeadb000);
	set_get(v, 0xc0000101, 0xffff888012345000);
	set_get(v, 0xc0000102, 0x1234);
	set_get(v, 0xc0000103, 7);
	set_get(v, 0x174, 0x10);
	set_get(v, 0x175, 0x12345678);
	set_get(v, 0x176, 0x12345678);
	set_get(v, 0x277, 0x0007010600070106);
	set_get(v, 0x2ff, 0xc00);
	set_get(v, 0x200, 0x80000006);
	set_get(v, 0x201, 0xff80000800);
	set_get(v, 0x250, 0x0606060606060606);
	set_get(v, 0x26f, 0x0505050505050505);
	refused(v, 0x277, 0x0002010600070106);	/* memory type 2 */
	refused(v, 0x250, 0x0206060606060606);
	refused(v, 0x2ff, 0xc02);
	refused(v, 0xc0000080, 1 << 20);
	refused(v, 0xdeadbeef, 0);
	CHECK_EQ(msr_get(v, 0x277), 0x0007010600070106);
}

/* Non-canonical addresses: the launcher's are refused or made canonical. */
TEST(canonical)
{
	static const uint32_t msr[] = { 0xc0000082, 0xc0000083, 0xc0000102, 0x175,
					0x176 };
	struct vcpu *v = fresh(G_nothing);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msr); i++) {
		uint64_t val;

		msr_set_try(v, msr[i], 0x1234000000000000);
		val = msr_get(v, msr[i]);
		CHECK(msr[i] == 0x175 || msr[i] == 0x176 ||
		      val == (uint64_t)((int64_t)(val << 7) >> 7), "%#x is %#lx",
		      msr[i], val);
	}
}

TEST(guest_sees)
{
	struct vcpu *v = fresh(G_peek_msr);
	static const struct { uint32_t msr; uint64_t val; } x[] = {
		{ 0xc0000081, 0x0023001000000000 },
		{ 0xc0000082, 0xffffffff81000000 },
		{ 0xc0000084, 0x47700 }, { 0xc0000100, 0x7fff12345000 },
		{ 0xc0000101, 0xffff888000000000 }, { 0xc0000102, 0x5555 },
		{ 0x174, 0x10 }, { 0x175, 0x1000 }, { 0x176, 0x2000 },
		{ 0x277, 0x0007010600070106 }, { 0xc0000103, 9 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(x); i++) {
		msr_set(v, x[i].msr, x[i].val);
		vcpu_jump(v, G_peek_msr);
		vcpu_args(v, x[i].msr, 0);
		CHECK(want_value(v) == x[i].val, "%#x", x[i].msr);
		/* And the other way. */
		vcpu_jump(v, G_poke_msr);
		vcpu_args(v, x[i].msr, x[i].val & ~0x10000ULL);
		want_mark(v, 1);
		CHECK_EQ(msr_get(v, x[i].msr), x[i].val & ~0x10000ULL);
	}
}

TEST(guest_faults)
{
	want_done(fresh(G_faults));
}

/* SWAPGS, SYSCALL and SYSRET use what the MSRs say. */
TEST(syscall)
{
	want_done(fresh(G_syscalls));
}

TEST(tsc)
{
	struct vcpu *v = fresh(G_tsc);
	uint64_t a, b;

	/* Set, it goes on from there; the guest reads the same clock. */
	msr_set(v, 0x10, 1000000000000);
	a = want_value(v);
	CHECK(a >= 1000000000000 && a < 1000000000000 + 60000000000, "%lu", a);
	b = msr_get(v, 0x10);
	CHECK(b >= a, "%lu < %lu", b, a);
	a = want_value(v);
	CHECK(a >= b, "%lu < %lu", a, b);
	want_done(v);
}

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* The guest's counter goes num/den times as fast as the host's. */
static void scaled(uint64_t num, uint64_t den)
{
	struct vcpu *v = fresh(G_tsc);
	uint64_t host[4], guest[2], khz;

	NEED_CAP(KVM_CAP_TSC_CONTROL);
	khz = OK(ioctl(v->fd, KVM_GET_TSC_KHZ, 0)) / den * num;
	OK(ioctl(v->fd, KVM_SET_TSC_KHZ, khz));
	CHECK_EQ(OK(ioctl(v->fd, KVM_GET_TSC_KHZ, 0)), khz);
	host[0] = rdtsc();
	guest[0] = want_value(v);
	host[1] = rdtsc();
	/* Long against what an exit takes. */
	while (rdtsc() < host[1] + 20 * (host[1] - host[0]) + 1000000)
		;
	host[2] = rdtsc();
	guest[1] = want_value(v);
	host[3] = rdtsc();
	guest[1] -= guest[0];
	/* A thousandth for the rounding of the frequency. */
	CHECK(guest[1] * 1000 >= (host[2] - host[1]) * num / den * 999 &&
	      guest[1] * 1000 <= (host[3] - host[0]) * num / den * 1001,
	      "%lu in %lu to %lu", guest[1], host[2] - host[1], host[3] - host[0]);
	/* What the launcher reads is the same clock. */
	guest[0] = msr_get(v, 0x10);
	guest[1] = msr_get(v, 0x10);
	CHECK(guest[1] >= guest[0], "%lu < %lu", guest[1], guest[0]);
	want_done(v);
}

TEST(tsc_slowed) { scaled(1, 3); }
TEST(tsc_hurried) { scaled(7, 2); }

TEST(tsc_adjust)
{
	struct kvm_cpuid2 *c = cpuid_supported();

	if (!cpuid_find(c, 7, 0) || !(cpuid_find(c, 7, 0)->ebx & 2))
		test_skip("TSC_ADJUST is not offered");
	want_done(fresh(G_tsc_adjust));
}

static uint32_t host_tsc_aux(void)
{
	uint32_t aux;

	asm volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
	return aux;
}

/*
 * The host's own TSC_AUX, from which processes know their CPU, is there when
 * the guest has left; also where the guest's was the same as the host's before.
 */
TEST(tsc_aux)
{
	struct vcpu *v = fresh(G_tsc_aux);
	uint32_t aux;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	OK(sched_setaffinity(0, sizeof(set), &set));
	aux = host_tsc_aux();
	vcpu_args(v, 0x1234, 0);
	want_mark(v, 1);
	CHECK_EQ(host_tsc_aux(), aux);
	want_mark(v, 2);
	CHECK_EQ(host_tsc_aux(), aux);
	want_done(v);
}

/* EFER.LMA follows from CR0 and is KVM_SET_SREGS's to set, not the MSR's. */
TEST(efer_lma)
{
	struct vcpu *v = fresh(G_nothing);
	uint64_t efer = msr_get(v, 0xc0000080);

	CHECK_EQ(efer & 0x500, 0x500);
	msr_set(v, 0xc0000080, efer & ~0x400ULL);
	CHECK_EQ(msr_get(v, 0xc0000080), efer);
	CHECK_EQ(vcpu_sregs(v).efer, efer);
	want_done(v);
}

/* What the kernel does not know may be the launcher's to serve. */
TEST(user_space)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args[0] = KVM_MSR_EXIT_REASON_UNKNOWN |
			KVM_MSR_EXIT_REASON_INVAL };
	struct vcpu *v = fresh(G_user_msr);

	NEED_CAP(KVM_CAP_X86_USER_SPACE_MSR);
	OK(ioctl(v->vm->fd, KVM_ENABLE_CAP, &cap));
	want_exit(v, KVM_EXIT_X86_RDMSR);
	CHECK_EQ(v->run->msr.index, 0xdeadbeef);
	v->run->msr.data = 0x1122334455667788;
	CHECK_EQ(want_value(v), 0x1122334455667788);
	want_exit(v, KVM_EXIT_X86_WRMSR);
	CHECK_EQ(v->run->msr.data, 0x77);
	v->run->msr.error = 1;			/* #GP */
	CHECK_EQ(want_value(v), 13);
	want_done(v);
}

#define KERNEL_GS	0xc0000102

static uint64_t try_read(struct vcpu *v, uint32_t msr)
{
	vcpu_jump(v, G_try_read);
	vcpu_args(v, msr, 0);
	return want_value(v);
}

static uint64_t try_write(struct vcpu *v, uint32_t msr, uint64_t val)
{
	vcpu_jump(v, G_try_write);
	vcpu_args(v, msr, val);
	return want_value(v);
}

/* What the launcher doesn't let guests have, also of what takes no exit. */
TEST(filter)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args[0] = KVM_MSR_EXIT_REASON_FILTER };
	uint8_t none[4] = { };
	struct kvm_msr_filter f = {
		.ranges[3] = { .flags = KVM_MSR_FILTER_READ, .base = KERNEL_GS - 1,
			       .nmsrs = 2, .bitmap = none },
	};
	struct vcpu *v = fresh(G_nothing), *late;
	int vm = v->vm->fd;

	NEED_CAP(KVM_CAP_X86_MSR_FILTER);
	CHECK_EQ(try_write(v, KERNEL_GS, 0x1234), 0x100);
	CHECK_EQ(try_read(v, KERNEL_GS), 0x1234);
	none[0] = 1;
	OK(ioctl(vm, KVM_X86_SET_MSR_FILTER, &f));
	CHECK_EQ(try_read(v, KERNEL_GS), 13);
	CHECK(try_read(v, KERNEL_GS - 1) != 13);
	CHECK_EQ(try_write(v, KERNEL_GS, 0x4321), 0x100);
	CHECK_EQ(msr_get(v, KERNEL_GS), 0x4321);
	late = vcpu_new(v->vm, 1, LONG64, G_nothing);
	OK(ioctl(late->fd, KVM_SET_MP_STATE, &(struct kvm_mp_state){ }));
	CHECK_EQ(try_read(late, KERNEL_GS), 13);

	/* The launcher serves what it has denied. */
	cap.args[0] = 0x10000;
	FAILS(EINVAL, ioctl(vm, KVM_ENABLE_CAP, &cap));
	cap.args[0] = KVM_MSR_EXIT_REASON_FILTER;
	OK(ioctl(vm, KVM_ENABLE_CAP, &cap));
	vcpu_jump(v, G_try_read);
	vcpu_args(v, KERNEL_GS, 0);
	want_exit(v, KVM_EXIT_X86_RDMSR);
	CHECK_EQ(v->run->msr.reason, KVM_MSR_EXIT_REASON_FILTER);
	CHECK_EQ(v->run->msr.index, KERNEL_GS);
	CHECK_EQ(v->run->msr.error, 0);
	v->run->msr.data = 0x1122334455667788;
	CHECK_EQ(want_value(v), 0x1122334455667788);
	f.ranges[3].flags = KVM_MSR_FILTER_WRITE;
	OK(ioctl(vm, KVM_X86_SET_MSR_FILTER, &f));
	CHECK_EQ(try_read(v, KERNEL_GS), 0x4321);
	vcpu_jump(v, G_try_write);
	vcpu_args(v, KERNEL_GS, 0x77);
	want_exit(v, KVM_EXIT_X86_WRMSR);
	CHECK_EQ(v->run->msr.reason, KVM_MSR_EXIT_REASON_FILTER);
	CHECK_EQ(v->run->msr.data, 0x77);
	v->run->msr.error = 1;
	CHECK_EQ(want_value(v), 13);
	CHECK_EQ(msr_get(v, KERNEL_GS), 0x4321);
	/* Other reasons than the one that was asked for. */
	CHECK_EQ(try_read(v, 0xdeadbeef), 13);

	/* All else is denied, but for the local APIC. */
	cap.args[0] = 0;
	OK(ioctl(vm, KVM_ENABLE_CAP, &cap));
	memset(none, 0xff, sizeof(none));
	f.flags = KVM_MSR_FILTER_DEFAULT_DENY;
	f.ranges[3].flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
	f.ranges[5] = (struct kvm_msr_filter_range){
		.flags = KVM_MSR_FILTER_WRITE, .base = 0x1b, .nmsrs = 1, .bitmap = none };
	OK(ioctl(vm, KVM_X86_SET_MSR_FILTER, &f));
	CHECK_EQ(try_read(v, KERNEL_GS), 0x4321);
	CHECK_EQ(try_read(v, 0xc0000082), 13);
	CHECK_EQ(try_write(v, 0xc0000082, 0), 13);
	CHECK_EQ(try_read(v, 0x277), 13);
	CHECK_EQ(try_write(v, 0x1b, 0xfee00d00), 0x100);
	CHECK(try_read(v, 0x802) != 13);

	/* What isn't a filter leaves it. */
	f.ranges[5].flags = 4;
	FAILS(EINVAL, ioctl(vm, KVM_X86_SET_MSR_FILTER, &f));
	f.ranges[5].flags = 1;
	f.ranges[5].nmsrs = 0x600 * 8 + 1;
	FAILS(EINVAL, ioctl(vm, KVM_X86_SET_MSR_FILTER, &f));
	f.ranges[5].nmsrs = 64;
	f.ranges[5].bitmap = (void *)8;
	FAILS(EFAULT, ioctl(vm, KVM_X86_SET_MSR_FILTER, &f));
	memset(f.ranges, 0, sizeof(f.ranges));
	FAILS(EINVAL, ioctl(vm, KVM_X86_SET_MSR_FILTER, &f));
	f.flags = 2;
	FAILS(EINVAL, ioctl(vm, KVM_X86_SET_MSR_FILTER, &f));
	FAILS(EFAULT, ioctl(vm, KVM_X86_SET_MSR_FILTER, NULL));
	CHECK_EQ(try_read(v, 0x277), 13);
	f.flags = 0;
	OK(ioctl(vm, KVM_X86_SET_MSR_FILTER, &f));
	CHECK(try_read(v, 0x277) != 13);
	CHECK_EQ(try_write(v, 0xc0000082, 0x1000), 0x100);
}

static void *run_on(void *arg)
{
	struct vcpu *v = arg;

	vcpu_run(v);
	return NULL;
}

/* A guest that never leaves by itself goes by a new filter, too. */
TEST(filter_running)
{
	uint8_t none[4] = { };
	struct kvm_msr_filter f = {
		.ranges[0] = { .flags = KVM_MSR_FILTER_READ, .base = KERNEL_GS,
			       .nmsrs = 1, .bitmap = none },
	};
	struct vcpu *v = fresh(G_read_on);
	pthread_t thread;

	NEED_CAP(KVM_CAP_X86_MSR_FILTER);
	vcpu_interruptible(v);
	vcpu_args(v, KERNEL_GS, 0);
	want_mark(v, 1);
	OK(pthread_create(&thread, NULL, run_on, v) ? -1 : 0);
	usleep(50000);
	OK(ioctl(v->vm->fd, KVM_X86_SET_MSR_FILTER, &f));
	pthread_join(thread, NULL);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_IO);
	CHECK_EQ(vcpu_regs(v).rbx, 13);
}
