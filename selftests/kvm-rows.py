#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
kvm-rows.py: Documentation/abi has a row for each ioctl and each capability of
<linux/kvm.h>, of 6.1 and, if its headers are installed, of 6.12; what its tables offer is
what module/caps.c does; and what is offered names tests, which are there. Prints a line
for each thing that is wrong.
"""

import fnmatch
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADER = '/usr/include/linux/kvm.h'
LATER = '/usr/src/linux-headers-6.12*-common/include/uapi/linux/kvm.h'
# The kernel's own selftests are not looked for: their sources are in an archive.
TEST = re.compile(r"(kernel's )?``([^`]+)``")


def read(path):
    """All of it."""
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        return file.read()


def rows(name):
    """
    The list tables of a document: each row's cells. What is offered has three, the last
    of which names tests.
    """
    for row in re.findall(r'^   \* - ((?:.*\n)(?:     .*\n)*)',
                          read(f'Documentation/abi/{name}.rst'), re.M):
        yield [' '.join(cell.split()) for cell in re.split(r'^     -', row, flags=re.M)]


def names(cells):
    """Of the first one: names with commas between them."""
    return re.findall(r'\b[A-Z][A-Z0-9_]*\*?', cells[0])


def tests():
    """Groups of selftests/abi and KUnit's suites, with their cases; suites."""
    known = set(os.listdir(os.path.join(ROOT, 'selftests/suites')))
    for path in glob.glob('selftests/abi/*.c', root_dir=ROOT):
        group = os.path.basename(path)[:-len('.c')]
        known |= {group} | {f'{group}.{case}' for case in re.findall(
            r'^(?:TEST|TEST_TIMEOUT|IN_GUEST)\((\w+)', read(path), re.M)}
    for path in glob.glob('module/**/*_test.c', root_dir=ROOT, recursive=True):
        text = read(path)
        for suite in re.findall(r'\.name = "([\w-]+)"', text):
            known |= {suite} | {f'{suite}.{case}' for case in re.findall(
                r'KUNIT_CASE(?:_PARAM)?\((\w+)', text)}
    return known


def untested():
    """Rows of what is offered without a test, and tests that there are not."""
    known = tests()
    for document in ('capabilities', 'ioctls', 'memory'):
        for cells in rows(document):
            if len(cells) != 3:
                continue
            if not cells[2]:
                yield f'{cells[0]}: no test'
            for kernels, test in TEST.findall(cells[2]):
                if not kernels and test not in known:
                    yield f'{cells[0]}: there is no test {test}'


def missing(what, known, named, complete):
    """Names that no row speaks of, and, if all names are known, rows of nothing."""
    for name in known:
        if not any(fnmatch.fnmatchcase(name, row) for row in named):
            yield f'no row for the {what} {name}'
    for row in named:
        if complete and not fnmatch.filter(known, row):
            yield f'a row for {row}, which is no {what}'


def main():
    """Compare; the status tells whether anything was wrong."""
    later = glob.glob(LATER)
    header = ''.join(read(path) for path in [HEADER, *later])
    table = [(name, len(cells) == 3) for cells in rows('capabilities')
             for name in names(cells)]
    wrong = list(missing(
        'capability', sorted(set(re.findall(r'^#define\s+KVM_CAP_(\w+)\s+\d+', header, re.M))),
        [name for name, _ in table], later))
    ours = set(re.findall(r'\bKVM_CAP_(\w+)\b', re.sub(
        r'/\*.*?\*/', '', read('module/caps.c'), flags=re.S)))
    wrong += [f'{name}: offered in one of table and module/caps.c, not in both'
              for name in sorted(ours ^ {name for name, offered in table if offered})]
    wrong += missing('ioctl', sorted(set(re.findall(
        r'^#define\s+(KVM_\w+)\s+(?:\\\n\s*)?_IO[WR]*\(', header, re.M))),
        [name for cells in rows('ioctls') for name in names(cells)
         if name.startswith('KVM_')], later)
    wrong += untested()
    for each in wrong:
        print(each)
    return bool(wrong)


if __name__ == '__main__':
    sys.exit(main())
