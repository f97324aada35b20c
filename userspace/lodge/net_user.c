// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network without privileges: passt, a child of the launcher, is the guest's
 * gateway, DHCP and name server, and carries its connections as ordinary sockets
 * of the user. It speaks over a stream socket: each frame with its length before
 * it, four bytes, big-endian. Frames are copied between that and the rings in
 * the I/O thread.
 *
 * Both sides are strangers. The guest's frames are judged by what was read once;
 * one that isn't a frame goes nowhere. What passt sends has no more than the
 * longest frame's length, or the link goes down, as it does when passt ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net.h"
#include "options.h"
#include "util.h"

#define PREFIX		sizeof(uint32_t)
#define FRAME_MIN	14u		/* an Ethernet header */
#define FRAME_MAX	65535u
#define MTU		65520		/* what passt tells by DHCP */
#define CHILD_FD	3
#define SAFE_FD		10	/* above what is replaced in the child */
#define PASST_WORDS	5	/* without forwarded ports */
#define DOUBT_MS	2000	/* in which it ends, if it is going to */
#define MANY_PORTS	1000	/* for which it may lack descriptors */
#define WORDS_MAX	4096

struct net_user {
	struct net net;
	int child;		/* passt, as a descriptor, or -1 */
	bool down;		/* passt is gone */
	bool blocked;		/* the guest has no room: @in isn't watched */
	bool sending;		/* the socket has none: @out is watched */
	struct watch in, out;	/* the socket, once for each way */
	size_t in_len, out_pos, out_len;
	uint8_t in_buf[2 * (PREFIX + FRAME_MAX)];
	uint8_t out_buf[PREFIX + FRAME_MAX];
};

/* There is no other end any more. */
static void hang_up(struct net_user *u)
{
	struct loop *loop = &u->net.dev.vm->loop;

	u->down = true;
	loop_forget(loop, &u->in);
	loop_forget(loop, &u->out);
	close(u->in.fd);
	close(u->out.fd);
	if (u->child >= 0) {
		/* One that was started by root is somebody else by now, and ends by itself. */
		syscall(SYS_pidfd_send_signal, u->child, SIGKILL, NULL, 0);
		close(u->child);
	}
}

/* passt ended, or can't be understood. */
static void link_down(struct net_user *u)
{
	if (u->down)
		return;
	hang_up(u);
	warn("passt has ended: the network in slot %u has no link any more",
	     u->net.dev.pci.slot);
	net_link(&u->net, false);
}

/* Send what there is; false if some of it has to wait. */
static bool flush(struct net_user *u)
{
	struct loop *loop = &u->net.dev.vm->loop;

	while (u->out_pos < u->out_len && !u->down) {
		ssize_t n = send(u->out.fd, u->out_buf + u->out_pos,
				 u->out_len - u->out_pos, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			if (!u->sending)
				loop_add_output(loop, &u->out);
			u->sending = true;
			return false;
		}
		if (n <= 0)
			link_down(u);
		else
			u->out_pos += n;
	}
	u->out_pos = 0;
	u->out_len = 0;
	return true;
}

/* A frame of the guest's, header first, if it is one; -1: no chain of that queue. */
static int take_frame(struct net_user *u, struct vq_chain *chain)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct iovec *iov = chain->iov;
	unsigned int n = chain->out;
	size_t size = iov_size(iov, n);
	uint32_t prefix;

	if (chain->in || iov_copy_from(&iov, &n, &hdr, sizeof(hdr)) != sizeof(hdr))
		return -1;
	size -= sizeof(hdr);
	/* No work was offered to be done here. */
	if (size < FRAME_MIN || size > FRAME_MAX || hdr.hdr.gso_type ||
	    hdr.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM || u->down)
		return 0;
	prefix = htonl(size);
	memcpy(u->out_buf, &prefix, PREFIX);
	iov_copy_from(&iov, &n, u->out_buf + PREFIX, size);
	u->out_len = PREFIX + size;
	return 0;
}

