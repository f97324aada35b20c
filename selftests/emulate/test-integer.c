// SPDX-License-Identifier: GPL-2.0-only
/* The integer set on memory and registers; flags; the stack; transfers. */
#include "unit.h"

#define D4	DATA, 4
#define D8	DATA, 8

static void alu(void)
{
	T(MODE64, "add [rbx], eax", IN(RBX, DATA), IN(RAX, 1),
	  MEM(D4, 0xffffffff), OUTMEM(D8, 0), FLAGS(CF | PF | AF | ZF));
	T(MODE64, "add [rbx], rax", IN(RBX, DATA), IN(RAX, 1),
	  MEM(D8, 0x7fffffffffffffff), OUTMEM(D8, 0x8000000000000000),
	  FLAGS(OF | SF | PF | AF));
	T(MODE64, "add byte ptr [rbx], 0x80", IN(RBX, DATA), MEM(D4, 0x1280),
	  OUTMEM(D4, 0x1200), FLAGS(CF | OF | ZF | PF));
	T(MODE64, "adc eax, [rbx]", IN(RBX, DATA), IN(RAX, -1),
	  FLAGS_IN(CF), OUT(RAX, 0), FLAGS(CF | ZF | PF | AF));
	T(MODE64, "sbb [rbx], ax", IN(RBX, DATA), IN(RAX, 0), FLAGS_IN(CF),
	  MEM(D4, 0x50000), OUTMEM(D4, 0x5ffff),
	  FLAGS(CF | SF | PF | AF));
	T(MODE64, "sub rax, [rbx]", IN(RBX, DATA), IN(RAX, 5), MEM(D8, 7),
	  OUT(RAX, -2), FLAGS(CF | SF | AF));
	T(MODE64, "cmp dword ptr [rbx], 3", IN(RBX, DATA), MEM(D4, 3),
	  OUTMEM(D4, 3), FLAGS(ZF | PF));
	T(MODE64, "cmp [rbx], ah", IN(RBX, DATA), IN(RAX, 0x0300), MEM(D4, 4),
	  FLAGS(0));
	T(MODE64, "and [rbx], cl", IN(RBX, DATA), IN(RCX, 0x0f),
	  MEM(D4, 0xffff), OUTMEM(D4, 0xff0f), FLAGS(PF));
	T(MODE64, "or eax, [rbx]", IN(RBX, DATA), IN(RAX, -1), OUT(RAX, 0xffffffff),
	  FLAGS(SF | PF));
	T(MODE64, "xor [rbx], r9", IN(RBX, DATA), IN(9, 0xff), MEM(D8, 0xff),
	  OUTMEM(D8, 0), FLAGS(ZF | PF));
	T(MODE64, "test byte ptr [rbx], 0x80", IN(RBX, DATA), MEM(D4, 0x80),
	  FLAGS(SF));
	T(MODE64, "not word ptr [rbx]", IN(RBX, DATA), MEM(D4, 0x12340000),
	  OUTMEM(D4, 0x1234ffff));
	T(MODE64, "neg dword ptr [rbx]", IN(RBX, DATA), MEM(D4, 1),
	  OUTMEM(D4, 0xffffffff), FLAGS(CF | SF | PF | AF));
	T(MODE64, "inc byte ptr [rbx]", IN(RBX, DATA), MEM(D4, 0x7f),
	  FLAGS_IN(CF), OUTMEM(D4, 0x80), FLAGS(CF | OF | SF | AF));
	T(MODE64, "dec qword ptr [rbx]", IN(RBX, DATA), OUTMEM(D8, -1),
	  FLAGS(SF | PF | AF));
	T(MODE32, "inc ecx", IN(RCX, 0xffffffff), OUT(RCX, 0),
	  FLAGS(ZF | PF | AF));
	T(MODE16, "dec cx", IN(RCX, 0x10000), OUT(RCX, 0x1ffff),
	  FLAGS(SF | PF | AF));
	T(MODE64, "lock add [rbx], eax", IN(RBX, DATA), IN(RAX, 2),
	  MEM(D4, 3), OUTMEM(D4, 5), FLAGS(PF));
	T(MODE64, ".byte 0xf0, 0x03, 0x03", IN(RBX, DATA), FAULT_PLAIN(6));
	T(MODE64, ".byte 0xf0, 0x01, 0xd8", FAULT_PLAIN(6));
	T(MODE64, ".byte 0xf0, 0x39, 0x03", FAULT_PLAIN(6));
	T(MODE64, ".byte 0xf0, 0x90", FAULT_PLAIN(6));
	T(MODE64, ".byte 0xf0, 0x88, 0x03", FAULT_PLAIN(6));
}

