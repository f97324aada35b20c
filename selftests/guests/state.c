// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a VM's state complete? A stock kernel boots, is stopped again and again
 * at random, and each time goes on in a new VM of a new process: that is given
 * every GET as a SET, and what it then reads back must be what was set.
 *
 *	state KERNEL INITRD VCPUS STOPS [SEED]
 *
 * The new process is a fork: guest memory is private, so the child's is a
 * copy. The guest has the in-kernel interrupt controllers, ACPI tables, and a
 * serial port that only ever sends; its init ends with DONE on the console.
 *
 * What two pairs tell is set twice, and read back from both.
 */
#define _GNU_SOURCE
#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEM_SIZE	(192ul << 20)
#define INITRD_ADDR	(128ul << 20)
#define KERNEL_ADDR	(16ul << 20)
#define ZERO_PAGE	0x7000
#define PAGE_TABLES	0x9000
#define CMDLINE		0x20000
#define ACPI_TABLES	0xe0000
#define IOAPIC_ADDR	0xfec00000
#define LAPIC_ADDR	0xfee00000
#define MAX_VCPUS	4
#define MAX_MSRS	512
#define MAX_CPUID	256
#define DONE		"lodge-state: done"

/* What a vCPU and a VM are, as the ABI tells it. */
struct msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry entry[MAX_MSRS];
};

struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_sregs2 sregs2;
	struct kvm_fpu fpu;
	struct kvm_xsave xsave, xsave2;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_lapic_state lapic;
	struct msrs msrs;
	long tsc_khz;
	uint64_t tsc_offset;
};

struct vm_state {
	struct kvm_irqchip chip[3];
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
	struct vcpu_state vcpu[MAX_VCPUS];
};

struct vcpu {
	int fd;
	struct kvm_run *run;
	pthread_t thread;
};

static int node, vm, nr_vcpus, run_size;
static uint8_t *mem;
static struct vcpu vcpus[MAX_VCPUS];
static struct vm_state now, back;
static struct msrs msr_list;
static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[MAX_CPUID];
} cpuid;
static volatile bool stopping, done;
static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;
static char line[1024];
static unsigned int line_len;

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *fmt, ...)
{
	int error = errno;
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "state: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, " (%s)\n", strerror(error));
	_exit(1);
}

static int call(int fd, unsigned long request, void *arg, const char *name)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		die("%s", name);
	return ret;
}

#define CALL(fd, request, arg) call(fd, request, (void *)(arg), #request)

/* ---- the machine around the vCPUs ---- */

static void serial_out(char c)
{
	pthread_mutex_lock(&out_lock);
	if (line_len < sizeof(line) - 1)
		line[line_len++] = c;
	if (c == '\n') {
		line[line_len] = 0;
		line_len = 0;
		fputs(line, stderr);
		if (strstr(line, DONE))
			done = true;
	}
	pthread_mutex_unlock(&out_lock);
}

static void port_io(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t i;

	if (run->io.direction == KVM_EXIT_IO_IN) {
		/*
		 * The serial line is always ready, the CMOS clock is never
		 * busy, and nothing else is there.
		 */
		memset(data, run->io.port == 0x3fd ? 0x60 :
		       run->io.port == 0x71 ? 0 : 0xff,
		       (size_t)run->io.size * run->io.count);
		return;
	}
	if (run->io.port == 0x3f8)
		for (i = 0; i < run->io.count; i++)
			serial_out(data[i]);
}

static void *vcpu_main(void *arg)
{
	struct kvm_run *run = ((struct vcpu *)arg)->run;
	int fd = ((struct vcpu *)arg)->fd;

	for (;;) {
		int ret = ioctl(fd, KVM_RUN, 0);

		/* This is also how an exit is completed before a stop. */
		if (ret && (errno == EINTR || errno == EAGAIN)) {
			if (stopping)
				return NULL;
			continue;
		}
		if (ret)
			die("KVM_RUN");
		switch (run->exit_reason) {
		case KVM_EXIT_IO:
			port_io(run);
			break;
		case KVM_EXIT_MMIO:
			if (!run->mmio.is_write)
				memset(run->mmio.data, 0xff, 8);
			break;
		case KVM_EXIT_INTR:
			break;
		default:
			errno = 0;
			die("exit %u", run->exit_reason);
		}
		if (stopping)
			run->immediate_exit = 1;
	}
}

