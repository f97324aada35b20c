/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_VCPU_H
#define LODGECTL_VCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vcpu {
	uint32_t id;
	uint32_t index;
	uint32_t mp_state;
	bool loaded;		/* it is on a CPU: cpu */
	uint32_t cpu;
	uint32_t tid;		/* 0 before it was ever run */
	uint64_t exits;
};

struct vcpus {
	size_t nr;
	struct vcpu *vcpu;
};

int vcpus_get(struct vcpus *vcpus, uint64_t vm);
void vcpus_json(const char *key, const struct vcpus *vcpus);
void vcpus_print(const struct vcpus *vcpus, const char *indent);

#endif
