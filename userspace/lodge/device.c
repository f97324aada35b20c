// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that come and go: disks, networks and shared folders, each with a name (id) that
 * nobody else has. Those that the machine is started with are made the same way as those
 * that are added while it runs, and can be removed like them.
 *
 * A device that is added is made in full before the guest can find it, or not at all:
 * what can fail fails before the PCI bus knows of it. Its files are opened by who asks
 * for it, who has the rights, and whose failure it is.
 *
 * One that is to go is first the guest's to let go of (hotplug.c). Then nobody may find
 * it any more: it is hidden on the bus; when no vCPU is at its configuration space, its
 * windows are taken away; when no vCPU is in one of those, its rings are stopped, requests
 * in flight awaited, and all that it had is given back: interrupts, eventfds, files. If
 * a vCPU doesn't leave, since another device keeps it, that waits. All of this
 * is done in the loop's thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "confine.h"
#include "device.h"
#include "hotplug.h"
#include "net.h"
#include "progress.h"
#include "util.h"

#define TICK_MS		100
#define MAX_EVENTS	80	/* descriptors that a device may want, later ones counted */

static struct watch ticker = { .fd = -1 };

/* Networks that the machine is started with. */
static struct device_files started[MAX_NETS];
static unsigned int nstarted;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/** device_slot() - where it is on the bus. */
unsigned int device_slot(const struct device *d)
{
	return d->dev->pci.slot;
}

static void tick(bool on)
{
	struct itimerspec every = { 0 };

	if (on) {
		every.it_interval.tv_nsec = TICK_MS * 1000000;
		every.it_value = every.it_interval;
	}
	timerfd_settime(ticker.fd, 0, &every, NULL);
}

static void answer(struct device *d, const char *why)
{
	if (d->answer)
		d->answer(d->arg, why);
	d->answer = NULL;
	d->until = 0;
}

/* The guest has let go of it: on with it, as far as vCPUs allow. */
static void take_apart(struct vm *vm, struct device *d)
{
	struct device **at = &vm->devices;

	d->ejected = true;
	if (!vcpus_outside(vm))
		return;
	if (!d->unmapped)
		pci_unmap(&d->dev->pci);
	d->unmapped = true;
	if (!vcpus_outside(vm))
		return;
	virtio_destroy(d->dev);
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	answer(d, NULL);
	free(d->what);
	free(d->key);
	free(d);
}

static void on_gone(struct vm *vm, unsigned int slot)
{
	struct device *d = vm->devices;

	while (d && device_slot(d) != slot)
		d = d->next;
	if (d)
		take_apart(vm, d);
}

static void on_tick(void *arg)
{
	struct device *d, *next;
	bool waiting = false;
	struct vm *vm = arg;
	char why[WHY_SIZE];

	event_clear(ticker.fd);
	for (d = vm->devices; d; d = next) {
		next = d->next;
		if (d->ejected) {
			take_apart(vm, d);
		} else if (d->until && d->until < now_ms() &&
			   hotplug_withdraw(vm, device_slot(d))) {
			refuse(why, "the guest did not let go of %s in %u seconds: it stays",
			       d->id, d->seconds);
			answer(d, why);
		}
	}
	for (d = vm->devices; d; d = d->next)
		waiting |= d->until || d->ejected;
	if (!waiting)
		tick(false);
}

/** device_init() - a machine with power and PCI can have such devices from here on, or die. */
void device_init(struct vm *vm)
{
	ticker = (struct watch){
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), on_tick, vm };
	if (ticker.fd < 0)
		die("cannot create a timer: %s", strerror(errno));
	loop_add(&vm->loop, &ticker);
	hotplug_create(vm, on_gone);
}

/** device_spec() - the only one that there is in @cfg. */
struct device_spec device_spec(const struct config *cfg)
{
	return (struct device_spec){
		.disk = cfg->ndisks ? cfg->disk : NULL,
		.fs = cfg->nfs ? cfg->fs : NULL,
		.net = cfg->nnets ? cfg->net : NULL,
	};
}

/**
 * device_open() - the files of a device, or die
 * @spec: as the user wants it
 * @err: what gets the messages of a program that is started for it, or -1: they are kept
 * @files: filled in
 */
