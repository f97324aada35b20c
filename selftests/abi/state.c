// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU's state: what is set is what is read, and nonsense is refused. */
#include "ltest.h"
#include "state.guest.gen.h"

#define BAD	((void *)8)

static struct vcpu *fresh(void)
{
	struct vm *vm = vm_new_irqchip(&payload);

	return vcpu_new(vm, 0, LONG64, G_idle);
}

static bool same(const void *a, const void *b, size_t size, const char *what)
{
	const uint8_t *x = a, *y = b;
	size_t i;

	for (i = 0; i < size; i++)
		if (!CHECK(x[i] == y[i], "%s differs at byte %zu: %#x, %#x",
			   what, i, x[i], y[i]))
			return false;
	return true;
}

TEST(regs)
{
	struct vcpu *v = fresh();
	struct kvm_regs r, got;
	unsigned int i;

	for (i = 0; i < sizeof(r); i++)
		((uint8_t *)&r)[i] = i * 29 + 3;
	r.rflags = 0x246;
	vcpu_set_regs(v, &r);
	got = vcpu_regs(v);
	same(&r, &got, sizeof(r), "regs");
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_REGS, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_REGS, BAD));
	/* Bit 1 of RFLAGS is one, whatever is said. */
	r.rflags = 0;
	vcpu_set_regs(v, &r);
	CHECK_EQ(vcpu_regs(v).rflags, 2);
}

TEST(sregs)
{
	struct vcpu *v = fresh();
	struct kvm_sregs s = vcpu_sregs(v), got;
	struct kvm_segment *seg = &s.cs;
	int i;

	for (i = 0; i < 6; i++) {
		seg[i].base = 0x1000 * i + 0x30;
		seg[i].limit = 0xfffff000 | 0xfff;
		seg[i].selector = i * 8 + 8;
		seg[i].dpl = 0;
		seg[i].avl = i & 1;
	}
	s.ldt = (struct kvm_segment) { .base = 0x5000, .limit = 0xff,
		.selector = 0x60, .type = 2, .present = 1 };
	s.cr2 = 0x123456789000;
	s.cr8 = 5;
	s.gdt.base = 0xffff800000001000;
	s.idt.limit = 0x1ff;
	vcpu_set_sregs(v, &s);
	got = vcpu_sregs(v);
	same(&s, &got, sizeof(s), "sregs");
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_SREGS, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_SREGS, BAD));
}

static void bad_sregs(struct vcpu *v, const char *what, struct kvm_sregs *s)
{
	errno = 0;
	CHECK(ioctl(v->fd, KVM_SET_SREGS, s) == -1 && errno == EINVAL,
	      "%s: errno %d", what, errno);
	*s = vcpu_sregs(v);
}

TEST(sregs_refused)
{
	struct vcpu *v = fresh();
	struct kvm_sregs s = vcpu_sregs(v), before = s;

	s.cr4 |= 1ULL << 32;
	bad_sregs(v, "CR4 bit 32", &s);
	s.cr4 |= 1 << 15;
	bad_sregs(v, "CR4 bit 15", &s);
	s.cr4 &= ~0x20ULL;
	bad_sregs(v, "long mode without PAE", &s);
	s.efer &= ~0x400ULL;
	bad_sregs(v, "paging and LME without LMA", &s);
	s.cr0 &= ~1ULL;
	bad_sregs(v, "paging without protection, long", &s);
	s.apic_base |= 1ULL << 60;
	bad_sregs(v, "APIC base above the address width", &s);
	s.apic_base = (s.apic_base & ~0x800ULL) | 0x400;
	bad_sregs(v, "x2APIC without APIC", &s);
	same(&s, &before, sizeof(s), "sregs after all that was refused");
}

TEST(sregs2)
{
	struct vcpu *v = fresh();
	struct kvm_sregs2 s, got;

	NEED_CAP(KVM_CAP_SREGS2);
	OK(ioctl(v->fd, KVM_GET_SREGS2, &s));
	OK(ioctl(v->fd, KVM_SET_SREGS2, &s));
	OK(ioctl(v->fd, KVM_GET_SREGS2, &got));
	same(&s, &got, sizeof(s), "sregs2");
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_SREGS2, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_SREGS2, BAD));
	s.flags = 1ULL << 63;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_SREGS2, &s));
}

