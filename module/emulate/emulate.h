/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction emulator's whole contract: a context per vCPU, a table of
 * operations on the machine around it, and six functions.  Compiles in the
 * kernel and in user space.
 */
#ifndef LODGE_EMULATE_H
#define LODGE_EMULATE_H

#include <linux/types.h>
#include <linux/stddef.h>
#include <linux/kvm.h>
#include "walk.h"

/* What an operation, and what the emulator, may answer. */
enum lodge_emul_status {
	LODGE_EMUL_OK,		/* done */
	LODGE_EMUL_FAULT,	/* an exception: ctx->fault says which */
	LODGE_EMUL_USER,	/* user space must act first: ctx->user */
	LODGE_EMUL_MMIO,	/* (operations) no memory here, try ->mmio() */
	LODGE_EMUL_AGAIN,	/* nothing done, let the guest run it again */
	LODGE_EMUL_FAIL,	/* not known here, or can't be done */
};

enum lodge_emul_mode {
	LODGE_EMUL_REAL,
	LODGE_EMUL_VM86,
	LODGE_EMUL_PROT16,	/* CS.D clear */
	LODGE_EMUL_PROT32,	/* CS.D set */
	LODGE_EMUL_PROT64,	/* EFER.LMA and CS.L */
};

/* In the order in which instructions encode them. */
enum lodge_emul_seg {
	LODGE_SEG_ES, LODGE_SEG_CS, LODGE_SEG_SS, LODGE_SEG_DS,
	LODGE_SEG_FS, LODGE_SEG_GS, LODGE_SEG_TR, LODGE_SEG_LDTR,
};

enum lodge_emul_dt { LODGE_DT_GDT, LODGE_DT_IDT };

/* ->misc(): instructions whose effect is all the machine's. */
enum lodge_emul_misc {
	LODGE_MISC_HLT,
	LODGE_MISC_WBINVD,	/* WBINVD and INVD */
	LODGE_MISC_INVLPG,	/* arg: linear address */
	LODGE_MISC_PAUSE,
	LODGE_MISC_HYPERCALL,	/* VMMCALL, VMCALL; works on ctx->gpr */
	LODGE_MISC_IRET,	/* NMIs are no longer held off */
};

struct lodge_emul;

/**
 * struct lodge_emul_ops - the machine around the emulator
 * @translate: linear address to guest-physical, checked for @access
 *	(LODGE_ACC_*, USER is set for CPL 3), accessed and dirty bits set;
 *	OK or FAULT with a #PF in ctx->fault.  Asked for one page at a time.
 * @read: copy from guest memory, never across a page; MMIO where there is none.
 *	One access where @len is 1, 2, 4 or 8 and @gpa is aligned to it.
 * @write: likewise, to guest memory; MMIO also where the slot is read-only
 * @cmpxchg: atomic, naturally aligned, @len 1, 2, 4 or 8: OK when
 *	exchanged, AGAIN when memory isn't @old, MMIO where there is none
 * @mmio: one access of at most 8 bytes to what is not memory; @data is read
 *	or filled.  OK when it was served in the kernel, USER when not:
 *	ctx->user is then filled by the emulator, not by the operation.
 * @io: @count accesses of @size bytes to a port, from or to ctx->pio; OK or USER
 * @get_seg: a segment register with its hidden part
 * @set_seg: likewise, after all checks
 * @get_dt: GDTR or IDTR
 * @set_dt: likewise
 * @get_cr: CR0, 2, 3, 4 or 8
 * @set_cr: likewise; FAULT where the value is refused
 * @get_dr: DR0-7 (4 and 5 are resolved by the emulator)
 * @set_dr: likewise
 * @get_msr: OK, FAULT, or USER: after the answer the operation is called
 *	again and must give it
 * @set_msr: likewise
 * @msr_allowed: whether RDMSR and WRMSR may have it; other instructions don't ask
 * @set_xcr: XSETBV
 * @cpuid: in and out by the four registers; FAULT for CPUID faulting
 * @misc: see enum lodge_emul_misc
 * @get_simd: register @reg; @len 8 means MMX, 16 XMM, 32 YMM
 * @set_simd: likewise; 16 leaves the upper half of the YMM as it is
 *
 * Each returns enum lodge_emul_status; a FAULT is raised with
 * lodge_emul_raise().  @get_seg, @get_dt, @get_cr and @get_dr can't fail.
 */
