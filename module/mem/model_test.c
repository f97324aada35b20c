// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model check of lodge memory: threads do what guests, launchers, devices,
 * merging and reclaim do, in random order, to pages of two objects that are mapped twice
 * each, are the memory of a VM, and are forked now and then. Each thread has a word of its
 * own in each page, and knows what it must be. There are few values, so that pages are often
 * alike.
 *
 * The guest is one that has no TLB: a leaf of the nested tables is used under npt.lock,
 * which whoever takes it out takes for writing.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/mman.h>
#include <linux/moduleparam.h>
#include <linux/shmem_fs.h>

#include "mem/fake.h"
#include "mem/swap.h"

static unsigned int model_ops = 10000;
module_param(model_ops, uint, 0444);
MODULE_PARM_DESC(model_ops, "operations of the model check, by all threads");

/* So many in one test: KUnit gives each 300 s. */
#define PART		25000
#define OBJECTS		2
#define PAGES		24	/* that are used; the rest of a block stays as it comes */
#define SIZE		PMD_SIZE
#define THREADS		3	/* the last one has no vCPU */
#define BASE_GFN(o)	(0x400ull + (o) * LODGE_BLOCK_PAGES)

struct model {
	struct world *w;
	struct file *file[OBJECTS];
	struct lodge_object *o[OBJECTS];
	unsigned long hva[OBJECTS][2];
	/* How many use the page; -1: it is being punched out. */
	atomic_t users[OBJECTS][PAGES];
	u64 ref[THREADS][OBJECTS][PAGES];
	atomic_t left;
	struct lodge_domain *d;
	atomic_long_t done[16], wiped, huge, forked, remapped;
};

struct actor {
	struct model *m;
	int nr;
	struct task_struct *task;
	struct completion over;
	struct page *held;	/* a reference, as a device's; of this page: */
	int held_o, held_page;
	unsigned long wrong;
	char what[64];
};

static struct mm_struct *test_mm;
static int users_before;

static void wrong(struct actor *a, const char *way, int o, int page, u64 got)
{
	if (!a->wrong++)
		scnprintf(a->what, sizeof(a->what), "%s %d.%d: %llu, not %llu", way, o,
			  page, got, a->m->ref[a->nr][o][page]);
}

static size_t at(struct actor *a, int page)
{
	return page * PAGE_SIZE + a->nr * 8;
}

static void expect(struct actor *a, const char *way, int o, int page, int ret, u64 got)
{
	if (ret || got != a->m->ref[a->nr][o][page])
		wrong(a, way, o, page, ret ? ret : got);
}

static void launcher(struct actor *a, int o, int page, bool write, int view, u64 value)
{
	u64 __user *p = (u64 __user *)(a->m->hva[o][view] + at(a, page));
	int ret;

	if (write)
		a->m->ref[a->nr][o][page] = value;
	ret = write ? put_user(value, p) : get_user(value, p);
	expect(a, write ? "write by address" : "read by address", o, page, ret, value);
}

/* One try: -EAGAIN if the leaf went again before it was used. */
static int guest_try(struct model *m, struct lodge_vcpu *vcpu, gpa_t gpa, bool write,
		     u64 *value)
{
	struct world *w = m->w;
	const struct lodge_npt_format *fmt = &lodge_npt_formats[LODGE_NPT_AMD];
	u32 flags = write ? LODGE_NPF_WRITE : 0;
	int level, ret, idx = srcu_read_lock(&w->vm.srcu);
	u64 *leaf, entry;

	ret = lodge_npt_fault(vcpu, gpa, flags, true);
	if (ret == LODGE_NPF_RETRY_SLOW)
		ret = lodge_npt_fault(vcpu, gpa, flags, false);
	if (ret != LODGE_NPF_FIXED)
		goto out;
	ret = -EAGAIN;
	read_lock(&w->vm.npt.lock);
	leaf = world_entry(w, gpa >> PAGE_SHIFT, &level);
	entry = READ_ONCE(*leaf);
	if ((entry & ENTRY_PRESENT) && (!write || (entry & ENTRY_WRITE))) {
		u64 *p = __va(entry_pfn(entry) << PAGE_SHIFT) +
			 (gpa & ((level_pages(level) << PAGE_SHIFT) - 1));

		if (level == 2)
			atomic_long_inc(&m->huge);
		if (write) {
			WRITE_ONCE(*p, *value);
			set_bit(__ffs64(fmt->dirty), (unsigned long *)leaf);
		} else {
			*value = READ_ONCE(*p);
		}
		ret = 0;
	}
	read_unlock(&w->vm.npt.lock);
out:
	srcu_read_unlock(&w->vm.srcu, idx);
	return ret;
}

