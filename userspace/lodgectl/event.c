// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to VMs, a line each.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "json.h"
#include "netlink.h"
#include "util.h"
#include "vm.h"

struct listener {
	const struct options *opt;
	unsigned long seen;
};

static const char *event_name(int cmd)
{
	switch (cmd) {
	case LODGE_CMD_VM_CREATED_NTF:
		return "created";
	case LODGE_CMD_VM_DESTROYED_NTF:
		return "destroyed";
	case LODGE_CMD_VM_DEAD_NTF:
		return "dead";
	case LODGE_CMD_VM_NAMED_NTF:
		return "named";
	default:
		return NULL;	/* of a newer module */
	}
}

/* With no VM something happened to the listening itself. */
static void print_event(const struct listener *to, const char *name, const struct vm *vm)
{
	char buf[256], user[64], when[32];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	if (to->opt->json) {
		json_begin(NULL, '{');
		json_number("time_ms", now.tv_sec * 1000ull + now.tv_nsec / 1000000);
		json_string("event", name);
		if (vm)
			vm_json("vm", vm);
		else
			json_null("vm");
		json_end('}');
		return;
	}
	strftime(when, sizeof(when), "%H:%M:%S", localtime_r(&now.tv_sec, &tm));
	printf("%s.%03ld  %s", when, now.tv_nsec / 1000000, name);
	if (vm) {
		printf("%*s  VM %" PRIu64 "  %s  process %u  user %s",
		       (int)(sizeof("destroyed") - 1 - strlen(name)), "", vm->id,
		       text_clean(vm->name, buf, sizeof(buf)), vm->pid,
		       text_user(vm->uid, user, sizeof(user)));
		if (vm->reason[0])
			printf("  %s", text_clean(vm->reason, buf, sizeof(buf)));
	}
	putchar('\n');
}

static void heard(const struct message *msg, void *arg)
{
	const char *name = event_name(msg->cmd);
	struct listener *to = arg;
	struct vm vm;

	/* One message can bring several. */
	if (!name || (to->opt->count && to->seen >= to->opt->count))
		return;
	vm_parse(&vm, msg->attrs);
	print_event(to, name, &vm);
	to->seen++;
}

/** command_events() - until there were as many as asked for, or for ever. */
int command_events(const struct options *opt)
{
	struct listener to = { .opt = opt };
	int err;

	netlink_subscribe();
	print_event(&to, "listening", NULL);
	flush_output();
	while (!opt->count || to.seen < opt->count) {
		err = netlink_wait(heard, &to);
		if (err == -ENOBUFS)
			print_event(&to, "lost", NULL);
		if (err == -ENODEV)
			print_event(&to, "unloaded", NULL);
		flush_output();
		if (err == -ENODEV)
			break;
	}
	return STATUS_OK;
}
