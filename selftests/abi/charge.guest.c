// SPDX-License-Identifier: GPL-2.0-only
/* Touches one page in each gigabyte, which wants nested tables for each. */
#include "guest.h"

GUEST(touch)
{
	u64 i;

	for (i = a; i < b; i++)
		rd64(i << 30);
}