static int guest_access(struct actor *a, int o, int page, bool write, u64 *value)
{
	gpa_t gpa = (BASE_GFN(o) << PAGE_SHIFT) + at(a, page);
	int ret, tries = 0;

	do {
		ret = guest_try(a->m, &a->m->w->vcpu[a->nr], gpa, write, value);
		cond_resched();
	} while (ret == -EAGAIN && ++tries < 100000);
	return ret;
}

static void guest(struct actor *a, int o, int page, bool write, u64 value)
{
	int ret;

	if (a->nr >= NR_VCPUS) {
		launcher(a, o, page, write, 0, value);
		return;
	}
	if (write)
		a->m->ref[a->nr][o][page] = value;
	ret = guest_access(a, o, page, write, &value);
	expect(a, write ? "nested write" : "nested read", o, page, ret, value);
}

static void syscall(struct actor *a, int o, int page, bool write, u64 value)
{
	loff_t pos = at(a, page);
	ssize_t ret;

	if (write) {
		a->m->ref[a->nr][o][page] = value;
		ret = kernel_write(a->m->file[o], &value, 8, &pos);
	} else {
		ret = kernel_read(a->m->file[o], &value, 8, &pos);
	}
	expect(a, write ? "write()" : "read()", o, page, ret - 8, value);
}

static void merge(struct actor *a, int o, int page)
{
	struct lodge_layer *l = lodge_object_layer(a->m->o[o], get_random_u32() & 1);
	u64 merged = 0, skipped = 0;

	if (!l)
		return;
	lodge_ksm_now(l, page & ~7, 16, &merged, &skipped);
	lodge_layer_put(l);
}

/* As it goes by itself: what the guests keep writing is left alone. */
static void scan(struct actor *a, int o)
{
	lodge_ksm_work(&a->m->d->work.work);
}

static void reclaim(struct actor *a, int o, bool cold, bool swap)
{
	struct lodge_layer *l = lodge_object_layer(a->m->o[o], get_random_u32() & 1);
	struct lodge_reclaim r = {
		.only = l, .cold = cold, .swap = swap, .want = PAGES / 4,
	};

	if (!l)
		return;
	r.pool = l->pool;
	lodge_reclaim(&r);
	lodge_layer_put(l);
}

/* From one of its users to the only one, until atomic_set(..., 1); or still one of them. */
static bool alone(struct model *m, int o, int page)
{
	atomic_dec(&m->users[o][page]);
	if (!atomic_cmpxchg(&m->users[o][page], 0, -1))
		return true;
	while (!atomic_inc_unless_negative(&m->users[o][page]))
		cond_resched();
	return false;
}

/* The page is gone, and with it what all have written. Its users are counted by us. */
static void punch(struct actor *a, int o, int page, bool discard)
{
	struct model *m = a->m;
	int i;

	if (!alone(m, o, page))
		return;
	for (i = 0; i < THREADS; i++)
		m->ref[i][o][page] = 0;
	if (discard) {
		inode_lock(&m->o[o]->inode);
		lodge_object_discard(m->o[o], page, page);
		inode_unlock(&m->o[o]->inode);
	} else if (vfs_fallocate(m->file[o], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 page * PAGE_SIZE, PAGE_SIZE))
		wrong(a, "punch", o, page, 0);
	atomic_set(&m->users[o][page], 1);
}

