// SPDX-License-Identifier: GPL-2.0-only
/*
 * What holds for the memory of all VMs, in one place for the node's ioctls and for
 * the control plane: parameters of the balloon's policy, of merging, and of reclaim. Each
 * is a parameter of the module, too.
 */
#include <linux/capability.h>
#include <linux/uaccess.h>

#include "ksm/ksm.h"
#include "lodge.h"
#include "mem/pool.h"
#include "tune.h"

/** lodge_policy_get - what holds; @p->size and @p->flags stay */
void lodge_policy_get(struct lodge_policy *p)
{
	lodge_balloon_rates(p);
	lodge_ksm_rates(&p->ksm_budget, &p->ksm_pass_ms);
	lodge_reclaim_rates(&p->pool_percent, &p->cold_ms);
}

/**
 * lodge_policy_set - set all of it
 * @p: what it becomes
 *
 * Return: 0; -EINVAL, and nothing is set.
 */
int lodge_policy_set(const struct lodge_policy *p)
{
	int ret;

	if (p->ksm_budget > LODGE_KSM_MAX_BUDGET || p->pool_percent > 100)
		return -EINVAL;
	ret = lodge_balloon_set_rates(p);
	if (ret)
		return ret;
	lodge_ksm_set_rates(p->ksm_budget, p->ksm_pass_ms);
	lodge_reclaim_set_rates(p->pool_percent, p->cold_ms);
	return 0;
}

/**
 * lodge_policy_ioctl - LODGE_POLICY_GET, LODGE_POLICY_SET
 * @cmd: which of them
 * @arg: struct lodge_policy in user space
 *
 * Return: 0; -EPERM without CAP_NET_ADMIN, which the control plane wants for it, to set it;
 * -EINVAL, -E2BIG, -EFAULT.
 */
long lodge_policy_ioctl(unsigned int cmd, void __user *arg)
{
	struct lodge_policy p;
	u32 size;
	int ret = lodge_args_get(&p, sizeof(p), sizeof(p), arg, &size);

	if (ret)
		return ret;
	if (p.flags || p.reserved)
		return -EINVAL;
	if (cmd == LODGE_POLICY_SET)
		return capable(CAP_NET_ADMIN) ? lodge_policy_set(&p) : -EPERM;
	lodge_policy_get(&p);
	return copy_to_user(arg, &p, sizeof(p)) ? -EFAULT : 0;
}
