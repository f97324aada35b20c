# SPDX-License-Identifier: GPL-2.0-only
"""Hosts that Bochs emulates: VT-x, and AMD-V as QEMU does not have it."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tarfile
import threading
import tty

from host import Host, die, word

SYSLINUX = ('/usr/lib/ISOLINUX/isolinux.bin',
            '/usr/lib/syslinux/modules/bios/ldlinux.c32')

# Nothing in it is tied to the wall clock, so that a run repeats. What the
# processor objects to is an error to Bochs, and is kept: it is the one word on
# why a VM entry failed. A panic, a triple fault (which Linux's reboot is, here)
# and a power-off end the process.
CONFIG = """\
config_interface: textconfig
display_library: rfb, options="timeout=0"
plugin_ctrl: speaker=0
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model={model}, count={cpus}, ips={ips}, reset_on_triple_fault=0
memory: guest={memory}, host={resident}
clock: sync=none, time0={time}
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
ata1-master: type=cdrom, path={at}/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={at}/console
com2: enabled=1, {script}
com3: enabled=1, mode=file, dev={at}/stderr
com4: enabled=1, mode=file, dev={at}/status
log: {at}/bochs
debugger_log: /dev/null
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
"""


class Bochs(Host):
    """A host in Bochs; the processor's model says what hardware it has."""
    KERNEL = 'small'
    MEMORY = '1024'
    LOGS = ('bochs',)
    OUT_SIZE = 1 << 30          # of the disk that /out goes to; it is sparse
    END = """\
[ ! -b /dev/sda ] || tar -cf /dev/sda -C /out .
sync
echo $status >/dev/ttyS3
poweroff -f
"""

    def __init__(self, options, script, args):
        for name in ('ICOUNT', 'PLUGIN', 'ACCEL', 'QEMU_ARGS'):
            if word(name):
                die(f'{name} is for QEMU, this host is Bochs')
        for file in SYSLINUX:
            if not os.path.exists(file):
                die(f'no {file}: install isolinux, syslinux-common')
        super().__init__(options, script, args)
        self.model = word('HOST_CPU', 'broadwell_ult' if
                          word('HOST') == 'intel' else 'zambezi')
        self.terminal = None
        self.image()

    def share(self, tree):
        """There is no 9p: directories are copied; /out leaves by a disk."""
        for directory, dest in self.options['shares']:
            shutil.copytree(directory, tree.path(dest), symlinks=True,
                            dirs_exist_ok=True)
        return (['ata_piix', 'sd_mod'] if self.out else []), []

    def image(self):
        """The medium that Bochs boots, and the disk for results."""
        disc = os.path.join(self.work, 'disc')
        os.mkdir(disc)
        for file in SYSLINUX:
            shutil.copy(file, disc)
        shutil.copy(os.path.join(self.kernel, 'vmlinuz'), disc)
        os.rename(os.path.join(self.work, 'initrd'),
                  os.path.join(disc, 'initrd'))
        # MWAIT in the idle loop hangs two CPUs; RDRAND would make each run
        # another; a reboot that is a triple fault is seen.
        append = ['console=ttyS0', 'loglevel=5', 'panic=-1', 'oops=panic',
                  'nokaslr', 'mitigations=off', 'nowatchdog', 'idle=halt',
                  'rcupdate.rcu_cpu_stall_timeout=300',
                  'workqueue.watchdog_thresh=0', 'reboot=t',
                  'clearcpuid=rdrand,rdseed,aperfmperf', word('APPEND')]
        with open(os.path.join(disc, 'isolinux.cfg'), 'w',
                  encoding='ascii') as config:
            config.write('default host\nprompt 0\nlabel host\n'
                         'kernel /vmlinuz\ninitrd /initrd\nappend ' +
                         ' '.join(append) + '\n')
        made = subprocess.run(
            ['xorriso', '-as', 'mkisofs', '-quiet', '-o',
             os.path.join(self.work, 'boot.iso'), '-b', 'isolinux.bin', '-c',
             'boot.cat', '-no-emul-boot', '-boot-load-size', '4',
             '-boot-info-table', disc], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
        if made.returncode:
            die('no boot medium: ' + made.stdout.decode(errors='replace'))
        shutil.rmtree(disc)
        if self.out:
            with open(os.path.join(self.work, 'disk'), 'wb') as disk:
                disk.truncate(self.OUT_SIZE)

    def config(self, script):
        """Bochs's configuration; SCRIPT is what com2 is tied to."""
        text = CONFIG.format(at=self.work, model=self.model, cpus=self.cpus,
                             memory=self.memory, script=script,
                             resident=min(int(self.memory), 2048),
                             ips=word('IPS', '20000000'), time=946684800)
        if self.out:
            text += ('ata0-master: type=disk, mode=flat, '
                     f'path={self.work}/disk\n')
        return text + word('BOCHS_ARGS').replace(';', '\n') + '\n'

    def start(self):
        """
        Bochs, in a network of its own: its display, the only one that needs
        no terminal, listens on a port of every address. Its debugger, which
        is always in, is told to go on. timeout(1) sees to it that it does not
        outlive a boot that is killed.
        """
        script = f'mode=file, dev={self.work}/stdout'
        if self.options['interactive']:
            script = 'mode=term, dev=' + self.open_terminal()
        for name, text in (('config', self.config(script)),
                           ('commands', word('BOCHS_COMMANDS', 'c')
                            .replace(';', '\n') + '\n')):
            with open(os.path.join(self.work, name), 'w',
                      encoding='ascii') as file:
                file.write(text)
        alone = ['unshare', '-n'] if os.getuid() == 0 else ['unshare', '-rn']
        with open(word('BOCHS_SAYS', os.path.join(self.work, 'said')),
                  'wb') as said:
            return subprocess.Popen(
                ['timeout', '--kill-after=5',
                 str(self.options['timeout'] + 60)] + alone +
                ['bochs', '-q', '-f', f'{self.work}/config', '-rc',
                 f'{self.work}/commands'], stdin=subprocess.DEVNULL,
                stdout=said, stderr=said, cwd=self.work,
                start_new_session=True)

    def open_terminal(self):
        """A pseudo-terminal for com2, tied to ours; the name of its end."""
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        if os.isatty(0):
            tty.setraw(0)
        self.terminal = ours, theirs

        def carry():
            while True:
                ready, _, _ = select.select([0, ours], [], [])
                for source in ready:
                    text = os.read(source, 4096)
                    os.write(1 if source == ours else ours, text)
                    if not text:
                        return
        threading.Thread(target=carry, daemon=True).start()
        return os.ttyname(theirs)

    @staticmethod
    def stop(process):
        """The group: timeout, unshare and Bochs."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def status(self):
        """A number on com4. Bochs's own status is always 1."""
        said = self.read('status').strip()
        if not said.isdigit():
            return None
        if self.out:
            with tarfile.open(os.path.join(self.work, 'disk')) as results:
                results.extractall(self.out)
        return int(said)

    # What Bochs says of a VM entry that failed, and of its own end.
    CLUE = re.compile(rb'VMENTER|VMFAIL|VMX|VMCS|VMRUN|SVM|VMCB|PANIC|'
                      rb'>>PANIC<<|triple fault|shutdown')

    def clues(self):
        """The last of those lines; without a log, what Bochs said instead."""
        log = self.read('bochs')
        lines = [line for line in log.split(b'\n') if self.CLUE.search(line)]
        if not log:
            lines = self.read('said').split(b'\n')
        return lines[-15:]
