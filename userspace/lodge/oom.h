/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_OOM_H
#define LODGE_OOM_H

#include <stdint.h>

int oom_adjusted(int adj, uint64_t bytes, uint64_t ram);
void oom_expect(uint64_t bytes);

#endif
