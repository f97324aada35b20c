// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI: both ways to configuration space, BARs that a guest moves wherever it
 * likes, and MSI-X.
 */
#include <linux/pci_regs.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "fake_irq.h"
#include "lodge.h"
#include "pci.h"
#include "tap.h"

#define BAR0	PCI_BASE_ADDRESS_0
#define BAR1	PCI_BASE_ADDRESS_1

static struct vm vm;
static struct pci_dev a, b;

static uint64_t bar_read(void *arg, uint64_t off, unsigned int size)
{
	struct pci_dev *dev = arg;

	if (off >= 0x1000)
		return msix_pba_read(dev, off - 0x1000, size);
	if (off >= 0x100)
		return msix_table_read(dev, off - 0x100, size);
	return dev->slot;
}

static void bar_write(void *arg, uint64_t off, uint64_t val,
		      unsigned int size)
{
	if (off >= 0x100 && off < 0x1000)
		msix_table_write(arg, off - 0x100, val, size);
}

static uint32_t ecam(unsigned int slot, unsigned int reg)
{
	uint32_t v;

	bus_access(&vm.mmio, PCI_ECAM_BASE + (slot << 15) + reg, &v, 4, false);
	return v;
}

static void ecam_set(unsigned int slot, unsigned int reg, uint32_t v,
		     unsigned int size)
{
	bus_access(&vm.mmio, PCI_ECAM_BASE + (slot << 15) + reg, &v, size,
		   true);
}

static uint32_t port(unsigned int slot, unsigned int reg)
{
	uint32_t v = 0x80000000 | slot << 11 | reg;

	bus_access(&vm.pio, 0xcf8, &v, 4, true);
	bus_access(&vm.pio, 0xcfc, &v, 4, false);
	return v;
}

static uint32_t mem(uint64_t addr)
{
	uint32_t v;

	bus_access(&vm.mmio, addr, &v, 4, false);
	return v;
}

static void mem_set(uint64_t addr, uint32_t v)
{
	bus_access(&vm.mmio, addr, &v, 4, true);
}

static void add(struct pci_dev *dev, uint16_t id)
{
	struct pci_bar bar = { .io = { 0, 0x2000, bar_read, bar_write, dev } };
	struct pci_bar ports = { .io = { 0, 16, bar_read, NULL, dev },
				 .ports = true };

	pci_add(&vm, dev, 0x1234, id, 0xff0000);
	pci_add_bar(dev, 0, &bar);
	pci_add_bar(dev, 1, &ports);
	msix_create(dev, 3, 0, 0x100, 0x1000);
}

static void test_config(void)
{
	check(ecam(0, 0) == 0x00081b36, "the host bridge is in slot 0");
	check(ecam(1, 0) == 0x11234 && port(1, 0) == 0x11234,
	      "a device answers through ports and ECAM");
	check(ecam(3, 0) == ~0u && port(3, 0) == ~0u, "an empty slot does not");
	check(mem(PCI_ECAM_BASE + (1 << 15) + (1 << 12)) == ~0u,
	      "nor does another function");
	check(ecam(1, 0x100) == 0, "extended space is empty");
	ecam_set(1, PCI_VENDOR_ID, 0, 4);
	check(ecam(1, 0) == 0x11234, "what is read-only stays");
	ecam_set(1, PCI_INTERRUPT_LINE, 0x55, 1);
	check((port(1, PCI_INTERRUPT_LINE) & 0xffff) == 0x155,
	      "a byte is written alone");
	ecam_set(1, 0xfe, 0xffffffff, 4);
	check(ecam(1, 0) == 0x11234, "a write over the end goes nowhere");
}

