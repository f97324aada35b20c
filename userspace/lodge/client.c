// SPDX-License-Identifier: GPL-2.0-only
/*
 * lodge ps, pause, resume, stop, console, debug: what a person does with machines that run, through
 * their control sockets (control.c).
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "control.h"
#include "device.h"
#include "lodge.h"
#include "progress.h"
#include "util.h"

#define STOP_SECONDS	30	/* that a guest has to power off */
#define ANSWER_SECONDS	10
#define ANSWER_MAX	(256 * KIB)	/* a list of devices, their names as long as can be */
#define ESCAPE		0x01	/* Ctrl-A */

static int connect_to(const char *path)
{
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -1;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		return fd;
	}
	/* A machine that was killed leaves its socket. */
	if (errno == ECONNREFUSED)
		unlink(path);
	if (fd >= 0)
		close(fd);
	return -1;
}

static struct timespec seconds_from_now(int seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += seconds;
	return t;
}

/* Whether there is something to be read, or the end of it, before that time. */
static bool comes_until(int fd, const struct timespec *until)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec now;
	long left;

	/* progress.c interrupts. */
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = (until->tv_sec - now.tv_sec) * 1000 +
		       (until->tv_nsec - now.tv_nsec) / 1000000;
		if (poll(&p, 1, left > 0 ? left : 0) > 0)
			return true;
	} while (left > 0);
	return false;
}

/* A byte at a time: what follows the line may be a console's. */
static json_t *answer(int fd, int seconds)
{
	struct timespec until = seconds_from_now(seconds);
	static char line[ANSWER_MAX];
	size_t n = 0;

	while (n < sizeof(line)) {
		ssize_t got = recv(fd, line + n, 1, MSG_DONTWAIT);

		if (got < 0 && (errno == EAGAIN || errno == EINTR) && comes_until(fd, &until))
			continue;
		if (got != 1)
			break;
		if (line[n++] == '\n')
			return json_loadb(line, n, 0, NULL);
	}
	return NULL;
}

/**
 * machine_ask_for() - a request, and its answer
 * @seconds: that the answer may take
 * @fd: the machine's
 * @request: let go of
 * @fds: descriptors that go with it
 * @nfds: how many, DEVICE_FILES at most
 *
 * Return: the answer, or NULL if there is none.
 */
json_t *machine_ask_for(int seconds, int fd, json_t *request, const int *fds, unsigned int nfds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * DEVICE_FILES)];
	} control = { 0 };
	char *text = json_dumps(request, JSON_COMPACT);
	struct iovec iov[] = { { text, text ? strlen(text) : 0 }, { (char *)"\n", 1 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = &control };
	bool sent;

	json_decref(request);
	put_fds(&msg, fds, nfds);
	sent = text && sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)iov[0].iov_len + 1;
	free(text);
	return sent ? answer(fd, seconds) : NULL;
}

/** machine_ask() - the same of a machine that is called @which, which has to answer at once. */
json_t *machine_ask(int fd, const char *which, json_t *request, const int *fds,
		    unsigned int nfds)
{
	json_t *reply;

	progress_begin(ANSWER_SECONDS, "waiting for %s to answer", which);
	reply = machine_ask_for(ANSWER_SECONDS, fd, request, fds, nfds);
	progress_end();
	return reply;
}

static json_t *ask(int fd, const char *which, const char *what)
{
	return machine_ask(fd, which, json_pack("{s:s}", "do", what), NULL, 0);
}

static bool is_ok(const json_t *reply)
{
	return json_is_true(json_object_get(reply, "ok"));
}

static const char *text_of(const struct machine *m, const char *key)
{
	return json_string_value(json_object_get(m->status, key)) ?: "-";
}

static long long number_of(const struct machine *m, const char *key)
{
	return json_integer_value(json_object_get(m->status, key));
}

static void forget(struct machine *m)
{
	close(m->fd);
	json_decref(m->status);
}