static void transmit(struct net_user *u)
{
	struct virtio_dev *dev = &u->net.dev;
	struct virtqueue *vq = &dev->queue[NET_TX(0)].vq;
	struct vq_chain chain;
	int ret = 0;

	do {
		while (flush(u) && (ret = vq_pop(vq, &chain)) > 0) {
			ret = take_frame(u, &chain);
			if (ret)
				break;
			vq_push(vq, chain.head, 0);
		}
	} while (!ret && !u->sending && vq_sleep(vq));
	virtio_signal(dev, NET_TX(0));
	if (ret < 0)
		virtio_broken(dev, "the network's transmit queue is malformed");
}

/*
 * Give the guest a frame, over as many buffers as it takes if that was
 * negotiated. Return: 1 if it is done with (given, or too long to ever be), 0 if
 * there is no room yet, -1 if the driver broke a rule.
 */
static int give_frame(struct net_user *u, const uint8_t *frame, size_t len)
{
	struct virtio_dev *dev = &u->net.dev;
	struct virtqueue *vq = &dev->queue[NET_RX(0)].vq;
	bool merge = virtio_has(dev, VIRTIO_NET_F_MRG_RXBUF);
	struct virtio_net_hdr_mrg_rxbuf hdr = { 0 };
	struct vq_chain chain, first;
	struct iovec *in;
	uint16_t n = 0;
	size_t done = 0;
	int ret;

	vq->budget = vq->size;
	while (done < len) {
		size_t header = n ? 0 : sizeof(hdr), part;

		ret = vq_pop(vq, &chain);
		/* Only for more than what was seen is a kick wanted. */
		if (!ret && vq_sleep(vq))
			continue;
		if (!ret) {
			vq_unpop(vq, n);
			return 0;
		}
		if (ret < 0 || chain.out)
			return -1;
		if (!n)
			first = chain;
		in = chain.iov;
		if (iov_copy_to(&in, &chain.in, &hdr, header) != header)
			return -1;
		part = iov_copy_to(&in, &chain.in, frame + done, len - done);
		done += part;
		vq_fill(vq, n++, chain.head, header + part);
		if (done < len && (!merge || n == vq->size)) {
			vq_unpop(vq, n);
			return 1;
		}
	}
	/* Now it is known how many they were. */
	hdr.num_buffers = n;
	in = first.iov;
	iov_copy_to(&in, &first.in, &hdr, sizeof(hdr));
	vq_publish(vq, n);
	return 1;
}

static bool listening(const struct net_user *u)
{
	const struct virtio_dev *dev = &u->net.dev;

	return dev->status & VIRTIO_CONFIG_S_DRIVER_OK &&
		dev->queue[NET_RX(0)].vq.enabled;
}

/*
 * Whole frames among what came, to the guest or, unless it is @heard, to nobody; 0 if the
 * guest has no room for the next, -1, or 2 if what follows isn't a frame.
 */
static int give_frames(struct net_user *u, bool heard)
{
	size_t at = 0;
	int ret = 1;

	while (ret > 0 && u->in_len - at >= PREFIX) {
		uint32_t len;

		memcpy(&len, u->in_buf + at, PREFIX);
		len = ntohl(len);
		if (len < FRAME_MIN || len > FRAME_MAX) {
			ret = 2;
			break;
		}
		if (u->in_len - at - PREFIX < len)
			break;
		if (heard)
			ret = give_frame(u, u->in_buf + at + PREFIX, len);
		if (ret)
			at += PREFIX + len;
	}
	u->in_len -= at;
	memmove(u->in_buf, u->in_buf + at, u->in_len);
	return ret;
}

static void receive(struct net_user *u)
{
	struct virtio_dev *dev = &u->net.dev;
	/* Nobody hears what comes before the driver is there. */
	int ret = give_frames(u, listening(u));

	virtio_signal(dev, NET_RX(0));
	if (ret < 0)
		virtio_broken(dev, "the network's receive queue is malformed");
	if (ret == 2)
		link_down(u);
	if (u->down || !ret == u->blocked)
		return;
	u->blocked = !ret;
	if (u->blocked)
		loop_remove(&dev->vm->loop, &u->in);
	else
		loop_add(&dev->vm->loop, &u->in);
}

