// SPDX-License-Identifier: GPL-2.0-only
/* Addressing, segments, faults, devices, strings and ports. */
#include <string.h>
#include "unit.h"

#define D4	DATA, 4
#define D8	DATA, 8
#define U	MMIO_USER
#define K	MMIO_KERNEL

static void addressing(void)
{
	T(MODE64, "mov eax, [rbx + rcx * 8 + 0x10]", IN(RBX, DATA), IN(RCX, 4),
	  MEM(DATA + 0x30, 4, 5), OUT(RAX, 5));
	T(MODE64, "mov eax, [r12 + r13 * 2 - 4]", IN(12, DATA), IN(13, 4),
	  MEM(DATA + 4, 4, 5), OUT(RAX, 5));
	T(MODE64, "mov eax, [r13]", IN(13, DATA), MEM(D4, 5), OUT(RAX, 5));
	T(MODE64, "mov eax, [rip + 0x100]", MEM(CODE + 0x106, 4, 5),
	  OUT(RAX, 5));
	T(MODE64, "mov dword ptr [rip + 0x100], 6",
	  OUTMEM(CODE + 0x10a, 4, 6));
	T(MODE64, "mov eax, [0x20000]", MEM(D4, 5), OUT(RAX, 5));
	T(MODE64, "mov eax, [ebx]", IN(RBX, 0xffffffff00020000), MEM(D4, 5),
	  OUT(RAX, 5));
	T(MODE64, "mov eax, [ebx + ecx]", IN(RBX, 0xfffffff0),
	  IN(RCX, 0x20010), MEM(D4, 5), OUT(RAX, 5));
	T(MODE64, "mov eax, fs:[rbx]", IN(RBX, 0x10), SEG_BASE(FS, DATA - 0x10),
	  MEM(D4, 5), OUT(RAX, 5));
	T(MODE64, "mov eax, es:[rbx]", IN(RBX, DATA), SEG_BASE(ES, 0x1000),
	  MEM(D4, 5), OUT(RAX, 5));
	T(MODE64, "mov eax, [rsp + rbp]", IN(RBP, DATA - STACK), MEM(D4, 5),
	  OUT(RAX, 5));
	T(MODE16, "mov ax, [bx + si + 4]", IN(RBX, 0x1000), IN(RSI, 0x200),
	  IN(RAX, 0), MEM(0x1204, 2, 5), OUT(RAX, 5));
	T(MODE16, "mov ax, [bx + di]", IN(RBX, 0xffff), IN(RDI, 0x201),
	  IN(RAX, 0), MEM(0x200, 2, 5), OUT(RAX, 5));
	T(MODE16, "mov ax, [bp]", IN(RBP, 0x100), IN(RAX, 0),
	  SEG_BASE(SS, 0x20000), MEM(0x20100, 2, 5), OUT(RAX, 5));
	T(MODE16, "mov ax, [bp + si]", IN(RBP, 0x100), IN(RSI, 2), IN(RAX, 0),
	  SEG_BASE(SS, 0x20000), MEM(0x20102, 2, 5), OUT(RAX, 5));
	T(MODE16, "mov eax, [ebx]", IN(RBX, 0x100), MEM(0x100, 4, 0x12345678),
	  OUT(RAX, 0x12345678));
	T(MODE16, "mov ax, cs:[0x10]", SEG_BASE(CS, 0x20000), IN(RAX, 0),
	  MEM(0x20010, 2, 5), OUT(RAX, 5));
	T(MODE32, "mov ax, [bx]", IN(RBX, 0xffff0100), IN(RAX, 0),
	  MEM(0x100, 2, 5), OUT(RAX, 5));
	T(MODE32, "mov eax, [ebp]", IN(RBP, 0x10), SEG_BASE(SS, DATA - 0x10),
	  MEM(D4, 5), OUT(RAX, 5));
	T(MODE32, "mov eax, [ebx]", IN(RBX, 0x30000),
	  SEG_BASE(DS, 0xffff0000), MEM(D4, 5), OUT(RAX, 5));
}

