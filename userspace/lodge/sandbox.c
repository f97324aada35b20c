// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The sandbox
 *
 * What a guest that has taken over a device of the launcher could still do: what is in the
 * table below, and nothing else. Each thread has a filter of system calls for its
 * role, which it enters when all is opened and built, and before the guest's first
 * instruction. Any other call ends the process, all threads at once, by SIGSYS.
 *
 * The table has a line for each call, or for each value of an argument that a call may
 * have; the filter (a program for the kernel's BPF machine, seccomp(2)) is made of those
 * with the thread's role, in this order, which is why what is frequent is at the top. Only the lower
 * 32 bits of an argument are looked at: the kernel takes no more of any of these.
 *
 * No thread may begin another one, start a program, open a file by its name, map memory
 * that can be executed, or change what memory the guest has. What else there is: the
 * process's user and capabilities, Landlock (confine.c); its control group (limits.c).
 */
#include <fcntl.h>
#include <jansson.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vhost.h>
#include <malloc.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../uapi/lodge.h"
#include "lodge.h"
#include "sandbox.h"
#include "util.h"

#define L	SANDBOX_LOOP
#define V	SANDBOX_VCPU
#define C	SANDBOX_CLEANER

/* A call that is allowed, if (its argument @arg & @mask) is @value. */
struct rule {
	uint16_t nr;
	uint8_t roles;
	uint8_t arg;
	uint32_t mask, value;
};

#define CALL(name, roles)	{ __NR_##name, roles, 0, 0, 0 }
#define CALL_IF(name, roles, arg, value) \
	{ __NR_##name, roles, arg, UINT32_MAX, value }
#define IOCTL(nr, roles)	CALL_IF(ioctl, roles, 1, nr)
#define NO_EXEC(name, roles)	{ __NR_##name, roles, 2, PROT_EXEC, 0 }
#define FCNTL(cmd, roles)	CALL_IF(fcntl, roles, 1, cmd)
/* The process itself, whose number isn't known yet. */
#define MYSELF	UINT32_MAX

/* Lines of the same call stand together. */
static const struct rule rules[] = {
	/* The vCPU; interrupts, and the eventfds of notifications, that a guest moves. */
	IOCTL(KVM_RUN, V),
	IOCTL(KVM_IRQ_LINE, L | V),
	IOCTL(KVM_IRQFD, L | V),
	IOCTL(KVM_IOEVENTFD, L | V),
	IOCTL(KVM_SET_GSI_ROUTING, L | V),
	/* Its registers, for last words and for debuggers; the clock of one that is paused. */
	IOCTL(KVM_GET_REGS, L | V),
	IOCTL(KVM_GET_SREGS, L | V),
	IOCTL(KVM_TRANSLATE, L | V),
	IOCTL(KVM_SET_GUEST_DEBUG, L | V),
	IOCTL(KVM_GET_FPU, L),
	IOCTL(KVM_SET_REGS, L),
	IOCTL(KVM_SET_SREGS, L),
	IOCTL(KVM_SET_FPU, L),
	IOCTL(KVM_CHECK_EXTENSION, L),
	IOCTL(KVM_GET_CLOCK, L),
	IOCTL(KVM_SET_CLOCK, L),
	IOCTL(KVM_KVMCLOCK_CTRL, L),
	/* The balloon: a driver's reset is told of by its vCPU. */
	IOCTL(LODGE_BALLOON_REPORT, L | V),
	IOCTL(LODGE_BALLOON_GET, L),
	IOCTL(LODGE_BALLOON_SET, L),
	IOCTL(LODGE_MEMORY_DISCARD, L),
	/* vhost and taps: drivers begin and end in their vCPU. */
	IOCTL(VHOST_SET_FEATURES, L | V),
	IOCTL(VHOST_SET_VRING_NUM, L | V),
	IOCTL(VHOST_SET_VRING_BASE, L | V),
	IOCTL(VHOST_GET_VRING_BASE, L | V),
	IOCTL(VHOST_SET_VRING_ADDR, L | V),
	IOCTL(VHOST_SET_VRING_KICK, L | V),
	IOCTL(VHOST_SET_VRING_CALL, L | V),
	IOCTL(VHOST_SET_VRING_ERR, L | V),
	IOCTL(VHOST_NET_SET_BACKEND, L | V),
	IOCTL(VHOST_VSOCK_SET_RUNNING, L | V),
	IOCTL(TUNSETOFFLOAD, L | V),
	IOCTL(TUNSETQUEUE, L | V),
	/* Devices that are added: all but opening them. */
	IOCTL(VHOST_SET_OWNER, L),
	IOCTL(VHOST_GET_FEATURES, L),
	IOCTL(VHOST_SET_MEM_TABLE, L),
	IOCTL(TUNGETIFF, L),
	IOCTL(TUNSETVNETHDRSZ, L),
	IOCTL(BLKGETSIZE64, L),
	/* The terminal, which a handler of signals puts back in any thread. */
	IOCTL(TCGETS, L | V),
	IOCTL(TCSETS, L | V),
	IOCTL(TCSETSF, L | V),

	/* Events, keys, messages. */
	CALL(epoll_wait, L),
	CALL(epoll_pwait, L),
	CALL(read, L | V | C),
	CALL(write, L | V),
	CALL(io_uring_enter, L | V),
	CALL(preadv2, L | V),
	CALL(recvfrom, L | V),
	CALL(recvmsg, L),
	CALL(sendto, L | V),
	CALL(sendmsg, L | V),
	CALL(poll, L | V),
	CALL(epoll_ctl, L | V),
	CALL(timerfd_settime, L | V),
	CALL(close, L | V),
	/* The eventfd of an interrupt that a guest begins to use. */
	CALL(eventfd2, L | V),

	/* Clients of the control socket; back ends of vhost-user, also when they come again. */
	CALL(accept4, L),
	CALL(shutdown, L),
	CALL_IF(socket, L, 0, AF_UNIX),
	CALL(connect, L),
	CALL(getsockopt, L),

	/* What is added is judged, and has timers, and memory to share. */
	FCNTL(F_DUPFD_CLOEXEC, L),
	FCNTL(F_GETFL, L),
	FCNTL(F_ADD_SEALS, L),
	CALL(flock, L),
	CALL(timerfd_create, L),
	CALL(memfd_create, L),
	CALL(ftruncate, L),

	/* passt, and the control socket at the end. */
	CALL(pidfd_send_signal, L),
	CALL(unlink, L | C),
	CALL(unlinkat, C),

	/* What the C library wants for memory, locks, time, signals and the end. */
	CALL(futex, L | V),
	CALL(brk, L | V),
	NO_EXEC(mmap, L | V),
	CALL(munmap, L | V),
	CALL(mremap, L | V),
	CALL(madvise, L | V),
	CALL(getrandom, L | V),
	CALL(sysinfo, L),
	CALL(clock_gettime, L | V),
	CALL(gettimeofday, L | V),
	CALL(time, L | V),
	CALL(clock_nanosleep, L | V | C),
	CALL(nanosleep, L | V | C),
	CALL(sched_yield, L | V),
	CALL(restart_syscall, L | V | C),
	/* Messages, and last words of its own: what kind of file are they for? */
	CALL(lseek, L | V),
	CALL_IF(newfstatat, L | V, 3, AT_EMPTY_PATH),
	CALL(fstat, L | V),
	CALL(writev, L | V),
	CALL(getpid, L | V),
	CALL(gettid, L | V),
	CALL_IF(tgkill, L | V, 0, MYSELF),
	CALL(rt_sigaction, L | V),
	CALL(rt_sigprocmask, L | V),
	CALL(rt_sigreturn, L | V | C),
	CALL(exit, V),
	CALL(exit_group, L | V | C),
};

/* Three instructions for a line at most, two more for a call, and some at both ends. */
#define PROGRAM_MAX	(5 * ARRAY_SIZE(rules) + 6)

struct program {
	struct sock_filter insn[PROGRAM_MAX];
	bool allows[PROGRAM_MAX];	/* a comparison that ends in the last instruction */
	unsigned int len;
};

static void emit(struct program *p, uint16_t code, uint32_t k)
{
	p->insn[p->len++] = (struct sock_filter){ .code = code, .k = k };
}

static void load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, offset);
}

