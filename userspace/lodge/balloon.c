// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio balloon (virtio 1.2, 5.5): the guest's driver gives pages up until it
 * has what it shall have, and tells of pages that are free anyway. The host
 * gets them back at once: mem_release().
 *
 * What the guest shall have is said by the command line, by lines that come in
 * over --balloon-control, or computed by the hypervisor, which is told what
 * the guest reports: uapi/lodge.h. Over another hypervisor all but the last is
 * there.
 *
 * Free page hinting is asked for: the driver lends what is free, and has it back when that is
 * done. It may use a page again before its hint is seen here, so that only what
 * wasn't written since the hints were asked for goes: mem_watch().
 *
 * The driver is believed nothing: page numbers outside of RAM are left out,
 * those that come twice, or of pages in use, cost the guest its own memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_balloon.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../../uapi/lodge.h"
#include "util.h"
#include "virtio.h"

#define CLASS_OTHER	0xff0000
#define STATS_PERIOD	5	/* seconds */
#define PFNS		1024	/* looked at together */
#define MAX_ORDER	64	/* bytes of a line of control */

/* HINTS without hinting: reporting. */
enum { INFLATE, DEFLATE, STATS, HINTS, REPORTING, QUEUES };

#define CMD_ID_FIRST	(VIRTIO_BALLOON_CMD_ID_DONE + 1)

struct balloon {
	struct virtio_dev dev;
	struct virtio_balloon_config config;
	struct lodge_balloon_config policy;
	struct lodge_balloon_report report;
	bool has_policy;
	bool stats_held;	/* a buffer of the driver's, for when it is asked */
	uint16_t stats_head;
	uint32_t last_id;	/* of the hints asked for */
	bool hinting;		/* the driver has begun with these */
	uint64_t hints;		/* that the hypervisor has asked for */
	struct watch target, timer, control;
	char order[MAX_ORDER];
	size_t order_len;
};

static uint64_t actual(const struct balloon *b)
{
	uint64_t given = (uint64_t)b->config.actual << VIRTIO_BALLOON_PFN_SHIFT;

	return given < b->policy.memory ? b->policy.memory - given : 0;
}

