# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: machines, and what they lean on, are killed by SIGKILL at random moments.
# Prints TAP. In /work: lodge, lodgectl, vmlinuz, initrd, disk, passt, virtiofsd,
# qemu-storage-daemon, e2fsck, debugfs. LODGE_TIMES, LODGE_ROUNDS: how often, in each part.

# shellcheck source=selftests/launcher/common.sh
. /work/common.sh
moved "$@"
export PATH=/bin:/sbin:/work LODGE_RUNTIME_DIR=/tmp/machines
tries=3000
module=lodge
[ "$node" = /dev/lodge ] || module=kvm_amd

# "USERS VMS VCPUS": of the module, and as lodge counts them; kvm.ko does not.
counted() {
	echo "$(awk -v m=$module '$1 == m { print $3 }' /proc/modules)" \
		"$([ $module = lodge ] && cd /sys/module/lodge/parameters && cat vms vcpus)" | xargs
}
unused() {
	case $(counted) in
	0|'0 0 0') ;;
	*) return 1 ;;
	esac
}

# Kilobytes that are gone when caches, what waits for RCU, and the free pages that
# CPUs keep at hand (a few tens of megabytes on such a host) are not counted.
gone() {
	for _ in 1 2 3; do
		echo 3 >/proc/sys/vm/drop_caches
		sleep 1
	done
	awk '/^MemTotal/ { gone = $2 } /^MemFree/ { gone -= $2 }
		/^ +count:/ { gone -= $2 * 4 } END { print gone }' \
		/proc/meminfo /proc/zoneinfo
}

# What a boot takes, 60 MB and more, isn't to be missed; the host takes far less by itself.
memory_back() { # memory_back BEFORE
	after=$(gone)
	[ $((after - $1)) -lt 8192 ]
	point $? "memory is back: $1 kB before, $after kB after"
}

moment() { # moment N: up to 6.5 s / N
	usleep $(($(od -An -N2 -tu2 /dev/urandom) * 100 / $1))
}

killed() { # killed PID...: at once and for all; until then the first one ran
	kill -9 "$@"
	wait "$1" 2>/dev/null
	[ $? = 137 ]
}

there() { # there CPUS: the machine, with all of them
	case $(counted) in
	*" 1 $1") ;;
	*) [ $module != lodge ] && ! unused ;;
	esac
}

# A boot, and nothing but it; late: when there is a machine to be killed, however slow the
# host is.
once() { # once CPUS [late]
	lodge run --node "$node" --kernel /work/vmlinuz --initrd /work/initrd --cpus "$1" \
		--memory 256M --append 'console=ttyS0 quiet do=none' >g.console 2>&1 </dev/null &
	g=$!
	[ -z "${2-}" ] || soon there "$1" || { killed $g; return 1; }
	moment 1
	echo "$1: $(counted)" >>moments
	killed $g && soon unused
}
moments_part() {
	times=${LODGE_TIMES:-20}
	once 1
	before=$(gone)
	: >moments
	for i in $(seq "$times"); do
		late=
		[ $((i / 2 % 2)) = 0 ] || late=late
		once $((i % 2 + 1)) $late
		point $? "killed, $((i % 2 + 1)) vCPUs: $(counted)"
	done
	sed 's/^/# /' moments
	[ $module != lodge ] ||
		[ "$(grep -cE '^1: [0-9]+ 1 1$|^2: [0-9]+ 1 2$' moments)" -ge $((times / 2)) ]
	point $? "while it ran it was counted"
	memory_back "$before"
}

# Files are written to a file system, each followed by fsync(), and said to be there then.
# Later they are, whatever was killed, with the contents that they had; the journal is
# replayed in a copy, by e2fsck, and in the disk, by the next guest.

said() { # how often the guest has said WORD
	grep -cs "^$1" g.out
}
said_more() { # said_more WORD THAN
	[ "$(said "$1")" -gt "$2" ]
}
goes_on() { # the guest is still writing
	soon said_more synced $(($(said synced) + 1))
}

storage() { # the disk's back end
	rm -f disk.sock
	qemu-storage-daemon --blockdev driver=file,filename=disk,node-name=file \
		--blockdev driver=raw,file=file,node-name=disk \
		--export type=vhost-user-blk,id=x,node-name=disk,addr.type=unix,addr.path=disk.sock,writable=on,writethrough=on \
		>storage.log 2>&1 &
	storage=$!
	soon test -S disk.sock
}

