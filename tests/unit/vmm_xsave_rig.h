/* SPDX-License-Identifier: MIT */
/* A processor's vector registers where there is no hypervisor to keep them. */
#ifndef TESTS_VMM_XSAVE_RIG_H
#define TESTS_VMM_XSAVE_RIG_H

#include "vmm/xsave.h"

extern struct xsave xsave;
extern int xsave_error; /* of writing them: -errno */

#endif
