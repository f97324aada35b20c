// SPDX-License-Identifier: GPL-2.0-only
/* The SSE and AVX moves. */
#include <string.h>
#include "unit.h"

#define D8	DATA, 8

static u64 lane(struct machine *m, int reg, int n)
{
	u64 v;

	memcpy(&v, m->simd[reg] + n * 8, 8);
	return v;
}

static void fill(struct machine *m)
{
	u32 i;

	memset(m->simd, 0xee, sizeof(m->simd));
	for (i = 0; i < 32; i++) {
		m->simd[1][i] = i;
		m->simd[2][i] = 0x20 + i;
		m->ram[DATA + i] = 0x80 + i;
	}
	memset(m->mmx[1], 0x77, 8);
}

#define E	0xeeeeeeeeeeeeeeeeULL
#define M0	0x8786858483828180ULL
#define M1	0x8f8e8d8c8b8a8988ULL
#define M2	0x9796959493929190ULL
#define R0	0x0706050403020100ULL
#define R1	0x0f0e0d0c0b0a0908ULL
#define V1	0x2f2e2d2c2b2a2928ULL

#define LANES(name, a, b, c_)						\
static bool name(struct machine *m)					\
{									\
	return lane(m, 0, 0) == (a) && lane(m, 0, 1) == (b) &&		\
	       lane(m, 0, 2) == (c_);					\
}

LANES(full16, M0, M1, E)
LANES(full16z, M0, M1, 0)
LANES(full32, M0, M1, M2)
LANES(low8, M0, E, E)
LANES(low8z, M0, 0, E)
LANES(low8zz, M0, 0, 0)
LANES(low4z, (u32)M0, 0, E)
LANES(low4zz, (u32)M0, 0, 0)
LANES(high8, E, M0, E)
LANES(vlow, M0, V1, 0)

static bool mmx(struct machine *m)
{
	return !memcmp(m->mmx[0], m->ram + DATA, 8);
}

static void x87_error(struct machine *m)
{
	m->x87_pending = true;
}

#define X(text, ...)	T(MODE64, text, IN(RBX, DATA), CALL(fill), \
			  __VA_ARGS__)

