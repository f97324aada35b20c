# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: a guest with a disk and a network card, which uses them (io.c); what its
# launcher has resident then, beside the guest's memory, as "resident KIB". In /work: lodge or
# QEMU, vmlinuz, initrd, mark, io, ip. Nothing is merged on either side: the scan's own cost
# is the memory suite's.

memory=192
append="console=ttyS0 quiet"

cd /tmp || exit 1
# Who the launcher becomes.
echo 'lodge:x:990:990::/:/bin/sh' >>/etc/passwd
/work/io disk disk || exit 1
/work/io read /work/vmlinuz /work/initrd || exit 1
/work/ip tuntap add t0 mode tap
ip addr add 10.3.0.1/24 dev t0
ip link set t0 up
/work/io host &
if [ "$LODGE_NODE" = /dev/kvm ]; then
	/work/mark /usr/bin/qemu-system-x86_64 -accel kvm -cpu host -m $memory -nodefaults \
		-no-user-config -display none -kernel /work/vmlinuz -initrd /work/initrd \
		-append "$append" -serial file:console -serial file:out -serial null \
		-drive file=disk,format=raw,if=none,id=d -device virtio-blk-pci,drive=d \
		-netdev tap,id=n,ifname=t0,script=no,downscript=no,vhost=on \
		-device virtio-net-pci,netdev=n,romfile= </dev/null >said 2>&1 &
else
	/work/mark /work/lodge run --node "$LODGE_NODE" --kernel /work/vmlinuz \
		--initrd /work/initrd --memory ${memory}M --append "$append" --disk disk \
		--net tap=t0 --merge off --output out --status </dev/null >said 2>&1 &
fi
launcher=$!
second=0
until grep -sq '^done' out; do
	second=$((second + 1))
	if [ $second = 200 ] || [ ! -d /proc/$launcher ]; then
		tail -n 20 out console said
		exit 1
	fi
	sleep 1
done
# What is as large as the guest's memory is that. A cleaner shares what it hasn't changed.
cleaner=$(grep -l '^lodge-cleaner$' /proc/[0-9]*/comm)
awk -v most=$((memory * 1024)) -v launcher=/proc/$launcher/smaps '/^Size:/ { size = $2 }
	FILENAME == launcher && /^Rss:/ && size < most || FILENAME != launcher && /^Private_/ { sum += $2 }
	END { print "resident " sum }' /proc/$launcher/smaps ${cleaner:+"${cleaner%comm}smaps"}
kill -KILL $launcher
# For who asks where the cost goes.
[ ! -d /out ] || cat /proc/kallsyms >/out/kallsyms
exit 0
