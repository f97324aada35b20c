// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes through a disk's io_uring, and what doesn't; that there are no more than were kept.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"
#include "ring.h"
#include "tap.h"
#include "util.h"

static int result(struct ring *ring)
{
	struct io_uring_cqe *cqe;
	int res;

	if (io_uring_submit(&ring->uring) != 1 || io_uring_wait_cqe(&ring->uring, &cqe))
		return -1000;
	res = cqe->res;
	io_uring_cqe_seen(&ring->uring, cqe);
	return res;
}

static int reads(struct ring *ring, int fd)
{
	char buf[16];
	struct iovec iov = { buf, sizeof(buf) };

	io_uring_prep_readv(io_uring_get_sqe(&ring->uring), fd, &iov, 1, 0);
	return result(ring);
}

int main(void)
{
	static struct ring *ring, *got[RING_SPARES];
	char why[WHY_SIZE], text[16];
	struct ring *other;
	int fd = open("/dev/zero", O_RDONLY), files, i;

	ring = ring_get(why);
	if (!ring && (errno == ENOSYS || errno == EPERM)) {
		printf("1..0 # SKIP %s\n", why);
		return 0;
	}
	check(ring, "there is one");
	if (!ring)
		return done();
	check(reads(ring, fd) == 16, "a disk's ring reads");
	event_clear(ring->event);
	check(read(ring->event, text, 8) == -1 && errno == EAGAIN, "and has said so");

	io_uring_prep_openat(io_uring_get_sqe(&ring->uring), AT_FDCWD, "/dev/zero", O_RDONLY, 0);
	check(result(ring) == -EACCES, "it opens nothing");
	io_uring_prep_close(io_uring_get_sqe(&ring->uring), fd);
	check(result(ring) == -EACCES && fcntl(fd, F_GETFD) >= 0, "nor closes");
	io_uring_prep_connect(io_uring_get_sqe(&ring->uring), fd, NULL, 0);
	check(result(ring) == -EACCES, "nor connects");
	io_uring_prep_nop(io_uring_get_sqe(&ring->uring));
	check(result(ring) == -EACCES, "nor does nothing");
	check(reads(ring, fd) == 16, "it reads as before");
	check(io_uring_register_files(&ring->uring, &fd, 1) == -EACCES, "its rules stay");

	other = ring_get(why);
	check(other && other != ring && reads(other, fd) == 16, "another disk has another one");
	files = open_files();
	ring_put(other);
	check(open_files() == files - 2, "which goes with it");
	ring_reserve();
	files = open_files();
	for (i = 0; i < RING_SPARES; i++) {
		got[i] = ring_get(why);
		if (!got[i] || reads(got[i], fd) != 16)
			break;
	}
	check(i == RING_SPARES, "%d are kept beside what there was", RING_SPARES);
	check(!ring_get(why) && strstr(why, "no ring is left"), "and no more are made: %s", why);
	ring_put(got[0]);
	check(ring_get(why) == got[0] && reads(got[0], fd) == 16, "but one that is given back");
	check(open_files() == files, "none of that takes descriptors");
	return done();
}
