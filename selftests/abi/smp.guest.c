// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

#define STOP	0x200000UL

static volatile u64 hits[8][256], alive[8], starts[8];
static volatile u64 phase, counter, x2, ap_ready;

static u64 me(void)
{
	u32 r[4];

	cpuid(1, 0, r);
	return r[1] >> 24;
}

static void ack(void)
{
	if (x2)
		wrmsr(0x80b, 0);
	else
		eoi();
}

static void hit(struct frame *f)
{
	asm volatile("lock incq %0" : "+m"(hits[me()][f->vector]));
	if (f->vector != 2)
		ack();
}

static void ipi(u32 dest, u32 icr)
{
	if (x2) {
		wrmsr(0x830, icr | (u64)dest << 32);
		return;
	}
	lapic_write(0x310, dest << 24);
	lapic_write(0x300, icr);
	while (lapic(0x300) & 1 << 12)
		;
}

static void relax(void)
{
	asm volatile("pause" : : : "memory");
}

static void relax_open(void)
{
	sti();
	asm volatile("pause; nop" : : : "memory");
	cli();
}

static void set_up(void)
{
	int i;

	for (i = 32; i < 256; i++)
		handler[i] = hit;
	handler[2] = hit;
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	lapic_on();
	if (x2)
		wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
}

/*
 * Where the other processors begin: 16-bit code, copied to 0x8000, that takes
 * the tables of the first and comes to ap_main() with a stack of its own.
 */
asm("	.code16\n"
	"	.globl ap_trampoline, ap_trampoline_end\n"
	"ap_trampoline:\n"
	"	cli\n"
	"	mov	%cs, %ax\n"
	"	mov	%ax, %ds\n"
	"	lgdtl	(1f - ap_trampoline)\n"
	"	lidtl	(2f - ap_trampoline)\n"
	"	mov	%cr4, %eax\n"
	"	or	$0x620, %eax\n"
	"	mov	%eax, %cr4\n"
	"	mov	$0x80000, %eax\n"
	"	mov	%eax, %cr3\n"
	"	mov	$0xc0000080, %ecx\n"
	"	rdmsr\n"
	"	or	$0x901, %eax\n"
	"	wrmsr\n"
	"	mov	$0x80010031, %eax\n"
	"	mov	%eax, %cr0\n"
	"	ljmpl	$8, $ap_start64\n"
	"1:	.word	0x4f\n	.long 0x1000\n"
	"2:	.word	0xfff\n	.long 0x2000\n"
	"ap_trampoline_end:\n"
	"	.code64\n"
	"ap_start64:\n"
	"	mov	$0x10, %eax\n"
	"	mov	%eax, %ds\n"
	"	mov	%eax, %es\n"
	"	mov	%eax, %ss\n"
	"	mov	$1, %eax\n"
	"	cpuid\n"
	"	shr	$24, %ebx\n"
	"	mov	%ebx, %edi\n"
	"	shl	$12, %ebx\n"
	"	mov	$0x1ffff0, %eax\n"
	"	sub	%ebx, %eax\n"
	"	mov	%rax, %rsp\n"
	"	call	ap_main\n");

static void (*volatile ap_fn)(u64 id);

void ap_main(u64 id);
void ap_main(u64 id)
{
	u64 n = ++starts[id];

	if (!ap_fn) {
		mark(0x99);
		done();
	}
	lapic_on();
	if (x2)
		wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
	asm volatile("lock incq %0" : "+m"(ap_ready));
	(void)n;
	ap_fn(id);
	done();
}

/* INIT, SIPI, SIPI, as the specification of old has it. */
static void start_aps(u64 n, void (*fn)(u64 id))
{
	u64 i;

	ap_fn = fn;
	for (i = 1; i < n; i++) {
		ipi(i, 0x4500);
		ipi(i, 0x608);
		ipi(i, 0x608);
	}
	while (ap_ready < n - 1)
		relax();
}