struct lodge_emul_ops {
	int (*translate)(struct lodge_emul *c, u64 la, u32 access, u64 *gpa);
	int (*read)(struct lodge_emul *c, u64 gpa, void *buf, u32 len);
	int (*write)(struct lodge_emul *c, u64 gpa, const void *buf, u32 len);
	int (*cmpxchg)(struct lodge_emul *c, u64 gpa, const void *old,
		       const void *new, u32 len);
	int (*mmio)(struct lodge_emul *c, bool write, u64 gpa, void *data,
		    u32 len);
	int (*io)(struct lodge_emul *c, bool in, u16 port, u32 size,
		  u32 count);

	void (*get_seg)(struct lodge_emul *c, int seg, struct kvm_segment *s);
	int (*set_seg)(struct lodge_emul *c, int seg,
		       const struct kvm_segment *s);
	void (*get_dt)(struct lodge_emul *c, int dt, struct kvm_dtable *d);
	int (*set_dt)(struct lodge_emul *c, int dt, const struct kvm_dtable *d);
	u64 (*get_cr)(struct lodge_emul *c, int cr);
	int (*set_cr)(struct lodge_emul *c, int cr, u64 val);
	u64 (*get_dr)(struct lodge_emul *c, int dr);
	int (*set_dr)(struct lodge_emul *c, int dr, u64 val);
	int (*get_msr)(struct lodge_emul *c, u32 msr, u64 *val);
	int (*set_msr)(struct lodge_emul *c, u32 msr, u64 val);
	bool (*msr_allowed)(struct lodge_emul *c, u32 msr, bool write);
	int (*set_xcr)(struct lodge_emul *c, u32 xcr, u64 val);
	int (*cpuid)(struct lodge_emul *c, u32 *eax, u32 *ebx, u32 *ecx,
		     u32 *edx);
	int (*misc)(struct lodge_emul *c, enum lodge_emul_misc what, u64 arg);
	int (*get_simd)(struct lodge_emul *c, int reg, void *buf, u32 len);
	int (*set_simd)(struct lodge_emul *c, int reg, const void *buf,
			u32 len);
};

struct lodge_emul_fault {
	u8 vector;
	bool has_error;
	u32 error;
	u64 address;		/* CR2, for #PF */
};

enum lodge_emul_user_kind {
	LODGE_USER_NONE,	/* an MSR, or whatever an operation arranged */
	LODGE_USER_MMIO,
	LODGE_USER_PIO,
};

/**
 * struct lodge_emul_user - the access that user space is asked for
 * @kind: what
 * @write: direction
 * @len: bytes of a fragment, or of one item of a port access
 * @port: of a port access
 * @count: items of a port access; they lie in ctx->pio
 * @gpa: of an MMIO fragment
 * @data: of an MMIO fragment, in the low @len bytes
 */
struct lodge_emul_user {
	u8 kind;
	bool write;
	u8 len;
	u16 port;
	u32 count;
	u64 gpa;
	u64 data;
};

#define LODGE_EMUL_NO_GPA	(~0ULL)

/* The longest instruction; SDM vol. 2A 2.3.11. */
#define LODGE_INSN_MAX		15
#define LODGE_EMUL_LOG		16

struct lodge_emul_access {
	u64 gpa;
	u64 data;
	u8 len;
	u8 kind;
};

enum lodge_emul_operand_kind { OPND_NONE, OPND_REG, OPND_MEM, OPND_IMM };

struct lodge_emul_operand {
	u8 kind;
	u8 size;
	u8 reg;
	bool high;		/* AH, CH, DH, BH */
	u8 seg;
	u64 ea;			/* offset in the segment */
	u64 val;
	u64 old;		/* as read from memory, for a locked write */
};

struct lodge_emul_opcode;

