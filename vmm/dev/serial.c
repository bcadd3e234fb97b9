/* SPDX-License-Identifier: MIT */
/*
 * 16550A as its datasheet ("PC16550D") has it, except that nothing takes time:
 * a byte written is out at once unless the console is full, and the receiver
 * never overruns because the console waits for room.
 */
#include "vmm/dev/serial.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "abi/platform.h"
#include "vmm/console.h"
#include "vmm/device.h"

#define FIFO_BYTES 16

enum {
	REG_DATA, /* RBR, THR; DLAB: divisor low */
	REG_IER,  /* DLAB: divisor high */
	REG_IIR,  /* write: FCR */
	REG_LCR,
	REG_MCR,
	REG_LSR,
	REG_MSR,
	REG_SCR,
	REG_COUNT,
};

#define IER_RX		  0x01
#define IER_TX		  0x02
#define IER_LINE	  0x04
#define IER_MODEM	  0x08
#define IER_BITS	  0x0f

#define IIR_NONE	  0x01
#define IIR_MODEM	  0x00
#define IIR_TX		  0x02
#define IIR_RX		  0x04
#define IIR_LINE	  0x06
#define IIR_RX_TIMEOUT	  0x0c
#define IIR_FIFOS	  0xc0

#define FCR_ENABLE	  0x01
#define FCR_CLEAR_RX	  0x02
#define FCR_TRIGGER_SHIFT 6

#define LCR_DLAB	  0x80

#define MCR_DTR		  0x01
#define MCR_RTS		  0x02
#define MCR_OUT1	  0x04
#define MCR_OUT2	  0x08 /* gates the interrupt line on a PC */
#define MCR_LOOP	  0x10
#define MCR_BITS	  0x1f

#define LSR_DATA	  0x01
#define LSR_OVERRUN	  0x02
#define LSR_TX_EMPTY	  0x60 /* holding register and shifter */

#define MSR_DELTAS	  0x0f
#define MSR_CTS		  0x10
#define MSR_DSR		  0x20
#define MSR_RI		  0x40
#define MSR_DCD		  0x80
/* A peer that is always there and always willing. */
#define MSR_PEER	  (MSR_CTS | MSR_DSR | MSR_DCD)

struct serial {
	struct irq *irq;
	struct console *console;
	pthread_mutex_t lock;
	uint8_t ier, fcr, lcr, mcr, scr;
	uint8_t divisor[2];
	uint8_t msr;
	uint8_t lsr_errors;
	bool tx_pending; /* transmitter empty and not yet told */
	bool tx_busy;	 /* console full */
	uint8_t fifo[FIFO_BYTES];
	unsigned int head, count;
};

static unsigned int fifo_size(const struct serial *s)
{
	return s->fcr & FCR_ENABLE ? FIFO_BYTES : 1;
}

