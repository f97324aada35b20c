// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: A virtual CPU
 *
 * A vCPU is run by a thread of its launcher through KVM_RUN (run.c) and is
 * otherwise a bag of state that ioctls read and write; vcpu->lock lets one
 * ioctl in at a time. It holds a reference on its VM and dies with it, not
 * with its descriptor: others may find it by the VM at any time.
 *
 * While an ioctl works on it, a vCPU is *loaded*: its context sits on the
 * CPU that the thread runs on, and a preempt notifier takes it away and
 * brings it back as the thread is scheduled.
 */
#include <linux/gfp.h>
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/nospec-branch.h>

#include "backend.h"
#include "emulate/glue.h"
#include "event.h"
#include "msr.h"
#include "regs.h"
#include "run.h"
#include "trace.h"

/* kvm_run and the page of port data; the coalesced ring is the VM's. */
#define OWN_PAGES	LODGE_COALESCED_PAGE

/* Who was here before: what it taught the branch predictors is not for others. */
static DEFINE_PER_CPU(struct lodge_vcpu *, last);

/* Preemption is off: the vCPU's context comes to this CPU. */
static void come(struct lodge_vcpu *vcpu, int cpu)
{
	bool moved = vcpu->last_cpu != cpu;

	vcpu->cpu = cpu;
	vcpu->last_cpu = cpu;
	lodge_tsc_sched_in(vcpu);
	lodge_backend->load(vcpu, cpu);
	if (this_cpu_read(last) != vcpu) {
		this_cpu_write(last, vcpu);
		indirect_branch_prediction_barrier();
	}
	lodge_pv_sched_in(vcpu);
	if (moved && vcpu->apic)
		lodge_lapic_migrate(vcpu);
}

static void sched_in(struct preempt_notifier *pn, int cpu)
{
	come(container_of(pn, struct lodge_vcpu, notifier), cpu);
}

/* And leaves it. */
static void go(struct lodge_vcpu *vcpu)
{
	lodge_backend->put(vcpu);
	/* The counter may be back at zero when it comes again: after a suspend. */
	vcpu->tsc.last_host = rdtsc();
	vcpu->cpu = -1;
}

static void sched_out(struct preempt_notifier *pn, struct task_struct *next)
{
	struct lodge_vcpu *vcpu = container_of(pn, struct lodge_vcpu, notifier);

	lodge_pv_sched_out(vcpu);
	go(vcpu);
	vcpu->stats.preemptions++;
}

static struct preempt_ops vcpu_preempt_ops = {
	.sched_in = sched_in,
	.sched_out = sched_out,
};

void lodge_vcpu_load(struct lodge_vcpu *vcpu)
{
	int cpu = get_cpu();

	preempt_notifier_register(&vcpu->notifier);
	come(vcpu, cpu);
	put_cpu();
}

void lodge_vcpu_put(struct lodge_vcpu *vcpu)
{
	preempt_disable();
	preempt_notifier_unregister(&vcpu->notifier);
	go(vcpu);
	preempt_enable();
}

/**
 * lodge_vcpu_reset - the state after RESET or INIT
 * @vcpu: the vCPU, loaded or not yet seen by others
 * @init: INIT: what it leaves alone stays (SDM vol. 3A 9.1.1, table 9-1)
 */
void lodge_vcpu_reset(struct lodge_vcpu *vcpu, bool init)
{
	struct lodge_events *ev = &vcpu->events;

	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	/* Family, model and stepping as CPUID 1 gives them. */
	vcpu->regs[LODGE_RDX] = lodge_cpuid_signature(vcpu);
	vcpu->rip = 0xfff0;
	lodge_rflags_set(vcpu, 0);
	vcpu->cr2 = 0;
	memset(vcpu->dr, 0, sizeof(vcpu->dr));
	vcpu->dr6 = LODGE_DR6_FIXED;
	vcpu->dr7 = LODGE_DR7_FIXED;
	ev->exception = (struct lodge_exception){ };
	ev->irq.injected = false;
	ev->nmi.pending = 0;
	ev->nmi.injected = false;
	atomic_set(&ev->nmi_queued, 0);

	lodge_lapic_reset(vcpu, init);
	lodge_backend->vcpu_reset(vcpu, init);
	lodge_backend->set_nmi_masked(vcpu, false);
	lodge_backend->set_int_shadow(vcpu, 0);
	lodge_backend->dr_set(vcpu);
	lodge_xstate_reset(vcpu, init);
	/* After INIT too: another kernel's memory must not be written. */
	lodge_pv_reset(vcpu);
	if (!init) {
		lodge_msr_reset(vcpu);
		vcpu->cr8 = 0;
	}
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
}

