// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket: how a machine that runs is asked and told things, by "lodge ps" and
 * its like (client.c) and by any other program. One JSON object a line each way;
 * Documentation/launcher.rst has them all.
 *
 * Each machine has a socket of its own, named by its process, in a directory that only
 * its user can enter. All is done in the I/O loop's thread, and waits for nobody but vCPUs
 * that are paused. A client that doesn't read loses what is said; a vCPU that writes to
 * the console doesn't wait for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "debug.h"
#include "device.h"
#include "lodge.h"
#include "term.h"
#include "util.h"

#define HISTORY		(16 * KIB)	/* of the console, for who comes later */

struct client {
	struct watch watch;
	char line[CONTROL_LINE_MAX];
	size_t len;
	struct device_files files;	/* that came with it */
	bool waits;		/* for room among the guest's keys */
	bool removes;		/* a device, and isn't heard meanwhile */
	struct client *next;
};

static struct {
	struct vm *vm;
	struct watch listener;
	struct sockaddr_un addr;
	struct timespec since;
	/* The console's output comes from vCPU threads. */
	pthread_mutex_t lock;
	struct client *all;
	struct client *console;		/* who has it, or NULL */
	struct client *debugger;
	char history[HISTORY];
	size_t written;			/* all that there was */
} ctl = { .lock = PTHREAD_MUTEX_INITIALIZER, .listener.fd = -1 };

/**
 * control_dir() - the directory of the sockets of this user's machines
 * @dir: filled in
 * @size: room there
 * @make: make it if it isn't there
 *
 * Return: whether it is there, and nobody else's.
 */
