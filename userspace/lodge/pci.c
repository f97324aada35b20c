// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI: bus 0 with a host bridge and single-function devices, reached through
 * ports 0xcf8/0xcfc and through ECAM. BARs are assigned when a device is
 * added, as a firmware would, and a guest may move them.
 *
 * PCI Local Bus Specification 3.0, chapter 6 (configuration space, MSI-X in
 * 6.8.2); PCI Express Base 4.0, 7.2.2 (ECAM).
 */
#include <linux/pci_regs.h>
#include <stdatomic.h>
#include <string.h>

#include "lodge.h"
#include "pci.h"
#include "util.h"

#define CONFIG_ADDRESS	0xcf8
#define CONFIG_ENABLE	(1u << 31)
#define VENDOR_LODGE	0x1b36	/* Red Hat's, whose host bridge is generic */
#define DEVICE_BRIDGE	0x0008
#define CLASS_BRIDGE	0x060000

struct pci_bus {
	struct vm *vm;
	bool running;
	struct pci_dev *slot[PCI_SLOTS];	/* the loop's thread only */
	struct pci_dev *_Atomic shown[PCI_SLOTS];	/* what a guest finds there */
	pthread_mutex_t lock;	/* of @address and @irqs */
	uint32_t address;
	uint32_t irqs[PCI_GSI_COUNT];	/* slots that assert this GSI */
};

static void put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Does the whole window lie where the host bridge passes accesses on? */
static bool in_window(const struct pci_bar *bar, uint64_t addr)
{
	uint64_t lo = bar->ports ? PCI_PORTS_BASE : PCI_MMIO_BASE;
	uint64_t hi = bar->ports ? PCI_PORTS_END : PCI_MMIO_END;

	return addr >= lo && addr < hi && bar->io.len <= hi - addr;
}

/* Make the bus answer where the BARs and the command register now say. */
static void update_bars(struct pci_dev *dev)
{
	uint16_t cmd = get16(dev->cfg + PCI_COMMAND);
	unsigned int i;

	for (i = 0; i < PCI_BARS; i++) {
		struct pci_bar *bar = &dev->bar[i];
		struct bus *bus = bar->ports ? &dev->vm->pio : &dev->vm->mmio;
		uint64_t addr;
		bool on;

		if (!bar->io.len)
			continue;
		addr = get32(dev->cfg + PCI_BASE_ADDRESS_0 + 4 * i) &
			~(bar->io.len - 1);
		on = cmd & (bar->ports ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY);
		if (bar->mapped && (!on || addr != bar->io.base)) {
			bus_remove(bus, bar->io.base);
			if (bar->moved)
				bar->moved(dev, bar->io.base, false);
			bar->mapped = false;
		}
		if (!on || bar->mapped || !in_window(bar, addr))
			continue;
		bar->io.base = addr;
		/* Over another device's window, the first one answers. */
		bar->mapped = !bus_add(bus, &bar->io);
		if (bar->mapped && bar->moved)
			bar->moved(dev, addr, true);
	}
}

