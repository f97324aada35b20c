// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of this room: arguments come in, are checked, and go to the file
 * that knows. Errors are those of KVM, in its order.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "chips.h"

/*
 * What these functions get is what came in; vm_ioctls[] says how much, and how
 * much of it goes out again.
 */
static int create_irqchip(struct lodge_vm *vm, void *arg)
{
	struct lodge_irq *irq = &vm->irq;
	int ret = 0;

	mutex_lock(&vm->lock);
	if (irq->in_kernel)
		ret = -EEXIST;
	else if (lodge_vm_vcpus(vm))
		ret = -EINVAL;
	if (ret)
		goto out;

	mutex_lock(&irq->lock);
	/* What an attempt that ran out of memory left behind is taken as it is. */
	if (!irq->pic)
		ret = lodge_pic_create(vm);
	if (!ret && !irq->ioapic)
		ret = lodge_ioapic_create(vm);
	if (!ret)
		ret = lodge_routing_defaults(vm);
	if (!ret)
		ret = lodge_access_create(vm);
	mutex_unlock(&irq->lock);
	if (!ret)
		smp_store_release(&irq->in_kernel, true);	/* after all else */
out:
	mutex_unlock(&vm->lock);
	return ret;
}

/**
 * lodge_irq_split - KVM_CAP_SPLIT_IRQCHIP: local APICs and messages in the kernel
 * @vm: the VM
 * @pins: GSIs below are those of user space's I/O APICs
 *
 * Return: 0; -EINVAL: too many; -EEXIST: there are vCPUs, or an irqchip; -ENOMEM.
 */
int lodge_irq_split(struct lodge_vm *vm, u64 pins)
{
	struct lodge_irq *irq = &vm->irq;
	int ret = -EEXIST;

	if (pins > LODGE_MAX_USER_PINS)
		return -EINVAL;
	mutex_lock(&vm->lock);
	/* Chips that an attempt at KVM_CREATE_IRQCHIP left behind stay what they are. */
	if (irq->in_kernel || irq->pic || lodge_vm_vcpus(vm))
		goto out;
	mutex_lock(&irq->lock);
	ret = lodge_routing_set(vm, NULL, 0);
	if (!ret)
		ret = lodge_access_create(vm);
	mutex_unlock(&irq->lock);
	if (ret)
		goto out;
	irq->split = true;
	irq->user_pins = pins;
	smp_store_release(&irq->in_kernel, true);	/* after all else */
out:
	mutex_unlock(&vm->lock);
	return ret;
}

static int with_chip(struct lodge_vm *vm, struct kvm_irqchip *c, bool set)
{
	if (c->chip_id > KVM_IRQCHIP_IOAPIC)
		return -EINVAL;
	if (c->chip_id == KVM_IRQCHIP_IOAPIC && set)
		lodge_ioapic_set_state(vm, &c->chip.ioapic);
	else if (c->chip_id == KVM_IRQCHIP_IOAPIC)
		lodge_ioapic_get_state(vm, &c->chip.ioapic);
	else if (set)
		lodge_pic_set_state(vm, c->chip_id, &c->chip.pic);
	else
		lodge_pic_get_state(vm, c->chip_id, &c->chip.pic);
	return 0;
}

static int get_irqchip(struct lodge_vm *vm, void *arg)
{
	return with_chip(vm, arg, false);
}

static int set_irqchip(struct lodge_vm *vm, void *arg)
{
	return with_chip(vm, arg, true);
}

static int make_pit(struct lodge_vm *vm, u32 flags)
{
	int ret;

	mutex_lock(&vm->lock);
	mutex_lock(&vm->irq.lock);
	if (vm->irq.pit)
		ret = -EEXIST;
	else if (!vm->irq.in_kernel || vm->irq.split)
		ret = -ENOENT;	/* its output would lead nowhere */
	else
		ret = lodge_pit_create(vm, flags);
	mutex_unlock(&vm->irq.lock);
	mutex_unlock(&vm->lock);
	return ret;
}

static int create_pit(struct lodge_vm *vm, void *arg)
{
	return make_pit(vm, KVM_PIT_SPEAKER_DUMMY);
}

