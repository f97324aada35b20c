#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
cases.py CASE...: what Debian's QEMU does on the node, in an emulated host. Prints
TAP. The cases are the functions below of these names.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys

from debugger import debugger
from machine import Guest, Machine, finish, note, point, until
from stress import stress
from virt import libvirt

LODGE = os.path.isdir('/sys/module/lodge')

VARIABLES = '/usr/share/OVMF/OVMF_VARS_4M.fd'       # of UEFI's firmware, at first


def boot(text, *args, words='cpus', want=(), cpus=1, **more):
    """
    A machine whose guest does WORDS, says all that is in WANT, finds itself well, and
    powers off.
    """
    with Machine('-smp', str(cpus), '-nic', 'none', *args,
                 append=f'do={words}', **more) as machine:
        good = machine.done()
        for each in (f'cpus {cpus}',) * ('cpus' in words) + tuple(want):
            good = good and f'guest: {each}' in machine.read()
        if not point(good, text):
            machine.tell_why()


def matrix(machines, chips, cpus):
    """Each with each."""
    for kind in machines:
        for chip in chips:
            for n in cpus:
                boot(f'{kind}, kernel-irqchip={chip}, {n} vCPU(s)', '-m', '128',
                     '-machine', f'{kind},kernel-irqchip={chip}', cpus=n,
                     words='cpus,clock', want=('clock kvm-clock',))


def boots():
    """A few that are unlike each other."""
    matrix(['q35'], ['split'], [2])
    matrix(['microvm'], ['on'], [1])
    matrix(['pc'], ['off'], [1])


def chips():
    """Each machine with the interrupt chips in each place."""
    matrix(['pc', 'q35', 'microvm'], ['on', 'split', 'off'], [3])


def net_of(kind, number, files):
    """A card that reaches files through QEMU's own network."""
    return ['-netdev', f'user,id=n{number},net=10.0.{number}.0/24,tftp={files}',
            '-device', f'{kind},netdev=n{number}']


def devices():
    """IDE, virtio-blk, e1000, virtio-net, VGA's text, in one guest."""
    os.makedirs('/tmp/files', exist_ok=True)
    data = os.urandom(1 << 20)
    with open('/tmp/files/data', 'wb') as file:
        file.write(data)
    want = hashlib.md5(data).hexdigest()
    drives = []
    for kind in ('ide', 'virtio'):
        with open(f'/tmp/{kind}.disk', 'wb') as file:
            file.truncate(16 << 20)
        drives += ['-drive', f'file=/tmp/{kind}.disk,format=raw,if={kind}']
    with Guest('-m', '192', *drives, *net_of('e1000', 4, '/tmp/files'),
               *net_of('virtio-net-pci', 5, '/tmp/files'),
               kernel='generic') as machine:
        good = point(machine.ready(), 'a guest with devices boots')
        for kind, name in (('ide', 'sda'), ('virtio', 'vda')):
            said = machine.order(f'disk /dev/{name} && md5sum </tmp/noise')
            with open(f'/tmp/{kind}.disk', 'rb') as file:
                there = hashlib.md5(file.read(40 << 16)).hexdigest()
            good &= point(said and there in said, f'an {kind} disk keeps what it is given')
        for kind, number in (('e1000', 4), ('virtio_net', 5)):
            said = machine.order(
                f'net {kind} 10.0.{number}.15 && rm -f data && '
                f'tftp -g -r data 10.0.{number}.2 && md5sum <data')
            good &= point(said and want in said, f'{kind} brings a file')
        machine.order('echo seen on the screen >/dev/tty0')
        text = machine.monitor.ask('xp /4000xb 0xb8000')
        text = bytes(int(n, 16) for n in re.findall(' 0x(..)', text))[::2]
        good &= point(b'seen on the screen' in text, 'the screen shows text')
        machine.over(good)


def total(machine):
    """MiB that the guest has."""
    return int(machine.order("awk '/MemTotal/ { print int($2 / 1024) }' "
                             '/proc/meminfo') or 0)


