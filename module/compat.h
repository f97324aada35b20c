/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the kernels that lodge builds for: 6.1 and 6.12. */
#ifndef LODGE_COMPAT_H
#define LODGE_COMPAT_H

#include <linux/version.h>

#ifndef __ASSEMBLY__
#include <linux/eventfd.h>
#include <linux/list.h>
#include <linux/syscore_ops.h>
#include <asm/cpufeature.h>
#include <asm/irq_vectors.h>
#include <asm/msr.h>

/* 6.8: an eventfd is signalled once at a time. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define lodge_eventfd_signal(ctx)	((void)eventfd_signal(ctx, 1))
#else
#define lodge_eventfd_signal(ctx)	eventfd_signal(ctx)
#endif

/* Suspend and resume of the last CPU: one object, given to both helpers. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define LODGE_SYSCORE(name, suspend_fn, resume_fn)			\
	static int name##_suspend(void *data) { return suspend_fn(); }	\
	static void name##_resume(void *data) { resume_fn(); }		\
	static const struct syscore_ops name##_ops = {			\
		.suspend = name##_suspend, .resume = name##_resume };	\
	static struct syscore name = { .ops = &name##_ops }
#define lodge_syscore_register(s)	register_syscore(s)
#define lodge_syscore_unregister(s)	unregister_syscore(s)
#else
#define LODGE_SYSCORE(name, suspend_fn, resume_fn)			\
	static struct syscore_ops name = {				\
		.suspend = suspend_fn, .resume = resume_fn }
#define lodge_syscore_register(s)	register_syscore_ops(s)
#define lodge_syscore_unregister(s)	unregister_syscore_ops(s)
#endif

/* At a crash: up to 6.1 the kernel itself clears SVM, and asks for VMX only. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <asm/reboot.h>
#define lodge_emergency_register(fn)	cpu_emergency_register_virt_callback(fn)
#define lodge_emergency_unregister(fn)	cpu_emergency_unregister_virt_callback(fn)
#else
#include <asm/reboot.h>
#define lodge_emergency_register(fn) \
	(boot_cpu_has(X86_FEATURE_VMX) ? cpu_emergency_register_virt_callback(fn) : (void)0)
#define lodge_emergency_unregister(fn) \
	(boot_cpu_has(X86_FEATURE_VMX) ? cpu_emergency_unregister_virt_callback(fn) : (void)0)
#endif

/* SRSO, "Reduced Speculation": a bit that stands while there are guests. */
#ifdef X86_FEATURE_SRSO_BP_SPEC_REDUCE
static inline void lodge_spec_reduce(bool on)
{
	const u8 bit = MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT;

	if (cpu_feature_enabled(X86_FEATURE_SRSO_BP_SPEC_REDUCE))
		on ? msr_set_bit(MSR_ZEN4_BP_CFG, bit) :
		     msr_clear_bit(MSR_ZEN4_BP_CFG, bit);
}
#else
static inline void lodge_spec_reduce(bool on)
{
}
#endif

/*
 * KVM's notification vector, whose handler does nothing, or 0 where there is none.
 * With FRED the host has no gates by which a handler can be found.
 */
#if defined(POSTED_INTR_VECTOR) && !defined(CONFIG_X86_FRED)
#define LODGE_POSTED_VECTOR	POSTED_INTR_VECTOR
#else
#define LODGE_POSTED_VECTOR	0
#endif

/* 6.7: what is known of a request is in one place for doing and dumping. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#define lodge_genl_dump_attrs(cb)	(genl_dumpit_info(cb)->info.attrs)
#else
#define lodge_genl_dump_attrs(cb)	(genl_dumpit_info(cb)->attrs)
#endif

/* 6.10: the kernel reads kvm_run's immediate_exit by a name that warns. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define lodge_immediate_exit(run)	READ_ONCE((run)->immediate_exit__unsafe)
#else
#define lodge_immediate_exit(run)	READ_ONCE((run)->immediate_exit)
#endif
#endif /* __ASSEMBLY__ */

