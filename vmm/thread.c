/* SPDX-License-Identifier: MIT */
#include "vmm/thread.h"

#include <stddef.h>

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t t;
	int ret;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
	if (!thread)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = pthread_create(&t, &attr, run, arg);
	pthread_attr_destroy(&attr);
	if (ret)
		return -ret;
	pthread_setname_np(t, name);
	if (thread)
		*thread = t;
	return 0;
}