static void limits(void)
{
	T(MODE16, "mov ax, [bx]", IN(RBX, 0xffff), FAULT(13, 0));
	T(MODE16, "mov al, [bx]", IN(RBX, 0xffff), IN(RAX, 0), OUT(RAX, 0));
	T(MODE16, "mov ax, [bp]", IN(RBP, 0xffff), FAULT(12, 0));
	T(MODE32, "mov eax, [ebx]", IN(RBX, 0xffe), SEG_LIMIT(DS, 0x1000),
	  FAULT(13, 0));
	T(MODE32, "mov eax, [ebx]", IN(RBX, 0xffd), SEG_LIMIT(DS, 0x1000),
	  OUT(RAX, 0));
	T(MODE32, "mov eax, [ebx]", IN(RBX, 0xfffffffe), FAULT(13, 0));
	T(MODE32, "mov [ebx], eax", IN(RBX, DATA), SEG_TYPE(DS, 1),
	  FAULT(13, 0));
	T(MODE32, "mov eax, [ebx]", IN(RBX, DATA), SEG_TYPE(DS, 1),
	  OUT(RAX, 0));
	T(MODE32, "mov eax, cs:[ebx]", IN(RBX, DATA), SEG_TYPE(CS, 9),
	  FAULT(13, 0));
	T(MODE32, "mov eax, cs:[ebx]", IN(RBX, DATA), OUT(RAX, 0));
	T(MODE32, "mov cs:[ebx], eax", IN(RBX, DATA), FAULT(13, 0));
	T(MODE16, "mov cs:[bx], al", IN(RBX, 0x10), IN(RAX, 5),
	  OUTMEM(0x10, 1, 5));
	/* Expand-down: above the limit, below the top. */
	T(MODE32, "mov eax, [ebx]", IN(RBX, 0x1000), SEG_TYPE(DS, 7),
	  SEG_LIMIT(DS, 0x1000), FAULT(13, 0));
	T(MODE32, "mov eax, [ebx]", IN(RBX, 0x1001), SEG_TYPE(DS, 7),
	  SEG_LIMIT(DS, 0x1000), OUT(RAX, 0));
	T(MODE32, "mov eax, [ebx]", IN(RBX, 0xfffffffd), SEG_TYPE(DS, 7),
	  SEG_LIMIT(DS, 0x1000), FAULT(13, 0));
	T(MODE64, "mov eax, [rbx]", IN(RBX, 0x800000000000), FAULT(13, 0));
	T(MODE64, "mov eax, [rbx]", IN(RBX, 0x7ffffffffffe), FAULT(13, 0));
	T(MODE64, "mov eax, [rbp]", IN(RBP, 0x800000000000), FAULT(12, 0));
	T(MODE64, "mov eax, [r13]", IN(13, 0x800000000000), FAULT(13, 0));
	T(MODE64, "mov eax, ds:[rbp]", IN(RBP, 0x800000000000), FAULT(12, 0));
	/* #AC: CR0.AM, EFLAGS.AC, CPL 3. */
	T(MODE64, "mov eax, [rbx]", IN(RBX, DATA + 1), CPL(3),
	  FLAGS_IN(1 << 18), CR(0, 0x40011), FAULT(17, 0));
	T(MODE64, "lock inc dword ptr [rbx]", IN(RBX, DATA + 1), CPL(3),
	  FLAGS_IN(1 << 18), CR(0, 0x40011), FAULT(17, 0));
	T(MODE64, "cmpxchg8b [rbx]", IN(RBX, DATA + 1), CPL(3),
	  FLAGS_IN(1 << 18), CR(0, 0x40011), FAULT(17, 0));
	T(MODE64, "mov eax, [rbx]", IN(RBX, DATA + 1), FLAGS_IN(1 << 18),
	  CR(0, 0x40011), OUT(RAX, 0));
}

static bool split_user(struct machine *m)
{
	return m->dev[0].addr == U && m->dev[0].len == 2 && m->dev[0].user;
}

static bool one_of_each(struct machine *m)
{
	return !m->dev[0].write && m->dev[1].write && m->dev[0].len == 4 &&
	       m->dev[1].addr == m->dev[0].addr;
}

