/* SPDX-License-Identifier: MIT */
#include "vmm/exit.h"

#include <stdio.h>
#include <string.h>

#include "vmm/debug/control.h"
#include "vmm/debug/trace.h"
#include "vmm/log.h"
#include "vmm/stats.h"
#include "vmm/vcpu.h"

#define FAULT_DB      1
#define FAULT_UD      6
#define RFLAGS_TF     BIT64(8)
#define RFLAGS_RF     BIT64(16)

/* A guest can do it all the time; the log shows the first few. */
#define UNKNOWN_SHOWN 4

static void end_internal(struct vcpu *v, const char *what, int error)
{
	log_error("%s (processor %u: %s)", what, v->index, strerror(-error));
	v->machine->end(v->machine, VM_END_INTERNAL);
}

/* --- what the emulator reaches --- */

/* For the trace; stores cost less than to ask whether there is one. */
static void note(struct vcpu *v, unsigned int size, uint64_t val)
{
	v->access.value = val;
	v->access.size = (uint8_t)size;
	v->access.count++;
}

static void *bus_ram(void *arg, uint64_t addr, uint64_t len)
{
	const struct vcpu *v = arg;

	return memory_at(v->machine->memory, gpa(addr), len);
}

static uint64_t bus_mmio_read(void *arg, uint64_t addr, unsigned int size)
{
	struct vcpu *v = arg;
	uint64_t val;

	if (!bus_read(v->machine->mmio, addr, size, &val))
		log_debug("nothing there (read of %u at 0x%llx)", size, (unsigned long long)addr);
	note(v, size, val);
	return val;
}

static void bus_mmio_write(void *arg, uint64_t addr, unsigned int size, uint64_t val)
{
	struct vcpu *v = arg;

	if (!bus_write(v->machine->mmio, addr, size, val))
		log_debug("nothing there (write of %u at 0x%llx)", size, (unsigned long long)addr);
	note(v, size, val);
}

static uint64_t bus_port_read(void *arg, uint16_t port, unsigned int size)
{
	struct vcpu *v = arg;
	uint64_t val;

	bus_read(v->machine->ports, port, size, &val);
	note(v, size, val);
	return val;
}

static void bus_port_write(void *arg, uint16_t port, unsigned int size, uint64_t val)
{
	struct vcpu *v = arg;

	bus_write(v->machine->ports, port, size, val);
	note(v, size, val);
}

static bool bus_vectors_get(void *arg, struct insn_vectors *vectors)
{
	struct vcpu *v = arg;
	int ret = vcpu_get_vectors(v, vectors);

	if (ret)
		end_internal(v, "vector registers cannot be read", ret);
	return !ret;
}

static void bus_vectors_put(void *arg, const struct insn_vectors *vectors)
{
	struct vcpu *v = arg;
	int ret = vcpu_put_vectors(v, vectors);

	if (ret)
		end_internal(v, "vector registers cannot be written", ret);
}

/* Ports for an exit at a port only: then the processor found that the guest may use it. */
static struct insn_bus machine_bus(struct vcpu *v)
{
	bool ports = v->message.header.type == HV_MESSAGE_X64_IO_PORT_INTERCEPT;

	return (struct insn_bus){
		.arg = v,
		.ram = bus_ram,
		.mmio_read = bus_mmio_read,
		.mmio_write = bus_mmio_write,
		.port_read = ports ? bus_port_read : NULL,
		.port_write = ports ? bus_port_write : NULL,
		.vectors_get = bus_vectors_get,
		.vectors_put = bus_vectors_put,
	};
}

/* --- emulation --- */

static void describe_bytes(char *text, size_t size, const uint8_t *bytes, unsigned int len)
{
	size_t n = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < len && n + 4 < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%s%02x", i ? " " : "", bytes[i]);
}

/*
 * What a processor does with an instruction it does not know. The guest will
 * say where it happened; we say which instruction.
 */
static struct insn_fault unknown_instruction(struct vcpu *v, const struct insn_cpu *cpu,
					     const uint8_t *bytes, unsigned int len)
{
	char text[64];

	if (v->unknown_count++ < UNKNOWN_SHOWN) {
		describe_bytes(text, sizeof(text), bytes, len);
		log_warn("instruction not emulated (processor %u, rip 0x%llx, %s)", v->index,
			 (unsigned long long)cpu->rip, text);
	}
	return (struct insn_fault){ .vector = FAULT_UD };
}

static void emulate(struct vcpu *v, const uint8_t *bytes, unsigned int len)
{
	struct insn_bus bus = machine_bus(v);
	struct insn_fault fault;
	struct insn_cpu cpu;
	enum insn_result r;
	int ret;

	stats_count(v->stats, STATS_EMULATED);
	len = MIN(len, 16U);
	ret = vcpu_get(v, &cpu);
	if (ret) {
		end_internal(v, "registers cannot be read", ret);
		return;
	}
	r = insn_emulate(&cpu, &bus, bytes, len, &fault);
	if (r == INSN_UNKNOWN)
		fault = unknown_instruction(v, &cpu, bytes, len);
	/* What faults push has RFLAGS.RF set: a breakpoint there is hit once. */
	if (r == INSN_FAULT || r == INSN_UNKNOWN)
		cpu.rflags |= RFLAGS_RF;
	ret = vcpu_put(v, &cpu);
	if (!ret && r != INSN_DONE)
		ret = vcpu_inject(v, &fault);
	if (ret)
		end_internal(v, "registers cannot be written", ret);
}

/* --- messages --- */

static void unexpected(struct vcpu *v)
{
	log_error("unexpected message (processor %u, type 0x%x)", v->index, v->message.header.type);
	v->machine->end(v->machine, VM_END_INTERNAL);
}

