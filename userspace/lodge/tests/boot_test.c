// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel images, whole and broken in every way.
 */
#include <asm/bootparam.h>
#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot.h"
#include "lodge.h"
#include "tap.h"

#define FILE_SIZE	0x4000
#define CODE		(5 * 512)

static struct mem mem;
static uint8_t file[FILE_SIZE];
static struct setup_header *hdr = (void *)(file + 0x1f1);
static struct boot_image img;
static struct boot_entry entry;

/* Load the first @size bytes of @file. */
static int load(size_t size)
{
	static int initrd = -1;
	int ret;

	if (initrd < 0) {
		initrd = memfd_create("initrd", 0);
		if (write(initrd, "initrd", 6) != 6)
			abort();
	}
	img = (struct boot_image) {
		.mem = &mem,
		.fd = memfd_create("kernel", 0),
		.size = size,
		.cmdline = "hello",
		.cmdline_len = 5,
		.initrd_fd = initrd,
		.initrd_size = 6,
		.rsdp = 0xe0000,
	};
	if (write(img.fd, file, size) != (ssize_t)size)
		abort();
	ret = boot_image_load(&img, &entry);
	close(img.fd);
	return ret;
}

static void make_bzimage(void)
{
	memset(file, 0, sizeof(file));
	hdr->setup_sects = 4;
	hdr->syssize = (FILE_SIZE - CODE) / 16;
	hdr->boot_flag = 0xaa55;
	hdr->jump = 0x66eb;	/* to 0x268, where 2.15's header ends */
	hdr->header = 0x53726448;
	hdr->version = 0x20f;
	hdr->initrd_addr_max = 0x7fffffff;
	hdr->kernel_alignment = 0x200000;
	hdr->relocatable_kernel = 1;
	hdr->xloadflags = XLF_KERNEL_64;
	hdr->cmdline_size = 2047;
	hdr->pref_address = 0x1000000;
	hdr->init_size = 0x100000;
	memcpy(file + CODE, "code", 4);
}

static void test_bzimage(void)
{
	struct boot_params *bp;

	make_bzimage();
	check(!load(FILE_SIZE), "a bzImage is loaded: %s", img.err);
	bp = mem_ptr(&mem, entry.info, sizeof(*bp));
	check(entry.long_mode && entry.rip == 0x1000200,
	      "to its preferred address");
	check(!memcmp(mem_ptr(&mem, 0x1000000, 4), "code", 4),
	      "the code is there");
	check(!strcmp(mem_ptr(&mem, bp->hdr.cmd_line_ptr, 6), "hello"),
	      "so is the command line");
	check(bp->hdr.ramdisk_size == 6 &&
	      !memcmp(mem_ptr(&mem, bp->hdr.ramdisk_image, 6), "initrd", 6),
	      "and the initrd");
	check(bp->acpi_rsdp_addr == 0xe0000 && bp->e820_entries == 4 &&
	      bp->e820_table[2].addr == 0x100000 &&
	      bp->e820_table[2].size == 63 * MIB, "the zero page is filled");
	/* From lower it would move itself there. */
	hdr->pref_address = 0x8000000;
	check(load(FILE_SIZE) && strstr(img.err, "--memory"),
	      "one that prefers a place beyond RAM: %s", img.err);
}

#define BROKEN(what, ...) do { \
	make_bzimage(); \
	__VA_ARGS__; \
	check(load(FILE_SIZE) && img.err[0], what ": %s", img.err); \
} while (0)

static void test_broken_bzimage(void)
{
	size_t size;
	int bad = 0;

	BROKEN("no boot flag", hdr->boot_flag = 0);
	BROKEN("no magic", hdr->header = 0);
	BROKEN("too old", hdr->version = 0x20b);
	BROKEN("no 64-bit entry", hdr->xloadflags = 0);
	BROKEN("a header that ends early", hdr->jump = 0x10eb);
	BROKEN("setup beyond the file", hdr->setup_sects = 255);
	BROKEN("code that is missing", hdr->syssize = 0xffffffff);
	BROKEN("a place below 1 MiB", hdr->pref_address = 0x1000);
	BROKEN("a place that wraps", hdr->pref_address = ~0ULL);
	BROKEN("a size that RAM has not", hdr->init_size = 0xffffffff);
	BROKEN("a short command line", hdr->cmdline_size = 4);
	BROKEN("an initrd that may be nowhere", hdr->initrd_addr_max = 0);
	make_bzimage();
	for (size = 0; size < FILE_SIZE; size += size < 1024 ? 1 : 509)
		bad += !load(size) || !img.err[0];
	check(!bad, "cut off at any length, it is refused");
}

