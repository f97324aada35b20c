/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_DEBUG_H
#define LODGE_DEBUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;
struct vcpu;

/* As gdb has them in one packet: the feature org.gnu.gdb.i386.core and others. */
struct debug_regs {
	uint64_t gpr[16];	/* rax rbx rcx rdx rsi rdi rbp rsp r8 ... */
	uint64_t rip;
	uint32_t eflags;
	uint32_t seg[6];	/* cs ss ds es fs gs; not changed by debug_set_regs() */
	uint8_t st[8][10];
	uint32_t fpu[8];	/* fctrl fstat ftag fiseg fioff foseg fooff fop */
	uint8_t xmm[16][16];
	uint32_t mxcsr;
	uint64_t fs_base, gs_base;
	uint64_t cr0, cr2, cr3, cr4, efer;	/* not changed either */
} __attribute__((packed));

/* The numbers of gdb's packets Z and z. */
enum debug_point {
	DEBUG_SOFTWARE, DEBUG_EXECUTE, DEBUG_WRITE, DEBUG_READ, DEBUG_ACCESS
};

enum debug_action { DEBUG_HOLD, DEBUG_RUN, DEBUG_STEP };

/**
 * struct debug_stop - why a vCPU stopped
 * @cpu: which
 * @point: it came to a breakpoint, of this kind; else -1: a step, or it was told to
 * @addr: of the data, for a watchpoint
 */
struct debug_stop {
	unsigned int cpu;
	int point;
	uint64_t addr;
};

bool debug_attach(struct vm *vm, void (*stopped)(const struct debug_stop *stop));
void debug_detach(struct vm *vm);
bool debug_interrupt(struct vm *vm);
void debug_resume(struct vm *vm, const uint8_t *action);
bool debug_get_regs(struct vm *vm, unsigned int cpu, struct debug_regs *regs);
bool debug_set_regs(struct vm *vm, unsigned int cpu, const struct debug_regs *regs);
bool debug_access(struct vm *vm, unsigned int cpu, uint64_t addr, void *data, size_t len,
		  bool write);
bool debug_insert(struct vm *vm, unsigned int cpu, enum debug_point type, uint64_t addr,
		  unsigned int len);
bool debug_remove(struct vm *vm, unsigned int cpu, enum debug_point type, uint64_t addr,
		  unsigned int len);
void debug_hit(struct vcpu *vcpu);

/* gdb.c */
bool gdb_begin(struct vm *vm, void (*send)(const void *data, size_t len));
bool gdb_input(const void *data, size_t len);
void gdb_end(void);
bool gdb_holds(void);

#endif
