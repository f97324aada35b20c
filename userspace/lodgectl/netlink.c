// SPDX-License-Identifier: GPL-2.0-only
/*
 * Talking to the module: one socket, the family "lodge", dumps and events.
 */
#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <string.h>

#include "netlink.h"
#include "util.h"

static struct nl_sock *sk;
static int family;

/* What the messages that arrive are for. */
struct receiver {
	netlink_fn fn;
	void *arg;
	int max;
	int error;
	bool done;	/* an acknowledgment, an error, or a dump's end has come */
	bool gone;	/* the family was taken away: the module is unloaded */
};

uint64_t attr_u64(const struct nlattr *attr)
{
	return attr && nla_len(attr) == 8 ? nla_get_u64(attr) : 0;
}

uint32_t attr_u32(const struct nlattr *attr)
{
	return attr && nla_len(attr) == 4 ? nla_get_u32(attr) : 0;
}

/** attr_string() - a string in @buf, cut to fit; empty without the attribute. */
void attr_string(const struct nlattr *attr, char *buf, size_t size)
{
	size_t n = attr ? strnlen(nla_data(attr), nla_len(attr)) : 0;

	if (n >= size)
		n = size - 1;
	if (n)
		memcpy(buf, nla_data(attr), n);
	buf[n] = 0;
}

static int failed(struct sockaddr_nl *from, struct nlmsgerr *err, void *arg)
{
	struct receiver *to = arg;

	(void)from;
	to->error = err->error;
	to->done = true;
	return NL_STOP;
}

/* nlctrl's word on a family that goes. */
static bool is_farewell(struct nlmsghdr *head)
{
	struct nlattr *attrs[CTRL_ATTR_MAX + 1];
	struct genlmsghdr *genl = genlmsg_hdr(head);

	return head->nlmsg_type == GENL_ID_CTRL &&
	       genl->cmd == CTRL_CMD_DELFAMILY &&
	       !genlmsg_parse(head, 0, attrs, CTRL_ATTR_MAX, NULL) &&
	       attrs[CTRL_ATTR_FAMILY_ID] &&
	       nla_get_u16(attrs[CTRL_ATTR_FAMILY_ID]) == family;
}

static int valid(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *head = nlmsg_hdr(msg);
	struct receiver *to = arg;
	struct nlattr *attrs[64];

	if (!genlmsg_valid_hdr(head, 0))
		return NL_SKIP;
	if (is_farewell(head))
		to->gone = true;
	if (head->nlmsg_type != family)
		return NL_SKIP;
	if (to->fn && !genlmsg_parse(head, 0, attrs, to->max, NULL))
		to->fn(&(struct message) {
			.cmd = genlmsg_hdr(head)->cmd,
			.attrs = attrs,
			.first = genlmsg_attrdata(genlmsg_hdr(head), 0),
			.length = genlmsg_attrlen(genlmsg_hdr(head), 0),
		}, to->arg);
	return NL_OK;
}

static int done(struct nl_msg *msg, void *arg)
{
	struct receiver *to = arg;
	struct nlmsghdr *head = nlmsg_hdr(msg);

	/* The end of a dump says how it ended; libnl does not look. */
	if (head->nlmsg_type == NLMSG_DONE && nlmsg_datalen(head) >= (int)sizeof(int))
		to->error = *(int *)nlmsg_data(head);
	to->done = true;
	return NL_STOP;
}

static int no_check(struct nl_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return NL_OK;
}

static void receive_with(struct receiver *to)
{
	nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, valid, to);
	nl_socket_modify_cb(sk, NL_CB_FINISH, NL_CB_CUSTOM, done, to);
	nl_socket_modify_cb(sk, NL_CB_ACK, NL_CB_CUSTOM, done, to);
	nl_socket_modify_err_cb(sk, NL_CB_CUSTOM, failed, to);
}

/** netlink_open() - find the module's family, or say what to do. */
void netlink_open(void)
{
	int err;

	sk = nl_socket_alloc();
	if (!sk)
		die(STATUS_FAILED, "out of memory for a netlink socket");
	err = genl_connect(sk);
	if (err)
		die(STATUS_FAILED, "cannot open a generic netlink socket: %s",
		    nl_geterror(err));
	family = genl_ctrl_resolve(sk, LODGE_FAMILY_NAME);
	if (family == -NLE_OBJ_NOTFOUND)
		die(STATUS_NO_MODULE,
		    "the kernel has no netlink family \"" LODGE_FAMILY_NAME
		    "\": is the module loaded (modprobe lodge), and is this the initial network namespace?");
	if (family < 0)
		die(STATUS_FAILED, "cannot look for the netlink family \""
		    LODGE_FAMILY_NAME "\": %s", nl_geterror(family));
}

