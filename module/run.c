// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Running a vCPU
 *
 * KVM_RUN has three frames, each entered as seldom as can be:
 *
 * the call: the thread's FPU registers are exchanged for the guest's, slots
 * and buses are held by SRCU, an access that user space served is completed;
 *
 * the outer loop: requests of others, work of the thread (signals,
 * rescheduling), sleeping while halted, exits that need to sleep;
 *
 * the inner loop, interrupts off: what the guest's registers need is loaded
 * once, then entry follows exit as long as the exits need nothing slow.
 *
 * Who wants a running vCPU to notice something sets a bit in vcpu->requests
 * and kicks it. The kick sends an IPI if the vCPU says that it is in the
 * guest; with interrupts off the IPI can't be taken before the guest is
 * entered, and then makes it exit at once, so that no request is missed: the
 * inner loop looks at vcpu->requests after it has said IN_GUEST.
 */
#include <linux/kvm_host.h>
#include <linux/entry-kvm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <trace/events/ipi.h>
#include <asm/nospec-branch.h>
#include <asm/special_insns.h>

#include "backend.h"
#include "emulate/glue.h"
#include "event.h"
#include "exit.h"
#include "hw.h"
#include "regs.h"
#include "run.h"
#include "trace.h"

static DEFINE_PER_CPU(struct lodge_vcpu *, running);

/*
 * The kernel's exported function for a thread's work before guest entry wants
 * KVM's vCPU, of which it writes two fields if a signal is pending: it gets
 * one that nobody reads.
 */
static struct kvm_run work_run;
static struct kvm_vcpu work_vcpu = { .run = &work_run };

/** lodge_vcpu_running - the vCPU whose inner loop this CPU is in, or NULL */
struct lodge_vcpu *lodge_vcpu_running(void)
{
	return this_cpu_read(running);
}

/**
 * lodge_vcpu_wake - wake a vCPU's thread if it sleeps in KVM_RUN
 * @vcpu: the vCPU
 *
 * Context: any but NMI.
 */
void lodge_vcpu_wake(struct lodge_vcpu *vcpu)
{
	rcuwait_wake_up(&vcpu->wait);
}

/**
 * lodge_vcpu_kick - make a vCPU look at its requests soon
 * @vcpu: the vCPU; if it is the caller's own nothing needs to be done
 *
 * Context: any but NMI.
 */
void lodge_vcpu_kick(struct lodge_vcpu *vcpu)
{
	int cpu, me;

	if (vcpu == this_cpu_read(running))
		return;
	if (rcuwait_wake_up(&vcpu->wait))
		return;
	if (READ_ONCE(vcpu->mode) != LODGE_IN_GUEST)
		return;
	/* Who has said EXITING sends at once: others count on it. */
	me = get_cpu();
	/* Once is enough until it has left. Pairs with inner_loop(). */
	if (cmpxchg(&vcpu->mode, LODGE_IN_GUEST, LODGE_EXITING) == LODGE_IN_GUEST) {
		/* Once: it can be scheduled out meanwhile. */
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != me && cpu >= 0)
			smp_send_reschedule(cpu);
	}
	put_cpu();
}

/**
 * lodge_vcpu_post - tell a vCPU of a posted interrupt, without an exit if it can be
 * @vcpu: the vCPU; it was given LODGE_REQ_EVENT
 *
 * Out of the guest it will look at the request. If it leaves the guest just now
 * the notification comes to the host, which does nothing about it.
 *
 * Context: any but NMI.
 */
void lodge_vcpu_post(struct lodge_vcpu *vcpu)
{
	int cpu, me;

	if (rcuwait_wake_up(&vcpu->wait) ||
	    READ_ONCE(vcpu->mode) == LODGE_OUTSIDE)
		return;
	me = get_cpu();
	cpu = READ_ONCE(vcpu->cpu);
	if (cpu != me && cpu >= 0)
		lodge_backend->apic_post(cpu);
	put_cpu();
}

