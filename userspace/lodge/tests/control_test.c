// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket: what it answers, to whom, and what it makes of clients that are
 * not what they should be. The machine has no vCPUs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "device.h"
#include "driver.h"
#include "tap.h"
#include "term.h"
#include "util.h"

static struct config cfg = { .name = "test", .cpus = 0, .memory = 64 * MIB, .exit_port = -1 };
static char dir[32];
static struct sockaddr_un addr = { .sun_family = AF_UNIX };
static char typed[4096];
static size_t ntyped, room;

/* KVM's, which has nothing to say. */
int ioctl(int fd, unsigned long cmd, ...)
{
	(void)fd;
	(void)cmd;
	return 0;
}

static size_t sink(void *dev, const uint8_t *data, size_t len)
{
	size_t n = len < room ? len : room;

	(void)dev;
	memcpy(typed + ntyped, data, n);
	ntyped += n;
	room -= n;
	return n;
}

static void *serve(void *arg)
{
	loop_run(&vm.loop);
	return arg;
}

static int client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die("cannot connect: %s", strerror(errno));
	return fd;
}

/* What comes within two seconds, as far as @want, or the end. */
static const char *heard(int fd, const char *want)
{
	static char buf[65536];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t n = 0;
	ssize_t got;

	buf[0] = 0;
	while (!strstr(buf, want) && poll(&p, 1, 2000) > 0) {
		got = recv(fd, buf + n, sizeof(buf) - 1 - n, 0);
		if (got <= 0)
			break;
		n += got;
		buf[n] = 0;
	}
	return buf;
}

static void say(int fd, const char *text)
{
	if (write_all(fd, text, strlen(text)) < 0)
		die("cannot write");
}

static bool answers(int fd, const char *text, const char *want)
{
	say(fd, text);
	return strstr(heard(fd, "}\n"), want);
}

static void requests(void)
{
	int fd = client(), other, i;

	check(answers(fd, "{\"do\":\"status\"}\n", "\"name\":\"test\""), "status says the name");
	check(answers(fd, " { \"do\" : \"status\" }\n", "\"state\":\"running\""),
	      "and the state, whatever the spaces");
	check(answers(fd, "nonsense\n", "\"ok\":false"), "no JSON");
	check(answers(fd, "[]\n", "a string, is wanted"), "no object");
	check(answers(fd, "{\"do\":1}\n", "a string, is wanted"), "no string");
	check(answers(fd, "{\"do\":\"dance\"}\n", "is wanted"), "no word that it knows");
	check(answers(fd, "{\"do\":\"status\",\"x\":1}\n", "something beside"), "a word too many");
	check(answers(fd, "{\"do\":\"pause\",\"do\":\"status\"}\n", "\"ok\":false"), "one twice");
	check(answers(fd, "\n", "\"ok\":false"), "an empty line");
	check(answers(fd, "{\"do\":\"debug\"}\n", "\"ok\":true"), "a debugger can be had");
	say(fd, "$qC#b4");
	check(strstr(heard(fd, "#"), "+$QC1#"), "and talks gdb's language");
	close(fd);
	fd = client();
	for (i = 0; i < 100 && !answers(fd, "{\"do\":\"debug\"}\n", "\"ok\":true"); i++)
		usleep(10000);
	check(i < 100, "so can the next");
	other = client();
	check(answers(other, "{\"do\":\"debug\"}\n", "it has a debugger"), "one at a time");
	check(answers(other, "{\"do\":\"resume\"}\n", "a debugger has stopped it"),
	      "which has it stopped");
	close(fd);
	close(other);
	fd = client();
	say(fd, "{\"do\":\"sta");
	check(answers(fd, "tus\"}\n", "\"ok\":true"), "a request in pieces");
	say(fd, "{\"do\":\"status\"}\n{\"do\":\"dance\"}\n");
	check(strstr(heard(fd, "false"), "\"ok\":true"), "two at once, in order");
	close(fd);
}

static void too_long(void)
{
	char line[2 * CONTROL_LINE_MAX];
	int fd = client();

	memset(line, 'x', sizeof(line));
	/* It may be gone before all is written. */
	(void)!send(fd, line, sizeof(line), MSG_NOSIGNAL);
	check(strstr(heard(fd, "}\n"), "too long") || errno == ECONNRESET,
	      "a line without an end is refused");
	close(fd);
	fd = client();
	check(answers(fd, "{\"do\":\"status\"}\n", "\"ok\":true"), "and others are served");
	close(fd);
}

