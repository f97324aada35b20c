/* SPDX-License-Identifier: GPL-2.0-only */
/* The CPUs' virtualization hardware: taken with the first VM, given back after the last. */
#ifndef LODGE_HW_H
#define LODGE_HW_H

#include <linux/percpu.h>

DECLARE_PER_CPU(bool, lodge_hw_enabled);

int lodge_hw_init(void);
void lodge_hw_exit(void);
int lodge_hw_get(void);
void lodge_hw_put(void);

#endif /* LODGE_HW_H */
