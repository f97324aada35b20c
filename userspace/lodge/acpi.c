// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI tables. The DSDT is compiled from dsdt.asl; the others are written
 * here, since they hold what is known at run time only (addresses, CPUs).
 * Layouts and field values: ACPI specification 6.4, chapter 5.2.
 */
#include <string.h>

#include "acpi.h"
#include "lodge.h"
#include "util.h"

#include "dsdt.hex"

#define OEM_ID		"LODGE "
#define OEM_TABLE_ID	"LODGE   "
#define GAS_IO		1
#define MADT_LAPIC	0
#define MADT_IOAPIC	1
#define MADT_OVERRIDE	2
#define MADT_LAPIC_NMI	4
#define MADT_PCAT	1	/* two 8259s are there, too */
#define LEVEL_HIGH	0xd
#define ARCH_LEGACY	(1u << 0)
#define ARCH_NO_VGA	(1u << 2)
#define FADT_WBINVD	(1u << 0)
#define FADT_PROC_C1	(1u << 2)
#define FADT_SLP_BUTTON	(1u << 5)	/* no fixed sleep button */
#define FADT_RESET	(1u << 10)

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t ext_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

struct gas {
	uint8_t space, width, offset, access;
	uint64_t address;
} __attribute__((packed));

struct fadt {
	struct acpi_header h;
	uint32_t facs, dsdt;
	uint8_t reserved0, profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr;
	uint32_t gpe0, gpe1;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len;
	uint8_t gpe0_len, gpe1_len, gpe1_base, cst_cnt;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt;
	struct gas x_pm_tmr, x_gpe0, x_gpe1;
	struct gas sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

struct facs {
	char signature[4];
	uint32_t length, hardware_signature, waking_vector, lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[31];
} __attribute__((packed));

struct madt {
	struct acpi_header h;
	uint32_t lapic, flags;
	struct {
		uint8_t type, length, id;
		uint8_t reserved;
		uint32_t address, gsi_base;
	} __attribute__((packed)) ioapic;
	struct {
		uint8_t type, length, bus, irq;
		uint32_t gsi;
		uint16_t flags;
	} __attribute__((packed)) override[2];
	struct {
		uint8_t type, length, uid;
		uint16_t flags;
		uint8_t lint;
	} __attribute__((packed)) nmi;
	struct {
		uint8_t type, length, uid, id;
		uint32_t flags;
	} __attribute__((packed)) cpu[MAX_CPUS];
} __attribute__((packed));

struct mcfg {
	struct acpi_header h;
	uint64_t reserved;
	uint64_t base;
	uint16_t segment;
	uint8_t bus_first, bus_last;
	uint32_t reserved1;
} __attribute__((packed));

_Static_assert(sizeof(struct rsdp) == 36, "RSDP, ACPI 5.2.5.3");
_Static_assert(sizeof(struct fadt) == 276, "FADT, ACPI 5.2.9");
_Static_assert(sizeof(struct facs) == 64, "FACS, ACPI 5.2.10");

/** acpi_checksum() - the byte that makes all of @len bytes sum to zero. */
uint8_t acpi_checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	return -sum;
}

static void finish(struct acpi_header *h, const char *signature, uint8_t rev,
		   size_t len)
{
	memcpy(h->signature, signature, 4);
	h->length = len;
	h->revision = rev;
	memcpy(h->oem_id, OEM_ID, 6);
	memcpy(h->oem_table_id, OEM_TABLE_ID, 8);
	h->oem_revision = 1;
	memcpy(h->creator_id, "LDGE", 4);
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = acpi_checksum(h, len);
}

/* Tables follow each other; each begins at a multiple of 64 (the FACS must). */
static uint64_t put(const struct mem *mem, uint64_t *pos, const void *table,
		    size_t len)
{
	uint64_t at = *pos;

	if (mem_write(mem, at, table, len))
		die("the ACPI tables do not fit into memory");
	*pos = (at + len + 63) & ~63ULL;
	return at;
}

/* The DSDT says where the generation id is, behind the name ADDR. */
static uint64_t put_dsdt(const struct mem *mem, uint64_t *pos, uint32_t genid)
{
	/* A package of two, of which the first is a double word (20.2.3 and 20.2.5). */
	static const uint8_t before[] = { 'A', 'D', 'D', 'R', 0x12, 0x08, 0x02, 0x0c };
	uint8_t aml[sizeof(dsdt_aml_code)], *at;
	struct acpi_header *h = (void *)aml;

	memcpy(aml, dsdt_aml_code, sizeof(aml));
	at = memmem(aml, sizeof(aml), before, sizeof(before));
	if (!at)
		die("the DSDT has no place for a generation id");
	memcpy(at + sizeof(before), &genid, sizeof(genid));
	h->checksum = 0;
	h->checksum = acpi_checksum(aml, sizeof(aml));
	return put(mem, pos, aml, sizeof(aml));
}

