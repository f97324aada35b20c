/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rows of the suites, and how a program says where one begins and
 * ends: a NOP whose displacement the plugin knows. It costs one instruction
 * of the guest's, which is not counted, and no exit.
 */
#ifndef ROWS_H
#define ROWS_H

#define EXITS_ROWS(row)					\
	row(EMPTY, "empty")				\
	row(CPUID, "cpuid")				\
	row(VMMCALL, "vmmcall")				\
	row(PIO_KERNEL, "pio-kernel")			\
	row(PIO_USER, "pio-user")			\
	row(PIO_EVENTFD, "pio-eventfd")			\
	row(MMIO_KERNEL_READ, "mmio-kernel-read")	\
	row(MMIO_KERNEL_WRITE, "mmio-kernel-write")	\
	row(MMIO_USER_READ, "mmio-user-read")		\
	row(MMIO_USER_WRITE, "mmio-user-write")		\
	row(MMIO_EVENTFD, "mmio-eventfd")		\
	row(EOI, "eoi")					\
	row(EOI_X2APIC, "eoi-x2apic")			\
	row(SELF_IPI, "self-ipi")			\
	row(SELF_IPI_X2APIC, "self-ipi-x2apic")		\
	row(TSC_DEADLINE, "tsc-deadline")		\
	row(CR0_WP, "cr0-wp")				\
	row(CR4_PGE, "cr4-pge")				\
	row(RDMSR, "rdmsr")				\
	row(REFAULT_4K, "refault-4k")			\
	row(REFAULT_2M, "refault-2m")			\
	row(BOOT, "boot")

/* Those of the memory suite that are counted between marks. */
#define MEMORY_ROWS(row)				\
	row(PASS, "pass-unwritten")			\
	row(REWRITE, "pass-rewritten")			\
	row(MERGE, "merge-half")			\
	row(BREAK, "break-sharing")			\
	row(BREAK_GUEST, "break-in-guest")		\
	row(UNPACK, "unpack")				\
	row(WORK, "working-set")			\
	row(WORK_FREE, "working-set-free")

/* Those that a Linux guest runs. */
#define GUEST_ROWS(row)					\
	row(RECLAIM, "balloon-reclaim")

/* Devices, and the launcher's start, which ends where the guest is first entered. */
#define IO_ROWS(row)					\
	row(DISK_4K, "disk-4k")				\
	row(DISK_SEQ, "disk-sequence")			\
	row(TCP_OUT, "tcp-out")				\
	row(TCP_IN, "tcp-in")				\
	row(READ, "read-images")			\
	row(START, "start")

#define ROWS(row)	EXITS_ROWS(row) MEMORY_ROWS(row) GUEST_ROWS(row) IO_ROWS(row)
#define ROW_ID(id, name)	ROW_##id,
enum { ROWS(ROW_ID) NR_ROWS };

/* nopl DISP(%rax,%rax), DISP being MARK_MAGIC | MARK_END | row */
#define MARK_MAGIC	0x4c4f0000
#define MARK_MASK	0xffff0000
#define MARK_END	0x100
#define MARK_OPCODE	"\x0f\x1f\x84\x00"

#define BEGIN(row)	asm volatile("nopl %c0(%%rax,%%rax)"	\
				     : : "i"(MARK_MAGIC | (row)) : "memory")
#define END(row)	BEGIN(MARK_END | (row))

/* Stops in Bochs's debugger, where that is asked for; else nothing. */
#define DEBUGGER()	asm volatile("xchg %%bx, %%bx" : : : "memory")

#endif
