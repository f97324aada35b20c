# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: many guests at once, one of which turns antisocial, in one way after another.
# Prints TAP. In /work: lodge, vmlinuz, initrd.

# shellcheck source=selftests/launcher/common.sh
. /work/common.sh
export PATH=/bin:/sbin:/work LODGE_RUNTIME_DIR=/tmp/machines
guests=${LODGE_GUESTS:-8}
window=${LODGE_WINDOW:-3}	# seconds that are looked at
limit=${LODGE_LIMIT:-80}	# MiB that a guest may hold: its own 64, what is the launcher's
# What is held of them when it has taken all that it can get is 44, unless that is the limit.
all=$((limit * 9 / 10 < 40 ? limit * 9 / 10 : 40))
cpus=$(nproc)
tries=6000
logs="said g1.log"

# shellcheck disable=SC2317
{
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

counts() { [ "$(wc -l <"g$1.out")" -ge 2 ]; }
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
# begun FIELD LEAST LINES: so far that has risen, and the first one has told more often
begun() { [ "$(wc -l <g1.out)" -gt "$3" ] && [ "$(told "$1")" -ge "$2" ]; }
# No process, not a cleaner's either, no VM, and no control group.
nothing() {
	[ -z "$(pidof lodge)" ] && [ -z "$(find /sys/fs/cgroup -name 'lodge-*')" ] &&
		[ "$(cat /sys/module/lodge/parameters/vms 2>/dev/null || echo 0)" = 0 ]
}
}

# told FIELD: what the first one has said of it: 1 ms, 2 work, 3 processes, 4 pages,
# 5 interrupts, 6 exits
told() { tail -n 2 g1.out | head -n 1 | cut -d ' ' -f "$1"; }

# look FILE: a line for each guest: when, in us, what its control group has used of the host's
# CPUs, in us, and what it has told; and FILE.first: when, and what the host counts of the first
# one: exits, those to the launcher for a port among them, interrupts given to it and KiB
# that it holds.
look() {
	awk 'FILENAME == "/proc/uptime" { now = sprintf("%.0f", $1 * 1e6); next }
		{
			used = told = last = ""
			while ((getline line <($2 "/cpu.stat")) > 0)
				if (sub(/^usage_usec /, "", line))
					used = line
			while ((getline line <($1 ".out")) > 0) {
				told = last
				last = line
			}
			print now, used, told
		}' /proc/uptime groups >"$1"
	read -r name group pid <groups
	{
		case $node in
		*kvm)	for name in exits io_exits irq_injections; do
				echo "$name $(cat "/sys/kernel/debug/kvm/$pid-"*"/$name")"
			done ;;
		*)	lodgectl stats "name:$name" ;;
		esac
		echo "now $(cut -d ' ' -f 1 /proc/uptime)"
		echo "held $(cat "$group/memory.current")"
	} | awk '{ n[$1] = $2 }
		END {
			printf "%.0f %d %d %d %d\n", n["now"] * 1e6, n["exits"],
				n["io_exits"], n["irq_injections"], n["held"] / 1024
		}' >"$1.first"
}

# rose FIELD PER TIMES [.first]: in each line, by how much in so many of another field
rose() {
	paste "$from${4-}" "$to${4-}" | awk -v f="$1" -v per="$2" -v times="$3" '{
		n = NF / 2
		t = $(per + n) - $per
		printf "%.0f\n", t ? ($(f + n) - $f) * times / t : 0
	}'
}
# What the first one did by its own account and by the host's, in a second of its share.
did() { rose "$1" 3 $((1000 * guests / cpus)) | head -n 1; }
had() { rose "$1" 1 $((1000000 * guests / cpus)) .first; }

# Of all but the first: what the least have, or the most; what they have together; and what has
# come of what was calm, in thousandths, where most was lost.
least() { tail -n +2 "$1" | sort -n | head -n 1; }
most() { tail -n +2 "$1" | sort -n | tail -n 1; }
sum() { tail -n +2 "$1" | awk '{ n += $1 } END { printf "%.0f\n", n }'; }
mean() { echo $(($(sum "$1") / (guests - 1))); }
left() {
	paste calm.work "$1" | awk '{ printf "%.0f\n", $1 ? $2 * 1000 / $1 : 0 }' >left
	least left
}

