# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: an installed Debian, with systemd, through a machine's whole life. Prints
# TAP. In /work: lodge, lodgectl, bios-microvm.bin, passt, virtiofsd, gdb, e2fsck, debugfs.
# /dev/vda: the disk that selftests/hosts/debian-disk has made.

# shellcheck source=selftests/launcher/common.sh
. /work/common.sh
moved "$@"
export PATH=/bin:/sbin:/work LODGE_RUNTIME_DIR=/tmp/machines
tries=1500	# emulated twice, systemd takes minutes
pause=0.2
began=$(date +%s)
note() { echo "# $(($(date +%s) - began)) s: $*"; }

# The guest's shell has a line without echo and prompt, so that what comes after an order
# is its answer.
orders=0
send() { # send COMMAND
	orders=$((orders + 1))
	printf '%s\n' "{ $1; } 2>&1; s=\$?; echo; echo did $orders \$s" >&5
}
has_answered() {
	# To the line's end, so that it isn't one that is cut.
	grep -q "^did $orders [0-9]*$(printf '\r')" g.console
}
answered() { # the last order
	soon has_answered || return 1
	tr -d '\r' <g.console |
		sed "1,/^did $((orders - 1)) /d; /^did $orders /,\$d" >heard
	grep -q "^did $orders 0" g.console
}
guest() { # guest COMMAND: in it; it ends well, and what it says is in the file heard
	send "$1"
	answered
}
ctl() { # ctl WORD...: of the launcher's, which works and says nothing on standard error
	timeout $((300 * patience)) lodge "$@" >out 2>said && [ ! -s said ]
}
needs() { # needs STATUS: without it there is nothing to go on with
	[ "$1" = 0 ] || finish
}

way_out
mkdir -p shared www
head -c 1000000 /dev/urandom >shared/file
head -c 1000000 /dev/urandom >www/file
truncate -s 32M second
httpd -p 8080 -h www
folder
mkfifo keys

lodge run --node "$node" --name g --firmware /work/bios-microvm.bin --disk /dev/vda \
	--memory 512M --balloon 512M --net user --fs tag=shared,socket=/tmp/folder.sock \
	<keys >g.console 2>&1 &
g=$!
exec 5>keys
soon grep -q 'GRUB boots Debian' g.console
point $? "GRUB boots it from a virtio disk"
soon grep -q 'root@debian:' g.console
status=$?
point $status "its console has a login"
needs $status
note "login"
echo "exec env PS1= PS2= TERM=dumb sh -c 'stty -echo; dmesg -n 1; echo; echo did 0 \$?; exec sh'" >&5
soon grep -q '^did 0 0' g.console
says running 'systemctl is-system-running --wait; systemctl --failed --no-legend;
	systemctl is-active multi-user.target'
status=$?
point $status "systemd comes to multi-user, and no unit failed: $(tr '\n' ' ' <heard)"
needs $status
note "running"

# networkd waits for 25 s for an answer of the kernel's, and then for none ever again: that
# is the emulator's time, and is told.
says ADDRESS=10.1.0.254 'for i in $(seq 300); do
	ip -4 addr show scope global | grep 10.1.0.254/24 && break
	[ $i != 60 ] || for link in $(networkctl --no-legend list | awk "\$5 == \"failed\" { print \$2 }"); do
		echo "networkd failed: $(journalctl -b -u systemd-networkd | grep -m1 "timed out")"
		networkctl reconfigure $link
	done
	sleep 1; done &&
	grep -h ^ADDRESS /run/systemd/netif/leases/*'
status=$?
point $status "it gets its address by DHCP: $(tr -s ' \n' ' ' <heard)"
if [ $status != 0 ]; then
	guest 'networkctl --no-pager list; cat /run/systemd/netif/links/*; ls /sys/class/net
		journalctl --no-pager -b -u systemd-networkd -u systemd-udevd | tail -n 30
		journalctl --no-pager -b -p warning | tail -n 30
		dev=$(ls /sys/class/net | grep -v lo)
		for i in 1 2; do grep virtio /proc/interrupts; ip -s link; sleep 10; done
		ip addr add 10.1.0.254/24 dev $dev; ip link set $dev up; ping -c 3 10.1.0.253
		for i in 1 2; do grep virtio /proc/interrupts; ip -s link; sleep 10; done'
	sed 's/^/# /' heard
	tail -n 5 g.console | tr -d '\r' | sed 's/^/# /'
	ps | grep '[p]asst' | sed 's/^/# /'
fi
says "$(md5sum <www/file | cut -d ' ' -f 1)" "bash -c 'exec 3<>/dev/tcp/10.1.0.253/8080
	printf \"GET /file HTTP/1.0\r\n\r\n\" >&3; sed \"1,/^\r\$/d\" <&3' | md5sum"
point $? "and a file from the host, through its gateway"

says "$(md5sum <shared/file | cut -d ' ' -f 1)" 'mount -t virtiofs shared /mnt &&
	md5sum </mnt/file && cp /etc/os-release /mnt/ && umount /mnt'
point $? "it mounts a shared folder, and reads a file of the host's"
grep -q '^ID=debian' shared/os-release
point $? "the host finds the guest's there: $(sed -n 's/PRETTY_NAME=//p' shared/os-release)"

ballooned() { # ballooned MIB: the guest has so many
	balloon=$(lodgectl balloon "pid:$g" --json)
	[ "$(echo "$balloon" | sed -n 's/.*"actual":\([0-9]*\).*/\1/p')" = $(($1 << 20)) ]
}
given() { # given MIB: it says that it has given so many
	says "^given $1$" 'set -- $(grep -E "^balloon_(in|de)flate" /proc/vmstat)
	echo given $((($2 - $4) / 256))'
}
if [ "$node" = /dev/lodge ]; then
	soon ballooned 512 && echo "$balloon" | grep -q '"available":[1-9]'
	point $? "its balloon is reported: $balloon"
	lodgectl balloon "pid:$g" 384M && soon ballooned 384 && given 128
	point $? "it is filled"
	lodgectl balloon "pid:$g" 512M && soon ballooned 512 && given 0
	point $? "and emptied"
