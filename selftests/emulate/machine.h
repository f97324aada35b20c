/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine for the emulator to work on: two megabytes of memory with holes
 * where devices are, and registers.  Shared by the tests and the fuzzer.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "../../module/emulate/emulate.h"
#include "../../module/emulate/walk.h"

#define RAM_SIZE	0x200000
/* A page whose device is in "user space", one in the "kernel", one read-only. */
#define MMIO_USER	0x80000
#define MMIO_KERNEL	0x90000
#define ROM		0xa0000
#define CODE		0x10000
#define DATA		0x20000
#define STACK		0x30000
#define PORT_USER	0x300	/* 0x300-0x3ff; the others are the kernel's */

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

/* One access to a device, in order. */
struct dev_access {
	bool user, write, pio;
	u64 addr;
	u32 len;
	u32 count;
};

struct machine {
	struct lodge_emul c;
	u64 gpr[16];
	struct kvm_segment seg[8];
	struct kvm_dtable dt[2];
	u64 cr[9];
	u64 dr[8];
	u64 efer, tsc, tsc_aux, last_msr, xcr0;
	u8 simd[16][32];
	u8 mmx[8][8];
	u8 pio[4096];
	u8 ports[16];
	int last_misc;
	u64 last_arg;
	bool paging;
	bool x87_pending;	/* an exception that MMX instructions raise */
	bool race;		/* the next cmpxchg finds memory changed */
	bool moved_early;	/* registers changed before the end */
	int status;
	int exits;		/* to user space */
	int n_dev;
	struct dev_access dev[64];
	u8 ram[RAM_SIZE];
};

extern const struct lodge_emul_ops machine_ops;

void machine_init(struct machine *m, enum lodge_emul_mode mode);
int machine_run(struct machine *m, const u8 *insn, u32 n);
int machine_step(struct machine *m);
void machine_serve(struct machine *m);

#endif
