/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_VHOST_USER_H
#define LODGE_VHOST_USER_H

#include <stddef.h>
#include <stdint.h>

#define VHOST_USER_REGIONS	3	/* RAM on both sides of the hole, and the rings */

/**
 * struct vhost_user - a connection to a program that serves a device
 * @fd: its socket, or -1
 * @features: what it offers
 * @extras: what of the protocol both know
 * @why: what went wrong last, in words
 */
struct vhost_user {
	int fd;
	uint64_t features;
	uint64_t extras;
	uint64_t until;
	char why[160];
};

/* Memory that it shall have: where it is for the guest, here, and in a file. */
struct vhost_user_region {
	uint64_t gpa, size;
	const void *host;
	int fd;
	uint64_t off;
};

/* A ring: all three parts in one of those regions, as they are mapped here. */
struct vhost_user_ring {
	unsigned int index;
	uint16_t size;
	const void *desc, *avail, *used;
	int kick, call;
};

extern unsigned int vhost_user_patience_ms;

void vhost_user_patience(struct vhost_user *vu);
int vhost_user_connect(struct vhost_user *vu, const char *path);
int vhost_user_get_config(struct vhost_user *vu, void *config, uint32_t size);
int vhost_user_set_features(struct vhost_user *vu, uint64_t features);
int vhost_user_set_memory(struct vhost_user *vu, const struct vhost_user_region *region,
			  unsigned int n);
int vhost_user_start_ring(struct vhost_user *vu, const struct vhost_user_ring *ring);
int vhost_user_stop_ring(struct vhost_user *vu, unsigned int index);
void vhost_user_close(struct vhost_user *vu);

#endif
