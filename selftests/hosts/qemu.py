# SPDX-License-Identifier: GPL-2.0-only
"""Hosts that QEMU emulates, and what QEMU does wrong with them."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from host import Host, count_event, word


def have_symbols(kernel):
    """
    The kernel's symbols, beside it: kallsyms. Hosts run without KASLR, so one
    boot's addresses are every boot's.
    """
    there = os.path.join(kernel, 'kallsyms')
    if os.path.exists(there):
        return
    env = {name: value for name, value in os.environ.items()
           if name in ('PATH', 'HOME', 'LODGE_CACHE')}
    env['KERNEL'] = kernel
    with tempfile.TemporaryDirectory(prefix='lodge-symbols-') as out:
        subprocess.run([sys.argv[0], '-o', out, '-c',
                        'cat /proc/kallsyms >/out/kallsyms'],
                       env=env, check=True)
        shutil.copy(os.path.join(out, 'kallsyms'), there + f'.{os.getpid()}')
        os.replace(there + f'.{os.getpid()}', there)


class Monitor:
    """QEMU's human monitor, through QMP."""

    def __init__(self, path, patience=10):
        self.link = socket.socket(socket.AF_UNIX)
        self.link.settimeout(patience)
        self.link.connect(path)
        self.stream = self.link.makefile('rwb')
        self.lock = threading.Lock()
        self.stream.readline()
        self.execute('qmp_capabilities')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def execute(self, command, **arguments):
        """One command of QMP; events are passed over."""
        with self.lock:
            self.stream.write(json.dumps({
                'execute': command, 'arguments': arguments}).encode() + b'\n')
            self.stream.flush()
            while True:
                line = self.stream.readline()
                if not line:
                    raise OSError('the monitor is gone')
                answer = json.loads(line)
                if 'return' in answer:
                    return answer['return']
                if 'error' in answer:
                    raise OSError(answer['error']['desc'])

    def ask(self, command):
        """One command as a person would type it."""
        return self.execute('human-monitor-command',
                            **{'command-line': command})

    def cpus(self):
        """Each CPU's number and registers."""
        return enumerate(self.ask('info registers -a').split('CPU#')[1:])


class LostInterrupt:
    """
    QEMU's SVM changes a CPU's word of requests without a lock, and an
    interrupt that comes meanwhile is lost: the CPU sleeps in HLT, interrupts
    open, with a vector above its priority in the local APIC, and its timer,
    which is that vector, is not armed again. Any other interrupt makes the
    APIC ask once more, so a host that is found so is given one: a key.
    """
    NUDGES = 3

    def __init__(self, pid):
        self.tasks = f'/proc/{pid}/task'
        self.used = 0
        self.suspect = 0        # times in a row that a CPU was found so

    def idle(self):
        """Has QEMU done next to nothing since last time, and not waited for a CPU?"""
        used = 0
        try:
            for task in os.listdir(self.tasks):
                with open(f'{self.tasks}/{task}/schedstat', encoding='ascii') as stat:
                    used += sum(map(int, stat.read().split()[:2]))
        except OSError:
            return False
        self.used, before = used, self.used
        return used - before < 50000000

    @staticmethod
    def caught(monitor):
        """The number of a CPU that sleeps on an interrupt, or None."""
        for cpu, part in monitor.cpus():
            state = re.search(r'RFL=([0-9a-f]+).*HLT=1', part)
            if not state or not int(state.group(1), 16) & 0x200:
                continue
            lapic = monitor.ask(f'info lapic {cpu}')
            irr = re.findall(r'\d+', re.search(r'IRR\s(.*)|$', lapic)[1] or '')
            ppr = re.search(r'PPR 0x([0-9a-f]+)', lapic)
            if irr and ppr and (max(map(int, irr)) >> 4 >
                                int(ppr.group(1), 16) >> 4):
                return cpu
        return None

    def seen(self, path, report):
        """To be called often; true if there is one that no key helps."""
        if not self.idle():
            return False
        try:
            with Monitor(path) as monitor:
                cpu = self.caught(monitor)
                if cpu is None:
                    self.suspect = 0
                    return False
                self.suspect += 1
                if self.suspect > 1:
                    count = count_event('lost-interrupts')
                    report(f'CPU {cpu} sleeps on an interrupt; lost interrupt '
                           f'number {count}, pressing a key')
                    monitor.ask('sendkey shift')
        except (OSError, ValueError):
            return False
        return self.suspect > 1 + self.NUDGES


