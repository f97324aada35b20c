// SPDX-License-Identifier: GPL-2.0-only
/* Virtual machines, vCPUs in each mode of the processor, the payload protocol. */
#include "ltest.h"
#include "protocol.h"

const char *const mode_name[] = { "real", "prot32", "paged32", "pae", "long64" };

void *mem_new(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	MUST(p != MAP_FAILED, "%zu bytes", size);
	return p;
}

/* A VM without memory. */
int vm_enable(struct vm *vm, int cap, uint64_t arg)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { arg } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &c);
}

struct vm *vm_bare(void)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	vm->sys = node_open();
	vm->fd = OK(ioctl(vm->sys, KVM_CREATE_VM, 0));
	return vm;
}

int vm_slot_try(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
		uint64_t size, void *hva)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

void vm_slot(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
	     uint64_t size, void *hva)
{
	OK(vm_slot_try(vm, slot, flags, gpa, size, hva));
}

static void put64(struct vm *vm, uint64_t gpa, uint64_t val)
{
	memcpy(vm->mem + gpa, &val, 8);
}

/* GDT, IDT and identity-mapping page tables for every mode. */
static void vm_tables(struct vm *vm)
{
	static const uint64_t gdt[] = {
		[SEL_CODE64 / 8] = 0x00af9b000000ffff,
		[SEL_DATA / 8] = 0x00cf93000000ffff,
		[SEL_CODE32 / 8] = 0x00cf9b000000ffff,
		[SEL_CODE16 / 8] = 0x00009b000000ffff | G_CODE << 16,
		[SEL_DATA16 / 8] = 0x000093000000ffff,
		[SEL_UDATA / 8] = 0x00cff3000000ffff,
		[SEL_UCODE64 / 8] = 0x00affb000000ffff,
		[SEL_TSS / 8] = 0x00008b0000000067 | G_TSS << 16,
		[SEL_TSS / 8 + 1] = 0,
	};
	uint32_t pde;
	int i;

	memcpy(vm->mem + G_GDT, gdt, sizeof(gdt));
	put64(vm, G_TSS + 4, G_STACKS - 0x800);		/* RSP0 */
	put64(vm, G_TSS + 0x60, 0x68ULL << 48);		/* no I/O bitmap */
	put64(vm, G_PML4, G_PDPT | 7);
	for (i = 0; i < 4; i++) {
		put64(vm, G_PDPT + i * 8, (G_PD + i * PAGE) | 7);
		put64(vm, G_PDPT_PAE + i * 8, (G_PD + i * PAGE) | 1);
	}
	for (i = 0; i < 2048; i++)
		put64(vm, G_PD + i * 8, i * 2 * MiB | 0x87);
	for (i = 0; i < 1024; i++) {
		pde = (uint32_t)i << 22 | 0x87;
		memcpy(vm->mem + G_PD32 + i * 4, &pde, 4);
	}
}

void vm_load(struct vm *vm, const struct payload *p)
{
	int i;

	MUST(p->size <= G_PML4 - G_CODE, "payload of %zu bytes", p->size);
	memcpy(vm->mem + G_CODE, p->image, p->size);
	vm->stubs = p->stubs;
	for (i = 0; p->stubs && i < 256; i++) {
		uint64_t at = p->stubs + i * 16;

		put64(vm, G_IDT + i * 16, (at & 0xffff) | SEL_CODE64 << 16 |
		      0x8e00ULL << 32 | (at >> 16 & 0xffff) << 48);
		put64(vm, G_IDT + i * 16 + 8, at >> 32);
	}
}

struct vm *vm_new(const struct payload *p)
{
	struct vm *vm = vm_bare();

	vm->mem = mem_new(VM_MEM);
	vm->mem_size = VM_MEM;
	OK(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000));
	vm_slot(vm, 0, 0, 0, vm->mem_size, vm->mem);
	vm_tables(vm);
	if (p)
		vm_load(vm, p);
	return vm;
}

