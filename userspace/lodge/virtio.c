// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio over PCI, without the legacy interface (virtio 1.1, 4.1).
 *
 * BAR 0 is memory: common configuration, ISR, the device's configuration and
 * MSI-X. BAR 1 is ports, two bytes for each queue, and holds the
 * notifications: a port write carries its address and value in the exit,
 * so that no instruction has to be decoded before the eventfd is found.
 *
 * Requests are served in the I/O thread only; vCPU threads change
 * configuration. dev->lock is between the two.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util.h"
#include "virtio.h"

#define VENDOR_VIRTIO	0x1af4
#define DEVICE_BASE	0x1040

#define BAR_MEM		0
#define BAR_NOTIFY	1
#define BAR_MEM_SIZE	0x8000
#define OFF_COMMON	0x0000
#define OFF_ISR		0x1000
#define OFF_CONFIG	0x2000
#define OFF_MSIX	0x4000
#define OFF_PBA		0x5000
#define AREA_SIZE	0x1000
#define NOTIFY_SIZE	64
#define NOTIFY_STEP	2

_Static_assert(NOTIFY_SIZE >= VIRTIO_QUEUES * NOTIFY_STEP, "a port for each queue");

#define MAX_COMPLAINTS	8

#define ISR_QUEUE	1
#define ISR_CONFIG	2

#define RING_FEATURES	(1ULL << VIRTIO_F_VERSION_1 | \
			 1ULL << VIRTIO_RING_F_INDIRECT_DESC | \
			 1ULL << VIRTIO_RING_F_EVENT_IDX)

/** virtio_has() - was a feature negotiated? */
bool virtio_has(const struct virtio_dev *dev, unsigned int feature)
{
	return dev->acked >> feature & 1;
}

static uint16_t max_size(const struct virtio_dev *dev)
{
	return dev->ops->queue_size ? dev->ops->queue_size : VIRTIO_QUEUE_SIZE;
}

static void interrupt(struct virtio_dev *dev, uint16_t vector, uint8_t isr)
{
	if (msix_raise(&dev->pci, vector))
		return;
	dev->isr |= isr;
	pci_intx(&dev->pci, true);
}

/** virtio_signal() - interrupt for what was pushed to @q, if wanted. */
void virtio_signal(struct virtio_dev *dev, unsigned int q)
{
	struct virtio_queue *queue = &dev->queue[q];

	if (vq_should_signal(&queue->vq))
		interrupt(dev, queue->vector, ISR_QUEUE);
}

/** virtio_raise() - interrupt for queue @q, of which somebody else knows more. */
void virtio_raise(struct virtio_dev *dev, unsigned int q)
{
	interrupt(dev, dev->queue[q].vector, ISR_QUEUE);
}

/**
 * virtio_hand_over() - somebody else serves a queue from here on
 * @dev: the device, dev->lock held
 * @q: which
 * @to: raises the interrupts; the queue's eventfd is its to listen to
 */
void virtio_hand_over(struct virtio_dev *dev, unsigned int q, struct msix_sink *to)
{
	struct virtio_queue *queue = &dev->queue[q];

	loop_remove(&dev->vm->loop, &queue->notify);
	queue->elsewhere = to;
	to->vector = queue->vector;
	msix_sink_add(&dev->pci, to);
}

/** virtio_take_back() - what virtio_hand_over() gave; nobody may be at it. */
void virtio_take_back(struct virtio_dev *dev, unsigned int q)
{
	struct virtio_queue *queue = &dev->queue[q];

	msix_sink_remove(&dev->pci, queue->elsewhere);
	queue->elsewhere = NULL;
	loop_add(&dev->vm->loop, &queue->notify);
}

/**
 * virtio_config_changed() - tell the driver that its configuration has
 * @dev: the device, dev->lock held
 */
void virtio_config_changed(struct virtio_dev *dev)
{
	dev->generation++;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(dev, dev->config_vector, ISR_CONFIG);
}

