/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ltest: what an ABI case needs. A case is one host file (abi/NAME.c) and at
 * most one guest payload (abi/NAME.guest.S or .c); see
 * Documentation/testing.rst.
 */
#ifndef LTEST_H
#define LTEST_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/kvm.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define PAGE		4096UL
#define PAGE_SIZE	PAGE		/* for <linux/kvm.h> */
#define MiB		(1UL << 20)
#define GiB		(1UL << 30)

/* ---- tests: registered by a section, each run in a process of its own ---- */

struct test {
	const char *group, *name;
	void (*fn)(void);
	unsigned int timeout;		/* seconds */
	unsigned int line;
};

#define TEST_TIMEOUT(_name, _seconds)					\
	static void test_##_name(void);					\
	static struct test reg_##_name					\
	__attribute__((used, section("ltests"), aligned(8))) = {	\
		.group = CASE, .name = #_name,				\
		.fn = test_##_name, .timeout = (_seconds),		\
		.line = __LINE__,					\
	};								\
	static void test_##_name(void)
#define TEST(_name)	TEST_TIMEOUT(_name, 20)

void test_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void test_cond(const char *file, int line, const char *cond,
	       const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void test_die(void) __attribute__((noreturn));
/* What -t says: how many times the usual a slow host may take. */
extern unsigned int test_factor;
void test_skip(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
void test_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A soft check: says what is wrong and goes on. */
#define CHECK(cond, ...) ({						\
	bool ok_ = !!(cond);						\
	if (!ok_)							\
		test_cond(__FILE__, __LINE__, #cond, "" __VA_ARGS__);	\
	ok_; })
/* A hard one: the test ends. */
#define MUST(cond, ...) do {						\
	if (!CHECK(cond, ##__VA_ARGS__))				\
		test_die();						\
} while (0)
#define CHECK_EQ(a, b) ({						\
	uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b);		\
	if (a_ != b_)							\
		test_fail(__FILE__, __LINE__, "%s is %#llx, not %s = %#llx", #a, \
			  (unsigned long long)a_, #b, (unsigned long long)b_); \
	a_ == b_; })
#define MUST_EQ(a, b) do {						\
	if (!CHECK_EQ(a, b))						\
		test_die();						\
} while (0)
/* A system call that must work; its value. */
#define OK(expr) ({							\
	long r_ = (long)(expr);						\
	if (r_ == -1) {							\
		test_fail(__FILE__, __LINE__, "%s: %s", #expr,		\
			  strerror(errno));				\
		test_die();						\
	}								\
	r_; })
/* One that must fail with this errno. */
#define FAILS(err, expr) ({						\
	errno = 0;							\
	long r_ = (long)(expr);						\
	int e_ = errno;							\
	bool ok_ = r_ == -1 && e_ == (err);				\
	if (!ok_)							\
		test_fail(__FILE__, __LINE__, "%s gave %ld (%s), not %s", \
			  #expr, r_, r_ == -1 ? strerror(e_) : "no error", \
			  strerror(err));				\
	ok_; })

/* A clock of the host's, in ns. */
uint64_t now_ns(clockid_t clock);

/* ---- the node ---- */

int node_open(void);
const char *node_path(void);
/* Whether the node is the kernel's own KVM, the reference. */
bool node_is_kvm(void);
int node_cap(int cap);
void need_cap(int cap, const char *name);
#define NEED_CAP(cap)	need_cap(cap, #cap)
/* The running kernel's version, 6.1 as 601. */
int host_release(void);
/* Whether the host's processor is Intel's. */
bool host_is_intel(void);

/* ---- virtual machines ---- */

/* Where things are in guest memory. */
#define G_GDT		0x1000UL
#define G_TSS		0x1400UL
#define G_IDT		0x2000UL
#define G_STACK16	0x7ff0UL
#define G_CODE		0x10000UL	/* payloads are linked here */
#define G_PML4		0x80000UL
#define G_PDPT		0x81000UL
#define G_PD		0x82000UL	/* four of them: 4 GiB, 2M pages */
#define G_PD32		0x86000UL	/* 4 GiB, 4M pages */
#define G_PDPT_PAE	0x87000UL
#define G_STACKS	0x200000UL	/* vCPU n: 4K below, times n */
#define G_FREE		0x200000UL	/* from here on: the test's own */
#define VM_MEM		(8 * MiB)

