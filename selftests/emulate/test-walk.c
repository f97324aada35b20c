// SPDX-License-Identifier: GPL-2.0-only
/* The page-table walker: formats, permissions, error codes, A and D bits. */
#include <stdio.h>
#include <string.h>
#include "unit.h"

#define P	1ULL
#define W	2ULL
#define USER	4ULL
#define A	0x20ULL
#define DIRTY	0x40ULL
#define PS	0x80ULL
#define NX	(1ULL << 63)
#define PWU	(P | W | USER)

#define AW	LODGE_ACC_WRITE
#define AU	LODGE_ACC_USER
#define AF_	LODGE_ACC_FETCH
#define AI	LODGE_ACC_IMPLICIT
#define PEEK	LODGE_ACC_PEEK

#define PG	0x80000001ULL
#define WP	(1ULL << 16)
#define PAE	(1ULL << 5)
#define PSE	(1ULL << 4)
#define LA57	(1ULL << 12)
#define SMEP	(1ULL << 20)
#define SMAP	(1ULL << 21)
#define PKE	(1ULL << 22)
#define LMA	0x500ULL
#define NXE	0x800ULL
#define RFLAGS_AC	(1ULL << 18)

static u64 tables[6 * 512];
static int races, unreadable;
static struct lodge_walk w;
static struct lodge_walk_result res;

static int wread(const struct lodge_walk *walk, u64 gpa, void *val, u32 len)
{
	if (gpa + len > sizeof(tables) || unreadable)
		return -14;
	memcpy(val, (u8 *)tables + gpa, len);
	return 0;
}

static int wcmpxchg(const struct lodge_walk *walk, u64 gpa, u64 old, u64 new,
		    u32 len)
{
	if (races) {
		races--;
		return 1;
	}
	if (memcmp((u8 *)tables + gpa, &old, len))
		return 1;
	memcpy((u8 *)tables + gpa, &new, len);
	return 0;
}

static const struct lodge_walk_ops ops = { .read = wread,
					   .cmpxchg = wcmpxchg };

static void reset(u64 cr4, u64 efer)
{
	memset(tables, 0, sizeof(tables));
	races = 0;
	unreadable = 0;
	w = (struct lodge_walk) { .ops = &ops, .cr0 = PG | WP, .cr4 = cr4,
				  .efer = efer, .maxphyaddr = 40,
				  .gbpages = true };
}

#define LA	0x0000008080604321ULL	/* indexes 1, 2, 3, 4 */
#define T4	(tables + 0)
#define T3	(tables + 512)
#define T2	(tables + 1024)
#define T1	(tables + 1536)

/* Four levels to a page at 0x12345000 with these bits. */
static void long_mode(u64 cr4, u64 efer, u64 leaf)
{
	reset(cr4 | PAE, LMA | efer);
	T4[1] = 0x1000 | PWU;
	T3[2] = 0x2000 | PWU;
	T2[3] = 0x3000 | PWU;
	T1[4] = 0x12345000 | leaf;
}

static void good(u32 access, const char *name)
{
	int err = lodge_walk(&w, LA, access, &res);

	report(!err && res.gpa == 0x12345321, "walk: %s", name);
}

static void bad(u32 access, u32 error, const char *name)
{
	int err = lodge_walk(&w, LA, access, &res);

	if (!err || res.error != error)
		printf("# %d, error %x instead of %x\n", err, res.error, error);
	report(err && res.error == error, "walk: %s", name);
}

