// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line, and nothing of what it leads to.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

#include "../../uapi/lodge.h"
#include "options.h"
#include "util.h"

#define DEFAULT_NODE	"/dev/lodge"
#define DEFAULT_FIRMWARE	"/usr/share/seabios/bios-microvm.bin"
#define DEFAULT_MEMORY	(512 * MIB)
#define MEMORY_MIN	(16 * MIB)
#define MEMORY_MAX	(1ULL << 40)
#define LIMIT_MIN	(16 * MIB)
#define WEIGHT_MAX	10000
#define FS_TAG_MAX	36
#define TEXT_MAX	(64 * KIB)
#define SHARES_MAX	(1 << 20)
#define SHARES_DEFAULT	1000

enum {
	OPT_FIRMWARE = 256, OPT_KERNEL, OPT_INITRD, OPT_APPEND, OPT_CPUS, OPT_MEMORY,
	OPT_MEMORY_BACKING, OPT_MERGE, OPT_DISK, OPT_NAME, OPT_NODE, OPT_OUTPUT, OPT_STATUS, OPT_CONSOLE,
	OPT_EXIT_PORT, OPT_DAEMON, OPT_LOG, OPT_BALLOON, OPT_BALLOON_FLOOR, OPT_BALLOON_SHARES,
	OPT_BALLOON_DOMAIN, OPT_USER, OPT_CPU_WEIGHT, OPT_MEMORY_MAX, OPT_NO_SECCOMP,
	OPT_BALLOON_CONTROL, OPT_GENERATION_ID, OPT_CONFIG, OPT_NET, OPT_VSOCK, OPT_FS, OPT_HELP, OPT_VERSION
};

static const struct option options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "firmware", optional_argument, NULL, OPT_FIRMWARE },
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "memory-backing", required_argument, NULL, OPT_MEMORY_BACKING },
	{ "merge", required_argument, NULL, OPT_MERGE },
	{ "disk", required_argument, NULL, OPT_DISK },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "node", required_argument, NULL, OPT_NODE },
	{ "output", required_argument, NULL, OPT_OUTPUT },
	{ "status", no_argument, NULL, OPT_STATUS },
	{ "console", required_argument, NULL, OPT_CONSOLE },
	{ "exit-port", required_argument, NULL, OPT_EXIT_PORT },
	{ "daemon", no_argument, NULL, OPT_DAEMON },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "user", required_argument, NULL, OPT_USER },
	{ "cpu-weight", required_argument, NULL, OPT_CPU_WEIGHT },
	{ "memory-max", required_argument, NULL, OPT_MEMORY_MAX },
	{ "no-seccomp", no_argument, NULL, OPT_NO_SECCOMP },
	{ "balloon", required_argument, NULL, OPT_BALLOON },
	{ "balloon-floor", required_argument, NULL, OPT_BALLOON_FLOOR },
	{ "balloon-shares", required_argument, NULL, OPT_BALLOON_SHARES },
	{ "balloon-domain", required_argument, NULL, OPT_BALLOON_DOMAIN },
	{ "balloon-control", required_argument, NULL, OPT_BALLOON_CONTROL },
	{ "generation-id", required_argument, NULL, OPT_GENERATION_ID },
	{ "fs", required_argument, NULL, OPT_FS },
	{ "net", required_argument, NULL, OPT_NET },
	{ "vsock", required_argument, NULL, OPT_VSOCK },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 }
};

static enum options_action fail(char *err, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static enum options_action fail(char *err, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, size, fmt, ap);
	va_end(ap);
	return OPTIONS_ERROR;
}

/**
 * device_id() - what a device shall be called
 * @id: DEVICE_ID_SIZE bytes, filled in
 * @name: as it was said
 *
 * Return: NULL, or what is wrong.
 */
const char *device_id(char *id, const char *name)
{
	static const char known[] = "0123456789_.-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t len = strlen(name);

	if (!len || len >= DEVICE_ID_SIZE || name[strspn(name, known)])
		return "id= wants a name of 1 to 20 letters, digits, \"_\", \".\" and \"-\"";
	strcpy(id, name);
	return NULL;
}

