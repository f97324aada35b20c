// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254 interval timer of a PC, and port 0x61, where its speaker sits.
 *
 * Counters are not run: what one shows follows from when it was loaded and what
 * time it is. Only channel 0, whose output is GSI 0, has a timer of the host.
 *
 * Old guests count ticks, so none may be lost: with reinject on (the default) a
 * tick that finds the last one not yet acknowledged waits for that.
 */
#include <linux/math64.h>
#include <linux/slab.h>

#include "chips.h"

#define PIT_HZ		1193182
#define PORT_SPEAKER	0x61

enum { LATCH_LSB = 1, LATCH_MSB, LATCH_WORD0, LATCH_WORD1 };	/* rw_mode and states */

static u64 ns_to_ticks(u64 ns)
{
	return mul_u64_u32_div(ns, PIT_HZ, NSEC_PER_SEC);
}

static u64 ticks_to_ns(u32 ticks)
{
	return div_u64((u64)ticks * NSEC_PER_SEC, PIT_HZ);
}

/* Ticks since the counter was loaded. */
static u64 elapsed(const struct kvm_pit_channel_state *c, u64 now)
{
	return ns_to_ticks(now - min_t(u64, c->count_load_time, now));
}

static u32 full_count(const struct kvm_pit_channel_state *c)
{
	return c->count ?: 0x10000;
}

static u16 counter(const struct kvm_pit_channel_state *c, u64 now)
{
	u32 n = full_count(c);
	u64 d = elapsed(c, now);

	switch (c->mode) {
	case 0:
	case 1:
	case 4:
	case 5:
		return n - d;
	case 3:		/* counts by twos */
		return n - (2 * d) % n;
	default:
		return n - d % n;
	}
}

static bool output(const struct kvm_pit_channel_state *c, u64 now)
{
	u32 n = full_count(c);
	u64 d = elapsed(c, now);

	switch (c->mode) {
	case 0:
		return d >= n;
	case 1:
		return d < n;
	case 2:
		return d && d % n == 0;
	case 3:
		return d % n < (n + 1) / 2;
	default:
		return d == n;
	}
}

static void raise(struct lodge_vm *vm)
{
	struct lodge_lapic *apic;
	unsigned int i;

	lodge_irq_set(vm, LODGE_SOURCE_PIT, LODGE_PIT_GSI, 1);
	lodge_irq_set(vm, LODGE_SOURCE_PIT, LODGE_PIT_GSI, 0);
	/* Guests wire it to LINT0 as a watchdog that gives NMIs. */
	rcu_read_lock();
	lodge_for_each_lapic(i, apic, &vm->irq)
		if ((lodge_lapic_lvt(apic, LVT_LINT0) & APIC_MODE_MASK) ==
		    APIC_DM_NMI)
			lodge_lapic_local(apic, LVT_LINT0, false);
	rcu_read_unlock();
}

static enum hrtimer_restart pit_fn(struct hrtimer *timer)
{
	struct lodge_pit *pit = container_of(timer, struct lodge_pit, timer);
	enum hrtimer_restart ret = HRTIMER_NORESTART;
	unsigned long flags;
	bool tick;

	raw_spin_lock_irqsave(&pit->lock, flags);
	/* It was set up anew, or stopped, while this call was on its way. */
	if (!pit->armed || hrtimer_is_queued(timer)) {
		raw_spin_unlock_irqrestore(&pit->lock, flags);
		return ret;
	}
	tick = !pit->reinject || pit->acked;
	if (!tick)
		pit->pending += pit->pending < U32_MAX;
	pit->acked = false;
	if (pit->period) {
		u64 lost = hrtimer_forward_now(timer, ns_to_ktime(pit->period)) - 1;

		if (pit->reinject)
			pit->pending += min_t(u64, lost, U32_MAX - pit->pending);
		ret = HRTIMER_RESTART;
	} else {
		pit->armed = false;
	}
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	if (tick)
		raise(pit->vm);
	return ret;
}

static void pit_acked(struct lodge_ack *ack, struct lodge_vm *vm)
{
	struct lodge_pit *pit = container_of(ack, struct lodge_pit, ack);
	unsigned long flags;
	bool tick;

	raw_spin_lock_irqsave(&pit->lock, flags);
	tick = pit->pending;
	if (tick)
		pit->pending--;
	pit->acked = !tick;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	if (tick)
		raise(vm);
}

static void disarm(struct lodge_pit *pit)
{
	pit->armed = false;
	/* If the callback runs now, it waits for our lock and sees that. */
	hrtimer_try_to_cancel(&pit->timer);
}

