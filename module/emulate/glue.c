// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's machine is a vCPU.
 *
 * Each operation here is one that exists elsewhere (guest memory, the bus, the
 * control-register rules) under the emulator's name for it. Called by the
 * vCPU's own thread, loaded, interrupts on, under vm->srcu; may sleep.
 *
 * An instruction that nobody here can emulate is not the host's trouble: the
 * guest gets what KVM gives it, #UD outside CPL 0, and an internal error with
 * the instruction's bytes goes to user space otherwise.
 */
#include <linux/uaccess.h>

#include "backend.h"
#include "emulate/glue.h"
#include "event.h"
#include "exit.h"
#include "insn.h"
#include "msr.h"
#include "regs.h"
#include "trace.h"

#define OPCODE_HLT	0xf4

static struct lodge_vcpu *vcpu_of(const struct lodge_emul *c)
{
	return c->priv;
}

static int op_translate(struct lodge_emul *c, u64 la, u32 access, u64 *gpa)
{
	struct lodge_walk_result res;
	struct lodge_walk w;

	lodge_walk_init(vcpu_of(c), &w, false);
	w.rflags = c->rflags;
	if (lodge_walk(&w, la, access, &res)) {
		lodge_emul_raise(c, X86_TRAP_PF, true, res.error);
		c->fault.address = la;
		return LODGE_EMUL_FAULT;
	}
	*gpa = res.gpa;
	return LODGE_EMUL_OK;
}

static int op_read(struct lodge_emul *c, u64 gpa, void *buf, u32 len)
{
	struct lodge_vcpu *vcpu = vcpu_of(c);

	/* The APIC page hides what memory lies there. */
	if (lodge_lapic_mmio_hit(vcpu, gpa) ||
	    lodge_guest_read(vcpu, gpa, buf, len))
		return LODGE_EMUL_MMIO;
	return LODGE_EMUL_OK;
}

static int op_write(struct lodge_emul *c, u64 gpa, const void *buf, u32 len)
{
	struct lodge_vcpu *vcpu = vcpu_of(c);

	if (lodge_lapic_mmio_hit(vcpu, gpa) ||
	    lodge_guest_write(vcpu, gpa, buf, len))
		return LODGE_EMUL_MMIO;
	return LODGE_EMUL_OK;
}

static int op_cmpxchg(struct lodge_emul *c, u64 gpa, const void *old,
		      const void *new, u32 len)
{
	struct lodge_vcpu *vcpu = vcpu_of(c);
	u64 expect[2];
	int ret;

	if (lodge_lapic_mmio_hit(vcpu, gpa))
		return LODGE_EMUL_MMIO;
	memcpy(expect, old, len);
	ret = lodge_guest_cmpxchg(vcpu, gpa, expect, new, len);
	if (ret < 0)
		return LODGE_EMUL_MMIO;
	return ret ? LODGE_EMUL_AGAIN : LODGE_EMUL_OK;
}

/* Not for what goes on to user space: that has lodge_user_exit. */
static void trace_mmio(struct lodge_vcpu *vcpu, bool write, u64 gpa,
		       const void *data, u32 len)
{
	u64 val = 0;

	memcpy(&val, data, min_t(u32, len, sizeof(val)));
	trace_lodge_mmio(vcpu, write, gpa, len, val);
}

static int op_mmio(struct lodge_emul *c, bool write, u64 gpa, void *data, u32 len)
{
	struct lodge_vcpu *vcpu = vcpu_of(c);
	int ret;

	if (write)
		ret = lodge_bus_write(vcpu, LODGE_BUS_MMIO, gpa, len, data);
	else
		ret = lodge_bus_read(vcpu, LODGE_BUS_MMIO, gpa, len, data);
	if (ret)
		return LODGE_EMUL_USER;
	if (trace_lodge_mmio_enabled())
		trace_mmio(vcpu, write, gpa, data, len);
	return LODGE_EMUL_OK;
}

