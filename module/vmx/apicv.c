// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: APIC virtualization
 *
 * Where the CPU works on a local APIC's page of registers (SDM vol. 3C chapter
 * 30). irq/ keeps the page and says what is to be delivered and who must hear of
 * an EOI; here that is put into the VMCS, and what comes out of it told back.
 *
 * Six features, each usable alone as far as the CPU allows, and each with a
 * module parameter (caps.c):
 *
 * - TPR shadow: CR8 is the page's TPR. Exit 43 when it falls below a threshold.
 * - APIC access: the xAPIC's page in the nested tables is one that the CPU knows
 *   (irq/access.c). Exit 44 instead of a nested fault, and none for TPR.
 * - x2APIC: the MSRs are the page's; the MSR bitmap says which need no exit.
 * - Register virtualization: by either way reads need no exit, and writes to
 *   where only a value is kept; the others exit when they are done (exit 56).
 * - Virtual-interrupt delivery: the CPU takes interrupts from IRR by itself, and
 *   EOIs, but for the vectors in a bitmap (exit 45).
 * - Posted interrupts: others' requests reach IRR while the guest runs.
 *
 * A vCPU without a local APIC in the kernel has none of these.
 */
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <asm/apic.h>
#include <asm/apicdef.h>
#include <asm/desc.h>
#include <asm/msr-index.h>

#include "exit.h"
#include "vmx.h"

#define APIC_CONTROLS	(SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES |	\
			 SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE |	\
			 SECONDARY_EXEC_APIC_REGISTER_VIRT |		\
			 SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY)
#define CR8_EXITING	(CPU_BASED_CR8_LOAD_EXITING | CPU_BASED_CR8_STORE_EXITING)

#define REG(offset)	BIT_ULL((offset) >> 4)

/* Without an exit goes only what the CPU does on the page: else it is the host's. */
static void x2apic_msrs(struct lodge_vcpu *vcpu, bool virtualized)
{
	const struct vmx_features *has = &vmx_caps.has;
	u64 reads = 0, writes = 0;
	int n;

	if (virtualized) {
		reads = writes = REG(APIC_TASKPRI);
		if (has->apic_regs)
			reads |= lodge_x2apic_plain;
		if (has->vid)
			writes |= REG(APIC_EOI) | REG(APIC_SELF_IPI);
		/* Delivery keeps PPR up to date. */
		if (has->vid && has->apic_regs)
			reads |= REG(APIC_PROCPRI);
	}
	for (n = 0; n < 64; n++)
		vmx_msr_intercept(vcpu, APIC_BASE_MSR + n, !(reads & BIT_ULL(n)),
				  !(writes & BIT_ULL(n)));
}

/**
 * vmx_apic_mode - controls for the mode in which a vCPU's local APIC is now
 * @vcpu: the vCPU
 */
void vmx_apic_mode(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	bool x2apic = vcpu->apic_base & X2APIC_ENABLE;
	u32 bits = 0;

	if (vcpu->apic)
		bits = vmx_caps_apic(&vmx_caps, x2apic);
	if (!(vcpu->apic_base & MSR_IA32_APICBASE_ENABLE) ||
	    (!x2apic && !lodge_access_hpa(vcpu->vm)))
		bits &= SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY;
	if (bits == (vmx_get(ctx, VF_CPU2) & APIC_CONTROLS))
		return;
	vmx_control(ctx, VF_CPU2, APIC_CONTROLS, false);
	vmx_control(ctx, VF_CPU2, bits, true);
	x2apic_msrs(vcpu, bits & SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE);
	/* What is cached of the APIC-access page is cached with the old meaning. */
	ctx->flush_ept = true;
}

