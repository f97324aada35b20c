/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_NET_H
#define LODGE_NET_H

#include <linux/virtio_net.h>

#include "device.h"
#include "virtio.h"

#define NET_HEADER	sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define NET_RX(pair)	(2 * (pair))
#define NET_TX(pair)	(2 * (pair) + 1)

struct net;

/**
 * struct net_backend - what is at the other end of the wire
 * @start: the driver is ready; all of these with dev->lock held
 * @stop: let go of the rings; may come twice
 * @kick: there may be something in queue @q; I/O thread
 * @destroy: give back all that it has; nobody uses the device any more
 * @use_pairs: the driver wants @n pairs of queues; 0, or -1. NULL with one pair
 */
struct net_backend {
	void (*start)(struct net *net);
	void (*stop)(struct net *net);
	void (*kick)(struct net *net, unsigned int q);
	void (*destroy)(struct net *net);
	int (*use_pairs)(struct net *net, unsigned int n);
};

/**
 * struct net - a network device
 * @dev: over the transport
 * @ops: the transport's, with as many queues as there are
 * @config: what the driver reads
 * @backend: the other end
 * @pairs: of queues, that there are
 * @running: the backend was started
 */
struct net {
	struct virtio_dev dev;
	struct virtio_ops ops;
	struct virtio_net_config config;
	const struct net_backend *backend;
	unsigned int pairs;
	bool running;
};

void net_open(const struct net_config *cfg, int err, struct device_files *files);
struct virtio_dev *net_create(struct vm *vm, const struct net_config *cfg,
			      const struct device_files *files, char *why);
void net_add(struct vm *vm, struct net *net, const struct net_config *cfg,
	     uint64_t features);
void net_link(struct net *net, bool up);
unsigned int net_control_queue(const struct net *net);

/* net_tap.c, net_user.c */
void net_tap_open(const struct net_config *cfg, struct device_files *files);
struct net *net_tap_create(struct vm *vm, const struct net_config *cfg,
			   const struct device_files *files, char *why);
void net_user_open(const struct net_config *cfg, int to, struct device_files *files);
bool net_lost(struct device_files *files, unsigned int patience, const char *elsewhere, char *why);
struct net *net_stream_create(struct vm *vm, const struct net_config *cfg,
			      const struct device_files *files, char *why);

#endif