/* Calls @fn with each machine that answers; it keeps what it wants. */
static void each_machine(void (*fn)(struct machine *m, void *arg), void *arg)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path) - 16], path[512];
	struct dirent *entry;
	DIR *d = control_dir(dir, sizeof(dir), false) ? opendir(dir) : NULL;

	while (d && (entry = readdir(d))) {
		struct machine m;
		size_t len = strlen(entry->d_name);

		if (len < 6 || strcmp(entry->d_name + len - 5, ".sock"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		entry->d_name[len - 5] = 0;
		m.fd = connect_to(path);
		if (m.fd < 0)
			continue;
		m.status = ask(m.fd, entry->d_name, "status");
		if (is_ok(m.status))
			fn(&m, arg);
		else
			forget(&m);
	}
	if (d)
		closedir(d);
}

struct found {
	const char *which;
	struct machine m;
	int n;
};

static void match(struct machine *m, void *arg)
{
	struct found *f = arg;
	char pid[16];

	snprintf(pid, sizeof(pid), "%lld", number_of(m, "pid"));
	if (strcmp(f->which, text_of(m, "name")) && strcmp(f->which, pid)) {
		forget(m);
		return;
	}
	if (f->n++)
		forget(&f->m);
	f->m = *m;
}

/** machine_find() - the one of that name or process, or die. */
struct machine machine_find(const char *which)
{
	struct found f = { .which = which };

	each_machine(match, &f);
	if (!f.n)
		die("no machine %s runs here; lodge ps lists those that do", which);
	if (f.n > 1)
		die("%d machines are called %s: lodge ps has their process numbers", f.n,
		    which);
	return f.m;
}

/** machine_must() - the answer of @which is that it's done, or die. */
void machine_must(json_t *reply, const char *which)
{
	if (!reply)
		die("%s doesn't answer", which);
	if (!is_ok(reply))
		die("%s: %s", which,
		    json_string_value(json_object_get(reply, "error")) ?: "refused");
}

static void must(struct machine *m, const char *which, const char *what)
{
	json_t *reply = ask(m->fd, which, what);

	machine_must(reply, which);
	json_decref(reply);
}

static void print_row(struct machine *m, void *arg)
{
	long long up = number_of(m, "seconds");
	char since[32];

	if (arg) {
		json_object_del(m->status, "ok");
		json_array_append(arg, m->status);
		forget(m);
		return;
	}
	snprintf(since, sizeof(since), "%lld:%02lld:%02lld", up / 3600, up / 60 % 60, up % 60);
	printf("%-20s %8lld  %-8s %4lld %8lldM  %s\n", text_of(m, "name"), number_of(m, "pid"),
	       text_of(m, "state"), number_of(m, "cpus"),
	       number_of(m, "memory") / (long long)MIB, since);
	forget(m);
}

static int list(bool as_json)
{
	json_t *all = as_json ? json_array() : NULL;

	if (!as_json)
		printf("%-20s %8s  %-8s %4s %9s  %s\n", "NAME", "PID", "STATE", "CPUS",
		       "MEMORY", "UP");
	each_machine(print_row, all);
	if (all) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	return 0;
}

/* Whether it ended within that time: its end of the socket is closed then. */
static bool ends_within(int fd, int seconds)
{
	struct timespec until = seconds_from_now(seconds);
	bool ended = false;
	char buf[64];

	while (!ended && comes_until(fd, &until))
		ended = recv(fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0;
	progress_end();
	return ended;
}

static int stop(const char *which, int seconds)
{
	struct machine m = machine_find(which);

	if (seconds) {
		must(&m, which, "powerdown");
		progress_begin(seconds, "waiting for %s to power off", which);
		if (ends_within(m.fd, seconds))
			return 0;
		warn("%s didn't power off in %d seconds: it is ended", which, seconds);
	}
	must(&m, which, "quit");
	progress_begin(ANSWER_SECONDS, "waiting for %s to end", which);
	if (!ends_within(m.fd, ANSWER_SECONDS))
		die("%s doesn't end; its process is %lld", which, number_of(&m, "pid"));
	return 0;
}

static struct termios cooked;
static bool is_raw;

static void make_cooked(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &cooked);
	is_raw = false;
}

static void on_signal(int sig)
{
	make_cooked();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void make_raw(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct termios raw;
	unsigned int i;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &cooked))
		return;
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], on_signal);
	raw = cooked;
	cfmakeraw(&raw);
	is_raw = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	fputs("attached; Ctrl-A d detaches\r\n", stderr);
}

