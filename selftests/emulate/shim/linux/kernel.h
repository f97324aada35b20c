/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_LINUX_KERNEL_H
#define SHIM_LINUX_KERNEL_H

#define min(a, b)	({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); \
			   a_ < b_ ? a_ : b_; })
#define max(a, b)	({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); \
			   a_ > b_ ? a_ : b_; })
#define min_t(t, a, b)	min((t)(a), (t)(b))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#endif
