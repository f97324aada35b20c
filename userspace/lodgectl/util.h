/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGECTL_UTIL_H
#define LODGECTL_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Exit statuses, as the manual has them. */
enum status {
	STATUS_OK = 0,
	STATUS_NO_VM = 1,	/* there is none, or several, or it isn't yours */
	STATUS_USAGE = 2,
	STATUS_NO_MODULE = 3,
	STATUS_FAILED = 4,
};

void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void die(enum status status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
void *xgrow(void *array, size_t nr, size_t size);
char *xprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
size_t utf8_length(const char *s);
char *text_clean(const char *s, char *buf, size_t size);
char *text_bytes(uint64_t bytes, char *buf, size_t size);
char *text_user(uint32_t uid, char *buf, size_t size);
bool word_value(const char *word, const char *key, const char **value);
uint32_t number_value(const char *word, const char *value, uint32_t max);
void flush_output(void);

#endif