static bool four_fragments(struct machine *m)
{
	return m->dev[0].addr == U && m->dev[1].addr == U + 8 &&
	       m->dev[2].addr == U + 16 && m->dev[3].addr == U + 24 &&
	       m->dev[3].len == 8;
}

static void set_race(struct machine *m)
{
	m->race = true;
}

static void pattern(struct machine *m)
{
	int i;

	for (i = 0; i < 0x1000; i++)
		m->ram[U + i] = i;
}

static void devices(void)
{
	T(MODE64, "mov eax, [rbx]", IN(RBX, U), MEM(U, 4, 0x1234), EXITS(1),
	  OUT(RAX, 0x1234));
	T(MODE64, "mov eax, [rbx]", IN(RBX, K), MEM(K, 4, 0x1234), DEVS(1),
	  OUT(RAX, 0x1234));
	T(MODE64, "mov [rbx], rax", IN(RBX, U), IN(RAX, 0x1234), EXITS(1),
	  OUTMEM(U, 8, 0x1234));
	T(MODE64, "mov [rbx], eax", IN(RBX, K), IN(RAX, 0x1234), DEVS(1),
	  OUTMEM(K, 8, 0x1234));
	T(MODE64, "mov [rbx], al", IN(RBX, ROM), IN(RAX, 1), EXITS(1),
	  OUTMEM(ROM, 1, 0));
	T(MODE64, "mov eax, [rbx]", IN(RBX, ROM), MEM(ROM, 4, 5), OUT(RAX, 5));
	T(MODE64, "or dword ptr [rbx], 1", IN(RBX, U), MEM(U, 4, 4), EXITS(2),
	  OUTMEM(U, 4, 5), FLAGS(PF), CHECK(one_of_each));
	T(MODE64, "xchg [rbx], eax", IN(RBX, U), MEM(U, 4, 4), IN(RAX, 7),
	  EXITS(2), OUTMEM(U, 4, 7), OUT(RAX, 4), CHECK(one_of_each));
	T(MODE64, "lock cmpxchg [rbx], ecx", IN(RBX, U), MEM(U, 4, 4),
	  IN(RAX, 4), IN(RCX, 9), EXITS(2), OUTMEM(U, 4, 9),
	  FLAGS(ZF | PF), CHECK(one_of_each));
	T(MODE64, "push [rbx]", IN(RBX, U), MEM(U, 8, 7), EXITS(1),
	  OUT(RSP, STACK - 8), OUTMEM(STACK - 8, 8, 7));
	T(MODE64, "movups xmm0, [rbx]", IN(RBX, U), EXITS(2));
	T(MODE64, "vmovups [rbx], ymm0", IN(RBX, U), EXITS(4),
	  CHECK(four_fragments));
	T(MODE64, "mov eax, [rbx]", IN(RBX, U + 1), CALL(pattern), EXITS(1),
	  OUT(RAX, 0x04030201));
	/* Over a page boundary: memory on one side, a device on the other. */
	T(MODE64, "mov eax, [rbx]", IN(RBX, U - 2), MEM(U - 2, 4, 0x12345678),
	  EXITS(1), OUT(RAX, 0x12345678), CHECK(split_user));
	T(MODE64, "mov [rbx], eax", IN(RBX, U - 2), IN(RAX, 0x12345678),
	  EXITS(1), OUTMEM(U - 2, 4, 0x12345678));
	T(MODE64, "add dword ptr [rbx], 0x10001", IN(RBX, U - 2),
	  MEM(U - 2, 4, 0x00020001), EXITS(2), OUTMEM(U - 2, 4, 0x00030002),
	  FLAGS(0));
	T(MODE64, "add dword ptr [rbx], 0x10001", IN(RBX, U + 0xffe),
	  MEM(U + 0xffe, 4, 0x00020001), EXITS(2),
	  OUTMEM(U + 0xffe, 4, 0x00030002), FLAGS(0));
	T(MODE64, "lock xadd [rbx], eax", IN(RBX, K - 3), IN(RAX, 1),
	  MEM(K - 3, 4, 0xffffffff), DEVS(2), OUTMEM(K - 3, 4, 0),
	  OUT(RAX, 0xffffffff), FLAGS(CF | ZF | PF | AF));
	/* More fragments than the log can hold. */
	T(MODE32, "pusha", IN(RSP, U + 0x20), EXITS(8), OUT(RSP, U));
	/* Memory under a LOCK changed: nothing happens. */
	T(MODE64, "lock add [rbx], eax", IN(RBX, DATA), CALL(set_race),
	  STATUS(OK), RIP(CODE));
	T(MODE64, "mov eax, [rbx]", IN(RBX, 0x10000000000), EXITS(1),
	  OUT(RAX, 0xffffffff));
}

