/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_CONTROL_H
#define LODGE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

struct vm;

/* Longer than any request. */
#define CONTROL_LINE_MAX	4096

bool control_dir(char *dir, size_t size, bool make);
bool control_path(char *path, size_t size);
void control_create(struct vm *vm, bool needed);
void control_output(const void *data, size_t len);
void control_room(void);
void control_close(void);

#endif
