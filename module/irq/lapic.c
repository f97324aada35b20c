// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC: its registers and its priorities. SDM vol. 3A chapter 10.
 *
 * The registers stand in a page, where the architecture has them, and there
 * only: where the hardware virtualizes the APIC it is given that page, and reads
 * and writes it without us. PPR, which follows from TPR and ISR, is worked out
 * when it is asked for, and so is the timer's count.
 *
 * Two ways lead from IRR to the guest. Without help from hardware the pending
 * vector is moved to ISR by lodge_lapic_ack(), and injected. With it
 * (lodge_lapic.vid) the page's IRR and ISR are the CPU's while the guest runs, so
 * that who sends an interrupt notes it in the descriptor (struct lodge_pir); the
 * owner moves it over before an entry and tells the CPU where to begin
 * (lodge_lapic_publish()).
 */
#include <linux/slab.h>

#include "backend.h"
#include "chips.h"
#include "trace.h"

#define LVT_COMMON	(APIC_LVT_MASKED | APIC_SEND_PENDING | APIC_VECTOR_MASK)
#define LVT_LINT	(LVT_COMMON | APIC_MODE_MASK | APIC_INPUT_POLARITY | \
			 APIC_LVT_REMOTE_IRR | APIC_LVT_LEVEL_TRIGGER)

/* Of the x2APIC's ICR: SDM vol. 3A figure 10-28. Bit 12, BUSY, is forgiven. */
#define ICR_RESERVED	(GENMASK_ULL(31, 20) | GENMASK_ULL(17, 16) | BIT_ULL(13))

/* The bits that can be written: SDM vol. 3A figure 10-8. */
static const u32 lvt_bits[LODGE_NR_LVT] = {
	[LVT_TIMER] = LVT_COMMON | 3 << 17,
	[LVT_THERMAL] = LVT_COMMON | APIC_MODE_MASK,
	[LVT_PERF] = LVT_COMMON | APIC_MODE_MASK,
	[LVT_LINT0] = LVT_LINT,
	[LVT_LINT1] = LVT_LINT,
	[LVT_ERROR] = LVT_COMMON,
};

/* Highest vector in service, or -1. */
static int isr_top(const struct lodge_lapic *apic)
{
	return unlikely(apic->vid) ? lodge_lapic_top(apic, APIC_ISR) :
	       apic->isr_top;
}

static u8 ppr(const struct lodge_lapic *apic)
{
	u8 tpr = lodge_lapic_reg(apic, APIC_TASKPRI);
	int top = isr_top(apic);
	u8 isr = top < 0 ? 0 : top & 0xf0;

	return (tpr & 0xf0) >= isr ? tpr : isr;
}

/* What others noted in the descriptor comes into IRR. */
static void merge(struct lodge_lapic *apic)
{
	struct lodge_pir *pir = lodge_lapic_pir(apic);
	unsigned long new;
	int i;

	clear_bit(LODGE_PIR_ON, &pir->control);
	smp_mb__after_atomic();		/* before the vectors: accept() has the pair */
	for (i = 0; i < 4; i++) {
		if (!READ_ONCE(pir->vectors[i]))
			continue;
		new = xchg(&pir->vectors[i], 0);
		*lodge_lapic_word(apic, APIC_IRR, i * 64) |= (u32)new;
		*lodge_lapic_word(apic, APIC_IRR, i * 64 + 32) |= new >> 32;
	}
}

/* The vector that can be delivered now, or -1. */
int lodge_lapic_pending(struct lodge_lapic *apic)
{
	int vector;

	if (unlikely(apic->vid))
		merge(apic);
	vector = lodge_lapic_top(apic, APIC_IRR);
	return vector >= 0 && (vector & 0xf0) > (ppr(apic) & 0xf0) &&
		lodge_lapic_hw_enabled(apic) ? vector : -1;
}

/**
 * lodge_lapic_publish - tell hardware that delivers what there is to deliver
 * @apic: a local APIC with @vid
 *
 * It reads IRR and ISR in the page by itself, but wants to know their tops.
 *
 * Context: the vCPU's thread, before an entry, interrupts off.
 */
void lodge_lapic_publish(struct lodge_lapic *apic)
{
	int irr = -1;

	merge(apic);
	if (lodge_lapic_hw_enabled(apic))
		irr = lodge_lapic_top(apic, APIC_IRR);
	lodge_backend->apic_status(apic->vcpu, max(irr, 0), max(isr_top(apic), 0),
				   apic->vcpu->vm->irq.eoi);
}

