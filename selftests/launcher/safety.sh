# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: what a machine's process can't do any more, who it is, what it may have.
# Prints TAP. In /work: lodge, lodgectl, passt, vmlinuz, initrd, tiny, vsock, intrude, setpriv, ip,
# and unit tests of the launcher.

# shellcheck source=selftests/launcher/common.sh
. /work/common.sh
moved "$@"
tries=150
pause=0.2
groups=/sys/fs/cgroup
export PATH=/bin:/sbin:/work LODGE_RUNTIME_DIR=/tmp/machines
printf 'root:x:0:0::/:/bin/sh\nguest:x:1000:1001::/:/bin/sh\n' >/etc/passwd
printf 'root:x:0:\nguest:x:1001:\nothers:x:1002:guest\n' >/etc/group

# machine NAME [OPTION...]: one that is halted for ever, in the background; its process in $pid.
machine() {
	name=$1
	shift
	pid=
	timeout $((60 * patience)) ${AS-} lodge run --node "$node" --daemon --log "$name.log" \
		--name "$name" --kernel /work/tiny --append x --memory 16M "$@" >said 2>&1 || return
	pid=$(lodge ps | awk -v name="$name" '$1 == name { print $2 }')
	[ -n "$pid" ]
}

all_have() { # all_have FIELD WORDS: each thread's status says so
	for task in "/proc/$pid"/task/*; do
		# From 6.4 on vhost's workers, which are the kernel's, are among them.
		grep -q '^vhost-' "$task/comm" && continue
		[ "$(awk -v field="$1:" '$1 == field { $1 = ""; print substr($0, 2) }' \
			"$task/status")" = "$2" ] || return 1
	done
}

gone() { # the process, and who cleans up
	[ ! -e "/proc/$pid" ] && ! grep -q lodge-cleaner /proc/[0-9]*/comm 2>/dev/null
}

refused() { # refused TEXT WORDS OPTION...: one line, and the status of a failure
	text=$1
	words=$2
	shift 2
	timeout $((20 * patience)) lodge run --node "$node" --kernel /work/tiny --append x \
		--memory 16M --exit-port 0xf4 "$@" >said 2>&1 </dev/null
	[ $? = 125 ] && [ "$(wc -l <said)" = 1 ] && grep -q -e "$words" said
	point $? "$text"
}

# The filters alone, on this kernel.
for test in sandbox_test ring_test; do
	$test >said 2>&1 && ! grep -q '# SKIP' said
	point $? "$test: $(grep -c ^ok said) points"
done

none=0000000000000000
nothing_left() { # no capability, whoever it is
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		all_have $set $none || return 1
	done
}
# passt wants a way out.
ip link set lo up
/work/ip tuntap add t1 mode tap user 65534
ip addr add 10.1.0.254/24 dev t1
ip link set t1 up
ip route add default via 10.1.0.253
head -c 1048576 /dev/zero >disk
chmod 600 disk
cp disk two
machine root --cpus 2 --disk disk --balloon 16M --output fd:8 8>output 9</etc/passwd
point $? "a machine of root's"
open_files=$(for fd in "/proc/$pid"/fd/*; do readlink "$fd"; done)
echo "$open_files" | grep -q '/output$' && ! echo "$open_files" | grep -q passwd
point $? "of what was open before only what an option names is"
set -- "/proc/$pid"/task/*
[ $# = 3 ] && all_have Seccomp 2
point $? "each thread has a filter"
all_have NoNewPrivs 1 && nothing_left
point $? "no capabilities, nor a way to any"
threads=$(ls "/proc/$pid/task")

# As one who has taken over a thread, with calls that are allowed (sched_yield), and that aren't.
intruded=0
for tid in $threads; do
	intrude "$pid" "$tid" 24 && intruded=$((intruded + 1))
done
sleep 1
[ $intruded = 3 ] && lodge ps | grep -q '^root .*running'
point $? "a call that is in its filter does no harm"
dies_by() { # dies_by TID CALL
	timeout $((20 * patience)) lodge run --node "$node" --name victim --kernel /work/tiny \
		--append x --memory 16M </dev/null >victim.log 2>&1 &
	victim=$!
	victim_there() { lodge ps | grep -q '^victim '; }
	soon victim_there || return
	pid=$(lodge ps | awk '$1 == "victim" { print $2 }')
	tid=$pid
	[ "$1" = loop ] || tid=$(grep -l "$1" "/proc/$pid"/task/*/comm | cut -d / -f 5)
	intrude "$pid" "$tid" "$2" || return
	wait $victim
	status=$?
	# 128 + SIGSYS; timeout ends as what it started.
	[ $status = 159 ]
}
for call in 59:execve 2:open 56:clone 101:ptrace 425:io_uring_setup 165:mount; do
	dies_by loop ${call%:*}
	point $? "the loop's thread doing ${call#*:} is the end of the process"
	dies_by vcpu0 ${call%:*}
	point $? "as is a vCPU's"
