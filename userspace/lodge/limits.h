/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LIMITS_H
#define LIMITS_H

#include "lodge.h"

bool limits_wanted(const struct config *cfg);
int limits_find(char *name, size_t size);
void limits_enter(const struct config *cfg, int groups, const char *name);

#endif
