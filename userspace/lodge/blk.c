// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio block (virtio 1.1, 5.2) over a raw file or a block device, with
 * io_uring: requests are queued as they are taken, submitted together, and
 * given back as they complete, in any order.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ring.h"
#include "util.h"
#include "virtio.h"

#define CLASS_STORAGE	0x018000
#define SECTOR_SHIFT	9
#define SECTOR_SIZE	(1u << SECTOR_SHIFT)
#define MAX_SECTORS	0x3fffffu	/* one discard: just below 2 GiB */

/* A request between vq_pop() and vq_push(). */
struct blk_req {
	struct vq_chain chain;
	struct blk_req *next_free;
	uint32_t type;
	uint8_t *status;	/* the chain's last byte, in guest memory */
	struct iovec *iov;	/* the data, what is left of it */
	unsigned int niov;
	uint64_t off, left;	/* what is left; 0 of requests without data */
	uint64_t zeroes;	/* bytes that are written if the file system can't zero them */
	uint32_t written;	/* to the guest, without the status */
};

struct blk {
	struct virtio_dev dev;
	struct virtio_blk_config config;
	char id[VIRTIO_BLK_ID_BYTES];
	int fd;
	bool readonly;
	struct ring *ring;
	struct watch done;
	unsigned int inflight;
	bool resetting;		/* what is in flight ends where it is */
	struct blk_req *free;
	struct blk_req req[VIRTIO_QUEUE_SIZE];
};

static void finish(struct blk *blk, struct blk_req *req, uint8_t status)
{
	*(volatile uint8_t *)req->status = status;
	vq_push(&blk->dev.queue[0].vq, req->chain.head, req->written + 1);
	req->next_free = blk->free;
	blk->free = req;
}

static uint8_t status_of(int err)
{
	return err == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

/* What is left are zeroes: as many of them as fit into one request of the host's. */
static void set_zeroes(struct blk_req *req)
{
	static uint8_t zeroes[64 * KIB];
	uint64_t left = req->left;

	req->iov = req->chain.iov;
	for (req->niov = 0; left && req->niov < VQ_MAX_IOV; req->niov++) {
		struct iovec *iov = &req->iov[req->niov];

		iov->iov_base = zeroes;
		iov->iov_len = left < sizeof(zeroes) ? left : sizeof(zeroes);
		left -= iov->iov_len;
	}
}

/* Take what was done off the front of the buffers. */
static void advance(struct blk_req *req, uint64_t n)
{
	req->off += n;
	req->left -= n;
	if (req->type == VIRTIO_BLK_T_WRITE_ZEROES) {
		set_zeroes(req);
		return;
	}
	while (n) {
		size_t part = n < req->iov->iov_len ? n : req->iov->iov_len;

		req->iov->iov_base = (char *)req->iov->iov_base + part;
		req->iov->iov_len -= part;
		n -= part;
		if (!req->iov->iov_len) {
			req->iov++;
			req->niov--;
		}
	}
}

static struct io_uring_sqe *get_sqe(struct blk *blk)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&blk->ring->uring);

	/* The ring is as large as the queue: only resubmissions fill it. */
	if (!sqe) {
		io_uring_submit(&blk->ring->uring);
		sqe = io_uring_get_sqe(&blk->ring->uring);
	}
	if (!sqe)
		die("the disk's io_uring is full");
	blk->inflight++;
	return sqe;
}

static void queue_data(struct blk *blk, struct blk_req *req)
{
	struct io_uring_sqe *sqe = get_sqe(blk);

	if (req->type == VIRTIO_BLK_T_IN)
		io_uring_prep_readv(sqe, blk->fd, req->iov, req->niov,
				    req->off);
	else
		io_uring_prep_writev(sqe, blk->fd, req->iov, req->niov,
				     req->off);
	io_uring_sqe_set_data(sqe, req);
	/* A driver without flushes was promised a write-through disk. */
	if (req->type != VIRTIO_BLK_T_IN &&
	    !virtio_has(&blk->dev, VIRTIO_BLK_F_FLUSH))
		sqe->rw_flags = RWF_DSYNC;
}

