// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers: what may be written into control and debug registers, and the
 * ioctls that read and write a vCPU's registers. All of it belongs to the
 * vCPU's own thread, with the vCPU loaded.
 */
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "backend.h"
#include "event.h"
#include "regs.h"

#define CR0_KNOWN (X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS |	\
		   X86_CR0_ET | X86_CR0_NE | X86_CR0_WP | X86_CR0_AM |	\
		   X86_CR0_NW | X86_CR0_CD | X86_CR0_PG)
/* A change of these makes MOV CR4 flush the TLB (SDM vol. 3A 4.10.4.1). */
#define CR4_FLUSHES (X86_CR4_PGE | X86_CR4_PSE | X86_CR4_PAE |		\
		     X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_LA57)

static bool cr0_valid(u64 cr0)
{
	return !(cr0 >> 32) && (!(cr0 & X86_CR0_NW) || (cr0 & X86_CR0_CD)) &&
	       (!(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE));
}

static bool cs_long(struct lodge_vcpu *vcpu)
{
	struct kvm_segment cs;

	lodge_backend->seg_get(vcpu, LODGE_CS, &cs);
	return cs.l;
}

/**
 * lodge_cr0_set - MOV to CR0 by the guest
 * @vcpu: the vCPU
 * @cr0: the new value
 *
 * EFER.LMA follows CR0.PG: SDM vol. 3A 9.8.5.
 *
 * Return: 0, or 1 for #GP(0).
 */
int lodge_cr0_set(struct lodge_vcpu *vcpu, u64 cr0)
{
	u64 old = lodge_backend->cr_get(vcpu, 0);
	u64 cr4 = lodge_backend->cr_get(vcpu, 4);
	u64 efer = lodge_backend->efer_get(vcpu);

	cr0 |= X86_CR0_ET;
	if (!cr0_valid(cr0))
		return 1;
	cr0 &= CR0_KNOWN;
	if (!(old & X86_CR0_PG) && (cr0 & X86_CR0_PG) && (efer & EFER_LME)) {
		if (!(cr4 & X86_CR4_PAE) || cs_long(vcpu))
			return 1;
		lodge_backend->efer_set(vcpu, efer | EFER_LMA);
	}
	if ((old & X86_CR0_PG) && !(cr0 & X86_CR0_PG)) {
		if ((cr4 & X86_CR4_PCIDE) || cs_long(vcpu))
			return 1;
		lodge_backend->efer_set(vcpu, efer & ~EFER_LMA);
	}
	lodge_backend->cr_set(vcpu, 0, cr0);
	if ((old ^ cr0) & X86_CR0_PG)
		lodge_backend->tlb_flush(vcpu, false);
	return 0;
}

static u64 cr3_reserved(struct lodge_vcpu *vcpu)
{
	return ~(BIT_ULL(vcpu->cpuid.maxphyaddr) - 1);
}

/**
 * lodge_cr3_set - MOV to CR3 by the guest
 * @vcpu: the vCPU
 * @cr3: the new value
 *
 * Return: 0, or 1 for #GP(0).
 */
int lodge_cr3_set(struct lodge_vcpu *vcpu, u64 cr3)
{
	bool keep = false;

	if (lodge_backend->cr_get(vcpu, 4) & X86_CR4_PCIDE) {
		keep = cr3 & X86_CR3_PCID_NOFLUSH;
		cr3 &= ~X86_CR3_PCID_NOFLUSH;
	}
	if ((lodge_backend->efer_get(vcpu) & EFER_LMA) &&
	    (cr3 & cr3_reserved(vcpu)))
		return 1;
	lodge_backend->cr_set(vcpu, 3, cr3);
	if (!keep)
		lodge_backend->tlb_flush(vcpu, false);
	return 0;
}

/**
 * lodge_cr4_set - MOV to CR4 by the guest
 * @vcpu: the vCPU
 * @cr4: the new value
 *
 * Return: 0, or 1 for #GP(0): SDM vol. 2B "MOV - Move to/from Control
 * Registers", and bits whose feature the vCPU was not given.
 */