static void nothing(int sig)
{
	(void)sig;
}

static void vcpus_start(void)
{
	int i;

	stopping = false;
	for (i = 0; i < nr_vcpus; i++) {
		vcpus[i].run->immediate_exit = 0;
		if (pthread_create(&vcpus[i].thread, NULL, vcpu_main,
				   &vcpus[i]))
			die("pthread_create");
	}
}

static void vcpus_stop(void)
{
	int i;

	stopping = true;
	for (i = 0; i < nr_vcpus; i++) {
		vcpus[i].run->immediate_exit = 1;
		pthread_kill(vcpus[i].thread, SIGUSR1);
	}
	for (i = 0; i < nr_vcpus; i++)
		pthread_join(vcpus[i].thread, NULL);
}

/* An APIC ID is a vCPU's number; the rest is as the node says. */
static void set_cpuid(int i)
{
	uint32_t n;

	for (n = 0; n < cpuid.head.nent; n++) {
		struct kvm_cpuid_entry2 *e = &cpuid.entry[n];

		if (e->function == 1)
			e->ebx = (e->ebx & 0xffff) | (i << 24) |
				 (nr_vcpus << 16);
		if (e->function == 0xb || e->function == 0x1f)
			e->edx = i;
		if (e->function == 0x8000001e)
			e->eax = i;
	}
	CALL(vcpus[i].fd, KVM_SET_CPUID2, &cpuid);
}

static void vm_create(void)
{
	struct kvm_userspace_memory_region slot = {
		.memory_size = MEM_SIZE, .userspace_addr = (uintptr_t)mem,
	};
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity = 0xfffbc000;
	const char *name = getenv("LODGE_NODE");
	int i;

	node = open(name && *name ? name : "/dev/lodge", O_RDWR);
	if (node < 0)
		die("node");
	vm = CALL(node, KVM_CREATE_VM, 0);
	run_size = CALL(node, KVM_GET_VCPU_MMAP_SIZE, 0);
	CALL(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	CALL(vm, KVM_SET_TSS_ADDR, 0xfffbd000);
	CALL(vm, KVM_CREATE_IRQCHIP, 0);
	CALL(vm, KVM_CREATE_PIT2, &pit);
	CALL(vm, KVM_SET_USER_MEMORY_REGION, &slot);
	if (CALL(vm, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2) >
	    (int)sizeof(struct kvm_xsave))
		die("the XSAVE area is of more than 4K");
	cpuid.head.nent = MAX_CPUID;
	CALL(node, KVM_GET_SUPPORTED_CPUID, &cpuid);
	for (i = 0; i < nr_vcpus; i++) {
		vcpus[i].fd = CALL(vm, KVM_CREATE_VCPU, (long)i);
		vcpus[i].run = mmap(NULL, run_size, PROT_READ | PROT_WRITE,
				    MAP_SHARED, vcpus[i].fd, 0);
		if (vcpus[i].run == MAP_FAILED)
			die("mmap of a vCPU");
		set_cpuid(i);
	}
}

static void vm_close(void)
{
	int i;

	for (i = 0; i < nr_vcpus; i++) {
		munmap(vcpus[i].run, run_size);
		close(vcpus[i].fd);
	}
	close(vm);
	close(node);
}

/* ---- getting, setting, comparing ---- */

/* Those of the index list that can be read at all. */
static void choose_msrs(void)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[MAX_MSRS];
	} list = { .head.nmsrs = MAX_MSRS };
	uint32_t i;

	CALL(node, KVM_GET_MSR_INDEX_LIST, &list);
	for (i = 0; i < list.head.nmsrs; i++) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entry;
		} one = { .head.nmsrs = 1, .entry.index = list.index[i] };

		if (ioctl(vcpus[0].fd, KVM_GET_MSRS, &one) == 1)
			msr_list.entry[msr_list.head.nmsrs++].index =
				list.index[i];
	}
}

