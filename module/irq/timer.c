// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's timer, on a high-resolution timer of the host.
 *
 * The callback requests the interrupt itself, so nothing has to be looked at
 * before an entry. It runs on the CPU on which the vCPU is loaded, or was last:
 * the timer follows (lodge_lapic_migrate()).
 *
 * Of a TSC deadline only the value is truth, the host's timer is a promise to
 * look at it in time. So a deadline that is moved to later leaves the timer as it
 * is, and the callback goes to sleep again; guests that go idle and come back
 * do that all the time, and setting up a timer twice costs more than that.
 *
 * Where the hardware has a timer of its own that makes the guest exit
 * (lodge_caps.deadline_timer) a deadline is told to that, which costs the host no
 * timer and no interrupt. It runs while the guest does; before the vCPU's thread
 * sleeps in the kernel, the host's timer takes the deadline over
 * (lodge_lapic_sleep()). In user space nobody asks: what was due meanwhile comes
 * with the next entry.
 */
#include <asm/msr.h>

#include "backend.h"
#include "chips.h"
#include "trace.h"

/*
 * Going out for a host interrupt and in again takes about this long; for less,
 * waiting here is cheaper. Like KVM's advance of the timer, but not early.
 */
#define WAIT_NS			1000
/* A guest shall not keep the host in timer interrupts: as KVM's min_timer_period_us */
#define MIN_PERIOD_NS		(200 * NSEC_PER_USEC)
/* Longest sleep towards a deadline: keeps the arithmetic in 64 bits. */
#define MAX_CYCLES		(1ULL << 40)

/* SDM vol. 3A figure 10-10: bits 0, 1 and 3; 111 divides by 1. */
u32 lodge_timer_divisor(u32 tdcr)
{
	u32 v = (tdcr & 3) | (tdcr & 8) >> 1;

	return v == 7 ? 1 : 2u << v;
}

/* The clock of the bus runs at 1 GHz, as KVM's. */
static u64 count_to_ns(struct lodge_lapic *apic, u32 count)
{
	return (u64)count * apic->divisor;
}

/* How long till the deadline; 0 if it is reached. */
static u64 deadline_ns(struct lodge_lapic *apic, u64 deadline)
{
	struct lodge_vcpu *vcpu = apic->vcpu;
	u64 now = lodge_tsc_read(vcpu, rdtsc());

	if (deadline <= now)
		return 0;
	return min(deadline - now, MAX_CYCLES) * USEC_PER_SEC /
		max(vcpu->tsc.khz, 1u) + 1;
}

static void expire(struct lodge_lapic *apic, bool self)
{
	trace_lodge_timer(apic->vcpu, lodge_lapic_lvt(apic, LVT_TIMER) & APIC_VECTOR_MASK);
	lodge_lapic_local(apic, LVT_TIMER, self);
}

static enum hrtimer_restart deadline_fn(struct lodge_lapic *apic)
{
	u64 deadline, ns;

	do {
		deadline = READ_ONCE(apic->tsc_deadline);
		if (!deadline)
			return HRTIMER_NORESTART;
		ns = deadline_ns(apic, deadline);
		if (ns) {
			hrtimer_set_expires(&apic->timer,
					    ktime_add_ns(ktime_get(), ns));
			return HRTIMER_RESTART;
		}
		/* The owner may just be moving it: then look again. */
	} while (cmpxchg(&apic->tsc_deadline, deadline, 0) != deadline);

	expire(apic, false);
	return HRTIMER_NORESTART;
}

static enum hrtimer_restart timer_fn(struct hrtimer *timer)
{
	struct lodge_lapic *apic = container_of(timer, struct lodge_lapic, timer);

	if (apic->timer_mode == APIC_LVT_TIMER_TSCDEADLINE)
		return deadline_fn(apic);

	expire(apic, false);
	if (apic->timer_mode != APIC_LVT_TIMER_PERIODIC)
		return HRTIMER_NORESTART;
	/* Periods that the host slept through are gone. */
	hrtimer_forward_now(timer, ns_to_ktime(apic->period));
	apic->target = hrtimer_get_expires(timer);
	return HRTIMER_RESTART;
}

