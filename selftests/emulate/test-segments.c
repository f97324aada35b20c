// SPDX-License-Identifier: GPL-2.0-only
/* Loading segment registers, far transfers, INT and IRET. */
#include "unit.h"

#define GDT	0x50000
#define LDT	0x51000

/* base, limit and the 16 bits that hold type, S, DPL, P, limit, flags. */
static u64 desc(u32 base, u32 limit, u16 access)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 |
	       (u64)(access & 0xff) << 40 | (u64)(limit >> 16 & 15) << 48 |
	       (u64)(access >> 12) << 52 | (u64)(base >> 24) << 56;
}

enum {
	CODE32 = 0x08, DATA32 = 0x10, USER_CODE = 0x18, USER_DATA = 0x20,
	NOT_PRESENT = 0x28, READ_ONLY = 0x30, EXEC_ONLY = 0x38,
	CONFORMING = 0x40, LDT_DESC = 0x48, TSS_DESC = 0x58, CODE64 = 0x68,
	BAD_LD = 0x70, GATE = 0x78, CODE_NP = 0x80, STACK_NP = 0x88,
};

static void gdt(struct machine *m)
{
	m->dt[0] = (struct kvm_dtable) { GDT, 0xff };
	put(m, GDT + CODE32, desc(0, 0xfffff, 0xc09a), 8);
	put(m, GDT + DATA32, desc(0x1000, 0xfffff, 0xc092), 8);
	put(m, GDT + USER_CODE, desc(0, 0xfffff, 0xc0fa), 8);
	put(m, GDT + USER_DATA, desc(0, 0xfffff, 0xc0f2), 8);
	put(m, GDT + NOT_PRESENT, desc(0, 0xfffff, 0xc012), 8);
	put(m, GDT + READ_ONLY, desc(0, 0xfffff, 0xc090), 8);
	put(m, GDT + EXEC_ONLY, desc(0, 0xfffff, 0xc098), 8);
	put(m, GDT + CONFORMING, desc(0, 0xfffff, 0xc09e), 8);
	put(m, GDT + LDT_DESC, desc(LDT, 0xff, 0x0082), 8);
	put(m, GDT + TSS_DESC, desc(0x52000, 0x67, 0x0089), 8);
	put(m, GDT + CODE64, desc(0, 0xfffff, 0xa09a), 8);
	put(m, GDT + BAD_LD, desc(0, 0xfffff, 0xe09a), 8);
	put(m, GDT + GATE, desc(0, 0xfffff, 0x008c), 8);
	put(m, GDT + CODE_NP, desc(0, 0xfffff, 0xc01a), 8);
	put(m, GDT + STACK_NP, desc(0, 0xfffff, 0xc012), 8);
	put(m, LDT + 0x10, desc(0x7000, 0xfffff, 0xc092), 8);
}

static void gdt_and_ldt(struct machine *m)
{
	gdt(m);
	m->seg[LODGE_SEG_LDTR] = (struct kvm_segment) {
		.base = LDT, .limit = 0xff, .type = 2, .present = 1 };
}

static bool ldtr_set(struct machine *m)
{
	return m->seg[LODGE_SEG_LDTR].base == LDT &&
	       !m->seg[LODGE_SEG_LDTR].unusable;
}

static bool ldtr_null(struct machine *m)
{
	return m->seg[LODGE_SEG_LDTR].unusable;
}

static bool tr_set(struct machine *m)
{
	return m->seg[LODGE_SEG_TR].base == 0x52000 &&
	       m->seg[LODGE_SEG_TR].type == 11;
}

static void high_tss(struct machine *m)
{
	gdt(m);
	put(m, GDT + TSS_DESC + 8, 0xffff8000, 8);
}

static bool tr_high(struct machine *m)
{
	return m->seg[LODGE_SEG_TR].base == 0xffff800000052000;
}

static bool ds_null(struct machine *m)
{
	return m->seg[LODGE_SEG_DS].unusable;
}

static bool ds_big(struct machine *m)
{
	return m->seg[LODGE_SEG_DS].limit == 0xffffffff &&
	       m->seg[LODGE_SEG_DS].base == 0x1000;
}

static bool ss_shadow(struct machine *m)
{
	return m->c.shadow == KVM_X86_SHADOW_INT_MOV_SS;
}

#define G(text, ...)	T(MODE32, text, CALL(gdt), __VA_ARGS__)