static void compare(struct program *p, uint32_t k)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, k);
}

/* If it is @k, that is all there is to know. */
static void allow(struct program *p, uint32_t k)
{
	p->allows[p->len] = true;
	compare(p, k);
}

/* How far a jump at @from goes that ends at @to. */
static uint8_t distance(unsigned int from, unsigned int to)
{
	if (to - from - 1 > UINT8_MAX)
		die("the filter of system calls is too long");
	return to - from - 1;
}

/* Lines from @r on that are of one call, whose argument decides; or the next call's. */
static const struct rule *add_call(struct program *p, const struct rule *r,
				   const struct rule *last, enum sandbox_role role)
{
	unsigned int nr = r->nr, from = p->len;
	int loaded = -1;

	compare(p, nr);
	for (; r < last && r->nr == nr; r++) {
		if (!(r->roles & role))
			continue;
		/* The lower half of an argument comes first. */
		if (loaded != r->arg)
			load(p, offsetof(struct seccomp_data, args[r->arg]));
		loaded = r->arg;
		if (r->mask != UINT32_MAX) {
			emit(p, BPF_ALU | BPF_AND | BPF_K, r->mask);
			loaded = -1;
		}
		allow(p, r->value == MYSELF ? (uint32_t)getpid() : r->value);
	}
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	p->insn[from].jf = distance(from, p->len);
	return r;
}

static void build(struct program *p, enum sandbox_role role)
{
	const struct rule *r = rules, *last = rules + ARRAY_SIZE(rules);
	unsigned int i;

	/* Another architecture's calls have other numbers; those of x32 are none of these. */
	load(p, offsetof(struct seccomp_data, arch));
	compare(p, AUDIT_ARCH_X86_64);
	p->insn[p->len - 1].jt = 1;
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	load(p, offsetof(struct seccomp_data, nr));
	while (r < last) {
		if (r->mask) {
			r = add_call(p, r, last, role);
			continue;
		}
		if (r->roles & role)
			allow(p, r->nr);
		r++;
	}
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	for (i = 0; i < p->len; i++)
		if (p->allows[i])
			p->insn[i].jt = distance(i, p->len);
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

/** sandbox_check() - whether the kernel has what sandbox_enter() wants; errno says why not. */
bool sandbox_check(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return !syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
}

/**
 * sandbox_prepare() - do what libraries would do later, when they can't any more
 *
 * Before there is a second thread.
 */
void sandbox_prepare(void)
{
	size_t seed = 0;

	/* The first object would have its tables seeded by a file. */
	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		json_object_seed(seed | 1);
	/* Threads would have heaps of their own, by counting CPUs and protecting memory. */
	mallopt(M_ARENA_MAX, 1);
}

/**
 * sandbox_enter() - this thread does from here on what its role may, or ends the process
 * @role: of it
 *
 * Threads that are begun from here on have the same filter, and no way to lose it. new
 * privileges were given up. Return: 0, or -1 with errno.
 */
int sandbox_enter(enum sandbox_role role)
{
	struct program p = { 0 };
	struct sock_fprog prog = { .filter = p.insn };

	build(&p, role);
	prog.len = p.len;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) ? -1 : 0;
}
