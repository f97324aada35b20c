# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: a guest that fills memory and frees it twice (balloon.c). What the host
# lacks for it, each second, as "held SECONDS KIB"; what the guest has said by then, as
# "said SECONDS WORD"; and the balloon's turn, which is counted. $1: the guest's MiB, $2: how
# many are filled. In /work: lodge or QEMU, vmlinuz, initrd, balloon.

memory=$1
filled=$2
append="console=ttyS0 quiet init_on_alloc=0"

free() {
	cat /proc/sys/vm/stat_refresh
	sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

cd /tmp || exit 1
# What CPUs keep in lists of their own is not free by the count: let that be little.
echo 1000000 >/proc/sys/vm/percpu_pagelist_high_fraction
sleep 1
before=$(free)
: >console
if [ "$LODGE_NODE" = /dev/kvm ]; then
	mkfifo monitor.in monitor.out
	orders=monitor.in
	order="balloon $((memory - filled))"
	/usr/bin/qemu-system-x86_64 -accel kvm -cpu host -m "$memory" -nodefaults -no-user-config \
		-display none -kernel /work/vmlinuz -initrd /work/initrd -append "$append" \
		-serial file:console -serial null -serial null -monitor pipe:monitor \
		-device virtio-balloon-pci,free-page-reporting=on </dev/null >said 2>&1 &
else
	mkfifo orders
	orders=orders
	order=$((memory - filled))M
	/work/lodge run --node "$LODGE_NODE" --kernel /work/vmlinuz --initrd /work/initrd \
		--memory "${memory}M" --balloon "${memory}M" --balloon-control orders \
		--merge off --append "$append" </dev/null >console 2>&1 &
fi
launcher=$!
second=0
words=0
ordered=
end=
while [ "$second" != "$end" ]; do
	echo "held $second $((before - $(free)))"
	for word in $(grep -o -w -E 'booted|filled|freed|again|given' console | tail -n +$((words + 1))); do
		echo "said $second $word"
		words=$((words + 1))
		[ "$word" != given ] || end=$((second + 5))
	done
	if grep -q again console && [ -z "$ordered" ]; then
		/work/balloon "$orders" "$order" || exit 1
		ordered=1
	fi
	second=$((second + 1))
	if [ $second = 150 ] || [ ! -d /proc/$launcher ]; then
		tail -n 20 console
		cat said
		exit 1
	fi
	sleep 1
done
kill -KILL $launcher
# For who asks where the cost goes.
cat /proc/kallsyms >/out/kallsyms
exit 0
