/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_TERM_H
#define LODGE_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;
struct serial;

/**
 * typedef term_sink_t - takes keys for a device of the guest
 * @dev: the device
 * @data: the keys
 * @len: how many
 *
 * Return: how many bytes it took; when fewer than @len, it calls term_kick()
 * once there is room again.
 */
typedef size_t term_sink_t(void *dev, const uint8_t *data, size_t len);

void term_start(struct vm *vm, term_sink_t *sink, void *dev,
		struct serial *breaks);
size_t term_type(const uint8_t *data, size_t len);
void term_kick(void);
void term_restore(void);
bool term_is_raw(void);

#endif