/**
 * lodge_lapic_eoi_changed - other EOIs than before are waited for
 * @vm: the VM
 *
 * Hardware that takes EOIs is told with what it has to deliver. A vCPU may be in
 * the guest with the old word, and what it has in service may be what matters now.
 *
 * Context: any but NMI; after the change.
 */
void lodge_lapic_eoi_changed(struct lodge_vm *vm)
{
	struct lodge_lapic *apic;
	unsigned int i;

	if (!lodge_caps.apic_vid)
		return;
	rcu_read_lock();
	lodge_for_each_lapic(i, apic, &vm->irq) {
		lodge_vcpu_request(apic->vcpu, LODGE_REQ_EVENT);
		lodge_vcpu_kick(apic->vcpu);
	}
	rcu_read_unlock();
}

/**
 * lodge_lapic_threshold - the priority below which TPR must fall for an interrupt
 * @apic: a local APIC without @vid
 *
 * Return: 1 to 15; 0 if none waits for that.
 */
u8 lodge_lapic_threshold(struct lodge_lapic *apic)
{
	int irr = lodge_lapic_top(apic, APIC_IRR) >> 4;
	u8 tpr = lodge_lapic_reg(apic, APIC_TASKPRI) >> 4;

	return irr > apic->isr_top >> 4 && irr <= tpr &&
		lodge_lapic_hw_enabled(apic) ? irr : 0;
}

/* What was blocked by priority may not be any more, or only by TPR, or by hardware. */
static void recheck(struct lodge_lapic *apic)
{
	if (unlikely(apic->vid) || lodge_lapic_pending(apic) >= 0 ||
	    (lodge_caps.apic_tpr && lodge_lapic_threshold(apic)))
		lodge_vcpu_request(apic->vcpu, LODGE_REQ_EVENT);
}

/* The pending vector goes from IRR to ISR: it is above all that is there. */
void lodge_lapic_ack(struct lodge_lapic *apic, u8 vector)
{
	clear_bit(vector & 31, lodge_lapic_word(apic, APIC_IRR, vector));
	__set_bit(vector & 31, lodge_lapic_word(apic, APIC_ISR, vector));
	apic->isr_top = vector;
}

/* The guest has finished @vector: whoever must know is told. */
static void finished(struct lodge_lapic *apic, u8 vector)
{
	struct lodge_irq *irq = &apic->vcpu->vm->irq;
	bool level = lodge_lapic_test(apic, APIC_TMR, vector);

	trace_lodge_eoi(apic->vcpu, vector);
	if (!level && !test_bit(vector, irq->eoi))
		return;
	if (irq->ioapic) {
		lodge_ioapic_eoi(apic->vcpu, vector, level);
	} else if (level && test_bit(vector, irq->eoi)) {
		apic->vcpu->eoi_vector = vector;
		lodge_vcpu_request(apic->vcpu, LODGE_REQ_IOAPIC_EOI);
	}
}

static void eoi(struct lodge_lapic *apic)
{
	int vector = isr_top(apic);

	/* Linux writes EOI also when nothing is in service: 10.8.5 allows it. */
	if (vector < 0)
		return;
	__clear_bit(vector & 31, lodge_lapic_word(apic, APIC_ISR, vector));
	apic->isr_top = lodge_lapic_top(apic, APIC_ISR);
	finished(apic, vector);
	recheck(apic);
}

/**
 * lodge_lapic_eoi_exit - hardware took an EOI that somebody waits for
 * @vcpu: the vCPU
 * @vector: what is no longer in service; of those that apic_status() was given
 *
 * Context: the vCPU's thread; interrupts may be off.
 */
void lodge_lapic_eoi_exit(struct lodge_vcpu *vcpu, u8 vector)
{
	finished(vcpu->apic, vector);
}

/* An entry of the local vector table is signalled. */
void lodge_lapic_local(struct lodge_lapic *apic, enum lodge_lvt n, bool self)
{
	u32 lvt = lodge_lapic_lvt(apic, n);
	const struct lodge_ipi ipi = {
		.vector = lvt & APIC_VECTOR_MASK,
		.mode = (lvt & APIC_MODE_MASK) >> 8,
		.level = true,
		.trig_level = lvt & APIC_LVT_LEVEL_TRIGGER,
	};

	if (!(lvt & APIC_LVT_MASKED) && lodge_lapic_hw_enabled(apic))
		lodge_lapic_accept(apic, &ipi, self);
}