static void handle_memory(struct vcpu *v)
{
	const struct hv_x64_memory_intercept *m = (const void *)v->message.payload;

	/*
	 * RAM the kernel could not bring in just now, for lack of memory: the
	 * guest tries again, as a process that faults would.
	 */
	if (memory_at(v->machine->memory, gpa(m->gpa), 1)) {
		stats_count(v->stats, STATS_RAM_LATE);
		log_debug("memory not there yet (0x%llx)", (unsigned long long)m->gpa);
		return;
	}
	if (v->stats)
		stats_access(&v->stats->mmio, v->machine->mmio, m->gpa,
			     m->header.access == HV_ACCESS_WRITE);
	log_debug("mmio (%s 0x%llx, rip 0x%llx)",
		  m->header.access == HV_ACCESS_WRITE ? "write" : "read",
		  (unsigned long long)m->gpa, (unsigned long long)m->header.rip);
	emulate(v, m->insn_bytes, m->insn_byte_count);
}

/* IN and OUT of the accumulator; the common exit of a guest's console. */
static int simple_io(struct vcpu *v, const struct hv_x64_io_port_intercept *m, unsigned int size)
{
	unsigned int length = m->header.length_cr8 & 0xf;
	uint64_t rip = m->header.rip + length;
	uint64_t mask = size == 4 ? 0xffffffffU : BIT64(size * 8) - 1;
	uint64_t val, rax;

	if (m->header.access == HV_ACCESS_WRITE) {
		bus_write(v->machine->ports, m->port, size, m->rax & mask);
		note(v, size, m->rax & mask);
		return vcpu_skip(v, rip, NULL);
	}
	bus_read(v->machine->ports, m->port, size, &val);
	note(v, size, val);
	/* A 32-bit result clears the upper half, smaller ones leave it. */
	rax = size == 4 ? val : (m->rax & ~mask) | val;
	return vcpu_skip(v, rip, &rax);
}

/* An instruction is done whose RFLAGS were a debugger's: one with a breakpoint at it, a step. */
static int debugged(struct vcpu *v, uint64_t rflags)
{
	int ret = rflags & RFLAGS_RF ? vcpu_set_rflags(v, rflags & ~RFLAGS_RF) : 0;

	if (!ret && rflags & RFLAGS_TF)
		ret = vcpu_inject(v, &(struct insn_fault){ .vector = FAULT_DB });
	return ret;
}

static void handle_io(struct vcpu *v)
{
	const struct hv_x64_io_port_intercept *m = (const void *)v->message.payload;
	unsigned int size = m->access_info & HV_IO_SIZE_MASK;
	int ret;

	if (v->stats)
		stats_access(&v->stats->ports, v->machine->ports, m->port,
			     m->header.access == HV_ACCESS_WRITE);
	log_debug("port (%s 0x%x, %u)", m->header.access == HV_ACCESS_WRITE ? "write" : "read",
		  m->port, size);
	if (m->access_info & HV_IO_STRING) {
		emulate(v, m->insn_bytes, m->insn_byte_count);
		return;
	}
	if (size != 1 && size != 2 && size != 4) {
		log_error("malformed port message (size %u)", size);
		v->machine->end(v->machine, VM_END_INTERNAL);
		return;
	}
	ret = simple_io(v, m, size);
	if (!ret && m->header.rflags & (RFLAGS_RF | RFLAGS_TF))
		ret = debugged(v, m->header.rflags);
	if (ret)
		end_internal(v, "registers cannot be written", ret);
}

static void handle_eoi(struct vcpu *v)
{
	const struct hv_x64_apic_eoi *m = (const void *)v->message.payload;

	irq_eoi(v->machine->irq, (uint8_t)m->vector);
}

static void crash(struct vcpu *v, const char *how)
{
	log_warn("guest crashed (processor %u, %s)", v->index, how);
	if (v->control)
		control_crash(v);
	v->machine->end(v->machine, VM_END_CRASH);
}

static void handle_crash(struct vcpu *v)
{
	crash(v, "triple fault");
}

static void handle_bad_state(struct vcpu *v)
{
	crash(v, "register state no processor can run");
}

/* We asked for none; a debugger may have. */
static void handle_exception(struct vcpu *v)
{
	if (v->control)
		control_exception(v);
	else
		unexpected(v);
}

static const struct {
	uint32_t type; /* enum hv_message_type */
	void (*handle)(struct vcpu *v);
	enum stats_event event;
} handlers[] = {
	{ HV_MESSAGE_X64_IO_PORT_INTERCEPT, handle_io, STATS_EXIT_PORT },
	{ HV_MESSAGE_UNMAPPED_GPA, handle_memory, STATS_EXIT_MEMORY },
	{ HV_MESSAGE_GPA_INTERCEPT, handle_memory, STATS_EXIT_MEMORY },
	{ HV_MESSAGE_X64_APIC_EOI, handle_eoi, STATS_EXIT_EOI },
	{ HV_MESSAGE_X64_EXCEPTION_INTERCEPT, handle_exception, STATS_EXIT_DEBUG },
	{ HV_MESSAGE_UNRECOVERABLE_EXCEPTION, handle_crash, STATS_EXIT_END },
	{ HV_MESSAGE_INVALID_VP_REGISTER_VALUE, handle_bad_state, STATS_EXIT_END },
};

static void handle(struct vcpu *v)
{
	uint32_t type = v->message.header.type;

	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++) {
		if (handlers[i].type == type) {
			stats_count(v->stats, handlers[i].event);
			handlers[i].handle(v);
			return;
		}
	}
	unexpected(v);
}

void exit_handle(struct vcpu *v)
{
	handle(v);
	if (v->trace)
		trace_exit(v);
}
