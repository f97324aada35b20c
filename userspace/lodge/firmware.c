// SPDX-License-Identifier: GPL-2.0-only
/*
 * Booting by a firmware: SeaBIOS as Debian builds it for QEMU's microvm, or another one that
 * wants no more. It is mapped below 4 GiB, where the processor begins, and what fits of its
 * end is copied to below 1 MiB, where it runs, and where memory is plain RAM.
 *
 * It sets up what a kernel that is booted directly finds done: BARs, MTRRs, the PIC. The
 * rest it learns from fw_cfg: memory, processors, that its screen and keyboard are the
 * first serial line, and where ACPI begins. The tables themselves are the same as ever, in
 * the last ACPI_SIZE bytes of low memory, since the firmware has the usual place for itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "fw_cfg.h"
#include "lodge.h"
#include "util.h"

#define ROM_UNIT	(64 * KIB)
#define SHADOW_MAX	(128 * KIB)
#define RSDP_BYTES	36
#define CONSOLE_PORT	0x3f8
#define FAIL_WAIT_MS	1000

/* An entry of etc/e820. */
struct e820_entry {
	uint64_t base, size;
	uint32_t type;
} __attribute__((packed));

/* etc/table-loader, QEMU's hw/acpi/bios-linker-loader.c: what to put where. */
struct loader_entry {
	uint32_t command;
	char file[FW_CFG_NAME_MAX];
	uint32_t align;
	uint8_t zone;
	uint8_t pad[63];
} __attribute__((packed));

#define LOADER_ALLOCATE	1
#define LOADER_FSEG	2

/* SMBIOS 3.0, 5.2.2 and 7.2: who made the machine. Without, SeaBIOS invents more. */
struct smbios_anchor {
	char anchor[5];
	uint8_t checksum, length, major, minor, docrev, revision, reserved;
	uint32_t size;
	uint64_t address;
} __attribute__((packed));

struct smbios_tables {
	struct {
		uint8_t type, length;
		uint16_t handle;
		uint8_t maker, product, version, serial, uuid[16], wake, sku, family;
		char text[sizeof("lodge\0lodge\0")];
	} __attribute__((packed)) system;
	struct {
		uint8_t type, length;
		uint16_t handle;
		char text[2];
	} __attribute__((packed)) end;
} __attribute__((packed));

_Static_assert(sizeof(struct e820_entry) == 20 && sizeof(struct loader_entry) == 128 &&
	       sizeof(struct smbios_anchor) == 24, "as firmwares have them");

static uint8_t *read_rom(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *rom;

	if (fd < 0 || fstat(fd, &st))
		die("cannot open %s: %s; the package seabios has one, or --firmware FILE names it",
		    path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		die("%s is not a regular file", path);
	if (!st.st_size || st.st_size % ROM_UNIT || (uint64_t)st.st_size > ROM_SIZE_MAX)
		die("%s is no firmware: 64, 128, 192 or 256 KiB are wanted, it has %lld bytes",
		    path, (long long)st.st_size);
	*size = st.st_size;
	/* Not the file itself, which others may cut off. */
	rom = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (rom == MAP_FAILED)
		die("cannot map %zu bytes for the firmware: %s", *size, strerror(errno));
	if (pread_all(fd, rom, *size, 0) != (ssize_t)*size)
		die("cannot read %s: %s", path, strerror(errno));
	close(fd);
	return rom;
}

static void map_rom(struct vm *vm)
{
	struct kvm_userspace_memory_region slot = {
		.slot = vm->mem.count,
		.flags = KVM_MEM_READONLY,
	};
	size_t size, shadow;
	uint8_t *rom = read_rom(vm->cfg->firmware, &size);

	slot.guest_phys_addr = HIGH_RAM_BASE - size;
	slot.memory_size = size;
	slot.userspace_addr = (uintptr_t)rom;
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) <= 0)
		die("%s lacks KVM_CAP_READONLY_MEM, which a firmware cannot do without",
		    vm->cfg->node);
	xioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot, "KVM_SET_USER_MEMORY_REGION");
	shadow = size < SHADOW_MAX ? size : SHADOW_MAX;
	mem_write(&vm->mem, BOOT_KERNEL_MIN - shadow, rom + size - shadow, shadow);
}

