/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef ACPI_H
#define ACPI_H

#include <stddef.h>
#include <stdint.h>

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));

uint8_t acpi_checksum(const void *data, size_t len);

#endif