_Static_assert(DEVICE_ID_SIZE == 21, "as the message says");

/* ",id=NAME" is cut off the end, if it is there. */
static const char *cut_id(char *arg, char *id)
{
	char *comma = strrchr(arg, ',');

	if (!comma || strncmp(comma, ",id=", 4))
		return NULL;
	*comma = 0;
	return device_id(id, comma + 4);
}

/* "FILE[,ro]" or "vhost-user=SOCKET", and an id; a comma elsewhere belongs to the name. */
static const char *add_disk(struct config *cfg, char *arg)
{
	struct disk_config *disk = &cfg->disk[cfg->ndisks];
	const char *wrong;
	size_t len;

	if (cfg->ndisks == MAX_DISKS)
		return "there can be 24 disks at most";
	*disk = (struct disk_config){ 0 };
	wrong = cut_id(arg, disk->id);
	if (wrong)
		return wrong;
	len = strlen(arg);
	if (!strncmp(arg, "vhost-user=", 11)) {
		arg += 11;
		disk->remote = true;
	} else if (len > 3 && !strcmp(arg + len - 3, ",ro")) {
		arg[len - 3] = 0;
		disk->readonly = true;
	}
	disk->path = arg;
	cfg->ndisks++;
	return NULL;
}

_Static_assert(MAX_DISKS == 24, "as the message says");

/* "tag=NAME,socket=SOCKET", and an id; what is wrong, or NULL. */
static const char *add_fs(struct config *cfg, char *arg)
{
	struct fs_config *fs = &cfg->fs[cfg->nfs];
	const char *wrong;
	unsigned int i;
	char *comma;

	if (cfg->nfs == MAX_FOLDERS)
		return "there can be 8 folders at most";
	*fs = (struct fs_config){ 0 };
	wrong = cut_id(arg, fs->id);
	if (wrong)
		return wrong;
	comma = strchr(arg, ',');
	if (strncmp(arg, "tag=", 4) || !comma || strncmp(comma, ",socket=", 8) || !comma[8])
		return "tag=NAME,socket=SOCKET is wanted";
	*comma = 0;
	fs->tag = arg + 4;
	fs->socket = comma + 8;
	if (!*fs->tag || strlen(fs->tag) > FS_TAG_MAX)
		return "a tag of 1 to 36 bytes is wanted";
	for (i = 0; i < cfg->nfs; i++)
		if (!strcmp(cfg->fs[i].tag, fs->tag))
			return "this tag is another folder's already";
	cfg->nfs++;
	return NULL;
}

_Static_assert(MAX_FOLDERS == 8 && FS_TAG_MAX == 36, "as the messages say");

/**
 * device_option() - add a disk, a network or a folder
 * @cfg: to this
 * @kind: "disk", "net" or "fs"
 * @arg: what stands behind that option; kept, and cut into pieces
 * @err: what is wrong
 * @size: room there
 *
 * Return: 0, or -1 with @err.
 */
int device_option(struct config *cfg, const char *kind, char *arg, char *err, size_t size)
{
	char given[128], why[128];
	const char *wrong = why;

	snprintf(given, sizeof(given), "%s", arg);
	if (!strcmp(kind, "disk"))
		wrong = add_disk(cfg, arg);
	else if (!strcmp(kind, "fs"))
		wrong = add_fs(cfg, arg);
	else if (strcmp(kind, "net"))
		wrong = "disk, fs or net is wanted";
	else if (!net_option(cfg, arg, why, sizeof(why)))
		return 0;
	if (!wrong)
		return 0;
	snprintf(err, size, "%s %s: %s", kind, given, wrong);
	return -1;
}

/* As JSON has it, which says the name to who asks. */
static bool is_utf8(const char *text)
{
	json_t *string = json_string(text);

	json_decref(string);
	return string;
}