static int op_io(struct lodge_emul *c, bool in, u16 port, u32 size, u32 count)
{
	struct lodge_vcpu *vcpu = vcpu_of(c);
	void *p = c->pio;
	u32 i;

	for (i = 0; i < count; i++, p += size) {
		int ret = in ? lodge_bus_read(vcpu, LODGE_BUS_PIO, port, size, p) :
			       lodge_bus_write(vcpu, LODGE_BUS_PIO, port, size, p);

		/* The first decides for all: a device doesn't come and go. */
		if (ret && !i)
			return LODGE_EMUL_USER;
		if (ret && in)
			memset(p, 0xff, size);
	}
	return LODGE_EMUL_OK;
}

static void op_get_seg(struct lodge_emul *c, int seg, struct kvm_segment *s)
{
	lodge_backend->seg_get(vcpu_of(c), (enum lodge_seg)seg, s);
}

static int op_set_seg(struct lodge_emul *c, int seg, const struct kvm_segment *s)
{
	lodge_backend->seg_set(vcpu_of(c), (enum lodge_seg)seg, s);
	return LODGE_EMUL_OK;
}

static void op_get_dt(struct lodge_emul *c, int dt, struct kvm_dtable *d)
{
	lodge_backend->dt_get(vcpu_of(c), dt == LODGE_DT_IDT, d);
}

static int op_set_dt(struct lodge_emul *c, int dt, const struct kvm_dtable *d)
{
	lodge_backend->dt_set(vcpu_of(c), dt == LODGE_DT_IDT, d);
	return LODGE_EMUL_OK;
}

static u64 op_get_cr(struct lodge_emul *c, int cr)
{
	struct lodge_vcpu *vcpu = vcpu_of(c);

	switch (cr) {
	case 2:
		return vcpu->cr2;
	case 8:
		return lodge_cr8_get(vcpu);
	default:
		return lodge_backend->cr_get(vcpu, cr);
	}
}

static int gp_unless(struct lodge_emul *c, int failed)
{
	return failed ? lodge_emul_raise(c, X86_TRAP_GP, true, 0) : LODGE_EMUL_OK;
}

static int op_set_cr(struct lodge_emul *c, int cr, u64 val)
{
	struct lodge_vcpu *vcpu = vcpu_of(c);

	vcpu->stats.cr_exits++;
	switch (cr) {
	case 0:
		return gp_unless(c, lodge_cr0_set(vcpu, val));
	case 2:
		vcpu->cr2 = val;
		return LODGE_EMUL_OK;
	case 3:
		return gp_unless(c, lodge_cr3_set(vcpu, val));
	case 4:
		return gp_unless(c, lodge_cr4_set(vcpu, val));
	default:
		return gp_unless(c, lodge_cr8_set(vcpu, val));
	}
}

static u64 op_get_dr(struct lodge_emul *c, int dr)
{
	vcpu_of(c)->stats.dr_exits++;
	return lodge_dr_get(vcpu_of(c), dr);
}

static int op_set_dr(struct lodge_emul *c, int dr, u64 val)
{
	vcpu_of(c)->stats.dr_exits++;
	return gp_unless(c, lodge_dr_set(vcpu_of(c), dr, val));
}

static int op_get_msr(struct lodge_emul *c, u32 msr, u64 *val)
{
	return gp_unless(c, lodge_msr_get(vcpu_of(c), msr, val, false));
}

static int op_set_msr(struct lodge_emul *c, u32 msr, u64 val)
{
	return gp_unless(c, lodge_msr_set(vcpu_of(c), msr, val, false, true));
}

static bool op_msr_allowed(struct lodge_emul *c, u32 msr, bool write)
{
	return lodge_msr_allowed(vcpu_of(c), msr, write);
}

static int op_set_xcr(struct lodge_emul *c, u32 xcr, u64 val)
{
	return gp_unless(c, lodge_xstate_set_xcr(vcpu_of(c), xcr, val));
}

