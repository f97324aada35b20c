// SPDX-License-Identifier: GPL-2.0-only
/* The binary statistics descriptor, of a VM and of a vCPU. */
#include "ltest.h"
#include "stats.guest.gen.h"

static void well_formed(int fd)
{
	struct kvm_stats_header h;
	uint8_t *all = stats_read(fd, &h);
	void *volatile nowhere = (void *)8;
	uint32_t i, end = 0;
	char c[8];

	CHECK(strnlen((char *)all + h.id_offset, h.name_size) > 0);
	for (i = 0; i < h.num_desc; i++) {
		struct kvm_stats_desc *d = stats_desc(&h, all, i);

		CHECK(strnlen(d->name, h.name_size) < h.name_size && d->name[0]);
		CHECK((d->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_MAX,
		      "%s", d->name);
		CHECK((d->flags & KVM_STATS_UNIT_MASK) <= 0x40, "%s", d->name);
		CHECK(d->size >= 1, "%s", d->name);
		CHECK_EQ(d->offset % 8, 0);
		if (d->offset + d->size * 8 > end)
			end = d->offset + d->size * 8;
	}
	/* Reading the data, at its very end, and beyond. */
	CHECK_EQ(OK(pread(fd, c, 8, h.data_offset)), 8);
	CHECK_EQ(OK(pread(fd, c, 8, h.data_offset + end - 8)), 8);
	CHECK_EQ(OK(pread(fd, c, 8, h.data_offset + end)), 0);
	CHECK_EQ(OK(pread(fd, c, 8, 1UL << 40)), 0);
	FAILS(EFAULT, pread(fd, nowhere, 8, 0));
	/* By small pieces it is the same. */
	for (i = 0; i < h.data_offset; i++) {
		OK(pread(fd, c, 1, i));
		if (c[0] != (char)all[i])
			break;
	}
	CHECK_EQ(i, h.data_offset);
	free(all);
}

TEST(vm)
{
	struct vm *vm = vm_new(&payload);

	NEED_CAP(KVM_CAP_BINARY_STATS_FD);
	well_formed(OK(ioctl(vm->fd, KVM_GET_STATS_FD, 0)));
}

TEST(vcpu)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_exits);

	NEED_CAP(KVM_CAP_BINARY_STATS_FD);
	well_formed(OK(ioctl(v->fd, KVM_GET_STATS_FD, 0)));
}

TEST(counts)
{
	struct vm *vm = vm_new(&payload);
	struct vcpu *v = vcpu_new(vm, 0, LONG64, G_exits);
	uint64_t exits, io;
	int fd, i;

	NEED_CAP(KVM_CAP_BINARY_STATS_FD);
	fd = OK(ioctl(v->fd, KVM_GET_STATS_FD, 0));
	want_mark(v, 1);
	exits = stats_value(fd, "exits");
	io = stats_value(fd, "io_exits");
	for (i = 0; i < 10; i++)
		want_mark(v, 1);
	CHECK(stats_value(fd, "exits") >= exits + 10);
	CHECK(stats_value(fd, "io_exits") >= io + 10);
	/* It outlives the VM's own descriptors. */
	close(vm->fd);
	close(v->fd);
	CHECK(stats_value(fd, "exits") >= exits + 10);
}
