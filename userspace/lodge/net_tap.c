// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network on a tap: frames go between it and the rings in the kernel, by a
 * vhost-net device for each pair of queues. The launcher only negotiates.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net.h"
#include "util.h"
#include "vhost.h"

#define TUN_NODE	"/dev/net/tun"

struct net_tap {
	struct net net;
	unsigned int active;	/* pairs that the driver uses */
	int fd[NET_MAX_PAIRS];
	struct vhost vhost[NET_MAX_PAIRS];
};

/* What the driver takes, as the tap calls it. */
static const struct {
	unsigned int feature, flag;
} offloads[] = {
	{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
	{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
	{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
	{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
	{ VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO },
};

/* What the driver may send: a tap with headers takes all of it. */
#define HOST_OFFLOADS	(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_HOST_TSO4 | \
			 1ULL << VIRTIO_NET_F_HOST_TSO6 | 1ULL << VIRTIO_NET_F_HOST_ECN | \
			 1ULL << VIRTIO_NET_F_HOST_UFO)

static int set_offload(struct net_tap *tap, uint64_t features)
{
	unsigned long flags = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offloads); i++)
		if (features >> offloads[i].feature & 1)
			flags |= offloads[i].flag;
	/* The rest means nothing to the tap without it. */
	if (!(flags & TUN_F_CSUM))
		flags = 0;
	return ioctl(tap->fd[0], TUNSETOFFLOAD, flags);
}

static int attach(struct net_tap *tap, unsigned int pair, bool on)
{
	struct ifreq ifr = {
		.ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(tap->fd[pair], TUNSETQUEUE, &ifr);
}

/* Frames for the guest are spread over the first @n. */
static int tap_use_pairs(struct net *net, unsigned int n)
{
	struct net_tap *tap = container_of(net, struct net_tap, net);

	while (tap->active < n) {
		if (attach(tap, tap->active, true))
			return -1;
		tap->active++;
	}
	while (tap->active > n) {
		if (attach(tap, tap->active - 1, false))
			return -1;
		tap->active--;
	}
	return 0;
}

static int set_backend(struct vhost_queue *q, int fd)
{
	struct vhost_vring_file file = { q->index, fd };

	return ioctl(q->vhost->fd, VHOST_NET_SET_BACKEND, &file);
}

static int start_pair(struct net_tap *tap, unsigned int pair)
{
	struct vhost *vh = &tap->vhost[pair];
	unsigned int i;

	if (vhost_set_features(vh))
		return -1;
	for (i = 0; i < VHOST_QUEUES; i++) {
		struct vhost_queue *q = &vh->queue[i];

		/* Without multiqueue the third may be the control queue. */
		if (!tap->net.dev.queue[q->q].vq.enabled ||
		    q->q == net_control_queue(&tap->net))
			continue;
		if (vhost_start_queue(q) || set_backend(q, tap->fd[pair]))
			return -1;
	}
	return 0;
}

static void tap_start(struct net *net)
{
	struct net_tap *tap = container_of(net, struct net_tap, net);
	unsigned int i;

	if (set_offload(tap, net->dev.acked & net->dev.offered)) {
		virtio_broken(&net->dev, "the tap refuses what was negotiated");
		return;
	}
	for (i = 0; i < net->pairs && net->running; i++)
		if (start_pair(tap, i))
			virtio_broken(&net->dev, "vhost-net refuses a queue");
}

static void tap_stop(struct net *net)
{
	struct net_tap *tap = container_of(net, struct net_tap, net);
	unsigned int i, j;

	for (i = 0; i < net->pairs; i++) {
		for (j = 0; j < VHOST_QUEUES; j++) {
			struct vhost_queue *q = &tap->vhost[i].queue[j];

			/* It returns when no frame is in flight any more. */
			if (q->running)
				set_backend(q, VHOST_FILE_UNBIND);
			vhost_stop_queue(q);
		}
	}
	tap_use_pairs(net, 1);
}

static void tap_destroy(struct net *net)
{
	struct net_tap *tap = container_of(net, struct net_tap, net);
	unsigned int i;

	for (i = 0; i < net->pairs; i++) {
		vhost_close(&tap->vhost[i]);
		close(tap->fd[i]);
	}
	free(tap);
}

static const struct net_backend tap_backend = {
	.start = tap_start,
	.stop = tap_stop,
	.destroy = tap_destroy,
	.use_pairs = tap_use_pairs,
};

static int open_tun(void)
{
	int fd = open(TUN_NODE, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		die("cannot open " TUN_NODE ": %s%s", strerror(errno),
		    errno == ENOENT || errno == ENODEV ?
		    "; modprobe tun helps if the module is missing" : "");
	return fd;
}

static int set_iff(const char *name, int fd, bool multi)
{
	struct ifreq ifr = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
			(multi ? IFF_MULTI_QUEUE : 0) };

	memcpy(ifr.ifr_name, name, strlen(name));
	return ioctl(fd, TUNSETIFF, &ifr);
}

static void tap_failed(const char *name, bool multi)
{
	switch (errno) {
	case EPERM:
		die("the tap %s is not yours to use or make: ip tuntap add %s mode tap user $USER, as root, does",
		    name, name);
	case EBUSY:
		die("the tap %s is in use by another machine", name);
	case EINVAL:
		die("the interface %s is no tap%s", name, multi ?
		    ", or one for a single queue: ip tuntap add NAME mode tap multi_queue makes others" :
		    "");
	default:
		die("cannot use the tap %s: %s", name, strerror(errno));
	}
}

static int open_queue(const char *name, bool multi)
{
	int fd = open_tun();

	/* One that was made for several queues serves with one, too. */
	if (set_iff(name, fd, multi) && (multi || errno != EINVAL || set_iff(name, fd, true)))
		tap_failed(name, multi);
	return fd;
}

/* What only the interface itself knows; one that was made here is switched on. */
static unsigned int interface(const char *name, bool made)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };
	unsigned int mtu;

	memcpy(ifr.ifr_name, name, strlen(name));
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &ifr))
		die("cannot ask for the MTU of %s: %s", name, strerror(errno));
	mtu = ifr.ifr_mtu;
	if (made && !ioctl(fd, SIOCGIFFLAGS, &ifr)) {
		ifr.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &ifr))
			warn("cannot switch on the tap %s: %s", name, strerror(errno));
	}
	close(fd);
	return mtu;
}

