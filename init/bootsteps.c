/* SPDX-License-Identifier: MIT */
#include "init/bootsteps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "init/files.h"
#include "init/log.h"
#include "init/mshv.h"
#include "init/net.h"
#include "init/rescue.h"
#include "init/shutdown.h"
#include "init/sys.h"
#include "lib/conf.h"

/* What stays for the kernel, init, the vmms themselves and the hypervisor. */
/* Drivers look for devices while init starts; what all of them together may take. */
#define DEVICE_WAIT_MS	  5000
#define HOST_MEMORY_BYTES (UINT64_C(64) << 20)

static void on_fault(int signal)
{
	char text[64];

	snprintf(text, sizeof(text), "signal %d in init itself", signal);
	rescue_panic(text);
}

void boot_begin(void)
{
	int64_t now_us = sys_now_us();

	sys_signals_init(on_fault);
	/* ctrl-alt-del becomes a SIGINT to us instead of a reset. */
	reboot(RB_DISABLE_CAD);
	log_event("started (pid 1, at %" PRId64 ".%06d s)", now_us / 1000000,
		  (int)(now_us % 1000000));
}

void boot_console(struct machine *machine)
{
	int fd = open("/dev/console", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	/*
	 * The kernel gave us 0 to 2 if the initramfs has /dev/console; if not,
	 * they must still be taken, or a pipe would get such a number.
	 */
	while (fd >= 0 && fd <= STDERR_FILENO) {
		int next = open("/dev/console", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		fcntl(fd, F_SETFD, 0);
		fcntl(fd, F_SETFL, 0);
		fd = next;
	}
	if (fd < 0) {
		log_event("/dev/console cannot be opened (%s)", strerror(errno));
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	}
	console_init(&machine->console, fd);
	log_to(&machine->console);
}

static void complain(const char *word)
{
	log_event("kernel option not understood: %s (see docs/manifest.md)", word);
}

void boot_options(struct machine *machine)
{
	static char text[4096];
	const char *why;
	size_t length;

	why = files_read("/proc/cmdline", text, sizeof(text) - 1, &length);
	if (why)
		log_event("/proc/cmdline %s", why);
	text[length] = '\0';
	cmdline_parse(&machine->options, text, complain);
	rescue_allow(machine->options.rescue);
}

/* Memory that guests may have altogether; 0 if the kernel does not say. */
static uint64_t guest_memory_bytes(void)
{
	static const char key[] = "MemAvailable:";
	static char text[2048];
	uint64_t available_kib;
	const char *line;
	size_t length;

	if (files_read("/proc/meminfo", text, sizeof(text) - 1, &length))
		return 0;
	text[length] = '\0';
	line = strstr(text, key);
	if (!line || sscanf(line + strlen(key), "%" SCNu64, &available_kib) != 1)
		return 0;
	if (available_kib * 1024 <= HOST_MEMORY_BYTES)
		return VMMCTL_MEMORY_STEP;
	return (available_kib * 1024 - HOST_MEMORY_BYTES) & ~(uint64_t)(VMMCTL_MEMORY_STEP - 1);
}

static const char *check_file(void *context, const char *path, enum manifest_file use)
{
	return files_wait(path, use, context);
}

static void report(void *context, const char *line)
{
	(void)context;
	log_line(line);
}

/* A shell, or what a machine without anybody at its console should do. */
static _Noreturn void give_up(struct machine *machine, enum sys_ending ending)
{
	if (!rescue_is_allowed())
		shutdown_machine(ending, &machine->console);
	console_drain(&machine->console, 1000);
	rescue_shell();
}

/* The file's name without its directory, as people speak of it. */
static const char *short_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void boot_manifest(struct machine *machine)
{
	static char text[MANIFEST_SIZE_MAX + 1];
	struct manifest *manifest = &machine->manifest;
	const char *path = machine->options.manifest;
	unsigned int patience_ms = DEVICE_WAIT_MS;
	const struct manifest_env env = {
		.file = short_name(path),
		.memory_bytes = guest_memory_bytes(),
		.check_file = check_file,
		.report = report,
		.context = &patience_ms,
	};
	enum manifest_result result = MANIFEST_UNUSABLE;
	const char *why;
	size_t length;

	why = files_read(path, text, sizeof(text), &length);
	if (why)
		log_event("manifest %s %s", path, why);
	else
		result = manifest_parse(manifest, text, length, &env);
	if (result == MANIFEST_UNUSABLE) {
		log_event("the manifest cannot be used (no guest is started)");
		give_up(machine, SYS_END_POWEROFF);
	}
	if (sethostname(manifest->host_name, strlen(manifest->host_name)) != 0)
		log_event("the host's name cannot be set (%s)", strerror(errno));
	log_event("manifest read (guests: %u, refused: %u)", manifest->guest_count,
		  manifest->refused_count);
}

void boot_hypervisor(struct machine *machine)
{
	struct mshv_facts facts;
	char text[MSHV_TEXT];
	enum mshv_failure failure;
	int error;

	mshv_collect(&facts);
	failure = mshv_probe(&error);
	log_event("%s", mshv_explain(&facts, failure, error, text));
	if (failure == MSHV_NONE)
		return;
	if (rescue_is_allowed())
		give_up(machine, SYS_END_POWEROFF);
	/* Nobody to ask: no guest will run, and on_idle says what that means. */
	machine->manifest.guest_count = 0;
}

void boot_networks(struct machine *machine)
{
	const struct manifest *manifest = &machine->manifest;
	unsigned int patience_ms = DEVICE_WAIT_MS;
	char why[NET_TEXT];

	for (unsigned int i = 0; i < manifest->network_count; i++) {
		const struct manifest_network *n = &manifest->networks[i];

		if (net_create(n, &patience_ms, why))
			log_event("network %s is up (bridge %s, uplink %s)", n->name, n->bridge,
				  n->uplink ? n->uplink : "none");
		else
			log_event("network %s is not as it should be (%s)", n->name, why);
	}
}
