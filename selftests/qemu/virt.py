# SPDX-License-Identifier: GPL-2.0-only
"""
libvirt, as Debian ships it, on the node, in an emulated host: what people mostly have
between them and QEMU. It judges the node by itself before it asks QEMU (may it be
opened, which CPU models can it be), fixes what CPU a guest has, runs QEMU as a user of its
own, in a namespace whose /dev it makes, under seccomp, and drives it in an order of its
own: so a guest can fail to start here that QEMU alone starts, be offered less of a CPU,
not be resumed from what was saved, be refused by the host that it moves to, lose time or
memory on the way, or leave a process or a file behind.

Two hosts are two libvirtd, each with a host name, /run, /etc/libvirt and /var/lib/libvirt
of its own. Nothing here has systemd or D-Bus; libvirtd wants neither.
"""

import grp
import os
import re
import signal
import subprocess

from machine import Line, note, point, points, until

DISK = '/tmp/guest.disk'

DOMAIN = f'''
<domain type='kvm'>
  <name>guest</name>
  <uuid>0b6a4bd8-3cf5-4f0f-9f0a-b52f7f3ed1a7</uuid>
  <memory unit='MiB'>128</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>/work/cloud</kernel>
    <initrd>/work/cloud.initrd</initrd>
    <cmdline>console=ttyS0 panic=-1 quiet nowatchdog do=orders</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='host-model'/>
  <on_reboot>destroy</on_reboot>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{DISK}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='unix'>
      <source mode='bind' path='/run/guest.line'/>
      <log file='/run/guest.log' append='on'/>
    </serial>
  </devices>
</domain>
'''


class Host:
    """One libvirtd, and the virtlogd that keeps what its guests say."""

    # Its files become those that the daemons look for.
    START = '''
set -e
hostname "$1"
for each in etc/libvirt run var/lib/libvirt var/log/libvirt; do
	mkdir -p "$2/$each" "/$each"
	mount --bind "$2/$each" "/$each"
done
mkdir -p /var/cache
virtlogd &
exec libvirtd
'''

    def __init__(self, name, number):
        self.name = name
        self.at = f'/tmp/{name}'
        self.socket = f'{self.at}/run/libvirt/libvirt-sock'
        self.uri = f'qemu+unix:///system?socket={self.socket}'
        self.write('etc/libvirt/libvirtd.conf',
                   f'host_uuid = "6e9f0d6c-6ad9-4c8e-8c1b-2f6b6b1f0c1{number}"\n')
        self.process = None

    def write(self, name, text):
        """A file of this host."""
        os.makedirs(os.path.dirname(f'{self.at}/{name}'), exist_ok=True)
        with open(f'{self.at}/{name}', 'w', encoding='ascii') as file:
            file.write(text)

    def read(self, name):
        """One of its files; empty without it."""
        try:
            with open(f'{self.at}/{name}', encoding='utf-8', errors='replace') as file:
                return file.read()
        except FileNotFoundError:
            return ''

    def __enter__(self):
        with open(f'{self.at}/said', 'ab') as said:
            self.process = subprocess.Popen(
                ['unshare', '-m', '-u', 'sh', '-c', self.START, 'sh', self.name, self.at],
                stdout=said, stderr=said, stdin=subprocess.DEVNULL,
                start_new_session=True)
        return self

    def __exit__(self, wrong, *_):
        if wrong:
            self.tell_why()
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()

    def up(self):
        """It has come so far that it answers; what it is."""
        until(lambda: os.path.exists(self.socket) or self.process.poll() is not None, 120)
        return self.virsh('version')

    def virsh(self, *command):
        """What it answers, None if it failed."""
        try:
            said = subprocess.run(['virsh', '-q', '-c', self.uri, *command],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=Line.PATIENCE,
                                  check=False)
        except subprocess.TimeoutExpired:
            note(f'{self.name}: virsh {" ".join(command)} does not end')
            return None
        if said.returncode:
            note(f'{self.name}: virsh {" ".join(command)}: {said.stdout}')
            return None
        return said.stdout.strip()

    def tell_why(self):
        """For a person, after a failure."""
        for name in ('said', 'run/guest.log', 'var/log/libvirt/qemu/guest.log'):
            note('\n'.join([f'{self.name}, {name}:'] + self.read(name).splitlines()[-25:]))


class Domain(Line):
    """The guest, as libvirt has it on one host."""

    def __init__(self, host, orders=0):
        super().__init__(f'{host.at}/run/guest')
        self.host = host
        self.orders = orders

    def virsh(self, command, *args):
        """A command that is about it."""
        return self.host.virsh(command, 'guest', *args)

    def is_(self, state):
        """Is it in that state, as virsh calls it?"""
        return self.virsh('domstate') == state

    def ended(self):
        """Has its QEMU ended?"""
        return not os.path.exists(f'{self.host.at}/run/libvirt/qemu/guest.pid')

    def goes_on(self):
        """
        It runs, is where it was, and computes: rounds of its writing are counted. In a new
        QEMU the line is another one.
        """
        self.hang_up()
        return (self.is_('running') and not self.ended() and
                self.order('cat state; n=$(cat rounds); until [ "$(cat rounds)" -gt '
                           '$((n + 2)) ]; do sleep 0.1; done') == 'here')


def users():
    """How many hold the node's module."""
    name = 'lodge' if os.path.isdir('/sys/module/lodge') else 'kvm_amd'
    with open(f'/sys/module/{name}/refcnt', encoding='ascii') as file:
        return int(file.read())


