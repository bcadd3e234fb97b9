/* SPDX-License-Identifier: MIT */
/* The command line: every option, every way to get it wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "vmm/config.h"
#include "vmm/virtio/blk.h"

#define FANS_MAX 3

/* A device with every type of key, none of which it must be given. */
struct fan_config {
	const char *text;
	bool flag;
	uint32_t count, word;
	uint64_t size;
	uint8_t mac[6];
};

static const char *const words[] = { "slow", "fast", "off", NULL };

static const struct option_key fan_keys[] = {
	{ "text", OPTION_TEXT, offsetof(struct fan_config, text), .max = 4 },
	{ "flag", OPTION_FLAG, .offset = offsetof(struct fan_config, flag) },
	{ "count", OPTION_COUNT, offsetof(struct fan_config, count), .min = 2, .max = 16 },
	{ "word", OPTION_WORD, offsetof(struct fan_config, word), .words = words },
	{ "size", OPTION_SIZE, offsetof(struct fan_config, size), .min = 1, .max = 1 << 20 },
	{ "mac", OPTION_MAC, .offset = offsetof(struct fan_config, mac) },
	{ 0 },
};

static const struct device_kind fan = {
	.name = "fan",
	.option = "--fan",
	.usage = "[=text=TEXT]",
	.purpose = "what the test adds",
	.max = FANS_MAX,
	.keys = fan_keys,
	.config_bytes = sizeof(struct fan_config),
};

static const struct device_kind *const kinds[] = { &virtio_blk_device, &fan, NULL };

static struct vm_config config;

/* Words separated by '|'; parsed in place. */
static enum config_result parse(const char *line)
{
	static char copy[4096];
	static char *argv[64];
	int argc = 0;
	char *p = copy;

	strncpy(copy, line, sizeof(copy) - 1);
	argv[argc++] = copy; /* any program name */
	for (char *w; (w = strsep(&p, "|")) != NULL;)
		argv[argc++] = w;
	argv[argc] = NULL;
	return config_parse(&config, kinds, argc, argv);
}

static void test_good(void **state)
{
	const struct disk_config *disk;

	(void)state;
	assert_int_equal(parse("--kernel|/k"), CONFIG_RUN);
	assert_string_equal(config.kernel, "/k");
	assert_int_equal(config.memory, 64 << 20);
	assert_int_equal(config.cpus.count, 1);
	assert_int_equal(config.cpus.cores, 1);
	assert_int_equal(config.cpus.threads, 1);
	assert_true(config.huge_pages);
	assert_false(config.prefault);
	assert_false(config.stats);
	assert_null(config.trace);
	assert_string_equal(config.mshv, "/dev/mshv");
	assert_int_equal(config.grace_s, VMMCTL_GRACE_S);
	assert_null(config.initrd);

	/* As init writes it (abi/vmmctl.h). */
	assert_int_equal(parse("--name|tiny|--kernel|/g/k|--initrd|/g/i|--cmdline||"
			       "--memory|67108864|--cpus|2|--disk|path=/a"
			       "|--disk|path=/b,readonly=on,serial=x,queues=3,iops=7,bandwidth=2K"),
			 CONFIG_RUN);
	assert_string_equal(config.cmdline, "");
	assert_int_equal(config.device_count, 2);
	assert_ptr_equal(config.device[0].kind, &virtio_blk_device);
	disk = (const void *)config.device[0].bytes;
	assert_string_equal(disk->path, "/a");
	assert_false(disk->readonly);
	assert_null(disk->serial);
	disk = (const void *)config.device[1].bytes;
	assert_string_equal(disk->path, "/b");
	assert_true(disk->readonly);
	assert_string_equal(disk->serial, "x");
	assert_int_equal(disk->queues, 3);
	assert_int_equal(disk->iops, 7);
	assert_int_equal(disk->bandwidth, 2048);

	assert_int_equal(parse("--kernel|k|--memory|1G|--cpus|64|--grace|0|--log|debug"),
			 CONFIG_RUN);
	assert_int_equal(config.memory, 1 << 30);
	assert_int_equal(config.grace_s, 0);
	assert_int_equal(config.log_level, LOG_DEBUG);
	/* Sizes are what they are in a manifest. */
	assert_int_equal(parse("--kernel|k|--memory|1t"), CONFIG_RUN);
	assert_int_equal(config.memory, UINT64_C(1) << 40);
	assert_int_equal(parse("--help"), CONFIG_HELP);
	assert_int_equal(parse("--kernel=/k|--cmdline=a=b|--name=x"), CONFIG_RUN);
	assert_string_equal(config.cmdline, "a=b");
	assert_int_equal(parse("--kernel|--name"), CONFIG_RUN);
	assert_string_equal(config.kernel, "--name");
}