static void shifts(void)
{
	T(MODE64, "shl dword ptr [rbx], 4", IN(RBX, DATA),
	  MEM(D4, 0x18000001), OUTMEM(D4, 0x80000010), ANYFLAGS);
	T(MODE64, "shr qword ptr [rbx], cl", IN(RBX, DATA), IN(RCX, 65),
	  MEM(D8, 3), OUTMEM(D8, 1), FLAGS(CF));
	T(MODE64, "sar byte ptr [rbx], 1", IN(RBX, DATA), MEM(D4, 0x81),
	  OUTMEM(D4, 0xc0), FLAGS(CF | SF | PF));
	T(MODE64, "rol word ptr [rbx], 4", IN(RBX, DATA), MEM(D4, 0x1234),
	  OUTMEM(D4, 0x2341), ANYFLAGS);
	T(MODE64, "rcr byte ptr [rbx], 1", IN(RBX, DATA), FLAGS_IN(CF),
	  MEM(D4, 0), OUTMEM(D4, 0x80), FLAGS(OF));
	T(MODE64, "rcl byte ptr [rbx], 9", IN(RBX, DATA), FLAGS_IN(CF),
	  MEM(D4, 0x55), OUTMEM(D4, 0x55), ANYFLAGS);
	T(MODE64, "shl dword ptr [rbx], 32", IN(RBX, DATA), MEM(D4, 7),
	  FLAGS_IN(CF | OF), OUTMEM(D4, 7));
	T(MODE64, "shld [rbx], eax, 8", IN(RBX, DATA), IN(RAX, 0xab000000),
	  MEM(D4, 0x12345678), OUTMEM(D4, 0x345678ab), ANYFLAGS);
	T(MODE64, "shrd [rbx], rax, cl", IN(RBX, DATA), IN(RCX, 4),
	  IN(RAX, 0xf), MEM(D8, 0x10), OUTMEM(D8, 0xf000000000000001),
	  ANYFLAGS);
}

static void multiply(void)
{
	T(MODE64, "mul dword ptr [rbx]", IN(RBX, DATA), MEM(D4, 0x80000000),
	  IN(RAX, 4), OUT(RAX, 0), OUT(RDX, 2), ANYFLAGS);
	T(MODE64, "imul qword ptr [rbx]", IN(RBX, DATA), MEM(D8, -2),
	  IN(RAX, 3), OUT(RAX, -6), OUT(RDX, -1), ANYFLAGS);
	T(MODE64, "mul byte ptr [rbx]", IN(RBX, DATA), MEM(D4, 0x10),
	  IN(RAX, 0x20), OUT(RAX, 0x200), ANYFLAGS);
	T(MODE64, "imul eax, [rbx], -3", IN(RBX, DATA), MEM(D4, 5),
	  OUT(RAX, 0xfffffff1), ANYFLAGS);
	T(MODE64, "imul ax, [rbx], 0x100", IN(RBX, DATA), MEM(D4, 5),
	  IN(RAX, 0), OUT(RAX, 0x500), ANYFLAGS);
	T(MODE64, "imul rcx, [rbx]", IN(RBX, DATA), MEM(D8, 7), IN(RCX, 6),
	  OUT(RCX, 42), ANYFLAGS);
	T(MODE64, "div dword ptr [rbx]", IN(RBX, DATA), MEM(D4, 10),
	  IN(RDX, 0), IN(RAX, 123), OUT(RAX, 12), OUT(RDX, 3));
	T(MODE64, "div qword ptr [rbx]", IN(RBX, DATA), MEM(D8, 2), IN(RDX, 1),
	  IN(RAX, 0), OUT(RAX, 0x8000000000000000), OUT(RDX, 0));
	T(MODE64, "idiv byte ptr [rbx]", IN(RBX, DATA), MEM(D4, 7),
	  IN(RAX, (u16)-100), OUT(RAX, 0xfef2));
	T(MODE64, "idiv dword ptr [rbx]", IN(RBX, DATA), MEM(D4, -1),
	  IN(RDX, 0xffffffff), IN(RAX, 0x80000000), FAULT_PLAIN(0));
	T(MODE64, "idiv dword ptr [rbx]", IN(RBX, DATA), MEM(D4, 1),
	  IN(RDX, 0xffffffff), IN(RAX, 0x80000000), OUT(RAX, 0x80000000),
	  OUT(RDX, 0));
	T(MODE64, "div byte ptr [rbx]", IN(RBX, DATA), FAULT_PLAIN(0));
	T(MODE64, "div qword ptr [rbx]", IN(RBX, DATA), MEM(D8, 5), IN(RDX, 5),
	  FAULT_PLAIN(0));
}