struct vm *vm_new_irqchip(const struct payload *p)
{
	struct vm *vm = vm_new(p);

	OK(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	return vm;
}

void vm_free(struct vm *vm)
{
	close(vm->fd);
	close(vm->sys);
	if (vm->mem)
		munmap(vm->mem, vm->mem_size);
	free(vm);
}

/* ---- vCPUs ---- */

/* As the reset leaves it, and without CPUID. */
struct vcpu *vcpu_bare(struct vm *vm, int id)
{
	struct vcpu *v = calloc(1, sizeof(*v));

	v->vm = vm;
	v->id = id;
	v->fd = OK(ioctl(vm->fd, KVM_CREATE_VCPU, id));
	v->run_size = OK(ioctl(vm->sys, KVM_GET_VCPU_MMAP_SIZE, 0));
	v->run = mmap(NULL, v->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      v->fd, 0);
	MUST(v->run != MAP_FAILED, "mmap of vCPU %d: %s", id, strerror(errno));
	return v;
}

void vcpu_free(struct vcpu *v)
{
	munmap(v->run, v->run_size);
	close(v->fd);
	free(v);
}

/* Its VM with it. */
void vcpu_end(struct vcpu *v)
{
	struct vm *vm = v->vm;

	vcpu_free(v);
	vm_free(vm);
}

struct kvm_cpuid2 *cpuid_supported(void)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + 256 * sizeof(c->entries[0]));
	int fd = node_open();

	c->nent = 256;
	OK(ioctl(fd, KVM_GET_SUPPORTED_CPUID, c));
	close(fd);
	return c;
}

struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *c, uint32_t leaf,
				    uint32_t index)
{
	uint32_t i;

	for (i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function == leaf &&
		    (e->index == index ||
		     !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

/* With the APIC ids of this vCPU, as a launcher fills them in. */
void vcpu_set_cpuid(struct vcpu *v, struct kvm_cpuid2 *c)
{
	struct kvm_cpuid_entry2 *e;
	uint32_t i;

	e = cpuid_find(c, 1, 0);
	if (e)
		e->ebx = (e->ebx & 0xffffff) | v->id << 24;
	for (i = 0; i < c->nent; i++)
		if (c->entries[i].function == 0xb)
			c->entries[i].edx = v->id;
	OK(ioctl(v->fd, KVM_SET_CPUID2, c));
}

struct kvm_regs vcpu_regs(struct vcpu *v)
{
	struct kvm_regs r;

	OK(ioctl(v->fd, KVM_GET_REGS, &r));
	return r;
}

void vcpu_set_regs(struct vcpu *v, const struct kvm_regs *r)
{
	OK(ioctl(v->fd, KVM_SET_REGS, r));
}

struct kvm_sregs vcpu_sregs(struct vcpu *v)
{
	struct kvm_sregs s;

	OK(ioctl(v->fd, KVM_GET_SREGS, &s));
	return s;
}

void vcpu_set_sregs(struct vcpu *v, const struct kvm_sregs *s)
{
	OK(ioctl(v->fd, KVM_SET_SREGS, s));
}

void vcpu_jump(struct vcpu *v, uint64_t rip)
{
	struct kvm_regs r = vcpu_regs(v);

	r.rip = rip;
	vcpu_set_regs(v, &r);
}

void vcpu_args(struct vcpu *v, uint64_t rdi, uint64_t rsi)
{
	struct kvm_regs r = vcpu_regs(v);

	r.rdi = rdi;
	r.rsi = rsi;
	vcpu_set_regs(v, &r);
}

void vcpu_interruptible(struct vcpu *v)
{
	struct kvm_regs r = vcpu_regs(v);

	r.rflags |= 0x200;
	vcpu_set_regs(v, &r);
}

static void flat(struct kvm_segment *s, uint16_t sel, uint8_t type, bool l,
		 bool db)
{
	*s = (struct kvm_segment) {
		.limit = 0xffffffff, .selector = sel, .type = type,
		.present = 1, .s = 1, .g = 1, .l = l, .db = db,
	};
}

static void real(struct kvm_segment *s, uint16_t sel, uint8_t type)
{
	*s = (struct kvm_segment) {
		.base = (uint64_t)sel << 4, .limit = 0xffff, .selector = sel,
		.type = type, .present = 1, .s = 1,
	};
}

/*
 * Real mode: CS = DS = the payload's segment, ES = FS = GS = SS = 0.
 * Elsewhere flat segments; paged modes identity-map 4 GiB.
 */
void vcpu_mode(struct vcpu *v, enum mode mode, uint64_t entry)
{
	struct kvm_segment *data[6];
	struct kvm_sregs s = vcpu_sregs(v);
	struct kvm_regs r = { .rflags = 2, .rip = entry };
	int i;

	data[0] = &s.ds;
	data[1] = &s.es;
	data[2] = &s.fs;
	data[3] = &s.gs;
	data[4] = &s.ss;
	if (mode == REAL) {
		for (i = 0; i < 5; i++)
			real(data[i], i ? 0 : G_CODE >> 4, 3);
		real(&s.cs, G_CODE >> 4, 0xb);
		r.rip = entry - G_CODE;
		r.rsp = G_STACK16;
		s.cr0 = 0x10;
		s.cr4 = 0;
		s.efer = 0;
		s.idt.base = 0;
		s.idt.limit = 0x3ff;
	} else {
		for (i = 0; i < 5; i++)
			flat(data[i], SEL_DATA, 3, false, true);
		flat(&s.cs, mode == LONG64 ? SEL_CODE64 : SEL_CODE32, 0xb,
		     mode == LONG64, mode != LONG64);
		s.gdt.base = G_GDT;
		s.gdt.limit = SEL_TSS + 15;
		s.idt.base = G_IDT;
		s.idt.limit = 0xfff;
		s.tr = (struct kvm_segment) {
			.base = G_TSS, .limit = 0x67, .selector = SEL_TSS,
			.type = 0xb, .present = 1,
		};
		/* As after a call: the stack is 8 short of 16 bytes. */
		r.rsp = G_STACKS - v->id * PAGE - 8;
		s.cr0 = mode == PROT32 ? 0x31 : 0x80010031;
		s.cr4 = mode == PROT32 ? 0 : mode == PAGED32 ? 0x10 : 0x620;
		s.cr3 = mode == LONG64 ? G_PML4 : mode == PAE ? G_PDPT_PAE :
			G_PD32;
		s.efer = mode == LONG64 ? 0xd01 : 0;
	}
	vcpu_set_sregs(v, &s);
	vcpu_set_regs(v, &r);
}

/* As the reset leaves it. */
struct vcpu *vcpu_reset(struct vm *vm, int id)
{
	struct vcpu *v = vcpu_bare(vm, id);
	struct kvm_cpuid2 *c = cpuid_supported();

	vcpu_set_cpuid(v, c);
	free(c);
	return v;
}

struct vcpu *vcpu_new(struct vm *vm, int id, enum mode mode, uint64_t entry)
{
	struct vcpu *v = vcpu_reset(vm, id);

	vcpu_mode(v, mode, entry);
	return v;
}

int msr_get_try(struct vcpu *v, uint32_t msr, uint64_t *val)
{
	struct { struct kvm_msrs h; struct kvm_msr_entry e; } m = {
		.h.nmsrs = 1, .e.index = msr,
	};
	int r = ioctl(v->fd, KVM_GET_MSRS, &m);

	*val = m.e.data;
	return r;
}

int msr_set_try(struct vcpu *v, uint32_t msr, uint64_t val)
{
	struct { struct kvm_msrs h; struct kvm_msr_entry e; } m = {
		.h.nmsrs = 1, .e.index = msr, .e.data = val,
	};

	return ioctl(v->fd, KVM_SET_MSRS, &m);
}

uint64_t msr_get(struct vcpu *v, uint32_t msr)
{
	uint64_t val;

	MUST(msr_get_try(v, msr, &val) == 1, "MSR %#x", msr);
	return val;
}

void msr_set(struct vcpu *v, uint32_t msr, uint64_t val)
{
	MUST(msr_set_try(v, msr, val) == 1, "MSR %#x = %#lx", msr, val);
}

/* ---- running ---- */

const char *exit_name(uint32_t reason)
{
	static const char *const name[] = {
		[KVM_EXIT_UNKNOWN] = "unknown", [KVM_EXIT_IO] = "io",
		[KVM_EXIT_HYPERCALL] = "hypercall", [KVM_EXIT_DEBUG] = "debug",
		[KVM_EXIT_HLT] = "hlt", [KVM_EXIT_MMIO] = "mmio",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq window",
		[KVM_EXIT_SHUTDOWN] = "shutdown",
		[KVM_EXIT_FAIL_ENTRY] = "fail entry",
		[KVM_EXIT_INTR] = "intr", [KVM_EXIT_SET_TPR] = "set tpr",
		[KVM_EXIT_TPR_ACCESS] = "tpr access",
		[KVM_EXIT_INTERNAL_ERROR] = "internal error",
		[KVM_EXIT_SYSTEM_EVENT] = "system event",
		[KVM_EXIT_IOAPIC_EOI] = "ioapic eoi",
	};

	return reason < ARRAY_SIZE(name) && name[reason] ? name[reason] : "?";
}

int vcpu_run(struct vcpu *v)
{
	/* EAGAIN: it waited for INIT and SIPI, and may try anew. */
	while (ioctl(v->fd, KVM_RUN, 0)) {
		MUST(errno == EAGAIN, "KVM_RUN of vCPU %d: %s", v->id,
		     strerror(errno));
	}
	return v->run->exit_reason;
}

static bool is_cmd(struct vcpu *v, uint8_t cmd)
{
	return v->run->exit_reason == KVM_EXIT_IO &&
		v->run->io.direction == KVM_EXIT_IO_OUT &&
		v->run->io.port == PORT_CMD &&
		*(uint8_t *)io_data(v) == cmd;
}

/* Says what exit this is, in words, and ends the test. */
static void unwanted(struct vcpu *v, const char *wanted)
{
	struct kvm_run *run = v->run;
	struct kvm_regs r = vcpu_regs(v);
	char what[200] = "";

	report_guest_failure(v);
	if (run->exit_reason == KVM_EXIT_IO)
		snprintf(what, sizeof(what), " %s port %#x, %d bytes x %u",
			 run->io.direction ? "out" : "in", run->io.port,
			 run->io.size, run->io.count);
	if (run->exit_reason == KVM_EXIT_MMIO)
		snprintf(what, sizeof(what), " %s gpa %#llx, %u bytes",
			 run->mmio.is_write ? "write" : "read",
			 run->mmio.phys_addr, run->mmio.len);
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		snprintf(what, sizeof(what), " suberror %u, data %#llx %#llx %#llx",
			 run->internal.suberror, run->internal.data[0],
			 run->internal.data[1], run->internal.data[2]);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		snprintf(what, sizeof(what), " reason %#llx",
			 run->fail_entry.hardware_entry_failure_reason);
	test_fail(__FILE__, __LINE__,
		  "vCPU %d: exit %u (%s)%s at rip %#llx rsp %#llx, wanted: %s",
		  v->id, run->exit_reason, exit_name(run->exit_reason), what,
		  r.rip, r.rsp, wanted);
	test_die();
}

void report_guest_failure(struct vcpu *v)
{
	struct kvm_regs r;

	if (is_cmd(v, CMD_FAIL)) {
		r = vcpu_regs(v);
		test_fail("payload", r.rsi, "vCPU %d at rip %#llx: %.100s got %#llx, wanted %#llx",
			  v->id, r.rip, r.rdi && r.rdi < v->vm->mem_size - 100 ?
			  (char *)v->vm->mem + r.rdi : "", r.rbx, r.rcx);
		test_die();
	}
	if (is_cmd(v, CMD_TRAP)) {
		r = vcpu_regs(v);
		test_fail("payload", 0,
			  "vCPU %d: unexpected vector %llu, error %#llx, rip %#llx, cr2 %#llx",
			  v->id, r.rbx, r.rcx, r.rsi, r.rdi);
		test_die();
	}
}

void want_exit(struct vcpu *v, uint32_t reason)
{
	if (vcpu_run(v) != (int)reason)
		unwanted(v, exit_name(reason));
}

void *io_data(struct vcpu *v)
{
	return (uint8_t *)v->run + v->run->io.data_offset;
}

void want_io(struct vcpu *v, bool out, uint16_t port, int size, uint32_t count)
{
	char text[80];

	snprintf(text, sizeof(text), "%s port %#x, %d bytes x %u",
		 out ? "out" : "in", port, size, count);
	if (vcpu_run(v) != KVM_EXIT_IO || v->run->io.direction != out ||
	    v->run->io.port != port || v->run->io.size != size ||
	    v->run->io.count != count)
		unwanted(v, text);
}

void want_mmio(struct vcpu *v, bool write, uint64_t gpa, unsigned int len)
{
	char text[80];

	snprintf(text, sizeof(text), "mmio %s gpa %#lx, %u bytes",
		 write ? "write" : "read", gpa, len);
	if (vcpu_run(v) != KVM_EXIT_MMIO || v->run->mmio.is_write != write ||
	    v->run->mmio.phys_addr != gpa || v->run->mmio.len != len)
		unwanted(v, text);
}

static void want_cmd(struct vcpu *v, uint8_t cmd, const char *what)
{
	vcpu_run(v);
	if (!is_cmd(v, cmd))
		unwanted(v, what);
}

uint64_t want_value(struct vcpu *v)
{
	want_cmd(v, CMD_VALUE, "a value from the payload");
	return vcpu_regs(v).rbx;
}

void want_mark(struct vcpu *v, uint64_t mark)
{
	char text[40];

	snprintf(text, sizeof(text), "mark %lu", mark);
	want_cmd(v, CMD_MARK, text);
	if (vcpu_regs(v).rbx != mark)
		unwanted(v, text);
}

void want_done(struct vcpu *v)
{
	want_cmd(v, CMD_DONE, "the payload's end");
}

void *stats_read(int fd, struct kvm_stats_header *h)
{
	size_t size;
	uint8_t *p;

	MUST_EQ(OK(pread(fd, h, sizeof(*h), 0)), sizeof(*h));
	MUST(h->num_desc > 0 && h->num_desc < 1000, "%u", h->num_desc);
	MUST(h->name_size && h->name_size <= 256, "%u", h->name_size);
	CHECK(h->id_offset >= sizeof(*h) && h->desc_offset > h->id_offset &&
	      h->data_offset > h->desc_offset, "%u %u %u", h->id_offset,
	      h->desc_offset, h->data_offset);
	size = h->data_offset + 65536;
	p = calloc(1, size);
	OK(pread(fd, p, size, 0));
	return p;
}

struct kvm_stats_desc *stats_desc(struct kvm_stats_header *h, void *all, int i)
{
	return (void *)((uint8_t *)all + h->desc_offset +
			i * (sizeof(struct kvm_stats_desc) + h->name_size));
}

uint64_t stats_value(int fd, const char *name)
{
	struct kvm_stats_header h;
	uint8_t *all = stats_read(fd, &h);
	uint32_t i;
	uint64_t v;

	for (i = 0; i < h.num_desc; i++) {
		struct kvm_stats_desc *d = stats_desc(&h, all, i);

		if (strcmp(d->name, name))
			continue;
		OK(pread(fd, &v, 8, h.data_offset + d->offset));
		return v;
	}
	MUST(0, "no statistic %s", name);
	return 0;
}