fi
note "balloon"

begins=$(date +%s)
guest true
trip=$(($(date +%s) - begins))
ctl pause g && ctl ps && grep -q '^g .* paused' out
point $? "it is paused"
send 'echo awake'
sleep $((5 + 5 * trip))	# several times of what it takes
! grep -q "^did $orders " g.console && ctl resume g && answered && grep -q awake heard
point $? "and does nothing until it is resumed"

# Instructions in the guest's shell, which have to follow each other.
guest '(while :; do :; done) & echo $! >/run/busy'
set --
for i in 1 2 3 4 5 6 7 8 9 10; do
	set -- "$@" -ex 'x/2i $pc' -ex stepi -ex 'printf "at %#lx\n", $pc'
done
timeout $((300 * patience)) gdb -nx -batch -ex 'set confirm off' \
	-ex 'set architecture i386:x86-64' -ex 'target remote | lodge debug g' "$@" \
	>gdb.out 2>&1
steps=$(awk '
	behind { next_one = $1; sub(/:$/, "", next_one) }
	{ behind = $1 == "=>" }
	behind {
		here = $2
		sub(/:$/, "", here)
		jumps = /[ \t](j[a-z]+|l?call|l?ret|loop[a-z]*|sys[a-z]+|int[0-9]*|iret[a-z]*)($|[^a-z])/
		repeats = /[ \t]rep[a-z]* /
	}
	$1 == "at" && ($2 == next_one || jumps && $2 != here || repeats && $2 == here) { steps++ }
	END { print steps + 0 }' gdb.out)
[ "$steps" = $i ] && guest 'kill $(cat /run/busy)'
point $? "gdb takes $steps steps in it, and lets it go"
note "gdb"

ctl device add g disk second,id=second
point $? "it is given a second disk: $(cat out)"
says written 'd=/dev/disk/by-id/virtio-second; for i in $(seq 100); do
	[ -b $d ] && break; sleep 0.2; done
	mkfs.ext4 -q $d && mount $d /mnt && md5sum /bin/bash >/mnt/sum && cp /bin/bash /mnt/ &&
	sync && readlink $d && echo written'
point $? "and has a file system on it: $(tr '\n' ' ' <heard)"
guest 'cat /mnt/sum'
note "second disk"

ctl stop --timeout $((200 * patience)) g
point $? "the power button shuts it down"
wait $g
status=$?
[ $status = 0 ] && grep -q 'reboot: Power down' g.console
point $? "it has powered off by itself, with $status"
note "off"
for disk in /dev/vda1 second; do
	e2fsck -fn $disk >said 2>&1 && ! grep -q recovery said &&
		debugfs -R stats $disk 2>/dev/null | grep -q '^Filesystem state: *clean'
	point $? "$disk is clean"
done
sum=$(debugfs -R 'cat /bash' second 2>/dev/null | md5sum | cut -d ' ' -f 1)
grep -q "^$sum " heard
point $? "with what was written"
exec 5>&-
nothing_left() {
	[ -z "$(pidof lodge passt passt.avx2)" ] && [ -z "$(ls machines)" ]
}
soon nothing_left
point $? "nothing is left"
kill $back 2>/dev/null
finish