/* With PAE paging the four entries are state of their own (SDM 3A 4.4.1). */
TEST(sregs2_pdptrs)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, PAE, G_idle32);
	struct kvm_sregs2 s;

	NEED_CAP(KVM_CAP_SREGS2);
	want_mark(v, 1);
	OK(ioctl(v->fd, KVM_GET_SREGS2, &s));
	if (s.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID)
		CHECK_EQ(s.pdptrs[0] & ~0x20, G_PD | 1);
	OK(ioctl(v->fd, KVM_SET_SREGS2, &s));
	want_mark(v, 1);
}

TEST(fpu)
{
	struct vcpu *v = fresh();
	struct kvm_fpu f, got;
	unsigned int i;

	/*
	 * Out of the initial state first: KVM leaves XSTATE_BV as it is, and
	 * a component in its initial state stays there.
	 */
	vcpu_jump(v, G_use_fpu);
	want_mark(v, 1);
	memset(&f, 0, sizeof(f));
	for (i = 0; i < sizeof(f.fpr); i++)
		((uint8_t *)f.fpr)[i] = i % 16 < 10 ? i * 3 + 1 : 0;
	for (i = 0; i < sizeof(f.xmm); i++)
		((uint8_t *)f.xmm)[i] = i * 7 + 1;
	f.fcw = 0x27f;
	f.fsw = 0x3800;
	f.ftwx = 0xff;
	f.last_opcode = 0x123;
	OK(ioctl(v->fd, KVM_SET_FPU, &f));
	OK(ioctl(v->fd, KVM_GET_FPU, &got));
	same(&f.fpr, &got.fpr, sizeof(f.fpr), "x87 registers");
	same(&f.xmm, &got.xmm, sizeof(f.xmm), "XMM");
	CHECK_EQ(got.fcw, 0x27f);
	CHECK_EQ(got.fsw, 0x3800);
	CHECK_EQ(got.ftwx, 0xff);
	/* The guest sees them, and what it writes comes back. */
	vcpu_jump(v, G_xmm);
	CHECK_EQ(want_value(v), *(uint64_t *)f.xmm[5]);
	OK(ioctl(v->fd, KVM_GET_FPU, &got));
	CHECK_EQ(*(uint64_t *)got.xmm[9], ~*(uint64_t *)f.xmm[5]);
	CHECK_EQ(*(uint64_t *)got.xmm[15], *(uint64_t *)f.xmm[15]);
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_FPU, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_FPU, BAD));
}

TEST(xsave)
{
	struct vcpu *v = fresh();
	struct kvm_xsave x, got;
	uint64_t *xstate_bv = (uint64_t *)((uint8_t *)&x + 512);
	unsigned int i;

	OK(ioctl(v->fd, KVM_GET_XSAVE, &x));
	for (i = 0; i < 256; i++)
		((uint8_t *)&x)[160 + i] = i * 5 + 2;		/* XMM */
	*xstate_bv |= 3;
	OK(ioctl(v->fd, KVM_SET_XSAVE, &x));
	OK(ioctl(v->fd, KVM_GET_XSAVE, &got));
	same(&x, &got, 512, "legacy area");
	CHECK_EQ(*(uint64_t *)((uint8_t *)&got + 512) & 2, 2);
	CHECK_EQ(x.region[6], 0x1f80);
	/* MXCSR with a reserved bit; a component that does not exist. */
	x.region[6] = 1U << 31;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_XSAVE, &x));
	x.region[6] = 0x1f80;
	*xstate_bv |= 1ULL << 62;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_XSAVE, &x));
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_XSAVE, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_XSAVE, BAD));
	OK(ioctl(v->fd, KVM_GET_XSAVE, &x));
	same(&x, &got, 512, "legacy area after what was refused");
}

TEST(xsave2)
{
	int size = node_cap(KVM_CAP_XSAVE2);
	struct vcpu *v = fresh();
	struct kvm_xsave one;
	uint8_t *x;

	NEED_CAP(KVM_CAP_XSAVE2);
	CHECK(size >= 4096 && size < 65536, "%d", size);
	x = calloc(1, size);
	OK(ioctl(v->fd, KVM_GET_XSAVE2, x));
	OK(ioctl(v->fd, KVM_GET_XSAVE, &one));
	same(x, &one, 4096, "XSAVE and XSAVE2");
	OK(ioctl(v->fd, KVM_SET_XSAVE, x));
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_XSAVE2, BAD));
}