static int op_cpuid(struct lodge_emul *c, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	if (lodge_cpuid_faults(vcpu_of(c)))
		return gp_unless(c, 1);
	lodge_cpuid(vcpu_of(c), eax, ebx, ecx, edx);
	return LODGE_EMUL_OK;
}

static int op_misc(struct lodge_emul *c, enum lodge_emul_misc what, u64 arg)
{
	struct lodge_vcpu *vcpu = vcpu_of(c);

	switch (what) {
	case LODGE_MISC_INVLPG:
		/* Seldom: the instruction itself isn't intercepted. */
		lodge_backend->tlb_flush_page(vcpu, arg);
		break;
	case LODGE_MISC_HYPERCALL:
		lodge_pv_hypercall(vcpu);
		break;
	case LODGE_MISC_IRET:
		lodge_backend->set_nmi_masked(vcpu, false);
		break;
	case LODGE_MISC_HLT:		/* finish() */
	case LODGE_MISC_WBINVD:
	case LODGE_MISC_PAUSE:
		break;
	}
	return LODGE_EMUL_OK;
}

static const struct lodge_emul_ops glue_ops = {
	.translate = op_translate,
	.read = op_read,
	.write = op_write,
	.cmpxchg = op_cmpxchg,
	.mmio = op_mmio,
	.io = op_io,
	.get_seg = op_get_seg,
	.set_seg = op_set_seg,
	.get_dt = op_get_dt,
	.set_dt = op_set_dt,
	.get_cr = op_get_cr,
	.set_cr = op_set_cr,
	.get_dr = op_get_dr,
	.set_dr = op_set_dr,
	.get_msr = op_get_msr,
	.set_msr = op_set_msr,
	.msr_allowed = op_msr_allowed,
	.set_xcr = op_set_xcr,
	.cpuid = op_cpuid,
	.misc = op_misc,
	.get_simd = lodge_simd_get,
	.set_simd = lodge_simd_set,
};

/** lodge_glue_init - with the vCPU, when its kvm_run is there */
void lodge_glue_init(struct lodge_vcpu *vcpu)
{
	struct lodge_emul *c = &vcpu->emul;

	lodge_emul_init(c, &glue_ops, vcpu);
	c->gpr = vcpu->regs;
	c->pio = (void *)vcpu->run + LODGE_PIO_PAGE * PAGE_SIZE;
	c->pio_size = PAGE_SIZE;
}

/* The processor's mode, as the emulator names it. */
static u8 mode_of(struct lodge_vcpu *vcpu)
{
	if (!(lodge_backend->cr_get(vcpu, 0) & X86_CR0_PE))
		return LODGE_EMUL_REAL;
	if (vcpu->rflags & X86_EFLAGS_VM)
		return LODGE_EMUL_VM86;
	switch (lodge_backend->code_bits(vcpu)) {
	case 64:
		return LODGE_EMUL_PROT64;
	case 32:
		return LODGE_EMUL_PROT32;
	default:
		return LODGE_EMUL_PROT16;
	}
}

static void load_context(struct lodge_vcpu *vcpu)
{
	struct lodge_emul *c = &vcpu->emul;

	c->mode = mode_of(vcpu);
	c->cpl = lodge_backend->cpl(vcpu);
	c->rip = vcpu->rip;
	c->rflags = vcpu->rflags;
}

