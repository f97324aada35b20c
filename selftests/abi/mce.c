// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine checks that a launcher has its guest see: KVM_X86_SETUP_MCE and
 * KVM_X86_SET_MCE, SDM vol. 3B 16.3.
 */
#include "ltest.h"
#include "mce.h"
#include "mce.guest.gen.h"

#define VAL	(1ULL << 63)
#define OVER	(1ULL << 62)
#define UC	(1ULL << 61)
#define EN	(1ULL << 60)
#define MISCV	(1ULL << 59)
#define ADDRV	(1ULL << 58)
#define PCC	(1ULL << 57)
#define S	(1ULL << 56)
#define AR	(1ULL << 55)

#define RIPV	1
#define EIPV	2
#define MCIP	4

#define BAD	((void *)8)
#define BANKS	10
#define CAP	(BANKS | CAP_CTL | CAP_SER)

/* As a memory error is told that software may recover from, and one that is corrected. */
#define FATAL		(VAL | UC | EN | MISCV | ADDRV | S | AR | 0x134)
#define CORRECTED	(VAL | EN | MISCV | ADDRV | 0x9f)

static struct vcpu *start_in(struct vm *vm, uint64_t entry, uint64_t cap,
			     uint64_t rdi, uint64_t rsi)
{
	struct vcpu *v = vcpu_new(vm, 0, LONG64, entry);

	NEED_CAP(KVM_CAP_MCE);
	if (cap)
		OK(ioctl(v->fd, KVM_X86_SETUP_MCE, &cap));
	vcpu_args(v, rdi, rsi);
	return v;
}

static struct vcpu *start(uint64_t entry, uint64_t cap, uint64_t rdi, uint64_t rsi)
{
	return start_in(vm_new(&payload), entry, cap, rdi, rsi);
}

static int set_mce(struct vcpu *v, int bank, uint64_t status, uint64_t mcg_status,
		   uint64_t addr)
{
	struct kvm_x86_mce mce = {
		.status = status, .addr = addr, .misc = addr | 0x8c, .bank = bank,
		.mcg_status = mcg_status,
	};

	return ioctl(v->fd, KVM_X86_SET_MCE, &mce);
}

/* The guest's handler runs, and finds this. */
static void want_check(struct vcpu *v, uint64_t mcg_status, uint64_t status,
		       uint64_t addr)
{
	CHECK_EQ(want_value(v), mcg_status);
	CHECK_EQ(want_value(v), status);
	CHECK_EQ(want_value(v), addr);
	CHECK_EQ(want_value(v), addr | 0x8c);
}

/* It polls, has had that many machine checks, and finds this. */
static void want_found(struct vcpu *v, uint64_t checks, uint64_t status, uint64_t addr)
{
	CHECK_EQ(want_value(v), checks);
	CHECK_EQ(want_value(v), status);
	CHECK_EQ(want_value(v), addr);
	CHECK_EQ(want_value(v), addr ? addr | 0x8c : 0);
}

TEST(uncorrected)
{
	struct vcpu *v = start(G_takes, CAP, 2, BANKS - 1);
	struct kvm_vcpu_events e;

	want_mark(v, 1);
	OK(set_mce(v, BANKS - 1, FATAL, RIPV | EIPV | MCIP, 0x123000));
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.exception.nr, 18);
	CHECK_EQ(e.exception.injected, 1);
	CHECK_EQ(e.exception.has_error_code, 0);
	CHECK_EQ(msr_get(v, MC_STATUS(BANKS - 1)), FATAL);
	CHECK_EQ(msr_get(v, MCG_STATUS), RIPV | EIPV | MCIP);
	want_check(v, RIPV | EIPV | MCIP, FATAL, 0x123000);
	/* That one is dealt with: another one is nothing worse. */
	want_mark(v, 2);
	OK(set_mce(v, BANKS - 1, FATAL | PCC, MCIP, 0xffffff8000));
	want_check(v, MCIP, FATAL | PCC, 0xffffff8000);
	want_done(v);
}

/* Without KVM_X86_SETUP_MCE there are 32 banks, and reporting is off. */
TEST(all_banks)
{
	struct vcpu *v = start(G_takes, 0, 1, 31);

	CHECK_EQ(node_cap(KVM_CAP_MCE), 32);
	want_mark(v, 1);
	FAILS(EINVAL, set_mce(v, 32, FATAL, MCIP, 0));
	OK(set_mce(v, 31, FATAL, MCIP, 0x1000));
	CHECK_EQ(msr_get(v, MC_STATUS(31)), 0);
	msr_set(v, MC_CTL(31), -1);
	OK(set_mce(v, 31, FATAL, MCIP, 0x2000));
	want_check(v, MCIP, FATAL, 0x2000);
	want_done(v);
}

