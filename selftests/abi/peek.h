/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For cases about lodge memory whose payload has peek and poke (peek.guest.h): a guest
 * with an object in it. Include it after the payload's header.
 */
#ifndef PEEK_H
#define PEEK_H

#include "object.h"

#define AT	(16 * MiB)

struct guest {
	struct vm *vm;
	struct vcpu *v;
	int fd;
	uint8_t *m;
};

static inline struct guest guest_new(size_t size, const char *domain)
{
	struct guest g = { .vm = vm_new(&payload) };

	g.fd = object(size, LODGE_MEMORY_MERGEABLE, domain);
	g.m = mapped(g.fd, size);
	vm_slot(g.vm, 1, 0, AT, size, g.m);
	g.v = vcpu_new(g.vm, 0, LONG64, G_peek);
	return g;
}

static inline uint64_t peek(struct guest *g, uint64_t offset)
{
	vcpu_jump(g->v, G_peek);
	vcpu_args(g->v, AT + offset, 0);
	return want_value(g->v);
}

static inline void poke(struct guest *g, uint64_t offset, uint64_t value)
{
	vcpu_jump(g->v, G_poke);
	vcpu_args(g->v, AT + offset, value);
	want_mark(g->v, 1);
}

#endif
