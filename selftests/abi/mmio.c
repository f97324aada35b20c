// SPDX-License-Identifier: GPL-2.0-only
/* MMIO exits: every width, from every mode, whole instructions. */
#include "ltest.h"
#include "mmio.guest.gen.h"

#define DEV	0xd0000000UL
#define DEV16	0xa0000UL
#define ZF	0x40

static void want_read(struct vcpu *v, uint64_t gpa, unsigned int len,
		      uint64_t data)
{
	want_mmio(v, false, gpa, len);
	memcpy(v->run->mmio.data, &data, 8);
}

static void want_write(struct vcpu *v, uint64_t gpa, unsigned int len,
		       uint64_t data)
{
	uint64_t got = 0;

	want_mmio(v, true, gpa, len);
	memcpy(&got, v->run->mmio.data, len);
	if (len < 8)
		data &= (1ULL << len * 8) - 1;
	CHECK(got == data, "%u bytes written to %#lx: %#lx, wanted %#lx", len,
	      gpa, got, data);
}

/* The hole of a PC. */
static void make_hole(struct vm *vm)
{
	vm_slot(vm, 0, 0, 0, 0, NULL);
	vm_slot(vm, 0, 0, 0, DEV16, vm->mem);
	vm_slot(vm, 1, 0, MiB, MiB, vm->mem + MiB);
}

static void moves(enum mode mode, uint64_t entry)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, mode, entry);
	uint64_t dev = mode == REAL ? DEV16 : DEV;

	if (mode == REAL)
		make_hole(vm);
	want_write(v, dev, 1, 0x11);
	want_write(v, dev + 2, 2, 0x2222);
	want_write(v, dev + 4, 4, 0x33333333);
	want_read(v, dev, 1, 0x55);
	want_read(v, dev + 2, 2, 0x6666);
	want_read(v, dev + 4, 4, 0x77777777);
	CHECK_EQ(vcpu_regs(v).rcx & 0xffff, 0x6666);
	/* MOVZX, MOVSX. */
	want_read(v, dev + 1, 1, 0x80);
	want_read(v, dev + 1, 1, 0x80);
	want_write(v, dev, 4, 0x00000080);
	want_write(v, dev, 4, 0xffffff80);
	/* ADD to memory, OR of an immediate, XCHG, INC, NOT, NEG. */
	want_read(v, dev, 4, 41);
	want_write(v, dev, 4, 42);
	want_read(v, dev, 1, 0x40);
	want_write(v, dev, 1, 0x42);
	want_read(v, dev, 4, 0x1234);
	want_write(v, dev, 4, 0x8765);
	want_read(v, dev, 2, 0xffff);
	want_write(v, dev, 2, 0);
	want_read(v, dev, 4, 0xff);
	want_write(v, dev, 4, 0xffffff00);
	/* CMP and TEST only read. */
	want_read(v, dev, 4, 0x1234);
	want_read(v, dev, 1, 8);
	/* CMPXCHG and XADD, BTS. */
	want_read(v, dev, 4, 7);
	want_write(v, dev, 4, 9);
	want_read(v, dev, 4, 100);
	want_write(v, dev, 4, 105);
	want_read(v, dev, 4, 1);
	want_write(v, dev, 4, 9);
	/* PUSH and POP of memory. */
	want_read(v, dev, 4, 0xabcd1234);
	want_write(v, dev + 8, 4, 0xabcd1234);
	want_done(v);
	vcpu_free(v);
	vm_free(vm);
}

TEST(moves_real) { moves(REAL, G_moves16); }
TEST(moves_prot32) { moves(PROT32, G_moves32); }
TEST(moves_paged32) { moves(PAGED32, G_moves32); }
TEST(moves_pae) { moves(PAE, G_moves32); }
TEST(moves_long64) { moves(LONG64, G_moves64); }

TEST(qword)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_qword);

	want_write(v, DEV, 8, 0x1122334455667788);
	want_read(v, DEV, 8, 0x8877665544332211);
	want_write(v, DEV + 8, 8, 0x8877665544332211);
	/* A dword load clears the upper half; high byte registers. */
	want_read(v, DEV, 4, 0xffffffff);
	want_write(v, DEV, 8, 0xffffffff);
	want_write(v, DEV + 3, 1, 0x12);
	want_write(v, DEV, 8, 0xffffffff80000000);
	want_done(v);
}

