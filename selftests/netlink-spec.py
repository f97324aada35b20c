#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""
netlink-spec.py SPEC HEADER: do the netlink specification and the header agree?

Names follow the kernel's own generator of headers (ynl): attribute A of set S
of family F is F_A_S_A, command C is F_CMD_C, each set and the commands count
from 1. What the specification refers to must be there, and it has no keys that
the kernel's schema doesn't know. Prints a line for each thing that is wrong.
"""

import re
import sys

import yaml

KEYS = {
    'spec': {'name', 'protocol', 'uapi-header', 'doc', 'definitions',
             'attribute-sets', 'operations', 'mcast-groups'},
    'set': {'name', 'doc', 'attributes', 'subset-of'},
    'attribute': {'name', 'type', 'doc', 'value', 'enum', 'enum-as-flags',
                  'nested-attributes', 'multi-attr', 'checks', 'sub-type',
                  'byte-order', 'display-hint'},
    'operation': {'name', 'doc', 'value', 'attribute-set', 'flags', 'do',
                  'dump', 'notify', 'event', 'mcgrp'},
    'direction': {'request', 'reply', 'pre', 'post'},
}
TYPES = {'pad', 'flag', 'u8', 'u16', 'u32', 'u64', 's32', 's64', 'string',
         'binary', 'nest'}


def constants(text):
    """Every name that an enum or a #define of the header gives a number."""
    found = dict(re.findall(r'^#define\s+(\w+)\s+("[^"]*"|\d+)$', text, re.M))
    for body in re.findall(r'enum\s+\w*\s*\{(.*?)\};', text, re.S):
        following = 0
        for entry in body.split(','):
            match = re.match(r'\s*(\w+)\s*(?:=\s*(\d+))?\s*$', entry)
            if match:
                following = int(match[2]) if match[2] else following
                found[match[1]] = following
                following += 1
    return found


def keys(what, kind, wrong):
    """None that the schema doesn't know."""
    for key in set(what) - KEYS[kind]:
        wrong.append(f'{kind} {what.get("name", "")}: unknown key {key}')


def numbered(items, prefix, header, wrong):
    """Items count from 1 in their order, and so does the header; no others."""
    value, expected = 1, {}
    for item in items:
        value = item.get('value', value)
        expected[prefix + item['name'].upper().replace('-', '_')] = value
        value += 1
    actual = {name: number for name, number in header.items()
              if name.startswith(prefix) and name != prefix + 'MAX'}
    for name in expected.keys() | actual.keys():
        if expected.get(name) != actual.get(name):
            wrong.append(f'{name}: {expected.get(name)} in the specification, '
                         f'{actual.get(name)} in the header')


def check_operation(operation, sets, operations, groups, wrong):
    """Refers to attributes, commands and groups that there are."""
    keys(operation, 'operation', wrong)
    name = operation['name']
    if not operation.get('doc'):
        wrong.append(f'{name}: not documented')
    if 'notify' in operation and operation['notify'] not in operations:
        wrong.append(f'{name}: no command {operation["notify"]}')
    if 'mcgrp' in operation and operation['mcgrp'] not in groups:
        wrong.append(f'{name}: no group {operation["mcgrp"]}')
    known = sets.get(operation.get('attribute-set'), {})
    for way in ('do', 'dump'):
        keys(operation.get(way, {}), 'direction', wrong)
        for message in operation.get(way, {}).values():
            for attribute in message['attributes']:
                if attribute not in known:
                    wrong.append(f'{name}: no attribute {attribute}')


def main():
    """Compare; the status tells whether anything was wrong."""
    with open(sys.argv[1], encoding='utf-8') as text:
        spec = yaml.safe_load(text)
    with open(sys.argv[2], encoding='utf-8') as text:
        header = constants(re.sub(r'/\*.*?\*/', '', text.read(), flags=re.S))
    wrong = []
    keys(spec, 'spec', wrong)
    family = spec['name'].upper()
    if header.get(f'{family}_FAMILY_NAME') != f'"{spec["name"]}"':
        wrong.append(f'{family}_FAMILY_NAME is not {spec["name"]}')
    sets = {}
    for each in spec['attribute-sets']:
        keys(each, 'set', wrong)
        numbered(each['attributes'],
                 f'{family}_A_{each["name"].upper()}_', header, wrong)
        sets[each['name']] = {a['name']: a for a in each['attributes']}
    for each in sets.values():
        for attribute in each.values():
            keys(attribute, 'attribute', wrong)
            if attribute['type'] not in TYPES:
                wrong.append(f'{attribute["name"]}: type {attribute["type"]}')
            if attribute['type'] != 'pad' and not attribute.get('doc'):
                wrong.append(f'{attribute["name"]}: not documented')
            if attribute.get('nested-attributes', 'vm') not in sets:
                wrong.append(f'{attribute["name"]}: no such set')
    operations = spec['operations']['list']
    numbered(operations, f'{family}_CMD_', header, wrong)
    groups = {group['name'] for group in spec['mcast-groups']['list']}
    for group in groups:
        if header.get(f'{family}_MCGRP_{group.upper()}') != f'"{group}"':
            wrong.append(f'group {group} is not in the header')
    names = {operation['name'] for operation in operations}
    for operation in operations:
        check_operation(operation, sets, names, groups, wrong)
    print('\n'.join(wrong), end='\n' if wrong else '')
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
