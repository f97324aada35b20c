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

static uint8_t read_register(struct rtc *rtc)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
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
