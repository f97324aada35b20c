// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: A virtual machine
 *
 * A VM is born by KVM_CREATE_VM and lives as long as anything refers to it:
 * its own descriptor, those of its vCPUs, its irqfds. It belongs to the
 * address space of the process that made it (its slots name that process's
 * memory), so its ioctls are refused elsewhere with EIO, as in KVM.
 *
 * What a VM is made of lies in the rooms: guest memory (mem/), nested page
 * tables (npt/), interrupt controllers (irq/), clocks (tsc.c, pv.c). This
 * file puts them together, takes them apart in the mirrored order, and hands
 * the VM's ioctls to them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "backend.h"
#include "caps.h"
#include "hw.h"
#include "msr.h"
#include "netlink.h"
#include "trace.h"

/*
 * Whoever has the lock and finds a VM has a whole one: to be hidden is the first
 * thing that happens to it when it is destroyed.
 */
DEFINE_XARRAY(lodge_vms);
DEFINE_MUTEX(lodge_vms_lock);
static atomic64_t next_vm_id;

static void vm_destroy(struct lodge_vm *vm)
{
	struct lodge_vcpu *vcpu;
	unsigned long i;

	mutex_lock(&lodge_vms_lock);
	if (xa_erase(&lodge_vms, vm->id))
		lodge_netlink_event(vm, LODGE_CMD_VM_DESTROYED_NTF);
	mutex_unlock(&lodge_vms_lock);
	atomic_dec(&lodge_nr_vms);

	lodge_balloon_destroy(vm);
	/* Devices first: their timers and eventfds reach for vCPUs. */
	lodge_irq_destroy(vm);
	/* The notifier, which goes with it, asks vCPUs to flush. */
	lodge_mem_destroy(vm);
	lodge_for_each_vcpu(i, vcpu, vm)
		lodge_vcpu_free(vcpu);
	xa_destroy(&vm->vcpus);
	lodge_npt_destroy(vm);
	lodge_msr_filter_free(vm);
	cleanup_srcu_struct(&vm->srcu);
	lodge_hw_put();
	mmdrop(vm->mm);
	kvfree(vm);
}

/**
 * lodge_vm_each - do something with every VM
 * @fn: what; the VM stays while it is called, and all others wait: it must not
 *	wait for any VM's own locks
 *
 * Context: may sleep.
 */
void lodge_vm_each(void (*fn)(struct lodge_vm *vm))
{
	struct lodge_vm *vm;
	unsigned long id;

	mutex_lock(&lodge_vms_lock);
	xa_for_each(&lodge_vms, id, vm)
		fn(vm);
	mutex_unlock(&lodge_vms_lock);
}

/** lodge_vm_get - hold a VM; the caller holds it already */
void lodge_vm_get(struct lodge_vm *vm)
{
	refcount_inc(&vm->users);
}

/** lodge_vm_put - let a VM go; the last one destroys it and may sleep */
void lodge_vm_put(struct lodge_vm *vm)
{
	if (refcount_dec_and_test(&vm->users))
		vm_destroy(vm);
}

/**
 * lodge_vm_kill - end a VM whose state can't be trusted any more
 * @vm: the VM
 * @why: one line for people, and a constant
 *
 * All its ioctls, KVM_RUN among them, give EIO from now on.
 *
 * Context: any but NMI.
 */
void lodge_vm_kill(struct lodge_vm *vm, const char *why)
{
	pr_err_ratelimited("VM %llu of process %d ended: %s\n", vm->id,
			   vm->owner, why);
	WRITE_ONCE(vm->reason, why);
	WRITE_ONCE(vm->dead, true);
	lodge_netlink_dead();
	lodge_vm_request_all(vm, LODGE_REQ_DEAD);
}

struct lodge_vcpu *lodge_vcpu_by_id(struct lodge_vm *vm, u32 id)
{
	struct lodge_vcpu *vcpu;
	unsigned long i;

	/* Most launchers count ids as we count indexes. */
	vcpu = xa_load(&vm->vcpus, id);
	if (vcpu && vcpu->id == id)
		return vcpu;
	lodge_for_each_vcpu(i, vcpu, vm)
		if (vcpu->id == id)
			return vcpu;
	return NULL;
}

static long vm_set_tss_addr(struct lodge_vm *vm, unsigned long arg)
{
	/* Three pages below 4 GiB; only VMX without unrestricted guest uses them. */
	if (arg > (u32)(-3 * PAGE_SIZE))
		return -EINVAL;
	vm->tss_addr = arg;
	return 0;
}

