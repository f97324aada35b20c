// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine's life: opened over the KVM API, put together from its devices,
 * run by one thread per vCPU and one for I/O, and ended by whoever calls
 * vm_stop() first.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../uapi/lodge.h"
#include "confine.h"
#include "control.h"
#include "device.h"
#include "lodge.h"
#include "oom.h"
#include "pci.h"
#include "ring.h"
#include "sandbox.h"
#include "term.h"
#include "util.h"

static const struct {
	int cap;
	const char *name;
} needed_caps[] = {
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

static struct {
	pthread_mutex_t lock;
	bool stopped;
	int status;
	char reason[256];
} end = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void open_node(struct vm *vm)
{
	const char *node = vm->cfg->node;
	unsigned int i;
	int version;

	vm->kvm_fd = open(node, O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		die("cannot open %s: %s; %s", node, strerror(errno),
		    errno == EACCES ? "join the group that owns it (see ls -l)" :
		    "is the module loaded? --node names another one");
	version = ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		die("%s speaks version %d of the KVM API, not %d: it is the wrong node",
		    node, version, KVM_API_VERSION);
	for (i = 0; i < ARRAY_SIZE(needed_caps); i++)
		if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION,
			  needed_caps[i].cap) <= 0)
			die("%s lacks %s, which a machine cannot do without",
			    node, needed_caps[i].name);
	vm->run_size = xioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL,
			      "KVM_GET_VCPU_MMAP_SIZE");
}

/* For lodgectl; KVM has no use for a name. */
static void set_name(struct vm *vm)
{
	struct lodge_vm_name set = { 0 };

	if (!vm->cfg->name)
		return;
	snprintf(set.name, sizeof(set.name), "%s", vm->cfg->name);
	if (ioctl(vm->fd, LODGE_VM_SET_NAME, &set) && errno != ENOTTY)
		die("LODGE_VM_SET_NAME failed: %s", strerror(errno));
}

static void create_chips(struct vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity = IDENTITY_MAP_ADDR;

	xioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity,
	       "KVM_SET_IDENTITY_MAP_ADDR");
	xioctl(vm->fd, KVM_SET_TSS_ADDR, (void *)TSS_ADDR, "KVM_SET_TSS_ADDR");
	xioctl(vm->fd, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	xioctl(vm->fd, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2");
	irq_init(vm);
}

/* A file of memory that the hypervisor owns, or -1 if it is not to be had. */
static int memory_object(struct vm *vm)
{
	const struct config *cfg = vm->cfg;
	const char *merge = cfg->merge ? cfg->merge : "on";
	struct lodge_create_memory create = {
		.size = sizeof(create),
		.bytes = cfg->memory,
		.flags = strcmp(merge, "off") ? LODGE_MEMORY_MERGEABLE : 0,
	};
	int fd;

	if (cfg->backing == MEMORY_ANONYMOUS)
		return -1;
	if (ioctl(vm->kvm_fd, LODGE_GET_VERSION, 0) < 0) {
		if (cfg->backing == MEMORY_LODGE)
			die("%s has no memory of its own: leave out --memory-backing lodge, and --merge but for on and off",
			    cfg->node);
		return -1;
	}
	if (create.flags && strcmp(merge, "on"))
		snprintf(create.domain, sizeof(create.domain), "%s", merge);
	confine_files(true);
	fd = ioctl(vm->kvm_fd, LODGE_CREATE_MEMORY, &create);
	confine_files(false);
	if (fd < 0)
		die("%s cannot give %llu MiB of guest memory: %s; --memory-backing anonymous does without",
		    cfg->node, (unsigned long long)(cfg->memory / MIB),
		    strerror(errno));
	return fd;
}

/* Another process serves a device, and has to reach the guest's memory. */
static bool shares_memory(const struct config *cfg)
{
	unsigned int i;

	for (i = 0; i < cfg->ndisks; i++)
		if (cfg->disk[i].remote)
			return true;
	return cfg->nfs;
}

static void add_memory(struct vm *vm)
{
	int object = memory_object(vm);
	unsigned int i;

	if (object < 0 && shares_memory(vm->cfg))
		mem_create_shared(&vm->mem, vm->cfg->memory);
	else
		mem_create(&vm->mem, vm->cfg->memory, object);
	if (vm->mem.fd >= 0)
		oom_expect(vm->cfg->memory);
	if (vm->mem.fd < 0 && vm->cfg->merge && !strcmp(vm->cfg->merge, "on")) {
		if (vm->mem.share >= 0)
			die("the host merges no memory that a back end shares: leave out --merge on");
		mem_mergeable(&vm->mem);
	}
	for (i = 0; i < vm->mem.count; i++) {
		const struct mem_region *r = &vm->mem.region[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = r->gpa,
			.memory_size = r->size,
			.userspace_addr = (uintptr_t)r->host,
		};

		xioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot,
		       "KVM_SET_USER_MEMORY_REGION");
	}
}

static void on_status_line(struct vm *vm, const char *text)
{
	unsigned long status;

	if (parse_uint(text, 255, &status))
		vm_stop(vm, STATUS_FAILED,
			"the guest wrote \"%s\" to the status line, not a number from 0 to 255",
			text);
	else
		vm_stop(vm, status, NULL);
}

