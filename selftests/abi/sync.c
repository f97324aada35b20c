// SPDX-License-Identifier: GPL-2.0-only
/* KVM_CAP_SYNC_REGS: registers in kvm_run; KVM_CAP_X86_DISABLE_EXITS. */
#include <signal.h>
#include <sys/time.h>

#include "ltest.h"
#include "sync.guest.gen.h"

#define ALL	(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

static struct vcpu *start(void)
{
	NEED_CAP(KVM_CAP_SYNC_REGS);
	CHECK_EQ(node_cap(KVM_CAP_SYNC_REGS), ALL);
	return vcpu_new(vm_new(&payload), 0, LONG64, G_count);
}

/* What KVM_RUN leaves is what the ioctls give. */
TEST(out)
{
	struct vcpu *v = start();
	struct kvm_sync_regs *s = &v->run->s.regs;
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int i;

	want_io(v, true, 0x10, 1, 1);
	CHECK_EQ(s->regs.rip, 0);
	for (i = 0; i < 8; i++) {
		memset(s, 0, sizeof(*s));
		v->run->kvm_valid_regs = i;
		want_io(v, true, 0x10, 1, 1);
		regs = vcpu_regs(v);
		sregs = vcpu_sregs(v);
		OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &events));
		CHECK_EQ(!memcmp(&s->regs, &regs, sizeof(regs)), i & 1);
		CHECK_EQ(!memcmp(&s->sregs, &sregs, sizeof(sregs)), i >> 1 & 1);
		CHECK_EQ(!memcmp(&s->events, &events, sizeof(events)), i >> 2);
	}
}

/* What is dirty is taken, once, and nothing else. */
TEST(in)
{
	struct vcpu *v = start();
	struct kvm_run *run = v->run;

	run->kvm_valid_regs = ALL;
	want_io(v, true, 0x10, 1, 1);
	run->s.regs.regs.rbx = 0x40;
	want_io(v, true, 0x10, 1, 1);
	CHECK_EQ(run->s.regs.regs.rbx, 2);
	run->s.regs.regs.rbx = 0x40;
	run->s.regs.sregs.gs.base = 0x1234;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	want_io(v, true, 0x10, 1, 1);
	CHECK_EQ(run->kvm_dirty_regs, 0);
	CHECK_EQ(run->s.regs.regs.rbx, 0x41);
	CHECK_EQ(vcpu_sregs(v).gs.base, 0x1234);
	run->s.regs.regs.rbx = 0x50;
	want_io(v, true, 0x10, 1, 1);
	CHECK_EQ(run->s.regs.regs.rbx, 0x42);
	/* An NMI that waits. */
	run->s.regs.events.nmi.masked = 1;
	run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	want_io(v, true, 0x10, 1, 1);
	CHECK_EQ(run->s.regs.events.nmi.masked, 1);
}

TEST(invalid)
{
	struct vcpu *v = start();
	struct kvm_run *run = v->run;
	uint64_t rip;

	run->kvm_valid_regs = ALL;
	want_io(v, true, 0x10, 1, 1);
	rip = vcpu_regs(v).rip;
	run->kvm_valid_regs = ALL | 8;
	FAILS(EINVAL, ioctl(v->fd, KVM_RUN, 0));
	run->kvm_valid_regs = ALL;
	run->kvm_dirty_regs = 1ULL << 63;
	FAILS(EINVAL, ioctl(v->fd, KVM_RUN, 0));
	run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	run->s.regs.sregs.cr0 |= 1 << 29;	/* NW without CD */
	FAILS(EINVAL, ioctl(v->fd, KVM_RUN, 0));
	run->s.regs.sregs = vcpu_sregs(v);
	run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
	run->s.regs.events.flags = 1 << 30;
	FAILS(EINVAL, ioctl(v->fd, KVM_RUN, 0));
	CHECK_EQ(vcpu_regs(v).rip, rip);
	run->kvm_dirty_regs = 0;
	want_io(v, true, 0x10, 1, 1);
}

static void on_signal(int sig)
{
}

/* The handler of VECTOR is where the guest says what woke it. */
static void wakes(struct vcpu *v, unsigned int vector)
{
	uint64_t *gate = (uint64_t *)(v->vm->mem + vcpu_sregs(v).idt.base) + 2 * vector;

	gate[0] = (G_woken & 0xffff) | SEL_CODE64 << 16 | 0x8e00ULL << 32 |
		  (G_woken >> 16) << 48;
	gate[1] = 0;
}

/* A signal each so many us, of which the first may come too early; 0: none. */
static void signals(unsigned int us)
{
	const struct itimerval it = { { .tv_usec = us }, { .tv_usec = us } };

	setitimer(ITIMER_REAL, &it, NULL);
}

static void run_interrupted(struct vcpu *v)
{
	signals(200000);
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	signals(0);
}

