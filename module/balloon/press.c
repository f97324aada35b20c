// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest doesn't give is taken: pages of its lodge memory that it doesn't use are
 * compressed, or swapped, as reclaim does it (mem/reclaim.c). What to do is found out
 * under the balloon's lock, and done without: layers may be gone by then, so that
 * their pool is held, and they are looked for in it.
 *
 * Whoever lacks memory, a guest's access at the limit of the cgroup above all, takes it first
 * of objects that are above their goal, which is said here.
 */
#include "lodge.h"
#include "mem/pool.h"

static_assert((int)LODGE_PRESS_OBJECTS == LODGE_VIEW_OBJECTS);

/**
 * lodge_press_goal - say how much a VM's lodge memory shall hold
 * @vm: the VM; it stays meanwhile
 * @target: pages; 0: it has no target any more
 *
 * Context: may sleep, but waits for nobody.
 */
void lodge_press_goal(struct lodge_vm *vm, u64 target)
{
	struct lodge_object *o[LODGE_VIEW_OBJECTS];
	int idx = srcu_read_lock(&vm->srcu);
	u64 size[LODGE_VIEW_OBJECTS], sum = 0;
	unsigned int i, nr;

	rcu_read_lock();
	nr = lodge_view_objects(vm, o);
	/* Once: they may be another's in the next moment, and the quotient too large. */
	for (i = 0; i < nr; i++) {
		size[i] = i_size_read(&o[i]->inode) >> PAGE_SHIFT;
		sum += size[i];
	}
	for (i = 0; i < nr && sum; i++)
		WRITE_ONCE(READ_ONCE(o[i]->top)->goal,
			   mul_u64_u64_div_u64(target, size[i], sum));
	rcu_read_unlock();
	srcu_read_unlock(&vm->srcu, idx);
}

/**
 * lodge_press_held - how much a VM has of the memory that its balloon is about, at least
 * @vm: the VM; it stays meanwhile
 * @memory: pages that the balloon is about
 *
 * Objects may have more pages than that: those may be outside.
 *
 * Context: may sleep, but waits for nobody.
 * Return: pages; what is compressed counts as what that takes.
 */
u64 lodge_press_held(struct lodge_vm *vm, u64 memory)
{
	struct lodge_object *o[LODGE_VIEW_OBJECTS];
	int idx = srcu_read_lock(&vm->srcu);
	u64 size = 0, held = 0, outside;
	unsigned int i, nr;

	rcu_read_lock();
	nr = lodge_view_objects(vm, o);
	for (i = 0; i < nr; i++) {
		size += i_size_read(&o[i]->inode) >> PAGE_SHIFT;
		held += lodge_layer_held(READ_ONCE(o[i]->top));
	}
	rcu_read_unlock();
	srcu_read_unlock(&vm->srcu, idx);
	outside = size > memory ? size - memory : 0;
	return held > outside ? held - outside : 0;
}

/**
 * lodge_press_plan - find out what to take
 * @vm: the VM; it stays meanwhile
 * @p: what the VM may keep; the rest of it is filled in
 *
 * Context: may sleep, but waits for nobody.
 */
void lodge_press_plan(struct lodge_vm *vm, struct lodge_press *p)
{
	struct lodge_object *o[LODGE_VIEW_OBJECTS];
	int idx = srcu_read_lock(&vm->srcu);
	u64 pages = 0, packed = 0;
	unsigned int i;

	rcu_read_lock();
	p->nr = lodge_view_objects(vm, o);
	for (i = 0; i < p->nr; i++) {
		struct lodge_layer *l = READ_ONCE(o[i]->top);

		p->part[i].layer = l;
		p->part[i].pool = l->pool;
		p->part[i].id = l->id;
		pages += atomic_long_read(&l->pages[LODGE_PAGE_PRIVATE]);
		packed += atomic_long_read(&l->packed);
	}
	rcu_read_unlock();
	srcu_read_unlock(&vm->srcu, idx);
	p->want = lodge_policy_press(pages, packed >> PAGE_SHIFT, p);
}

/**
 * lodge_press - take it
 * @p: filled in by lodge_press_plan()
 *
 * Context: may sleep; no lock is held.
 * Return: pages that went.
 */
u64 lodge_press(const struct lodge_press *p)
{
	u64 done = 0;
	unsigned int i;

	for (i = 0; i < p->nr && done < p->want; i++) {
		struct lodge_reclaim r = {
			.pool = p->part[i].pool, .only = p->part[i].layer,
			.id = p->part[i].id, .want = p->want - done,
		};

		if (!lodge_pool_hold(r.pool))
			continue;
		lodge_reclaim(&r);
		lodge_pool_put(r.pool);
		done += r.pages;
	}
	return done;
}
