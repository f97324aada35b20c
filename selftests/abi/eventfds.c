// SPDX-License-Identifier: GPL-2.0-only
/* irqfd and ioeventfd: events in and out without the launcher's thread. */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "ltest.h"
#include "eventfds.guest.gen.h"

static struct vcpu *start(uint64_t entry)
{
	return vcpu_new(vm_new_irqchip(&payload), 0, LONG64, entry);
}

static int event(void)
{
	return OK(eventfd(0, EFD_NONBLOCK));
}

/* How often it was signalled, and clear now. */
static uint64_t drain(int fd)
{
	uint64_t n = 0;

	if (read(fd, &n, 8) != 8)
		return 0;
	return n;
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	OK(write(fd, &one, 8));
}

static int irqfd(struct vm *vm, int fd, uint32_t gsi, uint32_t flags, int resample)
{
	struct kvm_irqfd i = { .fd = fd, .gsi = gsi, .flags = flags,
			       .resamplefd = resample };

	return ioctl(vm->fd, KVM_IRQFD, &i);
}

static void route_msi(struct vm *vm, uint32_t gsi, uint32_t data)
{
	struct kvm_irq_routing *r = calloc(1, sizeof(*r) + 2 * sizeof(r->entries[0]));

	r->nr = 2;
	r->entries[0] = (struct kvm_irq_routing_entry) {
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi.address_lo = 0xfee00000, .u.msi.data = data,
	};
	r->entries[1] = (struct kvm_irq_routing_entry) {
		.gsi = 10, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { KVM_IRQCHIP_IOAPIC, 10 },
	};
	OK(ioctl(vm->fd, KVM_SET_GSI_ROUTING, r));
	free(r);
}

TEST(irqfd_arguments)
{
	struct vm *bare = vm_new(NULL);
	struct vm *vm = start(G_irqs)->vm;
	int fd = event();

	FAILS(EFAULT, ioctl(vm->fd, KVM_IRQFD, 8));
	FAILS(EINVAL, irqfd(vm, fd, 5, 1 << 7, 0));
	FAILS(EBADF, irqfd(vm, -1, 5, 0, 0));
	FAILS(EINVAL, irqfd(vm, 0, 5, 0, 0));	/* no eventfd */
	OK(irqfd(vm, fd, 5, 0, 0));
	FAILS(EBUSY, irqfd(vm, fd, 5, 0, 0));
	FAILS(EBUSY, irqfd(vm, fd, 6, 0, 0));
	FAILS(EBADF, irqfd(vm, event(), 5, KVM_IRQFD_FLAG_RESAMPLE, -1));
	OK(irqfd(vm, fd, 5, KVM_IRQFD_FLAG_DEASSIGN, 0));
	/* Nothing there any more: that is no error. */
	OK(irqfd(vm, fd, 5, KVM_IRQFD_FLAG_DEASSIGN, 0));
	OK(irqfd(vm, fd, 5, 0, 0));
	/* KVM takes lines that no route can have. */
	if (!node_is_kvm())
		FAILS(EINVAL, irqfd(vm, event(), 4096, 0, 0));
	/* Without a controller. */
	FAILS(EINVAL, irqfd(bare, fd, 5, 0, 0));
}

TEST(irqfd_msi)
{
	struct vcpu *v = start(G_irqs);
	int fd = event(), i;

	route_msi(v->vm, 30, 0x51);
	OK(irqfd(v->vm, fd, 30, 0, 0));
	want_mark(v, 1);
	for (i = 0; i < 5; i++) {
		signal_fd(fd);
		CHECK_EQ(want_value(v), 0x51);
		want_mark(v, 1);
	}
	/* Routed anew, from the next event on. */
	route_msi(v->vm, 30, 0x52);
	signal_fd(fd);
	CHECK_EQ(want_value(v), 0x52);
	want_mark(v, 1);
	/* Signalled before it is bound, it comes at once. */
	OK(irqfd(v->vm, fd, 30, KVM_IRQFD_FLAG_DEASSIGN, 0));
	signal_fd(fd);
	want_mark(v, 1);
	OK(irqfd(v->vm, fd, 30, 0, 0));
	CHECK_EQ(want_value(v), 0x52);
	want_mark(v, 1);
	/* The eventfd closed: it leaves on its own. */
	close(fd);
	want_mark(v, 1);
}

