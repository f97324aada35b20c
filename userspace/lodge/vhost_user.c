// SPDX-License-Identifier: GPL-2.0-only
/*
 * vhost-user, the front end's side: what a program that serves a device is told,
 * and what it answers (QEMU's docs/interop/vhost-user.rst).
 *
 * The other side is hostile: it may answer late, never, or something else. What it
 * says is of a fixed size and read into a local; there is one answer to one question, and
 * a time for it. Descriptors that it sends are not taken. After the first thing that
 * is wrong the connection is of no use, and only to be closed.
 */
#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "util.h"
#include "vhost_user.h"

#define FLAG_VERSION	1u
#define FLAG_REPLY	4u
#define FLAG_NEED_REPLY	8u
#define CONFIG_MAX	256

#define F_EXTRAS	30	/* VHOST_USER_F_PROTOCOL_FEATURES */
#define EXTRA_REPLY_ACK	3
#define EXTRA_CONFIG	9

enum {
	GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8, SET_VRING_ADDR = 9, SET_VRING_BASE = 10, GET_VRING_BASE = 11,
	SET_VRING_KICK = 12, SET_VRING_CALL = 13, GET_EXTRAS = 15, SET_EXTRAS = 16,
	SET_VRING_ENABLE = 18, GET_CONFIG = 24
};

struct header {
	uint32_t request, flags, size;
};

struct config_space {
	uint32_t off, size, flags;
	uint8_t data[CONFIG_MAX];
};

struct memory_table {
	uint32_t count, padding;
	struct {
		uint64_t gpa, size, host, off;
	} region[VHOST_USER_REGIONS];
};

/* How long it may take to answer, and is left alone for if it was wrong. */
unsigned int vhost_user_patience_ms = 5000;

static int fail(struct vhost_user *vu, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(struct vhost_user *vu, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(vu->why, sizeof(vu->why), fmt, ap);
	va_end(ap);
	return -1;
}

/* One message, and descriptors with it. */
static int tell(struct vhost_user *vu, uint32_t request, uint32_t flags, const void *body,
		uint32_t size, const int *fds, unsigned int nfds)
{
	struct header h = { request, FLAG_VERSION | flags, size };
	struct iovec iov[] = { { &h, sizeof(h) }, { (void *)body, size } };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * VHOST_USER_REGIONS)];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = &control };
	ssize_t n;

	put_fds(&msg, fds, nfds);
	/* All of it fits into the socket of one that reads. */
	do {
		n = sendmsg(vu->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)(sizeof(h) + size))
		return 0;
	return fail(vu, n < 0 ? "it can't be told anything: %s" : "it doesn't read",
		    strerror(errno));
}

static int hear(struct vhost_user *vu, void *buf, size_t len, uint64_t until)
{
	uint8_t *p = buf;

	while (len) {
		struct pollfd ready = { vu->fd, POLLIN, 0 };
		struct timespec now;
		int64_t left;
		ssize_t n;

		clock_gettime(CLOCK_MONOTONIC, &now);
		left = until - (now.tv_sec * 1000ULL + now.tv_nsec / 1000000);
		if (left <= 0 || !poll(&ready, 1, left))
			return fail(vu, "it doesn't answer");
		n = recv(vu->fd, p, len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return fail(vu, "it hung up instead of answering");
		p += n;
		len -= n;
	}
	return 0;
}

/**
 * vhost_user_patience() - all answers from here on have to come within the patience
 * that there is with it, together.
 */
void vhost_user_patience(struct vhost_user *vu)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	vu->until = now.tv_sec * 1000ULL + now.tv_nsec / 1000000 + vhost_user_patience_ms;
}

/* The answer to @request, of exactly @size bytes. */
static int answer(struct vhost_user *vu, uint32_t request, void *body, uint32_t size)
{
	struct header h;

	if (hear(vu, &h, sizeof(h), vu->until))
		return -1;
	if (h.request != request || (h.flags & 7) != (FLAG_VERSION | FLAG_REPLY) ||
	    h.size != size)
		return fail(vu, "it answered message %u by %u, flags 0x%x, %u bytes", request,
			    h.request, h.flags, h.size);
	return hear(vu, body, size, vu->until);
}

static int ask_u64(struct vhost_user *vu, uint32_t request, uint64_t *value)
{
	if (tell(vu, request, 0, NULL, 0, NULL, 0))
		return -1;
	return answer(vu, request, value, sizeof(*value));
}

/* Tell it something that it may refuse, if it is one that can say so. */
static int set(struct vhost_user *vu, uint32_t request, const void *body, uint32_t size,
	       const int *fds, unsigned int nfds)
{
	bool ack = vu->extras >> EXTRA_REPLY_ACK & 1;
	uint64_t refused;

	if (tell(vu, request, ack ? FLAG_NEED_REPLY : 0, body, size, fds, nfds))
		return -1;
	if (!ack)
		return 0;
	if (answer(vu, request, &refused, sizeof(refused)))
		return -1;
	return refused ? fail(vu, "it refuses message %u", request) : 0;
}

static int set_u64(struct vhost_user *vu, uint32_t request, uint64_t value)
{
	return set(vu, request, &value, sizeof(value), NULL, 0);
}

