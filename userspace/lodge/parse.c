// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers from text, for the launcher and lodgectl.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

/**
 * parse_size() - bytes from "4096", "512K", "256M", "6G" or "1T".
 * @s: the text
 * @out: the bytes
 *
 * Return: 0, or -1 if the text is no size or is beyond 64 bits.
 */
int parse_size(const char *s, uint64_t *out)
{
	static const char units[] = "KMGT";
	unsigned long long v;
	const char *unit;
	char *end;
	int shift = 0;

	if (*s < '0' || *s > '9')
		return -1;
	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno)
		return -1;
	if (*end) {
		unit = strchr(units, *end & ~0x20);
		if (!unit || !*unit || (end[1] && strcmp(end + 1, "iB")))
			return -1;
		shift = 10 * (unit - units + 1);
	}
	if (shift && v >> (64 - shift))
		return -1;
	*out = (uint64_t)v << shift;
	return 0;
}

/** parse_uint() - a whole number, decimal or 0x..., from 0 to @max. */
int parse_uint(const char *s, unsigned long max, unsigned long *out)
{
	char *end;

	if (*s < '0' || *s > '9')
		return -1;
	errno = 0;
	*out = strtoul(s, &end, 0);
	return errno || *end || *out > max ? -1 : 0;
}
