// SPDX-License-Identifier: GPL-2.0-only
/*
 * mark: both ends of the boot row, and the beginning of the row start. With arguments it
 * marks the beginning and becomes that program, the launcher; as the guest's first process
 * it marks the end and powers off.
 */
#include <stdio.h>
#include <unistd.h>
#include <sys/reboot.h>

#include "rows.h"

int main(int argc, char **argv)
{
	if (getpid() == 1) {
		END(ROW_BOOT);
		DEBUGGER();
		reboot(RB_POWER_OFF);
		return 1;
	}
	if (argc < 2) {
		fprintf(stderr, "usage: mark PROGRAM [ARG...]\n");
		return 2;
	}
	DEBUGGER();
	BEGIN(ROW_START);
	BEGIN(ROW_BOOT);
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