/* The same for all of the object. */
static void wipe(struct actor *a, int o, int page)
{
	struct model *m = a->m;
	int i, n = 0;

	atomic_dec(&m->users[o][page]);
	while (n < PAGES && !atomic_cmpxchg(&m->users[o][n], 0, -1))
		n++;
	if (n == PAGES) {
		for (i = 0; i < THREADS; i++)
			memset(m->ref[i][o], 0, sizeof(m->ref[i][o]));
		if (vfs_fallocate(m->file[o], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  0, SIZE))
			wrong(a, "wipe", o, page, 0);
		atomic_long_inc(&m->wiped);
	}
	while (n--)
		atomic_set(&m->users[o][n], 0);
	while (!atomic_inc_unless_negative(&m->users[o][page]))
		cond_resched();
}

/* What a device wrote is there, whatever happened since it got hold of the page. */
static void let_go(struct actor *a)
{
	int o = a->held_o, page = a->held_page;
	u64 value = get_random_u32() & 1;

	if (!a->held)
		return;
	a->m->ref[a->nr][o][page] = value;
	*(u64 *)(page_address(a->held) + a->nr * 8) = value;
	set_page_dirty_lock(a->held);
	put_page(a->held);
	a->held = NULL;
	atomic_dec(&a->m->users[o][page]);
}

static void hold(struct actor *a, int o, int page)
{
	let_go(a);
	if (get_user_pages_fast(a->m->hva[o][0] + page * PAGE_SIZE, 1, FOLL_WRITE,
				&a->held) != 1) {
		a->held = NULL;
		wrong(a, "hold", o, page, 0);
		return;
	}
	atomic_inc(&a->m->users[o][page]);
	a->held_o = o;
	a->held_page = page;
}

/* May it be merged, or not; what was merged stays. */
static void opt(struct actor *a, int o, bool in)
{
	struct lodge_object *object = a->m->o[o];

	inode_lock(&object->inode);
	if (in)
		lodge_domain_add(object->top);
	else
		lodge_domain_remove(object->top);
	inode_unlock(&object->inode);
	if (!in && lodge_object_unmerge(object))
		wrong(a, "unmerge", o, 0, 0);
	inode_lock(&object->inode);
	lodge_domain_add(object->top);
	inode_unlock(&object->inode);
}

static void unview(struct actor *a, int o, int page, int n)
{
	struct lodge_object *object = a->m->o[o];

	down_read(&object->chain);
	lodge_object_unview(object, page, n);
	up_read(&object->chain);
}

/* What the child has of ours: what we wrote, and then something else. */
static void child_check(struct actor *a, int o, struct file *file, const bool *mine)
{
	u64 value, other;
	loff_t pos;
	int page;

	for (page = 0; page < PAGES; page++) {
		pos = at(a, page);
		if (kernel_read(file, &value, 8, &pos) != 8)
			wrong(a, "read of a fork", o, page, 0);
		else if (mine[page])
			expect(a, "fork", o, page, 0, value);
		other = 1000 + page;
		pos = at(a, page);
		if (get_random_u32() & 1)
			continue;
		if (kernel_write(file, &other, 8, &pos) != 8)
			wrong(a, "write to a fork", o, page, 0);
		pos = at(a, page);
		if (kernel_read(file, &value, 8, &pos) != 8 || value != other)
			wrong(a, "what was written to a fork", o, page, value);
		if (mine[page])
			syscall(a, o, page, false, 0);
	}
}

static void fork_object(struct actor *a, int o)
{
	struct lodge_object *object = a->m->o[o];
	bool mine[PAGES];
	struct file *file;
	int page, ret;

	file = lodge_object_file(0, LODGE_MEMORY_MERGEABLE, "model");
	if (IS_ERR(file)) {
		wrong(a, "file", o, 0, 0);
		return;
	}
	/* Nobody punches these out. */
	for (page = 0; page < PAGES; page++)
		mine[page] = atomic_inc_unless_negative(&a->m->users[o][page]);
	inode_lock(&object->inode);
	ret = lodge_object_fork(object, lodge_object(file_inode(file)));
	inode_unlock(&object->inode);
	if (ret)
		wrong(a, "fork", o, 0, ret);
	else
		child_check(a, o, file, mine);
	for (page = 0; page < PAGES; page++)
		if (mine[page])
			atomic_dec(&a->m->users[o][page]);
	__fput_sync(file);
	atomic_long_inc(&a->m->forked);
}