static void test_machine(void **state)
{
	(void)state;
	/* As init writes it. */
	assert_int_equal(parse("--kernel|k|--memory|1048576000,hugepages=off,prefault=on|"
			       "--cpus|8,cores=2,threads=2,pin=0-3:9|--name|x"),
			 CONFIG_RUN);
	assert_int_equal(config.memory, 1048576000);
	assert_false(config.huge_pages);
	assert_true(config.prefault);
	assert_int_equal(config.cpus.count, 8);
	assert_int_equal(config.cpus.cores, 2);
	assert_int_equal(config.cpus.threads, 2);
	assert_int_equal(config.cpus.pin_count, 5);
	assert_int_equal(config.cpus.pin[3], 3);
	assert_int_equal(config.cpus.pin[4], 9);
	assert_int_equal(parse("--cpus=6,threads=2|--memory=2G,prefault=off|--kernel=k"),
			 CONFIG_RUN);
	assert_int_equal(config.cpus.cores, 3);
	assert_int_equal(config.memory, UINT64_C(2) << 30);
	/* A flag by itself, and with a value. */
	assert_int_equal(parse("--stats|--kernel|k"), CONFIG_RUN);
	assert_true(config.stats);
	assert_int_equal(parse("--gdb|/s|--kernel|k"), CONFIG_RUN);
	assert_string_equal(config.gdb, "/s");
	assert_false(config.gdb_wait);
	assert_int_equal(parse("--gdb=tcp:1234,wait=on|--kernel|k"), CONFIG_RUN);
	assert_string_equal(config.gdb, "tcp:1234");
	assert_true(config.gdb_wait);
	assert_int_equal(parse("--trace|--kernel|k"), CONFIG_RUN);
	assert_string_equal(config.trace, "-");
	assert_int_equal(parse("--trace=/t|--kernel|k"), CONFIG_RUN);
	assert_string_equal(config.trace, "/t");
	assert_int_equal(parse("--stats=off|--kernel|k"), CONFIG_RUN);
	assert_false(config.stats);
	/* What is done about ends. */
	assert_int_equal(config.on_reset | config.on_crash | config.on_watchdog, VM_POLICY_END);
	assert_int_equal(parse("--kernel|k|--on-reset|preserve|--on-watchdog|ignore"), CONFIG_RUN);
	assert_int_equal(config.on_reset, VM_POLICY_PRESERVE);
	assert_int_equal(config.on_crash, VM_POLICY_END);
	assert_int_equal(config.on_watchdog, VM_POLICY_IGNORE);
	assert_int_equal(parse("--kernel|k|--on-crash|preserve|--on-watchdog|preserve"),
			 CONFIG_RUN);
	assert_int_equal(config.on_crash, VM_POLICY_PRESERVE);
	assert_int_equal(config.on_watchdog, VM_POLICY_PRESERVE);
	/* Where nothing may follow, a comma is text. */
	assert_int_equal(parse("--kernel|a,cores=2"), CONFIG_RUN);
	assert_string_equal(config.kernel, "a,cores=2");
}

static void test_device(void **state)
{
	const struct fan_config *f;

	(void)state;
	/* Without "=" the next word is another option. */
	assert_int_equal(parse("--fan|--kernel|k|--fan=text=,flag=on,count=16,word=off,size=1M,"
			       "mac=02:aB:00:00:00:0f|--disk=path=a"),
			 CONFIG_RUN);
	assert_int_equal(config.device_count, 3);
	f = (const void *)config.device[0].bytes;
	assert_null(f->text);
	assert_int_equal(f->count, 0);
	f = (const void *)config.device[1].bytes;
	assert_string_equal(f->text, "");
	assert_true(f->flag);
	assert_int_equal(f->count, 16);
	assert_int_equal(f->word, 2);
	assert_int_equal(f->size, 1 << 20);
	assert_memory_equal(f->mac, "\x02\xab\x00\x00\x00\x0f", 6);
	assert_ptr_equal(config.device[2].kind, &virtio_blk_device);
	assert_true(config_has(&config, &fan) && config_has(&config, &virtio_blk_device));
	assert_int_equal(parse("--kernel|k|--disk|path=a"), CONFIG_RUN);
	assert_true(!config_has(&config, &fan) && config_has(&config, &virtio_blk_device));
}

