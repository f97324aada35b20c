/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The launcher's central types: one machine, its memory map, and how it ends.
 */
#ifndef LODGE_H
#define LODGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus.h"
#include "loop.h"
#include "mem.h"

#define LODGE_VERSION		"0.1"
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, m) \
	((type *)((char *)(p) - offsetof(type, m)))
#define KIB			1024ULL
#define MIB			(1024 * KIB)
#define GIB			(1024 * MIB)

/* Guest-physical map above RAM; dsdt.asl says the same to the guest. */
#define LOW_RAM_END		0xc0000000ULL	/* RAM stops here, ... */
#define HIGH_RAM_BASE		0x100000000ULL	/* ... and goes on here */
#define PCI_MMIO_BASE		0xc0000000ULL
#define PCI_ECAM_BASE		0xe0000000ULL	/* bus 0 only: 1 MiB */
#define PCI_ECAM_SIZE		(1 * MIB)
#define PCI_MMIO_END		0xfec00000ULL	/* but for ECAM */
#define IOAPIC_BASE		0xfec00000ULL
#define LAPIC_BASE		0xfee00000ULL
#define IDENTITY_MAP_ADDR	0xfffbc000ULL
#define TSS_ADDR		0xfffbd000ULL
#define ROM_SIZE_MAX		(256 * KIB)	/* below 4 GiB */
#define PCI_PORTS_BASE		0x1000
#define PCI_PORTS_END		0x10000

/* Below 1 MiB: what the launcher leaves for the kernel to read. */
#define BOOT_GDT_ADDR		0x500ULL
#define BOOT_INFO_ADDR		0x7000ULL	/* zero page, or PVH info */
#define BOOT_PAGES_ADDR		0x9000ULL	/* PML4, PDPT, four PDs */
#define BOOT_CMDLINE_ADDR	0x20000ULL
#define BOOT_CMDLINE_MAX	0x10000
#define LEGACY_HOLE		0xa0000ULL
#define ACPI_BASE		0xe0000ULL
#define ACPI_SIZE		0x20000ULL
#define GENID_OFFSET		0x1ff00ULL	/* behind the tables */
#define GENID_BYTES		16
#define BOOT_KERNEL_MIN		0x100000ULL

/* Ports and interrupts of the legacy devices. */
#define PM1_EVENT_PORT		0x600		/* status, then enable */
#define PM1_CONTROL_PORT	0x604
#define PANIC_PORT		0x505
#define GPE_PORT		0x608		/* status, then enable */
#define GPE_LEN			2
#define HOTPLUG_PORT		0x610
#define RESET_PORT		0xcf9
#define RESET_VALUE		6
#define SCI_IRQ			9
#define PCI_GSI_BASE		16
#define PCI_GSI_COUNT		8

#define MAX_CPUS		255
#define MAX_DISKS		24
#define MAX_NETS		8
#define MAX_FOLDERS		8
#define NET_MAX_FORWARDS 16
#define FORWARD_SIZE	80	/* of one, with its end */
#define NET_MAX_PAIRS		8
#define DEVICE_ID_SIZE		21	/* a disk's serial number, and a zero */

/*
 * How a run ends, as the process's exit status. A guest's own status (see
 * --status and --exit-port) takes the place of EXIT_POWEROFF.
 */
enum {
	STATUS_POWEROFF	= 0,
	STATUS_RESET	= 120,	/* the guest asked for a reset */
	STATUS_CRASH	= 121,	/* triple fault, failed entry, ... */
	STATUS_FAILED	= 125,	/* the launcher could not do its part */
	STATUS_QUIT	= 130,	/* the escape sequence */
	STATUS_SIGNAL	= 256,	/* plus the signal's number: it ends the process */
};

struct disk_config {
	const char *path;
	bool readonly;
	bool remote;		/* it is the socket of who serves it, by vhost-user */
	char id[DEVICE_ID_SIZE];	/* or empty */
};

struct fs_config {
	const char *tag;	/* what the guest mounts */
	const char *socket;
	char id[DEVICE_ID_SIZE];
};

struct net_config {
	const char *tap;	/* its name; NULL: through passt */
	bool has_mac;
	uint8_t mac[6];
	unsigned int queues;	/* pairs */
	/* Ports of the host's that passt listens on: "tcp=" or "udp=", and which. */
	const char *forward[NET_MAX_FORWARDS];
	unsigned int nforwards;
	char id[DEVICE_ID_SIZE];
};

/* What guest memory is made of; by default lodge's, if the node has it. */
enum memory_backing { MEMORY_DEFAULT, MEMORY_LODGE, MEMORY_ANONYMOUS };

struct balloon_config {
	bool present;
	bool automatic;		/* the hypervisor computes the target */
	uint64_t target;	/* else: what the guest has */
	uint64_t floor;
	unsigned int shares;
	const char *domain;	/* or NULL */
	const char *control;	/* where orders come from */
};

struct config {
	const char *node;
	const char *firmware;
	const char *kernel;
	const char *initrd;
	const char *append;
	const char *name;
	const char *output;	/* ttyS1 */
	const char *console;	/* hvc0 */
	const char *log;	/* what a daemon says */
	bool daemon;
	bool status;		/* ttyS2 ends the run */
	const char *user;	/* "USER[:GROUP]", or NULL */
	bool seccomp;
	unsigned int cpu_weight;	/* or 0 */
	uint64_t memory_max;	/* of the host's, or 0 */
	int exit_port;		/* or -1 */
	unsigned int cpus;
	uint64_t memory;
	enum memory_backing backing;
	const char *merge;	/* "on", "off", or with whom; NULL: not said */
	struct disk_config disk[MAX_DISKS];
	unsigned int ndisks;
	struct fs_config fs[MAX_FOLDERS];
	unsigned int nfs;
	struct net_config net[MAX_NETS];
	unsigned int nnets;
	uint32_t vsock;		/* its CID, or 0 */
	bool has_genid;
	uint8_t genid[GENID_BYTES];
	struct balloon_config balloon;
};

