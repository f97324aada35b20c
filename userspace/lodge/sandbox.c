// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The sandbox
 *
 * What a guest that has taken over a device of the launcher could still do: what is in the
 * table of filters.c, and nothing else. Each thread has a filter of system calls for its
 * role, which it enters when all is opened and built, and before the guest's first
 * instruction. Any other call ends the process, all threads at once, by SIGSYS.
 *
 * What else there is: the process's user and capabilities, Landlock (confine.c); its control
 * group (limits.c).
 */
#include <errno.h>
#include <jansson.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lodge.h"
#include "sandbox.h"
#include "util.h"

#include "filters.gen.h"

/** sandbox_check() - whether the kernel has what sandbox_enter() wants; errno says why not. */
bool sandbox_check(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return !syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
}

/**
 * sandbox_prepare() - do what libraries would do later, when they can't any more
 *
 * Before there is a second thread.
 */
void sandbox_prepare(void)
{
	size_t seed = 0;

	/* The first object would have its tables seeded by a file. */
	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		json_object_seed(seed | 1);
	/* Threads would have heaps of their own, by counting CPUs and protecting memory. */
	mallopt(M_ARENA_MAX, 1);
}

/**
 * sandbox_enter() - this thread does from here on what its role may, or ends the process
 * @role: of it
 *
 * Threads that are begun from here on have the same filter, and no way to lose it. New
 * privileges were given up. Return: 0, or -1 with errno.
 */
int sandbox_enter(enum sandbox_role role)
{
	union {
		struct sock_filter loop[ARRAY_SIZE(filter_of_loop)];
		struct sock_filter vcpu[ARRAY_SIZE(filter_of_vcpu)];
		struct sock_filter cleaner[ARRAY_SIZE(filter_of_cleaner)];
	} copy;
	struct sock_fprog program = { .filter = copy.loop };
	unsigned int i;

	switch (role) {
	case SANDBOX_LOOP:
		program.len = ARRAY_SIZE(filter_of_loop);
		memcpy(copy.loop, filter_of_loop, sizeof(filter_of_loop));
		break;
	case SANDBOX_VCPU:
		program.len = ARRAY_SIZE(filter_of_vcpu);
		memcpy(copy.vcpu, filter_of_vcpu, sizeof(filter_of_vcpu));
		break;
	case SANDBOX_CLEANER:
		program.len = ARRAY_SIZE(filter_of_cleaner);
		memcpy(copy.cleaner, filter_of_cleaner, sizeof(filter_of_cleaner));
		break;
	}
	for (i = 0; i < program.len; i++)
		if (program.filter[i].code == (BPF_JMP | BPF_JEQ | BPF_K) &&
		    program.filter[i].k == SANDBOX_MYSELF)
			program.filter[i].k = getpid();
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) ? -1 : 0;
}
