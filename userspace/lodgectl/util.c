// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ways to fail in words, and text that may be shown: a VM's name comes from
 * somebody else and must not reach a terminal as it is.
 */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lodge/parse.h"
#include "util.h"

static void say(const char *fmt, va_list ap)
{
	fflush(stdout);
	fputs("lodgectl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

/** warn() - say something on stderr and go on. */
void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

/** die() - say what failed, on what, why and what helps; and end. */
void die(enum status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	exit(status);
}

/** xgrow() - room for one more behind @nr objects; doubles as it goes. */
void *xgrow(void *array, size_t nr, size_t size)
{
	void *p = array;

	if (!(nr & (nr - 1)))
		p = reallocarray(array, nr ? 2 * nr : 1, size);
	if (!p)
		die(STATUS_FAILED, "out of memory for %zu objects of %zu bytes",
		    nr + 1, size);
	return p;
}

/** xprintf() - a string of its own, or the end. */
char *xprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		die(STATUS_FAILED, "out of memory");
	va_end(ap);
	return s;
}

/**
 * utf8_length() - bytes of the character that @s begins with
 *
 * Return: 1 to 4, or 0 if it is none, or the string's end.
 */
size_t utf8_length(const char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = *s;
	size_t n = c < 0x80 ? !!c : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 :
		   c >> 3 == 30 ? 4 : 0, i;
	uint32_t code = n > 1 ? c & (0x7f >> n) : c;

	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (n && (code < least[n] || code > 0x10ffff || code >> 11 == 0x1b))
		return 0;
	return n;
}

/** text_clean() - @s in @buf, with ? for what isn't text: a terminal may see it. */
char *text_clean(const char *s, char *buf, size_t size)
{
	char *out = buf;

	while (*s) {
		size_t n = utf8_length(s);
		/* Controls: C0, DEL, and C1 in UTF-8. */
		bool bad = !n || (n == 1 && (*s < ' ' || *s == 0x7f)) ||
			   (n == 2 && !memcmp(s, "\xc2", 1) && (unsigned char)s[1] < 0xa0);

		if ((size_t)(out - buf) + (bad ? 1 : n) >= size)
			break;
		if (bad)
			*out++ = '?';
		else
			out = mempcpy(out, s, n);
		s += n ? n : 1;
	}
	*out = 0;
	return buf;
}

/** text_bytes() - a size for people: 512M, 1.5G. */
char *text_bytes(uint64_t bytes, char *buf, size_t size)
{
	static const char units[] = "BKMGTPE";
	uint64_t whole = bytes, rest = 0;
	int i = 0;

	while (whole >= 1024) {
		rest = whole % 1024;
		whole /= 1024;
		i++;
	}
	if (rest && whole < 10)
		snprintf(buf, size, "%u.%u%c", (unsigned int)whole,
			 (unsigned int)(rest * 10 / 1024), units[i]);
	else
		snprintf(buf, size, "%u%c", (unsigned int)whole, units[i]);
	return buf;
}

/** text_user() - the name of a user, or its number. */
char *text_user(uint32_t uid, char *buf, size_t size)
{
	struct passwd *user = getpwuid(uid);

	if (user)
		return text_clean(user->pw_name, buf, size);
	snprintf(buf, size, "%u", uid);
	return buf;
}

/** word_value() - whether @word is KEY=VALUE; @value is then set. */
bool word_value(const char *word, const char *key, const char **value)
{
	size_t n = strlen(key);

	if (strncmp(word, key, n) || word[n] != '=')
		return false;
	*value = word + n + 1;
	return true;
}

/** number_value() - a whole number from 0 to @max, or the end. */
uint32_t number_value(const char *word, const char *value, uint32_t max)
{
	unsigned long n;

	if (parse_uint(value, max, &n))
		die(STATUS_USAGE, "%s: a number from 0 to %u is wanted", word, max);
	return n;
}

/** flush_output() - all that was printed is out, or that is the end. */
void flush_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		die(STATUS_FAILED, "cannot write to standard output: %s",
		    strerror(errno));
}
