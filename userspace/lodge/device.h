/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_DEVICE_H
#define LODGE_DEVICE_H

#include <stdbool.h>

#include "lodge.h"

#define DEVICE_FILES	(2 * NET_MAX_PAIRS)

/**
 * struct device_files - what a device is made of, opened by who starts the machine, or
 * sent by who adds it
 * @fd: of a disk; of a tap, one for each pair of queues, then as many of vhost-net; or
 *	passt's stream socket
 * @count: of them
 * @mtu: of the tap
 * @child: a descriptor (pidfd) of who is at the other end of the socket, or -1
 * @words: a file with what that one has said, or -1 if it could be heard
 * @doubt: how long it may be before it ends, in ms, if there is reason to think that it will
 */
struct device_files {
	int fd[DEVICE_FILES];
	unsigned int count, mtu;
	int child, words;
	unsigned int doubt;
};

/* One that is to be: what is not NULL. */
struct device_spec {
	const struct disk_config *disk;
	const struct fs_config *fs;
	const struct net_config *net;
};

/**
 * struct device - one that can be removed
 * @id: what it is called
 * @kind: "disk", "fs" or "net"
 * @what: it is, in words
 * @key: what no other one of its kind has, or NULL
 * @dev: itself
 * @until: the guest has time to let go of it, in ms; 0: it isn't asked to
 * @seconds: that it had
 * @ejected: it has, and @unmapped: no window answers any more
 * @answer: called when it's gone, @why NULL, or stays
 * @arg: passed to it
 */
struct device {
	char id[DEVICE_ID_SIZE];
	const char *kind;
	char *what, *key;
	struct virtio_dev *dev;
	uint64_t until;
	unsigned int seconds;
	bool ejected, unmapped;
	void (*answer)(void *arg, const char *why);
	void *arg;
	struct device *next;
};

void device_init(struct vm *vm);
struct device_spec device_spec(const struct config *cfg);
void device_open(const struct device_spec *spec, int err, struct device_files *files);
struct device *device_create(struct vm *vm, const struct device_spec *spec,
			     const struct device_files *files, char *why);
void device_start(struct vm *vm, const struct device_spec *spec);
int device_started(struct vm *vm, char *why);
int device_remove(struct vm *vm, const char *id, unsigned int seconds,
		  void (*answer)(void *arg, const char *why), void *arg, char *why);
unsigned int device_slot(const struct device *d);

/* device_control.c */
struct json_t;
struct json_t *device_request_add(struct vm *vm, struct json_t *request,
				  struct device_files *files);
struct json_t *device_request_list(struct vm *vm);

#endif
