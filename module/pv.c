// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: KVM's paravirtual interface
 *
 * What a Linux guest finds at CPUID 0x40000001: a clock it can read without
 * an exit, the wall-clock time at its start, the time stolen from a vCPU, a few
 * hypercalls (Documentation/virt/kvm/x86/ in the kernel has their ABI). Offered
 * are clocksource, clocksource2 and the stable bit, nop-io-delay, steal time,
 * PV TLB flush, PV unhalt, PV send-IPI, poll control and PV sched-yield. Not
 * offered are async page faults and PV EOI.
 *
 * Guest memory is written by the vCPU's own thread, before it enters: whoever
 * wants a clock page renewed sets LODGE_REQ_CLOCK.
 *
 * One time base: if the host's clock source is the TSC and all vCPUs' counters
 * agree (tsc.c), then all clock pages are made from one pair of counter and
 * time, and the guest is told that it may compare them (TSC_STABLE). When
 * that pair changes, no vCPU may run on the old one while another one
 * has the new: pv.sem is taken for writing, all vCPUs are thrown out of the
 * guest with LODGE_REQ_CLOCK set, the pair is changed, and they, waiting to read
 * it, go on. Otherwise each vCPU has a pair of its own, renewed when it comes to
 * another CPU and every few seconds, and guests guard themselves against going
 * back.
 *
 * Time is CLOCK_MONOTONIC_RAW and the time spent suspended: what the guest
 * computes from a counter can't follow the slewing of NTP.
 *
 * Locks: vcpu->lock > pv.sem; tsc.lock inside.
 */
#include <linux/irq_work.h>
#include <linux/kvm_para.h>
#include <linux/math64.h>
#include <linux/pvclock_gtod.h>
#include <linux/sched/stat.h>
#include <linux/timekeeper_internal.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>

#include "backend.h"
#include "trace.h"

/* A clock page without a common time base is renewed after so long. */
#define RENEW_AFTER	(10 * HZ)

/*
 * The host's clock, as the timekeeper last told: is it the TSC, and when did it
 * last change?
 */
static struct {
	bool is_tsc;
	u8 changes;
	u64 boot_offset;
} host_clock;

/*
 * The host's clock.
 */

/**
 * lodge_pv_base_ns - the time that guests' clocks are made of
 *
 * Context: any but NMI.
 */
u64 lodge_pv_base_ns(void)
{
	return ktime_get_raw_ns() + READ_ONCE(host_clock.boot_offset);
}

struct moment {
	u64 tsc;	/* the host's counter, if the clock source is the TSC */
	u64 base_ns;
	u64 real_ns;
};

/* Counter and times of one moment. True if there is a counter. */
static bool take_moment(struct moment *m)
{
	struct system_time_snapshot s;

	ktime_get_snapshot(&s);
	m->tsc = s.cycles;
	m->base_ns = ktime_to_ns(s.raw) + READ_ONCE(host_clock.boot_offset);
	m->real_ns = ktime_to_ns(s.real);
	return READ_ONCE(host_clock.is_tsc) &&
	       READ_ONCE(host_clock.changes) == s.cs_was_changed_seq;
}

/*
 * The vCPUs do the rest before they enter again, each VM for itself: one whose
 * launcher keeps its guest's clock page from being written holds up nobody else.
 */
static void clock_changed(struct lodge_vm *vm)
{
	WRITE_ONCE(vm->pv.stale, true);
	lodge_vm_request_all(vm, LODGE_REQ_CLOCK);
}

static void clock_changed_fn(struct work_struct *work)
{
	lodge_vm_each(clock_changed);
}

static DECLARE_WORK(clock_changed_work, clock_changed_fn);

/* Work can't be queued from the timekeeper, which waking up would call. */
static void clock_changed_irq(struct irq_work *work)
{
	schedule_work(&clock_changed_work);
}