static void test_wrong(void **state)
{
	static const char *const list[] = {
		"--cpus|1", /* no kernel */
		"--kernel",
		"--kernel|k|extra",
		"--kernel|k|--unknown",
		"--kernel|k|--memory|",
		"--kernel|k|--memory|64Q",
		"--kernel|k|--memory|64MM",
		"--kernel|k|--memory|-1",
		"--kernel|k|--memory|1M",	/* below the minimum */
		"--kernel|k|--memory|67108865", /* not whole pages */
		"--kernel|k|--memory|99999999999999999999",
		"--kernel|k|--memory|18446744073709551615G",
		"--kernel|k|--cpus|0",
		"--kernel|k|--cpus|65",
		"--kernel|k|--cpus|1K",
		"--kernel|k|--cpus|1K1", /* ends in a digit */
		"--kernel|k|--cpus|",
		"--kernel|k|--cpus|4,",
		"--kernel|k|--cpus|cores=4",
		"--kernel|k|--cpus|4,cores=3",
		"--kernel|k|--cpus|4,threads=3",
		"--kernel|k|--cpus|4,threads=0",
		"--kernel|k|--cpus|4,sockets=1",
		"--kernel|k|--cpus|4,cores=2,cores=2",
		"--kernel|k|--cpus|4,pin=",
		"--kernel|k|--cpus|4,pin=0:",
		"--kernel|k|--cpus|4,pin=a",
		"--kernel|k|--cpus|4,pin=3-0",
		"--kernel|k|--cpus|4,pin=0-4",
		"--kernel|k|--cpus|4,pin=1024",
		"--kernel|k|--memory|64M,",
		"--kernel|k|--memory|64M,hugepages",
		"--kernel|k|--memory|64M,hugepages=1",
		"--kernel|k|--memory|64M,prefault=on,prefault=on",
		"--kernel|k|--memory|64M,name=x",
		"--kernel|k|--stats=",
		"--kernel|k|--stats=2",
		"--kernel|k|--gdb",
		"--kernel|k|--gdb=",
		"--kernel|k|--gdb=/s,wait",
		"--kernel|k|--gdb=/s,stop=on",
		"--kernel|k|--trace=",
		"--kernel|k|--trace|/t",
		"--kernel|k|--stats|on",
		"--kernel|k|--on-reset",
		"--kernel|k|--on-reset|restart",
		"--kernel|k|--on-reset|ignore",
		"--kernel|k|--on-crash|ignore",
		"--kernel|k|--on-watchdog|",
		"--kernel|k|--on-crash|end|--on-crash|end",
		"--kernel|k|--name|",
		"--kernel|k|--name|a234567890123456789012345678901234",
		"--kernel|k|--disk|",
		"--kernel|k|--disk|path=",
		"--kernel|k|--disk|readonly=on",
		"--kernel|k|--disk|path=a,readonly=maybe",
		"--kernel|k|--disk|path=a,colour=red",
		"--kernel|k|--disk|path",
		"--kernel|k|--disk|path=a,serial=123456789012345678901",
		"--kernel|k|--disk|path=a,",
		"--kernel|k|--disk",
		"--kernel|k|--fan|flag=on", /* not behind "=" */
		"--kernel|k|--fan=",
		"--kernel|k|--fan=text=12345",
		"--kernel|k|--fan=count=1",
		"--kernel|k|--fan=count=17",
		"--kernel|k|--fan=count=",
		"--kernel|k|--fan=word=fas",
		"--kernel|k|--fan=size=0",
		"--kernel|k|--fan=size=1025K",
		"--kernel|k|--fan=mac=02:00:00:00:00",
		"--kernel|k|--fan=mac=02:00:00:00:00:01:",
		"--kernel|k|--fan=mac=02:00:00:00:00:1",
		"--kernel|k|--fan=mac=02-00-00-00-00-01",
		"--kernel|k|--fan=mac=03:00:00:00:00:01", /* a group's */
		"--kernel|k|--fan=mac=00:00:00:00:00:00",
		"--kernel|k|--fan=mac=",
		"--kernel|k|--fan|--fan|--fan|--fan",
		"--kernel|k|--grace|86401",
		"--kernel|k|--log|loud",
		/* Names are not guessed, and nothing is said twice. */
		"--kern|k",
		"--kernel|k|--mem|64M",
		"-kernel|k",
		"--kernel|k|--",
		"--kernel|k|--help=x",
		"--kernel|k|--kernel|l",
		"--kernel|k|--memory|64M|--memory=64M",
		"--kernel|k|--disk|path=a,path=b",
		"--kernel|k|--disk|path=a,readonly=on,readonly=off",
		"--kernel|k|--disk|path=a,serial=x,serial=x",
		/* What would break a line of the log. */
		"--kernel|k\nl",
		"--kernel|k|--name|a\nb",
		"--kernel|k|--name|A b",
		"--kernel|k|--disk|path=a\nb",
		"--kernel|k|--cmdline|a\033b",
		"--kernel|k|--no\nsuch",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		if (parse(list[i]) != CONFIG_WRONG)
			fail_msg("accepted: %s", list[i]);
}

static void test_too_many_disks(void **state)
{
	char line[1024] = "--kernel|k";

	(void)state;
	for (int i = 0; i < VMMCTL_DISKS_MAX; i++)
		strcat(line, "|--disk|path=a");
	assert_int_equal(parse(line), CONFIG_RUN);
	strcat(line, "|--disk|path=a");
	assert_int_equal(parse(line), CONFIG_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_too_many_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