static void strings(void)
{
	T(MODE64, "movsb", IN(RSI, DATA), IN(RDI, DATA + 16), MEM(D4, 5),
	  OUT(RSI, DATA + 1), OUT(RDI, DATA + 17), OUTMEM(DATA + 16, 1, 5));
	T(MODE64, "movsq", IN(RSI, DATA), IN(RDI, DATA + 16), MEM(D8, -5),
	  FLAGS_IN(DF), OUT(RSI, DATA - 8), OUT(RDI, DATA + 8),
	  OUTMEM(DATA + 16, 8, -5));
	T(MODE64, "rep movsd", IN(RSI, DATA), IN(RDI, DATA + 8), IN(RCX, 4),
	  MEM(D8, 0x0000000200000001), OUT(RCX, 0), OUT(RSI, DATA + 16),
	  OUT(RDI, DATA + 24), OUTMEM(DATA + 16, 8, 0x0000000200000001));
	T(MODE64, "rep movsb", IN(RCX, 0), IN(RSI, 1ULL << 63));
	T(MODE64, "rep movsb", IN(RCX, 5), IN(RSI, U), IN(RDI, DATA),
	  CALL(pattern), EXITS(5), OUT(RCX, 0), OUT(RSI, U + 5),
	  OUT(RDI, DATA + 5), OUTMEM(D8, 0x0403020100),
	  CALL(pattern));
	T(MODE64, "rep stosd", IN(RCX, 3), IN(RDI, U), IN(RAX, 7), EXITS(3),
	  OUT(RCX, 0), OUT(RDI, U + 12), OUTMEM(U + 8, 8, 7));
	T(MODE64, "rep stosb", IN(RCX, 2000), IN(RDI, DATA), NOT_RETIRED,
	  OUT(RCX, 2000 - 1024), OUT(RDI, DATA + 1024));
	T(MODE64, "stosw", IN(RAX, 0x1234), IN(RDI, DATA), OUT(RDI, DATA + 2),
	  OUTMEM(D4, 0x1234));
	T(MODE64, "lodsb", IN(RSI, DATA), IN(RAX, -1), MEM(D4, 5),
	  OUT(RAX, 0xffffffffffffff05), OUT(RSI, DATA + 1));
	T(MODE64, "lodsd", IN(RSI, DATA), IN(RAX, -1), MEM(D4, 5),
	  OUT(RAX, 5), OUT(RSI, DATA + 4));
	T(MODE64, "fs lodsd", IN(RSI, 0), SEG_BASE(FS, DATA), MEM(D4, 5),
	  OUT(RAX, 5), OUT(RSI, 4));
	T(MODE64, "cmpsb", IN(RSI, DATA), IN(RDI, DATA + 1), MEM(D4, 0x0201),
	  OUT(RSI, DATA + 1), OUT(RDI, DATA + 2),
	  FLAGS(CF | SF | PF | AF));
	T(MODE64, "repe cmpsb", IN(RCX, 10), IN(RSI, DATA), IN(RDI, DATA + 16),
	  MEM(DATA + 2, 1, 1), OUT(RCX, 7), OUT(RSI, DATA + 3),
	  OUT(RDI, DATA + 19), FLAGS(0));
	T(MODE64, "repne scasb", IN(RCX, 10), IN(RDI, DATA), IN(RAX, 5),
	  MEM(DATA + 3, 1, 5), OUT(RCX, 6), OUT(RDI, DATA + 4),
	  FLAGS(ZF | PF));
	T(MODE64, "repe scasb", IN(RCX, 3), IN(RDI, DATA), IN(RAX, 0),
	  OUT(RCX, 0), OUT(RDI, DATA + 3), FLAGS(ZF | PF));
	T(MODE16, "rep movsw", IN(RCX, 0x10002), IN(RSI, 0x100),
	  IN(RDI, 0x200), MEM(0x100, 4, 0x00020001), OUT(RCX, 0x10000),
	  OUT(RSI, 0x104), OUT(RDI, 0x204), OUTMEM(0x200, 4, 0x00020001));
	T(MODE64, "rep stosb es:[edi]", IN(RCX, 2), IN(RDI, DATA), IN(RAX, 1),
	  OUT(RCX, 0), OUT(RDI, DATA + 2), OUTMEM(D4, 0x0101));
	/* The third iteration faults: two are done. */
	T(MODE16, "rep stosw", IN(RCX, 5), IN(RDI, 0xfffb), IN(RAX, 1),
	  FAULT(13, 0), OUT(RCX, 3), OUT(RDI, 0xffff), OUTMEM(0xfffb, 4, 0x10001),
	  FLAGS_IN(1 << 16));
	/* What the two have compared is not in the flags: SDM vol. 2B, REP. */
	T(MODE16, "repne scasw", IN(RCX, 5), IN(RDI, 0xfffb), IN(RAX, 1),
	  FAULT(13, 0), OUT(RCX, 3), OUT(RDI, 0xffff), FLAGS_IN(CF | 1 << 16));
	T(MODE64, ".byte 0xf0, 0xa4", FAULT_PLAIN(6));
}

