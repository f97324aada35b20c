// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Events
 *
 * What is to arrive in a guest is kept in neutral form in vcpu->events and
 * written to the hardware by lodge_events_inject(), at the entry that delivers
 * it, in the order of SDM vol. 3A table 6-2: what was interrupted while being
 * delivered first, then a new exception, an NMI, an interrupt. One event is
 * delivered per entry; if more wait, a window is asked for: an exit as soon
 * as the guest can take the next one.
 *
 * Everything here belongs to the vCPU's own thread, but for
 * lodge_nmi_queue(), which anybody may call.
 */
#include <linux/uaccess.h>

#include "backend.h"
#include "event.h"
#include "exit.h"
#include "regs.h"
#include "trace.h"

enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT };

/* SDM vol. 3A table 6-4. */
static enum severity exception_class(u8 vector)
{
	switch (vector) {
	case X86_TRAP_PF:
		return PAGE_FAULT;
	case X86_TRAP_DE:
	case X86_TRAP_TS:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_GP:
		return CONTRIBUTORY;
	default:
		return BENIGN;
	}
}

/**
 * lodge_triple_fault - shut the guest's CPU down at the next occasion
 * @vcpu: the vCPU, own thread
 */
void lodge_triple_fault(struct lodge_vcpu *vcpu)
{
	lodge_vcpu_request(vcpu, LODGE_REQ_TRIPLE_FAULT);
}

/**
 * lodge_exception_queue_full - raise an exception
 * @vcpu: the vCPU, own thread
 * @e: the exception; its pending and injected members are ignored
 *
 * One that comes while another is on its way makes a double fault or replaces
 * it, and the third shuts the CPU down: SDM vol. 3A 6.15, "Interrupt 8".
 */
void lodge_exception_queue_full(struct lodge_vcpu *vcpu,
				const struct lodge_exception *e)
{
	struct lodge_exception *cur = &vcpu->events.exception;
	enum severity first, second;

	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	if (!cur->pending && !cur->injected)
		goto take;
	if (cur->vector == X86_TRAP_DF) {
		lodge_triple_fault(vcpu);
		return;
	}
	first = exception_class(cur->vector);
	second = exception_class(e->vector);
	if ((first == CONTRIBUTORY && second == CONTRIBUTORY) ||
	    (first == PAGE_FAULT && second != BENIGN)) {
		*cur = (struct lodge_exception){
			.vector = X86_TRAP_DF, .has_error = true,
			.pending = true,
		};
		return;
	}
take:
	*cur = *e;
	cur->pending = true;
	cur->injected = false;
}

void lodge_exception_queue(struct lodge_vcpu *vcpu, u8 vector)
{
	struct lodge_exception e = { .vector = vector };

	lodge_exception_queue_full(vcpu, &e);
}

void lodge_exception_queue_error(struct lodge_vcpu *vcpu, u8 vector, u32 error)
{
	struct lodge_exception e = {
		.vector = vector, .has_error = true, .error = error,
	};

	lodge_exception_queue_full(vcpu, &e);
}

void lodge_pf_queue(struct lodge_vcpu *vcpu, u64 cr2, u32 error)
{
	struct lodge_exception e = {
		.vector = X86_TRAP_PF, .has_error = true, .error = error,
		.has_payload = true, .payload = cr2,
	};

	lodge_exception_queue_full(vcpu, &e);
}

void lodge_db_queue(struct lodge_vcpu *vcpu, u64 dr6)
{
	struct lodge_exception e = {
		.vector = X86_TRAP_DB, .has_payload = true, .payload = dr6,
	};

	lodge_exception_queue_full(vcpu, &e);
}

/**
 * lodge_exception_payload - let an exception's side effect happen
 * @vcpu: the vCPU, own thread
 * @e: the exception: CR2 is set for #PF, DR6 for #DB
 */
