// SPDX-License-Identifier: GPL-2.0-only
#include "guest.h"

#define DEV 0xd0000000UL

#define WRDR(n, v) asm volatile("mov %0, %%dr" #n : : "r"((u64)(v)))
#define RDDR(n) ({ u64 v_; asm volatile("mov %%dr" #n ", %0" : "=r"(v_)); v_; })

GUEST(debug_registers)
{
	u32 r[4];
	int i;

	WRDR(0, 0x1000);
	WRDR(1, 0x2000);
	WRDR(2, 0x3000);
	WRDR(3, 0xffff800000004000);
	for (i = 0; i < 3; i++) {
		EQ(RDDR(0), 0x1000);
		EQ(RDDR(1), 0x2000);
		EQ(RDDR(2), 0x3000);
		EQ(RDDR(3), 0xffff800000004000);
		cpuid(0, 0, r);
		inb(0x21);
	}
	EQ(read_dr7(), 0x400);
	write_dr7(0x4ff);
	EQ(read_dr7(), 0x4ff);
	write_dr7(0x400);
	write_dr6(0xffff0ff0);
	EQ(read_dr6(), 0xffff0ff0);
	/* DR4 is DR6 as long as CR4.DE is clear, and then #UD. */
	EQ(TRAPS(".byte 0x0f, 0x21, 0xe0", : : : "rax"), NO_TRAP);
	write_cr4(read_cr4() | 8);
	EQ(TRAPS(".byte 0x0f, 0x21, 0xe0", : : : "rax"), 6);
	write_cr4(read_cr4() & ~8UL);
}

static volatile u64 hits, last_dr6;

static void on_db(struct frame *f)
{
	hits++;
	last_dr6 = read_dr6();
	write_dr6(0xffff0ff0);
	f->rflags |= 1 << 16;			/* RF */
}

asm(".globl debug_target\ndebug_target:\n	nop\n	ret\n");
void debug_target(void);

GUEST(breakpoints)
{
	handler[1] = on_db;
	WRDR(0, debug_target);
	write_dr7(0x402);
	debug_target();
	EQ(hits, 1);
	EQ(last_dr6 & 0xf, 1);
	debug_target();
	EQ(hits, 2);
	/* A write of 8 bytes. */
	WRDR(1, 0x300000);
	write_dr7(0x400 | 8 | 9 << 20);
	wr64(0x300000, 1);
	asm volatile("nop");
	EQ(hits, 3);
	EQ(last_dr6 & 0xf, 2);
	/* General detect. */
	write_dr7(0x400 | 1 << 13);
	EQ(hits, 3);
	asm volatile("mov %%dr0, %%rax" : : : "rax");
	TRUE(hits == 4 || hits == 3);
	write_dr7(0x400);
}

/* By the guest's own hand: in QEMU a breakpoint outlives its guest. */
static void disarm(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		write_dr7(0x4ff);
		write_dr7(0x400);
	}
}

GUEST(debug_across)
{
	handler[1] = on_db;
	WRDR(0, debug_target);
	WRDR(1, 0x12345);
	write_dr7(0x402);
	mark(1);
	debug_target();
	EQ(hits, 1);
	EQ(RDDR(1), 0x12345);
	disarm();
}

GUEST(debug_set)
{
	handler[1] = on_db;
	mark(1);
	/* That it fires is not to be seen in QEMU. */
	EQ(RDDR(2), (u64)debug_target);
	EQ(read_dr7(), 0x420);
	disarm();
}

static void wrpkru(u32 v)
{
	asm volatile("wrpkru" : : "a"(v), "c"(0), "d"(0) : "memory");
}

static u32 rdpkru(void)
{
	u32 v, d;

	asm volatile("rdpkru" : "=a"(v), "=d"(d) : "c"(0));
	return v;
}

