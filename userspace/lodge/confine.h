/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CONFINE_H
#define CONFINE_H

#include "lodge.h"

void confine_begin(const struct config *cfg);
void confine_files(bool users);
void confine_end(const struct config *cfg);
bool confine_keep(uint32_t caps);

#endif
