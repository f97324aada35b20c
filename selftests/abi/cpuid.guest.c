// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

GUEST(read_leaf)
{
	u32 r[4];
	int i;

	cpuid(a, b, r);
	for (i = 0; i < 4; i++)
		value(r[i]);
}

GUEST(state_bits)
{
	u32 r[4], on[4];

	cpuid(1, 0, r);
	if (r[2] >> 26 & 1) {
		write_cr4(read_cr4() & ~0x40000UL);
		cpuid(1, 0, r);
		EQ(r[2] >> 27 & 1, 0);
		write_cr4(read_cr4() | 0x40000);
		cpuid(1, 0, on);
		EQ(on[2] >> 27 & 1, 1);
		/* The size that XCR0 needs. */
		cpuid(0xd, 0, r);
		EQ(r[1], 576);
		TRUE(r[2] >= r[1]);
		EQ(r[0] & 3, 3);
	}
	cpuid(7, 0, r);
	if (r[2] >> 3 & 1) {
		write_cr4(read_cr4() | 1 << 22);
		cpuid(7, 0, r);
		EQ(r[2] >> 4 & 1, 1);
		write_cr4(read_cr4() & ~(1UL << 22));
		cpuid(7, 0, r);
		EQ(r[2] >> 4 & 1, 0);
	}
}

