// SPDX-License-Identifier: GPL-2.0-only
/*
 * What takes long is told to a person who waits for it: after two seconds one line on the
 * terminal says what that is and how long it has taken, each second anew, and is gone when
 * it is over. Who isn't at a terminal sees nothing of it.
 *
 * The line is written by a timer's signal, in whatever call the process waits. So there may
 * be no other thread, and whoever makes calls that a signal ends early begins them again.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"

#define SILENT_SECONDS	2
#define COLUMNS		80	/* of a terminal that doesn't say how many it has */
#define COLUMNS_MAX	256
#define NUMBERS_MAX	40	/* ", N of N s" */

static struct {
	bool on;
	char what[COLUMNS_MAX];
	unsigned int seconds;		/* that it may take, or 0 */
	struct timespec since;
	volatile sig_atomic_t shown;	/* how long the line is that the terminal has */
	struct sigaction before;
} progress;

static char *put_number(char *at, unsigned int n)
{
	char digits[10];
	int i = 0;

	do {
		digits[i++] = '0' + n % 10;
		n /= 10;
	} while (n);
	while (i)
		*at++ = digits[--i];
	return at;
}

/* As long as it has been, to the nearest second. */
static unsigned int seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ((now.tv_sec - then->tv_sec) * 1000LL + (now.tv_nsec - then->tv_nsec) / 1000000 +
		500) / 1000;
}

/* One line of the terminal, as much of it as fits. */
static size_t columns(void)
{
	struct winsize w;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || !w.ws_col)
		return COLUMNS;
	return w.ws_col < COLUMNS_MAX ? w.ws_col : COLUMNS_MAX;
}

static void put(const char *text, size_t len)
{
	(void)!write(STDERR_FILENO, text, len);
}

/* Nothing here but what a signal's handler may do. */
static void tell(int sig)
{
	char line[1 + COLUMNS_MAX + NUMBERS_MAX] = "\r", numbers[NUMBERS_MAX], *end = numbers;
	size_t room = columns() - 1, n = strlen(progress.what);
	pid_t front = tcgetpgrp(STDERR_FILENO);
	int saved = errno;

	(void)sig;
	/* The terminal is somebody else's while this is in the background of a shell. */
	if (front > 0 && front != getpgrp())
		goto out;
	*end++ = ',';
	*end++ = ' ';
	end = put_number(end, seconds_since(&progress.since));
	if (progress.seconds) {
		memcpy(end, " of ", 4);
		end = put_number(end + 4, progress.seconds);
	}
	*end++ = ' ';
	*end++ = 's';
	if (room < (size_t)(end - numbers))
		goto out;
	room -= end - numbers;
	/* No part of a character. */
	while (n > room || (progress.what[n] & 0xc0) == 0x80)
		n--;
	memcpy(line + 1, progress.what, n);
	memcpy(line + 1 + n, numbers, end - numbers);
	n += end - numbers;
	/* The terminal may be narrower than it was. */
	if (n < (size_t)progress.shown)
		progress_hide();
	put(line, 1 + n);
	progress.shown = n;
out:
	errno = saved;
}

/**
 * progress_hide() - the terminal's line is free for something else
 *
 * Any thread, when nothing is in progress.
 */
void progress_hide(void)
{
	char spaces[1 + COLUMNS_MAX + NUMBERS_MAX + 1];
	size_t n = progress.shown, most;

	if (!n)
		return;
	most = columns() - 1;
	n = n < most ? n : most;
	memset(spaces, ' ', sizeof(spaces));
	spaces[0] = '\r';
	spaces[1 + n] = '\r';
	put(spaces, 1 + n + 1);
	progress.shown = 0;
}

static void set_timer(time_t first)
{
	struct itimerval every = { { first ? 1 : 0, 0 }, { first, 0 } };

	setitimer(ITIMER_REAL, &every, NULL);
}

/* Is standard error a terminal whose line can be written again? */
static bool rewrites(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
}

/**
 * progress_begin() - something begins that may take long
 * @seconds: how long at most, or 0 if nobody knows
 * @fmt: what that is
 *
 * There may be only one thread until progress_end().
 */
void progress_begin(unsigned int seconds, const char *fmt, ...)
{
	struct sigaction sa = { .sa_handler = tell, .sa_flags = SA_RESTART };
	va_list ap;

	progress_end();
	if (!rewrites())
		return;
	va_start(ap, fmt);
	vsnprintf(progress.what, sizeof(progress.what), fmt, ap);
	va_end(ap);
	progress.seconds = seconds;
	clock_gettime(CLOCK_MONOTONIC, &progress.since);
	sigaction(SIGALRM, &sa, &progress.before);
	progress.on = true;
	set_timer(SILENT_SECONDS);
}

/** progress_end() - it is over, if there was anything. */
void progress_end(void)
{
	if (!progress.on)
		return;
	set_timer(0);
	progress_hide();
	sigaction(SIGALRM, &progress.before, NULL);
	progress.on = false;
}
