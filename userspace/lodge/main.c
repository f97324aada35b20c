// SPDX-License-Identifier: GPL-2.0-only
/**
 * DOC: The launcher
 *
 * lodge runs one machine in one process. main() reads the command line
 * (options.c), builds the machine (vm.c) and serves its I/O until somebody
 * calls vm_stop().
 *
 * Threads: one for each vCPU, which does nothing but KVM_RUN and what its
 * exits ask for (vcpu.c), and the main one, which waits in the I/O loop
 * (loop.c). A device is one file. It answers on a bus (bus.c) in vCPU
 * threads, and does its work in the loop, unless the kernel does: that of
 * networks on taps and of vsock (vhost.c); or another process (remote.c).
 *
 * Locks: each device has one, held while a function of the device runs. A
 * lock of a device may be held when one of the interrupt path is taken (PCI
 * function, MSI-X table, PCI bus, routing table, in this order), never the
 * other way round. The bus's own lock is a leaf.
 *
 * A device that can be removed while the machine runs (device.c) is freed when nobody
 * can be in a function of it any more: hidden first, then awaited (vcpus_outside()).
 *
 * Before the guest's first instruction the process gives up what it doesn't need: confine.c,
 * sandbox.c. All that has a name is opened before.
 *
 * A guest is hostile. Its memory is reached through mem_ptr() only (mem.c);
 * its virtqueues through vq_pop() only (virtqueue.c).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "client.h"
#include "confine.h"
#include "daemon.h"
#include "options.h"
#include "sandbox.h"
#include "term.h"
#include "util.h"

static const char usage[] =
"usage: lodge run [-c FILE] --kernel FILE|--firmware [FILE] [OPTION]...\n"
"       lodge ps [--json]\n"
"       lodge pause|resume|console|debug MACHINE\n"
"       lodge device add MACHINE disk|net|fs WHAT\n"
"       lodge device del [--timeout SECONDS] MACHINE ID\n"
"       lodge device list [--json] MACHINE\n"
"       lodge stop [--timeout SECONDS] [--force] MACHINE\n"
"Run a virtual machine on this terminal: Ctrl-A x ends it, Ctrl-A h helps. List one's\n"
"own that run; pause them, go on, attach to their consoles (Ctrl-A d detaches), press\n"
"their power buttons; add and remove devices, WHAT as behind --disk and the like.\n"
"MACHINE is a name or a process number.\n"
"\n"
"  -c, --config FILE  options from a file: NAME = VALUE on each line, see lodge(5)\n"
"  --kernel FILE      bzImage, or ELF file with a PVH entry (vmlinux)\n"
"  --initrd FILE      initial RAM disk\n"
"  --append WORDS     kernel command line (default: console=ttyS0)\n"
"  --firmware [FILE]  boot from the first disk, by a BIOS (default: SeaBIOS, in\n"
"                     /usr/share/seabios/bios-microvm.bin), instead of by --kernel\n"
"  --cpus N           vCPUs, 1 to 255 (default: 1)\n"
"  --memory SIZE      RAM, such as 512M or 6G (default: 512M)\n"
"  --memory-backing WHAT    lodge: memory that the hypervisor owns (default,\n"
"                     where there is any); anonymous: the process's own\n"
"  --merge WHOM       make equal pages one: on, with all machines of the user\n"
"                     (default, with lodge); NAME, with those of that NAME only;\n"
"                     off\n"
"  --disk FILE[,ro][,id=NAME]\n"
"                     raw disk image or block device; NAME is for lodge device;\n"
"                     may be repeated\n"
"  --disk vhost-user=SOCKET   disk of any format, by another program\n"
"  --fs tag=NAME,socket=SOCKET      shared folder, by virtiofsd; may be repeated\n"
"  --net tap=NAME[,mac=ADDR][,queues=N]\n"
"                     network device on a tap, by vhost-net; may be repeated\n"
"  --net user[,mac=ADDR][,tcp=[ADDR/]PORT[:PORT]][,udp=...]\n"
"                     network device without privileges, through passt; tcp=2222:22:\n"
"                     port 2222 of the host's is 22 of the guest's\n"
"  --vsock CID        sockets between host and guest (AF_VSOCK), by vhost-vsock\n"
"  --balloon SIZE     what the guest shall have of its RAM; auto: as the\n"
"                     hypervisor computes it for all machines of a user\n"
"  --balloon-floor SIZE     never less than this\n"
"  --balloon-shares N       weight beside others' (default: 1000)\n"
"  --balloon-domain NAME    with which of the user's machines it shares memory\n"
"  --balloon-control WHERE  read sizes, or auto, from FILE (a FIFO) or fd:N\n"
"  --generation-id UUID     what the guest takes for its identity (default: a new one)\n"
"  --name NAME        what messages call the machine\n"
"  --node PATH        device of the hypervisor (default: /dev/lodge)\n"
"  --console WHERE    add a virtio console (hvc0): stdio, FILE or fd:N\n"
"  --output WHERE     what the guest sends to ttyS1 goes to FILE or fd:N\n"
"  --daemon           run on in the background; what fails before is said first\n"
"  --log FILE         where the console and messages of a daemon go\n"
"  --user USER[:GROUP]      who it becomes, started by root (default: lodge, if any)\n"
"  --cpu-weight N     its share of the host's CPUs beside others', 1 to 10000\n"
"  --memory-max SIZE  what it may have of the host's memory, all in all\n"
"  --no-seccomp       don't filter the process's system calls, to debug it\n"
"  --status           a number written to ttyS2 ends the run with this status\n"
"  --exit-port PORT   a byte written to this port does the same\n"
"  --help, --version\n"
"\n"
"Status: 0 power-off, the guest's own with --status or --exit-port, 120 reset,\n"
"121 crash of the guest, 125 failure of lodge itself, 130 Ctrl-A x.\n";

int main(int argc, char *argv[])
{
	static struct config cfg;
	static struct vm vm;
	char err[256];

	/* Who reads a console may go; the machine stays. */
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && client_knows(argv[1]))
		return client_main(argc - 1, argv + 1);
	switch (options_parse(&cfg, argc, argv, err, sizeof(err))) {
	case OPTIONS_HELP:
		fputs(usage, stdout);
		return 0;
	case OPTIONS_VERSION:
		puts("lodge " LODGE_VERSION);
		return 0;
	case OPTIONS_ERROR:
		die("%s; lodge --help lists all options", err);
	case OPTIONS_RUN:
		break;
	}
	/* No program that it starts, or is made to start, gets more than it has. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		die("cannot give up new privileges: %s", strerror(errno));
	if (cfg.daemon)
		daemon_begin(cfg.log);
	confine_begin(&cfg);
	sandbox_prepare();
	vm_create(&vm, &cfg);
	confine_end(&cfg);
	vm_start(&vm);
	if (cfg.daemon)
		daemon_ready();
	return vm_run(&vm);
}