static void finish(u64 id)
{
	while (phase != 99)
		relax();
}

GUEST(startup)
{
	u64 i;

	set_up();
	start_aps(a, finish);
	for (i = 1; i < a; i++)
		EQ(starts[i], 1);	/* the second SIPI does nothing */
	phase = 99;
}

GUEST(sipi_to_1)
{
	lapic_on();
	ipi(1, 0x608);
	mark(1);
}

static void count_on(u64 id)
{
	while (phase != 99)
		relax_open();
}

/* Waits, bounded by patience, until vCPU i has counted n. */
static void expect(u64 i, u8 vector, u64 n)
{
	u64 t;

	for (t = 0; hits[i][vector] != n && t < 20000000; t++)
		relax_open();
	EQ(hits[i][vector], n);
}

GUEST(ipis)
{
	u64 i;

	x2 = b;
	set_up();
	start_aps(a, count_on);
	/* To each, physically. */
	for (i = 0; i < a; i++)
		ipi(i, 0x40);
	for (i = 0; i < a; i++)
		expect(i, 0x40, 1);
	/* To all but self, to all, to self. */
	ipi(0, 0xc0041);
	for (i = 1; i < a; i++)
		expect(i, 0x41, 1);
	EQ(hits[0][0x41], 0);
	ipi(0, 0x80042);
	for (i = 0; i < a; i++)
		expect(i, 0x42, 1);
	ipi(0, 0x40043);
	expect(0, 0x43, 1);
	EQ(hits[1][0x43], 0);
	/* Broadcast by destination. */
	ipi(x2 ? ~0 : 0xff, 0x44);
	for (i = 0; i < a; i++)
		expect(i, 0x44, 1);
	/* Many, one at a time. */
	for (i = 1; i <= 200; i++) {
		ipi(1 + i % (a - 1), 0x50);
		while (hits[1][0x50] + hits[2][0x50] + hits[3][0x50] != i)
			relax_open();
	}
	phase = 99;
}

GUEST(nmi_ipi)
{
	set_up();
	start_aps(a, finish);			/* interrupts stay closed */
	ipi(1, 0x400);
	expect(1, 2, 1);
	ipi(0, 0xc0400);
	expect(1, 2, 2);
	expect(2, 2, 1);
	EQ(hits[0][2], 0);
	phase = 99;
}

/* INIT takes a processor out of whatever it does; the next SIPI in anew. */
static void spin(u64 id)
{
	if (starts[id] == 2)
		return;
	phase = 1;
	for (;;)
		relax();
}

static void halt_closed(u64 id)
{
	cli();
	phase = 1;
	asm volatile("hlt" : : : "memory");
	phase = 2;
}

/* The hypercall KICK_CPU wakes who sleeps and takes no interrupts. */
GUEST(kick)
{
	u64 nr = 5, start;

	set_up();
	start_aps(a, halt_closed);
	while (phase != 1)
		relax();
	for (start = rdtsc(); rdtsc() - start < 100000000;)
		relax();
	EQ(phase, 1);
	asm volatile("vmmcall" : "+a"(nr) : "b"(0), "c"(1), "d"(0), "S"(0)
		     : "memory");
	EQ(nr, 0);
	while (phase != 2)
		relax();
}

static u64 hypercall(u64 nr, u64 p1, u64 p2, u64 p3, u64 p4)
{
	asm volatile("vmmcall" : "+a"(nr) : "b"(p1), "c"(p2), "d"(p3), "S"(p4)
		     : "memory");
	return nr;
}

#define SEND_IPI	10
#define SCHED_YIELD	11

