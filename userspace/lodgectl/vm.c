// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs: what the module tells of them, which one a word means, list and show.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "json.h"
#include "netlink.h"
#include "stats.h"
#include "table.h"
#include "util.h"
#include "vcpu.h"
#include "vm.h"

/** vm_parse() - from a message's attributes. */
void vm_parse(struct vm *vm, struct nlattr **attrs)
{
	*vm = (struct vm) {
		.id = attr_u64(attrs[LODGE_A_VM_ID]),
		.pid = attr_u32(attrs[LODGE_A_VM_PID]),
		.uid = attr_u32(attrs[LODGE_A_VM_UID]),
		.vcpus = attr_u32(attrs[LODGE_A_VM_VCPUS]),
		.memory = attr_u64(attrs[LODGE_A_VM_MEMORY]),
		.pages_4k = attr_u64(attrs[LODGE_A_VM_PAGES_4K]),
		.pages_2m = attr_u64(attrs[LODGE_A_VM_PAGES_2M]),
		.pages_1g = attr_u64(attrs[LODGE_A_VM_PAGES_1G]),
		.nested_tables = attr_u64(attrs[LODGE_A_VM_NESTED_TABLES]),
		.dead = attrs[LODGE_A_VM_DEAD],
	};
	attr_string(attrs[LODGE_A_VM_NAME], vm->name, sizeof(vm->name));
	attr_string(attrs[LODGE_A_VM_REASON], vm->reason, sizeof(vm->reason));
}

static uint64_t mapped(const struct vm *vm)
{
	return (vm->pages_4k << 12) + (vm->pages_2m << 21) + (vm->pages_1g << 30);
}

/* What pages of lodge memory are: the counters' names. */
static const char *const uses[VM_USES] = {
	[USE_PRIVATE] = "private", [USE_SHARED] = "shared", [USE_ZERO] = "zero",
	[USE_COMPRESSED] = "compressed", [USE_SWAPPED] = "swapped",
	[USE_DISCARDED] = "discarded",
};

/** vm_add_use() - ask what their lodge memory is; @only one of them, unless that is 0. */
void vm_add_use(struct vms *vms, uint64_t only)
{
	const struct stats_set *set;
	struct stats stats;
	size_t i, k;

	/* One that has just ended has none. */
	if (stats_get(&stats, only))
		return;
	for (i = 0; i < vms->nr; i++) {
		set = stats_find(&stats, vms->vm[i].id, STATS_NO_VCPU);
		for (k = 0; k < VM_USES; k++)
			vms->vm[i].use[k] = stats_value(set, uses[k]) << 12;
	}
	stats_free(&stats);
}

/** vm_json_use() - that, in bytes, as a key of an object that is open. */
void vm_json_use(const struct vm *vm)
{
	size_t k;

	json_begin("use", '{');
	for (k = 0; k < VM_USES; k++)
		json_number(uses[k], vm->use[k]);
	json_end('}');
}

/** vm_json_fields() - a VM's keys, into an object that is open. */
void vm_json_fields(const struct vm *vm)
{
	json_number("id", vm->id);
	json_string("name", vm->name);
	json_number("pid", vm->pid);
	json_number("uid", vm->uid);
	json_number("vcpus", vm->vcpus);
	json_number("memory", vm->memory);
	json_number("mapped", mapped(vm));
	json_number("pages_4k", vm->pages_4k);
	json_number("pages_2m", vm->pages_2m);
	json_number("pages_1g", vm->pages_1g);
	json_number("nested_tables", vm->nested_tables);
	json_bool("dead", vm->dead);
	if (vm->reason[0])
		json_string("reason", vm->reason);
	else
		json_null("reason");
}

/** vm_json() - a VM as an object. */
void vm_json(const char *key, const struct vm *vm)
{
	json_begin(key, '{');
	vm_json_fields(vm);
	json_end('}');
}

static void add_vm(const struct message *msg, void *arg)
{
	struct vms *vms = arg;

	vms->vm = xgrow(vms->vm, vms->nr, sizeof(*vms->vm));
	vm_parse(&vms->vm[vms->nr++], msg->attrs);
}

/** vms_get() - all VMs that we may see. */
void vms_get(struct vms *vms)
{
	*vms = (struct vms) { 0 };
	netlink_dump(LODGE_CMD_VM_GET, 0, LODGE_A_VM_MAX, add_vm, vms);
}

/* Which of the three a word may be. */
enum by { BY_ID = 1, BY_PID = 2, BY_NAME = 4 };

static bool matches(const struct vm *vm, enum by by, const char *word)
{
	uint64_t number;
	char *end;

	if (by == BY_NAME)
		return !strcmp(vm->name, word);
	if (*word < '0' || *word > '9')
		return false;
	errno = 0;
	number = strtoull(word, &end, 10);
	return !errno && !*end && number == (by == BY_ID ? vm->id : vm->pid);
}

/**
 * vm_match() - the VM that a word means
 * @vms: those that there are
 * @word: an id, else a process's number, else a name; or one of them behind
 *	"id:", "pid:" or "name:"
 * @err: why it means none
 * @size: room there
 *
 * Return: the VM, or NULL if there is none or more than one.
 */