TEST(xcrs)
{
	struct vcpu *v = fresh();
	struct kvm_xcrs x;

	OK(ioctl(v->fd, KVM_GET_XCRS, &x));
	CHECK_EQ(x.nr_xcrs, 1);
	CHECK_EQ(x.xcrs[0].xcr, 0);
	CHECK_EQ(x.xcrs[0].value, 1);
	x.xcrs[0].value = 3;
	OK(ioctl(v->fd, KVM_SET_XCRS, &x));
	OK(ioctl(v->fd, KVM_GET_XCRS, &x));
	CHECK_EQ(x.xcrs[0].value, 3);
	x.xcrs[0].value = 2;			/* SSE without x87 */
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_XCRS, &x));
	x.xcrs[0].value = 5;			/* AVX without SSE */
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_XCRS, &x));
	x.xcrs[0].value = 3 | 1ULL << 60;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_XCRS, &x));
	x.xcrs[0].value = 3;
	x.flags = 1;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_XCRS, &x));
	x.flags = 0;
	x.nr_xcrs = 17;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_XCRS, &x));
	x.nr_xcrs = 0xffffffff;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_XCRS, &x));
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_XCRS, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_XCRS, BAD));
}

TEST(debugregs)
{
	struct vcpu *v = fresh();
	struct kvm_debugregs d, got;

	OK(ioctl(v->fd, KVM_GET_DEBUGREGS, &d));
	CHECK_EQ(d.dr6, 0xffff0ff0);
	CHECK_EQ(d.dr7, 0x400);
	d.db[0] = 0x1000;
	d.db[3] = 0x7fff12345678;
	d.dr6 = 0xffff4ff1;
	d.dr7 = 0x403;
	OK(ioctl(v->fd, KVM_SET_DEBUGREGS, &d));
	OK(ioctl(v->fd, KVM_GET_DEBUGREGS, &got));
	same(&d, &got, sizeof(d), "debugregs");
	d.dr6 = 1ULL << 32;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_DEBUGREGS, &d));
	d.dr6 = 0xffff0ff0;
	d.dr7 = 1ULL << 32;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_DEBUGREGS, &d));
	d.dr7 = 0x400;
	d.flags = 1;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_DEBUGREGS, &d));
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_DEBUGREGS, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_DEBUGREGS, BAD));
	OK(ioctl(v->fd, KVM_GET_DEBUGREGS, &d));
	same(&d, &got, sizeof(d), "debugregs after what was refused");
}

TEST(vcpu_events)
{
	struct vcpu *v = fresh();
	struct kvm_vcpu_events e, got;

	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK_EQ(e.exception.injected, 0);
	CHECK_EQ(e.interrupt.injected, 0);
	CHECK_EQ(e.nmi.pending, 0);
	e.exception.injected = 1;
	e.exception.nr = 13;
	e.exception.has_error_code = 1;
	e.exception.error_code = 0x18;
	e.nmi.masked = 1;
	e.flags = KVM_VCPUEVENT_VALID_NMI_PENDING;
	e.nmi.pending = 1;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &got));
	CHECK_EQ(got.exception.injected, 1);
	CHECK_EQ(got.exception.nr, 13);
	CHECK_EQ(got.exception.has_error_code, 1);
	CHECK_EQ(got.exception.error_code, 0x18);
	CHECK_EQ(got.nmi.masked, 1);
	CHECK_EQ(got.nmi.pending, 1);
	/* Not a flag; not an exception; an NMI is none either. */
	e.flags = 1U << 31;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	e.flags = 0;
	e.exception.nr = 32;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	e.exception.nr = 2;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_VCPU_EVENTS, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_VCPU_EVENTS, BAD));
}

TEST(interrupt_shadow)
{
	struct vcpu *v = fresh();
	struct kvm_vcpu_events e;

	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	e.flags = KVM_VCPUEVENT_VALID_SHADOW;
	e.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	OK(ioctl(v->fd, KVM_SET_VCPU_EVENTS, &e));
	OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
	CHECK(e.interrupt.shadow, "lost");
}

TEST(mp_state)
{
	struct vcpu *v = fresh();
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_HALTED }, got;

	OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	OK(ioctl(v->fd, KVM_GET_MP_STATE, &got));
	CHECK_EQ(got.mp_state, KVM_MP_STATE_HALTED);
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	want_mark(v, 1);
	mp.mp_state = 77;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	mp.mp_state = KVM_MP_STATE_STOPPED;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_MP_STATE, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_MP_STATE, BAD));
}

