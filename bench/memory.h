/* SPDX-License-Identifier: GPL-2.0-only */
/* What the payload of the memory suite and its host file agree on. */
#ifndef MEMORY_H
#define MEMORY_H

#define PAGES		8192UL		/* of the memory under measurement */
#define G_TEST		0x40000000UL	/* where it is */
#define REWRITES	16UL		/* how often all of it is written again */
#define TWINS		2		/* a set of which half is duplicate */
#define SHARERS		4		/* of a page whose sharing is broken */
#define WHOLE		65536UL		/* of a guest that is held to half of them */
#define WORKING		19200UL		/* what it works with then */
#define WARM		2UL		/* how often, before it is counted */
#define ROUNDS		10UL		/* and while it is */

#endif
