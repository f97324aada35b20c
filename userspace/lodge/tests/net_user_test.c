// SPDX-License-Identifier: GPL-2.0-only
/*
 * passt is started: where it couldn't listen it isn't, and one that ends at once is told of.
 * What is started here instead of it is a script. Each case is a child, which may die.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"
#include "options.h"
#include "tap.h"
#include "util.h"

#define NOBODY	65534

static char dir[32];
static char said[1024];		/* the last child's standard error */

/* A socket that has a port of that address, which is filled in if it is 0. */
static int take(int type, const char *address, unsigned int *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(*port) };
	int fd = socket(AF_INET, type, 0), one = 1;
	socklen_t len = sizeof(addr);

	inet_pton(AF_INET, address, &addr.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, len) ||
	    (type == SOCK_STREAM && listen(fd, 1)) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		die("no port: %s", strerror(errno));
	*port = ntohs(addr.sin_port);
	return fd;
}

static void write_passt(const char *script)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/passt", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (fd < 0 || write_all(fd, script, strlen(script)) < 0 || fchmod(fd, 0755))
		die("cannot write %s", path);
	close(fd);
}

static void child(const char *words, bool heard, uid_t uid)
{
	static struct config cfg;
	struct device_files files = { .child = -1, .words = -1 };
	char *copy = strdup(words), why[WHY_SIZE];

	if (net_option(&cfg, copy, why, sizeof(why)))
		die("%s", why);
	if (uid && setresuid(uid, -1, -1))
		die("not root");
	net_user_open(&cfg.net[0], heard ? STDERR_FILENO : -1, &files);
	if (net_lost(&files, 200, "elsewhere", why))
		die("%s", why);
	_exit(0);
}

/* Whether passt was started, and runs. */
static bool opens(const char *words, bool heard, uid_t uid)
{
	int err = memfd_create("said", 0), status;
	ssize_t n;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		dup2(err, STDERR_FILENO);
		child(words, heard, uid);
	}
	waitpid(pid, &status, 0);
	n = pread(err, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = 0;
	close(err);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void test_ports(void)
{
	unsigned int tcp = 0, udp = 0, none = 0;
	int fd = take(SOCK_STREAM, "127.0.0.1", &tcp), datagrams, freed;
	char words[128], want[128];

	freed = take(SOCK_STREAM, "127.0.0.1", &none);
	close(freed);
	snprintf(words, sizeof(words), "user,tcp=%u:22,udp=%u", none, none);
	check(opens(words, true, 0) && !*said, "ports that are free");
	snprintf(words, sizeof(words), "user,tcp=%u:22", tcp);
	snprintf(want, sizeof(want), "lodge: cannot listen at 127.0.0.1, port %u: Address already in use\n",
		 tcp);
	check(!opens(words, true, 0) && !strcmp(said, want), "one that is taken");
	snprintf(words, sizeof(words), "user,udp=%u", tcp);
	check(opens(words, true, 0), "by TCP; not by UDP");
	snprintf(words, sizeof(words), "user,tcp=%u-%u", tcp - 1, tcp + 1);
	check(!opens(words, true, 0) && strstr(said, "in use"), "one of a range");
	snprintf(words, sizeof(words), "user,tcp=0.0.0.0/%u", tcp);
	check(!opens(words, true, 0) && strstr(said, "0.0.0.0"), "at one of all addresses");
	snprintf(words, sizeof(words), "user,tcp=127.0.0.2/%u", tcp);
	check(opens(words, true, 0), "it is free at another one");
	datagrams = take(SOCK_DGRAM, "127.0.0.1", &udp);
	snprintf(words, sizeof(words), "user,udp=%u", udp);
	check(!opens(words, true, 0) && strstr(said, "in use"),
	      "one of UDP, by somebody who would share it");
	check(!opens("user,tcp=203.0.113.77/4000", true, 0) && strstr(said, "203.0.113.77"),
	      "an address that isn't the host's");
	close(fd);
	close(datagrams);
}

/* It is the user who listens, not root, who starts it. */
static void test_privilege(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	unsigned int first = 0, port = 1;

	if (!f || fscanf(f, "%u", &first) != 1 || first < 2) {
		check(true, "a port that is root's # SKIP there is none");
	} else {
		check(!opens("user,tcp=1", true, getuid() ? 0 : NOBODY) &&
		      strstr(said, "port 1: Permission denied; root may"),
		      "a port that is root's");
	}
	if (!getuid()) {
		close(take(SOCK_STREAM, "127.0.0.1", &port));
		check(opens("user,tcp=1", true, 0), "root has it");
	}
	if (f)
		fclose(f);
}

static void test_end(void)
{
	char path[64];

	write_passt("#!/bin/sh\necho first >&2\necho no way out >&2\nexit 1\n");
	check(!opens("user", false, 0) &&
	      !strcmp(said, "lodge: passt has ended at once: no way out\n"),
	      "one that ends at once, and what it says");
	check(!opens("user", true, 0) && strstr(said, "no way out\n") && strstr(said, "elsewhere"),
	      "where it was heard, that is told");
	write_passt("#!/bin/sh\nexit 0\n");
	check(!opens("user", false, 0) && strstr(said, "at once: elsewhere"), "one that says nothing");
	snprintf(path, sizeof(path), "%s/passt", dir);
	unlink(path);
	check(!opens("user", false, 0) && strstr(said, "is the package passt installed?"),
	      "none at all");
}

int main(void)
{
	strcpy(dir, "/tmp/lodge-passt-XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755))
		return 1;
	setenv("PATH", dir, 1);
	/* It ends with its socket. */
	write_passt("#!/bin/sh\nread -r frame <&3\n");
	test_ports();
	test_privilege();
	test_end();
	rmdir(dir);
	return done();
}