/* HLT doesn't leave the guest: a signal does, an interrupt ends it. */
TEST(halt_stays)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_DISABLE_EXITS };
	struct sigaction sa = { .sa_handler = on_signal };
	struct kvm_interrupt irq = { .irq = 0x40 };
	struct vm *vm = vm_new(&payload);
	int offered = node_cap(KVM_CAP_X86_DISABLE_EXITS);
	struct vcpu *v;

	NEED_CAP(KVM_CAP_X86_DISABLE_EXITS);
	CHECK_EQ(offered & 6, 6);
	cap.args[0] = 1 << 30;
	FAILS(EINVAL, ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE;
	OK(ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	v = vcpu_new(vm, 0, LONG64, G_halt);
	if (!node_is_kvm())
		FAILS(EINVAL, ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	wakes(v, 0x40);
	sigaction(SIGALRM, &sa, NULL);
	run_interrupted(v);
	CHECK_EQ(v->run->exit_reason, KVM_EXIT_INTR);
	OK(ioctl(v->fd, KVM_INTERRUPT, &irq));
	want_io(v, true, 0x11, 1, 1);
	/* An exception finds a CPU that runs. */
	run_interrupted(v);
	wakes(v, 6);
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &(struct kvm_vcpu_events){
		.exception.injected = 1, .exception.nr = 6 }));
	want_io(v, true, 0x11, 1, 1);
}

TEST(pause_stays)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v;
	int i;

	NEED_CAP(KVM_CAP_X86_DISABLE_EXITS);
	OK(vm_enable(vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_PAUSE));
	v = vcpu_new(vm, 0, LONG64, G_spin);
	for (i = 0; i < 3; i++)
		want_io(v, true, 0x10, 1, 1);
}

/* So many interrupts have its CPUs taken. */
static uint64_t host_interrupts(void)
{
	FILE *stat = fopen("/proc/stat", "r");
	uint64_t n = 0;
	char *line = NULL;
	size_t size = 0;

	MUST(stat, "/proc/stat: %s", strerror(errno));
	while (getline(&line, &size, stat) > 0)
		if (sscanf(line, "intr %lu", &n) == 1)
			break;
	free(line);
	fclose(stat);
	MUST(n, "/proc/stat counts no interrupts");
	return n;
}

/* A guest that does nothing but MWAIT for a fifth of a second, or until it has some. */
static void mwaits(uint64_t disabled, uint64_t *times, uint64_t *exits, uint64_t *interrupts)
{
	struct kvm_interrupt irq = { .irq = 0x40 };
	struct kvm_cpuid2 *c = cpuid_supported();
	struct vm *vm = vm_new(&payload);
	struct vcpu *v;
	int fd;

	OK(vm_enable(vm, KVM_CAP_X86_DISABLE_EXITS, disabled));
	v = vcpu_new(vm, 0, LONG64, G_mwait);
	cpuid_find(c, 1, 0)->ecx |= 1 << 3;
	vcpu_set_cpuid(v, c);
	wakes(v, 0x40);
	fd = OK(ioctl(v->fd, KVM_GET_STATS_FD, NULL));
	/* Faults, and what else comes once. */
	want_io(v, true, 0x10, 1, 1);
	*interrupts = host_interrupts();
	*exits = stats_value(fd, "exits");
	signals(200000);
	do {
		FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
		*times = *(volatile uint64_t *)(vm->mem + G_mwaits);
	} while (*times < 60);
	signals(0);
	*exits = stats_value(fd, "exits") - *exits;
	*interrupts = host_interrupts() - *interrupts;
	test_note("%lu MWAITs, %lu exits, %lu interrupts of the host", *times, *exits,
		  *interrupts);
	OK(ioctl(v->fd, KVM_INTERRUPT, &irq));
	want_io(v, true, 0x11, 1, 1);
}

/*
 * MWAIT doesn't leave the guest, where that can be had: only the host's interrupts
 * do, and a few that come once. Else it does, and MONITOR before it.
 */
TEST(mwait_stays)
{
	struct sigaction sa = { .sa_handler = on_signal };
	uint64_t times, exits, interrupts;

	if (!(node_cap(KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_EXITS_MWAIT))
		test_skip("no MWAIT for guests on this host");
	NEED_CAP(KVM_CAP_BINARY_STATS_FD);
	sigaction(SIGALRM, &sa, NULL);
	mwaits(0, &times, &exits, &interrupts);
	CHECK(exits >= 2 * times, "%lu exits for %lu MWAITs", exits, times);
	mwaits(KVM_X86_DISABLE_EXITS_MWAIT, &times, &exits, &interrupts);
	CHECK(exits <= interrupts + 20, "%lu exits, %lu interrupts of the host", exits,
	      interrupts);
}