done
pid=$(lodge ps | awk '$1 == "root" { print $2 }')
lodge device add root disk two >said 2>&1 && lodge device list root | grep -q '^disk1 '
point $? "in the sandbox a disk can be added"
n=2
while [ $n -lt 20 ] && cp disk "d$n" && lodge device add root disk "d$n" >said 2>&1; do
	n=$((n + 1))
done
[ $n = 9 ] && grep -q 'no ring is left for another disk' said
point $? "eight of them, and it says why no more: $(cat said)"
! lodge device add root fs tag=t,socket=nowhere >said 2>&1 && grep -q 'started first' said &&
	lodge ps | grep -q '^root .*running'
point $? "a back end that isn't there does no harm: $(cat said)"
lodge pause root && lodge resume root && lodge ps | grep -q '^root .*running'
point $? "it is paused, and resumed"
lodge stop --force root
soon gone && [ -z "$(ls machines)" ]
point $? "its socket goes with it"

machine bare --no-seccomp
all_have Seccomp 0 && all_have NoNewPrivs 1 && nothing_left
point $? "--no-seccomp does without filters, and has the rest"
lodge stop --force bare

# Somebody else. The disk and the socket's directory are root's alone.
for who in 1000:1001 guest guest:others 7:8; do
	case $who in
	guest)	ids='1000 1001' ;;
	guest:others) ids='1000 1002' ;;
	*)	ids="${who%:*} ${who#*:}" ;;
	esac
	set -- $ids
	machine user --user $who --cpus 2 --disk disk
	all_have Uid "$1 $1 $1 $1" && all_have Gid "$2 $2 $2 $2" && all_have Groups "" &&
		nothing_left && all_have Seccomp 2 && all_have NoNewPrivs 1
	point $? "--user $who is user and group $ids, and nothing else"
	if [ "$node" = /dev/lodge ]; then
		/work/setpriv --reuid "$1" --regid "$2" --clear-groups /work/lodgectl list >said 2>&1 &&
			grep -q user said
		point $? "the machine is that user's: $(tail -n 1 said)"
	fi
	lodge device add user disk two >said 2>&1 && lodge device list user | grep -q '^disk1 '
	point $? "root can add a disk that is root's alone"
	case $who in
	guest)	lodge stop --force user ;;
	7:8)	kill -9 "$pid" ;;
	*)	kill "$pid" ;;
	esac
	soon gone && [ -z "$(ls machines)" ]
	point $? "when it is gone nothing is left"
done
machine net --user guest --net user
for comm in /proc/[0-9]*/comm; do
	case $(cat "$comm" 2>/dev/null) in
	passt*)	awk '/^Uid:/ { print $2, $5 }' "${comm%comm}status" ;;
	esac
done >said
[ "$(cat said)" = "1000 1000" ]
point $? "passt is started as that user: $(cat said)"
lodge stop --force net
soon gone

# Where there is a user for it, a machine of root's is that user.
echo 'lodge:x:990:991::/:/bin/sh' >>/etc/passwd
machine own --disk disk --net user
all_have Uid "990 990 990 990" && all_have Gid "991 991 991 991" &&
	all_have Groups "" && nothing_left
point $? "a machine of root's is user lodge, if there is one"
lodge stop --force own
soon gone && [ -z "$(ls machines)" ]
point $? "nothing is left of it, either"
machine stays --user root
all_have Uid "0 0 0 0" && nothing_left
point $? "--user root stays root, without capabilities"
lodge stop --force stays
soon gone
AS='unshare -r'
machine contained
AS=
all_have Uid "0 0 0 0" && nothing_left && grep -q 'user lodge, and stays root' said
point $? "in a container without other users it stays root, and says so: $(cat said)"
lodge stop --force contained
soon gone
mkdir -m 700 roots
refused "a back end that only root can reach" "the machine's user has to reach it" \
	--disk vhost-user=roots/socket
