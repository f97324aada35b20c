// SPDX-License-Identifier: GPL-2.0-only
/*
 * fw_cfg (QEMU's docs/specs/fw_cfg.rst), by which a firmware asks what machine it is on:
 * numbered items of bytes, of which some are files that a directory names. One is selected
 * and read, byte by byte or by DMA, whose order lies in guest memory. All items are there
 * before the guest runs, and none can be written.
 *
 * An order is copied before it is judged. Where it asks for memory that is not all RAM, or for a
 * write, it fails, and says so in its own place, if that is RAM; behind the end of an
 * item, and where there is none, are zeros. Lengths are 32 bits wide, so that it may take as
 * long as to clear 4 GiB of what the guest has anyway.
 */
#include <endian.h>
#include <string.h>

#include "fw_cfg.h"
#include "lodge.h"
#include "util.h"

#define SELECTOR_PORT	0x510
#define DMA_PORT	0x514
#define ID_PORTS	(1u << 0)
#define ID_DMA		(1u << 1)
#define DMA_SIGNATURE	"QEMU CFG"
#define DMA_ERROR	(1u << 0)
#define DMA_READ	(1u << 1)
#define DMA_SKIP	(1u << 2)
#define DMA_SELECT	(1u << 3)
#define DMA_WRITE	(1u << 4)

struct item {
	uint16_t key;
	uint32_t len;
	uint8_t *data;
};

/* As the directory has them, numbers highest byte first. */
struct file {
	uint32_t len;
	uint16_t key, reserved;
	char name[FW_CFG_NAME_MAX];
};

struct directory {
	uint32_t count;
	struct file file[FW_CFG_ITEMS];
};

/* What a guest asks by DMA, likewise. */
struct order {
	uint32_t control, len;
	uint64_t addr;
};

_Static_assert(sizeof(struct file) == 64 && sizeof(struct order) == 16, "as the guest has them");

struct fw_cfg {
	struct vm *vm;
	struct item item[FW_CFG_ITEMS];
	unsigned int count;
	struct directory dir;
	pthread_mutex_t lock;	/* of what follows */
	const struct item *selected;	/* or NULL: there is no such one */
	uint32_t pos;		/* in it, at most its length */
	uint32_t dma_high;
};

static const struct item *find(const struct fw_cfg *fw, uint16_t key)
{
	unsigned int i;

	for (i = 0; i < fw->count; i++)
		if (fw->item[i].key == key)
			return &fw->item[i];
	return NULL;
}

static void choose(struct fw_cfg *fw, uint16_t key)
{
	fw->selected = find(fw, key);
	fw->pos = 0;
}

/* The item's next bytes, at most @len, which are then behind; how many in @n. */
static const uint8_t *advance(struct fw_cfg *fw, uint32_t len, uint32_t *n)
{
	uint32_t left = fw->selected ? fw->selected->len - fw->pos : 0;
	const uint8_t *at = left ? fw->selected->data + fw->pos : NULL;

	*n = len < left ? len : left;
	fw->pos += *n;
	return at;
}

/* Whether it could be done. */
static bool transfer(struct fw_cfg *fw, const struct order *order)
{
	uint32_t control = be32toh(order->control), len = be32toh(order->len), n;
	const uint8_t *data;
	uint8_t *to = NULL;

	if (control & DMA_SELECT)
		choose(fw, control >> 16);
	if (control & DMA_READ) {
		to = mem_ptr(&fw->vm->mem, be64toh(order->addr), len);
		if (!to)
			return false;
	} else if (control & DMA_WRITE) {
		return false;
	} else if (!(control & DMA_SKIP)) {
		return true;
	}
	data = advance(fw, len, &n);
	if (!to)
		return true;
	if (n)
		memcpy(to, data, n);
	memset(to + n, 0, len - n);
	return true;
}

static void carry_out(struct fw_cfg *fw, uint64_t addr)
{
	void *at = mem_ptr(&fw->vm->mem, addr, sizeof(struct order));
	struct order order;
	uint32_t control;

	if (!at)
		return;
	memcpy(&order, at, sizeof(order));
	control = htobe32(transfer(fw, &order) ? 0 : DMA_ERROR);
	memcpy(at, &control, sizeof(control));
}

