/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine-check architecture, as far as both sides want it: SDM vol. 3B 16.3. */
#ifndef MCE_H
#define MCE_H

#define MCG_CAP		0x179
#define MCG_STATUS	0x17a
#define MCG_CTL		0x17b
#define MC_CTL(bank)	(0x400 + 4 * (bank))
#define MC_STATUS(bank)	(0x401 + 4 * (bank))
#define MC_ADDR(bank)	(0x402 + 4 * (bank))
#define MC_MISC(bank)	(0x403 + 4 * (bank))

#define CAP_CTL		(1UL << 8)
#define CAP_SER		(1UL << 24)

#define CR4_MCE		0x40UL

#endif
