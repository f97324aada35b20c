# SPDX-License-Identifier: GPL-2.0-only
"""
A side of a benchmark, lodge or the host's own KVM: an emulated host that runs
the rows, and what was counted there.
"""

import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
OUT = os.path.join(ROOT, 'build/bench')
HOSTS = os.path.join(ROOT, 'selftests/hosts')

# The same run as the row boot, without what the guest itself executes.
BOOT_HOST = 'boot-host'


def die(text):
    """A word on why there are no figures."""
    sys.stderr.write(f'bench: {text}\n')
    sys.exit(1)


def row_names(suite):
    """All rows of a suite, in the order of rows.h."""
    with open(os.path.join(HERE, 'rows.h'), encoding='ascii') as rows:
        text = rows.read().split(f'#define {suite.upper()}_ROWS(row)')[1]
    return re.findall(r'\trow\(\w+, "([^"]+)"\)', text.split('\n\n')[0])


class Side:
    """lodge or kvm: a run of the rows on it."""
    SUITE = 'exits'
    KERNEL = '6.1'
    SUFFIX = ''
    PROGRAM = 'exits'

    def __init__(self, name, rows, given, profile=''):
        self.name = name
        self.node = name.partition('-')[0]
        self.rows = rows
        self.profile = profile
        self.kernel = given['KERNEL'] or self.KERNEL
        self.counts = os.path.join(OUT, name + self.SUFFIX + '.tsv')
        self.figures = {}
        self.spots = {}
        self.kernel_dir = ''
        self.said = ''

    def run(self):
        """Boot the host, run the rows; True if they all came to their end."""
        boot = [os.path.join(HOSTS, 'loop'), '-t', '1500',
                '-l', os.path.join(OUT, self.name + self.SUFFIX + '.log'),
                '-f', os.path.join(OUT, self.PROGRAM) + ':/work/rows']
        cases = ' '.join(self.SUITE + '.' + row.replace('-', '_')
                         for row in self.rows if row != 'boot')
        script = ['status=0']
        if cases:
            # Its words come later: a serial line's interrupts would be counted.
            script.append(f'./rows -t 10 {cases} >log 2>&1 || status=1')
            script.append('cat log')
        if 'boot' in self.rows:
            boot += self.boot_files()
            script.append(self.boot_command() + ' || status=1')
        if self.profile:
            boot += ['-o', os.path.join(OUT, 'symbols-' + self.name)]
            script.append('cat /proc/kallsyms >/out/kallsyms')
        script.append('exit $status')
        where = subprocess.run([os.path.join(HOSTS, self.kernel_tool()),
                                self.kernel],
                               stdout=subprocess.PIPE, check=True)
        self.kernel_dir = where.stdout.decode().split('\n')[0]
        if os.path.exists(self.counts):
            os.remove(self.counts)
        self.said = os.path.join(OUT, self.name + self.SUFFIX + '.out')
        status = self.count(boot + ['-c', '\n'.join(script)], self.said)
        if status:
            sys.stderr.write(f'bench: {self.name}: status {status}; see '
                             f'{self.said}\n')
        self.read()
        return status == 0

    def kernel_tool(self):
        """Which of the scripts has the host's kernel."""
        return ('built-kernel' if self.kernel in ('small', 'debug') else
                'kernel')

    def environment(self):
        """The words that a host of either kind takes."""
        return dict(os.environ, NODE=self.node,
                    LODGE_NODE='/dev/' + self.node, KERNEL=self.kernel)

    def count(self, command, said):
        """Run that with the plugin; its status."""
        plugin = f'{OUT}/cost.so,out={self.counts}'
        if self.profile:
            plugin += ',profile=on'
        # The same random numbers and the same date in every run.
        env = dict(self.environment(), ICOUNT='1', PLUGIN=plugin,
                   QEMU_ARGS='-seed 1 -rtc base=2026-01-01,clock=vm ' +
                   os.environ.get('QEMU_ARGS', ''))
        with open(said, 'wb') as out:
            return subprocess.run(command, env=env, stdout=out,
                                  stderr=subprocess.STDOUT,
                                  check=False).returncode

    @staticmethod
    def boot_files():
        """The cloud kernel and an initramfs whose first process is mark."""
        cloud = subprocess.run([os.path.join(HOSTS, 'kernel'), 'cloud'],
                               stdout=subprocess.PIPE, check=True)
        initrd = os.path.join(OUT, 'initrd')
        mark = os.path.join(OUT, 'mark')
        subprocess.run([os.path.join(HOSTS, 'guest-initrd'), '-f', mark,
                        initrd], check=True)
        kernel = os.path.join(cloud.stdout.decode().split('\n')[0], 'vmlinuz')
        return ['-f', mark, '-f', kernel, '-f', initrd]

    def boot_command(self):
        """The launcher's start, in the host."""
        node = '/dev/' + self.node
        # A guest that hangs is ended after 8 s of the host's time.
        return (f'timeout 8 ./mark ./lodge run --node {node} '
                '--kernel vmlinuz --initrd initrd --cpus 1 --memory 512M '
                '--append "console=ttyS0 rdinit=/bin/mark panic=-1" </dev/null')

    def read(self):
        """What the plugin has counted."""
        self.figures = self.read_table(self.counts)

    def read_table(self, path):
        """A table that the plugin has left, by row."""
        figures = {}
        try:
            with open(path, encoding='ascii') as table:
                head = table.readline().rstrip('\n').split('\t')
                for line in table:
                    if line.startswith('@ '):
                        _, row, address, count = line.split()
                        self.spots.setdefault(row, []).append(
                            (int(address, 16), int(count)))
                        continue
                    cells = line.rstrip('\n').split('\t')
                    figures[cells[0]] = dict(zip(
                        head[1:], map(float, cells[1:])))
        except FileNotFoundError:
            sys.stderr.write(f'bench: {self.name}: nothing was counted\n')
        return figures

    def cost(self, row):
        """Instructions: the host's alone, or for boot the guest's, too."""
        each = self.figures.get('boot' if row == BOOT_HOST else row)
        if each is None:
            return None
        return each['host'] + (each['guest'] if row == 'boot' else 0)


def number(value):
    """A figure as a person reads it."""
    if value is None:
        return '-'
    if value < 100 and value != int(value):
        return f'{value:.1f}'
    return f'{value:,.0f}'


def ratio(lodge, kvm):
    """lodge's figure over KVM's."""
    return None if lodge is None or not kvm else lodge / kvm