GUEST(protection_keys)
{
	u64 at = 6UL << 20;

	write_cr4(read_cr4() | 1 << 22);
	wrpkru(0);
	EQ(TRAPS("movb $1, (%0)", : : "r"(at)), NO_TRAP);
	wrpkru(2 << 10);			/* key 5: no writing */
	outb(0x20, 0x20);
	EQ(rdpkru(), 2 << 10);
	EQ(TRAPS("mov (%0), %%al", : : "r"(at) : "rax"), NO_TRAP);
	write_cr0(read_cr0() | 1 << 16);
	EQ(TRAPS("movb $1, (%0)", : : "r"(at)), 14);
	EQ(trap.error & 0x23, 0x23);
	wrpkru(1 << 10);			/* no access */
	EQ(TRAPS("mov (%0), %%al", : : "r"(at) : "rax"), 14);
	EQ(trap.error & 0x20, 0x20);
}

GUEST(smep_smap)
{
	u32 r[4];

	cpuid(7, 0, r);
	*(volatile u8 *)(6UL << 20) = 0xc3;
	*(volatile u8 *)(7UL << 20) = 0xc3;
	*(volatile u8 *)(4UL << 20) = 0xc3;
	if (r[1] >> 7 & 1) {
		/* Everything is the user's, this code as well: by page. */
		EQ(read_cr4() >> 20 & 1, 0);
	}
	if (r[1] >> 20 & 1) {
		/* Data of the user: not without AC. The stack is it, too. */
		asm volatile("clac");
	}
}

GUEST(extended_state)
{
	u64 i, x, y;

	asm volatile("fninit; fldpi");
	asm volatile("movq %0, %%xmm0" : : "r"(0x100UL));
	asm volatile("movq %0, %%xmm15" : : "r"(0xf00UL));
	for (i = 1; i < 20; i++) {
		asm volatile("movq %%xmm0, %0; movq %%xmm15, %1"
			     : "=r"(x), "=r"(y));
		EQ(x, 0x100 + i - 1);
		EQ(y, 0xf00 + i - 1);
		asm volatile("movq %0, %%xmm0; movq %1, %%xmm15"
			     : : "r"(x + 1), "r"(y + 1));
		if (i == 1)
			asm volatile("movq %0, %%xmm0" : : "r"(0x101UL));
		mark(i);
	}
}

static void long_without(u64 from)
{
	u64 i;

	for (i = 0; i < 300; i++)
		mark(from + i);
}

/* Registers that the guest leaves alone for long are still its own. */
GUEST(registers_at_rest)
{
	u64 x;

	write_cr0(read_cr0() | 2);
	asm volatile("fninit; movq %0, %%xmm3" : : "r"(0x3333UL));
	long_without(1);
	EQ(read_cr0() & 0xa, 0x2);		/* MP, not TS */
	asm volatile("movq %%xmm3, %0" : "=r"(x));
	EQ(x, 0x3333);
	/* With TS set a use is the guest's own #NM, whoever has the registers. */
	write_cr0(read_cr0() | 8);
	EQ(TRAPS("movq %%xmm3, %%rax", : : : "rax"), 7);
	long_without(301);
	EQ(read_cr0() & 0xa, 0xa);
	EQ(TRAPS("movq %%xmm3, %%rax", : : : "rax"), 7);
	EQ(TRAPS("fwait", : : : "rax"), 7);
	write_cr0(read_cr0() & ~2UL);
	long_without(601);
	EQ(TRAPS("fwait", : : : "rax"), NO_TRAP);
	asm volatile("clts");
	long_without(901);
	asm volatile("clts");
	EQ(read_cr0() & 0xa, 0);
	asm volatile("movq %%xmm3, %0" : "=r"(x));
	EQ(x, 0x3333);
}

GUEST(pat)
{
	wrmsr(0x277, 0x0007040600070406);
	mark(1);
	EQ(rdmsr(0x277), 0x0606060606060606);
}

#define PD 0x82000UL

static void point(u64 at)
{
	wr64(PD + 8 * 8, at | 0x87);		/* 16M */
}