/** vmx_apic_reset - a vCPU begins, with its local APIC as it will stay or without one */
void vmx_apic_reset(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (vcpu->apic && vmx_caps.has.tpr_shadow) {
		vmx_set(ctx, VF_VIRTUAL_APIC, lodge_lapic_hpa(vcpu));
		vmx_control(ctx, VF_CPU, CPU_BASED_TPR_SHADOW, true);
		vmx_control(ctx, VF_CPU, CR8_EXITING, false);
		vmx_set(ctx, VF_TPR_THRESHOLD, 0);
	}
	if (vcpu->apic && vmx_caps.has.apic_access)
		vmx_set(ctx, VF_APIC_ACCESS, lodge_access_hpa(vcpu->vm));
	if (vcpu->apic && vmx_caps.has.posted_intr) {
		vmx_set(ctx, VF_POSTED_NV, LODGE_POSTED_VECTOR);
		vmx_set(ctx, VF_POSTED_DESC, lodge_lapic_pir_hpa(vcpu));
		vmx_control(ctx, VF_PIN, PIN_BASED_POSTED_INTR, true);
		/* So the CPU can see whether it is a notification. */
		vmx_control(ctx, VF_EXIT, VM_EXIT_ACK_INTR_ON_EXIT, true);
	}
	vmx_apic_mode(vcpu);
}

void vmx_apic_post(int cpu)
{
	apic->send_IPI_mask(cpumask_of(cpu), LODGE_POSTED_VECTOR);
}

/**
 * vmx_acked_irq - an interrupt of the host's was acknowledged by the exit
 * @ctx: the context, out of its inner loop: all else is the host's again
 *
 * Its handler is called by its gate. Softirqs may run behind it.
 *
 * Context: interrupts off.
 */
void vmx_acked_irq(struct lodge_context *ctx)
{
	u32 info = ctx->acked;
	struct desc_ptr idt;
	gate_desc *gates;

	ctx->acked = 0;
	store_idt(&idt);
	gates = (gate_desc *)idt.address;
	vmx_call_irq(gate_offset(&gates[info & INTR_INFO_VECTOR_MASK]));
}

void vmx_apic_threshold(struct lodge_vcpu *vcpu, u8 class)
{
	vmx_set(vcpu->ctx, VF_TPR_THRESHOLD, class);
}

/* SDM vol. 3C 25.4.2: RVI in the low half, SVI in the upper one. */
void vmx_apic_status(struct lodge_vcpu *vcpu, u8 requested, u8 in_service,
		     const unsigned long *eoi_exits)
{
	struct lodge_context *ctx = vcpu->ctx;
	int i;

	vmx_set(ctx, VF_INTR_STATUS, in_service << 8 | requested);
	for (i = 0; i < 4; i++)
		vmx_set(ctx, VF_EOI_EXIT0 + i, READ_ONCE(eoi_exits[i]));
}

/**
 * vmx_apic_vectoring - what was being delivered when an exit came
 * @vcpu: the vCPU: virtual-interrupt delivery; ctx->idt_info is valid
 * @injected: what the entry was to inject, or 0
 * @entered: where: the guest's RIP
 *
 * An interrupt that the CPU takes by itself is in service before its gate is read
 * and its frame pushed, and is then delivered again by injection. Bochs 2.7 shows of
 * it what it showed of the last event before: the guest would see that one twice,
 * and of all interrupts up to this one's class no more. So there it is guessed: with
 * interrupts open and one in service, that one is meant. A handler that opens
 * interrupts before its EOI, and meets an exception whose delivery exits, gets its
 * interrupt twice; the exception comes again by itself.
 *
 * Return: IDT-vectoring information.
 */
u32 vmx_apic_vectoring(struct lodge_vcpu *vcpu, u32 injected, u64 entered)
{
	struct lodge_context *ctx = vcpu->ctx;
	u32 vector, info = ctx->idt_info;

	/* All real CPUs that have virtual-interrupt delivery have the other. */
	if ((vmx_caps.msrs.pin >> 32 & PIN_BASED_POSTED_INTR) ||
	    !(vcpu->rflags & X86_EFLAGS_IF))
		return info;
	/* Nothing has run: it is what was injected. */
	if (injected && vcpu->rip == entered)
		return info;
	vector = vmx_get(ctx, VF_INTR_STATUS) >> 8;
	return vector ? VECTORING_INFO_VALID_MASK | INTR_TYPE_EXT_INTR | vector : info;
}