/* Without a local APIC in the kernel there is nothing but running. */
TEST(mp_state_no_irqchip)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_idle);
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_INIT_RECEIVED };

	FAILS(EINVAL, ioctl(v->fd, KVM_SET_MP_STATE, &mp));
	mp.mp_state = KVM_MP_STATE_RUNNABLE;
	OK(ioctl(v->fd, KVM_SET_MP_STATE, &mp));
}

TEST(lapic)
{
	struct vcpu *v = fresh();
	struct kvm_lapic_state l, got;

	OK(ioctl(v->fd, KVM_GET_LAPIC, &l));
	CHECK_EQ(*(uint32_t *)(l.regs + 0x20) >> 24, 0);
	CHECK_EQ(*(uint32_t *)(l.regs + 0x30) & 0xff, 0x14);
	*(uint32_t *)(l.regs + 0xf0) = 0x1ff;
	*(uint32_t *)(l.regs + 0x80) = 0x30;
	*(uint32_t *)(l.regs + 0x320) = 0x200ef;	/* periodic */
	*(uint32_t *)(l.regs + 0x380) = 0;
	*(uint32_t *)(l.regs + 0x3e0) = 0xb;
	*(uint32_t *)(l.regs + 0x110) = 1 << 5;		/* ISR: vector 37 */
	*(uint32_t *)(l.regs + 0x210) = 1 << 4;		/* IRR: vector 36 */
	*(uint32_t *)(l.regs + 0x190) = 1 << 4;		/* TMR */
	OK(ioctl(v->fd, KVM_SET_LAPIC, &l));
	OK(ioctl(v->fd, KVM_GET_LAPIC, &got));
	CHECK_EQ(*(uint32_t *)(got.regs + 0xf0), 0x1ff);
	CHECK_EQ(*(uint32_t *)(got.regs + 0x80), 0x30);
	CHECK_EQ(*(uint32_t *)(got.regs + 0x320), 0x200ef);
	CHECK_EQ(*(uint32_t *)(got.regs + 0x110), 1 << 5);
	CHECK_EQ(*(uint32_t *)(got.regs + 0x210), 1 << 4);
	CHECK_EQ(*(uint32_t *)(got.regs + 0x190), 1 << 4);
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_LAPIC, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_LAPIC, BAD));
}

TEST(lapic_none)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_idle);
	struct kvm_lapic_state l;

	FAILS(EINVAL, ioctl(v->fd, KVM_GET_LAPIC, &l));
	memset(&l, 0, sizeof(l));
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_LAPIC, &l));
}

TEST(msrs)
{
	struct vcpu *v = fresh();
	struct { struct kvm_msrs h; struct kvm_msr_entry e[4]; } m = {
		.h.nmsrs = 3, .e = { { .index = 0xc0000082, .data = 0x1234 },
				     { .index = 0xdeadbeef, .data = 1 },
				     { .index = 0xc0000081, .data = 0x5678 } },
	};

	/* It stops at the first that is not good and says how far it came. */
	CHECK_EQ(ioctl(v->fd, KVM_SET_MSRS, &m), 1);
	CHECK_EQ(msr_get(v, 0xc0000082), 0x1234);
	CHECK_EQ(msr_get(v, 0xc0000081), 0);
	CHECK_EQ(ioctl(v->fd, KVM_GET_MSRS, &m), 1);
	m.h.nmsrs = 0;
	CHECK_EQ(ioctl(v->fd, KVM_GET_MSRS, &m), 0);
	m.h.nmsrs = 100000;
	FAILS(E2BIG, ioctl(v->fd, KVM_SET_MSRS, &m));
	FAILS(E2BIG, ioctl(v->fd, KVM_GET_MSRS, &m));
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_MSRS, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_SET_MSRS, BAD));
}

