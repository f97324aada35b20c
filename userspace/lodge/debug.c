// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a debugger does with a machine, whatever language it speaks (gdb.c): stop all
 * vCPUs, look at and change registers and memory, set breakpoints, go on with some of
 * the vCPUs, by one instruction or until something happens.
 *
 * A vCPU that comes to a breakpoint notes why, holds itself, and rings for the
 * loop's thread, which stops the others. All else is done there, while all rest; the
 * lock is for what a vCPU looks at when it comes to an INT3: whose is it? One that nobody set
 * is the guest's own, and it is given back to it.
 *
 * A breakpoint is a byte of guest memory: it holds in every address space that has
 * this page, and in each page only where it was set.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "debug.h"
#include "lodge.h"
#include "util.h"
#include "walk.h"

#define INT3		0xcc
#define SOFTWARE_MAX	64
#define HARDWARE_MAX	4
#define DR6_STEP	(1u << 14)
#define DR7_FIXED	0x600
#define PAGE		4096ULL
#define TRAP_DB		1
#define TRAP_BP		3

static struct {
	pthread_mutex_t lock;
	bool attached, was_paused;
	void (*stopped)(const struct debug_stop *stop);
	struct watch hit;	/* rung by a vCPU */
	uint32_t flags;		/* KVM_GUESTDBG_* that there are */
	struct {
		bool used;
		uint64_t gpa;
		uint8_t byte;
	} soft[SOFTWARE_MAX];
	struct {
		bool used;
		enum debug_point type;
		uint64_t addr;
		unsigned int len;
	} hard[HARDWARE_MAX];
} dbg = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool translate(struct vcpu *vcpu, uint64_t addr, uint64_t *gpa)
{
	struct kvm_sregs sregs;

	return !ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) &&
	       walk(&vcpu->vm->mem, &sregs, addr, gpa);
}

/* The software breakpoint in a byte of memory, or -1. */
static int soft_at(uint64_t gpa)
{
	int i;

	for (i = 0; i < SOFTWARE_MAX; i++)
		if (dbg.soft[i].used && dbg.soft[i].gpa == gpa)
			return i;
	return -1;
}

static int hard_at(enum debug_point type, uint64_t addr, unsigned int len)
{
	int i;

	for (i = 0; i < HARDWARE_MAX; i++)
		if (dbg.hard[i].used && dbg.hard[i].type == type &&
		    dbg.hard[i].addr == addr && dbg.hard[i].len == len)
			return i;
	return -1;
}

/* Have the processor stop a vCPU where it is to (APM vol. 2 13.1.1 for the registers). */
static void arm(struct vcpu *vcpu, bool step, uint32_t more)
{
	static const uint8_t lengths[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	struct kvm_guest_debug g = { .control = KVM_GUESTDBG_ENABLE | more };
	unsigned int i;

	g.arch.debugreg[7] = DR7_FIXED;
	for (i = 0; i < SOFTWARE_MAX; i++)
		if (dbg.soft[i].used)
			g.control |= KVM_GUESTDBG_USE_SW_BP;
	for (i = 0; i < HARDWARE_MAX; i++) {
		uint32_t kind = dbg.hard[i].type == DEBUG_EXECUTE ? 0 :
			dbg.hard[i].type == DEBUG_WRITE ? 1 : 3;

		if (!dbg.hard[i].used)
			continue;
		g.control |= KVM_GUESTDBG_USE_HW_BP;
		g.arch.debugreg[i] = dbg.hard[i].addr;
		g.arch.debugreg[7] |= 2u << 2 * i |
			(uint64_t)(kind | lengths[dbg.hard[i].len] << 2) << (16 + 4 * i);
	}
	if (step)
		g.control |= KVM_GUESTDBG_SINGLESTEP | (dbg.flags & KVM_GUESTDBG_BLOCKIRQ);
	if (ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &g))
		warn("vCPU %u can't be debugged: %s", vcpu->id, strerror(errno));
}

/**
 * debug_hit() - a vCPU left its guest for the debugger
 * @vcpu: whose thread this is, KVM_EXIT_DEBUG in its run area
 */
