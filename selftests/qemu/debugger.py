# SPDX-License-Identifier: GPL-2.0-only
"""gdb, through QEMU's stub, on a guest's kernel."""

import os
import re
import selectors
import signal
import subprocess
import time

from machine import Guest, note, point


class Gdb:
    """A gdb that is told one command at a time."""

    def __init__(self, stub, patience):
        self.patience = patience
        self.process = subprocess.Popen(
            ['gdb', '-nx', '-q'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.ready = selectors.DefaultSelector()
        self.ready.register(self.process.stdout, selectors.EVENT_READ)
        self.marks = 0
        for each in ('set pagination off', 'set confirm off', 'set width 0',
                     'set architecture i386:x86-64', f'target remote {stub}'):
            self.ask(each)

    def tell(self, command):
        """Give it a command, and a mark to say when it is over."""
        self.marks += 1
        self.process.stdin.write(f'{command}\necho =over {self.marks}=\\n\n'.encode())
        self.process.stdin.flush()

    def wait(self, patience=None):
        """What it says until the mark; None if the mark doesn't come."""
        end = time.monotonic() + (patience or self.patience)
        text = ''
        while f'=over {self.marks}=' not in text:
            left = end - time.monotonic()
            if left < 0 or not self.ready.select(left):
                return None
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                return None
            text += more.decode(errors='replace')
        return text.partition(f'=over {self.marks}=')[0]

    def ask(self, command, patience=None):
        """A command, and what it said."""
        self.tell(command)
        return self.wait(patience) or ''

    def number(self, what):
        """The value of an expression."""
        said = re.search(r'value ([0-9a-f]+)', self.ask(f'printf "value %lx\\n", {what}'))
        return said and int(said[1], 16)

    def stop(self):
        """As a person's ^C: what it said."""
        os.kill(self.process.pid, signal.SIGINT)
        return self.wait() or ''

    def end(self):
        """It goes, the guest goes on."""
        self.ask('detach')
        self.process.stdin.close()
        self.process.wait(self.patience)


def steps(gdb, count):
    """Single steps: how many went where the instruction leads."""
    good = 0
    for _ in range(count):
        listed = re.findall(r'0x([0-9a-f]+):\s+(\S+)', gdb.ask('x/2i $pc'))
        gdb.ask('stepi')
        now = gdb.number('$pc')
        jumps = re.match(r'j|call|ret|loop|iret|sys|int', listed[0][1])
        if now is None or (not jumps and now != int(listed[1][0], 16)):
            note(f'a step from {listed[0]} came to {now or 0:#x}, not to {listed[1]}')
            break
        good += 1
    return good


def stops_at(gdb, machine, where):
    """The guest makes a directory; is it stopped at WHERE? Else it is stopped somewhere."""
    gdb.tell('continue')
    machine.orders += 1
    machine.tell(f'{machine.orders} mkdir made && rmdir made')
    if gdb.wait(60) is None:
        gdb.stop()
    return gdb.number('$pc') == where


def debugger():
    """
    The guest is stopped, stepped, and goes on. Breakpoints are last: in an emulator
    that lets an INT3 pass, a process of the guest dies of it.
    """
    with Guest('-m', '128', '-nic', 'none', '-gdb',
               'unix:path=/tmp/gdb,server=on,wait=off') as machine:
        good = point(machine.ready(), 'a guest boots')
        where = int(machine.order("sed -n 's/ . __x64_sys_mkdir$//p' /proc/kallsyms"), 16)
        machine.order('(while :; do :; done) & sleep 0.1')
        gdb = Gdb('/tmp/gdb', machine.PATIENCE)
        good &= point(machine.monitor.execute('query-status')['status'] != 'running'
                      and gdb.number('$pc'), 'gdb stops it')
        for times in ('once', 'and again'):
            good &= point(steps(gdb, 20) == 20, f'20 single steps, {times}')
            gdb.tell('continue')
            good &= point(machine.order('true') is not None, f'it goes on, {times}')
            gdb.stop()
        gdb.tell('continue')
        good &= point(machine.order('cpus; dmesg | grep -E "BUG:|Oops|Call Trace"; '
                                    '[ $? = 1 ]') is not None, 'it is well')
        gdb.stop()
        code = gdb.ask(f'x/8xb {where:#x}')
        for kind in ('hbreak', 'break'):
            gdb.ask(f'{kind} *{where:#x}')
            good &= point(stops_at(gdb, machine, where), f'it stops at a {kind}')
            gdb.ask('delete')
        good &= point(code and gdb.ask(f'x/8xb {where:#x}') == code, 'the code is as it was')
        if not good:
            machine.tell_why()
        gdb.end()
