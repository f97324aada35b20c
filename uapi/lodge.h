/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LODGE_H
#define _UAPI_LODGE_H

/* What lodge adds to the KVM API; nothing yet. */
#include <linux/kvm.h>

#endif
