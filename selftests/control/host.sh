# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: what lodgectl and netlink tell to whom. JSON that was printed is
# left in /out. LODGE_SECONDS is how long each dump races VMs that come and go,
# LODGE_MESSAGES how many are made at random.
# shellcheck disable=SC3045

. ./tap.sh
chmod 666 /dev/lodge
chmod 755 /work
seconds=${LODGE_SECONDS:-2}
messages=${LODGE_MESSAGES:-2000}

# One user, another, one with CAP_NET_ADMIN, and root without.
alice='./control as 1000 -net_admin'
bob='./control as 1001 -net_admin'
admin='./control as 1002 +net_admin'
weak_root='./control as 0 -net_admin'

# start FILE COMMAND...: in the background, until FILE has a first line.
start() {
	local file=$1
	shift
	"$@" >"$file" 2>&1 &
	started=$!
	for _ in $(seq 1200); do
		[ ! -s "$file" ] || return 0
		usleep 50000
	done
	echo "$* does not begin"
	return 1
}

stop() {
	kill "$@" 2>/dev/null
	wait "$@" 2>/dev/null
	return 0
}

# ends TEXT PID: by itself, and well; a test point.
ends() {
	if wait "$2"; then
		ok "$1"
	else
		not_ok "$1"
	fi
}

# gives STATUS PATTERN COMMAND...: that exit status; the pattern is in what it
# prints.
gives() {
	local want=$1 pattern=$2 out status=0
	shift 2
	out=$("$@" 2>&1) || status=$?
	printf '%s\n' "$out"
	[ "$status" = "$want" ] && printf '%s\n' "$out" | grep -qE -e "$pattern"
}

# lines N COMMAND...: so many, and it succeeds.
lines() {
	local want=$1 out
	shift
	out=$("$@") || return
	printf '%s\n' "$out"
	[ "$(printf '%s' "$out" | grep -c '')" = "$want" ]
}

# They spin: everything else comes first.
start spin.out sh -c "renice -n 19 -p \$\$ >/dev/null
	exec $alice ./spin hold 2" && alices=$started
start bob.out $bob ./control hold 2 shared && bobs=$started

# --- who sees what ---
try 'alice lists her own' lines 2 $alice ./lodgectl list
try 'bob lists his own' lines 3 $bob ./lodgectl list
try 'root lists all' lines 4 ./lodgectl list
try 'so does CAP_NET_ADMIN' lines 4 $admin ./lodgectl list
try 'root without it has none' lines 1 $weak_root ./lodgectl list
id=$(./lodgectl list | awk '$2 == "spin" { print $1 }')
try 'alice is shown hers' gives 0 'process +[0-9]' $alice ./lodgectl show "$id"
for who in "$bob" "$weak_root"; do
	try "not there for ${who#./control }" gives 1 'no VM' $who ./lodgectl show "$id"
	try "nor are its counters, ${who#./control }" gives 1 'no VM' \
		$who ./lodgectl stats "$id"
done
try 'no other words for what was never there' test \
	"$($bob ./lodgectl show 12345 2>&1)" = \
	"$($bob ./lodgectl show "$id" 2>&1 | sed "s/\"$id\"/\"12345\"/")"

# --- the tool ---
try 'a VM by its name' gives 0 "^VM $id\$" ./lodgectl show spin
try 'and so marked' gives 0 "^VM $id\$" ./lodgectl show name:spin
pid=$(./lodgectl list | awk '$2 == "spin" { print $3 }')
try 'by its process' gives 0 "^VM $id\$" ./lodgectl show "pid:$pid"
try 'by its id' gives 0 "^VM $id\$" ./lodgectl show "id:$id"
try 'a name of two is refused' gives 1 '2 VMs' ./lodgectl show shared
try 'owner, memory and vCPUs' gives 0 "^ *$id +spin +$pid +1000 +2 +64K +[0-9]+K +0B +0B +up\$" \
	./lodgectl list
try 'vCPUs run in threads' gives 0 '^ +[01] +runnable +[0-9-]+ +[0-9]+ +[0-9]+$' \
	./lodgectl show "$id"
try 'counters count' gives 0 '^ +exits +[1-9]' ./lodgectl stats "$id"
try 'each vCPU has its own' gives 0 'VCPU 0' ./lodgectl stats "$id" --vcpus
try 'rates' gives 0 'PER SECOND' ./lodgectl stats "$id" --watch=0.2 --count=2
try 'an unknown command' gives 2 'no command' ./lodgectl frobnicate
try 'an option that is not for it' gives 2 'does not know' ./lodgectl list --watch
try 'no time at all' gives 2 'seconds' ./lodgectl stats --watch=0
try 'a VM too many' gives 2 'no VM' ./lodgectl list 1
try 'nowhere to write' sh -c './lodgectl list >/dev/full; [ $? = 4 ]'
try 'no escapes when it is no terminal' sh -c '
	! ./lodgectl stats --watch=0.1 --count=2 | grep -q "$(printf "\033")"'
