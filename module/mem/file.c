// SPDX-License-Identifier: GPL-2.0-only
/*
 * An object as a file: what programs do to files in tmpfs they can do to it.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "ksm/ksm.h"
#include "mem/pool.h"

/* A chunk of LODGE_MEMORY_MAP. */
#define MAP_CHUNK	256

static struct lodge_object *file_object(struct file *file)
{
	return lodge_object(file_inode(file));
}

static vm_fault_t vm_error(int ret)
{
	if (ret == -EHWPOISON)
		return VM_FAULT_HWPOISON;
	return ret == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

/* The swap file takes long: meanwhile others may have faults, and change mappings. */
static vm_fault_t fetch_unlocked(struct vm_fault *vmf, bool write)
{
	struct file *file = get_file(vmf->vma->vm_file);

	lodge_fault_unlock(vmf);
	lodge_object_fetch(file_object(file), vmf->pgoff, write);
	fput(file);
	return VM_FAULT_RETRY;
}

static vm_fault_t object_fault(struct vm_fault *vmf)
{
	struct lodge_object *o = file_object(vmf->vma->vm_file);
	/* A private mapping copies what it writes, and that is the kernel's. */
	bool write = (vmf->flags & FAULT_FLAG_WRITE) &&
		     (vmf->vma->vm_flags & VM_SHARED);
	int ret = -EBUSY;

	if (!fault_flag_allow_retry_first(vmf->flags) ||
	    vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		ret = lodge_object_get(o, vmf->pgoff, write, &vmf->page);
	else if (!lodge_object_slow(o, vmf->pgoff))
		ret = lodge_object_get_now(o, vmf->pgoff, write, &vmf->page);
	if (ret == -EBUSY)
		return fetch_unlocked(vmf, write);
	return ret ? vm_error(ret) : VM_FAULT_LOCKED;
}

/* What is mapped for reading is written. */
static vm_fault_t object_mkwrite(struct vm_fault *vmf)
{
	struct lodge_object *o = file_object(vmf->vma->vm_file);
	struct page *page;
	int ret = lodge_object_get_now(o, vmf->pgoff, true, &page);

	/* Here mmap_lock can't be let go. It can in a new fault, by object_fault(). */
	if (ret == -EBUSY) {
		lodge_object_unview(o, vmf->pgoff, 1);
		return VM_FAULT_NOPAGE;
	}
	if (ret)
		return vm_error(ret);
	if (page == vmf->page) {
		put_page(page);
		return VM_FAULT_LOCKED;
	}
	/* Another page now, and what was mapped isn't any more: a new fault. */
	lodge_object_put(page);
	return VM_FAULT_NOPAGE;
}

static int object_mprotect(struct vm_area_struct *vma, unsigned long start,
			   unsigned long end, unsigned long flags)
{
	lodge_views_remapped(vma->vm_mm, start, end);
	return 0;
}

static const struct vm_operations_struct object_vm_ops = {
	.fault = object_fault,
	.mprotect = object_mprotect,
	.page_mkwrite = object_mkwrite,
};

/** lodge_object_mapped - whether a mapping is a shared one of an object */
bool lodge_object_mapped(const struct vm_area_struct *vma)
{
	return vma->vm_ops == &object_vm_ops && (vma->vm_flags & VM_SHARED);
}

static int object_mmap(struct file *file, struct vm_area_struct *vma)
{
	file_accessed(file);
	vma->vm_ops = &object_vm_ops;
	return 0;
}

static ssize_t object_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	struct lodge_object *o = lodge_object(inode);
	ssize_t done = 0;

	while (iov_iter_count(to)) {
		size_t offset = offset_in_page(iocb->ki_pos), n, copied;
		loff_t size = i_size_read(inode);
		struct page *page;

		if (iocb->ki_pos >= size)
			break;
		n = min_t(loff_t, size - iocb->ki_pos, PAGE_SIZE - offset);
		n = min(n, iov_iter_count(to));
		page = lodge_object_peek(o, iocb->ki_pos >> PAGE_SHIFT);
		if (IS_ERR(page))
			return done ?: PTR_ERR(page);
		if (page) {
			copied = copy_page_to_iter(page, offset, n, to);
			put_page(page);
		} else {
			copied = iov_iter_zero(n, to);
		}
		iocb->ki_pos += copied;
		done += copied;
		if (copied < n)
			return done ?: -EFAULT;
		cond_resched();
	}
	file_accessed(iocb->ki_filp);
	return done;
}

/* What follows the end, @size, in its page. */
static int clear_after(struct inode *inode, loff_t size)
{
	loff_t end = round_up(size, PAGE_SIZE);

	return size == end ? 0 : lodge_object_zero(lodge_object(inode), size, end);
}

/* The object becomes smaller, or ends where it does. Under the inode's lock. */
static void cut(struct inode *inode, loff_t size)
{
	struct lodge_object *o = lodge_object(inode);
	loff_t end = round_up(size, PAGE_SIZE);

	i_size_write(inode, size);
	unmap_mapping_range(inode->i_mapping, end, 0, 1);
	lodge_object_drop(o, end >> PAGE_SHIFT, ULONG_MAX);
	/* Private copies of what came between. */
	unmap_mapping_range(inode->i_mapping, end, 0, 1);
	clear_after(inode, size);
}

/* One page's part. With the page locked the source may not fault. */
static ssize_t write_some(struct lodge_object *o, loff_t pos, struct iov_iter *from)
{
	size_t n = min_t(size_t, iov_iter_count(from), PAGE_SIZE - offset_in_page(pos));
	struct page *page;
	int ret;

	if (fault_in_iov_iter_readable(from, n) == n)
		return -EFAULT;
	ret = lodge_object_get(o, pos >> PAGE_SHIFT, true, &page);
	if (ret)
		return ret;
	n = copy_page_from_iter_atomic(page, offset_in_page(pos), n, from);
	lodge_object_put(page);
	return n;
}

static ssize_t object_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret, done = 0;
	loff_t size;

	inode_lock(inode);
	ret = generic_write_checks(iocb, from);
	if (ret > 0)
		ret = file_remove_privs(iocb->ki_filp) ?:
		      file_update_time(iocb->ki_filp) ?: ret;
	if (ret <= 0)
		goto out;
	size = i_size_read(inode);
	/* Pages beyond the end are none: the end first, and back if need be. */
	if (iocb->ki_pos + iov_iter_count(from) > size)
		i_size_write(inode, iocb->ki_pos + iov_iter_count(from));
	while (iov_iter_count(from)) {
		ret = fatal_signal_pending(current) ? -EINTR :
		      write_some(lodge_object(inode), iocb->ki_pos, from);
		if (ret < 0)
			break;
		iocb->ki_pos += ret;
		done += ret;
		cond_resched();
	}
	if (i_size_read(inode) > max(size, iocb->ki_pos))
		cut(inode, max(size, iocb->ki_pos));
out:
	inode_unlock(inode);
	return done ?: ret;
}

