// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instruction that exited.
 *
 * A CPU with NextRIP says where the next instruction is. One without makes
 * us read the guest's code, through the guest's page tables, and measure it,
 * prefixes and all. None of this changes the guest's accessed bits: the CPU
 * has set them when it fetched.
 */
#include <linux/mm.h>
#include <asm/processor-flags.h>

#include "backend.h"
#include "event.h"
#include "insn.h"
#include "regs.h"

static int walk_read(const struct lodge_walk *w, u64 gpa, void *val, u32 len)
{
	return lodge_guest_read(w->priv, gpa, val, len);
}

static int walk_read_atomic(const struct lodge_walk *w, u64 gpa, void *val, u32 len)
{
	return lodge_guest_read_atomic(w->priv, gpa, val, len);
}

static int walk_cmpxchg(const struct lodge_walk *w, u64 gpa, u64 old, u64 new,
			u32 len)
{
	return lodge_guest_cmpxchg(w->priv, gpa, &old, &new, len);
}

static const struct lodge_walk_ops walk_ops = {
	.read = walk_read,
	.cmpxchg = walk_cmpxchg,
};

static const struct lodge_walk_ops walk_ops_atomic = {
	.read = walk_read_atomic,
};

/**
 * lodge_walk_init - describe a vCPU's paging to the page-table walker
 * @vcpu: the vCPU, own thread, loaded
 * @w: filled
 * @fast: memory that would have to be faulted in is not read; only for
 *	accesses with LODGE_ACC_PEEK
 */
void lodge_walk_init(struct lodge_vcpu *vcpu, struct lodge_walk *w, bool fast)
{
	*w = (struct lodge_walk){
		.ops = fast ? &walk_ops_atomic : &walk_ops,
		.priv = vcpu,
		.cr0 = lodge_backend->cr_get(vcpu, 0),
		.cr3 = lodge_backend->cr_get(vcpu, 3),
		.cr4 = lodge_backend->cr_get(vcpu, 4),
		.efer = lodge_backend->efer_get(vcpu),
		.rflags = vcpu->rflags,
		.pkru = vcpu->xstate.pkru,
		.maxphyaddr = vcpu->cpuid.maxphyaddr,
		.gbpages = lodge_cpuid_has(&vcpu->cpuid, X86_FEATURE_GBPAGES),
	};
}

/** lodge_code_bits - the width of the code at RIP: 16 (real and VM86 mode, too), 32, 64 */
int lodge_code_bits(struct lodge_vcpu *vcpu)
{
	if (!(lodge_backend->cr_get(vcpu, 0) & X86_CR0_PE) ||
	    (vcpu->rflags & X86_EFLAGS_VM))
		return 16;
	return lodge_backend->code_bits(vcpu);
}

/* Reads at most LODGE_INSN_MAX bytes at @la, to the end of its page. */
static int fetch_page(struct lodge_vcpu *vcpu, u64 la, u8 *buf, u32 n, bool fast)
{
	struct lodge_walk_result res;
	struct lodge_walk w;

	n = min_t(u32, n, PAGE_SIZE - offset_in_page(la));
	lodge_walk_init(vcpu, &w, fast);
	/* The CPU has fetched it, at whatever CPL: only where it lies matters. */
	w.cr4 &= ~(u64)X86_CR4_SMEP;
	if (lodge_walk(&w, la, LODGE_ACC_FETCH | LODGE_ACC_PEEK, &res))
		return 0;
	if (fast ? lodge_guest_read_atomic(vcpu, res.gpa, buf, n) :
		   lodge_guest_read(vcpu, res.gpa, buf, n))
		return 0;
	return n;
}

/*
 * The length of the instruction at RIP, 0 if it can't be read, or not in the
 * inner loop. Apart, so that where the CPU says it no registers are saved.
 */
static noinline int measure(struct lodge_vcpu *vcpu, bool fast)
{
	struct lodge_insn *i = fast ? lodge_insn_lookup(vcpu) : NULL;
	u8 buf[LODGE_INSN_MAX + 1];
	struct kvm_segment cs;
	int n, len, bits;
	u64 la;

	if (i)
		return i->len;
	lodge_backend->seg_get(vcpu, LODGE_CS, &cs);
	bits = lodge_code_bits(vcpu);
	la = bits == 64 ? vcpu->rip : (u32)(cs.base + vcpu->rip);
	n = fetch_page(vcpu, la, buf, LODGE_INSN_MAX, fast);
	if (!n)
		return 0;
	len = lodge_emul_length(buf, n, bits);
	if (len || n == LODGE_INSN_MAX)
		return len;
	n += fetch_page(vcpu, la + n, buf + n, LODGE_INSN_MAX - n, fast);
	return lodge_emul_length(buf, n, bits);
}

/**
 * lodge_insn_retire - the instruction is done, by whomever
 * @vcpu: the vCPU, own thread, loaded
 * @next_rip: where the next one is
 *
 * Ends what STI or MOV SS held off, and raises the trap of EFLAGS.TF, or
 * the single step that user space asked for.
 */
void lodge_insn_retire(struct lodge_vcpu *vcpu, u64 next_rip)
{
	vcpu->rip = next_rip;
	vcpu->rflags &= ~X86_EFLAGS_RF;
	lodge_backend->set_int_shadow(vcpu, 0);
	if (unlikely(vcpu->rflags & X86_EFLAGS_TF))
		lodge_db_queue(vcpu, DR_STEP);
}

/**
 * lodge_insn_skip - step over the instruction that exited
 * @vcpu: the vCPU, own thread, loaded
 * @fast: in the inner loop
 *
 * Return: LODGE_AGAIN; LODGE_SLOW if it can't be done in the inner loop. If the
 * code can't be read at all (another CPU takes it away) LODGE_LEAVE: the guest
 * runs the instruction again.
 */
int lodge_insn_skip(struct lodge_vcpu *vcpu, bool fast)
{
	u64 next = static_call(lodge_next_rip)(vcpu);

	if (!next) {
		int len = measure(vcpu, fast);

		/* Not stepped over: whoever called does nothing more now. */
		if (!len)
			return fast ? LODGE_SLOW : LODGE_LEAVE;
		next = vcpu->rip + len;
	}
	lodge_insn_retire(vcpu, next);
	return LODGE_AGAIN;
}
