/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_CLIENT_H
#define LODGE_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

/**
 * struct machine - one that runs
 * @fd: connected to its control socket
 * @status: what it said of itself
 */
struct machine {
	int fd;
	json_t *status;
};

int client_main(int argc, char *argv[]);
bool client_knows(const char *word);
struct machine machine_find(const char *which);
json_t *machine_ask_for(int seconds, int fd, json_t *request, const int *fds,
			unsigned int nfds);
json_t *machine_ask(int fd, const char *which, json_t *request, const int *fds,
		    unsigned int nfds);
void machine_must(json_t *reply, const char *which);

/* device_client.c */
int device_main(int argc, char *argv[]);

#endif
