// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control plane's other side: netlink without a library, so that every
 * byte of a request can be wrong. The node is $LODGE_NODE, else /dev/lodge.
 *
 *	control as UID [+-]net_admin COMMAND...
 *			run it as that user, with CAP_NET_ADMIN or without
 *	control hold N NAME	make N VMs of that name, say "running", wait
 *	control names	LODGE_VM_SET_NAME, right and wrong (TAP)
 *	control hostile N	messages that are wrong, N of them at random (TAP)
 *	control subscribe	its limits (TAP)
 *	control group	what comes to the multicast group (TAP)
 *	control pause	begin a dump, say "paused", wait
 *	control churn N	make N VMs with vCPUs, and unmake them
 *	control dump KIND SECONDS LEAST
 *			dump again and again: what was there all the time
 *			(LEAST VMs named "steady") must be told, once
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/genetlink.h>
#include <linux/kvm.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../uapi/lodge.h"

#define SMALL		4096	/* of a receive buffer: dumps come in many parts */
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static int family, group;
static int points, failures;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void check(int good, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", good ? "" : "not ", ++points);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	failures += !good;
}

static int finish(void)
{
	printf("1..%d\n", points);
	return failures != 0;
}

/* --- messages --- */

struct request {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attrs[1024];
};

static struct request new_request(int flags, int cmd)
{
	return (struct request) {
		.head = { .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN), .nlmsg_type = family,
			  .nlmsg_flags = NLM_F_REQUEST | flags, .nlmsg_seq = 1 },
		.genl = { .cmd = cmd, .version = LODGE_FAMILY_VERSION },
	};
}

/* An attribute that says it has said bytes, and has len of them. */
static void put(struct request *r, int type, const void *data, size_t len, int said)
{
	char *at = (char *)r + r->head.nlmsg_len;
	struct nlattr attr = { .nla_type = type, .nla_len = said };

	memcpy(at, &attr, sizeof(attr));
	memcpy(at + NLA_HDRLEN, data, len);
	r->head.nlmsg_len += NLA_HDRLEN + NLA_ALIGN(len);
}

static void put_id(struct request *r, uint64_t id)
{
	put(r, LODGE_A_VM_ID, &id, sizeof(id), NLA_HDRLEN + sizeof(id));
}

static int open_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	struct timeval limit = { .tv_sec = 20 };

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void send_raw(int fd, const void *data, size_t len)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (sendto(fd, data, len, 0, (void *)&kernel, sizeof(kernel)) < 0)
		die("sendto");
}

typedef void (*message_fn)(struct nlmsghdr *head, void *arg);

/*
 * Send it and take what comes up to the end: an acknowledgment, an error, the
 * end of a dump, or a single answer. Gives 0 or an errno.
 */
static int exchange(int fd, struct request *r, message_fn fn, void *arg)
{
	static char buf[1 << 16];

	send_raw(fd, r, r->head.nlmsg_len);
	for (;;) {
		int n = recv(fd, buf, SMALL, 0);
		struct nlmsghdr *head = (void *)buf;

		if (n < 0)
			return errno;
		for (; NLMSG_OK(head, n); head = NLMSG_NEXT(head, n)) {
			if (head->nlmsg_type == NLMSG_ERROR ||
			    head->nlmsg_type == NLMSG_DONE)
				return -*(int *)NLMSG_DATA(head);
			if (fn)
				fn(head, arg);
			if (!(head->nlmsg_flags & NLM_F_MULTI))
				return 0;
		}
	}
}

static struct nlattr *find(struct nlmsghdr *head, int type)
{
	char *at = (char *)NLMSG_DATA(head) + GENL_HDRLEN;
	char *end = (char *)head + head->nlmsg_len;

	while (at + NLA_HDRLEN <= end) {
		struct nlattr *attr = (void *)at;

		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		at += NLA_ALIGN(attr->nla_len);
	}
	return NULL;
}

static void *payload(struct nlattr *attr)
{
	return (char *)attr + NLA_HDRLEN;
}

