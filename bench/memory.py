# SPDX-License-Identifier: GPL-2.0-only
"""
The memory suite: what merging and the breaking of it cost, beside the host's own
ksmd and copy-on-write, and what four guests hold.
"""

import os
import re
import subprocess
import sys

import profile_of
from side import HOSTS, OUT, Side, die, number, ratio, row_names

# What the ratio is aimed to be at or below.
AIMS = {'pass-unwritten': 0.05, 'pass-rewritten': 1, 'merge-half': 0.5, 'break-sharing': 1,
        'break-in-guest': 1, 'held': 1.05}
# Seconds that guests are looked at, and when they are judged.
SECONDS = 60
JUDGED = 30
HELD = 'held'

UNITS = {'pass-unwritten': 'instructions, a page',
         'pass-rewritten': 'instructions, a page; the guest\'s write, too',
         'merge-half': 'instructions, a page saved',
         'break-sharing': 'instructions; beside a process\'s',
         'break-in-guest': 'instructions; beside a guest\'s on KVM',
         'held': 'KiB; beside what differs'}


class MemorySide(Side):
    """One side; what is counted at once, and guests that idle."""
    SUITE = 'memory'
    SUFFIX = '-memory'
    PROGRAM = 'memory'

    def __init__(self, name, rows, given):
        super().__init__(name, [r for r in rows if r != HELD], given,
                         given['PROFILE'])
        self.said = os.path.join(OUT, name + self.SUFFIX + '.out')
        self.held = os.path.join(OUT, name + '-held.out')
        self.series, self.distinct, self.launchers = [], None, 0

    def read(self):
        """What the plugin has counted, and what was said."""
        super().read()
        with open(self.said, encoding='utf-8', errors='replace') as text:
            said = text.read()
        for name, pages in re.findall(r'^pages (\S+) (\d+)', said, re.M):
            if name in self.figures:
                self.figures[name]['host'] /= int(pages)
        for name, figure in re.findall(r'^figure (\S+) ([\d.]+)', said, re.M):
            self.figures[name] = {'host': float(figure)}

    def cost(self, row):
        """Without the rounds of string instructions where pages are copied."""
        each = self.figures.get(row)
        if each is None:
            return None
        return each['host'] - (each['string'] if row.startswith('break') else 0)

    def run_guests(self):
        """Four guests that boot and idle; True if they did."""
        cloud = subprocess.run([os.path.join(HOSTS, 'kernel'), 'cloud'],
                               stdout=subprocess.PIPE, check=True)
        kernel = os.path.join(cloud.stdout.decode().split('\n')[0], 'vmlinuz')
        initrd = os.path.join(OUT, 'initrd-idle')
        subprocess.run([os.path.join(HOSTS, 'guest-initrd'), initrd,
                        'echo booted >/dev/console; sleep 100000'], check=True)
        command = [os.path.join(HOSTS, 'loop'), '-t', '1500',
                   '-l', os.path.join(OUT, self.name + '-held.log'),
                   '-f', kernel, '-f', initrd + ':/work/initrd',
                   '-f', os.path.join(OUT, 'distinct'),
                   os.path.join(os.path.dirname(__file__), 'held.sh'),
                   str(SECONDS), '--merge', 'on']
        env = dict(self.environment(), ICOUNT='1',
                   QEMU_ARGS='-seed 1 -rtc base=2026-01-01,clock=vm')
        with open(self.held, 'wb') as out:
            status = subprocess.run(command, env=env, stdout=out,
                                    stderr=subprocess.STDOUT,
                                    check=False).returncode
        if status:
            sys.stderr.write(f'bench: {self.name}: status {status}; see '
                             f'{self.held}\n')
        return status == 0

    def read_guests(self):
        """What they held, if they were run."""
        if not os.path.exists(self.held):
            return
        with open(self.held, encoding='utf-8', errors='replace') as text:
            said = text.read()
        self.series = [(int(t), int(kib)) for t, kib in
                       re.findall(r'^held (\d+) (\d+)', said, re.M)]
        found = re.search(r'^distinct \d+ (\d+)', said, re.M)
        self.distinct = found and int(found[1]) * 4
        self.launchers = sum(map(int, re.findall(r'^launcher (\d+)', said, re.M)))

    def held_at(self, second):
        """KiB that the host lacked then."""
        return dict(self.series).get(second)


def pair_of(row, lodge, kvm):
    """lodge's figure and the one beside it."""
    if row == HELD:
        held = lodge.held_at(JUDGED)
        return held and held - lodge.launchers, lodge.distinct
    return lodge.cost(row), kvm.cost(row)


