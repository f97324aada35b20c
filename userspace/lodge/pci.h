/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PCI_H
#define PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "bus.h"

#define PCI_SLOTS	32
#define PCI_BARS	6
#define PCI_CFG_SIZE	256
#define MSIX_NONE	0xffff

struct vm;
struct pci_dev;

/**
 * struct pci_bar - a device's window, in 32-bit memory or in ports
 * @io: base and dev are the bus's; @io.len is a power of two, 0 if unused
 * @ports: which of the two it is
 * @moved: told when the window appears at @addr or disappears (@on false)
 * @mapped: it answers now
 */
struct pci_bar {
	struct bus_region io;
	bool ports;
	bool mapped;
	void (*moved)(struct pci_dev *dev, uint64_t addr, bool on);
};

/* One MSI-X vector: what the guest wrote, and how it is raised. */
struct msix_vector {
	uint32_t entry[4];	/* address low and high, data, control */
	bool live;		/* not masked, and routed */
	bool pending;
	int efd;		/* -1 until the vector is first unmasked */
	int gsi;
};

/**
 * struct msix_sink - somebody beside the launcher who raises a vector
 * @vector: whose message it is; one that is none raises nothing
 * @fd: what it was told last
 * @route: the vector is raised by @fd from here on, or, where that is -1, has to
 *	come through msix_raise(); the MSI-X table is locked
 * @next: of the same device
 */
struct msix_sink {
	uint16_t vector;
	int fd;
	void (*route)(struct msix_sink *sink, int fd);
	struct msix_sink *next;
};

/**
 * struct pci_dev - one function 0 on bus 0
 * @vm: the machine
 * @slot: on the bus
 * @cfg: configuration space
 * @writable: a one for each bit there that a guest may change
 * @cap_last: offset of the last capability
 * @cap_end: where the next one goes
 * @window: offset of four bytes there that stand for something else, or 0
 * @window_access: told before they are read, and after they were written
 * @lock: guards configuration space and BARs
 * @bar: by number
 * @msix_lock: guards @vector; a device may hold its own locks when it raises
 * @msix_cap: offset of the capability, or 0
 * @vector: the MSI-X table
 * @nvectors: its entries
 * @sinks: those who raise vectors themselves
 */
struct pci_dev {
	struct vm *vm;
	unsigned int slot;
	uint8_t cfg[PCI_CFG_SIZE];
	uint8_t writable[PCI_CFG_SIZE];
	uint8_t cap_last, cap_end;
	uint8_t window;
	void (*window_access)(struct pci_dev *dev, bool write);
	pthread_mutex_t lock;
	struct pci_bar bar[PCI_BARS];
	pthread_mutex_t msix_lock;
	uint8_t msix_cap;
	struct msix_vector *vector;
	unsigned int nvectors;
	struct msix_sink *sinks;
	bool intx;
};

void pci_create(struct vm *vm);
void pci_add(struct vm *vm, struct pci_dev *dev, uint16_t vendor,
	     uint16_t device, uint32_t class);
void pci_running(struct vm *vm);
bool pci_show(struct pci_dev *dev);
void pci_hide(struct vm *vm, unsigned int slot);
bool pci_full(struct vm *vm);
void pci_unmap(struct pci_dev *dev);
void pci_remove(struct pci_dev *dev);
void pci_add_bar(struct pci_dev *dev, unsigned int n,
		 const struct pci_bar *bar);
uint8_t pci_add_cap(struct pci_dev *dev, uint8_t id, const void *body,
		    uint8_t len);
void msix_create(struct pci_dev *dev, unsigned int vectors, unsigned int bar,
		 uint32_t table, uint32_t pba);
void msix_destroy(struct pci_dev *dev);
void msix_update(struct pci_dev *dev);
uint64_t msix_table_read(struct pci_dev *dev, uint64_t off, unsigned int size);
void msix_table_write(struct pci_dev *dev, uint64_t off, uint64_t val,
		      unsigned int size);
uint64_t msix_pba_read(struct pci_dev *dev, uint64_t off, unsigned int size);
bool msix_raise(struct pci_dev *dev, uint16_t vector);
void msix_sink_add(struct pci_dev *dev, struct msix_sink *sink);
void msix_sink_remove(struct pci_dev *dev, struct msix_sink *sink);
void msix_sink_vector(struct pci_dev *dev, struct msix_sink *sink, uint16_t vector);
bool msix_enabled(struct pci_dev *dev);
void pci_intx(struct pci_dev *dev, bool level);
uint64_t pci_cfg_read(struct pci_dev *dev, unsigned int off,
		      unsigned int size);
void pci_cfg_write(struct pci_dev *dev, unsigned int off, uint64_t val,
		   unsigned int size);

#endif
