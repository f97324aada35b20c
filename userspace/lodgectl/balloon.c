// SPDX-License-Identifier: GPL-2.0-only
/*
 * Balloons: what guests have of their memory, and what they shall have.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_balloon.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lodge/parse.h"
#include "balloon.h"
#include "commands.h"
#include "json.h"
#include "table.h"
#include "util.h"
#include "vm.h"

/* What the guest's driver tells, by its number. */
static const char *const stat_names[LODGE_BALLOON_NR_STATS] = {
	[VIRTIO_BALLOON_S_SWAP_IN] = "swap_in",
	[VIRTIO_BALLOON_S_SWAP_OUT] = "swap_out",
	[VIRTIO_BALLOON_S_MAJFLT] = "major_faults",
	[VIRTIO_BALLOON_S_MINFLT] = "minor_faults",
	[VIRTIO_BALLOON_S_MEMFREE] = "free",
	[VIRTIO_BALLOON_S_MEMTOT] = "total",
	[VIRTIO_BALLOON_S_AVAIL] = "available",
	[VIRTIO_BALLOON_S_CACHES] = "caches",
	[VIRTIO_BALLOON_S_HTLB_PGALLOC] = "huge_allocations",
	[VIRTIO_BALLOON_S_HTLB_PGFAIL] = "huge_failures",
};

static void add_stat(struct balloon *b, struct nlattr *nest)
{
	struct nlattr *attrs[LODGE_A_GUEST_MAX + 1];
	uint32_t tag;

	if (nla_parse_nested(attrs, LODGE_A_GUEST_MAX, nest, NULL))
		return;
	tag = attr_u32(attrs[LODGE_A_GUEST_TAG]);
	if (tag >= LODGE_BALLOON_NR_STATS)
		return;
	b->valid |= 1u << tag;
	b->stat[tag] = attr_u64(attrs[LODGE_A_GUEST_VALUE]);
}

static void add_balloon(const struct message *msg, void *arg)
{
	struct nlattr **attrs = msg->attrs, *attr;
	struct balloons *balloons = arg;
	struct balloon *b;
	int left;

	balloons->balloon = xgrow(balloons->balloon, balloons->nr,
				  sizeof(*balloons->balloon));
	b = &balloons->balloon[balloons->nr++];
	*b = (struct balloon) {
		.vm = attr_u64(attrs[LODGE_A_BALLOON_VM_ID]),
		.automatic = attrs[LODGE_A_BALLOON_AUTO],
		.shares = attr_u32(attrs[LODGE_A_BALLOON_SHARES]),
		.memory = attr_u64(attrs[LODGE_A_BALLOON_MEMORY]),
		.reservation = attr_u64(attrs[LODGE_A_BALLOON_RESERVATION]),
		.target = attr_u64(attrs[LODGE_A_BALLOON_TARGET]),
		.actual = attr_u64(attrs[LODGE_A_BALLOON_ACTUAL]),
		.resident = attr_u64(attrs[LODGE_A_BALLOON_RESIDENT]),
		.active = attr_u64(attrs[LODGE_A_BALLOON_ACTIVE]),
		.hinted = attr_u64(attrs[LODGE_A_BALLOON_HINTED]),
		.reclaimed = attr_u64(attrs[LODGE_A_BALLOON_RECLAIMED]),
	};
	attr_string(attrs[LODGE_A_BALLOON_DOMAIN], b->domain, sizeof(b->domain));
	nla_for_each_attr(attr, msg->first, msg->length, left)
		if (nla_type(attr) == LODGE_A_BALLOON_STAT)
			add_stat(b, attr);
}

static void ask(struct balloons *balloons, int cmd, const char *word,
		struct field *fields, size_t nr)
{
	int err;

	fields[0] = (struct field) { LODGE_A_BALLOON_VM_ID, 8, vm_find(word).id };
	err = netlink_ask(cmd, fields, nr, LODGE_A_BALLOON_MAX, add_balloon, balloons);
	switch (-err) {
	case 0:
		return;
	case ENOENT:
		die(STATUS_NO_VM, "VM %" PRIu64 " has just ended", fields[0].value);
	case ENXIO:
		die(STATUS_NO_VM, "VM %" PRIu64 " has no balloon: lodge run --balloon gives it one",
		    fields[0].value);
	case ERANGE:
		die(STATUS_USAGE, "VM %" PRIu64 ": that is below its reservation or above its memory",
		    fields[0].value);
	default:
		die(STATUS_FAILED, "VM %" PRIu64 ": %s", fields[0].value, strerror(-err));
	}
}

