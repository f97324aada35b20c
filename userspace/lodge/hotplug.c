// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI hot-plug by ACPI: what tells the guest's kernel that a slot got a device, or is to lose
 * it, and by which the kernel lets go of one (ACPI specification 6.4, 5.6.6 and 6.3.3).
 *
 * Three registers at HOTPLUG_PORT, 32 bits each, one bit for each slot:
 *
 *   0  a device was added; a one that is written is forgotten
 *   4  the device is wanted back; a one that is written is forgotten
 *   8  written: the device in this slot is let go of (_EJ0)
 *
 * While there is a bit in the first two, event 1 of GPE0 (power.c) is asserted, and DSDT's
 * handler of it reads, clears and passes on what there is. It is a level, not an edge:
 * what comes while the guest boots waits until it listens.
 *
 * A guest may write anything here. Only a device that is wanted back goes, once, and
 * it is hidden before the write returns; all else that is to be done with it is for the
 * I/O thread, since other vCPUs may be at it. An ejection that nobody asked for is none.
 */
#include "lodge.h"
#include "hotplug.h"
#include "pci.h"
#include "util.h"

enum { ADDED, WANTED, EJECT };

struct hotplug {
	struct vm *vm;
	pthread_mutex_t lock;
	uint32_t added, wanted;	/* and not yet heard of */
	uint32_t asked;		/* for, and not come back */
	uint32_t ejected;	/* and not yet taken apart */
	struct watch watch;
	void (*gone)(struct vm *vm, unsigned int slot);
};

/* hp->lock is held. */
static void update(struct hotplug *hp)
{
	power_event(hp->vm, hp->added | hp->wanted);
}

static uint64_t read_register(void *arg, uint64_t off, unsigned int size)
{
	struct hotplug *hp = arg;
	uint64_t val = 0;

	if (size != 4 || off % 4)
		return ~0ULL;
	pthread_mutex_lock(&hp->lock);
	if (off / 4 == ADDED)
		val = hp->added;
	else if (off / 4 == WANTED)
		val = hp->wanted;
	pthread_mutex_unlock(&hp->lock);
	return val;
}

/* Slots that are wanted back, among those that the guest names. hp->lock is held. */
static void eject(struct hotplug *hp, uint32_t slots)
{
	unsigned int slot;

	slots &= hp->asked;
	for (slot = 0; slot < PCI_SLOTS; slot++)
		if (slots >> slot & 1)
			pci_hide(hp->vm, slot);
	hp->asked &= ~slots;
	hp->wanted &= ~slots;
	hp->added &= ~slots;
	hp->ejected |= slots;
	if (slots)
		event_signal(hp->watch.fd);
}

static void write_register(void *arg, uint64_t off, uint64_t val, unsigned int size)
{
	struct hotplug *hp = arg;

	if (size != 4 || off % 4)
		return;
	pthread_mutex_lock(&hp->lock);
	if (off / 4 == ADDED)
		hp->added &= ~val;
	else if (off / 4 == WANTED)
		hp->wanted &= ~val;
	else
		eject(hp, val);
	update(hp);
	pthread_mutex_unlock(&hp->lock);
}

static void on_ejected(void *arg)
{
	struct hotplug *hp = arg;
	unsigned int slot;
	uint32_t slots;

	event_clear(hp->watch.fd);
	pthread_mutex_lock(&hp->lock);
	slots = hp->ejected;
	hp->ejected = 0;
	pthread_mutex_unlock(&hp->lock);
	for (slot = 0; slot < PCI_SLOTS; slot++)
		if (slots >> slot & 1)
			hp->gone(hp->vm, slot);
}

/** hotplug_added() - there is a device in @slot that wasn't there before. */
void hotplug_added(struct vm *vm, unsigned int slot)
{
	struct hotplug *hp = vm->hotplug;

	pthread_mutex_lock(&hp->lock);
	hp->added |= 1u << slot;
	update(hp);
	pthread_mutex_unlock(&hp->lock);
}

/** hotplug_ask() - the guest shall let go of the device in @slot. */
void hotplug_ask(struct vm *vm, unsigned int slot)
{
	struct hotplug *hp = vm->hotplug;

	pthread_mutex_lock(&hp->lock);
	hp->wanted |= 1u << slot;
	hp->asked |= 1u << slot;
	update(hp);
	pthread_mutex_unlock(&hp->lock);
}

/**
 * hotplug_withdraw() - the device in @slot shall stay, whatever the guest says
 *
 * Return: false if it's too late: the guest has let go of it.
 */
bool hotplug_withdraw(struct vm *vm, unsigned int slot)
{
	struct hotplug *hp = vm->hotplug;
	bool asked;

	pthread_mutex_lock(&hp->lock);
	asked = hp->asked >> slot & 1;
	hp->wanted &= ~(1u << slot);
	hp->asked &= ~(1u << slot);
	update(hp);
	pthread_mutex_unlock(&hp->lock);
	return asked;
}

/**
 * hotplug_create() - the registers
 * @vm: the machine, which has its power
 * @gone: told in the loop's thread of a slot whose device the guest let go of when it was
 *	asked to; it is hidden already
 */
void hotplug_create(struct vm *vm, void (*gone)(struct vm *vm, unsigned int slot))
{
	struct hotplug *hp = xalloc(1, sizeof(*hp));
	const struct bus_region region = { HOTPLUG_PORT, 12, read_register, write_register, hp };

	hp->vm = vm;
	hp->gone = gone;
	pthread_mutex_init(&hp->lock, NULL);
	hp->watch = (struct watch){ event_create(), on_ejected, hp };
	loop_add(&vm->loop, &hp->watch);
	vm->hotplug = hp;
	if (bus_add(&vm->pio, &region))
		die("port 0x%x is taken; choose another --exit-port", HOTPLUG_PORT);
}