try 'help' gives 0 '^usage' ./lodgectl --help

inner 'names' ./control names
./control hold 1 "$(printf 'a\033[2J"\\\377\303\274')" >name.out & named=$!
until [ -s name.out ]; do usleep 50000; done
try 'a name that is none for a terminal' gives 0 'a\?\[2J"\\\?' ./lodgectl list

# --- JSON, which is looked at outside ---
./lodgectl list --json >/out/list.json
./lodgectl show "$id" --json >/out/show.json
./lodgectl stats --json >/out/stats.json
./lodgectl stats --json --watch=0.1 --count=3 >/out/watch.jsonl
stop $named

# --- memory ---
# guest NAME OPTION...: a small one of alice's that loops; its process in $started.
guest() {
	local name=$1
	shift
	$alice ./lodge run --kernel tiny --append l --memory 16M --name "$name" \
		--merge web "$@" </dev/null >"$name.out" 2>&1 &
	started=$!
	renice -n 19 -p $started >/dev/null
	for _ in $(seq 400); do
		! ./lodgectl map "$name" --sample=0 2>/dev/null |
			grep -qE "private|shared" || return 0
		usleep 50000
	done
	echo "$name does not begin"
	cat "$name.out"
	return 1
}

# of COMMAND KEY: a number in its JSON.
of() {
	local key=$1
	shift
	"$@" --json | tr ',{' '\n\n' | sed -n "s/^\"$key\"://p" | head -n 1 | tr -d '}]'
}

# is WANTED KEY COMMAND...: that number is in its JSON.
is() {
	local want=$1 got
	shift
	got=$(of "$@")
	echo "$1: $got"
	[ "$got" = "$want" ]
}

guest one --balloon 16M && ones=$started
truncate -s 1M disk
chmod 666 disk
guest two --disk disk && twos=$started
try 'two guests' lines 3 sh -c './lodgectl list | grep -E "PID| (one|two) "'
web="$alice ./lodgectl ksm"
merge() {
	$web "$@" domain=web
}
params=/sys/module/lodge/parameters
try 'a domain of merging is shown' gives 0 '^1000 +web +on +2 ' $alice ./lodgectl ksm
try 'to its owner only' lines 1 $bob ./lodgectl ksm
try 'and to CAP_NET_ADMIN' gives 0 ' web ' $admin ./lodgectl ksm
try 'merging is switched off' merge off
try 'so it is' gives 0 ' web +off ' $alice ./lodgectl ksm
passes=$(of passes $web)
try 'a pass now, nevertheless' merge now
try 'was one' sh -c "[ $(of passes $web) = $((passes + 1)) ]"
try 'equal pages are shared' sh -c "[ $(of shared $web) -gt 0 ]"
try 'merging is tuned' merge set budget=3 pause=2500
try 'so it is' is 2500 pause_ms $web
try 'merging is on again' merge on
try 'so it is' is null budget $web
try 'more than all of a CPU' gives 2 'from 0 to 100' merge set budget=101
try 'nothing set' gives 2 'what' merge set
try 'no such domain' gives 1 'no domain' $alice ./lodgectl ksm off domain=db
try "somebody else's domain" gives 1 'no domain' $bob ./lodgectl ksm off user=1000
try 'by who may' $admin ./lodgectl ksm off user=1000 domain=web
try 'it is off' is 0 budget $web
try 'a word that ksm does not know' gives 2 'none of' $alice ./lodgectl ksm maybe

try 'a balloon is shown' gives 0 'by hand +16M +16M +16M' $alice ./lodgectl balloon one
try 'one is all there are' lines 2 $alice ./lodgectl balloon
try 'none for bob' lines 1 $bob ./lodgectl balloon
try 'a VM without one' gives 1 'has no balloon' $alice ./lodgectl balloon two
try 'a size' $alice ./lodgectl balloon one 12M
try 'so it is' is 12582912 target $alice ./lodgectl balloon one
try 'more than there is' gives 2 'above its memory' $alice ./lodgectl balloon one 17M
try 'no size' gives 2 'a size' $alice ./lodgectl balloon one much
try 'not by bob' gives 1 'no VM' $bob ./lodgectl balloon one 8M
try 'which pages are free' $alice ./lodgectl balloon one hint
try 'computed' $alice ./lodgectl balloon one auto
try 'so it is' is true auto $alice ./lodgectl balloon one
try 'by CAP_NET_ADMIN' $admin ./lodgectl balloon one 8M
try 'so it is' is 8388608 target ./lodgectl balloon one