static enum options_action take(struct config *cfg, int opt, char *arg,
				char *err, size_t size)
{
	char why[300];
	unsigned long n;

	switch (opt) {
	case OPT_FIRMWARE:
		cfg->firmware = arg ? arg : DEFAULT_FIRMWARE;
		break;
	case OPT_KERNEL:
		cfg->kernel = arg;
		break;
	case OPT_INITRD:
		cfg->initrd = arg;
		break;
	case OPT_APPEND:
		cfg->append = arg;
		break;
	case OPT_NAME:
		if (!*arg || strlen(arg) >= LODGE_NAME_SIZE)
			return fail(err, size, "--name %s: 1 to %d bytes are wanted",
				    arg, LODGE_NAME_SIZE - 1);
		if (!is_utf8(arg))
			return fail(err, size, "--name: UTF-8 is wanted");
		cfg->name = arg;
		break;
	case OPT_NODE:
		cfg->node = arg;
		break;
	case OPT_OUTPUT:
		cfg->output = arg;
		break;
	case OPT_CONSOLE:
		cfg->console = arg;
		break;
	case OPT_DAEMON:
		cfg->daemon = true;
		break;
	case OPT_LOG:
		cfg->log = arg;
		break;
	case OPT_USER:
		if (!*arg || *arg == ':' || arg[strlen(arg) - 1] == ':')
			return fail(err, size, "--user %s: a name or a number is wanted, and perhaps a group behind a colon",
				    arg);
		cfg->user = arg;
		break;
	case OPT_CPU_WEIGHT:
		if (parse_uint(arg, WEIGHT_MAX, &n) || !n)
			return fail(err, size, "--cpu-weight %s: a number from 1 to %d is wanted, 100 being usual",
				    arg, WEIGHT_MAX);
		cfg->cpu_weight = n;
		break;
	case OPT_MEMORY_MAX:
		if (parse_size(arg, &cfg->memory_max) || cfg->memory_max < LIMIT_MIN)
			return fail(err, size, "--memory-max %s: a size from 16M on is wanted, such as 3G",
				    arg);
		break;
	case OPT_NO_SECCOMP:
		cfg->seccomp = false;
		break;
	case OPT_STATUS:
		cfg->status = true;
		break;
	case OPT_CPUS:
		if (parse_uint(arg, MAX_CPUS, &n) || !n)
			return fail(err, size, "--cpus %s: a number from 1 to %d is wanted",
				    arg, MAX_CPUS);
		cfg->cpus = n;
		break;
	case OPT_MEMORY:
		if (parse_size(arg, &cfg->memory) ||
		    cfg->memory < MEMORY_MIN || cfg->memory > MEMORY_MAX)
			return fail(err, size, "--memory %s: a size from 16M to 1T is wanted, such as 512M or 6G",
				    arg);
		cfg->memory &= ~(2 * MIB - 1);
		break;
	case OPT_MEMORY_BACKING:
		if (!strcmp(arg, "lodge"))
			cfg->backing = MEMORY_LODGE;
		else if (!strcmp(arg, "anonymous"))
			cfg->backing = MEMORY_ANONYMOUS;
		else
			return fail(err, size, "--memory-backing %s: lodge or anonymous is wanted",
				    arg);
		break;
	case OPT_MERGE:
		if (!*arg || strlen(arg) >= LODGE_DOMAIN_NAME_MAX)
			return fail(err, size, "--merge %s: on, off or a name of 1 to %d bytes is wanted",
				    arg, LODGE_DOMAIN_NAME_MAX - 1);
		cfg->merge = arg;
		break;
	case OPT_EXIT_PORT:
		if (parse_uint(arg, 0xffff, &n))
			return fail(err, size, "--exit-port %s: a port from 0 to 0xffff is wanted",
				    arg);
		cfg->exit_port = n;
		break;
	case OPT_BALLOON:
		cfg->balloon.present = true;
		cfg->balloon.automatic = !strcmp(arg, "auto");
		if (!cfg->balloon.automatic &&
		    parse_size(arg, &cfg->balloon.target))
			return fail(err, size, "--balloon %s: what the guest shall have is wanted, such as 256M, or \"auto\"",
				    arg);
		break;
	case OPT_BALLOON_FLOOR:
		if (parse_size(arg, &cfg->balloon.floor))
			return fail(err, size, "--balloon-floor %s: a size is wanted, such as 256M",
				    arg);
		break;
	case OPT_BALLOON_SHARES:
		if (parse_uint(arg, SHARES_MAX, &n) || !n)
			return fail(err, size, "--balloon-shares %s: a number from 1 to %d is wanted",
				    arg, SHARES_MAX);
		cfg->balloon.shares = n;
		break;
	case OPT_BALLOON_DOMAIN:
		if (!*arg || strlen(arg) >= LODGE_DOMAIN_NAME_MAX)
			return fail(err, size, "--balloon-domain %s: a name of 1 to %d bytes is wanted",
				    arg, LODGE_DOMAIN_NAME_MAX - 1);
		cfg->balloon.domain = arg;
		break;
	case OPT_BALLOON_CONTROL:
		cfg->balloon.control = arg;
		break;
	case OPT_NET:
	case OPT_FS:
	case OPT_DISK:
		if (device_option(cfg, opt == OPT_NET ? "net" : opt == OPT_FS ? "fs" : "disk",
				  arg, why, sizeof(why)))
			return fail(err, size, "--%s", why);
		break;
	case OPT_GENERATION_ID:
		if (genid_parse(arg, cfg->genid))
			return fail(err, size, "--generation-id %s: a UUID is wanted, such as 324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87",
				    arg);
		cfg->has_genid = true;
		break;
	case OPT_VSOCK:
		/* Lower ones have a meaning; the highest is any. */
		if (parse_uint(arg, UINT32_MAX - 1, &n) || n <= VMADDR_CID_HOST)
			return fail(err, size, "--vsock %s: a number from %d to %u is wanted",
				    arg, VMADDR_CID_HOST + 1, UINT32_MAX - 1);
		cfg->vsock = n;
		break;
	}
	return OPTIONS_RUN;
}