/* Sixteen bytes leave as two exits of eight. */
TEST(sse)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_sse);

	want_read(v, DEV, 8, 0x1111222233334444);
	want_read(v, DEV + 8, 8, 0x5555666677778888);
	want_write(v, DEV + 16, 8, 0x1111222233334444);
	want_write(v, DEV + 24, 8, 0x5555666677778888);
	want_done(v);
}

/* An access over the end of a page of devices: two exits, one datum. */
TEST(page_crossing)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_crossing);

	want_write(v, DEV + 0xffe, 2, 0x7788);
	want_write(v, DEV + 0x1000, 2, 0x5566);
	want_read(v, DEV + 0xffd, 3, 0x332211);
	want_read(v, DEV + 0x1000, 5, 0x8877665544);
	CHECK_EQ(want_value(v), 0x8877665544332211);
	want_done(v);
}

/* From memory into devices and the other way round. */
TEST(memory_to_device)
{
	struct vm *vm = vm_new(&payload);
	uint8_t *m = mem_new(PAGE);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_edge);

	vm_slot(vm, 1, 0, DEV, PAGE, m);
	memset(m + 0xffc, 0xaa, 4);
	/* 4 bytes in memory, 4 outside. */
	want_read(v, DEV + 0x1000, 4, 0xbbbbbbbb);
	CHECK_EQ(want_value(v), 0xbbbbbbbbaaaaaaaa);
	want_write(v, DEV + 0x1000, 4, 0x11223344);
	want_done(v);
	CHECK_EQ(*(uint32_t *)(m + 0xffc), 0x55667788);
}

TEST(rep_strings)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_rep);
	uint32_t *m = (uint32_t *)(vm->mem + G_FREE);
	int i;

	for (i = 0; i < 8; i++)
		m[i] = 0x1000 + i;
	/* MOVS: memory to device, device to memory, device to device. */
	for (i = 0; i < 8; i++)
		want_write(v, DEV + i * 4, 4, 0x1000 + i);
	for (i = 0; i < 8; i++)
		want_read(v, DEV + i * 4, 4, 0x2000 + i);
	want_mark(v, 1);
	for (i = 0; i < 8; i++)
		CHECK_EQ(m[i], 0x2000 + i);
	for (i = 0; i < 4; i++) {
		want_read(v, DEV + i, 1, 0x30 + i);
		want_write(v, DEV + 64 + i, 1, 0x30 + i);
	}
	/* STOS, and LODS. */
	for (i = 0; i < 5; i++)
		want_write(v, DEV + i * 8, 8, 0xfeedfacecafebeef);
	want_read(v, DEV, 2, 0x4321);
	CHECK_EQ(want_value(v) & 0xffff, 0x4321);
	/* REPE CMPS stops at the difference; SCAS at the match. */
	memcpy(m, "abcdefg", 8);
	for (i = 0; i < 4; i++) {
		want_read(v, DEV + i, 1, i == 3 ? 'x' : 'a' + i);
		/* Flags are those of the iterations so far; not in KVM. */
		if (!node_is_kvm())
			CHECK_EQ(!!(vcpu_regs(v).rflags & ZF), !!i);
	}
	CHECK_EQ(want_value(v), 6);		/* of 10, 4 used */
	want_read(v, DEV, 1, 1);
	want_read(v, DEV + 1, 1, 'q');
	CHECK_EQ(want_value(v), 8);
	/* Backwards. */
	want_write(v, DEV + 8, 4, 7);
	want_write(v, DEV + 4, 4, 7);
	want_done(v);
}

/* A fetch from a device: the instruction cannot be had. */
TEST(fetch)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, DEV);

	vcpu_run(v);
	CHECK(v->run->exit_reason == KVM_EXIT_INTERNAL_ERROR,
	      "exit %s", exit_name(v->run->exit_reason));
	CHECK_EQ(v->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
}

/* The stack in a device: CALL, RET, PUSH of a register, INT. */
TEST(stack)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_stack);
	uint64_t ret;

	want_write(v, DEV + 0x800 - 8, 8, 0x4242);
	want_mmio(v, true, DEV + 0x800 - 16, 8);
	memcpy(&ret, v->run->mmio.data, 8);
	want_read(v, DEV + 0x800 - 16, 8, ret);
	want_read(v, DEV + 0x800 - 8, 8, 0x1717);
	CHECK_EQ(want_value(v), 0x1717);
	want_done(v);
}