TEST(cpuid2)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_bare(vm, 0);
	struct kvm_cpuid2 *c = cpuid_supported(), *got = cpuid_supported();
	uint32_t n = c->nent;

	FAILS(EFAULT, ioctl(v->fd, KVM_SET_CPUID2, BAD));
	FAILS(EFAULT, ioctl(v->fd, KVM_GET_CPUID2, BAD));
	c->nent = 257;
	FAILS(E2BIG, ioctl(v->fd, KVM_SET_CPUID2, c));
	c->nent = 0xffffffff;
	FAILS(E2BIG, ioctl(v->fd, KVM_SET_CPUID2, c));
	c->nent = n;
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
	got->nent = n - 1;
	FAILS(E2BIG, ioctl(v->fd, KVM_GET_CPUID2, got));
	got->nent = n;
	OK(ioctl(v->fd, KVM_GET_CPUID2, got));
	CHECK_EQ(got->nent, n);
	/* Given back, it is the same again. */
	OK(ioctl(v->fd, KVM_SET_CPUID2, got));
	/* An address width that no processor has. */
	cpuid_find(c, 0x80000008, 0)->eax = 0x3020;
	cpuid_find(c, 0x80000008, 0)->eax = 40 | 33 << 8;
	FAILS(EINVAL, ioctl(v->fd, KVM_SET_CPUID2, c));
}

TEST(tsc_khz)
{
	struct vcpu *v = fresh();
	long khz = OK(ioctl(v->fd, KVM_GET_TSC_KHZ, 0));

	CHECK(khz > 1000 && khz < 10000000, "%ld", khz);
	OK(ioctl(v->fd, KVM_SET_TSC_KHZ, khz));
	CHECK_EQ(OK(ioctl(v->fd, KVM_GET_TSC_KHZ, 0)), khz);
	/* What the hardware cannot scale to may be refused, or emulated. */
	if (ioctl(v->fd, KVM_SET_TSC_KHZ, 0x7fffffff))
		CHECK_EQ(errno, EINVAL);
	/* Zero is the host's. */
	OK(ioctl(v->fd, KVM_SET_TSC_KHZ, 0));
}

TEST(clock)
{
	struct vcpu *v = fresh();
	struct kvm_clock_data c = { 0 }, got;

	OK(ioctl(v->vm->fd, KVM_GET_CLOCK, &c));
	CHECK(c.clock < 60ULL * 1000000000, "%llu", c.clock);
	memset(&c, 0, sizeof(c));
	c.clock = 1000000000000000;
	OK(ioctl(v->vm->fd, KVM_SET_CLOCK, &c));
	OK(ioctl(v->vm->fd, KVM_GET_CLOCK, &got));
	CHECK(got.clock >= c.clock && got.clock < c.clock + 10000000000,
	      "%llu", got.clock);
	c.flags = 1U << 30;
	FAILS(EINVAL, ioctl(v->vm->fd, KVM_SET_CLOCK, &c));
	FAILS(EFAULT, ioctl(v->vm->fd, KVM_GET_CLOCK, BAD));
	FAILS(EFAULT, ioctl(v->vm->fd, KVM_SET_CLOCK, BAD));
}

TEST(irqchip)
{
	struct vm *vm = vm_bare();
	struct kvm_irqchip c = { .chip_id = 0 }, got;
	int i;

	FAILS(ENXIO, ioctl(vm->fd, KVM_GET_IRQCHIP, &c));
	FAILS(ENXIO, ioctl(vm->fd, KVM_SET_IRQCHIP, &c));
	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	for (i = 0; i < 3; i++) {
		memset(&c, 0, sizeof(c));
		c.chip_id = i;
		OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &c));
		if (i < 2) {
			c.chip.pic.imr = 0xb8 + i;
			c.chip.pic.irq_base = 0x20 + i * 8;
			c.chip.pic.elcr = i ? 0x0c : 0;
			c.chip.pic.last_irr = 2;
		} else {
			c.chip.ioapic.redirtbl[5].bits = 0x0300000000010045;
			c.chip.ioapic.ioregsel = 0x12;
			c.chip.ioapic.id = 2;
		}
		OK(ioctl(vm->fd, KVM_SET_IRQCHIP, &c));
		memset(&got, 0, sizeof(got));
		got.chip_id = i;
		OK(ioctl(vm->fd, KVM_GET_IRQCHIP, &got));
		same(&c, &got, sizeof(c), i < 2 ? "PIC" : "I/O APIC");
	}
	c.chip_id = 3;
	FAILS(EINVAL, ioctl(vm->fd, KVM_GET_IRQCHIP, &c));
	FAILS(EINVAL, ioctl(vm->fd, KVM_SET_IRQCHIP, &c));
	FAILS(EFAULT, ioctl(vm->fd, KVM_GET_IRQCHIP, BAD));
	FAILS(EFAULT, ioctl(vm->fd, KVM_SET_IRQCHIP, BAD));
}

