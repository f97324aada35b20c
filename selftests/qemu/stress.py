# SPDX-License-Identifier: GPL-2.0-only
"""
A guest with more vCPUs than the host has CPUs works hard, while the host moves them
about, takes CPUs away and brings them back, and slots move.
"""

import mmap
import os
import random
import re
import subprocess
import threading
import time

from machine import WRONG, Guest, note, point, until

# Of time, in the guest: so many parts of a million may it be wrong.
PPM = 100

# What the guest does. A timer that expires a thousand times a second, not a million.
WORK = ('--cpu 2 --vm 1 --vm-bytes 24m --fork 1 --futex 1 --timer 1 --timer-freq 1000 '
        '--verify --oomable --metrics-brief')


class Apart:
    """
    How far the guest's clock is from the host's, in ns. clockpage.c, in the guest, and this
    write their clocks to a page of the guest's memory, as fast as they can: what is read
    there is of the past, so that each has a bound.
    """

    def __init__(self, machine, memory):
        machine.tell(f'{machine.orders + 1} clockpage')
        machine.orders += 1
        at = int(machine.said(rf'^{machine.orders} clockpage\nguest: clock at (\w+)\n')[1], 16)
        with open(memory, 'r+b') as file, \
                mmap.mmap(file.fileno(), 4096, offset=at) as page, \
                memoryview(page).cast('q') as words:
            end = time.monotonic() + 10
            self.at, self.above = self.now(), -1 << 63
            while time.monotonic() < end and words[3] - self.above > 100000:
                words[1] = self.now()
                guest = words[2]
                if guest:
                    self.above = max(self.above, guest - self.now())
            self.below = words[3]
            words[0] = 1
        machine.said(f'^guest: did {machine.orders} 0')

    @staticmethod
    def now():
        """The host's."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)

    def ppm(self, since):
        """What went wrong since, in millionths: at least, at most."""
        span = (self.at - since.at) / 1e6
        return (self.above - since.below) / span, (self.below - since.above) / span


def has_stopped(machine):
    """It has shut down, or reset itself; its QEMU is still there."""
    return machine.monitor.execute('query-status')['status'] == 'shutdown'


class Unrest:
    """Threads that do something to the host until they are told to stop."""

    def __init__(self, machine):
        self.machine = machine
        self.over = threading.Event()
        self.done = {'moved': 0, 'offline': 0, 'slots': 0}
        self.wrong = []
        self.vcpus = [each['thread-id'] for each in
                      machine.monitor.execute('query-cpus-fast')]
        self.threads = [threading.Thread(target=each) for each in
                        (self.move, self.offline, self.slots, self.look)]

    def __enter__(self):
        for each in self.threads:
            each.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for each in self.threads:
            each.join()

    def move(self):
        """Each thread of a vCPU to one CPU or the other, some twenty times a second."""
        while not self.over.wait(0.05):
            try:
                os.sched_setaffinity(random.choice(self.vcpus), {random.randrange(2)})
                self.done['moved'] += 1
            except OSError:
                pass        # that CPU is off at the moment

    def offline(self):
        """CPU 1 goes off and on."""
        while not self.over.wait(random.uniform(0.5, 2)):
            for value in '01':
                try:
                    with open('/sys/devices/system/cpu/cpu1/online', 'w',
                              encoding='ascii') as file:
                        file.write(value)
                except OSError as error:
                    self.wrong.append(f'CPU 1, {value}: {error}')
                time.sleep(random.uniform(0.1, 0.5))
            self.done['offline'] += 1

    def look(self):
        """A guest that resets itself is stopped there: where was each of its vCPUs?"""
        while not self.over.wait(1) and not self.machine.ended():
            if has_stopped(self.machine):
                self.wrong.append('the guest has reset itself\n' +
                                  self.machine.monitor.ask('info registers -a'))
                self.machine.monitor.execute('quit')

    def slots(self):
        """Other virtual machines of this host make, move and delete slots of theirs."""
        while not self.over.is_set():
            said = subprocess.run(
                ['/work/abi-tests', '-t', '20', 'slots'], check=False, text=True,
                env={'LODGE_NODE': '/dev/kvm'}, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            if said.returncode:
                self.wrong.append(said.stdout)
            self.done['slots'] += 1


def stress():
    """The guest works for LODGE_STRESS_SECONDS; then it and its clock are looked at."""
    seconds = int(os.environ.get('LODGE_STRESS_SECONDS') or 30)
    with open('/tmp/stress.disk', 'wb') as file:
        file.truncate(4 << 20)
    with Guest('-no-shutdown', '-m', '384', '-nic', 'none', '-machine',
               'pc,memory-backend=m', '-object',
               'memory-backend-file,id=m,size=384M,share=on,mem-path=/dev/shm/guest',
               '-drive', 'file=/tmp/stress.disk,format=raw,if=virtio', kernel='stress',
               append='rcupdate.rcu_cpu_stall_timeout=100', cpus=4) as machine:
        machine.PATIENCE = seconds + 600
        good = point(machine.said('^guest: ready'), 'a guest with 4 vCPUs boots')
        if not good:
            machine.tell_why()
            return
        machine.order('cpus')
        first = Apart(machine, '/dev/shm/guest')
        machine.order('reads /dev/vda; moves fb fd')
        with Unrest(machine) as unrest:
            said = machine.order(f'stress-ng {WORK} -t {seconds}; s=$?; sleep 1; '
                                 '[ $s = 0 ]')
            tree = '' if machine.ended() else machine.monitor.ask('info mtree -f')
        for each in unrest.vcpus if tree else ():
            os.sched_setaffinity(each, {0, 1})
        good &= point(said is not None, f'stress-ng finds nothing wrong in {seconds} s')
        for line in re.findall(r'.*stress-ng: \S+ +\[\d+\] (.*)',
                               machine.read()):
            note(line)
        note(f'{unrest.done["moved"]} moves of a vCPU\'s thread, CPU 1 '
             f'{unrest.done["offline"]} times off and on, '
             f'{unrest.done["slots"]} times others\' slots')
        good &= point(unrest.done['moved'] > 2 * seconds and
                      unrest.done['offline'] > seconds // 10 and
                      unrest.done['slots'] and not unrest.wrong,
                      'meanwhile vCPUs are moved, a CPU goes off and on, and others\' '
                      'slots move')
        note('\n'.join(unrest.wrong))
        # Where it found something, it was not the emulator that felled it.
        for line in re.findall(rf'{WRONG}|.*stress-ng: fail.*', machine.read(), re.M):
            note(f'the guest found: {line}')
        if machine.ended():
            machine.tell_why()
            return
        stopped = machine.order(': >stop; until [ -e moves.stopped ] && '
                                '[ -e reads.stopped ]; do sleep 0.1; done; '
                                'echo $(cat moved) $(cat read)')
        moved, read = map(int, (stopped or '0 0').split())
        good &= point(moved > seconds // 8 and re.search('vga.vram KVM', tree),
                      f'its own slot moved {moved} times, with what is in it')
        good &= point(read > 16, f'{read} interrupts of a disk came')
        last = Apart(machine, '/dev/shm/guest')
        least, most = last.ppm(first)
        note(f'in {(last.at - first.at) / 1e9:.1f} s its clock went wrong by '
             f'{least:.1f} to {most:.1f} ppm')
        good &= point(-PPM <= least <= most <= PPM, f'its clock is right to {PPM} ppm')
        machine.order('cpus')
        machine.tell(f'{machine.orders + 1} end')
        until(lambda: has_stopped(machine), machine.PATIENCE, 1)
        machine.monitor.execute('quit')
        machine.over(good)
