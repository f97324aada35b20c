// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal: raw while the guest runs, put back whatever ends the run, and
 * what is said of a signal. Each case is a child with a terminal of its own.
 */
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "lodge.h"
#include "tap.h"
#include "term.h"
#include "util.h"

static const struct config no_vcpus;
static struct vm vm = { .cfg = &no_vcpus };
static char said[512];	/* the last child's standard error */
static uint8_t keys[64];
static size_t nkeys, room = sizeof(keys);

static size_t sink(void *dev, const uint8_t *data, size_t len)
{
	size_t n = len < room ? len : room;

	(void)dev;
	memcpy(keys + nkeys, data, n);
	nkeys += n;
	room -= n;
	/* The last key of a case: all is there. */
	if (memchr(keys, '!', nkeys))
		loop_stop(&vm.loop);
	return n;
}

static void begin(void)
{
	loop_init(&vm.loop);
	term_start(&vm, sink, NULL, NULL);
}

static void *crash_in_thread(void *arg)
{
	raise(*(int *)arg);
	return NULL;
}

static void *make_room(void *arg)
{
	for (;;) {
		usleep(10000);
		room = 2;
		term_kick();
	}
	return arg;
}

/* What a child does; the status it ends with is for the parent to judge. */
static int child(const char *how, int sig)
{
	pthread_t thread;

	begin();
	/* Tell the parent that the terminal is raw. */
	if (write(STDOUT_FILENO, "R", 1) != 1)
		return 1;
	if (!strcmp(how, "die"))
		die("on purpose");
	if (!strcmp(how, "exit"))
		exit(3);
	/* A machine without vCPUs runs until the signal. */
	if (!strcmp(how, "signal"))
		return vm_run(&vm);
	if (!strcmp(how, "thread")) {
		pthread_create(&thread, NULL, crash_in_thread, &sig);
		pthread_join(thread, NULL);
	}
	if (!strcmp(how, "keys") || !strcmp(how, "slow")) {
		/* A guest with a FIFO of two, emptied by another thread. */
		room = strcmp(how, "slow") ? room : 2;
		pthread_create(&thread, NULL, make_room, NULL);
		loop_run(&vm.loop);
		return nkeys == 5 && !memcmp(keys, "a\001\003b!", 5) ? 7 : 8;
	}
	for (;;)
		pause();
}

/* Run a child; true if it was raw meanwhile and is cooked after its end. */
static bool restored(const char *how, int sig, const char *typed, int *status)
{
	struct termios before, during, after;
	int master, slave, words = memfd_create("said", 0);
	bool ok, raw = sig && strcmp(how, "thread");
	ssize_t n;
	pid_t pid;
	char c;

	if (openpty(&master, &slave, NULL, NULL, NULL))
		abort();
	tcgetattr(slave, &before);
	pid = fork();
	if (!pid) {
		login_tty(slave);
		dup2(words, STDERR_FILENO);
		exit(child(how, sig));
	}
	do {
		ok = read(master, &c, 1) == 1;
	} while (ok && c != 'R');
	tcgetattr(slave, &during);
	if (typed && write(master, typed, strlen(typed)) < 0)
		abort();
	/* Nothing hears one that is stuck but a second signal. */
	if (raw)
		kill(pid, sig);
	while (!strcmp(how, "stuck") && !waitpid(pid, status, WNOHANG)) {
		usleep(10000);
		kill(pid, sig);
	}
	waitpid(pid, status, 0);
	n = pread(words, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = 0;
	close(words);
	tcgetattr(slave, &after);
	close(master);
	close(slave);
	ok = ok && after.c_lflag == before.c_lflag &&
		after.c_iflag == before.c_iflag &&
		after.c_oflag == before.c_oflag;
	/* The quick ones may be cooked again before they are looked at. */
	if (raw)
		ok = ok && !(during.c_lflag & (ICANON | ECHO | ISIG));
	return ok;
}

int main(void)
{
	static const int requests[] = { SIGTERM, SIGINT, SIGHUP };
	static const int fatal[] = { SIGQUIT, SIGSEGV, SIGBUS, SIGABRT };
	char words[128];
	unsigned int i;
	int status;

	/* Ignored where a shell has put all of this into the background. */
	for (i = 0; i < ARRAY_SIZE(requests); i++)
		signal(requests[i], SIG_DFL);
	for (i = 0; i < ARRAY_SIZE(fatal); i++)
		signal(fatal[i], SIG_DFL);
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		int sig = requests[i];

		check(restored("signal", sig, NULL, &status) &&
		      WIFSIGNALED(status) && WTERMSIG(status) == sig,
		      "restored after signal %d, which still kills", sig);
		snprintf(words, sizeof(words),
			 "lodge: ended by signal %d (%s)\n", sig,
			 strsignal(sig));
		check(!strcmp(said, words), "and is said: %.*s",
		      (int)strcspn(said, "\n"), said);
		check(restored("stuck", sig, NULL, &status) &&
		      WIFSIGNALED(status) && WTERMSIG(status) == sig,
		      "a second signal %d does not wait", sig);
	}
	for (i = 0; i < ARRAY_SIZE(fatal); i++)
		check(restored("fatal", fatal[i], NULL, &status) &&
		      WIFSIGNALED(status) && WTERMSIG(status) == fatal[i],
		      "restored after signal %d, which still kills", fatal[i]);
	check(restored("thread", SIGABRT, NULL, &status) &&
	      WIFSIGNALED(status), "restored when a thread crashes");
	check(restored("die", 0, NULL, &status) &&
	      WEXITSTATUS(status) == STATUS_FAILED, "restored by die()");
	check(restored("exit", 0, NULL, &status) && WEXITSTATUS(status) == 3,
	      "restored by exit()");
	restored("keys", 0, "a\001a\003b!", &status);
	check(WEXITSTATUS(status) == 7,
	      "keys arrive, Ctrl-C too, and Ctrl-A by its escape");
	restored("slow", 0, "a\001a\003b!", &status);
	check(WEXITSTATUS(status) == 7,
	      "they wait for a guest that takes two at a time");
	return done();
}
