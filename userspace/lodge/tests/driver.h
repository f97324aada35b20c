/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver's half of virtio over PCI, for tests of the devices: as a guest's it has
 * nothing but the machine's buses. What is in the rings is each test's own business,
 * for most of them get it wrong on purpose. The device in use is the one that was
 * negotiated with last.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "lodge.h"
#include "virtio.h"

static struct vm vm;
static uint32_t bar, port;	/* of the device in use: its registers, its doorbells */

static inline uint64_t get(unsigned int off, unsigned int size)
{
	uint64_t v = 0;

	bus_access(&vm.mmio, bar + off, &v, size, false);
	return v;
}

static inline void set(unsigned int off, uint64_t v, unsigned int size)
{
	bus_access(&vm.mmio, bar + off, &v, size, true);
}

static inline uint32_t config(unsigned int slot, unsigned int reg)
{
	uint32_t v;

	bus_access(&vm.mmio, PCI_ECAM_BASE + (slot << 15) + reg, &v, 4, false);
	return v;
}

static inline bool broken(void)
{
	return get(VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* Reset the device in @slot and ask it for @features. Return: what it offers. */
static inline uint64_t negotiate(unsigned int slot, uint64_t features)
{
	uint8_t on = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	uint64_t offered;

	bus_access(&vm.mmio, PCI_ECAM_BASE + (slot << 15) + PCI_COMMAND, &on, 1, true);
	bar = config(slot, PCI_BASE_ADDRESS_0);
	port = config(slot, PCI_BASE_ADDRESS_1) & ~3u;
	set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	set(VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	offered = get(VIRTIO_PCI_COMMON_DF, 4);
	set(VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	offered |= get(VIRTIO_PCI_COMMON_DF, 4) << 32;
	set(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	set(VIRTIO_PCI_COMMON_GF, features, 4);
	set(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	set(VIRTIO_PCI_COMMON_GF, features >> 32, 4);
	set(VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_FEATURES_OK, 1);
	return offered;
}

/* Queue @q, empty, of @size entries; where its parts are in guest memory. */
static inline void enable_queue(unsigned int q, unsigned int size, uint64_t desc,
				uint64_t avail, uint64_t used)
{
	memset(mem_ptr(&vm.mem, desc, 16 * size), 0, 16 * size);
	memset(mem_ptr(&vm.mem, avail, 6 + 2 * size), 0, 6 + 2 * size);
	memset(mem_ptr(&vm.mem, used, 6 + 8 * size), 0, 6 + 8 * size);
	set(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
	set(VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
	/* By halves, as a driver should (4.1.3.1), and at once, which works as well. */
	set(VIRTIO_PCI_COMMON_Q_DESCLO, desc, 4);
	set(VIRTIO_PCI_COMMON_Q_DESCHI, desc >> 32, 4);
	set(VIRTIO_PCI_COMMON_Q_AVAILLO, avail, 8);
	set(VIRTIO_PCI_COMMON_Q_USEDLO, used, 8);
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

static inline void driver_ok(void)
{
	set(VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_FEATURES_OK |
	    VIRTIO_CONFIG_S_DRIVER_OK, 1);
}

/* Ring for queue @q, what was written to it before. */
static inline void kick(unsigned int q)
{
	uint16_t word = q;

	__sync_synchronize();
	bus_access(&vm.pio, port + 2 * q, &word, 2, true);
}

#endif