GUEST(tlb)
{
	u64 va = 16UL << 20, x = 4UL << 20, y = 6UL << 20;
	u32 r[4];

	point(x);
	EQ(rd64(va), 0xaaaa);
	point(y);
	asm volatile("invlpg (%0)" : : "r"(va) : "memory");
	EQ(rd64(va), 0xbbbb);
	point(x);
	write_cr3(read_cr3());
	EQ(rd64(va), 0xaaaa);
	point(y);
	write_cr4(read_cr4() ^ 0x80);
	EQ(rd64(va), 0xbbbb);
	point(x);
	write_cr0(read_cr0() & ~(1UL << 16));
	write_cr0(read_cr0() | 1UL << 16);
	write_cr3(read_cr3());
	EQ(rd64(va), 0xaaaa);
	/* Global pages stay over CR3, and go with CR4.PGE. */
	write_cr4(read_cr4() | 0x80);
	point(y | 0x100);
	asm volatile("invlpg (%0)" : : "r"(va) : "memory");
	EQ(rd64(va), 0xbbbb);
	point(x);
	write_cr4(read_cr4() & ~0x80UL);
	EQ(rd64(va), 0xaaaa);
	cpuid(7, 0, r);
	if (r[1] >> 10 & 1) {
		u64 desc[2] = { 0, 0 };

		point(y);
		asm volatile("invpcid %0, %1"
			     : : "m"(desc), "r"(2UL) : "memory");
		EQ(rd64(va), 0xbbbb);
	}
	/* Not present to present needs nothing. */
	wr64(PD + 9 * 8, 0);
	EQ(TRAPS("mov (%0), %%al", : : "r"(18UL << 20) : "rax"), 14);
	wr64(PD + 9 * 8, x | 0x87);
	EQ(rd64(18UL << 20), 0xaaaa);
}

GUEST(toggles)
{
	u64 cr0 = read_cr0(), cr4 = read_cr4(), i;

	for (i = 0; i < 50; i++) {
		write_cr0(cr0 ^ 1 << 16);	/* WP */
		EQ(read_cr0(), cr0 ^ 1 << 16);
		write_cr0(cr0);
		write_cr4(cr4 ^ 0x80);		/* PGE */
		EQ(read_cr4(), cr4 ^ 0x80);
		write_cr4(cr4);
		write_cr0(cr0 | 8);		/* TS */
		EQ(read_cr0(), cr0 | 8);
		EQ(TRAPS("fnop", :), 7);
		asm volatile("clts");
		EQ(TRAPS("fnop", :), NO_TRAP);
		EQ(read_cr0(), cr0);
	}
	/* NW without CD is not allowed; CD is. */
	EQ(TRAPS("mov %0, %%cr0", : : "r"(cr0 | 1 << 29)), 13);
	EQ(TRAPS("mov %0, %%cr0", : : "r"(cr0 | 1 << 30)), NO_TRAP);
	write_cr0(cr0);
	EQ(read_cr0() & 0x60000000, 0);
	/* LMSW sets PE but never clears it. */
	asm volatile("lmsw %w0" : : "r"(0));
	EQ(read_cr0() & 1, 1);
}

GUEST(harmless)
{
	EQ(TRAPS("wbinvd", :), NO_TRAP);
	EQ(TRAPS("invd", :), NO_TRAP);
	EQ(TRAPS("pause", :), NO_TRAP);
	EQ(TRAPS("xor %%ecx, %%ecx; rdpmc", : : : "rax", "rcx", "rdx") == NO_TRAP ||
	   trap.vector == 13, 1);
	/* SVM is not the guest's. */
	EQ(TRAPS("vmrun", : : "a"(0)), 6);
	EQ(TRAPS("vmload", : : "a"(0)), 6);
	EQ(TRAPS("vmsave", : : "a"(0)), 6);
	/* Over KVM with a virtual GIF these two are not caught. */
	if (!a) {
		EQ(TRAPS("clgi", :), 6);
		EQ(TRAPS("stgi", :), 6);
	}
	EQ(TRAPS("rsm", :), 6);
}

