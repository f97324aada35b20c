#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
Counts what plugin.c counts, from the instruction trace of Bochs's debugger.

usage: trace.py FIFO OUT [profile]

A line of the trace is "(CPU).[tick] [physical] selector:linear (symbol):
instruction ; bytes". Between two marks of rows.h, what comes from a VM entry
to the next instruction of the kernel is the guest's. The tenth of a row that
costs most is left out: the host's timer ticks fall there. The row boot is not
traced; it is what the clock says between two breaks.
"""

import re
import sys

COSTLY = {
    'vmentry': ('vmlaunch', 'vmresume', 'vmrun'),
    'vmread': ('vmread',),
    'vmwrite': ('vmwrite',),
    'vmptr': ('vmptrld', 'vmptrst', 'vmclear', 'vmload', 'vmsave'),
    'rdmsr': ('rdmsr',),
    'wrmsr': ('wrmsr',),
    'movcr': (),
    'movdr': (),
    'invl': ('invlpg', 'invpcid', 'invept', 'invvpid', 'invlpga'),
    'xsave': ('xsave', 'xsaveopt', 'xsavec', 'xsaves', 'xrstor', 'xrstors',
              'fxsave', 'fxrstor', 'xgetbv', 'xsetbv'),
    'lock': ('lock',),
    'desc': ('lgdt', 'lidt', 'lldt', 'ltr'),
    'swapgs': ('swapgs',),
    'if': ('cli', 'sti', 'popf', 'popfq', 'stgi', 'clgi'),
    'port': ('in', 'out', 'ins', 'outs', 'insb', 'outsb'),
}
CLASS = {name: what for what, names in COSTLY.items() for name in names}
NAMES = list(COSTLY)
MARK = b'; 0f1f8400'
MAGIC = 0x4c4f
END = 0x100
REGISTER = re.compile(r'\b([cd])r\d')


def what_is(text):
    """The class of an instruction, or None; it is asked once per text."""
    name = text.split(None, 1)[0]
    if name == 'mov':
        found = REGISTER.search(text)
        return found and {'c': 'movcr', 'd': 'movdr'}[found[1]]
    if name == 'xchg' and '[' in text:
        return 'lock'
    return CLASS.get(re.sub(r'64$', '', name))


class Count:
    """All rows, while the trace goes by."""

    def __init__(self, rows):
        self.rows = rows
        self.samples = {}       # row: a list of (host, guest, operations)
        self.spots = {}         # row: {address: how often}
        self.known = {}         # an instruction's text: its class
        self.stops = []         # ticks at which the debugger stopped

    def mark(self, line):
        """The number that a NOP's displacement carries, or None."""
        at = line.index(MARK) + len(MARK)
        value = bytes.fromhex(line[at:at + 8].decode())
        value = int.from_bytes(value, 'little')
        return value & 0xffff if value >> 16 == MAGIC else None

    def read(self, stream):
        """Line by line; no more is done outside of marks than must be."""
        row, guest = None, True
        host = inside = 0
        operations, spots = {}, {}
        for line in stream:
            if MARK in line:
                number = self.mark(line)
                if number is None:
                    continue
                if number & END:
                    if row is not None:
                        self.samples.setdefault(row, []).append(
                            (host, inside, operations))
                    row = None
                else:
                    row, guest = self.rows[number], True
                    host = inside = 0
                    operations = {}
                    spots = self.spots.setdefault(row, {})
                continue
            if row is None or not line.startswith(b'('):
                if line.startswith(b'Next at t='):
                    self.stops.append(int(line[10:]))
                continue
            if not line.startswith(b'(0).['):
                continue
            colon = line.find(b':', 20)
            address = line[colon + 1:colon + 17]
            if guest and not address.startswith(b'ffff'):
                inside += 1
                continue
            guest = False
            host += 1
            spots[address] = spots.get(address, 0) + 1
            text = line[line.find(b'): ', colon) + 3:line.rfind(b';')]
            if text in self.known:
                kind = self.known[text]
            else:
                kind = self.known[text] = what_is(text.decode() + ' ')
            if kind:
                operations[kind] = operations.get(kind, 0) + 1
                guest = kind == 'vmentry'

    def write(self, path, profile):
        """As plugin.c writes it."""
        with open(path, 'w', encoding='ascii') as out:
            out.write('\t'.join(['row', 'n', 'guest', 'host'] + NAMES +
                                ['min', 'median', 'max']) + '\n')
            for row in self.rows:
                if row in self.samples:
                    out.write(self.line(row, self.samples[row]))
            if not profile:
                return
            for row, spots in self.spots.items():
                for address, times in spots.items():
                    out.write(f'@ {row} {address.decode()} {times}\n')

    @staticmethod
    def line(row, samples):
        """A row: averages of all but the dearest tenth."""
        samples.sort(key=lambda sample: sample[0])
        kept = samples[:max(1, len(samples) - (len(samples) + 9) // 10)]
        cells = [sum(sample[1] for sample in kept) / len(kept),
                 sum(sample[0] for sample in kept) / len(kept)]
        cells += [sum(sample[2].get(what, 0) for sample in kept) / len(kept)
                  for what in NAMES]
        ends = [samples[0][0], samples[len(samples) // 2][0], samples[-1][0]]
        return '\t'.join([row, str(len(samples))] +
                         [f'{cell:.2f}' for cell in cells] +
                         [str(end) for end in ends]) + '\n'

    def boot(self):
        """The last two stops are the boot's ends: all that went by."""
        if len(self.stops) >= 2:
            self.samples['boot'] = [(self.stops[-1] - self.stops[-2], 0, {})]


def main():
    """From a trace to a table."""
    with open(sys.argv[0].replace('trace.py', 'rows.h'),
              encoding='ascii') as rows:
        names = re.findall(r'\trow\(\w+, "([^"]+)"\)', rows.read())
    count = Count(names)
    with open(sys.argv[1], 'rb', buffering=1 << 20) as stream:
        count.read(stream)
    if 'boot' in sys.argv[3:]:
        count.boot()
    count.write(sys.argv[2], 'profile' in sys.argv[3:])


if __name__ == '__main__':
    main()