int lodge_cr4_set(struct lodge_vcpu *vcpu, u64 cr4)
{
	u64 old = lodge_backend->cr_get(vcpu, 4);
	u64 efer = lodge_backend->efer_get(vcpu);

	if (cr4 & vcpu->cpuid.cr4_reserved)
		return 1;
	if (efer & EFER_LMA) {
		if (!(cr4 & X86_CR4_PAE) || ((cr4 ^ old) & X86_CR4_LA57))
			return 1;
	}
	if ((cr4 & X86_CR4_PCIDE) && !(old & X86_CR4_PCIDE) &&
	    (!(efer & EFER_LMA) || (lodge_backend->cr_get(vcpu, 3) & X86_CR3_PCID_MASK)))
		return 1;
	lodge_backend->cr_set(vcpu, 4, cr4);
	if ((old ^ cr4) & (X86_CR4_OSXSAVE | X86_CR4_PKE))
		lodge_xstate_cr4(vcpu);
	if ((old ^ cr4) & CR4_FLUSHES)
		lodge_backend->tlb_flush(vcpu, false);
	return 0;
}

int lodge_cr8_set(struct lodge_vcpu *vcpu, u64 cr8)
{
	if (cr8 & ~15ull)
		return 1;
	if (vcpu->apic)
		lodge_lapic_set_cr8(vcpu, cr8);
	else
		vcpu->cr8 = cr8;
	return 0;
}

/**
 * lodge_efer_set - WRMSR to EFER
 * @vcpu: the vCPU
 * @efer: the new value; LMA is the CPU's own and ignored
 * @host: user space writes: LME may change with paging on
 *
 * Return: 0, or 1 for #GP(0).
 */
int lodge_efer_set(struct lodge_vcpu *vcpu, u64 efer, bool host)
{
	u64 old = lodge_backend->efer_get(vcpu);

	if (efer & ~(vcpu->cpuid.efer_allowed | EFER_LMA))
		return 1;
	if (!host && (lodge_backend->cr_get(vcpu, 0) & X86_CR0_PG) &&
	    ((old ^ efer) & EFER_LME))
		return 1;
	efer = (efer & ~EFER_LMA) | (old & EFER_LMA);
	lodge_backend->efer_set(vcpu, efer);
	if ((old ^ efer) & EFER_NX)
		lodge_backend->tlb_flush(vcpu, false);
	return 0;
}

/** lodge_dr_get - debug register @n; 4 and 5 are the caller's to resolve */
u64 lodge_dr_get(struct lodge_vcpu *vcpu, int n)
{
	if (n < 4)
		return vcpu->dr[n];
	return n == 6 ? vcpu->dr6 : vcpu->dr7;
}

/**
 * lodge_dr_set - MOV to a debug register
 * @vcpu: the vCPU
 * @n: 0-3, 6 or 7
 * @val: the new value
 *
 * Return: 0, or 1 for #GP(0).
 */
int lodge_dr_set(struct lodge_vcpu *vcpu, int n, u64 val)
{
	if (n < 4) {
		vcpu->dr[n] = val;
	} else {
		if (val >> 32)
			return 1;
		if (n == 6)
			vcpu->dr6 = (val & (DR_TRAP_BITS | BIT(13) | DR_STEP | DR_SWITCH)) |
				    LODGE_DR6_FIXED;
		else
			vcpu->dr7 = (val & LODGE_DR7_KNOWN) | LODGE_DR7_FIXED;
	}
	lodge_backend->dr_set(vcpu);
	return 0;
}

/**
 * lodge_breakpoints_load - DR0 to DR3 into the CPU: the guest's, or the debugger's
 * @vcpu: the vCPU; DR7 comes with the entry
 *
 * Context: interrupts off.
 */
void lodge_breakpoints_load(struct lodge_vcpu *vcpu)
{
	const u64 *dr = vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP ?
			vcpu->guest_debug_dr : vcpu->dr;

	/* Meanwhile the host's own are not to fire at the guest's addresses. */
	if (hw_breakpoint_active())
		set_debugreg(0, 7);
	set_debugreg(dr[0], 0);
	set_debugreg(dr[1], 1);
	set_debugreg(dr[2], 2);
	set_debugreg(dr[3], 3);
}

