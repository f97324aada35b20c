// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event descriptors as lines in (irqfd) and as doorbells out (ioeventfd).
 *
 * An irqfd hangs in the wait queue of its eventfd, and the interrupt is sent
 * from there, in the context of whoever signals. When the eventfd's file goes it is
 * told so in the same place, where nothing can be taken down; it is then only
 * marked, and the next KVM_IRQFD or the VM's end sweeps it away.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>

#include "chips.h"

/* Those who share a line, and want to hear when its interrupt is over. */
struct resampler {
	struct lodge_ack ack;
	struct list_head irqfds;	/* RCU; changed under irq.lock */
	unsigned int nr;
};

struct irqfd {
	struct lodge_vm *vm;
	u32 gsi;
	bool gone;			/* the eventfd's file was closed */
	struct eventfd_ctx *event;
	struct eventfd_ctx *resample;	/* NULL: an edge, raised and lowered at once */
	struct resampler *resampler;
	struct list_head resampler_link;
	struct list_head link;		/* irq.irqfds */
	wait_queue_entry_t wait;
	poll_table poll;
};

static void inject(struct irqfd *irqfd)
{
	if (irqfd->resampler) {
		lodge_irq_set(irqfd->vm, LODGE_SOURCE_RESAMPLE, irqfd->gsi, 1);
		return;
	}
	lodge_irq_set(irqfd->vm, LODGE_SOURCE_USER, irqfd->gsi, 1);
	lodge_irq_set(irqfd->vm, LODGE_SOURCE_USER, irqfd->gsi, 0);
}

/* The eventfd's wait queue is locked, interrupts are off. */
static int irqfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
		      void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t flags = key_to_poll(key);
	u64 count;

	if (flags & EPOLLHUP)
		WRITE_ONCE(irqfd->gone, true);
	if (!(flags & EPOLLIN))
		return 0;
	/* The event is taken: nobody behind in the queue shall see it. */
	eventfd_ctx_do_read(irqfd->event, &count);
	inject(irqfd);
	return 1;
}

static void irqfd_queue(struct file *file, wait_queue_head_t *head,
			poll_table *poll)
{
	struct irqfd *irqfd = container_of(poll, struct irqfd, poll);

	add_wait_queue_priority(head, &irqfd->wait);
}

static void resampler_acked(struct lodge_ack *ack, struct lodge_vm *vm)
{
	struct resampler *r = container_of(ack, struct resampler, ack);
	struct irqfd *irqfd;

	lodge_irq_set(vm, LODGE_SOURCE_RESAMPLE, ack->gsi, 0);
	list_for_each_entry_rcu(irqfd, &r->irqfds, resampler_link)
		lodge_eventfd_signal(irqfd->resample);
}

static int resampler_join(struct lodge_vm *vm, struct irqfd *irqfd)
{
	struct resampler *r = NULL;
	struct irqfd *other;

	list_for_each_entry(other, &vm->irq.irqfds, link)
		if (other->resampler && other->gsi == irqfd->gsi)
			r = other->resampler;
	if (!r) {
		r = kzalloc(sizeof(*r), GFP_KERNEL_ACCOUNT);
		if (!r)
			return -ENOMEM;
		INIT_LIST_HEAD(&r->irqfds);
		r->ack.gsi = irqfd->gsi;
		r->ack.fn = resampler_acked;
		lodge_irq_ack_add(vm, &r->ack);
	}
	irqfd->resampler = r;
	list_add_rcu(&irqfd->resampler_link, &r->irqfds);
	r->nr++;
	return 0;
}

static void resampler_leave(struct irqfd *irqfd)
{
	struct resampler *r = irqfd->resampler;

	list_del_rcu(&irqfd->resampler_link);
	synchronize_rcu_expedited();
	if (--r->nr)
		return;
	lodge_irq_ack_del(irqfd->vm, &r->ack);
	lodge_irq_set(irqfd->vm, LODGE_SOURCE_RESAMPLE, irqfd->gsi, 0);
	kfree(r);
}

static void irqfd_free(struct irqfd *irqfd)
{
	if (irqfd->resampler)
		resampler_leave(irqfd);
	if (!IS_ERR_OR_NULL(irqfd->resample))
		eventfd_ctx_put(irqfd->resample);
	if (!IS_ERR_OR_NULL(irqfd->event))
		eventfd_ctx_put(irqfd->event);
	kfree(irqfd);
}

