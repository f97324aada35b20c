// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where pages go that are not used: the pools of all, and the swap file. What is told
 * comes by netlink; a file is given by an ioctl on the hypervisor's node.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "json.h"
#include "netlink.h"
#include "util.h"

#define DEFAULT_NODE	"/dev/lodge"
/* The module wants room for as many pages as it writes at a time. */
#define SMALLEST	(32 * 4096)
#define WANTS_ADMIN	"a swap file is given, and taken away, with CAP_SYS_ADMIN"

static const struct {
	const char *key;
	int type;
} numbers[] = {
	{ "pool", LODGE_A_SWAP_POOL },
	{ "bytes", LODGE_A_SWAP_BYTES },
	{ "used", LODGE_A_SWAP_USED },
	{ "written", LODGE_A_SWAP_WRITTEN },
	{ "read", LODGE_A_SWAP_READ },
	{ "errors", LODGE_A_SWAP_ERRORS },
};

static void take(const struct message *msg, void *arg)
{
	uint64_t *value = arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		value[i] = attr_u64(msg->attrs[numbers[i].type]);
}

static void print(const uint64_t *value)
{
	char buf[16], used[16];

	printf("compressed pages take %s\n", text_bytes(value[0], buf, sizeof(buf)));
	if (value[1])
		printf("swap file of %s, %s in use\n",
		       text_bytes(value[1], buf, sizeof(buf)),
		       text_bytes(value[2], used, sizeof(used)));
	else
		printf("no swap file\n");
	printf("pages written %" PRIu64 ", read %" PRIu64 ", errors %" PRIu64 "\n",
	       value[3], value[4], value[5]);
}

static void ask(uint64_t *value)
{
	int err = netlink_ask(LODGE_CMD_SWAP_GET, NULL, 0, LODGE_A_SWAP_MAX, take, value);

	if (err == -EPERM)
		die(STATUS_FAILED, "what all VMs have swapped is shown with CAP_NET_ADMIN; of your own \"lodgectl stats\" tells");
	if (err)
		die(STATUS_FAILED, "swap: %s", strerror(-err));
}

/* What the node tells wants no more than it takes to set it. */
static struct lodge_swap_info node_info(int node, const char *path)
{
	struct lodge_swap_info info = { .size = sizeof(info) };

	if (!ioctl(node, LODGE_SWAP_INFO, &info))
		return info;
	if (errno == EPERM)
		die(STATUS_FAILED, WANTS_ADMIN);
	die(STATUS_FAILED, "%s is not lodge's node (%s): --node=PATH says which is", path,
	    strerror(errno));
}

static int node_open(const char *path)
{
	int node = open(path, O_RDWR | O_CLOEXEC);

	if (node < 0 && errno == EACCES)
		die(STATUS_FAILED, WANTS_ADMIN);
	if (node < 0)
		die(STATUS_FAILED, "cannot open the hypervisor's node %s: %s; the module's parameter \"node\" has its name, --node=PATH says it here",
		    path, strerror(errno));
	node_info(node, path);
	return node;
}

/* As guests' disks are: by flock(), or as QEMU does it. */
static bool is_locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (!fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK)
		return true;
	return flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
}

static void __attribute__((noreturn)) refuse(const char *path, const char *why)
{
	die(STATUS_FAILED, "cannot swap to %s: %s", path, why);
}

static int file_open(const char *path, struct stat *st)
{
	char buf[16];
	int fd;

	/* Before it is opened, which can do something to a device. */
	if (stat(path, st))
		refuse(path, errno == ENOENT ? "no such file; fallocate -l SIZE makes one" :
			     strerror(errno));
	if (!S_ISREG(st->st_mode))
		refuse(path, S_ISDIR(st->st_mode) ? "that is a directory; a file is wanted" :
			     S_ISBLK(st->st_mode) ? "that is a block device; a file is wanted, in a file system on it" :
			     "that is no regular file");
	if (st->st_size < SMALLEST)
		refuse(path, xprintf("it has %s, and %dK are the least; fallocate -l SIZE gives it a size",
				     text_bytes(st->st_size, buf, sizeof(buf)),
				     SMALLEST / 1024));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		refuse(path, strerror(errno));
	if (is_locked(fd))
		refuse(path, "it is locked: somebody uses it, perhaps as a guest's disk");
	return fd;
}

static int swap_set(int node, int fd)
{
	struct lodge_swap_set set = { .size = sizeof(set), .fd = fd };

	return ioctl(node, LODGE_SWAP_SET, &set) ? errno : 0;
}

static void swap_on(int node, const char *node_path, const char *path)
{
	struct stat st;
	char buf[16];
	int fd = file_open(path, &st), err = swap_set(node, fd);

	if (err == EBUSY)
		refuse(path, xprintf("there is a swap file, of %s; \"lodgectl swap off\" gives it up",
				     text_bytes(node_info(node, node_path).bytes, buf,
						sizeof(buf))));
	if (err)
		refuse(path, err == EINVAL ? "files of its file system can't be used so" :
			     strerror(err));
	if (st.st_uid || st.st_mode & 066)
		warn("others than root may read or write %s, in which guests' memory will be as it is: chown root, chmod 600",
		     path);
	close(fd);
}

static void swap_off(int node, const char *node_path)
{
	char buf[16];
	int err = swap_set(node, -1);

	if (err == ENOENT)
		die(STATUS_FAILED, "there is no swap file");
	if (err == EBUSY)
		die(STATUS_FAILED, "%s of guests' memory are in the swap file: it can be given up when they have been used again, or their machines have ended",
		    text_bytes(node_info(node, node_path).used, buf, sizeof(buf)));
	if (err)
		die(STATUS_FAILED, "cannot give the swap file up: %s", strerror(err));
}

static void change(const struct options *opt)
{
	const char *path = opt->node ? opt->node : DEFAULT_NODE;
	int node = node_open(path);

	if (strcmp(opt->words[0], "off"))
		swap_on(node, path, opt->words[0]);
	else
		swap_off(node, path);
	close(node);
}

/** command_swap() - what is compressed and swapped, of all VMs; or where to. */
int command_swap(const struct options *opt)
{
	uint64_t value[ARRAY_SIZE(numbers)] = { 0 };
	size_t i;

	if (opt->node && !opt->nr_words)
		die(STATUS_USAGE, "--node is for swap FILE and swap off");
	/* Who can't be told afterwards changes nothing. */
	if (!opt->nr_words || opt->json)
		ask(value);
	if (opt->nr_words) {
		change(opt);
		if (!opt->json)
			return STATUS_OK;
		ask(value);
	}
	if (!opt->json) {
		print(value);
		return STATUS_OK;
	}
	json_begin(NULL, '{');
	for (i = 0; i < ARRAY_SIZE(numbers); i++)
		json_number(numbers[i].key, value[i]);
	json_end('}');
	return STATUS_OK;
}