static void take_family(struct nlmsghdr *head, void *arg)
{
	struct nlattr *groups = find(head, CTRL_ATTR_MCAST_GROUPS);
	struct nlattr *first, *id;

	(void)arg;
	family = *(uint16_t *)payload(find(head, CTRL_ATTR_FAMILY_ID));
	/* One group: its nest has a name and an id. */
	first = payload(groups);
	for (id = payload(first); id->nla_type != CTRL_ATTR_MCAST_GRP_ID;)
		id = (void *)((char *)id + NLA_ALIGN(id->nla_len));
	group = *(uint32_t *)payload(id);
}

static void find_family(void)
{
	struct request r = new_request(0, CTRL_CMD_GETFAMILY);
	int fd = open_socket();

	r.head.nlmsg_type = GENL_ID_CTRL;
	put(&r, CTRL_ATTR_FAMILY_NAME, LODGE_FAMILY_NAME, sizeof(LODGE_FAMILY_NAME),
	    NLA_HDRLEN + sizeof(LODGE_FAMILY_NAME));
	errno = exchange(fd, &r, take_family, NULL);
	if (errno)
		die("family");
	close(fd);
}

/* --- VMs --- */

static int new_vm(void)
{
	static int node = -1;
	const char *path = getenv("LODGE_NODE");
	int fd;

	if (node < 0)
		node = open(path && *path ? path : "/dev/lodge", O_RDWR | O_CLOEXEC);
	if (node < 0)
		die("node");
	fd = ioctl(node, KVM_CREATE_VM, 0);
	if (fd < 0)
		die("KVM_CREATE_VM");
	return fd;
}

static int set_name(int vm, const char *name)
{
	struct lodge_vm_name set = { 0 };

	memcpy(set.name, name, strnlen(name, sizeof(set.name)));
	return ioctl(vm, LODGE_VM_SET_NAME, &set) ? errno : 0;
}

static void hold(int n, const char *name)
{
	struct rlimit files = { 1 << 16, 1 << 16 };

	setrlimit(RLIMIT_NOFILE, &files);
	while (n--) {
		int vm = new_vm();

		if (set_name(vm, name) || ioctl(vm, KVM_CREATE_VCPU, 0) < 0)
			die("VM");
	}
	puts("running");
	fflush(stdout);
	for (;;)
		pause();
}

static int churn(int n)
{
	while (n--) {
		int vm = new_vm(), i, vcpus = n % 4;

		for (i = 0; i < vcpus; i++)
			close(ioctl(vm, KVM_CREATE_VCPU, i));
		set_name(vm, "churn");
		close(vm);
	}
	return 0;
}

static int names(void)
{
	static const char *const wrong = "\x1b[2J\"\\\xff";
	int vm = new_vm();
	char longest[LODGE_NAME_SIZE + 1];

	memset(longest, 'n', sizeof(longest));
	check(set_name(vm, longest) == EINVAL, "a name without an end");
	longest[LODGE_NAME_SIZE - 1] = 0;
	check(!set_name(vm, longest), "the longest name");
	check(set_name(vm, "") == EINVAL, "no name");
	check(ioctl(vm, LODGE_VM_SET_NAME, 1) < 0 && errno == EFAULT, "no memory");
	check(!set_name(vm, wrong), "a name of any bytes");
	close(vm);
	return finish();
}

/* --- wrong messages --- */

static void count(struct nlmsghdr *head, void *arg)
{
	(void)head;
	++*(int *)arg;
}

/* Still there, and still right. */
static int sane(void)
{
	struct request r = new_request(NLM_F_DUMP, LODGE_CMD_VM_GET);
	int fd = open_socket(), n = 0, err = exchange(fd, &r, count, &n);

	close(fd);
	return !err && n > 0;
}

static int refused(struct request r, int err)
{
	int fd = open_socket(), got = exchange(fd, &r, NULL, NULL);

	close(fd);
	if (got != err)
		printf("# %s, not %s\n", strerror(got), strerror(err));
	return got == err;
}

