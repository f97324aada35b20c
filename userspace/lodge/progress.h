/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PROGRESS_H
#define PROGRESS_H

void progress_begin(unsigned int seconds, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void progress_hide(void);
void progress_end(void);

#endif