static int greet(struct vhost_user *vu)
{
	const uint64_t known = 1 << EXTRA_REPLY_ACK | 1 << EXTRA_CONFIG;
	uint64_t extras;

	if (ask_u64(vu, GET_FEATURES, &vu->features))
		return -1;
	if (!(vu->features >> VIRTIO_F_VERSION_1 & 1) || !(vu->features >> F_EXTRAS & 1))
		return fail(vu, "it knows no virtio 1.0, or no features of the protocol (0x%llx)",
			    (unsigned long long)vu->features);
	if (ask_u64(vu, GET_EXTRAS, &extras))
		return -1;
	extras &= known;
	if (tell(vu, SET_EXTRAS, 0, &extras, sizeof(extras), NULL, 0))
		return -1;
	vu->extras = extras;
	return set(vu, SET_OWNER, NULL, 0, NULL, 0);
}

/**
 * vhost_user_connect() - begin with a program that serves a device
 * @vu: filled in
 * @path: of its socket
 *
 * Return: 0; -1 with @vu->why and errno ECONNREFUSED, EAGAIN or ENOENT if there is nobody
 * yet, else EPROTO or what connect() says.
 */
int vhost_user_connect(struct vhost_user *vu, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int err;

	*vu = (struct vhost_user){ .fd = -1 };
	vhost_user_patience(vu);
	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return fail(vu, "the name of a socket has to be shorter than %zu bytes",
			    sizeof(addr.sun_path));
	}
	strcpy(addr.sun_path, path);
	vu->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (vu->fd < 0 || connect(vu->fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = errno;
		fail(vu, "%s", strerror(err));
		vhost_user_close(vu);
		errno = err;
		return -1;
	}
	if (!greet(vu))
		return 0;
	vhost_user_close(vu);
	errno = EPROTO;
	return -1;
}

/** vhost_user_get_config() - the first @size bytes of its configuration; 0 or -1. */
int vhost_user_get_config(struct vhost_user *vu, void *config, uint32_t size)
{
	struct config_space space = { .size = size };
	uint32_t len = offsetof(struct config_space, data) + size;

	if (!(vu->extras >> EXTRA_CONFIG & 1))
		return fail(vu, "it has no configuration");
	if (size > CONFIG_MAX || tell(vu, GET_CONFIG, 0, &space, len, NULL, 0) ||
	    answer(vu, GET_CONFIG, &space, len))
		return -1;
	memcpy(config, space.data, size);
	return 0;
}

/** vhost_user_set_features() - what was negotiated with the driver; 0 or -1. */
int vhost_user_set_features(struct vhost_user *vu, uint64_t features)
{
	return set_u64(vu, SET_FEATURES, features | 1ULL << F_EXTRAS);
}

/** vhost_user_set_memory() - @n regions are all that it reaches; 0 or -1. */
int vhost_user_set_memory(struct vhost_user *vu, const struct vhost_user_region *region,
			  unsigned int n)
{
	struct memory_table table = { .count = n };
	int fds[VHOST_USER_REGIONS];
	uint64_t features;
	unsigned int i;

	for (i = 0; i < n && i < VHOST_USER_REGIONS; i++) {
		table.region[i].gpa = region[i].gpa;
		table.region[i].size = region[i].size;
		table.region[i].host = (uintptr_t)region[i].host;
		table.region[i].off = region[i].off;
		fds[i] = region[i].fd;
	}
	if (set(vu, SET_MEM_TABLE, &table, offsetof(struct memory_table, region[i]), fds, i))
		return -1;
	/* Known to one that doesn't acknowledge it once it has answered the next. */
	return vu->extras >> EXTRA_REPLY_ACK & 1 ? 0 : ask_u64(vu, GET_FEATURES, &features);
}

static int set_file(struct vhost_user *vu, uint32_t request, unsigned int index, int fd)
{
	uint64_t value = index;

	return set(vu, request, &value, sizeof(value), &fd, 1);
}

/** vhost_user_start_ring() - it serves a ring, from its first entry on; 0 or -1. */
int vhost_user_start_ring(struct vhost_user *vu, const struct vhost_user_ring *ring)
{
	struct vhost_vring_state num = { ring->index, ring->size };
	struct vhost_vring_state base = { ring->index, 0 };
	struct vhost_vring_state on = { ring->index, 1 };
	struct vhost_vring_addr addr = {
		.index = ring->index,
		.desc_user_addr = (uintptr_t)ring->desc,
		.avail_user_addr = (uintptr_t)ring->avail,
		.used_user_addr = (uintptr_t)ring->used,
	};

	if (set(vu, SET_VRING_NUM, &num, sizeof(num), NULL, 0) ||
	    set(vu, SET_VRING_BASE, &base, sizeof(base), NULL, 0) ||
	    set(vu, SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0) ||
	    set_file(vu, SET_VRING_CALL, ring->index, ring->call) ||
	    set_file(vu, SET_VRING_KICK, ring->index, ring->kick))
		return -1;
	return set(vu, SET_VRING_ENABLE, &on, sizeof(on), NULL, 0);
}

/** vhost_user_stop_ring() - it looks at a ring no more; 0 or -1. */
int vhost_user_stop_ring(struct vhost_user *vu, unsigned int index)
{
	struct vhost_vring_state base = { index, 0 };

	if (tell(vu, GET_VRING_BASE, 0, &base, sizeof(base), NULL, 0))
		return -1;
	return answer(vu, GET_VRING_BASE, &base, sizeof(base));
}

/** vhost_user_close() - have done with it. */
void vhost_user_close(struct vhost_user *vu)
{
	if (vu->fd >= 0)
		close(vu->fd);
	vu->fd = -1;
}