static void wrong_ids(void)
{
	static const uint64_t ids[] = { 0, 1ull << 32, 1ull << 63, ~0ull, ~0ull - 1 };
	static const int cmds[] = {
		LODGE_CMD_VM_GET, LODGE_CMD_VCPU_GET, LODGE_CMD_STATS_GET,
		LODGE_CMD_BALLOON_GET,
	};
	static const int about_one[] = {
		LODGE_CMD_VM_GET, LODGE_CMD_BALLOON_GET, LODGE_CMD_BALLOON_SET,
		LODGE_CMD_DOMAIN_SET, LODGE_CMD_DOMAIN_MERGE, LODGE_CMD_MAP_GET,
	};
	struct request r;
	size_t i, c;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (c = 0; c < ARRAY_SIZE(cmds); c++) {
			r = new_request(NLM_F_DUMP, cmds[c]);
			put_id(&r, ids[i]);
			check(refused(r, ENOENT), "dump %d of VM %llx", cmds[c],
			      (unsigned long long)ids[i]);
		}
		for (c = 0; c < ARRAY_SIZE(about_one); c++) {
			r = new_request(0, about_one[c]);
			put_id(&r, ids[i]);
			check(refused(r, ENOENT), "%d of VM or domain %llx", about_one[c],
			      (unsigned long long)ids[i]);
		}
	}
}

static void wrong_attributes(int flags, const char *how)
{
	static const int said[] = { 0, 1, 3, 5, 11, 13, 100, 0xffff };
	uint64_t id = 1;
	struct request r;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(said); i++) {
		r = new_request(flags, LODGE_CMD_VM_GET);
		put(&r, LODGE_A_VM_ID, &id, sizeof(id), said[i]);
		fd = open_socket();
		check(exchange(fd, &r, NULL, NULL) != 0, "%s: an id that says it has %d bytes",
		      how, said[i]);
		close(fd);
	}
	r = new_request(flags, LODGE_CMD_VM_GET);
	put(&r, LODGE_A_VM_PAD, &id, 0, NLA_HDRLEN);
	check(refused(r, EINVAL), "%s: padding", how);
	r = new_request(flags, LODGE_CMD_VM_GET);
	put_id(&r, 1);
	put(&r, LODGE_A_VM_NAME, "x", 2, NLA_HDRLEN + 2);
	check(refused(r, EINVAL), "%s: an attribute that is an answer's", how);
	r = new_request(flags, LODGE_CMD_VM_GET);
	put(&r, NLA_TYPE_MASK, "x", 2, NLA_HDRLEN + 2);
	check(refused(r, EINVAL), "%s: an attribute that is none", how);
	r = new_request(flags, LODGE_CMD_VM_GET);
	put(&r, LODGE_A_VM_ID | NLA_F_NESTED, &id, sizeof(id), NLA_HDRLEN + sizeof(id));
	check(refused(r, EINVAL), "%s: an id that is a nest", how);
	r = new_request(flags, LODGE_CMD_VM_GET);
	r.genl.reserved = 1;
	put_id(&r, 1);
	check(refused(r, EINVAL), "%s: a reserved field", how);
}

static uint32_t next_random(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 16;
}

/* Garbage behind a header that finds the family; answers are thrown away. */
static void garbage(int times)
{
	int fd = open_socket(), i;
	static char sink[1 << 16];

	while (times--) {
		struct request r = new_request(next_random() % 4 ? 0 : NLM_F_DUMP,
					       next_random() % (__LODGE_CMD_MAX + 2));
		int len = next_random() % 64;

		for (i = 0; i < len; i++)
			r.attrs[i] = next_random();
		/* Often an attribute that is almost right. */
		if (next_random() % 2) {
			struct nlattr attr = { next_random() % 16,
					       next_random() % (LODGE_A_VM_MAX + 2) };

			memcpy(r.attrs, &attr, sizeof(attr));
		}
		r.head.nlmsg_len += len;
		send_raw(fd, &r, r.head.nlmsg_len);
		while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) >= 0)
			;
	}
	close(fd);
}

