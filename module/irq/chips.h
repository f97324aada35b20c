/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of irq/ know of each other, and nobody else. */
#ifndef LODGE_IRQ_CHIPS_H
#define LODGE_IRQ_CHIPS_H

#include <linux/hrtimer.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>
#include <asm/apicdef.h>

#include "lodge.h"

#define LODGE_APIC_VERSION	0x14
#define LODGE_NR_LVT		6

enum lodge_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR };

/*
 * What others than the vCPU's thread ask of it while hardware delivers its
 * interrupts, in the layout of a posted-interrupt descriptor: SDM vol. 3C 30.6.
 */
struct lodge_pir {
	unsigned long vectors[4];
	unsigned long control;		/* LODGE_PIR_*, vector and destination */
	unsigned long reserved[3];
};

#define LODGE_PIR_ON		0	/* bit of control: a notification is on its way */

/* Where it is: behind the registers, in their page. */
#define LODGE_PIR_OFFSET	0x400

/*
 * One local APIC. What others than its vCPU's thread write is IRR (or, with
 * @vid, the descriptor), TMR and @errors, by atomic operations; @tsc_deadline is
 * also cleared by the callback.
 */
struct lodge_lapic {
	struct lodge_vcpu *vcpu;
	void *regs;		/* the page of registers, as hardware wants it */
	int isr_top;		/* highest vector in ISR, or -1; not with @vid */
	bool vid;		/* hardware delivers interrupts and takes EOIs */
	bool hw_deadline;	/* the deadline is told to hardware, not to @timer */
	u32 errors;		/* what came since ESR was last written */
	u32 timer_mode;		/* mode bits of LVT timer that the timer is set up for */
	u32 divisor;		/* of the bus clock, as the timer is set up */
	u64 period;		/* ns; not below the least that is allowed */
	u64 tsc_deadline;	/* guest TSC; 0: disarmed, or it has fired */
	u8 sipi_vector;
	int extint;		/* the vector of user space's PIC that waits, or -1 */
	ktime_t target;		/* when the count gets to 0: one-shot, periodic */
	struct hrtimer timer;
};

static inline u32 lodge_lapic_reg(const struct lodge_lapic *apic, u32 offset)
{
	return READ_ONCE(*(u32 *)(apic->regs + offset));
}

static inline void lodge_lapic_put(struct lodge_lapic *apic, u32 offset, u32 val)
{
	WRITE_ONCE(*(u32 *)(apic->regs + offset), val);
}

static inline u32 lodge_lapic_lvt(const struct lodge_lapic *apic, enum lodge_lvt n)
{
	return lodge_lapic_reg(apic, APIC_LVTT + n * 0x10);
}

static inline struct lodge_pir *lodge_lapic_pir(const struct lodge_lapic *apic)
{
	return apic->regs + LODGE_PIR_OFFSET;
}

/*
 * ISR, TMR and IRR are eight words of 32 vectors, 16 bytes apart: the bit
 * operations below want the word of a vector, and (vector & 31).
 */
static inline unsigned long *lodge_lapic_word(const struct lodge_lapic *apic,
					      u32 base, u8 vector)
{
	return apic->regs + base + (vector >> 5) * 0x10;
}

static inline bool lodge_lapic_test(const struct lodge_lapic *apic, u32 base,
				    u8 vector)
{
	return test_bit(vector & 31, lodge_lapic_word(apic, base, vector));
}

/* The highest vector of ISR or IRR, or -1. */
static inline int lodge_lapic_top(const struct lodge_lapic *apic, u32 base)
{
	const u32 *w = apic->regs + base;
	u32 low = w[0] | w[4] | w[8] | w[12];
	u32 high = w[16] | w[20] | w[24] | w[28];
	int i;

	/* Mostly there is none, which is seen at once. */
	if (!(low | high))
		return -1;
	for (i = high ? 7 : 3; i > 0 && !READ_ONCE(w[i * 4]); i--)
		;
	return i * 32 + fls(READ_ONCE(w[i * 4])) - 1;
}

static inline bool lodge_lapic_hw_enabled(const struct lodge_lapic *apic)
{
	return READ_ONCE(apic->vcpu->apic_base) & MSR_IA32_APICBASE_ENABLE;
}

