# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: two guests on every kind of network in turn, and what must not pass.
# Prints TAP. In /work: lodge, vmlinuz, initrd, vsock, ip, bridge, nft.

# shellcheck source=selftests/launcher/common.sh
. /work/common.sh
tries=60
pause=1
ip() { /work/ip "$@"; }

boot() { # boot NAME CID: a guest that is told what to do
	timeout $((800 * patience)) /work/lodge run --node "$node" --kernel /work/vmlinuz \
		--initrd /work/initrd --memory 256M --net "tap=t$2" --vsock "$2" \
		--append "console=ttyS0 panic=-1 quiet do=shell" --output "$1" --status \
		>"$1.console" 2>&1 </dev/null &
}

# in_guest CID COMMAND; lan COMMAND...: in the guest; on a machine beside the host.
in_guest() { echo "$2" | timeout $((20 * patience)) /work/vsock send "$1" 1234 2>/dev/null; }
lan() { ip netns exec lan "$@"; }

place() { # place CID ADDRESS [GATEWAY]: give a guest its address
	in_guest "$1" "ip addr flush dev eth0; ip addr add $2/24 dev eth0; ip link set eth0 up
		[ -z '${3-}' ] || ip route add default via ${3-}" >/dev/null
}

pings() { # pings WHO ADDRESS: a guest, the host, or lan; one answer is enough
	case $1 in
	host)	ping -c 1 -W 2 "$2" ;;
	lan)	lan ping -c 1 -W 2 "$2" ;;
	*)	in_guest "$1" "ping -c 1 -W 2 $2" ;;
	esac 2>/dev/null | grep -q ' 0% packet loss'
}

reach() { # reach TEXT WHO ADDRESS
	soon pings "$2" "$3"
	point $? "$1"
}

never() { # never TEXT WHO ADDRESS: twice in a row
	! pings "$2" "$3" && ! pings "$2" "$3"
	point $? "$1"
}

greets() { # greets WHO ADDRESS: who connects there hears what nc says
	case $1 in
	lan)	sleep 3 | lan nc -w 3 "$2" 7000 2>/dev/null ;;
	*)	in_guest "$1" "sleep 3 | nc -w 3 $2 7000" ;;
	esac | grep -q hello
}

fresh() { # a bridge with both taps, and nothing else
	ip link del br0 2>/dev/null
	ip link del br1 2>/dev/null
	ip link add br0 type bridge
	ip link set t5 master br0
	ip link set t6 master br0
	ip link set br0 up
}

mkdir -p /run
ip link set lo up
for cid in 5 6; do
	ip tuntap add t$cid mode tap
	ip link set t$cid up
	boot guest$cid $cid
done
# A machine of its own on a cable of its own.
ip netns add lan
ip link add cable type veth peer name eth0 netns lan
ip link set cable up
lan /work/ip link set lo up
lan /work/ip link set eth0 up
ready() { [ "$(in_guest "$1" "echo ready")" = ready ]; }
soon ready 5 && soon ready 6
point $? "two guests can be told what to do"

# Bridged: the guests are on the network that the cable leads to.
fresh
ip link set cable master br0
lan /work/ip addr add 10.1.0.3/24 dev eth0
place 5 10.1.0.1
place 6 10.1.0.2
reach "bridged: a guest reaches the network" 5 10.1.0.3
reach "bridged: the network reaches a guest" lan 10.1.0.2
reach "bridged: guests reach each other" 5 10.1.0.2
ip link add br1 type bridge
ip link set br1 up
ip link set t6 master br1
never "bridged: a guest on another bridge is not heard" 5 10.1.0.2
never "bridged: nor does the network hear it" lan 10.1.0.2
never "bridged: nor does it hear them" 6 10.1.0.3
ip link set t6 master br0
reach "bridged: until it is on that one again" lan 10.1.0.2

# Host-only: the host is there, the cable isn't.
fresh
ip link set cable nomaster
ip addr add 10.2.0.254/24 dev br0
lan /work/ip addr add 10.2.0.3/24 dev eth0
place 5 10.2.0.1 10.2.0.254
place 6 10.2.0.2 10.2.0.254
reach "host-only: a guest reaches the host" 5 10.2.0.254
reach "host-only: the host reaches a guest" host 10.2.0.2
reach "host-only: guests reach each other" 6 10.2.0.1
never "host-only: a guest does not reach the network" 5 10.2.0.3
never "host-only: nor the network a guest" lan 10.2.0.2