/**
 * lodge_dr_lend - let the guest use the CPU's debug registers
 * @vcpu: the vCPU, in its inner loop
 *
 * Who touches one of them touches several: after the first exit they are the
 * guest's, until the inner loop ends.
 */
void lodge_dr_lend(struct lodge_vcpu *vcpu)
{
	vcpu->dr_lent = true;
	lodge_backend->dr_lend(vcpu, true);
	lodge_breakpoints_load(vcpu);
}

/** lodge_dr_take - the debug registers are the vCPU's again, as it is to have them */
void lodge_dr_take(struct lodge_vcpu *vcpu)
{
	if (vcpu->dr_lent) {
		vcpu->dr_lent = false;
		get_debugreg(vcpu->dr[0], 0);
		get_debugreg(vcpu->dr[1], 1);
		get_debugreg(vcpu->dr[2], 2);
		get_debugreg(vcpu->dr[3], 3);
		lodge_backend->dr_lend(vcpu, false);
	}
	lodge_backend->dr_set(vcpu);
}

/*
 * EFLAGS as the guest has them: TF is not shown while user space steps, and
 * not lost when that writes them.
 */
static u64 rflags_get(const struct lodge_vcpu *vcpu)
{
	return vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP ?
	       vcpu->rflags & ~X86_EFLAGS_TF : vcpu->rflags;
}

/** lodge_rflags_set - EFLAGS, other than by an instruction */
void lodge_rflags_set(struct lodge_vcpu *vcpu, u64 rflags)
{
	vcpu->rflags = rflags | X86_EFLAGS_FIXED;
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		vcpu->rflags |= X86_EFLAGS_TF;
}

static void regs_read(const struct lodge_vcpu *vcpu, struct kvm_regs *out)
{
	const u64 *r = vcpu->regs;

	*out = (struct kvm_regs){
		.rax = r[LODGE_RAX], .rbx = r[LODGE_RBX],
		.rcx = r[LODGE_RCX], .rdx = r[LODGE_RDX],
		.rsi = r[LODGE_RSI], .rdi = r[LODGE_RDI],
		.rsp = r[LODGE_RSP], .rbp = r[LODGE_RBP],
		.r8 = r[8], .r9 = r[9], .r10 = r[10], .r11 = r[11],
		.r12 = r[12], .r13 = r[13], .r14 = r[14], .r15 = r[15],
		.rip = vcpu->rip, .rflags = rflags_get(vcpu),
	};
}