/* The access that user space is asked for. */
static int to_user(struct lodge_vcpu *vcpu)
{
	const struct lodge_emul_user *u = &vcpu->emul.user;
	struct kvm_run *run = vcpu->run;

	vcpu->completion = LODGE_COMPLETE_EMUL;
	switch (u->kind) {
	case LODGE_USER_MMIO:
		run->exit_reason = KVM_EXIT_MMIO;
		run->mmio.phys_addr = u->gpa;
		run->mmio.len = u->len;
		run->mmio.is_write = u->write;
		if (u->write)
			memcpy(run->mmio.data, &u->data, sizeof(u->data));
		return LODGE_USER;
	case LODGE_USER_PIO:
		run->exit_reason = KVM_EXIT_IO;
		run->io.direction = u->write ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
		run->io.size = u->len;
		run->io.port = u->port;
		run->io.count = u->count;
		run->io.data_offset = LODGE_PIO_PAGE * PAGE_SIZE;
		return LODGE_USER;
	default:
		vcpu->completion = LODGE_DONE;
		return LODGE_AGAIN;
	}
}

static int emulation_failed(struct lodge_vcpu *vcpu)
{
	struct lodge_emul *c = &vcpu->emul;
	struct kvm_run *run = vcpu->run;

	vcpu->stats.emulation_failures++;
	if (c->cpl) {
		lodge_exception_queue(vcpu, X86_TRAP_UD);
		return LODGE_AGAIN;
	}
	memset(&run->emulation_failure, 0, sizeof(run->emulation_failure));
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags =
		KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = min_t(u8, c->fetched, LODGE_INSN_MAX);
	memcpy(run->emulation_failure.insn_bytes, c->insn,
	       run->emulation_failure.insn_size);
	return LODGE_USER;
}

static void deliver_fault(struct lodge_vcpu *vcpu)
{
	const struct lodge_emul_fault *f = &vcpu->emul.fault;

	if (f->vector == X86_TRAP_PF)
		lodge_pf_queue(vcpu, f->address, f->error);
	else if (f->vector == X86_TRAP_DB)
		lodge_db_queue(vcpu, f->address);
	else if (f->has_error)
		lodge_exception_queue_error(vcpu, f->vector, f->error);
	else
		lodge_exception_queue(vcpu, f->vector);
}

/* What the emulator answered becomes the vCPU's. */
static int finish(struct lodge_vcpu *vcpu, int status)
{
	struct lodge_emul *c = &vcpu->emul;

	/* It traps if TF was set before it, whatever it made of TF. */
	if (status == LODGE_EMUL_OK && c->retired)
		lodge_insn_retire(vcpu, c->rip);
	/* Iterations of a REP are done, and a task is left, however it ended. */
	vcpu->rip = c->rip;
	lodge_rflags_set(vcpu, c->rflags);

	switch (status) {
	case LODGE_EMUL_OK:
		if (!c->retired)
			return LODGE_AGAIN;
		if (c->shadow)
			lodge_backend->set_int_shadow(vcpu, c->shadow);
		if (!c->map && c->opcode == OPCODE_HLT) {
			if (!vcpu->vm->irq.in_kernel) {
				vcpu->run->exit_reason = KVM_EXIT_HLT;
				return LODGE_USER;
			}
			vcpu->mp_state = KVM_MP_STATE_HALTED;
			return LODGE_AGAIN;
		}
		lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
		return LODGE_AGAIN;
	case LODGE_EMUL_FAULT:
		deliver_fault(vcpu);
		return LODGE_AGAIN;
	case LODGE_EMUL_USER:
		return to_user(vcpu);
	case LODGE_EMUL_AGAIN:
		return LODGE_AGAIN;
	default:
		return emulation_failed(vcpu);
	}
}

/**
 * lodge_glue_mmio - finish the instruction at RIP in software
 * @vcpu: the vCPU, own thread, loaded
 * @gpa: of the operand, if the CPU stopped for its page; else LODGE_EMUL_NO_GPA
 *
 * Context: may sleep.
 * Return: enum lodge_next.
 */
