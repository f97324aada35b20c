// SPDX-License-Identifier: GPL-2.0-only
/*
 * How likely the launcher is to be killed for what its guest holds.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "oom.h"
#include "tap.h"

#define GIB	(1ull << 30)

static int mine(void)
{
	char text[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDONLY);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return -9999;
	close(fd);
	return atoi(text);
}

int main(void)
{
	int was = mine(), is;

	check(oom_adjusted(0, GIB, 4 * GIB) == 250, "a quarter of the host's memory");
	check(oom_adjusted(-100, GIB, 4 * GIB) == 150, "in addition to what was set");
	check(oom_adjusted(900, GIB, 4 * GIB) == 1000, "as much as can be said");
	check(oom_adjusted(0, 1ull << 40, GIB) == 1000, "more than the host has");
	check(oom_adjusted(0, 1ull << 40, 1ull << 41) == 500, "large numbers");
	check(oom_adjusted(-1000, GIB, 4 * GIB) == -1000, "who must not be killed");
	oom_expect(1ull << 60);
	is = mine();
	check(was == -9999 || was == -1000 || is == 1000, "%d has become %d", was, is);
	return done();
}
