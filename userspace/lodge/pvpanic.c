// SPDX-License-Identifier: GPL-2.0-only
/*
 * The panic device (QEMU's docs/specs/pvpanic.rst): a port by which a guest's kernel tells
 * that it has panicked. That ends the machine, as every other crash does; a kernel that
 * has another one to dump it (kdump) says so, and is left alone.
 */
#include "lodge.h"
#include "util.h"

#define PANICKED	1
#define CRASH_LOADED	2

static uint64_t panic_read(void *dev, uint64_t off, unsigned int size)
{
	(void)dev;
	(void)off;
	(void)size;
	return PANICKED | CRASH_LOADED;
}

static void panic_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	(void)off;
	(void)size;
	if (val & PANICKED)
		vm_stop(dev, STATUS_CRASH, "the guest's kernel panicked");
}

/** pvpanic_create() - the panic device, at PANIC_PORT. */
void pvpanic_create(struct vm *vm)
{
	struct bus_region region = { PANIC_PORT, 1, panic_read, panic_write, vm };

	bus_add(&vm->pio, &region);
}
