// SPDX-License-Identifier: GPL-2.0-only
/* Guests that have lost their way end in words, and never harm the host. */
#include <signal.h>
#include <sys/time.h>

#include "ltest.h"
#include "bad.guest.gen.h"

static struct vcpu *start(enum mode mode, uint64_t entry)
{
	return vcpu_new(vm_new(&payload), 0, mode, entry);
}

static void nothing(int sig)
{
}

/* Signals from now on, so often that one comes while the guest runs. */
static void tick(unsigned int usec)
{
	struct itimerval it = { .it_value.tv_usec = usec,
				.it_interval.tv_usec = usec };
	struct sigaction sa = { .sa_handler = nothing };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/* No memory behind the code: an internal error, or MMIO for ever; no hang. */
TEST(jump_to_nowhere)
{
	struct vcpu *v = start(LONG64, 0xc0000000);

	want_exit(v, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(v->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	CHECK_EQ(vcpu_regs(v).rip, 0xc0000000);
	/* The same again; KVM has queued a #UD, which finds no handler. */
	vcpu_run(v);
	CHECK(v->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ||
	      v->run->exit_reason == KVM_EXIT_SHUTDOWN, "exit %s",
	      exit_name(v->run->exit_reason));
}

TEST(no_memory_at_all)
{
	struct vm *vm = vm_bare();
	struct vcpu *v = vcpu_bare(vm, 0);

	/* KVM has no room for page tables where there is no slot. */
	if (ioctl(v->fd, KVM_RUN, 0))
		CHECK_EQ(errno, ENOSPC);
	else
		CHECK_EQ(v->run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
}

/* Tables full of ones, or that point at themselves. */
TEST(page_tables_garbage)
{
	static const uint64_t fill[] = { ~0ULL, 0x87, G_PML4 | 7, 0xfffffffff007,
					 0x8000000000000007 };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(fill); i++) {
		struct vcpu *v = start(LONG64, G_touch);
		uint64_t *pdpt = (uint64_t *)(v->vm->mem + G_PDPT);

		/* The code stays mapped, what it touches does not. */
		for (j = 1; j < 512; j++)
			pdpt[j] = fill[i];
		vcpu_args(v, 0x40000000, 0);
		for (j = 0; j < 4; j++) {
			vcpu_run(v);
			if (v->run->exit_reason != KVM_EXIT_MMIO)
				break;
		}
		vcpu_end(v);
	}
}

/* The IDT in a device, in read-only memory, nowhere. */
TEST(idt_nowhere)
{
	struct vcpu *v = start(LONG64, G_ud);
	struct kvm_sregs s = vcpu_sregs(v);
	int i;

	s.idt.base = 0xd0000000;
	vcpu_set_sregs(v, &s);
	for (i = 0; i < 20; i++) {
		vcpu_run(v);
		if (v->run->exit_reason != KVM_EXIT_MMIO)
			break;
	}
	CHECK(v->run->exit_reason == KVM_EXIT_SHUTDOWN ||
	      v->run->exit_reason == KVM_EXIT_INTERNAL_ERROR, "exit %s",
	      exit_name(v->run->exit_reason));
}

/* What the emulator does not do, in MMIO: told with the instruction. */
TEST(emulation_fails)
{
	struct vcpu *v = start(LONG64, G_odd);
	const uint8_t *insn;

	vcpu_args(v, 0xd0000000, 0);
	vcpu_run(v);
	if (v->run->exit_reason == KVM_EXIT_MMIO) {
		test_note("emulated");
		return;
	}
	MUST_EQ(v->run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	CHECK_EQ(v->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
	if (v->run->emulation_failure.ndata < 1 ||
	    !(v->run->emulation_failure.flags &
	      KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		return;
	insn = v->run->emulation_failure.insn_bytes;
	CHECK(v->run->emulation_failure.insn_size >= 4 &&
	      !memcmp(insn, v->vm->mem + G_odd, 4), "%02x %02x %02x",
	      insn[0], insn[1], insn[2]);
}

/* Loops that never leave on their own can be left. */
static void looping(enum mode mode, uint64_t entry)
{
	struct vcpu *v = start(mode, entry);
	int i, r, eintr = 0;

	vcpu_interruptible(v);
	tick(5000);
	for (i = 0; i < 100000 && eintr < 3; i++) {
		r = ioctl(v->fd, KVM_RUN, 0);
		if (r) {
			MUST_EQ(errno, EINTR);
			eintr++;
		}
	}
	tick(0);
	CHECK(eintr == 3 || i == 100000);
}

/* CR3 leads out of memory: KVM walks for ever, or it is a shutdown. */
TEST(page_tables_nowhere)
{
	struct vcpu *v = start(LONG64, G_nop);
	struct kvm_sregs s = vcpu_sregs(v);
	int i;

	s.cr3 = 0x7ff00000;
	vcpu_set_sregs(v, &s);
	tick(50000);
	for (i = 0; i < 10; i++) {
		if (ioctl(v->fd, KVM_RUN, 0)) {
			MUST_EQ(errno, EINTR);
			continue;
		}
		CHECK(v->run->exit_reason == KVM_EXIT_SHUTDOWN ||
		      v->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ||
		      v->run->exit_reason == KVM_EXIT_MMIO, "exit %s",
		      exit_name(v->run->exit_reason));
	}
}

TEST(loop_jump) { looping(LONG64, G_loop); }
TEST(loop_mmio) { looping(LONG64, G_loop_mmio); }
TEST(loop_faults) { looping(LONG64, G_loop_faults); }
TEST(loop_real) { looping(REAL, G_loop16); }
TEST(loop_cpuid) { looping(LONG64, G_loop_cpuid); }

/* State that no processor can have: refused at SET or at entry, no oops. */
TEST_TIMEOUT(state_nonsense, 60)
{
	uint64_t x = 88172645463325252ULL;
	int i, ran = 0;

	for (i = 0; i < 300; i++) {
		struct vcpu *v = start(i & 1 ? LONG64 : PROT32, G_nop);
		struct kvm_sregs s = vcpu_sregs(v);
		uint8_t *p = (uint8_t *)&s;
		int j;

		for (j = 0; j < 3; j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			p[x % sizeof(s)] ^= 1 << (x >> 20 & 7);
		}
		memset(s.interrupt_bitmap, 0, sizeof(s.interrupt_bitmap));
		if (!ioctl(v->fd, KVM_SET_SREGS, &s)) {
			tick(5000);
			ioctl(v->fd, KVM_RUN, 0);
			ran++;
		}
		tick(0);
		vcpu_end(v);
	}
	test_note("%d of 300 were taken", ran);
}

/* Random bytes as code, in every mode. */
TEST_TIMEOUT(random_code, 90)
{
	static const enum mode mode[] = { REAL, PROT32, PAGED32, PAE, LONG64 };
	uint64_t x = 0x9e3779b97f4a7c15ULL;
	int i, j;

	for (i = 0; i < 250; i++) {
		struct vcpu *v = start(mode[i % 5], G_CODE + 0x2000);
		uint8_t *code = v->vm->mem + G_CODE + 0x2000;
		int n;

		for (j = 0; j < 512; j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			code[j] = x >> 30;
		}
		vcpu_interruptible(v);
		tick(5000);
		for (n = 0; n < 20; n++)
			if (ioctl(v->fd, KVM_RUN, 0) ||
			    (v->run->exit_reason != KVM_EXIT_IO &&
			     v->run->exit_reason != KVM_EXIT_MMIO))
				break;
		tick(0);
		vcpu_end(v);
	}
}

/* Every opcode at a device: executed, or refused; never anything else. */
TEST_TIMEOUT(every_opcode, 90)
{
	int i, n, ok = 0, error = 0;
	struct vcpu *v = start(LONG64, G_CODE);
	struct kvm_sregs s = vcpu_sregs(v);
	struct kvm_regs r = vcpu_regs(v);

	for (i = 0; i < 512; i++) {
		uint8_t *code = v->vm->mem + G_CODE + 0x3000;
		struct kvm_regs q = r;

		/* Whatever it is, it soon comes to an end. */
		memset(code, 0xf4, 32);
		n = 0;
		if (i >= 256)
			code[n++] = 0x0f;
		code[n++] = i;
		code[n] = 0x07;			/* (%rdi) */
		q.rip = G_CODE + 0x3000;
		q.rdi = q.rsi = 0xd0000000;
		q.rcx = 1;
		vcpu_set_sregs(v, &s);
		vcpu_set_regs(v, &q);
		tick(200000);
		if (ioctl(v->fd, KVM_RUN, 0))
			continue;
		ok += v->run->exit_reason == KVM_EXIT_MMIO;
		error += v->run->exit_reason == KVM_EXIT_INTERNAL_ERROR;
	}
	test_note("%d at the device, %d refused", ok, error);
	CHECK(ok > 60, "%d", ok);
}