int lodge_glue_mmio(struct lodge_vcpu *vcpu, u64 gpa)
{
	struct lodge_emul *c = &vcpu->emul;
	u8 bytes[LODGE_INSN_MAX];
	int n, status;

	vcpu->stats.emulations++;
	load_context(vcpu);
	n = lodge_backend->insn_bytes(vcpu, bytes);
	status = lodge_emul_decode(c, n ? bytes : NULL, n);
	c->fault_gpa = gpa;
	if (status == LODGE_EMUL_OK)
		status = lodge_emul_execute(c);
	return finish(vcpu, status);
}

/** lodge_glue_resume - user space has served the access that was asked for */
int lodge_glue_resume(struct lodge_vcpu *vcpu)
{
	struct lodge_emul *c = &vcpu->emul;

	if (c->user.kind == LODGE_USER_MMIO && !c->user.write)
		memcpy(&c->user.data, vcpu->run->mmio.data, sizeof(c->user.data));
	load_context(vcpu);
	return finish(vcpu, lodge_emul_resume(c));
}

/**
 * lodge_glue_task_switch - a task switch that the CPU left to us
 * @vcpu: the vCPU, own thread, loaded
 * @selector: of the new TSS
 * @reason: enum lodge_emul_task
 * @has_error: the task gate of an exception: push @error
 * @error: its error code
 *
 * Return: enum lodge_next.
 */
int lodge_glue_task_switch(struct lodge_vcpu *vcpu, u16 selector, int reason,
			   bool has_error, u32 error)
{
	int status;

	load_context(vcpu);
	lodge_backend->set_int_shadow(vcpu, 0);
	status = lodge_emul_task_switch(&vcpu->emul, selector, reason,
					has_error, error);
	return finish(vcpu, status);
}

/**
 * lodge_glue_ud - an undefined instruction, or one that is done for the CPU
 * @vcpu: the vCPU, own thread, loaded
 *
 * The other vendor's hypercall: unlike KVM lodge doesn't patch the guest's
 * code, the instruction is done as if it were this vendor's, each time. MOVBE,
 * if the vCPU was given it (KVM_GET_EMULATED_CPUID).
 *
 * Return: enum lodge_next.
 */
int lodge_glue_ud(struct lodge_vcpu *vcpu)
{
	struct lodge_emul *c = &vcpu->emul;
	bool known = false;

	load_context(vcpu);
	if (lodge_emul_decode(c, NULL, 0) != LODGE_EMUL_OK)
		;
	else if (c->map == 1)
		known = c->opcode == 0x01 &&
			(c->modrm == 0xc1 || c->modrm == 0xd9);
	else if (c->map == 2)
		known = (c->opcode & 0xfe) == 0xf0 &&
			lodge_cpuid_has(&vcpu->cpuid, X86_FEATURE_MOVBE);
	return finish(vcpu, known ? lodge_emul_execute(c) :
		      lodge_emul_raise(c, X86_TRAP_UD, false, 0));
}

/**
 * lodge_translate - KVM_TRANSLATE, as the kernel of the guest would see it
 * @vcpu: the vCPU; its lock is held
 * @arg: struct kvm_translation
 *
 * KVM always says writeable and not user; here both are true of the page: may
 * the kernel write to it, may a user read it.
 *
 * Return: 0 or -EFAULT.
 */
long lodge_translate(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct lodge_walk_result res;
	struct kvm_translation tr;
	struct lodge_walk w;
	u64 la;

	if (copy_from_user(&tr, arg, sizeof(tr)))
		return -EFAULT;
	la = tr.linear_address;
	lodge_walk_init(vcpu, &w, false);
	tr.valid = !lodge_walk(&w, la, LODGE_ACC_PEEK, &res);
	tr.physical_address = tr.valid ? res.gpa : ~0ull;
	tr.writeable = !lodge_walk(&w, la, LODGE_ACC_PEEK | LODGE_ACC_WRITE, &res);
	tr.usermode = !lodge_walk(&w, la, LODGE_ACC_PEEK | LODGE_ACC_USER, &res);
	return copy_to_user(arg, &tr, sizeof(tr)) ? -EFAULT : 0;
}