/* A second one while the first is in progress: the processor shuts down. */
TEST(in_progress)
{
	struct vcpu *v = start(G_keeps, CAP, 0, 3);

	want_mark(v, 1);
	OK(set_mce(v, 3, FATAL, RIPV | MCIP, 0x5000));
	want_check(v, RIPV | MCIP, FATAL, 0x5000);
	want_mark(v, 2);
	OK(set_mce(v, 3, FATAL | PCC, MCIP, 0x7000));
	want_exit(v, KVM_EXIT_SHUTDOWN);
	/* What is known of the first is not lost. */
	CHECK_EQ(msr_get(v, MC_STATUS(3)), FATAL);
	CHECK_EQ(msr_get(v, MC_ADDR(3)), 0x5000);
	CHECK_EQ(msr_get(v, MCG_STATUS), RIPV | MCIP);
}

/* So it does where the guest isn't ready for any. */
TEST(not_enabled)
{
	struct vcpu *v = start(G_looks, CAP, 0, 3);

	want_mark(v, 1);
	OK(set_mce(v, 3, FATAL, RIPV | MCIP, 0x5000));
	want_exit(v, KVM_EXIT_SHUTDOWN);
	CHECK_EQ(msr_get(v, MC_STATUS(3)), 0);
	CHECK_EQ(msr_get(v, MCG_STATUS), 0);
}

/* Logged and no more, whether the guest takes machine checks or not. */
static void corrected_by(bool ready)
{
	struct vcpu *v = start(G_looks, CAP, ready, 3);

	want_mark(v, 1);
	OK(set_mce(v, 3, CORRECTED, 0, 0x5000));
	want_found(v, 0, CORRECTED, 0x5000);
	/* A later one takes its place. */
	want_mark(v, 2);
	OK(set_mce(v, 3, CORRECTED | 0x100, 0, 0x6000));
	want_found(v, 0, CORRECTED | 0x100 | OVER, 0x6000);
	/* Taken out, there is nothing to be over. */
	want_mark(v, 3);
	msr_set(v, MC_STATUS(3), 0);
	OK(set_mce(v, 3, CORRECTED, 0, 0x7000));
	want_found(v, 0, CORRECTED, 0x7000);
	want_mark(v, 4);
	CHECK_EQ(msr_get(v, MC_STATUS(2)), 0);
	CHECK_EQ(msr_get(v, MC_STATUS(4)), 0);
	CHECK_EQ(msr_get(v, MCG_STATUS), 0);
}

TEST(corrected) { corrected_by(true); }
TEST(corrected_not_enabled) { corrected_by(false); }

/* What is worse is not lost by what isn't; what isn't, by what is worse. */
TEST(overflow)
{
	struct vcpu *v = start(G_looks, CAP, 1, 3);

	want_mark(v, 1);
	OK(set_mce(v, 3, CORRECTED, 0, 0x5000));
	OK(set_mce(v, 3, FATAL, RIPV | MCIP, 0x6000));
	want_check(v, RIPV | MCIP, FATAL | OVER, 0x6000);
	want_found(v, 1, FATAL | OVER, 0x6000);
	want_mark(v, 2);
	msr_set(v, MC_STATUS(3), FATAL);
	OK(set_mce(v, 3, CORRECTED, 0, 0x7000));
	want_found(v, 1, FATAL | OVER, 0x6000);
	CHECK_EQ(msr_get(v, MCG_STATUS), RIPV | MCIP);
	/* The handler is done, but has left the bank as it was. */
	want_mark(v, 3);
	msr_set(v, MCG_STATUS, 0);
	OK(set_mce(v, 3, FATAL | PCC, MCIP, 0x8000));
	want_check(v, MCIP, FATAL | PCC | OVER, 0x8000);
	want_found(v, 2, FATAL | PCC | OVER, 0x8000);
}

/*
 * Uncorrected, but nobody has to do anything now (UCNA, SDM vol. 3B 16.6.3): only
 * logged, also by who takes no machine checks or is at one. One bit more makes it one.
 */
TEST(no_action)
{
	const uint64_t ucna = VAL | UC | EN | MISCV | ADDRV | 0x9f;
	struct vcpu *v = start(G_looks, CAP, 0, 3);

	want_mark(v, 1);
	OK(set_mce(v, 3, ucna, 0, 0x5000));
	want_found(v, 0, ucna, 0x5000);

	v = start(G_looks, CAP, 1, 3);
	want_mark(v, 1);
	OK(set_mce(v, 3, ucna, 0, 0x5000));
	want_found(v, 0, ucna, 0x5000);
	want_mark(v, 2);
	msr_set(v, MCG_CTL, 0);
	OK(set_mce(v, 3, ucna | 0x100, 0, 0x6000));
	want_found(v, 0, ucna | 0x100, 0x6000);
	want_mark(v, 3);
	msr_set(v, MCG_CTL, -1);
	msr_set(v, MC_STATUS(3), 0);
	OK(set_mce(v, 3, ucna, MCIP, 0x7000));
	want_check(v, MCIP, ucna, 0x7000);
	want_found(v, 1, ucna, 0x7000);
	want_mark(v, 4);
	OK(set_mce(v, 3, ucna, 0, 0x7800));
	if (!node_is_kvm())
		CHECK_EQ(msr_get(v, MCG_STATUS), MCIP);
	want_found(v, 1, ucna, 0x7800);
	want_mark(v, 5);
	msr_set(v, MC_STATUS(3), 0);
	msr_set(v, MCG_STATUS, 0);
	OK(set_mce(v, 3, ucna | S, 0, 0x8000));
	want_check(v, 0, ucna | S, 0x8000);
	want_found(v, 2, ucna | S, 0x8000);
}

