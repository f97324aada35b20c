# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the guest does in the suite kill: the kernel's command line has do=WORD. Standard
# output is the launcher's --output.

word=$(sed -n 's/.*do=\([a-z0-9-]*\).*/\1/p' /proc/cmdline)
[ "$word" != none ] || sleep 1000
# The journal is replayed here.
mount -t ext4 /dev/vda /mnt || exit 3
case $word in
check)
	(cd /mnt && md5sum ./*-*)
	umount /mnt ;;
write-*)
	cat >lease <<-'END'
		#!/bin/sh
		[ "$1" = bound ] || exit 0
		ip addr add $ip/$mask dev $interface
		ip route add default via $router
		echo $router >router
	END
	chmod +x lease
	# Network and folder are busy meanwhile, and may fail.
	(
		ip link set eth0 up
		udhcpc -i eth0 -n -q -t 20 -T 1 -s ./lease
		while wget -q -O /dev/null "http://$(cat router):8080/file"; do
			echo "fetched"
			sleep 0.2
		done
	) 2>/dev/null &
	(
		mkdir there
		mount -t virtiofs shared there
		while cp there/file there/mine; do
			echo "shared"
			sleep 0.2
		done
	) 2>/dev/null &
	i=0
	while :; do
		i=$((i + 1))
		head -c $((($(od -An -N2 -tu2 /dev/urandom) & 32767) + 1)) /dev/urandom >new
		sum=$(md5sum <new)
		dd if=new of="/mnt/${word#write-}-$i" bs=4k conv=fsync 2>/dev/null || exit 4
		echo "synced ${sum%% *} ./${word#write-}-$i end"
	done ;;
*)
	echo "no such word: $word"; exit 99 ;;
esac