void lodge_exception_payload(struct lodge_vcpu *vcpu, struct lodge_exception *e)
{
	if (!e->has_payload)
		return;
	if (e->vector == X86_TRAP_PF)
		vcpu->cr2 = e->payload;
	if (e->vector == X86_TRAP_DB) {
		lodge_dr_take(vcpu);
		/* B0-B3 are replaced, the rest accumulates; DR6.RTM counts inverted. */
		vcpu->dr6 &= ~(u64)DR_TRAP_BITS;
		vcpu->dr6 |= LODGE_DR6_FIXED | e->payload;
		vcpu->dr6 ^= e->payload & LODGE_DR6_FIXED;
		lodge_backend->dr_set(vcpu);
	}
	e->has_payload = false;
	e->payload = 0;
}

/**
 * lodge_nmi_queue - raise an NMI
 * @vcpu: the vCPU
 *
 * Context: any but NMI.
 */
void lodge_nmi_queue(struct lodge_vcpu *vcpu)
{
	atomic_inc(&vcpu->events.nmi_queued);
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	lodge_vcpu_kick(vcpu);
}

/* Two at most are kept: one in delivery or masked, one latched behind it. */
static void collect_nmis(struct lodge_vcpu *vcpu)
{
	struct lodge_events *ev = &vcpu->events;
	int limit = 2;

	if (lodge_backend->nmi_masked(vcpu) || ev->nmi.injected)
		limit = 1;
	ev->nmi.pending = min(ev->nmi.pending + atomic_xchg(&ev->nmi_queued, 0),
			      limit);
}

/**
 * lodge_events_requeue_exception - an exception's delivery was interrupted
 * @vcpu: the vCPU, own thread
 * @vector: its vector
 * @has_error: it has an error code
 * @error: the code
 */
void lodge_events_requeue_exception(struct lodge_vcpu *vcpu, u8 vector,
				    bool has_error, u32 error)
{
	vcpu->events.exception = (struct lodge_exception){
		.injected = true, .vector = vector,
		.has_error = has_error, .error = error,
	};
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
}

/** lodge_events_requeue_irq - an interrupt's delivery was interrupted */
void lodge_events_requeue_irq(struct lodge_vcpu *vcpu, u8 vector)
{
	struct lodge_events *ev = &vcpu->events;

	ev->irq.injected = true;
	ev->irq.soft = false;
	ev->irq.vector = vector;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
}

/** lodge_events_requeue_nmi - an NMI's delivery was interrupted */
void lodge_events_requeue_nmi(struct lodge_vcpu *vcpu)
{
	vcpu->events.nmi.injected = true;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
}

static bool is_fault(u8 vector)
{
	/* #DB is told apart by its cause; #BP, #OF, #DF and #MC are no faults. */
	const u32 others = BIT(X86_TRAP_DB) | BIT(X86_TRAP_NMI) |
			   BIT(X86_TRAP_BP) | BIT(X86_TRAP_OF) |
			   BIT(X86_TRAP_DF) | BIT(X86_TRAP_MC);

	return !(BIT(vector & 31) & others);
}

static void inject_exception(struct lodge_vcpu *vcpu)
{
	struct lodge_exception *e = &vcpu->events.exception;

	trace_lodge_inject(vcpu, LODGE_TRACE_EXCEPTION, e->vector, e->error);
	/* Real mode pushes no error codes. */
	if (!(lodge_backend->cr_get(vcpu, 0) & X86_CR0_PE))
		e->has_error = false;
	lodge_backend->inject_exception(vcpu, e);
	vcpu->stats.exception_injections++;
}

static void give_nmi(struct lodge_vcpu *vcpu)
{
	trace_lodge_inject(vcpu, LODGE_TRACE_NMI, X86_TRAP_NMI, 0);
	lodge_backend->inject_nmi(vcpu);
}

static void give_irq(struct lodge_vcpu *vcpu)
{
	const struct lodge_events *ev = &vcpu->events;

	trace_lodge_inject(vcpu, ev->irq.soft ? LODGE_TRACE_SOFT_IRQ :
			   LODGE_TRACE_IRQ, ev->irq.vector, 0);
	lodge_backend->inject_irq(vcpu, ev->irq.vector, ev->irq.soft);
}

