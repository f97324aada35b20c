// SPDX-License-Identifier: GPL-2.0-only
/* Control registers, tables, MSRs and what only the machine can do. */
#include "unit.h"

#define D8	DATA, 8

static void dr7_gd(struct machine *m)
{
	m->dr[7] = 1 << 13;
}

static bool gd_cleared(struct machine *m)
{
	return !(m->dr[7] & 1 << 13) && m->dr[6] & 1 << 13;
}

static bool dr6_is_5(struct machine *m)
{
	return m->dr[6] == 5;
}

static void tables(struct machine *m)
{
	m->dt[0] = (struct kvm_dtable) { 0xffff880012345678, 0x7f };
	m->dt[1] = (struct kvm_dtable) { 0xfffffe0000000000, 0xfff };
}

static bool gdt_loaded(struct machine *m)
{
	return m->dt[0].base == 0x12345678 && m->dt[0].limit == 0x1234;
}

static bool gdt_loaded24(struct machine *m)
{
	return m->dt[0].base == 0x345678 && m->dt[0].limit == 0x1234;
}

static bool idt_loaded(struct machine *m)
{
	return m->dt[1].base == 0xffff880012345678 && m->dt[1].limit == 0x1234;
}

static void msr_value(struct machine *m)
{
	m->last_msr = 0x123456789;
	m->tsc = 0x500000001;
	m->tsc_aux = 3;
}

static bool msr_written(struct machine *m)
{
	return m->last_msr == 0x200000001;
}

static bool xcr_is_7(struct machine *m)
{
	return m->xcr0 == 7;
}

static bool shadow_sti(struct machine *m)
{
	return m->c.shadow == KVM_X86_SHADOW_INT_STI;
}

static bool no_shadow(struct machine *m)
{
	return !m->c.shadow;
}

static void control(void)
{
	T(MODE64, "mov rax, cr3", CR(3, 0x123456000), OUT(RAX, 0x123456000));
	T(MODE64, "mov cr3, r9", IN(9, 0x5000), OUTCR(3, 0x5000));
	T(MODE32, "mov eax, cr0", CR(0, 0x60000011), IN(RAX, -1),
	  CR(0, 0x11), OUT(RAX, 0x11));
	T(MODE64, "mov cr4, rax", IN(RAX, 0x20), OUTCR(4, 0x20));
	T(MODE64, "mov cr8, rax", IN(RAX, 5), OUTCR(8, 5));
	T(MODE64, "mov cr8, rax", IN(RAX, 16), FAULT(13, 0));
	T(MODE64, "mov cr2, rax", IN(RAX, 5), OUTCR(2, 5));
	T(MODE64, ".byte 0x0f, 0x20, 0xc8", FAULT_PLAIN(6));
	T(MODE64, ".byte 0x0f, 0x22, 0x1b", IN(RBX, 0x7000), OUTCR(3, 0x7000));
	T(MODE64, "mov cr3, rax", CPL(3), FAULT(13, 0));
	T(MODE64, "clts", CR(0, 0x19), OUTCR(0, 0x11));
	T(MODE64, "clts", CPL(3), FAULT(13, 0));
	T(MODE16, "lmsw ax", IN(RAX, 0xffff), CR(0, 0x10), OUTCR(0, 0x1f));
	T(MODE32, "lmsw ax", IN(RAX, 0), CR(0, 0x1f), OUTCR(0, 0x11));
	T(MODE64, "smsw rax", CR(0, 0x50011), OUT(RAX, 0x50011));
	T(MODE64, "smsw [rbx]", IN(RBX, DATA), CR(0, 0x50011),
	  OUTMEM(D8, 0x11));
	T(MODE64, "smsw eax", CPL(3), CR(4, 1 << 11), FAULT(13, 0));
	T(MODE64, "mov dr0, rax", IN(RAX, 5), ANYFLAGS);
	T(MODE64, "mov dr4, rax", IN(RAX, 5), CHECK(dr6_is_5));
	T(MODE64, "mov dr4, rax", IN(RAX, 5), CR(4, 8), FAULT_PLAIN(6));
	T(MODE64, "mov dr7, rax", IN(RAX, 1ULL << 32), FAULT(13, 0));
	T(MODE64, "mov rax, dr7", OUT(RAX, 0));
	T(MODE64, "mov rax, dr0", CALL(dr7_gd), FAULT_PLAIN(1),
	  CHECK(gd_cleared));
	T(MODE64, ".byte 0x44, 0x0f, 0x21, 0xc0", FAULT_PLAIN(6));
}

