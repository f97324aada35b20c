/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FAKE_IRQ_H
#define FAKE_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_MSIS	16

extern bool fake_level[24];
extern struct fake_msi {
	int efd;
	uint64_t addr;
	uint32_t data;
} fake_msi[FAKE_MSIS];

#endif
