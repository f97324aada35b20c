// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lodge memory when all happens at once, and when things fail. Three VMs share two objects;
 * guests and launchers write and check patterns in each way that there is, and a third
 * thread of each VM merges, compresses, swaps, and changes what it can. VMs are killed at any
 * moment, others go on where they were. Every byte is what was written, no system call
 * fails but for a reason, and the memory cgroup's account shows that all is given back.
 *
 * LODGE_OPS: what each actor does at least. The suites faults and faults-long have hosts
 * in which allocations fail and CPUs come and go.
 */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "cgroup.h"
#include "inject.h"
#include "object.h"
#include "protocol.h"
#include "torture.h"
#include "torture.guest.gen.h"

#define SIZE	(PAGES * PAGE)
#define DISK	"/dev/vda"
#define SWAP	"/tmp/lodge-swap"

struct state {
	struct actor actor[ACTORS];
	unsigned long failed[VMS], direct, hotplugged, workers;
	bool injecting;
};

static struct state *all;
static int object_fd[OBJECTS], disk = -1;
/* Of a child. */
static int vm_nr;
static uint8_t *map[OBJECTS];
static struct vm *vm;

/* What may be said of an operation where allocations fail. */
static bool may_fail(int err)
{
	/* pipe() has no inode, and says so. */
	return all->injecting && (err == ENOMEM || err == EFAULT || err == EAGAIN ||
				  err == ENFILE);
}

#define ALLOWED(expr) ({						\
	long a_ = (long)(expr);						\
	if (a_ == -1) {							\
		MUST(may_fail(errno), "%s: %s", #expr, strerror(errno));	\
		__atomic_add_fetch(&all->failed[vm_nr], 1, __ATOMIC_RELAXED);	\
	}								\
	a_; })

/* What must be done before it goes on. */
#define UNTIL(expr)	do { } while (ALLOWED(expr) == -1)

static bool in_page(struct cell c, const uint64_t *w, unsigned int first, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (w[i] != torture_word(c.old, first + i) &&
		    w[i] != torture_word(c.new, first + i))
			return false;
	return true;
}

/* ---- the launcher's thread ---- */

struct place {
	struct actor *a;
	unsigned int o, page, first, nr;	/* words */
	size_t at, size;			/* bytes */
	struct cell *cell;
	uint8_t *mem;
};

static struct place place(struct actor *a, unsigned int o, unsigned int page,
			  unsigned int first, unsigned int nr)
{
	return (struct place) {
		.a = a, .o = o, .page = page, .first = first, .nr = nr,
		.at = page * PAGE + first * 8, .size = nr * 8,
		.cell = &a->cell[o][page], .mem = map[o] + page * PAGE + first * 8,
	};
}

/* A place of its own on the disk, of each actor. */
static off_t disk_at(const struct place *p)
{
	return p->a->nr * PAGE + p->first * 8;
}

static bool via_mapping(const struct place *p, int flags, uint8_t *buf, bool write)
{
	size_t base = p->page * PAGE, in = p->first * 8;
	uint8_t *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, flags, object_fd[p->o],
			  base);

	if (ALLOWED(m == MAP_FAILED ? -1 : 0))
		return false;
	memcpy(write ? m + in : buf, write ? buf : m + in, p->size);
	munmap(m, PAGE);
	return true;
}

static bool pipe_io(int fd, void *buf, size_t size, bool write_it)
{
	size_t done = 0;
	long n;

	while (done < size) {
		n = write_it ? ALLOWED(write(fd, buf + done, size - done)) :
			       ALLOWED(read(fd, buf + done, size - done));
		if (n > 0)
			done += n;
	}
	return true;
}

/* Through a pipe, which holds the page, or fills it. */
static bool via_pipe(const struct place *p, uint8_t *buf, bool write)
{
	struct iovec iov = { .iov_base = p->mem, .iov_len = p->size };
	bool ok = false;
	int fd[2];

	if (ALLOWED(pipe(fd)))
		return false;
	if (write) {
		ok = pipe_io(fd[1], buf, p->size, true) &&
		     pipe_io(fd[0], p->mem, p->size, false);
	} else if (ALLOWED(vmsplice(fd[1], &iov, 1, 0)) == (long)p->size) {
		sched_yield();
		ok = pipe_io(fd[0], buf, p->size, false);
	}
	close(fd[0]);
	close(fd[1]);
	return ok;
}

