// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtqueues against drivers that break every rule.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tap.h"
#include "virtqueue.h"

#define RAM	0x10000
#define DESC	0x1000
#define AVAIL	0x2000
#define USED	0x3000
#define TABLE	0x4000	/* an indirect one */
#define DATA	0x8000
#define SIZE	8

static uint8_t ram[2 * RAM] __attribute__((aligned(4096)));	/* half of it is the guest's */
static struct mem mem = { { { 0, RAM, ram } }, 1, -1, -1 };
static struct vring_desc *desc = (void *)(ram + DESC);
static struct vring_avail *avail = (void *)(ram + AVAIL);
static struct vring_used *used = (void *)(ram + USED);
static struct virtqueue vq;
static struct vq_chain chain;

static void set(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
		uint16_t next)
{
	desc[i] = (struct vring_desc){ addr, len, flags, next };
}

/* A fresh queue, with descriptor @head offered. */
static int pop(uint16_t head)
{
	avail->idx = 1;
	avail->ring[0] = head;
	vq = (struct virtqueue){ .mem = &mem, .size = SIZE, .desc_gpa = DESC,
				 .avail_gpa = AVAIL, .used_gpa = USED,
				 .budget = SIZE };
	if (vq_enable(&vq))
		return -2;
	return vq_pop(&vq, &chain);
}

static int enable(uint16_t size, uint64_t d, uint64_t a, uint64_t u)
{
	vq = (struct virtqueue){ .mem = &mem, .size = size, .desc_gpa = d,
				 .avail_gpa = a, .used_gpa = u };
	return vq_enable(&vq);
}

static void test_places(void)
{
	check(!enable(SIZE, DESC, AVAIL, USED), "rings in RAM are taken");
	check(enable(0, DESC, AVAIL, USED), "no size 0");
	check(enable(6, DESC, AVAIL, USED), "no size but powers of two");
	check(enable(SIZE, RAM, AVAIL, USED), "descriptors outside of RAM");
	check(enable(SIZE, RAM - 112, AVAIL, USED), "descriptors over the end");
	check(enable(SIZE, DESC, ~1ULL, USED), "available ring that wraps");
	check(enable(SIZE, DESC, AVAIL, RAM - 68), "used ring over the end");
	check(enable(SIZE, DESC + 8, AVAIL, USED), "descriptors not aligned");
	check(enable(SIZE, DESC, AVAIL + 1, USED), "available not aligned");
	check(enable(SIZE, DESC, AVAIL, USED + 2), "used ring not aligned");
	check(!vq_pop(&vq, &chain), "a refused queue gives nothing");
}

