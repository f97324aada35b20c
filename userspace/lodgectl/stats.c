// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of VMs and vCPUs. Which there are is the module's to say.
 */
#include <errno.h>
#include <inttypes.h>
#include <netlink/attr.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "json.h"
#include "netlink.h"
#include "stats.h"
#include "table.h"
#include "util.h"
#include "vm.h"

/** stats_add() - one more counter of a set, from a message. */
void stats_add(struct stats_set *set, struct nlattr *nest)
{
	struct nlattr *attrs[LODGE_A_COUNTER_MAX + 1];
	struct counter *c;

	if (nla_parse_nested(attrs, LODGE_A_COUNTER_MAX, nest, NULL))
		return;
	set->counter = xgrow(set->counter, set->nr, sizeof(*set->counter));
	c = &set->counter[set->nr++];
	attr_string(attrs[LODGE_A_COUNTER_NAME], c->name, sizeof(c->name));
	c->value = attr_u64(attrs[LODGE_A_COUNTER_VALUE]);
	c->instant = attrs[LODGE_A_COUNTER_INSTANT];
}

static void add_set(const struct message *msg, void *arg)
{
	struct nlattr *id = msg->attrs[LODGE_A_STATS_VCPU_ID], *attr;
	struct stats *stats = arg;
	struct stats_set *set;
	int left;

	stats->set = xgrow(stats->set, stats->nr, sizeof(*stats->set));
	set = &stats->set[stats->nr++];
	*set = (struct stats_set) {
		.vm = attr_u64(msg->attrs[LODGE_A_STATS_VM_ID]),
		.vcpu = id ? (int64_t)attr_u32(id) : STATS_NO_VCPU,
	};
	nla_for_each_attr(attr, msg->first, msg->length, left)
		if (nla_type(attr) == LODGE_A_STATS_COUNTER)
			stats_add(set, attr);
}

/**
 * stats_get() - the counters of a VM and its vCPUs, or with 0 of all VMs
 *
 * Return: 0, or -ENOENT.
 */
int stats_get(struct stats *stats, uint64_t vm)
{
	*stats = (struct stats) { 0 };
	return netlink_dump(LODGE_CMD_STATS_GET, vm, LODGE_A_STATS_MAX, add_set, stats);
}

/** stats_free() - what stats_get() made. */
void stats_free(struct stats *stats)
{
	size_t i;

	for (i = 0; i < stats->nr; i++)
		free(stats->set[i].counter);
	free(stats->set);
	*stats = (struct stats) { 0 };
}

/** stats_value() - a counter by its name; 0 if there is none. */
uint64_t stats_value(const struct stats_set *set, const char *name)
{
	size_t i;

	for (i = 0; set && i < set->nr; i++)
		if (!strcmp(set->counter[i].name, name))
			return set->counter[i].value;
	return 0;
}

/** stats_find() - the set of a VM or a vCPU, or NULL. */
const struct stats_set *stats_find(const struct stats *stats, uint64_t vm, int64_t vcpu)
{
	size_t i;

	for (i = 0; i < stats->nr; i++)
		if (stats->set[i].vm == vm && stats->set[i].vcpu == vcpu)
			return &stats->set[i];
	return NULL;
}

/** stats_rate() - by how much a second; a counter that fell began anew. */
double stats_rate(uint64_t now, uint64_t before, double seconds)
{
	uint64_t more = now >= before ? now - before : now;

	return seconds > 0 ? more / seconds : 0;
}

/** stats_json() - the counters of a set, as a key of an object that is open. */
void stats_json(const struct stats_set *set)
{
	size_t i;

	json_begin("counters", '{');
	for (i = 0; i < set->nr; i++)
		json_number(set->counter[i].name, set->counter[i].value);
	json_end('}');
}

/* Of the VM whose own set is set[0]; gives how many sets it has. */
static size_t vm_json_stats(const struct stats_set *set, size_t nr)
{
	size_t i;

	json_begin(NULL, '{');
	json_number("id", set->vm);
	stats_json(set);
	json_begin("vcpu", '[');
	for (i = 1; i < nr && set[i].vm == set->vm; i++) {
		json_begin(NULL, '{');
		json_number("id", set[i].vcpu);
		stats_json(&set[i]);
		json_end('}');
	}
	json_end(']');
	json_end('}');
	return i;
}

static void all_json(const char *key, const struct stats *now)
{
	size_t i = 0;

	json_begin(key, '[');
	while (i < now->nr)
		i += vm_json_stats(&now->set[i], now->nr - i);
	json_end(']');
}

