/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_HOTPLUG_H
#define LODGE_HOTPLUG_H

#include <stdbool.h>

struct vm;

void hotplug_create(struct vm *vm, void (*gone)(struct vm *vm, unsigned int slot));
void hotplug_added(struct vm *vm, unsigned int slot);
void hotplug_ask(struct vm *vm, unsigned int slot);
bool hotplug_withdraw(struct vm *vm, unsigned int slot);

#endif