static DEFINE_IRQ_WORK(clock_changed_irq_work, clock_changed_irq);

static int timekeeper_notify(struct notifier_block *nb, unsigned long stepped,
			     void *priv)
{
	const struct timekeeper *tk = priv;
	bool is_tsc = tk->tkr_mono.clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC;
	bool was = host_clock.is_tsc;

	WRITE_ONCE(host_clock.boot_offset, ktime_to_ns(tk->offs_boot));
	WRITE_ONCE(host_clock.changes, tk->cs_was_changed_seq);
	WRITE_ONCE(host_clock.is_tsc, is_tsc);
	if (was != is_tsc)
		irq_work_queue(&clock_changed_irq_work);
	return 0;
}

static struct notifier_block timekeeper_nb = {
	.notifier_call = timekeeper_notify,
};

/**
 * lodge_pv_init - at load: follow the host's clock
 *
 * Return: 0 or an errno.
 */
int __init lodge_pv_init(void)
{
	return pvclock_gtod_register_notifier(&timekeeper_nb);
}

/** lodge_pv_exit - at unload */
void lodge_pv_exit(void)
{
	pvclock_gtod_unregister_notifier(&timekeeper_nb);
	irq_work_sync(&clock_changed_irq_work);
	cancel_work_sync(&clock_changed_work);
}

/*
 * A VM's time base.
 */

/* Under vm->pv.sem for writing, with no vCPU in the guest. */
static void take_time_base(struct lodge_vm *vm)
{
	struct lodge_vm_pv *pv = &vm->pv;
	struct moment m;
	unsigned long flags;
	bool agree;

	WRITE_ONCE(pv->stale, false);
	/* What makes it stale from now on is seen by the next one. */
	smp_mb();
	raw_spin_lock_irqsave(&vm->tsc.lock, flags);
	agree = vm->tsc.matched >= READ_ONCE(vm->nr_vcpus);
	raw_spin_unlock_irqrestore(&vm->tsc.lock, flags);
	/* The old MSR's guests don't know the flag, and must not run on without. */
	pv->master = take_moment(&m) && agree && !READ_ONCE(pv->old_msr) && tsc_khz;
	pv->master_tsc = m.tsc;
	pv->master_nsec = m.base_ns;
}

static void renew_time_base(struct lodge_vm *vm)
{
	down_write(&vm->pv.sem);
	lodge_vm_request_all(vm, LODGE_REQ_CLOCK);
	take_time_base(vm);
	up_write(&vm->pv.sem);
}

/**
 * lodge_pv_tsc_changed - a vCPU's counter was written
 * @vcpu: the vCPU
 *
 * Whether all of them agree may have changed.
 *
 * Context: any but NMI.
 */
void lodge_pv_tsc_changed(struct lodge_vcpu *vcpu)
{
	WRITE_ONCE(vcpu->vm->pv.stale, true);
	lodge_vcpu_request(vcpu, LODGE_REQ_CLOCK);
}

/**
 * lodge_pv_time_scale - cycles to nanoseconds, as pvclock wants it
 * @khz: the counter's rate, not 0
 * @shift: ns = ((cycles << shift) * mul) >> 32; may be negative
 * @mul: the multiplier
 */
void lodge_pv_time_scale(u32 khz, s8 *shift, u32 *mul)
{
	u64 hz = khz * 1000ull, ns = NSEC_PER_SEC;
	s8 s = 0;

	/* Make the counter's rate a value between ns and 2 * ns, below 2^32. */
	while (hz > 2 * ns || hz >> 32) {
		hz >>= 1;
		s--;
	}
	while (hz <= ns) {
		hz <<= 1;
		s++;
	}
	*shift = s;
	*mul = div64_u64(ns << 32, hz);
}

