/* SPDX-License-Identifier: MIT */
/*
 * Virtual processors: a thread each, which runs the guest until something
 * needs us, handles it (exit.c) and runs on.
 *
 * A vcpu belongs to its thread from vcpu_start() until vcpu_stop_all()
 * returned; before and after to the caller. Threads share nothing but what the machine's
 * parts lock themselves.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <stdatomic.h>
#include <time.h>

#include "abi/hv/message.h"
#include "vmm/device.h"
#include "vmm/insn/insn.h"
#include "vmm/thread.h"

struct mshv_partition;
struct mshv_vp;
struct control;
struct trace;
struct vcpu_stats;
struct xsave;

struct vcpu {
	struct machine *machine;
	struct mshv_vp *vp;
	struct vcpu_stats *stats; /* NULL: not wanted */
	struct trace *trace;	  /* NULL: not wanted */
	const uint16_t *pin;	  /* processor of the host it runs on; NULL: any */
	uint32_t index;
	struct thread thread;
	struct xsave *xsave;	 /* page of vcpu_get_vectors(); NULL: not called yet */
	struct control *control; /* the debugger's; NULL: there is none */
	/* What its thread is to do before it runs again. */
	atomic_uint stop;
#define VCPU_END  1u /* leave */
#define VCPU_HOLD 2u /* stand until the debugger says go */
	struct hv_message message;  /* the exit being handled */
	bool moved;		    /* it ran on after that, its register page is of then */
	unsigned int unknown_count; /* instructions not emulated, see exit.c */
	struct {
		uint64_t value; /* of the last one */
		uint32_t count; /* while it is traced: since its last exit */
		uint8_t size;
	} access; /* of devices: what there is for trace.c to say */
};

/* Processor @index of the machine. 0 or -errno. */
int vcpu_create(struct vcpu *v, struct machine *m, struct mshv_partition *p, uint32_t index);
void vcpu_destroy(struct vcpu *v);

/* Make a signal interrupt running processors. Once, before any starts. */
void vcpu_prepare_kick(void);

/* Have its thread run it, on the host's processor v->pin. 0 or -errno. */
int vcpu_start(struct vcpu *v);
/*
 * Make the vcpu that runs on @thread look at its stop, if it is in the kernel now. One
 * that is about to be hears nothing: kick again.
 */
void vcpu_kick(pthread_t thread);
/* Until when to wait for what a kick was for, before the next one. CLOCK_REALTIME. */
struct timespec vcpu_kick_time(void);
/* Let each stop at its next exit. Any thread. */
void vcpu_ask_all(struct vcpu *v, unsigned int count);
/* Make all stop now, and wait until each has. */
void vcpu_stop_all(struct vcpu *v, unsigned int count);

/* --- on the vcpu's thread: for exit.c and debug/ --- */

/* Whose thread this is; NULL: no processor's. */
struct vcpu *vcpu_current(void);

/*
 * Registers as the emulator wants them; from the register page where there is
 * one. CPL comes from the message. -errno if the hypervisor refuses. Also on another
 * thread, once this one has ended.
 */
int vcpu_get(struct vcpu *v, struct insn_cpu *cpu);
/* General registers, RIP and RFLAGS back. */
int vcpu_put(struct vcpu *v, const struct insn_cpu *cpu);

/*
 * XMM, YMM and XCR0, and what was got with changes back: calls of the hypervisor, for
 * what is rare.
 */
int vcpu_get_vectors(struct vcpu *v, struct insn_vectors *vectors);
int vcpu_put_vectors(struct vcpu *v, const struct insn_vectors *vectors);

/* After port I/O: RIP behind the instruction and, if @rax is given, RAX. */
int vcpu_skip(struct vcpu *v, uint64_t rip, const uint64_t *rax);

/* RFLAGS back, alone. */
int vcpu_set_rflags(struct vcpu *v, uint64_t rflags);

/* Let the guest take an exception when it runs on. */
int vcpu_inject(struct vcpu *v, const struct insn_fault *fault);

#endif
