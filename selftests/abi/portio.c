// SPDX-License-Identifier: GPL-2.0-only
/* Port I/O: widths, string forms with REP, directions, faults on the way. */
#include "ltest.h"
#include "portio.guest.gen.h"

#define PORT	0x510

static const struct { enum mode mode; uint64_t widths, strings; } in_mode[] = {
	{ REAL, G_widths16, G_strings16 },
	{ PROT32, G_widths32, G_strings32 },
	{ PAGED32, G_widths32, G_strings32 },
	{ PAE, G_widths32, G_strings32 },
	{ LONG64, G_widths64, G_strings64 },
};

TEST(widths)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(in_mode); i++) {
		struct vm *vm = vm_new(&payload);
		struct vcpu *v = vcpu_new(vm, 0, in_mode[i].mode,
					  in_mode[i].widths);
		struct kvm_regs r = vcpu_regs(v);

		test_note("%s", mode_name[in_mode[i].mode]);
		r.rax = 0x1122334455667788;
		vcpu_set_regs(v, &r);
		want_io(v, true, PORT, 1, 1);
		CHECK_EQ(*(uint8_t *)io_data(v), 0x88);
		want_io(v, true, PORT, 2, 1);
		CHECK_EQ(*(uint16_t *)io_data(v), 0x7788);
		want_io(v, true, PORT, 4, 1);
		CHECK_EQ(*(uint32_t *)io_data(v), 0x55667788);
		/* Byte and word leave the rest of RAX; a dword clears it. */
		want_io(v, false, PORT, 1, 1);
		*(uint32_t *)io_data(v) = 0xaabbccdd;
		want_io(v, false, PORT, 2, 1);
		CHECK_EQ(vcpu_regs(v).rax, in_mode[i].mode == LONG64 ?
			 0x11223344556677dd : vcpu_regs(v).rax);
		CHECK_EQ(vcpu_regs(v).rax & 0xffffffff, 0x556677dd);
		*(uint32_t *)io_data(v) = 0x01020304;
		want_io(v, false, PORT, 4, 1);
		CHECK_EQ(vcpu_regs(v).rax & 0xffffffff, 0x55660304);
		*(uint32_t *)io_data(v) = 0xcafef00d;
		want_exit(v, KVM_EXIT_HLT);
		CHECK_EQ(vcpu_regs(v).rax, 0xcafef00d);
		/* With the port in the instruction. */
		want_io(v, true, 0x80, 1, 1);
		want_io(v, true, 0xff, 4, 1);
		want_io(v, false, 0x80, 2, 1);
		/* The highest port, and an access that goes over the top. */
		want_io(v, true, 0xffff, 1, 1);
		want_done(v);
		vcpu_free(v);
		vm_free(vm);
	}
}

/*
 * Runs a REP INS or OUTS to its end, however it is cut into exits, and
 * gathers or gives its bytes.
 */
static void string_io(struct vcpu *v, bool out, int size, unsigned int total,
		      uint8_t *buf)
{
	unsigned int n = 0;

	while (n < total) {
		struct kvm_run *run = v->run;

		vcpu_run(v);
		report_guest_failure(v);
		MUST(run->exit_reason == KVM_EXIT_IO && run->io.port == PORT &&
		     run->io.size == size && run->io.direction == out,
		     "exit %s port %#x size %d after %u of %u",
		     exit_name(run->exit_reason), run->io.port, run->io.size,
		     n, total);
		MUST(run->io.count >= 1 && run->io.count <= total - n,
		     "count %u", run->io.count);
		if (out)
			memcpy(buf + n * size, io_data(v), run->io.count * size);
		else
			memcpy(io_data(v), buf + n * size, run->io.count * size);
		n += run->io.count;
	}
}

TEST(strings)
{
	static const int sizes[] = { 1, 2, 4 };
	uint8_t buf[256], want[256];
	unsigned int i, s, j;

	for (i = 0; i < ARRAY_SIZE(in_mode); i++) {
		struct vm *vm = vm_new(&payload);
		struct vcpu *v = vcpu_new(vm, 0, in_mode[i].mode,
					  in_mode[i].strings);
		uint8_t *mem = vm->mem + 0x6000;	/* in reach of 16 bits */

		test_note("%s", mode_name[in_mode[i].mode]);
		for (j = 0; j < 256; j++)
			mem[j] = want[j] = j * 7 + 1;
		for (s = 0; s < 3; s++) {
			string_io(v, true, sizes[s], 20, buf);
			CHECK(!memcmp(buf, want, 20 * sizes[s]), "size %d",
			      sizes[s]);
		}
		for (s = 0; s < 3; s++) {
			for (j = 0; j < 256; j++)
				buf[j] = j * 5 + s;
			memset(mem, 0, 256);
			string_io(v, false, sizes[s], 20, buf);
			want_mark(v, s);
			CHECK(!memcmp(mem, buf, 20 * sizes[s]), "in, size %d",
			      sizes[s]);
			CHECK_EQ(mem[20 * sizes[s]], 0);
		}
		/* Backwards. */
		memcpy(mem, want, 256);
		string_io(v, true, 2, 4, buf);
		CHECK_EQ(*(uint16_t *)buf, *(uint16_t *)(want + 8));
		CHECK_EQ(*(uint16_t *)(buf + 6), *(uint16_t *)(want + 2));
		/* A count of zero does nothing at all; then without REP. */
		string_io(v, true, 1, 1, buf);
		CHECK_EQ(buf[0], want[3]);
		want_done(v);
		vcpu_free(v);
		vm_free(vm);
	}
}

/* More than a page at once, and across the pages of the guest. */
TEST(long_rep)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_long_rep);
	uint8_t *mem = vm->mem + G_FREE + 0x123;
	uint8_t *buf = malloc(40000);
	int i;

	for (i = 0; i < 40000; i++)
		mem[i] = i * 13 + (i >> 8);
	string_io(v, true, 4, 10000, buf);
	CHECK(!memcmp(mem, buf, 40000));
	for (i = 0; i < 40000; i++)
		buf[i] = i * 11 + (i >> 7);
	string_io(v, false, 4, 10000, buf);
	want_mark(v, 1);
	CHECK(!memcmp(mem, buf, 40000));
	want_done(v);
}

/*
 * INS to a page that is not there: #PF. A processor raises it before the port
 * is read, KVM's emulator after; both are taken.
 */
TEST(ins_faults)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_ins_fault);

	/* The second page of the pair is not present. */
	*(uint64_t *)(vm->mem + G_PD + 4 * 8) = 0;
	vcpu_run(v);
	if (v->run->io.port != PORT) {
		report_guest_failure(v);
		return;
	}
	CHECK_EQ(v->run->io.direction, KVM_EXIT_IO_IN);
	want_done(v);
}

/* A descriptor-table limit and IOPL guard the ports of user code. */
TEST(iopl)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_iopl);

	want_io(v, true, PORT, 1, 1);
	want_done(v);
}