static void permissions(void)
{
	long_mode(0, NXE, PWU);
	good(0, "read");
	good(AW, "write");
	good(AU | AW, "write by the user");
	good(AU | AF_, "fetch by the user");
	T1[4] &= ~W;
	bad(AW, 3, "write to a read-only page with WP");
	bad(AU | AW, 7, "the same by the user");
	w.cr0 &= ~WP;
	good(AW, "without WP the supervisor may");
	bad(AU | AW, 7, "the user may not");
	long_mode(0, NXE, P | W);
	bad(AU, 5, "user access to a supervisor page");
	bad(AU | AF_, 0x15, "user fetch from one");
	long_mode(0, NXE, PWU);
	T3[2] &= ~USER;
	bad(AU, 5, "a supervisor table above a user page");
	long_mode(0, NXE, PWU);
	T4[1] &= ~W;
	bad(AW, 3, "a read-only table above a writable page");
	long_mode(0, NXE, PWU);
	T2[3] |= NX;
	bad(AF_, 0x11, "NX in a table");
	good(0, "NX is for fetches");
	long_mode(0, 0, PWU | NX);
	bad(0, 9, "NX without EFER.NXE is reserved");
	bad(AF_ | AU, 0xd, "and then error codes have no fetch bit");
	long_mode(SMEP, 0, PWU);
	bad(AF_, 0x11, "SMEP");
	good(AF_ | AU, "SMEP is for the supervisor");
	long_mode(SMAP, 0, PWU);
	bad(0, 1, "SMAP");
	bad(AW, 3, "SMAP, write");
	good(AU, "SMAP is for the supervisor");
	w.rflags = RFLAGS_AC;
	good(AW, "SMAP with AC");
	bad(AI, 1, "SMAP with AC, an implicit access");
	long_mode(SMAP, 0, P | W);
	good(AI | AW, "SMAP, a supervisor page");
	long_mode(PKE, 0, PWU | 3ULL << 59);
	w.pkru = 1 << 6;
	bad(AU, 0x25, "protection key: no access");
	bad(0, 0x21, "for the supervisor too");
	good(AF_, "not for fetches");
	w.pkru = 2 << 6;
	good(AU, "protection key: no writes, read");
	bad(AU | AW, 0x27, "write");
	bad(AW, 0x23, "write by the supervisor with WP");
	w.cr0 &= ~WP;
	good(AW, "and without");
	long_mode(PKE, 0, P | W | 3ULL << 59);
	w.pkru = 3 << 6;
	good(AW, "keys are for user pages");
}

static void entries(void)
{
	long_mode(0, NXE, PWU);
	T1[4] = 0;
	bad(0, 0, "not present");
	bad(AU | AW, 6, "not present, write by the user");
	bad(AF_, 0x10, "not present, fetch");
	T2[3] = 0;
	bad(AU, 4, "no table");
	long_mode(0, NXE, PWU);
	T1[4] |= 1ULL << 40;
	bad(AW, 0xb, "an address beyond the physical width");
	long_mode(0, NXE, PWU);
	T4[1] |= PS;
	bad(0, 9, "PS in the highest table");
	long_mode(0, NXE, PWU);
	T2[3] = 0x12200000 | PWU | PS;
	report(!lodge_walk(&w, LA, 0, &res) && res.gpa == 0x12204321 &&
	       res.page_shift == 21, "walk: a page of 2 MiB");
	T2[3] |= 1 << 13;
	bad(0, 9, "its reserved bits");
	T2[3] = 0x12200000 | PWU | PS | 1 << 12;
	report(!lodge_walk(&w, LA, 0, &res) && res.gpa == 0x12204321,
	       "walk: its PAT bit");
	long_mode(0, NXE, PWU);
	T3[2] = 0x40000000 | PWU | PS;
	report(!lodge_walk(&w, LA, 0, &res) &&
	       res.gpa == 0x40000000 + (LA & 0x3fffffff) &&
	       res.page_shift == 30, "walk: a page of 1 GiB");
	T3[2] |= 1 << 29;
	bad(0, 9, "its reserved bits");
	T3[2] = 0x40000000 | PWU | PS;
	w.gbpages = false;
	bad(0, 9, "where there are none");
	long_mode(0, NXE, PWU);
	unreadable = 1;
	bad(AU, 4, "tables that aren't in memory");

	reset(PAE | LA57, LMA);
	tables[2] = 0x1000 | PWU;
	T3[1] = 0x2000 | PWU;
	T2[2] = 0x3000 | PWU;
	T1[3] = 0x4000 | PWU;
	tables[2048 + 4] = 0x12345000 | PWU;
	report(!lodge_walk(&w, LA | 2ULL << 48, 0, &res) &&
	       res.gpa == 0x12345321, "walk: five levels");
}