void debug_hit(struct vcpu *vcpu)
{
	uint64_t gpa;

	pthread_mutex_lock(&dbg.lock);
	if (!dbg.attached)
		goto out;
	if (vcpu->run->debug.arch.exception == TRAP_BP &&
	    (!translate(vcpu, vcpu->run->debug.arch.pc, &gpa) || soft_at(gpa) < 0)) {
		/* A step goes on behind the guest's handler, where IRET brings TF back. */
		arm(vcpu, vcpu->stepping, KVM_GUESTDBG_INJECT_BP);
		goto out;
	}
	vcpu->hit = true;
	vcpu->held = true;
	event_signal(dbg.hit.fd);
out:
	pthread_mutex_unlock(&dbg.lock);
}

static void describe(struct vcpu *vcpu, struct debug_stop *stop)
{
	const struct kvm_debug_exit_arch *arch = &vcpu->run->debug.arch;
	unsigned int i;

	*stop = (struct debug_stop){ .cpu = vcpu->id, .point = -1 };
	if (arch->exception == TRAP_BP) {
		stop->point = DEBUG_SOFTWARE;
		return;
	}
	for (i = 0; i < HARDWARE_MAX; i++) {
		if (arch->dr6 >> i & 1 && dbg.hard[i].used) {
			stop->point = dbg.hard[i].type;
			stop->addr = dbg.hard[i].addr;
			return;
		}
	}
}

static void on_hit(void *arg)
{
	struct vm *vm = arg;
	struct debug_stop stop;
	unsigned int i;

	event_clear(dbg.hit.fd);
	if (!dbg.attached)
		return;
	for (i = 0; i < vm->cfg->cpus && !vm->vcpu[i].hit; i++)
		;
	if (i == vm->cfg->cpus)
		return;
	if (!vcpus_pause(vm))
		warn("a device keeps a vCPU, and the debugger doesn't have all of them");
	describe(&vm->vcpu[i], &stop);
	dbg.stopped(&stop);
}

/**
 * debug_attach() - a debugger has the machine: all vCPUs stop
 * @vm: the machine
 * @stopped: told when one has come to a breakpoint, or has made its step; all have stopped
 *
 * The loop's thread, as for all here but debug_hit().
 *
 * Return: false if a device keeps a vCPU.
 */
bool debug_attach(struct vm *vm, void (*stopped)(const struct debug_stop *stop))
{
	bool paused = vcpus_paused(vm);
	int flags = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_GUEST_DEBUG2);

	if (!vcpus_pause(vm)) {
		vcpus_resume(vm);
		return false;
	}
	if (!dbg.hit.ready) {
		dbg.hit = (struct watch){ event_create(), on_hit, vm };
		loop_add(&vm->loop, &dbg.hit);
	}
	dbg.flags = flags > 0 ? flags : 0;
	dbg.was_paused = paused;
	dbg.stopped = stopped;
	pthread_mutex_lock(&dbg.lock);
	dbg.attached = true;
	pthread_mutex_unlock(&dbg.lock);
	return true;
}

static void put_back(struct vm *vm, unsigned int i)
{
	uint8_t *p = mem_ptr(&vm->mem, dbg.soft[i].gpa, 1);

	/* The guest may have put something else there. */
	if (p && *p == INT3)
		*p = dbg.soft[i].byte;
	dbg.soft[i].used = false;
}

/** debug_detach() - it has it no more; the machine goes on as it was before. */
void debug_detach(struct vm *vm)
{
	struct kvm_guest_debug off = { 0 };
	unsigned int i;

	vcpus_pause(vm);
	pthread_mutex_lock(&dbg.lock);
	dbg.attached = false;
	for (i = 0; i < SOFTWARE_MAX; i++)
		if (dbg.soft[i].used)
			put_back(vm, i);
	memset(dbg.hard, 0, sizeof(dbg.hard));
	for (i = 0; i < vm->cfg->cpus; i++) {
		ioctl(vm->vcpu[i].fd, KVM_SET_GUEST_DEBUG, &off);
		vm->vcpu[i].hit = false;
		vm->vcpu[i].held = false;
	}
	pthread_mutex_unlock(&dbg.lock);
	if (!dbg.was_paused)
		vcpus_resume(vm);
}

/** debug_interrupt() - stop all vCPUs; false if a device keeps one. */
bool debug_interrupt(struct vm *vm)
{
	return vcpus_pause(vm);
}

/** debug_resume() - each vCPU does what @action[its number], an enum debug_action, says. */
void debug_resume(struct vm *vm, const uint8_t *action)
{
	unsigned int i;

	pthread_mutex_lock(&dbg.lock);
	for (i = 0; i < vm->cfg->cpus; i++) {
		vm->vcpu[i].hit = false;
		vm->vcpu[i].held = action[i] == DEBUG_HOLD;
		vm->vcpu[i].stepping = action[i] == DEBUG_STEP;
		arm(&vm->vcpu[i], vm->vcpu[i].stepping, 0);
	}
	pthread_mutex_unlock(&dbg.lock);
	vcpus_resume(vm);
}

