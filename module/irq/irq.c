// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Overview
 *
 * What is in this room: the interrupt controllers of a PC and the ways into
 * them. A local APIC per vCPU (lapic.c, its timer in timer.c, its place in the
 * nested tables in access.c), an I/O APIC, two
 * PICs and a PIT per VM; the routing that leads from a GSI to their pins or to a
 * message; irqfds, which signal a GSI without a system call of the launcher; the
 * bus on which the devices are found, and on it ioeventfds and coalesced zones,
 * which are the way out.
 *
 * How an interrupt travels::
 *
 *	KVM_IRQ_LINE, irqfd, PIT      KVM_SIGNAL_MSI        guest writes ICR
 *	          |                         |                      |
 *	   routing (GSI)                    |                      |
 *	    /     |     \_______________    |                      |
 *	  PIC   I/O APIC                \   |                      |
 *	   |      |______________________ lodge_ipi_deliver() _____|
 *	   |                                |
 *	   |                  lodge_lapic_accept(): IRR, or INIT, SIPI, NMI
 *	   |                                |
 *	   |____ LODGE_REQ_EVENT, kick _____|
 *	                    |
 *	 the vCPU, before entry: lodge_irq_pending(), lodge_irq_ack()
 *
 * Life. KVM_CREATE_IRQCHIP makes the PICs, the I/O APIC and the default routes,
 * before the first vCPU; each vCPU then gets a local APIC. With
 * KVM_CAP_SPLIT_IRQCHIP in its place there are the local APICs and messages alone:
 * user space has the rest, injects what its PIC has, and is told of EOIs. They
 * go with the VM:
 * lodge_irq_stop() takes the irqfds down when its descriptor is closed,
 * lodge_irq_destroy() the rest, before the vCPUs are freed that devices reach
 * for. Without an in-kernel irqchip only the buses are here.
 *
 * Locks. All but ioctls can be called with interrupts off, from the host's
 * interrupts as well: the PIC, the I/O APIC and the PIT have a raw spinlock each, and
 * a local APIC has none. Its IRR (or the descriptor that stands in for it) and TMR
 * are set by anybody with atomic bit operations; everything else in it is its vCPU thread's own, and what others
 * read of it (id, LDR, LVT) they read once. Routing, buses, the table of local
 * APICs and the list of those who wait for acknowledgments are read under RCU and
 * changed under irq.lock. Order: irq.lock > PIC, I/O APIC > PIT: the PIT raises
 * its line with no lock held, and who waits for an EOI is told so too.
 *
 * What may not be touched from here: VMCB and VMCS, and the vCPU's events but
 * through lodge_nmi_queue(). A vCPU is woken by lodge_vcpu_request() and
 * lodge_vcpu_kick() only.
 */
#include <linux/mm.h>

#include "backend.h"
#include "chips.h"
#include "trace.h"

static bool pic_waits(struct lodge_lapic *apic)
{
	const struct lodge_pic *pic = apic->vcpu->vm->irq.pic;
	bool output = pic ? READ_ONCE(pic->output) : apic->extint >= 0;

	return unlikely(output) && lodge_lapic_takes_pic(apic);
}

static int pic_ack(struct lodge_vcpu *vcpu)
{
	int vector = vcpu->apic->extint;

	if (vcpu->vm->irq.pic)
		return lodge_pic_ack(vcpu->vm->irq.pic);
	vcpu->apic->extint = -1;
	return vector;
}

/**
 * lodge_irq_pending - is there an interrupt to be delivered?
 * @vcpu: the vCPU; only its thread asks
 *
 * Whether the guest can take it now (IF, shadows) is the caller's question.
 *
 * Context: interrupts may be off.
 * Return: the vector, LODGE_IRQ_EXTINT if it is the PIC's, or -1.
 */
int lodge_irq_pending(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;

	if (!apic)
		return -1;
	return pic_waits(apic) ? LODGE_IRQ_EXTINT : lodge_lapic_pending(apic);
}

/**
 * lodge_irq_inject - is there an interrupt that wants to be injected?
 * @vcpu: the vCPU, before an entry
 *
 * Hardware that delivers interrupts by itself is told of those that it can
 * deliver; the PIC's it can't.
 *
 * Context: interrupts are off.
 * Return: as lodge_irq_pending().
 */
