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
from guests import FILLED, JUDGED, SECONDS, Guests
from side import OUT, Side, die, number, ratio, row_names

# What the ratio is aimed to be at or below, and what the figures are.
AIMS = {'pass-unwritten': 0.05, 'pass-rewritten': 1, 'merge-half': 0.5, 'break-sharing': 1,
        'break-in-guest': 1, 'unpack': 3, 'working-set': 1.1, 'balloon-reclaim': 0.333,
        'reported': 0.05, 'held': 1.05}
UNITS = {'pass-unwritten': 'instructions, a page',
         'pass-rewritten': 'instructions, a page; the guest\'s write, too',
         'merge-half': 'instructions, a page saved',
         'break-sharing': 'instructions; beside a process\'s',
         'break-in-guest': 'instructions; beside a guest\'s on KVM',
         'unpack': 'instructions; beside a process\'s copy-on-write',
         'working-set': 'instructions, a page and round; beside a guest that isn\'t held',
         'balloon-reclaim': 'instructions, a page, the guest\'s, too',
         'reported': 'KiB; held 20 s later, of what was freed',
         'held': 'KiB; beside what differs'}
# Which guests run Linux, and for which rows; on which sides.
RUNS = {'give': ('balloon-reclaim', 'reported'), 'held': ('held',)}
GUEST_ROWS = [row for rows in RUNS.values() for row in rows]
# Where pages are copied: without the rounds of string instructions.
COPIES = ('break-sharing', 'break-in-guest', 'unpack')
# Where the guest counts as well; and what a row has beside it, on the same side.
WHOLE = ('working-set', 'working-set-free')
BESIDE = {'working-set': 'working-set-free'}


class MemorySide(Side):
    """One side; what is counted at once, and guests that run Linux."""
    SUITE = 'memory'
    SUFFIX = '-memory'
    PROGRAM = 'memory'

    def __init__(self, name, rows, given):
        rows = [row for row in rows if row not in GUEST_ROWS]
        rows += [BESIDE[row] for row in rows if row in BESIDE]
        # lodge's own two are compared with each other.
        if name == 'kvm':
            rows = [row for row in rows if row not in WHOLE]
        super().__init__(name, rows, given, given['PROFILE'])
        self.said = os.path.join(OUT, name + self.SUFFIX + '.out')
        self.guests = {run: Guests(self, run) for run in RUNS}

    def read(self):
        """What the plugin has counted, and what was said."""
        super().read()
        with open(self.said, encoding='utf-8', errors='replace') as text:
            said = text.read()
        for name, pages in re.findall(r'^pages (\S+) (\d+)', said, re.M):
            if name in self.figures:
                for what in ('host', 'guest'):
                    self.figures[name][what] /= int(pages)
        for name, figure in re.findall(r'^figure (\S+) ([\d.]+)', said, re.M):
            self.figures[name] = {'host': float(figure)}

    def cost(self, row):
        """What is told of a row that was counted."""
        each = self.figures.get(row)
        if each is None:
            return None
        return (each['host'] - (each['string'] if row in COPIES else 0) +
                (each['guest'] if row in WHOLE else 0))


def pair_of(row, lodge, kvm):
    """lodge's figure and the one beside it."""
    ours, theirs = (side.guests for side in (lodge, kvm))
    if row == 'held':
        # It is reached by then, and kept until what differs is counted.
        held = [ours['held'].held_at(t) for t in (JUDGED, SECONDS)]
        return (None if None in held else max(held) - ours['held'].launchers,
                ours['held'].distinct)
    if row == 'balloon-reclaim':
        return ours['give'].reclaim(), theirs['give'].reclaim()
    if row == 'reported':
        # What QEMU's guest holds then is seen in the plot.
        return ours['give'].left(), FILLED * 1024
    if row in BESIDE:
        return lodge.cost(row), lodge.cost(BESIDE[row])
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


COLOURS = {'lodge': '#2a6f4e', 'kvm': '#a9b3bd'}


def write_svg(path, title, axis, sides, run):
    """Memory held over time, on each side that there is."""
    width, height, left, top = 560, 300, 70, 40
    lines = {name: side.guests[run].series for name, side in sides.items()
             if side.guests[run].series}
    if not lines:
        return
    most = max(kib for series in lines.values() for _, kib in series) / 1024
    last = max(second for series in lines.values() for second, _ in series)
    step = next(s for s in (10, 20, 50, 100, 200, 500, 1000) if most / s <= 8)

    def x_of(second):
        return left + width * second / last

    def y_of(mib):
        return top + height - height * mib / (most * 1.05)

    svg = ['<svg xmlns="http://www.w3.org/2000/svg" '
           f'viewBox="0 0 {left + width + 110} {top + height + 50}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="#fff"/>',
           f'<text x="{left}" y="20" font-weight="bold">{title}: what the host '
           'lacks, MiB</text>']
    for mib in range(0, int(most) + 1, step):
        svg.append(f'<path d="M{left} {y_of(mib):.1f}h{width}" stroke="#ddd"/>'
                   f'<text x="{left - 8}" y="{y_of(mib) + 4:.1f}" '
                   f'text-anchor="end">{mib}</text>')
    for second in range(0, last + 1, 10):
        svg.append(f'<text x="{x_of(second):.1f}" y="{top + height + 18}" '
                   f'text-anchor="middle">{second}</text>')
    svg.append(f'<text x="{left + width / 2}" y="{top + height + 38}" '
               f'text-anchor="middle">{axis}</text>')
    for name, series in lines.items():
        points = ' '.join(f'{x_of(t):.1f},{y_of(kib / 1024):.1f}'
                          for t, kib in series)
        svg.append(f'<polyline points="{points}" fill="none" '
                   f'stroke="{COLOURS[name]}" stroke-width="2"/>')
        at, kib = series[-1]
        svg.append(f'<text x="{x_of(at) + 6:.1f}" y="{y_of(kib / 1024) - 4:.1f}">'
                   f'{name}</text>')
    ideal = sides['lodge'].guests[run].distinct
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
    known = [row for row in row_names('memory') if row not in BESIDE.values()]
    known += GUEST_ROWS
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
        elif side.rows:
            good &= side.run()
        for run, rows in RUNS.items():
            # An ideal is found in lodge's own guests; ksmd's are for the plot.
            if set(chosen) & set(rows) and name in names:
                good &= side.guests[run].run()
            side.guests[run].read()
        if given['PROFILE'] and name in names:
            for row in set(chosen) & {*side.rows, 'balloon-reclaim'}:
                profile_of.show(side, row, given['LINES'],
                                int(given['TOP'] or 40))
    if given['PROFILE']:
        return 0 if good else 1
    table = [(row, *pair_of(row, sides['lodge'], sides['kvm']))
             for row in chosen]
    print_table(table)
    write_tsv(os.path.join(OUT, 'memory.tsv'), table)
    write_svg(os.path.join(OUT, 'memory.svg'), 'Four idle guests of 256 MiB',
              'seconds since all have booted', sides, 'held')
    write_svg(os.path.join(OUT, 'memory-reported.svg'),
              'A guest that fills memory, and frees it',
              'seconds since it was started', sides, 'give')
    if len(names) == 2:
        for row, *pair in table:
            if None in pair:
                sys.stderr.write(f'bench: no figures of {row}\n')
                good = False
    return 0 if good else 1
