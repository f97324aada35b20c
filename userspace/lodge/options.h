/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "lodge.h"

/* What options_parse() wants done. */
enum options_action {
	OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_ERROR
};

const char *device_id(char *id, const char *name);
int device_option(struct config *cfg, const char *kind, char *arg, char *err, size_t size);
int net_option(struct config *cfg, char *arg, char *err, size_t size);
enum options_action options_parse(struct config *cfg, int argc,
				  char *const argv[], char *err, size_t size);

#endif
