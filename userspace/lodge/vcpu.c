// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU: its first state, its thread, and the run loop, which does two
 * things (ports and memory) and ends the machine, in words, on all others.
 */
#include <asm/processor-flags.h>
#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "debug.h"
#include "lodge.h"
#include "sandbox.h"
#include "term.h"
#include "util.h"
#include "walk.h"

#define EFER_LME		(1u << 8)
#define MSR_MTRR_DEF_TYPE	0x2ff
#define MTRR_ENABLE_WB		(1u << 11 | 6)
#define MSR_MISC_ENABLE		0x1a0
#define MISC_ENABLE_FAST_STRING	1
#define SIG_KICK		SIGUSR1
#define REST_SECONDS		2
#define OUTSIDE_MS		20

static const char *const exit_names[] = {
	[KVM_EXIT_UNKNOWN] = "unknown hardware exit",
	[KVM_EXIT_EXCEPTION] = "exception",
	[KVM_EXIT_HYPERCALL] = "hypercall",
	[KVM_EXIT_DEBUG] = "debug",
	[KVM_EXIT_HLT] = "halt",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "interrupt window",
	[KVM_EXIT_SHUTDOWN] = "shutdown",
	[KVM_EXIT_FAIL_ENTRY] = "failed entry",
	[KVM_EXIT_SET_TPR] = "TPR write",
	[KVM_EXIT_TPR_ACCESS] = "TPR access",
	[KVM_EXIT_NMI] = "NMI",
	[KVM_EXIT_INTERNAL_ERROR] = "internal error",
	[KVM_EXIT_SYSTEM_EVENT] = "system event",
	[KVM_EXIT_IOAPIC_EOI] = "I/O APIC EOI",
	[KVM_EXIT_HYPERV] = "Hyper-V",
	[KVM_EXIT_X86_RDMSR] = "RDMSR",
	[KVM_EXIT_X86_WRMSR] = "WRMSR",
	[KVM_EXIT_DIRTY_RING_FULL] = "dirty ring full",
	[KVM_EXIT_AP_RESET_HOLD] = "AP reset hold",
	[KVM_EXIT_X86_BUS_LOCK] = "bus lock",
	[KVM_EXIT_XEN] = "Xen",
	[KVM_EXIT_NOTIFY] = "notify",
};

static const char *const internal_errors[] = {
	[0] = "unspecified",
	[KVM_INTERNAL_ERROR_EMULATION] =
		"an instruction could not be emulated",
	[KVM_INTERNAL_ERROR_SIMUL_EX] = "simultaneous exceptions",
	[KVM_INTERNAL_ERROR_DELIVERY_EV] =
		"an exit while an event was being delivered",
	[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] =
		"an exit reason that the hypervisor did not expect",
};

static const char *name_of(const char *const *names, size_t n, uint32_t i)
{
	return i < n && names[i] ? names[i] : "unknown";
}

/** vcpu_create() - vCPU @id with its CPUID; @cpuid is the shared base. */
void vcpu_create(struct vm *vm, struct vcpu *vcpu, unsigned int id,
		 struct kvm_cpuid2 *cpuid)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry msr[2];
	} msrs = {
		.head.nmsrs = 2,
		.msr = {
			/* Write-back is what a firmware would have set. */
			{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLE_WB },
			{ .index = MSR_MISC_ENABLE,
			  .data = MISC_ENABLE_FAST_STRING },
		},
	};

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		die("cannot create vCPU %u: %s; try fewer --cpus", id,
		    strerror(errno));
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("cannot map vCPU %u: %s", id, strerror(errno));
	cpuid_set_topology(cpuid, id, vm->cfg->cpus);
	xioctl(vcpu->fd, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	xioctl(vcpu->fd, KVM_SET_MSRS, &msrs, "KVM_SET_MSRS");
}

/* A flat segment as the boot protocols want it; the GDT says the same. */
static struct kvm_segment flat(uint16_t selector, uint8_t type, bool l)
{
	return (struct kvm_segment) {
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.l = l,
		.db = !l,
		.g = 1,
	};
}

/**
 * vcpu_set_boot_state() - put the boot vCPU at the kernel's entry
 * @vcpu: the boot vCPU
 * @entry: from the loader
 *
 * Linux's Documentation/x86/boot.rst, "64-bit Boot Protocol": long mode,
 * identity-mapped, __BOOT_CS 0x10 and __BOOT_DS 0x18, RSI at the zero page.
 * PVH (Xen's docs/misc/pvh.pandoc): flat 32-bit mode, EBX at the start info.
 */