TEST(irqfd_edge)
{
	struct vcpu *v = start(G_irqs);
	int fd = event(), i;

	OK(irqfd(v->vm, fd, 5, 0, 0));
	want_mark(v, 1);
	for (i = 0; i < 5; i++) {
		signal_fd(fd);
		CHECK_EQ(want_value(v), 0x45);
		want_mark(v, 1);
	}
}

/* A level line: held until the guest says EOI, which is told. */
TEST(irqfd_resample)
{
	struct vcpu *v = start(G_irqs);
	int fd = event(), again = event(), i;
	struct kvm_irqchip c = { .chip_id = KVM_IRQCHIP_IOAPIC };

	OK(irqfd(v->vm, fd, 10, KVM_IRQFD_FLAG_RESAMPLE, again));
	want_mark(v, 1);
	for (i = 0; i < 4; i++) {
		signal_fd(fd);
		usleep(1000);
		CHECK_EQ(drain(again), 0);
		CHECK_EQ(want_value(v), 0x4a);
		CHECK_EQ(drain(again), 0);	/* not before the EOI */
		want_mark(v, 1);
		CHECK_EQ(drain(again), 1);
	}
	OK(ioctl(v->vm->fd, KVM_GET_IRQCHIP, &c));
	CHECK_EQ(c.chip.ioapic.irr, 0);
	OK(irqfd(v->vm, fd, 10, KVM_IRQFD_FLAG_DEASSIGN, 0));
}

/* Who asks for EOIs while an interrupt is in service hears of that one's. */
TEST(irqfd_resample_late)
{
	struct vcpu *v = start(G_irqs);
	int fd = event(), again = event();

	OK(irqfd(v->vm, fd, 5, 0, 0));
	want_mark(v, 1);
	signal_fd(fd);
	CHECK_EQ(want_value(v), 0x45);
	OK(irqfd(v->vm, event(), 5, KVM_IRQFD_FLAG_RESAMPLE, again));
	CHECK_EQ(drain(again), 0);
	want_mark(v, 1);
	CHECK_EQ(drain(again), 1);
}

/* A sleeping vCPU is woken by the event, with nobody in between. */
static void *later(void *arg)
{
	usleep(50000);
	signal_fd(*(int *)arg);
	return NULL;
}

TEST(irqfd_wakes)
{
	struct vcpu *v = start(G_sleep);
	pthread_t t;
	int fd = event();

	route_msi(v->vm, 30, 0x51);
	OK(irqfd(v->vm, fd, 30, 0, 0));
	want_mark(v, 1);
	pthread_create(&t, NULL, later, &fd);
	want_mark(v, 2);
	pthread_join(t, NULL);
}

TEST_TIMEOUT(irqfd_many, 40)
{
	struct vcpu *v = start(G_irqs);
	int i, fd[200];

	route_msi(v->vm, 30, 0x51);
	for (i = 0; i < 200; i++)
		OK(irqfd(v->vm, fd[i] = event(), 30, 0, 0));
	want_mark(v, 1);
	for (i = 0; i < 200; i += 20) {
		signal_fd(fd[i]);
		CHECK_EQ(want_value(v), 0x51);
		want_mark(v, 1);
	}
	/* The VM goes away with all of them bound. */
}

/* ---- ioeventfd ---- */

static int ioevent(struct vm *vm, int fd, uint64_t addr, uint32_t len,
		   uint64_t match, uint32_t flags)
{
	struct kvm_ioeventfd e = { .addr = addr, .len = len, .fd = fd,
				   .datamatch = match, .flags = flags };

	return ioctl(vm->fd, KVM_IOEVENTFD, &e);
}

#define PIO	KVM_IOEVENTFD_FLAG_PIO
#define MATCH	KVM_IOEVENTFD_FLAG_DATAMATCH
#define GONE	KVM_IOEVENTFD_FLAG_DEASSIGN
#define DEV	0xd0000000UL