/* The guest's clock, under vm->pv.sem; with a moment if there is one. */
static u64 clock_ns(struct lodge_vm *vm, struct moment *m, bool *have_tsc)
{
	struct lodge_vm_pv *pv = &vm->pv;
	s8 shift;
	u32 mul;

	*have_tsc = take_moment(m);
	if (!pv->master)
		return m->base_ns + pv->clock_offset;
	/* As the guests compute it. */
	if (!*have_tsc)
		m->tsc = rdtsc();
	lodge_pv_time_scale(tsc_khz, &shift, &mul);
	return pv->master_nsec + pv->clock_offset +
	       pvclock_scale_delta(m->tsc - pv->master_tsc, mul, shift);
}

/** lodge_vm_pv_init - with the VM */
void lodge_vm_pv_init(struct lodge_vm *vm)
{
	init_rwsem(&vm->pv.sem);
	vm->pv.clock_offset = -lodge_pv_base_ns();
}

/** lodge_pv_get_clock - KVM_GET_CLOCK; 0 or -EFAULT */
long lodge_pv_get_clock(struct lodge_vm *vm, void __user *arg)
{
	struct kvm_clock_data data = { };
	struct moment m;
	bool have_tsc;

	down_read(&vm->pv.sem);
	data.clock = clock_ns(vm, &m, &have_tsc);
	if (vm->pv.master) {
		data.flags = KVM_CLOCK_TSC_STABLE;
		data.host_tsc = m.tsc;
		if (have_tsc) {
			data.flags |= KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
			data.realtime = m.real_ns;
		}
	}
	up_read(&vm->pv.sem);
	return copy_to_user(arg, &data, sizeof(data)) ? -EFAULT : 0;
}

/**
 * lodge_pv_set_clock - KVM_SET_CLOCK
 * @vm: the VM
 * @arg: struct kvm_clock_data; with KVM_CLOCK_REALTIME the clock moves on by
 *	the time that has passed since
 *
 * Return: 0; -EINVAL for unknown flags; -EFAULT.
 */
long lodge_pv_set_clock(struct lodge_vm *vm, void __user *arg)
{
	struct lodge_vm_pv *pv = &vm->pv;
	struct kvm_clock_data data;
	u64 now;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	if (data.flags & ~(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME |
			   KVM_CLOCK_HOST_TSC))
		return -EINVAL;
	down_write(&pv->sem);
	lodge_vm_request_all(vm, LODGE_REQ_CLOCK);
	take_time_base(vm);
	if (data.flags & KVM_CLOCK_REALTIME) {
		now = ktime_get_real_ns();
		if (now > data.realtime)
			data.clock += now - data.realtime;
	}
	pv->clock_offset = data.clock - pv->master_nsec;
	up_write(&pv->sem);
	return 0;
}

/*
 * A vCPU's clock page.
 */

/*
 * What the guest reads without a lock: its version is odd while the rest of it
 * changes, since other vCPUs may be reading it. @p has the version that the
 * guest sees now, @at bytes from its start.
 */
static void write_versioned(struct lodge_vcpu *vcpu, gpa_t gpa, void *p,
			    size_t len, size_t at)
{
	u32 *version = p + at;

	*version = (*version + 1) | 1;
	if (lodge_guest_write(vcpu, gpa + at, version, sizeof(*version)))
		return;
	/* Odd before anything else changes ... */
	smp_wmb();
	lodge_guest_write(vcpu, gpa, p, len);
	/* ... even after everything has. */
	smp_wmb();
	++*version;
	lodge_guest_write(vcpu, gpa + at, version, sizeof(*version));
}

static u32 guest_khz(const struct lodge_vcpu *vcpu)
{
	if (!lodge_caps.tsc_scaling)
		return tsc_khz;
	return mul_u64_u64_shr(tsc_khz, vcpu->tsc.ratio, lodge_caps.tsc_frac_bits);
}