static void test_bars(void)
{
	uint32_t bar = ecam(1, BAR0), other = ecam(2, BAR0);
	uint32_t ports = ecam(1, BAR1);

	check(bar >= PCI_MMIO_BASE && bar != other && ports & 1,
	      "BARs are assigned");
	check(mem(bar) == ~0u, "and answer nothing while decoding is off");
	ecam_set(1, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 2);
	ecam_set(2, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	check(mem(bar) == 1 && mem(other) == 2, "decoding on, they do");
	ecam_set(1, BAR0, ~0u, 4);
	check(ecam(1, BAR0) == ~0x1fffu && mem(bar) == ~0u,
	      "sized, a BAR shows its size and answers nowhere");
	ecam_set(1, BAR0, bar + 0x100000, 4);
	check(mem(bar + 0x100000) == 1, "moved, it answers there");
	ecam_set(1, BAR0, other, 4);
	check(mem(other) == 2, "over another device's, it does not");
	ecam_set(1, BAR0, 0, 4);
	check(mem(0) == ~0u, "nor over RAM");
	ecam_set(1, BAR0, PCI_ECAM_BASE, 4);
	check(ecam(0, 0) == 0x00081b36, "nor over ECAM");
	ecam_set(1, BAR0, PCI_MMIO_END - 0x2000, 4);
	check(mem(PCI_MMIO_END - 0x2000) == 1, "as high as a firmware puts it, it answers");
	ecam_set(1, BAR0, IOAPIC_BASE, 4);
	check(mem(IOAPIC_BASE) == ~0u, "nor over the I/O APIC");
	ecam_set(1, BAR1, 0x3f0, 4);
	ecam_set(1, BAR1, ports, 4);
	ecam_set(1, BAR0, bar, 4);
	check(mem(bar) == 1, "put back, it answers again");
	ecam_set(1, PCI_COMMAND, 0, 2);
	check(mem(bar) == ~0u, "decoding off, it is silent");
	ecam_set(1, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
}

static bool fired(int efd)
{
	uint64_t n;

	return efd >= 0 && read(efd, &n, sizeof(n)) == sizeof(n);
}

/* An access that the table has to refuse, whatever it would hit. */
static void msix_refuses(uint32_t table, unsigned int off, unsigned int size)
{
	uint64_t before[2], after[2], v = 0xa5a5a5a5a5a5a5a5;

	memcpy(before, a.vector[off / 16].entry, 16);
	bus_access(&vm.mmio, table + off, &v, size, true);
	v = 0;
	bus_access(&vm.mmio, table + off, &v, size, false);
	memcpy(after, a.vector[off / 16].entry, 16);
	check(v == ~0ULL >> (64 - 8 * size) &&
	      !memcmp(before, after, sizeof(before)),
	      "the table refuses %u bytes at %u", size, off);
}

static void test_msix(void)
{
	uint32_t table = (ecam(1, BAR0) & ~0xfu) + 0x100;
	unsigned int cap = ecam(1, PCI_CAPABILITY_LIST) & 0xff;
	/* Too small, across two entries, past the last one, not aligned. */
	static const struct {
		unsigned int off, size;
	} refused[] = {
		{ 16, 1 }, { 16, 2 }, { 15, 3 }, { 15, 5 }, { 12, 6 },
		{ 14, 7 }, { 45, 5 }, { 42, 7 }, { 2, 4 }, { 4, 8 },
	};
	unsigned int i;

	check((ecam(1, cap) & 0xff) == PCI_CAP_ID_MSIX &&
	      (ecam(1, cap) >> 16 & 0x7ff) == 2, "the capability is found");
	check(!msix_raise(&a, 1), "off, a device has to use INTx");
	ecam_set(1, cap + 2, PCI_MSIX_FLAGS_ENABLE, 2);
	check(msix_raise(&a, 1) && mem(table + 0xf00) == 2,
	      "masked, a vector only becomes pending");
	mem_set(table + 16, 0xfee00000);
	mem_set(table + 20, 0);
	mem_set(table + 24, 0x41);
	mem_set(table + 28, 0);
	check(fake_msi[0].addr == 0xfee00000 && fake_msi[0].data == 0x41 &&
	      fired(fake_msi[0].efd) && mem(table + 0xf00) == 0,
	      "unmasked, it is routed and delivered");
	check(msix_raise(&a, 1) && fired(fake_msi[0].efd), "then at once");
	mem_set(table + 24, 0x42);
	check(fake_msi[0].data == 0x42, "a changed message is routed anew");
	ecam_set(1, cap + 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL,
		 2);
	msix_raise(&a, 1);
	check(!fired(fake_msi[0].efd), "the function's mask holds it");
	ecam_set(1, cap + 2, PCI_MSIX_FLAGS_ENABLE, 2);
	check(fired(fake_msi[0].efd), "and lets it go");
	check(msix_raise(&a, 77) && msix_raise(&a, MSIX_NONE),
	      "a vector that is none is silence");
	mem_set(table + 3 * 16, 1);
	check(mem(table + 3 * 16) == ~0u, "the table ends where it ends");
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		msix_refuses(table, refused[i].off, refused[i].size);
}

static int told;

static void route(struct msix_sink *sink, int fd)
{
	(void)sink;
	told = fd;
}

/* Who raises a vector himself hears when he may. */
static void test_sink(void)
{
	struct msix_sink sink = { .vector = 1, .route = route };
	uint32_t table = (ecam(1, BAR0) & ~0xfu) + 0x100;
	unsigned int cap = ecam(1, PCI_CAPABILITY_LIST) & 0xff;

	told = -2;
	msix_sink_add(&a, &sink);
	check(told == fake_msi[0].efd, "a vector in use is raised by its eventfd");
	mem_set(table + 28, 1);
	check(told == -1, "not while it is masked");
	mem_set(table + 28, 0);
	check(told == fake_msi[0].efd, "but after that");
	ecam_set(1, cap + 2, 0, 2);
	check(told == -1, "nor without MSI-X");
	ecam_set(1, cap + 2, PCI_MSIX_FLAGS_ENABLE, 2);
	check(told == fake_msi[0].efd, "but with it");
	msix_sink_vector(&a, &sink, 2);
	check(told == -1, "another vector is masked");
	msix_sink_vector(&a, &sink, MSIX_NONE);
	check(told == -1, "none is none");
	msix_sink_vector(&a, &sink, 1);
	check(told == fake_msi[0].efd, "the first one again");
	msix_sink_remove(&a, &sink);
	mem_set(table + 28, 1);
	check(told == fake_msi[0].efd && !a.sinks, "who has gone hears nothing");
	mem_set(table + 28, 0);
}

static void test_intx(void)
{
	pci_intx(&a, true);
	check(fake_level[PCI_GSI_BASE + 1], "INTA of slot 1 is GSI 17");
	ecam_set(1, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
	pci_intx(&a, true);
	check(!fake_level[PCI_GSI_BASE + 1], "and can be disabled");
}

/* A device goes, and another one has what it had. */
static void test_remove(void)
{
	static struct pci_dev c;
	uint32_t bar = ecam(1, BAR0) & ~0xfu, ports = ecam(1, BAR1) & ~3u;
	uint32_t table = bar + 0x100;
	unsigned int cap = ecam(1, PCI_CAPABILITY_LIST) & 0xff;
	int efd = fake_msi[0].efd;

	ecam_set(1, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	pci_running(&vm);
	pci_intx(&a, true);
	pci_hide(&vm, 1);
	check(ecam(1, 0) == ~0u && port(1, 0) == ~0u && mem(bar) == 1,
	      "hidden, a device's windows answer those that have them");
	pci_unmap(&a);
	check(mem(bar) == ~0u, "then they don't");
	pci_remove(&a);
	check(fake_msi[0].efd == -1 && fcntl(efd, F_GETFD) < 0 && !a.vector,
	      "its vectors are given back");
	check(!fake_level[PCI_GSI_BASE + 1], "and so is its line");
	/* The guest moves the other one's to where the first one's was. */
	ecam_set(2, BAR1, ports, 4);
	add(&c, 3);
	check(ecam(1, 0) == ~0u, "a new one isn't found before it is complete");
	check(pci_show(&c) && !pci_show(&c) && ecam(1, 0) == 0x31234, "but then, in its slot");
	check((ecam(1, BAR0) & ~0xfu) == bar, "it has the first one's window");
	check((ecam(1, BAR1) & ~3u) != ports && ecam(1, BAR1) & ~3u, "but for what is taken");
	ecam_set(1, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	ecam_set(1, cap + 2, PCI_MSIX_FLAGS_ENABLE, 2);
	mem_set(table + 12, 0);
	check(mem(bar) == 1 && msix_raise(&c, 0) && fired(fake_msi[1].efd),
	      "and it answers, and raises interrupts");
	check(!pci_full(&vm), "there is room for more");
}

int main(void)
{
	bus_init(&vm.pio);
	bus_init(&vm.mmio);
	pci_create(&vm);
	add(&a, 1);
	add(&b, 2);
	test_config();
	test_bars();
	test_msix();
	test_sink();
	test_intx();
	test_remove();
	return done();
}
