# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-only
#
# For suites that are shell scripts, and for the scripts that they run in hosts
# (busybox): source it, 'try' things, 'finish'.

tap_count=0
tap_failed=0

# ok TEXT, not_ok TEXT, skip TEXT REASON: one test point.
ok() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1"
}

not_ok() {
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $1"
}

skip() {
	tap_count=$((tap_count + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

# try TEXT COMMAND...: a test point that passes if the command does.
try() {
	local text=$1 out
	shift
	if out=$("$@" 2>&1); then
		ok "$text"
	else
		out="$out
status $?"
		not_ok "$text"
		# Nothing that the command prints may look like a test point.
		printf '%s\n' "$out" | tail -n 60 | sed 's/^/# /'
		return 1
	fi
}

# guest_of_2 [NAME=VALUE...]: a guest with two vCPUs, by hosts/run, counts them.
guest_of_2() {
	local said
	said=$(selftests/hosts/run "$@" CPUS=2 CMD='uname -r; nproc') && echo "$said" &&
		[ "$(echo "$said" | tail -n1)" = 2 ]
}

# inner TEXT COMMAND...: the command prints TAP of its own; its points become
# ours, under TEXT, as they come. That the command ends well and keeps its plan
# is a point. It has a shell of its own, and what it leaves running in the
# background must not keep its output.
inner() {
	local text=$1 end
	shift
	end=$(mktemp)
	{
		"$@" 2>&1 && echo 0 >"$end" || echo $? >"$end"
	} | inner_points "$text" "$end"
	# What the other side of the pipe has counted.
	read -r tap_count tap_failed <"$end.points"
	rm -f "$end" "$end.points"
}

inner_points() {
	local text=$1 end=$2 line plan=-1 seen=0 status
	while IFS= read -r line; do
		case $line in
		'ok '*)
			seen=$((seen + 1))
			tap_count=$((tap_count + 1))
			tap_line "ok $tap_count" "$text" "$line" ;;
		'not ok '*)
			seen=$((seen + 1))
			tap_count=$((tap_count + 1))
			tap_failed=$((tap_failed + 1))
			tap_line "not ok $tap_count" "$text" "${line#not }" ;;
		1..*)
			line=${line#1..}
			[ "$plan" -ge 0 ] || plan=0
			plan=$((plan + ${line%%[!0-9]*})) ;;
		*)	echo "# $line" ;;
		esac
	done
	status=$(cat "$end")
	if [ "$status" = 0 ] && [ "$plan" = "$seen" ]; then
		ok "$text: ran to its end"
	else
		not_ok "$text: status $status, $seen of $plan planned"
	fi
	echo "$tap_count $tap_failed" >"$end.points"
}

# tap_line VERDICT TEXT LINE: LINE's own description and directive, renumbered.
tap_line() {
	local rest
	rest=$(printf '%s\n' "$3" | sed -E 's/^ok *[0-9]* *(- )?//')
	echo "$1 - $2: $rest"
}

finish() {
	echo "1..$tap_count"
	exit $((tap_failed != 0))
}
