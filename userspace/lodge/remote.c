// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that another process serves, the back end, by vhost-user: disks of any format
 * (qemu-storage-daemon), and shared folders (virtiofsd). It has the guest's memory, by
 * its file, and rings of its own, by which requests are relayed (relay.c).
 *
 * It may end and be started again. A disk's requests wait for it meanwhile, and those
 * that it had are offered anew, in their turn. What a folder's back end knew of open
 * files is lost with it: requests fail until the guest mounts the folder again.
 *
 * Talk with it is bounded in time (vhost_user.c). One that breaks the rules has its
 * connection closed, and a few times another one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_fs.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "relay.h"
#include "util.h"
#include "vhost_user.h"
#include "virtio.h"

#define CLASS_STORAGE	0x018000
#define QUEUES		2
#define RINGS_GPA	(1ULL << 41)	/* above all RAM */
#define RETRY_MS	100
#define MAX_FAULTS	5
#define MAX_COMPLAINTS	64
/* What follows is of no use with a single queue and a configuration that is only read. */
#define BLK_CONFIG	(offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 4)

struct remote;

/**
 * struct remote_kind - what makes a disk of it, or a folder
 * @ops: for the transport
 * @what: in messages
 * @features: that the back end may offer
 * @has_config: the configuration is the back end's
 * @fail: answer a request without it; bytes that were written. NULL: it waits
 */
struct remote_kind {
	struct virtio_ops ops;
	const char *what;
	uint64_t features;
	bool has_config;
	uint32_t (*fail)(const struct vq_chain *chain);
};

struct remote_queue {
	struct remote *remote;
	unsigned int index;
	struct relay relay;
	int kick;		/* the back end hears it */
	struct watch call;	/* it rings this */
};

/**
 * struct remote - the device
 * @dev: over the transport; its lock guards all of this
 * @kind: of device
 * @path: of the back end's socket
 * @vu: the connection, if there is one
 * @hangup: watches that; @retry: looks for another one
 * @rings: memory for them, and @rings_fd its file
 * @running: the driver is ready
 * @served: a request was done since the back end came
 * @faults: back ends in a row that broke a rule, or did nothing and ended
 */
struct remote {
	struct virtio_dev dev;
	const struct remote_kind *kind;
	char *path;
	struct vhost_user vu;
	struct watch hangup, retry;
	uint8_t *rings;
	int rings_fd;
	bool running, served;
	unsigned int faults, complaints;
	union {
		struct virtio_blk_config blk;
		struct virtio_fs_config fs;
	} config;
	struct remote_queue queue[QUEUES];
};

static void complain(struct remote *r, const char *what, const char *why)
{
	if (r->complaints++ < MAX_COMPLAINTS)
		warn("%s %s: %s%s", r->kind->what, r->path, what, why);
}

static void retry_in(struct remote *r, unsigned int ms)
{
	struct itimerspec in = { .it_value = { ms / 1000, ms % 1000 * 1000000 } };

	timerfd_settime(r->retry.fd, 0, &in, NULL);
}

/* Those that it had, and those that wait, of a kind that doesn't. */
static void fail_all(struct remote *r, struct remote_queue *q)
{
	struct virtqueue *vq = q->relay.vq;
	struct vq_chain chain;
	int head;

	while ((head = relay_oldest(&q->relay)) >= 0)
		relay_answer(&q->relay, head, vq_look(vq, head, &chain) ? 0 :
			     r->kind->fail(&chain));
	virtio_signal(&r->dev, q->index);
}

