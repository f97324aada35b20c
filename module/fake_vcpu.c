// SPDX-License-Identifier: GPL-2.0-only
/* For KUnit: a VM and its vCPUs without hardware. See fake_vcpu.h. */
#include "fake_vcpu.h"

static struct fake_arch *fake;

static u64 cr_get(struct lodge_vcpu *vcpu, int n)
{
	return n == 4 ? fake->cr4 : 0;
}

static u64 efer_get(struct lodge_vcpu *vcpu)
{
	return fake->efer;
}

static int cpl(struct lodge_vcpu *vcpu)
{
	return fake->cpl;
}

static int code_bits(struct lodge_vcpu *vcpu)
{
	return fake->long_mode && (fake->efer & EFER_LMA) ? 64 : 32;
}

static int msr_get(struct lodge_vcpu *vcpu, u32 index, u64 *data)
{
	switch (index) {
	case MSR_LSTAR:
		*data = fake->lstar;
		return 0;
	case MSR_IA32_SPEC_CTRL:
		*data = fake->spec_ctrl;
		return 0;
	default:
		return -ENOENT;
	}
}

static int msr_set(struct lodge_vcpu *vcpu, u32 index, u64 data, bool host)
{
	switch (index) {
	case MSR_LSTAR:
		fake->lstar = data;
		return 0;
	case MSR_IA32_SPEC_CTRL:
		fake->spec_ctrl = data;
		return 0;
	default:
		return -ENOENT;
	}
}

static bool msr_exists(u32 index)
{
	return index == MSR_LSTAR || index == MSR_IA32_SPEC_CTRL;
}

static void tsc_set(struct lodge_vcpu *vcpu)
{
	fake->tsc_sets++;
}

static void cpuid_changed(struct lodge_vcpu *vcpu)
{
}

static const struct lodge_backend backend = {
	.name = "fake",
	.cr_get = cr_get,
	.efer_get = efer_get,
	.cpl = cpl,
	.code_bits = code_bits,
	.msr_get = msr_get,
	.msr_set = msr_set,
	.msr_exists = msr_exists,
	.tsc_set = tsc_set,
	.cpuid_changed = cpuid_changed,
};

/* The table a vCPU is given; kvmalloc'ed as the ioctl's is. */
int fake_arch_cpuid(struct lodge_vcpu *vcpu, const struct kvm_cpuid_entry2 *e,
		    unsigned int nr)
{
	struct kvm_cpuid_entry2 *copy = kvmalloc_array(nr, sizeof(*e), GFP_KERNEL);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, e, nr * sizeof(*e));
	return lodge_cpuid_take(vcpu, copy, nr);
}

struct fake_arch *fake_arch_init(struct kunit *test)
{
	struct fake_arch *f = kvzalloc(sizeof(*f), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->saved = lodge_backend;
	f->saved_caps = lodge_caps;
	fake = f;
	lodge_backend = &backend;
	test->priv = f;
	/* Some kernels run tests before a module's own initialisation. */
	lodge_xstate_init();
	lodge_cpuid_init();
	mutex_init(&f->vm.lock);
	xa_init(&f->vm.vcpus);
	lodge_vm_tsc_init(&f->vm);
	lodge_vm_pv_init(&f->vm);
	for (i = 0; i < FAKE_VCPUS; i++) {
		struct lodge_vcpu *v = &f->vcpu[i];

		v->vm = &f->vm;
		v->id = v->index = i;
		v->cpu = -1;
		v->apic_base = 0xfee00900;
		KUNIT_ASSERT_EQ(test, lodge_msr_alloc(v), 0);
		KUNIT_ASSERT_EQ(test, lodge_xstate_alloc(v), 0);
		lodge_cpuid_default(v);
		lodge_xstate_reset(v, false);
		lodge_pv_reset(v);
		lodge_msr_reset(v);
		lodge_tsc_init(v);
		f->vm.nr_vcpus++;
	}
	return f;
}

void fake_arch_exit(struct kunit *test)
{
	struct fake_arch *f = test->priv;
	int i;

	if (!f)
		return;
	for (i = 0; i < FAKE_VCPUS; i++) {
		lodge_cpuid_free(&f->vcpu[i]);
		lodge_xstate_free(&f->vcpu[i]);
		lodge_msr_free(&f->vcpu[i]);
	}
	xa_destroy(&f->vm.vcpus);
	lodge_backend = f->saved;
	lodge_caps = f->saved_caps;
	if (lodge_backend)
		lodge_cpuid_init();
	kvfree(f);
}
