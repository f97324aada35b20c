/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_PICTURE_H
#define LODGECTL_PICTURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct map;

/* What a picture is drawn on: a kind of file. Text stands on the line y. */
struct canvas {
	void (*begin)(struct canvas *c, size_t width, size_t height);
	void (*rect)(struct canvas *c, size_t x, size_t y, size_t width, size_t height,
		     uint32_t colour);
	void (*text)(struct canvas *c, size_t x, size_t y, const char *s);
	void (*end)(struct canvas *c);
	FILE *out;
	size_t width, height;
	uint8_t *pixels;		/* colours by their numbers, line by line */
	uint32_t palette[256];
	unsigned int colours;
};

extern const struct canvas canvas_svg, canvas_png;

void picture_print(const struct map *map);
void picture_file(const struct map *map, const char *path, const struct canvas *canvas);

#endif