struct desc {
	u16 limit;
	u64 base;
} __attribute__((packed));

GUEST(descriptor_tables)
{
	struct desc g, i, n;
	u16 tr, ldt;

	asm volatile("sgdt %0; sidt %1" : "=m"(g), "=m"(i));
	EQ(g.base, 0x1000);
	EQ(i.base, 0x2000);
	EQ(i.limit, 0xfff);
	n = g;
	n.limit = 0x5f;
	asm volatile("lgdt %0" : : "m"(n));
	asm volatile("sgdt %0" : "=m"(n));
	EQ(n.limit, 0x5f);
	asm volatile("lgdt %0" : : "m"(g));
	asm volatile("str %0; sldt %1" : "=m"(tr), "=m"(ldt));
	EQ(tr, 0x40);
	EQ(ldt, 0);
	/* An LDT with one entry, at 0x50. */
	wr64(0x1050, 0x0000820030000007UL);
	wr64(0x1058, 0);
	n.limit = 0x5f;
	n.base = 0x1000;
	asm volatile("lgdt %0; lldt %w1" : : "m"(n), "r"(0x50) : "memory");
	asm volatile("sldt %0" : "=m"(ldt));
	EQ(ldt, 0x50);
	asm volatile("lldt %w0" : : "r"(0));
	/* Busy cleared, the task register can be loaded. */
	*(volatile u8 *)(0x1045) = 0x89;
	asm volatile("ltr %w0" : : "r"(0x40));
	EQ(*(volatile u8 *)(0x1045), 0x8b);
}

/* Two tasks of 32 bits: one calls the other, which returns by IRET. */
asm("	.code32\n"
	".globl task32\ntask32:\n"
	"	movl	$0x30000067, 0x1048\n"		/* 0x48: TSS at 0x3000 */
	"	movl	$0x00008900, 0x104c\n"
	"	movw	$0x3000, 0x104a\n"
	"	lgdt	4f\n"
	"	mov	$0x3000, %edi\n"
	"	mov	$26, %ecx\n"
	"	xor	%eax, %eax\n"
	"	cld\n"
	"	rep stosl\n"
	"	movl	$3f, 0x3020\n"			/* EIP */
	"	movl	$2, 0x3024\n"
	"	movl	$0x4321, 0x3028\n"		/* EAX */
	"	movl	$0x9000, 0x3038\n"		/* ESP */
	"	movl	$0x10, 0x3048\n"
	"	movl	$0x18, 0x304c\n"
	"	movl	$0x10, 0x3050\n"
	"	movl	$0x10, 0x3054\n"
	"	mov	$0x1234, %esi\n"
	"	lcall	$0x48, $0\n"
	"	cmp	$0x1234, %esi\n"
	"	jne	2f\n"
	"	cmpl	$0x5678, 0x3100\n"
	"	jne	2f\n"
	"	mov	%cr0, %eax\n"
	"	test	$8, %al\n"			/* TS was set */
	"	jz	2f\n"
	"	str	%ax\n"
	"	cmp	$0x40, %ax\n"
	"	jne	2f\n"
	"	mov	$1, %al\n	mov $0x7e0, %dx\n	out %al, %dx\n"
	"2:	mov	$4, %al\n	mov $0x7e0, %dx\n	out %al, %dx\n"
	"3:	cmp	$0x4321, %eax\n"
	"	jne	2b\n"
	"	movl	$0x5678, 0x3100\n"
	"	mov	$0x9999, %esi\n"
	"	pushf\n	pop %eax\n"
	"	test	$0x4000, %eax\n"		/* NT */
	"	jz	2b\n"
	"	iret\n"
	"4:	.word	0x4f\n	.long 0x1000\n"
	"	.code64\n"
	".globl blocked_at\nblocked_at: nop\n nop\n nop\n nop\n nop\n	ret\n"
	".globl steps\nsteps: nop\n nop\n nop\n nop\n nop\n"
	"	mov	$1, %al\n	mov $0x7e0, %dx\n	out %al, %dx\n"
	/* Flags without TF, and with others. */
	".globl popf_0\npopf_0:	push $0x2\n"
	".globl popf_1\npopf_1:	popf\n"
	".globl popf_2\npopf_2:	nop\n"
	".globl popf_3\npopf_3:	push $0x203\n"
	".globl popf_4\npopf_4:	popf\n"
	".globl popf_5\npopf_5:	push $0x2\n"
	".globl popf_6\npopf_6:	popf\n"
	".globl popf_7\npopf_7:	nop\n"
	"	mov	$1, %al\n	mov $0x7e0, %dx\n	out %al, %dx\n"
	/* Instructions that the hypervisor steps over, or finishes. */
	".globl through_0\nthrough_0:	cpuid\n"
	".globl through_1\nthrough_1:	mov $0xfe, %ecx\n"
	".globl through_2\nthrough_2:	rdmsr\n"
	".globl through_3\nthrough_3:	out %al, $0x80\n"
	".globl through_4\nthrough_4:	in $0x80, %al\n"
	".globl through_5\nthrough_5:	mov $0xd0000000, %edi\n"
	".globl through_6\nthrough_6:	mov %eax, (%rdi)\n"
	".globl through_7\nthrough_7:	addb $1, (%rdi)\n"
	".globl through_8\nthrough_8:	mov (%rdi), %eax\n"
	".globl through_9\nthrough_9:	nop\n"
	"	mov	$1, %al\n	mov $0x7e0, %dx\n	out %al, %dx\n");