void test_simd(void)
{
	X("movups xmm0, [rbx]", CHECK(full16));
	X("movupd xmm0, [rbx]", CHECK(full16));
	X("movaps xmm0, [rbx]", CHECK(full16));
	X("movapd xmm0, [rbx]", CHECK(full16));
	X("movdqa xmm0, [rbx]", CHECK(full16));
	X("movdqu xmm0, [rbx]", CHECK(full16));
	X("lddqu xmm0, [rbx]", CHECK(full16));
	X("movntdqa xmm0, [rbx]", CHECK(full16));
	X("movss xmm0, [rbx]", CHECK(low4z));
	X("movsd xmm0, [rbx]", CHECK(low8z));
	X("movd xmm0, [rbx]", CHECK(low4z));
	X("movq xmm0, [rbx]", CHECK(low8z));
	X(".byte 0x66, 0x48, 0x0f, 0x6e, 0x03", CHECK(low8z));
	X("movlps xmm0, [rbx]", CHECK(low8));
	X("movlpd xmm0, [rbx]", CHECK(low8));
	X("movhps xmm0, [rbx]", CHECK(high8));
	X("movhpd xmm0, [rbx]", CHECK(high8));
	X("movq mm0, [rbx]", CHECK(mmx));
	X("vmovups xmm0, [rbx]", CHECK(full16z));
	X("vmovups ymm0, [rbx]", CHECK(full32));
	X("vmovdqa ymm0, [rbx]", CHECK(full32));
	X("vmovdqu xmm0, [rbx]", CHECK(full16z));
	X("vmovntdqa ymm0, [rbx]", CHECK(full32));
	X("vlddqu ymm0, [rbx]", CHECK(full32));
	X("vmovq xmm0, [rbx]", CHECK(low8zz));
	X("vmovsd xmm0, [rbx]", CHECK(low8zz));
	X("vmovlps xmm0, xmm2, [rbx]", CHECK(vlow));
	X("movups [rbx], xmm1", OUTMEM(D8, R0), OUTMEM(DATA + 8, 8, R1));
	X("movaps [rbx], xmm1", OUTMEM(D8, R0), OUTMEM(DATA + 8, 8, R1));
	X("movdqa [rbx], xmm1", OUTMEM(D8, R0), OUTMEM(DATA + 8, 8, R1));
	X("movdqu [rbx], xmm1", OUTMEM(D8, R0), OUTMEM(DATA + 8, 8, R1));
	X("movntdq [rbx], xmm1", OUTMEM(D8, R0), OUTMEM(DATA + 8, 8, R1));
	X("movntps [rbx], xmm1", OUTMEM(D8, R0), OUTMEM(DATA + 8, 8, R1));
	X("movntq [rbx], mm1", OUTMEM(D8, 0x7777777777777777));
	X("movss [rbx], xmm1", OUTMEM(D8, (M0 & ~0xffffffffULL) | (u32)R0));
	X("movsd [rbx], xmm1", OUTMEM(D8, R0), OUTMEM(DATA + 8, 8, M1));
	X("movd [rbx], xmm1", OUTMEM(D8, (M0 & ~0xffffffffULL) | (u32)R0));
	X("movq [rbx], xmm1", OUTMEM(D8, R0), OUTMEM(DATA + 8, 8, M1));
	X("movlps [rbx], xmm1", OUTMEM(D8, R0), OUTMEM(DATA + 8, 8, M1));
	X("movhps [rbx], xmm1", OUTMEM(D8, R1), OUTMEM(DATA + 8, 8, M1));
	X("movq [rbx], mm1", OUTMEM(D8, 0x7777777777777777));
	X("vmovups [rbx], ymm1", OUTMEM(D8, R0), OUTMEM(DATA + 8, 8, R1),
	  OUTMEM(DATA + 16, 8, 0x1716151413121110));
	X("vmovntdq [rbx], ymm1", OUTMEM(D8, R0));
	X("vmovhps [rbx], xmm1", OUTMEM(D8, R1));
	X("movaps xmm0, [rbx + 8]", FAULT(13, 0));
	X("movdqa [rbx + 8], xmm1", FAULT(13, 0));
	X("movntdq [rbx + 8], xmm1", FAULT(13, 0));
	X("vmovdqa ymm0, [rbx + 16]", FAULT(13, 0));
	X("movups xmm0, [rbx + 1]", ANYFLAGS);
	X("movups xmm0, [rbx]", CR(0, 0x15), FAULT_PLAIN(6));
	X("movups xmm0, [rbx]", CR(0, 0x19), FAULT_PLAIN(7));
	X("movups xmm0, [rbx]", CR(4, 0), FAULT_PLAIN(6));
	X("movq mm0, [rbx]", CR(4, 0), CHECK(mmx));
	X("movq mm0, [rbx]", CALL(x87_error), FAULT_PLAIN(16));
	X("movd mm0, [rbx]", CALL(x87_error), FAULT_PLAIN(16));
	X("movq [rbx], mm1", CALL(x87_error), FAULT_PLAIN(16));
	T(MODE64, "movq mm0, [rbx]", IN(RBX, MMIO_USER), CALL(x87_error),
	  FAULT_PLAIN(16), EXITS(0), DEVS(0));
	X("movups xmm0, [rbx]", CALL(x87_error), CHECK(full16));
	X("vmovups xmm0, [rbx]", CR(4, 0x600), FAULT_PLAIN(6));
	X(".byte 0xc5, 0xf0, 0x10, 0x03", FAULT_PLAIN(6));
	/* W, B and the highest bit of vvvv are ignored outside 64-bit mode. */
	T(MODE32, ".byte 0xc4, 0xc1, 0xb9, 0x6e, 0x03", IN(RBX, DATA),
	  IN(8, 8), CALL(fill), CHECK(low4zz));
	/* Instructions that there are, but not here. */
	X("movddup xmm0, [rbx]", STATUS(FAIL));
	X("movaps xmm0, xmm1", STATUS(FAIL));
	X("vmovups zmm0, [rbx]", STATUS(FAIL));
}