/* A line of a file: what stands behind the name, or NULL; spaces are cut off. */
static char *cut(char *line)
{
	char *name = line + strspn(line, " \t"), *value, *end;

	end = name + strlen(name);
	while (end > name && strchr(" \t\r\n", end[-1]))
		*--end = 0;
	memmove(line, name, end - name + 1);
	value = strchr(line, '=');
	if (!value)
		return NULL;
	for (end = value; end > line && strchr(" \t", end[-1]); end--)
		;
	*end = 0;
	return value + 1 + strspn(value + 1, " \t");
}

static enum options_action take_line(struct config *cfg, char *line, char *err, size_t size)
{
	char *value = cut(line);
	unsigned int i;

	if (!*line && !value)
		return OPTIONS_RUN;
	for (i = 0; options[i].name && strcmp(line, options[i].name); i++)
		;
	if (!options[i].name || options[i].val == OPT_CONFIG || options[i].val >= OPT_HELP)
		return fail(err, size, "\"%s\" is not an option that a file can have", line);
	if (options[i].has_arg == required_argument && !value)
		return fail(err, size, "%s lacks its value", line);
	if (options[i].has_arg == no_argument && value)
		return fail(err, size, "%s has no value", line);
	return take(cfg, options[i].val, value, err, size);
}

/* NAME = VALUE on each line, as behind "--"; '#' begins one that means nothing. */
static enum options_action take_file(struct config *cfg, const char *path, char *err,
				     size_t size)
{
	enum options_action action = OPTIONS_RUN;
	/* Kept: values point into it. */
	static struct text {
		struct text *before;
		char buf[TEXT_MAX + 1];
	} *last;
	struct text *text = xalloc(1, sizeof(*text));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char why[200], *rest = text->buf, *line;
	unsigned int n = 0;
	ssize_t len;

	text->before = last;
	last = text;
	if (fd < 0)
		return fail(err, size, "cannot open %s: %s", path, strerror(errno));
	len = pread_all(fd, text->buf, sizeof(text->buf), 0);
	if (len < 0)
		action = fail(err, size, "cannot read %s: %s", path, strerror(errno));
	else if ((size_t)len > TEXT_MAX || memchr(text->buf, 0, len))
		action = fail(err, size, "%s is no text, or longer than 64 KiB", path);
	close(fd);
	while (action == OPTIONS_RUN && (line = strsep(&rest, "\n"))) {
		n++;
		if (line[strspn(line, " \t")] != '#' &&
		    take_line(cfg, line, why, sizeof(why)) != OPTIONS_RUN)
			action = fail(err, size, "%s, line %u: %s", path, n, why);
	}
	return action;
}

