/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_TUNE_H
#define LODGE_TUNE_H

#include "../uapi/lodge.h"

void lodge_policy_get(struct lodge_policy *p);
int lodge_policy_set(const struct lodge_policy *p);
long lodge_policy_ioctl(unsigned int cmd, void __user *arg);

#endif /* LODGE_TUNE_H */
