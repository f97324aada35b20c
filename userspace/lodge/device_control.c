// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the control socket (control.c) is asked about devices, and the answers. A client
 * is a stranger: its words are judged as those on the command line are, its descriptors
 * by who shall use them.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "device.h"
#include "options.h"
#include "util.h"

#define MTU_MIN		68
#define MTU_MAX		65535

/* Where a machine is started it is no more, and it can't ask where it is (sandbox.c). */
static bool is_relative(const struct device_spec *spec)
{
	return (spec->fs && *spec->fs->socket != '/') ||
		(spec->disk && spec->disk->remote && *spec->disk->path != '/');
}

static json_t *refusal(const char *why)
{
	/* A part of what isn't ASCII may have been cut off. */
	return json_pack("{s:b, s:s}", "ok", 0, "error", why) ?:
	       json_pack("{s:b, s:s}", "ok", 0, "error", "it can't be, and it can't be said why");
}

/**
 * device_request_add() - "device-add"
 * @vm: the machine
 * @request: all of it
 * @files: what came with it; used up if there is a device now
 *
 * Return: the answer.
 */
json_t *device_request_add(struct vm *vm, json_t *request, struct device_files *files)
{
	static struct config cfg;
	const char *kind, *words;
	char *copy, why[300] = "";
	struct device *d = NULL;
	struct device_spec spec;
	int mtu = 0;

	if (json_unpack(request, "{s:s, s:s, s:s, s?i!}", "do", &kind, "kind", &kind, "words",
			&words, "mtu", &mtu))
		return refusal("\"kind\" and \"words\", strings, are wanted, and perhaps \"mtu\", a number");
	cfg = (struct config){ 0 };
	copy = strdup(words);
	if (copy && !device_option(&cfg, kind, copy, why, sizeof(why))) {
		spec = device_spec(&cfg);
		files->mtu = mtu;
		if (is_relative(&spec))
			refuse(why, "a socket's name from / on is wanted");
		else if (spec.net && spec.net->tap && (mtu < MTU_MIN || mtu > MTU_MAX))
			refuse(why, "the tap's \"mtu\" is wanted");
		else
			d = device_create(vm, &spec, files, why);
	}
	free(copy);
	if (!d)
		return refusal(why);
	files->count = 0;
	return json_pack("{s:b, s:s, s:i}", "ok", 1, "id", d->id, "slot", (int)device_slot(d));
}

/** device_request_list() - "device-list"; the answer. */
json_t *device_request_list(struct vm *vm)
{
	json_t *all = json_array();
	const struct device *d;

	for (d = vm->devices; d; d = d->next)
		json_array_append_new(all, json_pack("{s:s, s:s, s:i, s:s, s:o}", "id", d->id, "kind",
			d->kind, "slot", (int)device_slot(d), "state",
			d->until || d->ejected ? "removing" : "there", "what",
			json_string(d->what) ?: json_string("(not UTF-8)")));
	return json_pack("{s:b, s:o}", "ok", 1, "devices", all);
}
