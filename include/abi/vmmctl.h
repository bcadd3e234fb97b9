/* SPDX-License-Identifier: MIT */
/*
 * The contract between init (PID 1) and vmm, version 1: how init starts a vmm,
 * what its standard streams are, which signals it gets, and what its exit code
 * means.  docs/manifest.md ("How a guest ends") is the operator's view of it.
 *
 * Command line, every argument a separate word, in this order:
 *
 *   VMMCTL_PATH --name NAME --kernel FILE [--initrd FILE] [--cmdline STRING]
 *               --memory BYTES[,hugepages=off][,prefault=on]
 *               --cpus N,cores=CORES,threads=THREADS[,pin=CPU[:CPU]...]
 *               [--disk path=FILE[,readonly=on][,serial=TEXT][,queues=N][,iops=N]
 *               [,bandwidth=BYTES]]...
 *               [--nic mac=MAC,queues=N[,vhost=on|off][,rate=N],tap=fd:N[:N]...]...
 *               [--console] [--rng]
 *               [--balloon=size=BYTES,deflate-on-oom=on|off,reporting=on|off]
 *               [--vsock cid=CID] [--watchdog[=fired=on]]
 *               [--on-reset preserve] [--on-crash preserve]
 *               [--on-watchdog preserve|ignore]
 *
 *   NAME     [a-z0-9][a-z0-9-]*, at most VMMCTL_NAME_MAX bytes
 *   FILE     absolute; in --disk it holds no comma (the manifest refuses one)
 *   STRING   handed to the guest as it is; may be empty; at most
 *            VMMCTL_CMDLINE_MAX bytes, printable, no line breaks
 *   BYTES    decimal, a multiple of VMMCTL_MEMORY_STEP
 *   N        1 to VMMCTL_CPUS_MAX; CORES of a socket, THREADS of a core (lib/cpus.h)
 *   CPU      number of a processor of the host; one for each of N, in order, and
 *            over again from the first where there are fewer
 *   disks    at most VMMCTL_DISKS_MAX; the guest sees them in this order
 *   nics     at most VMMCTL_NICS_MAX, in this order behind the disks; fd: open
 *            descriptors of one tap, as many as queues, which is on its bridge
 *            and goes when they do
 *   CID      VMMCTL_CID_MIN to VMMCTL_CID_MAX; no other vmm's
 *   fired    this start follows the watchdog's bite; the guest can ask
 *
 * Standard streams:
 *
 *   0  what the guest reads on its serial port: a pipe for the guest that has
 *      the console (host.console), /dev/null for all others.  End of file means
 *      that no input will ever come; the guest goes on without.
 *   1  what the guest writes to its serial port, byte for byte and nothing
 *      else.  init puts "[NAME] " before each line.
 *   2  the vmm's own messages, one "vmm: event (detail)" a line.  init prints
 *      them as "vmm NAME: event (detail)", so that no guest can imitate them:
 *      a line that begins with "[" came from a guest, any other did not.
 *
 *   init reads 1 and 2 as fast as they come and rather drops than waits.  Both
 *   may break when init restarts: a vmm ignores SIGPIPE and loses the text.
 *   Every other descriptor is closed, but those of --nic.
 *
 * Process: the first of a PID namespace, in its own session, no controlling
 * terminal, all signals at their default and unblocked, umask 077, working directory
 * "/", environment empty.
 *
 * A guest that is preserved (--on-...) stands still; its vmm stays until SIGTERM,
 * and exits then with the code it would have had before.
 *
 * Signals: SIGTERM presses the guest's power button; a guest that does not go
 * within VMMCTL_GRACE_S is ended by the vmm itself, which exits with
 * VMMCTL_KILLED.  A vmm that is still there VMMCTL_KILL_MARGIN_S later gets
 * SIGKILL.  Dying by SIGKILL at any moment leaks nothing: the kernel takes the
 * partition down when the file descriptors go.
 */
#ifndef ABI_VMMCTL_H
#define ABI_VMMCTL_H

#define VMMCTL_VERSION	     1
#define VMMCTL_PATH	     "/sbin/vmm"

#define VMMCTL_NAME_MAX	     31
#define VMMCTL_PATH_MAX	     255
#define VMMCTL_CMDLINE_MAX   2047
#define VMMCTL_CPUS_MAX	     64
#define VMMCTL_DISKS_MAX     8
#define VMMCTL_DISK_QUEUES_MAX 16
#define VMMCTL_SERIAL_MAX    20 /* bytes; no comma */
#define VMMCTL_BANDWIDTH_MAX (UINT64_C(1) << 40) /* of a disk, bytes a second */
#define VMMCTL_NICS_MAX	     8
#define VMMCTL_NIC_QUEUES_MAX 8
#define VMMCTL_CID_MIN	     3 /* below: the hypervisor, this machine, its host */
#define VMMCTL_CID_MAX	     0xfffffffeU /* above: any */
#define VMMCTL_MEMORY_STEP   4096
#define VMMCTL_MEMORY_MIN    (2 * 1024 * 1024)
#define VMMCTL_GRACE_S	     10
#define VMMCTL_KILL_MARGIN_S 2

/*
 * Why a vmm ended.  The numbers stay as they are once released; 1 and everything
 * not listed is read as VMMCTL_INTERNAL, because a C runtime, a sanitizer or a
 * shell may produce it.
 */
enum vmmctl_exit {
	/* The guest switched itself off (ACPI S5), or did so when asked to. */
	VMMCTL_POWERED_OFF = 0,
	/* The vmm failed while the guest ran: our fault or the host's. */
	VMMCTL_INTERNAL = 1,
	/* Wrong command line: usage was printed. */
	VMMCTL_USAGE = 2,
	/*
	 * Could not start, and never will with this configuration: no such
	 * file, not a kernel, initrd does not fit into the memory.
	 */
	VMMCTL_BAD_CONFIG = 3,
	/*
	 * Could not start here and now: /dev/mshv refused, no memory left, a
	 * file was busy.  A later try may work.
	 */
	VMMCTL_BAD_HOST = 4,
	/* The guest asked for a reset (keyboard controller, ACPI, 0xCF9). */
	VMMCTL_RESET = 10,
	/* Triple fault or another state no processor can leave. */
	VMMCTL_CRASHED = 11,
	/* SIGTERM came and the guest did not go within VMMCTL_GRACE_S. */
	VMMCTL_KILLED = 12,
	/* The guest's watchdog saw no sign of life in time. */
	VMMCTL_WATCHDOG = 13,
	/* The program could not be executed at all (written by init's child). */
	VMMCTL_NO_EXEC = 127,
};

#endif