void vcpu_set_boot_state(struct vcpu *vcpu, const struct boot_entry *entry)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rflags = 2,
		.rip = entry->rip,
	};

	xioctl(vcpu->fd, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = flat(0x10, 0xb, entry->long_mode);
	sregs.ds = flat(0x18, 0x3, false);
	sregs.es = sregs.ds;
	sregs.fs = sregs.ds;
	sregs.gs = sregs.ds;
	sregs.ss = sregs.ds;
	sregs.tr.type = 0xb;
	sregs.tr.limit = 0x67;
	sregs.gdt.base = BOOT_GDT_ADDR;
	sregs.gdt.limit = 4 * 8 - 1;
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	sregs.cr0 = X86_CR0_PE | X86_CR0_ET;
	if (entry->long_mode) {
		sregs.cr0 |= X86_CR0_PG;
		sregs.cr3 = BOOT_PAGES_ADDR;
		sregs.cr4 = X86_CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
		regs.rsi = entry->info;
	} else {
		regs.rbx = entry->info;
	}
	xioctl(vcpu->fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	xioctl(vcpu->fd, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static void dump_segment(const char *name, const struct kvm_segment *s)
{
	fprintf(stderr, "%s %04x base %016llx limit %08x type %x dpl %u p %u l %u db %u\n",
		name, s->selector, s->base, s->limit, s->type, s->dpl,
		s->present, s->l, s->db);
}

static void dump_registers(struct vcpu *vcpu)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &r) ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &s))
		return;
	fprintf(stderr, "vCPU %u: rip %016llx rflags %08llx\n"
		"rax %016llx rbx %016llx rcx %016llx rdx %016llx\n"
		"rsi %016llx rdi %016llx rbp %016llx rsp %016llx\n"
		"r8  %016llx r9  %016llx r10 %016llx r11 %016llx\n"
		"r12 %016llx r13 %016llx r14 %016llx r15 %016llx\n",
		vcpu->id, r.rip, r.rflags, r.rax, r.rbx, r.rcx, r.rdx, r.rsi,
		r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13,
		r.r14, r.r15);
	fprintf(stderr, "cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx gdt %llx+%x idt %llx+%x\n",
		s.cr0, s.cr2, s.cr3, s.cr4, s.efer, s.gdt.base, s.gdt.limit,
		s.idt.base, s.idt.limit);
	dump_segment("cs", &s.cs);
	dump_segment("ds", &s.ds);
	dump_segment("ss", &s.ss);
	dump_segment("tr", &s.tr);
}

/* The end of the machine by something that is not for the launcher. */
static void crash(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	char why[160] = "";

	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		snprintf(why, sizeof(why), ": a triple fault");
		break;
	case KVM_EXIT_FAIL_ENTRY:
		snprintf(why, sizeof(why),
			 ": the processor refused the guest's state, reason 0x%llx on CPU %u",
			 run->fail_entry.hardware_entry_failure_reason,
			 run->fail_entry.cpu);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		snprintf(why, sizeof(why), ": %s (0x%llx 0x%llx)",
			 name_of(internal_errors, ARRAY_SIZE(internal_errors),
				 run->internal.suberror),
			 run->internal.ndata > 0 ? run->internal.data[0] : 0,
			 run->internal.ndata > 1 ? run->internal.data[1] : 0);
		break;
	case KVM_EXIT_UNKNOWN:
		snprintf(why, sizeof(why), ": hardware reason 0x%llx",
			 run->hw.hardware_exit_reason);
		break;
	}
	term_restore();
	dump_registers(vcpu);
	vm_stop(vcpu->vm, STATUS_CRASH, "vCPU %u stopped by exit %u (%s)%s",
		vcpu->id, run->exit_reason,
		name_of(exit_names, ARRAY_SIZE(exit_names), run->exit_reason),
		why);
}

static void system_event(struct vcpu *vcpu)
{
	uint32_t type = vcpu->run->system_event.type;

	if (type == KVM_SYSTEM_EVENT_SHUTDOWN)
		vm_stop(vcpu->vm, STATUS_POWEROFF, NULL);
	else if (type == KVM_SYSTEM_EVENT_RESET)
		vm_stop(vcpu->vm, STATUS_RESET, "reset by the guest");
	else
		vm_stop(vcpu->vm, STATUS_CRASH, "system event %u (%s)", type,
			type == KVM_SYSTEM_EVENT_CRASH ? "guest crash" :
			"unknown");
}

