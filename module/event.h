/* SPDX-License-Identifier: GPL-2.0-only */
/* Exceptions, NMIs and interrupts on their way into the guest, in neutral form. */
#ifndef LODGE_EVENT_H
#define LODGE_EVENT_H

#include <linux/types.h>

#include "lodge.h"

void lodge_exception_queue(struct lodge_vcpu *vcpu, u8 vector);
void lodge_exception_queue_error(struct lodge_vcpu *vcpu, u8 vector, u32 error);
void lodge_exception_queue_full(struct lodge_vcpu *vcpu,
				const struct lodge_exception *e);
void lodge_pf_queue(struct lodge_vcpu *vcpu, u64 cr2, u32 error);
void lodge_db_queue(struct lodge_vcpu *vcpu, u64 dr6);
void lodge_nmi_queue(struct lodge_vcpu *vcpu);
void lodge_triple_fault(struct lodge_vcpu *vcpu);
void lodge_exception_payload(struct lodge_vcpu *vcpu, struct lodge_exception *e);
int lodge_events_inject(struct lodge_vcpu *vcpu);
void lodge_events_requeue_exception(struct lodge_vcpu *vcpu, u8 vector,
				    bool has_error, u32 error);
void lodge_events_requeue_irq(struct lodge_vcpu *vcpu, u8 vector);
void lodge_events_requeue_nmi(struct lodge_vcpu *vcpu);
bool lodge_vcpu_runnable(struct lodge_vcpu *vcpu);
bool lodge_irq_window_open(struct lodge_vcpu *vcpu);

long lodge_interrupt(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_nmi(struct lodge_vcpu *vcpu, void __user *arg);
void lodge_events_read(struct lodge_vcpu *vcpu, struct kvm_vcpu_events *out);
int lodge_events_write(struct lodge_vcpu *vcpu, struct kvm_vcpu_events *in);
long lodge_events_get(struct lodge_vcpu *vcpu, void __user *arg);
long lodge_events_set(struct lodge_vcpu *vcpu, void __user *arg);

/* After an entry: what it injected has arrived, unless the vendor requeues it. */
static inline void lodge_events_delivered(struct lodge_vcpu *vcpu)
{
	struct lodge_events *ev = &vcpu->events;

	if (likely(!ev->injecting))
		return;
	ev->injecting = false;
	ev->exception.injected = false;
	ev->nmi.injected = false;
	ev->irq.injected = false;
}

#endif /* LODGE_EVENT_H */