/** virtio_broken() - the driver broke the rules; only a reset helps now. */
void virtio_broken(struct virtio_dev *dev, const char *why)
{
	unsigned int i;

	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	/* A guest must not fill the disk that standard error goes to. */
	if (dev->complaints++ < MAX_COMPLAINTS)
		warn("virtio device in slot %u: %s; it waits for a reset",
		     dev->pci.slot, why);
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (dev->ops->stop)
		dev->ops->stop(dev);
	for (i = 0; i < dev->ops->queues; i++)
		dev->queue[i].vq.enabled = false;
	interrupt(dev, dev->config_vector, ISR_CONFIG);
}

static void on_notify(void *arg)
{
	struct virtio_queue *queue = arg;
	struct virtio_dev *dev = queue->dev;

	pthread_mutex_lock(&dev->lock);
	/* One that was handed over meanwhile is not ours to clear. */
	if (!queue->elsewhere)
		event_clear(queue->notify.fd);
	if (!queue->elsewhere && queue->vq.enabled && dev->status & VIRTIO_CONFIG_S_DRIVER_OK) {
		/* A driver that never stops asking must not stop the rest. */
		queue->vq.budget = queue->vq.size;
		dev->ops->kick(dev, queue->index);
		if (!queue->vq.budget)
			event_signal(queue->notify.fd);
	}
	pthread_mutex_unlock(&dev->lock);
}

static void reset(struct virtio_dev *dev)
{
	unsigned int i;

	if (dev->ops->stop)
		dev->ops->stop(dev);
	if (dev->ops->reset)
		dev->ops->reset(dev);
	for (i = 0; i < dev->ops->queues; i++) {
		struct virtio_queue *queue = &dev->queue[i];

		queue->vq = (struct virtqueue){ .mem = &dev->vm->mem,
						.size = max_size(dev) };
		queue->vector = VIRTIO_MSI_NO_VECTOR;
	}
	dev->acked = 0;
	dev->offered_sel = 0;
	dev->acked_sel = 0;
	dev->queue_sel = 0;
	dev->config_vector = VIRTIO_MSI_NO_VECTOR;
	dev->status = 0;
	dev->isr = 0;
	pci_intx(&dev->pci, false);
}

static void set_status(struct virtio_dev *dev, uint8_t status)
{
	uint8_t fresh = status & ~dev->status;

	if (!status) {
		reset(dev);
		return;
	}
	/* That is for the device to say. */
	status &= ~VIRTIO_CONFIG_S_NEEDS_RESET;
	/* Features stand only if they are ours and modern (3.1.1). */
	if (fresh & VIRTIO_CONFIG_S_FEATURES_OK &&
	    (dev->acked & ~dev->offered || !virtio_has(dev, VIRTIO_F_VERSION_1)))
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	dev->status = status | (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	if (fresh & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !(dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)) {
		unsigned int i;

		if (dev->ops->start)
			dev->ops->start(dev);
		/* Requests may lie there from before. */
		for (i = 0; i < dev->ops->queues; i++)
			event_signal(dev->queue[i].notify.fd);
	}
}

static uint64_t common_read(struct virtio_dev *dev, uint64_t off)
{
	const struct virtio_queue *queue = NULL;

	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		return dev->offered_sel;
	case VIRTIO_PCI_COMMON_DF:
		return dev->offered_sel > 1 ? 0 :
			(uint32_t)(dev->offered >> 32 * dev->offered_sel);
	case VIRTIO_PCI_COMMON_GFSELECT:
		return dev->acked_sel;
	case VIRTIO_PCI_COMMON_GF:
		return dev->acked_sel > 1 ? 0 :
			(uint32_t)(dev->acked >> 32 * dev->acked_sel);
	case VIRTIO_PCI_COMMON_MSIX:
		return dev->config_vector;
	case VIRTIO_PCI_COMMON_NUMQ:
		return dev->ops->queues;
	case VIRTIO_PCI_COMMON_STATUS:
		return dev->status;
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return dev->generation;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		return dev->queue_sel;
	}
	/* A queue that is not there has size 0 (4.1.4.3). */
	if (dev->queue_sel >= dev->ops->queues)
		return 0;
	queue = &dev->queue[dev->queue_sel];
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return queue->vq.size;
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return queue->vector;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return queue->vq.enabled;
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return queue->index;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
		return queue->vq.desc_gpa;
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		return queue->vq.desc_gpa >> 32;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
		return queue->vq.avail_gpa;
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		return queue->vq.avail_gpa >> 32;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
		return queue->vq.used_gpa;
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		return queue->vq.used_gpa >> 32;
	}
	return 0;
}