/* The four serial lines that DSDT names; what nobody listens to is silent. */
static void add_consoles(struct vm *vm)
{
	const struct config *cfg = vm->cfg;
	struct serial *tty = serial_create(vm, 0x3f8, 4);
	struct console *hvc = NULL;
	bool hvc_stdio = cfg->console && !strcmp(cfg->console, "stdio");

	serial_attach(tty, STDOUT_FILENO);
	if (cfg->output)
		serial_attach(serial_create(vm, 0x2f8, 3),
			      open_output(cfg->output));
	if (cfg->status)
		serial_on_line(serial_create(vm, 0x3e8, 5), on_status_line);
	if (cfg->console)
		hvc = console_create(vm, hvc_stdio ? STDOUT_FILENO :
				     open_output(cfg->console));
	if (hvc_stdio) {
		console_show(hvc);
		term_start(vm, console_input, hvc, tty);
	} else {
		serial_show(tty);
		term_start(vm, serial_input, tty, tty);
	}
}

/** vm_create() - a machine as @cfg wants it, ready to run, or die. */
void vm_create(struct vm *vm, const struct config *cfg)
{
	struct boot_entry entry = { 0 };
	struct kvm_cpuid2 *cpuid;
	unsigned int i;

	*vm = (struct vm){ .cfg = cfg };
	pthread_mutex_init(&vm->pause.lock, NULL);
	pthread_cond_init(&vm->pause.changed, NULL);
	bus_init(&vm->pio);
	bus_init(&vm->mmio);
	loop_init(&vm->loop);
	open_node(vm);
	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		die("%s cannot create a VM: %s%s", cfg->node, strerror(errno),
		    errno == EBUSY ?
		    "; another hypervisor holds the processor, dmesg says which" :
		    "");
	set_name(vm);
	create_chips(vm);
	add_memory(vm);
	if (cfg->firmware)
		firmware_load(vm);
	else
		boot_load(vm, &entry);

	pci_create(vm);
	genid_create(vm);
	power_create(vm);
	device_init(vm);
	pvpanic_create(vm);
	rtc_create(vm);
	rng_create(vm);
	for (i = 0; i < cfg->ndisks; i++)
		device_start(vm, &(struct device_spec){ .disk = &cfg->disk[i] });
	for (i = 0; i < cfg->nfs; i++)
		device_start(vm, &(struct device_spec){ .fs = &cfg->fs[i] });
	for (i = 0; i < cfg->nnets; i++)
		device_start(vm, &(struct device_spec){ .net = &cfg->net[i] });
	if (cfg->vsock)
		vsock_create(vm, cfg->vsock);
	if (cfg->balloon.present)
		balloon_create(vm, &cfg->balloon);

	cpuid = cpuid_get(vm);
	vm->vcpu = xalloc(cfg->cpus, sizeof(*vm->vcpu));
	for (i = 0; i < cfg->cpus; i++)
		vcpu_create(vm, &vm->vcpu[i], i, cpuid);
	/* A firmware starts where the processor does. */
	if (!cfg->firmware)
		vcpu_set_boot_state(&vm->vcpu[0], &entry);
	add_consoles(vm);
	pci_running(vm);
	control_create(vm, cfg->daemon);
	if (cfg->seccomp)
		ring_reserve();
}

/**
 * vm_stop() - end the run
 * @vm: the machine
 * @status: of the process
 * @fmt: the reason in words, or NULL where nothing needs to be said
 *
 * Any thread may call it; the first one is believed. The caller goes on.
 */
void vm_stop(struct vm *vm, int status, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&end.lock);
	if (!end.stopped) {
		end.stopped = true;
		end.status = status;
		if (fmt) {
			va_start(ap, fmt);
			vsnprintf(end.reason, sizeof(end.reason), fmt, ap);
			va_end(ap);
		}
	}
	pthread_mutex_unlock(&end.lock);
	loop_stop(&vm->loop);
}

/**
 * vm_start() - have all threads, those of vCPUs in the sandbox and waiting, or die
 * @vm: from vm_create()
 */
void vm_start(struct vm *vm)
{
	char why[WHY_SIZE];
	unsigned int i;

	vm->pause.wanted = true;
	for (i = 0; i < vm->cfg->cpus; i++)
		vcpu_start(&vm->vcpu[i]);
	vcpus_await(vm);
	if (device_started(vm, why)) {
		control_close();
		die("%s", why);
	}
}

/**
 * vm_run() - let the vCPUs go and serve I/O until vm_stop()
 * @vm: from vm_start()
 *
 * By now all threads are in the sandbox.
 *
 * The vCPU threads are left to die with the process: what they still do
 * cannot be seen by anybody. But who sends a signal wants to know what the
 * guest was doing; then the signal ends the process, as its parent expects.
 * Return: the status for exit().
 */
int vm_run(struct vm *vm)
{
	if (vm->cfg->seccomp && sandbox_enter(SANDBOX_LOOP))
		die("cannot filter system calls: %s; --no-seccomp does without", strerror(errno));
	vcpus_resume(vm);
	loop_run(&vm->loop);
	serial_flush_all();
	control_close();
	term_restore();
	if (end.reason[0])
		warn("%s%s%s", vm->cfg->name ? vm->cfg->name : "",
		     vm->cfg->name ? ": " : "", end.reason);
	if (end.status > STATUS_SIGNAL) {
		vcpus_rest(vm);
		signal(end.status - STATUS_SIGNAL, SIG_DFL);
		raise(end.status - STATUS_SIGNAL);
	}
	return end.status;
}