/* The host's handler of NMIs, for one that made a guest exit: vmx/entry.S. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define LODGE_NMI_ENTRY		asm_exc_nmi_kvm_vmx
#else
#define LODGE_NMI_ENTRY		asm_exc_nmi_noist
#endif

/* Untrain the return predictor after a VM exit: entry.S. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define LODGE_UNTRAIN_RET_VM	UNTRAIN_RET_VM
#define LODGE_RSB_FEATURE	X86_FEATURE_RSB_VMEXIT
#else
#define LODGE_UNTRAIN_RET_VM	\
	UNTRAIN_RET;		\
	ALTERNATIVE "", "call entry_ibpb", X86_FEATURE_IBPB_ON_VMEXIT
#define LODGE_RSB_FEATURE	X86_FEATURE_RETPOLINE
#endif

#ifndef __ASSEMBLY__
#include <linux/mm_types.h>
#include <linux/sched.h>

/* How long a task waited for a CPU, in nanoseconds. */
#ifdef CONFIG_SCHED_INFO
#define lodge_run_delay(task)	((u64)(task)->sched_info.run_delay)
#else
#define lodge_run_delay(task)	0ull
#endif

/* Segments of a process's own; once it has them it keeps them. */
#ifdef CONFIG_MODIFY_LDT_SYSCALL
#define lodge_has_ldt(mm)	(READ_ONCE((mm)->context.ldt) != NULL)
#else
#define lodge_has_ldt(mm)	false
#endif

#include <linux/fs.h>

/* 6.3: what maps ids of a mount is a type of its own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#include <linux/mnt_idmapping.h>
#define lodge_idmap		mnt_idmap
#define LODGE_NO_IDMAP		(&nop_mnt_idmap)
#else
#include <linux/user_namespace.h>
#define lodge_idmap		user_namespace
#define LODGE_NO_IDMAP		(&init_user_ns)
#endif

/* 6.6: times of inodes are set by functions, which attributes are asked for is told. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define lodge_fillattr(idmap, mask, inode, stat)			\
	generic_fillattr(idmap, mask, inode, stat)
#define lodge_inode_born(inode)		((void)simple_inode_init_ts(inode))
#define lodge_inode_changed(inode)					\
	((void)inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode)))
#else
#define lodge_fillattr(idmap, mask, inode, stat)			\
	generic_fillattr(idmap, inode, stat)
static inline void lodge_inode_changed(struct inode *inode)
{
	inode->i_mtime = inode->i_ctime = current_time(inode);
}

static inline void lodge_inode_born(struct inode *inode)
{
	lodge_inode_changed(inode);
	inode->i_atime = inode->i_mtime;
}
#endif

#include <linux/shrinker.h>

/* 6.7: a shrinker is allocated, and may be made before it is known to others. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *lodge_shrinker_new(const char *name, unsigned int flags)
{
	return shrinker_alloc(flags, name);
}

static inline int lodge_shrinker_start(struct shrinker *s, const char *name)
{
	shrinker_register(s);
	return 0;
}

static inline void lodge_shrinker_end(struct shrinker *s)
{
	shrinker_free(s);
}
#else
#include <linux/slab.h>

static inline struct shrinker *lodge_shrinker_new(const char *name, unsigned int flags)
{
	struct shrinker *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (s)
		s->flags = flags;
	return s;
}

static inline int lodge_shrinker_start(struct shrinker *s, const char *name)
{
	int ret = register_shrinker(s, "%s", name);

	if (ret)
		kfree(s);
	return ret;
}

static inline void lodge_shrinker_end(struct shrinker *s)
{
	unregister_shrinker(s);
	kfree(s);
}
#endif

#include <linux/mm.h>
#include <linux/swap.h>

/* 6.4: what was reclaimed, and is not on the kernel's lists, counts for who reclaims. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define lodge_account_reclaimed(n)	mm_account_reclaimed_pages(n)
#else
static inline void lodge_account_reclaimed(unsigned long n)
{
	if (current->reclaim_state)
		current->reclaim_state->reclaimed_slab += n;
}
#endif

/* 6.4: a fault may hold the lock of the one mapping only. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define lodge_fault_unlock(vmf)		release_fault_lock(vmf)
#else
#define lodge_fault_unlock(vmf)		mmap_read_unlock((vmf)->vma->vm_mm)
#endif

#include <linux/list_lru.h>

/* 6.8: the node and cgroup of an item are told, or found out as before. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define lodge_lru_add(lru, item)	list_lru_add_obj(lru, item)
#define lodge_lru_del(lru, item)	list_lru_del_obj(lru, item)
#else
#define lodge_lru_add(lru, item)	list_lru_add(lru, item)
#define lodge_lru_del(lru, item)	list_lru_del(lru, item)
#endif

/* 6.5: splicing out of what can be read. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define lodge_splice_read	copy_splice_read
#else
#define lodge_splice_read	generic_file_splice_read
#endif
#endif /* __ASSEMBLY__ */

#endif /* LODGE_COMPAT_H */
