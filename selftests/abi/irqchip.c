// SPDX-License-Identifier: GPL-2.0-only
/* The I/O APIC, the two PICs, MSIs and the routing between them. */
#include <pthread.h>

#include "ltest.h"
#include "irqchip.guest.gen.h"

static struct vcpu *start(uint64_t entry)
{
	return vcpu_new(vm_new_irqchip(&payload), 0, LONG64, entry);
}

static void line(struct vcpu *v, uint32_t gsi, int level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };

	OK(ioctl(v->vm->fd, KVM_IRQ_LINE, &l));
}

/* > 0 delivered, 0 merged with one that is pending, < 0 masked. */
static int line_status(struct vcpu *v, uint32_t gsi, int level)
{
	struct kvm_irq_level l = { .irq = gsi, .level = level };

	OK(ioctl(v->vm->fd, KVM_IRQ_LINE_STATUS, &l));
	return l.status;
}

static int msi_try(struct vm *vm, uint32_t addr, uint32_t data)
{
	struct kvm_msi m = { .address_lo = addr, .data = data };

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &m);
}

static int routing(struct vm *vm, int n, const struct kvm_irq_routing_entry *e)
{
	struct kvm_irq_routing *r = calloc(1, sizeof(*r) + n * sizeof(*e));
	int ret;

	r->nr = n;
	memcpy(r->entries, e, n * sizeof(*e));
	ret = ioctl(vm->fd, KVM_SET_GSI_ROUTING, r);
	free(r);
	return ret;
}

static struct kvm_irq_routing_entry to_msi(uint32_t gsi, uint32_t data)
{
	return (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi.address_lo = 0xfee00000, .u.msi.data = data,
	};
}

TEST(no_irqchip)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_irq_level l = { .irq = 1, .level = 1 };
	struct kvm_irq_routing_entry e = to_msi(5, 0x50);

	FAILS(ENXIO, ioctl(vm->fd, KVM_IRQ_LINE, &l));
	FAILS(ENXIO, ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &l));
	FAILS(EINVAL, msi_try(vm, 0xfee00000, 0x50));
	FAILS(EINVAL, routing(vm, 1, &e));
}

TEST(arguments)
{
	struct vcpu *v = start(G_ioapic_edge);
	struct vm *vm = v->vm;
	struct kvm_msi m = { .flags = 1U << 31 };
	struct kvm_irq_routing bad = { .nr = 1 << 30 };

	FAILS(EFAULT, ioctl(vm->fd, KVM_IRQ_LINE, 8));
	FAILS(EFAULT, ioctl(vm->fd, KVM_SIGNAL_MSI, 8));
	FAILS(EINVAL, ioctl(vm->fd, KVM_SIGNAL_MSI, &m));
	m.flags = KVM_MSI_VALID_DEVID;
	errno = 0;
	ioctl(vm->fd, KVM_SIGNAL_MSI, &m);	/* to nobody: EPERM on KVM */
	CHECK(errno != EINVAL);
	FAILS(EFAULT, ioctl(vm->fd, KVM_SET_GSI_ROUTING, 8));
	FAILS(EINVAL, ioctl(vm->fd, KVM_SET_GSI_ROUTING, &bad));
	bad.nr = 0;
	bad.flags = 1;
	FAILS(EINVAL, ioctl(vm->fd, KVM_SET_GSI_ROUTING, &bad));
	/* A GSI far out of range is refused or goes nowhere. */
	ioctl(vm->fd, KVM_IRQ_LINE,
	      &(struct kvm_irq_level){ .irq = 0xffffffff, .level = 1 });
	ioctl(vm->fd, KVM_IRQ_LINE,
	      &(struct kvm_irq_level){ .irq = 4096, .level = 1 });
}