static void console(void)
{
	char line[700];
	int one, two, i;

	control_output("before", 6);
	one = client();
	say(one, "{\"do\":\"console\"}\n");
	check(!strcmp(heard(one, "before"), "{\"ok\":true}\nbefore"),
	      "a console can be had, with what was written before");
	control_output("after", 5);
	check(strstr(heard(one, "after"), "after"), "what is written now is shown");
	two = client();
	check(answers(two, "{\"do\":\"console\"}\n", "somebody else"), "by one at a time");
	room = 3;
	say(one, "keys");
	for (i = 0; i < 100 && ntyped < 3; i++)
		usleep(10000);
	check(ntyped == 3 && !memcmp(typed, "key", 3), "keys go to the guest as it takes them");
	memset(line, 'z', sizeof(line));
	line[sizeof(line) - 1] = '!';
	(void)!write(one, line, sizeof(line));
	for (i = 0; i < 1000 && !memchr(typed, '!', ntyped); i++) {
		room = 100;
		term_kick();
		usleep(2000);
	}
	check(ntyped == 4 + sizeof(line) && typed[3] == 's', "all of them, in order");
	/* Nobody reads, and the guest goes on. */
	for (i = 0; i < 20000; i++)
		control_output("0123456789012345678901234567890123456789012345678901234567890123", 64);
	check(true, "a client that doesn't read keeps nobody");
	close(one);
	usleep(50000);
	say(two, "{\"do\":\"console\"}\n");
	check(strlen(heard(two, "no such thing")) >= 16 * KIB,
	      "the next one has it, with 16 KiB of what was");
	close(two);
}

/* The guest's side of hot-plug, and of a device's configuration. */
static uint32_t told(unsigned int off)
{
	uint32_t v;

	bus_access(&vm.pio, HOTPLUG_PORT + off, &v, 4, false);
	return v;
}

static void tell(unsigned int off, uint32_t v)
{
	bus_access(&vm.pio, HOTPLUG_PORT + off, &v, 4, true);
}

static void config_set(unsigned int slot, unsigned int reg, uint32_t v)
{
	bus_access(&vm.mmio, PCI_ECAM_BASE + (slot << 15) + reg, &v, 4, true);
}

static uint32_t mem(uint64_t at)
{
	uint32_t v;

	bus_access(&vm.mmio, at, &v, 4, false);
	return v;
}

/* A request, with descriptors. */
static void say_with(int fd, const char *text, const int *fds, unsigned int n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * 32)];
	} control = { 0 };
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };

	put_fds(&msg, fds, n);
	if (sendmsg(fd, &msg, 0) != (ssize_t)strlen(text))
		die("cannot send");
}

static bool adds(int fd, const char *words, int file, const char *want)
{
	char line[256];

	snprintf(line, sizeof(line), "{\"do\":\"device-add\",\"kind\":\"disk\",\"words\":\"%s\"}\n",
		 words);
	say_with(fd, line, &file, 1);
	return strstr(heard(fd, "}\n"), want);
}

#define DEL(id)	"{\"do\":\"device-del\",\"id\":\"" id "\",\"seconds\":1}\n"
#define LIST	"{\"do\":\"device-list\"}\n"

static bool waits_for(unsigned int off, uint32_t want)
{
	int i;

	for (i = 0; i < 2000 && told(off) != want; i++)
		usleep(1000);
	return told(off) == want;
}