static void tell_memory(struct vm *vm, struct fw_cfg *fw)
{
	/*
	 * SeaBIOS takes the end of RAM below 4 GiB for the beginning of PCI's memory, which it
	 * makes uncached by one MTRR: a power of 2 has to be left. So there is a page of RAM
	 * in front of it for a moment; the later entry holds.
	 */
	const uint64_t hint = LOW_RAM_END - 4096;
	struct e820_entry e820[BOOT_RANGES + 2];
	struct boot_range range[BOOT_RANGES];
	unsigned int i, n = boot_map(&vm->mem, vm->acpi, range);

	for (i = 0; i < n; i++)
		e820[i + 2] = (struct e820_entry){ range[i].base, range[i].size, range[i].type };
	e820[0] = (struct e820_entry){ hint, 4096, E820_RAM };
	e820[1] = (struct e820_entry){ hint, 4096, E820_RESERVED };
	fw_cfg_add_file(fw, "etc/e820", e820, (n + 2) * sizeof(e820[0]));
}

static void tell_smbios(struct fw_cfg *fw)
{
	static const struct smbios_tables tables = {
		.system = { .type = 1, .length = 27, .handle = 0x100, .maker = 1, .product = 2,
			    .wake = 6, .text = "lodge\0lodge\0" },
		.end = { .type = 127, .length = 4, .handle = 0x7f00 },
	};
	static const struct smbios_anchor anchor = {
		.anchor = "_SM3_", .length = sizeof(anchor), .major = 3, .revision = 1,
		.size = sizeof(tables),
	};

	fw_cfg_add_file(fw, "etc/smbios/smbios-anchor", &anchor, sizeof(anchor));
	fw_cfg_add_file(fw, "etc/smbios/smbios-tables", &tables, sizeof(tables));
}

/**
 * firmware_load() - the firmware and what it asks for, or die
 * @vm: has memory, and ports
 */
void firmware_load(struct vm *vm)
{
	static const struct loader_entry loader = {
		.command = LOADER_ALLOCATE, .file = "etc/acpi/rsdp", .align = 16,
		.zone = LOADER_FSEG,
	};
	static const uint64_t console = CONSOLE_PORT, wait = FAIL_WAIT_MS;
	struct fw_cfg *fw = fw_cfg_create(vm);
	uint16_t cpus = vm->cfg->cpus;
	uint8_t pit_on_pin_2 = 1;
	uint64_t rsdp;

	map_rom(vm);
	vm->acpi = vm->mem.region[0].size - ACPI_SIZE;
	rsdp = acpi_build(&vm->mem, vm->acpi, cpus);
	fw_cfg_add(fw, FW_CFG_CPUS, &cpus, sizeof(cpus));
	fw_cfg_add(fw, FW_CFG_MAX_CPUS, &cpus, sizeof(cpus));
	fw_cfg_add(fw, FW_CFG_IRQ0_OVERRIDE, &pit_on_pin_2, sizeof(pit_on_pin_2));
	fw_cfg_add_file(fw, "etc/acpi/rsdp", mem_ptr(&vm->mem, rsdp, RSDP_BYTES), RSDP_BYTES);
	/* It resets then, which ends the machine. */
	fw_cfg_add_file(fw, "etc/boot-fail-wait", &wait, sizeof(wait));
	tell_memory(vm, fw);
	fw_cfg_add_file(fw, "etc/sercon-port", &console, sizeof(console));
	tell_smbios(fw);
	fw_cfg_add_file(fw, "etc/table-loader", &loader, sizeof(loader));
}