void lodge_vcpu_free(struct lodge_vcpu *vcpu)
{
	int cpu;

	/* The next at this address must not pass for this one. */
	for_each_possible_cpu(cpu)
		cmpxchg(&per_cpu(last, cpu), vcpu, NULL);
	lodge_lapic_free(vcpu);
	lodge_backend->vcpu_free(vcpu);
	lodge_xstate_free(vcpu);
	lodge_cpuid_free(vcpu);
	lodge_msr_free(vcpu);
	lodge_ring_free(vcpu);
	lodge_mmu_cache_free(&vcpu->mmu_cache);
	put_pid(rcu_dereference_protected(vcpu->pid, 1));
	free_pages_exact(vcpu->run, OWN_PAGES * PAGE_SIZE);
	atomic_dec(&lodge_nr_vcpus);
	kfree(vcpu);
}

static int vcpu_init(struct lodge_vcpu *vcpu)
{
	int ret;

	mutex_init(&vcpu->lock);
	rcuwait_init(&vcpu->wait);
	vcpu->cpu = -1;
	vcpu->last_cpu = -1;
	vcpu->mode = LODGE_OUTSIDE;
	preempt_notifier_init(&vcpu->notifier, &vcpu_preempt_ops);

	vcpu->run = alloc_pages_exact(OWN_PAGES * PAGE_SIZE,
				      GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vcpu->run)
		return -ENOMEM;
	ret = lodge_ring_alloc(vcpu);
	if (ret)
		goto err_run;
	ret = lodge_xstate_alloc(vcpu);
	if (ret)
		goto err_ring;
	ret = lodge_msr_alloc(vcpu);
	if (ret)
		goto err_xstate;
	lodge_glue_init(vcpu);
	ret = lodge_backend->vcpu_init(vcpu);
	if (ret)
		goto err_msr;
	ret = lodge_cpuid_default(vcpu);
	if (ret)
		goto err_backend;
	lodge_tsc_init(vcpu);
	if (vcpu->vm->irq.in_kernel) {
		ret = lodge_lapic_create(vcpu);
		if (ret)
			goto err_cpuid;
	}
	lodge_vcpu_load(vcpu);
	lodge_vcpu_reset(vcpu, false);
	lodge_vcpu_put(vcpu);
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	if (vcpu->apic && vcpu->id != vcpu->vm->bsp_id)
		vcpu->mp_state = KVM_MP_STATE_UNINITIALIZED;
	atomic_inc(&lodge_nr_vcpus);
	return 0;

err_cpuid:
	lodge_cpuid_free(vcpu);
err_backend:
	lodge_backend->vcpu_free(vcpu);
err_msr:
	lodge_msr_free(vcpu);
err_xstate:
	lodge_xstate_free(vcpu);
err_ring:
	lodge_ring_free(vcpu);
err_run:
	free_pages_exact(vcpu->run, OWN_PAGES * PAGE_SIZE);
	return ret;
}

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct lodge_vcpu *vcpu = vmf->vma->vm_file->private_data;
	struct page *page;

	if (vmf->pgoff < OWN_PAGES)
		page = virt_to_page((void *)vcpu->run + (vmf->pgoff << PAGE_SHIFT));
	else if (vmf->pgoff == LODGE_COALESCED_PAGE)
		page = virt_to_page(vcpu->vm->irq.ring);
	else if (vmf->pgoff >= KVM_DIRTY_LOG_PAGE_OFFSET)
		page = lodge_ring_page(vcpu, vmf->pgoff - KVM_DIRTY_LOG_PAGE_OFFSET);
	else
		page = NULL;
	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = { .fault = vcpu_fault };

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct lodge_vcpu *vcpu = file->private_data;

	/* A copy of a ring is none. */
	if (vcpu->ring.size && vma->vm_pgoff + vma_pages(vma) > KVM_DIRTY_LOG_PAGE_OFFSET &&
	    (vma->vm_flags & (VM_SHARED | VM_EXEC)) != VM_SHARED)
		return -EINVAL;
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct lodge_vcpu *vcpu = file->private_data;

	lodge_vm_put(vcpu->vm);
	return 0;
}

static long vcpu_stats_fd(struct lodge_vcpu *vcpu, void __user *arg)
{
	return lodge_stats_vcpu_fd(vcpu);
}

static long vcpu_tsc_set_khz(struct lodge_vcpu *vcpu, void __user *arg)
{
	return lodge_tsc_set_khz(vcpu, (unsigned long)arg);
}

static long vcpu_tsc_get_khz(struct lodge_vcpu *vcpu, void __user *arg)
{
	return lodge_tsc_get_khz(vcpu);
}

static long vcpu_kvmclock_ctrl(struct lodge_vcpu *vcpu, void __user *arg)
{
	return lodge_pv_kvmclock_ctrl(vcpu);
}

