// SPDX-License-Identifier: GPL-2.0-only
/*
 * A map of memory as people see it: letters in a terminal, squares in a file, which is
 * SVG or, png.c, PNG.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "map.h"
#include "picture.h"
#include "util.h"

#define PAGE_SHIFT	12
#define COLUMNS		64
/* Of a file: a cell, and what is left of it for addresses, above and below. */
#define SIDE		10
#define LEFT		110
#define TOP		40
#define LINE		18

/* Hot ones, and cold ones: the same, but pale. */
static const uint32_t colours[KINDS][2] = {
	[LODGE_PAGE_ABSENT] = { 0xf0f0f0, 0xf0f0f0 },
	[LODGE_PAGE_PRIVATE] = { 0x1f5f9f, 0xa9c4de },
	[LODGE_PAGE_SHARED] = { 0x2a7f4e, 0xaad4bd },
	[LODGE_PAGE_ZERO] = { 0x707070, 0xcccccc },
	[LODGE_PAGE_COMPRESSED] = { 0x7f4fa0, 0xcfb9dd },
	[LODGE_PAGE_SWAPPED] = { 0xa03030, 0xdeb0b0 },
	[KIND_BALLOONED] = { 0xc08a20, 0xecd9a8 },
	[KIND_OTHER] = { 0x206f7f, 0xa9cdd4 },
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

static uint32_t cell_colour(const struct cell *cell)
{
	bool hot;
	enum kind kind = cell_kind(cell, &hot);

	return colours[kind][!hot];
}

/* A line of cells; those of one colour are one rectangle. */
static void draw_line(struct canvas *c, const struct cell *cell, size_t nr, size_t y)
{
	size_t i, end;

	for (i = 0; i < nr; i = end) {
		uint32_t colour = cell_colour(&cell[i]);

		for (end = i + 1; end < nr && cell_colour(&cell[end]) == colour; )
			end++;
		c->rect(c, LEFT + i * SIDE, y, (end - i) * SIDE, SIDE, colour);
	}
}

static size_t lines_of(const struct range *r)
{
	return (r->nr + COLUMNS - 1) / COLUMNS;
}

static void draw_legend(struct canvas *c, const struct map *map, size_t y)
{
	char line[128], size[16], hot[16];
	enum kind kind;

	for (kind = 0; kind < KINDS; kind++) {
		if (!map->pages[kind])
			continue;
		c->rect(c, LEFT, y - SIDE, SIDE, SIDE, colours[kind][0]);
		c->rect(c, LEFT + SIDE, y - SIDE, SIDE, SIDE, colours[kind][1]);
		text_bytes(map->pages[kind] << PAGE_SHIFT, size, sizeof(size));
		text_bytes(map->hot[kind] << PAGE_SHIFT, hot, sizeof(hot));
		if (map->sampled)
			snprintf(line, sizeof(line), "%s: %s, %s of it hot", kind_names[kind],
				 size, hot);
		else
			snprintf(line, sizeof(line), "%s: %s", kind_names[kind], size);
		c->text(c, LEFT + 3 * SIDE, y, line);
		y += LINE;
	}
}

static void draw(struct canvas *c, const struct map *map)
{
	char line[256], name[128], size[16];
	size_t i, n, lines = 0, y = TOP;

	for (i = 0; i < map->nr; i++)
		lines += lines_of(&map->range[i]);
	c->begin(c, LEFT + COLUMNS * SIDE + SIDE,
		 TOP + lines * SIDE + map->nr * SIDE + (KINDS + 1) * LINE);
	snprintf(line, sizeof(line), "VM %" PRIu64 " %s: a square is %s", map->vm.id,
		 text_clean(map->vm.name, name, sizeof(name)),
		 text_bytes(map->cell_pages << PAGE_SHIFT, size, sizeof(size)));
	c->text(c, LEFT, TOP - LINE, line);
	for (i = 0; i < map->nr; i++, y += SIDE) {
		const struct range *r = &map->range[i];

		for (n = 0; n < r->nr; n += COLUMNS, y += SIDE) {
			/* Every eighth: they are wider than a line is high. */
			snprintf(line, sizeof(line), "%#" PRIx64,
				 (r->first + n * map->cell_pages) << PAGE_SHIFT);
			if (n / COLUMNS % 8 == 0)
				c->text(c, SIDE, y + SIDE, line);
			draw_line(c, r->cell + n, r->nr - n < COLUMNS ? r->nr - n : COLUMNS, y);
		}
	}
	draw_legend(c, map, y + LINE);
	c->end(c);
}

/**
 * picture_file() - the same in a file of squares, or the end
 * @map: the map
 * @path: the file
 * @canvas: canvas_svg or canvas_png
 */
void picture_file(const struct map *map, const char *path, const struct canvas *canvas)
{
	struct canvas c = *canvas;

	c.out = fopen(path, "w");
	if (!c.out)
		die(STATUS_FAILED, "cannot write to %s: %s", path, strerror(errno));
	draw(&c, map);
	if (ferror(c.out) | fclose(c.out))
		die(STATUS_FAILED, "cannot write to %s: %s", path, strerror(errno));
}

static void svg_rect(struct canvas *c, size_t x, size_t y, size_t width, size_t height,
		     uint32_t colour)
{
	fprintf(c->out, "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"%zu\" fill=\"#%06x\"/>\n",
		x, y, width, height, colour);
}

static void svg_begin(struct canvas *c, size_t width, size_t height)
{
	fprintf(c->out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %zu %zu\" font-family=\"sans-serif\" font-size=\"12\">\n",
		width, height);
	svg_rect(c, 0, 0, width, height, 0xffffff);
}

static void svg_text(struct canvas *c, size_t x, size_t y, const char *s)
{
	fprintf(c->out, "<text x=\"%zu\" y=\"%zu\">", x, y);
	for (; *s; s++) {
		if (strchr("<>&", *s))
			fprintf(c->out, "&#%d;", *s);
		else
			fputc(*s, c->out);
	}
	fputs("</text>\n", c->out);
}

static void svg_end(struct canvas *c)
{
	fputs("</svg>\n", c->out);
}

const struct canvas canvas_svg = {
	.begin = svg_begin, .rect = svg_rect, .text = svg_text, .end = svg_end,
};