static inline bool lodge_lapic_sw_enabled(const struct lodge_lapic *apic)
{
	return lodge_lapic_reg(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED;
}

static inline bool lodge_lapic_x2apic(const struct lodge_lapic *apic)
{
	return READ_ONCE(apic->vcpu->apic_base) & X2APIC_ENABLE;
}

/* Of an x2APIC, LDR is a function of its id: SDM vol. 3A 10.12.10.2. */
static inline u32 lodge_x2apic_ldr(u32 id)
{
	return (id >> 4) << 16 | 1u << (id & 15);
}

/* The id that messages name it by. */
static inline u32 lodge_lapic_id(const struct lodge_lapic *apic)
{
	return lodge_lapic_x2apic(apic) ? apic->vcpu->id :
	       lodge_lapic_reg(apic, APIC_ID) >> 24;
}

/* The next local APIC, from id *@i on. Under RCU, which keeps each that it gives. */
static inline struct lodge_lapic *lodge_lapic_next(const struct lodge_irq *irq,
						   unsigned int *i)
{
	struct lodge_lapic *apic = NULL;

	while (!apic && *i <= READ_ONCE(irq->max_id))
		apic = READ_ONCE(irq->apic[(*i)++]);
	return apic;
}

#define lodge_for_each_lapic(i, apic, irq) \
	for ((i) = 0; ((apic) = lodge_lapic_next((irq), &(i)));)

/* ipi.c */
bool lodge_lapic_accept(struct lodge_lapic *apic, const struct lodge_ipi *ipi,
			bool self);
void lodge_lapic_send(struct lodge_lapic *apic, u32 low, u32 dest);

/* lapic.c */
void lodge_lapic_error(struct lodge_lapic *apic, u32 bits, bool self);
void lodge_lapic_local(struct lodge_lapic *apic, enum lodge_lvt n, bool self);
int lodge_lapic_pending(struct lodge_lapic *apic);
void lodge_lapic_ack(struct lodge_lapic *apic, u8 vector);
void lodge_lapic_publish(struct lodge_lapic *apic);
void lodge_lapic_eoi_changed(struct lodge_vm *vm);
u8 lodge_lapic_threshold(struct lodge_lapic *apic);
void lodge_lapic_get_state(struct lodge_vcpu *vcpu, struct kvm_lapic_state *s);
int lodge_lapic_set_state(struct lodge_vcpu *vcpu, struct kvm_lapic_state *s);
bool lodge_lapic_takes_pic(struct lodge_lapic *apic);

/* access.c */
int lodge_access_create(struct lodge_vm *vm);
void lodge_access_destroy(struct lodge_vm *vm);
void lodge_access_moved(struct lodge_vm *vm, u64 old, u64 base);

/* timer.c: the local APIC's */
void lodge_timer_init(struct lodge_lapic *apic);
void lodge_timer_stop(struct lodge_lapic *apic);
void lodge_timer_mode(struct lodge_lapic *apic);
void lodge_timer_start(struct lodge_lapic *apic, u32 count);
void lodge_timer_restore(struct lodge_lapic *apic, u32 left);
void lodge_timer_divide(struct lodge_lapic *apic, u32 tdcr);
u32 lodge_timer_count(struct lodge_lapic *apic);
u32 lodge_timer_divisor(u32 tdcr);

/* ioapic.c */
#define LODGE_IOAPIC_PINS	24
#define LODGE_IOAPIC_BASE	0xfec00000

struct lodge_ioapic {
	struct lodge_iodev dev;
	struct lodge_vm *vm;
	raw_spinlock_t lock;
	u32 select;
	u32 id;
	u32 irr;		/* lines that are high, or edges not yet lowered */
	u32 delivered;		/* of these, edges that were already sent */
	u64 redir[LODGE_IOAPIC_PINS];
	unsigned long sources[LODGE_IOAPIC_PINS];
	u32 storm[LODGE_IOAPIC_PINS];	/* EOIs in a row that found the line high */
	struct delayed_work storm_work;
	/* Coalescing of the clock's interrupt: who has yet to say EOI */
	DECLARE_BITMAP(rtc_pending, LODGE_MAX_APIC_ID + 1);
	u8 rtc_vector;
};

int lodge_ioapic_create(struct lodge_vm *vm);
int lodge_ioapic_set(struct lodge_vm *vm, unsigned int pin, int source,
		     bool level, bool line_status);
void lodge_ioapic_eoi(struct lodge_vcpu *vcpu, u8 vector, bool level);
void lodge_ioapic_scan(struct lodge_vm *vm);
void lodge_ioapic_get_state(struct lodge_vm *vm, struct kvm_ioapic_state *s);
void lodge_ioapic_set_state(struct lodge_vm *vm,
			    const struct kvm_ioapic_state *s);

/* pic.c */
struct lodge_pic {
	struct lodge_vm *vm;
	raw_spinlock_t lock;
	bool output;		/* the master's INTR pin */
	struct kvm_pic_state chip[2];
	unsigned long sources[2][8];
	u16 acked;		/* pins to be told of once the lock is dropped */
	bool wake;
	struct lodge_iodev dev;
};

int lodge_pic_create(struct lodge_vm *vm);
int lodge_pic_set(struct lodge_vm *vm, int chip, unsigned int pin, int source,
		  bool level);
int lodge_pic_ack(struct lodge_pic *pic);
void lodge_pic_get_state(struct lodge_vm *vm, int chip, struct kvm_pic_state *s);
void lodge_pic_set_state(struct lodge_vm *vm, int chip,
			 const struct kvm_pic_state *s);

/* routing.c */
/* Told when a guest's EOI acknowledges a line's interrupt; any context. */
struct lodge_ack {
	struct list_head link;
	u32 gsi;
	void (*fn)(struct lodge_ack *ack, struct lodge_vm *vm);
};

int lodge_routing_defaults(struct lodge_vm *vm);
int lodge_routing_set(struct lodge_vm *vm, const struct kvm_irq_routing_entry *e,
		      unsigned int nr);
int lodge_irq_line(struct lodge_vm *vm, int source, u32 gsi, bool level,
		   bool line_status);
/* Chips are KVM_IRQCHIP_*, and each has its own pins from 0 on. */
bool lodge_irq_acked(struct lodge_vm *vm, unsigned int chip, unsigned int pin,
		     bool over);
void lodge_irq_unmasked(struct lodge_vm *vm, unsigned int chip, unsigned int pin);
void lodge_irq_ack_add(struct lodge_vm *vm, struct lodge_ack *ack);
void lodge_irq_ack_del(struct lodge_vm *vm, struct lodge_ack *ack);

/* pit.c */
#define LODGE_PIT_GSI		0

struct lodge_pit {
	struct lodge_vm *vm;
	raw_spinlock_t lock;
	struct kvm_pit_state2 s;
	struct hrtimer timer;
	u64 period;		/* ns of channel 0's timer, 0: fires once */
	bool armed;
	bool reinject;
	bool acked;		/* the guest took the last one */
	u32 pending;		/* ticks that wait for that */
	struct lodge_ack ack;
	struct lodge_iodev dev, speaker;
};

int lodge_pit_create(struct lodge_vm *vm, u32 flags);
void lodge_pit_stop(struct lodge_vm *vm);
void lodge_pit_get_state(struct lodge_pit *pit, struct kvm_pit_state2 *s);
void lodge_pit_set_state(struct lodge_pit *pit, const struct kvm_pit_state2 *s);
void lodge_pit_unmasked(struct lodge_pit *pit);
void lodge_pit_reinject(struct lodge_pit *pit, bool on);

/* bus.c: registering wants irq.lock */
int lodge_bus_add(struct lodge_vm *vm, enum lodge_bus_kind bus, gpa_t addr,
		  u64 len, struct lodge_iodev *dev);
void lodge_bus_del(struct lodge_vm *vm, enum lodge_bus_kind bus,
		   struct lodge_iodev *dev);
void lodge_bus_destroy(struct lodge_vm *vm);

/* eventfd.c, coalesced.c */
/* As ioctl.c calls them, with what came in of the caller. */
int lodge_irqfd(struct lodge_vm *vm, void *arg);
int lodge_ioeventfd(struct lodge_vm *vm, void *arg);
int lodge_coalesced_add(struct lodge_vm *vm, void *arg);
int lodge_coalesced_del(struct lodge_vm *vm, void *arg);

#endif /* LODGE_IRQ_CHIPS_H */