/* There is no back end any more. @why: it broke a rule; NULL: it ended. */
static void lose(struct remote *r, const char *why)
{
	bool idle = true;
	unsigned int i;

	if (r->vu.fd < 0)
		return;
	loop_remove(&r->dev.vm->loop, &r->hangup);
	vhost_user_close(&r->vu);
	for (i = 0; i < r->kind->ops.queues; i++)
		idle = idle && !r->queue[i].relay.inflight;
	if (why || (r->running && !r->served && !idle))
		r->faults++;
	if (why)
		complain(r, "the back end is given up: ", why);
	else
		complain(r, "the back end has ended; ", r->kind->fail ?
			 "what the guest asks of it fails" : "the guest waits for another one");
	for (i = 0; i < r->kind->ops.queues && r->kind->fail && r->running; i++)
		fail_all(r, &r->queue[i]);
	if (r->faults < MAX_FAULTS)
		retry_in(r, why ? vhost_user_patience_ms : RETRY_MS);
	else
		complain(r, "this is the last one", "; only a reset of the device has another looked for");
}

static int set_memory(struct remote *r)
{
	const struct mem *mem = &r->dev.vm->mem;
	struct vhost_user_region region[VHOST_USER_REGIONS];
	unsigned int i;

	for (i = 0; i < mem->count; i++) {
		const struct mem_region *m = &mem->region[i];

		region[i] = (struct vhost_user_region){
			m->gpa, m->size, m->host, mem->share,
			m->host - mem->region[0].host };
	}
	region[i++] = (struct vhost_user_region){
		RINGS_GPA, QUEUES * RELAY_BYTES, r->rings, r->rings_fd, 0 };
	return vhost_user_set_memory(&r->vu, region, i);
}

_Static_assert(VHOST_USER_REGIONS > ARRAY_SIZE(((struct mem *)0)->region), "and the rings");

/* The back end begins with what the driver has set up. */
static int begin(struct remote *r)
{
	unsigned int i;

	r->served = false;
	vhost_user_patience(&r->vu);
	if (vhost_user_set_features(&r->vu, 1ULL << VIRTIO_F_VERSION_1 |
				    (r->dev.acked & r->dev.offered & r->vu.features &
				     ~(1ULL << VIRTIO_RING_F_EVENT_IDX))) ||
	    set_memory(r))
		return -1;
	for (i = 0; i < r->kind->ops.queues; i++) {
		struct remote_queue *q = &r->queue[i];
		struct vhost_user_ring ring = {
			i, q->relay.vq->size, q->relay.vq->desc, q->relay.avail,
			q->relay.used, q->kick, q->call.fd };

		if (!q->relay.vq->enabled)
			continue;
		relay_begin(&q->relay);
		if (vhost_user_start_ring(&r->vu, &ring))
			return -1;
		if (q->relay.inflight)
			event_signal(q->kick);
	}
	return 0;
}

/* What it offers; later ones have to be as good as the first. */
static int accept_config(struct remote *r, bool first)
{
	/* The driver may know what was offered, and go by it later. */
	uint64_t needed = r->dev.offered &
			  (r->kind->features | 1ULL << VIRTIO_RING_F_INDIRECT_DESC);
	struct virtio_blk_config blk = { 0 };

	if (!first && (r->vu.features & needed) != needed) {
		snprintf(r->vu.why, sizeof(r->vu.why), "it can do less than the last one");
		return -1;
	}
	if (!r->kind->has_config)
		return 0;
	if (vhost_user_get_config(&r->vu, &blk, BLK_CONFIG))
		return -1;
	if (!blk.capacity || (!first && blk.capacity != r->config.blk.capacity)) {
		snprintf(r->vu.why, sizeof(r->vu.why), first ? "the disk is empty" :
			 "it is a disk of another size");
		return -1;
	}
	/* A chain is taken as a whole. */
	if (blk.seg_max > VQ_MAX_IOV - 2)
		blk.seg_max = VQ_MAX_IOV - 2;
	r->config.blk = blk;
	return 0;
}

static void on_retry(void *arg)
{
	struct remote *r = arg;

	pthread_mutex_lock(&r->dev.lock);
	event_clear(r->retry.fd);
	if (r->vu.fd >= 0)
		goto out;
	if (vhost_user_connect(&r->vu, r->path)) {
		if (errno == EPROTO && ++r->faults >= MAX_FAULTS)
			complain(r, "no back end can be talked to: ", r->vu.why);
		else
			retry_in(r, errno == EPROTO ? vhost_user_patience_ms : RETRY_MS);
		goto out;
	}
	r->hangup.fd = r->vu.fd;
	loop_add(&r->dev.vm->loop, &r->hangup);
	if (accept_config(r, false) || (r->running && begin(r)))
		lose(r, r->vu.why);
	else
		complain(r, "there is a back end again", "");
out:
	pthread_mutex_unlock(&r->dev.lock);
}