static bool disk_io(void *mem, const struct place *p, bool write)
{
	/* What it is told of an error of ours is EIO. */
	long n = write ? pwrite(disk, mem, p->size, disk_at(p)) :
			 pread(disk, mem, p->size, disk_at(p));

	if (n == (long)p->size) {
		__atomic_add_fetch(&all->direct, 1, __ATOMIC_RELAXED);
		return true;
	}
	MUST(all->injecting, "O_DIRECT: %ld, %s", n, strerror(errno));
	return false;
}

static bool whole(long n, const struct place *p)
{
	MUST(n == (long)p->size || all->injecting, "%ld of %zu", n, p->size);
	return n == (long)p->size;
}

static bool get(const struct place *p, unsigned int way, uint8_t *buf)
{
	switch (way % 6) {
	case 0:
		return whole(ALLOWED(pread(object_fd[p->o], buf, p->size, p->at)), p);
	case 1:
		return via_mapping(p, MAP_SHARED, buf, false);
	case 2:
		return via_mapping(p, MAP_PRIVATE, buf, false);
	case 3:
		return via_pipe(p, buf, false);
	case 4:
		return disk >= 0 && disk_io(p->mem, p, true) && disk_io(buf, p, false);
	default:
		memcpy(buf, p->mem, p->size);
		return true;
	}
}

static bool put(const struct place *p, unsigned int way, uint8_t *buf)
{
	switch (way % 5) {
	case 0:
		return whole(ALLOWED(pwrite(object_fd[p->o], buf, p->size, p->at)), p);
	case 1:
		return via_mapping(p, MAP_SHARED, buf, true);
	case 2:
		return via_pipe(p, buf, true);
	case 3:
		return disk >= 0 && disk_io(buf, p, true) && disk_io(p->mem, p, false);
	default:
		return false;
	}
}

static void write_place(const struct place *p, unsigned int way, unsigned int seed)
{
	uint8_t buf[PAGE] __attribute__((aligned(PAGE)));
	unsigned int i;

	for (i = 0; i < p->nr; i++)
		((uint64_t *)buf)[i] = torture_word(seed, p->first + i);
	__atomic_store_n(&p->cell->new, seed, __ATOMIC_SEQ_CST);
	if (!put(p, way, buf))
		memcpy(p->mem, buf, p->size);
	__atomic_store_n(&p->cell->old, seed, __ATOMIC_SEQ_CST);
}

static void check_place(const struct place *p, unsigned int way)
{
	uint8_t buf[PAGE] __attribute__((aligned(PAGE)));
	unsigned int i;

	if (!get(p, way, buf))
		memcpy(buf, p->mem, p->size);
	for (i = 0; i < p->nr; i++)
		MUST(in_page(*p->cell, (uint64_t *)buf + i, p->first + i, 1),
		     "actor %u, %u.%u, way %u, word %u: %#lx, not %#lx", p->a->nr, p->o,
		     p->page, way % 6, p->first + i, ((uint64_t *)buf)[i],
		     torture_word(p->cell->new, p->first + i));
}

static void discard(int fd, unsigned int page, uint32_t flags)
{
	struct lodge_memory_discard d = {
		.size = sizeof(d), .flags = flags, .first = page, .count = 1,
	};

	UNTIL(ioctl(fd, LODGE_MEMORY_DISCARD, &d));
}

/* Nothing is there then; or what was, if it failed. */
static void wipe(const struct place *p, unsigned int way)
{
	int fd = object_fd[p->o];

	__atomic_store_n(&p->cell->new, 0, __ATOMIC_SEQ_CST);
	switch (way % 4) {
	case 0:
		UNTIL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				p->page * PAGE, PAGE));
		break;
	case 1:
		discard(fd, p->page, 0);
		break;
	case 2:
		UNTIL(madvise(p->mem, PAGE, MADV_REMOVE));
		break;
	default:
		discard(fd, p->page, LODGE_DISCARD_WATCH);
		discard(fd, p->page, LODGE_DISCARD_UNWRITTEN);
		/* It may have been left. */
		memset(p->mem, 0, PAGE);
	}
	__atomic_store_n(&p->cell->old, 0, __ATOMIC_SEQ_CST);
}