/* An error is noted till ESR is written, and signalled once: 10.5.3. */
void lodge_lapic_error(struct lodge_lapic *apic, u32 bits, bool self)
{
	u32 old = READ_ONCE(apic->errors);

	while (!try_cmpxchg(&apic->errors, &old, old | bits))
		;
	/* An LVT error entry with a vector below 16 would come back here. */
	if (!(old & bits) && (lodge_lapic_lvt(apic, LVT_ERROR) & APIC_VECTOR_MASK) >= 16)
		lodge_lapic_local(apic, LVT_ERROR, self);
}

/* Does this APIC take the PIC's output? It does when it is disabled: 10.4.3. */
bool lodge_lapic_takes_pic(struct lodge_lapic *apic)
{
	u32 lint0 = lodge_lapic_lvt(apic, LVT_LINT0);

	return !lodge_lapic_hw_enabled(apic) ||
		(lint0 & (APIC_LVT_MASKED | APIC_MODE_MASK)) == APIC_DM_EXTINT;
}

/* Bit n: there is a register at n * 16. SDM vol. 3A table 10-1. */
#define AT(offset)	BIT_ULL((offset) >> 4)
#define REGS_X2APIC	(AT(APIC_ID) | AT(APIC_LVR) | AT(APIC_TASKPRI) | \
			 AT(APIC_PROCPRI) | AT(APIC_LDR) | AT(APIC_SPIV) | \
			 GENMASK_ULL(0x27, 0x10) | AT(APIC_ESR) | \
			 AT(APIC_ICR) | GENMASK_ULL(0x37, 0x32) | \
			 AT(APIC_TMICT) | AT(APIC_TMCCT) | AT(APIC_TDCR))
#define REGS_XAPIC	(REGS_X2APIC | AT(APIC_ARBPRI) | AT(APIC_DFR) | \
			 AT(APIC_ICR2))

/* Bit n: RDMSR of APIC_BASE_MSR + n gives what stands in the page. */
const u64 lodge_x2apic_plain = REGS_X2APIC &
	~(AT(APIC_PROCPRI) | AT(APIC_TMCCT) | AT(APIC_ICR));

static u32 reg_value(struct lodge_lapic *apic, u32 offset)
{
	switch (offset) {
	case APIC_PROCPRI:
		return ppr(apic);
	case APIC_TMCCT:
		return lodge_timer_count(apic);
	default:
		return lodge_lapic_reg(apic, offset);
	}
}

/* 0, or -ENXIO where there is no register. Not the x2APIC's view of ICR. */
static int reg_read(struct lodge_lapic *apic, u32 offset, u32 *val)
{
	u64 regs = lodge_lapic_x2apic(apic) ? REGS_X2APIC : REGS_XAPIC;

	if (offset >= 0x400 || !(AT(offset) & regs))
		return -ENXIO;
	*val = reg_value(apic, offset);
	return 0;
}

static void lvt_put(struct lodge_lapic *apic, unsigned int n, u32 val)
{
	lodge_lapic_put(apic, APIC_LVTT + n * 0x10, val);
}

static void svr_write(struct lodge_lapic *apic, u32 val)
{
	int i;

	/* Bit 12 is there only with an I/O APIC that takes EOIs itself. */
	lodge_lapic_put(apic, APIC_SPIV, val & 0x3ff);
	/* Disabled: all LVT entries get masked and stay so (10.4.7.2). */
	if (!(val & APIC_SPIV_APIC_ENABLED))
		for (i = 0; i < LODGE_NR_LVT; i++)
			lvt_put(apic, i, lodge_lapic_lvt(apic, i) |
				APIC_LVT_MASKED);
	recheck(apic);
}

