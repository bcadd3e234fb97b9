/* SPDX-License-Identifier: MIT */
#include "vmm_xsave_rig.h"

#include <errno.h>
#include <string.h>

#include "vmm/mshv.h"

struct xsave xsave;
int xsave_error;

/* As the kernel: of XSAVE a page, whole. */
static int check(enum mshv_state type, const void *page)
{
	return type == MSHV_STATE_XSAVE && (uintptr_t)page % PAGE_SIZE == 0 ? 0 : -EINVAL;
}

int mshv_vp_state_get(struct mshv_vp *vp, enum mshv_state type, void *page)
{
	(void)vp;
	memcpy(page, &xsave, sizeof(xsave));
	return check(type, page);
}

int mshv_vp_state_set(struct mshv_vp *vp, enum mshv_state type, void *page)
{
	(void)vp;
	memcpy(&xsave, page, sizeof(xsave));
	return xsave_error ? xsave_error : check(type, page);
}
