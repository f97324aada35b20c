/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a VM entry failed, in words. */
#ifndef LODGE_VMX_CHECK_H
#define LODGE_VMX_CHECK_H

#include "caps.h"

int vmx_check(u64 (*read)(u32 field), const struct vmx_caps *caps, char *buf,
	      size_t len);

#endif /* LODGE_VMX_CHECK_H */