/** lodge_vcpu_request - set a request; the caller kicks if it must be soon */
void lodge_vcpu_request(struct lodge_vcpu *vcpu, enum lodge_request req)
{
	/* What the request is about must be seen by who finds the bit. */
	smp_mb__before_atomic();
	set_bit(req, &vcpu->requests);
	smp_mb__after_atomic();	/* the bit before the mode: lodge_vcpu_kick() */
}

static void ack(void *unused)
{
}

/**
 * lodge_vm_request_all - give all vCPUs a request, and wait until none of
 * them is in the guest without having seen it
 * @vm: the VM
 * @req: the request
 *
 * Context: interrupts on; does not sleep.
 */
void lodge_vm_request_all(struct lodge_vm *vm, enum lodge_request req)
{
	bool any = false, have_mask = false;
	struct lodge_vcpu *vcpu;
	cpumask_var_t mask;
	unsigned long i;
	int cpu, me;

	me = get_cpu();
	lodge_for_each_vcpu(i, vcpu, vm) {
		lodge_vcpu_request(vcpu, req);
		/* The others can wait until the vCPU has a reason to wake up. */
		if (req == LODGE_REQ_DEAD)
			rcuwait_wake_up(&vcpu->wait);
		cpu = READ_ONCE(vcpu->cpu);
		if (READ_ONCE(vcpu->mode) == LODGE_OUTSIDE || cpu == me || cpu < 0)
			continue;
		if (!any)
			have_mask = zalloc_cpumask_var(&mask, GFP_ATOMIC);
		any = true;
		if (have_mask)
			cpumask_set_cpu(cpu, mask);
	}
	/* The inner loop has interrupts off: an answer says that it was left. */
	if (any)
		smp_call_function_many(have_mask ? mask : cpu_online_mask, ack, NULL,
				       true);
	put_cpu();
	if (have_mask)
		free_cpumask_var(mask);
}

/**
 * lodge_vcpu_yield - give this thread's time to another vCPU of the VM
 * @vcpu: the vCPU, which spins
 *
 * To one that was preempted and is not itself spinning, the next one after
 * who was chosen last.
 *
 * Context: may sleep.
 */
void lodge_vcpu_yield(struct lodge_vcpu *vcpu)
{
	struct lodge_vm *vm = vcpu->vm;
	unsigned int nr = READ_ONCE(vm->nr_vcpus), i;

	for (i = 0; i < nr; i++) {
		struct lodge_vcpu *other;

		other = xa_load(&vm->vcpus, (READ_ONCE(vm->last_boosted) + 1 + i) % nr);
		if (!other || other == vcpu || !READ_ONCE(other->pv.preempted) ||
		    READ_ONCE(other->spinning))
			continue;
		if (lodge_vcpu_yield_to(other)) {
			WRITE_ONCE(vm->last_boosted, other->index);
			return;
		}
	}
	cond_resched();
}

/** lodge_vcpu_yield_to - yield to one vCPU; true if its thread was waiting for a CPU */
bool lodge_vcpu_yield_to(struct lodge_vcpu *vcpu)
{
	struct task_struct *task;
	struct pid *pid;
	bool done;

	rcu_read_lock();
	pid = rcu_dereference(vcpu->pid);
	task = pid ? get_pid_task(pid, PIDTYPE_PID) : NULL;
	rcu_read_unlock();
	if (!task)
		return false;
	done = task != current && yield_to(task, true) > 0;
	put_task_struct(task);
	return done;
}

/* Who asks may be waiting for the last reader of the old slots, or the old filter. */
static void let_srcu_go(struct lodge_vcpu *vcpu)
	__must_hold(&vcpu->vm->srcu)
{
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
}

