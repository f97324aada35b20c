// SPDX-License-Identifier: GPL-2.0-only
/*
 * The terminal: raw while the guest runs, put back whatever ends the run.
 * Each case is a child with a terminal of its own.
 */
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "lodge.h"
#include "tap.h"
#include "term.h"
#include "util.h"

static struct vm vm;
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
	int master, slave;
	bool ok;
	pid_t pid;
	char c;

	if (openpty(&master, &slave, NULL, NULL, NULL))
		abort();
	tcgetattr(slave, &before);
	pid = fork();
	if (!pid) {
		login_tty(slave);
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		exit(child(how, sig));
	}
	do {
		ok = read(master, &c, 1) == 1;
	} while (ok && c != 'R');
	tcgetattr(slave, &during);
	if (typed && write(master, typed, strlen(typed)) < 0)
		abort();
	if (!strcmp(how, "signal"))
		kill(pid, sig);
	waitpid(pid, status, 0);
	tcgetattr(slave, &after);
	close(master);
	close(slave);
	ok = ok && after.c_lflag == before.c_lflag &&
		after.c_iflag == before.c_iflag &&
		after.c_oflag == before.c_oflag;
	/* The quick ones may be cooked again before they are looked at. */
	if (!strcmp(how, "signal"))
		ok = ok && !(during.c_lflag & (ICANON | ECHO | ISIG));
	return ok;
}

int main(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT,
				       SIGSEGV, SIGBUS, SIGABRT };
	unsigned int i;
	int status;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		check(restored("signal", signals[i], NULL, &status) &&
		      WIFSIGNALED(status) && WTERMSIG(status) == signals[i],
		      "restored after signal %d, which still kills",
		      signals[i]);
	}
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