/* Three processors: an interrupt to two of them, by a bitmap from an id on. */
GUEST(pv_ipi)
{
	u64 i;

	set_up();
	/* Who has not enabled its APIC takes none. */
	EQ(hypercall(SEND_IPI, 6, 0, 0, 0x60), 0);
	start_aps(a, count_on);
	EQ(hypercall(SEND_IPI, 3, 0, 0, 0x61), 2);
	expect(0, 0x61, 1);
	expect(1, 0x61, 1);
	EQ(hypercall(SEND_IPI, 3, 0, 1, 0x62), 2);
	expect(1, 0x62, 1);
	expect(2, 0x62, 1);
	/* Bits of vCPUs that there are not. */
	EQ(hypercall(SEND_IPI, ~1UL, ~0UL, 0, 0x63), 2);
	expect(1, 0x63, 1);
	expect(2, 0x63, 1);
	EQ(hypercall(SEND_IPI, ~3UL, 0, 1, 0x64), 0);
	/* An NMI, as a guest's kernel asks all others for their traces. */
	EQ(hypercall(SEND_IPI, 6, 0, 0, 0x400), 2);
	expect(1, 2, 1);
	expect(2, 2, 1);
	/* Many, to those who were sent the last one. */
	for (i = 1; i <= 100; i++) {
		EQ(hypercall(SEND_IPI, 3, 0, 1, 0x65), 2);
		expect(1, 0x65, i);
		expect(2, 0x65, i);
	}
	/* A hint, whether it is to somebody or not. */
	for (i = 0; i < 5; i++)
		EQ(hypercall(SCHED_YIELD, i, 0, 0, 0), 0);
	EQ(hypercall(SCHED_YIELD, ~0UL, 0, 0, 0), 0);
	EQ(hits[2][0x61], 0);
	EQ(hits[0][0x62] + hits[0][0x63] + hits[0][2] + hits[0][0x65], 0);
	EQ(hits[1][0x60] + hits[2][0x60] + hits[1][0x64] + hits[2][0x64], 0);
	phase = 99;
}

/* Hypercalls with what the host has put at A: number, RBX, RCX, RDX, RSI. */
GUEST(calls)
{
	const volatile u64 *p = (void *)a;

	lapic_on();
	mark(1);
	for (;;)
		value(hypercall(p[0], p[1], p[2], p[3], p[4]));
}

/* The same of 32-bit code: A in EDI. */
asm("	.code32\n"
	"	.globl	calls32\n"
	"calls32:\n"
	"	movl	$0x1ff, 0xfee000f0\n"
	"	mov	$1, %ebx\n"
	"	mov	$3, %al\n	mov $0x7e0, %dx\n	out %al, %dx\n"
	"1:	mov	(%edi), %eax\n"
	"	mov	8(%edi), %ebx\n"
	"	mov	16(%edi), %ecx\n"
	"	mov	24(%edi), %edx\n"
	"	mov	32(%edi), %esi\n"
	"	vmmcall\n"
	"	mov	%eax, %ebx\n"
	"	mov	$2, %al\n	mov $0x7e0, %dx\n	out %al, %dx\n"
	"	jmp	1b\n"
	"	.code64\n");

GUEST(init_again)
{
	set_up();
	start_aps(a, spin);
	while (phase != 1)
		relax();
	ipi(1, 0x4500);
	ipi(1, 0x608);
	while (starts[1] != 2)
		relax();
}

static void set_logical(u64 id)
{
	lapic_write(0xe0, ~0);
	lapic_write(0xd0, (1 << id) << 24);
	asm volatile("lock incq %0" : "+m"(counter));
	count_on(id);
}

GUEST(lowest)
{
	u64 i, n, sum;

	set_up();
	start_aps(a, set_logical);
	lapic_write(0xe0, ~0);
	lapic_write(0xd0, 1 << 24);
	while (counter != a - 1)
		relax();
	/* Logical: to the set. */
	ipi(0xa, 0x845);
	expect(1, 0x45, 1);
	expect(3, 0x45, 1);
	EQ(hits[0][0x45], 0);
	EQ(hits[2][0x45], 0);
	/* Lowest priority: to just one of the set. */
	for (n = 1; n <= 20; n++) {
		ipi(0xe, 0x946);
		do {
			relax_open();
			for (sum = 0, i = 0; i < a; i++)
				sum += hits[i][0x46];
		} while (sum < n);
		EQ(sum, n);
		EQ(hits[0][0x46], 0);
	}
	phase = 99;
}

