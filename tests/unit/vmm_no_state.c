/* SPDX-License-Identifier: MIT */
/* For tests in which no processor's vector registers are asked for. */
#include <errno.h>

#include "vmm/mshv.h"

int mshv_vp_state_get(struct mshv_vp *vp, enum mshv_state type, void *page)
{
	(void)vp, (void)type, (void)page;
	return -ENOSYS;
}

int mshv_vp_state_set(struct mshv_vp *vp, enum mshv_state type, void *page)
{
	(void)vp, (void)type, (void)page;
	return -ENOSYS;
}
