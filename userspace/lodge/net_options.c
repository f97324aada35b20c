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

/* "22" or "8000-8010": the first one and the last. */
static bool ports(char *s, unsigned int *first, unsigned int *last)
{
	char *end = strchr(s, '-');
	unsigned long from, to;

	if (end)
		*end++ = 0;
	else
		end = s;
	/* passt takes 0x and 0 for what they are in C; nobody means that. */
	if (s[strspn(s, "0123456789")] || end[strspn(end, "0123456789")] ||
	    *s == '0' || *end == '0' || parse_uint(s, 65535, &from) ||
	    parse_uint(end, 65535, &to) || to < from)
		return false;
	*first = from;
	*last = to;
	return true;
}

/**
 * net_forward() - what "tcp=" or "udp=" means
 * @word: the same with what follows, [ADDRESS/]PORTS[:PORTS]
 * @f: filled in
 *
 * Return: false if it means nothing.
 */
bool net_forward(const char *word, struct net_forward *f)
{
	char copy[FORWARD_SIZE], *host = copy, *guest, *address;
	unsigned int first, last;

	*f = (struct net_forward){ .datagrams = *word == 'u', .family = AF_INET };
	if (strlen(word + 4) >= sizeof(copy))
		return false;
	strcpy(copy, word + 4);
	address = strchr(copy, '/') ? strsep(&host, "/") : (char *)FORWARD_ADDRESS;
	if (inet_pton(AF_INET, address, &f->addr) != 1) {
		f->family = AF_INET6;
		if (inet_pton(AF_INET6, address, &f->addr) != 1)
			return false;
	}
	strcpy(f->address, address);
	guest = strchr(host, ':');
	if (guest)
		*guest++ = 0;
	/* As many of the guest's as of the host's. */
	return ports(host, &f->first, &f->last) &&
	       (!guest || (ports(guest, &first, &last) && last - first == f->last - f->first));
}

static bool same_ports(const struct net_forward *a, const struct net_forward *b)
{
	return a->datagrams == b->datagrams && a->first <= b->last && b->first <= a->last;
}

static bool same_address(const struct net_forward *a, const struct net_forward *b)
{
	const struct in6_addr any = { 0 };

	return a->family == b->family && (!memcmp(&a->addr, &any, sizeof(any)) ||
					  !memcmp(&b->addr, &any, sizeof(any)) ||
					  !memcmp(&a->addr, &b->addr, sizeof(any)));
}

/* Does @net listen where @f would? One passt has each port once, at whatever address. */
static bool has_forward(const struct net_config *net, const struct net_forward *f, bool itself)
{
	struct net_forward other;
	unsigned int i;

	for (i = 0; i < net->nforwards; i++)
		if (net_forward(net->forward[i], &other) && same_ports(f, &other) &&
		    (itself || same_address(f, &other)))
			return true;
	return false;
}

static int take_forward(struct net_config *net, char *word, char *err, size_t size)
{
	struct net_forward f;

	if (net->tap)
		return fail(err, size, "tcp= and udp= are for user");
	if (!net_forward(word, &f))
		return fail(err, size, "tcp= and udp= want [ADDRESS/]PORT[-PORT][:PORT[-PORT]], such as 2222:22");
	if (has_forward(net, &f, true))
		return fail(err, size, "a port of the host's can be named once by tcp=, and once by udp=");
	if (net->nforwards == NET_MAX_FORWARDS)
		return fail(err, size, "a device can have 16 of tcp= and udp= at most");
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
	struct net_forward f;
	unsigned int i, j;

	for (i = 0; i < cfg->nnets; i++) {
		const struct net_config *other = &cfg->net[i];

		if (net->tap && other->tap && !strcmp(net->tap, other->tap))
			return fail(err, size, "this tap has a device already");
		if (net->has_mac && other->has_mac && !memcmp(net->mac, other->mac, 6))
			return fail(err, size, "this MAC address is another device's already");
		for (j = 0; j < net->nforwards; j++)
			if (net_forward(net->forward[j], &f) && has_forward(other, &f, false))
				return fail(err, size, "this port of the host's is another device's already");
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