static void cut(struct actor *a, unsigned int o)
{
	unsigned int i;

	for (i = TAIL; i < PAGES; i++)
		__atomic_store_n(&a->cell[o][i].new, 0, __ATOMIC_SEQ_CST);
	ALLOWED(ftruncate(object_fd[o], TAIL * PAGE + 96));
	UNTIL(ftruncate(object_fd[o], SIZE));
	for (i = TAIL; i < PAGES; i++) {
		struct place p = place(a, o, i, 0, 512);

		check_place(&p, a->random);
		memset(p.mem, 0, PAGE);
		p.cell->old = 0;
	}
}

/* The tail of one object is this launcher's, which it writes in one go. */
static void tail(struct actor *a)
{
	unsigned int i, o = vm_nr;

	for (i = TAIL; i < PAGES; i++) {
		struct place p = place(a, o, i, 0, 512);

		check_place(&p, a->random + i);
		/* A cell has two values; what a killed one has begun is done first. */
		if (p.cell->old != p.cell->new)
			write_place(&p, i, p.cell->new);
		write_place(&p, i, torture_random(&a->random) >> 32);
	}
	cut(a, o);
}

static void launcher_op(struct actor *a)
{
	unsigned long r = torture_random(&a->random);
	unsigned int o = r % OBJECTS, first, nr, page = torture_page(a, &first, &nr);
	struct place p = place(a, o, page, first, nr);

	check_place(&p, r >> 8);
	if (p.cell->old != p.cell->new)
		write_place(&p, r >> 16, p.cell->new);
	else if ((r >> 24) % 8 == 0 && nr == 512)
		wipe(&p, r >> 32);
	else if ((r >> 24) % 8 < 6)
		write_place(&p, r >> 16, r >> 32);
	else if (r >> 40 < 1 << 19 && vm_nr < OBJECTS)
		tail(a);
	__atomic_add_fetch(&a->ops, 1, __ATOMIC_RELAXED);
}

static void *launcher(void *arg)
{
	struct actor *a = arg;

	if (all->injecting)
		inject_me(true);
	if (vm_nr < OBJECTS)
		UNTIL(ftruncate(object_fd[vm_nr], SIZE));
	while (!__atomic_load_n(&a->stop, __ATOMIC_RELAXED))
		launcher_op(a);
	return NULL;
}

/* ---- the thread that disturbs ---- */

