/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_PARSE_H
#define LODGE_PARSE_H

#include <stdint.h>

int parse_size(const char *s, uint64_t *out);
int parse_uint(const char *s, unsigned long max, unsigned long *out);

#endif
