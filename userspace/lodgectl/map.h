/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_MAP_H
#define LODGECTL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vm.h"

/* What a page is: LODGE_PAGE_*, or memory of the launcher's process. */
enum kind {
	KIND_BALLOONED = LODGE_PAGE_DISCARDED,
	KIND_OTHER,
	KINDS
};

/* Pages side by side. */
struct cell {
	uint32_t pages[KINDS];
	uint32_t hot[KINDS];	/* of these, used while we looked */
};

/* A stretch of guest memory without holes. */
struct range {
	uint64_t first, pages;	/* in pages */
	size_t nr;
	struct cell *cell;
};

struct map {
	struct vm vm;
	bool sampled;		/* whether hot is known */
	uint64_t cell_pages;
	size_t nr;
	struct range *range;
	uint64_t pages[KINDS], hot[KINDS];
};

extern const char *const kind_names[KINDS];

void map_begin(struct map *map, const struct vm *vm, uint64_t cells);
void map_add(struct map *map, uint64_t first, const uint8_t *states, uint64_t nr);
enum kind cell_kind(const struct cell *cell, bool *hot);
char cell_letter(const struct cell *cell);

#endif
