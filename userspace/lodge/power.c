// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power and reset: ACPI's PM1 registers (power-off and the power button), the
 * reset register, the keyboard controller's reset line, and, if asked for,
 * a port that ends the run with the status written to it.
 *
 * ACPI specification 6.4, 4.8.3.1 and 4.8.3.2; 4.8.4.1 for the one general-purpose event.
 */
#include "lodge.h"
#include "util.h"

#define PM1_PWRBTN	(1u << 8)	/* in status and in enable */
#define PM1_STATUS_MASK	0x8731u
#define PM1_SCI_EN	(1u << 0)
#define GPE_HOTPLUG	(1u << 1)	/* DSDT's _L01 */
#define PM1_SLP_EN	(1u << 13)
#define PM1_SLP_TYP(v)	((v) >> 10 & 7)
#define SLP_TYP_S5	5

#define KBD_PORT	0x60
#define KBD_STATUS	0x64
#define KBD_RESET	0xfe	/* "pulse output line 0" */

struct power {
	struct vm *vm;
	pthread_mutex_t lock;
	uint16_t status, enable, control;
	bool event;		/* that of GPE0, as it is now */
	uint8_t event_enable;
};

/* SCI is level-triggered: high while an enabled event waits. */
static void update_sci(struct power *p)
{
	irq_line(p->vm, SCI_IRQ, p->status & p->enable & PM1_PWRBTN ||
		 (p->event && p->event_enable & GPE_HOTPLUG));
}

static uint64_t pm1_read(void *dev, uint64_t off, unsigned int size)
{
	struct power *p = dev;
	uint64_t val;

	pthread_mutex_lock(&p->lock);
	val = p->status | (uint64_t)p->enable << 16 |
		(uint64_t)p->control << 32;
	pthread_mutex_unlock(&p->lock);
	(void)size;
	return val >> (8 * off);
}

static void control_write(struct power *p, uint16_t val)
{
	p->control = (val & ~PM1_SLP_EN) | PM1_SCI_EN;
	if (val & PM1_SLP_EN && PM1_SLP_TYP(val) == SLP_TYP_S5)
		vm_stop(p->vm, STATUS_POWEROFF, NULL);
}

static void pm1_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct power *p = dev;

	/* The registers are 16 bits wide; two may be written at once. */
	if (size < 2 || off & 1)
		return;
	pthread_mutex_lock(&p->lock);
	for (; size >= 2; size -= 2, off += 2, val >>= 16) {
		if (off == 0)
			p->status &= ~(val & PM1_STATUS_MASK);
		else if (off == 2)
			p->enable = val;
		else if (off == 4)
			control_write(p, val);
	}
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
}

/* GPE0: the status is what it is, until what it comes from is done with. */
static uint64_t gpe_read(void *dev, uint64_t off, unsigned int size)
{
	struct power *p = dev;
	uint64_t val;

	pthread_mutex_lock(&p->lock);
	val = (p->event ? GPE_HOTPLUG : 0) | p->event_enable << 8;
	pthread_mutex_unlock(&p->lock);
	(void)size;
	return val >> (8 * off);
}

static void gpe_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct power *p = dev;

	if (off + size < GPE_LEN)
		return;
	pthread_mutex_lock(&p->lock);
	p->event_enable = val >> (8 * (1 - off));
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
}

/** power_event() - something for DSDT's handler of hot-plug to look at, or not any more. */
void power_event(struct vm *vm, bool level)
{
	struct power *p = vm->power;

	pthread_mutex_lock(&p->lock);
	p->event = level;
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
}

/** power_button() - press it; the guest decides what follows. */
void power_button(struct vm *vm)
{
	struct power *p = vm->power;

	pthread_mutex_lock(&p->lock);
	p->status |= PM1_PWRBTN;
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
}

/** power_reset_write() - the reset register, whose port is in pci.c. */
void power_reset_write(struct vm *vm, uint8_t val)
{
	if (val & 4)
		vm_stop(vm, STATUS_RESET, "reset by the guest");
}

/* No keyboard: an empty controller that knows how to reset. */
static uint64_t kbd_read(void *dev, uint64_t off, unsigned int size)
{
	(void)dev;
	(void)off;
	(void)size;
	return 0;
}

static void kbd_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct power *p = dev;

	(void)off;
	(void)size;
	if ((val & 0xff) == KBD_RESET)
		vm_stop(p->vm, STATUS_RESET, "reset by the guest");
}

static void exit_write(void *dev, uint64_t off, uint64_t val,
		       unsigned int size)
{
	struct power *p = dev;

	(void)off;
	(void)size;
	vm_stop(p->vm, val & 0xff, NULL);
}

/** power_create() - all ways to end that a guest has. */
void power_create(struct vm *vm)
{
	struct power *p = xalloc(1, sizeof(*p));
	const struct bus_region regions[] = {
		{ PM1_EVENT_PORT, 6, pm1_read, pm1_write, p },
		{ GPE_PORT, GPE_LEN, gpe_read, gpe_write, p },
		{ KBD_PORT, 1, kbd_read, NULL, p },
		{ KBD_STATUS, 1, kbd_read, kbd_write, p },
		{ vm->cfg->exit_port, 1, NULL, exit_write, p },
	};
	unsigned int i, n = ARRAY_SIZE(regions) - (vm->cfg->exit_port < 0);

	p->vm = vm;
	p->control = PM1_SCI_EN;
	pthread_mutex_init(&p->lock, NULL);
	vm->power = p;
	for (i = 0; i < n; i++)
		if (bus_add(&vm->pio, &regions[i]))
			die("port 0x%llx is taken; choose another --exit-port",
			    (unsigned long long)regions[i].base);
}
