#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The init of a guest of the crowd suite: it says on its second serial line what was done
# so far, and does on its console what it is told.

/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t devtmpfs none /dev
stty -F /dev/ttyS0 -echo
stty -F /dev/ttyS1 raw -echo
crowd work &
crowd tell >/dev/ttyS1 &
exec </dev/ttyS0 >/dev/ttyS0 2>&1
storm=
while read -r word what; do
	case $word in
	ask)	echo "answer $what" ;;
	storm)	# of this kind, and of none before it
		if [ "$storm" ]; then
			kill "$storm"
			wait "$storm"
		fi
		storm=
		if [ "$what" != none ]; then
			crowd "$what" &
			storm=$!
		fi
		echo "storming $what" ;;
	esac
done