void device_open(const struct device_spec *spec, int err, struct device_files *files)
{
	*files = (struct device_files){ .child = -1, .words = -1 };
	if (spec->net) {
		net_open(spec->net, err, files);
	} else if (spec->disk && !spec->disk->remote) {
		files->fd[0] = blk_open(spec->disk);
		files->count = 1;
	}
}

static struct device *find(struct vm *vm, const char *id)
{
	struct device *d = vm->devices;

	while (d && strcmp(d->id, id))
		d = d->next;
	return d;
}

/* The name that it was given, or the first that is free of those that its kind has. */
static int choose_id(struct vm *vm, struct device *d, const char *given, char *why)
{
	unsigned int n = 0;

	if (*given && find(vm, given))
		return refuse(why, "the name %s is another device's already", given);
	snprintf(d->id, sizeof(d->id), "%s", given);
	while (!*d->id || (!*given && find(vm, d->id)))
		snprintf(d->id, sizeof(d->id), "%s%u", d->kind, n++);
	return 0;
}

static struct net *net_of(const struct device *d)
{
	return container_of(d->dev, struct net, dev);
}

/* Two that a guest, or the host, can't tell apart. */
static int check_others(struct vm *vm, const struct device *d, const struct net_config *net,
			char *why)
{
	const struct device *other;

	for (other = vm->devices; other; other = other->next) {
		if (strcmp(d->kind, other->kind))
			continue;
		if (d->key && other->key && !strcmp(d->key, other->key))
			return refuse(why, "%s is %s's already", d->key, other->id);
		if (net && net->has_mac && !memcmp(net->mac, net_of(other)->config.mac, 6))
			return refuse(why, "this MAC address is %s's already", other->id);
	}
	return 0;
}