static void legacy(void)
{
	u32 *t32 = (u32 *)tables;
	u64 pdptrs[4] = { 0, 0x1000 | P };

	reset(0, 0);
	w.cr0 = 1;
	report(!lodge_walk(&w, 0x1fffff123, AW, &res) &&
	       res.gpa == 0xfffff123, "walk: no paging");
	reset(0, 0);
	t32[1] = 0x1000 | PWU;
	t32[1024 + 2] = 0x12345000 | PWU;
	report(!lodge_walk(&w, 0x402321, AW, &res) && res.gpa == 0x12345321,
	       "walk: two levels");
	report(t32[1] == (0x1000 | PWU | A) &&
	       t32[1026] == (0x12345000 | PWU | A | DIRTY),
	       "walk: A and D in two levels");
	t32[1] = 0x12400000 | PWU | PS;
	report(lodge_walk(&w, 0x402321, 0, &res) == -14,
	       "walk: PS without PSE is a table");
	w.cr4 = PSE;
	report(!lodge_walk(&w, 0x402321, 0, &res) && res.gpa == 0x12402321,
	       "walk: a page of 4 MiB");
	t32[1] = 0x12400000 | PWU | PS | 0x12 << 13;
	report(!lodge_walk(&w, 0x402321, 0, &res) && res.gpa == 0x1212402321,
	       "walk: at 36 bits and more");
	t32[1] |= 1 << 21;
	report(lodge_walk(&w, 0x402321, 0, &res) && res.error == 9,
	       "walk: its reserved bit");

	reset(PAE, 0);
	tables[1] = 0x1000 | P;
	T3[2] = 0x2000 | PWU;
	T2[3] = 0x12345000 | PWU;
	report(!lodge_walk(&w, 0x40403321, AU | AW, &res) &&
	       res.gpa == 0x12345321, "walk: PAE");
	report(tables[1] == (0x1000 | P), "walk: a PDPTE has no A bit");
	tables[1] |= W;
	report(lodge_walk(&w, 0x40403321, 0, &res) && res.error == 9,
	       "walk: its reserved bits");
	w.pdptrs = pdptrs;
	report(!lodge_walk(&w, 0x40403321, 0, &res), "walk: PDPTEs of the CPU");
	T2[3] |= 1ULL << 52;
	report(lodge_walk(&w, 0x40403321, 0, &res) && res.error == 9,
	       "walk: ignored bits are reserved in PAE");
}

static void accessed(void)
{
	long_mode(0, 0, PWU);
	good(PEEK | AW, "a peek");
	report(T4[1] == (0x1000 | PWU) && T1[4] == (0x12345000 | PWU),
	       "walk: leaves A and D");
	good(0, "a read");
	report(T4[1] & T3[2] & T2[3] & T1[4] & A && !(T1[4] & DIRTY),
	       "walk: sets A on all levels");
	good(AW, "a write");
	report(T1[4] & DIRTY && !(T2[3] & DIRTY), "walk: sets D on the page");
	long_mode(0, 0, P | USER);
	bad(AW, 3, "a refused write");
	report(!(T1[4] & (A | DIRTY)), "walk: leaves A and D of the page");
	long_mode(0, 0, PWU);
	races = 3;
	good(AW, "tables that change meanwhile");
	long_mode(0, 0, PWU);
	races = 1000;
	report(lodge_walk(&w, LA, AW, &res) == -14, "walk: but not for ever");
}

