// SPDX-License-Identifier: GPL-2.0-only
/*
 * lodgefs: a file system whose regular files are objects (object.c). It is
 * mounted by whoever wants to name them, and mounted out of sight for objects
 * that are made by an ioctl, as long as there are any.
 *
 * The option merge makes the pages of new files mergeable.
 */
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/uaccess.h>

#include "ksm/ksm.h"

static struct kmem_cache *objects;

static struct inode *fs_alloc_inode(struct super_block *sb)
{
	struct lodge_object *o = kmem_cache_alloc(objects, GFP_KERNEL);

	if (!o)
		return NULL;
	/* The inode, which comes first, is left as the cache made it. */
	memset_after(o, 0, inode);
	return &o->inode;
}

/* After a grace period: merging looks at objects under RCU. */
static void fs_free_inode(struct inode *inode)
{
	kmem_cache_free(objects, lodge_object(inode));
}

static void fs_evict_inode(struct inode *inode)
{
	lodge_object_destroy(lodge_object(inode));
	clear_inode(inode);
}

static int fs_statfs(struct dentry *dentry, struct kstatfs *st)
{
	st->f_type = LODGEFS_MAGIC;
	st->f_bsize = PAGE_SIZE;
	st->f_namelen = NAME_MAX;
	return 0;
}

static const struct super_operations fs_ops = {
	.alloc_inode = fs_alloc_inode,
	.free_inode = fs_free_inode,
	.evict_inode = fs_evict_inode,
	.drop_inode = generic_delete_inode,
	.statfs = fs_statfs,
};

static const struct inode_operations dir_iops;

static struct inode *inode_new(struct super_block *sb, struct lodge_idmap *idmap,
			       struct inode *dir, umode_t mode, const char *domain)
{
	struct inode *inode = new_inode(sb);
	int ret;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->i_ino = get_next_ino();
	inode_init_owner(idmap, inode, dir, mode);
	lodge_inode_born(inode);
	if (S_ISDIR(mode)) {
		inode->i_op = &dir_iops;
		inode->i_fop = &simple_dir_operations;
		inc_nlink(inode);
		return inode;
	}
	inode->i_op = &lodge_object_iops;
	inode->i_fop = &lodge_object_fops;
	ret = lodge_object_init(lodge_object(inode), domain);
	if (!ret)
		return inode;
	iput(inode);
	return ERR_PTR(ret);
}

static int make(struct lodge_idmap *idmap, struct inode *dir,
		struct dentry *dentry, umode_t mode)
{
	struct inode *inode = inode_new(dir->i_sb, idmap, dir, mode, "");

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	if (S_ISDIR(mode))
		inc_nlink(dir);
	else if (dir->i_sb->s_fs_info)
		lodge_domain_add(lodge_object(inode)->top);
	d_instantiate(dentry, inode);
	/* Files live until they are unlinked. */
	dget(dentry);
	lodge_inode_changed(dir);
	return 0;
}

static int fs_create(struct lodge_idmap *idmap, struct inode *dir,
		     struct dentry *dentry, umode_t mode, bool excl)
{
	return make(idmap, dir, dentry, mode | S_IFREG);
}

static int fs_mkdir(struct lodge_idmap *idmap, struct inode *dir,
		    struct dentry *dentry, umode_t mode)
{
	return make(idmap, dir, dentry, mode | S_IFDIR);
}

static const struct inode_operations dir_iops = {
	.lookup = simple_lookup,
	.create = fs_create,
	.link = simple_link,
	.unlink = simple_unlink,
	.mkdir = fs_mkdir,
	.rmdir = simple_rmdir,
	.rename = simple_rename,
};

static int fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct inode *root;

	sb->s_maxbytes = LODGE_OBJECT_MAX;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = LODGEFS_MAGIC;
	sb->s_op = &fs_ops;
	sb->s_time_gran = 1;
	/* Guests execute what is here, never the host. */
	sb->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	sb->s_fs_info = fc->fs_private;
	root = inode_new(sb, LODGE_NO_IDMAP, NULL, S_IFDIR | S_ISVTX | 0777, "");
	if (IS_ERR(root))
		return PTR_ERR(root);
	sb->s_root = d_make_root(root);
	return sb->s_root ? 0 : -ENOMEM;
}

