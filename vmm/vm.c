/* SPDX-License-Identifier: MIT */
#include "vmm/vm.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/acpi/acpi.h"
#include "vmm/console.h"
#include "vmm/cpuid.h"
#include "vmm/debug/report.h"
#include "vmm/debug/server.h"
#include "vmm/debug/trace.h"
#include "vmm/dev/pm.h"
#include "vmm/dev/watchdog.h"
#include "vmm/devices.h"
#include "vmm/load/load.h"
#include "vmm/mshv.h"
#include "vmm/signals.h"
#include "vmm/stats.h"
#include "vmm/thread.h"
#include "vmm/vcpu.h"

#define REPORTED_MAX 4U /* processors */

struct vm {
	struct machine machine;
	const struct vm_config *config;
	struct memory memory;
	struct boot_entry entry;
	struct mshv_partition *partition;
	atomic_int end; /* enum vm_end */
	bool shutting_down;
	bool preserved;		  /* it has ended, and stays as it is */
	struct loop_source grace; /* timer of shut_down() */
	struct vcpu_stats *stats; /* an array, or NULL: not wanted */
	struct trace *trace;	  /* NULL: not wanted */
	struct server *server;	  /* for a debugger; NULL: not wanted */
	unsigned int vcpu_count;
	struct vcpu vcpu[];
};

static int host_error(int *code, const char *what, int error)
{
	log_error("%s (%s)", what, strerror(-error));
	*code = VMMCTL_BAD_HOST;
	return -1;
}

/* --- the end --- */

static enum vm_policy policy(const struct vm_config *c, enum vm_end why)
{
	switch (why) {
	case VM_END_RESET:
		return c->on_reset;
	case VM_END_CRASH:
		return c->on_crash;
	case VM_END_WATCHDOG:
		return c->on_watchdog;
	default:
		return VM_POLICY_END;
	}
}

static void end(struct machine *m, enum vm_end why)
{
	struct vm *vm = container_of(m, struct vm, machine);
	int running = VM_END_NONE;

	if (policy(vm->config, why) == VM_POLICY_IGNORE)
		return;
	/* The first reason counts; what follows is its consequence. */
	if (!atomic_compare_exchange_strong(&vm->end, &running, (int)why))
		return;
	/*
	 * Above all the processor that asked for it: it would run the guest on until
	 * the main thread came to stop it.
	 */
	vcpu_ask_all(vm->vcpu, vm->vcpu_count);
	/* Before the main thread kicks this one: a signal costs a line. */
	if ((why == VM_END_CRASH || why == VM_END_INTERNAL) && vcpu_current())
		report_crash(vcpu_current());
	loop_stop(m->loop);
}

/* The user's wish that nobody asks the guest about. */
static void kill_guest(struct vm *vm)
{
	if (vm->preserved)
		loop_stop(vm->machine.loop);
	else
		end(&vm->machine, VM_END_KILLED);
}

static void grace_over(struct loop_source *s, uint32_t events)
{
	struct vm *vm = s->arg;

	(void)events;
	log_warn("guest did not switch off (%u s)", vm->config->grace_s);
	kill_guest(vm);
}

/*
 * A signal asks for the end: press the power button; after the grace time of the
 * configuration, or at the second call, the machine ends with VM_END_KILLED.
 */
static void shut_down(void *arg)
{
	struct vm *vm = arg;
	struct itimerspec after = { .it_value.tv_sec = vm->config->grace_s };

	if (vm->shutting_down || vm->preserved || !vm->config->grace_s) {
		kill_guest(vm);
		return;
	}
	vm->shutting_down = true;
	if (timerfd_settime(vm->grace.fd, 0, &after, NULL))
		end(&vm->machine, VM_END_KILLED);
	log_info("power button pressed (%u s until the end)", vm->config->grace_s);
	pm_press_power_button(vm->machine.pm);
}

static void leave(void *arg)
{
	kill_guest(arg);
}

/* --- putting it together --- */

/* Memory, and all that is in it when the guest starts: tables, kernel, initrd. */
static int fill_memory(struct vm *vm, int *code)
{
	const struct vm_config *c = vm->config;
	struct load_request request = {
		.kernel = c->kernel,
		.initrd = c->initrd,
		.cmdline = c->cmdline,
	};
	int ret;

	ret = memory_init(&vm->memory, c->memory);
	if (!ret)
		ret = memory_prepare(&vm->memory, c->huge_pages, c->prefault);
	if (ret)
		return host_error(code, "no memory for the guest", ret);
	vm->machine.memory = &vm->memory;
	ret = acpi_build(&vm->memory, c->cpus.count, config_has(c, &watchdog_device),
			 &request.rsdp);
	if (!ret)
		ret = load_guest(&vm->memory, &request, &vm->entry);
	if (ret == 0)
		return 0;
	if (ret == -EFAULT)
		log_error("too little memory for the guest's tables");
	*code = config_is_at_fault(ret) ? VMMCTL_BAD_CONFIG : VMMCTL_BAD_HOST;
	return -1;
}

/*
 * May a thread run there? Only trying tells: a processor may be offline, or not ours
 * by the cpuset we are in.
 */