static void tsc_offset(int i, unsigned long request, uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	CALL(vcpus[i].fd, request, &attr);
}

static void state_get(struct vm_state *s)
{
	int i;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < nr_vcpus; i++) {
		struct vcpu_state *v = &s->vcpu[i];
		int fd = vcpus[i].fd;

		/* First, because KVM accepts a pending INIT or SIPI here. */
		CALL(fd, KVM_GET_MP_STATE, &v->mp_state);
		CALL(fd, KVM_GET_REGS, &v->regs);
		CALL(fd, KVM_GET_SREGS, &v->sregs);
		CALL(fd, KVM_GET_SREGS2, &v->sregs2);
		CALL(fd, KVM_GET_FPU, &v->fpu);
		CALL(fd, KVM_GET_XSAVE, &v->xsave);
		CALL(fd, KVM_GET_XSAVE2, &v->xsave2);
		CALL(fd, KVM_GET_XCRS, &v->xcrs);
		CALL(fd, KVM_GET_DEBUGREGS, &v->debugregs);
		CALL(fd, KVM_GET_VCPU_EVENTS, &v->events);
		CALL(fd, KVM_GET_LAPIC, &v->lapic);
		v->msrs = msr_list;
		if (CALL(fd, KVM_GET_MSRS, &v->msrs) !=
		    (int)msr_list.head.nmsrs)
			die("KVM_GET_MSRS is short");
		v->tsc_khz = CALL(fd, KVM_GET_TSC_KHZ, 0);
		tsc_offset(i, KVM_GET_DEVICE_ATTR, &v->tsc_offset);
	}
	for (i = 0; i < 3; i++) {
		s->chip[i].chip_id = i;
		CALL(vm, KVM_GET_IRQCHIP, &s->chip[i]);
	}
	CALL(vm, KVM_GET_PIT2, &s->pit);
	CALL(vm, KVM_GET_CLOCK, &s->clock);
}

static void state_set(struct vm_state *s)
{
	struct kvm_clock_data clock = { .clock = s->clock.clock };
	int i, n;

	for (i = 0; i < 3; i++)
		CALL(vm, KVM_SET_IRQCHIP, &s->chip[i]);
	CALL(vm, KVM_SET_CLOCK, &clock);
	for (i = 0; i < nr_vcpus; i++) {
		struct vcpu_state *v = &s->vcpu[i];
		int fd = vcpus[i].fd;

		CALL(fd, KVM_SET_TSC_KHZ, v->tsc_khz);
		CALL(fd, KVM_SET_XCRS, &v->xcrs);
		CALL(fd, KVM_SET_XSAVE, &v->xsave);
		CALL(fd, KVM_SET_XSAVE, &v->xsave2);
		CALL(fd, KVM_SET_FPU, &v->fpu);
		CALL(fd, KVM_SET_SREGS, &v->sregs);
		CALL(fd, KVM_SET_SREGS2, &v->sregs2);
		CALL(fd, KVM_SET_REGS, &v->regs);
		n = CALL(fd, KVM_SET_MSRS, &v->msrs);
		if (n != (int)v->msrs.head.nmsrs)
			die("MSR %#x can't be set to %#llx",
			    v->msrs.entry[n].index, v->msrs.entry[n].data);
		/* Behind the TSC itself, which went on meanwhile. */
		tsc_offset(i, KVM_SET_DEVICE_ATTR, &v->tsc_offset);
		CALL(fd, KVM_SET_LAPIC, &v->lapic);
		CALL(fd, KVM_SET_DEBUGREGS, &v->debugregs);
		CALL(fd, KVM_SET_VCPU_EVENTS, &v->events);
		CALL(fd, KVM_SET_MP_STATE, &v->mp_state);
	}
}

