// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio network (virtio 1.1, 5.1): what all of them have in common, which is the
 * configuration and the control queue. Frames are moved by what is at the other
 * end: a tap, by the kernel's vhost-net (net_tap.c), or a program on a stream
 * socket (net_user.c).
 */
#include <string.h>
#include <sys/random.h>

#include "net.h"
#include "util.h"

#define CLASS_ETHERNET	0x020000

/**
 * net_control_queue() - the number of the control queue (5.1.2)
 * @net: the device, features negotiated
 *
 * Return: that, or the number of queues if there is none.
 */
unsigned int net_control_queue(const struct net *net)
{
	if (!virtio_has(&net->dev, VIRTIO_NET_F_CTRL_VQ))
		return net->ops.queues;
	return virtio_has(&net->dev, VIRTIO_NET_F_MQ) ? 2 * net->pairs : 2;
}

static int use_pairs(struct net *net, struct iovec *iov, unsigned int n)
{
	struct virtio_net_ctrl_mq mq;

	if (iov_copy_from(&iov, &n, &mq, sizeof(mq)) != sizeof(mq) ||
	    !virtio_has(&net->dev, VIRTIO_NET_F_MQ) || !mq.virtqueue_pairs ||
	    mq.virtqueue_pairs > net->pairs)
		return -1;
	return net->backend->use_pairs(net, mq.virtqueue_pairs);
}

/* One command; 0, or -1 if it can't even be answered. */
static int command(struct net *net, struct vq_chain *chain)
{
	struct iovec *out = chain->iov, *in = chain->iov + chain->out;
	unsigned int nout = chain->out, nin = chain->in;
	virtio_net_ctrl_ack ack = VIRTIO_NET_ERR;
	struct virtio_net_ctrl_hdr hdr;

	if (!nin || iov_copy_from(&out, &nout, &hdr, sizeof(hdr)) != sizeof(hdr))
		return -1;
	if (hdr.class == VIRTIO_NET_CTRL_MQ &&
	    hdr.cmd == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET &&
	    !use_pairs(net, out, nout))
		ack = VIRTIO_NET_OK;
	iov_copy_to(&in, &nin, &ack, sizeof(ack));
	return 0;
}

static void control(struct net *net, unsigned int q)
{
	struct virtqueue *vq = &net->dev.queue[q].vq;
	struct vq_chain chain;
	int ret;

	do {
		while ((ret = vq_pop(vq, &chain)) > 0) {
			ret = command(net, &chain);
			if (ret)
				break;
			vq_push(vq, chain.head, sizeof(virtio_net_ctrl_ack));
		}
	} while (!ret && vq_sleep(vq));
	virtio_signal(&net->dev, q);
	if (ret < 0)
		virtio_broken(&net->dev, "the network's control queue is malformed");
}

static void net_kick(struct virtio_dev *dev, unsigned int q)
{
	struct net *net = container_of(dev, struct net, dev);

	if (q == net_control_queue(net))
		control(net, q);
	else if (net->backend->kick)
		net->backend->kick(net, q);
}

static void net_start(struct virtio_dev *dev)
{
	struct net *net = container_of(dev, struct net, dev);

	if (net->running)
		return;
	net->running = true;
	net->backend->start(net);
}

static void net_stop(struct virtio_dev *dev)
{
	struct net *net = container_of(dev, struct net, dev);

	if (!net->running)
		return;
	net->running = false;
	net->backend->stop(net);
}

static void net_destroy(struct virtio_dev *dev)
{
	struct net *net = container_of(dev, struct net, dev);

	net->backend->destroy(net);
}

/** net_link() - the cable is plugged in or pulled out; dev->lock held. */
void net_link(struct net *net, bool up)
{
	net->config.status = up ? VIRTIO_NET_S_LINK_UP : 0;
	virtio_config_changed(&net->dev);
}

/* Locally administered, and nobody else's by chance. */
static void make_mac(uint8_t *mac)
{
	if (getrandom(mac, 6, 0) != 6)
		die("no random bytes for a MAC address; give one by mac=");
	mac[0] = (mac[0] & 0xfc) | 2;
}

/**
 * net_add() - a network device on the PCI bus
 * @vm: the machine
 * @net: backend, pairs and the MTU in its configuration set, kept by the caller
 * @cfg: as the user wants it
 * @features: that the backend can do
 */
void net_add(struct vm *vm, struct net *net, const struct net_config *cfg,
	     uint64_t features)
{
	static const struct virtio_ops ops = {
		.id = VIRTIO_ID_NET,
		.class = CLASS_ETHERNET,
		.features = 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS |
			1ULL << VIRTIO_NET_F_MTU,
		/* Up to the MTU: what follows is not offered. */
		.config_size = offsetof(struct virtio_net_config, mtu) +
			sizeof(uint16_t),
		.kick = net_kick,
		.start = net_start,
		.stop = net_stop,
		.destroy = net_destroy,
	};

	net->ops = ops;
	net->ops.queues = 2 * net->pairs;
	if (net->pairs > 1) {
		features |= 1ULL << VIRTIO_NET_F_MQ | 1ULL << VIRTIO_NET_F_CTRL_VQ;
		net->ops.queues++;
	}
	if (cfg->has_mac)
		memcpy(net->config.mac, cfg->mac, sizeof(net->config.mac));
	else
		make_mac(net->config.mac);
	net->config.status = VIRTIO_NET_S_LINK_UP;
	net->config.max_virtqueue_pairs = net->pairs;
	virtio_create(vm, &net->dev, &net->ops, features, &net->config);
}

/** net_open() - what the device is made of, or die. */
void net_open(const struct net_config *cfg, int err, struct device_files *files)
{
	*files = (struct device_files){ .child = -1, .words = -1 };
	if (cfg->tap)
		net_tap_open(cfg, files);
	else
		net_user_open(cfg, err, files);
}

/**
 * net_create() - a network device
 * @vm: the machine
 * @cfg: as the user wants it
 * @files: of net_open(), or of a stranger; the device's, if there is one
 * @why: why there is none
 *
 * Return: the device, or NULL.
 */
struct virtio_dev *net_create(struct vm *vm, const struct net_config *cfg,
			      const struct device_files *files, char *why)
{
	struct net *net = cfg->tap ? net_tap_create(vm, cfg, files, why) :
		net_stream_create(vm, cfg, files, why);

	return net ? &net->dev : NULL;
}
