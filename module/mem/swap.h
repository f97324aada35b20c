/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The swap file: where pages go that are not used and are not worth compressing.
 */
#ifndef LODGE_SWAP_H
#define LODGE_SWAP_H

#include <linux/types.h>

struct file;
struct page;

/* Pages that are written at a time, and that one fault reads. */
#define LODGE_SWAP_BATCH	32
#define LODGE_SWAP_AROUND	8

bool lodge_swap_on(void);
int lodge_swap_start(struct file *file);
int lodge_swap_stop(void);
long lodge_swap_write(struct page **pages, unsigned int *nr);
int lodge_swap_read(struct page **pages, unsigned int nr, unsigned long slot);
void lodge_swap_free(unsigned long slot);
struct page **lodge_swap_scratch(void);
void lodge_swap_scratch_done(void);

struct lodge_swap_info;
void lodge_swap_tell(struct lodge_swap_info *info);
long lodge_swap_ioctl(unsigned int cmd, void __user *arg);
void lodge_swap_exit(void);

#endif /* LODGE_SWAP_H */
