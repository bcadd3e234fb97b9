/* SPDX-License-Identifier: MIT */
#include "vmm/vcpu.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/debug/control.h"
#include "vmm/exit.h"
#include "vmm/log.h"
#include "vmm/mshv.h"
#include "vmm/stats.h"
#include "vmm/xsave.h"

/* PENDING_INTERRUPTION: hardware exception */
#define PENDING_TYPE_EXCEPTION 3ULL

#define FAULT_DB	       1
#define FAULT_PF	       14
#define DR6_BS		       BIT64(14) /* a single step */

/* How long a kicked thread has before it is kicked again. */
#define KICK_AGAIN_NS	       2000000L

static _Thread_local struct vcpu *current;

struct vcpu *vcpu_current(void)
{
	return current;
}

static int kick_signal(void)
{
	return SIGRTMIN; /* the C library keeps the first few */
}

static void on_kick(int signal)
{
	(void)signal; /* its arrival makes the ioctl return, that is all */
}

void vcpu_prepare_kick(void)
{
	struct sigaction sa = { .sa_handler = on_kick }; /* no SA_RESTART */

	sigaction(kick_signal(), &sa, NULL);
}

int vcpu_create(struct vcpu *v, struct machine *m, struct mshv_partition *p, uint32_t index)
{
	int error = 0;

	*v = (struct vcpu){ .machine = m, .index = index };
	v->vp = mshv_vp_create(p, index, &error);
	return error;
}

void vcpu_destroy(struct vcpu *v)
{
	mshv_vp_destroy(v->vp);
	v->vp = NULL;
	free(v->xsave);
	v->xsave = NULL;
}

void vcpu_kick(pthread_t thread)
{
	pthread_kill(thread, kick_signal());
}

struct timespec vcpu_kick_time(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += KICK_AGAIN_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	return until;
}

static inline bool may_run(struct vcpu *v)
{
	unsigned int stop = atomic_load(&v->stop);

	return !stop || (!(stop & VCPU_END) && control_hold(v));
}

static void *run(void *arg)
{
	struct vcpu *v = arg;
	sigset_t set;

	current = v;
	sigemptyset(&set);
	sigaddset(&set, kick_signal());
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);

	if (v->control)
		control_enter(v);
	while (may_run(v)) {
		int ret = mshv_vp_run(v->vp, &v->message);

		/* A signal; EAGAIN where the kernel wants to be asked again. */
		if (ret == -EINTR || ret == -EAGAIN) {
			stats_count(v->stats, STATS_KICKED);
			v->moved = true;
			continue;
		}
		if (ret) {
			log_error("processor cannot run (%u: %s)", v->index, strerror(-ret));
			v->machine->end(v->machine, VM_END_INTERNAL);
			break;
		}
		v->moved = false;
		exit_handle(v);
	}
	return NULL;
}

static int pin(pthread_t thread, unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return -pthread_setaffinity_np(thread, sizeof(set), &set);
}

int vcpu_start(struct vcpu *v)
{
	char name[THREAD_NAME_MAX + 1];
	int ret;

	snprintf(name, sizeof(name), "vp%u", v->index);
	ret = thread_start(&v->thread, FILTER_VP, name, run, v);
	if (!ret && v->pin)
		ret = pin(v->thread.id, *v->pin);
	return ret;
}

/*
 * A signal that arrives after the thread looked at v->stop and before it
 * entered the kernel is spent for nothing, and the processor runs (or sleeps)
 * on. So kick again until the thread is gone.
 */
static void join(struct vcpu *v)
{
	struct timespec until;

	do {
		vcpu_kick(v->thread.id);
		until = vcpu_kick_time();
	} while (pthread_timedjoin_np(v->thread.id, NULL, &until) == ETIMEDOUT);
	v->thread.state = THREAD_NONE;
}

void vcpu_ask_all(struct vcpu *v, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		atomic_fetch_or(&v[i].stop, VCPU_END);
}

