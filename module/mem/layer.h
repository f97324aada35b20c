/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a layer's entries change: for objects, which are made of layers.
 */
#ifndef LODGE_LAYER_H
#define LODGE_LAYER_H

#include "mem/object.h"

/* A page of guest memory. */
#define LODGE_GFP_PAGE	(GFP_HIGHUSER | __GFP_ACCOUNT)

/* In page_private() of a page that is nobody's yet: what is in it. */
#define SPARE_DIRTY	0
#define SPARE_ZERO	1

/* A leaf but for what taking pages out of views takes. */
struct rw_semaphore *lodge_layer_tree(struct lodge_layer *l);
bool lodge_layer_unlocked(const void *entry);
struct page *lodge_layer_hold(struct lodge_layer *l, pgoff_t index, void **entry,
			      bool *locked);
bool lodge_layer_is_still(struct lodge_layer *l, pgoff_t index, void *entry,
			  struct page *page);
struct page *lodge_layer_lock(struct lodge_layer *l, pgoff_t index, bool wait,
			      void **entry);
void lodge_layer_count(struct lodge_layer *l, void *entry, long n);
void lodge_layer_write(struct lodge_layer *l, pgoff_t index, struct page *page);
bool lodge_layer_seen(void *entry, struct page *page);
void lodge_layer_see(struct lodge_layer *l, pgoff_t index, void *entry,
		     struct page *page);
int lodge_layer_take(struct lodge_layer *l, pgoff_t index, void *entry,
		     struct page *page, u8 rest);
int lodge_layer_come_back(struct lodge_layer *l, pgoff_t index, void *entry,
			  struct page *page);
void lodge_layer_drop_locked(struct lodge_layer *l, pgoff_t index, void *entry,
			     struct page *page, void *to);
pgoff_t lodge_layer_drop_run(struct lodge_layer *l, pgoff_t first, pgoff_t last,
			     void *to, bool still);
pgoff_t lodge_layer_drop_empty(struct lodge_layer *l, pgoff_t first, pgoff_t last,
			       void *to);
void lodge_layer_drop(struct lodge_layer *l, pgoff_t first, pgoff_t last, void *to);

#endif /* LODGE_LAYER_H */