static void exchange(void)
{
	T(MODE64, "xchg [rbx], ecx", IN(RBX, DATA), MEM(D4, 5), IN(RCX, -1),
	  OUT(RCX, 5), OUTMEM(D8, 0xffffffff));
	T(MODE64, "xchg ah, al", IN(RAX, 0x1234), OUT(RAX, 0x3412));
	T(MODE64, "xchg r9, rax", IN(RAX, 1), IN(9, 2), OUT(RAX, 2), OUT(9, 1));
	T(MODE64, "lock xadd [rbx], eax", IN(RBX, DATA), IN(RAX, 2), MEM(D4, 3),
	  OUTMEM(D4, 5), OUT(RAX, 3), FLAGS(PF));
	T(MODE64, "xadd al, al", IN(RAX, 3), OUT(RAX, 6), FLAGS(PF));
	T(MODE64, "lock cmpxchg [rbx], ecx", IN(RBX, DATA), IN(RAX, 5),
	  MEM(D4, 5), IN(RCX, 9), OUTMEM(D4, 9), FLAGS(ZF | PF));
	T(MODE64, "cmpxchg [rbx], ecx", IN(RBX, DATA), IN(RAX, 0x100000005),
	  MEM(D4, 6), OUTMEM(D4, 6), OUT(RAX, 6), FLAGS(CF | SF | PF | AF));
	T(MODE64, "cmpxchg ecx, edx", IN(RCX, 1), IN(RAX, 1), IN(RDX, 7),
	  OUT(RCX, 7), FLAGS(ZF | PF));
	T(MODE64, "lock cmpxchg8b [rsi]", IN(RSI, DATA), IN(RAX, 1),
	  IN(RDX, 2), IN(RBX, 3), IN(RCX, 4), MEM(D8, 0x200000001),
	  OUTMEM(D8, 0x400000003), FLAGS(ZF));
	T(MODE64, "cmpxchg8b [rsi]", IN(RSI, DATA), IN(RAX, 1), IN(RDX, 2),
	  MEM(D8, 0x200000007), OUT(RAX, 7), OUT(RDX, 2), FLAGS_IN(ZF),
	  FLAGS(0));
	T(MODE64, "lock cmpxchg16b [rsi]", IN(RSI, DATA), IN(RAX, 1),
	  IN(RDX, 2), IN(RBX, 3), IN(RCX, 4), MEM(D8, 1), MEM(DATA + 8, 8, 2),
	  OUTMEM(D8, 3), OUTMEM(DATA + 8, 8, 4), FLAGS(ZF));
	T(MODE64, "cmpxchg16b [rsi]", IN(RSI, DATA + 8), FAULT(13, 0));
	T(MODE64, ".byte 0x0f, 0xc7, 0xce", FAULT_PLAIN(6));
}

static void bits(void)
{
	T(MODE64, "bt [rbx], eax", IN(RBX, DATA + 8), IN(RAX, -1),
	  MEM(D8, 0x8000000000000000), FLAGS(CF));
	T(MODE64, "bts [rbx], rax", IN(RBX, DATA), IN(RAX, 64 * 3 + 5),
	  OUTMEM(DATA + 24, 8, 32), FLAGS(0));
	T(MODE64, "btr [rbx], ax", IN(RBX, DATA + 32), IN(RAX, (u16)-16),
	  MEM(DATA + 30, 2, 1), OUTMEM(DATA + 30, 2, 0), FLAGS(CF));
	T(MODE64, "btc dword ptr [rbx], 35", IN(RBX, DATA),
	  OUTMEM(D4, 8), FLAGS(0));
	T(MODE64, "lock bts [rbx], ecx", IN(RBX, DATA), IN(RCX, 33),
	  OUTMEM(DATA + 4, 4, 2), FLAGS(0));
	T(MODE64, ".byte 0xf0, 0x0f, 0xa3, 0x03", FAULT_PLAIN(6));
	T(MODE16, "bt [bx], ax", IN(RBX, 0x100), IN(RAX, (u16)-1),
	  MEM(0xfe, 2, 0x8000), FLAGS(CF));
	T(MODE64, "bsf eax, [rbx]", IN(RBX, DATA), MEM(D4, 0x100), OUT(RAX, 8),
	  ANYFLAGS);
	T(MODE64, "bsr rax, [rbx]", IN(RBX, DATA), MEM(D8, 0x100), OUT(RAX, 8),
	  ANYFLAGS);
	T(MODE64, "bsf eax, [rbx]", IN(RBX, DATA), FLAGS(ZF));
	T(MODE64, "bswap rcx", IN(RCX, 0x0102030405060708),
	  OUT(RCX, 0x0807060504030201));
}