/* What isn't mapped any more is out of reach, for the guest as well if its slot is there. */
static bool gone(struct actor *a, int o, int page, int view)
{
	u64 value, __user *p = (u64 __user *)(a->m->hva[o][view] + at(a, page));

	if (get_user(value, p) != -EFAULT)
		return false;
	return view || a->nr >= NR_VCPUS ||
	       guest_access(a, o, page, false, &value) == -EFAULT;
}

/*
 * A page of a mapping is unmapped and mapped again; what is in it stays. That page nobody
 * else uses meanwhile, but those beside it.
 */
static void remap(struct actor *a, int o, int page, int view)
{
	struct model *m = a->m;
	unsigned long hva = m->hva[o][view] + page * PAGE_SIZE;

	if (!alone(m, o, page))
		return;
	if (vm_munmap(hva, PAGE_SIZE) || !gone(a, o, page, view))
		wrong(a, "munmap", o, page, 0);
	/* What was left in a view would be found by nobody. */
	if (get_random_u32() & 1)
		merge(a, o, page);
	else
		reclaim(a, o, false, true);
	if (vm_mmap(m->file[o], hva, PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, page * PAGE_SIZE) != hva)
		wrong(a, "mmap", o, page, 0);
	atomic_long_inc(&m->remapped);
	atomic_set(&m->users[o][page], 1);
}

static void act(struct actor *a, u32 rnd)
{
	struct model *m = a->m;
	int o = rnd & 1, page = (rnd >> 1 & 0xff) % PAGES, op = rnd >> 9 & 15;
	bool view = rnd & BIT(13);
	u64 value = !(rnd >> 14 & 7);

	if (!atomic_inc_unless_negative(&m->users[o][page]))
		return;
	switch (op) {
	case 0 ... 1:
		launcher(a, o, page, true, view, value);
		break;
	case 2 ... 3:
		launcher(a, o, page, false, view, 0);
		break;
	case 4 ... 5:
		guest(a, o, page, true, value);
		break;
	case 6 ... 7:
		guest(a, o, page, false, 0);
		break;
	case 8:
		syscall(a, o, page, true, value);
		break;
	case 9:
		syscall(a, o, page, false, 0);
		break;
	case 10:
		if (view)
			merge(a, o, page);
		else
			scan(a, o);
		break;
	case 11:
		reclaim(a, o, view, rnd & BIT(17));
		break;
	case 12:
		if (rnd >> 17 & 7)
			punch(a, o, page, view);
		else
			wipe(a, o, page);
		break;
	case 13:
		hold(a, o, page);
		break;
	case 14:
		switch (rnd >> 19 & 7) {
		case 0:
			fork_object(a, o);
			break;
		case 1 ... 2:
			remap(a, o, page, view);
			break;
		default:
			unview(a, o, page, 1 + (rnd >> 17 & 3));
		}
		break;
	case 15:
		if (!(rnd >> 17 & 15))
			opt(a, o, rnd & BIT(21));
		else
			let_go(a);
		break;
	}
	atomic_dec(&m->users[o][page]);
	atomic_long_inc(&m->done[op]);
}

static int actor_fn(void *data)
{
	struct actor *a = data;

	kthread_use_mm(test_mm);
	while (atomic_dec_return(&a->m->left) >= 0 && !a->wrong) {
		act(a, get_random_u32());
		cond_resched();
	}
	let_go(a);
	kthread_unuse_mm(test_mm);
	complete(&a->over);
	return 0;
}