static bool in_disk(const struct blk *blk, uint64_t sector, uint64_t count)
{
	return sector <= blk->config.capacity &&
		count <= blk->config.capacity - sector;
}

static int start_data(struct blk *blk, struct blk_req *req, uint64_t sector)
{
	bool write = req->type == VIRTIO_BLK_T_OUT;

	req->left = iov_size(req->iov, req->niov);
	if (req->left % SECTOR_SIZE || (write && blk->readonly) ||
	    !in_disk(blk, sector, req->left >> SECTOR_SHIFT))
		return VIRTIO_BLK_S_IOERR;
	if (!req->left)
		return VIRTIO_BLK_S_OK;
	req->off = sector << SECTOR_SHIFT;
	queue_data(blk, req);
	return -1;
}

static int start_range(struct blk *blk, struct blk_req *req)
{
	struct virtio_blk_discard_write_zeroes range;
	int mode = FALLOC_FL_KEEP_SIZE;
	struct io_uring_sqe *sqe;
	uint32_t flags;
	uint64_t size;

	if (iov_copy_from(&req->iov, &req->niov, &range, sizeof(range)) !=
	    sizeof(range) || req->niov || blk->readonly)
		return VIRTIO_BLK_S_IOERR;
	flags = range.flags;
	if (flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP ||
	    (flags && req->type == VIRTIO_BLK_T_DISCARD))
		return VIRTIO_BLK_S_UNSUPP;
	if (!in_disk(blk, range.sector, range.num_sectors) ||
	    range.num_sectors > MAX_SECTORS)
		return VIRTIO_BLK_S_IOERR;
	if (!range.num_sectors)
		return VIRTIO_BLK_S_OK;
	if (flags || req->type == VIRTIO_BLK_T_DISCARD)
		mode |= FALLOC_FL_PUNCH_HOLE;
	else
		mode |= FALLOC_FL_ZERO_RANGE;
	size = (uint64_t)range.num_sectors << SECTOR_SHIFT;
	req->off = range.sector << SECTOR_SHIFT;
	if (req->type == VIRTIO_BLK_T_WRITE_ZEROES)
		req->zeroes = size;
	sqe = get_sqe(blk);
	io_uring_prep_fallocate(sqe, blk->fd, mode, req->off, size);
	io_uring_sqe_set_data(sqe, req);
	return -1;
}

static int get_id(struct blk *blk, struct blk_req *req)
{
	req->written = iov_copy_to(&req->iov, &req->niov, blk->id,
				   sizeof(blk->id));
	return VIRTIO_BLK_S_OK;
}

