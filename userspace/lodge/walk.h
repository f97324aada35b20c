/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_WALK_H
#define LODGE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#define EFER_LMA	(1u << 10)	/* the vCPU is in long mode */

struct kvm_sregs;
struct mem;

bool walk(const struct mem *mem, const struct kvm_sregs *sregs, uint64_t addr, uint64_t *gpa);

#endif
