// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: Load, unload and the device node
 *
 * Loading finds out which vendor's hardware is there and registers the device
 * node; it takes nothing. The hardware is taken with the first VM (hw.c). The
 * node answers the KVM API's system ioctls, KVM_CREATE_VM above all, which
 * gives a VM's descriptor (vm.c), which gives vCPUs' descriptors (vcpu.c).
 *
 * The node is /dev/lodge; the parameter node= names it otherwise. node=kvm
 * takes KVM's own minor number, so that of lodge and KVM who comes second
 * gets EBUSY.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/preempt.h>

#include "backend.h"
#include "caps.h"
#include "hw.h"
#include "ksm/ksm.h"
#include "mem/pool.h"
#include "mem/swap.h"
#include "msr.h"
#include "netlink.h"
#include "tune.h"

static char *node = "lodge";
module_param(node, charp, 0444);
MODULE_PARM_DESC(node, "name of the device node below /dev; kvm takes KVM's place");

const struct lodge_backend *lodge_backend;
struct lodge_hw_caps lodge_caps;

DEFINE_STATIC_CALL_NULL(lodge_run, *((struct lodge_backend *)0)->run);
DEFINE_STATIC_CALL_NULL(lodge_next_rip, *((struct lodge_backend *)0)->next_rip);

static long system_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case KVM_GET_API_VERSION:
		return arg ? -EINVAL : LODGE_VMM_ABI;
	case KVM_CREATE_VM:
		return lodge_vm_create(arg);
	case KVM_CHECK_EXTENSION:
		return lodge_cap_check(NULL, arg);
	case KVM_GET_VCPU_MMAP_SIZE:
		return arg ? -EINVAL : LODGE_VCPU_PAGES * PAGE_SIZE;
	case KVM_GET_SUPPORTED_CPUID:
	case KVM_GET_EMULATED_CPUID:
		return lodge_cpuid_get_supported(uarg,
						 cmd == KVM_GET_EMULATED_CPUID);
	case KVM_GET_MSR_INDEX_LIST:
	case KVM_GET_MSR_FEATURE_INDEX_LIST:
		return lodge_msr_get_list(uarg,
					  cmd == KVM_GET_MSR_FEATURE_INDEX_LIST);
	case KVM_GET_MSRS:
		return lodge_msr_get_feature_msrs(uarg);
	case KVM_X86_GET_MCE_CAP_SUPPORTED:
		return lodge_mce_get_supported(uarg);
	case LODGE_GET_VERSION:
		return arg ? -EINVAL : LODGE_ABI_VERSION;
	case LODGE_CREATE_MEMORY:
		return lodge_object_create(uarg);
	case LODGE_SWAP_SET:
	case LODGE_SWAP_INFO:
		return lodge_swap_ioctl(cmd, uarg);
	case LODGE_POLICY_GET:
	case LODGE_POLICY_SET:
		return lodge_policy_ioctl(cmd, uarg);
	default:
		return -EINVAL;
	}
}

static const struct file_operations system_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = system_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice lodge_misc = {
	.fops = &system_fops,
};

/* The first vendor whose hardware is there. */
static int __init choose_backend(void)
{
	static const struct lodge_backend * const backends[] = {
		&svm_backend, &vmx_backend,
	};
	int i, ret = -ENODEV;

	/* ENODEV: the other vendor's CPU, of which there is nothing to be said. */
	for (i = 0; i < ARRAY_SIZE(backends) && ret == -ENODEV; i++) {
		lodge_backend = backends[i];
		ret = lodge_backend->probe(&lodge_caps);
	}
	if (ret == -ENODEV) {
		pr_err("this CPU has neither AMD-V nor VT-x, or the firmware has disabled it\n");
		ret = -EOPNOTSUPP;
	}
	if (ret)
		return ret;
	static_call_update(lodge_run, lodge_backend->run);
	static_call_update(lodge_next_rip, lodge_backend->next_rip);
	return 0;
}

static int __init lodge_init(void)
{
	int ret;

	ret = choose_backend();
	if (ret)
		return ret;
	ret = lodge_backend->init();
	if (ret)
		return ret;
	ret = lodge_xstate_init();
	if (ret)
		goto err_backend;
	ret = lodge_cpuid_init();
	if (ret)
		goto err_backend;
	ret = lodge_msr_init();
	if (ret)
		goto err_backend;
	ret = lodge_pv_init();
	if (ret)
		goto err_backend;
	ret = lodge_ksm_init();
	if (ret)
		goto err_pv;
	ret = lodge_reclaim_init();
	if (ret)
		goto err_ksm;
	ret = lodgefs_init();
	if (ret)
		goto err_reclaim;
	ret = lodge_hw_init();
	if (ret)
		goto err_fs;
	ret = lodge_netlink_init();
	if (ret)
		goto err_hw;
	/* Flipping this static key later, with VMs running, would cost more. */
	preempt_notifier_inc();

	lodge_misc.name = node;
	lodge_misc.minor = strcmp(node, "kvm") ? MISC_DYNAMIC_MINOR : KVM_MINOR;
	ret = misc_register(&lodge_misc);
	if (ret) {
		pr_err("/dev/%s: already there, is another hypervisor loaded?\n",
		       node);
		goto err_netlink;
	}
	pr_info("%s, node /dev/%s\n", lodge_backend->name, node);
	return 0;

err_netlink:
	preempt_notifier_dec();
	lodge_netlink_exit();
err_hw:
	lodge_hw_exit();
err_fs:
	lodgefs_exit();
err_reclaim:
	lodge_reclaim_exit();
err_ksm:
	lodge_ksm_exit();
err_pv:
	lodge_pv_exit();
err_backend:
	lodge_backend->exit();
	return ret;
}
module_init(lodge_init);

static void __exit lodge_exit(void)
{
	misc_deregister(&lodge_misc);
	preempt_notifier_dec();
	lodge_netlink_exit();
	/* Nobody sets its parameters any more. */
	lodge_balloon_exit();
	lodge_hw_exit();
	lodgefs_exit();
	lodge_reclaim_exit();
	lodge_ksm_exit();
	lodge_pv_exit();
	lodge_backend->exit();
	/* Objects freed by RCU callbacks of this module's code. */
	rcu_barrier();
}
module_exit(lodge_exit);

MODULE_DESCRIPTION("A small hypervisor that speaks the KVM API");
MODULE_LICENSE("GPL");
/* For guests' memory, compressed: mem/pool.c. */
MODULE_SOFTDEP("pre: zsmalloc lz4");
