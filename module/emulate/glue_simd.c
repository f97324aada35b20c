// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's vector registers are brought into the CPU: read and written where
 * they are, unless the thread was scheduled away from them meanwhile.
 *
 * Of these accesses only MMX's can trap, by an x87 exception that the guest (or
 * user space, with KVM_SET_XSAVE) has left pending: SDM vol. 3A 12.5. It would be
 * the host's to die of, so it is looked for first, and is the guest's.
 */
#include <asm/fpu/api.h>
#include <linux/thread_info.h>
#include <linux/string.h>
#include <linux/types.h>

#include "emulate/emulate.h"
#include "emulate/glue.h"
#include "lodge.h"

struct simd { u8 b[32]; } __aligned(32);

/* A switch, since the register's number is part of the instruction. */
#define CASE(n, pre, post)						\
	case n:								\
		asm volatile(pre #n post : : "r" (p) : "memory");	\
		break
#define CASES8(pre, post)						\
	CASE(0, pre, post); CASE(1, pre, post); CASE(2, pre, post);	\
	CASE(3, pre, post); CASE(4, pre, post); CASE(5, pre, post);	\
	CASE(6, pre, post); CASE(7, pre, post)
#define CASES16(pre, post)						\
	CASES8(pre, post);						\
	CASE(8, pre, post); CASE(9, pre, post); CASE(10, pre, post);	\
	CASE(11, pre, post); CASE(12, pre, post); CASE(13, pre, post);	\
	CASE(14, pre, post); CASE(15, pre, post)

#define ACCESSES(kind, insn, reg, cases)				\
static void kind##_get(int n, struct simd *p)				\
{									\
	switch (n) { cases(insn " %%" reg, ", (%0)"); }			\
}									\
static void kind##_set(int n, struct simd *p)				\
{									\
	switch (n) { cases(insn " (%0), %%" reg, ""); }			\
}

ACCESSES(mmx, "movq", "mm", CASES8)
ACCESSES(xmm, "movdqa", "xmm", CASES16)
ACCESSES(ymm, "vmovdqa", "ymm", CASES16)

/* The summary of unmasked exceptions. FNSTSW does not wait for them. */
#define FSW_ES	BIT(7)

static bool x87_pending(void)
{
	u16 fsw;

	asm volatile("fnstsw %0" : "=a" (fsw));
	return fsw & FSW_ES;
}

static int access(struct lodge_emul *c, int reg, struct simd *s, u32 len, bool set)
{
	static const struct {
		u8 len, nr;
		void (*get)(int n, struct simd *p);
		void (*set)(int n, struct simd *p);
	} kinds[] = {
		{ 8, 8, mmx_get, mmx_set }, { 16, 16, xmm_get, xmm_set },
		{ 32, 16, ymm_get, ymm_set },
	};
	int i, st = LODGE_EMUL_OK;

	for (i = 0; i < ARRAY_SIZE(kinds) && kinds[i].len != len; i++)
		;
	if (i == ARRAY_SIZE(kinds) || (unsigned int)reg >= kinds[i].nr ||
	    (len == 32 && !boot_cpu_has(X86_FEATURE_AVX)))
		return LODGE_EMUL_FAIL;
	lodge_xstate_need(c->priv);
	fpregs_lock();
	if (test_thread_flag(TIF_NEED_FPU_LOAD))
		switch_fpu_return();
	if (len == 8 && x87_pending())
		st = lodge_emul_raise(c, X86_TRAP_MF, false, 0);
	else
		(set ? kinds[i].set : kinds[i].get)(reg, s);
	fpregs_unlock();
	return st;
}

/**
 * lodge_simd_get - the emulator's operation: read a vector register
 * @c: the emulator's context: the vCPU is its @priv
 * @reg: its number
 * @buf: @len bytes
 * @len: 8 for MMX, 16 for XMM, 32 for YMM
 *
 * Context: in KVM_RUN, interrupts on.
 * Return: enum lodge_emul_status; a fault is #MF.
 */
int lodge_simd_get(struct lodge_emul *c, int reg, void *buf, u32 len)
{
	struct simd s;
	int st = access(c, reg, &s, len, false);

	if (!st)
		memcpy(buf, &s, len);
	return st;
}

/** lodge_simd_set - write a vector register; see lodge_simd_get() */
int lodge_simd_set(struct lodge_emul *c, int reg, const void *buf, u32 len)
{
	struct simd s;

	memcpy(&s, buf, min_t(u32, len, sizeof(s)));
	return access(c, reg, &s, len, true);
}
