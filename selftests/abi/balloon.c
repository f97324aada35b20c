// SPDX-License-Identifier: GPL-2.0-only
/* The balloon's targets, and what is known of what a guest uses. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "lodge.h"
#include "ltest.h"
#include "balloon.guest.gen.h"

#define AREA		(16 * MiB)	/* where the guest's memory goes on */
#define AREA_SIZE	(32 * MiB)
#define ALL		(VM_MEM + AREA_SIZE)

static struct vm *vm_lodge(void)
{
	struct vm *vm = vm_new(&payload);

	if (ioctl(vm->fd, LODGE_BALLOON_GET, NULL) == -1 && errno == ENOTTY)
		test_skip("%s has no LODGE_BALLOON_SET", node_path());
	return vm;
}

static void param(const char *name, unsigned int val)
{
	char path[128], text[16];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/lodge/parameters/balloon_%s",
		 name);
	snprintf(text, sizeof(text), "%u", val);
	fd = OK(open(path, O_WRONLY));
	OK(write(fd, text, strlen(text)));
	close(fd);
}

static void params(unsigned int budget, unsigned int tax, unsigned int period)
{
	param("budget", budget);
	param("tax", tax);
	param("period_ms", period);
}

static void params_back(void)
{
	params(0, 75, 5000);
	param("patience_ms", 30000);
}

static struct lodge_balloon_config by_hand(uint64_t memory, uint64_t target)
{
	return (struct lodge_balloon_config) {
		.size = sizeof(struct lodge_balloon_config), .eventfd = -1,
		.shares = 1000, .memory = memory, .target = target,
	};
}

static struct lodge_balloon_config computed(uint64_t memory, int fd)
{
	struct lodge_balloon_config c = by_hand(memory, 0);

	c.flags = LODGE_BALLOON_AUTO;
	c.eventfd = fd;
	return c;
}

static int set(struct vm *vm, struct lodge_balloon_config c)
{
	return ioctl(vm->fd, LODGE_BALLOON_SET, &c);
}

static struct lodge_balloon_state get(struct vm *vm, uint32_t flags)
{
	struct lodge_balloon_state s = { .size = sizeof(s), .flags = flags };

	OK(ioctl(vm->fd, LODGE_BALLOON_GET, &s));
	return s;
}

