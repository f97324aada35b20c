// SPDX-License-Identifier: GPL-2.0-only
/*
 * The decode tables: SDM vol. 2D appendix A, APM vol. 3 appendix A.
 *
 * A row without a handler still has the operands that its length depends on,
 * so that any instruction of the first two maps can be stepped over.
 */
#include "internal.h"
#include "handlers.h"

#define I(name, f)	{ .flags = (f), .exec = lodge_op_##name }
#define A(name, a, f)	{ .flags = (f), .aux = (a), .exec = lodge_op_##name }
#define L(f)		{ .flags = (f) }
#define G(name, f)	{ .flags = (f) | F_GROUP | F_MODRM, .group = name }

#define M		F_MODRM
#define RM_R		(M | D(RM) | S(REG))
#define R_RM		(M | D(REG) | S(RM))
#define MREG		(D(OPREG) | S(ACC))

/* The six forms of ADD, OR, ADC, SBB, AND, SUB, XOR; CMP has its own flags. */
#define ALU(base, a, f)							\
	[(base) + 0] = A(alu, ALU_##a, RM_R | F_BYTE | (f)),			\
	[(base) + 1] = A(alu, ALU_##a, RM_R | (f)),				\
	[(base) + 2] = A(alu, ALU_##a, R_RM | F_BYTE | ((f) & ~F_LOCK)),	\
	[(base) + 3] = A(alu, ALU_##a, R_RM | ((f) & ~F_LOCK)),		\
	[(base) + 4] = A(alu, ALU_##a, D(ACC) | S(IMM) | F_BYTE |		\
			 ((f) & ~F_LOCK)),				\
	[(base) + 5] = A(alu, ALU_##a, D(ACC) | S(IMM) | ((f) & ~F_LOCK))

#define STRING(how)	A(string, how, F_BYTE | F_STRING),		\
			A(string, how, F_STRING)

#define REP4(...)	__VA_ARGS__, __VA_ARGS__, __VA_ARGS__, __VA_ARGS__
#define REP8(...)	REP4(__VA_ARGS__), REP4(__VA_ARGS__)
#define REP16(...)	REP8(__VA_ARGS__), REP8(__VA_ARGS__)

static const struct lodge_emul_opcode group1[8] = {
	A(alu, ALU_ADD, F_LOCK), A(alu, ALU_OR, F_LOCK),
	A(alu, ALU_ADC, F_LOCK), A(alu, ALU_SBB, F_LOCK),
	A(alu, ALU_AND, F_LOCK), A(alu, ALU_SUB, F_LOCK),
	A(alu, ALU_XOR, F_LOCK), A(alu, ALU_CMP, F_TEST),
};

static const struct lodge_emul_opcode group1a[8] = {
	I(pop, D(RM) | F_MOV | F_STACK | F_POPSP),
};

static const struct lodge_emul_opcode group2[8] = {
	A(shift, ALU_ROL, 0), A(shift, ALU_ROR, 0), A(shift, ALU_RCL, 0),
	A(shift, ALU_RCR, 0), A(shift, ALU_SHL, 0), A(shift, ALU_SHR, 0),
	A(shift, ALU_SAL, 0), A(shift, ALU_SAR, 0),
};

static const struct lodge_emul_opcode group3[8] = {
	A(alu, ALU_AND, D(RM) | S(IMM) | F_TEST),
	A(alu, ALU_AND, D(RM) | S(IMM) | F_TEST),
	I(not, D(RM) | F_LOCK), A(alu, ALU_NEG, D(RM) | F_LOCK),
	I(mul, S(RM)), A(mul, 1, S(RM)), I(div, S(RM)), A(div, 1, S(RM)),
};

static const struct lodge_emul_opcode group4[8] = {
	A(alu, ALU_INC, D(RM) | F_LOCK), A(alu, ALU_DEC, D(RM) | F_LOCK),
};

static const struct lodge_emul_opcode group5[8] = {
	A(alu, ALU_INC, D(RM) | F_LOCK), A(alu, ALU_DEC, D(RM) | F_LOCK),
	A(jmp, 1, S(RM) | F_NEAR), A(far_mem, 1, S(ADDR)),
	I(jmp, S(RM) | F_NEAR), A(far_mem, 0, S(ADDR)),
	I(push, S(RM) | F_STACK),
};

static const struct lodge_emul_opcode group6[8] = {
	I(store_sys_seg, D(RM) | F_MOV | F_PROT),
	I(store_sys_seg, D(RM) | F_MOV | F_PROT),
	I(load_sys_seg, S(RM16) | F_PRIV | F_PROT),
	I(load_sys_seg, S(RM16) | F_PRIV | F_PROT),
	L(0), L(0),
};

static const struct lodge_emul_opcode group7[8] = {
	I(group7, 0), I(group7, 0), I(group7, 0), I(group7, 0),
	I(smsw, D(RM) | F_MOV), L(0), I(lmsw, S(RM16) | F_PRIV), I(group7, 0),
};

static const struct lodge_emul_opcode group8[8] = {
	[4] = A(bt, 0, F_TEST), A(bt, 1, F_LOCK), A(bt, 2, F_LOCK),
	A(bt, 3, F_LOCK),
};

static const struct lodge_emul_opcode group9[8] = {
	[1] = I(cmpxchg8b, D(ADDR) | F_LOCK),
};

static const struct lodge_emul_opcode group11[8] = {
	I(mov, 0),
};

const struct lodge_emul_opcode lodge_emul_map0[256] = {
	ALU(0x00, ADD, F_LOCK), ALU(0x08, OR, F_LOCK), ALU(0x10, ADC, F_LOCK),
	ALU(0x18, SBB, F_LOCK), ALU(0x20, AND, F_LOCK), ALU(0x28, SUB, F_LOCK),
	ALU(0x30, XOR, F_LOCK), ALU(0x38, CMP, F_TEST),
	[0x06] = A(push_seg, LODGE_SEG_ES, F_NO64 | F_STACK),
	[0x07] = A(pop_seg, LODGE_SEG_ES, F_NO64 | F_STACK),
	[0x0e] = A(push_seg, LODGE_SEG_CS, F_NO64 | F_STACK),
	[0x16] = A(push_seg, LODGE_SEG_SS, F_NO64 | F_STACK),
	[0x17] = A(pop_seg, LODGE_SEG_SS, F_NO64 | F_STACK),
	[0x1e] = A(push_seg, LODGE_SEG_DS, F_NO64 | F_STACK),
	[0x1f] = A(pop_seg, LODGE_SEG_DS, F_NO64 | F_STACK),
	[0x26] = L(F_PREFIX), L(F_NO64), [0x2e] = L(F_PREFIX), L(F_NO64),
	[0x36] = L(F_PREFIX), L(F_NO64), [0x3e] = L(F_PREFIX), L(F_NO64),
	[0x40] = REP8(A(alu, ALU_INC, D(OPREG) | F_NO64)),
	[0x48] = REP8(A(alu, ALU_DEC, D(OPREG) | F_NO64)),
	[0x50] = REP8(I(push, S(OPREG) | F_STACK)),
	[0x58] = REP8(I(pop, D(OPREG) | F_STACK | F_MOV)),
	[0x60] = I(pusha, F_NO64), I(popa, F_NO64),
	[0x62] = L(M | F_NO64), I(movsxd, M | D(REG) | S(RM32) | F_MOV),
	[0x64] = REP4(L(F_PREFIX)),
	[0x68] = I(push, S(IMM) | F_STACK),
	[0x69] = I(imul, R_RM | S2(IMM) | F_MOV),
	[0x6a] = I(push, S(IMM8) | F_STACK),
	[0x6b] = I(imul, R_RM | S2(IMM8) | F_MOV),
	[0x6c] = A(ins_outs, 1, F_BYTE | F_STRING), A(ins_outs, 1, F_STRING),
	[0x6e] = A(ins_outs, 0, F_BYTE | F_STRING), A(ins_outs, 0, F_STRING),
	[0x70] = REP16(I(jcc, S(IMM8) | F_NEAR)),
	[0x80] = G(group1, D(RM) | S(IMM) | F_BYTE),
	[0x81] = G(group1, D(RM) | S(IMM)),
	[0x82] = G(group1, D(RM) | S(IMM) | F_BYTE | F_NO64),
	[0x83] = G(group1, D(RM) | S(IMM8)),
	[0x84] = A(alu, ALU_AND, RM_R | F_BYTE | F_TEST),
	[0x85] = A(alu, ALU_AND, RM_R | F_TEST),
	[0x86] = I(xchg, RM_R | F_BYTE | F_LOCK), I(xchg, RM_R | F_LOCK),
	[0x88] = I(mov, RM_R | F_BYTE | F_MOV), I(mov, RM_R | F_MOV),
	[0x8a] = I(mov, R_RM | F_BYTE | F_MOV), I(mov, R_RM | F_MOV),
	[0x8c] = I(mov_from_seg, M | D(RM) | F_MOV),
	[0x8d] = I(lea, M | D(REG) | S(ADDR) | F_MOV),
	[0x8e] = I(mov_to_seg, M | S(RM16)),
	[0x8f] = G(group1a, 0),
	[0x90] = I(nop, 0),
	[0x91] = I(xchg, MREG), I(xchg, MREG), I(xchg, MREG), I(xchg, MREG),
	[0x95] = I(xchg, MREG), I(xchg, MREG), I(xchg, MREG),
	[0x98] = I(cbw, 0), I(cwd, 0),
	[0x9a] = A(far, 1, S(FAR) | F_NO64), L(0),
	[0x9c] = I(pushf, F_STACK), I(popf, F_STACK), I(sahf, 0), I(lahf, 0),
	[0xa0] = I(mov, D(ACC) | S(MOFFS) | F_BYTE | F_MOV),
	[0xa1] = I(mov, D(ACC) | S(MOFFS) | F_MOV),
	[0xa2] = I(mov, D(MOFFS) | S(ACC) | F_BYTE | F_MOV),
	[0xa3] = I(mov, D(MOFFS) | S(ACC) | F_MOV),
	[0xa4] = STRING(STR_SI | STR_DI),
	[0xa6] = STRING(STR_SI | STR_DI | STR_CMP),
	[0xa8] = A(alu, ALU_AND, D(ACC) | S(IMM) | F_BYTE | F_TEST),
	[0xa9] = A(alu, ALU_AND, D(ACC) | S(IMM) | F_TEST),
	[0xaa] = STRING(STR_DI), [0xac] = STRING(STR_SI),
	[0xae] = STRING(STR_DI | STR_CMP),
	[0xb0] = REP8(I(mov, D(OPREG) | S(IMM) | F_BYTE | F_MOV)),
	[0xb8] = REP8(I(mov, D(OPREG) | S(IMMV) | F_MOV)),
	[0xc0] = G(group2, D(RM) | S(IMM8U) | F_BYTE),
	[0xc1] = G(group2, D(RM) | S(IMM8U)),
	[0xc2] = I(ret, S(IMM16) | F_NEAR), I(ret, F_NEAR),
	[0xc4] = A(load_far, LODGE_SEG_ES, M | D(REG) | S(ADDR) | F_MOV),
	[0xc5] = A(load_far, LODGE_SEG_DS, M | D(REG) | S(ADDR) | F_MOV),
	[0xc6] = G(group11, D(RM) | S(IMM) | F_BYTE | F_MOV),
	[0xc7] = G(group11, D(RM) | S(IMM) | F_MOV),
	[0xc8] = I(enter, S(ENTER) | F_STACK), I(leave, F_STACK),
	[0xca] = I(ret_far, S(IMM16)), I(ret_far, 0),
	[0xcc] = A(int, 3, 0), I(int, S(IMM8U)),
	[0xce] = A(int, 4, F_NO64), I(iret, 0),
	[0xd0] = G(group2, D(RM) | S(ONE) | F_BYTE), G(group2, D(RM) | S(ONE)),
	[0xd2] = G(group2, D(RM) | S(CL) | F_BYTE), G(group2, D(RM) | S(CL)),
	[0xd4] = L(S(IMM8) | F_NO64), L(S(IMM8) | F_NO64), L(F_NO64),
	[0xd7] = I(xlat, 0),
	[0xd8] = REP8(L(M)),
	[0xe0] = I(loop, S(IMM8) | F_NEAR), I(loop, S(IMM8) | F_NEAR),
	[0xe2] = I(loop, S(IMM8) | F_NEAR), I(loop, S(IMM8) | F_NEAR),
	[0xe4] = A(in_out, 1, S(IMM8U) | F_BYTE), A(in_out, 1, S(IMM8U)),
	[0xe6] = A(in_out, 0, S(IMM8U) | F_BYTE), A(in_out, 0, S(IMM8U)),
	[0xe8] = A(jmp, 1, S(IMM) | F_NEAR), I(jmp, S(IMM) | F_NEAR),
	[0xea] = A(far, 0, S(FAR) | F_NO64), I(jmp, S(IMM8) | F_NEAR),
	[0xec] = A(in_out, 1, S(DX) | F_BYTE), A(in_out, 1, S(DX)),
	[0xee] = A(in_out, 0, S(DX) | F_BYTE), A(in_out, 0, S(DX)),
	[0xf0] = L(F_PREFIX), L(0), L(F_PREFIX), L(F_PREFIX),
	[0xf4] = A(misc, LODGE_MISC_HLT, F_PRIV), I(flag, 0),
	[0xf6] = G(group3, F_BYTE), G(group3, 0),
	[0xf8] = I(flag, 0), I(flag, 0), I(cli_sti, 0), I(cli_sti, 0),
	[0xfc] = I(flag, 0), I(flag, 0), G(group4, F_BYTE), G(group5, 0),
};

const struct lodge_emul_opcode lodge_emul_map1[256] = {
	[0x00] = G(group6, 0), G(group7, 0), L(M), L(M), L(0), L(0),
	[0x06] = I(clts, F_PRIV), L(0),
	[0x08] = A(misc, LODGE_MISC_WBINVD, F_PRIV),
	[0x09] = A(misc, LODGE_MISC_WBINVD, F_PRIV),
	[0x0b] = I(ud, 0), [0x0d] = I(nop, M), L(0), L(M | S(IMM8)),
	[0x10] = A(simd, SIMD_MOVU, M | F_VEX),
	[0x11] = A(simd, SIMD_MOVU | SIMD_STORE, M | F_VEX),
	[0x12] = A(simd, SIMD_LOW, M | F_VEX),
	[0x13] = A(simd, SIMD_LOW | SIMD_STORE, M | F_VEX),
	[0x14] = L(M), L(M),
	[0x16] = A(simd, SIMD_HIGH, M | F_VEX),
	[0x17] = A(simd, SIMD_HIGH | SIMD_STORE, M | F_VEX),
	[0x18] = REP8(I(nop, M)),
	[0x20] = A(mov_special, 0, M | F_PRIV | F_MOD3),
	[0x21] = A(mov_special, 1, M | F_PRIV | F_MOD3),
	[0x22] = A(mov_special, 2, M | F_PRIV | F_MOD3),
	[0x23] = A(mov_special, 3, M | F_PRIV | F_MOD3),
	[0x28] = A(simd, SIMD_MOVA, M | F_VEX),
	[0x29] = A(simd, SIMD_MOVA | SIMD_STORE, M | F_VEX),
	[0x2a] = L(M), A(simd, SIMD_MOVA | SIMD_STORE, M | F_VEX),
	[0x2c] = REP4(L(M)),
	[0x30] = I(wrmsr, F_PRIV), I(rdtsc, 0), I(rdmsr, F_PRIV),
	[0x40] = REP16(I(cmov, R_RM)),
	[0x50] = REP16(L(M)),
	[0x60] = REP8(L(M)), L(M), L(M), L(M), L(M), L(M), L(M),
	[0x6e] = A(simd, SIMD_MOVD, M | F_VEX),
	[0x6f] = A(simd, SIMD_MOVDQ, M | F_VEX),
	[0x70] = REP4(L(M | S(IMM8))), L(M), L(M), L(M), L(0),
	[0x78] = L(M), L(M), L(M), L(M), L(M), L(M),
	[0x7e] = A(simd, SIMD_MOVD_7E | SIMD_STORE, M | F_VEX),
	[0x7f] = A(simd, SIMD_MOVDQ | SIMD_STORE, M | F_VEX),
	[0x80] = REP16(I(jcc, S(IMM) | F_NEAR)),
	[0x90] = REP16(I(setcc, M | D(RM) | F_BYTE | F_MOV)),
	[0xa0] = A(push_seg, LODGE_SEG_FS, F_STACK),
	[0xa1] = A(pop_seg, LODGE_SEG_FS, F_STACK),
	[0xa2] = I(cpuid, 0), A(bt, 0, RM_R | F_TEST | F_BITOFF),
	[0xa4] = A(shift, ALU_SHLD, RM_R | S2(IMM8U)),
	[0xa5] = A(shift, ALU_SHLD, RM_R | S2(CL)),
	[0xa8] = A(push_seg, LODGE_SEG_GS, F_STACK),
	[0xa9] = A(pop_seg, LODGE_SEG_GS, F_STACK),
	[0xab] = A(bt, 1, RM_R | F_LOCK | F_BITOFF),
	[0xac] = A(shift, ALU_SHRD, RM_R | S2(IMM8U)),
	[0xad] = A(shift, ALU_SHRD, RM_R | S2(CL)),
	[0xae] = I(fence, M), I(imul, R_RM),
	[0xb0] = I(cmpxchg, RM_R | F_BYTE | F_LOCK), I(cmpxchg, RM_R | F_LOCK),
	[0xb2] = A(load_far, LODGE_SEG_SS, M | D(REG) | S(ADDR) | F_MOV),
	[0xb3] = A(bt, 2, RM_R | F_LOCK | F_BITOFF),
	[0xb4] = A(load_far, LODGE_SEG_FS, M | D(REG) | S(ADDR) | F_MOV),
	[0xb5] = A(load_far, LODGE_SEG_GS, M | D(REG) | S(ADDR) | F_MOV),
	[0xb6] = I(mov, M | D(REG) | S(RM8) | F_MOV),
	[0xb7] = I(mov, M | D(REG) | S(RM16) | F_MOV),
	[0xb8] = L(M), I(ud, M), G(group8, D(RM) | S(IMM8U)),
	[0xbb] = A(bt, 3, RM_R | F_LOCK | F_BITOFF),
	[0xbc] = A(bitscan, 0, R_RM), A(bitscan, 1, R_RM),
	[0xbe] = I(movsx, M | D(REG) | S(RM8) | F_MOV),
	[0xbf] = I(movsx, M | D(REG) | S(RM16) | F_MOV),
	[0xc0] = I(xadd, RM_R | F_BYTE | F_LOCK), I(xadd, RM_R | F_LOCK),
	[0xc2] = L(M | S(IMM8)), I(movnti, RM_R | F_MOV),
	[0xc4] = L(M | S(IMM8)), L(M | S(IMM8)), L(M | S(IMM8)),
	[0xc7] = G(group9, 0),
	[0xc8] = REP8(I(bswap, D(OPREG))),
	[0xd0] = L(M), L(M), L(M), L(M), L(M), L(M),
	[0xd6] = A(simd, SIMD_MOVQ | SIMD_STORE, M | F_VEX), L(M),
	[0xd8] = REP8(L(M)), L(M), L(M), L(M), L(M), L(M), L(M), L(M),
	[0xe7] = A(simd, SIMD_MOVNT | SIMD_STORE, M | F_VEX),
	[0xe8] = REP8(L(M)),
	[0xf0] = A(simd, SIMD_LDDQU, M | F_VEX), L(M), L(M), L(M),
	[0xf4] = L(M), L(M), L(M), L(M), REP8(L(M)),
};

/* 0F 38 F0 and F1, of 0F 38 what is emulated. */
const struct lodge_emul_opcode lodge_emul_movbe[2] = {
	I(movbe, R_RM | F_MOV), I(movbe, RM_R | F_MOV),
};

const struct lodge_emul_opcode lodge_emul_movntdqa =
	A(simd, SIMD_MOVNT, M | F_VEX);
const struct lodge_emul_opcode lodge_emul_map2_other = L(M);
const struct lodge_emul_opcode lodge_emul_map3_other = L(M | S(IMM8));