/* Wraps a room's handler of a typed user pointer. */
#define VCPU_HANDLER(fn, type)						\
static long vcpu_##fn(struct lodge_vcpu *vcpu, void __user *arg)	\
{									\
	return lodge_##fn(vcpu, (type __user *)arg);			\
}

VCPU_HANDLER(cpuid_set, struct kvm_cpuid)
VCPU_HANDLER(cpuid_set2, struct kvm_cpuid2)
VCPU_HANDLER(cpuid_get2, struct kvm_cpuid2)
VCPU_HANDLER(msr_get_many, struct kvm_msrs)
VCPU_HANDLER(msr_set_many, struct kvm_msrs)
VCPU_HANDLER(xstate_get_fpu, struct kvm_fpu)
VCPU_HANDLER(xstate_set_fpu, struct kvm_fpu)
VCPU_HANDLER(xstate_get_xsave, struct kvm_xsave)
VCPU_HANDLER(xstate_get_xsave2, struct kvm_xsave)
VCPU_HANDLER(xstate_set_xsave, struct kvm_xsave)
VCPU_HANDLER(xstate_get_xcrs, struct kvm_xcrs)
VCPU_HANDLER(xstate_set_xcrs, struct kvm_xcrs)

static const struct {
	unsigned int cmd;
	long (*fn)(struct lodge_vcpu *vcpu, void __user *arg);
} vcpu_ioctls[] = {
	{ KVM_GET_REGS,		lodge_regs_get },
	{ KVM_SET_REGS,		lodge_regs_set },
	{ KVM_GET_SREGS,	lodge_sregs_get },
	{ KVM_SET_SREGS,	lodge_sregs_set },
	{ KVM_GET_SREGS2,	lodge_sregs2_get },
	{ KVM_SET_SREGS2,	lodge_sregs2_set },
	{ KVM_GET_MSRS,		vcpu_msr_get_many },
	{ KVM_SET_MSRS,		vcpu_msr_set_many },
	{ KVM_SET_CPUID,	vcpu_cpuid_set },
	{ KVM_SET_CPUID2,	vcpu_cpuid_set2 },
	{ KVM_GET_CPUID2,	vcpu_cpuid_get2 },
	{ KVM_GET_FPU,		vcpu_xstate_get_fpu },
	{ KVM_SET_FPU,		vcpu_xstate_set_fpu },
	{ KVM_GET_XSAVE,	vcpu_xstate_get_xsave },
	{ KVM_GET_XSAVE2,	vcpu_xstate_get_xsave2 },
	{ KVM_SET_XSAVE,	vcpu_xstate_set_xsave },
	{ KVM_GET_XCRS,		vcpu_xstate_get_xcrs },
	{ KVM_SET_XCRS,		vcpu_xstate_set_xcrs },
	{ KVM_GET_DEBUGREGS,	lodge_debugregs_get },
	{ KVM_SET_DEBUGREGS,	lodge_debugregs_set },
	{ KVM_GET_VCPU_EVENTS,	lodge_events_get },
	{ KVM_SET_VCPU_EVENTS,	lodge_events_set },
	{ KVM_GET_MP_STATE,	lodge_mp_state_get },
	{ KVM_SET_MP_STATE,	lodge_mp_state_set },
	{ KVM_SET_SIGNAL_MASK,	lodge_sigmask_set },
	{ KVM_INTERRUPT,	lodge_interrupt },
	{ KVM_NMI,		lodge_nmi },
	{ KVM_SET_GUEST_DEBUG,	lodge_guest_debug_set },
	{ KVM_TRANSLATE,	lodge_translate },
	{ KVM_SET_TSC_KHZ,	vcpu_tsc_set_khz },
	{ KVM_GET_TSC_KHZ,	vcpu_tsc_get_khz },
	{ KVM_KVMCLOCK_CTRL,	vcpu_kvmclock_ctrl },
	{ KVM_GET_STATS_FD,	vcpu_stats_fd },
	{ KVM_X86_SETUP_MCE,	lodge_mce_setup },
	{ KVM_X86_SET_MCE,	lodge_mce_set },
	{ KVM_ENABLE_CAP,	lodge_pv_enable_cap },
	{ KVM_HAS_DEVICE_ATTR,	lodge_tsc_has_attr },
	{ KVM_GET_DEVICE_ATTR,	lodge_tsc_get_attr },
	{ KVM_SET_DEVICE_ATTR,	lodge_tsc_set_attr },
};

static long vcpu_dispatch(struct lodge_vcpu *vcpu, unsigned int cmd,
			  void __user *arg)
{
	long ret;
	int i;

	for (i = 0; i < ARRAY_SIZE(vcpu_ioctls); i++)
		if (vcpu_ioctls[i].cmd == cmd)
			return vcpu_ioctls[i].fn(vcpu, arg);
	ret = lodge_irq_vcpu_ioctl(vcpu, cmd, arg);
	return ret == -ENOTTY ? -EINVAL : ret;
}