static int check_pins(const struct cpus *c, int *code)
{
	cpu_set_t before;
	int ret = 0;

	if (c->pin_count && sched_getaffinity(0, sizeof(before), &before))
		return host_error(code, "affinity cannot be read", -errno);
	for (unsigned int i = 0; i < c->pin_count && !ret; i++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(c->pin[i], &set);
		ret = sched_setaffinity(0, sizeof(set), &set);
		if (ret)
			log_error("processor cannot be pinned (%u to %u of the host: %s)", i,
				  c->pin[i], strerror(errno));
	}
	if (c->pin_count)
		sched_setaffinity(0, sizeof(before), &before);
	if (ret)
		*code = VMMCTL_BAD_CONFIG;
	return ret;
}

static const char *why_no_partition(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return "no hypervisor, or not its root partition";
	case -EACCES:
	case -EPERM:
		return "no permission, root is needed";
	case -ENOMEM:
		return "the hypervisor has no memory left";
	default:
		return strerror(-error);
	}
}

static int create_partition(struct vm *vm, int *code)
{
	int ret = 0;

	vm->partition = mshv_create(vm->config->mshv, &ret);
	if (!vm->partition) {
		log_error("hypervisor cannot be used (%s: %s)", vm->config->mshv,
			  why_no_partition(ret));
		*code = VMMCTL_BAD_HOST;
		return -1;
	}
	for (unsigned int i = 0; i < vm->memory.region_count; i++) {
		const struct mem_region *r = &vm->memory.region[i];

		ret = mshv_map(vm->partition, r->start, r->host, r->size);
		if (ret)
			return host_error(code, "guest memory cannot be mapped", ret);
	}
	return 0;
}

/* Buses, interrupts, the device thread's loop, console, devices. */
static int create_machine(struct vm *vm, int *code)
{
	struct machine *m = &vm->machine;
	struct console_setup console = {
		.in = STDIN_FILENO,
		.out = STDOUT_FILENO,
		.leave = leave,
		.arg = vm,
	};
	int ret;

	m->config = vm->config;
	m->end = end;
	m->ports = bus_create("ports");
	m->mmio = bus_create("mmio");
	m->irq = irq_create(vm->partition);
	if (!m->ports || !m->mmio || !m->irq)
		return host_error(code, "no memory for the machine", -ENOMEM);
	m->loop = loop_create();
	if (!m->loop)
		return host_error(code, "no device thread", -errno);
	vm->grace = (struct loop_source){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		.ready = grace_over,
		.arg = vm,
	};
	if (vm->grace.fd < 0)
		return host_error(code, "no timer", -errno);
	ret = loop_add(m->loop, &vm->grace, EPOLLIN);
	if (!ret)
		ret = signals_watch(m->loop, shut_down, vm);
	if (ret)
		return host_error(code, "device thread cannot be set up", ret);
	console.loop = m->loop;
	m->console = console_open(&console, &ret);
	if (!m->console)
		return host_error(code, "console cannot be set up", ret);
	ret = devices_create(m);
	if (ret == 0)
		return 0;
	*code = config_is_at_fault(ret) ? VMMCTL_BAD_CONFIG : VMMCTL_BAD_HOST;
	return -1;
}

static int open_trace(struct vm *vm, int *code)
{
	int ret;

	if (!vm->config->trace)
		return 0;
	vm->trace = trace_open(vm->config->trace, &ret);
	if (vm->trace)
		return 0;
	log_error("trace cannot be written (%s: %s)", vm->config->trace, strerror(-ret));
	*code = config_is_at_fault(ret) ? VMMCTL_BAD_CONFIG : VMMCTL_BAD_HOST;
	return -1;
}

static int open_server(struct vm *vm, int *code)
{
	const struct server_setup setup = {
		.machine = &vm->machine,
		.partition = vm->partition,
		.vcpu = vm->vcpu,
		.count = vm->vcpu_count,
		.where = vm->config->gdb,
		.wait = vm->config->gdb_wait,
	};
	int ret;

	if (!setup.where)
		return 0;
	vm->server = server_open(&setup, &ret);
	if (vm->server)
		return 0;
	log_error("debugger cannot connect (%s: %s)", setup.where, strerror(-ret));
	*code = config_is_at_fault(ret) ? VMMCTL_BAD_CONFIG : VMMCTL_BAD_HOST;
	return -1;
}

static int create_vcpus(struct vm *vm, int *code)
{
	struct hv_register_assoc reg[BOOT_REGISTERS_MAX];
	const struct cpus *cpus = &vm->config->cpus;
	struct cpuid cpuid;
	unsigned int n;
	int ret;

	if (vm->config->stats) {
		vm->stats = stats_create(cpus->count);
		if (!vm->stats)
			return host_error(code, "no memory for statistics", -ENOMEM);
	}
	for (unsigned int i = 0; i < cpus->count; i++) {
		ret = vcpu_create(&vm->vcpu[i], &vm->machine, vm->partition, i);
		if (ret)
			return host_error(code, "processor cannot be created", ret);
		if (vm->stats)
			vm->vcpu[i].stats = &vm->stats[i];
		vm->vcpu[i].trace = vm->trace;
		if (cpus->pin_count)
			vm->vcpu[i].pin = &cpus->pin[i % cpus->pin_count];
		vm->vcpu_count++;
		ret = i ? 0 : cpuid_init(&cpuid, cpus, vm->vcpu[0].vp);
		if (!ret)
			ret = cpuid_set(&cpuid, vm->vcpu[i].vp, i);
		if (ret)
			return host_error(code, "processor's topology cannot be set", ret);
		n = boot_registers(&vm->entry, i, reg);
		ret = mshv_vp_set(vm->vcpu[i].vp, reg, n);
		if (ret)
			return host_error(code, "registers cannot be set", ret);
	}
	return 0;
}

