// SPDX-License-Identifier: GPL-2.0-only
/* Memory slots: what may be made, moved, changed, and what not. */
#include "ltest.h"
#include "slots.guest.gen.h"

#define SLOT(err, ...) FAILS(err, vm_slot_try(vm, __VA_ARGS__))

TEST(arguments)
{
	struct vm *vm = vm_bare();
	uint8_t *m = mem_new(MiB);
	int max = node_cap(KVM_CAP_NR_MEMSLOTS);

	FAILS(EFAULT, ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, 8));
	/* Alignment of each member. */
	SLOT(EINVAL, 0, 0, 1, PAGE, m);
	SLOT(EINVAL, 0, 0, 0, 1, m);
	SLOT(EINVAL, 0, 0, 0, PAGE + 1, m);
	SLOT(EINVAL, 0, 0, 0, PAGE, m + 1);
	/* Wraps. */
	SLOT(EINVAL, 0, 0, -PAGE, 2 * PAGE, m);
	SLOT(EINVAL, 0, 0, PAGE, -PAGE, m);
	SLOT(EINVAL, 0, 0, PAGE, 1ULL << 63, m);
	/* Not memory that a process can have. */
	SLOT(EINVAL, 0, 0, 0, PAGE, (void *)(1UL << 63));
	SLOT(EINVAL, 0, 0, 0, PAGE, (void *)-PAGE);
	SLOT(EINVAL, 0, 0, 0, PAGE, (void *)0xffff888000000000);
	/* Slot numbers; the upper half is the address space. */
	SLOT(EINVAL, max, 0, 0, PAGE, m);
	SLOT(EINVAL, 0xffff, 0, 0, PAGE, m);
	SLOT(EINVAL, 2 << 16, 0, 0, PAGE, m);
	SLOT(EINVAL, 0xffff0000, 0, 0, PAGE, m);
	/* Flags. */
	SLOT(EINVAL, 0, 1 << 2, 0, PAGE, m);
	SLOT(EINVAL, 0, 1U << 31, 0, PAGE, m);
	/* Nothing of all this was made. */
	vm_slot(vm, 0, 0, 0, MiB, m);
	vm_slot(vm, max - 1, 0, MiB, PAGE, m);
}

TEST(delete)
{
	struct vm *vm = vm_bare();
	uint8_t *m = mem_new(MiB);

	SLOT(EINVAL, 3, 0, 0, 0, m);		/* not there */
	vm_slot(vm, 3, 0, 0, MiB, m);
	vm_slot(vm, 3, 0, 0, 0, NULL);
	SLOT(EINVAL, 3, 0, 0, 0, NULL);
	vm_slot(vm, 3, 0, PAGE, MiB, m);
}

TEST(overlap)
{
	struct vm *vm = vm_bare();
	uint8_t *m = mem_new(MiB);

	vm_slot(vm, 0, 0, 16 * PAGE, 16 * PAGE, m);
	SLOT(EEXIST, 1, 0, 16 * PAGE, 16 * PAGE, m);
	SLOT(EEXIST, 1, 0, 15 * PAGE, 2 * PAGE, m);
	SLOT(EEXIST, 1, 0, 31 * PAGE, 2 * PAGE, m);
	SLOT(EEXIST, 1, 0, 0, MiB, m);
	SLOT(EEXIST, 1, 0, 20 * PAGE, PAGE, m);
	/* Side by side, and the same host memory twice. */
	vm_slot(vm, 1, 0, 15 * PAGE, PAGE, m);
	vm_slot(vm, 2, 0, 32 * PAGE, PAGE, m);
	/* Moving onto another one, and away. */
	SLOT(EEXIST, 2, 0, 20 * PAGE, PAGE, m);
	vm_slot(vm, 0, 0, 64 * PAGE, 16 * PAGE, m);
	vm_slot(vm, 2, 0, 20 * PAGE, PAGE, m);
}

/* A slot's size, host address and read-only flag stay as they were made. */
TEST(change)
{
	struct vm *vm = vm_bare();
	uint8_t *m = mem_new(MiB);

	vm_slot(vm, 0, 0, 0, 16 * PAGE, m);
	SLOT(EINVAL, 0, 0, 0, 8 * PAGE, m);
	SLOT(EINVAL, 0, 0, 0, 32 * PAGE, m);
	SLOT(EINVAL, 0, 0, 0, 16 * PAGE, m + PAGE);
	SLOT(EINVAL, 0, KVM_MEM_READONLY, 0, 16 * PAGE, m);
	/* The same again is nothing at all. */
	vm_slot(vm, 0, 0, 0, 16 * PAGE, m);
	vm_slot(vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, 16 * PAGE, m);
	vm_slot(vm, 0, 0, 0, 16 * PAGE, m);
	/* Moving and changing flags at once. */
	vm_slot(vm, 0, KVM_MEM_LOG_DIRTY_PAGES, MiB, 16 * PAGE, m);
}

TEST(many)
{
	struct vm *vm = vm_bare();
	uint8_t *m = mem_new(PAGE);
	int i, max = node_cap(KVM_CAP_NR_MEMSLOTS);

	if (max > 2000)
		max = 2000;
	/* From the top down, with holes between them. */
	for (i = 0; i < max; i++)
		vm_slot(vm, i, 0, (uint64_t)(max - i) * 2 * PAGE, PAGE, m);
	for (i = 0; i < max; i++)
		SLOT(EEXIST, i, 0, (uint64_t)(max - (i + 1) % max) * 2 * PAGE,
		     PAGE, m);
	for (i = 0; i < max; i += 2)
		vm_slot(vm, i, 0, 0, 0, NULL);
}

/* ---- with a guest that looks ---- */