static void collect(struct remote *r, struct remote_queue *q);

/* What it did before it ended is done. */
static void ended(struct remote *r)
{
	unsigned int i;

	for (i = 0; i < r->kind->ops.queues && r->running; i++)
		if (r->queue[i].relay.vq->enabled && r->vu.fd >= 0)
			collect(r, &r->queue[i]);
	lose(r, NULL);
}

/* It says something without having been asked, or nothing any more. */
static void on_hangup(void *arg)
{
	struct remote *r = arg;
	char byte;
	ssize_t n;

	pthread_mutex_lock(&r->dev.lock);
	if (r->vu.fd >= 0) {
		n = recv(r->vu.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n > 0)
			lose(r, "it talks without being asked");
		else if (!n || (errno != EAGAIN && errno != EINTR))
			ended(r);
	}
	pthread_mutex_unlock(&r->dev.lock);
}

/* Take what it has done; the device has no back end then if that was wrong. */
static void collect(struct remote *r, struct remote_queue *q)
{
	int n = relay_collect(&q->relay);

	if (n > 0) {
		r->served = true;
		r->faults = 0;
	}
	virtio_signal(&r->dev, q->index);
	if (n < 0)
		lose(r, "it gave back what it didn't have");
}

static void on_call(void *arg)
{
	struct remote_queue *q = arg;
	struct remote *r = q->remote;

	pthread_mutex_lock(&r->dev.lock);
	event_take(q->call.fd);
	if (r->running && r->vu.fd >= 0)
		collect(r, q);
	pthread_mutex_unlock(&r->dev.lock);
}

static void remote_kick(struct virtio_dev *dev, unsigned int i)
{
	struct remote *r = container_of(dev, struct remote, dev);
	struct remote_queue *q = &r->queue[i];
	struct virtqueue *vq = q->relay.vq;
	bool gone = r->vu.fd < 0, any = false;
	struct vq_chain chain;
	int ret;

	do {
		while ((ret = vq_pop(vq, &chain)) > 0) {
			if (gone && r->kind->fail) {
				vq_push(vq, chain.head, r->kind->fail(&chain));
				continue;
			}
			ret = relay_offer(&q->relay, &chain);
			if (ret)
				break;
			any = true;
		}
	} while (!ret && vq_sleep(vq));
	if (any && !gone && relay_wants_kick(&q->relay))
		event_signal(q->kick);
	if (gone)
		virtio_signal(dev, i);
	if (ret < 0)
		virtio_broken(dev, "its queue is malformed");
}