struct vm *vm_create(const struct vm_config *c, int *code)
{
	struct vm *vm = calloc(1, sizeof(*vm) + c->cpus.count * sizeof(vm->vcpu[0]));

	if (!vm) {
		host_error(code, "no memory for the machine", -ENOMEM);
		return NULL;
	}
	vm->config = c;
	vm->grace.fd = -1;
	/* What is the user's fault shows first, whatever the host is like. */
	if (check_pins(&c->cpus, code) || fill_memory(vm, code) || create_partition(vm, code) ||
	    create_machine(vm, code) || open_trace(vm, code) || create_vcpus(vm, code) ||
	    open_server(vm, code)) {
		vm_destroy(vm);
		return NULL;
	}
	return vm;
}

static uint64_t us_between(const struct timespec *a, const struct timespec *b)
{
	return (uint64_t)((b->tv_sec - a->tv_sec) * 1000000 + (b->tv_nsec - a->tv_nsec) / 1000);
}

/*
 * Nothing of the guest moves any more, its devices included. What is left is its
 * memory and registers, until somebody has looked and says so by a signal.
 */
static void preserve(struct vm *vm)
{
	vm->preserved = true;
	devices_destroy(&vm->machine);
	log_warn("guest is preserved (SIGTERM ends it)");
	loop_run(vm->machine.loop);
}

/* Where the processors were when nobody said anything; of many, the first tell enough. */
static void report_hang(struct vm *vm)
{
	for (unsigned int i = 0; i < MIN(vm->vcpu_count, REPORTED_MAX); i++)
		report_crash(&vm->vcpu[i]);
}

enum vmmctl_exit vm_exit_code(enum vm_end why)
{
	static const enum vmmctl_exit codes[] = {
		[VM_END_NONE] = VMMCTL_INTERNAL,     [VM_END_POWER_OFF] = VMMCTL_POWERED_OFF,
		[VM_END_RESET] = VMMCTL_RESET,	     [VM_END_CRASH] = VMMCTL_CRASHED,
		[VM_END_WATCHDOG] = VMMCTL_WATCHDOG, [VM_END_KILLED] = VMMCTL_KILLED,
		[VM_END_INTERNAL] = VMMCTL_INTERNAL,
	};

	return codes[why];
}

enum vm_end vm_run(struct vm *vm)
{
	struct timespec before, after;
	enum vm_end why;
	int ret;

	vcpu_prepare_kick();
	ret = threads_release();
	if (ret) {
		log_error("no thread for a device (%s)", strerror(-ret));
		end(&vm->machine, VM_END_INTERNAL);
	}
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		ret = vcpu_start(&vm->vcpu[i]);
		if (ret) {
			log_error("no thread for a processor (%s)", strerror(-ret));
			end(&vm->machine, VM_END_INTERNAL);
		}
	}
	log_info("running (%s, %u processors, %llu MiB)", vm->config->name, vm->vcpu_count,
		 (unsigned long long)vm->memory.total >> 20);
	filter_apply(FILTER_MAIN);
	ret = loop_run(vm->machine.loop);
	if (ret) {
		log_error("device thread failed (%s)", strerror(-ret));
		end(&vm->machine, VM_END_INTERNAL);
	}
	if (vm->server)
		server_close(vm->server, vm_exit_code((enum vm_end)atomic_load(&vm->end)));
	clock_gettime(CLOCK_MONOTONIC, &before);
	vcpu_stop_all(vm->vcpu, vm->vcpu_count);
	clock_gettime(CLOCK_MONOTONIC, &after);
	if (vm->trace)
		trace_close(vm->trace);
	if (vm->stats)
		stats_print(vm->stats, vm->vcpu_count, &vm->machine, us_between(&before, &after));
	why = (enum vm_end)atomic_load(&vm->end);
	if (why == VM_END_WATCHDOG)
		report_hang(vm);
	if (policy(vm->config, why) == VM_POLICY_PRESERVE && !vm->shutting_down)
		preserve(vm);
	return why;
}

/*
 * Memory is left to the end of the process. What matters is that the guest's
 * data and output are out, and that the partition goes down processors first.
 */
void vm_destroy(struct vm *vm)
{
	if (vm->machine.config)
		devices_destroy(&vm->machine);
	if (vm->machine.console)
		console_close(vm->machine.console);
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		vcpu_destroy(&vm->vcpu[i]);
	mshv_destroy(vm->partition);
}
