// SPDX-License-Identifier: GPL-2.0-only
/*
 * A map of a VM's memory: what each page is, in cells of as many pages as give
 * a picture of a useful size. Hot is what was used between two looks.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "json.h"
#include "map.h"
#include "netlink.h"
#include "picture.h"
#include "table.h"
#include "util.h"

#define PAGE_BYTES	4096
/* Cells of a picture, at most about. */
#define TERMINAL_CELLS	2048
#define FILE_CELLS	8192

const char *const kind_names[KINDS] = {
	[LODGE_PAGE_ABSENT] = "absent",
	[LODGE_PAGE_PRIVATE] = "private",
	[LODGE_PAGE_SHARED] = "shared",
	[LODGE_PAGE_ZERO] = "zero",
	[LODGE_PAGE_COMPRESSED] = "compressed",
	[LODGE_PAGE_SWAPPED] = "swapped",
	[KIND_BALLOONED] = "ballooned",
	[KIND_OTHER] = "other",
};

/* Where people would look for the first letter of two kinds. */
static const char letters[KINDS] = {
	[LODGE_PAGE_ABSENT] = '.', [LODGE_PAGE_PRIVATE] = 'p', [LODGE_PAGE_SHARED] = 's',
	[LODGE_PAGE_ZERO] = 'z', [LODGE_PAGE_COMPRESSED] = 'c', [LODGE_PAGE_SWAPPED] = 'w',
	[KIND_BALLOONED] = 'b', [KIND_OTHER] = 'o',
};

/** map_begin() - an empty map; a cell has 1, 2, 4 ... pages. */
void map_begin(struct map *map, const struct vm *vm, uint64_t cells)
{
	*map = (struct map) { .vm = *vm, .cell_pages = 1 };
	while (vm->memory / PAGE_BYTES / map->cell_pages > cells)
		map->cell_pages *= 2;
}

static struct cell *cell_at(struct map *map, uint64_t page)
{
	struct range *r = &map->range[map->nr - 1];
	size_t i = (page - r->first) / map->cell_pages;

	for (; r->nr <= i; r->nr++) {
		r->cell = xgrow(r->cell, r->nr, sizeof(*r->cell));
		r->cell[r->nr] = (struct cell) { 0 };
	}
	return &r->cell[i];
}

/**
 * map_add() - pages behind those that were added
 * @map: the map
 * @first: the first one; not below what was added
 * @states: a byte for each, as LODGE_A_MAP_STATES has them
 * @nr: how many
 */
void map_add(struct map *map, uint64_t first, const uint8_t *states, uint64_t nr)
{
	struct range *r = map->nr ? &map->range[map->nr - 1] : NULL;
	uint64_t i;

	if (!r || r->first + r->pages != first) {
		map->range = xgrow(map->range, map->nr, sizeof(*map->range));
		r = &map->range[map->nr++];
		*r = (struct range) { .first = first };
	}
	for (i = 0; i < nr; i++) {
		struct cell *cell = cell_at(map, first + i);
		unsigned int kind = states[i] & LODGE_MAP_STATE;

		if (states[i] & LODGE_MAP_OTHER)
			kind = states[i] & LODGE_MAP_MAPPED ? KIND_OTHER : LODGE_PAGE_ABSENT;
		if (kind >= KINDS)
			continue;	/* of a newer module */
		cell->pages[kind]++;
		map->pages[kind]++;
		if (!(states[i] & LODGE_MAP_YOUNG))
			continue;
		cell->hot[kind]++;
		map->hot[kind]++;
	}
	r->pages += nr;
}

/** cell_kind() - what most of a cell's pages are, and whether half of those are hot. */
enum kind cell_kind(const struct cell *cell, bool *hot)
{
	enum kind kind, most = LODGE_PAGE_ABSENT;

	for (kind = 0; kind < KINDS; kind++)
		if (cell->pages[kind] > cell->pages[most])
			most = kind;
	*hot = cell->hot[most] && 2 * cell->hot[most] >= cell->pages[most];
	return most;
}

/** cell_letter() - a cell as a letter, a capital one if it is hot. */
char cell_letter(const struct cell *cell)
{
	bool hot;
	char letter = letters[cell_kind(cell, &hot)];

	return hot ? toupper(letter) : letter;
}

/* An answer: some pages, or none. */
struct part {
	struct map *map;	/* or NULL: only the accessed bits matter */
	uint64_t next;
	bool end;
};

static void take_part(const struct message *msg, void *arg)
{
	struct nlattr *states = msg->attrs[LODGE_A_MAP_STATES];
	struct nlattr *first = msg->attrs[LODGE_A_MAP_FIRST];
	struct part *part = arg;
	uint64_t at = attr_u64(first), nr = states ? nla_len(states) : 0;

	part->end = !first || !nr || at < part->next;
	if (part->end)
		return;
	if (part->map)
		map_add(part->map, at, nla_data(states), nr);
	part->next = at + nr;
}