static void moves(void)
{
	T(MODE64, "mov eax, [rbx]", IN(RBX, DATA), IN(RAX, -1),
	  MEM(D4, 0x12345678), OUT(RAX, 0x12345678));
	T(MODE64, "mov [rbx], ah", IN(RBX, DATA), IN(RAX, 0x1234),
	  OUTMEM(D4, 0x12));
	T(MODE64, "mov [rbx], sil", IN(RBX, DATA), IN(RSI, 0x1234),
	  OUTMEM(D4, 0x34));
	T(MODE64, "mov bh, [rax]", IN(RAX, DATA), IN(RBX, -1), MEM(D4, 0),
	  OUT(RBX, 0xffffffffffff00ff));
	T(MODE64, "mov dword ptr [rbx], -1", IN(RBX, DATA),
	  OUTMEM(D8, 0xffffffff));
	T(MODE64, "mov qword ptr [rbx], -1", IN(RBX, DATA), OUTMEM(D8, -1));
	T(MODE64, "mov rax, 0x123456789abcdef0", OUT(RAX, 0x123456789abcdef0));
	T(MODE64, "movabs al, [0x20000]", MEM(D4, 0x55), IN(RAX, 0),
	  OUT(RAX, 0x55));
	T(MODE64, "movabs [0x20000], rax", IN(RAX, 0x99), OUTMEM(D8, 0x99));
	T(MODE16, "mov ax, [0x1234]", MEM(0x1234, 2, 0xbeef), IN(RAX, 0),
	  OUT(RAX, 0xbeef));
	T(MODE64, "movzx eax, byte ptr [rbx]", IN(RBX, DATA), MEM(D4, 0xfff0),
	  OUT(RAX, 0xf0));
	T(MODE64, "movsx eax, byte ptr [rbx]", IN(RBX, DATA), MEM(D4, 0xf0),
	  OUT(RAX, 0xfffffff0));
	T(MODE64, "movsx ax, byte ptr [rbx]", IN(RBX, DATA), MEM(D4, 0xf0),
	  IN(RAX, 0), OUT(RAX, 0xfff0));
	T(MODE64, "movzx rax, word ptr [rbx]", IN(RBX, DATA), MEM(D4, -1),
	  OUT(RAX, 0xffff));
	T(MODE64, "movsxd rax, dword ptr [rbx]", IN(RBX, DATA),
	  MEM(D4, 0x80000000), OUT(RAX, 0xffffffff80000000));
	T(MODE64, "movbe eax, [rbx]", IN(RBX, DATA), MEM(D4, 0x01020304),
	  OUT(RAX, 0x04030201));
	T(MODE64, "movbe [rbx], ax", IN(RBX, DATA), IN(RAX, 0x0102),
	  OUTMEM(D4, 0x0201));
	T(MODE64, "movnti [rbx], rcx", IN(RBX, DATA), IN(RCX, 7),
	  OUTMEM(D8, 7));
	T(MODE64, "lea rax, [rbx + rcx * 4 + 8]", IN(RBX, 0x100), IN(RCX, 2),
	  OUT(RAX, 0x110));
	T(MODE64, "lea eax, [rbx]", IN(RBX, 0x123456789), OUT(RAX, 0x23456789));
	T(MODE64, ".byte 0x8d, 0xc0", FAULT_PLAIN(6));
	T(MODE64, "cmovz eax, [rbx]", IN(RBX, DATA), MEM(D4, 5), IN(RAX, -1),
	  OUT(RAX, 0xffffffff));
	T(MODE64, "cmovbe rax, [rbx]", IN(RBX, DATA), MEM(D8, 5), FLAGS_IN(CF),
	  OUT(RAX, 5));
	T(MODE64, "setl [rbx]", IN(RBX, DATA), MEM(D4, 0xffff), FLAGS_IN(OF),
	  OUTMEM(D4, 0xff01));
	T(MODE64, "setnp [rbx]", IN(RBX, DATA), MEM(D4, 0xffff), FLAGS_IN(PF),
	  OUTMEM(D4, 0xff00));
	T(MODE64, "xlatb", IN(RBX, DATA), IN(RAX, 0x1205),
	  MEM(DATA + 5, 1, 0x77), OUT(RAX, 0x1277));
	T(MODE64, "cdqe", IN(RAX, 0x80000000), OUT(RAX, 0xffffffff80000000));
	T(MODE64, "cwd", IN(RAX, 0x8000), IN(RDX, 0), OUT(RDX, 0xffff));
	T(MODE64, "cqo", IN(RAX, 1), OUT(RDX, 0));
	T(MODE64, ".byte 0x48, 0x66, 0x89, 0x03", IN(RBX, DATA), IN(RAX, -1),
	  OUTMEM(D4, 0xffff));
	T(MODE64, "xchg r8, rax", IN(RAX, 5), IN(8, 6), OUT(RAX, 6), OUT(8, 5));
}

