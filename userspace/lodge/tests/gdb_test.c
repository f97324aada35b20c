// SPDX-License-Identifier: GPL-2.0-only
/*
 * A debugger at a machine of two vCPUs: gdb's packets, and what comes of them. KVM is
 * the test's own: a vCPU runs until the test has it come to something.
 */
#include <asm/processor-flags.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "debug.h"
#include "lodge.h"
#include "tap.h"

#define RAM	(2 * MIB)
#define CPUS	2
#define FD(cpu)	(1000 + (cpu))

static const struct config cfg = { .cpus = CPUS };
static struct vm vm = { .cfg = &cfg };

/* What KVM has of a vCPU. */
static struct {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_guest_debug debug;
	volatile unsigned int injected, runs;
	volatile int exception;	/* the next exit, if it isn't 0 */
	volatile uint64_t pc, dr6;
} kvm[CPUS];

static int run(unsigned int cpu)
{
	struct kvm_run *r = vm.vcpu[cpu].run;

	while (!*(volatile uint8_t *)&r->immediate_exit) {
		if (kvm[cpu].exception) {
			r->exit_reason = KVM_EXIT_DEBUG;
			r->debug.arch.exception = kvm[cpu].exception;
			r->debug.arch.pc = kvm[cpu].pc;
			r->debug.arch.dr6 = kvm[cpu].dr6;
			kvm[cpu].exception = 0;
			return 0;
		}
		kvm[cpu].runs++;
		usleep(500);
	}
	errno = EINTR;
	return -1;
}

int ioctl(int fd, unsigned long cmd, ...)
{
	unsigned int cpu = fd - FD(0);
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (cmd == KVM_CHECK_EXTENSION)
		return KVM_GUESTDBG_BLOCKIRQ;
	if (cpu >= CPUS)
		return 0;
	switch (cmd) {
	case KVM_RUN:
		return run(cpu);
	case KVM_SET_GUEST_DEBUG:
		kvm[cpu].debug = *(struct kvm_guest_debug *)arg;
		if (kvm[cpu].debug.control & KVM_GUESTDBG_INJECT_BP)
			kvm[cpu].injected++;
		return 0;
	case KVM_GET_REGS:
		*(struct kvm_regs *)arg = kvm[cpu].regs;
		return 0;
	case KVM_SET_REGS:
		kvm[cpu].regs = *(struct kvm_regs *)arg;
		return 0;
	case KVM_GET_SREGS:
		*(struct kvm_sregs *)arg = kvm[cpu].sregs;
		return 0;
	case KVM_SET_SREGS:
		kvm[cpu].sregs = *(struct kvm_sregs *)arg;
		return 0;
	case KVM_GET_FPU:
		*(struct kvm_fpu *)arg = kvm[cpu].fpu;
		return 0;
	case KVM_SET_FPU:
		kvm[cpu].fpu = *(struct kvm_fpu *)arg;
		return 0;
	}
	return 0;
}

static char said[32768];
static volatile size_t nsaid;

static void sent(const void *data, size_t len)
{
	if (nsaid + len < sizeof(said)) {
		memcpy(said + nsaid, data, len);
		nsaid += len;
	}
	said[nsaid] = 0;
}

static bool on = true;

static void feed(const char *text)
{
	nsaid = 0;
	said[0] = 0;
	on = gdb_input(text, strlen(text));
}

/* Send a packet; the answer's text, or what came instead. */
static const char *ask(const char *text)
{
	static char packet[16384], answer[sizeof(said)];
	uint8_t sum = 0;
	const char *p;
	char *end;

	for (p = text; *p; p++)
		sum += *p;
	snprintf(packet, sizeof(packet), "$%s#%02x", text, sum);
	feed(packet);
	snprintf(answer, sizeof(answer), "%s", said);
	if (answer[0] != '+' || answer[1] != '$')
		return strcpy(answer, said);
	end = strchr(answer, '#');
	if (end)
		*end = 0;
	return memmove(answer, answer + 2, strlen(answer + 1));
}

#define is(text, want)	(!strcmp(ask(text), want))
#define WITHIN(cond) ({ \
	unsigned int ms_; \
	for (ms_ = 0; ms_ < 5000 && !(cond); ms_++) \
		usleep(1000); \
	(cond); \
})

static uint8_t *byte(uint64_t gpa)
{
	return mem_ptr(&vm.mem, gpa, 1);
}

static bool rests(unsigned int cpu)
{
	unsigned int n;

	usleep(5000);
	n = kvm[cpu].runs;
	usleep(20000);
	return kvm[cpu].runs == n;
}

