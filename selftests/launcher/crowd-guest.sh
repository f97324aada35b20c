#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The init of a guest of the crowd suite: it counts on its second serial line, and does on
# its console what it is told.

/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t devtmpfs none /dev
stty -F /dev/ttyS0 -echo
stty -F /dev/ttyS1 raw -echo
crowd work >/dev/ttyS1 &
exec </dev/ttyS0 >/dev/ttyS0 2>&1
while read -r word what; do
	case $word in
	ask)	echo "answer $what" ;;
	storm)
		for kind in fork hog irqs exits; do
			crowd $kind &
		done ;;
	esac
done