static const struct fs_parameter_spec parameters[] = {
	fsparam_flag("merge", 0),
	{ }
};

/* fs_private is set if new files are mergeable; it points to nothing much. */
static int parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct fs_parse_result result;
	int opt = fs_parse(fc, parameters, param, &result);

	if (opt < 0)
		return opt;
	fc->fs_private = fc;
	return 0;
}

static int get_tree(struct fs_context *fc)
{
	return get_tree_nodev(fc, fill_super);
}

static const struct fs_context_operations context_ops = {
	.parse_param = parse_param,
	.get_tree = get_tree,
};

static int init_fs_context(struct fs_context *fc)
{
	fc->ops = &context_ops;
	/* Whoever is the first, in whatever user namespace: others make objects of the same one. */
	fc->global = true;
	return 0;
}

static struct file_system_type lodgefs = {
	.owner = THIS_MODULE,
	.name = LODGEFS_NAME,
	.init_fs_context = init_fs_context,
	.parameters = parameters,
	.kill_sb = kill_litter_super,
};
MODULE_ALIAS_FS(LODGEFS_NAME);

/**
 * lodge_object_file - make an object that has no name
 * @bytes: its size
 * @flags: LODGE_MEMORY_*
 * @domain: the name of its domain, "" for the owner's default
 *
 * Return: a file; what is in it goes with the last reference. Or an error.
 */
struct file *lodge_object_file(u64 bytes, u32 flags, const char *domain)
{
	static struct vfsmount *mount;
	static int pinned;
	struct inode *inode;
	struct file *file;
	int ret;

	if (bytes > LODGE_OBJECT_MAX)
		return ERR_PTR(-EFBIG);
	ret = simple_pin_fs(&lodgefs, &mount, &pinned);
	if (ret)
		return ERR_PTR(ret);
	inode = inode_new(mount->mnt_sb, LODGE_NO_IDMAP, NULL, S_IFREG | 0600, domain);
	file = ERR_CAST(inode);
	if (IS_ERR(inode))
		goto out;
	i_size_write(inode, bytes);
	clear_nlink(inode);
	file = alloc_file_pseudo(inode, mount, "lodge-memory", O_RDWR | O_LARGEFILE,
				 &lodge_object_fops);
	if (IS_ERR(file)) {
		iput(inode);
		goto out;
	}
	/* What opening takes and gives; the last close lets the module go. */
	__module_get(THIS_MODULE);
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	if (flags & LODGE_MEMORY_MERGEABLE)
		lodge_domain_add(lodge_object(inode)->top);
out:
	/* The file holds the mount; so others may come after the last is gone. */
	simple_release_fs(&mount, &pinned);
	return file;
}

/**
 * lodge_object_create - LODGE_CREATE_MEMORY
 * @arg: struct lodge_create_memory in user space
 *
 * Return: a descriptor, or an error.
 */
long lodge_object_create(void __user *arg)
{
	struct lodge_create_memory create;
	struct file *file;
	u32 size;
	int fd, ret;

	ret = lodge_args_get(&create, sizeof(create),
			     offsetofend(typeof(create), bytes), arg, &size);
	if (ret)
		return ret;
	if (create.flags & ~LODGE_MEMORY_MERGEABLE ||
	    create.domain[LODGE_DOMAIN_NAME_MAX - 1])
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = lodge_object_file(create.bytes, create.flags, create.domain);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

static void object_once(void *p)
{
	inode_init_once(&((struct lodge_object *)p)->inode);
}

/** lodgefs_init - the file system is there */
int lodgefs_init(void)
{
	int ret;

	objects = kmem_cache_create("lodge_object", sizeof(struct lodge_object), 0,
				    SLAB_ACCOUNT | SLAB_RECLAIM_ACCOUNT, object_once);
	if (!objects)
		return -ENOMEM;
	ret = register_filesystem(&lodgefs);
	if (ret)
		kmem_cache_destroy(objects);
	return ret;
}

/** lodgefs_exit - it is no more; nothing of it is mounted */
void lodgefs_exit(void)
{
	unregister_filesystem(&lodgefs);
	/* Inodes are freed by RCU. */
	rcu_barrier();
	kmem_cache_destroy(objects);
}