/** lodge_regs_get - KVM_GET_REGS */
long lodge_regs_get(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_regs out;

	regs_read(vcpu, &out);
	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

/* An exception that was pending is dropped. */
static void regs_write(struct lodge_vcpu *vcpu, const struct kvm_regs *in)
{
	u64 *r = vcpu->regs;

	r[LODGE_RAX] = in->rax;
	r[LODGE_RBX] = in->rbx;
	r[LODGE_RCX] = in->rcx;
	r[LODGE_RDX] = in->rdx;
	r[LODGE_RSI] = in->rsi;
	r[LODGE_RDI] = in->rdi;
	r[LODGE_RSP] = in->rsp;
	r[LODGE_RBP] = in->rbp;
	r[8] = in->r8;
	r[9] = in->r9;
	r[10] = in->r10;
	r[11] = in->r11;
	r[12] = in->r12;
	r[13] = in->r13;
	r[14] = in->r14;
	r[15] = in->r15;
	vcpu->rip = in->rip;
	lodge_rflags_set(vcpu, in->rflags);
	vcpu->events.exception.pending = false;
	vcpu->events.exception.injected = false;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
}

/** lodge_regs_set - KVM_SET_REGS */
long lodge_regs_set(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_regs in;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	regs_write(vcpu, &in);
	return 0;
}

static void get_sregs_common(struct lodge_vcpu *vcpu, struct kvm_sregs *s)
{
	const struct lodge_backend *b = lodge_backend;

	b->seg_get(vcpu, LODGE_CS, &s->cs);
	b->seg_get(vcpu, LODGE_DS, &s->ds);
	b->seg_get(vcpu, LODGE_ES, &s->es);
	b->seg_get(vcpu, LODGE_FS, &s->fs);
	b->seg_get(vcpu, LODGE_GS, &s->gs);
	b->seg_get(vcpu, LODGE_SS, &s->ss);
	b->seg_get(vcpu, LODGE_TR, &s->tr);
	b->seg_get(vcpu, LODGE_LDTR, &s->ldt);
	b->dt_get(vcpu, false, &s->gdt);
	b->dt_get(vcpu, true, &s->idt);
	s->cr0 = b->cr_get(vcpu, 0);
	s->cr2 = vcpu->cr2;
	s->cr3 = b->cr_get(vcpu, 3);
	s->cr4 = b->cr_get(vcpu, 4);
	s->cr8 = lodge_cr8_get(vcpu);
	s->efer = b->efer_get(vcpu);
	s->apic_base = vcpu->apic_base;
}

static int check_sregs(struct lodge_vcpu *vcpu, const struct kvm_sregs *s)
{
	if ((s->efer & EFER_LME) && (s->cr0 & X86_CR0_PG)) {
		if (!(s->cr4 & X86_CR4_PAE) || !(s->efer & EFER_LMA) ||
		    (s->cr3 & cr3_reserved(vcpu)))
			return -EINVAL;
	} else if ((s->efer & EFER_LMA) || s->cs.l) {
		return -EINVAL;
	}
	if ((s->cr4 & vcpu->cpuid.cr4_reserved) || !cr0_valid(s->cr0))
		return -EINVAL;
	return 0;
}

static int set_sregs_common(struct lodge_vcpu *vcpu, const struct kvm_sregs *s)
{
	const struct lodge_backend *b = lodge_backend;
	int ret = check_sregs(vcpu, s);

	if (ret)
		return ret;
	if (lodge_lapic_set_base(vcpu, s->apic_base, true))
		return -EINVAL;
	b->dt_set(vcpu, false, &s->gdt);
	b->dt_set(vcpu, true, &s->idt);
	vcpu->cr2 = s->cr2;
	lodge_cr8_set(vcpu, s->cr8 & 15);
	b->efer_set(vcpu, s->efer);
	b->cr_set(vcpu, 0, (s->cr0 & CR0_KNOWN) | X86_CR0_ET);
	b->cr_set(vcpu, 4, s->cr4);
	lodge_xstate_cr4(vcpu);
	b->cr_set(vcpu, 3, s->cr3);
	b->seg_set(vcpu, LODGE_CS, &s->cs);
	b->seg_set(vcpu, LODGE_DS, &s->ds);
	b->seg_set(vcpu, LODGE_ES, &s->es);
	b->seg_set(vcpu, LODGE_FS, &s->fs);
	b->seg_set(vcpu, LODGE_GS, &s->gs);
	b->seg_set(vcpu, LODGE_SS, &s->ss);
	b->seg_set(vcpu, LODGE_TR, &s->tr);
	b->seg_set(vcpu, LODGE_LDTR, &s->ldt);
	b->tlb_flush(vcpu, false);

	/* Old launchers start the boot CPU so, without KVM_SET_MP_STATE. */
	if (vcpu->id == vcpu->vm->bsp_id && vcpu->rip == 0xfff0 &&
	    s->cs.selector == 0xf000 && s->cs.base == 0xffff0000 &&
	    !(s->cr0 & X86_CR0_PE))
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	return 0;
}

static void sregs_read(struct lodge_vcpu *vcpu, struct kvm_sregs *out)
{
	const struct lodge_events *ev = &vcpu->events;

	memset(out, 0, sizeof(*out));
	get_sregs_common(vcpu, out);
	if (ev->irq.injected && !ev->irq.soft)
		out->interrupt_bitmap[ev->irq.vector / 64] |=
			BIT_ULL(ev->irq.vector % 64);
}

/** lodge_sregs_get - KVM_GET_SREGS */
long lodge_sregs_get(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_sregs out;

	sregs_read(vcpu, &out);
	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

static int sregs_write(struct lodge_vcpu *vcpu, const struct kvm_sregs *in)
{
	int i, ret = set_sregs_common(vcpu, in);

	if (ret)
		return ret;
	for (i = 0; i < ARRAY_SIZE(in->interrupt_bitmap); i++) {
		if (!in->interrupt_bitmap[i])
			continue;
		vcpu->events.irq.vector = i * 64 + __ffs(in->interrupt_bitmap[i]);
		vcpu->events.irq.soft = false;
		vcpu->events.irq.injected = true;
		break;
	}
	return 0;
}

/** lodge_sregs_set - KVM_SET_SREGS */
long lodge_sregs_set(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_sregs in;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	return sregs_write(vcpu, &in);
}

static int sync_sregs(struct lodge_vcpu *vcpu)
{
	/* It is read once before it is judged: the page is user space's. */
	struct kvm_sregs in = vcpu->run->s.regs.sregs;

	barrier();
	return sregs_write(vcpu, &in) ? -EINVAL : 0;
}

static int sync_events(struct lodge_vcpu *vcpu)
{
	struct kvm_vcpu_events in = vcpu->run->s.regs.events;

	barrier();
	return lodge_events_write(vcpu, &in) ? -EINVAL : 0;
}

/**
 * lodge_sync_in - KVM_CAP_SYNC_REGS: what user space has put in kvm_run, before it runs
 * @vcpu: the vCPU, by KVM_RUN
 *
 * Return: 0; -EINVAL for sets that there aren't, or what isn't valid.
 */
int lodge_sync_in(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 dirty = READ_ONCE(run->kvm_dirty_regs);
	int ret = 0;

	if ((READ_ONCE(run->kvm_valid_regs) | dirty) & ~(u64)KVM_SYNC_X86_VALID_FIELDS)
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS) {
		struct kvm_regs in = run->s.regs.regs;

		regs_write(vcpu, &in);
	}
	if (dirty & KVM_SYNC_X86_SREGS)
		ret = sync_sregs(vcpu);
	if (!ret && dirty & KVM_SYNC_X86_EVENTS)
		ret = sync_events(vcpu);
	/* What was taken is taken once. */
	if (!ret)
		run->kvm_dirty_regs &= ~dirty;
	return ret;
}

/** lodge_sync_out - and what it finds there afterwards */
void lodge_sync_out(struct lodge_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 valid = READ_ONCE(run->kvm_valid_regs);

	if (valid & KVM_SYNC_X86_REGS)
		regs_read(vcpu, &run->s.regs.regs);
	if (valid & KVM_SYNC_X86_SREGS)
		sregs_read(vcpu, &run->s.regs.sregs);
	if (valid & KVM_SYNC_X86_EVENTS)
		lodge_events_read(vcpu, &run->s.regs.events);
}

static bool pae_paging(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

/*
 * Under nested paging AMD reads PDPTEs from memory as it walks (APM vol. 2
 * 15.25.10), so that they are no state of their own and need not be set.
 */
long lodge_sregs2_get(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_sregs2 out = { };

	static_assert(offsetof(struct kvm_sregs, interrupt_bitmap) ==
		      offsetof(struct kvm_sregs2, flags));
	get_sregs_common(vcpu, (struct kvm_sregs *)&out);
	if (pae_paging(out.cr0, out.cr4, out.efer) &&
	    !lodge_guest_read(vcpu, out.cr3 & ~31ull, out.pdptrs, sizeof(out.pdptrs)))
		out.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

/** lodge_sregs2_set - KVM_SET_SREGS2 */
long lodge_sregs2_set(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_sregs2 in;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	if (in.flags & ~KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if (in.flags && !pae_paging(in.cr0, in.cr4, in.efer))
		return -EINVAL;
	return set_sregs_common(vcpu, (struct kvm_sregs *)&in);
}

/** lodge_debugregs_get - KVM_GET_DEBUGREGS */
long lodge_debugregs_get(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_debugregs out = { .dr6 = vcpu->dr6, .dr7 = vcpu->dr7 };

	memcpy(out.db, vcpu->dr, sizeof(out.db));
	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

/** lodge_debugregs_set - KVM_SET_DEBUGREGS */
long lodge_debugregs_set(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_debugregs in;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	if (in.flags || in.dr6 >> 32 || in.dr7 >> 32)
		return -EINVAL;
	memcpy(vcpu->dr, in.db, sizeof(in.db));
	vcpu->dr6 = in.dr6;
	vcpu->dr7 = in.dr7;
	lodge_backend->dr_set(vcpu);
	return 0;
}

/** lodge_mp_state_get - KVM_GET_MP_STATE */
long lodge_mp_state_get(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_mp_state out = { };
	int ret = lodge_lapic_accept_events(vcpu);

	if (ret < 0)
		return ret;
	out.mp_state = vcpu->mp_state;
	/* A halted CPU that was kicked by its hypervisor is not halted. */
	if (out.mp_state == KVM_MP_STATE_HALTED && vcpu->pv.unhalted)
		out.mp_state = KVM_MP_STATE_RUNNABLE;
	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

/** lodge_mp_state_set - KVM_SET_MP_STATE */
long lodge_mp_state_set(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_mp_state in;

	if (copy_from_user(&in, arg, sizeof(in)))
		return -EFAULT;
	switch (in.mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (!vcpu->apic)
			return -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	if (in.mp_state == KVM_MP_STATE_SIPI_RECEIVED) {
		lodge_lapic_set_sipi(vcpu, -1);
		in.mp_state = KVM_MP_STATE_INIT_RECEIVED;
	}
	vcpu->mp_state = in.mp_state;
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	return 0;
}

/** lodge_sigmask_set - KVM_SET_SIGNAL_MASK; a null pointer takes it back */
long lodge_sigmask_set(struct lodge_vcpu *vcpu, void __user *arg)
{
	struct kvm_signal_mask mask;
	sigset_t set;

	if (!arg) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&mask, arg, sizeof(mask)))
		return -EFAULT;
	if (mask.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, arg + sizeof(mask), sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}

/**
 * lodge_guest_debug_flags - what KVM_SET_GUEST_DEBUG knows
 *
 * Where the processor itself delivers interrupts they can't be held back.
 *
 * Return: KVM_GUESTDBG_*, for KVM_CAP_SET_GUEST_DEBUG2.
 */
u32 lodge_guest_debug_flags(void)
{
	return KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |
	       KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_USE_SW_BP |
	       KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP |
	       (lodge_caps.apic_vid ? 0 : KVM_GUESTDBG_BLOCKIRQ);
}

/**
 * lodge_guest_debug_set - KVM_SET_GUEST_DEBUG
 * @vcpu: the vCPU
 * @arg: struct kvm_guest_debug
 *
 * Flags that are not known are ignored, as by KVM.
 *
 * Return: 0, -EFAULT, -EBUSY to inject an exception while one is on its way.
 */
long lodge_guest_debug_set(struct lodge_vcpu *vcpu, void __user *arg)
{
	const u32 inject = KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP;
	const u32 known = lodge_guest_debug_flags() & ~inject;
	struct lodge_exception *e = &vcpu->events.exception;
	u64 rflags = rflags_get(vcpu);
	struct kvm_guest_debug dbg;

	if (copy_from_user(&dbg, arg, sizeof(dbg)))
		return -EFAULT;
	if (dbg.control & inject) {
		if (e->pending || e->injected)
			return -EBUSY;
		lodge_exception_queue(vcpu, dbg.control & KVM_GUESTDBG_INJECT_DB ?
				      X86_TRAP_DB : X86_TRAP_BP);
		/* The debugger was shown the INT3; the guest is told what is behind. */
		if (!(dbg.control & KVM_GUESTDBG_INJECT_DB))
			vcpu->rip++;
	}
	/* A step that nobody waits for any more. */
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP &&
	    e->vector == X86_TRAP_DB && e->payload == DR_STEP)
		e->pending = false;
	vcpu->guest_debug = 0;
	if (dbg.control & KVM_GUESTDBG_ENABLE)
		vcpu->guest_debug = dbg.control & known;
	if (vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP)
		memcpy(vcpu->guest_debug_dr, dbg.arch.debugreg,
		       sizeof(vcpu->guest_debug_dr));
	lodge_rflags_set(vcpu, rflags);
	/* What was held back is looked at. */
	lodge_vcpu_request(vcpu, LODGE_REQ_EVENT);
	lodge_backend->want(vcpu, LODGE_WANT_BP,
			    vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP);
	lodge_backend->dr_set(vcpu);
	return 0;
}