#define eh	((Elf64_Ehdr *)file)
#define ph	((Elf64_Phdr *)(file + sizeof(Elf64_Ehdr)))
static uint32_t *note = (void *)(file + 0x200);

static void make_elf(void)
{
	memset(file, 0, sizeof(file));
	memcpy(eh->e_ident, ELFMAG, SELFMAG);
	eh->e_ident[EI_CLASS] = ELFCLASS64;
	eh->e_ident[EI_DATA] = ELFDATA2LSB;
	eh->e_machine = EM_X86_64;
	eh->e_phoff = sizeof(*eh);
	eh->e_phentsize = sizeof(*ph);
	eh->e_phnum = 2;
	ph[0] = (Elf64_Phdr) { .p_type = PT_LOAD, .p_offset = 0x1000,
		.p_paddr = 0x200000, .p_filesz = 0x1000, .p_memsz = 0x3000 };
	ph[1] = (Elf64_Phdr) { .p_type = PT_NOTE, .p_offset = 0x200,
		.p_filesz = 40 };
	/* Another note first: type 3 of "abc", 4 bytes. */
	memcpy(note, (uint32_t[]){ 4, 4, 3, 0x636261, 0 }, 20);
	memcpy(note + 5, (uint32_t[]){ 4, 4, 18, 0x6e6558, 0x200100 }, 20);
	memcpy(file + 0x1000, "code", 4);
}

#define BROKEN_ELF(what, ...) do { \
	make_elf(); \
	__VA_ARGS__; \
	check(load(FILE_SIZE) && img.err[0], what ": %s", img.err); \
} while (0)

static void test_pvh(void)
{
	uint32_t *info;
	uint64_t memmap;
	size_t size;
	int bad = 0;

	make_elf();
	check(!load(FILE_SIZE), "a PVH kernel is loaded: %s", img.err);
	check(!entry.long_mode && entry.rip == 0x200100,
	      "to be entered in 32-bit mode");
	info = mem_ptr(&mem, entry.info, 56);
	check(info[0] == 0x336ec578 && info[3] == 1 && info[12] == 4,
	      "the start info is filled");
	memcpy(&memmap, info + 10, sizeof(memmap));
	check(*(uint32_t *)mem_ptr(&mem, memmap + 16, 4) == E820_RAM,
	      "the map of memory begins with RAM");
	check(!memcmp(mem_ptr(&mem, 0x200000, 4), "code", 4),
	      "the code is there");

	BROKEN_ELF("32 bits", eh->e_ident[EI_CLASS] = ELFCLASS32);
	BROKEN_ELF("another machine", eh->e_machine = EM_AARCH64);
	BROKEN_ELF("odd program headers", eh->e_phentsize = 1);
	BROKEN_ELF("headers out of the file", eh->e_phoff = ~0ULL);
	BROKEN_ELF("more headers than file", eh->e_phnum = 65535,
		   ph[1].p_type = 0);
	BROKEN_ELF("no note", ph[1].p_type = PT_NULL);
	BROKEN_ELF("a note of another", note[8] = 0x6e6559);
	BROKEN_ELF("a note with a wild name", note[0] = 0xffffffff);
	BROKEN_ELF("a note with a wild size", note[1] = 0xfffffffd);
	BROKEN_ELF("notes out of the file", ph[1].p_offset = ~0ULL);
	BROKEN_ELF("an entry elsewhere", note[9] = 0x100);
	BROKEN_ELF("a segment out of the file", ph[0].p_offset = ~0ULL - 4);
	BROKEN_ELF("a segment below 1 MiB", ph[0].p_paddr = 0x1000);
	BROKEN_ELF("a segment out of RAM", ph[0].p_paddr = 0x3fff000);
	BROKEN_ELF("a segment that wraps", ph[0].p_memsz = ~0ULL);
	BROKEN_ELF("a segment larger than itself", ph[0].p_filesz = 0x3001);
	make_elf();
	for (size = 0; size < 0x2000; size += size < 1024 ? 1 : 509)
		bad += !load(size) || !img.err[0];
	check(!bad, "cut off at any length, it is refused");
}

static void test_map(void)
{
	struct boot_range range[BOOT_RANGES];
	const uint64_t acpi = mem.region[0].size - ACPI_SIZE;

	check(boot_map(&mem, acpi, range) == 4 && range[1].base == acpi &&
	      range[1].size == ACPI_SIZE && range[1].type == E820_RESERVED &&
	      range[2].base == BOOT_KERNEL_MIN && range[2].size == acpi - BOOT_KERNEL_MIN &&
	      range[2].type == E820_RAM, "a firmware's RAM ends before the ACPI tables");
}

int main(void)
{
	mem_create(&mem, 64 * MIB, -1);
	test_bzimage();
	test_broken_bzimage();
	test_pvh();
	test_map();
	return done();
}
