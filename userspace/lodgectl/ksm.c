// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merging: the domains within which equal pages become one.
 */
#include <errno.h>
#include <inttypes.h>
#include <netlink/attr.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lodge/parse.h"
#include "commands.h"
#include "json.h"
#include "netlink.h"
#include "stats.h"
#include "table.h"
#include "util.h"

struct domain {
	uint64_t id;
	uint32_t uid;
	uint32_t objects;
	uint32_t budget, pass_ms;	/* LODGE_DOMAIN_BY_POLICY */
	int64_t saved;
	char name[LODGE_DOMAIN_NAME_MAX];
	struct stats_set counters;
};

struct domains {
	size_t nr;
	struct domain *domain;
};

static void add_domain(const struct message *msg, void *arg)
{
	struct nlattr **attrs = msg->attrs, *attr;
	struct domains *domains = arg;
	struct domain *d;
	int left;

	domains->domain = xgrow(domains->domain, domains->nr, sizeof(*domains->domain));
	d = &domains->domain[domains->nr++];
	*d = (struct domain) {
		.id = attr_u64(attrs[LODGE_A_DOMAIN_ID]),
		.uid = attr_u32(attrs[LODGE_A_DOMAIN_UID]),
		.objects = attr_u32(attrs[LODGE_A_DOMAIN_OBJECTS]),
		.budget = attr_u32(attrs[LODGE_A_DOMAIN_BUDGET]),
		.pass_ms = attr_u32(attrs[LODGE_A_DOMAIN_PASS_MS]),
		.saved = attr_u64(attrs[LODGE_A_DOMAIN_SAVED]),
	};
	attr_string(attrs[LODGE_A_DOMAIN_NAME], d->name, sizeof(d->name));
	nla_for_each_attr(attr, msg->first, msg->length, left)
		if (nla_type(attr) == LODGE_A_DOMAIN_COUNTER)
			stats_add(&d->counters, attr);
}

/* For whom, and what is to be set. */
struct wish {
	const char *domain;	/* or NULL: any */
	bool any_user;
	uint32_t uid;
	struct field field[3];	/* the first is the id */
	size_t nr;
};

static void domains_free(struct domains *domains)
{
	size_t i;

	for (i = 0; i < domains->nr; i++)
		free(domains->domain[i].counters.counter);
	free(domains->domain);
}

static void domains_get(struct domains *domains, const struct wish *wish)
{
	struct domain *d;
	size_t i, n = 0;

	*domains = (struct domains) { 0 };
	netlink_dump(LODGE_CMD_DOMAIN_GET, 0, LODGE_A_DOMAIN_MAX, add_domain, domains);
	for (i = 0; i < domains->nr; i++) {
		d = &domains->domain[i];
		if ((wish->domain && strcmp(wish->domain, d->name)) ||
		    (!wish->any_user && wish->uid != d->uid))
			free(d->counters.counter);
		else
			domains->domain[n++] = *d;
	}
	domains->nr = n;
}

static void by_policy_json(const char *key, uint32_t value)
{
	if (value == LODGE_DOMAIN_BY_POLICY)
		json_null(key);
	else
		json_number(key, value);
}

static void domains_json(const struct domains *domains)
{
	size_t i;

	json_begin(NULL, '[');
	for (i = 0; i < domains->nr; i++) {
		const struct domain *d = &domains->domain[i];

		json_begin(NULL, '{');
		json_number("id", d->id);
		json_string("domain", d->name);
		json_number("uid", d->uid);
		json_number("objects", d->objects);
		by_policy_json("budget", d->budget);
		by_policy_json("pause_ms", d->pass_ms);
		json_signed("saved", d->saved);
		stats_json(&d->counters);
		json_end('}');
	}
	json_end(']');
}

static void state_cell(struct table *t, const struct domain *d)
{
	if (d->budget == LODGE_DOMAIN_BY_POLICY)
		table_cell(t, "on");
	else if (d->budget)
		table_cell(t, "%u%%", d->budget);
	else
		table_cell(t, "off");
}

static void domains_print(const struct domains *domains)
{
	static const char *const heads[] = {
		"USER", "DOMAIN", "MERGING", ">OBJECTS", ">SHARED", ">SHARING", ">ZERO",
		">SAVED", ">PASSES", ">BROKEN", ">CPU MS",
	};
	static const char *const counters[] = { "shared", "sharing", "zero" };
	struct table t;
	char buf[64];
	size_t i, c;

	table_heads(&t, heads, ARRAY_SIZE(heads));
	for (i = 0; i < domains->nr; i++) {
		const struct domain *d = &domains->domain[i];
		uint64_t saved = d->saved < 0 ? -(uint64_t)d->saved : (uint64_t)d->saved;

		table_cell(&t, "%s", text_user(d->uid, buf, sizeof(buf)));
		table_cell(&t, "%s", d->name[0] ? text_clean(d->name, buf, sizeof(buf)) : "-");
		state_cell(&t, d);
		table_cell(&t, "%u", d->objects);
		for (c = 0; c < 3; c++)
			table_cell(&t, "%" PRIu64, stats_value(&d->counters, counters[c]));
		table_cell(&t, "%s%s", d->saved < 0 ? "-" : "",
			   text_bytes(saved, buf, sizeof(buf)));
		table_cell(&t, "%" PRIu64, stats_value(&d->counters, "passes"));
		table_cell(&t, "%" PRIu64, stats_value(&d->counters, "broken"));
		table_cell(&t, "%" PRIu64, stats_value(&d->counters, "cpu_ns") / 1000000);
	}
	table_end(&t, "");
}