bool control_dir(char *dir, size_t size, bool make)
{
	const char *own = getenv("LODGE_RUNTIME_DIR"), *xdg = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (own)
		snprintf(dir, size, "%s", own);
	else if (xdg)
		snprintf(dir, size, "%s/lodge", xdg);
	else if (!geteuid())
		snprintf(dir, size, "/run/lodge");
	else
		snprintf(dir, size, "/tmp/lodge-%u", geteuid());
	if (make && mkdir(dir, 0700) && errno != EEXIST)
		return false;
	if (lstat(dir, &st))
		return false;
	errno = EPERM;
	return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static void say(struct client *c, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);

	json_decref(answer);
	if (!text)
		return;
	/* In one piece, or not at all. */
	if (send(c->watch.fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE) > 0)
		(void)!send(c->watch.fd, "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	free(text);
}

static void say_error(struct client *c, const char *text)
{
	say(c, json_pack("{s:b, s:s}", "ok", 0, "error", text));
}

static void say_ok(struct client *c)
{
	say(c, json_pack("{s:b}", "ok", 1));
}

static void status(struct client *c)
{
	const struct config *cfg = ctl.vm->cfg;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	say(c, json_pack("{s:b, s:s?, s:i, s:s, s:i, s:I, s:I}", "ok", 1,
			 "name", cfg->name, "pid", (int)getpid(),
			 "state", vcpus_paused(ctl.vm) ? "paused" : "running",
			 "cpus", (int)cfg->cpus, "memory", (json_int_t)cfg->memory,
			 "seconds", (json_int_t)(now.tv_sec - ctl.since.tv_sec)));
}

static void pause_vcpus(struct client *c)
{
	if (vcpus_pause(ctl.vm)) {
		say_ok(c);
		return;
	}
	vcpus_resume(ctl.vm);
	say_error(c, "a device keeps a vCPU: it runs on");
}

static void drop_files(struct client *c)
{
	while (c->files.count)
		close(c->files.fd[--c->files.count]);
}

static void bye(struct client *c)
{
	struct client **at;

	drop_files(c);
	if (ctl.debugger == c) {
		ctl.debugger = NULL;
		gdb_end();
	}
	for (at = &ctl.all; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	pthread_mutex_lock(&ctl.lock);
	if (ctl.console == c)
		ctl.console = NULL;
	pthread_mutex_unlock(&ctl.lock);
	loop_forget(&ctl.vm->loop, &c->watch);
	close(c->watch.fd);
	free(c);
}

static void show(struct client *c, const void *data, size_t len)
{
	(void)!send(c->watch.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What it was, as far as it is kept, and what it will be. */
static void give_console(struct client *c)
{
	struct pollfd gone = { .fd = ctl.console ? ctl.console->watch.fd : -1 };
	size_t end;

	/* One that waits for room isn't watched. */
	if (poll(&gone, 1, 0) > 0 && gone.revents & POLLHUP)
		bye(ctl.console);
	pthread_mutex_lock(&ctl.lock);
	end = ctl.written % HISTORY;
	if (ctl.console) {
		say_error(c, "somebody else has the console");
	} else {
		say_ok(c);
		if (ctl.written >= HISTORY)
			show(c, ctl.history + end, HISTORY - end);
		show(c, ctl.history, ctl.written < HISTORY ? ctl.written : end);
		ctl.console = c;
	}
	pthread_mutex_unlock(&ctl.lock);
}

static void tell_debugger(const void *data, size_t len)
{
	/* One that doesn't read is gone. */
	if (send(ctl.debugger->watch.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    (ssize_t)len)
		shutdown(ctl.debugger->watch.fd, SHUT_RDWR);
}

static void give_debugger(struct client *c)
{
	if (ctl.debugger) {
		say_error(c, "it has a debugger");
		return;
	}
	if (!gdb_begin(ctl.vm, tell_debugger)) {
		say_error(c, "a device keeps a vCPU: it runs on");
		return;
	}
	say_ok(c);
	ctl.debugger = c;
}

/**
 * control_output() - the guest writes to its console
 * @data: what
 * @len: how many bytes
 *
 * Any thread.
 */
void control_output(const void *data, size_t len)
{
	const char *p = data;
	size_t i = len > HISTORY ? len - HISTORY : 0;

	if (!ctl.vm)
		return;
	pthread_mutex_lock(&ctl.lock);
	/* A guest can name the same memory again and again. */
	for (ctl.written += i; i < len; i++)
		ctl.history[ctl.written++ % HISTORY] = p[i];
	if (ctl.console)
		show(ctl.console, data, len);
	pthread_mutex_unlock(&ctl.lock);
}

/* What is in the line is keys; whether all of them were taken. */
static bool keys(struct client *c)
{
	size_t n;

	while (c->len && (n = term_type((uint8_t *)c->line, c->len))) {
		c->len -= n;
		memmove(c->line, c->line + n, c->len);
	}
	return !c->len;
}

/** control_room() - there is room for keys again. The loop's thread. */
void control_room(void)
{
	struct client *c = ctl.console;

	if (c && c->waits && keys(c)) {
		c->waits = false;
		loop_add(&ctl.vm->loop, &c->watch);
	}
}

static void serve(struct client *c);

static void on_removed(void *arg, const char *why)
{
	struct client *c = arg;

	c->removes = false;
	if (why)
		say_error(c, why);
	else
		say_ok(c);
	loop_add(&ctl.vm->loop, &c->watch);
	serve(c);
}

static void remove_device(struct client *c, json_t *root)
{
	const char *what, *id;
	char why[WHY_SIZE];
	int seconds;

	if (json_unpack(root, "{s:s, s:s, s:i!}", "do", &what, "id", &id, "seconds", &seconds) ||
	    seconds < 1 || seconds > 86400) {
		say_error(c, "\"id\", a string, and \"seconds\", 1 to 86400, are wanted");
	} else if (device_remove(ctl.vm, id, seconds, on_removed, c, why)) {
		say_error(c, why);
	} else {
		c->removes = true;
		loop_remove(&ctl.vm->loop, &c->watch);
	}
}

static void request(struct client *c, const char *line, size_t len)
{
	json_error_t error;
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	const char *what = json_string_value(json_object_get(root, "do"));

	if (!root)
		say_error(c, error.text);
	else if (!what)
		say_error(c, "an object with \"do\", a string, is wanted");
	else if (!strcmp(what, "device-add"))
		say(c, device_request_add(ctl.vm, root, &c->files));
	else if (!strcmp(what, "device-del"))
		remove_device(c, root);
	else if (json_object_size(root) != 1)
		say_error(c, "there is something beside \"do\"");
	else if (!strcmp(what, "status"))
		status(c);
	else if (!strcmp(what, "pause"))
		pause_vcpus(c);
	else if (!strcmp(what, "device-list"))
		say(c, device_request_list(ctl.vm));
	else if (!strcmp(what, "debug"))
		give_debugger(c);
	else if (gdb_holds() && (!strcmp(what, "resume") || !strcmp(what, "powerdown")))
		say_error(c, "a debugger has stopped it");
	else if (!strcmp(what, "resume"))
		vcpus_resume(ctl.vm), say_ok(c);
	else if (!strcmp(what, "console"))
		give_console(c);
	else if (!strcmp(what, "powerdown"))
		vcpus_resume(ctl.vm), power_button(ctl.vm), say_ok(c);
	else if (!strcmp(what, "quit"))
		say_ok(c), vm_stop(ctl.vm, STATUS_QUIT, "ended by \"quit\"");
	else
		say_error(c, "status, pause, resume, console, debug, device-add, device-del, "
			  "device-list, powerdown or quit is wanted");
	json_decref(root);
	drop_files(c);
}

/* It has said all that it has to say in requests. */
static bool is_elsewhere(const struct client *c)
{
	return ctl.console == c || ctl.debugger == c;
}

/* Complete lines; the rest stays. False: it is too long for one. */
static bool requests(struct client *c)
{
	char *end;

	while (!is_elsewhere(c) && !c->removes && (end = memchr(c->line, '\n', c->len))) {
		size_t n = end - c->line;

		request(c, c->line, n);
		c->len -= n + 1;
		memmove(c->line, end + 1, c->len);
	}
	return is_elsewhere(c) || c->removes || c->len < sizeof(c->line);
}

/* What came of it is done, as far as it can be. */
static void serve(struct client *c)
{
	size_t n;

	if (!requests(c)) {
		say_error(c, "a line is too long");
		bye(c);
		return;
	}
	if (is_elsewhere(c))
		drop_files(c);
	if (ctl.debugger == c) {
		n = c->len;
		c->len = 0;
		if (!gdb_input(c->line, n))
			bye(c);
		return;
	}
	if (ctl.console == c && !keys(c)) {
		c->waits = true;
		loop_remove(&ctl.vm->loop, &c->watch);
	}
}

/* Some more of its line, and descriptors; false: there are too many of those. */
static bool receive(struct client *c, ssize_t *n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * DEVICE_FILES)];
	} control;
	struct iovec iov = { c->line + c->len, sizeof(c->line) - c->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	bool fit = true;
	struct cmsghdr *h;

	*n = recvmsg(c->watch.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (*n < 0)
		return true;
	for (h = CMSG_FIRSTHDR(&msg); h; h = CMSG_NXTHDR(&msg, h)) {
		const uint8_t *p = CMSG_DATA(h), *end = (uint8_t *)h + h->cmsg_len;
		int fd;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (; p + sizeof(fd) <= end; p += sizeof(fd)) {
			memcpy(&fd, p, sizeof(fd));
			if (c->files.count < DEVICE_FILES)
				c->files.fd[c->files.count++] = fd;
			else
				fit = close(fd) && false;
		}
	}
	return fit && !(msg.msg_flags & MSG_CTRUNC);
}

static void on_client(void *arg)
{
	struct client *c = arg;
	ssize_t n = 0;

	if (c->len < sizeof(c->line)) {
		if (!receive(c, &n)) {
			say_error(c, "too many descriptors");
			bye(c);
			return;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		/* What was typed before it went is the guest's. */
		if (n <= 0) {
			bye(c);
			return;
		}
		c->len += n;
	}
	serve(c);
}

static void on_connect(void *arg)
{
	struct client *c;
	int fd = accept4(ctl.listener.fd, NULL, NULL, SOCK_CLOEXEC);

	(void)arg;
	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return;
	}
	c->watch = (struct watch){ fd, on_client, c };
	c->files.child = -1;
	c->files.words = -1;
	c->next = ctl.all;
	ctl.all = c;
	loop_add(&ctl.vm->loop, &c->watch);
}

/**
 * control_path() - the name of this machine's socket
 * @path: filled in
 * @size: room there
 *
 * Return: false if there is no directory for it, and none can be made.
 */
bool control_path(char *path, size_t size)
{
	char dir[sizeof(ctl.addr.sun_path) - 16];

	if (!control_dir(dir, sizeof(dir), true))
		return false;
	snprintf(path, size, "%s/%d.sock", dir, getpid());
	return true;
}

static bool listen_there(void)
{
	if (!control_path(ctl.addr.sun_path, sizeof(ctl.addr.sun_path)))
		return false;
	ctl.addr.sun_family = AF_UNIX;
	/* Another process had that number. */
	unlink(ctl.addr.sun_path);
	ctl.listener = (struct watch){
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		on_connect, NULL };
	return ctl.listener.fd >= 0 &&
	       !bind(ctl.listener.fd, (struct sockaddr *)&ctl.addr, sizeof(ctl.addr)) &&
	       !listen(ctl.listener.fd, 16);
}

/**
 * control_create() - the machine can be asked things from here on
 * @vm: the machine
 * @needed: die if that can't be; else it is done without
 */
void control_create(struct vm *vm, bool needed)
{
	if (!listen_there()) {
		if (needed)
			die("cannot make a control socket: %s; LODGE_RUNTIME_DIR says where",
			    strerror(errno));
		if (ctl.listener.fd >= 0)
			close(ctl.listener.fd);
		ctl.listener.fd = -1;
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &ctl.since);
	ctl.vm = vm;
	loop_add(&vm->loop, &ctl.listener);
}

/** control_close() - the machine has ended. As another user it leaves this to cleaner.c. */
void control_close(void)
{
	if (ctl.listener.fd >= 0)
		unlink(ctl.addr.sun_path);
}