TEST(errors)
{
	struct vm *vm = vm_lodge();
	struct lodge_balloon_state s = { .size = sizeof(s) };
	struct lodge_balloon_report r = { .size = sizeof(r) };
	struct lodge_balloon_config c;
	struct { struct lodge_balloon_config c; uint64_t more; } large;
	int fd = eventfd(0, 0);

	FAILS(ENOENT, ioctl(vm->fd, LODGE_BALLOON_GET, &s));
	FAILS(ENOENT, ioctl(vm->fd, LODGE_BALLOON_REPORT, &r));
	FAILS(ENOENT, ioctl(vm->fd, LODGE_BALLOON_HINT));
	FAILS(ENOENT, set(vm, by_hand(0, 0)));
	FAILS(EFAULT, ioctl(vm->fd, LODGE_BALLOON_SET, (void *)8));
	FAILS(EFAULT, ioctl(vm->fd, LODGE_BALLOON_GET, (void *)-8));
	FAILS(EFAULT, ioctl(vm->fd, LODGE_BALLOON_REPORT, NULL));
	FAILS(ENOTTY, ioctl(vm->fd, _IO(LODGE_IO, 0x2f), &s));

#define BAD(err, field, val) do {					\
	c = by_hand(16 * MiB, 8 * MiB);					\
	c.field = (val);						\
	FAILS(err, set(vm, c));						\
} while (0)
	BAD(EINVAL, size, 0);
	BAD(EINVAL, size, 7);
	BAD(EINVAL, size, 4097);
	BAD(EINVAL, size, ~0u);
	BAD(EINVAL, flags, 2);
	BAD(EINVAL, flags, 1u << 31);
	BAD(EINVAL, shares, 0);
	BAD(EINVAL, shares, LODGE_BALLOON_MAX_SHARES + 1);
	BAD(EINVAL, memory, 1);
	BAD(EINVAL, memory, LODGE_BALLOON_MAX_MEMORY + 1);
	BAD(EINVAL, memory, ~0ULL);
	BAD(EINVAL, memory, 4 * MiB);
	BAD(EINVAL, reservation, 9 * MiB);
	BAD(EINVAL, reservation, ~0ULL);
	BAD(EINVAL, target, ~0ULL);
	c = by_hand(16 * MiB, 8 * MiB);
	memset(c.domain, 'x', sizeof(c.domain));
	FAILS(EINVAL, set(vm, c));
	BAD(EBADF, eventfd, 12345);
	BAD(EBADF, eventfd, -2);
	BAD(EINVAL, eventfd, vm->fd);
	/* What is longer than known must be 0 there, what is shorter is. */
	large.c = by_hand(16 * MiB, 8 * MiB);
	large.c.size = sizeof(large);
	large.more = 1;
	FAILS(E2BIG, ioctl(vm->fd, LODGE_BALLOON_SET, &large));
	FAILS(ENOENT, ioctl(vm->fd, LODGE_BALLOON_GET, &s));
	large.more = 0;
	OK(ioctl(vm->fd, LODGE_BALLOON_SET, &large));
	c = by_hand(16 * MiB, 8 * MiB);
	c.size = offsetof(struct lodge_balloon_config, target);
	OK(set(vm, c));
	CHECK_EQ(get(vm, 0).target, 0);

	s.flags = LODGE_BALLOON_AUTO;
	FAILS(EINVAL, ioctl(vm->fd, LODGE_BALLOON_GET, &s));
	r.flags = 1;
	FAILS(EINVAL, ioctl(vm->fd, LODGE_BALLOON_REPORT, &r));
	r.flags = 0;
	r.valid = 1 << LODGE_BALLOON_NR_STATS;
	FAILS(EINVAL, ioctl(vm->fd, LODGE_BALLOON_REPORT, &r));
	/* No more is written than was asked for. */
	memset(&s, 0xee, sizeof(s));
	s.size = offsetof(struct lodge_balloon_state, memory);
	s.flags = 0;
	OK(ioctl(vm->fd, LODGE_BALLOON_GET, &s));
	CHECK_EQ(s.size, sizeof(s));
	CHECK_EQ(s.memory, 0xeeeeeeeeeeeeeeee);
	OK(set(vm, computed(16 * MiB, fd)));
	OK(set(vm, by_hand(0, 0)));
	FAILS(ENOENT, set(vm, by_hand(0, 0)));
}

static bool told(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n;

	if (poll(&p, 1, 0) != 1)
		return false;
	OK(read(fd, &n, sizeof(n)));
	return true;
}

TEST(by_hand)
{
	struct vm *vm = vm_lodge();
	struct lodge_balloon_report r = { .size = sizeof(r) };
	struct lodge_balloon_config c = by_hand(64 * MiB + 1, 40 * MiB + 1);
	struct lodge_balloon_state s;

	c.reservation = 32 * MiB;
	OK(set(vm, c));
	s = get(vm, 0);
	CHECK_EQ(s.size, sizeof(s));
	CHECK_EQ(s.flags, 0);
	CHECK_EQ(s.shares, 1000);
	CHECK_EQ(s.memory, 64 * MiB);
	CHECK_EQ(s.reservation, 32 * MiB);
	CHECK_EQ(s.target, 40 * MiB);
	CHECK_EQ(s.actual, 64 * MiB);
	CHECK_EQ(s.valid, 0);
	r.actual = 48 * MiB;
	r.valid = 1 << 4;
	r.stat[4] = 12345678;
	OK(ioctl(vm->fd, LODGE_BALLOON_REPORT, &r));
	s = get(vm, 0);
	CHECK_EQ(s.actual, 48 * MiB);
	CHECK_EQ(s.valid, 1 << 4);
	CHECK_EQ(s.stat[4], 12345678);
	/* A guest can tell what it likes. */
	r.actual = ~0ULL;
	OK(ioctl(vm->fd, LODGE_BALLOON_REPORT, &r));
	CHECK_EQ(get(vm, 0).actual, 64 * MiB);

	/* It shall be asked what is free. */
	c.eventfd = eventfd(0, EFD_NONBLOCK);
	OK(set(vm, c));
	told(c.eventfd);
	CHECK_EQ(get(vm, 0).hints, 0);
	OK(ioctl(vm->fd, LODGE_BALLOON_HINT));
	CHECK(told(c.eventfd), "no event");
	CHECK_EQ(get(vm, 0).hints, 1);
	close(c.eventfd);
}