static void stack(void)
{
	T(MODE64, "push [rbx]", IN(RBX, DATA), MEM(D8, 0x1234567890),
	  OUT(RSP, STACK - 8), OUTMEM(STACK - 8, 8, 0x1234567890));
	T(MODE64, "push -1", OUT(RSP, STACK - 8), OUTMEM(STACK - 8, 8, -1));
	T(MODE64, "push ax", IN(RAX, 0x1234), OUT(RSP, STACK - 2),
	  OUTMEM(STACK - 2, 2, 0x1234));
	T(MODE64, "push rsp", OUT(RSP, STACK - 8), OUTMEM(STACK - 8, 8, STACK));
	T(MODE64, "pop rsp", MEM(STACK, 8, 0x99), OUT(RSP, 0x99));
	T(MODE64, "pop [rsp + 8]", MEM(STACK, 8, 7), OUT(RSP, STACK + 8),
	  OUTMEM(STACK + 16, 8, 7));
	T(MODE64, "pop [rbx]", IN(RBX, DATA), MEM(STACK, 8, 7),
	  OUT(RSP, STACK + 8), OUTMEM(D8, 7));
	T(MODE32, "push eax", IN(RAX, 5), OUT(RSP, STACK - 4),
	  OUTMEM(STACK - 4, 4, 5));
	T(MODE32, "pusha", IN(RAX, 1), IN(RCX, 2), IN(RDX, 3), IN(RBX, 4),
	  IN(RBP, 5), IN(RSI, 6), IN(RDI, 7), OUT(RSP, STACK - 32),
	  OUTMEM(STACK - 4, 4, 1), OUTMEM(STACK - 20, 4, STACK),
	  OUTMEM(STACK - 32, 4, 7));
	T(MODE16, "popa", MEM(0x8000, 8, 0x0004000300020001),
	  MEM(0x8008, 8, 0x0008000700060005), IN(RAX, 0), IN(RCX, 0),
	  IN(RDX, 0), IN(RBX, 0), IN(RBP, 0), IN(RSI, 0), IN(RDI, 0),
	  OUT(RDI, 1), OUT(RSI, 2), OUT(RBP, 3), OUT(RBX, 5), OUT(RDX, 6),
	  OUT(RCX, 7), OUT(RAX, 8), OUT(RSP, 0x8010));
	T(MODE16, "push ax", IN(RSP, 0xabcd0000), OUT(RSP, 0xabcdfffe),
	  IN(RAX, 7), OUTMEM(0xfffe, 2, 7));
	T(MODE64, "enter 16, 0", IN(RBP, 5), OUT(RBP, STACK - 8),
	  OUT(RSP, STACK - 24), OUTMEM(STACK - 8, 8, 5));
	/* Whether the new top could be written is seen without an access. */
	T(MODE64, "enter 16, 0", IN(RBP, 5), IN(RSP, MMIO_USER + 16),
	  OUT(RBP, MMIO_USER + 8), OUT(RSP, MMIO_USER - 8), EXITS(1));
	T(MODE32, "enter 8, 2", IN(RBP, DATA), MEM(DATA - 4, 4, 0x77),
	  OUT(RBP, STACK - 4), OUT(RSP, STACK - 20),
	  OUTMEM(STACK - 4, 4, DATA), OUTMEM(STACK - 8, 4, 0x77),
	  OUTMEM(STACK - 12, 4, STACK - 4));
	T(MODE64, "leave", IN(RBP, DATA), MEM(D8, 9), OUT(RBP, 9),
	  OUT(RSP, DATA + 8));
	T(MODE64, "pushf", FLAGS_IN(CF | IF | 1 << 16), OUT(RSP, STACK - 8),
	  OUTMEM(STACK - 8, 8, 0x203), ANYFLAGS);
	T(MODE64, "popf", MEM(STACK, 8, 0x3ed7), OUT(RSP, STACK + 8),
	  FLAGS(CF | PF | AF | ZF | SF | OF), ANYFLAGS);
	T(MODEV86, "pushf", FAULT(13, 0));
	T(MODE64, "push ax", IN(RSP, 0x8000000000000002), IN(RAX, 1),
	  FAULT(12, 0));
	T(MODE64, "push fs", SEG_SEL(FS, 0x1b), OUT(RSP, STACK - 8),
	  OUTMEM(STACK - 8, 8, 0x1b));
	T(MODE32, "push ds", OUT(RSP, STACK - 4), OUTMEM(STACK - 4, 4, 16));
}