/* What can't be done in the inner loop. Returns enum lodge_next or an errno. */
static int handle_requests(struct lodge_vcpu *vcpu)
	__must_hold(&vcpu->vm->srcu)
{
	unsigned long *req = &vcpu->requests;
	int ret;

	if (test_and_clear_bit(LODGE_REQ_DEAD, req))
		return -EIO;
	if (test_and_clear_bit(LODGE_REQ_TLB_FLUSH, req)) {
		let_srcu_go(vcpu);
		lodge_backend->tlb_flush(vcpu, true);
		vcpu->stats.tlb_flush++;
	}
	if (test_and_clear_bit(LODGE_REQ_CLOCK, req)) {
		ret = lodge_pv_clock_update(vcpu);
		if (ret)
			return ret;
	}
	if (test_and_clear_bit(LODGE_REQ_STEAL, req))
		lodge_pv_steal_update(vcpu);
	if (test_bit(LODGE_REQ_RING_FULL, req)) {
		/* The next KVM_RUN asks again. */
		ret = lodge_ring_exit(vcpu);
		if (ret != LODGE_AGAIN)
			return ret;
		clear_bit(LODGE_REQ_RING_FULL, req);
	}
	if (test_and_clear_bit(LODGE_REQ_MSR_FILTER, req)) {
		let_srcu_go(vcpu);
		lodge_backend->msr_filter(vcpu);
	}
	if (test_bit(LODGE_REQ_TRIPLE_FAULT, req)) {
		clear_bit(LODGE_REQ_TRIPLE_FAULT, req);
		return lodge_exit_shutdown(vcpu);
	}
	if (test_and_clear_bit(LODGE_REQ_IOAPIC_EOI, req)) {
		vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
		vcpu->run->eoi.vector = vcpu->eoi_vector;
		return LODGE_USER;
	}
	return LODGE_AGAIN;
}

/* Who has the PIC in user space waits for a moment to inject. */
static bool user_wants_window(struct lodge_vcpu *vcpu)
{
	return lodge_irq_user_owns(vcpu) && lodge_irq_user_accepts(vcpu) &&
	       READ_ONCE(vcpu->run->request_interrupt_window);
}

/*
 * Requests that the inner loop itself serves: all others end it.
 */
#define INNER_REQUESTS	BIT(LODGE_REQ_EVENT)

/*
 * Entries in a row, after which the host takes its interrupts even if none made
 * the guest exit: Bochs 2.7 forgets to while the guest has them closed.
 */
#define MAX_STAY	256

static int inner_loop(struct lodge_vcpu *vcpu)
{
	int ret = LODGE_AGAIN, n = 0;

	this_cpu_write(running, vcpu);
	lodge_xstate_enter(vcpu);
	lodge_backend->enter(vcpu);
	do {
		if (READ_ONCE(vcpu->requests)) {
			if (READ_ONCE(vcpu->requests) & ~INNER_REQUESTS)
				break;
			clear_bit(LODGE_REQ_EVENT, &vcpu->requests);
			smp_mb__after_atomic();	/* before what it was about */
			ret = lodge_events_inject(vcpu);
			if (ret != LODGE_AGAIN)
				break;
		}
		ret = static_call(lodge_run)(vcpu);
		vcpu->stats.exits++;
	} while (ret == LODGE_AGAIN && ++n < MAX_STAY);
	/* Not mirrored: leave() may let what waits for the host in. */
	lodge_xstate_leave(vcpu);
	lodge_backend->leave(vcpu);
	/* VMSCAPE: what the guest taught the predictors is not for user space. */
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
	this_cpu_write(running, NULL);
	return ret;
}

