// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Statistics
 *
 * KVM's binary statistics: a file for a VM or a vCPU that holds a header, a name,
 * a descriptor for each counter, and the counters, and can be read at any
 * offset (Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD). The file holds the
 * VM: it stays readable after the descriptors it came from are closed, and so
 * does what it tells.
 *
 * Counters are plain words that their owner's thread increments; a reader may
 * see one a moment old.
 *
 * How many VMs and vCPUs there are at all is in the module's parameters vms
 * and vcpus.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "lodge.h"

/* KVM's length of a counter's name. */
#define NAME_SIZE	48

/*
 * struct kvm_stats_desc with its name: for the kernel it ends in no array on
 * 6.1 and in one of 48 on 6.12, for user space in one without a length.
 */
struct desc {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[NAME_SIZE];
};

#define DESC(type, member, kind) {					\
	.flags = KVM_STATS_TYPE_##kind | KVM_STATS_UNIT_NONE |		\
		 KVM_STATS_BASE_POW10,					\
	.size = 1,							\
	.offset = offsetof(type, member),				\
	.name = #member,						\
}

#define COUNT(member)	DESC(struct lodge_vcpu_stats, member, CUMULATIVE)
#define VM_NOW(member)	DESC(struct lodge_vm_stats, member, INSTANT)

static const struct desc vcpu_descs[] = {
	COUNT(exits), COUNT(slow_exits), COUNT(user_exits),
	COUNT(io_exits), COUNT(mmio_exits), COUNT(npf_exits), COUNT(npf_fixed),
	COUNT(irq_exits), COUNT(irq_window), COUNT(nmi_window),
	COUNT(halt_exits), COUNT(halt_wakeup), COUNT(request_irq_exits),
	COUNT(signal_exits), COUNT(irq_injections), COUNT(nmi_injections),
	COUNT(exception_injections), COUNT(cpuid_exits), COUNT(msr_exits),
	COUNT(cr_exits), COUNT(dr_exits), COUNT(hypercalls), COUNT(emulations),
	COUNT(emulation_failures), COUNT(tlb_flush), COUNT(pause_exits),
	COUNT(preemptions),
};

static const struct desc vm_descs[] = {
	VM_NOW(nested_tables), VM_NOW(pages_4k), VM_NOW(pages_2m), VM_NOW(pages_1g),
};

static_assert(ARRAY_SIZE(vcpu_descs) == sizeof(struct lodge_vcpu_stats) / sizeof(u64));
static_assert(ARRAY_SIZE(vm_descs) == sizeof(struct lodge_vm_stats) / sizeof(u64));
static_assert(offsetof(struct desc, offset) == offsetof(struct kvm_stats_desc, offset));
static_assert(offsetof(struct desc, name) == offsetof(struct kvm_stats_desc, name));

atomic_t lodge_nr_vms;
atomic_t lodge_nr_vcpus;

static int get_atomic(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%d\n", atomic_read(kp->arg));
}

static const struct kernel_param_ops atomic_ops = { .get = get_atomic };

module_param_cb(vms, &atomic_ops, &lodge_nr_vms, 0444);
MODULE_PARM_DESC(vms, "number of virtual machines (read only)");
module_param_cb(vcpus, &atomic_ops, &lodge_nr_vcpus, 0444);
MODULE_PARM_DESC(vcpus, "number of virtual CPUs (read only)");

/* What a file shows: the VM that it holds, or one of its vCPUs. */
struct stats_file {
	struct lodge_vm *vm;
	struct lodge_vcpu *vcpu;
	char id[NAME_SIZE];
};

/* Copies what of [start, start + len) of the file is asked for. */
static int copy_part(char __user **to, size_t *left, loff_t *pos, loff_t start,
		     const void *from, size_t len)
{
	size_t skip = *pos - start, n;

	if (*pos < start || skip >= len)
		return 0;
	n = min(len - skip, *left);
	if (copy_to_user(*to, from + skip, n))
		return -EFAULT;
	*to += n;
	*left -= n;
	*pos += n;
	return 0;
}

static ssize_t stats_copy(const struct stats_file *sf, const struct desc *descs,
			  size_t nr, const void *data, char __user *buf,
			  size_t size, loff_t *pos)
{
	struct kvm_stats_header header = {
		.name_size = NAME_SIZE,
		.num_desc = nr,
		.id_offset = sizeof(header),
		.desc_offset = sizeof(header) + NAME_SIZE,
		.data_offset = sizeof(header) + NAME_SIZE + nr * sizeof(*descs),
	};
	size_t left = size;
	int ret;

	if (*pos < 0)
		return -EINVAL;
	ret = copy_part(&buf, &left, pos, 0, &header, sizeof(header)) ?:
	      copy_part(&buf, &left, pos, header.id_offset, sf->id, NAME_SIZE) ?:
	      copy_part(&buf, &left, pos, header.desc_offset, descs,
			nr * sizeof(*descs)) ?:
	      copy_part(&buf, &left, pos, header.data_offset, data,
			nr * sizeof(u64));
	return ret ?: size - left;
}