static void note_more(const struct message *msg, void *arg)
{
	*(bool *)arg = msg->attrs[LODGE_A_DOMAIN_MORE];
}

/* One pass, a little at a time. */
static int merge_now(uint64_t id)
{
	const struct field fields[] = {
		{ LODGE_A_DOMAIN_ID, 8, id }, { LODGE_A_DOMAIN_BEGIN, 0, 1 },
	};
	size_t nr = 2;
	bool more;
	int err;

	do {
		more = false;
		err = netlink_ask(LODGE_CMD_DOMAIN_MERGE, fields, nr, LODGE_A_DOMAIN_MAX,
				  note_more, &more);
		nr = 1;
	} while (!err && more);
	return err;
}

static uint32_t user_value(const char *value)
{
	struct passwd *user = getpwnam(value);
	unsigned long uid;

	if (user)
		return user->pw_uid;
	if (parse_uint(value, UINT32_MAX - 1, &uid))
		die(STATUS_USAGE, "there is no user \"%s\"", value);
	return uid;
}

static void add_field(struct wish *wish, int type, uint32_t value)
{
	if (wish->nr == sizeof(wish->field) / sizeof(*wish->field))
		die(STATUS_USAGE, "ksm: budget= and pause= can be said once");
	wish->field[wish->nr++] = (struct field) { type, 4, value };
}

/* A number, or "default". */
static uint32_t tuned(const char *word, const char *value, uint32_t max)
{
	return strcmp(value, "default") ? number_value(word, value, max) :
					  LODGE_DOMAIN_BY_POLICY;
}

/* Whom the words behind the action mean, and what they want. */
static void parse(struct wish *wish, const struct options *opt, bool set)
{
	const char *value;
	int i;

	for (i = 1; i < opt->nr_words; i++) {
		const char *word = opt->words[i];

		if (word_value(word, "domain", &value)) {
			wish->domain = value;
		} else if (word_value(word, "user", &value)) {
			wish->any_user = !strcmp(value, "all");
			if (!wish->any_user)
				wish->uid = user_value(value);
		} else if (set && word_value(word, "budget", &value)) {
			add_field(wish, LODGE_A_DOMAIN_BUDGET, tuned(word, value, 100));
		} else if (set && word_value(word, "pause", &value)) {
			add_field(wish, LODGE_A_DOMAIN_PASS_MS,
				  tuned(word, value, LODGE_DOMAIN_BY_POLICY - 1));
		} else {
			die(STATUS_USAGE, "ksm: \"%s\" is none of domain=NAME, user=NAME%s",
			    word, set ? ", budget=PERCENT, pause=MILLISECONDS" : "");
		}
	}
	if (set && wish->nr == 1)
		die(STATUS_USAGE, "ksm set: what? budget=PERCENT or pause=MILLISECONDS");
}

static void act(const struct domain *d, struct wish *wish, bool now)
{
	int err;

	wish->field[0] = (struct field) { LODGE_A_DOMAIN_ID, 8, d->id };
	err = now ? merge_now(d->id) :
		    netlink_ask(LODGE_CMD_DOMAIN_SET, wish->field, wish->nr, 0, NULL, NULL);
	/* A domain goes with its last VM. */
	if (err && err != -ENOENT)
		die(STATUS_FAILED, "domain %" PRIu64 ": %s", d->id, strerror(-err));
}

/** command_ksm() - show the domains, or change how their pages are merged. */
int command_ksm(const struct options *opt)
{
	const char *action = opt->nr_words ? opt->words[0] : NULL;
	struct wish wish = { .uid = geteuid(), .any_user = !action, .nr = 1 };
	struct domains domains;
	bool now = false, set = false;
	size_t i;

	if (action && !strcmp(action, "on"))
		add_field(&wish, LODGE_A_DOMAIN_BUDGET, LODGE_DOMAIN_BY_POLICY);
	else if (action && !strcmp(action, "off"))
		add_field(&wish, LODGE_A_DOMAIN_BUDGET, 0);
	else if (action && !strcmp(action, "now"))
		now = true;
	else if (action && !strcmp(action, "set"))
		set = true;
	else if (action)
		die(STATUS_USAGE, "ksm: \"%s\" is none of on, off, now, set", action);
	parse(&wish, opt, set);
	domains_get(&domains, &wish);
	if (action && !domains.nr)
		die(STATUS_NO_VM, "there is no domain of merging%s that you may see: \"lodgectl ksm\" shows those",
		    wish.domain ? " of that name" : "");
	for (i = 0; action && i < domains.nr; i++)
		act(&domains.domain[i], &wish, now);
	if (action && opt->json) {
		domains_free(&domains);
		domains_get(&domains, &wish);
	}
	if (opt->json)
		domains_json(&domains);
	else if (!action)
		domains_print(&domains);
	domains_free(&domains);
	return STATUS_OK;
}