static volatile u64 lent_dr0, lent_dr7;

static void on_step(struct frame *f)
{
	hits++;
	lent_dr0 = read_dr0();
	lent_dr7 = read_dr7();
	f->rflags &= ~0x100UL;
}

/* A trap that the hypervisor raises does not undo what was just written. */
GUEST(debug_lent)
{
	handler[1] = on_step;
	asm volatile("mov %0, %%dr0\n\tmov %1, %%dr7\n\t"
		     "pushfq; orq $0x100, (%%rsp); popfq\n\tcpuid"
		     : : "r"(0x1111UL), "r"(0x500UL), "a"(0)
		     : "rbx", "rcx", "rdx");
	EQ(hits, 1);
	EQ(lent_dr0, 0x1111);
	EQ(lent_dr7, 0x500);
	EQ(read_dr7(), 0x500);
	EQ(read_dr6() & 0x4000, 0x4000);
}

GUEST(task_priority)
{
	write_cr8(5);
	mark(1);
	write_cr8(2);
	mark(2);
	EQ(read_cr8(), 2);
	write_cr8(2);
}

/* What x87 left pending is raised by MMX before it reaches the device. */
GUEST(x87_pending)
{
	mark(1);
	EQ(TRAPS("movq (%0), %%mm0", : : "r"(DEV) : "memory"), 16);
	EQ(TRAPS("movq %%mm0, (%0)", : : "r"(DEV) : "memory"), 16);
	asm volatile("fnclex");
	EQ(TRAPS("movq %%mm0, %%mm1", : :), NO_TRAP);
}

static volatile u64 came[2];

static void nmi_came(struct frame *f)
{
	came[0]++;
}

static void irq_came(struct frame *f)
{
	came[1]++;
	wr32(0xfee000b0, 0);
}

void blocked_at(void);

/* Both arrive while the launcher steps through blocked_at(), and wait for its end. */
GUEST(blocked)
{
	handler[2] = nmi_came;
	handler[0x40] = irq_came;
	wr32(0xfee000f0, 0x1ff);
	sti();
	mark(1);
	blocked_at();
	sti();
	EQ(came[0], 1);
	EQ(came[1], 1);
}