static bool files_left(void)
{
	int fd[MAX_EVENTS], n = 0, i;

	while (n < MAX_EVENTS && (fd[n] = fcntl(ticker.fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	for (i = 0; i < n; i++)
		close(fd[i]);
	return n == MAX_EVENTS;
}

/* What is true of each device, before there is anything of it. */
static int check_machine(struct vm *vm, bool shares, char *why)
{
	if (pci_full(vm))
		return refuse(why, "the PCI bus is full: at most %d devices", PCI_SLOTS - 1);
	if (!files_left())
		return refuse(why, "too many open files: raise the limit (ulimit -n)");
	if (shares && vm->mem.share < 0)
		return refuse(why, "the machine's memory can't be shared: start it with --memory-backing lodge, "
			      "or with such a device");
	return 0;
}

static char *text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static char *text(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		die("out of memory");
	return s;
}

static int create_disk(struct vm *vm, struct device *d, const struct disk_config *disk,
		       const struct device_files *files, char *why)
{
	char serial[DEVICE_ID_SIZE + 8];

	snprintf(serial, sizeof(serial), "%s%s", *disk->id ? "" : "lodge-", d->id);
	if (!disk->remote && files->count != 1)
		return refuse(why, "one file is wanted");
	d->dev = disk->remote ? blk_remote_create(vm, disk->path, why) :
		 blk_create(vm, disk, files->fd[0], serial, why);
	d->what = text("%s%s%s", disk->remote ? "vhost-user=" : "", disk->path,
		       disk->readonly ? ",ro" : "");
	return d->dev ? 0 : -1;
}

static int create_net(struct vm *vm, struct device *d, const struct net_config *net,
		      const struct device_files *files, char *why)
{
	char ports[NET_MAX_FORWARDS * (FORWARD_SIZE + 5) + 1] = "";
	const uint8_t *mac;
	unsigned int i;
	size_t n = 0;

	d->dev = net_create(vm, net, files, why);
	if (!d->dev)
		return -1;
	mac = net_of(d)->config.mac;
	for (i = 0; i < net->nforwards; i++)
		n += snprintf(ports + n, sizeof(ports) - n, ",%s", net->forward[i]);
	d->what = text("%s%s,mac=%02x:%02x:%02x:%02x:%02x:%02x%s", net->tap ? "tap=" : "user",
		       net->tap ?: "", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], ports);
	return 0;
}

static int create_fs(struct vm *vm, struct device *d, const struct fs_config *fs, char *why)
{
	d->dev = fs_create(vm, fs, why);
	d->what = text("tag=%s,socket=%s", fs->tag, fs->socket);
	return d->dev ? 0 : -1;
}

/**
 * device_create() - a device; the guest is told, if it runs
 * @vm: the machine
 * @spec: as the user wants it
 * @files: from device_open(), or a stranger's; the device's, if there is one
 * @why: why there is none
 *
 * Return: the device, or NULL.
 */
struct device *device_create(struct vm *vm, const struct device_spec *spec,
			     const struct device_files *files, char *why)
{
	struct device *d = xalloc(1, sizeof(*d)), **at = &vm->devices;
	bool shares = spec->fs || (spec->disk && spec->disk->remote);
	const char *key = spec->fs ? spec->fs->tag : spec->net ? spec->net->tap : NULL;
	const char *id = spec->fs ? spec->fs->id : spec->net ? spec->net->id : spec->disk->id;
	int ret;

	d->kind = spec->fs ? "fs" : spec->net ? "net" : "disk";
	d->key = key ? strdup(key) : NULL;
	ret = choose_id(vm, d, id, why) || check_others(vm, d, spec->net, why) ||
	      check_machine(vm, shares, why);
	if (!ret && spec->disk)
		ret = create_disk(vm, d, spec->disk, files, why);
	else if (!ret && spec->fs)
		ret = create_fs(vm, d, spec->fs, why);
	else if (!ret)
		ret = create_net(vm, d, spec->net, files, why);
	if (ret) {
		free(d->what);
		free(d->key);
		free(d);
		return NULL;
	}
	while (*at)
		at = &(*at)->next;
	*at = d;
	if (pci_show(&d->dev->pci))
		hotplug_added(vm, device_slot(d));
	return d;
}

/** device_start() - a device that the machine is started with, or die. */
void device_start(struct vm *vm, const struct device_spec *spec)
{
	const char *name = spec->fs ? spec->fs->socket : spec->disk ? spec->disk->path :
			   spec->net->tap ?: "passt";
	bool remote = spec->fs || (spec->disk && spec->disk->remote);
	struct device_files files;
	struct device *d;
	char why[WHY_SIZE];

	progress_begin(0, remote ? "waiting for the back end at %s" : "opening %s", name);
	/* Who waits for the end of a daemon's messages must not wait for passt. */
	device_open(spec, !vm->cfg->daemon ? STDERR_FILENO : vm->cfg->log ? STDOUT_FILENO : -1,
		    &files);
	/* A back end may come again when nobody is root here any more. */
	confine_files(remote);
	d = device_create(vm, spec, &files, why);
	confine_files(false);
	if (!d)
		die("%s", why);
	progress_end();
	if (spec->net)
		started[nstarted++] = files;
}

/**
 * device_started() - all that was started for devices of a machine is still there
 * @vm: the machine, which doesn't run yet
 * @why: that it isn't
 *
 * Return: 0 or -1.
 */
int device_started(struct vm *vm, char *why)
{
	const char *log = vm->cfg->log;
	unsigned int i;

	for (i = 0; i < nstarted; i++)
		if (net_lost(&started[i], 0, log ? log : "see above", why))
			return -1;
	return 0;
}

/**
 * device_remove() - have the guest let go of a device, and take it away
 * @vm: the machine, which runs
 * @id: its name
 * @seconds: that the guest has
 * @done: called in the loop's thread when it is gone, or the time is over and it stays, @why
 *	saying so
 * @arg: passed to it
 * @why: why it isn't tried
 *
 * Return: 0, and @done will be called or was, or -1.
 */
int device_remove(struct vm *vm, const char *id, unsigned int seconds,
		  void (*done)(void *arg, const char *why), void *arg, char *why)
{
	struct device *d = find(vm, id);

	if (!d)
		return refuse(why, "it has no device %s that can be removed", id);
	if (d->until || d->ejected)
		return refuse(why, "%s is being removed already", id);
	if (vcpus_paused(vm))
		return refuse(why, "it is paused: its guest can't let go of %s", id);
	d->seconds = seconds;
	d->until = now_ms() + seconds * 1000ULL;
	d->answer = done;
	d->arg = arg;
	tick(true);
	hotplug_ask(vm, device_slot(d));
	return 0;
}
