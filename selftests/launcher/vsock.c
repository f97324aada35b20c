// SPDX-License-Identifier: GPL-2.0-only
/*
 * vsock echo PORT         give everybody who connects his bytes back, for ever
 * vsock shell PORT        give everybody who connects a shell
 * vsock send CID PORT     what is on standard input goes there; what comes back
 *                         goes to standard output
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

static int put(int fd, const char *data, ssize_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n <= 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}

static int copy(int from, int to)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (put(to, buf, n))
			return -1;
	return n < 0 ? -1 : 0;
}

static int shell(int fd)
{
	if (!fork()) {
		dup2(fd, STDIN_FILENO);
		dup2(fd, STDOUT_FILENO);
		close(fd);
		execl("/bin/sh", "sh", NULL);
		_exit(1);
	}
	return 0;
}

static int serve(int fd, const struct sockaddr_vm *addr, int (*give)(int fd))
{
	signal(SIGCHLD, SIG_IGN);
	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) || listen(fd, 4))
		return perror("bind"), 1;
	for (;;) {
		int peer = accept(fd, NULL, NULL);

		if (peer < 0 || give(peer))
			perror("serve");
		close(peer);
	}
}

static int echo(int fd)
{
	return copy(fd, fd);
}

/* One process for each way. */
static int send_all(int fd, const struct sockaddr_vm *addr)
{
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return perror("connect"), 1;
	if (!fork())
		_exit(copy(STDIN_FILENO, fd) || shutdown(fd, SHUT_WR));
	return copy(fd, STDOUT_FILENO) ? perror("read"), 1 : 0;
}

int main(int argc, char *argv[])
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0)
		return perror("socket"), 1;
	if (argc == 3) {
		addr.svm_port = atoi(argv[2]);
		return serve(fd, &addr, strcmp(argv[1], "shell") ? echo : shell);
	}
	if (argc == 4 && !strcmp(argv[1], "send")) {
		addr.svm_cid = atoi(argv[2]);
		addr.svm_port = atoi(argv[3]);
		return send_all(fd, &addr);
	}
	return 2;
}