static bool same(const void *a, const void *b, size_t size, const char *name,
		 int i)
{
	const uint8_t *x = a, *y = b;
	size_t at;

	for (at = 0; at < size; at++) {
		if (x[at] != y[at]) {
			fprintf(stderr,
				"state: %s of %d, byte %zu: set %02x, read %02x\n",
				name, i, at, x[at], y[at]);
			return false;
		}
	}
	return true;
}

#define SAME(field) same(&now.field, &back.field, sizeof(now.field), #field, i)

/*
 * A clock may go on between two looks, by less than ten minutes of it; and
 * when TSCs are synchronized, be a little behind what it was set to.
 */
static bool later(uint64_t before, uint64_t after, const char *name)
{
	if (after - before + 1000000000 < 600ull * 4000000000)
		return true;
	fprintf(stderr, "state: %s: set %llu, read %llu\n", name,
		(unsigned long long)before, (unsigned long long)after);
	return false;
}

static bool msrs_same(int i)
{
	uint64_t tsc = 0;
	bool ok = true;
	uint32_t n;

	for (n = 0; n < msr_list.head.nmsrs; n++) {
		struct kvm_msr_entry *a = &now.vcpu[i].msrs.entry[n];
		struct kvm_msr_entry *b = &back.vcpu[i].msrs.entry[n];

		/* The TSC; Hyper-V's run time and reference counter. */
		if (a->index == 0x10 || a->index == 0x40000010 ||
		    a->index == 0x40000020) {
			if (a->index == 0x10)
				tsc = b->data;
			ok &= later(a->data, b->data, "a clock's MSR");
		} else if (a->index == 0x6e0 && !b->data &&
			   a->data <= tsc + 10000000) {
			/* The deadline came while the state was read. */
		} else if (a->data != b->data) {
			fprintf(stderr,
				"state: MSR %#x of %d: set %#llx, read %#llx\n",
				a->index, i, a->data, b->data);
			ok = false;
		}
	}
	return ok;
}

/*
 * The local APIC's timer runs from KVM_SET_LAPIC on: its interrupt may have
 * become pending before it was read. Its current count runs, too.
 */
static void lapic_timer_aside(int i)
{
	uint8_t *set = (uint8_t *)now.vcpu[i].lapic.regs;
	uint8_t *read = (uint8_t *)back.vcpu[i].lapic.regs;
	uint32_t lvtt, at, bit;

	memset(set + 0x390, 0, 4);
	memset(read + 0x390, 0, 4);
	memcpy(&lvtt, set + 0x320, 4);
	if (lvtt & (1 << 16))
		return;
	at = 0x200 + (lvtt & 0xff) / 32 * 0x10 + (lvtt & 0x1f) / 8;
	bit = 1 << (lvtt & 7);
	if (!(set[at] & bit))
		read[at] &= ~bit;
}

static void state_compare(void)
{
	bool ok = later(now.clock.clock, back.clock.clock, "clock");
	int i;

	for (i = 0; i < 3; i++) {
		ok &= SAME(chip[i]);
		/* When a count began is told in the host's time. */
		now.pit.channels[i].count_load_time = 0;
		back.pit.channels[i].count_load_time = 0;
	}
	ok &= SAME(pit);
	for (i = 0; i < nr_vcpus; i++) {
		ok &= SAME(vcpu[i].regs);
		ok &= SAME(vcpu[i].sregs);
		ok &= SAME(vcpu[i].sregs2);
		ok &= SAME(vcpu[i].fpu);
		ok &= SAME(vcpu[i].xsave);
		ok &= SAME(vcpu[i].xsave2);
		ok &= SAME(vcpu[i].xcrs);
		ok &= SAME(vcpu[i].debugregs);
		ok &= SAME(vcpu[i].events);
		ok &= SAME(vcpu[i].mp_state);
		ok &= SAME(vcpu[i].tsc_khz);
		ok &= SAME(vcpu[i].tsc_offset);
		ok &= msrs_same(i);
		lapic_timer_aside(i);
		ok &= SAME(vcpu[i].lapic);
	}
	errno = 0;
	if (!ok)
		die("what was read back is not what was set");
}

/* ---- the guest's boot ---- */