class Wedge:
    """
    Tells whether QEMU's multi-threaded TCG has wedged: a CPU runs into the
    INT3 of a jump label that was patched back long ago, for ever, in a stale
    translation. Seen from the monitor, that CPU is in the INT3 handler, or at
    an address that holds no INT3, each time it is looked at; and no output.
    """
    QUIET = 45      # seconds without output before it is asked at all
    SAMPLES = 40
    HANDLERS = re.compile(r'(asm_)?exc_int3|poke_int3_handler|do_int3\w*|'
                          r'kprobe_int3_handler|fixup_bad_iret|sync_regs|'
                          r'error_(entry|return)|irqentry_nmi_\w+|'
                          r'native_iret|paranoid_\w+|int3_\w+')

    def __init__(self, monitor, kernel):
        self.monitor = monitor
        self.symbols = []
        try:
            with open(os.path.join(kernel, 'kallsyms'),
                      encoding='ascii') as table:
                for line in table:
                    address, kind, name = line.split()[:3]
                    if kind in 'tT':
                        self.symbols.append((int(address, 16), name))
            self.symbols.sort()
        except FileNotFoundError:
            pass

    def name(self, address):
        """The function at an address."""
        low, high = 0, len(self.symbols)
        while low < high:
            mid = (low + high) // 2
            if self.symbols[mid][0] <= address:
                low = mid + 1
            else:
                high = mid
        return self.symbols[low - 1][1] if low else f'{address:#x}'

    def seen(self, report):
        """Look at each CPU; true if one is caught in its INT3."""
        hits = {}
        where = {}
        try:
            with Monitor(self.monitor) as monitor:
                for _ in range(self.SAMPLES):
                    for cpu, part in monitor.cpus():
                        rip = re.search(r'RIP=([0-9a-f]+)', part)
                        if not rip:
                            continue
                        name = self.name(int(rip.group(1), 16))
                        where.setdefault(cpu, set()).add(name)
                        if self.HANDLERS.fullmatch(name):
                            hits[cpu] = hits.get(cpu, 0) + 1
                    time.sleep(0.02)
        except (OSError, ValueError) as error:
            report(f'no answer from the monitor: {error}')
            return False
        for cpu, names in sorted(where.items()):
            report(f'CPU {cpu}: {hits.get(cpu, 0)} of {self.SAMPLES} samples '
                   f'in the INT3 path: {" ".join(sorted(names)[:8])}')
        return any(n >= self.SAMPLES // 4 for n in hits.values())


def stale_int3(console):
    """
    True if the host died of an INT3 that is not in its memory: the first Oops
    is one, and the byte before its RIP, as the dump shows it, is another. It
    is the wedge again: the CPU took the exception once, after the patching
    was over.
    """
    oops = re.search(rb'Oops: int3: ', console)
    code = oops and re.search(rb'Code: [0-9a-f ]*?([0-9a-f]{2}) <',
                              console[oops.end():])
    return bool(code) and code.group(1) != b'cc'


class Qemu(Host):
    """A host in QEMU's TCG, which has AMD-V."""
    LOGS = ('plugin',)
    END = r'''umount /out 2>/dev/null
printf "\\$(printf %o $status)" | dd of=/dev/port bs=1 seek=233 2>/dev/null
printf '\0' | dd of=/dev/port bs=1 seek=244 2>/dev/null
'''

    def __init__(self, options, script, args):
        self.icount = word('ICOUNT') not in ('', '0')
        self.emulated = not self.icount and word('ACCEL', 'tcg') == 'tcg'
        super().__init__(options, script, args)
        self.watched = self.cpus > 1 and self.emulated
        if self.watched:
            have_symbols(self.kernel)
        self.lost = None
        self.quiet = 0.0        # since when there has been no output
        self.size = -1

    def share(self, tree):
        """Through virtio-9p."""
        opts = 'trans=virtio,version=9p2000.L,msize=512000'
        mounts = []
        for number, (_, dest) in enumerate(self.options['shares']):
            mounts.append(f'mkdir -p {dest}; mount -t 9p -o {opts},ro,'
                          f'cache=loose share{number} {dest}')
        if self.out:
            mounts.append(f'mount -t 9p -o {opts} out /out')
        return (['9pnet_virtio', '9p', 'virtio_pci'] if mounts else []), mounts

    def command(self):
        """QEMU's command line."""
        at = self.work
        accel = word('ACCEL', 'tcg')
        append = ['console=ttyS0', 'loglevel=5', 'panic=-1', 'oops=panic',
                  'nokaslr', 'mitigations=off', 'rcupdate.rcu_cpu_stall_'
                  'timeout=300', 'workqueue.watchdog_thresh=0', 'nowatchdog',
                  'clocksource.max_cswd_read_retries=50']
        if accel == 'tcg':
            # Whether the timer interrupts is counted in loops of the CPU, which
            # knows nothing of an emulator that waits for its turn.
            append.append('no_timer_check')
        if word('KERNEL') == 'debug':
            # While identify_cpu() has forgotten what the CPU can do, an interrupt
            # finds addresses of five levels wild, by KASAN's idea of four.
            append.append('no5lvl')
        qemu = ['qemu-system-x86_64', '-nodefaults', '-display', 'none',
                '-no-reboot', '-m', self.memory,
                '-smp', str(self.cpus),
                '-kernel', os.path.join(self.kernel, 'vmlinuz'),
                '-initrd', os.path.join(at, 'initrd'),
                '-qmp', f'unix:{at}/qmp,server=on,wait=off',
                '-chardev', f'file,id=console,path={at}/console',
                '-serial', 'chardev:console',
                '-chardev', 'stdio,id=out,signal=off',
                '-serial', 'chardev:out',
                '-chardev', f'file,id=err,path={at}/stderr',
                '-device', 'isa-serial,chardev=err,index=2,irq=7',
                '-chardev', f'file,id=status,path={at}/status',
                '-device', 'isa-debugcon,chardev=status,iobase=0xe9',
                '-device', 'isa-debug-exit,iobase=0xf4,iosize=1']
        if accel == 'kvm':
            qemu += ['-accel', 'kvm', '-cpu', word('HOST_CPU', 'host')]
        elif self.icount:
            qemu += ['-accel', 'tcg,thread=single', '-cpu',
                     word('HOST_CPU', 'max'), '-icount', 'shift=0,sleep=off']
            append += ['tsc=reliable', 'clocksource=tsc']
        else:
            single = self.cpus == 1 or word('THREAD') == 'single'
            qemu += ['-accel', 'tcg,thread=' +
                     ('single' if single else 'multi'),
                     '-cpu', word('HOST_CPU', 'max')]
        if word('PLUGIN'):
            qemu += ['-plugin', word('PLUGIN'), '-d', 'plugin',
                     '-D', os.path.join(at, 'plugin')]
        shares = [(f'share{n}', d, ',readonly=on') for n, (d, _)
                  in enumerate(self.options['shares'])]
        if self.out:
            shares.append(('out', self.out, ''))
        for tag, directory, extra in shares:
            qemu += ['-fsdev', f'local,id={tag},path={directory},'
                     f'security_model=none,multidevs=remap{extra}',
                     '-device', f'virtio-9p-pci,fsdev={tag},mount_tag={tag}']
        append += word('APPEND').split()
        return (qemu + ['-append', ' '.join(append)] +
                shlex.split(word('QEMU_ARGS')))

    def start(self):
        """QEMU; its terminal is ours if the script's is."""
        stdin = None if self.options['interactive'] else subprocess.DEVNULL
        qemu = subprocess.Popen(self.command(), stdin=stdin,
                                start_new_session=stdin is not None)
        self.lost = LostInterrupt(qemu.pid)
        self.quiet, self.size = 0.0, -1
        return qemu

    def seen_output(self):
        """How much has come out so far; a change is a sign of life."""
        total = os.fstat(1).st_size
        for name in ('console', 'stderr', 'status'):
            try:
                total += os.stat(os.path.join(self.work, name)).st_size
            except FileNotFoundError:
                pass
        return total

    def sick(self, now, over):
        """A wedge, or an interrupt that was lost for good."""
        if self.seen_output() != self.size:
            self.size = self.seen_output()
            self.quiet = now
        monitor = f'{self.work}/qmp'
        if over or (self.watched and now - self.quiet > Wedge.QUIET):
            self.quiet = now
            if Wedge(monitor, self.kernel).seen(self.note) and self.watched:
                return True
        return self.emulated and self.lost.seen(monitor, self.note)

    def status(self):
        """The byte that came through the debug console."""
        return next(iter(self.read('status')), None)

    def felled(self):
        """A stale INT3 kills as well as it wedges."""
        return self.watched and stale_int3(self.read('console'))
