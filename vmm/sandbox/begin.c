/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/vmmctl.h"
#include "vmm/log.h"
#include "vmm/sandbox/sandbox.h"

/* The parent has nothing to do but to pass on what ends a guest. */
static _Noreturn void stand_by(pid_t child, sigset_t set)
{
	siginfo_t info;
	int status;

	for (;;) {
		/* A terminal's reach the child by themselves, and two would mean "at once". */
		if (sigwaitinfo(&set, &info) > 0 && info.si_signo != SIGCHLD &&
		    info.si_code != SI_KERNEL)
			kill(child, info.si_signo);
		if (waitpid(child, &status, WNOHANG) != child)
			continue;
		if (WIFEXITED(status))
			_exit(WEXITSTATUS(status));
		/* Ended by a signal: so do we, for whoever waits for us. */
		if (WIFSIGNALED(status)) {
			sigfillset(&set);
			sigprocmask(SIG_UNBLOCK, &set, NULL);
			kill(getpid(), WTERMSIG(status));
			_exit(VMMCTL_INTERNAL);
		}
	}
}

/*
 * In the new user namespace we are who we were, user and group: who is nobody in it may
 * make no other, as sandbox_enter() will. The kernel wants groups to be fixed before.
 */
static int keep_user(uid_t uid, gid_t gid)
{
	char users[40], groups[40];
	int ret;

	snprintf(users, sizeof(users), "%u %u 1", (unsigned int)uid, (unsigned int)uid);
	snprintf(groups, sizeof(groups), "%u %u 1", (unsigned int)gid, (unsigned int)gid);
	ret = sandbox_write("/proc/self/uid_map", users);
	if (!ret)
		ret = sandbox_write("/proc/self/setgroups", "deny");
	if (!ret)
		ret = sandbox_write("/proc/self/gid_map", groups);
	if (ret)
		log_error("sandbox: no user namespace (%s; --no-sandbox does without)",
			  strerror(-ret));
	return ret;
}

int sandbox_begin(void)
{
	/* Those without privileges get them in a user namespace, with this right in it. */
	unsigned long flags = CLONE_NEWPID | SIGCHLD | (geteuid() ? CLONE_NEWUSER : 0);
	uid_t uid = geteuid();
	gid_t gid = getegid();
	sigset_t set, old;
	long child;
	int ret;

	if (getpid() == 1)
		return 0;
	/* In the parent: kept for sigwaitinfo(). */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	child = syscall(SYS_clone, flags, 0, 0, 0, 0);
	if (child < 0) {
		log_error("sandbox: no PID namespace (%s; --no-sandbox does without)",
			  strerror(errno));
		return -errno;
	}
	if (child > 0)
		stand_by((pid_t)child, set);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ret = flags & CLONE_NEWUSER ? keep_user(uid, gid) : 0;
	if (ret)
		return ret;
	sigprocmask(SIG_SETMASK, &old, NULL);
	return 0;
}
