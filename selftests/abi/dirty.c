// SPDX-License-Identifier: GPL-2.0-only
/* The dirty log: GET, CLEAR, and the flag switched on a slot in use. */
#include "ltest.h"
#include "dirty.guest.gen.h"

#define AT	(16 * MiB)
#define PAGES	512

struct log {
	struct vm *vm;
	struct vcpu *v;
	uint8_t *m;
	uint64_t map[PAGES / 64];
};

static void log_new(struct log *l, uint32_t flags)
{
	uint8_t *p = mem_new(4 * MiB);

	l->vm = vm_new(&payload);
	l->m = p + (-(uintptr_t)p & (2 * MiB - 1));
	vm_slot(l->vm, 1, flags, AT, PAGES * PAGE, l->m);
	l->v = vcpu_new(l->vm, 0, LONG64, G_write);
}

/* The guest writes to this page of the slot. */
static void touch(struct log *l, unsigned int page)
{
	vcpu_jump(l->v, G_write);
	vcpu_args(l->v, AT + page * PAGE, page);
	want_mark(l->v, 1);
}

static int get(struct log *l, uint32_t slot)
{
	struct kvm_dirty_log d = { .slot = slot, .dirty_bitmap = l->map };

	memset(l->map, 0x5a, sizeof(l->map));
	return ioctl(l->vm->fd, KVM_GET_DIRTY_LOG, &d);
}

static int count(struct log *l)
{
	int i, n = 0;

	for (i = 0; i < PAGES / 64; i++)
		n += __builtin_popcountll(l->map[i]);
	return n;
}

static bool is_dirty(struct log *l, unsigned int page)
{
	return l->map[page / 64] >> page % 64 & 1;
}

static int clear(struct log *l, uint64_t first, uint32_t n, uint64_t *map)
{
	struct kvm_clear_dirty_log c = {
		.slot = 1, .first_page = first, .num_pages = n,
		.dirty_bitmap = map,
	};

	return ioctl(l->vm->fd, KVM_CLEAR_DIRTY_LOG, &c);
}

static void manual(struct log *l, uint64_t how)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args[0] = how,
	};

	OK(ioctl(l->vm->fd, KVM_ENABLE_CAP, &cap));
}

TEST(get)
{
	struct log l;

	log_new(&l, KVM_MEM_LOG_DIRTY_PAGES);
	touch(&l, 3);
	touch(&l, 200);
	touch(&l, 3);
	OK(get(&l, 1));
	CHECK_EQ(count(&l), 2);
	CHECK(is_dirty(&l, 3) && is_dirty(&l, 200));
	/* Getting it cleared it. */
	OK(get(&l, 1));
	CHECK_EQ(count(&l), 0);
	/* And a write after that is seen again. */
	touch(&l, 3);
	OK(get(&l, 1));
	CHECK_EQ(count(&l), 1);
	CHECK(is_dirty(&l, 3));
}

TEST(arguments)
{
	struct kvm_dirty_log d = { .slot = 1, .dirty_bitmap = (void *)8 };
	struct log l;

	log_new(&l, 0);
	FAILS(ENOENT, get(&l, 1));		/* not logged */
	FAILS(ENOENT, get(&l, 2));		/* not there */
	FAILS(EINVAL, get(&l, 0x7fff));
	FAILS(EINVAL, get(&l, 5 << 16));
	FAILS(EFAULT, ioctl(l.vm->fd, KVM_GET_DIRTY_LOG, 8));
	vm_slot(l.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AT, PAGES * PAGE, l.m);
	touch(&l, 1);
	FAILS(EFAULT, ioctl(l.vm->fd, KVM_GET_DIRTY_LOG, &d));
	OK(get(&l, 1));
	vm_slot(l.vm, 1, 0, AT, PAGES * PAGE, l.m);
	FAILS(ENOENT, get(&l, 1));
}

