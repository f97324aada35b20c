// SPDX-License-Identifier: GPL-2.0-only
/*
 * intrude PID TID CALL: as one who has taken over a thread of the launcher: it makes the system
 * call with that number, its arguments all 0, in the place of what it waits in. Needs
 * the right to debug it.
 */
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#define SYSCALL_BYTES	2	/* of the instruction */

int main(int argc, char *argv[])
{
	struct user_regs_struct regs;
	int tid, status;

	if (argc != 4)
		errx(2, "PID TID CALL");
	tid = atoi(argv[2]);
	if (ptrace(PTRACE_SEIZE, tid, 0, 0) || ptrace(PTRACE_INTERRUPT, tid, 0, 0) ||
	    waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		err(2, "thread %d", tid);
	if (ptrace(PTRACE_GETREGS, tid, 0, &regs))
		err(2, "registers");
	/* It stands behind the instruction of the call that was interrupted. */
	regs.rip -= SYSCALL_BYTES;
	regs.orig_rax = -1;
	regs.rax = atoi(argv[3]);
	regs.rdi = regs.rsi = regs.rdx = regs.r10 = regs.r8 = regs.r9 = 0;
	if (ptrace(PTRACE_SETREGS, tid, 0, &regs))
		err(2, "registers");
	if (ptrace(PTRACE_DETACH, tid, 0, 0))
		err(2, "detach");
	return 0;
}