static void renew_clock_page(struct lodge_vcpu *vcpu)
{
	const struct lodge_vm_pv *vpv = &vcpu->vm->pv;
	struct lodge_pv *pv = &vcpu->pv;
	struct pvclock_vcpu_time_info info = { }, old;
	gpa_t gpa = pv->clock_msr & ~1ull;
	u64 tsc = vpv->master_tsc, ns = vpv->master_nsec;
	u32 khz = guest_khz(vcpu);
	unsigned long flags;

	if (!khz)
		return;
	if (khz != pv->hw_tsc_khz) {
		lodge_pv_time_scale(khz, &pv->tsc_shift, &pv->tsc_mul);
		pv->hw_tsc_khz = khz;
	}
	if (!vpv->master) {
		local_irq_save(flags);
		tsc = rdtsc();
		ns = lodge_pv_base_ns();
		local_irq_restore(flags);
	}
	info.tsc_timestamp = lodge_tsc_read(vcpu, tsc);
	info.system_time = ns + vpv->clock_offset;
	info.tsc_to_system_mul = pv->tsc_mul;
	info.tsc_shift = pv->tsc_shift;
	info.flags = vpv->master ? PVCLOCK_TSC_STABLE_BIT : 0;
	info.flags |= xchg(&pv->clock_flags, 0);
	pv->renewed = jiffies;
	if (lodge_guest_read(vcpu, gpa, &old, sizeof(old)))
		return;
	/* Told once; the guest clears it when it has seen it. */
	info.flags |= old.flags & PVCLOCK_GUEST_STOPPED;
	info.version = old.version;
	write_versioned(vcpu, gpa, &info, sizeof(info),
			offsetof(typeof(info), version));
}

/**
 * lodge_pv_clock_update - LODGE_REQ_CLOCK: renew the vCPU's clock page
 * @vcpu: the vCPU, in KVM_RUN
 *
 * Context: may sleep; vm->srcu is held for reading.
 * Return: 0.
 */
int lodge_pv_clock_update(struct lodge_vcpu *vcpu)
{
	struct lodge_vm *vm = vcpu->vm;

	if (READ_ONCE(vm->pv.stale)) {
		renew_time_base(vm);
		/* That asked this vCPU too; it does it now. */
		clear_bit(LODGE_REQ_CLOCK, &vcpu->requests);
		/* Asked again from now on: then the time base is read again. */
		smp_mb__after_atomic();
	}
	down_read(&vm->pv.sem);
	if (vcpu->pv.clock_msr & KVM_MSR_ENABLED)
		renew_clock_page(vcpu);
	up_read(&vm->pv.sem);
	return 0;
}

/**
 * lodge_pv_kvmclock_ctrl - KVM_KVMCLOCK_CTRL: the guest was stopped for long
 * @vcpu: the vCPU
 *
 * Its watchdogs shall not bark: it is told with the next clock page.
 *
 * Return: 0, or -EINVAL if it has no clock page.
 */
long lodge_pv_kvmclock_ctrl(struct lodge_vcpu *vcpu)
{
	if (!(vcpu->pv.clock_msr & KVM_MSR_ENABLED))
		return -EINVAL;
	vcpu->pv.clock_flags = PVCLOCK_GUEST_STOPPED;
	lodge_vcpu_request(vcpu, LODGE_REQ_CLOCK);
	return 0;
}

/* The real time when the guest's clock was zero. */
static void write_wall_clock(struct lodge_vcpu *vcpu, gpa_t gpa)
{
	struct lodge_vm *vm = vcpu->vm;
	struct pvclock_wall_clock wc;
	struct moment m;
	bool have_tsc;
	u64 clock, start;
	u32 ns;

	if (!gpa || lodge_guest_read(vcpu, gpa, &wc.version, sizeof(wc.version)))
		return;
	down_read(&vm->pv.sem);
	clock = clock_ns(vm, &m, &have_tsc);
	up_read(&vm->pv.sem);
	start = div_u64_rem(m.real_ns - clock, NSEC_PER_SEC, &ns);
	wc.sec = start;		/* until 2106 */
	wc.nsec = ns;
	write_versioned(vcpu, gpa, &wc, sizeof(wc),
			offsetof(typeof(wc), version));
}

