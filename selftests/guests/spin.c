// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM whose vCPUs count in memory for ever, for tests of what goes on around
 * it in the host. The node is $LODGE_NODE, else /dev/lodge.
 *
 *	spin try		create a VM, close it; exit with the errno
 *	spin hold [VCPUS]	say "running" once all count, until killed
 *	spin hotplug N		N times: the CPU under the vCPU goes off line
 *	spin ldt		modify_ldt() while another CPU runs the vCPU: the
 *				thread has the new table when it comes back
 *
 * It must count on after each of these; if not, spin says so and fails.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MEM_SIZE	0x10000
#define CODE		0x1000
#define COUNTERS	0x2000	/* one of four bytes for each vCPU */
#define MAX_VCPUS	16

static uint8_t *mem;
static int vm, run_size;
static volatile pid_t tids[MAX_VCPUS];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_node(void)
{
	const char *node = getenv("LODGE_NODE");
	int fd = open(node && *node ? node : "/dev/lodge", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("node");
	return fd;
}

static uint32_t counter(int i)
{
	return __atomic_load_n((uint32_t *)(mem + COUNTERS) + i,
			       __ATOMIC_RELAXED);
}

static void *vcpu_main(void *arg)
{
	int i = (intptr_t)arg, fd = ioctl(vm, KVM_CREATE_VCPU, i);
	struct kvm_regs regs = {
		/* IF set: else Bochs takes no interrupt while it spins. */
		.rip = CODE, .rflags = 0x202, .rbx = COUNTERS + 4 * i,
	};
	struct kvm_sregs sregs;
	struct kvm_run *run;

	if (fd < 0)
		die("KVM_CREATE_VCPU");
	run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (run == MAP_FAILED || ioctl(fd, KVM_GET_SREGS, &sregs))
		die("vCPU");
	sregs.cs.selector = sregs.cs.base = 0;
	if (ioctl(fd, KVM_SET_SREGS, &sregs) || ioctl(fd, KVM_SET_REGS, &regs))
		die("vCPU registers");
	tids[i] = syscall(SYS_gettid);
	while (!ioctl(fd, KVM_RUN, 0) || errno == EINTR || errno == EAGAIN)
		if (run->exit_reason != KVM_EXIT_INTR)
			break;
	fprintf(stderr, "vCPU %d: exit %u, %s\n", i, run->exit_reason,
		strerror(errno));
	exit(1);
}

static void start(int vcpus)
{
	/* Real mode: 1: lock incl (%bx); jmp 1b */
	static const uint8_t code[] = { 0xf0, 0x66, 0xff, 0x07, 0xeb, 0xfa };
	struct kvm_userspace_memory_region slot = { .memory_size = MEM_SIZE };
	int node = open_node(), i;
	pthread_t thread;

	vm = ioctl(node, KVM_CREATE_VM, 0);
	if (vm < 0)
		die("KVM_CREATE_VM");
	run_size = ioctl(node, KVM_GET_VCPU_MMAP_SIZE, 0);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		die("memory");
	memcpy(mem + CODE, code, sizeof(code));
	slot.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) ||
	    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot))
		die("slot");
	for (i = 0; i < vcpus; i++)
		if (pthread_create(&thread, NULL, vcpu_main,
				   (void *)(intptr_t)i))
			die("thread");
}

/* Ten seconds are for ever, in an emulated host on a busy machine too. */
static void must_count(int i, const char *when)
{
	uint32_t before = counter(i);
	int tries;

	for (tries = 0; tries < 10000; tries++) {
		if (counter(i) != before)
			return;
		usleep(1000);
	}
	fprintf(stderr, "vCPU %d stands still %s\n", i, when);
	exit(1);
}

static void pin(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(tid, sizeof(set), &set))
		die("sched_setaffinity");
}

static void set_online(int cpu, int on)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online",
		 cpu);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%d", on) < 0 || fclose(f))
		die(path);
}

static void hotplug(int times)
{
	int i;

	start(1);
	must_count(0, "at first");
	for (i = 0; i < times; i++) {
		pin(tids[0], 1);
		must_count(0, "on CPU 1");
		set_online(1, 0);
		must_count(0, "after its CPU went off line");
		set_online(1, 1);
	}
	printf("%d times\n", times);
}

static volatile sig_atomic_t ldt_seen;

/* In the vCPU's thread: may the LDT's first segment be loaded? */
static void look_at_ldt(int sig)
{
	uint16_t selector = 7;
	uint32_t rights = 0;
	uint8_t there;

	(void)sig;
	asm("lar %2, %0\n\tsetz %1" : "+r"(rights), "=r"(there)
	    : "r"((uint32_t)selector) : "cc");
	ldt_seen = there ? 1 : -1;
}

static void ldt(void)
{
	struct user_desc desc = {
		.limit = 0xfff, .seg_32bit = 1, .useable = 1,
	};
	int tries;

	signal(SIGUSR1, look_at_ldt);
	start(1);
	must_count(0, "at first");
	pin(tids[0], 1);
	pin(0, 0);
	must_count(0, "on CPU 1");
	if (syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)))
		die("modify_ldt");
	must_count(0, "after modify_ldt()");
	if (syscall(SYS_tgkill, getpid(), tids[0], SIGUSR1))
		die("tgkill");
	for (tries = 0; !ldt_seen && tries < 10000; tries++)
		usleep(1000);
	if (ldt_seen != 1) {
		fprintf(stderr, "the vCPU's thread has lost the LDT\n");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 1, i;

	if (argc > 1 && !strcmp(argv[1], "try"))
		return ioctl(open_node(), KVM_CREATE_VM, 0) < 0 ? errno : 0;
	if (argc > 1 && !strcmp(argv[1], "hold") && n <= MAX_VCPUS) {
		start(n);
		for (i = 0; i < n; i++)
			must_count(i, "at first");
		printf("running\n");
		fflush(stdout);
		for (;;)
			pause();
	}
	if (argc > 2 && !strcmp(argv[1], "hotplug")) {
		hotplug(n);
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "ldt")) {
		ldt();
		return 0;
	}
	fprintf(stderr, "usage: spin try | hold [VCPUS] | hotplug N | ldt\n");
	return 2;
}