/* IRET unmasks NMIs, whoever does it. */
TEST(iret)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, REAL, G_iret16);
	struct kvm_vcpu_events e;

	if (node_is_kvm())
		test_skip("KVM pops on where it went to user space");
	make_hole(vm);
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	e.nmi.masked = 1;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	want_read(v, DEV16 + 0x100, 2,
		  G_iret16_to - G_iret16 + vcpu_regs(v).rip);
	want_read(v, DEV16 + 0x102, 2, vcpu_sregs(v).cs.selector);
	want_read(v, DEV16 + 0x104, 2, 2);
	want_done(v);
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.nmi.masked, 0);
}

/* ---- coalesced MMIO ---- */

static struct kvm_coalesced_mmio_ring *ring(struct vm *vm, struct vcpu *v)
{
	int page = OK(ioctl(vm->sys, KVM_CHECK_EXTENSION,
			    KVM_CAP_COALESCED_MMIO));

	return (void *)((uint8_t *)v->run + page * PAGE);
}

TEST(coalesced)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_coalesce);
	struct kvm_coalesced_mmio_zone z = { .addr = DEV, .size = 0x100 };
	struct kvm_coalesced_mmio_ring *r = ring(vm, v);
	unsigned int i;

	OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z));
	/* Four writes inside, then one over the end of the zone. */
	want_write(v, DEV + 0x100, 4, 4);
	MUST_EQ(r->last, 4);
	CHECK_EQ(r->first, 0);
	for (i = 0; i < 4; i++) {
		CHECK_EQ(r->coalesced_mmio[i].phys_addr, DEV + i * 4);
		CHECK_EQ(r->coalesced_mmio[i].len, 4);
		CHECK_EQ(*(uint32_t *)r->coalesced_mmio[i].data, i);
	}
	r->first = r->last;
	/* Reads always leave. */
	want_read(v, DEV, 4, 0);
	/*
	 * A full ring makes them leave, too. (KVM's count wraps at 2^32,
	 * which its size does not divide, so that it may leave early.)
	 */
	want_mmio(v, true, DEV, 4);
	CHECK(r->last < KVM_COALESCED_MMIO_MAX && r->last != r->first,
	      "left with %u to %u in the ring", r->first, r->last);
	/* Gone again. */
	r->first = r->last;
	OK(ioctl(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &z));
	i = r->last;
	want_mmio(v, true, DEV, 4);
	CHECK_EQ(r->last, i);
	/* A zone that was never there. */
	z.addr += PAGE;
	OK(ioctl(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &z));
	FAILS(EFAULT, ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, 8));
	FAILS(EFAULT, ioctl(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, 8));
}

/* The launcher owns the ring, so it may hold anything at all. */
TEST(coalesced_hostile_ring)
{
	static const uint32_t index[] = { 0xffffffff, 0x7fffffff, 1000,
					  KVM_COALESCED_MMIO_MAX };
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_coalesce);
	struct kvm_coalesced_mmio_zone z = { .addr = DEV, .size = 0x1000 };
	struct kvm_coalesced_mmio_ring *r = ring(vm, v);
	unsigned int i;

	OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z));
	for (i = 0; i < ARRAY_SIZE(index); i++) {
		vcpu_jump(v, G_coalesce);
		r->first = 0;
		r->last = index[i];
		/* Written by an exit, or to the ring; never beyond it. */
		vcpu_run(v);
		CHECK_EQ(v->run->exit_reason, KVM_EXIT_MMIO);
	}
}

TEST(coalesced_ports)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_coalesce_port);
	struct kvm_coalesced_mmio_zone z = { .addr = 0x510, .size = 4, .pio = 1 };
	struct kvm_coalesced_mmio_ring *r = ring(vm, v);

	NEED_CAP(KVM_CAP_COALESCED_PIO);
	OK(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z));
	want_done(v);
	CHECK_EQ(r->last, 2);
	CHECK_EQ(r->coalesced_mmio[0].phys_addr, 0x510);
	CHECK_EQ(r->coalesced_mmio[0].pio, 1);
	CHECK_EQ(r->coalesced_mmio[1].len, 1);
	z.pio = 2;
	FAILS(EINVAL, ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &z));
}
