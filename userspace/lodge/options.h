/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <netinet/in.h>

#include "lodge.h"

/* What options_parse() wants done. */
enum options_action {
	OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_ERROR
};

/* As "tcp=" or "udp=" has it if no address is given. */
#define FORWARD_ADDRESS	"127.0.0.1"

/**
 * struct net_forward - ports of the host's that are the guest's
 * @datagrams: UDP's; else TCP's
 * @family: AF_INET or AF_INET6
 * @address: where passt listens, as text
 * @addr: the same as a number, of that family
 * @first: port of the host's
 * @last: port of the host's
 */
struct net_forward {
	bool datagrams;
	int family;
	char address[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	unsigned int first, last;
};

const char *device_id(char *id, const char *name);
int device_option(struct config *cfg, const char *kind, char *arg, char *err, size_t size);
bool net_forward(const char *word, struct net_forward *f);
int net_option(struct config *cfg, char *arg, char *err, size_t size);
enum options_action options_parse(struct config *cfg, int argc,
				  char *const argv[], char *err, size_t size);

#endif