static uint64_t put_fadt(const struct mem *mem, uint64_t *pos, uint64_t dsdt,
			 uint64_t facs)
{
	struct fadt fadt = {
		.facs = facs,
		.dsdt = dsdt,
		.sci_int = SCI_IRQ,
		.pm1a_evt = PM1_EVENT_PORT,
		.pm1a_cnt = PM1_CONTROL_PORT,
		.pm1_evt_len = 4,
		.pm1_cnt_len = 2,
		.gpe0 = GPE_PORT,
		.gpe0_len = GPE_LEN,
		.c2_latency = 0xffff,	/* no C2, no C3 */
		.c3_latency = 0xffff,
		.century = 0x32,
		.boot_arch = ARCH_LEGACY | ARCH_NO_VGA,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON |
			FADT_RESET,
		.reset_reg = { GAS_IO, 8, 0, 1, RESET_PORT },
		.reset_value = RESET_VALUE,
		.minor = 4,
		.x_dsdt = dsdt,
		.x_pm1a_evt = { GAS_IO, 32, 0, 2, PM1_EVENT_PORT },
		.x_pm1a_cnt = { GAS_IO, 16, 0, 2, PM1_CONTROL_PORT },
		.x_gpe0 = { GAS_IO, 8 * GPE_LEN, 0, 1, GPE_PORT },
	};

	finish(&fadt.h, "FACP", 6, sizeof(fadt));
	return put(mem, pos, &fadt, sizeof(fadt));
}

static uint64_t put_madt(const struct mem *mem, uint64_t *pos,
			 unsigned int cpus)
{
	struct madt madt = {
		.lapic = LAPIC_BASE,
		.flags = MADT_PCAT,
		.ioapic = { MADT_IOAPIC, sizeof(madt.ioapic), 0, 0,
			    IOAPIC_BASE, 0 },
		/* The PIT is on pin 2, the SCI level-triggered. */
		.override = {
			{ MADT_OVERRIDE, sizeof(madt.override[0]), 0, 0, 2,
			  0 },
			{ MADT_OVERRIDE, sizeof(madt.override[0]), 0, SCI_IRQ,
			  SCI_IRQ, LEVEL_HIGH },
		},
		.nmi = { MADT_LAPIC_NMI, sizeof(madt.nmi), 0xff, 0, 1 },
	};
	size_t len = offsetof(struct madt, cpu) + cpus * sizeof(madt.cpu[0]);
	unsigned int i;

	for (i = 0; i < cpus; i++) {
		madt.cpu[i].type = MADT_LAPIC;
		madt.cpu[i].length = sizeof(madt.cpu[0]);
		madt.cpu[i].uid = i;
		madt.cpu[i].id = i;
		madt.cpu[i].flags = 1;
	}
	finish(&madt.h, "APIC", 5, len);
	return put(mem, pos, &madt, len);
}

static uint64_t put_mcfg(const struct mem *mem, uint64_t *pos)
{
	struct mcfg mcfg = { .base = PCI_ECAM_BASE };

	finish(&mcfg.h, "MCFG", 1, sizeof(mcfg));
	return put(mem, pos, &mcfg, sizeof(mcfg));
}

_Static_assert(sizeof(dsdt_aml_code) + sizeof(struct madt) + 4096 < GENID_OFFSET,
	       "the tables end before the generation id");

/**
 * acpi_build() - write all tables
 * @mem: guest memory
 * @base: where ACPI_SIZE bytes of it are theirs
 * @cpus: from 1 to MAX_CPUS
 *
 * Return: the guest-physical address of the RSDP, which is also where a
 * kernel that scans for it looks first.
 */
uint64_t acpi_build(const struct mem *mem, uint64_t base, unsigned int cpus)
{
	struct {
		struct acpi_header h;
		uint64_t entry[3];
	} __attribute__((packed)) xsdt;
	struct facs facs = { "FACS", sizeof(facs), .version = 2 };
	struct rsdp rsdp = { "RSD PTR ", .oem_id = OEM_ID, .revision = 2,
			     .length = sizeof(rsdp) };
	uint64_t pos = base + 64;
	uint64_t dsdt, facs_at;

	memset(&xsdt, 0, sizeof(xsdt));
	dsdt = put_dsdt(mem, &pos, base + GENID_OFFSET);
	facs_at = put(mem, &pos, &facs, sizeof(facs));
	xsdt.entry[0] = put_fadt(mem, &pos, dsdt, facs_at);
	xsdt.entry[1] = put_madt(mem, &pos, cpus);
	xsdt.entry[2] = put_mcfg(mem, &pos);
	finish(&xsdt.h, "XSDT", 1, sizeof(xsdt));
	rsdp.xsdt = put(mem, &pos, &xsdt, sizeof(xsdt));
	rsdp.checksum = acpi_checksum(&rsdp, 20);
	rsdp.ext_checksum = acpi_checksum(&rsdp, sizeof(rsdp));
	pos = base;
	return put(mem, &pos, &rsdp, sizeof(rsdp));
}