static void lvt_write(struct lodge_lapic *apic, unsigned int n, u32 val)
{
	if (!lodge_lapic_sw_enabled(apic))
		val |= APIC_LVT_MASKED;
	val &= lvt_bits[n];
	/* Without CPUID's word for it, the upper mode bit is reserved. */
	if (n == LVT_TIMER && !lodge_cpuid_has(&apic->vcpu->cpuid,
					       X86_FEATURE_TSC_DEADLINE_TIMER))
		val &= ~APIC_LVT_TIMER_TSCDEADLINE;
	lvt_put(apic, n, val);
	if (n == LVT_TIMER)
		lodge_timer_mode(apic);
	/* The PIC's output may have waited for LINT0 to be opened. */
	if (n == LVT_LINT0)
		lodge_vcpu_request(apic->vcpu, LODGE_REQ_EVENT);
}

static void tpr_write(struct lodge_lapic *apic, u8 val)
{
	u8 old = lodge_lapic_reg(apic, APIC_TASKPRI);

	lodge_lapic_put(apic, APIC_TASKPRI, val);
	if (val < old)
		recheck(apic);
}

static void icr_write(struct lodge_lapic *apic, u32 low, u32 dest)
{
	low &= ~APIC_ICR_BUSY;
	lodge_lapic_put(apic, APIC_ICR, low);
	lodge_lapic_send(apic, low, dest);
}

/*
 * 0, or -ENXIO: no such register, or not one that can be written. The x2APIC's
 * ICR, which is 64 bits wide, doesn't come here.
 */
static int reg_write(struct lodge_lapic *apic, u32 offset, u32 val)
{
	bool x2apic = lodge_lapic_x2apic(apic);

	if (x2apic && (offset == APIC_ID || offset == APIC_LDR ||
		       offset == APIC_DFR || offset == APIC_ICR2))
		return -ENXIO;
	switch (offset) {
	case APIC_ID:
		lodge_lapic_put(apic, APIC_ID, val & 0xff000000);
		if (val >> 24 != apic->vcpu->id)
			WRITE_ONCE(apic->vcpu->vm->irq.ids_moved, true);
		break;
	case APIC_TASKPRI:
		tpr_write(apic, val);
		break;
	case APIC_LDR:
		lodge_lapic_put(apic, APIC_LDR, val & APIC_LDR_MASK);
		break;
	case APIC_DFR:
		lodge_lapic_put(apic, APIC_DFR, val | 0x0fffffff);
		break;
	case APIC_SPIV:
		svr_write(apic, val);
		break;
	case APIC_ESR:
		if (x2apic && val)
			return -ENXIO;
		lodge_lapic_put(apic, APIC_ESR, xchg(&apic->errors, 0));
		break;
	case APIC_ICR:
		icr_write(apic, val, lodge_lapic_reg(apic, APIC_ICR2) >> 24);
		break;
	case APIC_ICR2:
		lodge_lapic_put(apic, APIC_ICR2, val & 0xff000000);
		break;
	case APIC_LVTT ... APIC_LVTERR:
		lvt_write(apic, (offset - APIC_LVTT) >> 4, val);
		break;
	case APIC_TMICT:
		/* Ignored, also where hardware has put it into the page. */
		if (apic->timer_mode == APIC_LVT_TIMER_TSCDEADLINE)
			val = 0;
		lodge_lapic_put(apic, APIC_TMICT, val);
		if (apic->timer_mode != APIC_LVT_TIMER_TSCDEADLINE)
			lodge_timer_start(apic, val);
		break;
	case APIC_TDCR:
		lodge_timer_divide(apic, val);
		break;
	case APIC_SELF_IPI:
		if (!x2apic || val & ~APIC_VECTOR_MASK)
			return -ENXIO;
		lodge_lapic_send(apic, APIC_DEST_SELF | val, 0);
		break;
	default:
		return -ENXIO;
	}
	return 0;
}

/**
 * lodge_lapic_read - read a register through the APIC's page
 * @vcpu: the vCPU, whose lodge_lapic_mmio_hit() said yes
 * @offset: into the page, a multiple of 4
 * @val: all ones while the page isn't decoded, 0 where there is no register
 *
 * Context: the vCPU's thread; interrupts may be off.
 * Return: 0.
 */
int lodge_lapic_read(struct lodge_vcpu *vcpu, u32 offset, u32 *val)
{
	struct lodge_lapic *apic = vcpu->apic;

	*val = 0;
	if (!lodge_lapic_hw_enabled(apic) || lodge_lapic_x2apic(apic))
		*val = ~0u;
	else if (!(offset & 0xf))
		reg_read(apic, offset, val);
	return 0;
}

