// SPDX-License-Identifier: GPL-2.0-only
/* The payload of exits.c: each function makes one kind of exit, N times. */
#include "guest.h"
#include "exits.h"
#include "rows.h"

#define NOTHING		do { } while (0)

/* N times: what comes before the mark, and what is measured. */
#define ROW2(row, before, op) do {					\
	u64 i_;								\
	for (i_ = 0; i_ < N; i_++) {					\
		before;							\
		BEGIN(row);						\
		op;							\
		END(row);						\
	}								\
} while (0)
#define ROW(row, op)	ROW2(row, NOTHING, op)

#define MSR_APICBASE	0x1b
#define MSR_DEADLINE	0x6e0
#define MSR_X2APIC(reg)	(0x800 + (reg) / 16)
#define REG_EOI		0xb0
#define REG_ICR		0x300
#define REG_LVTT	0x320
#define SELF		(1 << 18)
#define VECTOR		0x40

GUEST(empty)
{
	ROW(ROW_EMPTY, NOTHING);
}

GUEST(cpuid_exit)
{
	u32 r[4];

	ROW(ROW_CPUID, cpuid(1, 0, r));
}

GUEST(vmmcall)
{
	u32 r[4];
	u64 nr;

	cpuid(0, 0, r);
	if (r[1] == 0x756e6547)			/* "Genu" */
		ROW2(ROW_VMMCALL, nr = HYPERCALL, asm volatile("vmcall"
		     : "+a"(nr) : "b"(0), "c"(0) : "memory"));
	else
		ROW2(ROW_VMMCALL, nr = HYPERCALL, asm volatile("vmmcall"
		     : "+a"(nr) : "b"(0), "c"(0) : "memory"));
}

GUEST(pio_kernel)
{
	ROW(ROW_PIO_KERNEL, inb(PORT_PIC));
}

GUEST(pio_user)
{
	ROW(ROW_PIO_USER, inb(PORT_USER));
}

GUEST(pio_eventfd)
{
	ROW(ROW_PIO_EVENTFD, outb(PORT_EVENTFD, 1));
}

GUEST(mmio_kernel_read)
{
	wr32(IOAPIC, 1);
	ROW(ROW_MMIO_KERNEL_READ, rd32(IOAPIC + 0x10));
}

GUEST(mmio_kernel_write)
{
	ROW(ROW_MMIO_KERNEL_WRITE, wr32(IOAPIC, 1));
}

GUEST(mmio_user_read)
{
	ROW(ROW_MMIO_USER_READ, rd32(MMIO_USER));
}

GUEST(mmio_user_write)
{
	ROW(ROW_MMIO_USER_WRITE, wr32(MMIO_USER, 1));
}

GUEST(mmio_eventfd)
{
	ROW(ROW_MMIO_EVENTFD, wr32(MMIO_EVENTFD, 1));
}

/* ---- the local APIC ---- */

static volatile u64 handled;

static void x2apic_on(void)
{
	wrmsr(MSR_APICBASE, rdmsr(MSR_APICBASE) | 0xc00);
	wrmsr(MSR_X2APIC(0xf0), 0x1ff);
}

/* The end of an interrupt that is in service. */
static void measure_eoi(struct frame *f __attribute__((unused)))
{
	BEGIN(ROW_EOI);
	lapic_write(REG_EOI, 0);
	END(ROW_EOI);
	handled++;
}

static void measure_eoi_x2apic(struct frame *f __attribute__((unused)))
{
	BEGIN(ROW_EOI_X2APIC);
	wrmsr(MSR_X2APIC(REG_EOI), 0);
	END(ROW_EOI_X2APIC);
	handled++;
}

static void plain(struct frame *f __attribute__((unused)))
{
	lapic_write(REG_EOI, 0);
	handled++;
}

static void plain_x2apic(struct frame *f __attribute__((unused)))
{
	wrmsr(MSR_X2APIC(REG_EOI), 0);
	handled++;
}

static void send(void)
{
	u64 n = handled;

	lapic_write(REG_ICR, SELF | VECTOR);
	while (handled == n)
		;
}

static void send_x2apic(void)
{
	u64 n = handled;

	wrmsr(MSR_X2APIC(REG_ICR), SELF | VECTOR);
	while (handled == n)
		;
}

GUEST(eoi_exit)
{
	u64 i;

	handler[VECTOR] = measure_eoi;
	lapic_on();
	sti();
	for (i = 0; i < N; i++)
		send();
}

GUEST(eoi_x2apic)
{
	u64 i;

	handler[VECTOR] = measure_eoi_x2apic;
	x2apic_on();
	sti();
	for (i = 0; i < N; i++)
		send_x2apic();
}

/* From the write of the ICR to the return of the handler, EOI included. */
GUEST(self_ipi)
{
	handler[VECTOR] = plain;
	lapic_on();
	sti();
	ROW(ROW_SELF_IPI, send());
}

GUEST(self_ipi_x2apic)
{
	handler[VECTOR] = plain_x2apic;
	x2apic_on();
	sti();
	ROW(ROW_SELF_IPI_X2APIC, send_x2apic());
}

static void deadline(void)
{
	u64 n = handled;

	wrmsr(MSR_DEADLINE, rdtsc() + DEADLINE);
	while (handled == n)
		;
}

/* From arming to the return of the handler; the guest spins meanwhile. */
GUEST(tsc_deadline)
{
	handler[VECTOR] = plain;
	lapic_on();
	lapic_write(REG_LVTT, 2 << 17 | VECTOR);
	sti();
	/* KVM learns in the first ones how far ahead of time to be. */
	while (handled < N / 5)
		deadline();
	ROW(ROW_TSC_DEADLINE, deadline());
}

/* ---- registers ---- */

GUEST(cr0_wp)
{
	u64 cr0 = read_cr0();

	ROW2(ROW_CR0_WP, cr0 ^= 1 << 16, write_cr0(cr0));
}

GUEST(cr4_pge)
{
	u64 cr4 = read_cr4();

	ROW2(ROW_CR4_PGE, cr4 ^= 1 << 7, write_cr4(cr4));
}

GUEST(rdmsr_exit)
{
	ROW(ROW_RDMSR, rdmsr(MSR_APICBASE));
}

/* ---- memory: every page of a bytes but the first, b bytes apart ---- */

#define TOUCH(begin, end) do {						\
	u64 at_ = G_TEST;						\
	wr32(at_, 1);		/* what lies above the leaf is back */	\
	for (at_ += b; at_ < G_TEST + a; at_ += b) {			\
		begin;							\
		wr32(at_, 1);						\
		end;							\
	}								\
} while (0)

GUEST(touch)
{
	TOUCH(NOTHING, NOTHING);
}

GUEST(refault_4k)
{
	TOUCH(BEGIN(ROW_REFAULT_4K), END(ROW_REFAULT_4K));
}

GUEST(refault_2m)
{
	TOUCH(BEGIN(ROW_REFAULT_2M), END(ROW_REFAULT_2M));
}