/** netlink_close() - the end of it. */
void netlink_close(void)
{
	nl_socket_free(sk);
}

static struct nl_msg *request(int flags, int cmd, uint64_t id)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0,
				 flags, cmd, LODGE_FAMILY_VERSION) ||
	    (id && nla_put_u64(msg, LODGE_A_VM_ID, id)))
		die(STATUS_FAILED, "out of memory for a netlink message");
	return msg;
}

static int exchange(struct nl_msg *msg, struct receiver *to)
{
	int err;

	receive_with(to);
	err = nl_send_auto(sk, msg);
	nlmsg_free(msg);
	/* An answer comes first, and then the acknowledgment. */
	while (err >= 0 && !to->done)
		err = nl_recvmsgs_default(sk);
	if (to->error)
		return to->error;
	if (err < 0)
		die(STATUS_FAILED, "the exchange with the module failed: %s",
		    nl_geterror(err));
	return 0;
}

/**
 * netlink_dump() - ask for all objects of a kind
 * @cmd: LODGE_CMD_*_GET
 * @id: those of one VM, or 0
 * @max: the largest attribute of interest
 * @fn: called with each
 * @arg: handed to it
 *
 * Return: 0, or -ENOENT if that VM isn't there, or not for us.
 */
int netlink_dump(int cmd, uint64_t id, int max, netlink_fn fn, void *arg)
{
	struct receiver to = { .fn = fn, .arg = arg, .max = max };
	int err = exchange(request(NLM_F_DUMP, cmd, id), &to);

	if (err && err != -ENOENT)
		die(STATUS_FAILED, "the module refused command %d: %s", cmd,
		    strerror(-err));
	return err;
}

/**
 * netlink_ask() - ask for something to be done, or told
 * @cmd: LODGE_CMD_*
 * @fields: what the request has
 * @nr: how many
 * @max: the largest attribute of the answer that is of interest
 * @fn: called with the answer, if there is any; or NULL
 * @arg: handed to it
 *
 * Return: 0, or what the module said: -ENOENT, -EPERM ...
 */
int netlink_ask(int cmd, const struct field *fields, size_t nr, int max, netlink_fn fn,
		void *arg)
{
	struct receiver to = { .fn = fn, .arg = arg, .max = max };
	struct nl_msg *msg = request(0, cmd, 0);
	int err = 0;
	size_t i;

	for (i = 0; i < nr && !err; i++)
		err = fields[i].size == FIELD_STRING ?
			nla_put_string(msg, fields[i].type,
				       (const char *)(uintptr_t)fields[i].value) :
		      fields[i].size == 8 ? nla_put_u64(msg, fields[i].type, fields[i].value) :
		      fields[i].size == 4 ? nla_put_u32(msg, fields[i].type, fields[i].value) :
		      nla_put_flag(msg, fields[i].type);
	if (err)
		die(STATUS_FAILED, "out of memory for a netlink message");
	return exchange(msg, &to);
}

/** netlink_subscribe() - events, and the end of the family, come from now on. */
void netlink_subscribe(void)
{
	struct receiver to = { .max = 0 };
	int err, group = genl_ctrl_resolve_grp(sk, "nlctrl", "notify");

	/* So that a burst is less likely to be lost. */
	nl_socket_set_buffer_size(sk, 1 << 20, 0);
	if (group >= 0)
		nl_socket_add_membership(sk, group);
	nl_socket_disable_seq_check(sk);
	nl_socket_modify_cb(sk, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, no_check, NULL);
	err = exchange(request(NLM_F_ACK, LODGE_CMD_SUBSCRIBE, 0), &to);
	if (err == -EUSERS)
		die(STATUS_FAILED, "you have as many sockets that wait for events as a user may: close some");
	if (err)
		die(STATUS_FAILED, "cannot ask for events: %s", strerror(-err));
}

/**
 * netlink_wait() - wait for events and hand them to @fn
 *
 * Return: 0; -ENOBUFS if some were lost; -ENODEV if the module was unloaded.
 */
int netlink_wait(netlink_fn fn, void *arg)
{
	struct receiver to = { .fn = fn, .arg = arg, .max = LODGE_A_VM_MAX };
	int err;

	receive_with(&to);
	err = nl_recvmsgs_default(sk);
	if (to.gone)
		return -ENODEV;
	/* libnl knows ENOBUFS as NLE_NOMEM. */
	if (err == -NLE_NOMEM)
		return -ENOBUFS;
	if (err < 0 && err != -NLE_INTR)
		die(STATUS_FAILED, "cannot receive events: %s", nl_geterror(err));
	return 0;
}
