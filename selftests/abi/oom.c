// SPDX-License-Identifier: GPL-2.0-only
/*
 * No memory is left, in a memory cgroup or in the host. Guests fill lodge memory,
 * by itself more than there is, and check what they have. Nothing hangs; what can be
 * compressed or swapped is, and nobody is killed then; else the kernel kills a
 * VM, who is left has all its bytes, and all is given back.
 *
 * The suite memory-oom runs these in a host with little memory and a disk for the swap file.
 */
#include <signal.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "klog.h"
#include "object.h"
#include "protocol.h"
#include "oom.h"
#include "oom.guest.gen.h"

#define DIR	"/tmp/lodge-ext4"
#define DISK	"/dev/vda"	/* an ext4 is on it */
#define MAX_VMS	4
/* More than that is not filled here. */
#define SMALL	(640 * MiB)

struct child {
	pid_t pid;
	int status;
};

/* How many pages each is done with; of the bystander: 1. */
static volatile unsigned long *done;

static void progress_new(void)
{
	done = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(done != MAP_FAILED);
	memset((void *)done, 0, PAGE);
}

/* What lodge run does. */
static void expect(uint64_t bytes)
{
	struct sysinfo info;
	int fd = OK(open("/proc/self/oom_score_adj", O_WRONLY));

	OK(sysinfo(&info));
	OK(dprintf(fd, "%lu", bytes * 1000 / info.totalram));
	close(fd);
}

static void vm_main(int nr, uint64_t pages, uint32_t seed)
{
	struct vm *vm = vm_new(&payload);
	int fd = object(pages * PAGE, LODGE_MEMORY_MERGEABLE, "oom");
	uint8_t *m = mapped(fd, pages * PAGE);
	struct vcpu *v;

	vm_slot(vm, 1, 0, OOM_AT, pages * PAGE, m);
	v = vcpu_new(vm, 0, LONG64, G_fill);
	vcpu_args(v, pages, seed);
	for (;;) {
		/* Who was chosen to die may be told so. */
		if (ioctl(v->fd, KVM_RUN, 0))
			MUST(errno == EINTR || errno == ENOMEM, "%s", strerror(errno));
		else if (*(uint8_t *)io_data(v) == CMD_MARK)
			done[nr] = vcpu_regs(v).rbx;
		else
			break;
	}
	report_guest_failure(v);
	MUST(*(uint8_t *)io_data(v) == CMD_DONE);
	done[nr] = 2 * pages;
	_exit(0);
}

static void vm_start(struct child *c, int nr, bool grouped, uint64_t pages, uint32_t seed)
{
	fflush(stdout);
	c->pid = OK(fork());
	if (c->pid)
		return;
	if (grouped)
		OK(group_put(GROUP "/cgroup.procs", "0", 0));
	expect(pages * PAGE);
	vm_main(nr, pages, seed);
}

/* Those who were killed; all others have found what they wrote. */
static int vms_wait(struct child *c, int n)
{
	int i, killed = 0;

	for (i = 0; i < n; i++) {
		OK(waitpid(c[i].pid, &c[i].status, 0));
		if (WIFSIGNALED(c[i].status) && WTERMSIG(c[i].status) == SIGKILL) {
			test_note("VM %d was killed, %lu pages", i, done[i]);
			killed++;
		} else {
			CHECK_EQ(c[i].status, 0);
		}
	}
	return killed;
}

static int swap_on_disk(uint64_t bytes)
{
	uint8_t buf[32 * PAGE] = { };
	uint64_t i;
	int fd;

	if (access(DISK, F_OK))
		test_skip("no disk in this host");
	mkdir(DIR, 0700);
	OK(mount(DISK, DIR, "ext4", MS_NOATIME, ""));
	fd = OK(open(DIR "/swap", O_RDWR | O_CREAT | O_TRUNC, 0600));
	for (i = 0; i < bytes; i += sizeof(buf))
		OK(pwrite(fd, buf, sizeof(buf), i));
	OK(syncfs(fd));
	OK(swap_set(fd));
	return fd;
}

static void swap_end(int fd)
{
	if (fd < 0)
		return;
	/* It is empty. */
	CHECK_EQ(swap_set(-1), 0);
	close(fd);
	OK(umount(DIR));
}

