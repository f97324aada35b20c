// SPDX-License-Identifier: GPL-2.0-only
/*
 * JSON on standard output, one value a line. Strings may be any bytes; what
 * isn't UTF-8 becomes U+FFFD.
 */
#include <inttypes.h>
#include <stdio.h>

#include "json.h"
#include "util.h"

static int depth;
static bool comma;

static void quoted(const char *s)
{
	putchar('"');
	while (*s) {
		size_t n = utf8_length(s);

		if (!n)
			fputs("\\ufffd", stdout);
		else if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (n == 1 && (*s < ' ' || *s == 0x7f))
			printf("\\u%04x", *s);
		else
			fwrite(s, n, 1, stdout);
		s += n ? n : 1;
	}
	putchar('"');
}

static void key_of(const char *key)
{
	if (comma)
		putchar(',');
	if (key) {
		quoted(key);
		putchar(':');
	}
	comma = true;
}

/** json_begin() - an object, @kind '{', or an array, '['. */
void json_begin(const char *key, char kind)
{
	key_of(key);
	putchar(kind);
	comma = false;
	depth++;
}

/** json_end() - the end of it, '}' or ']'; after the outermost one a new line. */
void json_end(char kind)
{
	putchar(kind);
	comma = --depth;
	if (!depth)
		putchar('\n');
}

/** json_number() - a whole number. */
void json_number(const char *key, uint64_t value)
{
	key_of(key);
	printf("%" PRIu64, value);
}

/** json_signed() - one that may be negative. */
void json_signed(const char *key, int64_t value)
{
	key_of(key);
	printf("%" PRId64, value);
}

/** json_string() - a string. */
void json_string(const char *key, const char *value)
{
	key_of(key);
	quoted(value);
}

/** json_bool() - true or false. */
void json_bool(const char *key, bool value)
{
	key_of(key);
	fputs(value ? "true" : "false", stdout);
}

/** json_null() - nothing known. */
void json_null(const char *key)
{
	key_of(key);
	fputs("null", stdout);
}