static void give_ports(struct machine *m)
{
	int i;

	for (i = 0; i < 16; i++)
		m->ports[i] = 0x10 + i;
}

static bool two_batches(struct machine *m)
{
	return m->dev[0].count == 16 && m->dev[1].count == 4 &&
	       m->dev[0].pio && !m->dev[0].write;
}

static bool one_batch(struct machine *m)
{
	return m->dev[0].count == 8 && m->dev[0].write && m->dev[0].len == 2;
}

static void no_io(struct machine *m)
{
	m->seg[LODGE_SEG_TR].limit = 0xff;
	m->seg[LODGE_SEG_TR].base = 0x40000;
	put(m, 0x40000 + 102, 0x70, 2);
	put(m, 0x40000 + 0x70 + 0x60 / 8, 2, 1);	/* port 0x61 */
}

static void io(void)
{
	T(MODE64, "in al, 0x60", CALL(give_ports), IN(RAX, 0x1200), DEVS(1),
	  OUT(RAX, 0x1210));
	T(MODE64, "in eax, dx", CALL(give_ports), IN(RDX, 0x300), EXITS(1),
	  IN(RAX, -1), OUT(RAX, 0x13121110));
	T(MODE64, "in ax, dx", CALL(give_ports), IN(RDX, 0x300), EXITS(1),
	  IN(RAX, -1), OUT(RAX, 0xffffffffffff1110));
	T(MODE64, "out dx, al", IN(RDX, 0x300), IN(RAX, 5), EXITS(1));
	T(MODE64, "out 0x80, eax", IN(RAX, 5), DEVS(1));
	T(MODE64, "rep insb", CALL(give_ports), IN(RDX, 0x300), IN(RCX, 4),
	  IN(RDI, DATA), EXITS(1), OUT(RCX, 0), OUT(RDI, DATA + 4),
	  OUTMEM(D4, 0x13121110));
	T(MODE64, "rep insd", CALL(give_ports), IN(RDX, 0x300), IN(RCX, 20),
	  IN(RDI, DATA + 0xfc0), EXITS(2), OUT(RCX, 0),
	  OUT(RDI, DATA + 0xfc0 + 80), CHECK(two_batches),
	  OUTMEM(DATA + 0x1000, 4, 0x13121110));
	T(MODE64, "rep insd", CALL(give_ports), IN(RDX, 0x300), IN(RCX, 1),
	  IN(RDI, DATA + 0xffe), EXITS(1), OUT(RCX, 0),
	  OUT(RDI, DATA + 0x1002), OUTMEM(DATA + 0xffe, 4, 0x13121110));
	T(MODE64, "rep insb", CALL(give_ports), IN(RDX, 0x300), IN(RCX, 2),
	  IN(RDI, DATA), FLAGS_IN(DF), EXITS(2), OUT(RCX, 0),
	  OUT(RDI, DATA - 2), OUTMEM(DATA - 1, 2, 0x1010));
	T(MODE64, "rep insb", CALL(give_ports), IN(RDX, 0x300), IN(RCX, 2),
	  IN(RDI, U), EXITS(4), OUT(RCX, 0), OUT(RDI, U + 2),
	  OUTMEM(U, 2, 0x1010));
	T(MODE64, "rep outsw", IN(RDX, 0x300), IN(RCX, 8), IN(RSI, DATA),
	  EXITS(1), OUT(RCX, 0), OUT(RSI, DATA + 16), CHECK(one_batch));
	T(MODE64, "outsb", IN(RDX, 0x10), IN(RSI, DATA), DEVS(1),
	  OUT(RSI, DATA + 1));
	T(MODE64, "insb", IN(RDX, 0x300), IN(RDI, 1ULL << 63), FAULT(13, 0));
	T(MODE64, "in al, 0x60", CPL(3), SEG_LIMIT(TR, 102), FAULT(13, 0));
	T(MODE64, "in al, 0x60", CPL(3), CALL(no_io), IN(RAX, 0), DEVS(1),
	  OUT(RAX, 0));
	T(MODE64, "in ax, 0x60", CPL(3), CALL(no_io), FAULT(13, 0));
	T(MODE64, "in al, 0x61", CPL(3), CALL(no_io), FAULT(13, 0));
	T(MODE64, "in al, 0x61", CPL(3), CALL(no_io), FLAGS_IN(3 << 12),
	  IN(RAX, 0), DEVS(1));
	T(MODE64, "in al, dx", CPL(3), CALL(no_io), IN(RDX, 0x1000),
	  FAULT(13, 0));
	T(MODEV86, "in al, 0x61", CALL(no_io), FLAGS_IN(3 << 12),
	  FAULT(13, 0));
}

