// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segments as the emulator must see them: each access goes to a device, so
 * that limits, types and bases are its business and not the processor's.
 */
#include "ltest.h"
#include "segments.guest.gen.h"

#define DEV	0xd0000000UL

static struct vcpu *start32(uint64_t entry, const struct kvm_segment *es)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, PROT32, entry);
	struct kvm_sregs s = vcpu_sregs(v);
	int i;

	/* 32-bit gates of #SS and #GP, all to one handler. */
	for (i = 0; i < 32; i++) {
		uint64_t gate = (G_fault32 & 0xffff) | SEL_CODE32 << 16 |
			0x8e00ULL << 32 | (G_fault32 >> 16) << 48;

		memcpy(vm->mem + G_IDT + i * 8, &gate, 8);
	}
	if (es) {
		s.es = *es;
		vcpu_set_sregs(v, &s);
	}
	return v;
}

static const struct kvm_segment data = {
	.base = DEV, .limit = 0xfff, .selector = 0x33, .type = 3, .present = 1,
	.dpl = 3, .db = 1, .s = 1,
};

/*
 * What ES:[offset] does with 4 bytes: an exit, or #GP(0). Code that cannot be
 * read is in no data segment register: VT-x does not enter with it (SDM vol. 3C
 * 26.3.1.2).
 */
static void try(const struct kvm_segment *es, bool write, uint32_t offset,
		bool good)
{
	struct vcpu *v = start32(write ? G_store32 : G_load32, es);
	struct kvm_regs r = vcpu_regs(v);

	r.rbp = offset;
	vcpu_set_regs(v, &r);
	if (es->type == 9 && host_is_intel())
		want_exit(v, KVM_EXIT_FAIL_ENTRY);
	else if (good)
		want_mmio(v, write, (uint32_t)(es->base + offset), 4);
	else
		CHECK_EQ(want_value(v), 0);	/* its error code */
	vcpu_free(v);
}

TEST(limits)
{
	struct kvm_segment es = data;

	try(&es, false, 0xffc, true);
	try(&es, false, 0xffd, false);
	try(&es, true, 0xffc, true);
	try(&es, true, 0x1000, false);
	try(&es, false, 0xfffffffe, false);	/* wraps */
	es.limit = 0xffffffff;
	es.g = 1;
	try(&es, false, 0x01234560, true);
}

TEST(types)
{
	struct kvm_segment es = data;

	es.type = 1;				/* read-only data */
	try(&es, false, 0, true);
	try(&es, true, 0, false);
	es.type = 0xb;				/* code that can be read */
	try(&es, false, 0, true);
	try(&es, true, 0, false);
	es.type = 9;				/* code that cannot */
	try(&es, false, 0, false);
	es = data;
	es.unusable = 1;			/* the null selector */
	es.present = 0;
	es.selector = 0;
	try(&es, false, 0, false);
}

/* Expand-down: what is above the limit is good, up to 64K or 4G. */
TEST(expand_down)
{
	struct kvm_segment es = data;

	es.type = 7;
	try(&es, false, 0x1000, true);
	try(&es, false, 0xfff, false);
	try(&es, false, 0x100000, true);
	es.db = 0;
	try(&es, false, 0xfffc, true);
	try(&es, false, 0xfffe, false);
}

/* Base and offset are added in 32 bits. */
TEST(base_wraps)
{
	struct kvm_segment es = data;

	es.base = 0xfffff000;
	es.limit = 0xffffffff;
	es.g = 1;
	try(&es, false, 0xd0001000, true);
}

/* 16-bit code at the end of its segment: an operand beyond 64K. */
TEST(real_limit)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, REAL, G_real16);
	uint16_t *ivt = (uint16_t *)vm->mem;

	vm_slot(vm, 0, 0, 0, 0, NULL);
	vm_slot(vm, 0, 0, 0, 0xa0000, vm->mem);
	ivt[13 * 2] = G_fault16 - G_CODE;
	ivt[13 * 2 + 1] = G_CODE >> 4;
	want_mmio(v, false, 0xafffe, 2);
	CHECK_EQ(want_value(v) & 0xffff, 0x6666);
}

/* FS and GS have bases in 64-bit code, the others have none. */
TEST(long_mode)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_long64);
	struct kvm_sregs s = vcpu_sregs(v);

	s.fs.base = DEV;
	s.gs.base = DEV + PAGE;
	vcpu_set_sregs(v, &s);
	want_mmio(v, false, DEV + 0x10, 4);
	want_mmio(v, true, DEV + PAGE + 0x18, 8);
	want_mmio(v, false, DEV + 0x20, 1);
	/* The address size prefix cuts the offset to 32 bits. */
	want_mmio(v, false, DEV + PAGE + 0x30, 4);
	/* RIP-relative: counted from the end of the instruction. */
	want_mmio(v, true, 0x70000040, 4);
	want_done(v);
}

/*
 * State that the processor refuses: the entry fails and says so, again and
 * again, and with the state put right the guest runs.
 */
TEST(refused_entry)
{
	struct kvm_segment es = data;
	struct vcpu *v = start32(G_load32, NULL);
	struct kvm_sregs good = vcpu_sregs(v), bad;
	struct kvm_regs r = vcpu_regs(v);
	int i;

	if (!host_is_intel())
		test_skip("AMD-V enters with any segments");
	r.rbp = 0;
	vcpu_set_regs(v, &r);
	good.es = es;
	bad = good;
	bad.tr.type = 1;			/* not a busy TSS */
	vcpu_set_sregs(v, &bad);
	for (i = 0; i < 3; i++) {
		want_exit(v, KVM_EXIT_FAIL_ENTRY);
		CHECK_EQ(v->run->fail_entry.hardware_entry_failure_reason,
			 0x80000021);
	}
	CHECK_EQ(vcpu_regs(v).rip, r.rip);
	vcpu_set_sregs(v, &good);
	want_mmio(v, false, DEV, 4);
}
