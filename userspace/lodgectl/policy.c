// SPDX-License-Identifier: GPL-2.0-only
/*
 * How memory is divided: what holds for all, and the claims of each VM.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balloon.h"
#include "commands.h"
#include "json.h"
#include "table.h"
#include "util.h"

/* What holds for all: a number, by its name. */
static const struct rate {
	const char *key, *json;
	int type;
	uint32_t max;
	const char *unit, *what;
} rates[] = {
	{ "tax", "tax", LODGE_A_POLICY_TAX, 99, "%", "on idle memory" },
	{ "period", "period_ms", LODGE_A_POLICY_PERIOD_MS, 3600000, " ms",
	  "between two computations of targets" },
	{ "budget", "budget", LODGE_A_POLICY_BUDGET, UINT32_MAX, " MiB",
	  "for the guests of one user; 0: as the host has it" },
	{ "reserve", "reserve", LODGE_A_POLICY_RESERVE, UINT32_MAX, " MiB",
	  "that the host keeps available; 0: an eighth" },
	{ "merge-budget", "merge_budget", LODGE_A_POLICY_KSM_BUDGET, 100, "%",
	  "of a CPU that merging one user's pages may take" },
	{ "merge-pause", "merge_pause_ms", LODGE_A_POLICY_KSM_PASS_MS, UINT32_MAX, " ms",
	  "between two passes of merging" },
	{ "patience", "patience_ms", LODGE_A_POLICY_PATIENCE_MS, 3600000, " ms",
	  "until what a guest doesn't give is compressed or swapped; 0: never" },
	{ "pool", "pool_percent", LODGE_A_POLICY_POOL_PERCENT, 100, "%",
	  "of lodge memory that may be compressed pages, before they are swapped" },
	{ "cold", "cold_ms", LODGE_A_POLICY_COLD_MS, UINT32_MAX, " ms",
	  "after which what isn't used is compressed; 0: when memory is wanted" },
};

#define NR_RATES	(sizeof(rates) / sizeof(*rates))

static void take_rates(const struct message *msg, void *arg)
{
	uint32_t *value = arg;
	size_t i;

	for (i = 0; i < NR_RATES; i++)
		value[i] = attr_u32(msg->attrs[rates[i].type]);
}

static void policy_ask(int cmd, const struct field *fields, size_t nr, uint32_t *value)
{
	int err = netlink_ask(cmd, fields, nr, LODGE_A_POLICY_MAX, take_rates, value);

	if (err == -EPERM)
		die(STATUS_FAILED, "what holds for all VMs is set with CAP_NET_ADMIN");
	if (err == -EINVAL)
		die(STATUS_USAGE, "policy: one of these numbers can't be; lodgectl(1) has their ranges");
	if (err)
		die(STATUS_FAILED, "policy: %s", strerror(-err));
}

static void print_claims(const struct balloons *balloons)
{
	static const char *const heads[] = {
		">VM", "DOMAIN", ">SHARES", ">RESERVATION", ">MEMORY", "SET", ">TARGET",
	};
	char buf[16], name[64];
	struct table t;
	size_t i;

	table_heads(&t, heads, ARRAY_SIZE(heads));
	for (i = 0; i < balloons->nr; i++) {
		const struct balloon *b = &balloons->balloon[i];

		table_cell(&t, "%" PRIu64, b->vm);
		table_cell(&t, "%s", b->domain[0] ?
			   text_clean(b->domain, name, sizeof(name)) : "-");
		table_cell(&t, "%u", b->shares);
		table_cell(&t, "%s", text_bytes(b->reservation, buf, sizeof(buf)));
		table_cell(&t, "%s", text_bytes(b->memory, buf, sizeof(buf)));
		table_cell(&t, "%s", b->automatic ? "auto" : "by hand");
		table_cell(&t, "%s", text_bytes(b->target, buf, sizeof(buf)));
	}
	table_end(&t, "");
}