try 'what holds for all' gives 0 '^tax +75%' $alice ./lodgectl policy
try 'is not for everybody to set' gives 4 'CAP_NET_ADMIN' $alice ./lodgectl policy tax=50
try 'but for some' $admin ./lodgectl policy tax=50 merge-budget=20 merge-pause=1500
try 'so it is' sh -c "cat $params/balloon_tax $params/ksm_budget $params/ksm_pass_ms |
	tr '\n' ' ' | grep -x '50 20 1500 '"
try 'a tax of all' gives 2 'from 0 to 99' $admin ./lodgectl policy tax=100
try 'a period that is none' gives 2 'can.t be' $admin ./lodgectl policy tax=1 period=1
try 'all of it or nothing' grep -qx 50 $params/balloon_tax
try 'as it was' ./lodgectl policy tax=75 merge-budget=10 merge-pause=1000
try 'what goes on without guests' $admin ./lodgectl policy patience=1000 pool=40 cold=5000
try 'so it is' sh -c "cat $params/balloon_patience_ms $params/pool_percent $params/cold_ms |
	tr '\n' ' ' | grep -x '1000 40 5000 '"
try 'a pool of more than all' gives 2 'from 0 to 100' $admin ./lodgectl policy pool=101
try 'as it was' ./lodgectl policy patience=30000 pool=25 cold=0
try 'claims' $alice ./lodgectl policy one shares=2000 reservation=9M
try 'so they are' gives 0 ' 2000 +9M +16M +by hand +9M' $alice ./lodgectl policy one
try 'below its reservation' gives 2 'below its reservation' $alice ./lodgectl balloon one 8M
try 'no share at all' gives 4 'Invalid' $alice ./lodgectl policy one shares=0
try 'a domain of balloons' $alice ./lodgectl policy one domain=both
try 'so it is' is '"both"' domain $alice ./lodgectl balloon one
try 'too long a name' gives 2 '31 bytes' $alice ./lodgectl policy one \
	domain=abcdefghijklmnopqrstuvwxyz123456
try 'an unknown rate' gives 2 'nothing that holds' $alice ./lodgectl policy taxes=1
try 'a claim that is none' gives 2 'none of' $alice ./lodgectl policy one tax=1

try 'what is swapped' gives 0 'no swap file' $admin ./lodgectl swap
try 'is not for everybody to see' gives 4 'CAP_NET_ADMIN' $alice ./lodgectl swap
try 'but of their own' gives 0 '^ +compressed +0' $alice ./lodgectl stats one
try 'what lodge memory is' gives 0 'lodge +[0-9].* private, [1-9].* shared' \
	$alice ./lodgectl show one

./lodgectl swap --json >/out/swap.json
$web --json >/out/ksm.json
$alice ./lodgectl balloon one --json >/out/balloon.json
$alice ./lodgectl policy --json >/out/policy.json
try 'a map' gives 0 '^ +0x0000200000  [sSpP]' $alice ./lodgectl map one --sample=0.2
try 'pages that are shared' gives 0 '^ +shared +s +[1-9]' $alice ./lodgectl map one
try 'pages that are used' sh -c "[ $(of hot $alice ./lodgectl map one | wc -l) = 1 ]"
try 'as a picture' $alice ./lodgectl map one --svg=/tmp/one.svg
cp /tmp/one.svg /out/map.svg
try 'another kind of one' $alice ./lodgectl map one --sample=0 --png=/tmp/one.png
cp /tmp/one.png /out/map.png
$alice ./lodgectl map one --json >/out/map.json
./lodgectl map spin --json --sample=0 >/out/map-spin.json
try 'not of a VM of others' gives 1 'no VM' $bob ./lodgectl map one
try 'nowhere to draw' gives 4 'cannot write' ./lodgectl map one --svg=/dev/full
try 'nor there' gives 4 'cannot write' ./lodgectl map one --sample=0 --png=/dev/full
try 'no escapes when it is no terminal' sh -c '
	! ./lodgectl map one --sample=0 | grep -q "$(printf "\033")"'
try 'no disk of a guest for a swap file' gives 4 'locked' ./lodgectl swap disk
stop $ones $twos

# --- a swap file ---
swap=/tmp/swap
try 'none that is not there' gives 4 'no such file' ./lodgectl swap $swap
try 'no directory' gives 4 'directory' ./lodgectl swap /tmp
try 'no device' gives 4 'no regular file' ./lodgectl swap /dev/zero
: >$swap
try 'none that is empty' gives 4 'has 0B, and 128K' ./lodgectl swap $swap
truncate -s 1M $swap
chmod 600 $swap
try 'not for everybody to give' gives 4 'CAP_SYS_ADMIN' $alice ./lodgectl swap $swap
try 'nor to give up' gives 4 'CAP_SYS_ADMIN' $admin ./lodgectl swap off
try 'whom JSON is not for changes nothing' gives 4 'CAP_NET_ADMIN' \
	$weak_root ./lodgectl swap $swap --json