/* Tells 0, or the vector raised and one. */
#define TRY(name, ...)							\
GUEST(try_##name)							\
{									\
	prepare();							\
	value(TRAPS(__VA_ARGS__) == NO_TRAP ? 0 : trap.vector + 1);	\
}

#define MEM (0x300000UL)

static void prepare(void)
{
	u32 r[4];

	cpuid(1, 0, r);
	if (r[2] >> 26 & 1) {
		write_cr4(read_cr4() | 0x40000);
		/* XCR0: x87, SSE, and AVX where there is. */
		if (r[2] >> 28 & 1)
			asm volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
	}
}

#define ALL "rax", "rbx", "rcx", "rdx", "memory", "cc"

TRY(fpu, "fninit; fld1; fstp %%st(0)", : : : ALL)
TRY(tsc, "rdtsc", : : : ALL)
TRY(msr, "rdmsr", : : "c"(0xc0000080) : "rax", "rdx")
TRY(cx8, "lock cmpxchg8b (%0)", : : "r"(MEM) : ALL)
TRY(sep, "rdmsr", : : "c"(0x174) : "rax", "rdx")
TRY(pge, "mov %%cr4, %%rax; or $0x80, %%rax; mov %%rax, %%cr4", : : : ALL)
TRY(cmov, "cmovc %%eax, %%ebx", : : : ALL)
TRY(pat, "rdmsr", : : "c"(0x277) : "rax", "rdx")
TRY(clflush, "clflush (%0)", : : "r"(MEM) : ALL)
TRY(fxsr, "fxsave (%0); fxrstor (%0)", : : "r"(MEM) : ALL)
TRY(sse, "addps %%xmm0, %%xmm1", : : : ALL)
TRY(sse2, "paddq %%xmm0, %%xmm1", : : : ALL)
TRY(sse3, "haddps %%xmm0, %%xmm1", : : : ALL)
TRY(pclmul, "pclmulqdq $0, %%xmm0, %%xmm1", : : : ALL)
TRY(ssse3, "pshufb %%xmm0, %%xmm1", : : : ALL)
TRY(fma, "vfmadd132ps %%xmm0, %%xmm1, %%xmm2", : : : ALL)
TRY(cx16, "lock cmpxchg16b (%0)", : : "r"(MEM) : ALL)
TRY(sse41, "pminsd %%xmm0, %%xmm1", : : : ALL)
TRY(sse42, "crc32l %%eax, %%ebx", : : : ALL)
TRY(x2apic, "rdmsr", : : "c"(0x1b) : "rax", "rdx")
TRY(movbe, "movbe (%0), %%eax", : : "r"(MEM) : ALL)
TRY(popcnt, "popcnt %%eax, %%ebx", : : : ALL)
TRY(deadline, "rdmsr", : : "c"(0x6e0) : "rax", "rdx")
TRY(aes, "aesenc %%xmm0, %%xmm1", : : : ALL)
TRY(xsave, "xsave (%0); xrstor (%0)", : : "r"(MEM), "a"(3), "d"(0) : "memory")
TRY(avx, "vaddps %%ymm0, %%ymm1, %%ymm2", : : : ALL)
TRY(f16c, "vcvtph2ps %%xmm0, %%xmm1", : : : ALL)
TRY(rdrand, "rdrand %%eax", : : : ALL)
TRY(fsgsbase, "mov %%cr4, %%rax; or $0x10000, %%rax; mov %%rax, %%cr4;"
	      "rdfsbase %%rax; wrfsbase %%rax", : : : ALL)
TRY(tsc_adjust, "rdmsr", : : "c"(0x3b) : "rax", "rdx")
TRY(bmi1, "andn %%eax, %%ebx, %%ecx", : : : ALL)
TRY(avx2, "vpaddq %%ymm0, %%ymm1, %%ymm2", : : : ALL)
TRY(smep, "mov %%cr4, %%rax; or $0x100000, %%rax", : : : ALL)
TRY(bmi2, "mulx %%eax, %%ebx, %%ecx", : : : ALL)
TRY(erms, "nop", : : : ALL)
TRY(invpcid, "pushq $0; pushq $0; mov $2, %%eax; invpcid (%%rsp), %%rax;"
	     "add $16, %%rsp", : : : ALL)
TRY(rdseed, "rdseed %%eax", : : : ALL)
TRY(adx, "adcx %%eax, %%ebx; adox %%eax, %%ebx", : : : ALL)
TRY(smap, "clac; stac", : : : ALL)
TRY(clflushopt, "clflushopt (%0)", : : "r"(MEM) : ALL)
TRY(clwb, "clwb (%0)", : : "r"(MEM) : ALL)
TRY(umip, "mov %%cr4, %%rax; or $0x800, %%rax; mov %%rax, %%cr4; smsw %%ax",
	: : : ALL)
TRY(pku, "mov %%cr4, %%rax; bts $22, %%rax; mov %%rax, %%cr4; xor %%ecx, %%ecx;"
	 "rdpkru; wrpkru", : : : ALL)
TRY(la57, "nop", : : : ALL)
TRY(rdpid, "rdpid %%rax", : : : ALL)
TRY(fsrm, "nop", : : : ALL)
TRY(xsaveopt, "xsaveopt (%0)", : : "r"(MEM), "a"(3), "d"(0) : "memory")
TRY(xsavec, "xsavec (%0)", : : "r"(MEM), "a"(3), "d"(0) : "memory")
TRY(xgetbv1, "xgetbv", : : "c"(1) : "rax", "rdx")
TRY(xsaves, "xsaves (%0)", : : "r"(MEM), "a"(3), "d"(0) : "memory")
TRY(syscall, "rdmsr", : : "c"(0xc0000082) : "rax", "rdx")
TRY(nx, "mov $0xc0000080, %%ecx; rdmsr; bts $11, %%eax; wrmsr", : : : ALL)
TRY(pdpe1gb, "nop", : : : ALL)
TRY(rdtscp, "rdtscp", : : : ALL)
TRY(lm, "nop", : : : ALL)
TRY(lahf, "lahf; sahf", : : : ALL)
TRY(cr8_legacy, "mov %%cr8, %%rax", : : : ALL)
TRY(abm, "lzcnt %%eax, %%ebx", : : : ALL)
TRY(sse4a, "extrq $1, $2, %%xmm0", : : : ALL)
TRY(prefetchw, "prefetchw (%0)", : : "r"(MEM) : ALL)

#define CR4_TRAPS(bit) \
	EQ(TRAPS("mov %0, %%cr4", : : "r"(read_cr4() | 1UL << (bit))), 13)

GUEST(hidden)
{
	CR4_TRAPS(18);			/* OSXSAVE */
	CR4_TRAPS(16);			/* FSGSBASE */
	CR4_TRAPS(17);			/* PCIDE */
	CR4_TRAPS(20);			/* SMEP */
	CR4_TRAPS(21);			/* SMAP */
	CR4_TRAPS(22);			/* PKE */
	CR4_TRAPS(23);			/* no such bit on AMD without CET */
	EQ(wrmsr_traps(0x1b, rdmsr(0x1b) | 0x400), 13);	/* x2APIC */
}