static uint64_t set_half(uint64_t old, bool high, uint32_t val)
{
	return high ? (old & 0xffffffff) | (uint64_t)val << 32 :
		(old & ~0xffffffffULL) | val;
}

/* What is not a vector reads back as "none" (4.1.5.1.2). */
static uint16_t check_vector(struct virtio_dev *dev, uint16_t vector)
{
	return vector < dev->pci.nvectors ? vector : VIRTIO_MSI_NO_VECTOR;
}

static void queue_write(struct virtio_dev *dev, uint64_t off, uint64_t val)
{
	struct virtio_queue *queue;
	struct virtqueue *vq;

	if (dev->queue_sel >= dev->ops->queues)
		return;
	queue = &dev->queue[dev->queue_sel];
	vq = &queue->vq;
	if (off == VIRTIO_PCI_COMMON_Q_MSIX) {
		queue->vector = check_vector(dev, val);
		if (queue->elsewhere)
			msix_sink_vector(&dev->pci, queue->elsewhere, queue->vector);
	}
	/*
	 * A queue in use stays where it is until a reset; one of a broken
	 * device may still get requests back.
	 */
	if (vq->enabled || dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	switch (off) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		if (val && val <= max_size(dev) && !(val & (val - 1)))
			vq->size = val;
		break;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		vq->event_idx = virtio_has(dev, VIRTIO_RING_F_EVENT_IDX);
		if (val == 1 && vq_enable(vq))
			virtio_broken(dev, "a queue is not in guest memory");
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		vq->desc_gpa = set_half(vq->desc_gpa, off & 4, val);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		vq->avail_gpa = set_half(vq->avail_gpa, off & 4, val);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		vq->used_gpa = set_half(vq->used_gpa, off & 4, val);
		break;
	}
}

static void common_write(struct virtio_dev *dev, uint64_t off, uint64_t val)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		dev->offered_sel = val;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		dev->acked_sel = val;
		break;
	case VIRTIO_PCI_COMMON_GF:
		if (dev->acked_sel < 2 &&
		    !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
			dev->acked = set_half(dev->acked, dev->acked_sel, val);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		dev->config_vector = check_vector(dev, val);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		set_status(dev, val);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		dev->queue_sel = val;
		break;
	default:
		queue_write(dev, off, val);
	}
}

static uint64_t isr_read(struct virtio_dev *dev)
{
	uint8_t isr = dev->isr;

	dev->isr = 0;
	if (isr)
		pci_intx(&dev->pci, false);
	return isr;
}

static uint64_t config_read(struct virtio_dev *dev, uint64_t off,
			    unsigned int size)
{
	uint64_t val = 0;

	if (off < dev->ops->config_size &&
	    size <= dev->ops->config_size - off)
		memcpy(&val, (const uint8_t *)dev->config + off, size);
	return val;
}

static void config_write(struct virtio_dev *dev, uint64_t off, uint64_t val,
			 unsigned int size)
{
	if (dev->ops->config_write && size <= 4 &&
	    off < dev->ops->config_size && size <= dev->ops->config_size - off)
		dev->ops->config_write(dev, off, val, size);
}