/* Something that was interrupted goes first; true if there was something. */
static bool reinject(struct lodge_vcpu *vcpu)
{
	struct lodge_events *ev = &vcpu->events;

	if (ev->exception.injected)
		inject_exception(vcpu);
	else if (ev->exception.pending)
		return false;
	else if (ev->nmi.injected)
		give_nmi(vcpu);
	else if (ev->irq.injected)
		give_irq(vcpu);
	else
		return false;
	return true;
}

/**
 * is_debuggers_step - is the exception that waits a step of user space's?
 * @vcpu: the vCPU, own thread
 */
static bool is_debuggers_step(const struct lodge_vcpu *vcpu)
{
	const struct lodge_exception *e = &vcpu->events.exception;

	return unlikely(vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP) &&
	       e->vector == X86_TRAP_DB && e->payload & DR_STEP;
}

static void raise_exception(struct lodge_vcpu *vcpu)
{
	struct lodge_exception *e = &vcpu->events.exception;

	if (is_fault(e->vector))
		vcpu->rflags |= X86_EFLAGS_RF;
	lodge_exception_payload(vcpu, e);
	if (e->vector == X86_TRAP_DB && (vcpu->dr7 & LODGE_DR7_GD)) {
		vcpu->dr7 &= ~(u64)LODGE_DR7_GD;
		lodge_backend->dr_set(vcpu);
	}
	e->pending = false;
	e->injected = true;
	inject_exception(vcpu);
}

/**
 * lodge_irq_window_open - could the guest take an interrupt at the next entry?
 * @vcpu: the vCPU, own thread
 */
bool lodge_irq_window_open(struct lodge_vcpu *vcpu)
{
	const struct lodge_events *ev = &vcpu->events;

	return (vcpu->rflags & X86_EFLAGS_IF) &&
	       !lodge_backend->int_shadow(vcpu) && !ev->exception.pending &&
	       !ev->exception.injected && !ev->nmi.injected &&
	       !ev->irq.injected;
}

/* The vector that waits and may be taken now is injected: true if so. */
static bool inject_irq(struct lodge_vcpu *vcpu, int vector)
{
	struct lodge_events *ev = &vcpu->events;

	if (!(vcpu->rflags & X86_EFLAGS_IF) || lodge_backend->int_shadow(vcpu))
		return false;
	vector = lodge_irq_ack(vcpu, vector);
	if (vector < 0)
		return false;
	ev->irq.vector = vector;
	ev->irq.soft = false;
	ev->irq.injected = true;
	give_irq(vcpu);
	vcpu->stats.irq_injections++;
	return true;
}

static bool inject_nmi(struct lodge_vcpu *vcpu)
{
	struct lodge_events *ev = &vcpu->events;

	if (lodge_backend->nmi_masked(vcpu) || lodge_backend->int_shadow(vcpu))
		return false;
	ev->nmi.pending--;
	ev->nmi.injected = true;
	give_nmi(vcpu);
	vcpu->stats.nmi_injections++;
	return true;
}

/**
 * lodge_events_inject - write the next event to the hardware
 * @vcpu: the vCPU, in its inner loop
 *
 * Called before an entry when LODGE_REQ_EVENT was set; asks for windows for
 * what has to wait.
 *
 * Context: interrupts off.
 * Return: LODGE_AGAIN: enter; LODGE_USER: a step that user space asked for
 * was made by who finished the last exit.
 */
