// SPDX-License-Identifier: GPL-2.0-only
/* Task switches between 16 and 32-bit tasks. */
#include <string.h>
#include "unit.h"

#define GDT	0x50000
#define TSS1	0x52000
#define TSS2	0x53000
#define TSS16	0x54000
#define SEL1	0x40
#define SEL2	0x48
#define SEL16	0x50

static struct machine m;

static u64 desc(u32 base, u32 limit, u16 access)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 |
	       (u64)(access & 0xff) << 40 | (u64)(limit >> 16 & 15) << 48 |
	       (u64)(access >> 12) << 52 | (u64)(base >> 24) << 56;
}

/* We are in the task of TSS1; the other two are ready. */
static void setup(void)
{
	int i;

	memset(&m, 0, sizeof(m));
	machine_init(&m, LODGE_EMUL_PROT32);
	m.dt[0] = (struct kvm_dtable) { GDT, 0xff };
	put(&m, GDT + 0x08, desc(0, 0xfffff, 0xc09a), 8);
	put(&m, GDT + 0x10, desc(0, 0xfffff, 0xc092), 8);
	put(&m, GDT + 0x18, desc(0, 0xfffff, 0xc0fa), 8);
	put(&m, GDT + 0x20, desc(0, 0xfffff, 0xc0f2), 8);
	put(&m, GDT + SEL1, desc(TSS1, 0x67, 0x008b), 8);
	put(&m, GDT + SEL2, desc(TSS2, 0x67, 0x0089), 8);
	put(&m, GDT + SEL16, desc(TSS16, 0x2b, 0x0081), 8);
	m.seg[LODGE_SEG_TR] = (struct kvm_segment) { .selector = SEL1,
		.base = TSS1, .limit = 0x67, .type = 11, .present = 1 };
	for (i = 0; i < 8; i++) {
		m.gpr[i] = 0x100 + i;
		put(&m, TSS2 + 0x28 + i * 4, 0x200 + i, 4);
		put(&m, TSS16 + 0x12 + i * 2, 0x300 + i, 2);
	}
	m.gpr[RSP] = STACK;
	put(&m, TSS2 + 0x38, STACK + 0x1000, 4);
	put(&m, TSS16 + 0x1a, 0x8000, 2);
	put(&m, TSS2 + 0x20, 0x7000, 4);
	put(&m, TSS2 + 0x24, 0x202, 4);
	put(&m, TSS16 + 0x0e, 0x6000, 2);
	put(&m, TSS16 + 0x10, 0x2, 2);
	for (i = 0; i < 6; i++) {
		put(&m, TSS2 + 0x48 + i * 4, i == 1 ? 0x08 : 0x10, 4);
		if (i < 4)
			put(&m, TSS16 + 0x22 + i * 2, i == 1 ? 8 : 16, 2);
	}
	m.c.rip = 0x12345;
	m.c.rflags = 0x246;
	m.ram[0x12345] = 0xea;		/* a far JMP: 7 bytes */
	m.ram[0x7777] = 0xcf;		/* IRET */
}

static int go(u16 sel, enum lodge_emul_task why)
{
	return lodge_emul_task_switch(&m.c, sel, why, false, 0);
}

static bool fault(int st, int vec, u32 error)
{
	return st == LODGE_EMUL_FAULT && m.c.fault.vector == vec &&
	       m.c.fault.error == error;
}

static bool in_task2(void)
{
	return m.c.rip == 0x7000 && m.gpr[RAX] == 0x200 &&
	       m.gpr[RDI] == 0x207 && m.seg[LODGE_SEG_TR].selector == SEL2 &&
	       m.seg[LODGE_SEG_TR].base == TSS2 && (m.cr[0] & 8) &&
	       m.seg[LODGE_SEG_CS].selector == 8;
}

static bool task1_saved(u32 eip)
{
	return get(&m, TSS1 + 0x20, 4) == eip &&
	       get(&m, TSS1 + 0x28, 4) == 0x100 &&
	       get(&m, TSS1 + 0x38, 4) == STACK &&
	       get(&m, TSS1 + 0x4c, 4) == 8;
}

