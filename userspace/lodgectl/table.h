/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_TABLE_H
#define LODGECTL_TABLE_H

#include <stddef.h>

struct table {
	size_t columns;
	size_t nr;
	char **cells;
};

void table_begin(struct table *t, size_t columns);
void table_heads(struct table *t, const char *const *heads, size_t columns);
void table_cell(struct table *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void table_end(struct table *t, const char *indent);

#endif