/** net_tap_open() - the tap cfg->tap and vhost-net, or die. */
void net_tap_open(const struct net_config *cfg, struct device_files *files)
{
	bool made = !if_nametoindex(cfg->tap);
	unsigned int i;

	for (i = 0; i < cfg->queues; i++) {
		files->fd[i] = open_queue(cfg->tap, cfg->queues > 1);
		files->fd[cfg->queues + i] = vhost_open("/dev/vhost-net", "vhost_net");
	}
	files->count = 2 * cfg->queues;
	files->mtu = interface(cfg->tap, made);
}

/* What comes over a control socket may be anything. */
static int adopt(struct net_tap *tap, unsigned int pair, const struct device_files *files,
		 const struct mem *mem, char *why)
{
	const short wanted = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	int fd = files->fd[pair], size = NET_HEADER;
	struct ifreq ifr = { 0 };

	if (ioctl(fd, TUNGETIFF, &ifr) || (ifr.ifr_flags & wanted) != wanted ||
	    ioctl(fd, TUNSETVNETHDRSZ, &size))
		return refuse(why, "it is no tap that frames with a header go through");
	tap->fd[pair] = fd;
	return vhost_adopt(&tap->vhost[pair], files->fd[tap->net.pairs + pair], mem, why);
}

/**
 * net_tap_create() - a network device on a tap
 * @vm: the machine
 * @cfg: as the user wants it
 * @files: what it is made of; the device's, if there is one
 * @why: why there is none
 *
 * Return: the device, or NULL.
 */
struct net *net_tap_create(struct vm *vm, const struct net_config *cfg,
			   const struct device_files *files, char *why)
{
	uint64_t features = HOST_OFFLOADS, guest = 0;
	struct net_tap *tap;
	unsigned int i;

	if (files->count != 2 * cfg->queues) {
		refuse(why, "a tap and vhost-net, %u of each, are wanted", cfg->queues);
		return NULL;
	}
	tap = xalloc(1, sizeof(*tap));
	tap->net.backend = &tap_backend;
	tap->net.pairs = cfg->queues;
	for (i = 0; i < cfg->queues; i++) {
		if (adopt(tap, i, files, &vm->mem, why)) {
			free(tap);
			return NULL;
		}
	}
	tap->active = cfg->queues;
	tap->net.config.mtu = files->mtu;
	for (i = 0; i < ARRAY_SIZE(offloads); i++)
		guest |= 1ULL << offloads[i].feature;
	if (!set_offload(tap, guest))
		features |= guest;
	set_offload(tap, 0);
	features |= tap->vhost[0].features & 1ULL << VIRTIO_NET_F_MRG_RXBUF;
	tap_use_pairs(&tap->net, 1);
	net_add(vm, &tap->net, cfg, features);
	for (i = 0; i < cfg->queues; i++)
		vhost_bind(&tap->vhost[i], &tap->net.dev, NET_RX(i));
	return &tap->net;
}