int lodge_irq_inject(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;
	int vector;

	if (apic && unlikely(apic->vid)) {
		lodge_lapic_publish(apic);
		return pic_waits(apic) ? LODGE_IRQ_EXTINT : -1;
	}
	vector = lodge_irq_pending(vcpu);
	if (apic && lodge_caps.apic_tpr)
		lodge_backend->apic_threshold(vcpu, lodge_lapic_threshold(apic));
	return vector;
}

/**
 * lodge_irq_ack - take the interrupt that is to be delivered
 * @vcpu: the vCPU; its thread injects what this returns
 * @vector: what lodge_irq_pending() or lodge_irq_inject() said just before
 *
 * Context: interrupts may be off.
 * Return: the vector, or -1 if the PIC has taken its own back.
 */
int lodge_irq_ack(struct lodge_vcpu *vcpu, int vector)
{
	if (unlikely(vector == LODGE_IRQ_EXTINT))
		vector = pic_ack(vcpu);
	else
		lodge_lapic_ack(vcpu->apic, vector);
	trace_lodge_irq_ack(vcpu, vector);
	return vector;
}

/** lodge_irq_user_owns - are the PICs, or all controllers, in user space? */
bool lodge_irq_user_owns(const struct lodge_vcpu *vcpu)
{
	return !vcpu->vm->irq.in_kernel || vcpu->vm->irq.split;
}

/**
 * lodge_irq_user_accepts - would lodge_irq_user_inject() be of use?
 * @vcpu: the vCPU, own thread; lodge_irq_user_owns() it
 *
 * Without a local APIC that is for the caller to say.
 */
bool lodge_irq_user_accepts(struct lodge_vcpu *vcpu)
{
	struct lodge_lapic *apic = vcpu->apic;

	return !apic || (apic->extint < 0 && lodge_lapic_takes_pic(apic));
}

/**
 * lodge_irq_user_inject - user space's PIC has an interrupt for a local APIC here
 * @vcpu: the vCPU, locked
 * @vector: what the PIC gave; it waits until LINT0 and the guest take it
 *
 * Return: 0; -EEXIST: one waits already; -ENXIO: the PIC is in the kernel.
 */
int lodge_irq_user_inject(struct lodge_vcpu *vcpu, u8 vector)
{
	if (!lodge_irq_user_owns(vcpu))
		return -ENXIO;
	if (vcpu->apic->extint >= 0)
		return -EEXIST;
	vcpu->apic->extint = vector;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	return 0;
}

/**
 * lodge_irq_init - a new VM's part of this room
 * @vm: the VM, zeroed
 *
 * Return: 0 or -ENOMEM.
 */
int lodge_irq_init(struct lodge_vm *vm)
{
	struct lodge_irq *irq = &vm->irq;

	mutex_init(&irq->lock);
	raw_spin_lock_init(&irq->ring_lock);
	INIT_LIST_HEAD(&irq->acks);
	INIT_LIST_HEAD(&irq->irqfds);
	INIT_LIST_HEAD(&irq->ioeventfds);
	INIT_LIST_HEAD(&irq->coalesced);
	irq->ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return irq->ring ? 0 : -ENOMEM;
}

/**
 * lodge_irq_destroy - free all of it
 * @vm: the VM: no vCPU runs any more, and none was freed yet
 *
 * Context: sleeps.
 */
void lodge_irq_destroy(struct lodge_vm *vm)
{
	struct lodge_vcpu *vcpu;
	unsigned long i;

	lodge_irq_stop(vm);
	lodge_pit_stop(vm);
	/* What a local APIC's timer raises looks at the I/O APIC. */
	lodge_for_each_vcpu(i, vcpu, vm)
		if (vcpu->apic)
			hrtimer_cancel(&vcpu->apic->timer);
	if (vm->irq.ioapic)
		cancel_delayed_work_sync(&vm->irq.ioapic->storm_work);
	/* So that freeing vCPUs need not wait for senders, one by one. */
	memset(vm->irq.apic, 0, sizeof(vm->irq.apic));
	synchronize_rcu();

	lodge_access_destroy(vm);
	lodge_bus_destroy(vm);
	free_page((unsigned long)vm->irq.ring);
	kfree(vm->irq.pit);
	kfree(vm->irq.ioapic);
	kfree(vm->irq.pic);
	kvfree(rcu_dereference_protected(vm->irq.routing, true));
	RCU_INIT_POINTER(vm->irq.routing, NULL);
}
