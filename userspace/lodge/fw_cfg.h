/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_FW_CFG_H
#define LODGE_FW_CFG_H

#include <stddef.h>
#include <stdint.h>

/* Items that are no files; a firmware knows them by these numbers. */
#define FW_CFG_SIGNATURE	0x00
#define FW_CFG_ID		0x01
#define FW_CFG_CPUS		0x05
#define FW_CFG_MAX_CPUS		0x0f
#define FW_CFG_DIRECTORY	0x19
#define FW_CFG_FIRST_FILE	0x20
#define FW_CFG_IRQ0_OVERRIDE	0x8002

#define FW_CFG_NAME_MAX		56	/* with the NUL */
#define FW_CFG_ITEMS		16

struct vm;
struct fw_cfg;

struct fw_cfg *fw_cfg_create(struct vm *vm);
void fw_cfg_add(struct fw_cfg *fw, uint16_t key, const void *data, uint32_t len);
void fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, uint32_t len);

#endif