static int create_pit2(struct lodge_vm *vm, void *arg)
{
	return make_pit(vm, ((struct kvm_pit_config *)arg)->flags);
}

static int get_pit(struct lodge_vm *vm, void *arg)
{
	lodge_pit_get_state(vm->irq.pit, arg);
	return 0;
}

static int set_pit2(struct lodge_vm *vm, void *arg)
{
	lodge_pit_set_state(vm->irq.pit, arg);
	return 0;
}

/* The same without the flags. */
static int set_pit(struct lodge_vm *vm, void *arg)
{
	((struct kvm_pit_state2 *)arg)->flags = READ_ONCE(vm->irq.pit->s.flags);
	return set_pit2(vm, arg);
}

static int reinject(struct lodge_vm *vm, void *arg)
{
	lodge_pit_reinject(vm->irq.pit,
			   ((struct kvm_reinject_control *)arg)->pit_reinject);
	return 0;
}

static int set_routing(struct lodge_vm *vm, struct kvm_irq_routing __user *user)
{
	struct kvm_irq_routing_entry *e = NULL;
	struct kvm_irq_routing head;
	int ret;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (!vm->irq.in_kernel || head.nr > LODGE_MAX_GSI || head.flags)
		return -EINVAL;
	if (head.nr) {
		e = vmemdup_user(user->entries, array_size(sizeof(*e), head.nr));
		if (IS_ERR(e))
			return PTR_ERR(e);
	}
	mutex_lock(&vm->irq.lock);
	ret = lodge_routing_set(vm, e, head.nr);
	mutex_unlock(&vm->irq.lock);
	kvfree(e);
	return ret;
}

static int irq_line(struct lodge_vm *vm, void *arg)
{
	struct kvm_irq_level *line = arg;

	lodge_irq_line(vm, LODGE_SOURCE_USER, line->irq, line->level, false);
	return 0;
}

static int irq_line_status(struct lodge_vm *vm, void *arg)
{
	struct kvm_irq_level *line = arg;

	line->status = lodge_irq_line(vm, LODGE_SOURCE_USER, line->irq,
				      line->level, true);
	return 0;
}

static int signal_msi(struct lodge_vm *vm, void *arg)
{
	struct kvm_msi *msi = arg;

	/* Which device sends it is of no matter here. */
	if (!vm->irq.in_kernel || msi->flags & ~KVM_MSI_VALID_DEVID)
		return -EINVAL;
	return lodge_irq_msi(vm, msi);
}

enum { NOTHING, PIT, LINES, CHIPS };

/*
 * What the numbers themselves say of size and direction is not always so. Who
 * has nothing of what is needed gets ENXIO.
 */
static const struct {
	unsigned int cmd;
	u16 in, out;
	int needs;
	int (*fn)(struct lodge_vm *vm, void *arg);
} vm_ioctls[] = {
#define IN(type)	sizeof(struct type), 0
#define OUT(type)	0, sizeof(struct type)
#define BOTH(type)	sizeof(struct type), sizeof(struct type)
	{ KVM_IRQ_LINE, IN(kvm_irq_level), LINES, irq_line },
	{ KVM_IRQ_LINE_STATUS, BOTH(kvm_irq_level), LINES, irq_line_status },
	{ KVM_SIGNAL_MSI, IN(kvm_msi), NOTHING, signal_msi },
	{ KVM_IRQFD, IN(kvm_irqfd), NOTHING, lodge_irqfd },
	{ KVM_IOEVENTFD, IN(kvm_ioeventfd), NOTHING, lodge_ioeventfd },
	{ KVM_REGISTER_COALESCED_MMIO, IN(kvm_coalesced_mmio_zone), NOTHING,
	  lodge_coalesced_add },
	{ KVM_UNREGISTER_COALESCED_MMIO, IN(kvm_coalesced_mmio_zone), NOTHING,
	  lodge_coalesced_del },
	{ KVM_CREATE_IRQCHIP, 0, 0, NOTHING, create_irqchip },
	{ KVM_GET_IRQCHIP, BOTH(kvm_irqchip), CHIPS, get_irqchip },
	{ KVM_SET_IRQCHIP, IN(kvm_irqchip), CHIPS, set_irqchip },
	{ KVM_CREATE_PIT, 0, 0, NOTHING, create_pit },
	{ KVM_CREATE_PIT2, IN(kvm_pit_config), NOTHING, create_pit2 },
	{ KVM_GET_PIT, OUT(kvm_pit_state), PIT, get_pit },
	{ KVM_SET_PIT, IN(kvm_pit_state), PIT, set_pit },
	{ KVM_GET_PIT2, OUT(kvm_pit_state2), PIT, get_pit },
	{ KVM_SET_PIT2, IN(kvm_pit_state2), PIT, set_pit2 },
	{ KVM_REINJECT_CONTROL, IN(kvm_reinject_control), PIT, reinject },
};

