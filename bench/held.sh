# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: four guests boot and idle; how much memory the host lacks for it,
# each second, as "held SECONDS KIB", from when the last one has booted. $1:
# seconds, the rest: options of the launcher. In /work: lodge, vmlinuz, initrd,
# distinct. On KVM the host's ksmd merges, ten times as fast as it does by default.

seconds=$1
shift
guests=4

free() {
	cat /proc/sys/vm/stat_refresh
	sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo
}

booted() {
	cat console.* 2>/dev/null | grep -c booted
}

cd /tmp || exit 1
# What CPUs keep in lists of their own is not free by the count: let that be little.
echo 1000000 >/proc/sys/vm/percpu_pagelist_high_fraction
if [ "$LODGE_NODE" = /dev/kvm ]; then
	echo 1000 >/sys/kernel/mm/ksm/pages_to_scan
	echo 1 >/sys/kernel/mm/ksm/run
fi
sleep 1
before=$(free)
pids=
for i in $(seq $guests); do
	/work/lodge run --node "$LODGE_NODE" --kernel /work/vmlinuz --initrd /work/initrd \
		--memory 256M --append "console=ttyS0 quiet" "$@" \
		</dev/null >"console.$i" 2>&1 &
	pids="$pids $!"
done
wait=0
until [ "$(booted)" = $guests ]; do
	sleep 1
	wait=$((wait + 1))
	[ $wait -lt 200 ] || exit 1
done
for i in $(seq 0 "$seconds"); do
	echo "held $i $((before - $(free)))"
	sleep 1
done
files=
for pid in $pids; do
	for fd in "/proc/$pid/fd"/*; do
		case $(readlink "$fd") in
		*lodge-memory*) files="$files $fd" ;;
		esac
	done
done
# shellcheck disable=SC2086
[ -z "$files" ] || echo "distinct $(/work/distinct $files)"
for pid in $pids; do
	sed -n 's/^RssAnon:[^0-9]*\([0-9]*\) kB/launcher \1/p' "/proc/$pid/status"
done
# shellcheck disable=SC2086
kill -KILL $pids
exit 0