/* What a guest does with a device that came, and with one that is wanted back. */
static bool use(unsigned int slot)
{
	uint32_t window = config(slot, PCI_BASE_ADDRESS_0) & ~0xfu;

	config_set(slot, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	return window && mem(window) != ~0u;
}

static bool let_go(int fd, unsigned int slot)
{
	uint32_t window = config(slot, PCI_BASE_ADDRESS_0) & ~0xfu;

	if (!waits_for(4, 1u << slot))
		return false;
	tell(4, 1u << slot);
	tell(8, 1u << slot);
	return config(slot, 0) == ~0u && strstr(heard(fd, "}\n"), "\"ok\":true") &&
	       mem(window) == ~0u;
}

static void refused_devices(int fd, int file, const char *path)
{
	int many[32], nothing = open("/dev/null", O_RDWR), readonly = open(path, O_RDONLY);
	unsigned int i;

	check(adds(fd, "a", nothing, "neither a file"), "what is no disk isn't one");
	check(adds(fd, "a", readonly, "for something else"), "nor one that can only be read");
	check(adds(fd, "a,id=x y", file, "id= wants"), "a name that isn't one");
	check(answers(fd, "{\"do\":\"device-add\",\"kind\":\"disk\",\"words\":\"a\"}\n",
		      "one file is wanted"), "a disk without a file");
	check(answers(fd, "{\"do\":\"device-add\",\"kind\":\"door\",\"words\":\"a\"}\n",
		      "disk, fs or net"), "a kind that there isn't");
	check(answers(fd, "{\"do\":\"device-add\",\"kind\":\"net\",\"words\":\"user\"}\n",
		      "one stream socket"), "a network without a socket");
	check(answers(fd, "{\"do\":\"device-add\",\"kind\":\"net\",\"words\":\"tap=t\",\"mtu\":1}\n",
		      "mtu"), "a tap without its MTU");
	check(answers(fd, "{\"do\":\"device-add\",\"kind\":\"fs\",\"words\":\"tag=a,socket=/none\"}\n",
		      "can't be shared"), "a folder where memory is nobody else's");
	check(answers(fd, "{\"do\":\"device-add\"}\n", "strings, are wanted"), "nothing at all");
	check(answers(fd, DEL("disk0"), "no device disk0"), "one that isn't there");
	check(answers(fd, "{\"do\":\"device-del\",\"id\":\"a\",\"seconds\":0}\n", "1 to 86400"),
	      "in no time");
	check(answers(fd, LIST, "\"devices\":[]"), "none of them is a device");
	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = nothing;
	say_with(fd, "{\"do\":\"status\"}\n", many, ARRAY_SIZE(many));
	check(strstr(heard(fd, "}\n"), "too many descriptors"), "too many descriptors");
	close(nothing);
	close(readonly);
}

/* Another device has a vCPU, which may be at this one, too. */
static void test_kept(int fd, unsigned int slot)
{
	static struct vcpu kept;

	vm.vcpu = &kept;
	kept.turn = 1;
	cfg.cpus = 1;
	say(fd, DEL("disk0"));
	waits_for(4, 1u << slot);
	tell(8, 1u << slot);
	usleep(300000);
	check(told(8) == 0 && config(slot, 0) == ~0u &&
	      recv(fd, &(char){ 0 }, 1, MSG_DONTWAIT) < 0,
	      "one that a vCPU may be at is hidden, and stays");
	kept.turn = 2;
	check(strstr(heard(fd, "}\n"), "\"ok\":true"), "until it has left");
	cfg.cpus = 0;
}

/* A network is a socket, and the guest's address is its alone. */
static void test_net(int fd, unsigned int slot)
{
	const char *add = "{\"do\":\"device-add\",\"kind\":\"net\",\"words\":\"user,mac=02:00:00:00:00:01\"}\n";
	int wire[2];
	char c;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, wire))
		die("no socket");
	say_with(fd, add, wire, 1);
	check(strstr(heard(fd, "}\n"), "\"id\":\"net0\"") && use(slot), "a network is added");
	say_with(fd, add, wire, 1);
	check(strstr(heard(fd, "}\n"), "is net0's already"), "but not another one with its address");
	close(wire[0]);
	say(fd, DEL("net0"));
	check(let_go(fd, slot) && !recv(wire[1], &c, 1, 0), "it goes");
	close(wire[1]);
}

