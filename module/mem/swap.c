// SPDX-License-Identifier: GPL-2.0-only
/*
 * The swap file: a regular file that an administrator gives, of slots of a page.
 *
 * It is read and written by the file system's own iterators, past the page cache where the
 * file system can, in a thread of our own. Pages are written in batches, next to each other, so that one
 * fault can read those beside it as well. A slot belongs to the entry that names it:
 * whoever replaces the entry frees the slot, when it has read it.
 *
 * An error leaves all as it was: what couldn't be written stays in memory, what couldn't be
 * read stays in the file.
 */
#include <linux/bitmap.h>
#include <linux/bvec.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "mem/object.h"
#include "mem/swap.h"

/* More slots than this have no room in an entry, and none need as many. */
#define SLOTS_MAX	(1ul << 32)
/* How many are looked at while nobody else can. */
#define SEARCHED	65536ul

static struct {
	struct mutex change;		/* who starts and stops */
	struct mutex scratch_lock;
	struct page *scratch[LODGE_SWAP_BATCH];
	struct workqueue_struct *queue;
	spinlock_t lock;		/* the rest */
	struct file *file;
	unsigned long *map, nr, used, next;
	atomic64_t written, read, errors;
} swap = {
	.change = __MUTEX_INITIALIZER(swap.change),
	.scratch_lock = __MUTEX_INITIALIZER(swap.scratch_lock),
	.lock = __SPIN_LOCK_UNLOCKED(swap.lock),
};

/** lodge_swap_on - whether there is a swap file */
bool lodge_swap_on(void)
{
	return READ_ONCE(swap.file);
}

static ssize_t io_iter(bool write, struct kiocb *kiocb, struct iov_iter *iter)
{
	struct file *file = kiocb->ki_filp;
	ssize_t ret;

	if (!write)
		return file->f_op->read_iter(kiocb, iter);
	/* A file system that is frozen is waited for by nobody who reclaims. */
	if (!file_start_write_trylock(file))
		return -EAGAIN;
	ret = file->f_op->write_iter(kiocb, iter);
	file_end_write(file);
	return ret;
}

/* What is to be read or written, next to each other. */
struct io {
	struct work_struct work;
	struct completion done;
	struct page **pages;
	unsigned int nr;
	unsigned long slot;
	bool write;
	int ret;
};

static void io_work(struct work_struct *work)
{
	struct io *io = container_of(work, struct io, work);
	unsigned int nr = io->nr, i, flags = 0;
	struct bio_vec bv[LODGE_SWAP_BATCH];
	struct iov_iter iter;
	struct kiocb kiocb;
	ssize_t ret;

	for (i = 0; i < nr; i++)
		bv[i] = (struct bio_vec) {
			.bv_page = io->pages[i], .bv_len = PAGE_SIZE,
		};
	iov_iter_bvec(&iter, io->write ? ITER_SOURCE : ITER_DEST, bv, nr, nr * PAGE_SIZE);
	init_sync_kiocb(&kiocb, swap.file);
	kiocb.ki_pos = (loff_t)io->slot << PAGE_SHIFT;
	/* What is written is memory that will be free. */
	if (io->write)
		flags = memalloc_noreclaim_save();
	/* Where it stops for an error it says so when it is to go on. */
	do
		ret = io_iter(io->write, &kiocb, &iter);
	while (ret > 0 && iov_iter_count(&iter));
	if (io->write)
		memalloc_noreclaim_restore(flags);
	io->ret = ret > 0 ? 0 : ret ?: -EIO;
	complete(&io->done);
}

/*
 * The file system's locks are taken in a thread of our own: an access that waits
 * here may hold those of other files of the same file system.
 */
static int io(bool write, struct page **pages, unsigned int nr, unsigned long slot)
{
	struct io io = {
		.pages = pages, .nr = nr, .slot = slot, .write = write,
		.done = COMPLETION_INITIALIZER_ONSTACK(io.done),
	};

	INIT_WORK_ONSTACK(&io.work, io_work);
	queue_work(swap.queue, &io.work);
	wait_for_completion(&io.done);
	destroy_work_on_stack(&io.work);
	if (io.ret)
		atomic64_inc(&swap.errors);
	else
		atomic64_add(nr, write ? &swap.written : &swap.read);
	return io.ret;
}