static void print_rates(const uint32_t *value)
{
	struct table t;
	size_t i;

	table_begin(&t, 3);
	table_cell(&t, "OF ALL");
	table_cell(&t, ">VALUE");
	table_cell(&t, "WHAT");
	for (i = 0; i < NR_RATES; i++) {
		table_cell(&t, "%s", rates[i].key);
		table_cell(&t, "%u%s", value[i], rates[i].unit);
		table_cell(&t, "%s", rates[i].what);
	}
	table_end(&t, "");
}

static void show(const struct options *opt, const uint32_t *value,
		 const struct balloons *balloons)
{
	size_t i;

	if (!opt->json) {
		if (value) {
			print_rates(value);
			putchar('\n');
		}
		print_claims(balloons);
		return;
	}
	json_begin(NULL, '{');
	for (i = 0; value && i < NR_RATES; i++)
		json_number(rates[i].json, value[i]);
	json_begin("vms", '[');
	for (i = 0; i < balloons->nr; i++)
		balloon_json(NULL, &balloons->balloon[i]);
	json_end(']');
	json_end('}');
}

static const char *domain_value(const char *word, const char *value)
{
	if (strlen(value) >= LODGE_DOMAIN_NAME_MAX)
		die(STATUS_USAGE, "%s: a name of %d bytes at most is wanted", word,
		    LODGE_DOMAIN_NAME_MAX - 1);
	return value;
}

/* Of a VM: shares=, reservation=, domain=. */
static int vm_policy(const struct options *opt)
{
	struct balloons balloons;
	struct field fields[4];
	const char *value;
	size_t nr = 1;
	int i;

	for (i = 1; i < opt->nr_words; i++) {
		const char *word = opt->words[i];

		if (nr == ARRAY_SIZE(fields))
			die(STATUS_USAGE, "policy: shares=, reservation= and domain= can be said once");
		if (word_value(word, "shares", &value))
			fields[nr++] = (struct field) {
				LODGE_A_BALLOON_SHARES, 4,
				number_value(word, value, LODGE_BALLOON_MAX_SHARES),
			};
		else if (word_value(word, "reservation", &value))
			fields[nr++] = (struct field) {
				LODGE_A_BALLOON_RESERVATION, 8, size_value(word, value),
			};
		else if (word_value(word, "domain", &value))
			fields[nr++] = (struct field) {
				LODGE_A_BALLOON_DOMAIN, FIELD_STRING,
				(uintptr_t)domain_value(word, value),
			};
		else
			die(STATUS_USAGE, "policy: \"%s\" is none of shares=N, reservation=SIZE, domain=NAME",
			    word);
	}
	if (nr > 1)
		balloon_set(&balloons, opt->vm, fields, nr);
	else
		balloons_get(&balloons, opt->vm);
	if (nr == 1 || opt->json)
		show(opt, NULL, &balloons);
	free(balloons.balloon);
	return STATUS_OK;
}

static struct field rate_field(const char *word)
{
	const char *value;
	size_t i;

	for (i = 0; i < NR_RATES; i++)
		if (word_value(word, rates[i].key, &value))
			return (struct field) {
				rates[i].type, 4, number_value(word, value, rates[i].max),
			};
	die(STATUS_USAGE, "policy: \"%s\" is nothing that holds for all; for a VM's the VM comes first",
	    word);
}

/** command_policy() - show how memory is divided, or change it. */
int command_policy(const struct options *opt)
{
	struct field fields[NR_RATES];
	uint32_t value[NR_RATES] = { 0 };
	struct balloons balloons;
	int i, nr = opt->nr_words;

	if (nr && !strchr(opt->words[0], '='))
		return vm_policy(opt);
	if (nr > (int)NR_RATES)
		die(STATUS_USAGE, "policy: each can be said once");
	for (i = 0; i < nr; i++)
		fields[i] = rate_field(opt->words[i]);
	policy_ask(nr ? LODGE_CMD_POLICY_SET : LODGE_CMD_POLICY_GET, fields, nr, value);
	if (nr && !opt->json)
		return STATUS_OK;
	balloons_get(&balloons, NULL);
	show(opt, value, &balloons);
	free(balloons.balloon);
	return STATUS_OK;
}