static void set_cluster(u64 id)
{
	lapic_write(0xe0, 0x0fffffff);
	lapic_write(0xd0, (id / 2) << 28 | (1 << id % 2) << 24);
	asm volatile("lock incq %0" : "+m"(counter));
	count_on(id);
}

/* Two clusters of two. */
GUEST(cluster)
{
	set_up();
	start_aps(a, set_cluster);
	lapic_write(0xe0, 0x0fffffff);
	lapic_write(0xd0, 1 << 24);
	while (counter != a - 1)
		relax();
	ipi(0x13, 0x845);			/* cluster 1, both */
	expect(2, 0x45, 1);
	expect(3, 0x45, 1);
	EQ(hits[0][0x45] + hits[1][0x45], 0);
	ipi(0x02, 0x846);			/* cluster 0, the second */
	expect(1, 0x46, 1);
	EQ(hits[0][0x46] + hits[2][0x46] + hits[3][0x46], 0);
	phase = 99;
}

static void add_up(u64 id)
{
	u64 i;

	for (i = 0; i < 20000; i++)
		asm volatile("lock incq %0" : "+m"(counter));
	asm volatile("lock incq %0" : "+m"(phase));
}

GUEST(atomics)
{
	set_up();
	start_aps(a, add_up);
	add_up(0);
	while (phase != a)
		relax();
	EQ(counter, a * 20000);
}

static void pong(u64 id)
{
	u64 n;

	for (n = 1; n <= 200; n++) {
		while (hits[1][0x60] < n)
			wait_irq();
		ipi(0, 0x61);
	}
}

/* Both sleep in HLT; not one wake-up may be lost. */
GUEST(ping_pong)
{
	u64 n;

	set_up();
	start_aps(a, pong);
	for (n = 1; n <= 200; n++) {
		ipi(1, 0x60);
		while (hits[0][0x61] < n)
			wait_irq();
	}
}

/* ---- memory ---- */

GUEST(touch_all)
{
	u64 i;

	for (i = 0; i < 2048; i++)
		wr64(a + i * 4096 + b * 8, i + b);
	for (i = 0; i < 2048; i++)
		EQ(rd64(a + i * 4096 + b * 8), i + b);
}

GUEST(touch_some)
{
	u64 i, x = b * 977 + 1;

	while (!rd64(STOP))
		for (i = 0; i < 1000; i++) {
			x = x * 6364136223846793005UL + 1442695040888963407UL;
			wr64(a + (x >> 40) % 4096 * 4096 + b * 8, x);
		}
}

GUEST(who)
{
	value(me());
	value(lapic(0x20) >> 24);
}

GUEST(keeps_state)
{
	u64 i, x;

	asm volatile("movq %0, %%xmm3; movq %0, %%mm1"
		     : : "r"(0x123456789abcUL));
	wrmsr(0xc0000102, 0x7654321);
	wrmsr(0xc0000081, 0x1122334455667788);
	asm volatile("mov %0, %%dr0" : : "r"(0x1234UL));
	write_cr2(0x777);
	for (i = 1; i <= 200; i++) {
		mark(i);
		asm volatile("movq %%xmm3, %0" : "=r"(x));
		EQ(x, 0x123456789abcUL);
		asm volatile("movq %%mm1, %0" : "=r"(x));
		EQ(x, 0x123456789abcUL);
		EQ(rdmsr(0xc0000102), 0x7654321);
		EQ(rdmsr(0xc0000081), 0x1122334455667788);
		EQ(read_dr0(), 0x1234);
		EQ(read_cr2(), 0x777);
	}
}