/* All of a VM's memory; with no map the accessed bits are taken away. */
static void look(uint64_t vm, struct map *map)
{
	struct part part = { .map = map };
	int err = 0;

	while (!err && !part.end) {
		struct field fields[] = {
			{ LODGE_A_MAP_VM_ID, 8, vm },
			{ LODGE_A_MAP_FIRST, 8, part.next },
			{ LODGE_A_MAP_CLEAR, 0, 1 },
		};

		part.end = true;
		err = netlink_ask(LODGE_CMD_MAP_GET, fields, map ? 2 : 3,
				  LODGE_A_MAP_MAX, take_part, &part);
	}
	if (err == -ENOENT)
		die(STATUS_NO_VM, "VM %" PRIu64 " has just ended", vm);
	if (err)
		die(STATUS_FAILED, "VM %" PRIu64 ": %s", vm, strerror(-err));
}

static void map_json(const struct map *map)
{
	enum kind kind;
	size_t i, c;

	json_begin(NULL, '{');
	json_number("id", map->vm.id);
	json_number("page_size", PAGE_BYTES);
	json_number("cell_pages", map->cell_pages);
	json_bool("sampled", map->sampled);
	json_begin("pages", '{');
	for (kind = 0; kind < KINDS; kind++)
		json_number(kind_names[kind], map->pages[kind]);
	json_end('}');
	json_begin("hot", '{');
	for (kind = 0; map->sampled && kind < KINDS; kind++)
		json_number(kind_names[kind], map->hot[kind]);
	json_end('}');
	json_begin("ranges", '[');
	for (i = 0; i < map->nr; i++) {
		const struct range *r = &map->range[i];
		char *text = xprintf("%*s", (int)r->nr, "");

		for (c = 0; c < r->nr; c++)
			text[c] = cell_letter(&r->cell[c]);
		json_begin(NULL, '{');
		json_number("start", r->first * PAGE_BYTES);
		json_number("bytes", r->pages * PAGE_BYTES);
		json_string("cells", text);
		json_end('}');
		free(text);
	}
	json_end(']');
	json_end('}');
}

static void totals_print(const struct map *map)
{
	static const char *const heads[] = {
		"KIND", "LETTER", ">PAGES", ">SIZE", ">HOT", ">COLD",
	};
	struct table t;
	enum kind kind;
	char buf[16];
	size_t i;

	table_heads(&t, heads, ARRAY_SIZE(heads));
	for (kind = 0; kind < KINDS; kind++) {
		if (!map->pages[kind])
			continue;
		table_cell(&t, "%s", kind_names[kind]);
		table_cell(&t, "%c", letters[kind]);
		table_cell(&t, "%" PRIu64, map->pages[kind]);
		table_cell(&t, "%s", text_bytes(map->pages[kind] * PAGE_BYTES, buf, sizeof(buf)));
		for (i = 0; i < 2; i++) {
			uint64_t n = i ? map->pages[kind] - map->hot[kind] : map->hot[kind];

			if (map->sampled)
				table_cell(&t, "%s", text_bytes(n * PAGE_BYTES, buf, sizeof(buf)));
			else
				table_cell(&t, "-");
		}
	}
	table_end(&t, "  ");
}

/* Of what is used nothing is known: so nothing is hot. */
static void forget_hot(struct map *map)
{
	size_t i, c;

	for (i = 0; i < map->nr; i++)
		for (c = 0; c < map->range[i].nr; c++)
			memset(map->range[i].cell[c].hot, 0,
			       sizeof(map->range[i].cell[c].hot));
}

/** command_map() - a picture of a VM's memory. */
int command_map(const struct options *opt)
{
	struct vm vm = vm_find(opt->vm);
	struct timespec pause = { .tv_sec = opt->sample };
	bool file = opt->svg || opt->png;
	struct map map;

	map_begin(&map, &vm, file ? FILE_CELLS : TERMINAL_CELLS);
	map.sampled = opt->sample > 0;
	if (map.sampled) {
		look(vm.id, NULL);
		pause.tv_nsec = (opt->sample - pause.tv_sec) * 1e9;
		nanosleep(&pause, NULL);
	}
	look(vm.id, &map);
	if (!map.sampled)
		forget_hot(&map);
	if (opt->svg)
		picture_file(&map, opt->svg, &canvas_svg);
	if (opt->png)
		picture_file(&map, opt->png, &canvas_png);
	if (opt->json) {
		map_json(&map);
	} else {
		if (!file)
			picture_print(&map);
		totals_print(&map);
	}
	return STATUS_OK;
}
