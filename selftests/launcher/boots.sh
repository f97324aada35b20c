# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the host: guests boot in all the ways that the launcher promises. Prints
# TAP. In /work: lodge, lodgectl, vmlinuz, vmlinux, initrd, tiny. $1: which part.

# shellcheck source=selftests/launcher/common.sh
. /work/common.sh
logs='console out'

# lodge ARG...: a machine, bounded; its status in $status.
lodge() {
	: >out
	timeout -s "${SIGNAL:-TERM}" "${BOUND:-$((240 * patience))}" /work/lodge run --node "$node" "$@" \
		>console 2>&1
	status=$?
}

# boot WORD [OPTION...]: a Linux guest that does WORD of guest.sh.
boot() {
	word=$1
	shift
	lodge --kernel "${KERNEL:-/work/vmlinuz}" --initrd /work/initrd \
		--output out --status --append \
		"console=ttyS0 panic=-1 quiet do=$word ${MORE-}" "$@"
}

object() { # the blocks of the launcher's file of lodge memory, if it has one
	for fd in "/proc/$(pidof lodge)"/fd/*; do
		case $(readlink "$fd") in
		*lodge-memory*) stat -L -c %b "$fd" ;;
		esac
	done 2>/dev/null
}

held() { # what the launcher has, in MiB
	kib=$(sed -n 's/RssAnon:[^0-9]*\([0-9]*\) kB/\1/p' \
		"/proc/$(pidof lodge)/status" 2>/dev/null)
	blocks=$(object)
	echo $(((${kib:-0} + ${blocks:-0} / 2) / 1024))
}

tiny() { # tiny LETTER [OPTION...]
	letter=$1
	shift
	BOUND=${BOUND:-$((10 * patience))} lodge --kernel /work/tiny --append "$letter" \
		--exit-port 0xf4 --memory 16M "$@"
}

ends() { # ends WANTED TEXT [WORDS]: status, and what is said
	[ "$status" = "$1" ] && { [ -z "${3-}" ] || grep -q "$3" console; }
	point $? "$2 (status $status)"
}

tiny_parts() {
	tiny x; ends 42 "a byte to the exit port is the status"
	printf '# its machine\nkernel = /work/tiny\nmemory=16M\nexit-port = 0xf4\nappend = m\n' >file
	lodge -c file --append x; ends 42 "a file says it, and the command line more"
	tiny m; ends 0 "memory that nobody answers reads all ones"
	tiny p; ends 0 "ports that nobody answers read all ones"
	tiny c; ends 0 "the CMOS clock has a century"
	tiny o; ends 0 "power-off ends with 0"
	tiny r; ends 120 "the reset register ends with 120" "reset by the guest"
	tiny k; ends 120 "the keyboard controller resets" "reset by the guest"
	tiny t; ends 121 "a triple fault ends with 121, in words" "triple fault"
	grep -q 'cr0 .* idt ' console
	point $? "and with the registers"
	tiny u; ends 121 "a jump to where no memory is ends with 121, in words" \
		"stopped by exit"
	for signal in 1:HUP 2:INT 15:TERM; do
		SIGNAL=${signal#*:} BOUND=$((2 * patience)) tiny l --cpus 2
		ends $((128 + ${signal%:*})) \
			"a loop in MMIO is ended by SIG${signal#*:}, in words" \
			"^lodge: ended by signal ${signal%:*} ("
		grep -q '^lodge: vCPU 0: rip 0x201[0-9a-f]*, last exit: MMIO read of 4 byte(s) at 0xd0000000$' console
		point $? "and with where the guest was"
		grep -q '^lodge: vCPU 1: rip 0xfff0, last exit: none so far$' console
		point $? "on each vCPU"
	done
	tiny x --cpus 255; ends 42 "255 vCPUs can be had"
	tiny x --memory 6G; ends 42 "6 GiB cost nothing until they are touched"
}

error_parts() {
	head -c 3000 /work/vmlinuz >short
	lodge --kernel short; ends 125 "a kernel that is cut off" "cut off"
	lodge --kernel /work/initrd; ends 125 "no kernel" "neither a bzImage"
	lodge --kernel none; ends 125 "no file" "cannot open none"
	lodge --kernel /work/vmlinuz --memory 16M
	ends 125 "a kernel that does not fit" "more --memory"
	lodge --kernel /work/vmlinuz --disk none
	ends 125 "no disk" "cannot open disk none"
	: >empty
	lodge --kernel /work/tiny --disk empty; ends 125 "no size" "is empty"
	node=/dev/null lodge --kernel /work/tiny
	ends 125 "a node that is none" "KVM API"
	node=/dev/none lodge --kernel /work/tiny
	ends 125 "no node" "is the module loaded"
	truncate -s 1M disk
	timeout $((10 * patience)) /work/lodge run --node "$node" --kernel /work/tiny \
		--append l --memory 16M --disk disk </dev/null >/dev/null 2>&1 &
	other=$!
	sleep $patience
	lodge --kernel /work/tiny --append o --memory 16M --disk disk
	ends 125 "a disk that another machine writes" "in use"
	kill $other
	wait $other 2>/dev/null
	lodge --kernel /work/tiny --append o --memory 16M --disk disk
	ends 0 "is free again when that one ended"
}

cpu_parts() {
	for n in 1 2 4; do
		boot cpus --cpus $n
		[ "$status" = 7 ] &&
			grep -q "^cpus $n ids .*$((n - 1)) cores $n\$" out
		point $? "boots with $n vCPU(s), and the guest counts them"
	done
	KERNEL=/work/vmlinux boot cpus --cpus 2
	[ "$status" = 7 ] && grep -q "^cpus 2 " out
	point $? "a vmlinux boots through PVH"
}

memory_parts() {
	# The kernel keeps a part for itself, a 64th for struct page alone.
	for mib in 256 6144; do
		boot memory --memory ${mib}M
		total=$(($(cat out) / 1024))
		[ "$status" = 0 ] && [ $total -lt $mib ] &&
			[ $((total + 64 + mib / 32)) -gt $mib ]
		point $? "boots with $mib MiB: the guest has $total"
	done
}

# running NAME [OPTION...]: a machine that loops, in the background.
running() {
	name=$1
	shift
	timeout $((20 * patience)) /work/lodge run --node "$node" --kernel /work/tiny \
		--append l --memory 16M --name "$name" "$@" </dev/null >"$name" 2>&1 &
	machines="${machines-} $!"
	sleep $patience
}

stopped() { # what running() began
	kill $machines 2>/dev/null
	for machine in $machines; do
		wait "$machine" 2>/dev/null
	done
	machines=
}

# domain NAME N: word N of that domain's line, 0 without.
domain() {
	/work/lodgectl ksm | awk -v name="$1" -v n="$2" \
		'$2 == name { v = $n } END { print v + 0 }'
}

shared() { # pages that stand for several, in a domain
	domain "$1" 5
}

passed() { # the scan has come by the default domain more than once
	[ "$(domain - 9)" -gt 1 ]
}

# Whether pages of the default domain are looked at.
merging() {
	tries=5 pause=1 soon passed || return
	[ "$(domain - 6)" -gt 0 ] || [ "$(/work/lodgectl ksm --json |
		sed -n 's/.*"visited":\([0-9]*\).*/\1/p')" -gt 0 ]
}

