// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest of the crowd suite does, as a program of its own:
 *
 *	crowd work	count, and say each second how far
 *	crowd fork	fork for ever
 *	crowd hog	touch more memory than there is, for ever
 *	crowd irqs	have the timer interrupt as often as it can
 *	crowd exits	leave the guest as often as it can: to the hypervisor, and to the launcher
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static void work(void)
{
	unsigned long long n = 0;
	time_t last = 0;
	struct timespec now;
	int i;

	for (;;) {
		for (i = 0; i < 10000; i++)
			asm volatile("");
		n++;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec == last)
			continue;
		last = now.tv_sec;
		printf("%llu\n", n);
		fflush(stdout);
	}
}

static void forks(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		fork();
}

static void hog(void)
{
	const size_t size = 16 << 20;
	char *m;

	for (;;) {
		m = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (m != MAP_FAILED)
			memset(m, 1, size);
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void irqs(void)
{
	struct itimerspec often = { { 0, 1000 }, { 0, 1000 } };
	timer_t timer;

	signal(SIGALRM, on_alarm);
	if (timer_create(CLOCK_MONOTONIC, NULL, &timer) || timer_settime(timer, 0, &often, NULL))
		err(1, "timer");
	for (;;)
		pause();
}

static void leave(void)
{
	unsigned int a, b, c, d;

	if (ioperm(0x80, 1, 1))
		err(1, "ioperm");
	for (;;) {
		outb(0, 0x80);
		a = c = 0;
		asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} words[] = {
		{ "work", work }, { "fork", forks }, { "hog", hog }, { "irqs", irqs },
		{ "exits", leave },
	};
	unsigned int i;

	for (i = 0; argc > 1 && i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(argv[1], words[i].name))
			words[i].run();
	errx(2, "usage: crowd work|fork|hog|irqs|exits");
}
