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
struct lodge_policy;
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

/* In lodge_balloon_change.what */
#define LODGE_CHANGE_AIM		BIT(0)
#define LODGE_CHANGE_SHARES		BIT(1)
#define LODGE_CHANGE_RESERVATION	BIT(2)
#define LODGE_CHANGE_DOMAIN		BIT(3)
#define LODGE_CHANGE_HINT		BIT(4)	/* the guest is asked what is free */

/**
 * struct lodge_balloon_change - what others than a VM's launcher may set
 * @what: LODGE_CHANGE_*
 * @automatic: the target is computed; else it is
 * @target: bytes
 * @shares: 1 to LODGE_BALLOON_MAX_SHARES
 * @reservation: bytes
 * @domain: a name, or "" for the user's default domain
 */
struct lodge_balloon_change {
	u32 what;
	bool automatic;
	u64 target;
	u32 shares;
	u64 reservation;
	const char *domain;
};

/* Both under vm->srcu or, for a VM that has no slots to lose, nothing. */
u32 lodge_sample_end(struct lodge_vm *vm, const struct lodge_sample *s);
void lodge_sample_begin(struct lodge_vm *vm, struct lodge_sample *s);

void lodge_press_goal(struct lodge_vm *vm, u64 target);
u64 lodge_press_held(struct lodge_vm *vm, u64 memory);
void lodge_press_plan(struct lodge_vm *vm, struct lodge_press *p);
u64 lodge_press(const struct lodge_press *p);

int lodge_balloon_set(struct lodge_vm *vm, void __user *arg);
int lodge_balloon_get(struct lodge_vm *vm, void __user *arg);
int lodge_balloon_report(struct lodge_vm *vm, void __user *arg);
int lodge_balloon_peek(struct lodge_vm *vm, bool end_period,
		       struct lodge_balloon_state *s);
int lodge_balloon_change(struct lodge_vm *vm, const struct lodge_balloon_change *c);
void lodge_balloon_rates(struct lodge_policy *r);
int lodge_balloon_set_rates(const struct lodge_policy *r);
void lodge_balloon_destroy(struct lodge_vm *vm);
void lodge_balloon_exit(void);

#endif /* LODGE_BALLOON_H */