twins() { # machines of that domain have pages in common
	[ "$(shared twins)" -gt 0 ]
}

backing_parts() {
	if [ "$node" != /dev/lodge ]; then
		running kvm
		[ -z "$(object)" ] && [ ! -s kvm ]
		point $? "without lodge memory a machine has its own, silently"
		stopped
		tiny x --merge on; ends 42 "the host may be asked to merge"
		for option in "--memory-backing lodge" "--merge twins"; do
			# shellcheck disable=SC2086
			tiny x $option
			ends 125 "$option asks for what isn't there" "no memory of its own"
		done
		return
	fi
	running default
	[ -n "$(object)" ]
	point $? "memory is the hypervisor's"
	merging
	point $? "and mergeable"
	stopped
	running own --memory-backing anonymous
	[ -z "$(object)" ]
	point $? "or the process's own"
	stopped
	running off --merge off
	[ -n "$(object)" ] && ! merging
	point $? "or not mergeable"
	stopped
	tiny x --memory-backing lodge; ends 42 "lodge memory can be asked for"
	running twin1 --merge twins
	running twin2 --merge twins
	running other --merge others
	tries=15 pause=1 soon twins && [ "$(shared others)" = 0 ]
	point $? "equal pages become one among those of one name: $(shared twins)"
	stopped
}