TEST(routing_arguments)
{
	struct vm *vm = vm_new_irqchip(NULL);
	struct kvm_irq_routing_entry e[2] = { to_msi(5, 0x50), to_msi(5, 0x51) };

	OK(routing(vm, 1, e));
	FAILS(EINVAL, routing(vm, 2, e));	/* two MSIs of one GSI */
	e[0].type = 77;
	FAILS(EINVAL, routing(vm, 1, e));
	e[0] = to_msi(5, 0x50);
	e[0].flags = 1U << 31;
	FAILS(EINVAL, routing(vm, 1, e));
	e[0] = to_msi(0x7fffffff, 0x50);
	FAILS(EINVAL, routing(vm, 1, e));
	e[0] = (struct kvm_irq_routing_entry) { .gsi = 1,
		.type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = { 7, 1 } };
	FAILS(EINVAL, routing(vm, 1, e));
	e[0].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
	e[0].u.irqchip.pin = 24;
	FAILS(EINVAL, routing(vm, 1, e));
	e[0].u.irqchip.irqchip = KVM_IRQCHIP_PIC_MASTER;
	e[0].u.irqchip.pin = 8;
	FAILS(EINVAL, routing(vm, 1, e));
	/* None at all. */
	OK(routing(vm, 0, e));
}

TEST(ioapic_registers)
{
	want_done(start(G_ioapic_registers));
}

TEST(ioapic_edge)
{
	struct vcpu *v = start(G_ioapic_edge);
	int i;

	want_mark(v, 1);
	for (i = 0; i < 5; i++) {
		CHECK(line_status(v, 5, 1) > 0);
		/* The same level again is no edge. */
		CHECK_EQ(line_status(v, 5, 1), 0);
		want_mark(v, i + 2);
		line(v, 5, 0);
	}
	/* Two edges before the guest takes the first are one. */
	CHECK(line_status(v, 5, 1) > 0);
	line(v, 5, 0);
	line(v, 5, 1);
	want_mark(v, 7);
	/* No one listens at this pin, of no chip. */
	CHECK(line_status(v, 6, 1) < 0);
}

/* A pin that is said to be low when it is active, raised and lowered like any other. */
TEST(ioapic_polarity)
{
	struct vcpu *v = start(G_ioapic_polarity);

	NEED_CAP(KVM_CAP_IOAPIC_POLARITY_IGNORED);
	want_mark(v, 1);
	line(v, 5, 1);
	line(v, 10, 1);
	want_mark(v, 2);
	line(v, 5, 0);
	line(v, 10, 0);
	want_done(v);
}

TEST(ioapic_level)
{
	struct vcpu *v = start(G_ioapic_level);

	want_mark(v, 1);
	line(v, 10, 1);
	/* The guest takes it thrice before the line falls. */
	want_mark(v, 2);
	line(v, 10, 0);
	want_mark(v, 3);
	/* Masked and raised: there when the mask goes. */
	line(v, 10, 1);
	want_mark(v, 4);
	line(v, 10, 0);
	want_done(v);
}

TEST(ioapic_destinations)
{
	struct vcpu *v = start(G_ioapic_destinations);
	int i;

	for (i = 1; i <= 5; i++) {
		want_mark(v, i);
		line(v, 5, 1);
		line(v, 5, 0);
	}
	want_done(v);
}

TEST(ioapic_nmi)
{
	struct vcpu *v = start(G_ioapic_nmi);

	want_mark(v, 1);
	line(v, 5, 1);
	line(v, 5, 0);
	want_done(v);
}

TEST(msi)
{
	struct vcpu *v = start(G_msi);

	want_mark(v, 1);
	CHECK_EQ(OK(msi_try(v->vm, 0xfee00000, 0x51)), 1);
	/* Merged with the one that waits. */
	OK(msi_try(v->vm, 0xfee00000, 0x51));
	CHECK_EQ(OK(msi_try(v->vm, 0xfee00000, 0x52)), 1);
	want_mark(v, 2);
	/* To a processor that is not there; broadcast. */
	CHECK_EQ(OK(msi_try(v->vm, 0xfee07000, 0x51)), 0);
	CHECK_EQ(OK(msi_try(v->vm, 0xfeeff000, 0x53)), 1);
	/* Logical, one bit; and as NMI. */
	CHECK_EQ(OK(msi_try(v->vm, 0xfee01004, 0x54)), 1);
	CHECK_EQ(OK(msi_try(v->vm, 0xfee00000, 0x400)), 1);
	want_done(v);
}

