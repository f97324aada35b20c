// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CMOS clock (MC146818): the host's time in UTC, read-only in effect, and
 * battery-backed bytes that last as long as the machine. It has no alarm and
 * no periodic interrupt.
 */
#include <time.h>

#include "lodge.h"
#include "util.h"

#define RTC_PORT	0x70
#define REG_SECONDS	0x00
#define REG_MINUTES	0x02
#define REG_HOURS	0x04
#define REG_WEEKDAY	0x06
#define REG_DAY		0x07
#define REG_MONTH	0x08
#define REG_YEAR	0x09
#define REG_A		0x0a
#define REG_B		0x0b
#define REG_C		0x0c
#define REG_D		0x0d
#define REG_CENTURY	0x32
#define A_DIVIDER	0x26	/* 32 kHz, never "update in progress" */
#define B_24H		0x02
#define D_VALID		0x80

struct rtc {
	pthread_mutex_t lock;
	uint8_t index;
	uint8_t ram[128];
};

static uint8_t bcd(unsigned int v)
{
	return v / 10 << 4 | v % 10;
}

/**
 * rtc_calendar() - what gmtime_r() says, which would read a file first
 * @now: seconds since 1970
 * @tm: seconds, minutes, hours, days, months, years and weekdays are filled in
 *
 * Years are counted from March on, so that a leap day is the last one; 400 of them have
 * 146,097 days.
 */
void rtc_calendar(uint64_t now, struct tm *tm)
{
	uint64_t days = now / 86400, since = days + 719468;	/* 1st March of year 0 */
	unsigned int of400 = since % 146097;
	unsigned int years = (of400 - of400 / 1460 + of400 / 36524 - of400 / 146096) / 365;
	unsigned int day = of400 - (365 * years + years / 4 - years / 100);
	unsigned int month = (5 * day + 2) / 153;

	tm->tm_sec = now % 60;
	tm->tm_min = now / 60 % 60;
	tm->tm_hour = now / 3600 % 24;
	tm->tm_wday = (days + 4) % 7;
	tm->tm_mday = day - (153 * month + 2) / 5 + 1;
	tm->tm_mon = (month + 2) % 12;
	tm->tm_year = since / 146097 * 400 + years + (month >= 10) - 1900;
}

static uint8_t read_register(struct rtc *rtc)
{
	struct tm tm;

	rtc_calendar(time(NULL), &tm);
	switch (rtc->index) {
	case REG_SECONDS:
		return bcd(tm.tm_sec);
	case REG_MINUTES:
		return bcd(tm.tm_min);
	case REG_HOURS:
		return bcd(tm.tm_hour);
	case REG_WEEKDAY:
		return bcd(tm.tm_wday + 1);
	case REG_DAY:
		return bcd(tm.tm_mday);
	case REG_MONTH:
		return bcd(tm.tm_mon + 1);
	case REG_YEAR:
		return bcd(tm.tm_year % 100);
	case REG_CENTURY:
		return bcd(19 + tm.tm_year / 100);
	case REG_A:
		return A_DIVIDER;
	case REG_B:
		return B_24H;
	case REG_C:
		return 0;
	case REG_D:
		return D_VALID;
	default:
		return rtc->ram[rtc->index];
	}
}

static uint64_t rtc_read(void *dev, uint64_t off, unsigned int size)
{
	struct rtc *rtc = dev;
	uint64_t val;

	if (off != 1 || size != 1)
		return ~0ULL;
	pthread_mutex_lock(&rtc->lock);
	val = read_register(rtc);
	pthread_mutex_unlock(&rtc->lock);
	return val;
}

static void rtc_write(void *dev, uint64_t off, uint64_t val, unsigned int size)
{
	struct rtc *rtc = dev;

	/* A 16-bit write sets the index and then the data. */
	pthread_mutex_lock(&rtc->lock);
	for (; size--; off++, val >>= 8) {
		if (off == 0)
			rtc->index = val & 0x7f;	/* bit 7 masks NMI */
		else
			rtc->ram[rtc->index] = val;
	}
	pthread_mutex_unlock(&rtc->lock);
}

/** rtc_create() - the clock at ports 0x70 and 0x71. */
void rtc_create(struct vm *vm)
{
	struct rtc *rtc = xalloc(1, sizeof(*rtc));
	struct bus_region region = { RTC_PORT, 2, rtc_read, rtc_write, rtc };

	pthread_mutex_init(&rtc->lock, NULL);
	bus_add(&vm->pio, &region);
}