static long vm_set_identity_map(struct lodge_vm *vm, unsigned long arg)
{
	u64 addr;
	long ret = 0;

	if (copy_from_user(&addr, (void __user *)arg, sizeof(addr)))
		return -EFAULT;
	mutex_lock(&vm->lock);
	if (lodge_vm_vcpus(vm))
		ret = -EINVAL;
	else
		vm->identity_map_addr = addr;
	mutex_unlock(&vm->lock);
	return ret;
}

/* The number of shadow pages: there are none, the nested tables are as large as need be. */
static long vm_set_mmu_pages(struct lodge_vm *vm, unsigned long arg)
{
	if (arg < 64 || arg > U32_MAX)
		return -EINVAL;
	vm->nr_mmu_pages = arg;
	return 0;
}

static long vm_get_mmu_pages(struct lodge_vm *vm, unsigned long arg)
{
	return vm->nr_mmu_pages;
}

static long vm_create_vcpu(struct lodge_vm *vm, unsigned long arg)
{
	return lodge_vcpu_create(vm, arg);
}

static long vm_check_extension(struct lodge_vm *vm, unsigned long arg)
{
	return lodge_cap_check(vm, arg);
}

static long vm_set_boot_cpu(struct lodge_vm *vm, unsigned long arg)
{
	long ret = 0;

	mutex_lock(&vm->lock);
	if (lodge_vm_vcpus(vm))
		ret = -EBUSY;
	else
		vm->bsp_id = arg;
	mutex_unlock(&vm->lock);
	return ret;
}

static long vm_stats_fd(struct lodge_vm *vm, unsigned long arg)
{
	return lodge_stats_vm_fd(vm);
}

static int vm_set_name(struct lodge_vm *vm, void __user *arg)
{
	struct lodge_vm_name set;

	if (copy_from_user(&set, arg, sizeof(set)))
		return -EFAULT;
	if (!set.name[0] || strnlen(set.name, sizeof(set.name)) == sizeof(set.name))
		return -EINVAL;
	mutex_lock(&lodge_vms_lock);
	strscpy(vm->name, set.name, sizeof(vm->name));
	lodge_netlink_event(vm, LODGE_CMD_VM_NAMED_NTF);
	mutex_unlock(&lodge_vms_lock);
	return 0;
}

static long vm_reset_rings(struct lodge_vm *vm, unsigned long arg)
{
	return lodge_ring_reset(vm);
}

static long vm_balloon_hint(struct lodge_vm *vm, unsigned long arg)
{
	struct lodge_balloon_change c = { .what = LODGE_CHANGE_HINT };
	int ret = lodge_balloon_change(vm, &c);

	return ret == -ENXIO ? -ENOENT : ret;
}

/* Wraps a room's handler of a user pointer. */
#define VM_HANDLER(name, fn)						\
static long name(struct lodge_vm *vm, unsigned long arg)		\
{									\
	return fn(vm, (void __user *)arg);				\
}

VM_HANDLER(vm_set_region, lodge_mem_set_region)
VM_HANDLER(vm_get_dirty, lodge_mem_get_dirty)
VM_HANDLER(vm_clear_dirty, lodge_mem_clear_dirty)
VM_HANDLER(vm_get_clock, lodge_pv_get_clock)
VM_HANDLER(vm_set_clock, lodge_pv_set_clock)
VM_HANDLER(vm_enable_cap, lodge_cap_enable_vm)
VM_HANDLER(vm_msr_filter, lodge_msr_filter_set)
VM_HANDLER(vm_name, vm_set_name)
VM_HANDLER(vm_map, lodge_survey_ioctl)
VM_HANDLER(vm_balloon_set, lodge_balloon_set)
VM_HANDLER(vm_balloon_get, lodge_balloon_get)
VM_HANDLER(vm_balloon_report, lodge_balloon_report)