# Internal: not even the host, though there are routes both ways.
fresh
ip addr add 10.3.9.254/32 dev lo
ip route add 10.3.0.0/24 dev br0 src 10.3.9.254
place 5 10.3.0.1
place 6 10.3.0.2
in_guest 5 "ip route add 10.3.9.254 dev eth0"
reach "internal: that a bridge has no address is not enough" 5 10.3.9.254
ip link set br0 type bridge vlan_filtering 1
/work/bridge vlan del dev br0 vid 1 self
reach "internal: guests reach each other" 5 10.3.0.2
never "internal: a guest does not reach the host" 5 10.3.9.254
never "internal: the host does not reach a guest" host 10.3.0.1
lan /work/ip addr add 10.3.0.3/24 dev eth0
never "internal: nor does who has an address of theirs" lan 10.3.0.1
never "internal: whom they do not reach, either" 6 10.3.0.3
ip link set cable master br0
reach "internal: unless it is put among them" lan 10.3.0.1
ip link set cable nomaster
ip addr del 10.3.9.254/32 dev lo

# NAT: the network knows no way to the guests, and answers the host.
fresh
ip addr add 10.4.0.254/24 dev br0
ip addr add 10.5.0.254/24 dev cable
lan /work/ip addr add 10.5.0.3/24 dev eth0
echo 1 >/proc/sys/net/ipv4/ip_forward
/work/nft -f - <<'END'
table ip guests {
	chain out {
		type nat hook postrouting priority srcnat
		ip saddr 10.4.0.0/24 oifname "cable" masquerade
	}
	chain in {
		type filter hook forward priority filter; policy drop
		iifname "br0" accept
		ct state established,related accept
	}
}
END
place 5 10.4.0.1 10.4.0.254
place 6 10.4.0.2 10.4.0.254
reach "NAT: a guest reaches the network" 5 10.5.0.3
reach "NAT: so does the other one" 6 10.5.0.3
reach "NAT: guests reach each other" 6 10.4.0.1
lan /work/ip route add 10.4.0.0/24 via 10.5.0.254
never "NAT: the network does not reach a guest" lan 10.4.0.1
never "NAT: nor the other one" lan 10.4.0.2
in_guest 6 "nc -ll -p 7000 -e echo hello </dev/null >/dev/null 2>&1 &"
soon greets 5 10.4.0.2
point $? "NAT: a guest connects to the other one"
! greets lan 10.4.0.2 && ! greets lan 10.4.0.2
point $? "NAT: nobody does from outside"
reach "NAT: which goes on reaching the network" 6 10.5.0.3
/work/nft delete table ip guests
soon greets lan 10.4.0.2
point $? "NAT: without the filter somebody would"
echo 0 >/proc/sys/net/ipv4/ip_forward

# VLANs: two tenants on one bridge.
fresh
ip link set br0 type bridge vlan_filtering 1
/work/bridge vlan del dev t5 vid 1
/work/bridge vlan del dev t6 vid 1
/work/bridge vlan add dev t5 vid 10 pvid untagged
/work/bridge vlan add dev t6 vid 20 pvid untagged
place 5 10.6.0.1
place 6 10.6.0.2
never "VLAN: tenants do not hear each other" 5 10.6.0.2
[ -z "$(in_guest 6 "grep 10.6.0.1 /proc/net/arp")" ]
point $? "VLAN: not even who asks for an address"
never "VLAN: the other way, either" 6 10.6.0.1
/work/bridge vlan del dev t6 vid 20
/work/bridge vlan add dev t6 vid 10 pvid untagged
reach "VLAN: of the same tenant they do" 5 10.6.0.2

# VXLAN: a guest on each of two hosts, with a network between them.
ip link del br0
for n in 5 6; do
	ip netns add h$n
	ip link add wire$n type veth peer name wire netns h$n
	ip link set t$n netns h$n
	on() { ip netns exec h$n /work/ip "$@"; }
	on link add br0 type bridge
	on addr add 10.7.$n.1/24 dev wire
	on link set wire up
	on route add default via 10.7.$n.254
	on link add vx0 type vxlan id 42 remote 10.7.$((11 - n)).1 dstport 4789 dev wire
	on link set vx0 master br0
	on link set t$n master br0
	for each in vx0 t$n br0; do
		on link set $each up
	done
	ip addr add 10.7.$n.254/24 dev wire$n
	ip link set wire$n up
done
place 5 10.8.0.1
place 6 10.8.0.2
never "VXLAN: hosts that do not reach each other" 5 10.8.0.2
echo 1 >/proc/sys/net/ipv4/ip_forward
reach "VXLAN: guests of two hosts reach each other" 5 10.8.0.2
on link del vx0
on link add vx0 type vxlan id 43 remote 10.7.5.1 dstport 4789 dev wire
on link set vx0 master br0
on link set vx0 up
never "VXLAN: another number is another network" 5 10.8.0.2
never "VXLAN: the other way, too" 6 10.8.0.1
finish