static uint8_t *load(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	uint8_t *data;

	if (fd < 0 || fstat(fd, &st))
		die("%s", path);
	data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		die("%s", path);
	close(fd);
	*size = st.st_size;
	return data;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
	uint8_t s = 0;

	while (n--)
		s += *p++;
	return -s;
}

/* ---- ACPI tables, of which the kernel wants to know CPUs and I/O APIC ---- */

static uint8_t *table_begin(uint32_t *at, const char *name)
{
	uint8_t *t = mem + *at;

	memcpy(t, name, 4);
	t[8] = 1;
	memcpy(t + 10, "LODGE STATE   ", 14);
	return t;
}

/* Returns where it is; *at is then behind it. */
static uint64_t table_end(uint32_t *at, uint8_t *t, uint32_t size)
{
	uint64_t here = *at;

	memcpy(t + 4, &size, 4);
	t[9] = sum(t, size);
	*at += (size + 63) & ~63u;
	return here;
}

static void acpi_tables(void)
{
	uint32_t at = ACPI_TABLES + 64, lapic = LAPIC_ADDR, io = IOAPIC_ADDR;
	uint64_t dsdt, list[2], xsdt;
	uint8_t *t, *p;
	int i;

	dsdt = table_end(&at, table_begin(&at, "DSDT"), 36);

	t = table_begin(&at, "FACP");
	memcpy(t + 40, &dsdt, 4);
	t[46] = 9;		/* SCI */
	t[57] = 0x06;		/* PM1a events: port 0x600, 4 bytes */
	t[65] = 0x06;		/* PM1a control: port 0x604, 2 bytes */
	t[64] = 0x04;
	t[88] = 4;
	t[89] = 2;
	list[0] = table_end(&at, t, 244);

	t = table_begin(&at, "APIC");
	memcpy(t + 36, &lapic, 4);
	t[40] = 1;		/* there are two PICs, too */
	p = t + 44;
	for (i = 0; i < nr_vcpus; i++, p += 8)
		memcpy(p, (uint8_t[]){ 0, 8, i, i, 1 }, 5);
	memcpy(p, (uint8_t[]){ 1, 12, nr_vcpus }, 3);
	memcpy(p + 4, &io, 4);
	list[1] = table_end(&at, t, p + 12 - t);

	t = table_begin(&at, "XSDT");
	memcpy(t + 36, list, sizeof(list));
	xsdt = table_end(&at, t, 36 + sizeof(list));

	p = mem + ACPI_TABLES;
	memcpy(p, "RSD PTR ", 8);
	memcpy(p + 9, "LODGE ", 6);
	p[15] = 2;
	p[20] = 36;
	memcpy(p + 24, &xsdt, 8);
	p[8] = sum(p, 20);
	p[32] = sum(p, 36);
}

/* Documentation/x86/boot.rst of the kernel: the 64-bit boot protocol. */
static void load_guest(const char *kernel, const char *initrd)
{
	struct boot_params *zero = (void *)(mem + ZERO_PAGE);
	uint64_t *tables = (void *)(mem + PAGE_TABLES);
	struct setup_header *header;
	size_t size, setup;
	uint8_t *image;
	int i;

	image = load(kernel, &size);
	header = (void *)(image + 0x1f1);
	setup = (header->setup_sects ? header->setup_sects + 1 : 5) * 512;
	memcpy(mem + KERNEL_ADDR, image + setup, size - setup);
	zero->hdr = *header;
	munmap(image, size);

	image = load(initrd, &size);
	if (size > MEM_SIZE - INITRD_ADDR)
		die("%s is too big", initrd);
	memcpy(mem + INITRD_ADDR, image, size);
	munmap(image, size);
	zero->hdr.ramdisk_image = INITRD_ADDR;
	zero->hdr.ramdisk_size = size;
	zero->hdr.type_of_loader = 0xff;
	zero->hdr.cmd_line_ptr = CMDLINE;
	zero->e820_entries = 2;
	zero->e820_table[0] = (struct boot_e820_entry){ 0, 0x9fc00, 1 };
	zero->e820_table[1] = (struct boot_e820_entry){
		0x100000, MEM_SIZE - 0x100000, 1 };
	strcpy((char *)mem + CMDLINE,
	       "earlyprintk=serial,ttyS0,115200,keep panic=-1 "
	       "pci=off loglevel=5 nokaslr tsc=reliable i8042.noaux=1 "
	       "i8042.nokbd=1 8250.nr_uarts=0");
	/* The first gigabyte, as it lies, in pages of 2M. */
	tables[0] = PAGE_TABLES + 0x1003;
	tables[512] = PAGE_TABLES + 0x2003;
	for (i = 0; i < 512; i++)
		tables[1024 + i] = ((uint64_t)i << 21) | 0x83;
	acpi_tables();
}