static struct vcpu *start(struct vm *vm, uint64_t entry, uint64_t a, uint64_t b)
{
	struct vcpu *v = vcpu_new(vm, 0, LONG64, entry);

	vcpu_args(v, a, b);
	return v;
}

TEST(moved_under_guest)
{
	struct vm *vm = vm_new(&payload);
	uint64_t *m = mem_new(2 * PAGE);
	struct vcpu *v;

	vm_slot(vm, 1, 0, 16 * MiB, 2 * PAGE, m);
	m[0] = 0x1111;
	v = start(vm, G_peek_forever, 16 * MiB, 0);
	CHECK_EQ(want_value(v), 0x1111);
	/* Gone: the access is MMIO now. */
	vm_slot(vm, 1, 0, 0, 0, NULL);
	want_mmio(v, false, 16 * MiB, 8);
	*(uint64_t *)v->run->mmio.data = 0x2222;
	CHECK_EQ(want_value(v), 0x2222);
	/* Back, with other memory behind it. */
	m[PAGE / 8] = 0x3333;
	vm_slot(vm, 1, 0, 16 * MiB, PAGE, (uint8_t *)m + PAGE);
	CHECK_EQ(want_value(v), 0x3333);
	/* Moved away. */
	vm_slot(vm, 1, 0, 17 * MiB, PAGE, (uint8_t *)m + PAGE);
	want_mmio(v, false, 16 * MiB, 8);
	CHECK_EQ(want_value(v), *(uint64_t *)v->run->mmio.data);
}

/* One in the place of two, and two in the place of one. */
TEST(joined)
{
	struct vm *vm = vm_new(&payload);
	uint64_t *m = mem_new(8 * PAGE);
	struct vcpu *v;
	int i;

	NEED_CAP(KVM_CAP_JOIN_MEMORY_REGIONS_WORKS);
	for (i = 0; i < 8; i++)
		m[i * PAGE / 8] = i + 1;
	vm_slot(vm, 1, 0, 16 * MiB, PAGE, m);
	vm_slot(vm, 2, 0, 16 * MiB + PAGE, PAGE, m + PAGE / 8);
	v = start(vm, G_peek_forever, 16 * MiB + PAGE, 0);
	CHECK_EQ(want_value(v), 2);
	for (i = 0; i < 10; i++) {
		vm_slot(vm, 1, 0, 0, 0, NULL);
		vm_slot(vm, 2, 0, 0, 0, NULL);
		vm_slot(vm, 3, 0, 16 * MiB, 2 * PAGE, m + 2 * PAGE / 8);
		CHECK_EQ(want_value(v), 4);
		vm_slot(vm, 3, 0, 0, 0, NULL);
		vm_slot(vm, 2, 0, 16 * MiB + PAGE, PAGE, m + 6 * PAGE / 8);
		vm_slot(vm, 1, 0, 16 * MiB, PAGE, m + 5 * PAGE / 8);
		CHECK_EQ(want_value(v), 7);
	}
}

TEST(read_only)
{
	struct vm *vm = vm_new(&payload);
	uint64_t *m = mem_new(PAGE);
	struct vcpu *v;

	NEED_CAP(KVM_CAP_READONLY_MEM);
	vm_slot(vm, 1, KVM_MEM_READONLY, 16 * MiB, PAGE, m);
	m[0] = 0x1111;
	v = start(vm, G_rom, 16 * MiB, 0);
	CHECK_EQ(want_value(v), 0x1111);
	/* A write leaves as MMIO and the memory stays. */
	want_mmio(v, true, 16 * MiB, 8);
	CHECK_EQ(*(uint64_t *)v->run->mmio.data, 0x5555);
	CHECK_EQ(want_value(v), 0x1111);
	CHECK_EQ(m[0], 0x1111);
	/* Read-modify-write: the read is served, the write leaves. */
	want_mmio(v, true, 16 * MiB, 8);
	CHECK_EQ(*(uint64_t *)v->run->mmio.data, 0x1112);
	want_done(v);
	CHECK_EQ(m[0], 0x1111);
}

/* Read-only memory of the process in a read-only slot is good. */
TEST(read_only_mapping)
{
	struct vm *vm = vm_new(&payload);
	uint64_t *m = mem_new(PAGE);
	struct vcpu *v;

	m[0] = 0x1234;
	mprotect(m, PAGE, PROT_READ);
	vm_slot(vm, 1, KVM_MEM_READONLY, 16 * MiB, PAGE, m);
	v = start(vm, G_peek_forever, 16 * MiB, 0);
	CHECK_EQ(want_value(v), 0x1234);
}

/* Two slots over one piece of host memory are two views of it. */
TEST(aliases)
{
	struct vm *vm = vm_new(&payload);
	uint64_t *m = mem_new(PAGE);
	struct vcpu *v;

	vm_slot(vm, 1, 0, 16 * MiB, PAGE, m);
	vm_slot(vm, 2, 0, 32 * MiB, PAGE, m);
	v = start(vm, G_alias, 16 * MiB, 32 * MiB);
	want_done(v);
	CHECK_EQ(m[0], 0xabcd);
}

/* Memory above 4 GiB. */
TEST(high)
{
	struct vm *vm = vm_new(&payload);
	uint64_t *m = mem_new(2 * MiB);
	struct vcpu *v;

	/* The page tables map 4 GiB: let the last entry point above. */
	vm_slot(vm, 1, 0, 64 * GiB, 2 * MiB, m);
	*(uint64_t *)(vm->mem + G_PD + 2047 * 8) = 64 * GiB | 0x87;
	m[1] = 0x7777;
	v = start(vm, G_peek_forever, 4 * GiB - 2 * MiB + 8, 0);
	CHECK_EQ(want_value(v), 0x7777);
}
