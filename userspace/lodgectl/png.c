// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pictures as PNG: an image of up to 256 colours, which zlib shrinks, and letters
 * of 3 by 5 dots.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "picture.h"
#include "util.h"

#define DOT	2	/* pixels on a side */

/* A digit for each line of three dots, from the top; capital letters stand for all. */
static const uint16_t digits[10] = {
	075557, 026227, 071747, 071717, 055711, 074717, 074757, 071111, 075757, 075717,
};

static const uint16_t letters[26] = {
	025755, 065656, 034443, 065556, 074647, 074644, 034553, 055755, 072227, 011152,
	055655, 044447, 057755, 065555, 025552, 065644, 025563, 065655, 034216, 072222,
	055557, 055552, 055775, 055255, 055222, 071247,
};

static uint16_t glyph(unsigned char c)
{
	if (isdigit(c))
		return digits[c - '0'];
	if (isascii(c) && isalpha(c))
		return letters[tolower(c) - 'a'];
	switch (c) {
	case ' ':
		return 0;
	case ':':
		return 002020;
	case ',':
		return 000024;
	case '.':
		return 000002;
	case '-':
		return 000700;
	case '_':
		return 000007;
	default:	/* a question mark */
		return 071202;
	}
}

static uint8_t colour_number(struct canvas *c, uint32_t colour)
{
	unsigned int i;

	for (i = 0; i < c->colours; i++)
		if (c->palette[i] == colour)
			return i;
	if (c->colours < ARRAY_SIZE(c->palette))
		c->palette[c->colours++] = colour;
	return c->colours - 1;
}

/* What is outside is cut off. A line begins with a byte that says it isn't filtered. */
static void png_rect(struct canvas *c, size_t x, size_t y, size_t width, size_t height,
		     uint32_t colour)
{
	uint8_t number = colour_number(c, colour);
	size_t i;

	if (x >= c->width)
		return;
	if (width > c->width - x)
		width = c->width - x;
	for (i = y; i < y + height && i < c->height; i++)
		memset(c->pixels + i * (c->width + 1) + 1 + x, number, width);
}

static void png_begin(struct canvas *c, size_t width, size_t height)
{
	c->width = width;
	c->height = height;
	c->pixels = calloc(height, width + 1);
	if (!c->pixels)
		die(STATUS_FAILED, "out of memory");
	png_rect(c, 0, 0, width, height, 0xffffff);
}

static void png_text(struct canvas *c, size_t x, size_t y, const char *s)
{
	int dot;

	for (; *s; s++, x += 4 * DOT)
		for (dot = 0; dot < 15; dot++)
			if (glyph(*s) >> (14 - dot) & 1)
				png_rect(c, x + dot % 3 * DOT, y - (5 - dot / 3) * DOT,
					 DOT, DOT, 0);
}

static void put_u32(FILE *out, uint32_t value)
{
	value = htonl(value);
	fwrite(&value, sizeof(value), 1, out);
}

static void chunk(FILE *out, const char *type, const void *data, size_t size)
{
	uLong crc = crc32(crc32(0, NULL, 0), (const Bytef *)type, 4);

	put_u32(out, size);
	fwrite(type, 4, 1, out);
	if (size) {
		fwrite(data, size, 1, out);
		crc = crc32(crc, data, size);
	}
	put_u32(out, crc);
}

static void png_end(struct canvas *c)
{
	uint8_t head[13] = { [8] = 8, [9] = 3 }, palette[3 * 256];
	uLong raw = c->height * (c->width + 1);
	uLongf size = compressBound(raw);
	uint8_t *packed = malloc(size);
	uint32_t side;
	unsigned int i;

	if (!packed || compress(packed, &size, c->pixels, raw) != Z_OK)
		die(STATUS_FAILED, "out of memory");
	side = htonl(c->width);
	memcpy(head, &side, 4);
	side = htonl(c->height);
	memcpy(head + 4, &side, 4);
	for (i = 0; i < 3 * c->colours; i++)
		palette[i] = c->palette[i / 3] >> (16 - i % 3 * 8);
	fwrite("\x89PNG\r\n\x1a\n", 8, 1, c->out);
	chunk(c->out, "IHDR", head, sizeof(head));
	chunk(c->out, "PLTE", palette, 3 * c->colours);
	chunk(c->out, "IDAT", packed, size);
	chunk(c->out, "IEND", NULL, 0);
	free(packed);
	free(c->pixels);
}

const struct canvas canvas_png = {
	.begin = png_begin, .rect = png_rect, .text = png_text, .end = png_end,
};