static void remote_start(struct virtio_dev *dev)
{
	struct remote *r = container_of(dev, struct remote, dev);
	unsigned int i;

	if (r->running)
		return;
	r->running = true;
	for (i = 0; i < r->kind->ops.queues; i++)
		relay_clear(&r->queue[i].relay);
	if (r->vu.fd >= 0 && begin(r))
		lose(r, r->vu.why);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* The driver gets its memory back: wait for all that touches it. */
static void drain(struct remote *r, struct remote_queue *q)
{
	const uint64_t until = now_ms() + vhost_user_patience_ms;

	while (r->vu.fd >= 0 && q->relay.inflight && now_ms() < until) {
		struct pollfd call[] = { { q->call.fd, POLLIN, 0 },
					 { r->vu.fd, POLLIN, 0 } };

		poll(call, ARRAY_SIZE(call), RETRY_MS);
		event_take(q->call.fd);
		collect(r, q);
		if (call[1].revents)
			lose(r, NULL);
	}
	if (r->vu.fd >= 0 && q->relay.inflight)
		lose(r, "it keeps a request over a reset of the device");
}

static void remote_stop(struct virtio_dev *dev)
{
	struct remote *r = container_of(dev, struct remote, dev);
	unsigned int i;

	for (i = 0; i < r->kind->ops.queues && r->running; i++) {
		if (!r->queue[i].relay.vq->enabled)
			continue;
		drain(r, &r->queue[i]);
		vhost_user_patience(&r->vu);
		if (r->vu.fd >= 0 && vhost_user_stop_ring(&r->vu, i))
			lose(r, r->vu.why);
	}
	r->running = false;
	r->faults = 0;
	if (r->vu.fd < 0)
		retry_in(r, RETRY_MS);
}

static void remote_destroy(struct virtio_dev *dev)
{
	struct remote *r = container_of(dev, struct remote, dev);
	struct loop *loop = &dev->vm->loop;
	unsigned int i;

	if (r->vu.fd >= 0) {
		loop_forget(loop, &r->hangup);
		vhost_user_close(&r->vu);
	}
	loop_forget(loop, &r->retry);
	close(r->retry.fd);
	for (i = 0; i < r->kind->ops.queues; i++) {
		loop_forget(loop, &r->queue[i].call);
		close(r->queue[i].call.fd);
		close(r->queue[i].kick);
	}
	munmap(r->rings, QUEUES * RELAY_BYTES);
	close(r->rings_fd);
	free(r->path);
	free(r);
}

/* A request of FUSE: the folder isn't there. One that is to be forgotten has no answer. */
static uint32_t fail_fuse(const struct vq_chain *chain)
{
	struct iovec iov[VQ_MAX_IOV], *out = iov, *in = iov + chain->out;
	unsigned int nout = chain->out, nin = chain->in;
	struct fuse_out_header answer = { .len = sizeof(answer), .error = -ENOTCONN };
	struct fuse_in_header head;

	memcpy(iov, chain->iov, (nout + nin) * sizeof(*iov));
	if (!nin || iov_copy_from(&out, &nout, &head, sizeof(head)) != sizeof(head))
		return 0;
	answer.unique = head.unique;
	return iov_copy_to(&in, &nin, &answer, sizeof(answer));
}

static const struct remote_kind blk_kind = {
	.ops = {
		.id = VIRTIO_ID_BLOCK,
		.class = CLASS_STORAGE,
		.queues = 1,
		.queue_size = RELAY_ENTRIES,
		.config_size = BLK_CONFIG,
		.kick = remote_kick,
		.start = remote_start,
		.stop = remote_stop,
		.destroy = remote_destroy,
	},
	.what = "disk vhost-user",
	.features = 1ULL << VIRTIO_BLK_F_SIZE_MAX | 1ULL << VIRTIO_BLK_F_SEG_MAX |
		1ULL << VIRTIO_BLK_F_GEOMETRY | 1ULL << VIRTIO_BLK_F_RO |
		1ULL << VIRTIO_BLK_F_BLK_SIZE | 1ULL << VIRTIO_BLK_F_FLUSH |
		1ULL << VIRTIO_BLK_F_TOPOLOGY | 1ULL << VIRTIO_BLK_F_DISCARD |
		1ULL << VIRTIO_BLK_F_WRITE_ZEROES,
	.has_config = true,
};

static const struct remote_kind fs_kind = {
	.ops = {
		.id = VIRTIO_ID_FS,
		.class = CLASS_STORAGE,
		.queues = 2,	/* one for what may not wait */
		.queue_size = RELAY_ENTRIES,
		.config_size = sizeof(struct virtio_fs_config),
		.kick = remote_kick,
		.start = remote_start,
		.stop = remote_stop,
		.destroy = remote_destroy,
	},
	.what = "folder",
	.fail = fail_fuse,
};

static int make_rings(struct remote *r, char *why)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	r->rings_fd = memfd_create("lodge-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	r->rings = MAP_FAILED;
	/* What the back end could cut off, the launcher would stumble over. */
	if (r->rings_fd >= 0 && !ftruncate(r->rings_fd, QUEUES * RELAY_BYTES) &&
	    !fcntl(r->rings_fd, F_ADD_SEALS, seals))
		r->rings = mmap(NULL, QUEUES * RELAY_BYTES, PROT_READ | PROT_WRITE,
				MAP_SHARED, r->rings_fd, 0);
	if (r->rings != MAP_FAILED)
		return 0;
	refuse(why, "cannot share memory with a back end: %s", strerror(errno));
	if (r->rings_fd >= 0)
		close(r->rings_fd);
	return -1;
}

/* What can fail: the back end, memory to share, a timer. */
static int begin_with(struct remote *r, const char *path, char *why)
{
	const char *what = r->kind->what;

	if (vhost_user_connect(&r->vu, path))
		return refuse(why, "%s %s: %s%s", what, path, r->vu.why, errno == EPROTO ? "" :
			      errno == EACCES ? "; the machine's user has to reach it, now and later" :
			      "; its back end has to be started first");
	if (accept_config(r, true)) {
		refuse(why, "%s %s: %s", what, path, r->vu.why);
		goto close;
	}
	r->retry = (struct watch){
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), on_retry, r };
	if (r->retry.fd < 0) {
		refuse(why, "cannot create a timer: %s", strerror(errno));
		goto close;
	}
	if (!make_rings(r, why))
		return 0;
	close(r->retry.fd);
close:
	vhost_user_close(&r->vu);
	return -1;
}

