// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking and giving back the CPUs' virtualization hardware.
 *
 * All online CPUs are enabled when the first VM is made and disabled when the
 * last one goes; if one CPU refuses (another hypervisor holds it), those that
 * were enabled are given back and the caller gets EBUSY. While VMs exist, CPUs
 * that come on line are enabled and those that go off line are disabled; so
 * are they around suspend, and for good before a reboot.
 *
 * A CPU is disabled while vCPU threads may still be running on it: the run
 * loop tests lodge_hw_enabled with interrupts off before each entry and waits
 * to be moved if it is clear. The flag changes only on its own CPU with
 * interrupts off, so a thread inside the inner loop can't miss it.
 *
 * After a crash the hardware is given back, too: a CPU whose GIF is clear, or
 * in VMX operation, would start no other kernel. The kernel keeps one pointer
 * for that, and warns when it is given a second one. KVM gives it its own
 * before it looks whether the hardware is free: while kvm.ko is loaded the
 * place is left to it, though it may be idle.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpuhotplug.h>
#include <linux/cpu.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/reboot.h>

#include "backend.h"
#include "hw.h"

DEFINE_PER_CPU(bool, lodge_hw_enabled);

/* Guards what follows. Order: hw_lock > cpus_read_lock. */
static DEFINE_MUTEX(hw_lock);
static int users;
static int hw_state;		/* the dynamic hotplug state, > 0 once there is one */
static bool kvm_loaded;
static bool registered;		/* to be called at a crash */
static bool rebooting;

static int cpu_enable(void)
{
	int ret;

	lockdep_assert_irqs_disabled();
	if (__this_cpu_read(lodge_hw_enabled))
		return 0;
	if (READ_ONCE(rebooting))
		return -EBUSY;
	ret = lodge_backend->enable();
	if (!ret)
		__this_cpu_write(lodge_hw_enabled, true);
	return ret;
}

static void cpu_disable(void)
{
	lockdep_assert_irqs_disabled();
	if (!__this_cpu_read(lodge_hw_enabled))
		return;
	__this_cpu_write(lodge_hw_enabled, false);
	lodge_backend->disable();
}

/* hw_lock is held: whoever is to be called at a crash may have changed. */
static void update_emergency(void)
{
	bool wanted = users && !kvm_loaded;

	lockdep_assert_held(&hw_lock);
	if (wanted == registered)
		return;
	registered = wanted;
	if (wanted)
		lodge_emergency_register(cpu_disable);
	else
		lodge_emergency_unregister(cpu_disable);
}

static bool module_there(const char *name)
{
	char file[32];
	struct path path;

	snprintf(file, sizeof(file), "/sys/module/%s", name);
	if (kern_path(file, 0, &path))
		return false;
	path_put(&path);
	return true;
}

/* Before a module's first step, and after its last. */
static int module_changed(struct notifier_block *nb, unsigned long state, void *data)
{
	const struct module *mod = data;

	if (strcmp(mod->name, "kvm") ||
	    (state != MODULE_STATE_COMING && state != MODULE_STATE_GOING))
		return NOTIFY_DONE;
	mutex_lock(&hw_lock);
	kvm_loaded = state == MODULE_STATE_COMING;
	update_emergency();
	mutex_unlock(&hw_lock);
	return NOTIFY_OK;
}

static struct notifier_block module_nb = { .notifier_call = module_changed };

/* Somebody else's module that is known to hold the hardware, or NULL. */
static const char *find_holder(void)
{
	static const char * const known[] = {
		"kvm_amd", "kvm_intel", "vboxdrv", "vmmon",
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (module_there(known[i]))
			return known[i];
	return NULL;
}

static void tell_busy(int cpu)
{
	const char *holder = find_holder();

	if (holder)
		pr_err_ratelimited("CPU %d: virtualization is held by %s: modprobe -r %s, or (KVM) load kvm with enable_virt_at_load=0\n",
				   cpu, holder, holder);
	else
		pr_err_ratelimited("CPU %d: virtualization is held by another hypervisor: unload it first\n",
				   cpu);
}

static int hw_online(unsigned int cpu)
{
	unsigned long flags;
	int ret;

	local_irq_save(flags);
	ret = cpu_enable();
	local_irq_restore(flags);
	if (ret == -EBUSY)
		tell_busy(cpu);
	return ret;
}

static int hw_offline(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	cpu_disable();
	local_irq_restore(flags);
	return 0;
}

/**
 * lodge_hw_get - take the hardware of all CPUs, for one more VM
 *
 * Context: may sleep.
 * Return: 0, or -EBUSY if another hypervisor holds a CPU; a line in the
 * kernel's log names it.
 */
int lodge_hw_get(void)
{
	int ret = 0;

	mutex_lock(&hw_lock);
	if (!users) {
		/* Rolls back the CPUs that were enabled if one refuses. */
		ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "lodge:online",
					hw_online, hw_offline);
		if (ret > 0) {
			hw_state = ret;
			ret = 0;
		}
	}
	if (!ret)
		users++;
	update_emergency();
	mutex_unlock(&hw_lock);
	return ret;
}

/**
 * lodge_hw_put - one VM fewer; after the last the hardware is given back
 *
 * Context: may sleep.
 */
void lodge_hw_put(void)
{
	mutex_lock(&hw_lock);
	if (!WARN_ON_ONCE(users <= 0) && !--users) {
		update_emergency();
		cpuhp_remove_state(hw_state);
		hw_state = 0;
	}
	mutex_unlock(&hw_lock);
}

/* The last CPU's suspend and resume, interrupts off; the others were hotplugged. */
static int hw_suspend(void)
{
	cpu_disable();
	return 0;
}

static void hw_resume(void)
{
	if (users && cpu_enable())
		pr_err("CPU %d: virtualization did not come back after suspend\n",
		       smp_processor_id());
}

LODGE_SYSCORE(hw_syscore, hw_suspend, hw_resume);

static void disable_here(void *unused)
{
	cpu_disable();
}

/* A CPU left in guest-capable state would not take INIT after a kexec. */
static int hw_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	WRITE_ONCE(rebooting, true);
	on_each_cpu(disable_here, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block reboot_nb = { .notifier_call = hw_reboot };

/**
 * lodge_hw_init - register for suspend, reboot, and KVM's coming and going
 *
 * Takes nothing yet.
 *
 * Return: 0 or a negative errno.
 */
int lodge_hw_init(void)
{
	int ret = register_reboot_notifier(&reboot_nb);

	if (ret)
		return ret;
	ret = register_module_notifier(&module_nb);
	if (ret) {
		unregister_reboot_notifier(&reboot_nb);
		return ret;
	}
	/* After that, so that none is missed. */
	if (module_there("kvm"))
		kvm_loaded = true;
	lodge_syscore_register(&hw_syscore);
	return 0;
}

/** lodge_hw_exit - undo lodge_hw_init(); no VM is left */
void lodge_hw_exit(void)
{
	lodge_syscore_unregister(&hw_syscore);
	unregister_module_notifier(&module_nb);
	unregister_reboot_notifier(&reboot_nb);
}