/* Kept from before it is answered: it may be what the guest does for ever. */
static void note_exit(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	struct vcpu_exit *last = &vcpu->last;

	last->reason = run->exit_reason;
	if (last->reason == KVM_EXIT_IO) {
		last->addr = run->io.port;
		last->size = run->io.size;
		last->write = run->io.direction == KVM_EXIT_IO_OUT;
	} else if (last->reason == KVM_EXIT_MMIO) {
		last->addr = run->mmio.phys_addr;
		last->size = run->mmio.len;
		last->write = run->mmio.is_write;
	}
}

static void port_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t i;

	for (i = 0; i < run->io.count; i++, data += run->io.size)
		bus_access(&vcpu->vm->pio, run->io.port, data, run->io.size,
			   run->io.direction == KVM_EXIT_IO_OUT);
}

/* Until the machine goes on, and it with that. */
static void park(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	pthread_mutex_lock(&vm->pause.lock);
	vm->pause.parked++;
	pthread_cond_broadcast(&vm->pause.changed);
	while (vm->pause.wanted || vcpu->held)
		pthread_cond_wait(&vm->pause.changed, &vm->pause.lock);
	vm->pause.parked--;
	pthread_mutex_unlock(&vm->pause.lock);
}

static void *run_loop(void *arg)
{
	struct vcpu *vcpu = arg;
	struct kvm_run *run = vcpu->run;
	struct vm *vm = vcpu->vm;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	pthread_setname_np(pthread_self(), name);
	if (vm->cfg->seccomp && sandbox_enter(SANDBOX_VCPU))
		die("cannot filter system calls: %s; --no-seccomp does without", strerror(errno));
	while (!vm->loop.stopped) {
		if (vm->pause.wanted || vcpu->held) {
			park(vcpu);
			continue;
		}
		/* EAGAIN: an AP that waits for its INIT was woken. */
		if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
			if (errno == EINTR || errno == EAGAIN)
				continue;
			vm_stop(vm, STATUS_CRASH,
				"KVM_RUN failed on vCPU %u: %s", vcpu->id,
				strerror(errno));
			dump_registers(vcpu);
			break;
		}
		note_exit(vcpu);
		vcpu->turn++;
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			port_io(vcpu);
			break;
		case KVM_EXIT_MMIO:
			bus_access(&vm->mmio, run->mmio.phys_addr,
				   run->mmio.data, run->mmio.len,
				   run->mmio.is_write);
			break;
		case KVM_EXIT_DEBUG:
			debug_hit(vcpu);
			break;
		case KVM_EXIT_INTR:
		case KVM_EXIT_IRQ_WINDOW_OPEN:
			break;
		case KVM_EXIT_SYSTEM_EVENT:
			system_event(vcpu);
			break;
		default:
			crash(vcpu);
		}
		vcpu->turn++;
	}
	return NULL;
}

/* Only there to make KVM_RUN return. */
static void on_kick(int sig)
{
	(void)sig;
}

/** vcpu_start() - let the vCPU's thread run. */
void vcpu_start(struct vcpu *vcpu)
{
	struct sigaction kick = { .sa_handler = on_kick };
	int err;

	sigaction(SIG_KICK, &kick, NULL);
	err = pthread_create(&vcpu->thread, NULL, run_loop, vcpu);

	if (err)
		die("cannot start a thread for vCPU %u: %s", vcpu->id,
		    strerror(err));
}

static void describe_exit(const struct vcpu_exit *last, char *buf, size_t len)
{
	bool port = last->reason == KVM_EXIT_IO;

	if (port || last->reason == KVM_EXIT_MMIO)
		snprintf(buf, len, "%s %s of %u byte(s) at 0x%llx",
			 port ? "port" : "MMIO", last->write ? "write" : "read",
			 last->size, (unsigned long long)last->addr);
	else if (last->reason)
		snprintf(buf, len, "%s", name_of(exit_names,
			 ARRAY_SIZE(exit_names), last->reason));
	else
		snprintf(buf, len, "none so far");
}

/* Out of KVM_RUN, and, until immediate_exit is taken back, not in again. */
static void kick_all(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->cfg->cpus; i++) {
		/* For a thread that is not in KVM_RUN yet. */
		vm->vcpu[i].run->immediate_exit = 1;
		pthread_kill(vm->vcpu[i].thread, SIG_KICK);
	}
}

static struct timespec seconds_from_now(unsigned int seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	return until;
}

/* The clock of a guest that is paused stands still, and it is told why time passed. */
static void stop_clock(struct vm *vm)
{
	struct kvm_clock_data clock = { 0 };
	unsigned int i;

	xioctl(vm->fd, KVM_GET_CLOCK, &clock, "KVM_GET_CLOCK");
	vm->pause.clock = clock.clock;
	/* EINVAL: it doesn't use that clock. */
	for (i = 0; i < vm->cfg->cpus; i++)
		ioctl(vm->vcpu[i].fd, KVM_KVMCLOCK_CTRL, 0);
}

