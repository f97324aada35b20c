# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: guests on networks. Prints TAP. In /work: lodge, passt, vmlinuz,
# initrd, tiny, vsock, setpriv, ip,
# net_test.

# shellcheck source=selftests/launcher/common.sh
. /work/common.sh
moved "$@"
nobody='/work/setpriv --reuid 65534 --regid 65534 --clear-groups'
export PATH=/bin:/sbin:/work LODGE_RUNTIME_DIR=/tmp/machines

tiny() { # tiny OPTION...: a machine that ends at once; its status in $status
	timeout $((20 * patience)) ${AS-} lodge run --node "$node" --kernel /work/tiny --append x \
		--exit-port 0xf4 --memory 16M "$@" >said 2>&1 </dev/null
	status=$?
}

refused() { # refused TEXT WORDS OPTION...
	text=$1
	words=$2
	shift 2
	tiny "$@"
	[ "$status" = 125 ] && grep -q "$words" said
	point $? "$text"
}

# boot NAME WORD [OPTION...]: a Linux guest in the background that does WORD.
boot() {
	name=$1
	word=$2
	shift 2
	timeout $((480 * patience)) ${AS-} lodge run --node "$node" --kernel /work/vmlinuz \
		--initrd /work/initrd --memory 256M --name "$name" --output "$name.out" --status \
		--append "console=ttyS0 panic=-1 quiet do=$word ${MORE-}" "$@" \
		>"$name.console" 2>&1 </dev/null &
	eval "$name=$!"
}

ended() { # ended NAME: with 0
	eval "wait \$$1"
}

sum() { # sum NAME WORD: the sum that the guest said behind WORD
	awk -v word="$2" '$1 == word { print $2 }' "$1.out"
}

has() { # has NAME WORDS
	grep -sq "$2" "$1.out"
}

running() { # running NAME: programs of that name, and its faster build
	pidof "$1" "$1.avx2"
}

interfaces() {
	(cd /sys/class/net && echo *)
}

# Where vhost-net is not there, nor a tap to be had.
refused "a tap without vhost-net is refused, in words" "modprobe vhost_net" --net tap=t0
for module in vhost_iotlb vhost tap vhost_net vsock vmw_vsock_virtio_transport_common vhost_vsock; do
	[ ! -e /modules/$module.ko ] || insmod /modules/$module.ko
done 2>/dev/null
chmod 666 "$node" /dev/net/tun /dev/vhost-net /dev/vhost-vsock
ip link set lo up
ip link add br0 type bridge
ip addr add 10.1.0.254/24 dev br0
ip link set br0 up
/work/ip tuntap add tb mode tap user 65534
ip link set tb master br0
ip link set tb up
before=$(interfaces)

refused "an interface that is no tap" "is no tap" --net tap=br0
refused "a tap for one queue, used with two" "multi_queue" --net tap=tb,queues=2
tiny --net tap=tnew --net tap=tnew2,queues=8
[ "$status" = 42 ] && [ "$(interfaces)" = "$before" ]
point $? "taps are made, and gone with the machine"
AS=$nobody refused "by who may" "not yours" --net tap=tnew
refused "a vsock address that the kernel keeps" "a number from 3" --vsock 2

{ net_test && vsock_test; } >said 2>/dev/null && ! grep -q SKIP said
point $? "drivers that break the rules, with vhost-net at the rings: $(grep -c ^ok said)"
grep '^not ok' said | sed 's/^/# /'

# Two on a bridge: one with two queues on a tap of its own, on memory of the
# process's; the other a user's, with lodge memory and without MSI-X.
boot a server --cpus 2 --memory-backing anonymous --net tap=ta,queues=2,mac=02:00:00:00:00:0a
soon test -e /sys/class/net/ta
ip link set ta master br0
MORE=pci=nomsi AS=$nobody boot b client --net tap=tb
soon grep -q 1 /sys/class/net/tb/carrier
refused "a tap that is in use" "in use" --net tap=tb
ended b
point $? "a guest on a user's tap ends well"
ended a
point $? "a guest on a tap with two queues ends well"
has b pinged
point $? "they hear each other's pings"
[ -n "$(sum b sent)" ] && [ "$(sum b sent)" = "$(sum a got)" ]
point $? "a file goes from one to the other"
has b unbound && [ -n "$(sum a sent)" ] && [ "$(sum a sent)" = "$(sum b got)" ]
point $? "and one comes back, after a reset of the device"
has a 'mac 02:00:00:00:00:0a mtu 1500' && ! has a lacks
point $? "the MAC address and all offloads are the guest's"
has a 'queues rx-0 rx-1 tx-0 tx-1' && ! has a 'irqs 0 0'
point $? "so are two pairs of queues"
[ "$(interfaces)" = "$before" ]
point $? "its own tap is gone, the user's is there: $(interfaces)"

