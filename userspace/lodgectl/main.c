// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The control tool
 *
 * lodgectl shows what the module tells through generic netlink (netlink.c), and
 * sets what it takes. A noun is a file: VMs (vm.c), vCPUs (vcpu.c), counters
 * (stats.c), events (event.c), domains of merging (ksm.c), balloons (balloon.c),
 * what holds for all (policy.c), what is swapped, and where to (swap.c), maps of memory
 * (map.c, picture.c, png.c). Each knows its attributes, its table and its JSON; a command
 * is a line in this file and a function in the noun's.
 *
 * What comes from others, names above all, goes through text_clean() or
 * json_string() on its way out.
 */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "netlink.h"
#include "util.h"

#define LODGE_VERSION	"0.1"

static const char usage[] =
"usage: lodgectl COMMAND [OPTION]...\n"
"Show the virtual machines of lodge, and who gets how much memory: your own,\n"
"or all with CAP_NET_ADMIN.\n"
"\n"
"  list               virtual machines\n"
"  show VM            one of them, and its vCPUs\n"
"  stats [VM]         counters of all of them or of one\n"
"  events             what happens to them from now on, a line each\n"
"  ksm [ACTION]       merging of equal pages; ACTION is on, off, now, or set\n"
"                     with budget=PERCENT and pause=MILLISECONDS; domain=NAME and\n"
"                     user=NAME say for whom\n"
"  balloon [VM [SIZE|auto|hint]]   what they have of their memory, or shall have\n"
"  policy [VM] [KEY=VALUE]... how memory is divided: of all tax, period, budget,\n"
"                     reserve, patience, merge-budget, merge-pause, pool, cold; of a\n"
"                     VM shares, reservation, domain\n"
"  swap [FILE|off]    what is compressed and swapped; or swap to FILE from now on,\n"
"                     off: to none\n"
"  map VM             a picture of its memory\n"
"\n"
"VM is an id, else the number of its process, else a name; id:, pid: and name:\n"
"before it say which.\n"
"\n"
"  --json             for programs: lodgectl(1) has the keys\n"
"  --watch[=SECONDS]  stats: again and again, per second (default: 1)\n"
"  --vcpus            stats: a column for each vCPU\n"
"  --count=N          stats --watch, events: end after N of them\n"
"  --svg=FILE, --png=FILE   map: the picture goes into a file\n"
"  --sample=SECONDS   map: how long to look at what is used (default: 1)\n"
"  --node=PATH        swap FILE, swap off: the hypervisor's node (default: /dev/lodge)\n"
"  --help, --version\n"
"\n"
"Status: 0 done, 1 no such VM, 2 wrong command line, 3 the module isn't there,\n"
"4 anything else failed.\n";

enum {
	OPT_JSON = 1, OPT_WATCH = 2, OPT_VCPUS = 4, OPT_COUNT = 8,
	OPT_SVG = 16, OPT_SAMPLE = 32, OPT_PNG = 64, OPT_NODE = 128, OPT_HELP = 256, OPT_VERSION,
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "watch", optional_argument, NULL, OPT_WATCH },
	{ "vcpus", no_argument, NULL, OPT_VCPUS },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "svg", required_argument, NULL, OPT_SVG },
	{ "png", required_argument, NULL, OPT_PNG },
	{ "sample", required_argument, NULL, OPT_SAMPLE },
	{ "node", required_argument, NULL, OPT_NODE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 }
};

static const struct command {
	const char *name;
	int (*run)(const struct options *opt);
	int options;		/* OPT_*: those that it knows */
	int least, most;	/* words behind it, */
	const char *takes;	/* and what they are */
} commands[] = {
	{ "list", command_list, OPT_JSON, 0, 0, "no VM" },
	{ "show", command_show, OPT_JSON, 1, 1, "one VM" },
	{ "stats", command_stats, OPT_JSON | OPT_WATCH | OPT_VCPUS | OPT_COUNT, 0, 1,
	  "one VM at most" },
	{ "events", command_events, OPT_JSON | OPT_COUNT, 0, 0, "no VM" },
	{ "ksm", command_ksm, OPT_JSON, 0, 8, "on, off, now or set" },
	{ "balloon", command_balloon, OPT_JSON, 0, 2, "a VM, and a size, auto or hint" },
	{ "policy", command_policy, OPT_JSON, 0, 9, "a VM and KEY=VALUE" },
	{ "swap", command_swap, OPT_JSON | OPT_NODE, 0, 1, "a file or off" },
	{ "map", command_map, OPT_JSON | OPT_SVG | OPT_PNG | OPT_SAMPLE, 1, 1, "one VM" },
};

#define HINT	"; lodgectl --help lists all commands"

static double seconds(const char *option, const char *arg, double least)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !(value >= least) || value > 86400)
		die(STATUS_USAGE, "%s=%s: seconds from %g to 86400 are wanted", option, arg,
		    least);
	return value;
}

static void take(struct options *opt, int which, const char *arg)
{
	char *end = NULL;

	switch (which) {
	case OPT_JSON:
		opt->json = true;
		break;
	case OPT_VCPUS:
		opt->vcpus = true;
		break;
	case OPT_WATCH:
		opt->watch = true;
		if (arg)
			opt->interval = seconds("--watch", arg, 0.01);
		break;
	case OPT_SVG:
		opt->svg = arg;
		break;
	case OPT_PNG:
		opt->png = arg;
		break;
	case OPT_NODE:
		opt->node = arg;
		break;
	case OPT_SAMPLE:
		opt->sample = seconds("--sample", arg, 0);
		break;
	case OPT_COUNT:
		opt->count = strtoul(arg, &end, 10);
		if (*arg < '0' || *arg > '9' || *end || !opt->count)
			die(STATUS_USAGE, "--count=%s: a number from 1 is wanted", arg);
		break;
	}
}

static const struct command *command_of(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, word))
			return &commands[i];
	die(STATUS_USAGE, "\"%s\" is no command" HINT, word);
}

int main(int argc, char *argv[])
{
	struct options opt = { .interval = 1, .sample = 1 };
	const struct command *command;
	int which, seen = 0, words, status;

	setlocale(LC_CTYPE, "");
	opterr = 0;
	while ((which = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (which == 'h' || which == OPT_HELP) {
			fputs(usage, stdout);
			flush_output();
			return STATUS_OK;
		}
		if (which == OPT_VERSION) {
			puts("lodgectl " LODGE_VERSION);
			flush_output();
			return STATUS_OK;
		}
		if (which == '?')
			die(STATUS_USAGE, "%s: unknown, lacks its value, or has one too many" HINT,
			    argv[optind - 1]);
		take(&opt, which, optarg);
		seen |= which;
	}
	if (optind == argc)
		die(STATUS_USAGE, "a command is missing" HINT);
	command = command_of(argv[optind]);
	words = argc - optind - 1;
	if (words < command->least || words > command->most)
		die(STATUS_USAGE, "%s takes %s" HINT, command->name, command->takes);
	if (seen & ~command->options)
		die(STATUS_USAGE, "%s does not know one of these options" HINT,
		    command->name);
	if (opt.count && command->options & OPT_WATCH && !opt.watch)
		die(STATUS_USAGE, "--count is for stats --watch");
	opt.vm = words ? argv[optind + 1] : NULL;
	opt.words = argv + optind + 1;
	opt.nr_words = words;

	netlink_open();
	status = command->run(&opt);
	netlink_close();
	flush_output();
	return status;
}
