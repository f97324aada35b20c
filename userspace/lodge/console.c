// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio console (virtio 1.1, 5.3), one port: hvc0 in a Linux guest.
 */
#include <linux/virtio_console.h>
#include <string.h>

#include "control.h"
#include "term.h"
#include "util.h"
#include "virtio.h"

#define CLASS_COMM	0x078000
#define RX		0
#define TX		1

#define TURN		(64 * KIB)	/* of output, before others have theirs */

struct console {
	struct virtio_dev dev;
	int fd;
	bool shown;	/* to who has the console, too */
	struct vq_chain chain;	/* the driver's output that is under way, */
	struct iovec *out;	/* what is left of it, */
	unsigned int left;	/* and in how many buffers */
};

static void put(struct console *con, const void *data, size_t len)
{
	if (con->fd >= 0 && write_all(con->fd, data, len) < 0)
		con->fd = -1;
	if (con->shown)
		control_output(data, len);
}

/* Put out at most @room bytes of what is under way. Return: how many. */
static size_t put_some(struct console *con, size_t room)
{
	size_t done = 0;

	while (con->left && done < room) {
		struct iovec *v = con->out;
		size_t part = v->iov_len < room - done ? v->iov_len : room - done;

		put(con, v->iov_base, part);
		done += part;
		v->iov_base = (uint8_t *)v->iov_base + part;
		v->iov_len -= part;
		if (v->iov_len)
			break;
		con->out++;
		con->left--;
	}
	return done;
}

static int take(struct console *con, struct virtqueue *vq)
{
	int ret = vq_pop(vq, &con->chain);

	if (ret > 0) {
		con->out = con->chain.iov;
		con->left = con->chain.out;
	}
	return ret;
}

/* A driver can name all of its memory a hundred times in one request. */
static void transmit(struct console *con)
{
	struct virtqueue *vq = &con->dev.queue[TX].vq;
	size_t room = TURN;
	int ret = 0;

	do {
		while (con->left || (ret = take(con, vq)) > 0) {
			room -= put_some(con, room);
			if (con->left)
				break;
			vq_push(vq, con->chain.head, 0);
		}
		if (!room)
			vq->budget = 0;
	} while (!ret && vq_sleep(vq));
	virtio_signal(&con->dev, TX);
	if (ret < 0)
		virtio_broken(&con->dev, "the console's queue is malformed");
}

static void console_kick(struct virtio_dev *dev, unsigned int q)
{
	struct console *con = container_of(dev, struct console, dev);

	if (q == TX) {
		transmit(con);
	} else {
		vq_sleep(&dev->queue[RX].vq);
		term_kick();
	}
}

static void console_reset(struct virtio_dev *dev)
{
	container_of(dev, struct console, dev)->left = 0;
}

static const struct virtio_ops console_ops = {
	.id = VIRTIO_ID_CONSOLE,
	.class = CLASS_COMM,
	.queues = 2,
	.config_size = sizeof(struct virtio_console_config),
	.kick = console_kick,
	.reset = console_reset,
};

/** console_input() - a term_sink_t: keys for the guest. */
size_t console_input(void *console, const uint8_t *data, size_t len)
{
	struct console *con = console;
	struct virtio_dev *dev = &con->dev;
	struct virtqueue *vq = &dev->queue[RX].vq;
	struct vq_chain chain;
	size_t done = 0;
	int ret = 0;

	pthread_mutex_lock(&dev->lock);
	vq->budget = vq->size;
	if (!(dev->status & VIRTIO_CONFIG_S_DRIVER_OK))
		vq = NULL;
	while (vq && done < len && (ret = vq_pop(vq, &chain)) > 0) {
		struct iovec *in = chain.iov + chain.out;
		size_t n = iov_copy_to(&in, &chain.in, data + done,
				       len - done);

		vq_push(vq, chain.head, n);
		done += n;
	}
	if (done)
		virtio_signal(dev, RX);
	if (vq && done < len && !ret && vq_sleep(vq))
		term_kick();
	if (ret < 0)
		virtio_broken(dev, "the console's queue is malformed");
	pthread_mutex_unlock(&dev->lock);
	return done;
}

/** console_show() - output goes to whoever attaches to the console, too. */
void console_show(struct console *con)
{
	con->shown = true;
}

/** console_create() - a console whose output goes to @fd. */
struct console *console_create(struct vm *vm, int fd)
{
	static const struct virtio_console_config config;
	struct console *con = xalloc(1, sizeof(*con));

	con->fd = fd;
	virtio_create(vm, &con->dev, &console_ops, 0, &config);
	return con;
}