/* It is in the wait queue and on the list; afterwards it injects no more. */
static void irqfd_remove(struct irqfd *irqfd)
{
	u64 count;

	list_del(&irqfd->link);
	irqfd->vm->irq.nr_irqfds--;
	eventfd_ctx_remove_wait_queue(irqfd->event, &irqfd->wait, &count);
	irqfd_free(irqfd);
}

/* Those whose file is gone, and those that match; all, if @event is NULL. */
static void irqfd_sweep(struct lodge_vm *vm, struct eventfd_ctx *event, u32 gsi,
			bool all)
{
	struct irqfd *irqfd, *next;

	lockdep_assert_held(&vm->irq.lock);
	list_for_each_entry_safe(irqfd, next, &vm->irq.irqfds, link)
		if (all || READ_ONCE(irqfd->gone) ||
		    (irqfd->event == event && irqfd->gsi == gsi))
			irqfd_remove(irqfd);
}

static int irqfd_install(struct lodge_vm *vm, struct irqfd *irqfd,
			 struct file *file)
{
	struct irqfd *other;
	int ret;

	lockdep_assert_held(&vm->irq.lock);
	irqfd_sweep(vm, NULL, 0, false);
	list_for_each_entry(other, &vm->irq.irqfds, link)
		if (other->event == irqfd->event)
			return -EBUSY;
	if (vm->irq.nr_irqfds >= LODGE_MAX_EVENTFDS)
		return -ENOSPC;
	if (irqfd->resample) {
		ret = resampler_join(vm, irqfd);
		if (ret)
			return ret;
	}
	list_add_tail(&irqfd->link, &vm->irq.irqfds);
	vm->irq.nr_irqfds++;
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wake);
	init_poll_funcptr(&irqfd->poll, irqfd_queue);
	/* What was signalled before counts; from here on it comes by itself. */
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		inject(irqfd);
	return 0;
}

