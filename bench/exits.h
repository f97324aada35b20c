/* SPDX-License-Identifier: GPL-2.0-only */
/* What the payload and its host file agree on. */
#ifndef EXITS_H
#define EXITS_H

#ifdef TRACED
#define N		100UL
#define SIZE_4K		(512UL << 10)	/* of the slot of refault-4k */
#define SIZE_2M		(32UL << 20)
#else
#define N		1000UL
#define SIZE_4K		(2UL << 20)
#define SIZE_2M		(128UL << 20)
#endif

#define HYPERCALL	1		/* KVM_HC_VAPIC_POLL_IRQ */
#define PORT_PIC	0x21		/* the first PIC's mask */
#define PORT_USER	0x510
#define PORT_EVENTFD	0x520
#define MMIO_USER	0xd0000000UL
#define MMIO_EVENTFD	0xd0001000UL
#define DEADLINE	20000UL		/* TSC ticks from now */
#define G_TEST		0x40000000UL	/* the slot that is faulted in again */

#endif