static uint64_t bar_read(void *arg, uint64_t off, unsigned int size)
{
	struct virtio_dev *dev = arg;
	uint64_t val = 0;

	/* MSI-X has a lock of its own; ours must not be held around it. */
	if (off >= OFF_PBA)
		return msix_pba_read(&dev->pci, off - OFF_PBA, size);
	if (off >= OFF_MSIX)
		return msix_table_read(&dev->pci, off - OFF_MSIX, size);
	pthread_mutex_lock(&dev->lock);
	if (off < OFF_ISR)
		val = common_read(dev, off);
	else if (off == OFF_ISR)
		val = isr_read(dev);
	else if (off >= OFF_CONFIG)
		val = config_read(dev, off - OFF_CONFIG, size);
	pthread_mutex_unlock(&dev->lock);
	return val;
}

static void bar_write(void *arg, uint64_t off, uint64_t val,
		      unsigned int size)
{
	struct virtio_dev *dev = arg;

	if (off >= OFF_MSIX && off < OFF_PBA)
		msix_table_write(&dev->pci, off - OFF_MSIX, val, size);
	if (off >= OFF_MSIX || (off >= OFF_ISR && off < OFF_CONFIG))
		return;
	pthread_mutex_lock(&dev->lock);
	if (off >= OFF_CONFIG) {
		config_write(dev, off - OFF_CONFIG, val, size);
	} else {
		common_write(dev, off, val);
		/* The 64-bit fields may be written as one, or as two halves. */
		if (size == 8)
			common_write(dev, off + 4, val >> 32);
	}
	pthread_mutex_unlock(&dev->lock);
}

/* A notification that came here and not through its eventfd. */
static void notify_write(void *arg, uint64_t off, uint64_t val,
			 unsigned int size)
{
	struct virtio_dev *dev = arg;

	(void)val;
	(void)size;
	if (off / NOTIFY_STEP < dev->ops->queues)
		event_signal(dev->queue[off / NOTIFY_STEP].notify.fd);
}

