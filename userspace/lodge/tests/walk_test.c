// SPDX-License-Identifier: GPL-2.0-only
/* Page tables of each mode, their pages of each size, and those that lead nowhere. */
#include <asm/processor-flags.h>
#include <linux/kvm.h>
#include <string.h>

#include "mem.h"
#include "tap.h"
#include "walk.h"

#define USER		7	/* present, writable, the user's */
#define LARGE		(USER | 0x80)

static uint64_t tables[8][512];
static struct mem mem = {
	.region = { { .gpa = 0x10000, .size = sizeof(tables), .host = (uint8_t *)tables } },
	.count = 1,
};

#define TABLE(n)	(0x10000ull + (n) * 4096)

/* What an address is, in a mode that CR4 and EFER make; ~0: it is not mapped. */
static uint64_t of(uint64_t addr, uint64_t cr4, uint64_t efer, uint64_t cr3)
{
	struct kvm_sregs s = { .cr0 = X86_CR0_PG | X86_CR0_PE, .cr3 = cr3, .cr4 = cr4,
			       .efer = efer };
	uint64_t gpa;

	return walk(&mem, &s, addr, &gpa) ? gpa : ~0ull;
}

static uint64_t of_long(uint64_t addr)
{
	return of(addr, X86_CR4_PAE | X86_CR4_SMAP, EFER_LMA, TABLE(0) | 0xfff);
}

static void no_paging(void)
{
	struct kvm_sregs s = { .cr3 = TABLE(0) };
	uint64_t gpa;

	check(walk(&mem, &s, 0xfffffff0, &gpa) && gpa == 0xfffffff0, "without paging");
	check(!walk(&mem, &s, 0x1fffffff0ull, &gpa), "there is nothing beyond 4 GiB");
}

static void long_mode(void)
{
	const uint64_t nx = 1ull << 63;

	tables[0][1] = TABLE(1) | USER;
	tables[0][511] = TABLE(1) | USER;
	tables[1][2] = TABLE(2) | USER;
	tables[1][3] = 0x40000000 | LARGE | nx;
	tables[2][3] = TABLE(3) | USER;
	tables[2][4] = 0x80200000 | LARGE;
	tables[3][5] = 0x7654321000 | USER | nx;
	tables[3][6] = 0x1000 | 0x80 | USER;	/* PAT */
	check(of_long(0x8080605123) == 0x7654321123, "4K");
	check(of_long(0x8080606123) == 0x1123, "4K, PAT");
	check(of_long(0x8080607123) == ~0ull, "not present");
	check(of_long(0x8080812345) == 0x80212345, "2M");
	check(of_long(0x80c1234567) == 0x41234567, "1G");
	check(of_long(0xffffff8080605123) == 0x7654321123, "the upper half");
	check(of_long(0xff8080605123) == ~0ull, "not canonical");
	check(of_long(0x1008080605123) == ~0ull, "not canonical either");
	tables[4][0] = TABLE(0) | USER;
	tables[4][1] = TABLE(0) | USER;
	check(of(0x1008080605123, X86_CR4_PAE | X86_CR4_LA57, EFER_LMA, TABLE(4)) == 0x7654321123,
	      "five levels");
	tables[2][3] = (TABLE(7) + 4096) | USER;
	check(of_long(0x8080605123) == ~0ull, "a table beyond RAM");
	tables[0][1] = TABLE(0) | LARGE;
	check(of_long(0x8080812345) == ~0ull, "a large page where there is none");
	tables[0][1] = TABLE(0) | USER;
	check(of_long(0x8040201123) == TABLE(0) + 0x123, "a table that maps itself");
}

static void short_modes(void)
{
	uint32_t *dir = (uint32_t *)tables[5], *table = (uint32_t *)tables[6];

	memset(tables, 0, sizeof(tables));
	tables[5][4] = TABLE(6) | 1;	/* at an offset of 32 */
	tables[6][3] = TABLE(7) | USER;
	tables[6][4] = 0x123400000 | LARGE;
	tables[7][5] = 0xabcdef000 | USER;
	check(of(0x605123, X86_CR4_PAE, 0, TABLE(5) + 32) == 0xabcdef123, "PAE");
	check(of(0x100605123, X86_CR4_PAE, 0, TABLE(5) + 32) == ~0ull, "PAE, beyond 4 GiB");
	check(of(0x812345, X86_CR4_PAE, 0, TABLE(5) + 32) == 0x123412345, "PAE, 2M");

	memset(tables, 0, sizeof(tables));
	dir[2] = TABLE(6) | USER;
	dir[3] = 0xffc00000 | 0xabu << 13 | LARGE;
	table[7] = 0xfedcb000 | USER;
	check(of(0x807123, 0, 0, TABLE(5) | 0x18) == 0xfedcb123, "two levels");
	check(of(0xc12345, X86_CR4_PSE, 0, TABLE(5)) == 0xabffc12345, "4M, beyond 4 GiB");
	dir[3] = TABLE(6) | LARGE;
	table[0x12] = 0x5000 | USER;
	check(of(0xc12345, 0, 0, TABLE(5)) == 0x5345, "without PSE it is a table");
}

int main(void)
{
	no_paging();
	long_mode();
	short_modes();
	return done();
}
