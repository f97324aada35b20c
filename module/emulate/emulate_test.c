// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of decode, execute and the page walk, as the kernel compiles
 * them.  The breadth is in selftests/emulate, in user space.
 */
#include <kunit/test.h>
#include <linux/string.h>
#include <asm/processor-flags.h>

#include "emulate.h"

#define RAM		0x8000
#define DATA		0x1000
#define DEVICE		0x7000	/* to the end, served by "user space" */

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

struct machine {
	struct lodge_emul c;
	u64 gpr[16];
	u8 pio[4096];
	u8 ram[RAM];
};

static struct machine *of(struct lodge_emul *c)
{
	return c->priv;
}

static int t_translate(struct lodge_emul *c, u64 la, u32 access, u64 *gpa)
{
	*gpa = la;
	if (la < RAM)
		return LODGE_EMUL_OK;
	lodge_emul_raise(c, 14, true, access);
	c->fault.address = la;
	return LODGE_EMUL_FAULT;
}

static int t_read(struct lodge_emul *c, u64 gpa, void *buf, u32 len)
{
	if (gpa + len > DEVICE)
		return LODGE_EMUL_MMIO;
	memcpy(buf, of(c)->ram + gpa, len);
	return LODGE_EMUL_OK;
}

static int t_write(struct lodge_emul *c, u64 gpa, const void *buf, u32 len)
{
	if (gpa + len > DEVICE)
		return LODGE_EMUL_MMIO;
	memcpy(of(c)->ram + gpa, buf, len);
	return LODGE_EMUL_OK;
}

static int t_cmpxchg(struct lodge_emul *c, u64 gpa, const void *old,
		     const void *new, u32 len)
{
	if (gpa + len <= DEVICE && memcmp(of(c)->ram + gpa, old, len))
		return LODGE_EMUL_AGAIN;
	return t_write(c, gpa, new, len);
}

static int t_mmio(struct lodge_emul *c, bool write, u64 gpa, void *data,
		  u32 len)
{
	return LODGE_EMUL_USER;
}

static int t_io(struct lodge_emul *c, bool in, u16 port, u32 size, u32 count)
{
	return LODGE_EMUL_USER;
}

static void t_get_seg(struct lodge_emul *c, int seg, struct kvm_segment *s)
{
	*s = (struct kvm_segment) { .limit = 0xffff, .type = 3, .s = 1,
				    .present = 1, .selector = seg };
}

static u64 t_get_cr(struct lodge_emul *c, int cr)
{
	return 0;
}

static const struct lodge_emul_ops ops = {
	.translate = t_translate, .read = t_read, .write = t_write,
	.cmpxchg = t_cmpxchg, .mmio = t_mmio, .io = t_io,
	.get_seg = t_get_seg, .get_cr = t_get_cr,
};

static int emulate_test_init(struct kunit *test)
{
	struct machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	if (!m)
		return -ENOMEM;
	lodge_emul_init(&m->c, &ops, m);
	m->c.gpr = m->gpr;
	m->c.pio = m->pio;
	m->c.pio_size = sizeof(m->pio);
	m->c.mode = LODGE_EMUL_PROT64;
	m->c.rflags = X86_EFLAGS_FIXED;
	test->priv = m;
	return 0;
}

static int run(struct machine *m, const char *insn, u32 n)
{
	int st = lodge_emul_decode(&m->c, (const u8 *)insn, n);

	return st ? st : lodge_emul_execute(&m->c);
}

#define RUN(m, insn)	run(m, insn, sizeof(insn) - 1)

static void lengths(struct kunit *test)
{
	static const struct { const char *insn; u32 bits; int len; } t[] = {
		{ "\x0f\xa2             ", 64, 2 },
		{ "\x66\x2e\x0f\xa2           ", 64, 4 },
		{ "\xf4              ", 32, 1 },
		{ "\x0f\x01\xd9            ", 64, 3 },
		{ "\x0f\x22\xc0            ", 32, 3 },
		{ "\x48\xb8             ", 64, 10 },
		{ "\xb8              ", 16, 3 },
		{ "\xc7\x84\x24           ", 64, 11 },
		{ "\x8b\x05             ", 64, 6 },
		{ "\x06              ", 64, 0 },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		KUNIT_EXPECT_EQ(test, lodge_emul_length((const u8 *)t[i].insn,
							15, t[i].bits),
				t[i].len);
		KUNIT_EXPECT_EQ(test, lodge_emul_length((const u8 *)t[i].insn,
							max(t[i].len - 1, 0),
							t[i].bits), 0);
	}
}

static void memory(struct kunit *test)
{
	struct machine *m = test->priv;

	m->gpr[RBX] = DATA;
	m->gpr[RAX] = 0x1122334455667788;
	KUNIT_EXPECT_EQ(test, RUN(m, "\x48\x89\x43\x08"), LODGE_EMUL_OK);
	KUNIT_EXPECT_EQ(test, *(u64 *)(m->ram + DATA + 8), m->gpr[RAX]);
	KUNIT_EXPECT_EQ(test, m->c.rip, 4ull);
	/* lock add %eax,8(%rbx) */
	KUNIT_EXPECT_EQ(test, RUN(m, "\xf0\x01\x43\x08"), LODGE_EMUL_OK);
	KUNIT_EXPECT_EQ(test, *(u32 *)(m->ram + DATA + 8), 0xaaccef10u);
	KUNIT_EXPECT_TRUE(test, m->c.rflags & X86_EFLAGS_SF);
	/* lock mov is none; a page that isn't there; a bad address. */
	KUNIT_EXPECT_EQ(test, RUN(m, "\xf0\x89\x03"), LODGE_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.vector, 6);
	m->gpr[RBX] = RAM;
	KUNIT_EXPECT_EQ(test, RUN(m, "\x01\x03"), LODGE_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.error, (u32)LODGE_ACC_WRITE);
	KUNIT_EXPECT_EQ(test, m->c.fault.address, (u64)RAM);
	m->gpr[RBX] = 1ULL << 63;
	KUNIT_EXPECT_EQ(test, RUN(m, "\x01\x03"), LODGE_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.vector, 13);
	KUNIT_EXPECT_EQ(test, m->c.rip, 8ull);
}

