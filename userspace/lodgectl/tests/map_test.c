// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps of memory: cells, ranges, kinds; KEY=VALUE.
 */
#include <stdlib.h>
#include <string.h>

#include "../../lodge/tests/tap.h"
#include "map.h"
#include "util.h"

#define MAPPED	LODGE_MAP_MAPPED
#define USED	(LODGE_MAP_MAPPED | LODGE_MAP_YOUNG)

static struct map map;

static void clear(void)
{
	size_t i;

	for (i = 0; i < map.nr; i++)
		free(map.range[i].cell);
	free(map.range);
	map = (struct map) { 0 };
}

static void begin(uint64_t pages, uint64_t cells)
{
	struct vm vm = { .memory = pages * 4096 };

	clear();
	map_begin(&map, &vm, cells);
}

/* The letter of one cell of these pages. */
static char letter(const uint8_t *states, size_t nr)
{
	begin(4, 1);
	map_add(&map, 0, states, nr);
	return map.range[0].nr == 1 ? cell_letter(&map.range[0].cell[0]) : '?';
}

static void test_cells(void)
{
	static const struct {
		uint64_t pages, cells, each;
	} t[] = {
		{ 0, 2048, 1 }, { 2048, 2048, 1 }, { 2049, 2048, 2 },
		{ 1 << 18, 2048, 128 }, { 1ull << 36, 2048, 1 << 25 },
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		begin(t[i].pages, t[i].cells);
		check(map.cell_pages == t[i].each, "cells of %llu pages",
		      (unsigned long long)t[i].each);
	}
}

static void test_kinds(void)
{
	static const uint8_t
		cold[] = { LODGE_PAGE_PRIVATE | USED, LODGE_PAGE_PRIVATE | MAPPED,
			   LODGE_PAGE_PRIVATE, LODGE_PAGE_SHARED | USED },
		hot[] = { LODGE_PAGE_PRIVATE | USED, LODGE_PAGE_PRIVATE,
			  LODGE_PAGE_ABSENT, LODGE_PAGE_ZERO },
		other[] = { LODGE_MAP_OTHER | USED, LODGE_MAP_OTHER | USED,
			    LODGE_MAP_OTHER },
		newer[] = { 15 | USED, 15, LODGE_PAGE_SWAPPED },
		nothing[] = { LODGE_MAP_OTHER, LODGE_PAGE_ABSENT };

	check(letter(cold, 4) == 'p', "most of it private, a third hot");
	check(map.pages[LODGE_PAGE_PRIVATE] == 3 && map.hot[LODGE_PAGE_PRIVATE] == 1 &&
	      map.hot[LODGE_PAGE_SHARED] == 1, "all of it counted");
	check(letter(hot, 4) == 'P', "half of the private pages hot");
	check(letter(other, 3) == 'O' && map.pages[KIND_OTHER] == 2 &&
	      map.pages[LODGE_PAGE_ABSENT] == 1, "a process's memory, mapped and not");
	check(letter(newer, 3) == 'w', "a kind that nobody knows yet");
	check(letter(nothing, 2) == '.', "nothing");
}

static void test_ranges(void)
{
	static const uint8_t states[8] = { LODGE_PAGE_PRIVATE, LODGE_PAGE_PRIVATE };

	begin(24, 12);
	map_add(&map, 10, states, 3);
	map_add(&map, 13, states, 8);
	map_add(&map, 100, states, 8);
	check(map.nr == 2 && map.range[0].first == 10 && map.range[0].pages == 11 &&
	      map.range[0].nr == 6, "what goes on is one range");
	check(map.range[1].first == 100 && map.range[1].nr == 4, "a hole ends it");
	check(cell_letter(&map.range[0].cell[0]) == 'p' &&
	      cell_letter(&map.range[0].cell[4]) == '.', "cells begin where it does");
}

int main(void)
{
	const char *value = NULL;

	test_cells();
	test_kinds();
	test_ranges();
	clear();
	check(word_value("tax=5", "tax", &value) && !strcmp(value, "5"), "a key");
	check(word_value("name=", "name", &value) && !*value, "nothing behind it");
	check(!word_value("taxes=5", "tax", &value) && !word_value("tax", "tax", &value),
	      "and none");
	return done();
}