static void need_pool(void)
{
	need_lodge();
	if (try_reclaim(object(PAGE, 0, ""), 0, 0))
		test_skip("no zsmalloc, or no lz4, in this kernel");
}

/* ---- the limit of a memory cgroup ---- */

#define LIMIT	(40 * MiB)

static void group(uint32_t flags, bool swapped, bool kills)
{
	struct child c[2];
	int swap = -1, killed, log, i;
	long events;

	need_pool();
	if (swapped)
		swap = swap_on_disk(64 * MiB);
	group_begin();
	OK(group_put(GROUP "/memory.max", "%ld", LIMIT));
	progress_new();
	log = klog_begin();
	for (i = 0; i < 2; i++)
		vm_start(&c[i], i, true, 30 * MiB / PAGE, flags | (i + 1));
	killed = vms_wait(c, 2);
	klog_end(log);
	events = group_get("memory.events", "oom_kill ");
	CHECK_EQ(events, killed);
	/* One alone has all that it needs. */
	CHECK_EQ(killed, kills);
	group_empty(MiB);
	group_end();
	swap_end(swap);
}

/* Two VMs of 30 MiB in 40: one goes, and the other one has its bytes. */
TEST_TIMEOUT(group, 120) { group(0, false, true); }

/* What shrinks fits in. */
TEST_TIMEOUT(group_compressed, 120) { group(1u << 31, false, false); }

/* So does what is swapped, whether it shrinks or not. */
TEST_TIMEOUT(group_swapped, 120) { group(0, true, false); }

/* ---- the host ---- */

/* Bytes that are free, or would be if somebody wanted them. */
static long available(void)
{
	char text[4096], *at;
	int fd = OK(open("/proc/meminfo", O_RDONLY));

	text[OK(read(fd, text, sizeof(text) - 1))] = 0;
	close(fd);
	at = strstr(text, "MemAvailable:");
	MUST(at);
	return atol(at + 13) * 1024;
}

/* Somebody else, who holds more memory of his own than any launcher. */
static void bystander(struct child *c, size_t size)
{
	uint8_t *p;

	c->pid = OK(fork());
	if (c->pid) {
		while (!done[MAX_VMS])
			usleep(1000);
		return;
	}
	p = mem_new(size);
	memset(p, 0x5a, size);
	done[MAX_VMS] = 1;
	for (;;)
		pause();
}

/* VMs that hold @percent of what is available, and how many of them are killed. */
static void host(uint32_t flags, long percent, bool kills)
{
	struct child c[3], other;
	long before, after, each;
	struct sysinfo info;
	int killed, log, i;

	OK(sysinfo(&info));
	if (info.totalram > SMALL)
		test_skip("a host with too much memory to be filled");
	need_pool();
	before = available();
	progress_new();
	bystander(&other, before / 8);
	each = available() * percent / 100 / 3 / (2 * MiB) * (2 * MiB);
	log = klog_begin();
	for (i = 0; i < 3; i++)
		vm_start(&c[i], i, false, each / PAGE, flags | (i + 1));
	killed = vms_wait(c, 3);
	klog_end(log);
	test_note("%d killed of 3 with %ld MiB each, %ld MiB available", killed, each >> 20,
		  before >> 20);
	/* As many as are in the way of the last, and not all. */
	CHECK(kills ? killed && killed < 3 : !killed);
	CHECK_EQ(waitpid(other.pid, &other.status, WNOHANG), 0);
	OK(kill(other.pid, SIGKILL));
	OK(waitpid(other.pid, &other.status, 0));
	for (i = 0; i < 100; i++) {
		after = available();
		if (before - after < 8 * (long)MiB)
			break;
		usleep(100000);
	}
	CHECK(before - after < 8 * (long)MiB, "%ld kB before, %ld kB after", before >> 10,
	      after >> 10);
}

/* More than there is, and no way to make it less: a VM is killed, and nobody else. */
TEST_TIMEOUT(host, 240) { host(0, 150, true); }

/* What shrinks, twice as much as there is. */
TEST_TIMEOUT(host_compressed, 240) { host(1u << 31, 200, false); }
