// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filters: in a child that has entered a role, a call that the role may make comes back,
 * with whatever result, and one that it may not make ends the child by SIGSYS.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/vhost.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../../uapi/lodge.h"
#include "lodge.h"
#include "sandbox.h"
#include "tap.h"
#include "util.h"

#define L	SANDBOX_LOOP
#define V	SANDBOX_VCPU
#define C	SANDBOX_CLEANER
#define ALL	(L | V | C)

/* Numbers that no descriptor has: what is allowed fails, and does no harm. */
#define BAD	999

/* A call, and the roles that may make it. */
struct call {
	const char *what;
	unsigned int roles;
	long nr, arg[6];
};

static char buf[4096];
static struct sockaddr_un nowhere = { AF_UNIX, "/nowhere" };

#define IOCTL(name, roles)	{ #name, roles, SYS_ioctl, { BAD, (long)(int)name, (long)buf } }

static const struct call calls[] = {
	/* What a vCPU and devices live by. */
	IOCTL(KVM_RUN, V),
	IOCTL(KVM_IRQ_LINE, L | V),
	IOCTL(KVM_SET_GSI_ROUTING, L | V),
	IOCTL(KVM_GET_REGS, L | V),
	IOCTL(KVM_GET_SREGS, L | V),
	IOCTL(KVM_TRANSLATE, 0),
	IOCTL(KVM_SET_REGS, L),
	IOCTL(KVM_SET_CLOCK, L),
	IOCTL(LODGE_BALLOON_REPORT, L | V),
	IOCTL(LODGE_MEMORY_DISCARD, L),
	IOCTL(VHOST_NET_SET_BACKEND, L | V),
	IOCTL(VHOST_SET_OWNER, L),
	IOCTL(TUNSETQUEUE, L | V),
	IOCTL(TUNGETIFF, L),
	IOCTL(BLKGETSIZE64, L),
	IOCTL(TCSETSF, L | V),
	/* Other memory for the guest; other guests; other interfaces; keys for the shell. */
	IOCTL(KVM_SET_USER_MEMORY_REGION, 0),
	IOCTL(KVM_CREATE_VM, 0),
	IOCTL(KVM_CREATE_VCPU, 0),
	IOCTL(LODGE_CREATE_MEMORY, 0),
	IOCTL(LODGE_SWAP_SET, 0),
	IOCTL(TUNSETIFF, 0),
	IOCTL(TUNSETPERSIST, 0),
	IOCTL(TIOCSTI, 0),
	IOCTL(BLKDISCARD, 0),
	IOCTL(FIOCLEX, 0),

	{ "read", ALL, SYS_read, { BAD, (long)buf, 1 } },
	{ "write", L | V, SYS_write, { BAD, (long)buf, 1 } },
	{ "epoll_wait", L, SYS_epoll_wait, { BAD, (long)buf, 1, 0 } },
	{ "io_uring_enter", L | V, SYS_io_uring_enter, { BAD, 0, 0, 0, 0, 0 } },
	{ "accept4", L, SYS_accept4, { BAD, 0, 0, 0 } },
	{ "sendmsg", L | V, SYS_sendmsg, { BAD, (long)buf, 0 } },
	{ "eventfd2", L | V, SYS_eventfd2, { 0, EFD_CLOEXEC } },
	{ "memfd_create", L, SYS_memfd_create, { (long)"x", 0 } },
	{ "futex", L | V, SYS_futex, { (long)buf, 1, 0 } },
	{ "getrandom", L | V, SYS_getrandom, { (long)buf, 8, 0 } },
	{ "clock_nanosleep", ALL, SYS_clock_nanosleep, { 0, 0, (long)buf, 0 } },
	{ "unlink", L | C, SYS_unlink, { (long)"/nowhere/x" } },
	{ "unlinkat", C, SYS_unlinkat, { BAD, (long)"x", AT_REMOVEDIR } },
	{ "fstat", L | V, SYS_newfstatat, { BAD, (long)"", (long)buf, AT_EMPTY_PATH } },

	/* Files by name. */
	{ "open", 0, SYS_open, { (long)"/dev/null", O_RDONLY } },
	{ "openat", 0, SYS_openat, { AT_FDCWD, (long)"/dev/null", O_RDONLY } },
	{ "openat2", 0, SYS_openat2, { AT_FDCWD, (long)"/dev/null", (long)buf, 24 } },
	{ "stat by name", 0, SYS_newfstatat, { AT_FDCWD, (long)"/", (long)buf, 0 } },
	{ "rename", 0, SYS_rename, { (long)"/nowhere/x", (long)"/nowhere/y" } },
	{ "chmod", 0, SYS_chmod, { (long)"/nowhere/x", 0 } },
	{ "mount", 0, SYS_mount, { 0, 0, 0, 0, 0 } },
	{ "chroot", 0, SYS_chroot, { (long)"/nowhere/x" } },

	/* Programs, processes, threads, and others' of them. */
	{ "execve", 0, SYS_execve, { (long)"/nowhere/x", 0, 0 } },
	{ "execveat", 0, SYS_execveat, { BAD, (long)"", 0, 0, AT_EMPTY_PATH } },
	{ "fork", 0, SYS_fork, { 0 } },
	{ "clone", 0, SYS_clone, { SIGCHLD, 0, 0, 0, 0 } },
	{ "clone3", 0, SYS_clone3, { (long)buf, 0 } },
	{ "ptrace", 0, SYS_ptrace, { 16, 1, 0, 0 } },
	{ "process_vm_writev", 0, SYS_process_vm_writev, { 1, 0, 0, 0, 0, 0 } },
	{ "pidfd_open", 0, SYS_pidfd_open, { 1, 0 } },
	{ "pidfd_send_signal, SIGKILL", L, SYS_pidfd_send_signal, { BAD, SIGKILL, 0, 0 } },
	{ "pidfd_send_signal, SIGSTOP", 0, SYS_pidfd_send_signal, { BAD, SIGSTOP, 0, 0 } },
	{ "kill", 0, SYS_kill, { 1, 0 } },
	{ "tgkill of init", 0, SYS_tgkill, { 1, 1, 0 } },
	{ "setuid", 0, SYS_setuid, { 0 } },
	{ "unshare", 0, SYS_unshare, { 0 } },
	{ "prctl", 0, SYS_prctl, { PR_SET_DUMPABLE, 1 } },
	{ "seccomp", 0, SYS_seccomp, { 2, 0, (long)buf } },

	/* Networks; rings without rules; the kernel. */
	{ "socket, AF_UNIX", L, SYS_socket, { AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0 } },
	{ "socket, AF_INET", 0, SYS_socket, { AF_INET, SOCK_STREAM, 0 } },
	{ "socket, AF_NETLINK", 0, SYS_socket, { AF_NETLINK, SOCK_RAW, 0 } },
	{ "socket, AF_VSOCK", 0, SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 } },
	{ "connect", L, SYS_connect, { BAD, (long)&nowhere, sizeof(nowhere) } },
	{ "getsockopt, SO_TYPE", L, SYS_getsockopt, { BAD, SOL_SOCKET, SO_TYPE, 0, 0 } },
	{ "getsockopt, SO_PEERPIDFD", 0, SYS_getsockopt, { BAD, SOL_SOCKET, 77, 0, 0 } },
	{ "bind", 0, SYS_bind, { BAD, (long)&nowhere, sizeof(nowhere) } },
	{ "io_uring_setup", 0, SYS_io_uring_setup, { 1, (long)buf } },
	{ "io_uring_register", 0, SYS_io_uring_register, { BAD, 0, 0, 0 } },
	{ "bpf", 0, SYS_bpf, { 0, 0, 0 } },
	{ "perf_event_open", 0, SYS_perf_event_open, { (long)buf, 0, 0, 0, 0 } },
	{ "userfaultfd", 0, SYS_userfaultfd, { 0 } },
	{ "keyctl", 0, SYS_keyctl, { 0, 0, 0, 0, 0 } },

	/* Memory that can be executed. */
	{ "mmap", L | V, SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "mmap, PROT_EXEC", 0, SYS_mmap,
	  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "mprotect", 0, SYS_mprotect, { 0, 4096, PROT_READ } },
	{ "pkey_mprotect", 0, SYS_pkey_mprotect, { 0, 4096, PROT_EXEC, -1 } },
	{ "fcntl, F_GETFL", L, SYS_fcntl, { BAD, F_GETFL, 0 } },
	{ "fcntl, F_SETFL", 0, SYS_fcntl, { BAD, F_SETFL, 0 } },
	/* As 32-bit programs of the x32 ABI call it: read. */
	{ "a call of x32", 0, 0x40000000, { BAD, (long)buf, 1 } },
	{ "a call that there will be", 0, 460, { 0 } },
};

