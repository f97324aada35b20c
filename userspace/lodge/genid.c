// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generation id (Microsoft's "Virtual Machine Generation ID"): 16 bytes in memory that
 * DSDT says where to find, which differ each time a machine is started, or are what the
 * user says. A guest that finds others than it had knows that there may be another one
 * with the same keys and random numbers.
 */
#include <string.h>
#include <sys/random.h>

#include "lodge.h"
#include "util.h"

/* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", the first three parts least byte first. */
static const uint8_t place[GENID_BYTES] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13,
					    14, 15 };

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** genid_parse() - a UUID, as it is written to what a guest finds; 0 or -1. */
int genid_parse(const char *text, uint8_t *id)
{
	unsigned int i;

	if (strlen(text) != 36)
		return -1;
	for (i = 0; i < GENID_BYTES; i++, text += 2) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return -1;
		high = hex(text[0]);
		low = hex(text[1]);
		if (high < 0 || low < 0)
			return -1;
		id[place[i]] = high << 4 | low;
	}
	return 0;
}

/** genid_create() - the one of this machine, or die. */
void genid_create(struct vm *vm)
{
	uint8_t id[GENID_BYTES];

	if (vm->cfg->has_genid)
		memcpy(id, vm->cfg->genid, sizeof(id));
	else if (getrandom(id, sizeof(id), 0) != sizeof(id))
		die("no random bytes for a generation id; give one by --generation-id");
	mem_write(&vm->mem, vm->acpi + GENID_OFFSET, id, sizeof(id));
}
