// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket: what it answers, to whom, and what it makes of clients that are
 * not what they should be. The machine has no vCPUs.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "lodge.h"
#include "tap.h"
#include "term.h"
#include "util.h"

static const struct config cfg = { .name = "test", .cpus = 0, .memory = 64 * MIB };
static struct vm vm = { .cfg = &cfg };
static char dir[32];
static struct sockaddr_un addr = { .sun_family = AF_UNIX };
static char typed[4096];
static size_t ntyped, room;

/* KVM's, which has nothing to say. */
int ioctl(int fd, unsigned long cmd, ...)
{
	(void)fd;
	(void)cmd;
	return 0;
}

static size_t sink(void *dev, const uint8_t *data, size_t len)
{
	size_t n = len < room ? len : room;

	(void)dev;
	memcpy(typed + ntyped, data, n);
	ntyped += n;
	room -= n;
	return n;
}

static void *serve(void *arg)
{
	loop_run(&vm.loop);
	return arg;
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("cannot connect: %s", strerror(errno));
	return fd;
}

/* What comes within two seconds, as far as @want, or the end. */
static const char *heard(int fd, const char *want)
{
	static char buf[65536];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t n = 0;
	ssize_t got;

	buf[0] = 0;
	while (!strstr(buf, want) && poll(&p, 1, 2000) > 0) {
		got = recv(fd, buf + n, sizeof(buf) - 1 - n, 0);
		if (got <= 0)
			break;
		n += got;
		buf[n] = 0;
	}
	return buf;
}

static void say(int fd, const char *text)
{
	if (write_all(fd, text, strlen(text)) < 0)
		die("cannot write");
}

static bool answers(int fd, const char *text, const char *want)
{
	say(fd, text);
	return strstr(heard(fd, "}\n"), want);
}

static void requests(void)
{
	int fd = client(), other, i;

	check(answers(fd, "{\"do\":\"status\"}\n", "\"name\":\"test\""), "status says the name");
	check(answers(fd, " { \"do\" : \"status\" }\n", "\"state\":\"running\""),
	      "and the state, whatever the spaces");
	check(answers(fd, "nonsense\n", "\"ok\":false"), "no JSON");
	check(answers(fd, "[]\n", "a string, is wanted"), "no object");
	check(answers(fd, "{\"do\":1}\n", "a string, is wanted"), "no string");
	check(answers(fd, "{\"do\":\"dance\"}\n", "is wanted"), "no word that it knows");
	check(answers(fd, "{\"do\":\"status\",\"x\":1}\n", "something beside"), "a word too many");
	check(answers(fd, "{\"do\":\"pause\",\"do\":\"status\"}\n", "\"ok\":false"), "one twice");
	check(answers(fd, "\n", "\"ok\":false"), "an empty line");
	check(answers(fd, "{\"do\":\"debug\"}\n", "\"ok\":true"), "a debugger can be had");
	say(fd, "$qC#b4");
	check(strstr(heard(fd, "#"), "+$QC1#"), "and talks gdb's language");
	close(fd);
	fd = client();
	for (i = 0; i < 100 && !answers(fd, "{\"do\":\"debug\"}\n", "\"ok\":true"); i++)
		usleep(10000);
	check(i < 100, "so can the next");
	other = client();
	check(answers(other, "{\"do\":\"debug\"}\n", "it has a debugger"), "one at a time");
	check(answers(other, "{\"do\":\"resume\"}\n", "a debugger has stopped it"),
	      "which has it stopped");
	close(fd);
	close(other);
	fd = client();
	say(fd, "{\"do\":\"sta");
	check(answers(fd, "tus\"}\n", "\"ok\":true"), "a request in pieces");
	say(fd, "{\"do\":\"status\"}\n{\"do\":\"dance\"}\n");
	check(strstr(heard(fd, "false"), "\"ok\":true"), "two at once, in order");
	close(fd);
}

static void too_long(void)
{
	char line[2 * CONTROL_LINE_MAX];
	int fd = client();

	memset(line, 'x', sizeof(line));
	/* It may be gone before all is written. */
	(void)!send(fd, line, sizeof(line), MSG_NOSIGNAL);
	check(strstr(heard(fd, "}\n"), "too long") || errno == ECONNRESET,
	      "a line without an end is refused");
	close(fd);
	fd = client();
	check(answers(fd, "{\"do\":\"status\"}\n", "\"ok\":true"), "and others are served");
	close(fd);
}

static void console(void)
{
	char line[700];
	int one, two, i;

	control_output("before", 6);
	one = client();
	say(one, "{\"do\":\"console\"}\n");
	check(!strcmp(heard(one, "before"), "{\"ok\":true}\nbefore"),
	      "a console can be had, with what was written before");
	control_output("after", 5);
	check(strstr(heard(one, "after"), "after"), "what is written now is shown");
	two = client();
	check(answers(two, "{\"do\":\"console\"}\n", "somebody else"), "by one at a time");
	room = 3;
	say(one, "keys");
	for (i = 0; i < 100 && ntyped < 3; i++)
		usleep(10000);
	check(ntyped == 3 && !memcmp(typed, "key", 3), "keys go to the guest as it takes them");
	memset(line, 'z', sizeof(line));
	line[sizeof(line) - 1] = '!';
	(void)!write(one, line, sizeof(line));
	for (i = 0; i < 1000 && !memchr(typed, '!', ntyped); i++) {
		room = 100;
		term_kick();
		usleep(2000);
	}
	check(ntyped == 4 + sizeof(line) && typed[3] == 's', "all of them, in order");
	/* Nobody reads, and the guest goes on. */
	for (i = 0; i < 20000; i++)
		control_output("0123456789012345678901234567890123456789012345678901234567890123", 64);
	check(true, "a client that doesn't read keeps nobody");
	close(one);
	usleep(50000);
	say(two, "{\"do\":\"console\"}\n");
	check(strlen(heard(two, "no such thing")) >= 16 * KIB,
	      "the next one has it, with 16 KiB of what was");
	close(two);
}

static int entries(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

int main(void)
{
	pthread_t thread;
	int fd, keys[2];
	char bad[64];

	strcpy(dir, "/tmp/lodge-control-XXXXXX");
	if (!mkdtemp(dir) || pipe(keys) || dup2(keys[0], STDIN_FILENO) < 0)
		return 1;
	setenv("LODGE_RUNTIME_DIR", dir, 1);
	loop_init(&vm.loop);
	pthread_mutex_init(&vm.pause.lock, NULL);
	pthread_cond_init(&vm.pause.changed, NULL);
	term_start(&vm, sink, NULL, NULL);
	chmod(dir, 0777);
	control_create(&vm, false);
	check(entries() == 0, "a directory that others can write to is not used");
	chmod(dir, 0700);
	control_create(&vm, true);
	check(entries() == 1, "a socket is there");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%d.sock", dir, getpid());
	pthread_create(&thread, NULL, serve, NULL);
	requests();
	too_long();
	console();
	fd = client();
	check(answers(fd, "{\"do\":\"quit\"}\n", "\"ok\":true"), "quit is answered");
	pthread_join(thread, NULL);
	check(vm.loop.stopped, "and ends the machine");
	control_close();
	check(entries() == 0, "the socket is gone");
	rmdir(dir);
	snprintf(bad, sizeof(bad), "%s/none", dir);
	setenv("LODGE_RUNTIME_DIR", bad, 1);
	check(!control_dir(bad, sizeof(bad), true), "a directory that can't be made is said");
	return done();
}