/** balloons_get() - of the VM that @word means, or with NULL of all. */
void balloons_get(struct balloons *balloons, const char *word)
{
	struct field id;

	*balloons = (struct balloons) { 0 };
	if (word)
		ask(balloons, LODGE_CMD_BALLOON_GET, word, &id, 1);
	else
		netlink_dump(LODGE_CMD_BALLOON_GET, 0, LODGE_A_BALLOON_MAX, add_balloon,
			     balloons);
}

/**
 * balloon_set() - change a balloon, or the end
 * @balloons: how it is then
 * @word: the VM
 * @fields: what; the first one is filled in
 * @nr: how many
 */
void balloon_set(struct balloons *balloons, const char *word, struct field *fields,
		 size_t nr)
{
	*balloons = (struct balloons) { 0 };
	ask(balloons, LODGE_CMD_BALLOON_SET, word, fields, nr);
}

/** balloon_json() - a balloon as an object. */
void balloon_json(const char *key, const struct balloon *b)
{
	int i;

	json_begin(key, '{');
	json_number("id", b->vm);
	json_bool("auto", b->automatic);
	json_number("shares", b->shares);
	json_number("memory", b->memory);
	json_number("reservation", b->reservation);
	json_number("target", b->target);
	json_number("actual", b->actual);
	json_number("resident", b->resident);
	json_number("active", b->active);
	json_number("reclaimed", b->reclaimed);
	json_string("domain", b->domain);
	json_number("hinted", b->hinted);
	json_begin("guest", '{');
	for (i = 0; i < LODGE_BALLOON_NR_STATS; i++)
		if (b->valid >> i & 1 && stat_names[i])
			json_number(stat_names[i], b->stat[i]);
	json_end('}');
	json_end('}');
}

/* A dash for what the guest hasn't told. */
static void stat_cell(struct table *t, const struct balloon *b, int tag)
{
	char buf[16];

	if (b->valid >> tag & 1)
		table_cell(t, "%s", text_bytes(b->stat[tag], buf, sizeof(buf)));
	else
		table_cell(t, "-");
}

static void print(const struct balloons *balloons)
{
	static const char *const heads[] = {
		">VM", "SET", ">TARGET", ">ACTUAL", ">MEMORY", ">RESIDENT", ">ACTIVE",
		">RECLAIMED", ">FREE", ">AVAILABLE",
	};
	struct table t;
	size_t i, k;

	table_heads(&t, heads, ARRAY_SIZE(heads));
	for (i = 0; i < balloons->nr; i++) {
		const struct balloon *b = &balloons->balloon[i];
		const uint64_t sizes[] = {
			b->target, b->actual, b->memory, b->resident, b->active, b->reclaimed,
		};
		char buf[16];

		table_cell(&t, "%" PRIu64, b->vm);
		table_cell(&t, "%s", b->automatic ? "auto" : "by hand");
		for (k = 0; k < ARRAY_SIZE(sizes); k++)
			table_cell(&t, "%s", text_bytes(sizes[k], buf, sizeof(buf)));
		stat_cell(&t, b, VIRTIO_BALLOON_S_MEMFREE);
		stat_cell(&t, b, VIRTIO_BALLOON_S_AVAIL);
	}
	table_end(&t, "");
}

/** size_value() - a size, or the end. */
uint64_t size_value(const char *word, const char *value)
{
	uint64_t size;

	if (parse_size(value, &size))
		die(STATUS_USAGE, "%s: a size is wanted, such as 256M", word);
	return size;
}

/** command_balloon() - show balloons, or say what a guest shall have. */
int command_balloon(const struct options *opt)
{
	struct balloons balloons;
	struct field fields[2];
	const char *size;

	if (opt->nr_words < 2) {
		balloons_get(&balloons, opt->vm);
	} else {
		size = opt->words[1];
		if (!strcmp(size, "auto"))
			fields[1] = (struct field) { LODGE_A_BALLOON_AUTO, 0, 1 };
		else if (!strcmp(size, "hint"))
			fields[1] = (struct field) { LODGE_A_BALLOON_HINT, 0, 1 };
		else
			fields[1] = (struct field) {
				LODGE_A_BALLOON_TARGET, 8, size_value(size, size),
			};
		balloon_set(&balloons, opt->vm, fields, 2);
	}
	if (opt->json && opt->vm && balloons.nr) {
		balloon_json(NULL, balloons.balloon);
	} else if (opt->json) {
		size_t i;

		json_begin(NULL, '[');
		for (i = 0; i < balloons.nr; i++)
			balloon_json(NULL, &balloons.balloon[i]);
		json_end(']');
	} else if (opt->nr_words < 2) {
		print(&balloons);
	}
	free(balloons.balloon);
	return STATUS_OK;
}
