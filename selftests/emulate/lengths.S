/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instructions whose length the assembler knows: the table lengths[] holds, for
 * each, the mode, the length and where the bytes are.
 */
	.intel_syntax noprefix
	.text
.macro i insn:vararg
771:	\insn
772:
	.pushsection .rodata.lengths, "a"
	.quad 771b
	.long 772b - 771b, BITS
	.popsection
.endm

	.section .rodata.lengths, "a"
	.globl lengths
	.balign 8
lengths:
	.text

.macro addressing reg32, reg16, reg8
	i add \reg32, [eax]
	i add [ebx + 4], \reg32
	i mov \reg8, [ecx + 0x12345678]
	i mov [edx + esi * 4], \reg16
	i mov \reg32, [ebp]
	i mov \reg32, [ebp + edi * 8 + 0x1000]
	i mov \reg32, [esp]
	i mov \reg32, [esp + 8]
	i mov \reg32, [esi * 2 + 0x1000]
	i test [eax], \reg8
	i xchg [eax], \reg32
	i lea \reg32, [eax + eax * 4 + 1]
	i imul \reg32, [eax], 5
	i imul \reg32, [eax], 0x12345
	i imul \reg16, [eax], 0x1234
	i shld [eax], \reg32, 3
	i shrd [eax], \reg32, cl
	i bt dword ptr [eax], 3
	i bts [eax], \reg32
	i cmpxchg [eax], \reg32
	i xadd [eax], \reg8
	i movzx \reg32, byte ptr [eax]
	i movsx \reg32, word ptr [eax]
.endm

.macro common
	i nop
	i cpuid
	i hlt
	i rdmsr
	i wrmsr
	i rdtsc
	i rdtscp
	i rdpmc
	i vmmcall
	i vmcall
	i invlpga
	i vmrun
	i monitor
	i mwait
	i pause
	i wbinvd
	i invd
	i clts
	i xsetbv
	i xgetbv
	i rsm
	i ud2
	i .byte 0xcf
	i int3
	i int 0x80
	i in al, 0x60
	i in eax, 0x60
	i in al, dx
	i in eax, dx
	i out 0x70, al
	i out dx, ax
	i rep insb
	i rep outsw
	i rep movsd
	i rep stosb
	i repne scasb
	i lock cmpxchg8b [eax]
	i smsw ax
	i lmsw ax
	i str ax
	i ltr ax
	i sldt ax
	i lldt ax
	i mov ax, ds
	i mov ds, ax
	i mov fs, ax
	i lgdt [eax]
	i lidt [eax + 0x100]
	i sgdt [eax]
	i sidt [eax]
	i invlpg [eax]
	i invlpg fs:[eax]
	i clflush [eax]
	i mfence
	i push 1
	i push 0x1234
	i pushf
	i popf
	i enter 16, 2
	i leave
	i ret
	i ret 8
	i .byte 0xca, 8, 0
	i cli
	i sti
	i mov al, 1
	i mov ax, 0x1234
	i mov eax, 0x12345678
	i mov byte ptr [eax], 1
	i mov word ptr [eax], 0x1234
	i mov dword ptr [eax + 4], 0x12345678
	i add byte ptr [eax], 1
	i add word ptr [eax], 0x1234
	i add dword ptr [eax], 0x12345678
	i add dword ptr [eax], 1
	i test byte ptr [eax], 1
	i test dword ptr [eax], 0x12345678
	i not dword ptr [eax]
	i neg byte ptr [eax]
	i mul dword ptr [eax]
	i idiv byte ptr [eax]
	i inc dword ptr [eax]
	i shl dword ptr [eax], 1
	i shl dword ptr [eax], 5
	i shl dword ptr [eax], cl
	i movbe eax, [eax]
	i movbe [eax], ax
	i crc32 eax, byte ptr [eax]
	i movnti [eax], ecx
	i movups xmm1, [eax]
	i movaps [eax], xmm1
	i movdqu xmm1, [eax + 0x100]
	i movdqa [eax], xmm7
	i movq xmm1, [eax]
	i movd xmm1, eax
	i pshufd xmm1, [eax], 3
	i cmpps xmm1, [eax], 3
	i psrlw xmm1, 3
	i palignr xmm1, [eax], 3
	i pshufb xmm1, [eax]
	i aesenc xmm1, xmm2
	i vmovups ymm1, [eax]
	i vmovdqu [eax], ymm1
	i vmovdqa xmm1, [eax]
	i vpshufd xmm1, [eax], 3
	i vpalignr xmm1, xmm2, [eax], 3
	i vpshufb ymm1, ymm2, [eax]
	i vmovups zmm1, [eax]
	i fld dword ptr [eax]
	i fnstcw [eax]
	i fninit
	i fxsave [eax]
	i xsave [eax]
	i cmovz eax, [eax]
	i setz byte ptr [eax]
	i bswap eax
	i jz .
	i jz . + 0x1000
	i jmp . + 0x10
	i loop .
	i xlatb
	i prefetcht0 [eax]
	i fs nop
	addressing ecx, si, bl
.endm

.macro only32
	i pusha
	i popa
	i les eax, [eax]
	i lds ecx, [eax + 8]
	i lss eax, [eax]
	i mov eax, cr0
	i mov cr3, eax
	i mov dr7, eax
	i push ds
	i pop es
	i daa
	i aam
	i bound eax, [eax]
	i arpl [eax], ax
	i mov al, [0x1234]
	i mov [0x1234], eax
	i mov ecx, [0x1234]
	i inc eax
	i dec cx
	i jmp dword ptr [eax]
	i call dword ptr [eax]
	i jcxz .
	i jecxz .
.endm

	.code64
	.set BITS, 64
	common
	i mov rax, [rip + 0x100]
	i mov dword ptr [rip + 0x100], 1
	i mov rax, 0x123456789abcdef0
	i mov eax, 1
	i mov rax, 1
	i movabs al, [0x123456789abcdef0]
	i movabs [0x123456789abcdef0], rax
	i mov r8, [r12]
	i mov r8, [r13]
	i mov r9b, [r12 + r13 * 8 + 0x10]
	i mov [rsp + r12], r15
	i mov rax, cr8
	i mov cr0, rax
	i mov dr7, r8
	i push r12
	i pop r12
	i push qword ptr [rax]
	i call rax
	i call [rip + 4]
	i jmp [rax]
	i call . + 100
	i movsxd rax, dword ptr [rax]
	i iretq
	i sysretq
	i syscall
	i swapgs
	i cmpxchg16b [rax]
	i add rax, 0x12345678
	i add r8w, 0x1234
	i test r9, 0x1000
	i imul rax, [rbx], 1000
	i vmovdqu ymm9, [r10 + r11]
	i lldt [rax]
	i wrfsbase rax
	i mov ax, [eax]
	i jrcxz .
	i .byte 0x66, 0x48, 0x05, 1, 2, 3, 4
	i .byte 0x48, 0x66, 0x05, 1, 2

	.code32
	.set BITS, 32
	common
	only32
	i mov ax, [bx + si]
	i mov ax, [bp + 4]
	i mov ax, [di + 0x1234]
	i call 0x8:0x12345678
	i jmp 0x8:0x12345678

	.code16
	.set BITS, 16
	common
	only32
	i mov ax, [bx + si]
	i mov al, [bp]
	i mov [bp + di + 4], eax
	i mov ax, [bx + 0x1234]
	i mov dx, [si]
	i mov dx, [di + 1]
	i call 0x8:0x1234
	i jmp 0x8:0x1234

	.section .rodata.lengths, "a"
	.quad 0, 0
	.section .note.GNU-stack, "", @progbits