_Static_assert(TEXT_MAX == 64 * KIB, "as the message says");

/* What can be said only when all options are known. */
static enum options_action check_memory(struct config *cfg, char *err,
					size_t size)
{
	/* The host merges with all or with nobody. */
	if (!cfg->merge || !strcmp(cfg->merge, "off") ||
	    !strcmp(cfg->merge, "on"))
		return OPTIONS_RUN;
	if (cfg->backing == MEMORY_ANONYMOUS)
		return fail(err, size, "--merge %s wants --memory-backing lodge",
			    cfg->merge);
	cfg->backing = MEMORY_LODGE;
	return OPTIONS_RUN;
}

static enum options_action check_balloon(struct config *cfg, char *err,
					 size_t size)
{
	struct balloon_config *b = &cfg->balloon;

	/* What is computed should not starve who said nothing. */
	if (b->automatic && !b->floor)
		b->floor = cfg->memory / 4;
	if (!b->present && (b->floor || b->control || b->domain))
		return fail(err, size, "--balloon-floor, --balloon-domain and --balloon-control want --balloon");
	if (b->floor > cfg->memory)
		return fail(err, size, "--balloon-floor is above --memory");
	if (!b->automatic && b->target > cfg->memory)
		return fail(err, size, "--balloon is above --memory");
	if (!b->automatic && b->target < b->floor)
		return fail(err, size, "--balloon is below --balloon-floor");
	return OPTIONS_RUN;
}

/**
 * options_parse() - fill @cfg from the words on the command line
 * @cfg: filled in; points into @argv
 * @argc: as main() got it
 * @argv: as main() got it
 * @err: what is wrong, for OPTIONS_ERROR
 * @size: room there
 */
enum options_action options_parse(struct config *cfg, int argc,
				  char *const argv[], char *err, size_t size)
{
	enum options_action action;
	bool run = false;
	int opt;

	if (argc > 1 && !strcmp(argv[1], "run")) {
		argc--;
		argv++;
		run = true;
	}
	*cfg = (struct config) {
		.node = DEFAULT_NODE,
		.cpus = 1,
		.memory = DEFAULT_MEMORY,
		.exit_port = -1,
		.seccomp = true,
		.balloon.shares = SHARES_DEFAULT,
	};
	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+hc:", options, NULL)) != -1) {
		if (opt == OPT_HELP || opt == 'h')
			return OPTIONS_HELP;
		if (opt == OPT_VERSION)
			return OPTIONS_VERSION;
		if (opt == '?')
			return fail(err, size, "%s: unknown, or lacks its value",
				    argv[optind - 1]);
		/* There are no other words, so that it may stand apart. */
		if (opt == OPT_FIRMWARE && !optarg && optind < argc && *argv[optind] != '-')
			optarg = argv[optind++];
		if (opt == OPT_CONFIG || opt == 'c')
			action = take_file(cfg, optarg, err, size);
		else
			action = take(cfg, opt, optarg, err, size);
		if (action != OPTIONS_RUN)
			return action;
	}
	if (optind < argc)
		return fail(err, size, "\"%s\" is not a word it knows",
			    argv[optind]);
	if (!run)
		return fail(err, size, "the first word has to be \"run\"");
	if (!cfg->kernel && !cfg->firmware)
		return fail(err, size, "--kernel or --firmware is missing");
	if (cfg->firmware && (cfg->kernel || cfg->initrd || cfg->append))
		return fail(err, size, "--firmware boots from a disk: leave out --kernel, --initrd and --append");
	if (cfg->log && !cfg->daemon)
		return fail(err, size, "--log wants --daemon");
	action = check_memory(cfg, err, size);
	return action == OPTIONS_RUN ? check_balloon(cfg, err, size) : action;
}