/* The guest's own walks dirty its page tables: they are written as well. */
TEST(page_tables)
{
	struct kvm_dirty_log d;
	uint64_t *map = calloc(1, VM_MEM / PAGE / 8);
	struct log l;
	uint64_t *pd;

	log_new(&l, 0);
	pd = (uint64_t *)(l.vm->mem + G_PD);
	vm_slot(l.vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, VM_MEM, l.vm->mem);
	d = (struct kvm_dirty_log) { .slot = 0, .dirty_bitmap = map };
	touch(&l, 0);
	OK(ioctl(l.vm->fd, KVM_GET_DIRTY_LOG, &d));
	CHECK_EQ(pd[AT / (2 * MiB)] & 0x60, 0x60);
	CHECK(map[G_PD / PAGE / 64] >> G_PD / PAGE % 64 & 1,
	      "A and D were set, but the table's page is not in the log");
}

/* Switching it on under a guest that has the pages mapped for writing. */
TEST(switched_on)
{
	struct log l;
	int i;

	log_new(&l, 0);
	madvise(l.m, PAGES * PAGE, MADV_HUGEPAGE);
	for (i = 0; i < PAGES; i += 8)
		touch(&l, i);
	for (i = 0; i < 3; i++) {
		vm_slot(l.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AT, PAGES * PAGE, l.m);
		OK(get(&l, 1));
		CHECK_EQ(count(&l), 0);
		touch(&l, 17 + i);
		OK(get(&l, 1));
		CHECK_EQ(count(&l), 1);
		CHECK(is_dirty(&l, 17 + i));
		vm_slot(l.vm, 1, 0, AT, PAGES * PAGE, l.m);
		touch(&l, 18);
	}
}

/* More pages without an exit in between than a CPU's own log holds: 512. */
TEST(many)
{
	struct log l;
	int i;

	log_new(&l, KVM_MEM_LOG_DIRTY_PAGES);
	vm_slot(l.vm, 2, KVM_MEM_LOG_DIRTY_PAGES, AT + PAGES * PAGE,
		PAGES * PAGE, mem_new(PAGES * PAGE));
	for (i = 0; i < 3; i++) {
		vcpu_jump(l.v, G_fill);
		vcpu_args(l.v, AT + 100 * PAGE, 2 * PAGES - 200);
		want_mark(l.v, 1);
		OK(get(&l, 2));
		CHECK_EQ(count(&l), PAGES - 100);
		CHECK(is_dirty(&l, 0) && !is_dirty(&l, PAGES - 100));
		OK(get(&l, 1));
		CHECK_EQ(count(&l), PAGES - 100);
		CHECK(is_dirty(&l, 100) && !is_dirty(&l, 99));
	}
}

/* What the kernel itself writes for the guest is logged: here emulated code. */
TEST(read_leaves_clean)
{
	struct log l;

	log_new(&l, KVM_MEM_LOG_DIRTY_PAGES);
	vcpu_jump(l.v, G_read);
	vcpu_args(l.v, AT, PAGES);
	want_mark(l.v, 1);
	OK(get(&l, 1));
	CHECK_EQ(count(&l), 0);
	touch(&l, 9);
	OK(get(&l, 1));
	CHECK_EQ(count(&l), 1);
}

TEST(string_in)
{
	struct log l;

	log_new(&l, KVM_MEM_LOG_DIRTY_PAGES);
	vcpu_jump(l.v, G_ins);
	vcpu_args(l.v, AT + 5 * PAGE, 0);
	while (vcpu_run(l.v) == KVM_EXIT_IO && l.v->run->io.port == 0x99)
		;
	report_guest_failure(l.v);
	OK(get(&l, 1));
	CHECK(is_dirty(&l, 5));
	CHECK_EQ(count(&l), 1);
}