/* The first page from @index on, before @end, that has data, or hasn't. */
static pgoff_t seek(struct lodge_object *o, pgoff_t index, pgoff_t end, bool data)
{
	unsigned long at;
	void *entry;

	for (; index < end; index = at + 1) {
		at = index;
		if (!lodge_object_find(o, &at, end - 1, &entry))
			return data ? end : index;
		if (!data && (at != index || lodge_entry_empty(entry)))
			return index;
		if (data && !lodge_entry_empty(entry))
			return at;
		cond_resched();
	}
	return end;
}

static loff_t object_llseek(struct file *file, loff_t pos, int whence)
{
	struct inode *inode = file_inode(file);
	loff_t size = i_size_read(inode);
	pgoff_t index;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek(file, pos, whence);
	if (pos < 0 || pos >= size)
		return -ENXIO;
	index = seek(lodge_object(inode), pos >> PAGE_SHIFT,
		     DIV_ROUND_UP(size, PAGE_SIZE), whence == SEEK_DATA);
	pos = max(pos, (loff_t)index << PAGE_SHIFT);
	if (pos >= size && whence == SEEK_DATA)
		return -ENXIO;
	return vfs_setpos(file, min(pos, size), inode->i_sb->s_maxbytes);
}

/* Of pages that go by the guest's wish it is remembered. Under the inode's lock. */
static void discard(struct lodge_object *o, pgoff_t first, pgoff_t last, u32 flags)
{
	if (!(flags & LODGE_DISCARD_UNWRITTEN))
		lodge_object_unview(o, first, last - first + 1);
	if (flags & LODGE_DISCARD_WATCH)
		lodge_object_watch(o, first, last);
	else if (flags)
		lodge_object_discard_still(o, first, last);
	else
		lodge_object_discard(o, first, last);
}