disk_parts() {
	truncate -s 16M disk
	boot write --disk disk; cp out sum
	ends 0 "a disk is written and synced"
	boot read --disk disk
	[ "$status" = 0 ] && cmp -s out sum
	point $? "a second boot reads it back"
	dd if=disk bs=64k skip=16 count=64 2>/dev/null | md5sum | cmp -s - sum
	point $? "the file has it"
	MORE=pci=nomsi boot read --disk disk --cpus 2
	[ "$status" = 0 ] && cmp -s out sum
	point $? "so it is with INTx in MSI-X's place, and two vCPUs"
	boot readonly --disk disk,ro
	[ "$status" = 0 ] && [ "$(cat out)" = "$(head -c 5 sum)" ]
	point $? "a read-only disk is read and not written"
	before=$(du -k disk | cut -f1)
	boot discard --disk disk
	[ "$status" = 0 ] && grep -q lodge-disk0 out &&
		[ "$(du -k disk | cut -f1)" -lt "$before" ]
	point $? "a discard gives the host its blocks back, and reads zero"
}

device_parts() {
	boot random; ends 0 "the entropy device is the guest's"
	# What comes before the guest opens its console is lost on it.
	while sleep 1; do echo "from stdin"; done | boot hvc --console stdio
	[ "$status" = 0 ] && grep -q "to hvc" console &&
		[ "$(cat out)" = "from stdin" ]
	point $? "a virtio console carries both ways"
	boot clock
	[ "$status" = 0 ] && [ $(($(date -u +%s) - $(cat out))) -lt 60 ]
	point $? "the guest has the host's time"
	boot bulk
	[ "$status" = 0 ] && yes 0123456789 | head -c 20000 | cmp -s - out
	point $? "20,000 bytes come out whole"
	boot off; ends 0 "Linux powers off"
	boot reset; ends 120 "Linux resets"
	MORE=reboot=t boot reset
	ends 121 "Linux resets by a triple fault" "triple fault"
	boot panic; ends 120 "Linux panics" "reset by the guest"
	boot panic-told; ends 121 "and tells, if it can" "the guest's kernel panicked"
	boot genid --generation-id 00112233-4455-6677-8899-aabbccddeeff
	[ "$status" = 0 ] && grep -q '^33221100554477668899aabbccddeeff$' out
	point $? "a generation id is where ACPI says"
}

said() { # said WORD: wait until the guest has said it
	tries=1200 soon grep -q "^$1" out
}

field() { # field WORD N: word N of the last line that begins with it
	awk -v word="$1" -v n="$2" '$1 == word { v = $n } END { print v + 0 }' out
}

has_hinted() { # the machine has, how many bytes: $hinted
	hinted=$(/work/lodgectl balloon "pid:$(pidof lodge)" --json |
		sed -n 's/.*"hinted":\([0-9]*\).*/\1/p')
	[ "${hinted:-0}" -gt 0 ]
}

# What is given back is told apart from what is merged.
balloon_parts() {
	module=/sys/module/lodge/parameters
	rm -f orders
	mkfifo orders
	truncate -s 160M cache
	# The guest's cache goes, and the host gets it.
	: >out
	MORE=cache boot balloon --merge off --memory 256M --disk cache --balloon 256M \
		--balloon-control orders &
	said cached; before=$(held)
	echo 160M >orders
	said full; full=$(held)
	ballooned=$(/work/lodgectl map "pid:$(pidof lodge)" --sample=0 |
		awk '$1 == "ballooned" { print int($3 / 256) }')
	echo 256M >orders
	wait $!
	[ $before -gt 180 ] && [ $full -lt $((before - 60)) ]
	point $? "a balloon gives the host memory back: $before MiB, then $full"
	[ ! -d $module ] || [ "${ballooned:-0}" -ge 96 ]
	point $? "what was given is known: ${ballooned:-0} MiB"
	[ "$(field full 3)" = 96 ] && [ "$(field full 5)" -lt 80 ]
	point $? "the guest lacks it: $(field full 5) MiB are free"
	[ "$(field empty 3)" = 0 ] &&
		[ "$(field empty 5)" -gt $(($(field full 5) + 80)) ]
	point $? "and has it again: $(field empty 5)"

	MORE=oom boot balloon --memory 256M --balloon 160M
	[ "$status" = 0 ] && [ "$(field oom 3)" -lt 96 ] && grep -q 115343360 out
	point $? "a guest out of memory takes from it: $(field oom 3) MiB are left"

	: >out
	boot free --merge off --memory 256M --balloon 256M &
	said filled; sleep 2; before=$(held)
	said freed; sleep 8; full=$(held)
	wait $!
	[ $before -gt 140 ] && [ $full -lt $((before - 100)) ]
	point $? "what the guest frees goes to the host: $before MiB, then $full"

	[ -d $module ] || return
	# Asked for what is free it lends it, and has it back.
	: >out
	boot free --merge off --memory 256M --balloon 256M --balloon-control orders &
	said filled
	echo hint >orders
	tries=50 soon has_hinted
	said freed
	wait $!
	[ "$status" = 0 ] && [ "${hinted:-0}" -gt $((16 << 20)) ]
	point $? "what the guest has free it tells: ${hinted:-0} bytes"

	# A host that lacks memory takes it from who may be asked.
	echo 500 >$module/balloon_period_ms
	echo 1000000 >$module/balloon_reserve
	: >out
	boot balloon --memory 256M --balloon auto --balloon-floor 160M &
	said full
	echo 1 >$module/balloon_reserve
	wait $!
	[ "$(field full 3)" = 96 ] && [ "$(field empty 3)" = 0 ]
	point $? "a host without memory has a computed balloon filled, then emptied"
	echo 0 >$module/balloon_reserve
	echo 5000 >$module/balloon_period_ms
}

