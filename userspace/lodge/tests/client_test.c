// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a person sees of lodge stop, device del and console on a terminal. The machine is only
 * its control socket; each command is a child with a terminal of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "lodge.h"
#include "tap.h"
#include "util.h"

#define ID	"a-disk-called-so"

static char dir[32];
static int listener;
static bool obedient;		/* the guest powers off when it is asked to */
static char keys[64];		/* that came from the console */
static size_t nkeys;
static bool attached;

static void say(int fd, const char *text)
{
	if (write_all(fd, text, strlen(text)) < 0)
		die("cannot write");
}

static void console(int fd)
{
	ssize_t n;

	attached = true;
	say(fd, "hello");
	while ((n = read(fd, keys + nkeys, sizeof(keys) - 1 - nkeys)) > 0)
		nkeys += n;
	attached = false;
}

/* One connection, a request in one piece. */
static void *serve(void *arg)
{
	int fd = (intptr_t)arg;
	char line[256];
	ssize_t n;

	while ((n = read(fd, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		if (strstr(line, "device-del"))
			usleep(3400000);
		if (strstr(line, "status"))
			say(fd, "{\"ok\":true,\"name\":\"m\",\"pid\":1,\"state\":\"running\"}\n");
		else
			say(fd, "{\"ok\":true}\n");
		if (strstr(line, "console"))
			console(fd);
		if (strstr(line, "quit") || (strstr(line, "powerdown") && obedient))
			break;
	}
	close(fd);
	return NULL;
}

static void *machine(void *arg)
{
	pthread_t thread;
	intptr_t fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0)
		pthread_create(&thread, NULL, serve, (void *)fd);
	return arg;
}

static void make_machine(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	pthread_t thread;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/1.sock", dir);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) || listen(listener, 8))
		die("cannot listen at %s", addr.sun_path);
	pthread_create(&thread, NULL, machine, NULL);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* What was started on a terminal. */
static struct {
	pid_t pid;
	int tty;
	char seen[4096];	/* all that the terminal was sent */
	size_t n;
	double began, first;	/* when it was, and when the first of that came */
	char said[512];		/* standard error, where that isn't the terminal */
} cmd;

/* @err: its standard error, if that isn't the terminal; words, and NULL, follow. */
static void start(int (*run)(int argc, char *argv[]), int err, unsigned short columns, ...)
{
	struct winsize size = { 24, columns, 0, 0 };
	char *argv[8];
	int argc = 0;
	va_list ap;

	va_start(ap, columns);
	while ((argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	fflush(stdout);
	cmd.n = 0;
	cmd.first = 0;
	cmd.began = now();
	cmd.pid = forkpty(&cmd.tty, NULL, NULL, &size);
	if (cmd.pid < 0)
		die("no terminal: %s", strerror(errno));
	if (cmd.pid)
		return;
	if (err >= 0)
		dup2(err, STDERR_FILENO);
	_exit(run(argc, argv));
}

/* Some of what it writes, until it is @want, or the end of all (NULL). */
static bool sees(const char *want)
{
	struct pollfd p = { .fd = cmd.tty, .events = POLLIN };

	do {
		ssize_t n = 0;

		if (poll(&p, 1, 10000) > 0)
			n = read(cmd.tty, cmd.seen + cmd.n, sizeof(cmd.seen) - 1 - cmd.n);
		if (n <= 0)
			return !want;
		if (!cmd.first)
			cmd.first = now();
		cmd.n += n;
		cmd.seen[cmd.n] = 0;
	} while (!want || !strstr(cmd.seen, want));
	return true;
}

/* Its status, or -1 if a signal ended it. */
static int ended(void)
{
	int status;

	cmd.seen[cmd.n] = 0;
	sees(NULL);
	waitpid(cmd.pid, &status, 0);
	close(cmd.tty);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_stop(void)
{
	const char *text = "\rwaiting for m to power off, 2 of 4 s\r"
			   "waiting for m to power off, 3 of 4 s\r";
	int words = memfd_create("said", 0);
	ssize_t n;

	start(client_main, -1, 80, "stop", "--timeout", "4", "m", NULL);
	check(!ended(), "a machine that doesn't power off is stopped");
	check(cmd.first - cmd.began > 1.9, "nothing is said for two seconds");
	check(!strncmp(cmd.seen, text, strlen(text)), "then it is, once a second, in one line");
	check(strstr(cmd.seen, "    \rlodge: m didn't power off in 4 seconds: it is ended\r\n"),
	      "and the line is free for what follows");
	start(client_main, words, 80, "stop", "--timeout", "3", "m", NULL);
	check(!ended() && !cmd.n, "where standard error is no terminal");
	n = pread(words, cmd.said, sizeof(cmd.said) - 1, 0);
	cmd.said[n > 0 ? n : 0] = 0;
	check(!strcmp(cmd.said, "lodge: m didn't power off in 3 seconds: it is ended\n"),
	      "only what happens is said");
	obedient = true;
	start(client_main, -1, 80, "stop", "m", NULL);
	check(!ended() && !cmd.n, "nothing, if it doesn't take long");
	close(words);
}

/* The longest line, of what was written over other lines. */
static size_t longest(const char *text)
{
	size_t n, most = 0;

	for (; *text; text += n + !!text[n]) {
		n = strcspn(text, "\r\n");
		most = n > most ? n : most;
	}
	return most;
}

static void test_del(void)
{
	start(client_main, -1, 40, "device", "del", "m", ID, NULL);
	check(!ended(), "a device is removed, when the guest has let go of it");
	check(strstr(cmd.seen, "waiting for m to let go"), "which one sees it wait for");
	check(strstr(cmd.seen, ", 2 of 30 s\r") && strstr(cmd.seen, ", 3 of 30 s\r"),
	      "with the time");
	check(longest(cmd.seen) == 39, "in what a narrow terminal has room for");
	check(cmd.n > 40 && !strcmp(cmd.seen + cmd.n - 5, "    \r"), "and that is all");
}

static bool is_raw(const struct termios *t)
{
	return !(t->c_lflag & (ICANON | ECHO | ISIG));
}

static bool soon(const bool *flag, bool value)
{
	int i;

	for (i = 0; i < 1000 && *(const volatile bool *)flag != value; i++)
		usleep(10000);
	return *flag == value;
}

static int write_one(int argc, char *argv[])
{
	return write_all(open_output(argv[argc - 1]), "x", 1) != 1;
}

/* What a machine waits for before it runs. */
static void test_fifo(void)
{
	char path[64], byte = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/fifo", dir);
	if (mkfifo(path, 0600))
		die("no FIFO");
	start(write_one, -1, 200, path, NULL);
	check(sees("waiting for who reads /tmp/") && sees(", 3 s"), "a FIFO is waited for");
	fd = open(path, O_RDONLY);
	check(read(fd, &byte, 1) == 1 && byte == 'x' && !ended(), "until somebody reads it");
	check(!strcmp(cmd.seen + cmd.n - 5, "    \r"), "and nothing of that stays");
	close(fd);
	unlink(path);
}

/* How each terminal is that nobody has touched. */
static struct termios untouched(void)
{
	struct termios t;
	int master, slave;

	if (openpty(&master, &slave, NULL, NULL, NULL) || tcgetattr(slave, &t))
		die("no terminal: %s", strerror(errno));
	close(master);
	close(slave);
	return t;
}

static void test_console(int sig)
{
	struct termios before = untouched(), during, after;
	char name[64];
	int held, status;

	nkeys = 0;
	start(client_main, -1, 80, "console", "m", NULL);
	if (ptsname_r(cmd.tty, name, sizeof(name)))
		die("no name");
	/* It can be looked at when the child has ended. */
	held = open(name, O_RDWR | O_NOCTTY);
	check(sees("hello") && strstr(cmd.seen, "attached; Ctrl-A d detaches\r\n"),
	      "a console, and the way out of it");
	tcgetattr(held, &during);
	check(is_raw(&during), "keys are the guest's");
	if (sig) {
		kill(cmd.pid, sig);
	} else {
		say(cmd.tty, "a\003\001\001d");
		for (status = 0; status < 1000 && nkeys < 4; status++)
			usleep(10000);
		check(attached && !memcmp(keys, "a\003\001d", 4),
		      "Ctrl-C, too, and Ctrl-A if it's typed twice");
		say(cmd.tty, "\001");
		usleep(100000);
		say(cmd.tty, "dx");
	}
	waitpid(cmd.pid, &status, 0);
	if (sig)
		check(WIFSIGNALED(status) && WTERMSIG(status) == sig, "signal %d ends it", sig);
	else
		check(WIFEXITED(status) && !WEXITSTATUS(status), "Ctrl-A d detaches");
	tcgetattr(held, &after);
	check(after.c_lflag == before.c_lflag && after.c_iflag == before.c_iflag &&
	      after.c_oflag == before.c_oflag, "the terminal is as before");
	check(soon(&attached, false) && nkeys == (sig ? 0 : 4), "and the machine was told nothing more");
	close(held);
	close(cmd.tty);
}

int main(void)
{
	char path[64];

	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	strcpy(dir, "/tmp/lodge-client-XXXXXX");
	if (!mkdtemp(dir) || setenv("LODGE_RUNTIME_DIR", dir, 1) || setenv("TERM", "xterm", 1))
		return 1;
	make_machine();
	test_stop();
	test_del();
	test_fifo();
	test_console(0);
	test_console(SIGTERM);
	test_console(SIGHUP);
	snprintf(path, sizeof(path), "%s/1.sock", dir);
	unlink(path);
	rmdir(dir);
	return done();
}