struct vm;

/* What brought a vCPU out of its guest: KVM_EXIT_*, and of an access which. */
struct vcpu_exit {
	uint32_t reason;
	uint32_t size;
	uint64_t addr;
	bool write;
};

struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	struct vcpu_exit last;
	atomic_bool held;	/* by a debugger: it rests, whatever the others do */
	atomic_uint turn;	/* odd while it is at a device */
	bool hit;		/* it has come to a breakpoint, or made its step */
	bool stepping;		/* one instruction is all that it is to do */
	pthread_t thread;
};

/* Where the boot vCPU starts; what the two boot protocols fill in. */
struct boot_entry {
	bool long_mode;		/* else flat 32-bit protected mode */
	uint64_t rip;
	uint64_t info;		/* RSI, or EBX for PVH */
};

struct vm {
	const struct config *cfg;
	int kvm_fd;
	int fd;
	size_t run_size;
	struct mem mem;
	uint64_t acpi;		/* where the tables are, ACPI_SIZE bytes */
	struct bus pio;
	struct bus mmio;
	struct loop loop;
	struct vcpu *vcpu;
	struct {
		pthread_mutex_t lock;
		pthread_cond_t changed;
		atomic_bool wanted;
		unsigned int parked;	/* vCPUs that rest */
		uint64_t clock;		/* the guest's, when the last one did */
	} pause;
	struct pci_bus *pci;
	struct irq_chip *irq;
	struct power *power;
	struct hotplug *hotplug;
	struct device *devices;		/* those that can be removed */
};

/* vm.c */
void vm_create(struct vm *vm, const struct config *cfg);
void vm_stop(struct vm *vm, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vm_start(struct vm *vm);
int vm_run(struct vm *vm);

/* irq.c */
void irq_init(struct vm *vm);
void irq_line(struct vm *vm, unsigned int gsi, bool level);
void irq_pulse(struct vm *vm, unsigned int gsi);
int irq_msi_add(struct vm *vm, int efd);
void irq_msi_remove(struct vm *vm, int efd, unsigned int gsi);
void irq_msi_route(struct vm *vm, unsigned int gsi, uint64_t addr,
		   uint32_t data);

/* cpuid.c, vcpu.c */
struct kvm_cpuid2;
struct kvm_cpuid2 *cpuid_get(struct vm *vm);
void cpuid_set_topology(struct kvm_cpuid2 *cpuid, unsigned int id,
			unsigned int cpus);
void vcpu_create(struct vm *vm, struct vcpu *vcpu, unsigned int id,
		 struct kvm_cpuid2 *cpuid);
void vcpu_set_boot_state(struct vcpu *vcpu, const struct boot_entry *entry);
void vcpu_start(struct vcpu *vcpu);
void vcpus_await(struct vm *vm);
bool vcpus_pause(struct vm *vm);
void vcpus_resume(struct vm *vm);
bool vcpus_paused(const struct vm *vm);
bool vcpus_outside(struct vm *vm);
void vcpus_rest(struct vm *vm);

/* boot.c, bzimage.c, pvh.c */
void boot_load(struct vm *vm, struct boot_entry *entry);

/* firmware.c */
void firmware_load(struct vm *vm);

/* acpi.c */
uint64_t acpi_build(const struct mem *mem, uint64_t base, unsigned int cpus);

/* genid.c, power.c, pvpanic.c, rtc.c, serial.c: the board's own devices */
int genid_parse(const char *text, uint8_t *id);
void genid_create(struct vm *vm);
void pvpanic_create(struct vm *vm);
void power_create(struct vm *vm);
void power_button(struct vm *vm);
void power_event(struct vm *vm, bool level);
void power_reset_write(struct vm *vm, uint8_t val);
struct tm;
void rtc_calendar(uint64_t now, struct tm *tm);
void rtc_create(struct vm *vm);
struct serial;
struct serial *serial_create(struct vm *vm, uint16_t port, unsigned int irq);
void serial_attach(struct serial *s, int fd);
void serial_show(struct serial *s);
void serial_on_line(struct serial *s,
		    void (*line)(struct vm *vm, const char *text));
size_t serial_input(void *serial, const uint8_t *data, size_t len);
void serial_break(struct serial *s);
void serial_flush_all(void);

/* virtio devices: each finds its own place on the PCI bus */
struct virtio_dev;
struct balloon;
struct balloon *balloon_create(struct vm *vm, const struct balloon_config *cfg);
int blk_open(const struct disk_config *disk);
struct virtio_dev *blk_create(struct vm *vm, const struct disk_config *disk, int fd,
			      const char *serial, char *why);
struct virtio_dev *blk_remote_create(struct vm *vm, const char *path, char *why);
struct console;
struct console *console_create(struct vm *vm, int fd);
void console_show(struct console *con);
size_t console_input(void *console, const uint8_t *data, size_t len);
struct virtio_dev *fs_create(struct vm *vm, const struct fs_config *fs, char *why);
void rng_create(struct vm *vm);
void vsock_create(struct vm *vm, uint32_t cid);

#endif
