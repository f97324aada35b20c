/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line, taken apart, and the commands. */
#ifndef LODGECTL_COMMANDS_H
#define LODGECTL_COMMANDS_H

#include <stdbool.h>

struct options {
	const char *vm;		/* the word that names one, or NULL */
	char **words;		/* all that come behind the command */
	int nr_words;
	const char *svg, *png;	/* files for pictures */
	const char *node;	/* of the hypervisor, or NULL */
	double sample;		/* seconds */
	bool json;
	bool vcpus;
	bool watch;
	double interval;	/* seconds */
	unsigned long count;	/* 0: without end */
};

int command_list(const struct options *opt);
int command_show(const struct options *opt);
int command_stats(const struct options *opt);
int command_events(const struct options *opt);
int command_ksm(const struct options *opt);
int command_balloon(const struct options *opt);
int command_policy(const struct options *opt);
int command_swap(const struct options *opt);
int command_map(const struct options *opt);

#endif
