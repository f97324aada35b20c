// SPDX-License-Identifier: GPL-2.0-only
/*
 * A map of memory as people see it: letters in a terminal, squares in SVG.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "map.h"
#include "util.h"

#define PAGE_SHIFT	12
#define COLUMNS		64
/* Of an SVG: a cell, and what is left of it for addresses, above and below. */
#define SIDE		10
#define LEFT		110
#define TOP		40
#define LINE		18

/* Hot ones, and cold ones: the same, but pale. */
static const char *const colours[KINDS][2] = {
	[LODGE_PAGE_ABSENT] = { "#f0f0f0", "#f0f0f0" },
	[LODGE_PAGE_PRIVATE] = { "#1f5f9f", "#a9c4de" },
	[LODGE_PAGE_SHARED] = { "#2a7f4e", "#aad4bd" },
	[LODGE_PAGE_ZERO] = { "#707070", "#cccccc" },
	[LODGE_PAGE_COMPRESSED] = { "#7f4fa0", "#cfb9dd" },
	[LODGE_PAGE_SWAPPED] = { "#a03030", "#deb0b0" },
	[KIND_BALLOONED] = { "#c08a20", "#ecd9a8" },
	[KIND_OTHER] = { "#206f7f", "#a9cdd4" },
};

/* Of a terminal, by kind: its sixteen colours are all that can be relied on. */
static const int ansi[KINDS] = {
	[LODGE_PAGE_ABSENT] = 90, [LODGE_PAGE_PRIVATE] = 34, [LODGE_PAGE_SHARED] = 32,
	[LODGE_PAGE_ZERO] = 37, [LODGE_PAGE_COMPRESSED] = 35, [LODGE_PAGE_SWAPPED] = 31,
	[KIND_BALLOONED] = 33, [KIND_OTHER] = 36,
};

static void print_cell(const struct cell *cell, bool colour)
{
	bool hot;
	enum kind kind = cell_kind(cell, &hot);

	if (colour)
		printf("\033[%s%dm%c\033[0m", hot ? "1;" : "", ansi[kind], cell_letter(cell));
	else
		putchar(cell_letter(cell));
}

/** picture_print() - lines of letters, each behind the address it begins at. */
void picture_print(const struct map *map)
{
	bool colour = isatty(STDOUT_FILENO);
	char name[128], size[16], cell[16];
	size_t i, c;

	printf("VM %" PRIu64 "  %s  %s, a letter is %s\n\n", map->vm.id,
	       text_clean(map->vm.name, name, sizeof(name)),
	       text_bytes(map->vm.memory, size, sizeof(size)),
	       text_bytes(map->cell_pages << PAGE_SHIFT, cell, sizeof(cell)));
	for (i = 0; i < map->nr; i++) {
		const struct range *r = &map->range[i];

		for (c = 0; c < r->nr; c++) {
			if (c % COLUMNS == 0)
				printf("  0x%010" PRIx64 "  ",
				       (r->first + c * map->cell_pages) << PAGE_SHIFT);
			print_cell(&r->cell[c], colour);
			if (c % COLUMNS == COLUMNS - 1 || c == r->nr - 1)
				putchar('\n');
		}
	}
	printf("\n%s", map->sampled ? "  a capital letter: half of it or more was used\n\n" : "");
}

static const char *cell_colour(const struct cell *cell)
{
	bool hot;
	enum kind kind = cell_kind(cell, &hot);

	return colours[kind][!hot];
}

/* A line of cells; those of one colour are one rectangle. */
static void svg_line(FILE *out, const struct cell *cell, size_t nr, size_t y)
{
	size_t i, end;

	for (i = 0; i < nr; i = end) {
		const char *colour = cell_colour(&cell[i]);

		for (end = i + 1; end < nr && cell_colour(&cell[end]) == colour; )
			end++;
		fprintf(out, "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%d\" fill=\"%s\"/>\n",
			LEFT + i * SIDE, y, (end - i) * SIDE, SIDE, colour);
	}
}

static void svg_text(FILE *out, size_t x, size_t y, const char *s)
{
	fprintf(out, "<text x=\"%zu\" y=\"%zu\">", x, y);
	for (; *s; s++) {
		if (strchr("<>&", *s))
			fprintf(out, "&#%d;", *s);
		else
			fputc(*s, out);
	}
	fputs("</text>\n", out);
}

static size_t lines_of(const struct range *r)
{
	return (r->nr + COLUMNS - 1) / COLUMNS;
}

static void svg_legend(FILE *out, const struct map *map, size_t y)
{
	char line[128], size[16], hot[16];
	enum kind kind;

	for (kind = 0; kind < KINDS; kind++) {
		if (!map->pages[kind])
			continue;
		fprintf(out, "<rect x=\"%d\" y=\"%zu\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n",
			LEFT, y - SIDE, SIDE, SIDE, colours[kind][0]);
		fprintf(out, "<rect x=\"%d\" y=\"%zu\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n",
			LEFT + SIDE, y - SIDE, SIDE, SIDE, colours[kind][1]);
		text_bytes(map->pages[kind] << PAGE_SHIFT, size, sizeof(size));
		text_bytes(map->hot[kind] << PAGE_SHIFT, hot, sizeof(hot));
		if (map->sampled)
			snprintf(line, sizeof(line), "%s: %s, %s of it hot", kind_names[kind],
				 size, hot);
		else
			snprintf(line, sizeof(line), "%s: %s", kind_names[kind], size);
		svg_text(out, LEFT + 3 * SIDE, y, line);
		y += LINE;
	}
}

/** picture_svg() - the same in a file of squares, or the end. */
void picture_svg(const struct map *map, const char *path)
{
	FILE *out = fopen(path, "w");
	char line[256], name[128], size[16];
	size_t i, n, lines = 0, y = TOP;

	if (!out)
		die(STATUS_FAILED, "cannot write to %s: %s", path, strerror(errno));
	for (i = 0; i < map->nr; i++)
		lines += lines_of(&map->range[i]);
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %zu\" font-family=\"sans-serif\" font-size=\"12\">\n",
		LEFT + COLUMNS * SIDE + SIDE,
		TOP + lines * SIDE + map->nr * SIDE + (KINDS + 1) * LINE);
	fputs("<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n", out);
	snprintf(line, sizeof(line), "VM %" PRIu64 " %s: a square is %s", map->vm.id,
		 text_clean(map->vm.name, name, sizeof(name)),
		 text_bytes(map->cell_pages << PAGE_SHIFT, size, sizeof(size)));
	svg_text(out, LEFT, TOP - LINE, line);
	for (i = 0; i < map->nr; i++, y += SIDE) {
		const struct range *r = &map->range[i];

		for (n = 0; n < r->nr; n += COLUMNS, y += SIDE) {
			/* Every eighth: they are wider than a line is high. */
			snprintf(line, sizeof(line), "%#" PRIx64,
				 (r->first + n * map->cell_pages) << PAGE_SHIFT);
			if (n / COLUMNS % 8 == 0)
				svg_text(out, SIDE, y + SIDE, line);
			svg_line(out, r->cell + n, r->nr - n < COLUMNS ? r->nr - n : COLUMNS, y);
		}
	}
	svg_legend(out, map, y + LINE);
	fputs("</svg>\n", out);
	if (ferror(out) | fclose(out))
		die(STATUS_FAILED, "cannot write to %s: %s", path, strerror(errno));
}
