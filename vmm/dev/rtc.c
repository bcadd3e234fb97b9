/* SPDX-License-Identifier: MIT */
#include "vmm/dev/rtc.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "abi/platform.h"
#include "vmm/device.h"

#define CMOS_BYTES 128
#define INDEX_MASK 0x7f /* bit 7 of the index port masks NMI on a PC */

/* MC146818 registers; the century is where PC firmware keeps it. */
enum {
	SECONDS = 0x00,
	MINUTES = 0x02,
	HOURS = 0x04,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_C = 0x0c,
	REG_D = 0x0d,
	CENTURY = 0x32,
};

#define REG_A_32KHZ 0x26 /* usual divider and rate; never "updating" */
#define REG_B_24H   0x02 /* 24 hours, BCD */
#define REG_D_VALID 0x80 /* battery is fine */

struct rtc {
	pthread_mutex_t lock;
	uint8_t index;
	uint8_t cmos[CMOS_BYTES];
};

static uint8_t bcd(int v)
{
	return (uint8_t)((v / 10 % 10) << 4 | v % 10);
}

static uint8_t read_cmos(const struct rtc *r)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	switch (r->index) {
	case SECONDS:
		return bcd(tm.tm_sec);
	case MINUTES:
		return bcd(tm.tm_min);
	case HOURS:
		return bcd(tm.tm_hour);
	case WEEKDAY:
		return bcd(tm.tm_wday + 1);
	case DAY:
		return bcd(tm.tm_mday);
	case MONTH:
		return bcd(tm.tm_mon + 1);
	case YEAR:
		return bcd(tm.tm_year % 100);
	case CENTURY:
		return bcd((tm.tm_year + 1900) / 100);
	case REG_A:
		return REG_A_32KHZ;
	case REG_B:
		return REG_B_24H;
	case REG_C:
		return 0;
	case REG_D:
		return REG_D_VALID;
	default:
		return r->cmos[r->index];
	}
}

static uint64_t rtc_read(void *dev, uint64_t off, unsigned int size)
{
	struct rtc *r = dev;
	uint64_t val;

	(void)size;
	pthread_mutex_lock(&r->lock);
	val = off == 0 ? r->index : read_cmos(r);
	pthread_mutex_unlock(&r->lock);
	return val;
}

static void rtc_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct rtc *r = dev;

	(void)size;
	pthread_mutex_lock(&r->lock);
	if (off == 0)
		r->index = val & INDEX_MASK;
	else
		r->cmos[r->index] = (uint8_t)val;
	pthread_mutex_unlock(&r->lock);
}

static const struct bus_ops rtc_ops = { rtc_read, rtc_write };

int rtc_create(struct machine *m)
{
	struct bus_range range = {
		.name = "rtc",
		.base = PLATFORM_PORT_RTC,
		.size = 2,
		.ops = &rtc_ops,
	};
	struct rtc *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	range.dev = r;
	ret = bus_add(m->ports, &range);
	if (ret < 0) {
		free(r);
		return ret;
	}
	return 0;
}