int vmx_on_threshold(struct lodge_vcpu *vcpu, bool fast)
{
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	return LODGE_AGAIN;
}

/* Offset in bits 0 to 11, kind of access in bits 12 to 15: table 28-6. */
int vmx_on_apic_access(struct lodge_vcpu *vcpu, bool fast)
{
	u64 q = vmx_get(vcpu->ctx, VF_QUALIFICATION);
	u32 kind = q & APIC_ACCESS_TYPE;
	u32 flags = 0;

	if (kind == TYPE_LINEAR_APIC_INST_WRITE)
		flags = LODGE_NPF_WRITE;
	else if (kind == TYPE_LINEAR_APIC_INST_FETCH)
		flags = LODGE_NPF_FETCH;
	else if (kind != TYPE_LINEAR_APIC_INST_READ)
		flags = LODGE_NPF_TABLE;	/* the CPU's own, for whatever */
	return lodge_exit_mmio(vcpu, APIC_DEFAULT_PHYS_BASE |
			       (q & APIC_ACCESS_OFFSET), flags, fast);
}

/* The instruction is over, and the value in the page. */
int vmx_on_apic_write(struct lodge_vcpu *vcpu, bool fast)
{
	vcpu->stats.mmio_exits++;
	lodge_lapic_written(vcpu, vmx_get(vcpu->ctx, VF_QUALIFICATION) & 0xff0);
	return LODGE_AGAIN;
}

int vmx_on_eoi(struct lodge_vcpu *vcpu, bool fast)
{
	lodge_lapic_eoi_exit(vcpu, vmx_get(vcpu->ctx, VF_QUALIFICATION));
	return LODGE_AGAIN;
}

/* --- the preemption timer --- */

/* A host that is emulated may lose the exits for its own interrupts. */
static uint max_stay_us;
module_param(max_stay_us, uint, 0444);
MODULE_PARM_DESC(max_stay_us, "VMX: take host interrupts after that many microseconds though none made the guest exit; 0, the default: trust the CPU. Needs preemption_timer");

/** vmx_longest_stay - what the timer begins with at each entry, without a deadline */
u32 vmx_longest_stay(void)
{
	u64 ticks = (u64)max_stay_us * tsc_khz / 1000 >> vmx_caps.timer_shift;

	return max_stay_us ? min_t(u64, ticks + 1, U32_MAX) : U32_MAX;
}

void vmx_deadline(struct lodge_vcpu *vcpu, u64 host_tsc)
{
	vcpu->ctx->deadline = host_tsc;
	if (!host_tsc)
		vmx_set(vcpu->ctx, VF_TIMER, vmx_longest_stay());
}

/**
 * vmx_timer_load - how long until the deadline
 * @ctx: the context, about to be entered, with a deadline
 *
 * The timer counts down by one when a certain bit of the TSC changes: rounded
 * up, so as not to come early.
 */
void vmx_timer_load(struct lodge_context *ctx)
{
	u64 now = rdtsc(), left = 0;

	if (ctx->deadline > now)
		left = ((ctx->deadline - now) >> vmx_caps.timer_shift) + 1;
	vmx_set(ctx, VF_TIMER, min_t(u64, left, vmx_longest_stay()));
}

int vmx_on_timer(struct lodge_vcpu *vcpu, bool fast)
{
	if (vcpu->ctx->deadline)
		lodge_lapic_deadline_exit(vcpu);
	return unlikely(max_stay_us) ? LODGE_LEAVE : LODGE_AGAIN;
}