static void devices(struct kunit *test)
{
	struct machine *m = test->priv;

	/* or $1,(%rbx): a read and a write, nothing visible between them. */
	m->gpr[RBX] = DEVICE;
	KUNIT_EXPECT_EQ(test, RUN(m, "\x83\x0b\x01"), LODGE_EMUL_USER);
	KUNIT_EXPECT_FALSE(test, m->c.user.write);
	KUNIT_EXPECT_EQ(test, m->c.user.gpa, (u64)DEVICE);
	m->c.user.data = 0x40;
	KUNIT_EXPECT_EQ(test, lodge_emul_resume(&m->c), LODGE_EMUL_USER);
	KUNIT_EXPECT_TRUE(test, m->c.user.write);
	KUNIT_EXPECT_EQ(test, m->c.user.data, 0x41ull);
	KUNIT_EXPECT_EQ(test, m->c.rip, 0ull);
	KUNIT_EXPECT_EQ(test, lodge_emul_resume(&m->c), LODGE_EMUL_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, 3ull);

	/* rep insb: all that fits in one go. */
	m->gpr[RDI] = DATA + 0xff0;
	m->gpr[RCX] = 0x20;
	m->gpr[RDX] = 0x60;
	KUNIT_EXPECT_EQ(test, RUN(m, "\xf3\x6c"), LODGE_EMUL_USER);
	KUNIT_EXPECT_EQ(test, m->c.user.count, 0x10u);
	memset(m->pio, 0x5a, 0x10);
	KUNIT_EXPECT_EQ(test, lodge_emul_resume(&m->c), LODGE_EMUL_USER);
	KUNIT_EXPECT_EQ(test, m->gpr[RCX], 0x10ull);
	KUNIT_EXPECT_EQ(test, m->ram[DATA + 0xfff], 0x5a);
	KUNIT_EXPECT_EQ(test, m->c.user.count, 0x10u);
	KUNIT_EXPECT_EQ(test, lodge_emul_resume(&m->c), LODGE_EMUL_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, 5ull);
}

static void division(struct kunit *test)
{
	struct machine *m = test->priv;

	/* 128 by 64 bits: what the compiler would want a library for. */
	m->gpr[RDX] = 1;
	m->gpr[RCX] = 3;
	KUNIT_EXPECT_EQ(test, RUN(m, "\x48\xf7\xf1"), LODGE_EMUL_OK);
	KUNIT_EXPECT_EQ(test, m->gpr[RAX], 0x5555555555555555ull);
	KUNIT_EXPECT_EQ(test, m->gpr[RDX], 1ull);
	m->gpr[RDX] = 3;
	KUNIT_EXPECT_EQ(test, RUN(m, "\x48\xf7\xf1"), LODGE_EMUL_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.vector, 0);
}

static u64 table[512];

static int w_read(const struct lodge_walk *w, u64 gpa, void *val, u32 len)
{
	memcpy(val, (u8 *)table + (gpa & 0xfff), len);
	return 0;
}

static int w_cmpxchg(const struct lodge_walk *w, u64 gpa, u64 old, u64 new,
		     u32 len)
{
	table[(gpa & 0xfff) / 8] = new;
	return 0;
}

/* One table that is all four levels, at index 1 of itself. */
static void walk(struct kunit *test)
{
	static const struct lodge_walk_ops walk_ops = {
		.read = w_read, .cmpxchg = w_cmpxchg,
	};
	struct lodge_walk w = {
		.ops = &walk_ops, .cr0 = X86_CR0_PG | X86_CR0_WP,
		.cr4 = X86_CR4_PAE, .efer = 0xd00, .maxphyaddr = 40,
	};
	struct lodge_walk_result res;
	u64 la = 1ULL << 39 | 1ULL << 30 | 1ULL << 21 | 1ULL << 12 | 0x123;

	table[1] = 0x5000 | 7;
	KUNIT_EXPECT_EQ(test, lodge_walk(&w, la, LODGE_ACC_WRITE, &res), 0);
	KUNIT_EXPECT_EQ(test, res.gpa, 0x5123ull);
	KUNIT_EXPECT_EQ(test, table[1], 0x5067ull);
	table[1] = 0x5005;
	KUNIT_EXPECT_EQ(test, lodge_walk(&w, la, LODGE_ACC_WRITE |
					 LODGE_ACC_USER, &res), -EFAULT);
	KUNIT_EXPECT_EQ(test, res.error, 7u);
	KUNIT_EXPECT_EQ(test, table[1], 0x5005ull);
	KUNIT_EXPECT_EQ(test, lodge_walk(&w, la + 0x1000, 0, &res), -EFAULT);
	KUNIT_EXPECT_EQ(test, res.error, 0u);
}

static struct kunit_case emulate_cases[] = {
	KUNIT_CASE(lengths),
	KUNIT_CASE(memory),
	KUNIT_CASE(devices),
	KUNIT_CASE(division),
	KUNIT_CASE(walk),
	{}
};

static struct kunit_suite emulate_suite = {
	.name = "lodge-emulate",
	.init = emulate_test_init,
	.test_cases = emulate_cases,
};
kunit_test_suite(emulate_suite);
