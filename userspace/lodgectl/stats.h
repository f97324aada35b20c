/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_STATS_H
#define LODGECTL_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATS_NO_VCPU	(-1)	/* the VM's own counters */

struct counter {
	char name[48];
	uint64_t value;
	bool instant;		/* how it is, not how often it was */
};

struct stats_set {
	uint64_t vm;
	int64_t vcpu;
	size_t nr;
	struct counter *counter;
};

/* In the order of VMs; of each its own set comes first. */
struct stats {
	size_t nr;
	struct stats_set *set;
};

struct nlattr;

void stats_add(struct stats_set *set, struct nlattr *nest);
void stats_json(const struct stats_set *set);
int stats_get(struct stats *stats, uint64_t vm);
void stats_free(struct stats *stats);
uint64_t stats_value(const struct stats_set *set, const char *name);
const struct stats_set *stats_find(const struct stats *stats, uint64_t vm, int64_t vcpu);
double stats_rate(uint64_t now, uint64_t before, double seconds);

#endif