/*
 * Stolen time.
 */

#define STEAL_GPA(pv)	((pv)->steal_msr & KVM_STEAL_VALID_BITS)

/*
 * The page no longer says "preempted". Who saw that it did may have left to this vCPU
 * what it must forget of its page tables (KVM_FEATURE_PV_TLB_FLUSH), with a flag beside:
 * then it has to, before it runs. False if it needn't.
 */
static bool clear_preempted(struct lodge_vcpu *vcpu, gpa_t gpa, u8 was)
{
	static const u8 none;
	bool flush = false;
	int ret, tries;

	/* Other vCPUs add the flag once; a guest that plays with it has the last try. */
	for (tries = 0; tries < 4; tries++) {
		ret = lodge_guest_cmpxchg(vcpu, gpa, &was, &none, sizeof(was));
		if (!ret)
			return flush || was & KVM_VCPU_FLUSH_TLB;
		if (ret < 0)
			return true;
		flush = true;
	}
	lodge_guest_write(vcpu, gpa, &none, sizeof(none));
	return true;
}

/**
 * lodge_pv_steal_update - LODGE_REQ_STEAL: tell what was stolen since
 * @vcpu: the vCPU, in KVM_RUN
 *
 * Context: may sleep; vm->srcu is held for reading.
 */
void lodge_pv_steal_update(struct lodge_vcpu *vcpu)
{
	struct lodge_pv *pv = &vcpu->pv;
	struct kvm_steal_time st;
	gpa_t gpa = STEAL_GPA(pv);
	const size_t len = offsetof(struct kvm_steal_time, preempted);
	u64 delay = lodge_run_delay(current);
	bool flush = false;

	if (!(pv->steal_msr & KVM_MSR_ENABLED) ||
	    lodge_guest_read(vcpu, gpa, &st, offsetofend(typeof(st), preempted)))
		return;
	/* Another thread runs it now: its delays so far were not the vCPU's. */
	if (pv->steal_task == current)
		st.steal += delay - pv->steal_last;
	pv->steal_task = current;
	pv->steal_last = delay;

	/* Then told: as long as it is, the flag isn't written over what others add to it. */
	if (pv->told || st.preempted)
		flush = clear_preempted(vcpu, gpa + len, st.preempted);
	pv->told = false;
	write_versioned(vcpu, gpa, &st, len, offsetof(typeof(st), version));
	if (flush) {
		lodge_backend->tlb_flush(vcpu, false);
		vcpu->stats.tlb_flush++;
	}
}

/**
 * lodge_pv_sched_out - the vCPU's thread leaves its CPU
 * @vcpu: the vCPU
 *
 * Other vCPUs that wait for a lock it holds are told not to spin.
 *
 * Context: the scheduler's; interrupts off.
 */
void lodge_pv_sched_out(struct lodge_vcpu *vcpu)
{
	static const u8 flag = KVM_VCPU_PREEMPTED;
	u64 generation = vcpu->slot_generation;
	struct lodge_slot *slot = vcpu->slot;
	struct lodge_pv *pv = &vcpu->pv;
	int idx;

	/* Outside KVM_RUN it holds no lock, and when the process ends no memory. */
	if (!vcpu->xstate.in_run || current->mm != vcpu->vm->mm)
		return;
	WRITE_ONCE(pv->preempted, task_is_running(current));
	if (!(pv->steal_msr & KVM_MSR_ENABLED) || pv->told)
		return;
	idx = srcu_read_lock(&vcpu->vm->srcu);
	if (!lodge_guest_write_atomic(vcpu, STEAL_GPA(pv) +
				      offsetof(struct kvm_steal_time, preempted),
				      &flag, sizeof(flag)))
		pv->told = true;
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	/* The thread may be in the midst of using these: it finds them as they were. */
	vcpu->slot = slot;
	vcpu->slot_generation = generation;
}