static void test_talk(void)
{
	char big[6000], text[64];
	unsigned int i;

	check(is("?", "T02thread:1;"), "it has stopped");
	feed("$?#00");
	check(!strcmp(said, "-"), "a wrong sum is said");
	memset(big, 'x', sizeof(big));
	big[0] = '$';
	strcpy(big + 5000, "#00");
	feed(big);
	check(!strcmp(said, "-"), "and a packet that is too long");
	check(is("?", "T02thread:1;"), "the next one is heard");
	check(strstr(ask("qSupported:swbreak+"), "vContSupported+"), "what it can");
	check(is("vMustReplyEmpty", "") && is("QPassSignals:1", "") && is("X0,1:a", "") &&
	      is("qRcmd,41", ""), "and can't");
	check(is("qfThreadInfo", "m1,2") && is("qsThreadInfo", "l"), "vCPUs are threads");
	check(is("T2", "OK") && is("T3", "E01") && is("Hg3", "E01") && is("Hg0", "OK") &&
	      is("T-1", "E01") && is("Hgx", "E01"), "none but those");
	check(is("qThreadExtraInfo,2", "764350552031"),
	      "and have names");
	check(is("qAttached", "1") && is("qC", "QC1"), "it was there before gdb");
	check(ask("qXfer:features:read:target.xml:0,20")[0] == 'm', "registers are described");
	big[0] = 0;
	for (i = 0; i < 100; i++) {
		const char *part;

		snprintf(text, sizeof(text), "qXfer:features:read:target.xml:%x,ffb", i * 0xffb);
		part = ask(text);
		if (strlen(big) + strlen(part) < sizeof(big))
			strcat(big, part + 1);
		if (part[0] == 'l')
			break;
	}
	check(i < 100 && strstr(big, "\"rax\"") && strstr(big, "\"xmm15\"") &&
	      strstr(big, "\"efer\"") && strstr(big, "</target>"), "to the last");
	check(is("qXfer:features:read:target.xml:ffffff,1", "E01") &&
	      is("qXfer:features:read:target.xml:,1", "E01"), "not beyond");
}

static void test_registers(void)
{
	char text[2048];

	kvm[0].regs.rax = 0x1122334455667788;
	kvm[0].regs.rip = 0x1000;
	kvm[0].regs.rflags = 2;
	kvm[0].sregs.cs.selector = 0x10;
	kvm[0].sregs.gs.base = 0xabcd;
	kvm[0].sregs.efer = 0x500;
	kvm[0].fpu.fcw = 0x37f;
	kvm[0].fpu.xmm[15][0] = 0x5a;
	kvm[0].fpu.mxcsr = 0x1f80;
	kvm[1].regs.rax = 1;
	snprintf(text, sizeof(text), "%s", ask("g"));
	check(strlen(text) == 592 * 2 && !strncmp(text, "8877665544332211", 16) &&
	      !strncmp(text + 256, "0010000000000000", 16), "all registers");
	check(is("p0", "8877665544332211") && is("p10", "0010000000000000") &&
	      is("p11", "02000000") && is("p12", "10000000") && is("p20", "7f030000") &&
	      is("p37", "5a000000000000000000000000000000") && is("p38", "801f0000") &&
	      is("p3a", "cdab000000000000") && is("p3f", "0005000000000000"), "one by one");
	check(is("p40", "E01") && is("p", "E01") && is("pffffffffff", "E01") &&
	      is("P0", "E01") && is("P0=12", "E01") && is("P0=112233445566778x", "E01"),
	      "none but those");
	check(is("P10=0020000000000000", "OK") && kvm[0].regs.rip == 0x2000 &&
	      kvm[0].regs.rax == 0x1122334455667788, "one is changed");
	check(is("P3a=3412000000000000", "OK") && kvm[0].sregs.gs.base == 0x1234,
	      "and a segment's base");
	snprintf(text, sizeof(text), "G%s", ask("g"));
	memcpy(text + 1, "0100000000000000", 16);
	check(is(text, "OK") && kvm[0].regs.rax == 1 && kvm[0].fpu.xmm[15][0] == 0x5a &&
	      kvm[0].sregs.efer == 0x500, "or all");
	text[strlen(text) - 1] = 0;
	check(is(text, "E01") && is("G", "E01"), "of the right length");
	check(is("Hg2", "OK") && is("p0", "0100000000000000") && is("Hg1", "OK"),
	      "each vCPU has its own");
}