static void loads(void)
{
	G("mov ds, ax", IN(RAX, DATA32), OUTSEL(DS, DATA32), CHECK(ds_big),
	  OUTMEM(GDT + DATA32 + 5, 1, 0x93));
	G("mov ds, ax", IN(RAX, 3), OUTSEL(DS, 3), CHECK(ds_null));
	G("mov ds, ax", IN(RAX, 0x100), FAULT(13, 0x100));
	G("mov ds, ax", IN(RAX, 0x103), FAULT(13, 0x100));
	G("mov ds, ax", IN(RAX, NOT_PRESENT), FAULT(11, NOT_PRESENT));
	G("mov ds, ax", IN(RAX, EXEC_ONLY), FAULT(13, EXEC_ONLY));
	G("mov ds, ax", IN(RAX, CODE32), OUTSEL(DS, CODE32));
	G("mov ds, ax", IN(RAX, TSS_DESC), FAULT(13, TSS_DESC));
	G("mov ds, ax", IN(RAX, DATA32 | 3), FAULT(13, DATA32));
	G("mov ds, ax", IN(RAX, USER_DATA), CPL(3), OUTSEL(DS, USER_DATA));
	G("mov ds, ax", IN(RAX, DATA32), CPL(3), FAULT(13, DATA32));
	G("mov ds, ax", IN(RAX, CONFORMING), CPL(3), OUTSEL(DS, CONFORMING));
	G("mov ss, ax", IN(RAX, DATA32), OUTSEL(SS, DATA32), CHECK(ss_shadow));
	G("mov ss, ax", IN(RAX, 0), FAULT(13, 0));
	G("mov ss, ax", IN(RAX, READ_ONLY), FAULT(13, READ_ONLY));
	G("mov ss, ax", IN(RAX, USER_DATA), FAULT(13, USER_DATA));
	G("mov ss, ax", IN(RAX, STACK_NP), FAULT(12, STACK_NP));
	G("mov ss, ax", IN(RAX, CODE32), FAULT(13, CODE32));
	T(MODE64, "mov ss, eax", CALL(gdt), IN(RAX, 0), OUTSEL(SS, 0));
	T(MODE64, "mov ss, eax", CALL(gdt), IN(RAX, 3), CPL(3), FAULT(13, 0));
	G(".byte 0x8e, 0xc8", FAULT_PLAIN(6));
	G("mov fs, ax", IN(RAX, 0x14), FAULT(13, 0x14));
	T(MODE32, "mov fs, ax", CALL(gdt_and_ldt), IN(RAX, 0x14),
	  OUTSEL(FS, 0x14), OUTBASE(FS, 0x7000));
	G("pop es", MEM(STACK, 4, DATA32), OUT(RSP, STACK + 4),
	  OUTSEL(ES, DATA32));
	G("pop ss", MEM(STACK, 4, DATA32), OUT(RSP, STACK + 4),
	  OUTSEL(SS, DATA32), CHECK(ss_shadow));
	G("pop es", MEM(STACK, 4, 0x100), FAULT(13, 0x100));
	G("les eax, [ebx]", IN(RBX, DATA), MEM(DATA, 8, 0x1012345678),
	  OUT(RAX, 0x12345678), OUTSEL(ES, DATA32));
	G("lss esp, [ebx]", IN(RBX, DATA), MEM(DATA, 8, 0x1012345678),
	  OUT(RSP, 0x12345678), OUTSEL(SS, DATA32));
	G("lds eax, [ebx]", IN(RBX, DATA), MEM(DATA, 8, 0x10012345678),
	  FAULT(13, 0x100));
	G(".byte 0xc4, 0xc0", STATUS(FAULT), FAULT_PLAIN(6));
	T(MODE16, "mov ds, ax", IN(RAX, 0x1234), OUTSEL(DS, 0x1234),
	  OUTBASE(DS, 0x12340));
	T(MODEV86, "mov ds, ax", IN(RAX, 0x1234), OUTSEL(DS, 0x1234),
	  OUTBASE(DS, 0x12340));
	T(MODE16, "lds ax, [bx]", IN(RBX, 0x100), MEM(0x100, 4, 0x20001234),
	  IN(RAX, 0), OUT(RAX, 0x1234), OUTBASE(DS, 0x20000));
	G("mov eax, ds", SEG_SEL(DS, 0x23), OUT(RAX, 0x23));
	G("mov [ebx], ds", IN(RBX, DATA), SEG_SEL(DS, 0x23), MEM(DATA, 4, -1),
	  OUTMEM(DATA, 4, 0xffff0023));
	G("lldt ax", IN(RAX, LDT_DESC), OUTSEL(LDTR, LDT_DESC),
	  CHECK(ldtr_set));
	G("lldt ax", IN(RAX, 0), CHECK(ldtr_null));
	G("lldt ax", IN(RAX, DATA32), FAULT(13, DATA32));
	G("lldt ax", IN(RAX, 0x4c), FAULT(13, 0x4c));
	G("lldt ax", IN(RAX, LDT_DESC), CPL(3), FAULT(13, 0));
	G("ltr ax", IN(RAX, TSS_DESC), CHECK(tr_set),
	  OUTMEM(GDT + TSS_DESC + 5, 1, 0x8b));
	G("ltr ax", IN(RAX, 0), FAULT(13, 0));
	G("ltr ax", IN(RAX, LDT_DESC), FAULT(13, LDT_DESC));
	T(MODE64, "ltr ax", CALL(high_tss), IN(RAX, TSS_DESC), CHECK(tr_high));
}

static void ivt(struct machine *m)
{
	put(m, 0x21 * 4, 0x30000123, 4);
}