TEST(routed_msi)
{
	struct kvm_irq_routing_entry e[2] = { to_msi(30, 0x51), to_msi(31, 0x52) };
	struct vcpu *v = start(G_msi);

	OK(routing(v->vm, 2, e));
	want_mark(v, 1);
	line(v, 30, 1);
	line(v, 30, 1);
	line(v, 31, 1);
	line(v, 5, 1);				/* no longer routed */
	want_mark(v, 2);
}

/* One GSI on two pins. */
TEST(routed_twice)
{
	struct kvm_irq_routing_entry e[] = {
		{ .gsi = 40, .type = KVM_IRQ_ROUTING_IRQCHIP,
		  .u.irqchip = { KVM_IRQCHIP_IOAPIC, 5 } },
		{ .gsi = 40, .type = KVM_IRQ_ROUTING_IRQCHIP,
		  .u.irqchip = { KVM_IRQCHIP_PIC_SLAVE, 1 } },
	};
	struct vcpu *v = start(G_ioapic_edge);
	struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };

	OK(routing(v->vm, 2, e));
	want_mark(v, 1);
	line(v, 40, 1);
	want_mark(v, 2);
	OK(ioctl(v->vm->fd, KVM_GET_IRQCHIP, &c));
	CHECK_EQ(c.chip.pic.irr, 2);
}

TEST(pic)
{
	struct vcpu *v = start(G_pic);

	want_mark(v, 1);
	line(v, 3, 1);
	want_mark(v, 2);
	line(v, 3, 0);
	/* Through the cascade. */
	line(v, 10, 1);
	want_mark(v, 3);
	line(v, 10, 0);
	/* Both at once: 1 before 10 before 5. */
	line(v, 5, 1);
	line(v, 10, 1);
	line(v, 1, 1);
	want_mark(v, 4);
	line(v, 5, 0);
	line(v, 10, 0);
	line(v, 1, 0);
	/* Masked. */
	line(v, 4, 1);
	want_mark(v, 5);
	want_mark(v, 6);
	line(v, 4, 0);
	want_done(v);
}

TEST(pic_level)
{
	struct vcpu *v = start(G_pic_level);

	want_mark(v, 1);
	line(v, 10, 1);
	want_mark(v, 2);
	line(v, 10, 0);
	want_done(v);
}

/* A line that falls before it is taken leaves the spurious vector. */
TEST(pic_spurious)
{
	struct vcpu *v = start(G_pic_spurious);

	want_mark(v, 1);
	line(v, 4, 1);
	line(v, 4, 0);
	vcpu_run(v);
	report_guest_failure(v);
}

static void *nmi_later(void *arg)
{
	usleep(100000);
	OK(msi_try(arg, 0xfee00000, 0x400));
	return NULL;
}

/* Sleeping in HLT, woken by a line, an MSI, an NMI. */
TEST(halt)
{
	struct vcpu *v = start(G_halt);
	pthread_t t;

	want_mark(v, 1);
	line(v, 5, 1);
	line(v, 5, 0);
	want_mark(v, 2);
	msi_try(v->vm, 0xfee00000, 0x51);
	want_mark(v, 3);
	/* KVM_NMI would wait for the vCPU: from beside it is an MSI. */
	pthread_create(&t, NULL, nmi_later, v->vm);
	want_done(v);
	pthread_join(t, NULL);
}