/* At rest all ways lead to the same contents, and what is counted is there. */
static void at_rest(struct kunit *test, struct model *m, struct actor *actor)
{
	long states[LODGE_PAGE_STATES] = { };
	struct lodge_layer *l;
	int o, page, i;

	for (i = 0; i < THREADS; i++)
		for (o = 0; o < OBJECTS; o++)
			for (page = 0; page < PAGES; page++) {
				launcher(&actor[i], o, page, false, page & 1, 0);
				guest(&actor[i], o, page, false, 0);
				syscall(&actor[i], o, page, false, 0);
			}
	/* The scan goes on by itself. */
	mutex_lock(&m->o[0]->top->domain->mutex);
	for (o = 0; o < OBJECTS; o++)
		for (l = m->o[o]->top; l; l = l->parent) {
			for (page = 0; page < LODGE_BLOCK_PAGES; page++)
				states[lodge_entry_state(xa_load(&l->entries, page))]++;
			for (i = LODGE_PAGE_PRIVATE; i < LODGE_PAGE_STATES; i++)
				states[i] -= atomic_long_read(&l->pages[i]);
		}
	mutex_unlock(&m->o[0]->top->domain->mutex);
	for (i = LODGE_PAGE_PRIVATE; i < LODGE_PAGE_STATES; i++)
		KUNIT_EXPECT_EQ(test, states[i], 0l);
}

static void model_new(struct kunit *test, struct model *m)
{
	int o, i;

	for (o = 0; o < OBJECTS; o++) {
		m->file[o] = lodge_object_file(SIZE, LODGE_MEMORY_MERGEABLE, "model");
		KUNIT_ASSERT_FALSE(test, IS_ERR(m->file[o]));
		m->o[o] = lodge_object(file_inode(m->file[o]));
		for (i = 0; i < 2; i++) {
			m->hva[o][i] = vm_mmap(m->file[o], 0, SIZE,
					       PROT_READ | PROT_WRITE, MAP_SHARED, 0);
			KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(m->hva[o][i]));
		}
		KUNIT_ASSERT_EQ(test, world_slot(m->w, o, 0, BASE_GFN(o) << PAGE_SHIFT,
						 SIZE, m->hva[o][0]), 0);
	}
}

