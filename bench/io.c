// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both ends of the rows about devices.
 *
 *	io guest DISK ADDRESS	in the guest: reads of the disk, 4 KiB here and there, then all of
 *				it in sequence; bytes to the host's port, and as many from there
 *	io host			in the host: the other end of these
 *	io disk FILE		before that: makes the disk
 *	io read FILE...		reads them once, into memory that nobody had: what no launcher
 *				can do without
 *
 * It stops at the first thing that goes wrong: then there are no figures.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"
#include "rows.h"

#define PORT	7000
#define CHUNK	65536
#define PAGE	4096

static uint8_t *buffer(size_t bytes)
{
	uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

/* What make_disk() has written there. */
static void check(const uint8_t *p, off_t at, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i += PAGE)
		if (*(const uint32_t *)(p + i) != (at + i) / PAGE)
			errx(1, "byte %ld: not what was written", (long)(at + i));
}

static void read_at(int fd, uint8_t *p, size_t bytes, off_t at)
{
	if (pread(fd, p, bytes, at) != (ssize_t)bytes)
		err(1, "the disk, byte %ld", (long)at);
	check(p, at, bytes);
}

static void disk(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT);
	uint8_t *p = buffer(SEQ_CHUNK);
	uint32_t x = 1;
	off_t at;
	int i;

	if (fd < 0)
		err(1, "%s", path);
	memset(p, 1, SEQ_CHUNK);
	/* What is done once isn't counted. */
	for (i = -16; i < READS; i++) {
		if (!i)
			BEGIN(ROW_DISK_4K);
		x = x * 1664525 + 1013904223;
		read_at(fd, p, PAGE, (off_t)(x >> 8) % (DISK_MIB << 8) * PAGE);
	}
	END(ROW_DISK_4K);
	BEGIN(ROW_DISK_SEQ);
	for (at = 0; at < (off_t)DISK_MIB << 20; at += SEQ_CHUNK)
		read_at(fd, p, SEQ_CHUNK, at);
	END(ROW_DISK_SEQ);
	close(fd);
}

static void send_all(int fd)
{
	uint8_t *p = buffer(CHUNK);
	long left;

	memset(p, 'x', CHUNK);
	for (left = (long)TCP_MIB << 20; left > 0; left -= CHUNK)
		if (send(fd, p, CHUNK, 0) != CHUNK)
			err(1, "send");
}

static void receive_all(int fd)
{
	uint8_t *p = buffer(CHUNK);
	long left = (long)TCP_MIB << 20;
	ssize_t n;

	while (left > 0) {
		n = recv(fd, p, CHUNK, 0);
		if (n <= 0)
			err(1, "recv");
		left -= n;
	}
}

static struct sockaddr_in address(const char *text)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	if (text && inet_pton(AF_INET, text, &a.sin_addr) != 1)
		errx(2, "%s: no address", text);
	return a;
}

static void tcp(const char *text)
{
	struct sockaddr_in a = address(text);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char c;

	if (fd < 0 || connect(fd, (void *)&a, sizeof(a)))
		err(1, "%s", text);
	BEGIN(ROW_TCP_OUT);
	send_all(fd);
	/* The other end says that it has all of it. */
	if (read(fd, &c, 1) != 1)
		err(1, "read");
	END(ROW_TCP_OUT);
	BEGIN(ROW_TCP_IN);
	if (write(fd, &c, 1) != 1)
		err(1, "write");
	receive_all(fd);
	END(ROW_TCP_IN);
	close(fd);
}

static void host(void)
{
	struct sockaddr_in a = address(NULL);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	char c = 0;

	if (listener < 0 || bind(listener, (void *)&a, sizeof(a)) || listen(listener, 1))
		err(1, "port %d", PORT);
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		err(1, "accept");
	receive_all(fd);
	if (write(fd, &c, 1) != 1 || read(fd, &c, 1) != 1)
		err(1, "the guest");
	send_all(fd);
	/* Until it has taken all of it. */
	shutdown(fd, SHUT_WR);
	if (read(fd, &c, 1) < 0)
		err(1, "the guest");
}

static void read_files(char **names)
{
	size_t bytes = 0;
	struct stat st;
	uint8_t *p;
	int i, fd;

	for (i = 0; names[i]; i++) {
		if (stat(names[i], &st))
			err(1, "%s", names[i]);
		bytes += st.st_size;
	}
	p = buffer(bytes);
	BEGIN(ROW_READ);
	for (i = 0; names[i]; i++) {
		ssize_t n;

		fd = open(names[i], O_RDONLY);
		if (fd < 0)
			err(1, "%s", names[i]);
		while ((n = read(fd, p, 1 << 30)) > 0)
			p += n;
		if (n < 0)
			err(1, "%s", names[i]);
		close(fd);
	}
	END(ROW_READ);
}

static void make_disk(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	uint32_t i;

	if (fd < 0 || ftruncate(fd, (off_t)DISK_MIB << 20))
		err(1, "%s", path);
	for (i = 0; i < DISK_MIB << 8; i++)
		if (pwrite(fd, &i, sizeof(i), (off_t)i * PAGE) != sizeof(i))
			err(1, "%s", path);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "guest")) {
		disk(argv[2]);
		tcp(argv[3]);
	} else if (argc == 2 && !strcmp(argv[1], "host")) {
		host();
	} else if (argc == 3 && !strcmp(argv[1], "disk")) {
		make_disk(argv[2]);
	} else if (argc > 2 && !strcmp(argv[1], "read")) {
		read_files(argv + 2);
	} else {
		errx(2, "usage: io guest DISK ADDRESS, io host, io disk FILE, io read FILE...");
	}
	return 0;
}