static uint64_t data_read(void *dev, uint64_t off, unsigned int size)
{
	struct fw_cfg *fw = dev;
	const uint8_t *data;
	uint8_t val;
	uint32_t n;

	if (off != 1 || size != 1)
		return ~0ULL;
	pthread_mutex_lock(&fw->lock);
	data = advance(fw, 1, &n);
	val = n ? *data : 0;
	pthread_mutex_unlock(&fw->lock);
	return val;
}

static void selector_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct fw_cfg *fw = dev;

	if (off || size != 2)
		return;
	pthread_mutex_lock(&fw->lock);
	choose(fw, val);
	pthread_mutex_unlock(&fw->lock);
}

static uint64_t dma_read(void *dev, uint64_t off, unsigned int size)
{
	uint64_t val = ~0ULL;

	(void)dev;
	memcpy(&val, DMA_SIGNATURE + off, size);
	return val;
}

/* The order's address, highest byte first; its lower half is what starts it. */
static void dma_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct fw_cfg *fw = dev;

	if (off & 3 || size != 4)
		return;
	pthread_mutex_lock(&fw->lock);
	if (!off) {
		fw->dma_high = be32toh(val);
	} else {
		carry_out(fw, (uint64_t)fw->dma_high << 32 | be32toh(val));
		fw->dma_high = 0;
	}
	pthread_mutex_unlock(&fw->lock);
}

/**
 * fw_cfg_add() - an item, before the guest runs
 * @fw: from fw_cfg_create()
 * @key: its number, not yet taken
 * @data: copied
 * @len: bytes there
 */
void fw_cfg_add(struct fw_cfg *fw, uint16_t key, const void *data, uint32_t len)
{
	struct item *item = &fw->item[fw->count++];

	if (fw->count > FW_CFG_ITEMS)
		die("the firmware is told too much: %d items at most", FW_CFG_ITEMS);
	*item = (struct item){ key, len, xalloc(1, len) };
	memcpy(item->data, data, len);
}

/**
 * fw_cfg_add_file() - an item that the directory names, before the guest runs
 * @fw: from fw_cfg_create()
 * @name: 55 bytes at most; in the order of their names, as a firmware may expect it
 * @data: copied
 * @len: bytes there
 */
void fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, uint32_t len)
{
	uint32_t n = be32toh(fw->dir.count);
	struct file *file = &fw->dir.file[n];
	uint16_t key = FW_CFG_FIRST_FILE + n;

	fw_cfg_add(fw, key, data, len);
	file->len = htobe32(len);
	file->key = htobe16(key);
	strncpy(file->name, name, sizeof(file->name) - 1);
	fw->dir.count = htobe32(n + 1);
}

/** fw_cfg_create() - the device at ports 0x510 and 0x514, without files. */
struct fw_cfg *fw_cfg_create(struct vm *vm)
{
	static const uint32_t id = ID_PORTS | ID_DMA;
	struct fw_cfg *fw = xalloc(1, sizeof(*fw));
	const struct bus_region regions[] = {
		{ SELECTOR_PORT, 2, data_read, selector_write, fw },
		{ DMA_PORT, 8, dma_read, dma_write, fw },
	};
	unsigned int i;

	fw->vm = vm;
	pthread_mutex_init(&fw->lock, NULL);
	fw_cfg_add(fw, FW_CFG_SIGNATURE, "QEMU", 4);
	fw_cfg_add(fw, FW_CFG_ID, &id, sizeof(id));
	/* The directory grows in its place. */
	fw->item[fw->count++] = (struct item){ FW_CFG_DIRECTORY, sizeof(fw->dir),
					       (uint8_t *)&fw->dir };
	choose(fw, FW_CFG_SIGNATURE);
	for (i = 0; i < ARRAY_SIZE(regions); i++)
		if (bus_add(&vm->pio, &regions[i]))
			die("port 0x%llx is taken; choose another --exit-port",
			    (unsigned long long)regions[i].base);
	return fw;
}