void vcpu_stop_all(struct vcpu *v, unsigned int count)
{
	vcpu_ask_all(v, count);
	for (unsigned int i = 0; i < count; i++) {
		if (v[i].thread.state == THREAD_RUNNING)
			vcpu_kick(v[i].thread.id);
	}
	for (unsigned int i = 0; i < count; i++)
		if (v[i].thread.state == THREAD_RUNNING)
			join(&v[i]);
}

/* --- registers --- */

static const uint32_t control_names[] = {
	HV_X64_REGISTER_CR0,
	HV_X64_REGISTER_CR3,
	HV_X64_REGISTER_CR4,
	HV_X64_REGISTER_EFER,
};

static int get_by_hypercall(struct vcpu *v, struct insn_cpu *cpu)
{
	struct hv_register_assoc r[GPR_COUNT + 2 + SEG_COUNT + ARRAY_SIZE(control_names)] = { 0 };
	unsigned int n = 0;
	int ret;

	for (unsigned int i = 0; i < GPR_COUNT + 2; i++) /* RIP, RFLAGS */
		r[n++].name = HV_X64_REGISTER_RAX + i;
	for (unsigned int i = 0; i < SEG_COUNT; i++)
		r[n++].name = HV_X64_REGISTER_ES + i;
	for (unsigned int i = 0; i < ARRAY_SIZE(control_names); i++)
		r[n++].name = control_names[i];
	ret = mshv_vp_get(v->vp, r, n);
	if (ret)
		return ret;
	n = 0;
	for (unsigned int i = 0; i < GPR_COUNT; i++)
		cpu->gpr[i] = r[n++].value.reg64;
	cpu->rip = r[n++].value.reg64;
	cpu->rflags = r[n++].value.reg64;
	for (unsigned int i = 0; i < SEG_COUNT; i++)
		cpu->segment[i] = r[n++].value.segment;
	cpu->cr0 = r[n++].value.reg64;
	cpu->cr3 = r[n++].value.reg64;
	cpu->cr4 = r[n++].value.reg64;
	cpu->efer = r[n++].value.reg64;
	return 0;
}

_Static_assert(HV_X64_REGISTER_RIP == HV_X64_REGISTER_RAX + GPR_COUNT, "registers in a row");

int vcpu_get(struct vcpu *v, struct insn_cpu *cpu)
{
	const struct hv_x64_intercept_header *h = (const void *)v->message.payload;
	const struct hv_register_page *page = mshv_vp_page(v->vp);

	cpu->cpl = h->execution_state & HV_EXEC_CPL_MASK;
	if (!page || v->moved)
		return get_by_hypercall(v, cpu);
	memcpy(cpu->gpr, page->gpr, sizeof(cpu->gpr));
	memcpy(cpu->segment, page->segment, sizeof(cpu->segment));
	cpu->rip = page->rip;
	cpu->rflags = page->rflags;
	cpu->cr0 = page->cr0;
	cpu->cr3 = page->cr3;
	cpu->cr4 = page->cr4;
	cpu->efer = page->efer;
	return 0;
}

int vcpu_put(struct vcpu *v, const struct insn_cpu *cpu)
{
	struct hv_register_page *page = mshv_vp_page(v->vp);
	struct hv_register_assoc r[GPR_COUNT + 2] = { 0 };

	if (page) {
		memcpy(page->gpr, cpu->gpr, sizeof(page->gpr));
		page->rip = cpu->rip;
		page->rflags = cpu->rflags;
		page->dirty |=
			HV_REGISTER_PAGE_GENERAL | HV_REGISTER_PAGE_RIP | HV_REGISTER_PAGE_RFLAGS;
		return 0;
	}
	for (unsigned int i = 0; i < GPR_COUNT + 2; i++) {
		r[i].name = HV_X64_REGISTER_RAX + i;
		r[i].value.reg64 = i < GPR_COUNT  ? cpu->gpr[i] :
				   i == GPR_COUNT ? cpu->rip :
						    cpu->rflags;
	}
	return mshv_vp_set(v->vp, r, ARRAY_SIZE(r));
}