static int hostile(int times)
{
	struct request r;
	int vm = new_vm();

	check(sane(), "a dump before");
	r = new_request(NLM_F_ACK, 0);
	r.head.nlmsg_len = NLMSG_HDRLEN;
	check(refused(r, EINVAL), "no genetlink header");
	r.head.nlmsg_len = NLMSG_HDRLEN + 2;
	check(refused(r, EINVAL), "half of one");
	check(refused(new_request(0, LODGE_CMD_VM_GET), EINVAL), "get, without an id");
	check(refused(new_request(0, 0), EOPNOTSUPP), "command 0");
	check(refused(new_request(0, 255), EOPNOTSUPP), "command 255");
	check(refused(new_request(0, LODGE_CMD_VM_DEAD_NTF), EOPNOTSUPP),
	      "a command that is an event");
	check(refused(new_request(0, LODGE_CMD_STATS_GET), EOPNOTSUPP),
	      "counters, not as a dump");
	check(refused(new_request(NLM_F_DUMP, LODGE_CMD_SUBSCRIBE), EOPNOTSUPP),
	      "subscribing as a dump");
	r = new_request(NLM_F_ACK, LODGE_CMD_SUBSCRIBE);
	put_id(&r, 1);
	check(refused(r, EINVAL), "subscribing to one VM");
	wrong_ids();
	wrong_attributes(0, "get");
	wrong_attributes(NLM_F_DUMP, "dump");
	garbage(times);
	check(sane(), "a dump after %d times garbage", times);
	close(vm);
	return finish();
}

/* --- events --- */

static int ask_for_events(int fd)
{
	struct request r = new_request(NLM_F_ACK, LODGE_CMD_SUBSCRIBE);

	return exchange(fd, &r, NULL, NULL);
}

/* The command of the next message, or -errno. */
static int next_event(int fd, int flags, uint64_t *id, int *attrs)
{
	static char buf[1 << 16];
	struct nlmsghdr *head = (void *)buf;
	int n = recv(fd, buf, sizeof(buf), flags), type;

	if (n < 0)
		return -errno;
	*id = *(uint64_t *)payload(find(head, LODGE_A_VM_ID));
	for (type = 1, *attrs = 0; type <= LODGE_A_VM_MAX; type++)
		*attrs += !!find(head, type);
	return ((struct genlmsghdr *)NLMSG_DATA(head))->cmd;
}

static int subscribe(void)
{
	int fds[64], size = 4096, i, n, attrs, cmd, vm;
	uint64_t id, other;

	for (i = 0; i < 64; i++)
		fds[i] = open_socket();
	check(!ask_for_events(fds[0]), "a subscription");
	check(ask_for_events(fds[0]) == EEXIST, "a second one of the same socket");
	for (i = 1; i < 64 && !ask_for_events(fds[i]); i++)
		;
	check(i == 64, "64 subscriptions");
	n = open_socket();
	check(ask_for_events(n) == EUSERS, "one too many");
	close(fds[63]);
	check(!ask_for_events(n), "one for one that was closed");

	setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	vm = new_vm();
	check(next_event(fds[0], 0, &id, &attrs) == LODGE_CMD_VM_CREATED_NTF && attrs > 5,
	      "told of a VM");
	set_name(vm, "a name");
	check(next_event(fds[0], 0, &other, &attrs) == LODGE_CMD_VM_NAMED_NTF && id == other,
	      "and of its name");
	close(vm);
	check(next_event(fds[0], 0, &other, &attrs) == LODGE_CMD_VM_DESTROYED_NTF &&
	      id == other, "and of its end");
	check(next_event(fds[0], MSG_DONTWAIT, &id, &attrs) == -EAGAIN, "and of no more");
	for (i = 0; i < 100; i++)
		close(new_vm());
	for (i = 0; (cmd = next_event(fds[1], MSG_DONTWAIT, &id, &attrs)) > 0; i++)
		;
	check(cmd == -ENOBUFS, "a socket that is not read is told that it lost some");
	return finish();
}

static int listen_to_group(void)
{
	int fd = open_socket(), attrs, err, vm;
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	uint64_t id;

	if (bind(fd, (void *)&self, sizeof(self)))
		die("bind");
	err = setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));
	if (err && errno == EPERM) {
		puts("refused");
		return 77;
	}
	check(!err, "a member of the group");
	vm = new_vm();
	check(next_event(fd, 0, &id, &attrs) == LODGE_CMD_VM_CREATED_NTF && attrs == 1,
	      "told a VM's id and no more");
	close(vm);
	check(next_event(fd, 0, &id, &attrs) == LODGE_CMD_VM_DESTROYED_NTF && attrs == 1,
	      "and that it is gone");
	return finish();
}

