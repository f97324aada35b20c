/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BOOT_H
#define BOOT_H

#include <stdint.h>

#include "mem.h"

#define E820_RAM	1
#define E820_RESERVED	2
#define BOOT_ERR	160

struct boot_entry;

/* One entry of the map of memory, as both boot protocols want it. */
struct boot_range {
	uint64_t base, size;
	uint32_t type;
};

#define BOOT_RANGES	5

/**
 * struct boot_image - what a loader works on
 * @mem: guest memory
 * @fd: the kernel's file
 * @size: its bytes
 * @cmdline: the kernel's command line
 * @cmdline_len: without the NUL
 * @initrd_fd: or -1
 * @initrd_size: its bytes
 * @rsdp: where the ACPI tables begin
 * @err: what is wrong with the image, for a person
 */
struct boot_image {
	const struct mem *mem;
	int fd;
	uint64_t size;
	const char *cmdline;
	uint64_t cmdline_len;
	int initrd_fd;
	uint64_t initrd_size;
	uint64_t rsdp;
	char err[BOOT_ERR];
};

int boot_fail(struct boot_image *img, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
unsigned int boot_map(const struct mem *mem, uint64_t acpi, struct boot_range *range);
int boot_put_cmdline(struct boot_image *img, uint64_t max);
int64_t boot_put_initrd(struct boot_image *img, uint64_t kernel_end,
			uint64_t last);
int boot_image_load(struct boot_image *img, struct boot_entry *entry);
int bzimage_load(struct boot_image *img, struct boot_entry *entry);
int pvh_load(struct boot_image *img, struct boot_entry *entry);

#endif