TEST(pit2)
{
	struct vm *vm = vm_bare();
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_reinject_control rc = { .pit_reinject = 1 };
	struct kvm_pit_state2 s, got;

	FAILS(ENXIO, ioctl(vm->fd, KVM_GET_PIT2, &s));
	memset(&s, 0, sizeof(s));
	FAILS(ENXIO, ioctl(vm->fd, KVM_SET_PIT2, &s));
	FAILS(ENXIO, ioctl(vm->fd, KVM_REINJECT_CONTROL, &rc));
	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	OK(ioctl(vm->fd, KVM_GET_PIT2, &s));
	CHECK_EQ(s.channels[0].count, 0x10000);
	CHECK_EQ(s.channels[2].gate, 0);
	s.channels[0].mode = 0xff;		/* idle */
	s.channels[2].count = 0x1234;
	s.channels[2].rw_mode = 3;
	s.channels[2].mode = 3;
	OK(ioctl(vm->fd, KVM_SET_PIT2, &s));
	OK(ioctl(vm->fd, KVM_GET_PIT2, &got));
	CHECK_EQ(got.channels[2].count, 0x1234);
	CHECK_EQ(got.channels[2].rw_mode, 3);
	CHECK_EQ(got.channels[2].mode, 3);
	OK(ioctl(vm->fd, KVM_REINJECT_CONTROL, &rc));
	rc.pit_reinject = 0;
	OK(ioctl(vm->fd, KVM_REINJECT_CONTROL, &rc));
	FAILS(EFAULT, ioctl(vm->fd, KVM_GET_PIT2, BAD));
	FAILS(EFAULT, ioctl(vm->fd, KVM_SET_PIT2, BAD));
	FAILS(EFAULT, ioctl(vm->fd, KVM_REINJECT_CONTROL, BAD));
}

/* The calls of before the second ones: the same but for the flags. */
TEST(pit)
{
	struct vm *vm = vm_bare();
	struct kvm_pit_state s, got;
	struct kvm_pit_state2 s2;

	memset(&s, 0, sizeof(s));
	FAILS(ENXIO, ioctl(vm->fd, KVM_GET_PIT, &s));
	FAILS(ENXIO, ioctl(vm->fd, KVM_SET_PIT, &s));
	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	OK(ioctl(vm->fd, KVM_CREATE_PIT, 0));
	FAILS(EEXIST, ioctl(vm->fd, KVM_CREATE_PIT, 0));
	FAILS(EEXIST, ioctl(vm->fd, KVM_CREATE_PIT2, &(struct kvm_pit_config){ }));
	OK(ioctl(vm->fd, KVM_GET_PIT, &s));
	CHECK_EQ(s.channels[0].count, 0x10000);
	s.channels[0].mode = 0xff;		/* idle */
	s.channels[2].count = 0x4321;
	s.channels[2].rw_mode = 3;
	s.channels[2].mode = 2;
	s.channels[2].gate = 1;
	OK(ioctl(vm->fd, KVM_SET_PIT, &s));
	OK(ioctl(vm->fd, KVM_GET_PIT, &got));
	CHECK_EQ(got.channels[2].count, 0x4321);
	CHECK_EQ(got.channels[2].rw_mode, 3);
	CHECK_EQ(got.channels[2].mode, 2);
	OK(ioctl(vm->fd, KVM_GET_PIT2, &s2));
	CHECK_EQ(s2.channels[2].count, 0x4321);
	FAILS(EFAULT, ioctl(vm->fd, KVM_GET_PIT, BAD));
	FAILS(EFAULT, ioctl(vm->fd, KVM_SET_PIT, BAD));
}

/* How many pages for shadow tables: a number that is kept. */
TEST(mmu_pages)
{
	struct vm *vm = vm_new(NULL);

	NEED_CAP(KVM_CAP_MMU_SHADOW_CACHE_CONTROL);
	FAILS(EINVAL, ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 63));
	OK(ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 64));
	CHECK_EQ(ioctl(vm->fd, KVM_GET_NR_MMU_PAGES, 0), 64);
	OK(ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 5000));
	CHECK_EQ(ioctl(vm->fd, KVM_GET_NR_MMU_PAGES, 0), 5000);
}