/* Through the emulator: #PF with its address, and nothing half done. */
static void map_pages(struct machine *m)
{
	m->paging = true;
	m->cr[0] = PG | WP | 0x10;
	m->cr[3] = 0x100000;
	m->cr[4] |= PAE;
	m->efer = LMA | NXE;
	put(m, 0x100000, 0x101000 | PWU, 8);
	put(m, 0x101000, 0x102000 | PWU, 8);
	put(m, 0x102000, 0x103000 | PWU, 8);
	put(m, 0x103000 + (DATA >> 12) * 8, DATA | PWU, 8);
	put(m, 0x103000 + (STACK >> 12) * 8, STACK | PWU, 8);
	put(m, 0x103000 + ((STACK >> 12) - 1) * 8, (STACK - 0x1000) | PWU, 8);
}

static void known_page(void)
{
	static struct machine m;
	static const u8 store[] = { 0x89, 0x03 }, movs[] = { 0xa4 };

	/* No table maps the address: it must be the CPU's word that counts. */
	machine_init(&m, LODGE_EMUL_PROT64);
	map_pages(&m);
	m.gpr[RBX] = 0x150123;
	m.gpr[RAX] = 0x77;
	report(!lodge_emul_decode(&m.c, store, 2), "a store is decoded");
	m.c.fault_gpa = MMIO_USER + 0x123;
	report(machine_step(&m) == LODGE_EMUL_OK && m.exits == 1 &&
	       m.dev[0].addr == MMIO_USER + 0x123,
	       "the page where the CPU stopped is not walked to");
	m.c.rip = CODE;
	lodge_emul_decode(&m.c, store, 2);
	report(machine_step(&m) == LODGE_EMUL_FAULT, "but only for that stop");
	m.c.rip = CODE;
	lodge_emul_decode(&m.c, store, 2);
	m.c.fault_gpa = MMIO_USER + 0x124;
	report(machine_step(&m) == LODGE_EMUL_FAULT,
	       "nor for another address in it");
	m.gpr[RSI] = 0x150123;
	m.gpr[RDI] = DATA;
	lodge_emul_decode(&m.c, movs, 1);
	m.c.fault_gpa = MMIO_USER + 0x123;
	report(machine_step(&m) == LODGE_EMUL_FAULT,
	       "nor where two operands are in memory");
}

static void faults(void)
{
	T(MODE64, "mov eax, [rbx]", CALL(map_pages), IN(RBX, DATA),
	  MEM(DATA, 4, 5), OUT(RAX, 5));
	T(MODE64, "mov eax, [rbx]", CALL(map_pages), IN(RBX, 0x150000),
	  FAULT(14, 0), CR2(0x150000));
	T(MODE64, "mov [rbx], eax", CALL(map_pages), IN(RBX, DATA + 0xffe),
	  IN(RAX, -1), FAULT(14, 2), CR2(DATA + 0x1000),
	  OUTMEM(DATA + 0xffe, 2, 0));
	T(MODE64, "add [rbx], eax", CALL(map_pages), IN(RBX, DATA + 0x1000),
	  CPL(3), FAULT(14, 6), CR2(DATA + 0x1000));
	T(MODE64, "movsb", CALL(map_pages), IN(RSI, DATA), IN(RDI, 0x150000),
	  FAULT(14, 2), CR2(0x150000));
	T(MODE64, "insb", CALL(map_pages), IN(RDX, PORT_USER),
	  IN(RDI, 0x150000), FAULT(14, 2), CR2(0x150000));
	T(MODE64, "call [rbx]", CALL(map_pages), IN(RBX, DATA),
	  IN(RSP, 0x150000), FAULT(14, 2), CR2(0x14fff8));
	T(MODE64, "push [rbx]", CALL(map_pages), IN(RBX, 0x150000),
	  FAULT(14, 0), CR2(0x150000));
	T(MODE64, "cmpxchg [rbx], ecx", CALL(map_pages), IN(RBX, 0x150000),
	  FAULT(14, 2), CR2(0x150000));
	T(MODE64, "cmp [rbx], ecx", CALL(map_pages), IN(RBX, 0x150000),
	  FAULT(14, 0), CR2(0x150000));
}

void test_walk(void)
{
	permissions();
	entries();
	legacy();
	accessed();
	known_page();
	faults();
}
