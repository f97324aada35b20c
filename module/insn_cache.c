// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instructions that exit again and again.
 *
 * A CPU that tells neither an exiting instruction's length nor its bytes makes
 * us read the guest's code. A guest exits from few places, so what was found
 * at one is kept, with the way that led there: the page-table entries and the
 * bytes themselves, by their addresses in the launcher. Each use looks at all
 * of them again, and finds the instruction as it is now or reads it anew: the
 * cache saves the walk and the decoding, never the look. Nothing needs to be
 * invalidated.
 *
 * Only 64-bit code is kept, and only where 16 bytes lie in one page. Of MOV
 * between memory and a register, and to a control register, the operands are
 * kept too, so that the accesses to devices that make up most of a guest's
 * exits are finished here, in the inner loop; whatever is not plain goes to
 * the emulator.
 *
 * Called in the inner loop: interrupts are off, nothing may fault for long.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <asm/pgtable_types.h>

#include "backend.h"
#include "exit.h"
#include "event.h"
#include "insn.h"
#include "regs.h"
#include "trace.h"

#define IGNORED	((u64)(_PAGE_ACCESSED | _PAGE_DIRTY))

/* True if the instruction at @i is still what it was. Reads the guest's memory. */
static bool still_there(const struct lodge_insn *i)
{
	u64 __user * const *pte = i->pte;
	const u64 *val = i->val, *end = val + i->levels;
	u64 a, b;

	/* Pointers, not indexes: nothing may be called here, UBSAN included. */
	if (!user_access_begin(i->code, 16))
		return false;
	for (; val < end; val++, pte++) {
		unsafe_get_user(a, *pte, gone);
		if ((a ^ *val) & ~IGNORED)
			goto gone;
	}
	unsafe_get_user(a, i->code, gone);
	unsafe_get_user(b, i->code + 1, gone);
	user_access_end();
	return a == i->bytes[0] && b == i->bytes[1];
gone:
	user_access_end();
	return false;
}

static u64 __user *address_of(struct lodge_vcpu *vcpu, gpa_t gpa)
{
	struct lodge_slot *slot = lodge_slot_find_vcpu(vcpu, gpa >> PAGE_SHIFT);

	if (!slot)
		return NULL;
	return (u64 __user *)(lodge_slot_hva(slot, gpa >> PAGE_SHIFT) +
			      offset_in_page(gpa));
}

static bool peek(u64 *val, const u64 __user *p)
{
	return p && !__get_user(*val, p);
}

/* Walks the guest's tables and keeps the way. */
static bool find(struct lodge_vcpu *vcpu, struct lodge_insn *i)
{
	const u64 mask = BIT_ULL(vcpu->cpuid.maxphyaddr) - PAGE_SIZE;
	u64 gpa = i->cr3 & mask;
	int shift = lodge_backend->cr_get(vcpu, 4) & X86_CR4_LA57 ? 48 : 39;

	for (i->levels = 0; shift >= 12; shift -= 9) {
		u64 __user *p = address_of(vcpu, gpa + (i->rip >> shift & 511) * 8);
		u64 pte;

		if (!peek(&pte, p) || !(pte & _PAGE_PRESENT))
			return false;
		i->pte[i->levels] = p;
		i->val[i->levels++] = pte;
		gpa = pte & mask;
		if (shift < 39 && shift > 12 && (pte & _PAGE_PSE))
			break;
	}
	if (shift < 12)
		shift = 12;
	gpa &= ~(BIT_ULL(shift) - 1);
	i->code = address_of(vcpu, gpa | (i->rip & (BIT_ULL(shift) - 1)));
	return peek(&i->bytes[0], i->code) && peek(&i->bytes[1], i->code + 1);
}

/* ModRM's memory operand. How many bytes it takes, 0 if it isn't plain. */
static int memory_operand(struct lodge_insn *i, const u8 *p, u8 rex)
{
	u8 mod = p[0] >> 6, rm = p[0] & 7;
	int n = 1;

	i->index = -1;
	i->scale = 0;
	i->rip_relative = false;
	if (mod == 3)
		return 0;
	if (rm == 4) {
		u8 sib = p[n++];

		i->index = (sib >> 3 & 7) | (rex & 2) << 2;
		if (i->index == LODGE_RSP)
			i->index = -1;
		i->scale = sib >> 6;
		rm = sib & 7;
		i->base = rm == 5 && !mod ? -1 : rm | (rex & 1) << 3;
		if (i->base == -1)
			mod = 2;
	} else if (rm == 5 && !mod) {
		i->base = -1;
		i->rip_relative = true;
		mod = 2;
	} else {
		i->base = rm | (rex & 1) << 3;
	}
	i->disp = 0;
	if (mod == 1) {
		i->disp = (s8)p[n++];
	} else if (mod == 2) {
		memcpy(&i->disp, p + n, 4);
		n += 4;
	}
	return n;
}