/**
 * lodge_lapic_write - write a register through the APIC's page
 * @vcpu: the vCPU, whose lodge_lapic_mmio_hit() said yes
 * @offset: into the page, a multiple of 4
 * @val: the value; ignored where there is nothing to be written
 *
 * Context: the vCPU's thread; interrupts may be off.
 * Return: 0.
 */
int lodge_lapic_write(struct lodge_vcpu *vcpu, u32 offset, u32 val)
{
	struct lodge_lapic *apic = vcpu->apic;

	if (!lodge_lapic_hw_enabled(apic) || lodge_lapic_x2apic(apic))
		return 0;
	if (likely(offset == APIC_EOI))
		eoi(apic);
	else if (!(offset & 0xf))
		reg_write(apic, offset, val);
	return 0;
}

/**
 * lodge_lapic_written - the guest has written a register, through hardware
 * @vcpu: the vCPU
 * @offset: into the page, where the value is; a multiple of 16
 *
 * What the register was before is lost: nothing here may want to know it.
 *
 * Context: the vCPU's thread; interrupts may be off.
 */
void lodge_lapic_written(struct lodge_vcpu *vcpu, u32 offset)
{
	if (offset == APIC_EOI)
		eoi(vcpu->apic);
	else
		reg_write(vcpu->apic, offset, lodge_lapic_reg(vcpu->apic, offset));
}

/** lodge_lapic_hpa - where the page of registers lies, for the hardware */
u64 lodge_lapic_hpa(struct lodge_vcpu *vcpu)
{
	return __pa(vcpu->apic->regs);
}

/** lodge_lapic_pir_hpa - and the posted-interrupt descriptor */
u64 lodge_lapic_pir_hpa(struct lodge_vcpu *vcpu)
{
	return lodge_lapic_hpa(vcpu) + LODGE_PIR_OFFSET;
}

/**
 * lodge_lapic_mmio_hit - is this address in the vCPU's APIC page?
 * @vcpu: the vCPU
 * @gpa: guest-physical address
 *
 * The page stays where it is in x2APIC mode and when the APIC is disabled, and
 * reads as all ones, unless the launcher disabled KVM_X86_QUIRK_LAPIC_MMIO_HOLE.
 */
