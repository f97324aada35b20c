# SPDX-License-Identifier: GPL-2.0-only
"""
Where the instructions of a row go: the plugin's counts by address, added up
by function, and for lodge.ko also by line of its sources.
"""

import bisect
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
OUT = os.path.join(ROOT, 'build/bench')

# Programs lie below this, the kernel above.
USER_END = 1 << 47


def listed(*command):
    """A command's output, as lines."""
    out = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    return out.stdout.decode().split('\n')


class Profile:
    """Of one row on one side."""

    def __init__(self, side, row):
        self.side = side
        self.spots = side.spots.get(row, [])
        self.symbols = []
        self.module = {}        # lodge.ko's functions: where they were
        program = side.PROGRAM
        if row == 'boot':
            program = '../userspace/lodge/lodge'
        self.read_kallsyms(os.path.join(OUT, 'symbols-' + side.name,
                                        'kallsyms'))
        for line in listed('nm', os.path.join(OUT, program)):
            cells = line.split()
            if len(cells) == 3 and cells[1] in 'tTwWi':
                self.symbols.append((int(cells[0], 16),
                                     cells[2] + ' [launcher]'))
        self.symbols.sort()
        self.starts = [address for address, _ in self.symbols]

    def read_kallsyms(self, path):
        """The names of the kernel and its modules, as that run had them."""
        with open(path, encoding='ascii') as table:
            for line in table:
                address, kind, name = line.rstrip('\n').split(None, 2)
                if kind not in 'tTwW':
                    continue
                self.symbols.append((int(address, 16),
                                     name.replace('\t', ' ')))
                if name.endswith('[lodge]'):
                    self.module[name.split()[0]] = int(address, 16)

    def name(self, address):
        """The function that an address lies in."""
        at = bisect.bisect_right(self.starts, address) - 1
        # Programs and their libraries lie low, and end somewhere.
        if at < 0 or (address < USER_END and
                      address - self.starts[at] > 1 << 16):
            return '[user space]'
        return self.symbols[at][1]

    def functions(self):
        """Instructions of each function, the dearest first."""
        total = {}
        for address, count in self.spots:
            name = self.name(address)
            total[name] = total.get(name, 0) + count
        return sorted(total.items(), key=lambda each: -each[1])

    def sections(self, file):
        """Where each section of lodge.ko with code in it was loaded."""
        bases = {}
        for line in listed('objdump', '-t', file):
            cells = line.split()
            if len(cells) < 5 or cells[-1] not in self.module:
                continue
            section = next((c for c in cells if c.startswith('.')), None)
            if section and 'text' in section:
                bases[section] = self.module[cells[-1]] - int(cells[0], 16)
        return bases

    def lines(self):
        """Instructions of each line of lodge.ko, inlined ones by their own."""
        with open(os.path.join(self.side.kernel_dir, 'release'),
                  encoding='ascii') as release:
            file = os.path.join(ROOT, 'build', release.read().strip(),
                                'lodge.ko')
        bases = sorted((base, section) for section, base in
                       self.sections(file).items())
        of_section = {}
        for address, count in self.spots:
            if not self.name(address).endswith('[lodge]'):
                continue
            base, section = bases[max(0, bisect.bisect_right(
                bases, (address, '~')) - 1)]
            of_section.setdefault(section, []).append((address - base, count))
        total = {}
        for section, spots in of_section.items():
            found = listed('addr2line', '-f', '-s', '-e', file, '-j', section,
                           *(hex(offset) for offset, _ in spots))
            for at, (_, count) in enumerate(spots):
                where = found[2 * at + 1].split(' (')[0]
                name = f'{found[2 * at]}  {where}'
                total[name] = total.get(name, 0) + count
        return sorted(total.items(), key=lambda each: -each[1])


def show_table(table, times, top):
    """Count per exit, share, running share, name."""
    whole = sum(count for _, count in table) or 1
    so_far = 0
    for name, count in table[:top]:
        so_far += count
        print(f'{count / times:14,.1f} {100 * count / whole:5.1f} % '
              f'{100 * so_far / whole:5.1f} %  {name}')
    print()


def show(side, row, lines, top):
    """Print it: the functions, and the lines if wanted."""
    figures = side.figures.get(row)
    if not figures:
        sys.stderr.write(f'bench: {side.name}: no row {row}\n')
        return
    profile = Profile(side, row)
    times = figures['n']
    whole = sum(count for _, count in profile.spots)
    print(f'{row} on {side.name}: {whole / times:,.1f} instructions of the '
          f'host for each of {times:.0f}\n')
    show_table(profile.functions(), times, top)
    if lines and side.name == 'lodge':
        show_table(profile.lines(), times, top)