static unsigned int trigger_level(const struct serial *s)
{
	static const uint8_t level[] = { 1, 4, 8, 14 };

	return s->fcr & FCR_ENABLE ? level[s->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* The highest pending source, datasheet "Interrupt Control Functions". */
static uint8_t source(const struct serial *s)
{
	if ((s->ier & IER_LINE) && s->lsr_errors)
		return IIR_LINE;
	if ((s->ier & IER_RX) && s->count)
		/* Below the trigger level the time-out would follow soon. */
		return s->count >= trigger_level(s) ? IIR_RX : IIR_RX_TIMEOUT;
	if ((s->ier & IER_TX) && s->tx_pending)
		return IIR_TX;
	if ((s->ier & IER_MODEM) && (s->msr & MSR_DELTAS))
		return IIR_MODEM;
	return IIR_NONE;
}

static void update_line(struct serial *s)
{
	bool on = source(s) != IIR_NONE && (s->mcr & MCR_OUT2) && !(s->mcr & MCR_LOOP);

	irq_line_set(s->irq, PLATFORM_GSI_COM1, on);
}

static void fifo_put(struct serial *s, uint8_t byte)
{
	if (s->count == fifo_size(s)) {
		s->lsr_errors |= LSR_OVERRUN; /* only by loop-back */
		return;
	}
	s->fifo[(s->head + s->count++) % FIFO_BYTES] = byte;
}

static uint8_t fifo_get(struct serial *s)
{
	uint8_t byte = 0;

	if (s->count) {
		byte = s->fifo[s->head];
		s->head = (s->head + 1) % FIFO_BYTES;
		s->count--;
	}
	return byte;
}

static void set_modem_status(struct serial *s)
{
	uint8_t old = s->msr & (uint8_t)~MSR_DELTAS;
	uint8_t now = MSR_PEER;

	if (s->mcr & MCR_LOOP)
		now = (uint8_t)((s->mcr & MCR_RTS ? MSR_CTS : 0) |
				(s->mcr & MCR_DTR ? MSR_DSR : 0) |
				(s->mcr & MCR_OUT1 ? MSR_RI : 0) |
				(s->mcr & MCR_OUT2 ? MSR_DCD : 0));
	/* Each delta lies four bits below its line; RI counts when it ends. */
	s->msr = (uint8_t)(now | (s->msr & MSR_DELTAS) |
			   ((old ^ now) & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4 |
			   (old & ~now & MSR_RI) >> 4);
}

static void write_data(struct serial *s, uint8_t val)
{
	s->tx_pending = false;
	if (s->mcr & MCR_LOOP) {
		fifo_put(s, val);
		s->tx_pending = true;
		return;
	}
	console_put(s->console, val);
	s->tx_busy = !console_can_put(s->console);
	s->tx_pending = !s->tx_busy;
}

static void write_fcr(struct serial *s, uint8_t val)
{
	/* Switching the FIFOs on or off empties them. */
	if (((val ^ s->fcr) & FCR_ENABLE) || (val & FCR_CLEAR_RX))
		s->count = 0;
	s->fcr = val & FCR_ENABLE ? val : 0;
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t val = s->lsr_errors;

	if (s->count)
		val |= LSR_DATA;
	if (!s->tx_busy)
		val |= LSR_TX_EMPTY;
	s->lsr_errors = 0;
	return val;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t val = source(s);

	/* Reading it acknowledges the transmitter, and nothing else. */
	if (val == IIR_TX)
		s->tx_pending = false;
	return val | (s->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t read_register(struct serial *s, unsigned int reg)
{
	uint8_t val;

	if ((s->lcr & LCR_DLAB) && reg <= REG_IER)
		return s->divisor[reg];
	switch (reg) {
	case REG_DATA:
		return fifo_get(s);
	case REG_IER:
		return s->ier;
	case REG_IIR:
		return read_iir(s);
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		return read_lsr(s);
	case REG_MSR:
		val = s->msr;
		s->msr &= (uint8_t)~MSR_DELTAS;
		return val;
	default:
		return s->scr;
	}
}

static void write_register(struct serial *s, unsigned int reg, uint8_t val)
{
	if ((s->lcr & LCR_DLAB) && reg <= REG_IER) {
		s->divisor[reg] = val;
		return;
	}
	switch (reg) {
	case REG_DATA:
		write_data(s, val);
		break;
	case REG_IER:
		/* Enabling it while the transmitter is empty interrupts. */
		if ((val & ~s->ier & IER_TX) && !s->tx_busy)
			s->tx_pending = true;
		s->ier = val & IER_BITS;
		break;
	case REG_IIR:
		write_fcr(s, val);
		break;
	case REG_LCR:
		s->lcr = val;
		break;
	case REG_MCR:
		s->mcr = val & MCR_BITS;
		set_modem_status(s);
		break;
	case REG_SCR:
		s->scr = val;
		break;
	default: /* LSR and MSR: factory test only */
		break;
	}
}

static uint64_t serial_read(void *dev, uint64_t off, unsigned int size)
{
	struct serial *s = dev;
	uint64_t val = 0;

	/* Wider than a byte: one register after the other, as an ISA bus. */
	pthread_mutex_lock(&s->lock);
	for (unsigned int i = 0; i < size; i++)
		val |= (uint64_t)read_register(s, (unsigned int)off + i) << (8 * i);
	update_line(s);
	pthread_mutex_unlock(&s->lock);
	if (off == REG_DATA)
		console_resume(s->console);
	return val;
}

static void serial_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct serial *s = dev;

	pthread_mutex_lock(&s->lock);
	for (unsigned int i = 0; i < size; i++)
		write_register(s, (unsigned int)off + i, (uint8_t)(val >> (8 * i)));
	update_line(s);
	pthread_mutex_unlock(&s->lock);
	if (off <= REG_MCR) /* FIFO cleared, loop-back ended */
		console_resume(s->console);
}

static const struct bus_ops serial_ops = { serial_read, serial_write };

static size_t room(void *arg)
{
	struct serial *s = arg;
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->mcr & MCR_LOOP ? 0 : fifo_size(s) - s->count;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void receive(void *arg, const uint8_t *data, size_t len)
{
	struct serial *s = arg;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < len; i++)
		fifo_put(s, data[i]);
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

static void drained(void *arg)
{
	struct serial *s = arg;

	pthread_mutex_lock(&s->lock);
	if (s->tx_busy) {
		s->tx_busy = false;
		s->tx_pending = true;
	}
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

int serial_create(struct machine *m)
{
	struct console_client client = {
		.room = room,
		.receive = receive,
		.drained = drained,
	};
	struct bus_range range = {
		.name = "serial",
		.base = PLATFORM_PORT_COM1,
		.size = REG_COUNT,
		.ops = &serial_ops,
	};
	struct serial *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s->irq = m->irq;
	s->console = m->console;
	s->msr = MSR_PEER;
	s->divisor[0] = 12; /* 9600, as after reset of a PC's firmware */
	s->tx_pending = true;
	pthread_mutex_init(&s->lock, NULL);
	range.dev = s;
	ret = bus_add(m->ports, &range);
	if (ret < 0) {
		free(s);
		return ret;
	}
	client.arg = s;
	console_attach(m->console, &client);
	return 0;
}
