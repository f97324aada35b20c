// SPDX-License-Identifier: GPL-2.0-only
/*
 * irq.c's place in the unit tests: remembers what a device asked for.
 */
#include "fake_irq.h"
#include "lodge.h"

bool fake_level[24];
struct fake_msi fake_msi[FAKE_MSIS];
static unsigned int next;

void irq_init(struct vm *vm)
{
	(void)vm;
}

void irq_line(struct vm *vm, unsigned int gsi, bool level)
{
	(void)vm;
	fake_level[gsi] = level;
}

int irq_msi_add(struct vm *vm, int efd)
{
	(void)vm;
	fake_msi[next].efd = efd;
	return next++;
}

void irq_msi_remove(struct vm *vm, int efd, unsigned int gsi)
{
	(void)vm;
	(void)efd;
	fake_msi[gsi].efd = -1;
}

void irq_msi_route(struct vm *vm, unsigned int gsi, uint64_t addr,
		   uint32_t data)
{
	(void)vm;
	fake_msi[gsi].addr = addr;
	fake_msi[gsi].data = data;
}
