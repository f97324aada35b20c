/* SPDX-License-Identifier: GPL-2.0-only */
/* The handlers that the decode tables name, by the file they are in. */
#ifndef LODGE_EMULATE_HANDLERS_H
#define LODGE_EMULATE_HANDLERS_H

#include "emulate.h"

#define HANDLER(name)	int lodge_op_##name(struct lodge_emul *c)

/* alu.c */
HANDLER(alu); HANDLER(cmp); HANDLER(shift); HANDLER(not); HANDLER(mul);
HANDLER(div); HANDLER(imul); HANDLER(bt); HANDLER(cmpxchg); HANDLER(cmpxchg8b);
HANDLER(xadd); HANDLER(bitscan); HANDLER(bswap); HANDLER(cbw); HANDLER(cwd);

/* move.c */
HANDLER(mov); HANDLER(movsx); HANDLER(movsxd); HANDLER(movbe);
HANDLER(movnti); HANDLER(xchg); HANDLER(lea); HANDLER(cmov); HANDLER(setcc);
HANDLER(xlat); HANDLER(push); HANDLER(pop); HANDLER(pusha); HANDLER(popa);
HANDLER(enter); HANDLER(leave); HANDLER(nop); HANDLER(ud); HANDLER(fence);
HANDLER(push_seg); HANDLER(pop_seg); HANDLER(mov_from_seg);
HANDLER(mov_to_seg); HANDLER(load_far);

/* control.c */
HANDLER(jcc); HANDLER(jmp); HANDLER(ret); HANDLER(loop); HANDLER(pushf);
HANDLER(popf); HANDLER(lahf); HANDLER(sahf); HANDLER(flag); HANDLER(cli_sti);

/* string.c */
HANDLER(string); HANDLER(ins_outs); HANDLER(in_out);

/* system.c */
HANDLER(store_sys_seg); HANDLER(load_sys_seg); HANDLER(group7); HANDLER(smsw);
HANDLER(lmsw); HANDLER(clts); HANDLER(misc); HANDLER(mov_special);
HANDLER(wrmsr); HANDLER(rdmsr); HANDLER(rdtsc); HANDLER(cpuid);

/* far.c */
HANDLER(far); HANDLER(far_mem); HANDLER(ret_far);
HANDLER(int); HANDLER(iret);

/* simd.c */
HANDLER(simd);

/* aux of the arithmetic: the first 16 in the order of ModRM.reg in a group. */
enum alu {
	ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP,
	ALU_ROL, ALU_ROR, ALU_RCL, ALU_RCR, ALU_SHL, ALU_SHR, ALU_SAL, ALU_SAR,
	ALU_SHLD, ALU_SHRD, ALU_INC, ALU_DEC, ALU_NEG, ALU_IMUL,
};

/* aux of the string instructions: which pointers, and whether to compare. */
enum { STR_SI = 1, STR_DI = 2, STR_CMP = 4 };

/* aux of the SIMD moves: which family, and the direction. */
enum {
	SIMD_MOVU, SIMD_MOVA, SIMD_LOW, SIMD_HIGH, SIMD_MOVD, SIMD_MOVD_7E,
	SIMD_MOVDQ, SIMD_MOVQ, SIMD_MOVNT, SIMD_LDDQU,
	SIMD_STORE = 0x80,
};

#endif