/* One stay in the inner loop. */
static int enter_guest(struct lodge_vcpu *vcpu)
{
	bool moved = false;
	int ret;

	if (READ_ONCE(vcpu->requests)) {
		ret = handle_requests(vcpu);
		if (ret != LODGE_AGAIN)
			return ret;
	}
	preempt_disable();
	local_irq_disable();
	/* Interrupts off: kicks come as IPIs from here on. */
	WRITE_ONCE(vcpu->mode, LODGE_IN_GUEST);
	smp_mb();	/* the mode before the requests: lodge_vcpu_kick() */
	if (unlikely(!__this_cpu_read(lodge_hw_enabled))) {
		moved = true;
		ret = LODGE_AGAIN;
	} else if (__xfer_to_guest_mode_work_pending() ||
		   lodge_lapic_has_events(vcpu) || lodge_immediate_exit(vcpu->run)) {
		ret = LODGE_AGAIN;
	} else {
		/* User space's own wishes are in kvm_run, and make no request. */
		if (lodge_irq_user_owns(vcpu))
			lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
		guest_timing_enter_irqoff();
		ret = inner_loop(vcpu);
		WRITE_ONCE(vcpu->mode, LODGE_OUTSIDE);
		/* The interrupt that made the guest exit is the guest's time. */
		local_irq_enable();
		nop();	/* STI holds them off for one instruction */
		local_irq_disable();
		guest_timing_exit_irqoff();
	}
	WRITE_ONCE(vcpu->mode, LODGE_OUTSIDE);
	local_irq_enable();
	preempt_enable();
	if (unlikely(moved)) {
		/* This CPU goes off line: the scheduler will move the thread. */
		if (signal_pending(current))
			return -EINTR;
		schedule_timeout_killable(1);
	}
	if (ret == LODGE_SLOW) {
		vcpu->stats.slow_exits++;
		ret = lodge_backend->slow(vcpu);
	}
	return ret == LODGE_LEAVE ? LODGE_AGAIN : ret;
}

/* Sleeps until the vCPU has something to do or a signal comes. */
static int block(struct lodge_vcpu *vcpu)
	__must_hold(&vcpu->vm->srcu)
{
	bool woken = false;

	lodge_lapic_sleep(vcpu);
	/* For who changes slots, a halted vCPU is none. */
	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (lodge_vcpu_runnable(vcpu) || signal_pending(current) ||
		    READ_ONCE(vcpu->vm->dead) ||
		    lodge_immediate_exit(vcpu->run))
			break;
		woken = true;
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
	vcpu->stats.halt_wakeup += woken;

	if (READ_ONCE(vcpu->vm->dead))
		return -EIO;
	if (lodge_lapic_has_events(vcpu)) {
		int ret = lodge_lapic_accept_events(vcpu);

		if (ret < 0)
			return ret;
	}
	/* A SIPI that came too late wakes nobody. */
	if (vcpu->mp_state == KVM_MP_STATE_HALTED && lodge_vcpu_runnable(vcpu)) {
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
		vcpu->pv.unhalted = false;
	}
	return LODGE_AGAIN;
}

static bool can_run(struct lodge_vcpu *vcpu)
{
	return vcpu->mp_state == KVM_MP_STATE_RUNNABLE;
}

/* Signals and what else the thread owes; SRCU is let go meanwhile. */
static int thread_work(struct lodge_vcpu *vcpu)
	__must_hold(&vcpu->vm->srcu)
{
	int ret = -EINTR;

	if (!lodge_immediate_exit(vcpu->run)) {
		if (!__xfer_to_guest_mode_work_pending())
			return LODGE_AGAIN;
		srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
		ret = xfer_to_guest_mode_handle_work(&work_vcpu);
		vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);
		if (!ret)
			return LODGE_AGAIN;
	}
	vcpu->run->exit_reason = KVM_EXIT_INTR;
	vcpu->stats.signal_exits++;
	return ret;
}

static int outer_loop(struct lodge_vcpu *vcpu)
{
	int ret;

	for (;;) {
		if (lodge_lapic_has_events(vcpu)) {
			ret = lodge_lapic_accept_events(vcpu);
			if (ret < 0)
				return ret;
		}
		ret = can_run(vcpu) ? enter_guest(vcpu) : block(vcpu);
		if (ret != LODGE_AGAIN)
			return ret;
		if (user_wants_window(vcpu) && lodge_irq_window_open(vcpu)) {
			vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
			vcpu->stats.request_irq_exits++;
			return LODGE_USER;
		}
		ret = thread_work(vcpu);
		if (ret != LODGE_AGAIN)
			return ret;
	}
}

