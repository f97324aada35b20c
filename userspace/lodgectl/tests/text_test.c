// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text for terminals, sizes, rates.
 */
#include <string.h>

#include "../../lodge/tests/tap.h"
#include "stats.h"
#include "util.h"

static void test_clean(void)
{
	static const struct {
		const char *from, *to;
	} t[] = {
		{ "plain", "plain" }, { "", "" },
		{ "a\033[2Jb", "a?[2Jb" }, { "tab\there\n", "tab?here?" },
		{ "\x7f", "?" }, { "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xc2\x9b;1m", "?;1m" },		/* CSI, as one character */
		{ "\xff\xfe", "??" }, { "\xc3", "?" },
		{ "\xc0\x80", "??" },			/* too long a form */
		{ "\xed\xa0\x80", "???" },		/* half of a pair */
		{ "\xf4\x90\x80\x80", "????" },		/* beyond the last */
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
	};
	char buf[64];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++)
		check(!strcmp(text_clean(t[i].from, buf, sizeof(buf)), t[i].to),
		      "text %zu", i);
	check(!strcmp(text_clean("abcdef", buf, 4), "abc"), "cut to fit");
	check(!strcmp(text_clean("ab\xc3\xbc", buf, 4), "ab"), "not within a character");
}

static void test_bytes(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} t[] = {
		{ 0, "0B" }, { 1023, "1023B" }, { 1024, "1K" }, { 1536, "1.5K" },
		{ 512ull << 20, "512M" }, { 6ull << 30, "6G" },
		{ (12ull << 30) + (1 << 20), "12G" }, { ~0ull, "15E" },
	};
	char buf[16];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++)
		check(!strcmp(text_bytes(t[i].bytes, buf, sizeof(buf)), t[i].text),
		      "size %s", t[i].text);
}

int main(void)
{
	test_clean();
	test_bytes();
	check(stats_rate(150, 50, 2) == 50, "a rate");
	check(stats_rate(10, 50, 1) == 10, "a counter that began anew");
	check(stats_rate(10, 5, 0) == 0, "no time");
	return done();
}
