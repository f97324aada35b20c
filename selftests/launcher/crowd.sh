# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: many guests at once, one of which turns antisocial. Prints TAP. In /work:
# lodge, vmlinuz, initrd.

# shellcheck source=selftests/launcher/common.sh
. /work/common.sh
export PATH=/bin:/sbin:/work LODGE_RUNTIME_DIR=/tmp/machines
guests=${LODGE_GUESTS:-8}
when=
window=${LODGE_WINDOW:-10}	# seconds that are looked at
cpus=$(nproc)
tries=6000
logs="said g1.log"

# starting FIRST COMMAND...: with the number of each guest from that one on behind it
starting() {
	local i=$1
	shift
	while [ "$i" -le "$guests" ]; do
		"$@" "$i" || return 1
		i=$((i + 1))
	done
}
each() { starting 1 "$@"; }
others() { starting 2 "$@"; }	# all but the one that turns antisocial

# shellcheck disable=SC2317
{
counts() { [ -s "g$1.out" ]; }
ask() {
	echo "ask $1" | timeout $((600 * patience)) lodge console "g$1" >"g$1.answer" 2>&1 &
	clients="$clients $!"
}
answered() { grep -qs "answer $1" "g$1.answer"; }
answer() { # answer each|others: all of these at once
	local status
	clients=
	rm -f ./*.answer
	"$1" ask
	tries=3000 soon "$1" answered
	status=$?
	# shellcheck disable=SC2086
	kill $clients
	# shellcheck disable=SC2086
	wait $clients 2>/dev/null
	return "$status"
}
# What the guest has used of the host's CPUs, in ns, and what it has done with that.
used() { cat "/proc/$(cat "g$1.pid")"/task/*/schedstat | awk '{ n += $1 } END { printf "%.0f", n }'; }
look() { echo "$(used "$1") $(tail -n 2 "g$1.out" | head -n 1)" >"g$1.$when"; }
# Of what is due to it, in thousandths.
share() {
	cat "g$1.$from" "g$1.$to" | awk -v due=$((window * cpus * 1000000)) -v n="$guests" \
		'{ used = $1 - was; was = $1 } END { printf "%.0f\n", used * n / due }'
}
# No process, not a cleaner's either, no VM, and no control group.
nothing() {
	[ -z "$(pidof lodge)" ] && [ -z "$(find /sys/fs/cgroup -name 'lodge-*')" ] &&
		[ "$(cat /sys/module/lodge/parameters/vms 2>/dev/null || echo 0)" = 0 ]
}
work() { cat "g$1.$from" "g$1.$to" | awk '{ n = $2 - was; was = $2 } END { print n }'; }
}

# watch FROM TO: what all do in a while
watch() {
	from=$1
	to=$2
	when=$from
	each look
	sleep "$window"
	when=$to
	each look
	others share | sort -n >shares
	others work | awk '{ n += $1 } END { print n }' >"done.$1"
	work 1 >"first.$1"
	echo "# $1: of what is due to them the others have, in thousandths: $(head -n 1 shares) to $(tail -n 1 shares), the first one $(share 1); they do $(cat "done.$1")"
}

mount -t cgroup2 none /sys/fs/cgroup
# One command starts them all.
seq "$guests" | timeout $((600 * patience)) xargs -I '{}' lodge run --daemon --node "$node" \
	--kernel /work/vmlinuz --initrd /work/initrd --append "console=ttyS0 panic=-1 quiet" \
	--memory 64M --name 'g{}' --output 'g{}.out' --log 'g{}.log' --cpu-weight 100 \
	>said 2>&1
point $? "$guests guests are started"
lodge ps >said
[ "$(grep -c '^g[0-9]' said)" = "$guests" ]
point $? "they run"
while read -r name pid _; do
	echo "$pid" >"$name.pid"
done <said
soon each counts
point $? "and are at work"
answer each
point $? "each answers"
watch calm calmed
[ "$(head -n 1 shares)" -ge 900 ]
point $? "all have the same"
echo storm | timeout $((60 * patience)) lodge console g1 >/dev/null 2>&1 &
sleep 5
kill $!
watch storm stormed
[ "$(cat first.storm)" -lt $(($(cat first.calm) / 2)) ]
point $? "one is antisocial: it does $(cat first.storm) itself, and $(cat first.calm) before"
[ "$(head -n 1 shares)" -ge 900 ]
point $? "nobody loses a tenth of it to one that forks, hogs, is interrupted and exits as it can"
[ "$(cat done.storm)" -ge $(($(cat done.calm) * 9 / 10)) ]
point $? "nor of what can be done in that time"
answer others
point $? "the others answer"
lodge ps | grep -q '^g1 '
point $? "and the one is still there, too"
seq "$guests" | xargs -I '{}' lodge stop --force 'g{}' >said 2>&1
wait
tries=100
soon nothing
point $? "nothing is left"
finish