static void model(struct kunit *test)
{
	struct actor actor[THREADS] = { };
	long compressed = 0, decompressed = 0, swapped_in = 0;
	struct lodge_domain *d;
	struct file *swap;
	struct model *m;
	unsigned int ops = min_t(unsigned int, PART,
				 model_ops - ((uintptr_t)test->param_value - 1) * PART);
	int o, i;

	m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m);
	m->w = test->priv;
	atomic_set(&m->left, ops);
	/* Less than there can be to swap. */
	swap = shmem_file_setup("lodge-swap", (OBJECTS * PAGES - 8) * PAGE_SIZE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR(swap));
	KUNIT_ASSERT_EQ(test, lodge_swap_start(swap), 0);
	model_new(test, m);
	d = m->d = lodge_domain_get(m->o[0]->inode.i_uid, "model");
	for (i = 0; i < THREADS; i++) {
		actor[i].m = m;
		actor[i].nr = i;
		init_completion(&actor[i].over);
		actor[i].task = kthread_run(actor_fn, &actor[i], "actor/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(actor[i].task));
	}
	for (i = 0; i < THREADS; i++)
		wait_for_completion(&actor[i].over);
	at_rest(test, m, actor);
	for (i = 0; i < THREADS; i++)
		KUNIT_EXPECT_EQ_MSG(test, actor[i].wrong, 0ul, "%s", actor[i].what);
	/* It was about something. */
	KUNIT_EXPECT_GT(test, atomic64_read(&d->counts[LODGE_KSM_MERGED]),
			(s64)ops / 100);
	KUNIT_EXPECT_GT(test, atomic64_read(&d->counts[LODGE_KSM_BROKEN]),
			(s64)ops / 200);
	KUNIT_EXPECT_GT(test, atomic64_read(&d->counts[LODGE_KSM_HELD]), 0);
	KUNIT_EXPECT_GT(test, atomic64_read(&d->counts[LODGE_KSM_WRITTEN]), 0);
	KUNIT_EXPECT_GT(test, atomic64_read(&d->counts[LODGE_KSM_STILL]), 0);
	for (o = 0; o < OBJECTS; o++) {
		struct lodge_memory_info info = { };

		lodge_object_info(m->o[o], &info);
		compressed += info.compressed;
		decompressed += info.decompressed;
		swapped_in += info.swapped_in;
	}
	KUNIT_EXPECT_GT(test, swapped_in, (long)ops / 200);
	if (lodge_pool_works(m->o[0]->top->pool))
		KUNIT_EXPECT_GT(test, decompressed, (long)ops / 200);
	/* That needs a moment in which nobody else is at it. */
	KUNIT_EXPECT_GT(test, atomic_long_read(&m->wiped), 0);
	KUNIT_EXPECT_GT(test, atomic_long_read(&m->forked), (long)ops / 1000);
	KUNIT_EXPECT_GT(test, atomic_long_read(&m->remapped), (long)ops / 1000);
	kunit_info(test, "%ld wiped, %ld forked, %ld remapped, %ld by 2M, %lld merged, %lld broken, %lld held, %lld busy, %lld written, %lld still, %ld compressed, %ld came back, %ld swapped in",
		   atomic_long_read(&m->wiped), atomic_long_read(&m->forked),
		   atomic_long_read(&m->remapped), atomic_long_read(&m->huge),
		   atomic64_read(&d->counts[LODGE_KSM_MERGED]),
		   atomic64_read(&d->counts[LODGE_KSM_BROKEN]),
		   atomic64_read(&d->counts[LODGE_KSM_HELD]),
		   atomic64_read(&d->counts[LODGE_KSM_BUSY]),
		   atomic64_read(&d->counts[LODGE_KSM_WRITTEN]),
		   atomic64_read(&d->counts[LODGE_KSM_STILL]), compressed, decompressed,
		   swapped_in);

	for (o = 0; o < OBJECTS; o++) {
		for (i = 0; i < 2; i++)
			vm_munmap(m->hva[o][i], SIZE);
		__fput_sync(m->file[o]);
	}
	/* Another may have been at it. */
	for (i = 0; i < 500 && READ_ONCE(d->users) > 1; i++)
		msleep(20);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&d->stables), 0l);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&d->sharers), 0l);
	KUNIT_EXPECT_EQ(test, d->index.nr, 0ul);
	lodge_domain_put(d);
	KUNIT_EXPECT_EQ(test, lodge_swap_stop(), 0);
	fput(swap);
}

/* The parts are numbered from 1. */
static const void *next_part(const void *prev, char *desc)
{
	uintptr_t n = (uintptr_t)prev + 1;

	if ((n - 1) * PART >= model_ops)
		return NULL;
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "part %lu", n);
	return (const void *)n;
}

/* Suites run before the kernel parses what the module was loaded with. */
static void parse_ops(void)
{
	const char *at = strstr(THIS_MODULE->args, "model_ops=");

	if (at && sscanf(at, "model_ops=%u", &model_ops) != 1)
		pr_warn("model_ops isn't a number\n");
}

/* Cases run in threads of their own, but the suite begins in the process. */
static int model_suite_init(struct kunit_suite *suite)
{
	parse_ops();
	test_mm = current->mm;
	if (!test_mm)
		return -EINVAL;
	mmgrab(test_mm);
	users_before = module_refcount(THIS_MODULE);
	return objects_up();
}

static void model_suite_exit(struct kunit_suite *suite)
{
	if (!test_mm)
		return;
	objects_down(users_before);
	mmdrop(test_mm);
}

static int model_init(struct kunit *test)
{
	kthread_use_mm(test_mm);
	world_new(test, test_mm, LODGE_NPT_AMD);
	return 0;
}

static void model_exit(struct kunit *test)
{
	world_free(test);
	kthread_unuse_mm(test_mm);
}

static struct kunit_case model_cases[] = {
	KUNIT_CASE_PARAM(model, next_part),
	{}
};

static struct kunit_suite model_suite = {
	.name = "lodge-model",
	.suite_init = model_suite_init,
	.suite_exit = model_suite_exit,
	.init = model_init,
	.exit = model_exit,
	.test_cases = model_cases,
};

kunit_test_suite(model_suite);