/* Reporting that is off, for all banks or for one, is obeyed. */
TEST(switched_off)
{
	struct vcpu *v = start(G_switches, CAP, 0, 3);
	int i;

	for (i = 1; i <= 3; i++) {
		want_mark(v, i);
		OK(set_mce(v, 3, FATAL, MCIP, 0x1000 * i));
	}
	want_mark(v, 4);
	OK(set_mce(v, 2, FATAL, MCIP, 0x4000));
	want_check(v, MCIP, FATAL, 0x4000);
	want_mark(v, 5);
	OK(set_mce(v, 3, FATAL, MCIP, 0x5000));
	want_check(v, MCIP, FATAL, 0x5000);
	want_done(v);
}

/* Corrected errors are logged in any case. */
TEST(switched_off_corrected)
{
	struct vcpu *v = start(G_looks, CAP, 1, 3);

	want_mark(v, 1);
	msr_set(v, MCG_CTL, 0);
	msr_set(v, MC_CTL(3), 0);
	OK(set_mce(v, 3, CORRECTED, 0, 0x5000));
	want_found(v, 0, CORRECTED, 0x5000);
}

TEST(halted)
{
	struct vcpu *v = start(G_halts, CAP, 0, 3);

	want_mark(v, 1);
	want_exit(v, KVM_EXIT_HLT);
	OK(set_mce(v, 3, FATAL, RIPV | MCIP, 0x5000));
	want_check(v, RIPV | MCIP, FATAL, 0x5000);
	want_done(v);
}

/* With an irqchip it's the hypervisor who waits: no longer. */
TEST(wakes)
{
	struct vcpu *v = start_in(vm_new_irqchip(&payload), G_halts, CAP, 0, 3);
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_HALTED };

	want_mark(v, 1);
	OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	OK(set_mce(v, 3, FATAL, RIPV | MCIP, 0x5000));
	want_check(v, RIPV | MCIP, FATAL, 0x5000);
	OK(ioctl(v->fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
}

/* AMD's processors have no bits above MCG_CTL_P. */
static uint64_t cap_seen(uint64_t cap)
{
	return host_is_intel() ? cap : cap & 0x1ff;
}

static void registers_by(uint64_t cap)
{
	want_done(start(G_registers, cap, cap & 0xff, cap_seen(cap)));
}

TEST(registers)
{
	registers_by(CAP);
	registers_by(1 | CAP_SER);
	registers_by(32 | 5 << 16);
}

TEST(refused)
{
	static const uint64_t caps[] = {
		0, CAP_CTL | CAP_SER, 33, 255, BANKS | 1 << 9, BANKS | 1ULL << 63,
	};
	struct vcpu *v = start(G_registers, CAP, BANKS, cap_seen(CAP));
	uint64_t val;
	int i;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		val = caps[i];
		CHECK(ioctl(v->fd, KVM_X86_SETUP_MCE, &val) && errno == EINVAL,
		      "%#lx", val);
	}
	FAILS(EFAULT, ioctl(v->fd, KVM_X86_SETUP_MCE, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_X86_SET_MCE, BAD));
	FAILS(EINVAL, set_mce(v, BANKS, FATAL, MCIP, 0x5000));
	FAILS(EINVAL, set_mce(v, BANKS, CORRECTED, 0, 0x5000));
	FAILS(EINVAL, set_mce(v, 255, FATAL, MCIP, 0x5000));
	FAILS(EINVAL, set_mce(v, 3, FATAL & ~VAL, MCIP, 0x5000));
	FAILS(EINVAL, set_mce(v, 3, CORRECTED & ~VAL, 0, 0x5000));
	CHECK_EQ(msr_get_try(v, MC_STATUS(BANKS), &val), 0);
	CHECK_EQ(msr_set_try(v, MC_STATUS(BANKS), 0), 0);
	CHECK_EQ(msr_set_try(v, MCG_CAP, CAP), 0);
	/* None of that has left anything. */
	CHECK_EQ(msr_get(v, MC_STATUS(3)), 0);
	CHECK_EQ(msr_get(v, MCG_STATUS), 0);
	want_done(v);
}