TEST(clear)
{
	uint64_t some[PAGES / 64] = { 0 };
	struct log l;
	int i;

	NEED_CAP(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
	log_new(&l, KVM_MEM_LOG_DIRTY_PAGES);
	manual(&l, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	for (i = 0; i < 10; i++)
		touch(&l, 60 + i);
	for (i = 0; i < 2; i++) {
		OK(get(&l, 1));
		CHECK_EQ(count(&l), 10);	/* GET leaves them now */
	}
	/* Clear 60-63 only: a mask with 61 left out. */
	some[0] = 1ULL << 60 | 1ULL << 62 | 1ULL << 63;
	OK(clear(&l, 0, 64, some));
	OK(get(&l, 1));
	CHECK_EQ(count(&l), 7);
	CHECK(is_dirty(&l, 61) && !is_dirty(&l, 62) && is_dirty(&l, 64));
	/* Written anew. */
	touch(&l, 62);
	OK(get(&l, 1));
	CHECK(is_dirty(&l, 62));
	/* From the middle, to the very end. */
	some[0] = -1;
	OK(clear(&l, 64, 64, some));
	OK(get(&l, 1));
	CHECK_EQ(count(&l), 2);
	OK(clear(&l, PAGES - 64, 64, some));
	/* What is not allowed. */
	FAILS(EINVAL, clear(&l, 1, 64, some));
	FAILS(EINVAL, clear(&l, 0, 63, some));
	FAILS(EINVAL, clear(&l, PAGES, 64, some));
	FAILS(EINVAL, clear(&l, PAGES - 64, 128, some));
	FAILS(EINVAL, clear(&l, -64ULL, 64, some));
	FAILS(EFAULT, clear(&l, 0, 64, (void *)8));
}

TEST(initially_set)
{
	uint64_t all[PAGES / 64];
	struct log l;

	if (node_cap(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) < 3)
		test_skip("no KVM_DIRTY_LOG_INITIALLY_SET");
	memset(all, 0xff, sizeof(all));
	log_new(&l, 0);
	manual(&l, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
	       KVM_DIRTY_LOG_INITIALLY_SET);
	touch(&l, 4);
	vm_slot(l.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AT, PAGES * PAGE, l.m);
	OK(get(&l, 1));
	CHECK_EQ(count(&l), PAGES);
	OK(clear(&l, 0, PAGES, all));
	OK(get(&l, 1));
	CHECK_EQ(count(&l), 0);
	touch(&l, 4);
	touch(&l, 5);
	OK(get(&l, 1));
	CHECK_EQ(count(&l), 2);
}

TEST(manual_arguments)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 };
	struct log l;

	NEED_CAP(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
	log_new(&l, 0);
	cap.args[0] = 8;
	FAILS(EINVAL, ioctl(l.vm->fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = KVM_DIRTY_LOG_INITIALLY_SET;
	FAILS(EINVAL, ioctl(l.vm->fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 1;
	cap.flags = 1;
	FAILS(EINVAL, ioctl(l.vm->fd, KVM_ENABLE_CAP, &cap));
	FAILS(EFAULT, ioctl(l.vm->fd, KVM_ENABLE_CAP, 8));
	cap = (struct kvm_enable_cap) { .cap = 5000 };
	FAILS(EINVAL, ioctl(l.vm->fd, KVM_ENABLE_CAP, &cap));
}

/* Migration in small: copy dirty pages while the guest writes; end equal. */
TEST_TIMEOUT(migrates, 60)
{
	uint8_t *copy = mem_new(PAGES * PAGE);
	struct log l;
	int i, j;

	log_new(&l, KVM_MEM_LOG_DIRTY_PAGES);
	for (i = 0; i < 300; i++) {
		touch(&l, i * 37 % PAGES);
		if (i % 10 != 9)
			continue;
		OK(get(&l, 1));
		for (j = 0; j < PAGES; j++)
			if (is_dirty(&l, j))
				memcpy(copy + j * PAGE, l.m + j * PAGE, PAGE);
		MUST(!memcmp(copy, l.m, PAGES * PAGE), "after %d writes", i);
	}
}

#define RING_PAGES	1024

struct ring {
	struct log l;
	struct kvm_dirty_gfn *gfn;
	unsigned int size, at;		/* in entries */
};

static struct ring ring_new_by(uint32_t name, uint32_t flags)
{
	struct kvm_enable_cap cap = { .cap = name };
	uint8_t *p = mem_new(6 * MiB);
	struct ring r = { .size = 512 };

	r.l.vm = vm_new(&payload);
	r.l.m = p + (-(uintptr_t)p & (2 * MiB - 1));
	cap.args[0] = r.size * sizeof(*r.gfn);
	/* Where the CPU has a log of 512, that much is kept free for it, and more. */
	if (ioctl(r.l.vm->fd, KVM_ENABLE_CAP, &cap)) {
		CHECK_EQ(errno, EINVAL);
		r.size *= 2;
		cap.args[0] *= 2;
		OK(ioctl(r.l.vm->fd, KVM_ENABLE_CAP, &cap));
	}
	vm_slot(r.l.vm, 1, flags, AT, RING_PAGES * PAGE, r.l.m);
	r.l.v = vcpu_new(r.l.vm, 0, LONG64, G_write);
	r.gfn = mmap(NULL, r.size * sizeof(*r.gfn), PROT_READ | PROT_WRITE, MAP_SHARED,
		     r.l.v->fd, KVM_DIRTY_LOG_PAGE_OFFSET * PAGE);
	MUST(r.gfn != MAP_FAILED, "%s", strerror(errno));
	return r;
}

static struct ring ring_new(uint32_t flags)
{
	NEED_CAP(KVM_CAP_DIRTY_LOG_RING);
	return ring_new_by(KVM_CAP_DIRTY_LOG_RING, flags);
}

/* The next entry, which is taken: a page of slot 1, or -1. */
static long take(struct ring *r)
{
	struct kvm_dirty_gfn *g = &r->gfn[r->at % r->size];

	if (__atomic_load_n(&g->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
		return -1;
	CHECK_EQ(g->slot, 1);
	r->at++;
	__atomic_store_n(&g->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	return g->offset;
}

static long reset(struct ring *r)
{
	return ioctl(r->l.vm->fd, KVM_RESET_DIRTY_RINGS);
}

TEST(ring)
{
	struct ring r = ring_new(KVM_MEM_LOG_DIRTY_PAGES);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING, .args[0] = 8192 };
	void *bad;

	/* A page is in it once, until it is taken and the rings are reset. */
	CHECK_EQ(take(&r), -1);
	touch(&r.l, 3);
	touch(&r.l, 3);
	touch(&r.l, 200);
	CHECK_EQ(take(&r), 3);
	touch(&r.l, 3);
	CHECK_EQ(take(&r), 200);
	CHECK_EQ(take(&r), -1);
	CHECK_EQ(reset(&r), 2);
	CHECK_EQ(reset(&r), 0);
	touch(&r.l, 3);
	touch(&r.l, 4);
	CHECK_EQ(take(&r), 3);
	CHECK_EQ(take(&r), 4);
	/* One that isn't taken stays, and with it what is behind it. */
	CHECK_EQ(reset(&r), 2);
	touch(&r.l, 5);
	touch(&r.l, 6);
	CHECK_EQ(reset(&r), 0);
	r.gfn[(r.at + 1) % r.size].flags = KVM_DIRTY_GFN_F_RESET;
	CHECK_EQ(reset(&r), 0);
	CHECK_EQ(take(&r), 5);
	CHECK_EQ(reset(&r), 2);
	r.at++;

	/* There are no bitmaps, and no second size. */
	FAILS(ENXIO, get(&r.l, 1));
	FAILS(ENXIO, clear(&r.l, 0, 64, r.l.map));
	FAILS(EINVAL, ioctl(r.l.vm->fd, KVM_ENABLE_CAP, &cap));
	bad = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, r.l.v->fd,
		   KVM_DIRTY_LOG_PAGE_OFFSET * PAGE);
	CHECK(bad == MAP_FAILED && errno == EINVAL);
	/* The log ends, and begins again. */
	vm_slot(r.l.vm, 1, 0, AT, RING_PAGES * PAGE, r.l.m);
	touch(&r.l, 7);
	CHECK_EQ(take(&r), -1);
	vm_slot(r.l.vm, 1, KVM_MEM_LOG_DIRTY_PAGES, AT, RING_PAGES * PAGE, r.l.m);
	touch(&r.l, 7);
	CHECK_EQ(take(&r), 7);
	CHECK_EQ(reset(&r), 1);
}

/* By the name of those who order their accesses, as take() does. */
TEST(ring_acq_rel)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL, .args[0] = 8192,
	};
	struct ring r;
	int i;

	NEED_CAP(KVM_CAP_DIRTY_LOG_RING_ACQ_REL);
	CHECK_EQ(node_cap(KVM_CAP_DIRTY_LOG_RING_ACQ_REL),
		 node_cap(KVM_CAP_DIRTY_LOG_RING));
	r = ring_new_by(KVM_CAP_DIRTY_LOG_RING_ACQ_REL, KVM_MEM_LOG_DIRTY_PAGES);
	for (i = 0; i < 3; i++) {
		touch(&r.l, 5);
		touch(&r.l, 6 + i);
		CHECK_EQ(take(&r), 5);
		CHECK_EQ(take(&r), 6 + i);
		CHECK_EQ(take(&r), -1);
		CHECK_EQ(reset(&r), 2);
	}
	FAILS(ENXIO, get(&r.l, 1));
	/* One ring, by either name. */
	FAILS(EINVAL, ioctl(r.l.vm->fd, KVM_ENABLE_CAP, &cap));
	cap.cap = KVM_CAP_DIRTY_LOG_RING;
	FAILS(EINVAL, ioctl(r.l.vm->fd, KVM_ENABLE_CAP, &cap));
	cap.cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL;
	cap.args[0] = 12288;
	FAILS(EINVAL, ioctl(vm_bare()->fd, KVM_ENABLE_CAP, &cap));
}

/* Nearly full, the vCPU waits for it to be reset, and loses nothing. */
TEST(ring_full)
{
	struct ring r = ring_new(KVM_MEM_LOG_DIRTY_PAGES);
	uint8_t seen[RING_PAGES] = { };
	int i, fulls = 0, n = 0;
	long page;

	vcpu_jump(r.l.v, G_fill);
	vcpu_args(r.l.v, AT, RING_PAGES);
	while (vcpu_run(r.l.v) == KVM_EXIT_DIRTY_RING_FULL) {
		if (fulls < 2)
			CHECK_EQ(vcpu_run(r.l.v), KVM_EXIT_DIRTY_RING_FULL);
		MUST(++fulls < 100, "again and again");
		for (i = 0; (page = take(&r)) >= 0; i++)
			seen[page]++;
		CHECK_EQ(reset(&r), i);
		n += i;
	}
	CHECK(fulls >= 1);
	for (; (page = take(&r)) >= 0; n++)
		seen[page]++;
	/* Before each exit one was not yet written, and is caught again. */
	CHECK(n >= RING_PAGES && n <= RING_PAGES + fulls, "%d", n);
	for (i = 0; i < RING_PAGES; i++) {
		CHECK(seen[i], "%d", i);
		CHECK_EQ(*(uint64_t *)(r.l.m + i * PAGE), 1);
	}
}

/* Whatever is written into it, only user space is confused by it. */
TEST(ring_scribbled)
{
	struct ring r = ring_new(KVM_MEM_LOG_DIRTY_PAGES);
	unsigned int i;

	for (i = 0; i < 100; i++)
		touch(&r.l, i);
	for (i = 0; i < r.size; i++) {
		r.gfn[i].flags = KVM_DIRTY_GFN_F_RESET;
		r.gfn[i].slot = i % 3 ? i * 0x10001 : 1;
		r.gfn[i].offset = i % 2 ? ~0ULL - i : i * 100;
	}
	CHECK_EQ(reset(&r), 100);
	CHECK_EQ(reset(&r), 0);
	memset(r.gfn, 0xff, r.size * sizeof(*r.gfn));
	for (i = 0; i < 100; i++)
		touch(&r.l, 100 + i);
	CHECK(reset(&r) >= 0);
}

TEST(ring_sizes)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING };
	struct vm *vm = vm_new(&payload);
	unsigned int max = node_cap(KVM_CAP_DIRTY_LOG_RING);

	NEED_CAP(KVM_CAP_DIRTY_LOG_RING);
	CHECK_EQ(max, 65536 * sizeof(struct kvm_dirty_gfn));
	FAILS(EINVAL, ioctl(vm->fd, KVM_RESET_DIRTY_RINGS));
	FAILS(EINVAL, ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 12288;
	FAILS(EINVAL, ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 1024;
	FAILS(EINVAL, ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	cap.args[0] = 2 * max;
	FAILS(E2BIG, ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
	vcpu_bare(vm, 0);
	cap.args[0] = max;
	FAILS(EINVAL, ioctl(vm->fd, KVM_ENABLE_CAP, &cap));
}