/* Whole pages go, parts are cleared. Under the inode's lock. */
static int punch(struct inode *inode, loff_t from, loff_t to)
{
	struct lodge_object *o = lodge_object(inode);
	loff_t first = round_up(from, PAGE_SIZE), last = round_down(to, PAGE_SIZE);
	int ret = 0;

	if (first < last) {
		unmap_mapping_range(inode->i_mapping, first, last - first, 0);
		lodge_object_drop(o, first >> PAGE_SHIFT, (last >> PAGE_SHIFT) - 1);
	}
	if (from < first)
		ret = lodge_object_zero(o, from, min(to, first));
	if (!ret && last < to && last >= first)
		ret = lodge_object_zero(o, last, to);
	return ret;
}

/* Pages for all of a range that lies before the end. */
static int fill(struct inode *inode, loff_t from, loff_t to)
{
	pgoff_t index, end = DIV_ROUND_UP(min(to, i_size_read(inode)), PAGE_SIZE);
	struct page *page;
	int ret;

	for (index = from >> PAGE_SHIFT; index < end; index++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = lodge_object_get(lodge_object(inode), index, true, &page);
		if (ret)
			return ret;
		lodge_object_put(page);
		cond_resched();
	}
	return 0;
}

static long object_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	struct inode *inode = file_inode(file);
	loff_t size, to = offset + len;
	long ret;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	inode_lock(inode);
	if (mode & FALLOC_FL_PUNCH_HOLE) {
		ret = punch(inode, offset, to);
	} else {
		size = i_size_read(inode);
		ret = inode_newsize_ok(inode, to);
		if (!ret && !(mode & FALLOC_FL_KEEP_SIZE) && to > size)
			i_size_write(inode, to);
		ret = ret ?: fill(inode, offset, to);
		if (ret && i_size_read(inode) > size)
			cut(inode, size);
	}
	if (!ret)
		lodge_inode_changed(inode);
	inode_unlock(inode);
	return ret;
}

static int object_setattr(struct lodge_idmap *idmap, struct dentry *dentry,
			  struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int ret = setattr_prepare(idmap, dentry, attr);

	if (ret)
		return ret;
	/* What it may be merged with is what its owner has, and that is said when it is made. */
	if (i_uid_needs_update(idmap, attr, inode))
		return -EPERM;
	if ((attr->ia_valid & ATTR_SIZE) && attr->ia_size != i_size_read(inode)) {
		/* That may want memory: before anything is changed, then once more. */
		ret = clear_after(inode, attr->ia_size);
		if (ret)
			return ret;
		cut(inode, attr->ia_size);
		lodge_inode_changed(inode);
	}
	setattr_copy(idmap, inode, attr);
	return 0;
}

static int object_getattr(struct lodge_idmap *idmap, const struct path *path,
			  struct kstat *stat, u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct lodge_memory_info info = { };

	lodge_fillattr(idmap, mask, inode, stat);
	lodge_object_info(lodge_object(inode), &info);
	stat->blocks = (info.pages[LODGE_PAGE_PRIVATE] + info.pages[LODGE_PAGE_SHARED] +
			info.pages[LODGE_PAGE_COMPRESSED] +
			info.pages[LODGE_PAGE_SWAPPED]) * (PAGE_SIZE / 512);
	stat->blksize = PAGE_SIZE;
	return 0;
}