static long vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct lodge_vcpu *vcpu = file->private_data;
	struct lodge_vm *vm = vcpu->vm;
	void __user *uarg = (void __user *)arg;
	long ret;

	if (vm->mm != current->mm || READ_ONCE(vm->dead))
		return -EIO;
	if (_IOC_TYPE(cmd) != KVMIO)
		return -EINVAL;
	if (mutex_lock_killable(&vcpu->lock))
		return -EINTR;
	if (cmd == KVM_RUN) {
		ret = arg ? -EINVAL : lodge_vcpu_run(vcpu);
		trace_lodge_user_exit(vcpu, READ_ONCE(vcpu->run->exit_reason),
				      ret);
	} else {
		lodge_vcpu_load(vcpu);
		vcpu->srcu_idx = srcu_read_lock(&vm->srcu);
		ret = vcpu_dispatch(vcpu, cmd, uarg);
		lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
		srcu_read_unlock(&vm->srcu, vcpu->srcu_idx);
		lodge_vcpu_put(vcpu);
	}
	mutex_unlock(&vcpu->lock);
	return ret;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = vcpu_ioctl,
	.mmap = vcpu_mmap,
	.llseek = noop_llseek,
};

/* Counts the new one in, so that what must precede all vCPUs is refused. */
static int vcpu_claim(struct lodge_vm *vm, u32 id)
{
	int ret = 0;

	mutex_lock(&vm->lock);
	if (!vm->max_vcpu_id)
		vm->max_vcpu_id = LODGE_MAX_VCPU_ID;
	if (lodge_vm_vcpus(vm) >= LODGE_MAX_VCPUS ||
	    id >= vm->max_vcpu_id)
		ret = -EINVAL;
	else if (test_and_set_bit(id, vm->vcpu_ids))
		ret = -EEXIST;
	else
		vm->nr_creating++;
	mutex_unlock(&vm->lock);
	return ret;
}

/*
 * Under vm->lock: the vCPU becomes visible to those who flush and kick all of
 * them, and only then gets a descriptor, with which it could be run.
 */
static int vcpu_publish(struct lodge_vm *vm, struct lodge_vcpu *vcpu)
{
	int fd = get_unused_fd_flags(O_CLOEXEC), ret;
	struct file *file;
	char name[32];

	if (fd < 0)
		return fd;
	vcpu->index = vm->nr_vcpus;
	ret = xa_reserve(&vm->vcpus, vcpu->index, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_fd;
	snprintf(name, sizeof(name), "lodge-vcpu:%u", vcpu->id);
	file = anon_inode_getfile(name, &vcpu_fops, vcpu, O_RDWR);
	ret = PTR_ERR_OR_ZERO(file);
	if (ret)
		goto err_index;
	lodge_vm_get(vm);
	/* Who has set another filter since its bitmap was made has asked those that he saw. */
	lodge_vcpu_request(vcpu, LODGE_REQ_MSR_FILTER);
	/* First, so that who finds the vCPU by its index finds it among all. */
	WRITE_ONCE(vm->nr_vcpus, vm->nr_vcpus + 1);
	WARN_ON_ONCE(xa_err(xa_store(&vm->vcpus, vcpu->index, vcpu, GFP_KERNEL)));
	fd_install(fd, file);
	return fd;

err_index:
	xa_release(&vm->vcpus, vcpu->index);
err_fd:
	put_unused_fd(fd);
	return ret;
}

/**
 * lodge_vcpu_create - KVM_CREATE_VCPU
 * @vm: the VM
 * @id: below LODGE_MAX_VCPU_ID; also the initial APIC id
 *
 * Return: a descriptor; -EINVAL for an id out of range or one vCPU too many,
 * -EEXIST for a taken id, -ENOMEM, -EMFILE.
 */
int lodge_vcpu_create(struct lodge_vm *vm, unsigned long id)
{
	struct lodge_vcpu *vcpu;
	int ret;

	if (id >= LODGE_MAX_VCPU_ID)
		return -EINVAL;
	ret = vcpu_claim(vm, id);
	if (ret)
		return ret;
	ret = -ENOMEM;
	vcpu = kzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		goto out;
	vcpu->vm = vm;
	vcpu->id = id;
	ret = vcpu_init(vcpu);
	if (ret) {
		kfree(vcpu);
		goto out;
	}
	mutex_lock(&vm->lock);
	ret = vcpu_publish(vm, vcpu);
	mutex_unlock(&vm->lock);
	if (ret < 0)
		lodge_vcpu_free(vcpu);
out:
	mutex_lock(&vm->lock);
	vm->nr_creating--;
	if (ret < 0)
		clear_bit(id, vm->vcpu_ids);
	mutex_unlock(&vm->lock);
	return ret;
}
