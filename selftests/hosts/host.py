# SPDX-License-Identifier: GPL-2.0-only
"""
What every emulated host is made of: a kernel, an initramfs with the script in
it, and a process that is bounded and looked after. qemu.py and bochs.py know
one emulator each; boot is the command.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

INIT = '''#!/bin/sh
# The host's first process: load, run, tell the status, power off.
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/shm /dev/pts /tmp /out /work
mount -t tmpfs none /dev/shm
mount -t tmpfs none /tmp
mount -t devpts none /dev/pts
mount -t debugfs none /sys/kernel/debug 2>/dev/null
mount -t tracefs none /sys/kernel/tracing 2>/dev/null
ln -sf /proc/self/fd /dev/fd
dmesg -n 7
echo 1 >/proc/sys/kernel/printk_devkmsg 2>/dev/null
stty -F /dev/ttyS1 raw -echo 115200
stty -F /dev/ttyS2 raw -echo 115200
while read -r m; do
	[ -z "$m" ] || insmod $m 2>/dev/ttyS2
done </modules.load
. /mounts
cd /work
export HOME=/root PATH=/bin:/sbin:/work LODGE_HOST=1 TERM=@TERM@
. /environment
@SETSID@ sh /script @ARGS@ @STDIN@ >/dev/ttyS1 2>/dev/ttyS2
status=$?
sync
@END@'''


def die(text, status=125):
    """Say why no host ran, and end."""
    sys.stderr.write(f'boot: {text}\n')
    sys.exit(status)


def word(name, default=''):
    """One of the words in the environment; empty is as good as absent."""
    return os.environ.get(name) or default


def kernel_dir(name):
    """The directory of the host's kernel: vmlinuz, release, lib/modules."""
    if os.path.isdir(name):
        return name
    tool = 'built-kernel' if name in ('debug', 'small') else 'kernel'
    out = subprocess.run([os.path.join(HERE, tool), name],
                         stdout=subprocess.PIPE, check=False)
    if out.returncode:
        die(f'no kernel {name}')
    return out.stdout.decode().split('\n')[0]


def count_event(name):
    """What the emulator does wrong is counted, so that it is not overseen."""
    path = os.path.join(ROOT, 'build/hosts', name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'a', encoding='ascii') as book:
        book.write(time.strftime('%F %T ') + ' '.join(sys.argv[1:]) + '\n')
    with open(path, encoding='ascii') as book:
        return len(book.readlines())


class Clock:
    """
    Seconds since it was made, as far as this machine ran: one that is stopped
    for a while and goes on finds its clock ahead, and has done nothing.
    """
    LEAP = 10

    def __init__(self):
        self.last = time.monotonic()
        self.total = 0.0

    def read(self):
        """To be read often: no step counts for more than LEAP."""
        now = time.monotonic()
        self.total += min(now - self.last, self.LEAP)
        self.last = now
        return self.total


class Modules:
    """The kernel's loadable modules, by name, with what each one needs."""

    def __init__(self, directory, release):
        self.base = os.path.join(directory, 'lib/modules', release)
        self.files = {}
        self.needs = {}
        self.builtin = set()
        try:
            with open(os.path.join(self.base, 'modules.dep'),
                      encoding='ascii') as dep:
                for line in dep:
                    path, _, needs = line.partition(':')
                    name = self.name(path)
                    self.files[name] = path
                    self.needs[name] = [self.name(n) for n in needs.split()]
            with open(os.path.join(self.base, 'modules.builtin'),
                      encoding='ascii') as built:
                self.builtin = {self.name(line.strip()) for line in built}
        except FileNotFoundError:
            pass

    @staticmethod
    def name(path):
        """kvm-amd.ko and kvm_amd are one module."""
        base = os.path.basename(path)
        return re.sub(r'\.ko$', '', base).replace('-', '_')

    @staticmethod
    def needed_by(file):
        """What a module outside the kernel's tree says it needs."""
        out = subprocess.run(['/sbin/modinfo', '-F', 'depends', file],
                             stdout=subprocess.PIPE, check=True)
        return out.stdout.decode().strip().replace(',', ' ').split()

    def order(self, wanted):
        """Paths to load, needs first. A monolithic kernel has none."""
        names = []
        for name in wanted:
            name = self.name(name)
            if name in self.builtin or not self.files:
                continue
            if name not in self.files:
                die(f'the kernel has no module {name}')
            for each in self.needs[name][::-1] + [name]:
                if each not in names:
                    names.append(each)
        return [os.path.join(self.base, self.files[n]) for n in names]