def judged(host):
    """What libvirt thinks of the node."""
    said = subprocess.run(['virt-host-validate', 'qemu'], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, check=False).stdout
    note(said)
    for what in ('for hardware virtualization', 'if device /dev/kvm exists',
                 'if device /dev/kvm is accessible'):
        point(re.search(rf'Checking {what} *: PASS', said), f'virt-host-validate: {what}')
    said = host.virsh('domcapabilities', '--virttype', 'kvm', '--machine', 'pc') or ''
    note('\n'.join(line for line in said.splitlines()
                   if re.search('<(domain|machine|vcpu|mode|model|vendor|feature)', line)
                   and 'usable' not in line))
    point('<domain>kvm</domain>' in said and
          all(f"<mode name='{mode}' supported='yes'" in said
              for mode in ('host-passthrough', 'host-model', 'custom')),
          'domcapabilities: KVM, with each way to choose a CPU')


def saves(guest):
    """Into a file, and by libvirt itself."""
    point(guest.virsh('save', '/tmp/saved') is not None and guest.is_('shut off') and
          guest.ended(), 'it is saved, and over')
    point(guest.host.virsh('restore', '/tmp/saved') is not None and
          guest.goes_on(), 'it is restored, and goes on')
    point(guest.virsh('managedsave') is not None and guest.ended() and
          re.search('Managed save: *yes', guest.virsh('dominfo') or ''),
          'libvirt saves it by itself')
    point(guest.virsh('start') is not None and guest.goes_on(),
          'it is started, and goes on where it was')


def moves(guest, host, *how):
    """To another host; the guest there."""
    good = guest.virsh('migrate', host.uri, '--live', '--persistent', '--undefinesource',
                       '--migrateuri', f'unix:///tmp/to-{host.name}', '--unsafe',
                       *how) is not None
    there = Domain(host, guest.orders)
    point(good and there.goes_on(), f'it moves to {host.name} ({", ".join(how)}) while it '
          'writes, and goes on')
    note(host.virsh('domjobinfo', 'guest', '--completed') or '')
    point(guest.host.virsh('list', '--all', '--name') == '' and guest.ended(),
          f'nothing of it is left on {guest.host.name}')
    return there


def life(one, two):
    """From its definition to the end of it."""
    one.write('guest.xml', DOMAIN)
    point(one.virsh('define', f'{one.at}/guest.xml') is not None, 'a guest is defined')
    guest = Domain(one)
    if not point(guest.virsh('start') is not None and guest.is_('running') and guest.ready(),
                 'it is started, and boots'):
        return
    point(guest.order('disk /dev/vda && nproc') == '2', 'it has 2 CPUs and a disk')
    said = dict(line.strip().split('=', 1) for line in
                (guest.virsh('domstats') or '').splitlines() if '=' in line)
    point(said.get('vcpu.current') == '2' and int(said.get('vcpu.1.time', 0)) and
          int(said.get('block.0.wr.bytes', 0)) >= 40 << 16, 'domstats counts what it did')
    note(guest.virsh('dominfo') or '')
    guest.order('button; writes; echo here >state; sleep 1')
    guest.virsh('suspend')
    guest.tell(f'{guest.orders + 1} :')
    point(guest.is_('paused') and f'did {guest.orders + 1} ' not in guest.read(),
          'it is suspended, and does nothing')
    guest.virsh('resume')
    guest.orders += 1
    point(guest.said(f'^guest: did {guest.orders} 0') and guest.goes_on(),
          'it is resumed, and goes on')
    saves(guest)
    guest = moves(guest, two, '--p2p')
    guest = moves(guest, one, '--auto-converge')
    guest.order(': >stop; until [ -e stopped ]; do sleep 0.1; done; cpus; clock')
    point(guest.virsh('shutdown', '--mode', 'acpi') is not None and
          until(lambda: guest.is_('shut off'), guest.PATIENCE, 1) and
          re.search('^guest: cpus 2\n(.*\n)*guest: done$', guest.read(), re.M),
          'its power button shuts it down')
    point(not re.search('^guest: (unwell|.*wrong|.*no timer)',
                        one.read('run/guest.log') + two.read('run/guest.log'), re.M),
          'nowhere did it find anything wrong with itself')
    point(guest.virsh('undefine') is not None and
          one.virsh('list', '--all', '--name') == '' and not os.path.exists('/tmp/to-one')
          and not os.listdir(f'{one.at}/var/lib/libvirt/qemu/save'),
          'it is undefined, and nothing of it is left')


def libvirt():
    """Two hosts, and a guest's life on them."""
    # Who runs QEMU, as Debian's package makes it; and as udev gives the node to KVM's group.
    kvm, own = grp.getgrnam('kvm').gr_gid, 64055
    for name, line in (('passwd', f'libvirt-qemu:x:{own}:{kvm}::/:/bin/sh'),
                       ('group', f'libvirt-qemu:x:{own}:libvirt-qemu'),
                       ('hosts', '127.0.0.1 one two')):
        with open(f'/etc/{name}', 'a', encoding='ascii') as file:
            file.write(line + '\n')
    os.chmod('/dev/kvm', 0o660)
    os.chown('/dev/kvm', 0, kvm)
    with open(DISK, 'wb') as file:
        file.truncate(16 << 20)
    before = users()
    with Host('one', 1) as one, Host('two', 2) as two:
        for host in (one, two):
            point(host.up(), f'libvirt runs on {host.name}')
        judged(one)
        life(one, two)
        if not all(points):
            one.tell_why()
            two.tell_why()
    point(users() == before, 'nobody holds the node')