static void devices(void)
{
	char path[] = "/tmp/lodge-device-XXXXXX";
	int file = mkstemp(path), fd = client(), other, before, i;
	const unsigned int slot = 1;
	uint32_t one = 1u << slot, v;
	bool ok = true;

	if (file < 0 || ftruncate(file, MIB))
		die("no file");
	refused_devices(fd, file, path);
	close(fd);
	fd = client();
	check(answers(fd, LIST, "[]"), "the machine is as before");
	other = client();
	check(answers(other, LIST, "[]"), "for everybody");
	before = open_files();
	check(adds(fd, "a,id=data", file, "\"id\":\"data\",\"slot\":1"), "a disk is added, with a name");
	check(told(0) == one && config(slot, 0) == 0x10421af4, "and the guest told");
	tell(0, ~0u);
	check(!told(0), "once");
	check(use(slot), "it answers");
	check(adds(fd, "b,id=data", file, "another device's"), "a name that is taken");
	v = 0xff;
	for (i = 0; i < 12; i++)
		bus_access(&vm.pio, HOTPLUG_PORT + i, &v, 1, true);
	bus_access(&vm.pio, HOTPLUG_PORT + 8, &v, 2, true);
	tell(8, ~0u);
	check(answers(fd, LIST, "\"state\":\"there\"") && use(slot),
	      "an ejection that nobody asked for is none");
	say(fd, DEL("data"));
	check(waits_for(4, one), "it is wanted back");
	v = one;
	bus_access(&vm.pio, HOTPLUG_PORT + 8, &v, 2, true);
	check(answers(other, LIST, "\"state\":\"removing\""), "others see that");
	check(answers(other, DEL("data"), "being removed already"), "and can't ask again");
	say(fd, LIST);
	check(strstr(heard(fd, "]}\n"), "did not let go of data in 1 seconds: it stays\"}\n{\"ok\":true"),
	      "a guest that doesn't answer keeps it; the next request waited for that");
	check(!told(4) && use(slot), "and it is as it was");
	tell(8, one);
	check(use(slot), "too late is never");
	say(fd, DEL("data"));
	check(let_go(fd, slot), "when it answers, the device is gone");
	check(answers(fd, LIST, "[]") && open_files() == before, "with all that it had");
	for (i = 0; i < 200 && ok; i++) {
		ok = adds(fd, "a", file, "\"id\":\"disk0\",\"slot\":1") && use(slot);
		say(fd, DEL("disk0"));
		ok = ok && let_go(fd, slot);
	}
	check(ok && open_files() == before, "200 times the same, and none is left");
	test_net(fd, slot);
	check(open_files() == before, "with its socket");
	ok = adds(fd, "a", file, "disk0");
	test_kept(fd, slot);
	/* Who asks may go; the device does, too. */
	check(ok && adds(fd, "a", file, "disk0"), "once more");
	say(other, DEL("disk0"));
	waits_for(4, one);
	close(other);
	tell(8, one);
	for (i = 0; i < 1000 && !answers(fd, LIST, "[]"); i++)
		usleep(1000);
	check(i < 1000, "it goes also if nobody waits for that");
	flock(file, LOCK_UN);
	for (i = 0; i < 31; i++)
		ok = ok && adds(fd, "a,ro", open(path, O_RDONLY), "\"ok\":true");
	check(ok && adds(fd, "a,ro", file, "bus is full"), "31 fit, and no more");
	close(fd);
	unlink(path);
}

static int entries(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

int main(void)
{
	pthread_t thread;
	int fd, keys[2];
	char bad[64];

	strcpy(dir, "/tmp/lodge-control-XXXXXX");
	if (!mkdtemp(dir) || pipe(keys) || dup2(keys[0], STDIN_FILENO) < 0)
		return 1;
	setenv("LODGE_RUNTIME_DIR", dir, 1);
	vm.cfg = &cfg;
	loop_init(&vm.loop);
	pthread_mutex_init(&vm.pause.lock, NULL);
	pthread_cond_init(&vm.pause.changed, NULL);
	term_start(&vm, sink, NULL, NULL);
	chmod(dir, 0777);
	control_create(&vm, false);
	check(entries() == 0, "a directory that others can write to is not used");
	chmod(dir, 0700);
	control_create(&vm, true);
	check(entries() == 1, "a socket is there");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%d.sock", dir, getpid());
	bus_init(&vm.pio);
	bus_init(&vm.mmio);
	mem_create(&vm.mem, cfg.memory, -1);
	pci_create(&vm);
	power_create(&vm);
	device_init(&vm);
	pci_running(&vm);
	pthread_create(&thread, NULL, serve, NULL);
	requests();
	too_long();
	console();
	devices();
	fd = client();
	check(answers(fd, "{\"do\":\"quit\"}\n", "\"ok\":true"), "quit is answered");
	pthread_join(thread, NULL);
	check(vm.loop.stopped, "and ends the machine");
	control_close();
	check(entries() == 0, "the socket is gone");
	rmdir(dir);
	snprintf(bad, sizeof(bad), "%s/none", dir);
	setenv("LODGE_RUNTIME_DIR", bad, 1);
	check(!control_dir(bad, sizeof(bad), true), "a directory that can't be made is said");
	return done();
}
