// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM's vCPUs.
 */
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "netlink.h"
#include "stats.h"
#include "table.h"
#include "util.h"
#include "vcpu.h"

static const char *state_name(uint32_t state)
{
	switch (state) {
	case KVM_MP_STATE_RUNNABLE:
		return "runnable";
	case KVM_MP_STATE_UNINITIALIZED:
		return "uninitialized";
	case KVM_MP_STATE_INIT_RECEIVED:
		return "init-received";
	case KVM_MP_STATE_HALTED:
		return "halted";
	case KVM_MP_STATE_SIPI_RECEIVED:
		return "sipi-received";
	case KVM_MP_STATE_AP_RESET_HOLD:
		return "reset-hold";
	default:
		return "other";
	}
}

static void add_vcpu(const struct message *msg, void *arg)
{
	struct nlattr **attrs = msg->attrs;
	struct vcpus *vcpus = arg;

	vcpus->vcpu = xgrow(vcpus->vcpu, vcpus->nr, sizeof(*vcpus->vcpu));
	vcpus->vcpu[vcpus->nr++] = (struct vcpu) {
		.id = attr_u32(attrs[LODGE_A_VCPU_ID]),
		.index = attr_u32(attrs[LODGE_A_VCPU_INDEX]),
		.mp_state = attr_u32(attrs[LODGE_A_VCPU_MP_STATE]),
		.loaded = attrs[LODGE_A_VCPU_CPU],
		.cpu = attr_u32(attrs[LODGE_A_VCPU_CPU]),
		.tid = attr_u32(attrs[LODGE_A_VCPU_TID]),
	};
}

/* How often each left the guest is among its statistics. */
static void add_exits(struct vcpus *vcpus, const struct stats *all)
{
	size_t i, k;

	for (i = 0; i < all->nr; i++)
		for (k = 0; k < vcpus->nr; k++)
			if (all->set[i].vcpu == vcpus->vcpu[k].id)
				vcpus->vcpu[k].exits = stats_value(&all->set[i], "exits");
}

/**
 * vcpus_get() - the vCPUs of a VM
 *
 * Return: 0, or -ENOENT.
 */
int vcpus_get(struct vcpus *vcpus, uint64_t vm)
{
	struct stats stats;
	int err;

	*vcpus = (struct vcpus) { 0 };
	err = netlink_dump(LODGE_CMD_VCPU_GET, vm, LODGE_A_VCPU_MAX, add_vcpu, vcpus);
	if (!err)
		err = stats_get(&stats, vm);
	if (err)
		return err;
	add_exits(vcpus, &stats);
	stats_free(&stats);
	return 0;
}

/** vcpus_json() - them as an array. */
void vcpus_json(const char *key, const struct vcpus *vcpus)
{
	size_t i;

	json_begin(key, '[');
	for (i = 0; i < vcpus->nr; i++) {
		const struct vcpu *vcpu = &vcpus->vcpu[i];

		json_begin(NULL, '{');
		json_number("id", vcpu->id);
		json_number("index", vcpu->index);
		json_string("state", state_name(vcpu->mp_state));
		if (vcpu->loaded)
			json_number("cpu", vcpu->cpu);
		else
			json_null("cpu");
		if (vcpu->tid)
			json_number("tid", vcpu->tid);
		else
			json_null("tid");
		json_number("exits", vcpu->exits);
		json_end('}');
	}
	json_end(']');
}

/** vcpus_print() - them as a table; - is what isn't known. */
void vcpus_print(const struct vcpus *vcpus, const char *indent)
{
	static const char *const heads[] = {
		">VCPU", "STATE", ">CPU", ">THREAD", ">EXITS",
	};
	struct table t;
	size_t i;

	table_heads(&t, heads, ARRAY_SIZE(heads));
	for (i = 0; i < vcpus->nr; i++) {
		const struct vcpu *vcpu = &vcpus->vcpu[i];

		table_cell(&t, "%u", vcpu->id);
		table_cell(&t, "%s", state_name(vcpu->mp_state));
		if (vcpu->loaded)
			table_cell(&t, "%u", vcpu->cpu);
		else
			table_cell(&t, "-");
		if (vcpu->tid)
			table_cell(&t, "%u", vcpu->tid);
		else
			table_cell(&t, "-");
		table_cell(&t, "%" PRIu64, vcpu->exits);
	}
	table_end(&t, indent);
}