try 'no other node' gives 4 'cannot open.*node /dev/none' \
	./lodgectl swap $swap --node=/dev/none
try "nor one that isn't lodge's" gives 4 "not lodge's" \
	./lodgectl swap off --node=/dev/null
try 'a node without need' gives 2 'for swap FILE' ./lodgectl swap --node=/dev/lodge
try 'nor two files' gives 2 'a file or off' ./lodgectl swap $swap $swap
try 'a swap file is given' gives 0 '^$' ./lodgectl swap $swap --node=/dev/lodge
try 'so it is' gives 0 'swap file of 1M, 0B in use' $admin ./lodgectl swap
try 'no second one' gives 4 'there is a swap file, of 1M' ./lodgectl swap $swap
mkdir /tmp/lodgefs
mount -t lodgefs none /tmp/lodgefs
head -c 65536 /dev/urandom >/tmp/lodgefs/file
./lodgectl policy cold=100
for _ in $(seq 400); do
	[ "$(of used ./lodgectl swap)" != 65536 ] || break
	usleep 50000
done
./lodgectl policy cold=0
try 'not given up with pages in it' gives 4 '64K of guests' ./lodgectl swap off
rm /tmp/lodgefs/file
try 'given up when it is empty' gives 0 '^$' ./lodgectl swap off
try 'so it is' gives 0 'no swap file' ./lodgectl swap
try 'not twice' gives 4 'there is no swap file' ./lodgectl swap off
truncate -s 1M /tmp/lodgefs/file
try 'none of lodge memory' gives 4 'file system' ./lodgectl swap /tmp/lodgefs/file
umount /tmp/lodgefs
chmod 644 $swap
try 'who else can read it is said' gives 0 'chmod 600' ./lodgectl swap $swap
./lodgectl swap off
./lodgectl swap $swap --json >/out/swap-set.jsonl 2>/dev/null
./lodgectl swap off --json >>/out/swap-set.jsonl
rm $swap

# --- events ---
start events.out ./lodgectl events && events=$started
start alice.out $alice ./lodgectl events && alices_events=$started
start events.json ./lodgectl events --json --count=7
counted=$started
$alice ./control churn 1
$bob ./control churn 1
usleep 500000
try 'created, named, destroyed' sh -c '
	cat events.out
	awk "{ print \$2 }" events.out | tr "\n" " " | grep -q \
	"listening created named destroyed created named destroyed"'
try 'alice hears of her own only' sh -c '
	cat alice.out
	[ "$(grep -c "VM.*user 1000" alice.out)" = 3 ] && [ "$(grep -c VM alice.out)" = 3 ]'
stop $events $alices_events
$bob ./control churn 1
ends '--count ends it' $counted
# The spinning vCPUs have done what they were for.
stop $alices
start hold.out $alice ./control hold 1 hers && alices=$started
mv events.json /out/events.jsonl
inner 'subscriptions' ./control subscribe
inner 'the group' ./control group
try 'is not for everybody' gives 77 refused $alice ./control group

# --- what is wrong ---
inner 'hostile' $alice ./control hostile "$messages"
inner 'hostile, as root' ./control hostile "$messages"

# --- dumps while VMs come and go ---
start steady.out ./control hold 40 steady && steady=$started
churners=
for _ in 1 2 3; do
	sh -c 'while ./control churn 50; do :; done' >churn.out 2>&1 &
	churners="$churners $!"
done
try 'dumps of VMs that come and go' ./control dump vms "$seconds" 40
try 'of their vCPUs' ./control dump vcpus "$seconds" 40
try 'of their counters' ./control dump stats "$seconds" 80
./lodgectl events >flood.out &
flood=$!
try 'alice dumps, too' $alice ./control dump stats "$seconds" 1
stop $flood
stop $churners
# The last of each may be in the middle of it.
sleep 1
stop $steady

# --- the module ---
try 'it stays while there are VMs' gives 1 'busy|unavailable|in use' rmmod lodge
stop $alices $bobs
sleep 0.5
start pause.out ./control pause && pausing=$started
start listen.out ./lodgectl events && listener=$started
start listen2.out $bob ./lodgectl events --json && listener2=$started
stop $pausing
sleep 0.5
try 'a dump that was given up does not hold it' rmmod lodge
ends 'a listener is told' $listener
ends 'so is another one' $listener2
try 'in words' grep -q unloaded listen.out
cat listen2.out >>/out/events.jsonl
try 'no module' gives 3 'modprobe' ./lodgectl list
insmod /work/lodge.ko
try 'and it comes back' lines 1 ./lodgectl list
finish
