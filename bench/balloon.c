// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both ends of the rows about the balloon.
 *
 *	balloon MIB		in the guest: fills so much memory and frees it, twice, and
 *				says on the console what it has done, and when as much
 *				has gone into the balloon
 *	balloon FILE TEXT	in the host, then: writes to where the launcher reads its orders
 *
 * What happens from the latter's write to the former's end is counted.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rows.h"

#define PAGE	4096

static void say(const char *text)
{
	int fd = open("/dev/console", O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		exit(1);
	close(fd);
}

/* No two pages are alike. */
static void fill(uint8_t *p, size_t bytes)
{
	uint64_t *word = (uint64_t *)p, x = 1;
	size_t i;

	for (i = 0; i < bytes / sizeof(x); i++) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		word[i] = x;
	}
}

static void fill_and_free(size_t bytes, const char *filled, const char *freed)
{
	uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	fill(p, bytes);
	say(filled);
	if (freed)
		sleep(5);
	munmap(p, bytes);
	if (freed)
		say(freed);
}

/* Pages that the balloon has taken. */
static size_t given(void)
{
	static char text[1 << 16];
	int fd = open("/proc/vmstat", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	char *at;

	close(fd);
	text[n < 0 ? 0 : n] = 0;
	at = strstr(text, "balloon_inflate ");
	return at ? strtoul(at + strlen("balloon_inflate "), NULL, 10) : 0;
}

static void in_guest(size_t bytes)
{
	say("booted\n");
	sleep(4);
	fill_and_free(bytes, "filled\n", "freed\n");
	sleep(20);
	fill_and_free(bytes, "again\n", NULL);
	while (given() < bytes / PAGE)
		usleep(20000);
	END(ROW_RECLAIM);
	say("given\n");
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int fd;

	if (argc == 2)
		in_guest(strtoul(argv[1], NULL, 10) << 20);
	fd = argc == 3 ? open(argv[1], O_WRONLY) : -1;
	if (fd < 0) {
		fprintf(stderr, "usage: balloon MIB, or balloon FILE TEXT\n");
		return 2;
	}
	BEGIN(ROW_RECLAIM);
	return dprintf(fd, "%s\n", argv[2]) < 0;
}
