// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clock's calendar, beside the C library's.
 */
#include <time.h>

#include "lodge.h"
#include "tap.h"

static bool same(time_t now)
{
	struct tm ours = { 0 }, theirs;

	rtc_calendar(now, &ours);
	gmtime_r(&now, &theirs);
	return ours.tm_sec == theirs.tm_sec && ours.tm_min == theirs.tm_min &&
		ours.tm_hour == theirs.tm_hour && ours.tm_mday == theirs.tm_mday &&
		ours.tm_mon == theirs.tm_mon && ours.tm_year == theirs.tm_year &&
		ours.tm_wday == theirs.tm_wday;
}

int main(void)
{
	long day, second;

	/* To the year 2600: 2000 and 2400 are leap years, 2100 isn't. */
	for (day = 0; day < 230000 && same(day * 86400); day++)
		;
	check(day == 230000, "%ld days, one after the other", day);
	for (second = 951782390; second < 951782390 + 200000 && same(second); second++)
		;
	check(second == 951782390 + 200000, "each second about 29th February 2000");
	return done();
}