/* Through page tables: a user's page, of which SMAP has the guest's kernel see nothing. */
static void test_mapped(void)
{
	struct kvm_sregs *s = &kvm[0].sregs, was = *s;
	uint32_t *dir = (uint32_t *)byte(0x100000), *table = (uint32_t *)byte(0x101000);

	dir[1] = 0x101007;
	table[1] = 0x3005;	/* not even writable */
	s->cr0 = X86_CR0_PG | X86_CR0_PE;
	s->cr3 = 0x100000;
	s->cr4 = X86_CR4_SMAP;
	s->efer = 0;
	memcpy(byte(0x3ffe), "ab", 2);
	check(is("m401ffe,2", "6162"), "a user's page is read");
	check(is("M401ffe,1:41", "OK") && *byte(0x3ffe) == 'A', "and written");
	check(is("m400000,1", "E14") && is("m401ffe,3", "E14") && is("m3000,1", "E14") &&
	      is("Z0,402000,1", "E01") && is("z0,402000,1", "E01"), "but what is mapped only");
	check(is("Z0,401010,1", "OK") && *byte(0x3010) == 0xcc, "a breakpoint is in the page");
	*s = was;
	check(is("z0,3010,1", "OK") && *byte(0x3010) != 0xcc, "at any of its addresses");
}

static void test_memory(void)
{
	char text[64];
	unsigned int i;

	memcpy(byte(0xffe), "\x01\x02\x03\x04", 4);
	check(is("mffe,4", "01020304"), "memory is read, over a page's end");
	check(is("Mffe,4:0a0b0c0d", "OK") && !memcmp(byte(0xffe), "\x0a\x0b\x0c\x0d", 4),
	      "and written");
	check(is("m700000,4", "E14") && is("m6ffffe,4", "E14") && is("m1ffffe,4", "E14"),
	      "where there is none");
	check(is("m0,ffff", "E01") && is("m0", "E01") && is("mx,1", "E01") &&
	      is("M0,4:00", "E01") && is("M0,1:0g", "E01") && is("M0,1", "E01") &&
	      is("m11111111111111111,1", "E01"), "or words that are none");
	check(strlen(ask("m0,7ff")) == 2 * 0x7ff, "as much as a packet holds");
	*byte(0x1800) = 0x90;
	check(is("Z0,1800,1", "OK") && *byte(0x1800) == 0xcc, "a breakpoint is an INT3");
	check(is("m1800,1", "90"), "that isn't seen");
	check(is("M17ff,3:112233", "OK") && *byte(0x1800) == 0xcc && is("m17ff,3", "112233"),
	      "nor lost");
	check(is("Z0,1800,1", "OK") && is("z0,1800,1", "OK") && *byte(0x1800) == 0x22,
	      "it goes");
	check(is("z0,1800,1", "E01") && is("Z0,700000,1", "E01") && is("Z0,1800", "E01") &&
	      is("Z5,1800,1", "E01"), "once");
	for (i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "Z0,%x,1", 0x10000 + i);
		if (!is(text, "OK"))
			break;
	}
	check(i == 64 && is("Z0,20000,1", "E01"), "64 of them, and no more");
	for (i = 0; i < 64; i++) {
		snprintf(text, sizeof(text), "z0,%x,1", 0x10000 + i);
		ask(text);
	}
	check(is("Z1,1000,1", "OK") && is("Z2,2004,4", "OK") && is("Z4,3008,8", "OK"),
	      "the processor's own");
	check(is("Z3,1000,1", "") && is("Z2,2001,4", "E01") && is("Z2,2000,3", "E01") &&
	      is("Z2,2000,0", "E01") && is("Z2,2000,10", "E01"), "none that it doesn't have");
	check(is("Z2,4000,1", "OK") && is("Z2,4001,1", "E01") && is("z2,4000,1", "OK") &&
	      is("z2,4000,1", "E01"), "four of them");
}