bool lodge_lapic_mmio_hit(struct lodge_vcpu *vcpu, gpa_t gpa)
{
	u64 base = vcpu->apic_base;

	if (!vcpu->apic || (gpa ^ base) >> PAGE_SHIFT)
		return false;
	return ((base & (X2APIC_ENABLE | MSR_IA32_APICBASE_ENABLE)) ==
		MSR_IA32_APICBASE_ENABLE) ||
		!(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
}

/**
 * lodge_x2apic_read - RDMSR of 0x800 to 0x8ff
 * @vcpu: the vCPU
 * @msr: the MSR
 * @val: its value
 *
 * Return: 0, or 1: #GP.
 */
int lodge_x2apic_read(struct lodge_vcpu *vcpu, u32 msr, u64 *val)
{
	struct lodge_lapic *apic = vcpu->apic;
	u32 low;

	if (!apic || !lodge_lapic_x2apic(apic) ||
	    reg_read(apic, (msr - APIC_BASE_MSR) << 4, &low))
		return 1;
	*val = low;
	if (msr == APIC_BASE_MSR + (APIC_ICR >> 4))
		*val |= (u64)lodge_lapic_reg(apic, APIC_ICR2) << 32;
	return 0;
}

/**
 * lodge_x2apic_write - WRMSR of 0x800 to 0x8ff
 * @vcpu: the vCPU
 * @msr: the MSR
 * @val: the value
 *
 * Context: the vCPU's thread; interrupts may be off.
 * Return: 0, or 1: #GP.
 */
int lodge_x2apic_write(struct lodge_vcpu *vcpu, u32 msr, u64 val)
{
	struct lodge_lapic *apic = vcpu->apic;

	if (!apic || !lodge_lapic_x2apic(apic))
		return 1;
	if (msr == APIC_BASE_MSR + (APIC_ICR >> 4)) {
		if (val & ICR_RESERVED)
			return 1;
		lodge_lapic_put(apic, APIC_ICR2, val >> 32);
		icr_write(apic, val, val >> 32);
		return 0;
	}
	if (val >> 32)
		return 1;
	if (msr == APIC_BASE_MSR + (APIC_EOI >> 4)) {
		if (val)
			return 1;
		eoi(apic);
		return 0;
	}
	return !!reg_write(apic, (msr - APIC_BASE_MSR) << 4, val);
}

/**
 * lodge_cr8_get - CR8, which is TPR's upper half, or user space's
 * @vcpu: the vCPU
 */
u64 lodge_cr8_get(struct lodge_vcpu *vcpu)
{
	return vcpu->apic ? lodge_lapic_reg(vcpu->apic, APIC_TASKPRI) >> 4 : vcpu->cr8;
}

/**
 * lodge_lapic_set_cr8 - write CR8
 * @vcpu: the vCPU
 * @cr8: 0 to 15
 */
void lodge_lapic_set_cr8(struct lodge_vcpu *vcpu, u8 cr8)
{
	tpr_write(vcpu->apic, (cr8 & 0xf) << 4);
}

/* As after RESET. Each mode has its own format of them. */
static void ids_reset(struct lodge_lapic *apic)
{
	u32 id = apic->vcpu->id;
	bool x2apic = lodge_lapic_x2apic(apic);

	lodge_lapic_put(apic, APIC_ID, x2apic ? id : id << 24);
	lodge_lapic_put(apic, APIC_LDR, x2apic ? lodge_x2apic_ldr(id) : 0);
}

/**
 * lodge_lapic_set_base - write IA32_APICBASE
 * @vcpu: the vCPU
 * @base: the value
 * @host: by the launcher, which may go from any mode to any other
 *
 * A guest may go from disabled to xAPIC to x2APIC, and from both to disabled:
 * SDM vol. 3A figure 10-27.
 *
 * Context: the vCPU's thread; may sleep. Works without an in-kernel local APIC too.
 * Return: 0, or 1: #GP.
 */
int lodge_lapic_set_base(struct lodge_vcpu *vcpu, u64 base, bool host)
{
	const u64 modes = MSR_IA32_APICBASE_ENABLE | X2APIC_ENABLE;
	u64 reserved = ~0ULL << (vcpu->cpuid.maxphyaddr ?: 36) | 0x2ff;
	u64 old = vcpu->apic_base;
	struct lodge_lapic *apic = vcpu->apic;

	if (!lodge_cpuid_has(&vcpu->cpuid, X86_FEATURE_X2APIC))
		reserved |= X2APIC_ENABLE;
	if (base & reserved || (base & modes) == X2APIC_ENABLE)
		return 1;
	if (!host && (((old & modes) == modes &&
		       (base & modes) == MSR_IA32_APICBASE_ENABLE) ||
		      (!(old & modes) && (base & modes) == modes)))
		return 1;
	WRITE_ONCE(vcpu->apic_base, base);
	if (!apic)
		return 0;
	/* x2APIC ids are the hardware's, and a fresh xAPIC starts with it too. */
	if ((base & ~old) & modes || (base ^ old) & X2APIC_ENABLE)
		ids_reset(apic);
	if ((base ^ old) & modes)
		lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	lodge_access_moved(vcpu->vm, old, base);
	if (base != old && lodge_backend->apic_mode)
		lodge_backend->apic_mode(vcpu);
	return 0;
}

/**
 * lodge_lapic_reset - RESET or INIT
 * @vcpu: the vCPU; its APIC base is set as well on RESET, also without an
 *	in-kernel local APIC
 * @init: INIT, which keeps the mode and the id: SDM vol. 3A 10.4.7.3
 */
void lodge_lapic_reset(struct lodge_vcpu *vcpu, bool init)
{
	struct lodge_lapic *apic = vcpu->apic;
	bool bsp = vcpu->id == vcpu->vm->bsp_id;
	u32 id;
	int i;

	if (!init)
		vcpu->apic_base = APIC_DEFAULT_PHYS_BASE |
			MSR_IA32_APICBASE_ENABLE | (bsp ? MSR_IA32_APICBASE_BSP : 0);
	if (!apic)
		return;

	lodge_timer_stop(apic);
	id = lodge_lapic_reg(apic, APIC_ID);
	memset(apic->regs, 0, KVM_APIC_REG_SIZE);
	memset(lodge_lapic_pir(apic)->vectors, 0, sizeof(lodge_lapic_pir(apic)->vectors));
	apic->isr_top = -1;
	apic->errors = 0;
	apic->extint = -1;
	apic->timer_mode = 0;		/* one-shot */
	apic->divisor = lodge_timer_divisor(0);
	apic->period = 0;
	apic->tsc_deadline = 0;
	ids_reset(apic);
	if (init)
		lodge_lapic_put(apic, APIC_ID, id);
	lodge_lapic_put(apic, APIC_LVR,
			LODGE_APIC_VERSION | (LODGE_NR_LVT - 1) << 16);
	lodge_lapic_put(apic, APIC_SPIV, 0xff);
	lodge_lapic_put(apic, APIC_DFR, 0xffffffff);
	for (i = 0; i < LODGE_NR_LVT; i++)
		lvt_put(apic, i, APIC_LVT_MASKED);
	/* What firmware would do, and guests without one rely on. */
	if (bsp && !(vcpu->vm->disabled_quirks & KVM_X86_QUIRK_LINT0_REENABLED))
		lvt_put(apic, LVT_LINT0, APIC_DM_EXTINT);
}

/**
 * lodge_lapic_create - give a vCPU its local APIC, if its VM has them in the kernel
 * @vcpu: the vCPU; reset its APIC before it runs
 *
 * Return: 0 or -ENOMEM.
 */
int lodge_lapic_create(struct lodge_vcpu *vcpu)
{
	struct lodge_irq *irq = &vcpu->vm->irq;
	struct lodge_lapic *apic;

	if (!irq->in_kernel)
		return 0;
	if (WARN_ON_ONCE(vcpu->id > LODGE_MAX_APIC_ID))
		return -EINVAL;
	apic = kzalloc(sizeof(*apic), GFP_KERNEL_ACCOUNT);
	if (!apic)
		return -ENOMEM;
	apic->regs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!apic->regs) {
		kfree(apic);
		return -ENOMEM;
	}
	apic->vcpu = vcpu;
	apic->vid = lodge_caps.apic_vid;
	lodge_timer_init(apic);
	vcpu->apic = apic;
	lodge_lapic_reset(vcpu, false);

	mutex_lock(&irq->lock);
	irq->max_id = max(irq->max_id, vcpu->id);
	smp_store_release(&irq->apic[vcpu->id], apic);	/* it is whole */
	mutex_unlock(&irq->lock);
	return 0;
}