/* KVM has them in another order. */
static __u64 *gpr(struct kvm_regs *r, unsigned int i)
{
	__u64 *const order[] = { &r->rax, &r->rbx, &r->rcx, &r->rdx, &r->rsi, &r->rdi,
		&r->rbp, &r->rsp, &r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13,
		&r->r14, &r->r15 };

	return order[i];
}

/* The tag word as it is written to memory by FSAVE: 3 is empty, and all else is 0 here. */
static uint16_t tags(uint8_t used)
{
	uint16_t word = 0;
	int i;

	for (i = 0; i < 8; i++)
		word |= (used >> i & 1 ? 0 : 3) << 2 * i;
	return word;
}

static bool get_state(int fd, struct kvm_regs *r, struct kvm_sregs *s, struct kvm_fpu *f)
{
	return !ioctl(fd, KVM_GET_REGS, r) && !ioctl(fd, KVM_GET_SREGS, s) &&
		!ioctl(fd, KVM_GET_FPU, f);
}

/** debug_get_regs() - those of a vCPU, all resting; false if they can't be had. */
bool debug_get_regs(struct vm *vm, unsigned int cpu, struct debug_regs *regs)
{
	struct kvm_sregs s;
	struct kvm_regs r;
	struct kvm_fpu f;
	unsigned int i;

	if (!get_state(vm->vcpu[cpu].fd, &r, &s, &f))
		return false;
	*regs = (struct debug_regs){
		.rip = r.rip,
		.eflags = r.rflags,
		.seg = { s.cs.selector, s.ss.selector, s.ds.selector, s.es.selector,
			 s.fs.selector, s.gs.selector },
		.fpu = { f.fcw, f.fsw, tags(f.ftwx), 0, f.last_ip, 0, f.last_dp, f.last_opcode },
		.mxcsr = f.mxcsr,
		.fs_base = s.fs.base,
		.gs_base = s.gs.base,
		.cr0 = s.cr0,
		.cr2 = s.cr2,
		.cr3 = s.cr3,
		.cr4 = s.cr4,
		.efer = s.efer,
	};
	for (i = 0; i < 16; i++)
		regs->gpr[i] = *gpr(&r, i);
	for (i = 0; i < 8; i++)
		memcpy(regs->st[i], f.fpr[i], sizeof(regs->st[i]));
	memcpy(regs->xmm, f.xmm, sizeof(regs->xmm));
	return true;
}

/** debug_set_regs() - but for selectors and control registers; false if it refuses. */
bool debug_set_regs(struct vm *vm, unsigned int cpu, const struct debug_regs *regs)
{
	int fd = vm->vcpu[cpu].fd;
	struct kvm_sregs s;
	struct kvm_regs r;
	struct kvm_fpu f;
	unsigned int i;

	if (!get_state(fd, &r, &s, &f))
		return false;
	r.rip = regs->rip;
	r.rflags = regs->eflags;
	for (i = 0; i < 16; i++)
		*gpr(&r, i) = regs->gpr[i];
	f.fcw = regs->fpu[0];
	f.fsw = regs->fpu[1];
	f.ftwx = 0;
	for (i = 0; i < 8; i++)
		f.ftwx |= ((regs->fpu[2] >> 2 * i & 3) != 3) << i;
	f.mxcsr = regs->mxcsr;
	for (i = 0; i < 8; i++)
		memcpy(f.fpr[i], regs->st[i], sizeof(regs->st[i]));
	memcpy(f.xmm, regs->xmm, sizeof(regs->xmm));
	if (ioctl(fd, KVM_SET_REGS, &r) || ioctl(fd, KVM_SET_FPU, &f))
		return false;
	if (s.fs.base == regs->fs_base && s.gs.base == regs->gs_base)
		return true;
	s.fs.base = regs->fs_base;
	s.gs.base = regs->gs_base;
	return !ioctl(fd, KVM_SET_SREGS, &s);
}