static void report(struct balloon *b)
{
	b->report.actual = actual(b);
	if (b->has_policy)
		ioctl(b->dev.vm->fd, LODGE_BALLOON_REPORT, &b->report);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* How many have the one before them beside them. */
static size_t beside(const uint32_t *pfn, size_t n)
{
	size_t i, found = 0;

	for (i = 1; i < n; i++)
		found += pfn[i] - pfn[i - 1] == 1 || pfn[i - 1] - pfn[i] == 1;
	return found;
}

/* What lies side by side, upwards or, as Linux has it, downwards, goes in one call. */
static void release_pages(struct balloon *b, uint32_t *pfn, size_t n)
{
	uint32_t step, first;
	size_t i, end;
	uint64_t len;
	void *p;

	if (beside(pfn, n) < n / 2)
		qsort(pfn, n, sizeof(*pfn), by_number);
	for (i = 0; i < n; i = end) {
		end = i + 1;
		step = end < n && pfn[end] < pfn[i] ? -1 : 1;
		while (end < n && pfn[end] - pfn[end - 1] == step)
			end++;
		first = step == 1 ? pfn[i] : pfn[end - 1];
		len = (uint64_t)(end - i) << VIRTIO_BALLOON_PFN_SHIFT;
		p = mem_ptr(&b->dev.vm->mem, (uint64_t)first <<
			    VIRTIO_BALLOON_PFN_SHIFT, len);
		if (p)
			mem_release(&b->dev.vm->mem, p, len);
	}
}

static int inflate(struct balloon *b, struct virtqueue *vq,
		   struct vq_chain *chain)
{
	struct iovec *out = chain->iov;
	uint32_t pfn[PFNS];
	size_t n;

	/* More than all pages at once is no honest wish. */
	if (iov_size(out, chain->out) / sizeof(*pfn) >
	    b->policy.memory >> VIRTIO_BALLOON_PFN_SHIFT)
		return -1;
	while ((n = iov_copy_from(&out, &chain->out, pfn, sizeof(pfn)))) {
		release_pages(b, pfn, n / sizeof(*pfn));
		/* A long request has the turn of several. */
		vq->budget -= vq->budget && chain->out;
	}
	return 0;
}

/*
 * Free pages, in the buffers themselves. Where the guest wants to find its poison
 * in them again they stay as they are (5.5.6.7).
 */
static int reported(struct balloon *b, struct vq_chain *chain)
{
	const struct iovec *in = chain->iov + chain->out;
	unsigned int i;

	if (virtio_has(&b->dev, VIRTIO_BALLOON_F_PAGE_POISON) &&
	    b->config.poison_val)
		return 0;
	for (i = 0; i < chain->in; i++)
		mem_release(&b->dev.vm->mem, in[i].iov_base, in[i].iov_len);
	return 0;
}

/* The driver may know the number of its hints by now, or not: config changes tell. */
static void set_cmd_id(struct balloon *b, uint32_t id)
{
	b->config.free_page_hint_cmd_id = id;
	virtio_config_changed(&b->dev);
}

/* dev->lock held. Return: whether there will be hints. */
static bool ask_for_hints(struct balloon *b)
{
	/* Where the guest wants to find its poison again they are of no use. */
	if (!virtio_has(&b->dev, VIRTIO_BALLOON_F_FREE_PAGE_HINT) ||
	    (virtio_has(&b->dev, VIRTIO_BALLOON_F_PAGE_POISON) && b->config.poison_val))
		return false;
	b->hinting = false;
	if (mem_watch(&b->dev.vm->mem))
		return false;
	b->last_id = b->last_id < UINT32_MAX ? b->last_id + 1 : CMD_ID_FIRST;
	b->report.hinted = 0;
	set_cmd_id(b, b->last_id);
	return true;
}

/*
 * A number begins hints if it is the one that was asked for, and ends them else (5.5.6.5);
 * free pages are in the buffers themselves. When the driver has told all it gets
 * them back.
 */
static int hinted(struct balloon *b, struct vq_chain *chain)
{
	struct iovec *out = chain->iov;
	const struct iovec *in = chain->iov + chain->out;
	uint32_t id = b->config.free_page_hint_cmd_id, told;
	unsigned int i;

	if (chain->out) {
		if (iov_copy_from(&out, &chain->out, &told, sizeof(told)) != sizeof(told))
			return -1;
		if (b->hinting && told == VIRTIO_BALLOON_CMD_ID_STOP) {
			set_cmd_id(b, VIRTIO_BALLOON_CMD_ID_DONE);
			report(b);
		}
		b->hinting = told == id && id >= CMD_ID_FIRST;
		return 0;
	}
	for (i = 0; b->hinting && i < chain->in; i++) {
		mem_release_unwritten(&b->dev.vm->mem, in[i].iov_base, in[i].iov_len);
		b->report.hinted += in[i].iov_len;
	}
	return 0;
}

/* The driver's only buffer of statistics stays here until new ones are wanted. */
static int take_stats(struct balloon *b, struct virtqueue *vq,
		      struct vq_chain *chain)
{
	struct iovec *out = chain->iov;
	struct virtio_balloon_stat stat;
	unsigned int i;

	b->report.valid = 0;
	for (i = 0; i < 2 * LODGE_BALLOON_NR_STATS &&
	     iov_copy_from(&out, &chain->out, &stat, sizeof(stat)) ==
	     sizeof(stat); i++) {
		if (stat.tag >= LODGE_BALLOON_NR_STATS)
			continue;
		b->report.valid |= 1ULL << stat.tag;
		b->report.stat[stat.tag] = stat.val;
	}
	if (b->stats_held)
		vq_push(vq, b->stats_head, 0);
	b->stats_head = chain->head;
	b->stats_held = true;
	report(b);
	return 0;
}

static int take(struct balloon *b, unsigned int q, struct vq_chain *chain)
{
	struct virtqueue *vq = &b->dev.queue[q].vq;
	int ret = 0;

	switch (q) {
	case STATS:
		return take_stats(b, vq, chain);
	case INFLATE:
		ret = inflate(b, vq, chain);
		break;
	case HINTS:
		ret = virtio_has(&b->dev, VIRTIO_BALLOON_F_FREE_PAGE_HINT) ?
			hinted(b, chain) : reported(b, chain);
		break;
	case REPORTING:
		ret = reported(b, chain);
		break;
	case DEFLATE:
		/* A page comes back when it is touched. */
		break;
	}
	if (!ret)
		vq_push(vq, chain->head, 0);
	return ret;
}

/*
 * Without free page hinting its queue isn't there. The specification leaves a
 * gap in the numbers then, Linux before 6.11 doesn't: either will do.
 */
static void balloon_kick(struct virtio_dev *dev, unsigned int q)
{
	struct balloon *b = container_of(dev, struct balloon, dev);
	struct virtqueue *vq = &dev->queue[q].vq;
	struct vq_chain chain;
	int ret;

	do {
		while ((ret = vq_pop(vq, &chain)) > 0) {
			ret = take(b, q, &chain);
			if (ret)
				break;
		}
	} while (!ret && vq_sleep(vq));
	virtio_signal(dev, q);
	if (ret < 0)
		virtio_broken(dev, "a queue of the balloon is malformed");
}

static void balloon_config_write(struct virtio_dev *dev, unsigned int off,
				 uint32_t val, unsigned int size)
{
	struct balloon *b = container_of(dev, struct balloon, dev);

	if (size != sizeof(val))
		return;
	if (off == offsetof(struct virtio_balloon_config, actual)) {
		b->config.actual = val;
		report(b);
	} else if (off == offsetof(struct virtio_balloon_config, poison_val)) {
		b->config.poison_val = val;
	}
}

/* A driver that is gone has forgotten what it gave. */
static void balloon_reset(struct virtio_dev *dev)
{
	struct balloon *b = container_of(dev, struct balloon, dev);

	b->stats_held = false;
	b->config.actual = 0;
	b->config.poison_val = 0;
	b->config.free_page_hint_cmd_id = VIRTIO_BALLOON_CMD_ID_STOP;
	b->hinting = false;
	b->report.valid = 0;
	report(b);
}

static const struct virtio_ops balloon_ops = {
	.id = VIRTIO_ID_BALLOON,
	.class = CLASS_OTHER,
	.queues = QUEUES,
	.features = 1ULL << VIRTIO_BALLOON_F_STATS_VQ |
		1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
		1ULL << VIRTIO_BALLOON_F_PAGE_POISON |
		1ULL << VIRTIO_BALLOON_F_REPORTING,
	.config_size = sizeof(struct virtio_balloon_config),
	.config_write = balloon_config_write,
	.kick = balloon_kick,
	.reset = balloon_reset,
};

/* dev->lock held, or nobody knows the device yet. */
static void set_target(struct balloon *b, uint64_t target)
{
	uint64_t all = b->policy.memory;
	uint32_t pages = target < all ?
		(all - target) >> VIRTIO_BALLOON_PFN_SHIFT : 0;

	if (pages == b->config.num_pages)
		return;
	b->config.num_pages = pages;
	virtio_config_changed(&b->dev);
}

/* The hypervisor has a new target. */
static void on_target(void *arg)
{
	struct lodge_balloon_state state = { .size = sizeof(state) };
	struct balloon *b = arg;

	event_clear(b->target.fd);
	pthread_mutex_lock(&b->dev.lock);
	if (!ioctl(b->dev.vm->fd, LODGE_BALLOON_GET, &state)) {
		set_target(b, state.target);
		if (state.hints != b->hints)
			ask_for_hints(b);
		b->hints = state.hints;
	}
	pthread_mutex_unlock(&b->dev.lock);
}

/* Time to ask the driver for statistics: it gets its buffer back. */
static void on_timer(void *arg)
{
	struct balloon *b = arg;

	event_clear(b->timer.fd);
	pthread_mutex_lock(&b->dev.lock);
	if (b->stats_held && b->dev.queue[STATS].vq.enabled) {
		vq_push(&b->dev.queue[STATS].vq, b->stats_head, 0);
		b->stats_held = false;
		virtio_signal(&b->dev, STATS);
	}
	pthread_mutex_unlock(&b->dev.lock);
}

/* Return: whether the hypervisor has taken the policy. */
static bool set_policy(struct balloon *b, bool automatic, uint64_t target)
{
	b->policy.flags = automatic ? LODGE_BALLOON_AUTO : 0;
	b->policy.target = automatic ? 0 : target;
	b->has_policy = !ioctl(b->dev.vm->fd, LODGE_BALLOON_SET, &b->policy);
	if (!automatic)
		set_target(b, target);
	else if (b->has_policy)
		event_signal(b->target.fd);
	return b->has_policy;
}

static void obey(struct balloon *b, const char *order)
{
	uint64_t target = 0;
	bool automatic = !strcmp(order, "auto");

	if (!strcmp(order, "hint")) {
		if (!ask_for_hints(b))
			warn("balloon: the guest can't tell which pages are free, or poisons them");
		return;
	}
	if (!automatic && (parse_size(order, &target) ||
			   target > b->policy.memory ||
			   target < b->policy.reservation))
		warn("balloon: \"%s\" is neither \"auto\" nor \"hint\" nor a size that the guest can have",
		     order);
	else if (!set_policy(b, automatic, target) && automatic)
		warn("balloon: this hypervisor computes no targets");
}

static void on_control(void *arg)
{
	struct balloon *b = arg;
	ssize_t n;
	char c;

	/* One byte at a time, and one line at most, before others have a turn. */
	while ((n = read(b->control.fd, &c, 1)) == 1) {
		if (c != '\n') {
			if (b->order_len < sizeof(b->order) - 1)
				b->order[b->order_len++] = c;
			continue;
		}
		b->order[b->order_len] = 0;
		b->order_len = 0;
		pthread_mutex_lock(&b->dev.lock);
		obey(b, b->order);
		pthread_mutex_unlock(&b->dev.lock);
		return;
	}
	if (!n)
		loop_remove(&b->dev.vm->loop, &b->control);
}

/* For writing, too: a FIFO that somebody has open has no end. */
static int open_control(const char *spec)
{
	unsigned long n;
	int fd;

	if (!strncmp(spec, "fd:", 3) && !parse_uint(spec + 3, INT32_MAX, &n))
		fd = n;
	else
		fd = open(spec, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK))
		die("cannot read the balloon's orders from %s: %s", spec,
		    strerror(errno));
	return fd;
}

