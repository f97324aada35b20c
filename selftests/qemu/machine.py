# SPDX-License-Identifier: GPL-2.0-only
"""
QEMU as a test drives it, in an emulated host: a machine with its monitor and its
serial line, and test points.
"""

import os
import re
import socket
import subprocess
import sys
import time

from qemu import Monitor

QEMU = 'qemu-system-x86_64'

# What a guest says that finds something wrong.
WRONG = '^guest: (?:unwell|.*wrong|.*no timer).*'

points = []


def point(good, text):
    """A test point."""
    points.append(bool(good))
    print(f'{"" if good else "not "}ok {len(points)} - {text}', flush=True)
    return bool(good)


def note(text):
    """What can't be taken for a test point."""
    for line in text.splitlines():
        print(f'# {line}', flush=True)


def finish():
    """The plan, and the status."""
    print(f'1..{len(points)}')
    sys.exit(not all(points))


def until(condition, seconds, step=0.1):
    """Wait for it; what it said at the end."""
    end = time.monotonic() + seconds
    while True:
        said = condition()
        if said or time.monotonic() > end:
            return said
        time.sleep(step)


class Line:
    """
    A guest's serial line: a socket, AT.line, and a file with all that came, AT.log.
    """
    PATIENCE = 300          # seconds; for what can only fail by never coming

    def __init__(self, at):
        self.at = at
        self.log = at + '.log'
        self.line = None
        self.orders = 0

    def ended(self):
        """Has the guest's QEMU ended?"""
        raise NotImplementedError

    def hang_up(self):
        """Another QEMU will be at the other end."""
        if self.line:
            self.line.close()
        self.line = None

    def drain(self):
        """A socket that nobody reads is full after some 280 bytes, and the UART waits."""
        try:
            while self.line and self.line.recv(4096, socket.MSG_DONTWAIT):
                pass
        except OSError:
            pass

    def read(self, what='log'):
        """All that came from the serial line; with err: what QEMU said."""
        self.drain()
        try:
            with open(self.log if what == 'log' else f'{self.at}.{what}', 'rb') as log:
                return log.read().decode(errors='replace').replace('\r', '')
        except FileNotFoundError:
            return ''

    def tell(self, text):
        """A line to the guest's serial line."""
        if not self.line:
            self.line = socket.socket(socket.AF_UNIX)
            self.line.connect(self.at + '.line')
        self.line.sendall(text.encode() + b'\n')

    def order(self, command):
        """Have a guest that takes orders do it; what it said, None if it failed."""
        self.orders += 1
        self.tell(f'{self.orders} {command}')
        done = self.said(rf'^guest: did {self.orders} (\d+)$')
        if not done or done[1] != '0':
            return None
        begin = self.read().rfind(f'{self.orders} {command}', 0, done.start())
        return self.read()[begin:done.start()].partition('\n')[2].strip()

    def said(self, pattern, times=1):
        """Wait until the guest has said it, so many times; the last match."""
        def look():
            found = list(re.finditer(pattern, self.read(), re.M))
            return found[-1] if len(found) >= times else None
        return until(lambda: look() or self.ended(), self.PATIENCE) and look()

    def ready(self):
        """Its init has come so far, and has something to write."""
        return self.said('^guest: ready') and self.order(
            'dd if=/dev/urandom of=noise bs=64k count=40 2>/dev/null') is not None


class Machine(Line):
    """
    One QEMU. ARGS are its command line but for what every machine here has: no
    display, a monitor, and a serial line that is kept.
    """
    count = 0

    def __init__(self, *args, append=None, kernel='cloud', accel='kvm'):
        Machine.count += 1
        super().__init__(f'/tmp/machine{Machine.count}')
        if os.path.ismount('/out'):     # who runs this wants to look on
            self.log = f'/out/machine{Machine.count}.log'
        command = [QEMU, '-accel', accel, '-display', 'none', '-no-reboot',
                   '-qmp', f'unix:{self.at}.qmp,server=on,wait=off',
                   '-chardev', f'socket,id=line,path={self.at}.line,server=on,'
                   f'wait=off,logfile={self.log}', '-serial', 'chardev:line']
        if append is not None:
            command += ['-kernel', f'/work/{kernel}',
                        '-initrd', f'/work/{kernel}.initrd',
                        '-append', 'console=ttyS0 panic=-1 quiet nowatchdog '
                        + append]
        with open(self.at + '.err', 'wb') as err:
            self.process = subprocess.Popen(command + list(args), stdout=err,
                                            stdin=subprocess.DEVNULL, stderr=err)
        self.link = None

    def __enter__(self):
        return self

    def __exit__(self, wrong, *_):
        if wrong:
            self.tell_why()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    @property
    def monitor(self):
        """QMP, when it is there."""
        if not self.link:
            until(lambda: os.path.exists(self.at + '.qmp') or self.ended(), 20)
            self.link = Monitor(self.at + '.qmp', self.PATIENCE)
        return self.link

    def ended(self):
        """Has QEMU ended?"""
        return self.process.poll() is not None

    def done(self):
        """Wait for the guest to end, and well; what it said."""
        try:
            status = self.process.wait(self.PATIENCE)
        except subprocess.TimeoutExpired:
            status = None
        return (status == 0 and re.search('^guest: done$', self.read(), re.M) and
                not re.search(WRONG, self.read(), re.M))

    def tell_where(self):
        """What each thread waits for in the host, and where each vCPU is."""
        at = f'/proc/{self.process.pid}/task'
        for thread in os.listdir(at):
            told = []
            for name in ('comm', 'wchan', 'stack'):
                with open(f'{at}/{thread}/{name}', encoding='ascii') as file:
                    told += file.read().split('\n')[:6]
            note(f'{thread}: {" ".join(told)}')
        for line in self.monitor.ask('info registers -a').split('\n'):
            if re.match('CPU#|[ER]IP', line):
                note(line.strip())

    def tell_why(self):
        """For a person, after a failure."""
        try:
            if not self.ended():
                self.tell_where()
        except OSError as error:        # it has gone meanwhile, or doesn't answer
            note(str(error))
        note('\n'.join(['QEMU said:'] + self.read('err').splitlines()[-15:] +
                       ['and the guest:'] + self.read().splitlines()[-25:] +
                       [f'status {self.process.poll()}']))


class Guest(Machine):
    """A guest that takes orders."""

    def __init__(self, *args, cpus=1, append='', **more):
        super().__init__('-smp', str(cpus), *args, append='do=orders ' + append, **more)

    def over(self, good):
        """It ends, and well; if anything wasn't good, why."""
        if not self.ended():
            self.tell(f'{self.orders + 1} end')
        good &= point(self.done(), 'the guest ends well')
        if not good:
            self.tell_why()
