// SPDX-License-Identifier: GPL-2.0-only
/*
 * Booting: which loader a kernel wants, and what both loaders share: the
 * command line, the initrd, the map of memory, and the tables that the first
 * instruction of a kernel runs on.
 *
 * A kernel's file is input like any other: every number in it is judged
 * before it is used, and what is wrong is said in words.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "lodge.h"
#include "progress.h"
#include "util.h"

#define DEFAULT_APPEND	"console=ttyS0"

#define PTE_PRESENT_RW	3ULL
#define PTE_HUGE	0x80ULL

/** boot_fail() - note what is wrong with the image. Return: -1. */
int boot_fail(struct boot_image *img, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(img->err, sizeof(img->err), fmt, ap);
	va_end(ap);
	return -1;
}

/**
 * boot_map() - the map of memory
 * @mem: guest memory
 * @acpi: where its tables are: below BOOT_KERNEL_MIN, or at the end of low memory
 * @range: at most BOOT_RANGES entries, filled in
 *
 * Return: how many.
 */
unsigned int boot_map(const struct mem *mem, uint64_t acpi, struct boot_range *range)
{
	uint64_t low = acpi < BOOT_KERNEL_MIN ? mem->region[0].size : acpi;
	unsigned int i, n = 0;

	range[n++] = (struct boot_range){ 0, LEGACY_HOLE, E820_RAM };
	range[n++] = (struct boot_range){ acpi, ACPI_SIZE, E820_RESERVED };
	range[n++] = (struct boot_range){ BOOT_KERNEL_MIN,
					  low - BOOT_KERNEL_MIN, E820_RAM };
	for (i = 1; i < mem->count; i++)
		range[n++] = (struct boot_range){ mem->region[i].gpa,
						  mem->region[i].size,
						  E820_RAM };
	range[n++] = (struct boot_range){ PCI_ECAM_BASE, PCI_ECAM_SIZE,
					  E820_RESERVED };
	return n;
}

/** boot_put_cmdline() - copy the command line, of at most @max bytes. */
int boot_put_cmdline(struct boot_image *img, uint64_t max)
{
	if (max > BOOT_CMDLINE_MAX - 1)
		max = BOOT_CMDLINE_MAX - 1;
	if (img->cmdline_len > max)
		return boot_fail(img, "it takes a command line of %llu bytes, --append has %llu",
				 (unsigned long long)max,
				 (unsigned long long)img->cmdline_len);
	return mem_write(img->mem, BOOT_CMDLINE_ADDR, img->cmdline,
			 img->cmdline_len + 1);
}

/**
 * boot_put_initrd() - read the initrd to the top of low memory
 * @img: the image
 * @kernel_end: nothing may lie below this
 * @last: the highest address that the kernel can find it at
 *
 * Return: its address (0 if there is none), or -1.
 */
int64_t boot_put_initrd(struct boot_image *img, uint64_t kernel_end,
			uint64_t last)
{
	uint64_t top = img->mem->region[0].size;
	uint64_t addr;

	if (img->initrd_fd < 0 || !img->initrd_size)
		return 0;
	if (top - 1 > last)
		top = last + 1;
	if (top <= kernel_end || img->initrd_size > top - kernel_end)
		return boot_fail(img, "no room for an initrd of %llu MiB; give the guest more --memory",
				 (unsigned long long)(img->initrd_size / MIB));
	addr = (top - img->initrd_size) & ~0xfffULL;
	if (addr < kernel_end)
		return boot_fail(img, "no room for the initrd; give the guest more --memory");
	if (mem_read_file(img->mem, addr, img->initrd_fd, 0,
			  img->initrd_size))
		return boot_fail(img, "the initrd cannot be read: %s",
				 strerror(errno));
	return addr;
}

/* GDT and identity map of the first 4 GiB, for the kernel's first steps. */
static void put_tables(const struct mem *mem)
{
	/*
	 * 0x10 is the code segment of either protocol: L wins over D in long
	 * mode, and a PVH kernel loads a table of its own before it reloads CS.
	 */
	static const uint64_t gdt[4] = {
		0, 0,
		0x00af9a000000ffff,
		0x00cf92000000ffff,	/* 0x18: data */
	};
	uint64_t *table = mem_ptr(mem, BOOT_PAGES_ADDR, 6 * 4096);
	unsigned int i;

	mem_write(mem, BOOT_GDT_ADDR, gdt, sizeof(gdt));
	table[0] = (BOOT_PAGES_ADDR + 4096) | PTE_PRESENT_RW;
	for (i = 0; i < 4; i++)
		table[512 + i] = (BOOT_PAGES_ADDR + (2 + i) * 4096) |
			PTE_PRESENT_RW;
	for (i = 0; i < 4 * 512; i++)
		table[1024 + i] = i * 2 * MIB | PTE_PRESENT_RW | PTE_HUGE;
}

/** boot_image_load() - load @img by what its first bytes say; 0 or -1. */
int boot_image_load(struct boot_image *img, struct boot_entry *entry)
{
	uint8_t magic[4];
	ssize_t n = pread_all(img->fd, magic, sizeof(magic), 0);

	if (n < 0)
		return boot_fail(img, "%s", strerror(errno));
	if (n < (ssize_t)sizeof(magic))
		return boot_fail(img, "it is %zd bytes long", n);
	put_tables(img->mem);
	if (!memcmp(magic, "\177ELF", 4))
		return pvh_load(img, entry);
	return bzimage_load(img, entry);
}

static int open_input(const char *path, uint64_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("cannot open %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		die("%s is not a regular file", path);
	*size = st.st_size;
	return fd;
}

/** boot_load() - kernel, initrd and tables into memory, or die. */
void boot_load(struct vm *vm, struct boot_entry *entry)
{
	const struct config *cfg = vm->cfg;
	struct boot_image img = {
		.mem = &vm->mem,
		.cmdline = cfg->append ? cfg->append : DEFAULT_APPEND,
		.initrd_fd = -1,
	};

	img.cmdline_len = strlen(img.cmdline);
	progress_begin(0, "reading %s%s%s", cfg->kernel, cfg->initrd ? " and " : "",
		       cfg->initrd ?: "");
	img.fd = open_input(cfg->kernel, &img.size);
	if (cfg->initrd)
		img.initrd_fd = open_input(cfg->initrd, &img.initrd_size);
	vm->acpi = ACPI_BASE;
	img.rsdp = acpi_build(&vm->mem, vm->acpi, cfg->cpus);
	if (boot_image_load(&img, entry))
		die("cannot boot %s: %s", cfg->kernel, img.err);
	close(img.fd);
	if (img.initrd_fd >= 0)
		close(img.initrd_fd);
	progress_end();
}