/* All that it takes for a small VM; as much of it as can be had. */
static void other_vm(unsigned int nr)
{
	struct lodge_create_memory c = {
		.size = sizeof(c), .bytes = 520 * PAGE, .flags = LODGE_MEMORY_MERGEABLE,
	};
	struct lodge_memory_merge m = { .size = sizeof(m) };
	struct lodge_memory_reclaim r = { .size = sizeof(r), .bytes = 8 * PAGE };
	struct kvm_irqfd irqfd = { .gsi = 5 };
	struct kvm_ioeventfd ioeventfd = { .addr = 0x600, .len = 4, .flags = 2 };
	struct kvm_userspace_memory_region slot = { .slot = 1, .memory_size = c.bytes };
	int sys = -1, fd = -1, cpu = -1, mem = -1, event = -1;
	uint8_t *p = MAP_FAILED;
	unsigned int i;

	snprintf(c.domain, sizeof(c.domain), "other-%u", nr % 4);
	sys = ALLOWED(open(node_path(), O_RDWR | O_CLOEXEC));
	if (sys < 0)
		return;
	fd = ALLOWED(ioctl(sys, KVM_CREATE_VM, 0));
	mem = ALLOWED(ioctl(sys, LODGE_CREATE_MEMORY, &c));
	if (mem >= 0)
		p = mmap(NULL, c.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	if (p != MAP_FAILED) {
		for (i = 0; i < 520; i += 10)
			memset(p + i * PAGE, i % 3, PAGE);
		ALLOWED(ioctl(mem, LODGE_MEMORY_MERGE, &m));
		ALLOWED(ioctl(mem, LODGE_MEMORY_RECLAIM, &r));
		for (i = 0; i < 520; i += 10)
			MUST(p[i * PAGE + 99] == i % 3);
	}
	if (fd >= 0) {
		ALLOWED(ioctl(fd, KVM_CREATE_IRQCHIP, 0));
		cpu = ALLOWED(ioctl(fd, KVM_CREATE_VCPU, 0));
		slot.userspace_addr = (uintptr_t)p;
		if (p != MAP_FAILED)
			ALLOWED(ioctl(fd, KVM_SET_USER_MEMORY_REGION, &slot));
		slot.flags = KVM_MEM_LOG_DIRTY_PAGES;
		if (p != MAP_FAILED)
			ALLOWED(ioctl(fd, KVM_SET_USER_MEMORY_REGION, &slot));
		event = ALLOWED(eventfd(0, 0));
		irqfd.fd = ioeventfd.fd = event;
	}
	if (event >= 0) {
		ioctl(fd, KVM_IRQFD, &irqfd);	/* ENODEV without a chip */
		ALLOWED(ioctl(fd, KVM_IOEVENTFD, &ioeventfd));
		close(event);
	}
	if (p != MAP_FAILED)
		munmap(p, c.bytes);
	if (cpu >= 0)
		close(cpu);
	if (fd >= 0)
		close(fd);
	if (mem >= 0)
		close(mem);
	close(sys);
}

static void mergeable(int fd, bool on)
{
	struct lodge_memory_set set = {
		.size = sizeof(set), .mask = LODGE_MEMORY_MERGEABLE,
		.flags = on ? LODGE_MEMORY_MERGEABLE : 0,
	};

	UNTIL(ioctl(fd, LODGE_MEMORY_SET, &set));
}

static void balloon(unsigned long r)
{
	struct lodge_balloon_config c = {
		.size = sizeof(c), .eventfd = -1, .shares = 1000, .memory = 16 * MiB,
		.target = r % 16 * MiB,
	};

	ALLOWED(ioctl(vm->fd, LODGE_BALLOON_SET, &c));
}

static void log_for_a_while(unsigned int o)
{
	static uint64_t bitmap[PAGES / 64 + 1];
	struct kvm_dirty_log log = { .slot = 1 + o, .dirty_bitmap = bitmap };

	if (ALLOWED(vm_slot_try(vm, 1 + o, KVM_MEM_LOG_DIRTY_PAGES,
				OBJECT_AT + o * OBJECT_STEP, SIZE, map[o])))
		return;
	ALLOWED(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	UNTIL(vm_slot_try(vm, 1 + o, 0, OBJECT_AT + o * OBJECT_STEP, SIZE, map[o]));
}

static void disturb(unsigned long r)
{
	struct lodge_memory_merge m = { .size = sizeof(m), .count = 64 };
	struct lodge_memory_reclaim rec = { .size = sizeof(rec) };
	unsigned int o = r % OBJECTS;
	int fd = object_fd[o];

	m.first = (r >> 16) % PAGES;
	rec.bytes = (r >> 16) % 64 * PAGE;
	switch ((r >> 8) % 16) {
	case 0 ... 3:
		/* Somebody else may have taken the flag away. */
		if (ioctl(fd, LODGE_MEMORY_MERGE, &m))
			MUST(errno == EINVAL || may_fail(errno), "%s", strerror(errno));
		break;
	case 4 ... 6:
		ALLOWED(ioctl(fd, LODGE_MEMORY_RECLAIM, &rec));
		break;
	case 7:
		rec.flags = LODGE_RECLAIM_COLD;
		ALLOWED(ioctl(fd, LODGE_MEMORY_RECLAIM, &rec));
		break;
	case 8 ... 9:
		rec.flags = LODGE_RECLAIM_SWAP;
		ALLOWED(ioctl(fd, LODGE_MEMORY_RECLAIM, &rec));
		break;
	case 10:
		mergeable(fd, false);
		mergeable(fd, true);
		break;
	case 11:
		log_for_a_while(o);
		break;
	case 12:
		ALLOWED(madvise(map[o] + m.first * PAGE, (PAGES - m.first) * PAGE,
				MADV_DONTNEED));
		break;
	case 13:
		balloon(r >> 16);
		break;
	case 14:
		other_vm(r >> 16);
		break;
	default:
		sched_yield();
	}
}

static void *disturber(void *arg)
{
	unsigned long random = getpid() * 0x9e3779b97f4a7c15ul;
	struct actor *a = arg;

	if (all->injecting)
		inject_me(true);
	while (!__atomic_load_n(&a->stop, __ATOMIC_RELAXED))
		disturb(torture_random(&random));
	return NULL;
}

/* ---- the VM ---- */

static void guest(struct vcpu *v)
{
	struct kvm_regs r;
	uint8_t cmd;

	if (all->injecting)
		inject_me(true);
	for (;;) {
		UNTIL(ioctl(v->fd, KVM_RUN, 0));
		MUST(v->run->exit_reason == KVM_EXIT_IO && v->run->io.port == PORT_CMD,
		     "exit %u (%s)", v->run->exit_reason, exit_name(v->run->exit_reason));
		cmd = *(uint8_t *)io_data(v);
		if (cmd == CMD_DONE)
			break;
		if (all->injecting)
			inject_me(false);
		report_guest_failure(v);
		if (all->injecting)
			inject_me(true);
		MUST(cmd == CMD_MARK, "%u", cmd);
		UNTIL(ioctl(v->fd, KVM_GET_REGS, &r));
		discard(object_fd[r.rbx >> 16], r.rbx & 0xffff, 0);
	}
	if (all->injecting)
		inject_me(false);
}

/* A process with a VM; ends when its actors have been told to. */
static void vm_main(int nr)
{
	struct actor *a = &all->actor[2 * nr];
	pthread_t threads[2];
	struct vcpu *v;
	int o;

	vm_nr = nr;
	vm = vm_new(&payload);
	for (o = 0; o < OBJECTS; o++) {
		map[o] = mapped(object_fd[o], SIZE);
		vm_slot(vm, 1 + o, 0, OBJECT_AT + o * OBJECT_STEP, SIZE, map[o]);
	}
	vm_slot(vm, 1 + o, 0, ACTOR_AT, (sizeof(*a) + PAGE - 1) & -PAGE, a);
	v = vcpu_new(vm, 0, LONG64, G_torture);
	MUST_EQ(pthread_create(&threads[0], NULL, launcher, a + 1), 0);
	MUST_EQ(pthread_create(&threads[1], NULL, disturber, a), 0);
	guest(v);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	_exit(0);
}

/* ---- who starts and kills them ---- */

struct child {
	pid_t pid;
	unsigned long until;		/* it has done so much, before it is killed */
};

static unsigned long vm_ops(int nr)
{
	return __atomic_load_n(&all->actor[2 * nr].ops, __ATOMIC_RELAXED) +
	       __atomic_load_n(&all->actor[2 * nr + 1].ops, __ATOMIC_RELAXED);
}

/* It goes with who started it. */
static pid_t start(void)
{
	pid_t pid = OK(fork());

	if (!pid)
		OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
	return pid;
}

static void vm_start(struct child *c, int nr)
{
	/* At some moment of its start, or of its work. */
	c->until = vm_ops(nr) + (random() % 4 ? random() % 256 : 0);
	c->pid = start();
	if (!c->pid)
		vm_main(nr);
}

static void vm_wait(const struct child *c, int signal)
{
	int status;

	OK(waitpid(c->pid, &status, 0));
	MUST(signal ? WIFSIGNALED(status) && WTERMSIG(status) == signal : !status,
	     "a VM ended with %#x", status);
}

static void vm_runs(const struct child *c)
{
	int status;

	MUST(!waitpid(c->pid, &status, WNOHANG), "a VM ended by itself, with %#x", status);
	usleep(1000);
}

static void vm_kill(struct child *c, int nr)
{
	while (vm_ops(nr) < c->until)
		vm_runs(c);
	usleep(random() % 20000);
	OK(kill(c->pid, SIGKILL));
	vm_wait(c, SIGKILL);
}

/* Who helps is not in the group, and charges it with nothing. */
static pid_t start_helper(void)
{
	pid_t pid = start();

	if (!pid)
		OK(group_put(ROOT "/cgroup.procs", "0", 0));
	return pid;
}

/* The last CPU goes and comes, if there is more than one. */
static pid_t hotplug_begin(void)
{
	pid_t pid;
	int fd = open("/sys/devices/system/cpu/cpu1/online", O_WRONLY);

	if (fd < 0)
		return 0;
	pid = start_helper();
	if (pid) {
		close(fd);
		return pid;
	}
	for (;;) {
		OK(write(fd, "0", 1));
		usleep(20000);
		OK(write(fd, "1", 1));
		usleep(50000);
		all->hotplugged++;
	}
}

static void hotplug_end(pid_t pid)
{
	int fd;

	if (!pid)
		return;
	OK(kill(pid, SIGKILL));
	OK(waitpid(pid, NULL, 0));
	fd = OK(open("/sys/devices/system/cpu/cpu1/online", O_WRONLY));
	OK(write(fd, "1", 1));
	close(fd);
}

/* Those that work for the module: who scans, reclaims, reads and writes the swap file. */
static void workers_fail(bool on)
{
	char path[300], name[32];
	struct dirent *d;
	DIR *dir = opendir("/proc");
	int fd;

	MUST(dir);
	while ((d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		memset(name, 0, sizeof(name));
		if (read(fd, name, sizeof(name) - 1) < 0)
			name[0] = 0;
		close(fd);
		if (strncmp(name, "kworker/u", 9) && strncmp(name, "lodge_", 6))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/make-it-fail", d->d_name);
		fd = open(path, O_WRONLY);
		/* It may be gone by now. */
		if (fd >= 0 && write(fd, on ? "1" : "0", 1) == 1)
			all->workers += on;
		close(fd);
	}
	closedir(dir);
}

static pid_t workers_begin(void)
{
	pid_t pid = start_helper();

	if (pid)
		return pid;
	for (;;) {
		workers_fail(true);
		usleep(100000);
	}
}

static void workers_end(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	OK(waitpid(pid, NULL, 0));
	workers_fail(false);
}

/* Of a long run, each minute: what the slowest has done. */
static void progress(unsigned long ops, int kills)
{
	static time_t said;
	unsigned long least = -1ul, n;
	time_t now = time(NULL);
	int i;

	if (!said)
		said = now;
	if (now - said < 60)
		return;
	said = now;
	for (i = 0; i < ACTORS; i++) {
		n = __atomic_load_n(&all->actor[i].ops, __ATOMIC_RELAXED);
		least = n < least ? n : least;
	}
	test_note("%lu of %lu operations, %d to be killed", least, ops, kills);
}

static void all_vms(unsigned long ops, int kills)
{
	pid_t hotplug = kills ? hotplug_begin() : 0;
	pid_t workers = all->injecting ? workers_begin() : 0;
	struct child c[VMS];
	int i;

	for (i = 0; i < VMS; i++)
		vm_start(&c[i], i);
	while (kills--) {
		i = random() % VMS;
		vm_kill(&c[i], i);
		vm_start(&c[i], i);
		progress(ops, kills);
	}
	for (i = 0; i < ACTORS; i++)
		while (__atomic_load_n(&all->actor[i].ops, __ATOMIC_RELAXED) < ops) {
			vm_runs(&c[i / 2]);
			progress(ops, 0);
		}
	for (i = 0; i < ACTORS; i++)
		__atomic_store_n(&all->actor[i].stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < VMS; i++)
		vm_wait(&c[i], 0);
	if (workers)
		workers_end(workers);
	hotplug_end(hotplug);
}

/* What there must have been of all, so that it was looked at. */
static void happened(void)
{
	struct lodge_memory_info info = { .size = sizeof(info) };
	unsigned long merged = 0, broken = 0, packed = 0, unpacked = 0, out = 0, in = 0;
	int o;

	for (o = 0; o < OBJECTS; o++) {
		info.flags = 0;
		OK(ioctl(object_fd[o], LODGE_MEMORY_INFO, &info));
		merged += info.merged;
		broken += info.broken;
		packed += info.compressed;
		unpacked += info.decompressed;
		out += info.swapped_out;
		in += info.swapped_in;
	}
	test_note("merged %lu, broken %lu, compressed %lu, back %lu, swapped %lu, back %lu",
		  merged, broken, packed, unpacked, out, in);
	MUST(merged && broken && packed && unpacked && out && in);
}

/* Who compresses at this moment counts a page when it has put it there. */
static void nothing_in(int fd)
{
	struct lodge_memory_info info;
	unsigned long left;
	int i, again;

	for (again = 0; again < 100; again++) {
		info = (struct lodge_memory_info){ .size = sizeof(info) };
		OK(ioctl(fd, LODGE_MEMORY_INFO, &info));
		left = info.packed;
		for (i = 0; i < LODGE_PAGE_STATES; i++)
			left |= info.pages[i];
		if (!left)
			return;
		usleep(10000);
	}
	for (i = 0; i < LODGE_PAGE_STATES; i++)
		MUST_EQ(info.pages[i], 0);
	MUST_EQ(info.packed, 0);
}

/* Every byte; and then nothing is left. */
static void settle(void)
{
	uint8_t page[PAGE] __attribute__((aligned(8)));
	unsigned int i, o, a, first, nr;

	for (o = 0; o < OBJECTS; o++) {
		for (i = 0; i < PAGES; i++) {
			MUST_EQ(OK(pread(object_fd[o], page, PAGE, i * PAGE)), PAGE);
			for (a = 0; a < ACTORS; a++) {
				struct cell c = all->actor[a].cell[o][i];

				first = i < COMMON ? a * SLICE : 0;
				nr = i < COMMON ? SLICE : 512;
				if (i < COMMON || (i < TAIL ? (i - COMMON) % ACTORS == a :
						   a == 2 * o + 1))
					MUST(in_page(c, (uint64_t *)page + first, first, nr),
					     "page %u.%u of actor %u", o, i, a);
			}
		}
		OK(ftruncate(object_fd[o], 0));
		nothing_in(object_fd[o]);
		close(object_fd[o]);
	}
}

/* In the cgroup. */
static void torture_main(unsigned long ops, int kills)
{
	unsigned long failed = 0, sum = 0;
	int i;

	if (group_put(GROUP "/cgroup.procs", "0", 0))
		_exit(1);
	srandom(getpid());
	disk = open(DISK, O_RDWR | O_DIRECT);
	for (i = 0; i < OBJECTS; i++)
		object_fd[i] = object(SIZE, LODGE_MEMORY_MERGEABLE, "torture");
	for (i = 0; i < ACTORS; i++) {
		all->actor[i].nr = i;
		all->actor[i].random = (i + 1) * 0x9e3779b97f4a7c15ul + time(NULL);
	}
	all_vms(ops, kills);
	happened();
	settle();
	for (i = 0; i < VMS; i++)
		failed += all->failed[i];
	for (i = 0; i < ACTORS; i++)
		sum += all->actor[i].ops;
	test_note("%lu operations, %lu system calls failed, %lu transfers of the disk, CPU 1 went %lu times",
		  sum, failed, all->direct, all->hotplugged);
	MUST(all->injecting ? failed && all->workers : !failed);
	_exit(0);
}

static void rates(bool quick)
{
	parameter("ksm_budget", quick ? "100" : "0");
	parameter("ksm_pass_ms", quick ? "20" : "1000");
	parameter("cold_ms", quick ? "300" : "0");
	parameter("balloon_patience_ms", quick ? "100" : "30000");
	parameter("balloon_period_ms", quick ? "200" : "5000");
}

static void torture(bool injecting, int kills)
{
	const char *more = getenv("LODGE_OPS");
	unsigned long ops = more ? strtoul(more, NULL, 0) : 500;
	int swap, status, i;
	pid_t pid;

	need_lodge();
	/* It outlives all, so that the root's pool does. */
	if (try_reclaim(object(PAGE, 0, ""), 0, 0))
		test_skip("no zsmalloc, or no lz4, in this kernel");
	if (injecting)
		inject_begin("1");
	group_begin();
	all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		   -1, 0);
	MUST(all != MAP_FAILED);
	memset(all, 0, sizeof(*all));
	all->injecting = injecting;
	swap = OK(open(SWAP, O_RDWR | O_CREAT | O_TRUNC, 0600));
	OK(fallocate(swap, 0, 0, 4 * SIZE));
	OK(swap_set(swap));
	unlink(SWAP);
	rates(true);
	fflush(stdout);
	pid = OK(fork());
	if (!pid)
		torture_main(ops, kills * (more ? ops / 500 + 1 : 1));
	OK(waitpid(pid, &status, 0));
	rates(false);
	if (injecting)
		inject_end();
	MUST_EQ(status, 0);
	/* It is empty. */
	CHECK_EQ(swap_set(-1), 0);
	group_empty(MiB);
	for (i = 0; i < 100 && module_value("vms"); i++)
		usleep(100000);
	CHECK_EQ(module_value("vms"), 0);
	group_end();
}

/* All at once, and nothing fails. */
TEST_TIMEOUT(calm, 120) { torture(false, 0); }

/* VMs are killed, and CPUs come and go. */
TEST_TIMEOUT(killed, 120) { torture(false, 12); }

/* And one in a hundred allocations fails, of the VMs' threads and of kernel threads. */
TEST_TIMEOUT(failing, 240) { torture(true, 12); }
