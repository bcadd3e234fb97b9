/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/contain": what a guest's mode must not open.
 * Each guest is a few instructions, started in its mode by its registers. Each case
 * prints one line, "contain: ok NAME" or "contain: FAIL NAME (why)"; the last line
 * counts. Powers the machine off.
 */
#include <errno.h>
#include <linux/mshv.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "include/abi/hv/hypercall.h"
#include "include/abi/hv/message.h"
#include "include/base/base.h"
#include "tests/root/lib/guest.h"
#include "tests/root/lib/modes.h"
#include "tests/root/lib/testinit.h"

#define HANDLER	   0x2000u /* of all exceptions but #UD */
#define UD_HANDLER 0x3000u
#define PAGE_AT	   0x4000u /* the hypercall page */
#define PORT_BACK  0x80
#define PORT_UD	   0x81
#define PORT_OTHER 0x82
#define PATIENCE_S 20

static const char *const mode_names[MODES] = {
	[MODE_REAL] = "real",	  [MODE_FLAT] = "flat",
	[MODE_PAGED] = "paged",	  [MODE_PAE] = "pae",
	[MODE_LONG] = "long",	  [MODE_COMPAT] = "compat",
	[MODE_USER32] = "user32", [MODE_VM86] = "vm86",
	[MODE_USER64] = "user64", [MODE_USER_COMPAT] = "user-compat",
};

static unsigned int cases, failures;

static void on_alarm(int sig)
{
	(void)sig;
}

static void result(const char *what, const char *mode, const char *why, long long value)
{
	cases++;
	if (why) {
		failures++;
		printf("contain: FAIL %s %s (%s %#llx)\n", what, mode, why, value);
	} else {
		printf("contain: ok %s %s\n", what, mode);
	}
}

/* A guest that runs @code in @mode, with what the hypervisor has for guests; 0 or not. */
static int start(struct guest *g, enum mode mode, const uint8_t *code, size_t size)
{
	static const uint8_t ud[] = { 0xe6, PORT_UD }, other[] = { 0xe6, PORT_OTHER };
	struct hv_register_assoc reg[MODES_REGISTERS];
	int ret = guest_create_featured(g, code, size, GUEST_FLAGS, ~0ULL);

	if (ret)
		return ret;
	mode_tables(mode, g->ram, HANDLER);
	mode_gate(mode, g->ram, 6, UD_HANDLER);
	memcpy(g->ram + HANDLER, other, sizeof(other));
	memcpy(g->ram + UD_HANDLER, ud, sizeof(ud));
	return set_registers(g, reg, mode_registers(mode, CODE_AT, reg));
}

/* Runs to a port: its number, or -1 and what came instead in *type. */
static int run_to_port(struct guest *g, int64_t *type)
{
	struct itimerval patience = { .it_value.tv_sec = PATIENCE_S };

	setitimer(ITIMER_REAL, &patience, NULL);
	*type = guest_run(g);
	return *type == HV_MESSAGE_X64_IO_PORT_INTERCEPT ?
		       ((struct hv_x64_io_port_intercept *)(void *)g->msg.payload)->port :
		       -1;
}

/*
 * TLFS "Legal Hypercall Environments": protected mode, CPL 0, and the guest has said
 * who it is and where its hypercall page shall be; #UD otherwise.
 */
static void case_vmmcall(enum mode mode, bool enabled)
{
	static const uint8_t code[] = { 0x0f, 0x01, 0xd9, 0xe6, PORT_BACK };
	bool legal = enabled && mode != MODE_REAL && !mode_user(mode);
	const char *name = enabled ? "vmmcall" : "vmmcall-off";
	struct guest g;
	int64_t type;
	int port;

	if (start(&g, mode, code, sizeof(code)) ||
	    (enabled &&
	     (set_register(&g, HV_REGISTER_GUEST_OS_ID, (union hv_register_value){ .reg64 = 1 }) ||
	      set_register(&g, HV_X64_REGISTER_HYPERCALL,
			   (union hv_register_value){ .reg64 = PAGE_AT | 1 })))) {
		result(name, mode_names[mode], "no guest, errno", errno);
		return;
	}
	port = run_to_port(&g, &type);
	if (port != (legal ? PORT_BACK : PORT_UD))
		result(name, mode_names[mode], "port or message", port < 0 ? type : port);
	else if (legal && (g.page->gpr[0] & 0xffff) != HV_STATUS_INVALID_HYPERCALL_CODE)
		result(name, mode_names[mode], "status", (long long)g.page->gpr[0]);
	else
		result(name, mode_names[mode], NULL, 0);
	guest_destroy(&g);
}

/*
 * A guest without paging that sets EFER.LME with CR4.PAE clear, and exits. QEMU's
 * #VMEXIT then leaves the host with the guest's CR0 (tests/hv/cr0.c); without more,
 * the next guest without paging gets the machine's memory instead of its own.
 */
static void case_lme(enum mode mode)
{
	static const uint8_t wide[] = { 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x0d,
					0x00, 0x01, 0x00, 0x00, 0x0f, 0x30, 0xe6, PORT_BACK };
	static const uint8_t narrow[] = {
		0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x66,
		0x0d, 0x00, 0x01, 0x00, 0x00, 0x0f, 0x30, 0xe6, PORT_BACK
	};
	static const uint8_t victim_code[] = { 0xe6, PORT_BACK };
	bool real = mode == MODE_REAL;
	struct guest g, victim;
	int64_t type;
	int port;

	if (start(&g, mode, real ? narrow : wide, real ? sizeof(narrow) : sizeof(wide)) ||
	    start(&victim, mode, victim_code, sizeof(victim_code))) {
		result("lme", mode_names[mode], "no guest, errno", errno);
		return;
	}
	port = run_to_port(&g, &type);
	if (port != PORT_BACK) {
		result("lme", mode_names[mode], "port or message", port < 0 ? type : port);
	} else {
		port = run_to_port(&victim, &type);
		result("lme", mode_names[mode], port == PORT_BACK ? NULL : "the other guest",
		       port < 0 ? type : port);
	}
	guest_destroy(&victim);
	guest_destroy(&g);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_alarm }; /* no SA_RESTART */
	cpu_set_t one;

	testinit_start();
	sigaction(SIGALRM, &sa, NULL);
	/* Both of a pair of guests on one processor. */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one) || guest_device()) {
		failures++;
		printf("contain: FAIL (errno %d)\n", errno);
	} else {
		for (enum mode m = 0; m < MODES; m++) {
			case_vmmcall(m, true);
			case_vmmcall(m, false);
		}
		case_lme(MODE_FLAT);
		case_lme(MODE_REAL);
	}
	printf("contain: %u cases, %u failures\n", cases, failures);
	testinit_end();
}
