// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where pages go that are not used: the pools of all, and the swap file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "netlink.h"
#include "util.h"

static const struct {
	const char *key;
	int type;
} numbers[] = {
	{ "pool", LODGE_A_SWAP_POOL },
	{ "bytes", LODGE_A_SWAP_BYTES },
	{ "used", LODGE_A_SWAP_USED },
	{ "written", LODGE_A_SWAP_WRITTEN },
	{ "read", LODGE_A_SWAP_READ },
	{ "errors", LODGE_A_SWAP_ERRORS },
};

static void take(const struct message *msg, void *arg)
{
	uint64_t *value = arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		value[i] = attr_u64(msg->attrs[numbers[i].type]);
}

static void print(const uint64_t *value)
{
	char buf[16], used[16];

	printf("compressed pages take %s\n", text_bytes(value[0], buf, sizeof(buf)));
	if (value[1])
		printf("swap file of %s, %s in use\n",
		       text_bytes(value[1], buf, sizeof(buf)),
		       text_bytes(value[2], used, sizeof(used)));
	else
		printf("no swap file\n");
	printf("pages written %" PRIu64 ", read %" PRIu64 ", errors %" PRIu64 "\n",
	       value[3], value[4], value[5]);
}

/** command_swap() - what is compressed and swapped, of all VMs. */
int command_swap(const struct options *opt)
{
	uint64_t value[ARRAY_SIZE(numbers)] = { 0 };
	int err = netlink_ask(LODGE_CMD_SWAP_GET, NULL, 0, LODGE_A_SWAP_MAX, take, value);
	size_t i;

	if (err == -EPERM)
		die(STATUS_FAILED, "what all VMs have swapped is shown with CAP_NET_ADMIN; of your own \"lodgectl stats\" tells");
	if (err)
		die(STATUS_FAILED, "swap: %s", strerror(-err));
	if (!opt->json) {
		print(value);
		return STATUS_OK;
	}
	json_begin(NULL, '{');
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		json_number(numbers[i].key, value[i]);
	json_end('}');
	return STATUS_OK;
}
