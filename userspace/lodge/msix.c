// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI-X (PCI Local Bus Specification 3.0, 6.8.2): a vector becomes an eventfd
 * that the kernel turns into the message the guest wrote. While a vector is
 * masked, raising it only sets its pending bit.
 */
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lodge.h"
#include "pci.h"
#include "util.h"

#define ENTRY_SIZE	16
#define ENTRY_CONTROL	3
#define ENTRY_MASKED	1u

static uint16_t control(struct pci_dev *dev)
{
	uint16_t v;

	memcpy(&v, dev->cfg + dev->msix_cap + PCI_MSIX_FLAGS, sizeof(v));
	return v;
}

/** msix_enabled() - has the guest chosen MSI-X over INTx? */
bool msix_enabled(struct pci_dev *dev)
{
	return control(dev) & PCI_MSIX_FLAGS_ENABLE;
}

static bool masked(struct pci_dev *dev, const struct msix_vector *v)
{
	uint16_t flags = control(dev);

	return !(flags & PCI_MSIX_FLAGS_ENABLE) ||
		flags & PCI_MSIX_FLAGS_MASKALL ||
		v->entry[ENTRY_CONTROL] & ENTRY_MASKED;
}

/* Tell who raises a vector himself how that is done now. */
static void tell(struct pci_dev *dev, struct msix_sink *sink)
{
	int fd = -1;

	if (sink->vector < dev->nvectors && dev->vector[sink->vector].live)
		fd = dev->vector[sink->vector].efd;
	if (fd != sink->fd)
		sink->route(sink, fd);
	sink->fd = fd;
}

/* A vector may have come to life: route it, and deliver what waited. */
static void vector_changed(struct pci_dev *dev, struct msix_vector *v)
{
	struct msix_sink *sink;

	v->live = !masked(dev, v);
	if (v->live) {
		if (v->efd < 0) {
			v->efd = event_create();
			v->gsi = irq_msi_add(dev->vm, v->efd);
		}
		irq_msi_route(dev->vm, v->gsi,
			      (uint64_t)v->entry[1] << 32 | v->entry[0], v->entry[2]);
		if (v->pending)
			event_signal(v->efd);
		v->pending = false;
	}
	for (sink = dev->sinks; sink; sink = sink->next)
		if (sink->vector == v - dev->vector)
			tell(dev, sink);
}

/** msix_update() - the capability's control word was written. */
void msix_update(struct pci_dev *dev)
{
	unsigned int i;

	pthread_mutex_lock(&dev->msix_lock);
	for (i = 0; i < dev->nvectors; i++)
		vector_changed(dev, &dev->vector[i]);
	pthread_mutex_unlock(&dev->msix_lock);
}

/**
 * msix_create() - give a device its vectors
 * @dev: on the bus already
 * @vectors: how many
 * @bar: that holds both structures
 * @table: offset of the table there
 * @pba: offset of the pending bits there
 */
void msix_create(struct pci_dev *dev, unsigned int vectors, unsigned int bar,
		 uint32_t table, uint32_t pba)
{
	struct {
		uint16_t control;
		uint32_t table, pba;
	} __attribute__((packed)) cap = { vectors - 1, table | bar,
					  pba | bar };
	uint16_t writable = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;
	unsigned int i;

	dev->vector = xalloc(vectors, sizeof(*dev->vector));
	dev->nvectors = vectors;
	for (i = 0; i < vectors; i++) {
		dev->vector[i].efd = -1;
		dev->vector[i].entry[ENTRY_CONTROL] = ENTRY_MASKED;
	}
	dev->msix_cap = pci_add_cap(dev, PCI_CAP_ID_MSIX, &cap, sizeof(cap));
	memcpy(dev->writable + dev->msix_cap + PCI_MSIX_FLAGS, &writable,
	       sizeof(writable));
}

/** msix_destroy() - nobody raises them any more, and nobody writes the table. */
void msix_destroy(struct pci_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nvectors; i++) {
		struct msix_vector *v = &dev->vector[i];

		if (v->efd < 0)
			continue;
		irq_msi_remove(dev->vm, v->efd, v->gsi);
		close(v->efd);
	}
	free(dev->vector);
	dev->vector = NULL;
	dev->nvectors = 0;
}

