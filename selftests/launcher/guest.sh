# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the guest does in the boot suite: the kernel's command line has do=WORD.
# Standard output is the launcher's --output.

word=$(sed -n 's/.*do=\([a-z-]*\).*/\1/p' /proc/cmdline)
irqs() { grep "$1" /proc/interrupts | awk '{ n += $2 + $3 } END { print n + 0 }'; }
genid() { # where the DSDT says
	at=$(od -An -v -tx1 /sys/firmware/acpi/tables/DSDT | tr -d ' \n' |
		sed 's/.*414444521208020c\(..\)\(..\)\(..\)\(..\).*/0x\4\3\2\1/')
	i=0
	while [ $i -lt 16 ]; do
		printf %02x "$(devmem $((at + i)) 8)"
		i=$((i + 1))
	done
	echo
}
case $word in
cpus)
	echo "cpus $(nproc) ids $(sed -n 's/^apicid[^:]*: //p' /proc/cpuinfo |
		tr '\n' ' ')cores $(sed -n 's/^cpu cores[^:]*: //p' \
		/proc/cpuinfo | sort -u)"
	sed -n 's/MemTotal: */kB /p' /proc/meminfo | sed 's/ kB$//'
	exit 7 ;;
memory)
	sed -n 's/MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo
	# Touch most of what is free: all of it has to be there.
	free=$(sed -n 's/MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo)
	mount -t tmpfs -o size=90% none /tmp
	dd if=/dev/zero of=/tmp/fill bs=1M count=$((${TOUCH:-64})) 2>/dev/null
	[ "$free" -gt 0 ] && [ -s /tmp/fill ] ;;
write)
	# 4 MiB of a pattern that differs in each block, on a "file system" of
	# its own: a header that says how much.
	i=0
	while [ $i -lt 4096 ]; do
		printf '%01024d' $i
		i=$((i + 1))
	done >/tmp/pattern
	md5sum </tmp/pattern >/tmp/sum
	dd if=/tmp/pattern of=/dev/vda bs=64k seek=16 conv=fsync 2>/dev/null &&
		dd if=/tmp/sum of=/dev/vda bs=512 conv=sync,fsync 2>/dev/null &&
		sync && cat /tmp/sum ;;
read)
	# Twice: through the cache, and past it.
	want=$(dd if=/dev/vda bs=36 count=1 2>/dev/null)
	one=$(dd if=/dev/vda bs=64k skip=16 count=64 2>/dev/null | md5sum)
	two=$(dd if=/dev/vda bs=64k skip=16 count=64 iflag=direct 2>/dev/null |
		md5sum)
	echo "$want"
	[ "$one" = "$want" ] && [ "$two" = "$want" ] &&
		[ "$(irqs virtio)" -gt 0 ] ;;
discard)
	size=$(cat /sys/block/vda/queue/discard_max_bytes)
	zero=$(cat /sys/block/vda/queue/write_zeroes_max_bytes)
	[ "$size" -gt 0 ] && [ "$zero" -gt 0 ] && blkdiscard /dev/vda &&
		dd if=/dev/vda bs=1M count=8 iflag=direct 2>/dev/null |
			cmp -n 8388608 - /dev/zero &&
		cat /sys/block/vda/serial ;;
balloon)
	# Says what it has until the balloon was full and is empty again.
	now() {
		free=$(sed -n 's/MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo)
		in=$(sed -n 's/balloon_inflate //p' /proc/vmstat)
		out=$(sed -n 's/balloon_deflate //p' /proc/vmstat)
		given=$(((in - out) / 256))
		echo "$1 given $given free $((free / 1024))"
	}
	between() { # between WORD LOW HIGH: wait until it has given that much
		i=0
		now "$1"
		while [ $given -lt "$2" ] || [ $given -gt "$3" ]; do
			i=$((i + 1))
			[ $i -lt 600 ] || exit 1
			sleep 0.1
			now "$1"
		done
	}
	case $(cat /proc/cmdline) in
	*cache*)
		# Memory that is neither free nor wanted; gone when nobody has
		# the disk open.
		exec 4</dev/vda
		dd if=/dev/vda of=/dev/null bs=1M 2>/dev/null
		now cached; sleep 3 ;;
	esac
	between filling 96 256
	case $(cat /proc/cmdline) in
	*oom*)
		mount -t tmpfs -o size=100% none /tmp
		dd if=/dev/zero of=/tmp/fill bs=1M count=110 2>/dev/null
		now oom; ls -l /tmp/fill; exit 0 ;;
	esac
	now full; sleep 3
	between emptying 0 0
	now empty ;;
free)
	mount -t tmpfs -o size=90% none /tmp
	dd if=/dev/zero of=/tmp/fill bs=1M count=128 2>/dev/null
	echo filled; sleep 5
	rm /tmp/fill
	echo freed; sleep 10 ;;
readonly)
	[ "$(cat /sys/block/vda/ro)" = 1 ] || exit 2
	! dd if=/dev/zero of=/dev/vda bs=512 count=1 conv=fsync 2>/dev/null ||
		exit 3
	dd if=/dev/vda bs=512 count=1 2>/dev/null | head -c 5 ;;
random)
	[ "$(cat /sys/class/misc/hw_random/rng_current)" = virtio_rng.0 ] &&
		[ "$(head -c 4096 /dev/hwrng | wc -c)" = 4096 ] ;;
hvc)
	stty -F /dev/hvc0 raw -echo
	echo "to hvc" >/dev/hvc0
	head -n 1 </dev/hvc0 ;;
clock)
	date -u +%s ;;
talk)
	# Says what it hears, is busy, and takes the power button for the end.
	stty -F /dev/ttyS0 -echo
	while read -r line; do
		echo "heard $line"
	done </dev/ttyS0 >/dev/ttyS0 &
	while :; do :; done &
	echo ready
	while [ "$(irqs acpi)" = 0 ]; do sleep 0.2; done
	kill %1 %2 ;;
bulk)
	yes 0123456789 | head -c 20000 ;;
off)
	poweroff -f; sleep 100 ;;
reset)
	reboot -f; sleep 100 ;;
panic-told)
	insmod /modules/pvpanic.ko
	insmod /modules/pvpanic-mmio.ko
	echo c >/proc/sysrq-trigger; sleep 100 ;;
genid)
	grep -qi VM_Gen_Counter /sys/bus/acpi/devices/LDGE0001:00/modalias && genid ;;
firmware)
	# What it is told of, and what a firmware could have got wrong.
	echo "to the console" >/dev/ttyS0
	genid
	# Of taints the one by a firmware: MTRRs have been read by then.
	cat /sys/class/dmi/id/sys_vendor /proc/mtrr
	echo $(($(cat /proc/sys/kernel/tainted) >> 11 & 1))
	dmesg | grep -iE "can't claim|mtrr|firmware bug|bios bug"
	dd if=/dev/vda bs=1M count=16 iflag=direct 2>/dev/null | md5sum ;;
panic)
	echo c >/proc/sysrq-trigger; sleep 100 ;;
*)
	echo "no such word: $word"; exit 99 ;;
esac
