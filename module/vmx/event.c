// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events in the words of VT-x: injection (SDM vol. 3C 26.6), what an exit
 * interrupted (27.2.4), and what holds events off (24.4.2).
 */
#include "event.h"
#include "vmx.h"

static void inject(struct lodge_context *ctx, u32 info)
{
	/* The CPU takes the valid bit away when it has injected. */
	ctx->val[VF_ENTRY_INFO] = 0;
	vmx_set(ctx, VF_ENTRY_INFO, info | INTR_INFO_VALID_MASK);
}

/*
 * All as hardware exceptions: of #BP and #OF those push RIP as it is, which is
 * behind the instruction already, and have passed its check of the gate's DPL.
 */
void vmx_inject_exception(struct lodge_vcpu *vcpu, const struct lodge_exception *e)
{
	struct lodge_context *ctx = vcpu->ctx;

	/* No exception finds a halted CPU: SDM vol. 3C 26.3.1.5. The VMCS is this CPU's here. */
	if (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT)
		vmx_write(GUEST_ACTIVITY_STATE, GUEST_ACTIVITY_ACTIVE);
	if (e->has_error)
		vmx_set(ctx, VF_ENTRY_ERROR, e->error);
	inject(ctx, e->vector | INTR_TYPE_HARD_EXCEPTION |
	       (e->has_error ? INTR_INFO_DELIVER_CODE_MASK : 0));
}

void vmx_inject_irq(struct lodge_vcpu *vcpu, u8 vector, bool soft)
{
	/* An interrupted INT n is executed again: RIP still points to it. */
	if (!soft)
		inject(vcpu->ctx, vector | INTR_TYPE_EXT_INTR);
}

void vmx_inject_nmi(struct lodge_vcpu *vcpu)
{
	/* The entry masks NMIs, and refuses if they are masked: 26.3.1.5. */
	vmx_set_nmi_masked(vcpu, false);
	if (!vmx_caps.has.vnmi)
		vmx_set_nmi_masked(vcpu, true);
	inject(vcpu->ctx, X86_TRAP_NMI | INTR_TYPE_NMI_INTR);
}

bool vmx_nmi_masked(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (!vmx_caps.has.vnmi)
		return ctx->nmi_masked;
	return vmx_get(ctx, VF_INTR_STATE) & GUEST_INTR_STATE_NMI;
}

/*
 * Without virtual NMIs the CPU doesn't tell when the guest's handler ends. It
 * is taken to have ended when the guest takes interrupts again, or has not
 * done so for a second.
 */
void vmx_set_nmi_masked(struct lodge_vcpu *vcpu, bool masked)
{
	struct lodge_context *ctx = vcpu->ctx;

	if (vmx_caps.has.vnmi) {
		vmx_control(ctx, VF_INTR_STATE, GUEST_INTR_STATE_NMI, masked);
		return;
	}
	ctx->nmi_masked = masked;
	ctx->nmi_masked_since = jiffies;
}

u8 vmx_int_shadow(struct lodge_vcpu *vcpu)
{
	u32 state = vmx_get(vcpu->ctx, VF_INTR_STATE);

	return (state & GUEST_INTR_STATE_STI ? KVM_X86_SHADOW_INT_STI : 0) |
	       (state & GUEST_INTR_STATE_MOV_SS ? KVM_X86_SHADOW_INT_MOV_SS : 0);
}

void vmx_set_int_shadow(struct lodge_vcpu *vcpu, u8 shadow)
{
	const u32 both = GUEST_INTR_STATE_STI | GUEST_INTR_STATE_MOV_SS;
	struct lodge_context *ctx = vcpu->ctx;
	u32 state = vmx_get(ctx, VF_INTR_STATE);

	if (likely(!shadow && !(state & both)))
		return;
	vmx_unhalt(vcpu);
	state &= ~both;
	/* One of the two: 26.3.1.5. */
	if (shadow & KVM_X86_SHADOW_INT_MOV_SS)
		state |= GUEST_INTR_STATE_MOV_SS;
	else if (shadow & KVM_X86_SHADOW_INT_STI)
		state |= GUEST_INTR_STATE_STI;
	vmx_set(ctx, VF_INTR_STATE, state);
}

/**
 * vmx_requeue - the exit came while an event was being delivered
 * @vcpu: the vCPU; ctx->idt_info is valid
 *
 * It is delivered again, but for what the instruction at RIP will raise again:
 * INT n, INT3, INTO, INT1.
 */
void vmx_requeue(struct lodge_vcpu *vcpu)
{
	u32 info = vcpu->ctx->idt_info;
	u8 vector = info & VECTORING_INFO_VECTOR_MASK;

	switch (info & VECTORING_INFO_TYPE_MASK) {
	case INTR_TYPE_NMI_INTR:
		lodge_events_requeue_nmi(vcpu);
		break;
	case INTR_TYPE_HARD_EXCEPTION:
		lodge_events_requeue_exception(vcpu, vector,
			info & VECTORING_INFO_DELIVER_CODE_MASK,
			info & VECTORING_INFO_DELIVER_CODE_MASK ?
			vmx_read(IDT_VECTORING_ERROR_CODE) : 0);
		break;
	case INTR_TYPE_EXT_INTR:
		lodge_events_requeue_irq(vcpu, vector);
		break;
	}
}