/** vcpus_await() - wait until all have begun, to rest: they are to be paused. */
void vcpus_await(struct vm *vm)
{
	pthread_mutex_lock(&vm->pause.lock);
	while (vm->pause.parked < vm->cfg->cpus)
		pthread_cond_wait(&vm->pause.changed, &vm->pause.lock);
	pthread_mutex_unlock(&vm->pause.lock);
}

/**
 * vcpus_pause() - no vCPU executes anything until vcpus_resume()
 * @vm: runs
 *
 * The loop's thread only.
 *
 * Return: whether all rest; if not, a device keeps one.
 */
bool vcpus_pause(struct vm *vm)
{
	struct timespec until = seconds_from_now(REST_SECONDS);
	bool all;

	if (vm->pause.wanted)
		return true;
	pthread_mutex_lock(&vm->pause.lock);
	vm->pause.wanted = true;
	kick_all(vm);
	while (vm->pause.parked < vm->cfg->cpus &&
	       !pthread_cond_timedwait(&vm->pause.changed, &vm->pause.lock, &until))
		;
	all = vm->pause.parked == vm->cfg->cpus;
	pthread_mutex_unlock(&vm->pause.lock);
	if (all)
		stop_clock(vm);
	return all;
}

/** vcpus_resume() - go on, if they are paused. The loop's thread only. */
void vcpus_resume(struct vm *vm)
{
	struct kvm_clock_data clock = { .clock = vm->pause.clock };
	unsigned int i;

	if (!vm->pause.wanted)
		return;
	if (vm->pause.clock)
		xioctl(vm->fd, KVM_SET_CLOCK, &clock, "KVM_SET_CLOCK");
	vm->pause.clock = 0;
	pthread_mutex_lock(&vm->pause.lock);
	for (i = 0; i < vm->cfg->cpus; i++)
		vm->vcpu[i].run->immediate_exit = 0;
	vm->pause.wanted = false;
	pthread_cond_broadcast(&vm->pause.changed);
	pthread_mutex_unlock(&vm->pause.lock);
}

/** vcpus_paused() - whether they are to rest. */
bool vcpus_paused(const struct vm *vm)
{
	return vm->pause.wanted;
}

/**
 * vcpus_outside() - wait until no vCPU is at what was taken from all of them before
 * @vm: runs
 *
 * A vCPU that is at a device now has to leave it once: it may have found there what others
 * don't find any more. Not for longer than OUTSIDE_MS.
 *
 * Return: whether all were; if not, a device keeps one.
 */
bool vcpus_outside(struct vm *vm)
{
	const struct timespec nap = { .tv_nsec = 100000 };
	unsigned int i, naps = 0;

	for (i = 0; i < vm->cfg->cpus; i++) {
		unsigned int turn = vm->vcpu[i].turn;

		for (; turn & 1 && vm->vcpu[i].turn == turn; naps++) {
			if (naps == OUTSIDE_MS * 10)
				return false;
			nanosleep(&nap, NULL);
		}
	}
	return true;
}

/**
 * vcpus_rest() - end all vCPU threads and say where each one was
 * @vm: stopped by vm_stop()
 *
 * One that a device keeps, by a pipe that nobody reads, say, is left alone
 * after a while: what is known of it is its last exit.
 */
void vcpus_rest(struct vm *vm)
{
	struct timespec until = seconds_from_now(REST_SECONDS);
	struct kvm_regs regs;
	char where[64], exit[128];
	unsigned int i;

	for (i = 0; i < vm->cfg->cpus; i++)
		vm->vcpu[i].held = false;
	vcpus_resume(vm);
	pthread_mutex_lock(&vm->pause.lock);
	pthread_cond_broadcast(&vm->pause.changed);
	pthread_mutex_unlock(&vm->pause.lock);
	kick_all(vm);
	for (i = 0; i < vm->cfg->cpus; i++) {
		struct vcpu *vcpu = &vm->vcpu[i];

		if (pthread_timedjoin_np(vcpu->thread, NULL, &until))
			snprintf(where, sizeof(where), "kept by a device");
		else if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
			snprintf(where, sizeof(where), "rip unknown");
		else
			snprintf(where, sizeof(where), "rip 0x%llx", regs.rip);
		describe_exit(&vcpu->last, exit, sizeof(exit));
		warn("vCPU %u: %s, last exit: %s", i, where, exit);
	}
}