/**
 * lodge_pv_sched_in - the vCPU is loaded on a CPU, vcpu->cpu
 * @vcpu: the vCPU
 *
 * Context: preemption off; interrupts may be.
 */
void lodge_pv_sched_in(struct lodge_vcpu *vcpu)
{
	struct lodge_pv *pv = &vcpu->pv;
	bool moved = pv->last_cpu != vcpu->cpu;

	pv->last_cpu = vcpu->cpu;
	WRITE_ONCE(pv->preempted, false);
	if (pv->clock_msr & KVM_MSR_ENABLED && !READ_ONCE(vcpu->vm->pv.master) &&
	    (moved || time_after(jiffies, pv->renewed + RENEW_AFTER)))
		lodge_vcpu_request(vcpu, LODGE_REQ_CLOCK);
	if (pv->steal_msr & KVM_MSR_ENABLED &&
	    (pv->told || pv->steal_task != current ||
	     pv->steal_last != lodge_run_delay(current)))
		lodge_vcpu_request(vcpu, LODGE_REQ_STEAL);
}

/*
 * MSRs.
 */

/** lodge_pv_features - what CPUID 0x40000001 EAX offers */
u32 lodge_pv_features(void)
{
	u32 features = BIT(KVM_FEATURE_NOP_IO_DELAY) |
		       BIT(KVM_FEATURE_PV_UNHALT) |
		       BIT(KVM_FEATURE_PV_SEND_IPI) |
		       BIT(KVM_FEATURE_POLL_CONTROL) |
		       BIT(KVM_FEATURE_PV_SCHED_YIELD);

	if (tsc_khz)
		features |= BIT(KVM_FEATURE_CLOCKSOURCE) |
			    BIT(KVM_FEATURE_CLOCKSOURCE2) |
			    BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);
	if (sched_info_on())
		features |= BIT(KVM_FEATURE_STEAL_TIME) |
			    BIT(KVM_FEATURE_PV_TLB_FLUSH);
	return features;
}

/* KVM lets guests use what CPUID does not tell, unless it is made to enforce. */
static bool has(const struct lodge_vcpu *vcpu, unsigned int feature)
{
	return !vcpu->pv.enforce || vcpu->cpuid.pv_features & BIT(feature);
}

/* Where the value of an MSR is, if the vCPU may have it. */
static u64 *msr_value(struct lodge_vcpu *vcpu, u32 index)
{
	unsigned int feature = KVM_FEATURE_CLOCKSOURCE2;
	u64 *value;

	switch (index) {
	case MSR_KVM_WALL_CLOCK:
		feature = KVM_FEATURE_CLOCKSOURCE;
		fallthrough;
	case MSR_KVM_WALL_CLOCK_NEW:
		value = &vcpu->vm->pv.wall_clock_msr;
		break;
	case MSR_KVM_SYSTEM_TIME:
		feature = KVM_FEATURE_CLOCKSOURCE;
		fallthrough;
	case MSR_KVM_SYSTEM_TIME_NEW:
		value = &vcpu->pv.clock_msr;
		break;
	case MSR_KVM_STEAL_TIME:
		feature = KVM_FEATURE_STEAL_TIME;
		value = &vcpu->pv.steal_msr;
		break;
	default:
		feature = KVM_FEATURE_POLL_CONTROL;
		value = &vcpu->pv.poll_msr;
	}
	return has(vcpu, feature) ? value : NULL;
}

/**
 * lodge_pv_msr_get - read one of KVM's MSRs
 * @vcpu: the vCPU
 * @index: the MSR, one of those in msr.c's table
 * @data: the value
 * @host: user space asks
 *
 * Return: 0, or 1 for #GP.
 */