/* Channel 0 was loaded at count_load_time: set up the timer of its output. */
static void arm(struct lodge_pit *pit)
{
	const struct kvm_pit_channel_state *c = &pit->s.channels[0];
	u64 ns = ticks_to_ns(full_count(c)), now = ktime_get_ns();
	u64 next;

	disarm(pit);
	pit->pending = 0;
	pit->acked = true;
	if (pit->s.flags & KVM_PIT_FLAGS_HPET_LEGACY || c->mode >= 5)
		return;
	next = c->count_load_time + ns;
	pit->period = 0;
	if (c->mode == 2 || c->mode == 3) {
		/* As for the local APIC's timer: no guest may storm the host. */
		pit->period = max_t(u64, ns, 200 * NSEC_PER_USEC);
		next = now + pit->period - (now - c->count_load_time) % pit->period;
	} else if (next < now) {
		return;		/* a restored one-shot that fired long ago */
	}
	pit->armed = true;
	hrtimer_start(&pit->timer, ns_to_ktime(next), HRTIMER_MODE_ABS_HARD);
}

static void load(struct lodge_pit *pit, unsigned int n, u32 count)
{
	struct kvm_pit_channel_state *c = &pit->s.channels[n];

	/* 0 is the largest count, and what Windows XP finds after power-on. */
	c->count = count ?: 0x10000;
	c->count_load_time = ktime_get_ns();
	if (n == 0)
		arm(pit);
}

static void latch_count(struct kvm_pit_channel_state *c)
{
	if (c->count_latched)
		return;
	c->latched_count = counter(c, ktime_get_ns());
	c->count_latched = c->rw_mode;
}

static void latch_status(struct kvm_pit_channel_state *c)
{
	if (c->status_latched)
		return;
	c->status = output(c, ktime_get_ns()) << 7 | c->rw_mode << 4 |
		c->mode << 1 | c->bcd;
	c->status_latched = 1;
}

static void control(struct lodge_pit *pit, u8 val)
{
	unsigned int n = val >> 6, access = (val >> 4) & 3;
	struct kvm_pit_channel_state *c;

	if (n == 3) {	/* read back: bits 4 and 5 are active low */
		for (n = 0; n < 3; n++) {
			if (!(val & (2 << n)))
				continue;
			if (!(val & 0x20))
				latch_count(&pit->s.channels[n]);
			if (!(val & 0x10))
				latch_status(&pit->s.channels[n]);
		}
		return;
	}
	c = &pit->s.channels[n];
	if (!access) {
		latch_count(c);
		return;
	}
	c->rw_mode = access;
	c->read_state = access;
	c->write_state = access;
	c->mode = (val >> 1) & 7;
	if (c->mode > 5)	/* 2 and 3 have two names */
		c->mode -= 4;
	c->bcd = val & 1;
}

static void count_write(struct lodge_pit *pit, unsigned int n, u8 byte)
{
	struct kvm_pit_channel_state *c = &pit->s.channels[n];

	switch (c->write_state) {
	case LATCH_LSB:
		load(pit, n, byte);
		break;
	case LATCH_MSB:
		load(pit, n, byte << 8);
		break;
	case LATCH_WORD0:
		c->write_latch = byte;
		c->write_state = LATCH_WORD1;
		break;
	case LATCH_WORD1:
		load(pit, n, c->write_latch | byte << 8);
		c->write_state = LATCH_WORD0;
		break;
	}
}

static int pit_write(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
		     gpa_t port, int len, const void *val)
{
	struct lodge_pit *pit = container_of(dev, struct lodge_pit, dev);
	u8 byte = *(const u8 *)val;
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->lock, flags);
	if ((port & 3) == 3)
		control(pit, byte);
	else
		count_write(pit, port & 3, byte);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

static u8 latched_read(struct kvm_pit_channel_state *c)
{
	u8 state = c->count_latched;

	c->count_latched = 0;
	if (state == LATCH_WORD0)
		c->count_latched = LATCH_MSB;
	return c->latched_count >> (state == LATCH_MSB ? 8 : 0);
}

static u8 live_read(struct kvm_pit_channel_state *c)
{
	u16 count = counter(c, ktime_get_ns());

	switch (c->read_state) {
	case LATCH_MSB:
		return count >> 8;
	case LATCH_WORD0:
		c->read_state = LATCH_WORD1;
		return count;
	case LATCH_WORD1:
		c->read_state = LATCH_WORD0;
		return count >> 8;
	default:
		return count;
	}
}

static int pit_read(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
		    gpa_t port, int len, void *val)
{
	struct lodge_pit *pit = container_of(dev, struct lodge_pit, dev);
	struct kvm_pit_channel_state *c = &pit->s.channels[port & 3];
	unsigned long flags;
	u8 byte;

	memset(val, 0, len);
	if ((port & 3) == 3)	/* can't be read */
		return 0;
	raw_spin_lock_irqsave(&pit->lock, flags);
	if (c->status_latched) {
		c->status_latched = 0;
		byte = c->status;
	} else if (c->count_latched) {
		byte = latched_read(c);
	} else {
		byte = live_read(c);
	}
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	*(u8 *)val = byte;
	return 0;
}

