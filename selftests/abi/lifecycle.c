// SPDX-License-Identifier: GPL-2.0-only
/* A VM's and a vCPU's life: ids, limits, mapping, who holds whom. */
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "ltest.h"

#define BAD	((void *)8)

TEST(vcpu_ids)
{
	struct vm *vm = vm_bare();
	int max = node_cap(KVM_CAP_MAX_VCPU_ID);
	struct vcpu *v;

	v = vcpu_bare(vm, 0);
	FAILS(EEXIST, ioctl(vm->fd, KVM_CREATE_VCPU, 0));
	FAILS(EINVAL, ioctl(vm->fd, KVM_CREATE_VCPU, max));
	FAILS(EINVAL, ioctl(vm->fd, KVM_CREATE_VCPU, -1));
	FAILS(EINVAL, ioctl(vm->fd, KVM_CREATE_VCPU, 0x80000000));
	vcpu_bare(vm, 7);
	FAILS(EEXIST, ioctl(vm->fd, KVM_CREATE_VCPU, 7));
	vcpu_bare(vm, 254);
	/* A closed vCPU lives on with its VM: its id stays taken. */
	vcpu_free(v);
	FAILS(EEXIST, ioctl(vm->fd, KVM_CREATE_VCPU, 0));
}

TEST(vcpu_id_high)
{
	struct vm *vm = vm_bare();

	/* Ids are not counts: the highest is good. */
	OK(ioctl(vm->fd, KVM_CREATE_VCPU, node_cap(KVM_CAP_MAX_VCPU_ID) - 1));
}

TEST(vcpus_255)
{
	struct vm *vm = vm_bare();
	struct rlimit rl = { 2048, 2048 };
	int i;

	setrlimit(RLIMIT_NOFILE, &rl);
	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	for (i = 0; i < 255; i++)
		OK(ioctl(vm->fd, KVM_CREATE_VCPU, i));
}

TEST(run_mapping)
{
	struct vm *vm = vm_bare();
	struct vcpu *v = vcpu_bare(vm, 0);
	long size = v->run_size;
	uint8_t *p;

	/* Beyond the end of it: SIGBUS, seen here from a child. */
	p = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (p != MAP_FAILED) {
		int status;

		if (!fork()) {
			*(volatile char *)(p + size);
			_exit(0);
		}
		wait(&status);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
		      "status %#x", status);
		p[0] = 0;
	}
	/* Private or by parts, as an mmap of a file. */
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, v->fd, 0);
	CHECK(p != MAP_FAILED && *p == *(uint8_t *)v->run);
	v->run->immediate_exit = 1;
	CHECK_EQ(((struct kvm_run *)p)->immediate_exit, 1);
}

TEST(run_mapping_survives)
{
	struct vm *vm = vm_bare();
	struct vcpu *v = vcpu_bare(vm, 0);

	close(v->fd);
	close(vm->fd);
	close(vm->sys);
	v->run->immediate_exit = 1;
	CHECK_EQ(v->run->immediate_exit, 1);
	munmap(v->run, v->run_size);
}

/* A vCPU outlives the descriptor of its VM. */
TEST(close_vm_first)
{
	struct vm *vm = vm_bare();
	struct vcpu *v = vcpu_bare(vm, 0);
	struct kvm_regs r;

	close(vm->fd);
	OK(ioctl(v->fd, KVM_GET_REGS, &r));
	CHECK_EQ(r.rip, 0xfff0);
}

#define SEL_USER_DS	0x2b
#define HWCAP2_FSGSBASE	2

/*
 * A thread of the launcher may have any selector in FS and GS, and bases that are
 * not the selectors'. FS's is where the C library finds the thread.
 */
TEST(thread_segments)
{
	struct vcpu *v = vcpu_reset(vm_new(NULL), 0);
	uint64_t fs, gs, was;
	uint16_t sel[2];
	int i;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		test_skip("user space has no WRFSBASE");
	memcpy(v->vm->mem + G_CODE, "\xf4\xeb\xfd", 3);	/* HLT, again */
	vcpu_mode(v, REAL, G_CODE);
	asm volatile("rdfsbase %0\n\t"
		     "mov %1, %%fs\n\t"
		     "mov %1, %%gs\n\t"
		     "wrfsbase %0\n\t"
		     "wrgsbase %2"
		     : "=&r"(was) : "r"(SEL_USER_DS), "r"(0x123456789000));
	for (i = 0; i < 10; i++)
		want_exit(v, KVM_EXIT_HLT);
	asm volatile("rdfsbase %0\n\t"
		     "rdgsbase %1" : "=r"(fs), "=r"(gs));
	asm volatile("mov %%fs, %0\n\t"
		     "mov %%gs, %1" : "=m"(sel[0]), "=m"(sel[1]));
	CHECK_EQ(fs, was);
	CHECK_EQ(gs, 0x123456789000);
	CHECK_EQ(sel[0], SEL_USER_DS);
	CHECK_EQ(sel[1], SEL_USER_DS);
}

