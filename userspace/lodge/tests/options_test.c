// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "tap.h"
#include "util.h"

static struct config cfg;
static char err[256];

/* Parse "lodge" and the words of @line. */
static int parse(const char *line)
{
	static char buf[4096];
	char *argv[64] = { (char *)"lodge" };
	int argc = 1;
	char *word;

	strncpy(buf, line, sizeof(buf) - 1);
	err[0] = 0;
	for (word = strtok(buf, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return options_parse(&cfg, argc, argv, err, sizeof(err));
}

static void test_sizes(void)
{
	static const struct {
		const char *text;
		int ret;
		uint64_t size;
	} t[] = {
		{ "0", 0, 0 }, { "4096", 0, 4096 }, { "512K", 0, 512 * KIB },
		{ "256m", 0, 256 * MIB }, { "6G", 0, 6 * GIB },
		{ "6GiB", 0, 6 * GIB }, { "1T", 0, 1024 * GIB },
		{ "", -1, 0 }, { "-1", -1, 0 }, { " 1", -1, 0 },
		{ "M", -1, 0 }, { "1X", -1, 0 }, { "1MB", -1, 0 },
		{ "1MM", -1, 0 }, { "16777216T", -1, 0 },
		{ "99999999999999999999", -1, 0 }, { "1.5G", -1, 0 },
	};
	unsigned long n;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		uint64_t size = 0;
		int ret = parse_size(t[i].text, &size);

		check(ret == t[i].ret && (ret || size == t[i].size),
		      "size \"%s\"", t[i].text);
	}
	check(!parse_uint("255", 255, &n) && n == 255, "a number");
	check(!parse_uint("0xf4", 255, &n) && n == 0xf4, "in hexadecimal");
	check(parse_uint("256", 255, &n), "one too large");
	check(parse_uint("-1", 255, &n), "a negative one");
	check(parse_uint("7 ", 255, &n), "one with more after it");
}

static void test_run(void)
{
	check(parse("run --kernel k --initrd i --append a --cpus 3 --memory 1G --disk d,ro --disk e,f --name n --node /dev/kvm --output fd:3 --status --exit-port 0xf4 --console stdio")
	      == OPTIONS_RUN, "all options together");
	check(!strcmp(cfg.kernel, "k") && !strcmp(cfg.initrd, "i") &&
	      !strcmp(cfg.append, "a") && !strcmp(cfg.name, "n") &&
	      !strcmp(cfg.node, "/dev/kvm") && !strcmp(cfg.output, "fd:3") &&
	      !strcmp(cfg.console, "stdio"), "the words arrive");
	check(cfg.cpus == 3 && cfg.memory == GIB && cfg.status &&
	      cfg.exit_port == 0xf4, "the numbers arrive");
	check(cfg.ndisks == 2 && cfg.disk[0].readonly &&
	      !strcmp(cfg.disk[0].path, "d") && !cfg.disk[1].readonly &&
	      !strcmp(cfg.disk[1].path, "e,f"), "the disks arrive");
	check(parse("run --firmware --disk d") == OPTIONS_RUN && cfg.ndisks == 1 &&
	      !strcmp(cfg.firmware, "/usr/share/seabios/bios-microvm.bin"), "the usual firmware");
	check(parse("run --firmware f --cpus 2") == OPTIONS_RUN && cfg.cpus == 2 &&
	      !strcmp(cfg.firmware, "f"), "another one");
	check(parse("run --firmware=f") == OPTIONS_RUN && !strcmp(cfg.firmware, "f"),
	      "written in one word");
	check(parse("run --kernel k --disk vhost-user=a,ro --fs tag=t,socket=s,u --fs tag=v,socket=s")
	      == OPTIONS_RUN && cfg.ndisks == 1 && cfg.disk[0].remote &&
	      !cfg.disk[0].readonly && !strcmp(cfg.disk[0].path, "a,ro") && cfg.nfs == 2 &&
	      !strcmp(cfg.fs[0].tag, "t") && !strcmp(cfg.fs[0].socket, "s,u") &&
	      !strcmp(cfg.fs[1].tag, "v"), "what other programs serve");
	check(parse("run --kernel k") == OPTIONS_RUN && cfg.seccomp && !cfg.user &&
	      !cfg.cpu_weight && !cfg.memory_max, "system calls are filtered, nothing else is asked for");
	check(parse("run --kernel k --user me:us --cpu-weight 10000 --memory-max 16M --no-seccomp") ==
	      OPTIONS_RUN && !cfg.seccomp && !strcmp(cfg.user, "me:us") &&
	      cfg.cpu_weight == 10000 && cfg.memory_max == 16 * MIB,
	      "a user, limits, no filters");
	check(parse("run --kernel k --generation-id 00112233-4455-6677-8899-AAbbccddeeff")
	      == OPTIONS_RUN && cfg.has_genid && !memcmp(cfg.genid,
	      "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16),
	      "a generation id, as a guest has it");
	check(parse("run --kernel=k") == OPTIONS_RUN && cfg.cpus == 1 &&
	      cfg.memory == 512 * MIB && !strcmp(cfg.node, "/dev/lodge") &&
	      cfg.exit_port == -1 && !cfg.status, "what is not said");
	check(parse("run --kernel k --memory 17M") == OPTIONS_RUN &&
	      cfg.memory == 16 * MIB, "memory is rounded down to 2M");
	check(parse("run --kernel k --balloon 256M --balloon-floor 64M --balloon-shares 7 --balloon-control fd:4")
	      == OPTIONS_RUN && cfg.balloon.present &&
	      !cfg.balloon.automatic && cfg.balloon.target == 256 * MIB &&
	      cfg.balloon.floor == 64 * MIB && cfg.balloon.shares == 7 &&
	      !strcmp(cfg.balloon.control, "fd:4"), "a balloon");
	check(parse("run --kernel k --balloon auto") == OPTIONS_RUN &&
	      cfg.balloon.automatic && cfg.balloon.shares == 1000 &&
	      cfg.balloon.floor == 128 * MIB,
	      "one that is computed");
	check(parse("run --kernel k") == OPTIONS_RUN && !cfg.balloon.present,
	      "and none");
	check(parse("run --kernel k") == OPTIONS_RUN && !cfg.merge &&
	      cfg.backing == MEMORY_DEFAULT, "memory as it comes");
	check(parse("run --kernel k --memory-backing anonymous --merge off")
	      == OPTIONS_RUN && cfg.backing == MEMORY_ANONYMOUS, "of its own");
	check(parse("run --kernel k --memory-backing lodge") == OPTIONS_RUN &&
	      cfg.backing == MEMORY_LODGE, "the hypervisor's");
	check(parse("run --kernel k --memory-backing anonymous --merge on")
	      == OPTIONS_RUN && !strcmp(cfg.merge, "on"), "merged by the host");
	check(parse("run --kernel k --merge web") == OPTIONS_RUN &&
	      cfg.backing == MEMORY_LODGE && !strcmp(cfg.merge, "web"),
	      "merged with some");
	check(parse("run --kernel k --disk a,ro,id=one --disk b,id=a,b --disk vhost-user=s,id=t.2 --fs tag=t,socket=s,id=f --net user,id=n-1")
	      == OPTIONS_RUN && cfg.disk[0].readonly && !strcmp(cfg.disk[0].path, "a") &&
	      !strcmp(cfg.disk[0].id, "one") && !strcmp(cfg.disk[1].path, "b,id=a,b") &&
	      !*cfg.disk[1].id && !strcmp(cfg.disk[2].id, "t.2") && cfg.disk[2].remote &&
	      !strcmp(cfg.fs[0].socket, "s") && !strcmp(cfg.fs[0].id, "f") &&
	      !strcmp(cfg.net[0].id, "n-1"), "devices have names");
	check(parse("run --kernel k --net tap=tap0,queues=4,mac=02:0a:00:00:00:Ff --net user --net user,mac=02:00:00:00:00:01 --vsock 3")
	      == OPTIONS_RUN && cfg.nnets == 3 && cfg.vsock == 3, "networks, and vsock");
	check(!strcmp(cfg.net[0].tap, "tap0") && cfg.net[0].queues == 4 &&
	      cfg.net[0].has_mac && cfg.net[0].mac[1] == 0xa && cfg.net[0].mac[5] == 0xff &&
	      !cfg.net[1].tap && !cfg.net[1].has_mac && cfg.net[1].queues == 1 &&
	      cfg.net[2].has_mac, "as they were asked for");
	check(parse("run --kernel k --net user,tcp=2222:22,udp=0.0.0.0/5353,id=n,tcp=::1/8000-8010:9000-9010") ==
	      OPTIONS_RUN && cfg.net[0].nforwards == 3 &&
	      !strcmp(cfg.net[0].forward[1], "udp=0.0.0.0/5353") && !strcmp(cfg.net[0].id, "n"),
	      "ports of the host's");
	check(parse("run --kernel k --net user,tcp=22,udp=22 --net user,tcp=23,tcp=127.0.0.2/22,tcp=::/24") ==
	      OPTIONS_RUN && cfg.nnets == 2, "of two devices, that have nothing in common");
	check(parse("--help") == OPTIONS_HELP, "--help");
	check(parse("run -h") == OPTIONS_HELP, "run -h");
	check(parse("--version") == OPTIONS_VERSION, "--version");
}

/* What a file says, and the command line behind it. */
static int parse_file(const char *text, const char *more)
{
	char path[] = "/tmp/lodge-options-XXXXXX", line[256];
	int fd = mkstemp(path), ret;

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("cannot write %s", path);
	close(fd);
	snprintf(line, sizeof(line), "run -c %s %s", path, more);
	ret = parse(line);
	unlink(path);
	return ret;
}

static void test_file(void)
{
	static const char *const bad[] = {
		"bogus = 1", "kernel", "daemon = yes", "= k", "cpus = 0", "help", "version",
		"config = /dev/null", "kernel k", "\n\n--kernel = k", "kernel = k\nnet = bridge",
	};
	unsigned int i;

	check(parse_file("# a machine\n\n  kernel=/boot/vmlinuz\t\n"
			 "append = console=ttyS0 root=/dev/vda\t\ncpus = 3\r\n\tstatus\n"
			 "disk = a file.img,ro\ndisk = b\n # more\nmemory = 1G", "")
	      == OPTIONS_RUN, "a file is read: %s", err);
	check(!strcmp(cfg.kernel, "/boot/vmlinuz") &&
	      !strcmp(cfg.append, "console=ttyS0 root=/dev/vda") && cfg.cpus == 3 &&
	      cfg.status && cfg.ndisks == 2 && !strcmp(cfg.disk[0].path, "a file.img") &&
	      cfg.disk[0].readonly && !strcmp(cfg.disk[1].path, "b") &&
	      cfg.memory == GIB, "and all of it arrives");
	check(parse_file("kernel = a\ncpus = 2\ndisk = a\n", "--kernel b --disk c") ==
	      OPTIONS_RUN && !strcmp(cfg.kernel, "b") && cfg.cpus == 2 && cfg.ndisks == 2,
	      "what comes later holds, or is added");
	check(parse_file("firmware\n", "") == OPTIONS_RUN && cfg.firmware[0] == '/' &&
	      parse_file("firmware = f\n", "") == OPTIONS_RUN && !strcmp(cfg.firmware, "f"),
	      "a firmware, the usual or another one");
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		check(parse_file(bad[i], "--kernel k") == OPTIONS_ERROR && strstr(err, ", line "),
		      "%s", err);
	check(parse("run -c /none --kernel k") == OPTIONS_ERROR, "%s", err);
	check(parse("run --config /tmp --kernel k") == OPTIONS_ERROR, "%s", err);
	check(parse("run --config /bin/sh --kernel k") == OPTIONS_ERROR, "%s", err);
	check(parse("run --kernel k -c") == OPTIONS_ERROR, "%s", err);
}

static void test_errors(void)
{
	static const char *const lines[] = {
		"", "run", "--kernel k", "walk --kernel k", "run --kernel",
		"run --kernel k --cpus 0", "run --kernel k --cpus 256",
		"run --kernel k --cpus x", "run --kernel k --memory 1M",
		"run --kernel k --memory 2T", "run --kernel k --memory lots",
		"run --kernel k --exit-port 65536", "run --kernel k --bogus",
		"run --kernel k --balloon lots", "run --kernel k --balloon 1G",
		"run --kernel k --balloon-floor 1M",
		"run --kernel k --balloon 1M --balloon-floor 2M",
		"run --kernel k --balloon auto --balloon-floor 1G",
		"run --kernel k --balloon auto --balloon-shares 0",
		"run --kernel k --balloon auto --balloon-shares 1048577",
		"run --kernel k --memory-backing tmpfs",
		"run --kernel k --merge 0123456789012345678901234567890x",
		"run --kernel k --memory-backing anonymous --merge web",
		"run --kernel k word", "run word --kernel k", "run --firmware f word",
		"run --firmware --kernel k", "run --firmware f --append a", "run --initrd i --firmware",
		"run --kernel k --net bridge", "run --kernel k --net tap",
		"run --kernel k --net tap=", "run --kernel k --net tap=a/b",
		"run --kernel k --net tap=a%d", "run --kernel k --net tap=..",
		"run --kernel k --net tap=sixteencharacter",
		"run --kernel k --net tap=a --net user --net tap=a",
		"run --kernel k --net user,queues=2", "run --kernel k --net tap=a,queues=0",
		"run --kernel k --net tap=a,queues=9", "run --kernel k --net user,mtu=9000",
		"run --kernel k --disk a,id=", "run --kernel k --disk a,id=a/b",
		"run --kernel k --disk a,id=abcdefghijklmnopqrstu",
		"run --kernel k --net user,id=", "run --kernel k --fs tag=a,socket=b,id=",
		"run --kernel k --net user,", "run --kernel k --net user,mac=",
		"run --kernel k --net user,mac=02:00:00:00:00",
		"run --kernel k --net user,mac=02:00:00:00:00:0g",
		"run --kernel k --net user,mac=02:00:00:00:00:01:02",
		"run --kernel k --net user,mac=03:00:00:00:00:01",
		"run --kernel k --net user,mac=00:00:00:00:00:00",
		"run --kernel k --net tap=a,tcp=22", "run --kernel k --net user,tcp=",
		"run --kernel k --net user,tcp=0", "run --kernel k --net user,udp=65536",
		"run --kernel k --net user,tcp=022", "run --kernel k --net user,tcp=0x16",
		"run --kernel k --net user,tcp=22:", "run --kernel k --net user,tcp=22:22:22",
		"run --kernel k --net user,tcp=10-9", "run --kernel k --net user,tcp=1-3:1-2",
		"run --kernel k --net user,tcp=/22", "run --kernel k --net user,tcp=host/22",
		"run --kernel k --net user,tcp=127.0.0.1/", "run --kernel k --net user,tcp=1/2/3",
		"run --kernel k --net user,tcp=-", "run --kernel k --net user,tcp=1-2-3",
		"run --kernel k --net user,tcp=22,tcp=127.0.0.2/22:23",
		"run --kernel k --net user,udp=20-29,udp=29-30",
		"run --kernel k --net user,tcp=22 --net user,tcp=20-30:120-130",
		"run --kernel k --net user,tcp=22 --net user --net user,tcp=0.0.0.0/22",
		"run --kernel k --net user,udp=::/22 --net user,udp=::1/22",
		"run --kernel k --net user,tcp=1,tcp=2,tcp=3,tcp=4,tcp=5,tcp=6,tcp=7,tcp=8,udp=1,udp=2,udp=3,udp=4,udp=5,udp=6,udp=7,udp=8,tcp=9",
		"run --kernel k --net user,tcp=all", "run --kernel k --net user,tcp=~22",
		"run --kernel k --net user,tcp=1111111111111111111111111111111111111111111111111111111111111111111111111111111111/22",
		"run --kernel k --net user,mac=02:00:00:00:00:01 --net tap=b,mac=02:00:00:00:00:01",
		"run --kernel k --vsock 2", "run --kernel k --vsock 4294967295",
		"run --kernel k --vsock x",
		"run --kernel k --user",
		"run --kernel k --user :1",
		"run --kernel k --user me:",
		"run --kernel k --cpu-weight 0",
		"run --kernel k --cpu-weight 10001",
		"run --kernel k --cpu-weight all",
		"run --kernel k --memory-max 0",
		"run --kernel k --memory-max 15M",
		"run --kernel k --memory-max max",
		"run --kernel k --no-seccomp yes",
		"run --kernel k --generation-id 324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb8",
		"run --kernel k --generation-id 324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb877",
		"run --kernel k --generation-id 324e6eaf-d1d1-4bf6-bf41xb9bb6c91fb87",
		"run --kernel k --generation-id 324e6eaf-d1d1-4bf6-bf41-b9bb6c91fbx7",
		"run --kernel k --fs a", "run --kernel k --fs tag=a",
		"run --kernel k --fs tag=a,socket=", "run --kernel k --fs tag=,socket=s",
		"run --kernel k --fs tag=0123456789012345678901234567890123456,socket=s",
		"run --kernel k --fs tag=a,socket=s --fs tag=a,socket=t",
	};
	char many[4096] = "run --kernel k";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lines); i++)
		check(parse(lines[i]) == OPTIONS_ERROR && err[0],
		      "\"%s\": %s", lines[i], err);
	for (i = 0; i < MAX_DISKS; i++)
		strcat(many, " --disk d");
	check(parse(many) == OPTIONS_RUN, "as many disks as there can be");
	strcat(many, " --disk d");
	check(parse(many) == OPTIONS_ERROR, "and one too many: %s", err);
	strcpy(many, "run --kernel k");
	for (i = 0; i < MAX_NETS; i++)
		strcat(many, " --net user");
	check(parse(many) == OPTIONS_RUN, "as many networks");
	strcat(many, " --net user");
	check(parse(many) == OPTIONS_ERROR, "and one too many: %s", err);
}

int main(void)
{
	test_sizes();
	test_run();
	test_file();
	test_errors();
	return done();
}