static void on_frames(void *arg)
{
	struct net_user *u = arg;
	ssize_t n;

	pthread_mutex_lock(&u->net.dev.lock);
	if (!u->down && !u->blocked) {
		/* There is room for a frame at least, or it would be blocked. */
		n = recv(u->in.fd, u->in_buf + u->in_len,
			 sizeof(u->in_buf) - u->in_len, MSG_DONTWAIT);
		if (n > 0) {
			u->in_len += n;
			receive(u);
		} else if (!n || (errno != EAGAIN && errno != EINTR)) {
			link_down(u);
		}
	}
	pthread_mutex_unlock(&u->net.dev.lock);
}

/* There is room in the socket again: on_notify() goes on. */
static void on_room(void *arg)
{
	struct net_user *u = arg;
	struct virtio_dev *dev = &u->net.dev;

	pthread_mutex_lock(&dev->lock);
	if (!u->down && u->sending) {
		loop_remove(&dev->vm->loop, &u->out);
		u->sending = false;
		if (flush(u))
			event_signal(dev->queue[NET_TX(0)].notify.fd);
	}
	pthread_mutex_unlock(&dev->lock);
}

static void user_kick(struct net *net, unsigned int q)
{
	struct net_user *u = container_of(net, struct net_user, net);

	if (q == NET_TX(0))
		transmit(u);
	else if (u->blocked)
		receive(u);
}

/*
 * Frames that wait for room are nobody's now: they may have filled the buffer. What isn't a
 * frame stays, for the loop to find: this may be a vCPU's thread.
 */
static void user_stop(struct net *net)
{
	struct net_user *u = container_of(net, struct net_user, net);

	if (!u->down)
		give_frames(u, false);
	if (u->blocked && !u->down)
		loop_add(&net->dev.vm->loop, &u->in);
	u->blocked = false;
}

static void user_start(struct net *net)
{
	(void)net;
}

static void user_destroy(struct net *net)
{
	struct net_user *u = container_of(net, struct net_user, net);

	if (!u->down)
		hang_up(u);
	free(u);
}

static const struct net_backend user_backend = {
	.start = user_start,
	.stop = user_stop,
	.destroy = user_destroy,
	.kick = user_kick,
};

/**
 * net_stream_create() - a network device, its frames on a stream socket
 * @vm: the machine
 * @cfg: as the user wants it
 * @files: the socket; the device's, if there is one
 * @why: why there is none
 *
 * Return: the device, or NULL.
 */
struct net *net_stream_create(struct vm *vm, const struct net_config *cfg,
			      const struct device_files *files, char *why)
{
	int type = 0, out = -1;
	socklen_t len = sizeof(type);
	struct net_user *u;

	/* What comes over a control socket may be anything. */
	if (files->count == 1 &&
	    !getsockopt(files->fd[0], SOL_SOCKET, SO_TYPE, &type, &len) && type == SOCK_STREAM)
		out = fcntl(files->fd[0], F_DUPFD_CLOEXEC, 0);
	if (out < 0) {
		refuse(why, "one stream socket is wanted");
		return NULL;
	}
	u = xalloc(1, sizeof(*u));
	u->child = files->child;
	u->in = (struct watch){ files->fd[0], on_frames, u };
	u->out = (struct watch){ out, on_room, u };
	u->net.backend = &user_backend;
	u->net.pairs = 1;
	u->net.config.mtu = MTU;
	net_add(vm, &u->net, cfg, 1ULL << VIRTIO_NET_F_MRG_RXBUF);
	loop_add(&vm->loop, &u->in);
	return &u->net;
}

/*
 * passt's words; what they need is kept by the child. A port that is to be reached from
 * elsewhere has its address; others listen on the loopback, and not, as passt would have it,
 * on all.
 */
