/* SPDX-License-Identifier: MIT */
#include "vmm/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "vmm/log.h"

struct watch {
	struct loop_source source;
	void (*shut_down)(void *arg);
	void *arg;
};

static struct watch watch; /* signals belong to the process, too */

static sigset_t ending_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

void signals_block(void)
{
	sigset_t set = ending_signals();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
	/* A reader of our output that goes away is not our end. */
	signal(SIGPIPE, SIG_IGN);
}

static void ready(struct loop_source *s, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		log_info("signal (%s)", info.ssi_signo == SIGTERM ? "SIGTERM" :
					info.ssi_signo == SIGINT  ? "SIGINT" :
								    "SIGHUP");
		watch.shut_down(watch.arg);
	}
}

int signals_watch(struct loop *l, void (*shut_down)(void *arg), void *arg)
{
	sigset_t set = ending_signals();

	watch = (struct watch){
		.source = { .ready = ready },
		.shut_down = shut_down,
		.arg = arg,
	};
	watch.source.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (watch.source.fd < 0)
		return -errno;
	return loop_add(l, &watch.source, EPOLLIN);
}