/* The first of @nr slots in a row, or -ENOSPC. */
static long slots_get(unsigned int nr)
{
	unsigned long slot, end, all, looked = 0;

	bool found = false;

	/* All of a file, and what lies across its pieces; a map may be as full of holes as can be. */
	do {
		spin_lock(&swap.lock);
		if (swap.nr - swap.used < nr) {
			spin_unlock(&swap.lock);
			return -ENOSPC;
		}
		if (swap.next + nr > swap.nr)
			swap.next = 0;
		end = min(swap.next + SEARCHED, swap.nr);
		slot = bitmap_find_next_zero_area(swap.map, end, swap.next, nr, 0);
		found = slot < end;
		if (found) {
			bitmap_set(swap.map, slot, nr);
			swap.used += nr;
			swap.next = slot + nr;
		} else {
			looked += end - swap.next;
			swap.next = end - nr + 1;
		}
		all = swap.nr;
		spin_unlock(&swap.lock);
		cond_resched();
	} while (!found && looked < all + SEARCHED);
	return found ? (long)slot : -ENOSPC;
}

/** lodge_swap_free - what is in a slot is needed no longer */
void lodge_swap_free(unsigned long slot)
{
	spin_lock(&swap.lock);
	__clear_bit(slot, swap.map);
	swap.used--;
	spin_unlock(&swap.lock);
}

/**
 * lodge_swap_write - write pages to the swap file, next to each other
 * @pages: which nobody writes to
 * @nr: how many, LODGE_SWAP_BATCH at most, but not 0; set to how many were written: fewer
 *	where not so many slots in a row are free
 *
 * Context: may sleep, as long as writing takes.
 * Return: the slot of the first one; -ENOSPC, or another error.
 */
long lodge_swap_write(struct page **pages, unsigned int *nr)
{
	long slot = slots_get(*nr);
	unsigned int i;
	int ret;

	while (slot < 0 && *nr > 1) {
		*nr /= 2;
		slot = slots_get(*nr);
	}
	if (slot < 0)
		return slot;
	ret = io(true, pages, *nr, slot);
	if (!ret)
		return slot;
	for (i = 0; i < *nr; i++)
		lodge_swap_free(slot + i);
	return ret;
}

/**
 * lodge_swap_read - read pages from slots next to each other, which stay taken
 * @pages: where to
 * @nr: how many, LODGE_SWAP_AROUND at most
 * @slot: that of the first one
 *
 * Return: 0; -ENOMEM, -EIO.
 */
int lodge_swap_read(struct page **pages, unsigned int nr, unsigned long slot)
{
	int ret = io(false, pages, nr, slot);

	/* Without memory an access is to be tried again, and its page isn't bad. */
	return ret && ret != -ENOMEM ? -EIO : ret;
}

/**
 * lodge_swap_scratch - pages to be written from, LODGE_SWAP_BATCH of them
 *
 * Return: them, until lodge_swap_scratch_done(); NULL if they are in use.
 */
struct page **lodge_swap_scratch(void)
{
	if (!mutex_trylock(&swap.scratch_lock))
		return NULL;
	if (lodge_swap_on())
		return swap.scratch;
	mutex_unlock(&swap.scratch_lock);
	return NULL;
}

/** lodge_swap_scratch_done - the pages are needed no longer */
void lodge_swap_scratch_done(void)
{
	mutex_unlock(&swap.scratch_lock);
}

static void resources_free(void)
{
	int i;

	if (swap.queue)
		destroy_workqueue(swap.queue);
	swap.queue = NULL;
	kvfree(swap.map);
	swap.map = NULL;
	for (i = 0; i < LODGE_SWAP_BATCH; i++) {
		if (swap.scratch[i])
			__free_page(swap.scratch[i]);
		swap.scratch[i] = NULL;
	}
}

static int begin(struct file *file, unsigned long nr)
{
	int i;

	if (swap.file)
		return -EBUSY;
	for (i = 0; i < LODGE_SWAP_BATCH; i++) {
		swap.scratch[i] = alloc_page(GFP_KERNEL);
		if (!swap.scratch[i])
			goto err;
	}
	swap.map = kvcalloc(BITS_TO_LONGS(nr), sizeof(long), GFP_KERNEL);
	swap.queue = alloc_workqueue("lodge_swap", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!swap.map || !swap.queue)
		goto err;
	/* Whoever still believes in the file before finds slots in this one, or none. */
	spin_lock(&swap.lock);
	swap.next = swap.used = 0;
	/* All else is there before it. */
	smp_store_release(&swap.file, get_file(file));
	swap.nr = nr;
	spin_unlock(&swap.lock);
	return 0;
err:
	resources_free();
	return -ENOMEM;
}

