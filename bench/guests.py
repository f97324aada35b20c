# SPDX-License-Identifier: GPL-2.0-only
"""
Guests of the memory suite that run Linux: four that idle (held.sh), and one that gives its
memory back (give.sh). What the host lacks for them, second by second.
"""

import os
import re
import subprocess
import sys

from side import HERE, HOSTS, OUT

# Seconds that idle guests are looked at, and when they are judged.
SECONDS = 60
JUDGED = 30
# MiB that a guest fills and gives back, and what it needs beside them.
FILLED = 256
MORE = 160
# What Debian's QEMU reads, and where from.
QEMU = ['/usr/bin/qemu-system-x86_64', '/usr/share/seabios/bios-256k.bin',
        '/usr/share/qemu/kvmvapic.bin', '/usr/share/qemu/linuxboot_dma.bin']


class Guests:
    """A run of them on one side: its output, and what was held when."""

    def __init__(self, side, name):
        self.side = side
        self.name = name
        self.out = os.path.join(OUT, f'{side.name}-{name}.out')
        self.counts = os.path.join(OUT, f'{side.name}-{name}.tsv')
        self.series, self.said = [], {}
        self.distinct, self.launchers = None, 0
        self.cost = None

    def files(self):
        """What the host gets: boot's options, and the script with its arguments."""
        mark = os.path.join(OUT, 'balloon')
        if self.name == 'held':
            return (['-f', os.path.join(OUT, 'distinct')],
                    [], 'echo booted >/dev/console; sleep 100000',
                    ['held.sh', str(SECONDS), '--merge', 'on'])
        files = ['-f', mark]
        if self.side.name == 'kvm':
            for path in QEMU:
                files += ['-f', f'{path}:{path}']
        return (files, ['-f', mark], f'balloon {FILLED}',
                ['give.sh', str(FILLED + MORE), str(FILLED)])

    def run(self):
        """True if they did what they should."""
        files, inside, command, script = self.files()
        cloud = subprocess.run([os.path.join(HOSTS, 'kernel'), 'cloud'],
                               stdout=subprocess.PIPE, check=True)
        kernel = os.path.join(cloud.stdout.decode().split('\n')[0], 'vmlinuz')
        initrd = os.path.join(OUT, f'initrd-{self.name}')
        subprocess.run([os.path.join(HOSTS, 'guest-initrd')] + inside +
                       [initrd, command], check=True)
        script[0] = os.path.join(HERE, script[0])
        env = dict(self.side.environment(), ICOUNT='1',
                   QEMU_ARGS='-seed 1 -rtc base=2026-01-01,clock=vm')
        if self.name == 'give':
            env['PLUGIN'] = f'{OUT}/cost.so,out={self.counts}'
            if self.side.profile:
                env['PLUGIN'] += ',profile=on'
                files += ['-o', os.path.join(OUT, 'symbols-' + self.side.name)]
        with open(self.out, 'wb') as out:
            status = subprocess.run(
                [os.path.join(HOSTS, 'loop'), '-t', '1500',
                 '-l', self.out.replace('.out', '.log'), '-f', kernel,
                 '-f', initrd + ':/work/initrd'] + files + script,
                env=env, stdout=out, stderr=subprocess.STDOUT,
                check=False).returncode
        if status:
            sys.stderr.write(f'bench: {self.side.name}: status {status}; see '
                             f'{self.out}\n')
        return status == 0

    def read(self):
        """What they held, if they were run."""
        if not os.path.exists(self.out):
            return
        with open(self.out, encoding='utf-8', errors='replace') as text:
            said = text.read()
        self.series = [(int(t), int(kib)) for t, kib in
                       re.findall(r'^held (\d+) (\d+)', said, re.M)]
        self.said = {word: int(t) for t, word in
                     re.findall(r'^said (\d+) (\w+)', said, re.M)}
        found = re.search(r'^distinct \d+ (\d+)', said, re.M)
        self.distinct = found and int(found[1]) * 4
        self.launchers = sum(map(int, re.findall(r'^launcher (\d+)', said, re.M)))
        if os.path.exists(self.counts):
            self.cost = self.side.read_table(self.counts).get('balloon-reclaim')
        if self.cost:
            # A page is one of them.
            self.side.figures['balloon-reclaim'] = dict(self.cost, n=FILLED * 256)

    def held_at(self, second):
        """KiB that the host lacked then."""
        return dict(self.series).get(second)

    def reclaim(self):
        """Instructions of host and guest for a page that the balloon has taken."""
        return self.cost and (self.cost['host'] + self.cost['guest']) / (FILLED * 256)

    def left(self):
        """KiB of what was filled, and freed, that the guest still holds then."""
        if not {'booted', 'filled', 'again'} <= set(self.said):
            return None
        # What was free when it had booted is reported first.
        before = min(kib for second, kib in self.series
                     if self.said['booted'] <= second < self.said['filled'])
        return self.held_at(self.said['again'] - 2) - before

