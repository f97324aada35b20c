/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a payload speaks to its host file: OUT of a command byte to PORT_CMD,
 * arguments in rBX and rCX, which the host file reads with KVM_GET_REGS. It
 * works in every mode of the processor.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#define PORT_CMD	0x7e0

#define CMD_DONE	1	/* the payload has passed */
#define CMD_VALUE	2	/* rBX: a value asked for */
#define CMD_MARK	3	/* rBX: a point reached; the host does something */
#define CMD_FAIL	4	/* rBX got, rCX wanted, rSI line, rDI text or 0 */
#define CMD_TRAP	5	/* rBX vector, rCX error, rSI rip, rDI CR2 */

#endif