static int irqfd_assign(struct lodge_vm *vm, const struct kvm_irqfd *args)
{
	struct irqfd *irqfd;
	struct file *file;
	int ret;

	/* Nobody here knows whose EOI it would be in user space's I/O APIC. */
	if (!vm->irq.in_kernel || args->gsi >= LODGE_MAX_GSI ||
	    (vm->irq.split && args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	if (!irqfd)
		return -ENOMEM;
	irqfd->vm = vm;
	irqfd->gsi = args->gsi;

	ret = -EBADF;
	file = fget(args->fd);
	if (!file)
		goto out_free;
	irqfd->event = eventfd_ctx_fileget(file);
	ret = PTR_ERR_OR_ZERO(irqfd->event);
	if (!ret && args->flags & KVM_IRQFD_FLAG_RESAMPLE) {
		irqfd->resample = eventfd_ctx_fdget(args->resamplefd);
		ret = PTR_ERR_OR_ZERO(irqfd->resample);
	}
	if (!ret) {
		mutex_lock(&vm->irq.lock);
		ret = irqfd_install(vm, irqfd, file);
		mutex_unlock(&vm->irq.lock);
	}
	fput(file);
out_free:
	if (ret)
		irqfd_free(irqfd);
	return ret;
}

/**
 * lodge_irqfd - KVM_IRQFD
 * @vm: the VM
 * @arg: struct kvm_irqfd, of which nothing is checked yet
 *
 * Return: 0 or an errno: -EINVAL for a GSI that no route can have, -ENOSPC for
 * more than LODGE_MAX_EVENTFDS. Taking away what isn't there is no error, as in KVM.
 */
int lodge_irqfd(struct lodge_vm *vm, void *arg)
{
	const struct kvm_irqfd *args = arg;
	struct eventfd_ctx *event;

	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (!(args->flags & KVM_IRQFD_FLAG_DEASSIGN))
		return irqfd_assign(vm, args);

	event = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(event))
		return PTR_ERR(event);
	mutex_lock(&vm->irq.lock);
	irqfd_sweep(vm, event, args->gsi, false);
	mutex_unlock(&vm->irq.lock);
	eventfd_ctx_put(event);
	return 0;
}

/**
 * lodge_irq_stop - nothing comes in from outside any more
 * @vm: the VM, whose own descriptor is closed; its vCPUs may still run
 *
 * An irqfd would otherwise live as long as the last vCPU's descriptor does.
 *
 * Context: sleeps.
 */
void lodge_irq_stop(struct lodge_vm *vm)
{
	mutex_lock(&vm->irq.lock);
	irqfd_sweep(vm, NULL, 0, true);
	mutex_unlock(&vm->irq.lock);
}

/* --- ioeventfd --- */

struct ioeventfd {
	struct lodge_iodev dev;
	struct list_head link;		/* irq.ioeventfds */
	enum lodge_bus_kind bus;
	u64 addr;
	u32 len;			/* 0: any width */
	bool wildcard;			/* any data */
	u64 data;
	struct eventfd_ctx *event;
};

static int ioeventfd_write(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
			   gpa_t addr, int len, const void *val)
{
	struct ioeventfd *p = container_of(dev, struct ioeventfd, dev);
	u64 data = 0;

	if (addr != p->addr || (p->len && p->len != len))
		return -EOPNOTSUPP;
	if (!p->wildcard) {
		memcpy(&data, val, len);
		if (data != p->data)
			return -EOPNOTSUPP;
	}
	lodge_eventfd_signal(p->event);
	return 0;
}

/* On the list, or on one of its own. */
static void ioeventfd_release(struct lodge_iodev *dev)
{
	struct ioeventfd *p = container_of(dev, struct ioeventfd, dev);

	list_del(&p->link);
	eventfd_ctx_put(p->event);
	kfree(p);
}

static const struct lodge_iodev_ops ioeventfd_ops = {
	.write = ioeventfd_write,
	.release = ioeventfd_release,
};

/* Would one write be for both? Then the second is refused. */
static bool collides(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->bus == b->bus && a->addr == b->addr &&
		(!a->len || !b->len || (a->len == b->len &&
		 (a->wildcard || b->wildcard || a->data == b->data)));
}

static int ioeventfd_assign(struct lodge_vm *vm, struct ioeventfd *new)
{
	struct ioeventfd *p;
	int ret;

	lockdep_assert_held(&vm->irq.lock);
	list_for_each_entry(p, &vm->irq.ioeventfds, link)
		if (collides(p, new))
			return -EEXIST;
	if (vm->irq.nr_ioeventfds >= LODGE_MAX_EVENTFDS)
		return -ENOSPC;
	ret = lodge_bus_add(vm, new->bus, new->addr, new->len, &new->dev);
	if (!ret) {
		list_add_tail(&new->link, &vm->irq.ioeventfds);
		vm->irq.nr_ioeventfds++;
	}
	return ret;
}

static int ioeventfd_deassign(struct lodge_vm *vm, const struct ioeventfd *like)
{
	struct ioeventfd *p;

	lockdep_assert_held(&vm->irq.lock);
	list_for_each_entry(p, &vm->irq.ioeventfds, link) {
		if (p->bus != like->bus || p->event != like->event ||
		    p->addr != like->addr || p->len != like->len ||
		    p->wildcard != like->wildcard ||
		    (!p->wildcard && p->data != like->data))
			continue;
		vm->irq.nr_ioeventfds--;
		lodge_bus_del(vm, p->bus, &p->dev);
		return 0;
	}
	return -ENOENT;
}

/**
 * lodge_ioeventfd - KVM_IOEVENTFD
 * @vm: the VM
 * @arg: struct kvm_ioeventfd, of which nothing is checked yet
 *
 * Return: 0 or an errno; -ENOSPC for more than LODGE_MAX_EVENTFDS.
 */
int lodge_ioeventfd(struct lodge_vm *vm, void *arg)
{
	const struct kvm_ioeventfd *args = arg;
	const u32 known = KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO |
		KVM_IOEVENTFD_FLAG_DEASSIGN;
	bool deassign = args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;
	struct ioeventfd *p;
	int ret;

	if (!deassign && (args->len > 8 || hweight32(args->len) > 1 ||
			  args->addr + args->len < args->addr ||
			  args->flags & ~known ||
			  (!args->len && args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)))
		return -EINVAL;
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return -ENOMEM;
	p->dev.ops = &ioeventfd_ops;
	INIT_LIST_HEAD(&p->link);
	p->bus = args->flags & KVM_IOEVENTFD_FLAG_PIO ? LODGE_BUS_PIO :
		LODGE_BUS_MMIO;
	p->addr = args->addr;
	p->len = args->len;
	p->wildcard = !(args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH);
	p->data = args->datamatch;
	p->event = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(p->event)) {
		ret = PTR_ERR(p->event);
		kfree(p);
		return ret;
	}
	mutex_lock(&vm->irq.lock);
	ret = deassign ? ioeventfd_deassign(vm, p) : ioeventfd_assign(vm, p);
	mutex_unlock(&vm->irq.lock);
	if (ret || deassign)
		ioeventfd_release(&p->dev);
	return ret;
}
