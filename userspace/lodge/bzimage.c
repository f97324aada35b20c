// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Linux boot protocol, entered at the 64-bit entry point (linux-doc's
 * x86/boot.rst and x86/zero-page.rst): the protected-mode part is read
 * straight to where it will run, the setup header goes into the zero page.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "boot.h"
#include "lodge.h"
#include "util.h"

#define HEADER_OFF	0x1f1
#define HEADER_MAGIC	0x53726448	/* "HdrS" */
#define BOOT_MAGIC	0xaa55
#define ENTRY_64	0x200
#define SECTOR		512
#define LOADER_UNKNOWN	0xff		/* no number is ours */
#define VERSION_NEEDED	0x20c		/* the first with xloadflags */

static int read_header(struct boot_image *img, struct setup_header *h)
{
	uint8_t head[HEADER_OFF + sizeof(*h)] = { 0 };
	ssize_t n = pread_all(img->fd, head, sizeof(head), 0);
	size_t end;

	if (n < 0)
		return boot_fail(img, "it cannot be read: %s",
				 strerror(errno));
	memcpy(h, head + HEADER_OFF, sizeof(*h));
	if (n < (ssize_t)(HEADER_OFF + offsetof(struct setup_header, version)) ||
	    h->boot_flag != BOOT_MAGIC || h->header != HEADER_MAGIC)
		return boot_fail(img, "it is neither a bzImage nor an ELF file");
	if (h->version < VERSION_NEEDED)
		return boot_fail(img, "its boot protocol is %u.%02u, and 2.12 is the least that works",
				 h->version >> 8, h->version & 0xff);
	/* The jump's displacement says where the header ends (boot.rst). */
	end = HEADER_OFF + offsetof(struct setup_header, header) +
		(h->jump >> 8);
	if (end > sizeof(head))
		end = sizeof(head);
	if (end < HEADER_OFF + offsetof(struct setup_header, handover_offset))
		return boot_fail(img, "its header ends early, at byte 0x%zx",
				 end);
	memset((uint8_t *)h + end - HEADER_OFF, 0, sizeof(head) - end);
	if (n < (ssize_t)end)
		return boot_fail(img, "it ends within its header");
	if (!(h->xloadflags & XLF_KERNEL_64))
		return boot_fail(img, "it has no 64-bit entry point");
	return 0;
}

/*
 * Where the kernel goes: to the address it prefers. One that can be moved can run higher,
 * but moves itself there from below.
 */
static int64_t place(struct boot_image *img, const struct setup_header *h,
		     uint64_t size)
{
	uint64_t need = h->init_size > size ? h->init_size : size;
	uint64_t addr = h->pref_address;

	if (addr < BOOT_KERNEL_MIN)
		return boot_fail(img, "it wants to be loaded at 0x%llx, below 1 MiB",
				 (unsigned long long)addr);
	if (!mem_ptr(img->mem, addr, need) || addr >= LOW_RAM_END)
		return boot_fail(img, "it needs %llu MiB at 0x%llx; give the guest more --memory",
				 (unsigned long long)(need / MIB + 1),
				 (unsigned long long)addr);
	return addr;
}

static void put_zero_page(struct boot_image *img, const struct setup_header *h)
{
	struct boot_range range[BOOT_RANGES];
	struct boot_params *bp = mem_ptr(img->mem, BOOT_INFO_ADDR,
					 sizeof(*bp));
	unsigned int i, n = boot_map(img->mem, ACPI_BASE, range);

	memset(bp, 0, sizeof(*bp));
	bp->hdr = *h;
	bp->acpi_rsdp_addr = img->rsdp;
	bp->e820_entries = n;
	for (i = 0; i < n; i++)
		bp->e820_table[i] = (struct boot_e820_entry) {
			range[i].base, range[i].size, range[i].type };
}

/** bzimage_load() - load a bzImage; 0, or -1 with img->err set. */
int bzimage_load(struct boot_image *img, struct boot_entry *entry)
{
	struct setup_header h;
	uint64_t off, size;
	int64_t addr, initrd;

	if (read_header(img, &h))
		return -1;
	off = ((h.setup_sects ? h.setup_sects : 4) + 1) * SECTOR;
	if (img->size <= off + ENTRY_64)
		return boot_fail(img, "it is cut off: %llu bytes, and its code begins at %llu",
				 (unsigned long long)img->size,
				 (unsigned long long)off);
	size = img->size - off;
	if ((uint64_t)h.syssize * 16 > size + 15)
		return boot_fail(img, "it is cut off: %llu bytes of code are missing",
				 (unsigned long long)h.syssize * 16 - size);
	addr = place(img, &h, size);
	if (addr < 0)
		return -1;
	if (boot_put_cmdline(img, h.cmdline_size))
		return -1;
	initrd = boot_put_initrd(img, addr + (h.init_size > size ?
					      h.init_size : size),
				 h.initrd_addr_max);
	if (initrd < 0)
		return -1;
	if (mem_read_file(img->mem, addr, img->fd, off, size))
		return boot_fail(img, "it cannot be read: %s",
				 strerror(errno));
	h.type_of_loader = LOADER_UNKNOWN;
	h.loadflags &= ~(CAN_USE_HEAP | KASLR_FLAG);
	h.code32_start = addr;
	h.cmd_line_ptr = BOOT_CMDLINE_ADDR;
	h.ramdisk_image = initrd;
	h.ramdisk_size = initrd ? img->initrd_size : 0;
	h.setup_data = 0;
	h.vid_mode = 0xffff;	/* "normal" */
	put_zero_page(img, &h);
	*entry = (struct boot_entry) {
		.long_mode = true,
		.rip = addr + ENTRY_64,
		.info = BOOT_INFO_ADDR,
	};
	return 0;
}