# passt is the network of one that has no privileges.
ip route add default via 10.1.0.253
mkdir -p www
head -c 3000000 /dev/urandom >www/file
want=$(md5sum <www/file | cut -d ' ' -f 1)
httpd -p 8080 -h www
boot c user --net user,tcp=2222:22,udp=0.0.0.0/5300-5301 --vsock 7
soon has c ready
has c 'leased 10.1.0'
point $? "a guest gets its address by DHCP, from passt"
[ "$(sum c got)" = "$want" ] && [ "$(sum c again)" = "$want" ]
point $? "and fetches a file from the host"
listening() { # listening ADDRESS...: that is where there are these ports
	[ "$(netstat -ltun | awk '/:(2222|530[01]) / { print $4 }' | sort)" = \
		"$(printf '%s\n' "$@" | sort)" ]
}
listening 127.0.0.1:2222 0.0.0.0:5300 0.0.0.0:5301
point $? "ports of the host's are the guest's: on the loopback, or where it was said"
lodge device list c | grep -q 'user,mac=.*,tcp=2222:22,udp=0.0.0.0/5300-5301$'
point $? "which lodge device list shows"
refused "a port that is taken" "cannot listen at 127.0.0.1, port 2222: Address already in use" \
	--net user,tcp=2222
refused "one of a range" "port 2222: Address" --net user,tcp=2220-2225:20-25 --daemon
lodge device add c net user,tcp=2222 >said 2>&1
[ $? = 125 ] && grep -q "port 2222: Address already in use" said && [ "$(running passt | wc -w)" = 1 ]
point $? "nor can a device be added that has it"
# There is no way out by IPv6, which passt complains of.
refused "passt's end at once is the machine's, with its words" "passt has ended at once: Failed to bind any port" \
	--net user,tcp=::1/2300 --daemon
lodge device add c net user,tcp=::1/2300 >said 2>&1
[ $? = 125 ] && grep -q "passt has ended at once: Failed" said
point $? "and no device is added"
head -c 100000 www/file >part
# The client speaks first: this passt answers the guest's SYN with the first byte.
mkfifo words
exec 7<>words
forwarded() {
	echo word >&7
	timeout $((20 * patience)) nc 127.0.0.1 2222 <&7 >back 2>&1
	cmp -s part back
}
soon forwarded
point $? "and who connects to one of them talks to the guest"
echoed() {
	vsock send 7 1234 <part >back 2>said && cmp -s part back
}
soon echoed
point $? "a guest gives a program of the host its bytes back, by vsock"
refused "an address for vsock that another machine has" "another machine" --vsock 7
kill "$(running passt | cut -d ' ' -f 1)"
soon has c unplugged
ended c && grep -q "passt has ended" c.console
point $? "without passt the guest's cable is unplugged, and it is said"
began=$(date +%s)
timeout $((20 * patience)) lodge run --node "$node" --kernel /work/tiny --append l \
	--memory 16M --net user --daemon 2>&1 | cat >said
running passt >/dev/null
point $? "a daemon and its passt keep no pipe open: $(($(date +%s) - began)) s"
kill -9 "$(pidof lodge)"
gone() { ! running passt >/dev/null; }
soon gone
point $? "passt ends with a machine that is killed"
mv /bin/passt /bin/passt.avx2 /tmp 2>/dev/null
refused "a port for what has no passt" "are for user" --net tap=tz,tcp=22
refused "a machine without passt says so" "is the package passt installed" --net user
# Of one that was killed its socket is, until somebody looks.
lodge ps >/dev/null
[ "$(interfaces)" = "$before" ] && ! pidof lodge && [ -z "$(ls machines)" ]
point $? "nothing is left"
finish