static void *idle(void *arg)
{
	pause();
	return arg;
}

/* How a child ends that is in @role, or in none, and does @fn, perhaps with another thread. */
static int after(unsigned int role, bool threads, void (*fn)(const void *), const void *arg)
{
	pthread_t thread;
	pid_t pid = fork();
	int status;

	if (!pid) {
		/* The sanitizer's handler would say more than is asked. */
		signal(SIGSEGV, SIG_DFL);
		if (threads && pthread_create(&thread, NULL, idle, NULL))
			_exit(76);
		if (role && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || sandbox_enter(role)))
			_exit(77);
		fn(arg);
		syscall(SYS_exit_group, 0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void do_call(const void *arg)
{
	const struct call *c = arg;

	syscall(c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4], c->arg[5]);
}

/* By the gate of 32-bit programs, where 3 is read, and close in 64 bits. */
static void do_int80(const void *arg)
{
	long ret;

	(void)arg;
	asm volatile("int $0x80" : "=a"(ret) : "a"(3), "b"(BAD), "c"(0), "d"(0) : "memory");
}

static void do_raise(const void *arg)
{
	(void)arg;
	signal(SIGUSR1, SIG_IGN);
	if (raise(SIGUSR1))
		syscall(SYS_exit_group, 1);
}

/* To a file, of which it isn't known before what it is. */
static void do_say(const void *arg)
{
	(void)arg;
	warn("%s %u %f", "words", 42, 1.5);
	fprintf(stderr, "%s %u\n", "words", 43);
}

static void do_nothing(const void *arg)
{
	(void)arg;
}

static void try_role(unsigned int role, const char *name)
{
	int how = after(role, false, do_nothing, NULL);
	unsigned int i;

	check(!how, "%s: the role is entered (%d)", name, how);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		bool may = calls[i].roles & role;

		how = after(role, false, do_call, &calls[i]);
		check(how == (may ? 0 : SIGSYS), "%s: %s %s (%d)", name, calls[i].what,
		      may ? "comes back" : "is the end", how);
	}
	/* Not every kernel has them. */
	if (after(0, false, do_int80, NULL) == SIGSEGV)
		return;
	how = after(role, false, do_int80, NULL);
	check(how == SIGSYS, "%s: a 32-bit call is the end (%d)", name, how);
}

int main(void)
{
	unsigned int i;

	if (!sandbox_check()) {
		printf("1..0 # SKIP this kernel has no filters of system calls\n");
		return 0;
	}
	sandbox_prepare();
	try_role(L, "the loop");
	try_role(V, "a vCPU");
	try_role(C, "the cleaner");
	check(!after(L, false, do_raise, NULL) && !after(V, false, do_raise, NULL),
	      "signals to oneself");
	if (freopen("/dev/null", "w", stderr))
		check(!after(L, false, do_say, NULL) && !after(V, false, do_say, NULL),
		      "words on standard error");
	for (i = 0; calls[i].nr != SYS_execve; i++)
		;
	check(after(V, true, do_call, &calls[i]) == SIGSYS, "it is the end of all threads");
	return done();
}