static ssize_t vcpu_stats_read(struct file *file, char __user *buf, size_t size,
			       loff_t *pos)
{
	struct stats_file *sf = file->private_data;

	return stats_copy(sf, vcpu_descs, ARRAY_SIZE(vcpu_descs),
			  &sf->vcpu->stats, buf, size, pos);
}

static struct lodge_vm_stats vm_stats(const struct lodge_npt *npt)
{
	return (struct lodge_vm_stats) {
		.nested_tables = atomic64_read(&npt->tables),
		.pages_4k = atomic64_read(&npt->pages[1]),
		.pages_2m = atomic64_read(&npt->pages[2]),
		.pages_1g = atomic64_read(&npt->pages[3]),
	};
}

/**
 * lodge_stats_at - one counter of a VM or a vCPU
 * @vm: the VM
 * @vcpu: one of its vCPUs, or NULL for the VM's own counters
 * @i: 0, 1, 2 ... in the order of the statistics file
 * @stat: what it is
 *
 * Context: any.
 * Return: false if there is no such counter.
 */
bool lodge_stats_at(const struct lodge_vm *vm, const struct lodge_vcpu *vcpu,
		    unsigned int i, struct lodge_stat *stat)
{
	const struct desc *desc = vcpu ? vcpu_descs + i : vm_descs + i;
	struct lodge_vm_stats now;
	const void *data = &now;

	if (i >= (vcpu ? ARRAY_SIZE(vcpu_descs) : ARRAY_SIZE(vm_descs)))
		return false;
	if (vcpu)
		data = &vcpu->stats;
	else
		now = vm_stats(&vm->npt);
	*stat = (struct lodge_stat) {
		.name = desc->name,
		.value = READ_ONCE(*(const u64 *)(data + desc->offset)),
		.instant = (desc->flags & KVM_STATS_TYPE_MASK) ==
			   KVM_STATS_TYPE_INSTANT,
	};
	return true;
}

static ssize_t vm_stats_read(struct file *file, char __user *buf, size_t size,
			     loff_t *pos)
{
	struct stats_file *sf = file->private_data;
	struct lodge_vm_stats stats = vm_stats(&sf->vm->npt);

	return stats_copy(sf, vm_descs, ARRAY_SIZE(vm_descs), &stats, buf, size,
			  pos);
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_file *sf = file->private_data;

	lodge_vm_put(sf->vm);
	kfree(sf);
	return 0;
}

static const struct file_operations vcpu_stats_fops = {
	.owner = THIS_MODULE,
	.read = vcpu_stats_read,
	.release = stats_release,
	.llseek = noop_llseek,
};

static const struct file_operations vm_stats_fops = {
	.owner = THIS_MODULE,
	.read = vm_stats_read,
	.release = stats_release,
	.llseek = noop_llseek,
};

static long stats_fd(struct lodge_vm *vm, struct lodge_vcpu *vcpu)
{
	struct stats_file *sf;
	struct file *file;
	int fd;

	sf = kzalloc(sizeof(*sf), GFP_KERNEL_ACCOUNT);
	if (!sf)
		return -ENOMEM;
	sf->vm = vm;
	sf->vcpu = vcpu;
	/* Readers expect KVM's form: the process, and the vCPU's id. */
	if (vcpu)
		snprintf(sf->id, sizeof(sf->id), "kvm-%d/vcpu-%u", vm->owner,
			 vcpu->id);
	else
		snprintf(sf->id, sizeof(sf->id), "kvm-%d", vm->owner);

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		kfree(sf);
		return fd;
	}
	file = anon_inode_getfile(vcpu ? "lodge-vcpu-stats" : "lodge-vm-stats",
				  vcpu ? &vcpu_stats_fops : &vm_stats_fops, sf,
				  O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		kfree(sf);
		return PTR_ERR(file);
	}
	/* pread: the counters are read again and again. */
	file->f_mode |= FMODE_PREAD;
	lodge_vm_get(vm);
	fd_install(fd, file);
	return fd;
}

/**
 * lodge_stats_vm_fd - KVM_GET_STATS_FD on a VM
 * @vm: the VM
 *
 * Return: a descriptor, -EMFILE or -ENOMEM.
 */
long lodge_stats_vm_fd(struct lodge_vm *vm)
{
	return stats_fd(vm, NULL);
}

/**
 * lodge_stats_vcpu_fd - KVM_GET_STATS_FD on a vCPU
 * @vcpu: the vCPU
 *
 * Return: a descriptor, -EMFILE or -ENOMEM.
 */
long lodge_stats_vcpu_fd(struct lodge_vcpu *vcpu)
{
	return stats_fd(vcpu->vm, vcpu);
}