const struct vm *vm_match(const struct vms *vms, const char *word, char *err,
			  size_t size)
{
	static const struct {
		const char *prefix;
		enum by by;
	} ways[] = { { "id:", BY_ID }, { "pid:", BY_PID }, { "name:", BY_NAME } };
	int ask = BY_ID | BY_PID | BY_NAME;
	const char *rest = word;
	char clean[128];
	size_t i, w, n;

	for (w = 0; w < 3; w++) {
		n = strlen(ways[w].prefix);
		if (strncmp(word, ways[w].prefix, n))
			continue;
		ask = ways[w].by;
		rest = word + n;
	}
	text_clean(word, clean, sizeof(clean));
	for (w = 0; w < 3; w++) {
		const struct vm *found = NULL;
		size_t nr = 0;

		for (i = 0; ask & ways[w].by && i < vms->nr; i++) {
			if (!matches(&vms->vm[i], ways[w].by, rest))
				continue;
			found = &vms->vm[i];
			nr++;
		}
		if (nr > 1) {
			snprintf(err, size, "\"%s\" is %zu VMs: name one by its id, which \"lodgectl list\" shows",
				 clean, nr);
			return NULL;
		}
		if (found)
			return found;
	}
	snprintf(err, size, "there is no VM \"%s\" that you may see: \"lodgectl list\" shows those; others' VMs need CAP_NET_ADMIN",
		 clean);
	return NULL;
}

/** vm_find() - the VM that a word means, or the end. */
struct vm vm_find(const char *word)
{
	const struct vm *found;
	struct vms vms;
	struct vm vm;
	char err[512];

	vms_get(&vms);
	found = vm_match(&vms, word, err, sizeof(err));
	if (!found)
		die(STATUS_NO_VM, "%s", err);
	vm = *found;
	free(vms.vm);
	return vm;
}

static const char *state_of(const struct vm *vm)
{
	return vm->dead ? "dead" : "up";
}

/** command_list() - the VMs that we may see. */
int command_list(const struct options *opt)
{
	static const char *const heads[] = {
		">ID", "NAME", ">PID", "USER", ">VCPUS", ">MEMORY", ">MAPPED",
		">COMPRESSED", ">SWAPPED", "STATE",
	};
	struct table t;
	struct vms vms;
	char buf[128];
	size_t i, k;

	vms_get(&vms);
	vm_add_use(&vms, 0);
	if (opt->json) {
		json_begin(NULL, '[');
		for (i = 0; i < vms.nr; i++) {
			json_begin(NULL, '{');
			vm_json_fields(&vms.vm[i]);
			vm_json_use(&vms.vm[i]);
			json_end('}');
		}
		json_end(']');
		free(vms.vm);
		return STATUS_OK;
	}
	table_heads(&t, heads, ARRAY_SIZE(heads));
	for (i = 0; i < vms.nr; i++) {
		const struct vm *vm = &vms.vm[i];

		table_cell(&t, "%" PRIu64, vm->id);
		table_cell(&t, "%s", text_clean(vm->name, buf, sizeof(buf)));
		table_cell(&t, "%u", vm->pid);
		table_cell(&t, "%s", text_user(vm->uid, buf, sizeof(buf)));
		table_cell(&t, "%u", vm->vcpus);
		table_cell(&t, "%s", text_bytes(vm->memory, buf, sizeof(buf)));
		table_cell(&t, "%s", text_bytes(mapped(vm), buf, sizeof(buf)));
		for (k = USE_COMPRESSED; k <= USE_SWAPPED; k++)
			table_cell(&t, "%s", text_bytes(vm->use[k], buf, sizeof(buf)));
		table_cell(&t, "%s", state_of(vm));
	}
	table_end(&t, "");
	free(vms.vm);
	return STATUS_OK;
}

static void show_text(const struct vm *vm)
{
	char buf[256], buf2[64];
	size_t k;

	printf("VM %" PRIu64 "\n", vm->id);
	printf("  name     %s\n", text_clean(vm->name, buf, sizeof(buf)));
	printf("  process  %u\n", vm->pid);
	printf("  user     %s (%u)\n", text_user(vm->uid, buf, sizeof(buf)), vm->uid);
	printf("  memory   %s in slots, %s mapped\n",
	       text_bytes(vm->memory, buf, sizeof(buf)),
	       text_bytes(mapped(vm), buf2, sizeof(buf2)));
	printf("  pages    %" PRIu64 " of 4K, %" PRIu64 " of 2M, %" PRIu64 " of 1G, %" PRIu64 " nested tables\n",
	       vm->pages_4k, vm->pages_2m, vm->pages_1g, vm->nested_tables);
	printf("  lodge   ");
	for (k = 0; k < VM_USES; k++)
		printf("%s %s %s", k ? "," : "", text_bytes(vm->use[k], buf, sizeof(buf)), uses[k]);
	printf("\n  state    %s", state_of(vm));
	if (vm->reason[0])
		printf(": %s", text_clean(vm->reason, buf, sizeof(buf)));
	printf("\n\n");
}

/** command_show() - one VM and its vCPUs. */
int command_show(const struct options *opt)
{
	struct vm vm = vm_find(opt->vm);
	struct vcpus vcpus;

	if (vcpus_get(&vcpus, vm.id))
		die(STATUS_NO_VM, "VM %" PRIu64 " has just ended", vm.id);
	vm_add_use(&(struct vms) { 1, &vm }, vm.id);
	if (opt->json) {
		json_begin(NULL, '{');
		vm_json_fields(&vm);
		vm_json_use(&vm);
		vcpus_json("vcpu", &vcpus);
		json_end('}');
	} else {
		show_text(&vm);
		vcpus_print(&vcpus, "  ");
	}
	free(vcpus.vcpu);
	return STATUS_OK;
}