/* Begin a request. Return: its status if it is done already, else -1. */
static int start(struct blk *blk, struct blk_req *req, uint64_t sector)
{
	struct io_uring_sqe *sqe;

	switch (req->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		return start_data(blk, req, sector);
	case VIRTIO_BLK_T_FLUSH:
		if (blk->readonly)
			return VIRTIO_BLK_S_OK;
		sqe = get_sqe(blk);
		io_uring_prep_fsync(sqe, blk->fd, IORING_FSYNC_DATASYNC);
		io_uring_sqe_set_data(sqe, req);
		return -1;
	case VIRTIO_BLK_T_GET_ID:
		return get_id(blk, req);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return start_range(blk, req);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/*
 * Split a chain into header, data and status, however the driver cut it
 * (2.6.4.1). Return: 0, or -1 if one of them is missing.
 */
static int parse(struct blk_req *req, struct virtio_blk_outhdr *hdr)
{
	struct vq_chain *c = &req->chain;
	struct iovec *out = c->iov, *in = c->iov + c->out, *last;
	unsigned int nout = c->out, nin = c->in;
	bool to_disk;

	if (!nin ||
	    iov_copy_from(&out, &nout, hdr, sizeof(*hdr)) != sizeof(*hdr))
		return -1;
	last = &in[nin - 1];
	req->status = (uint8_t *)last->iov_base + --last->iov_len;
	if (!last->iov_len)
		nin--;
	req->type = hdr->type;
	req->written = 0;
	req->left = 0;
	req->zeroes = 0;
	to_disk = req->type == VIRTIO_BLK_T_OUT ||
		req->type == VIRTIO_BLK_T_DISCARD ||
		req->type == VIRTIO_BLK_T_WRITE_ZEROES;
	req->iov = to_disk ? out : in;
	req->niov = to_disk ? nout : nin;
	return 0;
}

static void blk_kick(struct virtio_dev *dev, unsigned int q)
{
	struct blk *blk = container_of(dev, struct blk, dev);
	struct virtqueue *vq = &dev->queue[q].vq;
	struct virtio_blk_outhdr hdr;
	struct blk_req *req;
	int ret = 0, status;

	do {
		while (blk->free && (ret = vq_pop(vq, &blk->free->chain)) > 0) {
			req = blk->free;
			if (parse(req, &hdr)) {
				ret = -1;
				break;
			}
			blk->free = req->next_free;
			status = start(blk, req, hdr.sector);
			if (status >= 0)
				finish(blk, req, status);
		}
	} while (!ret && blk->free && vq_sleep(vq));
	io_uring_submit(&blk->ring->uring);
	virtio_signal(dev, q);
	if (ret < 0)
		virtio_broken(dev, "the disk's queue is malformed");
}

static void complete(struct blk *blk, struct io_uring_cqe *cqe)
{
	struct blk_req *req = io_uring_cqe_get_data(cqe);
	int res = cqe->res;

	io_uring_cqe_seen(&blk->ring->uring, cqe);
	blk->inflight--;
	if (blk->resetting) {
		finish(blk, req, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (req->left && (res == -EINTR || res == -EAGAIN)) {
		queue_data(blk, req);
		return;
	}
	/* As tmpfs, and NFS: some can free ranges, but not zero them; some do neither. */
	if (res == -EOPNOTSUPP && req->zeroes) {
		req->left = req->zeroes;
		req->zeroes = 0;
		set_zeroes(req);
		queue_data(blk, req);
		return;
	}
	/* No bytes: the file has become shorter than the disk. */
	if (res < 0 || (req->left && !res)) {
		finish(blk, req, status_of(res));
		return;
	}
	if (req->left) {
		if (req->type == VIRTIO_BLK_T_IN)
			req->written += res;
		advance(req, res);
		if (req->left) {
			queue_data(blk, req);
			return;
		}
	}
	finish(blk, req, VIRTIO_BLK_S_OK);
}

static void on_done(void *arg)
{
	struct blk *blk = arg;
	bool starved = !blk->free;
	struct io_uring_cqe *cqe;

	event_clear(blk->done.fd);
	pthread_mutex_lock(&blk->dev.lock);
	while (!io_uring_peek_cqe(&blk->ring->uring, &cqe))
		complete(blk, cqe);
	io_uring_submit(&blk->ring->uring);
	virtio_signal(&blk->dev, 0);
	if (starved)
		event_signal(blk->dev.queue[0].notify.fd);
	pthread_mutex_unlock(&blk->dev.lock);
}

/* The driver gets its memory back: wait for all that touches it. */
static void blk_reset(struct virtio_dev *dev)
{
	struct blk *blk = container_of(dev, struct blk, dev);
	struct io_uring_cqe *cqe;

	blk->resetting = true;
	while (blk->inflight) {
		io_uring_submit(&blk->ring->uring);
		if (!io_uring_wait_cqe(&blk->ring->uring, &cqe))
			complete(blk, cqe);
	}
	blk->resetting = false;
}

static void blk_destroy(struct virtio_dev *dev)
{
	struct blk *blk = container_of(dev, struct blk, dev);

	loop_forget(&dev->vm->loop, &blk->done);
	ring_put(blk->ring);
	/* The lock on the file goes with it. */
	close(blk->fd);
	free(blk);
}

static const struct virtio_ops blk_ops = {
	.id = VIRTIO_ID_BLOCK,
	.class = CLASS_STORAGE,
	.queues = 1,
	.features = 1ULL << VIRTIO_BLK_F_SEG_MAX |
		1ULL << VIRTIO_BLK_F_BLK_SIZE | 1ULL << VIRTIO_BLK_F_FLUSH,
	.config_size = sizeof(struct virtio_blk_config),
	.kick = blk_kick,
	.reset = blk_reset,
	.destroy = blk_destroy,
};

/** blk_open() - the file of a disk, or die. */
int blk_open(const struct disk_config *disk)
{
	int fd = open(disk->path, O_CLOEXEC | (disk->readonly ? O_RDONLY : O_RDWR));

	if (fd < 0)
		die("cannot open disk %s: %s%s", disk->path, strerror(errno),
		    errno == EACCES && !disk->readonly ?
		    "; \",ro\" after the name opens it read-only" : "");
	return fd;
}

/* What comes over a control socket may be anything; 0 and the bytes of a disk, or -1. */
static int judge(int fd, const struct disk_config *disk, uint64_t *size, char *why)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || flags & O_PATH || fstat(fd, &st))
		return refuse(why, "disk %s is no file", disk->path);
	if ((flags & O_ACCMODE) == O_WRONLY ||
	    (!disk->readonly && (flags & O_ACCMODE) != O_RDWR))
		return refuse(why, "disk %s is opened for something else", disk->path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return refuse(why, "disk %s is neither a file nor a block device", disk->path);
	/* Two machines that write one disk destroy it. */
	if (flock(fd, (disk->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
		if (errno == EWOULDBLOCK)
			return refuse(why, "disk %s is in use by another machine", disk->path);
		return refuse(why, "cannot lock disk %s: %s", disk->path, strerror(errno));
	}
	*size = st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, size))
		return refuse(why, "cannot ask for the size of disk %s: %s", disk->path,
			      strerror(errno));
	if (*size < SECTOR_SIZE)
		return refuse(why, "disk %s is empty; truncate -s SIZE makes it larger",
			      disk->path);
	if (*size % SECTOR_SIZE)
		warn("disk %s: the last %u bytes are no whole sector, and left out",
		     disk->path, (unsigned int)(*size % SECTOR_SIZE));
	return 0;
}

/**
 * blk_create() - a disk
 * @vm: the machine
 * @disk: as the user wants it
 * @fd: of blk_open(), or of a stranger; the device's, if there is one
 * @serial: what the guest is told
 * @why: why there is none
 *
 * Return: the device, or NULL.
 */
struct virtio_dev *blk_create(struct vm *vm, const struct disk_config *disk, int fd,
			      const char *serial, char *why)
{
	uint64_t size, features = 0;
	struct blk *blk;
	unsigned int i;

	if (judge(fd, disk, &size, why))
		return NULL;
	blk = xalloc(1, sizeof(*blk));
	blk->ring = ring_get(why);
	if (!blk->ring) {
		free(blk);
		return NULL;
	}
	blk->done = (struct watch){ blk->ring->event, on_done, blk };
	blk->fd = fd;
	blk->readonly = disk->readonly;
	blk->config.capacity = size >> SECTOR_SHIFT;
	blk->config.seg_max = VQ_MAX_IOV - 2;
	blk->config.blk_size = SECTOR_SIZE;
	if (blk->readonly) {
		features = 1ULL << VIRTIO_BLK_F_RO;
	} else {
		features = 1ULL << VIRTIO_BLK_F_DISCARD |
			1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
		blk->config.max_discard_sectors = MAX_SECTORS;
		blk->config.max_discard_seg = 1;
		blk->config.discard_sector_alignment = 8;
		blk->config.max_write_zeroes_sectors = MAX_SECTORS;
		blk->config.max_write_zeroes_seg = 1;
		blk->config.write_zeroes_may_unmap = 1;
	}
	memcpy(blk->id, serial, strnlen(serial, sizeof(blk->id)));
	for (i = 0; i < VIRTIO_QUEUE_SIZE; i++) {
		blk->req[i].next_free = blk->free;
		blk->free = &blk->req[i];
	}
	loop_add(&vm->loop, &blk->done);
	virtio_create(vm, &blk->dev, &blk_ops, features, &blk->config);
	return &blk->dev;
}