static void fetch(void)
{
	/* The rest of these cases' bytes come from guest memory. */
	static struct machine m;

	machine_init(&m, LODGE_EMUL_PROT64);
	m.c.rip = DATA + 0xffd;
	put(&m, DATA + 0xffd, 0x0000012345b8, 6);
	report(machine_run(&m, NULL, 0) == LODGE_EMUL_OK &&
	       m.gpr[RAX] == 0x12345 && m.c.rip == DATA + 0x1002,
	       "an instruction over two pages");

	machine_init(&m, LODGE_EMUL_PROT32);
	m.seg[LODGE_SEG_CS].limit = DATA + 3;
	m.c.rip = DATA;
	put(&m, DATA, 0x12345b8, 6);
	report(machine_run(&m, NULL, 0) == LODGE_EMUL_FAULT &&
	       m.c.fault.vector == 13, "beyond the limit of CS");
	m.seg[LODGE_SEG_CS].limit = DATA + 4;
	report(machine_run(&m, NULL, 0) == LODGE_EMUL_OK,
	       "up to the limit of CS");

	machine_init(&m, LODGE_EMUL_PROT64);
	m.c.rip = DATA;
	memset(m.ram + DATA, 0x66, 20);
	m.ram[DATA + 14] = 0x90;
	report(machine_run(&m, NULL, 0) == LODGE_EMUL_OK &&
	       m.c.rip == DATA + 15, "15 bytes are an instruction");
	m.c.rip = DATA;
	m.ram[DATA + 14] = 0x66;
	m.ram[DATA + 15] = 0x90;
	report(machine_run(&m, NULL, 0) == LODGE_EMUL_FAULT &&
	       m.c.fault.vector == 13, "16 bytes are not");

	machine_init(&m, LODGE_EMUL_PROT64);
	m.c.rip = U;
	report(machine_run(&m, NULL, 0) == LODGE_EMUL_FAIL,
	       "code in a device");
	m.c.rip = 1ULL << 62;
	report(machine_run(&m, NULL, 0) == LODGE_EMUL_FAULT &&
	       m.c.fault.vector == 13, "code at a non-canonical address");
}

void test_memory(void)
{
	addressing();
	limits();
	devices();
	strings();
	io();
	fetch();
}
