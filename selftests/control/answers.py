#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
answers.py MANUAL DIR: what lodgectl printed there is JSON, with the keys that
the manual has, all of them and no others, and with sense. Prints TAP.
"""

import json
import re
import struct
import sys
import zlib
from xml.dom import minidom

VM = {'id', 'name', 'pid', 'uid', 'vcpus', 'memory', 'mapped', 'pages_4k',
      'pages_2m', 'pages_1g', 'nested_tables', 'dead', 'reason'}
VCPU = {'id', 'index', 'state', 'cpu', 'tid', 'exits'}
DOMAIN = {'id', 'domain', 'uid', 'objects', 'budget', 'pause_ms', 'saved',
          'counters'}
DOMAIN_COUNTERS = {'shared', 'sharing', 'zero', 'metadata', 'cpu_ns', 'passes',
                   'visited', 'hashed', 'merged', 'broken', 'skip_cooling',
                   'skip_held', 'skip_busy', 'skip_differ', 'skip_full', 'still',
                   'skip_written'}
USE = {'private', 'shared', 'zero', 'compressed', 'swapped', 'discarded'}
MEMORY_COUNTERS = USE | {'packed_bytes', 'pool_bytes', 'merges', 'merges_broken',
                         'compressions', 'decompressions', 'incompressible',
                         'swapped_out', 'swapped_in'}
SWAP = {'pool', 'bytes', 'used', 'written', 'read', 'errors'}
BALLOON = {'id', 'auto', 'shares', 'memory', 'reservation', 'target', 'actual',
           'resident', 'active', 'reclaimed', 'domain', 'hinted',
           'guest'}
POLICY = {'tax', 'period_ms', 'budget', 'reserve', 'merge_budget',
          'merge_pause_ms', 'patience_ms', 'pool_percent', 'cold_ms', 'vms'}
MAP = {'id', 'page_size', 'cell_pages', 'sampled', 'pages', 'hot', 'ranges'}
KINDS = {'absent', 'private', 'shared', 'zero', 'compressed', 'swapped',
         'ballooned', 'other'}
RANGE = {'start', 'bytes', 'cells'}
EVENTS = {'listening', 'created', 'named', 'dead', 'destroyed', 'lost', 'unloaded'}

points = []


def check(good, text):
    """A test point."""
    points.append(good)
    print(f'{"" if good else "not "}ok {len(points)} - {text}')


def load(path, lines=False):
    """One value, or one a line; strict, and no key twice."""
    def unique(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError('a key twice')
        return dict(pairs)
    with open(path, encoding='utf-8') as text:
        parts = text.read().splitlines() if lines else [text.read()]
    return [json.loads(part, object_pairs_hook=unique) for part in parts]


def is_vm(vm):
    """Keys and types of a machine."""
    return (VM <= vm.keys() and isinstance(vm['name'], str) and
            isinstance(vm['dead'], bool) and vm['mapped'] ==
            vm['pages_4k'] * 4096 + (vm['pages_2m'] << 21) + (vm['pages_1g'] << 30))


def is_stats(stats):
    """Counters of machines and vCPUs."""
    return all(vm.keys() == {'id', 'counters', 'vcpu'} and
               MEMORY_COUNTERS <= vm['counters'].keys() and
               all(v.keys() == {'id', 'counters'} and 'exits' in v['counters']
                   for v in vm['vcpu']) for vm in stats)


def is_map(memory):
    """A map: kinds add up to the ranges, and cells cover those."""
    return (memory.keys() == MAP and memory['pages'].keys() == KINDS and
            sum(memory['pages'].values()) * memory['page_size'] ==
            sum(r['bytes'] for r in memory['ranges']) > 0 and
            all(r.keys() == RANGE and len(r['cells']) ==
                -(-r['bytes'] // (memory['cell_pages'] * memory['page_size']))
                for r in memory['ranges']))


def is_png(path):
    """A PNG of several colours: chunks with their sums, lines of numbers of colours."""
    with open(path, 'rb') as file:
        data = file.read()
    chunks = {}
    at = 8
    while data.startswith(b'\x89PNG\r\n\x1a\n') and at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if struct.pack('>I', zlib.crc32(kind + body)) != data[at + 8 + size:at + 12 + size]:
            return False
        chunks[kind] = body
        at += 12 + size
    if list(chunks) != [b'IHDR', b'PLTE', b'IDAT', b'IEND']:
        return False
    width, height, *form = struct.unpack('>IIBBBBB', chunks[b'IHDR'])
    pixels = zlib.decompress(chunks[b'IDAT'])
    lines = [pixels[i:i + width + 1] for i in range(0, len(pixels), width + 1)]
    return (form == [8, 3, 0, 0, 0] and len(lines) == height and
            all(line[0] == 0 for line in lines) and
            3 < len({p for line in lines for p in line[1:]}) <= len(chunks[b'PLTE']) // 3)


def check_memory(where):
    """Merging, balloons, policy, maps."""
    domains = load(f'{where}/ksm.json')[0]
    check(len(domains) == 1 and domains[0].keys() == DOMAIN and
          domains[0]['counters'].keys() == DOMAIN_COUNTERS and
          domains[0]['domain'] == 'web', 'ksm')
    balloon = load(f'{where}/balloon.json')[0]
    check(balloon.keys() == BALLOON and balloon['memory'] == 16 << 20 and
          balloon['auto'] is False and balloon['domain'] == 'both', 'balloon')
    swap = load(f'{where}/swap.json')[0]
    check(swap.keys() == SWAP and swap['bytes'] == swap['used'] == 0, 'swap')
    given, none = load(f'{where}/swap-set.jsonl', lines=True)
    check(given.keys() == none.keys() == SWAP and given['bytes'] == 1 << 20 and
          none['bytes'] == 0, 'a swap file given, and given up')
    policy = load(f'{where}/policy.json')[0]
    check(policy.keys() == POLICY and [vm['shares'] for vm in policy['vms']] ==
          [2000] and policy['vms'][0].keys() == BALLOON, 'policy')
    memory = load(f'{where}/map.json')[0]
    check(is_map(memory) and memory['sampled'] and memory['pages']['shared'] and
          memory['ranges'][0]['bytes'] == 16 << 20, 'map')
    check(sum(memory['hot'].values()) > 0 and
          all(memory['hot'][kind] <= memory['pages'][kind] for kind in KINDS),
          'a guest that loops is hot somewhere, and cold elsewhere')
    spin = load(f'{where}/map-spin.json')[0]
    check(is_map(spin) and spin['pages']['other'] and not spin['sampled'] and
          not spin['hot'], "a map of a process's memory")
    svg = minidom.parse(f'{where}/map.svg').documentElement
    check(svg.tagName == 'svg' and svg.getElementsByTagName('rect').length > 3 and
          svg.getElementsByTagName('text').length > 2, 'a map as SVG')
    check(is_png(f'{where}/map.png'), 'a map as PNG')


def main():
    """Each file."""
    manual, where = sys.argv[1:]
    vms = load(f'{where}/list.json')[0]
    check(len(vms) == 4 and all(is_vm(vm) and vm.keys() == VM | {'use'} and
                             vm['use'].keys() == USE for vm in vms),
          'list')
    check(any(vm['name'] == 'a\x1b[2J"\\\ufffdü' for vm in vms),
          'a name of any bytes')
    show = load(f'{where}/show.json')[0]
    check(is_vm(show) and show.keys() == VM | {'use', 'vcpu'} and len(show['vcpu']) == 2
          and all(v.keys() == VCPU for v in show['vcpu']), 'show')
    check(is_stats(load(f'{where}/stats.json')[0]), 'stats')
    watch = load(f'{where}/watch.jsonl', lines=True)
    check(len(watch) == 3 and all(w.keys() == {'time_ms', 'vms'} and
                                  is_stats(w['vms']) for w in watch), 'stats --watch')
    exits = [sum(v['counters']['exits'] for vm in w['vms'] for v in vm['vcpu'])
             for w in watch]
    check(exits == sorted(exits) and exits[0] < exits[2], 'counters count')
    events = load(f'{where}/events.jsonl', lines=True)
    check(all(e.keys() == {'time_ms', 'event', 'vm'} and e['event'] in EVENTS and
              (e['vm'] is None or is_vm(e['vm'])) for e in events), 'events')
    check([e['event'] for e in events if e['vm']] ==
          ['created', 'named', 'destroyed'] * 2 + ['created'], 'in their order')
    check(events[-1]['event'] == 'unloaded', 'unloaded is the last')
    check_memory(where)
    with open(manual, encoding='utf-8') as text:
        words = set(re.findall(r'\w+', text.read()))
    missing = (VM | VCPU | EVENTS | DOMAIN | DOMAIN_COUNTERS | BALLOON | POLICY | MAP |
               KINDS | RANGE | USE | SWAP | MEMORY_COUNTERS | {'use', 'counters', 'time_ms', 'vms'}) - words
    check(not missing, f'the manual has the keys {missing or ""}')
    print(f'1..{len(points)}')
    return 0 if all(points) else 1


if __name__ == '__main__':
    sys.exit(main())
