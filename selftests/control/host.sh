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
try 'owner, memory and vCPUs' gives 0 "^ *$id +spin +$pid +1000 +2 +64K +[0-9]+K +up\$" \
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