static void first_state(void)
{
	struct kvm_segment code = {
		.selector = 0x10, .limit = ~0u, .type = 11, .present = 1,
		.s = 1, .l = 1, .g = 1,
	}, data = {
		.selector = 0x18, .limit = ~0u, .type = 3, .present = 1,
		.s = 1, .db = 1, .g = 1,
	};
	struct kvm_regs regs = {
		.rip = KERNEL_ADDR + 0x200, .rsi = ZERO_PAGE, .rflags = 2,
	};
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} tsc = { { .nmsrs = 1 }, { .index = 0x10, .data = 1ull << 40 } };
	struct kvm_sregs sregs;
	int i;

	/*
	 * KVM of 6.1 takes a TSC that is written within a second of the last
	 * one for the same: a new vCPU's 0, and what is set, are far apart.
	 */
	for (i = 0; i < nr_vcpus; i++)
		CALL(vcpus[i].fd, KVM_SET_MSRS, &tsc);
	CALL(vcpus[0].fd, KVM_GET_SREGS, &sregs);
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = data;
	sregs.cr3 = PAGE_TABLES;
	sregs.cr4 = 1 << 5;
	sregs.efer = 0x500;
	sregs.cr0 = 0x80000011;
	CALL(vcpus[0].fd, KVM_SET_SREGS, &sregs);
	CALL(vcpus[0].fd, KVM_SET_REGS, &regs);
}

/* Run on for up to 64 ms; false when the guest is done. */
static bool run_a_while(void)
{
	struct timespec a = { .tv_nsec = (random() & 0xffff) * 1000 };

	vcpus_start();
	nanosleep(&a, NULL);
	vcpus_stop();
	return !done;
}

/*
 * Into a new process with a new VM. What is left of this one waits for the
 * other and ends as it ends.
 */
static void move(void)
{
	int status;
	pid_t child;

	state_get(&now);
	vm_close();
	fflush(stderr);
	child = fork();
	if (child < 0)
		die("fork");
	if (child) {
		munmap(mem, MEM_SIZE);
		if (waitpid(child, &status, 0) < 0)
			die("waitpid");
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	vm_create();
	state_set(&now);
	state_get(&back);
	/*
	 * Last: from here on it ticks, within milliseconds into the local APIC
	 * that was just read.
	 */
	CALL(vm, KVM_SET_PIT2, &now.pit);
	CALL(vm, KVM_GET_PIT2, &back.pit);
	state_compare();
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = nothing };
	int stops, i;

	if (argc < 5) {
		fprintf(stderr,
			"usage: state KERNEL INITRD VCPUS STOPS [SEED]\n");
		return 2;
	}
	nr_vcpus = atoi(argv[3]);
	stops = atoi(argv[4]);
	if (nr_vcpus < 1 || nr_vcpus > MAX_VCPUS)
		die("VCPUS");
	srandom(argc > 5 ? atoi(argv[5]) : 1);
	sigaction(SIGUSR1, &action, NULL);
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		die("memory");
	load_guest(argv[1], argv[2]);
	vm_create();
	choose_msrs();
	first_state();
	/* The guest's init waits for none of them: it must outlast the stops. */
	for (i = 0; run_a_while(); i++)
		if (i < stops)
			move();
	printf("%d stops\n", i < stops ? i : stops);
	errno = 0;
	if (i < stops)
		die("the guest was done after %d stops", i);
	return 0;
}