ticks() { # of the CPU that a process had
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}

ctl() { # ctl WORD...: of the launcher's, bounded
	timeout $((60 * patience)) /work/lodge "$@" >said 2>&1
}

# Machines that run in the background are seen, stopped, spoken to and ended.
control_parts() {
	export LODGE_RUNTIME_DIR=/tmp/machines
	lodge --kernel none --daemon; ends 125 "a daemon that can't start says so" "cannot open none"
	: >out
	boot talk --daemon --log log --name one
	ends 0 "a machine runs on in the background"
	said ready
	/work/lodge run --node "$node" --daemon --kernel /work/tiny --append l --memory 16M \
		--name two
	ctl ps
	[ "$(grep -c running said)" = 2 ] && grep -q '^one .* running *1 *512M' said
	point $? "ps lists both"
	pid=$(awk '$1 == "one" { print $2 }' said)
	ctl ps --json
	grep -q '"name": "one"' said && grep -q "\"pid\": $pid" said
	point $? "and does in JSON"
	grep -q '^NoNewPrivs:[[:space:]]*1$' "/proc/$pid/status"
	point $? "it can't get new privileges"

	ctl pause one && ctl ps && grep -q '^one .* paused' said
	point $? "a machine is paused"
	sleep 1
	before=$(ticks "$pid"); sleep 2; after=$(ticks "$pid")
	[ $((after - before)) -le 2 ]
	point $? "and uses no time: $((after - before)) ticks"
	ctl pause one && ctl resume "$pid" && ctl resume one && ctl ps && ! grep -q paused said
	point $? "it goes on"
	before=$(ticks "$pid"); sleep 2; after=$(ticks "$pid")
	[ $((after - before)) -gt 10 ]
	point $? "and is busy: $((after - before)) ticks"

	mkfifo keys
	timeout $((30 * patience)) /work/lodge console one <keys >shown 2>&1 &
	client=$!
	exec 5>keys
	echo hello >&5
	tries=100 soon grep -q 'heard hello' shown
	point $? "its console can be used"
	! ctl console one </dev/null && grep -q 'somebody else' said
	point $? "by one at a time"
	exec 5>&-
	kill $client; wait $client
	grep -q 'heard hello' log
	point $? "and is in the log"

	! ctl stop three && grep -q 'no machine three' said
	point $? "a machine that isn't there"
	ctl stop one; status=$?
	[ $status = 0 ] && ! grep . said && ctl ps && ! grep "^one " said
	point $? "the power button ends it ($status)"
	ctl stop --timeout 1 two; status=$?
	[ $status = 0 ] && grep -q "didn't power off" said
	point $? "who doesn't heed it is ended ($status)"
	/work/lodge run --node "$node" --daemon --kernel /work/tiny --append l --memory 16M
	ctl ps; pid=$(awk '/running/ { print $2 }' said)
	kill -9 "$pid"; ctl ps
	! grep -q running said && [ -z "$(ls machines)" ]
	point $? "nothing is left of them, nor of one that was killed"
}

gdb() { # gdb MACHINE COMMAND...: what it says, in the file said
	whom=$1
	shift
	for command in "$@"; do
		set -- "$@" -ex "$command"
		shift
	done
	timeout $((120 * patience)) /work/gdb -nx -batch -ex 'set confirm off' -ex 'file /work/tiny' \
		-ex "target remote | /work/lodge debug $whom" "$@" >said 2>&1
}

