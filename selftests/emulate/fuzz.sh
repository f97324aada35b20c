#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# A bounded run of the fuzzer, as one point of TAP: fuzz.sh PROGRAM RUNS DIR
# Crashes are kept in DIR.

program=$1 runs=$2 dir=$3
log=$dir/fuzz.log

if "$program" -runs="$runs" -max_len=512 -seed=1 -timeout=10 \
	-artifact_prefix="$dir/" >"$log" 2>&1; then
	echo "ok 1 - $runs runs of the fuzzer"
else
	tail -n40 "$log" | sed 's/^/# /'
	echo "not ok 1 - fuzzer: see $log"
fi
echo '1..1'
grep -q '^Done' "$log"
