/* SPDX-License-Identifier: GPL-2.0-only */
/* How much of each there is in a row of the io suite; devices.py reads these, too. */
#ifndef IO_H
#define IO_H

#define READS		2048		/* of 4 KiB */
#define DISK_MIB	64
#define SEQ_CHUNK	(128 << 10)	/* bytes of a read in sequence */
#define TCP_MIB		32

#endif