int lodge_pv_msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data, bool host)
{
	const u64 *value = msr_value(vcpu, index);

	if (value)
		*data = READ_ONCE(*value);
	return !value;
}

/**
 * lodge_pv_msr_set - write one of KVM's MSRs
 * @vcpu: the vCPU
 * @index: the MSR, one of those in msr.c's table
 * @data: the value
 * @host: user space asks
 *
 * Context: the wall clock's may sleep, with vm->srcu held for reading; the
 * others don't.
 * Return: 0, or 1 for #GP.
 */
int lodge_pv_msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	u64 *value = msr_value(vcpu, index);
	struct lodge_vm_pv *vpv = &vcpu->vm->pv;
	bool old = index == MSR_KVM_SYSTEM_TIME;

	if (!value || (value == &vcpu->pv.poll_msr && data & ~1ull) ||
	    (value == &vcpu->pv.steal_msr &&
	     (data & KVM_STEAL_RESERVED_MASK || !sched_info_on())))
		return 1;
	WRITE_ONCE(*value, data);
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_WALL_CLOCK_NEW:
		write_wall_clock(vcpu, data);
		break;
	case MSR_KVM_SYSTEM_TIME:
	case MSR_KVM_SYSTEM_TIME_NEW:
		if (!vcpu->id && !host && vpv->old_msr != old) {
			WRITE_ONCE(vpv->old_msr, old);
			WRITE_ONCE(vpv->stale, true);
		}
		lodge_vcpu_request(vcpu, LODGE_REQ_CLOCK);
		break;
	case MSR_KVM_STEAL_TIME:
		vcpu->pv.told = false;
		if (data & KVM_MSR_ENABLED)
			lodge_vcpu_request(vcpu, LODGE_REQ_STEAL);
		break;
	}
	return 0;
}

/** lodge_pv_reset - after RESET or INIT: nothing is written any more */
void lodge_pv_reset(struct lodge_vcpu *vcpu)
{
	vcpu->pv.clock_msr = 0;
	vcpu->pv.steal_msr = 0;
	vcpu->pv.poll_msr = 1;
	vcpu->pv.unhalted = false;
}

/**
 * lodge_pv_enable_cap - KVM_ENABLE_CAP on a vCPU
 * @vcpu: the vCPU; its lock is held
 * @arg: struct kvm_enable_cap
 *
 * Return: 0, -EINVAL for another capability or flags, -EFAULT.
 */