# Words of gdb's that has to be among what it said, each a line.
says() {
	for words in "$@"; do
		grep -qE "$words" said || {
			echo "# lacks: $words"
			tail -n 30 said | sed 's/^/# gdb: /'
			return 1
		}
	done
}

listed() { # listed NAME: by lodge ps
	/work/lodge ps | grep -q "^$1 "
}

# gdb looks at machines that run, and has them go by steps.
debug_parts() {
	export LODGE_RUNTIME_DIR=/tmp/machines
	timeout $((400 * patience)) /work/lodge run --node "$node" --kernel /work/tiny --append d \
		--memory 16M --cpus 2 --exit-port 0xf4 --name tiny </dev/null >tiny.out 2>&1 &
	tiny=$!
	tries=100 soon listed tiny
	gdb tiny 'info threads' 'print/x $cs' 'set $before = *(int *)&counter' 'stepi 20' \
		'print *(int *)&counter - $before > 2' 'x/1xb &counted' 'print *(int *)&counter'
	says 'Thread 1 .*vCPU 0' 'Thread 2 .*vCPU 1'
	point $? "vCPUs are gdb's threads"
	says '^\$1 = 0x10' 'counted>:	0xc3'
	point $? "registers and memory are right"
	says '^\$2 = 1'
	point $? "it goes by instructions"
	counter=$(awk '$1 == "$3" { print $3 }' said)
	gdb tiny 'set can-use-hw-watchpoints 0' 'watch *(int *)&counter' 'continue' \
		'print $pc == (long)&count + 6' 'print *(int *)&counter'
	says 'Old value' 'New value' '^\$1 = 1'
	point $? "a variable is watched, by steps"
	now=$(awk '$1 == "$2" { print $3 }' said)
	[ "${now:-0}" -gt $((${counter:-0} + 100)) ]
	point $? "when gdb had gone it went on: from ${counter-} to ${now-}"
	gdb tiny 'shell /work/lodge resume tiny' 'shell /work/lodge debug tiny </dev/null' \
		'shell /work/lodge stop --timeout 1 tiny </dev/null' 'print 7'
	says 'a debugger has stopped it' 'it has a debugger' '^\$1 = 7'
	point $? "while it is stopped nobody else has it go on"
	gdb tiny 'kill'
	wait $tiny; status=$?
	[ $status = 130 ] && grep -q 'ended by the debugger' tiny.out
	point $? "gdb can end it ($status)"
	timeout 60 /work/lodge run --node "$node" --kernel /work/tiny --append d \
		--memory 16M --exit-port 0xf4 --name two </dev/null >two.out 2>&1 &
	two=$!
	sleep $patience
	gdb two 'set variable *(int *)&ending = 1'
	wait $two; status=$?
	[ $status = 43 ]
	point $? "what gdb writes the guest reads: it ended ($status)"

	: >out
	boot talk --cpus 2 --name linux &
	said ready
	gdb linux 'print $efer & 1' 'print $cr3 != 0' 'stepi' 'stepi' 'stepi' 'thread 2' \
		'print $efer & 1' 'x/2i $pc'
	says '^\$1 = 1' '^\$2 = 1' '^\$3 = 1' '=> 0x'
	point $? "a Linux is looked at, and goes by steps"
	ctl stop linux; status=$?
	[ $status = 0 ] && ! grep -q "didn't power off" said
	point $? "and powers off afterwards ($status)"
	wait
}

# packet TEXT: as gdb would send it.
packet() {
	sum=0
	for byte in $(printf %s "$1" | od -An -tu1 -v); do
		sum=$(((sum + byte) % 256))
	done
	printf '$%s#%02x' "$1" $sum
}

# bytes ADDRESS: of six digits, as it is in memory.
bytes() {
	echo "$1" | sed 's/^\(..\)\(..\)\(..\)$/\3\2\1/'
}

