# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the scripts of this directory begin with, in the host (busybox): the node, how
# patient to be, test points that tell why they failed. In /work: tap.sh.

# shellcheck source=selftests/hosts/tap.sh
. /work/tap.sh

# shellcheck disable=SC2034
node=${LODGE_NODE:-/dev/lodge}
patience=${LODGE_PATIENCE:-1}	# times the usual, on a slow host
tries=600	# of soon
pause=0.1	# seconds between them
logs='said ./*.console ./*.out ./*.log'	# what tells why
cd /tmp || exit 1

tell_why() { # the ends of the logs that there are
	local log
	for log in $logs; do
		[ ! -s "$log" ] || tail -n 20 "$log" | tr -d '\r' | sed "s|^|# ${log#./}: |"
	done
}

point() { # point STATUS TEXT
	if [ "$1" = 0 ]; then
		ok "$2"
	else
		not_ok "$2"
		tell_why
	fi
}

soon() { # soon COMMAND...: within a minute, or $tries with a $pause between them
	local tried=0
	until "$@"; do
		tried=$((tried + 1))
		[ $tried -lt $((tries * patience)) ] || return 1
		sleep "$pause"
	done
}

# A way out, which is what passt gives a guest: with an address of its own and a gateway.
way_out() {
	ip link set lo up
	ip link add br0 type bridge
	ip addr add 10.1.0.254/24 dev br0
	ip link set br0 up
	ip route add default via 10.1.0.253
}

# virtiofsd, as $back, serves /tmp/shared at /tmp/folder.sock.
folder() {
	# shellcheck disable=SC3045
	ulimit -n 65536	# it wants that
	rm -f folder.sock
	virtiofsd --socket-path=/tmp/folder.sock -o source=/tmp/shared,sandbox=chroot \
		>>folder.log 2>&1 &
	# shellcheck disable=SC2034
	back=$!
	soon test -S folder.sock
}

# guest COMMAND: in a guest with --vsock 5 that boots with do=shell; what it says is in the
# file heard. says WORDS COMMAND: among it are these.
guest() {
	echo "$1" | timeout $((${answers:-240} * patience)) vsock send 5 1234 \
		>heard 2>/dev/null
}
says() {
	guest "$2" && grep -q "$1" heard
}

# moved "$@": passt makes a root directory of its own, which the kernel's first one is not
# to be left for: so there is another, in which the script begins again.
moved() {
	[ "${1-}" != moved ] || return 0
	mkdir /root-of-all
	mount --rbind / /root-of-all
	cd /root-of-all && mount --move . / && exec chroot . sh /script moved
	exit 1
}