static void passt_words(const struct net_config *cfg, const char **argv)
{
	static char listen[NET_MAX_FORWARDS][sizeof(FORWARD_ADDRESS) + FORWARD_SIZE];
	unsigned int i;

	*argv++ = "passt";
	*argv++ = "--foreground";
	*argv++ = "--quiet";
	*argv++ = "--fd";
	*argv++ = "3";
	for (i = 0; i < cfg->nforwards; i++) {
		const char *ports = cfg->forward[i] + 4;

		snprintf(listen[i], sizeof(listen[i]), "%s%s",
			 strchr(ports, '/') ? "" : FORWARD_ADDRESS "/", ports);
		*argv++ = *cfg->forward[i] == 't' ? "--tcp-ports" : "--udp-ports";
		*argv++ = listen[i];
	}
	*argv = NULL;
}

/* Could passt listen there? errno says why not. */
static bool can_listen(const struct net_forward *f, unsigned int port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port),
				    .sin6_addr = f->addr };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool is_four = f->family == AF_INET, can;
	const int one = 1;
	int fd, err;

	memcpy(&four.sin_addr, &f->addr, sizeof(four.sin_addr));
	fd = socket(f->family, (f->datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	/* Connections that are over keep nobody; datagrams would have two to go to. */
	if (!f->datagrams)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!is_four)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	can = !bind(fd, is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		    is_four ? sizeof(four) : sizeof(six));
	err = errno;
	close(fd);
	errno = err;
	return can;
}

/*
 * In the child, as who passt will be: it is content with one port of a range, and where it
 * isn't nobody may be there to hear that. Sends what is wrong @to there.
 */
static bool can_listen_everywhere(const struct net_config *cfg, int to)
{
	struct net_forward f;
	unsigned int i, port;

	for (i = 0; i < cfg->nforwards; i++) {
		net_forward(cfg->forward[i], &f);
		/* It is the interface that passt chooses that such an address is one of. */
		if (f.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&f.addr))
			continue;
		for (port = f.first; port <= f.last; port++) {
			if (can_listen(&f, port))
				continue;
			dprintf(to, "cannot listen at %s, port %u: %s%s", f.address, port,
				strerror(errno), errno != EACCES ? "" :
				"; root may (--user root), and who the sysctl net.ipv4.ip_unprivileged_port_start lets");
			return false;
		}
	}
	return true;
}

/* In the child: nothing of the launcher's goes with it but its end of the socket. */
static void become_passt(const struct net_config *cfg, int fd, int said, int err)
{
	const char *argv[PASST_WORDS + 2 * NET_MAX_FORWARDS + 1];
	int null = open("/dev/null", O_RDWR);

	/* Not to hear what is for the terminal; it ends with its socket. */
	setsid();
	passt_words(cfg, argv);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_DFL);
	/* --user: who the machine will be it is at once. */
	if (getuid() != geteuid() && (setresgid(getgid(), getgid(), getgid()) ||
				      setresuid(getuid(), getuid(), getuid())))
		goto failed;
	if (!can_listen_everywhere(cfg, said))
		_exit(STATUS_FAILED);
	dup2(err, STDERR_FILENO);
	fd = fcntl(fd, F_DUPFD, SAFE_FD);
	said = fcntl(said, F_DUPFD, SAFE_FD);
	if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
	    dup2(said, CHILD_FD + 1) >= 0 && dup2(fd, CHILD_FD) >= 0 &&
	    fcntl(CHILD_FD + 1, F_SETFD, FD_CLOEXEC) >= 0 &&
	    !close_range(CHILD_FD + 2, ~0U, 0))
		execvp(argv[0], (char **)argv);
	said = CHILD_FD + 1;
failed:
	dprintf(said, "cannot start passt: %s; is the package passt installed?", strerror(errno));
	_exit(STATUS_FAILED);
}

