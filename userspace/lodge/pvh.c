// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVH: an ELF file (a vmlinux, say) that carries the Xen note
 * PHYS32_ENTRY, entered there in flat 32-bit mode with EBX at a start-info
 * page (Xen's public/arch-x86/hvm/start_info.h and docs/misc/pvh).
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot.h"
#include "lodge.h"
#include "util.h"

#define NOTE_PHYS32_ENTRY	18
#define NOTES_MAX		(64 * KIB)
#define START_MAGIC		0x336ec578

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memmap;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct start_module {
	uint64_t addr, size, cmdline, reserved;
};

struct start_range {
	uint64_t addr, size;
	uint32_t type, reserved;
};

/* Everything the kernel is told, in one page. */
struct start_page {
	struct start_info info;
	struct start_module module;
	struct start_range map[BOOT_RANGES];
};

/* Look through one PT_NOTE segment for the entry point. */
static int find_entry(struct boot_image *img, const Elf64_Phdr *ph,
		      uint64_t *entry)
{
	uint64_t pos = 0, size = ph->p_filesz;
	uint8_t *notes;
	int ret = -1;

	if (size > NOTES_MAX)
		size = NOTES_MAX;
	notes = xalloc(1, size);
	if (pread_all(img->fd, notes, size, ph->p_offset) != (ssize_t)size)
		goto out;
	while (size - pos >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr nh;
		uint64_t name, desc, end;

		memcpy(&nh, notes + pos, sizeof(nh));
		name = pos + sizeof(nh);
		desc = name + ((nh.n_namesz + 3ULL) & ~3ULL);
		end = desc + ((nh.n_descsz + 3ULL) & ~3ULL);
		if (desc + nh.n_descsz > size)
			break;
		if (nh.n_type == NOTE_PHYS32_ENTRY && nh.n_namesz == 4 &&
		    !memcmp(notes + name, "Xen", 4) &&
		    (nh.n_descsz == 4 || nh.n_descsz == 8)) {
			*entry = 0;
			memcpy(entry, notes + desc, nh.n_descsz);
			ret = 0;
			break;
		}
		if (end >= size)
			break;
		pos = end;
	}
out:
	free(notes);
	return ret;
}

static int load_segment(struct boot_image *img, const Elf64_Phdr *ph,
			uint64_t *end)
{
	if (!ph->p_memsz)
		return 0;
	if (ph->p_filesz > ph->p_memsz || ph->p_offset > img->size ||
	    ph->p_filesz > img->size - ph->p_offset)
		return boot_fail(img, "it is cut off: a segment lies beyond its end");
	if (ph->p_paddr < BOOT_KERNEL_MIN || ph->p_paddr >= LOW_RAM_END ||
	    !mem_ptr(img->mem, ph->p_paddr, ph->p_memsz))
		return boot_fail(img, "a segment of %llu KiB at 0x%llx is not within RAM above 1 MiB; give the guest more --memory",
				 (unsigned long long)(ph->p_memsz / KIB),
				 (unsigned long long)ph->p_paddr);
	/* What the file does not fill is zero: memory is still untouched. */
	if (mem_read_file(img->mem, ph->p_paddr, img->fd, ph->p_offset,
			  ph->p_filesz))
		return boot_fail(img, "it cannot be read: %s",
				 strerror(errno));
	if (ph->p_paddr + ph->p_memsz > *end)
		*end = ph->p_paddr + ph->p_memsz;
	return 0;
}

static void put_start_page(struct boot_image *img, uint64_t initrd)
{
	struct boot_range range[BOOT_RANGES];
	unsigned int i, n = boot_map(img->mem, ACPI_BASE, range);
	struct start_page page = {
		.info = {
			.magic = START_MAGIC,
			.version = 1,
			.cmdline = BOOT_CMDLINE_ADDR,
			.rsdp = img->rsdp,
			.memmap = BOOT_INFO_ADDR +
				offsetof(struct start_page, map),
			.memmap_entries = n,
		},
		.module = { .addr = initrd, .size = img->initrd_size },
	};

	if (initrd) {
		page.info.nr_modules = 1;
		page.info.modlist = BOOT_INFO_ADDR +
			offsetof(struct start_page, module);
	}
	for (i = 0; i < n; i++)
		page.map[i] = (struct start_range) {
			range[i].base, range[i].size, range[i].type, 0 };
	mem_write(img->mem, BOOT_INFO_ADDR, &page, sizeof(page));
}

static int load_segments(struct boot_image *img, const Elf64_Ehdr *eh,
			 uint64_t *entry, uint64_t *end)
{
	int found = 0;
	unsigned int i;

	for (i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;

		if (pread_all(img->fd, &ph, sizeof(ph), eh->e_phoff +
			      i * sizeof(ph)) != sizeof(ph))
			return boot_fail(img, "it is cut off within its program headers");
		if (ph.p_type == PT_NOTE && !find_entry(img, &ph, entry))
			found = 1;
		if (ph.p_type == PT_LOAD && load_segment(img, &ph, end))
			return -1;
	}
	if (!found)
		return boot_fail(img, "it is an ELF file without the Xen note PHYS32_ENTRY (CONFIG_PVH)");
	return 0;
}

/** pvh_load() - load a PVH kernel; 0, or -1 with img->err set. */
int pvh_load(struct boot_image *img, struct boot_entry *entry)
{
	uint64_t start = 0, end = BOOT_KERNEL_MIN;
	int64_t initrd;
	Elf64_Ehdr eh;

	if (pread_all(img->fd, &eh, sizeof(eh), 0) != sizeof(eh))
		return boot_fail(img, "it ends within its ELF header");
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_ident[EI_DATA] != ELFDATA2LSB || eh.e_machine != EM_X86_64)
		return boot_fail(img, "it is an ELF file, but not of x86-64");
	if (eh.e_phentsize != sizeof(Elf64_Phdr) || eh.e_phoff > img->size)
		return boot_fail(img, "its program headers are out of place");
	if (load_segments(img, &eh, &start, &end))
		return -1;
	if (start < BOOT_KERNEL_MIN || start >= end)
		return boot_fail(img, "its entry point 0x%llx is outside of it",
				 (unsigned long long)start);
	if (boot_put_cmdline(img, BOOT_CMDLINE_MAX))
		return -1;
	initrd = boot_put_initrd(img, end, LOW_RAM_END - 1);
	if (initrd < 0)
		return -1;
	put_start_page(img, initrd);
	*entry = (struct boot_entry){ .rip = start, .info = BOOT_INFO_ADDR };
	return 0;
}