static void test_run(void)
{
	static const char words[] = "cgmGMpPZzHTqvsQX0123456789,:;=abcdef-Cont";
	unsigned int n = 20000, i, len;
	char noise[40];

	check(rests(0) && rests(1), "both vCPUs rest");
	*byte(0x1800) = 0x90;
	ask("Z0,1800,1");
	ask("c");
	check(!strcmp(said, "+") && !rests(0) && !rests(1), "both go on");
	check((kvm[1].debug.control & 0xffff0000) ==
	      (KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP) &&
	      kvm[1].debug.arch.debugreg[0] == 0x1000 &&
	      kvm[1].debug.arch.debugreg[2] == 0x3008 &&
	      kvm[1].debug.arch.debugreg[7] == (0x600 | 0x2a | 0xdULL << 20 | 0xbULL << 24),
	      "with breakpoints in place");
	check(!strcmp(ask("g"), "+"), "while they run nothing else is heard");
	nsaid = 0;
	kvm[1].pc = 0x1800;
	kvm[1].exception = 3;
	check(WITHIN(strstr(said, "#")) && strstr(said, "$T05thread:2;swbreak:;#"),
	      "one comes to a breakpoint: %s", said);
	check(rests(0) && rests(1), "and both rest");
	check(is("p0", "0100000000000000"), "its registers are shown");
	ask("vCont;s:2");
	check(!rests(1) && rests(0) && kvm[1].debug.control & KVM_GUESTDBG_SINGLESTEP &&
	      kvm[1].debug.control & KVM_GUESTDBG_BLOCKIRQ, "it alone makes a step");
	nsaid = 0;
	kvm[1].dr6 = 0x4000;
	kvm[1].exception = 1;
	check(WITHIN(strstr(said, "#")) && strstr(said, "$T05thread:2;#"), "and tells");
	ask("vCont;s:1;c");
	check(!rests(0) && !rests(1) && kvm[0].debug.control & KVM_GUESTDBG_SINGLESTEP &&
	      !(kvm[1].debug.control & KVM_GUESTDBG_SINGLESTEP), "or the others run meanwhile");
	nsaid = 0;
	kvm[0].dr6 = 2;
	kvm[0].exception = 1;
	check(WITHIN(strstr(said, "#")) && strstr(said, "$T05thread:1;watch:2004;#"),
	      "a watchpoint says where: %s", said);
	check(is("vCont;x", "E01") && is("vCont", "E01") && is("vCont;c:7", "E01") &&
	      is("vCont;c;", "E01") && is("vCont?", "vCont;c;C;s;S"), "no other words");
	ask("vCont;C05:1;c");
	nsaid = 0;
	kvm[0].pc = 0x1900;
	kvm[0].exception = 3;
	check(WITHIN(kvm[0].injected == 1) && !nsaid && !rests(0) &&
	      !(kvm[0].debug.control & KVM_GUESTDBG_SINGLESTEP),
	      "the guest's own INT3 is its own");
	feed("\003");
	check(strstr(said, "$T02thread:") && rests(0) && rests(1), "it can be interrupted");
	ask("vCont;s:1");
	nsaid = 0;
	kvm[0].exception = 3;
	check(WITHIN(kvm[0].injected == 2) && !nsaid && !rests(0) && rests(1) &&
	      kvm[0].debug.control & KVM_GUESTDBG_ENABLE &&
	      kvm[0].debug.control & KVM_GUESTDBG_SINGLESTEP,
	      "a step onto one goes on, and stays a step");
	kvm[0].dr6 = 0x4000;
	kvm[0].exception = 1;
	check(WITHIN(strstr(said, "#")) && strstr(said, "$T05thread:1;#") && rests(0),
	      "which ends");
	srand(3);
	while (n--) {
		len = rand() % sizeof(noise);
		for (i = 0; i < len; i++)
			noise[i] = words[rand() % (sizeof(words) - 1)];
		noise[len] = 0;
		ask(noise);
		feed("\003");
	}
	feed("$#+#$#$$#00#00");
	check(is("Hg1", "OK") && is("qC", "QC1"), "noise does no harm");
	memset(byte(0x1000), 0x90, 0x1000);
	ask("Z0,1800,1");
}

static void test_end(void)
{
	check(is("D", "OK") && !on, "it goes");
	gdb_end();
	check(*byte(0x1800) == 0x90, "the breakpoint with it");
	check(!rests(0) && !rests(1) && !kvm[0].debug.control, "and the machine goes on");
	check(!gdb_holds(), "with nobody at it");
	vcpus_pause(&vm);
	gdb_begin(&vm, sent);
	ask("?");
	gdb_end();
	check(rests(0) && rests(1), "one that was paused stays that");
	gdb_begin(&vm, sent);
	ask("c");
	kvm[0].pc = 0x1800;
	kvm[0].exception = 3;
	feed("\003");
	check(gdb_holds(), "another debugger can come");
	ask("k");
	check(vm.loop.stopped && !on, "and end it");
	gdb_end();
}

static void *serve(void *arg)
{
	loop_run(&vm.loop);
	return arg;
}

int main(void)
{
	unsigned int i;
	pthread_t thread;

	loop_init(&vm.loop);
	pthread_mutex_init(&vm.pause.lock, NULL);
	pthread_cond_init(&vm.pause.changed, NULL);
	mem_create(&vm.mem, RAM, -1);
	vm.vcpu = calloc(CPUS, sizeof(*vm.vcpu));
	for (i = 0; i < CPUS; i++) {
		vm.vcpu[i].vm = &vm;
		vm.vcpu[i].id = i;
		vm.vcpu[i].fd = FD(i);
		vm.vcpu[i].run = calloc(1, sizeof(struct kvm_run));
		vcpu_start(&vm.vcpu[i]);
	}
	check(gdb_begin(&vm, sent), "a debugger comes");
	/* The loop's thread looks at what the vCPUs ring; no packet comes meanwhile. */
	pthread_create(&thread, NULL, serve, NULL);
	test_talk();
	test_registers();
	test_memory();
	test_mapped();
	test_run();
	test_end();
	pthread_join(thread, NULL);
	return done();
}
