/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CLEANER_H
#define CLEANER_H

#include <stdbool.h>

/**
 * struct remains - what is to go when the machine has ended
 * @socket: a file, or NULL
 * @groups: a directory, or -1, and @group, the control group in it
 */
struct remains {
	const char *socket;
	int groups;
	const char *group;
};

void cleaner_start(const struct remains *what, bool filter);

#endif