/* The line as the device and its command register want it; pci->lock is held. */
static void update_intx(struct pci_dev *dev)
{
	struct pci_bus *pci = dev->vm->pci;
	unsigned int n = dev->slot % PCI_GSI_COUNT;
	uint32_t before = pci->irqs[n], bit = 1u << dev->slot;
	bool off = get16(dev->cfg + PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;

	pci->irqs[n] = dev->intx && !off ? before | bit : before & ~bit;
	if (!before != !pci->irqs[n])
		irq_line(dev->vm, PCI_GSI_BASE + n, pci->irqs[n]);
}

/* Does an access reach the four bytes at @field, if there is such a one? */
static bool touches(unsigned int off, unsigned int size, uint8_t field)
{
	return field && off < field + 4u && off + size > field;
}

/** pci_cfg_read() - @size bytes at @off; all ones past the end. */
uint64_t pci_cfg_read(struct pci_dev *dev, unsigned int off, unsigned int size)
{
	uint64_t val = 0;

	/* Extended space is there, and empty (PCIe 7.9.1). */
	if (off >= PCI_CFG_SIZE)
		return 0;
	if (size > PCI_CFG_SIZE - off)
		return ~0ULL;
	if (touches(off, size, dev->window))
		dev->window_access(dev, false);
	pthread_mutex_lock(&dev->lock);
	memcpy(&val, dev->cfg + off, size);
	pthread_mutex_unlock(&dev->lock);
	return val;
}

/** pci_cfg_write() - change the writable bits, and let it take effect. */
void pci_cfg_write(struct pci_dev *dev, unsigned int off, uint64_t val,
		   unsigned int size)
{
	unsigned int i;

	if (off >= PCI_CFG_SIZE || size > PCI_CFG_SIZE - off)
		return;
	pthread_mutex_lock(&dev->lock);
	for (i = 0; i < size; i++, val >>= 8) {
		uint8_t mask = dev->writable[off + i];

		dev->cfg[off + i] = (dev->cfg[off + i] & ~mask) |
			((uint8_t)val & mask);
	}
	if (off < PCI_COMMAND + 2 && off + size > PCI_COMMAND) {
		update_bars(dev);
		pthread_mutex_lock(&dev->vm->pci->lock);
		update_intx(dev);
		pthread_mutex_unlock(&dev->vm->pci->lock);
	}
	if (off < PCI_CARDBUS_CIS && off + size > PCI_BASE_ADDRESS_0)
		update_bars(dev);
	pthread_mutex_unlock(&dev->lock);
	if (touches(off, size, dev->msix_cap))
		msix_update(dev);
	if (touches(off, size, dev->window))
		dev->window_access(dev, true);
}

static struct pci_dev *find_dev(struct pci_bus *pci, uint32_t bus_devfn)
{
	/* Function 0 of bus 0 is all there is. */
	if (bus_devfn > 0xff || bus_devfn & 7)
		return NULL;
	return pci->shown[bus_devfn >> 3];
}

/*
 * Port 0xcf8 takes 32-bit accesses only. A byte at 0xcf9, among them, is the
 * reset register, as on the PC chipsets that began it.
 */
static uint64_t port_read(void *arg, uint64_t off, unsigned int size)
{
	struct pci_bus *pci = arg;
	struct pci_dev *dev;
	uint32_t addr;

	pthread_mutex_lock(&pci->lock);
	addr = pci->address;
	pthread_mutex_unlock(&pci->lock);
	if (off < 4)
		return off == 0 && size == 4 ? addr : ~0ULL;
	dev = find_dev(pci, addr >> 8 & 0xffff);
	if (!(addr & CONFIG_ENABLE) || !dev)
		return ~0ULL;
	return pci_cfg_read(dev, (addr & 0xfc) + (off & 3), size);
}

static void port_write(void *arg, uint64_t off, uint64_t val,
		       unsigned int size)
{
	struct pci_bus *pci = arg;
	struct pci_dev *dev;
	uint32_t addr;

	if (off == RESET_PORT - CONFIG_ADDRESS && size == 1) {
		power_reset_write(pci->vm, val);
		return;
	}
	pthread_mutex_lock(&pci->lock);
	if (off == 0 && size == 4)
		pci->address = val & ~0x7f000003u;
	addr = pci->address;
	pthread_mutex_unlock(&pci->lock);
	dev = find_dev(pci, addr >> 8 & 0xffff);
	if (off >= 4 && addr & CONFIG_ENABLE && dev)
		pci_cfg_write(dev, (addr & 0xfc) + (off & 3), val, size);
}

static uint64_t ecam_read(void *arg, uint64_t off, unsigned int size)
{
	struct pci_dev *dev = find_dev(arg, off >> 12);

	return dev ? pci_cfg_read(dev, off & 0xfff, size) : ~0ULL;
}

static void ecam_write(void *arg, uint64_t off, uint64_t val,
		       unsigned int size)
{
	struct pci_dev *dev = find_dev(arg, off >> 12);

	if (dev)
		pci_cfg_write(dev, off & 0xfff, val, size);
}

/** pci_create() - the bus and its host bridge. */
void pci_create(struct vm *vm)
{
	struct pci_bus *pci = xalloc(1, sizeof(*pci));
	struct bus_region ports = { CONFIG_ADDRESS, 8, port_read, port_write,
				    pci };
	struct bus_region ecam = { PCI_ECAM_BASE, PCI_ECAM_SIZE, ecam_read,
				   ecam_write, pci };

	pthread_mutex_init(&pci->lock, NULL);
	pci->vm = vm;
	vm->pci = pci;
	bus_add(&vm->pio, &ports);
	bus_add(&vm->mmio, &ecam);
	pci_add(vm, xalloc(1, sizeof(struct pci_dev)), VENDOR_LODGE,
		DEVICE_BRIDGE, CLASS_BRIDGE);
}

static unsigned int free_slot(const struct pci_bus *pci)
{
	unsigned int slot = 0;

	while (slot < PCI_SLOTS && pci->slot[slot])
		slot++;
	return slot;
}

/**
 * pci_add() - put a device into the next free slot
 * @vm: the machine
 * @dev: zeroed; the caller's, until pci_remove()
 * @vendor: ID, also the subsystem's
 * @device: ID, also the subsystem's
 * @class: base class, subclass and interface, in 24 bits
 */
void pci_add(struct vm *vm, struct pci_dev *dev, uint16_t vendor,
	     uint16_t device, uint32_t class)
{
	struct pci_bus *pci = vm->pci;
	unsigned int slot = free_slot(pci);

	if (slot == PCI_SLOTS)
		die("the PCI bus is full: at most %d devices", PCI_SLOTS - 1);
	dev->vm = vm;
	dev->slot = slot;
	pci->slot[slot] = dev;
	if (!pci->running)
		pci_show(dev);
	dev->cap_end = PCI_STD_HEADER_SIZEOF;
	pthread_mutex_init(&dev->lock, NULL);
	pthread_mutex_init(&dev->msix_lock, NULL);
	put16(dev->cfg + PCI_VENDOR_ID, vendor);
	put16(dev->cfg + PCI_DEVICE_ID, device);
	put32(dev->cfg + PCI_CLASS_REVISION, class << 8 | 1);
	put16(dev->cfg + PCI_SUBSYSTEM_VENDOR_ID, vendor);
	put16(dev->cfg + PCI_SUBSYSTEM_ID, device);
	put16(dev->writable + PCI_COMMAND, PCI_COMMAND_IO |
	      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
	      PCI_COMMAND_INTX_DISABLE);
	dev->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	dev->writable[PCI_INTERRUPT_LINE] = 0xff;
	if (!slot)
		return;
	dev->cfg[PCI_INTERRUPT_PIN] = 1;
	dev->cfg[PCI_INTERRUPT_LINE] = PCI_GSI_BASE + slot % PCI_GSI_COUNT;
}

/* Does any device's window lie over @len addresses at @addr? Then up to @end. */
static bool taken(struct pci_bus *pci, bool ports, uint64_t addr, uint64_t len, uint64_t *end)
{
	unsigned int slot, n;

	for (slot = 0; slot < PCI_SLOTS; slot++) {
		struct pci_dev *dev = pci->slot[slot];

		for (n = 0; dev && n < PCI_BARS; n++) {
			const struct pci_bar *bar = &dev->bar[n];
			uint64_t base;

			if (!bar->io.len || bar->ports != ports)
				continue;
			pthread_mutex_lock(&dev->lock);
			base = get32(dev->cfg + PCI_BASE_ADDRESS_0 + 4 * n) &
				~(bar->io.len - 1);
			pthread_mutex_unlock(&dev->lock);
			*end = base + bar->io.len;
			if (base < addr + len && addr < *end)
				return true;
		}
	}
	return false;
}

/*
 * The lowest address that no device's BAR has, wherever the guest has put them; 0 if
 * there is none, and the guest is left to find room.
 */
static uint32_t free_range(struct pci_bus *pci, const struct pci_bar *bar)
{
	uint64_t addr = bar->ports ? PCI_PORTS_BASE : PCI_MMIO_BASE, len = bar->io.len, end;

	for (;;) {
		addr = (addr + len - 1) & ~(len - 1);
		if (!in_window(bar, addr))
			return 0;
		if (!taken(pci, bar->ports, addr, len, &end))
			return addr;
		addr = end;
	}
}

/** pci_add_bar() - BAR @n as @bar says, at the lowest address that is free. */
void pci_add_bar(struct pci_dev *dev, unsigned int n,
		 const struct pci_bar *bar)
{
	uint32_t len = bar->io.len;

	put32(dev->cfg + PCI_BASE_ADDRESS_0 + 4 * n,
	      free_range(dev->vm->pci, bar) | (bar->ports ? PCI_BASE_ADDRESS_SPACE_IO : 0));
	put32(dev->writable + PCI_BASE_ADDRESS_0 + 4 * n, ~(len - 1));
	dev->bar[n] = *bar;
}

/** pci_running() - the machine is complete: what is added from here on waits for pci_show(). */
void pci_running(struct vm *vm)
{
	vm->pci->running = true;
}

/** pci_show() - the guest finds a device from here on; whether it didn't before. */
bool pci_show(struct pci_dev *dev)
{
	return atomic_exchange(&dev->vm->pci->shown[dev->slot], dev) != dev;
}

/** pci_hide() - the guest finds nothing in @slot. Any thread; who is there already stays. */
void pci_hide(struct vm *vm, unsigned int slot)
{
	vm->pci->shown[slot] = NULL;
}

/** pci_full() - no slot is free. */
bool pci_full(struct vm *vm)
{
	return free_slot(vm->pci) == PCI_SLOTS;
}

/**
 * pci_unmap() - no window of a device answers any more
 * @dev: hidden, and no vCPU is at its configuration space
 */
void pci_unmap(struct pci_dev *dev)
{
	pthread_mutex_lock(&dev->lock);
	put16(dev->cfg + PCI_COMMAND, 0);
	update_bars(dev);
	pthread_mutex_unlock(&dev->lock);
}

/**
 * pci_remove() - its slot is free, as are its vectors
 * @dev: pci_unmap() was, and no vCPU is at its windows; the caller's to free
 */
void pci_remove(struct pci_dev *dev)
{
	pci_intx(dev, false);
	msix_destroy(dev);
	dev->vm->pci->slot[dev->slot] = NULL;
	pthread_mutex_destroy(&dev->lock);
	pthread_mutex_destroy(&dev->msix_lock);
}

/**
 * pci_add_cap() - append a capability
 * @dev: on the bus
 * @id: PCI_CAP_ID_*
 * @len: bytes in @body
 * @body: what follows the ID and the next pointer, @len bytes
 * Return: where it begins in configuration space.
 */
uint8_t pci_add_cap(struct pci_dev *dev, uint8_t id, const void *body,
		    uint8_t len)
{
	uint8_t at = dev->cap_end;

	if (dev->cap_last)
		dev->cfg[dev->cap_last + PCI_CAP_LIST_NEXT] = at;
	else
		dev->cfg[PCI_CAPABILITY_LIST] = at;
	dev->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->cfg[at] = id;
	memcpy(dev->cfg + at + PCI_CAP_SIZEOF - 2, body, len);
	dev->cap_last = at;
	dev->cap_end = (at + 2 + len + 3) & ~3;
	return at;
}

/** pci_intx() - assert or release the INTA line, which slots may share. */
void pci_intx(struct pci_dev *dev, bool level)
{
	pthread_mutex_lock(&dev->vm->pci->lock);
	dev->intx = level;
	update_intx(dev);
	pthread_mutex_unlock(&dev->vm->pci->lock);
}