void lodge_timer_init(struct lodge_lapic *apic)
{
	hrtimer_init(&apic->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	apic->timer.function = timer_fn;
}

/* Afterwards the callback neither runs nor will. It takes no lock of ours. */
static void cancel(struct lodge_lapic *apic)
{
	if (hrtimer_active(&apic->timer))
		hrtimer_cancel(&apic->timer);
}

/* A deadline so far that it would wrap in the host's counter is armed in steps. */
static void hw_arm(struct lodge_lapic *apic, u64 deadline)
{
	u64 now, at = 0;

	if (deadline) {
		now = lodge_tsc_read(apic->vcpu, rdtsc());
		at = deadline > now ? now + min(deadline - now, MAX_CYCLES) : deadline;
		at = lodge_tsc_to_host(apic->vcpu, at);
	}
	apic->hw_deadline = deadline;
	lodge_backend->deadline(apic->vcpu, at);
}

/* Neither the host's timer nor the hardware's will fire any more. */
void lodge_timer_stop(struct lodge_lapic *apic)
{
	cancel(apic);
	if (apic->hw_deadline)
		hw_arm(apic, 0);
}

static void start_at(struct lodge_lapic *apic, ktime_t when)
{
	hrtimer_start(&apic->timer, when, HRTIMER_MODE_ABS_PINNED_HARD);
}

/* The timer counts down from @count, part of the initial count TMICT. */
void lodge_timer_start(struct lodge_lapic *apic, u32 count)
{
	u32 initial = lodge_lapic_reg(apic, APIC_TMICT);
	u64 ns = count_to_ns(apic, count);

	lodge_timer_stop(apic);
	apic->period = count_to_ns(apic, initial);
	if (!ns || apic->timer_mode == APIC_LVT_TIMER_TSCDEADLINE)
		return;
	if (apic->timer_mode == APIC_LVT_TIMER_PERIODIC) {
		apic->period = max_t(u64, apic->period, MIN_PERIOD_NS);
		if (count == initial)
			ns = apic->period;
	}
	apic->target = ktime_add_ns(ktime_get(), ns);
	start_at(apic, apic->target);
}

/* The current count; 0 only if the timer is at rest. */
u32 lodge_timer_count(struct lodge_lapic *apic)
{
	s64 left;

	if (apic->timer_mode == APIC_LVT_TIMER_TSCDEADLINE ||
	    !hrtimer_active(&apic->timer))
		return 0;
	left = ktime_to_ns(ktime_sub(apic->target, ktime_get()));
	if (left <= 0)
		return 1;
	return min_t(u64, DIV_ROUND_UP_ULL(left, apic->divisor),
		     lodge_lapic_reg(apic, APIC_TMICT));
}

/* LVT timer was written: to and from deadlines the timer is disarmed (10.5.4.1). */
void lodge_timer_mode(struct lodge_lapic *apic)
{
	u32 mode = lodge_lapic_lvt(apic, LVT_TIMER) & (3 << 17);

	if (mode == apic->timer_mode)
		return;
	if ((mode == APIC_LVT_TIMER_TSCDEADLINE) !=
	    (apic->timer_mode == APIC_LVT_TIMER_TSCDEADLINE)) {
		lodge_timer_stop(apic);
		lodge_lapic_put(apic, APIC_TMICT, 0);
		apic->period = 0;
		apic->tsc_deadline = 0;
	}
	if (mode == APIC_LVT_TIMER_PERIODIC)
		apic->period = max_t(u64, apic->period, MIN_PERIOD_NS);
	WRITE_ONCE(apic->timer_mode, mode);
}

/* The divisor changes: what is left of the count is counted at the new rate. */
void lodge_timer_divide(struct lodge_lapic *apic, u32 tdcr)
{
	u32 count = lodge_timer_count(apic);

	lodge_lapic_put(apic, APIC_TDCR, tdcr & 0xb);
	apic->divisor = lodge_timer_divisor(tdcr);
	if (count)
		lodge_timer_start(apic, count);
}

/**
 * lodge_lapic_tsc_deadline - read IA32_TSC_DEADLINE
 * @vcpu: the vCPU
 *
 * Return: guest TSC at which the timer will fire; 0 once it has, or if it is
 * not in deadline mode.
 */
u64 lodge_lapic_tsc_deadline(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;

	return apic ? READ_ONCE(apic->tsc_deadline) : 0;
}

/**
 * lodge_lapic_set_tsc_deadline - write IA32_TSC_DEADLINE
 * @vcpu: the vCPU
 * @deadline: guest TSC, 0 disarms
 *
 * Ignored unless the timer is in deadline mode (SDM vol. 3A 10.5.4.1).
 *
 * Context: the vCPU's thread; interrupts may be off.
 */
void lodge_lapic_set_tsc_deadline(struct lodge_vcpu *vcpu, u64 deadline)
{
	struct lodge_lapic *apic = vcpu->apic;
	ktime_t when;
	u64 ns;

	if (!apic || apic->timer_mode != APIC_LVT_TIMER_TSCDEADLINE ||
	    !lodge_lapic_hw_enabled(apic))
		return;
	ns = deadline ? deadline_ns(apic, deadline) : 0;
	if (ns <= WAIT_NS) {
		WRITE_ONCE(apic->tsc_deadline, 0);
		lodge_timer_stop(apic);
		if (!deadline)
			return;
		while (ns && deadline_ns(apic, deadline))
			cpu_relax();
		expire(apic, true);
		return;
	}
	/* A full barrier: the callback, if it comes, sees the new one. */
	xchg(&apic->tsc_deadline, deadline);
	/* In deep sleep, into which a guest may go by MWAIT, it stands. */
	if (lodge_caps.deadline_timer &&
	    !(apic->vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_MWAIT)) {
		cancel(apic);
		hw_arm(apic, READ_ONCE(apic->tsc_deadline));
		return;
	}
	when = ktime_add_ns(ktime_get(), ns);
	if (hrtimer_is_queued(&apic->timer) &&
	    ktime_compare(hrtimer_get_expires(&apic->timer), when) <= 0)
		return;
	lodge_timer_stop(apic);
	/* It may have fired while it was being stopped. */
	if (READ_ONCE(apic->tsc_deadline))
		start_at(apic, when);
}

/**
 * lodge_lapic_deadline_exit - the hardware's timer made the guest exit
 * @vcpu: the vCPU
 *
 * Context: the vCPU's thread; interrupts may be off.
 */
void lodge_lapic_deadline_exit(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;

	if (!apic || !apic->hw_deadline)
		return;
	/* It counts less far, and less finely, than a deadline goes. */
	if (deadline_ns(apic, apic->tsc_deadline)) {
		hw_arm(apic, apic->tsc_deadline);
		return;
	}
	hw_arm(apic, 0);
	apic->tsc_deadline = 0;
	expire(apic, true);
}

/**
 * lodge_lapic_sleep - the vCPU's thread is about to sleep in the kernel
 * @vcpu: the vCPU, loaded
 */
void lodge_lapic_sleep(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;

	if (!apic || !apic->hw_deadline)
		return;
	hw_arm(apic, 0);
	start_at(apic, ktime_add_ns(ktime_get(),
				    deadline_ns(apic, apic->tsc_deadline)));
}

/**
 * lodge_lapic_tsc_changed - the guest's counter was set
 * @vcpu: the vCPU: its deadline is nearer now, or farther
 *
 * Context: the vCPU's thread; interrupts may be off.
 */
void lodge_lapic_tsc_changed(struct lodge_vcpu *vcpu)
{
	u64 deadline = lodge_lapic_tsc_deadline(vcpu);

	if (deadline)
		lodge_lapic_set_tsc_deadline(vcpu, deadline);
}

/*
 * A launcher has set the registers, with @left of the count. Those who don't know
 * it, as QEMU, say 0. Then a period begins anew and a single count is over, as in
 * KVM: a guest copes with a tick too many, but not with one that never comes.
 * A deadline, which is an MSR's, stays.
 */
void lodge_timer_restore(struct lodge_lapic *apic, u32 left)
{
	u32 initial = lodge_lapic_reg(apic, APIC_TMICT);

	if (apic->timer_mode == APIC_LVT_TIMER_TSCDEADLINE) {
		lodge_lapic_set_tsc_deadline(apic->vcpu, apic->tsc_deadline);
		return;
	}
	if (!left && apic->timer_mode == APIC_LVT_TIMER_PERIODIC)
		left = initial;
	lodge_timer_start(apic, min(left, initial));
	if (!left && initial)
		expire(apic, true);
}

/**
 * lodge_lapic_migrate - the vCPU was loaded on another CPU
 * @vcpu: the vCPU
 *
 * Context: preemption off.
 */
void lodge_lapic_migrate(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;

	if (apic && hrtimer_cancel(&apic->timer))
		hrtimer_start_expires(&apic->timer, HRTIMER_MODE_ABS_PINNED_HARD);
}