/* Only the process that made a VM may use it. */
TEST(other_process)
{
	struct vm *vm = vm_bare();
	struct vcpu *v = vcpu_bare(vm, 0);
	int status;

	if (!fork()) {
		struct kvm_regs r;
		bool ok = true;

		ok &= FAILS(EIO, ioctl(vm->fd, KVM_CREATE_VCPU, 1));
		ok &= FAILS(EIO, ioctl(vm->fd, KVM_CHECK_EXTENSION, 0));
		ok &= FAILS(EIO, ioctl(v->fd, KVM_GET_REGS, &r));
		ok &= FAILS(EIO, ioctl(v->fd, KVM_RUN, 0));
		_exit(!ok);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	vcpu_regs(v);
}

/* What the reset leaves: APM vol. 2 14.1.3. */
TEST(reset_state)
{
	struct vm *vm = vm_bare();
	struct vcpu *v = vcpu_bare(vm, 0);
	struct kvm_regs r = vcpu_regs(v);
	struct kvm_sregs s = vcpu_sregs(v);
	struct kvm_fpu f;
	struct kvm_mp_state mp;

	CHECK_EQ(r.rip, 0xfff0);
	CHECK_EQ(r.rflags, 2);
	CHECK_EQ(r.rax, 0);
	CHECK_EQ(r.rsp, 0);
	CHECK_EQ(s.cr0, 0x60000010);
	CHECK_EQ(s.cr2, 0);
	CHECK_EQ(s.cr3, 0);
	CHECK_EQ(s.cr4, 0);
	CHECK_EQ(s.cr8, 0);
	CHECK_EQ(s.efer, 0);
	CHECK_EQ(s.cs.base, 0xffff0000);
	CHECK_EQ(s.cs.selector, 0xf000);
	CHECK_EQ(s.cs.limit, 0xffff);
	CHECK_EQ(s.ss.base, 0);
	CHECK_EQ(s.ds.limit, 0xffff);
	CHECK_EQ(s.gdt.base, 0);
	CHECK_EQ(s.gdt.limit, 0xffff);
	CHECK_EQ(s.idt.limit, 0xffff);
	/* A busy TSS; whether of 16 or of 32 bits, vendors differ. */
	CHECK_EQ(s.tr.type & ~8, 3);
	CHECK_EQ(s.ldt.type, 2);
	CHECK_EQ(s.apic_base, 0xfee00900);
	OK(ioctl(v->fd, KVM_GET_FPU, &f));
	CHECK_EQ(f.fcw, 0x37f);
	OK(ioctl(v->fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
}

TEST(reset_state_ap)
{
	struct vm *vm = vm_new_irqchip(NULL);
	struct vcpu *v0 = vcpu_bare(vm, 0), *v1 = vcpu_bare(vm, 1);
	struct kvm_mp_state mp;

	CHECK_EQ(vcpu_sregs(v0).apic_base, 0xfee00900);
	CHECK_EQ(vcpu_sregs(v1).apic_base, 0xfee00800);
	OK(ioctl(v0->fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	OK(ioctl(v1->fd, KVM_GET_MP_STATE, &mp));
	CHECK_EQ(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
}

/* The one that the launcher says starts by itself. */
TEST(boot_cpu)
{
	struct vm *vm = vm_new_irqchip(NULL);
	struct vcpu *v[3];
	struct kvm_mp_state mp;
	int i;

	NEED_CAP(KVM_CAP_SET_BOOT_CPU_ID);
	OK(ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 1));
	for (i = 0; i < 3; i++) {
		v[i] = vcpu_bare(vm, i);
		FAILS(EBUSY, ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 2));
	}
	for (i = 0; i < 3; i++) {
		CHECK_EQ(vcpu_sregs(v[i]).apic_base, i == 1 ? 0xfee00900 : 0xfee00800);
		OK(ioctl(v[i]->fd, KVM_GET_MP_STATE, &mp));
		CHECK_EQ(mp.mp_state, i == 1 ? KVM_MP_STATE_RUNNABLE :
			 KVM_MP_STATE_UNINITIALIZED);
	}
}

/* Order matters: the interrupt controllers come before the vCPUs. */
TEST(irqchip_order)
{
	struct vm *vm = vm_new(NULL);

	vcpu_bare(vm, 0);
	FAILS(EINVAL, ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
}

TEST(irqchip_twice)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_pit_config pit = { 0 };

	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	FAILS(EEXIST, ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	FAILS(EFAULT, ioctl(vm->fd, KVM_CREATE_PIT2, BAD));
	OK(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	FAILS(EEXIST, ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
}

TEST(pit_without_irqchip)
{
	struct kvm_pit_config pit = { 0 };
	struct vm *vm = vm_new(NULL), *other = vm_new(NULL);

	if (node_is_kvm() && host_release() < 612)
		test_skip("KVM makes one there whose output leads nowhere");
	FAILS(ENOENT, ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	FAILS(ENOENT, ioctl(other->fd, KVM_CREATE_PIT, 0));
}

TEST(tss_and_identity_map)
{
	struct vm *vm = vm_bare();
	uint64_t addr = 0xfeffc000;

	OK(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000));
	FAILS(EINVAL, ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffff000));
	OK(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));
	FAILS(EFAULT, ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, BAD));
	vcpu_bare(vm, 0);
	FAILS(EINVAL, ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &addr));
}

/* Making and ending VMs leaves nothing and does not slow down. */
TEST_TIMEOUT(hundred_vms, 60)
{
	int i, j;

	for (i = 0; i < 100; i++) {
		struct vm *vm = i & 1 ? vm_new(NULL) : vm_new_irqchip(NULL);

		for (j = 0; j < 3; j++)
			vcpu_free(vcpu_bare(vm, j));
		vm_free(vm);
	}
}
