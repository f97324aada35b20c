// SPDX-License-Identifier: GPL-2.0-only
/* The PIT and the port of the speaker, in the kernel. */
#include "ltest.h"
#include "pit.guest.gen.h"

static struct vcpu *start(uint64_t entry)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	return vcpu_new(vm, 0, LONG64, entry);
}

TEST(rate)
{
	want_done(start(G_rate));
}

TEST(one_shot)
{
	want_done(start(G_one_shot));
}

TEST(latch)
{
	want_done(start(G_latch));
}

TEST(speaker)
{
	want_done(start(G_speaker));
}

/* Without the flag port 0x61 is the launcher's. */
TEST(speaker_is_ours)
{
	struct vm *vm = vm_new_irqchip(&payload);
	struct kvm_pit_config pit = { 0 };
	struct vcpu *v;

	OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	v = vcpu_new(vm, 0, LONG64, G_port61);
	want_io(v, false, 0x61, 1, 1);
	want_done(v);
}

TEST(state)
{
	struct vcpu *v = start(G_program);
	struct kvm_pit_state2 s;

	want_mark(v, 1);
	OK(ioctl(v->vm->fd, KVM_GET_PIT2, &s));
	CHECK_EQ(s.channels[0].mode, 2);
	CHECK_EQ(s.channels[0].count, 11932);
	CHECK_EQ(s.channels[2].mode, 0);
	CHECK_EQ(s.channels[2].count, 0x4321);
	CHECK_EQ(s.channels[2].rw_mode, 3);
}