sed -i s/^lodge:x:990/lodge:x:1990/ /etc/passwd
machine person
all_have Uid "0 0 0 0"
point $? "nor is it somebody who logs in, and is called so"
lodge stop --force person
soon gone
sed -i /^lodge:/d /etc/passwd
refused "a user that isn't there" "there is no user nobody-here" --user nobody-here
refused "a group that isn't there" "there is no group none" --user guest:none
refused "a number that is nobody's" "a group is wanted" --user 4242
refused "root by number" "somebody else than root" --user 0:0
refused "root's group" "somebody else than root" --user 1000:0
refused "half a user" "a name or a number is wanted" --user guest:
/work/setpriv --reuid 1000 --regid 1001 --clear-groups lodge run --node "$node" --kernel /work/tiny \
	--user 1002:1002 >said 2>&1
[ $? = 125 ] && grep -q 'only root can become' said
point $? "who isn't root can't become somebody else"

# Control groups.
refused "limits without control groups" "control groups of version 2" --cpu-weight 5
mkdir -p $groups
mount -t cgroup2 cgroup2 $groups
machine small --cpu-weight 50 --memory-max 64M
group=$groups/lodge-$pid
[ "$(cat "$group/cpu.weight")" = 50 ] && [ "$(cat "$group/memory.max")" = 67108864 ] &&
	[ "$(cat "$group/cgroup.procs")" = "$pid" ]
point $? "a machine has a control group of its own, with its limits"
[ "$(cat "$group/memory.current")" -gt 262144 ]
point $? "its memory counts there: $(cat "$group/memory.current")"
kill -9 "$pid"
soon gone && [ ! -e "$group" ]
point $? "which goes with it, even if it is killed"
machine other --memory-max 64M --user guest --net user
group=$groups/lodge-$pid
[ "$(cat "$group/memory.max")" = 67108864 ] && [ "$(wc -l <"$group/cgroup.procs")" = 2 ] &&
	all_have Uid "1000 1000 1000 1000"
point $? "as another user, and passt with it"
lodge stop --force other
soon gone && [ ! -e "$group" ] && [ -z "$(ls machines)" ]
point $? "nothing is left of it"
mkdir $groups/here
(
	echo 0 >$groups/here/cgroup.procs
	machine beside --cpu-weight 200
	echo "$pid" >beside.pid
)
pid=$(cat beside.pid)
group=$groups/lodge-$pid
[ "$(cat "$group/cpu.weight")" = 200 ]
point $? "the group is beside the one that it is started in"
lodge stop --force beside
soon gone && [ ! -e "$group" ]
point $? "and goes"
rmdir $groups/here
refused "no weight" "1 to 10000" --cpu-weight 0
refused "too much weight" "1 to 10000" --cpu-weight 10001
refused "less memory than anything needs" "16M" --memory-max 1M
/work/setpriv --reuid 1000 --regid 1001 --clear-groups env LODGE_RUNTIME_DIR=/tmp/none lodge run \
	--node "$node" --kernel /work/tiny --cpu-weight 5 >said 2>&1
[ $? = 125 ] && grep -q 'cannot make the control group /sys/fs/cgroup/lodge-' said
point $? "who may not make control groups is told: $(head -n 1 said)"
ls -d $groups/lodge-* >said 2>&1
! grep -q "^$groups" said
point $? "none are left"

# A guest that wants more than there is.
boot() { # boot NAME OPTION...: a Linux guest that is told what to do
	name=$1
	shift
	lodge run --node "$node" --kernel /work/vmlinuz --initrd /work/initrd --memory 512M \
		--vsock 5 --append "console=ttyS0 panic=-1 quiet do=shell" --name "$name" \
		--output /dev/null --status "$@" >g.console 2>&1 </dev/null &
	soon says up 'echo up'
}
boot held --memory-max 96M --merge off --user guest --disk disk --net user
point $? "a Linux guest boots, held to less than it wants, as another user"
pid=$(lodge ps | awk '$1 == "held" { print $2 }')
group=$groups/lodge-$pid
want=$(yes 0123456789 | head -c 50331648 | md5sum | cut -d ' ' -f 1)
if [ "$node" = /dev/lodge ]; then
	says "$want" 'yes 0123456789 | head -c 50331648 >/tmp/big; md5sum </tmp/big'
	point $? "it has 48 MiB in a file in memory, and finds them again"
	max=$(awk '$1 == "max" { print $2 }' "$group/memory.events")
	[ "$(cat "$group/memory.current")" -le 100663296 ] && [ "$max" -gt 0 ] &&
		grep -q '^oom_kill 0' "$group/memory.events"
	point $? "and the host has no more than 96 MiB of it: $(cat "$group/memory.current"), $max"
fi
all_have Seccomp 2
point $? "in the sandbox"
lodge stop --force held
soon gone && [ ! -e "$group" ]
point $? "its control group goes"
wait
[ -z "$(pidof lodge)" ] && [ -z "$(ls machines)" ]
point $? "nothing is left"
finish
