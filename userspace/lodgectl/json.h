/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_JSON_H
#define LODGECTL_JSON_H

#include <stdbool.h>
#include <stdint.h>

/* A key is NULL in arrays and at the top. */
void json_begin(const char *key, char kind);
void json_end(char kind);
void json_number(const char *key, uint64_t value);
void json_signed(const char *key, int64_t value);
void json_string(const char *key, const char *value);
void json_bool(const char *key, bool value);
void json_null(const char *key);

#endif