/**
 * lodge_irq_vm_ioctl - a VM's ioctls that are served here
 * @vm: the VM
 * @cmd: the command
 * @user: its argument
 *
 * Return: the ioctl's result, or -ENOTTY: not one of these.
 */
long lodge_irq_vm_ioctl(struct lodge_vm *vm, unsigned int cmd, void __user *user)
{
	struct kvm_irqchip arg;		/* the largest of them */
	int i, ret;

	if (cmd == KVM_SET_GSI_ROUTING)
		return set_routing(vm, user);
	for (i = 0; i < ARRAY_SIZE(vm_ioctls); i++)
		if (vm_ioctls[i].cmd == cmd)
			break;
	if (i == ARRAY_SIZE(vm_ioctls))
		return -ENOTTY;
	BUILD_BUG_ON(sizeof(arg) < sizeof(struct kvm_pit_state2));
	if (copy_from_user(&arg, user, vm_ioctls[i].in))
		return -EFAULT;
	if ((vm_ioctls[i].needs >= LINES && !vm->irq.in_kernel) ||
	    (vm_ioctls[i].needs == CHIPS && vm->irq.split) ||
	    (vm_ioctls[i].needs == PIT && !vm->irq.pit))
		return -ENXIO;
	ret = vm_ioctls[i].fn(vm, &arg);
	if (ret >= 0 && copy_to_user(user, &arg, vm_ioctls[i].out))
		return -EFAULT;
	return ret;
}

static int get_lapic(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_lapic_state *s;
	int ret;

	if (!vcpu->apic)
		return -EINVAL;
	s = kmalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	lodge_lapic_get_state(vcpu, s);
	ret = copy_to_user(arg, s, sizeof(*s)) ? -EFAULT : 0;
	kfree(s);
	return ret;
}

static int set_lapic(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_lapic_state *s;
	int ret;

	if (!vcpu->apic)
		return -EINVAL;
	s = memdup_user(arg, sizeof(*s));
	if (IS_ERR(s))
		return PTR_ERR(s);
	ret = lodge_lapic_set_state(vcpu, s);
	kfree(s);
	return ret;
}

/*
 * QEMU says at every reset that there is no page in which the guest's task priority
 * is kept. One that there is would have to be read at each entry: not offered.
 */
static int set_vapic(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_vapic_addr vapic;

	if (!vcpu->apic)
		return -EINVAL;
	if (copy_from_user(&vapic, arg, sizeof(vapic)))
		return -EFAULT;
	return vapic.vapic_addr ? -EINVAL : 0;
}

/**
 * lodge_irq_vcpu_ioctl - a vCPU's ioctls that are served here
 * @vcpu: the vCPU, locked and loaded
 * @cmd: the command
 * @arg: its argument
 *
 * Return: the ioctl's result, or -ENOTTY: not one of these.
 */
long lodge_irq_vcpu_ioctl(struct lodge_vcpu *vcpu, unsigned int cmd,
			  void __user *arg)
{
	switch (cmd) {
	case KVM_GET_LAPIC:
		return get_lapic(vcpu, arg);
	case KVM_SET_LAPIC:
		return set_lapic(vcpu, arg);
	case KVM_SET_VAPIC_ADDR:
		return set_vapic(vcpu, arg);
	default:
		return -ENOTTY;
	}
}