class Tree:
    """The host's root directory, made into an initramfs."""

    def __init__(self, where):
        self.where = where
        for each in ('bin', 'dev', 'proc', 'sys', 'root', 'work', 'sbin',
                     'etc', 'lib64', 'lib'):
            os.makedirs(os.path.join(where, each))
        busybox = shutil.which('busybox')
        if not busybox:
            die('no busybox: install busybox-static')
        self.copy(busybox, '/bin/busybox')
        os.symlink('busybox', os.path.join(where, 'bin/sh'))
        self.write('/etc/passwd', 'root:x:0:0::/root:/bin/sh\n'
                   'nobody:x:65534:65534::/:/bin/sh\n')
        self.write('/etc/group', 'root:x:0:\nnogroup:x:65534:\nkvm:x:100:\n')

    def path(self, dest):
        """Where DEST lies outside, its directory made."""
        full = os.path.join(self.where, dest.lstrip('/'))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        return full

    def write(self, dest, text, mode=0o644):
        """A file with that text."""
        full = self.path(dest)
        with open(full, 'w', encoding='utf-8') as out:
            out.write(text)
        os.chmod(full, mode)

    def copy(self, source, dest):
        """A file, and the shared libraries that it asks for."""
        full = self.path(dest)
        if os.path.isdir(full):
            full = os.path.join(full, os.path.basename(source))
        shutil.copy(source, full)
        with open(source, 'rb') as head:
            if head.read(4) != b'\x7fELF' or not os.access(source, os.X_OK):
                return
        libs = subprocess.run(['ldd', source], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=False)
        for lib in re.findall(rb'(/\S+) \(0x', libs.stdout):
            there = self.path(lib.decode())
            if not os.path.exists(there):
                shutil.copy(lib.decode(), there)

    def pack(self, archive):
        """Everything, as the kernel unpacks it; not compressed: faster."""
        files = subprocess.Popen(['find', '.', '-mindepth', '1', '-print0'],
                                 cwd=self.where, stdout=subprocess.PIPE)
        with open(archive, 'wb') as out:
            subprocess.run(['cpio', '-0', '-o', '-H', 'newc', '--quiet',
                            '-R', '0:0'],
                           cwd=self.where, stdin=files.stdout, stdout=out,
                           check=True)
        if files.wait():
            die('could not list the initramfs')