/*
 * An access that went to user space has its answer now. Where user space has
 * moved RIP meanwhile, the instruction that asked is no longer being executed.
 */
static int complete_access(struct lodge_vcpu *vcpu)
{
	enum lodge_completion how = vcpu->completion;

	vcpu->completion = LODGE_DONE;
	if (how != LODGE_DONE && vcpu->rip != vcpu->completion_rip)
		return LODGE_AGAIN;
	switch (how) {
	case LODGE_COMPLETE_PIO:
		return lodge_exit_io_complete(vcpu);
	case LODGE_COMPLETE_MSR:
		return lodge_exit_msr_complete(vcpu);
	case LODGE_COMPLETE_LOAD:
		lodge_insn_load_done(vcpu);
		return LODGE_AGAIN;
	case LODGE_COMPLETE_EMUL:
		return lodge_glue_resume(vcpu);
	case LODGE_DONE:
	default:
		return LODGE_AGAIN;
	}
}

/* What KVM_RUN's caller finds in kvm_run beside the exit itself. */
static void fill_run(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = !!(vcpu->rflags & X86_EFLAGS_IF);
	run->flags = 0;
	run->cr8 = lodge_cr8_get(vcpu);
	run->apic_base = vcpu->apic_base;
	run->ready_for_interrupt_injection = !lodge_irq_user_owns(vcpu) ||
		(lodge_irq_user_accepts(vcpu) && lodge_irq_window_open(vcpu));
}

static int run_loaded(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int ret;

	if (vcpu->mp_state == KVM_MP_STATE_UNINITIALIZED) {
		if (lodge_immediate_exit(run))
			return -EINTR;
		ret = block(vcpu);
		if (ret < 0)
			return ret;
		if (signal_pending(current)) {
			run->exit_reason = KVM_EXIT_INTR;
			vcpu->stats.signal_exits++;
			return -EINTR;
		}
		return -EAGAIN;
	}
	ret = lodge_sync_in(vcpu);
	if (ret)
		return ret;
	if (!vcpu->vm->irq.in_kernel && lodge_cr8_set(vcpu, READ_ONCE(run->cr8)))
		return -EINVAL;
	ret = complete_access(vcpu);
	if (ret != LODGE_AGAIN)
		return ret;
	if (lodge_immediate_exit(run))
		return -EINTR;
	return outer_loop(vcpu);
}

/**
 * lodge_vcpu_run - KVM_RUN
 * @vcpu: the vCPU; vcpu->lock is held
 *
 * Return: 0 with kvm_run->exit_reason filled; -EINTR for a signal or
 * immediate_exit, -EAGAIN for a vCPU that waits for SIPI and was woken, other
 * errnos where the VM can't go on.
 */
long lodge_vcpu_run(struct lodge_vcpu *vcpu)
{
	struct pid *old, *pid = task_pid(current);
	long ret;

	lockdep_assert_held(&vcpu->lock);
	old = rcu_access_pointer(vcpu->pid);
	if (unlikely(old != pid)) {
		rcu_assign_pointer(vcpu->pid, get_pid(pid));
		if (old) {
			synchronize_rcu();
			put_pid(old);
		}
	}
	vcpu->cpuid.ran = true;
	lodge_vcpu_load(vcpu);
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
	lodge_xstate_load(vcpu);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->srcu);

	ret = run_loaded(vcpu);
	vcpu->completion_rip = vcpu->rip;
	if (READ_ONCE(vcpu->run->kvm_valid_regs))
		lodge_sync_out(vcpu);

	srcu_read_unlock(&vcpu->vm->srcu, vcpu->srcu_idx);
	lodge_xstate_put(vcpu);
	fill_run(vcpu);
	if (vcpu->sigset_active) {
		sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
		sigemptyset(&current->real_blocked);
	}
	lodge_vcpu_put(vcpu);
	vcpu->stats.user_exits++;
	return ret;
}
