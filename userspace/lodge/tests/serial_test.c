// SPDX-License-Identifier: GPL-2.0-only
/*
 * The serial line, as a driver sees it.
 */
#include <linux/serial_reg.h>
#include <string.h>
#include <unistd.h>

#include "fake_irq.h"
#include "lodge.h"
#include "tap.h"

#define PORT	0x3f8
#define IRQ	4

static struct vm vm;
static struct serial *s;
static char got_line[64];

static void out(unsigned int reg, uint8_t v)
{
	bus_access(&vm.pio, PORT + reg, &v, 1, true);
}

static uint8_t in(unsigned int reg)
{
	uint8_t v;

	bus_access(&vm.pio, PORT + reg, &v, 1, false);
	return v;
}

static void on_line(struct vm *machine, const char *text)
{
	(void)machine;
	strncpy(got_line, text, sizeof(got_line) - 1);
}

static void test_output(void)
{
	char buf[16] = "";
	int fd[2];

	if (pipe(fd))
		abort();
	serial_attach(s, fd[1]);
	out(UART_TX, 'h');
	out(UART_TX, 'i');
	check(in(UART_LSR) == (UART_LSR_TEMT | UART_LSR_THRE),
	      "the transmitter is always empty");
	out(UART_TX, '\n');
	check(read(fd[0], buf, sizeof(buf)) == 3 && !strcmp(buf, "hi\n"),
	      "a line is written at once");
	out(UART_TX, '$');
	serial_flush_all();
	check(read(fd[0], buf, sizeof(buf)) == 1 && buf[0] == '$',
	      "what is no line is flushed at the end");
	serial_attach(s, -1);
	serial_on_line(s, on_line);
	for (const char *p = "\r\n42\r\n"; *p; p++)
		out(UART_TX, *p);
	check(!strcmp(got_line, "42"), "a listener gets lines, bare");
}

static void test_registers(void)
{
	out(UART_LCR, UART_LCR_DLAB | 3);
	out(UART_DLL, 12);
	out(UART_DLM, 1);
	check(in(UART_DLL) == 12 && in(UART_DLM) == 1, "the divisor");
	out(UART_LCR, 3);
	check(in(UART_LCR) == 3 && in(UART_IER) == 0, "is a bank of its own");
	out(UART_SCR, 0xa5);
	check(in(UART_SCR) == 0xa5, "the scratch register keeps");
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	check((in(UART_IIR) & 0xc0) == 0xc0, "a 16550A shows its FIFOs");
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
	check(in(UART_MSR) == (UART_MSR_CTS | UART_MSR_DCD),
	      "looped back, modem lines follow");
	out(UART_TX, 'x');
	check(in(UART_RX) == 'x', "and so do characters");
	out(UART_MCR, UART_MCR_OUT2);
}

static void test_input(void)
{
	static const uint8_t keys[20] = "0123456789abcdefghij";
	unsigned int i;

	out(UART_IER, UART_IER_RDI | UART_IER_RLSI);
	check(!fake_level[IRQ], "no key, no interrupt");
	check(serial_input(s, keys, 20) == 16, "the FIFO takes 16");
	check(fake_level[IRQ] && (in(UART_IIR) & 0xf) == UART_IIR_RDI,
	      "and interrupts");
	check(!serial_input(s, keys + 16, 4), "full, it takes no more");
	for (i = 0; i < 16 && in(UART_RX) == keys[i]; i++)
		;
	check(i == 16 && !(in(UART_LSR) & UART_LSR_DR), "all come, in order");
	check(!fake_level[IRQ] && in(UART_RX) == 0, "and then nothing");
	serial_break(s);
	check((in(UART_IIR) & 0xf) == UART_IIR_RLSI &&
	      in(UART_LSR) & UART_LSR_BI && in(UART_RX) == 0, "a break");
	check(!fake_level[IRQ], "is acknowledged by the reads");
}

static void test_transmit_interrupt(void)
{
	out(UART_IER, 0);
	out(UART_IER, UART_IER_THRI);
	check(fake_level[IRQ], "enabling it while empty raises it");
	check((in(UART_IIR) & 0xf) == UART_IIR_THRI && !fake_level[IRQ],
	      "reading its cause lowers it");
	check((in(UART_IIR) & 0xf) == UART_IIR_NO_INT, "once");
	out(UART_TX, 'x');
	check(fake_level[IRQ], "a character sent raises it again");
	out(UART_MCR, 0);
	check(!fake_level[IRQ], "OUT2 gates the line");
}

int main(void)
{
	bus_init(&vm.pio);
	loop_init(&vm.loop);
	s = serial_create(&vm, PORT, IRQ);
	test_output();
	test_registers();
	test_input();
	test_transmit_interrupt();
	return done();
}
