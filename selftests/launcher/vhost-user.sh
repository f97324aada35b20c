# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: devices that other programs serve, and an optical image. Prints TAP. In
# /work: lodge, qemu-storage-daemon, qemu-img, virtiofsd, vmlinuz, initrd, tiny, optical.iso,
# optical.md5.

# shellcheck source=selftests/launcher/common.sh
. /work/common.sh
export PATH=/bin:/sbin:/work LODGE_RUNTIME_DIR=/tmp/machines

refused() { # refused TEXT WORDS OPTION...
	text=$1
	words=$2
	shift 2
	timeout $((30 * patience)) lodge run --node "$node" --kernel /work/tiny --append x \
		--exit-port 0xf4 --memory 16M "$@" >said 2>&1 </dev/null
	[ $? = 125 ] && grep -q "$words" said
	point $? "$text"
}

# boot NAME WORD [OPTION...]: a Linux guest in the background that does WORD.
boot() {
	name=$1
	word=$2
	shift 2
	timeout $((300 * patience)) lodge run --node "$node" --kernel /work/vmlinuz \
		--initrd /work/initrd --memory 256M --name "$name" --output "$name.out" --status \
		--append "console=ttyS0 panic=-1 quiet do=$word" "$@" \
		>"$name.console" 2>&1 </dev/null &
	eval "$name=$!"
}

ended() { # ended NAME: with 0
	eval "wait \$$1"
}

has() { # has NAME WORDS
	grep -sq "$2" "$1.out"
}

sum() { # sum NAME WORD: what the guest said behind WORD
	awk -v word="$2" '$1 == word { print $2 }' "$1.out"
}

storage() { # storage BLOCKDEV...: the disk's back end, for that which is named "disk"
	words=
	for each; do
		words="$words --blockdev $each"
	done
	# shellcheck disable=SC2086
	qemu-storage-daemon $words \
		--export "type=vhost-user-blk,id=x,node-name=disk,addr.type=unix,addr.path=disk.sock,writable=on,writethrough=on" \
		>>storage.log 2>&1 &
	back=$!
	soon test -S disk.sock
}

image() { # image FORMAT: the disk's back end
	storage "driver=file,filename=disk.$1,node-name=file" "driver=$1,file=file,node-name=disk"
}

killed() { # killed: the back end, at once and for all
	kill -9 $back
	wait $back 2>/dev/null
	rm -f disk.sock
}

refused "a back end that isn't there" "has to be started first" --disk vhost-user=/tmp/none
refused "a folder's" "has to be started first" --fs tag=a,socket=/tmp/none
refused "a folder without a socket" "tag=NAME,socket=SOCKET is wanted" --fs tag=a
mkdir shared
head -c 2000000 /dev/urandom >shared/file

for format in qcow2 raw; do
	qemu-img create -q -f $format disk.$format 64M
	image $format
	backing=lodge
	[ $format = raw ] && [ "$node" = /dev/lodge ] || backing=
	boot $format disk --disk vhost-user=/tmp/disk.sock ${backing:+--memory-backing anonymous}
	soon has $format ready
	has $format 'ready 131072'
	point $? "$format: the disk is as its back end says"
	restarts=0
	while ! has $format fio && [ $restarts -lt 5 ]; do
		sleep 1
		killed
		sleep 0.5
		image $format
		restarts=$((restarts + 1))
	done
	ended $format
	point $? "$format: the guest ends well"
	[ "$(sum $format fio)" = 0 ] && [ $restarts -ge 3 ]
	point $? "$format: every block is right, its back end killed $restarts times"
	grep -q "there is a back end again" $format.console
	point $? "$format: and it was said"
	killed
	qemu-img check -q disk.$format >said 2>&1 || [ $? = 3 ] || [ $format = raw ]
	point $? "$format: the image is consistent"
done
[ "$(du -k disk.qcow2 | cut -f 1)" -gt 6000 ]
point $? "what was written is in the image: $(du -k disk.qcow2 | cut -f 1) KiB"

# A disk that yet another program has, elsewhere.
head -c $((64 * 65536)) /dev/urandom >far.raw
truncate -s 64M far.raw
want=$(head -c $((64 * 65536)) far.raw | md5sum | cut -d ' ' -f 1)
ip link set lo up
qemu-storage-daemon --blockdev driver=file,filename=far.raw,node-name=file \
	--blockdev driver=raw,file=file,node-name=far \
	--nbd-server addr.type=inet,addr.host=127.0.0.1,addr.port=10809 \
	--export type=nbd,id=n,node-name=far,name=far,writable=on >>storage.log 2>&1 &
far=$!
listens() { netstat -ltn | grep -q ':10809 '; }
soon listens
storage "driver=nbd,server.type=inet,server.host=127.0.0.1,server.port=10809,export=far,node-name=disk"
boot nbd far --disk vhost-user=/tmp/disk.sock
ended nbd
point $? "NBD: the guest ends well"
has nbd 'size 131072' && [ "$(sum nbd got)" = "$want" ]
point $? "NBD: it reads what is there"
killed
kill $far
wait $far
[ -n "$(sum nbd sent)" ] && [ "$(sum nbd sent)" = \
	"$(dd if=far.raw bs=64k skip=100 count=48 2>/dev/null | md5sum | cut -d ' ' -f 1)" ]
point $? "NBD: and its own is written there"
[ "$(head -c $((64 * 65536)) far.raw | md5sum | cut -d ' ' -f 1)" = "$want" ]
point $? "NBD: and nowhere else"

before=$(md5sum </work/optical.iso)
boot optical optical --disk /work/optical.iso,ro
ended optical
point $? "optical: the guest mounts an image and ends well"
[ "$(sum optical got)" = "$(cut -d ' ' -f 1 /work/optical.md5)" ]
point $? "optical: a file there is read"
has optical 'ro 1' && has optical 'no file' && has optical 'no sector' &&
	[ "$(md5sum </work/optical.iso)" = "$before" ]
point $? "optical: nothing is written"

folder
boot stuff folder --fs tag=stuff,socket=/tmp/folder.sock
soon has stuff ready
[ "$(sum stuff got)" = "$(md5sum <shared/file | cut -d ' ' -f 1)" ]
point $? "a file of the host's is read in a shared folder"
[ -n "$(sum stuff sent)" ] && [ "$(sum stuff sent)" = "$(md5sum <shared/dir/yours | cut -d ' ' -f 1)" ]
point $? "and the guest's is written there, and moved"
killed
soon has stuff gone
point $? "without its back end the folder fails"
folder
ended stuff
point $? "the guest ends well"
[ "$(sum stuff again)" = "$(md5sum <shared/file | cut -d ' ' -f 1)" ]
point $? "and has read it once more, mounted again from another back end"
kill $back 2>/dev/null
wait
[ -z "$(pidof lodge)" ]
point $? "nothing is left"
finish