def changing():
    """A balloon is filled and emptied; memory is plugged in."""
    with Guest('-m', '256,slots=2,maxmem=1G', '-nic', 'none',
               '-device', 'virtio-balloon-pci') as machine:
        good = point(machine.ready(), 'a guest with a balloon boots')

        def actual():
            return machine.monitor.execute('query-balloon')['actual'] >> 20
        for size in (160, 256):
            machine.monitor.execute('balloon', value=size << 20)
            good &= point(until(lambda s=size: actual() == s, machine.PATIENCE),
                          f'the guest has {size} MiB')
            good &= point(machine.order('cmp noise noise') is not None, 'and works')
        before = total(machine)
        machine.order('echo online >/sys/devices/system/memory/auto_online_blocks')
        machine.monitor.execute('object-add', **{
            'qom-type': 'memory-backend-ram', 'id': 'more', 'size': 256 << 20})
        machine.monitor.execute('device_add', driver='pc-dimm', id='dimm',
                                memdev='more')
        good &= point(until(lambda: total(machine) >= before + 250, 60, 1),
                      'a DIMM of 256 MiB that is plugged in is there')
        good &= point(machine.order('mount -o remount,size=400m /tmp && '
                                    'dd if=/dev/zero of=big bs=1M count=300') is not None,
                      'and can be written')
        machine.over(good)


def job(machine, command, **arguments):
    """A job of QEMU's: true if it went well."""
    machine.monitor.execute(command, **{'job-id': command, **arguments})

    def concluded():
        jobs = machine.monitor.execute('query-jobs')
        return [each for each in jobs if each['id'] == command and
                each['status'] == 'concluded']
    done = until(concluded, machine.PATIENCE)
    if done:
        machine.monitor.execute('job-dismiss', id=command)
    if done and 'error' in done[0]:
        note(done[0]['error'])
    return done and 'error' not in done[0]


def snapshot():
    """savevm and loadvm: a guest is taken back to where it was."""
    with open('/tmp/snapshot', 'wb'):
        pass
    with Guest('-m', '128', '-nic', 'none', cpus=2) as machine:
        good = point(machine.ready(), 'a guest boots')
        ask = machine.monitor.execute
        ask('blockdev-add', **{'driver': 'file', 'node-name': 'file',
                               'filename': '/tmp/snapshot'})
        good &= point(job(machine, 'blockdev-create', options={
            'driver': 'qcow2', 'file': 'file', 'size': 1 << 20}), 'and gets a file')
        ask('blockdev-add', **{'driver': 'qcow2', 'node-name': 'disk', 'file': 'file'})
        machine.order('writes; echo one >state; sleep 1')
        good &= point(job(machine, 'snapshot-save', tag='one', vmstate='disk',
                          devices=['disk']), 'it is saved while it computes')
        good &= point(machine.order('echo two >state; sleep 1; cat state') == 'two',
                      'and goes on')
        for times in ('once', 'and again'):
            # The line's log goes on; the guest's count of orders does not matter.
            good &= point(job(machine, 'snapshot-load', tag='one', vmstate='disk',
                              devices=['disk']), f'it is loaded {times}')
            ask('cont')
            good &= point(machine.order('cat state; n=$(cat rounds); until '
                                        '[ "$(cat rounds)" -gt $((n + 1)) ]; do '
                                        'sleep 0.1; done') == 'one',
                          'is as it was, and computes on')
        machine.order(': >stop; until [ -e stopped ]; do sleep 0.1; done; cpus')
        machine.over(good)


def migration():
    """A guest that keeps writing moves to another QEMU of the same host."""
    args = ['-m', '128', '-nic', 'none', '-machine', 'q35']
    with Guest(*args, cpus=2) as source, \
            Guest(*args, '-incoming', 'unix:/tmp/migrate', cpus=2) as target:
        good = point(source.ready(), 'a guest boots')
        source.order('writes; echo here >state; sleep 1')
        source.monitor.execute('migrate-set-parameters', **{
            'max-bandwidth': 1 << 40, 'downtime-limit': 3000})
        until(lambda: os.path.exists('/tmp/migrate'), 30)
        source.monitor.execute('migrate', uri='unix:/tmp/migrate')

        def state():
            said = source.monitor.execute('query-migrate')
            return said if said['status'] in ('completed', 'failed') else None
        said = until(state, source.PATIENCE, 0.5) or {'status': 'not over'}
        good &= point(said['status'] == 'completed', 'it moves while it writes')
        note(f'{said.get("downtime")} ms down, rounds: '
             f'{said.get("ram", {}).get("dirty-sync-count")}')
        target.orders = source.orders
        good &= point(until(lambda: target.monitor.execute('query-status')['status']
                            == 'running', 60), 'runs there')
        good &= point(target.order('cat state; n=$(cat rounds); until '
                                   '[ "$(cat rounds)" -gt $((n + 2)) ]; do sleep 0.1; '
                                   'done') == 'here', 'and writes on')
        target.order(': >stop; until [ -e stopped ]; do sleep 0.1; done; cpus')
        target.over(good)