/* Is there a way to anywhere? */
static bool has_route(int family)
{
	FILE *f = fopen(family == AF_INET ? "/proc/net/route" : "/proc/net/ipv6_route", "re");
	char line[256], name[32] = "";
	unsigned int to, mask;
	bool has = false;

	while (f && !has && fgets(line, sizeof(line), f)) {
		if (family == AF_INET)
			has = sscanf(line, "%*s %x %*x %*x %*d %*d %*d %x", &to, &mask) == 2 &&
			      !to && !mask;
		else
			has = sscanf(line, "%*s %x %*s %*s %*s %*s %*s %*s %*s %31s", &mask,
				     name) == 2 && !mask && strcmp(name, "lo");
	}
	if (f)
		fclose(f);
	return has;
}

/* passt ends where it has no way out, and older ones have none for a single family, either. */
static bool is_doubtful(const struct net_config *cfg)
{
	bool four = has_route(AF_INET), six = has_route(AF_INET6), doubt = !four && !six;
	unsigned int i, many = 0;
	struct net_forward f;

	for (i = 0; i < cfg->nforwards; i++) {
		net_forward(cfg->forward[i], &f);
		doubt |= f.family == AF_INET ? !four : !six;
		many += f.last - f.first + 1;
	}
	return doubt || many > MANY_PORTS;
}

/**
 * net_lost() - has passt ended already?
 * @files: of net_user_open(), or of another network, which has none
 * @patience: it may take so long, in ms, or what it was doubted for
 * @elsewhere: where what it said is if it wasn't kept
 * @why: what to say of it, if so
 */
bool net_lost(struct device_files *files, unsigned int patience, const char *elsewhere, char *why)
{
	struct pollfd ended = { .fd = files->child, .events = POLLIN };
	char words[WORDS_MAX] = "", *last;
	ssize_t n = 0;
	bool lost;

	if (files->child < 0)
		return false;
	lost = poll(&ended, 1, files->doubt > patience ? files->doubt : patience) > 0;
	if (lost && files->words >= 0)
		n = pread_all(files->words, words, sizeof(words) - 1, 0);
	/* It ends with the reason. */
	while (n > 0 && words[n - 1] == '\n')
		n--;
	words[n > 0 ? n : 0] = 0;
	last = strrchr(words, '\n');
	if (lost)
		refuse(why, "passt has ended at once: %s", last ? last + 1 : *words ? words :
		       elsewhere);
	if (files->words >= 0)
		close(files->words);
	files->words = -1;
	return lost;
}

/**
 * net_user_open() - passt, a child, behind a socket; or die
 * @cfg: as the user wants it
 * @to: where it complains, or -1: that is kept
 * @files: filled in
 */
void net_user_open(const struct net_config *cfg, int to, struct device_files *files)
{
	char words[WHY_SIZE];
	int sock[2], said[2];
	ssize_t n;
	/* As much as may be: what passt finds no room for is lost, half a frame perhaps. */
	const int most = 1 << 30;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock) ||
	    pipe2(said, O_CLOEXEC))
		die("cannot make a socket for passt: %s", strerror(errno));
	if (to < 0)
		to = files->words = memfd_create("passt", MFD_CLOEXEC);
	files->doubt = is_doubtful(cfg) ? DOUBT_MS : 0;
	setsockopt(sock[1], SOL_SOCKET, SO_SNDBUF, &most, sizeof(most));
	pid = fork();
	if (pid < 0)
		die("cannot start passt: %s", strerror(errno));
	if (!pid)
		become_passt(cfg, sock[1], said[1], to);
	files->child = syscall(SYS_pidfd_open, pid, 0);
	/* Nobody waits for it: the loop has no time for that. */
	signal(SIGCHLD, SIG_IGN);
	close(sock[1]);
	close(said[1]);
	n = read(said[0], words, sizeof(words));
	if (n > 0)
		die("%.*s", (int)n, words);
	close(said[0]);
	files->fd[0] = sock[0];
	files->count = 1;
}
