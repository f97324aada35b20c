// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's performance counters while a guest runs. perf says which of them go
 * on (exclude_guest), and that PEBS does not: the CPU would write its records by
 * linear address, through the guest's page tables. An entry and its exit exchange
 * these MSRs by lists in memory: SDM vol. 3C 24.7.2, 24.8.2.
 */
#include <linux/perf_event.h>

#include "vmx.h"

/**
 * vmx_perf_lists - make the two lists
 * @p: where to
 * @msrs: what perf wants, or NULL
 * @nr: of these
 *
 * What has the same value on both sides is left alone.
 *
 * Return: entries of each list.
 */
int vmx_perf_lists(struct vmx_perf *p, const struct perf_guest_switch_msr *msrs,
		   int nr)
{
	int i, n = 0;

	for (i = 0; msrs && i < nr; i++) {
		if (msrs[i].host == msrs[i].guest)
			continue;
		if (WARN_ON_ONCE(n == ARRAY_SIZE(p->guest)))
			break;
		p->guest[n] = (struct vmx_msr_entry){ .index = msrs[i].msr,
						      .value = msrs[i].guest };
		p->host[n] = (struct vmx_msr_entry){ .index = msrs[i].msr,
						     .value = msrs[i].host };
		n++;
	}
	return n;
}

/**
 * vmx_perf_load - ask perf, before an entry
 * @ctx: the context
 *
 * At the beginning of a stay in the inner loop; and before each further entry
 * while there is a difference, since an NMI may have stopped a counter. An NMI
 * starts none: without a difference there will be none, until interrupts are on.
 *
 * Context: interrupts off.
 */
void vmx_perf_load(struct lodge_context *ctx)
{
	int i, nr = 0;
	struct perf_guest_switch_msr *msrs = perf_guest_get_msrs(&nr, NULL);

	nr = vmx_perf_lists(&ctx->perf, msrs, nr);
	/* It goes on for a while when it is stopped: not by the entry, then. */
	for (i = 0; i < nr; i++)
		if (ctx->perf.guest[i].index == MSR_IA32_PEBS_ENABLE)
			wrmsrl(MSR_IA32_PEBS_ENABLE, 0);
	vmx_set(ctx, VF_ENTRY_MSRS, nr);
	vmx_set(ctx, VF_EXIT_MSRS, nr);
}

/** vmx_perf_undo - there was no entry, hence no exit: what vmx_perf_load() did */
void vmx_perf_undo(struct lodge_context *ctx)
{
	unsigned int i;

	for (i = 0; i < ctx->val[VF_EXIT_MSRS]; i++)
		wrmsrl(ctx->perf.host[i].index, ctx->perf.host[i].value);
}