/* What was there before, and how long ago; no seconds: there is no before. */
struct before {
	struct stats stats;
	double seconds;
};

/* A number as it is shown: how it is, how often, or how often a second. */
static void number_cell(struct table *t, const struct stats_set *sets, size_t nr,
			size_t c, const struct before *before)
{
	const struct counter *first = &sets->counter[c];
	bool rate = before->seconds > 0 && !first->instant;
	double sum = 0;
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		uint64_t value = stats_value(&sets[i], first->name);

		total += value;
		sum += stats_rate(value, stats_value(stats_find(&before->stats, sets[i].vm,
								sets[i].vcpu),
						     first->name), before->seconds);
	}
	if (rate)
		table_cell(t, "%.0f", sum);
	else
		table_cell(t, "%" PRIu64, total);
}

static size_t vm_print_stats(const struct stats_set *set, size_t nr,
			     const struct before *before, const struct options *opt)
{
	size_t vcpus = 1, columns, i, c;
	struct table t;

	while (vcpus < nr && set[vcpus].vm == set->vm)
		vcpus++;
	vcpus--;
	columns = opt->vcpus ? vcpus : 0;
	printf("VM %" PRIu64 ", %zu vCPU%s\n", set->vm, vcpus, vcpus == 1 ? "" : "s");
	table_begin(&t, 2 + columns);
	table_cell(&t, "COUNTER");
	table_cell(&t, before->seconds > 0 ? ">PER SECOND" : ">TOTAL");
	for (i = 1; i <= columns; i++)
		table_cell(&t, ">VCPU %" PRId64, set[i].vcpu);
	for (c = 0; c < set->nr; c++) {
		table_cell(&t, "%s", set->counter[c].name);
		number_cell(&t, set, 1, c, before);
		for (i = 0; i < columns; i++)
			table_cell(&t, "-");
	}
	for (c = 0; vcpus && c < set[1].nr; c++) {
		table_cell(&t, "%s", set[1].counter[c].name);
		number_cell(&t, set + 1, vcpus, c, before);
		for (i = 1; i <= columns; i++)
			number_cell(&t, set + i, 1, c, before);
	}
	table_end(&t, "  ");
	return vcpus + 1;
}

static void all_print(const struct stats *now, const struct before *before,
		      const struct options *opt)
{
	size_t i = 0;

	while (i < now->nr) {
		if (i)
			putchar('\n');
		i += vm_print_stats(&now->set[i], now->nr - i, before, opt);
	}
}

static double clock_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void nap(double seconds)
{
	struct timespec ts = { .tv_sec = seconds };

	ts.tv_nsec = (seconds - ts.tv_sec) * 1e9;
	nanosleep(&ts, NULL);
}

static int watch(const struct options *opt, uint64_t vm)
{
	struct before before = { 0 };
	double last = 0, now;
	struct stats stats;
	unsigned long i;

	for (i = 0; !opt->count || i < opt->count; i++) {
		if (i)
			nap(opt->interval);
		if (stats_get(&stats, vm)) {
			if (!opt->json)
				printf("VM %" PRIu64 " has ended\n", vm);
			break;
		}
		now = clock_now(CLOCK_MONOTONIC);
		before.seconds = i ? now - last : 0;
		last = now;
		if (opt->json) {
			json_begin(NULL, '{');
			json_number("time_ms", clock_now(CLOCK_REALTIME) * 1000);
			all_json("vms", &stats);
			json_end('}');
		} else {
			/* A terminal shows one picture, a file all of them. */
			if (isatty(STDOUT_FILENO))
				fputs("\033[H\033[J", stdout);
			else if (i)
				putchar('\n');
			all_print(&stats, &before, opt);
		}
		flush_output();
		stats_free(&before.stats);
		before.stats = stats;
	}
	stats_free(&before.stats);
	return STATUS_OK;
}

/** command_stats() - counters, once or again and again. */
int command_stats(const struct options *opt)
{
	static const struct before nothing;
	uint64_t vm = opt->vm ? vm_find(opt->vm).id : 0;
	struct stats stats;

	if (opt->watch)
		return watch(opt, vm);
	if (stats_get(&stats, vm))
		die(STATUS_NO_VM, "VM %" PRIu64 " has just ended", vm);
	if (opt->json)
		all_json(NULL, &stats);
	else
		all_print(&stats, &nothing, opt);
	stats_free(&stats);
	return STATUS_OK;
}
