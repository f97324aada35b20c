#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# The init of a guest of QEMU's. The kernel's command line has do=WORD,WORD...; what
# they find is said on the console, each line with "guest: " before it.

/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs -o size=90% none /tmp
cd /tmp || exit

say() { echo "guest: $*"; }

# timer N: how often CPU N's own timer interrupted it.
timer() { awk -v n=$(($1 + 2)) '/LOC:/ { print $n }' /proc/interrupts; }

# Each CPU computes what the others do, and its timer wakes it.
cpus() {
	n=$(nproc)
	want=$(seq 3000 | md5sum)
	i=0
	while [ $i -lt "$n" ]; do
		before=$(timer $i)
		[ "$(seq 3000 | taskset -c $i md5sum)" = "$want" ] || say "cpu $i: wrong sum"
		taskset -c $i sleep 0.1
		[ "$(timer $i)" -gt "$before" ] || say "cpu $i: no timer"
		i=$((i + 1))
	done
	say "cpus $n"
}

clock() {
	read -r before _ </proc/uptime
	from=$(date +%s)
	sleep 2
	read -r after _ </proc/uptime
	awk "BEGIN { slept = $after - $before; d = $(date +%s) - $from - slept
		exit slept < 2 || d * d > 1.2 }" || say "clocks are wrong"
	say "clock $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
}

# Pages that are equal, pages that shrink, pages that don't; compared when told.
fill() {
	yes "the same on each page of it" | head -c 6291456 >same
	seq 1000000 1300000 >text
	dd if=/dev/urandom of=noise bs=64k count=40 2>/dev/null
	sums=$(md5sum same text noise)
	say filled
	while read -r order && [ "$order" = check ]; do
		[ "$(md5sum same text noise)" = "$sums" ] && say "sums right" ||
			say "sums wrong"
	done </dev/ttyS0
}

efi() { [ -d /sys/firmware/efi ] && say efi; }

# What is told, one line each: a number, and a command, which may use other variables.
orders() {
	[ ! -e /modules/order ] || while read -r m; do insmod "/modules/$m"; done </modules/order
	say ready
	while read -r number line; do
		[ "$line" != end ] || break
		eval "$line"
		say "did $number $?"
	done </dev/ttyS0
}

# disk FILE: written, and read past the cache.
disk() {
	dd if=/tmp/noise of="$1" bs=64k conv=fsync 2>/dev/null
	[ "$(dd if="$1" bs=64k count=40 iflag=direct 2>/dev/null | md5sum)" = \
		"$(md5sum </tmp/noise)" ]
}

# net DRIVER ADDRESS: that card, up.
net() {
	for card in /sys/class/net/*; do
		[ "$(basename "$(readlink "$card/device/driver")")" = "$1" ] || continue
		ip link set "${card##*/}" up
		ip addr add "$2/24" dev "${card##*/}"
		return
	done
	return 1
}

# Memory is written over and over, and compared each time; until there is a file /tmp/stop.
writes() {
	(
		n=0
		while [ ! -e /tmp/stop ]; do
			n=$((n + 1))
			cat noise >copy
			cmp -s noise copy || say "wrong copy"
			echo $n >rounds.new
			mv rounds.new rounds
			rm copy
		done
		: >/tmp/stopped
	) &
}

# moves BYTE...: VGA's frame buffer, which is a slot of its own, goes from address to
# address, of which these are the uppermost bytes, and what was written there goes with
# it; until there is a file /tmp/stop.
moves() {
	(
		n=0
		while [ ! -e /tmp/stop ]; do
			for to; do
				# shellcheck disable=SC2059
				printf "$(printf '\\0\\0\\0\\%o' "0x$to")" |
					dd of=/sys/bus/pci/devices/0000:00:02.0/config \
						bs=4 seek=4 conv=notrunc 2>/dev/null
				[ $n = 0 ] || [ $(($(devmem "0x${to}000000"))) = $n ] ||
					say "wrong contents of a slot that moved"
				n=$((n + 1))
				devmem "0x${to}000000" 32 $n
			done
			echo $n >/tmp/moved
		done
		: >/tmp/moves.stopped
	) &
}

# reads FILE: its first MiB, past the cache, until there is a file /tmp/stop.
reads() {
	(
		n=0
		while [ ! -e /tmp/stop ]; do
			dd if="$1" of=/dev/null bs=64k count=16 iflag=direct 2>/dev/null ||
				say "wrong: no read"
			n=$((n + 16))
			echo $n >/tmp/read
		done
		: >/tmp/reads.stopped
	) &
}

# What the power button does.
button() {
	event=$(sed -n '/"Power Button"/,/^$/s/.*\(event[0-9]*\).*/\1/p' \
		/proc/bus/input/devices)
	[ -c "/dev/input/$event" ] || return
	(
		dd if="/dev/input/$event" of=/dev/null bs=24 count=1 2>/dev/null
		over
	) &
}

# The end.
over() {
	# That a mitigation is missing is no fault of the machine's.
	if dmesg | grep -v 'WARNING: See https' |
			grep -E 'WARNING:|BUG:|Oops|Call Trace|soft lockup|detected stall'; then
		say unwell
	fi
	say "done"
	poweroff -f
}

for word in $(sed -n 's/.*do=\([a-z,-]*\).*/\1/p' /proc/cmdline | tr , ' '); do
	$word
done
over