/*
 * It is looked for again, when a daemon is elsewhere; what can't be reached that way is better known
 * now. Not what realpath() says: it must see each directory.
 */
static char *find_again(const char *path)
{
	char here[sizeof(((struct sockaddr_un *)NULL)->sun_path)], *whole;

	if (*path == '/' || !getcwd(here, sizeof(here)) ||
	    strlen(here) + 1 + strlen(path) >= sizeof(here) ||
	    asprintf(&whole, "%s/%s", here, path) < 0)
		whole = strdup(path);
	if (!whole)
		die("out of memory");
	return whole;
}

static struct remote *create(struct vm *vm, const struct remote_kind *kind, const char *path,
			     char *why)
{
	struct remote *r = xalloc(1, sizeof(*r));
	unsigned int i;

	r->kind = kind;
	r->path = find_again(path);
	if (begin_with(r, r->path, why)) {
		free(r->path);
		free(r);
		return NULL;
	}
	virtio_create(vm, &r->dev, &kind->ops, kind->features & r->vu.features, &r->config);
	if (!(r->vu.features >> VIRTIO_RING_F_INDIRECT_DESC & 1))
		r->dev.offered &= ~(1ULL << VIRTIO_RING_F_INDIRECT_DESC);
	for (i = 0; i < kind->ops.queues; i++) {
		struct remote_queue *q = &r->queue[i];

		q->remote = r;
		q->index = i;
		q->kick = event_create();
		q->call = (struct watch){ event_create(), on_call, q };
		relay_init(&q->relay, &r->dev.queue[i].vq, r->rings + i * RELAY_BYTES);
		loop_add(&vm->loop, &q->call);
	}
	r->hangup = (struct watch){ r->vu.fd, on_hangup, r };
	loop_add(&vm->loop, &r->hangup);
	loop_add(&vm->loop, &r->retry);
	return r;
}

/** blk_remote_create() - a disk that the back end at @path serves; NULL, and @why not. */
struct virtio_dev *blk_remote_create(struct vm *vm, const char *path, char *why)
{
	struct remote *r = create(vm, &blk_kind, path, why);

	return r ? &r->dev : NULL;
}

/** fs_create() - a shared folder; NULL, and @why not. */
struct virtio_dev *fs_create(struct vm *vm, const struct fs_config *fs, char *why)
{
	struct remote *r = create(vm, &fs_kind, fs->socket, why);

	if (!r)
		return NULL;
	/* Padded with zeros, and without one if it is as long as can be (5.11.4). */
	memcpy(r->config.fs.tag, fs->tag, strlen(fs->tag));
	r->config.fs.num_request_queues = 1;
	return &r->dev;
}