static int speaker_write(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
			 gpa_t port, int len, const void *val)
{
	struct lodge_pit *pit = container_of(dev, struct lodge_pit, speaker);
	struct kvm_pit_channel_state *c = &pit->s.channels[2];
	u8 byte = *(const u8 *)val;
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->lock, flags);
	if (byte & 2)
		pit->s.flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	else
		pit->s.flags &= ~KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	/* The gate's rising edge starts the count again, but in modes 0 and 4. */
	if (byte & 1 && !c->gate && c->mode != 0 && c->mode != 4)
		c->count_load_time = ktime_get_ns();
	c->gate = byte & 1;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	return 0;
}

static int speaker_read(struct lodge_vcpu *vcpu, struct lodge_iodev *dev,
			gpa_t port, int len, void *val)
{
	struct lodge_pit *pit = container_of(dev, struct lodge_pit, speaker);
	struct kvm_pit_channel_state *c = &pit->s.channels[2];
	unsigned long flags;
	u64 now;
	u8 byte;

	memset(val, 0, len);
	raw_spin_lock_irqsave(&pit->lock, flags);
	now = ktime_get_ns();
	byte = !!(pit->s.flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON) << 1 | c->gate |
		output(c, now) << 5;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
	/* DRAM refresh toggles every 15 us or so: 2^14 ns */
	*(u8 *)val = byte | ((now >> 14) & 1) << 4;
	return 0;
}

static const struct lodge_iodev_ops pit_ops = {
	.read = pit_read,
	.write = pit_write,
};

static const struct lodge_iodev_ops speaker_ops = {
	.read = speaker_read,
	.write = speaker_write,
};

void lodge_pit_get_state(struct lodge_pit *pit, struct kvm_pit_state2 *s)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->lock, flags);
	*s = pit->s;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}

/*
 * Channel 0 goes on in the phase that it had, if it was loaded by this host's
 * clock; else it starts now.
 */
void lodge_pit_set_state(struct lodge_pit *pit, const struct kvm_pit_state2 *s)
{
	u64 now = ktime_get_ns();
	unsigned long flags;
	int i;

	raw_spin_lock_irqsave(&pit->lock, flags);
	memcpy(pit->s.channels, s->channels, sizeof(pit->s.channels));
	pit->s.flags = s->flags &
		(KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON);
	for (i = 0; i < 3; i++) {
		struct kvm_pit_channel_state *c = &pit->s.channels[i];

		/* What the port registers can't make, no launcher may set. */
		c->count = c->count & 0xffff ?: 0x10000;
		c->bcd &= 1;
		c->gate &= 1;
		/* As in KVM the tick's period begins anew. */
		if (!i || (u64)c->count_load_time > now)
			c->count_load_time = now;
	}
	arm(pit);
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}

/* Forget the ticks that wait: the guest has asked for that by its mask. */
void lodge_pit_unmasked(struct lodge_pit *pit)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pit->lock, flags);
	pit->pending = 0;
	pit->acked = true;
	raw_spin_unlock_irqrestore(&pit->lock, flags);
}

void lodge_pit_reinject(struct lodge_pit *pit, bool on)
{
	WRITE_ONCE(pit->reinject, on);
	lodge_pit_unmasked(pit);
}

int lodge_pit_create(struct lodge_vm *vm, u32 flags)
{
	struct lodge_pit *pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	int i, ret;

	if (!pit)
		return -ENOMEM;
	pit->vm = vm;
	raw_spin_lock_init(&pit->lock);
	hrtimer_init(&pit->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	pit->timer.function = pit_fn;
	pit->dev.ops = &pit_ops;
	pit->speaker.ops = &speaker_ops;
	pit->reinject = true;
	pit->ack.gsi = LODGE_PIT_GSI;
	pit->ack.fn = pit_acked;
	for (i = 0; i < 3; i++) {
		pit->s.channels[i].mode = 0xff;	/* till the guest says: no timer */
		pit->s.channels[i].gate = i != 2;
		pit->s.channels[i].count = 0x10000;
		pit->s.channels[i].count_load_time = ktime_get_ns();
	}
	ret = lodge_bus_add(vm, LODGE_BUS_PIO, 0x40, 4, &pit->dev);
	if (!ret && flags & KVM_PIT_SPEAKER_DUMMY)
		ret = lodge_bus_add(vm, LODGE_BUS_PIO, PORT_SPEAKER, 1,
				    &pit->speaker);
	if (ret) {
		lodge_bus_del(vm, LODGE_BUS_PIO, &pit->dev);
		kfree(pit);
		return ret;
	}
	lodge_irq_ack_add(vm, &pit->ack);
	vm->irq.pit = pit;
	return 0;
}

/* No more ticks. The vCPUs no longer run, so nobody arms it again. */
void lodge_pit_stop(struct lodge_vm *vm)
{
	if (vm->irq.pit)
		hrtimer_cancel(&vm->irq.pit->timer);
}