#define SEL_CODE64	0x08
#define SEL_DATA	0x10
#define SEL_CODE32	0x18
#define SEL_CODE16	0x20
#define SEL_DATA16	0x28
#define SEL_UDATA	0x33
#define SEL_UCODE64	0x3b
#define SEL_TSS		0x40

struct vm;

struct vcpu {
	int fd, id;
	struct kvm_run *run;
	size_t run_size;
	struct vm *vm;
};

struct vm {
	int sys, fd;
	uint8_t *mem;			/* slot 0, gpa 0 */
	size_t mem_size;
	uint64_t stubs;			/* trap stubs of the payload, or 0 */
};

struct payload {
	const void *image;
	size_t size;
	uint64_t stubs;
};

enum mode { REAL, PROT32, PAGED32, PAE, LONG64 };
extern const char *const mode_name[];

struct vm *vm_bare(void);
/* Enable a capability of a VM, with its first argument; as ioctl() says. */
int vm_enable(struct vm *vm, int cap, uint64_t arg);
struct vm *vm_new(const struct payload *p);
struct vm *vm_new_irqchip(const struct payload *p);
void vm_load(struct vm *vm, const struct payload *p);
void vm_free(struct vm *vm);
int vm_slot_try(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
		uint64_t size, void *hva);
void vm_slot(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
	     uint64_t size, void *hva);
void *mem_new(size_t size);

struct vcpu *vcpu_bare(struct vm *vm, int id);
struct vcpu *vcpu_reset(struct vm *vm, int id);
struct vcpu *vcpu_new(struct vm *vm, int id, enum mode mode, uint64_t entry);
void vcpu_free(struct vcpu *v);
void vcpu_end(struct vcpu *v);
void vcpu_mode(struct vcpu *v, enum mode mode, uint64_t entry);
struct kvm_cpuid2 *cpuid_supported(void);
void vcpu_set_cpuid(struct vcpu *v, struct kvm_cpuid2 *c);
struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *c, uint32_t leaf,
				    uint32_t index);
struct kvm_regs vcpu_regs(struct vcpu *v);
void vcpu_set_regs(struct vcpu *v, const struct kvm_regs *r);
struct kvm_sregs vcpu_sregs(struct vcpu *v);
void vcpu_set_sregs(struct vcpu *v, const struct kvm_sregs *s);
void vcpu_jump(struct vcpu *v, uint64_t rip);
/* RDI and RSI of the payload's entry. */
void vcpu_args(struct vcpu *v, uint64_t rdi, uint64_t rsi);
/*
 * Sets RFLAGS.IF, for a guest that loops without an exit: Bochs takes no
 * external interrupt, and so never leaves, from a guest entered without.
 */
void vcpu_interruptible(struct vcpu *v);
int msr_get_try(struct vcpu *v, uint32_t msr, uint64_t *val);
int msr_set_try(struct vcpu *v, uint32_t msr, uint64_t val);
uint64_t msr_get(struct vcpu *v, uint32_t msr);
void msr_set(struct vcpu *v, uint32_t msr, uint64_t val);

/* Runs once; the exit reason. Any error ends the test. */
int vcpu_run(struct vcpu *v);
const char *exit_name(uint32_t reason);
/* Runs on and wants this exit. */
void want_exit(struct vcpu *v, uint32_t reason);
void want_io(struct vcpu *v, bool out, uint16_t port, int size, uint32_t count);
void *io_data(struct vcpu *v);
void want_mmio(struct vcpu *v, bool write, uint64_t gpa, unsigned int len);
/* The payload protocol (lib/guest.h): a value, a mark, the end. */
uint64_t want_value(struct vcpu *v);
void want_mark(struct vcpu *v, uint64_t mark);
void want_done(struct vcpu *v);
/* If the present exit is a payload's failure report, says so and ends. */
void report_guest_failure(struct vcpu *v);

/* Of a binary statistics descriptor: all of it, to be freed; one of its values. */
void *stats_read(int fd, struct kvm_stats_header *h);
struct kvm_stats_desc *stats_desc(struct kvm_stats_header *h, void *all, int i);
uint64_t stats_value(int fd, const char *name);

#endif