/* In one page: breakpoints are not seen, and stay where they are. */
static bool access_page(struct vm *vm, struct vcpu *vcpu, uint64_t addr, uint8_t *data,
			size_t len, bool write)
{
	uint64_t gpa;
	uint8_t *p;
	int i;

	if (!translate(vcpu, addr, &gpa))
		return false;
	p = mem_ptr(&vm->mem, gpa, len);
	if (!p)
		return false;
	if (!write)
		memcpy(data, p, len);
	for (i = 0; i < SOFTWARE_MAX; i++) {
		uint64_t off = dbg.soft[i].gpa - gpa;

		if (!dbg.soft[i].used || off >= len)
			continue;
		if (!write) {
			data[off] = dbg.soft[i].byte;
			continue;
		}
		dbg.soft[i].byte = data[off];
		data[off] = INT3;
	}
	if (write)
		memcpy(p, data, len);
	return true;
}

/**
 * debug_access() - read or write memory at a vCPU's addresses, whatever is permitted there
 * @vm: the machine, all vCPUs resting
 * @cpu: which
 * @addr: linear
 * @data: @len bytes; changed by writing, too
 * @len: of them
 * @write: or read
 *
 * Return: false if there is no RAM at a part of it.
 */
bool debug_access(struct vm *vm, unsigned int cpu, uint64_t addr, void *data, size_t len,
		  bool write)
{
	uint8_t *p = data;

	while (len) {
		size_t n = PAGE - addr % PAGE;

		if (n > len)
			n = len;
		if (!access_page(vm, &vm->vcpu[cpu], addr, p, n, write))
			return false;
		addr += n;
		p += n;
		len -= n;
	}
	return true;
}

static bool insert_soft(struct vm *vm, unsigned int cpu, uint64_t addr)
{
	uint64_t gpa;
	uint8_t *p;
	int i;

	if (!translate(&vm->vcpu[cpu], addr, &gpa))
		return false;
	p = mem_ptr(&vm->mem, gpa, 1);
	if (!p)
		return false;
	if (soft_at(gpa) >= 0)
		return true;
	for (i = 0; i < SOFTWARE_MAX && dbg.soft[i].used; i++)
		;
	if (i == SOFTWARE_MAX)
		return false;
	dbg.soft[i].used = true;
	dbg.soft[i].gpa = gpa;
	dbg.soft[i].byte = *p;
	*p = INT3;
	return true;
}

static bool insert_hard(enum debug_point type, uint64_t addr, unsigned int len)
{
	unsigned int i;

	/* The processor has none for reading alone, and wants addresses aligned. */
	if (type == DEBUG_EXECUTE)
		len = 1;
	if (type == DEBUG_READ || (len != 1 && len != 2 && len != 4 && len != 8) ||
	    addr % len)
		return false;
	if (hard_at(type, addr, len) >= 0)
		return true;
	for (i = 0; i < HARDWARE_MAX && dbg.hard[i].used; i++)
		;
	if (i == HARDWARE_MAX)
		return false;
	dbg.hard[i].used = true;
	dbg.hard[i].type = type;
	dbg.hard[i].addr = addr;
	dbg.hard[i].len = len;
	return true;
}

/**
 * debug_insert() - set a breakpoint, or a watchpoint
 * @vm: the machine, all vCPUs resting
 * @cpu: who sees @addr, for one in memory; the others are all vCPUs'
 * @type: of it
 * @addr: linear
 * @len: bytes that are watched
 *
 * Return: false if that can't be.
 */
bool debug_insert(struct vm *vm, unsigned int cpu, enum debug_point type, uint64_t addr,
		  unsigned int len)
{
	bool ok;

	pthread_mutex_lock(&dbg.lock);
	ok = type == DEBUG_SOFTWARE ? insert_soft(vm, cpu, addr) :
		insert_hard(type, addr, len);
	pthread_mutex_unlock(&dbg.lock);
	return ok;
}

/** debug_remove() - undo what debug_insert() did, told the same; false: there is none. */
bool debug_remove(struct vm *vm, unsigned int cpu, enum debug_point type, uint64_t addr,
		  unsigned int len)
{
	uint64_t gpa;
	int i = -1;

	pthread_mutex_lock(&dbg.lock);
	if (type != DEBUG_SOFTWARE) {
		i = hard_at(type, addr, type == DEBUG_EXECUTE ? 1 : len);
		if (i >= 0)
			dbg.hard[i].used = false;
	} else if (translate(&vm->vcpu[cpu], addr, &gpa)) {
		i = soft_at(gpa);
		if (i >= 0)
			put_back(vm, i);
	}
	pthread_mutex_unlock(&dbg.lock);
	return i >= 0;
}