long lodge_pv_enable_cap(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_enable_cap cap;

	if (copy_from_user(&cap, arg, sizeof(cap)))
		return -EFAULT;
	if (cap.flags || cap.cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	vcpu->pv.enforce = cap.args[0];
	return 0;
}

/*
 * Hypercalls.
 */

/* Counter and real time of one moment, for the guest's PTP clock. */
static long clock_pairing(struct lodge_vcpu *vcpu, gpa_t gpa, u64 type)
{
	struct kvm_clock_pairing pair = { };
	struct moment m;
	u32 ns;

	if (type != KVM_CLOCK_PAIRING_WALLCLOCK || !take_moment(&m))
		return -KVM_EOPNOTSUPP;
	pair.sec = div_u64_rem(m.real_ns, NSEC_PER_SEC, &ns);
	pair.nsec = ns;
	pair.tsc = lodge_tsc_read(vcpu, m.tsc);
	return lodge_guest_write(vcpu, gpa, &pair, sizeof(pair)) ? -KVM_EFAULT : 0;
}

/* An interrupt to each vCPU of a bitmap of two words, from APIC id @min on. */
static long send_ipi(struct lodge_vcpu *vcpu, const u64 *a, int bits)
{
	struct lodge_ipi ipi = {
		.vector = a[3] & APIC_VECTOR_MASK,
		.mode = (a[3] & APIC_MODE_MASK) >> 8,
		.level = a[3] & APIC_INT_ASSERT,
		.trig_level = a[3] & APIC_INT_LEVELTRIG,
	};
	long reached = 0;
	u32 min = a[2];
	int i, ret;

	if (!vcpu->apic)
		return -KVM_EOPNOTSUPP;
	if (a[3] & (APIC_DEST_LOGICAL | APIC_DEST_ALLBUT))
		return -KVM_EINVAL;
	for (i = 0; i < 2 * bits; i++) {
		if (!(a[i / bits] & BIT_ULL(i % bits)))
			continue;
		ipi.dest = min + i;
		/* A wrapped id, or all ones, which would be everybody. */
		if (ipi.dest < min || ipi.dest >= LODGE_MAX_VCPU_ID)
			continue;
		ret = lodge_ipi_deliver(vcpu->vm, vcpu, &ipi);
		if (ret > 0)
			reached += ret;
	}
	return reached;
}

/* A vCPU that waits in HLT for a lock goes on, even if it takes no interrupts. */
static void kick(struct lodge_vcpu *vcpu, u32 apic_id)
{
	struct lodge_vcpu *target = lodge_vcpu_by_id(vcpu->vm, apic_id);

	if (!target)
		return;
	WRITE_ONCE(target->pv.unhalted, true);
	/* Set before the sleeper is looked for: it looks after it lies down. */
	smp_mb();
	lodge_vcpu_wake(target);
}

/**
 * lodge_pv_hypercall - a hypercall's body
 * @vcpu: the vCPU: number in RAX, arguments in RBX, RCX, RDX, RSI
 *
 * The result goes to RAX; stepping over the instruction is the caller's.
 *
 * Context: interrupts may be off; then what must sleep is put off.
 * Return: LODGE_AGAIN, or LODGE_SLOW to be called again with interrupts on.
 */
int lodge_pv_hypercall(struct lodge_vcpu *vcpu)
{
	struct lodge_vcpu *other;
	u64 nr = vcpu->regs[LODGE_RAX];
	u64 a[4] = { vcpu->regs[LODGE_RBX], vcpu->regs[LODGE_RCX],
		     vcpu->regs[LODGE_RDX], vcpu->regs[LODGE_RSI] };
	bool wide = lodge_backend->code_bits(vcpu) == 64;
	long ret = -KVM_ENOSYS;
	int i;

	if (!wide) {
		nr = (u32)nr;
		for (i = 0; i < ARRAY_SIZE(a); i++)
			a[i] = (u32)a[i];
	}
	if (lodge_backend->cpl(vcpu)) {
		ret = -KVM_EPERM;
		goto out;
	}
	switch (nr) {
	case KVM_HC_VAPIC_POLL_IRQ:
		ret = 0;
		break;
	case KVM_HC_KICK_CPU:
		if (!has(vcpu, KVM_FEATURE_PV_UNHALT))
			break;
		kick(vcpu, a[1]);
		ret = 0;
		break;
	case KVM_HC_CLOCK_PAIRING:
		if (irqs_disabled())
			return LODGE_SLOW;
		ret = clock_pairing(vcpu, a[0], a[1]);
		break;
	case KVM_HC_SEND_IPI:
		if (has(vcpu, KVM_FEATURE_PV_SEND_IPI))
			ret = send_ipi(vcpu, a, wide ? 64 : 32);
		break;
	case KVM_HC_SCHED_YIELD:
		if (!has(vcpu, KVM_FEATURE_PV_SCHED_YIELD))
			break;
		if (irqs_disabled())
			return LODGE_SLOW;
		other = lodge_vcpu_by_id(vcpu->vm, a[0]);
		if (other)
			lodge_vcpu_yield_to(other);
		ret = 0;
		break;
	}
out:
	vcpu->regs[LODGE_RAX] = wide ? (u64)ret : (u32)ret;
	trace_lodge_hypercall(vcpu, nr, a[0], a[1], ret);
	return LODGE_AGAIN;
}