int lodge_events_inject(struct lodge_vcpu *vcpu)
{
	struct lodge_events *ev = &vcpu->events;
	bool blocked = vcpu->guest_debug & KVM_GUESTDBG_BLOCKIRQ;
	bool busy = reinject(vcpu);
	bool irq_waits = false;
	int vector;

	if (!busy && ev->exception.pending) {
		if (is_debuggers_step(vcpu)) {
			ev->exception.pending = false;
			/* What else waits is looked at when it goes on. */
			lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
			return lodge_exit_debug(vcpu, X86_TRAP_DB, DR_STEP);
		}
		raise_exception(vcpu);
		busy = true;
	}
	if (atomic_read(&ev->nmi_queued))
		collect_nmis(vcpu);
	if (ev->nmi.pending && !busy && !blocked)
		busy = inject_nmi(vcpu);
	if (ev->nmi.pending && !blocked)
		lodge_backend->want(vcpu, LODGE_WANT_NMI_WINDOW, true);

	if (vcpu->vm->irq.in_kernel && !blocked) {
		vector = lodge_irq_inject(vcpu);
		if (vector >= 0 && !busy && inject_irq(vcpu, vector)) {
			busy = true;
			vector = lodge_irq_inject(vcpu);
		}
		irq_waits = vector >= 0;
	}
	if (lodge_irq_user_owns(vcpu) && lodge_irq_user_accepts(vcpu))
		irq_waits |= READ_ONCE(vcpu->run->request_interrupt_window);
	lodge_backend->want(vcpu, LODGE_WANT_IRQ_WINDOW, irq_waits);
	ev->injecting = busy;
	return LODGE_AGAIN;
}

/**
 * lodge_vcpu_runnable - is there anything for a halted vCPU to wake up for?
 * @vcpu: the vCPU, own thread
 */
bool lodge_vcpu_runnable(struct lodge_vcpu *vcpu)
{
	const struct lodge_events *ev = &vcpu->events;

	if (vcpu->mp_state == KVM_MP_STATE_RUNNABLE ||
	    lodge_lapic_has_events(vcpu))
		return true;
	if (vcpu->mp_state != KVM_MP_STATE_HALTED)
		return false;
	if (ev->exception.pending || ev->exception.injected || vcpu->pv.unhalted ||
	    lodge_request_test(vcpu, LODGE_REQ_DEAD) ||
	    lodge_request_test(vcpu, LODGE_REQ_TRIPLE_FAULT))
		return true;
	if ((ev->nmi.pending || atomic_read(&ev->nmi_queued)) &&
	    !lodge_backend->nmi_masked(vcpu))
		return true;
	if (!(vcpu->rflags & X86_EFLAGS_IF))
		return false;
	return ev->irq.injected ||
	       (vcpu->vm->irq.in_kernel && lodge_irq_pending(vcpu) >= 0);
}

/**
 * lodge_interrupt - KVM_INTERRUPT, for VMs without an in-kernel PIC
 * @vcpu: the vCPU
 * @arg: struct kvm_interrupt
 *
 * Return: 0, -EFAULT, -EINVAL for a vector above 255; as lodge_irq_user_inject().
 */
long lodge_interrupt(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_interrupt irq;

	if (copy_from_user(&irq, arg, sizeof(irq)))
		return -EFAULT;
	if (irq.irq > 255)
		return -EINVAL;
	if (vcpu->vm->irq.in_kernel)
		return lodge_irq_user_inject(vcpu, irq.irq);
	vcpu->events.irq.vector = irq.irq;
	vcpu->events.irq.soft = false;
	vcpu->events.irq.injected = true;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	return 0;
}

/** lodge_nmi - KVM_NMI */
long lodge_nmi(struct lodge_vcpu *vcpu, void __user *arg)
{
	lodge_nmi_queue(vcpu);
	return 0;
}

/** lodge_events_read - what KVM_GET_VCPU_EVENTS gives */
void lodge_events_read(struct lodge_vcpu *vcpu, struct kvm_vcpu_events *out)
{
	struct lodge_events *ev = &vcpu->events;
	struct lodge_exception *e = &ev->exception;

	memset(out, 0, sizeof(*out));
	collect_nmis(vcpu);
	/* Who doesn't know payloads gets them delivered. */
	if (!vcpu->vm->exception_payload && e->pending)
		lodge_exception_payload(vcpu, e);
	out->exception.injected = e->injected;
	out->exception.pending = e->pending;
	if (!vcpu->vm->exception_payload) {
		out->exception.injected |= e->pending;
		out->exception.pending = 0;
	}
	out->exception.nr = e->vector;
	out->exception.has_error_code = e->has_error;
	out->exception.error_code = e->error;
	out->exception_has_payload = e->has_payload;
	out->exception_payload = e->payload;
	out->interrupt.injected = ev->irq.injected && !ev->irq.soft;
	out->interrupt.nr = ev->irq.vector;
	out->interrupt.shadow = lodge_backend->int_shadow(vcpu);
	out->nmi.injected = ev->nmi.injected;
	out->nmi.pending = ev->nmi.pending;
	out->nmi.masked = lodge_backend->nmi_masked(vcpu);
	out->flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
		    KVM_VCPUEVENT_VALID_SHADOW;
	if (vcpu->vm->exception_payload)
		out->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->vm->triple_fault_event) {
		out->triple_fault.pending =
			lodge_request_test(vcpu, LODGE_REQ_TRIPLE_FAULT);
		out->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
}

