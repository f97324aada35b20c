// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI tables: all of them can be found from the RSDP, and sum to zero.
 */
#include <string.h>

#include "acpi.h"
#include "lodge.h"
#include "tap.h"

static uint8_t ram[MIB];
static struct mem mem = { { { 0, MIB, ram } }, 1, -1, -1 };

static uint64_t base;

static struct acpi_header *table(uint64_t at, const char *signature)
{
	struct acpi_header *h = mem_ptr(&mem, at, sizeof(*h));

	check(h && at >= base && h->length <= base + GENID_OFFSET - at &&
	      !memcmp(h->signature, signature, 4), "%s is there", signature);
	check(!acpi_checksum(h, h->length), "%s sums to zero", signature);
	return h;
}

static uint64_t get64(const void *p, unsigned int off)
{
	uint64_t v;

	memcpy(&v, (const char *)p + off, sizeof(v));
	return v;
}

static unsigned int count_cpus(const struct acpi_header *madt)
{
	const uint8_t *p = (const uint8_t *)madt + 44;
	const uint8_t *end = (const uint8_t *)madt + madt->length;
	unsigned int n = 0;

	for (; p < end && p[1]; p += p[1])
		if (p[0] == 0 && p[3] == n)
			n++;
	return p == end ? n : 0;
}

static void test_cpus(uint64_t at, unsigned int cpus)
{
	uint64_t rsdp = acpi_build(&mem, at, cpus);
	const uint8_t *r = ram + rsdp, *addr;
	struct acpi_header *xsdt, *fadt, *dsdt;
	uint32_t genid = at + GENID_OFFSET;

	base = at;

	check(rsdp % 16 == 0 && !memcmp(r, "RSD PTR ", 8),
	      "the RSDP is where a scan finds it, %u CPUs", cpus);
	check(!acpi_checksum(r, 20) && !acpi_checksum(r, 36),
	      "both of its checksums are right");
	xsdt = table(get64(r, 24), "XSDT");
	fadt = table(get64(xsdt, 36), "FACP");
	check(count_cpus(table(get64(xsdt, 44), "APIC")) == cpus,
	      "the MADT has %u CPUs and no loose end", cpus);
	check(get64(table(get64(xsdt, 52), "MCFG"), 44) == PCI_ECAM_BASE,
	      "the MCFG says where ECAM is");
	dsdt = table(get64(fadt, 140), "DSDT");
	addr = memmem(dsdt, dsdt->length, "ADDR", 4);
	check(addr && !memcmp(addr + 8, &genid, 4), "and where the generation id is");
	check(!memcmp(ram + *(uint32_t *)((char *)fadt + 36), "FACS", 4),
	      "the FACS is there");
}

static void test_genid(void)
{
	static const struct config said = { .has_genid = true, .genid = { 1, 2, 3 } };
	static const struct config unsaid;
	struct vm vm = { .cfg = &said, .mem = mem, .acpi = ACPI_BASE };
	uint8_t one[GENID_BYTES];

	genid_create(&vm);
	check(!memcmp(ram + ACPI_BASE + GENID_OFFSET, said.genid, GENID_BYTES), "a generation id that is given");
	vm.cfg = &unsaid;
	genid_create(&vm);
	memcpy(one, ram + ACPI_BASE + GENID_OFFSET, sizeof(one));
	genid_create(&vm);
	check(memcmp(one, ram + ACPI_BASE + GENID_OFFSET, sizeof(one)), "others differ each time");
}

int main(void)
{
	check(acpi_checksum("\1\2\3", 3) == 0xfa, "a checksum");
	check(acpi_checksum("", 0) == 0, "of nothing");
	test_cpus(ACPI_BASE, 1);
	test_cpus(ACPI_BASE, MAX_CPUS);
	test_cpus(0x40000, 2);
	test_genid();
	return done();
}
