// SPDX-License-Identifier: GPL-2.0-only
/*
 * --net: what the words behind it mean.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "util.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "02:00:5e:10:00:01", of one station; 0, or -1. */
static int parse_mac(const char *s, uint8_t *mac)
{
	unsigned int i, sum = 0;

	for (i = 0; i < 6; i++, s += 3) {
		int hi = hex(s[0]), lo = hi < 0 ? -1 : hex(s[1]);

		if (lo < 0 || s[2] != (i < 5 ? ':' : 0))
			return -1;
		mac[i] = hi << 4 | lo;
		sum |= mac[i];
	}
	return mac[0] & 1 || !sum ? -1 : 0;
}

/* As the kernel takes it; a '%' would have it choose a number. */
static bool is_interface(const char *s)
{
	return *s && strlen(s) < IFNAMSIZ && strcmp(s, ".") && strcmp(s, "..") &&
		!s[strcspn(s, "/:% \t\n")];
}

static int fail(char *err, size_t size, const char *what)
{
	snprintf(err, size, "%s", what);
	return -1;
}

static int take(struct net_config *net, char *word, char *err, size_t size)
{
	unsigned long n;

	if (!strncmp(word, "mac=", 4)) {
		if (parse_mac(word + 4, net->mac))
			return fail(err, size, "mac= wants the address of one station, such as 02:00:5e:10:00:01");
		net->has_mac = true;
		return 0;
	}
	if (!strncmp(word, "id=", 3)) {
		const char *wrong = device_id(net->id, word + 3);

		return wrong ? fail(err, size, wrong) : 0;
	}
	if (!strncmp(word, "queues=", 7)) {
		if (!net->tap)
			return fail(err, size, "queues= is for a tap");
		if (parse_uint(word + 7, NET_MAX_PAIRS, &n) || !n)
			return fail(err, size, "queues= wants a number from 1 to 8");
		net->queues = n;
		return 0;
	}
	return fail(err, size, "mac=, queues= and id= are all that can follow");
}

_Static_assert(NET_MAX_PAIRS == 8, "as the message says");

/* Twice the same is two stations for one. */
static int check(const struct config *cfg, const struct net_config *net, char *err,
		 size_t size)
{
	unsigned int i;

	for (i = 0; i < cfg->nnets; i++) {
		const struct net_config *other = &cfg->net[i];

		if (net->tap && other->tap && !strcmp(net->tap, other->tap))
			return fail(err, size, "this tap has a device already");
		if (net->has_mac && other->has_mac && !memcmp(net->mac, other->mac, 6))
			return fail(err, size, "this MAC address is another device's already");
	}
	return 0;
}

/**
 * net_option() - add a network
 * @cfg: to this
 * @arg: what stands behind --net; kept, and cut into its words
 * @err: what is wrong
 * @size: room there
 *
 * Return: 0, or -1 with @err.
 */
int net_option(struct config *cfg, char *arg, char *err, size_t size)
{
	struct net_config *net = &cfg->net[cfg->nnets];
	char *word = strsep(&arg, ",");

	if (cfg->nnets == MAX_NETS)
		return fail(err, size, "there can be 8 networks at most");
	*net = (struct net_config){ .queues = 1 };
	if (!strncmp(word, "tap=", 4)) {
		net->tap = word + 4;
		if (!is_interface(net->tap))
			return fail(err, size, "tap= wants the name of an interface, of 15 characters at most");
	} else if (strcmp(word, "user")) {
		return fail(err, size, "tap=NAME or user is wanted first");
	}
	while ((word = strsep(&arg, ",")))
		if (take(net, word, err, size))
			return -1;
	if (check(cfg, net, err, size))
		return -1;
	cfg->nnets++;
	return 0;
}

_Static_assert(MAX_NETS == 8, "as the message says");