/**
 * lodge_args_get - the argument of an ioctl: what the caller knows of it
 * @args: filled in; zero where the caller knows nothing
 * @max: bytes of it
 * @least: how many of them the caller must know of
 * @from: in user space; begins with its size, a u32
 * @size: set to that
 *
 * Return: 0, -EFAULT, -EINVAL, or -E2BIG.
 */
int lodge_args_get(void *args, size_t max, size_t least, void __user *from, u32 *size)
{
	if (get_user(*size, (u32 __user *)from))
		return -EFAULT;
	if (*size < least || *size > PAGE_SIZE)
		return -EINVAL;
	return copy_struct_from_user(args, max, from, *size);
}

static int put_args(void __user *to, const void *args, size_t max, u32 size)
{
	return copy_to_user(to, args, min_t(size_t, max, size)) ? -EFAULT : 0;
}

/**
 * lodge_object_info - count an object's pages, and what became of them
 * @o: the object; under RCU it may be about to be freed
 * @info: to which all of that is added; what is below is its as much as others'
 */
void lodge_object_info(const struct lodge_object *o, struct lodge_memory_info *info)
{
	const struct lodge_layer *l;
	int i;

	info->bytes += i_size_read(&o->inode);
	rcu_read_lock();
	for (l = READ_ONCE(o->top); l; l = READ_ONCE(l->parent)) {
		for (i = LODGE_PAGE_PRIVATE; i < LODGE_PAGE_STATES; i++)
			info->pages[i] += atomic_long_read(&l->pages[i]);
		info->merged += atomic_long_read(&l->merged);
		info->broken += atomic_long_read(&l->broken);
		info->compressed += atomic_long_read(&l->compressed);
		info->decompressed += atomic_long_read(&l->decompressed);
		info->incompressible += atomic_long_read(&l->incompressible);
		info->packed += atomic_long_read(&l->packed);
		info->swapped_out += atomic_long_read(&l->swapped_out);
		info->swapped_in += atomic_long_read(&l->swapped_in);
	}
	rcu_read_unlock();
}

static long object_info(struct lodge_object *o, void __user *arg)
{
	struct lodge_memory_info info;
	struct lodge_layer *l;
	u32 size;
	int ret = lodge_args_get(&info, sizeof(info),
				 offsetofend(typeof(info), bytes), arg, &size);

	if (ret)
		return ret;
	if (info.flags)
		return -EINVAL;
	memset(&info, 0, sizeof(info));
	info.size = size;
	lodge_object_info(o, &info);
	l = lodge_object_layer(o, 0);
	info.flags = READ_ONCE(l->mergeable) ? LODGE_MEMORY_MERGEABLE : 0;
	strscpy(info.domain, lodge_domain_name(l->domain), sizeof(info.domain));
	info.pool = lodge_pool_bytes(l->pool);
	lodge_layer_put(l);
	return put_args(arg, &info, sizeof(info), size);
}

