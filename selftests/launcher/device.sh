# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: devices that come to a guest, and go. Prints TAP. In /work: lodge, passt,
# vmlinuz, initrd, tiny, vsock, setpriv, ip, qemu-storage-daemon, qemu-img, virtiofsd.

# shellcheck source=selftests/launcher/common.sh
. /work/common.sh
moved "$@"
tries=150
pause=0.2
rounds=${ROUNDS:-100}
export PATH=/bin:/sbin:/work LODGE_RUNTIME_DIR=/tmp/machines

boot() { # boot OPTION...: a guest that is told what to do
	lodge run --node "$node" --kernel /work/vmlinuz --initrd /work/initrd --memory 256M \
		--cpus 2 --vsock 5 --append "console=ttyS0 panic=-1 quiet do=shell" \
		--name g --output /dev/null --status "$@" >g.console 2>&1 </dev/null &
	g=$!
}

answers=20	# seconds that a guest has for one

# dev WORD...: it works, and says nothing on standard error
dev() {
	timeout $((60 * patience)) lodge device "$@" >out 2>said && [ ! -s said ]
}

refused() { # refused TEXT WORDS ARGUMENT...: one line, and nothing is changed
	text=$1
	words=$2
	shift 2
	lodge device list g >before
	! timeout $((60 * patience)) lodge device "$@" >out 2>said && [ "$(wc -l <said)" = 1 ] &&
		grep -q "$words" said && lodge device list g >after && cmp -s before after
	point $? "$text"
}

files() { # how many descriptors the machine has
	set -- /proc/"$g"/fd/*
	echo $#
}
has_files() { # has_files N
	[ "$(files)" = "$1" ]
}
heap() { # how much memory of its own, in KiB
	awk '/RssAnon/ { print $2 }' /proc/"$g"/status
}

ip link set lo up
/work/ip tuntap add t1 mode tap user 65534
ip addr add 10.1.0.254/24 dev t1
ip link set t1 up
ip route add default via 10.1.0.253
head -c 8388608 /dev/urandom >one
cp one two
truncate -s 16M three
qemu-img create -q -f qcow2 four 32M
# Before the guest has a driver for anything, and before it knows of ACPI.
boot --disk one --disk two,ro,id=second
soon dev list g || { point 1 "the machine runs"; finish; }
dev add g disk three
point $? "a disk is added while the guest boots: $(cat out)"
soon says up 'echo up'
says 32768 'cat /sys/block/vdc/size'
point $? "and found by it"
dev list g && grep -q '^disk0 .*there.*one' out && grep -q '^second .*there.*two,ro$' out &&
	grep -q '^disk1 .*there.*/tmp/three' out
point $? "the list has it, and those that were there"
dev del g disk1 && says gone '[ -e /sys/block/vdc ] || echo gone'
point $? "it is removed"

want=$(md5sum <one | cut -d ' ' -f 1)
dev add g disk three,id=scratch
soon says vdc 'ls /sys/block'
says "$want" 'dd if=/dev/vda of=/dev/vdc bs=64k oflag=direct 2>/dev/null
	dd if=/dev/vdc bs=64k count=128 iflag=direct 2>/dev/null | md5sum'
point $? "a disk is added again, written and read"
[ "$(head -c 8388608 three | md5sum | cut -d ' ' -f 1)" = "$want" ] &&
	says scratch 'cat /sys/block/vdc/serial'
point $? "what is written is in the file; the guest knows the name"
refused "the same file can't be two disks" "in use by another machine" add g disk three
refused "nor a name two devices'" "another device's" add g disk four,id=scratch
refused "a file that isn't there" "cannot open disk none" add g disk none
refused "a directory" "cannot open disk /tmp" add g disk /tmp
refused "a device that isn't one" "neither a file" add g disk /dev/null,ro
refused "a tap that isn't one" "is no tap" add g net tap=lo
refused "an option that isn't one" "are all that can follow" add g net user,speed=9
refused "a back end that isn't there" "has to be started first" add g disk vhost-user=none
refused "a kind that isn't one" "disk, fs or net" add g door three
refused "no device of that name" "no device nobody" del g nobody
refused "one that can't go" "no device" del g rng

# It is written to without a pause, until that fails.
guest '(exec 9<>/dev/vdc 3<&- 4<&- 5<&- 6<&- 7<&- 8<&-
	while dd if=/dev/zero of=/proc/self/fd/9 bs=256k count=32 oflag=direct conv=notrunc; do
		:
	done; echo failed >/tmp/failed) >/dev/null 2>&1 &
	sleep 1; [ -e /tmp/failed ] || echo busy'
grep -q busy heard && dev del g scratch && says gone '[ -e /sys/block/vdc ] || echo gone' &&
	soon says failed 'cat /tmp/failed'
point $? "a disk goes while it is written to"
timeout $((20 * patience)) lodge run --node "$node" --kernel /work/tiny --append x \
	--exit-port 0xf4 --memory 16M --disk three >said 2>&1 </dev/null
[ $? = 42 ]
point $? "its file is nobody's any more"

# The guest lets go of one that nobody wants back.
slot=$(lodge device list g | awk '$1 == "second" { print $3 }')
says gone "echo 0 >/sys/bus/pci/slots/$slot/power; [ -e /sys/block/vdb ] || echo gone"
point $? "a guest lets go of a disk by itself"
dev list g && grep -q '^second .*there' out
point $? "which is there all the same"
says "$want" "echo 1 >/sys/bus/pci/slots/$slot/power; sleep 1; md5sum </dev/vdb"
point $? "and works when the guest looks for it again"
# Registers, by bytes: none of them means anything.
says up 'for n in 1552 1553 1556 1560 1561 1562 1563; do
	printf "\377" | dd of=/dev/port bs=1 seek=$n 2>/dev/null; done; echo up'
