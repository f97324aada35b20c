# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the guest does in the net suite: the kernel's command line has do=WORD.
# Standard output is the launcher's --output.

word=$(sed -n 's/.*do=\([a-z-]*\).*/\1/p' /proc/cmdline)
file() { # 2 MB that nobody else has
	head -c 2000000 /dev/urandom >mine
	echo "sent $(md5sum <mine)"
}
up() { # up ADDRESS
	ip link set lo up
	ip addr add "$1/24" dev eth0
	ip link set eth0 up
}
answers() { # answers ADDRESS: it does, sooner or later
	i=0
	until ping -c 1 -W 1 "$1" >/dev/null; do
		i=$((i + 1))
		[ $i -lt 120 ] || exit 3
	done
}
feature() { # feature N: was it negotiated?
	[ "$(cut -c $(($1 + 1)) /sys/class/net/eth0/device/features)" = 1 ]
}
irqs() { # irqs NAME: of all CPUs
	awk -v name="$1" 'index($0, name) { n += $2 + $3 } END { print n + 0 }' /proc/interrupts
}

cd /tmp || exit 1
# What nc reads where it shall only receive: an end there would end it.
mkfifo silence
exec 7<>silence
case $word in
server)
	up 10.1.0.1
	file
	nc -l -p 7001 <mine >/dev/null &
	nc -l -p 7000 >theirs <&7
	echo "got $(md5sum <theirs)"
	wait
	echo "mac $(cat /sys/class/net/eth0/address) mtu $(cat /sys/class/net/eth0/mtu)"
	# Checksums, segments both ways, several buffers to a frame, several queues.
	for n in 0 1 7 8 9 11 12 13 15 17 22; do
		feature $n || echo "lacks $n"
	done
	echo "queues $(cd /sys/class/net/eth0/queues && echo *)"
	echo "irqs $(irqs virtio1-input.0) $(irqs virtio1-input.1)" ;;
client)
	up 10.1.0.2
	answers 10.1.0.1
	ping -c 3 10.1.0.1 | grep -q ' 0% packet loss' && echo pinged
	file
	nc 10.1.0.1 7000 <mine >/dev/null
	# The device is reset, and comes to life again.
	device=$(readlink -f /sys/class/net/eth0/device)
	echo "${device##*/}" >/sys/bus/virtio/drivers/virtio_net/unbind
	[ ! -e /sys/class/net/eth0 ] && echo unbound
	echo "${device##*/}" >/sys/bus/virtio/drivers/virtio_net/bind
	up 10.1.0.2
	answers 10.1.0.1
	nc 10.1.0.1 7001 >theirs <&7
	echo "got $(md5sum <theirs)" ;;
user)
	cat >lease <<-'END'
		#!/bin/sh
		[ "$1" = bound ] || exit 0
		ip addr add $ip/$mask dev $interface
		ip route add default via $router
		echo "ip=$ip router=$router" >leased
	END
	chmod +x lease
	ip link set eth0 up
	udhcpc -i eth0 -n -q -t 20 -T 1 -s ./lease >/dev/null 2>&1 || exit 4
	ip='' router=''
	# shellcheck source=/dev/null
	. ./leased
	echo "leased $ip $router"
	wget -q -O got "http://$router:8080/file"
	echo "got $(md5sum <got)"
	wget -q -O got2 "http://$router:8080/file"
	echo "again $(md5sum <got2)"
	head -c 100000 got >part
	while :; do
		nc -l -p 22 <part >/dev/null || sleep 1
	done &
	vsock echo 1234 &
	echo "ready"
	# Until the host has ended passt.
	i=0
	while [ "$(cat /sys/class/net/eth0/carrier)" = 1 ]; do
		i=$((i + 1))
		[ $i -lt 2400 ] || exit 5
		sleep 0.1
	done
	echo "unplugged" ;;
shell)
	# The host says what to do, by vsock, until it ends the machine.
	vsock shell 1234 ;;
*)
	echo "no such word: $word"; exit 99 ;;
esac
