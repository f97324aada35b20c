// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VM a word means.
 */
#include <string.h>

#include "../../lodge/tests/tap.h"
#include "vm.h"

static struct vm vm[] = {
	{ .id = 1, .pid = 100, .name = "web" },
	{ .id = 2, .pid = 100, .name = "db" },
	{ .id = 3, .pid = 300, .name = "web" },
	{ .id = 100, .pid = 400, .name = "5" },
	{ .id = 18446744073709551615ull, .pid = 500, .name = "id:1" },
};

int main(void)
{
	static const struct {
		const char *word;
		uint64_t id;		/* 0: none */
		const char *why;
	} t[] = {
		{ "1", 1, NULL }, { "id:2", 2, NULL }, { "300", 3, NULL },
		{ "100", 100, NULL }, { "pid:400", 100, NULL },
		{ "db", 2, NULL }, { "name:db", 2, NULL }, { "5", 100, NULL },
		{ "name:id:1", 18446744073709551615ull, NULL },
		{ "18446744073709551615", 18446744073709551615ull, NULL },
		{ "web", 0, "2 VMs" }, { "pid:100", 0, "2 VMs" },
		{ "id:5", 0, "no VM" }, { "", 0, "no VM" }, { "id:", 0, "no VM" },
		{ "1x", 0, "no VM" }, { "-1", 0, "no VM" }, { "+1", 0, "no VM" },
		{ "18446744073709551616", 0, "no VM" }, { "name:1", 0, "no VM" },
		{ "\033[2J", 0, "\"?[2J\"" },
	};
	const struct vms vms = { .nr = sizeof(vm) / sizeof(*vm), .vm = vm };
	char err[512];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(*t); i++) {
		const struct vm *found = vm_match(&vms, t[i].word, err, sizeof(err));

		if (t[i].id)
			check(found && found->id == t[i].id, "word %zu: VM %llu", i,
			      (unsigned long long)t[i].id);
		else
			check(!found && strstr(err, t[i].why), "word %zu: none", i);
	}
	check(!vm_match(&(struct vms) { 0 }, "1", err, sizeof(err)), "no VMs at all");
	return done();
}
