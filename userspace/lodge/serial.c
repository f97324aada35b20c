// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 16550A serial line. What the guest sends goes to a descriptor, or line by
 * line to a function; what is sent to it waits in a FIFO of 16 bytes.
 *
 * National Semiconductor's PC16550D data sheet, chapter 8. Sending takes no
 * time, so that the transmitter is always empty; output is gathered until a
 * newline, a full buffer, or a few milliseconds have passed, since a system
 * call for each character is what makes consoles slow.
 */
#include <linux/serial_reg.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "control.h"
#include "lodge.h"
#include "term.h"
#include "util.h"

#define FIFO_SIZE	16
#define OUT_SIZE	1024
#define FLUSH_NS	4000000

struct serial {
	struct vm *vm;
	unsigned int irq;
	pthread_mutex_t lock;
	uint8_t ier, lcr, mcr, scr, fcr, dll, dlm;
	uint8_t lsr_errors;
	bool thre_pending;	/* "transmitter empty" not told of yet */
	bool level;
	uint8_t fifo[FIFO_SIZE];
	unsigned int fifo_len;
	int fd;			/* or -1 */
	bool shown;		/* to who has the console, too */
	void (*line)(struct vm *vm, const char *text);
	char out[OUT_SIZE];
	size_t out_len;
	struct watch timer;
	struct serial *next;
};

static struct serial *all_lines;