static void start_timer(struct balloon *b)
{
	const struct itimerspec period = {
		.it_interval.tv_sec = STATS_PERIOD,
		.it_value.tv_sec = STATS_PERIOD,
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0 || timerfd_settime(fd, 0, &period, NULL))
		die("cannot create a timer: %s", strerror(errno));
	b->timer = (struct watch){ fd, on_timer, b };
	loop_add(&b->dev.vm->loop, &b->timer);
}

/**
 * balloon_create() - a balloon, or die
 * @vm: the machine, which has its memory
 * @cfg: what the guest shall have
 */
struct balloon *balloon_create(struct vm *vm, const struct balloon_config *cfg)
{
	struct balloon *b = xalloc(1, sizeof(*b));
	unsigned int i;

	for (i = 0; i < vm->mem.count; i++)
		b->policy.memory += vm->mem.region[i].size;
	b->policy.size = sizeof(b->policy);
	b->policy.shares = cfg->shares;
	b->policy.reservation = cfg->floor;
	if (cfg->domain)
		snprintf(b->policy.domain, sizeof(b->policy.domain), "%s", cfg->domain);
	b->report.size = sizeof(b->report);
	b->target = (struct watch){ event_create(), on_target, b };
	b->policy.eventfd = b->target.fd;
	b->last_id = VIRTIO_BALLOON_CMD_ID_DONE;
	virtio_create(vm, &b->dev, &balloon_ops, mem_watch(&vm->mem) ? 0 :
		      1ULL << VIRTIO_BALLOON_F_FREE_PAGE_HINT, &b->config);
	loop_add(&vm->loop, &b->target);
	start_timer(b);
	if (!set_policy(b, cfg->automatic, cfg->target) && cfg->automatic)
		die("--balloon auto: %s computes no targets; give a size",
		    vm->cfg->node);
	if (cfg->control) {
		b->control = (struct watch){ open_control(cfg->control),
					     on_control, b };
		loop_add(&vm->loop, &b->control);
	}
	return b;
}