/**
 * struct lodge_emul - an emulation context, one per vCPU
 * @ops: the machine
 * @priv: the machine's own
 * @gpr: the vCPU's 16 general registers in encoding order; read and written
 *	in place, and written only when an instruction or an iteration is done
 * @pio: a page for port data
 * @pio_size: its size in bytes
 * @mode: see enum lodge_emul_mode
 * @cpl: current privilege level; 0 in real mode, 3 in VM86
 * @rip: in and out
 * @rflags: in and out
 * @fault_gpa: where the CPU stopped, if it stopped for the operand's page:
 *	the page needn't be looked for again.  LODGE_EMUL_NO_GPA after
 *	lodge_emul_decode(); set it, if at all, behind that.
 * @shadow: out: interrupts (STI) or all debug traps too (MOV SS) are held off
 *	for one instruction; KVM_X86_SHADOW_INT_*
 * @retired: out: the instruction was completed, @rip is the next one
 * @fault: out, with LODGE_EMUL_FAULT
 * @user: out, with LODGE_EMUL_USER
 *
 * The rest is the emulator's.  The caller sets @gpr, @pio, @pio_size once and
 * @mode, @cpl, @rip, @rflags before each lodge_emul_decode().
 */
struct lodge_emul {
	const struct lodge_emul_ops *ops;
	void *priv;
	u64 *gpr;
	void *pio;
	u32 pio_size;
	u8 mode;
	u8 cpl;
	u8 shadow;
	bool retired;
	u64 rip;
	u64 rflags;
	u64 fault_gpa;
	struct lodge_emul_fault fault;
	struct lodge_emul_user user;

	/* private: the decoded instruction */
	u8 insn[LODGE_INSN_MAX + 1];
	u8 fetched;		/* bytes in @insn */
	u8 len;			/* bytes decoded */
	u8 mem_seg;
	u64 mem_ea;
	/* What the bytes say whatever the registers hold: decode.c. */
	__struct_group(lodge_emul_parsed, parsed, /* no attrs */,
		const struct lodge_emul_opcode *op;
		u64 imm;
		u64 imm2;
		s32 disp;
		u32 flags;	/* of @op and of its group */
		u8 map;		/* 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A */
		u8 opcode;
		u8 modrm;
		u8 sib;
		u8 rex;		/* 0 or 0x40..0x4f; VEX is folded in */
		u8 rep;		/* 0, 0xf2 or 0xf3 */
		u8 op_bytes;
		u8 ad_bytes;
		s8 seg_override;
		u8 vex_l;
		u8 vex_v;
		bool lock;
		bool opsize66;
		bool vex;
		bool evex;
	);
	struct lodge_emul_operand dst;
	struct lodge_emul_operand src;
	struct lodge_emul_operand src2;

	/* private: working state of the iteration, not yet the guest's */
	u64 wgpr[16];
	u16 wdirty;
	u64 wrip;
	u64 wrflags;
	bool no_write;		/* the destination stays as it is */
	bool last;		/* @user is the last thing to be done */
	bool tail;		/* what is written now is the end of it */
	u8 log_used;		/* accesses replayed in this run */
	u8 log_len;
	struct lodge_emul_access log[LODGE_EMUL_LOG];
};

void lodge_emul_init(struct lodge_emul *c, const struct lodge_emul_ops *ops,
		     void *priv);
int lodge_emul_decode(struct lodge_emul *c, const u8 *insn, u32 n);
int lodge_emul_execute(struct lodge_emul *c);
int lodge_emul_resume(struct lodge_emul *c);
int lodge_emul_length(const u8 *insn, u32 n, u32 bits);
int lodge_emul_raise(struct lodge_emul *c, u8 vector, bool has_error,
		     u32 error);

/* Why a task is switched. */
enum lodge_emul_task { LODGE_TASK_CALL, LODGE_TASK_IRET, LODGE_TASK_JMP,
		       LODGE_TASK_GATE };

int lodge_emul_task_switch(struct lodge_emul *c, u16 selector,
			   enum lodge_emul_task reason, bool has_error,
			   u32 error);

#endif
