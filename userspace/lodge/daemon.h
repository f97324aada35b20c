/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LODGE_DAEMON_H
#define LODGE_DAEMON_H

void daemon_begin(const char *log);
void daemon_ready(void);

#endif