dev list g && grep -q '^second .*there' out && says "$want" 'md5sum </dev/vdb'
point $? "what it writes to the registers else means nothing"
dev del g second && says gone '[ -e /sys/block/vdb ] || echo gone'
point $? "a disk that it was started with is removed"

lodge pause g && refused "one that is paused can't let go" "paused" del g disk0
lodge resume g

# Networks: on a tap that is there, on one that is made, and by passt.
dev add g net tap=t1,mac=02:00:00:00:00:05
soon says eth0 'ls /sys/class/net'
says '02:00:00:00:00:05' 'cat /sys/class/net/eth0/address'
point $? "a network comes, on a tap: $(cat out)"
guest 'ip addr add 10.1.0.5/24 dev eth0; ip link set eth0 up'
soon says ' 0% packet loss' 'ping -c 1 -W 1 10.1.0.254'
point $? "and is one: $(grep loss heard)"
refused "another one with its address" "is net0's already" add g net user,mac=02:00:00:00:00:05
refused "another one on its tap" "in use by another" add g net tap=t1
dev del g net0 && says gone '[ -e /sys/class/net/eth0 ] || echo gone'
point $? "it goes, with its address"
grep -q 0 /sys/class/net/t1/carrier
point $? "the tap has no other end"
dev add g net tap=tnew,queues=2 && soon says eth0 'ls /sys/class/net' &&
	[ -e /sys/class/net/tnew ] && says 'rx-1' 'ls /sys/class/net/eth0/queues'
point $? "one with two queues comes, on a tap that is made"
dev del g net0 && soon test ! -e /sys/class/net/tnew
point $? "with it goes the tap"
dev add g net user && soon says eth0 'ls /sys/class/net'
point $? "one by passt comes"
says ip=10 'cd /tmp; printf "#!/bin/sh\n[ \$1 = bound ] && echo ip=\$ip >leased\n" >lease
	chmod +x lease; ip link set eth0 up
	udhcpc -i eth0 -n -q -t 20 -T 1 -s ./lease >/dev/null 2>&1; cat leased'
point $? "and gives the guest an address: $(cat heard)"
dev del g net0
no_passt() { ! pidof passt passt.avx2 >/dev/null; }
soon no_passt
point $? "without it passt ends"

# What another program serves comes in the same way.
qemu-storage-daemon --blockdev driver=file,filename=four,node-name=file \
	--blockdev driver=qcow2,file=file,node-name=disk \
	--export type=vhost-user-blk,id=x,node-name=disk,addr.type=unix,addr.path=disk.sock,writable=on \
	>storage.log 2>&1 &
back=$!
soon test -S disk.sock
dev add g disk vhost-user=disk.sock,id=remote && soon says vdb 'ls /sys/block' &&
	says "$want" 'dd if=/dev/vda of=/dev/vdb bs=64k oflag=direct 2>/dev/null
	dd if=/dev/vdb bs=64k count=128 iflag=direct 2>/dev/null | md5sum'
point $? "a disk of another program's comes, is written and read"
dev del g remote && says gone '[ -e /sys/block/vdb ] || echo gone'
point $? "and goes"
kill $back

# A shared folder.
mkdir shared
cp one shared/file
folder
dev add g fs tag=stuff,socket=folder.sock
soon says mounted 'mkdir -p /mnt && mount -t virtiofs stuff /mnt && echo mounted'
says "$want" 'cp /mnt/file /mnt/copy && md5sum </mnt/copy' && cmp -s one shared/copy
point $? "a shared folder comes, is read and written: $(cat out)"
says gone 'umount /mnt && echo gone' && dev del g "$(cat out)"
point $? "and goes"
kill $back

# Again and again, the guest's kernel assigning what it needs each time. The first rounds
# find out what the process keeps for the next ones.
n=0
while [ $n -lt "$rounds" ] && dev add g disk three && soon says vdb 'ls /sys/block' &&
	dev del g disk1; do
	n=$((n + 1))
	[ $n != 10 ] || { files=$(files) && memory=$(heap); }
done
[ $n = "$rounds" ] && says gone '[ -e /sys/block/vdb ] || echo gone'
point $? "a disk comes and goes $n times"
soon has_files "$files"
point $? "with no descriptor left: $files, $(files)"
[ $(($(heap) - memory)) -lt 200 ]
point $? "nor memory: $memory KiB, $(heap) KiB"
guest 'dmesg | grep -iE "acpi.*(error|warn)|BUG:|WARNING:|can.t assign|no space"; echo end'
[ "$(cat heard)" = end ]
point $? "the guest's kernel finds nothing wrong: $(head -n 3 heard)"
says "$want" 'md5sum </dev/vda'
point $? "its first disk is as it was"

# One that has no operating system to ask.
timeout $((60 * patience)) lodge run --node "$node" --kernel /work/tiny --append l --name deaf \
	--memory 16M --disk two >deaf.console 2>&1 </dev/null &
soon dev list deaf
! lodge device del --timeout 2 deaf disk0 2>said && grep -q "did not let go of disk0 in 2 seconds" said
point $? "a guest that doesn't hear keeps its disk: $(cat said)"
dev list deaf && grep -q '^disk0 .*there' out
point $? "as it was"
lodge stop --force deaf
lodge stop --force g
wait
[ -z "$(pidof lodge)" ] && no_passt && [ -z "$(ls machines)" ]
point $? "nothing is left"
finish