/* Garbage, with sizes and flags that pass more often than not. */
TEST(garbage)
{
	struct vm *vm = vm_lodge();
	uint64_t w[64];
	int i, j;

	srandom(1);
	for (i = 0; i < 4000; i++) {
		uint32_t *head = (uint32_t *)w;
		unsigned int nr = random() % 3;

		for (j = 0; j < ARRAY_SIZE(w); j++)
			w[j] = j > 7 ? 0 : (uint64_t)random() << random() % 64;
		head[0] = random() % 4 ? 40 : random() % sizeof(w);
		head[1] = random() % 3;
		head[2] = random() % 4 ? -1 : random() % 16;
		head[3] = 1 + random() % LODGE_BALLOON_MAX_SHARES;
		if (random() % 4 && w[2]) {
			w[2] %= LODGE_BALLOON_MAX_MEMORY;
			w[3] = w[2] ? w[3] % w[2] : 0;
		}
		ioctl(vm->fd, nr == 0 ? LODGE_BALLOON_SET : nr == 1 ?
		      LODGE_BALLOON_GET : LODGE_BALLOON_REPORT, w);
	}
}

/* A domain's memory is divided as it is set, and those are told whom it concerns. */
TEST(shares)
{
	struct vm *a = vm_lodge(), *b = vm_lodge(), *c = vm_lodge();
	int fd_a = eventfd(0, EFD_NONBLOCK), fd_b = eventfd(0, EFD_NONBLOCK);
	struct lodge_balloon_config config;

	params(96, 0, 3600000);
	OK(set(a, computed(64 * MiB, fd_a)));
	CHECK_EQ(get(a, 0).flags, LODGE_BALLOON_AUTO);
	CHECK_EQ(get(a, 0).target, 64 * MiB);
	OK(set(b, computed(64 * MiB, fd_b)));
	CHECK_EQ(get(a, 0).target, 48 * MiB);
	CHECK_EQ(get(b, 0).target, 48 * MiB);
	CHECK(told(fd_a));
	CHECK(told(fd_b));
	CHECK(!told(fd_a));
	/* Weights, floors. */
	config = computed(64 * MiB, fd_b);
	config.shares = 2000;
	OK(set(b, config));
	CHECK_EQ(get(a, 0).target, 32 * MiB);
	CHECK_EQ(get(b, 0).target, 64 * MiB);
	config = computed(64 * MiB, fd_a);
	config.reservation = 40 * MiB;
	OK(set(a, config));
	CHECK_EQ(get(a, 0).target, 40 * MiB);
	CHECK_EQ(get(b, 0).target, 56 * MiB);
	/* One by hand takes what it was given from the rest. */
	OK(set(c, by_hand(64 * MiB, 16 * MiB)));
	CHECK_EQ(get(a, 0).target, 40 * MiB);
	CHECK_EQ(get(b, 0).target, 40 * MiB);
	CHECK_EQ(get(c, 0).target, 16 * MiB);
	/* Floors stand where there is too little for all. */
	param("budget", 8);
	OK(set(c, by_hand(64 * MiB, 20 * MiB)));
	CHECK_EQ(get(a, 0).target, 40 * MiB);
	CHECK_EQ(get(b, 0).target, 0);
	param("budget", 96);
	/* Who goes leaves what he had to the rest. */
	OK(set(c, by_hand(0, 0)));
	CHECK_EQ(get(b, 0).target, 56 * MiB);
	told(fd_b);
	vm_free(a);
	CHECK_EQ(get(b, 0).target, 64 * MiB);
	CHECK(told(fd_b));
	params_back();
}

static void set_in(struct vm *vm, const char *domain)
{
	struct lodge_balloon_config c = computed(64 * MiB, -1);

	strcpy(c.domain, domain);
	OK(set(vm, c));
	CHECK(!strcmp(get(vm, 0).domain, domain));
}