/* Keys go to the guest, but for the escape; false: to detach. */
static bool type(int fd, bool *escaped)
{
	char in[256], out[sizeof(in)];
	ssize_t n = read(STDIN_FILENO, in, sizeof(in)), i, k = 0;

	if (n <= 0) {
		*escaped = true;
		return true;
	}
	for (i = 0; i < n; i++) {
		if (*escaped && in[i] == 'd')
			return false;
		if (!*escaped && in[i] == ESCAPE && is_raw) {
			*escaped = true;
			continue;
		}
		*escaped = false;
		out[k++] = in[i];
	}
	return write_all(fd, out, k) >= 0;
}

/* The one way of calling it is gdb's: target remote | lodge debug MACHINE. */
static int debug(const char *which)
{
	struct machine m = machine_find(which);
	struct pollfd p[2] = { { m.fd, POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };
	char buf[4096];
	ssize_t n = 1;

	if (isatty(STDIN_FILENO))
		die("this is for gdb: (gdb) target remote | lodge debug %s", which);
	must(&m, which, "debug");
	while (n > 0 && (poll(p, 2, -1) > 0 || errno == EINTR)) {
		if (p[0].revents) {
			n = read(m.fd, buf, sizeof(buf));
			if (n > 0)
				n = write_all(STDOUT_FILENO, buf, n);
		} else if (p[1].revents) {
			n = read(STDIN_FILENO, buf, sizeof(buf));
			if (n > 0)
				n = write_all(m.fd, buf, n);
		}
	}
	return 0;
}

static int attach(const char *which)
{
	struct machine m = machine_find(which);
	struct pollfd p[2] = { { m.fd, POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };
	bool escaped = false, input = true;
	char buf[4096];
	ssize_t n;

	must(&m, which, "console");
	make_raw();
	while (poll(p, input ? 2 : 1, -1) > 0 || errno == EINTR) {
		if (p[0].revents) {
			n = recv(m.fd, buf, sizeof(buf), MSG_DONTWAIT);
			if (!n || (n < 0 && errno != EAGAIN && errno != EINTR) ||
			    (n > 0 && write_all(STDOUT_FILENO, buf, n) < 0))
				break;
		}
		if (input && p[1].revents) {
			bool before = escaped;

			if (!type(m.fd, &escaped))
				break;
			/* The end of what there was to type, not of the output. */
			if (escaped && !before && !is_raw)
				input = false;
		}
	}
	make_cooked();
	return 0;
}

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "timeout", required_argument, NULL, 't' },
	{ "force", no_argument, NULL, 'f' },
	{ 0 }
};

static const struct {
	const char *word;
	const char *options;	/* of those above */
	bool name;
} verbs[] = {
	{ "ps", "j", false },
	{ "pause", "", true },
	{ "resume", "", true },
	{ "stop", "tf", true },
	{ "console", "", true },
	{ "debug", "", true },
};

/** client_knows() - whether @word is for client_main(). */
bool client_knows(const char *word)
{
	unsigned int i;

	if (!strcmp(word, "device"))
		return true;
	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(word, verbs[i].word))
			return true;
	return false;
}

/**
 * client_main() - do one of these things
 * @argc: how many words
 * @argv: the first one is what client_knows()
 *
 * Return: the status for exit(); or it dies.
 */
int client_main(int argc, char *argv[])
{
	unsigned int v = 0;
	unsigned long n = STOP_SECONDS;
	bool as_json = false;
	struct machine m;
	int opt;

	if (!strcmp(argv[0], "device"))
		return device_main(argc, argv);
	while (strcmp(argv[0], verbs[v].word))
		v++;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == '?' || !strchr(verbs[v].options, opt))
			die("lodge %s: %s: unknown, or lacks its value; lodge --help", argv[0],
			    argv[optind - 1]);
		if (opt == 't' && (parse_uint(optarg, 86400, &n) || !n))
			die("--timeout %s: seconds are wanted, 1 to 86400", optarg);
		if (opt == 'f')
			n = 0;
		as_json |= opt == 'j';
	}
	if (argc - optind != verbs[v].name)
		die("lodge %s: %s is wanted; lodge --help", argv[0],
		    verbs[v].name ? "the name of one machine, or its process number," :
				    "nothing else");
	if (!verbs[v].name)
		return list(as_json);
	if (!strcmp(argv[0], "stop"))
		return stop(argv[optind], n);
	if (!strcmp(argv[0], "console"))
		return attach(argv[optind]);
	if (!strcmp(argv[0], "debug"))
		return debug(argv[optind]);
	m = machine_find(argv[optind]);
	must(&m, argv[optind], argv[0]);
	return 0;
}