static long object_map(struct lodge_object *o, void __user *arg)
{
	struct lodge_memory_map map;
	u8 states[MAP_CHUNK];
	u8 __user *to;
	u32 size, i, n;
	int ret = lodge_args_get(&map, sizeof(map), sizeof(map), arg, &size);

	if (ret)
		return ret;
	if (map.flags || map.first > U32_MAX || map.count > U32_MAX)
		return -EINVAL;
	to = u64_to_user_ptr(map.states);
	for (; map.count; map.count -= n, map.first += n, to += n) {
		n = min_t(u64, map.count, MAP_CHUNK);
		for (i = 0; i < n; i++)
			states[i] = lodge_entry_state(lodge_object_entry(o, map.first + i));
		if (copy_to_user(to, states, n))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static long object_set(struct lodge_object *o, void __user *arg)
{
	struct lodge_memory_set set;
	u32 size;
	int ret = lodge_args_get(&set, sizeof(set), sizeof(set), arg, &size);

	if (ret)
		return ret;
	if ((set.mask | set.flags) & ~LODGE_MEMORY_MERGEABLE || set.reserved)
		return -EINVAL;
	if (!(set.mask & LODGE_MEMORY_MERGEABLE))
		return 0;
	inode_lock(&o->inode);
	if (set.flags & LODGE_MEMORY_MERGEABLE)
		lodge_domain_add(o->top);
	else
		lodge_domain_remove(o->top);
	inode_unlock(&o->inode);
	if (set.flags & LODGE_MEMORY_MERGEABLE)
		return 0;
	ret = lodge_object_unmerge(o);
	if (ret) {
		/* Some are shared still: the flag says so. */
		inode_lock(&o->inode);
		lodge_domain_add(o->top);
		inode_unlock(&o->inode);
	}
	return ret;
}

static long object_merge(struct lodge_object *o, void __user *arg)
{
	struct lodge_memory_merge merge;
	struct lodge_layer *l;
	unsigned int depth;
	u64 end;
	u32 size;
	int ret = lodge_args_get(&merge, sizeof(merge), sizeof(merge), arg, &size);

	if (ret)
		return ret;
	if (merge.flags || merge.merged || merge.skipped)
		return -EINVAL;
	end = DIV_ROUND_UP((u64)i_size_read(&o->inode), PAGE_SIZE);
	if (merge.first < end && (!merge.count || merge.count > end - merge.first))
		merge.count = end - merge.first;
	/* What is below may be merged if it could when it was on top. */
	for (depth = 0; merge.first < end && !ret; depth++) {
		l = lodge_object_layer(o, depth);
		if (!l)
			break;
		if (!depth || READ_ONCE(l->mergeable))
			ret = lodge_ksm_now(l, merge.first, merge.count, &merge.merged,
					    &merge.skipped);
		lodge_layer_put(l);
	}
	return put_args(arg, &merge, sizeof(merge), size) ?: ret;
}

/* Of the pages on top, and if that isn't enough of those below. */
static int reclaim_object(struct lodge_object *o, struct lodge_reclaim *r)
{
	unsigned int depth;
	int ret = 0;

	for (depth = 0; !ret && (!depth || r->pages < r->want); depth++) {
		r->only = lodge_object_layer(o, depth);
		if (!r->only)
			break;
		r->pool = r->only->pool;
		ret = lodge_reclaim(r);
		lodge_layer_put(r->only);
	}
	return ret;
}

static long object_reclaim(struct lodge_object *o, void __user *arg)
{
	struct lodge_memory_reclaim reclaim;
	struct lodge_reclaim r = { };
	u32 size;
	int ret = lodge_args_get(&reclaim, sizeof(reclaim), sizeof(reclaim), arg, &size);

	if (ret)
		return ret;
	if (reclaim.flags & ~(LODGE_RECLAIM_COLD | LODGE_RECLAIM_SWAP) || reclaim.reclaimed || reclaim.skipped)
		return -EINVAL;
	r.cold = reclaim.flags & LODGE_RECLAIM_COLD;
	r.swap = reclaim.flags & LODGE_RECLAIM_SWAP;
	r.want = reclaim.bytes >> PAGE_SHIFT;
	ret = reclaim_object(o, &r);
	reclaim.reclaimed = r.pages << PAGE_SHIFT;
	reclaim.skipped = r.skipped;
	return put_args(arg, &reclaim, sizeof(reclaim), size) ?: ret;
}

static long object_discard(struct lodge_object *o, void __user *arg)
{
	struct inode *inode = &o->inode;
	struct lodge_memory_discard d;
	u64 end;
	u32 size;
	int ret = lodge_args_get(&d, sizeof(d), sizeof(d), arg, &size);

	if (ret)
		return ret;
	if (d.flags > LODGE_DISCARD_UNWRITTEN || d.first > U32_MAX || d.count > U32_MAX)
		return -EINVAL;
	inode_lock(inode);
	end = min_t(u64, d.first + d.count,
		    DIV_ROUND_UP((u64)i_size_read(inode), PAGE_SIZE));
	if (d.first < end) {
		discard(o, d.first, end - 1, d.flags);
		lodge_inode_changed(inode);
	}
	inode_unlock(inode);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

static long object_domain(struct lodge_object *o, void __user *arg)
{
	struct lodge_domain_info info;
	struct lodge_layer *l;
	u32 size;
	int ret = lodge_args_get(&info, sizeof(info),
				 offsetofend(typeof(info), saved), arg, &size);

	if (ret)
		return ret;
	if (info.flags)
		return -EINVAL;
	memset(&info, 0, sizeof(info));
	info.size = size;
	l = lodge_object_layer(o, 0);
	lodge_domain_info(l->domain, &info);
	lodge_layer_put(l);
	return put_args(arg, &info, sizeof(info), size);
}

static long object_domain_set(struct lodge_object *o, void __user *arg)
{
	struct lodge_domain_set set;
	struct lodge_layer *l;
	u32 size;
	int ret = lodge_args_get(&set, sizeof(set), sizeof(set), arg, &size);

	if (ret)
		return ret;
	if (set.flags || !lodge_domain_budget_ok(set.budget))
		return -EINVAL;
	l = lodge_object_layer(o, 0);
	WRITE_ONCE(l->domain->budget, set.budget);
	WRITE_ONCE(l->domain->pass_ms, set.pass_ms);
	lodge_layer_put(l);
	return 0;
}

static long object_domain_merge(struct lodge_object *o, void __user *arg)
{
	struct lodge_domain_merge merge;
	bool begin = true, more = true;
	struct lodge_layer *l;
	u32 size;
	int ret = lodge_args_get(&merge, sizeof(merge), sizeof(merge), arg, &size);

	if (ret)
		return ret;
	if (merge.flags)
		return -EINVAL;
	l = lodge_object_layer(o, 0);
	for (; !ret && more; begin = false) {
		ret = signal_pending(current) ? -EINTR :
		      lodge_ksm_step(l->domain, begin, &more);
		cond_resched();
	}
	lodge_layer_put(l);
	return ret;
}

/* What changes what others see, or its timing. */
static const struct {
	unsigned int cmd;
	long (*fn)(struct lodge_object *o, void __user *arg);
} changes[] = {
	{ LODGE_MEMORY_SET,	object_set },
	{ LODGE_MEMORY_MERGE,	object_merge },
	{ LODGE_MEMORY_RECLAIM,	object_reclaim },
	{ LODGE_MEMORY_DISCARD,	object_discard },
	{ LODGE_DOMAIN_SET,	object_domain_set },
	{ LODGE_DOMAIN_MERGE,	object_domain_merge },
};

static long object_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct lodge_object *o = file_object(file);
	void __user *uarg = (void __user *)arg;
	int i;

	switch (cmd) {
	case LODGE_MEMORY_INFO:
		return object_info(o, uarg);
	case LODGE_MEMORY_MAP:
		return object_map(o, uarg);
	case LODGE_DOMAIN_INFO:
		return object_domain(o, uarg);
	}
	for (i = 0; i < ARRAY_SIZE(changes); i++)
		if (changes[i].cmd == cmd)
			return file->f_mode & FMODE_WRITE ? changes[i].fn(o, uarg) : -EBADF;
	return -ENOTTY;
}

const struct file_operations lodge_object_fops = {
	.owner = THIS_MODULE,
	.mmap = object_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
	.read_iter = object_read,
	.write_iter = object_write,
	.splice_read = lodge_splice_read,
	.splice_write = iter_file_splice_write,
	.llseek = object_llseek,
	.fallocate = object_fallocate,
	.fsync = noop_fsync,
	.unlocked_ioctl = object_ioctl,
};

const struct inode_operations lodge_object_iops = {
	.setattr = object_setattr,
	.getattr = object_getattr,
};