/* What a user has is divided among his domains, however many VMs are in each. */
TEST(domains)
{
	struct vm *a = vm_lodge(), *b = vm_lodge(), *c = vm_lodge();

	params(96, 0, 3600000);
	set_in(a, "");
	set_in(b, "x");
	set_in(c, "x");
	CHECK_EQ(get(a, 0).target, 48 * MiB);
	CHECK_EQ(get(b, 0).target, 24 * MiB);
	CHECK_EQ(get(c, 0).target, 24 * MiB);
	set_in(c, "");
	CHECK_EQ(get(a, 0).target, 24 * MiB);
	CHECK_EQ(get(b, 0).target, 48 * MiB);
	CHECK_EQ(get(c, 0).target, 24 * MiB);
	set_in(a, "y");
	CHECK_EQ(get(a, 0).target, 32 * MiB);
	CHECK_EQ(get(c, 0).target, 32 * MiB);
	params_back();
}

/* A host that has enough takes nothing away. */
TEST(no_pressure)
{
	struct vm *vm = vm_lodge();
	int i;

	params(0, 75, 100);
	param("reserve", 1);
	OK(set(vm, computed(64 * MiB, -1)));
	usleep(500000);
	CHECK_EQ(get(vm, 0).target, 64 * MiB);
	/* One that has too little asks for all that it can get. */
	param("reserve", 1 << 20);
	for (i = 0; i < 1000 && get(vm, 0).target; i++)
		usleep(10000);
	CHECK_EQ(get(vm, 0).target, 0);
	param("reserve", 0);
	params_back();
}

static struct vcpu *toucher(uint64_t entry, uint64_t size)
{
	struct vm *vm = vm_lodge();
	uint8_t *mem = mem_new(AREA_SIZE);
	struct vcpu *v;

	/* With huge pages a touch is a touch of 2M. */
	madvise(mem, AREA_SIZE, MADV_NOHUGEPAGE);
	madvise(vm->mem, vm->mem_size, MADV_NOHUGEPAGE);
	vm_slot(vm, 1, 0, AREA, AREA_SIZE, mem);
	v = vcpu_new(vm, 0, LONG64, entry);
	vcpu_args(v, AREA, size);
	return v;
}

static void used(struct vm *vm, uint64_t wanted)
{
	struct lodge_balloon_state s = get(vm, LODGE_BALLOON_SAMPLE);

	CHECK_EQ(s.sampled, 128);
	/* The first 2M may have become a huge page before they were told not to. */
	CHECK(s.active + ALL / 20 >= wanted && s.active <= wanted + ALL / 10,
	      "%llu MiB are thought to be used, not %llu", s.active / MiB,
	      (unsigned long long)wanted / MiB);
}

TEST(sampling)
{
	struct vcpu *v = toucher(G_touch, AREA_SIZE / 2);
	struct vm *vm = v->vm;
	int i;

	OK(set(vm, by_hand(ALL, ALL)));
	/* Not known yet. */
	CHECK_EQ(get(vm, LODGE_BALLOON_SAMPLE).active, ALL);
	/* Brought in, then touched. */
	want_mark(v, 1);
	used(vm, AREA_SIZE / 2);
	CHECK(get(vm, 0).resident >= AREA_SIZE / 2);
	for (i = 2; i < 5; i++) {
		want_mark(v, i);
		used(vm, AREA_SIZE / 2);
	}
	/* Less is believed by and by. */
	for (i = 0; i < 40; i++)
		get(vm, LODGE_BALLOON_SAMPLE);
	used(vm, 0);
	/* More at once. */
	want_mark(v, 5);
	used(vm, AREA_SIZE / 2);
}

static void *run(void *arg)
{
	want_mark(arg, 1);
	return NULL;
}

