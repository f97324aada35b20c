/* SPDX-License-Identifier: GPL-2.0-only */
#include "guest_asm.h"
#define DEV	0xd0000000

	/* b: the base register; w, s: 2 or 4 bytes of address */
	.macro	MOVES b
	movb	$0x11, (%\b)
	movw	$0x2222, 2(%\b)
	movl	$0x33333333, 4(%\b)
	mov	(%\b), %al
	mov	2(%\b), %cx
	mov	4(%\b), %edx
	movzbl	1(%\b), %eax
	movsbl	1(%\b), %ecx
	mov	%eax, (%\b)
	mov	%ecx, (%\b)
	mov	$1, %eax
	add	%eax, (%\b)
	orb	$2, (%\b)
	mov	$0x8765, %eax
	xchg	%eax, (%\b)
	incw	(%\b)
	notl	(%\b)
	cmpl	$0x1234, (%\b)
	jne	8f
	testb	$8, (%\b)
	jz	8f
	mov	$7, %eax
	mov	$9, %ecx
	lock cmpxchg %ecx, (%\b)
	jne	8f
	mov	$5, %ecx
	lock xadd %ecx, (%\b)
	cmp	$100, %ecx
	jne	8f
	lock btsl $3, (%\b)
	jc	8f
	.endm

	.macro	BAD
8:	mov	$CMD_FAIL, %al
	mov	$PORT_CMD, %dx
	out	%al, %dx
	.endm

	.code16
ENTRY(moves16)
	mov	$0xa000, %ax
	mov	%ax, %ds
	xor	%bx, %bx
	MOVES	bx
	pushl	(%bx)
	popl	8(%bx)
	DONE
	BAD

ENTRY(iret16)
	mov	$0xa000, %ax
	mov	%ax, %ss
	mov	$0x100, %sp
	iret
LABEL(iret16_to)
	DONE

	.code32
ENTRY(moves32)
	mov	$DEV, %esi
	MOVES	esi
	pushl	(%esi)
	popl	8(%esi)
	DONE
	BAD

	.code64
ENTRY(moves64)
	mov	$DEV, %r12d
	MOVES	r12
	/* No push of 32 bits here: through a register. */
	mov	(%r12), %eax
	mov	%eax, 8(%r12)
	DONE
	BAD

ENTRY(qword)
	mov	$DEV, %ebx
	mov	$0x1122334455667788, %rax
	mov	%rax, (%rbx)
	mov	(%rbx), %rcx
	mov	%rcx, 8(%rbx)
	mov	$-1, %rdx
	mov	(%rbx), %edx
	mov	%rdx, (%rbx)
	mov	$0x1234, %eax
	mov	%ah, 3(%rbx)
	movq	$0xffffffff80000000, (%rbx)
	DONE

ENTRY(sse)
	mov	$DEV, %ebx
	movdqu	(%rbx), %xmm3
	movups	%xmm3, 16(%rbx)
	DONE

ENTRY(crossing)
	mov	$DEV, %ebx
	movl	$0x55667788, 0xffe(%rbx)
	mov	0xffd(%rbx), %rbx
	VALUE
	DONE

ENTRY(edge)
	mov	$DEV, %ebp
	mov	0xffc(%rbp), %rbx
	VALUE
	mov	$0x1122334455667788, %rax
	mov	%rax, 0xffc(%rbp)
	DONE

ENTRY(rep)
	cld
	mov	$0x200000, %esi
	mov	$DEV, %edi
	mov	$8, %ecx
	rep movsl
	mov	$DEV, %esi
	mov	$0x200000, %edi
	mov	$8, %ecx
	rep movsl
	MARK	1
	mov	$DEV, %esi
	mov	$DEV + 64, %edi
	mov	$4, %ecx
	rep movsb
	mov	$0xfeedfacecafebeef, %rax
	mov	$DEV, %edi
	mov	$5, %ecx
	rep stosq
	mov	$DEV, %esi
	lodsw
	mov	%eax, %ebx
	VALUE
	mov	$0x200000, %esi
	mov	$DEV, %edi
	mov	$10, %ecx
	test	%ecx, %ecx
	repe cmpsb
	mov	%ecx, %ebx
	VALUE
	mov	$DEV, %edi
	mov	$10, %ecx
	mov	$'q', %al
	repne scasb
	mov	%ecx, %ebx
	VALUE
	std
	mov	$DEV + 8, %edi
	mov	$2, %ecx
	mov	$7, %eax
	rep stosl
	cld
	DONE

ENTRY(stack)
	mov	%rsp, %r15
	mov	$DEV + 0x800, %esp
	mov	$0x4242, %eax
	push	%rax
	call	1f
	pop	%rbx
	mov	%r15, %rsp
	VALUE
	DONE
1:	ret

ENTRY(coalesce)
	mov	$DEV, %ebx
	xor	%ecx, %ecx
1:	mov	%ecx, (%rbx,%rcx,4)
	inc	%ecx
	cmp	$4, %ecx
	jne	1b
	mov	%ecx, 0x100(%rbx)
	mov	(%rbx), %eax
2:	movl	$5, (%rbx)
	jmp	2b

ENTRY(coalesce_port)
	mov	$0x510, %edx
	out	%eax, %dx
	out	%al, %dx
	DONE
