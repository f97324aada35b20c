# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the guest does in the vhost-user suite: the kernel's command line has do=WORD.
# Standard output is the launcher's --output.

word=$(sed -n 's/.*do=\([a-z-]*\).*/\1/p' /proc/cmdline)
waits() { # waits COMMAND...: within two minutes
	i=0
	until "$@" 2>/dev/null; do
		i=$((i + 1))
		[ $i -lt 1200 ] || exit 3
		sleep 0.1
	done
}

# A folder that is mounted when nobody is there stays dead.
mounted_anew() {
	umount there
	mount -t virtiofs stuff there && [ -e there/file ]
}

cd /tmp || exit 1
case $word in
disk)
	echo "ready $(cat /sys/block/vda/size)"
	# Each block says which one it is and has a checksum; all are read at the end. It
	# thinks for 15 seconds in all, which waiting for a back end doesn't shorten: so the
	# host finds the time to kill one often enough, however fast it is.
	fio --name=blocks --filename=/dev/vda --direct=1 --ioengine=libaio --iodepth=16 \
		--rw=randwrite --bs=4k --size=6M --verify=crc32c \
		--thinktime=150000 --thinktime_blocks=16 \
		--verify_fatal=1 --do_verify=1 --randseed=7 --eta=never --output=said 2>/dev/null
	status=$?
	[ $status = 0 ] || tail -n 20 said
	echo "fio $status" ;;
far)
	# Past the cache, both ways.
	echo "size $(cat /sys/block/vda/size)"
	echo "got $(dd if=/dev/vda bs=64k count=64 iflag=direct 2>/dev/null | md5sum)"
	head -c $((48 * 65536)) /dev/urandom >mine
	dd if=mine of=/dev/vda bs=64k seek=100 oflag=direct 2>/dev/null || exit 4
	echo "sent $(md5sum <mine)" ;;
optical)
	mkdir there
	echo "ro $(cat /sys/block/vda/ro)"
	mount -t iso9660 -o ro /dev/vda there || exit 4
	echo "got $(md5sum <'there/a folder/a file of ours')"
	touch there/mine 2>/dev/null || echo "no file"
	umount there
	dd if=/dev/zero of=/dev/vda bs=2k count=1 oflag=direct 2>/dev/null || echo "no sector" ;;
folder)
	mkdir there
	mount -t virtiofs stuff there || exit 4
	echo "got $(md5sum <there/file)"
	head -c 3000000 /dev/urandom >mine
	cp mine there/mine && sync
	echo "sent $(md5sum <mine)"
	mkdir there/dir && mv there/mine there/dir/yours
	echo "ready"
	# Until the host has ended the back end, and until there is another one.
	waits test ! -e there/file
	echo "gone"
	waits mounted_anew
	echo "again $(md5sum <there/file)" ;;
*)
	echo "no such word: $word"; exit 99 ;;
esac