/* The simple kinds: 64-bit code, at most 66 and REX before the opcode. */
static void decode(struct lodge_insn *i)
{
	const u8 *p = (const u8 *)i->bytes, *op;
	u8 size = 4, rex = 0;
	int n, imm = 0;

	i->kind = LODGE_INSN_OTHER;
	i->has_imm = false;
	if (*p == 0x66) {
		size = 2;
		p++;
	}
	if ((*p & 0xf0) == 0x40) {
		rex = *p++;
		if (rex & 8)
			size = 8;
	}
	op = p++;
	i->wide = size == 2 ? 2 : 8;
	switch (*op) {
	case 0x88:
	case 0xc6:
		size = 1;
		fallthrough;
	case 0x89:
	case 0xc7:
		i->kind = LODGE_INSN_STORE;
		i->has_imm = *op >= 0xc0;
		break;
	case 0x8a:
		size = 1;
		i->wide = 1;
		fallthrough;
	case 0x8b:
		i->kind = LODGE_INSN_LOAD;
		break;
	case 0x0f:
		if (*p == 0x22) {
			i->reg = (p[1] >> 3 & 7) | (rex & 4) << 1;
			i->rm = (p[1] & 7) | (rex & 1) << 3;
			if (i->rm != LODGE_RSP)
				i->kind = LODGE_INSN_WRITE_CR;
			return;
		}
		if (*p != 0xb6 && *p != 0xb7)
			return;
		size = *p++ == 0xb6 ? 1 : 2;
		i->kind = LODGE_INSN_LOAD;
		break;
	default:
		return;
	}
	i->size = size;
	i->reg = (*p >> 3 & 7) | (rex & 4) << 1;
	/* AH, CH, DH, BH; other opcodes beside C6 /0 and C7 /0. */
	n = memory_operand(i, p, rex);
	if (!n || (size == 1 && !rex && i->reg >= 4 && *op != 0x0f && !i->has_imm) ||
	    (i->has_imm && (*p & 0x38)) ||
	    /* The backend may not have RSP in hand. */
	    i->base == LODGE_RSP || i->reg == LODGE_RSP) {
		i->kind = LODGE_INSN_OTHER;
		return;
	}
	if (i->has_imm) {
		imm = min_t(int, size, 4);
		i->imm = 0;
		memcpy(&i->imm, p + n, imm);
		i->imm = sign_extend64(i->imm, imm * 8 - 1);
	}
	if (p + n + imm - (const u8 *)i->bytes != i->len)
		i->kind = LODGE_INSN_OTHER;
}

static bool fill(struct lodge_vcpu *vcpu, struct lodge_insn *i, u64 cr3,
		 u64 generation)
{
	i->rip = vcpu->rip;
	i->cr3 = cr3;
	i->generation = generation;
	if (!find(vcpu, i))
		goto none;
	i->len = lodge_emul_length((const u8 *)i->bytes, LODGE_INSN_MAX, 64);
	if (!i->len)
		goto none;
	decode(i);
	return true;
none:
	i->cr3 = ~0ull;		/* no CR3: this matches nothing */
	return false;
}

static bool cacheable(struct lodge_vcpu *vcpu)
{
	return offset_in_page(vcpu->rip) <= PAGE_SIZE - 16 &&
	       lodge_backend->code_bits(vcpu) == 64;
}

/**
 * lodge_insn_lookup - the instruction at RIP, from the cache or into it
 * @vcpu: the vCPU, in its inner loop
 *
 * Return: the instruction, or NULL where it is none of 64-bit code or can't
 * be read now.
 */
struct lodge_insn *lodge_insn_lookup(struct lodge_vcpu *vcpu)
{
	u64 cr3 = lodge_backend->cr_get(vcpu, 3);
	u64 generation = lodge_slots(vcpu->vm)->generation;
	struct lodge_insn *i;
	bool ok;

	if (!cacheable(vcpu))
		return NULL;
	i = &vcpu->insns.insn[hash_64(vcpu->rip, LODGE_INSN_CACHE_BITS)];
	pagefault_disable();
	ok = (i->rip == vcpu->rip && i->cr3 == cr3 &&
	      i->generation == generation && still_there(i)) ||
	     fill(vcpu, i, cr3, generation);
	pagefault_enable();
	return ok ? i : NULL;
}