int vcpu_get_vectors(struct vcpu *v, struct insn_vectors *vectors)
{
	struct hv_register_assoc xcr0 = { .name = HV_X64_REGISTER_XFEM };
	int ret;

	if (!v->xsave)
		v->xsave = aligned_alloc(PAGE_SIZE, sizeof(*v->xsave));
	if (!v->xsave)
		return -ENOMEM;
	ret = mshv_vp_get(v->vp, &xcr0, 1);
	if (!ret)
		ret = mshv_vp_state_get(v->vp, MSHV_STATE_XSAVE, v->xsave);
	if (ret)
		return ret;
	vectors->xcr0 = xcr0.value.reg64;
	xsave_get_vectors(v->xsave, vectors);
	return 0;
}

int vcpu_put_vectors(struct vcpu *v, const struct insn_vectors *vectors)
{
	xsave_put_vectors(v->xsave, vectors);
	return mshv_vp_state_set(v->vp, MSHV_STATE_XSAVE, v->xsave);
}

int vcpu_skip(struct vcpu *v, uint64_t rip, const uint64_t *rax)
{
	struct hv_register_page *page = mshv_vp_page(v->vp);
	struct hv_register_assoc r[2] = {
		{ .name = HV_X64_REGISTER_RIP, .value.reg64 = rip },
		{ .name = HV_X64_REGISTER_RAX },
	};

	if (page) {
		page->rip = rip;
		page->dirty |= HV_REGISTER_PAGE_RIP;
		if (rax) {
			page->gpr[GPR_RAX] = *rax;
			page->dirty |= HV_REGISTER_PAGE_GENERAL;
		}
		return 0;
	}
	if (rax)
		r[1].value.reg64 = *rax;
	return mshv_vp_set(v->vp, r, rax ? 2 : 1);
}

int vcpu_set_rflags(struct vcpu *v, uint64_t rflags)
{
	struct hv_register_page *page = mshv_vp_page(v->vp);
	struct hv_register_assoc r = { .name = HV_X64_REGISTER_RFLAGS, .value.reg64 = rflags };

	if (!page)
		return mshv_vp_set(v->vp, &r, 1);
	page->rflags = rflags;
	page->dirty |= HV_REGISTER_PAGE_RFLAGS;
	return 0;
}

int vcpu_inject(struct vcpu *v, const struct insn_fault *fault)
{
	uint64_t pending = HV_PENDING_INTERRUPTION |
			   PENDING_TYPE_EXCEPTION << HV_PENDING_TYPE_SHIFT |
			   (uint64_t)fault->vector << HV_PENDING_VECTOR_SHIFT;
	struct hv_register_assoc r[2] = {
		{ .name = HV_REGISTER_PENDING_INTERRUPTION },
		{ .name = HV_X64_REGISTER_CR2, .value.reg64 = fault->address },
	};
	bool page_fault = fault->vector == FAULT_PF, debug = fault->vector == FAULT_DB;

	if (debug && v->control && control_trap(v))
		return 0;
	stats_count(v->stats, STATS_INJECTED);
	if (debug) { /* its bits stay until the guest clears them */
		int ret;

		r[1].name = HV_X64_REGISTER_DR6;
		ret = mshv_vp_get(v->vp, &r[1], 1);
		if (ret)
			return ret;
		r[1].value.reg64 |= DR6_BS;
	}
	if (fault->has_error)
		pending |= HV_PENDING_DELIVER_ERROR | (uint64_t)fault->error
							      << HV_PENDING_ERROR_SHIFT;
	r[0].value.reg64 = pending;
	return mshv_vp_set(v->vp, r, page_fault || debug ? 2 : 1);
}
