/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A PVH kernel of a few instructions. The first letter of its command line
 * says what it does; most end through the exit port, 0xf4.
 */
	.section .note, "a", @note
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	start

	.text
	.code32
	.globl	start
start:
	mov	24(%ebx), %esi		/* the command line */
	movzbl	(%esi), %eax
	cmp	$'x', %al
	je	exit_port
	cmp	$'m', %al
	je	mmio_nowhere
	cmp	$'p', %al
	je	port_nowhere
	cmp	$'l', %al
	je	mmio_loop
	cmp	$'t', %al
	je	triple_fault
	cmp	$'u', %al
	je	unmapped
	cmp	$'r', %al
	je	reset_register
	cmp	$'k', %al
	je	reset_keyboard
	cmp	$'o', %al
	je	power_off
	cmp	$'c', %al
	je	clock
	cmp	$'d', %al
	je	debugged
	mov	$1, %al
	jmp	done

exit_port:
	mov	$42, %al
done:
	out	%al, $0xf4
1:	hlt
	jmp	1b

mmio_nowhere:				/* all ones, whatever was written */
	movl	$0, 0xd0000000
	mov	0xd0000000, %eax
	inc	%eax
	setnz	%al
	jmp	done

port_nowhere:
	mov	$0x500, %dx
	xor	%eax, %eax
	out	%eax, %dx
	in	%dx, %eax
	inc	%eax
	setnz	%al
	jmp	done

mmio_loop:
	mov	0xd0000000, %eax
	jmp	mmio_loop

triple_fault:
	lidt	no_table
	int3

unmapped:
	mov	$0xd0000000, %eax
	jmp	*%eax

reset_register:
	mov	$0xcf9, %dx
	mov	$6, %al
	out	%al, %dx
	jmp	1b

reset_keyboard:
	mov	$0xfe, %al
	out	%al, $0x64
	jmp	1b

power_off:				/* S5: SLP_TYP 5, SLP_EN */
	mov	$0x604, %dx
	mov	$(5 << 10 | 1 << 13), %ax
	out	%ax, %dx
	jmp	1b

clock:					/* the century is 0x20 for a while */
	mov	$0x32, %al
	out	%al, $0x70
	in	$0x71, %al
	sub	$0x20, %al
	jmp	done

debugged:				/* counts until it is told to end */
	mov	$stack, %esp
	mov	$handler, %eax
	mov	%ax, gate
	shr	$16, %eax
	mov	%ax, gate + 6
	lgdt	gdtr
	lidt	idtr
1:	call	count
	cmpl	$0, ending
	je	1b
	mov	$43, %al
	jmp	done

	.globl	trap			/* where a debugger may put it: a trap of its own */
trap:
	int3
	nop
	nop
	jmp	1b

handler:
	incl	traps
	iret

	.globl	count, counted
count:
	incl	counter
	mov	counter, %eax
counted:
	ret

no_table:
	.word	0
	.long	0

gdtr:
	.word	23
	.long	gdt
idtr:
	.word	31
	.long	idt

	.data
	.balign	8
gdt:					/* code is at 0x10, as in PVH */
	.quad	0, 0, 0x00cf9b000000ffff
idt:
	.quad	0, 0, 0
gate:
	.word	0, 0x10, 0x8e00, 0
	.globl	counter, ending, traps
traps:
	.long	0
counter:
	.long	0
ending:
	.long	0
	.space	64
stack:
