/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts in the kernel: local APIC, I/O APIC, the PICs, PIT, routing, the
 * bus on which they sit, irqfd and ioeventfd.
 */
#ifndef LODGE_IRQ_H
#define LODGE_IRQ_H

#include <linux/bitmap.h>
#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

struct lodge_vm;
struct lodge_vcpu;
struct lodge_lapic;
struct lodge_ioapic;
struct lodge_pic;
struct lodge_pit;
struct lodge_routing;
struct lodge_bus;
struct lodge_apic_access;
struct lodge_slot;

#define LODGE_MAX_GSI		4096	/* routes and GSIs, as KVM */
#define LODGE_MAX_APIC_ID	255	/* 255 itself is the xAPIC's broadcast */
/* Walked with interrupts off, and so bounded: each kind of eventfd of a VM. */
#define LODGE_MAX_EVENTFDS	4096
#define LODGE_IRQ_EXTINT	256	/* pending: the PIC has one, vector unknown */
#define LODGE_MAX_USER_PINS	4096	/* of I/O APICs in user space, as KVM */

/* Who holds a line: a line is high while anybody holds it high. */
enum lodge_irq_source {
	LODGE_SOURCE_USER,	/* KVM_IRQ_LINE, irqfds */
	LODGE_SOURCE_RESAMPLE,	/* irqfds with resampling */
	LODGE_SOURCE_PIT,
};

/* Bits of lodge_vcpu.apic_events: what other vCPUs sent and is latched. */
enum lodge_apic_event { LODGE_APIC_INIT, LODGE_APIC_SIPI };

enum lodge_bus_kind { LODGE_BUS_MMIO, LODGE_BUS_PIO, LODGE_NR_BUSES };

/**
 * struct lodge_irq - a VM's interrupt controllers and buses
 * @in_kernel: KVM_CREATE_IRQCHIP was called, or @split set; once, after all else is there
 * @split: the local APICs alone are in the kernel, the other chips in user space
 * @user_pins: with @split: GSIs below are its I/O APICs' pins
 * @x2apic_format: KVM_X2APIC_API_USE_32BIT_IDS was enabled
 * @x2apic_broadcast: KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK was enabled
 * @ids_moved: some guest gave an xAPIC another id than the one it started with
 * @lock: changes of routing, irqfds, acknowledgment listeners and buses
 * @bus: who has which port and address; RCU
 * @routing: from GSIs to pins and messages; RCU
 * @pic: the two PICs, NULL without an in-kernel irqchip
 * @ioapic: likewise
 * @eoi: vectors whose EOI must be told though edge; with @split: those that were
 *	ever routed from an I/O APIC's level-triggered pin
 * @pit: NULL unless it was created
 * @acks: who wants to hear of acknowledged interrupts; RCU
 * @acked: the GSIs that are in @acks
 * @irqfds: event descriptors as lines, @nr_irqfds of them
 * @nr_irqfds: their number
 * @ioeventfds: event descriptors on a bus, @nr_ioeventfds of them
 * @nr_ioeventfds: their number
 * @coalesced: zones whose writes go to @ring, @nr_coalesced of them
 * @nr_coalesced: their number
 * @ring_lock: order of writers to @ring
 * @ring: the page of coalesced writes, which every vCPU's mmap shows
 * @access: the APIC-access page, NULL where hardware has no use for one
 * @max_id: highest index in @apic
 * @apic: the local APICs by their initial id, which is their vCPU's id
 */
struct lodge_irq {
	bool in_kernel;
	bool split;
	u32 user_pins;
	bool x2apic_format;
	bool x2apic_broadcast;
	bool ids_moved;
	struct mutex lock;
	struct lodge_bus __rcu *bus[LODGE_NR_BUSES];
	struct lodge_routing __rcu *routing;
	struct lodge_pic *pic;
	struct lodge_ioapic *ioapic;
	unsigned long eoi[4];
	struct lodge_pit *pit;
	struct list_head acks;
	DECLARE_BITMAP(acked, LODGE_MAX_GSI);
	struct list_head irqfds;
	unsigned int nr_irqfds;
	struct list_head ioeventfds;
	unsigned int nr_ioeventfds;
	struct list_head coalesced;
	unsigned int nr_coalesced;
	raw_spinlock_t ring_lock;
	struct kvm_coalesced_mmio_ring *ring;
	struct lodge_apic_access *access;
	unsigned int max_id;
	struct lodge_lapic *apic[LODGE_MAX_APIC_ID + 1];
};

int lodge_irq_init(struct lodge_vm *vm);
void lodge_irq_stop(struct lodge_vm *vm);
void lodge_irq_destroy(struct lodge_vm *vm);
int lodge_irq_split(struct lodge_vm *vm, u64 pins);

/* --- local APIC: the owner's calls, unless said otherwise --- */
int lodge_lapic_create(struct lodge_vcpu *vcpu);
void lodge_lapic_free(struct lodge_vcpu *vcpu);
void lodge_lapic_reset(struct lodge_vcpu *vcpu, bool init);
int lodge_lapic_read(struct lodge_vcpu *vcpu, u32 offset, u32 *val);
int lodge_lapic_write(struct lodge_vcpu *vcpu, u32 offset, u32 val);
bool lodge_lapic_mmio_hit(struct lodge_vcpu *vcpu, gpa_t gpa);
int lodge_x2apic_read(struct lodge_vcpu *vcpu, u32 msr, u64 *val);	/* 1: #GP */
int lodge_x2apic_write(struct lodge_vcpu *vcpu, u32 msr, u64 val);
int lodge_lapic_set_base(struct lodge_vcpu *vcpu, u64 base, bool host);
u64 lodge_lapic_tsc_deadline(struct lodge_vcpu *vcpu);
void lodge_lapic_set_tsc_deadline(struct lodge_vcpu *vcpu, u64 deadline);
void lodge_lapic_tsc_changed(struct lodge_vcpu *vcpu);
void lodge_lapic_sleep(struct lodge_vcpu *vcpu);
u64 lodge_cr8_get(struct lodge_vcpu *vcpu);
void lodge_lapic_set_cr8(struct lodge_vcpu *vcpu, u8 cr8);
int lodge_lapic_accept_events(struct lodge_vcpu *vcpu);
void lodge_lapic_set_sipi(struct lodge_vcpu *vcpu, int vector);
bool lodge_lapic_has_events(struct lodge_vcpu *vcpu);
void lodge_lapic_migrate(struct lodge_vcpu *vcpu);

/* --- what a vendor's virtual APIC reports, and where its page is --- */
void lodge_lapic_eoi_exit(struct lodge_vcpu *vcpu, u8 vector);
void lodge_lapic_deadline_exit(struct lodge_vcpu *vcpu);
extern const u64 lodge_x2apic_plain;
void lodge_lapic_written(struct lodge_vcpu *vcpu, u32 offset);
u64 lodge_lapic_hpa(struct lodge_vcpu *vcpu);
u64 lodge_lapic_pir_hpa(struct lodge_vcpu *vcpu);
struct lodge_slot *lodge_access_slot(struct lodge_vm *vm, gfn_t gfn);
u64 lodge_access_hpa(struct lodge_vm *vm);

/* --- all controllers together --- */
int lodge_irq_pending(struct lodge_vcpu *vcpu);
int lodge_irq_inject(struct lodge_vcpu *vcpu);
int lodge_irq_ack(struct lodge_vcpu *vcpu, int vector);
bool lodge_irq_user_owns(const struct lodge_vcpu *vcpu);
bool lodge_irq_user_accepts(struct lodge_vcpu *vcpu);
int lodge_irq_user_inject(struct lodge_vcpu *vcpu, u8 vector);
int lodge_irq_set(struct lodge_vm *vm, int source, u32 gsi, int level);
int lodge_irq_msi(struct lodge_vm *vm, const struct kvm_msi *msi);
struct lodge_ipi {
	u32 dest;
	u8 vector;
	u8 mode;		/* APIC_DM_* >> 8 */
	bool logical;
	bool level;		/* asserted */
	bool trig_level;	/* level-triggered */
	bool lowest;		/* MSI redirection hint: one of the destinations */
	u8 shorthand;		/* 0, or APIC_DEST_* >> 18 */
	unsigned long *reached;	/* bitmap of vCPU ids that took it, or NULL */
};
int lodge_ipi_deliver(struct lodge_vm *vm, struct lodge_vcpu *src,
		      const struct lodge_ipi *ipi);

/* --- the bus --- */
struct lodge_iodev;
struct lodge_iodev_ops {
	/*
	 * 0: done; -EOPNOTSUPP: not mine (another device, or user space). No
	 * sleeping: interrupts may be off. @addr to @addr + @len lies inside of
	 * the registered range; @len is 0 for a write of unknown width and data,
	 * which nobody takes but an ioeventfd of length 0.
	 */
	int (*read)(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
		    gpa_t addr, int len, void *val);
	int (*write)(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
		     gpa_t addr, int len, const void *val);
	/* Optional: it was taken off its one bus and range, or they go. */
	void (*release)(struct lodge_iodev *dev);
};

struct lodge_iodev {
	const struct lodge_iodev_ops *ops;
};

int lodge_bus_read(struct lodge_vcpu *vcpu, enum lodge_bus_kind bus, gpa_t addr,
		   int len, void *val);
int lodge_bus_write(struct lodge_vcpu *vcpu, enum lodge_bus_kind bus, gpa_t addr,
		    int len, const void *val);

/* --- ioctls: copying from and to user space included --- */
long lodge_irq_vm_ioctl(struct lodge_vm *vm, unsigned int cmd, void __user *arg);
long lodge_irq_vcpu_ioctl(struct lodge_vcpu *vcpu, unsigned int cmd, void __user *arg);

#endif /* LODGE_IRQ_H */