class Host:
    """
    One boot. What an emulator adds: KERNEL, MEMORY and TIMEOUT, which it has
    unless it is told; END, the last that init does; and the methods that raise
    NotImplementedError or do nothing here.
    """
    KERNEL = '6.1'
    MEMORY = '2048'
    END = ''

    def __init__(self, options, script, args):
        self.options = options
        self.kernel = kernel_dir(word('KERNEL', self.KERNEL))
        with open(os.path.join(self.kernel, 'release'),
                  encoding='ascii') as release:
            self.release = release.read().strip()
        self.work = tempfile.mkdtemp(prefix='lodge-host-')
        self.cpus = int(word('HOST_CPUS', '1'))
        self.memory = word('HOST_MEM', self.MEMORY)
        self.out = options['out']
        self.emulator = None    # what it ended with, or -N: a signal's number
        self.relayed = {}
        self.build_tree(script, args)

    def build_tree(self, script, args):
        """Fill and pack the initramfs."""
        tree = Tree(os.path.join(self.work, 'root'))
        modules = Modules(self.kernel, self.release)
        wanted = word('MODULES').replace(',', ' ').split()
        for file, dest in self.options['files']:
            if not os.path.exists(file):
                die(f'no such file: {file}')
            if os.path.isdir(file):
                shutil.copytree(file, tree.path(dest or '/work/' +
                                os.path.basename(file.rstrip('/'))))
                continue
            tree.copy(file, dest or '/work/' + os.path.basename(file))
            if file.endswith('.ko'):
                wanted += modules.needed_by(file)
        needed, mounts = self.share(tree)
        wanted += needed
        tree.write('/mounts', '\n'.join(mounts) + '\n')
        load, own = [], []
        for file in self.options['modules']:
            file, _, params = file.partition(' ')
            dest = '/work/' + os.path.basename(file)
            if not os.path.exists(file):
                die(f'no such module: {file}')
            tree.copy(file, dest)
            wanted += modules.needed_by(file)
            own.append(f'{dest} {params}'.strip())
        for path in modules.order(wanted):
            dest = '/modules/' + os.path.basename(path)
            tree.copy(path, dest)
            load.append(dest)
        for path in modules.order(word('LATE').replace(',', ' ').split()):
            dest = '/modules/' + os.path.basename(path)
            if dest not in load:
                tree.copy(path, dest)
        tree.write('/modules.load', '\n'.join(load + own) + '\n')

        if script == '-c':
            tree.write('/script', args[0] + '\n')
            args = args[1:]
        else:
            try:
                tree.copy(script, '/script')
            except OSError as error:
                die(str(error))
        interactive = self.options['interactive']
        init = INIT.replace('@ARGS@', ' '.join(map(shlex.quote, args)))
        init = init.replace('@SETSID@', 'setsid -c' if interactive else '')
        # Nobody looks on, who would see lines being written again.
        init = init.replace('@TERM@', 'linux' if interactive else 'dumb')
        init = init.replace('@STDIN@', '<' + ('/dev/ttyS1' if interactive
                                              else '/dev/null'))
        init = init.replace('@END@', self.END)
        tree.write('/environment', ''.join(
            f'export {name}={shlex.quote(value)}\n'
            for name, value in sorted(os.environ.items())
            if re.fullmatch(r'LODGE_\w+', name) and name != 'LODGE_CACHE'))
        tree.write('/init', init, 0o755)
        tree.pack(os.path.join(self.work, 'initrd'))
        shutil.rmtree(tree.where)

    def share(self, tree):
        """
        Show directories to the host, put them into the tree if need be:
        (modules that it takes, commands that mount).
        """
        raise NotImplementedError

    def start(self):
        """Start the emulator in a session of its own; its process."""
        raise NotImplementedError

    def sick(self, now, over):
        """To be called often: is it the emulator that went wrong?"""
        return False

    def status(self):
        """What the script ended with; None if the host did not come so far."""
        raise NotImplementedError

    def relay(self):
        """Pass on what the script has said since last time."""
        for name, to in (('stdout', sys.stdout), ('stderr', sys.stderr)):
            text = self.read(name, self.relayed.get(name, 0))
            self.relayed[name] = self.relayed.get(name, 0) + len(text)
            to.buffer.write(text)
            to.flush()

    def run(self):
        """Boot; (status of the script or None, what became of the host)."""
        process = self.start()
        clock = Clock()
        self.relayed = {}
        outcome = 'ended'
        try:
            while outcome == 'ended':
                try:
                    process.wait(0.5)
                    break
                except subprocess.TimeoutExpired:
                    self.relay()
                now = clock.read()
                over = now > self.options['timeout']
                if self.sick(now, over):
                    outcome = 'wedged'
                elif over:
                    outcome = 'timeout'
        finally:
            self.stop(process)
            self.emulator = process.returncode
            self.relay()
        status = self.status() if outcome == 'ended' else None
        if outcome == 'ended' and status is None and self.felled():
            outcome = 'wedged'
        return status, outcome

    @staticmethod
    def stop(process):
        """End it, if it has not ended."""
        if process.poll() is None:
            process.kill()
            process.wait()

    def felled(self):
        """The host died: was it the emulator's doing?"""
        return False

    def read(self, name, start=0):
        """One of the boot's own files, from START on; empty without it."""
        try:
            with open(os.path.join(self.work, name), 'rb') as file:
                file.seek(start)
                return file.read()
        except FileNotFoundError:
            return b''

    def note(self, text):
        """A line for the console log, from outside."""
        with open(os.path.join(self.work, 'console'), 'a',
                  encoding='utf-8') as log:
            log.write(f'boot: {text}\n')

    # What is kept beside the console's log, by the name that it has here;
    # the last so many bytes of it.
    LOGS = ()
    KEPT = 16 << 20

    def keep(self):
        """Put the console and the like where the caller looks."""
        log = self.options['log']
        os.makedirs(os.path.dirname(log), exist_ok=True)
        for name in ('console',) + self.LOGS:
            if os.path.exists(os.path.join(self.work, name)):
                with open(log if name == 'console' else f'{log}.{name}',
                          'wb') as kept:
                    kept.write(self.read(name)[-self.KEPT:])
        return self.read('console')

    def forget(self):
        """All went well: the logs are last.log, and what lies beside it."""
        log = self.options['log']
        for name in ('',) + tuple('.' + each for each in self.LOGS):
            if os.path.exists(log + name):
                os.replace(log + name, os.path.join(os.path.dirname(log),
                                                    'last.log' + name))

    def clues(self):
        """What else to say of a run that failed: lines, each in bytes."""
        return []

    def close(self):
        """Nothing stays behind."""
        shutil.rmtree(self.work, ignore_errors=True)
