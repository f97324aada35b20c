// SPDX-License-Identifier: GPL-2.0-only
/* The first steps in every mode of the processor: OUT, IN, HLT. */
#include "ltest.h"
#include "modes.guest.gen.h"

static const uint64_t entry[] = {
	[REAL] = G_hello16, [PROT32] = G_hello32, [PAGED32] = G_hello32,
	[PAE] = G_hello32, [LONG64] = G_hello64,
};

static void hello(enum mode mode)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, mode, entry[mode]);
	struct kvm_regs r;
	uint64_t rip;

	want_io(v, true, 0x3f8, 1, 1);
	CHECK_EQ(*(uint8_t *)io_data(v), 'l');
	/* The OUT is not over until the next run: RIP may point at either. */
	want_io(v, false, 0x3fd, 1, 1);
	*(uint8_t *)io_data(v) = 0x5a;
	want_exit(v, KVM_EXIT_HLT);
	r = vcpu_regs(v);
	CHECK_EQ(r.rax & 0xff, 0x5a);
	CHECK_EQ(r.rbx & 0xffff, 0x1234);
	/* RIP is past the HLT: a further run goes on. */
	rip = mode == REAL ? r.rip + G_CODE : r.rip;
	CHECK_EQ(rip, mode == REAL ? G_after16 : mode == LONG64 ? G_after64 :
		 G_after32);
	want_done(v);
}

TEST(real) { hello(REAL); }
TEST(prot32) { hello(PROT32); }
TEST(paged32) { hello(PAGED32); }
TEST(pae) { hello(PAE); }
TEST(long64) { hello(LONG64); }

/* From the reset vector to 64-bit code on its own, all switches in guest. */
TEST(climb)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, REAL, G_climb);
	struct kvm_sregs s;

	want_mark(v, 16);
	want_mark(v, 32);
	s = vcpu_sregs(v);
	CHECK_EQ(s.cr0 & 1, 1);
	CHECK_EQ(s.cs.selector, SEL_CODE32);
	want_mark(v, 36);
	want_mark(v, 64);
	s = vcpu_sregs(v);
	CHECK_EQ(s.efer & 0x500, 0x500);
	CHECK_EQ(s.cs.l, 1);
	/* And down again. */
	want_mark(v, 33);
	want_mark(v, 17);
	s = vcpu_sregs(v);
	CHECK_EQ(s.cr0 & 0x80000001, 0);
	want_done(v);
}

/* As firmware has it: 16-bit code that reaches all of 4 GiB, memory and devices. */
TEST(big_real)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, REAL, G_big_real);
	struct kvm_sregs s;

	CHECK_EQ(want_value(v), 0x11223345);
	CHECK_EQ(*(uint32_t *)(vm->mem + 3 * MiB), 0x11223345);
	s = vcpu_sregs(v);
	CHECK_EQ(s.cr0 & 1, 0);
	CHECK_EQ(s.fs.limit, 0xffffffff);
	want_mmio(v, false, 0xd0000000, 4);
	*(uint32_t *)v->run->mmio.data = 0x89abcdef;
	CHECK_EQ(want_value(v), 0x89abcdef);
	want_mmio(v, true, 0xd0000004, 4);
	CHECK_EQ(*(uint32_t *)v->run->mmio.data, 0x55667788);
	want_done(v);
}

/* The reset vector itself, at the top of 4 GiB. */
TEST(reset_vector)
{
	struct vm *vm = vm_bare();
	uint8_t *rom = mem_new(PAGE);
	struct vcpu *v;

	static const uint8_t code[] = {
		0xb0, 0x42, 0xe6, 0x80,			/* out %al, $0x80 */
		0xf4,
	};

	memcpy(rom + 0xff0, code, sizeof(code));
	vm_slot(vm, 0, 0, 0xfffff000, PAGE, rom);
	v = vcpu_bare(vm, 0);
	want_io(v, true, 0x80, 1, 1);
	CHECK_EQ(*(uint8_t *)io_data(v), 0x42);
	want_exit(v, KVM_EXIT_HLT);
}

/* Registers of all sizes reach the guest and come back. */
TEST(registers)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_swap64);
	struct kvm_regs r = vcpu_regs(v), got;
	__u64 *p = &r.rax, *q = &got.rax;
	int i;

	for (i = 0; i < 16; i++)
		if (p + i != &r.rsp)
			p[i] = 0x0123456789abcdef * (i + 3);
	vcpu_set_regs(v, &r);
	want_exit(v, KVM_EXIT_HLT);
	got = vcpu_regs(v);
	for (i = 0; i < 16; i++)
		CHECK(q[i] == (p + i == &r.rsp ? p[i] : ~p[i]),
		      "register %d: %#llx of %#llx", i, q[i], p[i]);
}

/* An I/O exit's data may be taken after the vCPU was read or written. */
TEST(io_then_state)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_hello64);
	struct kvm_sregs s;
	struct kvm_regs r;

	want_io(v, true, 0x3f8, 1, 1);
	want_io(v, false, 0x3fd, 1, 1);
	*(uint8_t *)io_data(v) = 0xc3;
	s = vcpu_sregs(v);
	vcpu_set_sregs(v, &s);
	/* Completed without entering the guest. */
	v->run->immediate_exit = 1;
	FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
	r = vcpu_regs(v);
	CHECK_EQ(r.rax & 0xff, 0xc3);
	v->run->immediate_exit = 0;
	want_exit(v, KVM_EXIT_HLT);
}
