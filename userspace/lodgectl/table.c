// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables on standard output: columns as wide as they need be, two spaces
 * between them. A head that begins with '>' is of numbers, to the right.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "util.h"

#define GAP	2

/** table_begin() - a table; the first row of cells has the heads. */
void table_begin(struct table *t, size_t columns)
{
	*t = (struct table) { .columns = columns };
}

/** table_cell() - the next cell, from left to right, then the next row. */
void table_cell(struct table *t, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		die(STATUS_FAILED, "out of memory");
	va_end(ap);
	t->cells = xgrow(t->cells, t->nr, sizeof(*t->cells));
	t->cells[t->nr++] = text;
}

/** table_heads() - a table with these heads, one to a column. */
void table_heads(struct table *t, const char *const *heads, size_t columns)
{
	size_t i;

	table_begin(t, columns);
	for (i = 0; i < columns; i++)
		table_cell(t, "%s", heads[i]);
}

/* Characters, not bytes: those that don't go on with one. */
static int width_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/** table_end() - print it, each line behind @indent, and free it. */
void table_end(struct table *t, const char *indent)
{
	int *width = calloc(t->columns + 1, sizeof(int));
	size_t i, column;

	if (!width)
		die(STATUS_FAILED, "out of memory");
	for (i = 0; i < t->nr; i++) {
		const char *cell = t->cells[i];
		int w = width_of(cell) - (i < t->columns && *cell == '>');

		column = i % t->columns;
		if (width[column] < w)
			width[column] = w;
	}
	for (i = 0; i < t->nr; i++) {
		const char *cell = t->cells[i];
		bool right, last;
		int space;

		column = i % t->columns;
		right = *t->cells[column] == '>';
		last = column == t->columns - 1;
		cell += right && i < t->columns;
		space = width[column] - width_of(cell);
		if (right)
			printf("%s%*s%s", column ? "" : indent, space, "", cell);
		else
			printf("%s%s%*s", column ? "" : indent, cell,
			       last ? 0 : space, "");
		printf("%*s", last ? 0 : GAP, "");
		if (last)
			putchar('\n');
	}
	for (i = 0; i < t->nr; i++)
		free(t->cells[i]);
	free(t->cells);
	free(width);
}