/* The notification ports appear or go: move the eventfds with them. */
static void notify_moved(struct pci_dev *pci, uint64_t addr, bool on)
{
	struct virtio_dev *dev = container_of(pci, struct virtio_dev, pci);
	unsigned int i;

	for (i = 0; i < dev->ops->queues; i++) {
		struct kvm_ioeventfd e = {
			.addr = addr + i * NOTIFY_STEP,
			.len = 2,
			.fd = dev->queue[i].notify.fd,
			.flags = KVM_IOEVENTFD_FLAG_PIO |
				(on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
		};

		/* Without it, notify_write() does, only slower. */
		ioctl(dev->vm->fd, KVM_IOEVENTFD, &e);
	}
}

/*
 * Access to the BARs through configuration space, for who cannot map them
 * (4.1.4.8): the capability's four data bytes are @len bytes at @off of a BAR.
 */
static void cfg_window(struct pci_dev *pci, bool write)
{
	struct virtio_dev *dev = container_of(pci, struct virtio_dev, pci);
	uint8_t *data = pci->cfg + pci->window;
	struct virtio_pci_cap cap;
	uint64_t val = 0;

	memcpy(&cap, data - sizeof(cap), sizeof(cap));
	if ((cap.length != 1 && cap.length != 2 && cap.length != 4) ||
	    cap.offset % cap.length || cap.bar > BAR_NOTIFY ||
	    cap.offset >= (cap.bar == BAR_MEM ? BAR_MEM_SIZE : NOTIFY_SIZE))
		return;
	memcpy(&val, data, cap.length);
	if (write && cap.bar == BAR_NOTIFY) {
		notify_write(dev, cap.offset, val, cap.length);
	} else if (write) {
		bar_write(dev, cap.offset, val, cap.length);
	} else if (cap.bar == BAR_MEM) {
		val = bar_read(dev, cap.offset, cap.length);
		memcpy(data, &val, cap.length);
	}
}

static void add_window(struct virtio_dev *dev)
{
	struct pci_dev *pci = &dev->pci;
	const struct virtio_pci_cfg_cap cap = {
		.cap.cap_len = sizeof(cap),
		.cap.cfg_type = VIRTIO_PCI_CAP_PCI_CFG,
	};
	uint8_t at = pci_add_cap(pci, PCI_CAP_ID_VNDR, &cap.cap.cap_len,
				 sizeof(cap) - 2);

	pci->writable[at + VIRTIO_PCI_CAP_BAR] = 0xff;
	memset(pci->writable + at + VIRTIO_PCI_CAP_OFFSET, 0xff, 12);
	pci->window = at + sizeof(cap.cap);
	pci->window_access = cfg_window;
}

static void add_cap(struct virtio_dev *dev, uint8_t type, uint8_t bar,
		    uint32_t off, uint32_t len)
{
	bool notify = type == VIRTIO_PCI_CAP_NOTIFY_CFG;
	const struct virtio_pci_notify_cap c = {
		.cap = {
			.cap_len = notify ? sizeof(c) : sizeof(c.cap),
			.cfg_type = type,
			.bar = bar,
			.offset = off,
			.length = len,
		},
		.notify_off_multiplier = NOTIFY_STEP,
	};

	pci_add_cap(&dev->pci, PCI_CAP_ID_VNDR, &c.cap.cap_len,
		    c.cap.cap_len - 2);
}

/**
 * virtio_create() - a device on the PCI bus
 * @vm: the machine
 * @dev: zeroed; the caller's, until virtio_destroy()
 * @ops: of its kind
 * @features: offered by this one, beside the rings' and those of @ops
 * @config: ops->config_size bytes, kept by the caller
 */
void virtio_create(struct vm *vm, struct virtio_dev *dev,
		   const struct virtio_ops *ops, uint64_t features,
		   const void *config)
{
	const struct pci_bar mem = {
		.io = { 0, BAR_MEM_SIZE, bar_read, bar_write, dev },
	};
	const struct pci_bar notify = {
		.io = { 0, NOTIFY_SIZE, NULL, notify_write, dev },
		.ports = true,
		.moved = notify_moved,
	};
	unsigned int i;

	dev->vm = vm;
	dev->ops = ops;
	dev->config = config;
	dev->offered = RING_FEATURES | ops->features | features;
	pthread_mutex_init(&dev->lock, NULL);
	for (i = 0; i < ops->queues; i++) {
		struct virtio_queue *queue = &dev->queue[i];

		queue->dev = dev;
		queue->index = i;
		queue->notify = (struct watch){ event_create(), on_notify,
						queue };
		loop_add(&vm->loop, &queue->notify);
	}
	pci_add(vm, &dev->pci, VENDOR_VIRTIO, DEVICE_BASE + ops->id,
		ops->class);
	pci_add_bar(&dev->pci, BAR_MEM, &mem);
	pci_add_bar(&dev->pci, BAR_NOTIFY, &notify);
	msix_create(&dev->pci, ops->queues + 1, BAR_MEM, OFF_MSIX, OFF_PBA);
	add_cap(dev, VIRTIO_PCI_CAP_COMMON_CFG, BAR_MEM, OFF_COMMON,
		sizeof(struct virtio_pci_common_cfg));
	add_cap(dev, VIRTIO_PCI_CAP_ISR_CFG, BAR_MEM, OFF_ISR, 1);
	if (ops->config_size)
		add_cap(dev, VIRTIO_PCI_CAP_DEVICE_CFG, BAR_MEM, OFF_CONFIG,
			AREA_SIZE);
	add_cap(dev, VIRTIO_PCI_CAP_NOTIFY_CFG, BAR_NOTIFY, 0, NOTIFY_SIZE);
	add_window(dev);
	reset(dev);
}

/**
 * virtio_destroy() - a device that no vCPU can reach is gone
 * @dev: pci_unmap() was; freed by its kind
 *
 * The loop's thread only, outside of the device's functions.
 */
void virtio_destroy(struct virtio_dev *dev)
{
	unsigned int i;

	pthread_mutex_lock(&dev->lock);
	reset(dev);
	pthread_mutex_unlock(&dev->lock);
	for (i = 0; i < dev->ops->queues; i++) {
		loop_forget(&dev->vm->loop, &dev->queue[i].notify);
		close(dev->queue[i].notify.fd);
	}
	pci_remove(&dev->pci);
	pthread_mutex_destroy(&dev->lock);
	dev->ops->destroy(dev);
}