cleared() { # what a round has left
	# shellcheck disable=SC2046
	kill -9 $(pidof lodge virtiofsd qemu-storage-daemon) 2>/dev/null
}

# boot WORD DISK: with all that it can lean on.
boot() {
	: >g.out
	lodge run --node "$node" --name g --kernel /work/vmlinuz --initrd /work/initrd \
		--memory 256M --append "console=ttyS0 panic=-1 quiet do=$1" --disk "$2" \
		--net user --fs tag=shared,socket=/tmp/folder.sock --balloon 256M \
		--output g.out --status >g.console 2>&1 </dev/null &
	g=$!
}

nothing_left() {
	[ -z "$(pidof lodge passt passt.avx2)" ] && unused
}

# What was said to be there is, in a copy; the copy goes.
consistent() {
	cp disk copy || return
	e2fsck -p copy >said 2>&1
	[ $? -le 1 ] || return
	! grep -q 'recovering journal' said || replays=$((replays + 1))
	e2fsck -fn copy >said 2>&1 || return
	rm -rf files
	mkdir files
	debugfs -R 'rdump / files' copy >said 2>&1
	had=$(wc -l <sums)
	# A line that isn't whole wasn't said.
	sed -n 's/^synced \(.*\) \(.*\) end$/\1  \2/p' g.out >>sums
	files=$((files + $(wc -l <sums) - had))
	(cd files && md5sum -c ../sums) >said 2>&1 || [ ! -s sums ] || return
	rm -rf copy files
}

round() { # round N
	disk=/tmp/disk
	folder || return
	[ $(($1 % 2)) = 1 ] || {
		storage || return
		disk=vhost-user=/tmp/disk.sock
	}
	boot "write-$1" $disk
	case $(($1 % 4)) in
	0)	moment 1 ;;
	*)	soon said_more synced 0 && soon said_more fetched 0 && soon said_more shared 0 &&
			lodge device add g disk /tmp/extra >said 2>&1 || return
		moment 2 ;;
	esac
	case $(($1 % 4)) in
	1)	[ $module != lodge ] || lodgectl balloon "pid:$g" 160M || return
		moment 2 ;;
	2)	for _ in 1 2; do
			killed "$storage"
			moment 4
			storage && goes_on || return
		done ;;
	3)	# shellcheck disable=SC2046
		kill -9 $(pidof passt passt.avx2 virtiofsd)
		goes_on || return ;;
	esac
	if [ $(($1 % 4)) = 0 ]; then
		killed $g "$storage" || return
	else
		killed $g || return
	fi
	soon nothing_left
}

files_part() {
	way_out
	mkdir shared www
	head -c 100000 /dev/urandom >shared/file
	cp shared/file www/
	cp shared/file shared/mine
	truncate -s 1M extra
	httpd -p 8080 -h www
	replays=0
	files=0
	cat /work/disk >disk
	before=$(gone)
	rounds=${LODGE_ROUNDS:-8}
	for i in $(seq "$rounds"); do
		# Before it is full.
		[ $((i % 16)) != 1 ] || { cat /work/disk >disk && : >sums; }
		round "$i"
		point $? "round $i: killed after $(said synced) files, nothing is left"
		cleared
		consistent
		point $? "round $i: the disk is consistent, $(wc -l <sums) files are there"
	done
	[ $files -ge $((rounds * 2)) ] && [ $replays -ge $((rounds / 2)) ]
	point $? "there was something to lose: $files files, $replays replays"
	folder
	boot check /tmp/disk
	wait $g
	point $? "a guest replays the last journal"
	! grep -vxFf g.out sums >lost
	point $? "and finds all files"
	e2fsck -fn disk >said 2>&1
	point $? "and leaves a clean disk"
	soon nothing_left
	! lodge ps | grep -w g && [ -z "$(ls machines)" ] && { [ $module != lodge ] || ! lodgectl list | grep -w g; }
	point $? "nobody finds anything of them"
	rm -f ./*.log ./*.out ./*.console lost sums said
	memory_back "$before"
}

moments_part
files_part
rmmod $module
point $? "the module unloads"
finish
