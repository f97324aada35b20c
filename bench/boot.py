# SPDX-License-Identifier: GPL-2.0-only
"""
The boot suite: Debian's QEMU boots the cloud kernel to its /init, on lodge in KVM's place
and on the host's own KVM, and all of the instructions are counted, guest and host.
"""

import os
import subprocess

import profile_of
from guests import QEMU
from side import HERE, OUT, Side, die, number, ratio

# What the ratio is aimed to be at or below, and what is counted.
AIMS = {'qemu-pc': 0.9, 'qemu-pc-host': 0.9}
UNITS = {'qemu-pc': 'instructions, guest and host, from QEMU\'s start to /init',
         'qemu-pc-host': 'of these the host\'s'}


class BootSide(Side):
    """A boot, which the plugin knows as the row boot."""
    SUITE = 'boot'
    SUFFIX = '-boot'

    def __init__(self, name, given):
        super().__init__(name, ['boot'], given, given['PROFILE'])

    def boot_files(self):
        """QEMU, and what it reads, too."""
        files = super().boot_files()
        for path in QEMU + ['/usr/share/seabios/vgabios-stdvga.bin']:
            files += ['-f', f'{path}:{path}']
        return files

    def boot_command(self):
        """QEMU's start, in the host; nothing but what is not there is left out."""
        return ('[ -e /dev/kvm ] || ln -s lodge /dev/kvm; '
                'timeout 30 ./mark /usr/bin/qemu-system-x86_64 -accel kvm -m 512 '
                '-display none -serial stdio -nic none -no-reboot -kernel vmlinuz '
                '-initrd initrd -append "console=ttyS0 rdinit=/bin/mark panic=-1" '
                '</dev/null')

    def cost(self, row):
        """Instructions of a boot."""
        each = self.figures.get('boot')
        return each and each['host'] + (0 if row.endswith('-host') else each['guest'])


def run_sides(kind, given, names, profiled):
    """
    Build, and both sides: those of NAMES run, another one is as it was last. What runs tells
    where the rows of PROFILED go. The sides, and whether all went well.
    """
    subprocess.run(['make', '-s', '-C', HERE, f'O={OUT}'], check=True)
    sides, good = {}, True
    for name in ('lodge', 'kvm'):
        side = sides[name] = kind(name, given)
        if name in names:
            good &= side.run()
            for row in profiled:
                profile_of.show(side, row, given['LINES'], int(given['TOP'] or 40))
        elif os.path.exists(side.counts):
            side.read()
    return sides, good


def tell(suite, table):
    """TABLE's rows, (name, ours, reference, aim, unit), said and written; are all there?"""
    good = True
    print(f'{"":14}{"lodge":>16}{"reference":>16}{"ratio":>8}{"aim":>6}')
    with open(os.path.join(OUT, suite + '.tsv'), 'w', encoding='ascii') as out:
        out.write('name\tlodge\treference\tratio\taim\n')
        for row, ours, theirs, aim, unit in table:
            share = ratio(ours, theirs)
            good &= share is not None
            cell = '' if share is None else f'{share:.4f}'
            above = share is not None and share > aim
            print(f'{row:14}{number(ours):>16}{number(theirs):>16}{cell:>8}'
                  f'{aim:>6}  {unit}{", above the aim" if above else ""}')
            out.write('\t'.join([row] + ['' if value is None else f'{value:.0f}'
                                         for value in (ours, theirs)] + [cell, str(aim)]) + '\n')
    return good


def main(given):
    """Build, run each side, tell."""
    names = given['SIDE'].split() or ['lodge', 'kvm']
    if set(names) - {'lodge', 'kvm'} or given['ROW'] or given['HOST'] not in ('', 'amd'):
        die('the suite boot has one row, two sides, lodge and kvm, and a host with AMD-V')
    sides, good = run_sides(BootSide, given, names, ['boot'] if given['PROFILE'] else [])
    if not given['PROFILE']:
        good &= tell('boot', [(row, sides['lodge'].cost(row), sides['kvm'].cost(row), aim,
                               UNITS[row]) for row, aim in AIMS.items()])
    return 0 if good else 1