static uint8_t pending_interrupt(const struct serial *s)
{
	if (s->ier & UART_IER_RLSI && s->lsr_errors)
		return UART_IIR_RLSI;
	if (s->ier & UART_IER_RDI && s->fifo_len)
		return UART_IIR_RDI;
	if (s->ier & UART_IER_THRI && s->thre_pending)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

static void update_irq(struct serial *s)
{
	/* OUT2 gates the line on a PC. */
	bool level = s->mcr & UART_MCR_OUT2 &&
		pending_interrupt(s) != UART_IIR_NO_INT;

	if (level != s->level)
		irq_line(s->vm, s->irq, level);
	s->level = level;
}

static void flush(struct serial *s)
{
	/* Nobody reads any more: a console does not stop a machine. */
	if (s->out_len && s->fd >= 0 && write_all(s->fd, s->out, s->out_len) < 0)
		s->fd = -1;
	if (s->shown)
		control_output(s->out, s->out_len);
	s->out_len = 0;
}

static void send_line(struct serial *s)
{
	while (s->out_len && strchr("\r\n", s->out[s->out_len - 1]))
		s->out_len--;
	s->out[s->out_len] = 0;
	if (s->out_len)
		s->line(s->vm, s->out);
	s->out_len = 0;
}

static void transmit(struct serial *s, uint8_t c)
{
	const struct itimerspec soon = { .it_value.tv_nsec = FLUSH_NS };

	if (s->fd < 0 && !s->line && !s->shown)
		return;
	s->out[s->out_len++] = c;
	if (s->line) {
		if (c == '\n' || s->out_len == OUT_SIZE - 1)
			send_line(s);
	} else if (c == '\n' || s->out_len == OUT_SIZE) {
		flush(s);
	} else if (s->out_len == 1) {
		timerfd_settime(s->timer.fd, 0, &soon, NULL);
	}
}

static void receive(struct serial *s, uint8_t c)
{
	if (s->fifo_len < FIFO_SIZE)
		s->fifo[s->fifo_len++] = c;
	else
		s->lsr_errors |= UART_LSR_OE;
}

static uint8_t take(struct serial *s)
{
	uint8_t c = s->fifo[0];

	if (!s->fifo_len)
		return 0;
	memmove(s->fifo, s->fifo + 1, --s->fifo_len);
	if (!s->fifo_len)
		term_kick();
	return c;
}

static uint8_t modem_status(const struct serial *s)
{
	uint8_t v = UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;

	if (!(s->mcr & UART_MCR_LOOP))
		return v;
	/* Looped back: DTR to DSR, RTS to CTS, OUT1 to RI, OUT2 to DCD. */
	return (s->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
		(s->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
		(s->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
		(s->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static uint8_t read_register(struct serial *s, unsigned int reg)
{
	bool dlab = s->lcr & UART_LCR_DLAB;
	uint8_t v;

	switch (reg) {
	case UART_RX:
		return dlab ? s->dll : take(s);
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR:
		v = pending_interrupt(s);
		if (v == UART_IIR_THRI)
			s->thre_pending = false;
		return v | (s->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		v = UART_LSR_TEMT | UART_LSR_THRE | s->lsr_errors |
			(s->fifo_len ? UART_LSR_DR : 0);
		s->lsr_errors = 0;
		return v;
	case UART_MSR:
		return modem_status(s);
	default:
		return s->scr;
	}
}

static uint64_t serial_read(void *dev, uint64_t off, unsigned int size)
{
	struct serial *s = dev;
	uint64_t val;

	(void)size;
	pthread_mutex_lock(&s->lock);
	val = read_register(s, off);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
	return val;
}

static void write_register(struct serial *s, unsigned int reg, uint8_t v)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab) {
			s->dll = v;
			break;
		}
		if (s->mcr & UART_MCR_LOOP)
			receive(s, v);
		else
			transmit(s, v);
		s->thre_pending = true;
		break;
	case UART_IER:
		if (dlab) {
			s->dlm = v;
			break;
		}
		/* Enabling it while empty raises it (PC16550D, 8.6.7). */
		if (v & ~s->ier & UART_IER_THRI)
			s->thre_pending = true;
		s->ier = v & 0xf;
		break;
	case UART_FCR:
		s->fcr = v;
		if (v & UART_FCR_CLEAR_RCVR) {
			s->fifo_len = 0;
			term_kick();
		}
		break;
	case UART_LCR:
		s->lcr = v;
		break;
	case UART_MCR:
		s->mcr = v & 0x1f;
		break;
	case UART_SCR:
		s->scr = v;
		break;
	}
}

static void serial_write(void *dev, uint64_t off, uint64_t val,
			 unsigned int size)
{
	struct serial *s = dev;

	(void)size;
	pthread_mutex_lock(&s->lock);
	write_register(s, off, val);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

/** serial_flush_all() - write out what all lines have gathered. */
void serial_flush_all(void)
{
	struct serial *s;

	for (s = all_lines; s; s = s->next) {
		pthread_mutex_lock(&s->lock);
		if (!s->line)
			flush(s);
		pthread_mutex_unlock(&s->lock);
	}
}

static void on_timer(void *arg)
{
	struct serial *s = arg;

	event_clear(s->timer.fd);
	pthread_mutex_lock(&s->lock);
	flush(s);
	pthread_mutex_unlock(&s->lock);
}

/** serial_input() - a term_sink_t: keys for the guest. */
size_t serial_input(void *serial, const uint8_t *data, size_t len)
{
	struct serial *s = serial;
	size_t n;

	pthread_mutex_lock(&s->lock);
	for (n = 0; n < len && s->fifo_len < FIFO_SIZE; n++)
		receive(s, data[n]);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
	return n;
}

/** serial_break() - a break condition, with the zero byte it comes as. */
void serial_break(struct serial *s)
{
	pthread_mutex_lock(&s->lock);
	s->lsr_errors |= UART_LSR_BI;
	receive(s, 0);
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}

/** serial_attach() - output goes to @fd. */
void serial_attach(struct serial *s, int fd)
{
	s->fd = fd;
}

/** serial_show() - output goes to whoever attaches to the console, too. */
void serial_show(struct serial *s)
{
	s->shown = true;
}

/** serial_on_line() - output goes to @line, a line at a time. */
void serial_on_line(struct serial *s,
		    void (*line)(struct vm *vm, const char *text))
{
	s->line = line;
}

/** serial_create() - a line at @port with @irq; its output goes nowhere. */
struct serial *serial_create(struct vm *vm, uint16_t port, unsigned int irq)
{
	struct serial *s = xalloc(1, sizeof(*s));
	struct bus_region region = { port, 8, serial_read, serial_write, s };

	s->vm = vm;
	s->irq = irq;
	s->fd = -1;
	s->dll = 1;
	pthread_mutex_init(&s->lock, NULL);
	s->timer = (struct watch) {
		timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
		on_timer, s };
	loop_add(&vm->loop, &s->timer);
	s->next = all_lines;
	all_lines = s;
	if (bus_add(&vm->pio, &region))
		die("port 0x%x is taken; choose another --exit-port", port);
	return s;
}