def print_table(table):
    """For a person."""
    print(f'{"":18}{"lodge":>12}{"reference":>12}{"ratio":>9}{"aim":>7}')
    for row, ours, theirs in table:
        share = ratio(ours, theirs)
        cell = '-' if share is None else format(share, '.4f')
        above = share is not None and share > AIMS[row]
        print(f'{row:18}{number(ours):>12}{number(theirs):>12}{cell:>9}'
              f'{AIMS[row]:>7}  {UNITS[row]}{", above the aim" if above else ""}')


def write_tsv(path, table):
    """name, lodge, reference, ratio, aim."""
    with open(path, 'w', encoding='ascii') as out:
        out.write('name\tlodge\treference\tratio\taim\n')
        for row, ours, theirs in table:
            share = ratio(ours, theirs)
            cells = ['' if value is None else f'{value:.3f}'.rstrip('0').rstrip('.')
                     for value in (ours, theirs)]
            cells.append('' if share is None else f'{share:.4f}')
            out.write('\t'.join([row] + cells + [str(AIMS[row])]) + '\n')


def write_svg(path, side):
    """Memory held over time, and what would do."""
    width, height, left, top = 560, 300, 70, 40
    if not side.series:
        return
    most = max(kib for _, kib in side.series) / 1024
    step = next(s for s in (10, 20, 50, 100, 200, 500) if most / s <= 8)

    def x_of(second):
        return left + width * second / SECONDS

    def y_of(mib):
        return top + height - height * mib / (most * 1.05)

    svg = ['<svg xmlns="http://www.w3.org/2000/svg" '
           f'viewBox="0 0 {left + width + 110} {top + height + 50}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="#fff"/>',
           f'<text x="{left}" y="20" font-weight="bold">Four idle guests of '
           '256 MiB: what the host lacks for them, MiB</text>']
    for mib in range(0, int(most) + 1, step):
        svg.append(f'<path d="M{left} {y_of(mib):.1f}h{width}" stroke="#ddd"/>'
                   f'<text x="{left - 8}" y="{y_of(mib) + 4:.1f}" '
                   f'text-anchor="end">{mib}</text>')
    for second in range(0, SECONDS + 1, 10):
        svg.append(f'<text x="{x_of(second):.1f}" y="{top + height + 18}" '
                   f'text-anchor="middle">{second}</text>')
    svg.append(f'<text x="{left + width / 2}" y="{top + height + 38}" '
               'text-anchor="middle">seconds since all have booted</text>')
    points = ' '.join(f'{x_of(t):.1f},{y_of(kib / 1024):.1f}'
                      for t, kib in side.series)
    svg.append(f'<polyline points="{points}" fill="none" stroke="#2a6f4e" '
               'stroke-width="2"/>')
    last, kib = side.series[-1]
    svg.append(f'<text x="{x_of(last) + 6:.1f}" y="{y_of(kib / 1024) - 4:.1f}">'
               'lodge</text>')
    ideal = side.distinct
    if ideal:
        svg.append(f'<path d="M{left} {y_of(ideal / 1024):.1f}h{width}" '
                   'stroke="#c08a20" stroke-dasharray="4 3"/>'
                   f'<text x="{left + width + 6}" '
                   f'y="{y_of(ideal / 1024) + 16:.1f}">what differs</text>')
    svg.append('</svg>\n')
    with open(path, 'w', encoding='ascii') as out:
        out.write('\n'.join(svg))


def main(given):
    """Build, run each side, tell."""
    known = row_names('memory') + [HELD]
    chosen = (given['PROFILE'] or given['ROW']).split() or known
    names = given['SIDE'].split() or ['lodge', 'kvm']
    for what, words, there in (('row', chosen, known),
                               ('side', names, ['lodge', 'kvm'])):
        for word in words:
            if word not in there:
                die(f'no {what} {word}: there are {" ".join(there)}')
    subprocess.run(['make', '-s', '-C', os.path.dirname(__file__), f'O={OUT}'],
                   check=True)
    sides, good = {}, True
    for name in ('lodge', 'kvm'):
        side = MemorySide(name, chosen, given)
        sides[name] = side
        if name not in names:
            # As it was last.
            if os.path.exists(side.counts):
                side.read()
            side.read_guests()
            continue
        if side.rows:
            good &= side.run()
        if HELD in chosen and name == 'lodge':
            good &= side.run_guests()
        side.read_guests()
        if given['PROFILE']:
            for row in side.rows:
                profile_of.show(side, row, given['LINES'],
                                int(given['TOP'] or 40))
    if given['PROFILE']:
        return 0 if good else 1
    table = [(row, *pair_of(row, sides['lodge'], sides['kvm']))
             for row in chosen]
    print_table(table)
    write_tsv(os.path.join(OUT, 'memory.tsv'), table)
    write_svg(os.path.join(OUT, 'memory.svg'), sides['lodge'])
    if len(names) == 2:
        for row, *pair in table:
            if None in pair:
                sys.stderr.write(f'bench: no figures of {row}\n')
                good = False
    return 0 if good else 1