/**
 * lodge_lapic_free - take it away again
 * @vcpu: the vCPU
 *
 * Context: may sleep. After lodge_irq_destroy(), or when the creation of a vCPU
 * fails: then others may be sending to it.
 */
void lodge_lapic_free(struct lodge_vcpu *vcpu)
{
	struct lodge_irq *irq = &vcpu->vm->irq;
	struct lodge_lapic *apic = vcpu->apic;

	if (!apic)
		return;
	if (irq->apic[vcpu->id] == apic) {
		WRITE_ONCE(irq->apic[vcpu->id], NULL);
		synchronize_rcu();
	}
	hrtimer_cancel(&apic->timer);
	vcpu->apic = NULL;
	free_page((unsigned long)apic->regs);
	kfree(apic);
}

/**
 * lodge_lapic_has_events - is an INIT or SIPI latched?
 * @vcpu: the vCPU
 */
bool lodge_lapic_has_events(struct lodge_vcpu *vcpu)
{
	return READ_ONCE(vcpu->apic_events);
}

/**
 * lodge_lapic_set_sipi - what a launcher sets of a SIPI
 * @vcpu: the vCPU, which has a local APIC
 * @vector: where to start: page number below 1M; -1: a SIPI is latched
 */
void lodge_lapic_set_sipi(struct lodge_vcpu *vcpu, int vector)
{
	if (vector >= 0)
		WRITE_ONCE(vcpu->apic->sipi_vector, vector);
	else
		set_bit(LODGE_APIC_SIPI, &vcpu->apic_events);
}

/**
 * lodge_lapic_accept_events - apply a latched INIT or SIPI
 * @vcpu: the vCPU, loaded; it may be reset, and mp_state changed
 *
 * Return: 0.
 */
