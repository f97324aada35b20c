# SPDX-License-Identifier: GPL-2.0-only
"""
The io suite: a Linux guest's disk and network, by lodge's launcher on lodge and by Debian's
QEMU on the host's own KVM. All instructions are counted: the guest's, the host's, of vhost and
of whatever else works for it. Beside them what the launcher costs before the guest's first
instruction, and what it has resident.
"""

import os
import re
import subprocess

from boot import run_sides, tell
from guests import QEMU
from side import HERE, HOSTS, OUT, Side, die, number, row_names


def sizes():
    """What io.h says."""
    with open(os.path.join(HERE, 'io.h'), encoding='ascii') as text:
        found = re.findall(r'#define (\w+)\t+(\d+)', text.read())
    return {name: int(value) for name, value in found}


MSS = 1448
SIZES = sizes()
SEGMENTS = SIZES['TCP_MIB'] * (1 << 20) / MSS
# How many of its unit a row has, and that.
EACH = {'disk-4k': SIZES['READS'], 'disk-sequence': SIZES['DISK_MIB'],
        'tcp-out': SEGMENTS, 'tcp-in': SEGMENTS}
UNITS = {'disk-4k': 'instructions, a read of 4 KiB',
         'disk-sequence': 'instructions, a MiB',
         'tcp-out': f'instructions, {MSS} bytes to the host',
         'tcp-in': f'instructions, {MSS} bytes to the guest',
         'start': "instructions before the guest's first, but for",
         'resident': "KiB, but for the guest's memory"}
# What is not beside QEMU, but beside an aim.
LIMITS = {'start': 5000000, 'resident': 3072}


class IoSide(Side):
    """A guest that does all of it."""
    SUITE = 'io'
    SUFFIX = '-io'

    def __init__(self, name, given):
        super().__init__(name, list(EACH), given, given['PROFILE'])
        self.said = os.path.join(OUT, name + self.SUFFIX + '.out')

    def run(self):
        """Boot the host; True if the guest came to its end."""
        cloud, host = (subprocess.run([os.path.join(HOSTS, 'kernel'), name],
                                      stdout=subprocess.PIPE, check=True
                                      ).stdout.decode().split('\n')[0]
                       for name in ('cloud', self.kernel))
        self.kernel_dir = host
        initrd, tool = os.path.join(OUT, 'initrd-io'), os.path.join(OUT, 'io')
        subprocess.run([os.path.join(HOSTS, 'guest-initrd'), '-m', 'virtio_net', '-f', tool,
                        initrd, 'ifconfig eth0 10.3.0.2 up; io guest /dev/vda 10.3.0.1 && '
                        'echo done; sleep 100000'], check=True)
        command = [os.path.join(HOSTS, 'loop'), '-t', '1500',
                   '-l', os.path.join(OUT, self.name + self.SUFFIX + '.log'),
                   '-f', os.path.join(cloud, 'vmlinuz'), '-f', initrd + ':/work/initrd',
                   '-f', tool, '-f', os.path.join(OUT, 'mark'), '-f', '/bin/ip']
        if self.name == 'kvm':
            for path in QEMU:
                command += ['-f', f'{path}:{path}']
        if self.profile:
            command += ['-o', os.path.join(OUT, 'symbols-' + self.name)]
        if os.path.exists(self.counts):
            os.remove(self.counts)
        status = self.count(command + [os.path.join(HERE, 'io.sh')], self.said)
        self.read()
        return status == 0

    def environment(self):
        """With what a tap needs."""
        return dict(super().environment(), MODULES='zsmalloc lz4 tun vhost_net')

    def cost(self, row):
        """Instructions of one of its unit, or what is resident."""
        if row == 'resident':
            if not os.path.exists(self.said):
                return None
            with open(self.said, encoding='utf-8', errors='replace') as text:
                found = re.search(r'^resident (\d+)', text.read(), re.M)
            return found and int(found[1])
        each = self.figures.get(row)
        if not each:
            return None
        if row == 'start':
            images = self.figures.get('read-images')
            return images and each['host'] - images['host']
        return (each['host'] + each['guest']) / EACH.get(row, 1)


def main(given):
    """Build, run each side, tell."""
    names = given['SIDE'].split() or ['lodge', 'kvm']
    if set(names) - {'lodge', 'kvm'} or given['ROW'] or given['HOST'] not in ('', 'amd'):
        die('the suite io runs all its rows at once, on two sides, lodge and kvm, and a host '
            'with AMD-V')
    for row in given['PROFILE'].split():
        if row not in row_names('io'):
            die(f'no row {row}: there are {" ".join(row_names("io"))}')
    sides, good = run_sides(IoSide, given, names, given['PROFILE'].split())
    if given['PROFILE']:
        return 0 if good else 1
    table = []
    for row, unit in UNITS.items():
        ours, theirs = (sides[name].cost(row) for name in ('lodge', 'kvm'))
        if row == 'start':
            read = sides['lodge'].cost('read-images')
            unit += f' {number(read)} that read the images once'
        if row in LIMITS:
            unit += f'; beside the aim. QEMU: {number(theirs)}'
        table.append((row, ours, LIMITS.get(row, theirs), 1, unit))
    good &= tell('io', table)
    return 0 if good else 1