def vhost():
    """virtio-net by the host's kernel: irqfds and ioeventfds at work."""
    data = os.urandom(4 << 20)
    with Guest('-m', '128', '-netdev', 'tap,id=n,ifname=tap0,vhost=on,script=no,'
               'downscript=no', '-device', 'virtio-net-pci,netdev=n', kernel='generic',
               cpus=2) as machine:
        good = point(machine.ready(), 'a guest with vhost-net boots')
        links = [os.readlink(f'/proc/{machine.process.pid}/fd/{fd}')
                 for fd in os.listdir(f'/proc/{machine.process.pid}/fd')]
        good &= point('/dev/vhost-net' in links, 'the host serves its card')
        subprocess.run(['ip', 'link', 'set', 'tap0', 'up'], check=True)
        subprocess.run(['ip', 'addr', 'add', '10.1.0.1/24', 'dev', 'tap0'], check=True)
        with socket.create_server(('10.1.0.1', 7000)) as server:
            machine.tell(f'{machine.orders + 1} net virtio_net 10.1.0.2 && '
                         'nc 10.1.0.1 7000 </dev/null >data; md5sum <data')
            server.settimeout(machine.PATIENCE)
            link, _ = server.accept()
            link.sendall(data)
            link.close()
        machine.orders += 1
        machine.said(f'^guest: did {machine.orders} 0')
        good &= point(hashlib.md5(data).hexdigest() in machine.read(),
                      '4 MiB come through it')
        machine.over(good)


def installed(name, *args, kind='virtio', cpus=1, firmware='bios'):
    """
    GRUB, from the Debian installation on a disk, loads its kernel; systemd comes to a
    login, finds itself well, and shuts down. NAME is what points begin with.
    """
    disk = os.environ['LODGE_DISK']
    with Machine('-m', '512', '-smp', str(cpus), '-nic', 'none', '-snapshot', '-drive',
                 f'file={disk},format=raw,if={kind}', *args) as machine:
        machine.PATIENCE = 1500
        good = point(machine.said('GRUB boots Debian'), f'{name}: GRUB comes from the disk')
        good = good and point(machine.said('root@debian:'), f'{name}: systemd comes to a login')
        if not good:
            machine.tell_why()
            return
        machine.tell('echo "it is: $(systemctl is-system-running --wait)" of $(nproc) by '
                     '$([ -d /sys/firmware/efi ] && echo efi || echo bios); '
                     'systemctl --failed --no-pager')
        good &= point(machine.said(f'it is: running of {cpus} by {firmware}$'),
                      f'{name}: all of it runs, on {cpus} vCPU(s)')
        machine.tell('poweroff')
        good &= point(until(machine.ended, machine.PATIENCE) and
                      not machine.process.wait() and
                      re.search('(reboot: Power down|System Power Off)', machine.read()),
                      f'{name}: it shuts down')
        if not good:
            machine.tell_why()


def debian():
    """On a virtio disk."""
    installed('virtio')


def debian_ide():
    """On an IDE disk, of a machine with more vCPUs."""
    installed('ide', kind='ide', cpus=2)


def debian_smp():
    """And on virtio with as many as four, of a newer machine."""
    installed('virtio, q35', '-machine', 'q35', cpus=4)


def flash(variables):
    """UEFI's firmware, in a flash that the guest reads as memory and writes as a device."""
    return ['-drive', 'if=pflash,format=raw,readonly=on,'
            'file=/usr/share/OVMF/OVMF_CODE_4M.fd',
            '-drive', f'if=pflash,format=raw,file={variables}']