# Breakpoints, without gdb, which is too large for hosts that are slow; and not in QEMU,
# where neither kind stops a guest.
stops_parts() {
	export LODGE_RUNTIME_DIR=/tmp/machines
	timeout $((200 * patience)) /work/lodge run --node "$node" --kernel /work/tiny --append d \
		--memory 16M --exit-port 0xf4 --name tiny </dev/null >tiny.out 2>&1 &
	sleep $((2 * patience))
	count='' trap='' traps=''
	# shellcheck source=/dev/null
	. /work/symbols
	for type in 0 1; do
		{
			packet "Z$type,$count,1"; sleep $patience
			packet c; sleep $((3 * patience))
			packet p10; sleep $patience
			packet "z$type,$count,1"; packet c; sleep $patience
		} | timeout $((60 * patience)) /work/lodge debug tiny >said
		tr '$' '\n' <said | sed 's/^/# /'
		grep -qE 'T05thread:1;(sw|hw)break:;' said && grep -q "$(bytes "$count")0000000000" said
		point $? "a breakpoint of kind $type stops it where it is"
	done
	# A breakpoint elsewhere has INT3s looked at; this one is the guest's, and has a handler.
	# One step more or less, as processors and emulators have TF take effect.
	{
		packet "Z0,$count,1"; packet "P10=$(bytes "$trap")0000000000"; sleep $patience
		packet s; sleep $((2 * patience))
		packet s; sleep $((2 * patience))
		packet s; sleep $((2 * patience))
		packet p10; packet "m$traps,4"; sleep $patience
		packet "z0,$count,1"; packet c; sleep $patience
	} | timeout $((60 * patience)) /work/lodge debug tiny >said
	tr '$' '\n' <said | sed 's/^/# /'
	[ "$(tr '$' '\n' <said | grep -c '^T05thread:1;')" -ge 3 ] && grep -q '01000000' said
	point $? "steps over an INT3 of the guest's, and its handler, end"
	/work/lodge stop --force tiny
	wait
}

# firmware KEY DISK [OPTION...]: a machine that boots from a disk; KEY chooses in its menu.
firmware() {
	key=$1
	disk=$2
	shift 2
	: >console
	[ -p keys ] || mkfifo keys
	{
		i=0
		until grep -q 'GNU GRUB' console || [ $i -gt $((60 * patience)) ]; do
			sleep 1
			i=$((i + 1))
		done
		sleep $patience
		printf %s "$key"
	} >keys &
	presses=$!
	lodge --firmware /work/bios-microvm.bin --disk "$disk" --output out --status "$@" <keys
	wait $presses
}

firmware_parts() {
	bios=/work/bios-microvm.bin
	lodge --firmware; ends 125 "no firmware" "cannot open /usr/share/seabios/.*seabios has one"
	lodge --firmware none; ends 125 "not the one that is named" "cannot open none"
	lodge --firmware /tmp; ends 125 "a directory" "not a regular file"
	head -c 100000 $bios >short
	lodge --firmware short; ends 125 "one that is cut off" "100000 bytes"
	: >short
	lodge --firmware short; ends 125 "an empty one" "0 bytes"
	truncate -s 320K short
	lodge --firmware short; ends 125 "one that is too large" "327680 bytes"
	lodge --firmware $bios --kernel /work/vmlinuz; ends 125 "a kernel, too" "leave out --kernel"
	lodge --firmware $bios
	ends 120 "without a disk the firmware says so, and gives up" "No bootable device"
	truncate -s 16M disk
	lodge --firmware $bios --memory 16M --disk disk
	ends 120 "a disk that can't be booted" "not a bootable disk"

	firmware 1 /work/grub.raw --generation-id 33221100-5544-7766-8899-aabbccddeeff
	ends 0 "a disk boots: firmware, GRUB, Linux"
	for line in 'SeaBIOS (version' 'GNU GRUB' 'to the console'; do
		grep -q "$line" console
		point $? "the console has $line"
	done
	{
		echo 00112233445566778899aabbccddeeff
		echo lodge
		echo 'reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable'
		echo 0
		dd if=/work/grub.raw bs=1M count=16 2>/dev/null | md5sum
	} | cmp - out
	point $? "Linux finds the generation id and nothing to complain of, and the disk's contents"
	firmware 2 /work/grub.raw --cpus 2 --memory 4G
	[ "$status" = 7 ] && grep -q 'cpus 2 ids 0 1 cores 2' out
	point $? "two vCPUs"
	[ "$(sed -n 's/^kB //p' out)" -gt 3900000 ]
	point $? "and RAM above 4 GiB"
	/work/qemu-storage-daemon --blockdev driver=file,filename=/work/grub.raw,node-name=disk \
		--export type=vhost-user-blk,id=x,node-name=disk,addr.type=unix,addr.path=sock &
	daemon=$!
	until [ -S sock ]; do sleep 0.1; done
	firmware 3 vhost-user=sock
	ends 120 "Linux resets, from a disk that another program serves" "reset by the guest"
	kill $daemon
}

for part in "$@"; do
	"${part}_parts"
done
finish