static void far(void)
{
	G("jmp 0x8:0x12345", RIP(0x12345), OUTSEL(CS, 8),
	  OUTMEM(GDT + CODE32 + 5, 1, 0x9b));
	G("jmp 0x0:0x12345", FAULT(13, 0));
	G("jmp 0x10:0x12345", FAULT(13, 0x10));
	G("jmp 0x80:0x12345", FAULT(11, 0x80));
	G("jmp 0x18:0x12345", FAULT(13, 0x18));
	G("jmp 0x40:0x12345", RIP(0x12345), OUTSEL(CS, 0x40));
	G("jmp 0x78:0x12345", STATUS(FAIL));
	G("jmp 0x1f8:0x12345", FAULT(13, 0x1f8));
	G("call 0x8:0x12345", RIP(0x12345), OUTSEL(CS, 8),
	  OUT(RSP, STACK - 8), OUTMEM(STACK - 4, 4, 8),
	  OUTMEM(STACK - 8, 4, CODE + 7));
	G("jmp fword ptr [ebx]", IN(RBX, DATA), MEM(DATA, 8, 0x800012345),
	  RIP(0x12345), OUTSEL(CS, 8));
	G("call fword ptr [ebx]", IN(RBX, DATA), MEM(DATA, 8, 0x800012345),
	  RIP(0x12345), OUT(RSP, STACK - 8));
	G("retf", MEM(STACK, 8, 0x800012345), RIP(0x12345),
	  OUT(RSP, STACK + 8), OUTSEL(CS, 8));
	G("retf 8", MEM(STACK, 8, 0x800012345), RIP(0x12345),
	  OUT(RSP, STACK + 16));
	G("retf 8", MEM(STACK, 8, 0x1b00012345), MEM(STACK + 16, 8, 0x2300004000),
	  RIP(0x12345), OUT(RSP, 0x4008), OUTSEL(CS, 0x1b), OUTSEL(SS, 0x23),
	  CHECK(ds_null));
	G("retf", MEM(STACK, 8, 0x800012345), CPL(3), FAULT(13, 8));
	G("retf", MEM(STACK, 8, 0x1800012345), FAULT(13, 0x18));
	G("iret", MEM(STACK, 8, 0x800012345), MEM(STACK + 8, 4, 0x246),
	  RIP(0x12345), OUT(RSP, STACK + 12), ANYFLAGS, MISC(IRET, 0));
	G("iret", MEM(STACK, 8, 0x1b00012345), MEM(STACK + 8, 4, 0x202),
	  MEM(STACK + 12, 8, 0x2300004000), RIP(0x12345), OUT(RSP, 0x4000),
	  OUTSEL(CS, 0x1b), OUTSEL(SS, 0x23), ANYFLAGS);
	G("iret", FLAGS_IN(1 << 14), STATUS(FAIL));
	T(MODE64, "iretq", CALL(gdt), MEM(STACK, 8, 0x12345),
	  MEM(STACK + 8, 8, CODE64), MEM(STACK + 16, 8, 0x202),
	  MEM(STACK + 24, 8, DATA), MEM(STACK + 32, 8, DATA32), RIP(0x12345),
	  OUT(RSP, DATA), OUTSEL(CS, CODE64), ANYFLAGS);
	T(MODE64, "iretq", CALL(gdt), MEM(STACK, 8, 1ULL << 63),
	  MEM(STACK + 8, 8, CODE64), FAULT(13, 0));
	T(MODE64, "iretq", CALL(gdt), MEM(STACK + 8, 8, BAD_LD),
	  FAULT(13, BAD_LD));
	T(MODE64, "rex.w retf", CALL(gdt), MEM(STACK, 8, 0x12345),
	  MEM(STACK + 8, 8, CODE64), RIP(0x12345), OUT(RSP, STACK + 16));
	T(MODE64, "jmp fword ptr [rbx]", CALL(gdt), IN(RBX, DATA),
	  MEM(DATA, 8, 0x800012345), RIP(0x12345), OUTSEL(CS, 8));
	T(MODE16, "jmp 0x2000:0x123", RIP(0x123), OUTBASE(CS, 0x20000));
	T(MODE16, "call 0x2000:0x123", RIP(0x123), OUTBASE(CS, 0x20000),
	  OUT(RSP, 0x7ffc), OUTMEM(0x7ffc, 4, 0x1005));
	T(MODE16, "retf", MEM(0x8000, 4, 0x20000123), RIP(0x123),
	  OUTBASE(CS, 0x20000), OUT(RSP, 0x8004));
	T(MODE16, "int 0x21", CALL(ivt), FLAGS_IN(IF | CF), RIP(0x123),
	  OUTBASE(CS, 0x30000), OUT(RSP, 0x7ffa), OUTMEM(0x7ffe, 2, 0x203),
	  OUTMEM(0x7ffa, 4, 0x1002), ANYFLAGS);
	T(MODE16, "iret", MEM(0x8000, 4, 0x20000123), MEM(0x8004, 2, 0x202),
	  RIP(0x123), OUT(RSP, 0x8006), OUTBASE(CS, 0x20000), ANYFLAGS,
	  MISC(IRET, 0));
	T(MODE16, "into", ANYFLAGS);
	T(MODEV86, "iret", FAULT(13, 0));
	T(MODE32, "int 0x80", STATUS(FAIL));
}

void test_segments(void)
{
	loads();
	far();
}
