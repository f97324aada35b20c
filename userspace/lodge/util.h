/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_UTIL_H
#define LODGE_UTIL_H

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

#include "parse.h"

void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define WHY_SIZE	256	/* of what refuse() fills */

int refuse(char *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void *xalloc(size_t n, size_t size);
int xioctl(int fd, unsigned long nr, void *arg, const char *what);
ssize_t write_all(int fd, const void *data, size_t len);
ssize_t pread_all(int fd, void *data, size_t len, off_t off);
int open_output(const char *spec);
struct msghdr;
void put_fds(struct msghdr *msg, const int *fds, unsigned int nfds);

#endif