static const struct {
	unsigned int cmd;
	long (*fn)(struct lodge_vm *vm, unsigned long arg);
} vm_ioctls[] = {
	{ KVM_CREATE_VCPU,		vm_create_vcpu },
	{ KVM_SET_USER_MEMORY_REGION,	vm_set_region },
	{ KVM_GET_DIRTY_LOG,		vm_get_dirty },
	{ KVM_CLEAR_DIRTY_LOG,		vm_clear_dirty },
	{ KVM_RESET_DIRTY_RINGS,	vm_reset_rings },
	{ KVM_SET_NR_MMU_PAGES,		vm_set_mmu_pages },
	{ KVM_GET_NR_MMU_PAGES,		vm_get_mmu_pages },
	{ KVM_SET_TSS_ADDR,		vm_set_tss_addr },
	{ KVM_SET_IDENTITY_MAP_ADDR,	vm_set_identity_map },
	{ KVM_SET_BOOT_CPU_ID,		vm_set_boot_cpu },
	{ KVM_GET_CLOCK,		vm_get_clock },
	{ KVM_SET_CLOCK,		vm_set_clock },
	{ KVM_ENABLE_CAP,		vm_enable_cap },
	{ KVM_CHECK_EXTENSION,		vm_check_extension },
	{ KVM_GET_STATS_FD,		vm_stats_fd },
	{ KVM_X86_SET_MSR_FILTER,	vm_msr_filter },
	{ LODGE_VM_SET_NAME,		vm_name },
	{ LODGE_VM_MAP,			vm_map },
	{ LODGE_BALLOON_SET,		vm_balloon_set },
	{ LODGE_BALLOON_GET,		vm_balloon_get },
	{ LODGE_BALLOON_REPORT,		vm_balloon_report },
	{ LODGE_BALLOON_HINT,		vm_balloon_hint },
};

static long vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct lodge_vm *vm = file->private_data;
	int i;

	if (vm->mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;
	for (i = 0; i < ARRAY_SIZE(vm_ioctls); i++)
		if (vm_ioctls[i].cmd == cmd)
			return vm_ioctls[i].fn(vm, arg);
	return lodge_irq_vm_ioctl(vm, cmd, (void __user *)arg);
}

static int vm_release(struct inode *inode, struct file *file)
{
	struct lodge_vm *vm = file->private_data;

	lodge_irq_stop(vm);
	lodge_vm_put(vm);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = vm_ioctl,
	.llseek = noop_llseek,
};

static int vm_init(struct lodge_vm *vm)
{
	char comm[TASK_COMM_LEN];
	int ret;

	refcount_set(&vm->users, 1);
	mutex_init(&vm->lock);
	xa_init(&vm->vcpus);
	vm->id = atomic64_inc_return(&next_vm_id);
	vm->owner = current->tgid;
	vm->uid = current_uid();
	get_task_comm(comm, current->group_leader);
	strscpy(vm->name, comm, sizeof(vm->name));
	lodge_vm_tsc_init(vm);
	lodge_vm_pv_init(vm);

	ret = lodge_hw_get();
	if (ret)
		return ret;
	ret = init_srcu_struct(&vm->srcu);
	if (ret)
		goto err_hw;
	ret = lodge_npt_init(vm);
	if (ret)
		goto err_srcu;
	ret = lodge_irq_init(vm);
	if (ret)
		goto err_npt;
	/* Last: from here on the notifier can call. */
	ret = lodge_mem_init(vm);
	if (!ret)
		return 0;

	lodge_irq_destroy(vm);
err_npt:
	lodge_npt_destroy(vm);
err_srcu:
	cleanup_srcu_struct(&vm->srcu);
err_hw:
	lodge_hw_put();
	return ret;
}

/**
 * lodge_vm_create - KVM_CREATE_VM
 * @type: machine type; x86 knows only 0
 *
 * Return: the VM's descriptor; -EINVAL for a type, -EBUSY if another
 * hypervisor holds the hardware, -ENOMEM, -EMFILE.
 */
int lodge_vm_create(unsigned long type)
{
	struct lodge_vm *vm;
	struct file *file;
	int ret, fd;

	if (type)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	ret = -ENOMEM;
	vm = kvzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		goto err_fd;
	mmgrab(current->mm);
	vm->mm = current->mm;
	ret = vm_init(vm);
	if (ret)
		goto err_free;
	mutex_lock(&lodge_vms_lock);
	ret = xa_insert(&lodge_vms, vm->id, vm, GFP_KERNEL_ACCOUNT);
	if (!ret)
		lodge_netlink_event(vm, LODGE_CMD_VM_CREATED_NTF);
	mutex_unlock(&lodge_vms_lock);
	atomic_inc(&lodge_nr_vms);

	file = ret ? ERR_PTR(ret) :
		     anon_inode_getfile("lodge-vm", &vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		lodge_vm_put(vm);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;

err_free:
	mmdrop(vm->mm);
	kvfree(vm);
err_fd:
	put_unused_fd(fd);
	return ret;
}
