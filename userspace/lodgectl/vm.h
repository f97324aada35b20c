/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_VM_H
#define LODGECTL_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../uapi/lodge.h"

struct nlattr;

enum {
	USE_PRIVATE, USE_SHARED, USE_ZERO, USE_COMPRESSED, USE_SWAPPED, USE_DISCARDED,
	VM_USES
};

struct vm {
	uint64_t id;
	uint32_t pid;
	uint32_t uid;
	uint32_t vcpus;
	uint64_t memory;
	uint64_t pages_4k;
	uint64_t pages_2m;
	uint64_t pages_1g;
	uint64_t nested_tables;
	uint64_t use[VM_USES];	/* of its lodge memory, in bytes: vm_add_use() */
	bool dead;
	char name[LODGE_NAME_SIZE];
	char reason[256];
};

struct vms {
	size_t nr;
	struct vm *vm;
};

void vm_parse(struct vm *vm, struct nlattr **attrs);
void vm_json(const char *key, const struct vm *vm);
void vm_add_use(struct vms *vms, uint64_t only);
void vm_json_use(const struct vm *vm);
void vm_json_fields(const struct vm *vm);
const struct vm *vm_match(const struct vms *vms, const char *word, char *err,
			  size_t size);
void vms_get(struct vms *vms);
struct vm vm_find(const char *word);

#endif