TEST(ioeventfd_arguments)
{
	struct vm *vm = vm_new(&payload);
	int fd = event(), other = event();

	FAILS(EFAULT, ioctl(vm->fd, KVM_IOEVENTFD, 8));
	FAILS(EINVAL, ioevent(vm, fd, DEV, 3, 0, 0));
	FAILS(EINVAL, ioevent(vm, fd, DEV, 16, 0, 0));
	FAILS(EINVAL, ioevent(vm, fd, -2UL, 4, 0, 0));	/* wraps */
	FAILS(EINVAL, ioevent(vm, fd, DEV, 4, 0, 1 << 10));
	FAILS(EINVAL, ioevent(vm, fd, DEV, 0, 1, MATCH));
	FAILS(EBADF, ioevent(vm, -1, DEV, 4, 0, 0));
	FAILS(ENOENT, ioevent(vm, fd, DEV, 4, 0, GONE));
	OK(ioevent(vm, fd, DEV, 4, 0, 0));
	FAILS(EEXIST, ioevent(vm, fd, DEV, 4, 0, 0));
	FAILS(EEXIST, ioevent(vm, other, DEV, 4, 5, MATCH));
	FAILS(ENOENT, ioevent(vm, other, DEV, 4, 0, GONE));
	OK(ioevent(vm, fd, DEV, 4, 0, GONE));
	OK(ioevent(vm, fd, DEV, 4, 1, MATCH));
	OK(ioevent(vm, other, DEV, 4, 2, MATCH));
	FAILS(EEXIST, ioevent(vm, other, DEV, 4, 1, MATCH));
}

TEST(ioeventfd_mmio)
{
	struct vcpu *v = start(G_doorbells);
	int any = event(), one = event(), two = event(), wide = event();

	OK(ioevent(v->vm, any, DEV, 4, 0, 0));
	OK(ioevent(v->vm, one, DEV + 0x10, 2, 1, MATCH));
	OK(ioevent(v->vm, two, DEV + 0x10, 2, 2, MATCH));
	OK(ioevent(v->vm, wide, DEV + 0x20, 0, 0, 0));
	/*
	 * In turn: 4 bytes of anything; 2 bytes of 1, 2, 3 to the matched
	 * ones; 1, 2, 4, 8 bytes to the one of any length.
	 */
	want_mmio(v, true, DEV + 0x10, 2);
	CHECK_EQ(*(uint16_t *)v->run->mmio.data, 3);
	CHECK_EQ(drain(any), 2);
	CHECK_EQ(drain(one), 1);
	CHECK_EQ(drain(two), 1);
	/* The wrong width is not for it. */
	want_mmio(v, true, DEV, 2);
	want_mark(v, 1);
	CHECK_EQ(drain(wide), 4);
	CHECK_EQ(drain(any), 0);
	/* Reads leave. */
	want_mmio(v, false, DEV, 4);
	want_mark(v, 2);
	OK(ioevent(v->vm, any, DEV, 4, 0, GONE));
	want_mmio(v, true, DEV, 4);
	want_done(v);
}

TEST(ioeventfd_port)
{
	struct vcpu *v = start(G_ports);
	int any = event(), one = event(), wide = event();

	OK(ioevent(v->vm, any, 0x510, 2, 0, PIO));
	OK(ioevent(v->vm, one, 0x514, 4, 0x12345678, PIO | MATCH));
	OK(ioevent(v->vm, wide, 0x518, 0, 0, PIO));
	want_io(v, true, 0x514, 4, 1);		/* another value */
	CHECK_EQ(drain(any), 1);
	CHECK_EQ(drain(one), 1);
	want_io(v, true, 0x510, 1, 1);		/* another width */
	want_io(v, false, 0x510, 2, 1);
	want_mark(v, 1);
	CHECK_EQ(drain(wide), 3);
	CHECK_EQ(drain(any), 0);
	want_done(v);
}

/* A full eventfd must not stop the guest. */
TEST(ioeventfd_full)
{
	struct vcpu *v = start(G_ports);
	int any = event();
	uint64_t most = ~0ULL - 1;

	OK(ioevent(v->vm, any, 0x510, 2, 0, PIO));
	OK(write(any, &most, 8));
	want_io(v, true, 0x514, 4, 1);
}

TEST_TIMEOUT(ioeventfd_many, 40)
{
	struct vm *vm = vm_new(&payload);
	int i, r = 0, fd = event();

	/* There is an end to it, and it is an error. */
	for (i = 0; i < 1100; i++) {
		r = ioevent(vm, fd, DEV + i * 8, 4, 0, 0);
		if (r)
			break;
	}
	CHECK(i >= 200, "only %d", i);
	CHECK(!r || errno == ENOSPC, "errno %d", errno);
}