/* A dump that has more to say, and is never read. */
static void paused(void)
{
	struct request r = new_request(NLM_F_DUMP, LODGE_CMD_STATS_GET);
	int fd = open_socket(), size = 1;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	send_raw(fd, &r, r.head.nlmsg_len);
	puts("paused");
	fflush(stdout);
	for (;;)
		pause();
}

/* --- dumps while VMs come and go --- */

struct seen {
	int kind;
	uint64_t last;		/* VM */
	int64_t item;		/* and what of it, -1 before the first */
	int steady;
	int wrong;
	int messages;
};

static void look(struct nlmsghdr *head, void *arg)
{
	struct seen *seen = arg;
	struct nlattr *id = find(head, LODGE_A_VM_ID), *attr;
	uint64_t vm = id ? *(uint64_t *)payload(id) : 0;
	int64_t item = 0;

	seen->messages++;
	if (seen->kind == LODGE_CMD_VM_GET) {
		attr = find(head, LODGE_A_VM_NAME);
		seen->steady += attr && !strcmp(payload(attr), "steady");
	} else if (seen->kind == LODGE_CMD_VCPU_GET) {
		attr = find(head, LODGE_A_VCPU_INDEX);
		item = attr ? *(uint32_t *)payload(attr) : -1;
	} else {
		attr = find(head, LODGE_A_STATS_VCPU_ID);
		item = attr ? 1 + *(uint32_t *)payload(attr) : 0;
	}
	if (vm < seen->last || (vm == seen->last && item != seen->item + 1) ||
	    (vm > seen->last && item))
		seen->wrong++;
	seen->last = vm;
	seen->item = item;
}

static int dump(const char *kind, int seconds, int least)
{
	time_t end = time(NULL) + seconds;
	int fd = open_socket(), dumps = 0, messages = 0;

	do {
		struct seen seen = {
			.kind = !strcmp(kind, "vms") ? LODGE_CMD_VM_GET :
				!strcmp(kind, "vcpus") ? LODGE_CMD_VCPU_GET :
				LODGE_CMD_STATS_GET,
			.item = -1,
		};
		struct request r = new_request(NLM_F_DUMP, seen.kind);
		int err = exchange(fd, &r, look, &seen);

		if (err || seen.wrong || seen.messages < least ||
		    (seen.kind == LODGE_CMD_VM_GET && seen.steady != least)) {
			printf("dump %d: %s, %d out of order, %d of %d, %d messages\n",
			       dumps, strerror(err), seen.wrong, seen.steady, least,
			       seen.messages);
			return 1;
		}
		messages += seen.messages;
		dumps++;
	} while (time(NULL) < end);
	printf("%d dumps, %d messages\n", dumps, messages);
	return 0;
}

/* --- users --- */

static void drop_from_bounding_set(int cap)
{
	if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
		die("PR_CAPBSET_DROP");
}

static int as_user(uid_t uid, int net_admin, char **argv)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { { 0 } };

	if (!net_admin)
		drop_from_bounding_set(CAP_NET_ADMIN);
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
		    setresuid(uid, uid, uid)))
		die("user");
	if (uid && net_admin) {
		caps[0].permitted = caps[0].effective = caps[0].inheritable =
			1u << CAP_NET_ADMIN;
		if (syscall(SYS_capset, &head, caps) ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0))
			die("CAP_NET_ADMIN");
	}
	execvp(argv[0], argv);
	die(argv[0]);
	return 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "as") && argc > 4)
		return as_user(atoi(argv[2]), *argv[3] == '+', argv + 4);
	if (!strcmp(what, "hold") && argc > 3)
		hold(atoi(argv[2]), argv[3]);
	if (!strcmp(what, "names"))
		return names();
	if (!strcmp(what, "churn") && argc > 2)
		return churn(atoi(argv[2]));
	find_family();
	if (!strcmp(what, "hostile") && argc > 2)
		return hostile(atoi(argv[2]));
	if (!strcmp(what, "subscribe"))
		return subscribe();
	if (!strcmp(what, "group"))
		return listen_to_group();
	if (!strcmp(what, "pause"))
		paused();
	if (!strcmp(what, "dump") && argc > 4)
		return dump(argv[2], atoi(argv[3]), atoi(argv[4]));
	fprintf(stderr, "control: see the head of its source\n");
	return 2;
}