/* The launcher's view of a pending line, and a controller's whole state. */
TEST(pending_state)
{
	struct vcpu *v = start(G_ioapic_level);
	struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_IOAPIC };

	want_mark(v, 1);
	OK(ioctl(v->vm->fd, KVM_GET_IRQCHIP, &c));
	CHECK_EQ(c.chip.ioapic.irr, 0);
	CHECK_EQ(c.chip.ioapic.base_address, 0xfec00000);
	line(v, 10, 1);
	OK(ioctl(v->vm->fd, KVM_GET_IRQCHIP, &c));
	CHECK_EQ(c.chip.ioapic.irr, 1 << 10);
	CHECK_EQ(c.chip.ioapic.redirtbl[10].fields.remote_irr, 1);
	OK(ioctl(v->vm->fd, KVM_SET_IRQCHIP, &c));
	want_mark(v, 2);
	line(v, 10, 0);
	want_mark(v, 3);
	OK(ioctl(v->vm->fd, KVM_GET_IRQCHIP, &c));
	CHECK_EQ(c.chip.ioapic.irr, 0);
	CHECK_EQ(c.chip.ioapic.redirtbl[10].fields.remote_irr, 0);
}

/* The local APICs alone in the kernel. */
static int split(struct vm *vm, uint64_t pins)
{
	return vm_enable(vm, KVM_CAP_SPLIT_IRQCHIP, pins);
}

static struct vcpu *start_split(uint64_t entry)
{
	struct vm *vm = vm_new(&payload);

	OK(split(vm, 24));
	return vcpu_new(vm, 0, LONG64, entry);
}

static int extint(struct vcpu *v, uint32_t vector)
{
	return ioctl(v->fd, KVM_INTERRUPT, &(struct kvm_interrupt){ vector });
}

TEST(split_arguments)
{
	struct vm *vm = vm_new(&payload), *late = vm_new(&payload);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irq_routing_entry e = { .gsi = 1,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { KVM_IRQCHIP_IOAPIC, 1 } };
	struct kvm_irqfd resample = { .fd = 0, .gsi = 1,
		.flags = KVM_IRQFD_FLAG_RESAMPLE };

	CHECK_EQ(node_cap(KVM_CAP_SPLIT_IRQCHIP), 1);
	FAILS(EINVAL, split(vm, 4097));
	OK(split(vm, 24));
	FAILS(EEXIST, split(vm, 24));
	FAILS(EEXIST, ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	FAILS(EEXIST, split(vm_new_irqchip(NULL), 24));
	FAILS(ENXIO, ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
	FAILS(ENXIO, ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
	FAILS(EINVAL, routing(vm, 1, &e));
	e = to_msi(1, 0x50);
	OK(routing(vm, 1, &e));
	FAILS(EINVAL, ioctl(vm->fd, KVM_IRQFD, &resample));
	vcpu_bare(late, 0);
	FAILS(EEXIST, split(late, 24));
}

/* Without a PIC of its own the APIC takes the launcher's, through LINT0. */
TEST(split_extint)
{
	struct vcpu *v = start_split(G_split_extint);

	want_mark(v, 1);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 0);	/* IF */
	want_mark(v, 2);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 0);	/* LINT0 */
	want_mark(v, 3);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 1);
	OK(extint(v, 0x31));
	FAILS(EEXIST, extint(v, 0x32));
	want_mark(v, 4);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 0);
	v->run->request_interrupt_window = 1;
	want_exit(v, KVM_EXIT_IRQ_WINDOW_OPEN);
	CHECK_EQ(v->run->ready_for_interrupt_injection, 1);
	v->run->request_interrupt_window = 0;
	OK(extint(v, 0x31));
	want_mark(v, 5);
	/* It ends a HLT, which is the kernel's to wait in. */
	OK(extint(v, 0x31));
	want_done(v);
}

/* EOIs of level-triggered pins are the launcher's to hear of. */
TEST(split_eoi)
{
	struct vcpu *v = start_split(G_split_eoi);
	struct kvm_irq_routing_entry e[] = {
		to_msi(5, 0xc055), to_msi(6, 0x4057), to_msi(30, 0xc056),
	};

	OK(routing(v->vm, 3, e));
	want_mark(v, 1);
	CHECK(line_status(v, 5, 1) > 0);
	want_exit(v, KVM_EXIT_IOAPIC_EOI);
	CHECK_EQ(v->run->eoi.vector, 0x55);
	want_mark(v, 2);
	line(v, 6, 1);			/* an edge */
	line(v, 30, 1);			/* no pin */
	want_done(v);
}
