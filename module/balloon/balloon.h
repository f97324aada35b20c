/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The balloon: how much of its memory each VM shall have.
 */
#ifndef LODGE_BALLOON_H
#define LODGE_BALLOON_H

#include <linux/kvm_types.h>
#include <linux/types.h>

#include "balloon/policy.h"

struct lodge_balloon_state;
struct lodge_vm;

/* Pages looked at in a period: the error of a fraction is below 5 %. */
#define LODGE_SAMPLES	128

/**
 * struct lodge_sample - pages whose accessed bits were taken away
 * @pages: in all slots, when they were chosen
 * @nr: how many were chosen
 * @gfn: which
 */
struct lodge_sample {
	u64 pages;
	u32 nr;
	gfn_t gfn[LODGE_SAMPLES];
};

/* Both under vm->srcu or, for a VM that has no slots to lose, nothing. */
u32 lodge_sample_end(struct lodge_vm *vm, const struct lodge_sample *s);
void lodge_sample_begin(struct lodge_vm *vm, struct lodge_sample *s);

int lodge_balloon_set(struct lodge_vm *vm, void __user *arg);
int lodge_balloon_get(struct lodge_vm *vm, void __user *arg);
int lodge_balloon_report(struct lodge_vm *vm, void __user *arg);
int lodge_balloon_peek(struct lodge_vm *vm, bool end_period,
		       struct lodge_balloon_state *s);
int lodge_balloon_aim(struct lodge_vm *vm, bool automatic, u64 target);
void lodge_balloon_destroy(struct lodge_vm *vm);
void lodge_balloon_exit(void);

#endif /* LODGE_BALLOON_H */