# watch KIND: what all do in a while
watch() {
	kind=$1 from=$1.from to=$1.to
	look "$from"
	sleep "$window"
	look "$to"
	rose 2 1 $((1000 * guests / cpus)) >"$kind.share"	# thousandths of what is due
	rose 4 3 1000 >"$kind.work"	# in a second
	forks=$(did 5) pages=$(did 6) irqs=$(did 7) exits=$(did 8)
	exited=$(had 2) io=$(had 3) injected=$(had 4)
	held=$(cut -d ' ' -f 5 "$to.first")
	own=$(head -n 1 "$kind.work")
	read -r now _ <"$to"
	echo "# $kind, at $((now / 1000000)) s: the others have $(least "$kind.share") to $(most "$kind.share") thousandths of what is due to them and do $(sum "$kind.work") in a second, each at least $(left "$kind.work") thousandths of what was calm"
	echo "# $kind: the first one has $(head -n 1 "$kind.share") and does $own; in a second of its share it tells of $forks forks, $pages pages, $irqs interrupts, $exits exits; the host of $injected interrupts, $exited exits, $io for ports, $held KiB held"
}

# storms KIND|none: the first one does that, and nothing of what it did before
storms() {
	echo "storm $1" | timeout $((600 * patience)) lodge console g1 >heard 2>&1 &
	soon grep -qs "storming $1" heard
	kill $!
	wait $! 2>/dev/null
}

# antisocial KIND FIELD RISE: watched from when that has risen by so much
antisocial() {
	local enough
	enough=$(($(told "$2") + $3))
	storms "$1"
	tries=$((200 + guests * 50)) soon begun "$2" "$enough" $(($(wc -l <g1.out) + 2))
	watch "$1"
}

# safe: what the others have by that
safe() {
	[ "$(least "$kind.share")" -ge $(($(mean calm.share) * 9 / 10)) ]
	point $? "$kind: no other one loses a tenth of its share"
	[ "$(sum "$kind.work")" -ge $(($(sum calm.work) * 9 / 10)) ]
	point $? "$kind: nor of what can be done in that time"
}

mount -t cgroup2 none /sys/fs/cgroup
mount -t debugfs none /sys/kernel/debug 2>/dev/null
# One command starts them all.
seq "$guests" | timeout $((600 * patience)) xargs -I '{}' lodge run --daemon --node "$node" \
	--kernel /work/vmlinuz --initrd /work/initrd --append "console=ttyS0 panic=-1 loglevel=1" \
	--memory 64M --name 'g{}' --output 'g{}.out' --log 'g{}.log' --cpu-weight 100 \
	--memory-max "$limit"M >said 2>&1
point $? "$guests guests are started"
lodge ps >said
[ "$(grep -c '^g[0-9]' said)" = "$guests" ]
point $? "they run"
sort -V said | while read -r name pid _; do
	[ ! -e "/proc/$pid" ] || echo "$name /sys/fs/cgroup$(cut -d : -f 3 "/proc/$pid/cgroup") $pid"
done >groups
soon each counts
point $? "and are at work"
answer each
point $? "each answers"
# What they have in common is merged meanwhile, which may take a tenth of a CPU; with a hundred
# of them that goes on.
sleep 6
watch calm
[ "$(least calm.share)" -ge $(($(mean calm.share) * 9 / 10)) ] && [ "$(mean calm.share)" -ge 850 ]
point $? "all have the same"
calm_own=$own calm_irqs=$irqs calm_injected=$injected

antisocial fork 3 100
[ "$forks" -ge 500 ] && [ "$own" -lt $((calm_own / 2)) ]
point $? "the first one forks as it can"
safe

antisocial hog 4 8000
[ "$pages" -ge 10000 ] && [ "$held" -ge $((all << 10)) ]
point $? "the first one takes what memory it can"
safe

antisocial irqs 5 1000
[ "$irqs" -ge $((calm_irqs * 5)) ] && [ "$injected" -ge $((calm_injected * 5)) ]
point $? "the first one is interrupted as it can"
safe

antisocial exits 6 1000
[ "$exits" -ge 20000 ] && [ "$exited" -ge "$((exits / 2))" ] && [ "$io" -ge $((exits / 4)) ]
point $? "the first one exits as it can"
safe

answer others
point $? "the others answer"
storms none
clients=
rm -f g1.answer
ask 1
soon answered 1
point $? "and the one is still there, too"
seq "$guests" | xargs -I '{}' lodge stop --force 'g{}' >said 2>&1
wait
tries=100
soon nothing
point $? "nothing is left"
finish