/**
 * lodge_swap_start - pages may go to a file from here on
 * @file: a regular file, open for reading and writing, that nobody else writes to
 *
 * Return: 0; -EBUSY if there is one, or the kernel swaps to it; -EINVAL if this can't be one;
 * -ENOMEM.
 */
int lodge_swap_start(struct file *file)
{
	loff_t size = i_size_read(file_inode(file));
	int ret;

	if (!S_ISREG(file_inode(file)->i_mode) || !file->f_op->read_iter ||
	    !file->f_op->write_iter || file->f_op == &lodge_object_fops ||
	    size < LODGE_SWAP_BATCH * PAGE_SIZE)
		return -EINVAL;
	/* The kernel's: its mark refuses all writes, ours, too, so that we can't set it. */
	if (IS_SWAPFILE(file_inode(file)))
		return -EBUSY;
	mutex_lock(&swap.change);
	ret = begin(file, min_t(u64, size >> PAGE_SHIFT, SLOTS_MAX));
	mutex_unlock(&swap.change);
	return ret;
}

/**
 * lodge_swap_stop - no page goes to the swap file any more
 *
 * Return: 0; -ENOENT if there is none; -EBUSY while anything is in it.
 */
int lodge_swap_stop(void)
{
	struct file *file = NULL;
	int ret = -EBUSY;

	mutex_lock(&swap.change);
	mutex_lock(&swap.scratch_lock);
	spin_lock(&swap.lock);
	if (!swap.used) {
		file = swap.file;
		ret = file ? 0 : -ENOENT;
		WRITE_ONCE(swap.file, NULL);
		swap.nr = 0;
	}
	spin_unlock(&swap.lock);
	if (file) {
		resources_free();
		fput(file);
	}
	mutex_unlock(&swap.scratch_lock);
	mutex_unlock(&swap.change);
	return ret;
}

/* The kernel's own opening of it: past the page cache, if that can be. */
static int start_again(struct file *given)
{
	struct file *file;
	int ret;

	if (!(given->f_mode & FMODE_WRITE))
		return -EBADF;
	file = dentry_open(&given->f_path, O_RDWR | O_LARGEFILE | O_DIRECT,
			   current_cred());
	if (file == ERR_PTR(-EINVAL))
		file = dentry_open(&given->f_path, O_RDWR | O_LARGEFILE, current_cred());
	if (IS_ERR(file))
		return PTR_ERR(file);
	ret = lodge_swap_start(file);
	fput(file);
	return ret;
}

static long set_ioctl(void __user *arg)
{
	struct lodge_swap_set set;
	struct file *file;
	u32 size;
	int ret = lodge_args_get(&set, sizeof(set), sizeof(set), arg, &size);

	if (ret)
		return ret;
	if (set.flags || set.reserved)
		return -EINVAL;
	if (set.fd == -1)
		return lodge_swap_stop();
	file = fget(set.fd);
	if (!file)
		return -EBADF;
	ret = start_again(file);
	fput(file);
	return ret;
}

/** lodge_swap_tell - what is known of the swap file, but for @info's size and flags */
void lodge_swap_tell(struct lodge_swap_info *info)
{
	info->bytes = (u64)READ_ONCE(swap.nr) << PAGE_SHIFT;
	info->used = (u64)READ_ONCE(swap.used) << PAGE_SHIFT;
	info->written = atomic64_read(&swap.written);
	info->read = atomic64_read(&swap.read);
	info->errors = atomic64_read(&swap.errors);
}

static long info_ioctl(void __user *arg)
{
	struct lodge_swap_info info;
	u32 size;
	int ret = lodge_args_get(&info, sizeof(info), sizeof(info), arg, &size);

	if (ret)
		return ret;
	if (info.flags)
		return -EINVAL;
	lodge_swap_tell(&info);
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

/**
 * lodge_swap_ioctl - LODGE_SWAP_SET, LODGE_SWAP_INFO
 * @cmd: which of them
 * @arg: the argument in user space
 *
 * Return: 0, or an error.
 */
long lodge_swap_ioctl(unsigned int cmd, void __user *arg)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	return cmd == LODGE_SWAP_SET ? set_ioctl(arg) : info_ioctl(arg);
}

/** lodge_swap_exit - no object is left */
void lodge_swap_exit(void)
{
	lodge_swap_stop();
}
