// SPDX-License-Identifier: GPL-2.0-only
/*
 * The person's terminal. It is raw while the guest runs and put back
 * whatever ends the run: a normal exit, die(), or a signal that would end or
 * stop the process (all but SIGKILL, which nobody sees). SIGTERM, SIGINT and
 * SIGHUP, with or without a terminal, are requests: they stop the machine, and
 * what it was doing is said. The second one does not wait for that.
 *
 * Ctrl-A is the escape: then x quits, p presses the power button, b sends a
 * break, a sends Ctrl-A itself, h helps.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "control.h"
#include "lodge.h"
#include "term.h"
#include "util.h"

#define ESCAPE	0x01	/* Ctrl-A */

static const int request_signals[] = { SIGHUP, SIGINT, SIGTERM };
static const int fatal_signals[] = {
	SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGXCPU,
	SIGXFSZ, SIGALRM, SIGUSR2,
};

static struct {
	struct vm *vm;
	term_sink_t *sink;
	void *dev;
	struct serial *breaks;
	struct watch input;
	struct watch kick;
	struct watch request;
	volatile sig_atomic_t requested;	/* a signal, for the loop */
	bool escaped;
	uint8_t pending[256];	/* read, but not yet taken by the guest */
	size_t npending;
	struct termios cooked, raw;
	volatile sig_atomic_t is_raw;
} term;

/** term_is_raw() - does a line need its own carriage return? */
bool term_is_raw(void)
{
	return term.is_raw;
}

/** term_restore() - give the terminal back. Safe in a signal handler. */
void term_restore(void)
{
	int saved = errno;

	if (term.is_raw) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &term.cooked);
		term.is_raw = 0;
	}
	errno = saved;
}

/* The default action of the signal follows, with the terminal restored. */
static void on_fatal(int sig)
{
	term_restore();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Words and locks are for the loop, not for a handler. */
static void on_request(int sig)
{
	int saved = errno;

	if (term.requested)
		on_fatal(sig);
	term.requested = sig;
	event_signal(term.request.fd);
	errno = saved;
}

static void on_requested(void *arg)
{
	int sig = term.requested;

	(void)arg;
	event_clear(term.request.fd);
	vm_stop(term.vm, STATUS_SIGNAL + sig, "ended by signal %d (%s)", sig,
		strsignal(sig));
}

static void handle_requests(void)
{
	struct sigaction sa = { .sa_handler = on_request,
				.sa_flags = SA_RESTART }, old;
	size_t i;

	term.request = (struct watch){ event_create(), on_requested, NULL };
	loop_add(&term.vm->loop, &term.request);
	for (i = 0; i < ARRAY_SIZE(request_signals); i++) {
		/* nohup and a shell's & have some of them ignored. */
		sigaction(request_signals[i], NULL, &old);
		if (old.sa_handler != SIG_IGN)
			sigaction(request_signals[i], &sa, NULL);
	}
}

/* Stopped from outside: cooked while the shell has the terminal. */
static void on_stop(int sig)
{
	(void)sig;
	term_restore();
	raise(SIGSTOP);
	if (!tcsetattr(STDIN_FILENO, TCSANOW, &term.raw))
		term.is_raw = 1;
}

static void set_handlers(void)
{
	struct sigaction sa = { .sa_handler = on_fatal,
				.sa_flags = SA_NODEFER };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fatal_signals); i++)
		sigaction(fatal_signals[i], &sa, NULL);
	sa.sa_handler = on_stop;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGTSTP, &sa, NULL);
	atexit(term_restore);
}

static void escape(uint8_t key)
{
	switch (key) {
	case 'x':
		vm_stop(term.vm, STATUS_QUIT, "quit from the keyboard");
		break;
	case 'p':
		power_button(term.vm);
		break;
	case 'b':
		serial_break(term.breaks);
		break;
	case 'a':
	case ESCAPE:
		term.pending[term.npending++] = ESCAPE;
		break;
	default:
		warn("Ctrl-A x quits, p power button, b break, a Ctrl-A");
	}
}

static void deliver(void)
{
	size_t n = term.sink(term.dev, term.pending, term.npending);

	memmove(term.pending, term.pending + n, term.npending - n);
	term.npending -= n;
}

static void on_input(void *arg)
{
	uint8_t buf[sizeof(term.pending) / 2];
	ssize_t i, n;

	(void)arg;
	/* Of the same wait as keys from elsewhere: it comes again. */
	if (term.npending)
		return;
	n = read(STDIN_FILENO, buf, sizeof(buf));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		/* End of input ends nothing: the guest may work on alone. */
		loop_remove(&term.vm->loop, &term.input);
		return;
	}
	/* The escape is for people: a pipe's bytes all go to the guest. */
	for (i = 0; i < n; i++) {
		if (term.escaped) {
			term.escaped = false;
			escape(buf[i]);
		} else if (buf[i] == ESCAPE && term.is_raw) {
			term.escaped = true;
		} else {
			term.pending[term.npending++] = buf[i];
		}
	}
	deliver();
	if (term.npending)
		loop_remove(&term.vm->loop, &term.input);
}

static void on_kick(void *arg)
{
	(void)arg;
	event_clear(term.kick.fd);
	if (!term.npending)
		return;
	deliver();
	if (term.npending)
		return;
	loop_add(&term.vm->loop, &term.input);
	control_room();
}

/**
 * term_type() - keys that come from elsewhere
 * @data: the keys
 * @len: how many
 *
 * The loop's thread.
 *
 * Return: how many were taken; when fewer than @len, control_room() is called later.
 */
size_t term_type(const uint8_t *data, size_t len)
{
	if (term.npending)
		return 0;
	if (len > sizeof(term.pending))
		len = sizeof(term.pending);
	memcpy(term.pending, data, len);
	term.npending = len;
	deliver();
	if (term.npending)
		loop_remove(&term.vm->loop, &term.input);
	return len;
}

/** term_kick() - a sink has room again. Any thread. */
void term_kick(void)
{
	if (term.vm)
		event_signal(term.kick.fd);
}

/**
 * term_start() - standard input becomes the guest's keyboard
 * @vm: the machine
 * @sink: takes the keys
 * @dev: for @sink
 * @breaks: the serial line that a break goes to
 */
void term_start(struct vm *vm, term_sink_t *sink, void *dev,
		struct serial *breaks)
{
	term.vm = vm;
	term.sink = sink;
	term.dev = dev;
	term.breaks = breaks;
	term.input = (struct watch){ STDIN_FILENO, on_input, NULL };
	term.kick = (struct watch){ event_create(), on_kick, NULL };
	loop_add(&vm->loop, &term.kick);
	loop_add(&vm->loop, &term.input);
	handle_requests();

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &term.cooked))
		return;
	term.raw = term.cooked;
	cfmakeraw(&term.raw);
	set_handlers();
	if (tcsetattr(STDIN_FILENO, TCSANOW, &term.raw))
		die("cannot make the terminal raw: %s", strerror(errno));
	term.is_raw = 1;
}