static void switches(void)
{
	setup();
	report(go(SEL2, LODGE_TASK_JMP) == LODGE_EMUL_OK && in_task2() &&
	       task1_saved(0x1234c), "a jump to a 32-bit task");
	report(get(&m, GDT + SEL1 + 5, 1) == 0x89 &&
	       get(&m, GDT + SEL2 + 5, 1) == 0x8b,
	       "only the new task is busy");
	report(m.c.rflags == 0x202, "and it is not nested");

	setup();
	report(go(SEL2, LODGE_TASK_CALL) == LODGE_EMUL_OK && in_task2() &&
	       task1_saved(0x1234c), "a call to a 32-bit task");
	report(get(&m, GDT + SEL1 + 5, 1) == 0x8b &&
	       get(&m, GDT + SEL2 + 5, 1) == 0x8b, "both are busy");
	report(m.c.rflags == 0x4202 && get(&m, TSS2, 2) == SEL1,
	       "NT and the back link are set");
	m.c.rip = 0x7777;
	report(go(SEL1, LODGE_TASK_IRET) == LODGE_EMUL_OK &&
	       m.c.rip == 0x1234c && m.gpr[RAX] == 0x100 &&
	       m.c.rflags == 0x246, "and back with IRET, behind the call");
	report(!(get(&m, TSS2 + 0x24, 4) & 0x4000) &&
	       get(&m, TSS2 + 0x20, 4) == 0x7778 &&
	       get(&m, GDT + SEL2 + 5, 1) == 0x89,
	       "NT is cleared in what it leaves, which is no longer busy");

	setup();
	report(go(SEL16, LODGE_TASK_JMP) == LODGE_EMUL_OK &&
	       m.c.rip == 0x6000 && m.gpr[RAX] == 0x300 &&
	       m.gpr[RSP] == 0x8000 && m.seg[LODGE_SEG_FS].unusable,
	       "a jump to a 16-bit task");
	setup();
	report(lodge_emul_task_switch(&m.c, SEL2, LODGE_TASK_GATE, true,
				      0xabc) == LODGE_EMUL_OK &&
	       m.gpr[RSP] == STACK + 0xffc &&
	       get(&m, STACK + 0xffc, 4) == 0xabc && task1_saved(0x12345),
	       "through a gate with an error code");

	setup();
	put(&m, TSS2 + 0x24, 0x20202, 4);
	put(&m, TSS2 + 0x4c, 0x1234, 4);
	report(go(SEL2, LODGE_TASK_JMP) == LODGE_EMUL_OK &&
	       m.seg[LODGE_SEG_CS].base == 0x12340 && m.c.cpl == 3,
	       "into VM86 mode");
	setup();
	put(&m, TSS2 + 0x4c, 0x1b, 4);
	put(&m, TSS2 + 0x50, 0x23, 4);
	put(&m, TSS2 + 0x48, 0x23, 4);
	put(&m, TSS2 + 0x54, 0x23, 4);
	put(&m, TSS2 + 0x58, 0, 4);
	put(&m, TSS2 + 0x5c, 0, 4);
	report(go(SEL2, LODGE_TASK_JMP) == LODGE_EMUL_OK && m.c.cpl == 3,
	       "into a task at CPL 3");
}

static void faults(void)
{
	setup();
	report(fault(go(SEL1, LODGE_TASK_JMP), 13, SEL1), "a busy task: #GP");
	report(m.c.rip == 0x12345 && m.gpr[RAX] == 0x100, "leaves all as it was");
	report(fault(go(SEL2, LODGE_TASK_IRET), 10, SEL2),
	       "IRET to one that isn't: #TS");
	report(fault(go(0, LODGE_TASK_JMP), 13, 0), "a null selector");
	report(fault(go(SEL2 | 4, LODGE_TASK_JMP), 13, SEL2 | 4),
	       "a selector of the LDT");
	report(fault(go(0x10, LODGE_TASK_JMP), 13, 0x10), "no TSS");
	report(fault(go(0x200, LODGE_TASK_JMP), 13, 0x200), "beyond the GDT");
	put(&m, GDT + SEL2 + 5, 0x09, 1);
	report(fault(go(SEL2, LODGE_TASK_JMP), 11, SEL2), "not present: #NP");
	put(&m, GDT + SEL2, desc(TSS2, 0x66, 0x0089), 8);
	report(fault(go(SEL2, LODGE_TASK_JMP), 10, SEL2), "too short: #TS");
	setup();
	put(&m, TSS2 + 0x50, 0x23, 4);
	report(fault(go(SEL2, LODGE_TASK_JMP), 10, 0x20) &&
	       m.seg[LODGE_SEG_TR].selector == SEL2 && m.c.rip == 0x7000,
	       "a bad SS faults in the new task");
	setup();
	put(&m, TSS2 + 0x60, 0x10, 4);
	report(fault(go(SEL2, LODGE_TASK_JMP), 10, 0x10), "a bad LDT: #TS");
	setup();
	put(&m, TSS2 + 0x4c, 0x18, 4);
	report(fault(go(SEL2, LODGE_TASK_JMP), 10, 0x18), "a bad CS: #TS");
	setup();
	put(&m, GDT + SEL2, desc(MMIO_USER, 0x67, 0x0089), 8);
	report(go(SEL2, LODGE_TASK_JMP) == LODGE_EMUL_FAIL,
	       "a TSS in a device is refused");
}

void test_tasks(void)
{
	switches();
	faults();
}
