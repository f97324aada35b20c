// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The sandbox
 *
 * What a guest that has taken over a device of the launcher could still do: what is in the
 * table of filters.c, and nothing else. Each thread has a filter of system calls for its
 * role, which it enters when all is opened and built, and before the guest's first
 * instruction. Any other call ends the process, all threads at once, by SIGSYS.
 *
 * No thread may begin another one, start a program, open a file by its name, map memory
 * that can be executed, or change what memory the guest has.
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

#define FILTER(role)	filter_of_##role, ARRAY_SIZE(filter_of_##role), MYSELF_OF_##role

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
	static const struct {
		const struct sock_filter *insn;
		unsigned short len;
		int myself;
	} filters[] = {
		[SANDBOX_LOOP] = { FILTER(loop) },
		[SANDBOX_VCPU] = { FILTER(vcpu) },
		[SANDBOX_CLEANER] = { FILTER(cleaner) },
	};
	struct sock_filter insn[BPF_MAXINSNS];
	struct sock_fprog program = { filters[role].len, insn };

	memcpy(insn, filters[role].insn, program.len * sizeof(*insn));
	if (filters[role].myself >= 0)
		insn[filters[role].myself].k = getpid();
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) ? -1 : 0;
}