int lodge_lapic_accept_events(struct lodge_vcpu *vcpu)
{
	struct kvm_segment cs;

	if (test_and_clear_bit(LODGE_APIC_INIT, &vcpu->apic_events)) {
		lodge_vcpu_reset(vcpu, true);
		vcpu->mp_state = vcpu->id == vcpu->vm->bsp_id ?
			KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	}
	/* Nobody but who waits for a SIPI hears it. */
	if (!test_and_clear_bit(LODGE_APIC_SIPI, &vcpu->apic_events) ||
	    vcpu->mp_state != KVM_MP_STATE_INIT_RECEIVED)
		return 0;
	smp_rmb();	/* pairs with lodge_lapic_accept() */
	lodge_backend->seg_get(vcpu, LODGE_CS, &cs);
	cs.selector = vcpu->apic->sipi_vector << 8;
	cs.base = vcpu->apic->sipi_vector << 12;
	lodge_backend->seg_set(vcpu, LODGE_CS, &cs);
	vcpu->rip = 0;
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	return 0;
}

/* --- KVM_GET_LAPIC, KVM_SET_LAPIC --- */

static u32 *state_reg(struct kvm_lapic_state *s, u32 offset)
{
	return (u32 *)(s->regs + offset);
}

/* KVM shows the id in the xAPIC's place, unless 32-bit ids were asked for. */
static bool wide_id(struct lodge_lapic *apic)
{
	return lodge_lapic_x2apic(apic) && apic->vcpu->vm->irq.x2apic_format;
}

void lodge_lapic_get_state(struct lodge_vcpu *vcpu, struct kvm_lapic_state *s)
{
	struct lodge_lapic *apic = vcpu->apic;
	u32 offset;

	if (apic->vid)
		merge(apic);
	memset(s, 0, sizeof(*s));
	for (offset = 0; offset < KVM_APIC_REG_SIZE; offset += 0x10)
		if (AT(offset) & REGS_XAPIC)
			*state_reg(s, offset) = reg_value(apic, offset);
	if (!wide_id(apic))
		*state_reg(s, APIC_ID) = lodge_lapic_id(apic) << 24;
}

/* What a launcher sets, and which bits of it there are. */
static const struct {
	u32 offset, mask;
} as_given[] = {
	{ APIC_ID, 0xff000000 }, { APIC_TASKPRI, 0xff }, { APIC_LDR, APIC_LDR_MASK },
	{ APIC_SPIV, 0x3ff }, { APIC_ESR, ~0u }, { APIC_ICR, ~APIC_ICR_BUSY },
	{ APIC_ICR2, ~0u },
};

/* -EINVAL: an id that an x2APIC can't have. */
int lodge_lapic_set_state(struct lodge_vcpu *vcpu, struct kvm_lapic_state *s)
{
	struct lodge_lapic *apic = vcpu->apic;
	u32 id = *state_reg(s, APIC_ID);
	int i;

	if (wide_id(apic) && id != vcpu->id)
		return -EINVAL;

	lodge_timer_stop(apic);
	for (i = 0; i < ARRAY_SIZE(as_given); i++)
		lodge_lapic_put(apic, as_given[i].offset,
				*state_reg(s, as_given[i].offset) & as_given[i].mask);
	for (i = APIC_ISR; i < APIC_ESR; i += 0x10)
		lodge_lapic_put(apic, i, *state_reg(s, i));
	apic->isr_top = lodge_lapic_top(apic, APIC_ISR);
	memset(lodge_lapic_pir(apic)->vectors, 0, sizeof(lodge_lapic_pir(apic)->vectors));
	lodge_lapic_put(apic, APIC_DFR, *state_reg(s, APIC_DFR) | 0x0fffffff);
	if (lodge_lapic_x2apic(apic))
		ids_reset(apic);
	else if (id >> 24 != vcpu->id)
		WRITE_ONCE(vcpu->vm->irq.ids_moved, true);
	/* As they are: software-disabled means masked in what is given already. */
	for (i = 0; i < LODGE_NR_LVT; i++)
		lvt_put(apic, i, *state_reg(s, APIC_LVTT + i * 0x10) & lvt_bits[i]);

	lodge_timer_mode(apic);
	lodge_lapic_put(apic, APIC_TMICT, *state_reg(s, APIC_TMICT));
	lodge_lapic_put(apic, APIC_TDCR, *state_reg(s, APIC_TDCR) & 0xb);
	apic->divisor = lodge_timer_divisor(*state_reg(s, APIC_TDCR));
	lodge_timer_restore(apic, *state_reg(s, APIC_TMCCT));
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	return 0;
}