/* Addresses as the guest's tables translate them. */
TEST(translate)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_idle);
	struct kvm_translation t = { .linear_address = 0x123456 };

	*(uint64_t *)(vm->mem + G_PD + 3 * 8) = 0x40000000 | 0x83;
	*(uint64_t *)(vm->mem + G_PD + 5 * 8) = 0;
	OK(ioctl(v->fd, KVM_TRANSLATE, &t));
	CHECK_EQ(t.valid, 1);
	CHECK_EQ(t.physical_address, 0x123456);
	t.linear_address = 6 * MiB + 0x1234;
	OK(ioctl(v->fd, KVM_TRANSLATE, &t));
	CHECK_EQ(t.physical_address, 0x40001234);
	t.linear_address = 10 * MiB;
	OK(ioctl(v->fd, KVM_TRANSLATE, &t));
	CHECK_EQ(t.valid, 0);
	/* KVM always says writeable, and not the user's. */
	if (!node_is_kvm()) {
		CHECK_EQ(t.writeable, 0);
		t.linear_address = 0x123456;
		OK(ioctl(v->fd, KVM_TRANSLATE, &t));
		CHECK_EQ(t.writeable, 1);
		CHECK_EQ(t.usermode, 1);
		t.linear_address = 6 * MiB;
		OK(ioctl(v->fd, KVM_TRANSLATE, &t));
		CHECK_EQ(t.writeable, 1);
		CHECK_EQ(t.usermode, 0);
	}
	FAILS(EFAULT, ioctl(v->fd, KVM_TRANSLATE, BAD));
}

/*
 * All of one vCPU's state into a vCPU of another VM, in the midst of a
 * computation; it must go on as if nothing were.
 */
TEST_TIMEOUT(move_between_vms, 60)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_sum);
	uint64_t want = 0;
	int i;

	for (i = 1; i <= 20; i++) {
		struct { struct kvm_msrs h; struct kvm_msr_entry e[2]; } m = {
			.h.nmsrs = 2, .e = { { .index = 0xc0000100 },
					     { .index = 0xc0000101 } } };
		struct vm *to = vm_new_irqchip(NULL);
		struct vcpu *w = vcpu_new(to, 0, LONG64, 0);
		struct kvm_vcpu_events e;
		struct kvm_lapic_state l;
		struct kvm_debugregs d;
		struct kvm_mp_state mp;
		struct kvm_sregs s;
		struct kvm_xsave x;
		struct kvm_xcrs xc;
		struct kvm_regs r;

		want += i;
		MUST_EQ(want_value(v), want);
		/* The OUT before is finished first. */
		v->run->immediate_exit = 1;
		FAILS(EINTR, ioctl(v->fd, KVM_RUN, 0));
		r = vcpu_regs(v);
		s = vcpu_sregs(v);
		OK(ioctl(v->fd, KVM_GET_VCPU_EVENTS, &e));
		OK(ioctl(v->fd, KVM_GET_LAPIC, &l));
		OK(ioctl(v->fd, KVM_GET_DEBUGREGS, &d));
		OK(ioctl(v->fd, KVM_GET_XSAVE, &x));
		OK(ioctl(v->fd, KVM_GET_XCRS, &xc));
		OK(ioctl(v->fd, KVM_GET_MP_STATE, &mp));
		CHECK_EQ(ioctl(v->fd, KVM_GET_MSRS, &m), 2);
		memcpy(to->mem, vm->mem, VM_MEM);

		vcpu_set_sregs(w, &s);
		vcpu_set_regs(w, &r);
		OK(ioctl(w->fd, KVM_SET_XCRS, &xc));
		OK(ioctl(w->fd, KVM_SET_XSAVE, &x));
		OK(ioctl(w->fd, KVM_SET_DEBUGREGS, &d));
		OK(ioctl(w->fd, KVM_SET_LAPIC, &l));
		CHECK_EQ(ioctl(w->fd, KVM_SET_MSRS, &m), 2);
		OK(ioctl(w->fd, KVM_SET_VCPU_EVENTS, &e));
		OK(ioctl(w->fd, KVM_SET_MP_STATE, &mp));
		vcpu_free(v);
		vm_free(vm);
		vm = to;
		v = w;
	}
}