static u64 effective_address(struct lodge_vcpu *vcpu, const struct lodge_insn *i)
{
	u64 ea = i->disp;

	if (i->base >= 0)
		ea += vcpu->regs[i->base];
	if (i->index >= 0)
		ea += vcpu->regs[i->index] << i->scale;
	if (i->rip_relative)
		ea += vcpu->rip + i->len;
	return ea;
}

static void set_register(struct lodge_vcpu *vcpu, u8 reg, u8 wide, u64 val)
{
	u64 *r = &vcpu->regs[reg];

	if (wide == 8)
		*r = val;
	else
		*r = (*r & ~(BIT_ULL(wide * 8) - 1)) | (val & (BIT_ULL(wide * 8) - 1));
}

/* To the launcher: a store is done with that, a load waits for its answer. */
static int to_user(struct lodge_vcpu *vcpu, const struct lodge_insn *i,
		   gpa_t gpa, u64 val)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = i->size;
	run->mmio.is_write = i->kind == LODGE_INSN_STORE;
	if (run->mmio.is_write) {
		memcpy(run->mmio.data, &val, sizeof(val));
		lodge_insn_retire(vcpu, vcpu->rip + i->len);
		return LODGE_USER;
	}
	vcpu->load.reg = i->reg;
	vcpu->load.wide = i->wide;
	vcpu->load.size = i->size;
	vcpu->load.rip = vcpu->rip + i->len;
	vcpu->completion = LODGE_COMPLETE_LOAD;
	return LODGE_USER;
}

/** lodge_insn_load_done - the launcher's answer to a load from MMIO */
void lodge_insn_load_done(struct lodge_vcpu *vcpu)
{
	u64 val = 0;

	memcpy(&val, vcpu->run->mmio.data, vcpu->load.size);
	set_register(vcpu, vcpu->load.reg, vcpu->load.wide, val);
	lodge_insn_retire(vcpu, vcpu->load.rip);
}

/**
 * lodge_insn_mmio - finish an access to what is not memory, if it is a plain MOV
 * @vcpu: the vCPU, in its inner loop
 * @gpa: the address that the nested walk missed
 * @flags: LODGE_NPF_*; with LODGE_NPF_RSVD the instruction says what it was
 *
 * The CPU has checked segments, pages and permissions of the guest before it
 * asked for @gpa. That it is this operand's is seen by the offset in the page.
 *
 * Return: enum lodge_next; LODGE_SLOW for the emulator.
 */
int lodge_insn_mmio(struct lodge_vcpu *vcpu, gpa_t gpa, u32 flags)
{
	struct lodge_insn *i = lodge_insn_lookup(vcpu);
	u64 val = 0;
	bool write;
	int ret;

	if (!i)
		return LODGE_SLOW;
	write = i->kind == LODGE_INSN_STORE;
	if (i->kind != (flags & LODGE_NPF_WRITE ? LODGE_INSN_STORE :
						  LODGE_INSN_LOAD) &&
	    !(write && (flags & LODGE_NPF_RSVD)))
		return LODGE_SLOW;
	if ((gpa & (i->size - 1)) ||
	    offset_in_page(effective_address(vcpu, i)) != offset_in_page(gpa))
		return LODGE_SLOW;
	if (write) {
		val = i->has_imm ? i->imm : vcpu->regs[i->reg];
		if (i->size < 8)
			val &= BIT_ULL(i->size * 8) - 1;
		ret = lodge_bus_write(vcpu, LODGE_BUS_MMIO, gpa, i->size, &val);
	} else {
		ret = lodge_bus_read(vcpu, LODGE_BUS_MMIO, gpa, i->size, &val);
	}
	vcpu->stats.mmio_exits++;
	if (ret)
		return to_user(vcpu, i, gpa, val);
	trace_lodge_mmio(vcpu, write, gpa, i->size, val);
	if (!write)
		set_register(vcpu, i->reg, i->wide, val);
	lodge_insn_retire(vcpu, vcpu->rip + i->len);
	return LODGE_AGAIN;
}

/**
 * lodge_insn_write_cr - finish a MOV to CR0, CR4 or CR8
 * @vcpu: the vCPU, in its inner loop; the CPU doesn't say what is moved
 *
 * Return: enum lodge_next; LODGE_SLOW for the emulator.
 */
int lodge_insn_write_cr(struct lodge_vcpu *vcpu)
{
	struct lodge_insn *i = lodge_insn_lookup(vcpu);

	if (!i || i->kind != LODGE_INSN_WRITE_CR)
		return LODGE_SLOW;
	return lodge_exit_write_cr(vcpu, i->reg, vcpu->regs[i->rm],
				   vcpu->rip + i->len);
}