/* Under a running guest, which loses nothing by it. */
TEST_TIMEOUT(sampling_running, 60)
{
	struct vcpu *v = toucher(G_churn, AREA_SIZE / 4);
	struct vm *vm = v->vm;
	pthread_t thread;
	uint64_t most = 0;
	int i;

	vcpu_interruptible(v);
	OK(set(vm, by_hand(ALL, ALL)));
	get(vm, LODGE_BALLOON_SAMPLE);
	pthread_create(&thread, NULL, run, v);
	for (i = 0; i < 3000 && (i < 200 || most <= AREA_SIZE / 8); i++) {
		uint64_t now;

		usleep(10000);
		now = get(vm, LODGE_BALLOON_SAMPLE).active;
		if (now > most && now < ALL)
			most = now;
	}
	*(volatile uint64_t *)(vm->mem + G_FREE) = 1;
	pthread_join(thread, NULL);
	CHECK(most > AREA_SIZE / 8 && most < AREA_SIZE / 2, "%llu",
	      (unsigned long long)most);
}

/* Once a period by itself; what is idle goes to who isn't. */
TEST_TIMEOUT(automatic, 60)
{
	struct vcpu *busy = toucher(G_touch, AREA_SIZE);
	struct vm *idle = vm_lodge();
	int fd = eventfd(0, EFD_NONBLOCK), i;

	vm_slot(idle, 1, 0, AREA, AREA_SIZE, mem_new(AREA_SIZE));
	params(60, 75, 100);
	OK(set(busy->vm, computed(ALL, fd)));
	OK(set(idle, computed(ALL, -1)));
	CHECK_EQ(get(busy->vm, 0).target, 30 * MiB);
	told(fd);
	for (i = 1; i < 1000 && get(busy->vm, 0).target < 36 * MiB; i++) {
		want_mark(busy, i);
		usleep(10000);
	}
	CHECK(get(busy->vm, 0).target >= 36 * MiB, "%llu",
	      get(busy->vm, 0).target);
	CHECK(told(fd));
	CHECK(get(busy->vm, 0).target + get(idle, 0).target <=
	      60 * MiB + ALL / 64);
	params_back();
}

static uint64_t in_memory(int fd)
{
	struct lodge_memory_info info = { .size = sizeof(info) };

	OK(ioctl(fd, LODGE_MEMORY_INFO, &info));
	return info.pages[LODGE_PAGE_PRIVATE];
}

/* What a guest doesn't give is taken, but for its floor; not from one that answers. */
TEST_TIMEOUT(patience, 120)
{
	struct lodge_create_memory create = { .size = sizeof(create), .bytes = AREA_SIZE };
	struct lodge_memory_reclaim none = { .size = sizeof(none) };
	struct lodge_balloon_report r = { .size = sizeof(r), .actual = AREA_SIZE };
	struct lodge_balloon_config c = by_hand(AREA_SIZE, AREA_SIZE);
	struct lodge_memory_discard d = {
		.size = sizeof(d), .count = AREA_SIZE / 16 / PAGE,
	};
	const uint64_t floor = 8 * MiB / PAGE;
	struct vm *vm = vm_lodge();
	struct vcpu *v;
	int sys = node_open(), fd, i;
	uint64_t *m, before;

	fd = OK(ioctl(sys, LODGE_CREATE_MEMORY, &create));
	if (ioctl(fd, LODGE_MEMORY_RECLAIM, &none))
		test_skip("no zsmalloc, or no lz4, in this kernel");
	m = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	MUST(m != MAP_FAILED);
	vm_slot(vm, 1, 0, AREA, AREA_SIZE, m);
	v = vcpu_new(vm, 0, LONG64, G_touch);
	vcpu_args(v, AREA, AREA_SIZE);
	want_mark(v, 1);
	CHECK_EQ(in_memory(fd), AREA_SIZE / PAGE);
	params(0, 75, 100);
	param("patience_ms", 600);
	c.reservation = 8 * MiB;
	OK(set(vm, c));
	/* It has what it shall have. */
	usleep(800000);
	CHECK_EQ(get(vm, 0).reclaimed, 0);
	/* It gives something, if not much, again and again. */
	c.target = 8 * MiB;
	OK(set(vm, c));
	for (i = 0; i < 4; i++) {
		usleep(300000);
		d.first = i * d.count;
		OK(ioctl(fd, LODGE_MEMORY_DISCARD, &d));
		r.actual -= AREA_SIZE / 16;
		OK(ioctl(vm->fd, LODGE_BALLOON_REPORT, &r));
	}
	CHECK_EQ(get(vm, 0).reclaimed, 0);
	/* Then hardly anything. */
	for (i = 0; i < 400 && in_memory(fd) > floor; i++) {
		usleep(50000);
		r.actual -= i < 8 ? PAGE : 0;
		OK(ioctl(vm->fd, LODGE_BALLOON_REPORT, &r));
	}
	CHECK_EQ(in_memory(fd), floor);
	usleep(300000);
	CHECK_EQ(in_memory(fd), floor);
	/* It says that it came to its senses, and it uses everything. */
	r.actual = 8 * MiB;
	OK(ioctl(vm->fd, LODGE_BALLOON_REPORT, &r));
	before = get(vm, 0).reclaimed;
	want_mark(v, 2);
	for (i = 0; i < AREA_SIZE / PAGE; i++)
		MUST_EQ(m[i * PAGE / 8], i < 4 * (int)d.count ? 1 : 2);
	for (i = 0; i < 400 && in_memory(fd) > floor; i++) {
		OK(ioctl(vm->fd, LODGE_BALLOON_REPORT, &r));
		usleep(50000);
	}
	CHECK_EQ(in_memory(fd), floor);
	CHECK(get(vm, 0).reclaimed - before >= AREA_SIZE - 8 * MiB);
	/* Nobody has that much patience. */
	param("patience_ms", 0);
	r.actual = AREA_SIZE;
	OK(ioctl(vm->fd, LODGE_BALLOON_REPORT, &r));
	want_mark(v, 3);
	usleep(800000);
	CHECK_EQ(in_memory(fd), AREA_SIZE / PAGE);
	params_back();
}

