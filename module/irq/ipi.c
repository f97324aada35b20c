// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a message to the local APICs that it names.
 *
 * There is no map to keep up to date: APICs stand in a table by the id that
 * they were created with, which is the id that they keep in x2APIC mode, and in
 * xAPIC mode unless the guest writes ID (lodge_irq.ids_moved). So a physical
 * destination is one look-up, and an x2APIC's logical one too: its LDR is made of
 * its id. What is left (broadcasts, the xAPIC's flat and cluster model) asks each
 * APIC in turn, as the bus that the model comes from did.
 */
#include <linux/nospec.h>

#include "backend.h"
#include "chips.h"
#include "event.h"

static void notify(struct lodge_vcpu *vcpu, bool self)
{
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	/* Whoever sends to itself is not in the guest, and looks before entry. */
	if (!self)
		lodge_vcpu_kick(vcpu);
}

static void latch(struct lodge_vcpu *vcpu, enum lodge_apic_event event, bool self)
{
	/* INIT takes back a SIPI that was not yet seen. */
	if (event == LODGE_APIC_INIT)
		xchg(&vcpu->apic_events, BIT(LODGE_APIC_INIT));
	else
		set_bit(event, &vcpu->apic_events);
	notify(vcpu, self);
}

/* Whoever sets the bit first also tells the vCPU. */
static void request(struct lodge_lapic *apic, u8 vector, bool self)
{
	if (unlikely(apic->vid)) {
		struct lodge_pir *pir = lodge_lapic_pir(apic);

		if (test_and_set_bit(vector, pir->vectors))
			return;
		/* Whose EOI matters, the CPU must hear of: by lodge_lapic_publish(). */
		if (lodge_caps.apic_posted && !self &&
		    !test_bit(vector, apic->vcpu->vm->irq.eoi)) {
			lodge_vcpu_request(apic->vcpu, LODGE_REQ_EVENT);
			if (!test_and_set_bit(LODGE_PIR_ON, &pir->control))
				lodge_vcpu_post(apic->vcpu);
			return;
		}
	} else if (test_and_set_bit(vector & 31,
				    lodge_lapic_word(apic, APIC_IRR, vector))) {
		return;
	}
	notify(apic->vcpu, self);
}

/**
 * lodge_lapic_accept - a message has arrived at one local APIC
 * @apic: the local APIC
 * @ipi: the message; its destination was matched already
 * @self: the calling thread runs this vCPU, outside of the guest
 *
 * Context: any but NMI; not only the vCPU's thread.
 * Return: whether it was taken. A vector that was already requested counts.
 */
bool lodge_lapic_accept(struct lodge_lapic *apic, const struct lodge_ipi *ipi,
			bool self)
{
	struct lodge_vcpu *vcpu = apic->vcpu;
	u8 vector = ipi->vector;

	switch (ipi->mode << 8) {
	case APIC_DM_FIXED:
	case APIC_DM_LOWEST:
		if ((ipi->trig_level && !ipi->level) ||
		    !lodge_lapic_sw_enabled(apic))
			return false;
		/* SDM vol. 3A 10.5.2: 0 to 15 are for exceptions only. */
		if (vector < 16) {
			lodge_lapic_error(apic, APIC_ESR_RECVILL, self);
			return false;
		}
		if (ipi->trig_level != lodge_lapic_test(apic, APIC_TMR, vector))
			assign_bit(vector & 31,
				   lodge_lapic_word(apic, APIC_TMR, vector),
				   ipi->trig_level);
		request(apic, vector, self);
		return true;
	case APIC_DM_NMI:
		lodge_nmi_queue(vcpu);
		return true;
	case APIC_DM_INIT:
		/* The level de-assert message of old resets arbitration only. */
		if (ipi->trig_level && !ipi->level)
			return false;
		latch(vcpu, LODGE_APIC_INIT, self);
		return true;
	case APIC_DM_STARTUP:
		WRITE_ONCE(apic->sipi_vector, vector);
		smp_wmb();	/* the vector before the event: accept_events() */
		latch(vcpu, LODGE_APIC_SIPI, self);
		return true;
	default:
		/*
		 * SMI: there is no SMM. Remote read: gone from processors since
		 * Pentium 4. ExtINT: the PIC's output leads to LINT0 directly.
		 */
		return false;
	}
}

static bool matches(struct lodge_lapic *apic, bool from_cpu,
		    const struct lodge_ipi *ipi)
{
	bool x2apic = lodge_lapic_x2apic(apic);
	u32 dest = ipi->dest;
	u32 ldr;

	if (!lodge_lapic_hw_enabled(apic))
		return false;
	/*
	 * A device has 8 bits of destination: its 255 shall mean everybody also
	 * where the APICs are x2APICs, unless the launcher disabled that quirk.
	 */
	if (x2apic && !from_cpu && dest == 0xff &&
	    !apic->vcpu->vm->irq.x2apic_broadcast)
		return true;
	if (dest == (x2apic ? ~0u : 0xff))
		return true;
	if (!ipi->logical)
		return dest == lodge_lapic_id(apic);
	if (x2apic) {
		ldr = lodge_x2apic_ldr(apic->vcpu->id);
		return ldr >> 16 == dest >> 16 && (ldr & dest & 0xffff);
	}
	ldr = lodge_lapic_reg(apic, APIC_LDR) >> 24;
	if (lodge_lapic_reg(apic, APIC_DFR) >> 28 == 0xf)
		return ldr & dest & 0xff;
	return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
}

static bool is_target(struct lodge_lapic *apic, struct lodge_lapic *src,
		      const struct lodge_ipi *ipi)
{
	switch (ipi->shorthand << 18) {
	case APIC_DEST_SELF:
		return apic == src;
	case APIC_DEST_ALLINC:
		return lodge_lapic_hw_enabled(apic);
	case APIC_DEST_ALLBUT:
		return apic != src && lodge_lapic_hw_enabled(apic);
	default:
		return matches(apic, src, ipi);
	}
}

/* The only APIC that can be meant, NULL if nobody, ERR_PTR if many can be. */
static struct lodge_lapic *single(struct lodge_irq *irq,
				  const struct lodge_ipi *ipi)
{
	unsigned int id = ipi->dest;

	if (ipi->shorthand || READ_ONCE(irq->ids_moved) || id == 0xff || id == ~0u)
		return ERR_PTR(-EAGAIN);
	if (ipi->logical) {
		struct lodge_lapic *bsp = READ_ONCE(irq->apic[0]);

		/* One bit of one cluster, and a guest that is in x2APIC mode */
		if (!bsp || !lodge_lapic_x2apic(bsp) ||
		    hweight16(ipi->dest & 0xffff) != 1)
			return ERR_PTR(-EAGAIN);
		id = (ipi->dest >> 16) << 4 | __ffs(ipi->dest & 0xffff);
	}
	if (id > LODGE_MAX_APIC_ID)
		return NULL;
	return READ_ONCE(irq->apic[array_index_nospec(id, LODGE_MAX_APIC_ID + 1)]);
}

static int reach(struct lodge_lapic *apic, struct lodge_lapic *src,
		 const struct lodge_ipi *ipi)
{
	if (!lodge_lapic_accept(apic, ipi, apic == src))
		return 0;
	if (ipi->reached)
		__set_bit(apic->vcpu->id, ipi->reached);
	return 1;
}

/*
 * One of those that are named takes it. Which one depends on the vector, so that
 * several devices' interrupts spread over the vCPUs and each stays where it is.
 */
static int lowest(struct lodge_irq *irq, struct lodge_lapic *src,
		  const struct lodge_ipi *ipi)
{
	unsigned int i, count = 0;
	struct lodge_lapic *apic;

	lodge_for_each_lapic(i, apic, irq)
		count += is_target(apic, src, ipi) && lodge_lapic_sw_enabled(apic);
	if (!count)
		return 0;
	count = ipi->vector % count;
	/* Some may have come or gone meanwhile: a vCPU that couldn't be made. */
	lodge_for_each_lapic(i, apic, irq)
		if (is_target(apic, src, ipi) && lodge_lapic_sw_enabled(apic) &&
		    !count--)
			return reach(apic, src, ipi);
	return 0;
}

/**
 * lodge_ipi_deliver - send an interrupt message
 * @vm: the VM
 * @src: the vCPU whose thread calls because its APIC sends it; NULL if a device does
 * @ipi: the message
 *
 * Context: any but NMI.
 * Return: number of vCPUs that took it.
 */
int lodge_ipi_deliver(struct lodge_vm *vm, struct lodge_vcpu *src,
		      const struct lodge_ipi *ipi)
{
	struct lodge_lapic *from = src ? src->apic : NULL;
	struct lodge_irq *irq = &vm->irq;
	struct lodge_lapic *apic;
	unsigned int i;
	int n = 0;

	rcu_read_lock();
	apic = single(irq, ipi);
	if (!IS_ERR(apic)) {
		if (apic && matches(apic, from, ipi))
			n = reach(apic, from, ipi);
	} else if (ipi->lowest || ipi->mode << 8 == APIC_DM_LOWEST) {
		n = lowest(irq, from, ipi);
	} else {
		lodge_for_each_lapic(i, apic, irq)
			if (is_target(apic, from, ipi))
				n += reach(apic, from, ipi);
	}
	rcu_read_unlock();
	return n;
}

/**
 * lodge_lapic_send - the guest wrote its interrupt command register
 * @apic: the sender
 * @low: ICR's low half
 * @dest: destination, as wide as the APIC's mode has it
 *
 * Context: the vCPU's thread; interrupts may be off.
 */
void lodge_lapic_send(struct lodge_lapic *apic, u32 low, u32 dest)
{
	const struct lodge_ipi ipi = {
		.dest = dest,
		.vector = low & APIC_VECTOR_MASK,
		.mode = (low & APIC_DM_FIXED_MASK) >> 8,
		.logical = low & APIC_DEST_LOGICAL,
		.level = low & APIC_INT_ASSERT,
		.trig_level = low & APIC_INT_LEVELTRIG,
		.shorthand = (low & APIC_DEST_ALLBUT) >> 18,
	};

	if (ipi.mode << 8 <= APIC_DM_LOWEST) {
		if (ipi.vector < 16) {
			lodge_lapic_error(apic, APIC_ESR_SENDILL, true);
			return;
		}
		/* The measured case: no table, no lock, no kick. */
		if (ipi.shorthand << 18 == APIC_DEST_SELF) {
			lodge_lapic_accept(apic, &ipi, true);
			return;
		}
	}
	lodge_ipi_deliver(apic->vcpu->vm, apic->vcpu, &ipi);
}
