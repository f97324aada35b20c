// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest of the crowd suite does, as a program of its own:
 *
 *	crowd work	count
 *	crowd tell	say twice a second what was done so far
 *	crowd fork	fork for ever
 *	crowd hog	touch more memory than there is, again and again
 *	crowd irqs	have the timer interrupt as often as it can
 *	crowd exits	leave the guest as often as it can: to the hypervisor, and to the launcher
 *
 * The last four, until they get a SIGTERM, which is the end of all that they have begun.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What is counted here; the rest the kernel counts. All of these processes have it. */
static volatile struct {
	unsigned long long work, pages, exits;
} *count;

static void work(void)
{
	int i;

	for (;;) {
		for (i = 0; i < 10000; i++)
			asm volatile("");
		count->work++;
	}
}

static void be_killed(const char *adj)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	if (fd < 0 || write(fd, adj, strlen(adj)) < 0)
		err(1, "oom_score_adj");
	close(fd);
}

/* What follows @word at the beginning of a line of @text. */
static unsigned long long number(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	return at ? strtoull(at + strlen(word), NULL, 10) : 0;
}

/*
 * Milliseconds, what was worked, processes, pages taken, interrupts, exits. Before anybody
 * else, whoever is antisocial here.
 */
static void tell(void)
{
	struct sched_param first = { .sched_priority = 1 };
	int fd = open("/proc/stat", O_RDONLY);
	static char text[16384];
	struct timespec now;
	ssize_t n;

	be_killed("-1000");
	if (fd < 0 || sched_setscheduler(0, SCHED_FIFO, &first))
		err(1, "first of all");
	for (;; usleep(500000)) {
		n = pread(fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = 0;
		clock_gettime(CLOCK_MONOTONIC, &now);
		printf("%llu %llu %llu %llu %llu %llu\n",
		       now.tv_sec * 1000ULL + now.tv_nsec / 1000000, count->work,
		       number(text, "\nprocesses "), count->pages,
		       number(text, "\nintr "), count->exits);
		fflush(stdout);
	}
}

/* Up to a limit, where who can't any more ends, and makes room for one of another's. */
static void forks(void)
{
	const struct rlimit most = { 100, 100 };

	/* It doesn't hold for root. */
	if (setrlimit(RLIMIT_NPROC, &most) || setuid(65534))
		err(1, "limit");
	for (;;)
		if (fork() < 0)
			_exit(0);
}

/* No two pages are alike: nothing is won by merging them. */
static void hog(void)
{
	const size_t size = 16 << 20;
	char *m;
	size_t i;

	for (;;) {
		m = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (i = 0; m != MAP_FAILED && i < size; i += 4096)
			*(unsigned long long *)(m + i) = ++count->pages;
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
		count->exits += 2;
	}
}

static volatile sig_atomic_t over;
static volatile pid_t group;

static void on_term(int sig)
{
	(void)sig;
	over = 1;
	if (group > 0)
		kill(-group, SIGKILL);
}

/* In a group of its own, and anew when the kernel has killed that; nobody is left of it. */
static void storm(void (*run)(void))
{
	struct sigaction term = { .sa_handler = on_term };

	sigaction(SIGTERM, &term, NULL);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		err(1, "subreaper");
	while (!over) {
		group = fork();
		if (!group) {
			signal(SIGCHLD, SIG_IGN);
			signal(SIGTERM, SIG_DFL);
			setpgid(0, 0);
			be_killed("1000");
			run();
		}
		setpgid(group, group);
		if (over)
			on_term(0);
		while (wait(NULL) >= 0 || errno == EINTR)
			;
	}
	exit(0);
}

static void alone(void (*run)(void))
{
	run();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
		int storms;
	} words[] = {
		{ "work", work, 0 }, { "tell", tell, 0 }, { "fork", forks, 1 }, { "hog", hog, 1 },
		{ "irqs", irqs, 1 }, { "exits", leave, 1 },
	};
	int fd = open("/dev/counts", O_RDWR | O_CREAT, 0600);
	unsigned int i;

	if (fd < 0 || ftruncate(fd, sizeof(*count)))
		err(1, "/dev/counts");
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (count == MAP_FAILED)
		err(1, "/dev/counts");
	for (i = 0; argc > 1 && i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(argv[1], words[i].name))
			(words[i].storms ? storm : alone)(words[i].run);
	errx(2, "usage: crowd work|tell|fork|hog|irqs|exits");
}
