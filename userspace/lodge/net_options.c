// SPDX-License-Identifier: GPL-2.0-only
/*
 * --net: what the words behind it mean.
 */
#include <arpa/inet.h>
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

/* "22" or "8000-8010": so many ports; 0 if it is none. */
static unsigned int ports(char *s)
{
	char *last = strchr(s, '-');
	unsigned long from, to;

	if (last)
		*last++ = 0;
	else
		last = s;
	/* passt takes 0x and 0 for what they are in C; nobody means that. */
	if (s[strspn(s, "0123456789")] || last[strspn(last, "0123456789")] ||
	    *s == '0' || *last == '0' || parse_uint(s, 65535, &from) ||
	    parse_uint(last, 65535, &to) || to < from)
		return 0;
	return to - from + 1;
}

/* [ADDRESS/]PORTS[:PORTS], as many of the guest's as of the host's. */
static bool is_forward(const char *text)
{
	char copy[FORWARD_SIZE], *host = copy, *guest;
	struct in6_addr addr;
	unsigned int n;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	if (strchr(copy, '/')) {
		char *address = strsep(&host, "/");

		if (inet_pton(AF_INET, address, &addr) != 1 &&
		    inet_pton(AF_INET6, address, &addr) != 1)
			return false;
	}
	guest = strchr(host, ':');
	if (guest)
		*guest++ = 0;
	n = ports(host);
	return n && (!guest || ports(guest) == n);
}

static int take_forward(struct net_config *net, char *word, char *err, size_t size)
{
	if (net->tap)
		return fail(err, size, "tcp= and udp= are for user");
	if (!is_forward(word + 4))
		return fail(err, size, "tcp= and udp= want [ADDRESS/]PORT[-PORT][:PORT[-PORT]], such as 2222:22");
	if (net->nforwards == NET_MAX_FORWARDS)
		return fail(err, size, "there can be 16 of tcp= and udp= at most");
	net->forward[net->nforwards++] = word;
	return 0;
}

_Static_assert(NET_MAX_FORWARDS == 16, "as the message says");

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
	if (!strncmp(word, "tcp=", 4) || !strncmp(word, "udp=", 4))
		return take_forward(net, word, err, size);
	return fail(err, size, "mac=, queues=, tcp=, udp= and id= are all that can follow");
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