/** lodge_events_get - KVM_GET_VCPU_EVENTS */
long lodge_events_get(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_vcpu_events out;

	lodge_events_read(vcpu, &out);
	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

static int check_events(struct lodge_vcpu *vcpu, struct kvm_vcpu_events *in)
{
	const u32 known = KVM_VCPUEVENT_VALID_NMI_PENDING |
			  KVM_VCPUEVENT_VALID_SIPI_VECTOR |
			  KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM |
			  KVM_VCPUEVENT_VALID_PAYLOAD |
			  KVM_VCPUEVENT_VALID_TRIPLE_FAULT;

	if (in->flags & ~known)
		return -EINVAL;
	if (in->flags & KVM_VCPUEVENT_VALID_PAYLOAD) {
		if (!vcpu->vm->exception_payload)
			return -EINVAL;
		if (in->exception.pending)
			in->exception.injected = 0;
		else
			in->exception_has_payload = 0;
	} else {
		in->exception.pending = 0;
		in->exception_has_payload = 0;
	}
	if ((in->exception.injected || in->exception.pending) &&
	    (in->exception.nr > 31 || in->exception.nr == X86_TRAP_NMI))
		return -EINVAL;
	/* No system-management mode is offered. */
	if ((in->flags & KVM_VCPUEVENT_VALID_SMM) &&
	    (in->smi.smm || in->smi.pending))
		return -EINVAL;
	if ((in->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) &&
	    !vcpu->vm->triple_fault_event)
		return -EINVAL;
	return 0;
}

/** lodge_events_write - KVM_SET_VCPU_EVENTS; @in is nobody else's, and may change */
int lodge_events_write(struct lodge_vcpu *vcpu, struct kvm_vcpu_events *in)
{
	struct lodge_events *ev = &vcpu->events;
	int ret = check_events(vcpu, in);

	if (ret)
		return ret;

	ev->exception = (struct lodge_exception){
		.injected = in->exception.injected,
		.pending = in->exception.pending,
		.vector = in->exception.nr,
		.has_error = in->exception.has_error_code,
		.error = in->exception.error_code,
		.has_payload = in->exception_has_payload,
		.payload = in->exception_payload,
	};
	ev->irq.injected = in->interrupt.injected;
	ev->irq.vector = in->interrupt.nr;
	ev->irq.soft = in->interrupt.soft;
	if (in->flags & KVM_VCPUEVENT_VALID_SHADOW)
		lodge_backend->set_int_shadow(vcpu, in->interrupt.shadow);
	ev->nmi.injected = in->nmi.injected;
	if (in->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		ev->nmi.pending = min_t(u8, in->nmi.pending, 2);
		atomic_set(&ev->nmi_queued, 0);
	}
	lodge_backend->set_nmi_masked(vcpu, in->nmi.masked);
	if ((in->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR) && vcpu->apic)
		lodge_lapic_set_sipi(vcpu, in->sipi_vector);
	if (in->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		if (in->triple_fault.pending)
			lodge_triple_fault(vcpu);
		else
			clear_bit(LODGE_REQ_TRIPLE_FAULT, &vcpu->requests);
	}
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	return 0;
}

/** lodge_events_set - KVM_SET_VCPU_EVENTS */
long lodge_events_set(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_vcpu_events in;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	return lodge_events_write(vcpu, &in);
}