static void transfers(void)
{
	T(MODE64, "call [rbx]", IN(RBX, DATA), MEM(D8, 0x12340),
	  RIP(0x12340), OUT(RSP, STACK - 8), OUTMEM(STACK - 8, 8, CODE + 2));
	T(MODE64, "call . + 0x105", RIP(CODE + 0x105), OUT(RSP, STACK - 8),
	  OUTMEM(STACK - 8, 8, CODE + 5));
	T(MODE64, "jmp [rbx]", IN(RBX, DATA), MEM(D8, 0x12340), RIP(0x12340));
	T(MODE64, "jmp rax", IN(RAX, 0x8000000000000000), FAULT(13, 0));
	T(MODE64, "ret", MEM(STACK, 8, 0x5555), RIP(0x5555),
	  OUT(RSP, STACK + 8));
	T(MODE64, "ret 16", MEM(STACK, 8, 0x5555), RIP(0x5555),
	  OUT(RSP, STACK + 24));
	T(MODE64, "jz . + 0x20", FLAGS_IN(ZF), RIP(CODE + 0x20));
	T(MODE64, "jz . + 0x20", FLAGS_IN(CF));
	T(MODE64, "jnle . + 0x2000", FLAGS_IN(SF | OF), RIP(CODE + 0x2000));
	T(MODE64, "loop . + 0x10", IN(RCX, 2), OUT(RCX, 1), RIP(CODE + 0x10));
	T(MODE64, "loop . + 0x10", IN(RCX, 1), OUT(RCX, 0));
	T(MODE64, "loope . + 0x10", IN(RCX, 2), OUT(RCX, 1));
	T(MODE64, "loopne . + 0x10", IN(RCX, 2), OUT(RCX, 1),
	  RIP(CODE + 0x10));
	T(MODE64, "jrcxz . + 0x10", IN(RCX, 0), RIP(CODE + 0x10));
	T(MODE64, "jecxz . + 0x10", IN(RCX, 0x100000000), RIP(CODE + 0x10));
	T(MODE16, "call . + 0x10", RIP(0x1010), OUT(RSP, 0x7ffe),
	  OUTMEM(0x7ffe, 2, 0x1003));
	T(MODE16, ".byte 0xeb, 0xfe", RIP(0x1000), ANYFLAGS);
	T(MODE64, "lahf", FLAGS_IN(CF | ZF), IN(RAX, 0), OUT(RAX, 0x4300));
	T(MODE64, "sahf", IN(RAX, 0xff00), FLAGS(CF | PF | AF | ZF | SF));
	T(MODE64, "stc", FLAGS(CF));
	T(MODE64, "cmc", FLAGS_IN(CF), FLAGS(0));
	T(MODE64, "std", ANYFLAGS);
	T(MODE64, "ud2", FAULT_PLAIN(6));
	T(MODE64, ".byte 0x06", FAULT_PLAIN(6));
	T(MODE64, ".byte 0x9a, 0, 0, 0, 0, 0, 0", FAULT_PLAIN(6));
	T(MODE64, "aesenc xmm1, xmm2", STATUS(FAIL));
}

void test_integer(void)
{
	alu();
	shifts();
	multiply();
	exchange();
	bits();
	moves();
	stack();
	transfers();
}