static void test_chains(void)
{
	set(0, DATA, 16, VRING_DESC_F_NEXT, 3);
	set(3, DATA + 16, 32, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 5);
	set(5, DATA + 64, 1, VRING_DESC_F_WRITE, 0);
	check(pop(0) == 1 && chain.out == 1 && chain.in == 2 &&
	      chain.iov[1].iov_base == ram + DATA + 16 &&
	      chain.iov[1].iov_len == 32, "a chain of three is read");
	check(!vq_pop(&vq, &chain), "and no other is there");

	check(pop(SIZE) == -1, "a head past the ring");
	set(0, DATA, 16, VRING_DESC_F_NEXT, SIZE);
	check(pop(0) == -1, "a next past the ring");
	set(0, DATA, 16, VRING_DESC_F_NEXT, 0);
	check(pop(0) == -1, "a descriptor that is its own next");
	set(0, DATA, 16, VRING_DESC_F_NEXT, 1);
	set(1, DATA, 16, VRING_DESC_F_NEXT, 0);
	check(pop(0) == -1, "a loop of two");
	set(0, RAM - 8, 16, 0, 0);
	check(pop(0) == -1, "a buffer over the end of RAM");
	set(0, ~0ULL - 7, 16, 0, 0);
	check(pop(0) == -1, "a buffer that wraps");
	set(0, DATA, 0xffffffff, 0, 0);
	check(pop(0) == -1, "a buffer of 4 GiB");
	set(0, DATA, 0, 0, 0);
	check(pop(0) == -1, "a buffer of nothing");
	set(0, DATA, 8, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	set(1, DATA, 8, 0, 0);
	check(pop(0) == -1, "readable after writable");
	set(0, DATA, 16, 0, 0);
	pop(0);
	avail->idx = SIZE + 2;
	check(vq_pop(&vq, &chain) == -1, "more offered than the ring holds");
}

static void test_indirect(void)
{
	struct vring_desc *t = (void *)(ram + TABLE);
	unsigned int i;

	for (i = 0; i < VQ_MAX_IOV + 1; i++)
		t[i] = (struct vring_desc){ DATA, 8, VRING_DESC_F_NEXT, i + 1 };
	t[VQ_MAX_IOV - 1].flags = 0;
	set(0, TABLE, VQ_MAX_IOV * 16, VRING_DESC_F_INDIRECT, 0);
	check(pop(0) == 1 && chain.out == VQ_MAX_IOV,
	      "an indirect table, longer than the ring");
	t[VQ_MAX_IOV - 1].flags = VRING_DESC_F_NEXT;
	t[VQ_MAX_IOV].flags = 0;
	set(0, TABLE, (VQ_MAX_IOV + 1) * 16, VRING_DESC_F_INDIRECT, 0);
	check(pop(0) == -1, "more buffers than are bounded");
	set(0, TABLE, 24, VRING_DESC_F_INDIRECT, 0);
	check(pop(0) == -1, "a table of one and a half");
	set(0, TABLE, 0, VRING_DESC_F_INDIRECT, 0);
	check(pop(0) == -1, "an empty table");
	set(0, RAM - 16, 32, VRING_DESC_F_INDIRECT, 0);
	check(pop(0) == -1, "a table over the end of RAM");
	set(0, TABLE, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	check(pop(0) == -1, "a table that has a next");
	t[0] = (struct vring_desc){ TABLE, 16, VRING_DESC_F_INDIRECT, 0 };
	set(0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	check(pop(0) == -1, "a table in a table");
	t[0] = (struct vring_desc){ DATA, 8, VRING_DESC_F_NEXT, 1 };
	check(pop(0) == -1, "a next past the table");
}

static void test_used(void)
{
	set(0, DATA, 16, 0, 0);
	memset(ram + USED, 0, 6 + 8 * SIZE);
	pop(0);
	check(!vq_should_signal(&vq), "nothing pushed, nothing to tell");
	vq_push(&vq, 0, 7);
	check(used->idx == 1 && used->ring[0].id == 0 &&
	      used->ring[0].len == 7, "a request is given back");
	avail->flags = 0;
	check(vq_should_signal(&vq), "and told of");
	check(!vq_should_signal(&vq), "once");
	vq_push(&vq, 0, 7);
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	check(!vq_should_signal(&vq), "not if the driver wants none");
	avail->flags = 0;
	vq.event_idx = true;
	avail->ring[SIZE] = 5;	/* used_event */
	vq_push(&vq, 0, 7);
	check(!vq_should_signal(&vq), "not before the index it asked for");
	vq_push(&vq, 0, 7);
	vq_push(&vq, 0, 7);
	vq_push(&vq, 0, 7);
	check(vq_should_signal(&vq), "but when it is passed");
	check(!vq_sleep(&vq) && *(uint16_t *)&used->ring[SIZE] == 1,
	      "sleeping asks for the next request");
	avail->idx++;
	check(vq_sleep(&vq), "and sees one that came meanwhile");
	vq.budget = 0;
	check(!vq_pop(&vq, &chain) && !vq_sleep(&vq),
	      "a spent budget ends the turn");
}

static void test_groups(void)
{
	set(0, DATA, 16, 0, 0);
	set(1, DATA, 16, 0, 0);
	memset(ram + USED, 0, 6 + 8 * SIZE);
	pop(0);
	avail->idx = 2;
	avail->ring[1] = 1;
	check(vq_pop(&vq, &chain) == 1 && chain.head == 1, "a second request");
	vq_unpop(&vq, 2);
	check(vq_pop(&vq, &chain) == 1 && chain.head == 0 &&
	      vq_pop(&vq, &chain) == 1 && chain.head == 1, "both can be taken again");
	vq_fill(&vq, 0, 0, 5);
	vq_fill(&vq, 1, 1, 6);
	check(used->idx == 0, "prepared, they are not given back");
	vq_publish(&vq, 2);
	check(used->idx == 2 && used->ring[0].len == 5 && used->ring[1].id == 1 &&
	      used->ring[1].len == 6, "published, both are at once");
}

static void test_iov(void)
{
	char a[3] = "abc", b[4] = "defg", c[8] = "";
	struct iovec iov[2] = { { a, 3 }, { b, 4 } }, *p = iov;
	unsigned int n = 2;

	check(iov_size(iov, 2) == 7, "sizes add up");
	check(iov_copy_from(&p, &n, c, 4) == 4 && !memcmp(c, "abcd", 4) &&
	      n == 1 && p->iov_len == 3, "a copy crosses a buffer's end");
	check(iov_copy_to(&p, &n, "xyzw", 4) == 3 && !n &&
	      !memcmp(b, "dxyz", 4), "a copy stops at the last one's");
}

/*
 * A driver that is faster than any: whenever the device has read something of descriptors or
 * rings, once, something else is there. Their pages are closed, and who reads there makes
 * one step with them open (by the flag TF).
 */
#define CLOSED		(TABLE + 0x1000 - DESC)
#define TF		0x100
#define NOT_THE_GUESTS	3	/* the length of what descriptors beyond the rings name */

static struct {
	volatile unsigned int reads, when, how;
} step;

/* Of each descriptor, in the ring and in the table. */
#define EACH(set) do { \
	struct vring_desc *t_ = (void *)(ram + TABLE); \
	for (unsigned int i_ = 0; i_ < SIZE; i_++) { \
		desc[i_].set; \
		t_[i_].set; \
	} \
} while (0)

static const char *const changes[] = {
	"addresses at the end of memory", "addresses that wrap", "lengths", "lengths of nothing",
	"next ones that are none", "a table's size, and what is next in it", "ends", "loops",
	"ways", "tables that are none", "a head that is none", "the index",
};

static void change(unsigned int how)
{
	switch (how) {
	case 0:
		EACH(addr = RAM - 4);
		break;
	case 1:
		EACH(addr = ~0ULL - 7);
		break;
	case 2:
		EACH(len = RAM);
		break;
	case 3:
		EACH(len = 0);
		break;
	case 4:
		EACH(next = 5000);
		break;
	case 5:
		desc[3].len = 2 * RAM;
		((struct vring_desc *)(ram + TABLE))[0].next = 5000;
		break;
	case 6:
		EACH(flags = 0);
		break;
	case 7:
		EACH(flags |= VRING_DESC_F_NEXT);
		break;
	case 8:
		EACH(flags ^= VRING_DESC_F_WRITE);
		break;
	case 9:
		EACH(flags ^= VRING_DESC_F_INDIRECT);
		break;
	case 10:
		avail->ring[0] = 5000;
		break;
	case 11:
		avail->idx = SIZE + 1;
		break;
	}
}

static void on_closed(int sig, siginfo_t *info, void *context)
{
	uintptr_t off = (uintptr_t)info->si_addr - (uintptr_t)(ram + DESC);
	ucontext_t *u = context;

	if (off >= CLOSED || mprotect(ram + DESC, CLOSED, PROT_READ | PROT_WRITE))
		signal(sig, SIG_DFL);
	u->uc_mcontext.gregs[REG_EFL] |= TF;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	ucontext_t *u = context;

	(void)sig;
	(void)info;
	if (++step.reads == step.when)
		change(step.how);
	mprotect(ram + DESC, CLOSED, PROT_NONE);
	u->uc_mcontext.gregs[REG_EFL] &= ~TF;
}

/* Offer what has buffers in the ring, and others in a table; what the device makes of it. */
static int pop_stepwise(void)
{
	struct vring_desc *t = (void *)(ram + TABLE);
	int ret;

	memset(ram + DESC, 0, CLOSED);
	set(0, DATA, 16, VRING_DESC_F_NEXT, 2);
	set(2, DATA + 16, 32, VRING_DESC_F_NEXT, 3);
	set(3, TABLE, 3 * sizeof(*t), VRING_DESC_F_INDIRECT, 0);
	t[0] = (struct vring_desc){ DATA + 64, 8, VRING_DESC_F_NEXT, 2 };
	t[2] = (struct vring_desc){ DATA + 128, 64, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1 };
	t[1] = (struct vring_desc){ DATA + 256, 64, VRING_DESC_F_WRITE, 0 };
	avail->idx = 1;
	vq = (struct virtqueue){ .mem = &mem, .size = SIZE, .desc_gpa = DESC,
				 .avail_gpa = AVAIL, .used_gpa = USED, .budget = SIZE };
	if (vq_enable(&vq))
		return -2;
	step.reads = 0;
	mprotect(ram + DESC, CLOSED, PROT_NONE);
	ret = vq_pop(&vq, &chain);
	mprotect(ram + DESC, CLOSED, PROT_READ | PROT_WRITE);
	return ret;
}

static bool all_in_ram(void)
{
	unsigned int i;

	for (i = 0; i < chain.out + chain.in; i++) {
		uintptr_t off = (uintptr_t)chain.iov[i].iov_base - (uintptr_t)ram;
		size_t len = chain.iov[i].iov_len;

		if (!len || off >= RAM || len > RAM - off || len == NOT_THE_GUESTS)
			return false;
	}
	return i <= VQ_MAX_IOV;
}

static void test_changes(void)
{
	struct sigaction closed = { .sa_sigaction = on_closed, .sa_flags = SA_SIGINFO };
	struct sigaction stepped = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
	struct vring_desc *beyond = (void *)(ram + RAM);
	unsigned int i, wrong;

	for (i = 0; i < RAM / sizeof(*beyond); i++)
		beyond[i] = (struct vring_desc){ DATA, NOT_THE_GUESTS, 0, 0 };
	sigaction(SIGSEGV, &closed, NULL);
	sigaction(SIGTRAP, &stepped, NULL);
	step.when = 0;
	check(pop_stepwise() == 1 && chain.out == 3 && chain.in == 2 && all_in_ram() &&
	      step.reads >= 8, "what is read is seen: %u steps", step.reads);
	for (i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		step.how = i;
		wrong = 0;
		for (step.when = 1; ; step.when++) {
			int ret = pop_stepwise();

			if (step.reads < step.when)
				break;
			wrong += ret == 1 ? !all_in_ram() : ret != -1;
		}
		check(!wrong, "%s change behind the device, at each of %u steps",
		      changes[i], step.when - 1);
	}
	signal(SIGSEGV, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
}

int main(void)
{
	test_places();
	test_chains();
	test_indirect();
	test_used();
	test_groups();
	test_iov();
	test_changes();
	return done();
}