def debian_efi():
    """By UEFI's firmware, and the GRUB of the disk's EFI system partition."""
    installed('virtio, OVMF', '-machine', 'q35', *flash(VARIABLES), cpus=2, firmware='efi')


def ovmf():
    """A kernel that UEFI's firmware is handed."""
    shutil.copy(VARIABLES, '/tmp/vars')
    with open('/tmp/vars', 'rb') as file:
        before = file.read()
    boot('q35, OVMF, 2 vCPU(s)', '-m', '256', '-machine', 'q35', *flash('/tmp/vars'),
         cpus=2, words='cpus,clock,efi', want=('clock kvm-clock', 'efi'))
    with open('/tmp/vars', 'rb') as file:
        point(file.read() != before, 'the firmware has written its variables')


def counters():
    """What lodge counts of its one machine."""
    said = subprocess.run(['lodgectl', 'stats', '--json'], stdout=subprocess.PIPE,
                          check=True)
    return json.loads(said.stdout)[0]['counters']


def parameter(name, value):
    """Of the module; what it was."""
    with open(f'/sys/module/lodge/parameters/{name}', 'r+',
              encoding='ascii') as file:
        was = file.read().strip()
        file.seek(0)
        file.write(str(value))
    return was


def swap_to(fd):
    """A file for pages that don't shrink; -1: none any more."""
    lodge_swap_set = 0xbc02
    with open('/dev/kvm', 'rb') as node:
        fcntl.ioctl(node, lodge_swap_set, struct.pack('IIiI', 16, 0, fd, 0))


def memory():
    """
    The guest's memory is a file in lodgefs: equal pages become one, others are
    compressed or swapped, and the guest finds each as it was.
    """
    os.makedirs('/mnt/lodge', exist_ok=True)
    subprocess.run(['mount', '-t', 'lodgefs', '-o', 'merge', 'none', '/mnt/lodge'],
                   check=True)
    with open('/tmp/swap', 'w+b') as swap:
        swap.truncate(64 << 20)
        swap_to(swap.fileno())
    was = {name: parameter(name, value) for name, value in
           (('ksm_budget', 50), ('ksm_pass_ms', 100))}
    with Machine('-m', '96', '-nic', 'none', '-machine', 'pc,memory-backend=m',
                 '-object', 'memory-backend-file,id=m,size=96M,share=on,'
                 'mem-path=/mnt/lodge/vm', append='do=cpus,fill,clock') as machine:
        good = point(machine.said('^guest: filled'), 'a guest in lodgefs boots')
        good &= point(until(lambda: counters()['merges'] > 1000, 60),
                      'more than 1000 of its pages are merged with others')
        for times in (1, 2):
            before = counters()

            def since(what, was=before):
                return counters()[what] - was[what]
            parameter('cold_ms', 200)
            until(lambda: since('swapped_out') > 300 and since('compressions') > 300, 60)
            packed, swapped = since('compressions'), since('swapped_out')
            parameter('cold_ms', 0)
            good &= point(packed > 300 and swapped > 300,
                          f'{packed} are compressed, {swapped} swapped')
            machine.tell('check')
            good &= point(machine.said('^guest: sums right', times),
                          'and the guest finds all of them as they were')
        now = counters()
        good &= point(now['swapped_in'] > 300, f'{now["swapped_in"]} were swapped in, '
                      f'{now["decompressions"]} unpacked')
        machine.tell('end')
        good &= point(machine.done(), 'and ends well')
        if not good:
            note(str(now))
            machine.tell_why()
    for name, value in was.items():
        parameter(name, value)
    os.remove('/mnt/lodge/vm')
    subprocess.run(['umount', '/mnt/lodge'], check=True)
    swap_to(-1)
    point(True, 'nothing of it is left in the swap file')


def main():
    """Those that were asked for."""
    os.environ['PATH'] += ':/usr/bin:/usr/sbin'
    os.makedirs('/var/tmp', exist_ok=True)      # QEMU's snapshots go there
    for name in sys.argv[1:]:
        if name != 'memory' or LODGE:
            globals()[name]()
    finish()


if __name__ == '__main__':
    main()
