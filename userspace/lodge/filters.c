// SPDX-License-Identifier: GPL-2.0-only
/*
 * filters: what each role in the sandbox may call. When the launcher is built, this program
 * prints the filters as programs for the kernel's BPF machine (seccomp(2)), which libseccomp
 * makes of the table: so no start of a machine waits for that, and the launcher needs no
 * such library.
 *
 * The table has a line for each call, or for each value of an argument that a call may
 * have there. Only the lower 32 bits of an argument are looked at: the kernel takes no more
 * of any of these. sandbox.c says what must not be among them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/vhost.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../uapi/lodge.h"
#include "lodge.h"
#include "sandbox.h"

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
	CALL_IF(getsockopt, L, 2, SO_TYPE),

	/* What is added is judged, and has timers, and memory to share. */
	FCNTL(F_DUPFD_CLOEXEC, L),
	FCNTL(F_GETFL, L),
	FCNTL(F_ADD_SEALS, L),
	CALL(flock, L),
	CALL(timerfd_create, L),
	CALL(memfd_create, L),
	CALL(ftruncate, L),

	/* passt, and the control socket at the end. */
	CALL_IF(pidfd_send_signal, L, 1, SIGKILL),
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
	CALL_IF(tgkill, L | V, 0, SANDBOX_MYSELF),
	CALL(rt_sigaction, L | V),
	CALL(rt_sigprocmask, L | V),
	CALL(rt_sigreturn, L | V | C),
	CALL(exit, V),
	CALL(exit_group, L | V | C),
};

/* Rules for libseccomp; 0 or -errno. */
static int add_rules(scmp_filter_ctx ctx, enum sandbox_role role)
{
	const struct rule *r;
	int ret = 0;

	for (r = rules; !ret && r < rules + ARRAY_SIZE(rules); r++) {
		if (!(r->roles & role))
			continue;
		if (r->mask)
			ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, r->nr, 1,
					       SCMP_CMP(r->arg, SCMP_CMP_MASKED_EQ, r->mask,
							r->value));
		else
			ret = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, r->nr, 0);
	}
	return ret;
}

/*
 * A filter as an array of struct sock_filter, and which of them compares with the process's
 * number: one, if the role may signal itself.
 */
static int print(scmp_filter_ctx ctx, const char *name, bool signals)
{
	FILE *file = tmpfile();
	struct sock_filter insn;
	int ret, n = 0, myself = -1, found = 0;

	if (!file)
		return -errno;
	ret = seccomp_export_bpf(ctx, fileno(file));
	rewind(file);
	printf("static const struct sock_filter filter_of_%s[] = {\n", name);
	for (; !ret && fread(&insn, sizeof(insn), 1, file) == 1; n++) {
		printf("\t{ %#x, %u, %u, %#x },\n", insn.code, insn.jt, insn.jf, insn.k);
		if (insn.code == (BPF_JMP | BPF_JEQ | BPF_K) && insn.k == SANDBOX_MYSELF) {
			myself = n;
			found++;
		}
	}
	printf("};\n#define MYSELF_OF_%s\t%d\n\n", name, myself);
	if (!ret && (ferror(file) || !n || found != signals))
		ret = -EIO;
	fclose(file);
	return ret;
}

static int filter(enum sandbox_role role, const char *name, bool signals)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int ret;

	if (!ctx)
		return -ENOMEM;
	/* Another architecture's calls have other numbers. Of ours, the way is to be short. */
	ret = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!ret)
		ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!ret)
		ret = add_rules(ctx, role);
	if (!ret)
		ret = print(ctx, name, signals);
	seccomp_release(ctx);
	return ret;
}

int main(void)
{
	int ret = filter(L, "loop", true);

	if (!ret)
		ret = filter(V, "vcpu", true);
	if (!ret)
		ret = filter(C, "cleaner", false);
	if (!ret && (fflush(stdout) || ferror(stdout)))
		ret = -EIO;
	if (ret)
		fprintf(stderr, "filters: %s\n", strerror(-ret));
	return !!ret;
}
