// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-modification logging (SDM vol. 3C 29.3.6): the CPU notes the address of
 * each page whose dirty flag it sets in the nested tables, from the end of a page
 * of 512 entries to its beginning, and exits when that is full. It is on while a
 * slot has a dirty log, and emptied into the slots' bitmaps whenever the vCPU
 * leaves the inner loop: mem/slots.c relies on both.
 */
#include "vmx.h"

#define LAST	(PAGE_SIZE / sizeof(u64) - 1)

int vmx_pml_init(struct lodge_context *ctx)
{
	if (!vmx_caps.has.pml)
		return 0;
	ctx->log = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	return ctx->log ? 0 : -ENOMEM;
}

/* The inner loop begins, and whether there is a dirty log has changed. */
void vmx_pml_switch(struct lodge_context *ctx, bool on)
{
	ctx->logging = on;
	vmx_control(ctx, VF_CPU2, SECONDARY_EXEC_ENABLE_PML, on);
	if (on) {
		vmx_write(PML_ADDRESS, __pa(ctx->log));
		vmx_write(GUEST_PML_INDEX, LAST);
	}
}

/* The inner loop ends. */
void vmx_pml_empty(struct lodge_vcpu *vcpu)
{
	struct lodge_context *ctx = vcpu->ctx;
	u16 next = vmx_read(GUEST_PML_INDEX), i;

	if (next == LAST)
		return;
	/* Below the first entry it wraps: full. */
	for (i = next > LAST ? 0 : next + 1; i <= LAST; i++)
		lodge_npt_logged(vcpu, ctx->log[i]);
	vmx_write(GUEST_PML_INDEX, LAST);
}