/* What holds for all, in one piece. */
TEST(policy)
{
	struct lodge_policy p = { .size = sizeof(p) }, q = p;
	int sys, status;

	vm_free(vm_lodge());
	sys = node_open();
	OK(ioctl(sys, LODGE_POLICY_GET, &p));
	CHECK(p.ksm_pass_ms && p.period_ms);
	q = p;
	q.ksm_pass_ms++;
	q.pool_percent = 101;
	FAILS(EINVAL, ioctl(sys, LODGE_POLICY_SET, &q));
	q.pool_percent = p.pool_percent;
	q.tax = 100;
	FAILS(EINVAL, ioctl(sys, LODGE_POLICY_SET, &q));
	q.tax = p.tax;
	q.reserved = 1;
	FAILS(EINVAL, ioctl(sys, LODGE_POLICY_SET, &q));
	q.reserved = 0;
	q.size = 8;
	FAILS(EINVAL, ioctl(sys, LODGE_POLICY_GET, &q));
	q.size = sizeof(q);
	if (!OK(fork())) {
		struct lodge_policy mine = { .size = sizeof(mine) };

		OK(setuid(12345));
		OK(ioctl(sys, LODGE_POLICY_GET, &mine));
		MUST(!memcmp(&mine, &p, sizeof(mine)));
		FAILS(EPERM, ioctl(sys, LODGE_POLICY_SET, &q));
		_exit(0);
	}
	OK(wait(&status));
	CHECK_EQ(status, 0);
	OK(ioctl(sys, LODGE_POLICY_SET, &q));
	OK(ioctl(sys, LODGE_POLICY_GET, &p));
	CHECK(!memcmp(&q, &p, sizeof(p)));
	q.ksm_pass_ms--;
	OK(ioctl(sys, LODGE_POLICY_SET, &q));
}

/* They come and go while targets are computed. */
TEST_TIMEOUT(lifecycle, 60)
{
	struct vm *vm[8] = { vm_lodge() };
	int fd = eventfd(0, EFD_NONBLOCK), i;

	params(64, 50, 100);
	for (i = 0; i < 200; i++) {
		struct vm **v = &vm[i % ARRAY_SIZE(vm)];

		if (*v)
			vm_free(*v);
		*v = vm_lodge();
		OK(set(*v, computed(16 * MiB, fd)));
		if (i % 3 == 0)
			OK(set(*v, by_hand(0, 0)));
		usleep(5000);
	}
	params_back();
}
