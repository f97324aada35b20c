/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_BALLOON_H
#define LODGECTL_BALLOON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink.h"

struct balloon {
	uint64_t vm;
	bool automatic;
	uint32_t shares;
	uint64_t memory, reservation, target, actual, resident, active, reclaimed, hinted;
	char domain[LODGE_DOMAIN_NAME_MAX];
	uint32_t valid;		/* bit n: the guest told stat[n] */
	uint64_t stat[LODGE_BALLOON_NR_STATS];
};

struct balloons {
	size_t nr;
	struct balloon *balloon;
};

void balloons_get(struct balloons *balloons, const char *word);
void balloon_set(struct balloons *balloons, const char *word, struct field *fields,
		 size_t nr);
void balloon_json(const char *key, const struct balloon *b);
uint64_t size_value(const char *word, const char *value);

#endif
