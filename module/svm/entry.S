/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * World switches. All of this runs with GIF clear: no interrupt, NMI or SMI
 * can come between, so that it doesn't matter whose GS, TR or SYSCALL MSRs are
 * in the CPU, as long as C code finds the host's GS base: per-CPU data and the
 * stack protector's canary live behind it.
 *
 * VMLOAD and VMSAVE are the dear part of a world switch and are done once
 * per stay in the inner loop, not once per exit: svm_vmload_guest() puts the
 * guest's FS, GS, TR, LDTR, KernelGSBase, STAR, LSTAR, CSTAR, SFMASK and
 * SYSENTER MSRs into the CPU, svm_vmload_host() takes them out. Between the two
 * only the GS base is exchanged at each entry and exit.
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>

#include "../compat.h"
#include "../world.S"

/* struct svm_switch */
#define SW_GUEST_GS	0
#define SW_HOST_GS	8
#define SW_SPEC_CTRL	16
#define SW_SPEC_FREE	20
#define SW_SHADOW	21

/* GS base to \mem by \reg; the fallback clobbers RAX, RCX and RDX. */
.macro READ_GS_BASE mem:req
	ALTERNATIVE "jmp .Lrdmsr\@", "rdgsbase %rax", X86_FEATURE_FSGSBASE
	jmp	.Lread\@
.Lrdmsr\@:
	movl	$MSR_GS_BASE, %ecx
	rdmsr
	shl	$32, %rdx
	or	%rdx, %rax
.Lread\@:
	mov	%rax, \mem
.endm

.macro WRITE_GS_BASE mem:req
	mov	\mem, %rax
	ALTERNATIVE "jmp .Lwrmsr\@", "wrgsbase %rax", X86_FEATURE_FSGSBASE
	jmp	.Lwritten\@
.Lwrmsr\@:
	movl	$MSR_GS_BASE, %ecx
	mov	%rax, %rdx
	shr	$32, %rdx
	wrmsr
.Lwritten\@:
.endm

.text

/* void svm_vmload_guest(u64 vmcb_pa, struct svm_switch *sw) */
SYM_FUNC_START(svm_vmload_guest)
	READ_GS_BASE SW_HOST_GS(%rsi)
	mov	%rdi, %rax
	vmload	%rax
	READ_GS_BASE SW_GUEST_GS(%rsi)
	WRITE_GS_BASE SW_HOST_GS(%rsi)
	RET
SYM_FUNC_END(svm_vmload_guest)

/* void svm_vmload_host(u64 vmcb_pa, u64 host_pa, struct svm_switch *sw) */
SYM_FUNC_START(svm_vmload_host)
	mov	%rdx, %r8
	WRITE_GS_BASE SW_GUEST_GS(%r8)
	mov	%rdi, %rax
	vmsave	%rax
	mov	%rsi, %rax
	vmload	%rax
	RET
SYM_FUNC_END(svm_vmload_host)

/* void svm_vmrun(u64 *regs, u64 vmcb_pa, struct svm_switch *sw) */
SYM_FUNC_START(svm_vmrun)
	HOST_REGS_PUSH
	push	%rdx
	push	%rdi

	mov	%rdx, %r8
	/*
	 * IA32_SPEC_CTRL: no return or indirect branch may stand between this
	 * and VMRUN. A CPU with V_SPEC_CTRL exchanges it by itself.
	 */
	ALTERNATIVE_2 "jmp .Lspec_guest_done", \
		"", X86_FEATURE_MSR_SPEC_CTRL, \
		"jmp .Lspec_guest_done", X86_FEATURE_V_SPEC_CTRL
	GUEST_SPEC_CTRL_LOAD SW_SPEC_CTRL(%r8)
.Lspec_guest_done:
	WRITE_GS_BASE SW_GUEST_GS(%r8)
	mov	%rsi, %rax

	cmpb	$0, SW_SHADOW(%r8)	/* for the jump below */
	GUEST_REGS_LOAD

	/*
	 * The host's IF decides whether a physical interrupt makes the guest
	 * exit (APM vol. 2 15.21.1); GIF keeps it from the host until STGI.
	 * QEMU doesn't load the guest's interrupt shadow from the VMCB, and takes
	 * the shadow of an STI right before VMRUN into the guest: so that is where
	 * STI is if the guest has one, and nowhere near if not.
	 */
	jne	.Lshadow
	sti
	mov	R_RDI(%rdi), %rdi

	VM_CLEAR_CPU_BUFFERS

	vmrun	%rax
	jmp	.Lexited
.Lshadow:
	mov	R_RDI(%rdi), %rdi

	VM_CLEAR_CPU_BUFFERS

	sti
	vmrun	%rax
.Lexited:
	cli

	pop	%rax
	GUEST_REGS_SAVE

	pop	%r8
	READ_GS_BASE SW_GUEST_GS(%r8)
	WRITE_GS_BASE SW_HOST_GS(%r8)

	ALTERNATIVE_2 "jmp .Lspec_host_done", \
		"", X86_FEATURE_MSR_SPEC_CTRL, \
		"jmp .Lspec_host_done", X86_FEATURE_V_SPEC_CTRL
	GUEST_SPEC_CTRL_SAVE SW_SPEC_CTRL(%r8), SW_SPEC_FREE(%r8)
	movl	PER_CPU_VAR(x86_spec_ctrl_current), %eax
	cmp	SW_SPEC_CTRL(%r8), %eax
	je	.Lspec_host_done
	xor	%edx, %edx
	wrmsr
.Lspec_host_done:

	/* No return may be predicted by what the guest left behind. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, LODGE_RSB_FEATURE
	LODGE_UNTRAIN_RET_VM

	GUEST_REGS_CLEAR

	HOST_REGS_POP
	RET
SYM_FUNC_END(svm_vmrun)
