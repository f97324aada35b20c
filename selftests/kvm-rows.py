#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
kvm-rows.py: Documentation/abi has a row for each ioctl and each capability of
<linux/kvm.h>, and what its tables offer is what module/caps.c does. Prints a line for
each thing that is wrong.
"""

import fnmatch
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADER = '/usr/include/linux/kvm.h'
RULE = re.compile(r'^=+  =+$', re.M)


def read(path):
    """All of it."""
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        return file.read()


def words(cells):
    """Names with commas between them."""
    return [word for word in re.split(r'[,\s]+', cells) if word]


def capabilities():
    """From the simple tables: the names that are offered, and those that are not."""
    offered, absent = read('Documentation/abi/capabilities.rst').split(
        '\nNot offered\n')
    return [words('\n'.join(line[:31] for part in RULE.split(text)[2::3]
                            for line in part.split('\n')))
            for text in (offered, absent)]


def ioctls():
    """From the list tables: the first column's names."""
    text = read('Documentation/abi/ioctls.rst')
    return words(' '.join(re.findall(r'^   \* - ((?:.*\n)(?:       .*\n)*)', text,
                                     re.M)))


def missing(what, names, rows):
    """Names that no row speaks of, and rows that speak of nothing."""
    for name in names:
        if not any(fnmatch.fnmatchcase(name, row) for row in rows):
            yield f'no row for the {what} {name}'
    for row in rows:
        if not fnmatch.filter(names, row):
            yield f'a row for {row}, which is no {what}'


def main():
    """Compare; the status tells whether anything was wrong."""
    with open(HEADER, encoding='utf-8') as file:
        header = file.read()
    known = re.findall(r'^#define\s+KVM_CAP_(\w+)\s+\d+', header, re.M)
    offered, absent = capabilities()
    wrong = list(missing('capability', known, offered + absent))
    ours = set(re.findall(r'\bKVM_CAP_(\w+)\b', re.sub(
        r'/\*.*?\*/', '', read('module/caps.c'), flags=re.S)))
    wrong += [f'{name}: offered in one of table and module/caps.c, not in both'
              for name in sorted(ours ^ set(offered))]
    numbers = re.findall(r'^#define\s+(KVM_\w+)\s+(?:\\\n\s*)?_IO[WR]*\(', header, re.M)
    rows = [row for row in ioctls() if row.startswith('KVM_')]
    wrong += missing('ioctl', numbers, rows)
    for each in wrong:
        print(each)
    return bool(wrong)


if __name__ == '__main__':
    sys.exit(main())
