// SPDX-License-Identifier: GPL-2.0-only
/*
 * lodge device add, del and list: what a person does with the devices of a machine that runs.
 * Files are opened here, with the user's rights and from where the user is, and go with the
 * request (control.c): the machine need not be able to open anything, and one that can't be
 * opened is no business of its.
 */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "client.h"
#include "device.h"
#include "net.h"
#include "options.h"
#include "progress.h"
#include "util.h"

#define DEL_SECONDS	30	/* that a guest has */
#define MARGIN_SECONDS	10	/* beside them, for the answer */
#define LOST_MS		100	/* that what is started for a device has to fail in */

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "timeout", required_argument, NULL, 't' },
	{ 0 }
};

/* A name that leads to the same from anywhere, be there something or not. */
static char *from_root(const char *name)
{
	char *path = realpath(name, NULL), *here;

	if (path || *name == '/')
		return path ?: strdup(name);
	here = getcwd(NULL, 0);
	if (!here || asprintf(&path, "%s/%s", here, name) < 0)
		die("cannot tell which directory this is: %s", strerror(errno));
	free(here);
	return path;
}

/* The same words, by which the machine finds the place, too. */
static json_t *absolute(const struct device_spec *spec, const char *words)
{
	const struct disk_config *disk = spec->disk;
	const struct fs_config *fs = spec->fs;
	const char *id = disk ? disk->id : fs ? fs->id : "";
	char *path = disk ? from_root(disk->path) : fs ? from_root(fs->socket) : NULL;
	json_t *all;

	if (disk)
		all = json_sprintf("%s%s%s%s%s", disk->remote ? "vhost-user=" : "", path,
				   disk->readonly ? ",ro" : "", *id ? ",id=" : "", id);
	else if (fs)
		all = json_sprintf("tag=%s,socket=%s%s%s", fs->tag, path, *id ? ",id=" : "", id);
	else
		all = json_string(words);
	free(path);
	if (!all)
		die("%s: UTF-8 is wanted", words);
	return all;
}

static int add(const char *which, const char *kind, const char *words)
{
	static struct config cfg;
	char *copy = strdup(words), why[300];
	struct device_files files;
	struct device_spec spec;
	struct machine m;
	json_t *reply;

	if (!copy)
		die("out of memory");
	if (device_option(&cfg, kind, copy, why, sizeof(why)))
		die("%s", why);
	spec = device_spec(&cfg);
	m = machine_find(which);
	/* What is started for it is no more than it would be if the machine did that. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("cannot give up new privileges: %s", strerror(errno));
	device_open(&spec, -1, &files);
	if (net_lost(&files, LOST_MS, "nobody knows why", why))
		die("%s", why);
	reply = machine_ask(m.fd, which, json_pack("{s:s, s:s, s:o, s:i}", "do", "device-add",
						   "kind", kind, "words", absolute(&spec, words),
						   "mtu", (int)files.mtu), files.fd, files.count);
	machine_must(reply, which);
	puts(json_string_value(json_object_get(reply, "id")) ?: "-");
	return 0;
}

static int del(const char *which, const char *id, int seconds)
{
	struct machine m = machine_find(which);
	json_t *reply;

	progress_begin(seconds, "waiting for %s to let go of %s", which, id);
	reply = machine_ask_for(seconds + MARGIN_SECONDS, m.fd,
				json_pack("{s:s, s:s, s:i}", "do", "device-del", "id", id,
					  "seconds", seconds), NULL, 0);
	progress_end();
	machine_must(reply, which);
	return 0;
}

static int list(const char *which, bool as_json)
{
	struct machine m = machine_find(which);
	json_t *reply = machine_ask(m.fd, which, json_pack("{s:s}", "do", "device-list"), NULL, 0);
	json_t *all, *d;
	size_t i;

	machine_must(reply, which);
	all = json_object_get(reply, "devices");
	if (as_json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
		return 0;
	}
	printf("%-20s %-4s %4s  %-8s  %s\n", "ID", "KIND", "SLOT", "STATE", "WHAT");
	json_array_foreach(all, i, d) {
		const char *id = "-", *kind = "-", *state = "-", *what = "-";
		int slot = 0;

		json_unpack(d, "{s:s, s:s, s:s, s:s, s:i}", "id", &id, "kind", &kind, "state",
			    &state, "what", &what, "slot", &slot);
		printf("%-20s %-4s %4d  %-8s  %s\n", id, kind, slot, state, what);
	}
	return 0;
}

/**
 * device_main() - add, del or list
 * @argc: how many words
 * @argv: the first one is "device"
 *
 * Return: the status for exit(); or it dies.
 */
int device_main(int argc, char *argv[])
{
	static const struct {
		const char *word, *options, *wanted;
		int words;
	} verbs[] = {
		{ "add", "", "a machine, disk, net or fs, and what it is, as behind that option,", 3 },
		{ "del", "t", "a machine, and the name of a device,", 2 },
		{ "list", "j", "a machine", 1 },
	};
	unsigned long seconds = DEL_SECONDS;
	bool as_json = false;
	unsigned int v = 0;
	int opt;

	while (v < ARRAY_SIZE(verbs) && (argc < 2 || strcmp(argv[1], verbs[v].word)))
		v++;
	if (v == ARRAY_SIZE(verbs))
		die("lodge device: add, del or list is wanted; lodge --help");
	argc--;
	argv++;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == '?' || !strchr(verbs[v].options, opt))
			die("lodge device %s: %s: unknown, or lacks its value; lodge --help",
			    argv[0], argv[optind - 1]);
		if (opt == 't' && (parse_uint(optarg, 86400, &seconds) || !seconds))
			die("--timeout %s: seconds are wanted, 1 to 86400", optarg);
		as_json |= opt == 'j';
	}
	if (argc - optind != verbs[v].words)
		die("lodge device %s: %s is wanted; lodge --help", argv[0], verbs[v].wanted);
	argv += optind;
	if (v == 0)
		return add(argv[0], argv[1], argv[2]);
	if (v == 1)
		return del(argv[0], argv[1], seconds);
	return list(argv[0], as_json);
}