static void descriptor_tables(void)
{
	T(MODE64, "sgdt [rbx]", CALL(tables), IN(RBX, DATA),
	  OUTMEM(DATA, 2, 0x7f), OUTMEM(DATA + 2, 8, 0xffff880012345678));
	T(MODE32, "sidt [ebx]", CALL(tables), IN(RBX, DATA),
	  OUTMEM(D8, 0x0fff));
	T(MODE64, "sidt [rbx]", IN(RBX, DATA), CPL(3), CR(4, 1 << 11),
	  FAULT(13, 0));
	T(MODE32, "lgdt [ebx]", IN(RBX, DATA), MEM(DATA, 8, 0x123456781234),
	  CHECK(gdt_loaded));
	T(MODE16, "lgdt [bx]", IN(RBX, 0x100), MEM(0x100, 8, 0x123456781234),
	  CHECK(gdt_loaded24));
	T(MODE16, "data32 lgdt [bx]", IN(RBX, 0x100),
	  MEM(0x100, 8, 0x123456781234), CHECK(gdt_loaded));
	T(MODE64, "lidt [rbx]", IN(RBX, DATA), MEM(DATA, 2, 0x1234),
	  MEM(DATA + 2, 8, 0xffff880012345678), CHECK(idt_loaded));
	T(MODE64, "lidt [rbx]", IN(RBX, DATA), MEM(DATA + 2, 8, 1ULL << 63),
	  FAULT(13, 0));
	T(MODE64, "lidt [rbx]", IN(RBX, DATA), CPL(3), FAULT(13, 0));
	T(MODE64, "str ax", SEG_SEL(TR, 0x40), IN(RAX, 0), OUT(RAX, 0x40));
	T(MODE64, "str [rbx]", SEG_SEL(TR, 0x40), IN(RBX, DATA),
	  MEM(D8, -1), OUTMEM(D8, 0xffffffffffff0040));
	T(MODE64, "sldt eax", SEG_SEL(LDTR, 0x50), OUT(RAX, 0x50));
	T(MODE16, ".byte 0x0f, 0, 0xc8", FAULT_PLAIN(6));
	T(MODEV86, ".byte 0x0f, 0, 0xd8", FAULT_PLAIN(6));
}

static void machine_ops_(void)
{
	T(MODE64, "invlpg [rbx]", IN(RBX, 0x1234), MISC(INVLPG, 0x1234));
	T(MODE64, "invlpg fs:[rbx]", IN(RBX, 0x1234), SEG_BASE(FS, 0x10000),
	  MISC(INVLPG, 0x11234));
	T(MODE64, "invlpg [rbx]", CPL(3), FAULT(13, 0));
	T(MODE64, "hlt", MISC(HLT, 0));
	T(MODE64, "hlt", CPL(3), FAULT(13, 0));
	T(MODE64, "wbinvd", MISC(WBINVD, 0));
	T(MODE64, "pause", MISC(PAUSE, 0));
	T(MODE64, "vmmcall", MISC(HYPERCALL, 0));
	T(MODE64, "vmcall", MISC(HYPERCALL, 0));
	T(MODE64, "rdmsr", CALL(msr_value), IN(RCX, 0x1234), OUT(RAX, 0x23456789),
	  OUT(RDX, 1));
	T(MODE64, "wrmsr", IN(RCX, 0xffffffff00001234), IN(RAX, 0xf00000001),
	  IN(RDX, 2), CHECK(msr_written));
	T(MODE64, "rdmsr", IN(RCX, 1), FAULT(13, 0));
	T(MODE64, "wrmsr", CPL(3), FAULT(13, 0));
	T(MODE64, "rdtsc", CALL(msr_value), OUT(RAX, 1), OUT(RDX, 5));
	T(MODE64, "rdtscp", CALL(msr_value), OUT(RAX, 1), OUT(RDX, 5),
	  OUT(RCX, 3));
	T(MODE64, "rdtsc", CPL(3), CR(4, 4), FAULT(13, 0));
	T(MODE64, "cpuid", IN(RAX, 1), IN(RCX, 2), OUT(RAX, 0xaaaa),
	  OUT(RBX, 2), OUT(RCX, 0xcccc), OUT(RDX, 4));
	T(MODE64, "xsetbv", IN(RCX, 0), IN(RAX, 7), IN(RDX, 0),
	  CHECK(xcr_is_7));
	T(MODE64, "xsetbv", IN(RCX, 0), IN(RAX, 6), IN(RDX, 0), FAULT(13, 0));
	T(MODE64, "xsetbv", CR(4, 0), FAULT_PLAIN(6));
	T(MODE64, "stac", CR(4, 1 << 21), ANYFLAGS);
	T(MODE64, "clac", ANYFLAGS);
	T(MODE64, "clac", CPL(3), FAULT_PLAIN(6));
	T(MODE64, "sti", CHECK(shadow_sti), ANYFLAGS);
	T(MODE64, "sti", FLAGS_IN(IF), CHECK(no_shadow));
	T(MODE64, "cli", CPL(3), FAULT(13, 0));
	T(MODE64, "cli", CPL(3), FLAGS_IN(3 << 12));
	T(MODE16, "cli", ANYFLAGS);
	T(MODEV86, "cli", FAULT(13, 0));
	T(MODE64, "clflush [rbx]", IN(RBX, DATA));
	/* No access, if it is a device's page. */
	T(MODE64, "clflush [rbx]", IN(RBX, MMIO_USER));
	T(MODE64, "mfence", ANYFLAGS);
	T(MODE64, "nop dword ptr [rbx]", IN(RBX, 1ULL << 63));
	T(MODE64, "prefetcht0 [rbx]", IN(RBX, 1ULL << 63));
	T(MODE64, "rsm", STATUS(FAIL));
	T(MODE64, "fninit", STATUS(FAIL));
}

void test_system(void)
{
	control();
	descriptor_tables();
	machine_ops_();
}
