/* SPDX-License-Identifier: GPL-2.0-only */
/* The instruction that exited: its length, stepping over it, the simple ones. */
#ifndef LODGE_INSN_H
#define LODGE_INSN_H

#include <linux/kvm_types.h>
#include <linux/types.h>

struct lodge_vcpu;
struct lodge_walk;

enum lodge_insn_kind {
	LODGE_INSN_OTHER,	/* only its length counts */
	LODGE_INSN_STORE,	/* MOV of a register or an immediate to memory */
	LODGE_INSN_LOAD,	/* MOV, MOVZX of memory to a register */
	LODGE_INSN_WRITE_CR,	/* MOV to a control register */
};

/**
 * struct lodge_insn - an instruction of 64-bit code that exited before
 * @rip: where it is
 * @cr3: the page tables through which it was found
 * @generation: of the slots through which those were found
 * @pte: the page-table entries on the way
 * @val: what they said
 * @code: its bytes in the guest's memory
 * @bytes: what they were
 * @levels: how many entries
 * @len: its length
 * @kind: enum lodge_insn_kind; what follows describes the simple kinds
 * @size: bytes of the memory operand
 * @reg: the register, or the control register
 * @rm: MOV to CR: the general register
 * @wide: bytes of the register that a load writes
 * @has_imm: a store of @imm, not of @reg
 * @rip_relative: the address counts from the next instruction
 * @base: general register, -1 for none
 * @index: likewise
 * @scale: shift of @index
 * @disp: displacement
 * @imm: immediate, sign-extended
 */
struct lodge_insn {
	u64 rip;
	u64 cr3;
	u64 generation;
	u64 __user *pte[5];
	u64 val[5];
	u64 __user *code;
	u64 bytes[2];
	u8 levels;
	u8 len;
	u8 kind;
	u8 size;
	u8 reg;
	u8 rm;
	u8 wide;
	bool has_imm;
	bool rip_relative;
	s8 base, index;
	u8 scale;
	s32 disp;
	s64 imm;
};

#define LODGE_INSN_CACHE_BITS	6

struct lodge_insn_cache {
	struct lodge_insn insn[1 << LODGE_INSN_CACHE_BITS];
};

/* A load from MMIO that waits for the launcher's answer. */
struct lodge_insn_load {
	u64 rip;		/* the instruction after it */
	u8 reg, wide, size;
};

int lodge_insn_skip(struct lodge_vcpu *vcpu, bool fast);
void lodge_insn_retire(struct lodge_vcpu *vcpu, u64 next_rip);
int lodge_insn_mmio(struct lodge_vcpu *vcpu, gpa_t gpa, u32 flags);
int lodge_insn_write_cr(struct lodge_vcpu *vcpu);
void lodge_insn_load_done(struct lodge_vcpu *vcpu);
struct lodge_insn *lodge_insn_lookup(struct lodge_vcpu *vcpu);
int lodge_code_bits(struct lodge_vcpu *vcpu);
void lodge_walk_init(struct lodge_vcpu *vcpu, struct lodge_walk *w, bool fast);

#endif /* LODGE_INSN_H */