/*
 * An access to the table is of 4 or 8 bytes, aligned. What a string or SSE
 * instruction makes of others must not run past a vector's entry.
 */
static bool in_table(struct pci_dev *dev, uint64_t off, unsigned int size)
{
	return off < dev->nvectors * ENTRY_SIZE && (size == 4 || size == 8) &&
		!(off % size);
}

/** msix_table_read() - the guest reads the table; all ones if it must not. */
uint64_t msix_table_read(struct pci_dev *dev, uint64_t off, unsigned int size)
{
	uint64_t val = 0;

	if (!in_table(dev, off, size))
		return ~0ULL;
	pthread_mutex_lock(&dev->msix_lock);
	memcpy(&val, (uint8_t *)dev->vector[off / ENTRY_SIZE].entry +
	       off % ENTRY_SIZE, size);
	pthread_mutex_unlock(&dev->msix_lock);
	return val;
}

/** msix_table_write() - the guest writes the table; dropped if it must not. */
void msix_table_write(struct pci_dev *dev, uint64_t off, uint64_t val,
		      unsigned int size)
{
	struct msix_vector *v;

	if (!in_table(dev, off, size))
		return;
	v = &dev->vector[off / ENTRY_SIZE];
	pthread_mutex_lock(&dev->msix_lock);
	memcpy((uint8_t *)v->entry + off % ENTRY_SIZE, &val, size);
	vector_changed(dev, v);
	pthread_mutex_unlock(&dev->msix_lock);
}

/** msix_pba_read() - the guest reads pending bits. */
uint64_t msix_pba_read(struct pci_dev *dev, uint64_t off, unsigned int size)
{
	uint64_t val = 0;
	unsigned int i;

	pthread_mutex_lock(&dev->msix_lock);
	for (i = 0; i < size * 8 && off * 8 + i < dev->nvectors; i++)
		val |= (uint64_t)dev->vector[off * 8 + i].pending << i;
	pthread_mutex_unlock(&dev->msix_lock);
	return val;
}

/**
 * msix_raise() - send a vector's message, or note that it is due
 * @dev: with MSI-X
 * @vector: any number; one that is none raises nothing
 *
 * Return: false if MSI-X is off, and the device has to use INTx.
 */
bool msix_raise(struct pci_dev *dev, uint16_t vector)
{
	struct msix_vector *v;

	if (!msix_enabled(dev))
		return false;
	if (vector >= dev->nvectors)
		return true;	/* the guest wants no interrupt from this */
	v = &dev->vector[vector];
	pthread_mutex_lock(&dev->msix_lock);
	/* Not what the registers say: one that is being unmasked may have no route yet. */
	if (v->live)
		event_signal(v->efd);
	else
		v->pending = true;
	pthread_mutex_unlock(&dev->msix_lock);
	return true;
}

/**
 * msix_sink_add() - somebody else raises a vector from here on
 * @dev: with MSI-X
 * @sink: its vector set, kept by the caller; it is told at once
 */
void msix_sink_add(struct pci_dev *dev, struct msix_sink *sink)
{
	pthread_mutex_lock(&dev->msix_lock);
	sink->next = dev->sinks;
	dev->sinks = sink;
	sink->fd = -1;
	tell(dev, sink);
	pthread_mutex_unlock(&dev->msix_lock);
}

/** msix_sink_remove() - it is told nothing any more. */
void msix_sink_remove(struct pci_dev *dev, struct msix_sink *sink)
{
	struct msix_sink **at;

	pthread_mutex_lock(&dev->msix_lock);
	for (at = &dev->sinks; *at && *at != sink; at = &(*at)->next)
		;
	if (*at)
		*at = sink->next;
	pthread_mutex_unlock(&dev->msix_lock);
}

/** msix_sink_vector() - it is another vector that @sink raises. */
void msix_sink_vector(struct pci_dev *dev, struct msix_sink *sink, uint16_t vector)
{
	pthread_mutex_lock(&dev->msix_lock);
	sink->vector = vector;
	tell(dev, sink);
	pthread_mutex_unlock(&dev->msix_lock);
}
